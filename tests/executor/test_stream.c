/* Partial results: order, wholeness, back-pressure, and every way in which a stream may end. */
#include "support/backends.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "executor/ring.h"
#include "executor/stream.h"
#include "executor/worker.h"
#include "loop/loop.h"
#include "loop/task.h"

/* ---- Jobs that emit -------------------------------------------------------------------------- */

struct plan {
    uint32_t n, longest; /* so many records of 0 to `longest` bytes */
    int code;            /* what the job returns after them */
    int signal;          /* or what ends its process */
    word *emitted;       /* counts them, if not NULL */
    word *said;          /* 1 - what yk_job_emit returned when it failed */
    word *pid;
};

static size_t length_of(const struct plan *p, uint32_t i)
{
    return i * 2654435761u % (p->longest + 1);
}

static void fill(unsigned char *out, size_t len, uint32_t i)
{
    for (size_t k = 0; k < len; k++)
        out[k] = (unsigned char)(i * 31 + k);
}

static int stopped(const struct plan *p, int err)
{
    if (p->said)
        word_set(p->said, (uint32_t)(1 - err));
    return err;
}

static int job_emits(yk_job *job)
{
    struct plan p = *(const struct plan *)yk_job_arg(job);
    unsigned char *record = malloc(p.longest + 1);
    int err = 0;
    if (p.pid)
        word_set(p.pid, (uint32_t)getpid());
    for (uint32_t i = 0; i < p.n && !err; i++) {
        size_t len = length_of(&p, i);
        fill(record, len, i);
        err = yk_job_emit(job, len ? record : NULL, len);
        if (!err && p.emitted)
            atomic_fetch_add(p.emitted, 1);
    }
    free(record);
    if (err)
        return stopped(&p, err);
    if (p.signal)
        raise(p.signal);
    return p.code ? yk_job_fail(job, p.code, "after all of them") : yk_job_return(job, &p.n, 4);
}

static yk_future *start(const backend *b, yk_executor *ex, struct plan p, size_t window)
{
    return backend_submit_opts(b, ex, job_emits, &p, sizeof p,
                               (yk_job_options){ .stream = window });
}

static yk__ring *ring_of(yk_future *f)
{
    return yk__stream_ring(f->stream);
}

/* Takes the next record and asserts that it is the i-th. */
static void expect_record(yk_future *f, const struct plan *p, uint32_t i)
{
    unsigned char out[5000], expected[5000];
    size_t len = 77;
    assert_int_equal(yk_stream_next(f, out, sizeof out, &len, YK_FOREVER), 0);
    assert_int_equal(len, length_of(p, i));
    fill(expected, len, i);
    assert_memory_equal(out, expected, len);
}

static void expect_end(yk_future *f)
{
    size_t len = 77;
    for (int i = 0; i < 3; i++)
        assert_int_equal(yk_stream_next(f, NULL, 0, &len, YK_FOREVER), YK_END);
    assert_int_equal(len, 77);
    assert_true(yk_future_ended(f));
}

/* Takes what comes until the end, and asserts that it is the first records of the plan. */
static uint32_t drain(yk_future *f, const struct plan *p)
{
    unsigned char out[5000], expected[5000];
    size_t len;
    uint32_t i = 0;
    int err;
    while ((err = yk_stream_next(f, out, sizeof out, &len, YK_FOREVER)) == 0) {
        assert_int_equal(len, length_of(p, i));
        fill(expected, len, i++);
        assert_memory_equal(out, expected, len);
    }
    assert_int_equal(err, YK_END);
    return i;
}

/* ---- Order, wholeness, ends ------------------------------------------------------------------ */

static void in_order(const backend *b)
{
    static const size_t windows[] = { 300, 301, 1000, 4096, 1 << 20 };
    yk_executor *ex = OPEN(b, .workers = 2);
    for (size_t w = 0; w < COUNT_OF(windows); w++) {
        struct plan p = { .n = 2000, .longest = 300 };
        yk_future *f = start(b, ex, p, windows[w]);
        for (uint32_t i = 0; i < p.n; i++)
            expect_record(f, &p, i);
        expect_end(f);
        uint32_t n = 0;
        assert_int_equal(yk_await_into(f, &n, sizeof n), 0);
        assert_int_equal(n, p.n);
        yk_future_unref(f);
    }
    backend_close(ex);
}

static void test_stream_records_come_whole_and_in_order(void **state)
{
    (void)state;
    on_every_backend(in_order);
}

static void error_after_records(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    struct plan p = { .n = 5, .longest = 50, .code = UV_EIO };
    yk_future *f = start(b, ex, p, 4096);
    assert_int_equal(yk_await(f), UV_EIO); /* the records wait, also after the end */
    assert_int_equal(drain(f, &p), 5);
    expect_end(f);
    assert_string_equal(yk_future_error(f)->message, "after all of them");
    yk_future_unref(f);
    backend_close(ex);
}

static void test_stream_records_stay_when_the_job_fails(void **state)
{
    (void)state;
    on_every_backend(error_after_records);
}

static void nothing_emitted(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    struct plan p = { .n = 0 };
    yk_future *f = start(b, ex, p, 100);
    expect_end(f);
    yk_future_unref(f);
    p.n = 9; /* nine empty records: each is one */
    f = start(b, ex, p, 1);
    assert_int_equal(drain(f, &p), 9);
    yk_future_unref(f);
    yk_future_unref(start(b, ex, p, 1)); /* nobody reads them */
    backend_close(ex);
}

static void test_stream_of_nothing_and_of_empty_records(void **state)
{
    (void)state;
    on_every_backend(nothing_emitted);
}

/* ---- What is refused ------------------------------------------------------------------------- */

static int job_emits_wrongly(yk_job *job)
{
    static const char data[1000];
    int codes[4] = {
        yk_job_emit(job, data, 101),
        yk_job_emit(job, NULL, 5),
        yk_job_emit(job, data, 100), /* as long as the window: it fits */
        0,
    };
    return yk_job_return(job, codes, sizeof codes);
}

static void refused(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    int codes[4];
    yk_future *f =
        backend_submit_opts(b, ex, job_emits_wrongly, NULL, 0, (yk_job_options){ .stream = 100 });
    assert_int_equal(yk_await_into(f, codes, sizeof codes), 0);
    assert_int_equal(codes[0], UV_EMSGSIZE);
    assert_int_equal(codes[1], UV_EINVAL);
    assert_int_equal(codes[2], 0);
    char out[100];
    size_t len = 0;
    assert_int_equal(yk_stream_next(f, out, 99, &len, 0), YK_ETOOBIG);
    assert_int_equal(len, 100);
    assert_int_equal(yk_stream_next(f, out, 100, &len, 0), 0);
    expect_end(f);
    yk_future_unref(f);
    f = backend_submit(b, ex, job_emits_wrongly, NULL, 0);
    assert_int_equal(yk_stream_next(f, out, 100, &len, YK_FOREVER), YK_ENOSTREAM);
    assert_int_equal(yk_await_into(f, codes, sizeof codes), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(codes[i], YK_ENOSTREAM);
    yk_future_unref(f);
    assert_int_equal(yk_stream_next(NULL, out, 1, &len, 0), UV_EINVAL);
    assert_int_equal(yk_executor_shutdown(ex), 0);
    struct plan p = { .n = 1 };
    f = start(b, ex, p, 100);
    expect_end(f); /* it was refused; the future says why */
    assert_int_equal(yk_await(f), YK_ECLOSED);
    yk_future_unref(f);
    backend_close(ex);
}

static void test_stream_refuses_what_does_not_fit(void **state)
{
    (void)state;
    on_every_backend(refused);
}

/* ---- Back-pressure --------------------------------------------------------------------------- */

static void waits_for_the_reader(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(1);
    struct plan p = { .n = 500, .longest = 0, .emitted = w };
    yk_future *f = start(b, ex, p, 36); /* 10 empty records of 4 bytes each, as 4 + 36 */
    for (int round = 0; round < 3; round++) {
        uint32_t taken = (uint32_t)round * 10;
        eventually(word_get(w) >= taken + 10);
        eventually(atomic_load(&ring_of(f)->wait_for) > 4 * taken);
        assert_int_equal(word_get(w), taken + 10);
        for (uint32_t i = 0; i < 10; i++)
            expect_record(f, &p, taken + i);
    }
    uint32_t rest = 30;
    while (yk_stream_next(f, NULL, 0, NULL, YK_FOREVER) == 0)
        rest++;
    assert_int_equal(rest, 500);
    assert_int_equal(yk_await(f), 0);
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_stream_waits_when_the_window_is_full(void **state)
{
    (void)state;
    on_every_backend(waits_for_the_reader);
}

/* Starts a job that waits for room. words[0]: what stopped it. */
static yk_future *start_and_fill(const backend *b, yk_executor *ex, word *w)
{
    struct plan p = { .n = 1000, .longest = 10, .said = w };
    yk_future *f = start(b, ex, p, 40);
    eventually(atomic_load(&ring_of(f)->wait_for) != 0);
    return f;
}

static void cancelled_while_it_waits(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 60000);
    word *w = words_new(1);
    yk_future *f = start_and_fill(b, ex, w);
    assert_int_equal(yk_future_cancel(f), 1);
    assert_int_equal(yk_await(f), YK_ECANCELED);
    assert_int_equal(word_get(w), 1 - YK_ECANCELED);
    struct plan p = { .n = 1000, .longest = 10 };
    assert_in_range(drain(f, &p), 2, 10); /* what was emitted before stays */
    yk_future_unref(f);
    assert_int_equal(stats_of(ex).started, 1);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_stream_cancelled_while_the_job_waits_for_room(void **state)
{
    (void)state;
    on_every_backend(cancelled_while_it_waits);
}

static void abandoned(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(1);
    yk_future *f = start_and_fill(b, ex, w);
    yk_future *other = yk_future_ref(f);
    yk_future_unref(f);
    unsigned char out[10];
    assert_int_equal(yk_stream_next(other, out, sizeof out, NULL, 0), 0); /* still one who reads */
    yk_future_unref(other);
    eventually(word_get(w) == 1 - YK_ECLOSED);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_stream_whose_reader_went_away_frees_the_job(void **state)
{
    (void)state;
    on_every_backend(abandoned);
}

/* In a process of its own: lives on to say that it was asked to stop. */
static int job_emits_and_ignores_term(yk_job *job)
{
    signal(SIGTERM, SIG_IGN);
    return job_emits(job);
}

static void time_is_over(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 60000);
    struct plan p = { .n = 1000, .longest = 10 };
    for (int deaf = 0; deaf <= b->processes; deaf++) {
        yk_job_fn fn = deaf ? job_emits_and_ignores_term : job_emits;
        yk_future *f = backend_submit_opts(b, ex, fn, &p, sizeof p,
                                           (yk_job_options){ .stream = 40, .timeout_ms = 50 });
        assert_int_equal(yk_await(f), YK_EJOBTIMEOUT);
        assert_non_null(strstr(yk_future_error(f)->message, "limit of 50 ms"));
        drain(f, &p);
        yk_future_unref(f);
    }
    backend_close(ex);
}

static void test_stream_time_limit_while_the_job_waits_for_room(void **state)
{
    (void)state;
    on_every_backend(time_is_over);
}

static void shut_down(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    word *w = words_new(2);
    yk_future *f[2] = { start_and_fill(b, ex, w), start_and_fill(b, ex, w + 1) };
    assert_int_equal(yk_executor_shutdown(ex, .cancel_running = true), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(yk_await(f[i]), YK_ECANCELED);
        yk_future_unref(f[i]);
    }
    backend_close(ex);
    yk_arena_free(w);
}

static void test_stream_shutdown_frees_jobs_that_wait_for_room(void **state)
{
    (void)state;
    on_every_backend(shut_down);
}

/* ---- Threads: streams of jobs that are written off, and within one pool ---------------------- */

struct stuck {
    struct plan plan;
    word *go, *err; /* what yk_job_emit returns in the end, negated */
};

static int job_emits_and_is_stuck(yk_job *job)
{
    struct stuck s = *(const struct stuck *)yk_job_arg(job);
    for (uint32_t i = 0; i < s.plan.n; i++) {
        unsigned char record[64];
        fill(record, length_of(&s.plan, i), i);
        if (yk_job_emit(job, record, length_of(&s.plan, i)))
            return UV_EINVAL;
    }
    yk_job_progress(job, 1, 2);
    atomic_fetch_add(s.plan.emitted, 1);
    while (word_get(s.go) == 0)
        usleep(200);
    yk_job_progress(job, 2, 2);
    word_set(s.err, (uint32_t)-yk_job_emit(job, "late", 4));
    return 0;
}

static void written_off(const backend *b)
{
    if (b->processes)
        return;
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 5);
    word *w = words_new(3);
    for (uint32_t round = 0; round < 3; round++) {
        bool timed = round == 1, kept = round != 2;
        struct stuck s = { { .n = 5, .longest = 20, .emitted = &w[0] }, &w[1], &w[2] };
        word_set(&w[1], 0);
        word_set(&w[2], 0);
        yk_future *f =
            backend_submit_opts(b, ex, job_emits_and_is_stuck, &s, sizeof s,
                                (yk_job_options){ .stream = 1000, .timeout_ms = timed ? 10 : 0 });
        eventually(word_get(&w[0]) == round + 1);
        if (!timed)
            yk_future_cancel(f);
        if (kept) {
            assert_int_equal(drain(f, &s.plan), 5); /* all of them, and then the end */
            assert_int_equal(yk_await(f), timed ? YK_EJOBTIMEOUT : YK_ECANCELED);
        } else {
            yk_future_unref(f);
        }
        eventually(stats_of(ex).stuck == 1);
        word_set(&w[1], 1); /* nobody reads what it still emits */
        eventually(stats_of(ex).stuck == 0);
        assert_int_equal(word_get(&w[2]), -YK_ECANCELED);
        if (kept) {
            expect_end(f);
            yk_future_unref(f);
        }
    }
    backend_close(ex);
    yk_arena_free(w);
}

static void test_stream_of_a_job_that_is_written_off_ends(void **state)
{
    (void)state;
    on_every_backend(written_off);
}

struct reading {
    yk_future *f;
    struct plan plan;
};

static int job_reads(yk_job *job)
{
    struct reading *r = yk_job_arg(job);
    uint32_t n = drain(r->f, &r->plan);
    return yk_job_return(job, &n, sizeof n);
}

/* The pool has one thread: the job that reads waits for the one that emits to end, which waits for
 * the other to read. */
static void reader_in_the_same_pool(const backend *b)
{
    if (b->processes)
        return;
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(1);
    struct reading r = { .plan = { .n = 500, .longest = 30, .emitted = w } };
    r.f = start(b, ex, r.plan, 64);
    eventually(word_get(w) > 0);
    yk_future *f = backend_submit(b, ex, job_reads, &r, sizeof r);
    uint32_t n = 0;
    assert_int_equal(yk_await_into(f, &n, sizeof n), 0);
    assert_int_equal(n, 500);
    assert_int_equal(yk_await(r.f), 0);
    yk_future_unref(f);
    yk_future_unref(r.f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E19_a_job_that_waits_for_room_makes_room_for_its_reader(void **state)
{
    (void)state;
    on_every_backend(reader_in_the_same_pool);
}

/* ---- Readers that sleep ---------------------------------------------------------------------- */

/* A thread that does something once the reader of f sleeps. */
struct helper {
    yk_future *f;
    void (*deed)(struct helper *h);
    word *go;
    pthread_t thread;
};

static void *helper_main(void *arg)
{
    struct helper *h = arg;
    while (!(atomic_load(&ring_of(h->f)->reader) & 1))
        sched_yield();
    h->deed(h);
    yk_future_unref(h->f);
    return NULL;
}

static void help(struct helper *h)
{
    yk_future_ref(h->f);
    assert_int_equal(pthread_create(&h->thread, NULL, helper_main, h), 0);
}

static void cancels(struct helper *h)
{
    yk_future_cancel(h->f);
}

static void lets_go(struct helper *h)
{
    word_set(h->go, 1);
}

static int read_one(yk_future *f)
{
    char out[100];
    return yk_stream_next(f, out, sizeof out, NULL, YK_FOREVER);
}

static void cancelled_in_the_queue(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(2);
    block busy = { .begun = w, .go = w + 1 };
    yk_future *first = backend_submit(b, ex, job_block, &busy, sizeof busy);
    struct plan p = { .n = 1 };
    struct helper h = { .f = start(b, ex, p, 100), .deed = cancels };
    help(&h);
    assert_int_equal(read_one(h.f), YK_END);
    pthread_join(h.thread, NULL);
    assert_int_equal(yk_await(h.f), YK_ECANCELED);
    yk_future_unref(h.f);
    word_set(w + 1, 1);
    assert_int_equal(yk_await(first), 0);
    yk_future_unref(first);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_stream_reader_wakes_when_the_job_is_cancelled(void **state)
{
    (void)state;
    on_every_backend(cancelled_in_the_queue);
}

/* Says its pid, waits for the word, emits one record; by its second word it dies before that. */
static int job_waits_and_emits(yk_job *job)
{
    word *w = *(word **)yk_job_arg(job);
    word_set(w + 1, (uint32_t)getpid());
    while (word_get(w) == 0)
        usleep(100);
    if (word_get(w + 2))
        raise(SIGKILL);
    return yk_job_emit(job, "one", 3);
}

static yk_future *start_waiting(const backend *b, yk_executor *ex, word *w)
{
    return backend_submit_opts(b, ex, job_waits_and_emits, &w, sizeof w,
                               (yk_job_options){ .stream = 100 });
}

static void wakes_for_a_record(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    for (int i = 0; i < 20; i++) {
        word *w = words_new(3);
        struct helper h = { .f = start_waiting(b, ex, w), .deed = lets_go, .go = w };
        help(&h);
        assert_int_equal(read_one(h.f), 0);
        assert_int_equal(read_one(h.f), YK_END);
        pthread_join(h.thread, NULL);
        yk_future_unref(h.f);
        yk_arena_free(w);
    }
    backend_close(ex);
}

static void test_stream_reader_wakes_for_a_record_and_for_the_end(void **state)
{
    (void)state;
    on_every_backend(wakes_for_a_record);
}

static void times_out(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(3);
    yk_future *f = start_waiting(b, ex, w);
    char out[10];
    size_t len = 77;
    assert_int_equal(yk_stream_next(f, out, 10, &len, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_stream_next(f, out, 10, &len, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_int_equal(len, 77);
    word_set(w, 1);
    assert_int_equal(yk_stream_next(f, out, 10, &len, YK_FOREVER), 0);
    assert_int_equal(len, 3);
    expect_end(f);
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_stream_reader_with_a_deadline(void **state)
{
    (void)state;
    on_every_backend(times_out);
}

static void tries_too(struct helper *h)
{
    char out[10];
    assert_int_equal(yk_stream_next(h->f, out, 10, NULL, 0), UV_EBUSY);
    word_set(h->go, 1);
}

static void two_readers(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(3);
    struct helper h = { .f = start_waiting(b, ex, w), .deed = tries_too, .go = w };
    help(&h);
    assert_int_equal(read_one(h.f), 0);
    pthread_join(h.thread, NULL);
    yk_future_unref(h.f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_stream_has_one_reader_at_a_time(void **state)
{
    (void)state;
    on_every_backend(two_readers);
}

static int reader_task(void *f)
{
    return read_one(f);
}

static void reader_cancelled(const backend *b)
{
    if (!b->on_loop)
        return;
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(1);
    block for_ever = { .begun = w };
    yk_future *f = backend_submit_opts(b, ex, job_block, &for_ever, sizeof for_ever,
                                       (yk_job_options){ .stream = 100 });
    yk_future *task = yk_task_start(reader_task, f);
    eventually(word_get(w) == 1 && (atomic_load(&ring_of(f)->reader) & 1));
    yk_future_cancel(task);
    assert_int_equal(yk_await(task), YK_ECANCELED);
    assert_int_equal(yk_await(f), YK_ECANCELED);
    yk_future_unref(task);
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_stream_task_cancelled_while_it_reads_cancels_the_job(void **state)
{
    (void)state;
    on_every_backend(reader_cancelled);
}

/* ---- Many at once ---------------------------------------------------------------------------- */

enum { STREAMS = 6 };

static void many(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = STREAMS);
    yk_future *f[STREAMS];
    struct plan p = { .n = (uint32_t)support_rounds(20000), .longest = 20 };
    for (int i = 0; i < STREAMS; i++)
        f[i] = start(b, ex, p, i % 2 ? 40 : 5000);
    for (uint32_t k = 0; k < p.n; k++)
        for (int i = 0; i < STREAMS; i++)
            expect_record(f[i], &p, k);
    for (int i = 0; i < STREAMS; i++) {
        expect_end(f[i]);
        assert_int_equal(yk_await(f[i]), 0);
        yk_future_unref(f[i]);
    }
    backend_close(ex);
}

static void test_stream_many_side_by_side(void **state)
{
    (void)state;
    on_every_backend(many);
}

/* Short streams one after the other in the same rings: each sees its own records only. */
static void one_after_the_other(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    size_t rounds = support_rounds(1000);
    yk_future *f[8];
    for (size_t r = 0; r < rounds; r++) {
        for (uint32_t i = 0; i < 8; i++)
            f[i] = start(b, ex, (struct plan){ .n = i, .longest = 30 + i }, 500);
        for (uint32_t i = 0; i < 8; i++) {
            struct plan p = { .n = i, .longest = 30 + i };
            assert_int_equal(drain(f[i], &p), i);
            assert_int_equal(yk_await(f[i]), 0);
            yk_future_unref(f[i]);
        }
    }
    backend_close(ex);
}

static void test_stream_short_ones_in_a_row(void **state)
{
    (void)state;
    on_every_backend(one_after_the_other);
}

/* ---- Workers that die ------------------------------------------------------------------------ */

static int job_dies_half_way(yk_job *job)
{
    struct plan p = *(const struct plan *)yk_job_arg(job);
    int err = job_emits(job);
    if (err)
        return err;
    yk__ring *ring = job->ring; /* what yk_job_emit does before it publishes */
    uint64_t tail = atomic_load(&ring->tail);
    for (uint64_t i = 0; i < 100; i++)
        ring->data[(tail + i) % ring->size] = 0x55;
    raise(p.signal);
    return 0;
}

static void dies_in_a_record(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    struct plan p = { .n = 5, .longest = 50 };
    struct plan dies = p;
    dies.signal = SIGKILL;
    for (int how = 0; how < 2; how++) {
        yk_future *f = backend_submit_opts(b, ex, how ? job_dies_half_way : job_emits, &dies,
                                           sizeof dies, (yk_job_options){ .stream = 4096 });
        assert_int_equal(drain(f, &p), 5);
        assert_int_equal(yk_await(f), YK_ECRASHED);
        assert_int_equal(yk_future_error(f)->signal, SIGKILL);
        yk_future_unref(f);
    }
    backend_close(ex);
}

static void test_stream_of_a_worker_that_died_ends_after_what_it_emitted(void **state)
{
    (void)state;
    on_processes(dies_in_a_record);
}

/* Killed from outside, anywhere in the middle of emitting, also while it waits for room. */
static void killed_anywhere(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    word *pid = words_new(1);
    size_t rounds = support_rounds(60);
    for (size_t r = 0; r < rounds; r++) {
        word_set(pid, 0);
        struct plan p = { .n = 100000000, .longest = 4000, .pid = pid };
        yk_future *f = start(b, ex, p, 8192);
        uint32_t i = 0;
        for (; i < r * 7; i++)
            expect_record(f, &p, i);
        eventually(word_get(pid) != 0);
        kill((pid_t)word_get(pid), SIGKILL);
        unsigned char out[5000], expected[5000];
        size_t len;
        int err;
        for (; (err = yk_stream_next(f, out, sizeof out, &len, YK_FOREVER)) == 0; i++) {
            assert_int_equal(len, length_of(&p, i));
            fill(expected, len, i);
            assert_memory_equal(out, expected, len);
        }
        assert_int_equal(err, YK_END);
        assert_int_equal(yk_await(f), YK_ECRASHED);
        yk_future_unref(f);
    }
    backend_close(ex);
    yk_arena_free(pid);
}

static void test_stream_of_workers_killed_anywhere_is_whole(void **state)
{
    (void)state;
    on_processes(killed_anywhere);
}

/* ---- Workers that lie ------------------------------------------------------------------------ */

enum lie { TAIL_AHEAD, TAIL_BEHIND, HALF_A_HEADER, LENGTH_TOO_LARGE, LENGTH_HUGE, LIES };

static int job_lies(yk_job *job)
{
    int lie = *(const int *)yk_job_arg(job);
    yk__ring *ring = job->ring;
    uint64_t tail = atomic_load(&ring->tail);
    yk_job_emit(job, "good", 4);
    uint32_t length = lie == LENGTH_HUGE ? UINT32_MAX : 5;
    memcpy(ring->data + tail + 8, &length, 4);
    static const int64_t by[LIES] = { 1 << 20, -9, 8 + 3, 8 + 8, 8 + 8 };
    atomic_store(&ring->tail, tail + (uint64_t)by[lie]);
    if (lie == TAIL_AHEAD)
        atomic_store(&ring->wait_for, 1);
    yk__worker_call_attention();
    while (!yk_job_cancelled(job))
        usleep(100);
    return YK_ECANCELED;
}

static void liars(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 10);
    for (int lie = 0; lie < LIES; lie++) {
        yk_future *f = backend_submit_opts(b, ex, job_lies, &lie, sizeof lie,
                                           (yk_job_options){ .stream = 100 });
        char out[100];
        int err;
        while ((err = yk_stream_next(f, out, sizeof out, NULL, YK_FOREVER)) == 0)
            assert_memory_equal(out, "good", 4);
        assert_int_equal(err, UV_EPROTO);
        assert_int_equal(yk_stream_next(f, out, sizeof out, NULL, YK_FOREVER), UV_EPROTO);
        assert_int_equal(yk_await(f), YK_ECANCELED);
        yk_future_unref(f);
        int n = 7;
        yk_future *next = backend_submit(b, ex, job_square, &n, sizeof n);
        assert_int_equal(yk_await_into(next, &n, sizeof n), 0);
        assert_int_equal(n, 49);
        yk_future_unref(next);
    }
    backend_close(ex);
}

static void test_stream_of_a_hostile_worker_is_refused(void **state)
{
    (void)state;
    on_processes(liars);
}

/* ---- Progress -------------------------------------------------------------------------------- */

static void expect_progress(const yk_future *f, uint64_t done, uint64_t total)
{
    uint64_t d = 77, t = 77;
    assert_int_equal(yk_future_progress(f, &d, &t), 0);
    assert_int_equal(d, done);
    assert_int_equal(t, total);
}

static uint64_t done_of(const yk_future *f)
{
    uint64_t done = 0, total = 0;
    yk_future_progress(f, &done, &total);
    return done;
}

/* Step by step, as the word says; at 4 it ends, at 5 its process does. */
static int job_steps(yk_job *job)
{
    word *w = *(word **)yk_job_arg(job);
    uint32_t step;
    while ((step = word_get(w)) < 4) {
        if (step > 0)
            yk_job_progress(job, step, 100 + step);
        usleep(100);
    }
    if (step == 5)
        raise(SIGKILL);
    return 0;
}

static void progress_is_seen(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(1);
    for (uint32_t end = 4; end <= (b->processes ? 5u : 4u); end++) {
        word_set(w, 0);
        yk_future *f = backend_submit(b, ex, job_steps, &w, sizeof w);
        expect_progress(f, 0, 0);
        for (uint32_t i = 1; i < 4; i++) {
            word_set(w, i);
            eventually(done_of(f) == i);
            expect_progress(f, i, 100 + i);
        }
        word_set(w, end);
        assert_int_equal(yk_await(f), end == 4 ? 0 : YK_ECRASHED);
        expect_progress(f, 3, 103);
        yk_future_unref(f);
    }
    backend_close(ex);
    yk_arena_free(w);
}

static void test_progress_is_seen_while_the_job_runs_and_after(void **state)
{
    (void)state;
    on_every_backend(progress_is_seen);
}

static int job_says_its_number(yk_job *job)
{
    uint64_t n = *(const uint64_t *)yk_job_arg(job);
    for (uint64_t i = 0; n && i <= n; i++)
        yk_job_progress(job, i, n);
    return 0;
}

/* More jobs than a ring has positions; every third one says nothing. */
static void each_its_own(const backend *b)
{
    enum { N = 1000 };
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future **f = calloc(N, sizeof *f);
    assert_non_null(f);
    for (uint64_t i = 0; i < N; i++) {
        uint64_t n = i % 3 ? i : 0;
        f[i] = backend_submit(b, ex, job_says_its_number, &n, sizeof n);
        assert_true(done_of(f[i / 2]) <= i / 2); /* while others come and go */
    }
    for (uint64_t i = 0; i < N; i++) {
        assert_int_equal(yk_await(f[i]), 0);
        expect_progress(f[i], i % 3 ? i : 0, i % 3 ? i : 0);
        yk_future_unref(f[i]);
    }
    free(f);
    backend_close(ex);
}

static void test_progress_of_many_jobs_is_not_mixed_up(void **state)
{
    (void)state;
    on_every_backend(each_its_own);
}

static void test_progress_is_for_jobs(void **state)
{
    (void)state;
    uint64_t done = 77, total = 77;
    yk_future *f = yk_future_new();
    assert_int_equal(yk_future_progress(f, &done, &total), UV_EINVAL);
    assert_int_equal(yk_future_progress(NULL, &done, &total), UV_EINVAL);
    assert_int_equal(yk_stream_next(f, NULL, 0, NULL, 0), YK_ENOSTREAM);
    assert_int_equal(done, 77);
    yk_future_unref(f);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_stream_records_come_whole_and_in_order),
        TEST(test_stream_records_stay_when_the_job_fails),
        TEST(test_stream_of_nothing_and_of_empty_records),
        TEST(test_stream_refuses_what_does_not_fit),
        TEST(test_stream_waits_when_the_window_is_full),
        TEST(test_stream_cancelled_while_the_job_waits_for_room),
        TEST(test_stream_whose_reader_went_away_frees_the_job),
        TEST(test_stream_time_limit_while_the_job_waits_for_room),
        TEST(test_stream_shutdown_frees_jobs_that_wait_for_room),
        TEST(test_stream_of_a_job_that_is_written_off_ends),
        TEST(test_E19_a_job_that_waits_for_room_makes_room_for_its_reader),
        TEST(test_stream_reader_wakes_when_the_job_is_cancelled),
        TEST(test_stream_reader_wakes_for_a_record_and_for_the_end),
        TEST(test_stream_reader_with_a_deadline),
        TEST(test_stream_has_one_reader_at_a_time),
        TEST(test_stream_task_cancelled_while_it_reads_cancels_the_job),
        TEST(test_stream_many_side_by_side),
        TEST(test_stream_short_ones_in_a_row),
        TEST(test_stream_of_a_worker_that_died_ends_after_what_it_emitted),
        TEST(test_stream_of_workers_killed_anywhere_is_whole),
        TEST(test_stream_of_a_hostile_worker_is_refused),
        TEST(test_progress_is_seen_while_the_job_runs_and_after),
        TEST(test_progress_of_many_jobs_is_not_mixed_up),
        TEST(test_progress_is_for_jobs),
    };
    return RUN_TESTS("stream", tests);
}
