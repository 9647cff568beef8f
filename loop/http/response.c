/* Answers: the head, and the framing of the body. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_internal.h"

/* ---- Fields ---------------------------------------------------------------------------------- */

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_name(const char *name)
{
    const char *c = name;
    while (is_token_char(*c))
        c++;
    return c > name && !*c;
}

static bool is_value(const char *value)
{
    for (const unsigned char *c = (const unsigned char *)value; *c; c++)
        if ((*c < ' ' && *c != '\t') || *c == 127)
            return false;
    return true;
}

bool yk__http_is_field(const char *name, const char *value)
{
    static const char *const ours[] = { "Content-Length", "Transfer-Encoding", "Connection",
                                        "Date" };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (strcasecmp(name, ours[i]) == 0)
            return false;
    return is_name(name) && is_value(value);
}

static bool line_is_of(const char *line, const char *name, size_t len)
{
    return strncasecmp(line, name, len) == 0 && line[len] == ':';
}

void yk__http_unset(yk_http *h, const char *name)
{
    size_t len = strlen(name), to = 0;
    for (size_t at = 0; at < h->fields_len;) {
        char *line = h->fields + at;
        size_t n = (size_t)((char *)memchr(line, '\n', h->fields_len - at) - line) + 1;
        at += n;
        if (line_is_of(line, name, len))
            continue;
        memmove(h->fields + to, line, n);
        to += n;
    }
    h->fields_len = to;
}

static int add_field(yk_http *h, const char *name, const char *value)
{
    size_t n = strlen(name), v = strlen(value), need = h->fields_len + n + v + 4;
    if (need > h->fields_cap) {
        size_t cap = need < 256 ? 512 : 2 * need;
        char *larger = realloc(h->fields, cap);
        if (!larger)
            return UV_ENOMEM;
        h->fields = larger;
        h->fields_cap = cap;
    }
    char *to = h->fields + h->fields_len;
    to = mempcpy(to, name, n);
    to = mempcpy(to, ": ", 2);
    to = mempcpy(to, value, v);
    memcpy(to, "\r\n", 2);
    h->fields_len = need;
    return 0;
}

int yk_http_add(yk_http *h, const char *name, const char *value)
{
    if (h->status)
        return YK_ECLOSED;
    return yk__http_is_field(name, value) ? add_field(h, name, value) : UV_EINVAL;
}

int yk_http_set(yk_http *h, const char *name, const char *value)
{
    if (h->status)
        return YK_ECLOSED;
    if (!yk__http_is_field(name, value))
        return UV_EINVAL;
    yk__http_unset(h, name);
    return add_field(h, name, value);
}

/* ---- The head -------------------------------------------------------------------------------- */

const char *yk_http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } known[] = {
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 206, "Partial Content" },
        { 301, "Moved Permanently" },
        { 302, "Found" },
        { 303, "See Other" },
        { 304, "Not Modified" },
        { 307, "Temporary Redirect" },
        { 308, "Permanent Redirect" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 406, "Not Acceptable" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 410, "Gone" },
        { 411, "Length Required" },
        { 412, "Precondition Failed" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" },
        { 416, "Range Not Satisfiable" },
        { 417, "Expectation Failed" },
        { 422, "Unprocessable Content" },
        { 426, "Upgrade Required" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status)
            return known[i].reason;
    return "";
}

#define PUT(to, literal) mempcpy((to), (literal), sizeof(literal) - 1)

static char *put_number(char *to, uint64_t n)
{
    char digits[20], *d = digits + sizeof digits;
    do
        *--d = (char)('0' + n % 10);
    while (n /= 10);
    return mempcpy(to, d, (size_t)(digits + sizeof digits - d));
}

static char *put_status(char *to, int status)
{
    if (status == 200)
        return PUT(to, "HTTP/1.1 200 OK\r\n");
    to = PUT(to, "HTTP/1.1 ");
    to = put_number(to, (uint64_t)status);
    *to++ = ' ';
    to = stpcpy(to, yk_http_reason(status));
    return PUT(to, "\r\n");
}

static bool is_last(const yk_http *h)
{
    const yk__http_conn *c = h->conn;
    uint64_t most = c->service->most_requests;
    return c->last || c->here->draining || (most && c->requests >= most) ||
           !yk__http_body_may_be_dropped(h);
}

/* Decides how the body is framed, and whether the connection goes on. */
static void choose_framing(yk_http *h, uint64_t length)
{
    yk__http_conn *c = h->conn;
    bool none = h->status == 204 || h->status == 304;
    h->bodiless = none || strcmp(h->head.method, "HEAD") == 0;
    h->chunked = length == YK_HTTP_UNKNOWN && !none && h->head.minor > 0;
    h->length = length;
    h->written = 0;
    if (is_last(h))
        c->last = c->linger = true;
    if (!h->head.keep_alive || (length == YK_HTTP_UNKNOWN && !h->bodiless && !h->chunked))
        c->last = true;
    if (c->last && !h->body_over) /* which would be answered with a reset */
        c->linger = true;
}

static char *put_framing(char *to, const yk_http *h)
{
    if (h->chunked) {
        to = PUT(to, "Transfer-Encoding: chunked\r\n");
    } else if (h->status != 204 && h->status != 304 && h->length != YK_HTTP_UNKNOWN) {
        to = PUT(to, "Content-Length: ");
        to = put_number(to, h->length);
        to = PUT(to, "\r\n");
    }
    if (h->conn->last)
        return PUT(to, "Connection: close\r\n");
    return h->head.minor == 0 ? PUT(to, "Connection: keep-alive\r\n") : to;
}

/* All but what was set: HEAD_MOST bytes and the type at most. */
static char *put_head(char *to, const yk_http *h, const char *type, size_t type_len)
{
    to = put_status(to, h->status);
    to = PUT(to, "Date: ");
    to = mempcpy(to, yk__http_date(h->conn->here), YK__HTTP_DATE - 1);
    to = PUT(to, "\r\n");
    to = put_framing(to, h);
    if (!type)
        return to;
    to = PUT(to, "Content-Type: ");
    to = mempcpy(to, type, type_len);
    return PUT(to, "\r\n");
}

enum { HEAD_MOST = 256, TYPE_MOST = 512 };

static int send_head(yk_http *h, const char *type, size_t type_len)
{
    int err = yk__http_room(h, HEAD_MOST + type_len);
    if (err)
        return err;
    char *from = h->out + h->out_len, *to = put_head(from, h, type, type_len);
    if (h->fields_len == 0)
        to = PUT(to, "\r\n");
    yk__http_added(h, (size_t)(to - from));
    if (h->fields_len == 0)
        return 0;
    err = yk__http_out(h, h->fields, h->fields_len);
    return err ? err : yk__http_out(h, "\r\n", 2);
}

int yk_http_begin(yk_http *h, int status, const char *type, uint64_t length)
{
    size_t type_len = type ? strlen(type) : 0;
    if (h->status)
        return YK_ECLOSED;
    if (status < 200 || status > 599 || type_len > TYPE_MOST || (type && !is_value(type)))
        return UV_EINVAL;
    if (type && h->fields_len > 0)
        yk__http_unset(h, "Content-Type");
    int err = h->conn->service->compress ? yk__http_compress(h, status, type, &length) : 0;
    if (err)
        return err;
    h->status = status;
    choose_framing(h, length);
    YK__HTTP_COUNT(h->conn, answers[status / 100], 1);
    return send_head(h, type, type_len);
}

bool yk_http_begun(const yk_http *h)
{
    return h->status != 0;
}

/* ---- The body -------------------------------------------------------------------------------- */

static int write_chunk(yk_http *h, const void *data, size_t len)
{
    char size[24];
    int n = snprintf(size, sizeof size, "%zx\r\n", len);
    int err = yk__http_out(h, size, (size_t)n);
    if (!err)
        err = yk__http_out(h, data, len);
    return err ? err : yk__http_out(h, "\r\n", 2);
}

int yk__http_write_raw(yk_http *h, const void *data, size_t len)
{
    if (h->length != YK_HTTP_UNKNOWN && len > h->length - h->written)
        return YK_ETOOBIG;
    h->written += len;
    if (h->bodiless || len == 0)
        return 0;
    return h->chunked ? write_chunk(h, data, len) : yk__http_out(h, data, len);
}

int yk_http_write(yk_http *h, const void *data, size_t len)
{
    if (!h->status)
        return YK_ECLOSED;
    if (h->encoder)
        return h->bodiless ? 0 : yk__http_encode(h, data, len, YK__GO_ON);
    return yk__http_write_raw(h, data, len);
}

int yk_http_flush(yk_http *h)
{
    int err = h->encoder && !h->bodiless ? yk__http_encode(h, NULL, 0, YK__FLUSH) : 0;
    return err ? err : yk__http_out_now(h);
}

int yk__http_response_end(yk_http *h)
{
    int err = h->encoder && !h->bodiless ? yk__http_encode(h, NULL, 0, YK__FINISH) : 0;
    if (err)
        return err;
    if (h->chunked && !h->bodiless && !h->broken)
        return yk__http_out(h, "0\r\n\r\n", 5);
    bool whole = h->bodiless || h->length == YK_HTTP_UNKNOWN || h->written == h->length;
    return whole && !h->broken ? 0 : YK_ETRUNCATED;
}

int yk_http_send(yk_http *h, int status, const char *type, const void *body, size_t len)
{
    int err = yk_http_begin(h, status, type, len);
    return err ? err : yk_http_write(h, body, len);
}

static int send_text(yk_http *h, int status, const char *type, const char *format, va_list args)
{
    char *text;
    int n = vasprintf(&text, format, args);
    if (n < 0)
        return UV_ENOMEM;
    int err = yk_http_send(h, status, type, text, (size_t)n);
    free(text);
    return err;
}

int yk_http_sendf(yk_http *h, int status, const char *type, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int err = send_text(h, status, type, format, args);
    va_end(args);
    return err;
}

/* ---- Short answers --------------------------------------------------------------------------- */

static const char plain[] = "text/plain; charset=utf-8";

int yk_http_error(yk_http *h, int status, const char *format, ...)
{
    if (!format)
        return yk_http_sendf(h, status, plain, "%d %s\n", status, yk_http_reason(status));
    va_list args;
    va_start(args, format);
    char *text;
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        return UV_ENOMEM;
    int err = yk_http_sendf(h, status, plain, "%s\n", text);
    free(text);
    return err;
}

int yk_http_redirect(yk_http *h, int status, const char *location)
{
    int err = yk_http_set(h, "Location", location);
    return err ? err : yk_http_error(h, status, NULL);
}

static int status_of(const yk_http *h, int err)
{
    if (h->body_status && err == h->body_err)
        return h->body_status;
    switch (err) {
    case YK_EFULL:
    case YK_ECANCELED:
        return 503;
    case YK_EJOBTIMEOUT:
    case UV_ETIMEDOUT:
        return 504;
    case YK_ETOOBIG:
        return 413;
    default:
        return 500;
    }
}

void yk__http_answer_error(yk_http *h, int err)
{
    int status = status_of(h, err);
    h->fields_len = 0; /* they were for another answer */
    if (status == 500)
        yk__log("http: %s %s: %s", h->head.method, h->head.target, yk_errname(err));
    if (err == YK_EFULL)
        yk_http_set(h, "Retry-After", "1");
    yk_http_error(h, status, NULL);
}

static char no_method[] = "";

void yk__http_refuse(yk_http *h, int status)
{
    h->head = (yk__http_head){ .method = no_method, .minor = 1 };
    h->body_over = true;
    h->status = 0; /* of the answer before, which has not gone yet */
    h->fields_len = 0;
    h->conn->last = h->conn->linger = true;
    yk_http_error(h, status, NULL);
}
