/* mapreduce/ngram/fetch_missing.c - ngram fetch where it was built without libcurl. */
#include "commands.h"

static int run(const void *options, const ngram_words *words)
{
    (void)options, (void)words;
    return ngram_complain(NULL, "this ngram was built without libcurl, and cannot fetch; install "
                                "libcurl4-openssl-dev and build it again");
}

static const ngram_option_group groups[] = { { 0 } };

static const ngram_example examples[] = {
    { "says so", "ngram fetch" },
    { 0 },
};

const ngram_command ngram_fetch_command = {
    .name = "fetch",
    .usage = "(not here)",
    .summary = "downloads the dataset's files: not in this build, which had no libcurl",
    .about = "This ngram was built without libcurl, and cannot download files.",
    .examples = examples,
    .groups = groups,
    .size = 1,
    .run = run,
};
