/* mapreduce/ngram/top.c - ngram top: the most frequent n-grams. */
#include "commands.h"
#include "counting.h"

static const ngram_option top_table[] = {
    { .name = "top",
      .letter = 'k',
      .value = "K",
      .help = "so many of them (default 10)",
      .read = ngram_read_u64,
      .at = offsetof(ngram_counting_options, top),
      .least = 1 },
    { .name = "share",
      .help = "two more columns: the share of the match_count of all n-grams that were asked for, "
              "and the share of this row and those above it. With --pos keep tagged rows are part "
              "of all, and count again",
      .read = ngram_read_flag,
      .at = offsetof(ngram_counting_options, share) },
    { 0 },
};

static const ngram_option_group groups[] = {
    { "How many", top_table, 0 },
    NGRAM_COUNTING_GROUPS,
    { 0 },
};

static int run(const void *options, const ngram_words *files)
{
    ngram_counting_options o = *(const ngram_counting_options *)options;
    o.top = o.top < SIZE_MAX / 4 ? o.top : SIZE_MAX / 4;
    return ngram_sum(&o, files, &ngram_top_command);
}

static const ngram_example examples[] = {
    { "the twenty most frequent n-grams since 1900", "ngram top 1gram-a.gz -k 20 --years 1900:" },
    { "the most frequent nouns that begin with s, with their share",
      "ngram top 1gram-a.gz --pos only NOUN --prefix s --share --format csv" },
    { 0 },
};

const ngram_command ngram_top_command = {
    .name = "top",
    .usage = "FILE... [-k 10] [options]",
    .summary = "the most frequent n-grams, the most frequent first",
    .about = "The most frequent n-grams by match_count, the most frequent first; those that are "
             "equally frequent by the bytes of the n-gram.\n\n" NGRAM_ABOUT_FILES,
    .examples = examples,
    .groups = groups,
    .defaults = &(ngram_counting_options){ .top = 10 },
    .size = sizeof(ngram_counting_options),
    .run = run,
};
