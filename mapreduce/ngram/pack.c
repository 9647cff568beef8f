/* mapreduce/ngram/pack.c - ngram pack: files of any packing into one of zstd frames. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../data/packer.h"
#include "../../data/pipeline.h"
#include "../output.h"
#include "background.h"
#include "commands.h"
#include "inputs.h"
#include "units.h"

#define FAR_FRAME ((uint64_t)32 << 20) /* in a small one there is nothing far */

typedef struct pack_options {
    const char *path;
    int level;
    bool far;
    uint64_t frame;
    int threads;
    ngram_report_options report;
} pack_options;

typedef struct packing {
    const pack_options *o;
    const char *const *files;
    yk__output out;
    yk__packer *packer;
    uint64_t taken; /* bytes of the files before */
    yk__packed packed;
    ngram_background work;
} packing;

static int write_output(void *arg, const void *bytes, size_t size)
{
    packing *p = arg;
    int err = yk__output_write(&p->out, bytes, size, p->work.job);
    if (err && err != YK_ECANCELED)
        snprintf(p->work.message, sizeof p->work.message, "%.300s: %s",
                 p->o->path ? p->o->path : "standard output", yk_strerror(err));
    return err;
}

static int pack_text(packing *p, yk_reader *reader, char *last)
{
    for (;;) {
        size_t wanted = yk__packer_wanted(p->packer);
        char *room = yk__packer_room(p->packer, wanted);
        if (!room)
            return yk__packer_finish(p->packer, NULL); /* which tells why */
        int64_t got = yk_reader_read(reader, room, wanted);
        if (got < 0)
            snprintf(p->work.message, sizeof p->work.message, "%s", yk_reader_error(reader));
        if (got <= 0)
            return (int)got;
        *last = room[got - 1];
        int err = yk__packer_wrote(p->packer, (size_t)got);
        if (err || yk_job_cancelled(p->work.job))
            return err ? err : YK_ECANCELED;
        atomic_store_explicit(&p->work.done, p->taken + yk_reader_taken(reader),
                              memory_order_relaxed);
    }
}

/* Rows of two files stay two. */
static int end_row(packing *p, char *last)
{
    char *room = *last == '\n' ? NULL : yk__packer_room(p->packer, 1);
    if (!room)
        return 0;
    *room = *last = '\n';
    return yk__packer_wrote(p->packer, 1);
}

static int pack_file(packing *p, const char *path, char *last)
{
    yk_reader *reader;
    int err = ngram_open_reader(&reader, path, &p->work);
    if (err)
        return err;
    err = end_row(p, last);
    if (!err)
        err = pack_text(p, reader, last);
    if (err == YK_EFORMAT && !p->work.message[0])
        snprintf(p->work.message, sizeof p->work.message,
                 "%.300s: a row is longer than %zu MiB (no line ends?)", path, YK_RECORD_MAX >> 20);
    p->taken += yk_reader_taken(reader);
    yk_reader_close(reader);
    return err;
}

static int pack_files(packing *p)
{
    char last = '\n';
    int err = 0;
    for (const char *const *file = p->files; !err && *file; file++)
        err = pack_file(p, *file, &last);
    return err ? err : yk__packer_finish(p->packer, &p->packed);
}

static int run_packing(ngram_background *w)
{
    packing *p = w->arg;
    const pack_options *o = p->o;
    int err = yk__output_open(&p->out, o->path);
    if (err)
        return err;
    uint64_t frame = o->frame ? o->frame : o->far ? FAR_FRAME : YK__CHUNK;
    err = yk__packer_new(&p->packer, &(yk__packer_options){ .packing = YK_ZSTD,
                                                            .level = o->level,
                                                            .far = o->far,
                                                            .threads = o->threads,
                                                            .chunk = (size_t)frame,
                                                            .write = write_output,
                                                            .arg = p });
    if (!err)
        err = pack_files(p);
    yk__packer_free(p->packer);
    if (err)
        yk__output_abandon(&p->out);
    return err ? err : yk__output_commit(&p->out);
}

static void print_stats(const packing *p)
{
    char a[27], b[27], rate[16];
    double seconds = (double)p->work.elapsed_ns / 1e9;
    ngram_group_digits(a, p->taken);
    ngram_group_digits(b, p->packed.text);
    fprintf(stderr, "input:       %s bytes, %s of text\n", a, b);
    ngram_group_digits(a, p->packed.stored);
    fprintf(stderr, "output:      %s bytes, %.2f times smaller than its text\n", a,
            p->packed.stored ? (double)p->packed.text / (double)p->packed.stored : 0);
    ngram_group_digits(a, p->packed.rows);
    ngram_group_digits(b, p->packed.chunks);
    fprintf(stderr, "rows:        %s in %s frame%s\n", a, b, p->packed.chunks == 1 ? "" : "s");
    fprintf(stderr, "seconds:     %.3f\n", seconds);
    fprintf(stderr, "throughput:  %sB/s\n",
            ngram_short_number(rate, seconds > 0 ? (double)p->packed.text / seconds : 0));
}

static int run(const void *options, const ngram_words *files)
{
    pack_options o = *(const pack_options *)options;
    if (files->count == 0)
        return ngram_complain(&ngram_pack_command, "no input files ('-' is standard input)");
    if ((!o.path || strcmp(o.path, "-") == 0) && isatty(STDOUT_FILENO))
        return ngram_complain(&ngram_pack_command,
                              "no output: name a file with -o, or redirect standard output");
    o.threads = ngram_threads(o.threads);
    packing p = { .o = &o, .files = files->at };
    p.work = (ngram_background){ .run = run_packing,
                                 .arg = &p,
                                 .name = o.path ? o.path : "standard output",
                                 .total = ngram_total_size(files->at) };
    int status = ngram_background_run(&p.work, o.report.progress);
    if (status == NGRAM_OK && o.report.stats)
        print_stats(&p);
    return status;
}

static const ngram_option table[] = {
    { .name = "output",
      .letter = 'o',
      .value = "OUT",
      .help = "write to OUT, which appears when all is well (default: standard output)",
      .read = ngram_read_text,
      .at = offsetof(pack_options, path) },
    { .name = "level",
      .value = "N",
      .help = "of zstd, 1 (fast) to 19 (small); default 3",
      .read = ngram_read_int,
      .at = offsetof(pack_options, level),
      .least = 1,
      .most = 19 },
    { .name = "long",
      .help = "look for repetitions in all of a frame (long-distance matching); frames are 32M "
              "then, unless --frame says otherwise",
      .read = ngram_read_flag,
      .at = offsetof(pack_options, far) },
    { .name = "frame",
      .value = "SIZE",
      .help = "text in a frame at most, 64K to 128M (default 1M); a frame is what is read at once",
      .read = ngram_read_bytes,
      .at = offsetof(pack_options, frame),
      .least = 64 << 10,
      .most = YK__CHUNK_MAX,
      .must = "a size from 64K to 128M" },
    { .name = "threads",
      .value = "N",
      .help = "that compress (default: the CPUs that this process may use)",
      .read = ngram_read_int,
      .at = offsetof(pack_options, threads),
      .least = 1,
      .most = YK__PIPELINE_THREADS },
    { 0 },
};

static const ngram_option_group groups[] = {
    { "Options", table, 0 },
    { "Reports", ngram_report_table, offsetof(pack_options, report) },
    { 0 },
};

static const ngram_example examples[] = {
    { "two files in one that every core can read at once",
      "ngram pack 1gram-a.gz 1gram-b.tsv -o 1gram.zst" },
    { 0 },
};

const ngram_command ngram_pack_command = {
    .name = "pack",
    .usage = "FILE... -o OUT.zst [options]",
    .summary = "packs files as zstd that every core can read at once",
    .about =
        "Joins files, plain or packed with gzip or zstd, in their order, and packs them as zstd "
        "frames that begin at the beginning of a row, with checksums and a seek table. 'zstd -d' "
        "and 'ngram unpack' unpack it. '-' is standard input.",
    .examples = examples,
    .groups = groups,
    .size = sizeof(pack_options),
    .run = run,
};
