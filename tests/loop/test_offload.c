/* Tests of a loop's default executor, and of jobs on its threads. */
#include "checked.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>

#include "executor/init.h"
#include "loop/offload.h"

static int where_am_i(yk_job *job)
{
    pid_t who[2] = { getpid(), gettid() };
    return yk_job_return(job, who, sizeof who);
}

static int square(yk_job *job)
{
    int n = *(const int *)yk_job_arg(job);
    n *= n;
    return yk_job_return(job, &n, sizeof n);
}

static int find_nothing(yk_job *job)
{
    return yk_job_fail(job, UV_ENOENT, "no such thing");
}

/* ---- A05: which executors are refused -------------------------------------------------------- */

static int refuse(void *unused)
{
    (void)unused;
    yk_loop *loop = yk_loop_current();
    yk_executor *failed = yk_thread_pool(.workers = -1), *processes = yk_process_pool();
    yk_executor *before = yk_loop_default_executor(loop);
    assert_int_equal(yk_loop_set_default_executor(loop, NULL), UV_EINVAL);
    assert_int_equal(yk_loop_set_default_executor(NULL, before), UV_EINVAL);
    assert_int_equal(yk_loop_set_default_executor(loop, failed), UV_EINVAL);
    assert_int_equal(yk_loop_set_default_executor(loop, processes), UV_EINVAL);
    assert_ptr_equal(yk_loop_default_executor(loop), before);
    assert_int_equal(yk_executor_close(failed), 0);
    return yk_executor_close(processes);
}

static void test_A05_a_wrong_default_executor_is_refused(void **state)
{
    (void)state;
    assert_int_equal(run_checked(refuse, NULL), 0);
}

static void *use_from_elsewhere(void *loop)
{
    yk_executor *pool = yk_thread_pool(.workers = 1);
    assert_null(yk_loop_default_executor(loop));
    assert_int_equal(yk_loop_set_default_executor(loop, pool), UV_EINVAL);
    assert_int_equal(yk_to_thread(square, &(int){ 2 }, sizeof(int)), UV_EINVAL);
    yk_executor_close(pool);
    return NULL;
}

static void test_A05_another_thread_is_refused(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, use_from_elsewhere, loop), 0);
    pthread_join(thread, NULL);
    assert_int_equal(yk_to_thread(square, &(int){ 2 }, sizeof(int)), YK_EONLOOP);
    yk_loop_close(loop);
}

/* ---- A04: to a thread and back --------------------------------------------------------------- */

static int errors(void *unused)
{
    (void)unused;
    char longer[2 * sizeof(int)];
    assert_int_equal(yk_to_thread(find_nothing, NULL, 0), UV_ENOENT);
    assert_int_equal(yk_to_thread(NULL, NULL, 0), UV_EINVAL);
    assert_int_equal(yk_to_thread_into(square, &(int){ 3 }, sizeof(int), longer, sizeof longer),
                     YK_EFORMAT);
    return 0;
}

static void test_A04_errors_come_back(void **state)
{
    (void)state;
    assert_int_equal(run_checked(errors, NULL), 0);
}

static int results(void *unused)
{
    (void)unused;
    pid_t who[2];
    int n;
    assert_int_equal(yk_to_thread_into(square, &(int){ 12 }, sizeof(int), &n, sizeof n), 0);
    assert_int_equal(n, 144);
    assert_int_equal(yk_to_thread(square, &n, sizeof n), 0);
    assert_int_equal(yk_to_thread_into(where_am_i, NULL, 0, who, sizeof who), 0);
    assert_int_equal(who[0], getpid());
    assert_int_not_equal(who[1], gettid());
    return 0;
}

static void test_A04_results_come_back(void **state)
{
    (void)state;
    assert_int_equal(run_checked(results, NULL), 0);
}

static int count_call(yk_job *job)
{
    atomic_fetch_add(*(_Atomic int *const *)yk_job_arg(job), 1);
    return 0;
}

static int once(void *unused)
{
    (void)unused;
    _Atomic int calls = 0, *p = &calls;
    assert_int_equal(yk_to_thread(count_call, &p, sizeof p), 0);
    return calls;
}

static void test_A04_a_job_is_run_once(void **state)
{
    (void)state;
    assert_int_equal(run_checked(once, NULL), 1);
}

/* Two jobs that wait for each other are both there at once. */
static sem_t here, there;

static int meet(yk_job *job)
{
    bool first = *(const bool *)yk_job_arg(job);
    sem_post(first ? &here : &there);
    while (sem_wait(first ? &there : &here) != 0)
        ;
    return 0;
}

static int meet_in_task(void *first)
{
    return yk_to_thread(meet, first, sizeof(bool));
}

static int concurrent(void *unused)
{
    (void)unused;
    bool first = true, second = false;
    return yk_gather((yk_task_fn[]){ meet_in_task, meet_in_task }, (void *[]){ &first, &second },
                     2);
}

static void test_A04_tasks_use_threads_at_the_same_time(void **state)
{
    (void)state;
    sem_init(&here, 0, 0);
    sem_init(&there, 0, 0);
    assert_int_equal(run_checked(concurrent, NULL), 0);
}

/* ---- Cancelling ------------------------------------------------------------------------------ */

static sem_t begun, stopped;

static int until_cancelled(yk_job *job)
{
    sem_post(&begun);
    while (!yk_job_cancelled(job))
        usleep(1000);
    sem_post(&stopped);
    return YK_ECANCELED;
}

static int run_until_cancelled(void *unused)
{
    (void)unused;
    return yk_to_thread(until_cancelled, NULL, 0);
}

static int cancel_it(void *unused)
{
    (void)unused;
    yk_future *t = yk_task_start(run_until_cancelled, NULL);
    eventually(sem_trywait(&begun) == 0);
    yk_future_cancel(t);
    assert_int_equal(yk_await(t), YK_ECANCELED);
    yk_future_unref(t);
    eventually(sem_trywait(&stopped) == 0);
    return 0;
}

static void test_T08_cancelling_the_task_stops_its_job_on_a_thread(void **state)
{
    (void)state;
    sem_init(&begun, 0, 0);
    sem_init(&stopped, 0, 0);
    assert_int_equal(run_checked(cancel_it, NULL), 0);
}

/* ---- A05: the program's own ------------------------------------------------------------------ */

static int worker_number(yk_job *job)
{
    int n = (int)yk_job_worker(job);
    return yk_job_return(job, &n, sizeof n);
}

static int use_own(void *pool)
{
    assert_int_equal(yk_loop_set_default_executor(yk_loop_current(), pool), 0);
    assert_ptr_equal(yk_loop_default_executor(yk_loop_current()), pool);
    int n;
    assert_int_equal(yk_to_thread_into(worker_number, NULL, 0, &n, sizeof n), 0);
    return n;
}

static void test_A05_the_program_replaces_it_and_keeps_its_own(void **state)
{
    (void)state;
    yk_executor *pool = yk_thread_pool(.workers = 1);
    assert_int_equal(run_checked(use_own, pool), 0);
    assert_int_equal(run_checked(use_own, pool), 0); /* another loop */
    yk_executor_stats stats;
    yk_executor_get_stats(pool, &stats);
    assert_int_equal(stats.done, 2);
    assert_int_equal(yk_executor_close(pool), 0);
}

static int wait_for_post(yk_job *job)
{
    (void)job;
    while (sem_wait(&begun) != 0)
        ;
    sem_post(&stopped);
    return 0;
}

static int replace_while_busy(void *pool)
{
    yk_loop *loop = yk_loop_current();
    yk_future *job = yk_submit(yk_loop_default_executor(loop), wait_for_post, NULL, 0);
    assert_int_equal(yk_loop_set_default_executor(loop, pool), 0);
    assert_int_equal(yk_to_thread(square, &(int){ 2 }, sizeof(int)), 0);
    sem_post(&begun);
    int err = yk_await(job);
    yk_future_unref(job);
    return err;
}

static void test_A05_what_the_one_before_has_accepted_is_done(void **state)
{
    (void)state;
    sem_init(&begun, 0, 0);
    sem_init(&stopped, 0, 0);
    yk_executor *pool = yk_hybrid(.workers = 1);
    assert_int_equal(run_checked(replace_while_busy, pool), 0);
    assert_int_equal(yk_executor_close(pool), 0);
}

/* ---- The end of the loop --------------------------------------------------------------------- */

static void *let_go(void *unused)
{
    usleep(10000); /* give the close a chance to be wrong */
    sem_post(&begun);
    return unused;
}

static int leave_a_job(void *unused)
{
    (void)unused;
    yk_future_unref(yk_submit(yk_loop_default_executor(yk_loop_current()), wait_for_post, NULL, 0));
    return 0;
}

static void test_A28_the_loop_waits_for_the_jobs_of_its_executor(void **state)
{
    (void)state;
    sem_init(&begun, 0, 0);
    sem_init(&stopped, 0, 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, let_go, NULL), 0);
    assert_int_equal(run_checked(leave_a_job, NULL), 0);
    assert_int_equal(sem_trywait(&stopped), 0);
    pthread_join(thread, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_A05_a_wrong_default_executor_is_refused),
        TEST(test_A05_another_thread_is_refused),
        TEST(test_A04_errors_come_back),
        TEST(test_A04_results_come_back),
        TEST(test_A04_a_job_is_run_once),
        TEST(test_A04_tasks_use_threads_at_the_same_time),
        TEST(test_T08_cancelling_the_task_stops_its_job_on_a_thread),
        TEST(test_A05_the_program_replaces_it_and_keeps_its_own),
        TEST(test_A05_what_the_one_before_has_accepted_is_done),
        TEST(test_A28_the_loop_waits_for_the_jobs_of_its_executor),
    };
    return RUN_TESTS("offload", tests);
}
