/* yoke/loop/scope.h - structured concurrency: a scope owns the tasks and jobs that are begun in it.
 *
 *   1. yk_scope_begin() in a task.
 *   2. yk_scope_start() tasks in it, yk_scope_own() jobs; await them, or not.
 *   3. yk_scope_end() waits for all of them. After it, nothing that was begun in it runs any more.
 *
 *   yk_scope *s = yk_scope_begin();
 *   yk_future *a = yk_scope_start(s, fetch, "a");
 *   yk_future *b = yk_scope_own(s, yk_submit(pool, decode, ...));
 *   int err = yk_await(a);
 *   ...
 *   return yk_scope_end(s, err);
 *
 * The first that fails cancels all others (jobs down to their worker process), and interrupts the
 * task that has the scope: its waits inside return YK_ECANCELED, so that it comes to the end soon.
 * So does an error that the task itself brings to the end, and a cancellation of the task. One that
 * was cancelled by itself is no failure.
 *
 * Scopes nest, and stand inside of time-outs (timeout.h) and around them.
 */
#ifndef YOKE_LOOP_SCOPE_H
#define YOKE_LOOP_SCOPE_H

#include <stddef.h>

#include "../executor/error.h"
#include "task.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_scope yk_scope;

/* In a task, for that task; the innermost scope is ended first. NULL: no memory, or no task. */
yk_scope *yk_scope_begin(void);

/* Starts fn(arg) as a task that the scope owns. The future is the scope's, good until its end. A
 * scope that is ending starts nothing: the future has failed with YK_ECLOSED. Also from tasks that
 * the scope owns. NULL only where `scope` is NULL. */
yk_future *yk_scope_start(yk_scope *scope, yk_task_fn fn, void *arg);

/* Gives a future to the scope, with the caller's reference: a job, a task. Returns it. In a scope
 * that is ending, it is cancelled and waited for. NULL: out of memory; the caller still has it. */
yk_future *yk_scope_own(yk_scope *scope, yk_future *f);

/* Cancels all that is in it; it starts nothing more. Not a failure. Takes NULL. */
void yk_scope_cancel(yk_scope *scope);

/* Waits for all, and frees the scope. `err`: what the task's own part came to. Returns, if anything
 * failed, the code of what failed first in time, the task's own error included; else YK_ECANCELED
 * if the task was cancelled meanwhile; else `err`. A task that is cancelled while one of its parts
 * fails gets the failure, and its next wait returns YK_ECANCELED. Takes NULL, which returns err or
 * UV_EINVAL. */
int yk_scope_end(yk_scope *scope, int err);

/* The same, and tells the failures: up to `most` of the futures that failed, in the order in which
 * they failed, each with a reference that is now the caller's. *count: how many failed in all. */
int yk_scope_end_with(yk_scope *scope, int err, yk_future **failed, size_t most, size_t *count);

#ifdef __cplusplus
}
#endif
#endif
