/* Jobs that end their worker: each fails alone, with its own error. */
#include "faults.h"

#include <signal.h>
#include <string.h>
#include <uv.h>

/* ---- P03 to P09: jobs that end their worker -------------------------------------------------- */

static int job_division(yk_job *job)
{
    raise(SIGILL);
    return job_nothing(job);
}

/* Dies when its result is written and not published. */
static int job_dies_after_its_result(yk_job *job)
{
    int out = 3;
    yk_job_return(job, &out, sizeof out);
    return job_kill_self(job);
}

static int job_dies_in_its_room(yk_job *job)
{
    char *room = yk_job_result(job, 1 << 20);
    if (room)
        memset(room, 1, 1 << 19);
    return job_kill_self(job);
}

static const struct bad {
    yk_job_fn fn;
    int signal, exit_status;
    const char *says;
} bad_jobs[] = {
    { job_segv, SIGSEGV, 0, "SIGSEGV" },
    { job_abort, SIGABRT, 0, "SIGABRT" },
    { job_fpe, SIGFPE, 0, "SIGFPE" },
    { job_division, SIGILL, 0, "SIGILL" },
    { job_exit_0, 0, 0, "status 0" },
    { job_exit_1, 0, 1, "status 1" },
    { job__exit_99, 0, 99, "status 99" },
    { job_kill_self, SIGKILL, 0, "SIGKILL" },
    { job_dies_after_its_result, SIGKILL, 0, "SIGKILL" },
    { job_dies_in_its_room, SIGKILL, 0, "SIGKILL" },
};

static void assert_crashed(yk_future *f, const struct bad *bad)
{
    assert_int_equal(yk_await(f), YK_ECRASHED);
    assert_int_equal(yk_future_state(f), YK_FAILED);
    const yk_error *e = yk_future_error(f);
    assert_int_equal(e->code, YK_ECRASHED);
    assert_int_equal(e->signal, bad->signal);
    assert_int_equal(e->exit_status, bad->exit_status);
    if (!strstr(e->message, bad->says))
        fail_msg("'%s' does not say '%s'", e->message, bad->says);
    assert_null(strchr(e->message, '\n'));
}

/* Each bad job between good ones, which are not disturbed. */
static void bad_between_good(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    for (size_t i = 0; i < COUNT_OF(bad_jobs); i++) {
        yk_future *before[3], *after[3];
        for (int k = 0; k < 3; k++)
            before[k] = square(b, ex, k);
        yk_future *f = backend_submit(b, ex, bad_jobs[i].fn, NULL, 0);
        for (int k = 0; k < 3; k++)
            after[k] = square(b, ex, k);
        assert_crashed(f, &bad_jobs[i]);
        assert_int_equal(yk_await_all(before, 3, YK_FOREVER), 0);
        assert_int_equal(yk_await_all(after, 3, YK_FOREVER), 0);
        for (int k = 0; k < 3; k++) {
            yk_future_unref(before[k]);
            yk_future_unref(after[k]);
        }
        yk_future_unref(f);
    }
    eventually(stats_of(ex).crashed == COUNT_OF(bad_jobs));
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.failed, COUNT_OF(bad_jobs));
    assert_int_equal(s.done, 6 * COUNT_OF(bad_jobs));
    backend_close(ex);
}

static void test_P04_P05_P06_P09_a_bad_job_fails_alone(void **state)
{
    (void)state;
    on_processes(bad_between_good);
}

static void own_errors(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f[3];
    for (int i = 0; i < 3; i++)
        f[i] = backend_submit(b, ex, i ? job__exit_99 : job_kill_self, NULL, 0);
    assert_int_equal(yk_wait(f, 3, YK_ALL_ENDED, YK_FOREVER), 3);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < i; k++) {
            assert_ptr_not_equal(yk_future_error(f[i]), yk_future_error(f[k]));
            assert_ptr_not_equal(yk_future_error(f[i])->message, yk_future_error(f[k])->message);
        }
    assert_int_equal(yk_future_error(f[0])->signal, SIGKILL);
    assert_int_equal(yk_future_error(f[1])->exit_status, 99);
    backend_close(ex);
    assert_int_equal(yk_future_error(f[2])->exit_status, 99); /* outlives its executor */
    for (int i = 0; i < 3; i++)
        yk_future_unref(f[i]);
}

static void test_P03_each_future_has_its_own_error(void **state)
{
    (void)state;
    on_processes(own_errors);
}

/* The matrix again, submitted from inside callbacks. */
struct from_callback {
    const backend *b;
    yk_executor *ex;
    _Atomic(yk_future *) next;
    yk_job_fn fn;
};

static int submit_in_callback(yk_future *f, void *arg)
{
    struct from_callback *c = arg;
    (void)f;
    atomic_store(&c->next, backend_submit(c->b, c->ex, c->fn, NULL, 0));
    return 0;
}

static void bad_from_callbacks(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    for (size_t i = 0; i < COUNT_OF(bad_jobs); i++) {
        struct from_callback c = { b, ex, NULL, bad_jobs[i].fn };
        yk_future *f = backend_submit(b, ex, i % 2 ? job_nothing : job__exit_99, NULL, 0);
        yk_future_on_end(f, submit_in_callback, &c);
        assert_int_equal(yk_await(f), i % 2 ? 0 : YK_ECRASHED);
        eventually(atomic_load(&c.next));
        assert_crashed(c.next, &bad_jobs[i]);
        yk_future_unref(c.next);
        yk_future_unref(f);
    }
    assert_works(b, ex);
    backend_close(ex);
}

static void test_P04_P05_P06_bad_jobs_from_callbacks(void **state)
{
    (void)state;
    on_processes(bad_from_callbacks);
}

static void many_bad(const backend *b)
{
    enum { N = 100 };
    yk_executor *ex = OPEN(b, .workers = 2, .queue_limit = 1); /* so the submission waits, too */
    size_t n = support_rounds(N) < 12 ? 12 : support_rounds(N);
    yk_future *good[N], *bad[N];
    for (size_t i = 0; i < n; i++) {
        bad[i] = backend_submit(b, ex, i % 2 ? job_kill_self : job__exit_99, NULL, 0);
        good[i] = square(b, ex, (int)i);
    }
    for (size_t i = 0; i < n; i++) {
        int out = -1;
        assert_int_equal(yk_await_into(good[i], &out, sizeof out), 0);
        assert_int_equal(out, (int)(i * i));
        assert_int_equal(yk_await(bad[i]), YK_ECRASHED);
        yk_future_unref(good[i]);
        yk_future_unref(bad[i]);
    }
    backend_close(ex);
}

static void test_P23_good_and_bad_jobs_in_turn_through_a_queue_of_one(void **state)
{
    (void)state;
    on_processes(many_bad);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_P04_P05_P06_P09_a_bad_job_fails_alone),
        TEST(test_P03_each_future_has_its_own_error),
        TEST(test_P04_P05_P06_bad_jobs_from_callbacks),
        TEST(test_P23_good_and_bad_jobs_in_turn_through_a_queue_of_one),
    };
    return RUN_TESTS("faults_jobs", tests);
}
