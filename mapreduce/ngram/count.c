/* mapreduce/ngram/count.c - ngram count: every n-gram with its sums. */
#include "commands.h"
#include "counting.h"

static const ngram_option_group groups[] = {
    NGRAM_COUNTING_GROUPS,
    { 0 },
};

static int run(const void *options, const ngram_words *files)
{
    return ngram_sum(options, files, &ngram_count_command);
}

static const ngram_example examples[] = {
    { "all n-grams of two files, sorted", "ngram count 1gram-a.gz 1gram-b.tsv -o counts.tsv" },
    { "what is common in the years of a century, without tags",
      "ngram count 1gram-b.tsv --years 1800:1899 --pos strip --min-count 1000" },
    { 0 },
};

const ngram_command ngram_count_command = {
    .name = "count",
    .usage = "FILE... [-o OUT] [options]",
    .summary = "every n-gram with its match_count and volume_count summed over the years, sorted "
               "by the bytes of the n-gram",
    .about = "Every n-gram in the files with its match_count and volume_count, summed over the "
             "years, sorted by the bytes of the n-gram. Sums are exact; past 64 bits is an "
             "error. Where several rows of one year become one, volume_count counts a volume "
             "once for each of them.\n\n" NGRAM_ABOUT_FILES,
    .examples = examples,
    .groups = groups,
    .size = sizeof(ngram_counting_options),
    .run = run,
};
