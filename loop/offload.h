/* yoke/loop/offload.h - work that would hold the loop up is done elsewhere.
 *
 * Every loop has a default executor, for the calls that have no pool of their own: name look-ups,
 * files, a blocking library. It is a hybrid (executor.h) that is made when it is first asked for,
 * or whatever the program has put in its place.
 *
 *   static int checksum(yk_job *job) { ... reads a file ...; return yk_job_return(job, &sum, 4); }
 *
 *   uint32_t sum;
 *   int err = yk_to_thread_into(checksum, path, strlen(path) + 1, &sum, sizeof sum);
 *
 * All calls are for the loop's thread.
 */
#ifndef YOKE_LOOP_OFFLOAD_H
#define YOKE_LOOP_OFFLOAD_H

#include <stddef.h>

#include "../executor/executor.h"
#include "loop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The loop's default executor. It belongs to the loop: good until it is replaced or the loop is
 * closed. Submit to it as to any other; jobs of the kinds YK_CPU and YK_BLOCKING run on threads of
 * this process. NULL on another thread.
 *
 * yk_loop_close() closes the one that the loop has made, after the tasks: it waits for the jobs
 * that are left, as yk_executor_close() does. */
yk_executor *yk_loop_default_executor(yk_loop *loop);

/* Puts another in its place: a pool of threads, or a hybrid. The loop takes a reference of its own
 * and gives it back in the end; the program closes its executor itself. What the one before has
 * accepted is done. UV_EINVAL: none, one without threads, or another thread; for an executor that
 * could not be made, the code of its error. */
int yk_loop_set_default_executor(yk_loop *loop, yk_executor *ex);

/* In a task: runs the job on a thread of the default executor (as YK_BLOCKING), and awaits it: 0,
 * or its error's code. The argument is copied. A task that is cancelled meanwhile gets YK_ECANCELED
 * at once, and the job is asked to stop. UV_EINVAL without a loop, YK_EONLOOP outside a task. */
int yk_to_thread(yk_job_fn fn, const void *arg, size_t len);

/* The same, and copies the result to `out`, as yk_await_into does. */
int yk_to_thread_into(yk_job_fn fn, const void *arg, size_t len, void *out, size_t size);

#ifdef __cplusplus
}
#endif
#endif
