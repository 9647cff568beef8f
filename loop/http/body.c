/* Reading a request's body, from the stream's buffer. */
#include <stdlib.h>
#include <string.h>

#include "http_internal.h"

#define WORTH_DROPPING ((uint64_t)256 << 10) /* bytes, to keep a connection */
#define FIRST_PIECE    ((size_t)16 << 10)

static uint64_t most_body(const yk_http *h)
{
    uint64_t most = h->conn->service->most_body;
    return most ? most : (uint64_t)1 << 20;
}

bool yk__http_body_begin(yk_http *h)
{
    h->chunks = (yk__chunks){ 0 };
    h->pace_in = (yk__http_pace){ 0 };
    h->body_left = h->head.length;
    h->body_came = 0;
    h->body_err = h->body_status = 0;
    h->body_over = !h->head.chunked && h->head.length == 0;
    h->continue_due = h->head.expects_continue && !h->body_over;
    return h->head.length <= most_body(h);
}

/* Nothing more of it can be had, and no further request. */
static int fail(yk_http *h, int err, int status)
{
    h->body_err = err;
    h->body_status = status;
    h->conn->last = h->conn->linger = true;
    return err;
}

/* ---- A piece --------------------------------------------------------------------------------- */

static int take_chunked(yk_http *h, const char *bytes, size_t n, void *out, size_t *len)
{
    size_t used;
    const char *data;
    int r = yk__chunks_take(&h->chunks, bytes, n, &used, &data, len);
    if (r < 0)
        return fail(h, UV_EINVAL, -r);
    if (*len > most_body(h) - h->body_came)
        return fail(h, YK_ETOOBIG, 413);
    if (*len && out)
        memcpy(out, data, *len);
    yk__stream_drop(h->conn->stream, used);
    h->body_over = r == 1;
    return 0;
}

/* Takes what is there, at most `cap` bytes; NULL: drops them. */
static int take(yk_http *h, void *out, size_t cap, size_t *len)
{
    size_t n;
    const char *bytes = yk__stream_bytes(h->conn->stream, &n);
    n = n < cap ? n : cap;
    *len = 0;
    if (n == 0)
        return 0;
    if (h->head.chunked) {
        int err = take_chunked(h, bytes, n, out, len);
        if (err)
            return err;
    } else {
        *len = n < h->body_left ? n : (size_t)h->body_left;
        if (out)
            memcpy(out, bytes, *len);
        yk__stream_drop(h->conn->stream, *len);
        h->body_left -= *len;
        h->body_over = h->body_left == 0;
    }
    h->body_came += *len;
    return 0;
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static int say_continue(yk_http *h)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    h->continue_due = false;
    int err = h->status ? 0 : yk__http_out(h, line, sizeof line - 1);
    return err ? err : yk__http_out_now(h);
}

static int await(yk_http *h)
{
    yk__http_conn *c = h->conn;
    size_t had = yk_stream_readable(c->stream);
    int err = h->continue_due ? say_continue(h) : 0;
    if (err || yk_stream_readable(c->stream) > had)
        return err;
    uint64_t began = uv_now(c->loop->uv);
    err = yk__http_more(c, yk__http_pace_deadline(c, &h->pace_in));
    size_t came = yk_stream_readable(c->stream) - had;
    bool keeps = yk__http_pace_keeps(c, &h->pace_in, uv_now(c->loop->uv) - began, came);
    if (err == UV_ETIMEDOUT || !keeps) {
        if (keeps)
            return 0;
        YK__HTTP_COUNT(c, timed_out, 1);
        return fail(h, UV_ETIMEDOUT, 408);
    }
    if (err == YK_ECANCELED)
        return err;
    return err ? fail(h, err == YK_END ? YK_ETRUNCATED : err, 400) : 0;
}

static int read_some(yk_http *h, void *out, size_t cap, size_t *len)
{
    for (;;) {
        if (h->body_err)
            return h->body_err;
        if (h->body_over)
            return YK_END;
        size_t n;
        int err = take(h, out, cap, &n);
        if (err)
            return err;
        if (n > 0) {
            *len = n;
            return 0;
        }
        if (!h->body_over && yk_stream_readable(h->conn->stream) == 0)
            err = await(h);
        if (err)
            return err;
    }
}

int yk_http_read(yk_http *h, void *out, size_t cap, size_t *len)
{
    return cap == 0 ? UV_EINVAL : read_some(h, out, cap, len);
}

int yk_http_read_all(yk_http *h, char **body, size_t *len)
{
    size_t cap = 0, have = 0, n;
    char *all = NULL;
    int err = 0;
    while (!err) {
        if (cap - have < 2) {
            size_t more = cap ? 2 * cap : FIRST_PIECE;
            char *larger = realloc(all, more);
            if (!larger) {
                err = UV_ENOMEM;
                break;
            }
            all = larger;
            cap = more;
        }
        err = read_some(h, all + have, cap - have - 1, &n);
        if (!err)
            have += n;
    }
    if (err != YK_END) {
        free(all);
        return err;
    }
    all[have] = '\0';
    free(h->body);
    *body = h->body = all;
    *len = have;
    return 0;
}

/* ---- What nobody reads ----------------------------------------------------------------------- */

bool yk__http_body_may_be_dropped(const yk_http *h)
{
    return h->body_over ||
           (!h->body_err && !h->continue_due && (h->head.chunked || h->body_left < WORTH_DROPPING));
}

int yk__http_body_drop(yk_http *h)
{
    uint64_t most = h->body_came + WORTH_DROPPING;
    size_t n;
    int err = 0;
    while (!err && h->body_came < most)
        err = read_some(h, NULL, SIZE_MAX, &n);
    return err == YK_END ? 0 : err ? err : YK_ETOOBIG;
}
