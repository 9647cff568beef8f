/* data/source.c - reads stored bytes from regular files, pipes and whatever else can be read. */
#include "data/source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>
#include <uv.h>

static int examine(yk__source *source, struct stat *status)
{
    if (fstat(source->fd, status) < 0)
        return uv_translate_sys_error(errno);
    if (S_ISDIR(status->st_mode))
        return UV_EISDIR;
    source->regular = S_ISREG(status->st_mode);
    if (!source->regular)
        return 0;
    off_t at = lseek(source->fd, 0, SEEK_CUR);
    if (at < 0)
        return uv_translate_sys_error(errno);
    source->at = (uint64_t)at;
    source->end = (uint64_t)status->st_size;
    return 0;
}

int yk__source_open(yk__source *source, const char *path, struct stat *status)
{
    yk__source s = { .fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), .own = true };
    if (s.fd < 0)
        return uv_translate_sys_error(errno);
    int err = examine(&s, status);
    if (err) {
        close(s.fd);
        return err;
    }
    *source = s;
    return 0;
}

int yk__source_open_fd(yk__source *source, int fd, struct stat *status)
{
    yk__source s = { .fd = fd };
    int err = examine(&s, status);
    if (!err)
        *source = s;
    return err;
}

/* Waits until there is something to read, or the end: of a named pipe that nobody writes to yet,
 * read() would say that it is at its end. */
static int wait_until_ready(const yk__source *source)
{
    if (source->ready)
        return source->ready(source->fd, source->ready_arg);
    struct pollfd wait = { .fd = source->fd, .events = POLLIN };
    return poll(&wait, 1, -1) < 0 && errno != EINTR ? uv_translate_sys_error(errno) : 0;
}

/* Up to `size` bytes, 0 at the end, or an error. */
static int64_t read_pipe(const yk__source *source, char *p, size_t size)
{
    for (;;) {
        int err = wait_until_ready(source);
        if (err)
            return err;
        ssize_t got = read(source->fd, p, size);
        if (got >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
            return got < 0 ? uv_translate_sys_error(errno) : got;
    }
}

/* The same of a regular file. */
static int64_t read_file(const yk__source *source, char *p, size_t size)
{
    for (;;) {
        ssize_t got = pread(source->fd, p, size, (off_t)source->at);
        if (got > 0)
            return got;
        if (got == 0)
            return UV_EIO; /* it became shorter */
        if (errno != EINTR)
            return uv_translate_sys_error(errno);
    }
}

int64_t yk__source_read(yk__source *source, void *buffer, size_t size)
{
    char *p = buffer;
    if (source->regular) {
        uint64_t left = source->end > source->at ? source->end - source->at : 0;
        size = size < left ? size : (size_t)left;
    }
    size_t done = 0;
    while (done < size) {
        int64_t got = source->regular ? read_file(source, p + done, size - done)
                                      : read_pipe(source, p + done, size - done);
        if (got < 0)
            return got;
        if (got == 0)
            break;
        source->at += (uint64_t)got;
        done += (size_t)got;
    }
    return (int64_t)done;
}

void yk__source_close(yk__source *source)
{
    if (source->own)
        close(source->fd);
    *source = (yk__source){ .fd = -1 };
}
