/* yoke/loop/http/websocket.h - messages in both directions, as long as both sides like.
 *
 * A handler (http.h) makes its request a WebSocket; a function then has it to itself, in the same
 * task:
 *
 *   static int echo(yk_ws *ws, void *arg)
 *   {
 *       yk_ws_message m;
 *       int err;
 *       while ((err = yk_ws_receive(ws, &m, YK_FOREVER)) == 0 &&
 *              (err = yk_ws_send(ws, m.kind, m.data, m.len, YK_FOREVER)) == 0)
 *           ;
 *       return err == YK_END ? 0 : err;
 *   }
 *   static int page(yk_http *h, void *arg) { return yk_websocket(h, echo, arg); }
 *
 * Pings are answered, and sent when nothing has come for a while, by whoever is in
 * yk_ws_receive(): so a task should be. Any other task of the loop may send meanwhile, whole
 * messages in the order of the calls. When the function returns, nobody may use the WebSocket any
 * more; the library says goodbye for it if nobody has.
 *
 * Who sends to many does not wait for the slowest: with the deadline 0 a message goes, or
 * UV_ETIMEDOUT says that more than `most_unsent` bytes wait for this client already.
 *
 *   for each client: if (yk_ws_send(ws, YK_WS_TEXT, text, len, 0) == UV_ETIMEDOUT)
 *                        yk_ws_drop(ws);                    (its yk_ws_receive() ends)
 *
 * A server that is drained (yk_http_drain) says goodbye to all clients (1001).
 *
 * The protocol is RFC 6455, without extensions. All calls are for the loop's thread.
 */
#ifndef YOKE_LOOP_HTTP_WEBSOCKET_H
#define YOKE_LOOP_HTTP_WEBSOCKET_H

#include <stddef.h>
#include <stdint.h>

#include "http.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_ws yk_ws;

typedef int (*yk_ws_fn)(yk_ws *ws, void *arg);

typedef struct yk_ws_options {
    const char *const *protocols; /* sub-protocols that are spoken here, up to a NULL; the first one
                                     of the client's that is among them is chosen. NULL: none */
    const char *const *origins;   /* pages that may connect ("https://example.org"), up to a NULL;
                                     others get 403. NULL: those of the request's own host, and
                                     clients that are no browsers */
    size_t most_message;          /* bytes that come; 0: 1 MiB. Then the connection ends (1009) */
    size_t most_unsent;           /* bytes that may be unsent before a send waits; 0: 64 KiB */
    uint64_t silence_ms; /* a client of which nothing was heard for so long is pinged, and given up
                            when nothing comes for as long again; 0: 30 s */
} yk_ws_options;

/* Answers the handshake, calls fn(ws, arg), and ends the WebSocket. Returns what fn returned: a
 * negative one other than YK_ECANCELED tells the client of an internal error (1011). A request that
 * is no handshake is answered with 426 or 400. */
int yk_websocket_opts(yk_http *h, yk_ws_fn fn, void *arg, const yk_ws_options *options);
#define yk_websocket(h, fn, arg) yk_websocket_opts((h), (fn), (arg), NULL)
#define yk_websocket_with(h, fn, arg, ...) \
    yk_websocket_opts((h), (fn), (arg), &(yk_ws_options){ __VA_ARGS__ })

/* The sub-protocol that was chosen; NULL: none. */
const char *yk_ws_protocol(const yk_ws *ws);

typedef enum yk_ws_kind { YK_WS_TEXT = 1, YK_WS_BINARY = 2 } yk_ws_kind;

typedef struct yk_ws_message {
    yk_ws_kind kind;
    const char *data; /* with a NUL behind it; good until the next yk_ws_receive() */
    size_t len;
} yk_ws_message;

/* Waits for a message. Text is valid UTF-8. One task at a time.
 *
 * YK_END: both sides have said goodbye. YK_ETRUNCATED: the client has gone without;
 * UV_ECONNABORTED: it is silent, or takes nothing. YK_EFORMAT: it does not speak the protocol, or
 * text is no UTF-8; YK_ETOOBIG: more than `most_message`; after these two it was told so.
 * YK_ECLOSED: dropped. Else as for a stream: UV_ETIMEDOUT, YK_ECANCELED, UV_ECONNRESET, UV_ENOMEM.
 */
int yk_ws_receive(yk_ws *ws, yk_ws_message *m, uint64_t deadline);

/* Sends a message, or nothing. It waits while more than `most_unsent` bytes are unsent. Text must
 * be UTF-8. YK_ECLOSED: one side has said goodbye, or it was dropped; else as for a stream. */
int yk_ws_send(yk_ws *ws, yk_ws_kind kind, const void *data, size_t len, uint64_t deadline);

/* Bytes that were sent and that the system has not taken yet. */
size_t yk_ws_unsent(const yk_ws *ws);

/* Says goodbye: a code (1000: done; 1001: going away; 1008: against the rules; 3000 to 4999: the
 * program's own) and a reason of up to 123 bytes, or NULL. Does not wait. What still comes is
 * dropped, and yk_ws_receive() returns YK_END when the client has answered, or has not within some
 * seconds. UV_EINVAL: a code that may not be sent; YK_ECLOSED: it was said already. */
int yk_ws_close(yk_ws *ws, int code, const char *reason);

/* What the client said: 1005: nothing; 1006: no goodbye has come. *reason, which may be NULL: good
 * until the WebSocket ends. */
int yk_ws_close_code(const yk_ws *ws, const char **reason);

/* Cuts the connection. */
void yk_ws_drop(yk_ws *ws);

#ifdef __cplusplus
}
#endif
#endif
