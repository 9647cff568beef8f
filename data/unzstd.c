/* data/unzstd.c - zstd.
 *
 * libzstd decodes a frame in one pass, straight into the caller's buffer and without a window of
 * its own, when all of the frame is there and the room is large enough for its content. reader.c
 * and blocks.c keep buffers so that frames of up to about 1 MiB get that, and to keep it so,
 * unpack() stops at the end of each frame.
 */
#include <stdlib.h>
#include <uv.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "data/unpack.h"
#include "executor/error.h"

static void *create(void)
{
    return ZSTD_createDCtx();
}

static void destroy(void *state)
{
    ZSTD_freeDCtx(state);
}

static void restart(void *state)
{
    ZSTD_DCtx_reset(state, ZSTD_reset_session_only);
}

static int refuse(size_t got, const char **reason)
{
    *reason = ZSTD_getErrorName(got);
    switch (ZSTD_getErrorCode(got)) {
    case ZSTD_error_memory_allocation:
        return UV_ENOMEM;
    case ZSTD_error_dictionary_wrong:
        *reason = "it needs a dictionary";
        return UV_ENOTSUP;
    case ZSTD_error_frameParameter_windowTooLarge:
        *reason = "it needs a window of more than 128 MiB";
        return UV_ENOTSUP;
    default:
        return YK_ECORRUPT;
    }
}

static int unpack(void *state, yk__flow *flow, const char **reason)
{
    ZSTD_inBuffer in = { flow->in, flow->in_size, 0 };
    ZSTD_outBuffer out = { flow->out, flow->out_size, 0 };
    size_t got = ZSTD_decompressStream(state, &out, &in);
    flow->in += in.pos;
    flow->in_size -= in.pos;
    flow->out += out.pos;
    flow->out_size -= out.pos;
    if (ZSTD_isError(got))
        return refuse(got, reason);
    return got == 0 ? YK__MEMBER_END : YK__MORE;
}

const yk__unpacker yk__unzstd = { create, destroy, restart, unpack };
