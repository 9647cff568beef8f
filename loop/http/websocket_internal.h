/* loop/http/websocket_internal.h - a WebSocket from the inside. Not installed.
 *
 * libwslay takes what comes apart, checks it, and answers pings and goodbyes; it neither reads nor
 * writes itself. What it says is gathered as messages in `in`, what it wants to send in `control`.
 * Messages of ours go past it, straight to the stream: their frames are never masked nor split.
 */
#ifndef YOKE_LOOP_HTTP_WEBSOCKET_INTERNAL_H
#define YOKE_LOOP_HTTP_WEBSOCKET_INTERNAL_H

#include <stdbool.h>
#include <wslay/wslay.h>

#include "../stream.h"
#include "../call.h"
#include "../sync.h"
#include "websocket.h"

enum { YK__WS_KEY = 24, YK__WS_ACCEPT = 29 }; /* lengths: of a key, of its answer with a NUL */

/* What Sec-WebSocket-Accept says to a key of YK__WS_KEY characters. False: it is no key. */
bool yk__ws_accept_key(const char *key, char accept[YK__WS_ACCEPT]);

/* A WebSocket on a stream, after the handshake; the stream stays the caller's. NULL: no memory.
 * `protocol` must stay. */
yk_ws *yk__ws_new(yk_stream *stream, const char *protocol, const yk_ws_options *options);

/* Calls fn, says goodbye, and frees it. What fn returned. */
int yk__ws_serve(yk_ws *ws, yk_ws_fn fn, void *arg);
void yk__ws_free(yk_ws *ws);

struct yk_ws {
    yk_stream *stream;
    struct wslay_event_context *wslay;
    const char *protocol;
    size_t most_message;
    uint64_t silence_ms;

    /* What has come: messages one behind the other. */
    char *in;
    size_t in_len, in_cap;
    size_t next;       /* where the one begins that is handed out next */
    size_t growing;    /* where the one begins that is coming */
    size_t whole;      /* how many can be handed out */
    bool open;         /* one is coming */
    bool in_message;   /* the frame that is coming is a part of it */
    const char *piece; /* of the stream, for libwslay */
    size_t piece_len;
    uint64_t patience; /* when the client has been silent for too long */
    bool pinged;
    int broken; /* why no more messages come; 0: they may */

    /* What goes. */
    yk_lock writing; /* one at a time waits for room */
    size_t control_len;
    char control[516]; /* whole frames of libwslay's that the stream does not have yet */
    bool complaint;    /* the client is to be told of a frame that is none */
    bool leaving;      /* a goodbye was said: no more messages go */
    yk_call *give_up;  /* when the client does not answer it */
    char reason[124];  /* of the client's goodbye */
};

#endif
