/* Streams and the pools that their jobs run on: jobs that are written off, that have committed,
 * that wait for readers in their own pool, and pools that close. */
#include "support/backends.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "executor/ring.h"
#include "executor/stream.h"

/* ---- Jobs that emit -------------------------------------------------------------------------- */

struct plan {
    uint32_t n;  /* records, each is its number */
    word *begun; /* 1 is added */
    word *said;  /* at its end: 1 - the last thing that yk_job_emit returned */
    word *go;    /* waits for it after `pause` records, deaf to everything */
    uint32_t pause;
    bool commits, dies_once;
    bool counts; /* says how many have got through instead */
};

static int job_emits(yk_job *job)
{
    struct plan p = *(const struct plan *)yk_job_arg(job);
    uint32_t tries = p.begun ? atomic_fetch_add(p.begun, 1) : 0, got_through = 0;
    int err = p.commits ? yk_job_commit(job) : 0;
    for (uint32_t i = 0; i < p.n && !err; i++) {
        while (p.go && i == p.pause && word_get(p.go) == 0)
            usleep(50);
        err = yk_job_emit(job, &i, sizeof i);
        got_through += err == 0;
    }
    if (p.said)
        word_set(p.said, p.counts ? got_through : (uint32_t)(1 - err));
    if (p.dies_once && tries == 0)
        raise(SIGKILL);
    return err ? err : yk_job_return(job, &got_through, sizeof got_through);
}

static yk_future *start(const backend *b, yk_executor *ex, struct plan p, yk_job_options options)
{
    return backend_submit_opts(b, ex, job_emits, &p, sizeof p, options);
}

enum { WINDOW = 5 * 8 - 4 }; /* five records of 4 bytes, each with its length */

static yk_job_options small_window(void)
{
    return (yk_job_options){ .stream = WINDOW, .name = "emitter" };
}

static void wait_until_full(yk_future *f)
{
    eventually(atomic_load(&yk__stream_ring(f->stream)->wait_for) != 0);
}

/* The records from number `from` until the end of the stream; how many. */
static uint32_t drain(yk_future *f, uint32_t from)
{
    uint32_t record, n = 0;
    int err;
    while ((err = yk_stream_next(f, &record, sizeof record, NULL, YK_FOREVER)) == 0)
        assert_int_equal(record, from + n++);
    assert_int_equal(err, YK_END);
    return n;
}

static void expect_end(yk_future *f, int code)
{
    assert_int_equal(yk_await(f), code);
    yk_future_unref(f);
}

/* ---- Written off ----------------------------------------------------------------------------- */

static void written_off(const backend *b)
{
    if (b->processes)
        return;
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 1);
    word *w = words_new(3);
    struct plan p = { .n = 10, .begun = w, .said = w + 1, .go = w + 2, .pause = 3 };
    yk_future *f = start(b, ex, p, (yk_job_options){ .stream = 1000 });
    uint32_t record;
    assert_int_equal(yk_stream_next(f, &record, sizeof record, NULL, YK_FOREVER), 0);
    eventually(atomic_load(&yk__stream_ring(f->stream)->tail) == 3 * 8);
    assert_int_equal(yk_future_cancel(f), 1);
    assert_int_equal(yk_await(f), YK_ECANCELED);
    assert_int_equal(drain(f, 1), 2);
    word_set(w + 2, 1); /* it comes back, and is told */
    eventually(word_get(w + 1) == 1 - YK_ECANCELED);
    assert_int_equal(yk_stream_next(f, &record, sizeof record, NULL, 0), YK_END);
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_stream_of_a_job_that_was_written_off_ends(void **state)
{
    (void)state;
    on_every_backend(written_off);
}

/* It emits on and on, past its limit and its grace: what it was told has got through was taken. */
static void written_off_as_it_emits(const backend *b)
{
    if (b->processes)
        return;
    word *w = words_new(1);
    for (size_t round = 0; round < support_rounds(10); round++) {
        yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 1);
        atomic_store(w, UINT32_MAX);
        struct plan p = { .n = UINT32_MAX, .said = w, .counts = true };
        yk_future *f = start(b, ex, p, (yk_job_options){ .stream = 1000, .timeout_ms = 2 });
        uint32_t taken = drain(f, 0);
        expect_end(f, YK_EJOBTIMEOUT);
        backend_close(ex);
        eventually(word_get(w) != UINT32_MAX);
        assert_true(taken >= word_get(w));
    }
    yk_arena_free(w);
}

static void test_stream_records_that_got_through_are_taken(void **state)
{
    (void)state;
    on_every_backend(written_off_as_it_emits);
}

/* ---- Committed ------------------------------------------------------------------------------- */

static void committed(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 1);
    struct plan p = { .n = 20, .commits = true };
    yk_future *f = start(b, ex, p, small_window());
    wait_until_full(f);
    assert_int_equal(yk_future_cancel(f), 1);
    assert_int_equal(drain(f, 0), 20);
    uint32_t n = 0;
    assert_int_equal(yk_await_into(f, &n, sizeof n), 0);
    assert_int_equal(n, 20);
    yk_future_unref(f);
    backend_close(ex);
}

static void test_stream_of_a_job_that_has_committed_goes_on(void **state)
{
    (void)state;
    on_every_backend(committed);
}

static void committed_and_abandoned(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(1);
    struct plan p = { .n = 100, .commits = true, .said = w };
    yk_future *f = start(b, ex, p, small_window());
    wait_until_full(f);
    assert_int_equal(yk_future_cancel(f), 1);
    yk_future_unref(f);
    eventually(word_get(w) == 1 - YK_ECLOSED);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_stream_of_a_committed_job_without_a_reader_is_closed(void **state)
{
    (void)state;
    on_every_backend(committed_and_abandoned);
}

/* The pool's own books do not count as readers. */
static void abandoned_with_a_start_by(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(1);
    struct plan p = { .n = 100, .said = w };
    yk_job_options options = small_window();
    options.start_by = yk_after_ms(3600 * 1000);
    yk_future *f = start(b, ex, p, options);
    wait_until_full(f);
    yk_future_unref(f);
    eventually(word_get(w) == 1 - YK_ECLOSED);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_stream_without_a_reader_is_closed_whoever_keeps_books(void **state)
{
    (void)state;
    on_every_backend(abandoned_with_a_start_by);
}

/* ---- Pools that close ------------------------------------------------------------------------ */

static void unread_at_shutdown(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    char stuck[300] = "";
    struct plan p = { .n = 20 };
    yk_future *unread = start(b, ex, p, small_window());
    yk_future *small = start(b, ex, (struct plan){ .n = 3 }, small_window());
    wait_until_full(unread);
    assert_int_equal(yk_executor_shutdown(ex, .deadline = yk_after_ms(20), .stuck = stuck,
                                          .stuck_size = sizeof stuck),
                     UV_ETIMEDOUT);
    assert_non_null(strstr(stuck, "emitter"));
    assert_int_equal(drain(unread, 0), 20); /* it is never too late to read */
    expect_end(unread, 0);
    backend_close(ex);
    assert_int_equal(drain(small, 0), 3); /* not even when the pool is gone */
    expect_end(small, 0);
}

static void test_stream_unread_at_shutdown_is_named_and_can_be_read(void **state)
{
    (void)state;
    on_every_backend(unread_at_shutdown);
}

static void unread_at_a_forced_shutdown(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *f[3];
    for (int i = 0; i < 3; i++)
        f[i] = start(b, ex, (struct plan){ .n = 20 }, small_window());
    wait_until_full(f[0]);
    assert_int_equal(yk_executor_shutdown(ex, .cancel_running = true), 0);
    assert_int_equal(drain(f[0], 0), 5);
    for (int i = 1; i < 3; i++)
        assert_in_range(drain(f[i], 0), 0, 5); /* it may just have begun */
    for (int i = 0; i < 3; i++)
        expect_end(f[i], YK_ECANCELED);
    backend_close(ex);
}

static void test_stream_unread_at_a_forced_shutdown_ends(void **state)
{
    (void)state;
    on_every_backend(unread_at_a_forced_shutdown);
}

/* ---- Readers that are jobs ------------------------------------------------------------------- */

/* Reads the stream of another job to its end. */
static int job_reads(yk_job *job)
{
    yk_future *f = *(yk_future **)yk_job_arg(job);
    uint32_t record, n = 0;
    int err;
    while ((err = yk_stream_next(f, &record, sizeof record, NULL, YK_FOREVER)) == 0)
        n++;
    return err == YK_END ? yk_job_return(job, &n, sizeof n) : err;
}

/* The reader waits on the pool's only thread: another runs the one that it reads. */
static void reader_in_the_same_pool(const backend *b)
{
    if (b->processes)
        return;
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(2);
    block busy = { .begun = w, .go = w + 1 };
    yk_future *first = backend_submit(b, ex, job_block, &busy, sizeof busy);
    eventually(word_get(w) == 1);
    yk_future *f = start(b, ex, (struct plan){ .n = 40 }, small_window());
    yk_future *reader = backend_submit_opts(b, ex, job_reads, &f, sizeof f,
                                            (yk_job_options){ .priority = YK_PRIORITY_HIGH });
    word_set(w + 1, 1);
    expect_end(first, 0);
    uint32_t n = 0;
    assert_int_equal(yk_await_into(reader, &n, sizeof n), 0);
    assert_int_equal(n, 40);
    yk_future_unref(reader);
    expect_end(f, 0);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_stream_reader_in_the_same_pool(void **state)
{
    (void)state;
    on_every_backend(reader_in_the_same_pool);
}

static void reader_is_cancelled(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1), *readers = yk_thread_pool(.workers = 1);
    word *w = words_new(2);
    struct plan p = { .n = 9, .go = w + 1, .pause = 2 };
    yk_future *f = start(b, ex, p, small_window());
    yk_future *reader = yk_submit(readers, job_reads, &f, sizeof f);
    eventually(atomic_load(&yk__stream_ring(f->stream)->head) == 16);
    eventually(atomic_load(&yk__stream_ring(f->stream)->reader) & 1); /* asleep */
    assert_int_equal(yk_future_cancel(reader), 1);
    expect_end(reader, YK_ECANCELED);
    eventually(yk_future_cancel_requested(f)); /* and so is what it read */
    word_set(w + 1, 1);
    expect_end(f, YK_ECANCELED);
    backend_close(readers);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_stream_reader_job_that_is_cancelled_cancels_the_other(void **state)
{
    (void)state;
    on_every_backend(reader_is_cancelled);
}

/* ---- Run again ------------------------------------------------------------------------------- */

static void run_again(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(1);
    struct plan p = { .n = 20, .begun = w, .dies_once = true };
    yk_job_options options = small_window();
    options.retries = 1;
    yk_future *f = start(b, ex, p, options);
    uint32_t record;
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_equal(yk_stream_next(f, &record, sizeof record, NULL, YK_FOREVER), 0);
        assert_int_equal(record, i % 20);
    }
    assert_int_equal(drain(f, 0), 0);
    expect_end(f, 0);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_stream_of_a_job_that_is_run_again_goes_on(void **state)
{
    (void)state;
    on_processes(run_again);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_stream_of_a_job_that_was_written_off_ends),
        TEST(test_stream_records_that_got_through_are_taken),
        TEST(test_stream_of_a_job_that_has_committed_goes_on),
        TEST(test_stream_of_a_committed_job_without_a_reader_is_closed),
        TEST(test_stream_without_a_reader_is_closed_whoever_keeps_books),
        TEST(test_stream_unread_at_shutdown_is_named_and_can_be_read),
        TEST(test_stream_unread_at_a_forced_shutdown_ends),
        TEST(test_stream_reader_in_the_same_pool),
        TEST(test_stream_reader_job_that_is_cancelled_cancels_the_other),
        TEST(test_stream_of_a_job_that_is_run_again_goes_on),
    };
    return RUN_TESTS("stream_pools", tests);
}
