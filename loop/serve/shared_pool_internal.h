/* loop/serve/shared_pool_internal.h - the inside of the shared pool's client. Not installed.
 *
 *   shared_pool.c       what any thread may call: submit, cancel, shut down, statistics
 *   shared_pool_loop.c  the loop's part: the link, what comes and goes, the end
 *   shared_pool_jobs.c  numbers, and the ends of jobs
 *
 * A job waits here until the pool's process has greeted, then gets a number and is sent. From there
 * on its future is handed: whatever ends it comes over the link, or the link breaks.
 */
#ifndef YOKE_LOOP_SERVE_SHARED_POOL_INTERNAL_H
#define YOKE_LOOP_SERVE_SHARED_POOL_INTERNAL_H

#include <stdalign.h>

#include "../../executor/admission.h"
#include "../../executor/meter.h"
#include "../../executor/ring.h"
#include "../internal.h"
#include "link.h"
#include "pool_messages.h"
#include "shared_pool.h"

#define YK__NO_NUMBER UINT32_MAX

/* The driver is the loop's thread. It holds a reference to a job from its submission to its end. */
typedef struct yk__shared_job {
    yk__work work;
    struct yk__shared_pool *pool;
    yk__post post; /* first to submit it, later to ask for its cancellation, from other threads */
    yk__submit_frame frame;
    bool admitted; /* holds a permit of the bounded queue */

    /* The driver's. */
    uint32_t number; /* YK__NO_NUMBER: it was not sent */
    bool begun;
    uint64_t began;              /* when; 0: it is not measured */
    struct yk__shared_job *next; /* among those that wait */

    alignas(max_align_t) unsigned char arg[];
} yk__shared_job;

/* Has what the reader of a job's stream does told to the job. Belongs to the stream. */
typedef struct yk__shared_feeder {
    yk__feeder feeder; /* the first member */
    struct yk__shared_pool *pool;
    yk__stream *stream;
    yk__post post;
    _Atomic bool posted;
    _Atomic bool over; /* the job has ended: relaxed, a hint */
    /* The driver's. */
    uint32_t number;
    uint64_t told;
    bool told_closed;
} yk__shared_feeder;

enum { YK__SHARED_CANCEL_PENDING = 1, YK__SHARED_CANCEL_RUNNING = 2 };

typedef struct yk__shared_pool {
    yk_executor ex;
    yk_loop *loop; /* with a reference */
    yk__reactor *reactor;
    yk__pool_door door;
    uint64_t timeout_ms;
    yk_future *gone;

    /* Any thread. */
    yk__admission admission;
    _Atomic bool closing, order_posted;
    _Atomic uint32_t orders;
    yk__post order_post;
    _Atomic uint64_t received, dropped;

    /* The driver; the counters are atomic for those who read statistics. */
    _Atomic uint64_t done, failed, cancelled, timeouts, running;
    bool finished;
    uint64_t accepted; /* of those received, how many have come to the driver */
    yk__source source;
    yk__link link;
    yk__timer retry;              /* runs while it is too early to knock again */
    yk__shared_job *first, *last; /* that wait to be sent */
    yk__shared_job **jobs;        /* [size] by number; NULL: it is free */
    uint32_t *free_numbers;       /* [size] */
    uint32_t size, n_free;
    yk__meter meter;
} yk__shared_pool;

static inline bool yk__shared_on_driver(const yk__shared_pool *p)
{
    return yk__reactor_current() == p->reactor;
}

/* Runs post->run on the driver. YK_ECLOSED: the loop is gone. Any thread. */
int yk__shared_post(yk__shared_pool *p, yk__post *post);

/* Has the driver look at `orders`, and whether all is done. Any thread. */
void yk__shared_order(yk__shared_pool *p, uint32_t orders);

/* ---- shared_pool_jobs.c, for the driver ------------------------------------------------------ */

/* One writer. Release, against those who read statistics. */
static inline void yk__shared_count(_Atomic uint64_t *counter, int64_t by)
{
    uint64_t n = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, n + (uint64_t)by, memory_order_release);
}

static inline yk__shared_feeder *yk__shared_feeder_of(const yk__shared_job *job)
{
    yk__stream *s = job->work.future.stream;
    return s ? (yk__shared_feeder *)yk__stream_feeder(s) : NULL;
}

/* Gives it a number, by which frames name it. False: no more can be had. */
bool yk__shared_number(yk__shared_pool *p, yk__shared_job *job);
uint32_t yk__shared_on_their_way(const yk__shared_pool *p); /* how many have one */

/* It has begun: there is room for another. */
void yk__shared_leave_queue(yk__shared_job *job);

/* Ends a job that the caller has claimed; the driver's reference goes with it. */
void yk__shared_end(yk__shared_job *job, yk_state state, yk_error *error);
void yk__shared_end_with_error(yk__shared_job *job, yk_error *error);

/* One that may have been cancelled by now, and then was counted as dropped. */
void yk__shared_fail(yk__shared_job *job, int code, const char *message);

/* The first of those that wait to be sent; and all of them. */
yk__shared_job *yk__shared_next_waiting(yk__shared_pool *p);
void yk__shared_fail_waiting(yk__shared_pool *p, int code, const char *message);

/* Those that the pool's process had: "job 'NAME' " and what. */
void yk__shared_fail_sent(yk__shared_pool *p, int code, const char *what);

/* ---- shared_pool_loop.c, for the driver
 * ------------------------------------------------------------------------- */

int yk__shared_start(yk__shared_pool *p);
void yk__shared_accept(yk__shared_job *job);
void yk__shared_cancel(yk__shared_job *job);
void yk__shared_obey(yk__post *post);
void yk__shared_feeder_run(yk__post *post);

#endif
