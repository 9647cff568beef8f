/* Tests of time-outs: deadlines for pieces of a task. */
#include <string.h>

#include "common.h"
#include "loop/timeout.h"

#include "executor/executor.h"
#include "executor/init.h"

/* A point in time that has passed. */
#define PAST 1

/* Waits for what never comes; only an interruption ends it. */
static int wait_for_nothing(void *unused)
{
    (void)unused;
    yk_future *never = yk_future_new();
    int err = yk_await(never);
    yk_future_unref(never);
    return err;
}

static int assert_nothing_is_due(void)
{
    assert_int_equal(yk_yield(), 0);
    return 0;
}

/* ---- A18: one call under a deadline ---------------------------------------------------------- */

static int give_seven(void *unused)
{
    (void)unused;
    return 7;
}

static int await_it(void *f)
{
    return yk_await(f);
}

static int of_what_has_ended(void *unused)
{
    (void)unused;
    assert_int_equal(yk_with_timeout(give_seven, NULL, PAST), 7);
    yk_future *f = yk_future_new();
    assert_int_equal(yk_future_set_result(f, "x", 1), 0);
    assert_int_equal(yk_with_timeout(await_it, f, PAST), 0);
    yk_future_unref(f);
    return assert_nothing_is_due();
}

static void test_A18_what_has_ended_is_had_after_the_deadline_too(void **state)
{
    (void)state;
    assert_int_equal(run_task(of_what_has_ended, NULL), 0);
}

static int of_what_never_ends(void *unused)
{
    (void)unused;
    assert_int_equal(yk_with_timeout(wait_for_nothing, NULL, PAST), UV_ETIMEDOUT);
    assert_int_equal(yk_with_timeout(wait_for_nothing, NULL, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_with_timeout(wait_for_nothing, NULL, yk_after_ms(1)), UV_ETIMEDOUT);
    return assert_nothing_is_due();
}

static void test_A18_A19_a_deadline_passes(void **state)
{
    (void)state;
    assert_int_equal(run_task(of_what_never_ends, NULL), 0);
}

static int inner_is_cancelled(void *unused)
{
    (void)unused;
    yk_future *inner = yk_task_start(wait_for_nothing, NULL);
    assert_int_equal(yk_with_timeout(await_it, inner, yk_after_ms(1)), UV_ETIMEDOUT);
    yk_await(inner);
    assert_int_equal(yk_future_state(inner), YK_CANCELLED);
    yk_future_unref(inner);
    return assert_nothing_is_due();
}

static void test_A18_what_was_awaited_is_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run_task(inner_is_cancelled, NULL), 0);
}

/* Needs some turns to clean up, which the deadline does not take from it. */
static int clean_up_slowly(void *cleaned)
{
    int err = wait_for_nothing(NULL);
    for (int i = 0; i < 5; i++)
        assert_int_equal(yk_yield(), 0);
    *(bool *)cleaned = true;
    return err;
}

static int waits_for_the_cleaning(void *unused)
{
    (void)unused;
    bool cleaned = false;
    assert_int_equal(yk_with_timeout(clean_up_slowly, &cleaned, PAST), UV_ETIMEDOUT);
    assert_true(cleaned);
    return assert_nothing_is_due();
}

static void test_A18_it_waits_for_the_piece_to_clean_up(void **state)
{
    (void)state;
    assert_int_equal(run_task(waits_for_the_cleaning, NULL), 0);
}

static int fail_when_interrupted(void *unused)
{
    assert_int_equal(wait_for_nothing(unused), YK_ECANCELED);
    return UV_EIO;
}

static int error_while_it_cleans_up(void *unused)
{
    (void)unused;
    assert_int_equal(yk_with_timeout(fail_when_interrupted, NULL, PAST), UV_EIO);
    return assert_nothing_is_due();
}

static void test_A18_A19_an_error_of_the_piece_is_not_hidden(void **state)
{
    (void)state;
    assert_int_equal(run_task(error_while_it_cleans_up, NULL), 0);
}

static int cancel_oneself(void *unused)
{
    assert_int_equal(yk_future_cancel(yk_task_current()), 1);
    return wait_for_nothing(unused);
}

static int self_cancellation(void *unused)
{
    (void)unused;
    assert_int_equal(yk_with_timeout(cancel_oneself, NULL, yk_after_ms(60000)), YK_ECANCELED);
    assert_int_equal(yk_with_timeout(cancel_oneself, NULL, PAST), YK_ECANCELED); /* both at once */
    return assert_nothing_is_due();
}

static void test_A18_a_task_that_cancels_itself_was_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run_task(self_cancellation, NULL), 0);
}

struct race {
    yk_future *f;
    yk_timeout *t;
};

/* Ends the future in the turn in which the deadline has passed, before the waiter runs. */
static int end_it_late(void *arg)
{
    struct race *r = arg;
    while (!yk_timeout_has_passed(r->t))
        assert_int_equal(yk_yield(), 0);
    return yk_future_set_result(r->f, "x", 1);
}

static int result_and_deadline_race(void *unused)
{
    (void)unused;
    for (int i = 0; i < 100; i++) {
        yk_timeout t;
        assert_int_equal(yk_timeout_begin(&t, yk_after_ms(1)), 0);
        struct race r = { yk_future_new(), &t };
        yk_future *ender = yk_task_start(end_it_late, &r);
        int err = yk_await(r.f);
        int verdict = yk_timeout_end(&t, err);
        assert_int_equal(verdict, err == 0 ? 0 : UV_ETIMEDOUT);
        assert_int_equal(yk_future_state(r.f), err == 0 ? YK_DONE : YK_CANCELLED);
        assert_int_equal(yk_await(ender), 0); /* nothing is due for this one any more */
        yk_future_unref(ender);
        yk_future_unref(r.f);
    }
    return assert_nothing_is_due();
}

static int set_unless_ended(void *f)
{
    yk_future_set_result(f, "x", 1);
    return 0;
}

static int result_comes_first(void *unused)
{
    (void)unused;
    yk_future *f = yk_future_new();
    yk_timeout t;
    yk_future *ender = yk_task_start(set_unless_ended, f);
    assert_int_equal(yk_timeout_begin(&t, YK_FOREVER), 0);
    assert_int_equal(yk_await(f), 0);
    assert_int_equal(yk_timeout_move(&t, PAST), 0);
    /* The piece is through: it hears of no deadline. */
    assert_int_equal(yk_timeout_end(&t, 0), 0);
    assert_int_equal(yk_await(ender), 0);
    yk_future_unref(ender);
    yk_future_unref(f);
    return assert_nothing_is_due();
}

static void test_A18_result_and_deadline_race_and_neither_is_lost(void **state)
{
    (void)state;
    assert_int_equal(run_task(result_comes_first, NULL), 0);
}

static void test_A18_either_the_result_or_the_deadline(void **state)
{
    (void)state;
    assert_int_equal(run_task(result_and_deadline_race, NULL), 0);
}

/* ---- A19: pieces of a function --------------------------------------------------------------- */

static int nested(void *inner_first)
{
    bool inner_passes = *(bool *)inner_first;
    yk_timeout outer, inner;
    assert_int_equal(yk_timeout_begin(&outer, inner_passes ? YK_FOREVER : PAST), 0);
    assert_int_equal(yk_timeout_begin(&inner, inner_passes ? PAST : YK_FOREVER), 0);
    int err = yk_timeout_end(&inner, wait_for_nothing(NULL));
    assert_int_equal(err, inner_passes ? UV_ETIMEDOUT : YK_ECANCELED);
    err = yk_timeout_end(&outer, err);
    assert_int_equal(err, UV_ETIMEDOUT);
    return assert_nothing_is_due();
}

static void test_A19_nested(void **state)
{
    (void)state;
    assert_int_equal(run_task(nested, &(bool){ true }), 0);
    assert_int_equal(run_task(nested, &(bool){ false }), 0);
}

static int both_pass(void *unused)
{
    (void)unused;
    yk_timeout outer, inner;
    assert_int_equal(yk_timeout_begin(&outer, PAST), 0);
    assert_int_equal(yk_timeout_begin(&inner, PAST), 0);
    int err = yk_timeout_end(&inner, wait_for_nothing(NULL));
    if (err == YK_ECANCELED) /* both were told by one wait: it is the outer one's */
        err = yk_timeout_end(&outer, err);
    else
        yk_timeout_end(&outer, 0);
    assert_int_equal(err, UV_ETIMEDOUT);
    return assert_nothing_is_due();
}

static void test_A19_nested_and_both_pass(void **state)
{
    (void)state;
    assert_int_equal(run_task(both_pass, NULL), 0);
}

static int disabled(void *unused)
{
    (void)unused;
    yk_timeout t;
    assert_int_equal(yk_timeout_begin(&t, YK_FOREVER), 0);
    assert_int_equal(yk_yield(), 0);
    assert_false(yk_timeout_has_passed(&t));
    assert_int_equal(yk_timeout_end(&t, 0), 0);
    assert_int_equal(yk_timeout_end(&t, UV_EIO), UV_EIO); /* it is over */
    assert_false(yk_timeout_has_passed(&t));
    assert_int_equal(yk_timeout_move(&t, PAST), UV_EINVAL);
    return assert_nothing_is_due();
}

static int moved(void *unused)
{
    yk_timeout t;
    assert_int_equal(yk_timeout_begin(&t, yk_after_ms(60000)), 0);
    assert_int_equal(yk_timeout_move(&t, YK_FOREVER), 0);
    assert_int_equal(yk_timeout_move(&t, yk_after_ms(1)), 0);
    assert_int_equal(wait_for_nothing(unused), YK_ECANCELED);
    assert_true(yk_timeout_has_passed(&t));
    assert_int_equal(yk_timeout_move(&t, YK_FOREVER), UV_EINVAL); /* too late */
    assert_int_equal(yk_timeout_end(&t, YK_ECANCELED), UV_ETIMEDOUT);
    return assert_nothing_is_due();
}

static void test_A19_disabled_and_moved(void **state)
{
    (void)state;
    assert_int_equal(run_task(disabled, NULL), 0);
    assert_int_equal(run_task(moved, NULL), 0);
}

static int foreign_error(void *unused)
{
    (void)unused;
    yk_timeout t;
    assert_int_equal(yk_timeout_begin(&t, yk_after_ms(60000)), 0);
    assert_int_equal(yk_timeout_end(&t, UV_ENOENT), UV_ENOENT);
    assert_int_equal(yk_timeout_begin(&t, yk_after_ms(60000)), 0);
    assert_int_equal(yk_timeout_end(&t, YK_ECANCELED), YK_ECANCELED); /* somebody else's */
    return assert_nothing_is_due();
}

static void test_A19_a_foreign_error_passes_through(void **state)
{
    (void)state;
    assert_int_equal(run_task(foreign_error, NULL), 0);
}

static int under_a_timeout(void *unused)
{
    return yk_with_timeout(wait_for_nothing, unused, yk_after_ms(60000));
}

static int cancelled_from_outside(void *unused)
{
    (void)unused;
    yk_future *t = yk_task_start(under_a_timeout, NULL);
    assert_int_equal(yk_yield(), 0);
    assert_int_equal(yk_future_cancel(t), 1);
    assert_int_equal(yk_await(t), YK_ECANCELED);
    assert_int_equal(yk_future_state(t), YK_CANCELLED);
    yk_future_unref(t);
    return assert_nothing_is_due();
}

static void test_A19_a_cancellation_stays_one(void **state)
{
    (void)state;
    assert_int_equal(run_task(cancelled_from_outside, NULL), 0);
}

/* Awaits only what has ended: the deadline does not stop it, but the first wait after that does. */
static int busy(void *unused)
{
    (void)unused;
    yk_timeout t;
    assert_int_equal(yk_timeout_begin(&t, yk_after_ms(1)), 0);
    int err;
    while ((err = yk_yield()) == 0)
        ;
    assert_int_equal(yk_timeout_end(&t, err), UV_ETIMEDOUT);
    return assert_nothing_is_due();
}

static void test_A19_a_busy_task_is_interrupted_where_it_yields(void **state)
{
    (void)state;
    assert_int_equal(run_task(busy, NULL), 0);
}

/* What it does while it cleans up has a time-out of its own. */
static int timeout_in_the_cleaning(void *unused)
{
    yk_timeout t;
    assert_int_equal(yk_timeout_begin(&t, PAST), 0);
    int err = wait_for_nothing(unused);
    assert_int_equal(err, YK_ECANCELED);
    assert_int_equal(yk_with_timeout(wait_for_nothing, NULL, PAST), UV_ETIMEDOUT);
    assert_int_equal(yk_timeout_end(&t, err), UV_ETIMEDOUT);
    return assert_nothing_is_due();
}

static void test_A19_a_timeout_while_another_is_cleaned_up(void **state)
{
    (void)state;
    assert_int_equal(run_task(timeout_in_the_cleaning, NULL), 0);
}

static int begin_and_forget(void *unused)
{
    (void)unused;
    yk_timeout t;
    return yk_timeout_begin(&t, yk_after_ms(60000));
}

static char logged[128];

static void note_log(const char *line, void *unused)
{
    (void)unused;
    snprintf(logged, sizeof logged, "%s", line);
}

static int forgotten(void *unused)
{
    (void)unused;
    yk_future *t = yk_task_start_with(begin_and_forget, NULL, .name = "careless");
    assert_int_equal(yk_await(t), 0);
    yk_future_unref(t);
    return assert_nothing_is_due();
}

static void test_A19_one_that_was_not_ended_is_reported(void **state)
{
    (void)state;
    logged[0] = '\0';
    yk_set_log(note_log, NULL);
    assert_int_equal(run_task(forgotten, NULL), 0);
    yk_set_log(NULL, NULL);
    assert_non_null(strstr(logged, "careless"));
}

static void test_A19_not_outside_a_task(void **state)
{
    (void)state;
    yk_timeout t;
    assert_int_equal(yk_timeout_begin(&t, PAST), YK_EONLOOP);
    assert_int_equal(yk_timeout_end(&t, 3), 3);
    assert_int_equal(yk_with_timeout(give_seven, NULL, PAST), YK_EONLOOP);
}

/* ---- Down to the worker process -------------------------------------------------------------- */

static int job_for_ever(yk_job *job)
{
    while (!yk_job_cancelled(job))
        usleep(100);
    return YK_ECANCELED;
}

static int job_is_cancelled(void *unused)
{
    (void)unused;
    yk_executor *pool = yk_process_pool(.workers = 1);
    yk_future *f = yk_submit(pool, job_for_ever, NULL, 0);
    assert_int_equal(yk_with_timeout(await_it, f, yk_after_ms(1)), UV_ETIMEDOUT);
    yk_await(f);
    assert_int_equal(yk_future_state(f), YK_CANCELLED);
    yk_future_unref(f);
    assert_int_equal(yk_executor_close(pool), 0);
    return assert_nothing_is_due();
}

static void test_A18_the_job_in_a_worker_process_is_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run_task(job_is_cancelled, NULL), 0);
}

int main(void)
{
    int err = yk_init();
    if (err)
        return 1;
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_A18_what_has_ended_is_had_after_the_deadline_too),
        cmocka_unit_test(test_A18_A19_a_deadline_passes),
        cmocka_unit_test(test_A18_what_was_awaited_is_cancelled),
        cmocka_unit_test(test_A18_it_waits_for_the_piece_to_clean_up),
        cmocka_unit_test(test_A18_A19_an_error_of_the_piece_is_not_hidden),
        cmocka_unit_test(test_A18_a_task_that_cancels_itself_was_cancelled),
        cmocka_unit_test(test_A18_result_and_deadline_race_and_neither_is_lost),
        cmocka_unit_test(test_A18_either_the_result_or_the_deadline),
        cmocka_unit_test(test_A19_nested),
        cmocka_unit_test(test_A19_nested_and_both_pass),
        cmocka_unit_test(test_A19_disabled_and_moved),
        cmocka_unit_test(test_A19_a_foreign_error_passes_through),
        cmocka_unit_test(test_A19_a_cancellation_stays_one),
        cmocka_unit_test(test_A19_a_busy_task_is_interrupted_where_it_yields),
        cmocka_unit_test(test_A19_a_timeout_while_another_is_cleaned_up),
        cmocka_unit_test(test_A19_one_that_was_not_ended_is_reported),
        cmocka_unit_test(test_A19_not_outside_a_task),
        cmocka_unit_test(test_A18_the_job_in_a_worker_process_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
