/* Histograms, the meters of the workers, and what is read of them. */
#include "stats.h"

#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "meter.h"

/* ---- Histograms ----------------------------------------------------------------------------- */

static unsigned bucket_of(uint64_t ns)
{
    unsigned i = ns > 1 ? 64u - (unsigned)__builtin_clzll(ns - 1) : 0;
    return i < YK_HISTOGRAM_BUCKETS ? i : YK_HISTOGRAM_BUCKETS - 1;
}

/* Only one thread writes it, so no read-modify-write is needed. */
static void add(_Atomic uint64_t *to, uint64_t n)
{
    atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static void sample(yk__histogram *h, uint64_t ns)
{
    add(&h->sum, ns);
    if (ns > atomic_load_explicit(&h->max, memory_order_relaxed))
        atomic_store_explicit(&h->max, ns, memory_order_relaxed);
    add(&h->buckets[bucket_of(ns)], 1);
}

/* The count is made of the buckets, so that the two agree whatever is written meanwhile. */
void yk__histogram_read(const yk__histogram *h, yk_histogram *out)
{
    yk_histogram now;
    now.count = 0;
    for (int i = 0; i < YK_HISTOGRAM_BUCKETS; i++) {
        now.buckets[i] = atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        now.count += now.buckets[i];
    }
    now.sum = atomic_load_explicit(&h->sum, memory_order_relaxed);
    now.max = atomic_load_explicit(&h->max, memory_order_relaxed);
    yk_histogram_merge(out, &now);
}

void yk_histogram_merge(yk_histogram *to, const yk_histogram *from)
{
    to->count += from->count;
    to->sum += from->sum;
    if (from->max > to->max)
        to->max = from->max;
    for (int i = 0; i < YK_HISTOGRAM_BUCKETS; i++)
        to->buckets[i] += from->buckets[i];
}

uint64_t yk_histogram_mean(const yk_histogram *h)
{
    return h->count ? h->sum / h->count : 0;
}

uint64_t yk_histogram_quantile(const yk_histogram *h, double q)
{
    double rank = (q < 0 ? 0 : q > 1 ? 1 : q) * (double)h->count, before = 0;
    for (int i = 0; i < YK_HISTOGRAM_BUCKETS; i++) {
        double here = (double)h->buckets[i];
        if (here > 0 && before + here >= rank) {
            double low = i ? (double)(UINT64_C(1) << (i - 1)) : 0;
            double high =
                i == YK_HISTOGRAM_BUCKETS - 1 ? (double)h->max : (double)(UINT64_C(1) << i);
            double at = low + (high - low) * (rank - before) / here;
            return at < (double)h->max ? (uint64_t)at : h->max;
        }
        before += here;
    }
    return h->max;
}

/* ---- Meters --------------------------------------------------------------------------------- */

_Thread_local uint32_t yk__lot;

void yk__meter_init(yk__meter *m, const yk_executor *ex, unsigned index)
{
    m->lane.worker = index;
    memcpy(m->lane.executor, ex->name, sizeof m->lane.executor);
}

static void stands(yk__meter *m, pid_t id, yk_worker_state state)
{
    atomic_store_explicit(&m->id, (uint32_t)id, memory_order_relaxed);
    atomic_store_explicit(&m->state, state, memory_order_relaxed);
}

void yk__meter_thread(yk__meter *m)
{
    m->lane.pid = getpid();
    m->lane.tid = gettid();
    add(&m->starts, 1);
    stands(m, m->lane.tid, YK_WORKER_IDLE);
    yk__trace_worker(&m->lane, "worker started", 0);
}

void yk__meter_process(yk__meter *m, pid_t pid)
{
    m->lane.pid = m->lane.tid = pid;
    if (pid == 0)
        add(&m->starts, 1);
    else
        yk__trace_worker(&m->lane, "worker started", 0);
    stands(m, pid, YK_WORKER_STARTING);
}

void yk__meter_gone(yk__meter *m)
{
    stands(m, 0, YK_WORKER_NONE);
    atomic_store_explicit(&m->since, 0, memory_order_relaxed);
}

/* A sequence lock without a fence: each word is released, so whoever sees a new one also sees the
 * odd version that was stored before it. */
void yk__meter_name(yk__meter *m, const char *name)
{
    uint64_t words[YK__NAME_MAX / 8] = { 0 };
    memcpy(words, name, strnlen(name, YK__NAME_MAX - 1));
    uint32_t version = atomic_load_explicit(&m->version, memory_order_relaxed);
    atomic_store_explicit(&m->version, version + 1, memory_order_relaxed);
    for (int i = 0; i < YK__NAME_MAX / 8; i++)
        atomic_store_explicit(&m->name[i], words[i], memory_order_release);
    atomic_store_explicit(&m->version, version + 2, memory_order_release);
    m->named = name[0] != '\0';
}

/* How many jobs in a row are to go unmeasured after one that took `ran`, less one: of jobs that run
 * for 2^13 ns none, else so many that measuring (some 100 ns) takes about a hundredth of the time.
 */
static void choose_rate(yk_executor *ex, uint64_t ran)
{
    unsigned bits = 63u - (unsigned)__builtin_clzll(ran | 128);
    uint32_t mask = bits >= 13 ? 0 : (1u << (13 - bits)) - 1;
    if (mask != atomic_load_explicit(&ex->unmeasured, memory_order_relaxed))
        atomic_store_explicit(&ex->unmeasured, mask, memory_order_relaxed);
}

static void waited(yk__meter *m, const yk__work *work, uint64_t began)
{
    sample(&m->wait, began > work->stamped ? began - work->stamped : 0);
}

void yk__meter_measured_begin(yk__meter *m, const yk__work *work)
{
    uint64_t now = yk_now();
    atomic_store_explicit(&m->since, now, memory_order_relaxed);
    waited(m, work, now);
    if (yk__tracing())
        yk__trace_begin(&m->lane, work, now);
}

void yk__meter_measured_end(yk__meter *m, yk_executor *ex, const yk__work *work, int code)
{
    uint64_t now = yk_now();
    uint64_t ran = now - atomic_load_explicit(&m->since, memory_order_relaxed);
    sample(&m->run, ran);
    choose_rate(ex, ran);
    if (yk__tracing())
        yk__trace_end(&m->lane, work, now, code);
}

void yk__meter_ran(yk__meter *m, yk_executor *ex, const yk__work *work, uint64_t began,
                   uint64_t ran, int code)
{
    waited(m, work, began);
    sample(&m->run, ran);
    choose_rate(ex, ran);
    if (yk__tracing()) {
        yk__trace_begin(&m->lane, work, began);
        yk__trace_end(&m->lane, work, began + ran, code);
    }
}

/* ---- Reading -------------------------------------------------------------------------------- */

static bool try_name(const yk__meter *m, char *name)
{
    uint64_t words[YK__NAME_MAX / 8];
    uint32_t version = atomic_load_explicit(&m->version, memory_order_acquire);
    for (int i = 0; i < YK__NAME_MAX / 8; i++)
        words[i] = atomic_load_explicit(&m->name[i], memory_order_acquire);
    if ((version & 1) || atomic_load_explicit(&m->version, memory_order_relaxed) != version)
        return false;
    memcpy(name, words, YK__NAME_MAX);
    return true;
}

/* The clock of a process or thread by its number: what clock_getcpuclockid(3) and
 * pthread_getcpuclockid(3) make of it, for one that may have gone. */
static uint64_t cpu_time(pid_t id, bool process)
{
    clockid_t clock = (clockid_t)(~(unsigned)id << 3 | (process ? 2 : 6));
    struct timespec t;
    if (id == 0 || clock_gettime(clock, &t))
        return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void yk__meter_read(const yk__meter *m, bool process, yk_worker_stats *row)
{
    *row = (yk_worker_stats){ .worker = m->lane.worker, .part = "" };
    pid_t id = (pid_t)atomic_load_explicit(&m->id, memory_order_relaxed);
    *(process ? &row->pid : &row->tid) = id;
    row->state = (yk_worker_state)atomic_load_explicit(&m->state, memory_order_relaxed);
    row->since = atomic_load_explicit(&m->since, memory_order_relaxed);
    if (row->since) {
        if (row->state == YK_WORKER_IDLE)
            row->state = YK_WORKER_RUNNING;
        for (int tries = 0; tries < 100 && !try_name(m, row->job); tries++)
            ; /* its jobs come and go: then any name is as good as none */
    }
    row->jobs = atomic_load_explicit(&m->jobs, memory_order_relaxed);
    row->starts = atomic_load_explicit(&m->starts, memory_order_relaxed);
    row->crashes = atomic_load_explicit(&m->crashes, memory_order_relaxed);
    row->cpu_ns = cpu_time(id, process);
}

/* ---- Any executor --------------------------------------------------------------------------- */

void yk_executor_get_stats(yk_executor *ex, yk_executor_stats *stats)
{
    memset(stats, 0, sizeof *stats);
    ex->ops->stats(ex, stats);
}

size_t yk_executor_workers(yk_executor *ex, yk_worker_stats *rows, size_t max)
{
    return ex->ops->workers ? ex->ops->workers(ex, rows, max) : 0;
}

/* Everything before the histograms is a counter. */
void yk__stats_add(yk_executor_stats *to, const yk_executor_stats *from)
{
    enum { COUNTERS = offsetof(yk_executor_stats, wait) / sizeof(uint64_t) };
    for (size_t i = 0; i < COUNTERS; i++)
        ((uint64_t *)to)[i] += ((const uint64_t *)from)[i];
    yk_histogram_merge(&to->wait, &from->wait);
    yk_histogram_merge(&to->run, &from->run);
}
