/* tests/loop/test_http_chunks.c - chunked bodies, right and wrong, in pieces of every size. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/http/parser.h"

/* Bytes that end where the memory does, so that a read behind them is seen. */
static char *copy_of(const char *text, size_t len)
{
    char *p = malloc(len ? len : 1);
    assert_non_null(p);
    memcpy(p, text, len);
    return p;
}

/* Decodes what comes `step` bytes at a time. The data in `out`; how many bytes were taken in all, 0
 * if the body did not end, or the refusal. */
static long decode(const char *text, size_t len, size_t step, char *out, size_t *out_len)
{
    yk__chunks c = { 0 };
    *out_len = 0;
    for (size_t at = 0; at < len;) {
        size_t n = len - at < step ? len - at : step, used = 0, data_len;
        const char *data;
        char *bytes = copy_of(text + at, n);
        int got = yk__chunks_take(&c, bytes, n, &used, &data, &data_len);
        if (got >= 0) {
            assert_true(used > 0 && used <= n && data >= bytes && data + data_len <= bytes + n);
            memcpy(out + *out_len, data, data_len);
            *out_len += data_len;
        }
        free(bytes);
        at += used;
        if (got)
            return got > 0 ? (long)at : got;
    }
    return 0;
}

static void assert_body_refused(int answer, const char *text, size_t len)
{
    char *out = malloc(len);
    for (size_t step = 1; step <= len; step += step < 4 ? 1 : len) {
        size_t out_len;
        long got = decode(text, len, step, out, &out_len);
        if (got != answer)
            fail_msg("%ld: %s", got, text);
    }
    free(out);
}

/* ---- failure --------------------------------------------------------------------------------- */

static void test_chunks_that_are_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\r\n",
        "-1\r\na",
        "+1\r\na",
        "0x1\r\na",
        "x\r\n",
        " 1\r\na",
        "1 \r\na",
        "1\n",
        "1\ra",
        "1\r\r\n",
        "1\r\nab\r\n",
        "1\r\na\n",
        "1\r\na\r0",
        "1\r\na0\r\n",
        "1\r\n\r\n\r\n0\r\n\r\n.",
        "g\r\n",
        "1,1\r\n",
        "1_0\r\n",
        ";a\r\n",
        "1;a\n",
        "1;a\x01\r\n",
        "1;a\rb",
        "1\t;a\r\n",
        /* sizes that do not fit */
        "8000000000000000\r\n",
        "ffffffffffffffff\r\n",
        "10000000000000000\r\n",
        "00000000000000001\r\n",
        "fffffffffffffffff\r\n",
        /* trailers */
        "0\r\n\n",
        "0\r\nA: b\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\nA\r\n\r\n",
        "0\r\n A: b\r\n",
        "0\r\nA: b\x01\r\n",
        "0\r\nA: b\rc",
        "0\r\n\rA",
        "0\r\nA(: b\r\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_body_refused(-400, bad[i], strlen(bad[i]));
    assert_body_refused(-400, "1\0\r\na\r\n", 8);
    assert_body_refused(-400, "1;\0\r\na\r\n", 9);
}

static void fill(char *text, size_t size, const char *piece, const char *last)
{
    size_t len = 0;
    while (len + strlen(piece) < size)
        len += (size_t)snprintf(text + len, size - len, "%s", piece);
    if (last)
        snprintf(text + len - strlen(last), strlen(last) + 1, "%s", last);
}

static void test_extensions_and_trailers_are_bounded(void **state)
{
    (void)state;
    static char text[20000];
    static const char *const pieces[] = { "1;ext=0123456789\r\na\r\n", "1;\"aaaaaaaa\"\r\na\r\n" };
    for (size_t i = 0; i < 2; i++) {
        fill(text, sizeof text, pieces[i], NULL);
        assert_body_refused(-431, text, strlen(text));
    }
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "1;", 2);
    assert_body_refused(-431, text, strlen(text));
    memcpy(text, "0\r\n", 3);
    assert_body_refused(-431, text, strlen(text));
    memcpy(text, "0\r\nA:", 5);
    assert_body_refused(-431, text, strlen(text));
    fill(text + 3, sizeof text - 3, "Abc: d\r\n", NULL);
    assert_body_refused(-431, text, strlen(text));
}

/* ---- success --------------------------------------------------------------------------------- */

static void test_chunks_are_decoded_in_whatever_pieces_they_come(void **state)
{
    (void)state;
    static const struct {
        const char *text, *data;
    } good[] = {
        { "0\r\n\r\n", "" },
        { "5\r\nhello\r\n0\r\n\r\n", "hello" },
        { "0005;a=b;c=\"d e\"\r\nhel\r\n\r\nB\r\n 0\r\n\r\nworld\r\n000;x\r\n\r\n",
          "hel\r\n 0\r\n\r\nworld" },
        { "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\nX: y\r\nEmpty:\r\nZ:\t\xff\r\n\r\n",
          "01234567890123456789" },
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[256], out[256];
        int body = snprintf(text, sizeof text, "%s", good[i].text);
        int len = body + snprintf(text + body, sizeof text - (size_t)body, "GET / HTTP/1.1");
        for (size_t step = 1; step <= (size_t)len; step++) {
            size_t out_len;
            assert_int_equal(decode(text, (size_t)len, step, out, &out_len), body);
            assert_int_equal(out_len, strlen(good[i].data));
            assert_memory_equal(out, good[i].data, out_len);
        }
        for (int short_of = 0; short_of < body; short_of++) {
            size_t out_len;
            assert_int_equal(decode(text, (size_t)short_of, 7, out, &out_len), 0);
        }
    }
}

static void test_a_large_chunk_is_handed_on_as_it_is(void **state)
{
    (void)state;
    yk__chunks c = { 0 };
    size_t used, len;
    const char *data, text[] = "7fffffffffffffff\r\nabc";
    assert_int_equal(yk__chunks_take(&c, text, sizeof text - 1, &used, &data, &len), 0);
    assert_int_equal(used, sizeof text - 1);
    assert_int_equal(len, 3);
    assert_ptr_equal(data, text + 18);
    assert_int_equal(yk__chunks_take(&c, text, 5, &used, &data, &len), 0);
    assert_int_equal(len, 5);
    assert_ptr_equal(data, text);
}

static void test_data_pays_for_extensions(void **state)
{
    (void)state;
    static char text[1 << 20], out[1 << 20];
    fill(text, sizeof text, "10;ext=aaaaaaaa\r\n0123456789abcdef\r\n", NULL);
    size_t out_len;
    assert_int_equal(decode(text, strlen(text), 4096, out, &out_len), 0);
    assert_int_equal(out_len, strlen(text) / 35 * 16);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks_that_are_none),
        cmocka_unit_test(test_extensions_and_trailers_are_bounded),
        cmocka_unit_test(test_chunks_are_decoded_in_whatever_pieces_they_come),
        cmocka_unit_test(test_a_large_chunk_is_handed_on_as_it_is),
        cmocka_unit_test(test_data_pays_for_extensions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
