/* Tests of the HTTP server with clients that leave, are slow, or say things by halves; and of its
 * end. */
#include "certificates.h"
#include "executor/executor.h"
#include "http_client.h"
#include "loop/sync.h"
#include "loop/tls.h"

#define HOST "Host: test\r\n"
#define GET  "GET / HTTP/1.1\r\n" HOST "\r\n"

/* ---- Handlers -------------------------------------------------------------------------------- */

/* A handler that waits until it may go on, and what became of it. */
typedef struct room {
    yk_event go;
    unsigned inside, left;
    int err;
    yk_executor *pool;
    yk_future *first; /* job */
} room;

static int wait_in(yk_http *h, void *arg)
{
    room *r = arg;
    r->inside++;
    r->err = yk_event_wait(&r->go, YK_FOREVER);
    r->left++;
    return r->err ? r->err : yk_http_send(h, 200, NULL, "at last", 7);
}

static int hello(yk_http *h, void *unused)
{
    (void)unused;
    return yk_http_send(h, 200, NULL, "hello", 5);
}

static const yk_http_route *routes_of(room *r)
{
    static yk_http_route routes[3];
    routes[0] = (yk_http_route){ NULL, "/", wait_in, r };
    routes[1] = (yk_http_route){ NULL, "/hello", hello, NULL };
    return routes;
}

/* ---- Clients that leave ---------------------------------------------------------------------- */

static void leave_by_close(yk_stream *c)
{
    yk_stream_close(c);
}

static void leave_by_reset(yk_stream *c)
{
    yk_stream_abort(c);
    yk_stream_close(c);
}

static int left(void *arg)
{
    void (*leave)(yk_stream *) = *(void (**)(yk_stream *))arg;
    room r = { 0 };
    served *s = serve_http(&(yk_http_service){ .routes = routes_of(&r) });
    yk_stream *c = dial(s);
    say(c, GET);
    eventually(r.inside == 1);
    leave(c);
    eventually(r.left == 1);
    assert_int_equal(r.err, YK_ECANCELED);
    eventually(s->counters.connections == 0);
    assert_int_equal(s->counters.left, 1);
    assert_int_equal(s->counters.answers[5], 0);
    serve_no_more(s);
    return 0;
}

static void test_a_client_that_leaves_interrupts_its_handler(void **state)
{
    (void)state;
    on_loop(left, &(void (*)(yk_stream *)){ leave_by_close });
    on_loop(left, &(void (*)(yk_stream *)){ leave_by_reset });
}

static int never_ends(yk_job *job)
{
    (void)job;
    while (true)
        pause();
    return 0;
}

static int run_job(yk_http *h, void *arg)
{
    room *r = arg;
    (void)h;
    yk_future *f = yk_submit(r->pool, never_ends, NULL, 0);
    r->inside++;
    r->err = yk_await(f);
    r->left += yk_future_state(f) == YK_CANCELLED;
    yk_future_unref(f);
    return r->err;
}

static int left_with_job(void *unused)
{
    (void)unused;
    room r = { .pool = yk_process_pool(.workers = 1, .kill_grace_ms = 1) };
    served *s = serve_http(&(yk_http_service){ .handler = run_job, .arg = &r });
    yk_stream *c = dial(s);
    say(c, GET);
    eventually(r.inside == 1);
    yk_stream_close(c);
    eventually(s->counters.connections == 0);
    assert_int_equal(r.err, YK_ECANCELED);
    serve_no_more(s);
    assert_ok(yk_executor_close(r.pool)); /* which waits for its jobs */
    return 0;
}

static void test_a_client_that_leaves_cancels_its_job_in_another_process(void **state)
{
    (void)state;
    on_loop(left_with_job, NULL);
}

static int kept(void *unused)
{
    (void)unused;
    room r = { 0 };
    served *s = serve_http(&(yk_http_service){ .routes = routes_of(&r), .keep_working = true });
    yk_stream *c = dial(s);
    say(c, GET);
    eventually(r.inside == 1);
    assert_ok(yk_stream_end_writing(c));
    for (int i = 0; i < 5; i++)
        yk_sleep_ms(1);
    assert_int_equal(r.left, 0);
    yk_event_set(&r.go);
    answer *a = hear(c);
    assert_string_equal(a->body, "at last");
    forget(a);
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static void test_a_handler_may_be_told_to_finish_anyway(void **state)
{
    (void)state;
    on_loop(kept, NULL);
}

static int half_closed(void *unused)
{
    (void)unused;
    room r = { 0 };
    served *s = serve_http(&(yk_http_service){ .routes = routes_of(&r) });
    yk_stream *c = dial(s);
    say(c, "GET /hello HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n");
    assert_ok(yk_stream_end_writing(c));
    for (int i = 0; i < 2; i++) {
        answer *a = hear(c);
        assert_string_equal(a->body, "hello");
        forget(a);
    }
    assert_over(c);
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static void test_what_came_before_the_end_is_answered(void **state)
{
    (void)state;
    on_loop(half_closed, NULL);
}

/* ---- Overload -------------------------------------------------------------------------------- */

static int run_if_there_is_room(yk_http *h, void *arg)
{
    room *r = arg;
    yk_future *f = yk_submit_with(r->pool, never_ends, NULL, 0, .no_wait = true);
    r->first = r->first ? r->first : f;
    r->inside++;
    int err = yk_await(f);
    r->left += err == YK_ECANCELED;
    yk_future_unref(f);
    return err ? err : yk_http_send(h, 200, NULL, "", 0);
}

static int overloaded(void *unused)
{
    (void)unused;
    room r = { .pool = yk_process_pool(.workers = 1, .queue_limit = 1, .kill_grace_ms = 1) };
    served *s = serve_http(&(yk_http_service){ .handler = run_if_there_is_room, .arg = &r });
    enum { CLIENTS = 8 };
    yk_stream *c[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        c[i] = dial(s);
        say(c[i], GET);
        eventually(r.inside == (unsigned)i + 1 && yk_future_state(r.first) == YK_RUNNING);
    }
    for (int i = 2; i < CLIENTS; i++) { /* one runs, one waits */
        answer *a = hear(c[i]);
        assert_int_equal(a->status, 503);
        assert_string_equal(field_of(a, "Retry-After"), "1");
        forget(a);
    }
    assert_int_equal(s->counters.answers[5], CLIENTS - 2);
    for (int i = 0; i < CLIENTS; i++)
        yk_stream_close(c[i]);
    eventually(r.left == 2);
    serve_no_more(s);
    assert_ok(yk_executor_close(r.pool));
    return 0;
}

static void test_a_full_queue_is_said_to_be_one(void **state)
{
    (void)state;
    on_loop(overloaded, NULL);
}

/* ---- Pipelining ------------------------------------------------------------------------------ */

static int pieces(void *unused)
{
    (void)unused;
    room r = { 0 };
    served *s = serve_http(&(yk_http_service){ .routes = routes_of(&r) });
    yk_stream *c = dial(s);
    say(c, "GET /hello HTTP/1.1\r\n" HOST "\r\n" GET "GET /hello HT");
    assert_answer(c, "", 200, "hello"); /* it does not wait for the second one */
    eventually(r.inside == 1);
    say(c, "TP/1.1\r\n" HOST);
    yk_sleep_ms(1);
    say(c, "\r\n" GET);
    yk_event_set(&r.go);
    assert_answer(c, "", 200, "at last");
    assert_answer(c, "", 200, "hello");
    assert_answer(c, "", 200, "at last");
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static void test_what_comes_while_a_handler_waits_is_not_lost(void **state)
{
    (void)state;
    on_loop(pieces, NULL);
}

static int drip(yk_http *h, void *arg)
{
    room *r = arg;
    assert_ok(yk_http_begin(h, 200, NULL, YK_HTTP_UNKNOWN));
    assert_ok(yk_http_write(h, "first", 5));
    r->err = yk_event_wait(&r->go, YK_FOREVER);
    return r->err ? r->err : yk_http_write(h, "second", 6);
}

static int dripped(void *unused)
{
    (void)unused;
    room r = { 0 };
    served *s = serve_http(&(yk_http_service){ .handler = drip, .arg = &r });
    yk_stream *c = dial(s);
    say(c, GET);
    char text[256];
    size_t n;
    assert_ok(yk_stream_read_until(c, "5\r\nfirst\r\n", 10, text, sizeof text, &n, YK_FOREVER));
    yk_event_set(&r.go);
    assert_ok(
        yk_stream_read_until(c, "6\r\nsecond\r\n0\r\n\r\n", 16, text, sizeof text, &n, YK_FOREVER));
    assert_int_equal(n, 16);
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static void test_a_piece_is_sent_when_the_handler_waits(void **state)
{
    (void)state;
    on_loop(dripped, NULL);
}

/* ---- Slow clients ---------------------------------------------------------------------------- */

static int slow_heads(void *unused)
{
    (void)unused;
    served *s = serve_http(&(yk_http_service){ .handler = hello, .head_ms = 5, .idle_ms = 5 });
    yk_stream *c = dial(s);
    assert_answer(c, "GET / HT", 408, NULL);
    assert_over(c);
    yk_stream_close(c);
    c = dial(s);
    assert_over(c); /* it has said nothing at all */
    yk_stream_close(c);
    c = dial(s);
    assert_answer(c, GET, 200, "hello");
    assert_over(c);
    yk_stream_close(c);
    assert_int_equal(s->counters.timed_out, 1);
    serve_no_more(s);
    return 0;
}

static void test_a_head_must_come_in_time(void **state)
{
    (void)state;
    on_loop(slow_heads, NULL);
}

static int read_all(yk_http *h, void *arg)
{
    room *r = arg;
    char *body;
    size_t len;
    r->err = yk_http_read_all(h, &body, &len);
    r->left++;
    return r->err ? r->err : yk_http_send(h, 200, NULL, body, len);
}

static int slow_bodies(void *unused)
{
    (void)unused;
    room r = { 0 };
    served *s = serve_http(&(yk_http_service){ .handler = read_all, .arg = &r, .stall_ms = 20 });
    yk_stream *c = dial(s);
    assert_answer(c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nab", 408, NULL);
    assert_int_equal(r.err, UV_ETIMEDOUT);
    assert_over(c);
    yk_stream_close(c);
    assert_int_equal(s->counters.timed_out, 1);
    c = dial(s);
    say(c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    char piece[1000] = { 0 };
    for (int i = 0; i < 100; i++) { /* some 1 MB/s */
        assert_ok(yk_stream_write(c, piece, sizeof piece, YK_FOREVER));
        yk_sleep_ms(1);
    }
    answer *a = hear(c);
    assert_int_equal(a->len, 100000);
    forget(a);
    yk_stream_close(c);
    c = dial(s);
    say(c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nab");
    eventually(s->counters.connections == 1);
    yk_stream_close(c);
    eventually(r.left == 3);
    assert_int_not_equal(r.err, 0);
    serve_no_more(s);
    return 0;
}

static void test_a_body_must_come_fast_enough(void **state)
{
    (void)state;
    on_loop(slow_bodies, NULL);
}

enum { MUCH = 64 << 20 };

static int send_much(yk_http *h, void *arg)
{
    room *r = arg;
    char *much = calloc(1, MUCH);
    assert_non_null(much);
    r->err = yk_http_send(h, 200, NULL, much, MUCH);
    free(much);
    r->left++;
    return r->err;
}

static int not_taken(void *unused)
{
    (void)unused;
    room r = { 0 };
    served *s = serve_http(&(yk_http_service){ .handler = send_much, .arg = &r, .stall_ms = 20 });
    yk_stream *c = dial(s);
    say(c, GET);
    eventually(r.left == 1); /* nobody reads */
    assert_int_equal(r.err, UV_ETIMEDOUT);
    assert_int_equal(s->counters.timed_out, 1);
    eventually(s->counters.connections == 0);
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static void test_an_answer_must_be_taken(void **state)
{
    (void)state;
    on_loop(not_taken, NULL);
}

/* In small pieces, between which others run. */
static int send_pieces(yk_http *h, void *arg)
{
    static const char piece[1000];
    room *r = arg;
    r->err = yk_http_begin(h, 200, NULL, YK_HTTP_UNKNOWN);
    for (size_t sent = 0; sent < MUCH / 8 && !r->err; sent += sizeof piece) {
        r->err = yk_http_write(h, piece, sizeof piece);
        if (!r->err)
            r->err = yk_yield();
    }
    if (!r->err)
        r->err = yk_http_write(h, "last", 4);
    r->inside++;
    if (!r->err)
        r->err = yk_event_wait(&r->go, YK_FOREVER);
    r->left++;
    return r->err;
}

static int pieces_not_taken(void *unused)
{
    (void)unused;
    room r = { 0 };
    served *s = serve_http(&(yk_http_service){ .handler = send_pieces, .arg = &r, .stall_ms = 20 });
    yk_stream *c = dial(s);
    say(c, GET);
    eventually(r.left == 1);
    assert_int_equal(r.err, UV_ETIMEDOUT);
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static int pieces_taken(void *unused)
{
    (void)unused;
    room r = { 0 };
    served *s = serve_http(&(yk_http_service){ .handler = send_pieces, .arg = &r });
    yk_stream *c = dial(s);
    say(c, GET);
    char end[16] = "", some[1000];
    size_t n;
    while (!memmem(end, sizeof end, "last", 4)) { /* while the handler waits */
        assert_ok(yk_stream_read_some(c, some, sizeof some, &n, YK_FOREVER));
        size_t kept = n < sizeof end ? n : sizeof end;
        memmove(end, end + kept, sizeof end - kept);
        memcpy(end + sizeof end - kept, some + n - kept, kept);
    }
    assert_int_equal(r.left, 0);
    yk_event_set(&r.go);
    eventually(r.left == 1);
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static void test_pieces_wait_for_a_client_that_does_not_take_them(void **state)
{
    (void)state;
    on_loop(pieces_not_taken, NULL);
    on_loop(pieces_taken, NULL);
}

static int taken(void *unused)
{
    (void)unused;
    room r = { 0 };
    served *s = serve_http(&(yk_http_service){ .handler = send_much, .arg = &r });
    yk_stream *c = dial(s);
    say(c, GET);
    answer *a = hear(c);
    assert_int_equal(a->len, MUCH);
    forget(a);
    yk_stream_close(c);
    assert_ok(r.err);
    serve_no_more(s);
    return 0;
}

static void test_a_large_answer(void **state)
{
    (void)state;
    on_loop(taken, NULL);
}

/* ---- Answers that are not whole -------------------------------------------------------------- */

static int break_off(yk_http *h, void *unused)
{
    (void)unused;
    assert_ok(yk_http_begin(h, 200, NULL, YK_HTTP_UNKNOWN));
    assert_ok(yk_http_write(h, "some", 4));
    return UV_EIO;
}

static int fall_short(yk_http *h, void *unused)
{
    (void)unused;
    assert_ok(yk_http_begin(h, 200, NULL, 10));
    return yk_http_write(h, "some", 4);
}

static int cut(void *arg)
{
    served *s = serve_http(&(yk_http_service){ .handler = *(yk_http_fn *)arg });
    yk_stream *c = dial(s);
    say(c, GET);
    char piece[100];
    size_t n;
    int err;
    while ((err = yk_stream_read_some(c, piece, sizeof piece, &n, YK_FOREVER)) == 0)
        assert_null(memmem(piece, n, "0\r\n\r\n", 5));
    assert_int_equal(err, UV_ECONNRESET);
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static void test_an_answer_that_is_not_whole_is_cut(void **state)
{
    (void)state;
    on_loop(cut, &(yk_http_fn){ break_off });
    on_loop(cut, &(yk_http_fn){ fall_short });
}

/* ---- The end --------------------------------------------------------------------------------- */

static int drained(void *unused)
{
    (void)unused;
    room r = { 0 };
    served *s = serve_http(&(yk_http_service){ .routes = routes_of(&r) });
    yk_stream *idle = dial(s), *quiet = dial(s), *busy = dial(s);
    assert_answer(idle, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "hello");
    assert_answer(quiet, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "hello");
    say(busy, GET);
    eventually(r.inside == 1);
    yk_http_drain(60000);
    say(idle, "GET /hello HTTP/1.1\r\n" HOST "\r\n"); /* the last one that it may */
    answer *a = hear(idle);
    assert_int_equal(a->status, 200);
    assert_string_equal(field_of(a, "Connection"), "close");
    forget(a);
    assert_over(idle);
    yk_http_drain(1);
    assert_over(quiet);
    yk_event_set(&r.go);
    a = hear(busy);
    assert_string_equal(a->body, "at last");
    assert_string_equal(field_of(a, "Connection"), "close");
    forget(a);
    assert_over(busy);
    yk_stream_close(idle);
    yk_stream_close(quiet);
    yk_stream_close(busy);
    serve_no_more(s);
    return 0;
}

static void test_draining(void **state)
{
    (void)state;
    on_loop(drained, NULL);
}

static int stopped(void *unused)
{
    (void)unused;
    room r = { 0 };
    served *s = serve_http(&(yk_http_service){ .routes = routes_of(&r) });
    yk_stream *idle = dial(s), *busy = dial(s);
    assert_answer(idle, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "hello");
    say(busy, GET);
    eventually(r.inside == 1);
    yk_stream_abort(idle); /* whose going is seen while the server stops */
    assert_int_equal(yk_server_stop(s->server, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_int_equal(r.err, YK_ECANCELED);
    s->server = NULL;
    answer *a = hear(busy);
    assert_int_equal(a->status, 503);
    forget(a);
    assert_over(busy);
    yk_stream_close(idle);
    yk_stream_close(busy);
    serve_no_more(s);
    return 0;
}

static void test_a_server_that_stops_cancels_its_handlers(void **state)
{
    (void)state;
    on_loop(stopped, NULL);
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static certificates files;

static int encrypted(void *unused)
{
    (void)unused;
    room r = { 0 };
    yk_tls *server, *client;
    assert_ok(yk_tls_server(&server, .certificate = files.good, .alpn = "http/1.1"));
    assert_ok(yk_tls_client(&client, .ca_file = files.ca, .alpn = "http/1.1"));
    served *s =
        serve_http(&(yk_http_service){ .routes = routes_of(&r), .tls = server, .head_ms = 60000 });
    yk_stream *plain = dial(s);
    say(plain, GET "and more that is no TLS");
    while (yk_stream_read_some(plain, (char[100]){ 0 }, 100, &(size_t){ 0 }, YK_FOREVER) == 0)
        ;
    yk_stream_close(plain);
    yk_stream *c = dial(s);
    assert_ok(yk_stream_start_tls(c, client, "localhost", YK_FOREVER));
    assert_string_equal(yk_stream_alpn(c), "http/1.1");
    assert_answer(c, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "hello");
    assert_answer(c, "HEAD /hello HTTP/1.1\r\n" HOST "\r\n", 200, "");
    say(c, GET);
    eventually(r.inside == 1);
    yk_stream_close(c);
    eventually(r.left == 1);
    assert_int_equal(r.err, YK_ECANCELED);
    eventually(s->counters.connections == 0);
    serve_no_more(s);
    yk_tls_free(server);
    yk_tls_free(client);
    return 0;
}

static void test_https(void **state)
{
    (void)state;
    certificates_make(&files);
    on_loop(encrypted, NULL);
    certificates_remove(&files);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_a_client_that_leaves_interrupts_its_handler),
        TEST(test_a_client_that_leaves_cancels_its_job_in_another_process),
        TEST(test_a_full_queue_is_said_to_be_one),
        TEST(test_a_handler_may_be_told_to_finish_anyway),
        TEST(test_what_came_before_the_end_is_answered),
        TEST(test_what_comes_while_a_handler_waits_is_not_lost),
        TEST(test_a_piece_is_sent_when_the_handler_waits),
        TEST(test_a_head_must_come_in_time),
        TEST(test_a_body_must_come_fast_enough),
        TEST(test_an_answer_must_be_taken),
        TEST(test_pieces_wait_for_a_client_that_does_not_take_them),
        TEST(test_a_large_answer),
        TEST(test_an_answer_that_is_not_whole_is_cut),
        TEST(test_draining),
        TEST(test_a_server_that_stops_cancels_its_handlers),
        TEST(test_https),
    };
    return RUN_TESTS("http_clients", tests);
}
