/* executor/doze.h - the wake-ups that a reactor is owed which dozes. Not installed.
 *
 * A thread that ends a job with a backlog behind it does not wake a reactor that dozes (reactor.h),
 * and leaves word with its pool instead: a debt. Whichever of the pool's threads finds the backlog
 * gone pays it, by waking the reactor, which may have been destroyed meanwhile. So a debt names the
 * reactor by its place in a table and its number, which is never used again; who pays holds the
 * place while it looks, and a reactor that goes away waits for those who hold its place.
 *
 * A pool has room for one debt. Where it is owed by another reactor, nothing is put off.
 */
#ifndef YOKE_EXECUTOR_DOZE_H
#define YOKE_EXECUTOR_DOZE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct yk__reactor;

/* A place in the table, and the number of who has it; 0: none. */
typedef _Atomic uint64_t yk__debt;

/* Gives the reactor a place, of the reactor's thread, and takes it back. One that has none, as too
 * many have one, never dozes. */
void yk__doze_join(struct yk__reactor *r);
void yk__doze_leave(struct yk__reactor *r);

/* Whether the debt is this reactor's now. Any thread. */
bool yk__doze_owe(yk__debt *debt, const struct yk__reactor *r);

/* Wakes the reactor that is owed it, if it still sleeps. Any thread. */
void yk__doze_pay_now(yk__debt *debt);

static inline void yk__doze_pay(yk__debt *debt)
{
    if (atomic_load_explicit(debt, memory_order_relaxed))
        yk__doze_pay_now(debt);
}

#endif
