/* How a plain thread sleeps, and which parker is the caller's. */
#include "park.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

int yk__futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline, bool shared)
{
    struct timespec t = { .tv_sec = (time_t)(deadline / 1000000000u),
                          .tv_nsec = (long)(deadline % 1000000000u) };
    /* WAIT_BITSET takes an absolute time on CLOCK_MONOTONIC. */
    int op = FUTEX_WAIT_BITSET | (shared ? 0 : FUTEX_PRIVATE_FLAG);
    long rc = syscall(SYS_futex, word, op, expected, deadline == YK_FOREVER ? NULL : &t, NULL,
                      FUTEX_BITSET_MATCH_ANY);
    return rc == -1 && errno == ETIMEDOUT ? UV_ETIMEDOUT : 0;
}

void yk__futex_wake(_Atomic uint32_t *word, int how_many, bool shared)
{
    syscall(SYS_futex, word, FUTEX_WAKE | (shared ? 0 : FUTEX_PRIVATE_FLAG), how_many, NULL, NULL,
            0);
}

/* A plain thread: `token` is 1 from unpark() until park() consumes it. The waker stores with
 * release what the sleeper loads with acquire. */
struct thread_parker {
    yk__parker parker;
    _Atomic uint32_t token;
};

static _Thread_local yk__blocking *blocking; /* of the pool whose thread this is */

static bool take_token(struct thread_parker *t)
{
    return atomic_exchange_explicit(&t->token, 0, memory_order_acquire) != 0;
}

/* When the sleeper is to look again whether its job was asked to stop, `deadline` if not before. */
static uint64_t next_look(const yk__blocking *b, uint64_t deadline)
{
    uint64_t look = b && b->look_every ? yk_now() + b->look_every : YK_FOREVER;
    return look < deadline ? look : deadline;
}

/* `b` is NULL where nothing can interrupt it. */
static int sleep_for_token(struct thread_parker *t, uint64_t deadline, yk__blocking *b)
{
    while (!take_token(t)) {
        if (b && b->cancelled(b))
            return YK_ECANCELED;
        uint64_t until = next_look(b, deadline);
        if (yk__futex_wait(&t->token, 0, until, false) == UV_ETIMEDOUT && until == deadline)
            return take_token(t) ? 0 : UV_ETIMEDOUT;
    }
    return 0;
}

static int thread_park(yk__parker *self, uint64_t deadline, bool interruptible)
{
    struct thread_parker *t = (struct thread_parker *)self;
    yk__blocking *b = blocking;
    if (!b || !interruptible)
        return sleep_for_token(t, deadline, NULL);
    if (take_token(t))
        return 0;
    int err = b->begin(b, deadline);
    if (err)
        return err;
    err = sleep_for_token(t, deadline, b);
    b->end(b);
    return err;
}

static void thread_unpark(yk__parker *self)
{
    struct thread_parker *t = (struct thread_parker *)self;
    atomic_store_explicit(&t->token, 1, memory_order_release);
    /* The thread may be gone by now; waking an address that is no more is an error nobody sees. */
    yk__futex_wake(&t->token, 1, false);
}

static _Thread_local struct thread_parker own = {
    { .park = thread_park, .unpark = thread_unpark },
    0,
};
static _Thread_local yk__parker *task;
static _Thread_local bool forbidden;

int yk__park_asleep(yk__parker *parker, uint64_t deadline)
{
    return parker == &own.parker ? sleep_for_token(&own, deadline, blocking)
                                 : parker->park(parker, deadline, true);
}

yk__parker *yk__parker_current(void)
{
    if (task)
        return task;
    return forbidden ? NULL : &own.parker;
}

bool yk__parker_is_thread(const yk__parker *parker)
{
    return parker == &own.parker;
}

uint32_t *yk__parker_identity(void)
{
    return task ? &task->identity : &own.parker.identity;
}

yk__context **yk__parker_context(void)
{
    return task ? &task->context : &own.parker.context;
}

int yk__park_on_word(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline)
{
    yk__blocking *b = blocking;
    if (b && b->cancelled(b))
        return YK_ECANCELED;
    uint64_t until = next_look(b, deadline);
    int err = yk__futex_wait(word, expected, until, true);
    return until == deadline ? err : 0;
}

void yk__parker_set_blocking(yk__blocking *b)
{
    blocking = b;
}

yk__blocking *yk__parker_blocking(void)
{
    return blocking;
}

void yk__parker_set_task(yk__parker *parker)
{
    task = parker;
}

void yk__parker_forbid(bool yes)
{
    forbidden = yes;
}
