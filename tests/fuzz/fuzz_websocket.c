/* tests/fuzz/fuzz_websocket.c - any bytes at all as what a client of a WebSocket sends.
 *
 * The first byte says in what pieces the others come. Whatever the bytes, the messages that are
 * received and the way in which it ends do not depend on the pieces, and no message is larger than
 */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "fuzz.h"
#include "loop/http/websocket_internal.h"
#include "loop/loop.h"

enum { MOST = 200 };

typedef struct session {
    const uint8_t *bytes;
    size_t len, piece;
    yk_stream *client, *server;
    char heard[1 << 16]; /* all messages, each with its kind and length before it */
    size_t heard_len;
    int end;
} session;

static int hear(yk_ws *ws, void *arg)
{
    session *s = arg;
    yk_ws_message m;
    while ((s->end = yk_ws_receive(ws, &m, YK_FOREVER)) == 0) {
        require(m.len <= MOST && m.data[m.len] == '\0');
        require(s->heard_len + m.len + 16 < sizeof s->heard);
        char *to = s->heard + s->heard_len;
        to += sprintf(to, "%d %zu ", m.kind, m.len);
        to = mempcpy(to, m.data, m.len);
        s->heard_len = (size_t)(to - s->heard);
    }
    return 0;
}

static int serve(void *arg)
{
    session *s = arg;
    yk_ws *ws = yk__ws_new(s->server, NULL, &(yk_ws_options){ .most_message = MOST });
    require(ws);
    yk__ws_serve(ws, hear, s);
    yk_stream_close(s->server);
    return 0;
}

/* Answers are dropped. */
static int drain(void *arg)
{
    session *s = arg;
    char piece[4096];
    size_t n;
    while (yk_stream_read_some(s->client, piece, sizeof piece, &n, YK_FOREVER) == 0)
        ;
    return 0;
}

static int talk(void *arg)
{
    session *s = arg;
    yk_stream *both[2];
    require(yk_stream_pair(both) == 0);
    s->client = both[0];
    s->server = both[1];
    yk_future *server = yk_task_start(serve, s), *answers = yk_task_start(drain, s);
    for (size_t at = 0; at < s->len; at += s->piece) {
        size_t n = s->len - at < s->piece ? s->len - at : s->piece;
        if (yk_stream_write(s->client, s->bytes + at, n, YK_FOREVER))
            break;
        yk_yield();
    }
    yk_stream_end_writing(s->client);
    yk_await(server);
    yk_await(answers);
    yk_future_unref(server);
    yk_future_unref(answers);
    yk_stream_close(s->client);
    return 0;
}

static session *listen_to(const uint8_t *bytes, size_t len, size_t piece)
{
    static yk_loop *loop;
    if (!loop)
        loop = yk_loop_new();
    session *s = calloc(1, sizeof *s);
    *s = (session){ .bytes = bytes, .len = len, .piece = piece };
    yk_future *task = yk_task_start(talk, s);
    require(yk_loop_run_until(loop, task) == 0);
    yk_future_unref(task);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 4096)
        return 0;
    session *whole = listen_to(data + 1, size - 1, size);
    session *parts = listen_to(data + 1, size - 1, 1 + data[0] % 32u);
    require(whole->end == parts->end && whole->heard_len == parts->heard_len);
    require(memcmp(whole->heard, parts->heard, whole->heard_len) == 0);
    free(whole);
    free(parts);
    return 0;
}
