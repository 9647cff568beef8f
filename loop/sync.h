/* yoke/loop/sync.h - locks, events, conditions, semaphores and barriers for the tasks of one loop.
 *
 * Tasks of one loop take turns, so what one does between two waits nobody else sees half-done.
 * These are for what spans a wait: a connection that one task at a time may use, a limit on how
 * many do something at once, a state that others wait for. They cost nothing while nobody waits.
 *
 *   static yk_lock one_at_a_time;                       (zeroed memory is a free one)
 *
 *   int err = yk_lock_acquire(&one_at_a_time, YK_FOREVER);
 *   if (err)
 *       return err;
 *   ... may await ...
 *   yk_lock_release(&one_at_a_time);
 *
 * All are fair: who came first is served first, and nobody overtakes those who wait. All are safe
 * under cancellation: a task that is cancelled or times out while it waits leaves the line and
 * takes nothing with it; one that had been served by then keeps what it got, the wait returns 0,
 * and its next wait returns YK_ECANCELED.
 *
 * Each belongs to its user, who must not free it while anybody waits. All calls are for the thread
 * of one loop; those that wait, for its tasks. They return 0, YK_ECANCELED, UV_ETIMEDOUT at the
 * deadline (0: do not wait), YK_EONLOOP where they would have to wait outside a task, or what the
 * call itself says. Between threads use futures, or a queue (queue.h); between processes,
 * executor/shared.h.
 */
#ifndef YOKE_LOOP_SYNC_H
#define YOKE_LOOP_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../executor/clock.h"
#include "../executor/future.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Those who wait, the first in line first. */
typedef struct yk_line {
    struct yk__waiter *first, *last;
} yk_line;

/* ---- Lock ------------------------------------------------------------------------------------ */

typedef struct yk_lock {
    const yk_future *owner; /* the task that has it; NULL: it is free */
    yk_line line;
} yk_lock;

/* YK_EDEADLK: the caller has it already. */
int yk_lock_acquire(yk_lock *lock, uint64_t deadline);

/* Passes it to the first in line. UV_EPERM: the caller does not have it. */
int yk_lock_release(yk_lock *lock);
bool yk_lock_is_held(const yk_lock *lock);

/* ---- Event ----------------------------------------------------------------------------------- */

typedef struct yk_event {
    bool is_set;
    yk_line line;
} yk_event;

/* Wakes all who wait; who comes later does not wait, until it is cleared. */
void yk_event_set(yk_event *event);
void yk_event_clear(yk_event *event);
int yk_event_wait(yk_event *event, uint64_t deadline);

/* ---- Condition ------------------------------------------------------------------------------- */

typedef struct yk_condition {
    yk_line line;
} yk_condition;

/* Releases the lock, waits to be notified, and has the lock again when it returns, whatever it
 * returns. A notification is never lost on a waiter that is being cancelled. UV_EPERM: the caller
 * does not have the lock. */
int yk_condition_wait(yk_condition *condition, yk_lock *lock, uint64_t deadline);

/* Waits until holds(arg), asked under the lock, now and after every notification. */
int yk_condition_wait_for(yk_condition *condition, yk_lock *lock, bool (*holds)(void *arg),
                          void *arg, uint64_t deadline);

/* Wakes up to `n` of those who wait. The caller should have the lock, and need not. */
void yk_condition_notify(yk_condition *condition, size_t n);
void yk_condition_notify_all(yk_condition *condition);

/* ---- Semaphore ------------------------------------------------------------------------------- */

typedef struct yk_semaphore {
    size_t value; /* permits that are free */
    size_t most;  /* more than so many are never free: one release too many is an error; 0: any */
    yk_line line;
} yk_semaphore;

int yk_semaphore_acquire(yk_semaphore *semaphore, uint64_t deadline);

/* Gives a permit to the first in line, or back. UV_EINVAL: there are `most` already. */
int yk_semaphore_release(yk_semaphore *semaphore);

/* ---- Barrier --------------------------------------------------------------------------------- */

typedef struct yk_barrier {
    size_t parties; /* how many it takes; at least 1 */
    size_t waiting;
    bool broken;
    yk_line line;
} yk_barrier;

/* Waits until `parties` tasks have come; then all go on, and it can be used again at once. Returns
 * 0 to parties - 1, a different number for each, in the order in which they came; or YK_EBROKEN.
 * One that is cancelled or times out is no longer counted. */
int yk_barrier_wait(yk_barrier *barrier, uint64_t deadline);

/* Those who wait get YK_EBROKEN; it is as new. */
void yk_barrier_reset(yk_barrier *barrier);

/* Those who wait, and all who come until a reset, get YK_EBROKEN. */
void yk_barrier_abort(yk_barrier *barrier);

#ifdef __cplusplus
}
#endif
#endif
