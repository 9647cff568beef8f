/* loop/serve/shared_pool_internal.h - the inside of the shared pool's client. Not installed.
 *
 *   shared_pool.c       what any thread may call: submit, cancel, shut down, statistics
 *   shared_pool_loop.c  the loop's part: the link, what waits, what is on its way, the end
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

/* ---- For the driver ------------------------------------------------------------------------- */

int yk__shared_start(yk__shared_pool *p);
void yk__shared_accept(yk__shared_job *job);
void yk__shared_cancel(yk__shared_job *job);
void yk__shared_obey(yk__post *post);
void yk__shared_feeder_run(yk__post *post);

#endif
