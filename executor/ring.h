/* executor/ring.h - the records that a job emits, on their way to the reader. Not installed.
 *
 * A ring of bytes for each job that streams, with one writer (the job) and one reader at a time:
 * in the arena where the job runs in a process, so that a record is copied in once and out once,
 * whoever reads; on the heap where it runs on a thread. Each record is its length (4 bytes) and its
 * bytes, going round the end where they must; it is published, by `tail`, when it is whole.
 *
 * Sleeping. The reader announces itself in `reader` and then looks at `tail`; the writer moves
 * `tail` and then looks at `reader`. The writer announces itself in `wait_for` and then looks at
 * `head`; the reader moves `head` and then looks at `wait_for`. All sequentially consistent, so one
 * of the two sees the other. `reader` is the number of its sleep, odd, so that the writer wakes it
 * once for each; `wait_for` is where the reader must have come, half a window on where that will
 * do, so that a reader that is slower than the writer does not wake it for every record.
 *
 * Who wakes whom: the writer sleeps on the futex `bell`, which works between processes. A reader is
 * woken by the writer itself where that is a thread of the same process, and else by the pool's
 * driver, whose attention the worker calls (channel.h).
 *
 * The writer also looks every 10 ms whether its job is to stop, as a job that computes would: a
 * time limit and a shutdown need not know of streams.
 *
 * What the reader finds in a ring in the arena is not trusted: its own position and the size are
 * private copies; `tail` and each length are read once and checked.
 */
#ifndef YOKE_EXECUTOR_RING_H
#define YOKE_EXECUTOR_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "internal.h"

typedef struct yk__ring {
    /* Written by the job. */
    alignas(YK__CACHE_LINE) _Atomic uint64_t tail; /* bytes ever published */
    _Atomic uint64_t wait_for; /* 1 + the head that the job sleeps for; 0: it does not */
    uint32_t woken;            /* the reader's sleep that was last ended by the job */
    /* Written by the parent. */
    alignas(YK__CACHE_LINE) _Atomic uint64_t head; /* bytes ever taken */
    _Atomic uint32_t reader;                       /* odd: the number of the reader's sleep */
    _Atomic uint32_t bell;                         /* the futex that the job sleeps on */
    _Atomic int32_t closed;                        /* not 0: what yk_job_emit is to return */
    /* Constant. */
    alignas(YK__CACHE_LINE) uint64_t size; /* of `data` */
    bool shared;                           /* between processes */
    unsigned char data[];
} yk__ring;

/* The reader's side; private to the parent. */
typedef struct yk__stream yk__stream;

/* Gives a job that nobody knows yet its stream, if the options ask for one. UV_ENOMEM. */
int yk__stream_open(yk__work *work, const yk_job_options *options, bool shared);

/* Its ring; NULL for NULL. */
yk__ring *yk__stream_ring(yk__stream *s);

/* Reference counting; the future holds one. Takes NULL. */
void yk__stream_hold(yk__stream *s);
void yk__stream_release(yk__stream *s);

/* Nobody will read what the job emits from now on, or the job is to stop: it gets `code`. Any
 * thread; the first code counts. */
void yk__stream_close(yk__stream *s, int code);

/* ---- A stream whose job is in another place than a ring can reach ---------------------------- */

/* Somebody feeds it with what the job emits. Both are called on whatever thread: `changed` when the
 * reader has taken something, or the stream was closed; `free` at the stream's end. Before the job
 * is known to others. */
typedef struct yk__feeder {
    void (*changed)(struct yk__feeder *feeder);
    void (*free)(struct yk__feeder *feeder);
} yk__feeder;
void yk__stream_set_feeder(yk__stream *s, yk__feeder *feeder);
yk__feeder *yk__stream_feeder(const yk__stream *s);

/* One thread at a time. UV_EMSGSIZE: there is no room for it. */
int yk__stream_feed(yk__stream *s, const void *data, size_t len);

/* What there is to tell the job: how many bytes were taken, each record with YK__RECORD_HEAD more
 * than its own; whether more may be expected to be taken without another record; and the code that
 * it was closed with, or 0. */
#define YK__RECORD_HEAD sizeof(uint32_t)
typedef struct yk__feed {
    uint64_t taken;
    bool empty;
    int closed;
} yk__feed;
yk__feed yk__stream_look(const yk__stream *s);

/* ---- Both ------------------------------------------------------------------------------------ */

/* There may be something new for the reader. Any thread of the parent. */
void yk__stream_rouse(yk__stream *s);

#endif
