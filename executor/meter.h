/* executor/meter.h - what statistics and traces know of one worker. Not installed.
 *
 * A meter is written by one thread at a time, and read by anybody at any moment: a worker thread
 * writes its own, the driver of a process pool those of all its workers. The writer stores with
 * release or relaxed order and never reads, modifies and writes in one; so a meter costs a few
 * stores to a cache line that nobody else writes.
 *
 * A job is measured when its work is stamped, which is decided at submission (yk__stamp): see
 * stats.h. What is not measured still leaves its name, and its beginning by the coarse clock, a
 * fifth of the cost, so that it can be said what is stuck.
 */
#ifndef YOKE_EXECUTOR_METER_H
#define YOKE_EXECUTOR_METER_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "internal.h"
#include "stats.h"
#include "trace_events.h"

typedef struct yk__histogram {
    _Atomic uint64_t buckets[YK_HISTOGRAM_BUCKETS], sum, max;
} yk__histogram;

typedef struct yk__meter {
    alignas(YK__CACHE_LINE) _Atomic uint64_t since; /* when its job began; 0: it runs none */
    _Atomic uint32_t version;                       /* of `name`; odd while it is written */
    _Atomic uint32_t id;                            /* pid or tid; 0: not known */
    _Atomic uint64_t name[YK__NAME_MAX / 8];        /* of the job that it runs */
    yk__lane lane;                                  /* the writer's; like all below it */
    bool named;                                     /* `name` is not empty */
    bool shown;                                     /* process pools: see yk__pool_show */
    uint32_t front;
    _Atomic uint32_t state; /* a yk_worker_state; never YK_WORKER_RUNNING, which `since` says */
    _Atomic uint64_t jobs, starts, crashes;
    uint64_t jobs_before; /* process pools: jobs of those who were there before */
    yk__histogram wait, run;
} yk__meter;

/* `m` is zeroed. */
void yk__meter_init(yk__meter *m, const yk_executor *ex, unsigned index);

/* The worker is there: a thread (called by itself), a process that is being made (pid 0), or one
 * that has been made and is still starting. */
void yk__meter_thread(yk__meter *m);
void yk__meter_process(yk__meter *m, pid_t pid);

/* It is gone. */
void yk__meter_gone(yk__meter *m);

/* ---- While jobs run ------------------------------------------------------------------------- */

/* A number of the calling thread's, drawn by lot: good enough to choose samples by. */
extern _Thread_local uint32_t yk__lot;

/* Decides whether a job that is being submitted will be measured. */
static inline void yk__stamp(const yk_executor *ex, yk__work *work)
{
    yk__lot = yk__lot * 1664525u + 1013904223u;
    uint32_t mask = atomic_load_explicit(&ex->unmeasured, memory_order_relaxed);
    bool measured = ((yk__lot >> 16) & mask) == 0 || yk__tracing();
    work->stamped = measured ? yk_now() : 0;
}

static inline uint64_t yk__coarse_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void yk__meter_name(yk__meter *m, const char *name);
void yk__meter_measured_begin(yk__meter *m, const yk__work *work);
void yk__meter_measured_end(yk__meter *m, yk_executor *ex, const yk__work *work, int code);

/* Around a job on a worker thread; `code` is what came of it. The end comes before the future's.
 */
static inline void yk__meter_begin(yk__meter *m, const yk__work *work)
{
    if (work->name[0] || m->named)
        yk__meter_name(m, work->name);
    if (work->stamped)
        yk__meter_measured_begin(m, work);
    else
        atomic_store_explicit(&m->since, yk__coarse_now(), memory_order_relaxed);
}

static inline void yk__meter_end(yk__meter *m, yk_executor *ex, const yk__work *work, int code)
{
    if (work->stamped)
        yk__meter_measured_end(m, ex, work, code);
    atomic_store_explicit(&m->since, 0, memory_order_relaxed);
}

/* A measured job has ended somewhere else: it began at `began` and ran for `ran` nanoseconds. */
void yk__meter_ran(yk__meter *m, yk_executor *ex, const yk__work *work, uint64_t began,
                   uint64_t ran, int code);

/* A job that never began has ended with `code`: for the trace. */
static inline void yk__never_ran(const yk__work *work, int code)
{
    if (yk__tracing() && work->stamped)
        yk__trace_never_ran(work, code);
}

/* ---- For those who read ---------------------------------------------------------------------- */

void yk__meter_read(const yk__meter *m, bool process, yk_worker_stats *row);
void yk__histogram_read(const yk__histogram *h, yk_histogram *out); /* adds to `out` */

#endif
