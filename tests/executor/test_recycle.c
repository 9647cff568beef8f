/* Workers that retire: after so many jobs, or when they have grown too large (T10 to T16). */
#include "faults.h"

#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include "executor/stream.h"

static pid_t pid_from(yk_future *f)
{
    pid_t pid = 0;
    assert_int_equal(yk_await_into(f, &pid, sizeof pid), 0);
    yk_future_unref(f);
    return pid;
}

/* ---- T10, T11 ------------------------------------------------------------------------------- */

static void new_process_after(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .worker = { .max_jobs = 3 });
    pid_t pids[9];
    for (int i = 0; i < 9; i++) /* one after the other */
        pids[i] = pid_from(backend_submit(b, ex, job_pid, NULL, 0));
    for (int i = 1; i < 9; i++)
        assert_true((pids[i] == pids[i - 1]) == (i % 3 != 0));
    yk_future *f[9];
    for (int i = 0; i < 9; i++) /* all at once */
        f[i] = backend_submit(b, ex, job_pid, NULL, 0);
    for (int i = 0; i < 9; i++)
        pids[i] = pid_from(f[i]);
    for (int i = 1; i < 9; i++)
        assert_true((pids[i] == pids[i - 1]) == (i % 3 != 0));
    assert_int_equal(stats_of(ex).crashed, 0);
    backend_close(ex);
}

static void test_T10_a_worker_leaves_after_so_many_jobs(void **state)
{
    (void)state;
    on_processes(new_process_after);
}

static void with_a_backlog(const backend *b)
{
    static const struct {
        int workers, max, jobs;
    } cases[] = { { 1, 2, 6 }, { 2, 2, 8 }, { 1, 1, 20 }, { 3, 1, 60 }, { 2, 7, 600 } };
    for (size_t c = 0; c < COUNT_OF(cases); c++) {
        yk_executor *ex =
            OPEN(b, .workers = cases[c].workers, .worker = { .max_jobs = (unsigned)cases[c].max });
        yk_future *f[600];
        for (int i = 0; i < cases[c].jobs; i++)
            f[i] = square(b, ex, i);
        for (int i = 0; i < cases[c].jobs; i++) {
            int out = -1;
            assert_int_equal(yk_await_into(f[i], &out, sizeof out), 0);
            assert_int_equal(out, i * i);
            yk_future_unref(f[i]);
        }
        assert_in_range(stats_of(ex).started, cases[c].jobs / cases[c].max, 600);
        assert_int_equal(stats_of(ex).crashed, 0);
        backend_close(ex);
    }
}

static void test_T11_a_backlog_is_done_by_one_worker_after_the_other(void **state)
{
    (void)state;
    on_processes(with_a_backlog);
}

/* What a job keeps by its worker's number is never touched by two at once. */
static int job_alone_with_its_number(yk_job *job)
{
    word *w = *(word **)yk_job_arg(job);
    unsigned n = yk_job_worker(job);
    if (n >= 2 || atomic_exchange(&w[n], 1))
        return yk_job_fail(job, UV_EBUSY, "somebody else has number %u", n);
    for (volatile int i = 0; i < 20000; i++)
        ;
    atomic_store(&w[n], 0);
    return 0;
}

static void numbers(const backend *b)
{
    word *w = words_new(2);
    yk_executor *ex = OPEN(b, .workers = 2, .worker = { .max_jobs = 2 });
    yk_future *f[200];
    for (int i = 0; i < 200; i++)
        f[i] = backend_submit(b, ex, job_alone_with_its_number, &w, sizeof w);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(yk_await(f[i]), 0);
        yk_future_unref(f[i]);
    }
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T11_no_two_jobs_at_once_have_one_number(void **state)
{
    (void)state;
    on_processes(numbers);
}

/* ---- T12 to T15: and a shutdown ------------------------------------------------------------- */

static void early_shutdown(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2, .worker = { .max_jobs = 1 });
    yk_future *f[20];
    for (int i = 0; i < 20; i++)
        f[i] = square(b, ex, i);
    backend_close(ex);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(yk_future_state(f[i]), YK_DONE);
        yk_future_unref(f[i]);
    }
}

static void test_T12_an_early_shutdown_does_all_jobs(void **state)
{
    (void)state;
    on_processes(early_shutdown);
}

static void no_wait(const backend *b)
{
    for (size_t round = 0; round < support_rounds(30); round++) {
        yk_executor *ex = OPEN(b, .workers = 1, .worker = { .max_jobs = 1 });
        yk_future *f[4];
        for (int i = 0; i < 4; i++)
            f[i] = square(b, ex, i);
        if (round % 2) /* at different moments of the worker's end */
            assert_int_equal(yk_await(f[round % 4]), 0);
        assert_int_equal(yk_executor_shutdown(ex, .no_wait = true), 0);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(yk_await(f[i]), 0);
            yk_future_unref(f[i]);
        }
        assert_int_equal(yk_executor_close(ex), 0);
    }
}

static void test_T13_a_shutdown_that_does_not_wait_meets_workers_that_leave(void **state)
{
    (void)state;
    on_processes(no_wait);
}

static void released(const backend *b)
{
    for (size_t round = 0; round < support_rounds(10); round++) {
        yk_executor *ex = OPEN(b, .workers = 1, .worker = { .max_jobs = 1 });
        yk_future *f[6];
        for (int i = 0; i < 6; i++)
            f[i] = square(b, ex, i);
        assert_int_equal(yk_await(f[0]), 0);
        yk_executor_unref(ex); /* what is accepted is done */
        for (int i = 0; i < 6; i++) {
            assert_int_equal(yk_await(f[i]), 0);
            yk_future_unref(f[i]);
        }
    }
}

static void test_T14_futures_end_when_the_executor_is_released_meanwhile(void **state)
{
    (void)state;
    on_processes(released);
}

static void forced(const backend *b)
{
    for (size_t round = 0; round < support_rounds(10); round++) {
        word *w = words_new(1);
        yk_executor *ex = OPEN(b, .workers = 2, .kill_grace_ms = 10, .worker = { .max_jobs = 1 });
        yk_future *f[8];
        struct block blocked = { .begun = &w[0] };
        for (int i = 0; i < 8; i++)
            f[i] = i < 2 ? backend_submit(b, ex, job_block, &blocked, sizeof blocked)
                         : square(b, ex, i);
        eventually(word_get(&w[0]) == 2);
        assert_int_equal(yk_executor_shutdown(ex, .cancel_running = true), 0);
        /* Successors may have been on their way; nobody was started after. */
        assert_true(stats_of(ex).started <= 4);
        for (int i = 0; i < 8; i++) {
            assert_int_equal(yk_await(f[i]), YK_ECANCELED);
            yk_future_unref(f[i]);
        }
        backend_close(ex);
        yk_arena_free(w);
    }
}

static void test_T15_who_leaves_in_a_forced_shutdown_is_not_replaced(void **state)
{
    (void)state;
    on_processes(forced);
}

/* ---- T11: and what jobs do beside their results ---------------------------------------------- */

struct tale {
    uint32_t id, records;
    word *tries; /* dies in the middle of the first one, if not NULL */
};

static int job_tells(yk_job *job)
{
    struct tale t = *(const struct tale *)yk_job_arg(job);
    bool dies = t.tries && atomic_fetch_add(t.tries, 1) == 0;
    for (uint32_t i = 0; i < t.records; i++) {
        uint32_t record[2] = { t.id, i };
        int err = yk_job_emit(job, record, sizeof record);
        if (err)
            return err;
        yk_job_progress(job, i + 1, t.records);
        if (dies && i == t.records / 2)
            raise(SIGKILL);
    }
    return yk_job_return(job, &t.id, sizeof t.id);
}

/* The records of one job, from the first to the last; those of its first try before them. */
static void hear(yk_future *f, const struct tale *t)
{
    uint32_t record[2], next = 0;
    size_t len;
    int err;
    while ((err = yk_stream_next(f, record, sizeof record, &len, YK_FOREVER)) == 0) {
        assert_int_equal(record[0], t->id);
        if (t->tries && next == t->records / 2 + 1 && record[1] == 0)
            next = 0;
        assert_int_equal(record[1], next++);
    }
    assert_int_equal(err, YK_END);
    assert_int_equal(next, t->records);
    uint64_t done, total;
    assert_int_equal(yk_future_progress(f, &done, &total), 0);
    assert_int_equal(done, t->records);
    assert_int_equal(total, t->records);
}

/* Every worker leaves after two jobs. The window holds three records of the fifty that a job emits;
 * all of those of a job that is run again, which comes behind the others and is heard after them.
 */
static void tales_of_workers_that_leave(const backend *b)
{
    enum { N = 24 };
    word *w = words_new(N);
    yk_executor *ex = OPEN(b, .workers = 2, .worker = { .max_jobs = 2 });
    struct tale tales[N];
    yk_future *f[N];
    for (uint32_t i = 0; i < N; i++) {
        tales[i] = (struct tale){ .id = i, .records = 50, .tries = i % 6 == 0 ? &w[i] : NULL };
        f[i] = backend_submit_opts(
            b, ex, job_tells, &tales[i], sizeof tales[i],
            (yk_job_options){ .stream = tales[i].tries ? 4096 : 36, .retries = 1 });
    }
    for (uint32_t k = 0; k < 2 * N; k++) {
        uint32_t i = k % N, id = N;
        if ((k >= N) != (tales[i].tries != NULL))
            continue;
        hear(f[i], &tales[i]);
        assert_int_equal(yk_await_into(f[i], &id, sizeof id), 0);
        assert_int_equal(id, i);
        yk_future_unref(f[i]);
    }
    assert_int_equal(stats_of(ex).crashed, N / 6);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T11_streams_progress_and_retries_go_on_while_workers_leave(void **state)
{
    (void)state;
    on_processes(tales_of_workers_that_leave);
}

static void slow_farewell(void *arg)
{
    word *leaving = *(word **)arg;
    while (word_get(leaving) == 0) /* asleep: they are many, and the pool is to get on */
        syscall(SYS_futex, leaving, FUTEX_WAIT, 0, NULL, NULL, 0);
}

/* Finalizers that take their time: what waits is done by others, and these do not become any
 * number. */
static void slow_finalizers(const backend *b)
{
    word *w = words_new(1);
    yk_executor *ex = OPEN(
        b, .workers = 1, .kill_grace_ms = 100000,
        .worker = { .max_jobs = 1, .finalizer = slow_farewell, .arg = &w, .arg_len = sizeof w });
    yk_future *f[40];
    for (int i = 0; i < 40; i++)
        f[i] = square(b, ex, i);
    assert_int_equal(yk_await(f[9]), 0); /* though nine are still about to leave */
    /* 1 + 16 of them are; one more may have been on its way when the last of these began to leave.
     * The next waits for one of them to be gone. */
    eventually(stats_of(ex).done >= 17);
    for (int i = 0; i < 20; i++) {
        assert_true(stats_of(ex).workers <= 18 && stats_of(ex).done <= 18);
        support_pause();
    }
    word_set(w, 1);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(yk_await(f[i]), 0);
        yk_future_unref(f[i]);
    }
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T11_finalizers_that_take_long_hold_up_nobody_and_do_not_pile_up(void **state)
{
    (void)state;
    on_processes(slow_finalizers);
}

/* ---- T16 ------------------------------------------------------------------------------------ */

/* Leaks 8 MiB, and says who. */
static int job_leak(yk_job *job)
{
    size_t size = 8 << 20;
    char *leak = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (leak == MAP_FAILED)
        return UV_ENOMEM;
    memset(leak, 1, size);
    return job_pid(job);
}

static void by_memory(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2, .worker = { .max_rss = 128 << 20 });
    yk_future *f[100];
    pid_t first = pid_from(backend_submit(b, ex, job_leak, NULL, 0)), last = first;
    for (int i = 0; i < 100; i++)
        f[i] = backend_submit(b, ex, job_leak, NULL, 0);
    for (int i = 0; i < 100; i++)
        last = pid_from(f[i]); /* none is lost */
    assert_int_not_equal(last, first);
    assert_true(stats_of(ex).started > 2);
    assert_int_equal(stats_of(ex).crashed, 0);
    backend_close(ex);
}

/* Valgrind's own memory is more than the worker's. */
static void on_processes_of_the_system(void (*test)(const backend *))
{
    if (support_under_valgrind())
        print_message("skipped: memory is not measured under valgrind\n");
    else
        on_processes(test);
}

static void test_T16_a_worker_that_has_grown_is_replaced_and_no_job_lost(void **state)
{
    (void)state;
    on_processes_of_the_system(by_memory);
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static int job_touch(yk_job *job)
{
    struct {
        char *at;
        size_t size;
    } *arg = yk_job_arg(job);
    /* By the kernel's hand: a sanitizer's shadow of it would be the worker's own. */
    if (madvise(arg->at, arg->size, MADV_POPULATE_WRITE))
        memset(arg->at, 1, arg->size);
    return job_pid(job);
}

static void shared_memory_does_not_count(const backend *b)
{
    struct {
        char *at;
        size_t size;
    } arg = { .size = 160 << 20 };
    arg.at = yk_arena_alloc(arg.size);
    yk_executor *ex = OPEN(b, .workers = 1, .worker = { .max_rss = 128 << 20 });
    pid_t first = pid_from(backend_submit(b, ex, job_touch, &arg, sizeof arg));
    for (int i = 0; i < 5; i++)
        assert_int_equal(pid_from(backend_submit(b, ex, job_touch, &arg, sizeof arg)), first);
    backend_close(ex);
    yk_arena_free(arg.at);
}

static void test_T16_the_arena_does_not_count_as_the_workers_memory(void **state)
{
    (void)state;
    on_processes_of_the_system(shared_memory_does_not_count);
}

/* What the program had before its workers' zygote was made is nobody's growth. */
#define INHERITED ((size_t)32 << 20)

static void the_programs_memory_does_not_count(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .worker = { .max_rss = 24 << 20 });
    pid_t first = pid_of_worker(b, ex);
    uint64_t begin = stats_of(ex).started;
    for (int i = 0; i < 5; i++) {
        uint64_t later = yk_after_ms(10); /* it looks every 5 ms */
        while (yk_now() < later)
            support_pause();
        assert_int_equal(pid_of_worker(b, ex), first);
    }
    assert_int_equal(stats_of(ex).started, begin);
    backend_close(ex);
}

static void test_T16_what_the_program_had_does_not_count_as_the_workers_memory(void **state)
{
    (void)state;
    on_processes_of_the_system(the_programs_memory_does_not_count);
}

int main(void)
{
    void *had = mmap(NULL, INHERITED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (had == MAP_FAILED || madvise(had, INHERITED, MADV_POPULATE_WRITE))
        return 1;
    static const struct CMUnitTest tests[] = {
        TEST(test_T10_a_worker_leaves_after_so_many_jobs),
        TEST(test_T11_a_backlog_is_done_by_one_worker_after_the_other),
        TEST(test_T11_no_two_jobs_at_once_have_one_number),
        TEST(test_T11_streams_progress_and_retries_go_on_while_workers_leave),
        TEST(test_T11_finalizers_that_take_long_hold_up_nobody_and_do_not_pile_up),
        TEST(test_T12_an_early_shutdown_does_all_jobs),
        TEST(test_T13_a_shutdown_that_does_not_wait_meets_workers_that_leave),
        TEST(test_T14_futures_end_when_the_executor_is_released_meanwhile),
        TEST(test_T15_who_leaves_in_a_forced_shutdown_is_not_replaced),
        TEST(test_T16_a_worker_that_has_grown_is_replaced_and_no_job_lost),
        TEST(test_T16_what_the_program_had_does_not_count_as_the_workers_memory),
        TEST(test_T16_the_arena_does_not_count_as_the_workers_memory),
    };
    return RUN_TESTS("recycle", tests);
}
