/* mapreduce/map_job.h - the job that maps one piece of the input. Not installed.
 *
 * A piece is a range of a file, which the worker opens by its path, or a chunk of text in memory
 * that the worker can see (the arena, or simply this process).
 */
#ifndef YOKE_MAPREDUCE_MAP_JOB_H
#define YOKE_MAPREDUCE_MAP_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../data/input.h"
#include "../executor/job.h"
#include "counters.h"
#include "reduce.h"
#include "run.h"
#include "split.h"

enum { YK__SKIPPED_MAX = 16 };

/* Argument: this, then `user_size` bytes for map, then with a NUL each the path, and the folder for
 * runs that the job writes early. */
typedef struct yk__map_arg {
    yk_map_fn map;
    const yk_fold *fold;  /* NULL: values are grouped, */
    yk_reduce_fn combine; /* and if this is not NULL, combined */
    uint64_t order;       /* of the piece */
    uint64_t seed;
    yk_splitter splitter;
    bool skip_bad;
    yk_range range;
    uint64_t text_before; /* the piece, in its input; YK_SIZE_UNKNOWN: nobody knows */
    const char *chunk;    /* if not NULL: the text, instead of the range */
    size_t chunk_len;
    uint64_t end_record; /* only the records before it; UINT64_MAX: all. Else nothing is returned */
    bool look;           /* calls no map function: counts them, and describes that one, if it can */
    unsigned n_skipped;  /* records that kill their workers, in order */
    uint64_t skipped[YK__SKIPPED_MAX];
    size_t table_limit; /* a table of more bytes becomes a run */
    uint64_t number;    /* of such runs (yk__early_path) */
    bool durable;       /* they are to outlive the machine */
    size_t user_size;
    _Alignas(16) char rest[];
} yk__map_arg;

static inline const char *yk__map_name(const yk__map_arg *arg)
{
    const char *path = arg->rest + arg->user_size;
    return path[0] ? path : "standard input";
}

enum { YK__REASON = 512, YK__QUOTE = 96 };

/* What is wrong with a piece. */
typedef struct yk__flaw {
    int code;        /* 0: nothing */
    bool has_place;  /* `offset` and `line` say where; else `reason` says it all */
    uint64_t offset; /* in the piece's text */
    uint64_t line;   /* records before it in the piece */
    char reason[YK__REASON];
    char quote[YK__QUOTE]; /* the record's beginning, printable; may be empty */
} yk__flaw;

/* Result: this, then the runs. Also for a piece that failed: then `flaw.code` is set and there are
 * no runs. */
typedef struct yk__map_head {
    uint64_t text, stored; /* bytes of the piece, unpacked and as stored (of a chunk: 0) */
    uint64_t records, bad_records;
    uint64_t busy_ns;
    unsigned worker;
    int process;        /* its number, to know whether it was this one */
    uint64_t number;    /* as in the argument, */
    uint32_t early;     /* and so many runs were written under it */
    yk__flaw flaw;      /* why it failed */
    yk__flaw first_bad; /* the first record that was skipped; or, of a look, what it saw */
    yk__counters counters;
    yk__parts parts;
} yk__map_head;

/* What a worker wrote, as it must be. */
static inline yk__flaw *yk__clean_flaw(yk__flaw *flaw)
{
    flaw->reason[YK__REASON - 1] = flaw->quote[YK__QUOTE - 1] = '\0';
    return flaw;
}

enum { YK__EARLY_MAX = 1 << 15 };

int yk__map_job(yk_job *job);

#endif
