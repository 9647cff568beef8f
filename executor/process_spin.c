/* Spinning instead of sleeping, where the pool's options ask for it and a CPU is to spare.
 *
 * To be woken takes 5 microseconds, and from an idle CPU more; to look for a job that is about to
 * come takes none. But who spins on a CPU that somebody else needs delays what it waits for: at two
 * busy workers and their parent on two CPUs it halves the throughput. So workers may spin only
 * while the busy ones and the driver have a CPU each. Foreign load shows in the worker itself,
 * which sees the clock jump (worker.c).
 *
 * The driver does not spin in one place: it goes round its host's loop without sleeping, so that a
 * loop's other input waits for nothing.
 */
#include "process_pool.h"

#include "clock.h"

static uint32_t allowed(const struct process_pool *p)
{
    return p->may_spin ? p->spin : 0;
}

void yk__pool_let_spin(struct process_pool *p, remote *r)
{
    atomic_store_explicit(&r->ch->down.spin, allowed(p), memory_order_relaxed);
}

void yk__pool_busy_changed(struct process_pool *p, int by)
{
    yk__pool_count(&p->running, by);
    if (p->spin == 0)
        return;
    bool may = atomic_load_explicit(&p->running, memory_order_relaxed) < p->cpus;
    if (may == p->may_spin)
        return;
    p->may_spin = may;
    for (unsigned i = 0; i < p->n_slots; i++)
        if (p->remotes[i])
            yk__pool_let_spin(p, p->remotes[i]);
}

void yk__pool_stay_awake(struct process_pool *p)
{
    p->reactor->awake_until = p->open > 0 && p->may_spin ? yk_now() + p->spin : 0;
}
