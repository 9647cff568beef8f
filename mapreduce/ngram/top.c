/* mapreduce/ngram/top.c - ngram top: the most frequent n-grams. */
#include "commands.h"
#include "counting.h"

typedef struct top_options {
    ngram_query_options query;
    uint64_t k;
} top_options;

static const ngram_option top_table[] = {
    { .name = "top",
      .letter = 'k',
      .value = "K",
      .help = "so many of them (default 10)",
      .read = ngram_read_u64,
      .at = offsetof(top_options, k),
      .least = 1 },
    { 0 },
};

static const ngram_option_group groups[] = {
    { "Which", top_table, 0 },
    NGRAM_QUERY_GROUPS(top_options, query),
    { 0 },
};

static int run(const void *options, const ngram_words *files)
{
    const top_options *o = options;
    if (files->count == 0)
        return ngram_no_files(&ngram_top_command);
    return ngram_sum(&o->query, files->at, o->k < SIZE_MAX / 2 ? o->k : SIZE_MAX / 2);
}

const ngram_command ngram_top_command = {
    .name = "top",
    .usage = "FILE... [-k 10] [options]",
    .summary = "the most frequent n-grams, the most frequent first",
    .about = "The most frequent n-grams by match_count, the most frequent first; those that are "
             "equally frequent by the bytes of the n-gram.\n\n" NGRAM_ABOUT_FILES,
    .groups = groups,
    .defaults = &(top_options){ .k = 10 },
    .size = sizeof(top_options),
    .run = run,
};
