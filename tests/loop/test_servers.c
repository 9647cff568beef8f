/* Servers of several loops, and of several processes: what is inherited, and what becomes of
 * connections when one dies or is replaced. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <uv.h>

#include "support/backends.h"

#include "executor/executor.h"
#include "loop/loop.h"
#include "loop/net.h"
#include "loop/signal.h"

#ifdef __SANITIZE_THREAD__
#define SIGNALS_COME false /* gcc 12's ThreadSanitizer loses them in a forked child */

#else
#define SIGNALS_COME true
#endif

/* ---- Serving and asking ---------------------------------------------------------------------- */

/* Answers each line with the number of this process. */
static int answer(yk_stream *s, void *unused)
{
    char line[40];
    int err;
    (void)unused;
    while ((err = yk_stream_read_line(s, line, sizeof line, NULL, YK_FOREVER)) == 0) {
        int len = snprintf(line, sizeof line, "%d\n", (int)getpid());
        err = yk_stream_write(s, line, (size_t)len, YK_FOREVER);
        if (err)
            break;
    }
    return err;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool send_line(int fd)
{
    return send(fd, "who?\n", 5, MSG_NOSIGNAL) == 5;
}

/* Who answered; 0: nobody. */
static int read_answer(int fd)
{
    char text[40];
    ssize_t n = read(fd, text, sizeof text - 1);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    return atoi(text);
}

static int ask(uint16_t port)
{
    int fd = connect_to(port), who = 0;
    if (fd >= 0 && send_line(fd))
        who = read_answer(fd);
    if (fd >= 0)
        close(fd);
    return who;
}

/* ---- U06: worker processes beside busy loops ------------------------------------------------- */

enum { LOOPS = 2 };

static struct busy {
    pthread_t server, client;
    _Atomic uint16_t port;
    _Atomic bool stop;
    _Atomic unsigned answers;
} busy[LOOPS];

static int serve_until_stopped(void *arg)
{
    struct busy *b = arg;
    yk_listener *l;
    int err = yk_listen(&l, "127.0.0.1", 0);
    if (err)
        return err;
    yk_server *server = yk_server_start(l, answer, NULL);
    atomic_store(&b->port, yk_listener_port(l));
    while (!err && !atomic_load(&b->stop))
        err = yk_sleep_ms(1);
    yk_server_stop(server, YK_FOREVER);
    yk_listener_close(l);
    return err;
}

static void *run_server(void *arg)
{
    yk_loop *loop = yk_loop_new();
    yk_future *t = yk_task_start(serve_until_stopped, arg);
    yk_loop_run_until(loop, t);
    yk_future_unref(t);
    yk_loop_close(loop);
    return NULL;
}

static void *run_client(void *arg)
{
    struct busy *b = arg;
    while (!atomic_load(&b->stop)) {
        uint16_t port = atomic_load(&b->port);
        if (port && ask(port))
            atomic_fetch_add(&b->answers, 1);
    }
    return NULL;
}

/* Sockets of a network, and what waits for them. */
static int job_counts_inherited(yk_job *job)
{
    int found = 0;
    for (int fd = 0; fd < 1024; fd++) {
        char path[40], what[80] = "";
        int domain = 0;
        socklen_t len = sizeof domain;
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, what, sizeof what - 1) < 0)
            continue;
        bool network =
            getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_INET;
        found += network || strstr(what, "[eventpoll]") || strstr(what, "[io_uring]");
    }
    return yk_job_return(job, &found, sizeof found);
}

static void beside_busy_loops(void)
{
    yk_executor *ex = yk_process_pool(.workers = 2, .worker = { .max_jobs = 1 });
    for (size_t i = 0; i < 20; i++) { /* each by a worker of its own */
        int found = -1;
        yk_future *f = yk_submit(ex, job_counts_inherited, NULL, 0);
        assert_int_equal(yk_await_into(f, &found, sizeof found), 0);
        assert_int_equal(found, 0);
        yk_future_unref(f);
    }
    assert_int_equal(yk_executor_close(ex), 0);
}

static void test_U06_a_worker_has_nothing_of_busy_loops(void **state)
{
    (void)state;
    for (int i = 0; i < LOOPS; i++) {
        struct busy *b = &busy[i];
        *b = (struct busy){ 0 };
        assert_int_equal(pthread_create(&b->server, NULL, run_server, b), 0);
        assert_int_equal(pthread_create(&b->client, NULL, run_client, b), 0);
    }
    for (int i = 0; i < LOOPS; i++)
        eventually(atomic_load(&busy[i].answers) > 0);
    beside_busy_loops();
    for (int i = 0; i < LOOPS; i++) {
        unsigned before = atomic_load(&busy[i].answers);
        eventually(atomic_load(&busy[i].answers) > before); /* they serve on */
        atomic_store(&busy[i].stop, true);
        pthread_join(busy[i].client, NULL);
        pthread_join(busy[i].server, NULL);
    }
}

/* ---- U07: a process for each socket ---------------------------------------------------------- */

enum { SLOTS = 3, CONNECTIONS = 30 };

static int fds[CONNECTIONS]; /* a client's; 0: none */

static struct {
    int sockets[SLOTS]; /* the parent's, who never accepts */
    pid_t pids[SLOTS];
    uint16_t port;
} servers;

static void open_sockets(void)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof in;
    for (int i = 0; i < SLOTS; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one), 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
        assert_int_equal(listen(fd, 511), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
        servers.sockets[i] = fd;
    }
    servers.port = ntohs(in.sin_port);
}

/* Until SIGTERM: then those that are being served are served to their end. */
static int serve_slot(void *slot)
{
    yk_listener *l;
    yk_signal *term;
    int err = yk_signal_open(&term, SIGTERM);
    if (!err)
        err = yk_listen_fd(&l, dup(servers.sockets[*(int *)slot]));
    if (err)
        return err;
    yk_server *server = yk_server_start(l, answer, NULL);
    if (write(*((int *)slot + 1), "!", 1) != 1) /* ready */
        return UV_EPIPE;
    err = yk_signal_next(term, YK_FOREVER);
    yk_server_stop(server, YK_FOREVER);
    yk_listener_close(l);
    yk_signal_close(term);
    return err;
}

static _Noreturn void be_server(int slot, int ready)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < CONNECTIONS; i++)
        if (fds[i] > 0)
            close(fds[i]); /* or else they never end */
    int args[2] = { slot, ready };
    yk_loop *loop = yk_loop_new();
    yk_future *t = yk_task_start(serve_slot, args);
    int err = yk_loop_run_until(loop, t);
    yk_future_unref(t);
    yk_loop_close(loop);
    _exit(err < 0);
}

/* Returns when it serves. */
static pid_t start_server(int slot)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        be_server(slot, ready[1]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static void end_server(pid_t pid, int sig)
{
    int status;
    kill(pid, sig);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (sig == SIGTERM)
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void start_all(void)
{
    open_sockets();
    for (int i = 0; i < SLOTS; i++)
        servers.pids[i] = start_server(i);
}

static void end_all(void)
{
    for (int i = 0; i < SLOTS; i++) {
        end_server(servers.pids[i], SIGTERM);
        close(servers.sockets[i]);
    }
}

static bool is_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, 0) == 1;
}

static int count_readable(void)
{
    int n = 0;
    for (int i = 0; i < CONNECTIONS; i++)
        n += is_readable(fds[i]);
    return n;
}

/* Those that came to the one that is dead wait in its socket, which the parent has, for the next
 * one; all others are served meanwhile. */
static void test_U07_one_of_several_servers_is_killed(void **state)
{
    (void)state;
    if (!SIGNALS_COME)
        return;
    start_all();
    pid_t dead = servers.pids[0];
    end_server(dead, SIGKILL);
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = connect_to(servers.port);
        assert_true(fds[i] >= 0 && send_line(fds[i]));
    }
    eventually(count_readable() > 0);
    servers.pids[0] = start_server(0);
    bool seen = false;
    for (int i = 0; i < CONNECTIONS; i++) {
        int who = read_answer(fds[i]);
        assert_true(who != 0 && who != dead);
        seen |= who == servers.pids[0];
        close(fds[i]);
        fds[i] = 0;
    }
    assert_true(seen); /* one in three of thirty */
    end_all();
}

/* Asks again and again until it is told to stop; ends with how many were not answered. */
static pid_t start_asking(int *stop)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ends[1]);
        int failed = 0;
        while (!is_readable(ends[0]))
            failed += ask(servers.port) == 0;
        _exit(failed < 100 ? failed : 100);
    }
    close(ends[0]);
    *stop = ends[1];
    return pid;
}

static void test_U07_a_rolling_restart_drops_no_connection(void **state)
{
    (void)state;
    int stop, status;
    if (!SIGNALS_COME)
        return;
    start_all();
    pid_t client = start_asking(&stop);
    for (size_t round = 0; round < support_rounds(8); round++)
        for (int i = 0; i < SLOTS; i++) {
            pid_t fresh = start_server(i); /* before the old one goes */
            end_server(servers.pids[i], SIGTERM);
            servers.pids[i] = fresh;
        }
    assert_int_equal(write(stop, "!", 1), 1); /* not closed: servers have it, too */
    close(stop);
    assert_int_equal(waitpid(client, &status, 0), client);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    end_all();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_U06_a_worker_has_nothing_of_busy_loops),
        TEST(test_U07_one_of_several_servers_is_killed),
        TEST(test_U07_a_rolling_restart_drops_no_connection),
    };
    uv_loop_t loop; /* the first one opens what libuv keeps for all of them */
    if (uv_loop_init(&loop) || uv_loop_close(&loop))
        return 1;
    return RUN_TESTS("servers", tests);
}
