/* tests/data/test_packed.c - gzip and zstd, whole and damaged; gzip by each library there is. */
#include "data/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>
#include <zlib.h>

#include "data/input.h"
#include "data/unpack.h"
#include "executor/error.h"

/* Reads `stored` as a file in pieces of up to `piece` bytes, appends the text to `out`. Returns 0
 * or the error, which must come again, with a message that names the file. */
static int read_bytes(const bytes *stored, bytes *out, size_t piece, char *message)
{
    const char *path = make_file("packed", stored);
    yk_reader *r;
    assert_int_equal(yk_reader_open(&r, path), 0);
    char *buffer = malloc(piece);
    int64_t got;
    while ((got = yk_reader_read(r, buffer, piece)) > 0)
        bytes_add(out, buffer, (size_t)got);
    assert_int_equal(yk_reader_read(r, buffer, piece), got);
    if (got < 0)
        assert_non_null(strstr(yk_reader_error(r), path));
    else
        assert_string_equal(yk_reader_error(r), "");
    if (got == 0)
        assert_int_equal(yk_reader_taken(r), stored->size);
    if (message)
        snprintf(message, 512, "%s", yk_reader_error(r));
    yk_reader_close(r);
    free(buffer);
    return (int)got;
}

static void expect_error(const bytes *stored, int code, const char *words)
{
    bytes out = { 0 };
    char message[512];
    int got = read_bytes(stored, &out, 1000, message);
    if (got != code || !strstr(message, words))
        print_error("%d: %s\n", got, message);
    assert_int_equal(got, code);
    assert_non_null(strstr(message, words));
    bytes_free(&out);
}

static void expect_text(const bytes *stored, const bytes *text)
{
    for (size_t piece = 1; piece <= (size_t)4 << 20; piece *= 64) {
        if (text->size / piece > 100000)
            continue;
        bytes out = { 0 };
        assert_int_equal(read_bytes(stored, &out, piece, NULL), 0);
        assert_true(bytes_same(&out, text));
        bytes_free(&out);
    }
}

/* ---- damage ---- */

/* Cut short or with one byte changed: never accepted with another text, whatever is read before
 * the damage is found. Of a packing's first bytes, a file without them is plain text. */
static void check_damage(const bytes *stored, const bytes *text, size_t magic)
{
    for (size_t at = magic; at < stored->size; at += 97) {
        bytes cut = { .data = stored->data, .size = at }, out = { 0 };
        assert_int_equal(read_bytes(&cut, &out, 1 << 20, NULL), YK_ETRUNCATED);
        assert_true(out.size <= text->size);
        assert_true(out.size == 0 || memcmp(out.data, text->data, out.size) == 0);
        bytes_free(&out);
        for (int flip = 1; flip < 256; flip *= 16) {
            stored->data[at] = (char)(stored->data[at] ^ flip);
            int got = read_bytes(stored, &out, 1 << 20, NULL);
            bool accepted = got == 0 && bytes_same(&out, text); /* a byte without meaning */
            assert_true(accepted || got == YK_ECORRUPT || got == YK_ETRUNCATED ||
                        got == UV_ENOTSUP);
            stored->data[at] = (char)(stored->data[at] ^ flip);
            bytes_free(&out);
        }
    }
}

static void test_gzip_cut_or_changed_anywhere_is_refused(void **state)
{
    (void)state;
    bytes text = { 0 }, stored = { 0 };
    add_rows(&text, 8, 3000);
    add_gzip(&stored, text.data, text.size / 2);
    add_gzip(&stored, text.data + text.size / 2, text.size - text.size / 2);
    check_damage(&stored, &text, 3);
    bytes_free(&text);
    bytes_free(&stored);
}

static void test_zstd_cut_or_changed_anywhere_is_refused(void **state)
{
    (void)state;
    bytes text = { 0 }, stored = { 0 };
    add_rows(&text, 9, 3000);
    add_zstd(&stored, text.data, text.size, true);
    check_damage(&stored, &text, 5);
    bytes_free(&text);
    bytes_free(&stored);
}

static void test_each_damage_has_its_words(void **state)
{
    (void)state;
    bytes text = { 0 }, b = { 0 };
    add_rows(&text, 10, 2000);
    add_gzip(&b, text.data, text.size);
    b.data[b.size - 6] ^= 1; /* the checksum */
    expect_error(&b, YK_ECORRUPT, "damaged gzip data near byte");
    b.data[b.size - 6] ^= 1;
    b.data[b.size - 2] ^= 1; /* the length */
    expect_error(&b, YK_ECORRUPT, "damaged gzip data near byte");
    b.data[b.size - 2] ^= 1;
    b.data[2] = 7; /* the method */
    expect_error(&b, YK_ECORRUPT, "damaged gzip data near byte");
    b.data[2] = 8;
    size_t whole = b.size;
    b.size = 2;
    expect_error(&b, YK_ETRUNCATED, "gzip data ends in the middle, at byte 2");
    b.size = whole - 1;
    expect_error(&b, YK_ETRUNCATED, "gzip data ends in the middle");
    b.size = whole;
    bytes_text(&b, "plain text");
    expect_error(&b, YK_ECORRUPT, "something that is not gzip follows at byte");
    b.size = whole;
    bytes_add(&b, "\0\0\0x", 4);
    expect_error(&b, YK_ECORRUPT, "something that is not gzip follows at byte");
    b.size = 0;
    add_zstd(&b, text.data, text.size, true);
    b.data[b.size - 1] ^= 1;
    expect_error(&b, YK_ECORRUPT, "damaged zstd data near byte");
    b.data[b.size - 1] ^= 1;
    bytes_text(&b, "plain text");
    expect_error(&b, YK_ECORRUPT, "something that is not zstd follows at byte");
    bytes_free(&text);
    bytes_free(&b);
}

static void test_what_comes_before_the_damage_is_handed_out(void **state)
{
    (void)state;
    bytes text = { 0 }, stored = { 0 }, out = { 0 };
    add_rows(&text, 10, 20000);
    size_t half = text.size / 2;
    add_zstd(&stored, text.data, half, true);
    size_t first = stored.size;
    add_zstd(&stored, text.data + half, text.size - half, true);
    stored.size = first + 100;
    assert_int_equal(read_bytes(&stored, &out, 1 << 22, NULL), YK_ETRUNCATED);
    assert_true(out.size >= half);
    assert_memory_equal(out.data, text.data, out.size);
    bytes_free(&text);
    bytes_free(&stored);
    bytes_free(&out);
}

static void test_a_window_too_large_is_told(void **state)
{
    (void)state;
    static const uint8_t header[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 1, 0, 0 }; /* 2 GiB */
    bytes b = { 0 };
    bytes_add(&b, header, sizeof header);
    expect_error(&b, UV_ENOTSUP, "window of more than 128 MiB");
    bytes_free(&b);
}

/* ---- whole ---- */

static void test_members_and_frames_are_one_text(void **state)
{
    (void)state;
    bytes text = { 0 }, gzip = { 0 }, zstd = { 0 };
    add_rows(&text, 14, 20000);
    uint64_t seed = 14;
    for (size_t at = 0; at < text.size;) {
        size_t size = (size_t)below(&seed, 40000);
        size = size < text.size - at ? size : text.size - at;
        add_gzip(&gzip, text.data + at, size);
        add_zstd(&zstd, text.data + at, size, below(&seed, 2));
        if (below(&seed, 3) == 0) {
            add_gzip(&gzip, "", 0);
            add_zstd(&zstd, "", 0, below(&seed, 2));
            add_skippable(&zstd, (size_t)below(&seed, 300));
        }
        at += size;
    }
    expect_text(&gzip, &text);
    expect_text(&zstd, &text);
    bytes_add(&gzip, "\0\0\0\0\0\0\0\0\0\0\0", 11); /* padding */
    expect_text(&gzip, &text);
    bytes_free(&text);
    bytes_free(&gzip);
    bytes_free(&zstd);
}

static void test_a_member_for_each_byte(void **state)
{
    (void)state;
    bytes text = { 0 }, gzip = { 0 }, zstd = { 0 };
    add_rows(&text, 15, 200);
    for (size_t at = 0; at < text.size; at++) {
        add_gzip(&gzip, text.data + at, 1);
        add_zstd(&zstd, text.data + at, 1, true);
    }
    expect_text(&gzip, &text);
    expect_text(&zstd, &text);
    bytes_free(&text);
    bytes_free(&gzip);
    bytes_free(&zstd);
}

static void test_a_gzip_header_with_everything(void **state)
{
    (void)state;
    bytes text = { 0 }, plain = { 0 }, stored = { 0 };
    add_rows(&text, 16, 100);
    add_gzip(&plain, text.data, text.size);
    bytes_add(&stored, plain.data, 10);
    stored.data[3] = 4 | 8 | 16; /* extra field, name, comment */
    bytes_add(&stored, "\x05\0extra", 7);
    bytes_add(&stored, "name\0a comment", 15);
    bytes_add(&stored, plain.data + 10, plain.size - 10);
    expect_text(&stored, &text);
    bytes_free(&text);
    bytes_free(&plain);
    bytes_free(&stored);
}

static void test_compressible_and_random_bytes(void **state)
{
    (void)state;
    bytes text = { 0 }, gzip = { 0 }, zstd = { 0 };
    uint64_t seed = 17;
    size_t size = (size_t)3 << 20;
    char *zeros = calloc(1, size);
    bytes_add(&text, zeros, size);
    for (size_t i = 0; i < size / 8; i++) {
        uint64_t r = next_random(&seed);
        bytes_add(&text, &r, 8);
    }
    add_gzip(&gzip, text.data, text.size);
    add_zstd(&zstd, text.data, text.size, true);
    expect_text(&gzip, &text);
    expect_text(&zstd, &text);
    free(zeros);
    bytes_free(&text);
    bytes_free(&gzip);
    bytes_free(&zstd);
}

static void test_packings_are_told_by_content(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        yk_packing packing;
    } cases[] = {
        { "", 0, YK_PLAIN },
        { "\x1f", 1, YK_PLAIN },
        { "\x1f\x8b", 2, YK_GZIP },
        { "\x28\xb5\x2f", 3, YK_PLAIN },
        { "\x28\xb5\x2f\xfd", 4, YK_ZSTD },
        { "\x50\x2a\x4d\x18", 4, YK_ZSTD },
        { "\x5f\x2a\x4d\x18", 4, YK_ZSTD },
        { "\x60\x2a\x4d\x18", 4, YK_PLAIN },
        { "word\t1999\t1\t1\n", 14, YK_PLAIN },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes b = { (char *)cases[i].bytes, cases[i].size, 0 };
        yk_input *in;
        assert_int_equal(yk_input_open(&in, make_file("liar.gz", &b)), 0);
        assert_int_equal(yk_input_about(in)->packing, cases[i].packing);
        yk_input_close(in);
    }
    assert_string_equal(yk_packing_name(YK_GZIP), "gzip");
    assert_string_equal(yk_packing_name((yk_packing)77), "unknown");
}

static int use_zlib(void **state)
{
    yk__gunzip = &yk__gunzip_zlib;
    return files_setup(state);
}

#ifdef YOKE_HAVE_ISAL
static int use_isal(void **state)
{
    yk__gunzip = &yk__gunzip_isal;
    return files_setup(state);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gzip_cut_or_changed_anywhere_is_refused),
        cmocka_unit_test(test_zstd_cut_or_changed_anywhere_is_refused),
        cmocka_unit_test(test_each_damage_has_its_words),
        cmocka_unit_test(test_what_comes_before_the_damage_is_handed_out),
        cmocka_unit_test(test_a_window_too_large_is_told),
        cmocka_unit_test(test_members_and_frames_are_one_text),
        cmocka_unit_test(test_a_member_for_each_byte),
        cmocka_unit_test(test_a_gzip_header_with_everything),
        cmocka_unit_test(test_compressible_and_random_bytes),
        cmocka_unit_test(test_packings_are_told_by_content),
    };
    int failed = cmocka_run_group_tests_name("data/packed, zlib", tests, use_zlib, files_teardown);
#ifdef YOKE_HAVE_ISAL
    failed += cmocka_run_group_tests_name("data/packed, isa-l", tests, use_isal, files_teardown);
#endif
    return failed;
}
