/* Tests of contexts: values that go with a task and with all that it starts. */
#include "checked.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "executor/arena.h"
#include "executor/context.h"
#include "executor/executor.h"
#include "executor/init.h"
#include "loop/call.h"
#include "loop/offload.h"

static const yk_context_key number = { sizeof(int) }, other = { sizeof(int) };
static const yk_context_key text = { 300 };

static void set(int n)
{
    assert_int_equal(yk_context_set(&number, &n), 0);
}

/* 0: there is none. */
static int get(void)
{
    int n;
    return yk_context_get(&number, &n) ? n : 0;
}

/* ---- One task, or one thread ----------------------------------------------------------------- */

static void test_what_is_no_value_is_refused(void **state)
{
    (void)state;
    static const yk_context_key endless = { SIZE_MAX };
    int n = 7;
    assert_int_equal(yk_context_set(NULL, &n), UV_EINVAL);
    assert_int_equal(yk_context_set(&number, NULL), UV_EINVAL);
    assert_int_equal(yk_context_set(&endless, &n), UV_EINVAL);
    assert_false(yk_context_get(&number, &n));
    assert_int_equal(n, 7);
    assert_int_equal(yk_context_reset(&number), 0);
}

static void test_values_are_set_and_reset(void **state)
{
    (void)state;
    char in[300], out[300] = "";
    memset(in, 'x', sizeof in);
    set(1);
    assert_int_equal(yk_context_set(&text, in), 0);
    assert_int_equal(yk_context_set(&other, &(int){ 5 }), 0);
    set(2);
    assert_int_equal(get(), 2);
    assert_true(yk_context_get(&text, out));
    assert_memory_equal(in, out, sizeof in);
    assert_int_equal(yk_context_reset(&text), 0);
    assert_false(yk_context_get(&text, out));
    assert_int_equal(get(), 2);
    assert_int_equal(yk_context_reset(&number), 0);
    assert_int_equal(get(), 0);
    assert_int_equal(yk_context_reset(&other), 0);
}

static void *use_own(void *arg)
{
    *(int *)arg = get();
    set(3);
    return NULL;
}

static void test_a_thread_has_its_own_and_leaves_nothing(void **state)
{
    (void)state;
    int seen = 7;
    pthread_t thread;
    set(1);
    assert_int_equal(pthread_create(&thread, NULL, use_own, &seen), 0);
    pthread_join(thread, NULL);
    assert_int_equal(seen, 0);
    assert_int_equal(get(), 1);
    yk_context_reset(&number);
}

/* ---- Tasks ----------------------------------------------------------------------------------- */

static int look_then_change(void *to)
{
    int n = get();
    set(*(int *)to);
    int err = yk_yield();
    assert_int_equal(get(), *(int *)to);
    return err ? err : n;
}

static int result_of(yk_future *task)
{
    int n;
    assert_int_equal(yk_await_into(task, &n, sizeof n), 0);
    yk_future_unref(task);
    return n;
}

static int inherit(void *unused)
{
    (void)unused;
    assert_int_equal(get(), 9); /* of the thread that started us */
    int a = 100, b = 200;
    set(10);
    yk_future *first = yk_task_start(look_then_change, &a);
    set(11); /* too late for the first */
    yk_future *second = yk_task_start_with(look_then_change, &b, .eager = true);
    assert_int_equal(get(), 11);
    assert_int_equal(result_of(first), 10);
    assert_int_equal(result_of(second), 11);
    assert_int_equal(get(), 11);
    assert_int_equal(yk_context_reset(&number), 0);
    assert_int_equal(result_of(yk_task_start(look_then_change, &a)), 0);
    return 0;
}

static void test_a_task_begins_with_its_starters_values(void **state)
{
    (void)state;
    set(9);
    assert_int_equal(run_checked(inherit, NULL), 0);
    assert_int_equal(get(), 9);
    yk_context_reset(&number);
}

static void *start_from_elsewhere(void *arg)
{
    void **loop_and_task = arg;
    static int to = 1;
    set(21);
    loop_and_task[1] = yk_task_start_on(loop_and_task[0], look_then_change, &to);
    return NULL;
}

static int start_across(void *unused)
{
    (void)unused;
    void *loop_and_task[] = { yk_loop_current(), NULL };
    pthread_t thread;
    set(20);
    assert_int_equal(pthread_create(&thread, NULL, start_from_elsewhere, loop_and_task), 0);
    pthread_join(thread, NULL);
    assert_int_equal(result_of(loop_and_task[1]), 21);
    return get();
}

static void test_a_task_for_another_loop_has_the_values_of_who_sent_it(void **state)
{
    (void)state;
    assert_int_equal(run_checked(start_across, NULL), 20);
}

static void note_value(void *at)
{
    *(int *)at = get() + 1;
    set(1000);
}

static int make_calls(void *unused)
{
    (void)unused;
    int soon = 0, later = 0, sent = 0, without = 0;
    yk_call *never;
    set(30);
    assert_int_equal(yk_call_soon(note_value, &soon, NULL), 0);
    assert_int_equal(yk_call_later_ms(60000, note_value, &soon, &never), 0);
    set(31);
    assert_int_equal(yk_call_later_ms(1, note_value, &later, NULL), 0);
    assert_int_equal(yk_loop_call_threadsafe(yk_loop_current(), note_value, &sent), 0);
    assert_int_equal(yk_context_reset(&number), 0);
    assert_int_equal(yk_call_soon(note_value, &without, NULL), 0);
    eventually(soon && later && sent && without);
    yk_call_cancel(never);
    assert_int_equal(soon, 31);
    assert_int_equal(later, 32);
    assert_int_equal(sent, 32);
    assert_int_equal(without, 1);
    return get();
}

static void test_a_call_has_the_values_of_who_asked_for_it(void **state)
{
    (void)state;
    assert_int_equal(run_checked(make_calls, NULL), 0);
    assert_int_equal(get(), 0); /* nor has it left any with the thread */
}

/* ---- Jobs ------------------------------------------------------------------------------------ */

/* Returns the values that it sees, and leaves others behind. */
struct seen {
    int number, other;
    char text[300], arg[600];
};

static int look(yk_job *job)
{
    struct seen s = { .number = get(), .other = -1 };
    yk_context_get(&other, &s.other);
    yk_context_get(&text, s.text);
    if (yk_job_arg_len(job) > 0)
        memcpy(s.arg, yk_job_arg(job), yk_job_arg_len(job));
    yk_context_set(&number, &(int){ 1000 });
    yk_context_set(&other, &(int){ 1000 });
    return yk_job_return(job, &s, sizeof s);
}

static struct seen look_in(yk_executor *pool, const char *arg, size_t len)
{
    struct seen s;
    yk_future *job = yk_submit_with(pool, look, arg, len, .retries = 1);
    assert_int_equal(yk_await_into(job, &s, sizeof s), 0);
    yk_future_unref(job);
    return s;
}

static void assert_seen(const struct seen *s, int n, int o, const char *t, const char *arg,
                        size_t len)
{
    assert_int_equal(s->number, n);
    assert_int_equal(s->other, o);
    assert_string_equal(s->text, t);
    if (len > 0)
        assert_memory_equal(s->arg, arg, len);
}

static void jobs_on(yk_executor *pool)
{
    static const size_t lengths[] = { 0, 1, 16, 100, 224, 225, 600 };
    char arg[600], words[300] = "in the context";
    memset(arg, 'a', sizeof arg);
    struct seen s = look_in(pool, NULL, 0);
    assert_seen(&s, 0, -1, "", NULL, 0);
    set(42);
    assert_int_equal(yk_context_set(&text, words), 0);
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        s = look_in(pool, lengths[i] ? arg : NULL, lengths[i]);
        assert_seen(&s, 42, -1, words, arg, lengths[i]);
    }
    assert_int_equal(get(), 42);
    yk_context_reset(&number);
    yk_context_reset(&text);
    s = look_in(pool, arg, 600); /* the workers have kept nothing */
    assert_seen(&s, 0, -1, "", arg, 600);
}

static int jobs_in_a_task(void *unused)
{
    (void)unused;
    yk_executor *pools[] = { yk_thread_pool(.workers = 1), yk_process_pool(.workers = 1),
                             yk_hybrid(.workers = 1) };
    for (size_t i = 0; i < COUNT_OF(pools); i++) {
        jobs_on(pools[i]);
        assert_int_equal(yk_executor_close(pools[i]), 0);
    }
    return 0;
}

static void test_E29_a_job_sees_its_submitters_values_and_gives_none_back(void **state)
{
    (void)state;
    assert_int_equal(run_checked(jobs_in_a_task, NULL), 0);
    assert_int_equal(get(), 0);
    yk_executor *pool = yk_process_pool(.workers = 1);
    jobs_on(pool);
    assert_int_equal(yk_executor_close(pool), 0);
}

/* It sees the values as they were when it was submitted, however long it waits. */
static int submit_and_change(void *unused)
{
    (void)unused;
    yk_executor *pool = yk_thread_pool(.workers = 1);
    yk_future *job[10];
    for (int i = 0; i < 10; i++) {
        set(i + 1);
        job[i] = yk_submit(pool, look, NULL, 0);
    }
    yk_future *cancelled = yk_submit(pool, look, NULL, 0);
    yk_future_cancel(cancelled);
    yk_future_unref(cancelled);
    for (int i = 0; i < 10; i++) {
        struct seen s;
        assert_int_equal(yk_await_into(job[i], &s, sizeof s), 0);
        assert_int_equal(s.number, i + 1);
        yk_future_unref(job[i]);
    }
    yk_executor_close(pool);
    yk_future *refused = yk_submit(NULL, look, NULL, 0);
    yk_future_unref(refused);
    return 0;
}

static void test_E29_a_job_has_the_values_of_its_submission(void **state)
{
    (void)state;
    assert_int_equal(run_checked(submit_and_change, NULL), 0);
}

/* Dies at first, with its argument and all behind it overwritten; then looks. */
static int die_then_look(yk_job *job)
{
    _Atomic int *tries = *(_Atomic int **)yk_job_arg(job);
    if (atomic_fetch_add(tries, 1) == 0) {
        memset(yk_job_arg(job), 0xff, 64);
        raise(SIGKILL);
    }
    return look(job);
}

static int try_again(void *unused)
{
    (void)unused;
    yk_executor *pool = yk_process_pool(.workers = 1);
    _Atomic int *tries = yk_arena_calloc(1, sizeof *tries);
    set(77);
    struct seen s;
    yk_future *job = yk_submit_with(pool, die_then_look, &tries, sizeof tries, .retries = 1);
    assert_int_equal(yk_await_into(job, &s, sizeof s), 0);
    assert_int_equal(*tries, 2);
    assert_int_equal(s.number, 77);
    yk_future_unref(job);
    yk_arena_free(tries);
    return yk_executor_close(pool);
}

static void test_E29_a_job_that_is_tried_again_has_them_again(void **state)
{
    (void)state;
    assert_int_equal(run_checked(try_again, NULL), 0);
}

static int to_thread(void *unused)
{
    (void)unused;
    struct seen s;
    set(55);
    assert_int_equal(yk_to_thread_into(look, NULL, 0, &s, sizeof s), 0);
    assert_int_equal(s.number, 55);
    return get();
}

static void test_A04_the_context_goes_to_the_thread(void **state)
{
    (void)state;
    assert_int_equal(run_checked(to_thread, NULL), 55);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_what_is_no_value_is_refused),
        TEST(test_values_are_set_and_reset),
        TEST(test_a_thread_has_its_own_and_leaves_nothing),
        TEST(test_a_task_begins_with_its_starters_values),
        TEST(test_a_task_for_another_loop_has_the_values_of_who_sent_it),
        TEST(test_a_call_has_the_values_of_who_asked_for_it),
        TEST(test_E29_a_job_sees_its_submitters_values_and_gives_none_back),
        TEST(test_E29_a_job_has_the_values_of_its_submission),
        TEST(test_E29_a_job_that_is_tried_again_has_them_again),
        TEST(test_A04_the_context_goes_to_the_thread),
    };
    return RUN_TESTS("context", tests);
}
