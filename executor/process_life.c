/* The lives of worker processes, as the driver sees to them: when one is started, how long to wait
 * after one that was of no use, and when to give up.
 *
 * A worker that could not be started, or died before it began a job, was of no use. After such a
 * one no other is started for a while, twice as long each time, so a pool whose workers all die at
 * once costs a few forks a second at most. Nobody's job fails while somebody else may still do it:
 * what waits fails when no worker is left, and the last one failed by its own word or was the
 * `budget`th in a row that was of no use. Then the error stands until the time comes to try again:
 * what is submitted meanwhile fails with it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <uv.h>

#include "arena.h"
#include "process_pool.h"

#define DEFAULT_START  (20000 * YK__MS)
#define LONGEST_START  (UINT64_MAX / 4)
#define DEFAULT_BUDGET 5
#define MAX_BACKOFF    (1000 * YK__MS)
#define MORE_LEAVING   16 /* than the pool may have workers */

static void patrol_fired(yk__timer *timer);

/* ---- Starting ------------------------------------------------------------------------------- */

int yk__pool_life_init(struct process_pool *p, const yk_worker_options *o)
{
    uint64_t ms = o->start_timeout_ms;
    p->start_limit = ms == 0                       ? DEFAULT_START
                     : ms > LONGEST_START / YK__MS ? LONGEST_START
                                                   : ms * YK__MS;
    p->max_jobs = o->max_jobs;
    p->min_workers = (unsigned)o->min_workers;
    ms = o->idle_timeout_ms;
    p->idle_limit = ms > LONGEST_START / YK__MS ? LONGEST_START : ms * YK__MS;
    p->patrol.fired = patrol_fired;
    p->budget = o->respawn_budget ? o->respawn_budget : DEFAULT_BUDGET;
    return yk__worker_spec_copy(o, yk_arena_alloc, &p->spec);
}

void yk__pool_life_free(struct process_pool *p)
{
    yk_arena_free(p->spec);
    yk__error_free(p->start_error);
}

static bool has_initializer(const struct process_pool *p)
{
    return p->spec && p->spec->options.initializer;
}

/* Gives the pool `n` slots, which are no fewer than it has. What is there stays. */
static bool grow_slots(struct process_pool *p, unsigned n)
{
    unsigned had = p->n_slots, more = n - had;
    remote **remotes = realloc(p->remotes, n * sizeof(remote *));
    if (remotes)
        p->remotes = remotes;
    yk__cell **cells = realloc(p->cells, n * sizeof(yk__cell *));
    if (cells)
        p->cells = cells;
    yk__cell *block = yk_arena_alloc((size_t)more * YK__RING * sizeof *block);
    if (!remotes || !cells || !block) {
        yk_arena_free(block);
        return false;
    }
    memset(remotes + had, 0, more * sizeof(remote *));
    for (unsigned i = 0; i < more; i++)
        cells[had + i] = block + (size_t)i * YK__RING;
    p->n_slots = n;
    return true;
}

int yk__pool_make_slots(struct process_pool *p, unsigned n)
{
    p->n_first = n;
    if (grow_slots(p, n))
        return 0;
    yk__pool_free_slots(p);
    return -1;
}

void yk__pool_free_slots(struct process_pool *p)
{
    if (p->n_slots > 0)
        yk_arena_free(p->cells[0]);
    for (unsigned block = p->n_first; block < p->n_slots; block *= 2)
        yk_arena_free(p->cells[block]);
    free(p->cells);
    free(p->remotes);
}

bool yk__pool_slot(struct process_pool *p, unsigned *slot)
{
    unsigned i = 0;
    while (i < p->n_slots && p->remotes[i])
        i++;
    if (i == p->n_slots && !grow_slots(p, 2 * p->n_slots)) /* some are taken by those that retire */
        return false;
    *slot = i;
    return true;
}

/* Who has a number: the one that does not retire, or else the one that still runs a job. */
remote *yk__pool_owner(const struct process_pool *p, unsigned index)
{
    remote *busy = NULL;
    for (unsigned i = 0; i < p->n_slots; i++) {
        remote *r = p->remotes[i];
        if (!r || r->index != index)
            continue;
        if (!r->retires)
            return r;
        if (r->open > 0)
            busy = r;
    }
    return busy;
}

unsigned yk__pool_next_index(const struct process_pool *p)
{
    for (unsigned index = 0;; index++) {
        const remote *r = yk__pool_owner(p, index);
        if (!r || r->retires)
            return index;
    }
}

void yk__pool_life_begins(struct process_pool *p, remote *r)
{
    r->waits_for = yk__pool_owner(p, r->index); /* r is not among them yet */
    yk__remote_expect_start(r, p->start_limit, has_initializer(p) || r->waits_for);
}

/* Whether more jobs wait than workers are on their way to them. */
static bool more_wait_than_start(const struct process_pool *p)
{
    size_t coming = 0;
    for (unsigned i = 0; i < p->n_slots; i++)
        coming += p->remotes[i] && p->remotes[i]->held && !p->remotes[i]->retires;
    return coming == 0 || p->queue.length > coming;
}

/* Where every job costs a worker whose finalizer takes long, those that leave could become any
 * number of processes. Each is gone in time: yk__remote_leave sees to it. */
static bool too_many_leave(const struct process_pool *p)
{
    size_t leaving = 0;
    if (p->n_retiring < p->max_workers + MORE_LEAVING)
        return false;
    for (unsigned i = 0; i < p->n_slots; i++)
        leaving += p->remotes[i] && p->remotes[i]->stopping;
    return leaving >= p->max_workers + MORE_LEAVING;
}

bool yk__pool_may_start(const struct process_pool *p)
{
    if (p->n_remotes - p->n_retiring >= p->max_workers || p->respawn.heap_index != 0)
        return false;
    return more_wait_than_start(p) && !too_many_leave(p);
}

/* ---- Retiring -------------------------------------------------------------------------------

   Whoever retires gets no more jobs. Its successor is started as soon as jobs wait for one, with
   the same number; it is held until the last job of the one before has ended, so that no two jobs
   with one worker number ever run at once. So there is no gap but for that between two jobs. */

static void retires(struct process_pool *p, remote *r)
{
    if (r->retires)
        return;
    r->retires = r->held = true;
    p->n_retiring++;
}

void yk__pool_retire(struct process_pool *p, remote *r)
{
    if (r->retires)
        return;
    retires(p, r);
    yk__remote_withdraw_some(r, YK__RING);
    if (r->open == 0)
        yk__pool_vacated(p, r);
}

void yk__pool_quota_is_full(struct process_pool *p, remote *r)
{
    retires(p, r);
}

static void let_successors_begin(struct process_pool *p, const remote *r)
{
    for (unsigned i = 0; i < p->n_slots; i++) {
        remote *next = p->remotes[i];
        if (!next || next->waits_for != r)
            continue;
        next->waits_for = NULL;
        if (!next->retires && !next->wants_out)
            next->held = has_initializer(p) && !next->ready;
    }
}

void yk__pool_vacated(struct process_pool *p, remote *r)
{
    let_successors_begin(p, r);
    yk__remote_leave(r);
}

void yk__pool_life_ends(struct process_pool *p, remote *r)
{
    p->n_retiring -= r->retires;
    let_successors_begin(p, r);
}

void yk__pool_resize(struct process_pool *p)
{
    p->max_workers = atomic_load(&p->wanted_workers);
    yk__pool_more_meters(p);
    for (unsigned i = 0; i < p->n_slots; i++)
        if (p->remotes[i] && p->remotes[i]->index >= p->max_workers)
            yk__pool_retire(p, p->remotes[i]);
}

/* ---- The patrol -----------------------------------------------------------------------------

   While there is work it goes round from time to time: a wake-up that got lost, which only a worker
   gone wild can bring about, then costs a moment and not the pool. And it sends those home who have
   been idle for too long. */

#define PATROL_EVERY (100 * YK__MS)

/* The next time that somebody may have been idle for too long. */
static uint64_t retire_idle(struct process_pool *p, uint64_t now)
{
    uint64_t next = YK_FOREVER;
    for (unsigned i = p->n_slots; i-- > 0;) {
        remote *r = p->remotes[i];
        if (!r || r->retires || r->open > 0 || !r->ready) /* who still starts is not idle */
            continue;
        if (r->idle_since == 0 || r->idle_at != r->ended_jobs) {
            r->idle_since = now;
            r->idle_at = r->ended_jobs;
        }
        uint64_t until = r->idle_since + p->idle_limit;
        if (p->n_remotes - p->n_retiring <= p->min_workers)
            return YK_FOREVER;
        if (until <= now)
            yk__pool_retire(p, r);
        else if (until < next)
            next = until;
    }
    return next;
}

void yk__pool_patrol(struct process_pool *p)
{
    uint64_t now = yk_now();
    uint64_t next = p->source.busy ? now + PATROL_EVERY : YK_FOREVER;
    if (p->idle_limit) {
        uint64_t idle = retire_idle(p, now);
        next = idle < next ? idle : next;
    }
    yk__reactor_timer_set(p->reactor, &p->patrol, next); /* room for it is reserved */
}

static void patrol_fired(yk__timer *timer)
{
    yk__pool_patrol((struct process_pool *)((char *)timer - offsetof(struct process_pool, patrol)));
}

/* ---- Failing -------------------------------------------------------------------------------- */

static void back_off(struct process_pool *p)
{
    p->backoff = p->backoff ? 2 * p->backoff : 10 * YK__MS;
    if (p->backoff > MAX_BACKOFF)
        p->backoff = MAX_BACKOFF;
    yk__reactor_timer_set(p->reactor, &p->respawn, yk_now() + p->backoff);
}

static void describe_death(const remote *r, char *text, size_t size)
{
    if (!r->status_known)
        snprintf(text, size, "died");
    else if (WIFSIGNALED(r->status))
        snprintf(text, size, "was killed by SIG%s",
                 sigabbrev_np(WTERMSIG(r->status)) ? sigabbrev_np(WTERMSIG(r->status)) : "?");
    else
        snprintf(text, size, "exited with status %d", WEXITSTATUS(r->status));
}

/* What happened, and its code. */
static int describe(const struct process_pool *p, const remote *r, int refused, char *text,
                    size_t size)
{
    char death[64];
    if (refused) {
        snprintf(text, size, "no worker process could be started: %s", yk_strerror(refused));
        return YK_ENOWORKER;
    }
    if (r->start_failed) {
        snprintf(text, size, "a worker could not start: %s",
                 r->start_message ? r->start_message : yk_strerror(UV_ENOMEM));
        return YK_EINIT;
    }
    if (r->late) {
        snprintf(text, size, "a worker was not ready within its limit of %llu ms",
                 (unsigned long long)(p->start_limit / YK__MS));
        return has_initializer(p) ? YK_EINIT : YK_ENOWORKER;
    }
    describe_death(r, death, sizeof death);
    bool in_initializer = !r->ready && has_initializer(p);
    snprintf(text, size, "a worker %s %s", death,
             in_initializer ? "in its initializer" : "before it began a job");
    return in_initializer ? YK_EINIT : YK_ENOWORKER;
}

static bool somebody_is_left(const struct process_pool *p)
{
    for (unsigned i = 0; i < p->n_slots; i++)
        if (p->remotes[i] && !p->remotes[i]->retires && !p->remotes[i]->late)
            return true;
    return false;
}

void yk__pool_start_failed(struct process_pool *p, const remote *r, int refused)
{
    char text[YK__MESSAGE_MAX + 64];
    int code = describe(p, r, refused, text, sizeof text);
    yk__log("%s", text);
    p->deaths++;
    back_off(p);
    bool by_its_own_word = r && r->start_failed;
    if (somebody_is_left(p) || (!by_its_own_word && p->deaths < p->budget))
        return;
    yk__error_free(p->start_error);
    p->start_error = yk__error_new(code, "%s", text);
    yk__pool_fail_queue(p, code, text);
}

const yk_error *yk__pool_start_error(const struct process_pool *p)
{
    bool stands = p->start_error && p->respawn.heap_index != 0 && !somebody_is_left(p);
    return stands ? p->start_error : NULL;
}
