/* Tests of records that are no lines. */
#include "mapreduce/helper.h"

#include <signal.h>
#include <uv.h>
#include <zlib.h>

#include "yoke.h"

static yk_mapreduce_report report;

/* A record is a key; "!" first makes it malformed, "crash" ends its worker. */
static int map_records(yk_split *split, yk_emitter *out, void *arg)
{
    (void)arg;
    for (yk_str r; yk_split_next_record(split, &r);) {
        if (memmem(r.at, r.len, "crash", 5))
            raise(SIGKILL);
        int err = memchr(r.at, '!', r.len) ? yk_split_bad_record(split, r.at, r.len, "shouts") : 0;
        if (err)
            return err;
        yk_emit_u64(out, r, 1);
    }
    return 0;
}

/* Behind a byte with their length. */
static size_t prefixed(const char *text, size_t len, bool is_end)
{
    (void)is_end;
    size_t size = 1 + (size_t)(unsigned char)text[0];
    return size <= len ? size : 0;
}

/* Paragraphs: up to an empty line, or the end. */
static size_t paragraph(const char *text, size_t len, bool is_end)
{
    const char *end = memmem(text, len, "\n\n", 2);
    return end ? (size_t)(end + 2 - text) : is_end ? len : 0;
}

static int run(const char *const *files, yk_splitter splitter, size_t split, bool processes,
               bool skip)
{
    yk_executor *ex = processes ? yk_process_pool(.workers = 2) : yk_thread_pool(.workers = 2);
    int err =
        yk_mapreduce(.inputs = files, .splitter = splitter, .map = map_records, .fold = YK_SUM_U64,
                     .sink = yk_sink_tsv(in_folder("out")), .executor = ex, .workers = 2,
                     .split_size = split, .skip_bad_records = skip, .skip_crashing_records = skip,
                     .report = &report);
    assert_int_equal(yk_executor_close(ex), 0);
    return err;
}

static void check(const char *text, size_t len, yk_splitter splitter, const char *expected,
                  uint64_t records)
{
    const char *files[] = { write_file("in", text, len), NULL, NULL };
    for (size_t split = 8; split < 10000; split *= 30) {
        for (int processes = 0; processes < 2; processes++) {
            assert_int_equal(run(files, splitter, split, processes, false), 0);
            assert_file(in_folder("out"), expected);
            assert_int_equal(report.stats.records, records);
        }
    }
    files[1] = in_folder("in.gz");
    gzFile gz = gzopen(files[1], "wb");
    assert_int_equal(gzwrite(gz, text, (unsigned)len), len);
    assert_int_equal(gzclose(gz), Z_OK);
    assert_int_equal(run(files, splitter, 20, false, false), 0);
    assert_int_equal(report.stats.records, 2 * records);
    unlink(files[0]);
    unlink(files[1]);
    unlink(in_folder("out"));
    assert_int_equal(count_entries(), 0);
}

static void check_failure(const char *text, yk_splitter splitter, int code, const char *message)
{
    char expected[500];
    const char *files[] = { write_file("in", text, strlen(text)), NULL };
    snprintf(expected, sizeof expected, "%.300s%s", files[0], message);
    assert_int_equal(run(files, splitter, 0, true, false), code);
    if (strncmp(report.message, expected, strlen(expected)) != 0)
        fail_msg("%s", report.message);
    unlink(files[0]);
    assert_int_equal(count_entries(), 0);
}

static const yk_splitter fours = { .record_size = 4 };
static const yk_splitter lengths = { .record = prefixed };
static const yk_splitter paragraphs = { .record = paragraph };

static void test_file_that_ends_within_a_record(void **state)
{
    (void)state;
    check_failure("aaaabbbbccc", fours, YK_ETRUNCATED, ": ends within a record");
    check_failure("\x01"
                  "a\x05"
                  "abcd",
                  lengths, YK_ETRUNCATED, ": ends within a record");
}

static void test_bad_records_have_a_number_and_a_place(void **state)
{
    (void)state;
    check_failure("aaaa\n\n\n\nccc!dddd", fours, YK_EFORMAT, ":3: byte 8: shouts: \"ccc!\"");
    check_failure("\x03"
                  "a\nb\x02"
                  "x!",
                  lengths, YK_EFORMAT, ":2: byte 4: shouts: \"\\x02x!\"");
    check_failure("a\nb\n\nc\n\ncrash\nd\n\n", paragraphs, YK_ECRASHED, ":3: byte 8: job 'map'");
}

static void test_crashing_record_is_skipped(void **state)
{
    (void)state;
    const char *text = "a\n\ncrash\n\nb\n\ncrash\nc\n\na\n\n";
    const char *files[] = { write_file("in", text, strlen(text)), NULL };
    assert_int_equal(run(files, paragraphs, 0, true, true), 0);
    assert_file(in_folder("out"), "a\n\n\t2\nb\n\n\t1\n");
    assert_int_equal(report.stats.records, 5);
    assert_int_equal(report.stats.bad_records, 2);
    unlink(files[0]);
    unlink(in_folder("out"));
}

static void test_records_of_one_size(void **state)
{
    (void)state;
    char text[4000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "ab\n"[i / 4 % 3];
    check(text, sizeof text, fours, "\n\n\n\n\t333\naaaa\t334\nbbbb\t333\n", 1000);
}

static void test_records_behind_their_length(void **state)
{
    (void)state;
    char text[6000], *to = text;
    for (int i = 0; i < 1000; i++) {
        size_t len = (size_t)(i % 3) + 1;
        *to++ = (char)len;
        memset(to, 'x', len);
        to += len;
    }
    check(text, (size_t)(to - text), lengths, "\x01x\t334\n\x02xx\t333\n\x03xxx\t333\n", 1000);
}

static void test_paragraphs(void **state)
{
    (void)state;
    const char *text = "one\nline\n\ntwo\n\none\nline\n\nlast";
    check(text, strlen(text), paragraphs, "last\t1\none\nline\n\n\t2\ntwo\n\n\t1\n", 4);
    check("", 0, paragraphs, "", 0);
}

int main(void)
{
    if (yk_init() != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_that_ends_within_a_record),
        cmocka_unit_test(test_bad_records_have_a_number_and_a_place),
        cmocka_unit_test(test_crashing_record_is_skipped),
        cmocka_unit_test(test_records_of_one_size),
        cmocka_unit_test(test_records_behind_their_length),
        cmocka_unit_test(test_paragraphs),
    };
    return cmocka_run_group_tests_name("mapreduce/splitter", tests, make_folder, remove_folder);
}
