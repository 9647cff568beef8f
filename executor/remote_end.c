/* How a worker process is made to stop, and what becomes of its jobs when it has died. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "observe.h"
#include "remote_internal.h"
#include "ring.h"

#define STATUS_PATIENCE \
    ((uint64_t)500 * 1000000) /* for the zygote to report a death that was seen */
#define LEAVE_PATIENCE ((uint64_t)2000 * 1000000) /* for a worker that was told to leave */

/* ---- Making it stop ------------------------------------------------------------------------- */

/* The kernel kills the process at its other end, if there is one. */
static void cut_lifeline(remote *r)
{
    yk__reactor_unwatch(r->reactor, &r->death);
    close(r->death.fd);
    close(r->lifeline);
    r->death.fd = r->lifeline = -1;
    r->dead = true;
    r->front_since = yk_now();
    yk__remote_arm(r);
}

/* A number may be another process's by now; a pidfd is not, nor is a number that the zygote has not
 * reaped. So the zygote signals the process group, and the pidfd serves where there is no zygote.
 */
static void signal_group(remote *r, int sig)
{
    if (r->dead)
        return;
    yk__trace_worker(r->lane, "signal", sig);
    if (r->pid == 0) {
        if (r->zygote_gone && sig == SIGKILL)
            cut_lifeline(r);
        return;
    }
    yk__zygote_message m = { .type = YK__ZYGOTE_SIGNAL, .serial = r->serial, .value = sig };
    bool sent = !r->zygote_gone && yk__zygote_send(r->zygote, &m, NULL, 0) == 0;
    if (r->death.fd >= 0 && (!sent || sig == SIGKILL))
        sent |= syscall(SYS_pidfd_send_signal, r->death.fd, sig, NULL, 0) == 0;
    if (!sent && r->zygote_gone && sig == SIGKILL)
        cut_lifeline(r); /* there is no pidfd */
}

void yk__remote_kill(remote *r)
{
    r->ladder = KILLED;
    signal_group(r, SIGKILL);
}

void yk__remote_await_death(remote *r)
{
    struct pollfd p = { .fd = r->death.fd, .events = POLLIN };
    if (r->death.fd >= 0 && !r->dead)
        poll(&p, 1, 1000);
}

static bool at_front(const remote *r, uint32_t position)
{
    return r->open > 0 && r->settled == position;
}

/* What the worker has not begun is taken back first, so that the signal hits nobody else's job. If
 * the job that it was meant for has ended meanwhile, there is no signal. */
static void terminate(remote *r)
{
    yk__remote_withdraw_some(r, YK__RING);
    yk__remote_drain(r);
    if (!r->stopping && !at_front(r, r->stopped)) {
        r->ladder = AT_PEACE;
        return;
    }
    r->ladder = TERMINATED;
    signal_group(r, SIGTERM);
}

/* From here on it cannot pass its commit point. False: it has. */
static bool forbid_commit(remote *r)
{
    uint32_t state = yk__slot_state(r->settled, YK__SLOT_TAKEN);
    return atomic_compare_exchange_strong_explicit(&r->ch->jobs[r->settled % YK__RING].state,
                                                   &state,
                                                   yk__slot_state(r->settled, YK__SLOT_WITHDRAWN),
                                                   memory_order_acq_rel, memory_order_acquire) ||
           state != yk__slot_committed(r->settled);
}

void yk__remote_stop_job(remote *r, int reason)
{
    if (r->ladder != AT_PEACE || r->dead || !forbid_commit(r))
        return;
    if (reason == YK_EJOBTIMEOUT)
        yk__trace_worker(r->lane, "time limit passed", 0);
    process_job *job = *yk__remote_at(r, r->settled);
    if (job && job->work.future.stream)
        yk__stream_close(job->work.future.stream, YK_ECANCELED);
    r->reason = reason;
    r->stopped = r->settled;
    r->ladder = ASKED;
    r->front_since = yk_now();
    atomic_store_explicit(&r->ch->down.cancel, (uint64_t)r->settled + 1, memory_order_relaxed);
    if (reason == YK_EJOBTIMEOUT)
        terminate(r); /* it has had its time */
    yk__remote_arm(r);
}

static bool has_committed(remote *r)
{
    return atomic_load_explicit(&r->ch->jobs[r->settled % YK__RING].state, memory_order_relaxed) ==
           yk__slot_committed(r->settled);
}

static uint64_t front_limit(remote *r)
{
    process_job *job = r->settled != r->submitted ? *yk__remote_at(r, r->settled) : NULL;
    if (!job || job->work.timeout == 0 || has_committed(r))
        return YK_FOREVER;
    return (r->front_began ? r->front_began : r->front_since) + job->work.timeout;
}

/* Whether the job at the front has begun; notes when, by the worker's own word if that makes sense,
 * once. */
static bool front_has_begun(remote *r)
{
    if (r->front_began || r->open == 0)
        return true;
    uint32_t state =
        atomic_load_explicit(&r->ch->jobs[r->settled % YK__RING].state, memory_order_acquire);
    if (state == yk__slot_state(r->settled, YK__SLOT_QUEUED))
        return false;
    uint64_t began = atomic_load_explicit(&r->ch->up.started, memory_order_relaxed);
    r->front_began = began < r->front_since || began > yk_now() ? r->front_since : began;
    return true;
}

void yk__remote_arm(remote *r)
{
    uint64_t next = YK_FOREVER;
    if (r->dead)
        next = r->front_since + STATUS_PATIENCE;
    else if (r->stopping && r->ladder == AT_PEACE)
        next = r->front_since + r->grace + LEAVE_PATIENCE;
    else if (r->ladder == AT_PEACE)
        next = front_limit(r);
    else if (r->ladder < KILLED)
        next = r->front_since + r->grace;
    if (!r->ready && !r->dead && r->ladder < KILLED && r->start_by < next)
        next = r->start_by;
    if (next == YK_FOREVER && r->timer.heap_index == 0)
        return;
    yk__reactor_timer_set(r->reactor, &r->timer, next); /* room for it is reserved */
}

static void bury(remote *r);

static void check_limit(remote *r)
{
    if (!front_has_begun(r))
        r->front_since = yk_now(); /* the worker is still starting: its time has not begun */
    else if (front_limit(r) <= yk_now())
        yk__remote_stop_job(r, YK_EJOBTIMEOUT);
}

static void climb(remote *r)
{
    r->front_since = yk_now();
    if (r->ladder == AT_PEACE || r->ladder == ASKED)
        terminate(r);
    else
        yk__remote_kill(r);
}

static void start_is_late(remote *r)
{
    r->late = true;
    yk__remote_withdraw_some(r, YK__RING);
    yk__remote_kill(r);
}

static remote *of_timer(yk__timer *timer)
{
    return (remote *)((char *)timer - offsetof(remote, timer));
}

void yk__remote_timer_fired(yk__timer *timer)
{
    remote *r = of_timer(timer);
    if (r->dead) {
        bury(r); /* the zygote has nothing to say */
        return;
    }
    yk__remote_turn(r); /* it may have ended in time, unnoticed */
    if (!r->ready && r->ladder < KILLED && r->start_by <= yk_now())
        start_is_late(r);
    else if (r->ladder == AT_PEACE && !r->stopping)
        check_limit(r);
    else
        climb(r);
    yk__remote_arm(r);
    r->ops->moved(r);
}

/* ---- Its death ------------------------------------------------------------------------------ */

static yk__death death_of(const remote *r)
{
    bool killed = r->status_known && WIFSIGNALED(r->status);
    yk__death d = { .exit_status = -1, .worker = r->index, .pid = r->pid };
    if (killed)
        d.signal = WTERMSIG(r->status);
    else if (r->status_known)
        d.exit_status = WEXITSTATUS(r->status);
    d.out_of_memory = r->out_of_memory && r->ladder == AT_PEACE && d.signal == SIGKILL;
    if (killed || !r->status_known)
        d.crash = yk__crash_copy(&r->ch->crash, d.signal);
    return d;
}

void yk__remote_describe(const remote *r, const process_job *job, const yk__death *death,
                         char *text, size_t size)
{
    char label[YK__NAME_MAX + 8];
    const char *what = yk__work_label(&job->work, label);
    if (r->ladder != AT_PEACE && r->reason == YK_EJOBTIMEOUT)
        snprintf(text, size, "%s ran longer than its limit of %llu ms", what,
                 (unsigned long long)(job->work.timeout / 1000000u));
    else if (r->ladder != AT_PEACE && r->reason == YK_ECANCELED)
        snprintf(text, size, "%s was cancelled while it ran", what);
    else
        yk__death_describe(death, what, text, size);
}

static void lose(remote *r, process_job *job)
{
    char text[192];
    yk__death death = death_of(r);
    yk__remote_describe(r, job, &death, text, sizeof text);
    r->ended_jobs++;
    int code = r->ladder != AT_PEACE && r->reason ? r->reason : YK_ECRASHED;
    r->ops->lost(r, job, code, text, &death);
    yk__crash_free(death.crash);
}

/* Every job that is open is either taken, and lost, or comes back. */
static void settle_open_jobs(remote *r)
{
    yk__held_bury(&r->ch->up.held, r->identity);
    yk__remote_withdraw_some(r, YK__RING);
    for (uint32_t p = r->settled; p != r->submitted; p++) {
        process_job *job = *yk__remote_at(r, p);
        *yk__remote_at(r, p) = NULL;
        if (!job)
            continue;
        job->on = NULL;
        yk__work_left(&job->work, true);
        r->open--;
        /* It may have died before its call was heard, and be run again: see ring.h, `woken`. */
        if (job->work.future.stream)
            yk__stream_rouse(job->work.future.stream);
        lose(r, job);
    }
    r->settled = r->submitted;
}

static void bury(remote *r)
{
    r->dead = true;
    settle_open_jobs(r);
    bool existed = r->pid != 0 || r->ended_jobs > 0;
    bool unasked = !r->stopping && r->ladder == AT_PEACE && existed;
    r->ops->ended(r, unasked, 0);
}

/* The process is dead: take what it published before, then wait for its status, if it is not known.
 */
static void dies(remote *r)
{
    if (r->dead)
        return;
    yk__remote_look_at_start(r);
    yk__remote_drain(r);
    r->dead = true;
    if (r->death.fd >= 0)
        yk__reactor_unwatch(r->reactor, &r->death);
    if (r->status_known || r->zygote_gone) {
        bury(r);
        return;
    }
    r->front_since = yk_now();
    yk__remote_arm(r);
}

void yk__remote_death_seen(yk__watch *watch)
{
    dies((remote *)((char *)watch - offsetof(remote, death)));
}

void yk__remote_spawned(remote *r, pid_t pid, int pidfd)
{
    r->pid = pid;
    r->death.fd = pidfd;
    if (pidfd >= 0 && yk__reactor_watch(r->reactor, &r->death)) {
        close(pidfd);
        r->death.fd = -1; /* the zygote will tell of its end, or its lifeline */
    }
    if (r->ladder >= TERMINATED)
        signal_group(r, r->ladder == KILLED ? SIGKILL : SIGTERM);
}

void yk__remote_exited(remote *r, int status, bool out_of_memory)
{
    r->status = status;
    r->out_of_memory = out_of_memory;
    r->status_known = true;
    if (r->dead)
        bury(r);
    else
        dies(r);
}

void yk__remote_refused(remote *r, int err)
{
    r->dead = true;
    settle_open_jobs(r);
    r->ops->ended(r, false, err);
}

/* The zygote died before it said whether it had forked the process. If it has, that process may be
 * at work already, and is left in peace. Nobody has a pidfd of it, but the end of all readers of
 * its lifeline is its end, or says that it never was. */
static int watch_lifeline(remote *r)
{
    r->death.fd = fcntl(r->lifeline, F_DUPFD_CLOEXEC, 3);
    if (r->death.fd < 0)
        return -errno;
    int err = yk__reactor_watch(r->reactor, &r->death);
    if (err) {
        close(r->death.fd);
        r->death.fd = -1;
    }
    return err;
}

void yk__remote_orphaned(remote *r)
{
    if (r->dead)
        bury(r);
    else if (r->death.fd >= 0)
        return; /* its end will be seen */
    else if (watch_lifeline(r))
        yk__remote_refused(r, YK_ENOWORKER); /* it dies with its lifeline */
    else if (r->ladder == KILLED)
        cut_lifeline(r);
}
