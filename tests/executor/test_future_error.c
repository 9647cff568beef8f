/* What is kept and what is said of a future: its argument, its result, an error that nobody looked
 * at, the reason of a cancellation. */
#include "support/backends.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "executor/map.h"
#include "loop/loop.h"

/* ---- Errors that nobody looked at ------------------------------------------------------------ */

static _Atomic int lines;
static char last_line[600];

static void keep_line(const char *line, void *arg)
{
    (void)arg;
    if (strstr(line, "nobody looked at")) {
        snprintf(last_line, sizeof last_line, "%s", line);
        atomic_fetch_add(&lines, 1);
    }
}

static yk_future *failed_job(const backend *b, yk_executor *ex)
{
    yk_future *f = backend_submit(b, ex, job_fail, NULL, 0);
    eventually(yk_future_ended(f));
    return f;
}

/* Where another thread ends the future, it may hold it for a moment longer. */
static void let_go(yk_future *f, int lines_then)
{
    yk_future_unref(f);
    eventually(lines == lines_then);
}

static void unlooked(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_set_log(keep_line, NULL);
    lines = 0;
    yk_future *f = failed_job(b, ex);
    yk_future *again = yk_future_ref(f);
    yk_future_unref(f);
    assert_int_equal(lines, 0);
    let_go(again, 1); /* once, and not before the last reference is gone */
    assert_string_equal(last_line, "an error that nobody looked at: EINVAL: no good");

    f = failed_job(b, ex); /* a look at the state is no look at the error */
    assert_int_equal(yk_future_state(f), YK_FAILED);
    let_go(f, 2);

    f = backend_submit(b, ex, NULL, NULL, 0); /* a refused submission is an error like others */
    let_go(f, 3);

    f = failed_job(b, ex);
    assert_int_equal(yk_future_error(f)->code, UV_EINVAL);
    yk_future_unref(f);
    f = failed_job(b, ex);
    assert_int_equal(yk_await(f), UV_EINVAL);
    yk_future_unref(f);
    f = failed_job(b, ex);
    int out;
    assert_int_equal(yk_await_into(f, &out, sizeof out), UV_EINVAL);
    yk_future_unref(f);
    yk_future *both[] = { failed_job(b, ex), failed_job(b, ex) };
    assert_int_equal(yk_await_all(both, 2, YK_FOREVER), UV_EINVAL);
    yk_future_unref(both[0]);
    yk_future_unref(both[1]);

    f = yk_future_new(); /* a cancellation needs nobody's attention */
    yk_future_cancel(f);
    yk_future_unref(f);
    f = backend_submit(b, ex, job_nothing, NULL, 0);
    assert_int_equal(yk_await(f), 0);
    yk_future_unref(f);
    backend_close(ex);
    yk_set_log(NULL, NULL);
    assert_int_equal(lines, 3);
}

/* ---- Ways to look ---------------------------------------------------------------------------- */

static int look_in_a_callback(yk_future *f, void *arg)
{
    *(int *)arg = yk_future_error(f)->code;
    return 0;
}

static void through_a_map(const backend *b, yk_executor *ex, int chunk)
{
    int inputs[6] = { 0 };
    yk_map *m = yk_map_start_with(ex, job_fail, inputs, COUNT_OF(inputs), sizeof *inputs,
                                  .chunk = chunk, .job = { .kind = b->kind });
    for (size_t i = 0; i < COUNT_OF(inputs); i++) {
        assert_int_equal(yk_map_next(m, NULL, 0), UV_EINVAL);
        assert_int_equal(yk_future_state(yk_map_last(m)), YK_FAILED);
    }
    assert_int_equal(yk_map_next(m, NULL, 0), YK_END);
    yk_map_free(m);
}

static int a_task_that_fails(void *unused)
{
    (void)unused;
    return UV_EIO;
}

static void looked(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_set_log(keep_line, NULL);
    lines = 0;
    int code = 0;
    yk_future *f = failed_job(b, ex);
    assert_int_equal(yk_future_on_end(f, look_in_a_callback, &code), 0);
    assert_int_equal(code, UV_EINVAL);
    yk_future_unref(f);

    f = failed_job(b, ex);
    yk_future *each_f;
    yk_as_completed *each = yk_as_completed_new(&f, 1);
    assert_int_equal(yk_as_completed_next(each, &each_f, YK_FOREVER), 0);
    assert_int_equal(yk_await(each_f), UV_EINVAL);
    yk_as_completed_free(each);
    yk_future_unref(f);

    through_a_map(b, ex, 1);
    through_a_map(b, ex, 4);
    if (b->on_loop) {
        yk_task_fn two[] = { a_task_that_fails, a_task_that_fails };
        assert_int_equal(yk_gather(two, NULL, 2), UV_EIO);
    }
    backend_close(ex);
    yk_set_log(NULL, NULL);
    assert_int_equal(lines, 0);
}

static void test_F22_whoever_was_told_the_code_has_looked(void **state)
{
    (void)state;
    on_every_backend(looked);
}

/* ---- The hook -------------------------------------------------------------------------------- */

static yk_executor *logs_to;

static void use_the_pool(const char *line, void *arg)
{
    bool too_long = strstr(line, "job 'too long'");
    if (!too_long && !strstr(line, "job 'short'"))
        return;
    yk_future_unref(backend_submit(arg, logs_to, job_nothing, NULL, 0));
    if (too_long)
        yk_executor_shutdown(logs_to, .no_wait = true);
    keep_line(line, NULL);
}

/* Where the log is called nobody holds what these calls need: of a job whose limit has passed, the
 * pool itself may hold the last reference. */
static void hook_calls(const backend *b)
{
    logs_to = OPEN(b, .workers = 2, .kill_grace_ms = 1000);
    yk_set_log(use_the_pool, (void *)b);
    lines = 0;
    yk_future_unref(
        backend_submit_opts(b, logs_to, job_fail, NULL, 0, (yk_job_options){ .name = "short" }));
    eventually(lines == 1);
    assert_string_equal(last_line, "an error that nobody looked at: job 'short': EINVAL: no good");
    block for_ever = { 0 };
    yk_job_options options = { .name = "too long", .timeout_ms = 1 };
    yk_future_unref(
        backend_submit_opts(b, logs_to, job_block, &for_ever, sizeof for_ever, options));
    eventually(lines == 2);
    backend_close(logs_to);
    yk_set_log(NULL, NULL);
}

static void test_F22_the_log_says_whose_error_and_may_call_yoke(void **state)
{
    (void)state;
    on_every_backend(hook_calls);
}

static void test_F22_an_error_that_nobody_looked_at_is_logged_once(void **state)
{
    (void)state;
    on_every_backend(unlooked);
}

/* ---- Reasons --------------------------------------------------------------------------------- */

static void reasons(const backend *b)
{
    word *w = words_new(2);
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 5);
    block hold = { .begun = &w[0] };
    yk_future *running = backend_submit(b, ex, job_block, &hold, sizeof hold);
    eventually(word_get(&w[0]) == 1);
    yk_future *pending = backend_submit(b, ex, job_nothing, NULL, 0);
    assert_true(yk_future_cancel_with(pending, "the client has left") >= 0);
    assert_int_equal(yk_await(pending), YK_ECANCELED);
    assert_string_equal(yk_future_error(pending)->message, "the client has left");
    assert_int_equal(yk_future_error(pending)->code, YK_ECANCELED);
    assert_int_equal(yk_future_cancel_with(pending, "too late"), 0);
    assert_string_equal(yk_future_error(pending)->message, "the client has left");
    yk_future_unref(pending);

    char reason[] = "first";
    assert_int_equal(yk_future_cancel_with(running, reason), 1);
    memset(reason, 'x', sizeof reason - 1); /* it has been copied */
    assert_int_equal(yk_await(running), YK_ECANCELED);
    assert_string_equal(yk_future_error(running)->message, "first");
    yk_future_unref(running);

    yk_future *done = backend_submit(b, ex, job_nothing, NULL, 0);
    assert_int_equal(yk_await(done), 0);
    assert_int_equal(yk_future_cancel_with(done, "no use"), YK_EDONE);
    assert_null(yk_future_error(done));
    yk_future_unref(done);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_F23_the_reason_of_a_cancellation_reaches_who_awaits(void **state)
{
    (void)state;
    on_every_backend(reasons);
}

static void test_F23_reasons_of_a_promise(void **state)
{
    (void)state;
    yk_future *f = yk_future_new();
    assert_int_equal(yk_future_set_running(f), 0);
    assert_int_equal(yk_future_cancel_with(f, "one"), 1);
    assert_int_equal(yk_future_cancel_with(f, "two"), 1);
    assert_int_equal(yk_future_cancel_with(f, NULL), 1);
    assert_int_equal(yk_future_set_error(f, YK_ECANCELED, "ended itself"), 0);
    assert_string_equal(yk_future_error(f)->message, "two");
    yk_future_unref(f);
    f = yk_future_new(); /* asked to cancel, it fails of something else */
    assert_int_equal(yk_future_set_running(f), 0);
    assert_int_equal(yk_future_cancel_with(f, "unheard"), 1);
    assert_int_equal(yk_future_set_error(f, UV_EIO, NULL), 0);
    assert_string_not_equal(yk_future_error(f)->message, "unheard");
    yk_future_unref(f);
}

struct chain {
    const backend *b;
    yk_executor *ex;
    word *w;
    yk_future *job;
};

static int await_the_job(void *arg)
{
    struct chain *c = arg;
    block hold = { .begun = &c->w[0] };
    c->job = backend_submit(c->b, c->ex, job_block, &hold, sizeof hold);
    return yk_await(c->job);
}

static void along_the_way(const backend *b)
{
    if (!b->on_loop)
        return;
    struct chain c = { .b = b, .w = words_new(2) };
    c.ex = OPEN(b, .workers = 1, .kill_grace_ms = 5);
    yk_future *task = yk_task_start(await_the_job, &c);
    eventually(word_get(&c.w[0]) == 1);
    yk_future_cancel_with(task, "the server is going down");
    assert_int_equal(yk_await(task), YK_ECANCELED);
    assert_string_equal(yk_future_error(task)->message, "the server is going down");
    assert_int_equal(yk_await(c.job), YK_ECANCELED);
    assert_string_equal(yk_future_error(c.job)->message, "the server is going down");
    yk_future_unref(c.job);
    yk_future_unref(task);
    backend_close(c.ex);
    yk_arena_free(c.w);
}

static void test_F23_the_reason_goes_from_the_task_to_its_job(void **state)
{
    (void)state;
    on_every_backend(along_the_way);
}

/* ---- What is kept, and how long -------------------------------------------------------------- */

enum { LARGE = 1 << 20 };

static size_t bytes_in_use(void)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    size_t __sanitizer_get_current_allocated_bytes(void);
    return yk_arena_used() + __sanitizer_get_current_allocated_bytes();
#else
    return yk_arena_used() + mallinfo2().hblkhd;
#endif
}

static void kept(const backend *b)
{
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
    mallopt(M_MMAP_THRESHOLD, 128 << 10); /* else it would move, and large blocks not be counted */
#endif
    static unsigned char data[LARGE];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 13);
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *f = backend_submit(b, ex, job_nothing, NULL, 0); /* what is kept for good is there */
    assert_int_equal(yk_await(f), 0);
    yk_future_unref(f);
    size_t before = bytes_in_use();

    f = backend_submit(b, ex, job_nothing, data, sizeof data);
    assert_true(bytes_in_use() > before + LARGE / 2); /* small things come and go beside it */
    assert_int_equal(yk_await(f), 0);
    yk_future_unref(f);
    eventually(bytes_in_use() < before + LARGE / 2); /* the argument went with the future */

    f = backend_submit(b, ex, job_echo, data, sizeof data);
    assert_int_equal(yk_await(f), 0);
    backend_close(ex); /* it outlives its executor */
    size_t len;
    const void *result = yk_future_result(f, &len);
    assert_int_equal(len, sizeof data);
    assert_memory_equal(result, data, sizeof data);
    yk_future_unref(f);
    eventually(bytes_in_use() < before + LARGE / 2);
}

static void test_F20_argument_and_result_live_as_long_as_their_future(void **state)
{
    (void)state;
    if (!support_under_valgrind()) /* which does not say how much is in use */
        on_every_backend(kept);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_F22_an_error_that_nobody_looked_at_is_logged_once),
        TEST(test_F22_whoever_was_told_the_code_has_looked),
        TEST(test_F22_the_log_says_whose_error_and_may_call_yoke),
        TEST(test_F23_the_reason_of_a_cancellation_reaches_who_awaits),
        TEST(test_F23_reasons_of_a_promise),
        TEST(test_F23_the_reason_goes_from_the_task_to_its_job),
        TEST(test_F20_argument_and_result_live_as_long_as_their_future),
    };
    return RUN_TESTS("future_error", tests);
}
