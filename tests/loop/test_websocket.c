/* Tests of WebSockets: a client of the tests' own, which can do everything wrong. */
#include "loop/http/websocket_internal.h"
#include "loop/scope.h"
#include "streams.h"

/* ---- The client ------------------------------------------------------------------------------ */

enum { FIN = 0x80, MORE = 0, CONTINUED = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

#define MASK "\x12\xab\x34\xcd"

/* A frame whose payload is `len` bytes, and which says that it has `said`. */
static char *frame(int head, bool masked, const void *payload, size_t len, uint64_t said,
                   size_t *total)
{
    char *f = malloc(len + 14), *at = f;
    size_t more = said < 126 ? 0 : said < 65536 ? 2 : 8;
    *at++ = (char)head;
    *at++ = (char)((masked ? 0x80 : 0) | (more == 0 ? (int)said : more == 2 ? 126 : 127));
    for (size_t i = 0; i < more; i++)
        *at++ = (char)(said >> 8 * (more - 1 - i));
    if (masked)
        at = mempcpy(at, MASK, 4);
    for (size_t i = 0; i < len; i++)
        *at++ = ((const char *)payload)[i] ^ (masked ? MASK[i % 4] : 0);
    *total = (size_t)(at - f);
    return f;
}

static void put_frame(yk_stream *s, int head, const void *payload, size_t len)
{
    size_t n;
    char *f = frame(head, true, payload, len, len, &n);
    assert_ok(yk_stream_write(s, f, n, YK_FOREVER));
    free(f);
}

static void put(yk_stream *s, int head, const char *text)
{
    put_frame(s, head, text, strlen(text));
}

/* The next frame of the server's, which must be whole and not masked; to be freed. */
static char *next_frame(yk_stream *s, int *opcode, size_t *len)
{
    uint8_t head[2], more[8];
    assert_ok(yk_stream_read_exactly(s, head, 2, YK_FOREVER));
    assert_int_equal(head[0] & 0xf0, FIN);
    assert_int_equal(head[1] & 0x80, 0);
    *opcode = head[0] & 15;
    *len = head[1];
    if (*len >= 126) {
        size_t n = *len == 126 ? 2 : 8;
        assert_ok(yk_stream_read_exactly(s, more, n, YK_FOREVER));
        *len = 0;
        for (size_t i = 0; i < n; i++)
            *len = *len << 8 | more[i];
    }
    char *payload = calloc(1, *len + 1);
    assert_ok(yk_stream_read_exactly(s, payload, *len, YK_FOREVER));
    return payload;
}

static void expect_frame(yk_stream *s, int opcode, const void *payload, size_t len)
{
    int got;
    size_t got_len;
    char *bytes = next_frame(s, &got, &got_len);
    assert_int_equal(got, opcode);
    assert_int_equal(got_len, len);
    assert_memory_equal(bytes, payload, len);
    free(bytes);
}

static void expect(yk_stream *s, int opcode, const char *text)
{
    expect_frame(s, opcode, text, strlen(text));
}

static int code_of(const char *payload, size_t len)
{
    return len < 2 ? 0 : (uint8_t)payload[0] << 8 | (uint8_t)payload[1];
}

/* Drops what comes until the server says goodbye; its code. */
static int goodbye(yk_stream *s)
{
    for (;;) {
        int opcode;
        size_t len;
        char *payload = next_frame(s, &opcode, &len);
        int code = code_of(payload, len);
        free(payload);
        if (opcode == CLOSE)
            return code;
    }
}

static void leave(yk_stream *s, int code, const char *reason)
{
    char payload[126] = { (char)(code >> 8), (char)code };
    strcpy(payload + 2, reason);
    put_frame(s, FIN | CLOSE, payload, 2 + strlen(reason));
}

/* ---- The server ------------------------------------------------------------------------------ */

typedef struct server {
    yk_stream *client, *stream;
    yk_ws_fn fn;
    yk_ws_options options;
    yk_ws *ws;
    int result; /* what ended the receiving */
    size_t messages;
    yk_future *task;
} server;

static int echo(yk_ws *ws, void *arg)
{
    server *v = arg;
    yk_ws_message m;
    v->ws = ws;
    int err;
    while ((err = yk_ws_receive(ws, &m, YK_FOREVER)) == 0) {
        v->messages++;
        assert_int_equal(m.data[m.len], 0);
        if ((err = yk_ws_send(ws, m.kind, m.data, m.len, YK_FOREVER)))
            break;
    }
    v->result = err;
    return err == YK_END ? 0 : err;
}

static int serve(void *arg)
{
    server *v = arg;
    int err = yk__ws_serve(yk__ws_new(v->stream, NULL, &v->options), v->fn, v);
    yk_stream_close(v->stream);
    return err;
}

static void begin_with(server *v, yk_ws_fn fn)
{
    yk_stream *both[2];
    assert_ok(yk_stream_pair(both));
    v->client = both[0];
    v->stream = both[1];
    v->fn = fn;
    v->result = 1;
    v->task = yk_task_start(serve, v);
    yk_yield();
}

#define BEGIN(name, fn, ...)                  \
    server name = { .options = __VA_ARGS__ }; \
    begin_with(&name, fn)

static void end(server *v, int result)
{
    yk_await(v->task);
    yk_future_unref(v->task);
    yk_stream_close(v->client);
    if (v->result != result)
        fail_msg("it ended with %s, not %s", yk_errname(v->result), yk_errname(result));
}

static void assert_no_more(yk_stream *s)
{
    char c;
    size_t n;
    assert_int_equal(yk_stream_read_some(s, &c, 1, &n, YK_FOREVER), YK_END);
}

/* ---- What is against the protocol ------------------------------------------------------------ */

typedef struct offence {
    const char *what;
    int head;
    bool unmasked;
    const char *payload;
    size_t len;
    uint64_t said;
    int code, result;
} offence;

#define BYTES(text) text, sizeof text - 1, sizeof text - 1
#define ZEROS       "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define ZEROS_128   ZEROS ZEROS ZEROS ZEROS ZEROS ZEROS ZEROS ZEROS

static const offence offences[] = {
    { "not masked", FIN | TEXT, true, BYTES("a"), 1002, YK_EFORMAT },
    { "a reserved bit", FIN | 0x40 | TEXT, false, BYTES("a"), 1002, YK_EFORMAT },
    { "all reserved bits", FIN | 0x70 | TEXT, false, BYTES("a"), 1002, YK_EFORMAT },
    { "opcode 3", FIN | 3, false, BYTES("a"), 1002, YK_EFORMAT },
    { "opcode 11", FIN | 11, false, BYTES(""), 1002, YK_EFORMAT },
    { "a continuation of nothing", FIN | CONTINUED, false, BYTES("a"), 1002, YK_EFORMAT },
    { "half a ping", MORE | PING, false, BYTES("a"), 1002, YK_EFORMAT },
    { "half a goodbye", MORE | CLOSE, false, BYTES(""), 1002, YK_EFORMAT },
    { "a long ping", FIN | PING, false, BYTES(ZEROS_128), 1002, YK_EFORMAT },
    { "too long for any number", FIN | BINARY, false, "", 0, UINT64_MAX, 1002, YK_EFORMAT },
    { "a goodbye of one byte", FIN | CLOSE, false, BYTES("\3"), 1002, YK_EFORMAT },
    { "goodbye 999", FIN | CLOSE, false, BYTES("\x03\xe7"), 1002, YK_EFORMAT },
    { "goodbye 1005", FIN | CLOSE, false, BYTES("\x03\xed"), 1002, YK_EFORMAT },
    { "goodbye 2000", FIN | CLOSE, false, BYTES("\x07\xd0"), 1002, YK_EFORMAT },
    { "a reason that is no text", FIN | CLOSE, false, BYTES("\x03\xe8\xff"), 1007, YK_EFORMAT },
    { "no text", FIN | TEXT, false, BYTES("\xff"), 1007, YK_EFORMAT },
    { "half a letter", FIN | TEXT, false, BYTES("a\xc3"), 1007, YK_EFORMAT },
    { "half a pair of UTF-16", FIN | TEXT, false, BYTES("\xed\xa0\x80"), 1007, YK_EFORMAT },
    { "beyond Unicode", FIN | TEXT, false, BYTES("\xf4\x90\x80\x80"), 1007, YK_EFORMAT },
    { "an overlong slash", FIN | TEXT, false, BYTES("\xc0\xaf"), 1007, YK_EFORMAT },
    { "too large", FIN | BINARY, false, BYTES(ZEROS_128), 1009, YK_ETOOBIG },
    { "said to be too large", FIN | BINARY, false, "a", 1, 1ull << 62, 1009, YK_ETOOBIG },
};

static int offend(void *arg)
{
    const offence *o = arg;
    BEGIN(v, echo, { .most_message = 127 });
    put(v.client, FIN | TEXT, "hello");
    size_t n;
    char *f = frame(o->head, !o->unmasked, o->payload, o->len, o->said, &n);
    assert_ok(yk_stream_write(v.client, f, n, YK_FOREVER));
    free(f);
    expect(v.client, TEXT, "hello");
    int code = goodbye(v.client);
    if (code != o->code)
        fail_msg("%s: told %d", o->what, code);
    assert_no_more(v.client);
    yk_stream_end_writing(v.client);
    end(&v, o->result);
    assert_int_equal(v.messages, 1);
    return 0;
}

static void test_each_offence_is_told_and_ends_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(offences); i++) {
        support_note(offences[i].what);
        on_loop(offend, (void *)&offences[i]);
    }
    support_note(NULL);
}

static int offend_in_parts(void *arg)
{
    (void)arg;
    BEGIN(two, echo, { 0 });
    put(two.client, MORE | TEXT, "hel");
    put(two.client, FIN | TEXT, "lo");
    assert_int_equal(goodbye(two.client), 1002);
    yk_stream_end_writing(two.client);
    end(&two, YK_EFORMAT);

    BEGIN(large, echo, { .most_message = 10 });
    put(large.client, MORE | TEXT, "123456");
    put(large.client, FIN | CONTINUED, "78901");
    assert_int_equal(goodbye(large.client), 1009);
    yk_stream_end_writing(large.client);
    end(&large, YK_ETOOBIG);
    assert_int_equal(large.messages, 0);

    BEGIN(broken, echo, { 0 });
    put(broken.client, MORE | TEXT, "a\xc3");
    put(broken.client, FIN | PING, "\xff");
    put(broken.client, FIN | CONTINUED, "a");
    assert_int_equal(goodbye(broken.client), 1007);
    yk_stream_end_writing(broken.client);
    end(&broken, YK_EFORMAT);
    return 0;
}

static void test_offences_in_parts(void **state)
{
    (void)state;
    on_loop(offend_in_parts, NULL);
}

/* ---- Clients that go ------------------------------------------------------------------------- */

static int go(void *arg)
{
    (void)arg;
    BEGIN(between, echo, { 0 });
    yk_stream_end_writing(between.client);
    end(&between, YK_ETRUNCATED);

    BEGIN(within, echo, { 0 });
    put(within.client, MORE | TEXT, "hel");
    yk_stream_end_writing(within.client);
    end(&within, YK_ETRUNCATED);

    BEGIN(gone, echo, { 0 });
    put(gone.client, FIN | TEXT, "hello");
    yk_stream_abort(gone.client);
    yk_await(gone.task);
    yk_future_unref(gone.task);
    yk_stream_close(gone.client);
    assert_true(gone.result < 0);
    return 0;
}

static void test_a_client_goes_without_goodbye(void **state)
{
    (void)state;
    on_loop(go, NULL);
}

static int be_silent(void *arg)
{
    (void)arg;
    BEGIN(v, echo, { .silence_ms = 10 });
    expect(v.client, PING, "");
    assert_int_equal(goodbye(v.client), 1011);
    yk_stream_end_writing(v.client);
    end(&v, UV_ECONNABORTED);
    return 0;
}

static void test_a_silent_client_is_pinged_and_given_up(void **state)
{
    (void)state;
    on_loop(be_silent, NULL);
}

/* It asks and asks, and takes no answer. */
static int ask_only(void *arg)
{
    (void)arg;
    BEGIN(v, echo, { .silence_ms = 50, .most_unsent = 1000 });
    char pings[131 * 100];
    size_t n, at = 0;
    char *f = frame(FIN | PING, true, ZEROS_128, 125, 125, &n);
    for (; at + n <= sizeof pings; at += n)
        memcpy(pings + at, f, n);
    free(f);
    while (yk_stream_write(v.client, pings, at, 0) == 0 && !yk_future_ended(v.task)) {
        if (v.ws)
            assert_in_range(yk_ws_unsent(v.ws), 0, 2000);
        yk_yield();
    }
    yk_await(v.task);
    end(&v, UV_ECONNABORTED);
    return 0;
}

static void test_pings_without_end_fill_no_memory(void **state)
{
    (void)state;
    on_loop(ask_only, NULL);
}

/* ---- Waits that end -------------------------------------------------------------------------- */

static int cancel(void *arg)
{
    (void)arg;
    BEGIN(v, echo, { 0 });
    yk_future_cancel(v.task);
    assert_int_equal(goodbye(v.client), 1001);
    leave(v.client, 1001, "");
    end(&v, YK_ECANCELED);
    return 0;
}

static void test_a_cancelled_server_says_that_it_goes(void **state)
{
    (void)state;
    on_loop(cancel, NULL);
}

static int look_twice(yk_ws *ws, void *arg)
{
    server *v = arg;
    yk_ws_message m;
    assert_int_equal(yk_ws_receive(ws, &m, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_ws_receive(ws, &m, yk_after_ms(1)), UV_ETIMEDOUT);
    put(v->client, FIN | TEXT, "late");
    assert_ok(yk_ws_receive(ws, &m, YK_FOREVER));
    assert_string_equal(m.data, "late");
    assert_int_equal(yk_ws_send(ws, (yk_ws_kind)CLOSE, "", 0, 0), UV_EINVAL);
    assert_int_equal(yk_ws_close(ws, 1005, NULL), UV_EINVAL);
    assert_int_equal(yk_ws_close(ws, 1000, ZEROS_128), 0); /* "" */
    assert_int_equal(yk_ws_close(ws, 1000, NULL), YK_ECLOSED);
    assert_int_equal(yk_ws_send(ws, YK_WS_TEXT, "x", 1, 0), YK_ECLOSED);
    put(v->client, FIN | TEXT, "dropped");
    leave(v->client, 1000, "");
    v->result = yk_ws_receive(ws, &m, YK_FOREVER);
    while (v->result == 0)
        v->result = yk_ws_receive(ws, &m, YK_FOREVER);
    return 7;
}

static int look(void *arg)
{
    (void)arg;
    BEGIN(v, look_twice, { 0 });
    int result;
    assert_ok(yk_await_into(v.task, &result, sizeof result));
    assert_int_equal(result, 7);
    assert_int_equal(goodbye(v.client), 1000);
    end(&v, YK_END);
    return 0;
}

static void test_deadlines_and_refusals(void **state)
{
    (void)state;
    on_loop(look, NULL);
}

/* ---- Messages -------------------------------------------------------------------------------- */

static int exchange(void *arg)
{
    static const size_t sizes[] = { 0, 1, 125, 126, 4096, 65535, 65536, 1 << 20 };
    (void)arg;
    BEGIN(v, echo, { 0 });
    char *bytes = pattern(1 << 20);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        put_frame(v.client, FIN | BINARY, bytes, sizes[i]);
        expect_frame(v.client, BINARY, bytes, sizes[i]);
    }
    put(v.client, FIN | TEXT, "naïve ✓ 𝄞");
    expect(v.client, TEXT, "naïve ✓ 𝄞");
    free(bytes);
    leave(v.client, 4321, "bye");
    assert_int_equal(goodbye(v.client), 4321);
    assert_no_more(v.client);
    end(&v, YK_END);
    return 0;
}

static void test_messages_of_all_sizes(void **state)
{
    (void)state;
    on_loop(exchange, NULL);
}

/* Fragments with questions between them, cut into pieces of every size. */
static int in_pieces(void *arg)
{
    size_t step = *(size_t *)arg, n, len = 0;
    char all[512];
    static const struct {
        int head;
        const char *text;
    } frames[] = {
        { FIN | TEXT, "one" },       { MORE | TEXT, "t" },        { FIN | PING, "?" },
        { MORE | CONTINUED, "" },    { FIN | PONG, "unasked" },   { FIN | CONTINUED, "wo" },
        { MORE | TEXT, "\xe2\x9c" }, { FIN | CONTINUED, "\x93" }, { FIN | BINARY, "" },
    };
    BEGIN(v, echo, { 0 });
    for (size_t i = 0; i < COUNT_OF(frames); i++) {
        char *f = frame(frames[i].head, true, frames[i].text, strlen(frames[i].text),
                        strlen(frames[i].text), &n);
        memcpy(all + len, f, n);
        len += n;
        free(f);
    }
    for (size_t at = 0; at < len; at += step) {
        assert_ok(
            yk_stream_write(v.client, all + at, len - at < step ? len - at : step, YK_FOREVER));
        if (step < len)
            yk_yield();
    }
    static const char *const expected[] = { "one", "two", "✓", "" };
    bool answered = false;
    for (size_t i = 0; i < 4;) {
        int opcode;
        char *payload = next_frame(v.client, &opcode, &n);
        assert_string_equal(payload, opcode == PONG ? "?" : expected[i]);
        assert_true(opcode == PONG || opcode == (i == 3 ? BINARY : TEXT));
        answered |= opcode == PONG;
        i += opcode != PONG;
        free(payload);
    }
    assert_true(answered);
    put_frame(v.client, FIN | CLOSE, "", 0);
    assert_int_equal(goodbye(v.client), 0);
    end(&v, YK_END);
    return 0;
}

static void test_fragments_in_pieces(void **state)
{
    (void)state;
    for (size_t step = 1; step < 12; step++)
        on_loop(in_pieces, &step);
    on_loop(in_pieces, &(size_t){ 4096 });
}

static int many(void *arg)
{
    (void)arg;
    BEGIN(v, echo, { 0 });
    size_t n, len = 0, rounds = 2000;
    char *all = malloc(rounds * 20), text[16];
    for (size_t i = 0; i < rounds; i++) {
        int l = snprintf(text, sizeof text, "%zu", i * i);
        char *f = frame(FIN | TEXT, true, text, (size_t)l, (size_t)l, &n);
        memcpy(all + len, f, n);
        len += n;
        free(f);
    }
    assert_ok(yk_stream_write(v.client, all, len, YK_FOREVER));
    free(all);
    for (size_t i = 0; i < rounds; i++) {
        snprintf(text, sizeof text, "%zu", i * i);
        expect(v.client, TEXT, text);
    }
    leave(v.client, 1000, "");
    assert_int_equal(goodbye(v.client), 1000);
    end(&v, YK_END);
    return 0;
}

static void test_many_messages_at_once(void **state)
{
    (void)state;
    on_loop(many, NULL);
}

static int hear_the_reason(yk_ws *ws, void *arg)
{
    server *v = arg;
    yk_ws_message m;
    const char *reason;
    assert_int_equal(yk_ws_close_code(ws, NULL), 1006);
    v->result = yk_ws_receive(ws, &m, YK_FOREVER);
    assert_int_equal(yk_ws_close_code(ws, &reason), 3999);
    assert_string_equal(reason, "no more time");
    return 0;
}

static int give_a_reason(void *arg)
{
    (void)arg;
    BEGIN(v, hear_the_reason, { 0 });
    leave(v.client, 3999, "no more time");
    assert_int_equal(goodbye(v.client), 3999);
    end(&v, YK_END);
    return 0;
}

static void test_the_reason_of_a_goodbye(void **state)
{
    (void)state;
    on_loop(give_a_reason, NULL);
}

/* ---- Several who send ------------------------------------------------------------------------ */

static int receive_only(yk_ws *ws, void *arg)
{
    server *v = arg;
    yk_ws_message m;
    v->ws = ws;
    while ((v->result = yk_ws_receive(ws, &m, YK_FOREVER)) == 0)
        v->messages++;
    return v->result == YK_END ? 0 : v->result;
}

static int send_numbers(void *arg)
{
    server *v = arg;
    char text[5000];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 100; i++)
        assert_ok(yk_ws_send(v->ws, YK_WS_TEXT, text, sizeof text, YK_FOREVER));
    return 0;
}

static int send_from_all_sides(void *arg)
{
    (void)arg;
    BEGIN(v, receive_only, { .most_unsent = 10000 });
    yk_scope *scope = yk_scope_begin();
    for (int i = 0; i < 5; i++)
        yk_scope_start(scope, send_numbers, &v);
    yk_yield();
    int answers = 0, asked = 0;
    for (int messages = 0; messages < 500;) {
        if (messages % 10 == 0 && asked < 50 && asked == answers) {
            put(v.client, FIN | PING, "still there?");
            asked++;
        }
        int opcode;
        size_t len;
        char *payload = next_frame(v.client, &opcode, &len);
        if (opcode == PONG)
            assert_string_equal(payload, "still there?");
        else
            assert_int_equal(strspn(payload, "x"), 5000);
        answers += opcode == PONG;
        messages += opcode == TEXT;
        free(payload);
        assert_in_range(yk_ws_unsent(v.ws), 0, 10000 + 5010 + 600);
    }
    assert_ok(yk_scope_end(scope, 0));
    assert_true(answers > 0);
    leave(v.client, 1000, "");
    assert_int_equal(goodbye(v.client), 1000);
    end(&v, YK_END);
    return 0;
}

static void test_tasks_that_send_at_once(void **state)
{
    (void)state;
    on_loop(send_from_all_sides, NULL);
}

static int broadcast(void *arg)
{
    (void)arg;
    char text[1000];
    memset(text, 'y', sizeof text);
    BEGIN(quick, receive_only, { 0 });
    BEGIN(slow, receive_only, { .most_unsent = 5000 });
    int sent = 0, err = 0;
    while (!err) {
        assert_ok(yk_ws_send(quick.ws, YK_WS_TEXT, text, sizeof text, 0));
        expect_frame(quick.client, TEXT, text, sizeof text);
        err = yk_ws_send(slow.ws, YK_WS_TEXT, text, sizeof text, 0);
        assert_in_range(yk_ws_unsent(slow.ws), 0, 6010);
        sent++;
    }
    assert_int_equal(err, UV_ETIMEDOUT);
    assert_in_range(sent, 5, 1000000);
    yk_ws_drop(slow.ws);
    end(&slow, YK_ECLOSED);
    leave(quick.client, 1000, "");
    assert_int_equal(goodbye(quick.client), 1000);
    end(&quick, YK_END);
    return 0;
}

static void test_who_sends_to_many_does_not_wait_for_the_slowest(void **state)
{
    (void)state;
    on_loop(broadcast, NULL);
}

/* ---- The handshake's key --------------------------------------------------------------------- */

static void test_the_key_is_answered(void **state)
{
    (void)state;
    static const char *const none[] = {
        "",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25j====",
        "dGhlIHNhbXBsZSBub25jZR==",
        "dGhlIHNhbXBsZSBub25 ZQ==",
    };
    char accept[YK__WS_ACCEPT];
    for (size_t i = 0; i < COUNT_OF(none); i++)
        assert_false(yk__ws_accept_key(none[i], accept));
    assert_true(yk__ws_accept_key("dGhlIHNhbXBsZSBub25jZQ==", accept));
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_the_key_is_answered),
        TEST(test_each_offence_is_told_and_ends_it),
        TEST(test_offences_in_parts),
        TEST(test_a_client_goes_without_goodbye),
        TEST(test_a_silent_client_is_pinged_and_given_up),
        TEST(test_pings_without_end_fill_no_memory),
        TEST(test_a_cancelled_server_says_that_it_goes),
        TEST(test_deadlines_and_refusals),
        TEST(test_messages_of_all_sizes),
        TEST(test_fragments_in_pieces),
        TEST(test_many_messages_at_once),
        TEST(test_the_reason_of_a_goodbye),
        TEST(test_tasks_that_send_at_once),
        TEST(test_who_sends_to_many_does_not_wait_for_the_slowest),
    };
    return RUN_TESTS("websocket", tests);
}
