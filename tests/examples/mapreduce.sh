#!/bin/bash
# mapreduce.sh BUILD - the map-reduce examples beside coreutils and awk, on the licences that Debian
# has, or on words made up where they are missing.
set -euo pipefail
export LC_ALL=C
build=$1
folder=$(mktemp -d "${TMPDIR:-/tmp}/yoke-examples.XXXXXX")
trap 'rm -rf "$folder"' EXIT

texts=(/usr/share/common-licenses/{GPL-2,GPL-3,LGPL-2.1,Apache-2.0})
for text in "${texts[@]}"; do
    if [ -r "$text" ]; then
        cp "$text" "$folder/"
    else
        awk -v seed="${#text}" 'BEGIN { srand(seed); for (i = 1; i <= 20000; i++)
            printf "w%d%s", rand() * rand() * 900, i % 9 ? " " : "\n" }' >"$folder/$(basename "$text")"
    fi
done
cd "$folder"
gzip -k GPL-3 # a copy that is not cut into pieces
files=(GPL-2 GPL-3.gz LGPL-2.1 Apache-2.0)
plain=(GPL-2 GPL-3 LGPL-2.1 Apache-2.0)
words=(tr -s '[:space:]' '\n')

same() { # WHAT EXPECTED GOT
    [ -s "$2" ] || { echo "$1: nothing to compare with" >&2; exit 1; }
    cmp "$2" "$3" || { echo "$1 differs" >&2; exit 1; }
    echo "$1: the same"
}

# ---- Words --------------------------------------------------------------------------------------

cat "${plain[@]}" | "${words[@]}" | sed '/^$/d' | sort | uniq -c |
    awk '{ print $2 "\t" $1 }' | sort >counts
"$build/example_wordcount" "${files[@]}" >out
same "word count" counts out

# ---- Where they stand ---------------------------------------------------------------------------

for file in "${plain[@]}"; do
    grep -aob '[^[:space:]]*' "$file" | sed "s/^\([0-9]*\):\(.*\)/\2 $file:\1/"
done | awk '{ at[$1] = at[$1] " " $2 } END { for (w in at) print w "\t" substr(at[w], 2) }' |
    sort >places
"$build/example_inverted_index" "${files[@]}" | sed 's/GPL-3\.gz:/GPL-3:/g' >out
same "inverted index" places out

# ---- The most frequent ones of each first letter ------------------------------------------------

for file in "${plain[@]}"; do
    "${words[@]}" <"$file" | sed '/^$/d' | sort | uniq -c |
        awk -v file="$file" '{ print substr($2, 1, 1) "\t" $1 "\t" $2 " in " file }' >"$file.tsv"
done
cat "${plain[@]/%/.tsv}" | sort -s -t "$(printf '\t')" -k1,1 -k2,2nr |
    awk -F '\t' 'n[$1]++ < 3' >best
"$build/example_group_top" 3 "${plain[@]/%/.tsv}" >out
same "best of each group" best out

# ---- What cannot be read ------------------------------------------------------------------------

for program in "example_wordcount" "example_inverted_index" "example_group_top 3"; do
    if "$build"/$program missing >out 2>error; then
        echo "$program: no failure" >&2
        exit 1
    fi
    grep -q "missing: no such file" error
    [ ! -s out ]
done
echo "a file that is missing: said"
