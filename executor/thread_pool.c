/* The thread pool.
 *
 * A job's way: submit() pushes it on `inbox`, a stack that anybody adds to without a lock; a worker
 * takes the whole stack, turned round, as the queue `ready`, and jobs from its front. The workers
 * share `ready` under `lock`, which a submitter never takes: a loop that submits is never held up
 * by a worker that lost its CPU. The job's end publishes its future, without a lock either.
 *
 * Sleeping. Each worker sleeps on a word of its own, and says so with its bit in `idle`. A
 * submitter publishes the job, then looks at `idle`; a worker sets its bit, then looks at `inbox`
 * once more; both sequentially consistent, so at least one sees the other. Whoever clears a bit
 * must wake that worker. The lowest bit is taken first, so the same workers stay warm and the
 * others can sleep on. While one worker is on its way (`waking`), submitters do not wake another:
 * the one that comes wakes the next if it finds more than it can do itself. So a burst costs its
 * submitter one system call.
 *
 * Threads are started when more jobs are unfinished than there are workers, and not before.
 *
 * Closing. `received` counts a job before its submitter looks at `closing`, and a worker leaves
 * only when everything received has ended; so no job is pushed to a pool that nobody serves.
 * Whoever lets the number of unfinished jobs fall (a worker, a cancellation, a submitter that turns
 * back) looks at `closing` after it and wakes those who may now leave.
 */
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "internal.h"
#include "meter.h"
#include "park.h"
#include "ring.h"
#include "wait.h"

#define MAX_WORKERS 1024
#define IDLE_WORDS  (MAX_WORKERS / 64)

struct pool;

/* A job in a thread pool; its argument follows. */
struct thread_job {
    yk__work work;
    struct pool *pool;
    struct thread_job *next;
    alignas(max_align_t) unsigned char arg[];
};

/* The counters are written by the worker alone and read by anybody. `finished` is counted before
 * the job's future ends, and sequentially consistent: see Closing above. */
struct worker {
    alignas(YK__CACHE_LINE) _Atomic uint32_t sleeping; /* futex: 1 asleep, 0 awake or woken */
    _Atomic uint64_t finished, begun, done, failed, cancelled, timeouts;
    struct pool *pool;
    unsigned index;
    pthread_t thread;
    yk__meter meter;
};

struct pool {
    yk_executor ex;
    unsigned max_workers;
    uint64_t timeout_ms;
    yk_future *gone; /* ends when the last worker has left after a shutdown */

    alignas(YK__CACHE_LINE) _Atomic(struct thread_job *) inbox;
    _Atomic uint64_t received; /* by submitters */
    _Atomic uint64_t dropped;  /* cancelled before they began */
    _Atomic uint32_t started;  /* threads ever started; workers[0 .. started) exist */
    _Atomic uint32_t alive;    /* threads that have not left */
    _Atomic bool closing;
    _Atomic bool stopping; /* jobs that run are asked to stop */
    _Atomic bool joined;

    alignas(YK__CACHE_LINE) _Atomic uint32_t waking;
    _Atomic uint64_t idle[IDLE_WORDS];

    alignas(YK__CACHE_LINE) pthread_mutex_t lock; /* guards ready, ready_end and starting threads */
    struct thread_job *ready, **ready_end;

    struct worker *workers;
};

static struct pool *pool_of(yk_executor *ex)
{
    return (struct pool *)ex;
}

/* ---- The queue ------------------------------------------------------------------------------ */

static void push(struct pool *p, struct thread_job *job)
{
    job->next = atomic_load_explicit(&p->inbox, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&p->inbox, &job->next, job, memory_order_seq_cst,
                                                  memory_order_relaxed))
        ;
}

/* Moves the inbox behind what is ready, oldest first. Under the lock. */
static void refill(struct pool *p)
{
    if (!atomic_load(&p->inbox))
        return;
    struct thread_job *stack = atomic_exchange_explicit(&p->inbox, NULL, memory_order_acquire);
    struct thread_job *queue = NULL, **end = p->ready_end;
    if (stack)
        p->ready_end = &stack->next; /* the newest will be the last */
    while (stack) {
        struct thread_job *next = stack->next;
        stack->next = queue;
        queue = stack;
        stack = next;
    }
    if (queue)
        *end = queue;
}

static struct thread_job *take_locked(struct pool *p)
{
    if (!p->ready)
        refill(p);
    struct thread_job *job = p->ready;
    if (job) {
        p->ready = job->next;
        if (!p->ready)
            p->ready_end = &p->ready;
    }
    return job;
}

static struct thread_job *take(struct pool *p, bool *more)
{
    pthread_mutex_lock(&p->lock);
    struct thread_job *job = take_locked(p);
    *more = p->ready || atomic_load_explicit(&p->inbox, memory_order_relaxed);
    pthread_mutex_unlock(&p->lock);
    return job;
}

/* ---- Waking --------------------------------------------------------------------------------- */

static struct worker *claim_idle(struct pool *p)
{
    for (unsigned w = 0; w * 64 < p->max_workers; w++) {
        uint64_t bits = atomic_load(&p->idle[w]);
        while (bits) {
            unsigned bit = (unsigned)__builtin_ctzll(bits);
            if (atomic_compare_exchange_weak(&p->idle[w], &bits, bits & (bits - 1)))
                return &p->workers[w * 64 + bit];
        }
    }
    return NULL;
}

static void wake(struct worker *w)
{
    atomic_store_explicit(&w->sleeping, 0, memory_order_release);
    yk__futex_wake(&w->sleeping, 1, false);
}

/* Wakes one worker unless one is on its way already. Whether somebody will come. */
static bool wake_one(struct pool *p)
{
    if (atomic_load(&p->waking) > 0)
        return true;
    struct worker *w = claim_idle(p);
    if (!w)
        return false;
    atomic_fetch_add(&p->waking, 1);
    wake(w);
    return true;
}

static void wake_all(struct pool *p)
{
    struct worker *w;
    while ((w = claim_idle(p)) != NULL) {
        atomic_fetch_add(&p->waking, 1);
        wake(w);
    }
}

static bool idle_bit(struct worker *w, bool set)
{
    _Atomic uint64_t *word = &w->pool->idle[w->index / 64];
    uint64_t bit = (uint64_t)1 << (w->index % 64);
    uint64_t before = set ? atomic_fetch_or(word, bit) : atomic_fetch_and(word, ~bit);
    return (before & bit) != 0;
}

static bool has_work(struct pool *p)
{
    if (atomic_load(&p->inbox))
        return true;
    pthread_mutex_lock(&p->lock);
    bool ready = p->ready != NULL;
    pthread_mutex_unlock(&p->lock);
    return ready;
}

static uint64_t unfinished(struct pool *p)
{
    /* What is subtracted is read first, so the difference is never too small. */
    uint64_t ended = atomic_load(&p->dropped);
    uint32_t started = atomic_load(&p->started);
    for (uint32_t i = 0; i < started; i++)
        ended += atomic_load(&p->workers[i].finished);
    uint64_t received = atomic_load(&p->received);
    return received > ended ? received - ended : 0;
}

static bool may_leave(struct pool *p)
{
    return atomic_load(&p->closing) && unfinished(p) == 0;
}

static void sleep_until_woken(struct worker *w)
{
    struct pool *p = w->pool;
    atomic_store_explicit(&w->sleeping, 1, memory_order_relaxed);
    idle_bit(w, true);
    if ((has_work(p) || may_leave(p)) && idle_bit(w, false))
        return; /* took its own bit back: nobody will wake it */
    while (atomic_load_explicit(&w->sleeping, memory_order_acquire) == 1)
        yk__futex_wait(&w->sleeping, 1, YK_FOREVER, false);
    atomic_fetch_sub(&p->waking, 1);
}

/* ---- Running a job -------------------------------------------------------------------------- */

/* What a running job sees. */
struct running {
    yk_job job;
    struct thread_job *of;
    uint64_t deadline; /* YK_FOREVER: none */
};

static bool job_is_cancelled(const yk_job *job)
{
    const struct running *r = (const struct running *)job;
    return yk_future_cancel_requested(&r->of->work.future) ||
           atomic_load_explicit(&r->of->pool->stopping, memory_order_relaxed) ||
           (r->deadline != YK_FOREVER && yk_now() >= r->deadline);
}

static void free_room(struct running *r)
{
    if (r->job.result && r->job.result != r->of->work.future.inline_result)
        free(r->job.result);
    r->job.result = NULL;
    r->job.result_len = 0;
}

static void *result_room(yk_job *job, size_t len)
{
    struct running *r = (struct running *)job;
    free_room(r);
    return len <= YK__INLINE_RESULT ? r->of->work.future.inline_result : malloc(len);
}

static void bump(_Atomic uint64_t *counter)
{
    /* Only its worker writes it, so no read-modify-write is needed. */
    uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, n + 1, memory_order_release);
}

static void count_finished(struct worker *w)
{
    atomic_store(&w->finished, atomic_load_explicit(&w->finished, memory_order_relaxed) + 1);
}

static void end_failed(struct worker *w, struct running *r, int code)
{
    yk_future *f = &r->of->work.future;
    const char *message = r->job.message[0] ? r->job.message : yk_strerror(code);
    free_room(r);
    bool cancelled = code == YK_ECANCELED;
    bump(cancelled ? &w->cancelled : &w->failed);
    if (code == YK_EJOBTIMEOUT)
        bump(&w->timeouts);
    count_finished(w);
    yk__future_publish(f, cancelled ? YK_CANCELLED : YK_FAILED, yk__error_new(code, "%s", message));
}

static void end_done(struct worker *w, struct running *r)
{
    yk_future *f = &r->of->work.future;
    void *result = r->job.result;
    yk__future_give_result(f, result, r->job.result_len, result == f->inline_result ? NULL : free);
    bump(&w->done);
    count_finished(w);
    yk__future_publish(f, YK_DONE, NULL);
}

static int run_function(struct running *r)
{
    struct yk__work *work = &r->of->work;
    int code = yk__job_run(&r->job, work->fn);
    if (r->deadline != YK_FOREVER && yk_now() >= r->deadline) {
        snprintf(r->job.message, sizeof r->job.message,
                 "the job ran longer than its limit of "
                 "%llu ms",
                 (unsigned long long)(work->timeout / 1000000u));
        return YK_EJOBTIMEOUT;
    }
    return code;
}

static void run_job(struct worker *w, struct thread_job *job)
{
    struct pool *p = w->pool;
    yk_future *f = &job->work.future;
    if (!yk__future_advance(f, YK_PENDING, YK_RUNNING))
        return; /* cancelled; counted by whoever did */
    bump(&w->begun);
    struct running r;
    memset(&r, 0, offsetof(struct running, job.message) + 1);
    r.job.arg = job->work.arg;
    r.job.arg_len = job->work.arg_len;
    r.job.worker = w->index;
    r.job.room = result_room;
    r.job.cancelled = job_is_cancelled;
    r.job.cell = &job->work.progress;
    r.job.stream = f->stream;
    r.job.ring = yk__stream_ring(f->stream);
    r.of = job;
    r.deadline = job->work.timeout ? yk_now() + job->work.timeout : YK_FOREVER;
    yk__meter_begin(&w->meter, &job->work);
    int code = run_function(&r);
    yk__meter_end(&w->meter, &p->ex, &job->work, code);
    if (!yk__future_claim(f))
        free_room(&r);
    else if (code)
        end_failed(w, &r, code);
    else
        end_done(w, &r);
}

/* ---- Workers -------------------------------------------------------------------------------- */

static void leave(struct worker *w)
{
    struct pool *p = w->pool;
    yk__trace_worker(&w->meter.lane, "worker left", 0);
    yk__meter_gone(&w->meter);
    if (atomic_fetch_sub(&p->alive, 1) == 1 && atomic_load(&p->closing))
        yk_future_set_result(p->gone, NULL, 0);
    yk__executor_release(&p->ex);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;
    char name[16];
    snprintf(name, sizeof name, "%.10s-%u", p->ex.name, w->index);
    pthread_setname_np(pthread_self(), name);
    yk__meter_thread(&w->meter);
    yk__running_for = &p->ex; /* also for the callbacks of the jobs' futures */
    for (;;) {
        bool more;
        struct thread_job *job = take(p, &more);
        if (job) {
            if (more)
                wake_one(p);
            run_job(w, job);
            yk_future_unref(&job->work.future);
        } else if (may_leave(p)) {
            break;
        } else {
            sleep_until_woken(w);
        }
    }
    wake_all(p);
    leave(w);
    return NULL;
}

/* With all signals blocked: they are for the program's own threads. */
static int create_thread(struct worker *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&w->thread, NULL, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc ? -rc : 0;
}

/* Under the lock. */
static int start_worker(struct pool *p)
{
    uint32_t i = atomic_load_explicit(&p->started, memory_order_relaxed);
    if (i >= p->max_workers)
        return 0;
    struct worker *w = &p->workers[i];
    w->pool = p;
    w->index = i;
    yk__meter_init(&w->meter, &p->ex, i);
    yk__executor_hold(&p->ex);
    atomic_fetch_add(&p->alive, 1);
    int err = create_thread(w);
    if (err) {
        atomic_fetch_sub(&p->alive, 1);
        yk__executor_release(&p->ex);
        return err;
    }
    atomic_store_explicit(&p->started, i + 1, memory_order_release);
    return 0;
}

/* Starts a thread if there are more jobs than threads. Fails only if there is no thread at all. */
static int start_if_needed(struct pool *p)
{
    uint32_t started = atomic_load_explicit(&p->started, memory_order_acquire);
    if (started >= p->max_workers || unfinished(p) <= started)
        return 0;
    pthread_mutex_lock(&p->lock);
    int err = 0;
    if (atomic_load(&p->started) == started) /* with none, nobody is there to end a late job */
        err = started == 0 && atomic_load(&p->closing) ? YK_ECLOSED : start_worker(p);
    pthread_mutex_unlock(&p->lock);
    return started == 0 ? err : 0;
}

/* ---- Submitting ----------------------------------------------------------------------------- */

/* While the job is not counted as dropped, its pool is kept alive by its workers. */
static void job_dropped(yk_future *f)
{
    struct pool *p = ((struct thread_job *)f)->pool;
    yk__never_ran(&((struct thread_job *)f)->work, YK_ECANCELED);
    yk__executor_hold(&p->ex);
    atomic_fetch_add(&p->dropped, 1);
    if (atomic_load(&p->closing))
        wake_all(p);
    yk__executor_release(&p->ex);
}

static void job_free(yk_future *f)
{
    free(f);
}

static const yk__future_ops job_ops = { .dropped = job_dropped, .free = job_free, .job = true };

static struct thread_job *job_new(struct pool *p, yk_job_fn fn, const void *arg, size_t len,
                                  const yk_job_options *options)
{
    if (len > SIZE_MAX / 2)
        return NULL;
    struct thread_job *job = malloc(sizeof *job + len);
    if (!job)
        return NULL;
    yk__work_init(&job->work, &job_ops, fn, options, p->timeout_ms);
    if (yk__stream_open(&job->work, options, false)) {
        free(job);
        return NULL;
    }
    /* The caller's and the queue's; nobody else knows of it yet. */
    atomic_store_explicit(&job->work.future.refs, 2, memory_order_relaxed);
    yk__stamp(&p->ex, &job->work);
    job->pool = p;
    if (len > 0) {
        memcpy(job->arg, arg, len);
        job->work.arg = job->arg;
        job->work.arg_len = len;
    }
    return job;
}

static yk_future *pool_submit(yk_executor *ex, yk_job_fn fn, const void *arg, size_t len,
                              const yk_job_options *options)
{
    struct pool *p = pool_of(ex);
    struct thread_job *job = job_new(p, fn, arg, len, options);
    if (!job)
        return yk__future_failed(UV_ENOMEM, NULL);
    yk_future *f = &job->work.future;
    atomic_fetch_add(&p->received, 1);
    int err = atomic_load(&p->closing) ? YK_ECLOSED : start_if_needed(p);
    if (err) {
        atomic_fetch_sub(&p->received, 1);
        if (err == YK_ECLOSED)
            wake_all(p);
        yk__stream_release(f->stream);
        free(job);
        return yk__future_failed(err, NULL);
    }
    push(p, job);
    wake_one(p);
    return f;
}

/* ---- Ending --------------------------------------------------------------------------------- */

static void cancel_pending(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    refill(p);
    struct thread_job *list = p->ready;
    p->ready = NULL;
    p->ready_end = &p->ready;
    pthread_mutex_unlock(&p->lock);
    while (list) {
        struct thread_job *next = list->next;
        yk_future_cancel(&list->work.future);
        yk_future_unref(&list->work.future);
        list = next;
    }
}

static void join_all(struct pool *p)
{
    if (atomic_exchange(&p->joined, true))
        return;
    uint32_t started = atomic_load_explicit(&p->started, memory_order_acquire);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(p->workers[i].thread, NULL);
}

/* The first call: from here on no thread starts, and those that are idle leave. */
static void begin_closing(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    bool first = !atomic_exchange(&p->closing, true);
    bool nobody = atomic_load(&p->alive) == 0;
    pthread_mutex_unlock(&p->lock);
    if (first && nobody)
        yk_future_set_result(p->gone, NULL, 0);
    wake_all(p);
}

static int pool_shutdown(yk_executor *ex, const yk_shutdown_options *options)
{
    struct pool *p = pool_of(ex);
    begin_closing(p);
    if (options->cancel_running)
        atomic_store(&p->stopping, true);
    if (options->cancel_pending || options->cancel_running)
        cancel_pending(p);
    if (options->no_wait) {
        yk__linger(p->gone);
        return 0;
    }
    if (yk__running_for == ex)
        return YK_EDEADLK;
    int err = yk_await_until(p->gone, options->deadline ? options->deadline : YK_FOREVER);
    if (!err)
        join_all(p);
    return err;
}

static void pool_stats(yk_executor *ex, yk_executor_stats *s)
{
    struct pool *p = pool_of(ex);
    uint64_t begun = 0, dropped = atomic_load(&p->dropped);
    s->started = atomic_load_explicit(&p->started, memory_order_acquire);
    s->workers = atomic_load(&p->alive);
    for (uint32_t i = 0; i < s->started; i++) {
        struct worker *w = &p->workers[i];
        s->done += atomic_load_explicit(&w->done, memory_order_acquire);
        s->failed += atomic_load_explicit(&w->failed, memory_order_acquire);
        s->cancelled += atomic_load_explicit(&w->cancelled, memory_order_acquire);
        s->timeouts += atomic_load_explicit(&w->timeouts, memory_order_acquire);
        begun += atomic_load_explicit(&w->begun, memory_order_acquire);
        yk__histogram_read(&w->meter.wait, &s->wait);
        yk__histogram_read(&w->meter.run, &s->run);
    }
    s->received = atomic_load(&p->received);
    s->running = begun - s->done - s->failed - s->cancelled;
    s->cancelled += dropped;
    s->pending = s->received - s->running - s->done - s->failed - s->cancelled;
}

static size_t pool_workers(yk_executor *ex, yk_worker_stats *rows, size_t max)
{
    struct pool *p = pool_of(ex);
    uint32_t n = atomic_load_explicit(&p->started, memory_order_acquire);
    for (uint32_t i = 0; i < n && i < max; i++) {
        yk__meter_read(&p->workers[i].meter, false, &rows[i]);
        rows[i].jobs = atomic_load(&p->workers[i].finished);
    }
    return n;
}

static void pool_free(yk_executor *ex)
{
    struct pool *p = pool_of(ex);
    uint32_t started = atomic_load_explicit(&p->started, memory_order_acquire);
    if (!atomic_load(&p->joined))
        for (uint32_t i = 0; i < started; i++)
            pthread_detach(p->workers[i].thread);
    struct thread_job *job;
    while ((job = take_locked(p)) != NULL)
        yk_future_unref(&job->work.future); /* cancelled, and nobody came by to take it out */
    pthread_mutex_destroy(&p->lock);
    yk_future_unref(p->gone);
    free(p->workers);
    free(p);
}

static const yk__executor_ops pool_ops = { .submit = pool_submit,
                                           .shutdown = pool_shutdown,
                                           .stats = pool_stats,
                                           .free = pool_free,
                                           .workers = pool_workers };

static struct pool *pool_alloc(unsigned workers)
{
    struct pool *p = aligned_alloc(YK__CACHE_LINE, sizeof *p);
    struct worker *w = aligned_alloc(YK__CACHE_LINE, workers * sizeof *w);
    yk_future *gone = yk_future_new();
    if (!p || !w || !gone) {
        free(p);
        free(w);
        yk_future_unref(gone);
        return NULL;
    }
    memset(p, 0, sizeof *p);
    memset(w, 0, workers * sizeof *w);
    p->workers = w;
    p->gone = gone;
    yk_future_set_running(gone); /* a task that is cancelled while it awaits the end ends nothing */
    return p;
}

yk_executor *yk_thread_pool_new(const yk_pool_options *options)
{
    static const yk_pool_options none;
    options = options ? options : &none;
    unsigned workers;
    if (yk__worker_count(options, &workers))
        return yk__executor_failed(UV_EINVAL, "the number of workers must lie between 0 and 1024");
    struct pool *p = pool_alloc(workers);
    if (!p)
        return yk__executor_failed(UV_ENOMEM, NULL);
    yk__executor_init(&p->ex, &pool_ops, options, "yoke");
    p->max_workers = workers;
    p->timeout_ms = options->job_timeout_ms;
    p->ready_end = &p->ready;
    pthread_mutex_init(&p->lock, NULL);
    return &p->ex;
}
