/* The bounded queue's permits, and the line of those who wait for one.
 *
 * The word holds the free permits and says whether somebody waits. Three rules make it fair and
 * keep every permit in exactly one place:
 *   - a permit is taken from the word only while nobody waits, so nobody jumps the queue;
 *   - WAITERS is set (under the lock) only where no permit is free;
 *   - while it is set, a permit that comes back is handed, under the lock, to the first in line.
 * A waiter that gives up looks, under the lock, whether it has been handed one meanwhile. A wake-up
 * is then on its way, which it consumes; and a permit that it cannot use any more it gives back.
 */
#include "admission.h"

#include <uv.h>

#include "park.h"

enum { WAITERS = 1, CLOSED = 2, ONE = 4 };
enum { UNDECIDED = 1 };

/* On the stack of the one who waits. It stays there until its parker has been unparked or, under
 * the lock, it has taken itself off the list. */
struct yk__admission_waiter {
    struct yk__admission_waiter *prev, *next;
    yk__parker *parker;
    int outcome; /* UNDECIDED while it is in the list; then 0 or YK_ECLOSED. Under the lock */
};

void yk__admission_init(yk__admission *a, yk_executor *ex, size_t limit)
{
    uint64_t permits = limit < UINT64_MAX / 8 ? limit : UINT64_MAX / 8;
    *a = (yk__admission){ .limit = limit, .ex = ex };
    atomic_init(&a->word, permits * ONE);
    pthread_mutex_init(&a->lock, NULL);
}

void yk__admission_destroy(yk__admission *a)
{
    pthread_mutex_destroy(&a->lock);
}

static bool take_free(yk__admission *a)
{
    uint64_t word = atomic_load_explicit(&a->word, memory_order_relaxed);
    while (word >= ONE && !(word & (WAITERS | CLOSED)))
        if (atomic_compare_exchange_weak_explicit(&a->word, &word, word - ONE, memory_order_acquire,
                                                  memory_order_relaxed))
            return true;
    return false;
}

bool yk__admission_full(const yk__admission *a)
{
    return a->limit != 0 && atomic_load_explicit(&a->word, memory_order_relaxed) < ONE;
}

/* ---- The list, under the lock --------------------------------------------------------------- */

static void append(yk__admission *a, struct yk__admission_waiter *w)
{
    w->prev = a->last;
    if (a->last)
        a->last->next = w;
    else
        a->first = w;
    a->last = w;
}

static void take_off(yk__admission *a, struct yk__admission_waiter *w)
{
    if (w->prev)
        w->prev->next = w->next;
    else
        a->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        a->last = w->prev;
    if (!a->first)
        atomic_fetch_and_explicit(&a->word, ~(uint64_t)WAITERS, memory_order_relaxed);
}

/* Takes the first in line off the list with this outcome. Returns whom to unpark once the lock is
 * free, NULL if nobody waits. */
static yk__parker *decide_first(yk__admission *a, int outcome)
{
    struct yk__admission_waiter *w = a->first;
    if (!w)
        return NULL;
    take_off(a, w);
    w->outcome = outcome;
    return w->parker;
}

/* Joins the line; or decides at once, where there is room or the pool has closed. */
static int join_line(yk__admission *a, struct yk__admission_waiter *w)
{
    for (;;) {
        if (take_free(a))
            return 0;
        uint64_t word = atomic_load_explicit(&a->word, memory_order_relaxed);
        if (word & CLOSED)
            return YK_ECLOSED;
        if (word >= ONE && !(word & WAITERS))
            continue;
        if ((word & WAITERS) ||
            atomic_compare_exchange_strong_explicit(&a->word, &word, word | WAITERS,
                                                    memory_order_relaxed, memory_order_relaxed)) {
            append(a, w);
            return UNDECIDED;
        }
    }
}

/* ---- Waiting -------------------------------------------------------------------------------- */

/* What became of a waiter whose sleep ended with `err`; UNDECIDED: it woke for nothing. */
static int end_wait(yk__admission *a, struct yk__admission_waiter *w, int err)
{
    pthread_mutex_lock(&a->lock);
    int outcome = w->outcome;
    if (outcome == UNDECIDED && err)
        take_off(a, w);
    pthread_mutex_unlock(&a->lock);
    if (err == 0)
        return outcome;
    if (outcome == UNDECIDED)
        return err;
    w->parker->park(w->parker, YK_FOREVER, false); /* the wake-up that is on its way */
    if (err == UV_ETIMEDOUT)
        return outcome; /* at the last moment */
    if (outcome == 0)
        yk__admission_give(a);
    return err;
}

static const yk__wait_kind for_room = { "room in the queue of a pool", NULL };

static int wait_for_room(yk__admission *a, yk__parker *parker, uint64_t deadline)
{
    struct yk__admission_waiter w = { .parker = parker };
    yk__executor_hold(a->ex); /* it may be closed, and given back, before the waiter has woken */
    pthread_mutex_lock(&a->lock);
    int outcome = w.outcome = join_line(a, &w);
    pthread_mutex_unlock(&a->lock);
    while (outcome == UNDECIDED) {
        yk__parker_waits(parker, &for_room, a);
        outcome = end_wait(a, &w, parker->park(parker, deadline, true));
    }
    yk__executor_release(a->ex);
    return outcome;
}

int yk__admission_take(yk__admission *a, const yk_job_options *options)
{
    if (take_free(a))
        return 0;
    if (atomic_load_explicit(&a->word, memory_order_relaxed) & CLOSED)
        return YK_ECLOSED;
    if (options->no_wait)
        return YK_EFULL;
    if (yk__running_for == a->ex)
        return YK_EDEADLK;
    yk__parker *parker = yk__parker_current();
    if (!parker)
        return YK_EONLOOP;
    uint64_t until = options->submit_deadline ? options->submit_deadline : YK_FOREVER;
    bool expires = options->start_by && options->start_by < until;
    int err = wait_for_room(a, parker, expires ? options->start_by : until);
    return err == UV_ETIMEDOUT && expires ? YK_EEXPIRED : err;
}

/* ---- Giving back ---------------------------------------------------------------------------- */

void yk__admission_give(yk__admission *a)
{
    uint64_t word = atomic_load_explicit(&a->word, memory_order_relaxed);
    while (!(word & WAITERS))
        if (atomic_compare_exchange_weak_explicit(&a->word, &word, word + ONE, memory_order_release,
                                                  memory_order_relaxed))
            return;
    pthread_mutex_lock(&a->lock);
    yk__parker *parker = decide_first(a, 0);
    if (!parker) /* the last one in line has just left it */
        atomic_fetch_add_explicit(&a->word, ONE, memory_order_release);
    pthread_mutex_unlock(&a->lock);
    if (parker)
        parker->unpark(parker);
}

void yk__admission_close(yk__admission *a)
{
    if (a->limit == 0)
        return;
    yk__parker *parker;
    do {
        pthread_mutex_lock(&a->lock);
        atomic_fetch_or_explicit(&a->word, CLOSED, memory_order_relaxed);
        parker = decide_first(a, YK_ECLOSED);
        pthread_mutex_unlock(&a->lock);
        if (parker)
            parker->unpark(parker);
    } while (parker);
}

yk_future *yk__admission_refused(int err)
{
    return yk__future_failed(err,
                             err == UV_ETIMEDOUT ? "no room in the queue by the deadline" : NULL);
}
