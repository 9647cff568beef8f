/* The soak: customers who submit jobs to executors of every kind, and somebody who makes trouble.
 *
 *   soak.c       the program: time, progress, the table at the end
 *   customer.c   sessions: an executor is opened, jobs go through it, it is shut down; every
 *                outcome is checked
 *   jobs.c       the jobs, and which outcome each may have
 *   trouble.c    kills, stops and starves workers, and kills the zygote
 */
#ifndef TESTS_SOAK_SOAK_H
#define TESTS_SOAK_SOAK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dice.h"
#include "executor/executor.h"
#include "executor/wait.h"

/* ---- What everybody counts ------------------------------------------------------------------ */

enum outcome {
    DONE,
    FAILED,    /* the job's own error */
    CRASHED,   /* its worker died */
    TIMED_OUT, /* the limit of the job */
    CANCELLED,
    EXPIRED,  /* not begun by start_by */
    REFUSED,  /* no room, in time or at once */
    NOWORKER, /* no worker could be had */
    OUTCOMES
};
extern const char *const outcome_names[OUTCOMES];

/* Any thread; relaxed: read for the progress line, and at the end after all have been joined. */
typedef struct tally {
    _Atomic uint64_t submitted, ended, sessions, cancels;
    _Atomic uint64_t outcomes[OUTCOMES];
    _Atomic uint64_t workers_started, workers_crashed, timeouts;
    _Atomic uint64_t records, resized, traces;
    _Atomic uint64_t kills, stops, zygotes_killed, zygotes_stopped;
    _Atomic uint64_t wrong; /* what should not have been */
} tally;
extern tally total;

static inline void count(_Atomic uint64_t *n, uint64_t by)
{
    atomic_fetch_add_explicit(n, by, memory_order_relaxed);
}

/* Says what is wrong, and that the soak has failed; it goes on. */
void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

extern _Atomic bool time_is_up;

/* ---- Jobs ----------------------------------------------------------------------------------- */

typedef struct errand errand;

/* Where a job goes. */
typedef struct counter {
    yk_executor *ex;
    bool processes; /* jobs may crash, hang and be killed there */
    bool hybrid;
    bool limited;       /* a job has a limit of the pool's */
    bool may_not_start; /* its workers have an initializer, which may fail */
} counter;

/* The errands of one session. */
typedef struct errands {
    errand *first;
    _Atomic uint64_t n, ended, outcomes[OUTCOMES];
} errands;

/* Submits one job by chance; the future is the caller's. NULL: no memory. `friend`: an executor for
 * jobs on threads to submit to; or NULL. One that emits more than fits has been read to its end. */
yk_future *errand_run(errands *all, const counter *where, dice *d, yk_executor *friend);

/* Reads what the job emits, if it does and nobody has, until it has ended. */
void errand_read(errand *e);

/* From now on jobs may end as cancelled that nobody cancelled one by one. */
void errands_closing(errands *all);
void errand_cancel(errand *e);
errand *errands_newest(errands *all);

/* Checks that each has ended once, and frees them. */
void errands_end(errands *all);

/* ---- Customers and trouble ------------------------------------------------------------------ */

/* Sessions until the time is up; on a plain thread or in a task. */
void customer_live(uint64_t seed, uint64_t stream, yk_executor *friend);

/* Before any thread: processes that compute in bursts. After that: a thread that makes trouble. */
int trouble_prepare(uint64_t seed);
int trouble_begin(uint64_t seed);
void trouble_end(void);

#endif
