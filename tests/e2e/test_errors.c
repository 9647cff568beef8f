/* Tests of what can be wrong: it is said clearly, with the right exit status, and nothing is left.
 */
#include "e2e/tool.h"

static const char *const executors[] = { "threads", "processes", "hybrid" };

/* A job over `file` fails with status 1 and says `message` in one line. Nothing is left. */
static void check_failure_on(const char *file, const char *message, const char *executor)
{
    int entries = count_entries();
    tool t = tool_run("count", file, "-o", in_folder("out"), "--executor", executor);
    assert_failed(&t, 1, message);
    assert_memory_equal(t.err, "ngram: ", 7);
    assert_ptr_equal(strchr(t.err, '\n'), t.err + strlen(t.err) - 1);
    assert_int_equal(count_entries(), entries);
    tool_free(&t);
}

static void check_failure(const char *file, const char *message)
{
    for (int e = 0; e < 3; e++)
        check_failure_on(file, message, executors[e]);
    tool t = tool_run("top", file, "--workers", "1");
    assert_failed(&t, 1, message);
    tool_free(&t);
}

static void test_malformed_rows_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *row, *quoted;
    } bad[] = {
        { "a", "a" },
        { "a\t1900\t1", "a\\t1900\\t1" },
        { "a\t1900\t1\t1\t1\t1", "a\\t1900\\t1\\t1\\t1\\t1" },
        { "a\t1900\t1\tx", "a\\t1900\\t1\\tx" },
        { "a\t1900\t-1\t1", "a\\t1900\\t-1\\t1" },
        { "a\t1900\t18446744073709551616\t1", "a\\t1900\\t18446744073709551616\\t1" },
        { "a\t19x0\t1\t1", "a\\t19x0\\t1\\t1" },
        { "a\t0\t1\t1", "a\\t0\\t1\\t1" },
        { "a\t10000\t1\t1", "a\\t10000\\t1\\t1" },
        { "\t1900\t1\t1", "\\t1900\\t1\\t1" },
        { "a\t1900,1,1\t1901,1", "a\\t1900,1,1\\t1901,1" },
        { "a\t1900,1,1,1", "a\\t1900,1,1,1" },
        { "\x1b[31m", "\\x1b[31m" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[300], expected[600], quote[300];
        snprintf(text, sizeof text, "a\t1900\t1\t1\nb\t1900\t1\t1\n%s\nc\t1900\t1\t1\n",
                 bad[i].row);
        const char *file = write_text("in", text);
        snprintf(expected, sizeof expected, "ngram: %s:3: byte 22: ", file);
        snprintf(quote, sizeof quote, "\"%s\"\n", bad[i].quoted);
        check_failure_on(file, expected, executors[i % 3]);
        check_failure_on(file, quote, executors[(i + 1) % 3]);
    }
}

static void test_the_first_of_many_is_named_far_into_the_file(void **state)
{
    (void)state;
    char *rows = make_rows(3000000, 3), expected[700];
    size_t at = 2000000;
    while (rows[at - 1] != '\n')
        at++;
    memset(strchr(rows + at, '\t') + 1, '?', 2);
    memset(rows + strlen(rows) - 8, '?', 4);
    size_t line = 1;
    for (size_t i = 0; i < at; i++)
        line += rows[i] == '\n';
    const char *plain = write_text("plain", rows);
    snprintf(expected, sizeof expected, "%s:%zu: byte %zu: ", plain, line, at);
    check_failure(plain, expected);
    pack_gzip("packed", rows, strlen(rows), 0);
    snprintf(expected, sizeof expected, "%s:%zu: byte %zu: ", in_folder("packed"), line, at);
    check_failure(in_folder("packed"), expected);
    pack_zstd("frames", rows, strlen(rows), 300000);
    snprintf(expected, sizeof expected, "%s:%zu: byte %zu: ", in_folder("frames"), line, at);
    check_failure(in_folder("frames"), expected);
    tool t =
        tool_run_opts(&(tool_options){ .in = plain }, (const char *const[]){ "count", "-", NULL });
    snprintf(expected, sizeof expected, "standard input:%zu: byte %zu: ", line, at);
    assert_failed(&t, 1, expected);
    tool_free(&t);
    free(rows);
}

static void test_total_over_64_bits_names_the_ngram(void **state)
{
    (void)state;
    const char *file = write_text("in", "a\t1900\t1\t1\nb\t1900\t18446744073709551615\t1\n"
                                        "a\t1901\t1\t1\nb\t1901\t1\t1\n");
    check_failure(file, "ngram: \"b\": ");
    file = write_text("run", "b\t1900\t18446744073709551615\t1\nb\t1901\t1\t1\n");
    check_failure(file, "ngram: \"b\": ");
    file = write_text("v3", "b\t1900,1,18446744073709551615\t1901,1,1\n");
    check_failure(file, "ngram: \"b\": ");
    file = write_text("fits", "b\t1900\t18446744073709551614\t1\nb\t1901\t1\t1\n");
    tool t = tool_run("count", file);
    assert_wrote(&t, "b\t18446744073709551615\t2\n");
    tool_free(&t);
}

typedef const char *(*packer)(const char *name, const char *bytes, size_t len, size_t piece);

static const packer packers[] = { pack_gzip, pack_zstd };

static void test_truncated_archives_are_said_to_be_so(void **state)
{
    (void)state;
    char *rows = make_rows(2000000, 4);
    for (int i = 0; i < 2; i++) {
        const char *packed = packers[i]("packed", rows, strlen(rows), 0), *cut = in_folder("cut");
        char expected[400];
        snprintf(expected, sizeof expected, "ngram: %s: ", cut);
        shell("head -c 100000 '%s' > '%s'", packed, cut);
        check_failure(cut, expected);
        check_failure(cut, "ends in the middle");
        shell("head -c -1 '%s' > '%s'", packed, cut);
        check_failure(cut, "ends in the middle");
        shell("(cat '%s'; head -c 30 '%s') > '%s'", packed, packed, cut);
        check_failure(cut, expected);
        packers[i]("packed", rows, strlen(rows), 100000); /* many members or frames */
        shell("head -c 100000 '%s' > '%s'", packed, cut);
        check_failure(cut, "ends in the middle");
    }
    free(rows);
}

static void test_damaged_archives_are_said_to_be_so(void **state)
{
    (void)state;
    char *rows = make_rows(2000000, 4);
    for (int i = 0; i < 4; i++) {
        size_t piece = i < 2 ? 0 : 100000, len;
        const char *packed = packers[i % 2]("packed", rows, strlen(rows), piece);
        char *bytes = read_bytes(packed, &len), expected[400];
        memset(bytes + 100000, 'X', 8);
        const char *bad = write_bytes("bad", bytes, len);
        free(bytes);
        for (int e = 0; e < 3; e++) {
            tool t = tool_run("count", bad, "-o", in_folder("out"), "--executor", executors[e]);
            snprintf(expected, sizeof expected, "ngram: %s: damaged ", bad);
            assert_failed(&t, 1, expected);
            assert_int_not_equal(access(in_folder("out"), F_OK), 0);
            tool_free(&t);
        }
        snprintf(expected, sizeof expected, "ngram: %s: ", bad);
        shell("(cat '%s'; echo trailing rubbish) > '%s'", packed, bad);
        check_failure(bad, expected);
    }
    free(rows);
}

static void test_inputs_that_cannot_be_read_are_said_before_any_work(void **state)
{
    (void)state;
    const char *good = write_text("good", "a\t1900\t1\t1\n"), *none = in_folder("none");
    char expected[400];
    snprintf(expected, sizeof expected, "ngram: %s: no such file or directory", none);
    tool t = tool_run("count", good, none, "-o", in_folder("out"));
    assert_failed(&t, 1, expected);
    tool_free(&t);
    t = tool_run("count", good, "/");
    assert_failed(&t, 1, "ngram: /: ");
    tool_free(&t);
    t = tool_run("count", good, "-", "-");
    assert_failed(&t, 1, "standard input");
    tool_free(&t);
    if (geteuid() != 0) {
        shell("chmod 000 '%s'", good);
        t = tool_run("count", good);
        assert_failed(&t, 1, "permission denied");
        tool_free(&t);
    }
    assert_int_equal(count_entries(), 1);
}

/* A FIFO that nobody writes to would never end: so the output must have been looked at before. */
static void test_output_that_cannot_be_written_is_said_before_any_work(void **state)
{
    (void)state;
    shell("mkfifo '%s'", in_folder("fifo"));
    const char *fifo = in_folder("fifo");
    static const char *const outs[] = { "/", "/no/such/folder/out", "/dev/null/out" };
    for (int i = 0; i < 3; i++) {
        tool t = tool_run("count", fifo, "-o", outs[i]);
        assert_failed(&t, 1, outs[i]);
        tool_free(&t);
    }
    const char *good = write_text("good", "a\t1900\t1\t1\n");
    tool t = tool_run("count", good, "-o", good);
    assert_failed(&t, 1, good);
    tool_free(&t);
    size_t len;
    char *text = read_bytes(good, &len);
    assert_string_equal(text, "a\t1900\t1\t1\n");
    free(text);
    if (access("/dev/full", W_OK) == 0) {
        t = tool_run("count", good, "-o", "/dev/full");
        assert_failed(&t, 1, "ngram: /dev/full: ");
        tool_free(&t);
    }
}

static void test_no_room_for_what_is_printed(void **state)
{
    (void)state;
    static const char *const lines[] = { "--version", "help", "top --help" };
    if (access("/dev/full", W_OK) != 0)
        skip();
    for (int i = 0; i < 3; i++) {
        size_t len;
        shell("! '%s/ngram' %s > /dev/full 2> '%s'", YOKE_BUILD_DIR, lines[i], in_folder("err"));
        char *err = read_bytes(in_folder("err"), &len);
        assert_string_equal(err, "ngram: standard output: no space left on device\n");
        free(err);
    }
}

static void test_wrong_usage_is_status_2_and_a_hint(void **state)
{
    (void)state;
    static const char *const lines[][5] = {
        { NULL },
        { "frob" },
        { "--frob" },
        { "count" },
        { "top", "--frob", "in" },
        { "top", "in", "--frob=1" },
        { "top", "-z", "in" },
        { "top", "in", "-k" },
        { "top", "in", "-k", "0" },
        { "top", "in", "-k", "ten" },
        { "count", "-k", "3", "in" },
        { "count", "in", "--workers", "0" },
        { "count", "in", "--workers", "-1" },
        { "count", "in", "--executor", "mpi" },
        { "count", "in", "--years",
          "1900"
          "x" },
        { "count", "in", "--years", "2000:1900" },
        { "count", "in", "--years", ":" },
        { "count", "in", "--years", "0:5" },
        { "count", "in", "--format", "xml" },
        { "count", "in", "--progress", "maybe" },
        { "count", "in", "--bad-records", "eat" },
        { "count", "in", "--stats=yes" },
        { "gen", "--bytes", "many" },
        { "gen", "--format", "tsv" },
        { "gen", "--seed", "x" },
        { "gen", "--words", "6" },
        { "gen", "file" },
        { "help", "frob" },
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        tool t = tool_run_opts(&(tool_options){ 0 }, lines[i]);
        if (t.status != 2)
            fail_msg("case %zu: status %d, %s", i, t.status, t.err);
        assert_failed(&t, 2, "--help'");
        assert_memory_equal(t.err, "ngram: ", 7);
        tool_free(&t);
    }
}

static void test_help_and_version(void **state)
{
    (void)state;
    static const char *const commands[] = { "count", "top", "gen" };
    for (int i = 0; i < 3; i++) {
        tool a = tool_run(commands[i], "--help"), b = tool_run("help", commands[i]);
        assert_int_equal(a.status, 0);
        assert_memory_equal(a.out, "Usage: ngram ", 13);
        assert_non_null(strstr(a.out, commands[i]));
        assert_wrote(&b, a.out);
        tool_free(&a);
        tool_free(&b);
    }
    tool t = tool_run("--version");
    assert_int_equal(t.status, 0);
    assert_memory_equal(t.out, "ngram ", 6);
    tool_free(&t);
    t = tool_run("--help");
    assert_int_equal(t.status, 0);
    assert_non_null(strstr(t.out, "Exit status"));
    tool_free(&t);
}

#define TEST(name) cmocka_unit_test_teardown(name, empty_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_malformed_rows_are_named),
        TEST(test_the_first_of_many_is_named_far_into_the_file),
        TEST(test_total_over_64_bits_names_the_ngram),
        TEST(test_truncated_archives_are_said_to_be_so),
        TEST(test_damaged_archives_are_said_to_be_so),
        TEST(test_inputs_that_cannot_be_read_are_said_before_any_work),
        TEST(test_output_that_cannot_be_written_is_said_before_any_work),
        TEST(test_no_room_for_what_is_printed),
        TEST(test_wrong_usage_is_status_2_and_a_hint),
        TEST(test_help_and_version),
    };
    return cmocka_run_group_tests_name("e2e/errors", tests, make_folder, remove_folder);
}
