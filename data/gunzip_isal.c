/* data/gunzip_isal.c - gzip through isa-l's igzip, which decodes some six times as fast as zlib. */
#include <stdlib.h>
#include <isa-l/igzip_lib.h>

#include "data/unpack.h"
#include "executor/error.h"

static void restart(void *state)
{
    struct inflate_state *s = state;
    isal_inflate_reset(s);
    s->crc_flag = ISAL_GZIP; /* header and trailer are read and checked, too */
}

static void *create(void)
{
    struct inflate_state *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    isal_inflate_init(s);
    restart(s);
    return s;
}

static const char *reason_of(int error)
{
    switch (error) {
    case ISAL_INVALID_BLOCK:
        return "invalid block";
    case ISAL_INVALID_SYMBOL:
        return "invalid symbol";
    case ISAL_INVALID_LOOKBACK:
        return "invalid distance";
    case ISAL_INVALID_WRAPPER:
        return "invalid header";
    case ISAL_UNSUPPORTED_METHOD:
        return "unknown compression method";
    case ISAL_INCORRECT_CHECKSUM:
        return "incorrect data check";
    default:
        return "unreadable";
    }
}

static uint32_t at_most_u32(size_t size)
{
    return size < 1u << 30 ? (uint32_t)size : 1u << 30;
}

static int unpack(void *state, yk__flow *flow, const char **reason)
{
    struct inflate_state *s = state;
    uint32_t in = at_most_u32(flow->in_size), out = at_most_u32(flow->out_size);
    s->next_in = (uint8_t *)flow->in;
    s->avail_in = in;
    s->next_out = flow->out;
    s->avail_out = out;
    int got = isal_inflate(s);
    flow->in += in - s->avail_in;
    flow->in_size -= in - s->avail_in;
    flow->out += out - s->avail_out;
    flow->out_size -= out - s->avail_out;
    if (got != ISAL_DECOMP_OK && got != ISAL_END_INPUT) {
        *reason = reason_of(got);
        return YK_ECORRUPT;
    }
    return s->block_state == ISAL_BLOCK_FINISH ? YK__MEMBER_END : YK__MORE;
}

const yk__unpacker yk__gunzip_isal = { create, free, restart, unpack };
