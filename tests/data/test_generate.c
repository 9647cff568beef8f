/* tests/data/test_generate.c - made-up files: the same, sorted, of the size asked, and like true
 * ones. */
#include "data/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include <zlib.h>
#include <zstd.h>

#include "data/generate.h"
#include "data/rows.h"
#include "executor/error.h"

/* ---- failure ---- */

static void test_wrong_options_are_told(void **state)
{
    (void)state;
    static const struct {
        ngram_generate_options options;
        const char *words;
    } bad[] = {
        { { .bytes = (uint64_t)1 << 60 }, "bytes" },
        { { .version = 1 }, "version" },
        { { .max_words = 6 }, "max_words" },
        { { .max_words = -1 }, "max_words" },
        { { .shards = -1 }, "shards" },
        { { .shards = 5000 }, "shards" },
        { { .packing = (yk_packing)9 }, "packing" },
        { { .threads = -1 }, "threads" },
        { { .packing = YK_GZIP, .level = 10 }, "level" },
        { { .packing = YK_ZSTD, .level = 20 }, "level" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_non_null(ngram_generate_check(&bad[i].options));
        assert_non_null(strstr(ngram_generate_check(&bad[i].options), bad[i].words));
        assert_int_equal(ngram_generate_fd(&bad[i].options, -1, NULL), UV_EINVAL);
        assert_int_equal(ngram_generate_file(&bad[i].options, temp_path("no"), NULL), UV_EINVAL);
        assert_int_equal(access(temp_path("no"), F_OK), -1);
    }
    assert_null(ngram_generate_check(&(ngram_generate_options){ 0 }));
}

static int stop_later(uint64_t done, uint64_t total, void *arg)
{
    (void)total;
    (void)arg;
    return done > 3000000;
}

static void check_nothing_left(const char *name)
{
    char command[4300];
    snprintf(command, sizeof command, "ls %s* >/dev/null 2>&1", temp_path(name));
    assert_int_not_equal(system(command), 0);
}

static void test_a_stop_leaves_no_file(void **state)
{
    (void)state;
    for (int packing = YK_PLAIN; packing <= YK_ZSTD; packing++) {
        ngram_generate_options o = { .bytes = 8000000,
                                     .packing = (yk_packing)packing,
                                     .progress = stop_later };
        ngram_generated made = { .rows = 77 };
        assert_int_equal(ngram_generate_file(&o, temp_path("stopped"), &made), YK_ECANCELED);
        assert_int_equal(made.rows, 77);
        check_nothing_left("stopped");
    }
}

static void test_where_it_cannot_write(void **state)
{
    (void)state;
    ngram_generate_options o = { .bytes = 3000000 };
    assert_int_equal(ngram_generate_file(&o, temp_path("no/such/folder"), NULL), UV_ENOENT);
    assert_int_equal(ngram_generate_file(&o, temp_path("."), NULL), UV_EISDIR);
    int fd = open(make_file("read-only", &(bytes){ 0 }), O_RDONLY);
    for (int packing = YK_PLAIN; packing <= YK_ZSTD; packing++) {
        o.packing = (yk_packing)packing;
        assert_int_equal(ngram_generate_fd(&o, fd, NULL), UV_EBADF);
        if (access("/dev/full", W_OK) == 0)
            assert_int_equal(ngram_generate_file(&o, "/dev/full", NULL), UV_ENOSPC);
    }
    close(fd);
}

static void test_a_file_there_is_replaced_and_a_device_is_not(void **state)
{
    (void)state;
    bytes old = { 0 };
    bytes_text(&old, "old");
    const char *path = make_file("there", &old);
    ngram_generate_options o = { .bytes = 200000 };
    assert_int_equal(ngram_generate_file(&o, path, NULL), 0);
    bytes now = load_file(path);
    assert_in_range(now.size, 199000, 201000);
    assert_int_equal(ngram_generate_file(&o, "/dev/null", NULL), 0);
    struct stat status;
    assert_int_equal(stat("/dev/null", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
    bytes_free(&old);
    bytes_free(&now);
}

/* ---- what is made ---- */

static bytes make(ngram_generate_options o, ngram_generated *made)
{
    const char *path = temp_path("made");
    assert_int_equal(ngram_generate_file(&o, path, made), 0);
    bytes b = load_file(path);
    assert_int_equal(b.size, made->stored_bytes);
    return b;
}

static uint32_t checksum(const bytes *b)
{
    size_t size = b->size < 1 << 20 ? b->size : 1 << 20;
    return (uint32_t)crc32(0, (const Bytef *)b->data, (uInt)size);
}

static void test_the_same_options_make_the_same_bytes(void **state)
{
    (void)state;
    ngram_generated made;
    ngram_generate_options o = { .bytes = 2000000, .seed = 7 };
    bytes a = make(o, &made), b = make(o, &made);
    assert_true(bytes_same(&a, &b));
    assert_int_equal(checksum(&a), 0x157f162f); /* the same on every machine */
    bytes_free(&b);
    o.seed = 8;
    b = make(o, &made);
    assert_false(bytes_same(&a, &b));
    bytes_free(&a);
    bytes_free(&b);
    o = (ngram_generate_options){ .bytes = 2000000, .seed = 7, .version = 3, .shards = 3 };
    a = make(o, &made);
    assert_int_equal(checksum(&a), 0x9f5482b4);
    bytes_free(&a);
}

static void test_the_bytes_do_not_depend_on_threads(void **state)
{
    (void)state;
    for (int packing = YK_GZIP; packing <= YK_ZSTD; packing++) {
        ngram_generated made;
        ngram_generate_options o = { .bytes = 5000000, .packing = (yk_packing)packing };
        o.threads = 1;
        bytes a = make(o, &made);
        o.threads = 5;
        bytes b = make(o, &made);
        assert_true(bytes_same(&a, &b));
        bytes_free(&a);
        bytes_free(&b);
    }
}

static void test_every_packing_holds_the_same_text(void **state)
{
    (void)state;
    ngram_generated made;
    ngram_generate_options o = { .bytes = 5000000, .seed = 3 };
    bytes plain = make(o, &made);
    assert_int_equal(made.text_bytes, plain.size);
    static const char *const names[] = { "made.gz", "made.zst" };
    for (int i = 0; i < 2; i++) {
        bytes text = { 0 };
        yk_reader *r;
        char piece[70000];
        int64_t got;
        assert_int_equal(ngram_generate_file(&o, temp_path(names[i]), &made), 0);
        assert_int_equal(made.text_bytes, plain.size);
        assert_int_equal(yk_reader_open(&r, temp_path(names[i])), 0);
        assert_int_equal(yk_reader_packing(r), i == 0 ? YK_GZIP : YK_ZSTD);
        while ((got = yk_reader_read(r, piece, sizeof piece)) > 0)
            bytes_add(&text, piece, (size_t)got);
        assert_int_equal(got, 0);
        assert_true(bytes_same(&text, &plain));
        yk_reader_close(r);
        bytes_free(&text);
    }
    yk_input *in;
    assert_int_equal(yk_input_open(&in, temp_path("made.zst")), 0);
    assert_true(yk_input_about(in)->splittable);
    yk_input_close(in);
    bytes_free(&plain);
}

static void test_the_size_is_met(void **state)
{
    (void)state;
    for (uint64_t bytes_asked = 1; bytes_asked < 40000000; bytes_asked *= 7) {
        for (int version = 2; version <= 3; version++) {
            ngram_generated made;
            ngram_generate_options o = { .bytes = bytes_asked, .version = version };
            bytes b = make(o, &made);
            assert_int_equal(b.size, made.text_bytes);
            assert_true(b.size >= bytes_asked);
            assert_true(b.size < bytes_asked + (bytes_asked < 100000 ? 1000 : bytes_asked / 100));
            assert_int_equal(b.data[b.size - 1], '\n');
            bytes_free(&b);
        }
    }
}

typedef struct shape {
    uint64_t rows, ngrams, tagged, words[6], other_scripts, returns;
} shape;

static bool is_after(const ngram_entry *e, const ngram_entry *before)
{
    size_t size = e->length < before->length ? e->length : before->length;
    int order = memcmp(e->ngram, before->ngram, size);
    return order > 0 || (order == 0 && e->length > before->length);
}

static void count_ngram(shape *s, const ngram_entry *e)
{
    unsigned words = 1;
    for (size_t i = 0; i < e->length; i++)
        words += e->ngram[i] == ' ';
    assert_in_range(words, 1, 5);
    s->words[words]++;
    s->ngrams++;
    s->other_scripts += (uint8_t)e->ngram[0] >= 0xc0;
    const char *tag = memrchr(e->ngram, '_', e->length);
    s->tagged += tag != NULL;
}

/* Reads all rows: n-grams ascend, but at the beginnings of shards; years ascend. */
static shape examine(const bytes *b)
{
    shape s = { 0 };
    ngram_rows rows;
    ngram_entry e, before = { 0 };
    int got;
    ngram_rows_init(&rows, b->data, b->data + b->size, (ngram_years){ 0, 0 });
    while ((got = ngram_rows_next_entry(&rows, &e)) > 0) {
        bool same = e.length == before.length &&
                    (!before.ngram || memcmp(e.ngram, before.ngram, e.length) == 0);
        if (before.ngram && same) {
            assert_true(e.year > before.year);
        } else {
            s.returns += before.ngram && !is_after(&e, &before);
            count_ngram(&s, &e);
        }
        assert_in_range(e.year, 1505, 2008);
        assert_true(e.match_count >= 1 && e.volume_count >= 1);
        assert_true(e.volume_count <= e.match_count);
        s.rows++;
        before = e;
    }
    if (got < 0)
        print_error("%s\n", rows.bad.reason);
    assert_int_equal(got, 0);
    return s;
}

static void test_rows_are_sorted_and_like_true_ones(void **state)
{
    (void)state;
    ngram_generated made;
    ngram_generate_options o = { .bytes = 20000000, .seed = 1 };
    bytes b = make(o, &made);
    shape s = examine(&b);
    assert_int_equal(s.returns, 0);
    assert_int_equal(s.rows, made.rows);
    assert_int_equal(s.ngrams, made.ngrams);
    assert_in_range(s.rows / s.ngrams, 50, 70);
    assert_in_range(b.size / s.rows, 19, 24);
    assert_in_range(100 * s.tagged / s.ngrams, 50, 65);
    assert_in_range(100 * s.words[1] / s.ngrams, 80, 95);
    assert_true(s.words[2] > s.words[3] && s.words[3] > s.words[4] && s.words[4] > s.words[5]);
    assert_true(s.words[5] > 0);
    assert_in_range(100 * s.other_scripts / s.ngrams, 5, 30);
    size_t room = ZSTD_compressBound(b.size);
    char *packed = malloc(room);
    size_t size = ZSTD_compress(packed, room, b.data, b.size, 3);
    assert_in_range(100 * b.size / size, 450, 550); /* true rows: 491 */
    free(packed);
    bytes_free(&b);
}

static void test_words_are_as_many_as_asked(void **state)
{
    (void)state;
    for (int max = 1; max <= 5; max++) {
        ngram_generated made;
        ngram_generate_options o = { .bytes = 3000000, .max_words = max };
        bytes b = make(o, &made);
        shape s = examine(&b);
        for (int words = 1; words <= 5; words++)
            assert_int_equal(s.words[words] > 0, words <= max);
        bytes_free(&b);
    }
}

static void test_version_3_is_a_row_for_every_ngram(void **state)
{
    (void)state;
    ngram_generated made;
    ngram_generate_options o = { .bytes = 3000000, .version = 3 };
    bytes b = make(o, &made);
    shape s = examine(&b);
    assert_int_equal(s.returns, 0);
    assert_int_equal(made.rows, s.ngrams);
    assert_int_equal(made.ngrams, s.ngrams);
    assert_true(s.rows > 40 * s.ngrams);
    bytes_free(&b);
}

static void test_shards_are_sorted_and_ngrams_return(void **state)
{
    (void)state;
    ngram_generated made;
    ngram_generate_options o = { .bytes = 3000000, .shards = 4 };
    bytes b = make(o, &made);
    assert_in_range(b.size, 2970000, 3030000);
    shape s = examine(&b);
    assert_int_equal(s.returns, 3); /* three times it begins again */
    ngram_rows rows;
    ngram_group g, sample[200];
    unsigned found = 0, ngrams = 0;
    ngram_rows_init(&rows, b.data, b.data + b.size, (ngram_years){ 0, 0 });
    while (ngram_rows_next(&rows, &g) > 0) {
        for (unsigned i = 0; i < 200 && ngrams >= 200; i++)
            found +=
                g.length == sample[i].length && memcmp(g.ngram, sample[i].ngram, g.length) == 0;
        if (ngrams < 200)
            sample[ngrams] = g;
        ngrams++;
    }
    assert_in_range(found, 250, 550); /* 200 n-grams, two thirds in each of three more shards */
    bytes_free(&b);
}

static int count_calls(uint64_t done, uint64_t total, void *arg)
{
    uint64_t *last = arg;
    assert_true(done >= *last);
    assert_true(total >= 5000000);
    *last = done;
    return 0;
}

static void test_progress_is_told(void **state)
{
    (void)state;
    uint64_t last = 0;
    ngram_generated made;
    ngram_generate_options o = { .bytes = 5000000, .progress = count_calls, .arg = &last };
    bytes b = make(o, &made);
    assert_int_equal(last, made.text_bytes);
    bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_options_are_told),
        cmocka_unit_test(test_a_stop_leaves_no_file),
        cmocka_unit_test(test_where_it_cannot_write),
        cmocka_unit_test(test_a_file_there_is_replaced_and_a_device_is_not),
        cmocka_unit_test(test_the_same_options_make_the_same_bytes),
        cmocka_unit_test(test_the_bytes_do_not_depend_on_threads),
        cmocka_unit_test(test_every_packing_holds_the_same_text),
        cmocka_unit_test(test_the_size_is_met),
        cmocka_unit_test(test_rows_are_sorted_and_like_true_ones),
        cmocka_unit_test(test_words_are_as_many_as_asked),
        cmocka_unit_test(test_version_3_is_a_row_for_every_ngram),
        cmocka_unit_test(test_shards_are_sorted_and_ngrams_return),
        cmocka_unit_test(test_progress_is_told),
    };
    return cmocka_run_group_tests_name("data/generate", tests, files_setup, files_teardown);
}
