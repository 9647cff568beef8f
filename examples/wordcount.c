/* The words of any text files, counted on all cores: map-reduce in one page.
 *
 *   wordcount FILE...        one line a word: word TAB count, in the order of their bytes */
#include <stdio.h>

#include <yoke/yoke.h>

static int map_words(yk_split *split, yk_emitter *out, void *arg)
{
    (void)arg;
    for (yk_str word; yk_split_next_word(split, &word);)
        yk_emit_u64(out, word, 1);
    return 0;
}

static int app(void *files)
{
    yk_mapreduce_report report;
    yk_executor *pool = yk_process_pool(.workers = YK_PER_CORE);
    int err = yk_mapreduce(.inputs = files, .map = map_words, .fold = YK_SUM_U64,
                           .sink = yk_sink_tsv(NULL), .executor = pool, .report = &report);
    if (err)
        fprintf(stderr, "wordcount: %s\n", report.message);
    yk_executor_close(pool);
    return err;
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, app, argv + 1);
}
