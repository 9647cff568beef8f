/* yoke/executor/job.h - the job: plain C that runs on a thread or in another process.
 *
 *   static int square(yk_job *job)
 *   {
 *       const int *n = yk_job_arg(job);
 *       int result = *n * *n;
 *       return yk_job_return(job, &result, sizeof result);
 *   }
 *
 * The same function runs on every executor unchanged; it cannot tell which one runs it. What it may
 * rely on everywhere: its argument is a private copy of what was submitted; what it returns is
 * copied before the job ends; nothing else is shared, except memory of the arena (arena.h), which
 * has the same address in every process. In a worker process, the rest of memory is as it was when
 * yk_init() ran.
 *
 * The calls below are for the job's own thread, while the job runs.
 */
#ifndef YOKE_EXECUTOR_JOB_H
#define YOKE_EXECUTOR_JOB_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_job yk_job;

/* 0 or more: the job is done; negative: it failed with that error (YK_ECANCELED: it was asked to
 * stop and did). */
typedef int (*yk_job_fn)(yk_job *job);

/* The argument: `len` bytes, aligned for any type, good until the job returns. Writable, the job's
 * own. NULL if it is empty. */
void *yk_job_arg(const yk_job *job);
size_t yk_job_arg_len(const yk_job *job);

/* Sets the result to a copy of `len` bytes; the last call counts. Returns 0, UV_ENOMEM or
 * UV_EINVAL, so that a job may end with `return yk_job_return(...)`. */
int yk_job_return(yk_job *job, const void *result, size_t len);

/* Room for a result of `len` bytes, to be written in place, without a copy; aligned for any type;
 * the result is these bytes when the job returns. A later call forgets the room of an earlier one.
 * NULL: no memory. */
void *yk_job_result(yk_job *job, size_t len);

/* Shortens the room that yk_job_result gave; `len` is at most what was asked for. */
void yk_job_result_trim(yk_job *job, size_t len);

/* Sets the message of the error that the job is about to return, and returns `code`:
 *     return yk_job_fail(job, UV_EINVAL, "line %zu: no tab", line);
 * Messages longer than 180 bytes are cut. */
int yk_job_fail(yk_job *job, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether somebody wants this job to stop. One load; ask often. */
bool yk_job_cancelled(const yk_job *job);

/* The commit point: from here on the job will do what it was asked to, and nobody is to be told
 * that it did not. Once this has returned 0, the future does not end as cancelled or timed out:
 * cancellations and the limit leave the job alone, and yk_job_cancelled stays false. Otherwise it
 * was asked to stop before: YK_ECANCELED or YK_EJOBTIMEOUT, and the job should return that. A job
 * that commits and then returns one of these two fails with YK_EJOB. */
int yk_job_commit(yk_job *job);

/* The number of the worker that runs this job, 0 to workers - 1. A worker runs one job at a time,
 * so this may index what a job keeps from one run to the next. Two exceptions, both on threads: a
 * worker that stands in for one whose job waits has a number from `workers` on, up to workers +
 * 255; and a job that was written off (executor.h) may still run beside the next one of its number.
 */
unsigned yk_job_worker(const yk_job *job);

#ifdef __cplusplus
}
#endif
#endif
