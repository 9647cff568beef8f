/* Routes: whose pattern a path is like. Patterns are compared with the path as it came, segment by
 * segment, so that an escaped slash is part of a segment. */
#include <stdlib.h>
#include <string.h>

#include "http_internal.h"

/* Whether the segment, decoded, is that text. */
static bool is_text(const char *segment, size_t len, const char *text, size_t text_len)
{
    if (len == text_len && memcmp(segment, text, len) == 0)
        return true;
    if (!memchr(segment, '%', len))
        return false;
    char decoded[256];
    long n = yk__http_decode(segment, len, false, decoded, sizeof decoded);
    return n == (long)text_len && memcmp(decoded, text, text_len) == 0;
}

typedef struct parameter {
    const char *name; /* what is looked for, or NULL */
    const char *value;
    size_t len;
    bool is_rest; /* the value is all that is left */
} parameter;

static bool is_parameter(const char *segment, size_t len)
{
    return len >= 2 && segment[0] == '{' && segment[len - 1] == '}';
}

static bool is_rest(const char *segment, size_t len)
{
    return is_parameter(segment, len) && len >= 5 && memcmp(segment + len - 4, "...}", 4) == 0;
}

static void note(parameter *p, const char *name, size_t name_len, const char *value, size_t len)
{
    if (p->name && strlen(p->name) == name_len && memcmp(p->name, name, name_len) == 0) {
        p->value = value;
        p->len = len;
    }
}

/* For texts as short as these faster than strcspn(). */
static size_t segment_len(const char *path)
{
    size_t n = 0;
    while (path[n] && path[n] != '/')
        n++;
    return n;
}

/* Whether the path is like the pattern; fills in the parameter. Both begin with a slash. */
static bool fits(const char *pattern, const char *path, parameter *p)
{
    while (*pattern == '/' && *path == '/') {
        pattern++;
        path++;
        size_t n = segment_len(pattern), len = segment_len(path);
        if (is_rest(pattern, n)) {
            note(p, pattern + 1, n - 5, path, strlen(path));
            p->is_rest = p->value == path;
            return true;
        }
        if (is_parameter(pattern, n)) {
            if (len == 0)
                return false;
            note(p, pattern + 1, n - 2, path, len);
        } else if (!is_text(path, len, pattern, n)) {
            return false;
        }
        pattern += n;
        path += len;
    }
    return *pattern == *path;
}

/* Of a {rest...}: what its escapes hid may be dots again. */
static int take_rest(const parameter *p, char *out, size_t size)
{
    char *path = malloc(p->len + 2);
    if (!path)
        return UV_ENOMEM;
    path[0] = '/';
    long n = yk__http_decode(p->value, p->len, false, path + 1, p->len + 1);
    size_t len = n < 0 ? 0 : yk__http_remove_dots(path, (size_t)n + 1);
    int err = n < 0 ? (int)n : len > size ? YK_ETOOBIG : 0;
    if (!err)
        memcpy(out, path + 1, len);
    free(path);
    return err;
}

int yk_http_param(const yk_http *h, const char *name, char *out, size_t size)
{
    parameter p = { .name = name };
    if (!h->route || !fits(h->route->pattern, h->raw, &p) || !p.value)
        return UV_ENOENT;
    if (p.is_rest)
        return take_rest(&p, out, size);
    return yk__http_decode_to(p.value, p.len, false, out, size);
}

int yk__http_rest(const yk_http *h, char *out, size_t size)
{
    const char *last = h->route ? strrchr(h->route->pattern, '/') : NULL;
    size_t len = last ? strlen(last + 1) : 0;
    if (!last || !is_rest(last + 1, len))
        return UV_ENOENT;
    parameter p = { .name = NULL };
    char *name = strndup(last + 2, len - 5);
    if (!name)
        return UV_ENOMEM;
    p.name = name;
    int err = fits(h->route->pattern, h->raw, &p) && p.value ? take_rest(&p, out, size) : UV_ENOENT;
    free(name);
    return err;
}

/* ---- Who takes a request --------------------------------------------------------------------- */

static bool takes_method(const yk_http_route *r, const char *method)
{
    return !r->method || strcmp(r->method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(r->method, "GET") == 0);
}

static int refuse_method(yk_http *h)
{
    char allowed[256] = "";
    size_t n = 0;
    for (const yk_http_route *r = h->conn->service->routes; r->pattern; r++) {
        parameter none = { 0 };
        if (!fits(r->pattern, h->raw, &none) || strstr(allowed, r->method))
            continue;
        bool get = strcmp(r->method, "GET") == 0;
        int more = snprintf(allowed + n, sizeof allowed - n, "%s%s%s", n ? ", " : "", r->method,
                            get ? ", HEAD" : "");
        if (more < 0 || (size_t)more >= sizeof allowed - n) {
            allowed[n] = '\0';
            break;
        }
        n += (size_t)more;
    }
    int err = yk_http_set(h, "Allow", allowed);
    return err ? err : yk_http_error(h, 405, NULL);
}

int yk__http_dispatch(yk_http *h)
{
    const yk_http_service *service = h->conn->service;
    bool known = false;
    h->route = NULL;
    for (const yk_http_route *r = service->routes; r && r->pattern; r++) {
        parameter none = { 0 };
        if (!fits(r->pattern, h->raw, &none))
            continue;
        known = true;
        if (takes_method(r, h->head.method)) {
            h->route = r;
            return r->handler(h, r->arg);
        }
    }
    if (known)
        return refuse_method(h);
    return service->handler ? service->handler(h, service->arg) : yk_http_error(h, 404, NULL);
}
