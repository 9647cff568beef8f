/* mapreduce/ngram/gen.c - ngram gen: a file made up. */
#include <string.h>
#include <unistd.h>

#include "../../data/generate.h"
#include "background.h"
#include "commands.h"

typedef struct gen_options {
    ngram_generate_options gen;
    const char *path;
    ngram_when progress;
} gen_options;

static int note_progress(uint64_t done, uint64_t total, void *arg)
{
    (void)total;
    ngram_background *w = arg;
    atomic_store_explicit(&w->done, done, memory_order_relaxed);
    return yk_job_cancelled(w->job);
}

static int make(ngram_background *w)
{
    const gen_options *o = w->arg;
    ngram_generate_options gen = o->gen;
    gen.progress = note_progress;
    gen.arg = w;
    if (!o->path || strcmp(o->path, "-") == 0)
        return ngram_generate_fd(&gen, STDOUT_FILENO, NULL);
    return ngram_generate_file(&gen, o->path, NULL);
}

static int generate(const gen_options *o)
{
    gen_options options = *o;
    ngram_background work = { .run = make,
                              .arg = &options,
                              .name = o->path ? o->path : "standard output",
                              .total = o->gen.bytes };
    return ngram_background_run(&work, o->progress);
}

static int run(const void *options, const ngram_words *words)
{
    const gen_options *o = options;
    const char *wrong = ngram_generate_check(&o->gen);
    if (words->count > 0)
        return ngram_complain(&ngram_gen_command, "unexpected '%s'; the output is named with -o",
                              words->at[0]);
    return wrong ? ngram_complain(&ngram_gen_command, "%s", wrong) : generate(o);
}

static const char *const layouts[] = { "v2", "v3", NULL };

static bool read_layout(const ngram_option *option, const char *text, void *into)
{
    int which;
    if (!ngram_read_choice(option, text, &which))
        return false;
    *(int *)into = which + 2;
    return true;
}

static const ngram_option gen_table[] = {
    { .name = "bytes",
      .value = "SIZE",
      .help = "of text, before packing: 64K, 100M, 1G (default 64M)",
      .read = ngram_read_bytes,
      .at = offsetof(gen_options, gen.bytes),
      .least = 1,
      .must = "a size such as 64K, 100M or 1G" },
    { .name = "seed",
      .value = "N",
      .help = "another number, another file (default 0)",
      .read = ngram_read_u64,
      .at = offsetof(gen_options, gen.seed) },
    { .name = "format",
      .value = "LAYOUT",
      .help = "v2 (default; a row for every year) or v3 (a row for every n-gram)",
      .read = read_layout,
      .at = offsetof(gen_options, gen.version),
      .words = layouts },
    { .name = "output",
      .letter = 'o',
      .value = "FILE",
      .help = "write to FILE; FILE.gz and FILE.zst are packed (default: standard output)",
      .read = ngram_read_text,
      .at = offsetof(gen_options, path) },
    { .name = "words",
      .value = "N",
      .help = "words an n-gram has at most, 1 to 5 (default 5)",
      .read = ngram_read_int,
      .at = offsetof(gen_options, gen.max_words),
      .least = 1 },
    { .name = "shards",
      .value = "N",
      .help = "sorted stretches one after the other (default 1)",
      .read = ngram_read_int,
      .at = offsetof(gen_options, gen.shards),
      .least = 1 },
    { .name = "level",
      .value = "N",
      .help = "of the packing: gzip 1 to 9 (default 6), zstd 1 to 19 (3)",
      .read = ngram_read_int,
      .at = offsetof(gen_options, gen.level),
      .least = 1 },
    { .name = "threads",
      .value = "N",
      .help = "that pack zstd (default 2)",
      .read = ngram_read_int,
      .at = offsetof(gen_options, gen.threads),
      .least = 1 },
    NGRAM_PROGRESS_OPTION(gen_options),
    { 0 },
};

static const ngram_option_group groups[] = { { "Options", gen_table, 0 }, { 0 } };

static const ngram_example examples[] = {
    { "a file of 10 MB, packed with zstd", "ngram gen --bytes 10M -o made-up.zst" },
    { "single words in the layout of version 3, to standard output",
      "ngram gen --bytes 1M --words 1 --format v3" },
    { 0 },
};

const ngram_command ngram_gen_command = {
    .name = "gen",
    .usage = "[--bytes 64M] [-o FILE] [options]",
    .summary = "makes a file up, in the dataset's layout",
    .about = "Makes up a file in the layout of the Google Books Ngram dataset: words in Zipf's "
             "shape, tags such as run_VERB, several scripts. The same options make the same bytes.",
    .examples = examples,
    .groups = groups,
    .size = sizeof(gen_options),
    .run = run,
};
