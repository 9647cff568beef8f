/* Answers that are compressed on their way out.
 *
 * It is done on the loop, a little at a time: the pieces are worth some tenths of a millisecond,
 * and a pool whose threads all compute would keep light answers waiting. The contexts are large (up
 * to 1.7 MiB), so a few are kept by the loop for the next answers, and there are so many and no
 * more: clients that are slow on purpose would fill the memory with them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "encoder.h"
#include "http_internal.h"
#include "media_type.h"

#define LEAST  1024               /* bytes that are worth it */
#define PIECE  ((size_t)32 << 10) /* that are compressed at once */
#define SPARES 4                  /* of each kind */
#define MOST   64                 /* in use at once */

/* ---- Encoders -------------------------------------------------------------------------------- */

static yk__encoder *take_encoder(yk__http_here *here, yk__coding coding, uint64_t size)
{
    yk__encoder *e = here->encoders[coding];
    if (e) {
        here->encoders[coding] = e->next;
        here->encoder_count[coding]--;
    } else {
        e = yk__encoder_new(coding);
    }
    if (!e)
        return NULL;
    here->encoders_in_use++;
    yk__encoder_reset(e, size);
    return e;
}

void yk__http_encoder_drop(yk_http *h)
{
    yk__http_here *here = h->conn->here;
    yk__encoder *e = h->encoder;
    h->encoder = NULL;
    if (!e)
        return;
    here->encoders_in_use--;
    if (here->encoder_count[e->coding] == SPARES) {
        yk__encoder_free(e);
        return;
    }
    e->next = here->encoders[e->coding];
    here->encoders[e->coding] = e;
    here->encoder_count[e->coding]++;
}

void yk__http_encoders_free(yk__http_here *here)
{
    for (int coding = 0; coding < YK__IDENTITY; coding++)
        for (yk__encoder *e; (e = here->encoders[coding]); yk__encoder_free(e))
            here->encoders[coding] = e->next;
}

/* ---- Whether --------------------------------------------------------------------------------- */

/* The value of a field that was set, up to its line's end; NULL: it was not. */
static const char *value_set(const yk_http *h, const char *name)
{
    size_t len = strlen(name);
    for (size_t at = 0; at < h->fields_len;) {
        const char *line = h->fields + at;
        if (strncasecmp(line, name, len) == 0 && line[len] == ':')
            return line + len + 2;
        at += (size_t)((const char *)memchr(line, '\n', h->fields_len - at) - line) + 1;
    }
    return NULL;
}

/* The type alone, without its parameters. */
static bool is_compressible(const char *type)
{
    char alone[100];
    if (!type)
        return false;
    snprintf(alone, sizeof alone, "%.*s", (int)strcspn(type, ";\r"), type);
    return yk__media_type_compresses(alone);
}

static bool could_be_smaller(const yk_http *h, int status, const char *type, uint64_t length)
{
    const char *control = value_set(h, "Cache-Control");
    if (h->as_is || length < LEAST || status == 204 || status == 206 || status == 304)
        return false;
    return is_compressible(type ? type : value_set(h, "Content-Type")) &&
           !value_set(h, "Content-Encoding") &&
           !(control && memmem(control, strcspn(control, "\r"), "no-transform", 12));
}

static yk__coding choose(const yk_http *h)
{
    char *accept;
    if (yk__http_joined(h, "Accept-Encoding", &accept))
        return YK__IDENTITY;
    yk__coding chosen = yk__coding_choose(accept, 1u << YK__ZSTD | 1u << YK__GZIP);
    free(accept);
    return chosen;
}

/* A tag is of these very bytes, unless it is weak. */
static int weaken_tag(yk_http *h)
{
    const char *tag = value_set(h, "ETag");
    char *weak;
    if (!tag || tag[0] == 'W')
        return 0;
    if (asprintf(&weak, "W/%.*s", (int)strcspn(tag, "\r"), tag) < 0)
        return UV_ENOMEM;
    int err = yk_http_set(h, "ETag", weak);
    free(weak);
    return err;
}

static int vary(yk_http *h)
{
    const char *already = value_set(h, "Vary");
    if (already && memmem(already, strcspn(already, "\r"), "Accept-Encoding", 15))
        return 0;
    return yk_http_add(h, "Vary", "Accept-Encoding");
}

int yk__http_compress(yk_http *h, int status, const char *type, uint64_t *length)
{
    if (!could_be_smaller(h, status, type, *length))
        return 0;
    int err = vary(h);
    bool may = h->head.minor > 0 && h->conn->here->encoders_in_use < MOST;
    yk__coding coding = may && !err ? choose(h) : YK__IDENTITY;
    if (coding == YK__IDENTITY)
        return err;
    err = weaken_tag(h);
    if (!err)
        err = yk_http_set(h, "Content-Encoding", yk__coding_names[coding]);
    if (err)
        return err;
    yk__http_unset(h, "Accept-Ranges");
    h->encoder = take_encoder(h->conn->here, coding, *length);
    *length = YK_HTTP_UNKNOWN;
    return h->encoder ? 0 : UV_ENOMEM;
}

/* ---- The body -------------------------------------------------------------------------------- */

static int encode(yk_http *h, const char *data, size_t len, yk__encode what)
{
    yk__encoder *e = h->encoder;
    for (int more = 1; more;) {
        more = yk__encoder_step(e, &data, &len, what);
        if (more < 0)
            return more;
        int err = e->len ? yk__http_write_raw(h, e->out, e->len) : 0;
        if (err)
            return err;
    }
    return 0;
}

int yk__http_encode(yk_http *h, const char *data, size_t len, yk__encode what)
{
    int err = yk__encoder_count(h->encoder, len, what);
    for (; len > PIECE && !err; data += PIECE, len -= PIECE) {
        err = encode(h, data, PIECE, YK__GO_ON);
        if (!err)
            err = yk_yield();
    }
    return err ? err : encode(h, data, len, what);
}
