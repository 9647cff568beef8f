/* yoke/mapreduce/mapreduce.h - one question over a lot of data.
 *
 * Counting the words of any number of files, on all cores:
 *
 *   static int map_words(yk_split *split, yk_emitter *out, void *arg)
 *   {
 *       for (yk_str word; yk_split_next_word(split, &word);)
 *           yk_emit_u64(out, word, 1);
 *       return 0;
 *   }
 *
 *   int err = yk_mapreduce(.inputs = files, .map = map_words, .fold = YK_SUM_U64,
 *                          .sink = yk_sink_tsv("counts.tsv"));
 *
 * What happens:
 *   1. Inputs and output are checked: what cannot be read or written is said before any work.
 *   2. The inputs are cut at record boundaries (data/input.h). Each piece is a job on the executor:
 *      the map function emits keys with values (split.h), which a table folds as they come
 * (fold.h), or keeps for a reduce function (reduce.h), and hands over in partitions. gzip and pipes
 *      cannot be cut; a thread reads them, piece after piece.
 *   3. When all is read, each partition is merged, and reduced, by a job of its own.
 *   4. The result is written in the order of the keys' bytes, or for a top-k the best first
 *      (sink.h).
 *
 * The output is the same to the byte for every executor, number of workers, size of the pieces
 * and order of completion. A failure is reported the same way: the earliest one in the order of the
 * input. A piece whose worker died is done again.
 *
 * Everything that a map function needs travels to the workers by value: `arg` is copied. In a
 * worker process, memory is as it was when yk_init() ran (executor/init.h); functions and constants
 * have their addresses there too.
 */
#ifndef YOKE_MAPREDUCE_MAPREDUCE_H
#define YOKE_MAPREDUCE_MAPREDUCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../executor/executor.h"
#include "fold.h"
#include "reduce.h"
#include "sink.h"
#include "split.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    YK_MAPREDUCE_WORKERS = 64,   /* workers that are counted one by one */
    YK_MAPREDUCE_MESSAGE = 1024, /* bytes of the longest message */
    YK_MAPREDUCE_COUNTERS = 32,  /* different names that a job may count under */
    YK_MAPREDUCE_PARTITIONS = 256,
};

typedef enum yk_mapreduce_phase { YK_MAPPING, YK_MERGING, YK_WRITING, YK_ENDED } yk_mapreduce_phase;

/* How far a job is, or what it has done. */
typedef struct yk_mapreduce_stats {
    yk_mapreduce_phase phase;
    uint64_t elapsed_ns;
    uint64_t stored_total;   /* bytes of all inputs as stored; 0 if one of them is a pipe */
    uint64_t stored;         /* of them, read and mapped */
    uint64_t text;           /* bytes of text that this was, unpacked */
    uint64_t records;        /* lines */
    uint64_t bad_records;    /* of them, skipped */
    uint64_t left_ns;        /* until everything is mapped, by the pace so far; 0: nobody knows */
    uint64_t splits;         /* pieces mapped */
    uint64_t resumed_splits; /* pieces that a journal had; not among `splits` */
    uint64_t running;        /* pieces under way */
    uint64_t retries;        /* pieces done again because a worker had died */
    uint64_t backups;        /* second copies of pieces that took very long */
    uint64_t spilled_bytes;  /* written to disk because memory did not suffice */
    uint64_t spilled_runs;   /* files of them */
    uint64_t merge_passes;   /* over such files */
    uint64_t keys;           /* distinct ones, from YK_WRITING on */
    unsigned workers;        /* that had work; those past YK_MAPREDUCE_WORKERS count as the last */
    struct {
        uint64_t splits, busy_ns;
    } worker[YK_MAPREDUCE_WORKERS];
} yk_mapreduce_stats;

/* What the job's functions counted under one name (yk_count); it stops at UINT64_MAX. */
typedef struct yk_mapreduce_counter {
    char name[32];
    uint64_t value;
} yk_mapreduce_counter;

/* What a job tells beside its return value. */
typedef struct yk_mapreduce_report {
    yk_mapreduce_stats stats;
    /* Why it failed, in one line: "FILE:LINE: byte OFFSET: reason: "beginning"" for a record. Empty
     * if it did not. */
    char message[YK_MAPREDUCE_MESSAGE];
    /* The first record that was skipped, in the same form; empty if none was. */
    char first_bad[YK_MAPREDUCE_MESSAGE];
    /* In the order of their names. A piece counts once, however often it was tried. */
    unsigned n_counters;
    yk_mapreduce_counter counter[YK_MAPREDUCE_COUNTERS];
} yk_mapreduce_report;

typedef struct yk_mapreduce_options {
    const char *const *inputs; /* paths, ending with NULL; "-" is standard input */
    yk_splitter splitter;      /* where records end, if they are no lines (split.h) */
    yk_map_fn map;
    const yk_fold *fold;  /* either this, */
    yk_reduce_fn reduce;  /* or this, */
    yk_reduce_fn combine; /* and perhaps this with it (reduce.h) */
    yk_sink sink;         /* none: tab-separated to standard output */
    /* Instead of one file, so many, each sorted: PATH-00000, PATH-00001 and so on, where PATH is
     * the sink's. A key goes to the one that `partition` says (0 to partitions - 1), on a thread of
     * the engine's; NULL: by a hash, the same in every run. Each file appears whole, and none
     * before all are written. */
    size_t partitions;
    size_t (*partition)(yk_str key, size_t partitions, const void *arg);
    yk_executor *executor; /* NULL: a thread pool of its own, one per CPU */
    int workers;           /* that the executor has; 0: YK_PER_CORE. How much to keep in flight */
    const void *arg;       /* copied, and handed to map, reduce and combine */
    size_t arg_size;
    bool skip_bad_records; /* what yk_split_bad_record does */
    /* A record on which map kills its worker process is found: it is skipped, and counted with the
     * bad ones (up to 16 in a piece), or the job fails with its place. On a thread such a map
     * function ends the program, as everywhere. */
    bool skip_crashing_records;
    /* Bytes that all processes of the job may use together (proportional set size), held within a
     * tenth; 0: half of what the machine, or the control group, has. What does not fit is written
     * to files in a folder of the job's own, which is made in `tmp_dir` (NULL: in $TMPDIR if that
     * is set, else beside the output) and removed at the end, whatever that is. It takes about 4
     * MB, 4 MB for each worker, and 2 MB for each gzip file that is read at once, at least. Not
     * counted: the `top` best records; one record, one key's values in one piece, and one zstd
     * frame's window, however large. */
    size_t memory;
    const char *tmp_dir;
    /* A directory, which is made if it is not there: the job goes on where one that was killed has
     * stopped, and can itself be killed and go on so. It is removed when the job has ended well.
     * Finished pieces are taken from it, and those of the last moments done again; the output is
     * the same to the byte. All results go through files there, and `tmp_dir` is not used. Inputs
     * are regular files. NULL: no journal. UV_EBUSY: another job is using it. UV_ENOTEMPTY: it is
     * none, and not empty. UV_EINVAL: it is of another job. That is told by the program's file, the
     * functions, `arg` (so it has no pointers, and nothing undefined), the other options that
     * matter, and the inputs with their sizes and times. */
    const char *journal;
    size_t split_size; /* bytes of text in a piece; 0: 4 MiB, or less if there is little */
    /* Only the `top` best records, by `rank` of their values, larger first, ties by the bytes of
     * the key. 0: all records, by the bytes of the key. NULL: the value's first uint64_t. Not
     * with a reduce function. */
    size_t top;
    uint64_t (*rank)(const void *value);
    /* Called on the caller's thread at most ten times a second, at the end of a phase, and at the
     * end. */
    void (*progress)(const yk_mapreduce_stats *stats, void *arg);
    void *progress_arg;
    yk_mapreduce_report *report; /* filled when it returns, whatever it returns; may be NULL */
} yk_mapreduce_options;

/* Runs one job and waits for it: in a task, which is suspended, or on a plain thread. Cancelling
 * the task ends the job. Returns 0, or
 *   UV_EINVAL    an option that makes no sense
 *   UV_E...      an input that cannot be read, an output that cannot be written
 *   YK_EFORMAT   a malformed record             YK_EOVERFLOW  a fold that overflowed
 *   YK_ECORRUPT, YK_ETRUNCATED                  damaged compressed data
 *   YK_ECRASHED  a record that kills its workers, or a piece whose worker died again and again
 *   YK_ECANCELED, YK_EONLOOP                    as everywhere; UV_ENOMEM
 * or what the map function returned. On failure there is no output. */
int yk_mapreduce_run(const yk_mapreduce_options *options);
#define yk_mapreduce(...) yk_mapreduce_run(&(yk_mapreduce_options){ __VA_ARGS__ })

#ifdef __cplusplus
}
#endif
#endif
