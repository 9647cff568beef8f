/* The request's target: its path, decoded and without dot segments, and its query. */
#include <string.h>

#include "http_internal.h"

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

long yk__http_decode(const char *text, size_t len, bool plus, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%') {
            if (len - i < 3 || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0)
                return UV_EINVAL;
            c = (char)(digit(text[i + 1]) << 4 | digit(text[i + 2]));
            i += 2;
            if (c == '\0')
                return UV_EINVAL;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (n + 1 >= size)
            return YK_ETOOBIG;
        out[n++] = c;
    }
    if (n >= size)
        return YK_ETOOBIG;
    out[n] = '\0';
    return (long)n;
}

/* How many dots a segment consists of, escaped or not; 0: of something else. */
static int dots(const char *segment, size_t len)
{
    int n = 0;
    for (size_t i = 0; i < len; n++) {
        if (segment[i] == '.')
            i++;
        else if (len - i >= 3 && segment[i] == '%' && segment[i + 1] == '2' &&
                 (segment[i + 2] | 0x20) == 'e')
            i += 3;
        else
            return 0;
    }
    return n;
}

static size_t drop_last_segment(const char *path, size_t len)
{
    while (len > 0 && path[--len] != '/')
        ;
    return len;
}

/* RFC 3986, 5.2.4, for paths that begin with a slash. */
size_t yk__http_remove_dots(char *path, size_t len)
{
    size_t to = 0;
    for (size_t from = 0, end; from < len; from = end) {
        const char *slash = memchr(path + from + 1, '/', len - from - 1);
        end = slash ? (size_t)(slash - path) : len;
        int n = dots(path + from + 1, end - from - 1);
        if (n == 1 || n == 2) {
            if (n == 2)
                to = drop_last_segment(path, to);
            if (end == len)
                path[to++] = '/';
            continue;
        }
        memmove(path + to, path + from, end - from);
        to += end - from;
    }
    if (to == 0)
        path[to++] = '/';
    path[to] = '\0';
    return to;
}

static bool is_plain(const char *path, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (path[i] == '%' || (path[i] == '.' && i > 0 && path[i - 1] == '/'))
            return false;
    return true;
}

int yk__http_take_target(yk_http *h, char *room)
{
    char *path = h->head.path;
    const char *mark = strchr(path, '?');
    size_t len = mark ? (size_t)(mark - path) : strlen(path);
    h->query = path + len + (path[len] == '?');
    h->raw = h->path = room;
    memcpy(room, path, len);
    room[len] = '\0';
    if (len == 0)
        memcpy(room, "/", 2);
    if (*room != '/' || is_plain(room, len))
        return 0;
    len = yk__http_remove_dots(h->raw, len);
    h->path = h->raw + len + 1;
    long n = yk__http_decode(h->raw, len, false, h->path, len + 1);
    if (n < 0)
        return -400;
    yk__http_remove_dots(h->path, (size_t)n);
    return 0;
}
