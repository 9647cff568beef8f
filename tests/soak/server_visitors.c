#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <zlib.h>

#include "executor/clock.h"
#include "executor/error.h"
#include "loop/task.h"
#include "server_soak.h"
#include "support/support.h"

#define HOST "Host: soak\r\n"

/* What a visitor is at. */
typedef struct visit {
    crowd *crowd;
    dice dice;
    yk_stream *stream;
    char head[4096], *body;
    size_t len;
    int status;
} visit;

static uint64_t patience(void)
{
    return yk_after_ms(20000ull * support_slowness());
}

/* ---- Answers --------------------------------------------------------------------------------- */

static int more(visit *v, size_t n)
{
    char *body = realloc(v->body, v->len + n + 1);
    if (!body)
        return UV_ENOMEM;
    v->body = body;
    int err = n ? yk_stream_read_exactly(v->stream, body + v->len, n, patience()) : 0;
    v->len += err ? 0 : n;
    body[v->len] = '\0';
    return err;
}

static int read_chunks(visit *v)
{
    char line[64];
    for (size_t n = 1; n > 0;) {
        int err = yk_stream_read_line(v->stream, line, sizeof line, NULL, patience());
        n = strtoul(line, NULL, 16);
        if (!err)
            err = more(v, n);
        if (!err)
            err = yk_stream_read_line(v->stream, line, sizeof line, NULL, patience());
        if (err)
            return err;
    }
    return 0;
}

static int read_answer(visit *v)
{
    size_t n;
    v->len = 0;
    int err =
        yk_stream_read_until(v->stream, "\r\n\r\n", 4, v->head, sizeof v->head - 1, &n, patience());
    if (err)
        return err;
    v->head[n] = '\0';
    const char *length = strstr(v->head, "\r\nContent-Length: ");
    if (sscanf(v->head, "HTTP/1.1 %d ", &v->status) != 1)
        return UV_EPROTO;
    return length ? more(v, strtoul(length + 18, NULL, 10)) : read_chunks(v);
}

/* ---- Requests -------------------------------------------------------------------------------- */

static int get_with(visit *v, const char *path, uint64_t n, const char *fields)
{
    char text[300];
    int len = snprintf(text, sizeof text, "GET %s%.0" PRIu64 " HTTP/1.1\r\n" HOST "%s\r\n", path, n,
                       fields);
    return yk_stream_write(v->stream, text, (size_t)len, patience());
}

static int get(visit *v, const char *path, uint64_t n)
{
    return get_with(v, path, n, "");
}

static int expect(visit *v, int err, int status, const char *body)
{
    if (!err)
        err = read_answer(v);
    if (err)
        wrong(v->crowd, "a visitor hears no answer: %s", yk_strerror(err));
    else if (v->status != status || (body && strcmp(v->body, body)))
        wrong(v->crowd, "a visitor hears %.200s%.100s", v->head, v->body);
    v->crowd->requests++;
    return err;
}

static int ask_small(visit *v)
{
    return expect(v, get(v, "/small", 0), 200, "small");
}

static int ask_late(visit *v)
{
    return expect(v, get(v, "/late", 0), 200, "small");
}

static int ask_many(visit *v)
{
    uint64_t n = 2 + dice_below(&v->dice, 30);
    int err = 0;
    for (uint64_t i = 0; i < n && !err; i++)
        err = get(v, "/small", 0);
    for (uint64_t i = 0; i < n && !err; i++)
        err = expect(v, 0, 200, "small");
    return err;
}

static bool is_piece(const char *bytes, size_t len, size_t from, size_t n)
{
    bool right = len == n;
    for (size_t i = 0; i < n && right; i++)
        right = bytes[i] == site_byte(from + i);
    return right;
}

static bool is_right(const visit *v, size_t n)
{
    return is_piece(v->body, v->len, 0, n);
}

static int ask_large(visit *v)
{
    uint64_t n = 1 + dice_below(&v->dice, dice_percent(&v->dice, 10) ? 1000000 : 20000);
    int err = expect(v, get(v, dice_percent(&v->dice, 50) ? "/large/" : "/chunked/", n), 200, NULL);
    if (!err && !is_right(v, n))
        wrong(v->crowd, "%" PRIu64 " bytes came as %zu others", n, v->len);
    return err;
}

static int ask_number(visit *v, const char *path)
{
    char text[32];
    uint64_t n = 1 + dice_below(&v->dice, 1000000);
    snprintf(text, sizeof text, "%" PRIu64, n * n);
    return expect(v, get(v, path, n), 200, text);
}

static int ask_thread(visit *v)
{
    return ask_number(v, "/thread/");
}

static int ask_process(visit *v)
{
    return ask_number(v, "/process/");
}

static int ask_crash(visit *v)
{
    return v->crowd->attacks && dice_percent(&v->dice, 95)
               ? 0
               : expect(v, get(v, "/crash/", 1), 500, NULL);
}

static bool unzips_to(const visit *v, size_t n)
{
    z_stream z = { .next_in = (Bytef *)v->body, .avail_in = (uInt)v->len };
    char *plain = malloc(n + 1);
    bool right = plain && inflateInit2(&z, 15 + 16) == Z_OK;
    z.next_out = (Bytef *)plain;
    z.avail_out = (uInt)n + 1;
    right = right && inflate(&z, Z_FINISH) == Z_STREAM_END && is_piece(plain, z.total_out, 0, n);
    inflateEnd(&z);
    free(plain);
    return right;
}

static int ask_packed(visit *v)
{
    uint64_t n = 2000 + dice_below(&v->dice, 20000);
    int err = expect(v, get_with(v, "/chunked/", n, "Accept-Encoding: gzip\r\n"), 200, NULL);
    if (!err && !unzips_to(v, n))
        wrong(v->crowd, "%" PRIu64 " bytes came packed as others: %s", n, v->head);
    return err;
}

static int ask_file(visit *v)
{
    char fields[64];
    size_t from = dice_below(&v->dice, SITE_FILE_SIZE);
    size_t n = 1 + dice_below(&v->dice, SITE_FILE_SIZE - from);
    snprintf(fields, sizeof fields, "Range: bytes=%zu-%zu\r\n", from, from + n - 1);
    int err = expect(v, get_with(v, "/file", 0, fields), 206, NULL);
    if (!err && !is_piece(v->body, v->len, from, n))
        wrong(v->crowd, "bytes %zu to %zu of a file are others: %s", from, from + n - 1, v->head);
    return err;
}

static int ask_events(visit *v)
{
    uint64_t n = 1 + dice_below(&v->dice, 10), came = 0;
    int err = expect(v, get(v, "/events/", n), 200, NULL);
    for (const char *p = v->body; !err && (p = strstr(p, "data: tock\n")) != NULL; p++)
        came++;
    if (!err && came != n)
        wrong(v->crowd, "%" PRIu64 " events came as %" PRIu64, n, came);
    return err;
}

/* Says a word and goodbye; the connection ends with it. */
static int ask_chat(visit *v)
{
    static const char frames[] = "\x81\x85\0\0\0\0hello\x88\x82\0\0\0\0\x03\xe8";
    static const char back[] = "\x81\x05hello\x88\x02\x03\xe8";
    char heard[sizeof back - 1];
    size_t n;
    int err = get_with(v, "/chat", 0,
                       "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    if (!err)
        err = yk_stream_write(v->stream, frames, sizeof frames - 1, patience());
    if (!err)
        err =
            yk_stream_read_until(v->stream, "\r\n\r\n", 4, v->head, sizeof v->head, &n, patience());
    if (!err)
        err = yk_stream_read_exactly(v->stream, heard, sizeof heard, patience());
    if (err || strncmp(v->head, "HTTP/1.1 101 ", 13) || memcmp(heard, back, sizeof heard))
        wrong(v->crowd, "a chat went wrong: %s", yk_strerror(err));
    v->crowd->requests++;
    return YK_END;
}

static char *filled(size_t n)
{
    char *bytes = malloc(n + 1);
    for (size_t i = 0; bytes && i < n; i++)
        bytes[i] = site_byte(i);
    return bytes;
}

static int say_length(visit *v, const char *bytes, size_t n)
{
    char head[128];
    int len = snprintf(head, sizeof head,
                       "POST /echo HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", n);
    int err = yk_stream_write(v->stream, head, (size_t)len, patience());
    return err ? err : yk_stream_write(v->stream, bytes, n, patience());
}

static int say_chunks(visit *v, const char *bytes, size_t n)
{
    static const char head[] = "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n";
    int err = yk_stream_write(v->stream, head, sizeof head - 1, patience());
    for (size_t at = 0; at < n && !err;) {
        char line[32];
        size_t piece = 1 + dice_below(&v->dice, n - at);
        int len = snprintf(line, sizeof line, "%zx\r\n", piece);
        err = yk_stream_write(v->stream, line, (size_t)len, patience());
        if (!err)
            err = yk_stream_write(v->stream, bytes + at, piece, patience());
        if (!err)
            err = yk_stream_write(v->stream, "\r\n", 2, patience());
        at += piece;
    }
    return err ? err : yk_stream_write(v->stream, "0\r\n\r\n", 5, patience());
}

static int ask_echo(visit *v)
{
    size_t n = 1 + dice_below(&v->dice, 30000);
    char *bytes = filled(n);
    int err = !bytes                       ? UV_ENOMEM
              : dice_percent(&v->dice, 50) ? say_length(v, bytes, n)
                                           : say_chunks(v, bytes, n);
    free(bytes);
    err = expect(v, err, 200, NULL);
    if (!err && !is_right(v, n))
        wrong(v->crowd, "an echo of %zu bytes came back as %zu others", n, v->len);
    return err;
}

/* ---- Visits ---------------------------------------------------------------------------------- */

typedef int (*wish)(visit *v);

static const wish wishes[] = {
    ask_small, ask_many,    ask_large,  ask_echo,  ask_packed, ask_file,
    ask_late,  ask_process, ask_thread, ask_crash, ask_events, ask_chat,
};

static void open_connection(visit *v)
{
    int err = yk_connect(&v->stream, "127.0.0.1", v->crowd->port, patience());
    if (err) {
        wrong(v->crowd, "a visitor cannot connect: %s", yk_strerror(err));
        v->stream = NULL;
    }
    v->crowd->connections++;
}

static void close_connection(visit *v)
{
    yk_stream_close(v->stream);
    free(v->body);
    v->body = NULL;
}

void visitor_live(crowd *c, uint64_t stream)
{
    visit v = { .crowd = c, .dice = dice_new(c->seed, stream) };
    while (!c->time_is_up && c->wrong < 20) {
        uint64_t n = 1 + dice_below(&v.dice, 50);
        open_connection(&v);
        int err = v.stream ? 0 : UV_ECONNREFUSED;
        while (n-- > 0 && !err && !c->time_is_up) {
            err = wishes[dice_below(&v.dice, COUNT_OF(wishes))](&v);
            yk_sleep_ms(dice_below(&v.dice, 4));
        }
        close_connection(&v);
    }
}

void visitor_look_around(crowd *c)
{
    for (size_t i = 0; i < COUNT_OF(wishes); i++) {
        visit v = { .crowd = c, .dice = dice_new(c->seed, i) };
        open_connection(&v);
        if (v.stream)
            wishes[i](&v);
        close_connection(&v);
    }
}
