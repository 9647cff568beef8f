/* yoke/executor/stats.h - what an executor has done so far, and what it is doing now.
 *
 *   yk_executor_get_stats()   counters, and histograms of how long jobs waited and ran
 *   yk_executor_workers()     one row a worker: what it runs, and since when
 *   yk_executor_prometheus()  all of it as text that Prometheus scrapes
 *
 * None of them waits for anybody or takes a lock that a worker or a loop may hold: any thread may
 * call them at any time, also to find out why nothing moves.
 *
 * What adds up. In every struct that yk_executor_get_stats() fills, however busy the executor,
 *     received = pending + running + done + failed + cancelled.
 * When the future of a job has ended, the job is counted where it ended, and its times, if they
 * were measured, are in the histograms. A job on its way from one state to the next may be counted
 * as pending for that instant. Of a job that was refused (its future had failed when yk_submit()
 * returned) nothing is counted.
 *
 * What is measured. Looking at the clock takes as long as a tiny job does, so of tiny jobs only
 * some are measured: all of them while those measured run for 8 us or longer, else one in 2, 4, ...
 * up to 64, the shorter they are the fewer, so that measuring takes about one hundredth of the time
 * that they run. Which ones is drawn by lot when they are submitted. So a histogram counts
 * samples, not jobs. While a trace is written (trace.h), every job is measured.
 */
#ifndef YOKE_EXECUTOR_STATS_H
#define YOKE_EXECUTOR_STATS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct yk_executor;

/* ---- Histograms ----------------------------------------------------------------------------- */

#define YK_HISTOGRAM_BUCKETS 48

/* How long something took. Bucket i counts what took longer than 2^(i-1) ns and at most 2^i ns;
 * bucket 0 also counts 0, the last one also what took longer. */
typedef struct yk_histogram {
    uint64_t count; /* samples: the sum of the buckets */
    uint64_t sum;   /* of all samples, nanoseconds */
    uint64_t max;   /* the longest sample, nanoseconds */
    uint64_t buckets[YK_HISTOGRAM_BUCKETS];
} yk_histogram;

/* The time below which the fraction q (0 to 1) of the samples lies, in nanoseconds; 0 without
 * samples. Interpolated inside its bucket, so at most off by a factor of 2; never above max. */
uint64_t yk_histogram_quantile(const yk_histogram *h, double q);

/* The mean in nanoseconds, 0 without samples. */
uint64_t yk_histogram_mean(const yk_histogram *h);

/* Adds the samples of `from` to `to`. */
void yk_histogram_merge(yk_histogram *to, const yk_histogram *from);

/* ---- The whole executor --------------------------------------------------------------------- */

/* Counted from the start of the executor. A hybrid's are the sums over its parts. */
typedef struct yk_executor_stats {
    uint64_t received;  /* jobs submitted and accepted */
    uint64_t pending;   /* the depth of the queue: accepted, not begun */
    uint64_t running;   /* begun, not ended */
    uint64_t done;      /* ended with a result */
    uint64_t failed;    /* ended with an error */
    uint64_t cancelled; /* ended as cancelled */
    uint64_t workers;   /* alive now */
    uint64_t started;   /* workers started in all: what exceeds `workers` has died or retired */
    uint64_t restarts;  /* of these, those started where one had died or retired */
    uint64_t crashed;   /* workers that died unasked */
    uint64_t killed;    /* workers made to end for the sake of a time limit or a cancellation */
    uint64_t timeouts;  /* jobs ended for YK_EJOBTIMEOUT */
    uint64_t stuck;     /* threads that were written off and have not come back, now */
    yk_histogram wait;  /* from submission until the job begins; of jobs that began */
    yk_histogram run;   /* from its beginning to its end */
} yk_executor_stats;
void yk_executor_get_stats(struct yk_executor *ex, yk_executor_stats *stats);

/* ---- Every worker --------------------------------------------------------------------------- */

typedef enum yk_worker_state {
    YK_WORKER_NONE,     /* never started, or gone: its place is free */
    YK_WORKER_STARTING, /* a process that is being made, or is in its initializer */
    YK_WORKER_IDLE,     /* waits for work, or is between two jobs */
    YK_WORKER_RUNNING,  /* runs a job */
} yk_worker_state;

typedef struct yk_worker_stats {
    unsigned worker;       /* its number, as yk_job_worker() gives it */
    const char *part;      /* of a hybrid: "cpu", "blocking" or "isolated"; else "" */
    yk_worker_state state; /* now */
    pid_t pid;             /* of a worker process; 0 for a thread, and where there is none */
    pid_t tid;             /* of a worker thread, else 0 */
    char job[32];          /* the name of the job that it runs; "" if it has none */
    uint64_t since;   /* when that job began, as yk_now() gives it; 0 without a job. The job of a
                         process, and one that is not measured, a few milliseconds off */
    uint64_t jobs;    /* how many jobs have ended on it; a process pool counts them by place */
    uint64_t starts;  /* how many workers there have been in this place */
    uint64_t crashes; /* how many of them died unasked */
    uint64_t cpu_ns;  /* CPU time of the worker that is there now; 0: not known */
} yk_worker_stats;

/* Fills up to `max` rows in the order of their numbers (a hybrid's part by part) and returns how
 * many there are: the workers that have ever been there, at least. */
size_t yk_executor_workers(struct yk_executor *ex, yk_worker_stats *rows, size_t max);

/* ---- Prometheus ----------------------------------------------------------------------------- */

/* Writes everything above in Prometheus' text exposition format (version 0.0.4; serve it as
 * "text/plain; version=0.0.4"): counters and gauges yoke_..., the histograms
 * yoke_job_wait_seconds and yoke_job_run_seconds, and what is known of each worker. Every line is
 * labelled executor="NAME", a hybrid's also part="...", a worker's worker="N".
 *
 * As snprintf does: writes at most `size` bytes with the final NUL, and returns the length that the
 * whole text has (20 KiB are plenty for one executor of a dozen workers), or UV_ENOMEM. */
int yk_executor_prometheus(struct yk_executor *ex, char *buffer, size_t size);

/* Several executors on one page, which may have each metric's heading only once. Two of the same
 * name cannot be told apart by Prometheus: name them. */
int yk_prometheus(struct yk_executor *const *executors, size_t n, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif
#endif
