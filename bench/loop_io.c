/* What goes through the loop from outside: timers, an echo over TCP, and how late it all is. */
#include "loop.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "executor/cpu.h"
#include "executor/executor.h"
#include "loop/call.h"
#include "loop/loop.h"
#include "loop/net.h"

/* ---- Timers ---------------------------------------------------------------------------------- */

#define OTHERS 1000
#define TIMERS 200000

static void nothing(void *unused)
{
    (void)unused;
}

static void uv_nothing(uv_timer_t *unused)
{
    (void)unused;
}

double bench_timer_yoke(void)
{
    yk_loop *loop = yk_loop_new();
    yk_call *others[OTHERS], *call;
    if (!loop)
        return 0;
    for (int i = 0; i < OTHERS; i++)
        if (yk_call_later_ms(30000 + (uint64_t)i, nothing, NULL, &others[i]))
            others[i] = NULL;
    uint64_t start = yk_now();
    for (int i = 0; i < TIMERS; i++)
        if (yk_call_at(start + 60000000000u + (uint64_t)i, nothing, NULL, &call) == 0)
            yk_call_cancel(call);
    double ns = (double)(yk_now() - start) / TIMERS;
    for (int i = 0; i < OTHERS; i++)
        yk_call_cancel(others[i]);
    yk_loop_close(loop);
    return ns;
}

double bench_timer_uv(void)
{
    uv_loop_t uv;
    uv_timer_t others[OTHERS], timer;
    uv_loop_init(&uv);
    for (int i = 0; i < OTHERS; i++) {
        uv_timer_init(&uv, &others[i]);
        uv_timer_start(&others[i], uv_nothing, 30000 + (uint64_t)i, 0);
    }
    uv_timer_init(&uv, &timer);
    uint64_t start = yk_now();
    for (int i = 0; i < TIMERS; i++) {
        uv_timer_start(&timer, uv_nothing, 60000, 0);
        uv_timer_stop(&timer);
    }
    double ns = (double)(yk_now() - start) / TIMERS;
    for (int i = 0; i < OTHERS; i++)
        uv_close((uv_handle_t *)&others[i], NULL);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&uv, UV_RUN_DEFAULT);
    uv_loop_close(&uv);
    return ns;
}

/* ---- Echo: the servers ----------------------------------------------------------------------- */

#define REQUEST 64
#define CLIENTS 16

static int yoke_connection(yk_stream *s, void *unused)
{
    char bytes[4096];
    size_t n;
    (void)unused;
    int err;
    while ((err = yk_stream_read_some(s, bytes, sizeof bytes, &n, YK_FOREVER)) == 0)
        if ((err = yk_stream_write(s, bytes, n, YK_FOREVER)))
            break;
    return err == YK_END ? 0 : err;
}

/* A server listens on a socket that is its standard input. */
static int serve_yoke(void *unused)
{
    yk_listener *l;
    (void)unused;
    int err = yk_listen_fd(&l, STDIN_FILENO);
    if (err)
        return err;
    yk_server_start(l, yoke_connection, NULL);
    return yk_sleep_until(YK_FOREVER);
}

static char uv_bytes[4096];

static void give_room(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)handle;
    (void)size;
    *buf = uv_buf_init(uv_bytes, sizeof uv_bytes);
}

static void has_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    uv_buf_t out = uv_buf_init(buf->base, (unsigned)(n > 0 ? n : 0));
    if (n > 0 && uv_try_write(stream, &out, 1) == n)
        return;
    uv_close((uv_handle_t *)stream, NULL);
}

static void has_client(uv_stream_t *listener, int status)
{
    static uv_tcp_t clients[CLIENTS];
    static int n;
    if (status || n == CLIENTS)
        return;
    uv_tcp_init(listener->loop, &clients[n]);
    uv_accept(listener, (uv_stream_t *)&clients[n]);
    uv_read_start((uv_stream_t *)&clients[n++], give_room, has_read);
}

static void serve_uv(void)
{
    static uv_tcp_t listener;
    uv_tcp_init(uv_default_loop(), &listener);
    uv_tcp_open(&listener, STDIN_FILENO);
    uv_listen((uv_stream_t *)&listener, CLIENTS, has_client);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static const char asyncio_server[] =
    "import asyncio, socket\n"
    "async def echo(r, w):\n"
    "    while (b := await r.read(4096)):\n"
    "        w.write(b); await w.drain()\n"
    "async def main():\n"
    "    s = await asyncio.start_server(echo, sock=socket.socket(fileno=0))\n"
    "    await s.serve_forever()\n"
    "asyncio.run(main())\n";

static void serve(bench_server which)
{
    if (which == BENCH_UV) {
        serve_uv();
    } else if (which == BENCH_YOKE) {
        yk_loop *loop = yk_loop_new();
        yk_future *t = yk_task_start(serve_yoke, NULL);
        yk_loop_run_until(loop, t);
    } else {
        execlp("python3", "python3", "-c", asyncio_server, (char *)NULL);
    }
    _exit(1);
}

/* ---- Echo: the clients ----------------------------------------------------------------------- */

#define ECHO_MS 1000

static int listen_anywhere(struct sockaddr_in *address)
{
    socklen_t len = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *address =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    bind(fd, (struct sockaddr *)address, sizeof *address);
    listen(fd, CLIENTS);
    getsockname(fd, (struct sockaddr *)address, &len);
    return fd;
}

static int connect_to(const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    connect(fd, (const struct sockaddr *)address, sizeof *address);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* Asks again on every connection that has been answered, until the deadline. Answers that came; -1:
 * the server is gone. */
static long ask(struct pollfd *clients, uint64_t deadline)
{
    char bytes[REQUEST] = { 0 };
    long answers = 0;
    while (yk_now() < deadline) {
        poll(clients, CLIENTS, 100);
        for (int i = 0; i < CLIENTS; i++) {
            if (!clients[i].revents)
                continue;
            if (recv(clients[i].fd, bytes, sizeof bytes, MSG_WAITALL) != REQUEST ||
                send(clients[i].fd, bytes, sizeof bytes, MSG_NOSIGNAL) != REQUEST)
                return -1;
            answers++;
        }
    }
    return answers;
}

static double ask_server(const struct sockaddr_in *address)
{
    struct pollfd clients[CLIENTS];
    char bytes[REQUEST] = { 0 };
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (struct pollfd){ .fd = connect_to(address), .events = POLLIN };
        if (send(clients[i].fd, bytes, sizeof bytes, MSG_NOSIGNAL) != REQUEST)
            clients[i].events = 0;
    }
    poll(clients, CLIENTS, 2000); /* it has started */
    uint64_t start = yk_now();
    long n = ask(clients, start + ECHO_MS * 1000000ull);
    double seconds = (double)(yk_now() - start) / 1e9;
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i].fd);
    return n > 0 ? (double)n / seconds : 0;
}

double bench_echo(bench_server which)
{
    struct sockaddr_in address;
    int fd = listen_anywhere(&address);
    pid_t server = fork();
    if (server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(fd, STDIN_FILENO);
        serve(which);
    }
    close(fd);
    double rate = ask_server(&address);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    return rate;
}

/* ---- Lag ------------------------------------------------------------------------------------- */

#define LAG_SLEEPS 1000

static int compute(yk_job *job)
{
    volatile unsigned long n = 0;
    while (!yk_job_cancelled(job))
        for (int i = 0; i < 100000; i++)
            n++;
    return YK_ECANCELED;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sleep_often(double *lag)
{
    for (int i = 0; i < LAG_SLEEPS; i++) {
        uint64_t at = yk_after_ms(1);
        yk_sleep_until(at);
        lag[i] = (double)(yk_now() - at) / 1e3;
    }
    qsort(lag, LAG_SLEEPS, sizeof *lag, by_size);
}

static int measure_lag(void *out)
{
    static double lag[LAG_SLEEPS];
    int n = 2 * (int)yk_cpu_count();
    yk_executor *pool = yk_process_pool(.workers = n);
    yk_future **jobs = calloc((size_t)n, sizeof(yk_future *));
    for (int i = 0; jobs && i < n; i++)
        jobs[i] = yk_submit(pool, compute, NULL, 0);
    yk_sleep_ms(100); /* they compute */
    sleep_often(lag);
    for (int i = 0; jobs && i < n; i++) {
        yk_future_cancel(jobs[i]);
        yk_await(jobs[i]);
        yk_future_unref(jobs[i]);
    }
    free(jobs);
    *(bench_lag *)out =
        (bench_lag){ lag[LAG_SLEEPS / 2], lag[LAG_SLEEPS * 99 / 100], lag[LAG_SLEEPS - 1] };
    return yk_executor_close(pool);
}

bool bench_measure_lag(bench_lag *lag)
{
    yk_loop *loop = yk_loop_new();
    if (!loop)
        return false;
    yk_future *t = yk_task_start(measure_lag, lag);
    int err = yk_loop_run_until(loop, t);
    yk_future_unref(t);
    yk_loop_close(loop);
    return err == 0;
}
