/* executor/park.h - how the caller of a wait sleeps, whoever it is. Not installed.
 *
 * A wait (wait.c) sleeps through the parker of its caller: a plain thread sleeps on a futex, a task
 * suspends its coroutine. loop/ supplies the second kind by setting its parker as the current one
 * while a task runs, so that executor/ need not know what a task is.
 *
 * Contract. After the waiter has published its parker somewhere, somebody calls unpark() at most
 * once, from any thread. park() returns 0 when that happened, also when it happened before park()
 * was called, and consumes it. If park() returns otherwise, the waiter withdraws; where the
 * withdrawal comes too late (a waker is committed), the waiter parks once more without interruption
 * to consume the unpark() that is bound to come. After that nobody refers to the parker.
 */
#ifndef YOKE_EXECUTOR_PARK_H
#define YOKE_EXECUTOR_PARK_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "future.h"

typedef struct yk__parker yk__parker;
typedef struct yk__context yk__context; /* carried.h */

/* What a sleeper waits for, told to those who look at it from outside. */
typedef struct yk__wait_kind {
    const char *what; /* "a lock" */
    /* Tells each future whose end it waits for, on the sleeper's own thread; NULL: there is none */
    void (*each)(const void *object, void (*tell)(const yk_future *f, void *arg), void *arg);
} yk__wait_kind;

struct yk__parker {
    /* 0: unparked. UV_ETIMEDOUT: the deadline passed. YK_ECANCELED: the task, or the job whose
     * thread this is, was asked to cancel (only if interruptible). YK_EDEADLK: see yk__blocking. */
    int (*park)(yk__parker *self, uint64_t deadline, bool interruptible);
    void (*unpark)(yk__parker *self);
    const yk_future *self; /* the sleeper's own future, which it must not wait for; or NULL */
    uint32_t identity;     /* as an owner; 0: it has none yet */
    yk__context *context;  /* its values, with a reference; NULL: none */

    /* The sleeper's, from before a sleep to its end; NULL: it has not said. */
    const yk__wait_kind *waits;
    const void *waits_on;
};

/* Before park(), by whoever waits. `object` must stay as it is until park() has returned. */
static inline void yk__parker_waits(yk__parker *parker, const yk__wait_kind *kind,
                                    const void *object)
{
    parker->waits = kind;
    parker->waits_on = object;
}

/* The caller's parker: the running task's, else the thread's own; NULL on a loop's thread outside a
 * task, where sleeping is refused. */
yk__parker *yk__parker_current(void);

/* Whether it is a plain thread's: its sleep blocks the thread. */
bool yk__parker_is_thread(const yk__parker *parker);

/* Who is running here, as the owner of something: the task, or else the thread. 0 until the caller
 * sets it (held.h). In a worker process it is set for the job's thread. */
uint32_t *yk__parker_identity(void);

/* The values of who is running here: the task's, or else the thread's. */
yk__context **yk__parker_context(void);

/* For loop/: the parker of the task that is about to run on this thread; NULL when none does any
 * more. */
void yk__parker_set_task(yk__parker *parker);

/* For loop/: whether this thread is one that runs a loop right now and must not sleep outside
 * tasks. */
void yk__parker_forbid(bool forbidden);

/* Between two looks at a word that another CPU is about to change. */
static inline void yk__cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield" ::: "memory");
#endif
}
/* For pools: what a thread of theirs does where it sleeps in a wait inside a job. */
typedef struct yk__blocking {
    /* It is about to sleep. Another error than 0 is what the wait returns instead. */
    int (*begin)(struct yk__blocking *self, uint64_t deadline);
    void (*end)(struct yk__blocking *self);
    /* The job was asked to stop: the wait returns YK_ECANCELED, once. Asked again after every
     * signal that interrupts the sleep. */
    bool (*cancelled)(struct yk__blocking *self);
    uint64_t look_every; /* nanoseconds between two looks at this where no signal comes; 0: one
                            comes */
} yk__blocking;

/* Of the calling thread, NULL for none. */
void yk__parker_set_blocking(yk__blocking *blocking);
yk__blocking *yk__parker_blocking(void);

/* Parks interruptibly until the deadline, where nobody is waited for. */
int yk__park_asleep(yk__parker *parker, uint64_t deadline);

/* On a plain thread, or a job's: sleeps on a word in memory shared between processes, as
 * yk__futex_wait does. YK_ECANCELED: the job was asked to stop, before it slept. */
int yk__park_on_word(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline);

/* Sleeps on *word while it equals `expected`, until `deadline`. 0 on a wake-up (also a spurious
 * one) or if *word differs; UV_ETIMEDOUT. `shared`: the word is in memory shared with other
 * processes. */
int yk__futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t deadline, bool shared);
void yk__futex_wake(_Atomic uint32_t *word, int how_many, bool shared);

#endif
