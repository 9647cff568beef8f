/* tests/loop/test_http_parser.c - heads of requests, right and wrong, whole and in pieces.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/http/parser.h"

#define HOST "Host: example.org\r\n"
#define END  "\r\n"

/* Bytes that end where the memory does, so that a read behind them is seen. */
static char *copy_of(const char *text, size_t len)
{
    char *p = malloc(len ? len : 1);
    assert_non_null(p);
    memcpy(p, text, len);
    return p;
}

/* Finds and parses a head that comes `step` bytes at a time; what has come moves each time, as a
 * buffer may. The length of the head, or the refusal; *bytes are the caller's to free. */
static long read_head(const char *text, size_t len, size_t step, yk__http_head *head, char **bytes)
{
    size_t seen = 0;
    long got = 0;
    *bytes = NULL;
    for (size_t have = 0; got == 0 && have < len;) {
        have = len - have > step ? have + step : len;
        free(*bytes);
        *bytes = copy_of(text, have);
        got = yk__http_find_head(*bytes, have, &seen);
    }
    int err = got > 0 ? yk__http_parse_head(*bytes, (size_t)got, head) : 0;
    return err ? err : got;
}

static int answer_to(const char *text, size_t len)
{
    yk__http_head head;
    char *bytes;
    long whole = read_head(text, len, len, &head, &bytes);
    free(bytes);
    long pieces = read_head(text, len, 1, &head, &bytes);
    free(bytes);
    if (whole != pieces)
        fail_msg("whole %ld, byte by byte %ld: %s", whole, pieces, text);
    return whole < 0 ? (int)whole : whole > 0 ? 200 : 0;
}

/* ---- failure --------------------------------------------------------------------------------- */

typedef struct refused {
    int answer;
    const char *text;
} refused;

static void assert_refused(const refused *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int answer = answer_to(r[i].text, strlen(r[i].text));
        if (answer != r[i].answer)
            fail_msg("%d, not %d: %s", answer, r[i].answer, r[i].text);
    }
}

#define assert_all_refused(...)                           \
    do {                                                  \
        static const refused list[] = { __VA_ARGS__ };    \
        assert_refused(list, sizeof list / sizeof *list); \
    } while (0)

static void test_two_lengths_are_refused(void **state)
{
    (void)state;
#define POST "POST / HTTP/1.1\r\n" HOST
    assert_all_refused(
        { -400, POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END },
        { -400, POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" END },
        { -400, POST "Transfer-Encoding: gzip\r\nContent-Length: 0\r\n" END },
        { -400, POST "Content-Length: 5\r\nContent-Length: 6\r\n" END },
        { -400, POST "Content-Length: 5\r\nContent-Length: 5\r\n" END },
        { -400, POST "content-length: 5\r\nX: y\r\nCONTENT-LENGTH: 5\r\n" END },
        { -400, POST "Content-Length: 5, 5\r\n" END }, { -400, POST "Content-Length: 5,6\r\n" END },
        { -400, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END },
        { -400, POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n" END });
}

static void test_what_is_no_length_is_refused(void **state)
{
    (void)state;
    assert_all_refused(
        { -400, POST "Content-Length:\r\n" END }, { -400, POST "Content-Length: +5\r\n" END },
        { -400, POST "Content-Length: -5\r\n" END }, { -400, POST "Content-Length: 0x5\r\n" END },
        { -400, POST "Content-Length: 5 5\r\n" END }, { -400, POST "Content-Length: 5;\r\n" END },
        { -400, POST "Content-Length: \"5\"\r\n" END },
        { -400, POST "Content-Length: 5.0\r\n" END }, { -400, POST "Content-Length: 1e3\r\n" END },
        { -400, POST "Content-Length: five\r\n" END },
        { -400, POST "Content-Length: \xd9\xa5\r\n" END }, /* an Arabic 5 */
        { -400, POST "Content-Length: 9223372036854775808\r\n" END },
        { -400, POST "Content-Length: 18446744073709551615\r\n" END },
        { -400, POST "Content-Length: 18446744073709551616\r\n" END },
        { -400, POST "Content-Length: 18446744073709551621\r\n" END },
        { -400, POST "Content-Length: 99999999999999999999999999999\r\n" END });
}

static void test_what_is_not_chunked_is_refused(void **state)
{
    (void)state;
    assert_all_refused({ -501, POST "Transfer-Encoding: gzip, chunked\r\n" END },
                       { -501, POST "Transfer-Encoding: identity, chunked\r\n" END },
                       { -501, POST "Transfer-Encoding: x ,\tchunked\r\n" END },
                       { -400, POST "Transfer-Encoding: chunked, gzip\r\n" END },
                       { -400, POST "Transfer-Encoding: chunked, identity\r\n" END },
                       { -400, POST "Transfer-Encoding: chunked, chunked\r\n" END },
                       { -400, POST "Transfer-Encoding: chunked,\r\n" END },
                       { -400, POST "Transfer-Encoding: ,chunked\r\n" END },
                       { -400, POST "Transfer-Encoding: gzip,,chunked\r\n" END },
                       { -400, POST "Transfer-Encoding: gzip\r\n" END },
                       { -400, POST "Transfer-Encoding: identity\r\n" END },
                       { -400, POST "Transfer-Encoding: xchunked\r\n" END },
                       { -400, POST "Transfer-Encoding: chunkedx\r\n" END },
                       { -400, POST "Transfer-Encoding: chunked;q=1\r\n" END },
                       { -400, POST "Transfer-Encoding: \"chunked\"\r\n" END },
                       { -400, POST "Transfer-Encoding: chunked x\r\n" END },
                       { -400, POST "Transfer-Encoding: \x0b"
                                    "chunked\r\n" END },
                       { -400, POST "Transfer-Encoding: \xc2\xa0"
                                    "chunked\r\n" END },
                       { -400, POST "Transfer-Encoding:\r\n" END },
                       { -400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" END },
                       { -400, "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n" END });
}

static void test_hosts(void **state)
{
    (void)state;
#define GET "GET / HTTP/1.1\r\n"
    assert_all_refused(
        { -400, GET END }, { -400, GET "X-Host: a\r\n" END }, { -400, GET HOST HOST END },
        { -400, GET HOST "HOST: other\r\n" END }, { -400, GET "Host: a\r\nHost:\r\n" END },
        { -400, "GET / HTTP/1.0\r\n" HOST HOST END }, { -400, GET "Host: a b\r\n" END },
        { -400, GET "Host: a, b\r\n" END }, { -400, GET "Host: a,b\r\n" END },
        { -400, GET "Host: a/b\r\n" END }, { -400, GET "Host: user@a\r\n" END },
        { -400, GET "Host: http://a\r\n" END }, { -400, GET "Host: a?b\r\n" END },
        { -400, GET "Host: a#b\r\n" END }, { -400, GET "Host: a\\b\r\n" END },
        { -400, GET "Host: <a>\r\n" END }, { -400, GET "Host: \"a\"\r\n" END },
        { -400, GET "Host: \xc3\xa4.org\r\n" END }, { -400, GET "Host: a%2\r\n" END },
        { -400, GET "Host: a%zz\r\n" END }, { -400, GET "Host: :80\r\n" END },
        { -400, GET "Host: a:b\r\n" END }, { -400, GET "Host: a:-1\r\n" END },
        { -400, GET "Host: a:80:80\r\n" END }, { -400, GET "Host: a:65536\r\n" END },
        { -400, GET "Host: a:99999999999999999999\r\n" END }, { -400, GET "Host: a: 80\r\n" END },
        { -400, GET "Host: ::1\r\n" END }, { -400, GET "Host: [::1\r\n" END },
        { -400, GET "Host: []\r\n" END }, { -400, GET "Host: [a]\r\n" END },
        { -400, GET "Host: [::1]x\r\n" END }, { -400, GET "Host: [1.2.3.4]\r\n" END },
        { -400, GET "Host: [::1%25eth0]\r\n" END }, { -400, GET "Host: [\r\n" END },
        { -400, "GET / HTTP/1.0\r\nHost: a b\r\n" END }, { -400, "GET http://a/ HTTP/1.1\r\n" END },
        { -400, "GET http://a/ HTTP/1.1\r\nHost: a b\r\n" END });
}

static void test_lines_that_do_not_end_as_they_must(void **state)
{
    (void)state;
    assert_all_refused({ -400, "GET / HTTP/1.1\n" HOST END }, { -400, "GET / HTTP/1.1\n" },
                       { -400, GET "Host: a\n" END }, { -400, GET HOST "\n" },
                       { -400, GET HOST "A: b\r\n\n" }, { -400, GET HOST "A: b\n\r\n" },
                       { -400, "\n" GET HOST END }, { -400, GET HOST "A: b\rC: d\r\n" END },
                       { -400, GET HOST "A\r: b\r\n" END }, { -400, GET HOST "\rA: b\r\n" END },
                       { -400, GET HOST "A: b\r\r\n" END }, { -400, GET HOST "\r\r\n" END },
                       { -400, "GET / HTTP/1.1\r" HOST END }, { -400, "\r\r\n" GET HOST END },
                       { -400, "\r" GET HOST END }, { -400, "GET / HTTP/1.1\r\r\n" HOST END },
                       { -400, "\r\n\r\n\r\n\r\n\r\n" GET HOST END });
}

static void test_fields_that_are_none(void **state)
{
    (void)state;
    assert_all_refused(
        { -400, GET HOST "A : b\r\n" END }, { -400, GET HOST "A\t: b\r\n" END },
        { -400, GET "Host : a\r\n" END }, { -400, GET HOST "Content-Length : 5\r\n" END },
        { -400, GET HOST "Transfer-Encoding : chunked\r\n" END }, { -400, GET HOST ": b\r\n" END },
        { -400, GET HOST ":\r\n" END }, { -400, GET HOST " : b\r\n" END },
        { -400, GET HOST "A\r\n" END }, { -400, GET HOST "A b\r\n" END },
        { -400, GET HOST "A B: c\r\n" END }, { -400, GET HOST "A;B: c\r\n" END },
        { -400, GET HOST "A(B): c\r\n" END }, { -400, GET HOST "A/B: c\r\n" END },
        { -400, GET HOST "\"A\": b\r\n" END }, { -400, GET HOST "\xc3\xa4: b\r\n" END },
        { -400, GET HOST "A\x01: b\r\n" END }, { -400, GET HOST "A\x7f: b\r\n" END },
        /* folded */
        { -400, GET HOST "A: b\r\n c\r\n" END }, { -400, GET HOST "A: b\r\n\tc\r\n" END },
        { -400, GET " Host: a\r\n" END }, { -400, GET "\tHost: a\r\n" HOST END },
        { -400, GET HOST "A:\r\n Content-Length: 5\r\n" END }, { -400, GET HOST " \r\n" END });
}

static void test_control_characters_are_refused_wherever_they_stand(void **state)
{
    (void)state;
    static const char *const around[] = { "%cGET / HTTP/1.1\r\n" HOST "A: b\r\n" END,
                                          "G%cET / HTTP/1.1\r\n" HOST "A: b\r\n" END,
                                          "GET%c/ HTTP/1.1\r\n" HOST "A: b\r\n" END,
                                          "GET /%c HTTP/1.1\r\n" HOST "A: b\r\n" END,
                                          "GET /%cHTTP/1.1\r\n" HOST "A: b\r\n" END,
                                          "GET / HTTP/%c1.1\r\n" HOST "A: b\r\n" END,
                                          "GET / HTTP/1.1%c\r\n" HOST "A: b\r\n" END,
                                          "GET / HTTP/1.1\r\n%c" HOST "A: b\r\n" END,
                                          "GET / HTTP/1.1\r\n" HOST "A%c: b\r\n" END,
                                          "GET / HTTP/1.1\r\n" HOST "A: b%cc\r\n" END,
                                          "GET / HTTP/1.1\r\n" HOST
                                          "A: 12345%c7890123456789012\r\n" END,
                                          "GET / HTTP/1.1\r\n" HOST "A: b\r\n%c\r\n" END };
    for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
        for (int c = 0; c < 128; c = c == 0x1f ? 0x7f : c + 1) {
            char text[128];
            int len = snprintf(text, sizeof text, around[i], c);
            bool tab_in_value = c == '\t' && (i == 9 || i == 10);
            if (c != '\r' && answer_to(text, (size_t)len) != (tab_in_value ? 200 : -400))
                fail_msg("byte %d at place %zu", c, i);
        }
    }
}

static void test_request_lines(void **state)
{
    (void)state;
    assert_all_refused(
        { -400, "GET /\r\n" HOST END }, { -400, "GET / \r\n" HOST END }, { -400, "GET\r\n" END },
        { -400, "GET  / HTTP/1.1\r\n" HOST END }, { -400, "GET /  HTTP/1.1\r\n" HOST END },
        { -400, " GET / HTTP/1.1\r\n" HOST END }, { -400, "GET / HTTP/1.1 \r\n" HOST END },
        { -400, "GET / a HTTP/1.1\r\n" HOST END }, { -400, "GET HTTP/1.1\r\n" HOST END },
        { -400, "/ HTTP/1.1\r\n" HOST END }, { -400, "G@T / HTTP/1.1\r\n" HOST END },
        { -400, "GET: / HTTP/1.1\r\n" HOST END }, { -400, "(GET) / HTTP/1.1\r\n" HOST END },
        { -400, "\x16\x03\x01\x02" }, { -400, "\xff\xf4" }, /* TLS, telnet */
        /* versions */
        { -400, "GET / HTTP/1\r\n" HOST END }, { -400, "GET / HTTP/1.\r\n" HOST END },
        { -400, "GET / HTTP/.1\r\n" HOST END }, { -400, "GET / HTTP/1.10\r\n" HOST END },
        { -400, "GET / HTTP/11.1\r\n" HOST END }, { -400, "GET / http/1.1\r\n" HOST END },
        { -400, "GET / HTTP 1.1\r\n" HOST END }, { -400, "GET / HTTP/a.b\r\n" HOST END },
        { -400, "GET / HTTP/1,1\r\n" HOST END }, { -400, "GET / HTTPS/1.1\r\n" HOST END },
        { -400, "GET / ICY\r\n" HOST END }, { -400, "GET / \xd9\xa1\r\n" HOST END },
        { -505, "GET / HTTP/0.9\r\n" HOST END }, { -505, "GET / HTTP/1.2\r\n" HOST END },
        { -505, "GET / HTTP/2.0\r\n" HOST END }, { -505, "GET / HTTP/9.9\r\n" HOST END },
        { -505, "PRI * HTTP/2.0\r\n\r\n" });
}

static void test_targets(void **state)
{
    (void)state;
    assert_all_refused(
        { -400, "GET index.html HTTP/1.1\r\n" HOST END }, { -400, "GET ?a HTTP/1.1\r\n" HOST END },
        { -400, "GET \\ HTTP/1.1\r\n" HOST END }, { -400, "GET * HTTP/1.1\r\n" HOST END },
        { -400, "OPTIONS *a HTTP/1.1\r\n" HOST END }, { -400, "OPTIONS ** HTTP/1.1\r\n" HOST END },
        { -400, "GET /#a HTTP/1.1\r\n" HOST END }, { -400, "GET /\"a HTTP/1.1\r\n" HOST END },
        { -400, "GET /<a> HTTP/1.1\r\n" HOST END }, { -400, "GET /\xc3\xa4 HTTP/1.1\r\n" HOST END },
        { -400, "GET a:80 HTTP/1.1\r\n" HOST END }, { -400, "GET a HTTP/1.1\r\n" HOST END },
        { -400, "GET http:/ HTTP/1.1\r\n" HOST END }, { -400, "GET http: HTTP/1.1\r\n" HOST END },
        { -400, "GET http:// HTTP/1.1\r\n" HOST END },
        { -400, "GET http:///a HTTP/1.1\r\n" HOST END },
        { -400, "GET http://?a HTTP/1.1\r\n" HOST END },
        { -400, "GET http://u@a/ HTTP/1.1\r\n" HOST END },
        { -400, "GET http://a:b/ HTTP/1.1\r\n" HOST END },
        { -400, "GET http://a,b/ HTTP/1.1\r\n" HOST END },
        { -400, "GET http://a:65536/ HTTP/1.1\r\n" HOST END },
        { -400, "GET http://[::1/ HTTP/1.1\r\n" HOST END },
        { -400, "GET ftp://a/ HTTP/1.1\r\n" HOST END }, { -400, "GET //a HTTP\r\n" HOST END },
        { -501, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n" END },
        { -501, "CONNECT / HTTP/1.1\r\n" HOST END });
}

static void test_expectations_that_nobody_knows(void **state)
{
    (void)state;
    assert_all_refused({ -417, POST "Expect: 200-ok\r\n" END }, { -417, POST "Expect:\r\n" END },
                       { -417, POST "Expect: 100-continue, x\r\n" END },
                       { -400, POST "Expect: 100-continue\r\nExpect: 100-continue\r\n" END });
}

static void test_too_many_fields(void **state)
{
    (void)state;
    for (int n = YK__HTTP_FIELDS; n <= YK__HTTP_FIELDS + 1; n++) {
        char text[4096] = GET HOST;
        size_t len = strlen(text);
        for (int i = 1; i < n; i++)
            len += (size_t)snprintf(text + len, sizeof text - len, "X%d: y\r\n", i);
        memcpy(text + len, END, 2);
        assert_int_equal(answer_to(text, len + 2), n == YK__HTTP_FIELDS ? 200 : -431);
    }
}

static void test_the_answer_to_a_head_that_is_too_long(void **state)
{
    (void)state;
    assert_int_equal(yk__http_too_long("GET /aaaaaaa", 12), -414);
    assert_int_equal(yk__http_too_long("\r\nGET /aaaaa", 12), -414);
    assert_int_equal(yk__http_too_long(GET "A: bbbb", 23), -431);
    assert_int_equal(yk__http_too_long("\r\n\r\n", 4), -414);
}

/* ---- success --------------------------------------------------------------------------------- */

static void parse(const char *text, yk__http_head *head, char **bytes)
{
    long got = read_head(text, strlen(text), strlen(text), head, bytes);
    if (got != (long)strlen(text))
        fail_msg("%ld: %s", got, text);
}

static void test_a_head_is_taken_apart(void **state)
{
    (void)state;
    yk__http_head head;
    char *bytes;
    parse("\r\nDELETE /a/b%20c?d=e&f={|}[]^`\\ HTTP/1.1\r\nhOsT:\t Example.org:8080 \t\r\n"
          "Empty:\r\nBlank: \t \r\n!#$%&'*+-.^_`|~09: \x80\xff a \t b: ,\"<>\r\n\r\n",
          &head, &bytes);
    assert_string_equal(head.method, "DELETE");
    assert_int_equal(head.method_len, 6);
    assert_string_equal(head.target, "/a/b%20c?d=e&f={|}[]^`\\");
    assert_int_equal(head.target_len, strlen(head.target));
    assert_ptr_equal(head.path, head.target);
    assert_int_equal(head.minor, 1);
    assert_int_equal(head.host_len, 16);
    assert_memory_equal(head.host, "Example.org:8080", 16);
    static const char *const fields[][2] = { { "hOsT", "Example.org:8080" },
                                             { "Empty", "" },
                                             { "Blank", "" },
                                             { "!#$%&'*+-.^_`|~09", "\x80\xff a \t b: ,\"<>" } };
    assert_int_equal(head.fields, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(head.field[i].name, fields[i][0]);
        assert_string_equal(head.field[i].value, fields[i][1]);
        assert_int_equal(head.field[i].name_len, strlen(fields[i][0]));
        assert_int_equal(head.field[i].value_len, strlen(fields[i][1]));
    }
    assert_true(head.keep_alive);
    assert_false(head.chunked || head.has_length || head.expects_continue || head.upgrade);
    assert_int_equal(head.length, 0);
    free(bytes);
}

static void test_values_of_any_length_are_read_to_their_end(void **state)
{
    (void)state;
    for (size_t len = 0; len < 40; len++) {
        for (size_t tab = 0; tab <= len; tab++) {
            char value[64] = { 0 }, text[128];
            memset(value, '\xe9', len);
            if (tab > 0 && tab < len - 1)
                value[tab] = '\t';
            snprintf(text, sizeof text, GET HOST "A: %s\r\n" END, value);
            yk__http_head head;
            char *bytes;
            parse(text, &head, &bytes);
            assert_string_equal(head.field[1].value, value);
            free(bytes);
        }
    }
}

static void test_what_follows_a_head_is_not_touched(void **state)
{
    (void)state;
    static const char two[] = GET HOST END "POST / HTTP/1.1\nnonsense";
    yk__http_head head;
    char *bytes;
    long got = read_head(two, sizeof two - 1, sizeof two - 1, &head, &bytes);
    assert_int_equal(got, strlen(GET HOST END));
    assert_memory_equal(bytes + got, two + got, sizeof two - 1 - (size_t)got);
    free(bytes);
}

static void test_no_head_is_found_before_it_has_come(void **state)
{
    (void)state;
    static const char text[] = "\r\n" GET HOST "A: b\r\n" END;
    for (size_t len = 0; len < sizeof text - 1; len++) {
        size_t seen = 0;
        char *bytes = copy_of(text, len);
        assert_int_equal(yk__http_find_head(bytes, len, &seen), 0);
        free(bytes);
    }
}

static void test_good_hosts(void **state)
{
    (void)state;
    static const char *const hosts[] = { "",
                                         "a",
                                         "a.",
                                         "a_b-c.example",
                                         "127.0.0.1",
                                         "127.0.0.1:0",
                                         "a:",
                                         "a:65535",
                                         "[::1]",
                                         "[2001:db8::1]:443",
                                         "[::ffff:1.2.3.4]:1",
                                         "a%20b",
                                         "xn--nxasmq6b",
                                         "!$&'()*+;=~" };
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char text[128];
        yk__http_head head;
        char *bytes;
        snprintf(text, sizeof text, GET "Host: %s\r\n" END, hosts[i]);
        parse(text, &head, &bytes);
        assert_int_equal(head.host_len, strlen(hosts[i]));
        assert_memory_equal(head.host, hosts[i], strlen(hosts[i]));
        free(bytes);
    }
}

static void test_forms_of_the_target(void **state)
{
    (void)state;
    static const struct {
        const char *line, *host, *path;
    } forms[] = {
        { "GET http://a.example:80/b?c HTTP/1.1", "a.example:80", "/b?c" },
        { "GET HTTPS://[::1]:443/ HTTP/1.1", "[::1]:443", "/" },
        { "GET http://a HTTP/1.1", "a", "" },
        { "GET http://a?b/c HTTP/1.1", "a", "?b/c" },
        { "OPTIONS * HTTP/1.1", "example.org", "*" },
        { "GET //a/b HTTP/1.1", "example.org", "//a/b" },
        { "GET /http://a/ HTTP/1.1", "example.org", "/http://a/" },
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char text[128];
        yk__http_head head;
        char *bytes;
        snprintf(text, sizeof text, "%s\r\n" HOST END, forms[i].line);
        parse(text, &head, &bytes);
        assert_int_equal(head.host_len, strlen(forms[i].host));
        assert_memory_equal(head.host, forms[i].host, strlen(forms[i].host));
        assert_string_equal(head.path, forms[i].path);
        free(bytes);
    }
}

typedef struct meaning {
    const char *text;
    bool keep_alive, chunked, has_length, expects, upgrade;
    uint64_t length;
} meaning;

static void test_what_the_fields_mean(void **state)
{
    (void)state;
#define OLD "GET / HTTP/1.0\r\n"
    static const meaning all[] = {
        { .text = GET HOST END, .keep_alive = true },
        { .text = GET HOST "Connection: close\r\n" END },
        { .text = GET HOST "Connection: a\r\nconnection: ,CLOSE , keep-alive\r\n" END },
        { .text = GET HOST "Connection: closed, xclose\r\n" END, .keep_alive = true },
        { .text = OLD END },
        { .text = OLD "Connection: x, Keep-Alive\r\n" END, .keep_alive = true },
        { .text = OLD "Connection: keep-alive, close\r\n" END },
        { .text = POST "Content-Length: 0\r\n" END, .keep_alive = true, .has_length = true },
        { .text = POST "Content-Length: 0042 \r\n" END,
          .keep_alive = true,
          .has_length = true,
          .length = 42 },
        { .text = OLD "Content-Length: 9223372036854775807\r\n" END,
          .has_length = true,
          .length = INT64_MAX },
        { .text = POST "Transfer-Encoding: \tChunked \r\n" END,
          .keep_alive = true,
          .chunked = true },
        { .text = POST "Expect: 100-Continue\r\nContent-Length: 1\r\n" END,
          .keep_alive = true,
          .expects = true,
          .has_length = true,
          .length = 1 },
        { .text = OLD "Expect: 100-continue\r\n" END },
        { .text = GET HOST "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" END,
          .keep_alive = true,
          .upgrade = true },
        { .text = GET HOST "Upgrade: websocket\r\n" END, .keep_alive = true },
        { .text = GET HOST "Connection: upgrade\r\n" END, .keep_alive = true },
        { .text = OLD "Connection: upgrade\r\nUpgrade: websocket\r\n" END },
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const meaning *m = &all[i];
        yk__http_head head;
        char *bytes;
        parse(m->text, &head, &bytes);
        if (head.keep_alive != m->keep_alive || head.chunked != m->chunked ||
            head.has_length != m->has_length || head.expects_continue != m->expects ||
            head.upgrade != m->upgrade || head.length != m->length)
            fail_msg("%s", m->text);
        free(bytes);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_lengths_are_refused),
        cmocka_unit_test(test_what_is_no_length_is_refused),
        cmocka_unit_test(test_what_is_not_chunked_is_refused),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_lines_that_do_not_end_as_they_must),
        cmocka_unit_test(test_fields_that_are_none),
        cmocka_unit_test(test_control_characters_are_refused_wherever_they_stand),
        cmocka_unit_test(test_request_lines),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_expectations_that_nobody_knows),
        cmocka_unit_test(test_too_many_fields),
        cmocka_unit_test(test_the_answer_to_a_head_that_is_too_long),
        cmocka_unit_test(test_a_head_is_taken_apart),
        cmocka_unit_test(test_values_of_any_length_are_read_to_their_end),
        cmocka_unit_test(test_what_follows_a_head_is_not_touched),
        cmocka_unit_test(test_no_head_is_found_before_it_has_come),
        cmocka_unit_test(test_good_hosts),
        cmocka_unit_test(test_forms_of_the_target),
        cmocka_unit_test(test_what_the_fields_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
