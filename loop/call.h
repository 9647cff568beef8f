/* yoke/loop/call.h - functions that the loop calls, and what other threads want of a loop.
 *
 * A call runs on the loop's thread, outside any task: it must not block, and waits in it return
 * YK_EONLOOP. Where something has to be awaited, start a task.
 *
 *   yk_call_soon(redraw, screen, NULL);                     (in the next turn)
 *
 *   yk_call *call;
 *   yk_call_later_ms(250, retry, request, &call);
 *   ...
 *   yk_call_cancel(call);                                   (before or after it was made)
 *
 * From another thread:
 *
 *   yk_loop_ref(loop);                                      (on the loop's thread, once)
 *   ...
 *   yk_loop_call_threadsafe(loop, show, text);
 *   yk_future *f = yk_task_start_on(loop, fetch, url);
 *   err = yk_await_until(f, yk_after_ms(1000));
 *   ...
 *   yk_loop_unref(loop);
 *
 * Whoever has a reference to a loop may call it from any thread, also while its own thread closes
 * it: then the call returns YK_ECLOSED. Calls and wake-ups that are left when a loop is closed are
 * never made.
 */
#ifndef YOKE_LOOP_CALL_H
#define YOKE_LOOP_CALL_H

#include <stdint.h>

#include "loop.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef void (*yk_call_fn)(void *arg);

/* ---- On the loop's thread -------------------------------------------------------------------- */

typedef struct yk_call yk_call;

/* Has fn(arg) called once by the current loop: in its next turn, at a deadline (clock.h), after so
 * many milliseconds. Calls that are due are made in the order in which they became due; what one of
 * them asks for comes in a later turn, after a look at the loop's input. They keep uv_run going.
 *
 * `call` may be NULL: nobody will cancel it. Else *call is a handle, to be given back with
 * yk_call_cancel(). Errors: UV_EINVAL (this thread has no loop), UV_ENOMEM. */
int yk_call_soon(yk_call_fn fn, void *arg, yk_call **call);
int yk_call_at(uint64_t deadline, yk_call_fn fn, void *arg, yk_call **call);
int yk_call_later_ms(uint64_t ms, yk_call_fn fn, void *arg, yk_call **call);

/* Frees the handle; a call that was not made by then is not made any more. Also from within the
 * call itself, and after the loop was closed. For the loop's thread. Takes NULL. */
void yk_call_cancel(yk_call *call);

/* ---- From any thread ------------------------------------------------------------------------- */

/* The loop's memory stays until the last reference is gone; the loop ends with yk_loop_close(). The
 * first reference is taken on the loop's thread, before it is closed. ref() returns `loop`; unref()
 * takes NULL. */
yk_loop *yk_loop_ref(yk_loop *loop);
void yk_loop_unref(yk_loop *loop);

/* Has fn(arg) called on the loop's thread, in its next turn; the calls of one thread in their
 * order. It wakes a loop that waits, but does not keep uv_run going. 0; YK_ECLOSED, UV_ENOMEM;
 * UV_EINVAL: a child of fork(). */
int yk_loop_call_threadsafe(yk_loop *loop, yk_call_fn fn, void *arg);

/* Starts a task on the loop, as yk_task_start() does on the thread's own. The future is the
 * caller's: await it with a deadline, cancel it, take its result or error. It has failed with
 * YK_ECLOSED where the loop is being closed, also if the loop closes before the task has begun. */
yk_future *yk_task_start_on_opts(yk_loop *loop, yk_task_fn fn, void *arg,
                                 const yk_task_options *options);
#define yk_task_start_on(loop, fn, arg) yk_task_start_on_opts((loop), (fn), (arg), NULL)

/* ---- From a signal handler ------------------------------------------------------------------- */

/* A call that is prepared in advance, so that sending it needs no memory and no lock:
 *
 *   wakeup = yk_wakeup_new(loop, reload, NULL);             (before the handler is set)
 *   static void on_hangup(int sig) { yk_wakeup_send(wakeup); }
 *
 * For signals that are to be awaited there is signal.h. */
typedef struct yk_wakeup yk_wakeup;

/* NULL: out of memory, no function, or no loop. It holds a reference to the loop. */
yk_wakeup *yk_wakeup_new(yk_loop *loop, yk_call_fn fn, void *arg);

/* Has fn(arg) called on the loop's thread. Any thread, any signal handler; leaves errno as it was.
 * Sends that come before fn is called count as one; what the sender wrote before, fn sees. On a
 * loop that was closed it does nothing. */
void yk_wakeup_send(yk_wakeup *wakeup);

/* For the loop's thread, also within fn; for any thread once the loop is closed. Nobody may be
 * sending, or send later. Takes NULL. */
void yk_wakeup_free(yk_wakeup *wakeup);

#ifdef __cplusplus
}
#endif
#endif
