/* Locks, events, conditions, semaphores, barriers: one line of waiters, served in order.
 *
 * Whoever serves a waiter takes it out of the line, notes what it gets, and unparks it. A waiter
 * that wakes otherwise and has not been served takes itself out. All on one thread, and a task's
 * park() prefers an unpark to a time-out or a cancellation: so a waiter that was served always
 * hears of it.
 */
#include "sync.h"

#include <uv.h>

#include "../executor/park.h"
#include "watchdog.h"
#include "task.h"

/* On the stack of the one who waits. */
struct yk__waiter {
    struct yk__waiter *prev, *next;
    yk__parker *parker;
    int outcome;
    bool served;
};

/* ---- The line -------------------------------------------------------------------------------- */

static void append(yk_line *line, struct yk__waiter *w)
{
    w->prev = line->last;
    w->next = NULL;
    if (line->last)
        line->last->next = w;
    else
        line->first = w;
    line->last = w;
}

static void take_out(yk_line *line, struct yk__waiter *w)
{
    if (w->prev)
        w->prev->next = w->next;
    else
        line->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        line->last = w->prev;
}

/* Takes the first in line out with this outcome. Its own future, NULL if nobody waits. */
static const yk_future *serve(yk_line *line, int outcome)
{
    struct yk__waiter *w = line->first;
    if (!w)
        return NULL;
    yk__debug_check_waiter(w->parker);
    take_out(line, w);
    w->outcome = outcome;
    w->served = true;
    w->parker->unpark(w->parker);
    return w->parker->self;
}

static void serve_all(yk_line *line, int outcome)
{
    while (serve(line, outcome))
        ;
}

/* Waits to be served. What it was served, or why the wait ended without. */
static int stand(yk_line *line, uint64_t deadline, bool interruptible, const yk__wait_kind *kind,
                 const void *object)
{
    if (!yk_task_current())
        return YK_EONLOOP;
    if (deadline == 0)
        return UV_ETIMEDOUT;
    struct yk__waiter w = { .parker = yk__parker_current() };
    append(line, &w);
    int err;
    do {
        yk__parker_waits(w.parker, kind, object);
        err = w.parker->park(w.parker, deadline, interruptible);
    } while (err == 0 && !w.served);
    if (w.served)
        return w.outcome;
    take_out(line, &w);
    return err;
}

/* ---- Lock ------------------------------------------------------------------------------------ */

static void tell_owner(const void *lock, void (*tell)(const yk_future *, void *), void *arg)
{
    tell(((const yk_lock *)lock)->owner, arg);
}

static const yk__wait_kind for_lock = { "a lock, which is held by", tell_owner };

static int acquire(yk_lock *lock, uint64_t deadline, bool interruptible)
{
    const yk_future *me = yk_task_current();
    if (!me)
        return YK_EONLOOP;
    if (lock->owner == me)
        return YK_EDEADLK;
    if (lock->owner) /* whoever serves makes us the owner */
        return stand(&lock->line, deadline, interruptible, &for_lock, lock);
    lock->owner = me;
    return 0;
}

int yk_lock_acquire(yk_lock *lock, uint64_t deadline)
{
    return acquire(lock, deadline, true);
}

int yk_lock_release(yk_lock *lock)
{
    if (!lock->owner || lock->owner != yk_task_current())
        return UV_EPERM;
    lock->owner = serve(&lock->line, 0);
    return 0;
}

bool yk_lock_is_held(const yk_lock *lock)
{
    return lock->owner;
}

/* ---- Event ----------------------------------------------------------------------------------- */

void yk_event_set(yk_event *event)
{
    event->is_set = true;
    serve_all(&event->line, 0);
}

void yk_event_clear(yk_event *event)
{
    event->is_set = false;
}

static const yk__wait_kind for_event = { "an event", NULL };

int yk_event_wait(yk_event *event, uint64_t deadline)
{
    return event->is_set ? 0 : stand(&event->line, deadline, true, &for_event, event);
}

/* ---- Condition ------------------------------------------------------------------------------- */

static const yk__wait_kind for_condition = { "a condition", NULL };

int yk_condition_wait(yk_condition *condition, yk_lock *lock, uint64_t deadline)
{
    int err = yk_lock_release(lock);
    if (err)
        return err;
    err = stand(&condition->line, deadline, true, &for_condition, condition);
    int again = acquire(lock, YK_FOREVER, false);
    return again ? again : err;
}

int yk_condition_wait_for(yk_condition *condition, yk_lock *lock, bool (*holds)(void *arg),
                          void *arg, uint64_t deadline)
{
    if (!lock->owner || lock->owner != yk_task_current())
        return UV_EPERM;
    int err = 0;
    while (!holds(arg) && !err)
        err = yk_condition_wait(condition, lock, deadline);
    return err;
}

void yk_condition_notify(yk_condition *condition, size_t n)
{
    while (n-- > 0 && serve(&condition->line, 0))
        ;
}

void yk_condition_notify_all(yk_condition *condition)
{
    serve_all(&condition->line, 0);
}

/* ---- Semaphore ------------------------------------------------------------------------------- */

static const yk__wait_kind for_permit = { "a semaphore", NULL };

int yk_semaphore_acquire(yk_semaphore *semaphore, uint64_t deadline)
{
    if (semaphore->value == 0) /* then only is there anybody in line */
        return stand(&semaphore->line, deadline, true, &for_permit, semaphore);
    semaphore->value--;
    return 0;
}

int yk_semaphore_release(yk_semaphore *semaphore)
{
    if (semaphore->most && semaphore->value >= semaphore->most)
        return UV_EINVAL;
    if (!serve(&semaphore->line, 0))
        semaphore->value++;
    return 0;
}

/* ---- Barrier --------------------------------------------------------------------------------- */

/* Sends those who wait on, each with its number. */
static void open_barrier(yk_barrier *barrier)
{
    barrier->waiting = 0;
    for (int i = 0; serve(&barrier->line, i); i++)
        ;
}

static const yk__wait_kind for_others = { "the others at a barrier", NULL };

int yk_barrier_wait(yk_barrier *barrier, uint64_t deadline)
{
    if (barrier->parties == 0)
        return UV_EINVAL;
    if (barrier->broken)
        return YK_EBROKEN;
    if (barrier->waiting + 1 >= barrier->parties) {
        int last = (int)barrier->waiting;
        open_barrier(barrier);
        return last;
    }
    barrier->waiting++;
    int err = stand(&barrier->line, deadline, true, &for_others, barrier);
    if (err < 0 && err != YK_EBROKEN) /* nobody served it: it still counts */
        barrier->waiting--;
    return err;
}

void yk_barrier_reset(yk_barrier *barrier)
{
    barrier->broken = false;
    barrier->waiting = 0;
    serve_all(&barrier->line, YK_EBROKEN);
}

void yk_barrier_abort(yk_barrier *barrier)
{
    yk_barrier_reset(barrier);
    barrier->broken = true;
}
