#include "loop/http_requests.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* ---- Parts ----------------------------------------------------------------------------------- */

/* The first `right` of each are likely. */
typedef struct parts {
    unsigned right, n;
    const char *const *of;
} parts;

#define PARTS(right, ...)                                                     \
    {                                                                         \
        right, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), \
            (const char *const[])                                             \
        {                                                                     \
            __VA_ARGS__                                                       \
        }                                                                     \
    }

static const parts methods = PARTS(6, "GET", "POST", "HEAD", "PUT", "OPTIONS", "BREW", "get",
                                   "M-SEARCH", "CONNECT", "PRI", "G(T", "");
static const parts targets =
    PARTS(6, "/", "/a/b?c=d&e", "/%20%zz", "http://a.example/b", "http://[::1]:80?c", "/[]{}|\\^`",
          "*", "/#a", "a:80", "/\x80", "http://u@a/", "//a", "");
static const parts spaces = PARTS(1, " ", "  ", "\t", "");
static const parts versions = PARTS(2, "HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1",
                                    "HTTP/1.1 ", "HTTP/01.1", "");
static const parts line_ends = PARTS(1, "\r\n", "\n", "\r", "\r\r\n", "\r\n ");
static const parts hosts = PARTS(3, "Host: a", "hOST:\ta:80 ", "Host: [::1]", "Host: a b",
                                 "Host : a", "Host:", "X: y", "Host: a\r\nHost: a", " Host: a");
static const parts fields = PARTS(
    9, "A: b", "Empty:", "X:\t \x80 \tc\t ", "Connection: keep-alive", "Connection: close",
    "Connection: a, CLOSE,b", "Accept: */*;q=0.1, a/b", "Cookie: a=b; c=d", "Upgrade: websocket",
    "Connection: Upgrade", "Connection: x,\tkeep-alive\t, upgrade", "Connection:", "A : b", ": b",
    "A\x01: b", "A: \x01", "A b: c", " folded", "Proxy-Connection: close", "Keep-Alive: 5",
    "A: b\x7f", "Connection: closed", "Connection: close close");
static const parts no_body = PARTS(1, "", "Content-Length: 0", "Expect: x");
static const parts length_5 =
    PARTS(2, "Content-Length: 5", "content-length:\t5 ", "Content-Length: 05", "Content-Length: +5",
          "Content-Length: 5, 5", "Content-Length: 5\r\nContent-Length: 5", "Content-Length: 0x5",
          "Content-Length: 5\r\nTransfer-Encoding: chunked", "Content-Length : 5",
          "Content-Length: ", "Content-Length: 18446744073709551621",
          "Content-Length: 9223372036854775813");
static const parts chunked = PARTS(
    2, "Transfer-Encoding: chunked", "transfer-encoding:\tChunked ",
    "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: chunked, gzip",
    "Transfer-Encoding: chunked\r\nContent-Length: 3", "Transfer-Encoding: xchunked",
    "Transfer-Encoding: chunked,",
    "Transfer-Encoding: \x0b"
    "chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding : chunked");
static const parts chunks = PARTS(4, "5\r\nhello\r\n", "0A;x=y\r\n0123456789\r\n", "001\r\n\r\r\n",
                                  "b\r\n0\r\n\r\nGET / \r\n", "5\r\nhelloo\r\n", "-1\r\na\r\n",
                                  "0x1\r\na\r\n", "1 \r\na\r\n", "1\n\na\r\n", "1;\n\r\na\r\n",
                                  "fffffffffffffffff\r\n", "1\r\na", "+1\r\na\r\n", "\r\n");
static const parts last_chunks = PARTS(
    2, "0\r\n\r\n", "000\r\nX: y\r\n\r\n", "0\r\nX y\r\n\r\n", "0\r\nContent-Length: 5\r\n\r\n",
    "0\n\n", "0\r\n: y\r\n\r\n", "0\r\nConnection: close\r\n\r\n", "0\r\n");

/* ---- Chance ---------------------------------------------------------------------------------- */

static uint64_t state;

void chance_from(uint64_t seed)
{
    state = 2 * seed + 1;
}

/* xorshift64*, Vigna, "An experimental exploration of Marsaglia's xorshift generators". */
unsigned below(unsigned n)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (unsigned)((state * 2685821657736338717u) >> 40) % n;
}

static const char *one_of(const parts *p)
{
    return p->of[below(60) ? below(p->right) : below(p->n)];
}

static void put(FILE *out, const parts *p)
{
    fputs(one_of(p), out);
}

static void put_line(FILE *out, const parts *p)
{
    const char *line = one_of(p);
    fputs(line, out);
    if (*line)
        put(out, &line_ends);
}

static void put_request(FILE *out)
{
    unsigned body = below(3);
    put(out, &methods);
    put(out, &spaces);
    put(out, &targets);
    put(out, &spaces);
    put(out, &versions);
    put(out, &line_ends);
    for (unsigned n = below(4); n > 0; n--)
        put_line(out, &fields);
    put_line(out, &hosts);
    put_line(out, body == 0 ? &no_body : body == 1 ? &length_5 : &chunked);
    for (unsigned n = below(3); n > 0; n--)
        put_line(out, &fields);
    put(out, &line_ends);
    for (unsigned n = below(3); body == 2 && n > 0; n--)
        put(out, &chunks);
    if (body == 2)
        put(out, &last_chunks);
    if (body == 1)
        fputs("hello", out);
}

char *make_requests(unsigned n, size_t *len)
{
    char *bytes;
    FILE *out = open_memstream(&bytes, len);
    while (n-- > 0)
        put_request(out);
    fclose(out);
    return bytes;
}
