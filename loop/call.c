/* Calls: two lists, of those that are due and of those that wait for their time. A call is in one
 * of them until it is made, cancelled or dropped; `loop` says whether it still is. Those that are
 * due are numbered, so that a turn makes no more of them than there were when it began.
 *
 * From other threads they come as posts. Between `enter` and `leave` the loop is there; a loop that
 * closes turns away who comes later, and runs what was posted before that, which finds it closed.
 */
#include "call.h"

#include <errno.h>
#include <stdlib.h>

#include "../executor/carried.h"
#include "internal.h"
#include "watchdog.h"

struct yk_call {
    yk_call *prev, *next;
    yk_loop *loop; /* NULL: in neither list */
    yk_call_fn fn;
    void *arg;
    yk__context *context;
    uint64_t number; /* of those that are due */
    bool due;        /* which list it is in */
    bool held;       /* somebody has a handle, and frees it */
    yk__timer timer;
    yk__post post;
};

/* ---- The lists ------------------------------------------------------------------------------- */

static yk__call_list *list_of(const yk_call *c)
{
    return c->due ? &c->loop->calls_due : &c->loop->calls_timed;
}

static void append(yk_call *c)
{
    yk__call_list *list = list_of(c);
    c->next = NULL;
    c->prev = list->last;
    if (list->last)
        list->last->next = c;
    else
        list->first = c;
    list->last = c;
}

static void take_out(yk_call *c)
{
    yk__call_list *list = list_of(c);
    if (c->prev)
        c->prev->next = c->next;
    else
        list->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else
        list->last = c->prev;
}

static void append_due(yk_call *c)
{
    c->due = true;
    c->number = c->loop->calls_numbered++;
    append(c);
    if (!c->loop->turning)
        yk__loop_stir(c->loop);
}

static void free_call(yk_call *c)
{
    yk__context_unref(c->context);
    free(c);
}

/* It has left its list for good. */
static void retire(yk_call *c)
{
    c->loop = NULL;
    if (!c->held)
        free_call(c);
}

void yk__calls_make(yk_loop *loop)
{
    uint64_t end = loop->calls_numbered;
    yk_call *c;
    while ((c = loop->calls_due.first) != NULL && c->number < end) {
        yk_call_fn fn = c->fn;
        void *arg = c->arg;
        yk__context *before = yk__context_enter(yk__context_share(c->context));
        take_out(c);
        retire(c);
        fn(arg);
        yk__context_leave(before);
    }
}

static void drop_list(yk__call_list *list)
{
    yk_call *c;
    while ((c = list->first) != NULL) {
        take_out(c);
        retire(c);
    }
}

void yk__calls_drop(yk_loop *loop)
{
    drop_list(&loop->calls_due);
    drop_list(&loop->calls_timed);
}

/* ---- On the loop's thread -------------------------------------------------------------------- */

static void timer_fired(yk__timer *timer)
{
    yk_call *c = (yk_call *)((char *)timer - offsetof(yk_call, timer));
    take_out(c);
    append_due(c);
}

static yk_call *new_call(yk_loop *loop, yk_call_fn fn, void *arg)
{
    yk_call *c = calloc(1, sizeof *c);
    if (c) {
        c->loop = loop;
        c->fn = fn;
        c->arg = arg;
        c->context = yk__context_take();
        c->timer.fired = timer_fired;
    }
    return c;
}

static int hand_out(yk_call *c, yk_call **call)
{
    c->held = call != NULL;
    if (call)
        *call = c;
    yk__loop_update_alive(c->loop);
    return 0;
}

int yk_call_soon(yk_call_fn fn, void *arg, yk_call **call)
{
    yk_loop *loop = yk__debug_loop_for(__func__);
    if (!loop || !fn)
        return UV_EINVAL;
    yk_call *c = new_call(loop, fn, arg);
    if (!c)
        return UV_ENOMEM;
    append_due(c);
    return hand_out(c, call);
}

int yk_call_at(uint64_t deadline, yk_call_fn fn, void *arg, yk_call **call)
{
    yk_loop *loop = yk__debug_loop_for(__func__);
    if (!loop || !fn)
        return UV_EINVAL;
    yk_call *c = new_call(loop, fn, arg);
    if (!c || yk__reactor_timer_set(&loop->reactor, &c->timer, deadline)) {
        if (c)
            free_call(c);
        return UV_ENOMEM;
    }
    append(c);
    return hand_out(c, call);
}

int yk_call_later_ms(uint64_t ms, yk_call_fn fn, void *arg, yk_call **call)
{
    return yk_call_at(yk_after_ms(ms), fn, arg, call);
}

void yk_call_cancel(yk_call *c)
{
    if (!c)
        return;
    yk_loop *loop = c->loop;
    if (loop) {
        take_out(c);
        yk__reactor_timer_stop(&loop->reactor, &c->timer);
        yk__loop_update_alive(loop);
    }
    free_call(c);
}

/* ---- From any thread ------------------------------------------------------------------------- */

static void arrived(yk__post *post)
{
    yk_call *c = (yk_call *)((char *)post - offsetof(yk_call, post));
    if (yk__loop_is_closed(c->loop))
        retire(c);
    else
        append_due(c);
}

int yk_loop_call_threadsafe(yk_loop *loop, yk_call_fn fn, void *arg)
{
    if (!loop || !fn)
        return UV_EINVAL;
    yk_call *c = new_call(loop, fn, arg);
    if (!c)
        return UV_ENOMEM;
    c->post.run = arrived;
    int err = yk__loop_enter(loop);
    if (err) {
        free_call(c);
        return err;
    }
    yk__reactor_post(&loop->reactor, &c->post);
    yk__loop_leave(loop);
    return 0;
}

/* ---- From a signal handler ------------------------------------------------------------------- */

/* `sent` belongs to whoever finds it false: from then until the loop's thread takes it back the
 * post is on its way. Each exchange is acquire and release, so that fn sees what was written before
 * every send that it stands for. */
struct yk_wakeup {
    yk__post post;
    yk_loop *loop;
    yk_call_fn fn;
    void *arg;
    _Atomic bool sent;
    bool freed; /* while it was on its way; the loop's thread alone */
};

static void bury(yk_wakeup *w)
{
    yk_loop_unref(w->loop);
    free(w);
}

static void wakeup_arrived(yk__post *post)
{
    yk_wakeup *w = (yk_wakeup *)post; /* its first member */
    atomic_exchange_explicit(&w->sent, false, memory_order_acq_rel);
    if (w->freed)
        bury(w);
    else if (!yk__loop_is_closed(w->loop))
        w->fn(w->arg);
}

yk_wakeup *yk_wakeup_new(yk_loop *loop, yk_call_fn fn, void *arg)
{
    yk_wakeup *w = loop && fn ? calloc(1, sizeof *w) : NULL;
    if (!w)
        return NULL;
    w->post.run = wakeup_arrived;
    w->loop = yk_loop_ref(loop);
    w->fn = fn;
    w->arg = arg;
    return w;
}

void yk_wakeup_send(yk_wakeup *w)
{
    int saved_errno = errno;
    if (yk__loop_enter(w->loop) == 0) {
        if (!atomic_exchange_explicit(&w->sent, true, memory_order_acq_rel))
            yk__reactor_post(&w->loop->reactor, &w->post);
        yk__loop_leave(w->loop);
    }
    errno = saved_errno;
}

void yk_wakeup_free(yk_wakeup *w)
{
    if (!w)
        return;
    if (!yk__loop_is_closed(w->loop) && atomic_load_explicit(&w->sent, memory_order_acquire))
        w->freed = true;
    else
        bury(w);
}
