/* Who looks for jobs, or for their ends, before he sleeps: what he must see, when he must not look,
 * and that he sleeps in the end. */
#include "support/backends.h"

#include "executor/reactor.h"
#include "executor/thread_pool.h"

enum { SECOND = 1000000000 };

/* One worker is in the second of three jobs, and has moved the third from the inbox. The thread of
 * the test plays the other worker, on a machine with so many CPUs. */
struct scene {
    thread_pool *pool;
    word *words; /* begun, go, begun, go */
    yk_future *f[3];
    place at;
    thread self;
};

static void open_scene(struct scene *s, uint32_t cpus)
{
    yk_executor *ex = yk_thread_pool(.workers = 1, .spin_us = 1000000);
    assert_null(yk_executor_error(ex));
    *s = (struct scene){ .pool = yk__thread_pool_of(ex), .words = words_new(4) };
    s->pool->cpus = cpus;
    s->self.pool = s->pool;
    s->self.at = &s->at;
    for (int i = 0; i < 2; i++) {
        block b = { .begun = s->words + 2 * i, .go = s->words + 2 * i + 1 };
        s->f[i] = yk_submit(ex, job_block, &b, sizeof b);
        if (i == 0)
            eventually(word_get(s->words)); /* it is taken alone, and the others together */
    }
    s->f[2] = yk_submit(ex, job_nothing, NULL, 0);
    word_set(s->words + 1, 1);
    eventually(word_get(s->words + 2));
    assert_null(atomic_load(&s->pool->inbox));
}

static void close_scene(struct scene *s)
{
    word_set(s->words + 3, 1);
    backend_close(&s->pool->ex);
    for (size_t i = 0; i < COUNT_OF(s->f); i++) {
        assert_int_equal(yk_future_state(s->f[i]), YK_DONE);
        yk_future_unref(s->f[i]);
    }
    yk_arena_free(s->words);
}

/* Nobody is woken beside him. */
static void test_E14_who_looks_for_jobs_sees_what_another_worker_has_left(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s, 4);
    assert_true(yk__spin_look(&s.self));
    assert_int_equal(atomic_load(&s.pool->waking), 0);
    close_scene(&s);
}

static void test_T18_a_worker_that_is_too_many_does_not_look_for_jobs(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s, 4);
    yk_future *f = yk_submit(&s.pool->ex, job_nothing, NULL, 0);
    s.at.index = 1;
    assert_false(yk__spin_look(&s.self));
    close_scene(&s);
    yk_future_unref(f);
}

/* What could be had when a loop submitted is not what can be had now. */
static void test_nobody_looks_for_jobs_as_long_as_was_asked_for_without_a_cpu(void **state)
{
    (void)state;
    struct scene s;
    yk__reactor loop = { 0 };
    open_scene(&s, 4);
    yk__spin_submitter(s.pool, &loop);
    assert_int_equal(loop.awake_for, SECOND);
    s.pool->cpus = 1;
    yk_future *f = yk_submit(&s.pool->ex, job_nothing, NULL, 0);
    assert_false(yk__spin_look(&s.self));
    close_scene(&s);
    yk_future_unref(f);
}

/* The ends of these jobs do not come to it. */
static void test_the_driver_of_a_process_pool_does_not_stay_awake_for_threads(void **state)
{
    (void)state;
    struct scene s;
    yk__reactor driver = { .is_private = true };
    open_scene(&s, 4);
    yk__reactor_stay_awake(&driver, 7);
    yk__spin_submitter(s.pool, &driver);
    assert_int_equal(driver.awake_for, 7);
    assert_int_equal(atomic_load(&s.pool->loop_cpu), 0);
    close_scene(&s);
}

static void test_what_a_period_saved_does_not_count_for_the_next(void **state)
{
    (void)state;
    yk__luck luck = { 0 };
    assert_true(yk__luck_tries(&luck));
    assert_false(yk__luck_ends(&luck));
    luck.saved = YK__PAYS; /* it stayed awake for another reason */
    assert_false(yk__luck_tries(&luck));
    assert_false(yk__luck_ends(&luck));
    assert_true(yk__luck_tries(&luck));
    assert_false(yk__luck_ends(&luck));
    luck = (yk__luck){ 0 };
    assert_true(yk__luck_tries(&luck));
    luck.saved = YK__PAYS;
    assert_true(yk__luck_ends(&luck));
}

/* The only worker sleeps, and no guard: for longer than it could be seen so by mistake. */
static bool is_asleep(thread_pool *p)
{
    for (int i = 0; i < 1000; i++)
        if (atomic_load(&p->guard) || atomic_load(&p->idle[0]) != 1)
            return false;
    return true;
}

static void test_a_guard_goes_to_sleep_when_nothing_happens(void **state)
{
    (void)state;
    yk_executor *ex = yk_thread_pool(.workers = 1);
    thread_pool *p = yk__thread_pool_of(ex);
    word *words = words_new(2);
    yk_future *first =
        yk_submit(ex, job_block, &((block){ .begun = words, .go = words + 1 }), sizeof(block));
    yk_future *second = yk_submit(ex, job_nothing, NULL, 0);
    eventually(word_get(words));
    atomic_store(&p->each, 100); /* as if jobs were tiny, but for once */
    word_set(words + 1, 1);
    assert_int_equal(yk_await(first), 0);
    assert_int_equal(yk_await(second), 0);
    yk_future_unref(first);
    yk_future_unref(second);
    eventually(is_asleep(p));
    backend_close(ex);
    yk_arena_free(words);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_E14_who_looks_for_jobs_sees_what_another_worker_has_left),
        TEST(test_T18_a_worker_that_is_too_many_does_not_look_for_jobs),
        TEST(test_nobody_looks_for_jobs_as_long_as_was_asked_for_without_a_cpu),
        TEST(test_the_driver_of_a_process_pool_does_not_stay_awake_for_threads),
        TEST(test_what_a_period_saved_does_not_count_for_the_next),
        TEST(test_a_guard_goes_to_sleep_when_nothing_happens),
    };
    return RUN_TESTS("spin", tests);
}
