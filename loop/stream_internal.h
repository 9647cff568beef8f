/* loop/stream_internal.h - a stream from the inside. Not installed. */
#ifndef YOKE_LOOP_STREAM_INTERNAL_H
#define YOKE_LOOP_STREAM_INTERNAL_H

#include <stdbool.h>

#include "stream.h"
#include "transport_internal.h"

/* Where a task waits; it is woken once. */
typedef struct yk__place_in_stream {
    yk__parker *parker; /* NULL: nobody waits */
    bool woken;
} yk__place_in_stream;

struct yk_stream {
    yk_loop *loop;
    yk_transport *transport; /* NULL: lost */
    int err;                 /* why it was lost */

    char *bytes; /* what has come and was not read: len of them, from start on, in cap */
    size_t start, len, cap;
    size_t limit; /* reading pauses at so many, or at what the reader wants */
    size_t wanted;
    size_t high_water;

    yk__place_in_stream reader, writer;
    size_t needed;       /* wakes the reader */
    unsigned inside;     /* calls that are suspended in it */
    bool reading;        /* somebody has begun to read */
    bool eof;            /* nothing more comes */
    bool writing_paused; /* the transport has said so */
    bool closed;         /* every call returns YK_ECLOSED */
    bool given_up;       /* its owner has: free it when nobody is inside */
    uint64_t turn;       /* of the loop, in which it wrote `written` bytes */
    size_t written;
};

/* Of this thread's loop, and open; else why not. */
int yk__stream_check(const yk_stream *s);

/* Suspends the task until it is woken at this place. An error ends the call, which must not touch
 * the stream after it. */
int yk__stream_sleep(yk_stream *s, yk__place_in_stream *place, uint64_t deadline);
void yk__stream_wake(yk__place_in_stream *place);

extern const yk_protocol yk__stream_protocol;

#endif
