/* Other programs. A child's end shows in a pipe that it and its descendants hold open. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common.h"
#include "executor/executor.h"
#include "executor/init.h"
#include "loop/subprocess.h"

static int open_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void run_clean(yk_task_fn app)
{
    int before = open_descriptors();
    assert_int_equal(run_task(app, NULL), 0);
    assert_int_equal(open_descriptors(), before);
}

/* A pipe whose writing end goes to a child as its standard error. */
struct lifeline {
    int ends[2];
};

static void lay_lifeline(struct lifeline *l)
{
    assert_int_equal(pipe2(l->ends, O_CLOEXEC), 0);
}

/* Returns when everybody who held it is gone. */
static void await_end(struct lifeline *l)
{
    char byte;
    close(l->ends[1]);
    while (read(l->ends[0], &byte, 1) > 0)
        ;
    close(l->ends[0]);
}

/* ---- Failures -------------------------------------------------------------------------------- */

static const char *const nothing[] = { NULL };
static const char *const missing[] = { "/no/such/program", NULL };
static const char *const a_folder[] = { "/etc", NULL };
static const char *const truth[] = { "true", NULL };

static void test_what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    yk_subprocess *p = NULL;
    yk_output o;
    assert_int_equal(yk_subprocess_start(&p, .shell = "true"), UV_EINVAL); /* no loop */
    assert_int_equal(yk_run(&o, YK_FOREVER, .shell = "true"), YK_EONLOOP);
    yk_loop *loop = yk_loop_new();
    assert_int_equal(yk_subprocess_start(&p, .in = YK_IO_NULL), UV_EINVAL);
    assert_int_equal(yk_subprocess_start(&p, .shell = "true", .argv = truth), UV_EINVAL);
    assert_int_equal(yk_subprocess_start(&p, .argv = nothing), UV_EINVAL);
    assert_int_equal(yk_subprocess_start(&p, .argv = truth, .out = YK_IO_MERGE), UV_EINVAL);
    assert_int_equal(yk_subprocess_start(&p, .argv = truth, .out = YK_IO_FD, .out_fd = -1),
                     UV_EBADF);
    assert_int_equal(yk_run(&o, YK_FOREVER, .shell = "true"), YK_EONLOOP);
    assert_null(p);
    yk_subprocess_free(NULL);
    yk_loop_close(loop);
}

static int cannot_start(void *arg)
{
    (void)arg;
    yk_output o;
    assert_int_equal(yk_run(&o, YK_FOREVER, .argv = missing), UV_ENOENT);
    assert_int_equal(yk_run(&o, YK_FOREVER, .argv = a_folder), UV_EACCES);
    assert_int_equal(yk_run(&o, YK_FOREVER, .argv = truth, .directory = "/no/such/folder"),
                     UV_ENOENT);
    assert_null(o.out);
    yk_subprocess *p = NULL;
    assert_int_equal(yk_subprocess_start(&p, .argv = missing, .in = YK_IO_PIPE, .out = YK_IO_PIPE,
                                         .err = YK_IO_PIPE),
                     UV_ENOENT);
    assert_null(p);
    yk_output_free(&o);
    return 0;
}

static void test_a_program_that_cannot_be_started(void **state)
{
    (void)state;
    run_clean(cannot_start);
}

/* With room for 0, 1, 2, ... more descriptors, until it is enough. */
static int exhaust_descriptors(void *arg)
{
    (void)arg;
    struct rlimit before, few;
    getrlimit(RLIMIT_NOFILE, &before);
    int err = -1, failures = 0, most = open_descriptors() + 40;
    for (int room = 0; err && room < most; room++) {
        yk_output o;
        few = (struct rlimit){ .rlim_cur = (rlim_t)room, .rlim_max = before.rlim_max };
        setrlimit(RLIMIT_NOFILE, &few);
        err = yk_run(&o, YK_FOREVER, .argv = truth, .input = "x", .input_len = 1);
        setrlimit(RLIMIT_NOFILE, &before);
        assert_true(err == 0 || err == UV_EMFILE);
        failures += err != 0;
        yk_output_free(&o);
    }
    assert_int_equal(err, 0);
    assert_true(failures > 3);
    return 0;
}

static void test_without_descriptors_nothing_is_left(void **state)
{
    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip(); /* it has limits of its own */
    run_clean(exhaust_descriptors);
}

/* ---- How it ends ----------------------------------------------------------------------------- */

static int ends(void *arg)
{
    (void)arg;
    yk_output o;
    yk_subprocess *p;
    yk_exit how = { .code = 77 };
    assert_int_equal(yk_run(&o, YK_FOREVER, .shell = "exit 7"), 0);
    assert_int_equal(o.exit.code, 7);
    assert_int_equal(o.exit.signal, 0);
    yk_output_free(&o);
    assert_int_equal(yk_run(&o, YK_FOREVER, .shell = "kill -KILL $$"), 0);
    assert_int_equal(o.exit.code, -1);
    assert_int_equal(o.exit.signal, SIGKILL);
    yk_output_free(&o);

    assert_int_equal(yk_subprocess_start(&p, .shell = "exec cat", .in = YK_IO_PIPE), 0);
    assert_true(yk_subprocess_pid(p) > 0);
    assert_int_equal(yk_subprocess_wait(p, &how, 0), UV_ETIMEDOUT);
    assert_int_equal(how.code, 77);
    assert_int_equal(yk_subprocess_signal(p, 1000), UV_EINVAL);
    assert_int_equal(yk_subprocess_signal(p, SIGUSR1), 0);
    assert_int_equal(yk_subprocess_wait(p, &how, YK_FOREVER), 0);
    assert_int_equal(how.signal, SIGUSR1);
    assert_int_equal(yk_subprocess_wait(p, NULL, 0), 0); /* as often as one likes */
    assert_int_equal(yk_subprocess_signal(p, SIGUSR1), UV_ESRCH);
    yk_subprocess_stop(p);
    yk_subprocess_free(p);
    return 0;
}

static void test_exit_status_or_signal(void **state)
{
    (void)state;
    run_clean(ends);
}

static const char deaf[] = "trap '' TERM; echo ready; while :; do sleep 0.01; done";

static int stop_the_deaf(void *arg)
{
    (void)arg;
    struct lifeline l;
    lay_lifeline(&l);
    yk_subprocess *p;
    yk_exit how;
    char line[16];
    assert_int_equal(yk_subprocess_start(&p, .shell = deaf, .out = YK_IO_PIPE, .err = YK_IO_FD,
                                         .err_fd = l.ends[1], .grace_ms = 20),
                     0);
    assert_int_equal(yk_stream_read_line(yk_subprocess_out(p), line, sizeof line, NULL, YK_FOREVER),
                     0);
    assert_string_equal(line, "ready");
    yk_subprocess_stop(p);
    yk_subprocess_stop(p);
    assert_int_equal(yk_subprocess_wait(p, &how, YK_FOREVER), 0);
    assert_int_equal(how.signal, SIGKILL);
    yk_subprocess_free(p);
    await_end(&l);
    return 0;
}

static void test_T03_one_that_ignores_SIGTERM_is_killed_after_the_grace(void **state)
{
    (void)state;
    run_clean(stop_the_deaf);
}

static int stop_the_polite(void *arg)
{
    (void)arg;
    yk_subprocess *p;
    yk_exit how;
    assert_int_equal(yk_subprocess_start(&p, .shell = "exec sleep 1000", .grace_ms = 600000), 0);
    yk_subprocess_stop(p);
    assert_int_equal(yk_subprocess_wait(p, &how, YK_FOREVER), 0);
    assert_int_equal(how.signal, SIGTERM);
    yk_subprocess_free(p);
    return 0;
}

static void test_one_that_heeds_SIGTERM_is_not_killed(void **state)
{
    (void)state;
    run_clean(stop_the_polite);
}

static int orphans_hold_the_pipe(void *arg)
{
    (void)arg;
    struct lifeline l;
    yk_output o;
    lay_lifeline(&l);
    assert_int_equal(yk_run(&o, yk_after_ms(50), .shell = "sleep 1000 & echo told; exit 3",
                            .err = YK_IO_FD, .err_fd = l.ends[1]),
                     UV_ETIMEDOUT);
    yk_output_free(&o);
    await_end(&l); /* the whole group is gone */
    return 0;
}

static void test_P36_grandchildren_that_hold_the_pipe_are_killed_at_the_deadline(void **state)
{
    (void)state;
    run_clean(orphans_hold_the_pipe);
}

struct ran {
    struct lifeline *line;
    yk_output o;
};

static int run_for_ever(void *arg)
{
    struct ran *r = arg;
    int err = yk_run(&r->o, YK_FOREVER, .shell = deaf, .grace_ms = 20, .err = YK_IO_FD,
                     .err_fd = r->line->ends[1]);
    return err;
}

static int cancel_a_run(void *arg)
{
    (void)arg;
    for (int often = 1; often <= 2; often++) {
        struct lifeline l;
        struct ran r = { .line = &l };
        lay_lifeline(&l);
        yk_future *task = yk_task_start(run_for_ever, &r);
        assert_int_equal(yk_sleep_ms(5), 0);
        for (int i = 0; i < often; i++) {
            yk_future_cancel(task);
            assert_int_equal(yk_yield(), 0);
        }
        assert_int_equal(yk_await(task), YK_ECANCELED);
        yk_future_unref(task);
        yk_output_free(&r.o);
        await_end(&l);
    }
    return 0;
}

static void test_T06_cancelling_the_task_ends_the_child_by_the_ladder(void **state)
{
    (void)state;
    run_clean(cancel_a_run);
}

static int wait_for_it(void *arg)
{
    return yk_subprocess_wait(arg, NULL, YK_FOREVER);
}

static int free_a_running_one(void *arg)
{
    (void)arg;
    struct lifeline l;
    lay_lifeline(&l);
    yk_subprocess *p;
    assert_int_equal(yk_subprocess_start(&p, .shell = "sleep 1000; exit 1", .in = YK_IO_PIPE,
                                         .err = YK_IO_FD, .err_fd = l.ends[1]),
                     0);
    yk_future *waiter = yk_task_start(wait_for_it, p);
    assert_int_equal(yk_yield(), 0);
    yk_subprocess_free(p);
    assert_int_equal(yk_await(waiter), YK_ECLOSED);
    yk_future_unref(waiter);
    await_end(&l);
    return 0;
}

static void test_giving_back_one_that_runs_kills_it(void **state)
{
    (void)state;
    run_clean(free_a_running_one);
}

static int start_one(void *arg)
{
    return yk_subprocess_start(arg, .shell = "sleep 1000; exit 1", .in = YK_IO_PIPE);
}

static void test_a_closed_loop_leaves_no_child(void **state)
{
    (void)state;
    int before = open_descriptors();
    uv_loop_t uv;
    uv_loop_init(&uv);
    yk_loop *loop = yk_loop_new(.uv = &uv);
    yk_subprocess *p;
    yk_exit how;
    yk_future *task = yk_task_start(start_one, &p);
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    assert_int_equal(uv_run(&uv, UV_RUN_DEFAULT), 0); /* it keeps no loop going */
    yk_future_unref(task);
    assert_int_equal(yk_loop_close(loop), 0);
    assert_int_equal(uv_loop_close(&uv), 0);
    assert_int_equal(yk_subprocess_wait(p, &how, YK_FOREVER), 0);
    assert_int_equal(how.signal, SIGKILL);
    assert_int_equal(yk_subprocess_signal(p, SIGTERM), UV_ESRCH);
    yk_subprocess_stop(p);
    yk_subprocess_free(p);
    assert_int_equal(open_descriptors(), before);
}

/* ---- What it gets and gives ------------------------------------------------------------------ */

static int surroundings(void *arg)
{
    (void)arg;
    yk_output o;
    const char *const environment[] = { "WHO=yoke", NULL };
    assert_int_equal(yk_run(&o, YK_FOREVER, .shell = "echo $WHO; pwd; cat; echo oops >&2",
                            .directory = "/", .environment = environment),
                     0);
    assert_string_equal(o.out, "yoke\n/\n");
    assert_int_equal(o.out_len, 7);
    assert_string_equal(o.err, "oops\n");
    yk_output_free(&o);
    assert_int_equal(yk_run(&o, YK_FOREVER, .shell = "echo a; echo b >&2; echo c", .input = "x",
                            .input_len = 1, .err = YK_IO_MERGE),
                     0);
    assert_string_equal(o.out, "a\nb\nc\n");
    assert_null(o.err);
    yk_output_free(&o);
    assert_int_equal(yk_run(&o, YK_FOREVER, .shell = "echo unheard", .out = YK_IO_NULL), 0);
    assert_null(o.out);
    yk_output_free(&o);
    /* A group of its own, or the program's. */
    char own[64], expected[64];
    assert_int_equal(yk_run(&o, YK_FOREVER, .shell = "cut -d' ' -f5 /proc/$$/stat"), 0);
    snprintf(own, sizeof own, "%d\n", getpgrp());
    assert_string_not_equal(o.out, own);
    yk_output_free(&o);
    assert_int_equal(
        yk_run(&o, YK_FOREVER, .shell = "cut -d' ' -f5 /proc/$$/stat", .same_group = true), 0);
    snprintf(expected, sizeof expected, "%d\n", getpgrp());
    assert_string_equal(o.out, expected);
    yk_output_free(&o);
    return 0;
}

static void test_folder_environment_and_descriptors(void **state)
{
    (void)state;
    run_clean(surroundings);
}

static int talk(void *arg)
{
    (void)arg;
    yk_subprocess *p;
    char line[32];
    assert_int_equal(
        yk_subprocess_start(&p, .shell = "exec cat", .in = YK_IO_PIPE, .out = YK_IO_PIPE), 0);
    assert_null(yk_subprocess_err(p));
    for (int i = 0; i < 20; i++) {
        char text[32];
        int len = snprintf(text, sizeof text, "line %d\n", i);
        assert_int_equal(yk_stream_write(yk_subprocess_in(p), text, (size_t)len, YK_FOREVER), 0);
        assert_int_equal(
            yk_stream_read_line(yk_subprocess_out(p), line, sizeof line, NULL, YK_FOREVER), 0);
        text[len - 1] = 0;
        assert_string_equal(line, text);
    }
    yk_stream_end_writing(yk_subprocess_in(p));
    assert_int_equal(yk_stream_read_line(yk_subprocess_out(p), line, sizeof line, NULL, YK_FOREVER),
                     YK_END);
    yk_exit how;
    assert_int_equal(yk_subprocess_wait(p, &how, YK_FOREVER), 0);
    assert_int_equal(how.code, 0);
    yk_subprocess_free(p);
    return 0;
}

static void test_lines_to_and_fro(void **state)
{
    (void)state;
    run_clean(talk);
}

/* More than the pipes and buffers hold, in all three directions at once. */
static int much_at_once(void *arg)
{
    (void)arg;
    size_t len = SLOWLY ? 1 << 20 : 4 << 20;
    char *input = malloc(len);
    for (size_t i = 0; i < len; i++)
        input[i] = (char)(i * 31 + i / 4096);
    yk_output o;
    assert_int_equal(
        yk_run(&o, YK_FOREVER, .shell = "tee /dev/stderr", .input = input, .input_len = len), 0);
    assert_int_equal(o.out_len, len);
    assert_int_equal(o.err_len, len);
    assert_memory_equal(o.out, input, len);
    assert_memory_equal(o.err, input, len);
    yk_output_free(&o);
    /* One that reads none of it. */
    assert_int_equal(
        yk_run(&o, YK_FOREVER, .shell = "exec 0<&-; echo no", .input = input, .input_len = len), 0);
    assert_string_equal(o.out, "no\n");
    yk_output_free(&o);
    /* And one that says too much. */
    assert_int_equal(
        yk_run(&o, YK_FOREVER, .shell = "while echo more; do :; done", .limit = 100000),
        YK_ETOOBIG);
    assert_int_equal(o.out_len, 100001);
    yk_output_free(&o);
    assert_int_equal(yk_run(&o, YK_FOREVER, .shell = "printf 12345", .limit = 5), 0);
    assert_string_equal(o.out, "12345");
    yk_output_free(&o);
    free(input);
    return 0;
}

static void test_P33_much_in_all_directions_at_once(void **state)
{
    (void)state;
    run_clean(much_at_once);
}

static int one_of_many(void *arg)
{
    yk_output o;
    char input[16], expected[32];
    int n = *(int *)arg, len = snprintf(input, sizeof input, "%d\n", n);
    assert_int_equal(yk_run(&o, YK_FOREVER, .shell = "read n; echo it was $n; exit $n",
                            .input = input, .input_len = (size_t)len),
                     0);
    snprintf(expected, sizeof expected, "it was %d\n", n);
    assert_string_equal(o.out, expected);
    assert_int_equal(o.exit.code, n);
    yk_output_free(&o);
    return 0;
}

static int fifty(void *arg)
{
    (void)arg;
    enum { N = 50 };
    int numbers[N];
    yk_task_fn fns[N];
    void *args[N];
    for (int i = 0; i < N; i++) {
        numbers[i] = i;
        fns[i] = one_of_many;
        args[i] = &numbers[i];
    }
    return yk_gather(fns, args, N);
}

static void test_fifty_at_once(void **state)
{
    (void)state;
    run_clean(fifty);
}

static int square(yk_job *job)
{
    const int *n = yk_job_arg(job);
    return yk_job_return(job, &(int){ *n * *n }, sizeof(int));
}

static int killed_in_a_job(yk_job *job)
{
    (void)job;
    return raise(SIGKILL);
}

/* Workers are the zygote's children and reaped there, programs are ours: each end is told to whom
 * it belongs. */
static int beside_workers(void *arg)
{
    yk_executor *pool = yk_process_pool(.workers = 2);
    yk_future *jobs[10], *crash = yk_submit(pool, killed_in_a_job, NULL, 0);
    for (int i = 0; i < 10; i++)
        jobs[i] = yk_submit(pool, square, &i, sizeof i);
    assert_int_equal(fifty(arg), 0);
    assert_int_equal(yk_await(crash), YK_ECRASHED);
    assert_int_equal(yk_future_error(crash)->signal, SIGKILL);
    yk_future_unref(crash);
    for (int i = 0, value; i < 10; i++) {
        assert_int_equal(yk_await_into(jobs[i], &value, sizeof value), 0);
        assert_int_equal(value, i * i);
        yk_future_unref(jobs[i]);
    }
    return yk_executor_close(pool);
}

static void test_children_beside_worker_processes(void **state)
{
    (void)state;
    assert_int_equal(run_task(beside_workers, NULL), 0);
}

int main(void)
{
    yk_init();
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_makes_no_sense_is_refused),
        cmocka_unit_test(test_a_program_that_cannot_be_started),
        cmocka_unit_test(test_without_descriptors_nothing_is_left),
        cmocka_unit_test(test_exit_status_or_signal),
        cmocka_unit_test(test_T03_one_that_ignores_SIGTERM_is_killed_after_the_grace),
        cmocka_unit_test(test_one_that_heeds_SIGTERM_is_not_killed),
        cmocka_unit_test(test_P36_grandchildren_that_hold_the_pipe_are_killed_at_the_deadline),
        cmocka_unit_test(test_T06_cancelling_the_task_ends_the_child_by_the_ladder),
        cmocka_unit_test(test_giving_back_one_that_runs_kills_it),
        cmocka_unit_test(test_a_closed_loop_leaves_no_child),
        cmocka_unit_test(test_folder_environment_and_descriptors),
        cmocka_unit_test(test_lines_to_and_fro),
        cmocka_unit_test(test_P33_much_in_all_directions_at_once),
        cmocka_unit_test(test_fifty_at_once),
        cmocka_unit_test(test_children_beside_worker_processes),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    yk_fini();
    return failed;
}
