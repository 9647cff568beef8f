/* executor/thread_pool.h - the inside of a thread pool. Not installed.
 *
 *   thread_pool.c     what any thread may call: submit, cancel, resize, shut down, statistics
 *   thread_memory.c   where jobs lie
 *   thread_queue.c    the jobs that wait, and the workers that sleep
 *   thread_worker.c   a worker's life: start, run jobs, wait inside a job, leave
 *   thread_guard.c    tiny jobs are not spread over workers that would have to be woken
 *   thread_spin.c     looking for jobs a little longer before a sleep
 *   thread_monitor.c  the one who watches the clock: limits, cancellations, expiry, write-offs
 *   thread_life.c     what the worker options say of a thread's start and end; resizing
 *
 * A place (struct place) is a number that yk_job_worker() returns, with counters; a thread (struct
 * thread) occupies one. Places are never freed before the pool, threads come and go: a thread that
 * leaves frees itself, or waits in the pool's list for the shutdown to join it.
 *
 * How many threads. `serving` counts those that take jobs: alive, not written off, not asleep in a
 * wait inside their job, and not on their way out since they could not start. It is kept at most
 * `target`, and threads are started when more jobs could run than threads serve. A job that waits
 * (for a future, say) does not serve, so another thread may be started in its stead; that one has a
 * place from `target` on, and leaves when the one that waited is back. So a job may wait for jobs
 * of its own full pool.
 *
 * Who holds the pool. Each thread holds a reference, the monitor another, also those that were
 * written off: the pool lives until the last of them has returned. `alive` counts those that a
 * shutdown waits for: a thread that was written off is not among them.
 *
 * Who ends a running job. Worker and monitor claim its future; one of them wins. The worker whose
 * claim fails has been written off: it touches neither its place nor any counter any more.
 *
 * The job in hand. `current` is what a thread runs. Whoever else wants to look at that job takes
 * the pointer out under the pool's lock (borrow), and puts it back; the thread cannot end its job
 * meanwhile. So a signal meant for a job never comes to the next one.
 */
#ifndef YOKE_EXECUTOR_THREAD_POOL_H
#define YOKE_EXECUTOR_THREAD_POOL_H

#include <pthread.h>
#include <sched.h>
#include <stdalign.h>

#include "admission.h"
#include "held.h"
#include "internal.h"
#include "meter.h"
#include "pace.h"
#include "park.h"
#include "queue.h"
#include "reactor.h"

#define YK__MAX_WORKERS 1024
#define YK__MAX_EXTRA   256 /* threads that stand in for jobs that wait */
#define YK__MAX_PLACES  (YK__MAX_WORKERS + YK__MAX_EXTRA)
#define YK__IDLE_WORDS  (YK__MAX_PLACES / 64)
#define YK__NS_PER_MS   ((uint64_t)1000000)

typedef struct thread_pool thread_pool;
typedef struct thread thread;
typedef struct timed timed;

/* ---- Jobs ----------------------------------------------------------------------------------- */

/* What is needed in any case comes first, and with a short argument it is all in few cache lines.
 */
typedef struct thread_job {
    alignas(YK__CACHE_LINE) yk__work work;
    yk__queued queued;
    thread *on; /* written before it is YK_RUNNING */
    thread_pool *pool;
    uint64_t start_by; /* 0: whenever */
    timed *timed;      /* what the monitor knows of start_by, or NULL; set before it is queued */
    bool timed_out;    /* it was asked to stop because of its limit */
    uint8_t size;      /* of its memory: thread_memory.c */
    alignas(max_align_t) unsigned char small[32]; /* the argument, where it is that short */

    /* For the monitor. The link is for its inbox, then for itself. */
    struct thread_job *next_asked;
    uint64_t poke_at, poke_interval, give_up_at;

    alignas(max_align_t) unsigned char arg[];
} thread_job;

/* What a running job sees. */
typedef struct running {
    yk_job job;
    thread_job *of;
    uint64_t deadline; /* YK_FOREVER: none */
    bool committed;
} running;

/* ---- Places and threads --------------------------------------------------------------------- */

/* The counters are written by the place's thread alone and read by anybody. `finished` is counted
 * before the job's future ends, and stored once more, sequentially consistent, before the thread
 * looks whether it may leave: see Closing in thread_pool.c. */
typedef struct place {
    alignas(YK__CACHE_LINE) _Atomic uint32_t sleeping; /* futex: 1 asleep, 0 awake or woken */
    _Atomic uint32_t
        cpu; /* 1 + the one that its thread is on, or was lately; 0: it sleeps; a hint */
    unsigned index;
    bool taken;  /* under the lock: a thread occupies it */
    bool guards; /* what it is woken for; written before `sleeping` */
    _Atomic uint64_t finished, begun, done, failed, cancelled, timeouts;
    yk__meter meter; /* its thread's; the monitor's once that has been written off */
} place;

/* One whose initializer has failed leaves by itself. */
enum { THREAD_STARTS, THREAD_SERVES, THREAD_FAILED, THREAD_WRITTEN_OFF };

struct thread {
    alignas(YK__CACHE_LINE) _Atomic(thread_job *) current; /* see above */
    _Atomic uint64_t until; /* when its job's limit ends; relaxed, before `current` */
    thread_pool *pool;
    place *at;
    pthread_t id;

    /* Its own. */
    yk__pace pace;
    bool single;   /* the last burst was of one job */
    bool behind;   /* a loop need not be woken for the job that it runs: see reactor.h */
    bool slower;   /* it was slower than those before it */
    bool relieved; /* it stood guard for nothing, and has done no job since */
    uint64_t no_spin_until;
    yk__blocking blocking;
    yk__held held;
    running *running;
    bool wait_cancelled; /* a wait of the job has been told of the cancellation */
    bool failed;         /* it could not start */
    void *arg;           /* of its initializer and finalizer */

    /* Under the lock. */
    thread *next, **prev; /* in pool->threads */
    uint32_t state;       /* THREAD_... */
    bool blocked;         /* asleep in a wait inside its job */
    bool poked;           /* borrower's, else its own: a signal was sent */
    uint64_t give_up_at;  /* the pool stops, and it is still starting; 0: not so */
};

/* What becomes of a thread after each step. */
typedef enum outcome { SERVES, LEAVES, LEFT_EARLY, WRITTEN_OFF } outcome;

/* ---- The monitor ---------------------------------------------------------------------------- */

/* A job that waits and has a start_by. A reference to it is here until it begins or ends: whoever
 * takes the pointer out has that, so a job is not kept for the sake of its start_by. Two hold on to
 * this, the job until then, and the monitor. */
struct timed {
    _Atomic(thread_job *) job; /* acquire, release */
    _Atomic uint32_t refs;
    uint64_t start_by;
    timed *next; /* in the inbox */
};

/* A thread that is started when there is first something to watch. Others leave jobs in the two
 * inboxes, and ring the bell; or tell by `hint` when to look at the threads.
 * `wakes_at` is until when it sleeps: whoever has something earlier must ring. */
typedef struct monitor {
    _Atomic uint32_t bell; /* futex */
    _Atomic uint64_t wakes_at, hint;
    _Atomic(thread_job *) asked;       /* cancelled while they ran; with a reference each */
    _Atomic(timed *) timed;            /* with a start_by */
    _Atomic uint64_t stale, too_stale; /* of these, how many have begun or ended; relaxed */
    _Atomic bool started;
    pthread_t id;

    /* Its own. */
    thread_job *watched; /* asked to stop, and not ended */
    timed **heap;        /* by start_by; [1 .. heap_len] */
    size_t heap_len, heap_cap;
} monitor;

/* ---- Starting ------------------------------------------------------------------------------- */

/* `failing`: relaxed, a hint that there are failures. */
typedef struct thread_life {
    struct yk__worker_spec *spec; /* NULL: nothing is asked for */
    int policy, nice;             /* of who made the pool; -1: not known */
    struct sched_param param;
    cpu_set_t cpus;
    bool cpus_known;
    _Atomic bool failing;

    /* Under the lock. */
    unsigned failures; /* to start, in a row */
    uint64_t retry_at;
    char message[YK__MESSAGE_MAX + 64]; /* of the last one */
} thread_life;

/* ---- The pool ------------------------------------------------------------------------------- */

struct thread_pool {
    yk_executor ex;
    uint64_t timeout_ms, grace;
    uint64_t idle_timeout; /* nanoseconds; YK_FOREVER: they stay */
    unsigned min_workers;
    yk_future *gone; /* ends when the last thread has left after a shutdown */
    yk__admission admission;
    uint32_t spin; /* nanoseconds, as asked for */
    uint32_t cpus;

    /* Written by each submission. */
    alignas(YK__CACHE_LINE) _Atomic(yk__queued *) inbox; /* a stack, by `next` */
    _Atomic uint64_t received;                           /* by submitters */

    /* Seldom written, and read for each job. */
    alignas(YK__CACHE_LINE) _Atomic bool mixed; /* the inbox may hold jobs of unusual classes */
    _Atomic uint32_t each;     /* nanoseconds that a job took in the last burst (pace.h); a hint */
    _Atomic uint32_t recent;   /* the same, also of a single job */
    _Atomic uint32_t spin_for; /* thread_spin.c: nanoseconds that workers look for jobs; a hint */
    _Atomic uint32_t loop_cpu; /* 1 + the CPU that the loop is on which submits; a hint */
    _Atomic uint64_t dropped;  /* cancelled before they began */
    _Atomic uint64_t refused;  /* failed before they began: expired, or no thread to run them */
    _Atomic uint32_t target;   /* how many threads may serve */
    _Atomic uint32_t serving;
    _Atomic uint32_t blocked; /* threads asleep in a wait inside their job */
    _Atomic uint32_t places;  /* place[0 .. places) have been used */
    _Atomic bool closing;
    _Atomic bool stopping; /* jobs that run are asked to stop */
    _Atomic bool joined;

    /* Cancellations of running jobs: `asks_due` counts them when such a job ends, `asks_arrived`
     * when the canceller is done with the pool; until they are equal nobody leaves. The same for
     * ends that are written by others than workers: from before the job is counted as ended until
     * its future is. */
    _Atomic uint64_t asks_due, asks_arrived;

    alignas(YK__CACHE_LINE) _Atomic uint32_t waking;
    _Atomic bool guard; /* somebody stands guard, or is on his way: thread_guard.c */
    _Atomic bool left;  /* jobs are ready; written under the lock; a hint */
    yk__debt debt;      /* to a loop that dozes */
    _Atomic uint64_t idle[YK__IDLE_WORDS];

    alignas(YK__CACHE_LINE) pthread_mutex_t lock; /* guards what follows */
    yk__queue ready;
    thread *threads;
    _Atomic uint32_t alive;           /* written under the lock */
    _Atomic uint64_t threads_started; /* the same */
    bool over;                        /* the last one has left, no more are started */

    /* Jobs that the monitor ended, and the threads that ran them. */
    _Atomic uint64_t lost_failed, lost_cancelled, lost_timeouts, lost_finished, stuck;
    monitor monitor;
    thread_life life;

    _Atomic(place *) place[YK__MAX_PLACES]; /* release when made */
};

static inline thread_pool *yk__thread_pool_of(yk_executor *ex)
{
    return (thread_pool *)ex;
}

static inline thread_job *yk__thread_job_of(yk__queued *q)
{
    return (thread_job *)((char *)q - offsetof(thread_job, queued));
}

/* Whether each worker, after the job that it runs, finds as many more as YK__BACKLOG says (one is
 * what it runs), and those take longer than it takes to wake a loop, where so many wait. */
static inline bool yk__thread_backlog(const thread_pool *p, size_t behind)
{
    size_t serving = atomic_load_explicit(&p->serving, memory_order_relaxed);
    uint64_t each = atomic_load_explicit(&p->recent, memory_order_relaxed);
    return behind >= (YK__BACKLOG - 1) * serving && behind * each >= YK__WAKE_COST * serving;
}

/* ---- thread_queue.c ------------------------------------------------------------------------- */

void yk__tq_push(thread_pool *p, thread_job *job);

/* The next job, NULL if there is none; *more: there are others; *backlog: so many that a loop need
 * not be woken for the result. */
thread_job *yk__tq_take(thread_pool *p, bool *more, bool *backlog);

/* Whether the worker that has ended a job, not a tiny one, and is about to take the next, will find
 * such a backlog then. */
bool yk__tq_will_have_backlog(thread_pool *p);

/* Takes out all that wait, as a list by `queued.next`. */
yk__queued *yk__tq_take_all(thread_pool *p);
bool yk__tq_has_work(thread_pool *p);

/* Wakes one worker unless one is on its way already. Whether somebody will come. */
bool yk__tq_wake_one(thread_pool *p);
void yk__tq_wake_all(thread_pool *p);

/* Wakes a worker whose place is `from` or higher; false: none sleeps. */
bool yk__tq_wake_from(thread_pool *p, uint32_t from);

/* Wakes one worker to stand guard, if one sleeps. */
bool yk__tq_wake_guard(thread_pool *p);

/* Sleeps until it is woken, or until `deadline`: false, and then it counts as awake. */
bool yk__tq_sleep(thread_pool *p, place *at, uint64_t deadline);

/* The same for a guard: also where jobs wait, if somebody is awake. */
bool yk__tq_sleep_through(thread_pool *p, place *at, uint64_t deadline);

/* ---- thread_guard.c ------------------------------------------------------------------------- */

/* Nanoseconds, 0: not known. */
static inline uint32_t yk__guard_pace(const thread_pool *p)
{
    return atomic_load_explicit(&p->each, memory_order_relaxed);
}

/* A burst has ended, with so many nanoseconds for each job. */
void yk__guard_learn(thread *t, uint32_t each);

/* Something was queued, or is left: wakes whom it takes. */
void yk__guard_call(thread_pool *p);

/* Jobs wait, and all workers sleep. */
bool yk__guard_is_alone(thread_pool *p);

/* A worker finds nothing to do: whether it is to stand guard, instead of a mere sleep. */
bool yk__guard_begin(thread_pool *p);

/* Returns when it is to look for jobs; false: there were none for a while. */
bool yk__guard_stand(thread_pool *p, place *at);

/* How many workers are awake. */
uint32_t yk__guard_awake(thread_pool *p);

/* ---- thread_spin.c -------------------------------------------------------------------------- */

void yk__spin_init(thread_pool *p, uint64_t us);

/* The first job of a turn was submitted by a loop: it may stay awake for its end. */
void yk__spin_submitter(thread_pool *p, yk__reactor *r);

/* Its thread is awake: says where, and returns it. */
uint32_t yk__spin_say_cpu(place *at);

/* Of a worker with nothing to do: whether something came. */
bool yk__spin_look(thread *t);

/* ---- thread_memory.c ------------------------------------------------------------------------ */

/* Room for a job and `len` bytes behind it, if they are more than `small` holds. NULL: no memory.
 */
thread_job *yk__thread_job_alloc(size_t len);
void yk__thread_job_free(thread_job *job);

/* ---- thread_worker.c ------------------------------------------------------------------------ */

/* Received and not ended, never too few. */
uint64_t yk__thread_unfinished(thread_pool *p);

/* Whether all cancellers of jobs that have ended are done with the pool. */
bool yk__thread_cancellers_are_done(thread_pool *p);

/* Whether it closes, and all is done. */
bool yk__thread_may_leave(thread_pool *p);

/* Starts a thread if more jobs could run than threads serve. Fails if nobody serves and nobody can
 * be started, but for jobs that wait (UV_EAGAIN: too many of them; YK_ECLOSED; YK_EINIT). */
int yk__thread_start_if_needed(thread_pool *p);

/* As many as that. */
void yk__thread_start_all_needed(thread_pool *p);

/* Under the lock: takes a thread off the pool's books, which is written off. */
void yk__thread_write_off(thread_pool *p, thread *t);

/* Fails all that wait. */
void yk__thread_fail_waiting(thread_pool *p, int code, const char *message);

/* Ends a job that has not begun, and is in no queue or will be passed by. False: it has begun, or
 * ended. */
bool yk__thread_refuse(thread_job *job, int code, const char *message);

/* "job 'x' ran longer than its limit of 5 ms" */
void yk__thread_late(const yk__work *work, char *text, size_t size);

/* ---- thread_life.c -------------------------------------------------------------------------- */

int yk__thread_life_init(thread_pool *p, const yk_worker_options *options);
void yk__thread_life_destroy(thread_pool *p);

/* Called by a new thread: applies the options, runs the initializer. LEFT_EARLY: that failed, and
 * the thread does not count as one that serves any more. */
outcome yk__thread_start(thread *t);
void yk__thread_finalize(thread *t);

/* Gives the calling thread the scheduling of the thread that made the pool: a new thread inherits
 * it from whoever needed it first, which may be a worker of another pool. */
void yk__thread_like_the_maker(const thread_pool *p);

/* Whether it runs code of the program's before it is ready. */
bool yk__thread_starts_slowly(const thread_pool *p);

/* Under the lock: 0, or YK_EINIT when no thread may be started for now. */
int yk__thread_start_error(thread_pool *p);

/* YK_EINIT when that is so and nobody serves, else 0; and the message of the last failure. */
int yk__thread_no_start(thread_pool *p, char *message, size_t size);

/* Tries again when it is time for that, which is not later than *next then. */
void yk__thread_retry(thread_pool *p, uint64_t now, uint64_t *next);

int yk__thread_pool_resize(yk_executor *ex, unsigned workers);

/* Whether the thread there is one more than there may be, when it has no job. A hint, but for those
 * who hold the lock. */
bool yk__thread_is_too_many(thread_pool *p, const place *at);

/* ---- thread_monitor.c ----------------------------------------------------------------------- */

void yk__monitor_init(monitor *m);
void yk__monitor_destroy(monitor *m);
void yk__monitor_ring(thread_pool *p);

/* A job that runs was asked to stop. */
void yk__monitor_asked(thread_pool *p, thread_job *job);

/* A job with a start_by is about to be queued; one has begun, or ended otherwise. */
void yk__monitor_timed(thread_pool *p, thread_job *job);
void yk__monitor_untimed(thread_pool *p, thread_job *job);

/* A thread has begun a job that is not to last beyond `until`. */
void yk__monitor_until(thread_pool *p, uint64_t until);

/* All that runs is to stop. */
void yk__monitor_stop(thread_pool *p);

#endif
