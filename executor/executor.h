/* yoke/executor/executor.h - who runs the jobs.
 *
 * An executor takes jobs (job.h) and hands out futures (future.h). There are three, behind one
 * type:
 *
 *   yk_thread_pool()    threads of this process: the cheapest; a job that crashes takes the
 *                       program with it, and cancelling one that runs needs its cooperation;
 *   yk_process_pool()   forked worker processes: a job that crashes or hangs costs itself and
 *                       nothing else; its worker is replaced;
 *   yk_hybrid()         all of these: each job goes where its declared kind belongs.
 *
 * The life of one:
 *   1. Create it. It never returns NULL: an executor that could not be made carries its error
 *      (yk_executor_error), and so does every future that it hands out.
 *   2. yk_submit() jobs, from any thread or task, from callbacks, from jobs that run on threads.
 *   3. Await the futures; give them back.
 *   4. yk_executor_close() waits for the jobs and frees it.
 */
#ifndef YOKE_EXECUTOR_EXECUTOR_H
#define YOKE_EXECUTOR_EXECUTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "future.h"
#include "job.h"
#include "stats.h"
#include "worker_options.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_executor yk_executor;

/* As many workers as CPUs that this process may use: yk_cpu_count(). */
#define YK_PER_CORE 0

/* Every member may stay zero. */
typedef struct yk_pool_options {
    const char *name; /* what its threads or processes are called; at most 11 bytes are shown */
    int workers;      /* at most so many at once; 0 is YK_PER_CORE; negative is refused */
    uint64_t job_timeout_ms; /* the limit of a job that has none of its own; 0: no limit */
    uint64_t kill_grace_ms;  /* from the polite request to stop a job to what follows it. Processes:
                                SIGKILL; 0: 250 ms. Threads: the job is written off; 0: 2 s */
    size_t queue_limit; /* jobs that may wait, accepted and not begun; 0: no bound. What happens
                           to one more is the job's to say: see submit_deadline and no_wait.
                           The hybrid has it in each part */
    uint64_t spin_us; /* who has just worked looks for more for so many microseconds before it goes
                         to sleep: 5 to 20 make short round trips many times as fast, and cost that
                         much CPU time after each burst of work. A worker spins, and a loop that
                         drives the pool, or submits to it, takes turn after turn instead of
                         sleeping (all its other input is served), while there are fewer busy
                         workers than CPUs. 0: for 6 at most, where jobs are tinier than that and it
                         has lately cost less than sleeping */
    yk_worker_options worker; /* how its workers start, run and end: worker_options.h */
} yk_pool_options;

/* Threads of this process. They are started when work needs them, and not before.
 *
 * Stopping a job that runs. When it is cancelled or its limit passes, yk_job_cancelled becomes
 * true, a wait of yoke's in which it sleeps returns YK_ECANCELED (once), and a system call in which
 * it blocks returns EINTR: the thread is sent a signal, several times until the job ends. That is a
 * real-time signal that the program has left at its default, the highest below SIGRTMAX; yoke takes
 * it when the first thread is started, and no thread but the pools' own has it unblocked. All other
 * signals are blocked in these, but for those that a fault raises; a program that a job starts with
 * fork() and exec() inherits that.
 *
 * A thread cannot be killed. A job that has not returned kill_grace_ms after it was asked to stop
 * is written off: its future ends (YK_ECANCELED, YK_EJOBTIMEOUT), another thread takes its place,
 * `stuck` in the statistics counts it, and no shutdown waits for it. It runs on, with its argument,
 * until it returns; what it returns is dropped, and its thread leaves. So what such an argument
 * points to must stay valid for longer than the future is pending. UINT64_MAX for kill_grace_ms: no
 * job is ever written off.
 *
 * A job that waits (yk_await and its relatives, yk_job_emit; not a sleep) makes room: another
 * thread may serve in its place meanwhile, so a job may await jobs of its own full pool. Up to 256
 * threads are added in this way. Where no more can be had, nobody serves and jobs wait, a wait
 * without a deadline is refused with YK_EDEADLK. */
yk_executor *yk_thread_pool_new(const yk_pool_options *options);
#define yk_thread_pool(...) yk_thread_pool_new(&(yk_pool_options){ __VA_ARGS__ })

/* Forked worker processes. Needs yk_init() (init.h) as the first thing in main, or yk_main();
 * error YK_ENOINIT otherwise. Created on a loop's thread, in a task or not, it is driven by that
 * loop, and its futures end on that thread; created on a plain thread it starts a thread of its own
 * to drive it.
 */
yk_executor *yk_process_pool_new(const yk_pool_options *options);
#define yk_process_pool(...) yk_process_pool_new(&(yk_pool_options){ __VA_ARGS__ })

/* All of them: YK_CPU jobs run on one pool of `workers` threads, YK_BLOCKING jobs on another of
 * four times as many (they wait more than they compute), YK_ISOLATED jobs on worker processes. Each
 * part is made when the first job needs it. */
yk_executor *yk_hybrid_new(const yk_pool_options *options);
#define yk_hybrid(...) yk_hybrid_new(&(yk_pool_options){ __VA_ARGS__ })

/* Why the executor could not be made, NULL if it could. Belongs to the executor. */
const yk_error *yk_executor_error(const yk_executor *ex);

/* Whether its YK_CPU and YK_BLOCKING jobs run on threads of this process, so that they may be given
 * pointers. */
bool yk_executor_has_threads(const yk_executor *ex);

/* What a job is like; the hybrid executor goes by it, the pools ignore it. */
typedef enum yk_job_kind {
    YK_CPU,      /* computes */
    YK_BLOCKING, /* mostly waits: files, name look-ups, a blocking driver */
    YK_ISOLATED, /* may crash or hang: belongs in a process of its own */
} yk_job_kind;

/* Whose turn it is when several jobs wait. */
enum { YK_PRIORITY_LOW = -1, YK_PRIORITY_NORMAL = 0, YK_PRIORITY_HIGH = 1 };

typedef struct yk_job_options {
    yk_job_kind kind;
    uint64_t timeout_ms; /* from the moment it starts; then YK_EJOBTIMEOUT. 0: the pool's limit */
    const char *name;    /* appears in errors; copied, at most 31 bytes */
    /* Where the executor's queue is bounded (queue_limit), and full. */
    uint64_t submit_deadline; /* wait for room until then (clock.h); 0: as long as it takes */
    bool no_wait;             /* do not wait: YK_EFULL */
    int priority;      /* YK_PRIORITY_...: the highest class that waits goes first, first in, first
                          out in each. A class whose first job has been overtaken by 16 of higher
                          classes is served next, so that none starves */
    uint64_t start_by; /* a deadline (clock.h): a job that has not begun by then fails with
                          YK_EEXPIRED and never begins; 0: it may wait for ever */
    unsigned retries;  /* how often the job is run again when its worker process dies (a crash, a
                          kill; not for an error of its own, a timeout, a cancellation). Only for
                          jobs that may be done twice. The first retry comes after 10 ms, each
                          further one after twice as long, 1 s at most, and behind the jobs that
                          wait. After the last one it fails with YK_ECRASHED */
    size_t stream; /* the job emits partial results (stream.h), and so many bytes of them may wait
                      unread; 0: it emits none */
    const void *const *uses; /* blocks of the arena that are there until the job has ended, whatever
                                becomes of other references to them: YK_USES(a, b), with pointers
                                into them; ends with NULL; copied. UV_EINVAL: one points into no
                                block */
} yk_job_options;

/* Submits fn with a copy of `len` bytes at `arg` (NULL and 0 for none). Never returns NULL: a job
 * that is refused is a future that has failed (YK_ECLOSED, UV_ENOMEM, UV_EINVAL, or
 * yk_executor_error's). The caller owns one reference.
 *
 * Never blocks, but for an executor with a queue_limit whose queue is full. There a task is
 * suspended and a plain thread blocked until a job begins or is cancelled; those who wait get in in
 * the order in which they came. The future has failed with
 *   YK_EFULL      with no_wait;
 *   UV_ETIMEDOUT  there was no room until submit_deadline;
 *   YK_EEXPIRED   nor until start_by;
 *   YK_EONLOOP    on a loop's thread outside a task, which may not wait;
 *   YK_EDEADLK    in a job of the same executor, which would wait for itself;
 *   YK_ECANCELED  the task was cancelled while it waited (the future is then YK_CANCELLED);
 *   YK_ECLOSED    the executor was shut down meanwhile. */
yk_future *yk_submit_opts(yk_executor *ex, yk_job_fn fn, const void *arg, size_t len,
                          const yk_job_options *options);
#define yk_submit(ex, fn, arg, len) yk_submit_opts((ex), (fn), (arg), (len), NULL)
#define yk_submit_with(ex, fn, arg, len, ...) \
    yk_submit_opts((ex), (fn), (arg), (len), &(yk_job_options){ __VA_ARGS__ })

/* Ends an executor. From the first call on, submissions are refused. It may be called again, from
 * several threads at once; a job of the executor's own gets YK_EDEADLK if it would wait for itself.
 * Returns 0 when every job has ended and every worker is gone; UV_ETIMEDOUT at the deadline (call
 * again); YK_EONLOOP where waiting is refused; YK_ECANCELED. */
typedef struct yk_shutdown_options {
    bool cancel_pending; /* cancel the jobs that have not begun */
    bool cancel_running; /* those, too, and ask those that run to stop: processes are made to */
    bool no_wait;        /* only begin: return 0 at once. What runs is finished, also after the last
                            reference is gone */
    uint64_t deadline;   /* wait until then at the longest; 0: as long as it takes */
    char *stuck;         /* NULL, or room for `stuck_size` bytes: at UV_ETIMEDOUT, and only then, it
                            says what was not over, a line each (what does not fit is cut):
                              job 'resize' on worker 2 (pid 4711) for 3.2 s
                              12 waiting
                            With no job left: the workers that have not gone. A job without a name
                            is "a job". A hybrid's workers are told apart by the part that they
                            belong to: worker 2 (isolated, pid 4711) */
    size_t stuck_size;
} yk_shutdown_options;
int yk_executor_shutdown_opts(yk_executor *ex, const yk_shutdown_options *options);
#define yk_executor_shutdown(ex, ...) \
    yk_executor_shutdown_opts((ex), &(yk_shutdown_options){ __VA_ARGS__ })

/* Waits for all jobs, ends the workers, and gives the caller's reference back whatever it returns:
 * 0, or what yk_executor_shutdown returns. Takes NULL. */
int yk_executor_close(yk_executor *ex);

/* Changes how many workers there are at most: a number as in yk_pool_options. Any thread; returns
 * at once. Of too many, those with the highest numbers leave when they have done the job that they
 * run; what they have not begun goes to the others. UV_EINVAL, YK_ECLOSED, UV_ENOTSUP. */
int yk_executor_resize(yk_executor *ex, int workers);

/* Reference counting, for an executor with several owners. The last unref begins a shutdown
 * without waiting, if there was none: what was accepted is done.
 *
 * An executor can be replaced while others submit to it. Whoever submits holds a reference
 * meanwhile, taken under the lock that guards the pointer; whoever replaces it only gives its own
 * back:
 *     lock(); ex = yk_executor_ref(current); unlock();
 *     f = yk_submit(ex, fn, arg, len);
 *     yk_executor_unref(ex);
 * and
 *     lock(); old = current; current = next; unlock();
 *     yk_executor_unref(old);
 * Nobody meets YK_ECLOSED, for the old one's end begins when the last of them has let go of it
 * (yk_executor_close(old) would refuse those on their way). */
yk_executor *yk_executor_ref(yk_executor *ex);
void yk_executor_unref(yk_executor *ex);

/* The CPUs that this process may use: its affinity mask and the CPU quota of its control groups
 * (version 1 and 2), rounded up; at least 1. */
int yk_cpu_count(void);

#ifdef __cplusplus
}
#endif
#endif
