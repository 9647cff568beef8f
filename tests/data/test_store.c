/* tests/data/test_store.c - stores: what is refused, damage everywhere, many readers, and that
 * LMDB's own reader sees the same. */
#include "data/files.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "data/lmdb_pages.h"
#include "data/store.h"
#include "executor/error.h"

/* ---- Stores made up ------------------------------------------------------------------------ */

enum { LONGEST = 2000 };

/* The i-th n-gram: ascending with i, some of them long, with much in common. */
static size_t name_of(char name[LONGEST], unsigned i)
{
    size_t n = (size_t)snprintf(name, LONGEST, "word%06u", i / 4);
    static const size_t longer[] = { 0, 20, 501, 900 };
    memset(name + n, 'x', longer[i % 4]);
    n += longer[i % 4];
    if (i % 400 == 399)
        name[n++] = '\0';
    return n;
}

/* Its years: sometimes so many that they need pages of their own. */
static size_t series_of(uint8_t **packed, unsigned i)
{
    size_t years = i % 97 == 5 ? 3000 : i % 7 + 1;
    ngram_point *points = malloc(years * sizeof *points);
    for (size_t k = 0; k < years; k++)
        points[k] = (ngram_point){ 1500 + (int)k, i + k * 1000, i % 5 + k };
    *packed = malloc(NGRAM_PACKED_MAX(years));
    size_t size = ngram_series_pack(*packed, points, years);
    free(points);
    return size;
}

static int create(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    return fd;
}

static const ngram_store_origin origin = {
    .release = "20200217",
    .language = "eng",
    .sources = (const char *const[]){ "a.gz", "b.zst", NULL },
};

static const char *make_store(const char *name, unsigned ngrams)
{
    const char *path = temp_path(name);
    char ngram[LONGEST];
    int fd = create(path);
    ngram_store_writer *w;
    assert_int_equal(ngram_store_begin(&w, fd), 0);
    for (unsigned i = 0; i < ngrams; i++) {
        uint8_t *packed;
        size_t size = series_of(&packed, i), length = name_of(ngram, i);
        assert_int_equal(ngram_store_put(w, ngram, length, packed, size), 0);
        free(packed);
    }
    assert_int_equal(ngram_store_finish(w, &origin), 0);
    close(fd);
    return path;
}

/* ---- Writing ------------------------------------------------------------------------------- */

static void check_put_fails(const char *first, const char *second, size_t length, int expected)
{
    int fd = create(temp_path("bad"));
    ngram_store_writer *w;
    assert_int_equal(ngram_store_begin(&w, fd), 0);
    if (first)
        assert_int_equal(ngram_store_put(w, first, strlen(first), "\1", 1), 0);
    assert_int_equal(ngram_store_put(w, second, length, "\1", 1), expected);
    ngram_store_abandon(w);
    close(fd);
}

static void test_what_cannot_be_put(void **state)
{
    (void)state;
    check_put_fails(NULL, "", 0, UV_EINVAL);
    check_put_fails("b", "b", 1, UV_EINVAL);
    check_put_fails("b", "a", 1, UV_EINVAL);
    check_put_fails("bb", "b", 1, UV_EINVAL);
    check_put_fails("b", "b\0", 2, 0);
    check_put_fails("\x7f", "\x80", 1, 0);
    char name[LONGEST], other[LONGEST];
    memset(name, 'n', sizeof name);
    memset(other, 'n', sizeof other);
    name[800] = '\0';
    check_put_fails(name, other, 800, UV_EINVAL);
    check_put_fails(name, other, 799, UV_EINVAL);
    check_put_fails(name, other, 500, UV_EINVAL);
    check_put_fails(name, other, 801, 0);
}

static void test_series_that_cannot_be_put(void **state)
{
    (void)state;
    uint8_t packed[NGRAM_PACKED_MAX(1)];
    size_t size = ngram_series_pack(packed, &(ngram_point){ 1900, UINT64_MAX, 1 }, 1);
    int fd = create(temp_path("bad"));
    ngram_store_writer *w;
    assert_int_equal(ngram_store_begin(&w, fd), 0);
    assert_int_equal(ngram_store_put(w, "a", 1, "\1\1", 2), YK_EFORMAT);
    assert_int_equal(ngram_store_put(w, "b", 1, packed, size), 0);
    assert_int_equal(ngram_store_put(w, "c", 1, packed, size), YK_EOVERFLOW);
    ngram_store_abandon(w);
    ngram_store_abandon(NULL);
    assert_int_equal(ngram_store_begin(&w, fd), UV_EINVAL); /* not empty any more, or a directory */
    close(fd);
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(ngram_store_begin(&w, fd), UV_EINVAL);
    close(fd);
    assert_int_equal(ngram_store_begin(&w, fd), UV_EBADF);
}

static void test_equal_input_gives_equal_stores(void **state)
{
    (void)state;
    bytes a = load_file(make_store("one", 3000)), b = load_file(make_store("two", 3000));
    assert_true(bytes_same(&a, &b));
    bytes_free(&a);
    bytes_free(&b);
}

/* ---- Reading ------------------------------------------------------------------------------- */

static void check_item(const ngram_item *item, unsigned i)
{
    char ngram[LONGEST];
    uint8_t *packed;
    size_t length = name_of(ngram, i), size = series_of(&packed, i);
    assert_int_equal(item->length, length);
    assert_memory_equal(item->ngram, ngram, length);
    assert_int_equal(item->size, size);
    assert_memory_equal(item->packed, packed, size);
    free(packed);
}

static void check_get(const ngram_store *s, unsigned i, bool there)
{
    char ngram[LONGEST];
    size_t length = name_of(ngram, i);
    ngram_series *series = NULL;
    int err = ngram_store_get(s, ngram, length, &series);
    assert_int_equal(err, there ? 0 : UV_ENOENT);
    if (there)
        assert_true(series->points[0].year == 1500 && series->points[0].match_count == i);
    free(series);
    assert_int_equal(ngram_store_get(s, ngram, length - 1, &series), UV_ENOENT);
    ngram[length] = '!';
    assert_int_equal(ngram_store_get(s, ngram, length + 1, &series), UV_ENOENT);
}

static void check_walk(const ngram_store *s, unsigned from, unsigned ngrams)
{
    ngram_cursor *c;
    ngram_item item;
    char ngram[LONGEST];
    assert_int_equal(ngram_cursor_new(&c, s), 0);
    size_t length = from ? name_of(ngram, from) : 0;
    int got = ngram_cursor_seek(c, ngram, length, &item);
    for (unsigned i = from; i < ngrams; i++) {
        assert_int_equal(got, 1);
        check_item(&item, i);
        got = ngram_cursor_next(c, &item);
    }
    assert_int_equal(got, 0);
    ngram_cursor_free(c);
}

static void check_all(const ngram_store *s, unsigned ngrams)
{
    assert_int_equal(ngram_store_about(s)->ngrams, ngrams);
    assert_int_equal(ngram_store_verify(s, NULL, NULL), 0);
    for (unsigned i = 0; i < ngrams; i += 1 + ngrams / 500)
        check_get(s, i, true);
    check_get(s, ngrams + 4, false);
    for (unsigned from = 0; from <= ngrams; from += 1 + ngrams / 8)
        check_walk(s, from, ngrams);
}

static void test_what_is_put_comes_back(void **state)
{
    (void)state;
    static const unsigned sizes[] = { 0, 1, 2, 30, 401, 20000 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ngram_store *s;
        char message[200];
        assert_int_equal(ngram_store_open(&s, make_store("store", sizes[i]), message, 200), 0);
        check_all(s, sizes[i]);
        ngram_store_close(s);
    }
    ngram_store_close(NULL);
    ngram_cursor_free(NULL);
}

static void test_what_it_says_of_itself(void **state)
{
    (void)state;
    ngram_store *s;
    assert_int_equal(ngram_store_open(&s, make_store("store", 100), NULL, 0), 0);
    const ngram_store_info *about = ngram_store_about(s);
    assert_string_equal(about->release, "20200217");
    assert_string_equal(about->language, "eng");
    assert_string_equal(about->sources, "a.gz\nb.zst\n");
    assert_int_equal(about->years->points[0].year, 1500);
    assert_int_equal(about->years->points[0].match_count, 99 * 100 / 2);
    assert_int_equal(about->years->count, 3000);
    ngram_store_close(s);

    int fd = create(temp_path("bare"));
    ngram_store_writer *w;
    assert_int_equal(ngram_store_begin(&w, fd), 0);
    assert_int_equal(ngram_store_finish(w, &(ngram_store_origin){ 0 }), 0);
    close(fd);
    assert_int_equal(ngram_store_open(&s, temp_path("bare"), NULL, 0), 0);
    assert_string_equal(ngram_store_about(s)->release, "");
    assert_string_equal(ngram_store_about(s)->sources, "");
    assert_int_equal(ngram_store_about(s)->years->count, 0);
    ngram_store_close(s);
}

static void test_seeks(void **state)
{
    (void)state;
    static const char *const names[] = { "a", "ab", "b", "b c", "d", NULL };
    static const struct {
        const char *wanted, *found;
    } seeks[] = { { "", "a" },    { "a", "a" },    { "a ", "ab" }, { "aa", "ab" },
                  { "abc", "b" }, { "b ", "b c" }, { "d", "d" },   { "d ", NULL } };
    int fd = create(temp_path("few"));
    ngram_store_writer *w;
    assert_int_equal(ngram_store_begin(&w, fd), 0);
    for (int i = 0; names[i]; i++)
        assert_int_equal(ngram_store_put(w, names[i], strlen(names[i]), "\1", 1), 0);
    assert_int_equal(ngram_store_finish(w, &origin), 0);
    close(fd);
    ngram_store *s;
    ngram_cursor *c;
    ngram_item item;
    assert_int_equal(ngram_store_open(&s, temp_path("few"), NULL, 0), 0);
    assert_int_equal(ngram_cursor_new(&c, s), 0);
    for (size_t i = 0; i < sizeof seeks / sizeof *seeks; i++) {
        int got = ngram_cursor_seek(c, seeks[i].wanted, strlen(seeks[i].wanted), &item);
        assert_int_equal(got, seeks[i].found != NULL);
        if (got == 1)
            assert_true(item.length == strlen(seeks[i].found) &&
                        memcmp(item.ngram, seeks[i].found, item.length) == 0);
    }
    ngram_cursor_free(c);
    ngram_store_close(s);
}

/* Larger than the map that a writer begins with, and than one transaction. */
static void test_a_large_store(void **state)
{
    (void)state;
    enum { NGRAMS = 500 };
    static ngram_point points[NGRAM_LAST_YEAR];
    static uint8_t packed[NGRAM_PACKED_MAX(NGRAM_LAST_YEAR)];
    char ngram[8];
    for (int i = 0; i < NGRAM_LAST_YEAR; i++)
        points[i] = (ngram_point){ i + 1, UINT64_MAX / NGRAMS, UINT64_MAX / NGRAMS };
    size_t size = ngram_series_pack(packed, points, NGRAM_LAST_YEAR);
    int fd = create(temp_path("large"));
    ngram_store_writer *w;
    assert_int_equal(ngram_store_begin(&w, fd), 0);
    for (unsigned i = 0; i < NGRAMS; i++) {
        snprintf(ngram, sizeof ngram, "%05u", i);
        assert_int_equal(ngram_store_put(w, ngram, 5, packed, size), 0);
    }
    assert_int_equal(ngram_store_finish(w, &origin), 0);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_in_range(st.st_size, 80 << 20, 200 << 20);
    close(fd);
    ngram_store *s;
    ngram_cursor *c;
    ngram_item item;
    assert_int_equal(ngram_store_open(&s, temp_path("large"), NULL, 0), 0);
    assert_true(ngram_store_about(s)->years->points[9998].match_count ==
                UINT64_MAX / NGRAMS * NGRAMS);
    assert_int_equal(ngram_cursor_new(&c, s), 0);
    assert_int_equal(ngram_cursor_seek(c, "00499", 5, &item), 1);
    assert_int_equal(item.size, size);
    assert_memory_equal(item.packed, packed, size);
    assert_int_equal(ngram_cursor_next(c, &item), 0);
    ngram_cursor_free(c);
    ngram_store_close(s);
    unlink(temp_path("large"));
}

/* Any LMDB can read a store. */
static void test_lmdb_reads_the_same(void **state)
{
    (void)state;
    enum { NGRAMS = 5000 };
    const char *path = make_store("store", NGRAMS);
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_cursor *cursor;
    MDB_stat stat;
    MDB_val k, v;
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 2), 0);
    assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOLOCK | MDB_RDONLY, 0), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "ngrams", 0, &dbi), 0);
    assert_int_equal(mdb_stat(txn, dbi, &stat), 0);
    assert_int_equal(mdb_cursor_open(txn, dbi, &cursor), 0);
    assert_in_range(stat.ms_depth, 3, 9);
    assert_in_range(stat.ms_overflow_pages, 1, NGRAMS);
    for (unsigned i = 0; i < NGRAMS; i++) {
        char ngram[LONGEST];
        size_t length = name_of(ngram, i);
        if (length >= 511)
            continue;
        k = (MDB_val){ length, ngram };
        assert_int_equal(mdb_cursor_get(cursor, &k, &v, MDB_SET), 0);
        check_item(&(ngram_item){ ngram, length, v.mv_data, v.mv_size }, i);
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    mdb_env_close(env);
}

/* ---- Damage -------------------------------------------------------------------------------- */

static void check_open_fails(const char *name, const bytes *content, int expected,
                             const char *reason)
{
    ngram_store *s = NULL;
    char message[400];
    const char *path = make_file(name, content);
    assert_int_equal(ngram_store_open(&s, path, message, sizeof message), expected);
    assert_null(s);
    assert_int_equal(strncmp(message, path, strlen(path)), 0);
    assert_non_null(strstr(message, reason));
    assert_int_equal(ngram_store_open(&s, path, NULL, 0), expected);
}

static void test_files_that_are_no_stores(void **state)
{
    (void)state;
    ngram_store *s;
    char message[400];
    assert_int_equal(ngram_store_open(&s, temp_path("missing"), message, 400), UV_ENOENT);
    assert_non_null(strstr(message, "missing"));
    assert_int_equal(ngram_store_open(&s, temp_path("."), message, 400), UV_EISDIR);
    bytes b = { 0 };
    check_open_fails("none", &b, YK_EFORMAT, "no store");
    add_rows(&b, 1, 3000);
    check_open_fails("none", &b, YK_EFORMAT, "no store");
    memset(b.data, 0, b.size);
    check_open_fails("none", &b, YK_EFORMAT, "no store");
    bytes_free(&b);
}

static void test_a_store_that_was_cut(void **state)
{
    (void)state;
    bytes whole = load_file(make_store("store", 300)), b = whole;
    uint64_t seed = 1;
    for (int i = 0; i < 300; i++) {
        b.size = i < 20 ? whole.size - 1 - (size_t)i : (size_t)below(&seed, whole.size);
        int expected = b.size < 152 ? YK_EFORMAT : YK_ETRUNCATED;
        check_open_fails("cut", &b, expected,
                         expected == YK_EFORMAT ? "no store" : "a part of the store is missing");
    }
    bytes_add(&whole, "more", 4);
    check_open_fails("longer", &whole, YK_EFORMAT, "no store");
    bytes_free(&whole);
}

/* One wrong bit anywhere: whatever still can be read is right, and the rest is an error. */
static void check_damaged(const bytes *content, unsigned ngrams, unsigned *told)
{
    ngram_store *s;
    ngram_cursor *c;
    ngram_item item;
    int got = ngram_store_open(&s, make_file("damaged", content), NULL, 0);
    if (got == 0) {
        assert_int_equal(ngram_cursor_new(&c, s), 0);
        unsigned i = 0;
        for (got = ngram_cursor_seek(c, "", 0, &item); got == 1; got = ngram_cursor_next(c, &item))
            check_item(&item, i++);
        if (got == 0)
            assert_int_equal(i, ngrams);
        assert_int_equal(ngram_store_verify(s, NULL, NULL), got);
        ngram_cursor_free(c);
        ngram_store_close(s);
    }
    assert_true(got == 0 || got == YK_ECORRUPT || got == YK_EFORMAT || got == YK_ETRUNCATED);
    *told += got != 0;
}

static void test_one_wrong_bit(void **state)
{
    (void)state;
    enum { NGRAMS = 300, TRIES = 600 };
    bytes b = load_file(make_store("store", NGRAMS));
    uint64_t seed = 5;
    unsigned told = 0;
    for (int i = 0; i < TRIES; i++) {
        size_t at = (size_t)below(&seed, b.size);
        char bit = (char)(1 << below(&seed, 8));
        b.data[at] ^= bit;
        check_damaged(&b, NGRAMS, &told);
        b.data[at] ^= bit;
    }
    assert_in_range(told, TRIES / 2, TRIES); /* the rest: pages that were in use once */
    bytes_free(&b);
}

/* ---- Fields that lie, with checksums that are right ------------------------------------------ */

enum { PAGE = 4096, PAGE_HEADER = 16 };

static volatile unsigned read_sum; /* so that every byte is read */

static void read_everything(const char *path)
{
    ngram_store *s;
    ngram_cursor *c;
    ngram_item item;
    int got = ngram_store_open(&s, path, NULL, 0);
    if (got == 0) {
        assert_int_equal(ngram_cursor_new(&c, s), 0);
        for (got = ngram_cursor_seek(c, "", 0, &item); got == 1; got = ngram_cursor_next(c, &item))
            read_sum += yk__page_checksum(item.ngram, item.length) +
                        yk__page_checksum(item.packed, item.size);
        ngram_cursor_free(c);
        ngram_store_close(s);
    }
    assert_true(got == 0 || got == YK_ECORRUPT || got == YK_EFORMAT || got == YK_ETRUNCATED);
}

static void put_page(int fd, size_t pages, size_t number, const uint8_t *page)
{
    uint32_t sum = yk__page_checksum(page, PAGE);
    off_t at = (off_t)(pages * PAGE + number * sizeof sum);
    assert_int_equal(pwrite(fd, page, PAGE, (off_t)(number * PAGE)), PAGE);
    assert_int_equal(pwrite(fd, &sum, sizeof sum, at), sizeof sum);
}

/* A field of two bytes has one extreme value after the other. */
static void try_extremes(int fd, const char *path, size_t pages, size_t number, const uint8_t *page,
                         size_t at)
{
    static const uint16_t extremes[] = {
        0, 1, 2, 300, 511, 4080, 4090, 4095, 0x7ffe, 0xfffe, 0xffff
    };
    uint8_t changed[PAGE];
    for (size_t i = 0; i < sizeof extremes / sizeof *extremes; i++) {
        memcpy(changed, page, PAGE);
        memcpy(changed + at, &extremes[i], sizeof extremes[i]);
        put_page(fd, pages, number, changed);
        read_everything(path);
    }
}

/* The page's header, and of each of its nodes the offset and the header. */
static void lie_in_page(int fd, const char *path, size_t pages, size_t number, const uint8_t *page)
{
    uint16_t flags, lower, node;
    memcpy(&flags, page + 10, sizeof flags);
    memcpy(&lower, page + 12, sizeof lower);
    for (size_t at = 0; at < PAGE_HEADER; at += 2)
        try_extremes(fd, path, pages, number, page, at);
    for (size_t at = PAGE_HEADER; (flags == 1 || flags == 2) && at < lower; at += 2) {
        memcpy(&node, page + at, sizeof node);
        try_extremes(fd, path, pages, number, page, at);
        for (size_t field = 0; field < 8; field += 2)
            try_extremes(fd, path, pages, number, page, node + field);
    }
}

static void test_no_field_is_believed(void **state)
{
    (void)state;
    const char *path = make_store("store", 110); /* two levels, a large value, long n-grams */
    bytes b = load_file(path);
    size_t pages = b.size / (PAGE + sizeof(uint32_t));
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t number = 0; number < pages; number++) {
        const uint8_t *page = (const uint8_t *)b.data + number * PAGE;
        lie_in_page(fd, path, pages, number, page);
        put_page(fd, pages, number, page);
    }
    close(fd);
    bytes_free(&b);
}

static int stop(uint64_t ngrams, void *arg)
{
    *(uint64_t *)arg = ngrams;
    return 1;
}

static void test_verifying_can_be_stopped(void **state)
{
    (void)state;
    ngram_store *s;
    uint64_t seen = 0;
    assert_int_equal(ngram_store_open(&s, make_store("store", 10000), NULL, 0), 0);
    assert_int_equal(ngram_store_verify(s, stop, &seen), YK_ECANCELED);
    assert_in_range(seen, 1, 9999);
    ngram_store_close(s);
}

/* ---- Many readers, and a store that is replaced --------------------------------------------- */

static void test_readers_in_many_processes(void **state)
{
    (void)state;
    enum { READERS = 6, NGRAMS = 2000 };
    pid_t pids[READERS];
    ngram_store *s;
    assert_int_equal(ngram_store_open(&s, make_store("store", NGRAMS), NULL, 0), 0);
    for (int i = 0; i < READERS; i++) {
        pids[i] = fork(); /* opened before the fork, and read on both sides */
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            check_all(s, NGRAMS);
            _exit(0);
        }
    }
    check_all(s, NGRAMS);
    for (int i = 0; i < READERS; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    ngram_store_close(s);
}

enum { THREADS = 4, IN_THREADS = 3000 };

static void *read_in_thread(void *arg)
{
    const ngram_store *s = arg;
    char ngram[LONGEST];
    uintptr_t wrong = 0;
    for (unsigned i = 0; i < IN_THREADS; i += 7) {
        ngram_series *series;
        if (ngram_store_get(s, ngram, name_of(ngram, i), &series) != 0) {
            wrong++;
            continue;
        }
        wrong += series->points[0].match_count != i;
        free(series);
    }
    return (void *)wrong;
}

static void test_readers_in_many_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    ngram_store *s;
    assert_int_equal(ngram_store_open(&s, make_store("store", IN_THREADS), NULL, 0), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_in_thread, s), 0);
    for (int i = 0; i < THREADS; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    ngram_store_close(s);
}

static void test_a_store_is_replaced_under_its_readers(void **state)
{
    (void)state;
    ngram_store *old, *new;
    const char *path = make_store("store", 1000);
    assert_int_equal(ngram_store_open(&old, path, NULL, 0), 0);
    assert_int_equal(rename(make_store("next", 50), path), 0);
    assert_int_equal(ngram_store_open(&new, path, NULL, 0), 0);
    check_all(old, 1000);
    check_all(new, 50);
    ngram_store_close(old);
    ngram_store_close(new);
}

static void test_a_store_that_shrinks_while_it_is_read(void **state)
{
    (void)state;
    ngram_store *s;
    ngram_series *series;
    const char *path = make_store("store", 1000);
    assert_int_equal(ngram_store_open(&s, path, NULL, 0), 0);
    assert_int_equal(truncate(path, 8192), 0);
    char ngram[LONGEST];
    assert_int_equal(ngram_store_get(s, ngram, name_of(ngram, 500), &series), YK_ETRUNCATED);
    ngram_store_close(s);
}

static void test_a_folder_without_permission_to_write(void **state)
{
    (void)state;
    const char *folder = temp_path("sealed");
    char path[4200];
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(path, sizeof path, "%s/store", folder);
    assert_int_equal(rename(make_store("store", 100), path), 0);
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(chmod(folder, 0500), 0);
    ngram_store *s;
    assert_int_equal(ngram_store_open(&s, path, NULL, 0), 0);
    check_all(s, 100);
    ngram_store_close(s);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(unlink(path), 0); /* and there is nothing beside it */
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_cannot_be_put),
        cmocka_unit_test(test_series_that_cannot_be_put),
        cmocka_unit_test(test_files_that_are_no_stores),
        cmocka_unit_test(test_a_store_that_was_cut),
        cmocka_unit_test(test_one_wrong_bit),
        cmocka_unit_test(test_no_field_is_believed),
        cmocka_unit_test(test_a_store_that_shrinks_while_it_is_read),
        cmocka_unit_test(test_verifying_can_be_stopped),
        cmocka_unit_test(test_equal_input_gives_equal_stores),
        cmocka_unit_test(test_what_is_put_comes_back),
        cmocka_unit_test(test_what_it_says_of_itself),
        cmocka_unit_test(test_seeks),
        cmocka_unit_test(test_a_large_store),
        cmocka_unit_test(test_lmdb_reads_the_same),
        cmocka_unit_test(test_readers_in_many_processes),
        cmocka_unit_test(test_readers_in_many_threads),
        cmocka_unit_test(test_a_store_is_replaced_under_its_readers),
        cmocka_unit_test(test_a_folder_without_permission_to_write),
    };
    return cmocka_run_group_tests_name("data/store", tests, files_setup, files_teardown);
}
