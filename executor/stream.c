/* Partial results: the writer's side in the job, the reader's side in the parent. See ring.h. */
#include "stream.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "arena.h"
#include "park.h"
#include "ring.h"
#include "worker.h"

#define HEADER YK__RECORD_HEAD /* of a record: its length */
#define LOOK_EVERY                                                                 \
    ((uint64_t)10 * 1000000) /* for a reason to stop, while the job waits for room \
                              */

/* Everything below `sleeper` belongs to whoever is reading. */
struct yk__stream {
    _Atomic uint32_t refs;
    _Atomic bool reading;          /* somebody is; acquire when taken, release when given back */
    _Atomic bool ended;            /* the future has; set before `sleeper` is looked at */
    _Atomic(yk__parker *) sleeper; /* set by a reader that sleeps; who takes it wakes it */
    yk__feeder *feeder;            /* constant; NULL: the job itself writes */

    yk__ring *ring;
    bool shared; /* see the ring's: what is there, a worker may write */
    uint64_t size;
    uint64_t head; /* bytes taken */
    size_t offset; /* where `head` lies in the ring */
    uint64_t woke; /* the `wait_for` that the job was last woken for */
    uint32_t sleeps;
    bool broken; /* it is no stream of records; nothing is read any more */
    bool over;   /* the reader has been told of its end */
};

/* ---- Life ----------------------------------------------------------------------------------- */

static yk__ring *ring_new(size_t size, bool shared)
{
    size_t bytes = (sizeof(yk__ring) + size + YK__CACHE_LINE - 1) & ~(size_t)(YK__CACHE_LINE - 1);
    yk__ring *ring = shared ? yk_arena_alloc(bytes) : aligned_alloc(YK__CACHE_LINE, bytes);
    if (!ring)
        return NULL;
    memset(ring, 0, sizeof *ring);
    ring->size = size;
    ring->shared = shared;
    return ring;
}

static void stream_ended(yk_future *f, void *arg)
{
    (void)f;
    yk__stream *s = arg;
    yk__stream_close(s, YK_ECANCELED); /* a thread may still be at it when its future has ended */
    atomic_store(&s->ended, true);
    yk__stream_rouse(s);
}

int yk__stream_open(yk__work *work, const yk_job_options *options, bool shared)
{
    if (options->stream == 0)
        return 0;
    if (options->stream > SIZE_MAX / 2)
        return UV_ENOMEM;
    size_t size = options->stream + HEADER;
    yk__stream *s = calloc(1, sizeof *s);
    yk__ring *ring = s ? ring_new(size, shared) : NULL;
    if (!ring) {
        free(s);
        return UV_ENOMEM;
    }
    atomic_init(&s->refs, 1);
    s->ring = ring;
    s->shared = shared;
    s->size = size;
    work->future.stream = s;
    yk__place *place; /* the future's first, which is free and needs no memory */
    yk__future_wait_for(&work->future, stream_ended, s, false, &place);
    return 0;
}

yk__ring *yk__stream_ring(yk__stream *s)
{
    return s ? s->ring : NULL;
}

void yk__stream_hold(yk__stream *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

void yk__stream_release(yk__stream *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (s->shared)
        yk_arena_free(s->ring);
    else
        free(s->ring);
    if (s->feeder)
        s->feeder->free(s->feeder);
    free(s);
}

/* ---- The job's side ------------------------------------------------------------------------- */

static bool has_room(yk__ring *ring, uint64_t need)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    return tail - atomic_load(&ring->head) + need <= ring->size;
}

static int reason_to_stop(const yk_job *job)
{
    int closed = atomic_load(&job->ring->closed);
    return closed ? closed : job->cancelled(job) ? YK_ECANCELED : 0;
}

static int sleep_for_room(const yk_job *job, uint64_t need)
{
    yk__ring *ring = job->ring;
    uint64_t wanted = need > ring->size / 2 ? need : ring->size / 2;
    uint64_t until = atomic_load_explicit(&ring->tail, memory_order_relaxed) + wanted - ring->size;
    int err = 0;
    for (;;) {
        uint32_t bell = atomic_load(&ring->bell);
        atomic_store(&ring->wait_for, until + 1);
        if (has_room(ring, need) || (err = reason_to_stop(job)) != 0)
            break;
        yk__futex_wait(&ring->bell, bell, yk_now() + LOOK_EVERY, ring->shared);
    }
    atomic_store_explicit(&ring->wait_for, 0, memory_order_relaxed);
    return err;
}

/* On a thread it makes room for another job meanwhile, which may be the one that reads. */
static int wait_for_room(const yk_job *job, uint64_t need)
{
    yk__blocking *b = job->stream ? yk__parker_blocking() : NULL;
    if (b)
        b->begin(b, 0); /* 0: not refused, whoever may read */
    int err = sleep_for_room(job, need);
    if (b)
        b->end(b);
    return err;
}

static void write_at(yk__ring *ring, uint64_t position, const void *data, size_t len)
{
    size_t offset = position % ring->size, first = ring->size - offset;
    first = first < len ? first : len;
    if (first > 0)
        memcpy(ring->data + offset, data, first);
    if (len > first)
        memcpy(ring->data, (const char *)data + first, len - first);
}

/* `s`: NULL in a worker process. */
static void wake_reader(yk__ring *ring, yk__stream *s)
{
    uint32_t reader = atomic_load(&ring->reader);
    if (!(reader & 1) || reader == ring->woken)
        return;
    ring->woken = reader;
    if (s)
        yk__stream_rouse(s);
    else
        yk__worker_call_attention();
}

/* There is room for it. */
static void publish(yk__ring *ring, yk__stream *s, const void *data, size_t len)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    uint32_t length = (uint32_t)len;
    write_at(ring, tail, &length, HEADER);
    write_at(ring, tail + HEADER, data, len);
    atomic_store(&ring->tail, tail + HEADER + len);
    wake_reader(ring, s);
}

int yk_job_emit(yk_job *job, const void *data, size_t len)
{
    yk__ring *ring = job->ring;
    if (!ring)
        return YK_ENOSTREAM;
    if (len > 0 && !data)
        return UV_EINVAL;
    if (len > ring->size - HEADER || len > UINT32_MAX)
        return UV_EMSGSIZE;
    int err = atomic_load_explicit(&ring->closed, memory_order_relaxed);
    if (!err && !has_room(ring, HEADER + len))
        err = wait_for_room(job, HEADER + len);
    if (err)
        return err;
    publish(ring, job->stream, data, len);
    /* Nobody takes what a job emits after it was written off. `ended` is looked at after the record
     * was published, by the reader before it looks for one: it is taken, or this is seen. */
    return job->stream && atomic_load(&job->stream->ended) ? YK_ECANCELED : 0;
}

/* ---- A feeder's side ------------------------------------------------------------------------ */

void yk__stream_set_feeder(yk__stream *s, yk__feeder *feeder)
{
    s->feeder = feeder;
}

yk__feeder *yk__stream_feeder(const yk__stream *s)
{
    return s->feeder;
}

int yk__stream_feed(yk__stream *s, const void *data, size_t len)
{
    if (len > s->ring->size || !has_room(s->ring, HEADER + len))
        return UV_EMSGSIZE;
    publish(s->ring, s, data, len);
    return 0;
}

yk__feed yk__stream_look(const yk__stream *s)
{
    uint64_t taken = atomic_load(&s->ring->head);
    return (yk__feed){ .taken = taken,
                       .empty = taken == atomic_load(&s->ring->tail),
                       .closed = atomic_load(&s->ring->closed) };
}

/* ---- The reader's side ---------------------------------------------------------------------- */

static void wake_job(const yk__stream *s)
{
    atomic_fetch_add(&s->ring->bell, 1);
    yk__futex_wake(&s->ring->bell, INT_MAX, s->shared);
}

void yk__stream_close(yk__stream *s, int code)
{
    int32_t open = 0;
    if (!atomic_compare_exchange_strong(&s->ring->closed, &open, code))
        return;
    if (s->feeder)
        s->feeder->changed(s->feeder);
    else if (atomic_load(&s->ring->wait_for) != 0)
        wake_job(s);
}

void yk__stream_rouse(yk__stream *s)
{
    yk__parker *sleeper = atomic_exchange(&s->sleeper, NULL);
    if (sleeper)
        sleeper->unpark(sleeper);
}

/* Copies what lies `ahead` bytes past the head. */
static void read_ahead(const yk__stream *s, size_t ahead, void *out, size_t len)
{
    size_t offset = s->offset + ahead;
    offset = offset < s->size ? offset : offset - s->size;
    size_t first = s->size - offset < len ? s->size - offset : len;
    if (first > 0)
        memcpy(out, s->ring->data + offset, first);
    if (len > first)
        memcpy((char *)out + first, s->ring->data, len - first);
}

static void advance(yk__stream *s, size_t by)
{
    s->offset += by;
    if (s->offset >= s->size)
        s->offset -= s->size;
    s->head += by;
    atomic_store(&s->ring->head, s->head);
    if (s->feeder) {
        s->feeder->changed(s->feeder);
        return;
    }
    uint64_t wait_for = atomic_load(&s->ring->wait_for);
    if (wait_for == 0 || wait_for == s->woke || s->head < wait_for - 1)
        return;
    s->woke = wait_for;
    wake_job(s);
}

static int broken(yk__stream *s)
{
    s->broken = true;
    return UV_EPROTO;
}

/* UV_EAGAIN: there is none. */
static int take(yk__stream *s, void *out, size_t cap, size_t *len)
{
    if (s->broken)
        return UV_EPROTO;
    if (s->over)
        return YK_END;
    uint64_t there = atomic_load(&s->ring->tail) - s->head;
    if (there == 0)
        return UV_EAGAIN;
    if (there < HEADER || there > s->size)
        return broken(s);
    uint32_t n;
    read_ahead(s, 0, &n, HEADER);
    if (n > there - HEADER)
        return broken(s);
    if (len)
        *len = n;
    if (n > cap)
        return YK_ETOOBIG;
    read_ahead(s, HEADER, out, n);
    advance(s, HEADER + n);
    return 0;
}

static bool has_news(yk__stream *s)
{
    return atomic_load(&s->ring->tail) != s->head || atomic_load(&s->ended);
}

static const yk__wait_kind for_record = { "the next record of a stream", NULL };

/* Until there is news. 0; UV_ETIMEDOUT, YK_ECANCELED. */
static int sleep_for_news(yk__stream *s, yk__parker *parker, uint64_t deadline)
{
    yk__parker_waits(parker, &for_record, s);
    atomic_store(&s->sleeper, parker);
    s->sleeps += 2;
    atomic_store(&s->ring->reader, s->sleeps + 1);
    int err = 0;
    bool committed = false; /* somebody has taken the parker: its wake-up must not go astray */
    if (has_news(s))
        committed = !atomic_exchange(&s->sleeper, NULL);
    else if ((err = parker->park(parker, deadline, true)) != 0)
        committed = !atomic_exchange(&s->sleeper, NULL);
    if (committed)
        parker->park(parker, YK_FOREVER, false);
    atomic_store_explicit(&s->ring->reader, s->sleeps, memory_order_relaxed);
    return err;
}

static int next(const yk_future *f, yk__stream *s, void *out, size_t cap, size_t *len,
                uint64_t deadline)
{
    for (;;) {
        bool ended = atomic_load(&s->ended); /* what came before it is seen below */
        int err = take(s, out, cap, len);
        if (err != UV_EAGAIN)
            return err;
        if (ended) {
            s->over = true;
            return YK_END;
        }
        if (deadline == 0)
            return UV_ETIMEDOUT;
        yk__parker *parker = yk__parker_current();
        if (!parker)
            return YK_EONLOOP;
        if (parker->self == f)
            return YK_EDEADLK;
        err = sleep_for_news(s, parker, deadline);
        if (err == UV_ETIMEDOUT)
            deadline = 0; /* one more look */
        else if (err)
            return err;
    }
}

int yk_stream_next(yk_future *f, void *out, size_t cap, size_t *len, uint64_t deadline)
{
    if (!f || (!out && cap > 0))
        return UV_EINVAL;
    yk__stream *s = f->stream;
    if (!s)
        return yk_future_state(f) > YK_DONE ? YK_END : YK_ENOSTREAM;
    if (atomic_exchange_explicit(&s->reading, true, memory_order_acquire))
        return UV_EBUSY;
    int err = next(f, s, out, cap, len, deadline);
    atomic_store_explicit(&s->reading, false, memory_order_release);
    if (err == UV_EPROTO || err == YK_ECANCELED)
        yk_future_cancel(f);
    return err;
}
