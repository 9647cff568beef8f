/* Tests of how far a cancellation goes: shields, and tasks that deal with it. */
#include "checked.h"

#include <semaphore.h>

#include "executor/executor.h"
#include "executor/init.h"
#include "loop/scope.h"
#include "loop/timeout.h"

static int assert_nothing_is_due(void)
{
    assert_int_equal(yk_yield(), 0);
    assert_int_equal(yk_task_cancelling(), 0);
    return 0;
}

static int wait_for_nothing(void *unused)
{
    (void)unused;
    yk_future *never = yk_future_new();
    int err = yk_await(never);
    yk_future_unref(never);
    return err;
}

/* ---- A15: shields ---------------------------------------------------------------------------- */

static int shield_it(void *f)
{
    return yk_shield(f);
}

static int shield_refusals(void *unused)
{
    (void)unused;
    yk_future *never = yk_future_new();
    assert_int_equal(yk_shield(NULL), UV_EINVAL);
    assert_int_equal(yk_shield(yk_task_current()), YK_EDEADLK);
    assert_int_equal(yk_shield_until(never, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_shield_until(never, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_int_equal(yk_future_state(never), YK_PENDING);
    yk_future_unref(never);
    return 0;
}

static void test_A15_a_shield_is_refused_where_a_wait_is(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    yk_future *never = yk_future_new();
    assert_int_equal(yk_shield(never), YK_EONLOOP);
    yk_future_unref(never);
    yk_loop_close(loop);
    assert_int_equal(run_checked(shield_refusals, NULL), 0);
}

static int fail_later(void *unused)
{
    (void)unused;
    int err = yk_yield();
    return err ? err : UV_ENOENT;
}

static int seven_later(void *unused)
{
    (void)unused;
    int err = yk_yield();
    return err ? err : 7;
}

static int shield_results(void *unused)
{
    (void)unused;
    int n = 0;
    yk_future *good = yk_task_start(seven_later, NULL), *bad = yk_task_start(fail_later, NULL);
    assert_int_equal(yk_shield(good), 0);
    assert_int_equal(yk_await_into(good, &n, sizeof n), 0);
    assert_int_equal(n, 7);
    assert_int_equal(yk_shield(bad), UV_ENOENT);
    yk_future_unref(good);
    yk_future_unref(bad);
    return assert_nothing_is_due();
}

static void test_A15_results_and_errors_come_through_a_shield(void **state)
{
    (void)state;
    assert_int_equal(run_checked(shield_results, NULL), 0);
}

/* Starts a task that shields `inner`, and lets it come to its wait. */
static yk_future *start_shield(yk_future *inner)
{
    yk_future *outer = yk_task_start(shield_it, inner);
    assert_int_equal(yk_yield(), 0);
    return outer;
}

static int inner_cancel(void *unused)
{
    (void)unused;
    yk_future *inner = yk_future_new(), *outer = start_shield(inner);
    yk_future_cancel(inner);
    assert_int_equal(yk_await(outer), YK_ECANCELED);
    yk_future_unref(inner);
    yk_future_unref(outer);
    return assert_nothing_is_due();
}

static void test_A15_a_cancellation_of_what_is_shielded_comes_through(void **state)
{
    (void)state;
    assert_int_equal(run_checked(inner_cancel, NULL), 0);
}

static int outer_cancel(void *unused)
{
    (void)unused;
    yk_future *inner = yk_future_new(), *outer = start_shield(inner);
    yk_future_cancel(outer);
    assert_int_equal(yk_await(outer), YK_ECANCELED);
    assert_int_equal(yk_future_state(inner), YK_PENDING);
    assert_int_equal(yk_future_set_result(inner, NULL, 0), 0);
    yk_future_unref(inner);
    yk_future_unref(outer);
    return assert_nothing_is_due();
}

static void test_A15_a_cancellation_stops_at_the_shield(void **state)
{
    (void)state;
    assert_int_equal(run_checked(outer_cancel, NULL), 0);
}

static int timeout_around(void *unused)
{
    (void)unused;
    yk_future *inner = yk_future_new();
    assert_int_equal(yk_with_timeout(shield_it, inner, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_int_equal(yk_future_state(inner), YK_PENDING);
    yk_future_unref(inner);
    return assert_nothing_is_due();
}

static void test_A15_a_deadline_stops_at_the_shield(void **state)
{
    (void)state;
    assert_int_equal(run_checked(timeout_around, NULL), 0);
}

static int gather_with_shields(void *unused)
{
    (void)unused;
    yk_future *inner = yk_future_new();
    /* One fails: the others are cancelled, and what they shield is not. */
    assert_int_equal(yk_gather((yk_task_fn[]){ shield_it, fail_later, shield_it },
                               (void *[]){ inner, NULL, inner }, 3),
                     UV_ENOENT);
    assert_int_equal(yk_future_state(inner), YK_PENDING);
    assert_int_equal(yk_future_set_result(inner, NULL, 0), 0);
    assert_int_equal(
        yk_gather((yk_task_fn[]){ shield_it, shield_it }, (void *[]){ inner, inner }, 2), 0);
    yk_future_unref(inner);
    return assert_nothing_is_due();
}

static void test_A15_shields_in_a_gather(void **state)
{
    (void)state;
    assert_int_equal(run_checked(gather_with_shields, NULL), 0);
}

/* A job on a thread, or in a process, outlives the task that waits for it. */
static sem_t may_end;

static int wait_on_thread(yk_job *job)
{
    while (sem_wait(&may_end) != 0)
        ;
    return yk_job_cancelled(job) ? YK_ECANCELED : yk_job_return(job, "done", 4);
}

static int sleep_in_process(yk_job *job)
{
    usleep(20000);
    return yk_job_cancelled(job) ? YK_ECANCELED : yk_job_return(job, "done", 4);
}

static void shield_job(yk_future *job, const char *where)
{
    support_note(where);
    char out[4];
    yk_future *outer = start_shield(job);
    yk_future_cancel(outer);
    assert_int_equal(yk_await(outer), YK_ECANCELED);
    yk_future_unref(outer);
    sem_post(&may_end);
    assert_int_equal(yk_await_into(job, out, sizeof out), 0);
    yk_future_unref(job);
    support_note(NULL);
}

static int shield_jobs(void *unused)
{
    (void)unused;
    yk_executor *threads = yk_thread_pool(.workers = 1), *processes = yk_process_pool(.workers = 1);
    shield_job(yk_submit(threads, wait_on_thread, NULL, 0), "on a thread");
    shield_job(yk_submit(processes, sleep_in_process, NULL, 0), "in a process");
    assert_int_equal(yk_executor_close(threads), 0);
    return yk_executor_close(processes);
}

static void test_A15_T08_a_job_outlives_who_shields_it(void **state)
{
    (void)state;
    sem_init(&may_end, 0, 0);
    assert_int_equal(run_checked(shield_jobs, NULL), 0);
}

/* ---- A11: the awaiter is cancelled once, or not at all --------------------------------------- */

static int await_it(void *f)
{
    return yk_await(f);
}

struct awaiter {
    yk_future *inner;
    int first, second;
};

static int await_twice(void *arg)
{
    struct awaiter *a = arg;
    a->first = yk_await(a->inner);
    a->second = yk_yield();
    return (int)yk_task_cancelling();
}

static int result_of(yk_future *task)
{
    int n;
    assert_int_equal(yk_await_into(task, &n, sizeof n), 0);
    yk_future_unref(task);
    return n;
}

static int cancel_awaited(void *unused)
{
    (void)unused;
    struct awaiter a = { .inner = yk_task_start(wait_for_nothing, NULL), .second = 99 };
    yk_future *outer = yk_task_start(await_twice, &a);
    assert_int_equal(yk_yield(), 0);
    yk_future_cancel(a.inner);
    assert_int_equal(result_of(outer), 0);
    assert_int_equal(a.first, YK_ECANCELED);
    assert_int_equal(a.second, 0);
    yk_future_unref(a.inner);
    return assert_nothing_is_due();
}

static int cancel_awaiter(void *unused)
{
    (void)unused;
    struct awaiter a = { .inner = yk_task_start(wait_for_nothing, NULL), .second = 99 };
    yk_future *outer = yk_task_start(await_twice, &a);
    assert_int_equal(yk_yield(), 0);
    yk_future_cancel(outer);
    assert_int_equal(result_of(outer), 1);
    assert_int_equal(a.first, YK_ECANCELED);
    assert_int_equal(a.second, 0);
    assert_int_equal(yk_await(a.inner), YK_ECANCELED);
    yk_future_unref(a.inner);
    return assert_nothing_is_due();
}

static void test_A11_who_awaits_a_cancelled_task_is_told_once(void **state)
{
    (void)state;
    assert_int_equal(run_checked(cancel_awaited, NULL), 0);
    assert_int_equal(run_checked(cancel_awaiter, NULL), 0);
}

/* It asked for its own end before it came to the wait. */
static int cancel_oneself_and_await(void *arg)
{
    struct awaiter *a = arg;
    yk_future_cancel(yk_task_current());
    return await_twice(a);
}

static int cancelled_before_the_wait(void *unused)
{
    (void)unused;
    yk_future *innermost = yk_future_new();
    struct awaiter a = { .inner = yk_task_start(await_it, innermost), .second = 99 };
    assert_int_equal(yk_yield(), 0);
    assert_int_equal(result_of(yk_task_start(cancel_oneself_and_await, &a)), 1);
    assert_int_equal(a.first, YK_ECANCELED);
    assert_int_equal(a.second, 0);
    assert_int_equal(yk_await(a.inner), YK_ECANCELED);
    assert_int_equal(yk_future_state(innermost), YK_CANCELLED);
    yk_future_unref(a.inner);
    yk_future_unref(innermost);
    return assert_nothing_is_due();
}

static void test_A11_cancelled_before_the_wait_it_cancels_what_it_awaits(void **state)
{
    (void)state;
    assert_int_equal(run_checked(cancelled_before_the_wait, NULL), 0);
}

/* ---- A12: the balance of cancellations in nested blocks -------------------------------------- */

static int deadline_in_a_deadline(void *unused)
{
    (void)unused;
    yk_timeout outer;
    assert_int_equal(yk_timeout_begin(&outer, yk_after_ms(60000)), 0);
    assert_int_equal(yk_with_timeout(wait_for_nothing, NULL, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_int_equal(yk_task_cancelling(), 0);
    assert_int_equal(yk_yield(), 0); /* what stands around is not touched */
    assert_int_equal(yk_timeout_end(&outer, 0), 0);
    return assert_nothing_is_due();
}

static void test_A12_what_interrupts_a_block_is_no_cancellation(void **state)
{
    (void)state;
    assert_int_equal(run_checked(deadline_in_a_deadline, NULL), 0);
    assert_int_equal(yk_task_cancelling(), 0);
    assert_int_equal(yk_task_uncancel(), 0);
}

static int cancelled_in_nested_blocks(void *unused)
{
    (void)unused;
    yk_timeout outer, inner;
    assert_int_equal(yk_timeout_begin(&outer, yk_after_ms(60000)), 0);
    yk_scope *scope = yk_scope_begin();
    assert_int_equal(yk_timeout_begin(&inner, yk_after_ms(60000)), 0);
    yk_future_cancel(yk_task_current());
    assert_int_equal(yk_task_cancelling(), 1);
    int err = yk_timeout_end(&inner, wait_for_nothing(NULL));
    assert_int_equal(err, YK_ECANCELED);
    assert_int_equal(yk_task_cancelling(), 1);
    assert_int_equal(yk_scope_end(scope, err), YK_ECANCELED);
    assert_int_equal(yk_timeout_end(&outer, err), YK_ECANCELED);
    assert_int_equal(yk_task_uncancel(), 0);
    assert_int_equal(yk_task_uncancel(), 0); /* not below */
    return assert_nothing_is_due();
}

static void test_A12_a_cancellation_counts_once_through_nested_blocks(void **state)
{
    (void)state;
    assert_int_equal(run_checked(cancelled_in_nested_blocks, NULL), 0);
}

/* In a block: is cancelled, goes on, and is then too late. */
static int catch_and_be_late(void *uncancel)
{
    yk_future_cancel(yk_task_current());
    assert_int_equal(wait_for_nothing(NULL), YK_ECANCELED);
    if (*(const bool *)uncancel)
        assert_int_equal(yk_task_uncancel(), 0);
    return wait_for_nothing(NULL);
}

static int caught_in_a_block(void *unused)
{
    (void)unused;
    bool uncancel = true;
    assert_int_equal(yk_with_timeout(catch_and_be_late, &uncancel, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_nothing_is_due();
    uncancel = false; /* the block believes that the cancellation goes on */
    assert_int_equal(yk_with_timeout(catch_and_be_late, &uncancel, yk_after_ms(1)), YK_ECANCELED);
    assert_int_equal(yk_task_cancelling(), 1);
    assert_int_equal(yk_task_uncancel(), 0);
    return assert_nothing_is_due();
}

static void test_A12_who_goes_on_after_a_cancellation_says_so(void **state)
{
    (void)state;
    assert_int_equal(run_checked(caught_in_a_block, NULL), 0);
}

static int uncancel_before_and_inside(void *unused)
{
    (void)unused;
    yk_future_cancel(yk_task_current());
    assert_int_equal(wait_for_nothing(NULL), YK_ECANCELED);
    yk_timeout t;
    assert_int_equal(yk_timeout_begin(&t, yk_after_ms(1)), 0); /* begun with one that counts */
    assert_int_equal(yk_task_uncancel(), 0);
    assert_int_equal(yk_timeout_end(&t, wait_for_nothing(NULL)), UV_ETIMEDOUT);
    return assert_nothing_is_due();
}

static void test_A12_a_block_that_begins_while_one_counts(void **state)
{
    (void)state;
    assert_int_equal(run_checked(uncancel_before_and_inside, NULL), 0);
}

static int withdraw(void *unused)
{
    (void)unused;
    yk_future_cancel(yk_task_current());
    assert_int_equal(yk_task_uncancel(), 0);
    assert_nothing_is_due();
    assert_int_equal(yk_future_cancel(yk_task_current()), 1); /* a new one */
    assert_int_equal(yk_yield(), YK_ECANCELED);
    assert_int_equal(yk_task_uncancel(), 0);
    return assert_nothing_is_due();
}

static void test_A12_one_that_was_not_told_can_be_withdrawn(void **state)
{
    (void)state;
    assert_int_equal(run_checked(withdraw, NULL), 0);
}

static int failure_hides_it(void *unused)
{
    (void)unused;
    yk_scope *scope = yk_scope_begin();
    yk_scope_start(scope, fail_later, NULL);
    yk_future_cancel(yk_task_current());
    assert_int_equal(wait_for_nothing(NULL), YK_ECANCELED);
    assert_int_equal(yk_yield(), 0);
    assert_int_equal(yk_scope_end(scope, wait_for_nothing(NULL)), UV_ENOENT);
    assert_int_equal(yk_task_cancelling(), 1); /* and is still to come, once */
    assert_int_equal(yk_yield(), YK_ECANCELED);
    assert_int_equal(yk_task_cancelling(), 1);
    assert_int_equal(yk_task_uncancel(), 0);
    return assert_nothing_is_due();
}

static void test_A12_one_that_a_failure_hides_counts_once(void **state)
{
    (void)state;
    assert_int_equal(run_checked(failure_hides_it, NULL), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_A15_a_shield_is_refused_where_a_wait_is),
        TEST(test_A15_results_and_errors_come_through_a_shield),
        TEST(test_A15_a_cancellation_of_what_is_shielded_comes_through),
        TEST(test_A15_a_cancellation_stops_at_the_shield),
        TEST(test_A15_a_deadline_stops_at_the_shield),
        TEST(test_A15_shields_in_a_gather),
        TEST(test_A15_T08_a_job_outlives_who_shields_it),
        TEST(test_A11_who_awaits_a_cancelled_task_is_told_once),
        TEST(test_A11_cancelled_before_the_wait_it_cancels_what_it_awaits),
        TEST(test_A12_what_interrupts_a_block_is_no_cancellation),
        TEST(test_A12_a_cancellation_counts_once_through_nested_blocks),
        TEST(test_A12_who_goes_on_after_a_cancellation_says_so),
        TEST(test_A12_a_block_that_begins_while_one_counts),
        TEST(test_A12_one_that_was_not_told_can_be_withdrawn),
        TEST(test_A12_one_that_a_failure_hides_counts_once),
    };
    return RUN_TESTS("shield", tests);
}
