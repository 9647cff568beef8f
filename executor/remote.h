/* executor/remote.h - one worker process, from the parent's side. Not installed.
 *
 * A remote is made with its channel, and jobs may be pushed at once; the process comes when the
 * zygote has forked it. It ends when the process has: the pool hears of it by remote_ops.ended,
 * with all jobs that were open either failed (the one that was taken) or handed back (those that
 * were not).
 *
 * All calls are for the pool's driver thread.
 */
#ifndef YOKE_EXECUTOR_REMOTE_H
#define YOKE_EXECUTOR_REMOTE_H

#include "channel.h"
#include "process_job.h"
#include "reactor.h"
#include "rooms.h"
#include "trace_events.h"
#include "zygote.h"

typedef struct remote remote;

typedef struct remote_ops {
    /* A job has ended; its future has not: the pool counts it, ends the future and drops its
     * reference. `slot` is a private copy of the result; `room` is the arena block that holds it,
     * or NULL. */
    void (*result)(remote *r, process_job *job, const yk__result_slot *slot, void *room);
    /* The worker died, or was made to, while it ran this job. */
    void (*lost)(remote *r, process_job *job, int code, const char *message, yk__death *death);
    /* A job that the worker never began comes back, the newest first. */
    void (*returned)(remote *r, process_job *job);
    /* Outside of a turn, jobs have ended or come back: there may be something to hand out. */
    void (*moved)(remote *r);
    /* The process is gone and no job is open; the pool frees the remote. `unasked`: it was not told
     * to go. `refused`: it could not be forked, for error `code`. */
    void (*ended)(remote *r, bool unasked, int refused);
} remote_ops;

/* How far the parent has gone in making the worker stop what it runs. */
enum ladder { AT_PEACE, ASKED, TERMINATED, KILLED };

struct remote {
    const remote_ops *ops;
    struct process_pool *pool;
    yk__reactor *reactor;
    uint64_t grace;       /* nanoseconds between two steps of the ladder */
    unsigned index, slot; /* its number for its jobs; its place among the pool's */
    uint32_t identity;    /* as an owner; see held.h */
    uint32_t serial;
    const yk__lane *lane; /* of the trace; the pool's. NULL: nothing is told */

    /* Its start. Not ready: it may still be in its initializer. Held: it is given no jobs yet. */
    bool ready, held, start_failed, late;
    uint64_t start_by;        /* killed if it is not ready then: `late` */
    struct remote *waits_for; /* whose number it has, and who still runs a job; NULL: nobody */

    char *start_message; /* start_failed: why; NULL: no memory */

    /* Its end. Retires: it gets no more jobs, and leaves when it has none. */
    bool retires, wants_out;      /* it has said that it retires */
    unsigned given;               /* jobs, those taken back not counted */
    uint64_t idle_since, idle_at; /* looked at, and how many jobs it had done then */

    yk__channel *ch;
    uint32_t submitted, settled; /* positions: published; the oldest one that is open */
    uint32_t drained;            /* results taken */
    uint32_t front;              /* the last position that was announced as running */
    unsigned open;               /* jobs with the worker */
    uint32_t woken;              /* its sleep that was last ended from here */
    uint64_t rung_at;            /* at which tick */
    bool bell_due;               /* it may not know of its newest jobs */
    process_job *jobs[YK__RING]; /* by position; NULL: withdrawn */

    yk__cell *cells; /* by position: see channel.h */
    yk__rooms rooms; /* for its results */
    uint32_t answered;
    uint32_t attention; /* calls for it that were heard */

    int zygote;      /* the pool's socket to it; not owned */
    int lifeline;    /* the writing end; -1 when closed */
    yk__watch death; /* its fd is the pidfd, -1 before the process is there */
    pid_t pid;       /* 0: not yet */
    int status;      /* wait status, once known */
    bool status_known, dead, zygote_gone, stopping;
    bool counted;        /* its death, by the pool */
    bool out_of_memory;  /* the kernel counted such a kill */
    bool broken;         /* it wrote what no worker writes; nothing of its is read any more */
    uint64_t ended_jobs; /* how many jobs it has done, or died of */
    uint64_t seen_ended; /* of these, at the last look at the balance */
    uint64_t doubted;    /* 1 + ended_jobs when its pace was last found wrong */

    yk__timer
        timer; /* the next step: time limit of the front job, ladder, or waiting for the status */
    enum ladder ladder;
    int reason;           /* YK_EJOBTIMEOUT or YK_ECANCELED while the ladder is climbed */
    uint32_t stopped;     /* the position of the job that the ladder is for */
    uint64_t front_since; /* when the job at the front came there; later: when the ladder's last
                             step was taken */
    uint64_t front_began; /* when the worker took that job; 0: not known to have */
};

/* Makes the channel and asks the zygote behind `zygote` for the process. NULL: no memory or
 * descriptors, *err says which. */
remote *yk__remote_new(struct process_pool *pool, const remote_ops *ops, yk__reactor *reactor,
                       int zygote, unsigned index, uint32_t serial, const char *pool_name,
                       const struct yk__worker_spec *spec, int *err);
void yk__remote_free(remote *r);

/* Kills it if it is not ready after `limit` nanoseconds. `held`: no jobs for it before. */
void yk__remote_expect_start(remote *r, uint64_t limit, bool held);

/* Whether it has published results that were not drained. */
bool yk__remote_has_results(const remote *r);

/* Whether one more job fits in its ring. */
bool yk__remote_has_room(const remote *r);

/* Whether it is at work and will be done with all it has before another could be woken. */
bool yk__remote_is_quick(const remote *r);

/* Whether it may end its next job before it would pay to sleep, not on this CPU; or would, but is
 * still being woken. */
enum yk__nearness yk__remote_is_near(const remote *r, uint32_t cpu);

/* Tells it on which CPU it is driven. */
void yk__remote_say_cpu(remote *r, uint32_t cpu);

/* Gives it a job; the future has been handed. */
void yk__remote_push(remote *r, process_job *job);

/* Takes a job back that it has not begun. False: too late. */
bool yk__remote_withdraw(remote *r, process_job *job);

/* Takes back up to `n` of the newest jobs that it has not begun, by ops->returned. */
void yk__remote_withdraw_some(remote *r, unsigned n);

/* Where its jobs say how far they are: YK__RING cells, which are cleared. Before the first push. */
void yk__remote_set_cells(remote *r, yk__cell *cells);

/* Asks the job at the front to stop for `reason`, and climbs the ladder from there. */
void yk__remote_stop_job(remote *r, int reason);

/* Drains results, answers requests for room. Whether there was anything. */
bool yk__remote_turn(remote *r);

/* Drains results only. After it, a job that has been taken and is still open is at the front. */
bool yk__remote_drain(remote *r);

/* See yk__source.announce. */
bool yk__remote_announce(remote *r, uint32_t parked);

/* Tells it to leave when its ring is empty. */
void yk__remote_leave(remote *r);

/* SIGKILL, now, to its whole process group. */
void yk__remote_kill(remote *r);

/* After a kill: waits for the end, for a second at the longest. */
void yk__remote_await_death(remote *r);

/* What the zygote says. */
void yk__remote_spawned(remote *r, pid_t pid, int pidfd);
void yk__remote_exited(remote *r, int status, bool out_of_memory);
void yk__remote_refused(remote *r, int err);

/* The zygote that forked it is gone: nobody will report its status. */
void yk__remote_orphaned(remote *r);

#endif
