/* A25: a hundred thousand coroutines that wait for others, in bounded memory. */
#include "common.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "executor/executor.h"

static size_t many;

static size_t resident(void)
{
    size_t total = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%zu %zu", &total, &pages), 2);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

struct crowd {
    yk_future **promises, **tasks;
    size_t waiting, memory;
    yk_executor *pool;
};

static void open_crowd(struct crowd *c)
{
    *c = (struct crowd){ .promises = calloc(many, sizeof *c->promises),
                         .tasks = calloc(many, sizeof *c->tasks) };
    assert_non_null(c->promises);
    assert_non_null(c->tasks);
}

static void close_crowd(struct crowd *c)
{
    free(c->promises);
    free(c->tasks);
}

struct one {
    struct crowd *crowd;
    size_t number;
};

/* ---- Promises that another thread ends ------------------------------------------------------- */

static int await_a_promise(void *arg)
{
    struct one one = *(struct one *)arg;
    free(arg);
    one.crowd->waiting++;
    size_t result = 0;
    int err = yk_await_into(one.crowd->promises[one.number], &result, sizeof result);
    if (err)
        return err;
    return result == one.number ? 0 : UV_EIO;
}

static void *end_promises(void *arg)
{
    struct crowd *c = arg;
    for (size_t i = 0; i < many; i++)
        yk_future_set_result(c->promises[i], &i, sizeof i);
    return NULL;
}

static int start_all(struct crowd *c, yk_task_fn fn)
{
    for (size_t i = 0; i < many; i++) {
        struct one *one = malloc(sizeof *one);
        assert_non_null(one);
        *one = (struct one){ c, i };
        c->tasks[i] = yk_task_start(fn, one);
    }
    while (c->waiting < many) {
        int err = yk_yield();
        if (err)
            return err;
    }
    return 0;
}

static int await_and_drop_all(struct crowd *c)
{
    int err = yk_await_all(c->tasks, many, YK_FOREVER);
    for (size_t i = 0; i < many; i++)
        yk_future_unref(c->tasks[i]);
    return err;
}

static int await_promises(void *arg)
{
    struct crowd *c = arg;
    size_t before = resident();
    for (size_t i = 0; i < many; i++)
        assert_non_null(c->promises[i] = yk_future_new());
    size_t promises = resident() - before;
    int err = start_all(c, await_a_promise);
    if (err)
        return err;
    c->memory = resident() - before - promises;
    pthread_t thread;
    pthread_create(&thread, NULL, end_promises, c);
    err = await_and_drop_all(c);
    pthread_join(thread, NULL);
    for (size_t i = 0; i < many; i++)
        yk_future_unref(c->promises[i]);
    return err;
}

static void test_A25_a_hundred_thousand_tasks_await_another_thread(void **state)
{
    (void)state;
    struct crowd c;
    open_crowd(&c);
    assert_int_equal(run_task(await_promises, &c), 0);
    print_message("%zu tasks at once: %zu bytes of memory each\n", many, c.memory / many);
    if (!SLOWLY && !RUNNING_ON_VALGRIND)
        assert_true(c.memory / many < 8192);
    close_crowd(&c);
}

/* ---- Jobs of a thread pool ------------------------------------------------------------------- */

static int double_it(yk_job *job)
{
    size_t n = *(const size_t *)yk_job_arg(job) * 2;
    return yk_job_return(job, &n, sizeof n);
}

static int await_a_job(void *arg)
{
    struct one one = *(struct one *)arg;
    free(arg);
    one.crowd->waiting++;
    yk_future *job = yk_submit(one.crowd->pool, double_it, &one.number, sizeof one.number);
    size_t result = 0;
    int err = yk_await_into(job, &result, sizeof result);
    yk_future_unref(job);
    if (err)
        return err;
    return result == 2 * one.number ? 0 : UV_EIO;
}

static int await_jobs(void *arg)
{
    struct crowd *c = arg;
    c->pool = yk_thread_pool(.workers = 2);
    int err = start_all(c, await_a_job);
    if (!err)
        err = await_and_drop_all(c);
    int closed = yk_executor_close(c->pool);
    return err ? err : closed;
}

static void test_A25_a_hundred_thousand_tasks_await_jobs(void **state)
{
    (void)state;
    struct crowd c;
    open_crowd(&c);
    assert_int_equal(run_task(await_jobs, &c), 0);
    close_crowd(&c);
}

/* ---- All of them cancelled ------------------------------------------------------------------- */

static int sleep_for_ever(void *arg)
{
    struct one one = *(struct one *)arg;
    free(arg);
    one.crowd->waiting++;
    return yk_sleep_ms(one.number % 2 ? 1000000 : UINT64_MAX);
}

static int cancel_them(void *arg)
{
    struct crowd *c = arg;
    int err = start_all(c, sleep_for_ever);
    if (err)
        return err;
    for (size_t i = 0; i < many; i++)
        yk_future_cancel(c->tasks[i]);
    return await_and_drop_all(c);
}

static void test_A25_a_hundred_thousand_sleepers_are_cancelled(void **state)
{
    (void)state;
    struct crowd c;
    open_crowd(&c);
    assert_int_equal(run_task(cancel_them, &c), YK_ECANCELED);
    close_crowd(&c);
}

int main(void)
{
    arm_watchdog();
    many = (size_t)crowd_size();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_A25_a_hundred_thousand_tasks_await_another_thread),
        cmocka_unit_test(test_A25_a_hundred_thousand_tasks_await_jobs),
        cmocka_unit_test(test_A25_a_hundred_thousand_sleepers_are_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
