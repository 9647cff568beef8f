/* One worker process from the parent's side: its start, and the rings between the two. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "observe.h"
#include "pace.h"
#include "park.h"
#include "remote_internal.h"
#include "ring.h"

#define AHEAD 3 /* results that are fetched into the cache before their turn */

/* ---- Life ----------------------------------------------------------------------------------- */

static int request_process(remote *r, int zygote, int channel_fd, const char *pool_name)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC))
        return -errno;
    yk__zygote_message m = { .type = YK__ZYGOTE_SPAWN, .serial = r->serial, .index = r->index };
    snprintf(m.name, sizeof m.name, "%.10s-%u", pool_name, r->index);
    int fds[YK__SPAWN_FDS];
    fds[YK__FD_CHANNEL] = channel_fd;
    fds[YK__FD_WAKE] = r->reactor->wake_fd;
    fds[YK__FD_LIFELINE] = pipe_fds[0];
    int err = yk__zygote_send(zygote, &m, fds, YK__SPAWN_FDS);
    close(pipe_fds[0]);
    if (err)
        close(pipe_fds[1]);
    else
        r->lifeline = pipe_fds[1];
    return err;
}

remote *yk__remote_new(struct process_pool *pool, const remote_ops *ops, yk__reactor *reactor,
                       int zygote, unsigned index, uint32_t serial, const char *pool_name,
                       const struct yk__worker_spec *spec, int *err)
{
    remote *r = calloc(1, sizeof *r);
    if (!r) {
        *err = UV_ENOMEM;
        return NULL;
    }
    r->ops = ops;
    r->pool = pool;
    r->reactor = reactor;
    r->index = index;
    r->serial = serial;
    r->zygote = zygote;
    r->lifeline = -1;
    r->death = (yk__watch){ .fd = -1, .readable = yk__remote_death_seen };
    r->timer.fired = yk__remote_timer_fired;
    r->start_by = YK_FOREVER;
    r->front = UINT32_MAX;
    int fd;
    *err = yk__reactor_timer_reserve(reactor, &r->timer);
    if (!*err)
        *err = yk__channel_new(&r->ch, &fd);
    if (!*err) {
        r->ch->down.spec = spec;
        r->ch->down.identity = r->identity = yk__identity_new();
        *err = request_process(r, zygote, fd, pool_name);
        close(fd);
    }
    if (*err) {
        yk__remote_free(r);
        return NULL;
    }
    return r;
}

void yk__remote_free(remote *r)
{
    if (!r)
        return;
    yk__reactor_timer_release(r->reactor, &r->timer);
    if (r->death.fd >= 0) {
        yk__reactor_unwatch(r->reactor, &r->death);
        close(r->death.fd);
    }
    if (r->lifeline >= 0)
        close(r->lifeline);
    yk__rooms_free(&r->rooms);
    yk__channel_unmap(r->ch);
    free(r->start_message);
    free(r);
}

/* ---- Its start ------------------------------------------------------------------------------ */

void yk__remote_expect_start(remote *r, uint64_t limit, bool held)
{
    uint64_t now = yk_now();
    r->start_by = limit > YK_FOREVER - now ? YK_FOREVER : now + limit;
    r->held = held;
    yk__remote_arm(r);
}

bool yk__remote_look_at_start(remote *r)
{
    uint32_t ready = atomic_load(&r->ch->up.ready);
    if (r->ready || r->start_failed || ready == YK__WORKER_STARTS)
        return false;
    r->ready = ready == YK__WORKER_READY;
    r->start_failed = !r->ready;
    if (r->ready)
        r->held = r->waits_for || r->retires;
    else
        r->start_message = strndup(r->ch->up.start_message, sizeof r->ch->up.start_message - 1);
    yk__remote_arm(r);
    return true;
}

/* ---- The ring down -------------------------------------------------------------------------- */

/* Counts the ticks of the kernel's clock, 1 to 10 ms each; a fifth of what yk_now() costs. */
static uint64_t tick(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void ring_bell(remote *r)
{
    r->bell_due = false;
    /* Once more, with sequential consistency: then the worker either sees it or is seen asleep. */
    atomic_store(&r->ch->down.submitted, r->submitted);
    uint32_t asleep = atomic_load(&r->ch->up.asleep);
    if (!(asleep & 1) || asleep == r->woken)
        return;
    r->woken = asleep;
    r->rung_at = tick();
    atomic_fetch_add(&r->ch->down.bell, 1);
    yk__futex_wake(&r->ch->down.bell, 1, true);
}

static void ring_if_due(remote *r)
{
    if (r->bell_due)
        ring_bell(r);
}

/* A worker is done with a small job before the parent has the next one ready, so a bell for each
 * job would cost more than the jobs do. So it rings at once for the first job of a worker that has
 * none, and for those behind it when the thread comes to its next turn or goes to sleep. A thread
 * that submits on and on and does neither rings once a tick. */
static bool bell_is_overdue(const remote *r)
{
    uint32_t asleep = atomic_load_explicit(&r->ch->up.asleep, memory_order_relaxed);
    return (asleep & 1) && asleep != r->woken && tick() != r->rung_at;
}

bool yk__remote_has_room(const remote *r)
{
    return r->submitted - r->settled < YK__RING && r->ladder < TERMINATED && !r->stopping &&
           !r->dead && !r->held;
}

static void skip_withdrawn(remote *r)
{
    while (r->settled != r->submitted && !*yk__remote_at(r, r->settled))
        r->settled++;
}

bool yk__remote_is_quick(const remote *r)
{
    uint64_t pace = atomic_load_explicit(&r->ch->up.pace, memory_order_relaxed);
    return pace != 0 && r->open > 0 && r->open * pace < YK__WAKE_COST &&
           r->doubted != r->ended_jobs + 1;
}

enum yk__nearness yk__remote_is_near(const remote *r, uint32_t cpu)
{
    uint64_t pace = atomic_load_explicit(&r->ch->up.pace, memory_order_relaxed);
    if (r->open == 0 || pace == 0 || pace > YK__BRIEF ||
        atomic_load_explicit(&r->ch->up.cpu, memory_order_relaxed) == cpu)
        return YK__FAR;
    uint32_t asleep = atomic_load_explicit(&r->ch->up.asleep, memory_order_relaxed);
    return asleep & 1 ? YK__WAKING : YK__NEAR;
}

void yk__remote_say_cpu(remote *r, uint32_t cpu)
{
    atomic_store_explicit(&r->ch->down.cpu, cpu, memory_order_relaxed);
}

/* The job that is now first in the ring is the one that the worker is running, or about to. */
static void front_changed(remote *r)
{
    skip_withdrawn(r);
    if (r->settled == r->submitted) {
        yk__remote_arm(r);
        return;
    }
    if (r->front == r->settled)
        return;
    r->front = r->settled;
    process_job *job = *yk__remote_at(r, r->settled);
    yk__future_advance(&job->work.future, YK_PENDING, YK_RUNNING);
    if (job->admitted)
        yk__pool_unqueued(job);
    if (job->told)
        yk__pool_tell_begin(job);
    if (job->work.timeout || r->timer.heap_index) {
        r->front_since = yk_now();
        r->front_began = 0;
        yk__remote_arm(r);
    }
}

void yk__remote_set_cells(remote *r, yk__cell *cells)
{
    /* A worker that is gone may have left something in them, and a reader that was overtaken may
     * still look: see progress.c. */
    for (unsigned i = 0; i < YK__RING; i++) {
        atomic_store_explicit(&cells[i].done, 0, memory_order_release);
        atomic_store_explicit(&cells[i].total, 0, memory_order_release);
    }
    r->ch->down.cells = cells;
    r->cells = cells;
}

void yk__remote_push(remote *r, process_job *job)
{
    yk__job_slot *slot = &r->ch->jobs[r->submitted % YK__RING];
    slot->fn = job->work.fn;
    slot->arg = job->block;
    slot->arg_len = job->work.arg_len;
    slot->measured = (job->work.timeout ? YK__TIMED : 0) | (job->work.stamped ? YK__MEASURED : 0);
    slot->context = job->work.context != NULL;
    slot->stream = job->ring_page & YK__STREAM_PAGE;
    if (!job->block && job->work.arg_len > 0)
        memcpy(slot->inline_arg, job->work.arg, job->work.arg_len);
    atomic_store_explicit(&slot->state, yk__slot_state(r->submitted, YK__SLOT_QUEUED),
                          memory_order_relaxed);
    job->on = r;
    job->position = r->submitted;
    atomic_store_explicit(&job->work.live, &r->cells[r->submitted % YK__RING],
                          memory_order_release);
    *yk__remote_at(r, r->submitted) = job;
    bool front = r->open++ == 0;
    r->given++;
    if (front)
        r->settled = r->submitted;
    r->submitted++;
    if (front)
        front_changed(r);
    /* Release: the slot. Against `asleep` it is ordered by ring_bell(). */
    atomic_store_explicit(&r->ch->down.submitted, r->submitted, memory_order_release);
    r->bell_due = true;
    if (r->open > YK__BACKLOG && !yk__remote_is_quick(r))
        yk__reactor_backlog(r->reactor);
    if (front || bell_is_overdue(r))
        ring_bell(r);
}

bool yk__remote_withdraw(remote *r, process_job *job)
{
    uint32_t state = yk__slot_state(job->position, YK__SLOT_QUEUED);
    if (!atomic_compare_exchange_strong_explicit(&r->ch->jobs[job->position % YK__RING].state,
                                                 &state,
                                                 yk__slot_state(job->position, YK__SLOT_WITHDRAWN),
                                                 memory_order_acq_rel, memory_order_acquire))
        return false;
    bool front = job->position == r->settled;
    *yk__remote_at(r, job->position) = NULL;
    job->on = NULL;
    yk__work_left(&job->work, false);
    r->open--;
    r->given--;
    if (front)
        front_changed(r);
    return true;
}

void yk__remote_withdraw_some(remote *r, unsigned n)
{
    uint32_t oldest = r->settled; /* which moves when the last one is withdrawn */
    for (uint32_t p = r->submitted; n > 0 && p != oldest; p--) {
        process_job *job = *yk__remote_at(r, p - 1);
        if (!job)
            continue;
        if (!yk__remote_withdraw(r, job))
            return; /* it has been taken, and so have all before it */
        r->ops->returned(r, job);
        n--;
    }
}

void yk__remote_leave(remote *r)
{
    if (r->stopping || r->dead)
        return;
    r->stopping = true;
    atomic_store(&r->ch->down.stop, 1);
    ring_bell(r);
    r->front_since = yk_now();
    yk__remote_arm(r);
}

/* ---- The ring up ---------------------------------------------------------------------------- */

/* A worker that breaks the protocol is not reasoned with. */
static void protocol_error(remote *r)
{
    r->broken = true;
    yk__log("worker %u broke the protocol of its channel; killed", r->index);
    yk__remote_kill(r);
}

/* Results come in the order of the positions; between them lie only withdrawn ones. */
static process_job *job_of_result(remote *r, uint32_t position)
{
    if (position - r->settled >= r->submitted - r->settled)
        return NULL;
    while (r->settled != position) {
        if (*yk__remote_at(r, r->settled))
            return NULL;
        r->settled++;
    }
    return *yk__remote_at(r, position);
}

static bool valid_result(remote *r, const yk__result_slot *slot)
{
    if (slot->in_room)
        return slot->code == 0 && yk__rooms_has(&r->rooms, slot->len);
    return slot->len <= YK__SLOT_INLINE;
}

static void calm_down(remote *r)
{
    if (r->ladder == ASKED)
        r->ladder = AT_PEACE;
}

/* A private copy: first the words before the bytes, once, then as many bytes as they say, if that
 * makes sense. The worker may change all of it at any moment. */
static bool copy_result(remote *r, yk__result_slot *slot)
{
    const yk__result_slot *shared = &r->ch->results[r->drained % YK__RING];
    memcpy(slot, shared, offsetof(yk__result_slot, inline_result));
    __asm__ volatile("" ::: "memory"); /* what was read is not read again */
    if (!valid_result(r, slot))
        return false;
    if (!slot->in_room && slot->len > 0)
        memcpy(slot->inline_result, shared->inline_result, slot->len);
    return true;
}

/* A job that noticed that its time was up, and stopped of itself, has timed out all the same. */
static void keep_reason(const remote *r, const process_job *job, yk__result_slot *slot)
{
    if (slot->code != YK_ECANCELED || r->ladder == AT_PEACE || r->reason != YK_EJOBTIMEOUT ||
        slot->position != r->stopped)
        return;
    slot->code = YK_EJOBTIMEOUT;
    yk__remote_describe(r, job, NULL, (char *)slot->inline_result, sizeof slot->inline_result);
    slot->len = strlen((char *)slot->inline_result);
}

static bool drain_one(remote *r)
{
    yk__result_slot slot;
    bool valid = copy_result(r, &slot);
    process_job *job = valid ? job_of_result(r, slot.position) : NULL;
    r->drained++;
    if (!job) {
        protocol_error(r);
        return false;
    }
    void *room = NULL;
    uint64_t room_size;
    if (slot.in_room)
        room = yk__rooms_take(&r->rooms, &room_size);
    *yk__remote_at(r, slot.position) = NULL;
    job->on = NULL;
    yk__work_left(&job->work, slot.told);
    r->open--;
    r->settled++;
    skip_withdrawn(r); /* what is called next may ask which job is at the front */
    r->ended_jobs++;
    keep_reason(r, job, &slot);
    calm_down(r);
    if (job->admitted)
        yk__pool_unqueued(job);
    r->ops->result(r, job, &slot, room);
    if (room && !r->stopping && r->ladder < TERMINATED)
        yk__rooms_refill(&r->rooms, r->ch, room_size);
    return true;
}

/* The worker's CPU has what the worker wrote last; each line is some 100 ns away. Lines that it may
 * still write to are left alone. */
static void fetch_ahead(const remote *r)
{
    __builtin_prefetch(&r->ch->results[(r->drained + AHEAD) % YK__RING]);
    const process_job *job = r->jobs[(r->settled + AHEAD) % YK__RING];
    __builtin_prefetch(job, 1);
    __builtin_prefetch((const char *)job + YK__CACHE_LINE, 1);
}

static bool drain(remote *r)
{
    uint32_t finished = atomic_load(&r->ch->up.finished);
    if (finished == r->drained || r->broken || r->dead)
        return false;
    if (finished - r->drained > r->open) {
        protocol_error(r);
        return true;
    }
    if (atomic_load_explicit(&r->ch->up.retiring, memory_order_relaxed))
        r->wants_out = r->held = true;
    uint32_t before = r->drained;
    /* Results are handed out one by one, and what is called may drain some itself. */
    while ((int32_t)(finished - r->drained) > 0 && !r->dead) {
        if ((int32_t)(finished - r->drained) > AHEAD)
            fetch_ahead(r);
        if (!drain_one(r))
            break;
    }
    r->reactor->came += r->drained - before;
    if (!r->dead)
        front_changed(r);
    return true;
}

static bool answer_request(remote *r, uint32_t wanted)
{
    if (wanted == r->answered)
        return false;
    r->answered = wanted;
    uint64_t size = atomic_load_explicit(&r->ch->up.want_size, memory_order_relaxed);
    yk__rooms_ask(&r->rooms, r->ch, size);
    atomic_store(&r->ch->down.answered, wanted);
    ring_bell(r);
    return true;
}

/* The job whose stream it may be about is at the front: those before it have been drained. */
static bool attend(remote *r, uint32_t attention)
{
    if (attention == r->attention)
        return false;
    r->attention = attention;
    process_job *job = r->open > 0 ? *yk__remote_at(r, r->settled) : NULL;
    if (job && job->work.future.stream)
        yk__stream_rouse(job->work.future.stream);
    yk__observed_look();
    return true;
}

bool yk__remote_has_results(const remote *r)
{
    return atomic_load_explicit(&r->ch->up.finished, memory_order_relaxed) != r->drained &&
           !r->broken && !r->dead;
}

bool yk__remote_drain(remote *r)
{
    return drain(r);
}

bool yk__remote_turn(remote *r)
{
    if (r->dead)
        return false;
    ring_if_due(r);
    /* Requests are read before results: a room that a result took is not granted twice. */
    uint32_t wanted = atomic_load(&r->ch->up.wanted);
    uint32_t attention = atomic_load(&r->ch->up.attention);
    bool busy = !r->ready && yk__remote_look_at_start(r);
    busy |= drain(r);
    busy |= attend(r, attention);
    return answer_request(r, wanted) || busy;
}

bool yk__remote_announce(remote *r, uint32_t parked)
{
    ring_if_due(r);
    atomic_store(&r->ch->down.parked, parked);
    return !r->broken && !r->dead &&
           (atomic_load(&r->ch->up.finished) != r->drained ||
            atomic_load(&r->ch->up.wanted) != r->answered ||
            atomic_load(&r->ch->up.attention) != r->attention ||
            (!r->ready && !r->start_failed && atomic_load(&r->ch->up.ready) != YK__WORKER_STARTS));
}
