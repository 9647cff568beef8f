/* mapreduce/budget.h - who may use how much of a job's memory. Not installed.
 *
 * What a process needs in any case is taken off first. Of the rest,
 *
 *     a half    results of mapped pieces that wait: to be merged, or to be spilled
 *     a quarter the workers' tables
 *     a quarter what spilling needs, and what the allocators round up
 *
 * Merging begins when the results are gone and takes their half: a block for each run that takes
 * part. Results that are to be merged in memory need room for what comes out as well, so they may
 * be a third of the whole only; more are spilled.
 */
#ifndef YOKE_MAPREDUCE_BUDGET_H
#define YOKE_MAPREDUCE_BUDGET_H

#include <stddef.h>

typedef struct yk__budget {
    size_t total;
    size_t held;      /* bytes of results that wait, at most */
    size_t unspilled; /* at the end: so many are merged in memory */
    size_t batch;     /* bytes of results that are spilled by one job */
    size_t table;     /* bytes of one worker's table, before it spills by itself */
    size_t piece;     /* bytes of text in a piece, at most */
    size_t fan_in;    /* runs that one worker merges at once */
} yk__budget;

/* Divides `memory` bytes (0: half of what the machine, or this control group, has). UV_EINVAL: that
 * is too little, and `total` is the least there may be. */
int yk__budget_make(yk__budget *b, size_t memory, size_t workers, size_t streams);

/* How many chunks each of so many streams may have, beside those that its thread has: `wanted`, or
 * fewer; at least 2. */
size_t yk__budget_chunks(yk__budget *b, size_t streams, size_t wanted);

#endif
