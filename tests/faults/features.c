/* Scenarios of what comes on top of plain jobs: see scenarios.c. */
#include <string.h>
#include <time.h>
#include <uv.h>

#include "executor/init.h"
#include "executor/map.h"
#include "executor/stream.h"
#include "executor/trace.h"
#include "loop/loop.h"
#include "loop/queue.h"
#include "loop/sync.h"
#include "scenarios.h"
#include "support/support.h"

static yk_executor *pool(bool processes, const yk_pool_options *options)
{
    return processes ? yk_process_pool_new(options) : yk_thread_pool_new(options);
}
#define POOL(processes, ...) \
    pool((processes), &(yk_pool_options){ .workers = 2, .kill_grace_ms = 10, __VA_ARGS__ })

static void close_pool(yk_executor *ex)
{
    serves_again(ex, YK_CPU);
    shut_down(ex);
}

/* ---- Streams and progress ------------------------------------------------------------------- */

#define RECORDS 12

static int job_stream(yk_job *job)
{
    char record[100] = { 0 };
    for (int i = 0; i < RECORDS; i++) {
        record[0] = (char)i;
        int err = yk_job_emit(job, record, sizeof record - (size_t)i);
        if (err)
            return err;
        yk_job_progress(job, (uint64_t)i + 1, RECORDS);
    }
    return 0;
}

/* The job emits more than fits in its window. */
static void read_all(yk_executor *ex)
{
    yk_future *f = yk_submit_with(ex, job_stream, NULL, 0, .stream = 256);
    char record[100];
    size_t len;
    uint64_t done = 0, total = 0;
    int n = 0, err;
    while ((err = yk_stream_next(f, record, sizeof record, &len, patience())) == 0) {
        check(record[0] == n && len == sizeof record - (size_t)n);
        n++;
    }
    check(err < 0 && err != UV_ETIMEDOUT);
    if (err != YK_END)
        yk_future_cancel(f);
    if (outcome(f) == 0 && err == YK_END) {
        check(n == RECORDS);
        check(yk_future_progress(f, &done, &total) == 0 && done == total && total == RECORDS);
    }
    yk_future_unref(f);
}

/* Nobody reads: the job is told so, or waits until it is cancelled. */
static void read_some(yk_executor *ex)
{
    char record[100];
    yk_future *f = yk_submit_with(ex, job_stream, NULL, 0, .stream = 128);
    yk_stream_next(f, record, sizeof record, NULL, patience());
    yk_future_cancel(f);
    outcome(f);
    yk_future_unref(f);
    yk_future_unref(yk_submit_with(ex, job_stream, NULL, 0, .stream = 128));
}

static void streams(bool processes)
{
    yk_executor *ex = POOL(processes, .name = "streams");
    read_all(ex);
    read_some(ex);
    close_pool(ex);
}

void scenario_streams(void)
{
    streams(false);
    yk_init();
    streams(true);
    yk_fini();
}

/* ---- What is told of them ------------------------------------------------------------------- */

static void look_at(yk_executor *ex)
{
    static char text[65536];
    yk_worker_stats rows[8];
    size_t n = yk_executor_workers(ex, rows, 8);
    check(n <= 8);
    int len = yk_executor_prometheus(ex, text, sizeof text);
    check(len == UV_ENOMEM || (len > 0 && strstr(text, "yoke_")));
}

static void backtrace_of(yk_future *f)
{
    check(outcome(f) < 0);
    yk_error_backtrace(yk_future_error(f)); /* NULL where it cannot be had */
    yk_error_backtrace(yk_future_error(f));
    yk_future_unref(f);
}

static void told(bool processes)
{
    yk_executor *ex = POOL(processes, .name = "told");
    int three = 3;
    expect_int(yk_submit_with(ex, job_square, &three, sizeof three, .name = "three"), 9);
    if (processes)
        backtrace_of(yk_submit_with(ex, job_crash, NULL, 0, .name = "crash"));
    look_at(ex);
    close_pool(ex);
    look_at(ex = POOL(processes, .name = "fresh"));
    shut_down(ex);
}

void scenario_statistics(void)
{
    told(false);
    yk_init();
    told(true);
    yk_fini();
}

void scenario_trace(void)
{
    yk_init();
    int err = yk_trace_start("/dev/null");
    check(err <= 0);
    told(false);
    told(true);
    err = err ? 0 : yk_trace_stop();
    check(err <= 0);
    yk_fini();
}

/* ---- Queues --------------------------------------------------------------------------------- */

static void crowd(bool processes)
{
    yk_executor *ex = POOL(processes, .queue_limit = 1);
    yk_future *f[10];
    for (int i = 0; i < 10; i++) {
        yk_job_options o = { .priority = i % 3 - 1 };
        o.no_wait = i == 4;
        o.submit_deadline = i == 5 ? yk_after_ms(1) : 0;
        o.start_by = i == 6 ? yk_after_ms(1) : 0;
        o.retries = (unsigned)i % 2;
        o.timeout_ms = i == 7 ? 5000 : 0;
        f[i] = yk_submit_opts(ex, job_square, &i, sizeof i, &o);
    }
    yk_future_cancel(f[8]);
    for (int i = 0; i < 10; i++)
        expect_int(f[i], i * i);
    close_pool(ex);
}

void scenario_bounded(void)
{
    crowd(false);
    yk_init();
    crowd(true);
    yk_fini();
}

static void urgent(bool processes)
{
    yk_executor *ex = POOL(processes, .name = "urgent");
    yk_future *f[12];
    for (int i = 0; i < 12; i++)
        f[i] = yk_submit_with(ex, job_square, &i, sizeof i, .priority = i % 3 - 1,
                              .start_by = i % 4 ? 0 : patience());
    yk_future *late = yk_submit_with(ex, job_wait, NULL, 0, .start_by = yk_now());
    check(outcome(late) < 0);
    yk_future_unref(late);
    for (int i = 0; i < 12; i++)
        expect_int(f[i], i * i);
    if (processes)
        expect_failure(yk_submit_with(ex, job_crash, NULL, 0, .retries = 2));
    close_pool(ex);
}

void scenario_priorities(void)
{
    urgent(false);
    yk_init();
    urgent(true);
    yk_fini();
}

/* ---- Workers that come and go --------------------------------------------------------------- */

static void squares(yk_executor *ex, int n)
{
    yk_future *f[32];
    for (int i = 0; i < n; i++)
        f[i] = yk_submit(ex, job_square, &i, sizeof i);
    for (int i = 0; i < n; i++)
        expect_int(f[i], i * i);
}

void scenario_recycle(void)
{
    yk_init();
    yk_worker_options w = { .max_jobs = 3, .idle_timeout_ms = 1 };
    for (int k = 0; k < 2; k++) {
        yk_executor *ex = POOL(k == 1, .worker = w);
        squares(ex, 10);
        yk_executor_resize(ex, 1);
        squares(ex, 4);
        yk_executor_resize(ex, 4);
        squares(ex, 8);
        close_pool(ex);
    }
    yk_fini();
}

static _Atomic bool released;

static int job_stuck(yk_job *job)
{
    (void)job;
    struct timespec moment = { 0, 1000000 };
    while (!released)
        nanosleep(&moment, NULL);
    return 0;
}

/* A thread that is written off runs on until it is let go. */
void scenario_stuck(void)
{
    released = false;
    yk_executor *ex = yk_thread_pool(.workers = 1, .kill_grace_ms = 5);
    yk_future *f = yk_submit_with(ex, job_stuck, NULL, 0, .timeout_ms = 5);
    yk_await_until(f, yk_after_ms(300)); /* or, with no thread to see to it, not at all */
    squares(ex, yk_future_ended(f) ? 4 : 0);
    released = true;
    outcome(f);
    yk_future_unref(f);
    close_pool(ex);
}

static void stop_in_time(bool processes)
{
    char stuck[300] = "";
    yk_executor *ex = POOL(processes, .name = "stops");
    yk_future *f[6];
    for (int i = 0; i < 6; i++)
        f[i] = yk_submit_with(ex, job_wait, NULL, 0, .name = "waits");
    int err = yk_executor_shutdown(ex, .deadline = yk_after_ms(1), .stuck = stuck,
                                   .stuck_size = sizeof stuck);
    check(err <= 0);
    err = yk_executor_shutdown(ex, .cancel_running = true, .deadline = patience());
    check(err == 0 || yk_executor_error(ex));
    for (int i = 0; i < 6; i++)
        expect_failure(f[i]);
    shut_down(ex);
}

void scenario_shutdown(void)
{
    stop_in_time(false);
    yk_init();
    stop_in_time(true);
    yk_executor *ex = POOL(true, .name = "lingers");
    yk_future *f = yk_submit(ex, job_wait, NULL, 0);
    yk_executor_shutdown(ex, .cancel_running = true, .no_wait = true);
    expect_failure(f);
    yk_executor_close(ex);
    yk_fini();
}

/* Its workers are there and at work when the call fails: one job is the most that it may cost. */
static void at_work(bool processes)
{
    static const unsigned char bytes[20000] = { 1, 2, 3 };
    yk_executor *ex = POOL(processes, .name = "steady");
    squares(ex, 4);
    yk_future *f[9];
    inject_go_on(true);
    for (int i = 0; i < 8; i++)
        f[i] = i % 2 ? yk_submit(ex, job_echo, bytes, sizeof bytes)
                     : yk_submit(ex, job_square, &i, sizeof i);
    f[8] = yk_submit_with(ex, job_stream, NULL, 0, .stream = 1 << 14);
    int failures = 0;
    for (int i = 0; i < 9; i++) {
        if (outcome(f[i]) && failures++ > 0)
            broken("one failure costs two jobs: %s", yk_future_error(f[i])->message);
        yk_future_unref(f[i]);
    }
    inject_go_on(false);
    close_pool(ex);
}

void scenario_steady(void)
{
    inject_go_on(false);
    at_work(false);
    check(yk_init() == 0);
    at_work(true);
    yk_fini();
}

/* ---- Maps ----------------------------------------------------------------------------------- */

static int next_input(void *arg, const void **input, size_t *len)
{
    static int value;
    int *n = arg;
    if (*n == 20)
        return YK_END;
    value = (*n)++;
    *input = &value;
    *len = sizeof value;
    return 0;
}

static void map_chunks(yk_executor *ex)
{
    int n = 0, out, ends = 0;
    yk_map *m = yk_map_from_with(ex, job_square, next_input, &n, .chunk = 3, .window = 9,
                                 .as_completed = true, .deadline = patience());
    while (m && ends < 60) {
        int err = yk_map_next(m, &out, sizeof out), i = (int)yk_map_index(m);
        if (err == YK_END)
            break;
        check(err <= 0 && err != UV_ETIMEDOUT && (err || out == i * i));
        ends++;
    }
    check(ends <= 21); /* and one for an input that could not be had */
    yk_map_free(m);
    close_pool(ex);
}

void scenario_map_chunks(void)
{
    map_chunks(POOL(false, .queue_limit = 2));
    yk_init();
    map_chunks(POOL(true, .name = "map"));
    yk_fini();
}

/* ---- On a loop ------------------------------------------------------------------------------ */

struct meeting {
    yk_queue *queue;
    yk_lock lock;
    yk_executor *ex;
};

static int producer(void *arg)
{
    struct meeting *m = arg;
    for (int i = 0; i < 5; i++) {
        int err = yk_lock_acquire(&m->lock, YK_FOREVER);
        if (err)
            return err;
        yk_future *f = yk_submit(m->ex, job_square, &i, sizeof i);
        err = yk_await(f);
        yk_future_unref(f);
        yk_lock_release(&m->lock);
        if (!err)
            err = yk_queue_put(m->queue, &i, YK_FOREVER);
        if (err)
            return err;
    }
    return 0;
}

static int consumer(void *arg)
{
    struct meeting *m = arg;
    int item, err = 0;
    for (int i = 0; i < 5 && !err; i++)
        err = yk_queue_get(m->queue, &item, YK_FOREVER);
    return err;
}

static int meet(void *arg)
{
    struct meeting m = { .queue = yk_queue_new(.item_size = sizeof(int), .capacity = 2) };
    if (!m.queue)
        return UV_ENOMEM;
    m.ex = POOL(arg != NULL, .queue_limit = 1);
    yk_task_fn both[] = { producer, consumer };
    void *args[] = { &m, &m };
    int err = yk_gather(both, args, 2);
    check(err <= 0 && err != UV_ETIMEDOUT);
    yk_queue_free(m.queue);
    close_pool(m.ex);
    return 0;
}

void scenario_main(void)
{
    static int yes;
    check(yk_main(0, NULL, meet, NULL) >= 0);
    check(yk_main(0, NULL, meet, &yes) >= 0);
    yk_fini();
}
