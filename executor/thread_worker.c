/* A worker thread's life: it starts, runs jobs, waits inside them, and leaves.
 *
 * It leaves when the pool closes and all is done; when it was idle for long; when its place is
 * beyond the target and nobody waits for whom it stands in. Whoever leaves early first stops to
 * serve, then looks for work once more; a submitter first queues its job, then looks how many
 * serve (both sequentially consistent): so a job that comes at that instant is seen by one of them.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "carried.h"
#include "interrupt.h"
#include "reactor.h"
#include "ring.h"
#include "thread_pool.h"
#include "uses.h"

#define MOMENT 200000 /* nanoseconds */

/* ---- Counting ------------------------------------------------------------------------------- */

static void bump(_Atomic uint64_t *counter)
{
    /* Only its place's thread writes it, so no read-modify-write is needed. */
    uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, n + 1, memory_order_release);
}

/* Before it looks whether the pool closes: see Closing in thread_pool.c. */
static void show_finished(place *at)
{
    atomic_store(&at->finished, atomic_load_explicit(&at->finished, memory_order_relaxed));
}

uint64_t yk__thread_unfinished(thread_pool *p)
{
    /* What is subtracted is read first, so the difference is never too small. */
    uint64_t ended = atomic_load(&p->dropped) + atomic_load(&p->refused);
    ended += atomic_load(&p->lost_finished);
    uint32_t places = atomic_load(&p->places);
    for (uint32_t i = 0; i < places; i++)
        ended += atomic_load(&atomic_load_explicit(&p->place[i], memory_order_acquire)->finished);
    uint64_t received = atomic_load(&p->received);
    return received > ended ? received - ended : 0;
}

bool yk__thread_cancellers_are_done(thread_pool *p)
{
    return atomic_load(&p->asks_due) == atomic_load(&p->asks_arrived);
}

bool yk__thread_may_leave(thread_pool *p)
{
    return atomic_load(&p->closing) && yk__thread_unfinished(p) == 0 &&
           yk__thread_cancellers_are_done(p);
}

/* ---- What a running job sees ---------------------------------------------------------------- */

static bool is_late(const running *r)
{
    return r->deadline != YK_FOREVER && yk_now() >= r->deadline;
}

static bool job_is_cancelled(const yk_job *job)
{
    const running *r = (const running *)job;
    if (r->committed)
        return false;
    return yk_future_cancel_requested(&r->of->work.future) ||
           atomic_load_explicit(&r->of->pool->stopping, memory_order_relaxed) || is_late(r);
}

static int job_commit(yk_job *job)
{
    running *r = (running *)job;
    if (r->committed)
        return 0;
    if (is_late(r))
        return YK_EJOBTIMEOUT;
    if (atomic_load_explicit(&r->of->pool->stopping, memory_order_relaxed) ||
        !yk__future_commit(&r->of->work.future))
        return is_late(r) ? YK_EJOBTIMEOUT : YK_ECANCELED;
    r->committed = true;
    return 0;
}

static void free_room(running *r)
{
    if (r->job.result && r->job.result != r->of->work.future.inline_result)
        free(r->job.result);
    r->job.result = NULL;
    r->job.result_len = 0;
}

static void *result_room(yk_job *job, size_t len)
{
    running *r = (running *)job;
    free_room(r);
    return len <= YK__INLINE_RESULT ? r->of->work.future.inline_result : malloc(len);
}

/* ---- Running a job -------------------------------------------------------------------------- */

/* The worker's own reference outlives what it publishes. The cancellation of a job that has ended
 * meanwhile may be on its way, and is counted only now: this thread has not left the pool. */
static void end_job(thread *t, yk_future *f, yk_state end, yk_error *error)
{
    bump(&t->at->finished);
    yk__reactor_post_lazily(t->behind ? &t->pool->debt : NULL);
    if (yk__future_settle_held(f, end, error))
        atomic_fetch_add(&t->pool->asks_due, 1);
    yk__reactor_post_lazily(NULL);
}

static void end_failed(thread *t, running *r, int code)
{
    place *at = t->at;
    yk_future *f = &r->of->work.future;
    const char *message = r->job.message[0] ? r->job.message : yk_strerror(code);
    free_room(r);
    bool cancelled = code == YK_ECANCELED;
    bump(cancelled ? &at->cancelled : &at->failed);
    if (code == YK_EJOBTIMEOUT)
        bump(&at->timeouts);
    end_job(t, f, cancelled ? YK_CANCELLED : YK_FAILED, yk__error_new(code, "%s", message));
}

static void end_done(thread *t, running *r)
{
    yk_future *f = &r->of->work.future;
    void *result = r->job.result;
    yk__future_give_result(f, result, r->job.result_len, result == f->inline_result ? NULL : free);
    bump(&t->at->done);
    end_job(t, f, YK_DONE, NULL);
}

void yk__thread_late(const yk__work *work, char *text, size_t size)
{
    char label[YK__NAME_MAX + 8];
    snprintf(text, size, "%s ran longer than its limit of %llu ms", yk__work_label(work, label),
             (unsigned long long)(work->timeout / YK__NS_PER_MS));
}

static int run_function(running *r)
{
    struct yk__work *work = &r->of->work;
    int code = yk__job_run(&r->job, work->fn);
    if (r->committed) {
        if (code != YK_ECANCELED && code != YK_EJOBTIMEOUT)
            return code;
        return yk_job_fail(&r->job, YK_EJOB, YK__GAVE_UP);
    }
    if (is_late(r)) {
        yk__thread_late(work, r->job.message, sizeof r->job.message);
        return YK_EJOBTIMEOUT;
    }
    return code;
}

/* Waits until nobody has borrowed the job, and takes it from their sight: from then on nobody else
 * ends it. False: the borrower has claimed it, and written this thread off. */
static bool take_back(thread *t, thread_job *job)
{
    thread_job *expected = job;
    while (!atomic_compare_exchange_weak_explicit(&t->current, &expected, NULL,
                                                  memory_order_acq_rel, memory_order_relaxed)) {
        if (!expected && yk__future_is_claimed(&job->work.future))
            return false;
        if (!expected)
            sched_yield(); /* it is being looked at; that takes a moment */
        expected = job;
    }
    if (t->poked) {
        t->poked = false;
        sched_yield(); /* a signal that is still on its way arrives in this system call */
    }
    return true;
}

static void begin(thread *t, thread_job *job, running *r)
{
    memset(r, 0, offsetof(struct running, job.message) + 1);
    r->job.arg = job->work.arg;
    r->job.arg_len = job->work.arg_len;
    r->job.worker = t->at->index;
    r->job.room = result_room;
    r->job.cancelled = job_is_cancelled;
    r->job.commit = job_commit;
    r->job.cell = &job->work.progress;
    r->job.stream = job->work.future.stream;
    r->job.ring = yk__stream_ring(job->work.future.stream);
    if (job->work.context)
        yk__context_enter(yk__context_share(job->work.context));
    r->of = job;
    r->committed = false;
    r->deadline = job->work.timeout ? yk_now() + job->work.timeout : YK_FOREVER;
    t->wait_cancelled = false;
    t->running = r;
    yk__meter_begin(&t->at->meter, &job->work);
    atomic_store_explicit(&t->until, r->deadline, memory_order_relaxed);
    if (r->deadline == YK_FOREVER) {
        atomic_store_explicit(&t->current, job, memory_order_release);
    } else {
        atomic_store(&t->current, job);
        yk__monitor_until(t->pool, r->deadline);
    }
}

/* False: this thread has been written off meanwhile. */
static bool run_job(thread *t, thread_job *job)
{
    thread_pool *p = t->pool;
    yk_future *f = &job->work.future;
    if (job->start_by && yk_now() >= job->start_by)
        yk__thread_refuse(job, YK_EEXPIRED, NULL);
    job->on = t;
    if (!yk__future_advance(f, YK_PENDING, YK_RUNNING))
        return true; /* ended; counted by whoever did that */
    bump(&t->at->begun);
    yk__admission_leave(&p->admission);
    yk__monitor_untimed(p, job);
    void **uses = f->uses;
    f->uses = NULL; /* before anybody else may end it */
    running r;
    begin(t, job, &r);
    int code = run_function(&r);
    t->running = NULL;
    yk__context_leave(NULL);
    yk__held_abandon();
    yk__uses_give_back(&uses);
    if (!take_back(t, job)) {
        free_room(&r);
        return false;
    }
    yk__meter_end(&t->at->meter, &p->ex, &job->work, code);
    if (!t->behind && job->queued.class_ != YK__CLASS_HIGH)
        t->behind = yk__tq_will_have_backlog(p); /* more may have come since it was taken */
    if (code)
        end_failed(t, &r, code);
    else
        end_done(t, &r);
    return true;
}

static void say_why(const thread_job *job, int code, const char *message, char *why, size_t size)
{
    char label[YK__NAME_MAX + 8];
    if (code == YK_EEXPIRED)
        snprintf(why, size, "%s did not begin in time", yk__work_label(&job->work, label));
    else if (code == YK_EINIT && !message)
        yk__thread_no_start(job->pool, why, size);
    else
        snprintf(why, size, "%s", message ? message : yk_strerror(code));
}

bool yk__thread_refuse(thread_job *job, int code, const char *message)
{
    yk_future *f = &job->work.future;
    thread_pool *p = job->pool;
    if (!yk__future_claim_pending(f))
        return false;
    yk__never_ran(&job->work, code);
    /* Its pool is kept alive by its workers until it is counted. */
    yk__executor_hold(&p->ex);
    yk__admission_leave(&p->admission);
    yk__monitor_untimed(p, job);
    char why[YK__MESSAGE_MAX + 64] = "";
    say_why(job, code, message, why, sizeof why);
    atomic_fetch_add(&p->asks_due, 1);
    atomic_fetch_add(&p->refused, 1);
    yk__future_publish(f, YK_FAILED, yk__error_new(code, "%s", why));
    atomic_fetch_add(&p->asks_arrived, 1);
    if (atomic_load(&p->closing))
        yk__tq_wake_all(p);
    yk__executor_release(&p->ex);
    return true;
}

void yk__thread_fail_waiting(thread_pool *p, int code, const char *message)
{
    yk__queued *list = yk__tq_take_all(p); /* a callback may submit again */
    while (list) {
        thread_job *job = yk__thread_job_of(list);
        list = list->next;
        yk__thread_refuse(job, code, message);
        yk_future_unref(&job->work.future);
    }
}

/* ---- Starting ------------------------------------------------------------------------------- */

static void *worker_main(void *arg);

static int create_thread(thread *t)
{
    sigset_t mask, before;
    yk__interrupt_mask(&mask);
    yk__interrupt_allow(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, &before);
    int rc = pthread_create(&t->id, NULL, worker_main, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

static place *make_place(thread_pool *p, uint32_t i)
{
    place *at = aligned_alloc(YK__CACHE_LINE, sizeof *at);
    if (!at)
        return NULL;
    memset(at, 0, sizeof *at);
    at->index = i;
    yk__meter_init(&at->meter, &p->ex, i);
    atomic_store_explicit(&p->place[i], at, memory_order_release);
    atomic_store(&p->places, i + 1);
    return at;
}

/* The lowest place that is free, NULL: none, or no memory. */
static place *free_place(thread_pool *p, int *err)
{
    uint32_t places = atomic_load(&p->places), limit = atomic_load(&p->target) + YK__MAX_EXTRA;
    for (uint32_t i = 0; i < places && i < limit; i++)
        if (!p->place[i]->taken)
            return p->place[i];
    place *at = places < limit ? make_place(p, places) : NULL;
    *err = at ? 0 : places < limit ? UV_ENOMEM : UV_EAGAIN;
    return at;
}

static int blocking_begin(yk__blocking *b, uint64_t deadline);
static void blocking_end(yk__blocking *b);
static bool blocking_cancelled(yk__blocking *b);

static thread *thread_new(thread_pool *p, place *at)
{
    thread *t = aligned_alloc(YK__CACHE_LINE, sizeof *t);
    if (!t)
        return NULL;
    memset(t, 0, sizeof *t);
    t->pool = p;
    t->at = at;
    t->state = THREAD_STARTS;
    t->blocking = (yk__blocking){ blocking_begin, blocking_end, blocking_cancelled, 0 };
    return t;
}

static void link_thread(thread_pool *p, thread *t)
{
    t->next = p->threads;
    t->prev = &p->threads;
    if (t->next)
        t->next->prev = &t->next;
    p->threads = t;
}

static void unlink_thread(thread *t)
{
    *t->prev = t->next;
    if (t->next)
        t->next->prev = t->prev;
}

/* Under the lock, which the new thread takes before it does anything. */
static int start_thread(thread_pool *p)
{
    int err = yk__thread_start_error(p);
    place *at = err ? NULL : free_place(p, &err);
    if (!at)
        return err;
    thread *t = thread_new(p, at);
    if (!t)
        return UV_ENOMEM;
    yk__executor_hold(&p->ex);
    err = create_thread(t);
    if (err) {
        yk__executor_release(&p->ex);
        free(t);
        return err;
    }
    link_thread(p, t);
    at->taken = true;
    p->alive++;
    p->threads_started++;
    atomic_fetch_add(&p->serving, 1);
    return 0;
}

static bool is_needed(thread_pool *p)
{
    uint32_t serving = atomic_load(&p->serving);
    if (serving >= atomic_load(&p->target))
        return false;
    /* Read before the jobs, so that these are not too few. */
    uint32_t blocked = atomic_load(&p->blocked);
    return yk__thread_unfinished(p) > (uint64_t)serving + blocked;
}

int yk__thread_start_if_needed(thread_pool *p)
{
    if (!is_needed(p))
        return 0;
    pthread_mutex_lock(&p->lock);
    int err = 0;
    if (is_needed(p)) /* with none, nobody is there to end a late job */
        err = p->over ? YK_ECLOSED : start_thread(p);
    bool served = atomic_load(&p->serving) > 0;
    pthread_mutex_unlock(&p->lock);
    return served ? 0 : err;
}

void yk__thread_start_all_needed(thread_pool *p)
{
    uint64_t before;
    do {
        before = atomic_load(&p->threads_started);
        yk__thread_start_if_needed(p);
    } while (atomic_load(&p->threads_started) != before);
}

/* ---- Waiting inside a job ------------------------------------------------------------------- */

static thread *of_blocking(yk__blocking *b)
{
    return (thread *)((char *)b - offsetof(thread, blocking));
}

/* Under the lock. False: it is written off, and not on the books. */
static bool set_blocked(thread *t, bool blocked)
{
    thread_pool *p = t->pool;
    if (t->state == THREAD_WRITTEN_OFF)
        return false;
    t->blocked = blocked;
    if (blocked) {
        atomic_fetch_sub(&p->serving, 1);
        atomic_fetch_add(&p->blocked, 1);
    } else {
        atomic_fetch_sub(&p->blocked, 1);
        atomic_fetch_add(&p->serving, 1);
    }
    return true;
}

static void blocking_end(yk__blocking *b)
{
    thread *t = of_blocking(b);
    thread_pool *p = t->pool;
    pthread_mutex_lock(&p->lock);
    set_blocked(t, false);
    pthread_mutex_unlock(&p->lock);
    uint32_t target = atomic_load(&p->target);
    if (atomic_load(&p->serving) > target)
        yk__tq_wake_from(p, target); /* the one that stood in for it may leave */
}

/* Where nobody could serve any more, and jobs wait, a wait without end is refused: it might be for
 * one of these. */
static int blocking_begin(yk__blocking *b, uint64_t deadline)
{
    thread *t = of_blocking(b);
    thread_pool *p = t->pool;
    pthread_mutex_lock(&p->lock);
    bool counted = set_blocked(t, true);
    pthread_mutex_unlock(&p->lock);
    if (!counted || !yk__tq_has_work(p) || yk__tq_wake_one(p))
        return 0;
    int err = yk__thread_start_if_needed(p);
    if (!err || deadline != YK_FOREVER)
        return 0;
    blocking_end(b);
    return YK_EDEADLK;
}

static bool blocking_cancelled(yk__blocking *b)
{
    thread *t = of_blocking(b);
    running *r = t->running;
    if (!r || t->wait_cancelled || !job_is_cancelled(&r->job))
        return false;
    t->wait_cancelled = true;
    return true;
}

/* ---- Leaving -------------------------------------------------------------------------------- */

/* Takes the lock. The last thread of a pool that closes waits for what others are about to end: the
 * monitor, a submitter that turns back. */
static void lock_at_the_end(thread_pool *p)
{
    pthread_mutex_lock(&p->lock);
    while (p->alive == 1 && atomic_load(&p->closing) && !yk__thread_may_leave(p)) {
        pthread_mutex_unlock(&p->lock);
        nanosleep(&(struct timespec){ .tv_nsec = MOMENT }, NULL);
        pthread_mutex_lock(&p->lock);
    }
}

/* Off the books; whoever comes last ends the pool. A thread that leaves a pool which is not closing
 * is joined by nobody. */
static void sign_off(thread *t)
{
    thread_pool *p = t->pool;
    yk__trace_worker(&t->at->meter.lane, "worker left", 0);
    yk__meter_gone(&t->at->meter);
    lock_at_the_end(p);
    bool closing = atomic_load(&p->closing), last = --p->alive == 0 && closing;
    p->over |= last;
    t->at->taken = false;
    atomic_store_explicit(&t->at->cpu, 0, memory_order_relaxed);
    if (!closing) {
        unlink_thread(t);
        pthread_detach(t->id);
        free(t);
    }
    pthread_mutex_unlock(&p->lock);
    if (last) {
        yk_future_set_result(p->gone, NULL, 0);
        yk__monitor_ring(p);
    }
    yk__executor_release(&p->ex);
}

static bool are_few(thread_pool *p)
{
    return atomic_load(&p->serving) + atomic_load(&p->blocked) <= p->min_workers;
}

/* Whether it is too many, when it has no job. Under the lock. */
static bool is_surplus(const thread *t, bool idle)
{
    thread_pool *p = t->pool;
    if (t->at->index >= atomic_load(&p->target))
        return yk__thread_is_too_many(p, t->at);
    return idle && !are_few(p);
}

/* Nothing waits, and yet not all is done: somebody is at it (a canceller, a submitter) and counts
 * on the pool, which lives as long as one of its threads does. */
static bool is_counted_on(thread_pool *p, bool has_work)
{
    return p->alive == 1 && !has_work && yk__thread_unfinished(p) > 0;
}

/* Leaves before the pool does, if it may. */
static bool leave_early(thread *t, bool idle)
{
    thread_pool *p = t->pool;
    bool has_work = yk__tq_has_work(p);
    pthread_mutex_lock(&p->lock);
    bool leaves = !atomic_load(&p->closing) && is_surplus(t, idle) &&
                  yk__thread_cancellers_are_done(p) && !is_counted_on(p, has_work);
    if (leaves)
        atomic_fetch_sub(&p->serving, 1);
    pthread_mutex_unlock(&p->lock);
    if (!leaves)
        return false;
    int err = 0;
    if (yk__tq_has_work(p) && !yk__tq_wake_one(p))
        err = yk__thread_start_if_needed(p);
    if (err) { /* there is nobody else */
        pthread_mutex_lock(&p->lock);
        atomic_fetch_add(&p->serving, 1);
        pthread_mutex_unlock(&p->lock);
        return false;
    }
    return true;
}

/* A thread that was written off has come back. */
static void leave_quietly(thread *t)
{
    thread_pool *p = t->pool;
    pthread_mutex_lock(&p->lock); /* until who writes it off has done so: it may just have begun */
    pthread_mutex_unlock(&p->lock);
    atomic_fetch_sub(&p->stuck, 1);
    free(t);
    yk__executor_release(&p->ex);
}

void yk__thread_write_off(thread_pool *p, thread *t)
{
    t->state = THREAD_WRITTEN_OFF;
    unlink_thread(t);
    pthread_detach(t->id);
    atomic_fetch_add(&p->stuck, 1);
    yk__trace_worker(&t->at->meter.lane, "written off", 0);
    yk__meter_gone(&t->at->meter);
    atomic_fetch_sub(t->blocked ? &p->blocked : &p->serving, 1);
    t->at->taken = false;
    p->alive--;
}

/* ---- The thread ----------------------------------------------------------------------------- */

/* One that was idle for long and may not leave sleeps until it is needed. */
static uint64_t sleeps_until(thread_pool *p, bool stays)
{
    return p->idle_timeout == YK_FOREVER || stays ? YK_FOREVER : yk_now() + p->idle_timeout;
}

/* Jobs that come one by one, each when the one before it is done, say nothing of how many tiny ones
 * could be left to one worker. */
static void end_burst(thread *t)
{
    thread_pool *p = t->pool;
    bool single = t->pace.jobs == 1;
    if (t->pace.jobs > 1)
        yk__guard_learn(t, yk__pace_end(&t->pace, &p->recent));
    else if (single)
        yk__pace_end(&t->pace, &p->recent);
    if (single && t->single && yk__guard_pace(p))
        atomic_store_explicit(&p->each, 0, memory_order_relaxed);
    t->single = single;
}

/* False: this thread has been written off meanwhile. */
static bool serve_one(thread *t, thread_job *job, bool more)
{
    if (more)
        yk__guard_call(t->pool);
    if (t->pace.jobs == YK__BURST)
        end_burst(t);
    t->relieved = false;
    yk__pace_job(&t->pace);
    bool ran = run_job(t, job);
    yk_future_unref(&job->work.future);
    return ran;
}

/* Until somebody wakes it; it may have to stand guard first. False: it was idle for too long. */
static bool sleep_idle(thread *t, bool stays)
{
    thread_pool *p = t->pool;
    bool guards = !t->single && !t->relieved && yk__guard_begin(p);
    if (!guards) {
        if (!yk__tq_sleep(p, t->at, sleeps_until(p, stays)))
            return false;
        guards = t->at->guards;
    }
    if (guards)
        t->relieved = !yk__guard_stand(p, t->at);
    return true;
}

static outcome serve(thread *t)
{
    thread_pool *p = t->pool;
    for (bool stays = false;;) {
        bool more, backlog;
        if (t->at->index >= atomic_load_explicit(&p->target, memory_order_relaxed)) {
            yk__doze_pay(&p->debt);
            if (leave_early(t, false))
                return LEFT_EARLY;
        }
        thread_job *job = yk__tq_take(p, &more, &backlog);
        t->behind = backlog && job->queued.class_ != YK__CLASS_HIGH;
        if (!backlog)
            yk__doze_pay(&p->debt);
        if (job) {
            if (!serve_one(t, job, more))
                return WRITTEN_OFF;
            stays = false;
            continue;
        }
        if (yk__spin_look(t))
            continue;
        end_burst(t);
        show_finished(t->at);
        if (yk__thread_may_leave(p)) {
            atomic_fetch_sub(&p->serving, 1);
            return LEAVES;
        }
        bool idle = !sleep_idle(t, stays);
        if (idle && leave_early(t, true))
            return LEFT_EARLY;
        stays = idle && are_few(p);
    }
}

static void *worker_main(void *arg)
{
    thread *t = arg;
    thread_pool *p = t->pool;
    char name[16];
    snprintf(name, sizeof name, "%.10s-%u", p->ex.name, t->at->index);
    pthread_setname_np(pthread_self(), name);
    yk__running_for = &p->ex; /* also for the callbacks of the jobs' futures */
    yk__parker_set_blocking(&t->blocking);
    yk__held_set(&t->held);
    pthread_mutex_lock(&p->lock); /* until whoever started it has put it on the books */
    yk__meter_thread(&t->at->meter);
    if (yk__thread_starts_slowly(p))
        atomic_store_explicit(&t->at->meter.state, YK_WORKER_STARTING, memory_order_relaxed);
    pthread_mutex_unlock(&p->lock);
    outcome end = yk__thread_start(t);
    if (end == SERVES)
        end = serve(t);
    yk__parker_set_blocking(NULL);
    yk__held_set(NULL);
    if (end == LEAVES)
        yk__tq_wake_all(p);
    yk__thread_finalize(t);
    if (end == WRITTEN_OFF)
        leave_quietly(t);
    else
        sign_off(t);
    return NULL;
}
