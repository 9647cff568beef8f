/* Tests of WebSockets over HTTP: the handshake, what may go with it, and a client that others have
 * made. */
#include "certificates.h"
#include "http_client.h"
#include "loop/http/websocket.h"
#include "loop/subprocess.h"
#include "loop/tls.h"

#define HOST    "Host: test\r\n"
#define UPGRADE "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define GET     "GET /ws HTTP/1.1\r\n" HOST

static const char *const protocols[] = { "chat.2", "chat.1", NULL };
static const char *const origins[] = { "https://example.org", NULL };

/* Echoes; says first which protocol was chosen. */
static int echo(yk_ws *ws, void *arg)
{
    int *result = arg;
    yk_ws_message m;
    const char *protocol = yk_ws_protocol(ws);
    int err = protocol ? yk_ws_send(ws, YK_WS_TEXT, protocol, strlen(protocol), YK_FOREVER) : 0;
    while (!err && (err = yk_ws_receive(ws, &m, YK_FOREVER)) == 0)
        err = yk_ws_send(ws, m.kind, m.data, m.len, YK_FOREVER);
    if (result)
        *result = err;
    return err == YK_END ? 0 : err;
}

static int upgrade(yk_http *h, void *arg)
{
    assert_ok(yk_http_set(h, "X-Set", "before"));
    return yk_websocket_with(h, echo, arg, .protocols = protocols);
}

static int upgrade_some(yk_http *h, void *arg)
{
    return yk_websocket_with(h, echo, arg, .origins = origins);
}

static int refused(void *unused)
{
    (void)unused;
    static const yk_http_route routes[] = { { NULL, "/ws", upgrade, NULL },
                                            { NULL, "/some", upgrade_some, NULL },
                                            { 0 } };
    served *s = serve_http(&(yk_http_service){ .routes = routes });
    static const struct {
        const char *request;
        int status;
    } bad[] = {
        { GET "\r\n", 426 },
        { GET UPGRADE KEY "\r\n", 426 },
        { GET UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426 },
        { GET "Upgrade: websocket\r\n" VERSION KEY "\r\n", 426 },
        { GET "Connection: upgrade\r\n" VERSION KEY "\r\n", 426 },
        { GET "Connection: upgrade\r\nUpgrade: h2c\r\n" VERSION KEY "\r\n", 426 },
        { "GET /ws HTTP/1.0\r\n" HOST UPGRADE VERSION KEY "\r\n", 426 },
        { "POST /ws HTTP/1.1\r\n" HOST UPGRADE VERSION KEY "Content-Length: 0\r\n\r\n", 426 },
        { GET UPGRADE VERSION "\r\n", 400 },
        { GET UPGRADE VERSION "Sec-WebSocket-Key: short\r\n\r\n", 400 },
        { GET UPGRADE VERSION KEY "Content-Length: 1\r\n\r\nx", 400 },
        { GET UPGRADE VERSION KEY "Origin: http://other\r\n\r\n", 403 },
        { GET UPGRADE VERSION KEY "Origin: null\r\n\r\n", 403 },
        { "GET /some HTTP/1.1\r\n" HOST UPGRADE VERSION KEY "Origin: http://test\r\n\r\n", 403 },
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        yk_stream *c = dial(s);
        say(c, bad[i].request);
        answer *a = hear(c);
        if (a->status != bad[i].status)
            fail_msg("%d to\n%s", a->status, bad[i].request);
        if (a->status == 426) {
            assert_string_equal(field_of(a, "Upgrade"), "websocket");
            assert_string_equal(field_of(a, "Sec-WebSocket-Version"), "13");
        }
        forget(a);
        yk_stream_close(c);
    }
    serve_no_more(s);
    return 0;
}

static void test_what_is_no_handshake(void **state)
{
    (void)state;
    on_loop(refused, NULL);
}

/* The answer's head, up to its empty line. */
static void hear_switch(yk_stream *c, const char *expected)
{
    char head[1000];
    size_t n;
    assert_ok(yk_stream_read_until(c, "\r\n\r\n", 4, head, sizeof head - 1, &n, YK_FOREVER));
    head[n] = '\0';
    assert_string_equal(head, expected);
}

static void hear_bytes(yk_stream *c, const char *expected, size_t n)
{
    char got[64];
    assert_ok(yk_stream_read_exactly(c, got, n, YK_FOREVER));
    assert_memory_equal(got, expected, n);
}

#define SWITCHED                                                                        \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

/* The first message comes with the handshake, and the handshake behind another request. */
static int pipelined(void *unused)
{
    (void)unused;
    int result = 1;
    served *s = serve_http(&(yk_http_service){ .handler = upgrade, .arg = &result });
    yk_stream *c = dial(s);
    say(c, GET "\r\n" GET UPGRADE VERSION KEY "Origin: http://test\r\n"
               "Sec-WebSocket-Protocol: other, chat.1\r\nSec-WebSocket-Protocol: chat.2\r\n"
               "\r\n\x81\x82"
               "abcd\x09\x0b\x88\x80zzzz");
    assert_ok(yk_stream_end_writing(c)); /* which is no reason to interrupt anybody */
    answer *a = hear(c);
    assert_int_equal(a->status, 426);
    forget(a);
    hear_switch(c, SWITCHED "Sec-WebSocket-Protocol: chat.1\r\nX-Set: before\r\n\r\n");
    hear_bytes(c,
               "\x81\x06"
               "chat.1\x81\x02hi\x88\x00",
               14);
    assert_over(c);
    yk_stream_close(c);
    serve_no_more(s);
    assert_int_equal(result, YK_END);
    return 0;
}

static void test_a_message_comes_with_the_handshake(void **state)
{
    (void)state;
    on_loop(pipelined, NULL);
}

/* Has something left to do when its client has gone. */
static int tidy_up(yk_ws *ws, void *arg)
{
    yk_ws_message m;
    *(int *)arg = yk_ws_receive(ws, &m, YK_FOREVER);
    assert_ok(yk_sleep_ms(1));
    return 0;
}

static int upgrade_to_tidy_up(yk_http *h, void *arg)
{
    return yk_websocket(h, tidy_up, arg);
}

static int leave(void *unused)
{
    (void)unused;
    int result = 1;
    served *s = serve_http(&(yk_http_service){ .handler = upgrade_to_tidy_up, .arg = &result });
    yk_stream *c = dial(s);
    say(c, GET UPGRADE VERSION KEY "\r\n");
    hear_switch(c, SWITCHED "\r\n");
    yk_stream_close(c);
    serve_no_more(s);
    assert_int_equal(result, YK_ETRUNCATED);
    return 0;
}

static void test_a_client_that_leaves_interrupts_nobody(void **state)
{
    (void)state;
    on_loop(leave, NULL);
}

static int drain(void *unused)
{
    (void)unused;
    int result = 1;
    served *s = serve_http(&(yk_http_service){ .handler = upgrade_some, .arg = &result });
    yk_stream *c = dial(s), *late = dial(s);
    say(c, GET UPGRADE VERSION KEY "Origin: https://example.org\r\n\r\n");
    hear_switch(c, SWITCHED "\r\n");
    yk_http_drain(100);
    hear_bytes(c, "\x88\x02\x03\xe9", 4);
    say(c, "\x88\x80zzzz");
    assert_over(c);
    yk_stream_close(c);
    say(late, GET UPGRADE VERSION KEY "\r\n");
    hear_switch(late, SWITCHED "\r\n");
    hear_bytes(late, "\x88\x02\x03\xe9", 4);
    yk_stream_close(late);
    serve_no_more(s);
    assert_int_equal(result, YK_END);
    return 0;
}

static void test_a_drained_server_says_goodbye(void **state)
{
    (void)state;
    on_loop(drain, NULL);
}

static int over_tls(void *arg)
{
    const certificates *k = arg;
    int result = 1;
    yk_tls *ours, *theirs;
    assert_ok(yk_tls_server(&ours, .certificate = k->good));
    assert_ok(yk_tls_client(&theirs, .ca_file = k->ca));
    served *s = serve_http(&(yk_http_service){ .handler = upgrade, .arg = &result, .tls = ours });
    yk_stream *c = dial(s);
    assert_ok(yk_stream_start_tls(c, theirs, "localhost", YK_FOREVER));
    say(c, GET UPGRADE VERSION KEY "Origin: https://test\r\n\r\n");
    hear_switch(c, SWITCHED "X-Set: before\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        say(c, "\x81\x82"
               "abcd\x09\x0b");
        hear_bytes(c, "\x81\x02hi", 4);
    }
    say(c, "\x88\x80zzzz");
    hear_bytes(c, "\x88\x00", 2);
    assert_over(c);
    yk_stream_close(c);
    serve_no_more(s);
    assert_int_equal(result, YK_END);
    yk_tls_free(ours);
    yk_tls_free(theirs);
    return 0;
}

static void test_over_tls(void **state)
{
    (void)state;
    certificates k;
    certificates_make(&k);
    on_loop(over_tls, &k);
    certificates_remove(&k);
}

/* ---- A client of others' --------------------------------------------------------------------- */

static const char script[] =
    "const ws = new WebSocket(process.argv[1], ['chat.1']);"
    "ws.binaryType = 'arraybuffer';"
    "const large = new Uint8Array(300000).map((_, i) => i);"
    "const heard = [];"
    "ws.onopen = () => { ws.send('h\\u00e9 \\u{1D11E}'); ws.send(large); };"
    "ws.onmessage = e => {"
    "  heard.push(typeof e.data == 'string' ? e.data"
    "             : e.data.byteLength + (Buffer.from(e.data).equals(large) ? ' same' : ' other'));"
    "  if (heard.length == 3) ws.close(3000, 'done');"
    "};"
    "ws.onclose = e => console.log([ws.protocol, ...heard, e.code, e.reason, "
    "e.wasClean].join('|'));";

static int with_node(void *skipped)
{
    yk_output o;
    const char *const has[] = { "node", "--experimental-websocket", "-e", "WebSocket", NULL };
    int err = yk_run(&o, YK_FOREVER, .argv = has, .err = YK_IO_NULL);
    *(bool *)skipped = err || o.exit.code;
    if (!err)
        yk_output_free(&o);
    if (*(bool *)skipped)
        return 0;
    int result = 1;
    char url[64];
    served *s = serve_http(&(yk_http_service){ .handler = upgrade, .arg = &result });
    snprintf(url, sizeof url, "ws://127.0.0.1:%d/", yk_listener_port(s->listener));
    const char *const argv[] = {
        "node", "--experimental-websocket", "--no-warnings", "-e", script, url, NULL
    };
    assert_ok(yk_run(&o, YK_FOREVER, .argv = argv));
    assert_string_equal(o.out, "chat.1|chat.1|hé 𝄞|300000 same|3000|done|true\n");
    yk_output_free(&o);
    serve_no_more(s);
    assert_int_equal(result, YK_END);
    return 0;
}

static void test_node_talks_to_it(void **state)
{
    (void)state;
    bool skipped = false;
    on_loop(with_node, &skipped);
    if (skipped) {
        print_message("there is no node with WebSockets here\n");
        skip();
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_what_is_no_handshake),
        TEST(test_a_message_comes_with_the_handshake),
        TEST(test_a_client_that_leaves_interrupts_nobody),
        TEST(test_a_drained_server_says_goodbye),
        TEST(test_over_tls),
        TEST(test_node_talks_to_it),
    };
    return RUN_TESTS("http_upgrade", tests);
}
