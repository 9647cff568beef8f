/* yoke/executor/stream.h - what a job says while it runs: partial results, and how far it is.
 *
 * Partial results. A job that was submitted with the option `stream` emits records; whoever holds
 * its future takes them one by one, while the job goes on:
 *
 *   static int search(yk_job *job)
 *   {
 *       while (...)
 *           if (yk_job_emit(job, &hit, sizeof hit))
 *               return YK_ECANCELED;
 *       return 0;
 *   }
 *
 *   yk_future *f = yk_submit_with(pool, search, &what, sizeof what, .stream = 64 << 10);
 *   while (yk_stream_next(f, &hit, sizeof hit, NULL, YK_FOREVER) == 0)
 *       ... hit ...
 *   int err = yk_await(f);
 *
 * Records come whole and in order; after the last one comes YK_END, and then the future tells of
 * the job's own result or error as ever. A worker process that dies has emitted what it had
 * emitted: never a part of a record. A job that is run again (yk_job_options.retries) emits again:
 * its records follow those of the run that died.
 *
 * `stream` is a number of bytes, the window: so much may wait unread. A job that finds it full
 * waits until the reader has taken some; it stops waiting when it is asked to stop (cancelled, its
 * time is over, shutdown), and when nobody is left who could read: then all that hold the future
 * are the executor itself. A job that has committed (yk_job_commit) is not asked to stop: it waits
 * for its reader. So does a shutdown that lets jobs finish: whoever waits in it without a deadline
 * must not be the one who should read. A job that waits for room on a
 * thread makes room for others, as in any wait; a worker process stays with it: there a reader that
 * is a job itself belongs in another pool. A record of at most `stream` bytes fits in; each takes 4
 * bytes beside its own, and an empty record is a record.
 *
 * Progress. Any job may say how far it is, and anybody who holds the future may look, at any time
 * and at no cost to the job. To show it at a steady rate, wait in steps:
 *
 *   while (yk_await_until(f, yk_after_ms(100)) == UV_ETIMEDOUT)
 *       if (yk_future_progress(f, &done, &total) == 0)
 *           printf("\r%" PRIu64 " of %" PRIu64, done, total);
 */
#ifndef YOKE_EXECUTOR_STREAM_H
#define YOKE_EXECUTOR_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "future.h"
#include "job.h"

#ifdef __cplusplus
extern "C" {
#endif

/* In a job, on its own thread: emits a record of `len` bytes (NULL and 0: an empty one), which are
 * copied. Waits while the window is full. Returns
 *   0              the reader will get it, whatever becomes of the job;
 *   YK_ECANCELED   the job was asked to stop before there was room for it;
 *   YK_ECLOSED     nobody is left to read it: go on without, or stop;
 *   UV_EMSGSIZE    it is longer than the window;
 *   YK_ENOSTREAM   the job was submitted without the option `stream`;
 *   UV_EINVAL      no data where the length says that there is some. */
int yk_job_emit(yk_job *job, const void *data, size_t len);

/* Takes the next record of the job behind `f`: its bytes to `out`, which has room for `cap`, their
 * number to *len (which may be NULL). Waits for it until `deadline`, as wait.h says: a task is
 * suspended, a plain thread blocks. One thread or task at a time. Returns
 *   0              a record;
 *   YK_END         there are no more, and the future has ended. So it is, too, for a job that
 *                  was refused when it was submitted;
 *   YK_ETOOBIG     the record is longer than `cap`: *len is its length, and it stays the next. So
 *                  a call with no room asks for the length;
 *   UV_ETIMEDOUT   none came until the deadline;
 *   YK_ECANCELED   the task that waits was cancelled, and the job is asked to cancel as well;
 *   YK_EONLOOP     waiting is refused here (wait.h);
 *   YK_EDEADLK     a task would wait for itself;
 *   UV_EBUSY       somebody else is reading this stream now;
 *   UV_EPROTO      the worker process wrote what no worker writes; the job is cancelled;
 *   YK_ENOSTREAM   the job was submitted without the option `stream`. */
int yk_stream_next(yk_future *f, void *out, size_t cap, size_t *len, uint64_t deadline);

/* In a job, on its own thread: says that `done` of `total` are done, in whatever unit. Two stores,
 * no system call: say it as often as you like. */
void yk_job_progress(yk_job *job, uint64_t done, uint64_t total);

/* How far the job behind `f` has come, as of its last yk_job_progress, from any thread: 0 of 0 if
 * it has said nothing. Stays after the end as it was then (unless the job was written off, and goes
 * on). *total is at least as new as *done: a job whose total only grows is never seen past it.
 * Returns 0, or UV_EINVAL for a future that is no job's. */
int yk_future_progress(const yk_future *f, uint64_t *done, uint64_t *total);

#ifdef __cplusplus
}
#endif
#endif
