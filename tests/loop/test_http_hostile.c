/* Tests of the HTTP server with clients that mean no good: over true connections, whole or byte by
 * byte, alone or in a crowd. */
#include "http_client.h"
#include "http_reading.h"
#include "http_requests.h"

#define HOST "Host: test\r\n"

/* ---- The site -------------------------------------------------------------------------------- */

static unsigned smuggled;

/* Says what it was asked, and what body it got. */
static int tell(yk_http *h, void *unused)
{
    (void)unused;
    char *body;
    size_t len;
    smuggled += strstr(yk_http_target(h), "smuggled") != NULL;
    int err = yk_http_read_all(h, &body, &len);
    if (err)
        return err;
    return yk_http_sendf(h, 200, "text/plain", "%s %s %s", yk_http_method(h), yk_http_target(h),
                         body);
}

/* ---- Talking --------------------------------------------------------------------------------- */

/* Says it in pieces of `step` bytes, of which each is there before the next one, and that nothing
 * follows. A server that has ended the connection need not hear the rest. */
static void say_in_pieces(yk_stream *c, const char *bytes, size_t len, size_t step)
{
    int err = 0;
    for (size_t at = 0; at < len && !err; at += step) {
        err = yk_stream_write(c, bytes + at, len - at < step ? len - at : step, YK_FOREVER);
        for (int i = 0; i < 2 && at + step < len && !err; i++)
            yk_sleep_ms(0);
    }
    if (!err)
        yk_stream_end_writing(c);
}

/* All that the server says until it closes. A reset, which may follow what was unread, is an end.
 */
static char *hear_all(yk_stream *c, size_t *len)
{
    char piece[4096], *all;
    FILE *out = open_memstream(&all, len);
    size_t n;
    while (yk_stream_read_some(c, piece, sizeof piece, &n, yk_after_ms(20000)) == 0)
        fwrite(piece, 1, n, out);
    fclose(out);
    return all;
}

static char *exchange(served *s, const char *bytes, size_t len, size_t step, size_t *heard)
{
    yk_stream *c = dial(s);
    say_in_pieces(c, bytes, len, step);
    char *all = hear_all(c, heard);
    yk_stream_close(c);
    return all;
}

/* The next answer in *at: its status, and *body, of *len bytes. 0: there is none. Those that only
 * say that the client may go on are skipped. head: to a request by HEAD, unless it is refused. */
static int next_answer(const char **at, bool head, const char **body, size_t *len)
{
    int status = 0;
    while (sscanf(*at, "HTTP/1.1 %d ", &status) == 1 && status == 100)
        *at = strstr(*at, "\r\n\r\n") + 4;
    const char *end = strstr(*at, "\r\n\r\n"), *length = strcasestr(*at, "\r\nContent-Length: ");
    if (status == 0 || !end)
        return 0;
    *body = end + 4;
    *len = length && length < end && !(head && status == 200) ? strtoul(length + 18, NULL, 10) : 0;
    *at = *body + *len;
    return status;
}

/* ---- Requests that two programs could read in two ways --------------------------------------- */

static const struct {
    int status;
    const char *text;
} shapes[] = {
    { 400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
           "0\r\n\r\n" },
    { 400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
           "2a\r\n" },
    { 400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 44\r\n\r\n" },
    { 400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 0, 44\r\n\r\n" },
    { 400, "POST / HTTP/1.1\r\n" HOST "Content-Length: +44\r\n\r\n" },
    { 400, "POST / HTTP/1.1\r\n" HOST "Content-Length : 44\r\n\r\n" },
    { 400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n\r\n" },
    { 400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n" },
    { 400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n" },
    { 501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" },
    { 400, "POST / HTTP/1.1\r\n" HOST
           "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" },
    { 400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" },
    { 400, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\x0b"
           "chunked\r\n\r\n0\r\n\r\n" },
    { 400, "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
    { 400, "POST / HTTP/1.1\r\n" HOST "A: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
    { 400, "POST / HTTP/1.1\r\n" HOST "A: b\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
    { 400, "POST / HTTP/1.1\r\n" HOST "A:\r\n Content-Length: 44\r\n\r\n" },
    { 400, "GET / HTTP/1.1\r\n" HOST HOST "\r\n" },
    { 400, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n" },
    { 400, "GET / HTTP/1.1\r\n\r\n" },
    { 400, "GET / HTTP/1.1\n" HOST "\n" },
    { 400, "GET /a GET /smuggled HTTP/1.1\r\n" HOST "\r\n" },
    { 400, "GET /\rGET /smuggled HTTP/1.1\r\n" HOST "\r\n" },
    { 505, "GET / HTTP/1.2\r\n" HOST "\r\n" },
    { 400, "GET /\r\n\r\n" },
    { 501, "CONNECT test:80 HTTP/1.1\r\nHost: test:80\r\n\r\n" },
/* in the chunks */
#define CHUNKS "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
    { 400, CHUNKS "1\r\nab\r\n0\r\n\r\n" },
    { 400, CHUNKS "1\na\n0\n\n" },
    { 400, CHUNKS "0x1\r\na\r\n0\r\n\r\n" },
    { 400, CHUNKS "1 \r\na\r\n0\r\n\r\n" },
    { 400, CHUNKS "-1\r\na\r\n0\r\n\r\n" },
    { 400, CHUNKS "10000000000000001\r\na\r\n0\r\n\r\n" },
    { 400, CHUNKS "1;a\nb\r\na\r\n0\r\n\r\n" },
    { 400, CHUNKS "1\r\na\r\n0\r\nA: b\n\r\n" },
    { 400, CHUNKS "1\r\na\r\n0\r\n b\r\n\r\n" },
};

static void assert_not_smuggled(served *s, size_t i, size_t step)
{
    char bytes[1024];
    int len =
        snprintf(bytes, sizeof bytes,
                 "GET /before HTTP/1.1\r\n" HOST "\r\n%sGET /smuggled HTTP/1.1\r\n" HOST "\r\n",
                 shapes[i].text);
    size_t heard, n;
    char *all = exchange(s, bytes, (size_t)len, step, &heard);
    const char *at = all, *body;
    int first = next_answer(&at, false, &body, &n), second = next_answer(&at, false, &body, &n);
    if (first != 200 || second != shapes[i].status || *at || smuggled)
        fail_msg("%s\nin pieces of %zu: %s", bytes, step, all);
    assert_non_null(strcasestr(all, "\r\nConnection: close\r\n"));
    free(all);
}

static int smuggling(void *unused)
{
    (void)unused;
    served *s = serve_http(&(yk_http_service){ .handler = tell });
    smuggled = 0;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        assert_not_smuggled(s, i, SIZE_MAX / 2);
        assert_not_smuggled(s, i, 1);
    }
    assert_once(s, "GET /good HTTP/1.1\r\n" HOST "\r\n", 200, "GET /good ");
    serve_no_more(s);
    return 0;
}

static void test_no_request_is_smuggled(void **state)
{
    (void)state;
    on_loop(smuggling, NULL);
}

/* ---- Requests made by chance ----------------------------------------------------------------- */

/* What tell() answers to it; a path with a broken escape is refused before. */
static int expected(const reading *r, char *body, size_t size)
{
    char target[256];
    size_t words = strcspn(r->text, "\n") + 1;
    const char *content = strstr(r->text, "\n\n") + 2;
    snprintf(target, sizeof target, "%.*s", (int)strcspn(r->text + words, "\n"), r->text + words);
    if (strstr(target, "%zz"))
        return 400;
    snprintf(body, size, "%s %s %s", r->method, target, content);
    return 200;
}

static bool goes_on(const reading *r)
{
    return strstr(r->text, " keep-alive ") != NULL;
}

/* How much of it a client may say: nothing behind its last request. What it says to a connection
 * that is closed could take an answer away that it has not read. */
static size_t to_its_last(const char *bytes, size_t len)
{
    bool over = false;
    size_t at = 0;
    while (!over && at < len) {
        reading r = read_as_yoke(bytes + at, len - at, len - at);
        over = r.end > 0 && !goes_on(&r);
        at = r.end > 0 ? at + (size_t)r.end : len;
        free_reading(&r);
    }
    return at;
}

/* Follows the answers with a reading of what was sent. NULL: all is as it must be. */
static const char *check_answers(const char *bytes, size_t len, const char *answers)
{
    const char *wrong = NULL;
    bool over = false;
    while (!over && !wrong && len > 0) {
        reading r = read_as_yoke(bytes, len, len);
        char want[8192];
        const char *body = NULL;
        size_t n = 0;
        int status =
            next_answer(&answers, strcmp(r.method ? r.method : "", "HEAD") == 0, &body, &n);
        if (r.end > 0) {
            int wanted = expected(&r, want, sizeof want);
            if (status != wanted)
                wrong = "another status";
            else if (status == 200 && strcmp(r.method, "HEAD") &&
                     (n != strlen(want) || memcmp(body, want, n)))
                wrong = "another answer";
            over = status != 200 || !goes_on(&r);
            bytes += r.end;
            len -= (size_t)r.end;
        } else {
            bool handled = r.len > 0; /* and the handler failed, with the body */
            if (r.end < 0 && status != -r.end && !(handled && status == 400))
                wrong = "another refusal";
            if (r.end == 0 && status != 0 && !(handled && status == 400))
                wrong = "an answer to half a request";
            over = true;
        }
        free_reading(&r);
    }
    return wrong ? wrong : *answers ? "an answer too many" : NULL;
}

static int by_chance(void *unused)
{
    (void)unused;
    served *s = serve_http(&(yk_http_service){ .handler = tell });
    size_t rounds = support_rounds(600);
    chance_from(2);
    for (size_t i = 0; i < rounds; i++) {
        size_t len, heard;
        char *bytes = make_requests(1 + below(3), &len);
        len = to_its_last(bytes, len);
        char *all = exchange(s, bytes, len, i % 5 ? SIZE_MAX / 2 : 1 + below(9), &heard);
        const char *wrong = check_answers(bytes, len, all);
        if (wrong)
            fail_msg("round %zu, %s:\n%s\n---- answers:\n%s\n----", i, wrong, bytes, all);
        free(bytes);
        free(all);
    }
    assert_true(s->counters.answers[2] > rounds / 3);
    assert_true(s->counters.answers[4] > rounds / 10);
    serve_no_more(s);
    return 0;
}

static void test_every_answer_is_the_one_that_the_bytes_deserve(void **state)
{
    (void)state;
    on_loop(by_chance, NULL);
}

/* ---- Crowds ---------------------------------------------------------------------------------- */

enum { CROWD = 60 };

static const char *const slow[] = {
    "",
    "G",
    "GET / HTTP/1.1\r\n" HOST "A: b",
    "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nab",
    CHUNKS "5\r\nab",
    CHUNKS "5;ext",
    CHUNKS "0\r\nTrailer: ",
    "\r\n\r\n",
};

static int crowd(void *unused)
{
    (void)unused;
    yk_stream *clients[CROWD];
    served *s = serve_http(&(yk_http_service){ .handler = tell });
    for (size_t i = 0; i < CROWD; i++) {
        clients[i] = dial(s);
        if (*slow[i % COUNT_OF(slow)])
            say(clients[i], slow[i % COUNT_OF(slow)]);
    }
    eventually(s->counters.connections == CROWD);
    yk_stream *good = dial(s);
    for (int i = 0; i < 20; i++)
        assert_answer(good, "GET /good HTTP/1.1\r\n" HOST "\r\n", 200, "GET /good ");
    assert_int_equal(s->counters.connections, CROWD + 1);
    for (size_t i = 0; i < CROWD; i++) {
        if (i % 3 == 0)
            yk_stream_abort(clients[i]);
        yk_stream_close(clients[i]);
    }
    eventually(s->counters.connections == 1);
    assert_answer(good, "GET /good HTTP/1.1\r\n" HOST "\r\n", 200, "GET /good ");
    yk_stream_close(good);
    serve_no_more(s);
    return 0;
}

static void test_others_are_served_while_a_crowd_is_slow(void **state)
{
    (void)state;
    on_loop(crowd, NULL);
}

/* Those that are too slow make room for the one that waits to be accepted. */
static int full(void *unused)
{
    (void)unused;
    yk_stream *clients[CROWD];
    yk_http_counters counters = { 0 };
    yk_http_service service = {
        .handler = tell, .counters = &counters, .head_ms = 30, .idle_ms = 30, .stall_ms = 30
    };
    yk_listener *l;
    assert_ok(yk_listen(&l, "127.0.0.1", 0));
    yk_server *server = yk_server_start_with(l, yk_http_connection, &service, .most = CROWD);
    served s = { .listener = l };
    for (size_t i = 0; i < CROWD; i++) {
        clients[i] = dial(&s);
        if (*slow[i % COUNT_OF(slow)])
            say(clients[i], slow[i % COUNT_OF(slow)]);
    }
    eventually(counters.accepted >= CROWD);
    assert_once(&s, "GET /good HTTP/1.1\r\n" HOST "\r\n", 200, "GET /good ");
    for (size_t i = 0; i < CROWD; i++) {
        size_t len;
        free(hear_all(clients[i], &len));
        yk_stream_close(clients[i]);
    }
    eventually(counters.connections == 0);
    assert_true(counters.timed_out > CROWD / 2);
    assert_ok(yk_server_stop(server, YK_FOREVER));
    yk_listener_close(l);
    return 0;
}

static void test_a_full_server_gets_rid_of_the_slow_ones(void **state)
{
    (void)state;
    on_loop(full, NULL);
}

/* ---- Floods ---------------------------------------------------------------------------------- */

enum { TOO_MUCH = 60 << 20 }; /* more than the system may have on its way */

/* How much of something without end a server takes before it ends the connection. */
static size_t flood(served *s, const char *begin, const char *more)
{
    yk_stream *c = dial(s);
    size_t sent = strlen(begin), n = strlen(more);
    say(c, begin);
    while (sent <= TOO_MUCH && yk_stream_write(c, more, n, YK_FOREVER) == 0)
        sent += n;
    yk_stream_close(c);
    return sent;
}

static const char *repeated(const char *piece)
{
    static char texts[4][8 << 10];
    static unsigned next;
    char *text = texts[next++ % 4];
    size_t len = 0;
    while (len + strlen(piece) < sizeof texts[0])
        len += (size_t)sprintf(text + len, "%s", piece);
    return text;
}

static int floods(void *unused)
{
    (void)unused;
    static const char *const endless[][2] = {
        { "", "\r\n" },
        { "", "a" },
        { "GET /", "a" },
        { "GET / HTTP/1.1\r\nA: ", "a" },
        { "GET / HTTP/1.1\r\n", "A: b\r\n" },
        { CHUNKS, "1;extension=yes\r\na\r\n" },
        { CHUNKS "1;", "a" },
        { CHUNKS "0\r\n", "A: b\r\n" },
        { CHUNKS "7fffffffffffffff\r\n", "a" },
    };
    served *s = serve_http(&(yk_http_service){ .handler = tell });
    for (size_t i = 0; i < COUNT_OF(endless); i++)
        if (flood(s, endless[i][0], repeated(endless[i][1])) > TOO_MUCH)
            fail_msg("it goes on after %s and many of %s", endless[i][0], endless[i][1]);
    assert_int_equal(s->counters.answers[2], 0);
    assert_int_equal(s->counters.requests, COUNT_OF(endless));
    serve_no_more(s);
    return 0;
}

static void test_what_has_no_end_is_cut(void **state)
{
    (void)state;
    on_loop(floods, NULL);
}

/* Its answers leave when the loop's turn ends, not when it writes. */
static int tell_later(yk_http *h, void *unused)
{
    int err = yk_yield();
    return err ? err : tell(h, unused);
}

static int deaf(void *handler)
{
    served *s = serve_http(&(yk_http_service){ .handler = *(yk_http_fn *)handler, .stall_ms = 50 });
    size_t sent = flood(s, "", repeated("GET / HTTP/1.1\r\n" HOST "\r\n"));
    assert_in_range(sent, 1, TOO_MUCH);
    eventually(s->counters.connections == 0);
    assert_int_equal(s->counters.timed_out, 1);
    serve_no_more(s);
    return 0;
}

static void test_who_asks_and_does_not_listen_is_cut(void **state)
{
    (void)state;
    on_loop(deaf, &(yk_http_fn){ tell });
    on_loop(deaf, &(yk_http_fn){ tell_later });
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_no_request_is_smuggled),
        TEST(test_every_answer_is_the_one_that_the_bytes_deserve),
        TEST(test_others_are_served_while_a_crowd_is_slow),
        TEST(test_a_full_server_gets_rid_of_the_slow_ones),
        TEST(test_what_has_no_end_is_cut),
        TEST(test_who_asks_and_does_not_listen_is_cut),
    };
    return RUN_TESTS("http hostile", tests);
}
