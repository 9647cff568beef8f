/* Tests of compressed answers: when they are, and that they are the same. */
#include <zlib.h>
#include <zstd.h>

#include "executor/error.h"
#include "http_client.h"
#include "loop/http/files.h"
#include "loop/subprocess.h"
#include "loop/sync.h"

#define HOST "Host: test\r\n"

/* What a handler does, as the test says. */
typedef struct plan {
    const char *type, *encoding, *control, *tag;
    const char *body;
    size_t len, pieces; /* 0: at once */
    uint64_t length;    /* that it begins with, where it is in pieces */
    int status;         /* 0: 200 */
    yk_event *next;     /* waits for it between two pieces */
    int result;
} plan;

static int follow(yk_http *h, void *arg)
{
    plan *p = arg;
    int status = p->status ? p->status : 200;
    if (p->encoding)
        assert_ok(yk_http_set(h, "Content-Encoding", p->encoding));
    if (p->control)
        assert_ok(yk_http_set(h, "Cache-Control", p->control));
    if (p->tag)
        assert_ok(yk_http_set(h, "ETag", p->tag));
    if (!p->pieces)
        return p->result = yk_http_send(h, status, p->type, p->body, p->len);
    int err = yk_http_begin(h, status, p->type, p->length);
    for (size_t at = 0, n; at < p->len && !err; at += n) {
        n = p->len / p->pieces < p->len - at ? p->len / p->pieces : p->len - at;
        err = yk_http_write(h, p->body + at, n);
        if (!err && p->next && !(err = yk_http_flush(h)) &&
            !(err = yk_event_wait(p->next, YK_FOREVER)))
            yk_event_clear(p->next);
    }
    return p->result = err;
}

/* Text that becomes smaller, and a pattern that does not. */
static char *made_up(size_t len)
{
    char *text = pattern(len + 1);
    for (size_t i = 0; i + 40 < len; i += 40)
        memcpy(text + i, "{\"word\":\"compression\",\"count\":", 30);
    text[len] = '\0';
    return text;
}

static char *unpack(const answer *a, size_t *len)
{
    size_t cap = 4 << 20;
    char *out = malloc(cap);
    const char *coding = field_of(a, "Content-Encoding");
    if (!coding) {
        memcpy(out, a->body, *len = a->len);
    } else if (strcmp(coding, "zstd") == 0) {
        ZSTD_DCtx *d = ZSTD_createDCtx();
        ZSTD_inBuffer in = { a->body, a->len, 0 };
        ZSTD_outBuffer to = { out, cap, 0 };
        size_t left = ZSTD_decompressStream(d, &to, &in);
        ZSTD_freeDCtx(d);
        assert_int_equal(left, 0);
        assert_int_equal(in.pos, in.size);
        *len = to.pos;
    } else {
        z_stream z = { .next_in = (Bytef *)a->body,
                       .avail_in = (uInt)a->len,
                       .next_out = (Bytef *)out,
                       .avail_out = (uInt)cap };
        assert_string_equal(coding, "gzip");
        assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        assert_int_equal(z.avail_in, 0);
        *len = z.total_out;
        inflateEnd(&z);
    }
    return out;
}

static answer *ask(yk_stream *c, const char *method, const char *fields)
{
    char request[700];
    snprintf(request, sizeof request, "%s / HTTP/1.1\r\n" HOST "%s\r\n", method, fields);
    say(c, request);
    return hear_for(c, method);
}

static void assert_same(const answer *a, const char *body, size_t len)
{
    size_t got;
    char *text = unpack(a, &got);
    assert_int_equal(got, len);
    assert_memory_equal(text, body, len);
    free(text);
}

/* ---- What is not compressed ------------------------------------------------------------------ */

static int left_alone(void *arg)
{
    (void)arg;
    char *text = made_up(5000);
    static const struct {
        plan p;
        const char *fields;
        bool varies;
    } cases[] = {
        { { .type = "text/plain" }, "", true },
        { { .type = "text/plain" }, "Accept-Encoding: br, identity\r\n", true },
        { { .type = "text/plain" }, "Accept-Encoding: gzip;q=0\r\n", true },
        { { .type = "text/plain", .len = 1023 }, "Accept-Encoding: gzip\r\n", false },
        { { .type = "image/png" }, "Accept-Encoding: gzip\r\n", false },
        { { .type = NULL }, "Accept-Encoding: gzip\r\n", false },
        { { .type = "text/plain", .encoding = "br" }, "Accept-Encoding: gzip\r\n", false },
        { { .type = "text/plain", .control = "no-store, no-transform" },
          "Accept-Encoding: gzip\r\n",
          false },
        { { .type = "text/plain", .status = 206 }, "Accept-Encoding: gzip\r\n", false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        plan p = cases[i].p;
        p.body = text;
        p.len = p.len ? p.len : 5000;
        served *s =
            serve_http(&(yk_http_service){ .handler = follow, .arg = &p, .compress = true });
        yk_stream *c = dial(s);
        answer *a = ask(c, "GET", cases[i].fields);
        if (a->len != p.len || memcmp(a->body, text, p.len) != 0)
            fail_msg("case %zu: %zu bytes", i, a->len);
        assert_int_equal(field_of(a, "Vary") != NULL, cases[i].varies);
        assert_non_null(field_of(a, "Content-Length"));
        forget(a);
        yk_stream_close(c);
        serve_no_more(s);
    }
    plan p = { .type = "text/plain", .body = text, .len = 5000 };
    served *s = serve_http(&(yk_http_service){ .handler = follow, .arg = &p });
    yk_stream *c = dial(s);
    answer *a = ask(c, "GET", "Accept-Encoding: gzip\r\n");
    assert_null(field_of(a, "Vary"));
    assert_int_equal(a->len, 5000);
    forget(a);
    yk_stream_close(c);
    s->service.compress = true;
    c = dial(s);
    say(c, "GET / HTTP/1.0\r\n" HOST "Accept-Encoding: gzip\r\n\r\n");
    a = hear(c);
    assert_int_equal(a->len, 5000);
    forget(a);
    yk_stream_close(c);
    serve_no_more(s);
    free(text);
    return 0;
}

static void test_what_is_left_as_it_is(void **state)
{
    (void)state;
    on_loop(left_alone, NULL);
}

static int against_its_word(void *arg)
{
    (void)arg;
    char *text = made_up(5000), byte;
    size_t n;
    static const struct {
        uint64_t said;
        int result;
    } cases[] = { { 6000, 0 }, { 4000, YK_ETOOBIG } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        plan p = {
            .type = "text/css", .body = text, .len = 5000, .pieces = 5, .length = cases[i].said
        };
        served *s =
            serve_http(&(yk_http_service){ .handler = follow, .arg = &p, .compress = true });
        yk_stream *c = dial(s);
        say(c, "GET / HTTP/1.1\r\n" HOST "Accept-Encoding: zstd\r\n\r\n");
        int err;
        char last[5] = "";
        while ((err = yk_stream_read_some(c, &byte, 1, &n, YK_FOREVER)) == 0) {
            memmove(last, last + 1, 3);
            last[3] = byte;
        }
        assert_true(err == UV_ECONNRESET || err == YK_END);
        assert_int_not_equal(strcmp(last, "0\r\n\r"), 0); /* no end of the body */
        assert_int_not_equal(strcmp(last, "\r\n\r\n"), 0);
        assert_int_equal(p.result, cases[i].result);
        yk_stream_close(c);
        serve_no_more(s);
    }
    free(text);
    return 0;
}

static void test_a_length_that_was_not_kept_cuts_it(void **state)
{
    (void)state;
    on_loop(against_its_word, NULL);
}

/* ---- What is --------------------------------------------------------------------------------- */

static int all_sizes(void *arg)
{
    (void)arg;
    static const size_t sizes[] = { 1024, 32768, 32769, 300000, 3000000 };
    static const char *const fields[] = { "Accept-Encoding: zstd\r\n",
                                          "Accept-Encoding: gzip\r\n" };
    char *text = made_up(3000000);
    plan p = { .type = "application/json", .body = text, .tag = "\"abc\"" };
    served *s = serve_http(&(yk_http_service){ .handler = follow, .arg = &p, .compress = true });
    yk_stream *c = dial(s);
    for (size_t i = 0; i < COUNT_OF(sizes) * 2 * 3; i++) {
        p.len = sizes[i / 6];
        p.pieces = i % 3 == 0 ? 0 : 7;
        p.length = i % 3 == 1 ? p.len : YK_HTTP_UNKNOWN;
        answer *a = ask(c, "GET", fields[i / 3 % 2]);
        assert_string_equal(field_of(a, "Content-Encoding"), i / 3 % 2 ? "gzip" : "zstd");
        assert_string_equal(field_of(a, "Vary"), "Accept-Encoding");
        assert_string_equal(field_of(a, "ETag"), "W/\"abc\"");
        assert_null(field_of(a, "Content-Length"));
        assert_in_range(a->len, 10, p.len - 1);
        assert_same(a, text, p.len);
        forget(a);
    }
    answer *a = ask(c, "HEAD", fields[0]);
    assert_string_equal(field_of(a, "Content-Encoding"), "zstd");
    forget(a);
    char tag[240] = "", weak[250];
    snprintf(tag, sizeof tag, "\"%0220d\"", 1);
    snprintf(weak, sizeof weak, "W/%s", tag);
    p.tag = tag;
    a = ask(c, "HEAD", fields[0]);
    assert_string_equal(field_of(a, "ETag"), weak);
    forget(a);
    p.status = 404;
    p.len = 2000;
    a = ask(c, "GET", fields[0]);
    assert_int_equal(a->status, 404);
    assert_same(a, text, 2000);
    forget(a);
    yk_stream_close(c);
    serve_no_more(s);
    free(text);
    return 0;
}

static void test_it_is_the_same_unpacked(void **state)
{
    (void)state;
    on_loop(all_sizes, NULL);
}

/* Several at once, more than encoders are kept; each piece can be read when it was flushed. */
static int at_once(void *arg)
{
    (void)arg;
    yk_event next = { 0 };
    char *text = made_up(6000), came[4096], out[8192];
    plan p = { .type = "text/html",
               .body = text,
               .len = 6000,
               .pieces = 2,
               .length = YK_HTTP_UNKNOWN,
               .next = &next };
    served *s = serve_http(&(yk_http_service){ .handler = follow, .arg = &p, .compress = true });
    yk_stream *c[10];
    ZSTD_DCtx *d = ZSTD_createDCtx();
    for (size_t i = 0; i < COUNT_OF(c); i++) {
        c[i] = dial(s);
        say(c[i], "GET / HTTP/1.1\r\n" HOST "Accept-Encoding: zstd\r\n\r\n");
    }
    for (size_t i = 0; i < COUNT_OF(c); i++) {
        size_t n;
        assert_ok(yk_stream_read_until(c[i], "\r\n\r\n", 4, came, sizeof came, &n, YK_FOREVER));
        assert_ok(yk_stream_read_line(c[i], came, sizeof came, NULL, YK_FOREVER));
        n = strtoul(came, NULL, 16);
        assert_in_range(n, 10, sizeof came);
        assert_ok(yk_stream_read_exactly(c[i], came, n, YK_FOREVER));
        ZSTD_inBuffer in = { came, n, 0 };
        ZSTD_outBuffer to = { out, sizeof out, 0 };
        ZSTD_DCtx_reset(d, ZSTD_reset_session_only);
        assert_false(ZSTD_isError(ZSTD_decompressStream(d, &to, &in)));
        assert_int_equal(to.pos, 3000);
        assert_memory_equal(out, text, 3000);
        yk_stream_close(c[i]); /* in the middle of it */
    }
    ZSTD_freeDCtx(d);
    serve_no_more(s);
    assert_int_equal(p.result, YK_ECANCELED);
    free(text);
    return 0;
}

/* Clients that take their time do not fill the memory with what compresses. */
static int a_crowd(void *arg)
{
    (void)arg;
    yk_event next = { 0 };
    char *text = made_up(6000), head[4096];
    plan p = { .type = "text/html",
               .body = text,
               .len = 6000,
               .pieces = 2,
               .length = YK_HTTP_UNKNOWN,
               .next = &next };
    served *s = serve_http(&(yk_http_service){ .handler = follow, .arg = &p, .compress = true });
    yk_stream *c[70];
    size_t n, compressed = 0;
    for (size_t i = 0; i < COUNT_OF(c); i++) {
        c[i] = dial(s);
        say(c[i], "GET / HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n");
        assert_ok(yk_stream_read_until(c[i], "\r\n\r\n", 4, head, sizeof head, &n, YK_FOREVER));
        compressed += memmem(head, n, "Content-Encoding: gzip", 22) != NULL;
    }
    assert_int_equal(compressed, 64);
    for (size_t i = 0; i < COUNT_OF(c); i++)
        yk_stream_close(c[i]);
    eventually(s->counters.connections == 0);
    p.pieces = 0;
    c[0] = dial(s);
    say(c[0], "GET / HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n");
    answer *a = hear(c[0]);
    assert_string_equal(field_of(a, "Content-Encoding"), "gzip");
    forget(a);
    yk_stream_close(c[0]);
    serve_no_more(s);
    free(text);
    return 0;
}

static void test_a_crowd_is_not_all_compressed(void **state)
{
    (void)state;
    on_loop(a_crowd, NULL);
}

static void test_flushed_pieces_can_be_read_and_clients_may_leave(void **state)
{
    (void)state;
    on_loop(at_once, NULL);
}

/* ---- Files, and a client of others' ---------------------------------------------------------- */

static int with_files(void *arg)
{
    bool *skipped = arg;
    char folder[] = "/tmp/yoke-pack-XXXXXX", path[64], command[500], *text = made_up(200000);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a.csv", folder);
    FILE *f = fopen(path, "w");
    assert_int_equal(fwrite(text, 1, 200000, f), 200000);
    fclose(f);
    yk_http_files *files;
    assert_ok(yk_http_files_open_with(&files, folder, .index = "a.csv"));
    served *s = serve_http(
        &(yk_http_service){ .handler = yk_http_serve_files, .arg = files, .compress = true });
    yk_stream *c = dial(s);
    answer *a = ask(c, "GET", "Accept-Encoding: gzip\r\n");
    assert_string_equal(field_of(a, "Content-Encoding"), "gzip");
    assert_null(field_of(a, "Accept-Ranges"));
    assert_same(a, text, 200000);
    snprintf(command, sizeof command, "Accept-Encoding: gzip\r\nIf-None-Match: %s\r\n",
             field_of(a, "ETag"));
    assert_int_equal(strncmp(field_of(a, "ETag"), "W/\"", 3), 0);
    forget(a);
    a = ask(c, "GET", command);
    assert_int_equal(a->status, 304);
    forget(a);
    a = ask(c, "GET", "Accept-Encoding: gzip\r\nRange: bytes=100-5099\r\n");
    assert_int_equal(a->status, 206);
    assert_null(field_of(a, "Content-Encoding"));
    assert_same(a, text + 100, 5000);
    forget(a);
    yk_stream_close(c);

    snprintf(command, sizeof command,
             "curl --version >/dev/null && for e in zstd gzip identity; do curl -sS --compressed "
             "-H \"Accept-Encoding: $e\" http://127.0.0.1:%d/ | cmp - %s || exit 2; done",
             yk_listener_port(s->listener), path);
    yk_output o;
    assert_ok(yk_run(&o, YK_FOREVER, .shell = command));
    *skipped = o.exit.code == 127;
    if (!*skipped) {
        assert_string_equal(o.err, "");
        assert_int_equal(o.exit.code, 0);
    }
    yk_output_free(&o);
    serve_no_more(s);
    yk_http_files_close(files);
    unlink(path);
    assert_ok(rmdir(folder));
    free(text);
    return 0;
}

static void test_files_and_curl(void **state)
{
    (void)state;
    bool skipped = false;
    on_loop(with_files, &skipped);
    if (skipped)
        print_message("there is no curl here\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_what_is_left_as_it_is),
        TEST(test_a_length_that_was_not_kept_cuts_it),
        TEST(test_it_is_the_same_unpacked),
        TEST(test_a_crowd_is_not_all_compressed),
        TEST(test_flushed_pieces_can_be_read_and_clients_may_leave),
        TEST(test_files_and_curl),
    };
    return RUN_TESTS("http_compress", tests);
}
