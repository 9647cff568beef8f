/* The jobs of a thread pool that wait, and its workers that sleep.
 *
 * A job's way: a submitter pushes it on `inbox`, a stack that anybody adds to without a lock; a
 * worker moves the whole stack, turned round, to the queue `ready`, and takes jobs from there. The
 * workers share `ready` under `lock`, which a submitter takes only to start threads: a loop that
 * submits is not held up by a worker that lost its CPU.
 *
 * Sleeping. Each worker sleeps on a word of its own, and says so with its bit in `idle`. A
 * submitter publishes the job, then looks at `idle`; a worker sets its bit, then looks at `inbox`
 * once more; both sequentially consistent, so at least one sees the other. Whoever clears a bit
 * must wake that worker. The lowest bit is taken first, so the same workers stay warm and the
 * others can sleep on. While one worker is on its way (`waking`), submitters do not wake another:
 * the one that comes wakes the next if it finds more than it can do itself. So a burst costs its
 * submitter one system call.
 */
#include <uv.h>

#include "thread_pool.h"

/* ---- The queue ------------------------------------------------------------------------------ */

void yk__tq_push(thread_pool *p, thread_job *job)
{
    yk__queued *q = &job->queued;
    q->next = atomic_load_explicit(&p->inbox, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&p->inbox, &q->next, q, memory_order_seq_cst,
                                                  memory_order_relaxed))
        ;
    /* Behind the push, against refill(), which clears it and then takes the inbox. */
    if (q->class_ != YK__CLASS_NORMAL && !atomic_load(&p->mixed))
        atomic_store(&p->mixed, true);
}

/* Moves the inbox behind what is ready, oldest first. Under the lock. */
static void refill(thread_pool *p)
{
    if (atomic_load(&p->mixed))
        atomic_store(&p->mixed, false); /* before it looks: see yk__tq_push() */
    if (!atomic_load(&p->inbox))
        return;
    yk__queued *stack = atomic_exchange(&p->inbox, NULL);
    yk__queued *list = NULL;
    while (stack) {
        yk__queued *next = stack->next;
        stack->next = list;
        list = stack;
        stack = next;
    }
    while (list) {
        yk__queued *next = list->next;
        yk__queue_push(&p->ready, list);
        list = next;
    }
}

/* Whether something in the inbox may come before the first that is ready, or grow older as that one
 * is taken. To look at the inbox itself takes its cache line from those who submit. */
static bool must_refill(thread_pool *p)
{
    const yk__queued *first = yk__queue_first(&p->ready);
    return !first || first->class_ != YK__CLASS_NORMAL || atomic_load(&p->mixed);
}

static bool are_tiny(thread_pool *p)
{
    return atomic_load_explicit(&p->recent, memory_order_relaxed) <= YK__BRIEF;
}

/* The backlog is looked for in the inbox, too, where jobs are not so tiny that this would cost. */
static bool wants_backlog(thread_pool *p)
{
    return !are_tiny(p) && !yk__thread_backlog(p, p->ready.length);
}

/* Under the lock. */
static void show_left(thread_pool *p, bool left)
{
    if (atomic_load_explicit(&p->left, memory_order_relaxed) != left)
        atomic_store_explicit(&p->left, left, memory_order_relaxed);
}

static bool left_after_one(const thread_pool *p)
{
    return p->ready.length > 0 && yk__thread_backlog(p, p->ready.length - 1);
}

bool yk__tq_will_have_backlog(thread_pool *p)
{
    if (are_tiny(p))
        return false;
    pthread_mutex_lock(&p->lock);
    if (!left_after_one(p))
        refill(p);
    bool backlog = left_after_one(p);
    show_left(p, p->ready.length > 0);
    pthread_mutex_unlock(&p->lock);
    return backlog;
}

/* What somebody else's CPU has written takes as long to come as a tiny job takes. */
static void prefetch(const thread_job *job)
{
    __builtin_prefetch(&job->work.future, 1);
    __builtin_prefetch(job->work.future.inline_result, 1);
    __builtin_prefetch(&job->work.fn);
    __builtin_prefetch(&job->on, 1);
}

thread_job *yk__tq_take(thread_pool *p, bool *more, bool *backlog)
{
    pthread_mutex_lock(&p->lock);
    if (must_refill(p) || wants_backlog(p))
        refill(p);
    yk__queued *q = yk__queue_take(&p->ready), *next = q ? yk__queue_first(&p->ready) : NULL;
    *more = next || (q && atomic_load(&p->inbox));
    *backlog = q && yk__thread_backlog(p, p->ready.length);
    show_left(p, next != NULL);
    pthread_mutex_unlock(&p->lock);
    if (next)
        prefetch(yk__thread_job_of(next));
    return q ? yk__thread_job_of(q) : NULL;
}

yk__queued *yk__tq_take_all(thread_pool *p)
{
    yk__queued *list = NULL, **end = &list, *q;
    pthread_mutex_lock(&p->lock);
    refill(p);
    while ((q = yk__queue_take(&p->ready)) != NULL) {
        *end = q;
        end = &q->next;
    }
    *end = NULL;
    show_left(p, false);
    pthread_mutex_unlock(&p->lock);
    return list;
}

bool yk__tq_has_work(thread_pool *p)
{
    if (atomic_load(&p->inbox))
        return true;
    pthread_mutex_lock(&p->lock);
    bool ready = yk__queue_first(&p->ready) != NULL;
    pthread_mutex_unlock(&p->lock);
    return ready;
}

/* ---- Waking --------------------------------------------------------------------------------- */

static place *claim_idle(thread_pool *p, uint32_t from)
{
    uint32_t places = atomic_load_explicit(&p->places, memory_order_acquire);
    for (uint32_t w = from / 64; w * 64 < places; w++) {
        uint64_t mask = w == from / 64 ? ~(uint64_t)0 << (from % 64) : ~(uint64_t)0;
        uint64_t bits = atomic_load(&p->idle[w]);
        while (bits & mask) {
            uint64_t lowest = bits & mask & -(bits & mask);
            if (atomic_compare_exchange_weak(&p->idle[w], &bits, bits & ~lowest))
                return p->place[w * 64 + (uint32_t)__builtin_ctzll(lowest)];
        }
    }
    return NULL;
}

static void wake(thread_pool *p, place *at)
{
    atomic_fetch_add(&p->waking, 1);
    atomic_store_explicit(&at->sleeping, 0, memory_order_release);
    yk__futex_wake(&at->sleeping, 1, false);
}

bool yk__tq_wake_one(thread_pool *p)
{
    if (atomic_load(&p->waking) > 0)
        return true;
    place *at = claim_idle(p, 0);
    if (!at)
        return false;
    wake(p, at);
    return true;
}

bool yk__tq_wake_guard(thread_pool *p)
{
    place *at = claim_idle(p, 0);
    if (!at)
        return false;
    at->guards = true;
    wake(p, at);
    return true;
}

bool yk__tq_wake_from(thread_pool *p, uint32_t from)
{
    place *at = claim_idle(p, from);
    if (at)
        wake(p, at);
    return at != NULL;
}

void yk__tq_wake_all(thread_pool *p)
{
    place *at;
    while ((at = claim_idle(p, 0)) != NULL)
        wake(p, at);
}

/* ---- Sleeping ------------------------------------------------------------------------------- */

static bool idle_bit(thread_pool *p, place *at, bool set)
{
    _Atomic uint64_t *word = &p->idle[at->index / 64];
    uint64_t bit = (uint64_t)1 << (at->index % 64);
    uint64_t before = set ? atomic_fetch_or(word, bit) : atomic_fetch_and(word, ~bit);
    return (before & bit) != 0;
}

static bool sleep_until(thread_pool *p, place *at, uint64_t deadline, bool (*awake)(thread_pool *))
{
    atomic_store_explicit(&at->sleeping, 1, memory_order_relaxed);
    idle_bit(p, at, true);
    if ((awake(p) || yk__thread_is_too_many(p, at)) && idle_bit(p, at, false))
        return true; /* took its own bit back: nobody will wake it */
    while (atomic_load_explicit(&at->sleeping, memory_order_acquire) == 1) {
        int err = yk__futex_wait(&at->sleeping, 1, deadline, false);
        if (err == UV_ETIMEDOUT) {
            if (idle_bit(p, at, false))
                return false;
            deadline = YK_FOREVER; /* somebody is about to wake it */
        }
    }
    atomic_fetch_sub(&p->waking, 1);
    return true;
}

static bool sleep_unless(thread_pool *p, place *at, uint64_t deadline, bool (*awake)(thread_pool *))
{
    at->guards = false;
    atomic_store_explicit(&at->cpu, 0, memory_order_relaxed);
    bool woken = sleep_until(p, at, deadline, awake);
    yk__spin_say_cpu(at);
    return woken;
}

static bool has_something_to_do(thread_pool *p)
{
    return yk__tq_has_work(p) || yk__thread_may_leave(p);
}

bool yk__tq_sleep(thread_pool *p, place *at, uint64_t deadline)
{
    return sleep_unless(p, at, deadline, has_something_to_do);
}

static bool is_missed(thread_pool *p)
{
    return yk__guard_is_alone(p) || yk__thread_may_leave(p);
}

bool yk__tq_sleep_through(thread_pool *p, place *at, uint64_t deadline)
{
    return sleep_unless(p, at, deadline, is_missed);
}
