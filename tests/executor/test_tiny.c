/* Tiny jobs are left to one worker, and woken for late; what is not tiny among them must not
 * suffer.
 */
#include "support/backends.h"

#include <sched.h>

#define TINY 400 /* jobs: enough for a pool of threads to know that they are */

static void run_tiny_jobs(const backend *b, yk_executor *ex)
{
    yk_future *f[TINY];
    for (size_t i = 0; i < TINY; i++)
        f[i] = backend_submit(b, ex, job_nothing, NULL, 0);
    assert_int_equal(yk_await_all(f, TINY, YK_FOREVER), 0);
    for (size_t i = 0; i < TINY; i++)
        yk_future_unref(f[i]);
}

static int job_set(yk_job *job)
{
    word_set(*(word **)yk_job_arg(job), 1);
    return 0;
}

/* The first job waits, as the pool cannot see, for one that is queued behind it. */
static void one_waits_for_the_next(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    word *go = words_new(1);
    for (int round = 0; round < 20; round++) {
        run_tiny_jobs(b, ex);
        word_set(go, 0);
        yk_future *first = backend_submit(b, ex, job_block, &(block){ .go = go }, sizeof(block));
        yk_future *next = backend_submit(b, ex, job_set, &go, sizeof go);
        assert_int_equal(yk_await(first), 0);
        assert_int_equal(yk_await(next), 0);
        yk_future_unref(first);
        yk_future_unref(next);
    }
    backend_close(ex);
    yk_arena_free(go);
}

static void test_E14_a_long_job_among_tiny_ones_holds_up_no_other(void **state)
{
    (void)state;
    on_every_backend(one_waits_for_the_next);
}

/* The turn of the loop ends when the jobs have run, and not before. */
static void the_turn_lasts(const backend *b)
{
    if (b->processes && b->on_loop)
        return; /* that loop drives the pool */
    yk_executor *ex = OPEN(b, .workers = 2);
    word *done = words_new(1);
    for (int round = 0; round < 20; round++) {
        yk_future *f[3];
        run_tiny_jobs(b, ex);
        word_set(done, 0);
        for (size_t i = 0; i < COUNT_OF(f); i++)
            f[i] = backend_submit(b, ex, job_count, &done, sizeof done);
        while (word_get(done) < COUNT_OF(f))
            sched_yield();
        for (size_t i = 0; i < COUNT_OF(f); i++) {
            assert_int_equal(yk_await(f[i]), 0);
            yk_future_unref(f[i]);
        }
    }
    backend_close(ex);
    yk_arena_free(done);
}

static void test_E01_jobs_run_though_the_turn_of_the_loop_lasts(void **state)
{
    (void)state;
    on_every_backend(the_turn_lasts);
}

/* Whoever queues the last job of a burst may find everybody on his way to sleep, or on guard. */
static void bursts_with(const backend *b, uint64_t spin_us)
{
    yk_executor *ex = OPEN(b, .workers = 3, .spin_us = spin_us);
    yk_future *f[70];
    for (size_t round = 0; round < 350; round++) {
        size_t n = 1 + round % COUNT_OF(f);
        for (size_t i = 0; i < n; i++)
            f[i] = backend_submit(b, ex, job_nothing, NULL, 0);
        assert_int_equal(yk_await_all(f, n, YK_FOREVER), 0);
        for (size_t i = 0; i < n; i++)
            yk_future_unref(f[i]);
    }
    backend_close(ex);
}

static void bursts_of_all_sizes(const backend *b)
{
    bursts_with(b, 0);
    bursts_with(b, 20);
}

static void test_E15_bursts_of_tiny_jobs_find_somebody_awake(void **state)
{
    (void)state;
    on_every_backend(bursts_of_all_sizes);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_E14_a_long_job_among_tiny_ones_holds_up_no_other),
        TEST(test_E01_jobs_run_though_the_turn_of_the_loop_lasts),
        TEST(test_E15_bursts_of_tiny_jobs_find_somebody_awake),
    };
    return RUN_TESTS("tiny", tests);
}
