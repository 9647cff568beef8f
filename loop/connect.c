/* Connecting: name, addresses, one after the other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "loop.h"
#include "lookup.h"
#include "net.h"
#include "poll.h"

#define RETRY_MS 5 /* while a Unix socket's backlog is full */

static int system_error(void)
{
    return uv_translate_sys_error(errno);
}

/* Whether the connection that was begun stands. */
static int await_connection(int fd, uint64_t deadline)
{
    int ready = yk_poll(fd, YK_WRITABLE, deadline), err = 0;
    if (ready < 0)
        return ready;
    socklen_t size = sizeof err;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size))
        return system_error();
    return uv_translate_sys_error(err);
}

static int connect_one(int *connected, const struct sockaddr *address, socklen_t len,
                       uint64_t deadline)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return system_error();
    int err = 0;
    if (connect(fd, address, len))
        err = errno == EINPROGRESS || errno == EINTR ? await_connection(fd, deadline)
                                                     : system_error();
    if (err)
        close(fd);
    else
        *connected = fd;
    return err;
}

static int open_connected(yk_stream **stream, int fd)
{
    int err = yk_stream_open(stream, fd);
    if (err)
        close(fd);
    return err;
}

/* ---- TCP ------------------------------------------------------------------------------------- */

/* An equal part of the time that is left, for the first of `n`. */
static uint64_t part_of(uint64_t deadline, size_t n)
{
    uint64_t now = yk_now();
    if (deadline == YK_FOREVER || deadline <= now)
        return deadline;
    return now + (deadline - now) / n;
}

static int connect_any(int *fd, const struct addrinfo *found, uint64_t deadline)
{
    size_t left = 0;
    for (const struct addrinfo *a = found; a; a = a->ai_next)
        left++;
    int err = UV_EAI_NODATA;
    for (const struct addrinfo *a = found; a; a = a->ai_next, left--) {
        err = connect_one(fd, a->ai_addr, a->ai_addrlen, part_of(deadline, left));
        if (err == 0 || err == YK_ECANCELED || err == YK_EONLOOP)
            break;
    }
    return err;
}

int yk_connect_fd(int *fd, const char *host, uint16_t port, uint64_t deadline)
{
    if (!yk_loop_current() || !host)
        return UV_EINVAL;
    struct addrinfo *found;
    int err = yk__lookup(host, port, false, &found, deadline);
    if (err)
        return err;
    err = connect_any(fd, found, deadline);
    freeaddrinfo(found);
    return err;
}

int yk_connect(yk_stream **stream, const char *host, uint16_t port, uint64_t deadline)
{
    int fd, err = yk_connect_fd(&fd, host, port, deadline);
    return err ? err : open_connected(stream, fd);
}

/* ---- Unix sockets ---------------------------------------------------------------------------- */

int yk_connect_unix(yk_stream **stream, const char *path, uint64_t deadline)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (!yk_loop_current() || !path)
        return UV_EINVAL;
    if (strlen(path) >= sizeof address.sun_path)
        return UV_ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path));
    int fd, err;
    while ((err = connect_one(&fd, (struct sockaddr *)&address, sizeof address, deadline)) ==
           UV_EAGAIN) { /* nothing tells when there is room again */
        if (yk_now() >= deadline)
            return UV_ETIMEDOUT;
        err = yk_sleep_ms(RETRY_MS);
        if (err)
            return err;
    }
    return err ? err : open_connected(stream, fd);
}

/* ---- Addresses ------------------------------------------------------------------------------- */

typedef int (*name_fn)(int fd, struct sockaddr *address, socklen_t *len);

static int text_of(int fd, name_fn name, char *text, size_t size)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (fd < 0)
        return YK_ECLOSED;
    if (name(fd, (struct sockaddr *)&address, &len))
        return errno == ENOTSOCK ? UV_EINVAL : system_error();
    return yk__address_text(&address, len, text, size);
}

int yk_stream_peer(const yk_stream *s, char *text, size_t size)
{
    return text_of(yk_stream_fd(s), getpeername, text, size);
}

int yk_stream_address(const yk_stream *s, char *text, size_t size)
{
    return text_of(yk_stream_fd(s), getsockname, text, size);
}
