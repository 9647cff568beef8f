/* The program's own input and output, and terminals. */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <uv.h>

static int system_error(void)
{
    return uv_translate_sys_error(errno);
}

/* ---- Standard streams ------------------------------------------------------------------------ */

/* Opened anew where that is possible, so that O_NONBLOCK is ours alone: a pipe. A terminal libuv
 * opens anew itself; a file must keep its place; a socket cannot be opened. */
static int own_descriptor(int fd, int how)
{
    struct stat file;
    if (fstat(fd, &file))
        return -1;
    if (S_ISFIFO(file.st_mode)) {
        char path[32];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        int own = open(path, how | O_NONBLOCK | O_CLOEXEC);
        if (own >= 0)
            return own;
    }
    return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int open_standard(yk_stream **stream, int fd, int how)
{
    int own = own_descriptor(fd, how);
    if (own < 0)
        return system_error();
    int err = yk_stream_open(stream, own);
    if (err)
        close(own);
    return err;
}

int yk_stream_stdin(yk_stream **stream)
{
    return open_standard(stream, STDIN_FILENO, O_RDONLY);
}

int yk_stream_stdout(yk_stream **stream)
{
    return open_standard(stream, STDOUT_FILENO, O_WRONLY);
}

int yk_stream_stderr(yk_stream **stream)
{
    return open_standard(stream, STDERR_FILENO, O_WRONLY);
}

/* ---- Terminals ------------------------------------------------------------------------------- */

bool yk_stream_is_terminal(const yk_stream *s)
{
    return isatty(yk_stream_fd(s));
}

int yk_terminal_size(const yk_stream *s, int *columns, int *rows)
{
    struct winsize size;
    if (ioctl(yk_stream_fd(s), TIOCGWINSZ, &size))
        return UV_ENOTTY;
    *columns = size.ws_col;
    *rows = size.ws_row;
    return 0;
}

/* The terminal that is raw: a descriptor of our own for it, so that it can be reset whatever has
 * been closed by then. Under the lock. */
static struct {
    pthread_mutex_t lock;
    int fd; /* 0: none is */
    dev_t device;
    struct termios before;
} raw = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int reset(void)
{
    if (raw.fd == 0)
        return 0;
    int err = tcsetattr(raw.fd, TCSADRAIN, &raw.before) ? system_error() : 0;
    close(raw.fd);
    raw.fd = 0;
    return err;
}

static void reset_at_exit(void)
{
    pthread_mutex_lock(&raw.lock);
    reset();
    pthread_mutex_unlock(&raw.lock);
}

static void register_reset(void)
{
    atexit(reset_at_exit);
}

static int make_raw(int fd, dev_t device)
{
    if (raw.fd)
        return raw.device == device ? 0 : UV_EBUSY;
    if (tcgetattr(fd, &raw.before))
        return UV_ENOTTY;
    struct termios now = raw.before;
    cfmakeraw(&now);
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (own < 0)
        return system_error();
    if (tcsetattr(fd, TCSADRAIN, &now)) {
        close(own);
        return system_error();
    }
    raw.fd = own;
    raw.device = device;
    return 0;
}

int yk_terminal_set_raw(yk_stream *s, bool on)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int fd = yk_stream_fd(s);
    struct stat file;
    if (!isatty(fd) || fstat(fd, &file))
        return UV_ENOTTY;
    pthread_once(&once, register_reset);
    pthread_mutex_lock(&raw.lock);
    int err = 0;
    if (on)
        err = make_raw(fd, file.st_rdev);
    else if (raw.fd && raw.device == file.st_rdev)
        err = reset();
    pthread_mutex_unlock(&raw.lock);
    return err;
}
