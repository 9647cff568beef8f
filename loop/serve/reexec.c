/* Handing the sockets over to a new program. */
#include "reexec.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "../../executor/error.h"
#include "listen_fds.h"
#include "serve_log.h"

#define LINK "YOKE_SERVE_LINK"

void yk__reexec_open(yk__supervisor *s)
{
    const char *link = getenv(LINK);
    ssize_t n = readlink("/proc/self/exe", s->path, sizeof s->path - 1);
    s->path[n > 0 ? n : 0] = '\0';
    s->old_link = s->new_link = -1;
    if (!link)
        return;
    s->old_link = atoi(link);
    unsetenv(LINK);
    fcntl(s->old_link, F_SETFD, FD_CLOEXEC);
    fcntl(s->old_link, F_SETFL, O_NONBLOCK);
}

static void close_link(int *link)
{
    if (*link >= 0)
        close(*link);
    *link = -1;
}

void yk__reexec_close(yk__supervisor *s)
{
    close_link(&s->old_link);
    close_link(&s->new_link);
}

/* ---- The new one ----------------------------------------------------------------------------- */

/* Sockets that are too many here may be closed, now that nobody else has them. */
static void be_alone(yk__supervisor *s)
{
    close_link(&s->old_link);
    s->wanted -= s->inherited < s->wanted ? s->inherited : s->wanted - 1;
    s->inherited = 0;
}

void yk__reexec_ready(yk__supervisor *s)
{
    yk__sockets_own(&s->sockets);
    yk__sockets_own(&s->status_sockets);
    if (s->old_link < 0)
        be_alone(s);
    else
        send(s->old_link, "r", 1, MSG_NOSIGNAL);
}

static void look_at_old(yk__supervisor *s)
{
    char byte;
    if (s->old_link >= 0 && s->is_up && recv(s->old_link, &byte, 1, 0) == 0)
        be_alone(s);
}

/* ---- The old one ----------------------------------------------------------------------------- */

static _Noreturn void execute(yk__supervisor *s, int link)
{
    char number[12];
    int fd = yk__listen_fds_give(&s->sockets, &s->status_sockets, link);
    if (fd >= 0) {
        snprintf(number, sizeof number, "%d", fd);
        setenv(LINK, number, 1);
        sigprocmask(SIG_SETMASK, &s->mask, NULL);
        execv(s->path, s->argv);
    }
    yk__serve_log("cannot execute %s: %s", s->path,
                  yk_strerror(fd < 0 ? fd : uv_translate_sys_error(errno)));
    _exit(127);
}

void yk__reexec_start(yk__supervisor *s)
{
    int pair[2];
    if (s->successor > 0 || !s->is_up) {
        yk__serve_log("SIGUSR2: a new program is being started already");
        return;
    }
    fflush(NULL);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair)) {
        yk__serve_log("cannot start a new program: %s", strerror(errno));
        return;
    }
    s->successor = fork();
    if (s->successor == 0)
        execute(s, pair[1]);
    close(pair[1]);
    s->new_link = pair[0];
    s->new_by = s->now + s->options.ready_ms * YK__MS;
    if (s->successor > 0)
        yk__serve_log("SIGUSR2: process %d starts %s", (int)s->successor, s->path);
    else
        yk__serve_log("cannot start a new program: %s", strerror(errno));
}

static void hand_over(yk__supervisor *s)
{
    yk__serve_log("process %d is ready: this one drains", (int)s->successor);
    yk__supervisor_hand_over(s);
}

static void look_at_new(yk__supervisor *s)
{
    char byte;
    if (s->new_link < 0 || s->stopping)
        return;
    ssize_t n = recv(s->new_link, &byte, 1, 0);
    if (n == 1) {
        hand_over(s);
    } else if (n == 0) {
        close_link(&s->new_link);    /* its death is told of when it is reaped, */
        yk__reexec_kill(s, SIGTERM); /* unless it has only closed its end */
    } else if (s->now >= s->new_by) {
        yk__serve_log("process %d has not become ready in time: it is killed", (int)s->successor);
        yk__reexec_kill(s, SIGKILL);
        close_link(&s->new_link);
    } else {
        yk__look_by(s, s->new_by);
    }
}

void yk__reexec_look(yk__supervisor *s)
{
    look_at_old(s);
    look_at_new(s);
}

bool yk__reexec_reaped(yk__supervisor *s, pid_t pid)
{
    if (pid != s->successor)
        return false;
    if (!s->stopping)
        yk__serve_log("process %d has failed: this one goes on", (int)pid);
    s->successor = 0;
    close_link(&s->new_link);
    return true;
}

void yk__reexec_kill(yk__supervisor *s, int sig)
{
    if (s->successor > 0)
        kill(s->successor, sig);
}
