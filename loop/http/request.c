/* What a handler may ask about its request. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http_internal.h"

const char *yk_http_method(const yk_http *h)
{
    return h->head.method;
}

const char *yk_http_target(const yk_http *h)
{
    return h->head.target;
}

const char *yk_http_path(const yk_http *h)
{
    return h->path;
}

const char *yk_http_query(const yk_http *h)
{
    return h->query;
}

const char *yk_http_header(const yk_http *h, const char *name)
{
    size_t len = strlen(name);
    for (uint32_t i = 0; i < h->head.fields; i++) {
        const yk__http_field *f = &h->head.field[i];
        if (f->name_len == len && strcasecmp(f->name, name) == 0)
            return f->value;
    }
    return NULL;
}

int yk__http_joined(const yk_http *h, const char *name, char **joined)
{
    const char *key, *value;
    size_t len = 0, more;
    *joined = NULL;
    for (size_t i = 0; yk_http_next_header(h, &i, &key, &value);) {
        if (strcasecmp(key, name) != 0)
            continue;
        more = strlen(value);
        char *longer = realloc(*joined, len + more + 2);
        if (!longer) {
            free(*joined);
            *joined = NULL;
            return UV_ENOMEM;
        }
        if (len > 0)
            longer[len++] = ',';
        memcpy(longer + len, value, more + 1);
        len += more;
        *joined = longer;
    }
    return 0;
}

bool yk_http_next_header(const yk_http *h, size_t *i, const char **name, const char **value)
{
    if (*i >= h->head.fields)
        return false;
    const yk__http_field *f = &h->head.field[(*i)++];
    *name = f->name;
    *value = f->value;
    return true;
}

int yk_http_peer(const yk_http *h, char *text, size_t size)
{
    return yk_stream_peer(h->conn->stream, text, size);
}

/* Outputs stay untouched where it fails. */
int yk__http_decode_to(const char *text, size_t len, bool plus, char *out, size_t size)
{
    char *whole = malloc(len + 1);
    if (!whole)
        return UV_ENOMEM;
    long n = yk__http_decode(text, len, plus, whole, len + 1);
    if (n >= 0 && (size_t)n >= size)
        n = YK_ETOOBIG;
    if (n >= 0)
        memcpy(out, whole, (size_t)n + 1);
    free(whole);
    return n < 0 ? (int)n : 0;
}

/* Whether the name of a parameter, as it came, is this one. */
static bool is_named(const char *came, size_t len, const char *name)
{
    if (len == strlen(name) && memcmp(came, name, len) == 0)
        return true;
    char decoded[128];
    return yk__http_decode(came, len, true, decoded, sizeof decoded) >= 0 &&
           strcmp(decoded, name) == 0;
}

int yk_http_query_value(const yk_http *h, const char *name, char *out, size_t size)
{
    for (const char *at = h->query; *at;) {
        size_t len = strcspn(at, "&"), name_len = strcspn(at, "=&");
        if (is_named(at, name_len, name)) {
            size_t skip = name_len + (at[name_len] == '=');
            return yk__http_decode_to(at + skip, len - skip, true, out, size);
        }
        at += len + (at[len] == '&');
    }
    return UV_ENOENT;
}
