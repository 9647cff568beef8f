/* data/blocks.c - whole records out of a range, by the rule of ownership in input.h.
 *
 *   SKIP  (not in a file's first range) through the first LF: that record began further up
 *   BODY  as much text as fits, up to its last LF; the rest is carried to the buffer's beginning
 *   TAIL  the limit is lifted, and what was carried is read to its end: its LF, or the file's end
 *
 * Text is read into one buffer that stays in the cache: it is folded there right after it was
 * read or unpacked. The buffer grows only for a record that does not fit.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "data/reader.h"
#include "executor/error.h"

#define PIECE ((size_t)1 << 20) /* read at once */
#define BUFFER                                                                   \
    (PIECE + (PIECE >> 2)) /* room for a zstd frame that ends with its last row; \
                              whole pages */
#define TAIL_PIECE ((size_t)1 << 16)

typedef enum phase { SKIP, BODY, TAIL, DONE } phase;

struct yk_blocks {
    yk_reader reader;
    yk_range range;
    phase phase;
    char *buffer;
    size_t capacity;
    size_t at, have; /* buffer[at] to buffer[have - 1] is not handed out yet */
    size_t searched; /* there is no LF between `at` and here */
    uint64_t offset; /* of buffer[at] in the range's text */
    uint64_t text;   /* bytes of the range's own text read so far */
};

yk_blocks *yk_blocks_new(void)
{
    yk_blocks *b = calloc(1, sizeof *b);
    if (b)
        b->phase = DONE;
    return b;
}

void yk_blocks_free(yk_blocks *blocks)
{
    if (!blocks)
        return;
    yk__reader_drop(&blocks->reader);
    free(blocks->buffer);
    free(blocks);
}

void yk_blocks_close(yk_blocks *blocks)
{
    yk__reader_end(&blocks->reader);
    blocks->phase = DONE;
}

/* ---- beginning ---- */

static yk_range whole(const yk__source *source, const struct stat *status)
{
    return (yk_range){
        .begin = source->at,
        .end = source->regular ? source->end : YK_SIZE_UNKNOWN,
        .content = YK_SIZE_UNKNOWN,
        .device = status->st_dev,
        .inode = status->st_ino,
        .file_size = source->regular ? source->end : 0,
        .first = 1,
    };
}

static bool is_of(const yk_range *range, const yk__source *source, const struct stat *status)
{
    if (source->regular != (range->end != YK_SIZE_UNKNOWN))
        return false;
    return !source->regular || (range->device == status->st_dev && range->inode == status->st_ino &&
                                range->file_size <= source->end);
}

static int fail_open(yk_blocks *b, const char *name, int code)
{
    yk__open_failed(b->reader.message, sizeof b->reader.message, name, code);
    b->reader.failed = code;
    return code;
}

static int begin(yk_blocks *b, const char *name, yk__source *source, const struct stat *status,
                 const yk_range *range)
{
    b->range = range ? *range : whole(source, status);
    if (!is_of(&b->range, source, status)) {
        yk__source_close(source);
        fail_open(b, name, UV_EIO);
        strncat(b->reader.message, ": it was replaced or became shorter",
                sizeof b->reader.message - strlen(b->reader.message) - 1);
        return UV_EIO;
    }
    if (source->regular) {
        source->at = b->range.begin;
        source->end = b->range.file_size; /* what was appended since is not of this job */
    }
    if (!b->buffer) {
        b->buffer = aligned_alloc(YK__PAGE, BUFFER);
        b->capacity = BUFFER;
    }
    if (!b->buffer) {
        yk__source_close(source);
        return fail_open(b, name, UV_ENOMEM);
    }
    int err =
        yk__reader_begin(&b->reader, name, source, (yk_packing)b->range.packing, b->range.end);
    if (err)
        return err;
    b->phase = b->range.first ? BODY : SKIP;
    b->at = b->have = b->searched = 0;
    b->offset = b->text = 0;
    return 0;
}

int yk_blocks_open(yk_blocks *blocks, const char *path, const yk_range *range)
{
    yk_blocks_close(blocks);
    yk__source source;
    struct stat status;
    int err = yk__source_open(&source, path, &status);
    return err ? fail_open(blocks, path, err) : begin(blocks, path, &source, &status, range);
}

int yk_blocks_open_fd(yk_blocks *blocks, int fd, const char *name, const yk_range *range)
{
    yk_blocks_close(blocks);
    yk__source source;
    struct stat status;
    int err = yk__source_open_fd(&source, fd, &status);
    return err ? fail_open(blocks, name, err) : begin(blocks, name, &source, &status, range);
}

/* ---- blocks ---- */

/* A buffer twice as large, with what is in it. */
static int grow(yk_blocks *b)
{
    size_t capacity = 2 * b->capacity;
    char *buffer = aligned_alloc(YK__PAGE, capacity);
    if (!buffer)
        return yk__reader_fail(&b->reader, UV_ENOMEM, "a row too long for the memory");
    memcpy(buffer + b->at, b->buffer + b->at, b->have - b->at);
    free(b->buffer);
    b->buffer = buffer;
    b->capacity = capacity;
    return 0;
}

/* Moves what is left to the buffer's first page and sees to it that `room` bytes follow. */
static int make_room(yk_blocks *b, size_t room)
{
    size_t left = b->have - b->at, lead = yk__source_lead(&b->reader.source, left);
    if (left >= YK_RECORD_MAX)
        return yk__reader_fail(&b->reader, YK_EFORMAT,
                               "a row of more than %zu MiB (no line ends?), %" PRIu64
                               " bytes into the range at byte %" PRIu64,
                               YK_RECORD_MAX >> 20, b->offset, b->range.begin);
    int err = b->capacity < lead + left + room ? grow(b) : 0;
    if (err)
        return err;
    memmove(b->buffer + lead, b->buffer + b->at, left);
    b->searched = b->searched - b->at + lead;
    b->at = lead;
    b->have = lead + left;
    return 0;
}

/* Reads a piece behind what is there, of at least `room` bytes if there are so many, and where
 * `no_more` of no more than that: how much, 0 at the limit, or an error. */
static int64_t read_more(yk_blocks *b, size_t room, bool no_more)
{
    int err = make_room(b, room);
    if (err)
        return err;
    size_t size = no_more ? room : b->capacity - b->have;
    int64_t got = yk_reader_read(&b->reader, b->buffer + b->have, size);
    if (got > 0)
        b->have += (size_t)got;
    return got;
}

static int hand_out(yk_blocks *b, yk_block *block, size_t end)
{
    *block = (yk_block){ b->buffer + b->at, b->buffer + end, b->offset };
    b->offset += end - b->at;
    b->at = end;
    if (b->searched < end)
        b->searched = end;
    return 1;
}

/* A range of zstd frames ends with one of them, unless a seek table lied: then what the next range
 * has for a frame may be something inside of one. */
static int check_end(yk_blocks *b)
{
    const yk_range *r = &b->range;
    bool longer = yk__reader_place(&b->reader) > r->end;
    bool other = r->content != YK_SIZE_UNKNOWN && b->text != r->content;
    if (b->reader.packing != YK_ZSTD || (!longer && !other))
        return 0;
    return yk__reader_fail(&b->reader, YK_ECORRUPT,
                           "the frames up to byte %" PRIu64
                           " are not what the seek table says (pack the file anew)",
                           r->end);
}

/* Leaves the record that another range owns. Returns 0 or an error. */
static int skip(yk_blocks *b)
{
    for (;;) {
        b->at = b->have; /* nothing of it is kept */
        b->searched = b->have;
        int64_t got = read_more(b, PIECE, false);
        if (got < 0)
            return (int)got;
        if (got == 0) {
            b->phase = DONE; /* no record begins in here */
            return check_end(b);
        }
        b->text += (uint64_t)got;
        const char *lf = memchr(b->buffer + b->at, '\n', (size_t)got);
        size_t end = lf ? (size_t)(lf + 1 - b->buffer) : b->have;
        b->offset += end - b->at;
        b->at = b->searched = end;
        if (lf) {
            b->phase = BODY;
            return 0;
        }
    }
}

/* The next records that end within the range. Returns 1, or 0 when there are no more. */
static int read_body(yk_blocks *b, yk_block *block)
{
    for (;;) {
        const char *from = b->buffer + b->searched;
        const char *lf = memrchr(from, '\n', b->have - b->searched);
        b->searched = b->have;
        if (lf)
            return hand_out(b, block, (size_t)(lf + 1 - b->buffer));
        int64_t got = read_more(b, PIECE, false);
        if (got < 0)
            return (int)got;
        if (got == 0) {
            int err = check_end(b);
            yk__reader_lift_limit(&b->reader);
            b->phase = TAIL;
            return err;
        }
        b->text += (uint64_t)got;
    }
}

/* The record that begins in the range or right behind it, and ends beyond. What is read (and
 * unpacked) for it here is read again by the next range's reader, so it is read in small pieces. */
static int read_tail(yk_blocks *b, yk_block *block)
{
    for (;;) {
        int64_t got = read_more(b, TAIL_PIECE, true);
        if (got < 0)
            return (int)got;
        const char *lf = memchr(b->buffer + b->searched, '\n', b->have - b->searched);
        b->searched = b->have;
        if (!lf && got > 0)
            continue;
        b->phase = DONE;
        size_t end = lf ? (size_t)(lf + 1 - b->buffer) : b->have;
        return end > b->at ? hand_out(b, block, end) : 0;
    }
}

int yk_blocks_next(yk_blocks *blocks, yk_block *block)
{
    int got = blocks->reader.failed;
    while (got == 0 && blocks->phase != DONE) {
        switch (blocks->phase) {
        case SKIP:
            got = skip(blocks);
            break;
        case BODY:
            got = read_body(blocks, block);
            break;
        default:
            got = read_tail(blocks, block);
            break;
        }
    }
    return got;
}

/* ---- what it knows ---- */

const char *yk_blocks_error(const yk_blocks *blocks)
{
    return blocks->reader.message;
}

uint64_t yk_blocks_taken(const yk_blocks *blocks)
{
    uint64_t place = yk__reader_place(&blocks->reader);
    uint64_t end = blocks->range.end;
    return (place < end ? place : end) - blocks->reader.start;
}

uint64_t yk_blocks_text(const yk_blocks *blocks)
{
    return blocks->text;
}

yk_packing yk_blocks_packing(const yk_blocks *blocks)
{
    return blocks->reader.packing;
}
