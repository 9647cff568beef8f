/* executor/held.h - which mutexes a job owns, so that they outlive it. Not installed.
 *
 * A mutex's word says who owns it; nobody but the owner could tell where its mutexes lie. So
 * whoever runs jobs keeps a table: an entry is made before the word is touched and taken away when
 * the owner is done with it, also by those who only wait. The table of a worker process is in its
 * channel, where the parent finds it after the worker's death, at whatever instruction that came;
 * the table of a pool's thread is the thread's own.
 *
 * When the job ends or the process has died, each mutex of the table that still has this owner
 * becomes free and is marked; and those who sleep for any of them are woken, since the wake-up that
 * the dead one owed, or had been given, is lost with it.
 *
 * This is the kernel's robust list in another place. That one is not used: glibc keeps its links in
 * the mutexes themselves and follows them, so that any worker could make the parent write
 * anywhere; and it knows nothing of jobs that end in a process that lives on.
 *
 * An owner is a number that is never used twice: see yk__parker_identity(). A worker gets its own
 * from the parent, in its channel.
 */
#ifndef YOKE_EXECUTOR_HELD_H
#define YOKE_EXECUTOR_HELD_H

#include <stdatomic.h>
#include <stdint.h>

enum { YK__HELD_MAX = 16 };

/* One writer: whoever runs the jobs. Addresses of words; 0: free. The writer's next step on the
 * mutex is a release, and what comes before the entry's end is an acquire. */
typedef struct yk__held {
    _Atomic uint64_t at[YK__HELD_MAX];
} yk__held;

/* The table of the calling thread; NULL: nobody asks. */
void yk__held_set(yk__held *table);

/* The calling thread's job has ended. */
void yk__held_abandon(void);

/* In the parent: the process whose table this was is dead. What it says is not trusted. */
void yk__held_bury(yk__held *table, uint32_t identity);

/* A number for an owner; any thread of the parent. */
uint32_t yk__identity_new(void);

#endif
