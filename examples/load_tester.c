/* Sends a server so many HTTP requests, so many of them at once, each on a connection that is kept,
 * and says how long the answers took.
 *
 *   load_tester http://HOST[:PORT][/PATH] [REQUESTS [AT ONCE]]          1000, 10 unless given
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <uv.h>

#include <yoke/yoke.h>

enum { LINE = 4096, AT_MOST_ONCE = 10000 };
#define PATIENCE 10000 /* milliseconds for one answer */

static struct {
    char host[200], path[1000];
    uint16_t port;
    unsigned requests, at_once;

    unsigned sent, done, failed;
    int last_error;
    double *times; /* of those that were answered, in milliseconds */
    uint64_t began;
} load;

/* ---- One request ----------------------------------------------------------------------------- */

/* Reads the status line and the headers: how long the body is, and whether the server closes. */
static int read_head(yk_stream *s, size_t *body, bool *closes, uint64_t deadline)
{
    char line[LINE];
    int status = 0, err = yk_stream_read_line(s, line, sizeof line, NULL, deadline);
    if (!err && (sscanf(line, "HTTP/1.%*1[01] %3d", &status) != 1 || status >= 500))
        err = UV_EPROTO;
    *body = SIZE_MAX;
    *closes = false;
    while (!err && (err = yk_stream_read_line(s, line, sizeof line, NULL, deadline)) == 0) {
        if (line[0] == '\0')
            return *body == SIZE_MAX ? UV_EPROTO : 0; /* no length, as of a body in chunks */
        if (strncasecmp(line, "content-length:", 15) == 0)
            *body = strtoull(line + 15, NULL, 10);
        if (strncasecmp(line, "connection:", 11) == 0 && strstr(line, "close"))
            *closes = true;
    }
    return err;
}

static int read_body(yk_stream *s, size_t left, uint64_t deadline)
{
    char block[LINE];
    while (left > 0) {
        size_t n = left < sizeof block ? left : sizeof block;
        int err = yk_stream_read_exactly(s, block, n, deadline);
        if (err)
            return err;
        left -= n;
    }
    return 0;
}

/* On a connection that is open, or that it opens. One that cannot be used again is closed. */
static int ask(yk_stream **s)
{
    uint64_t deadline = yk_after_ms(PATIENCE);
    char text[LINE];
    size_t body;
    bool closes = true;
    int err = *s ? 0 : yk_connect(s, load.host, load.port, deadline);
    int len = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s:%d\r\n\r\n", load.path,
                       load.host, load.port);
    if (!err)
        err = yk_stream_write(*s, text, (size_t)len, deadline);
    if (!err)
        err = read_head(*s, &body, &closes, deadline);
    if (!err)
        err = read_body(*s, body, deadline);
    if (err || closes) {
        yk_stream_close(*s);
        *s = NULL;
    }
    return err;
}

/* ---- Many of them ---------------------------------------------------------------------------- */

static int client(void *unused)
{
    (void)unused;
    yk_stream *s = NULL;
    int err = 0;
    while (load.sent < load.requests && err != YK_ECANCELED) {
        load.sent++;
        uint64_t start = yk_now();
        err = ask(&s);
        if (err) {
            load.failed++;
            load.last_error = err;
        } else {
            load.times[load.done++] = (double)(yk_now() - start) / 1e6;
        }
    }
    yk_stream_close(s);
    return err == YK_ECANCELED ? err : 0;
}

static void show_progress(const char *end)
{
    double seconds = (double)(yk_now() - load.began) / 1e9;
    fprintf(stderr, "\r%u of %u, %u failed, %.0f a second%s", load.done + load.failed,
            load.requests, load.failed, load.done / seconds, end);
}

static int tell(void *unused)
{
    (void)unused;
    int err = 0;
    while (isatty(2) && (err = yk_sleep_ms(100)) == 0)
        show_progress("   ");
    return err;
}

static int run(void)
{
    yk_future *clients[AT_MOST_ONCE], *progress = yk_task_start(tell, NULL);
    load.began = yk_now();
    yk_scope *scope = yk_scope_begin();
    for (unsigned i = 0; i < load.at_once; i++)
        clients[i] = yk_scope_start(scope, client, NULL);
    int err = yk_scope_end(scope, yk_await_all(clients, load.at_once, YK_FOREVER));
    yk_future_cancel(progress);
    yk_await(progress);
    yk_future_unref(progress);
    if (isatty(2))
        show_progress("   \n");
    return err;
}

/* ---- The report ------------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(void)
{
    static const double shares[] = { 0.5, 0.9, 0.99, 1 };
    double seconds = (double)(yk_now() - load.began) / 1e9;
    printf("%u answers in %.2f seconds: %.0f a second", load.done, seconds, load.done / seconds);
    if (load.failed > 0)
        printf("; %u failed, the last one with: %s", load.failed, yk_strerror(load.last_error));
    printf("\n");
    qsort(load.times, load.done, sizeof *load.times, by_size);
    for (size_t i = 0; load.done > 0 && i < sizeof shares / sizeof *shares; i++)
        printf("%5.0f %%  within %8.3f ms\n", 100 * shares[i],
               load.times[(size_t)(shares[i] * (load.done - 1))]);
}

static bool parse(const char *url)
{
    int port = 80, len = 0;
    strcpy(load.path, "/");
    if (sscanf(url, "http://%199[^:/]%n", load.host, &len) < 1)
        return false;
    url += len;
    if (*url == ':' && sscanf(url, ":%5d%n", &port, &len) == 1)
        url += len;
    load.port = (uint16_t)port;
    return *url == '\0' || (*url == '/' && sscanf(url, "%999s", load.path) == 1);
}

static int app(void *unused)
{
    (void)unused;
    char **argv;
    int argc = yk_args(&argv);
    if (argc < 2 || argc > 4 || !parse(argv[1])) {
        fprintf(stderr, "usage: %s http://HOST[:PORT][/PATH] [REQUESTS [AT ONCE]]\n", argv[0]);
        return 2;
    }
    load.requests = argc > 2 ? (unsigned)atoi(argv[2]) : 1000;
    load.at_once = argc > 3 ? (unsigned)atoi(argv[3]) : 10;
    if (load.at_once < 1 || load.at_once > AT_MOST_ONCE || load.requests < 1) {
        fprintf(stderr, "at least one request, and from 1 to %d at once\n", AT_MOST_ONCE);
        return 2;
    }
    load.times = calloc(load.requests, sizeof *load.times);
    if (!load.times)
        return UV_ENOMEM;
    int err = run();
    report();
    free(load.times);
    return err ? err : load.failed > 0;
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, app, NULL);
}
