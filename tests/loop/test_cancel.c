/* A10: cancelling tasks, in every way that one can. */
#include "common.h"

#include <pthread.h>

/* What a task saw and what became of it. */
struct seen {
    int ran, first, second;
    yk_future *inner;
};

static void assert_cancelled(yk_future *task)
{
    assert_int_equal(yk_future_state(task), YK_CANCELLED);
    assert_int_equal(yk_future_error(task)->code, YK_ECANCELED);
}

static void assert_result(yk_future *task, int expected)
{
    assert_int_equal(yk_future_state(task), YK_DONE);
    size_t len;
    const int *result = yk_future_result(task, &len);
    assert_int_equal(len, sizeof *result);
    assert_int_equal(*result, expected);
}

static void await_and_drop(yk_future *task, void (*check)(yk_future *))
{
    yk_await(task);
    check(task);
    yk_future_unref(task);
}

/* ---- Before the first step ------------------------------------------------------------------- */

static int note_run(void *arg)
{
    ((struct seen *)arg)->ran++;
    return 0;
}

static int cancel_before_first_step(void *arg)
{
    struct seen seen = { 0 };
    (void)arg;
    yk_future *task = yk_task_start(note_run, &seen);
    assert_int_equal(yk_future_cancel(task), 0);
    assert_int_equal(yk_future_cancel(task), 0);
    assert_cancelled(task);
    assert_int_equal(yk_yield(), 0);
    await_and_drop(task, assert_cancelled);
    assert_int_equal(seen.ran, 0);
    return 0;
}

static void test_A10_cancelled_before_the_first_step_it_never_runs(void **state)
{
    (void)state;
    assert_int_equal(run_task(cancel_before_first_step, NULL), 0);
}

/* ---- At a yield ------------------------------------------------------------------------------ */

static int yield_for_ever(void *arg)
{
    struct seen *seen = arg;
    int err;
    while ((err = yk_yield()) == 0)
        seen->ran++;
    return err;
}

static int cancel_at_a_yield(void *arg)
{
    struct seen seen = { 0 };
    (void)arg;
    yk_future *task = yk_task_start(yield_for_ever, &seen);
    while (seen.ran < 3)
        yk_yield();
    assert_int_equal(yk_future_cancel(task), 1);
    await_and_drop(task, assert_cancelled);
    return 0;
}

static void test_A10_cancelled_at_a_yield(void **state)
{
    (void)state;
    assert_int_equal(run_task(cancel_at_a_yield, NULL), 0);
}

/* ---- While it awaits a future: that one, the task, or both ----------------------------------- */

static int await_inner(void *arg)
{
    struct seen *seen = arg;
    seen->ran++;
    seen->first = yk_await(seen->inner);
    return seen->first;
}

static yk_future *start_awaiting(struct seen *seen)
{
    *seen = (struct seen){ .inner = yk_future_new() };
    yk_future *task = yk_task_start(await_inner, seen);
    while (!seen->ran)
        yk_yield();
    return task;
}

static int cancel_the_inner_future(void *arg)
{
    struct seen seen;
    (void)arg;
    yk_future *task = start_awaiting(&seen);
    assert_int_equal(yk_future_cancel(seen.inner), 0);
    await_and_drop(task, assert_cancelled);
    assert_int_equal(seen.first, YK_ECANCELED);
    yk_future_unref(seen.inner);
    return 0;
}

static int cancel_the_awaiting_task(void *arg)
{
    struct seen seen;
    (void)arg;
    yk_future *task = start_awaiting(&seen);
    assert_int_equal(yk_future_cancel(task), 1);
    await_and_drop(task, assert_cancelled);
    assert_int_equal(yk_future_state(seen.inner), YK_CANCELLED);
    yk_future_unref(seen.inner);
    return 0;
}

static int cancel_both(void *arg)
{
    struct seen seen;
    (void)arg;
    yk_future *task = start_awaiting(&seen);
    yk_future_cancel(seen.inner);
    yk_future_cancel(task);
    await_and_drop(task, assert_cancelled);
    assert_int_equal(seen.first, YK_ECANCELED);
    yk_future_unref(seen.inner);
    return 0;
}

static void test_A10_inner_future_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run_task(cancel_the_inner_future, NULL), 0);
}

static void test_A10_cancelling_the_task_cancels_what_it_awaits(void **state)
{
    (void)state;
    assert_int_equal(run_task(cancel_the_awaiting_task, NULL), 0);
}

static void test_A10_both_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run_task(cancel_both, NULL), 0);
}

/* ---- Itself ---------------------------------------------------------------------------------- */

static int cancel_myself(void *arg)
{
    struct seen *seen = arg;
    assert_int_equal(yk_future_cancel(yk_task_current()), 1);
    seen->ran++;
    seen->first = yk_sleep_ms(60000);
    seen->second = yk_sleep_ms(1);
    return seen->first;
}

static int cancel_myself_and_end(void *arg)
{
    (void)arg;
    yk_future_cancel(yk_task_current());
    return 12;
}

static void test_A10_cancelling_oneself_ends_the_next_wait(void **state)
{
    (void)state;
    struct seen seen = { 0 };
    assert_int_equal(run_task(cancel_myself, &seen), YK_ECANCELED);
    assert_int_equal(seen.ran, 1);
    assert_int_equal(seen.first, YK_ECANCELED);
    assert_int_equal(seen.second, 0);
}

static void test_A10_cancelled_at_its_end_it_keeps_its_result(void **state)
{
    (void)state;
    assert_int_equal(run_task(cancel_myself_and_end, NULL), 12);
}

static int cancel_one_that_has_ended(void *arg)
{
    (void)arg;
    struct seen seen = { 0 };
    yk_future *task = yk_task_start(note_run, &seen);
    assert_int_equal(yk_await(task), 0);
    assert_int_equal(yk_future_cancel(task), YK_EDONE);
    assert_result(task, 0);
    yk_future_unref(task);
    return 0;
}

static void test_A10_cancelling_what_has_ended_changes_nothing(void **state)
{
    (void)state;
    assert_int_equal(run_task(cancel_one_that_has_ended, NULL), 0);
}

/* ---- Caught, ignored, repeated --------------------------------------------------------------- */

static int catch_it(void *arg)
{
    struct seen *seen = arg;
    seen->ran++;
    seen->first = yk_sleep_ms(60000);
    return 42;
}

static int ignore_it(void *arg)
{
    struct seen *seen = arg;
    seen->ran++;
    seen->first = yk_sleep_ms(60000);
    seen->ran++;
    seen->second = yk_await(seen->inner); /* must wait: the cancellation has been had */
    return seen->second;
}

static int cancel_one_that_catches(void *arg)
{
    struct seen seen = { 0 };
    (void)arg;
    yk_future *task = yk_task_start(catch_it, &seen);
    yk_yield();
    assert_int_equal(seen.ran, 1);
    yk_future_cancel(task);
    assert_int_equal(yk_await(task), 0);
    assert_result(task, 42);
    assert_int_equal(seen.first, YK_ECANCELED);
    yk_future_unref(task);
    return 0;
}

static int cancel_one_that_ignores(void *arg)
{
    struct seen seen = { .inner = yk_future_new() };
    (void)arg;
    yk_future *task = yk_task_start(ignore_it, &seen);
    yk_yield();
    yk_future_cancel(task);
    while (seen.ran < 2)
        yk_yield();
    for (int i = 0; i < 10; i++)
        yk_yield();
    assert_false(yk_future_ended(task));
    yk_future_set_result(seen.inner, NULL, 0);
    assert_int_equal(yk_await(task), 0);
    assert_int_equal(seen.first, YK_ECANCELED);
    assert_int_equal(seen.second, 0);
    yk_future_unref(task);
    yk_future_unref(seen.inner);
    return 0;
}

static int cancel_twice(void *arg)
{
    struct seen seen = { .inner = yk_future_new() };
    (void)arg;
    yk_future *task = yk_task_start(ignore_it, &seen);
    yk_yield();
    yk_future_cancel(task);
    while (seen.ran < 2)
        yk_yield();
    assert_int_equal(yk_future_cancel(task), 1);
    await_and_drop(task, assert_cancelled);
    assert_int_equal(seen.second, YK_ECANCELED);
    yk_future_unref(seen.inner);
    return 0;
}

static void test_A10_a_task_may_catch_it(void **state)
{
    (void)state;
    assert_int_equal(run_task(cancel_one_that_catches, NULL), 0);
}

static void test_A10_a_task_may_ignore_it(void **state)
{
    (void)state;
    assert_int_equal(run_task(cancel_one_that_ignores, NULL), 0);
}

static void test_A10_one_that_ignored_it_can_be_cancelled_again(void **state)
{
    (void)state;
    assert_int_equal(run_task(cancel_twice, NULL), 0);
}

/* ---- A result that was there first ----------------------------------------------------------- */

static int result_then_cancel(void *arg)
{
    struct seen seen;
    (void)arg;
    yk_future *task = start_awaiting(&seen);
    yk_future_set_result(seen.inner, NULL, 0);
    yk_future_cancel(task); /* the task is ready by now, but has not run */
    assert_int_equal(yk_await(task), 0);
    assert_int_equal(seen.first, 0);
    yk_future_unref(task);
    yk_future_unref(seen.inner);
    return 0;
}

static void test_A10_a_result_that_came_first_is_not_lost(void **state)
{
    (void)state;
    assert_int_equal(run_task(result_then_cancel, NULL), 0);
}

/* ---- From other threads, against everything that may race with it ---------------------------- */

struct race {
    yk_future *task, *inner;
    pthread_barrier_t start;
};

static void *race_to_cancel(void *arg)
{
    struct race *race = arg;
    pthread_barrier_wait(&race->start);
    yk_future_cancel(race->task);
    yk_future_unref(race->task);
    return NULL;
}

static void *race_to_finish(void *arg)
{
    struct race *race = arg;
    pthread_barrier_wait(&race->start);
    yk_future_set_result(race->inner, NULL, 0);
    yk_future_unref(race->inner);
    return NULL;
}

static int await_racing(void *arg)
{
    struct race *race = arg;
    int err = yk_await_until(race->inner, yk_after_ms(50000));
    return err == 0 || err == YK_ECANCELED ? err : UV_EINVAL;
}

static int race_once(void *arg)
{
    pthread_t threads[2];
    struct race race = { .inner = yk_future_new() };
    (void)arg;
    pthread_barrier_init(&race.start, NULL, 2);
    race.task = yk_task_start(await_racing, &race);
    yk_future *task = yk_future_ref(race.task);
    yk_future_ref(race.inner);
    yk_yield();
    pthread_create(&threads[0], NULL, race_to_cancel, &race);
    pthread_create(&threads[1], NULL, race_to_finish, &race);
    int err = yk_await(task);
    assert_true(err == 0 || err == YK_ECANCELED);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&race.start);
    yk_future_unref(task);
    yk_future_unref(race.inner);
    return 0;
}

static int race_often(void *arg)
{
    for (int i = 0; i < (SLOWLY ? 100 : 1000); i++)
        race_once(arg);
    return 0;
}

static void test_A10_F26_cancel_and_result_race_from_two_threads(void **state)
{
    (void)state;
    assert_int_equal(run_task(race_often, NULL), 0);
}

static int end_at_once(void *arg)
{
    (void)arg;
    return 0;
}

/* The task and its loop end while another thread is about to cancel it. */
static void test_A10_cancel_races_with_the_end_of_task_and_loop(void **state)
{
    (void)state;
    for (int i = 0; i < (SLOWLY ? 50 : 500); i++) {
        struct race race;
        pthread_t thread;
        yk_loop *loop = yk_loop_new();
        race.task = yk_future_ref(yk_task_start(end_at_once, NULL));
        yk_future *task = race.task;
        pthread_barrier_init(&race.start, NULL, 2);
        pthread_create(&thread, NULL, race_to_cancel, &race);
        pthread_barrier_wait(&race.start);
        yk_loop_run_until(loop, task);
        assert_int_equal(yk_loop_close(loop), 0);
        pthread_join(thread, NULL);
        pthread_barrier_destroy(&race.start);
        assert_true(yk_future_ended(task));
        yk_future_unref(task);
    }
}

/* ---- Waits on many leave their futures alone ------------------------------------------------- */

static int wait_on_two(void *arg)
{
    yk_future *const *two = arg;
    return yk_wait(two, 2, YK_ALL_ENDED, YK_FOREVER);
}

static int cancel_a_wait_on_many(void *arg)
{
    (void)arg;
    yk_future *two[] = { yk_future_new(), yk_future_new() };
    yk_future *task = yk_task_start(wait_on_two, two);
    yk_yield();
    yk_future_cancel(task);
    await_and_drop(task, assert_cancelled);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(yk_future_state(two[i]), YK_PENDING);
        yk_future_set_result(two[i], NULL, 0);
        yk_future_unref(two[i]);
    }
    return 0;
}

static void test_A10_a_wait_on_many_is_cancelled_and_they_are_not(void **state)
{
    (void)state;
    assert_int_equal(run_task(cancel_a_wait_on_many, NULL), 0);
}

int main(void)
{
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_A10_cancelled_before_the_first_step_it_never_runs),
        cmocka_unit_test(test_A10_cancelled_at_a_yield),
        cmocka_unit_test(test_A10_inner_future_cancelled),
        cmocka_unit_test(test_A10_cancelling_the_task_cancels_what_it_awaits),
        cmocka_unit_test(test_A10_both_cancelled),
        cmocka_unit_test(test_A10_cancelling_oneself_ends_the_next_wait),
        cmocka_unit_test(test_A10_cancelled_at_its_end_it_keeps_its_result),
        cmocka_unit_test(test_A10_cancelling_what_has_ended_changes_nothing),
        cmocka_unit_test(test_A10_a_task_may_catch_it),
        cmocka_unit_test(test_A10_a_task_may_ignore_it),
        cmocka_unit_test(test_A10_one_that_ignored_it_can_be_cancelled_again),
        cmocka_unit_test(test_A10_a_result_that_came_first_is_not_lost),
        cmocka_unit_test(test_A10_F26_cancel_and_result_race_from_two_threads),
        cmocka_unit_test(test_A10_cancel_races_with_the_end_of_task_and_loop),
        cmocka_unit_test(test_A10_a_wait_on_many_is_cancelled_and_they_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
