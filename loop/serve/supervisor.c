/* The supervisor: waits for something to happen, and takes a step. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../../executor/clock.h"
#include "reexec.h"
#include "serve_log.h"
#include "supervisor.h"

/* ---- Signals --------------------------------------------------------------------------------- */

void yk__supervisor_stop(yk__supervisor *s, int why)
{
    s->stopping = why;
    for (yk__worker *w = s->workers; w < s->workers + YK__SEATS; w++) {
        if (w->stage == YK__STAGE_NONE)
            continue;
        atomic_store(&yk__worker_page(s, w)->is_last, !s->handed_over);
        if (why < 0 && w->stage == YK__STAGE_STARTING)
            yk__worker_kill(w);
        yk__worker_leave(s, w);
    }
    yk__sockets_close(&s->sockets, !s->handed_over);
    if (!s->handed_over)
        yk__reexec_kill(s, SIGTERM);
}

void yk__supervisor_hand_over(yk__supervisor *s)
{
    s->handed_over = true;
    yk__supervisor_stop(s, SIGUSR2);
}

static void end_at_once(yk__supervisor *s, int sig)
{
    yk__serve_log("SIG%s again: ends at once", sigabbrev_np(sig));
    s->status = 128 + sig;
    for (yk__worker *w = s->workers; w < s->workers + YK__SEATS; w++)
        if (w->stage != YK__STAGE_NONE)
            yk__worker_kill(w);
    yk__helper_kill(&s->pool.helper);
    if (!s->handed_over)
        yk__reexec_kill(s, SIGKILL);
}

static void end(yk__supervisor *s, int sig)
{
    if (s->stopping && s->stopping != SIGUSR2) {
        end_at_once(s, sig);
        return;
    }
    yk__serve_log("SIG%s: drains", sigabbrev_np(sig));
    if (s->stopping)
        s->stopping = sig; /* it drains for a new program's sake: the next one ends it */
    else
        yk__supervisor_stop(s, sig);
}

static void want(yk__supervisor *s, unsigned workers)
{
    if (workers < 1 || workers > YK_SERVE_MOST_WORKERS)
        yk__serve_log("there can be no %s workers", workers < 1 ? "fewer" : "more");
    else
        s->wanted = workers;
}

static void heed(yk__supervisor *s, int sig)
{
    if (sig == SIGTERM || sig == SIGINT) {
        end(s, sig);
    } else if (s->stopping) {
        return;
    } else if (sig == SIGHUP) {
        yk__serve_log("SIGHUP: replaces all workers");
        yk__slots_roll(s);
    } else if (sig == SIGUSR2) {
        yk__reexec_start(s);
    } else if (sig == SIGTTIN) {
        want(s, s->wanted + 1);
    } else if (sig == SIGTTOU) {
        want(s, s->wanted - 1);
    }
}

static void read_signals(yk__supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signals, &info, sizeof info) == sizeof info)
        heed(s, (int)info.ssi_signo);
}

/* ---- A step ---------------------------------------------------------------------------------- */

static void wait_for_something(yk__supervisor *s)
{
    struct pollfd polled[] = {
        { .fd = s->signals, .events = POLLIN },
        { .fd = s->attention, .events = POLLIN },
        { .fd = s->is_up ? s->old_link : -1, .events = POLLIN },
        { .fd = s->stopping ? -1 : s->new_link, .events = POLLIN },
    };
    uint64_t now = yk_now(), rest = s->next > now ? s->next - now : 0;
    struct timespec limit = { .tv_sec = (time_t)(rest / 1000000000u),
                              .tv_nsec = (long)(rest % 1000000000u) };
    ppoll(polled, sizeof polled / sizeof polled[0], &limit, NULL);
    uint64_t times;
    ssize_t n = read(s->attention, &times, sizeof times);
    (void)n;
}

static void tell_ready(yk__supervisor *s)
{
    const char *addresses[64] = { 0 };
    for (size_t i = 0; i < s->sockets.n && i < 63; i++) {
        addresses[i] = s->sockets.sites[i].text;
        yk__serve_log("serves on %s, %u worker%s", addresses[i], s->n_slots,
                      s->n_slots == 1 ? "" : "s");
    }
    if (s->options.ready)
        s->options.ready(addresses, s->options.arg);
}

static void step(yk__supervisor *s)
{
    s->now = yk_now();
    s->next = YK_FOREVER;
    yk__workers_look(s);
    yk__workers_reap(s);
    read_signals(s);
    yk__reexec_look(s);
    if (s->cannot_start && !s->stopping) {
        yk__serve_log("the server cannot start");
        s->status = 1;
        yk__supervisor_stop(s, -1);
    }
    if (!s->stopping)
        yk__slots_step(s);
    yk__pool_process_step(s);
    yk__status_step(s);
    if (!s->stopping && !s->is_up && yk__slots_all_ready(s)) {
        s->is_up = true;
        tell_ready(s);
        yk__reexec_ready(s);
        yk__look_by(s, s->now);
    }
}

/* But a new program, if it is ready, which is no child to wait for. */
static bool nobody_left(const yk__supervisor *s)
{
    return yk__workers_alive(s) == 0 && s->pool.helper.pid == 0 && s->status_process.pid == 0 &&
           (s->successor <= 0 || s->handed_over);
}

int yk__supervise(yk__supervisor *s)
{
    s->looked_at = yk_now();
    for (;;) {
        step(s);
        if (s->stopping && nobody_left(s))
            break;
        wait_for_something(s);
    }
    yk__serve_log("has ended");
    return s->status;
}
