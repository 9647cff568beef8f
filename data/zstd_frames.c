/* data/zstd_frames.c - how long is a frame? Read off its headers, without unpacking anything. */
#include "data/zstd_frames.h"

#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "data/input.h"

#define HEADER_MAX 18 /* of a frame */

/* Reads up to `size` bytes, zeros behind the end; how many there were. */
static size_t peek(uint8_t *p, size_t size, int fd, uint64_t at)
{
    memset(p, 0, size);
    ssize_t got = pread(fd, p, size, (off_t)at);
    return got > 0 ? (size_t)got : 0;
}

static uint64_t little_endian(const uint8_t *p, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)p[i] << (8 * i);
    return value;
}

/* The size of a frame's header, from its descriptor. */
static unsigned header_size(uint8_t descriptor)
{
    static const unsigned dictionary_sizes[4] = { 0, 1, 2, 4 };
    static const unsigned content_sizes[4] = { 0, 2, 4, 8 };
    bool single_segment = descriptor & 0x20;
    unsigned content = content_sizes[descriptor >> 6];
    if (single_segment && content == 0)
        content = 1;
    return 4 + 1 + (single_segment ? 0 : 1) + dictionary_sizes[descriptor & 3] + content;
}

static uint64_t content_size(const uint8_t *header, size_t size)
{
    unsigned long long content = ZSTD_getFrameContentSize(header, size);
    return content >= ZSTD_CONTENTSIZE_ERROR ? YK_SIZE_UNKNOWN : content;
}

/* What a frame's header says, and its bytes in `p`. */
static int read_header(yk__frame *frame, uint8_t p[HEADER_MAX], int fd, uint64_t at, uint64_t end)
{
    size_t got = peek(p, HEADER_MAX, fd, at);
    if (got < 8 || end - at < 8)
        return -1;
    uint64_t magic = little_endian(p, 4);
    if ((magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START) {
        *frame = (yk__frame){ .stored = 8 + little_endian(p + 4, 4), .skippable = true };
        return frame->stored <= end - at ? 0 : -1;
    }
    if (magic != ZSTD_MAGICNUMBER)
        return -1;
    *frame = (yk__frame){ .content = content_size(p, got) };
    return 0;
}

int yk__zstd_header(yk__frame *frame, int fd, uint64_t at, uint64_t end)
{
    uint8_t p[HEADER_MAX];
    return read_header(frame, p, fd, at, end);
}

int yk__zstd_frame(yk__frame *frame, int fd, uint64_t at, uint64_t end)
{
    uint8_t p[HEADER_MAX];
    if (read_header(frame, p, fd, at, end) < 0)
        return -1;
    if (frame->skippable)
        return 0;
    bool checksum = p[4] & 4, last = false;
    uint64_t next = at + header_size(p[4]);
    while (!last) {
        uint8_t header[3];
        if (next + 3 > end || peek(header, 3, fd, next) < 3)
            return -1;
        uint64_t block = little_endian(header, 3);
        unsigned type = block >> 1 & 3; /* 1: one byte repeated; 3: reserved */
        if (type == 3)
            return -1;
        next += 3 + (type == 1 ? 1 : block >> 3);
        last = block & 1;
    }
    uint8_t sum[4];
    frame->checked = checksum && peek(sum, 4, fd, next) == 4;
    frame->checksum = frame->checked ? (uint32_t)little_endian(sum, 4) : 0;
    next += checksum ? 4 : 0;
    if (next > end)
        return -1;
    frame->stored = next - at;
    return 0;
}
