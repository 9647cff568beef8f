/* The table of the reactors that may doze. */
#include "doze.h"

#include <sched.h>
#include <unistd.h>

#include "reactor.h"

#define PLACES 256

/* All sequentially consistent. Who pays adds itself to `payers`, then looks at `number`; who leaves
 * clears `number`, then waits until nobody pays: one of them sees the other. */
static struct {
    _Atomic uint64_t number; /* of the reactor; 0: nobody is to be woken */
    _Atomic uint32_t payers;
    _Atomic(yk__reactor *) reactor; /* NULL: the place is free */
} places[PLACES];

/* Whose threads pay: those of a process that has forked are not here any more. Less than 0 while
 * the new one clears the table. */
static _Atomic pid_t table_of;

static void own_table(void)
{
    pid_t self = getpid(), of = atomic_load(&table_of);
    while (of != self) {
        if (of == -self || !atomic_compare_exchange_strong(&table_of, &of, -self)) {
            sched_yield();
            of = atomic_load(&table_of);
            continue;
        }
        for (unsigned i = 0; i < PLACES; i++) {
            atomic_store(&places[i].number, 0);
            atomic_store(&places[i].payers, 0);
            atomic_store(&places[i].reactor, NULL);
        }
        atomic_store(&table_of, of = self);
    }
}

static uint64_t debt_to(const yk__reactor *r)
{
    return r->id * PLACES + r->place;
}

void yk__doze_join(yk__reactor *r)
{
    own_table();
    for (unsigned i = 0; i < PLACES; i++) {
        yk__reactor *nobody = NULL;
        if (atomic_load_explicit(&places[i].reactor, memory_order_relaxed) ||
            !atomic_compare_exchange_strong(&places[i].reactor, &nobody, r))
            continue;
        r->place = i;
        r->has_place = true;
        r->joined_in = getpid();
        atomic_store(&places[i].number, r->id);
        return;
    }
}

void yk__doze_leave(yk__reactor *r)
{
    bool inherited = r->joined_in != getpid(); /* and so its place may be another's */
    if (!r->has_place || inherited)
        return;
    r->has_place = false;
    atomic_store(&places[r->place].number, 0);
    while (atomic_load(&places[r->place].payers) > 0)
        sched_yield();
    atomic_store(&places[r->place].reactor, NULL);
}

bool yk__doze_owe(yk__debt *debt, const yk__reactor *r)
{
    uint64_t mine = debt_to(r), owed = 0;
    if (atomic_load(debt) == mine)
        return true;
    return atomic_compare_exchange_strong(debt, &owed, mine) || owed == mine;
}

void yk__doze_pay_now(yk__debt *debt)
{
    uint64_t owed = atomic_exchange(debt, 0);
    if (!owed)
        return;
    unsigned i = owed % PLACES;
    atomic_fetch_add(&places[i].payers, 1);
    if (atomic_load(&places[i].number) == owed / PLACES)
        yk__reactor_wake(atomic_load(&places[i].reactor));
    atomic_fetch_sub(&places[i].payers, 1);
}
