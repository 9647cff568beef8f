/* tests/data/test_input.c - what is known of a file before it is read, and finding a place again.
 */
#include "data/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "data/input.h"
#include "executor/error.h"

static void expect_open_error(const char *path, int code)
{
    yk_input *in = NULL;
    assert_int_equal(yk_input_open(&in, path), code);
    assert_null(in);
    yk_reader *reader = NULL;
    assert_int_equal(yk_reader_open(&reader, path), code);
    assert_null(reader);
}

static void test_what_cannot_be_read_is_said_before_any_work(void **state)
{
    (void)state;
    expect_open_error(temp_path("missing"), UV_ENOENT);
    expect_open_error(temp_path("."), UV_EISDIR);
    expect_open_error("", UV_ENOENT);
    bytes b = { 0 };
    bytes_text(&b, "text");
    const char *path = make_file("secret", &b);
    char inside[4200];
    snprintf(inside, sizeof inside, "%s/file", path);
    expect_open_error(inside, UV_ENOTDIR);
    assert_int_equal(chmod(path, 0), 0);
    if (geteuid() != 0) /* root may read everything */
        expect_open_error(path, UV_EACCES);
    yk_input *in = NULL;
    assert_int_equal(yk_input_open_fd(&in, -1, "none"), UV_EBADF);
    int dir = open(temp_path("."), O_RDONLY);
    assert_int_equal(yk_input_open_fd(&in, dir, "dir"), UV_EISDIR);
    close(dir);
    assert_null(in);
    yk_input_close(NULL);
    yk_reader_close(NULL);
    bytes_free(&b);
}

static yk_input_info about(const char *path)
{
    yk_input *in;
    assert_int_equal(yk_input_open(&in, path), 0);
    yk_input_info info = *yk_input_about(in);
    assert_string_equal(info.name, path);
    yk_input_close(in);
    info.name = NULL;
    return info;
}

static void test_what_is_known_of_a_file(void **state)
{
    (void)state;
    bytes text = { 0 }, one = { 0 }, two = { 0 }, gzip = { 0 }, none = { 0 };
    add_rows(&text, 1, 50);
    add_zstd(&one, text.data, text.size, true);
    add_skippable(&one, 10);
    add_zstd(&two, text.data, 100, true);
    add_zstd(&two, text.data + 100, text.size - 100, true);
    add_gzip(&gzip, text.data, text.size);
    yk_input_info info = about(make_file("plain", &text));
    assert_true(info.regular && info.splittable && info.packing == YK_PLAIN);
    assert_int_equal(info.size, text.size);
    struct stat status;
    assert_int_equal(stat(temp_path("plain"), &status), 0);
    assert_int_equal(info.device, status.st_dev);
    assert_int_equal(info.inode, status.st_ino);
    info = about(make_file("one", &one));
    assert_true(!info.splittable && info.packing == YK_ZSTD);
    info = about(make_file("two", &two));
    assert_true(info.splittable && info.packing == YK_ZSTD);
    info = about(make_file("gzip", &gzip));
    assert_true(!info.splittable && info.packing == YK_GZIP);
    info = about(make_file("none", &none));
    assert_true(info.regular && info.size == 0 && info.packing == YK_PLAIN);
    bytes_free(&text);
    bytes_free(&one);
    bytes_free(&two);
    bytes_free(&gzip);
}

static void test_ranges_have_about_the_size_asked_for(void **state)
{
    (void)state;
    bytes text = { 0 }, packed = { 0 };
    add_rows(&text, 2, 40000);
    for (size_t at = 0; at < text.size; at += 10000)
        add_zstd(&packed, text.data + at, text.size - at < 10000 ? text.size - at : 10000, true);
    const char *paths[2] = { make_file("plain", &text), make_file("zstd", &packed) };
    for (int i = 0; i < 2; i++) {
        yk_input *in;
        yk_range *ranges;
        size_t count;
        assert_int_equal(yk_input_open(&in, paths[i]), 0);
        assert_int_equal(yk_input_ranges(in, 50000, &ranges, &count), 0);
        uint64_t content = 0;
        for (size_t k = 0; k < count; k++) {
            if (k + 1 < count)
                assert_in_range(ranges[k].content, 40000, 60000);
            content += ranges[k].content;
        }
        assert_int_equal(content, text.size);
        free(ranges);
        assert_int_equal(yk_input_ranges(in, 0, &ranges, &count), 0); /* 16 MiB */
        assert_int_equal(count, 1);
        free(ranges);
        yk_input_close(in);
    }
    bytes_free(&text);
    bytes_free(&packed);
}

static void test_damage_ends_up_in_a_range(void **state)
{
    (void)state;
    bytes text = { 0 }, packed = { 0 };
    add_rows(&text, 3, 2000);
    for (int i = 0; i < 4; i++)
        add_zstd(&packed, text.data, text.size, true);
    size_t whole = packed.size;
    packed.size -= whole / 8; /* within the last frame */
    yk_input *in;
    yk_range *ranges;
    size_t count;
    const char *path = make_file("short", &packed);
    assert_int_equal(yk_input_open(&in, path), 0);
    assert_int_equal(yk_input_ranges(in, 1, &ranges, &count), 0);
    assert_in_range(count, 3, 4);
    assert_int_equal(ranges[count - 1].end, packed.size);
    assert_true(ranges[count - 1].content == YK_SIZE_UNKNOWN);
    yk_blocks *b = yk_blocks_new();
    yk_block block;
    int got = 0;
    for (size_t i = 0; i < count && got == 0; i++) {
        assert_int_equal(yk_blocks_open(b, path, &ranges[i]), 0);
        while ((got = yk_blocks_next(b, &block)) > 0)
            ;
    }
    assert_int_equal(got, YK_ETRUNCATED);
    yk_blocks_free(b);
    free(ranges);
    yk_input_close(in);
    bytes_free(&text);
    bytes_free(&packed);
}

/* ---- locating ---- */

/* Every record of the file, seen through ranges of `target`, is where it is. */
static void check_places(const char *path, uint64_t target, const bytes *text)
{
    yk_input *in;
    yk_range *ranges;
    size_t count;
    yk_blocks *b = yk_blocks_new();
    yk_block block;
    assert_int_equal(yk_input_open(&in, path), 0);
    assert_int_equal(yk_input_ranges(in, target, &ranges, &count), 0);
    uint64_t seed = target, want_byte = 0, want_line = 1;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(yk_blocks_open_fd(b, yk_input_fd(in), path, &ranges[i]), 0);
        while (yk_blocks_next(b, &block) > 0) {
            for (const char *p = block.begin; p < block.end;) {
                uint64_t byte, line;
                if (below(&seed, 20) == 0) {
                    uint64_t offset = block.offset + (uint64_t)(p - block.begin);
                    assert_int_equal(yk_input_locate(in, &ranges[i], offset, &byte, &line, NULL, 0),
                                     0);
                    assert_int_equal(byte, want_byte);
                    assert_int_equal(line, want_line);
                }
                const char *lf = memchr(p, '\n', (size_t)(block.end - p));
                want_byte += (uint64_t)(lf + 1 - p);
                want_line++;
                p = lf + 1;
            }
        }
    }
    assert_int_equal(want_byte, text->size);
    free(ranges);
    yk_blocks_free(b);
    yk_input_close(in);
}

static void test_places_are_found_again(void **state)
{
    (void)state;
    bytes text = { 0 }, frames = { 0 }, gzip = { 0 };
    add_rows(&text, 4, 1000);
    for (size_t at = 0; at < text.size; at += 3001)
        add_zstd(&frames, text.data + at, text.size - at < 3001 ? text.size - at : 3001,
                 at % 2 != 0);
    add_gzip(&gzip, text.data, text.size);
    check_places(make_file("p", &text), 5000, &text);
    check_places(make_file("z", &frames), 5000, &text);
    check_places(make_file("g", &gzip), 5000, &text);
    bytes_free(&text);
    bytes_free(&frames);
    bytes_free(&gzip);
}

static void test_a_bad_row_in_a_damaged_file_is_damage(void **state)
{
    (void)state;
    bytes text = { 0 }, gzip = { 0 };
    add_rows(&text, 5, 100000);
    add_gzip(&gzip, text.data, text.size);
    gzip.data[gzip.size - 5] ^= 1; /* rows are read before this is seen */
    yk_input *in;
    yk_range *ranges;
    size_t count;
    char message[300];
    const char *path = make_file("bad.gz", &gzip);
    assert_int_equal(yk_input_open(&in, path), 0);
    assert_int_equal(yk_input_ranges(in, 0, &ranges, &count), 0);
    uint64_t byte = 7, line = 7;
    assert_int_equal(yk_input_locate(in, ranges, 10, &byte, &line, message, sizeof message),
                     YK_ECORRUPT);
    assert_int_equal(byte, 7);
    assert_int_equal(line, 7);
    assert_non_null(strstr(message, path));
    assert_non_null(strstr(message, "damaged gzip data"));
    free(ranges);
    yk_input_close(in);
    bytes_free(&text);
    bytes_free(&gzip);
}

static void test_lines_are_counted(void **state)
{
    (void)state;
    uint64_t seed = 6;
    for (size_t size = 0; size < 10000; size = size < 70 ? size + 1 : size * 2) {
        char *p = calloc(1, size + 1);
        uint64_t want = 0;
        for (size_t i = 0; i < size; i++) {
            p[i] = below(&seed, 3) ? '\n' : (char)next_random(&seed);
            want += p[i] == '\n';
        }
        assert_int_equal(yk_count_lines(p, p + size), want);
        memset(p, '\n', size);
        assert_int_equal(yk_count_lines(p, p + size), size);
        free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_cannot_be_read_is_said_before_any_work),
        cmocka_unit_test(test_what_is_known_of_a_file),
        cmocka_unit_test(test_ranges_have_about_the_size_asked_for),
        cmocka_unit_test(test_damage_ends_up_in_a_range),
        cmocka_unit_test(test_places_are_found_again),
        cmocka_unit_test(test_a_bad_row_in_a_damaged_file_is_damage),
        cmocka_unit_test(test_lines_are_counted),
    };
    return cmocka_run_group_tests_name("data/input", tests, files_setup, files_teardown);
}
