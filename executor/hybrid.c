/* The hybrid executor: each job goes where its kind belongs. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "internal.h"
#include "worker_spec.h"

enum { PARTS = YK__PARTS };

struct hybrid {
    yk_executor ex;
    struct recipe {
        yk_pool_options options;
        yk__worker_spec *spec; /* what options.worker points to; NULL: nothing */
        unsigned workers;
    } threads, processes;
    pthread_mutex_t lock; /* for making a part: once each */
    _Atomic bool closing;
    _Atomic(yk_executor *) parts[PARTS]; /* release when made */
};

static struct hybrid *hybrid_of(yk_executor *ex)
{
    return (struct hybrid *)ex;
}

static const struct recipe *recipe_of(const struct hybrid *h, yk_job_kind kind)
{
    return kind == YK_ISOLATED ? &h->processes : &h->threads;
}

static int workers_of(const struct hybrid *h, yk_job_kind kind)
{
    unsigned workers = recipe_of(h, kind)->workers;
    if (kind != YK_BLOCKING)
        return (int)workers;
    return workers > 256 ? 1024 : 4 * (int)workers;
}

static yk_executor *make_part(struct hybrid *h, yk_job_kind kind)
{
    yk_pool_options options = recipe_of(h, kind)->options;
    options.name = h->ex.name;
    options.workers = workers_of(h, kind);
    /* Made by whoever needs it first, it must not depend on that one's loop. */
    return kind == YK_ISOLATED ? yk__process_pool_make(&options, true)
                               : yk_thread_pool_new(&options);
}

/* Under the lock. A part that could not be made is not kept: the next job may have more luck. */
static yk_executor *first_use(struct hybrid *h, yk_job_kind kind, yk_future **refused)
{
    if (atomic_load(&h->closing)) {
        *refused = yk__future_failed(YK_ECLOSED, NULL);
        return NULL;
    }
    yk_executor *ex = make_part(h, kind);
    const yk_error *error = yk_executor_error(ex);
    if (error) {
        *refused = yk__future_failed(error->code, error->message);
        yk_executor_unref(ex);
        return NULL;
    }
    atomic_store_explicit(&h->parts[kind], ex, memory_order_release);
    return ex;
}

/* NULL, and a future that says why. */
static yk_executor *part(struct hybrid *h, yk_job_kind kind, yk_future **refused)
{
    yk_executor *ex = atomic_load_explicit(&h->parts[kind], memory_order_acquire);
    if (ex)
        return ex;
    pthread_mutex_lock(&h->lock);
    ex = atomic_load_explicit(&h->parts[kind], memory_order_relaxed);
    if (!ex)
        ex = first_use(h, kind, refused);
    pthread_mutex_unlock(&h->lock);
    return ex;
}

static yk_future *hybrid_submit(yk_executor *ex, yk_job_fn fn, const void *arg, size_t len,
                                const yk_job_options *options)
{
    if ((unsigned)options->kind >= PARTS)
        return yk__future_failed(UV_EINVAL, "no such kind of job");
    yk_future *refused = NULL;
    yk_executor *to = part(hybrid_of(ex), options->kind, &refused);
    return to ? yk_submit_opts(to, fn, arg, len, options) : refused;
}

static int hybrid_shutdown(yk_executor *ex, const yk_shutdown_options *options)
{
    struct hybrid *h = hybrid_of(ex);
    pthread_mutex_lock(&h->lock);
    atomic_store(&h->closing, true);
    pthread_mutex_unlock(&h->lock);
    /* All begin to close before one is waited for. */
    yk_shutdown_options begin = *options;
    begin.no_wait = true;
    int err = 0;
    for (int k = 0; k < PARTS; k++)
        if (h->parts[k])
            yk_executor_shutdown_opts(h->parts[k], &begin);
    for (int k = 0; k < PARTS && !err && !options->no_wait; k++)
        if (h->parts[k])
            err = yk_executor_shutdown_opts(h->parts[k], options);
    return err;
}

static void hybrid_stats(yk_executor *ex, yk_executor_stats *sum)
{
    for (int k = 0; k < PARTS; k++) {
        yk_executor *to = hybrid_of(ex)->parts[k];
        yk_executor_stats s;
        if (!to)
            continue;
        yk_executor_get_stats(to, &s);
        yk__stats_add(sum, &s);
    }
}

static const char *const part_names[PARTS] = { "cpu", "blocking", "isolated" };

static size_t hybrid_workers(yk_executor *ex, yk_worker_stats *rows, size_t max)
{
    size_t n = 0;
    for (int k = 0; k < PARTS; k++) {
        yk_executor *to = atomic_load_explicit(&hybrid_of(ex)->parts[k], memory_order_acquire);
        if (!to)
            continue;
        size_t first = n < max ? n : max;
        n += yk_executor_workers(to, rows ? rows + first : NULL, max - first);
        for (size_t i = first; i < n && i < max; i++)
            rows[i].part = part_names[k];
    }
    return n;
}

static size_t hybrid_parts(yk_executor *ex, yk_executor **parts, const char **names)
{
    size_t n = 0;
    for (int k = 0; k < PARTS; k++) {
        parts[n] = atomic_load_explicit(&hybrid_of(ex)->parts[k], memory_order_acquire);
        names[n] = part_names[k];
        n += parts[n] != NULL;
    }
    return n;
}

/* Every part that can; those that are yet to be made will have the new size. */
static int hybrid_resize(yk_executor *ex, unsigned workers)
{
    struct hybrid *h = hybrid_of(ex);
    int err = 0;
    pthread_mutex_lock(&h->lock);
    h->threads.workers = h->processes.workers = workers;
    for (int k = 0; k < PARTS && !err; k++)
        if (h->parts[k] && h->parts[k]->ops->resize)
            err = yk_executor_resize(h->parts[k], workers_of(h, (yk_job_kind)k));
    pthread_mutex_unlock(&h->lock);
    return err;
}

static void hybrid_free(yk_executor *ex)
{
    struct hybrid *h = hybrid_of(ex);
    for (int k = 0; k < PARTS; k++)
        yk_executor_unref(h->parts[k]);
    pthread_mutex_destroy(&h->lock);
    free(h->threads.spec);
    free(h->processes.spec);
    free(h);
}

static const yk__executor_ops hybrid_ops = { .submit = hybrid_submit,
                                             .shutdown = hybrid_shutdown,
                                             .stats = hybrid_stats,
                                             .free = hybrid_free,
                                             .workers = hybrid_workers,
                                             .parts = hybrid_parts,
                                             .resize = hybrid_resize,
                                             .has_threads = true };

/* NULL, or what is wrong with them. UV_ENOMEM is left in *err. */
static const char *take_recipe(struct recipe *r, const yk_pool_options *options, int *err)
{
    static const yk_pool_options none;
    options = options ? options : &none;
    *err = UV_EINVAL;
    if (yk__worker_count(options, &r->workers))
        return "the number of workers must lie between 0 and 1024";
    const char *invalid = yk__worker_options_invalid(&options->worker);
    if (invalid)
        return invalid;
    *err = yk__worker_spec_copy(&options->worker, malloc, &r->spec);
    if (*err)
        return yk_strerror(UV_ENOMEM);
    r->options = *options;
    if (r->spec)
        r->options.worker = r->spec->options;
    return NULL;
}

static yk_executor *hybrid_new(const yk_pool_options *threads, const yk_pool_options *processes)
{
    struct hybrid *h = calloc(1, sizeof *h);
    if (!h)
        return yk__executor_failed(UV_ENOMEM, NULL);
    int err;
    const char *wrong = take_recipe(&h->threads, threads, &err);
    if (!wrong)
        wrong = take_recipe(&h->processes, processes, &err);
    if (wrong) {
        free(h->threads.spec);
        free(h);
        return yk__executor_failed(err, wrong);
    }
    yk__executor_init(&h->ex, &hybrid_ops, threads, "hybrid");
    pthread_mutex_init(&h->lock, NULL);
    return &h->ex;
}

yk_executor *yk__hybrid_with(const yk_pool_options *threads, const yk_pool_options *processes,
                             yk_executor *isolated)
{
    yk_executor *ex = hybrid_new(threads, processes);
    if (ex->error)
        yk_executor_unref(isolated);
    else if (isolated)
        atomic_store_explicit(&hybrid_of(ex)->parts[YK_ISOLATED], isolated, memory_order_release);
    return ex;
}

yk_executor *yk_hybrid_new(const yk_pool_options *options)
{
    return yk__hybrid_with(options, options, NULL);
}
