/* tests/data/test_blocks.c - however a file is cut, each record comes out exactly once. */
#include "data/files.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "data/input.h"
#include "executor/error.h"

/* ---- failure ---- */

static void expect_open_error(const char *path, int code)
{
    yk_blocks *b = yk_blocks_new();
    yk_block block;
    assert_int_equal(yk_blocks_open(b, path, NULL), code);
    assert_non_null(strstr(yk_blocks_error(b), path));
    assert_int_equal(yk_blocks_next(b, &block), code);
    yk_blocks_free(b);
}

static void test_what_cannot_be_opened(void **state)
{
    (void)state;
    expect_open_error(temp_path("missing"), UV_ENOENT);
    expect_open_error(temp_path("."), UV_EISDIR);
    yk_blocks *b = yk_blocks_new();
    assert_int_equal(yk_blocks_open_fd(b, -1, "nothing", NULL), UV_EBADF);
    yk_blocks_free(b);
    yk_blocks_free(NULL);
}

static yk_range only_range(const char *path)
{
    yk_input *in;
    yk_range *ranges;
    size_t count;
    assert_int_equal(yk_input_open(&in, path), 0);
    assert_int_equal(yk_input_ranges(in, UINT64_MAX, &ranges, &count), 0);
    assert_int_equal(count, 1);
    yk_range range = ranges[0];
    free(ranges);
    yk_input_close(in);
    return range;
}

static void test_a_file_that_was_replaced_is_refused(void **state)
{
    (void)state;
    bytes b = { 0 };
    bytes_text(&b, "one\ntwo\n");
    const char *path = make_file("replaced", &b), *other = make_file("other", &b);
    yk_range range = only_range(path);
    assert_int_equal(rename(other, path), 0);
    yk_blocks *blocks = yk_blocks_new();
    assert_int_equal(yk_blocks_open(blocks, path, &range), UV_EIO);
    assert_non_null(strstr(yk_blocks_error(blocks), "replaced"));
    yk_blocks_free(blocks);
    bytes_free(&b);
}

static void test_a_file_that_became_shorter_is_an_error(void **state)
{
    (void)state;
    bytes b = { 0 };
    add_rows(&b, 3, 200000);
    const char *path = make_file("shrinks", &b);
    yk_range range = only_range(path);
    yk_blocks *blocks = yk_blocks_new();
    yk_block block;
    assert_int_equal(yk_blocks_open(blocks, path, &range), 0);
    assert_int_equal(yk_blocks_next(blocks, &block), 1);
    assert_int_equal(truncate(path, (off_t)b.size / 2), 0); /* while it is read */
    int got;
    while ((got = yk_blocks_next(blocks, &block)) > 0)
        ;
    assert_int_equal(got, UV_EIO);
    assert_int_equal(yk_blocks_next(blocks, &block), UV_EIO);
    assert_int_equal(yk_blocks_open(blocks, path, &range), UV_EIO); /* and before */
    yk_blocks_free(blocks);
    bytes_free(&b);
}

static void test_what_was_appended_later_is_left_out(void **state)
{
    (void)state;
    bytes b = { 0 };
    bytes_text(&b, "one\ntwo\n");
    const char *path = make_file("grows", &b);
    yk_range range = only_range(path);
    FILE *f = fopen(path, "ab");
    fputs("three\n", f);
    fclose(f);
    yk_blocks *blocks = yk_blocks_new();
    yk_block block;
    assert_int_equal(yk_blocks_open(blocks, path, &range), 0);
    assert_int_equal(yk_blocks_next(blocks, &block), 1);
    assert_int_equal(block.end - block.begin, 8);
    assert_int_equal(yk_blocks_next(blocks, &block), 0);
    yk_blocks_free(blocks);
    bytes_free(&b);
}

static void test_a_record_without_end_is_refused(void **state)
{
    (void)state;
    bytes packed = { 0 };
    size_t size = (size_t)64 << 20;
    char *zeros = calloc(1, size);
    for (size_t i = 0; i < YK_RECORD_MAX / size + 1; i++)
        add_zstd(&packed, zeros, size, true); /* some 300 MB of text in a few KB */
    free(zeros);
    const char *path = make_file("endless", &packed);
    yk_blocks *blocks = yk_blocks_new();
    yk_block block;
    assert_int_equal(yk_blocks_open(blocks, path, NULL), 0);
    assert_int_equal(yk_blocks_next(blocks, &block), YK_EFORMAT);
    assert_non_null(strstr(yk_blocks_error(blocks), "256 MiB"));
    yk_blocks_free(blocks);
    bytes_free(&packed);
}

/* ---- each record once ---- */

/* Appends all blocks of a range, after checks of their form and place. */
static void read_range(yk_blocks *blocks, const char *path, const yk_range *range, bytes *out,
                       uint64_t *text)
{
    yk_block block;
    int got;
    uint64_t expected = UINT64_MAX;
    assert_int_equal(yk_blocks_open(blocks, path, range), 0);
    while ((got = yk_blocks_next(blocks, &block)) > 0) {
        assert_true(block.end > block.begin);
        assert_true(expected == UINT64_MAX || block.offset == expected);
        expected = block.offset + (uint64_t)(block.end - block.begin);
        if (range)
            assert_int_equal(*text + block.offset, out->size); /* where it is in the whole text */
        bytes_add(out, block.begin, (size_t)(block.end - block.begin));
    }
    if (got < 0)
        print_error("%s\n", yk_blocks_error(blocks));
    assert_int_equal(got, 0);
    assert_string_equal(yk_blocks_error(blocks), "");
    *text += yk_blocks_text(blocks);
    if (range) {
        assert_int_equal(yk_blocks_taken(blocks), range->end - range->begin);
        if (range->content != YK_SIZE_UNKNOWN)
            assert_int_equal(yk_blocks_text(blocks), range->content);
    }
}

/* The file at `path`, cut at `target`, gives `text` again; returns the number of ranges. */
static size_t check_cut(const char *path, uint64_t target, const bytes *text)
{
    yk_input *in;
    yk_range *ranges;
    size_t count;
    bytes out = { 0 };
    uint64_t total = 0;
    yk_blocks *blocks = yk_blocks_new();
    assert_int_equal(yk_input_open(&in, path), 0);
    assert_int_equal(yk_input_ranges(in, target, &ranges, &count), 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(ranges[i].first, i == 0);
        assert_int_equal(ranges[i].begin, i ? ranges[i - 1].end : 0);
        read_range(blocks, path, &ranges[i], &out, &total);
    }
    if (count)
        assert_int_equal(ranges[count - 1].end, yk_input_about(in)->size);
    assert_int_equal(total, text->size);
    assert_true(bytes_same(&out, text));
    free(ranges);
    yk_input_close(in);
    yk_blocks_free(blocks);
    bytes_free(&out);
    return count;
}

/* Records of 0 to `longest` bytes; the last one perhaps without an LF. */
static bytes random_records(uint64_t seed, size_t size, unsigned longest)
{
    bytes b = { 0 };
    while (b.size < size) {
        uint64_t length = below(&seed, longest + 1);
        for (uint64_t i = 0; i < length; i++) {
            char c = (char)(next_random(&seed) >> 32);
            bytes_add(&b, c == '\n' ? "x" : &c, 1);
        }
        bytes_add(&b, "\n", 1);
    }
    if (below(&seed, 2))
        bytes_text(&b, "no line end");
    return b;
}

static bytes random_frames(const bytes *text, uint64_t seed, uint64_t largest)
{
    bytes packed = { 0 };
    for (size_t at = 0; at < text->size;) {
        size_t size = (size_t)below(&seed, largest + 1); /* also frames without text */
        size = size < text->size - at ? size : text->size - at;
        if (below(&seed, 4) == 0)
            add_bare_zstd(&packed, text->data + at, size);
        else
            add_zstd(&packed, text->data + at, size, below(&seed, 4) > 0);
        if (below(&seed, 5) == 0)
            add_skippable(&packed, (size_t)below(&seed, 50));
        at += size;
    }
    return packed;
}

static void test_plain_files_cut_anywhere(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        uint64_t random = seed;
        bytes text = random_records(seed, 1 + (size_t)below(&random, 200000),
                                    (unsigned)(1 + below(&random, seed % 3 ? 100 : 20000)));
        text.data[0] = 'x'; /* no packing's first byte */
        const char *path = make_file("plain", &text);
        for (uint64_t target = 1024; target <= 65536; target *= 4)
            check_cut(path, target + below(&random, target), &text);
        bytes_free(&text);
    }
}

static void test_plain_files_cut_after_each_byte(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "a\nbb\n\nccc\nd", "\n", "\n\n\n", "a", "a\n", "long record over many ranges\nx\n"
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bytes text = { 0 };
        bytes_text(&text, texts[i]);
        const char *path = make_file("tiny", &text);
        for (uint64_t target = 1; target < 6; target++)
            check_cut(path, target, &text);
        assert_int_equal(check_cut(path, 1, &text), text.size);
        bytes_free(&text);
    }
}

static void test_zstd_frames_cut_anywhere(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        uint64_t random = seed;
        bytes text = random_records(seed, 1 + (size_t)below(&random, 200000),
                                    (unsigned)(1 + below(&random, seed % 3 ? 100 : 20000)));
        bytes packed = random_frames(&text, seed, 1 + below(&random, 30000));
        const char *path = make_file("frames", &packed);
        for (uint64_t target = 1; target <= 65536; target *= 16)
            check_cut(path, target + below(&random, target), &text);
        if (packed.size > 60000)
            assert_true(check_cut(path, 1, &text) > 1);
        bytes_free(&text);
        bytes_free(&packed);
    }
}

static void test_large_frames_and_blocks(void **state)
{
    (void)state;
    bytes text = { 0 }, packed = { 0 };
    add_rows(&text, 5, 400000); /* some 12 MB */
    size_t at = 0, sizes[] = { 3 << 20, 1 << 20, (1 << 20) + 77, 5 << 20, 100 };
    for (unsigned i = 0; at < text.size; i = (i + 1) % 5) {
        size_t size = sizes[i] < text.size - at ? sizes[i] : text.size - at;
        add_zstd(&packed, text.data + at, size, i != 0);
        at += size;
    }
    const char *path = make_file("large", &packed);
    check_cut(path, 1, &text);
    check_cut(path, 2 << 20, &text);
    check_cut(make_file("large-plain", &text), 3000000, &text);
    bytes_free(&text);
    bytes_free(&packed);
}

static void test_a_record_of_ten_megabytes(void **state)
{
    (void)state;
    bytes text = { 0 }, frames = { 0 }, one = { 0 }, gzip = { 0 };
    bytes_text(&text, "before\n");
    size_t size = (size_t)10 << 20;
    char *record = malloc(size);
    memset(record, 'r', size);
    bytes_add(&text, record, size);
    bytes_text(&text, "\nafter\n");
    for (size_t at = 0; at < text.size; at += 300000)
        add_zstd(&frames, text.data + at, text.size - at < 300000 ? text.size - at : 300000, true);
    add_zstd(&one, text.data, text.size, true);
    add_gzip(&gzip, text.data, text.size);
    assert_true(check_cut(make_file("ten", &text), 1 << 20, &text) >= 10);
    assert_true(check_cut(make_file("ten.frames", &frames), 1 << 20, &text) >= 10);
    assert_int_equal(check_cut(make_file("ten.one", &one), 1 << 20, &text), 1);
    assert_int_equal(check_cut(make_file("ten.gzip", &gzip), 1 << 20, &text), 1);
    free(record);
    bytes_free(&text);
    bytes_free(&frames);
    bytes_free(&one);
    bytes_free(&gzip);
}

static void test_empty_files_of_every_kind(void **state)
{
    (void)state;
    bytes text = { 0 }, packed = { 0 };
    assert_int_equal(check_cut(make_file("empty", &text), 0, &text), 0);
    add_gzip(&packed, "", 0);
    check_cut(make_file("empty.gz", &packed), 0, &text);
    add_gzip(&packed, "", 0);
    check_cut(make_file("empty2.gz", &packed), 0, &text);
    bytes_free(&packed);
    add_zstd(&packed, "", 0, true);
    check_cut(make_file("empty.zst", &packed), 0, &text);
    add_zstd(&packed, "", 0, false);
    add_skippable(&packed, 9);
    check_cut(make_file("empty2.zst", &packed), 1, &text);
    bytes_free(&packed);
    add_skippable(&packed, 0);
    check_cut(make_file("skip.zst", &packed), 1, &text);
    bytes_free(&packed);
}

/* ---- descriptors, pipes, threads, processes ---- */

static void test_many_readers_share_one_descriptor(void **state)
{
    (void)state;
    bytes text = { 0 }, out = { 0 };
    add_rows(&text, 11, 5000);
    const char *path = make_file("shared", &text);
    int fd = open(path, O_RDONLY);
    yk_input *in;
    yk_range *ranges;
    size_t count;
    assert_int_equal(yk_input_open_fd(&in, fd, "shared"), 0);
    assert_int_equal(yk_input_ranges(in, 40000, &ranges, &count), 0);
    assert_true(count > 2);
    yk_blocks *readers[64];
    for (size_t i = 0; i < count; i++) { /* all open at once */
        readers[i] = yk_blocks_new();
        assert_int_equal(yk_blocks_open_fd(readers[i], fd, "shared", &ranges[i]), 0);
    }
    for (size_t i = 0; i < count; i++) {
        yk_block block;
        while (yk_blocks_next(readers[i], &block) > 0)
            bytes_add(&out, block.begin, (size_t)(block.end - block.begin));
        yk_blocks_free(readers[i]);
    }
    assert_true(bytes_same(&out, &text));
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
    free(ranges);
    yk_input_close(in);
    assert_int_equal(close(fd), 0); /* it was the caller's */
    bytes_free(&text);
    bytes_free(&out);
}

static void test_a_descriptor_is_read_from_its_offset(void **state)
{
    (void)state;
    bytes text = { 0 }, out = { 0 };
    bytes_text(&text, "head\nfirst\nsecond\nthird\n");
    int fd = open(make_file("offset", &text), O_RDONLY);
    assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
    yk_input *in;
    yk_range *ranges;
    size_t count;
    assert_int_equal(yk_input_open_fd(&in, fd, "offset"), 0);
    assert_int_equal(yk_input_about(in)->size, text.size - 5);
    assert_int_equal(yk_input_ranges(in, 4, &ranges, &count), 0);
    yk_blocks *b = yk_blocks_new();
    yk_block block;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(yk_blocks_open_fd(b, fd, "offset", &ranges[i]), 0);
        while (yk_blocks_next(b, &block) > 0)
            bytes_add(&out, block.begin, (size_t)(block.end - block.begin));
    }
    bytes_add(&out, "", 1);
    assert_string_equal(out.data, "first\nsecond\nthird\n");
    uint64_t byte, line;
    assert_int_equal(yk_input_locate(in, &ranges[0], 6, &byte, &line, NULL, 0), 0);
    assert_int_equal(byte, 6);
    assert_int_equal(line, 2);
    free(ranges);
    yk_blocks_free(b);
    yk_input_close(in);
    close(fd);
    bytes_free(&text);
    bytes_free(&out);
}

typedef struct writer {
    int fd;
    const bytes *data;
} writer;

static void *write_slowly(void *arg)
{
    writer *w = arg;
    uint64_t seed = 4;
    for (size_t at = 0; at < w->data->size;) {
        size_t size = 1 + (size_t)below(&seed, 5000);
        size = size < w->data->size - at ? size : w->data->size - at;
        ssize_t put = write(w->fd, w->data->data + at, size);
        if (put < 0)
            break;
        at += (size_t)put;
    }
    close(w->fd);
    return NULL;
}

static void check_pipe(const bytes *stored, const bytes *text, yk_packing packing, int flags)
{
    int ends[2];
    assert_int_equal(pipe2(ends, flags), 0);
    if (flags & O_NONBLOCK) /* only the reader's end */
        assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
    yk_input *in;
    yk_range *ranges;
    size_t count;
    assert_int_equal(yk_input_open_fd(&in, ends[0], "a pipe"), 0);
    assert_int_equal(yk_input_about(in)->packing, YK_UNKNOWN);
    assert_true(yk_input_about(in)->size == YK_SIZE_UNKNOWN);
    assert_false(yk_input_about(in)->splittable);
    assert_int_equal(yk_input_ranges(in, 100, &ranges, &count), 0);
    assert_int_equal(count, 1);
    char message[200];
    assert_int_equal(yk_input_locate(in, ranges, 0, NULL, NULL, message, sizeof message),
                     UV_ESPIPE);
    pthread_t thread;
    writer w = { ends[1], stored };
    assert_int_equal(pthread_create(&thread, NULL, write_slowly, &w), 0);
    yk_blocks *b = yk_blocks_new();
    yk_block block;
    bytes out = { 0 };
    assert_int_equal(yk_blocks_open_fd(b, yk_input_fd(in), "a pipe", ranges), 0);
    assert_int_equal(yk_blocks_packing(b), packing);
    while (yk_blocks_next(b, &block) > 0)
        bytes_add(&out, block.begin, (size_t)(block.end - block.begin));
    assert_string_equal(yk_blocks_error(b), "");
    assert_int_equal(yk_blocks_taken(b), stored->size);
    assert_true(bytes_same(&out, text));
    pthread_join(thread, NULL);
    yk_blocks_free(b);
    yk_input_close(in);
    close(ends[0]);
    free(ranges);
    bytes_free(&out);
}

static void test_pipes_of_every_packing(void **state)
{
    (void)state;
    bytes text = { 0 }, gzip = { 0 }, zstd = { 0 }, none = { 0 };
    add_rows(&text, 12, 60000);
    add_gzip(&gzip, text.data, text.size);
    add_zstd(&zstd, text.data, 70000, true);
    add_zstd(&zstd, text.data + 70000, text.size - 70000, true);
    check_pipe(&text, &text, YK_PLAIN, 0);
    check_pipe(&gzip, &text, YK_GZIP, 0);
    check_pipe(&zstd, &text, YK_ZSTD, O_NONBLOCK);
    check_pipe(&none, &none, YK_PLAIN, 0);
    bytes_free(&text);
    bytes_free(&gzip);
    bytes_free(&zstd);
}

typedef struct share {
    const char *path;
    const yk_range *ranges;
    size_t count, from;
    uint64_t lines, hash;
} share;

static void *read_share(void *arg)
{
    share *s = arg;
    yk_blocks *b = yk_blocks_new();
    yk_block block;
    for (size_t i = s->from; i < s->count; i += 2) {
        if (yk_blocks_open(b, s->path, &s->ranges[i]) < 0)
            break;
        while (yk_blocks_next(b, &block) > 0) {
            s->lines += yk_count_lines(block.begin, block.end);
            for (const char *p = block.begin; p < block.end; p++)
                s->hash += (uint8_t)*p;
        }
    }
    yk_blocks_free(b);
    return NULL;
}

static void test_two_threads_and_two_processes_share_the_ranges(void **state)
{
    (void)state;
    bytes text = { 0 };
    add_rows(&text, 21, 30000);
    bytes packed = random_frames(&text, 21, 60000);
    const char *path = make_file("work", &packed);
    yk_input *in;
    yk_range *ranges;
    size_t count;
    assert_int_equal(yk_input_open(&in, path), 0);
    assert_int_equal(yk_input_ranges(in, 50000, &ranges, &count), 0);
    yk_input_close(in);
    share shares[2] = { { path, ranges, count, 0, 0, 0 }, { path, ranges, count, 1, 0, 0 } };
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_share, &shares[i]), 0);
    uint64_t hash = 0;
    for (size_t i = 0; i < text.size; i++)
        hash += (uint8_t)text.data[i];
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shares[0].lines + shares[1].lines, 30000);
    assert_int_equal(shares[0].hash + shares[1].hash, hash);
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            share mine = { path, ranges, count, (size_t)i, 0, 0 };
            read_share(&mine);
            _exit(mine.lines == shares[i].lines && mine.hash == shares[i].hash ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    free(ranges);
    bytes_free(&text);
    bytes_free(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_cannot_be_opened),
        cmocka_unit_test(test_a_file_that_was_replaced_is_refused),
        cmocka_unit_test(test_a_file_that_became_shorter_is_an_error),
        cmocka_unit_test(test_what_was_appended_later_is_left_out),
        cmocka_unit_test(test_a_record_without_end_is_refused),
        cmocka_unit_test(test_plain_files_cut_anywhere),
        cmocka_unit_test(test_plain_files_cut_after_each_byte),
        cmocka_unit_test(test_zstd_frames_cut_anywhere),
        cmocka_unit_test(test_large_frames_and_blocks),
        cmocka_unit_test(test_a_record_of_ten_megabytes),
        cmocka_unit_test(test_empty_files_of_every_kind),
        cmocka_unit_test(test_many_readers_share_one_descriptor),
        cmocka_unit_test(test_a_descriptor_is_read_from_its_offset),
        cmocka_unit_test(test_pipes_of_every_packing),
        cmocka_unit_test(test_two_threads_and_two_processes_share_the_ranges),
    };
    return cmocka_run_group_tests_name("data/blocks", tests, files_setup, files_teardown);
}
