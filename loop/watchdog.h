/* loop/watchdog.h - debug mode of a loop, and the thread that watches over those that are in it.
 * Not installed; debug.h says what for.
 */
#ifndef YOKE_LOOP_WATCHDOG_H
#define YOKE_LOOP_WATCHDOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../executor/backtrace.h"
#include "internal.h"

/* A loop in debug mode. */
typedef struct yk__debug {
    yk_loop *loop;
    struct yk__debug *next; /* under the watchdog's lock */
    uint64_t slow;          /* nanoseconds */
    int thread;             /* as the kernel numbers it */
    void *handler_stack;    /* NULL: the thread has one of somebody else's */

    /* Written by the loop's thread. Relaxed: the watchdog only looks whether they change. */
    _Atomic uint64_t moves;      /* the beginnings and ends of steps and turns */
    _Atomic uint64_t step_began; /* of a task; 0: none runs */
    _Atomic uint64_t name[YK__TASK_NAME / sizeof(uint64_t)]; /* of that task */

    /* Where the thread is. The watchdog asks when all has been answered that it asked, with
     * release, and sends the signal; the handler writes what follows, and answers with release. */
    _Atomic uint32_t asked, answered;
    bool in_turn;
    yk__backtrace where;

    /* The tree of tasks. The post is the watchdog's to send while `told` is true; the loop's thread
     * then writes the text and sets it again. */
    yk__post tell;
    _Atomic bool told;
    _Atomic(char *) text; /* to be freed by who takes it */

    /* The watchdog's own. */
    uint64_t seen_moves, seen_idle, moved_at;
    uint64_t wanted_at; /* since when somebody wants the tree; 0: nobody does */
    uint64_t report_at; /* how long it must have stood still to be reported (again) */
} yk__debug;

/* If the environment or the options say so, sets loop->debug. 0 also where they do not. */
int yk__debug_open(yk_loop *loop, const yk_loop_options *options);

/* The first has the watchdog forget the loop, the second frees what is left. Both take NULL. */
void yk__debug_unwatch(yk__debug *debug);
void yk__debug_free(yk__debug *debug);

/* Around a step of a task, and at both ends of a turn. */
void yk__debug_step_begins(yk__debug *debug, const yk__task *task);
void yk__debug_step_ends(yk__debug *debug, const yk__task *task);
void yk__debug_moves(yk__debug *debug);

/* The task is left when its loop is closed. */
void yk__debug_left_over(const yk__task *task);

/* In debug mode: says that this call was made on a wrong thread. */
void yk__debug_wrong_thread(const char *call);

/* The current loop; where there is none, that was a wrong thread for this call. */
yk_loop *yk__debug_loop_for(const char *call);

/* Someone who waits on something that is for the tasks of one loop is about to be woken. */
void yk__debug_look_at_waiter(const yk__parker *waiter);
static inline void yk__debug_check_waiter(const yk__parker *waiter)
{
    if (atomic_load_explicit(&yk__debugging, memory_order_relaxed))
        yk__debug_look_at_waiter(waiter);
}

/* ---- The watchdog ---------------------------------------------------------------------------- */

/* Begins to watch over a loop of this thread: starts the thread with the first. */
int yk__watchdog_add(yk__debug *debug);
void yk__watchdog_remove(yk__debug *debug);

/* What the tree of tasks is as text, to be freed; NULL: no memory. On the loop's thread. */
char *yk__tasks_text(yk_loop *loop);

/* What the task is at, in one line, to be freed; NULL: no memory. */
char *yk__task_text(const yk__task *task);

#endif
