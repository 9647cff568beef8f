/* tests/data/files.c */
#include "data/files.h"

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

static char directory[PATH_MAX];

void bytes_add(bytes *b, const void *data, size_t size)
{
    if (b->size + size > b->room) {
        b->room = 2 * (b->size + size);
        b->data = realloc(b->data, b->room);
        assert_non_null(b->data);
    }
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}

void bytes_text(bytes *b, const char *text)
{
    bytes_add(b, text, strlen(text));
}

void bytes_format(bytes *b, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    bytes_add(b, line, (size_t)size);
}

void bytes_free(bytes *b)
{
    free(b->data);
    *b = (bytes){ 0 };
}

bool bytes_same(const bytes *a, const bytes *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

void add_gzip(bytes *out, const void *data, size_t size)
{
    z_stream z = { 0 };
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, size) + 64;
    char *packed = malloc(room);
    z.next_in = (Bytef *)(size ? data : "");
    z.avail_in = (uInt)size;
    z.next_out = (Bytef *)packed;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    bytes_add(out, packed, z.total_out);
    deflateEnd(&z);
    free(packed);
}

static void add_frame(bytes *out, const void *data, size_t size, bool sized, bool checked)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, checked);
    ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, sized);
    size_t room = ZSTD_compressBound(size);
    char *packed = malloc(room);
    size_t got = ZSTD_compress2(c, packed, room, size ? data : "", size);
    assert_false(ZSTD_isError(got));
    bytes_add(out, packed, got);
    ZSTD_freeCCtx(c);
    free(packed);
}

void add_zstd(bytes *out, const void *data, size_t size, bool sized)
{
    add_frame(out, data, size, sized, true);
}

void add_bare_zstd(bytes *out, const void *data, size_t size)
{
    add_frame(out, data, size, false, false);
}

void add_skippable(bytes *out, size_t size)
{
    uint8_t header[8] = { 0x5a, 0x2a, 0x4d, 0x18, (uint8_t)size, (uint8_t)(size >> 8) };
    bytes_add(out, header, sizeof header);
    for (size_t i = 0; i < size; i++)
        bytes_add(out, "s", 1);
}

int files_setup(void **state)
{
    (void)state;
    alarm(300);
    const char *base = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/yoke-data-XXXXXX", base ? base : "/tmp");
    return mkdtemp(directory) ? 0 : -1;
}

int files_teardown(void **state)
{
    (void)state;
    DIR *d = opendir(directory);
    for (struct dirent *e; d && (e = readdir(d));)
        unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    return rmdir(directory);
}

const char *temp_path(const char *name)
{
    static char paths[8][PATH_MAX + 64]; /* the last eight stay good */
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

const char *make_file(const char *name, const bytes *content)
{
    const char *path = temp_path(name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    if (content->size)
        assert_int_equal(fwrite(content->data, 1, content->size, f), content->size);
    assert_int_equal(fclose(f), 0);
    return path;
}

bytes load_file(const char *path)
{
    bytes b = { 0 };
    char piece[65536];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    for (size_t got; (got = fread(piece, 1, sizeof piece, f)) > 0;)
        bytes_add(&b, piece, got);
    fclose(f);
    return b;
}

uint64_t next_random(uint64_t *state)
{
    uint64_t x = *state ? *state : 88172645463325252u;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

void add_rows(bytes *out, uint64_t seed, unsigned rows)
{
    unsigned left = 0, word = 0, length = 1, year = 0;
    for (unsigned i = 0; i < rows; i++) {
        if (left == 0) {
            left = 1 + (unsigned)below(&seed, 80);
            length = 1 + (unsigned)below(&seed, 40);
            year = 1600;
            word++;
        }
        uint64_t match = next_random(&seed) >> (44 + below(&seed, 20));
        bytes_format(out, "%0*u\t%u\t%" PRIu64 "\t%" PRIu64 "\n", (int)length, word, year,
                     match + 1, 1 + match / 3);
        year += 1 + (unsigned)below(&seed, 5);
        left--;
    }
}
