/* A scenario of an HTTP server, and its clients on the same loop. */
#include <string.h>
#include <uv.h>

#include "executor/init.h"
#include "loop/http/http.h"
#include "loop/loop.h"
#include "scenarios.h"

static int answer(yk_http *h, void *unused)
{
    (void)unused;
    char *body, value[16];
    size_t len;
    yk_http_param(h, "rest", value, sizeof value);
    int err = yk_http_query_value(h, "q", value, sizeof value);
    if (!err)
        err = yk_http_read_all(h, &body, &len);
    if (!err)
        err = yk_http_set(h, "Field", value);
    return err ? err : yk_http_sendf(h, 200, "text/plain", "%.*s", (int)len, body);
}

static int in_pieces(yk_http *h, void *unused)
{
    (void)unused;
    int err = yk_http_begin(h, 200, NULL, YK_HTTP_UNKNOWN);
    for (int i = 0; i < 3 && !err; i++) {
        err = yk_http_write(h, "piece", 5);
        if (!err)
            err = yk_yield();
    }
    return err;
}

/* Says it, and hears the end, whatever that is. */
static void ask(yk_listener *l, const char *request)
{
    yk_stream *c;
    if (yk_connect(&c, "127.0.0.1", yk_listener_port(l), patience()))
        return;
    int err = yk_stream_write(c, request, strlen(request), patience());
    char text[512];
    size_t n;
    while (!err)
        err = yk_stream_read_some(c, text, sizeof text, &n, patience());
    check(err != UV_ETIMEDOUT);
    yk_stream_close(c);
}

static int serve(void *unused)
{
    static const yk_http_route routes[] = {
        { "POST", "/a/{rest...}", answer, NULL },
        { "GET", "/pieces", in_pieces, NULL },
        { 0 },
    };
    yk_http_service web = { .routes = routes, .idle_ms = 2000, .head_ms = 2000 };
    yk_listener *l;
    (void)unused;
    int err = yk_listen(&l, "127.0.0.1", 0);
    if (err)
        return err;
    yk_server *server = yk_server_start(l, yk_http_connection, &web);
    if (server) {
        ask(l, "POST /a/%2e/b?q=1%20 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
               "GET /pieces HTTP/1.1\r\nHost: h\r\n\r\n"
               "PUT /pieces HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        ask(l, "no request\r\n\r\n");
    }
    err = yk_server_stop(server, patience());
    yk_listener_close(l);
    check(err != UV_ETIMEDOUT);
    return err;
}

void scenario_http(void)
{
    check(yk_main(0, NULL, serve, NULL) >= 0);
    yk_fini();
}
