/* Tests of libuv and fork: what a job in a worker process may do with libuv, and what becomes of a
 * loop in a process that the program forks itself. Where libuv has a loop go on in the child
 * (uv_loop_fork), yoke has none: the loop stays the parent's, and the child makes its own. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common.h"
#include "loop/call.h"

#include "executor/executor.h"
#include "executor/init.h"

/* ---- All that libuv has ---------------------------------------------------------------------- */

enum { TIMER = 1, SOCKET = 2, SIGNAL = 4, FILES = 8, WORK = 16, ALL = 31 };

/* Each part closes its handles when it has come about; then the loop has nothing left to do. */
struct parts {
    int done;
    uv_timer_t timer;
    uv_tcp_t listener, server, client;
    uv_connect_t connect;
    uv_write_t write;
    uv_signal_t signal;
    uv_fs_event_t files;
    uv_work_t work;
    char text[16], directory[64], file[80];
};

static void timer_fired(uv_timer_t *timer)
{
    struct parts *p = timer->data;
    p->done |= TIMER;
    uv_close((uv_handle_t *)timer, NULL);
}

static void give_room(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct parts *p = handle->data;
    (void)size;
    *buf = uv_buf_init(p->text, sizeof p->text);
}

static void server_reads(uv_stream_t *server, ssize_t n, const uv_buf_t *buf)
{
    struct parts *p = server->data;
    if (n == 5 && memcmp(buf->base, "hello", 5) == 0)
        p->done |= SOCKET;
    if (n == 0)
        return;
    uv_close((uv_handle_t *)&p->listener, NULL);
    uv_close((uv_handle_t *)&p->server, NULL);
    uv_close((uv_handle_t *)&p->client, NULL);
}

static void client_comes(uv_stream_t *listener, int status)
{
    struct parts *p = listener->data;
    (void)status;
    uv_accept(listener, (uv_stream_t *)&p->server);
    uv_read_start((uv_stream_t *)&p->server, give_room, server_reads);
}

static void client_writes(uv_connect_t *connect, int status)
{
    struct parts *p = connect->data;
    static char hello[] = "hello";
    uv_buf_t buf = uv_buf_init(hello, 5);
    if (status == 0)
        uv_write(&p->write, connect->handle, &buf, 1, NULL);
}

static void open_tcp(uv_loop_t *uv, uv_tcp_t *tcp, struct parts *p)
{
    uv_tcp_init(uv, tcp);
    tcp->data = p;
}

static int begin_socket(uv_loop_t *uv, struct parts *p)
{
    struct sockaddr_in address;
    int len = sizeof address;
    open_tcp(uv, &p->listener, p);
    open_tcp(uv, &p->server, p);
    open_tcp(uv, &p->client, p);
    p->connect.data = p;
    uv_ip4_addr("127.0.0.1", 0, &address);
    int err = uv_tcp_bind(&p->listener, (struct sockaddr *)&address, 0);
    if (!err)
        err = uv_listen((uv_stream_t *)&p->listener, 1, client_comes);
    if (!err)
        err = uv_tcp_getsockname(&p->listener, (struct sockaddr *)&address, &len);
    if (!err)
        err = uv_tcp_connect(&p->connect, &p->client, (struct sockaddr *)&address, client_writes);
    return err;
}

static void signal_came(uv_signal_t *sig, int number)
{
    struct parts *p = sig->data;
    p->done |= number == SIGUSR2 ? SIGNAL : 0;
    uv_close((uv_handle_t *)sig, NULL);
}

static void file_came(uv_fs_event_t *files, const char *name, int events, int status)
{
    struct parts *p = files->data;
    (void)events;
    if (status == 0 && name && strcmp(name, "new") == 0)
        p->done |= FILES;
    if (!uv_is_closing((uv_handle_t *)files))
        uv_close((uv_handle_t *)files, NULL);
}

static int begin_files(uv_loop_t *uv, struct parts *p)
{
    snprintf(p->directory, sizeof p->directory, "/tmp/yoke-fork-XXXXXX");
    if (!mkdtemp(p->directory))
        return UV_EIO;
    uv_fs_event_init(uv, &p->files);
    p->files.data = p;
    int err = uv_fs_event_start(&p->files, file_came, p->directory, 0);
    snprintf(p->file, sizeof p->file, "%s/new", p->directory);
    FILE *file = fopen(p->file, "w");
    if (file)
        fclose(file);
    return err;
}

static void do_work(uv_work_t *work)
{
    (void)work;
}

static void work_done(uv_work_t *work, int status)
{
    struct parts *p = work->data;
    p->done |= status == 0 ? WORK : 0;
}

/* Runs a loop of its own with these parts. What of it came about; -1: the loop was not free. */
static int use_libuv(int parts)
{
    struct parts p = { .done = 0 };
    uv_loop_t uv;
    if (uv_loop_init(&uv))
        return 0;
    uv_timer_init(&uv, &p.timer);
    p.timer.data = p.work.data = &p;
    uv_timer_start(&p.timer, timer_fired, 1, 0);
    if (parts & SIGNAL) {
        uv_signal_init(&uv, &p.signal);
        p.signal.data = &p;
        uv_signal_start(&p.signal, signal_came, SIGUSR2);
    }
    if (parts & WORK)
        uv_queue_work(&uv, &p.work, do_work, work_done);
    int err = begin_socket(&uv, &p);
    if (!err)
        err = begin_files(&uv, &p);
    if (parts & SIGNAL)
        kill(getpid(), SIGUSR2);
    if (!err)
        uv_run(&uv, UV_RUN_DEFAULT);
    unlink(p.file);
    rmdir(p.directory);
    return uv_loop_close(&uv) == 0 ? p.done : -1;
}

/* What a child has from its parent and cannot give back: not lost, for those who look for leaks. */
static yk_loop *volatile inherited;
static yk_future *volatile promise;

/* ---- U01: in a worker process, and in a child ------------------------------------------------ */

static int job_with_libuv(yk_job *job)
{
    int done = use_libuv(ALL);
    return yk_job_return(job, &done, sizeof done);
}

static int ask_worker(void *fn)
{
    yk_executor *pool = yk_process_pool(.workers = 1);
    int answer = -1;
    for (int i = 0; i < 2; i++) { /* the second time the worker has used libuv before */
        yk_future *f = yk_submit(pool, *(yk_job_fn *)fn, NULL, 0);
        int err = yk_await_into(f, &answer, sizeof answer);
        assert_int_equal(err, 0);
        yk_future_unref(f);
    }
    assert_int_equal(yk_executor_close(pool), 0);
    return answer;
}

static void test_U01_a_job_in_a_worker_process_uses_all_of_libuv(void **state)
{
    (void)state;
    assert_int_equal(run_task(ask_worker, &(yk_job_fn){ job_with_libuv }), ALL);
}

static int sleep_and_yield(void *unused)
{
    (void)unused;
    int err = yk_sleep_ms(1);
    return err ? err : yk_yield();
}

static int gather_in_child(void *unused)
{
    (void)unused;
    return yk_gather((yk_task_fn[]){ sleep_and_yield, sleep_and_yield }, NULL, 2);
}

/* A loop of yoke's own, with tasks. 0 if they end as they should. */
static int use_yoke(void)
{
    yk_loop *loop = yk_loop_new();
    if (!loop)
        return 1;
    yk_future *t = yk_task_start(gather_in_child, NULL);
    int err = yk_loop_run_until(loop, t);
    yk_future_unref(t);
    return err ? 2 : yk_loop_close(loop) == 0 ? 0 : 3;
}

static int job_with_yoke(yk_job *job)
{
    int answer = use_yoke();
    return yk_job_return(job, &answer, sizeof answer);
}

static void test_U01_a_job_in_a_worker_process_runs_tasks_on_a_loop(void **state)
{
    (void)state;
    assert_int_equal(run_task(ask_worker, &(yk_job_fn){ job_with_yoke }), 0);
}

/* What the child returned; -1: it did not exit. */
static int wait_for(pid_t child)
{
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The thread sanitizer lets no child start threads, nor hear signals in a task. */
#ifdef __SANITIZE_THREAD__
#define PARTS (ALL & ~WORK & ~SIGNAL)
#else
#define PARTS ALL
#endif

static int fork_and_use_both(void *unused)
{
    (void)unused;
    pid_t child = fork();
    if (child == 0)
        _exit(use_libuv(PARTS) == PARTS ? use_yoke() : 100);
    return wait_for(child);
}

static void test_U01_a_child_has_loops_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(fork_and_use_both(NULL), 0);
    yk_loop *loop = inherited = yk_loop_new();
    assert_int_equal(fork_and_use_both(NULL), 0);
    assert_int_equal(yk_loop_close(loop), 0);
    assert_int_equal(run_task(fork_and_use_both, NULL), 0);
}

/* ---- U02: a signal that came just before ----------------------------------------------------- */

static int turns, signals;

static void count_turn(uv_prepare_t *prepare)
{
    (void)prepare;
    turns++;
}

static void end_of_wait(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
}

static void count_signal(uv_signal_t *sig, int number)
{
    (void)number;
    signals++;
    uv_close((uv_handle_t *)sig, NULL);
}

/* Sleeps a while on a loop that watches a signal, too. Whether it turned more often than it must.
 */
static int child_that_sleeps(void)
{
    yk_loop *loop = yk_loop_new();
    uv_prepare_t prepare;
    uv_timer_t timer;
    uv_signal_t sig;
    if (!loop)
        return 1;
    uv_prepare_init(yk_loop_uv(loop), &prepare);
    uv_prepare_start(&prepare, count_turn);
    uv_unref((uv_handle_t *)&prepare);
    uv_signal_init(yk_loop_uv(loop), &sig);
    uv_signal_start(&sig, count_signal, SIGUSR1);
    uv_unref((uv_handle_t *)&sig);
    uv_timer_init(yk_loop_uv(loop), &timer);
    uv_timer_start(&timer, end_of_wait, 50, 0);
    uv_run(yk_loop_uv(loop), UV_RUN_DEFAULT);
    yk_loop_close(loop);
    return signals == 0 && turns < 20 ? 0 : 2;
}

static void test_U02_a_signal_before_the_fork_does_not_spin_the_child(void **state)
{
    (void)state;
    uv_signal_t sig;
    yk_loop *loop = inherited = yk_loop_new();
    turns = signals = 0;
    uv_signal_init(yk_loop_uv(loop), &sig);
    uv_signal_start(&sig, count_signal, SIGUSR2);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(child_that_sleeps());
    assert_int_equal(wait_for(child), 0);
    assert_int_equal(signals, 0);
    uv_run(yk_loop_uv(loop), UV_RUN_DEFAULT);
    assert_int_equal(signals, 1); /* it was the parent's, and still is */
    assert_int_equal(yk_loop_close(loop), 0);
}

/* ---- U03: what was posted just before -------------------------------------------------------- */

static int calls;

static void count_call(void *unused)
{
    (void)unused;
    calls++;
}

static int count_task(void *unused)
{
    (void)unused;
    calls++;
    return 0;
}

static int child_without_calls(void)
{
    if (use_yoke())
        return 1;
    return calls == 0 ? 0 : 2;
}

static void test_U03_what_was_posted_before_the_fork_is_the_parents_alone(void **state)
{
    (void)state;
    calls = 0;
    yk_loop *loop = inherited = yk_loop_new();
    yk_wakeup *wakeup = yk_wakeup_new(loop, count_call, NULL);
    assert_int_equal(yk_loop_call_threadsafe(loop, count_call, NULL), 0);
    yk_wakeup_send(wakeup);
    yk_future *t = promise = yk_task_start(count_task, NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(child_without_calls());
    assert_int_equal(wait_for(child), 0);
    assert_int_equal(yk_loop_run_until(loop, t), 0);
    assert_int_equal(calls, 3);
    yk_future_unref(t);
    yk_wakeup_free(wakeup);
    assert_int_equal(yk_loop_close(loop), 0);
}

/* ---- U04: work that was queued --------------------------------------------------------------- */

static _Atomic bool may_end;
static _Atomic int began;

static int wait_for_leave(yk_job *job)
{
    (void)job;
    atomic_fetch_add(&began, 1);
    while (!atomic_load(&may_end))
        usleep(1000);
    return 0;
}

static int count_job(yk_job *job)
{
    (void)job;
    atomic_fetch_add(&began, 1);
    return 0;
}

/* Its loop has nothing to do, and ends; nobody runs what the parent has queued. */
static int child_of_busy_parent(void)
{
    atomic_store(&may_end, true);
    yk_loop *loop = yk_loop_new();
    uv_timer_t timer;
    if (!loop)
        return 1;
    if (uv_run(yk_loop_uv(loop), UV_RUN_DEFAULT) != 0)
        return 2;
    uv_timer_init(yk_loop_uv(loop), &timer);
    uv_timer_start(&timer, end_of_wait, 20, 0);
    if (uv_run(yk_loop_uv(loop), UV_RUN_DEFAULT) != 0)
        return 3;
    return atomic_load(&began) == 1 ? 0 : 4;
}

static int fork_while_jobs_wait(void *unused)
{
    (void)unused;
    yk_executor *pool = yk_thread_pool(.workers = 1);
    yk_future *f[] = { yk_submit(pool, wait_for_leave, NULL, 0),
                       yk_submit(pool, count_job, NULL, 0), yk_submit(pool, count_job, NULL, 0) };
    while (atomic_load(&began) == 0)
        assert_int_equal(yk_sleep_ms(1), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(child_of_busy_parent());
    assert_int_equal(wait_for(child), 0);
    assert_int_equal(atomic_load(&began), 1); /* the child's memory was its own */
    atomic_store(&may_end, true);
    assert_int_equal(yk_await_all(f, 3, YK_FOREVER), 0);
    assert_int_equal(atomic_load(&began), 3);
    for (int i = 0; i < 3; i++)
        yk_future_unref(f[i]);
    return yk_executor_close(pool);
}

static void test_U04_jobs_that_wait_are_the_parents_alone(void **state)
{
    (void)state;
    atomic_store(&may_end, false);
    atomic_store(&began, 0);
    assert_int_equal(run_task(fork_while_jobs_wait, NULL), 0);
}

/* ---- U05: the child closes ------------------------------------------------------------------- */

/* It cannot close the parent's, and closes its own. */
static int child_that_closes(yk_loop *parents)
{
    if (yk_loop_close(parents) != UV_EINVAL)
        return 1;
    return use_yoke();
}

static void *end_from_elsewhere(void *f)
{
    yk_future_set_result(f, "x", 1);
    return NULL;
}

static void note_input(uv_poll_t *poll, int status, int events)
{
    char byte;
    (void)events;
    if (status == 0 && recv(*(int *)poll->data, &byte, 1, 0) == 1)
        uv_close((uv_handle_t *)poll, NULL);
}

/* Timers, wake-ups by other threads, and libuv's own input still come. */
static int all_still_comes(void *unused)
{
    (void)unused;
    int ends[2];
    uv_poll_t poll;
    pthread_t thread;
    yk_loop *loop = yk_loop_current();
    uv_loop_t *uv = yk_loop_uv(loop);
    yk_future *f = promise = yk_future_new();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(uv_poll_init(uv, &poll, ends[0]), 0);
    poll.data = &ends[0];
    assert_int_equal(uv_poll_start(&poll, UV_READABLE, note_input), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(child_that_closes(loop));
    assert_int_equal(wait_for(child), 0);
    assert_int_equal(yk_sleep_ms(1), 0);
    assert_int_equal(pthread_create(&thread, NULL, end_from_elsewhere, f), 0);
    assert_int_equal(yk_await(f), 0);
    pthread_join(thread, NULL);
    assert_int_equal(send(ends[1], "x", 1, 0), 1);
    while (!uv_is_closing((uv_handle_t *)&poll))
        assert_int_equal(yk_sleep_ms(1), 0);
    close(ends[0]);
    close(ends[1]);
    yk_future_unref(f);
    return yk_yield();
}

static void test_U05_a_child_that_closes_does_not_disturb_the_parent(void **state)
{
    (void)state;
    assert_int_equal(run_task(all_still_comes, NULL), 0);
}

int main(void)
{
    int err = yk_init();
    if (err)
        return 1;
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_U01_a_job_in_a_worker_process_uses_all_of_libuv),
        cmocka_unit_test(test_U01_a_job_in_a_worker_process_runs_tasks_on_a_loop),
        cmocka_unit_test(test_U01_a_child_has_loops_of_its_own),
        cmocka_unit_test(test_U02_a_signal_before_the_fork_does_not_spin_the_child),
        cmocka_unit_test(test_U03_what_was_posted_before_the_fork_is_the_parents_alone),
        cmocka_unit_test(test_U04_jobs_that_wait_are_the_parents_alone),
        cmocka_unit_test(test_U05_a_child_that_closes_does_not_disturb_the_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
