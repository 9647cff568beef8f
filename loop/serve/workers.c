/* Worker processes, as their supervisor sees them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "../../executor/error.h"
#include "back_off.h"
#include "board.h"
#include "reexec.h"
#include "serve_log.h"
#include "supervisor.h"
#include "worker.h"

#define GRACE_MS 5000 /* after its own deadline, to cancel what is left and to end */

yk__page *yk__worker_page(const yk__supervisor *s, const yk__worker *w)
{
    return &s->pages[w - s->workers];
}

unsigned yk__workers_alive(const yk__supervisor *s)
{
    unsigned n = 0;
    for (const yk__worker *w = s->workers; w < s->workers + YK__SEATS; w++)
        n += w->stage != YK__STAGE_NONE;
    return n;
}

/* ---- The start ------------------------------------------------------------------------------- */

static yk__worker *free_seat(yk__supervisor *s)
{
    for (yk__worker *w = s->workers; w < s->workers + YK__SEATS; w++)
        if (w->stage == YK__STAGE_NONE)
            return w;
    return NULL;
}

static void set_up(yk__supervisor *s, yk__worker *w, unsigned slot)
{
    const yk_serve_options *o = &s->options;
    uint64_t chance = yk__chance();
    *w =
        (yk__worker){ .stage = YK__STAGE_STARTING,
                      .slot = slot,
                      .lifeline = -1,
                      .forked = s->now,
                      .deadline = s->now + o->ready_ms * YK__MS,
                      .most_served = yk__jittered(o->most_served, chance),
                      .ends = o->life_ms ? s->now + yk__jittered(o->life_ms * YK__MS, chance) : 0 };
    memset(yk__worker_page(s, w), 0, sizeof(yk__page));
}

static void undo(yk__worker *w, int lifeline)
{
    yk__serve_log("cannot start worker %u: %s", w->slot, yk_strerror(-errno));
    if (lifeline >= 0) {
        close(lifeline);
        close(w->lifeline);
    }
    w->stage = YK__STAGE_NONE;
}

yk__worker *yk__worker_fork(yk__supervisor *s, unsigned slot)
{
    yk__worker *w = free_seat(s);
    if (!w)
        return NULL;
    set_up(s, w, slot);
    int ends[2] = { -1, -1 };
    fflush(NULL); /* or the child would write it again */
    if (pipe2(ends, O_CLOEXEC) == 0) {
        w->lifeline = ends[1];
        w->pid = fork();
    }
    if (ends[0] < 0 || w->pid < 0) {
        undo(w, ends[0]);
        return NULL;
    }
    if (w->pid == 0)
        yk__worker_run(s, w, ends[0]);
    close(ends[0]);
    return w;
}

/* ---- What it says of itself ------------------------------------------------------------------ */

static void look_at_phase(yk__supervisor *s, yk__worker *w)
{
    uint32_t phase = atomic_load_explicit(&yk__worker_page(s, w)->phase, memory_order_acquire);
    if (phase >= YK__PHASE_READY && w->stage == YK__STAGE_STARTING) {
        w->stage = YK__STAGE_READY;
        w->ready = s->now;
        w->deadline = YK_FOREVER;
        yk__serve_log("worker %u (process %d) is ready after %.3f s", w->slot, (int)w->pid,
                      (double)(s->now - w->forked) / 1e9);
        yk__slots_ready(s, w);
    }
    if (phase >= YK__PHASE_DRAINING && w->stage == YK__STAGE_READY) {
        w->stage = YK__STAGE_LEAVING;
        w->deadline = s->now + (s->options.drain_ms + GRACE_MS) * YK__MS;
        yk__serve_log("worker %u (process %d) was told to leave", w->slot, (int)w->pid);
        yk__slots_left(s, w);
    }
}

/* ---- The end --------------------------------------------------------------------------------- */

void yk__worker_leave(yk__supervisor *s, yk__worker *w)
{
    if (w->stage == YK__STAGE_NONE || w->stage == YK__STAGE_LEAVING)
        return;
    w->stage = YK__STAGE_LEAVING;
    w->deadline = s->now + (s->options.drain_ms + GRACE_MS) * YK__MS;
    kill(w->pid, SIGTERM); /* not reaped, so the number is its own */
    yk__serve_log("worker %u (process %d) is told to drain", w->slot, (int)w->pid);
}

void yk__worker_kill(yk__worker *w)
{
    w->killed = true;
    kill(w->pid, SIGKILL);
}

static void say_how_it_ended(const yk__supervisor *s, const yk__worker *w, int status)
{
    int error = atomic_load_explicit(&yk__worker_page(s, w)->error, memory_order_relaxed);
    if (WIFSIGNALED(status))
        yk__serve_log("worker %u (process %d) died of SIG%s", w->slot, (int)w->pid,
                      sigabbrev_np(WTERMSIG(status)) ? sigabbrev_np(WTERMSIG(status)) : "RT");
    else if (w->stage == YK__STAGE_STARTING && error < 0)
        yk__serve_log("worker %u (process %d) could not start: %s", w->slot, (int)w->pid,
                      yk_strerror(error));
    else if (WEXITSTATUS(status) == 0 && w->stage == YK__STAGE_LEAVING)
        yk__serve_log("worker %u (process %d) has ended", w->slot, (int)w->pid);
    else
        yk__serve_log("worker %u (process %d) exited with status %d", w->slot, (int)w->pid,
                      WEXITSTATUS(status));
}

static void bury(yk__supervisor *s, yk__worker *w, int status)
{
    look_at_phase(s, w); /* it may have been told to leave since the last look */
    say_how_it_ended(s, w, status);
    bool failed = w->stage != YK__STAGE_LEAVING;
    close(w->lifeline);
    yk__slots_gone(s, w, failed);
    yk__board_bury(s, w);
    w->stage = YK__STAGE_NONE;
}

static yk__worker *worker_of(yk__supervisor *s, pid_t pid)
{
    for (yk__worker *w = s->workers; w < s->workers + YK__SEATS; w++)
        if (w->stage != YK__STAGE_NONE && w->pid == pid)
            return w;
    return NULL;
}

/* Also those whose parents have died, where this process is the first in its container. */
void yk__workers_reap(yk__supervisor *s)
{
    pid_t pid;
    int status;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        yk__worker *w = worker_of(s, pid);
        if (w)
            bury(s, w, status);
        else if (!yk__helper_ended(s, &s->pool.helper, pid, status) &&
                 !yk__helper_ended(s, &s->status_process, pid, status))
            yk__reexec_reaped(s, pid);
    }
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void look_at_deadline(yk__supervisor *s, yk__worker *w)
{
    if (w->killed)
        return;
    if (s->now >= w->deadline) {
        yk__serve_log("worker %u (process %d) has not %s in time: it is killed", w->slot,
                      (int)w->pid, w->stage == YK__STAGE_STARTING ? "become ready" : "ended");
        yk__worker_kill(w);
        return;
    }
    yk__look_by(s, w->deadline);
}

/* Only time that this process has seen counts: where all was stopped for a while, it was nobody's
 * fault. */
static void look_at_beats(yk__supervisor *s, yk__worker *w, uint64_t elapsed)
{
    uint64_t beats = atomic_load_explicit(&yk__worker_page(s, w)->beats, memory_order_relaxed);
    w->silent = beats == w->beats ? w->silent + elapsed : 0;
    w->beats = beats;
    if (w->killed || w->stage == YK__STAGE_STARTING || w->silent < s->options.hang_ms * YK__MS)
        return;
    yk__serve_log("worker %u (process %d) hangs, for %.1f s: it is killed", w->slot, (int)w->pid,
                  (double)w->silent / 1e9);
    yk__worker_kill(w);
}

/* Resident bytes; 0 if that cannot be known. */
static uint64_t memory_of(pid_t pid)
{
    char path[32];
    unsigned long long size, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    if (fscanf(file, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static const char *limit_passed(const yk__supervisor *s, const yk__worker *w)
{
    const yk_http_counters *count = &yk__worker_page(s, w)->http;
    uint64_t served =
        __atomic_load_n(s->options.http ? &count->requests : &count->accepted, __ATOMIC_RELAXED);
    if (w->most_served && served >= w->most_served)
        return "has served what it was to";
    if (w->ends && s->now >= w->ends)
        return "has lived as long as it was to";
    if (s->options.most_memory && memory_of(w->pid) > s->options.most_memory)
        return "has more memory than it may";
    return NULL;
}

static void look_at_limits(yk__supervisor *s, yk__worker *w)
{
    yk__slot *slot = &s->slots[w->slot];
    if (w->stage != YK__STAGE_READY || slot->is_stale || slot->current != w || slot->next)
        return;
    const char *passed = limit_passed(s, w);
    if (!passed)
        return;
    yk__serve_log("worker %u (process %d) %s: it is replaced", w->slot, (int)w->pid, passed);
    slot->is_stale = true;
}

static uint64_t look_interval(const yk__supervisor *s)
{
    uint64_t interval = s->options.hang_ms * YK__MS / 4;
    return interval < 1000 * YK__MS ? interval : 1000 * YK__MS;
}

void yk__workers_look(yk__supervisor *s)
{
    uint64_t interval = look_interval(s), elapsed = s->now - s->looked_at;
    bool is_time = elapsed >= interval;
    if (elapsed > 2 * interval)
        elapsed = 2 * interval;
    for (yk__worker *w = s->workers; w < s->workers + YK__SEATS; w++) {
        if (w->stage == YK__STAGE_NONE)
            continue;
        look_at_phase(s, w);
        look_at_deadline(s, w);
        if (is_time) {
            look_at_beats(s, w, elapsed);
            look_at_limits(s, w);
        }
    }
    if (is_time)
        s->looked_at = s->now;
    yk__look_by(s, s->looked_at + interval);
}
