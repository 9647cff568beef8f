/* data/gunzip_zlib.c - gzip through zlib. */
#include <stdlib.h>
#include <uv.h>
#include <zlib.h>

#include "data/unpack.h"
#include "executor/error.h"

static void *create(void)
{
    z_stream *z = calloc(1, sizeof *z);
    if (z && inflateInit2(z, 15 + 16) != Z_OK) { /* the whole window, gzip only */
        free(z);
        return NULL;
    }
    return z;
}

static void destroy(void *state)
{
    if (state)
        inflateEnd(state);
    free(state);
}

static void restart(void *state)
{
    inflateReset(state);
}

static unsigned at_most_uint(size_t size)
{
    return size < 1u << 30 ? (unsigned)size : 1u << 30;
}

static int unpack(void *state, yk__flow *flow, const char **reason)
{
    z_stream *z = state;
    unsigned in = at_most_uint(flow->in_size), out = at_most_uint(flow->out_size);
    z->next_in = (uint8_t *)flow->in;
    z->avail_in = in;
    z->next_out = flow->out;
    z->avail_out = out;
    int got = inflate(z, Z_NO_FLUSH);
    flow->in += in - z->avail_in;
    flow->in_size -= in - z->avail_in;
    flow->out += out - z->avail_out;
    flow->out_size -= out - z->avail_out;
    if (got == Z_STREAM_END)
        return YK__MEMBER_END;
    if (got == Z_OK || got == Z_BUF_ERROR)
        return YK__MORE;
    *reason = z->msg ? z->msg : "unreadable";
    return got == Z_MEM_ERROR ? UV_ENOMEM : YK_ECORRUPT;
}

const yk__unpacker yk__gunzip_zlib = { create, destroy, restart, unpack };
