/* tests/fuzz/fuzz_input.c - any bytes at all as a file: gzip, zstd, seek tables, or none of them.
 *
 * Read in ranges it gives the same text as read from the beginning to the end, or an error. Where
 * reading all of it fails, so does a range. A seek table may make ranges fail, but never differ.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "data/input.h"
#include "data/seek_table.h"
#include "data/unpack.h"
#include "executor/error.h"
#include "fuzz.h"

#define MOST_TEXT                                                                  \
    ((size_t)1 << 18) /* a few bytes can stand for very many: no more is looked at \
                       */

typedef struct text {
    char *at;
    size_t len;
    int err;
    bool cut; /* there was more */
} text;

static void add(text *t, const char *bytes, size_t n)
{
    if (n > MOST_TEXT - t->len) {
        n = MOST_TEXT - t->len;
        t->cut = true;
    }
    memcpy(t->at + t->len, bytes, n);
    t->len += n;
}

static text new_text(void)
{
    text t = { .at = malloc(MOST_TEXT) };
    require(t.at);
    return t;
}

static text read_whole(int fd)
{
    text t = new_text();
    static char piece[70000];
    yk_reader *reader;
    require(lseek(fd, 0, SEEK_SET) == 0);
    require(yk_reader_open_fd(&reader, fd, "fuzz") == 0);
    int64_t got = 0;
    while (!t.cut && (got = yk_reader_read(reader, piece, sizeof piece)) > 0)
        add(&t, piece, (size_t)got);
    t.err = t.cut || got == 0 ? 0 : (int)got;
    if (t.err) {
        require(strncmp(yk_reader_error(reader), "fuzz: ", 6) == 0);
        require(yk_reader_read(reader, piece, sizeof piece) == t.err);
    }
    yk_reader_close(reader);
    return t;
}

static int read_range(yk_blocks *blocks, int fd, const yk_range *range, text *t)
{
    yk_block block;
    int got = 1;
    require(yk_blocks_open_fd(blocks, fd, "fuzz", range) == 0);
    while (!t->cut && (got = yk_blocks_next(blocks, &block)) > 0) {
        require(block.begin < block.end);
        add(t, block.begin, (size_t)(block.end - block.begin));
    }
    if (got < 0)
        require(strncmp(yk_blocks_error(blocks), "fuzz: ", 6) == 0);
    return got < 0 ? got : 0;
}

static text read_ranges(int fd, uint64_t target)
{
    text t = new_text();
    yk_input *in;
    yk_range *ranges;
    size_t count;
    yk_blocks *blocks = yk_blocks_new();
    require(blocks);
    require(lseek(fd, 0, SEEK_SET) == 0);
    require(yk_input_open_fd(&in, fd, "fuzz") == 0);
    require(yk_input_ranges(in, target, &ranges, &count) == 0);
    uint64_t size = yk_input_about(in)->size;
    require(count > 0 || size == 0);
    for (size_t i = 0; i < count && !t.err && !t.cut; i++) {
        require(ranges[i].begin == (i ? ranges[i - 1].end : 0));
        require(i + 1 < count || ranges[i].end == size);
        t.err = read_range(blocks, fd, &ranges[i], &t);
    }
    free(ranges);
    yk_input_close(in);
    yk_blocks_free(blocks);
    return t;
}

static void check(int fd, size_t size)
{
    yk__frames frames;
    text whole = read_whole(fd);
    require(yk__frames_walk(&frames, fd, 0, size) == 0);
    for (uint64_t target = 1; target < 5000; target *= 40) {
        text parts = read_ranges(fd, target);
        if (whole.err && !parts.cut)
            require(parts.err);
        if (!parts.err && !whole.err) {
            require(parts.len == whole.len && parts.cut == whole.cut);
            require(memcmp(parts.at, whole.at, whole.len) == 0);
        }
        free(parts.at);
    }
    free(whole.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const yk__unpacker *usual = yk__gunzip;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    check(fd, size);
    if (size >= 2 && data[0] == 0x1f && usual != &yk__gunzip_zlib) {
        yk__gunzip = &yk__gunzip_zlib;
        check(fd, size);
        yk__gunzip = usual;
    }
    close(fd);
    return 0;
}
