/* Signals as events. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "common.h"
#include "loop/signal.h"
#include "loop/timeout.h"

static void *raise_it(void *signum)
{
    raise((int)(intptr_t)signum);
    return NULL;
}

/* On a thread of its own: ThreadSanitizer delays a handler, and may forget it, where the signal
 * comes on a coroutine's stack. */
static void raise_for_all(int signum)
{
    pthread_t thread;
    pthread_create(&thread, NULL, raise_it, (void *)(intptr_t)signum);
    pthread_join(thread, NULL);
}

static void *disposition(int signum)
{
    struct sigaction now;
    sigaction(signum, NULL, &now);
    return (void *)(intptr_t)now.sa_handler;
}

/* ---- Refusals -------------------------------------------------------------------------------- */

static void test_signals_that_nobody_can_wait_for(void **state)
{
    (void)state;
    yk_signal *s = NULL;
    assert_int_equal(yk_signal_open(&s, SIGUSR1), UV_EINVAL); /* no loop */
    yk_loop *loop = yk_loop_new();
    static const int bad[] = { 0, -1, 1000, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(yk_signal_open(&s, bad[i]), UV_EINVAL);
    assert_null(s);
    assert_int_equal(yk_signal_open(&s, SIGUSR1), 0);
    assert_int_equal(yk_signal_next(s, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_signal_next(s, YK_FOREVER), YK_EONLOOP);
    yk_signal_close(s);
    yk_signal_close(NULL);
    yk_loop_close(loop);
}

/* ---- One task -------------------------------------------------------------------------------- */

static int count_some(void *arg)
{
    (void)arg;
    yk_signal *s;
    assert_int_equal(yk_signal_open(&s, SIGUSR1), 0);
    assert_int_equal(yk_signal_next(s, yk_after_ms(1)), UV_ETIMEDOUT);
    raise_for_all(SIGUSR1);
    assert_int_equal(yk_signal_next(s, YK_FOREVER), 1);
    /* Three that come one by one, before anybody waits. */
    yk_signal *witness;
    assert_int_equal(yk_signal_open(&witness, SIGUSR1), 0);
    for (int i = 0; i < 3; i++) {
        raise_for_all(SIGUSR1);
        assert_int_equal(yk_signal_next(witness, YK_FOREVER), 1);
    }
    assert_int_equal(yk_signal_next(s, YK_FOREVER), 3);
    assert_int_equal(yk_signal_next(s, 0), UV_ETIMEDOUT);
    yk_signal_close(witness);
    yk_signal_close(s);
    return 0;
}

static void test_a_task_awaits_a_signal_and_hears_how_often_it_came(void **state)
{
    (void)state;
    assert_int_equal(run_task(count_some, NULL), 0);
}

static void on_usr1(int signum)
{
    (void)signum;
}

static int open_and_close(void *arg)
{
    (void)arg;
    yk_signal *one, *two;
    assert_int_equal(yk_signal_open(&one, SIGUSR1), 0);
    assert_int_equal(yk_signal_open(&two, SIGUSR1), 0);
    yk_signal_close(one);
    raise_for_all(SIGUSR1);
    assert_int_equal(yk_signal_next(two, YK_FOREVER), 1);
    yk_signal_close(two);
    return 0;
}

static void test_what_was_there_before_is_there_again(void **state)
{
    (void)state;
    struct sigaction action = { .sa_handler = on_usr1 }, before;
    sigaction(SIGUSR1, &action, &before);
    assert_int_equal(run_task(open_and_close, NULL), 0);
    assert_ptr_equal(disposition(SIGUSR1), (void *)(intptr_t)on_usr1);
    action.sa_handler = SIG_IGN;
    sigaction(SIGUSR1, &action, NULL);
    assert_int_equal(run_task(open_and_close, NULL), 0);
    assert_ptr_equal(disposition(SIGUSR1), (void *)(intptr_t)SIG_IGN);
    sigaction(SIGUSR1, &before, NULL);
}

/* A handle of the program's own on the same signal keeps libuv's handler. */
static void on_their_signal(uv_signal_t *handle, int signum)
{
    (void)signum;
    yk_future_set_result(handle->data, NULL, 0);
}

static int beside_the_programs_own(void *arg)
{
    (void)arg;
    yk_signal *ours;
    uv_signal_t theirs;
    uv_signal_init(yk_loop_uv(yk_loop_current()), &theirs);
    theirs.data = yk_future_new();
    assert_int_equal(yk_signal_open(&ours, SIGUSR1), 0);
    uv_signal_start(&theirs, on_their_signal, SIGUSR1);
    yk_signal_close(ours);
    raise_for_all(SIGUSR1);
    assert_int_equal(yk_await(theirs.data), 0);
    yk_future_unref(theirs.data);
    uv_close((uv_handle_t *)&theirs, NULL);
    return yk_sleep_ms(1); /* until it is closed */
}

static void test_the_programs_own_handles_go_on(void **state)
{
    (void)state;
    assert_int_equal(run_task(beside_the_programs_own, NULL), 0);
}

/* ---- Several tasks --------------------------------------------------------------------------- */

struct waiter {
    yk_signal *signal;
    int got;
    int *order, place;
};

static int wait_for_it(void *arg)
{
    struct waiter *w = arg;
    w->got = yk_signal_next(w->signal, YK_FOREVER);
    w->place = ++*w->order;
    return 0;
}

enum { WAITERS = 4 };

static int wait_in_line(void *arg)
{
    (void)arg;
    yk_signal *s, *witness;
    assert_int_equal(yk_signal_open(&s, SIGUSR1), 0);
    assert_int_equal(yk_signal_open(&witness, SIGUSR1), 0);
    struct waiter w[WAITERS];
    yk_future *tasks[WAITERS];
    int order = 0;
    for (int i = 0; i < WAITERS; i++) {
        w[i] = (struct waiter){ .signal = s, .order = &order };
        tasks[i] = yk_task_start(wait_for_it, &w[i]);
    }
    assert_int_equal(yk_yield(), 0);
    yk_future_cancel(tasks[1]);
    assert_int_equal(yk_await(tasks[1]), 0);
    assert_int_equal(w[1].got, YK_ECANCELED);
    raise_for_all(SIGUSR1);
    assert_int_equal(yk_await(tasks[0]), 0);
    assert_int_equal(w[0].got, 1);
    assert_false(yk_future_ended(tasks[2]));
    yk_signal_next(witness, YK_FOREVER);
    raise_for_all(SIGUSR1);
    assert_int_equal(yk_await(tasks[2]), 0);
    assert_int_equal(w[2].got, 1);
    assert_false(yk_future_ended(tasks[3]));
    yk_signal_close(s); /* the last one waits in it */
    assert_int_equal(yk_await(tasks[3]), 0);
    assert_int_equal(w[3].got, YK_ECLOSED);
    for (int i = 0; i < WAITERS; i++)
        yk_future_unref(tasks[i]);
    yk_signal_close(witness);
    return 0;
}

static void test_several_wait_in_line(void **state)
{
    (void)state;
    assert_int_equal(run_task(wait_in_line, NULL), 0);
}

/* The signal and the cancellation come in one turn: one of the two is told, and neither lost. */
static int cancel_in_the_same_turn(void *arg)
{
    (void)arg;
    yk_signal *s, *witness;
    assert_int_equal(yk_signal_open(&s, SIGUSR1), 0);
    assert_int_equal(yk_signal_open(&witness, SIGUSR1), 0);
    int told = 0, order = 0;
    for (int i = 0; i < 20; i++) {
        struct waiter w = { .signal = s, .order = &order };
        yk_future *task = yk_task_start(wait_for_it, &w);
        assert_int_equal(yk_yield(), 0);
        raise_for_all(SIGUSR1);
        if (i % 2)
            yk_signal_next(witness, YK_FOREVER);
        yk_future_cancel(task);
        assert_int_equal(yk_await(task), 0);
        yk_future_unref(task);
        if (i % 2 == 0)
            yk_signal_next(witness, YK_FOREVER);
        if (w.got == YK_ECANCELED)
            assert_int_equal(yk_signal_next(s, 0), 1);
        else
            told += w.got == 1;
        assert_int_equal(yk_signal_next(s, 0), UV_ETIMEDOUT);
    }
    yk_signal_close(s);
    yk_signal_close(witness);
    return told <= 20 ? 0 : 1;
}

static void test_a_cancelled_waiter_loses_no_signal(void **state)
{
    (void)state;
    assert_int_equal(run_task(cancel_in_the_same_turn, NULL), 0);
}

/* ---- Storms, and several loops --------------------------------------------------------------- */

enum { STORM = SLOWLY ? 300 : 3000 };

static void *storm(void *arg)
{
    (void)arg;
    for (int i = 0; i < STORM; i++)
        raise(SIGUSR1);
    raise(SIGUSR2);
    return NULL;
}

static int weather_it(void *arg)
{
    (void)arg;
    yk_signal *s, *end;
    pthread_t thread;
    assert_int_equal(yk_signal_open(&s, SIGUSR1), 0);
    assert_int_equal(yk_signal_open(&end, SIGUSR2), 0);
    pthread_create(&thread, NULL, storm, NULL);
    int seen = 0;
    while (yk_signal_next(end, 0) == UV_ETIMEDOUT) {
        int n = yk_signal_next(s, yk_after_ms(10));
        assert_true(n > 0 || n == UV_ETIMEDOUT);
        seen += n > 0 ? n : 0;
    }
    pthread_join(thread, NULL);
    int n = yk_signal_next(s, yk_after_ms(1));
    seen += n > 0 ? n : 0;
    assert_in_range(seen, 1, STORM);
    yk_signal_close(s);
    yk_signal_close(end);
    return 0;
}

static void test_a_storm_of_signals(void **state)
{
    (void)state;
    assert_int_equal(run_task(weather_it, NULL), 0);
}

enum { LOOPS = 3 };

static pthread_barrier_t all_open, all_told;

static int hear_it(void *arg)
{
    yk_signal *s;
    assert_int_equal(yk_signal_open(&s, SIGUSR1), 0);
    pthread_barrier_wait(&all_open);
    if (arg)
        raise_for_all(SIGUSR1);
    assert_int_equal(yk_signal_next(s, YK_FOREVER), 1);
    pthread_barrier_wait(&all_told);
    yk_signal_close(s);
    return 0;
}

static void *hear_it_on_a_thread(void *arg)
{
    assert_int_equal(run_task(hear_it, arg), 0);
    return NULL;
}

static void test_every_loop_hears_it(void **state)
{
    (void)state;
    pthread_t threads[LOOPS];
    static int sends;
    pthread_barrier_init(&all_open, NULL, LOOPS);
    pthread_barrier_init(&all_told, NULL, LOOPS);
    for (int i = 0; i < LOOPS; i++)
        pthread_create(&threads[i], NULL, hear_it_on_a_thread, i ? NULL : &sends);
    for (int i = 0; i < LOOPS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&all_open);
    pthread_barrier_destroy(&all_told);
    assert_ptr_equal(disposition(SIGUSR1), (void *)(intptr_t)SIG_DFL);
}

static int leave_it_open(void *arg)
{
    assert_int_equal(yk_signal_open(arg, SIGUSR1), 0);
    return 0;
}

static void test_one_that_is_left_open_outlives_its_loop(void **state)
{
    (void)state;
    yk_signal *s;
    uv_loop_t uv;
    uv_loop_init(&uv);
    yk_loop *loop = yk_loop_new(.uv = &uv);
    yk_future *task = yk_task_start(leave_it_open, &s);
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0); /* it does not keep the loop going */
    yk_future_unref(task);
    assert_int_equal(yk_loop_close(loop), 0);
    assert_int_equal(uv_loop_close(&uv), 0);
    assert_ptr_equal(disposition(SIGUSR1), (void *)(intptr_t)SIG_DFL);
    assert_int_equal(yk_signal_next(s, YK_FOREVER), YK_ECLOSED);
    yk_signal_close(s);
}

int main(void)
{
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals_that_nobody_can_wait_for),
        cmocka_unit_test(test_a_task_awaits_a_signal_and_hears_how_often_it_came),
        cmocka_unit_test(test_what_was_there_before_is_there_again),
        cmocka_unit_test(test_the_programs_own_handles_go_on),
        cmocka_unit_test(test_several_wait_in_line),
        cmocka_unit_test(test_a_cancelled_waiter_loses_no_signal),
        cmocka_unit_test(test_a_storm_of_signals),
        cmocka_unit_test(test_every_loop_hears_it),
        cmocka_unit_test(test_one_that_is_left_open_outlives_its_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
