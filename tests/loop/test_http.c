/* Tests of the HTTP server: requests, answers, routes, bodies, connections. */
#include "executor/error.h"
#include "http_client.h"
#include "loop/sync.h"

#define HOST "Host: test\r\n"

/* ---- Handlers -------------------------------------------------------------------------------- */

static int hello(yk_http *h, void *unused)
{
    (void)unused;
    return yk_http_send(h, 200, "text/plain", "hello\n", 6);
}

/* What it was asked. */
static int tell(yk_http *h, void *unused)
{
    (void)unused;
    char text[YK_ADDRESS_MAX];
    assert_ok(yk_http_peer(h, text, sizeof text));
    const char *field = yk_http_header(h, "x-FIELD");
    return yk_http_sendf(h, 200, "text/plain", "%s %s path=%s query=%s field=%s", yk_http_method(h),
                         yk_http_target(h), yk_http_path(h), yk_http_query(h),
                         field ? field : "(none)");
}

static int fail_with(yk_http *h, void *arg)
{
    (void)h;
    return *(int *)arg;
}

static int echo(yk_http *h, void *unused)
{
    (void)unused;
    char *body;
    size_t len;
    int err = yk_http_read_all(h, &body, &len);
    return err ? err : yk_http_send(h, 200, "application/octet-stream", body, len);
}

/* In pieces, as they come. */
static int stream_back(yk_http *h, void *unused)
{
    (void)unused;
    char piece[1000];
    size_t len;
    int err = yk_http_begin(h, 200, "application/octet-stream", YK_HTTP_UNKNOWN);
    while (!err && (err = yk_http_read(h, piece, sizeof piece, &len)) == 0)
        err = yk_http_write(h, piece, len);
    return err == YK_END ? 0 : err;
}

/* ---- Requests that go wrong ------------------------------------------------------------------ */

static int refused(void *unused)
{
    (void)unused;
    served *s =
        serve_http(&(yk_http_service){ .handler = hello, .most_head = 512, .most_body = 10 });
    static const struct {
        const char *request;
        int status;
    } bad[] = {
        { "GET / HTTP/1.1\r\n\r\n", 400 }, /* no Host */
        { "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400 },
        { "GET /%zz/%2e HTTP/1.1\r\n" HOST "\r\n", 400 },
        { "GET /a%00b HTTP/1.1\r\n" HOST "\r\n", 400 },
        { "GET / HTTP/2.0\r\n" HOST "\r\n", 505 },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n", 413 },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501 },
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        yk_stream *c = dial(s);
        say(c, bad[i].request);
        answer *a = hear(c);
        assert_int_equal(a->status, bad[i].status);
        assert_string_equal(field_of(a, "Connection"), "close");
        forget(a);
        assert_over(c);
        yk_stream_close(c);
    }
    char long_line[700];
    memset(long_line, 'a', sizeof long_line);
    memcpy(long_line, "GET /", 5);
    long_line[sizeof long_line - 1] = '\0';
    assert_once(s, long_line, 414, NULL);
    snprintf(long_line, sizeof long_line, "GET / HTTP/1.1\r\nA: %0600d\r\n\r\n", 1);
    assert_once(s, long_line, 431, NULL);
    assert_int_equal(s->counters.requests, COUNT_OF(bad) + 2);
    assert_int_equal(s->counters.answers[2], 0);
    serve_no_more(s);
    return 0;
}

static void test_what_is_no_request_is_refused(void **state)
{
    (void)state;
    on_loop(refused, NULL);
}

static int errors(void *unused)
{
    (void)unused;
    static const struct {
        int err, status;
    } known[] = {
        { YK_EFULL, 503 },   { YK_EJOBTIMEOUT, 504 }, { UV_ETIMEDOUT, 504 },
        { YK_ETOOBIG, 413 }, { YK_ECRASHED, 500 },    { UV_ENOENT, 500 },
    };
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        int err = known[i].err;
        served *s = serve_http(&(yk_http_service){ .handler = fail_with, .arg = &err });
        yk_stream *c = dial(s);
        say(c, "GET / HTTP/1.1\r\n" HOST "\r\n");
        answer *a = hear(c);
        assert_int_equal(a->status, known[i].status);
        if (err == YK_EFULL)
            assert_string_equal(field_of(a, "Retry-After"), "1");
        assert_null(field_of(a, "Connection"));
        forget(a);
        assert_answer(c, "GET / HTTP/1.1\r\n" HOST "\r\n", known[i].status, NULL); /* it lives on */
        yk_stream_close(c);
        serve_no_more(s);
    }
    return 0;
}

static void test_errors_of_handlers_are_answered(void **state)
{
    (void)state;
    on_loop(errors, NULL);
}

static void keep(const char *line, void *kept)
{
    snprintf(kept, 200, "%s", line);
}

static int logged(void *unused)
{
    (void)unused;
    char line[200] = "";
    served *s =
        serve_http(&(yk_http_service){ .handler = fail_with, .arg = &(int){ YK_ECRASHED } });
    yk_set_log(keep, line);
    assert_once(s, "GET /a%0Ahttp:%20b HTTP/1.1\r\n" HOST "\r\n", 500, NULL);
    yk_set_log(NULL, NULL);
    assert_string_equal(line, "http: GET /a%0Ahttp:%20b: YK_ECRASHED");
    serve_no_more(s);
    return 0;
}

static void test_a_path_cannot_forge_a_line_of_the_log(void **state)
{
    (void)state;
    on_loop(logged, NULL);
}

/* ---- Requests and answers -------------------------------------------------------------------- */

static int told(void *unused)
{
    (void)unused;
    served *s = serve_http(&(yk_http_service){ .handler = tell });
    yk_stream *c = dial(s);
    assert_answer(c, "GET /a/../b%20c/./d?x=1&y HTTP/1.1\r\n" HOST "X-Field:  some value \r\n\r\n",
                  200, "GET /a/../b%20c/./d?x=1&y path=/b c/d query=x=1&y field=some value");
    assert_answer(c, "PURGE /%2e%2e/%2E%2E/etc%2f..%2fx HTTP/1.1\r\n" HOST "\r\n", 200,
                  "PURGE /%2e%2e/%2E%2E/etc%2f..%2fx path=/x query= field=(none)");
    assert_answer(c, "GET http://other/p?q HTTP/1.1\r\nHost: other\r\n\r\n", 200,
                  "GET http://other/p?q path=/p query=q field=(none)");
    assert_answer(c, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 200,
                  "OPTIONS * path=* query= field=(none)");
    assert_int_equal(s->counters.requests, 4);
    assert_int_equal(s->counters.accepted, 1);
    assert_int_equal(s->counters.answers[2], 4);
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static int large_head(void *unused)
{
    (void)unused;
    served *s = serve_http(&(yk_http_service){ .handler = tell, .most_head = 400000 });
    yk_stream *c = dial(s);
    char *field = calloc(1, 300001);
    memset(field, 'x', 300000);
    say(c, "GET / HTTP/1.1\r\n" HOST "X-Field: ");
    say(c, field);
    say(c, "\r\n\r\n");
    answer *a = hear(c);
    assert_int_equal(a->status, 200);
    assert_string_equal(strstr(a->body, "field=") + 6, field);
    forget(a);
    free(field);
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static void test_a_head_may_be_large(void **state)
{
    (void)state;
    on_loop(large_head, NULL);
}

static void test_a_handler_sees_the_request(void **state)
{
    (void)state;
    on_loop(told, NULL);
}

static int ask_for_values(yk_http *h, void *unused)
{
    (void)unused;
    char value[8] = "old", path[16] = "";
    size_t i = 0, n = 0;
    const char *name, *text;
    assert_ok(yk_http_query_value(h, "a b", value, sizeof value));
    assert_string_equal(value, "1&2 3");
    assert_int_equal(yk_http_query_value(h, "none", value, sizeof value), UV_ENOENT);
    assert_int_equal(yk_http_query_value(h, "bad", value, sizeof value), UV_EINVAL);
    assert_int_equal(yk_http_query_value(h, "long", value, sizeof value), YK_ETOOBIG);
    assert_string_equal(value, "1&2 3");
    assert_ok(yk_http_query_value(h, "empty", value, sizeof value));
    assert_string_equal(value, "");
    assert_ok(yk_http_query_value(h, "bare", value, sizeof value));
    assert_ok(yk_http_param(h, "word", value, sizeof value));
    assert_string_equal(value, "and/or");
    assert_ok(yk_http_param(h, "rest", path, sizeof path));
    assert_string_equal(path, "etc/x");
    assert_int_equal(yk_http_param(h, "nobody", path, sizeof path), UV_ENOENT);
    while (yk_http_next_header(h, &i, &name, &text))
        n++;
    assert_int_equal(n, 3);
    assert_string_equal(yk_http_header(h, "twice"), "1");
    return 0;
}

static char names[][8] = { "root", "word", "post", "any", "files" };

static int which(yk_http *h, void *arg)
{
    return yk_http_sendf(h, 200, NULL, "%s", (char *)arg);
}

static int routed(void *unused)
{
    (void)unused;
    static const yk_http_route routes[] = {
        { "GET", "/", which, names[0] },
        { "GET", "/words/{word}", which, names[1] },
        { "POST", "/words/{word}", which, names[2] },
        { NULL, "/any", which, names[3] },
        { "GET", "/files/{rest...}", which, names[4] },
        { "GET", "/v/{word}/{rest...}", ask_for_values, NULL },
        { 0 },
    };
    served *s = serve_http(&(yk_http_service){ .routes = routes });
    yk_stream *c = dial(s);
    static const struct {
        const char *line;
        int status;
        const char *body;
    } cases[] = {
        { "GET /", 200, "root" },
        { "GET /?x", 200, "root" },
        { "GET /words/a%2Fb", 200, "word" },
        { "GET /w%6frds/a", 200, "word" },
        { "POST /words/a", 200, "post" },
        { "PUT /any", 200, "any" },
        { "GET /files/", 200, "files" },
        { "GET /files/a/b", 200, "files" },
        { "HEAD /words/a", 200, "" },
        { "GET /words/", 404, NULL },
        { "GET /words", 404, NULL },
        { "GET /words/a/b", 404, NULL },
        { "GET /files", 404, NULL },
        { "PUT /words/a", 405, NULL },
        { "GET /v/and%2for/%2e%2e%2fetc/a/..%2fx?bad=%4&a+b=1%262+3&long=12345678&empty=&bare", 204,
          "" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char request[200];
        snprintf(request, sizeof request, "%s HTTP/1.1\r\n" HOST "Twice: 1\r\nTwice: 2\r\n\r\n",
                 cases[i].line);
        assert_answer(c, request, cases[i].status, cases[i].body);
    }
    say(c, "PUT /words/a HTTP/1.1\r\n" HOST "\r\n");
    answer *a = hear(c);
    assert_string_equal(field_of(a, "Allow"), "GET, HEAD, POST");
    forget(a);
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static void test_routes(void **state)
{
    (void)state;
    on_loop(routed, NULL);
}

static int set_fields(yk_http *h, void *unused)
{
    (void)unused;
    assert_int_equal(yk_http_set(h, "Bad Name", "x"), UV_EINVAL);
    assert_int_equal(yk_http_set(h, "Name", "a\r\nb"), UV_EINVAL);
    assert_int_equal(yk_http_set(h, "", "x"), UV_EINVAL);
    assert_int_equal(yk_http_set(h, "content-length", "1"), UV_EINVAL);
    assert_int_equal(yk_http_add(h, "Connection", "close"), UV_EINVAL);
    assert_ok(yk_http_set(h, "One", "gone"));
    assert_ok(yk_http_add(h, "Two", "2"));
    assert_ok(yk_http_add(h, "one", "gone, too"));
    assert_ok(yk_http_set(h, "ONE", "1"));
    assert_false(yk_http_begun(h));
    assert_int_equal(yk_http_begin(h, 100, NULL, 0), UV_EINVAL);
    assert_int_equal(yk_http_write(h, "x", 1), YK_ECLOSED);
    assert_ok(yk_http_begin(h, 418, "a/b", 3));
    assert_true(yk_http_begun(h));
    assert_int_equal(yk_http_set(h, "Late", "x"), YK_ECLOSED);
    assert_int_equal(yk_http_send(h, 200, NULL, "x", 1), YK_ECLOSED);
    assert_ok(yk_http_write(h, "ab", 2));
    assert_int_equal(yk_http_write(h, "cd", 2), YK_ETOOBIG);
    return yk_http_write(h, "c", 1);
}

static int with_fields(void *unused)
{
    (void)unused;
    served *s = serve_http(&(yk_http_service){ .handler = set_fields });
    yk_stream *c = dial(s);
    say(c, "GET / HTTP/1.1\r\n" HOST "\r\n");
    answer *a = hear(c);
    assert_int_equal(a->status, 418);
    assert_string_equal(a->body, "abc");
    assert_string_equal(field_of(a, "one"), "1");
    assert_string_equal(field_of(a, "two"), "2");
    assert_string_equal(field_of(a, "content-type"), "a/b");
    assert_string_equal(field_of(a, "content-length"), "3");
    assert_int_equal(strlen(field_of(a, "date")), 29);
    assert_null(strstr(a->head, "gone"));
    forget(a);
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static void test_fields_of_an_answer(void **state)
{
    (void)state;
    on_loop(with_fields, NULL);
}

/* ---- Bodies ---------------------------------------------------------------------------------- */

static int bodies(void *arg)
{
    yk_http_fn fn = *(yk_http_fn *)arg;
    served *s = serve_http(&(yk_http_service){ .handler = fn, .most_body = 200000 });
    yk_stream *c = dial(s);
    assert_answer(c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcde", 200, "abcde");
    assert_answer(c,
                  "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n",
                  200, "abc0123456789");
    assert_answer(c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 200, "");
    char *large = pattern(150000);
    say(c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 150000\r\n\r\n");
    assert_ok(yk_stream_write(c, large, 150000, YK_FOREVER));
    answer *a = hear(c);
    assert_int_equal(a->len, 150000);
    assert_memory_equal(a->body, large, 150000);
    forget(a);
    free(large);
    say(c, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    a = hear(c);
    if (a->status == 100) {
        assert_string_equal(a->body, "");
        say(c, "ok");
        forget(a);
        a = hear(c);
        assert_string_equal(a->body, "ok");
    }
    assert_int_equal(a->status, 200);
    forget(a);
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static void test_bodies_both_ways(void **state)
{
    (void)state;
    on_loop(bodies, &(yk_http_fn){ echo });
}

static int unread(void *unused)
{
    (void)unused;
    served *s = serve_http(&(yk_http_service){ .handler = hello, .most_body = UINT64_MAX });
    yk_stream *c = dial(s);
    assert_answer(c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nabcde", 200, "hello\n");
    assert_answer(c,
                  "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                  "3\r\nabc\r\n0\r\n\r\n",
                  200, "hello\n");
    say(c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999\r\n\r\n");
    answer *a = hear(c);
    assert_string_equal(field_of(a, "Connection"), "close"); /* too much to be read for nothing */
    forget(a);
    assert_over(c);
    yk_stream_close(c);
    c = dial(s);
    say(c, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    a = hear(c);
    assert_int_equal(a->status, 200);
    assert_string_equal(field_of(a, "Connection"), "close"); /* it might send it or not */
    forget(a);
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static void test_a_body_that_nobody_reads(void **state)
{
    (void)state;
    on_loop(unread, NULL);
}

static int wrong_bodies(void *unused)
{
    (void)unused;
    served *s = serve_http(&(yk_http_service){ .handler = echo, .most_body = 10 });
    assert_once(s, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400, NULL);
    assert_once(s,
                "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                "8\r\n01234567\r\n8\r\n01234567\r\n0\r\n\r\n",
                413, NULL);
    serve_no_more(s);
    return 0;
}

static void test_bodies_that_are_refused(void **state)
{
    (void)state;
    on_loop(wrong_bodies, NULL);
}

/* ---- Connections ----------------------------------------------------------------------------- */

static int closing(void *unused)
{
    (void)unused;
    served *s = serve_http(&(yk_http_service){ .handler = stream_back, .most_requests = 3 });
    yk_stream *c = dial(s);
    assert_answer(c, "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 200, "");
    assert_over(c);
    yk_stream_close(c);
    c = dial(s);
    assert_answer(c, "POST / HTTP/1.0\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nab",
                  200, "ab"); /* of unknown length, and no chunks: until the end */
    yk_stream_close(c);
    c = dial(s);
    for (int i = 0; i < 3; i++)
        assert_answer(c, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, "");
    assert_over(c);
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static void test_when_a_connection_ends(void **state)
{
    (void)state;
    on_loop(closing, NULL);
}

static int pipelined(void *unused)
{
    (void)unused;
    served *s = serve_http(&(yk_http_service){ .handler = tell });
    yk_stream *c = dial(s);
    char text[100 * 64] = "";
    for (int i = 0; i < 100; i++)
        sprintf(text + strlen(text), "GET /%d HTTP/1.1\r\n" HOST "\r\n", i);
    say(c, text);
    for (int i = 0; i < 100; i++) {
        char expected[80];
        snprintf(expected, sizeof expected, "GET /%d path=/%d query= field=(none)", i, i);
        answer *a = hear(c);
        assert_string_equal(a->body, expected);
        forget(a);
    }
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    on_loop(pipelined, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_what_is_no_request_is_refused),
        TEST(test_errors_of_handlers_are_answered),
        TEST(test_a_path_cannot_forge_a_line_of_the_log),
        TEST(test_a_handler_sees_the_request),
        TEST(test_a_head_may_be_large),
        TEST(test_routes),
        TEST(test_fields_of_an_answer),
        TEST(test_bodies_both_ways),
        TEST(test_a_body_that_nobody_reads),
        TEST(test_bodies_that_are_refused),
        TEST(test_when_a_connection_ends),
        TEST(test_pipelined_requests_are_answered_in_order),
    };
    return RUN_TESTS("http", tests);
}
