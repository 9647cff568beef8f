/* executor/process_pool.h - the inside of a process pool. Not installed.
 *
 * A queue, some remotes, and the one thread that drives them: the loop's thread where the pool was
 * made in a task, else a thread of the pool's own.
 *
 *   process_pool.c     what any thread may call: submit, cancel, shut down, statistics
 *   process_driver.c   the driver: queue, dispatch, the ends of jobs, the end of the pool
 *   process_workers.c  the driver's dealings with the zygote and the remotes' reports
 *   process_life.c     the driver's policy: when workers are started, and when not
 *   process_meters.c   what statistics show of the workers
 *   process_terms.c    jobs that must begin by some time, or are tried again
 *   remote.c           one worker process; remote_end.c: how it ends
 *
 * Other threads reach the driver by posts to its reactor. So nothing here is locked, and a job's
 * way from a loop to a worker and back crosses no other thread.
 *
 * The gate: other threads may post only while they are inside it; the driver closes it before its
 * reactor goes, and waits for those inside. A post that runs when the pool is finished fails its
 * job. The driver itself never enters.
 */
#ifndef YOKE_EXECUTOR_PROCESS_POOL_H
#define YOKE_EXECUTOR_PROCESS_POOL_H

#include <pthread.h>

#include "admission.h"
#include "internal.h"
#include "meter.h"
#include "pace.h"
#include "process_job.h"
#include "queue.h"
#include "reactor.h"
#include "remote.h"
#include "worker_spec.h"

#define YK__MS ((uint64_t)1000000)

enum { YK__GATE_CLOSED = 1u << 31 };
enum { YK__CLOSE = 1, YK__CANCEL_PENDING = 2, YK__CANCEL_RUNNING = 4, YK__RESIZE = 8 };

struct process_pool {
    yk_executor ex;
    unsigned max_workers;            /* the driver's */
    _Atomic unsigned wanted_workers; /* what yk_executor_resize asks for; before the order */
    uint64_t timeout_ms, grace;
    yk_future *gone;           /* ends when the last worker has gone after a shutdown */
    void (*began)(void *told); /* a job that has somebody to tell has begun */

    /* Any thread. */
    yk__admission admission;
    _Atomic uint64_t received, dropped; /* from other threads; dropped: cancelled while pending */
    _Atomic bool closing;
    _Atomic uint32_t gate;   /* how many are inside; GATE_CLOSED */
    _Atomic uint32_t orders; /* what shutdown asks of the driver */
    _Atomic bool order_posted, joined;
    yk__post order_post;

    /* The driver; the counters are atomic for those who read statistics. */
    yk__reactor *reactor, own_reactor;
    bool own_driver; /* whatever thread makes it: no loop is to drive it */
    bool own_thread, finished;
    pthread_t thread;
    yk__source source;
    yk__watch zygote;          /* its fd: the pool's socket, -1 when there is none */
    remote **remotes;          /* [n_slots]; NULL: no such worker now */
    yk__cell **cells;          /* [n_slots], each of YK__RING, in the arena: see progress.c */
    unsigned n_slots, n_first; /* n_first: of n_slots at the beginning; from there they double */
    unsigned n_remotes, n_retiring; /* n_retiring: of n_remotes */
    uint32_t last_serial;
    yk__queue queue;
    struct job_terms *resting;  /* jobs that wait to be tried again */
    bool no_more_tries;         /* a shutdown has cancelled what has not begun */
    bool by_priority;           /* jobs of several classes have come: see process_driver.c */
    size_t ringed[YK__CLASSES]; /* `open` by class, while by_priority */
    uint64_t buried;   /* of those dropped, how many have been found in the queue and freed */
    uint64_t accepted; /* of those received, how many have come to the driver */
    size_t open;       /* jobs in rings */
    uint32_t spin;     /* nanoseconds; 0: nobody spins */
    unsigned cpus;
    bool may_spin;   /* there is a CPU to spare, as far as this pool is concerned */
    yk__luck luck;   /* of not falling asleep */
    bool spins;      /* workers may do so briefly */
    uint32_t on_cpu; /* that the workers were told */
    yk__timer rebalance, respawn;

    /* Workers' lives (process_life.c). */
    yk__worker_spec *spec; /* in the arena; NULL: nothing special. Anybody's, read only */
    uint64_t start_limit;
    unsigned budget;   /* deaths in a row before a job was begun until what waits fails */
    uint64_t backoff;  /* 0: workers may be started at once */
    unsigned deaths;   /* of these, so far */
    unsigned max_jobs; /* per worker; 0: no limit */
    unsigned min_workers;
    uint64_t idle_limit;   /* 0: none */
    yk__timer patrol;      /* looks after the workers from time to time */
    yk_error *start_error; /* what failed when nobody could be started, until somebody can be */

    _Atomic uint64_t received_here; /* on the driver's thread */
    _Atomic uint64_t done, failed, cancelled, timeouts, crashed, started, alive, running;
    process_job *spare; /* memory of jobs that ended on the driver's thread, for the next ones; each
                           keeps its reference to the executor */
    unsigned n_spare;
    _Atomic uint64_t restarts, killed;
    yk__meter *meters;         /* [n_meters], with room for more */
    _Atomic unsigned n_meters; /* release by the driver: those below it are made */
};

/* ---- The driver's, for the driver's thread -------------------------------------------------- */

static inline void yk__pool_count(_Atomic uint64_t *counter, int64_t by)
{
    /* One writer: no read-modify-write is needed. Release, against those who read statistics: what
     * was counted before is seen with it. */
    uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, n + (uint64_t)by, memory_order_release);
}

/* Takes a new job, and the reference that the driver holds. */
void yk__pool_accept(struct process_pool *p, process_job *job);

/* Has a job wait, at the end of its class; or where it stood before it was handed out. */
void yk__pool_wait(process_job *job);
void yk__pool_requeue(struct process_pool *p, process_job *job);

/* Takes a job out of the queue, if it is there. */
void yk__pool_unwait(process_job *job);

/* Whether a job waits in the queue, or rests. */
bool yk__pool_holds(const process_job *job);

/* Drops the driver's reference to a job that has ended and is in no ring. */
void yk__pool_let_go(process_job *job);

/* Hands out what waits, to workers that have room; starts workers. */
void yk__pool_dispatch(struct process_pool *p);

/* Something has moved: hands out, sees to the balance, ends what is done. */
void yk__pool_moved(struct process_pool *p);

/* Ends everything if the pool is closing and nothing is left. */
void yk__pool_finish_if_done(struct process_pool *p);

/* Ends jobs. The first two after a successful claim; they keep the driver's reference. `death`: how
 * the worker died, if that is why; NULL otherwise. */
void yk__pool_end_done(process_job *job, const yk__result_slot *slot, void *room);
void yk__pool_end_failed(process_job *job, int code, const char *message, yk__death *death);
void yk__pool_fail_job(process_job *job, int code,
                       const char *message); /* and drops the reference */
void yk__pool_fail_queue(struct process_pool *p, int code, const char *message);

/* process_spin.c: one more or one fewer of the workers has jobs. */
void yk__pool_busy_changed(struct process_pool *p, int by);

/* Tells a new worker whether it may spin. */
void yk__pool_let_spin(struct process_pool *p, remote *r);

/* A worker has begun to work: if results may be near, the driver does not sleep yet. */
void yk__pool_stay_awake(struct process_pool *p);

/* Results have come in this turn; it stays awake for the next ones. */
void yk__pool_results_came(struct process_pool *p);

/* The driver is about to sleep. */
void yk__pool_falls_asleep(struct process_pool *p);

/* Gives back the memory that is kept for jobs. */
void yk__pool_drop_spare(struct process_pool *p);

/* A job has left the ring of r. */
void yk__pool_left_ring(struct process_pool *p, remote *r, const process_job *job);

/* A new worker, or NULL: none can be had now (the timer `respawn` runs, or the queue has failed).
 */
remote *yk__pool_start_worker(struct process_pool *p);

/* ---- Workers' lives ------------------------------------------------------------------------- */

/* 0 or UV_E...; takes what concerns workers from the options. */
int yk__pool_life_init(struct process_pool *p, const yk_worker_options *options);
void yk__pool_life_free(struct process_pool *p);

/* Whether one more worker may be started now, and would have something to do. */
bool yk__pool_may_start(const struct process_pool *p);

/* The places for workers, `n` at first. -1: no memory. */
int yk__pool_make_slots(struct process_pool *p, unsigned n);
void yk__pool_free_slots(struct process_pool *p);

/* A place for one more worker. False: no memory. */
bool yk__pool_slot(struct process_pool *p, unsigned *slot);

/* The number of the next worker: the least that no other has who does not retire. */
unsigned yk__pool_next_index(const struct process_pool *p);

/* Who has this number: the worker that does not retire, else one that still runs a job; or NULL. */
remote *yk__pool_owner(const struct process_pool *p, unsigned index);

/* A worker was started. */
void yk__pool_life_begins(struct process_pool *p, remote *r);

/* It gets no more jobs and leaves; what it has not begun comes back. */
void yk__pool_retire(struct process_pool *p, remote *r);

/* It has had its last job, which it keeps. */
void yk__pool_quota_is_full(struct process_pool *p, remote *r);

/* A worker that retires has no job any more. */
void yk__pool_vacated(struct process_pool *p, remote *r);

/* It is gone. */
void yk__pool_life_ends(struct process_pool *p, remote *r);

/* More or fewer workers, as wanted_workers says. */
void yk__pool_resize(struct process_pool *p);

/* Has the patrol go round, if there is anything to look at. */
void yk__pool_patrol(struct process_pool *p);

/* A job was done by somebody. */
static inline void yk__pool_life_goes_on(struct process_pool *p)
{
    p->backoff = 0;
    p->deaths = 0;
}

/* A worker could not be started (error `refused`, `r` is NULL or no process), or has died before it
 * began a job. It is not among the pool's any more. */
void yk__pool_start_failed(struct process_pool *p, const remote *r, int refused);

/* While nobody could be started and nobody is to be: why; NULL otherwise. */
const yk_error *yk__pool_start_error(const struct process_pool *p);

/* Does what shutdown asks. */
void yk__pool_obey(yk__post *post);

/* ---- Statistics (process_meters.c) ---------------------------------------------------------- */

/* The meters, one for each worker that there may be. -1: no memory. */
int yk__pool_make_meters(struct process_pool *p);
void yk__pool_free_meters(struct process_pool *p);

/* After max_workers has grown. */
void yk__pool_more_meters(struct process_pool *p);

/* Shows what r runs; `at_rest`: the driver is about to sleep. */
void yk__pool_show(struct process_pool *p, const remote *r, bool at_rest);

/* A job has ended on r: notes its times, if it was measured. */
void yk__pool_measured(struct process_pool *p, const remote *r, const process_job *job,
                       const yk__result_slot *slot);
void yk__pool_measured_loss(struct process_pool *p, const remote *r, const process_job *job,
                            int code);

/* A worker has been asked for; is there; is gone. */
void yk__pool_worker_made(struct process_pool *p, remote *r);
void yk__pool_worker_there(struct process_pool *p, const remote *r);
void yk__pool_worker_gone(struct process_pool *p, const remote *r, bool crashed);

size_t yk__pool_workers(yk_executor *ex, yk_worker_stats *rows, size_t max);

/* Makes the pool a source of its reactor; starts the thread that drives it where there is none. */
int yk__pool_attach(struct process_pool *p);

#endif
