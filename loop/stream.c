/* Streams: a protocol that keeps what comes in a buffer, and tasks that wait for it.
 *
 * The transport calls, tasks wait, all on one thread. There is one spot for a reader and one for a
 * writer; whoever changes what is waited for there wakes it, and the woken looks again. A stream
 * that its owner has closed is freed by the last of: its transport's end, the calls suspended in
 * it.
 */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream_internal.h"

#define SMALLEST   ((size_t)512)       /* buffer */
#define KEPT       ((size_t)4 << 10)   /* of an idle one */
#define FAIR_SHARE ((size_t)128 << 10) /* bytes that a task may write before others run */

/* ---- Waiting --------------------------------------------------------------------------------- */

static void free_if_unused(yk_stream *s)
{
    if (!s->given_up || s->transport || s->inside > 0)
        return;
    free(s->bytes);
    free(s);
}

static int come_back(yk_stream *s, int err)
{
    s->inside--;
    if (!s->closed)
        return err;
    free_if_unused(s);
    return YK_ECLOSED;
}

static const yk__wait_kind for_input = { "a stream's input", NULL };
static const yk__wait_kind for_output = { "a stream's output to go", NULL };

int yk__stream_wait(yk_stream *s, yk__spot *spot, uint64_t deadline)
{
    const yk__wait_kind *kind = spot == &s->reader ? &for_input : &for_output;
    s->inside++;
    return come_back(s, yk__spot_wait(spot, kind, s, deadline));
}

int yk__stream_check(const yk_stream *s)
{
    if (!s || !yk__loop_is_mine(s->loop))
        return UV_EINVAL;
    return s->closed ? YK_ECLOSED : 0;
}

/* ---- What the transport says ----------------------------------------------------------------- */

static size_t most_unread(const yk_stream *s)
{
    return s->wanted > s->limit ? s->wanted : s->limit;
}

static int update_reading(yk_stream *s)
{
    if (!s->transport || !s->reading)
        return 0;
    return s->len < most_unread(s) ? yk_transport_resume_reading(s->transport)
                                   : yk_transport_pause_reading(s->transport);
}

static void on_connected(yk_transport *t, void *arg)
{
    yk_stream *s = arg;
    yk_transport_pause_reading(t); /* until somebody reads */
    s->handshaking = false;
    yk__spot_wake(&s->reader);
}

static bool make_room(yk_stream *s, size_t more)
{
    if (s->cap - s->start - s->len >= more)
        return true;
    if (s->start > 0 && s->len > 0)
        memmove(s->bytes, s->bytes + s->start, s->len);
    s->start = 0;
    if (s->cap - s->len >= more)
        return true;
    size_t cap = s->cap ? s->cap : SMALLEST;
    while (cap - s->len < more)
        cap *= 2;
    char *bytes = realloc(s->bytes, cap);
    if (!bytes)
        return false;
    s->bytes = bytes;
    s->cap = cap;
    return true;
}

static void on_data(yk_transport *t, const void *data, size_t len, void *arg)
{
    yk_stream *s = arg;
    if (s->closed)
        return;
    if (!make_room(s, len)) {
        yk__transport_broke(t, UV_ENOMEM);
        return;
    }
    memcpy(s->bytes + s->start + s->len, data, len);
    s->len += len;
    update_reading(s);
    if (s->len >= s->needed)
        yk__spot_wake(&s->reader);
}

static void on_eof(yk_transport *t, void *arg)
{
    yk_stream *s = arg;
    (void)t;
    s->eof = true;
    yk__spot_wake(&s->reader);
    if (s->over)
        s->over(s->over_arg);
}

static void on_lost(yk_transport *t, int err, void *arg)
{
    yk_stream *s = arg;
    s->transport = NULL;
    s->err = err ? err : YK_ECLOSED;
    s->reason = t->reason;
    s->handshaking = false;
    yk__spot_wake(&s->reader);
    yk__spot_wake(&s->writer);
    if (s->over)
        s->over(s->over_arg);
    free_if_unused(s);
}

static void on_pause(yk_transport *t, void *arg)
{
    (void)t;
    ((yk_stream *)arg)->writing_paused = true;
}

static void on_resume(yk_transport *t, void *arg)
{
    yk_stream *s = arg;
    (void)t;
    s->writing_paused = false;
    yk__spot_wake(&s->writer);
}

const yk_protocol yk__stream_protocol = {
    .connected = on_connected,
    .data = on_data,
    .eof = on_eof,
    .lost = on_lost,
    .pause_writing = on_pause,
    .resume_writing = on_resume,
};

/* ---- From the beginning to the end ----------------------------------------------------------- */

int yk_stream_open(yk_stream **stream, int fd)
{
    yk_stream *s = calloc(1, sizeof *s);
    if (!s)
        return UV_ENOMEM;
    s->loop = yk_loop_current();
    s->limit = YK__HIGH_WATER;
    s->high_water = YK__HIGH_WATER;
    int err = yk_transport_open(&s->transport, fd, &yk__stream_protocol, s);
    if (err) {
        free(s);
        return err;
    }
    *stream = s;
    return 0;
}

int yk_stream_pair(yk_stream *pair[2])
{
    int fds[2];
    yk_stream *both[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
        return uv_translate_sys_error(errno);
    int err = yk_stream_open(&both[0], fds[0]);
    if (err)
        close(fds[0]);
    int second = err ? err : yk_stream_open(&both[1], fds[1]);
    if (second) {
        close(fds[1]);
        if (!err)
            yk_stream_close(both[0]);
        return second;
    }
    memcpy(pair, both, sizeof both);
    return 0;
}

static void shut(yk_stream *s)
{
    s->closed = true;
    s->len = 0;
    yk__spot_wake(&s->reader);
    yk__spot_wake(&s->writer);
}

void yk_stream_close(yk_stream *s)
{
    if (!s)
        return;
    shut(s);
    s->given_up = true;
    if (s->transport)
        yk_transport_close(s->transport);
    free_if_unused(s);
}

void yk_stream_abort(yk_stream *s)
{
    if (yk__stream_check(s))
        return;
    shut(s);
    if (s->transport)
        yk_transport_abort(s->transport);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static int may_read(const yk_stream *s)
{
    int err = yk__stream_check(s);
    return err ? err : yk__spot_is_taken(&s->reader) ? UV_EBUSY : 0;
}

/* Waits for bytes beyond those that are there, until there are `needed`; up to `wanted` may come.
 * 0: look again. */
static int await_bytes(yk_stream *s, size_t needed, size_t wanted, uint64_t deadline)
{
    size_t have = s->len;
    if (s->eof)
        return have ? YK_ETRUNCATED : YK_END;
    if (!s->transport)
        return s->err;
    s->reading = true;
    s->needed = needed;
    s->wanted = wanted;
    int err = update_reading(s);
    if (!err && s->len == have && !s->eof)
        err = yk__stream_wait(s, &s->reader, deadline);
    if (err != YK_ECLOSED) /* then it may be gone */
        s->wanted = 0;
    return err;
}

int yk__stream_more(yk_stream *s, uint64_t deadline)
{
    int err = may_read(s);
    return err ? err : await_bytes(s, s->len + 1, s->len + 1, deadline);
}

void yk__stream_drop(yk_stream *s, size_t len)
{
    s->start += len;
    s->len -= len;
    if (s->len == 0) {
        s->start = 0;
        if (s->cap > 2 * s->limit) { /* what one large read needed */
            free(s->bytes);
            s->bytes = NULL;
            s->cap = 0;
        }
    }
    update_reading(s);
}

void yk__stream_shed(yk_stream *s)
{
    if (s->len > 0 || s->cap <= KEPT)
        return;
    free(s->bytes);
    s->bytes = NULL;
    s->start = s->cap = 0;
}

static void take(yk_stream *s, void *out, size_t len)
{
    if (len > 0)
        memcpy(out, s->bytes + s->start, len);
    yk__stream_drop(s, len);
}

int yk_stream_read_some(yk_stream *s, void *out, size_t cap, size_t *len, uint64_t deadline)
{
    int err = may_read(s);
    while (!err && s->len == 0 && cap > 0)
        err = await_bytes(s, 1, 0, deadline);
    if (err)
        return err;
    size_t n = s->len < cap ? s->len : cap;
    take(s, out, n);
    *len = n;
    return 0;
}

int yk_stream_read_exactly(yk_stream *s, void *out, size_t len, uint64_t deadline)
{
    int err = may_read(s);
    while (!err && s->len < len)
        err = await_bytes(s, len, len, deadline);
    if (!err)
        take(s, out, len);
    return err;
}

/* Where the delimiter is, as an offset from the first byte; `most` if it is not among the first
 * `most` bytes. */
static int find(yk_stream *s, const void *delimiter, size_t n, size_t most, size_t *at,
                uint64_t deadline)
{
    size_t looked = 0;
    for (;;) {
        size_t len = s->len < most ? s->len : most;
        const char *from = s->bytes + s->start;
        const char *found = len ? memmem(from + looked, len - looked, delimiter, n) : NULL;
        *at = found ? (size_t)(found - from) : most;
        if (found || s->len >= most)
            return 0;
        looked = len < n ? 0 : len - (n - 1);
        int err = await_bytes(s, s->len + 1, most, deadline);
        if (err)
            return err;
    }
}

int yk_stream_read_until(yk_stream *s, const void *delimiter, size_t delimiter_len, void *out,
                         size_t cap, size_t *len, uint64_t deadline)
{
    size_t at;
    int err = may_read(s);
    if (!err && delimiter_len == 0)
        err = UV_EINVAL;
    if (!err)
        err = find(s, delimiter, delimiter_len, cap, &at, deadline);
    if (!err && at == cap)
        err = YK_ETOOBIG;
    if (err)
        return err;
    take(s, out, at + delimiter_len);
    *len = at + delimiter_len;
    return 0;
}

/* The line's `n` bytes, and `end` more that are no part of it. */
static int take_line(yk_stream *s, char *line, size_t size, size_t n, size_t end, size_t *len)
{
    if (end > 0 && n > 0 && s->bytes[s->start + n - 1] == '\r') {
        n--;
        end++;
    }
    if (n >= size)
        return YK_ETOOBIG;
    char rest[2];
    take(s, line, n);
    take(s, rest, end);
    line[n] = '\0';
    if (len)
        *len = n;
    return 0;
}

int yk_stream_read_line(yk_stream *s, char *line, size_t size, size_t *len, uint64_t deadline)
{
    size_t at, most = size + 1; /* with \r\n, without NUL */
    int err = may_read(s);
    if (!err && (size == 0 || most == 0))
        err = UV_EINVAL;
    if (!err)
        err = find(s, "\n", 1, most, &at, deadline);
    if (err == YK_ETRUNCATED)
        return take_line(s, line, size, s->len, 0, len);
    if (!err && at == most)
        err = YK_ETOOBIG;
    return err ? err : take_line(s, line, size, at, 1, len);
}

size_t yk_stream_readable(const yk_stream *s)
{
    return s->len;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static int may_write(const yk_stream *s)
{
    int err = yk__stream_check(s);
    return err ? err : yk__spot_is_taken(&s->writer) || s->handshaking ? UV_EBUSY : 0;
}

static int await_room(yk_stream *s, uint64_t deadline)
{
    int err = 0;
    while (!err && s->transport && s->writing_paused)
        err = yk__stream_wait(s, &s->writer, deadline);
    if (err)
        return err;
    return s->transport ? 0 : s->err;
}

/* A peer that reads as fast as we write must not keep the loop from all others. */
static int be_fair(yk_stream *s, size_t len, uint64_t deadline)
{
    uint64_t turn = s->loop->reactor.turns;
    if (deadline == 0)
        return 0;
    if (turn != s->turn || !yk_task_current()) {
        s->turn = turn;
        s->written = 0;
    }
    if (s->written < FAIR_SHARE) {
        s->written += len;
        return 0;
    }
    s->written = 0;
    s->inside++;
    return come_back(s, yk_yield());
}

int yk_stream_writev(yk_stream *s, const struct iovec *pieces, size_t n, uint64_t deadline)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++)
        len += pieces[i].iov_len;
    int err = may_write(s);
    if (!err)
        err = be_fair(s, len, deadline);
    if (!err)
        err = await_room(s, deadline);
    return err ? err : yk_transport_writev(s->transport, pieces, n);
}

int yk_stream_write(yk_stream *s, const void *data, size_t len, uint64_t deadline)
{
    return yk_stream_writev(s, &(struct iovec){ (void *)data, len }, 1, deadline);
}

static void stop_draining(yk_stream *s)
{
    s->transport->low = s->high_water / 4;
    if (s->writing_paused && yk_transport_unsent(s->transport) <= s->high_water)
        s->transport->writing_paused = s->writing_paused = false;
}

/* Has the transport tell when nothing is unsent, instead of a little. */
int yk_stream_drain(yk_stream *s, uint64_t deadline)
{
    int err = may_write(s);
    if (err)
        return err;
    if (!s->transport)
        return s->err;
    if (yk_transport_unsent(s->transport) == 0)
        return 0;
    s->transport->low = 0;
    s->transport->writing_paused = s->writing_paused = true;
    err = await_room(s, deadline);
    if (err != YK_ECLOSED && s->transport)
        stop_draining(s);
    return err;
}

size_t yk_stream_unsent(const yk_stream *s)
{
    return s->transport ? yk_transport_unsent(s->transport) : 0;
}

int yk_stream_end_writing(yk_stream *s)
{
    int err = may_write(s);
    if (err)
        return err;
    return s->transport ? yk_transport_end_writing(s->transport) : s->err;
}

/* ---- Limits and state ------------------------------------------------------------------------ */

void yk_stream_set_limits(yk_stream *s, size_t unread, size_t unsent)
{
    if (unread)
        s->limit = unread;
    if (unsent)
        s->high_water = unsent;
    if (s->transport)
        yk_transport_set_water_marks(s->transport, s->high_water, s->high_water / 4);
    update_reading(s);
}

int yk_stream_error(const yk_stream *s)
{
    return s->transport ? s->transport->err : s->err;
}

const char *yk_stream_error_text(const yk_stream *s)
{
    const char *reason = s->transport ? s->transport->reason : s->reason;
    return reason ? reason : yk_strerror(yk_stream_error(s));
}

int yk_stream_fd(const yk_stream *s)
{
    return s->transport ? yk_transport_fd(s->transport) : -1;
}
