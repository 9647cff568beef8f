/* Transports that are a uv_stream_t: sockets, pipes, terminals. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport_internal.h"

typedef struct uv_transport {
    yk_transport base; /* the first member */
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_tty_t tty;
    } uv;
    uv_shutdown_t shutdown;
} uv_transport;

/* What could not be sent at once, with its bytes behind it. */
typedef struct rest {
    uv_write_t request;
    uv_buf_t bytes;
} rest;

static uv_transport *of(const yk_transport *t)
{
    return (uv_transport *)t;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void on_written(uv_write_t *request, int status)
{
    yk_transport *t = request->data;
    free(request);
    if (t->dropped)
        return;
    if (status < 0)
        yk__transport_broke(t, status);
    else
        yk__transport_sent(t);
}

static rest *copy_rest(const struct iovec *pieces, size_t n, size_t total, size_t skip)
{
    rest *r = malloc(sizeof *r + total - skip);
    if (!r)
        return NULL;
    char *to = (char *)(r + 1);
    r->bytes = uv_buf_init(to, 0);
    r->bytes.len = total - skip; /* uv_buf_init takes an int */
    for (size_t i = 0; i < n; i++) {
        size_t skipped = skip < pieces[i].iov_len ? skip : pieces[i].iov_len;
        skip -= skipped;
        if (pieces[i].iov_len > skipped)
            memcpy(to, (char *)pieces[i].iov_base + skipped, pieces[i].iov_len - skipped);
        to += pieces[i].iov_len - skipped;
    }
    return r;
}

_Static_assert(sizeof(uv_buf_t) == sizeof(struct iovec) &&
                   offsetof(uv_buf_t, base) == offsetof(struct iovec, iov_base) &&
                   offsetof(uv_buf_t, len) == offsetof(struct iovec, iov_len),
               "libuv's buffers are the system's");

static int write_pieces(yk_transport *t, const struct iovec *pieces, size_t n, size_t total)
{
    uv_stream_t *stream = &of(t)->uv.stream;
    int sent = uv_try_write(stream, (const uv_buf_t *)pieces, (unsigned)n);
    if (sent == UV_EAGAIN)
        sent = 0;
    if (sent < 0)
        return sent;
    if ((size_t)sent == total)
        return 0;
    rest *r = copy_rest(pieces, n, total, (size_t)sent);
    if (!r)
        return UV_ENOMEM;
    r->request.data = t;
    int err = uv_write(&r->request, stream, &r->bytes, 1, on_written);
    if (err)
        free(r);
    return err;
}

static size_t unsent(const yk_transport *t)
{
    return uv_stream_get_write_queue_size(&of(t)->uv.stream);
}

/* A pipe has no second direction that could stay open. */
static void on_shutdown(uv_shutdown_t *request, int status)
{
    yk_transport *t = request->data;
    if (status < 0 && status != UV_ECANCELED && status != UV_ENOTCONN && !t->dropped)
        yk_transport_close(t);
}

static int end_writing(yk_transport *t)
{
    uv_transport *u = of(t);
    u->shutdown.data = t;
    return uv_shutdown(&u->shutdown, &u->uv.stream, on_shutdown);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    yk_transport *t = handle->data;
    (void)suggested;
    buf->base = yk__loop_scratch(t->guest.loop);
    buf->len = buf->base ? YK__SCRATCH : 0;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    yk_transport *t = stream->data;
    if (n > 0)
        yk__transport_data(t, buf->base, (size_t)n);
    else if (n == UV_EOF)
        yk__transport_eof(t);
    else if (n < 0)
        yk__transport_broke(t, n == UV_ENOBUFS ? UV_ENOMEM : (int)n);
}

static int set_reading(yk_transport *t, bool on)
{
    uv_stream_t *stream = &of(t)->uv.stream;
    if (!on)
        return uv_read_stop(stream);
    if (!uv_is_readable(stream))
        return UV_ENOTCONN;
    int err = uv_read_start(stream, on_alloc, on_read);
    return err == UV_EALREADY ? 0 : err;
}

/* ---- The end --------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    yk_transport *t = handle->data;
    yk__transport_lost(t);
    free(t);
}

static void drop(yk_transport *t, bool reset)
{
    uv_transport *u = of(t);
    if (reset && u->uv.handle.type == UV_TCP && uv_tcp_close_reset(&u->uv.tcp, on_closed) == 0)
        return;
    uv_close(&u->uv.handle, on_closed);
}

static void finish(yk_transport *t)
{
    (void)t; /* libuv goes on sending */
}

static int fd_of(const yk_transport *t)
{
    uv_os_fd_t fd;
    return uv_fileno(&of(t)->uv.handle, &fd) ? -1 : fd;
}

static const yk__transport_ops ops = {
    .write = write_pieces,
    .end_writing = end_writing,
    .set_reading = set_reading,
    .unsent = unsent,
    .fd = fd_of,
    .finish = finish,
    .drop = drop,
};

/* ---- Opening --------------------------------------------------------------------------------- */

static int open_tcp(uv_transport *u, uv_loop_t *uv, int fd)
{
    uv_tcp_init(uv, &u->uv.tcp);
    int err = uv_tcp_open(&u->uv.tcp, fd);
    if (!err)
        uv_tcp_nodelay(&u->uv.tcp, 1);
    return err;
}

static int open_pipe(uv_transport *u, uv_loop_t *uv, int fd)
{
    uv_pipe_init(uv, &u->uv.pipe, 0);
    return uv_pipe_open(&u->uv.pipe, fd);
}

/* libuv opens the terminal anew, so that it becomes non-blocking for us alone; our descriptor is
 * then a second one. */
static int open_tty(uv_transport *u, uv_loop_t *uv, int fd)
{
    int err = uv_tty_init(uv, &u->uv.tty, fd, 0);
    uv_os_fd_t used;
    if (!err && uv_fileno(&u->uv.handle, &used) == 0 && used != fd)
        close(fd);
    return err;
}

static void forget(uv_handle_t *handle)
{
    free(handle->data);
}

static int open_handle(uv_transport *u, int fd, uv_handle_type type)
{
    uv_loop_t *uv = yk_loop_uv(yk_loop_current());
    if (type == UV_TCP)
        return open_tcp(u, uv, fd);
    if (type == UV_TTY)
        return open_tty(u, uv, fd);
    return open_pipe(u, uv, fd);
}

static int open_transport(uv_transport *u, int fd, uv_handle_type type, const yk_protocol *protocol,
                          void *arg)
{
    int err = yk__transport_init(&u->base, &ops, protocol, arg);
    if (err) {
        free(u);
        return err;
    }
    err = open_handle(u, fd, type);
    u->uv.handle.data = u;
    if (!err)
        return 0;
    /* It has begun, as far as libuv is concerned; but nobody knows of it yet. */
    yk__reactor_timer_release(&u->base.guest.loop->reactor, &u->base.linger);
    yk__guest_farewell(&u->base.guest);
    if (type == UV_TTY)
        free(u);
    else
        uv_close(&u->uv.handle, forget);
    return err;
}

int yk_transport_open(yk_transport **transport, int fd, const yk_protocol *protocol, void *arg)
{
    uv_handle_type type = uv_guess_handle(fd);
    if (!yk_loop_current() || !protocol)
        return UV_EINVAL;
    if (type == UV_FILE)
        return yk__file_transport_open(transport, fd, protocol, arg);
    if (type != UV_TCP && type != UV_TTY && type != UV_NAMED_PIPE)
        return UV_EINVAL;
    uv_transport *u = calloc(1, sizeof *u);
    if (!u)
        return UV_ENOMEM;
    int err = open_transport(u, fd, type, protocol, arg);
    if (err)
        return err;
    *transport = &u->base;
    yk__transport_begin(&u->base);
    return 0;
}
