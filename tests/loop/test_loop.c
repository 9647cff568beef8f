/* The loop: on libuv loops of its own and of the program, its rules, its end. */
#include "common.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "executor/reactor.h"

static int open_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- Refusals -------------------------------------------------------------------------------- */

static void test_one_loop_a_thread(void **state)
{
    (void)state;
    assert_null(yk_loop_current());
    yk_loop *loop = yk_loop_new();
    assert_ptr_equal(yk_loop_current(), loop);
    assert_null(yk_loop_new());
    assert_int_equal(yk_loop_close(loop), 0);
    assert_null(yk_loop_current());
    assert_int_equal(yk_loop_close(NULL), 0);
}

/* With room for 0, 1, 2, ... more descriptors, until it is enough for a loop. (On a loop of the
 * program's: libuv 1.44's uv_loop_init leaves one open where it fails half-way.) */
static void test_a_loop_that_cannot_be_opened_leaves_nothing(void **state)
{
    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip(); /* it has limits of its own */
    uv_loop_t uv;
    uv_loop_init(&uv);
    struct rlimit before, few;
    getrlimit(RLIMIT_NOFILE, &before);
    int open = open_descriptors(), room = 0;
    yk_loop *loop = NULL;
    while (!loop) {
        few = (struct rlimit){ .rlim_cur = (rlim_t)room++, .rlim_max = before.rlim_max };
        setrlimit(RLIMIT_NOFILE, &few);
        loop = yk_loop_new(.uv = &uv);
        setrlimit(RLIMIT_NOFILE, &before);
        if (!loop) {
            assert_null(yk_loop_current());
            assert_int_equal(open_descriptors(), open);
        }
    }
    assert_true(room > 3);
    assert_int_equal(yk_loop_close(loop), 0);
    assert_int_equal(open_descriptors(), open);
    assert_int_equal(uv_loop_close(&uv), 0);
}

static int callback_code, callback_wait_code;

static int await_in_callback(yk_future *f, void *arg)
{
    (void)f;
    callback_code = yk_await(arg);
    yk_future *set[] = { arg };
    callback_wait_code = yk_wait(set, 1, YK_FIRST_ENDED, YK_FOREVER);
    return 0;
}

static void test_waiting_on_the_loops_thread_outside_a_task_is_refused(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    yk_future *never = yk_future_new(), *ended = yk_future_new();
    yk_future_set_result(ended, NULL, 0);
    assert_int_equal(yk_await(never), YK_EONLOOP);
    assert_int_equal(yk_await_until(never, yk_after_ms(1)), YK_EONLOOP);
    assert_int_equal(yk_wait(&never, 1, YK_ALL_ENDED, YK_FOREVER), YK_EONLOOP);
    assert_int_equal(yk_sleep_ms(1), YK_EONLOOP);
    assert_int_equal(yk_yield(), YK_EONLOOP);
    assert_int_equal(yk_gather(&(yk_task_fn){ do_nothing }, NULL, 1), YK_EONLOOP);
    /* What is there already may be had. */
    assert_int_equal(yk_await(ended), 0);
    assert_int_equal(yk_wait(&ended, 1, YK_ALL_ENDED, YK_FOREVER), 1);
    assert_int_equal(yk_await_until(never, 0), UV_ETIMEDOUT);

    yk_future *task = yk_task_start(do_nothing, NULL);
    yk_future_on_end(task, await_in_callback, never);
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    assert_int_equal(callback_code, YK_EONLOOP);
    assert_int_equal(callback_wait_code, YK_EONLOOP);
    yk_future_unref(task);
    yk_loop_close(loop);
    assert_int_equal(yk_await_until(never, yk_after_ms(1)), UV_ETIMEDOUT); /* plain again */
    yk_future_unref(never);
    yk_future_unref(ended);
}

static int run_the_loop_within(void *arg)
{
    yk_loop *loop = arg;
    yk_future *f = yk_future_new();
    assert_int_equal(yk_loop_run_until(loop, f), UV_EBUSY);
    assert_int_equal(yk_loop_close(loop), UV_EBUSY);
    uv_run(yk_loop_uv(loop), UV_RUN_NOWAIT); /* a mistake that must do no harm */
    yk_future_unref(f);
    return 0;
}

static int close_in_callback(yk_future *f, void *arg)
{
    (void)f;
    callback_code = yk_loop_close(arg);
    return 0;
}

static void test_a_running_loop_is_neither_run_nor_closed(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    yk_future *task = yk_task_start(run_the_loop_within, loop);
    yk_future_on_end(task, close_in_callback, loop);
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    assert_int_equal(callback_code, UV_EBUSY);
    assert_int_equal(yk_loop_run_until(loop, NULL), UV_EINVAL);
    yk_future_unref(task);
    yk_loop_close(loop);
}

/* ---- A26: another thread, another process ---------------------------------------------------- */

static void *use_anothers_loop(void *arg)
{
    yk_loop *loop = arg;
    yk_future *f = yk_future_new();
    assert_null(yk_loop_current());
    assert_int_equal(yk_loop_run_until(loop, f), UV_EINVAL);
    assert_int_equal(yk_loop_close(loop), UV_EINVAL);
    assert_int_equal(uv_run(yk_loop_uv(loop), UV_RUN_NOWAIT) & 0, 0);
    yk_future_unref(f);
    return NULL;
}

static int note_run(void *arg)
{
    ++*(int *)arg;
    return 0;
}

static void test_A26_another_thread_runs_no_task(void **state)
{
    (void)state;
    int runs = 0;
    yk_loop *loop = yk_loop_new();
    yk_future *task = yk_task_start(note_run, &runs);
    pthread_t thread;
    pthread_create(&thread, NULL, use_anothers_loop, loop);
    pthread_join(thread, NULL);
    assert_int_equal(runs, 0);
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    assert_int_equal(runs, 1);
    yk_future_unref(task);
    yk_loop_close(loop);
}

/* In the child of a fork: 0 if everything of the parent's loop is refused. */
static int what_a_child_may(yk_loop *loop, yk_future *f)
{
    if (yk_loop_current() || yk_task_current())
        return 1;
    if (yk_await(f) != UV_EINVAL || yk_sleep_ms(1) != UV_EINVAL)
        return 2;
    if (yk_loop_run_until(loop, f) != UV_EINVAL || yk_loop_close(loop) != UV_EINVAL)
        return 3;
    yk_future *task = yk_task_start(do_nothing, NULL);
    if (yk_future_state(task) != YK_FAILED)
        return 4;
    yk_future_unref(task);
    return 0;
}

static int fork_in_a_task(void *arg)
{
    yk_future *never = yk_future_new();
    pid_t child = fork();
    if (child == 0) {
        int refused = what_a_child_may(arg, never);
        yk_future_unref(never);
        _exit(refused);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    yk_future_unref(never);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_A26_after_a_fork_no_task_is_resumed(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    yk_future *task = yk_task_start(fork_in_a_task, loop);
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    assert_int_equal(*(const int *)yk_future_result(task, NULL), 0);
    yk_future_unref(task);
    yk_loop_close(loop);
}

/* ---- On the program's own libuv loop --------------------------------------------------------- */

struct ticker {
    uv_timer_t timer;
    int ticks, until;
    yk_future *promise;
};

static void on_tick(uv_timer_t *timer)
{
    struct ticker *t = timer->data;
    if (++t->ticks == t->until)
        yk_future_set_result(t->promise, &t->ticks, sizeof t->ticks);
}

static void open_ticker(struct ticker *t, uv_loop_t *uv, int until)
{
    *t = (struct ticker){ .until = until, .promise = yk_future_new() };
    uv_timer_init(uv, &t->timer);
    t->timer.data = t;
    uv_timer_start(&t->timer, on_tick, 1, 1);
}

static int await_ticks(void *arg)
{
    struct ticker *t = arg;
    int ticks = 0;
    int err = yk_await_into(t->promise, &ticks, sizeof ticks);
    uv_close((uv_handle_t *)&t->timer, NULL);
    return err ? err : ticks;
}

static void test_tasks_and_the_programs_handles_share_a_loop(void **state)
{
    (void)state;
    uv_loop_t uv;
    assert_int_equal(uv_loop_init(&uv), 0);
    yk_loop *loop = yk_loop_new(.uv = &uv);
    assert_ptr_equal(yk_loop_uv(loop), &uv);
    struct ticker t;
    open_ticker(&t, &uv, 5);
    yk_future *task = yk_task_start(await_ticks, &t);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(*(const int *)yk_future_result(task, NULL), 5);
    yk_future_unref(task);
    yk_future_unref(t.promise);
    assert_int_equal(yk_loop_close(loop), 0);
    assert_int_equal(uv_loop_close(&uv), 0); /* nothing of ours is left on it */
}

static void test_the_programs_loop_lives_on(void **state)
{
    (void)state;
    uv_loop_t uv;
    uv_loop_init(&uv);
    struct ticker t;
    open_ticker(&t, &uv, 1);
    for (int i = 0; i < 3; i++) {
        yk_loop *loop = yk_loop_new(.uv = &uv);
        yk_future *task = yk_task_start(do_nothing, NULL);
        assert_int_equal(yk_loop_run_until(loop, task), 0);
        yk_future_unref(task);
        assert_int_equal(yk_loop_close(loop), 0);
    }
    int before = t.ticks;
    while (t.ticks < before + 3)
        uv_run(&uv, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&t.timer, NULL);
    uv_run(&uv, UV_RUN_DEFAULT);
    yk_future_unref(t.promise);
    assert_int_equal(uv_loop_close(&uv), 0);
}

static void test_a_loop_with_nothing_to_do_does_not_keep_uv_run_going(void **state)
{
    (void)state;
    uv_loop_t uv;
    uv_loop_init(&uv);
    yk_loop *loop = yk_loop_new(.uv = &uv);
    assert_false(uv_loop_alive(&uv));
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    yk_future_unref(yk_task_start(do_nothing, NULL));
    assert_true(uv_loop_alive(&uv));
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_false(uv_loop_alive(&uv));
    yk_loop_close(loop);
    assert_int_equal(uv_loop_close(&uv), 0);
}

static int yield_until_told(void *arg)
{
    while (!*(volatile int *)arg)
        yk_yield();
    return 0;
}

static void on_timer_tell(uv_timer_t *timer)
{
    *(int *)timer->data = 1;
    uv_close((uv_handle_t *)timer, NULL);
}

/* Tasks that are always ready must not keep the program's own callbacks waiting. */
static void test_the_loop_is_fair(void **state)
{
    (void)state;
    int told = 0;
    uv_timer_t timer;
    yk_loop *loop = yk_loop_new();
    uv_timer_init(yk_loop_uv(loop), &timer);
    timer.data = &told;
    uv_timer_start(&timer, on_timer_tell, 5, 0);
    yk_future *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = yk_task_start(yield_until_told, &told);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(yk_loop_run_until(loop, tasks[i]), 0);
        yk_future_unref(tasks[i]);
    }
    yk_loop_close(loop);
}

static int start_in_callback(yk_future *f, void *arg)
{
    (void)f;
    *(yk_future **)arg = yk_task_start(do_nothing, NULL);
    return 0;
}

static void on_prepare(uv_prepare_t *handle)
{
    yk_future_set_result(handle->data, NULL, 0);
    uv_close((uv_handle_t *)handle, NULL);
}

/* The program's prepare handle runs after ours, right before libuv waits. */
static void test_what_becomes_ready_between_our_turn_and_the_poll(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    uv_prepare_t prepare;
    uv_prepare_init(yk_loop_uv(loop), &prepare);
    yk_future *promise = yk_future_new(), *task = NULL;
    prepare.data = promise;
    yk_future_on_end(promise, start_in_callback, &task);
    uv_prepare_start(&prepare, on_prepare);
    assert_int_equal(yk_loop_run_until(loop, promise), 0);
    assert_non_null(task);
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    yk_future_unref(task);
    yk_future_unref(promise);
    yk_loop_close(loop);
}

/* ---- A source that somebody will hear from keeps the loop going ------------------------------ */

struct source {
    yk__source source;
    int turns, until;
    yk__timer timer;
};

static bool source_turn(yk__source *source)
{
    struct source *s = (struct source *)source;
    if (++s->turns >= s->until)
        source->busy = false;
    return source->busy;
}

static bool source_announce(yk__source *source, uint32_t parked)
{
    return (parked & 1) && source->busy;
}

static void source_abandon(yk__source *source)
{
    ((struct source *)source)->turns = -1;
}

static void test_a_busy_source_keeps_the_loop_alive(void **state)
{
    (void)state;
    uv_loop_t uv;
    uv_loop_init(&uv);
    yk_loop *loop = yk_loop_new(.uv = &uv);
    struct source s = { .source = { .turn = source_turn,
                                    .announce = source_announce,
                                    .abandon = source_abandon,
                                    .busy = true },
                        .until = 100 };
    yk__reactor_add_source(yk__reactor_current(), &s.source);
    yk_future_unref(yk_task_start(do_nothing, NULL)); /* a first turn, which sees the source */
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(s.turns, 100);
    yk_loop_close(loop);
    assert_int_equal(s.turns, -1);
    assert_int_equal(uv_loop_close(&uv), 0);
}

/* ---- Two loops ------------------------------------------------------------------------------- */

struct player {
    yk_future **ball; /* [ROUNDS + 1] */
    int first;
};

enum { ROUNDS = SLOWLY ? 200 : 2000 };

static int play(void *arg)
{
    struct player *p = arg;
    for (int i = p->first; i < ROUNDS; i += 2) {
        int err = yk_await(p->ball[i]);
        if (err)
            return err;
        yk_future_set_result(p->ball[i + 1], NULL, 0);
    }
    return 0;
}

static void *play_on_a_thread(void *arg)
{
    return (void *)(intptr_t)run_task(play, arg);
}

static void test_two_loops_in_two_threads_hand_a_ball_to_and_fro(void **state)
{
    (void)state;
    yk_future *ball[ROUNDS + 1];
    for (int i = 0; i <= ROUNDS; i++)
        ball[i] = yk_future_new();
    struct player one = { ball, 0 }, two = { ball, 1 };
    pthread_t thread;
    pthread_create(&thread, NULL, play_on_a_thread, &two);
    yk_future_set_result(ball[0], NULL, 0);
    assert_int_equal(run_task(play, &one), 0);
    void *result;
    pthread_join(thread, &result);
    assert_null(result);
    for (int i = 0; i <= ROUNDS; i++)
        yk_future_unref(ball[i]);
}

struct exchange {
    yk_future *task;
    pthread_barrier_t started;
};

static int yield_and_return(void *arg)
{
    yk_yield();
    return *(int *)arg;
}

static int start_for_another_loop(void *arg)
{
    struct exchange *x = arg;
    static int seven = 7;
    x->task = yk_task_start(yield_and_return, &seven);
    pthread_barrier_wait(&x->started);
    return yk_await(x->task);
}

static void *run_the_other_loop(void *arg)
{
    return (void *)(intptr_t)run_task(start_for_another_loop, arg);
}

static int await_the_others_task(void *arg)
{
    struct exchange *x = arg;
    int result = 0;
    int err = yk_await_into(x->task, &result, sizeof result);
    return err ? err : result;
}

/* Where asyncio must refuse a future of another loop, here any loop may await it. */
static void test_F24_a_task_of_another_loop_is_awaited_across_threads(void **state)
{
    (void)state;
    struct exchange x;
    pthread_barrier_init(&x.started, NULL, 2);
    pthread_t thread;
    pthread_create(&thread, NULL, run_the_other_loop, &x);
    pthread_barrier_wait(&x.started);
    assert_int_equal(run_task(await_the_others_task, &x), 7);
    pthread_join(thread, NULL);
    yk_future_unref(x.task);
    pthread_barrier_destroy(&x.started);
}

/* ---- The end --------------------------------------------------------------------------------- */

static int sleep_long(void *arg)
{
    int *ended = arg;
    int err = yk_sleep_ms(600000);
    ++*ended;
    yk_future *late = yk_task_start(do_nothing, NULL);
    assert_int_equal(yk_await(late), YK_ECLOSED);
    yk_future_unref(late);
    yk_sleep_ms(1); /* cleaning up may take its time */
    return err;
}

static void test_closing_cancels_what_is_left_and_waits_for_it(void **state)
{
    (void)state;
    int ended = 0, runs = 0, before = open_descriptors();
    yk_loop *loop = yk_loop_new();
    yk_future *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = yk_task_start(sleep_long, &ended);
    yk_future *first = yk_task_start(do_nothing, NULL);
    assert_int_equal(yk_loop_run_until(loop, first), 0);
    yk_future *never_begun = yk_task_start(note_run, &runs);
    assert_int_equal(yk_loop_close(loop), 4);
    assert_int_equal(ended, 3);
    assert_int_equal(runs, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(yk_future_state(tasks[i]), YK_CANCELLED);
        yk_future_unref(tasks[i]);
    }
    assert_int_equal(yk_future_state(never_begun), YK_CANCELLED);
    yk_future_unref(never_begun);
    yk_future_unref(first);
    assert_int_equal(open_descriptors(), before);
}

static void test_handles_left_on_a_loop_of_ours_are_closed(void **state)
{
    (void)state;
    int before = open_descriptors();
    static uv_timer_t timer;
    yk_loop *loop = yk_loop_new();
    uv_timer_init(yk_loop_uv(loop), &timer);
    assert_int_equal(yk_loop_close(loop), 0);
    assert_true(uv_is_closing((uv_handle_t *)&timer));
    assert_int_equal(open_descriptors(), before);
}

static void *end_slowly(void *arg)
{
    yk_future *f = arg;
    yk_sleep_ms(2);
    yk_future_set_result(f, NULL, 0);
    yk_future_unref(f);
    return NULL;
}

/* The wake-up comes from a thread that may still be busy with it when the loop is gone. */
static void test_F26_a_waker_outlives_the_loop(void **state)
{
    (void)state;
    for (int i = 0; i < (SLOWLY ? 50 : 300); i++) {
        yk_loop *loop = yk_loop_new();
        yk_future *f = yk_future_new();
        pthread_t thread;
        pthread_create(&thread, NULL, end_slowly, yk_future_ref(f));
        assert_int_equal(yk_loop_run_until(loop, f), 0);
        yk_loop_close(loop);
        pthread_join(thread, NULL);
        yk_future_unref(f);
    }
}

int main(void)
{
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_loop_a_thread),
        cmocka_unit_test(test_a_loop_that_cannot_be_opened_leaves_nothing),
        cmocka_unit_test(test_waiting_on_the_loops_thread_outside_a_task_is_refused),
        cmocka_unit_test(test_a_running_loop_is_neither_run_nor_closed),
        cmocka_unit_test(test_A26_another_thread_runs_no_task),
        cmocka_unit_test(test_A26_after_a_fork_no_task_is_resumed),
        cmocka_unit_test(test_tasks_and_the_programs_handles_share_a_loop),
        cmocka_unit_test(test_the_programs_loop_lives_on),
        cmocka_unit_test(test_a_loop_with_nothing_to_do_does_not_keep_uv_run_going),
        cmocka_unit_test(test_the_loop_is_fair),
        cmocka_unit_test(test_what_becomes_ready_between_our_turn_and_the_poll),
        cmocka_unit_test(test_a_busy_source_keeps_the_loop_alive),
        cmocka_unit_test(test_two_loops_in_two_threads_hand_a_ball_to_and_fro),
        cmocka_unit_test(test_F24_a_task_of_another_loop_is_awaited_across_threads),
        cmocka_unit_test(test_closing_cancels_what_is_left_and_waits_for_it),
        cmocka_unit_test(test_handles_left_on_a_loop_of_ours_are_closed),
        cmocka_unit_test(test_F26_a_waker_outlives_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
