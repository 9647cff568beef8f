/* The shared pool's client as any thread sees it: see shared_pool.h. */
#include "shared_pool.h"

#include <stdlib.h>
#include <string.h>

#include "../../executor/carried.h"
#include "shared_pool_internal.h"

static yk__shared_pool *pool_of(yk_executor *ex)
{
    return (yk__shared_pool *)ex;
}

int yk__shared_post(yk__shared_pool *p, yk__post *post)
{
    int err = yk__loop_enter(p->loop);
    if (err)
        return err;
    yk__reactor_post(p->reactor, post);
    yk__loop_leave(p->loop);
    return 0;
}

void yk__shared_order(yk__shared_pool *p, uint32_t orders)
{
    atomic_fetch_or(&p->orders, orders);
    if (atomic_exchange(&p->order_posted, true))
        return;
    yk__executor_hold(&p->ex); /* the post's */
    p->order_post.run = yk__shared_obey;
    if (yk__shared_post(p, &p->order_post)) {
        atomic_store(&p->order_posted, false);
        yk__executor_release(&p->ex);
    }
}

/* ---- Jobs ------------------------------------------------------------------------------------ */

static void submit_posted(yk__post *post)
{
    yk__shared_accept((yk__shared_job *)((char *)post - offsetof(yk__shared_job, post)));
}

static void cancel_posted(yk__post *post)
{
    yk__shared_job *job = (yk__shared_job *)((char *)post - offsetof(yk__shared_job, post));
    yk__shared_cancel(job);
    yk_future_unref(&job->work.future);
}

static void cancel_asked(yk_future *f)
{
    yk__shared_job *job = (yk__shared_job *)f;
    if (yk__shared_on_driver(job->pool)) {
        yk__shared_cancel(job);
        return;
    }
    yk_future_ref(f);
    job->post.run = cancel_posted;
    if (yk__shared_post(job->pool, &job->post))
        yk_future_unref(f); /* the loop is gone, and so is the job */
}

static void job_dropped(yk_future *f)
{
    yk__shared_job *job = (yk__shared_job *)f;
    yk__shared_pool *p = job->pool;
    yk__never_ran(&job->work, YK_ECANCELED);
    if (job->admitted)
        yk__admission_leave(&p->admission);
    job->admitted = false;
    atomic_fetch_add_explicit(&p->dropped, 1, memory_order_release);
    if (atomic_load(&p->closing))
        yk__shared_order(p, 0);
}

static void job_free(yk_future *f)
{
    yk__shared_job *job = (yk__shared_job *)f;
    yk__shared_pool *p = job->pool;
    yk__context_unref(job->work.context);
    free(job);
    yk__executor_release(&p->ex);
}

static const yk__future_ops job_ops = { .cancel = cancel_asked,
                                        .dropped = job_dropped,
                                        .free = job_free,
                                        .job = true,
                                        .runner = "the shared pool" };

/* ---- Their streams --------------------------------------------------------------------------- */

static void feeder_changed(yk__feeder *feeder)
{
    yk__shared_feeder *f = (yk__shared_feeder *)feeder;
    if (atomic_load_explicit(&f->over, memory_order_relaxed) || atomic_exchange(&f->posted, true))
        return;
    yk__stream_hold(f->stream); /* and with it the feeder */
    f->post.run = yk__shared_feeder_run;
    if (yk__shared_post(f->pool, &f->post))
        yk__stream_release(f->stream);
}

static void feeder_free(yk__feeder *feeder)
{
    yk__shared_feeder *f = (yk__shared_feeder *)feeder;
    yk__shared_pool *p = f->pool;
    free(f);
    yk__executor_release(&p->ex);
}

static int give_stream(yk__shared_job *job, const yk_job_options *options)
{
    if (options->stream == 0)
        return 0;
    /* What the job has emitted when it ends is sent without waiting: see pool_server.c. */
    yk_job_options twice = { .stream = 2 * (options->stream + YK__RECORD_HEAD) };
    yk__shared_feeder *f = calloc(1, sizeof *f);
    if (!f || yk__stream_open(&job->work, &twice, false)) {
        free(f);
        return UV_ENOMEM;
    }
    *f = (yk__shared_feeder){ .feeder = { feeder_changed, feeder_free },
                              .pool = job->pool,
                              .stream = job->work.future.stream,
                              .number = YK__NO_NUMBER };
    yk__executor_hold(&job->pool->ex);
    yk__stream_set_feeder(f->stream, &f->feeder);
    return 0;
}

/* ---- Submitting ------------------------------------------------------------------------------ */

static void job_unmake(yk__shared_job *job)
{
    yk__shared_pool *p = job->pool;
    yk__stream_release(job->work.future.stream);
    yk__context_unref(job->work.context);
    free(job);
    yk__executor_release(&p->ex);
}

static void fill_frame(yk__shared_job *job, const yk_job_options *options)
{
    yk__context *c = job->work.context;
    uint64_t limit = options->timeout_ms ? options->timeout_ms : job->pool->timeout_ms;
    job->frame = (yk__submit_frame){ .fn = (uint64_t)(uintptr_t)job->work.fn,
                                     .timeout_ms = limit,
                                     .start_by = options->start_by,
                                     .stream = options->stream,
                                     .context_len = c ? yk__context_size(c) : 0,
                                     .retries = options->retries,
                                     .priority = options->priority };
    memcpy(job->frame.name, job->work.name, sizeof job->frame.name);
}

static yk__shared_job *job_new(yk__shared_pool *p, yk_job_fn fn, const void *arg, size_t len,
                               const yk_job_options *options)
{
    yk__shared_job *job = malloc(sizeof *job + len);
    if (!job)
        return NULL;
    yk__work_init(&job->work, &job_ops, fn, options, p->timeout_ms);
    /* The caller's and the driver's. */
    atomic_store_explicit(&job->work.future.refs, 2, memory_order_relaxed);
    yk__executor_hold(&p->ex);
    job->pool = p;
    job->admitted = yk__admission_bounded(&p->admission);
    job->number = YK__NO_NUMBER;
    job->begun = false;
    job->began = 0;
    if (give_stream(job, options)) {
        job_unmake(job);
        return NULL;
    }
    yk__stamp(&p->ex, &job->work);
    job->work.arg = job->arg;
    job->work.arg_len = len;
    if (len > 0)
        memcpy(job->arg, arg, len);
    fill_frame(job, options);
    return job;
}

static const char *refusal(size_t len, const yk_job_options *options, int *err)
{
    if (options->uses && options->uses[0]) {
        *err = UV_ENOTSUP;
        return "jobs of the shared pool cannot use the arena, which each process has for itself";
    }
    if (len <= YK__FRAME_MOST && options->stream <= YK__FRAME_MOST)
        return NULL;
    *err = YK_ETOOBIG;
    return "an argument or a stream of the shared pool has at most 1 GiB";
}

static yk_future *shared_submit(yk_executor *ex, yk_job_fn fn, const void *arg, size_t len,
                                const yk_job_options *options)
{
    yk__shared_pool *p = pool_of(ex);
    int err = 0;
    const char *why = refusal(len, options, &err);
    if (why)
        return yk__future_failed(err, why);
    err = yk__admission_enter(&p->admission, options);
    if (err)
        return yk__admission_refused(err);
    yk__shared_job *job = NULL;
    if (atomic_load(&p->closing))
        err = YK_ECLOSED;
    else if (!(job = job_new(p, fn, arg, len, options)))
        err = UV_ENOMEM;
    if (!err && !yk__shared_on_driver(p)) {
        job->post.run = submit_posted;
        atomic_fetch_add(&p->received, 1);
        err = yk__shared_post(p, &job->post);
        if (err)
            atomic_fetch_sub(&p->received, 1);
    } else if (!err) {
        atomic_fetch_add(&p->received, 1);
        yk__shared_accept(job);
    }
    if (!err)
        return &job->work.future;
    yk__admission_leave(&p->admission);
    if (job)
        job_unmake(job);
    return yk__future_failed(err, NULL);
}

/* ---- Shutting down, statistics, life --------------------------------------------------------- */

static int shared_shutdown(yk_executor *ex, const yk_shutdown_options *options)
{
    yk__shared_pool *p = pool_of(ex);
    atomic_store(&p->closing, true);
    yk__admission_close(&p->admission);
    uint32_t all = YK__SHARED_CANCEL_PENDING | YK__SHARED_CANCEL_RUNNING;
    yk__shared_order(p, options->cancel_running   ? all
                        : options->cancel_pending ? YK__SHARED_CANCEL_PENDING
                                                  : 0);
    if (options->no_wait)
        return 0;
    return yk_await_until(p->gone, options->deadline ? options->deadline : YK_FOREVER);
}

static void shared_stats(yk_executor *ex, yk_executor_stats *s)
{
    yk__shared_pool *p = pool_of(ex);
    /* Against the way that jobs go, so that none is counted twice. */
    s->done = atomic_load_explicit(&p->done, memory_order_acquire);
    s->failed = atomic_load_explicit(&p->failed, memory_order_acquire);
    s->cancelled = atomic_load_explicit(&p->cancelled, memory_order_acquire) +
                   atomic_load_explicit(&p->dropped, memory_order_acquire);
    s->running = atomic_load_explicit(&p->running, memory_order_acquire);
    s->timeouts = atomic_load_explicit(&p->timeouts, memory_order_relaxed);
    yk__histogram_read(&p->meter.wait, &s->wait);
    yk__histogram_read(&p->meter.run, &s->run);
    s->received = atomic_load(&p->received);
    uint64_t accounted = s->done + s->failed + s->cancelled + s->running;
    s->pending = s->received > accounted ? s->received - accounted : 0;
}

static void shared_free(yk_executor *ex)
{
    yk__shared_pool *p = pool_of(ex);
    yk_future_unref(p->gone);
    yk__admission_destroy(&p->admission);
    yk_loop_unref(p->loop);
    free(p->jobs);
    free(p->free_numbers);
    free(p);
}

static const yk__executor_ops shared_ops = {
    .submit = shared_submit, .shutdown = shared_shutdown, .stats = shared_stats, .free = shared_free
};

static yk__shared_pool *shared_alloc(yk_loop *loop, const yk__pool_door *door,
                                     const yk_pool_options *options)
{
    size_t size = (sizeof(yk__shared_pool) + YK__CACHE_LINE - 1) & ~(size_t)(YK__CACHE_LINE - 1);
    yk__shared_pool *p = aligned_alloc(YK__CACHE_LINE, size);
    yk_future *gone = yk_future_new();
    if (!p || !gone) {
        free(p);
        yk_future_unref(gone);
        return NULL;
    }
    memset(p, 0, sizeof *p);
    yk__executor_init(&p->ex, &shared_ops, options, "shared");
    yk__admission_init(&p->admission, &p->ex, options->queue_limit);
    yk__meter_init(&p->meter, &p->ex, 0);
    p->loop = yk_loop_ref(loop);
    p->reactor = &loop->reactor;
    p->door = *door;
    p->timeout_ms = options->job_timeout_ms;
    p->gone = gone;
    yk_future_set_running(gone); /* a task that is cancelled while it awaits the end ends nothing */
    return p;
}

yk_executor *yk__shared_pool_new(const yk__pool_door *door, const yk_pool_options *options)
{
    static const yk_pool_options none;
    yk_loop *loop = yk_loop_current();
    if (!loop)
        return yk__executor_failed(UV_EINVAL, "the shared pool needs the loop of its thread");
    yk__shared_pool *p = shared_alloc(loop, door, options ? options : &none);
    int err = p ? yk__shared_start(p) : UV_ENOMEM;
    if (!err)
        return &p->ex;
    if (p)
        shared_free(&p->ex);
    return yk__executor_failed(err, NULL);
}
