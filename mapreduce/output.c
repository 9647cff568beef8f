/* mapreduce/output.c - write, then rename.
 *
 * A file without a name (O_TMPFILE) vanishes with its last descriptor, however this process ends.
 * It is given a temporary name and renamed at the end, because a link cannot replace a file. Where
 * the file system knows no such files, it has the temporary name from the beginning.
 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "../loop/task.h"

enum { NAME_TRIES = 100, PIECE = 4096, LOOK_MS = 50 };

static int negative_errno(void)
{
    return uv_translate_sys_error(errno);
}

/* ---- Names --------------------------------------------------------------------------------- */

/* ".NAME.XXXXXX" beside the target, for another try each time. */
static char *temp_name(const char *target, unsigned attempt)
{
    const char *slash = strrchr(target, '/');
    int dir_len = slash ? (int)(slash + 1 - target) : 0;
    char *name = NULL;
    if (asprintf(&name, "%.*s.%.200s.%x.%u", dir_len, target, target + dir_len, (unsigned)getpid(),
                 attempt) < 0)
        return NULL;
    return name;
}

static char *directory_of(const char *target)
{
    const char *slash = strrchr(target, '/');
    if (!slash)
        return strdup(".");
    return strndup(target, slash == target ? 1 : (size_t)(slash - target));
}

/* The file that `path` means, also if it is a symbolic link to one that is not there yet. */
static int resolve(const char *path, char **target)
{
    char *real = realpath(path, NULL);
    if (!real && errno != ENOENT)
        return negative_errno();
    *target = real ? real : strdup(path);
    return *target ? 0 : UV_ENOMEM;
}

/* ---- Opening ------------------------------------------------------------------------------- */

static int open_named(yk__output *out)
{
    for (unsigned i = 0; i < NAME_TRIES; i++) {
        char *name = temp_name(out->target, i);
        if (!name)
            return UV_ENOMEM;
        out->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (out->fd >= 0) {
            out->temp = name;
            return 0;
        }
        free(name);
        if (errno != EEXIST)
            return negative_errno();
    }
    return UV_EEXIST;
}

static int open_unnamed(yk__output *out)
{
    char *dir = directory_of(out->target);
    if (!dir)
        return UV_ENOMEM;
    out->fd = open(dir, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);
    int err = out->fd < 0 ? negative_errno() : 0;
    free(dir);
    if (err == UV_EISDIR || err == UV_ENOTSUP || err == UV_ENOENT || err == UV_EINVAL)
        return open_named(out); /* this file system has no such files, or says so wrongly */
    return err;
}

static int open_regular(yk__output *out, const char *path, bool exists)
{
    if (exists && access(path, W_OK) != 0)
        return negative_errno();
    if (path[0] == '\0' || path[strlen(path) - 1] == '/')
        return path[0] ? UV_EISDIR : UV_ENOENT;
    int err = resolve(path, &out->target);
    if (err)
        return err;
    out->mode = exists ? out->st.st_mode & 07777 : 0;
    return open_unnamed(out);
}

/* A FIFO is opened without blocking, again and again until somebody reads. */
static int open_direct(yk__output *out, const char *path)
{
    out->direct = true;
    for (;;) {
        out->fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (out->fd >= 0)
            break;
        if (errno != ENXIO || !S_ISFIFO(out->st.st_mode))
            return negative_errno();
        int err = yk_sleep_ms(LOOK_MS);
        if (err)
            return err;
    }
    return fcntl(out->fd, F_SETFL, fcntl(out->fd, F_GETFL) & ~O_NONBLOCK) ? negative_errno() : 0;
}

static int open_standard(yk__output *out)
{
    out->direct = out->borrowed = true;
    out->fd = STDOUT_FILENO;
    if (fstat(out->fd, &out->st) != 0)
        return negative_errno();
    int flags = fcntl(out->fd, F_GETFL);
    return (flags & O_ACCMODE) == O_RDONLY ? UV_EBADF : 0;
}

int yk__output_open(yk__output *out, const char *path)
{
    *out = (yk__output){ .fd = -1 };
    int err;
    if (!path || strcmp(path, "-") == 0) {
        err = open_standard(out);
    } else {
        bool exists = stat(path, &out->st) == 0;
        if (!exists && errno != ENOENT)
            return negative_errno();
        if (!exists)
            out->st = (struct stat){ 0 };
        if (exists && S_ISDIR(out->st.st_mode))
            return UV_EISDIR;
        if (exists && !S_ISREG(out->st.st_mode))
            err = open_direct(out, path);
        else
            err = open_regular(out, path, exists);
    }
    if (err)
        yk__output_abandon(out);
    out->paced = out->direct && !S_ISREG(out->st.st_mode);
    return err;
}

/* ---- Writing ------------------------------------------------------------------------------- */

/* Waits until a piece can be written without blocking. */
static int wait_for_room(const yk__output *out, const yk_job *job)
{
    struct pollfd poll_fd = { .fd = out->fd, .events = POLLOUT };
    for (;;) {
        if (job && yk_job_cancelled(job))
            return YK_ECANCELED;
        int n = poll(&poll_fd, 1, LOOK_MS);
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return negative_errno();
    }
}

void yk__output_open_memory(yk__output *out)
{
    *out = (yk__output){ .fd = -1, .in_memory = true };
}

static int write_memory(yk__output *out, const char *bytes, size_t len)
{
    if (len > out->room - out->len) {
        size_t room = 2 * (out->len + len);
        char *more = realloc(out->memory, room);
        if (!more)
            return UV_ENOMEM;
        out->memory = more;
        out->room = room;
    }
    memcpy(out->memory + out->len, bytes, len);
    out->len += len;
    return 0;
}

int yk__output_write(yk__output *out, const char *bytes, size_t len, const yk_job *job)
{
    if (out->in_memory)
        return write_memory(out, bytes, len);
    while (len > 0) {
        size_t piece = len;
        if (out->paced) {
            int err = wait_for_room(out, job);
            if (err)
                return err;
            piece = len < PIECE ? len : PIECE;
        }
        ssize_t n = write(out->fd, bytes, piece);
        if (n < 0) {
            if (errno == EINTR || errno == EAGAIN)
                continue;
            return negative_errno();
        }
        bytes += n;
        len -= (size_t)n;
    }
    return 0;
}

/* ---- The end ------------------------------------------------------------------------------- */

static void close_output(yk__output *out)
{
    if (out->fd >= 0 && !out->borrowed)
        close(out->fd);
    free(out->target);
    free(out->temp);
    out->fd = -1;
    out->target = out->temp = NULL;
}

/* Gives an unnamed file its temporary name. */
static int link_temp(yk__output *out)
{
    char self[32];
    snprintf(self, sizeof self, "/proc/self/fd/%d", out->fd);
    for (unsigned i = 0; i < NAME_TRIES; i++) {
        char *name = temp_name(out->target, i);
        if (!name)
            return UV_ENOMEM;
        if (linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0) {
            out->temp = name;
            return 0;
        }
        free(name);
        if (errno != EEXIST)
            return negative_errno();
    }
    return UV_EEXIST;
}

/* The name is given, so it is too late for an error. */
static void sync_directory(const char *target)
{
    char *dir = directory_of(target);
    int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(dir);
}

int yk__output_commit(yk__output *out)
{
    int err = 0;
    if (!out->direct) {
        if (out->mode && fchmod(out->fd, out->mode) != 0)
            err = negative_errno();
        if (!err && out->durable && fsync(out->fd) != 0)
            err = negative_errno();
        if (!err && !out->temp)
            err = link_temp(out);
        if (!err && rename(out->temp, out->target) != 0)
            err = negative_errno();
        if (!err && out->durable)
            sync_directory(out->target);
        if (err) {
            yk__output_abandon(out);
            return err;
        }
    }
    close_output(out);
    return 0;
}

void yk__output_abandon(yk__output *out)
{
    if (out->temp)
        unlink(out->temp);
    close_output(out);
    free(out->memory);
    out->memory = NULL;
}
