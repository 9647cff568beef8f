/* Tests of HTTP connections whose client sends ahead of the answers, or does not take them: what
 * it has sent is neither forgotten nor answered out of turn, and its answers do not pile up. */
#include "executor/error.h"
#include "http_client.h"
#include "loop/stream_internal.h"
#include "loop/sync.h"
#include "loop/timeout.h"

#define HOST  "Host: test\r\n"
#define LARGE ((size_t)256 << 10) /* more than the system takes, and one write */

/* ---- A server on one end of a pair ----------------------------------------------------------- */

/* What its task and the handlers have seen. */
typedef struct place {
    yk_http_service service;
    yk_http_counters counters;
    yk_stream *client, *stream;
    yk_future *task;
    char *large;
    size_t most_unsent;
    int err, lost;
} place;

static int serve(void *arg)
{
    place *p = arg;
    p->err = yk_http_connection(p->stream, &p->service);
    yk_stream_close(p->stream);
    return 0;
}

static void open_place(place *p, const yk_http_service *service)
{
    yk_stream *pair[2];
    *p = (place){ .service = *service, .large = pattern(LARGE) };
    p->service.counters = &p->counters;
    p->service.arg = p;
    assert_ok(yk_stream_pair(pair));
    p->client = pair[0];
    p->stream = pair[1];
    assert_ok(setsockopt(yk_stream_fd(p->stream), SOL_SOCKET, SO_SNDBUF, &(int){ 32 << 10 },
                         sizeof(int)));
    p->task = yk_task_start(serve, p);
}

static void close_place(place *p)
{
    yk_stream_close(p->client);
    assert_ok(yk_await(p->task));
    yk_future_unref(p->task);
    free(p->large);
}

static int hello(yk_http *h, void *unused)
{
    (void)unused;
    return yk_http_send(h, 200, NULL, "hello", 5);
}

static int answer_by_path(yk_http *h, void *arg)
{
    place *p = arg;
    if (strcmp(yk_http_path(h), "/large"))
        return hello(h, NULL);
    return yk_http_send(h, 200, NULL, p->large, LARGE);
}

static void hear_large(place *p)
{
    answer *a = hear(p->client);
    assert_int_equal(a->status, 200);
    assert_int_equal(a->len, LARGE);
    assert_memory_equal(a->body, p->large, LARGE);
    forget(a);
}

/* ---- Requests that come while answers go ----------------------------------------------------- */

static int next_comes_early(void *unused)
{
    (void)unused;
    place p;
    open_place(&p, &(yk_http_service){ .handler = answer_by_path, .idle_ms = 2000 });
    say(p.client, "GET /large HTTP/1.1\r\n" HOST "\r\n");
    eventually(yk_stream_unsent(p.stream) > 0 && p.counters.answers[2] == 1);
    say(p.client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    eventually(yk_stream_readable(p.stream) > 0);
    hear_large(&p);
    assert_answer(p.client, "", 200, "hello");
    close_place(&p);
    return 0;
}

static int rest_comes_early(void *unused)
{
    (void)unused;
    place p;
    open_place(&p, &(yk_http_service){ .handler = answer_by_path, .head_ms = 2000 });
    say(p.client, "GET /large HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST "\r\nGET / HT");
    eventually(yk_stream_unsent(p.stream) > 0 && yk_stream_readable(p.stream) > 0);
    size_t had = yk_stream_readable(p.stream);
    say(p.client, "TP/1.1\r\n" HOST "\r\n");
    eventually(yk_stream_readable(p.stream) > had);
    hear_large(&p);
    assert_answer(p.client, "", 200, "hello");
    assert_answer(p.client, "", 200, "hello");
    close_place(&p);
    return 0;
}

static void test_a_request_that_comes_while_an_answer_goes_is_seen(void **state)
{
    (void)state;
    on_loop(next_comes_early, NULL);
    on_loop(rest_comes_early, NULL);
}

/* ---- Answers that are not taken -------------------------------------------------------------- */

#define MANY 300

/* A turn of the loop, at the end of which answers go. */
static int think(place *p)
{
    int err = yk_sleep_ms(1);
    size_t unsent = yk_stream_unsent(p->stream);
    p->most_unsent = unsent > p->most_unsent ? unsent : p->most_unsent;
    return err;
}

static int think_first(yk_http *h, void *arg)
{
    place *p = arg;
    int err = think(p);
    return err ? err : yk_http_send(h, 200, NULL, p->large, 8000);
}

static int ask_and_ask(void *arg)
{
    static const char request[] = "GET / HTTP/1.1\r\n" HOST "\r\n";
    place *p = arg;
    int err = 0;
    for (int i = 0; i < MANY && !err; i++)
        err = yk_stream_write(p->client, request, sizeof request - 1, YK_FOREVER);
    return 0;
}

static int not_taken(void *unused)
{
    (void)unused;
    place p;
    open_place(&p, &(yk_http_service){ .handler = think_first, .stall_ms = 50 });
    yk_future *asking = yk_task_start(ask_and_ask, &p);
    eventually(p.counters.connections == 0 && p.counters.accepted == 1);
    assert_int_equal(p.counters.timed_out, 1);
    assert_true(p.counters.requests < MANY);
    assert_in_range(p.most_unsent, 0, (size_t)128 << 10);
    yk_stream_abort(p.client);
    assert_ok(yk_await(asking));
    yk_future_unref(asking);
    close_place(&p);
    return 0;
}

static int write_and_think(yk_http *h, void *arg)
{
    place *p = arg;
    int err = yk_http_begin(h, 200, NULL, YK_HTTP_UNKNOWN);
    for (int i = 0; i < MANY && !err; i++) {
        err = yk_http_write(h, p->large, 8000);
        if (!err)
            err = think(p);
    }
    return err;
}

static int streamed(void *unused)
{
    (void)unused;
    place p;
    open_place(&p, &(yk_http_service){ .handler = write_and_think, .stall_ms = 50 });
    say(p.client, "GET / HTTP/1.1\r\n" HOST "\r\n");
    eventually(p.counters.connections == 0 && p.counters.accepted == 1);
    assert_int_equal(p.counters.timed_out, 1);
    assert_in_range(p.most_unsent, 0, (size_t)128 << 10);
    close_place(&p);
    return 0;
}

static void test_answers_that_are_not_taken_do_not_pile_up(void **state)
{
    (void)state;
    on_loop(not_taken, NULL);
    on_loop(streamed, NULL);
}

/* A handler that gives up its write, and says nothing of it. */
static int lose_a_piece(yk_http *h, void *arg)
{
    place *p = arg;
    yk_timeout t;
    p->err = yk_http_begin(h, 200, NULL, 2 * LARGE);
    if (!p->err)
        p->err = yk_http_write(h, p->large, LARGE);
    if (!p->err)
        p->err = yk_timeout_begin(&t, yk_after_ms(1));
    if (!p->err)
        p->lost = yk_timeout_end(&t, yk_http_write(h, p->large, LARGE));
    return 0;
}

static int lost(void *unused)
{
    (void)unused;
    place p;
    open_place(&p, &(yk_http_service){ .handler = lose_a_piece });
    say(p.client, "GET / HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST "\r\n");
    size_t n;
    char piece[4096];
    eventually(p.lost);
    while (yk_stream_read_some(p.client, piece, sizeof piece, &n, YK_FOREVER) == 0)
        ;
    eventually(p.counters.connections == 0);
    assert_int_equal(p.lost, UV_ETIMEDOUT);
    assert_int_equal(p.counters.requests, 1);
    close_place(&p);
    return 0;
}

static void test_an_answer_with_a_hole_is_the_last_one(void **state)
{
    (void)state;
    on_loop(lost, NULL);
}

/* ---- What comes behind whole requests -------------------------------------------------------- */

static int broken_body(void *unused)
{
    (void)unused;
    place p;
    open_place(&p, &(yk_http_service){ .handler = hello });
    say(p.client, "GET / HTTP/1.1\r\n" HOST "\r\n"
                  "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nno size\r\n"
                  "GET / HTTP/1.1\r\n" HOST "\r\n");
    assert_answer(p.client, "", 200, "hello");
    assert_answer(p.client, "", 200, "hello");
    assert_over(p.client);
    assert_int_equal(p.counters.requests, 2);
    close_place(&p);
    return 0;
}

static void test_a_body_that_nobody_reads_and_is_broken(void **state)
{
    (void)state;
    on_loop(broken_body, NULL);
}

static int wait_long(yk_http *h, void *arg)
{
    if (strcmp(yk_http_path(h), "/slow"))
        return answer_by_path(h, arg);
    int err = yk_sleep_ms(3600000);
    return err ? err : hello(h, NULL);
}

static int half_closed(void *unused)
{
    (void)unused;
    place p;
    open_place(&p, &(yk_http_service){ .handler = wait_long });
    say(p.client, "GET /large HTTP/1.1\r\n" HOST "\r\n");
    eventually(yk_stream_unsent(p.stream) > 0 && p.counters.answers[2] == 1);
    say(p.client, "GET / HTTP/1.1\r\n" HOST "\r\nGET /slow HTTP/1.1\r\n" HOST "\r\n");
    assert_ok(yk_stream_end_writing(p.client));
    eventually(p.stream->eof);
    hear_large(&p);
    assert_answer(p.client, "", 200, "hello");
    assert_over(p.client);
    assert_int_equal(p.counters.left, 1);
    close_place(&p);
    return 0;
}

static void test_answers_before_one_whose_client_left(void **state)
{
    (void)state;
    on_loop(half_closed, NULL);
}

/* ---- Clients that leave ---------------------------------------------------------------------- */

static int begin_and_wait(yk_http *h, void *unused)
{
    (void)unused;
    int err = yk_http_begin(h, 200, NULL, YK_HTTP_UNKNOWN);
    if (!err)
        err = yk_http_write(h, "half", 4);
    return err ? err : yk_sleep_ms(3600000);
}

static int half_an_answer(void *unused)
{
    (void)unused;
    served *s = serve_http(&(yk_http_service){ .handler = begin_and_wait });
    yk_stream *c = dial(s);
    char piece[1000];
    size_t len;
    say(c, "GET / HTTP/1.0\r\n" HOST "\r\n");
    assert_ok(yk_stream_read_until(c, "half", 4, piece, sizeof piece, &len, YK_FOREVER));
    assert_ok(yk_stream_end_writing(c));
    eventually(s->counters.connections == 0);
    assert_int_equal(yk_stream_read_some(c, piece, 1, &len, YK_FOREVER), UV_ECONNRESET);
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static void test_half_an_answer_does_not_look_like_a_whole_one(void **state)
{
    (void)state;
    on_loop(half_an_answer, NULL);
}

static int large_and_idle(void *unused)
{
    (void)unused;
    place p;
    open_place(&p, &(yk_http_service){ .handler = hello });
    char request[60000] = "POST / HTTP/1.1\r\n" HOST "Content-Length: 50000\r\n\r\n";
    size_t head = strlen(request);
    assert_ok(yk_stream_write(p.client, request, head + 50000, YK_FOREVER));
    assert_answer(p.client, "", 200, "hello");
    eventually(p.stream->reader.parker && yk_stream_readable(p.stream) == 0);
    assert_in_range(p.stream->cap, 0, 4096);
    assert_answer(p.client, "GET / HTTP/1.1\r\n" HOST "\r\n", 200, "hello");
    close_place(&p);
    return 0;
}

static void test_an_idle_connection_keeps_no_large_buffer(void **state)
{
    (void)state;
    on_loop(large_and_idle, NULL);
}

/* ---- The end --------------------------------------------------------------------------------- */

/* Takes what is to end it for a reason of its own. */
static int never_mind(yk_http *h, void *unused)
{
    (void)unused;
    int err = yk_sleep_ms(3600000);
    return yk_http_sendf(h, 200, NULL, "%s", yk_errname(err));
}

static int stop(void *server)
{
    return yk_server_stop(server, 0);
}

static int stopped(void *unused)
{
    (void)unused;
    served *s = serve_http(&(yk_http_service){ .handler = never_mind, .idle_ms = UINT64_MAX });
    yk_stream *c = dial(s);
    say(c, "GET / HTTP/1.1\r\n" HOST "\r\n");
    eventually(s->counters.requests == 1);
    yk_future *stopping = yk_task_start(stop, s->server);
    assert_answer(c, "", 200, "YK_ECANCELED");
    assert_over(c);
    yk_stream_close(c);
    assert_int_equal(yk_await(stopping), UV_ETIMEDOUT);
    yk_future_unref(stopping);
    yk_listener_close(s->listener);
    free(s);
    return 0;
}

static void test_a_handler_that_ignores_its_cancellation_ends_with_its_answer(void **state)
{
    (void)state;
    on_loop(stopped, NULL);
}

static int refuse(yk_http *h, void *unused)
{
    (void)unused;
    int err = yk_sleep_ms(10); /* the body has come, and is more than a stream takes unasked */
    return err ? err : yk_http_error(h, 404, NULL);
}

static int unread(void *unused)
{
    (void)unused;
    enum { BODY = 250000 };
    served *s = serve_http(&(yk_http_service){ .handler = refuse });
    char *body = pattern(BODY);
    for (int minor = 0; minor <= 1; minor++) {
        yk_stream *c = dial(s);
        char head[200];
        snprintf(head, sizeof head,
                 "POST / HTTP/1.%d\r\n" HOST "Connection: close\r\nContent-Length: %d\r\n\r\n",
                 minor, BODY);
        struct iovec both[] = { { head, strlen(head) }, { body, BODY } };
        assert_ok(yk_stream_writev(c, both, 2, YK_FOREVER));
        answer *a = hear(c);
        assert_int_equal(a->status, 404);
        forget(a);
        assert_over(c);
        int reset; /* which libuv takes for the end, other clients do not */
        assert_ok(getsockopt(yk_stream_fd(c), SOL_SOCKET, SO_ERROR, &reset,
                             &(socklen_t){ sizeof reset }));
        assert_int_equal(reset, 0);
        yk_stream_close(c);
    }
    free(body);
    serve_no_more(s);
    return 0;
}

static void test_the_end_behind_a_body_that_nobody_reads_is_no_reset(void **state)
{
    (void)state;
    on_loop(unread, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_a_request_that_comes_while_an_answer_goes_is_seen),
        TEST(test_answers_that_are_not_taken_do_not_pile_up),
        TEST(test_an_answer_with_a_hole_is_the_last_one),
        TEST(test_a_body_that_nobody_reads_and_is_broken),
        TEST(test_answers_before_one_whose_client_left),
        TEST(test_half_an_answer_does_not_look_like_a_whole_one),
        TEST(test_an_idle_connection_keeps_no_large_buffer),
        TEST(test_a_handler_that_ignores_its_cancellation_ends_with_its_answer),
        TEST(test_the_end_behind_a_body_that_nobody_reads_is_no_reset),
    };
    return RUN_TESTS("http ahead", tests);
}
