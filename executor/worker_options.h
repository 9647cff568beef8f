/* yoke/executor/worker_options.h - what a worker is, from its start to its end.
 *
 * Part of yk_pool_options. Every member may stay zero, and then a worker starts with the first job
 * that needs it, lives as long as the pool, and has the limits of the program.
 *
 *   static int open_model(void *arg)                    (once in every worker)
 *   {
 *       model = load(((const struct config *)arg)->path);
 *       return model ? 0 : yk_worker_fail(UV_ENOENT, "no model at %s", path);
 *   }
 *
 *   yk_process_pool(.workers = 8,
 *                   .worker = { .initializer = open_model, .arg = &config, .arg_len = sizeof
 * config, .max_jobs = 1000, .max_rss = 512 << 20 });
 *
 * The life of a worker:
 *   1. It is started when a job needs it and fewer than `workers` are there.
 *   2. Environment, directory, CPUs, scheduling and limits are set; then the initializer runs.
 *      A worker whose pool has an initializer is given no job before that has returned 0. What
 *      cannot be set as asked is a failure as that of an initializer is.
 *   3. It runs jobs, one at a time.
 *   4. It leaves when the pool is shut down; when it has retired (max_jobs, max_rss), with a
 *      successor in its place; when it was idle for too long; when the pool was made smaller. The
 *      finalizer runs last. It does not run in a worker that died or was killed.
 *
 * A worker that fails to start, by an initializer that returned an error, does no harm while
 * others are at work; it is logged, and tried again after a while (10 ms at first, twice as long
 * after each failure, a second at most). Where no other worker is there, what waits has failed with
 * YK_EINIT and the initializer's message, and so does what is submitted in the meantime. A worker
 * process that dies while it starts, or before it has begun a job, is replaced in the same steps of
 * time; after `respawn_budget` such deaths in a row what waits fails, with YK_EINIT when they died
 * in their initializer and YK_ENOWORKER when not.
 *
 * Where a member is marked (p), it is for worker processes; threads ignore it: what it sets belongs
 * to the whole program there. What is not is set for each thread on its own. A thread whose job was
 * written off (executor.h) runs the finalizer when that job returns, if it ever does; and one that
 * is still in its initializer kill_grace_ms after a shutdown with cancel_running is written off,
 * too.
 */
#ifndef YOKE_EXECUTOR_WORKER_OPTIONS_H
#define YOKE_EXECUTOR_WORKER_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How the workers compete for CPUs: with the loop, with each other, with other programs. (What
 * each costs was measured: docs/benchmarks.md, "Responsiveness".)
 *
 * A pool that is made in a task works for the loop of that task, and its workers should not keep
 * that loop waiting. So with YK_SCHED_DEFAULT and `nice` 0 they are 5 nicer than the program. Where
 * all cores compute, a tenth of the ticks of a loop that is busy for a fifth of the time are then
 * late by 0.1 to 0.2 ms or more, instead of 1.8 ms. Beside foreign programs that want all CPUs such
 * workers get a little more than half of what normal ones get. Where a nice value cannot be set
 * they go without, and no error is told. Threads whose jobs take a microsecond or less do better
 * with YK_SCHED_NORMAL, up to three times as well: where they share a CPU with the loop, it takes
 * that from nicer ones with every result that wakes it.
 *
 * YK_SCHED_IDLE keeps a loop punctual that is busy for half of the time, too, but beside foreign
 * programs, or computing threads of the same program, such workers get a hundredth of the CPUs, and
 * nobody may take it back without privileges: it is for work that can wait. */
typedef enum yk_scheduling {
    YK_SCHED_DEFAULT, /* as the thread that makes the pool, and so are nice value and CPUs; in a
                         task, 5 nicer */
    YK_SCHED_NORMAL,  /* SCHED_OTHER, no nicer than `nice` says */
    YK_SCHED_BATCH,   /* SCHED_BATCH: as much CPU, and woken less eagerly */
    YK_SCHED_IDLE,    /* SCHED_IDLE: whatever nobody else wants */
} yk_scheduling;

/* Everything is copied when the pool is made. */
typedef struct yk_worker_options {
    /* Runs in every worker before its first job. 0, or a negative error; see yk_worker_fail. `arg`
     * is the worker's own copy of `arg_len` bytes, NULL if there are none, and good until the
     * finalizer, which gets the same, has returned. */
    int (*initializer)(void *arg);
    void (*finalizer)(void *arg);
    const void *arg;
    size_t arg_len;
    uint64_t start_timeout_ms; /* (p) a worker that is not ready by then is killed, which counts as
                                  its death; 0: 20 s */

    unsigned max_jobs; /* (p) it retires after so many; 0: never for that */
    uint64_t max_rss;  /* (p) bytes: it retires when it has more resident memory of its own than
                          that. Memory that is shared (the arena above all), files that are mapped
                          and what the program had at yk_init() do not count; what the initializer
                          takes does. Looked at after a job, at most once in 5 ms; 0: never for that
                        */

    uint64_t limit_address_space; /* (p) bytes beyond what it has when it starts; 0: no limit */
    uint64_t limit_cpu_s; /* (p) seconds of CPU time in all; then SIGXCPU, and a second later
                             SIGKILL, which fails the job that runs; 0: no limit */
    uint64_t limit_files; /* (p) open descriptors; 0: the program's limit */

    int nice; /* added to the program's; less than 0 needs privileges */
    yk_scheduling scheduling;
    const int *cpus; /* the CPUs that it may run on; NULL: all of the program's */
    size_t n_cpus;

    const char *const *environment; /* (p) "NAME=value" sets, "NAME" removes; ends with NULL */
    const char *directory;          /* (p) its working directory; NULL: the program's, as of
                                       yk_init() */

    /* A worker that has been idle for so long leaves, if more than min_workers are there; 0: they
     * stay. The next job that needs it has it started again. */
    uint64_t idle_timeout_ms;
    int min_workers;

    unsigned respawn_budget; /* (p) how many deaths in a row before a job was begun fail what waits;
                                0: 5 */
} yk_worker_options;

/* For an initializer: sets the message of its error, and returns `code`. Longer messages than 180
 * bytes are cut. */
int yk_worker_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif
#endif
