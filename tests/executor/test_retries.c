/* Jobs whose worker dies, tried again where they ask for it, and never in a storm. */
#include "support/backends.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

/* Dies until it has been tried `survives` times; looks whether its argument is as it was. */
struct ordeal {
    word *tries;
    uint32_t survives;
    unsigned char pattern[]; /* of any length */
};

static int job_ordeal(yk_job *job)
{
    struct ordeal *o = yk_job_arg(job);
    size_t len = yk_job_arg_len(job) - sizeof *o;
    uint32_t tries = atomic_fetch_add(o->tries, 1) + 1;
    for (size_t i = 0; i < len; i++)
        if (o->pattern[i] != (unsigned char)(i * 7))
            return yk_job_fail(job, UV_EIO, "byte %zu is not what it was", i);
    memset(o->pattern, 0, len); /* its own to spoil */
    if (tries < o->survives)
        raise(SIGKILL);
    return yk_job_return(job, &tries, sizeof tries);
}

static yk_future *submit_ordeal(const backend *b, yk_executor *ex, word *tries, uint32_t survives,
                                size_t len, yk_job_options options)
{
    struct ordeal *o = malloc(sizeof *o + len);
    assert_non_null(o);
    o->tries = tries;
    o->survives = survives;
    for (size_t i = 0; i < len; i++)
        o->pattern[i] = (unsigned char)(i * 7);
    yk_future *f = backend_submit_opts(b, ex, job_ordeal, o, sizeof *o + len, options);
    free(o);
    return f;
}

static void not_unasked(const backend *b)
{
    word *tries = words_new(1);
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f = submit_ordeal(b, ex, tries, 2, 10, (yk_job_options){ 0 });
    assert_int_equal(yk_await(f), YK_ECRASHED);
    assert_int_equal(yk_future_error(f)->signal, SIGKILL);
    yk_future_unref(f);
    assert_int_equal(word_get(tries), 1);
    backend_close(ex);
    yk_arena_free(tries);
}

static void test_P27_a_job_that_killed_its_worker_is_not_tried_again_unasked(void **state)
{
    (void)state;
    on_processes(not_unasked);
}

static void given_up(const backend *b)
{
    enum { GOOD = 50, RETRIES = 3 };
    word *tries = words_new(1);
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *bad = submit_ordeal(b, ex, tries, 1000, 10, (yk_job_options){ .retries = RETRIES });
    yk_future *good[GOOD];
    for (int i = 0; i < GOOD; i++)
        good[i] = backend_submit(b, ex, job_square, &i, sizeof i);
    for (int i = 0, n; i < GOOD; i++) {
        assert_int_equal(yk_await_into(good[i], &n, sizeof n), 0); /* nobody else suffers */
        assert_int_equal(n, i * i);
        yk_future_unref(good[i]);
    }
    assert_int_equal(yk_await(bad), YK_ECRASHED);
    assert_int_equal(yk_future_error(bad)->signal, SIGKILL);
    assert_non_null(strstr(yk_future_error(bad)->message, "(tried 4 times)"));
    assert_int_equal(word_get(tries), 1 + RETRIES);
    yk_future_unref(bad);
    eventually(stats_of(ex).crashed == 1 + RETRIES); /* counted after the job */
    yk_executor_stats s = stats_of(ex);
    assert_in_range(s.started, 1 + RETRIES, 1 + RETRIES + 2); /* no storm */
    assert_int_equal(s.failed, 1);
    assert_int_equal(s.received, GOOD + 1);
    backend_close(ex);
    yk_arena_free(tries);
}

static void test_P27_a_job_that_always_kills_its_worker_fails_after_its_tries(void **state)
{
    (void)state;
    on_processes(given_up);
}

static void succeeds(const backend *b)
{
    static const size_t sizes[] = { 0, 10, 5000, 300000 };
    yk_executor *ex = OPEN(b, .workers = 2);
    word *tries = words_new(COUNT_OF(sizes));
    yk_future *f[COUNT_OF(sizes)];
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        f[i] = submit_ordeal(b, ex, &tries[i], 3, sizes[i], (yk_job_options){ .retries = 5 });
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        uint32_t n = 0;
        int err = yk_await_into(f[i], &n, sizeof n);
        if (err)
            fail_msg("%zu bytes: %s", sizes[i], yk_future_error(f[i])->message);
        assert_int_equal(n, 3);
        yk_future_unref(f[i]);
    }
    assert_int_equal(stats_of(ex).done, COUNT_OF(sizes));
    backend_close(ex);
    yk_arena_free(tries);
}

static void test_P27_a_job_that_is_tried_again_finds_its_argument_as_it_was(void **state)
{
    (void)state;
    on_processes(succeeds);
}

static void own_ends(const backend *b)
{
    word *w = words_new(2);
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 1);
    yk_job_options again = { .retries = 5 };
    yk_future *f = backend_submit_opts(b, ex, job_fail, NULL, 0, again);
    assert_int_equal(yk_await(f), UV_EINVAL);
    yk_future_unref(f);

    word *begun = &w[0];
    again.timeout_ms = 20;
    f = backend_submit_opts(b, ex, job_spin, &begun, sizeof begun, again);
    assert_int_equal(yk_await(f), YK_EJOBTIMEOUT);
    yk_future_unref(f);
    assert_in_range(word_get(begun), 0, 1);

    begun = &w[1];
    again.timeout_ms = 0;
    f = backend_submit_opts(b, ex, job_spin, &begun, sizeof begun, again);
    eventually(word_get(begun) == 1);
    assert_int_equal(yk_future_cancel(f), 1);
    assert_int_equal(yk_await(f), YK_ECANCELED);
    assert_int_equal(word_get(begun), 1);
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_P27_errors_timeouts_and_cancellations_are_not_tried_again(void **state)
{
    (void)state;
    on_processes(own_ends);
}

/* With so many retries that it rests most of the time. */
static void ended_as_it_rests(const backend *b)
{
    word *tries = words_new(2);
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_job_options again = { .retries = 1000 };
    yk_future *f = submit_ordeal(b, ex, &tries[0], 1000, 0, again);
    eventually(word_get(&tries[0]) >= 3);
    eventually(yk_future_state(f) == YK_PENDING || yk_future_ended(f));
    yk_future_cancel(f);
    assert_int_equal(yk_await(f), YK_ECANCELED);
    yk_future_unref(f);

    f = submit_ordeal(b, ex, &tries[1], 1000, 0, again);
    eventually(word_get(&tries[1]) == 3);
    assert_int_equal(yk_executor_shutdown(ex, .cancel_pending = true), 0);
    assert_true(yk_future_ended(f));
    assert_in_range(word_get(&tries[1]), 3, 4);
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(tries);
}

static void test_P27_a_job_can_be_cancelled_as_it_rests(void **state)
{
    (void)state;
    on_processes(ended_as_it_rests);
}

static void closes(const backend *b)
{
    word *tries = words_new(1);
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f = submit_ordeal(b, ex, tries, 4, 100, (yk_job_options){ .retries = 3 });
    backend_close(ex); /* waits for all its tries */
    uint32_t n = 0;
    assert_int_equal(yk_await_into(f, &n, sizeof n), 0);
    assert_int_equal(n, 4);
    yk_future_unref(f);
    yk_arena_free(tries);
}

static void test_P27_closing_waits_for_the_tries(void **state)
{
    (void)state;
    on_processes(closes);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_P27_a_job_that_killed_its_worker_is_not_tried_again_unasked),
        TEST(test_P27_a_job_that_always_kills_its_worker_fails_after_its_tries),
        TEST(test_P27_a_job_that_is_tried_again_finds_its_argument_as_it_was),
        TEST(test_P27_errors_timeouts_and_cancellations_are_not_tried_again),
        TEST(test_P27_a_job_can_be_cancelled_as_it_rests),
        TEST(test_P27_closing_waits_for_the_tries),
    };
    return RUN_TESTS("retries", tests);
}
