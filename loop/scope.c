/* Scopes.
 *
 * Everything but two words is for the loop's thread. A part's end may come on another thread (a
 * job of a thread pool): its callback then pushes the part on `ended`, a stack, and whoever
 * found that empty posts the scope to the loop, where the whole stack is taken. `left` counts the
 * parts that have not been taken, and the scope's end waits for it to be 0. Then nobody knows the
 * scope any more: a callback that pushed on a stack that was not empty does not touch the scope
 * after that, and one that found it empty is waited for, since only its post takes its part.
 */
#include "scope.h"

#include <stdlib.h>
#include <uv.h>

#include "interrupt.h"

/* A part. Its callback's argument; freed with the scope. */
struct part {
    struct part *next;       /* in scope->parts */
    struct part *next_ended; /* on the stack, then in scope->failures */
    yk_scope *scope;
    yk_future *f;
};

struct yk_scope {
    yk__interrupt interrupt; /* the first member */
    yk__task *task;          /* whose scope it is; NULL: it has ended and forgot */
    yk_loop *loop;
    yk_future *closed, *no_memory; /* what was handed out instead of tasks that did not start */
    struct part *parts;
    struct part *failures, **failures_end;
    size_t left, failure_count;
    int first_failure;
    bool ending;    /* the task is at its end */
    bool cancelled; /* all parts have been cancelled, and those that come are */
    yk__parker *sleeper;

    /* Pushed by whoever ends a part, taken by the post; acquire and release. */
    _Atomic(struct part *) ended;
    yk__post post;
};

/* ---- The ends of parts ----------------------------------------------------------------------- */

static void cancel_parts(yk_scope *s)
{
    if (s->cancelled)
        return;
    s->cancelled = true;
    for (struct part *p = s->parts; p; p = p->next)
        yk_future_cancel(p->f);
}

static void look_at(yk_scope *s, struct part *p)
{
    s->left--;
    if (yk_future_state(p->f) != YK_FAILED)
        return;
    p->next_ended = NULL;
    *s->failures_end = p;
    s->failures_end = &p->next_ended;
    s->failure_count++;
    if (s->first_failure == 0)
        s->first_failure = yk_future_error(p->f)->code;
    if (s->task && !s->ending)
        yk__interrupt_now(&s->interrupt);
    cancel_parts(s);
}

static void scope_free(yk_scope *s)
{
    for (struct part *p = s->parts, *next; p; p = next) {
        next = p->next;
        yk_future_unref(p->f);
        free(p);
    }
    yk_future_unref(s->closed);
    yk_future_unref(s->no_memory);
    free(s);
}

static void all_ended(yk_scope *s)
{
    if (s->sleeper) {
        s->sleeper->unpark(s->sleeper);
    } else if (!s->task) {
        s->loop->late_cancels--;
        scope_free(s);
    }
}

static void take_ended(yk__post *post)
{
    yk_scope *s = (yk_scope *)((char *)post - offsetof(yk_scope, post));
    /* Release: who finds it empty from here on posts again, and may. */
    struct part *stack = atomic_exchange_explicit(&s->ended, NULL, memory_order_acq_rel);
    struct part *oldest = NULL;
    while (stack) {
        struct part *next = stack->next_ended;
        stack->next_ended = oldest;
        oldest = stack;
        stack = next;
    }
    while (oldest) {
        struct part *next = oldest->next_ended;
        look_at(s, oldest); /* which may end others: they post the scope again */
        oldest = next;
    }
    if (s->left == 0)
        all_ended(s);
}

/* On whatever thread the part ends. */
static int part_ended(yk_future *f, void *arg)
{
    (void)f;
    struct part *p = arg;
    yk_scope *s = p->scope;
    struct part *below = atomic_load_explicit(&s->ended, memory_order_relaxed);
    do
        p->next_ended = below;
    while (!atomic_compare_exchange_weak_explicit(&s->ended, &below, p, memory_order_acq_rel,
                                                  memory_order_relaxed));
    if (!below)
        yk__loop_post(s->loop, &s->post);
    return 0;
}

/* ---- Beginning ------------------------------------------------------------------------------- */

/* The parts that are left keep the loop until they have ended. */
static void forgotten(yk__interrupt *interrupt)
{
    yk_scope *s = (yk_scope *)interrupt;
    s->task = NULL;
    s->ending = true;
    s->loop->late_cancels++;
    cancel_parts(s);
    if (s->left == 0)
        all_ended(s);
}

yk_scope *yk_scope_begin(void)
{
    yk_loop *loop = yk_loop_current();
    yk_scope *s = loop && loop->running ? calloc(1, sizeof *s) : NULL;
    if (!s)
        return NULL;
    s->loop = loop;
    s->task = loop->running;
    s->failures_end = &s->failures;
    s->post.run = take_ended;
    yk__interrupt_lay(&s->interrupt, s->task, forgotten);
    return s;
}

/* Keeps what has not started, so that the caller need not. */
static yk_future *refused(yk_future **kept, int code)
{
    if (!*kept)
        *kept = yk__future_failed(code, NULL);
    return *kept;
}

static void add(yk_scope *s, struct part *p, yk_future *f)
{
    *p = (struct part){ .next = s->parts, .scope = s, .f = f };
    s->parts = p;
    s->left++;
}

yk_future *yk_scope_own(yk_scope *s, yk_future *f)
{
    struct part *p = malloc(sizeof *p);
    if (!p)
        return NULL;
    add(s, p, f);
    if (yk_future_on_end(f, part_ended, p)) {
        s->parts = p->next;
        s->left--;
        free(p);
        return NULL;
    }
    if (s->cancelled)
        yk_future_cancel(f);
    return f;
}

yk_future *yk_scope_start(yk_scope *s, yk_task_fn fn, void *arg)
{
    if (!s)
        return NULL;
    if (s->cancelled || (s->ending && s->left == 0))
        return refused(&s->closed, YK_ECLOSED);
    yk_future *f = yk_task_start(fn, arg);
    if (yk_scope_own(s, f))
        return f;
    yk_future_cancel(f); /* it has not begun, and never will */
    yk_future_unref(f);
    return refused(&s->no_memory, UV_ENOMEM);
}

void yk_scope_cancel(yk_scope *s)
{
    if (s)
        cancel_parts(s);
}

/* ---- Ending ---------------------------------------------------------------------------------- */

static void tell_parts(const void *scope, void (*tell)(const yk_future *, void *), void *arg)
{
    for (const struct part *p = ((const yk_scope *)scope)->parts; p; p = p->next)
        if (!yk_future_ended(p->f))
            tell(p->f, arg);
}

static const yk__wait_kind for_parts = { "the end of its scope:", tell_parts };

/* Waits for all. Whether the task was cancelled meanwhile. */
static bool wait_for_parts(yk_scope *s)
{
    bool cancelled = false;
    yk__parker *parker = &s->task->parker;
    while (s->left > 0) {
        s->sleeper = parker;
        yk__parker_waits(parker, &for_parts, s);
        int err = parker->park(parker, YK_FOREVER, true);
        s->sleeper = NULL;
        if (err == YK_ECANCELED) {
            cancelled = true;
            cancel_parts(s);
        }
    }
    return cancelled;
}

static void tell_failures(const yk_scope *s, yk_future **failed, size_t most, size_t *count)
{
    size_t n = 0;
    for (struct part *p = s->failures; p && n < most; p = p->next_ended)
        failed[n++] = yk_future_ref(p->f);
    if (count)
        *count = s->failure_count;
}

int yk_scope_end_with(yk_scope *s, int err, yk_future **failed, size_t most, size_t *count)
{
    if (count)
        *count = 0;
    if (!s)
        return err ? err : UV_EINVAL;
    yk__task *task = s->task;
    s->ending = true;
    yk__interrupt_lift(&s->interrupt);
    if (err == YK_ECANCELED && yk__interrupt_was_it(&s->interrupt))
        err = 0;
    if (err && err != YK_ECANCELED && s->first_failure == 0)
        s->first_failure = err;
    if (err)
        cancel_parts(s);
    if (wait_for_parts(s) && !err)
        err = YK_ECANCELED;
    if (s->first_failure) {
        err = s->first_failure;
        if (task->cancels_told > s->interrupt.cancels) {
            task->cancels_told = s->interrupt.cancels;
            yk_future_cancel(&task->future); /* it was told, and the failure hides it */
        }
    }
    tell_failures(s, failed, most, count);
    scope_free(s);
    return err;
}

int yk_scope_end(yk_scope *s, int err)
{
    return yk_scope_end_with(s, err, NULL, 0, NULL);
}
