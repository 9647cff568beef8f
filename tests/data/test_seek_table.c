/* tests/data/test_seek_table.c - the table that says where the frames are: a wrong one is found
 * out, or does no harm. */
#include "data/files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "data/input.h"
#include "data/packer.h"
#include "data/seek_table.h"
#include "executor/error.h"

/* ---- files with tables ---- */

static int write_bytes(void *arg, const void *data, size_t size)
{
    bytes_add(arg, data, size);
    return 0;
}

static bytes pack_with(const bytes *text, yk__packer_options o, yk__packed *packed)
{
    bytes out = { 0 };
    yk__packer *p;
    o.packing = o.packing ? o.packing : YK_ZSTD;
    o.threads = o.threads ? o.threads : 2;
    o.write = write_bytes;
    o.arg = &out;
    assert_int_equal(yk__packer_new(&p, &o), 0);
    for (size_t at = 0; at < text->size;) {
        size_t size = yk__packer_wanted(p);
        size = size < text->size - at ? size : text->size - at;
        char *room = yk__packer_room(p, size);
        assert_non_null(room);
        memcpy(room, text->data + at, size);
        assert_int_equal(yk__packer_wrote(p, size), 0);
        at += size;
    }
    assert_int_equal(yk__packer_finish(p, packed), 0);
    yk__packer_free(p);
    return out;
}

static bytes pack(const bytes *text, size_t chunk)
{
    return pack_with(text, (yk__packer_options){ .chunk = chunk }, NULL);
}

static int read_table(yk__seek_table **table, const bytes *file, const char **reason)
{
    int fd = open(make_file("table", file), O_RDONLY);
    int got = yk__seek_table_read(table, fd, 0, file->size, reason);
    close(fd);
    return got;
}

static uint32_t get32(const bytes *b, size_t at)
{
    uint32_t value;
    memcpy(&value, b->data + at, 4); /* the tests run on little-endian machines */
    return value;
}

static void set32(bytes *b, size_t at, uint32_t value)
{
    memcpy(b->data + at, &value, 4);
}

/* Reads the whole file in ranges of about `target` bytes of text; 0 or the first error. */
static int read_ranges(const char *path, uint64_t target, bytes *out, size_t *count)
{
    yk_input *in;
    yk_range *ranges;
    yk_block block;
    int got = 0;
    yk_blocks *blocks = yk_blocks_new();
    assert_int_equal(yk_input_open(&in, path), 0);
    assert_int_equal(yk_input_ranges(in, target, &ranges, count), 0);
    for (size_t i = 0; i < *count && got >= 0; i++) {
        assert_int_equal(yk_blocks_open(blocks, path, &ranges[i]), 0);
        while ((got = yk_blocks_next(blocks, &block)) > 0)
            bytes_add(out, block.begin, (size_t)(block.end - block.begin));
    }
    if (got < 0)
        assert_non_null(strstr(yk_blocks_error(blocks), path));
    free(ranges);
    yk_input_close(in);
    yk_blocks_free(blocks);
    return got;
}

/* ---- tables that lie ---- */

static void expect_wrong(const bytes *file, const char *what)
{
    yk__seek_table *table = NULL;
    const char *reason = NULL;
    assert_int_equal(read_table(&table, file, &reason), YK__SEEK_WRONG);
    assert_null(table);
    assert_non_null(strstr(reason, what));
}

/* Whatever was done to the table: the right text, since the frames are walked then, or an error. */
static void expect_no_harm(const bytes *file, const bytes *text)
{
    bytes out = { 0 };
    size_t count;
    int got = read_ranges(make_file("lies", file), 5000, &out, &count);
    if (got == 0)
        assert_true(bytes_same(&out, text));
    else
        assert_true(got == YK_ECORRUPT || got == YK_ETRUNCATED);
    bytes_free(&out);
}

static void test_wrong_tables_are_told_and_harmless(void **state)
{
    (void)state;
    bytes text = { 0 };
    add_rows(&text, 7, 2000);
    bytes good = pack(&text, 4096);
    size_t footer = good.size - 9, frames = get32(&good, footer);
    size_t entry = good.size - 9 - 12 * frames; /* the first */
    assert_true(frames > 5);
    const struct {
        size_t at;
        uint32_t value;
        const char *what;
    } lies[] = {
        { footer, (uint32_t)frames + 1, "" },
        { footer, (uint32_t)frames - 1, "no frame of its own" },
        { footer, 0, "no frame of its own" },
        { footer, UINT32_MAX, "more entries" },
        { footer + 1, 0x04000000, "" },
        { entry - 4, 77, "no frame of its own" },
        { entry - 8, 0, "no frame of its own" },
        { entry, UINT32_MAX, "more than the file" },
        { entry, get32(&good, entry) + 1, "no frame begins" },
        { entry, 0, "no frame begins" },
        { entry + 4, get32(&good, entry + 4) + 1, "another size" },
        { entry + 12 * (frames - 1), 20, "less than the file" },
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        bytes bad = { 0 };
        bytes_add(&bad, good.data, good.size);
        set32(&bad, lies[i].at, lies[i].value);
        expect_wrong(&bad, lies[i].what);
        expect_no_harm(&bad, &text);
        bytes_free(&bad);
    }
    bytes_free(&good);
    bytes_free(&text);
}

/* A frame that holds the bytes of another one, stored as they are: a table that names the inner
 * one passes every look at headers. */
static void test_a_frame_inside_a_frame_is_found_out(void **state)
{
    (void)state;
    bytes text = { 0 }, inner = { 0 }, file = { 0 }, table = { 0 }, out = { 0 };
    bytes_text(&text, "x\t1900\t1\t1\n");
    add_zstd(&inner, text.data, text.size, true);
    add_zstd(&file, text.data, text.size, true);
    size_t first = file.size;
    static const uint8_t raw_frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0, 0x58 };
    bytes_add(&file, raw_frame, sizeof raw_frame);
    uint32_t block = (uint32_t)inner.size << 3 | 1; /* raw, the last one */
    bytes_add(&file, &block, 3);
    size_t within = file.size;
    bytes_add(&file, inner.data, inner.size);
    yk__seek_list list = { 0 };
    yk__buffer made = { 0 };
    yk__seek_list_add(&list, &(yk__seek_entry){ (uint32_t)first, (uint32_t)text.size, 0 });
    yk__seek_list_add(&list, &(yk__seek_entry){ (uint32_t)(within - first), 0, 0 });
    yk__seek_list_add(&list, &(yk__seek_entry){ (uint32_t)inner.size, (uint32_t)text.size, 0 });
    assert_int_equal(yk__seek_list_write(&list, &made), 0);
    bytes_add(&table, file.data, file.size);
    bytes_add(&table, made.at, made.len);
    yk__seek_table *read = NULL;
    assert_int_equal(read_table(&read, &table, NULL), YK__SEEK_GOOD); /* it cannot know */
    free(read);
    size_t count;
    assert_int_equal(read_ranges(make_file("inside", &table), 1, &out, &count), YK_ECORRUPT);
    free(list.entries);
    free(made.at);
    bytes_free(&text);
    bytes_free(&inner);
    bytes_free(&file);
    bytes_free(&table);
    bytes_free(&out);
}

static void test_random_changes_do_no_harm(void **state)
{
    (void)state;
    bytes text = { 0 };
    add_rows(&text, 9, 1500);
    bytes good = pack(&text, 4096);
    uint64_t random = 11;
    size_t table = 8 + 9 + 12 * get32(&good, good.size - 9);
    for (int i = 0; i < 400; i++) {
        bytes bad = { 0 };
        bytes_add(&bad, good.data, good.size);
        for (uint64_t n = 1 + below(&random, 3); n > 0; n--)
            bad.data[bad.size - 1 - below(&random, table)] ^= (char)(1u << below(&random, 8));
        expect_no_harm(&bad, &text);
        bytes_free(&bad);
    }
    bytes_free(&good);
    bytes_free(&text);
}

/* ---- good ones ---- */

static void test_files_without_a_table(void **state)
{
    (void)state;
    bytes text = { 0 }, plain = { 0 };
    yk__seek_table *table = NULL;
    assert_int_equal(read_table(&table, &plain, NULL), YK__SEEK_NONE);
    add_rows(&text, 1, 10);
    add_zstd(&plain, text.data, text.size, true);
    assert_int_equal(read_table(&table, &plain, NULL), YK__SEEK_NONE);
    assert_null(table);
    bytes_free(&text);
    bytes_free(&plain);
}

static void test_entries_are_the_frames(void **state)
{
    (void)state;
    bytes text = { 0 };
    add_rows(&text, 3, 3000);
    yk__packed sum;
    bytes file = pack_with(&text, (yk__packer_options){ .chunk = 10000 }, &sum);
    assert_int_equal(sum.text, text.size);
    assert_int_equal(sum.stored, file.size);
    assert_int_equal(sum.rows, 3000);
    yk__seek_table *table;
    assert_int_equal(read_table(&table, &file, NULL), YK__SEEK_GOOD);
    assert_true(table->checksums);
    assert_int_equal(table->count, sum.chunks);
    size_t at = 0, place = 0;
    for (size_t i = 0; i < table->count; i++) {
        const yk__seek_entry *e = &table->entries[i];
        assert_in_range(e->content, 1, 10000);
        at += e->content;
        place += e->stored;
        assert_int_equal(text.data[at - 1], '\n'); /* the next one begins with a row */
        assert_int_equal(get32(&file, place - 4), e->checksum);
    }
    assert_int_equal(at, text.size);
    assert_int_equal(place, table->begin);
    free(table);
    bytes_free(&file);
    bytes_free(&text);
}

static void test_ranges_follow_the_table(void **state)
{
    (void)state;
    bytes text = { 0 };
    add_rows(&text, 4, 5000);
    bytes file = pack(&text, 2000);
    const char *path = make_file("ranges", &file);
    for (uint64_t target = 500; target < 500000; target *= 4) {
        bytes out = { 0 };
        size_t count;
        assert_int_equal(read_ranges(path, target, &out, &count), 0);
        assert_true(bytes_same(&out, &text));
        assert_true(target > 100000 || count > 1);
        bytes_free(&out);
    }
    bytes_free(&file);
    bytes_free(&text);
}

/* ---- the packer ---- */

static int fail_third_write(void *arg, const void *data, size_t size)
{
    (void)data, (void)size;
    int *calls = arg;
    return ++*calls > 3 ? UV_ENOSPC : 0;
}

static void test_a_failed_write_is_the_packers_error(void **state)
{
    (void)state;
    for (int packing = YK_PLAIN; packing <= YK_ZSTD; packing++) {
        int calls = 0, err = 0;
        yk__packer *p;
        yk__packer_options o = { .packing = (yk_packing)packing,
                                 .threads = 2,
                                 .chunk = 100,
                                 .write = fail_third_write,
                                 .arg = &calls };
        assert_int_equal(yk__packer_new(&p, &o), 0);
        for (int i = 0; i < 100 && !err; i++) {
            char *room = yk__packer_room(p, 60);
            assert_non_null(room);
            memset(room, '\n', 60);
            err = yk__packer_wrote(p, 60);
        }
        assert_int_equal(err, UV_ENOSPC);
        assert_int_equal(yk__packer_finish(p, NULL), UV_ENOSPC);
        yk__packer_free(p);
    }
}

static void test_the_bytes_depend_on_nothing_but_text_and_options(void **state)
{
    (void)state;
    bytes text = { 0 };
    add_rows(&text, 5, 20000);
    for (int packing = YK_PLAIN; packing <= YK_ZSTD; packing++) {
        yk__packer_options o = { .packing = (yk_packing)packing, .chunk = 30000, .threads = 1 };
        bytes one = pack_with(&text, o, NULL);
        o.threads = 7;
        bytes seven = pack_with(&text, o, NULL);
        assert_true(bytes_same(&one, &seven));
        bytes out = { 0 };
        size_t count;
        assert_int_equal(read_ranges(make_file("same", &one), 0, &out, &count), 0);
        assert_true(bytes_same(&out, &text));
        bytes_free(&out);
        bytes_free(&one);
        bytes_free(&seven);
    }
    bytes_free(&text);
}

static void test_odd_texts(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "\n", "a", "a\n", "a\nb", "\n\n\n", "a row that is longer than a chunk\nb\n"
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        for (int packing = YK_PLAIN; packing <= YK_ZSTD; packing++) {
            bytes text = { 0 }, out = { 0 };
            bytes_text(&text, texts[i]);
            bytes file = pack_with(
                &text, (yk__packer_options){ .packing = (yk_packing)packing, .chunk = 4 }, NULL);
            size_t count;
            assert_int_equal(read_ranges(make_file("odd", &file), 0, &out, &count), 0);
            assert_true(bytes_same(&out, &text));
            bytes_free(&file);
            bytes_free(&out);
            bytes_free(&text);
        }
    }
}

static void test_far_repetitions_make_it_smaller(void **state)
{
    (void)state;
    bytes text = { 0 };
    add_rows(&text, 6, 150000);
    bytes once = { 0 };
    bytes_add(&once, text.data, text.size);
    bytes_add(&text, once.data, once.size);
    yk__packer_options o = { .chunk = YK__CHUNK_MAX, .level = 1 };
    bytes near = pack_with(&text, o, NULL);
    o.far = true;
    bytes far = pack_with(&text, o, NULL), out = { 0 };
    assert_true(far.size < near.size * 2 / 3);
    size_t count;
    assert_int_equal(read_ranges(make_file("far", &far), 0, &out, &count), 0);
    assert_true(bytes_same(&out, &text));
    bytes_free(&once);
    bytes_free(&near);
    bytes_free(&far);
    bytes_free(&out);
    bytes_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_tables_are_told_and_harmless),
        cmocka_unit_test(test_a_frame_inside_a_frame_is_found_out),
        cmocka_unit_test(test_random_changes_do_no_harm),
        cmocka_unit_test(test_files_without_a_table),
        cmocka_unit_test(test_entries_are_the_frames),
        cmocka_unit_test(test_ranges_follow_the_table),
        cmocka_unit_test(test_a_failed_write_is_the_packers_error),
        cmocka_unit_test(test_the_bytes_depend_on_nothing_but_text_and_options),
        cmocka_unit_test(test_odd_texts),
        cmocka_unit_test(test_far_repetitions_make_it_smaller),
    };
    return cmocka_run_group_tests_name("data/seek_table", tests, files_setup, files_teardown);
}
