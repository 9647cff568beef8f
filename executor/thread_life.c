/* How a pool's threads start and end where its options say something about it (worker_options.h),
 * and how many there may be.
 *
 * A thread that is starting serves already, as far as others can see: jobs may wait for it. When
 * its initializer has failed it stops to serve and leaves. If nobody serves then, all that waits
 * has failed; a submitter queues its job first and looks who serves then, both sequentially
 * consistent, so a job is failed by one of the two. Until `retry_at` no other thread is started.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#include "thread_pool.h"
#include "worker_spec.h"

#define FIRST_BACKOFF   (10 * YK__NS_PER_MS)
#define LONGEST_BACKOFF (1000 * YK__NS_PER_MS)

/* ---- What the pool keeps -------------------------------------------------------------------- */

int yk__thread_life_init(thread_pool *p, const yk_worker_options *options)
{
    thread_life *l = &p->life;
    l->policy = sched_getscheduler(0);
    if (l->policy >= 0 && (l->policy & SCHED_RESET_ON_FORK))
        l->policy = SCHED_OTHER; /* what the maker has is not for others */
    l->nice = getpriority(PRIO_PROCESS, 0);
    if (sched_getparam(0, &l->param))
        l->policy = -1;
    l->cpus_known = sched_getaffinity(0, sizeof l->cpus, &l->cpus) == 0;
    p->min_workers = (unsigned)options->min_workers;
    uint64_t ms = options->idle_timeout_ms;
    p->idle_timeout = ms == 0 || ms > YK_FOREVER / YK__NS_PER_MS ? YK_FOREVER : ms * YK__NS_PER_MS;
    return yk__worker_spec_copy(options, malloc, &l->spec);
}

void yk__thread_life_destroy(thread_pool *p)
{
    free(p->life.spec);
}

/* ---- Starting ------------------------------------------------------------------------------- */

/* What it is not allowed to change stays. */
void yk__thread_like_the_maker(const thread_pool *p)
{
    const thread_life *l = &p->life;
    cpu_set_t cpus;
    if (l->policy >= 0 && sched_getscheduler(0) != l->policy)
        sched_setscheduler(0, l->policy, &l->param);
    if (l->cpus_known && !sched_getaffinity(0, sizeof cpus, &cpus) && !CPU_EQUAL(&cpus, &l->cpus))
        sched_setaffinity(0, sizeof l->cpus, &l->cpus);
    if (getpriority(PRIO_PROCESS, 0) != l->nice)
        setpriority(PRIO_PROCESS, 0, l->nice);
}

static int initialize(thread *t)
{
    const yk__worker_spec *spec = t->pool->life.spec;
    if (!spec)
        return 0;
    if (spec->options.arg_len > 0) {
        t->arg = malloc(spec->options.arg_len);
        if (!t->arg)
            return UV_ENOMEM;
        memcpy(t->arg, spec->options.arg, spec->options.arg_len);
    }
    return yk__worker_initialize(spec, t->arg);
}

bool yk__thread_starts_slowly(const thread_pool *p)
{
    return p->life.spec && p->life.spec->options.initializer;
}

/* False: it has been written off. */
static bool has_started(thread *t)
{
    thread_life *l = &t->pool->life;
    pthread_mutex_lock(&t->pool->lock);
    bool there = t->state != THREAD_WRITTEN_OFF;
    if (there) {
        t->state = THREAD_SERVES;
        l->failures = 0;
        atomic_store_explicit(&l->failing, false, memory_order_relaxed);
        atomic_store_explicit(&t->at->meter.state, YK_WORKER_IDLE, memory_order_relaxed);
    }
    pthread_mutex_unlock(&t->pool->lock);
    return there;
}

static void back_off(thread_life *l, const char *message)
{
    uint64_t wait = FIRST_BACKOFF << (l->failures < 7 ? l->failures : 7);
    l->failures++;
    l->retry_at = yk_now() + (wait < LONGEST_BACKOFF ? wait : LONGEST_BACKOFF);
    snprintf(l->message, sizeof l->message, "%s", message);
    atomic_store_explicit(&l->failing, true, memory_order_relaxed);
}

/* False: it has been written off. */
static bool has_failed(thread *t, const char *message)
{
    thread_pool *p = t->pool;
    pthread_mutex_lock(&p->lock);
    bool there = t->state != THREAD_WRITTEN_OFF, nobody = false;
    back_off(&p->life, message);
    if (there) {
        t->state = THREAD_FAILED;
        nobody = atomic_fetch_sub(&p->serving, 1) == 1;
    }
    uint64_t retry_at = p->life.retry_at;
    pthread_mutex_unlock(&p->lock);
    if (nobody)
        yk__thread_fail_waiting(p, YK_EINIT, message);
    else
        yk__monitor_until(p, retry_at);
    return there;
}

outcome yk__thread_start(thread *t)
{
    const thread_life *l = &t->pool->life;
    char message[sizeof l->message];
    yk__thread_like_the_maker(t->pool);
    int err = yk__worker_schedule_from(l->spec, l->nice);
    if (!err)
        err = initialize(t);
    if (!err)
        return has_started(t) ? SERVES : WRITTEN_OFF;
    free(t->arg);
    t->arg = NULL;
    t->failed = true;
    snprintf(message, sizeof message, "a worker could not start: %s",
             err == UV_ENOMEM ? yk_strerror(err) : yk__worker_complaint());
    yk__log("%s", message);
    return has_failed(t, message) ? LEFT_EARLY : WRITTEN_OFF;
}

int yk__thread_start_error(thread_pool *p)
{
    thread_life *l = &p->life;
    return l->failures > 0 && yk_now() < l->retry_at ? YK_EINIT : 0;
}

int yk__thread_no_start(thread_pool *p, char *message, size_t size)
{
    pthread_mutex_lock(&p->lock);
    int err = atomic_load(&p->serving) == 0 ? yk__thread_start_error(p) : 0;
    if (message)
        snprintf(message, size, "%s", p->life.message);
    pthread_mutex_unlock(&p->lock);
    return err;
}

void yk__thread_retry(thread_pool *p, uint64_t now, uint64_t *next)
{
    thread_life *l = &p->life;
    if (!atomic_load_explicit(&l->failing, memory_order_relaxed))
        return;
    pthread_mutex_lock(&p->lock);
    bool early = l->failures > 0 && now < l->retry_at;
    if (early && l->retry_at < *next)
        *next = l->retry_at;
    pthread_mutex_unlock(&p->lock);
    if (!early)
        yk__thread_start_all_needed(p);
}

/* ---- Ending --------------------------------------------------------------------------------- */

void yk__thread_finalize(thread *t)
{
    const yk__worker_spec *spec = t->pool->life.spec;
    if (spec && spec->options.finalizer && !t->failed)
        spec->options.finalizer(t->arg);
    free(t->arg);
    t->arg = NULL;
}

/* ---- How many ------------------------------------------------------------------------------- */

int yk__thread_pool_resize(yk_executor *ex, unsigned workers)
{
    thread_pool *p = yk__thread_pool_of(ex);
    pthread_mutex_lock(&p->lock);
    bool closing = atomic_load(&p->closing);
    if (!closing)
        atomic_store(&p->target, workers);
    pthread_mutex_unlock(&p->lock);
    if (closing)
        return YK_ECLOSED;
    while (yk__tq_wake_from(p, workers)) /* they see that they are too many */
        ;
    yk__thread_start_all_needed(p);
    return 0;
}

bool yk__thread_is_too_many(thread_pool *p, const place *at)
{
    uint32_t target = atomic_load(&p->target);
    if (atomic_load(&p->closing))
        return false; /* all of them stay until all is done */
    return at->index >= target &&
           (atomic_load(&p->blocked) == 0 || atomic_load(&p->serving) > target);
}
