/* yoke/loop/http/http.h - serving HTTP/1.1.
 *
 * A handler is called for each request, in the task of its connection. It looks at the request,
 * awaits what it likes, and answers:
 *
 *   static int hello(yk_http *h, void *arg)
 *   {
 *       return yk_http_send(h, 200, "text/plain", "Hello, world\n", 13);
 *   }
 *   static const yk_http_service web = { .handler = hello };
 *   ...
 *   yk_server *server = yk_server_start(l, yk_http_connection, (void *)&web);     (net.h)
 *
 * What the library does: it refuses what RFC 9112 does not allow (a request that two programs could
 * read differently is answered with 400 and the end of the connection); keeps connections open and
 * answers pipelined requests in order, many with one write; HEAD, 100 Continue, chunked bodies both
 * ways, Date, time-outs and limits.
 *
 * A client that leaves while its handler waits (it closes, is reset, or ends its sending)
 * interrupts that wait as a cancellation would: it returns YK_ECANCELED, and the job that was
 * awaited is cancelled, down to the worker process.
 *
 * Everything here is for the connection's own task, while the handler runs; strings of the request
 * are good until the handler returns. Outputs are untouched on failure.
 */
#ifndef YOKE_LOOP_HTTP_HTTP_H
#define YOKE_LOOP_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../net.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_http yk_http; /* a request and its response */

/* 0: answered (if nothing was, by 204). An error before anything was sent is answered for the
 * handler:
 *   YK_EFULL                       503, with Retry-After: 1     (a queue_limit was reached)
 *   YK_EJOBTIMEOUT, UV_ETIMEDOUT   504; 408 where the request's body did not come
 *   YK_ETOOBIG                     413
 *   YK_ECANCELED                   503 (the server stops; a client that left sees nothing)
 *   any other                      500, and a line in the log (error.h) with its name
 * An error after that cuts the connection, so that the client sees that something is missing. */
typedef int (*yk_http_fn)(yk_http *h, void *arg);

/* A route takes the requests of a method ("GET" takes HEAD, too; NULL: any) whose path is like the
 * pattern: "/words/{word}" takes one segment that is not empty, a last "{rest...}" everything that
 * is left. The first that fits is called. A path that fits with another method only is 405 with
 * Allow, none is 404. A segment may hold an escaped slash. */
typedef struct yk_http_route {
    const char *method, *pattern;
    yk_http_fn handler;
    void *arg;
} yk_http_route;

/* Where a service counts; all zero at first. Written by one loop at a time, with atomic stores: it
 * may lie in memory that others read. */
typedef struct yk_http_counters {
    uint64_t connections; /* open now */
    uint64_t accepted;    /* ever */
    uint64_t requests;    /* whose head was read, and refused ones */
    uint64_t answers[6];  /* by the first digit of the status; [0]: cut before one was sent */
    uint64_t timed_out;   /* connections that ended because their client was too slow */
    uint64_t left;        /* handlers whose client left while they waited */
} yk_http_counters;

struct yk_tls;

/* What is served, and how. It must stay as long as there are connections. */
typedef struct yk_http_service {
    const yk_http_route *routes; /* ends with one without a pattern; NULL: none */
    yk_http_fn handler;          /* gets what fits no route's path; NULL: 404 */
    void *arg;
    struct yk_tls *tls;         /* HTTPS: yk_tls_server() (tls.h); NULL: plain */
    yk_http_counters *counters; /* NULL: counts nowhere */
    struct yk_http_log *log;    /* of all answers (log.h); NULL: none */
    bool keep_working;          /* a client that leaves does not interrupt its handler */
    bool compress; /* answers of text, JSON, SVG, ... of 1 KiB and more, with zstd or gzip, for the
                      clients that take it, where the handler has set no Content-Encoding and no
                      "no-transform"; 64 at once, others go as they are. Not for pages that hold a
                      secret and repeat what they were asked: the length tells of the secret */

    /* Limits; 0 is the figure given. */
    size_t most_head;       /* bytes of request line and fields: 16 KiB; then 431, or 414 */
    uint64_t most_body;     /* bytes: 1 MiB; then 413. UINT64_MAX: no limit */
    uint64_t head_ms;       /* from the first byte of a request to the end of its head, or for the
                               TLS handshake: 10 s; 408, or the end */
    uint64_t idle_ms;       /* between two requests: 60 s; then the end */
    uint64_t stall_ms;      /* a body that does not come, an answer that is not taken, at 1 KiB/s on
                               average over this time: 20 s; 408, or the end */
    uint64_t most_requests; /* of one connection: no limit */
} yk_http_service;

/* Serves one connection until it ends: a yk_connection_fn (net.h), with a yk_http_service. An idle
 * connection costs some 6 KiB of memory beside the kernel's. */
int yk_http_connection(yk_stream *stream, void *service);

/* From now on the HTTP connections of the calling thread's loop end: each answer says that it is
 * the last one, and a connection without a request is closed when none has come for `idle_ms`
 * milliseconds; so a client that sends one meanwhile gets its answer. yk_server_stop() comes after
 * it. */
void yk_http_drain(uint64_t idle_ms);

/* ---- The request ----------------------------------------------------------------------------- */

const char *yk_http_method(const yk_http *h);
const char *yk_http_target(const yk_http *h); /* as it came */
const char *yk_http_path(const yk_http *h);   /* decoded, without "." and ".."; "/...", or "*" */
const char *yk_http_query(const yk_http *h);  /* after the '?', as it came; "" */

/* The first field's value of that name, NULL if there is none. Names are compared without case. */
const char *yk_http_header(const yk_http *h, const char *name);

/* All fields in order: *i starts at 0; false: no more. */
bool yk_http_next_header(const yk_http *h, size_t *i, const char **name, const char **value);

/* The first value of a query parameter, or of the route's {name}, decoded into `out` with a NUL. 0;
 * UV_ENOENT; YK_ETOOBIG; UV_EINVAL: a broken escape, or a NUL in it. The value of a {rest...} has
 * no ".." in it. */
int yk_http_query_value(const yk_http *h, const char *name, char *out, size_t size);
int yk_http_param(const yk_http *h, const char *name, char *out, size_t size);

/* The client's address: as yk_stream_peer() (net.h). */
int yk_http_peer(const yk_http *h, char *text, size_t size);

/* The body. read: up to `cap` bytes, at least 1; YK_END: there is no more. read_all: what is left
 * of it, with a NUL after it, good until the handler returns. YK_ETOOBIG: more than `most_body`;
 * UV_ETIMEDOUT: it does not come (stall_ms); YK_ETRUNCATED, UV_ECONNRESET, ...: it never will;
 * UV_EINVAL: it is not chunked as it should be; UV_ENOMEM. A client that waits for 100 Continue
 * gets it with the first read. A body that nobody reads is read and dropped, or the connection is
 * closed. */
int yk_http_read(yk_http *h, void *out, size_t cap, size_t *len);
int yk_http_read_all(yk_http *h, char **body, size_t *len);

/* ---- The response ---------------------------------------------------------------------------- */

/* Sets a field, replacing those of that name; add: another one of that name. Copied. UV_EINVAL: not
 * a field (a CR in it, ...), or one that the library sets itself: Content-Length,
 * Transfer-Encoding, Connection, Date; YK_ECLOSED: the head has been sent; UV_ENOMEM. */
int yk_http_set(yk_http *h, const char *name, const char *value);
int yk_http_add(yk_http *h, const char *name, const char *value);

/* The whole answer at once. type: of the content; NULL: none, or what was set. What they return
 * beside 0 is for the handler to return: YK_ECLOSED (an answer was begun already), UV_EINVAL (a
 * status outside of 200 to 599), UV_ENOMEM, UV_ETIMEDOUT (the client does not take it), or what the
 * connection broke with. */
int yk_http_send(yk_http *h, int status, const char *type, const void *body, size_t len);
int yk_http_sendf(yk_http *h, int status, const char *type, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A piece at a time: begin, then write any number of times; it ends when the handler returns. The
 * length is that of the body, UINT64_MAX where it is not known: then it goes in chunks, and to an
 * HTTP/1.0 client until the end of the connection. What is written is sent when there is enough of
 * it, or when the task waits; flush: now. Writes wait while the client takes nothing. YK_ETOOBIG:
 * more than the length; YK_ECLOSED: not begun. */
#define YK_HTTP_UNKNOWN UINT64_MAX
int yk_http_begin(yk_http *h, int status, const char *type, uint64_t length);
int yk_http_write(yk_http *h, const void *data, size_t len);
int yk_http_flush(yk_http *h);

/* An answer of 4xx or 5xx with a line of text; and one that sends the client elsewhere. */
int yk_http_error(yk_http *h, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int yk_http_redirect(yk_http *h, int status, const char *location);

/* Whether an answer was begun. */
bool yk_http_begun(const yk_http *h);

/* ---- Server-sent events ---------------------------------------------------------------------- */

/* Begins an answer of events, which the client's EventSource hears one by one:
 *
 *   int err = yk_http_events(h);
 *   while (!err && (err = yk_queue_get(news, &n, YK_FOREVER)) == 0)
 *       err = yk_http_event(h, "news", n.text);
 *
 * An event has a name (NULL: "message") and data, in lines (NULL: ""); with neither it is a sign of
 * life that the client does not see, for proxies that end what is silent. Sent at once. UV_EINVAL:
 * a name that is empty or has a line's end in it; else as yk_http_begin() and yk_http_write(). */
int yk_http_events(yk_http *h);
int yk_http_event(yk_http *h, const char *event, const char *data);

/* "Not Found"; "" for a status without a name. */
const char *yk_http_reason(int status);

#ifdef __cplusplus
}
#endif
#endif
