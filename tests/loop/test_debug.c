/* Tests of debug mode: what it reports, and the tree of tasks. */
#include <pthread.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "loop/call.h"
#include "loop/debug.h"
#include "loop/queue.h"
#include "loop/scope.h"
#include "loop/stream.h"
#include "loop/sync.h"
#include "loop/timeout.h"

#include "executor/executor.h"
#include "executor/init.h"

/* ---- What was logged ------------------------------------------------------------------------- */

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static char logged[16384];

static void note_log(const char *line, void *unused)
{
    (void)unused;
    pthread_mutex_lock(&log_lock);
    size_t n = strlen(logged);
    snprintf(logged + n, sizeof logged - n, "%s\n", line);
    pthread_mutex_unlock(&log_lock);
}

static bool was_logged(const char *what)
{
    pthread_mutex_lock(&log_lock);
    bool found = strstr(logged, what) != NULL;
    pthread_mutex_unlock(&log_lock);
    return found;
}

static int listen_to_log(void **state)
{
    (void)state;
    logged[0] = '\0';
    yk_set_log(note_log, NULL);
    return 0;
}

static int stop_listening(void **state)
{
    (void)state;
    yk_set_log(NULL, NULL);
    return 0;
}

static void assert_logged(const char *what)
{
    if (!was_logged(what))
        fail_msg("the log does not say \"%s\" but:\n%s", what, logged);
}

/* A loop in debug mode, which calls 20 ms slow. */
static yk_loop *debug_loop(uv_loop_t *uv)
{
    yk_loop *loop = yk_loop_new(.uv = uv, .debug = true, .slow_ms = 20);
    assert_non_null(loop);
    return loop;
}

/* As run_task() of common.h. */
static int run_debug_task(yk_task_fn app, void *arg)
{
    yk_loop *loop = debug_loop(NULL);
    yk_future *task = yk_task_start_with(app, arg, .name = "app");
    int err = yk_loop_run_until(loop, task);
    yk_future_unref(task);
    assert_int_equal(yk_loop_close(loop), 0);
    return err;
}

/* ---- A09: who holds the loop ----------------------------------------------------------------- */

/* Holds the loop until that is in the log; the watchdog of common.h ends it if it never is. */
__attribute__((noinline)) static int hold_until_logged(const char *what)
{
    while (!was_logged(what))
        usleep(1000);
    return 0;
}

__attribute__((noinline)) static int hold_until_named(void *task)
{
    (void)task;
    int err = hold_until_logged("    hold_until_named (test_debug.c:");
    assert_non_null(yk_task_current()); /* no tail call */
    return err;
}

static void test_A09_a_task_that_holds_the_loop_is_named_with_its_stack(void **state)
{
    (void)state;
    yk_loop *loop = debug_loop(NULL);
    yk_future *t = yk_task_start_with(hold_until_named, NULL, .name = "greedy");
    assert_int_equal(yk_loop_run_until(loop, t), 0);
    yk_future_unref(t);
    assert_logged("task 'greedy' has held the loop for ");
    assert_logged("task 'greedy' held the loop for ");
    assert_int_equal(yk_loop_close(loop), 0);
}

static void test_A09_on_the_smallest_stack_too(void **state)
{
    (void)state;
    yk_loop *loop = debug_loop(NULL);
    yk_future *t = yk_task_start_with(hold_until_named, NULL, .name = "small", .stack_size = 1);
    assert_int_equal(yk_loop_run_until(loop, t), 0);
    yk_future_unref(t);
    assert_logged("task 'small' has held the loop for ");
    assert_int_equal(yk_loop_close(loop), 0);
}

static void hold_in_timer(uv_timer_t *timer)
{
    hold_until_logged("hold_in_timer");
    uv_close((uv_handle_t *)timer, NULL);
}

static void hold_in_idle(uv_idle_t *idle)
{
    hold_until_logged("hold_in_idle");
    uv_close((uv_handle_t *)idle, NULL);
}

static void hold_in_async(uv_async_t *async)
{
    hold_until_logged("hold_in_async");
    uv_close((uv_handle_t *)async, NULL);
}

/* Of the program's own loop: before a turn, and while libuv looks for input. */
static void test_A09_a_callback_that_holds_the_loop_is_named_by_its_stack(void **state)
{
    (void)state;
    uv_loop_t uv;
    uv_timer_t timer;
    uv_idle_t idle;
    uv_async_t async;
    assert_int_equal(uv_loop_init(&uv), 0);
    yk_loop *loop = debug_loop(&uv);
    uv_timer_init(&uv, &timer);
    uv_timer_start(&timer, hold_in_timer, 0, 0);
    uv_idle_init(&uv, &idle);
    uv_idle_start(&idle, hold_in_idle);
    uv_async_init(&uv, &async, hold_in_async);
    uv_async_send(&async);
    uv_run(&uv, UV_RUN_DEFAULT);
    assert_logged("a callback has held the loop for ");
    assert_int_equal(yk_loop_close(loop), 0);
    assert_int_equal(uv_loop_close(&uv), 0);
}

static int hold_when_it_ends(yk_future *f, void *arg)
{
    (void)f;
    (void)arg;
    int err = hold_until_logged("hold_when_it_ends");
    assert_null(yk_task_current()); /* no tail call */
    return err;
}

static int do_nothing(void *unused)
{
    (void)unused;
    return 0;
}

static int future_with_slow_callback(void *unused)
{
    (void)unused;
    yk_future *t = yk_task_start_with(do_nothing, NULL, .name = "ends");
    assert_int_equal(yk_future_on_end(t, hold_when_it_ends, NULL), 0);
    yk_await(t);
    yk_future_unref(t);
    return 0;
}

static void test_A09_a_callback_of_a_future(void **state)
{
    (void)state;
    assert_int_equal(run_debug_task(future_with_slow_callback, NULL), 0);
    assert_logged("a callback has held the loop for ");
}

struct waits {
    uv_timer_t timer;
    int times;
};

static void stop_after_some(uv_timer_t *timer)
{
    if (++((struct waits *)timer)->times == 3)
        uv_close((uv_handle_t *)timer, NULL);
}

/* It sleeps for longer than what is slow: in libuv, and while the program does something else. */
static void test_A09_a_loop_that_sleeps_or_does_not_run_is_not_slow(void **state)
{
    (void)state;
    uv_loop_t uv;
    struct waits w = { .times = 0 };
    assert_int_equal(uv_loop_init(&uv), 0);
    yk_loop *loop = yk_loop_new(.uv = &uv, .debug = true, .slow_ms = SLOWLY ? 500 : 100);
    uv_timer_init(&uv, &w.timer);
    uv_timer_start(&w.timer, stop_after_some, SLOWLY ? 1000 : 200, SLOWLY ? 1000 : 200);
    uv_run(&uv, UV_RUN_DEFAULT);
    for (uint64_t end = yk_after_ms(SLOWLY ? 1500 : 300); yk_now() < end;)
        usleep(1000);
    assert_int_equal(yk_loop_close(loop), 0);
    assert_int_equal(uv_loop_close(&uv), 0);
    assert_string_equal(logged, "");
}

static void test_A09_off_unless_it_is_asked_for(void **state)
{
    (void)state;
    setenv("YOKE_SLOW_MS", "10", 1);
    setenv("YOKE_DEBUG", "1", 1);
    yk_loop *loop = yk_loop_new();
    yk_future *t = yk_task_start_with(hold_until_named, NULL, .name = "slow");
    assert_int_equal(yk_loop_run_until(loop, t), 0);
    yk_future_unref(t);
    assert_int_equal(yk_loop_close(loop), 0);
    assert_logged("task 'slow' has held the loop");
    setenv("YOKE_DEBUG", "0", 1);
    struct sigaction usr1;
    loop = yk_loop_new();
    sigaction(SIGUSR1, NULL, &usr1);
    assert_true(usr1.sa_handler == SIG_DFL); /* which a loop in debug mode would handle */
    assert_int_equal(yk_loop_close(loop), 0);
    unsetenv("YOKE_DEBUG");
    unsetenv("YOKE_SLOW_MS");
}

/* ---- A08: a wrong thread --------------------------------------------------------------------- */

struct elsewhere {
    yk_loop *loop;
    yk_future *f;
    yk_event *event;
    yk_queue *queue;
};

static void ignore(void *unused)
{
    (void)unused;
}

static void *call_from_elsewhere(void *arg)
{
    struct elsewhere *e = arg;
    assert_int_equal(yk_loop_run_until(e->loop, e->f), UV_EINVAL);
    assert_int_equal(yk_loop_close(e->loop), UV_EINVAL);
    assert_int_equal(yk_loop_print_tasks(e->loop, stdout), UV_EINVAL);
    assert_int_equal(yk_call_soon(ignore, NULL, NULL), UV_EINVAL);
    assert_int_equal(yk_call_later_ms(1, ignore, NULL, NULL), UV_EINVAL);
    yk_future *t = yk_task_start(do_nothing, NULL);
    assert_int_equal(yk_await(t), UV_EINVAL);
    yk_future_unref(t);
    return NULL;
}

static void test_A08_a_call_on_a_wrong_thread_is_named(void **state)
{
    (void)state;
    pthread_t thread;
    struct elsewhere e = { .loop = debug_loop(NULL), .f = yk_future_new() };
    assert_int_equal(pthread_create(&thread, NULL, call_from_elsewhere, &e), 0);
    pthread_join(thread, NULL);
    assert_logged("yk_loop_run_until was called on a thread that the loop does not belong to:");
    assert_logged("yk_loop_close was called on");
    assert_logged("yk_loop_print_tasks was called on");
    assert_logged("yk_task_start was called on");
    assert_logged("yk_call_soon was called on");
    assert_logged("yk_call_at was called on");
    assert_logged("    call_from_elsewhere (test_debug.c:");
    yk_future_cancel(e.f);
    yk_future_unref(e.f);
    assert_int_equal(yk_loop_close(e.loop), 0);
}

static int wait_for_event(void *event)
{
    return yk_event_wait(event, YK_FOREVER);
}

static int wait_for_item(void *queue)
{
    int item;
    return yk_queue_get(queue, &item, YK_FOREVER);
}

/* The loop's thread waits meanwhile: nothing is written by two threads at once. */
static void *wake_from_elsewhere(void *arg)
{
    struct elsewhere *e = arg;
    yk_event_set(e->event);
    assert_int_equal(yk_queue_put(e->queue, &(int){ 1 }, 0), 0);
    return NULL;
}

static int be_woken_from_elsewhere(void *arg)
{
    struct elsewhere *e = arg;
    pthread_t thread;
    yk_future *a = yk_task_start_with(wait_for_event, e->event, .name = "eventful");
    yk_future *b = yk_task_start_with(wait_for_item, e->queue, .name = "hungry");
    assert_int_equal(yk_yield(), 0);
    assert_int_equal(pthread_create(&thread, NULL, wake_from_elsewhere, e), 0);
    pthread_join(thread, NULL);
    assert_int_equal(yk_await(a), 0);
    assert_int_equal(yk_await(b), 0);
    yk_future_unref(a);
    yk_future_unref(b);
    return 0;
}

static void test_A08_a_wake_up_by_a_wrong_thread_is_reported(void **state)
{
    (void)state;
    yk_event event = { 0 };
    struct elsewhere e = { .event = &event, .queue = yk_queue_new(.item_size = sizeof(int)) };
    assert_int_equal(run_debug_task(be_woken_from_elsewhere, &e), 0);
    assert_logged("task 'eventful' waits for an event, and is woken by a thread");
    assert_logged("task 'hungry' waits for an item of a queue, and is woken by a thread");
    assert_logged("    wake_from_elsewhere (test_debug.c:");
    yk_queue_free(e.queue);
}

/* ---- A13: dropped while pending -------------------------------------------------------------- */

static int wait_for_ever(void *unused)
{
    (void)unused;
    return yk_sleep_until(YK_FOREVER);
}

static void test_A13_a_task_that_is_left_when_its_loop_is_closed_is_named(void **state)
{
    (void)state;
    yk_loop *loop = debug_loop(NULL);
    yk_future_unref(yk_task_start_with(wait_for_ever, NULL, .name = "forgotten"));
    yk_future *t = yk_task_start(do_nothing, NULL);
    yk_loop_run_until(loop, t);
    yk_future_unref(t);
    yk_future_unref(yk_task_start_with(wait_for_ever, NULL, .name = "stillborn"));
    assert_int_equal(yk_loop_close(loop), 2);
    assert_logged("left when its loop was closed: task 'forgotten' waits for a point in time");
    assert_logged("left when its loop was closed: task 'stillborn' has not begun");
}

__attribute__((noinline)) static yk_future *make_a_promise(void)
{
    yk_future *f = yk_future_new();
    assert_int_equal(yk_future_state(f), YK_PENDING); /* no tail call */
    return f;
}

static void test_A13_a_promise_that_is_dropped_while_pending_is_reported(void **state)
{
    (void)state;
    yk_loop *loop = debug_loop(NULL);
    yk_future *kept = make_a_promise();
    assert_int_equal(yk_future_set_result(kept, "x", 1), 0);
    yk_future_unref(kept);
    assert_false(was_logged("dropped"));
    yk_future_unref(make_a_promise());
    assert_logged("a future was dropped while it was pending; it was made in");
    assert_logged("    make_a_promise (test_debug.c:");
    assert_int_equal(yk_loop_close(loop), 0);
}

/* ---- A24: who waits for whom ----------------------------------------------------------------- */

/* The tree without its times and addresses; to be freed. */
static char *tree(void)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    assert_int_equal(yk_loop_print_tasks(yk_loop_current(), to), 0);
    fclose(to);
    char *out = text, *in = strchr(text, '\n') + 1;
    while (*in) {
        if (strncmp(in, ", for ", 6) == 0) {
            in += 6;
            in += strspn(in, "0123456789.");
            in += 2;
        } else if (strncmp(in, "0x", 2) == 0) {
            in += 2;
            in += strspn(in, "0123456789abcdef");
            *out++ = '@';
        } else {
            *out++ = *in++;
        }
    }
    *out = '\0';
    return text;
}

static void assert_tree(const char *expected)
{
    char *text = tree();
    assert_string_equal(text, expected);
    free(text);
}

static yk_future *never;
static yk_lock lock;

static int wait_for_never(void *unused)
{
    (void)unused;
    return yk_await(never);
}

static int hold_lock(void *unused)
{
    assert_int_equal(yk_lock_acquire(&lock, YK_FOREVER), 0);
    int err = wait_for_ever(unused);
    yk_lock_release(&lock);
    return err;
}

static int want_lock(void *unused)
{
    (void)unused;
    return yk_lock_acquire(&lock, YK_FOREVER);
}

static int gather_two(void *unused)
{
    (void)unused;
    return yk_gather((yk_task_fn[]){ hold_lock, wait_for_never }, NULL, 2);
}

static int wait_for_first(void *tasks)
{
    return yk_wait(tasks, 2, YK_FIRST_ENDED, YK_FOREVER);
}

static int under_a_time_out(void *unused)
{
    return yk_with_timeout(wait_for_never, unused, yk_after_ms(3600000));
}

static int shield_it(void *task)
{
    return yk_shield(task);
}

static int in_a_scope(void *unused)
{
    yk_scope *s = yk_scope_begin();
    yk_scope_start(s, wait_for_never, unused);
    return yk_scope_end(s, 0);
}

static void settle(void)
{
    for (int i = 0; i < 5; i++)
        assert_int_equal(yk_yield(), 0);
}

static void stop(yk_future *t)
{
    yk_future_cancel(t);
    yk_await(t);
    yk_future_unref(t);
}

/* The names of tasks without one are addresses. */
static int through_gather(void *unused)
{
    yk_future *t = yk_task_start_with(gather_two, unused, .name = "gatherer");
    settle();
    assert_tree("task 'app' runs\n"
                "task 'gatherer' waits for the next end of\n"
                "  task @ waits for a point in time\n"
                "  task @ waits for the end of\n"
                "    future @, waiting\n");
    yk_future *w = yk_task_start_with(want_lock, unused, .name = "next");
    settle();
    assert_tree("task 'app' runs\n"
                "task 'gatherer' waits for the next end of\n"
                "  task @ waits for a point in time\n"
                "  task @ waits for the end of\n"
                "    future @, waiting\n"
                "task 'next' waits for a lock, which is held by\n"
                "  task @, see above\n");
    stop(w);
    stop(t);
    return 0;
}

static int through_wait_and_two_awaiters(void *unused)
{
    yk_future *both[] = { yk_task_start_with(wait_for_never, unused, .name = "a"),
                          yk_task_start_with(wait_for_never, unused, .name = "b") };
    yk_future *w = yk_task_start_with(wait_for_first, both, .name = "waiter");
    settle();
    char *text = tree();
    /* yk_wait looks at them in the order of their addresses. */
    bool a_first = both[0] < both[1];
    char expected[512];
    snprintf(expected, sizeof expected,
             "task 'app' runs\n"
             "task 'waiter' waits for the first end of\n"
             "  task '%s' waits for the end of\n"
             "    future @, waiting\n"
             "  task '%s' waits for the end of\n"
             "    future @, waiting\n",
             a_first ? "a" : "b", a_first ? "b" : "a");
    assert_string_equal(text, expected);
    free(text);
    stop(w);
    stop(both[0]);
    stop(both[1]);
    return 0;
}

static int through_shield(void *unused)
{
    yk_future *inner = yk_task_start_with(wait_for_never, unused, .name = "inner");
    yk_future *t = yk_task_start_with(shield_it, inner, .name = "outer");
    settle();
    assert_tree("task 'app' runs\n"
                "task 'outer' waits for the end of\n"
                "  task 'inner' waits for the end of\n"
                "    future @, waiting\n");
    stop(t);
    stop(inner);
    return 0;
}

static int through_time_out_and_scope(void *unused)
{
    yk_future *t = yk_task_start_with(under_a_time_out, unused, .name = "hurried");
    yk_future *s = yk_task_start_with(in_a_scope, unused, .name = "owner");
    settle();
    char *text = tree();
    assert_non_null(strstr(text, "task 'hurried' waits for the end of, in a time-out of 3"));
    assert_non_null(strstr(text, "task 'owner' waits for the end of its scope:\n"
                                 "  task @ waits for the end of\n"
                                 "    future @, waiting\n"));
    free(text);
    stop(t);
    stop(s);
    return 0;
}

static void in_tree(yk_task_fn app)
{
    never = yk_future_new();
    lock = (yk_lock){ 0 };
    yk_loop *loop = debug_loop(NULL);
    yk_future *task = yk_task_start_with(app, NULL, .name = "app");
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    yk_future_unref(task);
    assert_int_equal(yk_loop_close(loop), 0);
    yk_future_cancel(never);
    yk_future_unref(never);
}

static void test_A24_through_gather_and_a_lock(void **state)
{
    (void)state;
    in_tree(through_gather);
}

static void test_A24_through_wait_and_a_future_with_two_awaiters(void **state)
{
    (void)state;
    in_tree(through_wait_and_two_awaiters);
}

static void test_A24_through_shield(void **state)
{
    (void)state;
    in_tree(through_shield);
}

static void test_A24_through_time_outs_and_scopes(void **state)
{
    (void)state;
    in_tree(through_time_out_and_scope);
}

static _Atomic bool may_end;

static int wait_until_told(yk_job *job)
{
    while (!atomic_load(&may_end) && !yk_job_cancelled(job))
        usleep(1000);
    return 0;
}

static int await_future(void *f)
{
    return yk_await(f);
}

static int a_job(void *unused)
{
    (void)unused;
    yk_executor *pool = yk_thread_pool(.workers = 1);
    yk_future *f = yk_submit_with(pool, wait_until_told, NULL, 0, .name = "decode");
    yk_future *t = yk_task_start_with(await_future, f, .name = "asks");
    while (yk_future_state(f) != YK_RUNNING)
        assert_int_equal(yk_sleep_ms(1), 0);
    settle();
    assert_tree("task 'app' runs\n"
                "task 'asks' waits for the end of\n"
                "  job 'decode' on threads, running\n");
    atomic_store(&may_end, true);
    assert_int_equal(yk_await(t), 0);
    yk_future_unref(t);
    yk_future_unref(f);
    return yk_executor_close(pool);
}

static void test_A24_a_job_is_named_with_what_it_runs_on(void **state)
{
    (void)state;
    in_tree(a_job);
}

static int read_stream(void *s)
{
    char byte;
    size_t n;
    return yk_stream_read_some(s, &byte, 1, &n, YK_FOREVER);
}

static int a_stream(void *unused)
{
    (void)unused;
    yk_stream *pair[2];
    assert_int_equal(yk_stream_pair(pair), 0);
    yk_future *t = yk_task_start_with(read_stream, pair[0], .name = "reader");
    settle();
    assert_tree("task 'app' runs\n"
                "task 'reader' waits for a stream's input (@)\n");
    stop(t);
    yk_stream_close(pair[0]);
    yk_stream_close(pair[1]);
    return yk_yield();
}

static void test_A24_a_stream(void **state)
{
    (void)state;
    in_tree(a_stream);
}

/* One that waits for the next, and the last for the first. */
static yk_future *circle[3];

static int await_at(void *f)
{
    return yk_await_until(*(yk_future **)f, YK_FOREVER);
}

static int a_circle(void *unused)
{
    (void)unused;
    static const char *const names[] = { "x", "y", "z" };
    for (int i = 0; i < 3; i++)
        circle[i] = yk_task_start_with(await_at, &circle[(i + 1) % 3], .name = names[i]);
    settle();
    assert_tree("task 'app' runs\n"
                "task 'x' waits for the end of\n"
                "  task 'y' waits for the end of\n"
                "    task 'z' waits for the end of\n"
                "      task 'x', see above\n");
    yk_future_cancel(circle[0]);
    for (int i = 0; i < 3; i++)
        yk_await(circle[i]);
    for (int i = 0; i < 3; i++)
        yk_future_unref(circle[i]);
    return 0;
}

static void test_A24_a_circle_ends(void **state)
{
    (void)state;
    in_tree(a_circle);
}

/* ---- A24: by signal -------------------------------------------------------------------------- */

static int stderr_before, errors;

/* From now on, standard error is a pipe that the test reads. */
static void catch_stderr(void)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    stderr_before = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    errors = ends[0];
}

static void release_stderr(void)
{
    dup2(stderr_before, STDERR_FILENO);
    close(stderr_before);
    close(errors);
}

/* Reads until it was there; the watchdog of common.h ends a test that waits in vain. */
static void read_stderr_until(const char *what)
{
    char text[4096] = "";
    size_t n = 0;
    struct pollfd p = { .fd = errors, .events = POLLIN };
    while (!strstr(text, what)) {
        if (poll(&p, 1, 1) == 0)
            continue;
        ssize_t got = read(errors, text + n, sizeof text - 1 - n);
        if (got > 0)
            text[n += (size_t)got] = '\0';
    }
}

static int say_tree_in_stderr(void *unused)
{
    (void)unused;
    yk_future *t = yk_task_start_with(wait_for_ever, NULL, .name = "sleeper");
    kill(getpid(), SIGUSR1);
    struct pollfd p = { .fd = errors, .events = POLLIN };
    while (poll(&p, 1, 0) == 0)
        assert_int_equal(yk_sleep_ms(1), 0);
    read_stderr_until("task 'sleeper' waits for a point in time, for ");
    stop(t);
    return 0;
}

static void test_A24_a_signal_shows_the_tree(void **state)
{
    (void)state;
    catch_stderr();
    int err = run_debug_task(say_tree_in_stderr, NULL);
    release_stderr();
    assert_int_equal(err, 0);
}

static int hold_until_said(void *unused)
{
    (void)unused;
    kill(getpid(), SIGUSR1);
    read_stderr_until("hold_until_said");
    return 0;
}

static void test_A24_a_signal_shows_who_holds_the_loop(void **state)
{
    (void)state;
    catch_stderr();
    int err = run_debug_task(hold_until_said, NULL);
    release_stderr();
    assert_int_equal(err, 0);
}

#define DEBUG_TEST(fn) cmocka_unit_test_setup_teardown(fn, listen_to_log, stop_listening)

int main(void)
{
    int err = yk_init();
    if (err)
        return 1;
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        DEBUG_TEST(test_A09_a_task_that_holds_the_loop_is_named_with_its_stack),
        DEBUG_TEST(test_A09_on_the_smallest_stack_too),
        DEBUG_TEST(test_A09_a_callback_that_holds_the_loop_is_named_by_its_stack),
        DEBUG_TEST(test_A09_a_callback_of_a_future),
        DEBUG_TEST(test_A09_a_loop_that_sleeps_or_does_not_run_is_not_slow),
        DEBUG_TEST(test_A09_off_unless_it_is_asked_for),
        DEBUG_TEST(test_A08_a_call_on_a_wrong_thread_is_named),
        DEBUG_TEST(test_A08_a_wake_up_by_a_wrong_thread_is_reported),
        DEBUG_TEST(test_A13_a_task_that_is_left_when_its_loop_is_closed_is_named),
        DEBUG_TEST(test_A13_a_promise_that_is_dropped_while_pending_is_reported),
        DEBUG_TEST(test_A24_through_gather_and_a_lock),
        DEBUG_TEST(test_A24_through_wait_and_a_future_with_two_awaiters),
        DEBUG_TEST(test_A24_through_shield),
        DEBUG_TEST(test_A24_through_time_outs_and_scopes),
        DEBUG_TEST(test_A24_a_job_is_named_with_what_it_runs_on),
        DEBUG_TEST(test_A24_a_stream),
        DEBUG_TEST(test_A24_a_circle_ends),
        DEBUG_TEST(test_A24_a_signal_shows_the_tree),
        DEBUG_TEST(test_A24_a_signal_shows_who_holds_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
