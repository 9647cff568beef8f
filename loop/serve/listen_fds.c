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

#define FIRST  3
/* Names: of a Unix socket whose file goes with it; of the status; of others. */
#define OWN    "yoke-own"
#define STATUS "yoke-status"
#define OTHER  "yoke"

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
        bool is_status = name && strcmp(name, STATUS) == 0;
        err = take(is_status ? status : s, FIRST + i, name && strcmp(name, OWN) == 0);
    }
    free(copy);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return err ? err : yk__sockets_fill(s);
}

/* ---- Giving ---------------------------------------------------------------------------------- */

/* Adds sockets in the order of their slots, and their names; how many there are then. */
static int collect(const yk__sockets *s, const char *name, int n, int *fds, yk__text *names)
{
    for (size_t i = 0; i < s->n; i++)
        for (unsigned slot = 0; slot < s->slots; slot++) {
            if (s->sites[i].fds[slot] < 0)
                continue;
            yk__text_add(names, "%s%s", n ? ":" : "", s->sites[i].owns_path ? OWN : name);
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
    char *buffer = malloc(most * sizeof STATUS);
    if (!fds || !buffer)
        return UV_ENOMEM;
    yk__text names;
    yk__text_start(&names, buffer, most * sizeof STATUS);
    int n = collect(s, OTHER, 0, fds, &names);
    n = collect(status, STATUS, n, fds, &names);
    fds[n] = link;
    int err = line_up(fds, n + 1);
    set_number("LISTEN_PID", (long)getpid());
    set_number("LISTEN_FDS", n);
    setenv("LISTEN_FDNAMES", buffer, 1);
    free(fds);
    free(buffer);
    return err ? err : FIRST + n;
}
