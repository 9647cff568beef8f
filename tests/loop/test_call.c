/* Calls: soon, later, from other threads and from signal handlers; tasks started from elsewhere. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common.h"
#include "executor/executor.h"
#include "loop/call.h"

/* ---- What the calls note --------------------------------------------------------------------- */

struct notes {
    int values[16];
    int len;
    yk_future *enough; /* ended when there are `want` of them */
    int want;
};

struct note {
    struct notes *to;
    int value;
};

static void take_note(void *arg)
{
    struct note *n = arg;
    n->to->values[n->to->len++] = n->value;
    if (n->to->len == n->to->want)
        yk_future_set_result(n->to->enough, NULL, 0);
}

static void count(void *arg)
{
    ++*(int *)arg;
}

static void end(void *promise)
{
    assert_null(yk_task_current());
    yk_future_set_result(promise, NULL, 0);
}

/* Runs the loop until a call that is asked for now has been made. */
static void run_a_turn(yk_loop *loop)
{
    yk_future *f = yk_future_new();
    assert_int_equal(yk_call_soon(end, f, NULL), 0);
    assert_int_equal(yk_loop_run_until(loop, f), 0);
    yk_future_unref(f);
}

/* ---- On the loop's thread -------------------------------------------------------------------- */

static void test_calls_are_refused_without_a_loop(void **state)
{
    (void)state;
    yk_call *call = NULL;
    assert_int_equal(yk_call_soon(count, NULL, &call), UV_EINVAL);
    assert_int_equal(yk_call_at(0, count, NULL, &call), UV_EINVAL);
    assert_int_equal(yk_call_later_ms(0, count, NULL, NULL), UV_EINVAL);
    assert_int_equal(yk_loop_call_threadsafe(NULL, count, NULL), UV_EINVAL);
    assert_null(yk_wakeup_new(NULL, count, NULL));
    assert_null(call);
    yk_loop *loop = yk_loop_new();
    assert_int_equal(yk_call_soon(NULL, NULL, NULL), UV_EINVAL);
    assert_int_equal(yk_call_at(0, NULL, NULL, NULL), UV_EINVAL);
    assert_int_equal(yk_loop_call_threadsafe(loop, NULL, NULL), UV_EINVAL);
    assert_null(yk_wakeup_new(loop, NULL, NULL));
    yk_call_cancel(NULL);
    yk_wakeup_free(NULL);
    yk_loop_unref(NULL);
    yk_loop_close(loop);
}

static void test_calls_are_made_in_the_order_in_which_they_become_due(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    struct notes notes = { .enough = yk_future_new(), .want = 5 };
    struct note n[5];
    for (int i = 0; i < 5; i++)
        n[i] = (struct note){ &notes, i };
    uint64_t now = yk_now();
    assert_int_equal(yk_call_at(now + 2000000, take_note, &n[4], NULL), 0);
    assert_int_equal(yk_call_at(now + 1000000, take_note, &n[3], NULL), 0);
    assert_int_equal(yk_call_soon(take_note, &n[0], NULL), 0);
    assert_int_equal(yk_loop_call_threadsafe(loop, take_note, &n[2]), 0);
    assert_int_equal(yk_call_soon(take_note, &n[1], NULL), 0);
    assert_int_equal(yk_loop_run_until(loop, notes.enough), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(notes.values[i], i);
    yk_future_unref(notes.enough);
    yk_loop_close(loop);
}

static void call_again(void *arg)
{
    int *calls = arg;
    ++*calls;
    assert_int_equal(yk_call_soon(call_again, calls, NULL), 0);
}

static void call_again_by_time(void *arg)
{
    int *calls = arg;
    ++*calls;
    assert_int_equal(yk_call_at(0, call_again_by_time, calls, NULL), 0);
}

static void on_timer(uv_timer_t *timer)
{
    yk_future_set_result(timer->data, NULL, 0);
    uv_close((uv_handle_t *)timer, NULL);
}

/* Calls that ask for themselves again and again, and the program's own timer still fires. */
static void test_a_call_that_calls_again_lets_the_loop_look_at_its_input(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    int soon = 0, timed = 0;
    uv_timer_t timer;
    uv_timer_init(yk_loop_uv(loop), &timer);
    timer.data = yk_future_new();
    uv_timer_start(&timer, on_timer, 5, 0);
    assert_int_equal(yk_call_soon(call_again, &soon, NULL), 0);
    assert_int_equal(yk_call_soon(call_again_by_time, &timed, NULL), 0);
    assert_int_equal(yk_loop_run_until(loop, timer.data), 0);
    assert_true(soon > 1 && timed > 1);
    yk_future_unref(timer.data);
    yk_loop_close(loop);
}

static void test_a_cancelled_call_is_not_made(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    int calls = 0;
    yk_call *soon, *timed, *never, *made;
    assert_int_equal(yk_call_soon(count, &calls, &made), 0);
    assert_int_equal(yk_call_soon(count, &calls, &soon), 0);
    assert_int_equal(yk_call_at(0, count, &calls, &timed), 0);
    assert_int_equal(yk_call_at(YK_FOREVER, count, &calls, &never), 0);
    yk_call_cancel(soon);
    yk_call_cancel(timed);
    run_a_turn(loop);
    assert_int_equal(calls, 1);
    yk_call_cancel(made);
    yk_call_cancel(never);
    assert_int_equal(yk_loop_close(loop), 0);
    assert_int_equal(calls, 1);
}

struct killer {
    yk_call *self, *next;
    int calls;
};

static void cancel_both(void *arg)
{
    struct killer *k = arg;
    k->calls++;
    yk_call_cancel(k->next);
    yk_call_cancel(k->self);
}

static void test_a_call_cancels_the_next_one_and_itself(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    struct killer k = { .calls = 0 };
    assert_int_equal(yk_call_soon(cancel_both, &k, &k.self), 0);
    assert_int_equal(yk_call_soon(cancel_both, &k, &k.next), 0);
    run_a_turn(loop);
    assert_int_equal(k.calls, 1);
    yk_loop_close(loop);
}

static void test_what_is_left_is_never_called(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    int calls = 0;
    yk_call *soon, *timed;
    assert_int_equal(yk_call_soon(count, &calls, NULL), 0);
    assert_int_equal(yk_call_soon(count, &calls, &soon), 0);
    assert_int_equal(yk_call_later_ms(600000, count, &calls, NULL), 0);
    assert_int_equal(yk_call_later_ms(600000, count, &calls, &timed), 0);
    assert_int_equal(yk_loop_call_threadsafe(loop, count, &calls), 0);
    yk_wakeup *wakeup = yk_wakeup_new(loop, count, &calls), *freed;
    freed = yk_wakeup_new(loop, count, &calls);
    yk_wakeup_send(wakeup);
    yk_wakeup_send(freed);
    yk_wakeup_free(freed);
    assert_int_equal(yk_loop_close(loop), 0);
    yk_call_cancel(soon);
    yk_call_cancel(timed);
    yk_wakeup_send(wakeup);
    yk_wakeup_free(wakeup);
    assert_int_equal(calls, 0);
}

static void test_calls_keep_uv_run_going(void **state)
{
    (void)state;
    uv_loop_t uv;
    uv_loop_init(&uv);
    yk_loop *loop = yk_loop_new(.uv = &uv);
    int calls = 0;
    yk_call *call;
    assert_int_equal(yk_call_later_ms(2, count, &calls, NULL), 0);
    assert_int_equal(yk_call_later_ms(1, count, &calls, NULL), 0);
    assert_int_equal(yk_call_later_ms(600000, count, &calls, &call), 0);
    assert_true(uv_loop_alive(&uv));
    yk_call_cancel(call);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(calls, 2);
    assert_false(uv_loop_alive(&uv));
    yk_loop_close(loop);
    assert_int_equal(uv_loop_close(&uv), 0);
}

static void wait_in_a_call(void *arg)
{
    *(int *)arg = yk_sleep_ms(1);
}

static void test_a_call_may_not_wait(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    int err = 0;
    assert_int_equal(yk_call_soon(wait_in_a_call, &err, NULL), 0);
    run_a_turn(loop);
    assert_int_equal(err, YK_EONLOOP);
    yk_loop_close(loop);
}

/* ---- From other threads ---------------------------------------------------------------------- */

enum { THREADS = 4, CALLS = SLOWLY ? 500 : 5000 };

struct caller {
    yk_loop *loop;
    int number, next;
    int *left; /* the loop's thread counts down what is still to come */
    yk_future *all;
    pthread_t thread;
};

struct numbered {
    struct caller *caller;
    int number;
};

static void check_order(void *arg)
{
    struct numbered *n = arg;
    struct caller *c = n->caller;
    assert_int_equal(n->number, c->next++);
    if (--*c->left == 0)
        yk_future_set_result(c->all, NULL, 0);
    free(n);
}

static void *call_many_times(void *arg)
{
    struct caller *c = arg;
    for (int i = 0; i < CALLS; i++) {
        struct numbered *n = malloc(sizeof *n);
        *n = (struct numbered){ c, i };
        assert_int_equal(yk_loop_call_threadsafe(c->loop, check_order, n), 0);
    }
    return NULL;
}

static void test_A07_threads_call_a_loop_each_in_its_order(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    struct caller c[THREADS];
    int left = THREADS * CALLS;
    yk_future *all = yk_future_new();
    for (int i = 0; i < THREADS; i++) {
        c[i] = (struct caller){ .loop = loop, .left = &left, .all = all };
        pthread_create(&c[i].thread, NULL, call_many_times, &c[i]);
    }
    assert_int_equal(yk_loop_run_until(loop, all), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(c[i].thread, NULL);
    yk_future_unref(all);
    yk_loop_close(loop);
}

static int add(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
    return yk_yield();
}

struct besieger {
    yk_loop *loop;
    yk_wakeup *wakeup;
    _Atomic int calls, *tasks;
    int started, closed;
};

static void count_atomically(void *arg)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
}

/* Until it is told that the loop is closed. */
static void *besiege(void *arg)
{
    struct besieger *b = arg;
    while (yk_loop_call_threadsafe(b->loop, count_atomically, &b->calls) == 0) {
        yk_wakeup_send(b->wakeup);
        yk_future *task = yk_task_start_on(b->loop, add, b->tasks);
        b->started++;
        int err = yk_await(task);
        assert_true(err == 0 || err == YK_ECLOSED || err == YK_ECANCELED);
        b->closed += err != 0;
        yk_future_unref(task);
    }
    yk_wakeup_send(b->wakeup); /* does nothing */
    yk_loop_unref(b->loop);
    return NULL;
}

static void test_a_loop_is_closed_while_threads_call_it(void **state)
{
    (void)state;
    for (int round = 0; round < (SLOWLY ? 20 : 100); round++) {
        yk_loop *loop = yk_loop_new();
        struct besieger b[THREADS];
        pthread_t threads[THREADS];
        _Atomic int wakeups = 0, tasks = 0;
        yk_wakeup *wakeup = yk_wakeup_new(loop, count_atomically, &wakeups);
        for (int i = 0; i < THREADS; i++) {
            b[i] = (struct besieger){ yk_loop_ref(loop), wakeup, 0, &tasks, 0, 0 };
            pthread_create(&threads[i], NULL, besiege, &b[i]);
        }
        while (tasks < round % 8)
            run_a_turn(loop);
        yk_loop_close(loop);
        int started = 0, closed = 0;
        for (int i = 0; i < THREADS; i++) {
            pthread_join(threads[i], NULL);
            started += b[i].started;
            closed += b[i].closed;
        }
        assert_in_range(tasks, started - closed, started);
        yk_wakeup_free(wakeup);
    }
}

/* ---- A07: tasks from other threads ----------------------------------------------------------- */

static int return_seven(void *arg)
{
    (void)arg;
    return yk_yield() ? -1 : 7;
}

static int find_nothing(void *arg)
{
    (void)arg;
    return UV_ENOENT;
}

static int sleep_long(void *arg)
{
    int err = yk_sleep_ms(600000);
    *(int *)arg = err;
    return err;
}

static void *ask_from_a_thread(void *arg)
{
    yk_loop *loop = arg;
    int value = 0, slept = 0;
    yk_future *f = yk_task_start_on(loop, return_seven, NULL);
    assert_int_equal(yk_await_into(f, &value, sizeof value), 0);
    assert_int_equal(value, 7);
    yk_future_unref(f);

    f = yk_task_start_on(loop, find_nothing, NULL);
    assert_int_equal(yk_await(f), UV_ENOENT);
    assert_non_null(yk_future_error(f));
    yk_future_unref(f);

    f = yk_task_start_on_opts(loop, sleep_long, &slept, &(yk_task_options){ .name = "sleeper" });
    assert_string_equal(yk_task_name(f), "sleeper");
    assert_int_equal(yk_await_until(f, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_false(yk_future_ended(f));
    yk_future_cancel(f);
    assert_int_equal(yk_await(f), YK_ECANCELED);
    assert_true(slept == YK_ECANCELED || slept == 0); /* 0: it had not even begun */
    yk_future_unref(f);
    return NULL;
}

struct asked {
    pthread_t thread;
    yk_future *over;
    yk_loop *loop;
};

static void *ask_and_say_so(void *arg)
{
    struct asked *a = arg;
    ask_from_a_thread(a->loop);
    yk_future_set_result(a->over, NULL, 0);
    return NULL;
}

static void test_A07_result_error_timeout_and_cancel(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    struct asked a = { .over = yk_future_new(), .loop = loop };
    pthread_create(&a.thread, NULL, ask_and_say_so, &a);
    assert_int_equal(yk_loop_run_until(loop, a.over), 0);
    pthread_join(a.thread, NULL);
    yk_future_unref(a.over);
    yk_loop_close(loop);
}

static void test_A07_cancelled_before_it_came_it_never_begins(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    int slept = 0;
    yk_future *f = yk_task_start_on(loop, sleep_long, &slept);
    assert_int_equal(yk_future_cancel(f), 0);
    run_a_turn(loop);
    assert_int_equal(yk_loop_close(loop), 0);
    assert_int_equal(yk_future_state(f), YK_CANCELLED);
    assert_int_equal(slept, 0);
    yk_future_unref(f);
}

static void test_A07_a_loop_that_is_closed_starts_nothing(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_ref(yk_loop_new());
    int slept = 0;
    yk_future *early = yk_task_start_on(loop, sleep_long, &slept);
    yk_loop_close(loop);
    yk_future *late = yk_task_start_on(loop, sleep_long, &slept);
    assert_int_equal(yk_await(late), YK_ECLOSED);
    assert_true(yk_future_ended(early));
    int err = yk_await(early);
    assert_true(err == YK_ECLOSED || err == YK_ECANCELED);
    assert_int_equal(slept, 0);
    assert_int_equal(yk_loop_call_threadsafe(loop, count, &slept), YK_ECLOSED);
    yk_future_unref(early);
    yk_future_unref(late);
    yk_loop_unref(loop);
    yk_future *none = yk_task_start_on(NULL, sleep_long, &slept);
    assert_int_equal(yk_await(none), UV_EINVAL);
    yk_future_unref(none);
}

static void test_A07_a_child_of_a_fork_calls_nobody(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    int calls = 0;
    yk_wakeup *wakeup = yk_wakeup_new(loop, count, &calls);
    pid_t child = fork();
    if (child == 0) {
        yk_wakeup_send(wakeup);
        int err = yk_loop_call_threadsafe(loop, count, &calls);
        yk_wakeup_free(wakeup); /* the child's copy */
        _exit(err == UV_EINVAL ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    run_a_turn(loop);
    assert_int_equal(calls, 0);
    yk_wakeup_free(wakeup);
    yk_loop_close(loop);
}

/* ---- From a signal handler ------------------------------------------------------------------- */

static yk_wakeup *for_handler;

static void send_in_handler(int sig)
{
    (void)sig;
    errno = EXDEV;
    yk_wakeup_send(for_handler);
    assert_int_equal(errno, EXDEV);
}

static int raise_it(void *arg)
{
    raise(SIGUSR1);
    return yk_await(arg);
}

static void test_a_signal_handler_calls_the_loop(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    yk_future *called = yk_future_new();
    for_handler = yk_wakeup_new(loop, end, called);
    struct sigaction action = { .sa_handler = send_in_handler }, before;
    sigaction(SIGUSR1, &action, &before);
    yk_future *task = yk_task_start(raise_it, called);
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    sigaction(SIGUSR1, &before, NULL);
    yk_wakeup_free(for_handler);
    yk_future_unref(task);
    yk_future_unref(called);
    yk_loop_close(loop);
}

struct storm {
    yk_wakeup *wakeup;
    _Atomic int sent;
    int seen, calls;
    yk_future *all_seen;
};

/* Whatever was sent by now is covered by this call or by one that is to come. */
static void see(void *arg)
{
    struct storm *s = arg;
    s->calls++;
    s->seen = atomic_load_explicit(&s->sent, memory_order_relaxed);
    if (s->seen == THREADS * CALLS)
        yk_future_set_result(s->all_seen, NULL, 0);
}

static void *send_many(void *arg)
{
    struct storm *s = arg;
    for (int i = 0; i < CALLS; i++) {
        atomic_fetch_add_explicit(&s->sent, 1, memory_order_relaxed);
        yk_wakeup_send(s->wakeup);
    }
    return NULL;
}

static void test_no_wakeup_of_a_storm_is_lost(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    struct storm s = { .all_seen = yk_future_new() };
    s.wakeup = yk_wakeup_new(loop, see, &s);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, send_many, &s);
    assert_int_equal(yk_loop_run_until(loop, s.all_seen), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_in_range(s.calls, 1, THREADS * CALLS);
    yk_wakeup_free(s.wakeup);
    yk_future_unref(s.all_seen);
    yk_loop_close(loop);
}

static void free_it(void *arg)
{
    yk_wakeup_free(*(yk_wakeup **)arg);
}

static void test_a_wakeup_is_freed_in_its_call_and_on_its_way(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    int calls = 0;
    yk_wakeup *in_its_call;
    in_its_call = yk_wakeup_new(loop, free_it, &in_its_call);
    yk_wakeup *on_its_way = yk_wakeup_new(loop, count, &calls);
    yk_wakeup_send(in_its_call);
    yk_wakeup_send(on_its_way);
    yk_wakeup_free(on_its_way);
    run_a_turn(loop);
    assert_int_equal(calls, 0);
    yk_loop_close(loop);
}

/* ---- A02, A06: jobs and loops ---------------------------------------------------------------- */

struct late {
    yk_loop *loop;
    int told;  /* what the thread-safe call in the callback returned */
    int calls; /* on the loop */
};

static int tell_the_loop(yk_future *f, void *arg)
{
    (void)f;
    struct late *late = arg;
    late->told = yk_loop_call_threadsafe(late->loop, count, &late->calls);
    return 0;
}

static int wait_for_release(yk_job *job)
{
    return yk_await(*(yk_future **)yk_job_arg(job)) == YK_ECANCELED ? YK_ECANCELED : 0;
}

static void test_A02_a_cancelled_jobs_callback_does_not_run_on_a_closed_loop(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    yk_executor *pool = yk_thread_pool(.workers = 1);
    yk_future *release = yk_future_new();
    struct late late = { .loop = yk_loop_ref(loop) };
    yk_future *job = yk_submit(pool, wait_for_release, &release, sizeof release);
    yk_future *queued = yk_submit(pool, wait_for_release, &release, sizeof release);
    yk_future_on_end(job, tell_the_loop, &late);
    yk_future_cancel(queued);
    assert_int_equal(yk_loop_close(loop), 0);
    yk_future_cancel(job);
    yk_future_set_result(release, NULL, 0);
    assert_int_equal(yk_executor_close(pool), 0);
    assert_int_equal(late.told, YK_ECLOSED);
    assert_int_equal(late.calls, 0);
    yk_future_unref(job);
    yk_future_unref(queued);
    yk_future_unref(release);
    yk_loop_unref(late.loop);
}

static int square(yk_job *job)
{
    const int *n = yk_job_arg(job);
    return yk_job_return(job, &(int){ *n * *n }, sizeof(int));
}

enum { LOOPS = 4, JOBS = SLOWLY ? 50 : 300 };

struct user {
    yk_executor *pool;
    pthread_t thread;
    int ends;
};

/* Of a job's future: back on the loop of the one who submitted it. */
static int on_loop(void *arg)
{
    struct user *u = arg;
    yk_loop *mine = yk_loop_current();
    for (int i = 0; i < JOBS; i++) {
        int value = 0;
        yk_future *f = yk_submit(u->pool, square, &i, sizeof i);
        assert_int_equal(yk_await_into(f, &value, sizeof value), 0);
        assert_int_equal(value, i * i);
        assert_ptr_equal(yk_loop_current(), mine);
        assert_true(pthread_equal(pthread_self(), u->thread));
        u->ends++;
        yk_future_unref(f);
    }
    return 0;
}

static void *run_a_loop(void *arg)
{
    struct user *u = arg;
    u->thread = pthread_self();
    assert_int_equal(run_task(on_loop, u), 0);
    return NULL;
}

static void test_A06_one_executor_ends_its_jobs_on_the_loop_that_asked(void **state)
{
    (void)state;
    yk_executor *pool = yk_thread_pool(.workers = 2);
    struct user users[LOOPS];
    pthread_t threads[LOOPS];
    for (int i = 0; i < LOOPS; i++) {
        users[i] = (struct user){ .pool = pool };
        pthread_create(&threads[i], NULL, run_a_loop, &users[i]);
    }
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(users[i].ends, JOBS);
    }
    assert_int_equal(yk_executor_close(pool), 0);
}

int main(void)
{
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_are_refused_without_a_loop),
        cmocka_unit_test(test_calls_are_made_in_the_order_in_which_they_become_due),
        cmocka_unit_test(test_a_call_that_calls_again_lets_the_loop_look_at_its_input),
        cmocka_unit_test(test_a_cancelled_call_is_not_made),
        cmocka_unit_test(test_a_call_cancels_the_next_one_and_itself),
        cmocka_unit_test(test_what_is_left_is_never_called),
        cmocka_unit_test(test_calls_keep_uv_run_going),
        cmocka_unit_test(test_a_call_may_not_wait),
        cmocka_unit_test(test_A07_threads_call_a_loop_each_in_its_order),
        cmocka_unit_test(test_a_loop_is_closed_while_threads_call_it),
        cmocka_unit_test(test_A07_result_error_timeout_and_cancel),
        cmocka_unit_test(test_A07_cancelled_before_it_came_it_never_begins),
        cmocka_unit_test(test_A07_a_loop_that_is_closed_starts_nothing),
        cmocka_unit_test(test_A07_a_child_of_a_fork_calls_nobody),
        cmocka_unit_test(test_a_signal_handler_calls_the_loop),
        cmocka_unit_test(test_no_wakeup_of_a_storm_is_lost),
        cmocka_unit_test(test_a_wakeup_is_freed_in_its_call_and_on_its_way),
        cmocka_unit_test(test_A02_a_cancelled_jobs_callback_does_not_run_on_a_closed_loop),
        cmocka_unit_test(test_A06_one_executor_ends_its_jobs_on_the_loop_that_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
