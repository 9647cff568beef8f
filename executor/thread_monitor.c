/* The thread that watches the clock for a thread pool.
 *
 * It is started when there is first something to watch: a job with a limit or a start_by, a running
 * job that is to stop. From then on it sleeps until the earliest of
 *   - the limit of a job that runs: then the job is asked to stop, as by a cancellation;
 *   - the next signal to a job that was asked to stop, so that a system call in which it blocks
 *     returns EINTR: at once, then after 1 ms, 2 ms, 4 ms, at most 50 ms, for it may come an
 *     instant before the call;
 *   - the end of such a job's grace: then its future ends, and its thread is written off;
 *   - a start_by that passes.
 *
 * It holds no lock but the pool's, which submitters do not need, and ends jobs under none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "interrupt.h"
#include "thread_pool.h"

#define FIRST_INTERVAL   YK__NS_PER_MS
#define LONGEST_INTERVAL (50 * YK__NS_PER_MS)
#define FEW_STALE        64

static void earlier(uint64_t *next, uint64_t t)
{
    if (t < *next)
        *next = t;
}

/* ---- Borrowing a running job: under the lock ------------------------------------------------- */

static thread_job *borrow(thread *t)
{
    return atomic_exchange(&t->current, NULL);
}

static void give_back(thread *t, thread_job *job)
{
    if (job)
        atomic_store_explicit(&t->current, job, memory_order_release);
}

/* ---- Jobs that were asked to stop ------------------------------------------------------------ */

static void watch(thread_pool *p, thread_job *job, uint64_t now)
{
    job->poke_at = now;
    job->poke_interval = FIRST_INTERVAL;
    job->give_up_at = p->grace < YK_FOREVER - now ? now + p->grace : YK_FOREVER;
    job->next_asked = p->monitor.watched;
    p->monitor.watched = job;
}

/* Under the lock, and the job has not ended: so its thread is still on the books. */
static void poke(thread_job *job, uint64_t now)
{
    thread *t = job->on;
    thread_job *current = borrow(t);
    if (current == job)
        t->poked |= yk__interrupt_send(t->id);
    give_back(t, current);
    job->poke_at = now + job->poke_interval;
    if (job->poke_interval < LONGEST_INTERVAL)
        job->poke_interval *= 2;
}

static int code_of(const thread_job *lost)
{
    return lost->timed_out ? YK_EJOBTIMEOUT : YK_ECANCELED;
}

/* The same. Whether the job's end is now the caller's to write. */
static bool take_over(thread_pool *p, thread_job *job)
{
    thread *t = job->on;
    thread_job *current = borrow(t);
    bool won = current == job && yk__future_claim(&job->work.future);
    if (!won) {
        give_back(t, current);
        return false;
    }
    yk__meter_end(&t->at->meter, &p->ex, &job->work, code_of(job));
    yk__thread_write_off(p, t);
    return true;
}

static void end_lost(thread_pool *p, thread_job *job)
{
    char text[YK__MESSAGE_MAX], label[YK__NAME_MAX + 8];
    yk_future *f = &job->work.future;
    bool late = job->timed_out;
    if (yk__future_cancel_is_due(f))
        atomic_fetch_add(&p->asks_due, 1);
    atomic_fetch_add(late ? &p->lost_failed : &p->lost_cancelled, 1);
    if (late) {
        atomic_fetch_add(&p->lost_timeouts, 1);
        yk__thread_late(&job->work, text, sizeof text);
    } else {
        snprintf(text, sizeof text, "%s was cancelled", yk__work_label(&job->work, label));
    }
    atomic_fetch_add(&p->asks_due, 1);
    atomic_fetch_add(&p->lost_finished, 1);
    yk__future_publish(
        f, late ? YK_FAILED : YK_CANCELLED,
        yk__error_new(code_of(job), "%s, and has not returned; its thread was written off", text));
    atomic_fetch_add(&p->asks_arrived, 1);
    if (atomic_load(&p->closing))
        yk__tq_wake_all(p);
}

static void forget_asked(thread_job *job)
{
    while (job) {
        thread_job *next = job->next_asked;
        yk_future_unref(&job->work.future);
        job = next;
    }
}

/* Goes through those that were asked; returns, linked by next_asked, whose ends are to be written.
 */
static thread_job *see_to_watched(thread_pool *p, uint64_t now, uint64_t *next)
{
    thread_job *lost = NULL, *ended = NULL, **at = &p->monitor.watched;
    pthread_mutex_lock(&p->lock);
    while (*at) {
        thread_job *job = *at;
        bool over = yk_future_ended(&job->work.future);
        if (!over && now >= job->give_up_at && take_over(p, job)) {
            *at = job->next_asked;
            job->next_asked = lost;
            lost = job;
            continue;
        }
        if (over) {
            *at = job->next_asked;
            job->next_asked = ended;
            ended = job;
            continue;
        }
        if (now >= job->poke_at)
            poke(job, now);
        earlier(next, job->poke_at);
        if (job->give_up_at > now)
            earlier(next, job->give_up_at);
        at = &job->next_asked;
    }
    pthread_mutex_unlock(&p->lock);
    forget_asked(ended); /* not under the lock: the last reference to a future may call the log */
    return lost;
}

/* ---- The threads ----------------------------------------------------------------------------- */

/* A job whose limit has passed, or any if the pool stops, is asked to stop. */
static void look_at(thread_pool *p, thread *t, uint64_t now, uint64_t *next)
{
    bool stop = atomic_load(&p->stopping);
    thread_job *job = borrow(t);
    if (!job)
        return;
    /* While it is borrowed, `until` is this job's. */
    uint64_t until = atomic_load_explicit(&t->until, memory_order_relaxed);
    if (stop || until <= now) {
        if (yk__future_ask(&job->work.future)) {
            yk__trace_worker(&t->at->meter.lane, stop ? "asked to stop" : "time limit passed", 0);
            job->timed_out = !stop;
            yk_future_ref(&job->work.future);
            watch(p, job, now);
        }
    } else {
        earlier(next, until);
    }
    give_back(t, job);
}

/* The pool stops, and this one is still in its initializer: it is dealt with as a job is. */
static void look_at_start(thread_pool *p, thread *t, uint64_t now)
{
    if (t->give_up_at == 0)
        t->give_up_at = p->grace < YK_FOREVER - now ? now + p->grace : YK_FOREVER;
    if (now >= t->give_up_at)
        yk__thread_write_off(p, t);
    else if (yk__thread_starts_slowly(p))
        yk__interrupt_send(t->id);
}

static void look_at_threads(thread_pool *p, uint64_t now, uint64_t *next)
{
    pthread_mutex_lock(&p->lock);
    for (thread *t = p->threads, *after; t; t = after) {
        after = t->next;
        if (t->state == THREAD_SERVES)
            look_at(p, t, now, next);
        else if (t->state == THREAD_STARTS && atomic_load(&p->stopping))
            look_at_start(p, t, now);
    }
    if (atomic_load(&p->stopping) && p->alive > 0)
        earlier(next, now + LONGEST_INTERVAL); /* for those that begin only now */
    pthread_mutex_unlock(&p->lock);
}

/* ---- Jobs that may expire -------------------------------------------------------------------- */

static void timed_unref(timed *t)
{
    if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1)
        free(t);
}

/* The job, with a reference, if it is still there. */
static thread_job *take_out(timed *t)
{
    return atomic_exchange_explicit(&t->job, NULL, memory_order_acq_rel);
}

/* The monitor lets go of it. */
static void forget(timed *t)
{
    thread_job *job = take_out(t);
    if (job)
        yk_future_unref(&job->work.future);
    timed_unref(t);
}

static void sift_down(monitor *m, size_t i, timed *t)
{
    for (size_t child; (child = 2 * i) <= m->heap_len; i = child) {
        if (child < m->heap_len && m->heap[child + 1]->start_by < m->heap[child]->start_by)
            child++;
        if (m->heap[child]->start_by >= t->start_by)
            break;
        m->heap[i] = m->heap[child];
    }
    m->heap[i] = t;
}

static bool heap_add(monitor *m, timed *t)
{
    if (m->heap_len + 1 >= m->heap_cap) {
        size_t cap = m->heap_cap ? 2 * m->heap_cap : 64;
        timed **heap = realloc(m->heap, cap * sizeof(timed *));
        if (!heap)
            return false; /* then it is noticed when its turn has come */
        m->heap = heap;
        m->heap_cap = cap;
    }
    size_t i = ++m->heap_len;
    for (; i > 1 && m->heap[i / 2]->start_by > t->start_by; i /= 2)
        m->heap[i] = m->heap[i / 2];
    m->heap[i] = t;
    return true;
}

/* Lets go of those that have begun or ended, when they are many. */
static void drop_stale(monitor *m)
{
    if (atomic_load_explicit(&m->stale, memory_order_relaxed) <
        atomic_load_explicit(&m->too_stale, memory_order_relaxed))
        return;
    atomic_store_explicit(&m->stale, 0, memory_order_relaxed);
    size_t kept = 0;
    for (size_t i = 1; i <= m->heap_len; i++) {
        if (atomic_load_explicit(&m->heap[i]->job, memory_order_relaxed))
            m->heap[++kept] = m->heap[i];
        else
            timed_unref(m->heap[i]);
    }
    m->heap_len = kept;
    for (size_t i = kept / 2; i >= 1; i--)
        sift_down(m, i, m->heap[i]);
    atomic_store_explicit(&m->too_stale, FEW_STALE + kept / 2, memory_order_relaxed);
}

static void see_to_expiry(monitor *m, uint64_t now, uint64_t *next)
{
    drop_stale(m);
    while (m->heap_len > 0 && m->heap[1]->start_by <= now) {
        timed *t = m->heap[1], *last = m->heap[m->heap_len--];
        if (m->heap_len > 0)
            sift_down(m, 1, last);
        thread_job *job = take_out(t);
        if (job) {
            yk__thread_refuse(job, YK_EEXPIRED, NULL);
            yk_future_unref(&job->work.future);
        }
        timed_unref(t);
    }
    if (m->heap_len > 0)
        earlier(next, m->heap[1]->start_by);
}

/* ---- The inboxes ----------------------------------------------------------------------------- */

static void take_in(thread_pool *p, uint64_t now)
{
    monitor *m = &p->monitor;
    thread_job *job = atomic_exchange_explicit(&m->asked, NULL, memory_order_acquire), *next;
    for (; job; job = next) {
        next = job->next_asked;
        watch(p, job, now);
    }
    timed *t = atomic_exchange_explicit(&m->timed, NULL, memory_order_acquire), *later;
    for (; t; t = later) {
        later = t->next;
        if (!heap_add(m, t))
            forget(t);
    }
}

void yk__monitor_destroy(monitor *m)
{
    forget_asked(m->watched);
    forget_asked(atomic_load_explicit(&m->asked, memory_order_acquire));
    for (timed *t = atomic_load_explicit(&m->timed, memory_order_acquire), *next; t; t = next) {
        next = t->next;
        forget(t);
    }
    for (size_t i = 1; i <= m->heap_len; i++)
        forget(m->heap[i]);
    free(m->heap);
}

/* ---- The thread ------------------------------------------------------------------------------ */

/* When the last thread was written off from a pool that closes, nobody else sees to its end. */
static void see_to_the_end(thread_pool *p, uint64_t now, uint64_t *next)
{
    if (!atomic_load(&p->closing))
        return;
    pthread_mutex_lock(&p->lock);
    bool abandoned = p->alive == 0 && !p->over, ends = abandoned && yk__thread_may_leave(p);
    p->over |= ends;
    pthread_mutex_unlock(&p->lock);
    if (ends)
        yk_future_set_result(p->gone, NULL, 0);
    if (abandoned && !ends)
        earlier(next, now + YK__NS_PER_MS); /* a canceller is about to be done with the pool */
}

static uint64_t turn(thread_pool *p)
{
    uint64_t now = yk_now(), next = YK_FOREVER;
    uint64_t hint = atomic_exchange(&p->monitor.hint, YK_FOREVER);
    if (hint > now)
        earlier(&next, hint);
    take_in(p, now);
    look_at_threads(p, now, &next);
    thread_job *lost = see_to_watched(p, now, &next);
    while (lost) {
        thread_job *job = lost;
        lost = job->next_asked;
        end_lost(p, job);
        yk_future_unref(&job->work.future);
        int err = yk__thread_start_if_needed(p);
        if (err)
            yk__thread_fail_waiting(p, err, NULL);
    }
    see_to_expiry(&p->monitor, now, &next);
    yk__thread_retry(p, now, &next);
    see_to_the_end(p, now, &next);
    return next;
}

static void *monitor_main(void *arg)
{
    thread_pool *p = arg;
    monitor *m = &p->monitor;
    char name[16];
    snprintf(name, sizeof name, "%.9s-watch", p->ex.name);
    pthread_setname_np(pthread_self(), name);
    yk__thread_like_the_maker(p);
    yk__running_for = &p->ex; /* for the callbacks of the futures that it ends */
    for (;;) {
        uint32_t bell = atomic_load(&m->bell);
        atomic_store(&m->wakes_at, YK_FOREVER); /* ring for anything */
        uint64_t next = turn(p);
        if (yk_future_ended(p->gone))
            break;
        atomic_store(&m->wakes_at, next);
        yk__futex_wait(&m->bell, bell, next, false);
    }
    yk__executor_release(&p->ex);
    return NULL;
}

static int create(thread_pool *p)
{
    sigset_t mask, before;
    yk__interrupt_mask(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, &before);
    int rc = pthread_create(&p->monitor.id, NULL, monitor_main, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

/* Whether it is there. */
static bool need(thread_pool *p)
{
    monitor *m = &p->monitor;
    if (atomic_load_explicit(&m->started, memory_order_acquire))
        return true;
    int err = 0;
    pthread_mutex_lock(&p->lock);
    bool there = atomic_load(&m->started);
    if (!there && !p->over) {
        yk__executor_hold(&p->ex);
        err = create(p);
        there = err == 0;
        atomic_store_explicit(&m->started, there, memory_order_release);
        if (err)
            yk__executor_release(&p->ex);
    }
    pthread_mutex_unlock(&p->lock);
    if (err)
        yk__log("nobody watches over the limits of a thread pool's jobs: %s", yk_strerror(err));
    return there;
}

/* ---- What others call ------------------------------------------------------------------------ */

void yk__monitor_init(monitor *m)
{
    atomic_init(&m->wakes_at, YK_FOREVER);
    atomic_init(&m->hint, YK_FOREVER);
    atomic_init(&m->too_stale, FEW_STALE);
}

void yk__monitor_ring(thread_pool *p)
{
    atomic_fetch_add(&p->monitor.bell, 1);
    yk__futex_wake(&p->monitor.bell, 1, false);
}

void yk__monitor_stop(thread_pool *p)
{
    if (need(p))
        yk__monitor_ring(p);
}

void yk__monitor_asked(thread_pool *p, thread_job *job)
{
    monitor *m = &p->monitor;
    if (!need(p))
        return;
    yk_future_ref(&job->work.future);
    job->next_asked = atomic_load_explicit(&m->asked, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&m->asked, &job->next_asked, job,
                                                  memory_order_release, memory_order_relaxed))
        ;
    yk__monitor_ring(p);
}

void yk__monitor_timed(thread_pool *p, thread_job *job)
{
    monitor *m = &p->monitor;
    timed *t = need(p) ? malloc(sizeof *t) : NULL;
    if (!t)
        return; /* then it is noticed when its turn has come */
    yk_future_ref(&job->work.future);
    atomic_init(&t->job, job);
    atomic_init(&t->refs, 2);
    t->start_by = job->start_by;
    job->timed = t;
    t->next = atomic_load_explicit(&m->timed, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&m->timed, &t->next, t, memory_order_release,
                                                  memory_order_relaxed))
        ;
    yk__monitor_until(p, job->start_by);
}

/* By the caller who begins or ends it, of whom there is one. */
void yk__monitor_untimed(thread_pool *p, thread_job *job)
{
    monitor *m = &p->monitor;
    timed *t = job->timed;
    if (!t)
        return;
    bool there = take_out(t) != NULL;
    timed_unref(t);
    if (there)
        yk_future_unref(&job->work.future);
    uint64_t n = atomic_fetch_add_explicit(&m->stale, 1, memory_order_relaxed) + 1;
    if (n % FEW_STALE == 0 && n >= atomic_load_explicit(&m->too_stale, memory_order_relaxed))
        yk__monitor_ring(p);
}

/* Sequentially consistent on both sides: who calls this has stored what there is to watch, and now
 * loads `wakes_at`; the monitor stores YK_FOREVER there, and then looks. */
void yk__monitor_until(thread_pool *p, uint64_t until)
{
    monitor *m = &p->monitor;
    if (!need(p) || until >= atomic_load(&m->wakes_at))
        return;
    atomic_store(&m->hint, until);
    yk__monitor_ring(p);
}
