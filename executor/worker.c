/* A worker process: takes jobs from its channel, runs them, publishes what came of them. */
#include "worker.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "arena_internal.h"
#include "carried.h"
#include "channel.h"
#include "lifeline.h"
#include "pace.h"
#include "park.h"
#include "reactor.h"
#include "ring.h"
#include "worker_spec.h"

#define SPIN_LOOKS           8     /* between two looks at the clock */
#define SPIN_JUMP            20000 /* nanoseconds between two looks that say that it lost its CPU */
#define SPIN_NOT_FOR         5000000                  /* nanoseconds without spinning after that */
#define LOOK_EVERY           ((uint64_t)10 * 1000000) /* nanoseconds */
#define LOOK_AT_MEMORY_EVERY ((uint64_t)5 * 1000000)  /* nanoseconds */

/* The worker's own state; it has one thread. */
static struct {
    yk__channel *ch;
    int wake_fd;
    unsigned index;
    uint32_t taken;         /* the position of the next job */
    uint32_t seen;          /* jobs submitted, at the last look */
    uint32_t finished;      /* results published */
    uint32_t wanted;        /* requests for room made */
    uint32_t sleeps;        /* odd while asleep */
    _Atomic uint32_t woken; /* the sleep of the parent that was last ended by this worker; relaxed,
                               a hint for threads that a job may have */
    uint32_t rooms_used;    /* rooms that went into results */
    uint32_t position;      /* of the job that runs */
    uint64_t began;         /* when it did, if it is measured; else 0 */
    bool in_room;
    yk__pace pace;
    uint64_t no_spin_until;
    uint32_t cpu; /* that it has said it is on */
    const yk__worker_spec *spec;
    uint64_t max_rss, looked; /* 0: no limit; when its memory was looked at */
    uint64_t inherited;       /* of its memory, from the program */
    uint64_t wait_cancelled;  /* 1 + the position of the job a wait of which was told to end */
    bool retiring;
    void *arg; /* of the initializer and the finalizer */
} w;

/* ---- Signals to and from the parent --------------------------------------------------------- */

/* After something was published with sequential consistency. */
static void wake(uint32_t parked)
{
    if (!(parked & 1) || parked == atomic_load_explicit(&w.woken, memory_order_relaxed))
        return;
    atomic_store_explicit(&w.woken, parked, memory_order_relaxed);
    uint64_t one = 1;
    ssize_t n = write(w.wake_fd, &one, sizeof one);
    (void)n; /* EAGAIN: it is readable as it is */
}

static void wake_parent(void)
{
    wake(atomic_load(&w.ch->down.parked));
}

/* Of jobs that nobody has withdrawn, and that take longer than it takes to wake the parent. */
static bool has_backlog(void)
{
    uint32_t behind = atomic_load_explicit(&w.ch->down.submitted, memory_order_acquire) - w.taken;
    uint64_t each = atomic_load_explicit(&w.ch->up.pace, memory_order_relaxed);
    if (behind < YK__BACKLOG || behind * each < YK__WAKE_COST)
        return false;
    for (uint32_t at = w.taken; at != w.taken + YK__BACKLOG; at++)
        if (atomic_load_explicit(&w.ch->jobs[at % YK__RING].state, memory_order_relaxed) !=
            yk__slot_state(at, YK__SLOT_QUEUED))
            return false;
    return true;
}

/* One that dozes comes by itself, and before this worker runs out of jobs (reactor.h). */
static void tell_of_result(void)
{
    uint32_t parked = atomic_load(&w.ch->down.parked);
    if (!(parked & YK__DOZES) || !has_backlog())
        wake(parked);
}

void yk__worker_call_attention(void)
{
    atomic_fetch_add(&w.ch->up.attention, 1);
    wake_parent();
}

/* Sleeps until the bell rings, unless `ready` says that there is no need to. */
static void sleep_unless(bool (*ready)(void))
{
    uint32_t bell = atomic_load(&w.ch->down.bell);
    atomic_store(&w.ch->up.asleep, ++w.sleeps);
    if (!ready())
        yk__futex_wait(&w.ch->down.bell, bell, YK_FOREVER, true);
    atomic_store_explicit(&w.ch->up.asleep, ++w.sleeps, memory_order_relaxed);
}

static bool has_job_or_must_stop(void)
{
    return atomic_load(&w.ch->down.submitted) != w.taken || atomic_load(&w.ch->down.stop);
}

static bool must_stop(void)
{
    return atomic_load(&w.ch->down.stop);
}

/* Where the clock jumps, somebody else was given this CPU, who wants it again soon. */
static void look_for(uint64_t limit)
{
    uint64_t begin = yk_now(), last = begin, now = begin;
    if (begin < w.no_spin_until)
        return;
    while (now - begin < limit && now - last < SPIN_JUMP) {
        last = now;
        for (int i = 0; i < SPIN_LOOKS; i++) {
            if (has_job_or_must_stop())
                return;
            yk__cpu_relax();
        }
        now = yk_now();
    }
    if (now - last >= SPIN_JUMP)
        w.no_spin_until = now + SPIN_NOT_FOR;
}

/* Looks for jobs a little longer before it sleeps, as long as the parent says; briefly only if that
 * is at work, on another CPU. */
static void spin(void)
{
    uint32_t limit = atomic_load_explicit(&w.ch->down.spin, memory_order_relaxed);
    if (limit == 0)
        return;
    if (limit > YK__BRIEF ||
        (!(atomic_load_explicit(&w.ch->down.parked, memory_order_relaxed) & 1) &&
         atomic_load_explicit(&w.ch->down.cpu, memory_order_relaxed) != w.cpu))
        look_for(limit);
}

static void say_where(void)
{
    uint32_t cpu = (uint32_t)sched_getcpu();
    if (cpu != w.cpu)
        atomic_store_explicit(&w.ch->up.cpu, w.cpu = cpu, memory_order_relaxed);
}

static bool is_answered(void)
{
    return atomic_load(&w.ch->down.answered) == w.wanted;
}

/* ---- What a running job sees ---------------------------------------------------------------- */

static bool job_is_cancelled(const yk_job *job)
{
    (void)job;
    return atomic_load_explicit(&w.ch->down.cancel, memory_order_relaxed) ==
           (uint64_t)w.position + 1;
}

static int job_commit(yk_job *job)
{
    (void)job;
    uint32_t committed = yk__slot_committed(w.position);
    uint32_t state = yk__slot_state(w.position, YK__SLOT_TAKEN);
    bool first = atomic_compare_exchange_strong_explicit(&w.ch->jobs[w.position % YK__RING].state,
                                                         &state, committed, memory_order_acq_rel,
                                                         memory_order_acquire);
    return first || state == committed ? 0 : YK_ECANCELED;
}

static bool has_committed(void)
{
    return atomic_load_explicit(&w.ch->jobs[w.position % YK__RING].state, memory_order_relaxed) ==
           yk__slot_committed(w.position);
}

/* Of a wait for something that others share. Nobody sends a signal to end it. */
static bool wait_is_cancelled(yk__blocking *blocking)
{
    (void)blocking;
    uint64_t job = (uint64_t)w.position + 1;
    if (w.wait_cancelled == job || !job_is_cancelled(NULL) || has_committed())
        return false;
    w.wait_cancelled = job;
    return true;
}

static int wait_begins(yk__blocking *blocking, uint64_t deadline)
{
    (void)blocking;
    (void)deadline;
    return 0;
}

static void wait_ends(yk__blocking *blocking)
{
    (void)blocking;
}

static yk__blocking job_waits = { wait_begins, wait_ends, wait_is_cancelled, LOOK_EVERY };

/* The next of the rooms that the parent has granted ahead, if it is large enough. */
static void *spare_room(size_t len)
{
    yk__channel *ch = w.ch;
    if (atomic_load_explicit(&ch->down.granted, memory_order_acquire) == w.rooms_used)
        return NULL;
    const yk__room *room = &ch->down.rooms[w.rooms_used % YK__ROOMS];
    return room->size >= len ? room->at : NULL;
}

static void *granted_room(size_t len)
{
    yk__channel *ch = w.ch;
    atomic_store_explicit(&ch->up.want_size, len, memory_order_relaxed);
    atomic_store(&ch->up.wanted, ++w.wanted);
    wake_parent();
    while (!is_answered())
        sleep_unless(is_answered);
    return spare_room(len);
}

static void *result_room(yk_job *job, size_t len)
{
    (void)job;
    w.in_room = len > YK__SLOT_INLINE;
    if (!w.in_room)
        return w.ch->results[w.finished % YK__RING].inline_result;
    void *room = spare_room(len);
    return room ? room : granted_room(len);
}

/* ---- Running jobs --------------------------------------------------------------------------- */

static void publish(const yk_job *job, int code)
{
    yk__result_slot *r = &w.ch->results[w.finished % YK__RING];
    bool in_room = code == 0 && w.in_room && job->result_len > 0;
    r->position = w.position;
    r->code = code;
    r->in_room = in_room;
    r->told = job->told;
    if (w.began) {
        r->began = w.began;
        r->ran = yk__ran_packed(yk_now() - w.began);
    }
    r->len = code == 0 ? job->result_len : strlen(job->message);
    if (code)
        memcpy(r->inline_result, job->message, r->len);
    w.rooms_used += in_room;
    atomic_store(&w.ch->up.finished, ++w.finished);
    tell_of_result();
}

/* The kernel's tick: 1 to 10 ms fine, and a fifth of what yk_now() costs. */
static uint64_t coarse_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* After a job, but not after each of many small ones: a look costs some microseconds. */
static void look_at_memory(void)
{
    uint64_t now = coarse_now();
    if (now - w.looked < LOOK_AT_MEMORY_EVERY)
        return;
    w.looked = now;
    uint64_t rss = yk__worker_rss();
    if (rss <= w.inherited || rss - w.inherited <= w.max_rss)
        return;
    w.retiring = true;
    atomic_store_explicit(&w.ch->up.retiring, 1, memory_order_relaxed);
}

/* In a copy of the values that came with it. */
static int run_in_context(const yk__job_slot *slot, yk_job *job)
{
    const char *behind = (const char *)slot->arg + yk__context_behind(slot->arg_len);
    yk__context *c = yk__context_copy(behind);
    if (!c)
        return yk_job_fail(job, UV_ENOMEM, "not enough memory for the job's context");
    yk__context_enter(c);
    return yk__job_run(job, slot->fn);
}

static void run(yk__job_slot *slot)
{
    yk_job job;
    memset(&job, 0, offsetof(yk_job, message) + 1);
    job.arg = slot->arg ? slot->arg : slot->inline_arg;
    job.arg_len = slot->arg_len;
    job.worker = w.index;
    job.room = result_room;
    job.cancelled = job_is_cancelled;
    job.cell = &w.ch->down.cells[w.position % YK__RING];
    job.ring = slot->stream ? yk__arena_at(slot->stream) : NULL;
    job.commit = job_commit;
    w.in_room = false;
    w.began = 0;
    if (slot->measured) {
        uint64_t now = yk_now();
        atomic_store_explicit(&w.ch->up.started, now, memory_order_relaxed);
        w.began = slot->measured & YK__MEASURED ? now : 0;
    }
    int code = slot->context ? run_in_context(slot, &job) : yk__job_run(&job, slot->fn);
    yk__context_leave(NULL);
    yk__held_abandon();
    if ((code == YK_ECANCELED || code == YK_EJOBTIMEOUT) && has_committed())
        code = yk_job_fail(&job, YK_EJOB, YK__GAVE_UP);
    if (w.max_rss)
        look_at_memory();
    publish(&job, code);
}

static void take_next(void)
{
    yk__job_slot *slot = &w.ch->jobs[w.taken % YK__RING];
    w.position = w.taken++;
    if (w.seen != w.taken) { /* the next ones, which the parent's CPU has now */
        __builtin_prefetch(&w.ch->jobs[w.taken % YK__RING], 1);
        __builtin_prefetch(&w.ch->results[(w.finished + 1) % YK__RING], 1);
    }
    uint32_t state = yk__slot_state(w.position, YK__SLOT_QUEUED);
    if (atomic_compare_exchange_strong_explicit(&slot->state, &state,
                                                yk__slot_state(w.position, YK__SLOT_TAKEN),
                                                memory_order_acq_rel, memory_order_acquire))
        run(slot);
}

static _Noreturn void leave(void)
{
    if (w.spec && w.spec->options.finalizer)
        w.spec->options.finalizer(w.arg);
    fflush(NULL);
    _exit(0);
}

/* Looks at the parent's word only where what was seen there has been done: each look may take it
 * from the parent's cache. */
static bool has_job(void)
{
    if (w.seen == w.taken)
        w.seen = atomic_load_explicit(&w.ch->down.submitted, memory_order_acquire);
    return w.seen != w.taken;
}

static _Noreturn void work(void)
{
    for (;;) {
        if (w.retiring) {
            while (!must_stop())
                sleep_unless(must_stop);
            leave();
        }
        if (has_job()) {
            if (w.pace.jobs == YK__BURST)
                yk__pace_end(&w.pace, &w.ch->up.pace);
            yk__pace_job(&w.pace);
            take_next();
        } else if (atomic_load(&w.ch->down.stop)) {
            leave();
        } else {
            if (w.pace.jobs > 0)
                yk__pace_end(&w.pace, &w.ch->up.pace);
            say_where();
            spin();
            if (!has_job_or_must_stop())
                sleep_unless(has_job_or_must_stop);
        }
    }
}

/* ---- Start ---------------------------------------------------------------------------------- */

static void reset_signals(void)
{
    for (int s = 1; s < NSIG; s++)
        if (s != SIGKILL && s != SIGSTOP)
            signal(s, SIG_DFL);
    signal(SIGINT, SIG_IGN); /* Ctrl-C is for the parent to decide */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void keep_only(int a, int b)
{
    unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);
    yk__close_range(3, low - 1);
    yk__close_range(low + 1, high - 1);
    yk__close_range(high + 1, ~0u);
}

static int own_copy_of_arg(void)
{
    const yk_worker_options *o = &w.spec->options;
    if (o->arg_len == 0)
        return 0;
    w.arg = malloc(o->arg_len);
    if (!w.arg)
        return yk_worker_fail(UV_ENOMEM, "not enough memory for the argument");
    memcpy(w.arg, o->arg, o->arg_len);
    return 0;
}

static int prepare(void)
{
    int err = yk__worker_confine(w.spec);
    if (!err)
        err = yk__worker_schedule(w.spec);
    if (!err && w.spec)
        err = own_copy_of_arg();
    return err ? err : yk__worker_initialize(w.spec, w.arg);
}

/* Does what the pool's options say; whatever comes of it is published. */
static void begin(void)
{
    w.spec = w.ch->down.spec;
    w.max_rss = w.spec ? w.spec->options.max_rss : 0;
    w.inherited = w.max_rss ? yk__worker_rss() : 0;
    int err = prepare();
    if (err) {
        w.ch->up.start_code = err;
        snprintf(w.ch->up.start_message, sizeof w.ch->up.start_message, "%s",
                 yk__worker_complaint());
    }
    atomic_store(&w.ch->up.ready, err ? YK__WORKER_FAILED : YK__WORKER_READY);
    wake_parent();
    if (err) {
        fflush(NULL);
        _exit(YK__EXIT_NOT_STARTED);
    }
}

_Noreturn void yk__worker_main(const struct yk__worker_start *start)
{
    setpgid(0, 0);
    prctl(PR_SET_NAME, start->name);
    reset_signals();
    w.ch = yk__channel_map(start->channel_fd);
    if (!w.ch)
        _exit(127);
    w.wake_fd = start->wake_fd;
    w.index = start->index;
    *yk__parker_identity() = w.ch->down.identity;
    yk__held_set(&w.ch->up.held);
    yk__context_leave(NULL); /* of the thread that called yk_init */
    yk__parker_set_blocking(&job_waits);
    yk__crash_watch(&w.ch->crash, __builtin_frame_address(0));
    yk__lifeline_hold(start->lifeline_fd);
    keep_only(start->wake_fd, start->lifeline_fd);
    begin();
    work();
}
