/* executor/channel.h - the memory between the parent and one worker process. Not installed.
 *
 * One sealed memfd a worker, mapped by the two of them and nobody else: a ring of jobs down, a ring
 * of results up, and a page of words. No lock: every word has one writer, but for a slot's state.
 *
 *   parent                                            worker
 *   fills slot `submitted`, state QUEUED;
 *   submitted + 1;  if asleep: ring the bell          takes slot `taken`: QUEUED -> TAKEN, or finds
 *                                                     it WITHDRAWN and passes on; runs the job;
 *                                                     fills the result slot `finished`;
 *   drains results up to `finished`                   finished + 1;  if parked: writes the eventfd
 *
 * A job's state decides who has it: the worker takes it with one compare-and-swap, or the parent
 * withdraws it with one, so that a job in the ring can be cancelled or given to an idle worker, and
 * a job that was never taken when its worker died is run elsewhere. A record is published only
 * when it is whole, so a worker that is killed between any two instructions leaves nothing
 * half-done that anybody reads.
 *
 * Positions count jobs from the worker's start and wrap at 2^32; position p is in slot p %
 * YK__RING. The parent has at most YK__RING positions open, so the result ring cannot overflow.
 *
 * The parent trusts nothing that a worker can write: it copies a record once and checks what it has
 * copied. The worker runs the parent's own code and trusts the parent.
 */
#ifndef YOKE_EXECUTOR_CHANNEL_H
#define YOKE_EXECUTOR_CHANNEL_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crash.h"
#include "held.h"
#include "internal.h"

#define YK__RING        256 /* jobs that may be open with one worker; a power of two */
#define YK__SLOT_INLINE 224 /* bytes of an argument or result that travel in the slot itself */
#define YK__ROOMS       16  /* rooms for larger results that may be granted ahead; a power of two */

/* Of a job: note when it begins, in up.started; say how long it ran, with its result. */
enum { YK__TIMED = 1, YK__MEASURED = 2, YK__STREAM_PAGE = (1 << 29) - 1 };

enum { YK__SLOT_QUEUED = 1, YK__SLOT_TAKEN, YK__SLOT_WITHDRAWN };

/* How far a worker has come. One that failed says why, and exits. */
enum { YK__WORKER_STARTS, YK__WORKER_READY, YK__WORKER_FAILED };

/* A slot's state word: whose position it is in the upper 30 bits, and what became of it in the
 * lower two. A worker that comes to a position which was withdrawn long ago finds another position
 * in its slot, and its compare-and-swap fails as it should. */
static inline uint32_t yk__slot_state(uint32_t position, uint32_t state)
{
    return position << 2 | state;
}

/* The worker has passed the job's commit point, from TAKEN. A parent that is about to ask a job to
 * stop marks it WITHDRAWN, from TAKEN, so that one of the two comes first. A job may do this to
 * have no limit, so it is no news if a hostile worker does; only chance shall not. */
static inline uint32_t yk__slot_committed(uint32_t position)
{
    return yk__slot_state(~position, 0);
}

/* How far behind the beginning of an argument in the arena its context lies: carried.h. */
static inline size_t yk__context_behind(size_t arg_len)
{
    return (arg_len + 15) / 16 * 16;
}

typedef struct yk__job_slot {
    _Atomic uint32_t state;
    uint32_t measured : 2; /* YK__TIMED, YK__MEASURED: what the worker is to say of it */
    uint32_t context : 1;  /* behind the argument lies a context: yk__context_behind */
    uint32_t stream : 29;  /* yk__arena_page of the ring for what the job emits; 0: it has none */
    yk_job_fn fn;
    void *arg; /* in the arena; NULL: inline */
    uint64_t arg_len;
    alignas(16) unsigned char inline_arg[YK__SLOT_INLINE];
} yk__job_slot;

typedef struct yk__result_slot {
    uint32_t position;
    int32_t code;     /* 0: done */
    uint16_t in_room; /* the result lies in the next of the rooms that the parent granted */
    uint16_t told;    /* the job has said how far it is */
    uint32_t ran;     /* of a measured job, packed; see yk__ran_packed */
    uint64_t len;
    uint64_t began;                                           /* of a measured job, by yk_now() */
    alignas(16) unsigned char inline_result[YK__SLOT_INLINE]; /* or the error's message */
} yk__result_slot;

/* Nanoseconds in 32 bits: exact up to 2 s, then in steps of a millisecond, up to three weeks. */
static inline uint32_t yk__ran_packed(uint64_t ns)
{
    uint64_t coarse = ns >> 20;
    return ns >> 31 == 0 ? (uint32_t)ns
                         : (uint32_t)(coarse < INT32_MAX ? coarse : INT32_MAX) | 1u << 31;
}

static inline uint64_t yk__ran_unpacked(uint32_t ran)
{
    return ran >> 31 == 0 ? ran : (uint64_t)(ran & INT32_MAX) << 20;
}

/* Room for a result that does not fit a slot: a block of the arena. NULL: there is no memory. */
typedef struct yk__room {
    void *at;
    uint64_t size;
} yk__room;

typedef struct yk__channel {
    /* Written by the parent. */
    struct {
        alignas(YK__CACHE_LINE) _Atomic uint32_t submitted; /* seq_cst, against `asleep` */
        _Atomic uint32_t bell;     /* the futex that the worker sleeps on; adds 1 to wake it */
        _Atomic uint32_t parked;   /* of the reactor; seq_cst, against `finished` and `wanted` */
        _Atomic uint32_t stop;     /* leave when there is no more to do */
        _Atomic uint32_t spin;     /* nanoseconds to look for jobs before a sleep; relaxed */
        _Atomic uint32_t cpu;      /* that the driver is on, or was lately; relaxed */
        _Atomic uint64_t cancel;   /* 1 + the position of the job that should stop */
        _Atomic uint32_t answered; /* the last `wanted` that was answered; release */
        const struct yk__worker_spec *spec; /* or NULL; written before the process is asked for */
        yk__cell *cells;   /* [YK__RING], in the arena: the progress of the job at each position */
        uint32_t identity; /* the worker's, as an owner; written before the process is asked for */
        /* See rooms.h. Number n is in rooms[n % YK__ROOMS], filled before it is granted; the next
           one to be used may change as an answer. */
        alignas(YK__CACHE_LINE) _Atomic uint32_t granted; /* how many, so far; release */
        yk__room rooms[YK__ROOMS];
    } down;
    /* Written by the worker. */
    struct {
        alignas(YK__CACHE_LINE) _Atomic uint32_t finished;
        _Atomic uint64_t started;  /* yk_now() when the last job that is timed was taken */
        _Atomic uint32_t retiring; /* 1: it takes no job more, and waits to be told to leave.
                                      Relaxed, before `finished` */
        /* Apart from what changes with every job: the parent reads these with every job. */
        alignas(YK__CACHE_LINE) _Atomic uint32_t asleep; /* odd: the number of the sleep it is in;
                                                            even: awake */
        _Atomic uint32_t pace;   /* nanoseconds a job; 0: not known; see pace.h */
        _Atomic uint32_t cpu;    /* that it is on, or was when it last ran out of jobs; relaxed */
        _Atomic uint32_t wanted; /* counts requests for room; seq_cst, against `parked` */
        _Atomic uint64_t want_size;
        _Atomic uint32_t attention; /* counts calls for the driver's attention: the reader of the
                                       running job's stream sleeps, or a value that somebody awaits
                                       was reached; seq_cst, against `parked` */
        alignas(YK__CACHE_LINE) yk__held held; /* read when the worker is dead */
        /* Of its start. seq_cst, against `parked`, after the message. */
        alignas(YK__CACHE_LINE) _Atomic uint32_t ready; /* YK__WORKER_... */
        int32_t start_code;
        char start_message[YK__MESSAGE_MAX];
    } up;
    alignas(YK__CACHE_LINE) yk__job_slot jobs[YK__RING];
    yk__result_slot results[YK__RING];
    yk__crash_record crash; /* the worker's, when it dies of a signal */
} yk__channel;

/* A new channel: its memfd (close-on-exec, sealed against resizing), mapped. UV_E... */
int yk__channel_new(yk__channel **channel, int *fd);

/* Maps the channel behind fd. NULL: no memory. */
yk__channel *yk__channel_map(int fd);
void yk__channel_unmap(yk__channel *channel);

#endif
