/* Tiny jobs stay with the worker that is awake, and wait until waking one is worth it.
 *
 * To wake a worker costs what some hundred tiny jobs cost; and where CPUs are few, the one that was
 * woken takes the submitter's, finds one job, and goes back to sleep. So while the jobs of the last
 * burst took no longer than YK__TINY each, two things are left undone:
 *   - where a worker is awake, no other is woken: it will get to what was queued;
 *   - where none is, and the submitter is a loop's thread, one is woken when the loop's turn ends,
 *     or as soon as what was queued is worth it.
 * But nobody can know that the next job is tiny, too: it may last, or be what the one before it
 * waits for; and a turn may last. So one idle worker stands guard meanwhile: it sleeps for a short
 * time only, and if then jobs wait of which nobody takes care, or fewer were done than tiny ones
 * would have been, it takes them, and others are woken as ever.
 *
 * `guard` is set by the worker, or by who wakes one for it, and cleared by that worker when it
 * looks for jobs again, or there were none for a while: then it sleeps until it is woken. Whoever
 * queues a job first queues it, then looks whether somebody is awake and somebody stands guard; a
 * guard that goes off duty, and a worker that goes to sleep, say so first, and then look for jobs
 * (all sequentially consistent). So no job is left to somebody who has looked already.
 */
#include "reactor.h"
#include "thread_pool.h"

#define YK__TINY   500               /* nanoseconds */
#define FIRST_LOOK ((uint64_t)50000) /* nanoseconds; then after twice as long, and so on */
#define LAST_LOOK  ((uint64_t)800000)

/* A guard is content with this share of what tiny jobs could have done: the system may have given
 * the CPU to others for a while. */
#define CONTENT_WITH 8

static bool is_tiny(uint32_t each)
{
    return each > 0 && each <= YK__TINY;
}

/* Once may be because it had lost its CPU. If jobs do last, the guard sees it sooner. */
void yk__guard_learn(thread *t, uint32_t each)
{
    thread_pool *p = t->pool;
    t->slower = !t->slower && !is_tiny(each) && is_tiny(yk__guard_pace(p));
    if (!t->slower)
        atomic_store_explicit(&p->each, each, memory_order_relaxed);
}

static uint32_t asleep(thread_pool *p)
{
    uint32_t n = 0, places = atomic_load_explicit(&p->places, memory_order_acquire);
    for (uint32_t w = 0; w * 64 < places; w++)
        n += (uint32_t)__builtin_popcountll(atomic_load(&p->idle[w]));
    return n;
}

uint32_t yk__guard_awake(thread_pool *p)
{
    uint32_t sleeping = asleep(p), serving = atomic_load(&p->serving);
    return serving > sleeping ? serving - sleeping : 0;
}

/* ---- Calling -------------------------------------------------------------------------------- */

static void wake_one_later(void *arg)
{
    thread_pool *p = arg;
    if (atomic_load(&p->inbox))
        yk__tq_wake_one(p);
    yk__executor_release(&p->ex);
}

/* What this thread, a loop's, submits in a turn that finds nobody awake. */
static _Thread_local struct {
    uint64_t reactor, turn;
    uint32_t jobs, jobs_before; /* in this turn, and in the one before it that had any */
} submits;

static uint32_t count_submit(const yk__reactor *r)
{
    if (submits.reactor != r->id || submits.turn != r->turns) {
        submits.jobs_before = submits.jobs;
        submits.jobs = 0;
        submits.reactor = r->id;
        submits.turn = r->turns;
    }
    return ++submits.jobs;
}

/* False: not on a loop's thread, or it seems to be the only job of its turn. */
static bool put_off(thread_pool *p, uint32_t each)
{
    yk__reactor *r = yk__reactor_current();
    if (!r || (count_submit(r) == 1 && submits.jobs_before <= 1))
        return false;
    if (r->later != wake_one_later || r->later_arg != p) {
        yk__reactor_catch_up(r);
        yk__executor_hold(&p->ex);
        r->later = wake_one_later;
        r->later_arg = p;
    }
    if (submits.jobs * (uint64_t)each >= YK__WAKE_COST) {
        submits.jobs = 1; /* not the first */
        yk__reactor_catch_up(r);
    }
    return true;
}

void yk__guard_call(thread_pool *p)
{
    uint32_t each = yk__guard_pace(p), sleeping;
    if (!is_tiny(each)) {
        yk__tq_wake_one(p);
        return;
    }
    if ((sleeping = asleep(p)) == 0)
        return;
    bool guard = atomic_load(&p->guard);
    if (atomic_load(&p->serving) <= sleeping) {
        if (!guard || !put_off(p, each))
            yk__tq_wake_one(p);
    } else if (!guard && atomic_compare_exchange_strong(&p->guard, &guard, true)) {
        if (!yk__tq_wake_guard(p))
            atomic_store(&p->guard, false);
    }
}

/* ---- Standing guard ------------------------------------------------------------------------- */

bool yk__guard_is_alone(thread_pool *p)
{
    return atomic_load(&p->serving) <= asleep(p) && yk__tq_has_work(p);
}

static uint64_t finished(thread_pool *p)
{
    uint64_t sum = 0;
    uint32_t places = atomic_load(&p->places);
    for (uint32_t i = 0; i < places; i++)
        sum += atomic_load_explicit(
            &atomic_load_explicit(&p->place[i], memory_order_acquire)->finished,
            memory_order_relaxed);
    return sum;
}

/* Whether all goes well without this worker, which has slept for `ns` while so many were done. */
static bool is_content(thread_pool *p, uint64_t jobs, uint64_t ns)
{
    if (!is_tiny(yk__guard_pace(p)) || yk__guard_is_alone(p))
        return false;
    if (jobs >= ns / (CONTENT_WITH * YK__TINY))
        return true;
    if (!yk__tq_has_work(p))
        return jobs > 0 || ns < LAST_LOOK;
    atomic_store_explicit(&p->each, UINT32_MAX, memory_order_relaxed); /* they are not tiny */
    return false;
}

bool yk__guard_stand(thread_pool *p, place *at)
{
    uint64_t before = finished(p), jobs = 0, ns = FIRST_LOOK;
    bool woken;
    do {
        woken = yk__tq_sleep_through(p, at, yk_now() + ns);
        if (woken)
            break; /* to serve */
        jobs = finished(p) - before;
        before += jobs;
        if (!is_content(p, jobs, ns))
            break;
        ns = ns < LAST_LOOK ? 2 * ns : ns;
    } while (at->index < atomic_load(&p->target));
    atomic_store(&p->guard, false);
    return woken || jobs > 0 || yk__tq_has_work(p);
}

bool yk__guard_begin(thread_pool *p)
{
    bool guard = false;
    return is_tiny(yk__guard_pace(p)) && !atomic_load(&p->guard) &&
           atomic_compare_exchange_strong(&p->guard, &guard, true);
}
