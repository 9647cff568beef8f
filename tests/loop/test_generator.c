/* Tests of generators: tasks that give values, no faster than they are read. */
#include "checked.h"

#include <string.h>

#include "executor/executor.h"
#include "executor/init.h"
#include "executor/stream.h"
#include "loop/generator.h"
#include "loop/timeout.h"

/* What a generator has done so far. */
struct counter {
    int given, last; /* how many values were taken from its hand, and what came of the last one */
    bool begun, ended;
    int most, code;    /* how many it gives, and how it ends then */
    int ignores;       /* how many refusals it ignores */
    yk_generator *own; /* reads or frees itself */
    yk_future *go;
};

static int count(void *arg)
{
    struct counter *c = arg;
    c->begun = true;
    for (int n = 0; n < c->most && (c->last == 0 || c->ignores-- > 0); n++) {
        c->last = yk_generate(&n);
        c->given += c->last == 0;
    }
    c->ended = true;
    return c->last ? c->last : c->code;
}

static yk_generator *generator_of(struct counter *c, size_t ahead)
{
    yk_generator *g = yk_generator_new(count, c, sizeof(int), .ahead = ahead);
    assert_non_null(g);
    return g;
}

static void assert_next(yk_generator *g, int expected)
{
    int n = -1;
    assert_int_equal(yk_generator_next(g, &n, YK_FOREVER), 0);
    assert_int_equal(n, expected);
}

static void assert_end(yk_generator *g, int code)
{
    int n = 99;
    for (int i = 0; i < 2; i++)
        assert_int_equal(yk_generator_next(g, &n, YK_FOREVER), code);
    assert_int_equal(n, 99);
}

static void let_run(void)
{
    for (int i = 0; i < 5; i++)
        assert_int_equal(yk_yield(), 0);
}

/* ---- What is refused ------------------------------------------------------------------------- */

static int read_oneself(void *arg)
{
    struct counter *c = arg;
    int n = 0;
    assert_int_equal(yk_generator_next(c->own, &n, YK_FOREVER), YK_EDEADLK);
    assert_int_equal(yk_generate(NULL), UV_EINVAL);
    return 0;
}

static int refusals(void *unused)
{
    (void)unused;
    int n = 0;
    struct counter c = { .most = 1 };
    assert_int_equal(yk_generate(&n), UV_EINVAL);
    assert_int_equal(yk_generator_next(NULL, &n, YK_FOREVER), UV_EINVAL);
    assert_null(yk_generator_new(NULL, NULL, sizeof(int)));
    assert_null(yk_generator_new(count, NULL, SIZE_MAX / 4, .ahead = 4));
    c.own = yk_generator_new(read_oneself, &c, sizeof(int));
    assert_end(c.own, YK_END);
    yk_generator_free(c.own);
    yk_generator *huge =
        yk_generator_new(count, &c, sizeof(int), .task = { .stack_size = SIZE_MAX / 2 });
    assert_end(huge, UV_ENOMEM);
    yk_generator_free(huge);
    yk_generator_free(NULL);
    return 0;
}

static void test_what_no_generator_does(void **state)
{
    (void)state;
    struct counter c = { .most = 1 };
    assert_null(yk_generator_new(count, &c, sizeof(int))); /* no loop */
    assert_int_equal(yk_generate(&c), UV_EINVAL);
    assert_int_equal(run_checked(refusals, NULL), 0);
}

static int error_after_values(void *unused)
{
    (void)unused;
    for (size_t ahead = 0; ahead < 4; ahead++) {
        struct counter c = { .most = 2, .code = UV_EIO };
        yk_generator *g = generator_of(&c, ahead);
        assert_next(g, 0);
        let_run();
        assert_next(g, 1);
        assert_end(g, UV_EIO);
        yk_generator_free(g);
    }
    return 0;
}

static void test_an_error_comes_after_the_values(void **state)
{
    (void)state;
    assert_int_equal(run_checked(error_after_values, NULL), 0);
}

/* ---- Values ---------------------------------------------------------------------------------- */

static int all_values(void *unused)
{
    (void)unused;
    for (size_t ahead = 0; ahead < 5; ahead++) {
        struct counter c = { .most = 20, .code = 7 };
        yk_generator *g = generator_of(&c, ahead);
        for (int n = 0; n < 20; n++)
            assert_next(g, n);
        assert_end(g, YK_END);
        yk_generator_free(g);
    }
    return 0;
}

static void test_values_come_in_order_and_end(void **state)
{
    (void)state;
    assert_int_equal(run_checked(all_values, NULL), 0);
}

static int no_further_than_the_reader(void *unused)
{
    (void)unused;
    for (int ahead = 0; ahead < 4; ahead++) {
        struct counter c = { .most = 100 };
        yk_generator *g = generator_of(&c, (size_t)ahead);
        let_run();
        assert_false(c.begun);
        for (int n = 0; n < 10; n++) {
            assert_next(g, n);
            let_run();
            assert_int_equal(c.given, n + 1 + ahead);
        }
        yk_generator_free(g);
        assert_true(c.ended);
    }
    return 0;
}

static void test_it_goes_no_further_than_its_reader(void **state)
{
    (void)state;
    assert_int_equal(run_checked(no_further_than_the_reader, NULL), 0);
}

static int squares(void *of)
{
    int n, err;
    while ((err = yk_generator_next(of, &n, YK_FOREVER)) == 0) {
        n *= n;
        if ((err = yk_generate(&n)) != 0)
            break;
    }
    return err == YK_END ? 0 : err;
}

static int pipeline(void *unused)
{
    (void)unused;
    struct counter c = { .most = 10 };
    yk_generator *numbers = generator_of(&c, 2);
    yk_generator *g =
        yk_generator_new(squares, numbers, sizeof(int), .task = { .name = "squares" });
    for (int n = 0; n < 10; n++)
        assert_next(g, n * n);
    assert_end(g, YK_END);
    yk_generator_free(g);
    yk_generator_free(numbers);
    return 0;
}

static void test_generators_read_generators(void **state)
{
    (void)state;
    assert_int_equal(run_checked(pipeline, NULL), 0);
}

/* The records of a job, as values. */
static int emit_ten(yk_job *job)
{
    for (int n = 0; n < 10; n++) {
        int err = yk_job_emit(job, &n, sizeof n);
        if (err)
            return err;
    }
    return yk_job_fail(job, UV_ENOENT, "no more of them");
}

static int records_of(void *job)
{
    int n, err;
    while ((err = yk_stream_next(job, &n, sizeof n, NULL, YK_FOREVER)) == 0)
        if ((err = yk_generate(&n)) != 0)
            return err;
    return err == YK_END ? yk_await(job) : err;
}

static int records(void *unused)
{
    (void)unused;
    yk_executor *pool = yk_process_pool(.workers = 1);
    yk_future *job = yk_submit_with(pool, emit_ten, NULL, 0, .stream = 32);
    yk_generator *g = yk_generator_new(records_of, job, sizeof(int), .ahead = 3);
    for (int n = 0; n < 10; n++)
        assert_next(g, n);
    assert_end(g, UV_ENOENT);
    yk_generator_free(g);
    yk_future_unref(job);
    return yk_executor_close(pool);
}

static void test_a_generator_of_what_a_job_emits(void **state)
{
    (void)state;
    assert_int_equal(run_checked(records, NULL), 0);
}

/* ---- Readers that stop waiting --------------------------------------------------------------- */

static int slowly(void *go)
{
    int n = 5, err = yk_await(go);
    return err ? err : yk_generate(&n);
}

static int deadlines(void *unused)
{
    (void)unused;
    yk_future *go = yk_future_new();
    yk_generator *g = yk_generator_new(slowly, go, sizeof(int));
    int n = 99;
    assert_int_equal(yk_generator_next(g, &n, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_generator_next(g, &n, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_int_equal(n, 99);
    assert_int_equal(yk_future_state(go), YK_PENDING); /* the generator goes on */
    assert_int_equal(yk_future_set_result(go, NULL, 0), 0);
    let_run(); /* it has its value in its hand, and keeps it */
    assert_next(g, 5);
    assert_end(g, YK_END);
    yk_generator_free(g);
    yk_future_unref(go);
    return 0;
}

static void test_a_deadline_loses_no_value(void **state)
{
    (void)state;
    assert_int_equal(run_checked(deadlines, NULL), 0);
}

struct reader {
    yk_generator *g;
    int first, second, value;
};

static int read_twice(void *arg)
{
    struct reader *r = arg;
    r->first = yk_generator_next(r->g, &r->value, YK_FOREVER);
    r->second = yk_generator_next(r->g, &r->value, YK_FOREVER);
    return 0;
}

static int cancel_reader(void *unused)
{
    (void)unused;
    yk_future *go = yk_future_new();
    struct reader r = { .g = yk_generator_new(slowly, go, sizeof(int)) };
    yk_future *task = yk_task_start(read_twice, &r);
    let_run();
    assert_int_equal(yk_generator_next(r.g, &r.value, YK_FOREVER), UV_EBUSY);
    yk_future_cancel(task);
    let_run();
    assert_int_equal(r.first, YK_ECANCELED);
    assert_int_equal(yk_future_set_result(go, NULL, 0), 0);
    assert_int_equal(yk_await(task), 0);
    assert_int_equal(r.second, 0);
    assert_int_equal(r.value, 5);
    yk_future_unref(task);
    yk_generator_free(r.g);
    yk_future_unref(go);
    return 0;
}

/* It is cancelled while its value is on its way: it has both, one after the other. */
static int give_and_cancel(void *unused)
{
    (void)unused;
    yk_future *go = yk_future_new();
    struct reader r = { .g = yk_generator_new(slowly, go, sizeof(int)) };
    yk_future *task = yk_task_start(read_twice, &r);
    let_run();
    assert_int_equal(yk_future_set_result(go, NULL, 0), 0);
    assert_int_equal(yk_yield(), 0); /* given, and not yet taken */
    assert_int_equal(r.value, 0);
    yk_future_cancel(task);
    assert_int_equal(yk_await(task), 0);
    assert_int_equal(r.first, 0);
    assert_int_equal(r.value, 5);
    assert_int_equal(r.second, YK_END);
    yk_future_unref(task);
    yk_generator_free(r.g);
    yk_future_unref(go);
    return 0;
}

static void test_a_cancelled_reader_loses_no_value(void **state)
{
    (void)state;
    assert_int_equal(run_checked(cancel_reader, NULL), 0);
    assert_int_equal(run_checked(give_and_cancel, NULL), 0);
}

/* ---- The end --------------------------------------------------------------------------------- */

static int cleaned_up;

static int clean_up_slowly(void *unused)
{
    (void)unused;
    int err;
    for (int n = 0; (err = yk_generate(&n)) == 0; n++)
        ;
    assert_int_equal(yk_sleep_ms(2), 0);
    cleaned_up++;
    return err;
}

static int free_half_way(void *cancelled)
{
    yk_generator *g = yk_generator_new(clean_up_slowly, NULL, sizeof(int), .ahead = 2);
    assert_next(g, 0);
    if (*(bool *)cancelled)
        yk_future_cancel(yk_task_current());
    yk_generator_free(g);
    int had = cleaned_up;
    assert_int_equal(yk_yield(), *(bool *)cancelled ? YK_ECANCELED : 0);
    return had;
}

static void test_who_has_had_enough_frees_it_and_its_end_is_awaited(void **state)
{
    (void)state;
    bool cancelled = false;
    cleaned_up = 0;
    assert_int_equal(run_checked(free_half_way, &cancelled), 1);
    cancelled = true; /* the wait for the end is not interrupted */
    assert_int_equal(run_checked(free_half_way, &cancelled), 2);
}

static int free_early(void *unused)
{
    (void)unused;
    struct counter c = { .most = 3 };
    yk_generator_free(generator_of(&c, 0)); /* not begun */
    assert_false(c.begun);
    yk_generator *g = generator_of(&c, 0);
    int n;
    yk_future_cancel(yk_task_current());
    assert_int_equal(yk_generator_next(g, &n, YK_FOREVER), YK_ECANCELED);
    yk_generator_free(g); /* before its first step */
    assert_false(c.begun);
    return 0;
}

static void test_freed_before_it_began(void **state)
{
    (void)state;
    assert_int_equal(run_checked(free_early, NULL), 0);
}

static int stubborn(void *unused)
{
    (void)unused;
    struct counter c = { .most = 100, .ignores = 10 };
    yk_generator *g = generator_of(&c, 0);
    assert_next(g, 0);
    yk_generator_free(g);
    assert_true(c.ended);
    assert_int_equal(c.given, 1);
    assert_int_equal(c.last, YK_ECLOSED);
    return 0;
}

static void test_one_that_ignores_its_end_gives_no_more(void **state)
{
    (void)state;
    assert_int_equal(run_checked(stubborn, NULL), 0);
}

static int free_oneself(void *arg)
{
    struct counter *c = arg;
    assert_int_equal(yk_await(c->go), 0);
    yk_generator_free(c->own);
    c->last = yk_generate(&c->most);
    c->ended = true;
    return yk_yield();
}

static int detached(void *unused)
{
    (void)unused;
    int n;
    static struct counter c;
    c = (struct counter){ .own = yk_generator_new(free_oneself, &c, sizeof(int)),
                          .go = yk_future_new() };
    yk_generator *g = c.own;
    assert_int_equal(yk_generator_next(g, &n, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_int_equal(yk_future_set_result(c.go, NULL, 0), 0);
    eventually(yk_loop_tasks(yk_loop_current(), NULL, 0) == 1);
    assert_true(c.ended);
    assert_int_equal(c.last, YK_ECANCELED);
    yk_future_unref(c.go);
    return 0;
}

static struct counter left;
static yk_generator *left_over;

static int leave_it(void *unused)
{
    (void)unused;
    left = (struct counter){ .most = 100 };
    left_over = generator_of(&left, 1);
    assert_next(left_over, 0);
    return 0;
}

static void test_where_nobody_can_wait_it_goes_by_itself(void **state)
{
    (void)state;
    assert_int_equal(run_checked(detached, NULL), 0);

    yk_loop *loop = yk_loop_new();
    yk_future *task = yk_task_start(leave_it, NULL);
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    yk_future_unref(task);
    yk_generator_free(left_over); /* outside a task */
    assert_int_equal(yk_loop_close(loop), 1);
    assert_true(left.ended);
}

static void test_a_loop_that_closes_ends_its_generators(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    yk_future *task = yk_task_start(leave_it, NULL);
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    yk_future_unref(task);
    assert_int_equal(yk_loop_close(loop), 1);
    assert_true(left.ended);
    yk_generator_free(left_over);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_what_no_generator_does),
        TEST(test_an_error_comes_after_the_values),
        TEST(test_values_come_in_order_and_end),
        TEST(test_it_goes_no_further_than_its_reader),
        TEST(test_generators_read_generators),
        TEST(test_a_generator_of_what_a_job_emits),
        TEST(test_a_deadline_loses_no_value),
        TEST(test_a_cancelled_reader_loses_no_value),
        TEST(test_who_has_had_enough_frees_it_and_its_end_is_awaited),
        TEST(test_freed_before_it_began),
        TEST(test_one_that_ignores_its_end_gives_no_more),
        TEST(test_where_nobody_can_wait_it_goes_by_itself),
        TEST(test_a_loop_that_closes_ends_its_generators),
    };
    return RUN_TESTS("generator", tests);
}
