/* loop/transport_internal.h - what kinds of transports have in common. Not installed.
 *
 * A kind embeds a yk_transport as its first member and moves the bytes. What is alike for all, who
 * may still do what and which callback is due, is in transport.c.
 */
#ifndef YOKE_LOOP_TRANSPORT_INTERNAL_H
#define YOKE_LOOP_TRANSPORT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "guest.h"
#include "internal.h"
#include "transport.h"

#define YK__HIGH_WATER ((size_t)64 << 10)
#define YK__LOW_WATER  ((size_t)16 << 10)
#define YK__LINGER_MS  10000

typedef struct yk__transport_ops {
    /* Takes all `total` bytes, more than 0. An error breaks the transport. */
    int (*write)(yk_transport *t, const struct iovec *pieces, size_t n, size_t total);
    int (*end_writing)(yk_transport *t);
    int (*set_reading)(yk_transport *t, bool on);
    size_t (*unsent)(const yk_transport *t);
    int (*fd)(const yk_transport *t);
    /* Sends what is unsent, and then drops it. */
    void (*finish)(yk_transport *t);
    /* Ends it now; yk__transport_lost() follows, not from within. `reset`: the peer is to know that
     * this was no proper end. Once. */
    void (*drop)(yk_transport *t, bool reset);
} yk__transport_ops;

struct yk_transport {
    yk__guest guest; /* the first member */
    const yk__transport_ops *ops;
    yk_protocol protocol;
    void *arg;
    size_t high, low;
    yk__timer linger;
    int err;             /* what `lost` will say */
    const char *reason;  /* the same in words, a constant; NULL: there is no more to say */
    yk_transport *above; /* one that is on top of this, and sends through it; NULL */
    bool reading;        /* so wished */
    bool writing_paused; /* so told */
    bool writing_ended;
    bool ended;   /* eof was told */
    bool closing; /* close, abort or an error: nothing more is read or written */
    bool dropped; /* ops->drop was called */
};

int yk__transport_init(yk_transport *t, const yk__transport_ops *ops, const yk_protocol *protocol,
                       void *arg);

/* Tells that it is connected, and begins to read. */
void yk__transport_begin(yk_transport *t);

/* What kinds say. None of the first three may be followed by a use of what the callback may have
 * changed: look at `closing` and `reading` again. */
void yk__transport_data(yk_transport *t, const void *data, size_t len);
void yk__transport_eof(yk_transport *t);
void yk__transport_sent(yk_transport *t); /* there is less unsent than before */
void yk__transport_broke(yk_transport *t, int err);
void yk__transport_lost(yk_transport *t); /* and is to be freed by whoever says so */

/* The kind for regular files and devices that cannot be polled: file_transport.c. */
int yk__file_transport_open(yk_transport **transport, int fd, const yk_protocol *protocol,
                            void *arg);

#endif
