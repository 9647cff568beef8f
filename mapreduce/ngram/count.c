/* mapreduce/ngram/count.c - ngram count: every n-gram with its sums. */
#include "commands.h"
#include "counting.h"

typedef struct count_options {
    ngram_query_options query;
} count_options;

static const ngram_option_group groups[] = {
    NGRAM_QUERY_GROUPS(count_options, query),
    { 0 },
};

static int run(const void *options, const ngram_words *files)
{
    const count_options *o = options;
    if (files->count == 0)
        return ngram_no_files(&ngram_count_command);
    return ngram_sum(&o->query, files->at, 0);
}

const ngram_command ngram_count_command = {
    .name = "count",
    .usage = "FILE... [-o OUT] [options]",
    .summary = "every n-gram with its match_count and volume_count summed over the years, sorted "
               "by the bytes of the n-gram",
    .about = "Every n-gram in the files with its match_count and volume_count, summed over the "
             "years, sorted by the bytes of the n-gram. Sums are exact; past 64 bits is an "
             "error.\n\n" NGRAM_ABOUT_FILES,
    .groups = groups,
    .size = sizeof(count_options),
    .run = run,
};
