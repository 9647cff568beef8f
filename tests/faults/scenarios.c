/* The scenarios: a few jobs of every sort on every executor, with what goes with them. What comes
 * of a job is its result, whole, or an error; nothing else, and in bounded time. */
#include "scenarios.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "executor/arena.h"
#include "executor/executor.h"
#include "executor/init.h"
#include "executor/map.h"
#include "executor/wait.h"
#include "loop/loop.h"
#include "support/proc.h"
#include "support/support.h"

#define LONG 20000

/* ---- Jobs ----------------------------------------------------------------------------------- */

int job_square(yk_job *job)
{
    int n = *(const int *)yk_job_arg(job);
    n *= n;
    return yk_job_return(job, &n, sizeof n);
}

int job_echo(yk_job *job)
{
    return yk_job_return(job, yk_job_arg(job), yk_job_arg_len(job));
}

static int job_error(yk_job *job)
{
    return yk_job_fail(job, UV_EPERM, "as it should");
}

int job_crash(yk_job *job)
{
    (void)job;
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    raise(SIGSEGV);
    return 0;
}

int job_wait(yk_job *job)
{
    struct timespec moment = { 0, 1000000 };
    while (!yk_job_cancelled(job))
        nanosleep(&moment, NULL);
    return YK_ECANCELED;
}

/* ---- What comes of them --------------------------------------------------------------------- */

uint64_t patience(void)
{
    return yk_after_ms(20000ull * support_slowness());
}

int outcome(yk_future *f)
{
    int err = yk_await_until(f, patience());
    if (err > 0 || !yk_future_ended(f))
        broken("a wait returned %s, and its job has not ended", yk_errname(err));
    const yk_error *error = yk_future_error(f);
    check(err == 0 ? error == NULL : error->code == err && error->message[0]);
    return err;
}

void expect_int(yk_future *f, int expected)
{
    size_t len;
    if (outcome(f) == 0) {
        const int *n = yk_future_result(f, &len);
        check(len == sizeof *n && *n == expected);
    }
    yk_future_unref(f);
}

static void expect_bytes(yk_future *f, const void *expected, size_t size)
{
    size_t len;
    if (outcome(f) == 0) {
        const void *bytes = yk_future_result(f, &len);
        check(len == size && memcmp(bytes, expected, size) == 0);
    }
    yk_future_unref(f);
}

void expect_failure(yk_future *f)
{
    check(outcome(f) < 0);
    yk_future_unref(f);
}

void serves_again(yk_executor *ex, yk_job_kind kind)
{
    int err = -1;
    for (int i = 0; !yk_executor_error(ex) && err && i < 100; i++) {
        yk_future *f = yk_submit_with(ex, job_square, &i, sizeof i, .kind = kind);
        err = outcome(f);
        yk_future_unref(f);
        if (err)
            yk_sleep_ms(20); /* the time until a worker is started again */
    }
    if (err && !yk_executor_error(ex))
        broken("no job is served any more: %s", yk_strerror(err));
}

static int count_call(yk_future *f, void *arg)
{
    (void)f;
    ++*(_Atomic int *)arg;
    return 0;
}

void shut_down(yk_executor *ex)
{
    int err = yk_executor_shutdown(ex, .deadline = patience());
    check(err == 0 || yk_executor_error(ex));
    yk_executor_stats s = { 0 };
    yk_executor_get_stats(ex, &s);
    check(s.received == s.done + s.failed + s.cancelled);
    check(s.pending == 0 && s.running == 0 && s.workers == 0);
    yk_executor_close(ex);
}

/* Jobs of every sort; `kind` for the hybrid; `isolated`: they may crash. */
static void some_jobs(yk_executor *ex, yk_job_kind kind, bool isolated)
{
    static const unsigned char bytes[LONG] = { 1, 2, 3 };
    yk_future *squares[6];
    _Atomic int called = 0;
    int callbacks = 0;
    for (int i = 0; i < 6; i++) {
        squares[i] = yk_submit_with(ex, job_square, &i, sizeof i, .kind = kind);
        callbacks += yk_future_on_end(squares[i], count_call, &called) == 0;
    }
    yk_future *longer = yk_submit_with(ex, job_echo, bytes, LONG, .kind = kind);
    yk_future *shorter = yk_submit_with(ex, job_echo, bytes, 200, .kind = kind);
    yk_future *error = yk_submit_with(ex, job_error, NULL, 0, .kind = kind, .name = "error");
    yk_future *limited = yk_submit_with(ex, job_wait, NULL, 0, .kind = kind, .timeout_ms = 10);
    yk_future *crash = isolated ? yk_submit_with(ex, job_crash, NULL, 0, .kind = kind) : NULL;
    yk_future *cancelled = yk_submit_with(ex, job_wait, NULL, 0, .kind = kind);
    expect_bytes(longer, bytes, LONG);
    expect_bytes(shorter, bytes, 200);
    expect_failure(error);
    expect_failure(limited);
    if (crash)
        expect_failure(crash);
    yk_future_cancel(cancelled);
    expect_failure(cancelled);
    for (int i = 0; i < 6; i++)
        expect_int(squares[i], i * i);
    while (called < callbacks)
        support_pause();
}

static void pool_of(yk_executor *ex, bool isolated)
{
    some_jobs(ex, YK_CPU, isolated);
    serves_again(ex, YK_CPU);
    shut_down(ex);
}

/* ---- Scenarios ------------------------------------------------------------------------------ */

static void init_only(void)
{
    yk_init();
    yk_fini();
    yk_init(); /* the second time, too, or at last */
    yk_fini();
}

static void threads(void)
{
    pool_of(yk_thread_pool(.workers = 2), false);
}

static void processes(void)
{
    yk_init();
    pool_of(yk_process_pool(.workers = 2, .kill_grace_ms = 10), true);
    yk_fini();
}

static int initializer(void *arg)
{
    return *(const int *)arg == 7 ? 0 : UV_EINVAL;
}

static void worker_options(void)
{
    static const char *const environment[] = { "YOKE_FAULTS=1", "HOME", NULL };
    int seven = 7;
    yk_init();
    yk_worker_options w = { .initializer = initializer,
                            .arg = &seven,
                            .arg_len = sizeof seven,
                            .environment = environment,
                            .directory = "/",
                            .nice = 1,
                            .limit_files = 100 };
    pool_of(yk_process_pool(.workers = 2, .kill_grace_ms = 10, .worker = w, .queue_limit = 3),
            true);
    pool_of(yk_thread_pool(.workers = 2, .worker = w, .queue_limit = 3), false);
    yk_fini();
}

static void hybrid(void)
{
    int err = yk_init();
    yk_executor *ex = yk_hybrid(.workers = 2, .kill_grace_ms = 10);
    some_jobs(ex, YK_CPU, false);
    some_jobs(ex, YK_BLOCKING, false);
    some_jobs(ex, YK_ISOLATED, true);
    serves_again(ex, YK_CPU);
    serves_again(ex, YK_BLOCKING);
    if (!err)
        serves_again(ex, YK_ISOLATED);
    shut_down(ex);
    yk_fini();
}

static void map_on(yk_executor *ex)
{
    int inputs[12], out, err;
    for (int i = 0; i < 12; i++)
        inputs[i] = i;
    yk_map *m = yk_map_start_with(ex, job_square, inputs, 12, sizeof *inputs, .window = 4,
                                  .deadline = patience());
    if (m) {
        for (int i = 0; i < 12; i++) {
            err = yk_map_next(m, &out, sizeof out);
            check(err <= 0 && err != UV_ETIMEDOUT && (err || out == i * i));
        }
        check(yk_map_next(m, &out, sizeof out) == YK_END);
    }
    yk_map_free(m);
    shut_down(ex);
}

static void map(void)
{
    yk_init();
    map_on(yk_thread_pool(.workers = 2));
    map_on(yk_process_pool(.workers = 2));
    yk_fini();
}

/* Workers are needed after the zygote is gone. */
static void standby(void)
{
    if (yk_init() == 0) {
        yk_executor *ex = yk_process_pool(.workers = 2, .kill_grace_ms = 10);
        int three = 3;
        expect_int(yk_submit(ex, job_square, &three, sizeof three), 9);
        pid_t zygote = proc_zygote();
        if (zygote > 0)
            kill(zygote, SIGKILL);
        expect_failure(yk_submit(ex, job_crash, NULL, 0));
        expect_int(yk_submit(ex, job_square, &three, sizeof three), 9);
        shut_down(ex);
    }
    yk_fini();
}

static void waits(void)
{
    yk_executor *ex = yk_thread_pool(.workers = 2);
    yk_future *f[5];
    for (int i = 0; i < 4; i++)
        f[i] = yk_submit(ex, job_square, &i, sizeof i);
    f[4] = yk_future_new();
    size_t n = f[4] ? 5 : 4;
    if (f[4])
        yk_future_set_result(f[4], f, sizeof f);
    int ended = yk_wait(f, n, YK_FIRST_ENDED, patience());
    check(ended > 0 || ended == UV_ENOMEM);
    yk_as_completed *each = yk_as_completed_new(f, n);
    yk_future *next;
    size_t seen = 0;
    if (each && f[4] && !yk_future_ended(f[4]))
        yk_future_cancel(f[4]);
    while (each && yk_as_completed_next(each, &next, patience()) == 0)
        seen++;
    check(!each || seen == n);
    yk_as_completed_free(each);
    if (f[4] && !yk_future_ended(f[4]))
        yk_future_cancel(f[4]);
    int err = yk_await_all(f, n, patience());
    check(err <= 0 && err != UV_ETIMEDOUT);
    for (size_t i = 0; i < n; i++)
        yk_future_unref(f[i]);
    shut_down(ex);
}

static int task_child(void *arg)
{
    return yk_sleep_ms(*(const unsigned *)arg);
}

static int task_main(void *arg)
{
    yk_executor *ex =
        arg ? yk_process_pool(.workers = 2, .kill_grace_ms = 10) : yk_thread_pool(.workers = 2);
    unsigned one = 1, two = 2;
    yk_task_fn fns[] = { task_child, task_child };
    void *args[] = { &one, &two };
    int err = yk_gather(fns, args, 2);
    check(err <= 0);
    pool_of(ex, arg != NULL);
    return 0;
}

static void on_loop(bool with_processes)
{
    static int yes;
    yk_loop *loop = yk_loop_new();
    if (!loop)
        return;
    yk_future *task = yk_task_start(task_main, with_processes ? &yes : NULL);
    int err = yk_loop_run_until(loop, task);
    check(err <= 0);
    yk_future_unref(task);
    yk_loop_close(loop);
}

static void loop_threads(void)
{
    on_loop(false);
}

static void loop_processes(void)
{
    yk_init();
    on_loop(true);
    yk_fini();
}

const scenario scenarios[] = {
    { "init", init_only },
    { "threads", threads },
    { "processes", processes },
    { "worker-options", worker_options },
    { "hybrid", hybrid },
    { "map", map },
    { "standby", standby },
    { "waits", waits },
    { "loop-threads", loop_threads },
    { "loop-processes", loop_processes },
    { "streams", scenario_streams },
    { "statistics", scenario_statistics },
    { "trace", scenario_trace },
    { "bounded", scenario_bounded },
    { "priorities", scenario_priorities },
    { "recycle", scenario_recycle },
    { "stuck", scenario_stuck },
    { "shutdown", scenario_shutdown },
    { "steady", scenario_steady },
    { "map-chunks", scenario_map_chunks },
    { "main", scenario_main },
    { "http", scenario_http },
    { "http-answers", scenario_http_answers },
    { "shared-pool", scenario_shared_pool },
};
const unsigned n_scenarios = sizeof scenarios / sizeof *scenarios;
