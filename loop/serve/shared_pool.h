/* loop/serve/shared_pool.h - a process pool that several programs' processes share. Not installed.
 *
 *   supervisor          yk__pool_door_open(), before its first fork
 *   pool's process      yk__pool_server_start() in a task: pool_server.h
 *   each server worker  yk__shared_pool_new(): an executor; its jobs run in that process's workers
 *
 * It is what a process pool is (executor.h), but for this:
 *   - Its jobs see memory as of the fork of the pool's process. No arena is shared: `uses` is
 *     refused (UV_ENOTSUP), and a pointer into the arena means nothing in a job.
 *   - The queue_limit is this process's own: how many of its jobs may wait. So YK_EFULL is known at
 *     once, and a process that floods the pool fills its own queue and nobody else's.
 *   - A job that the pool's process has got is cancelled by asking there: yk_future_cancel()
 *     returns 1, also for one that waits.
 *   - Progress is some 20 ms old. A stream's window counts twice: once on either side.
 *   - It cannot be resized from here, has no workers to be listed, and its statistics are those of
 *     this process's jobs.
 *   - The pool's process may die, too: then the jobs that it had fail with YK_ECRASHED, and the
 *     next ones wait for its successor.
 *   - An argument, a result or a record of more than 1 GiB is YK_ETOOBIG.
 */
#ifndef YOKE_LOOP_SERVE_SHARED_POOL_H
#define YOKE_LOOP_SERVE_SHARED_POOL_H

#include "../../executor/executor.h"
#include "pool_door.h"

/* Driven by the calling thread's loop, with which it ends (YK_ECLOSED) if it is not closed before.
 * It connects when the first job comes. Of the options it heeds name, job_timeout_ms and
 * queue_limit. The door, of which it needs the outside, must stay open. Never NULL: see
 * yk_executor_error(). */
yk_executor *yk__shared_pool_new(const yk__pool_door *door, const yk_pool_options *options);

#endif
