/* loop/stream_internal.h - a stream from the inside. Not installed. */
#ifndef YOKE_LOOP_STREAM_INTERNAL_H
#define YOKE_LOOP_STREAM_INTERNAL_H

#include <stdbool.h>

#include "spot.h"
#include "stream.h"
#include "transport_internal.h"

struct yk_stream {
    yk_loop *loop;
    yk_transport *transport; /* NULL: lost */
    int err;                 /* why it was lost */
    const char *reason;      /* the same in words, a constant, or NULL */

    char *bytes; /* what has come and was not read: len of them, from start on, in cap */
    size_t start, len, cap;
    size_t limit; /* reading pauses at so many, or at what the reader wants */
    size_t wanted;
    size_t high_water;

    yk__spot reader, writer;
    size_t needed;       /* wakes the reader */
    unsigned inside;     /* calls that are suspended in it */
    bool reading;        /* somebody has begun to read */
    bool eof;            /* nothing more comes */
    bool writing_paused; /* the transport has said so */
    bool handshaking;    /* TLS has been begun, and does not stand yet */
    bool closed;         /* every call returns YK_ECLOSED */
    bool given_up;       /* its owner has: free it when nobody is inside */
    uint64_t turn;       /* of the loop, in which it wrote `written` bytes */
    size_t written;
};

/* Of this thread's loop, and open; else why not. */
int yk__stream_check(const yk_stream *s);

/* Suspends the task until it is woken at this spot. An error ends the call, which must not touch
 * the stream after it. */
int yk__stream_wait(yk_stream *s, yk__spot *spot, uint64_t deadline);

extern const yk_protocol yk__stream_protocol;

#endif
