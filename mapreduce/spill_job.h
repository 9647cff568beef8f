/* mapreduce/spill_job.h - the jobs of a map-reduce that does not fit into memory. Not installed.
 *
 * yk__spill_job       the results of many pieces become one sorted run
 * yk__join_job        sorted runs become one
 * yk__best_job        of one partition of sorted runs, the best records stay in memory
 * yk__reduce_job      of one partition of sorted runs, what is reduced becomes a run
 *
 * They fold what has one key. None needs memory for more than a partition of what it spills,
 * or a block a run and the best records.
 */
#ifndef YOKE_MAPREDUCE_SPILL_JOB_H
#define YOKE_MAPREDUCE_SPILL_JOB_H

#include "../executor/job.h"
#include "merge.h"
#include "run.h"

/* Argument of all. */
typedef struct yk__spill_arg {
    const yk_fold *fold; /* NULL: values are grouped */
    yk__form form;

    /* yk__spill_job: for each partition `n` spans, from `from + partition * stride` on. */
    const yk__span *from;
    size_t stride;
    uint64_t n[YK__PARTS];

    /* The others. */
    unsigned first, end; /* the partitions to be done */
    bool is_last;        /* of several passes: a key whose fold failed ends it */
    size_t top;
    uint64_t (*rank)(const void *value);

    yk_reduce_fn reduce;

    bool durable;
    uint64_t runs;
    size_t user_size; /* of the argument of reduce */
    size_t note_len;  /* of the note in the run that is written */
    /* That argument; the note; the path of that run; those of the `runs` that are read. */
    _Alignas(16) char rest[];
} yk__spill_arg;

/* Result: this, and for yk__best_job its records, the best first. If a key's fold failed and this
 * was the last pass: that one record, the first by bytes. */
int yk__spill_job(yk_job *job);
int yk__join_job(yk_job *job);
int yk__best_job(yk_job *job);
int yk__reduce_job(yk_job *job);

#endif
