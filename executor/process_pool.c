/* The process pool as any thread sees it: submit, cancel, shut down, statistics. */
#include "process_pool.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "arena.h"
#include "arena_internal.h"
#include "carried.h"
#include "init.h"
#include "park.h"
#include "process_terms.h"
#include "ring.h"
#include "uses.h"
#include "wait.h"

#define DEFAULT_GRACE (250 * YK__MS)
#define LONGEST_GRACE (UINT64_MAX / 4)

static struct process_pool *pool_of(yk_executor *ex)
{
    return (struct process_pool *)ex;
}

static bool on_driver(const struct process_pool *p)
{
    return yk__reactor_current() == p->reactor;
}

/* ---- The gate ------------------------------------------------------------------------------- */

static bool enter(struct process_pool *p)
{
    if (atomic_load(&p->gate) & YK__GATE_CLOSED)
        return false; /* those who try again and again must not hold up the one who closes it */
    if (!(atomic_fetch_add(&p->gate, 1) & YK__GATE_CLOSED))
        return true;
    atomic_fetch_sub(&p->gate, 1);
    return false;
}

static void leave(struct process_pool *p)
{
    atomic_fetch_sub(&p->gate, 1);
}

/* ---- Jobs ----------------------------------------------------------------------------------- */

static void cancel_asked(yk_future *f);

void yk__pool_unqueued(process_job *job)
{
    job->admitted = false;
    yk__admission_leave(&job->pool->admission);
}

static void job_dropped(yk_future *f)
{
    process_job *job = (process_job *)f;
    yk__never_ran(&job->work, YK_ECANCELED);
    atomic_fetch_add_explicit(&job->pool->dropped, 1, memory_order_release);
    if (job->admitted)
        yk__pool_unqueued(job);
    if (on_driver(job->pool) && yk__pool_holds(job))
        yk__pool_let_go(job);
}

/* Memory for a job comes from where the last one ended, if that was on the driver's thread: no
 * lock, no locked counter, and it is still in the cache. AddressSanitizer is to see jobs that are
 * used when they are gone. */
#ifdef __SANITIZE_ADDRESS__
#define KEEPS_MEMORY false
#else
#define KEEPS_MEMORY true
#endif
#define MOST_SPARE 1024u
#define SPARE_ARG  64u /* bytes of an argument that fit into kept memory */

static bool keep_for_next(struct process_pool *p, process_job *job)
{
    if (!job->may_be_kept || !on_driver(p) || p->finished || p->n_spare >= MOST_SPARE)
        return false;
    job->next = p->spare;
    p->spare = job;
    p->n_spare++;
    return true;
}

void yk__pool_drop_spare(struct process_pool *p)
{
    while (p->spare) {
        process_job *job = p->spare;
        p->spare = job->next;
        free(job);
        yk__executor_release(&p->ex);
    }
    p->n_spare = 0;
}

/* Memory for a job with `inside` bytes of argument in it, and a reference to the executor. */
static process_job *job_memory(struct process_pool *p, size_t inside)
{
    process_job *job;
    if (inside <= SPARE_ARG && on_driver(p) && p->spare) {
        job = p->spare;
        p->spare = job->next;
        p->n_spare--;
        return job;
    }
    job = malloc(sizeof *job + (inside < SPARE_ARG ? SPARE_ARG : inside));
    if (job) {
        job->may_be_kept = KEEPS_MEMORY && inside <= SPARE_ARG;
        yk__executor_hold(&p->ex);
    }
    return job;
}

static void job_free(yk_future *f)
{
    process_job *job = (process_job *)f;
    struct process_pool *p = job->pool;
    if (job->block)
        yk_arena_free(job->block);
    if (job->work.context)
        yk__context_unref(job->work.context);
    if (job->terms)
        free(job->terms);
    if (keep_for_next(p, job))
        return;
    free(job);
    yk__executor_release(&p->ex);
}

static const yk__future_ops job_ops = { .cancel = cancel_asked,
                                        .dropped = job_dropped,
                                        .free = job_free,
                                        .job = true,
                                        .runner = "processes" };

static int give_stream(process_job *job, const yk_job_options *options)
{
    job->ring_page = 0;
    if (options->stream == 0)
        return 0;
    int err = yk__stream_open(&job->work, options, true);
    if (!err)
        job->ring_page = yk__arena_page(yk__stream_ring(job->work.future.stream));
    return err;
}

/* How much room argument and context take, and the context into that room. */
static size_t total_size(size_t len, const yk__context *context)
{
    bool sane = len <= SIZE_MAX / 2;
    return context && sane ? yk__context_behind(len) + yk__context_size(context) : len;
}

void yk__pool_put_context(process_job *job)
{
    char *behind = (char *)job->block + yk__context_behind(job->work.arg_len);
    yk__context_put(job->work.context, behind);
}

static void job_unmake(struct process_pool *p, process_job *job, void *block)
{
    yk__stream_release(job->work.future.stream);
    yk__uses_give_back(&job->work.future.uses);
    yk_arena_free(block);
    yk__context_unref(job->work.context);
    free(job);
    yk__executor_release(&p->ex);
}

static process_job *job_new(struct process_pool *p, yk_job_fn fn, const void *arg, size_t len,
                            const yk_job_options *options)
{
    yk__context *context = *yk__parker_context(); /* which yk__work_init will find there, too */
    bool fits = len <= YK__SLOT_INLINE && !context;
    void *block = fits ? NULL : yk_arena_alloc(total_size(len, context));
    process_job *job = fits || block ? job_memory(p, fits ? len : 0) : NULL;
    if (!job) {
        yk_arena_free(block);
        return NULL;
    }
    yk__work_init(&job->work, &job_ops, fn, options, p->timeout_ms);
    /* The caller's and the driver's. */
    atomic_store_explicit(&job->work.future.refs, 2, memory_order_relaxed);
    yk__stamp(&p->ex, &job->work);
    if (yk__uses_take(&job->work, options) || give_stream(job, options)) {
        job_unmake(p, job, block);
        return NULL;
    }
    job->pool = p;
    job->block = block;
    job->admitted = yk__admission_bounded(&p->admission);
    job->on = NULL;
    job->told = NULL;
    job->terms = NULL;
    yk__queued_init(&job->place, options->priority);
    if (yk__terms_asked(options) && !(job->terms = yk__terms_new(job, options, arg, len))) {
        job_unmake(p, job, block);
        return NULL;
    }
    job->work.arg = block ? block : job->arg;
    job->work.arg_len = len;
    if (len > 0)
        memcpy(job->work.arg, arg, len);
    if (context)
        yk__pool_put_context(job);
    return job;
}

/* ---- Submitting and cancelling -------------------------------------------------------------- */

static process_job *of_post(yk__post *post)
{
    return (process_job *)((char *)post - offsetof(process_job, post));
}

static void submit_posted(yk__post *post)
{
    yk__pool_accept(of_post(post)->pool, of_post(post));
}

/* From another thread, which is inside the gate. */
static yk_future *submit_from_outside(struct process_pool *p, process_job *job)
{
    job->post.run = submit_posted;
    yk__reactor_post(p->reactor, &job->post);
    return &job->work.future;
}

static yk_future *submit_on_driver(struct process_pool *p, process_job *job)
{
    yk__pool_accept(p, job);
    return &job->work.future;
}

/* Permits are given back by the driver. One that dozes has not seen yet what has ended. */
static int admit(struct process_pool *p, const yk_job_options *options)
{
    if (yk__admission_full(&p->admission) && !on_driver(p) && enter(p)) {
        yk__reactor_wake(p->reactor);
        leave(p);
    }
    return yk__admission_enter(&p->admission, options);
}

static yk_future *pool_submit(yk_executor *ex, yk_job_fn fn, const void *arg, size_t len,
                              const yk_job_options *options)
{
    struct process_pool *p = pool_of(ex);
    int err = admit(p, options); /* before the gate: it may wait long */
    if (err)
        return yk__admission_refused(err);
    bool here = on_driver(p); /* the driver never enters the gate: it is the one who closes it */
    if (!here && !enter(p)) {
        yk__admission_leave(&p->admission);
        return yk__future_failed(YK_ECLOSED, NULL);
    }
    yk_future *f;
    process_job *job = NULL;
    if (atomic_load(&p->closing))
        f = yk__future_failed(YK_ECLOSED, NULL);
    else if (!(job = job_new(p, fn, arg, len, options)))
        f = yk__future_failed(UV_ENOMEM, NULL);
    else if (here)
        yk__pool_count(&p->received_here, 1);
    else
        atomic_fetch_add_explicit(&p->received, 1, memory_order_relaxed);
    if (job)
        f = here ? submit_on_driver(p, job) : submit_from_outside(p, job);
    else
        yk__admission_leave(&p->admission);
    if (!here)
        leave(p);
    return f;
}

/* On the driver: a job that is in a ring is taken back, or asked to stop. */
static void cancel_now(process_job *job)
{
    struct process_pool *p = job->pool;
    remote *r = job->on;
    if (!r) { /* it came back to the queue, or has ended */
        if (yk__pool_holds(job))
            yk__pool_fail_job(job, YK_ECANCELED, "cancelled before it began");
        else if (yk__future_claim(&job->work.future))
            yk__pool_end_failed(job, YK_ECANCELED, "cancelled before it began", NULL);
        return;
    }
    if (yk__remote_withdraw(r, job)) {
        yk__pool_left_ring(p, r, job);
        yk__pool_fail_job(job, YK_ECANCELED, "cancelled before it began");
    } else {
        /* Those before it have ended, though perhaps unnoticed; perhaps so has it. */
        yk__remote_drain(r);
        if (job->on == r)
            yk__remote_stop_job(r, YK_ECANCELED);
    }
    yk__pool_moved(p);
}

static void cancel_posted(yk__post *post)
{
    process_job *job = of_post(post);
    cancel_now(job);
    yk_future_unref(&job->work.future);
}

static void cancel_asked(yk_future *f)
{
    process_job *job = (process_job *)f;
    struct process_pool *p = job->pool;
    if (on_driver(p)) {
        cancel_now(job);
        return;
    }
    if (!enter(p))
        return; /* the pool is finished, and so is this job */
    yk_future_ref(f);
    job->post.run = cancel_posted;
    yk__reactor_post(p->reactor, &job->post);
    leave(p);
}

/* ---- Telling of begins ---------------------------------------------------------------------- */

void yk__process_pool_tell(yk_executor *ex, void (*began)(void *told))
{
    pool_of(ex)->began = began;
}

void yk__pool_tell_begin(process_job *job)
{
    job->pool->began(job->told);
}

void yk__process_job_tell(yk_future *f, void *told)
{
    process_job *job = (process_job *)f;
    if (f->ops != &job_ops)
        return; /* it was refused */
    job->told = told;
    if (yk_future_state(f) == YK_RUNNING)
        yk__pool_tell_begin(job);
}

/* ---- Shutting down -------------------------------------------------------------------------- */

static void give_orders(struct process_pool *p, uint32_t orders)
{
    atomic_fetch_or(&p->orders, orders);
    if (atomic_exchange(&p->order_posted, true))
        return;
    if (!on_driver(p) && !enter(p)) {
        atomic_store(&p->order_posted, false);
        return;
    }
    yk__executor_hold(&p->ex);
    p->order_post.run = yk__pool_obey;
    yk__reactor_post(p->reactor, &p->order_post);
    if (!on_driver(p))
        leave(p);
}

static void join_driver(struct process_pool *p)
{
    if (p->own_thread && !atomic_exchange(&p->joined, true))
        pthread_join(p->thread, NULL);
}

static int pool_shutdown(yk_executor *ex, const yk_shutdown_options *options)
{
    struct process_pool *p = pool_of(ex);
    atomic_store(&p->closing, true);
    yk__admission_close(&p->admission);
    give_orders(p, YK__CLOSE | (options->cancel_pending ? YK__CANCEL_PENDING : 0u) |
                       (options->cancel_running ? YK__CANCEL_RUNNING : 0u));
    if (options->no_wait) {
        if (p->own_thread)
            yk__linger(p->gone);
        return 0;
    }
    int err = yk_await_until(p->gone, options->deadline ? options->deadline : YK_FOREVER);
    if (!err)
        join_driver(p);
    return err;
}

static void pool_free(yk_executor *ex)
{
    struct process_pool *p = pool_of(ex);
    if (p->own_thread && !atomic_load(&p->joined))
        pthread_detach(p->thread);
    yk_future_unref(p->gone);
    yk__admission_destroy(&p->admission);
    yk__pool_life_free(p);
    yk__pool_free_slots(p);
    yk__pool_free_meters(p);
    free(p);
}

static void pool_stats(yk_executor *ex, yk_executor_stats *s)
{
    struct process_pool *p = pool_of(ex);
    /* Against the way that jobs go, so that none is counted twice. */
    s->done = atomic_load_explicit(&p->done, memory_order_acquire);
    s->failed = atomic_load_explicit(&p->failed, memory_order_acquire);
    s->cancelled = atomic_load_explicit(&p->cancelled, memory_order_acquire) +
                   atomic_load_explicit(&p->dropped, memory_order_acquire);
    s->running = atomic_load_explicit(&p->running, memory_order_acquire);
    s->timeouts = atomic_load_explicit(&p->timeouts, memory_order_relaxed);
    s->crashed = atomic_load_explicit(&p->crashed, memory_order_relaxed);
    s->started = atomic_load_explicit(&p->started, memory_order_relaxed);
    s->workers = atomic_load_explicit(&p->alive, memory_order_relaxed);
    s->restarts = atomic_load_explicit(&p->restarts, memory_order_relaxed);
    s->killed = atomic_load_explicit(&p->killed, memory_order_relaxed);
    unsigned n = atomic_load_explicit(&p->n_meters, memory_order_acquire);
    for (unsigned i = 0; i < n; i++) {
        yk__histogram_read(&p->meters[i].wait, &s->wait);
        yk__histogram_read(&p->meters[i].run, &s->run);
    }
    s->received = atomic_load(&p->received) + atomic_load(&p->received_here);
    uint64_t accounted = s->done + s->failed + s->cancelled + s->running;
    s->pending = s->received > accounted ? s->received - accounted : 0;
}

static int pool_resize(yk_executor *ex, unsigned workers)
{
    struct process_pool *p = pool_of(ex);
    if (atomic_load(&p->closing))
        return YK_ECLOSED;
    atomic_store(&p->wanted_workers, workers);
    give_orders(p, YK__RESIZE);
    return 0;
}

static const yk__executor_ops pool_ops = { .submit = pool_submit,
                                           .shutdown = pool_shutdown,
                                           .stats = pool_stats,
                                           .free = pool_free,
                                           .workers = yk__pool_workers,
                                           .resize = pool_resize };

static uint64_t grace_of(const yk_pool_options *options)
{
    uint64_t ms = options->kill_grace_ms;
    if (ms == 0)
        return DEFAULT_GRACE;
    return ms > LONGEST_GRACE / YK__MS ? LONGEST_GRACE : ms * YK__MS;
}

static struct process_pool *pool_alloc(const yk_pool_options *options, unsigned workers)
{
    struct process_pool *p = calloc(1, sizeof *p);
    yk_future *gone = yk_future_new();
    if (!p || !gone || yk__pool_make_slots(p, workers)) {
        free(p);
        yk_future_unref(gone);
        return NULL;
    }
    p->gone = gone;
    yk_future_set_running(gone); /* a task that is cancelled while it awaits the end ends nothing */
    p->max_workers = workers;
    p->timeout_ms = options->job_timeout_ms;
    p->grace = grace_of(options);
    p->spin = options->spin_us < 1000000 ? (uint32_t)options->spin_us * 1000 : 1000000000;
    p->cpus = (unsigned)yk_cpu_count();
    p->may_spin = p->cpus > 1;
    p->zygote.fd = -1;
    yk__executor_init(&p->ex, &pool_ops, options, "worker");
    yk__admission_init(&p->admission, &p->ex, options->queue_limit);
    if (yk__pool_make_meters(p)) {
        pool_free(&p->ex);
        return NULL;
    }
    return p;
}

yk_executor *yk_process_pool_new(const yk_pool_options *options)
{
    return yk__process_pool_make(options, false);
}

yk_executor *yk__process_pool_make(const yk_pool_options *options, bool own_driver)
{
    static const yk_pool_options none;
    options = options ? options : &none;
    unsigned workers;
    if (yk__worker_count(options, &workers))
        return yk__executor_failed(UV_EINVAL, "the number of workers must lie between 0 and 1024");
    if (yk__in_worker)
        return yk__executor_failed(UV_ENOTSUP, "a worker process cannot have workers of its own");
    const char *invalid = yk__worker_options_invalid(&options->worker);
    if (invalid)
        return yk__executor_failed(UV_EINVAL, invalid);
    int err = yk_init();
    if (err)
        return yk__executor_failed(err, NULL);
    struct process_pool *p = pool_alloc(options, workers);
    if (p)
        p->own_driver = own_driver;
    err = p ? yk__pool_life_init(p, &options->worker) : UV_ENOMEM;
    if (!err)
        err = yk__pool_attach(p);
    if (!err)
        return &p->ex;
    if (p) {
        p->own_thread = false;
        pool_free(&p->ex);
    }
    return yk__executor_failed(err, NULL);
}
