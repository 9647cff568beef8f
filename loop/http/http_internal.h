/* loop/http/http_internal.h - a connection and a request from the inside. Not installed.
 *
 * A connection is there as long as its task serves it. A yk_http is there from the
 * first byte of a request until all answers have been handed to the stream: idle connections have
 * none, and those that are done leave theirs to the next (spares of the loop, see here.c).
 *
 *   stream's buffer -> h->text (a head, parsed in place) -> handler -> h->out -> stream
 *
 * What follows the head stays in the stream's buffer, as body or as the next request. Answers
 * gather in h->out while whole requests are left in that buffer; they are sent when there is none,
 * when there are many of them, and at the end of the loop's turn if a handler waits.
 */
#ifndef YOKE_LOOP_HTTP_HTTP_INTERNAL_H
#define YOKE_LOOP_HTTP_HTTP_INTERNAL_H

#include "../interrupt.h"
#include "../stream_internal.h"
#include "date.h"
#include "encoder.h"
#include "http.h"
#include "parser.h"

#define YK__HTTP_OUT ((size_t)16 << 10) /* bytes of answers that are sent together */

typedef struct yk__http_conn yk__http_conn;

/* What the connections of a loop share. */
typedef struct yk__http_here {
    yk__loop_local local; /* the first member */
    yk__http_conn *conns;
    yk_http *spares;
    unsigned spare_count;
    yk__encoder *encoders[YK__IDENTITY]; /* spare ones, by their coding */
    unsigned encoder_count[YK__IDENTITY], encoders_in_use;
    bool draining;
    uint64_t grace_ms; /* for a connection without a request, while draining */
    uint64_t date_of;  /* the second that `date` is of */
    char date[YK__HTTP_DATE];
} yk__http_here;

/* How fast something comes or goes: waits count, and what the handler does between them does not.
 */
typedef struct yk__http_pace {
    uint64_t waited_ms, bytes;
} yk__http_pace;

struct yk__http_conn {
    yk_loop *loop;
    yk__http_here *here;
    yk__http_conn *prev, *next;
    yk_stream *stream;
    const yk_http_service *service;
    yk_http *h; /* NULL: nothing has come, and nothing is to be sent */
    uint64_t requests;
    uint64_t turn; /* of the loop, in which it served so many: */
    unsigned served;

    /* A wait for input. The timer may run for an earlier deadline than that of this wait: it is not
     * set anew for each request. */
    yk__timer timer;
    uint64_t deadline;
    bool waiting, timed_out;

    bool idle;                /* waits for a request's first byte */
    bool handling;            /* a handler runs: */
    yk__interrupt gone;       /* its client has left */
    bool last;                /* no further request is read */
    bool linger;              /* the client does not know that: it is listened to for a while */
    void (*leave)(void *arg); /* a WebSocket's, when the server is drained; NULL: it is none */
    void *leave_arg;
    char peer[48]; /* for the log, "" until it is asked for */
};

struct yk_http {
    yk__http_conn *conn;
    yk_http *next_spare;
    yk__turn_end flush; /* sends `out` when the loop's turn ends */

    /* The request. */
    yk__http_head head;
    char *text; /* the head as it came; behind it the path, decoded */
    size_t text_cap;
    char *path, *raw, *query;      /* raw: the path with its escapes, without dot segments */
    const yk_http_route *route;    /* NULL: none */
    yk__chunks chunks;             /* of a chunked body */
    uint64_t body_left, body_came; /* of one with a length; of either */
    bool body_over;                /* nothing of it is left in the connection */
    bool continue_due;             /* the client waits for 100 Continue */
    int body_err, body_status;     /* what reading it came to, and the answer to that */
    char *body;                    /* what read_all has read */
    yk__http_pace pace_in;

    /* The response. */
    int status;   /* 0: not begun */
    char *fields; /* those that were set, as they are sent */
    size_t fields_len, fields_cap;
    uint64_t length, written; /* YK_HTTP_UNKNOWN; bytes of the body */
    bool bodiless;            /* HEAD, 204, 304: what is written goes nowhere */
    bool chunked;
    bool broken;          /* something that was to be sent is missing */
    bool as_is;           /* is not to be compressed */
    yk__encoder *encoder; /* compresses the body; NULL: nobody does */

    size_t out_len;
    char out[YK__HTTP_OUT];
};

static inline uint64_t yk__http_stall_ms(const yk__http_conn *c)
{
    return c->service->stall_ms ? c->service->stall_ms : 20000;
}

/* Counts up or down, where it is wanted. One writer. */
#define YK__HTTP_COUNT(c, what, n)                                                     \
    do {                                                                               \
        yk_http_counters *to_ = (c)->service->counters;                                \
        if (to_)                                                                       \
            __atomic_store_n(&to_->what, to_->what + (uint64_t)(n), __ATOMIC_RELAXED); \
    } while (0)

/* ---- here.c: what a loop has for all --------------------------------------------------------- */

yk__http_here *yk__http_here_of(yk_loop *loop); /* NULL: no memory */
yk_http *yk__http_take(yk__http_conn *c);       /* NULL: no memory */
void yk__http_give(yk_http *h);                 /* which has nothing more to send */
const char *yk__http_date(yk__http_here *here); /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* ---- input.c: waiting for the client --------------------------------------------------------- */

uint64_t yk__http_after(const yk__http_conn *c, uint64_t ms); /* by the loop's clock */

/* Waits until more has come than is there. 0; YK_END, YK_ETRUNCATED; UV_ETIMEDOUT; ... */
int yk__http_more(yk__http_conn *c, uint64_t deadline);
void yk__http_timer_fired(yk__timer *timer);

/* Has the wait that it is in end earlier. */
void yk__http_hurry(yk__http_conn *c, uint64_t deadline);

/* Until when to wait for the next bytes; and whether a client that has moved so many, in a wait of
 * so long, is fast enough on average. */
uint64_t yk__http_pace_deadline(const yk__http_conn *c, const yk__http_pace *pace);
bool yk__http_pace_keeps(const yk__http_conn *c, yk__http_pace *pace, uint64_t ms, uint64_t bytes);

/* Ends the sending, and listens until the client has heard that. */
void yk__http_linger(yk__http_conn *c);

/* ---- request.c ------------------------------------------------------------------------------- */

/* The values of all fields of that name, with commas between them; NULL: there are none. To be
 * freed. */
int yk__http_joined(const yk_http *h, const char *name, char **joined);

/* ---- target.c: paths and queries ------------------------------------------------------------- */

/* Decodes percent escapes into out[0..size), with a NUL; `plus`: a '+' is a space. The length;
 * YK_ETOOBIG; UV_EINVAL: a broken escape, or a NUL. In place, too. */
long yk__http_decode(const char *text, size_t len, bool plus, char *out, size_t size);
int yk__http_decode_to(const char *text, size_t len, bool plus, char *out, size_t size); /* or not
                                                                                at all: request.c */

/* Removes "." and ".." from a path in place, also those whose dots are escaped. Its new length; the
 * path has room for a NUL. */
size_t yk__http_remove_dots(char *path, size_t len);

/* Fills in path, raw and query; `room` is for twice the target, and 4 bytes. 0, or -400. */
int yk__http_take_target(yk_http *h, char *room);

/* ---- route.c --------------------------------------------------------------------------------- */

/* The value of the route's {rest...}; UV_ENOENT: it has none. */
int yk__http_rest(const yk_http *h, char *out, size_t size);

/* Calls who takes the request. What that returned. */
int yk__http_dispatch(yk_http *h);

/* ---- body.c ---------------------------------------------------------------------------------- */

/* Has the request's body begin. False: it is too large. */
bool yk__http_body_begin(yk_http *h);

/* Whether the rest of the body is worth reading to keep the connection. */
bool yk__http_body_may_be_dropped(const yk_http *h);
int yk__http_body_drop(yk_http *h);

/* ---- output.c: sending ----------------------------------------------------------------------- */

/* Room for so many bytes, at most YK__HTTP_OUT, at the end of `out`. */
int yk__http_room(yk_http *h, size_t len);
void yk__http_added(yk_http *h, size_t len); /* they have been written there */

int yk__http_out(yk_http *h, const void *data, size_t len); /* now or a little later */
int yk__http_out_now(yk_http *h);                           /* hands all to the stream */
int yk__http_send_all(yk__http_conn *c); /* waits until the system has all of it */

/* ---- access.c -------------------------------------------------------------------------------- */

/* A line for the log, where there is one. `began`: when the request was there; 0: it was none. */
void yk__http_note(yk_http *h, int status, uint64_t began);

/* ---- compress.c ------------------------------------------------------------------------------ */

/* In a service that compresses, where the answer is one for it: says so in its fields, and takes an
 * encoder; its length is not known then. */
int yk__http_compress(yk_http *h, int status, const char *type, uint64_t *length);
int yk__http_encode(yk_http *h, const char *data, size_t len, yk__encode what);
void yk__http_encoder_drop(yk_http *h); /* if there is one */
void yk__http_encoders_free(yk__http_here *here);

/* ---- response.c ------------------------------------------------------------------------------ */

void yk__http_unset(yk_http *h, const char *name);

/* A piece of the body as it goes over the line. */
int yk__http_write_raw(yk_http *h, const void *data, size_t len);

/* Sends the answer that an error of the handler's deserves, where none was begun. */
void yk__http_answer_error(yk_http *h, int err);

/* An answer of the library's own that is the last one of its connection. */
void yk__http_refuse(yk_http *h, int status);

/* The end of the response: the last chunk. An error: it is not whole, cut the connection. */
int yk__http_response_end(yk_http *h);

/* Whether `name` and `value` may be a field of a response; the library's own are none. */
bool yk__http_is_field(const char *name, const char *value);

#endif
