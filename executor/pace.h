/* executor/pace.h - how fast a worker process ends its jobs. Not installed.
 *
 * To wake a worker costs what some hundred tiny jobs cost. So where a worker is awake, and will be
 * done with all that it has before another could be woken to help, it gets the next job, too; only
 * what would take longer is spread. The worker measures its pace over each burst of jobs, from when
 * it finds the first to when it finds no more, or over so many of them; that reads the clock twice
 * a burst. What it has found is a hint for the parent, and nothing worse than a poor distribution
 * comes of a wrong one: a worker that ends nothing for a while is not believed (see rebalance() in
 * process_driver.c).
 */
#ifndef YOKE_EXECUTOR_PACE_H
#define YOKE_EXECUTOR_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

#define YK__WAKE_COST 20000 /* nanoseconds, from the bell to the first result, and some more */
#define YK__BURST     64

/* The worker's. */
typedef struct yk__pace {
    uint64_t began;
    uint32_t jobs; /* of this burst; 0: none goes on */
} yk__pace;

/* Publishes the time that a job of this burst took, and ends the burst; relaxed: it is a hint. */
static inline void yk__pace_end(yk__pace *p, _Atomic uint32_t *shared)
{
    if (p->jobs == 0)
        return;
    uint64_t each = (yk_now() - p->began) / p->jobs + 1;
    atomic_store_explicit(shared, each < UINT32_MAX ? (uint32_t)each : UINT32_MAX,
                          memory_order_relaxed);
    p->jobs = 0;
}

/* A job is about to be taken. */
static inline void yk__pace_job(yk__pace *p, _Atomic uint32_t *shared)
{
    if (p->jobs == YK__BURST)
        yk__pace_end(p, shared);
    if (p->jobs++ == 0)
        p->began = yk_now();
}

#endif
