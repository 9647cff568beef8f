/* executor/internal.h - what the executors share, and nobody else sees. */
#ifndef YOKE_EXECUTOR_INTERNAL_H
#define YOKE_EXECUTOR_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "executor.h"
#include "promise.h"

#define YK__CACHE_LINE  64
#define YK__MAX_WORKERS 1024
#define YK__NAME_MAX    32  /* of a job, with its NUL */
#define YK__MESSAGE_MAX 184 /* of a job's error, with its NUL */

enum { YK__PARTS = YK_ISOLATED + 1 };

/* ---- What is behind yk_executor ------------------------------------------------------------- */

typedef struct yk__executor_ops {
    yk_future *(*submit)(yk_executor *ex, yk_job_fn fn, const void *arg, size_t len,
                         const yk_job_options *options);
    int (*shutdown)(yk_executor *ex, const yk_shutdown_options *options);
    void (*stats)(yk_executor *ex, yk_executor_stats *stats);
    void (*free)(yk_executor *ex); /* the last reference is gone */
    /* See yk_executor_workers. NULL: there are none. */
    size_t (*workers)(yk_executor *ex, yk_worker_stats *rows, size_t max);
    /* The executors that this one is made of, at most YK__PARTS, and their names. NULL: itself. */
    size_t (*parts)(yk_executor *ex, yk_executor **parts, const char **names);
    int (*resize)(yk_executor *ex, unsigned workers); /* NULL: it cannot */
    bool has_threads;                                 /* see yk_executor_has_threads */
} yk__executor_ops;

/* The first member of every executor. The caller of ..._new owns one reference; whatever works for
 * the executor (its threads, its driver) holds others, so it lives until the last of them is done.
 * `owners` counts the users' references alone: at the last one a shutdown begins. */
struct yk_executor {
    const yk__executor_ops *ops;
    _Atomic uint32_t refs;
    _Atomic uint32_t owners;
    yk_error *error; /* why it could not be made, or NULL */
    char name[12];
    int workers;                 /* as asked for; YK_PER_CORE: as many as CPUs */
    _Atomic uint32_t unmeasured; /* one job in 1 + so many is measured; a mask. Relaxed: a hint */
};

void yk__executor_init(yk_executor *ex, const yk__executor_ops *ops, const yk_pool_options *options,
                       const char *default_name);
void yk__executor_hold(yk_executor *ex);
void yk__executor_release(yk_executor *ex);

/* An executor that only carries an error. */
yk_executor *yk__executor_failed(int code, const char *message);

/* A process pool; `own_driver`: no loop drives it, whoever makes it. */
yk_executor *yk__process_pool_make(const yk_pool_options *options, bool own_driver);

/* For who drives the pool (and is its only customer): has began(told) called when a job begins,
 * where somebody is to be told of that job: set right after it was submitted. Once or more often; a
 * job may also go back to the queue before its worker has looked at it. */
void yk__process_pool_tell(yk_executor *ex, void (*began)(void *told));
void yk__process_job_tell(yk_future *f, void *told);

/* A hybrid whose worker processes have options of their own; or, instead of them, an executor for
 * YK_ISOLATED jobs, whose reference is the hybrid's from then on, also where it cannot be made. */
yk_executor *yk__hybrid_with(const yk_pool_options *threads, const yk_pool_options *processes,
                             yk_executor *isolated);

/* 0 and the count, or UV_EINVAL. */
int yk__worker_count(const yk_pool_options *options, unsigned *workers);

/* The executor whose job this thread is running, or NULL. */
extern _Thread_local yk_executor *yk__running_for;

/* Threads that the compiler's runtime adds to every program: ThreadSanitizer has one. */
#ifdef __SANITIZE_THREAD__
#define YK__RUNTIME_THREADS 1
#else
#define YK__RUNTIME_THREADS 0
#endif

/* Set in a worker process, where there are no executors. */
extern bool yk__in_worker;

/* Adds statistics up: counters and histograms. */
void yk__stats_add(yk_executor_stats *to, const yk_executor_stats *from);

/* Says what runs, and what waits: see yk_shutdown_options.stuck. */
void yk__stuck_report(yk_executor *ex, char *buffer, size_t size);

/* Has the end of the process wait for `f`: what was shut down without waiting is finished. */
void yk__linger(yk_future *f);

/* ---- A job on its way ----------------------------------------------------------------------- */

/* How far a job has come: see progress.c. Written by the job; the atomics are release and acquire.
 */
typedef struct yk__cell {
    _Atomic uint64_t done, total;
} yk__cell;

/* Any job of any executor: the future, and what is to be run. Pools embed it first. */
typedef struct yk__work {
    yk_future future;
    yk_job_fn fn;
    void *arg;
    size_t arg_len;
    uint64_t timeout; /* nanoseconds; 0: none */
    uint64_t stamped; /* when it was submitted, if it is measured (meter.h); else 0 */
    yk__cell progress;
    struct yk__context *context; /* that it began with; the job's reference; NULL: none */
    _Atomic(yk__cell *) live;    /* where the job writes it now, if not to `progress`; else NULL */
    char name[YK__NAME_MAX];
} yk__work;

/* "job 'name'" or "the job", for messages; `buffer` has at least YK__NAME_MAX + 8 bytes. */
const char *yk__work_label(const yk__work *work, char *buffer);

void yk__work_init(yk__work *work, const yk__future_ops *ops, yk_job_fn fn,
                   const yk_job_options *options, uint64_t default_timeout_ms);

/* The job has left the ring of its process. `told`: it may have said how far it is. */
void yk__work_left(yk__work *work, bool told);

/* ---- A job while it runs: what is behind yk_job --------------------------------------------- */

struct yk_job {
    void *arg;
    size_t arg_len;
    unsigned worker;
    void *result; /* NULL: none */
    size_t result_len;
    /* Room for a result, or NULL; replaces what was given before. */
    void *(*room)(yk_job *job, size_t len);
    bool (*cancelled)(const yk_job *job);
    int (*commit)(yk_job *job);
    yk__cell *cell;            /* of its progress; never NULL */
    bool told;                 /* something was written to it */
    struct yk__ring *ring;     /* of what it emits, or NULL */
    struct yk__stream *stream; /* the reader's side; NULL in a worker process */
    char message[YK__MESSAGE_MAX];
};

/* The message of a job that commits and then returns that it was stopped. */
#define YK__GAVE_UP "the job had passed its commit point, and gave up"

/* Calls fn and turns what it returns into 0 or an error's code. */
int yk__job_run(yk_job *job, yk_job_fn fn);

#endif
