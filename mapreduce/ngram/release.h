/* mapreduce/ngram/release.h - what the files of a release are called and where they are.
 *
 *   20200217 (version 3)   BASE/20200217/eng/1-00006-of-00024.gz        parts 0, 1, 2, ...
 *   20120701 (version 2)   BASE/googlebooks-eng-all-1gram-20120701-a.gz   parts 0, a, aa, other,
 * ... 20090715 (version 1)   BASE/googlebooks-eng-all-1gram-20090715-0.csv.zip   parts 0, 1, 2, ...
 *
 * and one of total counts for each language, the part "totals". How many parts there are is known,
 * or read off the page that lists them.
 */
#ifndef NGRAM_RELEASE_H
#define NGRAM_RELEASE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct ngram_release {
    const char *base;     /* ends with a slash */
    const char *language; /* "eng", "eng-us", "chi-sim", ... */
    int n;                /* words in an n-gram, 1 to 5 */
    int version;          /* 1 to 3 */
} ngram_release;

/* A file to be loaded. */
typedef struct ngram_part {
    char *url, *name; /* name: the last part of the URL */
    bool totals;
} ngram_part;

typedef struct ngram_parts {
    ngram_part *at;
    size_t count, room;
} ngram_parts;

/* The version of a release by its date; 0: there is none. */
int ngram_release_version(const char *date);

/* The address of a page without which `only` (NULL: all) cannot be found, to be freed; NULL: none
 * is needed, or there is no memory. */
char *ngram_release_page(const ngram_release *release, const char *only);

/* Lists the files for the parts named in `only`, commas between, or all of them. `page` is the text
 * of that page, or NULL. 0; UV_ENOMEM; UV_EINVAL, told in `message`. To be freed in any case. */
int ngram_release_list(ngram_parts *parts, const ngram_release *release, const char *only,
                       const char *page, char *message, size_t size);
void ngram_parts_free(ngram_parts *parts);

#endif
