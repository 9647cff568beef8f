/* The future alone: its states, its one end, its callbacks. */
#include "support/backends.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

/* ---- The six states ------------------------------------------------------------------------- */

enum { PENDING, RUNNING, ASKED, CANCELLED, FAILED, DONE, STATES };

static yk_future *in_state(int state)
{
    yk_future *f = yk_future_new();
    assert_non_null(f);
    if (state == RUNNING || state == ASKED)
        assert_int_equal(yk_future_set_running(f), 0);
    if (state == ASKED)
        assert_int_equal(yk_future_cancel(f), 1);
    if (state == CANCELLED)
        assert_int_equal(yk_future_cancel(f), 0);
    if (state == FAILED)
        assert_int_equal(yk_future_set_error(f, UV_EIO, "torn"), 0);
    if (state == DONE)
        assert_int_equal(yk_future_set_result(f, &(int){ 42 }, sizeof(int)), 0);
    return f;
}

static const yk_state state_of[STATES] = { YK_PENDING,   YK_RUNNING, YK_RUNNING,
                                           YK_CANCELLED, YK_FAILED,  YK_DONE };

static void test_F09_cancel_in_every_state(void **state)
{
    (void)state;
    static const int says[STATES] = { 0, 1, 1, 0, YK_EDONE, YK_EDONE };
    static const yk_state then[STATES] = { YK_CANCELLED, YK_RUNNING, YK_RUNNING,
                                           YK_CANCELLED, YK_FAILED,  YK_DONE };
    for (int s = 0; s < STATES; s++) {
        yk_future *f = in_state(s);
        assert_int_equal(yk_future_cancel(f), says[s]);
        assert_int_equal(yk_future_state(f), then[s]);
        yk_future_unref(f);
    }
}

static void test_F10_F11_F12_the_state_in_every_state(void **state)
{
    (void)state;
    for (int s = 0; s < STATES; s++) {
        yk_future *f = in_state(s);
        assert_int_equal(yk_future_state(f), state_of[s]);
        assert_int_equal(yk_future_ended(f), s >= CANCELLED);
        assert_int_equal(yk_future_cancel_requested(f), s == ASKED || s == CANCELLED);
        int says = s == PENDING ? 0 : s == CANCELLED ? YK_ECANCELED : YK_EDONE;
        assert_int_equal(yk_future_set_running(f), says);
        yk_future_unref(f);
    }
}

static void test_F13_result_without_waiting_in_every_state(void **state)
{
    (void)state;
    static const int says[STATES] = { UV_ETIMEDOUT, UV_ETIMEDOUT, UV_ETIMEDOUT,
                                      YK_ECANCELED, UV_EIO,       0 };
    for (int s = 0; s < STATES; s++) {
        yk_future *f = in_state(s);
        int out = -7;
        size_t len = 99;
        assert_int_equal(yk_await_until(f, 0), says[s]);
        assert_int_equal(yk_await_into_until(f, &out, sizeof out, 0), says[s]);
        assert_int_equal(out, s == DONE ? 42 : -7); /* untouched on failure */
        assert_int_equal(yk_future_result(f, &len) != NULL, s == DONE);
        assert_int_equal(len, s == DONE ? sizeof(int) : 0);
        yk_future_unref(f);
    }
}

static void test_F13_a_result_of_another_size_is_refused(void **state)
{
    (void)state;
    yk_future *f = in_state(DONE);
    char small[2] = "x", large[8] = "y";
    assert_int_equal(yk_await_into(f, small, sizeof small), YK_ETOOBIG);
    assert_int_equal(yk_await_into(f, large, sizeof large), YK_EFORMAT);
    assert_string_equal(small, "x");
    assert_string_equal(large, "y");
    yk_future_unref(f);
}

static void test_F16_error_in_every_state(void **state)
{
    (void)state;
    for (int s = 0; s < STATES; s++) {
        yk_future *f = in_state(s);
        const yk_error *e = yk_future_error(f);
        assert_int_equal(e != NULL, s == CANCELLED || s == FAILED);
        if (s == FAILED) {
            assert_int_equal(e->code, UV_EIO);
            assert_string_equal(e->message, "torn");
        }
        if (s == CANCELLED)
            assert_int_equal(e->code, YK_ECANCELED);
        yk_future_unref(f);
    }
}

/* ---- It ends once --------------------------------------------------------------------------- */

static void test_F17_a_second_result_is_refused(void **state)
{
    (void)state;
    char large[1000] = { 0 };
    for (int s = CANCELLED; s < STATES; s++) {
        yk_future *f = in_state(s);
        assert_int_equal(yk_future_set_result(f, large, 3), YK_EDONE);
        assert_int_equal(yk_future_set_result(f, large, sizeof large), YK_EDONE);
        assert_int_equal(yk_future_state(f), state_of[s]);
        int out = -7;
        assert_int_equal(yk_await_into(f, &out, sizeof out) == 0, s == DONE);
        assert_int_equal(out, s == DONE ? 42 : -7);
        yk_future_unref(f);
    }
}

static void test_F18_a_second_error_is_refused(void **state)
{
    (void)state;
    for (int s = CANCELLED; s < STATES; s++) {
        yk_future *f = in_state(s);
        const yk_error *before = yk_future_error(f);
        assert_int_equal(yk_future_set_error(f, UV_EPERM, "again"), YK_EDONE);
        assert_int_equal(yk_future_state(f), state_of[s]);
        assert_ptr_equal(yk_future_error(f), before);
        yk_future_unref(f);
    }
}

static void test_an_error_that_is_none(void **state)
{
    (void)state;
    yk_future *f = yk_future_new();
    assert_int_equal(yk_future_set_error(f, 5, NULL), 0);
    assert_int_equal(yk_future_error(f)->code, YK_EJOB);
    assert_true(strlen(yk_future_error(f)->message) > 0);
    yk_future_unref(f);
    f = yk_future_new();
    assert_int_equal(yk_future_set_error(f, YK_ECANCELED, NULL), 0);
    assert_int_equal(yk_future_state(f), YK_CANCELLED);
    yk_future_unref(f);
}

static void test_results_of_many_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = { 0, 1, 63, 64, 65, 4096, 1 << 20 };
    static unsigned char data[1 << 20];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 7);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        yk_future *f = yk_future_new();
        assert_int_equal(yk_future_set_result(f, data, sizes[i]), 0);
        size_t len;
        const void *result = yk_future_result(f, &len);
        assert_int_equal(len, sizes[i]);
        if (len > 0)
            assert_memory_equal(result, data, len);
        else
            assert_null(result);
        assert_int_equal(yk_await_into(f, NULL, 0), len ? YK_ETOOBIG : 0);
        yk_future_unref(f);
    }
}

/* ---- Callbacks ------------------------------------------------------------------------------ */

struct seen {
    int calls;
    yk_state state;
    int result, error;
    const char *order;
    char *trace;
};

static int look(yk_future *f, void *arg)
{
    struct seen *seen = arg;
    seen->calls++;
    seen->state = yk_future_state(f);
    const int *result = yk_future_result(f, NULL);
    seen->result = result ? *result : 0;
    seen->error = yk_future_error(f) ? yk_future_error(f)->code : 0;
    if (seen->trace)
        strcat(seen->trace, seen->order);
    return 0;
}

static void end_as(yk_future *f, int s)
{
    if (s == DONE)
        yk_future_set_result(f, &(int){ 42 }, sizeof(int));
    else if (s == FAILED)
        yk_future_set_error(f, UV_EIO, NULL);
    else
        yk_future_cancel(f);
}

static void callback_before(int s)
{
    yk_future *f = yk_future_new();
    struct seen seen = { 0 };
    assert_int_equal(yk_future_on_end(f, look, &seen), 0);
    assert_int_equal(seen.calls, 0);
    end_as(f, s);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.state, state_of[s]);
    assert_int_equal(seen.result, s == DONE ? 42 : 0);
    assert_int_equal(seen.error, s == DONE ? 0 : s == FAILED ? UV_EIO : YK_ECANCELED);
    yk_future_unref(f);
    assert_int_equal(seen.calls, 1);
}

static void callback_after(int s)
{
    yk_future *f = in_state(s);
    struct seen seen = { 0 };
    assert_int_equal(yk_future_on_end(f, look, &seen), 0);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.state, state_of[s]);
    yk_future_unref(f);
    assert_int_equal(seen.calls, 1);
}

static void test_F01_callback_sees_the_result(void **state)
{
    (void)state;
    callback_before(DONE);
}

static void test_F02_callback_sees_the_error(void **state)
{
    (void)state;
    callback_before(FAILED);
}

static void test_F03_callback_runs_on_cancel(void **state)
{
    (void)state;
    callback_before(CANCELLED);
}

static void test_F05_F06_F07_callback_after_the_end_runs_at_once(void **state)
{
    (void)state;
    for (int s = CANCELLED; s < STATES; s++)
        callback_after(s);
}

static char logged[256];
static int log_lines;

static void keep_log(const char *line, void *arg)
{
    (void)arg;
    snprintf(logged, sizeof logged, "%s", line);
    log_lines++;
}

static int fails(yk_future *f, void *arg)
{
    (void)f;
    ++*(int *)arg;
    return UV_EPIPE;
}

static void test_F04_a_failing_callback_stops_no_other_and_is_logged(void **state)
{
    (void)state;
    yk_set_log(keep_log, NULL);
    log_lines = 0;
    yk_future *f = yk_future_new();
    int calls = 0;
    struct seen first = { 0 }, last = { 0 };
    yk_future_on_end(f, look, &first);
    yk_future_on_end(f, fails, &calls);
    yk_future_on_end(f, look, &last);
    end_as(f, DONE);
    yk_set_log(NULL, NULL);
    assert_int_equal(calls, 1);
    assert_int_equal(first.calls, 1);
    assert_int_equal(last.calls, 1);
    assert_int_equal(log_lines, 1);
    assert_non_null(strstr(logged, yk_strerror(UV_EPIPE)));
    yk_future_unref(f);
}

static void test_F08_a_failing_callback_after_the_end_is_logged(void **state)
{
    (void)state;
    yk_set_log(keep_log, NULL);
    log_lines = 0;
    yk_future *f = in_state(DONE);
    int calls = 0;
    assert_int_equal(yk_future_on_end(f, fails, &calls), 0);
    yk_set_log(NULL, NULL);
    assert_int_equal(calls, 1);
    assert_int_equal(log_lines, 1);
    yk_future_unref(f);
}

static void test_callbacks_run_in_the_order_in_which_they_were_added(void **state)
{
    (void)state;
    char trace[32] = "";
    struct seen seen[5];
    static const char *const order[] = { "a", "b", "c", "d", "e" };
    yk_future *f = yk_future_new();
    for (int i = 0; i < 5; i++) {
        seen[i] = (struct seen){ .order = order[i], .trace = trace };
        yk_future_on_end(f, look, &seen[i]);
        /* Waits that come and go leave places behind, which must not change the order. */
        assert_int_equal(yk_await_until(f, yk_after_ms(1)), UV_ETIMEDOUT);
    }
    end_as(f, DONE);
    assert_string_equal(trace, "abcde");
    yk_future_unref(f);
}

static int add_another(yk_future *f, void *arg)
{
    return yk_future_on_end(f, look, arg);
}

static void test_F21_a_callback_may_add_another(void **state)
{
    (void)state;
    yk_future *f = yk_future_new();
    struct seen seen = { 0 };
    yk_future_on_end(f, add_another, &seen);
    yk_future_on_end(f, add_another, &seen);
    end_as(f, FAILED);
    assert_int_equal(seen.calls, 2);
    yk_future_unref(f);
}

static int drop(yk_future *f, void *arg)
{
    (void)arg;
    yk_future_unref(f);
    return 0;
}

static void test_F20_the_last_reference_may_go_in_a_callback(void **state)
{
    (void)state;
    static const char text[100] = "a result that needs memory of its own";
    yk_future *f = yk_future_new();
    yk_future_on_end(f, drop, NULL);
    assert_int_equal(yk_future_set_result(f, text, sizeof text), 0);
    yk_future_unref(NULL);
}

/* ---- Other threads -------------------------------------------------------------------------- */

struct ender {
    yk_future *f;
    int how;
    word *waiting; /* how many are about to wait */
    uint32_t waiters;
};

static void *end_when_they_wait(void *arg)
{
    struct ender *e = arg;
    while (word_get(e->waiting) < e->waiters)
        support_pause();
    support_pause();
    end_as(e->f, e->how);
    return NULL;
}

static void ended_by_another_thread(int how, int code)
{
    word waiting = 0;
    struct ender e = { yk_future_new(), how, &waiting, 1 };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, end_when_they_wait, &e), 0);
    atomic_store(&waiting, 1);
    assert_int_equal(yk_await(e.f), code);
    pthread_join(thread, NULL);
    yk_future_unref(e.f);
}

static void test_F14_await_wakes_when_another_thread_ends_it(void **state)
{
    (void)state;
    ended_by_another_thread(DONE, 0);
    ended_by_another_thread(FAILED, UV_EIO);
}

static void test_F15_await_wakes_when_another_thread_cancels(void **state)
{
    (void)state;
    ended_by_another_thread(CANCELLED, YK_ECANCELED);
}

struct waiter {
    yk_future *f;
    word *waiting;
    int code;
};

static void *wait_for_it(void *arg)
{
    struct waiter *w = arg;
    atomic_fetch_add(w->waiting, 1);
    w->code = yk_await(w->f);
    return NULL;
}

static void test_F28_all_waiters_wake(void **state)
{
    (void)state;
    enum { WAITERS = 5 };
    for (size_t round = 0; round < support_rounds(100); round++) {
        word waiting = 0;
        yk_future *f = yk_future_new();
        struct waiter w[WAITERS];
        pthread_t threads[WAITERS];
        for (int i = 0; i < WAITERS; i++) {
            w[i] = (struct waiter){ f, &waiting, -1 };
            assert_int_equal(pthread_create(&threads[i], NULL, wait_for_it, &w[i]), 0);
        }
        eventually(word_get(&waiting) == WAITERS);
        end_as(f, DONE);
        for (int i = 0; i < WAITERS; i++) {
            pthread_join(threads[i], NULL);
            assert_int_equal(w[i].code, 0);
        }
        yk_future_unref(f);
    }
}

/* ---- Races ---------------------------------------------------------------------------------- */

/* One thread cancels, ends or fails the future of each round that the main thread opens. */
struct race {
    _Atomic(yk_future *) f; /* of this round; the racer puts NULL back */
    word stop;
    int how;
    _Atomic int said;
};

static int end_and_tell(yk_future *f, int how)
{
    if (how == CANCELLED)
        return yk_future_cancel(f);
    if (how == FAILED)
        return yk_future_set_error(f, UV_EIO, NULL);
    return yk_future_set_result(f, &(int){ 1 }, sizeof(int));
}

static void *racer(void *arg)
{
    struct race *r = arg;
    while (!word_get(&r->stop)) {
        yk_future *f = atomic_load(&r->f);
        if (!f)
            continue;
        atomic_store(&r->said, end_and_tell(f, r->how));
        atomic_store(&r->f, NULL);
    }
    return NULL;
}

/* What an end that won or lost says: set_... 0 or YK_EDONE; cancel 0 (it is cancelled), 1 (asked;
 * or somebody else was just ending it) or YK_EDONE. */
static bool says_it_won(int how, int said, yk_state s)
{
    if (how == CANCELLED)
        return said == 0 && s == YK_CANCELLED;
    return said == 0;
}

static void one_race(struct race *r, bool running, int mine)
{
    yk_future *f = yk_future_new();
    if (running)
        yk_future_set_running(f);
    struct seen seen[2] = { { 0 }, { 0 } };
    yk_future_on_end(f, look, &seen[0]);
    yk_future_on_end(f, look, &seen[1]);
    atomic_store(&r->f, f);
    int said = end_and_tell(f, mine);
    while (atomic_load(&r->f))
        ;
    yk_state s = yk_future_state(f);
    int winners = says_it_won(mine, said, s) + says_it_won(r->how, atomic_load(&r->said), s);
    assert_int_equal(winners, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(seen[i].calls, 1);
        assert_int_equal(seen[i].state, s);
    }
    assert_int_equal(yk_await(f), s == YK_DONE ? 0 : s == YK_FAILED ? UV_EIO : YK_ECANCELED);
    yk_future_unref(f);
}

static void race_two(bool running, int mine, int theirs)
{
    struct race r = { .how = theirs };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, racer, &r), 0);
    for (size_t round = 0; round < support_rounds(4000); round++)
        one_race(&r, running, mine);
    atomic_store(&r.stop, 1);
    pthread_join(thread, NULL);
}

static void test_F26_cancel_races_with_the_end_of_a_pending_future(void **state)
{
    (void)state;
    race_two(false, DONE, CANCELLED);
    race_two(false, CANCELLED, FAILED);
}

static void test_F26_cancel_races_with_the_end_of_a_running_future(void **state)
{
    (void)state;
    race_two(true, DONE, CANCELLED);
}

static void test_F26_two_ends_race(void **state)
{
    (void)state;
    race_two(false, DONE, FAILED);
    race_two(true, DONE, DONE);
}

/* Readers that look all the while see a result only with the state that goes with it. */
static void *read_consistently(void *arg)
{
    struct race *r = arg;
    intptr_t wrong = 0;
    while (!word_get(&r->stop)) {
        yk_future *f = atomic_load(&r->f);
        if (!f)
            continue;
        const int *result = yk_future_result(f, NULL);
        const yk_error *error = yk_future_error(f);
        yk_state after = yk_future_state(f);
        wrong += result && (*result != 42 || after != YK_DONE);
        wrong += error && (error->code != UV_EIO || after != YK_FAILED);
        wrong += result && error;
    }
    return (void *)wrong;
}

static void test_F19_readers_see_a_consistent_future(void **state)
{
    (void)state;
    enum { READERS = 4, ROUNDS = 1000 };
    struct race r = { 0 };
    pthread_t threads[READERS];
    static yk_future *all[ROUNDS];
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_consistently, &r), 0);
    size_t rounds = support_rounds(ROUNDS);
    for (size_t i = 0; i < rounds; i++) {
        all[i] = yk_future_new();
        atomic_store(&r.f, all[i]);
        yk_future_set_running(all[i]);
        end_as(all[i], i % 2 ? DONE : FAILED);
    }
    atomic_store(&r.stop, 1);
    for (int i = 0; i < READERS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_ptr_equal(wrong, NULL);
    }
    for (size_t i = 0; i < rounds; i++)
        yk_future_unref(all[i]);
}

/* ---- With jobs behind them ------------------------------------------------------------------ */

static int count_call(yk_future *f, void *arg)
{
    (void)f;
    atomic_fetch_add((word *)arg, 1);
    return 0;
}

enum { BATCH = 16 };

/* Submits a batch, cancels the newest `n` of it; returns how many were cancelled. */
static size_t one_batch(const backend *b, yk_executor *ex, word *w, size_t n)
{
    yk_future *f[BATCH];
    word calls = 0;
    size_t cancelled = 0;
    for (int i = 0; i < BATCH; i++) {
        f[i] = backend_submit(b, ex, job_count, &w, sizeof w);
        yk_future_on_end(f[i], count_call, &calls);
    }
    for (size_t i = 0; i < n; i++)
        yk_future_cancel(f[BATCH - 1 - i]);
    assert_int_equal(yk_wait(f, BATCH, YK_ALL_ENDED, YK_FOREVER), BATCH);
    for (int i = 0; i < BATCH; i++) {
        cancelled += yk_future_state(f[i]) == YK_CANCELLED;
        assert_int_not_equal(yk_future_state(f[i]), YK_FAILED);
        yk_future_unref(f[i]);
    }
    eventually(word_get(&calls) == BATCH);
    return cancelled;
}

static void cancel_races_with_jobs(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2, .kill_grace_ms = 10000);
    word *w = words_new(1);
    size_t rounds = support_rounds(400), cancelled = 0;
    for (size_t round = 0; round < rounds; round++)
        cancelled += one_batch(b, ex, w, 1 + round % BATCH);
    assert_int_equal(yk_executor_shutdown(ex), 0);
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.received, rounds * BATCH);
    assert_int_equal(s.cancelled, cancelled);
    assert_int_equal(s.done, word_get(w));
    backend_close(ex);
    yk_arena_free(w);
}

static void test_F26_cancel_races_with_jobs(void **state)
{
    (void)state;
    on_every_backend(cancel_races_with_jobs);
}

/* The job ignores the request and returns a result; the future takes it. */
static void result_after_cancel(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 60000);
    word *w = words_new(2);
    block arg = { .begun = &w[0], .go = &w[1], .deaf = true };
    yk_future *f = backend_submit(b, ex, job_block, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 1);
    eventually(yk_future_state(f) == YK_RUNNING);
    assert_int_equal(yk_future_cancel(f), 1);
    assert_int_equal(yk_future_cancel(f), 1);
    assert_int_equal(yk_future_state(f), YK_RUNNING);
    word_set(&w[1], 1);
    assert_int_equal(yk_await(f), 0);
    assert_int_equal(yk_future_cancel(f), YK_EDONE);
    yk_future_unref(f);
    f = backend_submit(b, ex, job_square, &(int){ 3 }, sizeof(int)); /* the worker lives on */
    int out;
    assert_int_equal(yk_await_into(f, &out, sizeof out), 0);
    assert_int_equal(out, 9);
    yk_future_unref(f);
    assert_int_equal(stats_of(ex).started, 1);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_F27_a_result_after_the_request_to_cancel(void **state)
{
    (void)state;
    on_every_backend(result_after_cancel);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_F09_cancel_in_every_state),
        TEST(test_F10_F11_F12_the_state_in_every_state),
        TEST(test_F13_result_without_waiting_in_every_state),
        TEST(test_F13_a_result_of_another_size_is_refused),
        TEST(test_F16_error_in_every_state),
        TEST(test_F17_a_second_result_is_refused),
        TEST(test_F18_a_second_error_is_refused),
        TEST(test_an_error_that_is_none),
        TEST(test_results_of_many_sizes),
        TEST(test_F01_callback_sees_the_result),
        TEST(test_F02_callback_sees_the_error),
        TEST(test_F03_callback_runs_on_cancel),
        TEST(test_F05_F06_F07_callback_after_the_end_runs_at_once),
        TEST(test_F04_a_failing_callback_stops_no_other_and_is_logged),
        TEST(test_F08_a_failing_callback_after_the_end_is_logged),
        TEST(test_callbacks_run_in_the_order_in_which_they_were_added),
        TEST(test_F21_a_callback_may_add_another),
        TEST(test_F20_the_last_reference_may_go_in_a_callback),
        TEST(test_F14_await_wakes_when_another_thread_ends_it),
        TEST(test_F15_await_wakes_when_another_thread_cancels),
        TEST(test_F28_all_waiters_wake),
        TEST(test_F26_cancel_races_with_the_end_of_a_pending_future),
        TEST(test_F26_cancel_races_with_the_end_of_a_running_future),
        TEST(test_F26_two_ends_race),
        TEST(test_F19_readers_see_a_consistent_future),
        TEST(test_F26_cancel_races_with_jobs),
        TEST(test_F27_a_result_after_the_request_to_cancel),
    };
    return RUN_TESTS("future", tests);
}
