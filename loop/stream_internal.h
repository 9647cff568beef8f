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

    /* Called when the peer sends no more, or the connection is lost; NULL: nobody is. */
    void (*over)(void *arg);
    void *over_arg;
};

/* Of this thread's loop, and open; else why not. */
int yk__stream_check(const yk_stream *s);

/* Suspends the task until it is woken at this spot. An error ends the call, which must not touch
 * the stream after it. */
int yk__stream_wait(yk_stream *s, yk__spot *spot, uint64_t deadline);

/* What has come and was not taken: good until the task waits. */
static inline char *yk__stream_bytes(const yk_stream *s, size_t *len)
{
    *len = s->len;
    return s->bytes + s->start;
}

/* Waits until there is more than that. YK_END, YK_ETRUNCATED (there is some): nothing more comes.
 */
int yk__stream_more(yk_stream *s, uint64_t deadline);

/* Drops the first of them. */
void yk__stream_drop(yk_stream *s, size_t len);

/* Gives back a large buffer with nothing in it: what is to come may take a while. */
void yk__stream_shed(yk_stream *s);

extern const yk_protocol yk__stream_protocol;

#endif
