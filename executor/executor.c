/* What all executors have in common: dispatch, references, failed executors, the running job. */
#include "executor.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "carried.h"
#include "internal.h"
#include "park.h"
#include "uses.h"
#include "wait.h"

_Thread_local yk_executor *yk__running_for;
bool yk__in_worker;

/* ---- Life ----------------------------------------------------------------------------------- */

void yk__executor_init(yk_executor *ex, const yk__executor_ops *ops, const yk_pool_options *options,
                       const char *default_name)
{
    ex->ops = ops;
    atomic_init(&ex->refs, 1);
    atomic_init(&ex->owners, 1);
    ex->error = NULL;
    ex->workers = options ? options->workers : YK_PER_CORE;
    atomic_init(&ex->unmeasured, 0);
    snprintf(ex->name, sizeof ex->name, "%s",
             options && options->name ? options->name : default_name);
}

void yk__executor_hold(yk_executor *ex)
{
    atomic_fetch_add_explicit(&ex->refs, 1, memory_order_relaxed);
}

void yk__executor_release(yk_executor *ex)
{
    /* Release what this holder did; acquire what all others did before freeing. */
    if (atomic_fetch_sub_explicit(&ex->refs, 1, memory_order_acq_rel) == 1)
        ex->ops->free(ex);
}

yk_executor *yk_executor_ref(yk_executor *ex)
{
    atomic_fetch_add_explicit(&ex->owners, 1, memory_order_relaxed);
    yk__executor_hold(ex);
    return ex;
}

void yk_executor_unref(yk_executor *ex)
{
    if (!ex)
        return;
    if (atomic_fetch_sub_explicit(&ex->owners, 1, memory_order_acq_rel) == 1)
        ex->ops->shutdown(ex, &(yk_shutdown_options){ .no_wait = true });
    yk__executor_release(ex);
}

int yk_executor_shutdown_opts(yk_executor *ex, const yk_shutdown_options *options)
{
    static const yk_shutdown_options none;
    if (yk__in_worker)
        return UV_ENOTSUP; /* the executor is in the parent process */
    options = options ? options : &none;
    int err = ex->ops->shutdown(ex, options);
    if (err == UV_ETIMEDOUT && options->stuck)
        yk__stuck_report(ex, options->stuck, options->stuck_size);
    return err;
}

int yk_executor_close(yk_executor *ex)
{
    if (!ex)
        return 0;
    int err = yk_executor_shutdown_opts(ex, NULL);
    yk_executor_unref(ex);
    return err;
}

const yk_error *yk_executor_error(const yk_executor *ex)
{
    return ex->error;
}

bool yk_executor_has_threads(const yk_executor *ex)
{
    return ex->ops->has_threads;
}

yk_future *yk_submit_opts(yk_executor *ex, yk_job_fn fn, const void *arg, size_t len,
                          const yk_job_options *options)
{
    static const yk_job_options none;
    if (!ex || !fn || (len > 0 && !arg))
        return yk__future_failed(UV_EINVAL, "no executor, no function, or no argument where its "
                                            "length says that there is one");
    if (yk__in_worker)
        return yk__future_failed(UV_ENOTSUP, "a job in a worker process cannot submit jobs: the "
                                             "executors are in the parent process");
    options = options ? options : &none;
    if (options->uses && !yk__uses_are_there(options))
        return yk__future_failed(UV_EINVAL, "what the job is to use is no block of the arena");
    return ex->ops->submit(ex, fn, arg, len, options);
}

int yk__worker_count(const yk_pool_options *options, unsigned *workers)
{
    int n = options ? options->workers : YK_PER_CORE;
    if (n < 0 || n > YK__MAX_WORKERS)
        return UV_EINVAL;
    *workers = n == YK_PER_CORE ? (unsigned)yk_cpu_count() : (unsigned)n;
    return 0;
}

int yk_executor_resize(yk_executor *ex, int workers)
{
    unsigned n;
    if (yk__worker_count(&(yk_pool_options){ .workers = workers }, &n))
        return UV_EINVAL;
    if (ex->error)
        return ex->error->code;
    return ex->ops->resize && !yk__in_worker ? ex->ops->resize(ex, n) : UV_ENOTSUP;
}

/* ---- An executor that could not be made ----------------------------------------------------- */

static yk_future *failed_submit(yk_executor *ex, yk_job_fn fn, const void *arg, size_t len,
                                const yk_job_options *options)
{
    (void)fn, (void)arg, (void)len, (void)options;
    return yk__future_failed(ex->error->code, ex->error->message);
}

static int failed_shutdown(yk_executor *ex, const yk_shutdown_options *options)
{
    (void)ex, (void)options;
    return 0;
}

static void failed_stats(yk_executor *ex, yk_executor_stats *stats)
{
    (void)ex, (void)stats;
}

static void failed_free(yk_executor *ex)
{
    yk__error_free(ex->error);
    free(ex);
}

static void failed_free_never(yk_executor *ex)
{
    (void)ex;
}

yk_executor *yk__executor_failed(int code, const char *message)
{
    static const yk__executor_ops ops = { .submit = failed_submit,
                                          .shutdown = failed_shutdown,
                                          .stats = failed_stats,
                                          .free = failed_free };
    static const yk__executor_ops static_ops = { .submit = failed_submit,
                                                 .shutdown = failed_shutdown,
                                                 .stats = failed_stats,
                                                 .free = failed_free_never };
    static yk_error no_memory = { .code = UV_ENOMEM, .message = "not enough memory" };
    static yk_executor without_memory = { .ops = &static_ops, .error = &no_memory };
    yk_executor *ex = malloc(sizeof *ex);
    if (!ex) {
        yk_executor_ref(&without_memory);
        return &without_memory;
    }
    yk__executor_init(ex, &ops, NULL, "failed");
    ex->error = yk__error_new(code, "%s", message ? message : yk_strerror(code));
    return ex;
}

/* ---- What the end of the process waits for -------------------------------------------------- */

static struct lingering {
    struct lingering *next;
    yk_future *future;
} * lingering;
static pid_t lingering_in; /* the process that waits; not one that it forked */
static pthread_mutex_t lingering_lock = PTHREAD_MUTEX_INITIALIZER;

static void wait_for_lingering(void)
{
    if (getpid() != lingering_in || yk__running_for)
        return; /* a child has no such threads; and a job that exits would wait for itself */
    yk__parker_set_task(NULL); /* exit() in a task: no loop will run any more */
    yk__parker_forbid(false);
    for (;;) {
        pthread_mutex_lock(&lingering_lock);
        struct lingering *l = lingering;
        if (l)
            lingering = l->next;
        pthread_mutex_unlock(&lingering_lock);
        if (!l)
            return;
        yk_await(l->future);
        yk_future_unref(l->future);
        free(l);
    }
}

static void forget_ended(void)
{
    for (struct lingering **at = &lingering; *at;) {
        struct lingering *l = *at;
        if (!yk_future_ended(l->future)) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        yk_future_unref(l->future);
        free(l);
    }
}

void yk__linger(yk_future *f)
{
    static bool registered;
    if (yk_future_ended(f))
        return;
    struct lingering *l = malloc(sizeof *l);
    if (!l)
        return;
    pthread_mutex_lock(&lingering_lock);
    lingering_in = getpid();
    if (!registered)
        registered = atexit(wait_for_lingering) == 0;
    forget_ended();
    *l = (struct lingering){ lingering, yk_future_ref(f) };
    lingering = l;
    pthread_mutex_unlock(&lingering_lock);
}

/* ---- Work and the running job
 * -------------------------------------------------------------------- */

void yk__work_init(yk__work *work, const yk__future_ops *ops, yk_job_fn fn,
                   const yk_job_options *options, uint64_t default_timeout_ms)
{
    uint64_t ms = options->timeout_ms ? options->timeout_ms : default_timeout_ms;
    yk__future_init(&work->future, ops);
    work->fn = fn;
    work->arg = NULL;
    work->arg_len = 0;
    work->timeout = ms > UINT64_MAX / 4 / 1000000u ? 0 : ms * 1000000u;
    work->stamped = 0;
    atomic_init(&work->progress.done, 0);
    atomic_init(&work->progress.total, 0);
    atomic_init(&work->live, NULL);
    work->context = yk__context_take();
    work->name[0] = '\0';
    if (options->name)
        snprintf(work->name, sizeof work->name, "%s", options->name);
}

const char *yk__work_label(const yk__work *work, char *buffer)
{
    if (work->name[0] == '\0')
        return "the job";
    snprintf(buffer, YK__NAME_MAX + 8, "job '%s'", work->name);
    return buffer;
}

int yk__job_run(yk_job *job, yk_job_fn fn)
{
    int code = fn(job);
    return code < 0 ? code : 0;
}

void *yk_job_arg(const yk_job *job)
{
    return job->arg_len ? job->arg : NULL;
}

size_t yk_job_arg_len(const yk_job *job)
{
    return job->arg_len;
}

void *yk_job_result(yk_job *job, size_t len)
{
    void *room = job->room(job, len);
    job->result = room;
    job->result_len = room ? len : 0;
    return room;
}

void yk_job_result_trim(yk_job *job, size_t len)
{
    if (len < job->result_len)
        job->result_len = len;
}

int yk_job_return(yk_job *job, const void *result, size_t len)
{
    if (len > 0 && !result)
        return UV_EINVAL;
    if (len == 0) {
        job->result_len = 0;
        return 0;
    }
    const char *from = result, *own = job->result;
    if (own && from >= own && from + len <= own + job->result_len) {
        memmove(job->result, from, len); /* a part of the room that it has */
        job->result_len = len;
        return 0;
    }
    void *room = yk_job_result(job, len);
    if (!room)
        return UV_ENOMEM;
    memcpy(room, result, len);
    return 0;
}

int yk_job_fail(yk_job *job, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(job->message, sizeof job->message, format, args);
    va_end(args);
    return code;
}

bool yk_job_cancelled(const yk_job *job)
{
    return job->cancelled(job);
}

int yk_job_commit(yk_job *job)
{
    return job->commit(job);
}

unsigned yk_job_worker(const yk_job *job)
{
    return job->worker;
}
