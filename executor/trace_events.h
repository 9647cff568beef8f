/* executor/trace_events.h - where the pools tell the trace what happens. Not installed.
 *
 * While no trace is written, each of these places costs one load and a branch. While one
 * is, an event is copied into a ring without a lock; if the ring is full it is dropped and counted.
 * Any thread may call these.
 */
#ifndef YOKE_EXECUTOR_TRACE_EVENTS_H
#define YOKE_EXECUTOR_TRACE_EVENTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct yk__work;
struct yk_future;

/* Release by start, which has made the ring; acquire by those who then write into it. */
extern _Atomic bool yk__trace_on;

static inline bool yk__tracing(void)
{
    return atomic_load_explicit(&yk__trace_on, memory_order_acquire);
}

/* Whose line of the trace: of worker `worker` of an executor. */
typedef struct yk__lane {
    pid_t pid, tid;
    unsigned worker;
    char executor[12];
} yk__lane;

/* A job waited until `began`, and runs. yk__trace_end is its end, with 0 or an error's code. */
void yk__trace_begin(const yk__lane *lane, const struct yk__work *work, uint64_t began);
void yk__trace_end(const yk__lane *lane, const struct yk__work *work, uint64_t ended, int code);

/* It waited, and will never run. */
void yk__trace_never_ran(const struct yk__work *work, int code);

/* Something happened to the worker of this lane (NULL: it has none), now; `value` explains it where
 * it is not 0. What is a string constant without anything that JSON would escape. */
void yk__trace_worker_event(const yk__lane *lane, const char *what, int value);
static inline void yk__trace_worker(const yk__lane *lane, const char *what, int value)
{
    if (yk__tracing() && lane)
        yk__trace_worker_event(lane, what, value);
}

/* Somebody asked for the end of a job. */
void yk__trace_cancel_event(const struct yk_future *f);
static inline void yk__trace_cancel(const struct yk_future *f)
{
    if (yk__tracing())
        yk__trace_cancel_event(f);
}

#endif
