/* Transports that are a file: a program's input and output where the shell has redirected them.
 *
 * A file cannot be polled; libuv's threads read and write it, one piece at a time in each
 * direction. A request that is on its way cannot be called back, so the end waits for it. The idle
 * handle does nothing but be closed: `lost` comes from its close callback, and never too early.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport_internal.h"

#define PIECE ((size_t)64 << 10)

typedef struct chunk {
    struct chunk *next;
    size_t len, done;
    char bytes[];
} chunk;

typedef struct file_transport {
    yk_transport base; /* the first member */
    int fd;
    uv_idle_t end;
    uv_fs_t read, write;
    bool reading, writing; /* a request is on its way */
    bool read_on;
    char *buffer;        /* of the read, or what it brought while reading was paused */
    size_t held;         /* so much of the latter */
    chunk *first, *last; /* unsent */
    size_t unsent;
} file_transport;

static file_transport *of(const yk_transport *t)
{
    return (file_transport *)t;
}

static void on_closed(uv_handle_t *handle);

static void end_if_idle(file_transport *f)
{
    if (f->base.dropped && !f->reading && !f->writing && !uv_is_closing((uv_handle_t *)&f->end))
        uv_close((uv_handle_t *)&f->end, on_closed);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void on_read(uv_fs_t *request);

static void read_next(file_transport *f)
{
    if (f->reading || !f->read_on || f->held)
        return;
    uv_buf_t buf = uv_buf_init(f->buffer, PIECE);
    f->read.data = f;
    int err = uv_fs_read(yk_loop_uv(f->base.guest.loop), &f->read, f->fd, &buf, 1, -1, on_read);
    f->reading = err == 0;
    if (err)
        yk__transport_broke(&f->base, err);
}

static void hand_over(file_transport *f)
{
    size_t n = f->held;
    if (n == 0 || !f->read_on)
        return;
    f->held = 0;
    yk__transport_data(&f->base, f->buffer, n);
}

static void on_read(uv_fs_t *request)
{
    file_transport *f = request->data;
    ssize_t n = request->result;
    uv_fs_req_cleanup(request);
    f->reading = false;
    if (f->base.dropped) {
        end_if_idle(f);
    } else if (n > 0) {
        f->held = (size_t)n;
        hand_over(f);
        read_next(f);
    } else if (n == 0) {
        yk__transport_eof(&f->base);
    } else {
        yk__transport_broke(&f->base, (int)n);
    }
}

/* What was held is not handed over from within the call that resumes reading. */
static void on_tick(uv_idle_t *idle)
{
    file_transport *f = (file_transport *)((char *)idle - offsetof(file_transport, end));
    uv_idle_stop(idle);
    hand_over(f);
    read_next(f);
}

static int set_reading(yk_transport *t, bool on)
{
    file_transport *f = of(t);
    f->read_on = on;
    if (on && !f->buffer)
        f->buffer = malloc(PIECE);
    if (on && !f->buffer)
        return UV_ENOMEM;
    if (on && f->held)
        uv_idle_start(&f->end, on_tick);
    else if (on)
        read_next(f);
    return 0;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void on_written(uv_fs_t *request);

static int write_next(file_transport *f)
{
    chunk *c = f->first;
    if (f->writing || !c)
        return 0;
    uv_buf_t buf = uv_buf_init(c->bytes + c->done, 0);
    buf.len = c->len - c->done;
    f->write.data = f;
    int err =
        uv_fs_write(yk_loop_uv(f->base.guest.loop), &f->write, f->fd, &buf, 1, -1, on_written);
    f->writing = err == 0;
    return err;
}

static void count_written(file_transport *f, size_t n)
{
    chunk *c = f->first;
    c->done += n;
    f->unsent -= n;
    if (c->done < c->len)
        return;
    f->first = c->next;
    if (!f->first)
        f->last = NULL;
    free(c);
}

static void on_written(uv_fs_t *request)
{
    file_transport *f = request->data;
    ssize_t n = request->result;
    uv_fs_req_cleanup(request);
    f->writing = false;
    if (n >= 0)
        count_written(f, (size_t)n);
    if (f->base.dropped) {
        end_if_idle(f);
        return;
    }
    int err = n < 0 ? (int)n : write_next(f);
    if (err)
        yk__transport_broke(&f->base, err);
    else
        yk__transport_sent(&f->base);
}

static int write_pieces(yk_transport *t, const struct iovec *pieces, size_t n, size_t total)
{
    file_transport *f = of(t);
    chunk *c = malloc(sizeof *c + total);
    if (!c)
        return UV_ENOMEM;
    *c = (chunk){ .len = total };
    char *to = c->bytes;
    for (size_t i = 0; i < n; to += pieces[i++].iov_len)
        if (pieces[i].iov_len > 0)
            memcpy(to, pieces[i].iov_base, pieces[i].iov_len);
    if (f->last)
        f->last->next = c;
    else
        f->first = c;
    f->last = c;
    f->unsent += total;
    return write_next(f);
}

static size_t unsent(const yk_transport *t)
{
    return of(t)->unsent;
}

static int end_writing(yk_transport *t)
{
    (void)t;
    return 0;
}

/* ---- The end --------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    file_transport *f = (file_transport *)((char *)handle - offsetof(file_transport, end));
    close(f->fd);
    yk__transport_lost(&f->base);
    for (chunk *c = f->first, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(f->buffer);
    free(f);
}

static void drop(yk_transport *t, bool reset)
{
    (void)reset;
    end_if_idle(of(t));
}

static void finish(yk_transport *t)
{
    (void)t;
}

static int fd_of(const yk_transport *t)
{
    return of(t)->fd;
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

int yk__file_transport_open(yk_transport **transport, int fd, const yk_protocol *protocol,
                            void *arg)
{
    file_transport *f = calloc(1, sizeof *f);
    if (!f)
        return UV_ENOMEM;
    int err = yk__transport_init(&f->base, &ops, protocol, arg);
    if (err) {
        free(f);
        return err;
    }
    f->fd = fd;
    uv_idle_init(yk_loop_uv(f->base.guest.loop), &f->end);
    *transport = &f->base;
    yk__transport_begin(&f->base);
    return 0;
}
