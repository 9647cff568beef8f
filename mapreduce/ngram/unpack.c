/* mapreduce/ngram/unpack.c - ngram unpack: the text of a packed file. */
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "../../data/scan.h"
#include "../output.h"
#include "background.h"
#include "commands.h"
#include "inputs.h"

typedef struct unpack_options {
    const char *path;
    int threads;
    ngram_when progress;
} unpack_options;

typedef struct unpacking {
    const unpack_options *o;
    const char *const *files;
    yk__output out;
    uint64_t taken; /* bytes of the files before */
    ngram_background work;
} unpacking;

static int keep_block(yk__stretch *stretch, const yk_block *block, void *arg)
{
    (void)arg;
    size_t size = (size_t)(block->end - block->begin);
    if (yk__buffer_reserve(stretch->out, size))
        return UV_ENOMEM;
    memcpy(stretch->out->at + stretch->out->len, block->begin, size);
    stretch->out->len += size;
    return 0;
}

static int write_stretch(yk__stretch *stretch, void *arg)
{
    unpacking *u = arg;
    return yk__output_write(&u->out, stretch->out->at, stretch->out->len, u->work.job);
}

static int note_progress(uint64_t stored, void *arg)
{
    unpacking *u = arg;
    atomic_store_explicit(&u->work.done, u->taken + stored, memory_order_relaxed);
    return yk_job_cancelled(u->work.job);
}

static int unpack_file(unpacking *u, const char *path)
{
    yk_input *input;
    int err = ngram_open_input(&input, path, &u->work);
    if (err)
        return err;
    err = yk__scan(input,
                   &(yk__scan_options){ .threads = u->o->threads,
                                        .block = keep_block,
                                        .take = write_stretch,
                                        .tick = note_progress,
                                        .arg = u },
                   u->work.message, sizeof u->work.message);
    u->taken = atomic_load_explicit(&u->work.done, memory_order_relaxed);
    yk_input_close(input);
    return err;
}

static int run_unpacking(ngram_background *w)
{
    unpacking *u = w->arg;
    int err = yk__output_open(&u->out, u->o->path);
    if (err)
        return err;
    for (const char *const *file = u->files; !err && *file; file++)
        err = unpack_file(u, *file);
    if (err)
        yk__output_abandon(&u->out);
    return err ? err : yk__output_commit(&u->out);
}

static int run(const void *options, const ngram_words *files)
{
    unpack_options o = *(const unpack_options *)options;
    if (files->count == 0)
        return ngram_complain(&ngram_unpack_command, "no input files ('-' is standard input)");
    o.threads = ngram_threads(o.threads);
    unpacking u = { .o = &o, .files = files->at };
    u.work = (ngram_background){ .run = run_unpacking,
                                 .arg = &u,
                                 .name = o.path ? o.path : "standard output",
                                 .total = ngram_total_size(files->at) };
    return ngram_background_run(&u.work, o.progress);
}

static const ngram_option table[] = {
    { .name = "output",
      .letter = 'o',
      .value = "OUT",
      .help = "write to OUT, which appears when all is well (default: standard output)",
      .read = ngram_read_text,
      .at = offsetof(unpack_options, path) },
    { .name = "threads",
      .value = "N",
      .help = "that decompress, where there are several frames (default: the CPUs that this "
              "process may use)",
      .read = ngram_read_int,
      .at = offsetof(unpack_options, threads),
      .least = 1,
      .most = YK__PIPELINE_THREADS },
    NGRAM_PROGRESS_OPTION(unpack_options),
    { 0 },
};

static const ngram_option_group groups[] = { { "Options", table, 0 }, { 0 } };

static const ngram_example examples[] = {
    { "the text of a file", "ngram unpack 2gram.gz -o 2gram.tsv" },
    { 0 },
};

const ngram_command ngram_unpack_command = {
    .name = "unpack",
    .usage = "FILE... [-o OUT] [options]",
    .summary = "the text of packed files",
    .about =
        "Unpacks files, gzip or zstd (plain ones are copied), one behind the other, and checks "
        "their checksums. '-' is standard input.",
    .examples = examples,
    .groups = groups,
    .size = sizeof(unpack_options),
    .run = run,
};
