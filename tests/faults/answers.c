/* A scenario of what an HTTP server answers with beside bytes: files, compressed text, events, a
 * WebSocket; and its log. */
#include <string.h>
#include <uv.h>

#include "executor/init.h"
#include "loop/http/files.h"
#include "loop/http/log.h"
#include "loop/http/websocket.h"
#include "loop/loop.h"
#include "scenarios.h"

static int large_file(yk_http *h, void *unused)
{
    (void)unused;
    return yk_http_send_file(h, "/proc/self/exe", "application/x-executable");
}

static int text(yk_http *h, void *unused)
{
    (void)unused;
    static char same[100000];
    memset(same, 'a', sizeof same);
    return yk_http_send(h, 200, "text/plain", same, sizeof same);
}

static int events(yk_http *h, void *unused)
{
    (void)unused;
    int err = yk_http_events(h);
    return err ? err : yk_http_event(h, "one", "1\n2");
}

static int echo(yk_ws *ws, void *unused)
{
    yk_ws_message m;
    int err;
    (void)unused;
    while ((err = yk_ws_receive(ws, &m, YK_FOREVER)) == 0 &&
           (err = yk_ws_send(ws, m.kind, m.data, m.len, YK_FOREVER)) == 0)
        ;
    return err;
}

static int upgrade(yk_http *h, void *unused)
{
    return yk_websocket(h, echo, unused);
}

#define HOST "Host: h\r\nConnection: close\r\n"

static const char *const requests[] = {
    "GET /large HTTP/1.1\r\n" HOST "\r\n",
    "GET /large HTTP/1.1\r\n" HOST "Range: bytes=0-1, 5-100000\r\nIf-Match: *\r\n\r\n",
    "GET /text HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n",
    "GET /text HTTP/1.1\r\n" HOST "Accept-Encoding: zstd\r\n\r\n",
    "GET /events HTTP/1.1\r\n" HOST "\r\n",
    "GET /files/version HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n",
    "GET /files/net/ HTTP/1.1\r\n" HOST "\r\n",
    "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    "\x01\x82"
    "abcd\x09\x0b\x89\x80zzzz\x80\x82"
    "abcd\x09\x0b\x88\x80zzzz",
};

static void ask(yk_listener *l, const char *request)
{
    static char piece[65536];
    yk_stream *c;
    size_t n;
    if (yk_connect(&c, "127.0.0.1", yk_listener_port(l), patience()))
        return;
    int err = yk_stream_write(c, request, strlen(request), patience());
    while (!err)
        err = yk_stream_read_some(c, piece, sizeof piece, &n, patience());
    check(err != UV_ETIMEDOUT);
    yk_stream_close(c);
}

static int serve(void *files)
{
    const yk_http_route routes[] = {
        { "GET", "/large", large_file, NULL },
        { "GET", "/text", text, NULL },
        { "GET", "/events", events, NULL },
        { "GET", "/ws", upgrade, NULL },
        { "GET", "/files/{rest...}", yk_http_serve_files, files },
        { 0 },
    };
    yk_http_service web = { .routes = routes, .compress = true, .idle_ms = 2000 };
    yk_listener *l;
    int err = yk_listen(&l, "127.0.0.1", 0);
    if (err)
        return err;
    int no_log = yk_http_log_open(&web.log, "/dev/null");
    check(no_log <= 0);
    yk_server *server = yk_server_start(l, yk_http_connection, &web);
    for (unsigned i = 0; server && i < sizeof requests / sizeof *requests; i++)
        ask(l, requests[i]);
    err = yk_server_stop(server, patience());
    yk_listener_close(l);
    yk_http_log_close(web.log);
    check(err != UV_ETIMEDOUT);
    return err;
}

void scenario_http_answers(void)
{
    yk_http_files *files = NULL;
    yk_http_files_open(&files, "/proc");
    if (files)
        check(yk_main(0, NULL, serve, files) >= 0);
    yk_http_files_close(files);
    yk_fini();
}
