/* data/reader.c - the text of a file, read from its beginning to its end or to a limit. */
#include "data/reader.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <zstd.h>

#include "executor/error.h"

/* ---- packings and errors ---- */

static uint32_t magic(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

yk_packing yk__packing_of(const uint8_t *bytes, size_t size)
{
    if (size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b)
        return YK_GZIP;
    if (size >= 4 && (magic(bytes) == ZSTD_MAGICNUMBER ||
                      (magic(bytes) & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START))
        return YK_ZSTD;
    return YK_PLAIN;
}

const char *yk_packing_name(yk_packing packing)
{
    static const char *const names[] = { "unknown", "plain", "gzip", "zstd" };
    return (unsigned)packing < 4 ? names[packing] : names[0];
}

int yk__reader_fail(yk_reader *reader, int code, const char *format, ...)
{
    int used = snprintf(reader->message, sizeof reader->message, "%.300s: ", reader->name);
    va_list args;
    va_start(args, format);
    vsnprintf(reader->message + used, sizeof reader->message - (size_t)used, format, args);
    va_end(args);
    reader->failed = code;
    return code;
}

int yk__open_failed(char *message, size_t size, const char *name, int code)
{
    if (message)
        snprintf(message, size, "%.300s: %s", name, yk_strerror(code));
    return code;
}

static int fail_read(yk_reader *r, int code)
{
    if (code == UV_EIO && r->source.regular)
        return yk__reader_fail(
            r, code, "cannot be read at byte %" PRIu64 " (did it become shorter?)", r->source.at);
    return yk__reader_fail(r, code, "%s", yk_strerror(code));
}

/* ---- stored bytes ---- */

/* Puts what is left before the next block. Of gzip that is a byte at most. */
static int take_block(yk_reader *r, size_t have)
{
    uint8_t rest[8];
    assert(have <= sizeof rest);
    memcpy(rest, r->in + r->in_at, have);
    int64_t got = yk__read_ahead_next(r->ahead, &r->in, &r->source.at);
    if (got < 0)
        return fail_read(r, (int)got);
    size_t lead = yk__read_ahead_lead(r->ahead);
    r->in_at = lead - have;
    r->in_end = lead + (size_t)got;
    memcpy(r->in + r->in_at, rest, have);
    r->in_last = (size_t)got < YK__IN_SIZE;
    return 0;
}

/* Sees to it that at least `want` bytes are in r->in, if there are so many. */
static int fill(yk_reader *r, size_t want)
{
    size_t have = r->in_end - r->in_at;
    if (have >= want || r->in_last)
        return 0;
    if (r->ahead)
        return take_block(r, have);
    size_t lead = yk__source_lead(&r->source, have), size = YK__IN_SIZE - have;
    memmove(r->in + lead, r->in + r->in_at, have);
    r->in_at = lead;
    r->in_end = lead + have;
    int64_t got = yk__source_read(&r->source, r->in + r->in_end, size);
    if (got < 0)
        return fail_read(r, (int)got);
    r->in_end += (size_t)got;
    r->in_last = (size_t)got < size;
    return 0;
}

static int64_t read_plain(yk_reader *r, void *buffer, size_t size)
{
    uint64_t place = yk__reader_place(r);
    if (r->limit - place < size)
        size = r->limit > place ? (size_t)(r->limit - place) : 0;
    size_t have = r->in_end - r->in_at;
    if (have) { /* what was read to see which packing it is */
        size = size < have ? size : have;
        memcpy(buffer, r->in + r->in_at, size);
        r->in_at += size;
        return (int64_t)size;
    }
    int64_t got = yk__source_read(&r->source, buffer, size);
    return got < 0 ? fail_read(r, (int)got) : got;
}

/* ---- packed bytes ---- */

/* gzip -c and tape drives pad with zeros; anything else behind a member is refused. */
static int skip_padding(yk_reader *r)
{
    for (;;) {
        while (r->in_at < r->in_end && r->in[r->in_at] == 0)
            r->in_at++;
        if (r->in_at < r->in_end)
            return yk__reader_fail(r, YK_ECORRUPT,
                                   "something that is not gzip follows at byte %" PRIu64,
                                   yk__reader_place(r));
        if (r->in_last)
            return 0;
        int err = fill(r, 1);
        if (err)
            return err;
    }
}

static bool gzip_follows(const yk_reader *r)
{
    const uint8_t *p = r->in + r->in_at;
    return p[0] == 0x1f && (r->in_end - r->in_at == 1 || p[1] == 0x8b);
}

/* A frame that is all there and fits the room is decoded in one pass (see unzstd.c): so much is
 * kept at hand before each frame. */
#define FRAME_AHEAD (YK__IN_SIZE / 2)

/* Stands between two members. Returns 1 if another one begins, 0 at the end or the limit. */
static int enter_member(yk_reader *r)
{
    if (yk__reader_place(r) >= r->limit)
        return 0;
    int err = fill(r, r->packing == YK_ZSTD ? FRAME_AHEAD : 2);
    if (err)
        return err;
    if (r->in_at == r->in_end)
        return 0;
    if (r->packing == YK_GZIP && r->further && !gzip_follows(r))
        return skip_padding(r);
    if (r->packing == YK_ZSTD && r->in_end - r->in_at >= 4 &&
        yk__packing_of(r->in + r->in_at, 4) != YK_ZSTD)
        return yk__reader_fail(r, YK_ECORRUPT,
                               "something that is not zstd follows at byte %" PRIu64,
                               yk__reader_place(r));
    r->unpacker->restart(r->state);
    r->inside = r->further = true;
    return 1;
}

static int fail_unpack(yk_reader *r, int code, const char *reason)
{
    const char *what = yk_packing_name(r->packing);
    if (code == YK_ECORRUPT)
        return yk__reader_fail(r, code, "damaged %s data near byte %" PRIu64 ": %s", what,
                               yk__reader_place(r), reason);
    if (code == YK_ETRUNCATED)
        return yk__reader_fail(
            r, code, "%s data ends in the middle, at byte %" PRIu64 " (an incomplete copy?)", what,
            yk__reader_place(r));
    return yk__reader_fail(r, code, "cannot unpack %s data at byte %" PRIu64 ": %s", what,
                           yk__reader_place(r), reason);
}

/* Unpacks a piece of the member. Returns YK__MORE, YK__MEMBER_END or an error. */
static int unpack_some(yk_reader *r, yk__flow *flow)
{
    int err = fill(r, 1);
    if (err)
        return err;
    const char *reason = "";
    size_t room = flow->out_size;
    flow->in = r->in + r->in_at;
    flow->in_size = r->in_end - r->in_at;
    size_t given = flow->in_size;
    int got = r->unpacker->unpack(r->state, flow, &reason);
    r->in_at += given - flow->in_size;
    if (got < 0)
        return fail_unpack(r, got, reason);
    if (got == YK__MEMBER_END)
        r->inside = false;
    else if (flow->out_size == room && flow->in_size == given)
        return r->in_last && given == 0 ? fail_unpack(r, YK_ETRUNCATED, "")
                                        : fail_unpack(r, YK_ECORRUPT, "it leads nowhere");
    return got;
}

/* Would the next frame be decoded in one pass into this much room? */
static bool next_frame_fits(const yk_reader *r, size_t room)
{
    unsigned long long content = ZSTD_getFrameContentSize(r->in + r->in_at, r->in_end - r->in_at);
    return content <= room; /* unknown and unreadable are very large */
}

static int64_t read_packed(yk_reader *r, void *buffer, size_t size)
{
    yk__flow flow = { .out = buffer, .out_size = size };
    int got = 0;
    while (flow.out_size > 0) {
        bool begun = flow.out_size < size;
        if (!r->inside && begun && r->packing == YK_ZSTD && !next_frame_fits(r, flow.out_size))
            break;
        got = r->inside ? 1 : enter_member(r);
        if (got <= 0)
            break;
        got = unpack_some(r, &flow);
        if (got < 0)
            break;
    }
    size_t made = size - flow.out_size;
    return made > 0 || got >= 0 ? (int64_t)made : got;
}

int64_t yk_reader_read(yk_reader *reader, void *buffer, size_t capacity)
{
    if (reader->failed)
        return reader->failed;
    if (reader->packing == YK_PLAIN)
        return read_plain(reader, buffer, capacity);
    return read_packed(reader, buffer, capacity);
}

/* ---- beginning and end ---- */

static int prepare_unpacker(yk_reader *r)
{
    const yk__unpacker *needed = r->packing == YK_GZIP ? yk__gunzip : &yk__unzstd;
    if (r->unpacker != needed && r->unpacker) {
        r->unpacker->destroy(r->state);
        r->unpacker = NULL;
    }
    if (r->unpacker)
        return 0;
    r->state = needed->create();
    if (!r->state)
        return UV_ENOMEM;
    r->unpacker = needed;
    return 0;
}

static int find_packing(yk_reader *r)
{
    int err = fill(r, 4);
    if (!err)
        r->packing = yk__packing_of(r->in + r->in_at, r->in_end - r->in_at);
    return err;
}

int yk__reader_begin(yk_reader *r, const char *name, const yk__source *source, yk_packing packing,
                     uint64_t limit)
{
    r->source = *source;
    r->packing = packing;
    r->start = source->at;
    r->limit = limit;
    r->in_at = r->in_end = 0;
    r->in_last = r->inside = r->further = false;
    r->failed = 0;
    r->message[0] = '\0';
    r->name = strdup(name);
    if (!r->in && packing != YK_PLAIN)
        r->in = aligned_alloc(YK__PAGE, YK__READ_AHEAD_BUFFER(YK__IN_SIZE));
    int err = !r->name || (!r->in && packing != YK_PLAIN) ? UV_ENOMEM : 0;
    if (!err && packing == YK_UNKNOWN)
        err = find_packing(r);
    if (!err && r->packing != YK_PLAIN)
        err = prepare_unpacker(r);
    if (!err)
        return 0;
    if (!r->failed)
        yk__open_failed(r->message, sizeof r->message, name, err);
    yk__reader_end(r);
    r->failed = err;
    return err;
}

void yk__reader_end(yk_reader *r)
{
    yk__read_ahead_stop(r->ahead);
    r->ahead = NULL;
    yk__source_close(&r->source);
    free(r->name);
    r->name = NULL;
}

void yk__reader_drop(yk_reader *r)
{
    yk__reader_end(r);
    if (r->unpacker)
        r->unpacker->destroy(r->state);
    free(r->in);
}

static int open_reader(yk_reader **reader, const char *name, const yk__source *source)
{
    yk_reader *r = calloc(1, sizeof *r);
    yk__source s = *source;
    if (!r) {
        yk__source_close(&s);
        return UV_ENOMEM;
    }
    int err = yk__reader_begin(r, name, source, YK_UNKNOWN, YK_SIZE_UNKNOWN);
    if (err) {
        yk__reader_drop(r);
        free(r);
        return err;
    }
    *reader = r;
    return 0;
}

int yk_reader_open(yk_reader **reader, const char *path)
{
    struct stat status;
    yk__source source;
    int err = yk__source_open(&source, path, &status);
    return err ? err : open_reader(reader, path, &source);
}

int yk_reader_open_ready(yk_reader **reader, int fd, const char *name,
                         int (*ready)(int fd, void *arg), void *arg)
{
    struct stat status;
    yk__source source;
    int err = yk__source_open_fd(&source, fd, &status);
    if (err)
        return err;
    source.ready = ready;
    source.ready_arg = arg;
    return open_reader(reader, name, &source);
}

int yk__reader_open_growing(yk_reader **reader, int fd, const char *name,
                            int (*ready)(int fd, void *arg), void *arg)
{
    struct stat status;
    yk__source source;
    int err = yk__source_open_fd(&source, fd, &status);
    if (err)
        return err;
    source.regular = false;
    source.ready = ready;
    source.ready_arg = arg;
    return open_reader(reader, name, &source);
}

int yk_reader_open_fd(yk_reader **reader, int fd, const char *name)
{
    return yk_reader_open_ready(reader, fd, name, NULL, NULL);
}

int yk_reader_read_ahead(yk_reader *r)
{
    if (r->failed || r->ahead || r->in_last || r->packing != YK_GZIP || !r->source.regular)
        return 0;
    return yk__read_ahead_start(&r->ahead, &r->source, YK__IN_SIZE);
}

const char *yk_reader_error(const yk_reader *reader)
{
    return reader->message;
}

yk_packing yk_reader_packing(const yk_reader *reader)
{
    return reader->packing;
}

uint64_t yk_reader_taken(const yk_reader *reader)
{
    return yk__reader_place(reader) - reader->start;
}

void yk_reader_close(yk_reader *reader)
{
    if (!reader)
        return;
    yk__reader_drop(reader);
    free(reader);
}
