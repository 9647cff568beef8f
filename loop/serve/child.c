/* What all processes have in common that the supervisor forks. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../../executor/init.h"
#include "../../executor/lifeline.h"
#include "../internal.h"
#include "../overflow.h"
#include "reexec.h"
#include "worker.h"

static void set_name(const char *name, const char *suffix)
{
    char text[16];
    snprintf(text, sizeof text, "%.10s-%s", name, suffix);
    prctl(PR_SET_NAME, text);
}

/* What a terminal sends to all of its processes is for the supervisor to decide about. */
static void set_signals(const yk__supervisor *s)
{
    static const int ignored[] = { SIGINT, SIGHUP, SIGUSR2, SIGTTIN, SIGTTOU };
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    sigset_t mask = s->mask;
    sigaddset(&mask, SIGTERM);
    sigprocmask(SIG_SETMASK, &mask, NULL);
}

void yk__become_child(yk__supervisor *s, int lifeline, const char *suffix)
{
    for (const yk__worker *w = s->workers; w < s->workers + YK__SEATS; w++)
        if (w->stage != YK__STAGE_NONE && w->lifeline >= 0)
            close(w->lifeline);
    const yk__helper *const helpers[] = { &s->pool.helper, &s->status_process };
    for (int i = 0; i < 2; i++)
        if (helpers[i]->pid > 0)
            close(helpers[i]->lifeline);
    close(s->signals);
    yk__reexec_close(s);
    set_signals(s);
    set_name(s->options.name, suffix);
    yk__lifeline_hold(lifeline);
}

_Noreturn void yk__run_child(yk_task_fn app, void *arg)
{
    yk_init(); /* what it returns is said again by the first process pool */
    yk_loop *loop = yk_loop_new();
    if (!loop)
        _exit(1);
    yk__overflow_watch();
    yk_future *task = yk_task_start_with(app, arg, .name = "main");
    yk_loop_run_until(loop, task);
    const int *result = yk_future_result(task, NULL);
    int status = result ? *result : 1;
    yk_loop_close(loop);
    yk_future_unref(task);
    yk_fini();
    fflush(NULL);
    /* The program's atexit() functions are for its own process. */
    _exit(status);
}
