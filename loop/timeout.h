/* yoke/loop/timeout.h - a deadline for a piece of a task, whatever that awaits.
 *
 *   static int fetch_all(void *arg) { ... any number of waits ... }
 *
 *   int err = yk_with_timeout(fetch_all, arg, yk_after_ms(2000));       (UV_ETIMEDOUT)
 *
 * or, for a piece of a function:
 *
 *   yk_timeout t;
 *   int err = yk_timeout_begin(&t, yk_after_ms(2000));
 *   if (!err)
 *       err = yk_timeout_end(&t, read_header() || read_body());
 *
 * When the deadline passes, the wait that the task is in, or the next one it comes to, returns
 * YK_ECANCELED, as it does for a cancellation, and what it awaited is cancelled, down to the worker
 * process. The piece gives back what it has and returns that error, and the end of the time-out
 * turns it into UV_ETIMEDOUT. So what stands inside need not know which of the two it was.
 *
 * They nest. When an outer deadline passes, the inner pieces see YK_ECANCELED and pass it on, and
 * the outer end says UV_ETIMEDOUT. A cancellation of the task itself stays one, also where a
 * deadline passes at the same moment. A piece that ends before it has heard of the deadline has
 * ended in time: its result is not lost.
 *
 * For tasks, each for its own.
 */
#ifndef YOKE_LOOP_TIMEOUT_H
#define YOKE_LOOP_TIMEOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "task.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_timeout {
    struct yk__timeout *inside;
} yk_timeout;

/* Begins one inside of those that the task has begun and not ended. 0, UV_ENOMEM, or YK_EONLOOP
 * outside a task. A deadline that has passed counts at the next wait that has to wait. */
int yk_timeout_begin(yk_timeout *t, uint64_t deadline);

/* Sets another deadline; YK_FOREVER: none. UV_EINVAL: it has passed already, or has been ended;
 * UV_ENOMEM. */
int yk_timeout_move(yk_timeout *t, uint64_t deadline);

/* Whether the deadline has passed while it ran. */
bool yk_timeout_has_passed(const yk_timeout *t);

/* Ends the innermost one. `err` is what the piece came to; returns it, or UV_ETIMEDOUT. To be
 * called by the task that began it, before the function returns in which `t` is. */
int yk_timeout_end(yk_timeout *t, int err);

/* Calls fn(arg) under a deadline. What fn returned, or as above. */
int yk_with_timeout(yk_task_fn fn, void *arg, uint64_t deadline);

#ifdef __cplusplus
}
#endif
#endif
