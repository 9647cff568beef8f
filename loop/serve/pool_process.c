/* The process that has the pool which all workers share, as the supervisor sees it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../executor/error.h"
#include "back_off.h"
#include "pool_server.h"
#include "serve_log.h"
#include "supervisor.h"
#include "worker.h"

#define GRACE_MS 5000 /* to end its workers */

int yk__pool_process_open(yk__supervisor *s)
{
    return s->options.shared_processes ? yk__pool_door_open(&s->pool.door) : 0;
}

void yk__pool_process_close(yk__supervisor *s)
{
    yk__pool_door_close(&s->pool.door);
}

/* ---- The start ------------------------------------------------------------------------------- */

static _Noreturn void be_pool(yk__supervisor *s, int lifeline)
{
    static yk__pool_service service;
    service = (yk__pool_service){ &s->pool.door, &s->options.processes };
    yk__become_child(s, lifeline, "pool");
    yk__sockets_close(&s->sockets, false);
    yk__pool_door_stay_inside(&s->pool.door);
    yk__run_child(yk__pool_serve, &service);
}

static void start(yk__supervisor *s)
{
    yk__pool_process *p = &s->pool;
    int ends[2] = { -1, -1 };
    fflush(NULL); /* or the child would write it again */
    pid_t pid = pipe2(ends, O_CLOEXEC) ? -1 : fork();
    if (pid == 0)
        be_pool(s, ends[0]);
    if (pid < 0) {
        yk__serve_log("cannot start the pool: %s", yk_strerror(-errno));
        p->start_at = s->now + yk__back_off(++p->failures + 1, yk__chance());
        close(ends[1]);
    } else {
        p->pid = pid;
        p->lifeline = ends[1];
        p->forked = s->now;
        yk__serve_log("the pool (process %d) is started", (int)pid);
    }
    close(ends[0]);
}

/* ---- The end --------------------------------------------------------------------------------- */

void yk__pool_process_kill(yk__supervisor *s)
{
    if (s->pool.pid > 0)
        kill(s->pool.pid, SIGKILL); /* not reaped, so the number is its own */
}

bool yk__pool_process_ended(yk__supervisor *s, pid_t pid, int status)
{
    yk__pool_process *p = &s->pool;
    if (p->pid != pid)
        return false;
    if (WIFSIGNALED(status))
        yk__serve_log("the pool (process %d) died of SIG%s", (int)pid,
                      sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "RT");
    else if (!p->deadline)
        yk__serve_log("the pool (process %d) exited with status %d", (int)pid, WEXITSTATUS(status));
    close(p->lifeline);
    p->pid = 0;
    p->failures = s->now - p->forked >= YK__HEALTHY_NS ? 1 : p->failures + 1;
    p->start_at = s->now + yk__back_off(p->failures, yk__chance());
    return true;
}

/* It ends by itself when nobody is left who could knock. */
static void let_go(yk__supervisor *s)
{
    yk__pool_process *p = &s->pool;
    if (!p->deadline) {
        yk__pool_door_close(&p->door);
        p->deadline = s->now + GRACE_MS * YK__MS;
    }
    if (p->pid > 0 && s->now >= p->deadline)
        yk__pool_process_kill(s);
    else if (p->pid > 0)
        yk__look_by(s, p->deadline);
}

void yk__pool_process_step(yk__supervisor *s)
{
    yk__pool_process *p = &s->pool;
    if (!s->options.shared_processes)
        return;
    if (s->stopping && yk__workers_alive(s) == 0)
        let_go(s);
    else if (p->pid == 0 && s->now >= p->start_at)
        start(s);
    if (p->pid == 0 && !p->deadline)
        yk__look_by(s, p->start_at);
}
