/* Tasks: starting, awaiting, sleeping, yielding, gathering. */
#include "common.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* ---- Failure paths --------------------------------------------------------------------------- */

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void test_without_a_loop_a_task_is_a_future_that_failed(void **state)
{
    (void)state;
    yk_future *task = yk_task_start(do_nothing, NULL);
    assert_non_null(task);
    assert_int_equal(yk_future_state(task), YK_FAILED);
    assert_int_equal(yk_await(task), UV_EINVAL);
    yk_future_unref(task);
    assert_null(yk_task_current());
}

static int ask_for_too_large_a_stack(void *arg)
{
    (void)arg;
    yk_future *task = yk_task_start_with(do_nothing, NULL, .stack_size = (size_t)1 << 60);
    int err = yk_await(task);
    yk_future_unref(task);
    return err;
}

static void test_a_stack_too_large_fails_the_task(void **state)
{
    (void)state;
    assert_int_equal(run_task(ask_for_too_large_a_stack, NULL), UV_ENOMEM);
}

static int fail_with(void *arg)
{
    return *(int *)arg;
}

static int await_failures(void *arg)
{
    (void)arg;
    static const int codes[] = { UV_ENOENT, YK_EFORMAT, YK_ECANCELED };
    for (size_t i = 0; i < 3; i++) {
        int code = codes[i], out = 77;
        yk_future *task = yk_task_start(fail_with, &code);
        assert_int_equal(yk_await_into(task, &out, sizeof out), code);
        assert_int_equal(out, 77);
        assert_int_equal(yk_future_state(task), code == YK_ECANCELED ? YK_CANCELLED : YK_FAILED);
        assert_string_equal(yk_future_error(task)->message, yk_strerror(code));
        yk_future_unref(task);
    }
    return 0;
}

static void test_a_negative_number_fails_the_task(void **state)
{
    (void)state;
    assert_int_equal(run_task(await_failures, NULL), 0);
}

static int await_myself(void *arg)
{
    yk_future *me = yk_task_current();
    yk_future *set[] = { me };
    (void)arg;
    assert_int_equal(yk_await(me), YK_EDEADLK);
    assert_int_equal(yk_await_until(me, yk_after_ms(1)), YK_EDEADLK);
    assert_int_equal(yk_await_all(set, 1, YK_FOREVER), YK_EDEADLK);
    return 0;
}

static void test_F25_a_task_that_awaits_itself_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run_task(await_myself, NULL), 0);
}

/* ---- Results and order ----------------------------------------------------------------------- */

static int add_one(void *arg)
{
    return *(int *)arg + 1;
}

static int await_results(void *arg)
{
    (void)arg;
    yk_future *tasks[10];
    int args[10];
    for (int i = 0; i < 10; i++) {
        args[i] = i;
        tasks[i] = yk_task_start(add_one, &args[i]);
        assert_int_equal(yk_future_state(tasks[i]), YK_PENDING);
    }
    for (int i = 9; i >= 0; i--) {
        int result = -1;
        assert_int_equal(yk_await_into(tasks[i], &result, sizeof result), 0);
        assert_int_equal(result, i + 1);
        yk_future_unref(tasks[i]);
    }
    return 5;
}

static void test_a_task_is_a_future_with_an_int(void **state)
{
    (void)state;
    assert_int_equal(run_task(await_results, NULL), 5);
}

struct log {
    char text[64];
    size_t len;
};

struct writer {
    struct log *log;
    char letter;
    int times;
};

static int write_letters(void *arg)
{
    struct writer *w = arg;
    for (int i = 0; i < w->times; i++) {
        w->log->text[w->log->len++] = w->letter;
        yk_yield();
    }
    return 0;
}

static int take_turns(void *arg)
{
    struct log log = { 0 };
    struct writer w[3] = { { &log, 'a', 3 }, { &log, 'b', 2 }, { &log, 'c', 3 } };
    yk_future *tasks[3];
    (void)arg;
    for (int i = 0; i < 3; i++)
        tasks[i] = yk_task_start(write_letters, &w[i]);
    assert_int_equal(log.len, 0); /* nobody runs before the caller waits */
    assert_int_equal(yk_await_all(tasks, 3, YK_FOREVER), 0);
    for (int i = 0; i < 3; i++)
        yk_future_unref(tasks[i]);
    assert_string_equal(log.text, "abcabcac");
    return 0;
}

static void test_ready_tasks_run_in_order(void **state)
{
    (void)state;
    assert_int_equal(run_task(take_turns, NULL), 0);
}

static int dropped_but_running(void *arg)
{
    int *done = arg;
    yk_yield();
    *done = 1;
    return 0;
}

static int drop_a_task(void *arg)
{
    int done = 0;
    (void)arg;
    yk_future_unref(yk_task_start(dropped_but_running, &done));
    while (!done)
        yk_yield();
    return 0;
}

static void test_dropping_a_task_does_not_end_it(void **state)
{
    (void)state;
    assert_int_equal(run_task(drop_a_task, NULL), 0);
}

static int check_names(void *arg)
{
    (void)arg;
    assert_string_equal(yk_task_name(yk_task_current()), "app");
    yk_future *task =
        yk_task_start_with(do_nothing, NULL, .name = "a name of more than thirty-one bytes is cut");
    assert_string_equal(yk_task_name(task), "a name of more than thirty-one ");
    yk_future *nameless = yk_task_start(do_nothing, NULL), *promise = yk_future_new();
    assert_string_equal(yk_task_name(nameless), "");
    assert_null(yk_task_name(promise));
    assert_null(yk_task_name(NULL));
    yk_await(task);
    yk_await(nameless);
    yk_future_unref(task);
    yk_future_unref(nameless);
    yk_future_unref(promise);
    return 0;
}

static void test_names(void **state)
{
    (void)state;
    assert_int_equal(run_task(check_names, NULL), 0);
}

/* Leaves behind what there is to leave: a request to cancel, and one that a wait has told. */
static int be_cancelled_twice(void *arg)
{
    (void)arg;
    yk_future_cancel(yk_task_current());
    assert_int_equal(yk_sleep_ms(1000), YK_ECANCELED);
    yk_future_cancel(yk_task_current());
    assert_int_equal(yk_task_cancelling(), 2);
    return 0;
}

static int be_new(void *arg)
{
    (void)arg;
    assert_string_equal(yk_task_name(yk_task_current()), "");
    assert_int_equal(yk_task_cancelling(), 0);
    return yk_sleep_ms(0);
}

/* More than a loop keeps the memory of. */
static int start_waves(void *arg)
{
    enum { WAVE = 3000 };
    (void)arg;
    yk_future **tasks = calloc(WAVE, sizeof *tasks);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < WAVE; i++)
            tasks[i] = round % 2 ? yk_task_start(be_new, NULL)
                                 : yk_task_start_with(be_cancelled_twice, NULL, .name = "old",
                                                      .stack_size = 32 << 10);
        for (int i = 0; i < WAVE; i++) {
            assert_int_equal(yk_await(tasks[i]), 0);
            yk_future_unref(tasks[i]);
        }
    }
    free(tasks);
    return 0;
}

static void test_a_task_has_nothing_of_those_before(void **state)
{
    (void)state;
    assert_int_equal(run_task(start_waves, NULL), 0);
}

static int big_frame(void *arg)
{
    char room[200 << 10];
    memset(room, *(char *)arg, sizeof room);
    yk_yield();
    int sum = 0;
    for (size_t i = 0; i < sizeof room; i += 4096)
        sum += room[i];
    return sum;
}

static int use_large_stacks(void *arg)
{
    char one = 1;
    (void)arg;
    yk_future *tasks[20];
    for (int i = 0; i < 20; i++)
        tasks[i] = yk_task_start_with(big_frame, &one, .stack_size = (size_t)(i + 1) << 19);
    for (int i = 0; i < 20; i++) {
        int sum = 0;
        assert_int_equal(yk_await_into(tasks[i], &sum, sizeof sum), 0);
        assert_int_equal(sum, 50);
        yk_future_unref(tasks[i]);
    }
    return 0;
}

static void test_stack_sizes(void **state)
{
    (void)state;
    assert_int_equal(run_task(use_large_stacks, NULL), 0);
}

/* ---- Sleep and deadlines --------------------------------------------------------------------- */

struct sleeper {
    uint64_t ms;
    struct log *log;
    char letter;
};

static int sleep_then_write(void *arg)
{
    struct sleeper *s = arg;
    uint64_t start = yk_now();
    int err = yk_sleep_ms(s->ms);
    assert_true(yk_now() - start >= s->ms * 1000000);
    s->log->text[s->log->len++] = s->letter;
    return err;
}

static int sleep_in_parallel(void *arg)
{
    struct log log = { 0 };
    struct sleeper s[] = { { 60, &log, 'c' }, { 0, &log, 'a' }, { 30, &log, 'b' } };
    yk_future *tasks[3];
    (void)arg;
    for (int i = 0; i < 3; i++)
        tasks[i] = yk_task_start(sleep_then_write, &s[i]);
    assert_int_equal(yk_await_all(tasks, 3, YK_FOREVER), 0);
    assert_string_equal(log.text, "abc");
    for (int i = 0; i < 3; i++)
        yk_future_unref(tasks[i]);
    return yk_sleep_until(0);
}

static void test_sleeps_end_in_order_and_not_early(void **state)
{
    (void)state;
    assert_int_equal(run_task(sleep_in_parallel, NULL), 0);
}

static void test_a_plain_thread_sleeps_and_yields(void **state)
{
    (void)state;
    uint64_t start = yk_now();
    assert_int_equal(yk_sleep_ms(5), 0);
    assert_true(yk_now() - start >= 5000000);
    assert_int_equal(yk_sleep_until(0), 0);
    assert_int_equal(yk_yield(), 0);
}

static int await_with_deadlines(void *arg)
{
    (void)arg;
    yk_future *f = yk_future_new();
    int out = 3;
    assert_int_equal(yk_await_until(f, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_await_until(f, yk_after_ms(5)), UV_ETIMEDOUT);
    assert_int_equal(yk_await_into_until(f, &out, sizeof out, yk_after_ms(5)), UV_ETIMEDOUT);
    assert_int_equal(yk_wait(&f, 1, YK_ALL_ENDED, yk_after_ms(5)), UV_ETIMEDOUT);
    assert_int_equal(out, 3);
    assert_int_equal(yk_future_state(f), YK_PENDING);
    yk_future_set_result(f, &(int){ 9 }, sizeof(int));
    assert_int_equal(yk_await_into_until(f, &out, sizeof out, 0), 0);
    assert_int_equal(out, 9);
    yk_future_unref(f);
    return 0;
}

static void test_a_deadline_leaves_the_future_alone(void **state)
{
    (void)state;
    assert_int_equal(run_task(await_with_deadlines, NULL), 0);
}

/* ---- Ended by other threads ------------------------------------------------------------------ */

static void *end_it(void *arg)
{
    yk_future *f = arg;
    yk_future_set_result(f, &(int){ 4711 }, sizeof(int));
    yk_future_unref(f);
    return NULL;
}

static int await_another_thread(void *arg)
{
    (void)arg;
    for (int i = 0; i < (SLOWLY ? 200 : 2000); i++) {
        yk_future *f = yk_future_new();
        pthread_t thread;
        int out = 0;
        pthread_create(&thread, NULL, end_it, yk_future_ref(f));
        if (i % 2)
            yk_yield();
        assert_int_equal(yk_await_into(f, &out, sizeof out), 0);
        assert_int_equal(out, 4711);
        pthread_join(thread, NULL);
        yk_future_unref(f);
    }
    return 0;
}

static void test_promises_ended_by_another_thread(void **state)
{
    (void)state;
    assert_int_equal(run_task(await_another_thread, NULL), 0);
}

/* The deadline and the result arrive together; whatever wins, no wake-up is lost or left over. */
static int race_deadlines(void *arg)
{
    (void)arg;
    for (int i = 0; i < (SLOWLY ? 200 : 2000); i++) {
        yk_future *f = yk_future_new();
        pthread_t thread;
        pthread_create(&thread, NULL, end_it, yk_future_ref(f));
        int err = yk_await_until(f, yk_now() + (uint64_t)(i % 100) * 1000);
        assert_true(err == 0 || err == UV_ETIMEDOUT);
        assert_int_equal(yk_await(f), 0);
        pthread_join(thread, NULL);
        yk_future_unref(f);
    }
    return 0;
}

static void test_deadline_and_result_race(void **state)
{
    (void)state;
    assert_int_equal(run_task(race_deadlines, NULL), 0);
}

static int await_one(void *arg)
{
    return yk_await(arg);
}

static void *await_on_a_thread(void *arg)
{
    return (void *)(intptr_t)yk_await(arg);
}

/* Two tasks and a thread wait for the same future. */
static int two_waiters(void *arg)
{
    (void)arg;
    yk_future *f = yk_future_new();
    yk_future *tasks[] = { yk_task_start(await_one, f), yk_task_start(await_one, f) };
    pthread_t waiter, ender;
    pthread_create(&waiter, NULL, await_on_a_thread, f);
    yk_yield();
    pthread_create(&ender, NULL, end_it, yk_future_ref(f));
    assert_int_equal(yk_await_all(tasks, 2, YK_FOREVER), 0);
    void *result;
    pthread_join(waiter, &result);
    assert_null(result);
    pthread_join(ender, NULL);
    for (int i = 0; i < 2; i++)
        yk_future_unref(tasks[i]);
    yk_future_unref(f);
    return 0;
}

static void test_F28_all_who_wait_for_one_future_wake(void **state)
{
    (void)state;
    assert_int_equal(run_task(two_waiters, NULL), 0);
}

/* ---- Gather ---------------------------------------------------------------------------------- */

struct part {
    uint64_t ms;
    int result, ended_with;
};

static int sleep_and_return(void *arg)
{
    struct part *p = arg;
    p->ended_with = yk_sleep_ms(p->ms);
    return p->ended_with ? p->ended_with : p->result;
}

static const yk_task_fn three[] = { sleep_and_return, sleep_and_return, sleep_and_return };

static int gather_all_good(void *arg)
{
    struct part p[3] = { { 3, 1, 99 }, { 1, 2, 99 }, { 2, 3, 99 } };
    void *args[] = { &p[0], &p[1], &p[2] };
    (void)arg;
    assert_int_equal(yk_gather(three, args, 3), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(p[i].ended_with, 0);
    return yk_gather(three, args, 0);
}

static int gather_one_bad(void *arg)
{
    struct part p[3] = { { 60000, 1, 99 }, { 1, UV_ENOENT, 99 }, { 60000, UV_EACCES, 99 } };
    void *args[] = { &p[0], &p[1], &p[2] };
    (void)arg;
    int err = yk_gather(three, args, 3);
    assert_int_equal(p[0].ended_with, YK_ECANCELED);
    assert_int_equal(p[1].ended_with, 0);
    assert_int_equal(p[2].ended_with, YK_ECANCELED);
    return err;
}

static int gather_long(void *arg)
{
    struct part *p = arg;
    void *args[] = { &p[0], &p[1], &p[2] };
    return yk_gather(three, args, 3);
}

static int cancel_a_gather(void *arg)
{
    struct part p[3] = { { 60000, 1, 99 }, { 60000, 1, 99 }, { 60000, 1, 99 } };
    (void)arg;
    yk_future *task = yk_task_start(gather_long, p);
    for (int i = 0; i < 5; i++)
        yk_yield();
    yk_future_cancel(task);
    int err = yk_await(task);
    for (int i = 0; i < 3; i++)
        assert_int_equal(p[i].ended_with, YK_ECANCELED);
    yk_future_unref(task);
    return err;
}

static int cancel_before_the_parts_begin(void *arg)
{
    struct part p[3] = { { 60000, 1, 99 }, { 60000, 1, 99 }, { 60000, 1, 99 } };
    (void)arg;
    yk_future_cancel(yk_task_current());
    int err = gather_long(p);
    for (int i = 0; i < 3; i++)
        assert_int_equal(p[i].ended_with, 99);
    return err;
}

static int count_call(void *arg)
{
    static int calls;
    assert_null(arg);
    return ++calls == 2 ? UV_EIO : 0;
}

static int gather_the_same_twice(void *arg)
{
    static const yk_task_fn twice[] = { count_call, count_call };
    (void)arg;
    return yk_gather(twice, NULL, 2);
}

static void test_A14_gather(void **state)
{
    (void)state;
    assert_int_equal(run_task(gather_all_good, NULL), 0);
}

static void test_A14_gather_cancels_the_others_when_one_fails(void **state)
{
    (void)state;
    assert_int_equal(run_task(gather_one_bad, NULL), UV_ENOENT);
}

static void test_A14_cancelling_a_gather_cancels_its_parts(void **state)
{
    (void)state;
    assert_int_equal(run_task(cancel_a_gather, NULL), YK_ECANCELED);
    assert_int_equal(run_task(cancel_before_the_parts_begin, NULL), YK_ECANCELED);
}

static void test_A14_gather_of_duplicates(void **state)
{
    (void)state;
    assert_int_equal(run_task(gather_the_same_twice, NULL), UV_EIO);
    assert_int_equal(yk_gather(three, NULL, 3), UV_EINVAL); /* no loop here */
}

int main(void)
{
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_loop_a_task_is_a_future_that_failed),
        cmocka_unit_test(test_a_stack_too_large_fails_the_task),
        cmocka_unit_test(test_a_negative_number_fails_the_task),
        cmocka_unit_test(test_F25_a_task_that_awaits_itself_is_refused),
        cmocka_unit_test(test_a_task_is_a_future_with_an_int),
        cmocka_unit_test(test_ready_tasks_run_in_order),
        cmocka_unit_test(test_dropping_a_task_does_not_end_it),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_a_task_has_nothing_of_those_before),
        cmocka_unit_test(test_stack_sizes),
        cmocka_unit_test(test_sleeps_end_in_order_and_not_early),
        cmocka_unit_test(test_a_plain_thread_sleeps_and_yields),
        cmocka_unit_test(test_a_deadline_leaves_the_future_alone),
        cmocka_unit_test(test_promises_ended_by_another_thread),
        cmocka_unit_test(test_deadline_and_result_race),
        cmocka_unit_test(test_F28_all_who_wait_for_one_future_wake),
        cmocka_unit_test(test_A14_gather),
        cmocka_unit_test(test_A14_gather_cancels_the_others_when_one_fails),
        cmocka_unit_test(test_A14_cancelling_a_gather_cancels_its_parts),
        cmocka_unit_test(test_A14_gather_of_duplicates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
