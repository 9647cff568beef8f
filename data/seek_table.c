/* data/seek_table.c - a skippable frame with an entry for each frame before it, and a footer. */
#include "data/seek_table.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "data/input.h"
#include "data/zstd_frames.h"

#define FRAME_MAGIC 0x184d2a5e /* of a skippable frame, one of sixteen */
#define TABLE_MAGIC 0x8f92eab1
#define HEADER_SIZE ((size_t)8)
#define FOOTER_SIZE ((size_t)9)
#define CHECKSUMS   0x80 /* in the footer's descriptor: each entry has one */
#define RESERVED    0x7c
#define MOST_FRAMES ((size_t)1 << 27)

static void put32(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* ---- writing ---- */

int yk__seek_list_add(yk__seek_list *list, const yk__seek_entry *entry)
{
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        yk__seek_entry *entries = reallocarray(list->entries, room, sizeof *entries);
        if (!entries)
            return UV_ENOMEM;
        list->entries = entries;
        list->room = room;
    }
    list->entries[list->count++] = *entry;
    return 0;
}

int yk__seek_list_write(const yk__seek_list *list, yk__buffer *to)
{
    size_t size = 12 * list->count + FOOTER_SIZE;
    if (list->count > MOST_FRAMES)
        return UV_EFBIG;
    if (yk__buffer_reserve(to, HEADER_SIZE + size))
        return UV_ENOMEM;
    uint8_t *p = (uint8_t *)to->at + to->len;
    put32(p, FRAME_MAGIC);
    put32(p + 4, (uint32_t)size);
    p += HEADER_SIZE;
    for (size_t i = 0; i < list->count; i++, p += 12) {
        put32(p, list->entries[i].stored);
        put32(p + 4, list->entries[i].content);
        put32(p + 8, list->entries[i].checksum);
    }
    put32(p, (uint32_t)list->count);
    p[4] = CHECKSUMS;
    put32(p + 5, TABLE_MAGIC);
    to->len += HEADER_SIZE + size;
    return 0;
}

/* ---- reading ---- */

static bool read_at(void *to, size_t size, int fd, uint64_t at)
{
    char *p = to;
    while (size > 0) {
        ssize_t got = pread(fd, p, size, (off_t)at);
        if (got <= 0)
            return false;
        p += got;
        at += (uint64_t)got;
        size -= (size_t)got;
    }
    return true;
}

static int wrong(const char **reason, const char *what)
{
    if (reason)
        *reason = what;
    return YK__SEEK_WRONG;
}

/* Does the footer fit the file? Sets where the table's frame begins. */
static int check_footer(const uint8_t *footer, uint64_t size, uint64_t *table_size,
                        const char **reason)
{
    size_t count = get32(footer), each = footer[4] & CHECKSUMS ? 12 : 8;
    if (footer[4] & RESERVED)
        return wrong(reason, "the seek table is of a kind that is not known");
    *table_size = HEADER_SIZE + (uint64_t)each * count + FOOTER_SIZE;
    if (count > MOST_FRAMES || *table_size > size)
        return wrong(reason, "the seek table has more entries than there is room for");
    return 0;
}

static yk__seek_table *take_apart(const uint8_t *bytes, size_t count, bool checksums)
{
    yk__seek_table *t = malloc(sizeof *t + count * sizeof t->entries[0]);
    if (!t)
        return NULL;
    t->count = count;
    t->checksums = checksums;
    const uint8_t *p = bytes + HEADER_SIZE;
    for (size_t i = 0; i < count; i++, p += checksums ? 12 : 8)
        t->entries[i] = (yk__seek_entry){ get32(p), get32(p + 4), checksums ? get32(p + 8) : 0 };
    return t;
}

/* Are the frames where the entries say? */
static int check_entries(const yk__seek_table *t, int fd, uint64_t begin, const char **reason)
{
    uint64_t at = begin;
    for (size_t i = 0; i < t->count; i++) {
        const yk__seek_entry *e = &t->entries[i];
        yk__frame frame;
        if (e->stored > t->begin - at)
            return wrong(reason, "the seek table's sizes add up to more than the file");
        if (yk__zstd_header(&frame, fd, at, at + e->stored) < 0)
            return wrong(reason, "no frame begins where the seek table says");
        if (frame.skippable && frame.stored != e->stored)
            return wrong(reason, "a skippable frame is not as long as the seek table says");
        if (frame.content != YK_SIZE_UNKNOWN && frame.content != e->content)
            return wrong(reason, "a frame says another size of its text than the seek table");
        at += e->stored;
    }
    return at == t->begin ? 0
                          : wrong(reason, "the seek table's sizes add up to less than the file");
}

/* The table of `size` bytes that ends at `end`. */
static int read_entries(yk__seek_table **table, int fd, uint64_t begin, uint64_t end, size_t size,
                        const char **reason)
{
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return UV_ENOMEM;
    if (!read_at(bytes, size, fd, end - size)) {
        free(bytes);
        return UV_EIO;
    }
    const uint8_t *footer = bytes + size - FOOTER_SIZE;
    bool framed = get32(bytes) == FRAME_MAGIC && get32(bytes + 4) == size - HEADER_SIZE;
    yk__seek_table *t = take_apart(bytes, get32(footer), footer[4] & CHECKSUMS);
    free(bytes);
    if (!t)
        return UV_ENOMEM;
    t->begin = end - size;
    int err = framed ? check_entries(t, fd, begin, reason)
                     : wrong(reason, "the seek table is in no frame of its own");
    if (err)
        free(t);
    else
        *table = t;
    return err;
}

int yk__seek_table_read(yk__seek_table **table, int fd, uint64_t begin, uint64_t end,
                        const char **reason)
{
    uint8_t footer[FOOTER_SIZE];
    uint64_t size = end > begin ? end - begin : 0, table_size;
    if (size < HEADER_SIZE + FOOTER_SIZE || !read_at(footer, FOOTER_SIZE, fd, end - FOOTER_SIZE) ||
        get32(footer + 5) != TABLE_MAGIC)
        return YK__SEEK_NONE;
    int err = check_footer(footer, size, &table_size, reason);
    return err ? err : read_entries(table, fd, begin, end, (size_t)table_size, reason);
}

/* ---- holding it against the frames ---- */

static const char *differs(const yk__seek_table *t, size_t i, const yk__frame *frame)
{
    const yk__seek_entry *e = &t->entries[i];
    if (e->stored != frame->stored)
        return "the seek table has another size for a frame than the frame itself";
    if (frame->content != YK_SIZE_UNKNOWN && e->content != frame->content)
        return "the seek table has another size for a frame's text than the frame itself";
    if (t->checksums && frame->checked && e->checksum != frame->checksum)
        return "the seek table has another checksum for a frame than the frame itself";
    return NULL;
}

int yk__frames_walk(yk__frames *frames, int fd, uint64_t begin, uint64_t end)
{
    yk__frames f = { 0 };
    yk__seek_table *t = NULL;
    int state = yk__seek_table_read(&t, fd, begin, end, &f.wrong);
    if (state < 0)
        return state;
    f.table = (yk__seek_state)state;
    yk__frame frame;
    size_t i = 0;
    for (uint64_t at = begin; at < end && yk__zstd_frame(&frame, fd, at, end) == 0; i++) {
        f.count += !frame.skippable;
        f.checked += frame.checked;
        if (t && i < t->count && !f.wrong && (f.wrong = differs(t, i, &frame))) {
            f.table = YK__SEEK_WRONG;
            f.entry = i;
            f.has_entry = true;
        }
        at += frame.stored;
    }
    free(t);
    *frames = f;
    return 0;
}
