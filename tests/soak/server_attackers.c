#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "executor/clock.h"
#include "executor/error.h"
#include "loop/http_requests.h"
#include "loop/task.h"
#include "server_soak.h"
#include "support/support.h"

#define HOST "Host: soak\r\n"
#define CHAT                                                                      \
    "GET /chat HTTP/1.1\r\n" HOST "Upgrade: websocket\r\nConnection: Upgrade\r\n" \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

typedef struct attack {
    crowd *crowd;
    dice *dice;
    yk_stream *stream;
} attack;

/* ---- What they do ---------------------------------------------------------------------------- */

static int say(attack *a, const char *text)
{
    return yk_stream_write(a->stream, text, strlen(text), yk_after_ms(500));
}

/* Until the server ends the connection, which it must, or it is time to go. */
static void hear(attack *a)
{
    char piece[4096];
    size_t n;
    int err = 0;
    bool first = true;
    uint64_t give_up = yk_after_ms(40000ull * support_slowness());
    while ((!err || err == UV_ETIMEDOUT) && !a->crowd->time_is_up && yk_now() < give_up) {
        err = yk_stream_read_some(a->stream, piece, sizeof piece, &n, yk_after_ms(50));
        if (!err && first)
            a->crowd->refusals += n > 9 && (piece[9] == '4' || piece[9] == '5');
        first &= err != 0;
    }
    if (yk_now() >= give_up)
        wrong(a->crowd, "the server does not get rid of an attacker");
}

static void nonsense(attack *a)
{
    size_t len;
    char *bytes = make_requests(1 + below(3), &len);
    if (yk_stream_write(a->stream, bytes, len, yk_after_ms(500)) == 0)
        hear(a);
    free(bytes);
}

static void any_bytes(attack *a)
{
    char bytes[600];
    size_t n = 1 + dice_below(a->dice, sizeof bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)dice_below(a->dice, dice_percent(a->dice, 50) ? 256 : 128);
    if (yk_stream_write(a->stream, bytes, n, yk_after_ms(500)) == 0)
        hear(a);
}

static void say_nothing(attack *a)
{
    hear(a);
}

/* A byte now and then. */
static void drip(attack *a, const char *begin, const char *more)
{
    int err = say(a, begin);
    for (int i = 0; i < 100 && !err && !a->crowd->time_is_up; i++) {
        yk_sleep_ms(20);
        err = say(a, more);
    }
    if (!err)
        hear(a);
}

static void slow_head(attack *a)
{
    drip(a, "GET /small HTTP/1.1\r\n", "A: b\r\n");
}

static void slow_body(attack *a)
{
    drip(a, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 500000\r\n\r\n", "b");
}

static void slow_chunks(attack *a)
{
    drip(a, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", "1\r\nb\r\n");
}

static void slow_blanks(attack *a)
{
    drip(a, "", "\r");
}

/* Asks for much and takes little of it. */
static void slow_reader(attack *a)
{
    char byte;
    size_t n;
    int err = say(a, "GET /large/50000000 HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 20 && !err; i++) {
        err = yk_stream_read_some(a->stream, &byte, 1, &n, yk_after_ms(500));
        yk_sleep_ms(20);
    }
}

static void flood(attack *a, const char *begin, const char *more)
{
    int err = say(a, begin);
    char text[4096] = "";
    for (size_t n = 0; n + strlen(more) < sizeof text; n += strlen(more))
        memcpy(text + n, more, strlen(more) + 1);
    for (int i = 0; i < 2000 && !err; i++)
        err = say(a, text);
}

static void endless_head(attack *a)
{
    flood(a, "GET /small HTTP/1.1\r\n", "Field: value\r\n");
}

static void endless_target(attack *a)
{
    flood(a, "GET /", "a");
}

static void endless_body(attack *a)
{
    flood(a, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
          "10\r\n0123456789abcdef\r\n");
}

static void endless_extensions(attack *a)
{
    flood(a, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", "1;a=b\r\nc\r\n");
}

static void many_requests(attack *a)
{
    flood(a, "", "GET /large/1000 HTTP/1.1\r\n" HOST "\r\n");
}

/* Asks, and leaves before there is an answer. */
static void leave(attack *a)
{
    static const char *const asked[] = {
        "GET /late HTTP/1.1\r\n" HOST "\r\n",
        "GET /process/7 HTTP/1.1\r\n" HOST "\r\n",
        "GET /thread/7 HTTP/1.1\r\n" HOST "\r\n",
        "GET /large/5000000 HTTP/1.1\r\n" HOST "\r\n",
        "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc",
        "GET /events/1000 HTTP/1.1\r\n" HOST "\r\n",
        "GET /file HTTP/1.1\r\n" HOST "\r\n",
        "GET /chunked/1000000 HTTP/1.1\r\n" HOST "Accept-Encoding: zstd\r\n\r\n",
        CHAT,
        "GET /small HTT",
    };
    say(a, asked[dice_below(a->dice, COUNT_OF(asked))]);
    yk_sleep_ms(dice_below(a->dice, 3));
    if (dice_percent(a->dice, 50))
        yk_stream_abort(a->stream);
}

static void no_chat(attack *a)
{
    if (say(a, CHAT) == 0)
        any_bytes(a);
}

static void (*const attacks[])(attack *a) = {
    nonsense,    any_bytes,   say_nothing,  slow_head,          slow_body,     slow_chunks,
    slow_blanks, slow_reader, endless_head, endless_target,     endless_body,  leave,
    nonsense,    nonsense,    leave,        endless_extensions, many_requests, no_chat,
};

/* ---- Their lives ----------------------------------------------------------------------------- */

void attacker_live(crowd *c, uint64_t stream)
{
    dice d = dice_new(c->seed, stream);
    while (!c->time_is_up && c->wrong < 20) {
        attack a = { .crowd = c, .dice = &d };
        int err = yk_connect(&a.stream, "127.0.0.1", c->port, yk_after_ms(20000));
        if (err) {
            wrong(c, "an attacker cannot connect: %s", yk_strerror(err));
            continue;
        }
        c->attacks++;
        attacks[dice_below(&d, COUNT_OF(attacks))](&a);
        yk_stream_close(a.stream);
        yk_sleep_ms(dice_below(&d, 20));
    }
}
