/* Looking for work a little longer before a sleep: workers and the driver of a process pool.
 *
 * To be woken takes 5 microseconds, and from an idle CPU 40 or more; to look for a job that is
 * about to come takes none. But who spins on a CPU that somebody else needs delays what it waits
 * for: at two busy workers and their parent on two CPUs, 20 microseconds of it halve the
 * throughput. So the time that the pool's options ask for is spent only while the busy workers and
 * the driver have a CPU each. Else, and without that option, it is brief, what a sleep itself would
 * cost: while jobs are tiny, the others at work on another CPU, and only while it pays (pace.h).
 * The driver decides; workers follow. Foreign load shows in the worker itself, which sees the clock
 * jump (worker.c).
 *
 * The driver does not spin in one place: it looks at its workers' rings for a microsecond, then
 * goes round its host's loop without sleeping, so that a loop's other input waits for nothing.
 */
#include <sched.h>

#include "process_pool.h"

/* What the options ask for, if that may be had now. */
static uint32_t asked_for(const struct process_pool *p)
{
    return p->may_spin && p->spin > YK__BRIEF ? p->spin : 0;
}

void yk__pool_let_spin(struct process_pool *p, remote *r)
{
    uint32_t asked = asked_for(p), brief = p->spins ? YK__BRIEF : 0;
    atomic_store_explicit(&r->ch->down.spin, asked ? asked : brief, memory_order_relaxed);
}

static void let_all_spin(struct process_pool *p)
{
    for (unsigned i = 0; i < p->n_slots; i++)
        if (p->remotes[i])
            yk__pool_let_spin(p, p->remotes[i]);
}

void yk__pool_busy_changed(struct process_pool *p, int by)
{
    yk__pool_count(&p->running, by);
    if (p->spin <= YK__BRIEF)
        return;
    bool may = atomic_load_explicit(&p->running, memory_order_relaxed) < p->cpus;
    if (may != p->may_spin) {
        p->may_spin = may;
        let_all_spin(p);
    }
}

static void say_where(struct process_pool *p)
{
    uint32_t cpu = (uint32_t)sched_getcpu();
    if (cpu == p->on_cpu)
        return;
    p->on_cpu = cpu;
    for (unsigned i = 0; i < p->n_slots; i++)
        if (p->remotes[i])
            yk__remote_say_cpu(p->remotes[i], cpu);
}

/* How near the next result may be: the best of what can be said of the workers. */
static enum yk__nearness nearest(const struct process_pool *p)
{
    enum yk__nearness best = YK__FAR;
    for (unsigned i = 0; i < p->n_slots; i++) {
        enum yk__nearness n =
            p->remotes[i] ? yk__remote_is_near(p->remotes[i], p->on_cpu) : YK__FAR;
        best = n > best ? n : best;
    }
    return best;
}

static bool tries_briefly(struct process_pool *p)
{
    if (!yk__luck_tries(&p->luck))
        return false;
    if (!p->spins) {
        p->spins = true;
        let_all_spin(p);
    }
    return true;
}

/* Nanoseconds; 0: it may sleep. */
static uint32_t awake_for(struct process_pool *p)
{
    if (p->open == 0 || p->cpus < 2)
        return 0;
    say_where(p);
    uint32_t asked = asked_for(p);
    enum yk__nearness near = nearest(p);
    if (!asked && (near == YK__FAR || !tries_briefly(p)))
        return 0;
    uint32_t brief = near == YK__WAKING ? YK__ROUSE : YK__BRIEF;
    return asked > brief ? asked : brief;
}

void yk__pool_stay_awake(struct process_pool *p)
{
    yk__reactor_stay_awake(p->reactor, awake_for(p));
}

void yk__pool_results_came(struct process_pool *p)
{
    if (p->reactor->awake_for)
        p->luck.saved++;
    yk__pool_stay_awake(p);
}

void yk__pool_falls_asleep(struct process_pool *p)
{
    bool tried = p->luck.tries;
    if (yk__luck_ends(&p->luck) || !tried || !p->spins)
        return;
    p->spins = false;
    let_all_spin(p);
}
