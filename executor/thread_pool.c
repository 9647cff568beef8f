/* The thread pool as any thread sees it: submit, cancel, shut down, statistics.
 *
 * A job is queued first, then threads are started for it or woken (thread_queue.c says how that
 * misses nobody). A pool for which no thread can be started at all fails the job.
 *
 * Closing. `received` counts a job before its submitter looks at `closing`, and a worker leaves
 * only when everything received has ended; so no job is pushed to a pool that nobody serves.
 * Whoever lets the number of unfinished jobs fall (a worker, the monitor, a cancellation, a
 * submitter that turns back) looks at `closing` after it and wakes those who may now leave.
 */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "carried.h"
#include "reactor.h"
#include "ring.h"
#include "thread_pool.h"
#include "uses.h"
#include "wait.h"
#include "worker_spec.h"

#define DEFAULT_GRACE_MS 2000

/* ---- Cancelling ----------------------------------------------------------------------------- */

/* Of one that runs. Its pool is there until this has been counted as arrived. */
static void job_cancel(yk_future *f)
{
    thread_pool *p = ((thread_job *)f)->pool;
    yk__executor_hold(&p->ex);
    if (f->stream)
        yk__stream_close(f->stream, YK_ECANCELED);
    yk__monitor_asked(p, (thread_job *)f);
    atomic_fetch_add(&p->asks_arrived, 1);
    if (atomic_load(&p->closing))
        yk__tq_wake_all(p);
    yk__executor_release(&p->ex);
}

/* While the job is not counted as dropped, its pool is kept alive by its workers. */
static void job_dropped(yk_future *f)
{
    thread_job *job = (thread_job *)f;
    thread_pool *p = job->pool;
    yk__never_ran(&job->work, YK_ECANCELED);
    yk__executor_hold(&p->ex);
    yk__admission_leave(&p->admission);
    yk__monitor_untimed(p, job);
    atomic_fetch_add(&p->dropped, 1);
    if (atomic_load(&p->closing))
        yk__tq_wake_all(p);
    yk__executor_release(&p->ex);
}

static void job_free(yk_future *f)
{
    thread_job *job = (thread_job *)f;
    if (job->work.context)
        yk__context_unref(job->work.context);
    yk__thread_job_free(job);
}

static const yk__future_ops job_ops = {
    .cancel = job_cancel,
    .dropped = job_dropped,
    .free = job_free,
    .job = true,
    .runner = "threads",
};

/* ---- Submitting ----------------------------------------------------------------------------- */

static thread_job *job_new(thread_pool *p, yk_job_fn fn, const void *arg, size_t len,
                           const yk_job_options *options)
{
    if (len > SIZE_MAX / 2)
        return NULL;
    thread_job *job = yk__thread_job_alloc(len);
    if (!job)
        return NULL;
    yk__work_init(&job->work, &job_ops, fn, options, p->timeout_ms);
    if (yk__uses_take(&job->work, options) ||
        (options->stream && yk__stream_open(&job->work, options, false))) {
        yk__uses_give_back(&job->work.future.uses);
        job_free(&job->work.future);
        return NULL;
    }
    /* The caller's and the queue's; nobody else knows of it yet. */
    atomic_store_explicit(&job->work.future.refs, 2, memory_order_relaxed);
    yk__stamp(&p->ex, &job->work);
    yk__queued_init(&job->queued, options->priority);
    job->pool = p;
    job->start_by = options->start_by == YK_FOREVER ? 0 : options->start_by;
    job->timed = NULL;
    job->timed_out = false;
    if (len > 0) {
        job->work.arg = len > sizeof job->small ? job->arg : job->small;
        memcpy(job->work.arg, arg, len);
        job->work.arg_len = len;
    }
    return job;
}

static yk_future *turn_back(thread_pool *p, thread_job *job, int err)
{
    yk__admission_leave(&p->admission);
    if (job) {
        yk__stream_release(job->work.future.stream);
        yk__uses_give_back(&job->work.future.uses);
        job_free(&job->work.future);
    }
    return yk__future_failed(err, NULL);
}

/* It stays in the queue, of which it is taken as one that has ended; and is not counted, if that is
 * for want of memory or of threads. */
static void refuse(thread_pool *p, thread_job *job, int err)
{
    if (!yk__thread_refuse(job, err, NULL) || err == YK_EINIT)
        return;
    atomic_fetch_sub(&p->refused,
                     1); /* first: what is unfinished may seem too many, never too few */
    atomic_fetch_sub(&p->received, 1);
    if (atomic_load(&p->closing))
        yk__tq_wake_all(p);
}

/* An initializer has failed: jobs that would only fill the queue until it is tried again. NULL:
 * they may come. */
static yk_future *not_now(thread_pool *p)
{
    char message[YK__MESSAGE_MAX + 64];
    int err = yk__thread_no_start(p, message, sizeof message);
    if (!err || atomic_load(&p->closing))
        return NULL;
    atomic_fetch_add(&p->received, 1); /* first: see refuse() */
    atomic_fetch_add(&p->refused, 1);
    if (atomic_load(&p->closing))
        yk__tq_wake_all(p);
    yk__admission_leave(&p->admission);
    return yk__future_failed(err, message);
}

static yk_future *pool_submit(yk_executor *ex, yk_job_fn fn, const void *arg, size_t len,
                              const yk_job_options *options)
{
    thread_pool *p = yk__thread_pool_of(ex);
    if (atomic_load(&p->closing)) /* who tries again and again must not hold up those who leave */
        return yk__future_failed(YK_ECLOSED, NULL);
    int err = yk__admission_enter(&p->admission, options);
    if (err)
        return yk__admission_refused(err);
    yk_future *failed =
        atomic_load_explicit(&p->life.failing, memory_order_relaxed) ? not_now(p) : NULL;
    if (failed)
        return failed;
    thread_job *job = job_new(p, fn, arg, len, options);
    if (!job)
        return turn_back(p, NULL, UV_ENOMEM);
    yk_future *f = &job->work.future;
    atomic_fetch_add(&p->received, 1);
    if (atomic_load(&p->closing)) {
        atomic_fetch_sub(&p->received, 1);
        yk__tq_wake_all(p);
        return turn_back(p, job, YK_ECLOSED);
    }
    if (job->start_by)
        yk__monitor_timed(p, job);
    yk__tq_push(p, job);
    if (atomic_load(&p->serving) < atomic_load(&p->target))
        err = yk__thread_start_if_needed(p);
    if (err)
        refuse(p, job, err);
    else
        yk__guard_call(p);
    yk__reactor *r = yk__reactor_current();
    if (r && r->submitted_in != r->turns)
        yk__spin_submitter(p, r);
    return f;
}

/* ---- Ending --------------------------------------------------------------------------------- */

static void cancel_pending(thread_pool *p)
{
    yk__queued *list = yk__tq_take_all(p);
    while (list) {
        yk_future *f = &yk__thread_job_of(list)->work.future;
        list = list->next;
        yk_future_cancel(f);
        yk_future_unref(f);
    }
}

static thread *take_threads(thread_pool *p)
{
    pthread_mutex_lock(&p->lock);
    thread *list = p->threads;
    p->threads = NULL;
    pthread_mutex_unlock(&p->lock);
    return list;
}

/* All have left; what remains of them is joined, or left to itself. */
static void part_with_threads(thread_pool *p, bool join)
{
    for (thread *t = take_threads(p), *next; t; t = next) {
        next = t->next;
        if (join)
            pthread_join(t->id, NULL);
        else
            pthread_detach(t->id);
        free(t);
    }
    if (!atomic_load(&p->monitor.started))
        return;
    if (join)
        pthread_join(p->monitor.id, NULL);
    else
        pthread_detach(p->monitor.id);
}

/* The first call: from here on those that are idle leave. */
static void begin_closing(thread_pool *p)
{
    pthread_mutex_lock(&p->lock);
    bool first = !atomic_exchange(&p->closing, true);
    /* A canceller that is late comes where a thread was written off, and then there is a monitor,
     * which sees to the end. */
    bool nobody = first && p->alive == 0 && yk__thread_cancellers_are_done(p);
    p->over |= nobody;
    pthread_mutex_unlock(&p->lock);
    if (nobody)
        yk_future_set_result(p->gone, NULL, 0);
    if (first)
        yk__monitor_ring(p);
    yk__admission_close(&p->admission);
    yk__tq_wake_all(p);
}

static int pool_shutdown(yk_executor *ex, const yk_shutdown_options *options)
{
    thread_pool *p = yk__thread_pool_of(ex);
    begin_closing(p);
    /* First what waits: or else a thread whose job gives up begins one more. */
    if (options->cancel_pending || options->cancel_running)
        cancel_pending(p);
    if (options->cancel_running && !atomic_exchange(&p->stopping, true))
        yk__monitor_stop(p);
    if (options->no_wait) {
        yk__linger(p->gone);
        return 0;
    }
    if (yk__running_for == ex)
        return YK_EDEADLK;
    int err = yk_await_until(p->gone, options->deadline ? options->deadline : YK_FOREVER);
    if (!err && !atomic_exchange(&p->joined, true))
        part_with_threads(p, true);
    return err;
}

static void pool_free(yk_executor *ex)
{
    thread_pool *p = yk__thread_pool_of(ex);
    if (!atomic_load(&p->joined))
        part_with_threads(p, false);
    for (yk__queued *q = yk__tq_take_all(p), *next; q; q = next) {
        next = q->next; /* it has ended, and nobody came by to take it out */
        yk_future_unref(&yk__thread_job_of(q)->work.future);
    }
    yk__monitor_destroy(&p->monitor);
    yk__thread_life_destroy(p);
    yk__admission_destroy(&p->admission);
    pthread_mutex_destroy(&p->lock);
    yk_future_unref(p->gone);
    for (uint32_t i = 0; i < YK__MAX_PLACES && p->place[i]; i++)
        free(p->place[i]);
    free(p);
}

/* ---- Statistics ----------------------------------------------------------------------------- */

static void count_place(const place *at, yk_executor_stats *s, uint64_t *begun)
{
    s->done += atomic_load_explicit(&at->done, memory_order_acquire);
    s->failed += atomic_load_explicit(&at->failed, memory_order_acquire);
    s->cancelled += atomic_load_explicit(&at->cancelled, memory_order_acquire);
    s->timeouts += atomic_load_explicit(&at->timeouts, memory_order_acquire);
    *begun += atomic_load_explicit(&at->begun, memory_order_acquire);
    yk__histogram_read(&at->meter.wait, &s->wait);
    yk__histogram_read(&at->meter.run, &s->run);
}

static void pool_stats(yk_executor *ex, yk_executor_stats *s)
{
    thread_pool *p = yk__thread_pool_of(ex);
    uint64_t begun = 0, dropped = atomic_load(&p->dropped), refused = atomic_load(&p->refused);
    s->timeouts = atomic_load(&p->lost_timeouts);
    s->failed = atomic_load(&p->lost_failed);
    s->cancelled = atomic_load(&p->lost_cancelled);
    s->stuck = atomic_load(&p->stuck);
    uint32_t places = atomic_load(&p->places);
    for (uint32_t i = 0; i < places; i++)
        count_place(atomic_load_explicit(&p->place[i], memory_order_acquire), s, &begun);
    s->running = begun - s->done - s->failed - s->cancelled;
    s->failed += refused;
    s->cancelled += dropped;
    s->received = atomic_load(&p->received);
    uint64_t accounted = s->running + s->done + s->failed + s->cancelled;
    s->pending = s->received > accounted ? s->received - accounted : 0;
    s->started = atomic_load_explicit(&p->threads_started, memory_order_relaxed);
    s->restarts = s->started > places ? s->started - places : 0;
    s->workers = atomic_load_explicit(&p->alive, memory_order_relaxed);
}

static size_t pool_workers(yk_executor *ex, yk_worker_stats *rows, size_t max)
{
    thread_pool *p = yk__thread_pool_of(ex);
    uint32_t n = atomic_load(&p->places);
    for (uint32_t i = 0; i < n && i < max; i++) {
        const place *at = atomic_load_explicit(&p->place[i], memory_order_acquire);
        yk__meter_read(&at->meter, false, &rows[i]);
        rows[i].jobs = atomic_load(&at->finished);
    }
    return n;
}

/* ---- Making --------------------------------------------------------------------------------- */

static const yk__executor_ops pool_ops = { .submit = pool_submit,
                                           .shutdown = pool_shutdown,
                                           .stats = pool_stats,
                                           .free = pool_free,
                                           .workers = pool_workers,
                                           .resize = yk__thread_pool_resize,
                                           .has_threads = true };

static thread_pool *pool_alloc(void)
{
    thread_pool *p = aligned_alloc(YK__CACHE_LINE, sizeof *p);
    yk_future *gone = yk_future_new();
    if (!p || !gone) {
        free(p);
        yk_future_unref(gone);
        return NULL;
    }
    memset(p, 0, sizeof *p);
    p->gone = gone;
    yk_future_set_running(gone); /* a task that is cancelled while it awaits the end ends nothing */
    return p;
}

static void pool_dealloc(thread_pool *p)
{
    if (p)
        yk_future_unref(p->gone);
    free(p);
}

static uint64_t nanoseconds(uint64_t ms, uint64_t if_zero)
{
    ms = ms ? ms : if_zero;
    return ms < YK_FOREVER / YK__NS_PER_MS ? ms * YK__NS_PER_MS : YK_FOREVER;
}

yk_executor *yk_thread_pool_new(const yk_pool_options *options)
{
    static const yk_pool_options none;
    options = options ? options : &none;
    unsigned workers;
    if (yk__worker_count(options, &workers))
        return yk__executor_failed(UV_EINVAL, "the number of workers must lie between 0 and 1024");
    const char *invalid = yk__worker_options_invalid(&options->worker);
    if (invalid)
        return yk__executor_failed(UV_EINVAL, invalid);
    thread_pool *p = pool_alloc();
    if (!p || yk__thread_life_init(p, &options->worker)) {
        pool_dealloc(p);
        return yk__executor_failed(UV_ENOMEM, NULL);
    }
    yk__executor_init(&p->ex, &pool_ops, options, "yoke");
    atomic_init(&p->target, workers);
    p->timeout_ms = options->job_timeout_ms;
    p->grace = nanoseconds(options->kill_grace_ms, DEFAULT_GRACE_MS);
    yk__admission_init(&p->admission, &p->ex, options->queue_limit);
    yk__spin_init(p, options->spin_us);
    yk__monitor_init(&p->monitor);
    pthread_mutex_init(&p->lock, NULL);
    return &p->ex;
}
