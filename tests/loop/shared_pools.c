#include "shared_pools.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/loop.h"

#define WORDS 64

static word *words;

void shared_words_make(void)
{
    words = mmap(NULL, WORDS * sizeof *words, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                 -1, 0);
}

word *shared_words(void)
{
    memset((void *)words, 0, WORDS * sizeof *words);
    return words;
}

/* ---- The server ------------------------------------------------------------------------------ */

static pthread_t serving;

static void *serving_thread(void *service)
{
    yk_loop *loop = yk_loop_new();
    yk_future *task = yk_task_start_with(yk__pool_serve, service, .name = "pool server");
    int err = yk_loop_run_until(loop, task);
    yk_future_unref(task);
    yk_loop_close(loop);
    return (void *)(intptr_t)err;
}

void serve_on_a_thread(yk__pool_door *door, const yk_pool_options *options)
{
    static yk__pool_service service;
    service = (yk__pool_service){ door, options };
    assert_int_equal(pthread_create(&serving, NULL, serving_thread, &service), 0);
}

void stop_serving(yk__pool_door *door)
{
    void *result;
    yk__pool_door_stay_inside(door);
    assert_int_equal(pthread_join(serving, &result), 0);
    assert_int_equal((intptr_t)result, 0);
    yk__pool_door_close(door);
}

/* ---- In processes ---------------------------------------------------------------------------- */

static pid_t fork_server(yk__pool_door *door, const yk_pool_options *options)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    signal(SIGCHLD, SIG_DFL);
    alarm(200);
    yk__pool_door_stay_inside(door);
    _exit(yk_main(0, NULL, yk__pool_serve, &(yk__pool_service){ door, options }));
}

nursery nursery_start(yk__pool_door *door, const yk_pool_options *options)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    nursery n = { .fd = ends[0], .pid = fork() };
    assert_true(n.pid >= 0);
    if (n.pid == 0) {
        char wanted;
        signal(SIGCHLD, SIG_IGN); /* they need not be waited for */
        close(ends[0]);
        while (read(ends[1], &wanted, 1) == 1) {
            pid_t pid = fork_server(door, options);
            if (write(ends[1], &pid, sizeof pid) != sizeof pid)
                break;
        }
        _exit(0);
    }
    close(ends[1]);
    return n;
}

pid_t nursery_serve(const nursery *n)
{
    pid_t pid = 0;
    assert_int_equal(write(n->fd, "!", 1), 1);
    assert_int_equal(read(n->fd, &pid, sizeof pid), sizeof pid);
    assert_true(pid > 0);
    return pid;
}

void nursery_end(nursery *n)
{
    close(n->fd);
    assert_int_equal(waitpid(n->pid, NULL, 0), n->pid);
}

/* ---- The client ------------------------------------------------------------------------------ */

struct customer {
    const yk__pool_door *door;
    const yk_pool_options *options;
    void (*body)(yk_executor *ex);
};

static int be_customer(void *arg)
{
    const struct customer *c = arg;
    yk_executor *ex = yk__shared_pool_new(c->door, c->options);
    assert_null(yk_executor_error(ex));
    c->body(ex);
    yk_executor_shutdown(ex);
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.received, s.done + s.failed + s.cancelled);
    assert_int_equal(s.pending, 0);
    assert_int_equal(s.running, 0);
    return yk_executor_close(ex);
}

static bool pause_in_task(void)
{
    if (!yk_task_current())
        return false;
    yk_sleep_ms(1);
    return true;
}

void with_shared_pool(const yk__pool_door *door, const yk_pool_options *options,
                      void (*body)(yk_executor *ex))
{
    yk_loop *loop = yk_loop_new();
    assert_non_null(loop);
    support_pause_in_task = pause_in_task;
    struct customer c = { door, options, body };
    yk_future *task = yk_task_start_with(be_customer, &c, .name = "customer");
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    yk_future_unref(task);
    assert_int_equal(yk_loop_close(loop), 0);
    support_pause_in_task = NULL;
}
