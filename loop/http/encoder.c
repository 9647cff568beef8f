/* zstd and gzip. Levels and windows are chosen for answers that are made as they are sent: some 200
 * MB/s, and memory for thousands at once where clients are slow. */
#include "encoder.h"

#include <stdlib.h>
#include <uv.h>
#include <zlib.h>
#include <zstd.h>

#include "../../executor/error.h"

#define ZSTD_LEVEL  3
#define ZSTD_WINDOW 17
#define GZIP_LEVEL  3
#define GZIP_WINDOW (15 + 16) /* 32 KiB, with a gzip head */

static void *new_zstd(void)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    if (!c)
        return NULL;
    ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, ZSTD_LEVEL);
    ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, ZSTD_WINDOW);
    return c;
}

static void *new_gzip(void)
{
    z_stream *z = calloc(1, sizeof *z);
    if (z && deflateInit2(z, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(z);
        z = NULL;
    }
    return z;
}

yk__encoder *yk__encoder_new(yk__coding coding)
{
    yk__encoder *e = malloc(sizeof *e);
    if (!e)
        return NULL;
    e->coding = coding;
    e->state = coding == YK__ZSTD ? new_zstd() : new_gzip();
    if (e->state)
        return e;
    free(e);
    return NULL;
}

void yk__encoder_reset(yk__encoder *e, uint64_t size)
{
    e->len = 0;
    e->left = size;
    if (e->coding == YK__GZIP) {
        deflateReset(e->state);
        return;
    }
    ZSTD_CCtx_reset(e->state, ZSTD_reset_session_only);
    if (size != UINT64_MAX)
        ZSTD_CCtx_setPledgedSrcSize(e->state, size);
}

int yk__encoder_count(yk__encoder *e, size_t len, yk__encode what)
{
    if (e->left == UINT64_MAX)
        return 0;
    if (len > e->left)
        return YK_ETOOBIG;
    e->left -= len;
    return what == YK__FINISH && e->left > 0 ? YK_ETRUNCATED : 0;
}

static int step_zstd(yk__encoder *e, const char **data, size_t *len, yk__encode what)
{
    static const ZSTD_EndDirective directives[] = { ZSTD_e_continue, ZSTD_e_flush, ZSTD_e_end };
    ZSTD_inBuffer in = { *data, *len, 0 };
    ZSTD_outBuffer out = { e->out, sizeof e->out, 0 };
    size_t left = ZSTD_compressStream2(e->state, &out, &in, directives[what]);
    if (ZSTD_isError(left))
        return UV_ENOMEM; /* nothing else can be wrong */
    *data += in.pos;
    *len -= in.pos;
    e->len = out.pos;
    return *len > 0 || (what != YK__GO_ON && left > 0);
}

static int step_gzip(yk__encoder *e, const char **data, size_t *len, yk__encode what)
{
    static const int flushes[] = { Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH };
    z_stream *z = e->state;
    uInt most = *len < UINT32_MAX ? (uInt)*len : UINT32_MAX;
    z->next_in = (Bytef *)*data;
    z->avail_in = most;
    z->next_out = (Bytef *)e->out;
    z->avail_out = sizeof e->out;
    int result = deflate(z, flushes[what]);
    if (result == Z_STREAM_ERROR)
        return UV_ENOMEM; /* nothing else can be wrong */
    *data += most - z->avail_in;
    *len -= most - z->avail_in;
    e->len = sizeof e->out - z->avail_out;
    if (what == YK__FINISH)
        return result != Z_STREAM_END;
    return *len > 0 || z->avail_out == 0;
}

int yk__encoder_step(yk__encoder *e, const char **data, size_t *len, yk__encode what)
{
    return e->coding == YK__ZSTD ? step_zstd(e, data, len, what) : step_gzip(e, data, len, what);
}

void yk__encoder_free(yk__encoder *e)
{
    if (!e)
        return;
    if (e->coding == YK__ZSTD) {
        ZSTD_freeCCtx(e->state);
    } else {
        deflateEnd(e->state);
        free(e->state);
    }
    free(e);
}
