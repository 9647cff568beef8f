/* Tests of server-sent events. */
#include "executor/error.h"
#include "http_client.h"
#include "loop/sync.h"

#define GET "GET / HTTP/1.1\r\nHost: test\r\n\r\n"

static int say_all(yk_http *h, void *unused)
{
    (void)unused;
    assert_int_equal(yk_http_event(h, NULL, "too early"), YK_ECLOSED);
    assert_ok(yk_http_events(h));
    assert_int_equal(yk_http_events(h), YK_ECLOSED);
    assert_int_equal(yk_http_event(h, "", "x"), UV_EINVAL);
    assert_int_equal(yk_http_event(h, "a\nb", "x"), UV_EINVAL);
    assert_int_equal(yk_http_event(h, "a\r", "x"), UV_EINVAL);
    assert_ok(yk_http_event(h, NULL, NULL));
    assert_ok(yk_http_event(h, NULL, "one"));
    assert_ok(yk_http_event(h, "two", "1\n2\r\n3\r4\n"));
    assert_ok(yk_http_event(h, "three", NULL));
    return yk_http_event(h, NULL, "");
}

static int hear_all(void *unused)
{
    (void)unused;
    served *s = serve_http(&(yk_http_service){ .handler = say_all });
    yk_stream *c = dial(s);
    say(c, GET);
    answer *a = hear(c);
    assert_int_equal(a->status, 200);
    assert_string_equal(field_of(a, "Content-Type"), "text/event-stream");
    assert_string_equal(field_of(a, "Cache-Control"), "no-store");
    assert_string_equal(a->body, ":\n\n"
                                 "data: one\n\n"
                                 "event: two\ndata: 1\ndata: 2\ndata: 3\ndata: 4\ndata: \n\n"
                                 "event: three\ndata: \n\n"
                                 "data: \n\n");
    forget(a);
    yk_stream_close(c);
    serve_no_more(s);
    return 0;
}

static void test_events_are_written_as_the_standard_says(void **state)
{
    (void)state;
    on_loop(hear_all, NULL);
}

typedef struct ticker {
    yk_event next;
    int result;
} ticker;

/* An event each time it is told to, until the client leaves. */
static int tick(yk_http *h, void *arg)
{
    ticker *t = arg;
    int err = yk_http_events(h);
    while (!err && (err = yk_event_wait(&t->next, YK_FOREVER)) == 0) {
        yk_event_clear(&t->next);
        err = yk_http_event(h, NULL, "tick");
    }
    t->result = err;
    return err;
}

static int watch(void *unused)
{
    (void)unused;
    ticker t = { .result = 1 };
    char got[200];
    size_t n;
    served *s = serve_http(&(yk_http_service){ .handler = tick, .arg = &t });
    yk_stream *c = dial(s);
    say(c, GET);
    assert_ok(yk_stream_read_until(c, "\r\n\r\n", 4, got, sizeof got, &n, YK_FOREVER));
    for (int i = 0; i < 3; i++) {
        yk_event_set(&t.next);
        assert_ok(yk_stream_read_until(c, "\n\n\r\n", 4, got, sizeof got, &n, YK_FOREVER));
        assert_memory_equal(got, "c\r\ndata: tick\n\n\r\n", n);
    }
    yk_stream_close(c);
    serve_no_more(s);
    assert_int_equal(t.result, YK_ECANCELED);
    return 0;
}

static void test_each_event_goes_at_once_until_the_client_leaves(void **state)
{
    (void)state;
    on_loop(watch, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_events_are_written_as_the_standard_says),
        TEST(test_each_event_goes_at_once_until_the_client_leaves),
    };
    return RUN_TESTS("http_events", tests);
}
