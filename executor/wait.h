/* yoke/executor/wait.h - waiting for futures.
 *
 * The same calls serve everybody who waits:
 *   - in a task they suspend the task, and the loop goes on;
 *   - on a plain thread they block the thread;
 *   - on a loop's own thread outside a task they would block the loop, so they are refused with
 *     YK_EONLOOP unless the answer is there already (use yk_future_on_end, or start a task).
 * A task that would wait for its own end is refused with YK_EDEADLK.
 *
 * A deadline is a point in time (clock.h): yk_after_ms(250), YK_FOREVER, or 0 to only look. A
 * deadline that passes ends the wait with UV_ETIMEDOUT and leaves the future alone: its result is
 * not lost. A task that is cancelled while it waits gets YK_ECANCELED from the wait, and the future
 * that it awaited is asked to cancel as well (yk_await and its forms; yk_shield and the waits on
 * many leave them alone).
 */
#ifndef YOKE_EXECUTOR_WAIT_H
#define YOKE_EXECUTOR_WAIT_H

#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "future.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Waits until the future ends. 0 if it is YK_DONE, else its error's code (YK_ECANCELED if it was
 * cancelled), or YK_EONLOOP. Does not give the reference back. */
int yk_await(yk_future *f);

/* The same with a deadline; UV_ETIMEDOUT if it passes first. */
int yk_await_until(yk_future *f, uint64_t deadline);

/* As yk_await, but what is behind `f` is shielded from the cancellation of who waits: that ends the
 * wait with YK_ECANCELED, and nothing else. For what must not be left half-done, or is awaited by
 * others, too. */
int yk_shield(yk_future *f);
int yk_shield_until(yk_future *f, uint64_t deadline);

/* Awaits, and copies the result to `out`. The result must be exactly `size` bytes long, else
 * YK_ETOOBIG (longer) or YK_EFORMAT (shorter), and `out` is untouched, as on every other error. */
int yk_await_into(yk_future *f, void *out, size_t size);
int yk_await_into_until(yk_future *f, void *out, size_t size, uint64_t deadline);

/* Waits for some of `n` futures; duplicates count once.
 *   YK_FIRST_ENDED   until one of them has ended;
 *   YK_FIRST_FAILED  until one of them is YK_FAILED, else until all have ended (a cancelled one is
 *                    no failure);
 *   YK_ALL_ENDED     until all have ended.
 * Returns how many distinct futures have ended, UV_ETIMEDOUT if the deadline passed first (the
 * futures are not cancelled; look at each with yk_future_ended), UV_EINVAL for none or a NULL,
 * YK_ECANCELED, YK_EONLOOP or UV_ENOMEM. */
typedef enum yk_wait_for { YK_FIRST_ENDED, YK_FIRST_FAILED, YK_ALL_ENDED } yk_wait_for;
int yk_wait(yk_future *const *futures, size_t n, yk_wait_for what, uint64_t deadline);

/* Awaits all of `n` futures: 0 if all are YK_DONE, else the code of the first one in order that is
 * not. Every future has ended when it returns, unless it returns for the wait itself
 * (UV_ETIMEDOUT, YK_ECANCELED, YK_EONLOOP, UV_ENOMEM). */
int yk_await_all(yk_future *const *futures, size_t n, uint64_t deadline);

/* ---- As completed: futures in the order in which they end ----------------------------------- */

/*   yk_as_completed *each = yk_as_completed_new(futures, n);
 *   yk_future *f;
 *   while (yk_as_completed_next(each, &f, YK_FOREVER) == 0) ... f ...
 *   yk_as_completed_free(each);
 *
 * Those that had ended come first, in the order given; duplicates come once. The iterator holds a
 * reference to each future until it has handed it out: the futures belong to the caller all the
 * while. One thread or task at a time may use an iterator; it may be freed half-way. */
typedef struct yk_as_completed yk_as_completed;

/* NULL: out of memory, or a NULL among the futures. */
yk_as_completed *yk_as_completed_new(yk_future *const *futures, size_t n);

/* The next future that has ended, into *f, without a new reference: it is one of the caller's own.
 * YK_END when all have been handed out; UV_ETIMEDOUT, YK_ECANCELED or YK_EONLOOP as everywhere, and
 * it may be called again. */
int yk_as_completed_next(yk_as_completed *each, yk_future **f, uint64_t deadline);

/* How many are still to come. */
size_t yk_as_completed_left(const yk_as_completed *each);

/* Takes NULL. */
void yk_as_completed_free(yk_as_completed *each);

#ifdef __cplusplus
}
#endif
#endif
