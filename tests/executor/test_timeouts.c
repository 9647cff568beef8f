/* Time limits and cancellation of jobs that wait and of jobs that run. */
#include "support/backends.h"
#include "support/proc.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

static yk_future *limited(const backend *b, yk_executor *ex, yk_job_fn fn, const void *arg,
                          size_t len, uint64_t ms)
{
    return backend_submit_opts(b, ex, fn, arg, len,
                               (yk_job_options){ .timeout_ms = ms, .name = "limited" });
}

static void assert_works(const backend *b, yk_executor *ex)
{
    yk_future *f = backend_submit(b, ex, job_square, &(int){ 7 }, sizeof(int));
    int out = 0;
    assert_int_equal(yk_await_into(f, &out, sizeof out), 0);
    assert_int_equal(out, 49);
    yk_future_unref(f);
}

static void unref_done(yk_future **f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(yk_await(f[i]), 0);
        yk_future_unref(f[i]);
    }
}

/* A job that never asks and never ends by itself; on a thread, until close_released(). */
static yk_future *endless(const backend *b, yk_executor *ex, word *w, uint64_t limit_ms)
{
    block arg = { .begun = &w[0], .go = &w[1], .deaf = true };
    return b->processes ? limited(b, ex, job_spin, NULL, 0, limit_ms)
                        : limited(b, ex, job_block, &arg, sizeof arg, limit_ms);
}

static void close_released(yk_executor *ex, word *w)
{
    word_set(&w[1], 1);
    eventually(stats_of(ex).stuck == 0);
    backend_close(ex);
    yk_arena_free(w);
}

/* ---- T01, T02, T03: time limits -------------------------------------------------------------- */

static void job_timeout(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2, .kill_grace_ms = 20);
    word *w = words_new(2);
    for (int round = 0; round < 3; round++) {
        yk_future *slow = endless(b, ex, w, 50), *f[20];
        for (int i = 0; i < 20; i++)
            f[i] = backend_submit(b, ex, job_square, &i, sizeof i);
        assert_int_equal(yk_await(slow), YK_EJOBTIMEOUT);
        assert_int_equal(yk_future_state(slow), YK_FAILED);
        const yk_error *e = yk_future_error(slow);
        assert_non_null(strstr(e->message, "limited"));
        assert_non_null(strstr(e->message, "50 ms"));
        assert_int_equal(e->signal, 0);
        unref_done(f, 20);
        assert_works(b, ex);
        yk_future_unref(slow);
    }
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.timeouts, 3);
    assert_int_equal(s.failed, 3);
    assert_int_equal(s.crashed, 0);
    assert_int_equal(s.stuck, b->processes ? 0 : 3);
    close_released(ex, w);
}

static void test_T01_a_job_that_takes_too_long_fails_alone(void **state)
{
    (void)state;
    on_every_backend(job_timeout);
}

static int count_call(yk_future *f, void *arg)
{
    (void)f;
    atomic_fetch_add((word *)arg, 1);
    return 0;
}

static void callback_once(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 20, .job_timeout_ms = 50);
    word calls = 0, *w = words_new(2);
    yk_future *f = endless(b, ex, w, 0); /* the pool's own limit */
    yk_future_on_end(f, count_call, &calls);
    yk_future_on_end(f, count_call, &calls);
    assert_int_equal(yk_await(f), YK_EJOBTIMEOUT);
    eventually(word_get(&calls) == 2);
    assert_works(b, ex);
    close_released(ex, w);
    assert_int_equal(word_get(&calls), 2);
    yk_future_unref(f);
}

static void test_T02_the_callback_of_a_timeout_runs_once(void **state)
{
    (void)state;
    on_every_backend(callback_once);
}

static void deaf_to_term(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 20);
    word *w = words_new(1);
    yk_future *f = limited(b, ex, job_ignore_term, &w, sizeof w, 200 * support_slowness());
    assert_int_equal(yk_await(f), YK_EJOBTIMEOUT);
    assert_int_equal(word_get(w), 1); /* it was deaf by then: SIGTERM alone did not do it */
    yk_future_unref(f);
    assert_works(b, ex);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T03_a_worker_that_ignores_SIGTERM_is_killed(void **state)
{
    (void)state;
    on_processes(deaf_to_term);
}

/* On threads nobody can be killed: the job is told, and fails when it returns. */
static void timeout_on_threads(const backend *b)
{
    if (b->processes)
        return;
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(2);
    block arg = { .begun = &w[0], .ended = &w[1] };
    yk_future *f = limited(b, ex, job_block, &arg, sizeof arg, 20);
    assert_int_equal(yk_await(f), YK_EJOBTIMEOUT);
    assert_int_equal(word_get(&w[1]), 1);
    yk_future_unref(f);
    assert_works(b, ex);
    assert_int_equal(stats_of(ex).timeouts, 1);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T01_on_threads_a_timeout_is_a_request(void **state)
{
    (void)state;
    on_every_backend(timeout_on_threads);
}

static void odd_limits(const backend *b)
{
    static const uint64_t limits[] = {
        0, 60000, UINT64_MAX, UINT64_MAX - 1, UINT64_MAX / 1000000, UINT64_MAX / 4000000
    };
    yk_executor *ex = OPEN(b, .workers = 2);
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        yk_future *f = limited(b, ex, job_nothing, NULL, 0, limits[i]);
        assert_int_equal(yk_await(f), 0);
        yk_future_unref(f);
    }
    backend_close(ex);
    ex = OPEN(b, .workers = 1, .job_timeout_ms = UINT64_MAX, .kill_grace_ms = UINT64_MAX / 2000000);
    assert_works(b, ex);
    backend_close(ex);
    /* A job's own limit goes before the pool's. */
    ex = OPEN(b, .workers = 1, .job_timeout_ms = 1);
    word *w = words_new(2);
    block arg = { .begun = &w[0], .go = &w[1] };
    yk_future *f = limited(b, ex, job_block, &arg, sizeof arg, 600000);
    assert_int_equal(yk_await_until(f, yk_after_ms(30)), UV_ETIMEDOUT);
    word_set(&w[1], 1);
    assert_int_equal(yk_await(f), 0);
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T19_no_limit_a_huge_one_and_a_wait_of_no_time(void **state)
{
    (void)state;
    assert_true(yk_after_ms(UINT64_MAX) == YK_FOREVER);
    assert_true(yk_after_ms(UINT64_MAX / 1000000) == YK_FOREVER);
    assert_true(yk_after_ms(0) <= yk_now());
    on_every_backend(odd_limits);
}

/* The limit counts from a job's own begin: those that wait behind another are not charged. In all
 * the jobs take longer than the limit, each much shorter. False: one has met its limit, which the
 * machine may have been too slow for. */
static bool limit_is_kept(const backend *b, uint64_t ms)
{
    enum { N = 4 };
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(2 * N);
    yk_future *f[N];
    bool kept = true;
    for (int i = 0; i < N; i++) {
        block arg = { .begun = &w[2 * i], .go = &w[2 * i + 1] };
        f[i] = limited(b, ex, job_block, &arg, sizeof arg, ms);
    }
    for (int i = 0; i < N; i++) {
        eventually(word_get(&w[2 * i]) == 1);
        yk_await_until(f[i], yk_after_ms(ms * 3 / 10));
        word_set(&w[2 * i + 1], 1);
    }
    for (int i = 0; i < N; i++) {
        int err = yk_await(f[i]);
        assert_true(err == 0 || err == YK_EJOBTIMEOUT);
        kept &= err == 0;
        yk_future_unref(f[i]);
    }
    backend_close(ex);
    yk_arena_free(w);
    return kept;
}

static void limit_from_the_begin(const backend *b)
{
    uint64_t ms = 100;
    while (!limit_is_kept(b, ms) && ms < 10000)
        ms *= 3;
    assert_true(ms < 10000);
}

static void test_T01_the_limit_counts_from_the_begin(void **state)
{
    (void)state;
    const backend on_a_plain_thread = {
        "on the process pool", yk_process_pool_new, YK_CPU, true, false, false
    };
    limit_from_the_begin(&on_a_plain_thread);
}

/* ---- T04, T05: jobs that have not begun ------------------------------------------------------ */

static void cancel_queued(const backend *b)
{
    enum { N = 600 }; /* more than fit one worker's ring */
    static yk_future *f[N];
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(3), *count = &w[2];
    block arg = { .begun = &w[0], .go = &w[1] };
    yk_future *running = backend_submit(b, ex, job_block, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 1);
    for (int i = 0; i < N; i++)
        f[i] = backend_submit(b, ex, job_count, &count, sizeof count);
    for (int i = 0; i < N; i++)
        assert_true(yk_future_cancel(f[i]) >= 0);
    for (int i = 0; i < N; i++) { /* none waits for the job that runs */
        assert_int_equal(yk_await(f[i]), YK_ECANCELED);
        assert_int_equal(yk_future_state(f[i]), YK_CANCELLED);
        assert_int_equal(yk_future_cancel(f[i]), 0);
        yk_future_unref(f[i]);
    }
    assert_int_equal(yk_future_state(running), YK_RUNNING);
    word_set(&w[1], 1);
    assert_int_equal(yk_await(running), 0);
    yk_future_unref(running);
    assert_works(b, ex);
    assert_int_equal(word_get(count), 0); /* not one was started and then killed */
    assert_int_equal(stats_of(ex).started, 1);
    assert_int_equal(stats_of(ex).cancelled, N);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T04_T05_a_job_cancelled_in_time_never_begins(void **state)
{
    (void)state;
    on_every_backend(cancel_queued);
}

static void cancel_every_other(const backend *b)
{
    enum { N = 100 };
    yk_future *f[N];
    yk_executor *ex = OPEN(b, .workers = 2);
    word *w = words_new(3), *count = &w[2];
    block arg = { .begun = &w[0], .go = &w[1] };
    yk_future *running[2];
    for (int i = 0; i < 2; i++)
        running[i] = backend_submit(b, ex, job_block, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 2);
    for (int i = 0; i < N; i++)
        f[i] = backend_submit(b, ex, job_count, &count, sizeof count);
    for (int i = 0; i < N; i += 2)
        yk_future_cancel(f[i]);
    word_set(&w[1], 1);
    for (int i = 0; i < N; i++) {
        int err = yk_await(f[i]);
        if (i % 2)
            assert_int_equal(err, 0);
        else
            assert_true(err == YK_ECANCELED || err == 0); /* the request may come too late */
        yk_future_unref(f[i]);
    }
    unref_done(running, 2);
    yk_executor_shutdown(ex);
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.done, 2 + word_get(count));
    assert_int_equal(s.cancelled, N - word_get(count));
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T05_some_of_a_ring_are_withdrawn(void **state)
{
    (void)state;
    on_every_backend(cancel_every_other);
}

/* ---- T06, T07: jobs that run
 * ---------------------------------------------------------------------- */

static void cancel_polite(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 600000);
    word *w = words_new(2);
    for (int round = 0; round < 3; round++) {
        block arg = { .begun = &w[0], .ended = &w[1] };
        yk_future *f = backend_submit(b, ex, job_block, &arg, sizeof arg);
        eventually(word_get(&w[0]) == (uint32_t)round + 1);
        eventually(yk_future_state(f) == YK_RUNNING);
        assert_int_equal(yk_future_cancel(f), 1);
        assert_int_equal(yk_await(f), YK_ECANCELED);
        assert_int_equal(yk_future_state(f), YK_CANCELLED);
        assert_int_equal(word_get(&w[1]), (uint32_t)round + 1); /* it saw it and left by itself */
        yk_future_unref(f);
        assert_works(b, ex); /* the next job is not cancelled with it */
    }
    assert_int_equal(stats_of(ex).started, 1);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T06_T07_a_running_job_that_looks_is_asked_to_stop(void **state)
{
    (void)state;
    on_every_backend(cancel_polite);
}

static void cancel_by_force(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2, .kill_grace_ms = 20);
    word *w = words_new(1);
    yk_job_fn fns[] = { job_spin, job_ignore_term, job_stop_self };
    for (size_t i = 0; i < COUNT_OF(fns); i++) {
        yk_future *f = backend_submit(b, ex, fns[i], &w, sizeof w), *behind[10];
        eventually(word_get(w) == i + 1);
        for (int k = 0; k < 10; k++)
            behind[k] = backend_submit(b, ex, job_nothing, NULL, 0);
        assert_int_equal(yk_future_cancel(f), 1);
        assert_int_equal(yk_await(f), YK_ECANCELED);
        assert_int_equal(yk_future_state(f), YK_CANCELLED);
        yk_future_unref(f);
        unref_done(behind, 10); /* what was behind it in its worker's ring is done by another */
    }
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.cancelled, COUNT_OF(fns));
    assert_int_equal(s.crashed, 0); /* they were asked to go */
    assert_works(b, ex);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T06_a_running_job_is_cancelled_by_force(void **state)
{
    (void)state;
    on_processes(cancel_by_force);
}

/* A wait's own deadline is not the job's. */
static void await_deadline(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(2);
    block arg = { .begun = &w[0], .go = &w[1] };
    yk_future *f = backend_submit(b, ex, job_block, &arg, sizeof arg);
    int out = 5;
    assert_int_equal(yk_await_until(f, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_await_until(f, yk_after_ms(5)), UV_ETIMEDOUT);
    assert_int_equal(yk_await_into_until(f, &out, sizeof out, yk_now() + 1), UV_ETIMEDOUT);
    assert_int_equal(out, 5);
    assert_false(yk_future_cancel_requested(f));
    word_set(&w[1], 1);
    assert_int_equal(yk_await_into_until(f, NULL, 0, YK_FOREVER), 0);
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T19_the_deadline_of_a_wait_leaves_the_job_alone(void **state)
{
    (void)state;
    on_every_backend(await_deadline);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_T01_a_job_that_takes_too_long_fails_alone),
        TEST(test_T02_the_callback_of_a_timeout_runs_once),
        TEST(test_T03_a_worker_that_ignores_SIGTERM_is_killed),
        TEST(test_T01_on_threads_a_timeout_is_a_request),
        TEST(test_T01_the_limit_counts_from_the_begin),
        TEST(test_T19_no_limit_a_huge_one_and_a_wait_of_no_time),
        TEST(test_T19_the_deadline_of_a_wait_leaves_the_job_alone),
        TEST(test_T04_T05_a_job_cancelled_in_time_never_begins),
        TEST(test_T05_some_of_a_ring_are_withdrawn),
        TEST(test_T06_T07_a_running_job_that_looks_is_asked_to_stop),
        TEST(test_T06_a_running_job_is_cancelled_by_force),
    };
    return RUN_TESTS("timeouts", tests);
}
