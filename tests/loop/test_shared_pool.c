/* The shared pool: what a process pool promises holds for it, too. Its server runs on a thread. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "executor/context.h"
#include "executor/shared.h"
#include "executor/stream.h"
#include "executor/wait.h"
#include "loop/loop.h"
#include "loop/sync.h"
#include "shared_pools.h"

static void on_shared_pool(const yk_pool_options *here, const yk_pool_options *there,
                           void (*body)(yk_executor *ex))
{
    yk__pool_door door;
    assert_int_equal(yk__pool_door_open(&door), 0);
    serve_on_a_thread(&door, there);
    with_shared_pool(&door, here, body);
    stop_serving(&door);
}

static void on_two_workers(void (*body)(yk_executor *ex))
{
    on_shared_pool(NULL, &(yk_pool_options){ .workers = 2 }, body);
}

static void expect_error(yk_future *f, int code, const char *part_of_message)
{
    assert_int_equal(yk_await(f), code);
    if (!strstr(yk_future_error(f)->message, part_of_message))
        fail_msg("'%s' is not in '%s'", part_of_message, yk_future_error(f)->message);
    yk_future_unref(f);
}

/* ---- Failures -------------------------------------------------------------------------------- */

static void jobs_that_fail(yk_executor *ex)
{
    expect_error(yk_submit(ex, job_fail, NULL, 0), UV_EINVAL, "no good");
    yk_future *f = yk_submit_with(ex, job_segv, NULL, 0, .name = "reckless");
    assert_int_equal(yk_await(f), YK_ECRASHED);
    const yk_error *e = yk_future_error(f);
    assert_int_equal(e->signal, SIGSEGV);
    assert_string_equal(e->job, "reckless");
    assert_non_null(strstr(e->message, "job 'reckless' died of SIGSEGV"));
    const char *where = yk_error_backtrace(e);
    assert_non_null(where);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_non_null(strstr(where, "job_segv"));
#endif
    yk_future_unref(f);
    f = yk_submit(ex, job_exit_1, NULL, 0);
    assert_int_equal(yk_await(f), YK_ECRASHED);
    assert_int_equal(yk_future_error(f)->exit_status, 1);
    yk_future_unref(f);
    expect_error(yk_submit(ex, job_kill_self, NULL, 0), YK_ECRASHED, "SIGKILL");
    int nine = 9, square = 0;
    f = yk_submit(ex, job_square, &nine, sizeof nine);
    assert_int_equal(yk_await_into(f, &square, sizeof square), 0); /* the others live on */
    assert_int_equal(square, 81);
    yk_future_unref(f);
}

static void test_a_job_that_fails_or_crashes_tells_its_story(void **state)
{
    (void)state;
    on_two_workers(jobs_that_fail);
}

static void jobs_that_never_end(yk_executor *ex)
{
    word *w = shared_words();
    expect_error(yk_submit_with(ex, job_spin, NULL, 0, .timeout_ms = 20), YK_EJOBTIMEOUT, "20 ms");
    expect_error(yk_submit(ex, job_spin, NULL, 0), YK_EJOBTIMEOUT, "100 ms"); /* the pool's limit */
    block b = { .begun = &w[0], .ended = &w[1] };
    yk_future *f = yk_submit_with(ex, job_block, &b, sizeof b, .timeout_ms = 100000);
    eventually(word_get(&w[0]) == 1);
    eventually(yk_future_state(f) == YK_RUNNING);
    assert_int_equal(yk_future_cancel_with(f, "changed my mind"), 1);
    expect_error(f, YK_ECANCELED, "changed my mind");
    assert_int_equal(word_get(&w[1]), 1); /* it was asked, and did */
    assert_int_equal(stats_of(ex).timeouts, 2);
}

static void test_time_limits_and_cancellations_reach_the_worker(void **state)
{
    (void)state;
    on_shared_pool(&(yk_pool_options){ .job_timeout_ms = 100 }, &(yk_pool_options){ .workers = 1 },
                   jobs_that_never_end);
}

static void what_cannot_be(yk_executor *ex)
{
    void *memory = yk_arena_alloc(8);
    expect_error(yk_submit_with(ex, job_nothing, NULL, 0, .uses = YK_USES(memory)), UV_ENOTSUP,
                 "arena");
    yk_arena_free(memory);
    expect_error(yk_submit_with(ex, job_nothing, NULL, 0, .start_by = 1), YK_EEXPIRED, "");
    assert_int_equal(yk_executor_resize(ex, 3), UV_ENOTSUP);
    assert_int_equal(yk_executor_workers(ex, NULL, 0), 0);
}

static void test_what_it_cannot_do_is_refused(void **state)
{
    (void)state;
    on_two_workers(what_cannot_be);
}

static void test_it_needs_a_loop(void **state)
{
    (void)state;
    yk__pool_door door;
    assert_int_equal(yk__pool_door_open(&door), 0);
    yk_executor *ex = yk__shared_pool_new(&door, NULL);
    assert_int_equal(yk_executor_error(ex)->code, UV_EINVAL);
    yk_executor_unref(ex);
    yk__pool_door_close(&door);
}

/* ---- Results --------------------------------------------------------------------------------- */

static void expect_echo(yk_executor *ex, size_t len)
{
    char *bytes = malloc(len + 1);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)(i * 7 + i / 253);
    yk_future *f = yk_submit(ex, job_echo, len ? bytes : NULL, len);
    assert_int_equal(yk_await(f), 0);
    size_t n;
    const void *back = yk_future_result(f, &n);
    assert_int_equal(n, len);
    if (len > 0)
        assert_memory_equal(back, bytes, len);
    yk_future_unref(f);
    free(bytes);
}

static void echoes(yk_executor *ex)
{
    static const size_t lengths[] = { 0, 1, 64, 65, 4000, 65535, 65536, 70000, 5 << 20 };
    for (size_t i = 0; i < COUNT_OF(lengths); i++)
        expect_echo(ex, lengths[i]);
}

static void test_bytes_of_any_length_come_and_go(void **state)
{
    (void)state;
    on_two_workers(echoes);
}

static void many_jobs(yk_executor *ex)
{
    enum { MANY = 3000 };
    static yk_future *f[MANY];
    size_t n = support_rounds(MANY);
    for (size_t i = 0; i < n; i++) {
        int number = (int)i;
        f[i] = yk_submit(ex, job_square, &number, sizeof number);
    }
    for (size_t i = 0; i < n; i++) {
        int square = -1;
        assert_int_equal(yk_await_into(f[i], &square, sizeof square), 0);
        assert_int_equal(square, (int)(i * i));
        yk_future_unref(f[i]);
    }
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.done, n);
    assert_true(s.run.count > 0);
}

static void test_many_jobs_are_on_their_way_at_once(void **state)
{
    (void)state;
    on_two_workers(many_jobs);
}

static yk_executor *for_threads;

static void *submit_on_a_thread(void *unused)
{
    (void)unused;
    for (int i = 0; i < 200; i++) {
        int square = -1;
        yk_future *f = yk_submit(for_threads, job_square, &i, sizeof i);
        if (i % 3 == 0)
            yk_future_cancel(f);
        int err = yk_await_into(f, &square, sizeof square);
        yk_future_unref(f);
        if (err ? err != YK_ECANCELED || i % 3 : square != i * i)
            return &for_threads;
    }
    return NULL;
}

static void submits_from_threads(yk_executor *ex)
{
    pthread_t threads[2];
    for_threads = ex;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, submit_on_a_thread, NULL), 0);
    eventually(stats_of(ex).received == 400 && stats_of(ex).pending + stats_of(ex).running == 0);
    for (int i = 0; i < 2; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

static void test_any_thread_submits_and_cancels(void **state)
{
    (void)state;
    on_two_workers(submits_from_threads);
}

static const yk_context_key request = { sizeof(uint64_t) };

static int read_context(yk_job *job)
{
    uint64_t value = 0;
    yk_context_get(&request, &value);
    return yk_job_return(job, &value, sizeof value);
}

static void context_travels(yk_executor *ex)
{
    for (uint64_t i = 1; i < 4; i++) {
        uint64_t seen = 0;
        assert_int_equal(yk_context_set(&request, &i), 0);
        yk_future *f = yk_submit(ex, read_context, "argument", 9);
        assert_int_equal(yk_await_into(f, &seen, sizeof seen), 0);
        assert_int_equal(seen, i);
        yk_future_unref(f);
    }
    yk_context_reset(&request);
}

static void test_context_goes_with_a_job(void **state)
{
    (void)state;
    on_two_workers(context_travels);
}

/* ---- Streams and progress -------------------------------------------------------------------- */

struct emission {
    uint32_t records, step; /* the length of record i is i * step % 251 */
    word *refused;          /* 1 when an emission was */
};

static int emit(yk_job *job)
{
    struct emission e = *(const struct emission *)yk_job_arg(job);
    unsigned char record[256];
    for (uint32_t i = 0; i < e.records; i++) {
        memset(record, (int)i, sizeof record);
        int err = yk_job_emit(job, record, i * e.step % 251);
        if (err && e.refused)
            atomic_store(e.refused, (uint32_t)-err);
        if (err)
            return err;
    }
    return yk_job_return(job, &e.records, sizeof e.records);
}

static void read_stream(yk_executor *ex, uint32_t records, size_t window, unsigned slow)
{
    struct emission e = { .records = records, .step = 13 };
    yk_future *f = yk_submit_with(ex, emit, &e, sizeof e, .stream = window);
    unsigned char record[256];
    size_t len;
    for (uint32_t i = 0; i < records; i++) {
        if (slow && i % slow == 0)
            yk_sleep_ms(1);
        assert_int_equal(yk_stream_next(f, record, sizeof record, &len, YK_FOREVER), 0);
        assert_int_equal(len, i * 13 % 251);
        for (size_t k = 0; k < len; k++)
            assert_int_equal(record[k], (unsigned char)i);
    }
    assert_int_equal(yk_stream_next(f, record, sizeof record, &len, YK_FOREVER), YK_END);
    uint32_t said = 0;
    assert_int_equal(yk_await_into(f, &said, sizeof said), 0);
    assert_int_equal(said, records);
    yk_future_unref(f);
}

static void streams(yk_executor *ex)
{
    read_stream(ex, 0, 300, 0);
    read_stream(ex, 2000, 300, 0);      /* hardly more than one record fits */
    read_stream(ex, 2000, 64 << 10, 0); /* many */
    read_stream(ex, 300, 300, 10);      /* the job waits for its reader */
}

static void test_records_come_whole_and_in_order(void **state)
{
    (void)state;
    on_two_workers(streams);
}

static void reader_leaves(yk_executor *ex)
{
    word *w = shared_words();
    struct emission e = { .records = UINT32_MAX, .step = 13, .refused = &w[0] };
    yk_future *f = yk_submit_with(ex, emit, &e, sizeof e, .stream = 1000);
    char record[256];
    for (int i = 0; i < 10; i++)
        assert_int_equal(yk_stream_next(f, record, sizeof record, NULL, YK_FOREVER), 0);
    yk_future_unref(f); /* nobody is left to read */
    eventually(word_get(&w[0]) == (uint32_t)-YK_ECLOSED);
}

static void test_a_job_hears_that_nobody_reads(void **state)
{
    (void)state;
    on_two_workers(reader_leaves);
}

static void stream_cancelled(yk_executor *ex)
{
    word *w = shared_words();
    struct emission e = { .records = UINT32_MAX, .step = 13, .refused = &w[0] };
    yk_future *f = yk_submit_with(ex, emit, &e, sizeof e, .stream = 1000);
    char record[256];
    assert_int_equal(yk_stream_next(f, record, sizeof record, NULL, YK_FOREVER), 0);
    yk_future_cancel(f);
    assert_int_equal(yk_await(f), YK_ECANCELED);
    eventually(word_get(&w[0]) == (uint32_t)-YK_ECANCELED);
    yk_future_unref(f);
}

static void test_a_job_that_waits_for_its_reader_is_cancelled(void **state)
{
    (void)state;
    on_two_workers(stream_cancelled);
}

/* uint32_t steps, each told; then waits for the word. */
struct steps {
    uint32_t n;
    word *go;
};

static int step(yk_job *job)
{
    struct steps s = *(const struct steps *)yk_job_arg(job);
    for (uint32_t i = 1; i <= s.n; i++)
        yk_job_progress(job, i, 2 * s.n);
    while (word_get(s.go) == 0)
        support_pause();
    yk_job_progress(job, 2 * s.n, 2 * s.n);
    return 0;
}

static void progress(yk_executor *ex)
{
    word *w = shared_words();
    struct steps s = { 50, &w[0] };
    uint64_t done = 0, total = 0;
    yk_future *f = yk_submit(ex, step, &s, sizeof s);
    eventually(yk_future_progress(f, &done, &total) == 0 && done == 50);
    assert_int_equal(total, 100);
    word_set(&w[0], 1);
    assert_int_equal(yk_await(f), 0);
    yk_future_progress(f, &done, &total);
    assert_int_equal(done, 100); /* its last word, however soon the end came */
    yk_future_unref(f);
}

static void test_progress_is_seen_from_afar(void **state)
{
    (void)state;
    on_two_workers(progress);
}

/* ---- The bounded queue ----------------------------------------------------------------------- */

static int submit_third(void *arg)
{
    yk_future *f = yk_submit(arg, job_nothing, NULL, 0); /* waits for room */
    int err = yk_await(f);
    yk_future_unref(f);
    return err;
}

static void full_queue(yk_executor *ex)
{
    word *w = shared_words();
    block b = { .begun = &w[0], .go = &w[1] };
    yk_future *runs = yk_submit(ex, job_block, &b, sizeof b);
    eventually(yk_future_state(runs) == YK_RUNNING);
    yk_future *waits = yk_submit(ex, job_nothing, NULL, 0);
    yk_future *refused = yk_submit_with(ex, job_nothing, NULL, 0, .no_wait = true);
    assert_int_equal(yk_future_state(refused), YK_FAILED); /* at once */
    expect_error(refused, YK_EFULL, "");
    expect_error(yk_submit_with(ex, job_nothing, NULL, 0, .submit_deadline = yk_after_ms(5)),
                 UV_ETIMEDOUT, "");
    yk_future *third = yk_task_start(submit_third, ex);
    for (int i = 0; i < 20; i++)
        yk_yield();
    assert_false(yk_future_ended(third));
    assert_int_equal(stats_of(ex).pending, 1);
    word_set(&w[1], 1);
    assert_int_equal(yk_await(third), 0);
    assert_int_equal(yk_await(waits), 0);
    assert_int_equal(yk_await(runs), 0);
    yk_future_unref(third);
    yk_future_unref(waits);
    yk_future_unref(runs);
}

static void test_a_full_queue_refuses_or_suspends(void **state)
{
    (void)state;
    on_shared_pool(&(yk_pool_options){ .queue_limit = 1 }, &(yk_pool_options){ .workers = 1 },
                   full_queue);
}

/* ---- The end --------------------------------------------------------------------------------- */

static void shut_down_in_the_middle(yk_executor *ex)
{
    word *w = shared_words();
    block b = { .begun = &w[0] };
    yk_future *runs = yk_submit(ex, job_block, &b, sizeof b);
    yk_future *waits = yk_submit(ex, job_nothing, NULL, 0);
    eventually(yk_future_state(runs) == YK_RUNNING);
    char stuck[200];
    assert_int_equal(yk_executor_shutdown(ex, .deadline = yk_after_ms(1), .stuck = stuck,
                                          .stuck_size = sizeof stuck),
                     UV_ETIMEDOUT);
    expect_error(yk_submit(ex, job_nothing, NULL, 0), YK_ECLOSED, "");
    assert_int_equal(yk_executor_shutdown(ex, .cancel_running = true), 0);
    expect_error(runs, YK_ECANCELED, "");
    expect_error(waits, YK_ECANCELED, "");
}

static void test_a_shutdown_cancels_what_it_is_told_to(void **state)
{
    (void)state;
    on_shared_pool(NULL, &(yk_pool_options){ .workers = 1 }, shut_down_in_the_middle);
}

static yk_future *left_behind[2];

static int leave_jobs(void *arg)
{
    word *w = shared_words();
    block b = { .begun = &w[0], .ended = &w[1] };
    yk_executor *ex = yk__shared_pool_new(arg, NULL);
    for (int i = 0; i < 2; i++)
        left_behind[i] = yk_submit(ex, job_block, &b, sizeof b);
    while (word_get(&w[0]) == 0)
        yk_sleep_ms(1);
    yk_executor_unref(ex);
    return 0;
}

/* As it is when a client dies: the connection ends. */
static void test_who_closes_the_loop_ends_its_jobs_down_to_the_worker(void **state)
{
    (void)state;
    yk__pool_door door;
    assert_int_equal(yk__pool_door_open(&door), 0);
    serve_on_a_thread(&door, &(yk_pool_options){ .workers = 1 });
    yk_loop *loop = yk_loop_new();
    yk_future *task = yk_task_start(leave_jobs, &door);
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    yk_future_unref(task);
    assert_int_equal(yk_loop_close(loop), 0);
    for (int i = 0; i < 2; i++)
        expect_error(left_behind[i], YK_ECLOSED, "");
    stop_serving(&door); /* which it can only when no job is left */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_a_job_that_fails_or_crashes_tells_its_story),
        TEST(test_time_limits_and_cancellations_reach_the_worker),
        TEST(test_what_it_cannot_do_is_refused),
        TEST(test_it_needs_a_loop),
        TEST(test_bytes_of_any_length_come_and_go),
        TEST(test_many_jobs_are_on_their_way_at_once),
        TEST(test_any_thread_submits_and_cancels),
        TEST(test_context_goes_with_a_job),
        TEST(test_records_come_whole_and_in_order),
        TEST(test_a_job_hears_that_nobody_reads),
        TEST(test_a_job_that_waits_for_its_reader_is_cancelled),
        TEST(test_progress_is_seen_from_afar),
        TEST(test_a_full_queue_refuses_or_suspends),
        TEST(test_a_shutdown_cancels_what_it_is_told_to),
        TEST(test_who_closes_the_loop_ends_its_jobs_down_to_the_worker),
    };
    shared_words_make();
    return RUN_TESTS("shared_pool", tests);
}
