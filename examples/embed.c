/* A program that had libuv first: a timer, and an echo server with callbacks. What it gains by yoke
 * stands in one piece below: a line "primes N" is answered by a worker process, and "crash" by the
 * news that it died. Meanwhile the timer ticks and other lines are echoed.
 *
 *   embed [PORT]        serves one client on 127.0.0.1, and ends when that has gone
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <yoke/yoke.h>

#define LINE 64

static uv_tcp_t server, client;
static uv_timer_t timer;
static int ticks;
static char received[LINE];
static size_t received_len;

/* ---- The echo server, as it was -------------------------------------------------------------- */

struct answer {
    uv_write_t write; /* the first member */
    char text[2 * LINE];
};

static void answered(uv_write_t *write, int status)
{
    (void)status;
    free(write);
}

static void answer(const char *text)
{
    struct answer *a = malloc(sizeof *a);
    if (!a)
        return;
    snprintf(a->text, sizeof a->text, "%s\n", text);
    uv_buf_t buf = uv_buf_init(a->text, (unsigned)strlen(a->text));
    if (uv_is_closing((uv_handle_t *)&client) ||
        uv_write(&a->write, (uv_stream_t *)&client, &buf, 1, answered))
        free(a);
}

static bool ask_worker(const char *line); /* yoke */

static void take_line(const char *line)
{
    if (strcmp(line, "ticks") == 0)
        answer(ticks > 1 ? "the timer ticks" : "the timer stands still");
    else if (!ask_worker(line)) /* yoke */
        answer(line);
}

static void take_lines(void)
{
    char *end;
    while ((end = memchr(received, '\n', received_len))) {
        *end = '\0';
        take_line(received);
        received_len -= (size_t)(end + 1 - received);
        memmove(received, end + 1, received_len);
    }
}

static void give_room(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)handle;
    (void)size;
    *buf = uv_buf_init(received + received_len, (unsigned)(sizeof received - received_len));
}

static void close_all(void)
{
    uv_close((uv_handle_t *)&client, NULL);
    uv_close((uv_handle_t *)&server, NULL);
    uv_close((uv_handle_t *)&timer, NULL);
}

static void has_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)stream;
    (void)buf;
    if (n < 0) { /* gone, or a line that is too long */
        close_all();
        return;
    }
    received_len += (size_t)n;
    take_lines();
}

static void connected(uv_stream_t *stream, int status)
{
    if (status == 0 && uv_accept(stream, (uv_stream_t *)&client) == 0)
        uv_read_start((uv_stream_t *)&client, give_room, has_read);
}

static void tick(uv_timer_t *t)
{
    (void)t;
    ticks++;
}

/* ---- What it gains --------------------------------------------------------------------------- */

static yk_executor *pool;

/* In a worker process. */
static int count_primes(yk_job *job)
{
    const char *line = yk_job_arg(job);
    if (strcmp(line, "crash") == 0)
        abort();
    int limit = atoi(line + strlen("primes ")), found = 0;
    for (int n = 2; n < limit; n++) {
        int d = 2;
        while (d * d <= n && n % d != 0)
            d++;
        found += d * d > n;
    }
    return yk_job_return(job, &found, sizeof found);
}

/* On the loop's thread: `pool` is driven by this loop. */
static int worker_answered(yk_future *f, void *unused)
{
    (void)unused;
    char text[2 * LINE];
    const int *found = yk_future_result(f, NULL);
    if (found)
        snprintf(text, sizeof text, "%d primes", *found);
    else
        snprintf(text, sizeof text, "%.100s", yk_future_error(f)->message);
    answer(text);
    yk_future_unref(f);
    return 0;
}

static bool ask_worker(const char *line)
{
    if (strncmp(line, "primes ", 7) != 0 && strcmp(line, "crash") != 0)
        return false;
    yk_future *f = yk_submit(pool, count_primes, line, strlen(line) + 1);
    if (yk_future_on_end(f, worker_answered, NULL))
        yk_future_unref(f); /* no memory: no answer */
    return true;
}

/* ---- The program ----------------------------------------------------------------------------- */

static int listen_on(uv_loop_t *uv, int port)
{
    struct sockaddr_in address;
    int len = sizeof address;
    uv_ip4_addr("127.0.0.1", port, &address);
    uv_tcp_init(uv, &server);
    uv_tcp_init(uv, &client);
    int err = uv_tcp_bind(&server, (struct sockaddr *)&address, 0);
    if (!err)
        err = uv_listen((uv_stream_t *)&server, 1, connected);
    if (!err)
        err = uv_tcp_getsockname(&server, (struct sockaddr *)&address, &len);
    if (!err)
        printf("listening on port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    return err;
}

int main(int argc, char **argv)
{
    yk_init(); /* yoke */
    uv_loop_t *uv = uv_default_loop();
    uv_timer_init(uv, &timer);
    uv_timer_start(&timer, tick, 1, 1);
    int err = listen_on(uv, argc > 1 ? atoi(argv[1]) : 0);
    if (err) {
        fprintf(stderr, "cannot listen: %s\n", uv_strerror(err));
        return 1;
    }

    yk_loop *loop = yk_loop_new(.uv = uv); /* yoke */
    pool = yk_process_pool(.workers = 2);  /* yoke */

    uv_run(uv, UV_RUN_DEFAULT);

    yk_executor_close(pool); /* yoke */
    yk_loop_close(loop);     /* yoke */
    return uv_loop_close(uv) ? 1 : 0;
}
