/* What the driver of a process pool shows of its workers to those who read statistics.
 *
 * A worker takes its jobs from its ring without a word to the driver, and to look at what it wrote
 * would cost the driver a cache miss for every job. So the driver goes by what it has: the job at
 * the front of a ring is the one that runs. It shows it when it goes to sleep, or finds the same
 * job there in two turns; jobs that come and go within a turn cost nothing.
 */
#include "process_pool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Room for as many as there may ever be is reserved, so that they stay where they are when the pool
 * grows; what is not used costs no memory. */
#define METERS_SIZE (YK__MAX_WORKERS * sizeof(yk__meter))

int yk__pool_make_meters(struct process_pool *p)
{
    void *at = mmap(NULL, METERS_SIZE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return -1;
    p->meters = at;
    yk__pool_more_meters(p);
    return 0;
}

void yk__pool_more_meters(struct process_pool *p)
{
    unsigned n = atomic_load_explicit(&p->n_meters, memory_order_relaxed);
    for (; n < p->max_workers; n++)
        yk__meter_init(&p->meters[n], &p->ex, n);
    atomic_store_explicit(&p->n_meters, n, memory_order_release);
}

void yk__pool_free_meters(struct process_pool *p)
{
    if (p->meters)
        munmap(p->meters, METERS_SIZE);
}

static process_job *front_of(const remote *r)
{
    return r->ready && r->open > 0 ? r->jobs[r->settled % YK__RING] : NULL;
}

/* The job at the front came there some time ago, if it is not known when the worker took it. */
static void show_job(yk__meter *m, const remote *r, const process_job *job)
{
    if (job->work.name[0] || m->named)
        yk__meter_name(m, job->work.name);
    uint64_t since = r->front_began ? r->front_began : yk__coarse_now();
    atomic_store_explicit(&m->since, since, memory_order_relaxed);
}

void yk__pool_show(struct process_pool *p, const remote *r, bool at_rest)
{
    yk__meter *m = &p->meters[r->index];
    const process_job *job = front_of(r);
    if (r->waits_for || (r->retires && !job))
        return; /* it is the other's, who has the same number */
    bool same = m->front == r->settled;
    if (r->ready && r->pid)
        atomic_store_explicit(&m->state, YK_WORKER_IDLE, memory_order_relaxed);
    atomic_store_explicit(&m->jobs, m->jobs_before + r->ended_jobs, memory_order_relaxed);
    if (m->shown ? job && same : !job)
        return;
    bool show = job && (at_rest || same);
    if (show)
        show_job(m, r, job);
    else if (m->shown)
        atomic_store_explicit(&m->since, 0, memory_order_relaxed);
    m->shown = show;
    m->front = r->settled;
}

void yk__pool_measured(struct process_pool *p, const remote *r, const process_job *job,
                       const yk__result_slot *slot)
{
    if (job->work.stamped)
        yk__meter_ran(&p->meters[r->index], &p->ex, &job->work, slot->began,
                      yk__ran_unpacked(slot->ran), slot->code);
}

/* When it began is the worker's word, and it may never have given it. */
void yk__pool_measured_loss(struct process_pool *p, const remote *r, const process_job *job,
                            int code)
{
    uint64_t began = atomic_load_explicit(&r->ch->up.started, memory_order_relaxed);
    uint64_t now = yk_now();
    if (job->work.stamped && began >= job->work.stamped && began <= now)
        yk__meter_ran(&p->meters[r->index], &p->ex, &job->work, began, now - began, code);
}

void yk__pool_worker_made(struct process_pool *p, remote *r)
{
    yk__meter *m = &p->meters[r->index];
    if (atomic_load_explicit(&m->starts, memory_order_relaxed) > 0)
        yk__pool_count(&p->restarts, 1);
    m->shown = false;
    r->lane = &m->lane;
    yk__meter_process(m, 0);
}

void yk__pool_worker_there(struct process_pool *p, const remote *r)
{
    yk__meter_process(&p->meters[r->index], r->pid);
}

void yk__pool_worker_gone(struct process_pool *p, const remote *r, bool crashed)
{
    yk__meter *m = &p->meters[r->index];
    bool killed = !crashed && r->ladder >= TERMINATED;
    yk__trace_worker(&m->lane,
                     crashed  ? "worker died"
                     : killed ? "worker killed"
                              : "worker left",
                     r->status);
    if (crashed)
        yk__pool_count(&m->crashes, 1);
    if (killed)
        yk__pool_count(&p->killed, 1);
    m->jobs_before += r->ended_jobs;
    atomic_store_explicit(&m->jobs, m->jobs_before, memory_order_relaxed);
    m->shown = false;
    const remote *next = yk__pool_owner(p, r->index);
    if (next)
        yk__meter_process(m, next->pid);
    else
        yk__meter_gone(m);
}

size_t yk__pool_workers(yk_executor *ex, yk_worker_stats *rows, size_t max)
{
    struct process_pool *p = (struct process_pool *)ex;
    unsigned n = atomic_load_explicit(&p->n_meters, memory_order_acquire);
    for (unsigned i = 0; i < n && i < max; i++)
        yk__meter_read(&p->meters[i], true, &rows[i]);
    return n;
}
