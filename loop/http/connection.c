/* A connection's life: requests, one after the other, in one task. */
#include <stdlib.h>
#include <string.h>

#include "../tls.h"
#include "http_internal.h"

#define FAIR_SHARE 64 /* requests that a task may serve before others run */

static uint64_t or_else(uint64_t chosen, uint64_t usual)
{
    return chosen ? chosen : usual;
}

static uint64_t head_ms(const yk__http_conn *c)
{
    return or_else(c->service->head_ms, 10000);
}

/* ---- Waiting for a request ------------------------------------------------------------------- */

static int make_request(yk__http_conn *c)
{
    yk_http *h = yk__http_take(c);
    if (!h)
        return UV_ENOMEM;
    h->status = 0;
    h->fields_len = 0;
    h->body = NULL;
    c->h = h;
    return 0;
}

static int wait_idle(yk__http_conn *c)
{
    int err = yk__http_send_all(c);
    if (err || yk_stream_readable(c->stream) > 0) /* it has come meanwhile */
        return err;
    if (c->h)
        yk__http_give(c->h);
    c->h = NULL;
    yk__stream_shed(c->stream);
    c->idle = true;
    uint64_t ms = or_else(c->service->idle_ms, 60000);
    if (c->here->draining && c->here->grace_ms < ms)
        ms = c->here->grace_ms;
    err = yk__http_more(c, yk__http_after(c, ms));
    c->idle = false;
    return err;
}

/* A head that is not right, or does not come, is answered. */
static int refuse(yk__http_conn *c, int status)
{
    YK__HTTP_COUNT(c, requests, 1);
    yk__http_refuse(c->h, status);
    yk__http_note(c->h, status, 0);
    return YK_END;
}

static int wait_for_rest(yk__http_conn *c, uint64_t *deadline)
{
    size_t had = yk_stream_readable(c->stream);
    int err = yk__http_out_now(c->h);
    if (err || yk_stream_readable(c->stream) > had)
        return err;
    if (*deadline == 0)
        *deadline = yk__http_after(c, head_ms(c));
    err = yk__http_more(c, *deadline);
    if (err != UV_ETIMEDOUT)
        return err;
    YK__HTTP_COUNT(c, timed_out, 1);
    return refuse(c, 408);
}

/* Waits until a whole head is there, of *len bytes. */
static int await_head(yk__http_conn *c, size_t *len)
{
    size_t most = or_else(c->service->most_head, (size_t)16 << 10), seen = 0;
    uint64_t deadline = 0;
    for (;;) {
        size_t n;
        const char *bytes = yk__stream_bytes(c->stream, &n);
        int err = n > 0 && !c->h ? make_request(c) : 0;
        if (err)
            return err;
        long found = n > 0 ? yk__http_find_head(bytes, n, &seen) : 0;
        if (found < 0)
            return refuse(c, (int)-found);
        if ((size_t)found > most || (!found && n >= most))
            return refuse(c, -yk__http_too_long(bytes, most));
        if (found > 0) {
            *len = (size_t)found;
            return 0;
        }
        err = n == 0 ? wait_idle(c) : wait_for_rest(c, &deadline);
        if (err)
            return err;
    }
}

/* ---- Serving one ----------------------------------------------------------------------------- */

/* Moves the head from the stream's buffer, where the next one would move it, and parses it. 0, or
 * the answer that it deserves, negative. */
static int read_head(yk_http *h, size_t len)
{
    size_t n, need = 3 * len + 8; /* and its path twice, at most */
    if (need > h->text_cap) {
        char *larger = realloc(h->text, need);
        if (!larger)
            return -503;
        h->text = larger;
        h->text_cap = need;
    }
    memcpy(h->text, yk__stream_bytes(h->conn->stream, &n), len);
    yk__stream_drop(h->conn->stream, len);
    int status = yk__http_parse_head(h->text, len, &h->head);
    if (!status)
        status = yk__http_take_target(h, h->text + len + 1);
    if (status)
        return status;
    return yk__http_body_begin(h) ? 0 : -413;
}

/* The peer sends no more: called from the stream. */
static void over(void *arg)
{
    yk__http_conn *c = arg;
    if (c->handling && !c->service->keep_working)
        yk__interrupt_now(&c->gone);
}

/* Whether the handler failed because its client had left. */
static bool handle(yk_http *h, int *err)
{
    yk__http_conn *c = h->conn;
    yk__interrupt_lay(&c->gone, c->loop->running, NULL);
    c->handling = true;
    if (c->stream->eof || !c->stream->transport)
        over(c);
    *err = yk__http_dispatch(h);
    c->handling = false;
    yk__interrupt_lift(&c->gone);
    c->last |= c->gone.task->cancels_told > c->gone.cancels; /* whatever it has made of that */
    free(h->body);
    h->body = NULL;
    return *err == YK_ECANCELED && yk__interrupt_was_it(&c->gone);
}

static int cut(yk_http *h, int err)
{
    yk__log("http: %s %s: cut short: %s", h->head.method, h->head.target, yk_errname(err));
    yk_stream_abort(h->conn->stream);
    return err;
}

/* Nothing was sent. */
static void answer(yk_http *h, int err)
{
    bool stops = err == YK_ECANCELED; /* at once, with all its connections */
    if (stops)
        h->conn->last = true;
    if (err)
        yk__http_answer_error(h, err);
    else
        yk_http_send(h, 204, NULL, NULL, 0);
    if (stops)
        h->conn->linger = false;
}

/* A rest that is not right, or too much, is the end; but the answer goes. */
static int drop_body(yk_http *h)
{
    int err = yk__http_body_drop(h);
    if (!err || err == YK_ECANCELED)
        return err;
    h->conn->last = h->conn->linger = true;
    return 0;
}

static int finish(yk_http *h, int err, uint64_t began)
{
    if (!h->status) {
        answer(h, err);
        err = 0;
    }
    if (!err)
        err = yk__http_response_end(h);
    yk__http_encoder_drop(h);
    yk__http_note(h, h->status, began);
    if (err)
        return h->status == 101 ? err : cut(h, err);
    return h->conn->last || h->body_over ? 0 : drop_body(h);
}

/* A client that has only ended its sending hears the answers before, and not half of this one. */
static int abandon(yk_http *h)
{
    if (h->status)
        yk_stream_abort(h->conn->stream);
    return YK_END;
}

static int serve_one(yk__http_conn *c)
{
    size_t len = 0;
    int err = await_head(c, &len);
    if (err)
        return err;
    yk_http *h = c->h;
    uint64_t began = c->service->log ? yk_now() : 0;
    h->status = 0;
    h->fields_len = 0;
    h->as_is = false;
    c->requests++;
    int status = read_head(h, len);
    if (status)
        return refuse(c, -status);
    YK__HTTP_COUNT(c, requests, 1);
    if (handle(h, &err)) {
        YK__HTTP_COUNT(c, left, 1);
        yk__http_note(h, 499, began);
        return abandon(h);
    }
    return finish(h, err, began);
}

/* ---- From the beginning to the end ----------------------------------------------------------- */

static void enter(yk__http_conn *c)
{
    c->next = c->here->conns;
    if (c->next)
        c->next->prev = c;
    c->here->conns = c;
    c->stream->over = over;
    c->stream->over_arg = c;
    YK__HTTP_COUNT(c, accepted, 1);
    YK__HTTP_COUNT(c, connections, 1);
}

static int begin(yk__http_conn **conn, yk_stream *stream, const yk_http_service *service)
{
    yk_loop *loop = yk_loop_current();
    if (!loop || !loop->running)
        return loop ? YK_EONLOOP : UV_EINVAL;
    yk__http_here *here = yk__http_here_of(loop);
    yk__http_conn *c = here ? calloc(1, sizeof *c) : NULL;
    if (!c)
        return UV_ENOMEM;
    c->loop = loop;
    c->here = here;
    c->stream = stream;
    c->service = service;
    c->timer.fired = yk__http_timer_fired;
    int err = yk__reactor_timer_reserve(&loop->reactor, &c->timer);
    if (err) {
        free(c);
        return err;
    }
    enter(c);
    *conn = c;
    return 0;
}

static void end(yk__http_conn *c)
{
    if (c->h)
        yk__http_give(c->h);
    c->stream->over = NULL;
    if (c->prev)
        c->prev->next = c->next;
    else
        c->here->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    yk__reactor_timer_release(&c->loop->reactor, &c->timer);
    YK__HTTP_COUNT(c, connections, -1);
    free(c);
}

/* A client with many requests on their way must not keep the loop from all others. */
static int be_fair(yk__http_conn *c)
{
    uint64_t turn = c->loop->reactor.turns;
    if (turn != c->turn) {
        c->turn = turn;
        c->served = 0;
    }
    if (++c->served < FAIR_SHARE)
        return 0;
    int err = c->h ? yk__http_out_now(c->h) : 0;
    return err ? err : yk_yield();
}

static int serve_all(yk__http_conn *c)
{
    int err = 0;
    if (c->service->tls)
        err = yk_stream_start_tls(c->stream, c->service->tls, NULL, yk__http_after(c, head_ms(c)));
    while (!err && !c->last) {
        err = serve_one(c);
        if (!err && !c->last)
            err = be_fair(c);
    }
    if (!err || err == YK_END)
        err = yk__http_send_all(c);
    if (!err && c->linger)
        yk__http_linger(c);
    return err;
}

int yk_http_connection(yk_stream *stream, void *service)
{
    yk__http_conn *c;
    int err = begin(&c, stream, service);
    if (err)
        return err;
    err = serve_all(c);
    end(c);
    return err;
}

void yk_http_drain(uint64_t idle_ms)
{
    yk_loop *loop = yk_loop_current();
    yk__http_here *here = loop ? yk__http_here_of(loop) : NULL;
    if (!here)
        return;
    here->draining = true;
    here->grace_ms = idle_ms;
    for (yk__http_conn *c = here->conns; c; c = c->next)
        if (c->leave)
            c->leave(c->leave_arg);
        else if (c->idle)
            yk__http_hurry(c, yk__http_after(c, idle_ms));
}
