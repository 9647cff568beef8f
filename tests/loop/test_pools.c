/* A loop and the pools that it drives: who keeps whom alive, and what is left when the loop goes.
 */
#include "common.h"

#include <pthread.h>
#include <stdatomic.h>

#include "executor/arena.h"
#include "executor/executor.h"
#include "executor/init.h"
#include "loop/internal.h"
#include "support/backends.h"

static int double_it(yk_job *job)
{
    int n = *(const int *)yk_job_arg(job) * 2;
    return yk_job_return(job, &n, sizeof n);
}

static int sleep_in_worker(yk_job *job)
{
    while (!yk_job_cancelled(job))
        usleep(1000);
    return YK_ECANCELED;
}

static int await_jobs(void *arg)
{
    yk_executor *pool = arg;
    for (int i = 0; i < 100; i++) {
        yk_future *job = yk_submit(pool, double_it, &i, sizeof i);
        int doubled = -1, err = yk_await_into(job, &doubled, sizeof doubled);
        yk_future_unref(job);
        if (err)
            return err;
        assert_int_equal(doubled, 2 * i);
    }
    return 0;
}

static int process_pool_in_a_task(void *arg)
{
    (void)arg;
    yk_executor *pool = yk_process_pool(.workers = 2);
    int err = await_jobs(pool), closed = yk_executor_close(pool);
    return err ? err : closed;
}

static int thread_pool_in_a_task(void *arg)
{
    (void)arg;
    yk_executor *pool = yk_thread_pool(.workers = 2);
    int err = await_jobs(pool), closed = yk_executor_close(pool);
    return err ? err : closed;
}

static void test_a_task_awaits_the_jobs_of_either_pool(void **state)
{
    (void)state;
    assert_int_equal(run_task(process_pool_in_a_task, NULL), 0);
    assert_int_equal(run_task(thread_pool_in_a_task, NULL), 0);
}

/* ---- Results with a backlog behind them ------------------------------------------------------ */

enum { BRIEF = 40, BEHIND = 10 };

static int compute_briefly(yk_job *job)
{
    (void)job;
    for (volatile int i = 0; i < 20000; i++)
        ;
    return 0;
}

/* The results of brief jobs, while the only worker is in one that does not end. */
static void await_brief_ones(yk_executor *pool, word *go)
{
    yk_future *jobs[BRIEF + 1 + BEHIND];
    block b = { .go = go };
    for (int i = 0; i < BRIEF + 1 + BEHIND; i++)
        jobs[i] = i == BRIEF ? yk_submit(pool, job_block, &b, sizeof b)
                             : yk_submit(pool, compute_briefly, NULL, 0);
    for (int i = 0; i < BRIEF + 1 + BEHIND; i++) {
        if (i == BRIEF)
            word_set(go, 1);
        assert_int_equal(yk_await(jobs[i]), 0);
        yk_future_unref(jobs[i]);
    }
    word_set(go, 0);
}

static int keep_a_worker_busy(void *processes)
{
    yk_executor *pool = processes ? yk_process_pool(.workers = 1) : yk_thread_pool(.workers = 1);
    word *go = words_new(1);
    for (int round = 0; round < (SLOWLY ? 5 : 50); round++)
        await_brief_ones(pool, go);
    yk_arena_free(go);
    return yk_executor_close(pool);
}

enum { MANY = 4000, AT_ONCE = 100 };

/* A window of jobs, whose results are awaited in order. */
static void await_many(yk_executor *pool)
{
    yk_future *jobs[AT_ONCE];
    for (int i = 0; i < MANY + AT_ONCE; i++) {
        yk_future **job = &jobs[i % AT_ONCE];
        if (i >= AT_ONCE) {
            assert_int_equal(yk_await(*job), 0);
            yk_future_unref(*job);
        }
        if (i < MANY)
            *job = yk_submit(pool, compute_briefly, NULL, 0);
    }
}

/* Each sleep of a loop has a number. */
static int count_sleeps(void *processes)
{
    const yk__reactor *loop = &yk_loop_current()->reactor;
    yk_executor *pool = processes ? yk_process_pool(.workers = 1) : yk_thread_pool(.workers = 1);
    uint32_t before = atomic_load(&loop->parked);
    await_many(pool);
    uint32_t sleeps = (atomic_load(&loop->parked) - before) / 4;
    assert_in_range(sleeps, 0, MANY / 5);
    return yk_executor_close(pool);
}

static void test_results_with_a_backlog_do_not_each_wake_the_loop(void **state)
{
    (void)state;
    assert_int_equal(run_task(count_sleeps, NULL), 0);
    assert_int_equal(run_task(count_sleeps, &(int){ 0 }), 0);
}

static void test_a_result_does_not_wait_for_the_jobs_behind_it(void **state)
{
    (void)state;
    assert_int_equal(run_task(keep_a_worker_busy, NULL), 0);
    assert_int_equal(run_task(keep_a_worker_busy, &(int){ 0 }), 0);
}

/* What tells one thread of one process from all others: its kernel id. */
static int who_am_i(yk_job *job)
{
    pid_t who[2] = { getpid(), gettid() };
    return yk_job_return(job, who, sizeof who);
}

static int ask_where_jobs_run(void *arg)
{
    yk_executor *pools[] = { yk_thread_pool(.workers = 1), yk_process_pool(.workers = 1) };
    pid_t(*who)[2] = arg;
    int err = 0;
    for (int i = 0; i < 2 && !err; i++) {
        yk_future *job = yk_submit(pools[i], who_am_i, NULL, 0);
        err = yk_await_into(job, who[i], sizeof who[i]);
        yk_future_unref(job);
    }
    for (int i = 0; i < 2; i++)
        assert_int_equal(yk_executor_close(pools[i]), 0);
    return err;
}

static void test_A01_a_job_runs_elsewhere_and_its_result_comes_back(void **state)
{
    (void)state;
    pid_t who[2][2];
    assert_int_equal(run_task(ask_where_jobs_run, who), 0);
    assert_int_equal(who[0][0], getpid());
    assert_int_not_equal(who[0][1], gettid()); /* another thread */
    assert_int_not_equal(who[1][0], getpid()); /* another process */
}

/* ---- Callbacks alone, without any task ------------------------------------------------------- */

struct chain {
    yk_executor *pool;
    int ends, until;
};

static int on_job_end(yk_future *f, void *arg)
{
    struct chain *c = arg;
    int n = ++c->ends;
    yk_future_unref(f);
    if (n < c->until)
        return yk_future_on_end(yk_submit(c->pool, double_it, &n, sizeof n), on_job_end, c);
    return 0;
}

static void begin_chain(uv_timer_t *timer)
{
    struct chain *c = timer->data;
    int one = 1;
    uv_close((uv_handle_t *)timer, NULL);
    yk_future_on_end(yk_submit(c->pool, double_it, &one, sizeof one), on_job_end, c);
}

static int close_pool(void *arg)
{
    return yk_executor_close(arg);
}

/* Submitted before uv_run, in between two of them, and from a callback of libuv: each time uv_run
 * goes on until the job's callback has run, and no longer. */
static void test_jobs_in_flight_keep_uv_run_going(void **state)
{
    (void)state;
    uv_loop_t uv;
    uv_loop_init(&uv);
    yk_loop *loop = yk_loop_new(.uv = &uv);
    struct chain c = { .pool = yk_process_pool(.workers = 1), .until = 3 };
    assert_null(yk_executor_error(c.pool));
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    for (int round = 1; round <= 2; round++) {
        int one = 1;
        c.ends = 0;
        yk_future_on_end(yk_submit(c.pool, double_it, &one, sizeof one), on_job_end, &c);
        assert_true(uv_loop_alive(&uv));
        assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
        assert_int_equal(c.ends, 3);
    }
    uv_timer_t timer;
    uv_timer_init(&uv, &timer);
    timer.data = &c;
    c.ends = 0;
    uv_timer_start(&timer, begin_chain, 1, 0);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(c.ends, 3);
    yk_future *closing = yk_task_start(close_pool, c.pool);
    assert_int_equal(yk_loop_run_until(loop, closing), 0);
    yk_future_unref(closing);
    assert_int_equal(yk_loop_close(loop), 0);
    assert_int_equal(uv_loop_close(&uv), 0);
}

/* ---- A03, A28: the loop goes first ----------------------------------------------------------- */

static int await_one(void *arg)
{
    return yk_await(arg);
}

static void test_A28_P29_jobs_in_flight_fail_when_their_loop_is_closed(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    yk_executor *pool = yk_process_pool(.workers = 1);
    yk_future *jobs[3];
    for (int i = 0; i < 3; i++)
        jobs[i] = yk_submit(pool, sleep_in_worker, NULL, 0);
    yk_future *quick = yk_task_start(await_one, yk_future_ref(jobs[0]));
    assert_int_equal(yk_await_until(jobs[0], 0), UV_ETIMEDOUT);
    assert_int_equal(yk_loop_close(loop), 1); /* the task had not begun; no job was waited for */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(yk_await(jobs[i]), YK_ECLOSED);
        yk_future_unref(jobs[i]);
    }
    yk_future_unref(jobs[0]); /* the task's */
    yk_future_unref(quick);
    yk_future *late = yk_submit(pool, double_it, &(int){ 1 }, sizeof(int));
    assert_int_equal(yk_await(late), YK_ECLOSED);
    yk_future_unref(late);
    yk_executor_close(pool);
}

struct flood {
    yk_executor *pool;
    pthread_barrier_t start;
    int ended;
};

static void *submit_until_closed(void *arg)
{
    struct flood *flood = arg;
    pthread_barrier_wait(&flood->start);
    int err = 0;
    while (err != YK_ECLOSED) {
        yk_future *job = yk_submit(flood->pool, double_it, &(int){ 4 }, sizeof(int));
        err = yk_await(job); /* must end whatever happens to the loop */
        yk_future_unref(job);
        flood->ended++;
    }
    return NULL;
}

static int sleep_a_little(void *arg)
{
    (void)arg;
    return yk_sleep_ms(3);
}

static void test_A03_jobs_submitted_from_a_thread_while_the_loop_closes(void **state)
{
    (void)state;
    for (int i = 0; i < (SLOWLY ? 5 : 20); i++) {
        struct flood flood = { 0 };
        yk_loop *loop = yk_loop_new();
        flood.pool = yk_process_pool(.workers = 1);
        pthread_barrier_init(&flood.start, NULL, 2);
        pthread_t thread;
        pthread_create(&thread, NULL, submit_until_closed, &flood);
        yk_future *task = yk_task_start(sleep_a_little, NULL);
        pthread_barrier_wait(&flood.start);
        assert_int_equal(yk_loop_run_until(loop, task), 0);
        yk_future_unref(task);
        assert_int_equal(yk_loop_close(loop), 0);
        pthread_join(thread, NULL);
        assert_true(flood.ended > 0);
        yk_executor_close(flood.pool);
        pthread_barrier_destroy(&flood.start);
    }
}

/* ---- T08: cancelling goes all the way -------------------------------------------------------- */

static int await_a_stubborn_job(void *arg)
{
    yk_future *job = arg;
    return yk_await(job);
}

static int cancel_through(yk_executor *pool)
{
    yk_future *job = yk_submit(pool, sleep_in_worker, NULL, 0);
    yk_future *task = yk_task_start(await_a_stubborn_job, job);
    while (yk_future_state(job) != YK_RUNNING || yk_future_state(task) != YK_RUNNING)
        if (yk_sleep_ms(1))
            return UV_EINTR;
    yk_future_cancel(task);
    assert_int_equal(yk_await(task), YK_ECANCELED);
    assert_int_equal(yk_await(job), YK_ECANCELED);
    yk_future_unref(task);
    yk_future_unref(job);
    return yk_executor_close(pool);
}

static int cancel_through_both(void *arg)
{
    (void)arg;
    int err = cancel_through(yk_thread_pool(.workers = 1));
    return err ? err : cancel_through(yk_process_pool(.workers = 1));
}

static void test_T08_cancelling_a_task_cancels_the_job_that_it_awaits(void **state)
{
    (void)state;
    assert_int_equal(run_task(cancel_through_both, NULL), 0);
}

int main(void)
{
    arm_watchdog();
    if (yk_init() != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_task_awaits_the_jobs_of_either_pool),
        cmocka_unit_test(test_results_with_a_backlog_do_not_each_wake_the_loop),
        cmocka_unit_test(test_a_result_does_not_wait_for_the_jobs_behind_it),
        cmocka_unit_test(test_A01_a_job_runs_elsewhere_and_its_result_comes_back),
        cmocka_unit_test(test_jobs_in_flight_keep_uv_run_going),
        cmocka_unit_test(test_A28_P29_jobs_in_flight_fail_when_their_loop_is_closed),
        cmocka_unit_test(test_A03_jobs_submitted_from_a_thread_while_the_loop_closes),
        cmocka_unit_test(test_T08_cancelling_a_task_cancels_the_job_that_it_awaits),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    yk_fini();
    return failed;
}
