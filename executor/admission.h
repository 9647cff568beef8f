/* executor/admission.h - the bound of a pool's queue, and those who wait for room in it. Not
 * installed.
 *
 * A pool with a queue_limit has as many permits. A job takes one when it is submitted and gives it
 * back when it begins, or when it is clear that it never will. Who finds none waits for one, in the
 * order of arrival, as his parker sleeps: a task is suspended, a plain thread blocks. The permit
 * that is given back while somebody waits goes to the first in line and to nobody else.
 *
 *     int err = yk__admission_enter(&pool->admission, options);
 *     if (err)
 *         return yk__admission_refused(err);        (nothing of the pool is touched any more)
 *     ... the job is made and published; or yk__admission_leave(), if that fails ...
 *     yk__admission_leave(&pool->admission);        once, at its begin, cancellation or expiry
 *
 * Without a limit every call is a comparison and nothing else. With one, and while nobody waits,
 * it is one compare-and-swap; the lock is for those who wait and for those who wake them.
 */
#ifndef YOKE_EXECUTOR_ADMISSION_H
#define YOKE_EXECUTOR_ADMISSION_H

#include <pthread.h>

#include "internal.h"

struct yk__admission_waiter;

typedef struct yk__admission {
    size_t limit; /* 0: no bound; fixed */
    yk_executor *ex;
    /* How many permits are free, from bit 2 on; below them two flags, which change only under the
     * lock. While somebody waits, no permit is free and none becomes so. Taken with acquire, given
     * back with release. */
    _Atomic uint64_t word;
    pthread_mutex_t lock; /* guards the list */
    struct yk__admission_waiter *first, *last;
} yk__admission;

void yk__admission_init(yk__admission *a, yk_executor *ex, size_t limit);
void yk__admission_destroy(yk__admission *a);

/* Whether the pool has a bound at all. */
static inline bool yk__admission_bounded(const yk__admission *a)
{
    return a->limit != 0;
}

/* Whether there is a bound, and no permit free, as far as one can tell. */
bool yk__admission_full(const yk__admission *a);

/* Takes a permit, waiting for it as the options say. 0, or
 *   YK_EFULL      there is none, and the options say not to wait;
 *   YK_EONLOOP    there is none, and nobody may wait here (a loop's thread outside a task);
 *   YK_EDEADLK    there is none, and the caller is a job of this very executor;
 *   UV_ETIMEDOUT  there was none until submit_deadline;
 *   YK_EEXPIRED   there was none until start_by;
 *   YK_ECANCELED  the task that waited was cancelled;
 *   YK_ECLOSED    the pool closes.
 * Whoever fails holds nothing, whatever raced. Keeps the executor alive while it waits. */
int yk__admission_take(yk__admission *a, const yk_job_options *options);

static inline int yk__admission_enter(yk__admission *a, const yk_job_options *options)
{
    return a->limit == 0 ? 0 : yk__admission_take(a, options);
}

/* Gives a permit back. Any thread. */
void yk__admission_give(yk__admission *a);

static inline void yk__admission_leave(yk__admission *a)
{
    if (a->limit != 0)
        yk__admission_give(a);
}

/* Nobody is admitted any more; those who wait get YK_ECLOSED. May be called again. */
void yk__admission_close(yk__admission *a);

/* The future for one who was not admitted. */
yk_future *yk__admission_refused(int err);

#endif
