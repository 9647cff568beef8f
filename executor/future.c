/* Futures: the state word, the result, and the list of those who wait.
 *
 * See promise.h for the state word. The list is a stack that only grows: places are pushed with
 * compare-and-swap and freed with the future, so no traversal ever meets freed memory. A waiter
 * that gives up leaves its place FREE, and the next waiter takes it over; so the list is no longer
 * than the most that ever waited at once. Who waits sets YK__WAITED in the state word, unless it is
 * set; that fails once the future has ended. So a future for which nobody waits ends with one
 * atomic operation; else its end also exchanges the head of the list for CLOSED, and fires each
 * place.
 *
 * Nothing here holds a lock: a pool's thread at a low scheduling class may lose its CPU anywhere in
 * here without holding up the loop.
 */
#include "future.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "backtrace.h"
#include "promise.h"
#include "trace_events.h"
#include "reactor.h"
#include "ring.h"
#include "uses.h"

enum place_state { FREE, ARMING, ARMED, FIRED };

static yk__place closed_mark;
#define CLOSED (&closed_mark)

/* ---- State ---------------------------------------------------------------------------------- */

static bool has_ended(uint32_t state)
{
    return (state & YK__STATE_MASK) >= YK_DONE;
}

static uint32_t load_state(const yk_future *f)
{
    return atomic_load_explicit(&f->state, memory_order_acquire);
}

static bool change_state(yk_future *f, uint32_t *from, uint32_t to)
{
    return atomic_compare_exchange_weak_explicit(&f->state, from, to, memory_order_acq_rel,
                                                 memory_order_acquire);
}

yk_state yk_future_state(const yk_future *f)
{
    return (yk_state)(load_state(f) & YK__STATE_MASK);
}

bool yk_future_ended(const yk_future *f)
{
    return has_ended(load_state(f));
}

bool yk__future_advance(yk_future *f, yk_state from, yk_state to)
{
    uint32_t s = load_state(f);
    do {
        if ((s & YK__STATE_MASK) != (uint32_t)from || (s & YK__SETTLING))
            return false;
    } while (!change_state(f, &s, (s & ~(uint32_t)YK__STATE_MASK) | (uint32_t)to));
    return true;
}

bool yk__future_hand(yk_future *f, bool handed)
{
    uint32_t s = load_state(f);
    do {
        if (has_ended(s) || (s & YK__SETTLING))
            return false;
    } while (!change_state(f, &s, handed ? s | YK__HANDED : s & ~(uint32_t)YK__HANDED));
    return true;
}

bool yk__future_claim(yk_future *f)
{
    uint32_t s = load_state(f);
    do {
        if (has_ended(s) || (s & YK__SETTLING))
            return false;
    } while (!change_state(f, &s, s | YK__SETTLING));
    return true;
}

bool yk__future_claim_pending(yk_future *f)
{
    uint32_t s = load_state(f);
    do {
        if ((s & YK__STATE_MASK) != YK_PENDING || (s & YK__SETTLING))
            return false;
    } while (!change_state(f, &s, s | YK__SETTLING));
    return true;
}

/* Sets flags of a future that runs, if nothing has been decided about it. */
static bool decide(yk_future *f, uint32_t flags)
{
    uint32_t s = load_state(f);
    do {
        if ((s & YK__STATE_MASK) != YK_RUNNING || (s & (YK__SETTLING | YK__ASKED | YK__COMMITTED)))
            return false;
    } while (!change_state(f, &s, s | flags));
    return true;
}

bool yk__future_commit(yk_future *f)
{
    return decide(f, YK__COMMITTED);
}

bool yk__future_ask(yk_future *f)
{
    return decide(f, YK__ASKED | YK__BY_POOL);
}

bool yk__future_is_claimed(const yk_future *f)
{
    uint32_t s = load_state(f);
    return has_ended(s) || (s & YK__SETTLING);
}

static bool cancel_was_called(uint32_t s)
{
    return (s & YK__ASKED) && !(s & YK__BY_POOL);
}

bool yk__future_cancel_is_due(const yk_future *f)
{
    return cancel_was_called(atomic_load_explicit(&f->state, memory_order_relaxed));
}

bool yk_future_cancel_requested(const yk_future *f)
{
    uint32_t s = load_state(f);
    return (s & YK__ASKED) || (s & YK__STATE_MASK) == YK_CANCELLED;
}

/* ---- Ending --------------------------------------------------------------------------------- */

static void run_callback(yk_future *f, yk_future_fn fn, void *arg)
{
    yk__debt *lazily = yk__reactor_post_lazily(NULL); /* it may post what is no result */
    int err = fn(f, arg);
    yk__reactor_post_lazily(lazily);
    if (err < 0)
        yk__log("a future's callback failed: %s", yk_strerror(err));
}

static void notify_one(yk_future *f, const yk__place *p)
{
    if (p->notify)
        p->notify(f, p->arg);
    else
        run_callback(f, p->callback, p->arg);
}

static void notify_all(yk_future *f)
{
    yk__place *newest = atomic_exchange_explicit(&f->places, CLOSED, memory_order_acq_rel);
    f->fired = newest;
    /* Those who came first hear first. `next` stays as it is: others may be reading it. */
    yk__place *oldest = NULL;
    for (yk__place *p = newest; p; p = p->next) {
        p->later = oldest;
        oldest = p;
    }
    for (yk__place *p = oldest; p; p = p->later)
        if (atomic_exchange_explicit(&p->state, FIRED, memory_order_acq_rel) == ARMED)
            notify_one(f, p);
}

/* Acquires what those have written who wait. */
bool yk__future_settle_held(yk_future *f, yk_state end, yk_error *error)
{
    f->error = end == YK_CANCELLED ? yk__future_with_reason(f, error) : error;
    yk__uses_give_back(&f->uses);
    uint32_t s = atomic_load_explicit(&f->state, memory_order_relaxed);
    while (!change_state(f, &s, (uint32_t)end | (s & YK__ASKED)))
        ;
    if (s & YK__WAITED)
        notify_all(f);
    return cancel_was_called(s);
}

void yk__future_publish_held(yk_future *f, yk_state end, yk_error *error)
{
    yk__future_settle_held(f, end, error);
}

void yk__future_publish(yk_future *f, yk_state end, yk_error *error)
{
    /* Whoever waits may drop the last other reference as soon as the state is out. */
    yk_future_ref(f);
    yk__future_publish_held(f, end, error);
    yk_future_unref(f);
}

int yk__future_copy_result(yk_future *f, const void *result, size_t len)
{
    void *room = f->inline_result;
    if (len > sizeof f->inline_result) {
        room = malloc(len);
        if (!room)
            return UV_ENOMEM;
        f->free_result = free;
    }
    if (len > 0)
        memcpy(room, result, len);
    f->result = room;
    f->result_len = len;
    return 0;
}

void yk__future_give_result(yk_future *f, void *result, size_t len, void (*free_result)(void *))
{
    f->result = result;
    f->result_len = len;
    f->free_result = free_result;
}

bool yk__future_fail(yk_future *f, int code, const char *message)
{
    if (!yk__future_claim(f))
        return false;
    if (code >= 0)
        code = YK_EJOB;
    yk__future_publish(f, code == YK_ECANCELED ? YK_CANCELLED : YK_FAILED,
                       yk__error_new(code, "%s", message ? message : yk_strerror(code)));
    return true;
}

/* Jobs and tasks have somebody else who ends them, and counts on it. */
static bool is_promise(const yk_future *f);

int yk_future_set_running(yk_future *f)
{
    if (!is_promise(f))
        return UV_EINVAL;
    if (yk__future_advance(f, YK_PENDING, YK_RUNNING))
        return 0;
    return yk_future_state(f) == YK_CANCELLED ? YK_ECANCELED : YK_EDONE;
}

int yk_future_set_result(yk_future *f, const void *result, size_t len)
{
    if (!is_promise(f))
        return UV_EINVAL;
    /* A copy that fails must leave the future as it was, so memory comes before the claim. */
    void *copy = NULL;
    if (len > sizeof f->inline_result) {
        copy = malloc(len);
        if (!copy)
            return UV_ENOMEM;
        memcpy(copy, result, len);
    }
    if (!yk__future_claim(f)) {
        free(copy);
        return YK_EDONE;
    }
    if (copy)
        yk__future_give_result(f, copy, len, free);
    else
        yk__future_copy_result(f, result, len);
    yk__future_publish(f, YK_DONE, NULL);
    return 0;
}

int yk_future_set_error(yk_future *f, int code, const char *message)
{
    if (!is_promise(f))
        return UV_EINVAL;
    return yk__future_fail(f, code, message) ? 0 : YK_EDONE;
}

static int cancel_pending(yk_future *f)
{
    yk_future_ref(f);
    yk__future_publish(f, YK_CANCELLED, yk__error_new(YK_ECANCELED, "cancelled before it began"));
    if (f->ops->dropped)
        f->ops->dropped(f);
    yk_future_unref(f);
    return 0;
}

int yk_future_cancel(yk_future *f)
{
    uint32_t s = load_state(f);
    for (;;) {
        if (has_ended(s))
            return (s & YK__STATE_MASK) == YK_CANCELLED ? 0 : YK_EDONE;
        if (s & (YK__SETTLING | YK__ASKED | YK__COMMITTED))
            return 1;
        bool at_once = (s & YK__STATE_MASK) == YK_PENDING && !(s & YK__HANDED);
        if (change_state(f, &s, at_once ? s | YK__SETTLING : s | YK__ASKED)) {
            if (at_once)
                return cancel_pending(f);
            break;
        }
    }
    yk__trace_cancel(f);
    bool ran = (s & YK__STATE_MASK) == YK_RUNNING;
    if (f->ops->cancel)
        f->ops->cancel(f);
    return !ran && yk_future_state(f) == YK_CANCELLED ? 0 : 1;
}

/* ---- Reading -------------------------------------------------------------------------------- */

const void *yk_future_result(const yk_future *f, size_t *len)
{
    bool there = yk_future_state(f) == YK_DONE && f->result_len > 0;
    if (len)
        *len = there ? f->result_len : 0;
    return there ? f->result : NULL;
}

/* ---- Life ----------------------------------------------------------------------------------- */

void yk__future_init(yk_future *f, const yk__future_ops *ops)
{
    atomic_init(&f->state, YK_PENDING);
    atomic_init(&f->refs, 1);
    f->ops = ops;
    f->stream = NULL;
    f->uses = NULL;
    f->first.next = NULL;
    atomic_init(&f->first.state, FREE);
    atomic_init(&f->places, &f->first);
    f->fired = NULL;
    f->result = NULL;
    f->result_len = 0;
    f->free_result = NULL;
    f->error = NULL;
    atomic_init(&f->reason, NULL);
}

yk_future *yk_future_ref(yk_future *f)
{
    atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

static void destroy(yk_future *f)
{
    yk__place *p = f->fired ? f->fired : atomic_load_explicit(&f->places, memory_order_relaxed);
    while (p != &f->first) { /* the oldest of all */
        yk__place *next = p->next;
        free(p);
        p = next;
    }
    if (f->free_result)
        f->free_result(f->result);
    if (f->error)
        yk__future_bury_error(f);
    if (atomic_load_explicit(&f->reason, memory_order_relaxed))
        yk__future_bury_reasons(f);
    if (f->stream)
        yk__stream_release(f->stream);
    yk__uses_give_back(&f->uses);
    f->ops->free(f);
}

/* Where one reference is left, it is the executor's, or the job has ended: nobody will read the
 * stream any more. The stream has a count of its own, since the future may be gone by then. */
static void unref_streaming(yk_future *f)
{
    yk__stream *s = f->stream;
    yk__stream_hold(s);
    uint32_t before = atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel);
    if (before == 1)
        destroy(f);
    else if (before == 2)
        yk__stream_close(s, YK_ECLOSED);
    yk__stream_release(s);
}

void yk_future_unref(yk_future *f)
{
    if (!f)
        return;
    if (f->stream) {
        unref_streaming(f);
        return;
    }
    /* Release what this holder did; acquire what all others did before freeing. Who sees its own
     * reference alone need not take it away: nobody is left to make another. */
    if (atomic_load_explicit(&f->refs, memory_order_acquire) == 1 ||
        atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1)
        destroy(f);
}

_Atomic bool yk__debugging;

/* Where it was made; in the room for its result, which it does not have yet. */
static void **maker_of(yk_future *f)
{
    return (void **)(void *)f->inline_result;
}

static void report_dropped(yk_future *f)
{
    yk__backtrace maker = { .n = 1, .frames[0].address = (uintptr_t)*maker_of(f) - 1 };
    char *where = yk__backtrace_text(&maker);
    yk__log("a future was dropped while it was pending; it was made in");
    yk__log_lines(where ? where : "    ?");
    free(where);
}

static void free_promise(yk_future *f)
{
    if (atomic_load_explicit(&yk__debugging, memory_order_relaxed) && !yk_future_ended(f))
        report_dropped(f);
    free(f);
}

static const yk__future_ops promise_ops = { .free = free_promise };

static bool is_promise(const yk_future *f)
{
    return f->ops == &promise_ops;
}

bool yk__future_is_promise(const yk_future *f)
{
    return is_promise(f);
}

yk_future *yk_future_new(void)
{
    yk_future *f = malloc(sizeof *f);
    if (!f)
        return NULL;
    yk__future_init(f, &promise_ops);
    *maker_of(f) = __builtin_return_address(0);
    return f;
}

static void free_never(yk_future *f)
{
    (void)f;
}

/* The future that needs no memory. Its count starts half-way to the top and is never used up. */
static yk_future *without_memory(void)
{
    static yk_error error = { .code = UV_ENOMEM, .message = "not enough memory" };
    static const yk__future_ops ops = { .free = free_never };
    static yk_future future = {
        .state = YK_FAILED,
        .refs = UINT32_MAX / 2,
        .ops = &ops,
        .places = CLOSED,
        .error = &error,
    };
    return yk_future_ref(&future);
}

yk_future *yk__future_failed(int code, const char *message)
{
    yk_future *f = yk_future_new();
    if (!f)
        return without_memory();
    yk__future_fail(f, code, message);
    return f;
}

/* ---- Waiting -------------------------------------------------------------------------------- */

/* Who waits, and how it hears of the end. */
struct waiter {
    void (*notify)(yk_future *, void *); /* NULL: `callback` */
    yk_future_fn callback;
    void *arg;
};

static void put_in_place(yk__place *p, const struct waiter *w)
{
    p->notify = w->notify;
    p->callback = w->callback;
    p->arg = w->arg;
}

/* The flag is set already, so the end will look at every place. */
static int arm(yk__place *p)
{
    uint32_t state = ARMING;
    /* Fails only if the future ended meanwhile and passed this place by. */
    return atomic_compare_exchange_strong_explicit(&p->state, &state, ARMED, memory_order_release,
                                                   memory_order_relaxed)
               ? 0
               : YK_EDONE;
}

/* Sets the flag behind a place that is armed. If it comes too late, the end has not looked at this
 * place; unless somebody else set the flag in time: then it has, or will, and the place decides.
 * It is not free again then, since those who saw the flag would count on the end to look at it. */
static int say_that_it_waits(yk_future *f, yk__place *p)
{
    uint32_t s = load_state(f), armed = ARMED;
    do {
        if (has_ended(s))
            return atomic_compare_exchange_strong_explicit(
                       &p->state, &armed, FIRED, memory_order_relaxed, memory_order_relaxed)
                       ? YK_EDONE
                       : 0;
    } while (!change_state(f, &s, s | YK__WAITED));
    return 0;
}

/* Takes over a place that somebody left, or the first one of a future. */
static int take_free_place(yk_future *f, yk__place *list, bool waited, const struct waiter *w,
                           yk__place **place)
{
    for (yk__place *p = list; p; p = p->next) {
        uint32_t state = FREE;
        if (!atomic_compare_exchange_strong_explicit(&p->state, &state, ARMING,
                                                     memory_order_acquire, memory_order_relaxed))
            continue;
        put_in_place(p, w);
        *place = p;
        if (waited)
            return arm(p);
        /* That the end has passed it by may be overwritten by this, but then it has ended. */
        atomic_store_explicit(&p->state, ARMED, memory_order_release);
        return say_that_it_waits(f, p);
    }
    return UV_EAGAIN;
}

static int push_place(yk_future *f, bool waited, const struct waiter *w, yk__place **place)
{
    yk__place *p = malloc(sizeof *p);
    if (!p)
        return UV_ENOMEM;
    atomic_init(&p->state, ARMED);
    put_in_place(p, w);
    p->next = atomic_load_explicit(&f->places, memory_order_acquire);
    do {
        if (p->next == CLOSED) {
            free(p);
            return YK_EDONE;
        }
    } while (!atomic_compare_exchange_weak_explicit(&f->places, &p->next, p, memory_order_release,
                                                    memory_order_acquire));
    *place = p;
    return waited ? 0 : say_that_it_waits(f, p);
}

static int wait_for(yk_future *f, const struct waiter *w, bool in_order, yk__place **place)
{
    uint32_t s = load_state(f);
    if (has_ended(s))
        return YK_EDONE;
    bool waited = s & YK__WAITED;
    yk__place *list = atomic_load_explicit(&f->places, memory_order_acquire);
    if (list == CLOSED)
        return YK_EDONE;
    /* With only the first place in the list, taking it keeps the order; else only a push does. */
    if (!in_order || list == &f->first) {
        int err = take_free_place(f, list, waited, w, place);
        if (err != UV_EAGAIN)
            return err;
    }
    return push_place(f, waited, w, place);
}

int yk__future_wait_for(yk_future *f, void (*notify)(yk_future *, void *), void *arg, bool in_order,
                        yk__place **place)
{
    return wait_for(f, &(struct waiter){ .notify = notify, .arg = arg }, in_order, place);
}

bool yk__future_withdraw(yk__place *place)
{
    uint32_t state = ARMED;
    return atomic_compare_exchange_strong_explicit(&place->state, &state, FREE,
                                                   memory_order_acq_rel, memory_order_acquire);
}

/* ---- Callbacks ------------------------------------------------------------------------------ */

int yk_future_on_end(yk_future *f, yk_future_fn fn, void *arg)
{
    yk__place *place;
    int err = wait_for(f, &(struct waiter){ .callback = fn, .arg = arg }, true, &place);
    if (err != YK_EDONE)
        return err;
    run_callback(f, fn, arg);
    return 0;
}
