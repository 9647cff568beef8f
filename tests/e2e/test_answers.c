/* Tests that the tool's answers are right, and the same however they are computed. */
#include "e2e/tool.h"

#include <fcntl.h>

static const char *const executors[] = { "threads", "processes", "hybrid" };
static const char *const worker_numbers[] = { "1", "2", "7" };

/* What awk and sort say: of version 2 with `rows` columns, of version 3 with entries. */
static const char awk_v2[] = "awk -F'\\t' '{ m[$1] += $3; v[$1] += $4 } END { for (n in m) "
                             "printf \"%%s\\t%%.0f\\t%%.0f\\n\", n, m[n], v[n] }' '%s' | "
                             "LC_ALL=C sort -t'\t' -k1,1 > '%s'";
static const char awk_v3[] = "awk -F'\\t' '{ for (i = 2; i <= NF; i++) { split($i, e, \",\"); "
                             "m[$1] += e[2]; v[$1] += e[3] } } END { for (n in m) "
                             "printf \"%%s\\t%%.0f\\t%%.0f\\n\", n, m[n], v[n] }' '%s' | "
                             "LC_ALL=C sort -t'\t' -k1,1 > '%s'";

static char *expect_counts(const char *awk, const char *file)
{
    size_t len;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    shell(awk, file, in_folder("expected"));
#pragma GCC diagnostic pop
    char *expected = read_bytes(in_folder("expected"), &len);
    assert_true(len > 0);
    return expected;
}

static void check_on(const char *command, const char *file, const char *expected,
                     const char *executor, const char *workers)
{
    tool t = tool_run(command, file, "--executor", executor, "--workers", workers);
    assert_wrote(&t, expected);
    tool_free(&t);
}

static void check_file(const char *awk, const char *file)
{
    size_t len;
    char *counts = expect_counts(awk, file);
    shell("LC_ALL=C sort -t'\t' -k2,2nr -k1,1 '%s' | head -10 > '%s'", in_folder("expected"),
          in_folder("best"));
    char *best = read_bytes(in_folder("best"), &len);
    for (int e = 0; e < 3; e++) {
        for (int w = 0; w < 3; w++)
            check_on("count", file, counts, executors[e], worker_numbers[w]);
        check_on("top", file, best, executors[e], "2");
    }
    free(counts);
    free(best);
}

static const char *shared_file(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", YOKE_SHARED_DATA, name);
    if (access(path, R_OK) != 0)
        skip();
    return path;
}

static void test_true_rows_of_version_2_equal_awk(void **state)
{
    (void)state;
    check_file(awk_v2, shared_file("googlebooks-eng-all-1gram-20120701-a.excerpt.tsv"));
}

static void test_true_rows_of_version_3_equal_awk(void **state)
{
    (void)state;
    check_file(awk_v3, shared_file("v3-layout.excerpt.tsv"));
}

static void test_generated_rows_equal_awk(void **state)
{
    (void)state;
    static const char *const layouts[] = { "v2", "v3" };
    for (int i = 0; i < 2; i++) {
        const char *file = in_folder("generated");
        tool t = tool_run("gen", "--bytes", "2M", "--seed", "7", "--shards", "3", "--format",
                          layouts[i], "-o", file);
        assert_wrote(&t, "");
        tool_free(&t);
        check_file(i ? awk_v3 : awk_v2, file);
    }
}

static void test_years_are_selected(void **state)
{
    (void)state;
    const char *v2 = "a\t1899\t1\t1\na\t1900\t2\t1\na\t1950\t4\t1\na\t1951\t8\t1\nb\t1800\t1\t1\n";
    const char *v3 = "a\t1899,1,1\t1900,2,1\t1950,4,1\t1951,8,1\nb\t1800,1,1\n";
    static const char *const years[] = { "1900:1950", "1900:", ":1900", "1951", "2000:2001" };
    static const char *const sums[] = { "a\t6\t2\n", "a\t14\t3\n", "a\t3\t2\nb\t1\t1\n",
                                        "a\t8\t1\n", "" };
    for (int i = 0; i < 10; i++) {
        const char *file = write_text("in", i % 2 ? v2 : v3);
        tool t = tool_run("count", "--years", years[i / 2], file);
        assert_wrote(&t, sums[i / 2]);
        tool_free(&t);
    }
}

/* Packs rows in all ways that are read. Fills names; returns how many. */
static int pack_everyway(const char *rows, const char *names[])
{
    size_t len = strlen(rows);
    names[0] = pack_gzip("one.gz", rows, len, 0);
    names[1] = pack_gzip("many.gz", rows, len, 1000000);
    names[2] = pack_zstd("one.zst", rows, len, 0);
    names[3] = pack_zstd("many.zst", rows, len, 300000);
    names[4] = write_text("plain.gz", rows); /* the name says nothing: only content counts */
    names[5] = pack_zstd("packed.tsv", rows, len, 100);
    return 6;
}

static void test_output_is_the_same_for_every_packing(void **state)
{
    (void)state;
    const char *names[6];
    char *rows = make_rows(2000000, 5);
    const char *plain = write_text("plain", rows);
    char *expected = expect_counts(awk_v2, plain);
    int n = pack_everyway(rows, names);
    for (int i = 0; i < n; i++) {
        for (int e = 0; e < 3; e++) {
            tool t = tool_run("count", names[i], "--executor", executors[e], "--workers", "2");
            assert_wrote(&t, expected);
            tool_free(&t);
        }
        tool t = tool_run_opts(&(tool_options){ .in = names[i] },
                               (const char *const[]){ "count", "-", NULL });
        assert_wrote(&t, expected);
        tool_free(&t);
    }
    free(expected);
    free(rows);
}

static void test_several_files_of_all_kinds_are_one_job(void **state)
{
    (void)state;
    const char *names[6];
    char *rows = make_rows(1500000, 6);
    const char *plain = write_text("plain", rows);
    int n = pack_everyway(rows, names);
    shell("for i in 1 2 3 4 5 6 7; do cat '%s'; done > '%s'", plain, in_folder("seven"));
    char *expected = expect_counts(awk_v2, in_folder("seven"));
    assert_int_equal(n, 6);
    for (int e = 0; e < 3; e++) {
        tool t = tool_run_opts(&(tool_options){ .in = plain },
                               (const char *const[]){ "count", names[0], names[1], "-", names[2],
                                                      names[3], names[4], names[5], "--executor",
                                                      executors[e], NULL });
        assert_wrote(&t, expected);
        tool_free(&t);
    }
    free(expected);
    free(rows);
}

static void test_standard_input_as_a_pipe(void **state)
{
    (void)state;
    char *rows = make_rows(3000000, 8);
    const char *plain = write_text("plain", rows);
    char *expected = expect_counts(awk_v2, plain);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    tool t = tool_start_opts(&(tool_options){ .in_fd = ends[0] },
                             (const char *const[]){ "count", "-", NULL });
    close(ends[0]);
    for (size_t done = 0, len = strlen(rows); done < len;) {
        size_t piece = len - done < 5000 ? len - done : 5000;
        assert_int_equal(write(ends[1], rows + done, piece), piece);
        done += piece;
    }
    close(ends[1]);
    tool_wait(&t);
    assert_wrote(&t, expected);
    tool_free(&t);
    free(expected);
    free(rows);
}

static void test_odd_but_good_files(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *out;
        size_t out_len;
    } cases[] = {
        { "", 0, "", 0 },
        { "a\t1900\t1\t2", 10, "a\t1\t2\n", 6 },
        { "a\t1900\t1\t2\r\na\t1901\t1\t2\r\n", 24, "a\t2\t4\n", 6 },
        { "a\0b\t1900\t1\t2\n", 13, "a\0b\t1\t2\n", 8 },
        { "\xff\xc0\t1900\t1\t2\n", 12, "\xff\xc0\t1\t2\n", 7 },
        { "\"\t1900\t1\t2\n", 11, "\"\t1\t2\n", 6 },
        { " \t1900\t1\t2\n", 11, " \t1\t2\n", 6 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *file = write_bytes("in", cases[i].bytes, cases[i].len);
        for (int e = 0; e < 3; e++) {
            tool t = tool_run("count", file, "--executor", executors[e]);
            assert_int_equal(t.status, 0);
            assert_int_equal(t.out_len, cases[i].out_len);
            assert_memory_equal(t.out, cases[i].out, cases[i].out_len);
            tool_free(&t);
        }
    }
}

static void test_a_row_of_ten_megabytes(void **state)
{
    (void)state;
    size_t word = 10 << 20;
    char *row = malloc(word + 64), *expected = malloc(word + 64);
    memset(row, 'x', word);
    memset(expected, 'x', word);
    strcpy(row + word, "\t1900\t3\t4\nb\t1900\t1\t1\n");
    strcpy(expected + word, "\t3\t4\n");
    memmove(expected + 6, expected, word + 5);
    memcpy(expected, "b\t1\t1\n", 6);
    expected[word + 11] = '\0';
    const char *plain = write_text("plain", row);
    pack_gzip("packed", row, strlen(row), 0);
    for (int e = 0; e < 3; e++) {
        tool t = tool_run("count", plain, "--executor", executors[e]);
        assert_wrote(&t, expected);
        tool_free(&t);
        t = tool_run("count", in_folder("packed"), "--executor", executors[e]);
        assert_wrote(&t, expected);
        tool_free(&t);
    }
    free(row);
    free(expected);
}

static void test_formats(void **state)
{
    (void)state;
    const char *file =
        write_bytes("in", "q\"\\\x01\t1900\t1234567\t2\n\xc3\xa9\xff\t1900\t5\t12\n", 34);
    tool t = tool_run("top", "--format", "json", file);
    assert_wrote(&t, "[\n {\"ngram\": \"q\\\"\\\\\\u0001\", \"match_count\": 1234567, "
                     "\"volume_count\": 2},\n {\"ngram\": \"\xc3\xa9\xef\xbf\xbd\", "
                     "\"match_count\": 5, \"volume_count\": 12}\n]\n");
    tool_free(&t);
    t = tool_run("top", "--format", "table", file);
    assert_wrote(&t, "ngram    match_count  volume_count\n"
                     "q\"\\\\x01    1,234,567             2\n"
                     "\xc3\xa9\\xff              5            12\n");
    tool_free(&t);
    t = tool_run("top", file, "--format=tsv", "-k1");
    assert_wrote(&t, "q\"\\\x01\t1234567\t2\n");
    tool_free(&t);
    t = tool_run("count", write_text("empty", ""), "--format", "json");
    assert_wrote(&t, "[]\n");
    tool_free(&t);
}

static void test_output_file_appears_whole(void **state)
{
    (void)state;
    size_t len;
    const char *file = write_text("in", "a\t1900\t1\t1\n");
    const char *out = write_text("out", "something old and long\n");
    tool t = tool_run("count", file, "-o", out);
    assert_wrote(&t, "");
    tool_free(&t);
    char *text = read_bytes(out, &len);
    assert_string_equal(text, "a\t1\t1\n");
    free(text);
    assert_int_equal(count_entries(), 2);
    t = tool_run("top", "--output=/dev/null", file);
    assert_wrote(&t, "");
    tool_free(&t);
}

static void test_bad_rows_are_skipped_when_asked(void **state)
{
    (void)state;
    const char *file =
        write_text("in", "a\t1900\t1\t1\nbad\na\t1901\t1\t1\nb\t1900\t1\n\nb\t1900\t7\t1\n");
    for (int e = 0; e < 3; e++) {
        tool t = tool_run("count", "--bad-records", "skip", file, "--executor", executors[e]);
        assert_int_equal(t.status, 0);
        assert_string_equal(t.out, "a\t2\t2\nb\t7\t1\n");
        char first[500];
        snprintf(first, sizeof first,
                 "ngram: 3 malformed rows skipped; the first: %s:2: byte 11: ", file);
        assert_memory_equal(t.err, first, strlen(first));
        tool_free(&t);
    }
}

static void test_statistics_say_what_was_done(void **state)
{
    (void)state;
    const char *file = write_text("in", "a\t1900\t1\t1\nb\t1900\t1\t1\n");
    tool t = tool_run("count", "--stats", file);
    assert_int_equal(t.status, 0);
    assert_non_null(strstr(t.err, "rows:        2, 0 of them skipped\n"));
    assert_non_null(strstr(t.err, "ngrams:      2\n"));
    assert_non_null(strstr(t.err, "retries:     0\n"));
    assert_non_null(strstr(t.err, "worker 0"));
    tool_free(&t);
}

#define TEST(name) cmocka_unit_test_teardown(name, empty_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_true_rows_of_version_2_equal_awk),
        TEST(test_true_rows_of_version_3_equal_awk),
        TEST(test_generated_rows_equal_awk),
        TEST(test_years_are_selected),
        TEST(test_output_is_the_same_for_every_packing),
        TEST(test_several_files_of_all_kinds_are_one_job),
        TEST(test_standard_input_as_a_pipe),
        TEST(test_odd_but_good_files),
        TEST(test_a_row_of_ten_megabytes),
        TEST(test_formats),
        TEST(test_output_file_appears_whole),
        TEST(test_bad_rows_are_skipped_when_asked),
        TEST(test_statistics_say_what_was_done),
    };
    return cmocka_run_group_tests_name("e2e/answers", tests, make_folder, remove_folder);
}
