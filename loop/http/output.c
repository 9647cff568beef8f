/* Sending: answers gather in h->out, and go to the stream together. */
#include <string.h>

#include "http_internal.h"

#define PIECE ((size_t)256 << 10) /* bytes that are handed to the stream at once */

/* The loop's turn ends, and the handler waits for something: what it has written so far goes out.
 * An error is told by the stream. */
static void turn_ended(yk__turn_end *end)
{
    yk_http *h = (yk_http *)((char *)end - offsetof(yk_http, flush));
    yk_stream *s = h->conn->stream;
    if (h->out_len > 0 && s->transport && !s->closed)
        yk_transport_write(s->transport, h->out, h->out_len);
    h->out_len = 0;
}

/* Waits while the client takes nothing, as long as it is fast enough. */
static int push(yk_http *h, const struct iovec *pieces, size_t n)
{
    yk__http_conn *c = h->conn;
    yk__http_pace pace = { 0 };
    if (!c->stream->writing_paused)
        return yk_stream_writev(c->stream, pieces, n, YK_FOREVER);
    for (;;) {
        uint64_t began = uv_now(c->loop->uv);
        size_t unsent = yk_stream_unsent(c->stream);
        int err = yk_stream_writev(c->stream, pieces, n, yk__http_pace_deadline(c, &pace));
        if (err != UV_ETIMEDOUT)
            return err;
        size_t left = yk_stream_unsent(c->stream);
        if (!yk__http_pace_keeps(c, &pace, uv_now(c->loop->uv) - began, unsent - left)) {
            YK__HTTP_COUNT(c, timed_out, 1);
            return err;
        }
    }
}

/* What was not taken is missing from then on, whatever the handler makes of the error. */
static int hand_over(yk_http *h, const struct iovec *pieces, size_t n)
{
    int err = push(h, pieces, n);
    h->broken |= err != 0;
    return err;
}

int yk__http_out_now(yk_http *h)
{
    size_t len = h->out_len;
    yk__turn_end_forget(&h->flush); /* from here on nobody else sends it */
    if (len == 0 && !h->conn->stream->writing_paused)
        return 0;
    int err = hand_over(h, &(struct iovec){ h->out, len }, 1);
    h->out_len = 0;
    return err;
}

/* What is too large to be copied: behind that which waits. */
static int send_large(yk_http *h, const char *data, size_t len)
{
    size_t first = len < PIECE ? len : PIECE;
    yk__turn_end_forget(&h->flush);
    struct iovec both[2] = { { h->out, h->out_len }, { (void *)data, first } };
    int err = h->out_len ? hand_over(h, both, 2) : hand_over(h, both + 1, 1);
    h->out_len = 0;
    for (size_t at = first; at < len && !err; at += PIECE) {
        size_t n = len - at < PIECE ? len - at : PIECE;
        err = hand_over(h, &(struct iovec){ (void *)(data + at), n }, 1);
    }
    return err;
}

/* The end of a turn makes room without waiting for the client: so this does. */
int yk__http_room(yk_http *h, size_t len)
{
    bool fits = len <= YK__HTTP_OUT - h->out_len && !h->conn->stream->writing_paused;
    return fits ? 0 : yk__http_out_now(h);
}

void yk__http_added(yk_http *h, size_t len)
{
    h->out_len += len;
    if (h->flush.link || h->out_len == 0)
        return;
    h->flush.run = turn_ended;
    yk__turn_end_await(h->conn->loop, &h->flush);
}

int yk__http_out(yk_http *h, const void *data, size_t len)
{
    if (len > YK__HTTP_OUT / 2)
        return send_large(h, data, len);
    int err = yk__http_room(h, len);
    if (err)
        return err;
    memcpy(h->out + h->out_len, data, len);
    yk__http_added(h, len);
    return 0;
}

int yk__http_send_all(yk__http_conn *c)
{
    yk_http *h = c->h;
    if (!h)
        return 0;
    int err = yk__http_out_now(h);
    while (!err && yk_stream_unsent(c->stream) > 0) {
        yk__http_pace pace = { 0 };
        size_t unsent = yk_stream_unsent(c->stream);
        err = yk_stream_drain(c->stream, yk__http_pace_deadline(c, &pace));
        size_t sent = unsent - yk_stream_unsent(c->stream);
        if (err == UV_ETIMEDOUT && yk__http_pace_keeps(c, &pace, yk__http_stall_ms(c), sent))
            err = 0;
    }
    if (err == UV_ETIMEDOUT)
        YK__HTTP_COUNT(c, timed_out, 1);
    return err;
}
