/* Waiting for what a client sends. One timer a connection: it is moved only when it would fire too
 * late, and one that fires too early is set anew. So a request costs no work on timers. */
#include "http_internal.h"

#define LINGER_MS   2000
#define LINGER_MOST ((size_t)1 << 20) /* bytes */

static void watch_clock(yk__http_conn *c)
{
    if (c->deadline != YK_FOREVER && (c->timer.heap_index == 0 || c->timer.deadline > c->deadline))
        yk__reactor_timer_set(&c->loop->reactor, &c->timer, c->deadline); /* it is reserved */
}

void yk__http_timer_fired(yk__timer *timer)
{
    yk__http_conn *c = (yk__http_conn *)((char *)timer - offsetof(yk__http_conn, timer));
    if (!c->waiting)
        return;
    if (c->deadline > yk_now()) {
        watch_clock(c);
        return;
    }
    c->timed_out = true;
    yk__spot_wake(&c->stream->reader);
}

void yk__http_hurry(yk__http_conn *c, uint64_t deadline)
{
    if (!c->waiting || c->deadline <= deadline)
        return;
    c->deadline = deadline;
    watch_clock(c);
}

uint64_t yk__http_after(const yk__http_conn *c, uint64_t ms)
{
    uint64_t now = uv_now(c->loop->uv);
    return ms > YK_FOREVER / 1000000u - now ? YK_FOREVER : (now + ms) * 1000000u;
}

int yk__http_more(yk__http_conn *c, uint64_t deadline)
{
    size_t had = yk_stream_readable(c->stream);
    c->deadline = deadline;
    c->timed_out = false;
    c->waiting = true;
    watch_clock(c);
    int err = yk__stream_more(c->stream, YK_FOREVER);
    c->waiting = false;
    if (!err && c->timed_out && yk_stream_readable(c->stream) <= had)
        return UV_ETIMEDOUT;
    return err;
}

uint64_t yk__http_pace_deadline(const yk__http_conn *c, const yk__http_pace *pace)
{
    uint64_t stall = yk__http_stall_ms(c);
    return yk__http_after(c, stall > pace->waited_ms ? stall - pace->waited_ms : 0);
}

bool yk__http_pace_keeps(const yk__http_conn *c, yk__http_pace *pace, uint64_t ms, uint64_t bytes)
{
    uint64_t stall = yk__http_stall_ms(c);
    pace->waited_ms += ms;
    pace->bytes += bytes;
    if (pace->waited_ms < stall)
        return true;
    bool keeps = pace->bytes >= stall; /* a byte a millisecond */
    *pace = (yk__http_pace){ 0 };
    return keeps;
}

/* To close while something that the client has sent is unread would reset the connection, and the
 * answer might be lost with it. */
void yk__http_linger(yk__http_conn *c)
{
    uint64_t deadline = yk__http_after(c, LINGER_MS);
    size_t dropped = 0;
    int err = yk_stream_end_writing(c->stream);
    while (!err && dropped < LINGER_MOST) {
        size_t len;
        yk__stream_bytes(c->stream, &len);
        yk__stream_drop(c->stream, len);
        dropped += len;
        err = yk__http_more(c, deadline);
    }
}
