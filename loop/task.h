/* yoke/loop/task.h - coroutines that await.
 *
 * A task is a function that runs on a loop's thread in a coroutine of its own. Wherever it waits,
 * it is suspended and the loop goes on; between two waits nothing else runs on that loop, so tasks
 * of one loop need no locks among themselves. A task is a future: await it, cancel it, wait for
 * many of them with the calls of executor/wait.h.
 *
 *   static int greet(void *arg)
 *   {
 *       int err = yk_sleep_ms(100);
 *       if (err)
 *           return err;                      (YK_ECANCELED: somebody cancelled this task)
 *       puts(arg);
 *       return 0;
 *   }
 *   ...
 *   yk_future *t = yk_task_start(greet, "hello");
 *   int err = yk_await(t);
 *   yk_future_unref(t);
 *
 * Cancelling (yk_future_cancel on the task): the wait that the task is in, or the next one it comes
 * to, returns YK_ECANCELED, once; what the task awaited with yk_await is asked to cancel too. A
 * task that never began never runs. The task decides what it does about it; it ends as YK_CANCELLED
 * if it returns YK_ECANCELED.
 */
#ifndef YOKE_LOOP_TASK_H
#define YOKE_LOOP_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../executor/future.h"
#include "../executor/wait.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A negative number fails the task with that code; any other is its result: an int, for
 * yk_await_into(task, &status, sizeof status). */
typedef int (*yk_task_fn)(void *arg);

/* A stack is memory that is touched as the task goes deeper: one that awaits near its top costs 4
 * to 8 KiB in all, so a hundred thousand at once are nothing special. Below it lies a guard of 16
 * KiB: a stack that overflows ends the process, and not its neighbours. (A single frame of more
 * than that may jump over it: compile with -fstack-clash-protection where there are such frames.
 * Where the kernel has neither cheap guards, Linux 6.13, nor mappings left, some 16,000 stacks, an
 * overflow is found when the task ends, and ends the process then.) */
typedef struct yk_task_options {
    const char *name;  /* for diagnostics; copied, at most 31 bytes */
    size_t stack_size; /* bytes; 0: 256 KiB */
    bool eager; /* started on the loop's thread, it runs at once until it has to wait; one that
                   never has to has ended when the start returns */
} yk_task_options;

/* Starts fn(arg) as a task of the current loop: unless it is eager, it runs for the first time
 * after the caller has returned or waited. For the loop's thread only. Never NULL: where it cannot
 * start (UV_ENOMEM; no loop on this thread: UV_EINVAL; a loop that is being closed: YK_ECLOSED) the
 * future has failed. The caller owns one reference; dropping it does not end the task. Callbacks on
 * the task's future run on the loop's thread, outside any task. */
yk_future *yk_task_start_opts(yk_task_fn fn, void *arg, const yk_task_options *options);
#define yk_task_start(fn, arg) yk_task_start_opts((fn), (arg), NULL)
#define yk_task_start_with(fn, arg, ...) \
    yk_task_start_opts((fn), (arg), &(yk_task_options){ __VA_ARGS__ })

/* The task that is running, NULL outside one. No new reference. */
yk_future *yk_task_current(void);

/* How many cancellations of the running task there are that it has not dealt with; 0 outside one.
 * Time-outs and scopes that interrupt it (timeout.h, scope.h) do not count. */
unsigned yk_task_cancelling(void);

/* The running task has dealt with a cancellation and goes on: time-outs and scopes around count it
 * no more. One that no wait has returned yet is withdrawn. Returns how many are left. Only a task
 * that goes on inside of such a block needs this. */
unsigned yk_task_uncancel(void);

/* Its name, "" if it has none; good while the task is. f must be a task's future, else NULL. */
const char *yk_task_name(const yk_future *f);

/* Suspends the task (blocks a plain thread) for so long. 0, YK_ECANCELED, or YK_EONLOOP on a loop's
 * thread outside a task. */
int yk_sleep_ms(uint64_t ms);
int yk_sleep_until(uint64_t deadline);

/* Lets the other tasks that are ready run first. 0 or YK_ECANCELED; YK_EONLOOP on a loop's thread
 * outside a task. */
int yk_yield(void);

/* In a task: starts all of fns[i](args[i]) as tasks and awaits them; if one fails, or the caller is
 * cancelled, the others are cancelled and awaited too. Returns 0 or the first failure in time.
 * `args` may be NULL. Outside a task: YK_EONLOOP, or UV_EINVAL where there is no loop. */
int yk_gather(const yk_task_fn *fns, void *const *args, size_t n);

#ifdef __cplusplus
}
#endif
#endif
