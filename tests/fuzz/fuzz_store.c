/* tests/fuzz/fuzz_store.c - any bytes at all as a packed series, and as damage to a store.
 *
 * A series that is taken must be packed into the same bytes again. The store is one with some of
 * everything (branches, large values, long n-grams); the input says which of its bytes are
 * changed, and then the checksums are made anew, so that what stands behind them is reached. Then
 * all of it is read: in bounds, in finite time, and with a right end or an error.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

#include "data/lmdb_pages.h"
#include "data/store.h"
#include "executor/error.h"
#include "fuzz.h"

enum { NGRAMS = 120, PAGE = 4096 };

static uint8_t *good, *changed;
static size_t good_size, pages;
static int fd = -1;
static char path[32];

/* ---- A good store -------------------------------------------------------------------------- */

static void put(ngram_store_writer *w, unsigned i)
{
    char ngram[700];
    ngram_point points[1500];
    uint8_t packed[NGRAM_PACKED_MAX(1500)];
    size_t length = (size_t)snprintf(ngram, sizeof ngram, "word%04u", i / 2);
    size_t n = i == 7 ? 1500 : i % 5;
    if (i % 2) {
        memset(ngram + length, 'x', sizeof ngram - length);
        length = i % 8 == 3 ? 600 : 300;
    }
    for (size_t k = 0; k < n; k++)
        points[k] = (ngram_point){ 1800 + (int)k, i * 100 + k, k };
    require(ngram_store_put(w, ngram, length, packed, ngram_series_pack(packed, points, n)) == 0);
}

static void make_store(int to)
{
    ngram_store_writer *w;
    require(ngram_store_begin(&w, to) == 0);
    for (unsigned i = 0; i < NGRAMS; i++)
        put(w, i);
    ngram_store_origin origin = { "release", "language", (const char *const[]){ "a", NULL } };
    require(ngram_store_finish(w, &origin) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fd = memfd_create("store", MFD_CLOEXEC);
    require(fd >= 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    make_store(fd);
    good_size = (size_t)lseek(fd, 0, SEEK_END);
    pages = good_size / (PAGE + sizeof(uint32_t));
    good = malloc(good_size);
    changed = malloc(good_size);
    require(good && changed && pages > 10);
    require(pread(fd, good, good_size, 0) == (ssize_t)good_size);
    return 0;
}

/* ---- A damaged one ------------------------------------------------------------------------- */

/* Five bytes of input are a change: a page, a place in it, how many bytes, and with what. */
static void change(const uint8_t *data, size_t size)
{
    memcpy(changed, good, good_size);
    for (; size >= 5; data += 5, size -= 5) {
        size_t page = data[0] % pages, at = ((size_t)data[1] << 8 | data[2]) % PAGE;
        size_t n = 1 + data[3] % 4;
        for (size_t i = at; i < at + n && i < PAGE; i++)
            changed[page * PAGE + i] = (uint8_t)(data[4] + (i - at) * (data[3] >> 2));
    }
    uint8_t *sums = changed + pages * PAGE;
    for (size_t i = 0; i < pages; i++) {
        uint32_t sum = yk__page_checksum(changed + i * PAGE, PAGE);
        memcpy(sums + i * sizeof sum, &sum, sizeof sum);
    }
    require(pwrite(fd, changed, good_size, 0) == (ssize_t)good_size);
}

static volatile uint64_t seen; /* so that every byte is read */

static void use(const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        seen += ((const uint8_t *)bytes)[i];
}

static bool is_told(int code)
{
    return code == YK_ECORRUPT || code == YK_EFORMAT || code == YK_ETRUNCATED || code == UV_ENOENT;
}

static void walk(const ngram_store *s, const char *from, size_t length)
{
    ngram_cursor *c;
    ngram_item item;
    require(ngram_cursor_new(&c, s) == 0);
    int got = ngram_cursor_seek(c, from, length, &item);
    for (; got == 1; got = ngram_cursor_next(c, &item)) {
        ngram_unpacker u;
        ngram_point p;
        use(item.ngram, item.length);
        use(item.packed, item.size);
        if (ngram_unpack_begin(&u, item.packed, item.size) == 0)
            while (ngram_unpack_next(&u, &p) == 1)
                seen += p.match_count;
    }
    require(got == 0 || is_told(got));
    ngram_cursor_free(c);
}

static void read_store(void)
{
    ngram_store *s;
    ngram_series *series;
    int err = ngram_store_open(&s, path, NULL, 0);
    if (err) {
        require(is_told(err));
        return;
    }
    const ngram_store_info *about = ngram_store_about(s);
    use(about->release, strlen(about->release));
    use(about->sources, strlen(about->sources));
    use(about->years->points, about->years->count * sizeof *about->years->points);
    walk(s, "", 0);
    walk(s, "word0030", 8);
    for (int i = 0; i < NGRAMS / 2; i += 7) {
        char name[16];
        int length = snprintf(name, sizeof name, "word%04d", i);
        err = ngram_store_get(s, name, (size_t)length, &series);
        require(err == 0 || is_told(err));
        if (!err)
            free(series);
    }
    err = ngram_store_verify(s, NULL, NULL);
    require(err == 0 || is_told(err));
    ngram_store_close(s);
}

/* ---- Any bytes as a series ------------------------------------------------------------------ */

static void read_series(const uint8_t *data, size_t size)
{
    ngram_series *s;
    if (ngram_series_unpack(&s, data, size) != 0)
        return;
    uint8_t *packed = malloc(NGRAM_PACKED_MAX(s->count));
    require(packed);
    require(ngram_series_pack(packed, s->points, s->count) == size);
    require(memcmp(packed, data, size) == 0);
    int year = 0;
    for (size_t i = 0; i < s->count; year = s->points[i++].year)
        require(s->points[i].year > year && s->points[i].year <= NGRAM_LAST_YEAR);
    free(packed);
    free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_series(data, size);
    change(data, size);
    read_store();
    return 0;
}
