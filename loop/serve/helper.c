/* Processes beside the workers, as the supervisor sees them. */
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../executor/error.h"
#include "back_off.h"
#include "serve_log.h"
#include "supervisor.h"
#include "worker.h"

static void start(yk__supervisor *s, yk__helper *h)
{
    int ends[2] = { -1, -1 };
    fflush(NULL); /* or the child would write it again */
    pid_t pid = pipe2(ends, O_CLOEXEC) ? -1 : fork();
    if (pid == 0) {
        close(ends[1]); /* or it would never see that the supervisor is gone */
        yk__become_child(s, ends[0], h->name);
        yk__sockets_close(&s->sockets, false);
        h->run(s);
        _exit(1);
    }
    if (pid < 0) {
        yk__serve_log("cannot start the %s: %s", h->name, yk_strerror(-errno));
        h->start_at = s->now + yk__back_off(++h->failures + 1, yk__chance());
        close(ends[1]);
    } else {
        h->pid = pid;
        h->lifeline = ends[1];
        h->forked = s->now;
        yk__serve_log("the %s (process %d) is started", h->name, (int)pid);
    }
    close(ends[0]);
}

void yk__helper_step(yk__supervisor *s, yk__helper *h)
{
    if (h->may_end)
        return;
    if (h->pid == 0 && s->now >= h->start_at)
        start(s, h);
    if (h->pid == 0)
        yk__look_by(s, h->start_at);
}

void yk__helper_kill(yk__helper *h)
{
    h->may_end = true;
    if (h->pid > 0)
        kill(h->pid, SIGKILL); /* not reaped, so the number is its own */
}

bool yk__helper_ended(yk__supervisor *s, yk__helper *h, pid_t pid, int status)
{
    if (h->pid != pid)
        return false;
    if (h->may_end)
        ;
    else if (WIFSIGNALED(status))
        yk__serve_log("the %s (process %d) died of SIG%s", h->name, (int)pid,
                      sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "RT");
    else
        yk__serve_log("the %s (process %d) exited with status %d", h->name, (int)pid,
                      WEXITSTATUS(status));
    close(h->lifeline);
    h->pid = 0;
    h->failures = s->now - h->forked >= YK__HEALTHY_NS ? 1 : h->failures + 1;
    h->start_at = s->now + yk__back_off(h->failures, yk__chance());
    return true;
}
