/* The hybrid: where each kind of job goes. */
#include "support/backends.h"
#include "support/proc.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

static pid_t pid_of(yk_executor *ex, yk_job_kind kind)
{
    yk_future *f = yk_submit_with(ex, job_pid, NULL, 0, .kind = kind);
    pid_t pid = 0;
    assert_int_equal(yk_await_into(f, &pid, sizeof pid), 0);
    yk_future_unref(f);
    return pid;
}

static void test_each_kind_goes_where_it_belongs(void **state)
{
    (void)state;
    yk_executor *ex = yk_hybrid(.workers = 2);
    int threads = proc_threads(0);
    assert_int_equal(stats_of(ex).started, 0); /* nothing is made before it is needed */
    assert_int_equal(pid_of(ex, YK_CPU), getpid());
    assert_int_equal(proc_threads(0), threads + 1);
    assert_int_equal(pid_of(ex, YK_BLOCKING), getpid());
    assert_int_equal(proc_threads(0), threads + 2);
    assert_int_not_equal(pid_of(ex, YK_ISOLATED), getpid());
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.received, 3);
    assert_int_equal(s.workers, 3);
    backend_close(ex);
}

/* Jobs that wait do not hold up those that compute: each kind has threads of its own. */
static void test_blocking_jobs_leave_the_others_alone(void **state)
{
    (void)state;
    enum { WORKERS = 2, BLOCKED = 4 * WORKERS };
    yk_executor *ex = yk_hybrid(.workers = WORKERS);
    word *w = words_new(2);
    block arg = { .begun = &w[0], .go = &w[1] };
    yk_future *f[BLOCKED + 1];
    for (int i = 0; i < BLOCKED + 1; i++)
        f[i] = yk_submit_with(ex, job_block, &arg, sizeof arg, .kind = YK_BLOCKING);
    eventually(word_get(&w[0]) == BLOCKED);
    for (int i = 0; i < 20; i++)
        support_pause();
    assert_int_equal(word_get(&w[0]), BLOCKED); /* four times as many as workers, and no more */
    for (int i = 0; i < 20; i++) {
        assert_int_equal(pid_of(ex, YK_CPU), getpid());
        assert_int_not_equal(pid_of(ex, YK_ISOLATED), getpid());
    }
    word_set(&w[1], 1);
    assert_int_equal(yk_await_all(f, BLOCKED + 1, YK_FOREVER), 0);
    for (int i = 0; i < BLOCKED + 1; i++)
        yk_future_unref(f[i]);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_an_isolated_job_may_crash(void **state)
{
    (void)state;
    yk_executor *ex = yk_hybrid(.workers = 1, .job_timeout_ms = 60000);
    for (int i = 0; i < 3; i++) {
        yk_future *f = yk_submit_with(ex, job_segv, NULL, 0, .kind = YK_ISOLATED);
        assert_int_equal(yk_await(f), YK_ECRASHED);
        yk_future_unref(f);
        assert_int_equal(pid_of(ex, YK_CPU), getpid());
    }
    eventually(stats_of(ex).crashed == 3);
    backend_close(ex);
}

static void test_no_such_kind(void **state)
{
    (void)state;
    yk_executor *ex = yk_hybrid(.workers = 1);
    yk_future *f = yk_submit_with(ex, job_nothing, NULL, 0, .kind = (yk_job_kind)17);
    assert_int_equal(yk_await(f), UV_EINVAL);
    yk_future_unref(f);
    f = yk_submit_with(ex, job_nothing, NULL, 0, .kind = (yk_job_kind)-1);
    assert_int_equal(yk_await(f), UV_EINVAL);
    yk_future_unref(f);
    backend_close(ex);
}

/* All parts are refused after the shutdown, also those that were never made. */
static void test_S01_every_kind_is_refused_after_shutdown(void **state)
{
    (void)state;
    yk_executor *ex = yk_hybrid(.workers = 1);
    pid_of(ex, YK_CPU);
    assert_int_equal(yk_executor_shutdown(ex), 0);
    for (int kind = YK_CPU; kind <= YK_ISOLATED; kind++) {
        yk_future *f = yk_submit_with(ex, job_nothing, NULL, 0, .kind = (yk_job_kind)kind);
        assert_int_equal(yk_await(f), YK_ECLOSED);
        yk_future_unref(f);
    }
    backend_close(ex);
}

struct maker {
    yk_executor *ex;
    pthread_barrier_t *gate;
    int error;
};

static void *submit_first(void *arg)
{
    struct maker *m = arg;
    pthread_barrier_wait(m->gate);
    for (int kind = YK_CPU; kind <= YK_ISOLATED; kind++) {
        yk_future *f = yk_submit_with(m->ex, job_nothing, NULL, 0, .kind = (yk_job_kind)kind);
        int err = yk_await(f);
        m->error = err ? err : m->error;
        yk_future_unref(f);
    }
    return NULL;
}

/* Many threads need a part at once: it is made once. */
static void test_parts_are_made_once(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    for (size_t round = 0; round < support_rounds(30); round++) {
        yk_executor *ex = yk_hybrid(.workers = 1);
        pthread_barrier_t gate;
        pthread_t threads[THREADS];
        struct maker m[THREADS];
        pthread_barrier_init(&gate, NULL, THREADS);
        for (int i = 0; i < THREADS; i++) {
            m[i] = (struct maker){ ex, &gate, 0 };
            assert_int_equal(pthread_create(&threads[i], NULL, submit_first, &m[i]), 0);
        }
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(m[i].error, 0);
        }
        pthread_barrier_destroy(&gate);
        yk_executor_stats s = stats_of(ex);
        assert_int_equal(s.received, 3 * THREADS);
        assert_in_range(s.started, 3, 6); /* a blocking part may have up to four threads */
        backend_close(ex);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_each_kind_goes_where_it_belongs),
        TEST(test_blocking_jobs_leave_the_others_alone),
        TEST(test_an_isolated_job_may_crash),
        TEST(test_no_such_kind),
        TEST(test_S01_every_kind_is_refused_after_shutdown),
        TEST(test_parts_are_made_once),
    };
    return RUN_TESTS("hybrid", tests);
}
