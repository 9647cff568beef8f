/* Tests of scopes: who owns tasks and jobs, and what happens when one of them fails. */
#include <string.h>

#include "common.h"
#include "loop/scope.h"
#include "loop/timeout.h"

#include "executor/executor.h"
#include "executor/init.h"

/* What parts did. */
static struct {
    int begun, ended, cancelled;
} seen;

static int wait_for_nothing(void *unused)
{
    (void)unused;
    seen.begun++;
    yk_future *never = yk_future_new();
    int err = yk_await(never);
    yk_future_unref(never);
    seen.ended++;
    seen.cancelled += err == YK_ECANCELED;
    return err;
}

static int fail_at_once(void *code)
{
    return *(int *)code;
}

static int yield_then(void *code)
{
    for (int i = 0; i < 3; i++) {
        int err = yk_yield();
        if (err)
            return err;
    }
    seen.ended++;
    return *(int *)code;
}

static int no_memory = UV_ENOMEM, no_entry = UV_ENOENT, fine = 0;

static int assert_nothing_is_due(void)
{
    assert_int_equal(yk_yield(), 0);
    return 0;
}

static int run(yk_task_fn fn)
{
    memset(&seen, 0, sizeof seen);
    return run_task(fn, NULL);
}

/* ---- All goes well --------------------------------------------------------------------------- */

static int all_end(void *unused)
{
    (void)unused;
    yk_scope *s = yk_scope_begin();
    for (int i = 0; i < 5; i++)
        yk_scope_start(s, yield_then, &fine);
    assert_int_equal(yk_scope_end(s, 0), 0);
    assert_int_equal(seen.ended, 5);
    s = yk_scope_begin(); /* an empty one */
    assert_int_equal(yk_scope_end(s, 0), 0);
    s = yk_scope_begin();
    assert_int_equal(yk_scope_end(s, 3), 3);
    return assert_nothing_is_due();
}

static void test_A20_the_end_waits_for_all(void **state)
{
    (void)state;
    assert_int_equal(run(all_end), 0);
}

static int results(void *unused)
{
    (void)unused;
    yk_scope *s = yk_scope_begin();
    yk_future *f = yk_scope_start(s, yield_then, &(int){ 42 });
    int status = 0;
    assert_int_equal(yk_await_into(f, &status, sizeof status), 0);
    assert_int_equal(status, 42);
    return yk_scope_end(s, 0);
}

static void test_A20_parts_may_be_awaited(void **state)
{
    (void)state;
    assert_int_equal(run(results), 0);
}

/* ---- Failures -------------------------------------------------------------------------------- */

static int one_fails(void *unused)
{
    (void)unused;
    yk_scope *s = yk_scope_begin();
    yk_scope_start(s, wait_for_nothing, NULL);
    yk_scope_start(s, yield_then, &no_entry);
    yk_scope_start(s, wait_for_nothing, NULL);
    assert_int_equal(yk_scope_end(s, 0), UV_ENOENT);
    assert_int_equal(seen.cancelled, 2);
    return assert_nothing_is_due();
}

static void test_A20_a_failure_cancels_the_others(void **state)
{
    (void)state;
    assert_int_equal(run(one_fails), 0);
}

static int body_is_interrupted(void *unused)
{
    yk_scope *s = yk_scope_begin();
    yk_scope_start(s, yield_then, &no_entry);
    int err = wait_for_nothing(unused);
    assert_int_equal(err, YK_ECANCELED);
    assert_int_equal(yk_scope_end(s, err), UV_ENOENT);
    return assert_nothing_is_due();
}

static void test_A20_a_failure_interrupts_the_body(void **state)
{
    (void)state;
    assert_int_equal(run(body_is_interrupted), 0);
}

/* It fails after the others have been cancelled, while they clean up. */
static int fail_when_cancelled(void *code)
{
    int err = wait_for_nothing(NULL);
    assert_int_equal(err, YK_ECANCELED);
    return *(int *)code;
}

static int several_fail(void *unused)
{
    (void)unused;
    yk_scope *s = yk_scope_begin();
    yk_future *late = yk_scope_start(s, fail_when_cancelled, &no_memory);
    yk_future *first = yk_scope_start(s, yield_then, &no_entry);
    yk_future *failed[4] = { NULL };
    size_t count = 0;
    assert_int_equal(yk_scope_end_with(s, 0, failed, 4, &count), UV_ENOENT);
    assert_int_equal(count, 2);
    assert_ptr_equal(failed[0], first);
    assert_ptr_equal(failed[1], late);
    assert_int_equal(yk_future_error(failed[1])->code, UV_ENOMEM);
    yk_future_unref(failed[0]);
    yk_future_unref(failed[1]);
    return assert_nothing_is_due();
}

static void test_A20_failures_are_aggregated(void **state)
{
    (void)state;
    assert_int_equal(run(several_fail), 0);
}

static int body_fails(void *unused)
{
    (void)unused;
    yk_scope *s = yk_scope_begin();
    yk_scope_start(s, wait_for_nothing, NULL);
    assert_int_equal(yk_yield(), 0);
    assert_int_equal(yk_scope_end(s, UV_EIO), UV_EIO);
    assert_int_equal(seen.cancelled, 1);
    return assert_nothing_is_due();
}

static void test_A20_an_error_of_the_body_cancels_all(void **state)
{
    (void)state;
    assert_int_equal(run(body_fails), 0);
}

static int a_child_is_cancelled(void *unused)
{
    (void)unused;
    yk_scope *s = yk_scope_begin();
    yk_future *f = yk_scope_start(s, wait_for_nothing, NULL);
    yk_scope_start(s, yield_then, &fine);
    assert_int_equal(yk_yield(), 0);
    yk_future_cancel(f);
    assert_int_equal(yk_scope_end(s, 0), 0);
    assert_int_equal(seen.ended, 2);
    return assert_nothing_is_due();
}

static void test_A20_one_that_is_cancelled_alone_is_no_failure(void **state)
{
    (void)state;
    assert_int_equal(run(a_child_is_cancelled), 0);
}

static int all_are_cancelled(void *unused)
{
    (void)unused;
    yk_scope *s = yk_scope_begin();
    for (int i = 0; i < 3; i++)
        yk_scope_start(s, wait_for_nothing, NULL);
    assert_int_equal(yk_yield(), 0);
    yk_scope_cancel(s);
    yk_scope_cancel(s);
    assert_int_equal(yk_await(yk_scope_start(s, yield_then, &fine)), YK_ECLOSED);
    assert_int_equal(yk_scope_end(s, 0), 0);
    assert_int_equal(seen.cancelled, 3);
    return assert_nothing_is_due();
}

static void test_A20_cancelled_as_a_whole(void **state)
{
    (void)state;
    assert_int_equal(run(all_are_cancelled), 0);
}

static int refused_after_a_failure(void *unused)
{
    (void)unused;
    yk_scope *s = yk_scope_begin();
    yk_future *f = yk_scope_start(s, fail_at_once, &no_entry);
    assert_int_equal(yk_await(f), UV_ENOENT);
    /* The scope may hear of it a moment later; then its waits say so. */
    while (yk_yield() == 0)
        ;
    yk_future *refused = yk_scope_start(s, yield_then, &fine);
    assert_int_equal(yk_await(refused), YK_ECLOSED);
    assert_int_equal(seen.ended, 0);
    assert_int_equal(yk_scope_end(s, YK_ECANCELED), UV_ENOENT);
    return assert_nothing_is_due();
}

static void test_A20_after_a_failure_nothing_is_started(void **state)
{
    (void)state;
    assert_int_equal(run(refused_after_a_failure), 0);
}

/* ---- The parent is cancelled ----------------------------------------------------------------- */

static int scope_of_two(void *unused)
{
    (void)unused;
    yk_scope *s = yk_scope_begin();
    yk_scope_start(s, wait_for_nothing, NULL);
    yk_scope_start(s, wait_for_nothing, NULL);
    return yk_scope_end(s, 0);
}

static int parent_is_cancelled(void *unused)
{
    (void)unused;
    yk_future *t = yk_task_start(scope_of_two, NULL);
    while (seen.begun < 2)
        assert_int_equal(yk_yield(), 0);
    assert_int_equal(yk_future_cancel(t), 1);
    assert_int_equal(yk_await(t), YK_ECANCELED);
    assert_int_equal(yk_future_state(t), YK_CANCELLED);
    assert_int_equal(seen.cancelled, 2);
    yk_future_unref(t);
    return assert_nothing_is_due();
}

static void test_A20_cancelling_the_parent_cancels_all(void **state)
{
    (void)state;
    assert_int_equal(run(parent_is_cancelled), 0);
}

/* A failure while the cancellation goes on: the failure is told, and the cancellation stays due. */
static int scope_whose_part_fails(void *is_still_due)
{
    yk_scope *s = yk_scope_begin();
    yk_scope_start(s, fail_when_cancelled, &no_memory);
    int err = yk_scope_end(s, 0);
    assert_int_equal(err, UV_ENOMEM);
    *(bool *)is_still_due = yk_yield() == YK_ECANCELED;
    return err;
}

static int failure_and_cancellation(void *unused)
{
    (void)unused;
    bool is_still_due = false;
    yk_future *t = yk_task_start(scope_whose_part_fails, &is_still_due);
    while (seen.begun < 1)
        assert_int_equal(yk_yield(), 0);
    assert_int_equal(yk_future_cancel(t), 1);
    assert_int_equal(yk_await(t), UV_ENOMEM);
    assert_true(is_still_due);
    yk_future_unref(t);
    return assert_nothing_is_due();
}

static void test_A20_a_failure_does_not_swallow_a_cancellation(void **state)
{
    (void)state;
    assert_int_equal(run(failure_and_cancellation), 0);
}

/* ---- Nested ---------------------------------------------------------------------------------- */

static int nested(void *unused)
{
    yk_scope *outer = yk_scope_begin();
    yk_scope_start(outer, yield_then, &no_entry);
    yk_scope *inner = yk_scope_begin();
    yk_scope_start(inner, wait_for_nothing, NULL);
    int err = yk_scope_end(inner, wait_for_nothing(unused));
    assert_int_equal(err, YK_ECANCELED); /* not the inner one's: it is passed on */
    assert_int_equal(seen.cancelled, 2);
    assert_int_equal(yk_scope_end(outer, err), UV_ENOENT);
    return assert_nothing_is_due();
}

static int nested_the_inner_fails(void *unused)
{
    yk_scope *outer = yk_scope_begin();
    yk_scope_start(outer, wait_for_nothing, NULL);
    yk_scope *inner = yk_scope_begin();
    yk_scope_start(inner, yield_then, &no_entry);
    int err = yk_scope_end(inner, wait_for_nothing(unused));
    assert_int_equal(err, UV_ENOENT);
    assert_int_equal(assert_nothing_is_due(), 0); /* the outer one goes on */
    assert_int_equal(yk_scope_end(outer, err), UV_ENOENT);
    assert_int_equal(seen.cancelled, 2);
    return assert_nothing_is_due();
}

static void test_A20_nested(void **state)
{
    (void)state;
    assert_int_equal(run(nested), 0);
    assert_int_equal(run(nested_the_inner_fails), 0);
}

static int under_a_timeout(void *unused)
{
    (void)unused;
    assert_int_equal(yk_with_timeout(scope_of_two, NULL, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_int_equal(seen.ended, seen.begun);
    yk_scope *s = yk_scope_begin();
    yk_scope_start(s, wait_for_nothing, NULL);
    int err = yk_with_timeout(wait_for_nothing, NULL, yk_after_ms(1));
    assert_int_equal(err, UV_ETIMEDOUT);
    assert_int_equal(yk_scope_end(s, err), UV_ETIMEDOUT);
    return assert_nothing_is_due();
}

static void test_A19_A20_timeouts_around_and_in_scopes(void **state)
{
    (void)state;
    assert_int_equal(run(under_a_timeout), 0);
}

/* A part that starts further ones. */
static int spawn(void *scope)
{
    yk_scope_start(scope, yield_then, &fine);
    return yield_then(&fine);
}

static int parts_start_parts(void *unused)
{
    (void)unused;
    yk_scope *s = yk_scope_begin();
    yk_scope_start(s, spawn, s);
    assert_int_equal(yk_scope_end(s, 0), 0); /* also those that came while it waited */
    assert_int_equal(seen.ended, 2);
    return assert_nothing_is_due();
}

static void test_A20_parts_start_parts(void **state)
{
    (void)state;
    assert_int_equal(run(parts_start_parts), 0);
}

static int begin_and_forget(void *unused)
{
    (void)unused;
    yk_scope *s = yk_scope_begin();
    yk_scope_start(s, wait_for_nothing, NULL);
    yk_scope_begin(); /* and an empty one */
    return yk_yield();
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
    while (seen.ended < 1)
        assert_int_equal(yk_yield(), 0);
    assert_int_equal(seen.cancelled, 1);
    return 0;
}

static void test_A20_one_that_was_not_ended_is_reported_and_cancelled(void **state)
{
    (void)state;
    logged[0] = '\0';
    yk_set_log(note_log, NULL);
    assert_int_equal(run(forgotten), 0);
    yk_set_log(NULL, NULL);
    assert_non_null(strstr(logged, "careless"));
}

static void test_A20_not_outside_a_task(void **state)
{
    (void)state;
    assert_null(yk_scope_begin());
    assert_null(yk_scope_start(NULL, yield_then, &fine));
    yk_scope_cancel(NULL);
    assert_int_equal(yk_scope_end(NULL, 0), UV_EINVAL);
    assert_int_equal(yk_scope_end(NULL, UV_EIO), UV_EIO);
}

/* ---- Jobs ------------------------------------------------------------------------------------ */

static int job_deaf(yk_job *job)
{
    while (yk_job_arg(job) == NULL)
        pause();
    return 0;
}

static int job_fails(yk_job *job)
{
    return yk_job_fail(job, UV_EINVAL, "no good");
}

static int job_nothing(yk_job *job)
{
    (void)job;
    return 0;
}

static int jobs_in_processes(void *unused)
{
    (void)unused;
    yk_executor *pool = yk_process_pool(.workers = 2, .kill_grace_ms = 1);
    yk_scope *s = yk_scope_begin();
    /* The one that never ends by itself, and knows no politeness: it is killed. */
    yk_future *deaf = yk_scope_own(s, yk_submit(pool, job_deaf, NULL, 0));
    yk_future *kept = yk_future_ref(deaf);
    while (yk_future_state(deaf) == YK_PENDING)
        assert_int_equal(yk_sleep_ms(1), 0);
    yk_scope_own(s, yk_submit(pool, job_fails, NULL, 0));
    assert_int_equal(yk_scope_end(s, 0), UV_EINVAL);
    assert_int_equal(yk_future_state(kept), YK_CANCELLED);
    yk_executor_stats stats;
    yk_executor_get_stats(pool, &stats);
    assert_int_equal(stats.running, 0);
    yk_future_unref(kept);
    assert_int_equal(yk_executor_close(pool), 0);
    return assert_nothing_is_due();
}

static void test_A21_running_jobs_are_killed_and_not_awaited(void **state)
{
    (void)state;
    assert_int_equal(run(jobs_in_processes), 0);
}

/* Parts that end on other threads, all at once. */
static int jobs_on_threads(void *unused)
{
    (void)unused;
    yk_executor *pool = yk_thread_pool(.workers = 4);
    for (int round = 0; round < 50; round++) {
        yk_scope *s = yk_scope_begin();
        for (int i = 0; i < 40; i++)
            assert_non_null(yk_scope_own(
                s, yk_submit(pool, i == 20 && round % 2 ? job_fails : job_nothing, NULL, 0)));
        assert_int_equal(yk_scope_end(s, 0), round % 2 ? UV_EINVAL : 0);
    }
    assert_int_equal(yk_executor_close(pool), 0);
    return assert_nothing_is_due();
}

static void test_A20_A21_parts_that_end_on_other_threads(void **state)
{
    (void)state;
    assert_int_equal(run(jobs_on_threads), 0);
}

int main(void)
{
    int err = yk_init();
    if (err)
        return 1;
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_A20_the_end_waits_for_all),
        cmocka_unit_test(test_A20_parts_may_be_awaited),
        cmocka_unit_test(test_A20_a_failure_cancels_the_others),
        cmocka_unit_test(test_A20_a_failure_interrupts_the_body),
        cmocka_unit_test(test_A20_failures_are_aggregated),
        cmocka_unit_test(test_A20_an_error_of_the_body_cancels_all),
        cmocka_unit_test(test_A20_one_that_is_cancelled_alone_is_no_failure),
        cmocka_unit_test(test_A20_cancelled_as_a_whole),
        cmocka_unit_test(test_A20_after_a_failure_nothing_is_started),
        cmocka_unit_test(test_A20_cancelling_the_parent_cancels_all),
        cmocka_unit_test(test_A20_a_failure_does_not_swallow_a_cancellation),
        cmocka_unit_test(test_A20_nested),
        cmocka_unit_test(test_A19_A20_timeouts_around_and_in_scopes),
        cmocka_unit_test(test_A20_parts_start_parts),
        cmocka_unit_test(test_A20_one_that_was_not_ended_is_reported_and_cancelled),
        cmocka_unit_test(test_A20_not_outside_a_task),
        cmocka_unit_test(test_A21_running_jobs_are_killed_and_not_awaited),
        cmocka_unit_test(test_A20_A21_parts_that_end_on_other_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
