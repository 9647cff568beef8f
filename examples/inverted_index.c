/* Where does each word stand? An index of any text files: a job whose values are grouped.
 *
 *   inverted_index FILE...     one line a word: word TAB FILE:OFFSET FILE:OFFSET ... in the order
 * of the files as they were given, and of the places in them */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include <yoke/yoke.h>

static int map_places(yk_split *split, yk_emitter *out, void *arg)
{
    (void)arg;
    char place[4096];
    for (yk_str word; yk_split_next_word(split, &word);) {
        int len = snprintf(place, sizeof place, "%.4000s:%" PRIu64, yk_split_name(split),
                           yk_split_place(split, word.at));
        yk_emit_bytes(out, word, (yk_str){ place, (size_t)len });
    }
    return 0;
}

static int list_places(yk_str word, yk_values *places, yk_emitter *out, void *arg)
{
    (void)arg;
    char *text = NULL;
    size_t size = 0;
    FILE *list = open_memstream(&text, &size);
    if (!list)
        return UV_ENOMEM;
    const char *space = "";
    for (yk_str place; yk_values_next(places, &place); space = " ")
        fprintf(list, "%s%.*s", space, (int)place.len, place.at);
    int err = fclose(list) != 0 ? UV_ENOMEM : yk_emit_bytes(out, word, (yk_str){ text, size });
    free(text);
    return err;
}

static int app(void *files)
{
    yk_mapreduce_report report;
    yk_executor *pool = yk_process_pool(.workers = YK_PER_CORE);
    int err = yk_mapreduce(.inputs = files, .map = map_places, .reduce = list_places,
                           .sink = yk_sink_tsv(NULL), .executor = pool, .report = &report);
    if (err)
        fprintf(stderr, "inverted_index: %s\n", report.message);
    yk_executor_close(pool);
    return err;
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, app, argv + 1);
}
