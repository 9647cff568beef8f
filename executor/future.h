/* yoke/executor/future.h - the result of something that has not happened yet.
 *
 * There is one future type, whatever runs behind it (a job on a thread, a job in a worker process,
 * a task on a loop, a promise of your own) and whoever waits for it (a task, a plain thread, a
 * callback). Its life:
 *
 *   1. It is YK_PENDING: nobody has started on it.
 *   2. It may become YK_RUNNING.
 *   3. It ends exactly once: YK_DONE with a result, YK_FAILED with an error, or YK_CANCELLED.
 *      One atomic step decides between a result, a failure and a cancellation that race.
 *   4. What it holds stays as it is until the last reference is given back.
 *
 * Any thread may call anything here on a future that it holds a reference to. yk_submit() and the
 * others that hand out a future hand out one reference with it: give it back with
 * yk_future_unref(), before or after the end; dropping a future does not cancel its job. A future
 * outlives its executor and its loop.
 *
 * Waiting is in wait.h.
 */
#ifndef YOKE_EXECUTOR_FUTURE_H
#define YOKE_EXECUTOR_FUTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_future yk_future;

typedef enum yk_state {
    YK_PENDING,   /* waits for its turn */
    YK_RUNNING,   /* somebody is working on it */
    YK_DONE,      /* ended with a result (which may be empty) */
    YK_FAILED,    /* ended with an error */
    YK_CANCELLED, /* ended because somebody cancelled it */
} yk_state;

/* Where the future stands. */
yk_state yk_future_state(const yk_future *f);

/* Whether it has ended, in whichever way. */
bool yk_future_ended(const yk_future *f);

/* One more reference; returns f. */
yk_future *yk_future_ref(yk_future *f);

/* Gives a reference back; the last one frees the future with its result. Takes NULL. */
void yk_future_unref(yk_future *f);

/* The result of a future that is YK_DONE: belongs to the future, aligned for any type, good as long
 * as the caller's reference. NULL, and *len 0, where there is none: not ended, ended otherwise, or
 * an empty result. `len` (bytes) may be NULL. */
const void *yk_future_result(const yk_future *f, size_t *len);

/* Why the future is YK_FAILED or YK_CANCELLED; NULL in every other state. Belongs to the future.
 *
 * The error of a YK_FAILED future that nobody has looked at goes to the log (yk_set_log) when the
 * future is freed; so nothing fails unheard in a program that submits a job and drops its future. A
 * look is this call, or one that returned the error's code: yk_await and its forms, yk_await_all,
 * yk_map_next, yk_gather. yk_future_state is none. */
const yk_error *yk_future_error(const yk_future *f);

/* Asks for the end of whatever is behind the future. Returns
 *   0         it is cancelled: it had not begun, and now never will (or it was cancelled before);
 *   1         it runs: it has been asked to stop, and ends as YK_CANCELLED, or as YK_DONE or
 *             YK_FAILED if it gets there first. Await it to know;
 *   YK_EDONE  it had ended with a result or a failure, which stay. */
int yk_future_cancel(yk_future *f);

/* The same, with a reason: it becomes the message of the error, if the future ends as cancelled
 * (the last reason, if there are several). Copied; NULL for none. It goes along the way that the
 * cancellation goes: a job that a cancelled task awaits is cancelled for the same reason. */
int yk_future_cancel_with(yk_future *f, const char *reason);

/* Calls fn(f, arg) once when the future ends, or at once if it has ended. fn runs on the thread
 * that ends the future (a pool's thread, the loop's thread), with no lock held, and must not block.
 * A negative number that it returns goes to the log (yk_set_log) and disturbs no other callback.
 * Callbacks run in the order in which they were added. The future lives at least until fn
 * returns. Errors: UV_ENOMEM, and then fn is never called. */
typedef int (*yk_future_fn)(yk_future *f, void *arg);
int yk_future_on_end(yk_future *f, yk_future_fn fn, void *arg);

/* ---- Promises: futures that your own code ends ---------------------------------------------- */

/* A future that is YK_PENDING until one of the calls below, which are for such futures only: for a
 * job's or a task's they return UV_EINVAL. NULL: out of memory. */
yk_future *yk_future_new(void);

/* Pending to running: from now on a cancellation is only a request. YK_ECANCELED if it was
 * cancelled before, YK_EDONE if it has ended otherwise or runs already. */
int yk_future_set_running(yk_future *f);

/* Whether somebody asked to cancel a future that is running. */
bool yk_future_cancel_requested(const yk_future *f);

/* Ends the future as YK_DONE with a copy of `len` bytes. YK_EDONE if it had ended (and nothing
 * changes), UV_ENOMEM (and it has not ended). */
int yk_future_set_result(yk_future *f, const void *result, size_t len);

/* Ends the future as YK_FAILED, or as YK_CANCELLED if the code is YK_ECANCELED. `message` is
 * copied; NULL stands for yk_strerror(code). A code that is not negative becomes YK_EJOB. YK_EDONE
 * if it had ended (and nothing changes). */
int yk_future_set_error(yk_future *f, int code, const char *message);

#ifdef __cplusplus
}
#endif
#endif
