/* Tasks: coroutines that are futures.
 *
 * A task is at every moment in one of four places: on the loop's queue of those that are ready;
 * running; parked, until somebody unparks it, its timer fires or it is cancelled; or ended. Only
 * the loop's thread moves it. What other threads have for it, an unpark or a cancellation, comes as
 * a post to the loop.
 *
 * A cancellation is a level that the next wait takes away: `cancel_wanted` from the arrival of the
 * request until a wait returns YK_ECANCELED for it. The flag YK__ASKED in the state word goes
 * with it, so that the next request is a new one. Whoever sets that flag from another thread is
 * bound to post; a task that ends in between leaves the post a home by making the loop wait for it
 * (late_cancels).
 */
#include "task.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../executor/carried.h"
#include "internal.h"
#include "interrupt.h"
#include "watchdog.h"

/* The steps that a turn of the loop may take beyond those that were ready when it began. Each turn
 * costs a look at the system (some 0.5 us), and each step delays the program's other input. */
#define FAIR_SHARE 64

#define TASK_OF(pointer, member) ((yk__task *)((char *)(pointer)-offsetof(yk__task, member)))

/* ---- Ready ----------------------------------------------------------------------------------- */

static void make_ready(yk__task *t)
{
    yk_loop *loop = t->loop;
    t->next_ready = NULL;
    if (loop->last_ready)
        loop->last_ready->next_ready = t;
    else
        loop->first_ready = t;
    loop->last_ready = t;
    if (!loop->turning)
        yk__loop_stir(loop);
}

static void wake_up(yk__task *t)
{
    if (t->parked) {
        t->parked = false;
        make_ready(t);
    }
}

/* ---- Sleeping -------------------------------------------------------------------------------- */

static bool cancel_is_due(const yk__task *t)
{
    return t->cancel_wanted || yk__interrupt_is_due(t);
}

static void forget_cancel(yk__task *t)
{
    t->cancel_wanted = t->cancel_arrived = false;
    /* Nothing is published by it: a request that comes now is a new one. */
    atomic_fetch_and_explicit(&t->future.state, ~(uint32_t)YK__ASKED, memory_order_relaxed);
}

/* A wait is about to return YK_ECANCELED, for all that there is to return it for. */
static bool take_cancel(yk__task *t)
{
    bool interrupted = yk__interrupt_tell(t);
    if (!t->cancel_wanted)
        return interrupted;
    t->cancels_told++;
    forget_cancel(t);
    return true;
}

static void timer_fired(yk__timer *timer)
{
    yk__task *t = TASK_OF(timer, timer);
    t->timed_out = true;
    wake_up(t);
}

static void suspend(yk__task *t)
{
    yk__coro_switch(&t->coro, t->loop->under);
}

static int sleep_until_woken(yk__task *t, uint64_t deadline, bool interruptible)
{
    yk_loop *loop = t->loop;
    if (deadline != YK_FOREVER) {
        int err = yk__reactor_timer_set(&loop->reactor, &t->timer, deadline);
        if (err)
            return err;
    }
    t->interruptible = interruptible;
    t->parked = true;
    if (loop->debug)
        t->parked_at = yk_now();
    suspend(t);
    yk__reactor_timer_stop(&loop->reactor, &t->timer);
    return 0;
}

/* In a forked child the loop is the parent's, and a switch to it would run it twice. */
static bool may_suspend(const yk__task *t)
{
    return yk__loop_is_mine(t->loop) && t->loop->running == t;
}

/* An unpark counts more than a cancellation, which the next wait will return; so a result that was
 * there first is not lost. */
static int task_park(yk__parker *self, uint64_t deadline, bool interruptible)
{
    yk__task *t = TASK_OF(self, parker);
    if (!may_suspend(t))
        return UV_EINVAL;
    t->timed_out = false;
    if (!t->unparked && !(interruptible && cancel_is_due(t))) {
        int err = sleep_until_woken(t, deadline, interruptible);
        if (err)
            return err;
    }
    self->waits = NULL;
    if (t->unparked) {
        t->unparked = false;
        return 0;
    }
    return interruptible && take_cancel(t) ? YK_ECANCELED : UV_ETIMEDOUT;
}

static void unpark_here(yk__task *t)
{
    t->unparked = true;
    wake_up(t);
}

static void unpark_posted(yk__post *post)
{
    unpark_here(TASK_OF(post, wake));
}

static void task_unpark(yk__parker *self)
{
    yk__task *t = TASK_OF(self, parker);
    if (yk__loop_is_mine(t->loop))
        unpark_here(t);
    else
        yk__loop_post(t->loop, &t->wake);
}

/* ---- Cancelling ------------------------------------------------------------------------------ */

void yk__task_interrupted(yk__task *t)
{
    if (t->interruptible)
        wake_up(t);
}

static void cancel_here(yk__task *t)
{
    t->cancel_arrived = t->cancel_wanted = true;
    if (t->interruptible)
        wake_up(t);
}

static void cancel_posted(yk__post *post)
{
    yk__task *t = TASK_OF(post, cancel);
    if (t->cancel_late)
        t->loop->late_cancels--;
    else
        cancel_here(t);
    yk_future_unref(&t->future);
}

/* Of the future: somebody has set YK__ASKED. */
static void task_cancel(yk_future *f)
{
    yk__task *t = (yk__task *)f;
    if (yk__loop_is_mine(t->loop)) {
        cancel_here(t);
        return;
    }
    yk_future_ref(f);
    yk__loop_post(t->loop, &t->cancel);
}

/* ---- A task's life --------------------------------------------------------------------------- */

static void task_free(yk_future *f)
{
    yk__task *t = (yk__task *)f;
    yk__context_unref(t->parker.context);
    yk__task_give_room(t);
}

static const yk__future_ops task_ops = { .cancel = task_cancel, .free = task_free };

yk__task *yk__task_of(const yk_future *f)
{
    return f && f->ops == &task_ops ? (yk__task *)(uintptr_t)f : NULL;
}

static void link_task(yk_loop *loop, yk__task *t)
{
    t->next = loop->tasks;
    if (t->next)
        t->next->prev = t;
    loop->tasks = t;
    if (loop->task_count++ == 0)
        yk__loop_update_alive(loop);
}

static void unlink_task(yk_loop *loop, yk__task *t)
{
    yk__reactor_timer_release(&loop->reactor, &t->timer);
    if (t->prev)
        t->prev->next = t->next;
    else
        loop->tasks = t->next;
    if (t->next)
        t->next->prev = t->prev;
    loop->task_count--;
}

/* The first thing on a task's own stack, and the last. */
static void run_task(void *arg)
{
    yk__task *t = arg;
    t->status = t->fn(t->arg);
    t->ended = true;
    yk__coro_exit(&t->coro, t->loop->under);
}

/* The first step. False: it was cancelled before, or there is no stack for it; it has ended. */
static bool begin(yk_loop *loop, yk__task *t)
{
    if (!yk__future_advance(&t->future, YK_PENDING, YK_RUNNING))
        return false;
    t->stack = yk__stack_take(&loop->stacks, t->stack_size);
    if (!t->stack) {
        yk__future_fail(&t->future, UV_ENOMEM, "no memory for the task's stack");
        return false;
    }
    yk__coro_make(&t->coro, t->stack->low, t->stack->size, run_task, t);
    return true;
}

/* Nobody else ends a task that has begun. */
static void settle(yk__task *t)
{
    yk_future *f = &t->future;
    int code = t->status;
    bool asked;
    if (code >= 0) {
        yk__future_copy_result(f, &code, sizeof code);
        asked = yk__future_settle_held(f, YK_DONE, NULL);
    } else {
        asked = yk__future_settle_held(f, code == YK_ECANCELED ? YK_CANCELLED : YK_FAILED,
                                       yk__error_new(code, "%s", yk_strerror(code)));
    }
    if (asked && !t->cancel_arrived) {
        t->cancel_late = true;
        t->loop->late_cancels++;
    }
}

static void finish(yk_loop *loop, yk__task *t)
{
    yk__interrupt_forget_all(t);
    yk__coro_destroy(&t->coro);
    if (!yk__stack_give(&loop->stacks, t->stack)) {
        /* Memory of others has been overwritten: nothing that runs on could be trusted. */
        yk__task_report_overflow(t);
        abort();
    }
    t->stack = NULL;
    unlink_task(loop, t);
    settle(t);
    yk_future_unref(&t->future);
}

static void step(yk_loop *loop, yk__task *t)
{
    if (!t->stack && !begin(loop, t)) {
        unlink_task(loop, t);
        yk_future_unref(&t->future);
        return;
    }
    loop->running = t;
    yk__parker_set_task(&t->parker);
    if (loop->debug)
        yk__debug_step_begins(loop->debug, t);
    yk__coro_switch(loop->under, &t->coro);
    yk__parker_set_task(NULL);
    loop->running = NULL;
    if (loop->debug)
        yk__debug_step_ends(loop->debug, t);
    if (t->ended)
        finish(loop, t);
}

/* The first step, now, of a task that has not been queued: on behalf of the running task, if there
 * is one, which does not notice. */
static void step_eagerly(yk_loop *loop, yk__task *t)
{
    yk__task *starter = loop->running;
    yk__coro *under = loop->under;
    if (starter)
        loop->under = &starter->coro;
    step(loop, t);
    loop->under = under;
    loop->running = starter;
    yk__parker_set_task(starter ? &starter->parker : NULL);
    if (starter && loop->debug)
        yk__debug_step_begins(loop->debug, starter);
}

/* Where there are many tasks, their stacks are in no near cache any more. */
static void prefetch(const yk__task *t)
{
    const char *sp = t->coro.sp;
    __builtin_prefetch(sp);
    __builtin_prefetch(sp + 64);
    __builtin_prefetch(sp + 128);
    __builtin_prefetch(sp + 192);
}

void yk__task_run_ready(yk_loop *loop)
{
    for (size_t steps = 0; loop->first_ready && steps < FAIR_SHARE;) {
        yk__task *t = loop->first_ready, *next;
        loop->first_ready = loop->last_ready = NULL;
        for (; t; t = next, steps++) {
            next = t->next_ready;
            if (next)
                prefetch(next);
            step(loop, t);
        }
    }
}

/* ---- Starting -------------------------------------------------------------------------------- */

static void copy_name(yk__task *t, const char *name)
{
    size_t len = name ? strnlen(name, sizeof t->name - 1) : 0;
    if (len > 0)
        memcpy(t->name, name, len);
    t->name[len] = '\0';
}

static yk__task *new_task(yk_loop *loop, yk_task_fn fn, void *arg, const yk_task_options *options)
{
    yk__task *t = yk__task_take_room(loop);
    if (!t)
        return NULL;
    yk__future_init(&t->future, &task_ops);
    atomic_init(&t->future.refs, 2); /* the caller's, and the loop's */
    t->parker = (yk__parker){
        .park = task_park, .unpark = task_unpark, .self = &t->future, .context = yk__context_take()
    };
    t->loop = loop;
    t->fn = fn;
    t->arg = arg;
    t->timer = (yk__timer){ .fired = timer_fired };
    t->wake.run = unpark_posted;
    t->cancel.run = cancel_posted;
    t->coro = (yk__coro){ 0 };
    memset(&t->stack, 0, offsetof(yk__task, name) - offsetof(yk__task, stack));
    t->stack_size = options ? options->stack_size : 0;
    copy_name(t, options ? options->name : NULL);
    return t;
}

static int admit(yk__task *t)
{
    /* A wait with a deadline that finds no memory for it would not be a wait. */
    int err = yk__reactor_timer_reserve(&t->loop->reactor, &t->timer);
    if (err)
        return err;
    link_task(t->loop, t);
    return 0;
}

static const char being_closed[] = "the loop is being closed";

yk_future *yk_task_start_opts(yk_task_fn fn, void *arg, const yk_task_options *options)
{
    yk_loop *loop = yk__debug_loop_for("yk_task_start");
    if (!loop || !fn)
        return yk__future_failed(UV_EINVAL, loop ? "no function" : "this thread has no loop");
    if (loop->closing)
        return yk__future_failed(YK_ECLOSED, being_closed);
    yk__task *t = new_task(loop, fn, arg, options);
    if (!t || admit(t)) {
        if (t)
            task_free(&t->future);
        return yk__future_failed(UV_ENOMEM, NULL);
    }
    if (options && options->eager)
        step_eagerly(loop, t);
    else
        make_ready(t);
    return &t->future;
}

/* A task that was started on another thread has come. Its wake-ups begin only now. */
static void arrived(yk__post *post)
{
    yk__task *t = TASK_OF(post, wake);
    t->wake.run = unpark_posted;
    int err = t->loop->closing ? YK_ECLOSED : admit(t);
    if (!err) {
        make_ready(t);
        return;
    }
    yk__future_fail(&t->future, err, err == YK_ECLOSED ? being_closed : NULL);
    yk_future_unref(&t->future);
}

yk_future *yk_task_start_on_opts(yk_loop *loop, yk_task_fn fn, void *arg,
                                 const yk_task_options *options)
{
    if (!loop || !fn)
        return yk__future_failed(UV_EINVAL, loop ? "no function" : "no loop");
    yk__task *t = new_task(loop, fn, arg, options);
    if (!t)
        return yk__future_failed(UV_ENOMEM, NULL);
    t->wake.run = arrived;
    int err = yk__loop_enter(loop);
    if (err) {
        task_free(&t->future);
        return yk__future_failed(err, err == YK_ECLOSED ? "the loop was closed" : NULL);
    }
    yk__reactor_post(&loop->reactor, &t->wake);
    yk__loop_leave(loop);
    return &t->future;
}

static yk__task *running_task(void)
{
    yk_loop *loop = yk_loop_current();
    return loop ? loop->running : NULL;
}

yk_future *yk_task_current(void)
{
    yk__task *t = running_task();
    return t ? &t->future : NULL;
}

unsigned yk_task_cancelling(void)
{
    const yk__task *t = running_task();
    return t ? (unsigned)t->cancels_told + t->cancel_wanted : 0;
}

unsigned yk_task_uncancel(void)
{
    yk__task *t = running_task();
    if (t && t->cancels_told > 0)
        t->cancels_told--;
    else if (t && t->cancel_wanted)
        forget_cancel(t);
    return yk_task_cancelling();
}

size_t yk_loop_tasks(yk_loop *loop, yk_future **tasks, size_t max)
{
    if (!loop || !yk__loop_is_mine(loop))
        return 0;
    size_t n = 0;
    for (const yk__task *t = loop->tasks; t; t = t->next)
        n += !yk_future_ended(&t->future);
    size_t at = n; /* the list has the newest first */
    for (yk__task *t = loop->tasks; t; t = t->next)
        if (!yk_future_ended(&t->future) && --at < max)
            tasks[at] = yk_future_ref(&t->future);
    return n;
}

const char *yk_task_name(const yk_future *f)
{
    const yk__task *t = yk__task_of(f);
    return t ? t->name : NULL;
}

/* ---- Sleep and yield ------------------------------------------------------------------------- */

static const yk__wait_kind for_time = { "a point in time", NULL };

int yk_sleep_until(uint64_t deadline)
{
    yk__parker *parker = yk__parker_current();
    if (!parker)
        return YK_EONLOOP;
    int err;
    do {
        yk__parker_waits(parker, &for_time, NULL);
        err = yk__park_asleep(parker, deadline);
    } while (err == 0); /* nobody unparks it; but a plain thread may wake for nothing */
    return err == UV_ETIMEDOUT ? 0 : err;
}

int yk_sleep_ms(uint64_t ms)
{
    return yk_sleep_until(yk_after_ms(ms));
}

int yk_yield(void)
{
    yk__task *t = running_task();
    if (!t) {
        if (!yk__parker_current())
            return YK_EONLOOP;
        sched_yield();
        return 0;
    }
    if (take_cancel(t))
        return YK_ECANCELED;
    make_ready(t);
    suspend(t);
    return take_cancel(t) ? YK_ECANCELED : 0;
}
