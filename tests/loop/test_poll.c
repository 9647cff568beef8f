/* yk_poll: descriptors of others, waited for by tasks and by threads. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>

#include "common.h"
#include "loop/poll.h"
#include "loop/timeout.h"

static int ends[2];

static int setup(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    return 0;
}

static void send_a_byte(void)
{
    assert_int_equal(write(ends[1], "x", 1), 1);
}

static void take_a_byte(void)
{
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
}

/* ---- In a task ------------------------------------------------------------------------------- */

static int wait_for_input(void *arg)
{
    (void)arg;
    return yk_poll(ends[0], YK_READABLE, YK_FOREVER);
}

static int hears_what_comes(void *arg)
{
    (void)arg;
    assert_int_equal(yk_poll(ends[0], YK_READABLE, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_poll(ends[0], YK_READABLE | YK_WRITABLE, YK_FOREVER), YK_WRITABLE);
    for (int i = 0; i < 3; i++) {
        yk_future *t = yk_task_start(wait_for_input, NULL);
        assert_int_equal(yk_yield(), 0);
        assert_false(yk_future_ended(t));
        send_a_byte();
        int came = 0;
        assert_int_equal(yk_await_into(t, &came, sizeof came), 0);
        assert_int_equal(came, YK_READABLE);
        yk_future_unref(t);
        take_a_byte();
    }
    return 0;
}

static void test_a_task_waits_for_input(void **state)
{
    (void)state;
    assert_int_equal(run_task(hears_what_comes, NULL), 0);
}

static int fills_it(void *arg)
{
    static char block[65536];
    (void)arg;
    while (write(ends[0], block, sizeof block) > 0)
        ;
    assert_int_equal(yk_poll(ends[0], YK_WRITABLE, yk_after_ms(1)), UV_ETIMEDOUT);
    while (read(ends[1], block, sizeof block) > 0)
        ;
    assert_int_equal(yk_poll(ends[0], YK_WRITABLE, YK_FOREVER), YK_WRITABLE);
    return 0;
}

static void test_a_task_waits_for_room(void **state)
{
    (void)state;
    assert_int_equal(run_task(fills_it, NULL), 0);
}

static int gives_up(void *arg)
{
    (void)arg;
    yk_future *t = yk_task_start(wait_for_input, NULL);
    assert_int_equal(yk_yield(), 0);
    yk_future_cancel(t);
    assert_int_equal(yk_await(t), YK_ECANCELED);
    yk_future_unref(t);
    assert_int_equal(yk_with_timeout(wait_for_input, NULL, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_int_equal(yk_poll(ends[0], YK_READABLE, yk_after_ms(1)), UV_ETIMEDOUT);
    send_a_byte(); /* nobody is left to be told of it, but the next one */
    assert_int_equal(yk_yield(), 0);
    assert_int_equal(wait_for_input(NULL), YK_READABLE);
    return 0;
}

static void test_A27_a_wait_that_was_given_up_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(run_task(gives_up, NULL), 0);
}

/* The cancellation comes when the byte is there already: the byte is told first. */
static int is_cancelled_too_late(void *arg)
{
    (void)arg;
    yk_future *t = yk_task_start(wait_for_input, NULL);
    assert_int_equal(yk_yield(), 0);
    send_a_byte();
    while (!yk_future_ended(t) && yk_poll(ends[0], YK_READABLE, 0) != YK_READABLE)
        assert_int_equal(yk_yield(), 0);
    yk_future_cancel(t);
    int err = yk_await(t);
    assert_true(err == 0 || err == YK_ECANCELED);
    yk_future_unref(t);
    assert_int_equal(wait_for_input(NULL), YK_READABLE);
    return 0;
}

static void test_A27_a_cancellation_at_the_last_moment(void **state)
{
    (void)state;
    assert_int_equal(run_task(is_cancelled_too_late, NULL), 0);
}

static int is_hung_up(void *arg)
{
    (void)arg;
    yk_future *t = yk_task_start(wait_for_input, NULL);
    assert_int_equal(yk_yield(), 0);
    close(ends[1]);
    ends[1] = -1;
    int came = 0;
    assert_int_equal(yk_await_into(t, &came, sizeof came), 0);
    assert_int_equal(came, YK_READABLE);
    yk_future_unref(t);
    return 0;
}

static void test_the_other_end_goes(void **state)
{
    (void)state;
    assert_int_equal(run_task(is_hung_up, NULL), 0);
}

static int polls_for_ever(void *arg)
{
    int ready;
    while ((ready = yk_poll(ends[0], YK_WRITABLE, YK_FOREVER)) > 0)
        ++*(unsigned long *)arg;
    return ready;
}

static int is_always_ready(void *arg)
{
    unsigned long times = 0;
    (void)arg;
    yk_future *t = yk_task_start(polls_for_ever, &times);
    for (int i = 0; i < 3; i++)
        assert_int_equal(yk_yield(), 0);
    assert_true(times > 0);
    yk_future_cancel(t);
    assert_int_equal(yk_await(t), YK_ECANCELED);
    yk_future_unref(t);
    return 0;
}

static void test_what_is_always_ready_gives_way(void **state)
{
    (void)state;
    assert_int_equal(run_task(is_always_ready, NULL), 0);
}

static int waits_twice(void *arg)
{
    (void)arg;
    yk_future *t = yk_task_start(wait_for_input, NULL);
    assert_int_equal(yk_yield(), 0);
    assert_int_equal(yk_poll(ends[0], YK_READABLE, YK_FOREVER), UV_EBUSY);
    send_a_byte();
    assert_int_equal(yk_await(t), 0);
    yk_future_unref(t);
    return 0;
}

static void test_a_second_task_is_told(void **state)
{
    (void)state;
    assert_int_equal(run_task(waits_twice, NULL), 0);
}

static int asks_for_nonsense(void *arg)
{
    (void)arg;
    assert_int_equal(yk_poll(ends[0], 0, YK_FOREVER), UV_EINVAL);
    assert_int_equal(yk_poll(ends[0], 8, YK_FOREVER), UV_EINVAL);
    assert_int_equal(yk_poll(-1, YK_READABLE, YK_FOREVER), UV_EBADF);
    assert_int_equal(yk_poll(1 << 20, YK_READABLE, YK_FOREVER), UV_EBADF);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_int_equal(yk_poll(file, YK_READABLE, YK_FOREVER), YK_READABLE);
    close(file);
    return 0;
}

static void test_nonsense_and_files(void **state)
{
    (void)state;
    assert_int_equal(run_task(asks_for_nonsense, NULL), 0);
}

/* ---- Elsewhere ------------------------------------------------------------------------------- */

static void *wait_on_a_thread(void *arg)
{
    *(int *)arg = yk_poll(ends[0], YK_READABLE, YK_FOREVER);
    return NULL;
}

static void test_a_thread_waits(void **state)
{
    (void)state;
    pthread_t thread;
    int came = 0;
    assert_int_equal(yk_poll(ends[0], YK_READABLE, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_int_equal(pthread_create(&thread, NULL, wait_on_a_thread, &came), 0);
    send_a_byte();
    pthread_join(thread, NULL);
    assert_int_equal(came, YK_READABLE);
}

static void test_a_loops_thread_does_not(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    assert_int_equal(yk_poll(ends[0], YK_READABLE, YK_FOREVER), YK_EONLOOP);
    send_a_byte();
    assert_int_equal(yk_poll(ends[0], YK_READABLE, YK_FOREVER), YK_READABLE);
    assert_int_equal(yk_loop_close(loop), 0);
}

static int only_yields(void *arg)
{
    (void)arg;
    return yk_yield();
}

static void test_A27_a_loop_is_closed_while_it_waits(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    yk_future *t = yk_task_start(wait_for_input, NULL);
    yk_future *turn = yk_task_start(only_yields, NULL);
    assert_int_equal(yk_loop_run_until(loop, turn), 0);
    assert_int_equal(yk_loop_close(loop), 1);
    assert_int_equal(yk_future_state(t), YK_CANCELLED);
    yk_future_unref(turn);
    yk_future_unref(t);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_a_task_waits_for_input),
        TEST(test_a_task_waits_for_room),
        TEST(test_A27_a_wait_that_was_given_up_leaves_nothing),
        TEST(test_A27_a_cancellation_at_the_last_moment),
        TEST(test_the_other_end_goes),
        TEST(test_what_is_always_ready_gives_way),
        TEST(test_a_second_task_is_told),
        TEST(test_nonsense_and_files),
        TEST(test_a_thread_waits),
        TEST(test_a_loops_thread_does_not),
        TEST(test_A27_a_loop_is_closed_while_it_waits),
    };
    arm_watchdog();
    return cmocka_run_group_tests_name("poll", tests, NULL, NULL);
}
