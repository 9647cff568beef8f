/* Giving sockets to a program, and taking those that were given. */
#include "listen_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "../../executor/error.h"
#include "../../executor/text.h"
#include "serve_log.h"

#define FIRST 3

/* What sockets are called: those of the server, and of its status; OWN: of a Unix socket, whose
 * file goes with it. */
#define SERVED     "yoke"
#define SERVED_OWN "yoke-own"
#define STATUS     "yoke-status"
#define STATUS_OWN "yoke-status-own"

/* ---- Taking ---------------------------------------------------------------------------------- */

static bool listens(int fd)
{
    int yes = 0, type = 0;
    socklen_t size = sizeof yes;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size) == 0 && yes &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

static int take(yk__sockets *s, int fd, bool is_own)
{
    if (!listens(fd)) {
        yk__serve_log("descriptor %d, which was given, is no socket that listens", fd);
        return UV_EINVAL;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return yk__sockets_adopt(s, fd, is_own);
}

static bool is(const char *name, const char *one, const char *other)
{
    return name && (strcmp(name, one) == 0 || strcmp(name, other) == 0);
}

static int how_many(void)
{
    const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
    if (!pid || !n || atol(pid) != (long)getpid())
        return 0;
    return atoi(n) > 0 ? atoi(n) : 0;
}

int yk__listen_fds_take(yk__sockets *s, yk__sockets *status)
{
    const char *names = getenv("LISTEN_FDNAMES");
    char *copy = strdup(names ? names : ""), *rest = copy;
    int n = how_many(), err = copy ? 0 : UV_ENOMEM;
    for (int i = 0; i < n && !err; i++) {
        const char *name = strsep(&rest, ":");
        err = take(is(name, STATUS, STATUS_OWN) ? status : s, FIRST + i,
                   is(name, SERVED_OWN, STATUS_OWN));
    }
    free(copy);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return err ? err : yk__sockets_fill(s);
}

/* ---- Giving ---------------------------------------------------------------------------------- */

/* Adds sockets in the order of their slots, and their names; how many there are then. */
static int collect(const yk__sockets *s, const char *name, const char *own, int n, int *fds,
                   yk__text *names)
{
    for (size_t i = 0; i < s->n; i++)
        for (unsigned slot = 0; slot < s->slots; slot++) {
            if (s->sites[i].fds[slot] < 0)
                continue;
            yk__text_add(names, "%s%s", n ? ":" : "", s->sites[i].owns_path ? own : name);
            fds[n++] = s->sites[i].fds[slot];
        }
    return n;
}

/* First out of the way of each other, then to where they belong. */
static int line_up(int *fds, int n)
{
    for (int i = 0; i < n; i++)
        if ((fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST + n)) < 0)
            return uv_translate_sys_error(errno);
    for (int i = 0; i < n; i++)
        if (dup2(fds[i], FIRST + i) < 0)
            return uv_translate_sys_error(errno);
    return 0;
}

static void set_number(const char *name, long number)
{
    char text[24];
    snprintf(text, sizeof text, "%ld", number);
    setenv(name, text, 1);
}

int yk__listen_fds_give(const yk__sockets *s, const yk__sockets *status, int link)
{
    size_t most = s->n * s->slots + status->n + 1;
    int *fds = calloc(most, sizeof *fds);
    char *buffer = malloc(most * sizeof STATUS_OWN);
    if (!fds || !buffer)
        return UV_ENOMEM;
    yk__text names;
    yk__text_start(&names, buffer, most * sizeof STATUS_OWN);
    int n = collect(s, SERVED, SERVED_OWN, 0, fds, &names);
    n = collect(status, STATUS, STATUS_OWN, n, fds, &names);
    fds[n] = link;
    int err = line_up(fds, n + 1);
    set_number("LISTEN_PID", (long)getpid());
    set_number("LISTEN_FDS", n);
    setenv("LISTEN_FDNAMES", buffer, 1);
    free(fds);
    free(buffer);
    return err ? err : FIRST + n;
}
