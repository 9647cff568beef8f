/* The driver of a process pool: the queue, who gets which job, how jobs and the pool end.
 *
 * A job waits in `queue` (pending) until a ring has room; in a ring it is handed: a cancellation is
 * then decided by the slot's state. Jobs go to the remote with the fewest; a worker that runs dry
 * while others sit behind a long job is given some of theirs (rebalance).
 */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "arena.h"
#include "interrupt.h"
#include "park.h"
#include "process_pool.h"
#include "process_terms.h"

#define REBALANCE_AFTER (YK__MS / 5)

/* ---- The ends of jobs ----------------------------------------------------------------------- */

void yk__pool_end_done(process_job *job, const yk__result_slot *slot, void *room)
{
    yk_future *f = &job->work.future;
    int err = 0;
    if (room)
        yk__future_give_result(f, room, slot->len, yk_arena_free);
    else
        err = yk__future_copy_result(f, slot->inline_result, slot->len);
    yk__pool_count(err ? &job->pool->failed : &job->pool->done, 1);
    yk__future_publish_held(f, err ? YK_FAILED : YK_DONE,
                            err ? yk__error_new(err, "%s", yk_strerror(err)) : NULL);
}

void yk__pool_end_failed(process_job *job, int code, const char *message, yk__death *death)
{
    struct process_pool *p = job->pool;
    bool cancelled = code == YK_ECANCELED;
    if (job->admitted)
        yk__pool_unqueued(job);
    yk_error *error = death && code == YK_ECRASHED ? yk__death_error(death, message, job->work.name)
                                                   : yk__error_new(code, "%s", message);
    yk__pool_count(cancelled ? &p->cancelled : &p->failed, 1);
    if (code == YK_EJOBTIMEOUT)
        yk__pool_count(&p->timeouts, 1);
    yk__future_publish_held(&job->work.future, cancelled ? YK_CANCELLED : YK_FAILED, error);
}

/* Ends a job that is not in a ring (any more), and drops the driver's reference. */
void yk__pool_fail_job(process_job *job, int code, const char *message)
{
    if (yk__future_claim(&job->work.future)) {
        yk__never_ran(&job->work, code);
        yk__pool_end_failed(job, code, message ? message : yk_strerror(code), NULL);
    }
    yk__pool_let_go(job);
}

/* ---- The queue ------------------------------------------------------------------------------ */

static process_job *of_place(yk__queued *place)
{
    return place ? (process_job *)((char *)place - offsetof(process_job, place)) : NULL;
}

static process_job *first_waiting(const struct process_pool *p)
{
    return of_place(yk__queue_first(&p->queue));
}

static void heed_priority(struct process_pool *p, const process_job *job);
static bool goes_straight(struct process_pool *p, process_job *job);

void yk__pool_wait(process_job *job)
{
    yk__queue_push(&job->pool->queue, &job->place);
    if (job->pool->by_priority || job->place.class_ != YK__CLASS_NORMAL)
        heed_priority(job->pool, job);
}

void yk__pool_requeue(struct process_pool *p, process_job *job)
{
    yk__queue_put_back(&p->queue, &job->place);
}

void yk__pool_unwait(process_job *job)
{
    if (job->place.waits)
        yk__queue_remove(&job->pool->queue, &job->place);
}

bool yk__pool_holds(const process_job *job)
{
    return job->place.waits || (job->terms && job->terms->resting);
}

void yk__pool_let_go(process_job *job)
{
    yk__pool_unwait(job);
    if (job->terms)
        yk__terms_end(job);
    yk_future_unref(&job->work.future);
}

/* Jobs that others cancel stay in the queue until somebody comes by. Where nothing moves, nobody
 * does: then they are looked for, when they are as many as are left. */
static void bury_dropped(struct process_pool *p)
{
    uint64_t dropped = atomic_load_explicit(&p->dropped, memory_order_relaxed);
    if (dropped - p->buried < 1024 || dropped - p->buried < p->queue.length / 2)
        return;
    p->buried = dropped;
    for (int c = 0; c < YK__CLASSES; c++) {
        yk__queued *next;
        for (yk__queued *q = p->queue.of[c].first; q; q = next) {
            next = q->next;
            if (yk_future_ended(&of_place(q)->work.future))
                yk__pool_let_go(of_place(q));
        }
    }
}

void yk__pool_accept(struct process_pool *p, process_job *job)
{
    if (p->finished) {
        yk__pool_fail_job(job, YK_ECLOSED, NULL);
        return;
    }
    p->accepted++;
    if (goes_straight(p, job)) {
        yk__pool_finish_if_done(p);
        return;
    }
    const yk_error *none = yk__pool_start_error(p);
    if (p->no_more_tries) { /* it was on its way when the shutdown came */
        yk__pool_fail_job(job, YK_ECANCELED, "cancelled before it began");
    } else if (none) {
        yk__pool_fail_job(job, none->code, none->message);
    } else if (!job->terms || yk__terms_accept(job)) {
        yk__pool_wait(job);
        if ((p->accepted & 1023) == 0)
            bury_dropped(p);
    }
    yk__pool_dispatch(p);
    yk__pool_finish_if_done(p); /* it may have been cancelled on its way here, as the last one */
}

/* The one whose turn it is; drops those that were cancelled while they waited. */
static process_job *skip_ended(struct process_pool *p)
{
    process_job *job;
    while ((job = first_waiting(p)) != NULL && yk_future_ended(&job->work.future))
        yk__pool_let_go(job);
    return job;
}

static void fail_resting(struct process_pool *p, int code, const char *message)
{
    while (p->resting) /* its end takes it out; a callback can add none that will rest */
        yk__pool_fail_job(p->resting->job, code, message);
}

void yk__pool_fail_queue(struct process_pool *p, int code, const char *message)
{
    yk__queued *list = yk__queue_take_all(&p->queue); /* a callback may submit again */
    fail_resting(p, code, message);
    while (list) {
        process_job *job = of_place(list);
        list = list->next;
        yk__pool_fail_job(job, code, message);
    }
}

/* ---- Dispatch ------------------------------------------------------------------------------- */

/* Priorities and rings. What is in a ring is done in the order of the ring, by that worker; so a
 * job in a ring can neither overtake nor be overtaken. While all jobs are of one class, that is as
 * it should be. Once jobs of several classes wait, no job is handed out before a worker is free for
 * it, and those that lie in rings and have not begun are taken back to the queue. A pool that has
 * seen priorities hands out less ahead than others, so that there is less to take back. It forgets
 * them when it runs dry. */
static void heed_priority(struct process_pool *p, const process_job *job)
{
    if (!p->by_priority) { /* all others have been normal ones */
        p->by_priority = true;
        memset(p->ringed, 0, sizeof p->ringed);
        p->ringed[YK__CLASS_NORMAL] = p->open;
    }
    if (p->ringed[job->place.class_] == p->open)
        return;
    for (unsigned i = 0; i < p->n_slots; i++)
        if (p->remotes[i] && p->remotes[i]->open > 1)
            yk__remote_withdraw_some(p->remotes[i], YK__RING);
}

/* How many jobs a worker may have at once. */
static unsigned depth_for(const struct process_pool *p, uint8_t class_)
{
    if (!p->by_priority)
        return YK__RING;
    if (p->ringed[class_] != p->open || !yk__queue_is_all(&p->queue, class_))
        return 1;
    unsigned ahead = 128 / p->max_workers;
    return ahead < 2 ? 2 : ahead > 32 ? 32 : ahead;
}

static remote *least_busy(struct process_pool *p, unsigned depth)
{
    remote *best = NULL;
    for (unsigned i = 0; i < p->n_slots; i++) {
        remote *r = p->remotes[i];
        if (r && r->open < depth && yk__remote_has_room(r) && (!best || r->open < best->open))
            best = r;
    }
    return best;
}

/* Whoever will be done with all it has before another could be woken. */
static remote *quick_one(const struct process_pool *p, unsigned depth)
{
    for (unsigned i = 0; i < p->n_slots; i++) {
        remote *r = p->remotes[i];
        if (r && r->open < depth && yk__remote_is_quick(r) && yk__remote_has_room(r))
            return r;
    }
    return NULL;
}

/* One that is at work on tiny jobs, else an idle one, else a new one, else the least busy one. */
static remote *choose_worker(struct process_pool *p, const process_job *job)
{
    unsigned depth = depth_for(p, job->place.class_);
    remote *r = quick_one(p, depth);
    if (r)
        return r;
    r = least_busy(p, depth);
    if (r && r->open == 0)
        return r;
    if (yk__pool_may_start(p)) {
        remote *fresh = yk__pool_start_worker(p);
        if (fresh && yk__remote_has_room(fresh))
            return fresh;
    }
    return r;
}

static bool has_waiting(const struct process_pool *p)
{
    for (unsigned i = 0; i < p->n_slots; i++)
        if (p->remotes[i] && p->remotes[i]->open > 1)
            return true;
    return false;
}

/* A worker that is not there counts, if it may be started. */
static bool has_idle(const struct process_pool *p)
{
    if (p->n_remotes < p->max_workers && p->respawn.heap_index == 0)
        return true;
    for (unsigned i = 0; i < p->n_slots; i++)
        if (p->remotes[i] && p->remotes[i]->open == 0 && yk__remote_has_room(p->remotes[i]))
            return true;
    return false;
}

static void push(struct process_pool *p, remote *r, process_job *job)
{
    if (r->open == 0)
        yk__pool_busy_changed(p, 1);
    p->open++;
    if (p->by_priority)
        p->ringed[job->place.class_]++;
    yk__remote_push(r, job);
    if (r->given == p->max_jobs) /* 0: never, since there is one */
        yk__pool_quota_is_full(p, r);
    if (r->open == 1)
        yk__pool_stay_awake(p);
}

static void watch_balance(struct process_pool *p)
{
    if (p->rebalance.heap_index == 0 && has_waiting(p) && has_idle(p))
        yk__reactor_timer_set(p->reactor, &p->rebalance, yk_now() + REBALANCE_AFTER);
}

/* To a worker, unless its future has ended meanwhile. */
static void give(struct process_pool *p, remote *r, process_job *job)
{
    if (!yk__future_hand(&job->work.future, true))
        yk__pool_let_go(job);
    else if (yk_future_cancel_requested(&job->work.future))
        yk__pool_fail_job(job, YK_ECANCELED, "cancelled before it began");
    else
        push(p, r, job);
    if (r->open > 1 && p->rebalance.heap_index == 0)
        watch_balance(p); /* this may be no tiny job, and behind it others wait */
}

/* Most tiny jobs: they need not pass the queue. */
static bool goes_straight(struct process_pool *p, process_job *job)
{
    if (p->queue.length > 0 || p->by_priority || job->place.class_ != YK__CLASS_NORMAL ||
        job->terms || p->no_more_tries)
        return false;
    remote *r = quick_one(p, YK__RING);
    if (!r)
        return false;
    yk__queue_pass(&p->queue, &job->place);
    give(p, r, job);
    return true;
}

static bool has_jobs(const struct process_pool *p)
{
    return p->open > 0 || p->queue.length > 0 || p->resting;
}

void yk__pool_dispatch(struct process_pool *p)
{
    if (p->finished)
        return;
    for (;;) {
        process_job *job = skip_ended(p);
        if (!job)
            break;
        remote *r = choose_worker(p, job);
        job = r ? of_place(yk__queue_take(&p->queue)) : NULL;
        if (!job) /* starting a worker may have failed the whole queue */
            break;
        if (job->terms && !yk__terms_may_begin(job))
            continue;
        give(p, r, job);
    }
    if (p->open == 0 && p->queue.length == 0)
        p->by_priority = false;
    yk__reactor_source_busy(p->reactor, &p->source, has_jobs(p));
    if (p->patrol.heap_index == 0 && (p->source.busy || p->idle_limit))
        yk__pool_patrol(p);
}

/* Whoever has ended nothing since the last look is not quick, whatever it says. */
static void doubt_the_stuck(struct process_pool *p)
{
    for (unsigned i = 0; i < p->n_slots; i++) {
        remote *r = p->remotes[i];
        if (!r)
            continue;
        if (r->open > 0 && r->seen_ended == r->ended_jobs)
            r->doubted = r->ended_jobs + 1;
        r->seen_ended = r->ended_jobs;
    }
}

/* Gives idle workers jobs that others have not begun, unless these are about to. */
static void rebalance(yk__timer *timer)
{
    struct process_pool *p =
        (struct process_pool *)((char *)timer - offsetof(struct process_pool, rebalance));
    remote *victim = NULL;
    if (!has_waiting(p) || !has_idle(p))
        return;
    doubt_the_stuck(p);
    for (unsigned i = 0; i < p->n_slots; i++) {
        remote *r = p->remotes[i];
        if (r && r->open > 1 && !yk__remote_is_quick(r) && (!victim || r->open > victim->open))
            victim = r;
    }
    if (victim) {
        yk__remote_withdraw_some(victim, victim->open / 2);
        yk__pool_dispatch(p);
    }
    yk__reactor_timer_set(p->reactor, &p->rebalance, yk_now() + REBALANCE_AFTER);
}

void yk__pool_moved(struct process_pool *p)
{
    if (p->finished)
        return;
    yk__executor_hold(&p->ex);
    yk__pool_dispatch(p);
    watch_balance(p);
    yk__pool_finish_if_done(p);
    yk__executor_release(&p->ex);
}

static void respawn(yk__timer *timer)
{
    yk__pool_moved((struct process_pool *)((char *)timer - offsetof(struct process_pool, respawn)));
}

/* ---- The source: what the reactor sees of the pool ------------------------------------------ */

static struct process_pool *of_source(yk__source *source)
{
    return (struct process_pool *)((char *)source - offsetof(struct process_pool, source));
}

static bool pool_turn(yk__source *source)
{
    struct process_pool *p = of_source(source);
    bool busy = false;
    yk__executor_hold(&p->ex);
    for (unsigned i = 0; i < p->n_slots; i++)
        if (p->remotes[i]) {
            busy |= yk__remote_turn(p->remotes[i]);
            if (p->remotes[i] && p->remotes[i]->wants_out)
                yk__pool_retire(p, p->remotes[i]);
            if (p->remotes[i])
                yk__pool_show(p, p->remotes[i], false);
        }
    if (busy)
        yk__pool_moved(p);
    if (busy)
        yk__pool_results_came(p);
    yk__executor_release(&p->ex);
    return busy;
}

static bool pool_look(const yk__source *source)
{
    const struct process_pool *p =
        (const struct process_pool *)((const char *)source - offsetof(struct process_pool, source));
    for (unsigned i = 0; i < p->n_slots; i++)
        if (p->remotes[i] && yk__remote_has_results(p->remotes[i]))
            return true;
    return false;
}

static bool pool_announce(yk__source *source, uint32_t parked)
{
    struct process_pool *p = of_source(source);
    bool arrived = false;
    if (parked & 1)
        yk__pool_falls_asleep(p);
    for (unsigned i = 0; i < p->n_slots; i++)
        if (p->remotes[i]) {
            yk__pool_show(p, p->remotes[i], (parked & 1) != 0);
            arrived |= yk__remote_announce(p->remotes[i], parked);
        }
    return arrived;
}

static void close_gate(struct process_pool *p)
{
    atomic_fetch_or(&p->gate, YK__GATE_CLOSED);
    while (atomic_load(&p->gate) != YK__GATE_CLOSED)
        sched_yield(); /* those inside are about to leave: they only push a post */
}

/* ---- Ending --------------------------------------------------------------------------------- */

static void finish(struct process_pool *p)
{
    p->finished = true;
    p->source.busy = false;
    yk__reactor_timer_release(p->reactor, &p->rebalance);
    yk__reactor_timer_release(p->reactor, &p->respawn);
    yk__reactor_timer_release(p->reactor, &p->patrol);
    if (p->zygote.fd >= 0) {
        yk__reactor_unwatch(p->reactor, &p->zygote);
        close(p->zygote.fd);
        p->zygote.fd = -1;
    }
    yk__reactor_remove_source(p->reactor, &p->source);
    yk__pool_drop_spare(p);
    close_gate(p);
    yk_future_set_result(p->gone, NULL, 0);
    if (!p->own_thread)
        yk__executor_release(&p->ex); /* the driver's; the caller holds another */
}

void yk__pool_finish_if_done(struct process_pool *p)
{
    if (p->finished || !atomic_load(&p->closing))
        return;
    /* `closing` is set by a call, jobs come by posts: those submitted before are still on their
     * way. Whoever set `closing` counted its own jobs in `received` before. */
    if (atomic_load(&p->received) + atomic_load(&p->received_here) != p->accepted)
        return;
    skip_ended(p);
    if (has_jobs(p))
        return;
    for (unsigned i = 0; i < p->n_slots; i++)
        if (p->remotes[i])
            yk__remote_leave(p->remotes[i]);
    if (p->n_remotes == 0)
        finish(p);
}

static void stop_running_jobs(struct process_pool *p)
{
    for (unsigned i = 0; i < p->n_slots; i++) {
        remote *r = p->remotes[i];
        if (!r || r->open == 0)
            continue;
        yk__remote_withdraw_some(r, YK__RING);
        yk__remote_drain(r);
        if (r->open > 0)
            yk__remote_stop_job(r, YK_ECANCELED);
    }
}

static void cancel_pending(struct process_pool *p)
{
    for (unsigned i = 0; i < p->n_slots; i++)
        if (p->remotes[i])
            yk__remote_withdraw_some(p->remotes[i], YK__RING);
    yk__pool_fail_queue(p, YK_ECANCELED, "cancelled before it began");
}

void yk__pool_obey(yk__post *post)
{
    struct process_pool *p =
        (struct process_pool *)((char *)post - offsetof(struct process_pool, order_post));
    atomic_store(&p->order_posted, false);
    uint32_t orders = atomic_exchange(&p->orders, 0);
    if (!p->finished) {
        if (orders & (YK__CANCEL_PENDING | YK__CANCEL_RUNNING)) {
            p->no_more_tries = true;
            cancel_pending(p);
        }
        if (orders & YK__CANCEL_RUNNING)
            stop_running_jobs(p);
        if (orders & YK__RESIZE)
            yk__pool_resize(p);
        yk__pool_moved(p);
    }
    yk__executor_release(&p->ex); /* the post's */
}

/* The loop under the pool is closing: nothing can be waited for any more. */
static void pool_abandoned(yk__source *source)
{
    struct process_pool *p = of_source(source);
    yk__executor_hold(&p->ex);
    atomic_store(&p->closing, true);
    yk__admission_close(&p->admission);
    p->finished = true;
    for (unsigned i = 0; i < p->n_slots; i++) {
        remote *r = p->remotes[i];
        if (!r)
            continue;
        yk__remote_kill(r);
        r->reason = YK_ECLOSED;
    }
    for (unsigned i = 0; i < p->n_slots; i++) {
        remote *r = p->remotes[i];
        if (!r)
            continue;
        yk__remote_await_death(r); /* it may be writing to memory that is about to be freed */
        yk__remote_exited(r, SIGKILL, false);
    }
    yk__pool_fail_queue(p, YK_ECLOSED, NULL);
    finish(p);
    yk__executor_release(&p->ex);
}

/* ---- A driver of its own -------------------------------------------------------------------- */

static void drive_once(yk__reactor *r)
{
    bool busy;
    do
        busy = yk__reactor_turn(r);
    while (yk__reactor_again(r));
    if (!busy && yk__reactor_park(r)) {
        struct pollfd fds[2] = { { .fd = r->wake_fd, .events = POLLIN },
                                 { .fd = r->poll_fd, .events = POLLIN } };
        poll(fds, 2, -1);
        yk__reactor_unpark(r);
        if (fds[0].revents)
            yk__reactor_clear_wake(r);
        if (fds[1].revents)
            yk__reactor_dispatch(r);
        return;
    }
    yk__reactor_unpark(r);
    if (busy)
        yk__reactor_dispatch(r);
}

static void *driver_main(void *arg)
{
    struct process_pool *p = arg;
    pthread_setname_np(pthread_self(), "yoke-driver");
    yk__reactor_set_current(&p->own_reactor);
    yk__parker_forbid(true);
    while (!p->finished)
        drive_once(&p->own_reactor);
    while (yk__reactor_turn(&p->own_reactor)) /* late posts: the gate is closed, so they end */
        ;
    yk__reactor_destroy(&p->own_reactor);
    yk__reactor_set_current(NULL);
    yk__executor_release(&p->ex);
    return NULL;
}

static int create_thread(struct process_pool *p)
{
    sigset_t mask, before;
    yk__interrupt_mask(&mask);
    pthread_sigmask(SIG_SETMASK, &mask, &before);
    p->own_thread = true; /* before the thread looks at it */
    int rc = pthread_create(&p->thread, NULL, driver_main, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc)
        p->own_thread = false;
    return -rc;
}

/* What must not fail later is reserved now. */
static int join_reactor(struct process_pool *p, yk__reactor *r)
{
    int err = yk__reactor_timer_reserve(r, &p->rebalance);
    if (!err)
        err = yk__reactor_timer_reserve(r, &p->respawn);
    if (!err)
        err = yk__reactor_timer_reserve(r, &p->patrol);
    if (err) {
        yk__reactor_timer_release(r, &p->rebalance);
        yk__reactor_timer_release(r, &p->respawn);
        return err;
    }
    p->reactor = r;
    yk__reactor_add_source(r, &p->source);
    return 0;
}

static int start_driver(struct process_pool *p)
{
    yk__reactor *r = &p->own_reactor;
    int err = yk__reactor_init(r);
    if (err)
        return err;
    r->is_private = true;
    err = join_reactor(p, r);
    if (!err) {
        err = create_thread(p);
        if (err)
            yk__reactor_remove_source(r, &p->source);
    }
    if (err)
        yk__reactor_destroy(r);
    return err;
}

int yk__pool_attach(struct process_pool *p)
{
    p->rebalance.fired = rebalance;
    p->respawn.fired = respawn;
    p->source.turn = pool_turn;
    p->source.announce = pool_announce;
    p->source.abandon = pool_abandoned;
    p->source.look = pool_look;
    yk__executor_hold(&p->ex); /* the driver's */
    yk__reactor *loop = p->own_driver ? NULL : yk__reactor_current();
    return loop && !loop->is_private ? join_reactor(p, loop) : start_driver(p);
}
