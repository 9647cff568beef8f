/* loop/serve/supervisor.h - what the files of the supervisor share. Not installed.
 *
 * The supervisor is one thread without a loop: poll() on a few descriptors, then one step that
 * looks at everything (some hundred workers at most) and says when it wants to look again. So
 * fork() from it is always safe, and no event can be missed that the next look would not see.
 *
 *   supervisor.c   the step, the signals, the end
 *   slots.c        which workers there should be: one a slot, replaced one at a time
 *   workers.c      a worker process: its start, its heartbeat, its limits, its end
 *   pool_process.c the process that has the pool which all workers share
 *   status.c       the process that says how all of it is
 *   sockets.h      what they accept from
 *   reexec.h       a new program in place of this one
 *   worker.h       the other side: what runs in a worker process
 */
#ifndef YOKE_LOOP_SERVE_SUPERVISOR_H
#define YOKE_LOOP_SERVE_SUPERVISOR_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "helper.h"
#include "page.h"
#include "pool_door.h"
#include "serve.h"
#include "sockets.h"

#define YK__SEATS (4 * YK_SERVE_MOST_WORKERS) /* workers at once, with those that drain */
#define YK__MS    ((uint64_t)1000000)

typedef enum yk__stage {
    YK__STAGE_NONE, /* there is no process */
    YK__STAGE_STARTING,
    YK__STAGE_READY,
    YK__STAGE_LEAVING, /* it drains, or is to */
} yk__stage;

/* A worker process; the page of the same number is its own. */
typedef struct yk__worker {
    yk__stage stage;
    pid_t pid;
    unsigned slot;
    int lifeline;               /* the writing end */
    bool killed;                /* by the supervisor, which has said why */
    uint64_t forked;            /* when */
    uint64_t ready;             /* when it was */
    uint64_t deadline;          /* to be ready, or gone */
    uint64_t beats;             /* when last looked at */
    uint64_t silent;            /* nanoseconds without another */
    uint64_t most_served, ends; /* its own share of the limits; 0: none */
} yk__worker;

typedef struct yk__slot {
    yk__worker *current; /* NULL: it is to be started, at `start_at` */
    yk__worker *next;    /* is to take its place when it is ready; NULL: none */
    bool is_stale;       /* the current one is to be replaced */
    unsigned failures;   /* in a row */
    uint64_t start_at;
    uint64_t starts;
} yk__slot;

/* The process that has the shared pool, with options.shared_processes. */
typedef struct yk__pool_process {
    yk__pool_door door;
    yk__helper helper;
    uint64_t deadline; /* to be gone; 0: it is not to go */
} yk__pool_process;

typedef struct yk__supervisor yk__supervisor;
struct yk__supervisor {
    yk_serve_options options; /* with every default in place */
    yk__sockets sockets;
    yk__page *pages;
    void *shared; /* the program's */
    yk__worker workers[YK__SEATS];
    yk__slot slots[YK_SERVE_MOST_WORKERS];
    yk__pool_process pool;
    yk__helper status_process; /* with options.status */
    yk__sockets status_sockets;
    struct yk__board *board; /* NULL: nobody wants to know */
    unsigned n_slots, wanted;
    unsigned inherited; /* slots more than the program asks for, which go when it is alone */
    bool is_growing;    /* the last slot's first worker is not ready: nothing is steered to it */
    uint64_t leaves_at; /* the last slot's worker is told to leave; 0: no slot is to go */
    int signals;        /* a signalfd */
    int attention;      /* an eventfd: a worker has something to say */
    int notify;         /* an eventfd that nobody reads: see worker.c */
    sigset_t mask;      /* as the program had it */
    uint64_t now;       /* of this step */
    uint64_t next;      /* when to look again at the latest */
    uint64_t looked_at; /* at the heartbeats */
    bool is_up;         /* all were ready once */
    bool cannot_start;  /* a worker failed before that */
    int stopping;       /* the signal, or -1 for an error; 0: it goes on */
    int status;         /* to exit with */

    /* reexec.c */
    char **argv;
    char path[4096];  /* of the program */
    int old_link;     /* to the supervisor whose place this one takes; -1: none */
    pid_t successor;  /* takes this one's place; 0: none */
    int new_link;     /* to it; -1: none */
    uint64_t new_by;  /* it must be ready by then */
    bool handed_over; /* it is */
};

/* ---- workers.c ------------------------------------------------------------------------------- */

/* Forks a worker; NULL: it could not, which was logged. */
yk__worker *yk__worker_fork(yk__supervisor *s, unsigned slot);

/* Tells it to drain; by its deadline it is killed. */
void yk__worker_leave(yk__supervisor *s, yk__worker *w);
void yk__worker_kill(yk__worker *w);

/* What has become of the workers since the last step: calls what follows in slots.c. */
void yk__workers_reap(yk__supervisor *s);
void yk__workers_look(yk__supervisor *s);
unsigned yk__workers_alive(const yk__supervisor *s);
yk__page *yk__worker_page(const yk__supervisor *s, const yk__worker *w);

/* ---- slots.c --------------------------------------------------------------------------------- */

/* Starts, replaces and removes what is due. */
void yk__slots_step(yk__supervisor *s);

/* A worker is ready; drains on its own account; is gone, and had a fault if it should not be. */
void yk__slots_ready(yk__supervisor *s, yk__worker *w);
void yk__slots_left(yk__supervisor *s, yk__worker *w);
void yk__slots_gone(yk__supervisor *s, yk__worker *w, bool failed);

/* All are replaced, one at a time; this one is. */
void yk__slots_roll(yk__supervisor *s);
bool yk__slots_all_ready(const yk__supervisor *s);

/* ---- pool_process.c -------------------------------------------------------------------------- */

int yk__pool_process_open(yk__supervisor *s);
void yk__pool_process_close(yk__supervisor *s);

/* Starts it when it is due; has it go when the server stops and no worker is left. */
void yk__pool_process_step(yk__supervisor *s);

/* Whether it was this process that has ended. */

/* ---- status.c -------------------------------------------------------------------------------- */

int yk__status_open(yk__supervisor *s);
void yk__status_step(yk__supervisor *s);
void yk__status_close(yk__supervisor *s);

/* ---- supervisor.c ---------------------------------------------------------------------------- */

/* Until all is over; then the exit status. */
int yk__supervise(yk__supervisor *s);

/* Drains all workers, and then it is over. `why`: the signal, or -1. */
void yk__supervisor_stop(yk__supervisor *s, int why);

/* The same; the sockets are another program's from now on. */
void yk__supervisor_hand_over(yk__supervisor *s);

/* The next step is at this time at the latest. */
static inline void yk__look_by(yk__supervisor *s, uint64_t when)
{
    if (when < s->next)
        s->next = when;
}

#endif
