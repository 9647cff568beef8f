/* yoke/executor/shared.h - what jobs share while they run: counters, a mutex, memory.
 *
 * It lies in the arena (arena.h), where every worker sees it at the same address; a job is given
 * the pointer in its argument. Everything here works between threads, worker processes and this
 * process alike, and zeroed memory is a good start for all of it:
 *
 *   struct totals {                                     the program's own; any layout
 *       yk_counter done;                                somebody watches it
 *       _Atomic uint64_t bytes, by_year[600];           C11 atomics, as between threads
 *       yk_mutex lock;
 *       struct row best;                                under the lock
 *   };
 *   struct totals *t = yk_arena_calloc(1, sizeof *t);
 *   yk_future *f = yk_submit_with(pool, count, &t, sizeof t, .uses = YK_USES(t));
 *   ...
 *   yk_arena_free(t);                                   no matter whether the job still uses it
 *
 * Plain values and arrays need nothing of yoke's: _Atomic works between processes as between
 * threads, with the orders that it names, as long as it is free of locks (a type of 1, 2, 4 or 8
 * bytes). What several jobs write to often belongs in cache lines of its own (64 bytes).
 *
 * References. A block of the arena is counted (yk_arena_ref, yk_arena_free). A job that names it in
 * its option `uses` has a reference from its submission to its end, whatever that is: a worker that
 * dies gives back what its job had, and a job that is written off (executor.h) keeps it until it
 * returns. The counts are in this process's own memory: no worker can harm them.
 *
 * Trust. A worker that runs wild may write anything into what is shared, so that counts are wrong
 * and a mutex never becomes free. It cannot make this process crash by it, nor wait beyond a
 * deadline.
 */
#ifndef YOKE_EXECUTOR_SHARED_H
#define YOKE_EXECUTOR_SHARED_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "future.h"

#ifdef __cplusplus
extern "C" {
#endif

/* For the option `uses` of a job: pointers to anywhere in the blocks. */
#define YK_USES(...) ((const void *const[]){ __VA_ARGS__, NULL })

/* ---- Counters -------------------------------------------------------------------------------- */

/* Only grows. Its members are the library's. */
typedef struct yk_counter {
    uint64_t value;
    uint64_t wanted; /* the least value that somebody waits for; 0: nobody does */
} yk_counter;

/* Adds n; the new value. Any thread of any process: one locked instruction and one load, and a
 * wake-up when it reaches what somebody waits for. Sequentially consistent: who sees the new value
 * sees what its adder wrote before. */
uint64_t yk_counter_add(yk_counter *c, uint64_t n);

/* The value now; sees what its adders wrote before. */
uint64_t yk_counter_get(const yk_counter *c);

/* A future that is done (with an empty result) when the counter has reached `value`, or at once if
 * it has. So a task awaits it, a thread blocks for it, a callback is called, with a deadline or
 * among other futures; nobody polls. To follow a counter, ask for the next value each time:
 *
 *   for (uint64_t n = 0; n < total; n = yk_counter_get(&t->done)) {
 *       yk_future *more = yk_counter_reaches(&t->done, n + 1);
 *       yk_await(more);
 *       yk_future_unref(more);
 *       ... draw ...
 *   }
 *
 * Whoever lets go of one that has not ended, cancels it first (yk_future_cancel): until then it
 * holds the counter's block. For this process; in a worker it has failed with UV_ENOTSUP. Never
 * NULL. The driver of the workers' pool hears of what workers add: a loop that is busy hears later.
 */
yk_future *yk_counter_reaches(yk_counter *c, uint64_t value);

/* ---- A mutex whose next owner is told -------------------------------------------------------- */

/* Zeroed memory is one that is free; it needs no end. Its members are the library's. */
typedef struct yk_mutex {
    uint32_t word;
} yk_mutex;

/* Locks it, waiting until `deadline` at the longest (clock.h; 0: only if it is free now). Returns
 *   0              the caller owns it, and sees what its last owner wrote;
 *   YK_EOWNERDEAD  the caller owns it, and the last owner did not unlock it: its process died, or
 *                  its job ended. What the mutex guards may be half-done. Every owner is told so
 *                  until one has mended it and called yk_mutex_recovered();
 *   UV_ETIMEDOUT   it was not free until the deadline;
 *   YK_ECANCELED   the job or task that waits was asked to stop; once for each request;
 *   YK_EDEADLK     the caller owns it already;
 *   YK_EONLOOP     it is not free, and nobody may wait here (wait.h);
 *   UV_ENOBUFS     the job owns 16 already; no job may own more;
 *   UV_ENOMEM      (a task only).
 *
 * The owner is a task, a thread, or a worker process. A task that waits is suspended, anybody else
 * sleeps; in a worker process the call is for the job's own thread. Nobody is served in order. Hold
 * it for short, and do not wait for a job while holding it: those that the job waits behind may
 * want the mutex.
 *
 * Death is noticed by the pool's driver: where that is a loop, nobody else may hold up that loop
 * until the mutex is free. A plain thread or a task that ends without unlocking leaves it locked.
 */
int yk_mutex_lock(yk_mutex *m, uint64_t deadline);

/* The owner says that what it guards is whole again. UV_EPERM: the caller does not own it. */
int yk_mutex_recovered(yk_mutex *m);

/* UV_EPERM: the caller does not own it. */
int yk_mutex_unlock(yk_mutex *m);

#ifdef __cplusplus
}
#endif
#endif
