/* mapreduce/merge.h - many runs of one partition become one result. Not installed. */
#ifndef YOKE_MAPREDUCE_MERGE_H
#define YOKE_MAPREDUCE_MERGE_H

#include "../executor/job.h"
#include "reducer.h"
#include "run.h"

typedef struct yk__span {
    const char *begin, *end;
} yk__span;

/* Argument of yk__merge_job. What it points to is in the arena, or the job runs on threads. */
typedef struct yk__merge_arg {
    const yk_fold *fold; /* or */
    yk_reduce_fn reduce;
    yk__form form;
    uint64_t (*rank)(const void *value);
    size_t top;           /* only so many, the best; 0: all */
    uint64_t sources;     /* their number */
    const yk__span *from; /* the runs */
    _Alignas(16) char user_arg[];
} yk__merge_arg;

/* Result of yk__merge_job: this, then `records` packed records, by the bytes of their keys, or the
 * best first; of a reduce job, its results (reducer.h). Distinct `keys` there were. If a key is
 * poisoned the result is that one record, the first by bytes, and `code` its error. */
typedef struct yk__merged {
    uint64_t records;
    uint64_t keys;
    int64_t code;
    yk__counters counters; /* of a reduce job */
} yk__merged;

int yk__merge_job(yk_job *job);

/* ---- The last step: the results of all partitions, in one order ----------------------------- */

/* Reads several sorted runs as one. */
typedef struct yk__weave {
    yk__form form;
    uint64_t (*rank)(const void *value); /* NULL: by the bytes of the keys */
    yk__view head[YK__PARTS];            /* the next record of each run */
    uint64_t head_rank[YK__PARTS];
    const char *at[YK__PARTS], *end[YK__PARTS];
    unsigned heap[YK__PARTS]; /* the runs that have a record, the smallest first */
    unsigned n;
    int err;                           /* what comes next cannot be a record */
    uint64_t value[YK__VALUE_MAX / 8]; /* the last record's, aligned */
} yk__weave;

void yk__weave_begin(yk__weave *w, yk__form form, uint64_t (*rank)(const void *value));

/* Adds the result of one partition; YK_EFORMAT if it is none. */
int yk__weave_add(yk__weave *w, const void *merged, size_t len);

/* The next record in order, good until the next call: 1, 0 at the end, or YK_EFORMAT where a result
 * is damaged. A value that was folded is aligned. */
int yk__weave_next(yk__weave *w, yk_str *key, yk_str *value);

/* The rank that a NULL rank stands for: the value's first uint64_t. */
uint64_t yk__rank_first(const void *value);

#endif
