/* The bytes of files: from the disk to the client.
 *
 * Reading waits for the disk unless the bytes are in the system's cache; the kernel can be asked
 * for them under the condition that they are (RWF_NOWAIT; for the way to a file, RESOLVE_CACHED).
 * So the loop takes what is there, which is nearly all of what a server serves, and only what is
 * not goes to a thread: it reads the piece, and then it is there.
 *
 * sendfile(2) has no such condition. The cache is asked first, for a byte of each 16 KiB: the
 * kernel reads ahead and lets go in pieces no smaller than that, as a rule; at worst the loop waits
 * for one. It goes through a duplicate of the socket's descriptor, since libuv closes its own when
 * the connection breaks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../errand.h"
#include "../poll.h"
#include "../tls_internal.h"
#include "files_internal.h"
#include "http_internal.h"

#define COPIED ((uint64_t)64 << 10)  /* at most so much is read and written */
#define PIECE  ((uint64_t)256 << 10) /* and sent in one call */
#define FAIR   ((uint64_t)1 << 20)   /* before others run */
#define STEP   ((uint64_t)16 << 10)  /* between two bytes that are asked for */

static int last_error(void)
{
    return uv_translate_sys_error(errno);
}

/* ---- Reading --------------------------------------------------------------------------------- */

typedef struct reading {
    yk__errand errand;
    int fd; /* its own */
    uint64_t at;
    size_t len, got;
    char bytes[];
} reading;

static int read_there(yk__errand *e, yk_job *job)
{
    reading *r = (reading *)e;
    (void)job;
    while (r->got < r->len) {
        ssize_t n = pread(r->fd, r->bytes + r->got, r->len - r->got, (off_t)(r->at + r->got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? last_error() : YK_ETRUNCATED;
        r->got += (size_t)n;
    }
    return 0;
}

static void free_reading(yk__errand *e)
{
    close(((reading *)e)->fd);
    free(e);
}

/* Has a thread read it, to `out` or, with NULL, only into the cache. */
static int read_on_thread(int fd, void *out, size_t len, uint64_t at)
{
    reading *r = malloc(sizeof *r + len);
    if (!r)
        return UV_ENOMEM;
    *r = (reading){ .errand = { .run = read_there, .free = free_reading }, .at = at, .len = len };
    r->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (r->fd < 0) {
        free(r);
        return last_error();
    }
    int err = yk__errand_run(&r->errand, YK_FOREVER);
    if (!err && out)
        memcpy(out, r->bytes, len);
    yk__errand_unref(&r->errand);
    return err;
}

static ssize_t read_cached(int fd, void *out, size_t len, uint64_t at)
{
    return preadv2(fd, &(struct iovec){ out, len }, 1, (off_t)at, RWF_NOWAIT);
}

static int read_piece(int fd, char *out, size_t len, uint64_t at)
{
    ssize_t n = read_cached(fd, out, len, at);
    size_t got = n > 0 ? (size_t)n : 0;
    return got == len ? 0 : read_on_thread(fd, out + got, len - got, at + got);
}

static bool is_cached(int fd, uint64_t at, size_t len)
{
    char c;
    for (uint64_t end = at + len; at < end; at += STEP)
        if (read_cached(fd, &c, 1, at) != 1)
            return false;
    return true;
}

/* ---- Sending --------------------------------------------------------------------------------- */

static int send_copied(yk_http *h, int fd, uint64_t at, uint64_t len)
{
    char *piece = malloc(len < COPIED ? len : COPIED);
    int err = piece ? 0 : UV_ENOMEM;
    while (!err && len > 0) {
        size_t n = len < COPIED ? len : COPIED;
        err = read_piece(fd, piece, n, at);
        if (!err)
            err = yk_http_write(h, piece, n);
        at += n;
        len -= n;
    }
    free(piece);
    return err;
}

/* Where the file's bytes go by themselves. */
typedef struct direct {
    yk_http *h;
    int socket; /* a duplicate */
    int fd;
    yk__http_pace pace;
    uint64_t sent; /* since the last wait */
    uint64_t turn; /* since others have run */
} direct;

/* Until the client has taken some. */
static int await_room(direct *d)
{
    yk__http_conn *c = d->h->conn;
    uint64_t began = uv_now(c->loop->uv);
    int ready = yk_poll(d->socket, YK_WRITABLE, yk__http_pace_deadline(c, &d->pace));
    if (ready < 0 && ready != UV_ETIMEDOUT)
        return ready;
    bool keeps = yk__http_pace_keeps(c, &d->pace, uv_now(c->loop->uv) - began, d->sent);
    d->sent = d->turn = 0;
    if (keeps)
        return 0;
    YK__HTTP_COUNT(c, timed_out, 1);
    return UV_ETIMEDOUT;
}

static int send_piece(direct *d, uint64_t at, size_t len)
{
    if (!is_cached(d->fd, at, len)) {
        int err = read_on_thread(d->fd, NULL, len, at);
        if (err)
            return err;
    }
    for (off_t from = (off_t)at, end = from + (off_t)len; from < end;) {
        yk_stream *s = d->h->conn->stream;
        if (!s->transport || s->closed)
            return s->err ? s->err : YK_ECLOSED;
        ssize_t n = sendfile(d->socket, d->fd, &from, (size_t)(end - from));
        if (n == 0)
            return YK_ETRUNCATED;
        if (n > 0) {
            d->sent += (uint64_t)n;
            d->turn += (uint64_t)n;
            d->h->written += (uint64_t)n;
            continue;
        }
        int err = errno == EAGAIN ? await_room(d) : errno == EINTR ? 0 : last_error();
        if (err)
            return err;
    }
    if (d->turn < FAIR)
        return 0;
    d->turn = 0;
    return yk_yield();
}

/* What was written before must be on its way first. */
static int send_direct(yk_http *h, int fd, uint64_t at, uint64_t len)
{
    direct d = { .h = h, .fd = fd };
    int err = yk__http_send_all(h->conn);
    if (err)
        return err;
    d.socket = fcntl(yk_stream_fd(h->conn->stream), F_DUPFD_CLOEXEC, 0);
    if (d.socket < 0)
        return last_error();
    while (!err && len > 0) {
        size_t n = len < PIECE ? len : PIECE;
        err = send_piece(&d, at, n);
        at += n;
        len -= n;
    }
    close(d.socket);
    return err;
}

int yk__http_send_bytes(yk_http *h, int fd, uint64_t at, uint64_t len)
{
    if (h->bodiless || len == 0)
        return 0;
    yk_stream *s = h->conn->stream;
    if (len <= COPIED || h->length == YK_HTTP_UNKNOWN || !s->transport ||
        yk__transport_is_tls(s->transport))
        return send_copied(h, fd, at, len);
    return send_direct(h, fd, at, len);
}
