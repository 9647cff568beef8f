/* Tests of what callbacks on the loop may do: cancel futures of every kind, and stop the loop. */
#include <stdatomic.h>
#include <stdlib.h>

#include "common.h"
#include "loop/call.h"

#include "executor/executor.h"
#include "executor/init.h"

static _Atomic int began; /* jobs on threads */

static int run_until_cancelled(yk_job *job)
{
    atomic_fetch_add(&began, 1);
    while (!yk_job_cancelled(job))
        usleep(1000);
    return YK_ECANCELED;
}

/* How often a future has ended, and how. */
struct ends {
    int times;
    yk_state as;
};

static int note_end(yk_future *f, void *arg)
{
    struct ends *e = arg;
    e->times++;
    e->as = yk_future_state(f);
    return 0;
}

static int sleep_for_ever(void *unused)
{
    (void)unused;
    return yk_sleep_until(YK_FOREVER);
}

static int do_nothing(void *unused)
{
    (void)unused;
    return 0;
}

static void never_called(void *unused)
{
    (void)unused;
    abort();
}

/* ---- A27: one job ---------------------------------------------------------------------------- */

static int cancel_one_of_each(void *arg)
{
    yk_executor *pool = arg;
    yk_future *runs = yk_submit(pool, run_until_cancelled, NULL, 0);
    while (yk_future_state(runs) == YK_PENDING)
        assert_int_equal(yk_sleep_ms(1), 0);
    yk_future *waits = yk_submit(pool, run_until_cancelled, NULL, 0);
    assert_int_equal(yk_future_cancel(waits), 0);
    assert_int_equal(yk_future_state(waits), YK_CANCELLED);
    assert_int_equal(yk_future_cancel(waits), 0); /* as before */
    assert_int_equal(yk_future_state(runs), YK_RUNNING);
    assert_int_equal(yk_future_cancel(runs), 1);
    assert_int_equal(yk_await(runs), YK_ECANCELED);
    assert_int_equal(yk_await(waits), YK_ECANCELED);
    yk_future_unref(runs);
    yk_future_unref(waits);
    assert_int_equal(yk_executor_close(pool), 0);
    return 0;
}

static int cancel_on_threads(void *unused)
{
    (void)unused;
    return cancel_one_of_each(yk_thread_pool(.workers = 1));
}

static int cancel_on_processes(void *unused)
{
    (void)unused;
    return cancel_one_of_each(yk_process_pool(.workers = 1));
}

static void test_A27_one_that_waits_and_one_that_runs(void **state)
{
    (void)state;
    atomic_store(&began, 0);
    assert_int_equal(run_task(cancel_on_threads, NULL), 0);
    assert_int_equal(atomic_load(&began), 1); /* the one that waited never ran */
    assert_int_equal(run_task(cancel_on_processes, NULL), 0);
}

/* ---- A27: all kinds, in a callback ----------------------------------------------------------- */

enum { THREAD_RUNS, THREAD_WAITS, PROCESS_RUNS, PROCESS_WAITS, TASK, NEW_TASK, PROMISE, KINDS };

struct all_kinds {
    yk_future *f[KINDS];
    struct ends ends[KINDS];
    yk_call *soon, *later;
};

static int cancel_all_kinds(yk_future *unused, void *arg)
{
    (void)unused;
    struct all_kinds *all = arg;
    for (int i = KINDS; i-- > 0;) /* first what waits: else it may begin meanwhile */
        assert_in_range(yk_future_cancel(all->f[i]), 0, 1);
    yk_call_cancel(all->soon);
    yk_call_cancel(all->later);
    return 0;
}

static void submit_two(yk_executor *pool, yk_future **f)
{
    f[0] = yk_submit(pool, run_until_cancelled, NULL, 0);
    f[1] = yk_submit(pool, run_until_cancelled, NULL, 0);
    while (yk_future_state(f[0]) == YK_PENDING)
        assert_int_equal(yk_sleep_ms(1), 0);
}

static int all_kinds(void *unused)
{
    (void)unused;
    struct all_kinds all = { .soon = NULL };
    yk_executor *threads = yk_thread_pool(.workers = 1);
    yk_executor *processes = yk_process_pool(.workers = 1);
    submit_two(threads, &all.f[THREAD_RUNS]);
    submit_two(processes, &all.f[PROCESS_RUNS]);
    all.f[TASK] = yk_task_start(sleep_for_ever, NULL);
    all.f[PROMISE] = yk_future_new();
    assert_int_equal(yk_yield(), 0);
    /* Its end comes before those that are started after it have begun. */
    yk_future *first = yk_task_start(do_nothing, NULL);
    all.f[NEW_TASK] = yk_task_start(do_nothing, NULL);
    assert_int_equal(yk_call_soon(never_called, NULL, &all.soon), 0);
    assert_int_equal(yk_call_later_ms(3600000, never_called, NULL, &all.later), 0);
    for (int i = 0; i < KINDS; i++)
        assert_int_equal(yk_future_on_end(all.f[i], note_end, &all.ends[i]), 0);
    assert_int_equal(yk_future_on_end(first, cancel_all_kinds, &all), 0);
    yk_wait(all.f, KINDS, YK_ALL_ENDED, YK_FOREVER);
    assert_int_equal(yk_executor_close(threads), 0); /* then its callbacks have run */
    assert_int_equal(yk_executor_close(processes), 0);
    for (int i = 0; i < KINDS; i++) {
        assert_int_equal(all.ends[i].times, 1);
        assert_int_equal(all.ends[i].as, YK_CANCELLED);
        yk_future_unref(all.f[i]);
    }
    yk_future_unref(first);
    return yk_yield();
}

static void test_A27_all_kinds_are_cancelled_in_a_callback(void **state)
{
    (void)state;
    atomic_store(&began, 0);
    assert_int_equal(run_task(all_kinds, NULL), 0);
    assert_int_equal(atomic_load(&began), 1);
}

static int cancel_itself(yk_future *f, void *result)
{
    *(int *)result = yk_future_cancel(f);
    return 0;
}

static int cancel_in_ones_own_callback(void *unused)
{
    (void)unused;
    int of_done = 1, of_cancelled = 1;
    yk_future *done = yk_future_new(), *cancelled = yk_future_new();
    yk_future_on_end(done, cancel_itself, &of_done);
    yk_future_on_end(cancelled, cancel_itself, &of_cancelled);
    assert_int_equal(yk_future_set_result(done, "x", 1), 0);
    assert_int_equal(yk_future_cancel(cancelled), 0);
    assert_int_equal(of_done, YK_EDONE);
    assert_int_equal(of_cancelled, 0);
    assert_int_equal(yk_future_state(done), YK_DONE);
    yk_future_unref(done);
    yk_future_unref(cancelled);
    return 0;
}

static void test_A27_a_callback_that_cancels_its_own_future(void **state)
{
    (void)state;
    assert_int_equal(run_task(cancel_in_ones_own_callback, NULL), 0);
}

/* ---- A27: stopping libuv's loop in callbacks ------------------------------------------------- */

static int stops;

static void stop_in_timer(uv_timer_t *timer)
{
    stops++;
    uv_stop(timer->loop);
}

static void stop_in_call(void *uv)
{
    stops++;
    uv_stop(uv);
}

static int stop_at_end(yk_future *f, void *uv)
{
    (void)f;
    stops++;
    uv_stop(uv);
    return 0;
}

static bool closed;

static void note_closed(uv_handle_t *handle)
{
    (void)handle;
    closed = true;
}

/* Each of these stops the loop once; a timer does so again and again. */
static int stop_in_every_way(void *unused)
{
    (void)unused;
    uv_timer_t timer;
    uv_loop_t *uv = yk_loop_uv(yk_loop_current());
    uv_timer_init(uv, &timer);
    uv_timer_start(&timer, stop_in_timer, 0, 1);
    assert_int_equal(yk_call_soon(stop_in_call, uv, NULL), 0);
    yk_future *t = yk_task_start(do_nothing, NULL);
    assert_int_equal(yk_future_on_end(t, stop_at_end, uv), 0);
    uv_stop(uv);
    while (stops < 5)
        assert_int_equal(yk_sleep_ms(1), 0);
    assert_int_equal(yk_await(t), 0);
    yk_future_unref(t);
    closed = false;
    uv_close((uv_handle_t *)&timer, note_closed);
    while (!closed)
        assert_int_equal(yk_sleep_ms(1), 0);
    return 0;
}

static void test_A27_a_loop_that_is_stopped_in_callbacks_runs_until_its_future_ends(void **state)
{
    (void)state;
    stops = 0;
    assert_int_equal(run_task(stop_in_every_way, NULL), 0);
}

static void test_A27_uv_run_returns_where_it_is_stopped_and_goes_on_later(void **state)
{
    (void)state;
    uv_loop_t uv;
    stops = 0;
    assert_int_equal(uv_loop_init(&uv), 0);
    yk_loop *loop = yk_loop_new(.uv = &uv);
    yk_future *t = yk_task_start(stop_in_every_way, NULL);
    int runs = 1;
    while (uv_run(&uv, UV_RUN_DEFAULT) != 0)
        runs++;
    assert_int_equal(yk_future_state(t), YK_DONE);
    assert_in_range(runs, 2, stops + 2); /* one for each, or fewer where two came in one turn */
    yk_future_unref(t);
    assert_int_equal(yk_loop_close(loop), 0);
    assert_int_equal(uv_loop_close(&uv), 0);
}

int main(void)
{
    int err = yk_init();
    if (err)
        return 1;
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_A27_one_that_waits_and_one_that_runs),
        cmocka_unit_test(test_A27_all_kinds_are_cancelled_in_a_callback),
        cmocka_unit_test(test_A27_a_callback_that_cancels_its_own_future),
        cmocka_unit_test(test_A27_a_loop_that_is_stopped_in_callbacks_runs_until_its_future_ends),
        cmocka_unit_test(test_A27_uv_run_returns_where_it_is_stopped_and_goes_on_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
