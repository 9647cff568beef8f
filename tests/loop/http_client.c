#include "http_client.h"

#include <strings.h>

served *serve_http(const yk_http_service *service)
{
    served *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->service = *service;
    if (!s->service.counters)
        s->service.counters = &s->counters;
    assert_ok(yk_listen(&s->listener, "127.0.0.1", 0));
    s->server = yk_server_start(s->listener, yk_http_connection, &s->service);
    assert_non_null(s->server);
    return s;
}

void serve_no_more(served *s)
{
    assert_ok(yk_server_stop(s->server, YK_FOREVER));
    assert_int_equal(s->service.counters->connections, 0);
    yk_listener_close(s->listener);
    free(s);
}

yk_stream *dial(served *s)
{
    yk_stream *c;
    assert_ok(yk_connect(&c, "127.0.0.1", yk_listener_port(s->listener), YK_FOREVER));
    return c;
}

void say(yk_stream *c, const char *text)
{
    assert_ok(yk_stream_write(c, text, strlen(text), YK_FOREVER));
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void read_head(yk_stream *c, answer *a)
{
    static char head[65536];
    size_t len;
    assert_ok(yk_stream_read_until(c, "\r\n\r\n", 4, head, sizeof head - 1, &len, YK_FOREVER));
    head[len] = '\0';
    a->head = strdup(head);
    assert_int_equal(sscanf(head, "HTTP/1.1 %d ", &a->status), 1);
}

static void append(yk_stream *c, answer *a, size_t len)
{
    a->body = realloc(a->body, a->len + len + 1);
    assert_non_null(a->body);
    assert_ok(yk_stream_read_exactly(c, a->body + a->len, len, YK_FOREVER));
    a->len += len;
    a->body[a->len] = '\0';
}

static void read_chunks(yk_stream *c, answer *a)
{
    char line[64];
    for (;;) {
        assert_ok(yk_stream_read_line(c, line, sizeof line, NULL, YK_FOREVER));
        size_t len = strtoul(line, NULL, 16);
        append(c, a, len);
        assert_ok(yk_stream_read_line(c, line, sizeof line, NULL, YK_FOREVER));
        assert_string_equal(line, "");
        if (len == 0)
            return;
    }
}

static void read_to_the_end(yk_stream *c, answer *a)
{
    char piece[4096];
    size_t n;
    int err;
    while ((err = yk_stream_read_some(c, piece, sizeof piece, &n, YK_FOREVER)) == 0) {
        a->body = realloc(a->body, a->len + n + 1);
        memcpy(a->body + a->len, piece, n);
        a->len += n;
        a->body[a->len] = '\0';
    }
    assert_int_equal(err, YK_END);
}

static void read_body(yk_stream *c, answer *a)
{
    const char *length = field_of(a, "Content-Length"), *coding = field_of(a, "Transfer-Encoding");
    if (coding) {
        assert_null(length);
        assert_string_equal(coding, "chunked");
        read_chunks(c, a);
    } else if (length) {
        append(c, a, strtoul(length, NULL, 10));
    } else {
        read_to_the_end(c, a);
    }
}

answer *hear_for(yk_stream *c, const char *method)
{
    answer *a = calloc(1, sizeof *a);
    assert_non_null(a);
    a->body = calloc(1, 1);
    read_head(c, a);
    if (strcmp(method, "HEAD") && a->status != 204 && a->status != 304 && a->status >= 200)
        read_body(c, a);
    return a;
}

answer *hear(yk_stream *c)
{
    return hear_for(c, "GET");
}

void forget(answer *a)
{
    free(a->head);
    free(a->body);
    free(a);
}

const char *field_of(const answer *a, const char *name)
{
    static char values[8][256];
    static unsigned next;
    size_t n = strlen(name);
    for (const char *line = strchr(a->head, '\n') + 1; *line != '\r'; line = strchr(line, '\n') + 1)
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            char *value = values[next++ % 8];
            snprintf(value, sizeof values[0], "%.*s", (int)strcspn(line + n + 2, "\r"),
                     line + n + 2);
            return value;
        }
    return NULL;
}

void assert_over(yk_stream *c)
{
    char byte;
    size_t n;
    assert_int_equal(yk_stream_read_some(c, &byte, 1, &n, YK_FOREVER), YK_END);
}

void assert_answer(yk_stream *c, const char *request, int status, const char *body)
{
    char method[16] = "";
    sscanf(request, "%15s", method);
    if (*request)
        say(c, request);
    answer *a = hear_for(c, method);
    assert_int_equal(a->status, status);
    if (body)
        assert_string_equal(a->body, body);
    forget(a);
}

void assert_once(served *s, const char *request, int status, const char *body)
{
    yk_stream *c = dial(s);
    assert_answer(c, request, status, body);
    yk_stream_close(c);
}
