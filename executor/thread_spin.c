/* Looking for jobs, or for their ends, a little longer before a sleep: workers and the loops that
 * submit to them.
 *
 * The same thoughts as for processes (process_spin.c): to be woken takes 5 microseconds and more,
 * to look for what is about to come takes none, and who spins on a CPU that somebody else needs
 * delays what it waits for. So the time that the pool's options ask for is spent only while a CPU
 * is to spare. Else, and without that option, it is brief: while jobs are tiny, worker and loop are
 * on different CPUs, and only while it pays (pace.h). That is decided where a loop submits: it is
 * the loop that knows whether it found anything; workers follow.
 *
 * A loop goes round without sleeping, so that its other input waits for nothing. A worker that
 * looks counts as one that is on its way (`waking` in thread_queue.c): nobody is woken beside it,
 * and it wakes the next one if it finds more than it can do. So it must also see what another
 * worker has moved from the inbox and left (`left`): nobody else may come for that.
 */
#include <sched.h>

#include "reactor.h"
#include "thread_pool.h"

#define LOOKS   32            /* between two looks at the clock */
#define JUMP    (20 * 1000)   /* nanoseconds that so many looks never take */
#define NOT_FOR (5000 * 1000) /* nanoseconds without this after a jump: others need the CPU */
#define LONGEST 1000000000    /* nanoseconds */

void yk__spin_init(thread_pool *p, uint64_t us)
{
    p->cpus = (uint32_t)yk_cpu_count();
    p->spin = us < LONGEST / 1000 ? (uint32_t)us * 1000 : LONGEST;
}

static void say(_Atomic uint32_t *hint, uint32_t value)
{
    if (atomic_load_explicit(hint, memory_order_relaxed) != value)
        atomic_store_explicit(hint, value, memory_order_relaxed);
}

/* What the options ask for, if that may be had now: the submitter has a CPU, too. */
static uint32_t asked_for(thread_pool *p)
{
    return p->spin > YK__BRIEF && yk__guard_awake(p) < p->cpus ? p->spin : 0;
}

/* ---- The loop that submits ------------------------------------------------------------------ */

static bool are_brief(const thread_pool *p)
{
    uint32_t each = atomic_load_explicit(&p->recent, memory_order_relaxed);
    return each > 0 && each <= YK__BRIEF;
}

/* How near the next end may be: the best of what can be said of the workers. Looks at the first 64,
 * which are the busiest. */
static enum yk__nearness nearest(thread_pool *p, uint32_t cpu)
{
    uint32_t places = atomic_load_explicit(&p->places, memory_order_acquire);
    enum yk__nearness best = YK__WAKING;
    for (uint32_t i = 0; i < places && i < 64; i++) {
        uint32_t at = atomic_load_explicit(&p->place[i]->cpu, memory_order_relaxed);
        if (at != 0 && at != cpu)
            return YK__NEAR;
        if (at == cpu)
            best = YK__FAR; /* it needs the CPU that this loop is on */
    }
    return best;
}

void yk__spin_submitter(thread_pool *p, yk__reactor *r)
{
    r->submitted_in = r->turns;
    if (p->cpus < 2 || r->is_private)
        return;
    r->submitted = true;
    uint32_t asked = asked_for(p), cpu = 1 + (uint32_t)sched_getcpu();
    enum yk__nearness near = are_brief(p) ? nearest(p, cpu) : YK__FAR;
    bool brief = near != YK__FAR && yk__luck_tries(&r->luck);
    say(&p->loop_cpu, cpu);
    say(&p->spin_for, brief ? YK__BRIEF : 0);
    if (!asked && !brief)
        return;
    uint32_t ns = near == YK__WAKING ? YK__ROUSE : YK__BRIEF;
    yk__reactor_stay_awake(r, asked > ns ? asked : ns);
}

/* ---- Workers -------------------------------------------------------------------------------- */

static bool comes(thread_pool *p)
{
    if (atomic_load_explicit(&p->left, memory_order_relaxed))
        return true;
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load_explicit(&p->inbox, memory_order_relaxed))
            return true;
        yk__cpu_relax();
    }
    return false;
}

uint32_t yk__spin_say_cpu(place *at)
{
    uint32_t cpu = 1 + (uint32_t)sched_getcpu();
    say(&at->cpu, cpu);
    return cpu;
}

/* Not where it would leave if it had nothing to do. */
static bool may_look(const thread *t)
{
    thread_pool *p = t->pool;
    return !atomic_load_explicit(&p->closing, memory_order_relaxed) &&
           t->at->index < atomic_load_explicit(&p->target, memory_order_relaxed);
}

/* The time that it takes is none of the burst's. */
static bool look_for(thread *t, uint64_t limit)
{
    thread_pool *p = t->pool;
    uint64_t begin = yk_now(), now = begin, last = begin;
    if (begin < t->no_spin_until)
        return false;
    while (now - begin < limit && now - last < JUMP && may_look(t)) {
        last = now;
        bool came = comes(p);
        now = yk_now();
        if (came) {
            t->pace.began += now - begin;
            return true;
        }
    }
    if (now - last >= JUMP)
        t->no_spin_until = now + NOT_FOR;
    t->pace.began += now - begin;
    return false;
}

bool yk__spin_look(thread *t)
{
    thread_pool *p = t->pool;
    uint32_t limit = atomic_load_explicit(&p->spin_for, memory_order_relaxed), asked = asked_for(p);
    limit = asked > limit ? asked : limit;
    uint32_t cpu = yk__spin_say_cpu(t->at);
    if (limit == 0 || atomic_load_explicit(&p->loop_cpu, memory_order_relaxed) == cpu)
        return false;
    atomic_fetch_add(&p->waking, 1);
    bool came = look_for(t, limit);
    atomic_fetch_sub(&p->waking, 1);
    return came;
}
