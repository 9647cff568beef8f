/* The mutex in shared memory: a futex word, and what becomes of it when its owner dies.
 *
 * The word holds the owner's number, 0 when it is free, and three marks:
 *
 *   LEFT      the last owner did not unlock it, and nobody has called yk_mutex_recovered since;
 *   SLEEPERS  somebody may sleep on the word: who unlocks wakes one;
 *   WATCHED   a task of the parent may be suspended: who unlocks tells the watchers (observe.h).
 *
 * Whoever is about to sleep sets its mark by compare-and-swap while there is an owner, and looks
 * again after every wake-up. One that slept takes the mutex with SLEEPERS set, for it cannot know
 * whether others do; one that gives up leaves the mark, for the same reason. So while somebody
 * sleeps, either the mark is there or one that was woken is on its way, which either takes the
 * mutex or sets the mark again before it does anything else; if it dies on its way, all are woken
 * by whoever buries it (held.h).
 *
 * Memory order: taking the word is an acquire, freeing it a release, as in any lock. Both are
 * acquire and release against the entry in the table of what is held, which must be there before
 * and until after.
 */
#include <limits.h>
#include <uv.h>

#include "held.h"
#include "internal.h"
#include "park.h"
#include "shared.h"
#include "wait.h"
#include "observe.h"

#define SLEEPERS 0x80000000u
#define LEFT     0x40000000u
#define WATCHED  0x20000000u
#define OWNER    0x1fffffffu

typedef _Atomic uint32_t word;

static word *word_of(yk_mutex *m)
{
    return (word *)&m->word;
}

static bool change(word *w, uint32_t *from, uint32_t to)
{
    return atomic_compare_exchange_strong_explicit(w, from, to, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

/* ---- Who ------------------------------------------------------------------------------------- */

uint32_t yk__identity_new(void)
{
    static _Atomic uint32_t last;
    uint32_t identity;
    do /* half a thousand million of them: by then the first are gone */
        identity = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    while ((identity & OWNER) == 0);
    return identity & OWNER;
}

static uint32_t my_identity(void)
{
    uint32_t *mine = yk__parker_identity();
    if (*mine == 0)
        *mine = yk__identity_new();
    return *mine;
}

/* ---- What is held ---------------------------------------------------------------------------- */

static _Thread_local yk__held *held;

void yk__held_set(yk__held *table)
{
    held = table;
}

/* False: there is no room. */
static bool note(const word *w)
{
    for (int i = 0; held && i < YK__HELD_MAX; i++) {
        if (atomic_load_explicit(&held->at[i], memory_order_relaxed) != 0)
            continue;
        atomic_store_explicit(&held->at[i], (uintptr_t)w, memory_order_relaxed);
        return true;
    }
    return !held;
}

static void forget(const word *w)
{
    for (int i = 0; held && i < YK__HELD_MAX; i++) {
        if (atomic_load_explicit(&held->at[i], memory_order_relaxed) != (uintptr_t)w)
            continue;
        atomic_store_explicit(&held->at[i], 0, memory_order_relaxed);
        return;
    }
}

/* ---- Unlocking ------------------------------------------------------------------------------- */

static void set_free(word *w, uint32_t left)
{
    uint32_t before = atomic_exchange_explicit(w, left, memory_order_acq_rel);
    if (before & SLEEPERS)
        yk__futex_wake(w, 1, true);
    if (before & WATCHED)
        yk__observed_tell();
}

/* Frees it if it has this owner, and wakes all who wait for it. */
static void leave_behind(word *w, uint32_t owner)
{
    uint32_t seen = atomic_load_explicit(w, memory_order_relaxed);
    while ((seen & OWNER) == owner && !change(w, &seen, LEFT))
        ;
    yk__futex_wake(w, INT_MAX, true);
}

void yk__held_abandon(void)
{
    bool any = false;
    for (int i = 0; held && i < YK__HELD_MAX; i++) {
        uint64_t at = atomic_load_explicit(&held->at[i], memory_order_relaxed);
        if (at == 0)
            continue;
        leave_behind((word *)(uintptr_t)at, my_identity());
        atomic_store_explicit(&held->at[i], 0, memory_order_release);
        any = true;
    }
    if (any)
        yk__observed_tell();
}

void yk__held_bury(yk__held *table, uint32_t identity)
{
    for (int i = 0; i < YK__HELD_MAX; i++) {
        uint64_t at = atomic_load_explicit(&table->at[i], memory_order_acquire);
        if (at == 0 || at % sizeof(word) != 0)
            continue;
        void *block = yk_arena_ref((void *)(uintptr_t)at); /* else it is nobody's mutex */
        if (block)
            leave_behind((word *)(uintptr_t)at, identity);
        yk_arena_free(block);
    }
    yk__observed_look();
}

int yk_mutex_unlock(yk_mutex *m)
{
    word *w = word_of(m);
    uint32_t seen = atomic_load_explicit(w, memory_order_relaxed);
    if ((seen & OWNER) != my_identity())
        return UV_EPERM;
    set_free(w, seen & LEFT);
    forget(w);
    return 0;
}

int yk_mutex_recovered(yk_mutex *m)
{
    uint32_t seen = atomic_load_explicit(word_of(m), memory_order_relaxed);
    if ((seen & OWNER) != my_identity())
        return UV_EPERM;
    atomic_fetch_and_explicit(word_of(m), ~LEFT, memory_order_relaxed);
    return 0;
}

/* ---- Locking --------------------------------------------------------------------------------- */

static int taken(uint32_t before)
{
    return before & LEFT ? YK_EOWNERDEAD : 0;
}

static bool is_free(void *on, uint64_t unused)
{
    (void)unused;
    word *w = on;
    uint32_t seen = atomic_load(w);
    while ((seen & OWNER) && !(seen & WATCHED))
        if (atomic_compare_exchange_strong(w, &seen, seen | WATCHED))
            break;
    return (seen & OWNER) == 0;
}

/* Until it was free for a moment, or so. */
static int suspend(word *w, uint64_t deadline)
{
    yk_future *f = yk__observe(w, 0, is_free);
    int err = yk_await_until(f, deadline);
    if (err)
        yk_future_cancel(f);
    yk_future_unref(f);
    return err;
}

static int sleep_on(word *w, uint32_t seen, uint64_t deadline)
{
    if (!(seen & SLEEPERS) && !change(w, &seen, seen | SLEEPERS))
        return 0;
    return yk__park_on_word(w, seen | SLEEPERS, deadline);
}

static int lock_as(uint32_t me, word *w, uint64_t deadline)
{
    uint32_t seen = 0, slept = 0;
    while (!change(w, &seen, me | (seen & ~OWNER) | slept)) {
        if ((seen & OWNER) == 0)
            continue;
        if ((seen & OWNER) == me)
            return YK_EDEADLK;
        if (deadline == 0)
            return UV_ETIMEDOUT;
        const yk__parker *parker = yk__parker_current();
        if (!parker)
            return YK_EONLOOP;
        bool blocks = yk__parker_is_thread(parker);
        int err = blocks ? sleep_on(w, seen, deadline) : suspend(w, deadline);
        if (err)
            return err;
        slept = blocks ? SLEEPERS : 0;
        seen = 0;
    }
    return taken(seen);
}

int yk_mutex_lock(yk_mutex *m, uint64_t deadline)
{
    word *w = word_of(m);
    uint32_t me = my_identity();
    if ((atomic_load_explicit(w, memory_order_relaxed) & OWNER) == me)
        return YK_EDEADLK; /* before it is noted twice */
    if (!note(w))
        return UV_ENOBUFS;
    int err = lock_as(me, w, deadline);
    if (err && err != YK_EOWNERDEAD)
        forget(w);
    return err;
}
