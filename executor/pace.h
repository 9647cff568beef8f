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

/* To fall asleep and be woken costs two threads some 6 microseconds, and from an idle CPU it takes
 * longer. So who runs out of jobs, or of results, looks for the next ones for as long as that
 * before it sleeps, which costs at most twice what is best, whatever comes (Karlin and others,
 * Competitive randomized algorithms for non-uniform problems, 1990). The driver decides when: only
 * while that has paid lately, else in one of many sleeps. */
#define YK__BRIEF 6000  /* nanoseconds */
#define YK__ROUSE 50000 /* for a worker that sleeps and has been woken */
#define YK__PAYS  8     /* sleeps that a period without sleep must have saved */

/* Whether a worker may end its next job before it would pay to sleep, not on this CPU; or would,
 * but is still being woken. */
enum yk__nearness { YK__FAR, YK__NEAR, YK__WAKING };

typedef struct yk__luck {
    unsigned misses;  /* periods in a row that did not pay */
    unsigned skipped; /* sleeps that are still to come without a try */
    unsigned saved;   /* sleeps, in this period */
    bool tries;       /* in this period */
} yk__luck;

/* Whether to look for more before the sleep that is about to come. */
static inline bool yk__luck_tries(yk__luck *l)
{
    if (l->skipped == 0)
        l->tries = true;
    return l->tries;
}

/* It falls asleep, which ends the period. Whether it has paid to put that off. */
static inline bool yk__luck_ends(yk__luck *l)
{
    bool paid = l->saved >= YK__PAYS;
    l->saved = 0;
    if (!l->tries) {
        l->skipped -= l->skipped > 0;
        return false;
    }
    l->misses = paid ? 0 : l->misses < 6 ? l->misses + 1 : 6;
    l->skipped = (1u << l->misses) - 1;
    l->tries = false;
    return paid;
}

/* The worker's. */
typedef struct yk__pace {
    uint64_t began;
    uint32_t jobs; /* of this burst; 0: none goes on */
} yk__pace;

/* Publishes the time that a job of this burst took, which it returns, and ends the burst; relaxed:
 * it is a hint. */
static inline uint32_t yk__pace_end(yk__pace *p, _Atomic uint32_t *shared)
{
    uint64_t each = (yk_now() - p->began) / p->jobs + 1;
    uint32_t ns = each < UINT32_MAX ? (uint32_t)each : UINT32_MAX;
    atomic_store_explicit(shared, ns, memory_order_relaxed);
    p->jobs = 0;
    return ns;
}

/* A job is about to be taken. */
static inline void yk__pace_job(yk__pace *p)
{
    if (p->jobs++ == 0)
        p->began = yk_now();
}

#endif
