/* tests/data/test_read_ahead.c - gzip whose stored bytes a thread reads ahead. */
#include "data/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "data/input.h"
#include "data/reader.h"
#include "executor/error.h"

static uint64_t seed = 41;

/* Bytes that hardly become less by packing. */
static void add_noise(bytes *b, size_t size)
{
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = next_random(&seed);
        bytes_add(b, &word, size - i < 8 ? size - i : 8);
    }
}

/* Members whose first ends so that the next begins `before` bytes before the end of a block, which
 * is counted from byte `first` of the file; several blocks in all. */
static void make_members(bytes *stored, bytes *text, size_t first, size_t before)
{
    size_t wanted = first + YK__IN_SIZE - before, size = wanted - stored->size;
    bytes member = { 0 }, noise = { 0 };
    add_noise(&noise, size);
    for (int tries = 0; tries < 100 && stored->size + member.size != wanted; tries++) {
        if (member.size)
            size = size + wanted - stored->size - member.size;
        member.size = 0;
        add_gzip(&member, noise.data, size);
    }
    assert_int_equal(stored->size + member.size, wanted);
    bytes_add(stored, member.data, member.size);
    bytes_add(text, noise.data, size);
    for (int i = 0; i < 3; i++) {
        size_t begin = text->size;
        add_noise(text, YK__IN_SIZE - 100 * (size_t)i);
        add_gzip(stored, text->data + begin, text->size - begin);
    }
    bytes_free(&member);
    bytes_free(&noise);
}

/* Reads on to the end, ahead or not, and appends the text. */
static int64_t read_rest(yk_reader *r, bytes *out)
{
    static char buffer[300000];
    int64_t got;
    while ((got = yk_reader_read(r, buffer, sizeof buffer)) > 0)
        bytes_add(out, buffer, (size_t)got);
    return got;
}

static int read_file(const char *path, size_t from, bool ahead, bytes *out, char *message)
{
    yk_reader *r;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && lseek(fd, (off_t)from, SEEK_SET) == (off_t)from);
    assert_int_equal(yk_reader_open_fd(&r, fd, "some file"), 0);
    if (ahead) {
        assert_int_equal(yk_reader_read_ahead(r), 0);
        assert_non_null(r->ahead);
        assert_int_equal(yk_reader_read_ahead(r), 0);
    }
    int64_t got = read_rest(r, out);
    snprintf(message, 512, "%s", yk_reader_error(r));
    if (got == 0)
        assert_int_equal(yk_reader_taken(r), lseek(fd, 0, SEEK_END) - (off_t)from);
    yk_reader_close(r);
    close(fd);
    return (int)got;
}

/* ---- What is whole -------------------------------------------------------------------------- */

static void test_members_that_begin_anywhere_in_a_block(void **state)
{
    (void)state;
    for (size_t from = 0; from < 2000; from += 777) {
        for (size_t before = 0; before < 3; before++) {
            bytes stored = { 0 }, text = { 0 }, out = { 0 };
            char message[512];
            add_noise(&stored, from);
            make_members(&stored, &text, from, before);
            assert_int_equal(read_file(make_file("members", &stored), from, true, &out, message),
                             0);
            assert_true(bytes_same(&out, &text));
            bytes_free(&stored);
            bytes_free(&text);
            bytes_free(&out);
        }
    }
}

static void test_what_gains_nothing_is_read_as_before(void **state)
{
    (void)state;
    bytes text = { 0 }, gzip = { 0 }, zstd = { 0 };
    add_rows(&text, 8, 3000);
    add_gzip(&gzip, text.data, text.size);
    add_zstd(&zstd, text.data, text.size, true);
    const bytes *all[] = { &text, &gzip, &zstd };
    for (int i = 0; i < 3; i++) {
        yk_reader *r;
        bytes out = { 0 };
        assert_int_equal(yk_reader_open(&r, make_file("small", all[i])), 0);
        assert_int_equal(yk_reader_read_ahead(r), 0);
        assert_null(r->ahead);
        assert_int_equal(read_rest(r, &out), 0);
        assert_true(bytes_same(&out, &text));
        yk_reader_close(r);
        bytes_free(&out);
    }
    bytes_free(&text);
    bytes_free(&gzip);
    bytes_free(&zstd);
}

static void test_closed_at_any_time(void **state)
{
    (void)state;
    bytes stored = { 0 }, text = { 0 };
    make_members(&stored, &text, 0, 1);
    const char *path = make_file("closed", &stored);
    char *buffer = malloc(text.size);
    for (size_t size = 0; size < text.size; size += text.size / 7) {
        yk_reader *r;
        assert_int_equal(yk_reader_open(&r, path), 0);
        assert_int_equal(yk_reader_read_ahead(r), 0);
        assert_int_equal(yk_reader_read(r, buffer, size), size);
        assert_memory_equal(buffer, text.data, size);
        yk_reader_close(r);
    }
    free(buffer);
    bytes_free(&stored);
    bytes_free(&text);
}

/* ---- What is not ---------------------------------------------------------------------------- */

static void test_the_same_errors_as_without(void **state)
{
    (void)state;
    bytes stored = { 0 }, text = { 0 };
    make_members(&stored, &text, 0, 1);
    size_t whole = stored.size;
    for (size_t cut = 1; cut <= whole / 2; cut *= 40) {
        for (int flip = 0; flip < 2; flip++) {
            bytes with = { 0 }, without = { 0 };
            char said[512], other[512];
            if (flip)
                stored.data[whole - cut] ^= 8;
            else
                stored.size = whole - cut;
            const char *path = make_file("damaged", &stored);
            int code = read_file(path, 0, true, &with, said);
            assert_int_equal(code, read_file(path, 0, false, &without, other));
            assert_int_equal(code, flip ? YK_ECORRUPT : YK_ETRUNCATED);
            if (!flip)
                assert_string_equal(said, other);
            assert_true(bytes_same(&with, &without));
            if (flip)
                stored.data[whole - cut] ^= 8;
            stored.size = whole;
            bytes_free(&with);
            bytes_free(&without);
        }
    }
    bytes_free(&stored);
    bytes_free(&text);
}

/* Before the thread begins: who reads while a file is cut may see zeros where it was. */
static void test_a_file_that_becomes_shorter(void **state)
{
    (void)state;
    bytes stored = { 0 }, text = { 0 }, out = { 0 };
    make_members(&stored, &text, 0, 1);
    const char *path = make_file("shorter", &stored);
    yk_reader *r;
    assert_int_equal(yk_reader_open(&r, path), 0);
    assert_int_equal(truncate(path, (off_t)(YK__IN_SIZE * 3 / 2)), 0);
    assert_int_equal(yk_reader_read_ahead(r), 0);
    assert_non_null(r->ahead);
    assert_int_equal(read_rest(r, &out), UV_EIO);
    assert_non_null(strstr(yk_reader_error(r), "cannot be read at byte"));
    assert_non_null(strstr(yk_reader_error(r), "did it become shorter?"));
    assert_int_equal(yk_reader_read(r, &(char){ 0 }, 1), UV_EIO);
    assert_true(out.size > 0 && memcmp(out.data, text.data, out.size) == 0);
    yk_reader_close(r);
    bytes_free(&stored);
    bytes_free(&text);
    bytes_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_that_begin_anywhere_in_a_block),
        cmocka_unit_test(test_what_gains_nothing_is_read_as_before),
        cmocka_unit_test(test_closed_at_any_time),
        cmocka_unit_test(test_the_same_errors_as_without),
        cmocka_unit_test(test_a_file_that_becomes_shorter),
    };
    return cmocka_run_group_tests_name("data/read_ahead", tests, files_setup, files_teardown);
}
