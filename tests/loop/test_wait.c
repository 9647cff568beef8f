/* Tests of waiting for many, tasks and jobs alike, on a loop and across threads; and of the list of
 * a loop's tasks. */
#include "checked.h"

#include <pthread.h>
#include <string.h>

#include "executor/executor.h"
#include "executor/init.h"

static yk_executor *threads, *processes;

static int run_with_pools(yk_task_fn fn)
{
    threads = yk_thread_pool(.workers = 2);
    processes = yk_process_pool(.workers = 1);
    int err = run_checked(fn, NULL);
    assert_int_equal(yk_executor_close(threads), 0);
    assert_int_equal(yk_executor_close(processes), 0);
    return err;
}

/* A task or a job does as it is told, after the promise `go` if there is one. */
static int await_and_return(void *go)
{
    int err = yk_await(go);
    return err ? err : 1;
}

static int be_done(void *unused)
{
    (void)unused;
    return 0;
}

static int job_be_done(yk_job *job)
{
    return yk_job_return(job, "x", 1);
}

static int job_fail(yk_job *job)
{
    return yk_job_fail(job, UV_ENOENT, "as told");
}

static int job_until_cancelled(yk_job *job)
{
    while (!yk_job_cancelled(job))
        usleep(1000);
    return YK_ECANCELED;
}

static void drop_all(yk_future **f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        yk_future_cancel(f[i]);
        yk_await(f[i]);
        yk_future_unref(f[i]);
    }
}

/* ---- A16: yk_wait ---------------------------------------------------------------------------- */

static int refuse_oneself(void *unused)
{
    (void)unused;
    yk_future *never = yk_future_new();
    yk_future *f[] = { never, yk_task_current() };
    assert_int_equal(yk_wait(f, 2, YK_ALL_ENDED, YK_FOREVER), YK_EDEADLK);
    assert_int_equal(yk_wait(f, 2, YK_FIRST_ENDED, 0), UV_ETIMEDOUT);
    yk_future_unref(never);
    return 0;
}

static void test_A16_a_task_that_waits_for_itself_among_others_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run_checked(refuse_oneself, NULL), 0);
}

static int first_ended(void *unused)
{
    (void)unused;
    yk_future *go = yk_future_new();
    yk_future *f[] = { yk_task_start(await_and_return, go),
                       yk_submit(threads, job_until_cancelled, NULL, 0),
                       yk_submit(processes, job_until_cancelled, NULL, 0),
                       yk_task_start(be_done, NULL) };
    assert_int_equal(yk_wait(f, 4, YK_FIRST_ENDED, YK_FOREVER), 1);
    assert_true(yk_future_ended(f[3]));
    assert_int_equal(yk_wait(f, 4, YK_FIRST_ENDED, 0), 1); /* at once */
    assert_int_equal(yk_wait(f, 4, YK_ALL_ENDED, yk_after_ms(1)), UV_ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        assert_false(yk_future_ended(f[i]) || yk_future_cancel_requested(f[i]));
    assert_int_equal(yk_future_set_result(go, NULL, 0), 0);
    assert_int_equal(yk_wait(f, 1, YK_ALL_ENDED, YK_FOREVER), 1);
    drop_all(f, 4);
    yk_future_unref(go);
    return 0;
}

static void test_A16_the_first_that_ends(void **state)
{
    (void)state;
    assert_int_equal(run_with_pools(first_ended), 0);
}

static int first_failed(void *unused)
{
    (void)unused;
    yk_future *go = yk_future_new();
    yk_future *f[] = { yk_task_start(await_and_return, go), yk_task_start(be_done, NULL),
                       yk_submit(threads, job_be_done, NULL, 0),
                       yk_submit(processes, job_fail, NULL, 0) };
    int n = yk_wait(f, 4, YK_FIRST_FAILED, YK_FOREVER);
    assert_in_range(n, 1, 3);
    assert_false(yk_future_ended(f[0]));
    assert_int_equal(yk_future_state(f[3]), YK_FAILED);
    /* Without the one that fails they all come. One that is cancelled is no failure. */
    yk_future_cancel(f[0]);
    assert_int_equal(yk_wait(f, 3, YK_FIRST_FAILED, YK_FOREVER), 3);
    assert_int_equal(yk_await_all(f, 4, YK_FOREVER), YK_ECANCELED);
    drop_all(f, 4);
    yk_future_unref(go);
    return 0;
}

static void test_A16_the_first_that_fails(void **state)
{
    (void)state;
    assert_int_equal(run_with_pools(first_failed), 0);
}

static int duplicates(void *unused)
{
    (void)unused;
    yk_future *task = yk_task_start(be_done, NULL);
    yk_future *job = yk_submit(threads, job_be_done, NULL, 0);
    yk_future *f[] = { task, job, task, job, job };
    assert_int_equal(yk_wait(f, 5, YK_ALL_ENDED, YK_FOREVER), 2);
    yk_future_unref(task);
    yk_future_unref(job);
    return 0;
}

static void test_A16_duplicates_count_once(void **state)
{
    (void)state;
    assert_int_equal(run_with_pools(duplicates), 0);
}

static int end_both(void *arg)
{
    yk_future **f = arg;
    assert_int_equal(yk_future_set_result(f[0], NULL, 0), 0);
    assert_int_equal(yk_future_set_result(f[1], NULL, 0), 0);
    return 0;
}

static int both_at_once(void *unused)
{
    (void)unused;
    yk_future *f[] = { yk_future_new(), yk_future_new() };
    yk_future *ender = yk_task_start(end_both, f);
    assert_int_equal(yk_wait(f, 2, YK_FIRST_ENDED, YK_FOREVER), 2);
    assert_int_equal(yk_await(ender), 0);
    yk_future_unref(ender);
    drop_all(f, 2);
    return 0;
}

/* Cancelled and satisfied in one turn: the wait has its answer, the next one the cancellation. */
static int wait_for_both(void *arg)
{
    assert_int_equal(yk_wait(arg, 2, YK_ALL_ENDED, YK_FOREVER), 2);
    assert_int_equal(yk_yield(), YK_ECANCELED);
    return 3;
}

static int end_and_cancel_at_once(void *unused)
{
    (void)unused;
    yk_future *f[] = { yk_future_new(), yk_future_new() };
    yk_future *task = yk_task_start(wait_for_both, f);
    assert_int_equal(yk_yield(), 0);
    end_both(f);
    yk_future_cancel(task);
    int n;
    assert_int_equal(yk_await_into(task, &n, sizeof n), 0);
    assert_int_equal(n, 3);
    yk_future_unref(task);
    drop_all(f, 2);
    return 0;
}

static void test_A16_they_end_at_once(void **state)
{
    (void)state;
    assert_int_equal(run_checked(both_at_once, NULL), 0);
    assert_int_equal(run_checked(end_and_cancel_at_once, NULL), 0);
}

/* Jobs on two threads end while the deadline passes: none is lost, whoever comes first. */
static int race_with_the_deadline(void *unused)
{
    (void)unused;
    for (size_t round = 0; round < support_rounds(200); round++) {
        yk_future *f[4];
        for (int i = 0; i < 4; i++)
            f[i] = yk_submit(threads, job_be_done, NULL, 0);
        uint64_t soon = yk_now() + round * 500;
        int n = yk_wait(f, 4, round & 1 ? YK_ALL_ENDED : YK_FIRST_ENDED, soon);
        assert_true(n == UV_ETIMEDOUT || (n >= 1 && n <= 4));
        assert_int_equal(yk_wait(f, 4, YK_ALL_ENDED, YK_FOREVER), 4);
        drop_all(f, 4);
    }
    return 0;
}

static void test_A16_they_end_while_the_deadline_passes(void **state)
{
    (void)state;
    assert_int_equal(run_with_pools(race_with_the_deadline), 0);
}

/* ---- A17: as completed ----------------------------------------------------------------------- */

static yk_future *next_of(yk_as_completed *each)
{
    yk_future *f = NULL;
    assert_int_equal(yk_as_completed_next(each, &f, YK_FOREVER), 0);
    return f;
}

static int oneself_among_others(void *unused)
{
    (void)unused;
    yk_future *f[] = { yk_task_current(), yk_task_start(be_done, NULL) };
    yk_as_completed *each = yk_as_completed_new(f, 2);
    yk_future *one = f[0];
    assert_ptr_equal(next_of(each), f[1]);
    assert_int_equal(yk_as_completed_next(each, &one, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_as_completed_next(each, &one, YK_FOREVER), YK_EDEADLK);
    yk_as_completed_free(each);
    yk_future_unref(f[1]);
    return 0;
}

static void test_A17_a_task_that_is_left_alone_with_itself_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run_checked(oneself_among_others, NULL), 0);
}

static int in_reverse(void *unused)
{
    (void)unused;
    yk_future *go[3], *f[5];
    for (int i = 0; i < 3; i++) {
        go[i] = yk_future_new();
        f[i] = f[i + (i < 2 ? 3 : 0)] = yk_task_start(await_and_return, go[i]);
    }
    yk_as_completed *each = yk_as_completed_new(f, 5); /* two of them twice */
    assert_int_equal(yk_as_completed_left(each), 3);
    for (int i = 2; i >= 0; i--) {
        assert_int_equal(yk_future_set_result(go[i], NULL, 0), 0);
        assert_ptr_equal(next_of(each), f[i]);
    }
    yk_future *none;
    assert_int_equal(yk_as_completed_next(each, &none, YK_FOREVER), YK_END);
    yk_as_completed_free(each);
    drop_all(f, 3);
    drop_all(go, 3);
    return 0;
}

static void test_A17_in_reverse_and_with_duplicates(void **state)
{
    (void)state;
    assert_int_equal(run_checked(in_reverse, NULL), 0);
}

static int with_deadlines(void *unused)
{
    (void)unused;
    yk_future *go = yk_future_new();
    yk_future *f[] = { yk_task_start(await_and_return, go), yk_submit(processes, job_fail, NULL, 0),
                       yk_submit(threads, job_be_done, NULL, 0) };
    yk_as_completed *each = yk_as_completed_new(f, 3);
    yk_future *first = NULL, *second = NULL, *third = NULL;
    uint64_t far = yk_after_ms(60000);
    assert_int_equal(yk_as_completed_next(each, &first, far), 0);
    assert_int_equal(yk_as_completed_next(each, &second, far), 0);
    assert_ptr_not_equal(first, second);
    assert_int_equal(yk_as_completed_next(each, &third, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_as_completed_next(each, &third, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_int_equal(yk_as_completed_left(each), 1);
    assert_false(yk_future_cancel_requested(f[0]));
    assert_int_equal(yk_future_set_result(go, NULL, 0), 0);
    assert_int_equal(yk_as_completed_next(each, &third, far), 0);
    assert_ptr_equal(third, f[0]);
    yk_as_completed_free(each);
    drop_all(f, 3);
    yk_future_unref(go);
    return 0;
}

static void test_A17_deadlines_that_pass_and_that_do_not(void **state)
{
    (void)state;
    assert_int_equal(run_with_pools(with_deadlines), 0);
}

struct reader {
    yk_as_completed *each;
    int cancelled;
    yk_future *got;
};

static int read_in_spite_of_a_cancellation(void *arg)
{
    struct reader *r = arg;
    r->cancelled = yk_as_completed_next(r->each, &r->got, YK_FOREVER);
    return yk_as_completed_next(r->each, &r->got, YK_FOREVER);
}

static int cancel_the_reader(void *unused)
{
    (void)unused;
    yk_future *f = yk_future_new();
    struct reader r = { .each = yk_as_completed_new(&f, 1) };
    yk_future *task = yk_task_start(read_in_spite_of_a_cancellation, &r);
    assert_int_equal(yk_yield(), 0);
    yk_future_cancel(task);
    assert_int_equal(yk_yield(), 0);
    assert_int_equal(r.cancelled, YK_ECANCELED);
    assert_int_equal(yk_future_set_result(f, NULL, 0), 0);
    assert_int_equal(yk_await(task), 0);
    assert_ptr_equal(r.got, f);
    yk_future_unref(task);
    yk_as_completed_free(r.each);
    yk_future_unref(f);
    return 0;
}

static void test_A17_a_reader_that_is_cancelled_loses_nothing(void **state)
{
    (void)state;
    assert_int_equal(run_checked(cancel_the_reader, NULL), 0);
}

enum { MANY = 64 };

static int end_from_many_sides(void *unused)
{
    (void)unused;
    for (size_t round = 0; round < support_rounds(20); round++) {
        yk_future *f[MANY];
        bool seen[MANY] = { false };
        for (int i = 0; i < MANY; i++)
            f[i] = i % 4 == 0 ? yk_task_start(be_done, NULL)
                              : yk_submit(i % 4 == 1 ? processes : threads, job_be_done, NULL, 0);
        yk_as_completed *each = yk_as_completed_new(f, MANY);
        for (int i = 0; i < MANY; i++) {
            yk_future *one = next_of(each);
            int k = 0;
            while (f[k] != one)
                k++;
            assert_false(seen[k]);
            seen[k] = true;
        }
        yk_as_completed_free(each);
        drop_all(f, MANY);
    }
    return 0;
}

static void test_A17_they_end_on_many_threads_at_once(void **state)
{
    (void)state;
    assert_int_equal(run_with_pools(end_from_many_sides), 0);
}

/* ---- From another thread --------------------------------------------------------------------- */

/* Waits for tasks of a loop of another thread. What it finds goes through memory that only the join
 * publishes: asserts are for the main thread. */
struct onlooker {
    yk_future *f[3], *go;
    int waited, order_is_right;
};

static void *look_on(void *arg)
{
    struct onlooker *o = arg;
    yk_future *each_of[3], *first = NULL;
    o->waited = yk_wait(o->f, 3, YK_FIRST_ENDED, YK_FOREVER);
    yk_as_completed *each = yk_as_completed_new(o->f, 3);
    int err = yk_as_completed_next(each, &first, YK_FOREVER);
    o->order_is_right = err == 0 && first == o->f[1];
    yk_future_set_result(o->go, NULL, 0);
    for (int i = 1; i < 3; i++)
        yk_as_completed_next(each, &each_of[i], YK_FOREVER);
    o->order_is_right &= yk_as_completed_next(each, &first, YK_FOREVER) == YK_END;
    yk_as_completed_free(each);
    return NULL;
}

static int be_watched(void *arg)
{
    struct onlooker *o = arg;
    int err = yk_await_all(o->f, 3, YK_FOREVER);
    return err;
}

static void test_A16_A17_a_thread_waits_for_the_tasks_of_a_loop(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    struct onlooker o = { .go = yk_future_new() };
    o.f[0] = yk_task_start(await_and_return, o.go);
    o.f[1] = yk_task_start(be_done, NULL);
    o.f[2] = yk_task_start(await_and_return, o.go);
    yk_future *watched = yk_task_start(be_watched, &o);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, look_on, &o), 0);
    assert_int_equal(yk_loop_run_until(loop, watched), 0);
    pthread_join(thread, NULL);
    assert_int_equal(o.waited, 1);
    assert_true(o.order_is_right);
    yk_future_unref(watched);
    drop_all(o.f, 3);
    yk_future_unref(o.go);
    assert_int_equal(yk_loop_close(loop), 0);
}

/* ---- The list of tasks ----------------------------------------------------------------------- */

static int list_tasks(void *unused)
{
    (void)unused;
    yk_loop *loop = yk_loop_current();
    yk_future *go = yk_future_new(), *list[8] = { NULL };
    yk_future *a = yk_task_start_with(await_and_return, go, .name = "a");
    yk_future *b = yk_task_start_with(await_and_return, go, .name = "b");
    yk_future *dropped = yk_task_start(be_done, NULL);
    yk_future_cancel(dropped); /* has ended, and never began */
    assert_int_equal(yk_loop_tasks(loop, NULL, 0), 3);
    assert_int_equal(yk_loop_tasks(loop, list, 8), 3);
    assert_ptr_equal(list[0], yk_task_current());
    assert_string_equal(yk_task_name(list[1]), "a");
    assert_ptr_equal(list[2], b);
    assert_null(list[3]);
    yk_future *oldest[2];
    assert_int_equal(yk_loop_tasks(loop, oldest, 2), 3);
    assert_ptr_equal(oldest[0], list[0]);
    assert_ptr_equal(oldest[1], list[1]);
    for (int i = 0; i < 2; i++)
        yk_future_unref(oldest[i]);
    /* The references are our own. */
    yk_future_unref(a);
    yk_future_unref(b);
    yk_future_unref(dropped);
    assert_int_equal(yk_future_set_result(go, NULL, 0), 0);
    assert_int_equal(yk_await_all(&list[1], 2, YK_FOREVER), 0);
    for (int i = 0; i < 3; i++)
        yk_future_unref(list[i]);
    yk_future_unref(go);
    return (int)yk_loop_tasks(loop, NULL, 0);
}

static void *list_from_elsewhere(void *loop)
{
    yk_future *one;
    return yk_loop_tasks(loop, &one, 1) == 0 ? loop : NULL;
}

static void test_the_list_of_a_loops_tasks(void **state)
{
    (void)state;
    assert_int_equal(run_checked(list_tasks, NULL), 1);
    yk_loop *loop = yk_loop_new();
    yk_future *task = yk_task_start(be_done, NULL);
    pthread_t thread;
    void *refused;
    assert_int_equal(pthread_create(&thread, NULL, list_from_elsewhere, loop), 0);
    pthread_join(thread, &refused);
    assert_non_null(refused);
    assert_int_equal(yk_loop_tasks(loop, NULL, 0), 1);
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    yk_future_unref(task);
    assert_int_equal(yk_loop_tasks(NULL, NULL, 0), 0);
    yk_loop_close(loop);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_A16_a_task_that_waits_for_itself_among_others_is_refused),
        TEST(test_A16_the_first_that_ends),
        TEST(test_A16_the_first_that_fails),
        TEST(test_A16_duplicates_count_once),
        TEST(test_A16_they_end_at_once),
        TEST(test_A16_they_end_while_the_deadline_passes),
        TEST(test_A17_a_task_that_is_left_alone_with_itself_is_refused),
        TEST(test_A17_in_reverse_and_with_duplicates),
        TEST(test_A17_deadlines_that_pass_and_that_do_not),
        TEST(test_A17_a_reader_that_is_cancelled_loses_nothing),
        TEST(test_A17_they_end_on_many_threads_at_once),
        TEST(test_A16_A17_a_thread_waits_for_the_tasks_of_a_loop),
        TEST(test_the_list_of_a_loops_tasks),
    };
    return RUN_TESTS("wait", tests);
}
