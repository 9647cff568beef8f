/* executor/reactor.h - what drives a pool, and resumes tasks: one thread that drains everything
 * that has happened, then sleeps until something else does. Not installed.
 *
 * A reactor is not a loop: it has no run function. Its host has: a loop of loop/ (a libuv loop that
 * polls the reactor's two descriptors), or the thread that a pool starts where there is no loop.
 * The host does, on one and the same thread:
 *
 *     for (;;) {
 *         do
 *             busy = yk__reactor_turn(r);               drain: inbox, due timers, sources
 *         while (yk__reactor_again(r));
 *         if (!busy && yk__reactor_park(r))             announce the sleep, look once more
 *             poll wake_fd and poll_fd, without limit of time
 *         yk__reactor_unpark(r);
 *         if wake_fd was readable: yk__reactor_clear_wake(r)
 *         if poll_fd was readable: yk__reactor_dispatch(r)
 *     }
 *
 * Everything but yk__reactor_post() is for that thread alone.
 *
 * Wake-ups are what costs (5 us), so nobody writes to wake_fd unless the reactor has said that it
 * sleeps: `parked` is then the number of this sleep, an odd number, and even while it is awake.
 * Somebody who has published something reads `parked` after it (both sequentially consistent,
 * against park(), which stores `parked` and then looks at everything published), and writes to
 * wake_fd if it is odd and a number that this writer has not yet written for. No writer clears the
 * word: a flag that one writer takes away before it writes leaves all others without a wake-up if
 * that writer loses its CPU in between.
 *
 * Dozing. Workers that all compute, and whose results each wake the reactor, lose a switch there
 * and back to it, 15 us, with each. So where results come faster than two in YK__DOZE, each with
 * YK__BACKLOG jobs or more behind it that are worth a wake-up, the reactor dozes: it says so in
 * `parked` (YK__DOZES), and wakes by itself after YK__DOZE. A worker that has a result then, and so
 * many jobs still to do, does not wake it; whoever has less to do, or anything else to say, does.
 * So no worker runs dry, and a result is late by YK__DOZE at most, whatever its worker does next.
 * Not every result of a thread is waited for, so threads keep account of whom they did not wake
 * (doze.h). The kernel's network drivers moderate their interrupts in the same way (NAPI).
 */
#ifndef YOKE_EXECUTOR_REACTOR_H
#define YOKE_EXECUTOR_REACTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/types.h>

#include "doze.h"
#include "pace.h"

#define YK__DOZES   2u /* in `parked`, of a sleep; a number of a sleep has its lowest bit set */
#define YK__DOZE    2000000 /* nanoseconds */
#define YK__BACKLOG 2 /* jobs, of one worker, that wait behind the one that runs or has ended */

/* Something to be run on the reactor's thread; embedded in what it belongs to. After run() has been
 * called the reactor does not touch it. */
typedef struct yk__post {
    struct yk__post *next;
    void (*run)(struct yk__post *post);
} yk__post;

/* A timer; embedded. `heap_index` is 0 while it does not run. */
typedef struct yk__timer {
    uint64_t deadline;
    size_t heap_index;
    bool reserved; /* setting it cannot fail */
    void (*fired)(struct yk__timer *timer);
} yk__timer;

/* A descriptor to watch, for input unless `events` says otherwise, with its callback; embedded.
 * `came` are the events that the callback is called for. */
typedef struct yk__watch {
    int fd;
    void (*readable)(struct yk__watch *watch);
    uint32_t events, came; /* EPOLL...; 0: EPOLLIN */
} yk__watch;

/* Something that is looked at in every turn because it signals through shared memory: a process
 * pool with its workers' rings. Embedded, in a list. */
typedef struct yk__source {
    struct yk__source *next;
    /* Drains what is there; whether there was anything. May remove any source. */
    bool (*turn)(struct yk__source *source);
    /* The reactor is about to sleep under this (odd) number, or is awake (even): tell those who
     * must wake it. Returns whether something has arrived meanwhile (asked when it is about to
     * sleep). */
    bool (*announce)(struct yk__source *source, uint32_t parked);
    /* The reactor is going away under it; it has been removed, and will not be called again. */
    void (*abandon)(struct yk__source *source);
    /* Whether somebody will hear from it: a loop with nothing else to do runs on while it does. Set
     * with yk__reactor_source_busy(). */
    bool busy;
    /* Whether there is something to drain, asked again and again while its reactor stays awake for
     * its sake; changes nothing. NULL: it never has it stay awake. */
    bool (*look)(const struct yk__source *source);
} yk__source;

typedef struct yk__reactor {
    /* Any thread. */
    _Atomic(yk__post *) inbox; /* a stack; the newest post first */
    _Atomic uint32_t parked;
    _Atomic bool behind;      /* results have a backlog behind them; relaxed: a hint */
    _Atomic uint32_t posters; /* the host's, to know who may still touch it: see loop.c */
    uint64_t id;              /* never used twice in a process */
    bool is_private;          /* drives one pool and nobody else; not a loop */
    int wake_fd;              /* an eventfd, non-blocking */
    unsigned char apart[64];  /* what follows is in other cache lines */

    /* The reactor's thread. */
    int poll_fd; /* an epoll set: the timerfd and the watches */
    int timer_fd;
    yk__source *sources, *next_source; /* next_source: while a turn goes through them */
    yk__timer **heap;                  /* [1 .. heap_len], the earliest first */
    size_t heap_len, heap_cap, heap_reserved;
    uint64_t turns;
    void (*later)(void *); /* to be called with `later_arg` before it parks, or NULL */
    void *later_arg;
    uint32_t awake_for;     /* nanoseconds without events before it parks; 0: it does at once */
    uint64_t awake_until;   /* when that is over; 0: it has not wanted to park yet */
    yk__luck luck;          /* of waiting awake for the ends of jobs: thread_spin.c */
    uint64_t submitted_in;  /* the last turn in which this thread submitted to a thread pool */
    bool submitted;         /* since it last fell asleep */
    uint64_t rounds_began;  /* turns without a look at descriptors; 0: none */
    uint64_t timer_set_for; /* what timer_fd is set to, YK_FOREVER if not at all */
    uint32_t came;          /* posts and results, since it last parked */
    uint64_t counted_at;    /* when that was, if there was a backlog then */
    unsigned place;         /* of doze.c, if it has one */
    bool has_place;
    pid_t joined_in;
    /* The host's, or NULL: a source has become busy, perhaps while nobody runs the host. */
    void (*roused)(struct yk__reactor *r);
} yk__reactor;

int yk__reactor_init(yk__reactor *r);
void yk__reactor_destroy(yk__reactor *r);

/* The reactor that this thread hosts, or NULL. A loop sets it while its thread belongs to it. */
yk__reactor *yk__reactor_current(void);
void yk__reactor_set_current(yk__reactor *r);

/* Has post->run(post) called on the reactor's thread, in the order of the posts of one thread. Any
 * thread, lock-free. */
void yk__reactor_post(yk__reactor *r, yk__post *post);

/* What this thread posts from now on need not wake a reactor that dozes, but leaves word of it
 * there (doze.h); NULL: it must again. Returns what was so before. */
yk__debt *yk__reactor_post_lazily(yk__debt *debt);

/* Results will come, or have, with a backlog behind them. Any thread. */
static inline void yk__reactor_backlog(yk__reactor *r)
{
    if (!atomic_load_explicit(&r->behind, memory_order_relaxed))
        atomic_store_explicit(&r->behind, true, memory_order_relaxed);
}

/* Wakes it if it sleeps. Any thread. */
void yk__reactor_wake(yk__reactor *r);

/* Calls `later`, and forgets it. */
static inline void yk__reactor_catch_up(yk__reactor *r)
{
    void (*later)(void *) = r->later;
    r->later = NULL;
    if (later)
        later(r->later_arg);
}

bool yk__reactor_turn(yk__reactor *r);

/* After a turn: whether more has come meanwhile, or within a microsecond if a source has the
 * reactor stay awake. It says so for some 10 microseconds at most; then the host looks at its
 * descriptors. */
bool yk__reactor_again(yk__reactor *r);
bool yk__reactor_park(yk__reactor *r);
void yk__reactor_unpark(yk__reactor *r);
void yk__reactor_clear_wake(yk__reactor *r);
void yk__reactor_dispatch(yk__reactor *r);

/* Has it not park for `ns` nanoseconds from when it first wants to; 0: it may. */
static inline void yk__reactor_stay_awake(yk__reactor *r, uint32_t ns)
{
    r->awake_for = ns;
    r->awake_until = 0;
}

/* Starts a timer that does not run, or moves one that does. UV_ENOMEM. A deadline of YK_FOREVER
 * stops it. */
int yk__reactor_timer_set(yk__reactor *r, yk__timer *t, uint64_t deadline);
void yk__reactor_timer_stop(yk__reactor *r, yk__timer *t);

/* Has setting this timer never fail, until it is released (which stops it). UV_ENOMEM. */
int yk__reactor_timer_reserve(yk__reactor *r, yk__timer *t);
void yk__reactor_timer_release(yk__reactor *r, yk__timer *t);

int yk__reactor_watch(yk__reactor *r, yk__watch *w);
void yk__reactor_unwatch(yk__reactor *r, yk__watch *w);

void yk__reactor_add_source(yk__reactor *r, yk__source *s);
void yk__reactor_remove_source(yk__reactor *r, yk__source *s);
void yk__reactor_source_busy(yk__reactor *r, yk__source *s, bool busy);

#endif
