/* A23: tasks that begin at once. */
#include "checked.h"

#include "executor/init.h"
#include "loop/timeout.h"

static int give(void *n)
{
    return *(int *)n;
}

static int seven = 7, no_entry = UV_ENOENT;

static yk_future *start_eagerly(yk_task_fn fn, void *arg)
{
    return yk_task_start_with(fn, arg, .name = "eager", .eager = true);
}

static void assert_result(yk_future *task, int expected)
{
    int n;
    assert_int_equal(yk_future_state(task), YK_DONE);
    assert_int_equal(yk_await_into_until(task, &n, sizeof n, 0), 0);
    assert_int_equal(n, expected);
    yk_future_unref(task);
}

static void assert_error(yk_future *task, int code)
{
    assert_non_null(yk_future_error(task));
    assert_int_equal(yk_future_error(task)->code, code);
    yk_future_unref(task);
}

/* ---- Those that never wait ------------------------------------------------------------------- */

static void test_A23_an_eager_task_that_fails_has_failed_at_once(void **state)
{
    (void)state;
    assert_error(start_eagerly(give, &seven), UV_EINVAL); /* no loop */
    yk_loop *loop = yk_loop_new();
    assert_error(start_eagerly(NULL, NULL), UV_EINVAL);
    assert_error(start_eagerly(give, &no_entry), UV_ENOENT);
    yk_future *huge = yk_task_start_with(give, &seven, .stack_size = SIZE_MAX / 2, .eager = true);
    assert_error(huge, UV_ENOMEM);
    assert_int_equal(yk_loop_tasks(loop, NULL, 0), 0);
    assert_int_equal(yk_loop_close(loop), 0);
}

static void test_A23_it_ends_without_a_turn_of_the_loop(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    yk_future *task = start_eagerly(give, &seven);
    assert_int_equal(yk_loop_tasks(loop, NULL, 0), 0);
    assert_int_equal(yk_future_cancel(task), YK_EDONE);
    assert_result(task, 7);
    assert_null(yk_task_current());
    yk_future *never = yk_future_new();
    assert_int_equal(yk_await(never), YK_EONLOOP); /* we are no task */
    yk_future_unref(never);
    assert_int_equal(yk_loop_close(loop), 0);
}

/* Each starts the next one, and awaits it. */
static int chain(void *arg)
{
    int left = *(int *)arg - 1, sum;
    if (left == 0)
        return 1;
    yk_future *next = start_eagerly(chain, &left), *me = yk_task_current();
    int err = yk_await_into(next, &sum, sizeof sum);
    assert_ptr_equal(yk_task_current(), me);
    yk_future_unref(next);
    return err ? err : sum + 1;
}

static int count_turn(void *turns)
{
    return ++*(int *)turns;
}

static int chain_in_a_task(void *unused)
{
    (void)unused;
    int turns = 0, length = 50;
    yk_future *other = yk_task_start(count_turn, &turns);
    yk_future *task = start_eagerly(chain, &length);
    assert_int_equal(turns, 0);
    assert_result(task, 50);
    assert_int_equal(yk_await(other), 0);
    assert_int_equal(turns, 1);
    yk_future_unref(other);
    return 0;
}

static void test_A23_a_chain_of_them_schedules_none(void **state)
{
    (void)state;
    assert_int_equal(run_checked(chain_in_a_task, NULL), 0);
}

static int note_where(yk_future *f, void *arg)
{
    (void)f;
    *(bool *)arg = yk_task_current() == NULL;
    return 0;
}

static int call_back(void *arg)
{
    return yk_future_on_end(yk_task_current(), note_where, arg);
}

static int with_a_callback(void *unused)
{
    (void)unused;
    bool outside = false;
    yk_future *me = yk_task_current();
    assert_result(start_eagerly(call_back, &outside), 0);
    assert_true(outside);
    assert_ptr_equal(yk_task_current(), me);
    return yk_sleep_ms(1);
}

static void test_A23_callbacks_of_its_end_are_outside_any_task(void **state)
{
    (void)state;
    assert_int_equal(run_checked(with_a_callback, NULL), 0);
}

/* ---- Those that wait ------------------------------------------------------------------------- */

struct steps {
    yk_future *go, *starter;
    int at, err;
};

static int in_steps(void *arg)
{
    struct steps *s = arg;
    s->at = 1;
    assert_string_equal(yk_task_name(yk_task_current()), "eager");
    s->err = yk_await(s->go);
    s->at = 2;
    return s->err;
}

static int block_and_resume(void *unused)
{
    (void)unused;
    struct steps s = { .go = yk_future_new() };
    yk_future *task = start_eagerly(in_steps, &s);
    assert_int_equal(s.at, 1);
    assert_int_equal(yk_future_state(task), YK_RUNNING);
    assert_int_equal(yk_yield(), 0);
    assert_int_equal(s.at, 1);
    assert_int_equal(yk_future_set_result(s.go, NULL, 0), 0);
    assert_int_equal(s.at, 1);
    assert_int_equal(yk_await(task), 0);
    assert_int_equal(s.at, 2);
    yk_future_unref(s.go);
    yk_future_unref(task);
    return 0;
}

static void test_A23_one_that_waits_goes_on_later(void **state)
{
    (void)state;
    assert_int_equal(run_checked(block_and_resume, NULL), 0);
}

static int cancel_where_it_waits(void *unused)
{
    (void)unused;
    struct steps s = { .go = yk_future_new() };
    yk_future *task = start_eagerly(in_steps, &s);
    assert_int_equal(yk_future_cancel(task), 1);
    assert_int_equal(yk_await(task), YK_ECANCELED);
    assert_int_equal(s.err, YK_ECANCELED);
    assert_int_equal(yk_future_state(s.go), YK_CANCELLED);
    yk_future_unref(s.go);
    yk_future_unref(task);
    return yk_yield();
}

static void test_A23_one_that_waits_can_be_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run_checked(cancel_where_it_waits, NULL), 0);
}

static int wait_at_every_depth(void *arg)
{
    int left = *(int *)arg - 1, sum = 0;
    yk_future *next = left > 0 ? start_eagerly(wait_at_every_depth, &left) : NULL;
    int err = yk_sleep_ms((uint64_t)(left % 3));
    if (!err && next)
        err = yk_await_into(next, &sum, sizeof sum);
    yk_future_unref(next);
    return err ? err : sum + 1;
}

static int deep(void *unused)
{
    (void)unused;
    int depth = 40, sum;
    yk_future *task = start_eagerly(wait_at_every_depth, &depth);
    assert_int_equal(yk_loop_tasks(yk_loop_current(), NULL, 0), 41);
    assert_int_equal(yk_await_into(task, &sum, sizeof sum), 0);
    yk_future_unref(task);
    return sum;
}

static void test_A23_they_nest_and_wait_at_every_depth(void **state)
{
    (void)state;
    assert_int_equal(run_checked(deep, NULL), 40);
}

/* ---- The starter ----------------------------------------------------------------------------- */

static int disturb_the_starter(void *arg)
{
    struct steps *s = arg;
    assert_ptr_not_equal(yk_task_current(), s->starter);
    assert_int_equal(yk_future_cancel(s->starter), 1);
    s->err = yk_await(yk_task_current());
    int err = yk_await(s->starter);
    yk_future_unref(s->starter);
    return err;
}

static int be_disturbed(void *unused)
{
    (void)unused;
    static struct steps s; /* the other one outlives this task */
    s = (struct steps){ .starter = yk_future_ref(yk_task_current()) };
    yk_future_unref(start_eagerly(disturb_the_starter, &s));
    assert_int_equal(s.err, YK_EDEADLK);
    yk_timeout t;
    assert_int_equal(yk_timeout_begin(&t, yk_after_ms(60000)), 0);
    assert_int_equal(yk_timeout_end(&t, yk_sleep_ms(60000)), YK_ECANCELED);
    return 5;
}

static int start_the_disturbed(void *unused)
{
    (void)unused;
    yk_future *task = yk_task_start(be_disturbed, NULL);
    int n;
    assert_int_equal(yk_await_into(task, &n, sizeof n), 0);
    yk_future_unref(task);
    while (yk_loop_tasks(yk_loop_current(), NULL, 0) > 1)
        assert_int_equal(yk_yield(), 0);
    return n;
}

static void test_A23_the_starter_is_another_task(void **state)
{
    (void)state;
    assert_int_equal(run_checked(start_the_disturbed, NULL), 5);
}

/* ---- Outside of turns ------------------------------------------------------------------------ */

static int refuse_to_run(void *unused)
{
    (void)unused;
    yk_loop *loop = yk_loop_current();
    yk_future *f = yk_future_new();
    assert_int_equal(yk_loop_run_until(loop, f), UV_EBUSY);
    assert_int_equal(yk_loop_close(loop), UV_EBUSY);
    yk_future_unref(f);
    uv_run(yk_loop_uv(loop), UV_RUN_NOWAIT); /* a mistake, which runs no task */
    return yk_yield();
}

static void test_A23_A22_it_neither_runs_nor_closes_its_loop(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    yk_future *task = start_eagerly(refuse_to_run, NULL);
    assert_false(yk_future_ended(task));
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    yk_future_unref(task);
    assert_int_equal(yk_loop_close(loop), 0);
}

static yk_future *started;

static void start_in_a_callback(uv_timer_t *timer)
{
    struct steps *s = timer->data;
    started = start_eagerly(in_steps, s);
    assert_int_equal(s->at, 1);
    assert_int_equal(yk_future_set_result(s->go, NULL, 0), 0);
    uv_close((uv_handle_t *)timer, NULL);
}

static void test_A23_from_a_callback_of_the_programs(void **state)
{
    (void)state;
    uv_loop_t uv;
    uv_timer_t timer;
    uv_loop_init(&uv);
    yk_loop *loop = yk_loop_new(.uv = &uv);
    struct steps s = { .go = yk_future_new() };
    uv_timer_init(&uv, &timer);
    timer.data = &s;
    uv_timer_start(&timer, start_in_a_callback, 1, 0);
    uv_run(&uv, UV_RUN_DEFAULT);
    assert_int_equal(s.at, 2);
    assert_result(started, 0);
    yk_future_unref(s.go);
    assert_int_equal(yk_loop_close(loop), 0);
    assert_int_equal(uv_loop_close(&uv), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_A23_an_eager_task_that_fails_has_failed_at_once),
        TEST(test_A23_it_ends_without_a_turn_of_the_loop),
        TEST(test_A23_a_chain_of_them_schedules_none),
        TEST(test_A23_callbacks_of_its_end_are_outside_any_task),
        TEST(test_A23_one_that_waits_goes_on_later),
        TEST(test_A23_one_that_waits_can_be_cancelled),
        TEST(test_A23_they_nest_and_wait_at_every_depth),
        TEST(test_A23_the_starter_is_another_task),
        TEST(test_A23_A22_it_neither_runs_nor_closes_its_loop),
        TEST(test_A23_from_a_callback_of_the_programs),
    };
    return RUN_TESTS("eager", tests);
}
