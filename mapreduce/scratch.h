/* mapreduce/scratch.h - memory that a worker keeps from one job to the next. Not installed.
 *
 * Fresh memory costs a page fault for every 4 KiB, which is more than writing it.
 */
#ifndef YOKE_MAPREDUCE_SCRATCH_H
#define YOKE_MAPREDUCE_SCRATCH_H

#include "../data/input.h"
#include "table.h"

typedef struct yk__scratch {
    yk__table table;
    yk__table combined;
    yk_blocks *blocks;
    yk__pool entries, index; /* of a merge */
} yk__scratch;

/* The calling thread's own, made when it is first asked for, freed with the thread. What is in its
 * pools is anyone's: a job finds them as the last one left them. NULL when out of memory. */
yk__scratch *yk__own_scratch(void);

/* Frees the pool if it has become larger than what is worth keeping. */
void yk__scratch_keep(yk__pool *pool);

#endif
