#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "executor/executor.h"
#include "executor/job.h"
#include "executor/wait.h"
#include "loop/http/files.h"
#include "loop/http/websocket.h"
#include "loop/loop.h"
#include "loop/offload.h"
#include "loop/serve/serve.h"
#include "server_soak.h"

#define PIECE (23 * 400)

char site_file[64];

#ifdef __SANITIZE_THREAD__
#define SLOWNESS 5
#else
#define SLOWNESS 1
#endif

static int small(yk_http *h, void *unused)
{
    (void)unused;
    return yk_http_send(h, 200, "text/plain", "small", 5);
}

static int number_of(yk_http *h, uint64_t *n)
{
    char text[24];
    int err = yk_http_param(h, "n", text, sizeof text);
    *n = err ? 0 : strtoull(text, NULL, 10);
    return err;
}

/* So many bytes, by length or in chunks. */
static int large(yk_http *h, void *chunked)
{
    static char piece[PIECE];
    uint64_t n;
    int err = number_of(h, &n);
    for (size_t i = 0; i < PIECE && !piece[PIECE - 1]; i++)
        piece[i] = site_byte(i);
    if (!err)
        err = yk_http_begin(h, 200, "text/plain", chunked ? YK_HTTP_UNKNOWN : n);
    for (; !err && n > 0; n -= n < PIECE ? n : PIECE)
        err = yk_http_write(h, piece, n < PIECE ? n : PIECE);
    return err;
}

static int echo(yk_http *h, void *unused)
{
    char *body;
    size_t len;
    (void)unused;
    int err = yk_http_read_all(h, &body, &len);
    return err ? err : yk_http_send(h, 200, "text/plain", body, len);
}

static int late(yk_http *h, void *unused)
{
    int err = yk_sleep_ms(20);
    return err ? err : small(h, unused);
}

static int events(yk_http *h, void *unused)
{
    uint64_t n;
    (void)unused;
    int err = number_of(h, &n);
    if (!err)
        err = yk_http_events(h);
    for (; !err && n > 0; n--) {
        err = yk_http_event(h, "tick", "tock");
        if (!err)
            err = yk_sleep_ms(1);
    }
    return err;
}

static int file(yk_http *h, void *unused)
{
    (void)unused;
    return yk_http_send_file(h, site_file, "text/plain");
}

static int say_back(yk_ws *ws, void *unused)
{
    yk_ws_message m;
    int err;
    (void)unused;
    while ((err = yk_ws_receive(ws, &m, YK_FOREVER)) == 0 &&
           (err = yk_ws_send(ws, m.kind, m.data, m.len, YK_FOREVER)) == 0)
        ;
    return err == YK_END ? 0 : err;
}

static int chat(yk_http *h, void *unused)
{
    return yk_websocket(h, say_back, unused);
}

static int square(yk_job *job)
{
    uint64_t n = *(uint64_t *)yk_job_arg(job);
    n *= n;
    return yk_job_return(job, &n, sizeof n);
}

static int die(yk_job *job)
{
    (void)job;
    abort();
}

static int answer_number(yk_http *h, int err, uint64_t n)
{
    return err ? err : yk_http_sendf(h, 200, "text/plain", "%llu", (unsigned long long)n);
}

static int by_thread(yk_http *h, void *unused)
{
    uint64_t n, result = 0;
    (void)unused;
    int err = number_of(h, &n);
    if (!err)
        err = yk_to_thread_into(square, &n, sizeof n, &result, sizeof result);
    return answer_number(h, err, result);
}

static int by_process(yk_http *h, void *job)
{
    uint64_t n, result = 0;
    int err = number_of(h, &n);
    if (err)
        return err;
    yk_future *f = yk_submit_with(yk_loop_default_executor(yk_loop_current()), *(yk_job_fn *)job,
                                  &n, sizeof n, .kind = YK_ISOLATED);
    err = yk_await_into(f, &result, sizeof result);
    yk_future_unref(f);
    return answer_number(h, err, result);
}

static yk_job_fn square_job = square, die_job = die;
static bool in_chunks = true;

static const yk_http_route routes[] = {
    { "GET", "/small", small, NULL },
    { "GET", "/large/{n}", large, NULL },
    { "GET", "/chunked/{n}", large, &in_chunks },
    { "POST", "/echo", echo, NULL },
    { "GET", "/late", late, NULL },
    { "GET", "/events/{n}", events, NULL },
    { "GET", "/file", file, NULL },
    { "GET", "/chat", chat, NULL },
    { "GET", "/thread/{n}", by_thread, NULL },
    { "GET", "/process/{n}", by_process, &square_job },
    { "GET", "/crash/{n}", by_process, &die_job },
    { 0 },
};

static const yk_http_service web = {
    .routes = routes,
    .compress = true,
    .head_ms = 1000 * SLOWNESS,
    .idle_ms = 4000 * SLOWNESS,
    .stall_ms = 1000 * SLOWNESS,
};

static void ready(const char *const *addresses, void *bound)
{
    *(_Atomic uint16_t *)bound = (uint16_t)atoi(strrchr(addresses[0], ':') + 1);
}

int site_serve(int argc, char **argv, uint16_t port, _Atomic uint16_t *bound)
{
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    return yk_serve(argc, argv, .listen = YK_ADDRESSES(address), .name = "soak",
                    .workers = SITE_WORKERS, .http = &web, .ready = ready, .arg = bound,
                    .threads = { .workers = 2 }, .processes = { .workers = 1 }, .drain_ms = 5000,
                    .log_fd = -1);
}
