/* A customer of the soak: one session after the other. A session opens an executor of some kind,
 * sends jobs through it, some hundreds at a time, cancels a few, shuts the executor down in one of
 * the ways there are, and sees that its counters are those of the session. */
#include <stdlib.h>
#include <uv.h>

#include "loop/task.h"
#include "soak.h"

#define MAX_WINDOW 256

enum { THREADS, PROCESSES, HYBRID, KINDS };

struct session {
    dice *d;
    counter where;
    errands all;
    yk_executor *friend;
    yk_future *window[MAX_WINDOW]; /* a ring of those not yet awaited; a reference each */
    errand *behind[MAX_WINDOW];
    size_t first, n, size;
};

/* Threads run it, too, and the jobs of a pool whose initializer fails must end all the same. */
static int initialize(void *arg)
{
    unsigned failures = *(const unsigned *)arg;
    uint64_t now = yk_now();
    return now / 1024 % 100 < failures ? yk_worker_fail(UV_EINVAL, "a bad day") : 0;
}

static void finalize(void *arg)
{
    (void)arg;
}

static void choose_worker_options(dice *d, yk_worker_options *w)
{
    static const unsigned failures[] = { 0, 0, 10, 50 };
    if (dice_percent(d, 30)) {
        w->initializer = initialize;
        w->finalizer = finalize;
        w->arg = &failures[dice_below(d, 4)];
        w->arg_len = sizeof *failures;
    }
    if (dice_percent(d, 20))
        w->start_timeout_ms = 100 + dice_below(d, 200);
    if (dice_percent(d, 20))
        w->limit_files = 64;
    if (dice_percent(d, 20))
        w->nice = (int)dice_below(d, 20);
    if (dice_percent(d, 20))
        w->max_jobs = 1 + (unsigned)dice_below(d, 200);
    if (dice_percent(d, 5))
        w->max_rss = 1; /* whoever is looked at retires */
    if (dice_percent(d, 20))
        w->idle_timeout_ms = 1 + dice_below(d, 20);
    w->min_workers = (int)dice_below(d, 2);
    w->scheduling = (yk_scheduling)dice_below(d, 4);
}

static void open_executor(struct session *s)
{
    dice *d = s->d;
    yk_pool_options options = { .workers = 1 + (int)dice_below(d, 3),
                                .kill_grace_ms = 5 + dice_below(d, 40) };
    if (dice_percent(d, 20))
        options.job_timeout_ms = 20 + dice_below(d, 100);
    if (dice_percent(d, 30))
        options.queue_limit = 1 + dice_below(d, 50);
    if (dice_percent(d, 20))
        options.spin_us = 1 + dice_below(d, 30);
    choose_worker_options(d, &options.worker);
    unsigned kind = (unsigned)dice_below(d, KINDS);
    s->where = (counter){ .processes = kind != THREADS,
                          .hybrid = kind == HYBRID,
                          .limited = options.job_timeout_ms != 0,
                          .may_not_start = options.worker.initializer != NULL };
    s->where.ex = kind == THREADS     ? yk_thread_pool_new(&options)
                  : kind == PROCESSES ? yk_process_pool_new(&options)
                                      : yk_hybrid_new(&options);
    const yk_error *error = yk_executor_error(s->where.ex);
    if (error)
        wrong("no executor of kind %u: %s", kind, error->message);
}

static void await_oldest(struct session *s)
{
    yk_future *f = s->window[s->first];
    if (dice_percent(s->d, 3))
        yk_await_until(f, yk_after_ms(dice_below(s->d, 3))); /* too early for some */
    errand_read(s->behind[s->first]);
    if (dice_percent(s->d, 5)) {
        yk_future *two[] = { f, s->window[(s->first + s->n - 1) % s->size] };
        yk_wait(two, 2, YK_FIRST_ENDED, YK_FOREVER);
    }
    yk_await(f);
    yk_future_unref(f);
    s->first = (s->first + 1) % s->size;
    s->n--;
}

static void send_one(struct session *s)
{
    yk_future *f = errand_run(&s->all, &s->where, s->d, s->friend);
    if (!f)
        return;
    if (dice_percent(s->d, 2))
        errand_cancel(errands_newest(&s->all));
    if (dice_percent(s->d, 3)) { /* nobody awaits it */
        yk_future_unref(f);
        return;
    }
    s->window[(s->first + s->n) % s->size] = f;
    s->behind[(s->first + s->n) % s->size] = errands_newest(&s->all);
    s->n++;
}

static void change_its_mind(struct session *s)
{
    if (dice_percent(s->d, 4)) {
        int err = yk_executor_resize(s->where.ex, 1 + (int)dice_below(s->d, 4));
        if (err && err != UV_ENOTSUP)
            wrong("a resize returned %s", yk_strerror(err));
        count(&total.resized, !err);
    }
    if (dice_percent(s->d, 4)) {
        char page[2000];
        yk_worker_stats rows[4];
        yk_executor_workers(s->where.ex, rows, 4);
        if (yk_executor_prometheus(s->where.ex, page, sizeof page) < (int)sizeof page)
            wrong("the page of statistics is too short");
    }
}

/* Bursts, and the answers to some of them. */
static void send_all(struct session *s)
{
    uint64_t left = dice_percent(s->d, 20) ? dice_below(s->d, 20) : dice_below(s->d, 4000);
    while (left > 0 && !atomic_load(&time_is_up)) {
        for (uint64_t burst = 1 + dice_below(s->d, 64); burst > 0 && left > 0; burst--, left--) {
            if (s->n == s->size)
                await_oldest(s);
            send_one(s);
        }
        change_its_mind(s);
        for (uint64_t n = dice_below(s->d, s->size + 1); n > 0 && s->n > 0; n--)
            await_oldest(s);
    }
}

static void shut_down(struct session *s)
{
    int err = 0;
    switch (dice_below(s->d, 6)) {
    case 0:
        errands_closing(&s->all);
        err = yk_executor_shutdown(s->where.ex, .cancel_running = true);
        break;
    case 1:
        errands_closing(&s->all);
        err = yk_executor_shutdown(s->where.ex, .cancel_pending = true);
        break;
    case 2:
        err = yk_executor_shutdown(s->where.ex, .deadline = yk_after_ms(dice_below(s->d, 5)));
        errands_closing(&s->all);
        if (err == UV_ETIMEDOUT)
            err = yk_executor_shutdown(s->where.ex, .cancel_running = true);
        break;
    case 3:
        err = yk_executor_shutdown(s->where.ex, .no_wait = true);
        break;
    default:
        while (s->n > 0)
            await_oldest(s);
        break;
    }
    if (!err)
        err = yk_executor_shutdown(s->where.ex);
    if (err)
        wrong("a shutdown returned %s", yk_strerror(err));
}

static void check_statistics(struct session *s)
{
    yk_executor_stats x;
    yk_executor_get_stats(s->where.ex, &x);
    uint64_t of[OUTCOMES], n = atomic_load(&s->all.n);
    for (int i = 0; i < OUTCOMES; i++)
        of[i] = atomic_load(&s->all.outcomes[i]);
    uint64_t failed = of[FAILED] + of[CRASHED] + of[TIMED_OUT] + of[EXPIRED] + of[NOWORKER];
    /* Some of those that expired may have done so before there was room for them. */
    uint64_t turned_away = n - of[REFUSED] - x.received;
    if (turned_away > of[EXPIRED] || x.done != of[DONE] || x.failed + turned_away != failed ||
        x.cancelled != of[CANCELLED] || x.timeouts != of[TIMED_OUT] || x.pending || x.running ||
        x.workers)
        wrong("of %llu jobs (%llu done, %llu failed, %llu timed out, %llu cancelled) the executor "
              "says: received %llu, done %llu, failed %llu, timed out %llu, cancelled %llu, "
              "pending %llu, running %llu, workers %llu",
              (unsigned long long)n, (unsigned long long)of[DONE], (unsigned long long)failed,
              (unsigned long long)of[TIMED_OUT], (unsigned long long)of[CANCELLED],
              (unsigned long long)x.received, (unsigned long long)x.done,
              (unsigned long long)x.failed, (unsigned long long)x.timeouts,
              (unsigned long long)x.cancelled, (unsigned long long)x.pending,
              (unsigned long long)x.running, (unsigned long long)x.workers);
    if (s->where.processes) {
        count(&total.workers_started, x.started);
        count(&total.workers_crashed, x.crashed);
    }
    count(&total.timeouts, x.timeouts);
}

static void session(dice *d, yk_executor *friend)
{
    struct session s = { .d = d, .friend = friend, .size = 1 + dice_below(d, MAX_WINDOW) };
    open_executor(&s);
    send_all(&s);
    shut_down(&s);
    while (s.n > 0)
        await_oldest(&s);
    check_statistics(&s);
    yk_executor_close(s.where.ex);
    /* A callback may run a moment longer than its future takes to end. */
    while (atomic_load(&s.all.ended) < atomic_load(&s.all.n))
        yk_sleep_ms(1);
    errands_end(&s.all);
    count(&total.sessions, 1);
}

void customer_live(uint64_t seed, uint64_t stream, yk_executor *friend)
{
    dice d = dice_new(seed, stream);
    while (!atomic_load(&time_is_up))
        session(&d, friend);
}
