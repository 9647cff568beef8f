/* loop/internal.h - what the files of loop/ share, and nobody else sees. */
#ifndef YOKE_LOOP_INTERNAL_H
#define YOKE_LOOP_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "../executor/executor.h"
#include "../executor/park.h"
#include "../executor/promise.h"
#include "../executor/reactor.h"
#include "call.h"
#include "coro.h"
#include "loop.h"
#include "stack.h"
#include "task.h"

#define YK__TASK_NAME 32 /* with its NUL */

/* A task. Everything but the future's state word and reference count, and the `next` of posts, is
 * for the loop's thread alone. The loop holds a reference from the start until the task has ended.
 */
typedef struct yk__task {
    yk_future future; /* the first member: a task is a future */
    yk__parker parker;
    yk_loop *loop;
    yk_task_fn fn;
    void *arg;
    yk__timer timer; /* its sleep's */
    yk__post wake;   /* carries an unpark() from another thread */
    yk__post cancel; /* carries a cancellation from another thread */
    size_t stack_size;
    yk__coro coro;

    /* What follows, up to the name, is zero at the start. */
    yk__stack *stack; /* from the first step to the last */
    struct yk__task *next_ready;
    struct yk__task *prev, *next; /* among the loop's tasks */
    bool unparked;                /* unpark() was called and not yet consumed by park() */
    bool timed_out;               /* the timer of this sleep has fired */
    bool parked;                  /* suspended in park(), and not yet ready again */
    bool interruptible;           /* so is the sleep it is in */
    bool cancel_wanted;           /* a cancellation that no wait has returned yet */
    bool cancel_arrived;          /* the post of the cancellation has come, or came with no post */
    bool cancel_late;             /* it had not when the task ended; the loop waits for it */
    bool ended;                   /* fn has returned `status` */
    bool awaited, told;           /* for graph.c */
    int status;
    uint64_t parked_at;    /* in debug mode: since when it sleeps */
    uint64_t cancels_told; /* how many cancellations its waits have returned, less those undone */
    uint64_t tellings;     /* how often they have returned for interrupts that were due */
    struct yk__interrupt *interrupts; /* time-outs and scopes it is in, the innermost first */
    char name[YK__TASK_NAME];
} yk__task;

typedef struct yk__call_list {
    yk_call *first, *last;
} yk__call_list;

/* What runs once, when the tasks of a turn have run; embedded. */
typedef struct yk__turn_end {
    struct yk__turn_end *next, **link; /* link: what points to it, NULL while it is not due */
    void (*run)(struct yk__turn_end *end);
} yk__turn_end;

/* Something that a part of loop/ keeps with the loop, and that ends with it; embedded. */
typedef struct yk__loop_local {
    void (*free)(struct yk__loop_local *local);
} yk__loop_local;

struct yk_loop {
    yk__reactor reactor;
    _Atomic uint32_t refs; /* of its memory */
    _Atomic bool closed;   /* see yk__loop_enter() */
    uv_loop_t *uv;
    uv_loop_t own_uv;
    bool owns_uv;

    /* The host of the reactor; see loop.c. */
    uv_prepare_t turn;
    uv_check_t awake;
    uv_idle_t busy;
    uv_poll_t wake, poll;
    uv_handle_t *handles[5];
    int open_handles;

    /* Tasks. */
    yk__stack_pool stacks;
    yk__coro host;   /* where the thread stands while a task runs */
    yk__coro *under; /* who goes on when the running task waits: the host, or the task that has
                        started it eagerly */
    yk__task *running;
    yk__task *first_ready, *last_ready;
    yk__task *tasks;
    size_t task_count;
    yk__task *rooms; /* memory of tasks that are gone, linked by `next` */
    size_t room_count;
    size_t late_cancels; /* posts of cancellations that are still to come for tasks that ended */

    yk__call_list calls_due, calls_timed;
    uint64_t calls_numbered;

    yk__turn_end *turn_ends;
    struct yk__guest *guests; /* guest.h */
    yk__loop_local *http;     /* http/here.c */
    char *scratch;            /* yk__loop_scratch() */

    /* The thread itself, asleep in yk_loop_run_until(). */
    yk__parker parker;
    yk__timer timer;
    yk__post wake_post;
    bool unparked, timed_out, sleeping;

    yk_executor *executor; /* the default one, or NULL; offload.c */
    bool made_executor;    /* by the loop itself, which closes it */

    bool turning;    /* in a turn: tasks and callbacks of futures run */
    bool polling;    /* between a turn and the end of the poll that follows it */
    bool closing;    /* no new tasks */
    bool kept_alive; /* our handle counts for uv_run */
    bool idle_on;
    unsigned generation;     /* of processes: see yk__loop_is_mine */
    struct yk__debug *debug; /* NULL: it is not in debug mode */
};

/* The thread's loop, also in a forked child, where yk_loop_current() knows none. */
extern _Thread_local yk_loop *yk__loop_here;

/* Counts the forks between the first process and this one. Written in the child of a fork, when it
 * has one thread; relaxed. */
extern _Atomic unsigned yk__loop_generation;

/* Whether this is the thread, and the process, that the loop belongs to. */
static inline bool yk__loop_is_mine(const yk_loop *loop)
{
    return loop == yk__loop_here &&
           loop->generation == atomic_load_explicit(&yk__loop_generation, memory_order_relaxed);
}

/* Posts to the loop's reactor from any thread. The loop is there until the post has run; this
 * makes it be there until the wake-up has been sent, too. */
void yk__loop_post(yk_loop *loop, yk__post *post);

/* The same for those who know only that its memory is there. Between the two calls it is not closed
 * further; YK_ECLOSED: it is closed, UV_EINVAL: this process has been forked. For signal handlers,
 * too. */
int yk__loop_enter(yk_loop *loop);
void yk__loop_leave(yk_loop *loop);
bool yk__loop_is_closed(const yk_loop *loop);

/* The loop must not fall asleep: there is something ready. */
void yk__loop_stir(yk_loop *loop);

/* Decides anew whether the loop keeps uv_run going. */
void yk__loop_update_alive(yk_loop *loop);

/* Has end->run(end) called at the end of this turn, or of the next one. Once: `link` must be NULL.
 */
static inline void yk__turn_end_await(yk_loop *loop, yk__turn_end *end)
{
    end->next = loop->turn_ends;
    if (end->next)
        end->next->link = &end->next;
    end->link = &loop->turn_ends;
    loop->turn_ends = end;
}

/* Not any more. */
static inline void yk__turn_end_forget(yk__turn_end *end)
{
    if (!end->link)
        return;
    *end->link = end->next;
    if (end->next)
        end->next->link = end->link;
    end->link = NULL;
}

/* Runs every task that is ready now, and of those that become ready meanwhile as many as fit into
 * a fair share. */
void yk__task_run_ready(yk_loop *loop);

/* Makes the calls that are due now; and, when the reactor is gone, drops all that are left. */
void yk__calls_make(yk_loop *loop);
void yk__calls_drop(yk_loop *loop);

/* Memory for a task of this loop, of whatever content; NULL: there is none. Both on any thread. The
 * last one: at the loop's end, when its thread has no loop any more. */
yk__task *yk__task_take_room(yk_loop *loop);
void yk__task_give_room(yk__task *t);
void yk__task_free_rooms(yk_loop *loop);

/* The task whose future this is, or NULL. */
yk__task *yk__task_of(const yk_future *f);

/* An interrupt (interrupt.h) is due: a wait that it is in, and that may be interrupted, ends. */
void yk__task_interrupted(yk__task *t);

/* In a task: submits to the loop's default executor, as YK_BLOCKING; never NULL. `deadline` is for
 * the room in its queue. */
yk_future *yk__offload(yk_job_fn fn, const void *arg, size_t len, uint64_t deadline);

/* At the loop's end, when its thread has no loop any more. */
void yk__loop_close_executor(yk_loop *loop);

/* For yk_args(). */
void yk__set_args(int argc, char **argv);

/* Writes that a task's stack has overflown, for signal handlers too. */
void yk__task_report_overflow(const yk__task *task);

#endif
