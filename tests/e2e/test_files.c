/* Tests of the commands that pack, unpack, check and describe files. */
#include "e2e/tool.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <zstd.h>

/* ---- What is wrong with files -------------------------------------------------------------- */

static char *changed(const char *path, const char *name, size_t at, size_t *len)
{
    char *bytes = read_bytes(path, len);
    bytes[at < *len ? at : *len - 1] ^= 0x55;
    write_bytes(name, bytes, *len);
    return bytes;
}

static void assert_bad(const char *file, const char *message)
{
    tool t = tool_run("verify", file);
    assert_int_equal(t.status, 1);
    assert_string_equal(t.out, "");
    if (!strstr(t.err, message))
        fail_msg("said not '%s', but:\n%s", message, t.err);
    assert_memory_equal(t.err, "ngram: ", 7);
    tool_free(&t);
}

static void test_verify_says_what_is_wrong_and_where(void **state)
{
    (void)state;
    size_t len;
    char expected[5000];
    char *rows = make_rows(300000, 1);
    const char *file = write_text("bad", "a\t1900\t1\t1\nb\t1900\n\nc\t1900\t1\t1\n");
    snprintf(expected, sizeof expected,
             "%s:2: byte 11: no match count: \"b\\t1900\" (and 2 malformed rows in all)", file);
    assert_bad(file, expected);
    const char *zst = in_folder("good.zst");
    tool t = tool_run("pack", write_text("rows", rows), "-o", zst, "--frame", "64K");
    assert_wrote(&t, "");
    tool_free(&t);
    free(changed(zst, "damaged", 5000, &len));
    assert_bad(in_folder("damaged"), "damaged zstd data near byte ");
    free(changed(zst, "table", len - 9 - 4, &len)); /* the last frame's checksum */
    assert_bad(in_folder("table"), "another checksum for a frame than the frame itself (frame ");
    free(changed(zst, "size", len - 9 - 12, &len));
    assert_bad(in_folder("size"), "the seek table's sizes add up to ");
    const char *gz = pack_gzip("good.gz", rows, strlen(rows), 0);
    char *bytes = read_bytes(gz, &len);
    write_bytes("short.gz", bytes, len / 2);
    assert_bad(in_folder("short.gz"), "gzip data ends in the middle");
    free(bytes);
    free(changed(gz, "sum.gz", len - 6, &len));
    assert_bad(in_folder("sum.gz"), "damaged gzip data");
    assert_bad(in_folder("missing"), "missing: no such file or directory");
    assert_bad(write_text("totals", " \t1990,1,2,3\t1991,1,2\t"), "");
    free(rows);
}

static void test_verify_looks_at_every_file(void **state)
{
    (void)state;
    const char *bad = write_text("bad", "x\n"), *good = write_text("good", "a\t1900\t1\t1\n");
    char expected[5000];
    snprintf(expected, sizeof expected, "%s: good: 1 row, plain\n", good);
    tool t = tool_run("verify", bad, in_folder("none"), good);
    assert_int_equal(t.status, 1);
    assert_string_equal(t.out, expected);
    assert_non_null(strstr(t.err, "bad:1: byte 0: no TAB"));
    assert_non_null(strstr(t.err, "none: no such file"));
    tool_free(&t);
    t = tool_run("verify", "--quiet", good);
    assert_wrote(&t, "");
    tool_free(&t);
}

static void test_wrong_usage(void **state)
{
    (void)state;
    static const char *const commands[] = { "pack", "unpack", "verify", "info" };
    for (int i = 0; i < 4; i++) {
        tool t = tool_run(commands[i]);
        assert_failed(&t, 2, i < 2 ? "no input files" : "no files");
        tool_free(&t);
        t = tool_run(commands[i], "--nonsense", "x");
        assert_failed(&t, 2, "unknown option '--nonsense'");
        tool_free(&t);
        t = tool_run(commands[i], "--help");
        assert_int_equal(t.status, 0);
        assert_non_null(strstr(t.out, "Usage: ngram "));
        tool_free(&t);
    }
    tool t = tool_run("pack", "--frame", "3", "x");
    assert_failed(&t, 2, "--frame 3: must be a size from 64K to 128M");
    tool_free(&t);
}

static void test_a_failure_leaves_nothing(void **state)
{
    (void)state;
    char *rows = make_rows(300000, 2);
    const char *out = in_folder("out.zst");
    const char *gz = pack_gzip("rows.gz", rows, strlen(rows), 0);
    assert_int_equal(truncate(gz, 20000), 0);
    tool t = tool_run("pack", gz, "-o", out);
    assert_failed(&t, 1, "rows.gz: gzip data ends in the middle, at byte 20000");
    tool_free(&t);
    t = tool_run("unpack", gz, "-o", out);
    assert_failed(&t, 1, "rows.gz: gzip data ends in the middle, at byte 20000");
    tool_free(&t);
    t = tool_run("pack", in_folder("none"), "-o", out);
    assert_failed(&t, 1, "none: no such file or directory");
    tool_free(&t);
    assert_int_equal(count_entries(), 1);
    t = tool_run("pack", write_text("rows", rows), "-o", in_folder("no/such/out"));
    assert_failed(&t, 1, "no/such/out: no such file or directory");
    tool_free(&t);
    if (access("/dev/full", W_OK) == 0) {
        t = tool_run("pack", in_folder("rows"), "-o", "/dev/full");
        assert_failed(&t, 1, "/dev/full: no space left on device");
        tool_free(&t);
        t = tool_run("unpack", in_folder("rows"), "-o", "/dev/full");
        assert_failed(&t, 1, "/dev/full: no space left on device");
        tool_free(&t);
    }
    free(rows);
}

/* Whether the thread is there that does the work; by its name, for sanitizers have threads, too. */
static bool works(pid_t pid)
{
    char path[400], name[32] = "";
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    bool found = false;
    for (struct dirent *e; dir && !found && (e = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/comm", (int)pid, e->d_name);
        FILE *file = fopen(path, "re");
        found = file && fgets(name, sizeof name, file) && strncmp(name, "ngram-", 6) == 0;
        if (file)
            fclose(file);
    }
    if (dir)
        closedir(dir);
    return found;
}

static void test_an_interruption_leaves_nothing(void **state)
{
    (void)state;
    static const char *const commands[] = { "pack", "unpack", "verify", "info" };
    for (int i = 0; i < 4; i++) {
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        const char *const args[] = { commands[i], "-", i < 2 ? "-o" : NULL, in_folder("out"),
                                     NULL };
        tool t = tool_start_opts(&(tool_options){ .in_fd = ends[0] }, args);
        close(ends[0]);
        assert_int_equal(write(ends[1], "a\t1900\t1\t1\n", 11), 11); /* and never more */
        while (!works(t.pid))
            tool_look_again(&t);
        assert_int_equal(kill(t.pid, SIGINT), 0);
        tool_wait(&t);
        assert_int_equal(t.status, 130);
        assert_string_equal(t.err, "ngram: interrupted\n");
        tool_free(&t);
        close(ends[1]);
        assert_int_equal(count_entries(), 0);
    }
}

/* ---- Packing and unpacking ----------------------------------------------------------------- */

static void assert_same_file(const char *path, const char *text)
{
    size_t len;
    char *bytes = read_bytes(path, &len);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(bytes, text, len);
    free(bytes);
}

/* What an ordinary zstd makes of it. */
static void assert_unpacks(const char *path, const char *text)
{
    size_t len, size = strlen(text);
    char *bytes = read_bytes(path, &len), *out = malloc(size + 1);
    assert_int_equal(ZSTD_decompress(out, size + 1, bytes, len), size);
    assert_memory_equal(out, text, size);
    free(bytes);
    free(out);
}

static void check_round_trip(const char *packed, const char *text)
{
    const char *out = in_folder("back"), *zst = in_folder("out.zst");
    tool t = tool_run("pack", packed, "-o", zst);
    assert_wrote(&t, "");
    tool_free(&t);
    assert_unpacks(zst, text);
    t = tool_run("unpack", zst, "-o", out);
    assert_wrote(&t, "");
    tool_free(&t);
    assert_same_file(out, text);
    t = tool_run("unpack", packed);
    assert_wrote(&t, text);
    tool_free(&t);
    t = tool_run("verify", "-q", zst);
    assert_wrote(&t, "");
    tool_free(&t);
}

static void test_every_packing_and_back(void **state)
{
    (void)state;
    char *rows = make_rows(3000000, 3);
    size_t len = strlen(rows);
    check_round_trip(write_text("plain", rows), rows);
    check_round_trip(pack_gzip("one.gz", rows, len, 0), rows);
    check_round_trip(pack_gzip("many.gz", rows, len, 500000), rows);
    check_round_trip(pack_zstd("one.zst", rows, len, 0), rows);
    check_round_trip(pack_zstd("many.zst", rows, len, 12345), rows);
    free(rows);
    check_round_trip(write_text("totals", " \t1990,1,2,3\t1991,4,5,6\t"),
                     " \t1990,1,2,3\t1991,4,5,6\t");
    check_round_trip(write_text("empty", ""), "");
}

static void test_options_of_pack(void **state)
{
    (void)state;
    char *rows = make_rows(3000000, 4);
    static const char *const options[][4] = {
        { "--level", "1" },
        { "--level", "15" },
        { "--frame", "64K" },
        { "--frame", "128M" },
        { "--long" },
        { "--threads", "1" },
        { "--threads", "9", "--stats" },
    };
    const char *file = write_text("rows", rows), *out = in_folder("out.zst");
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        tool t = tool_run("pack", file, "-o", out, options[i][0], options[i][1], options[i][2]);
        assert_int_equal(t.status, 0);
        assert_string_equal(t.out, "");
        tool_free(&t);
        assert_unpacks(out, rows);
    }
    free(rows);
}

static void test_the_bytes_do_not_depend_on_threads_or_packing(void **state)
{
    (void)state;
    char *rows = make_rows(4000000, 5);
    const char *plain = write_text("rows", rows), *gz = pack_gzip("gz", rows, strlen(rows), 0);
    size_t a_len, b_len;
    tool t = tool_run("pack", plain, "-o", in_folder("a"), "--threads", "1");
    assert_wrote(&t, "");
    tool_free(&t);
    t = tool_run_opts(&(tool_options){ .in = gz },
                      (const char *const[]){ "pack", "-", "-o", in_folder("b"), NULL });
    assert_wrote(&t, "");
    tool_free(&t);
    char *a = read_bytes(in_folder("a"), &a_len), *b = read_bytes(in_folder("b"), &b_len);
    assert_int_equal(a_len, b_len);
    assert_memory_equal(a, b, a_len);
    free(a);
    free(b);
    free(rows);
}

static void test_files_are_joined_at_their_rows(void **state)
{
    (void)state;
    const char *a = write_text("a", "a\t1900\t1\t1"), *b = write_text("b", ""),
               *c = pack_gzip("c", "c\t1900\t1\t1\n", 11, 0), *d = write_text("d", "d\t1900\t1\t1");
    tool t = tool_run("pack", a, b, c, d, "-o", in_folder("out"));
    assert_wrote(&t, "");
    tool_free(&t);
    assert_unpacks(in_folder("out"), "a\t1900\t1\t1\nc\t1900\t1\t1\nd\t1900\t1\t1");
}

static void test_counts_are_those_of_the_text(void **state)
{
    (void)state;
    char *rows = make_rows(3000000, 6);
    const char *file = write_text("rows", rows), *zst = in_folder("rows.zst");
    tool t = tool_run("pack", file, "-o", zst, "--frame", "64K");
    tool_free(&t);
    tool expected = tool_run("count", file);
    t = tool_run("count", zst, "--workers", "3");
    assert_wrote(&t, expected.out);
    tool_free(&t);
    tool_free(&expected);
    free(rows);
}

/* ---- Info ---------------------------------------------------------------------------------- */

static void assert_fact(const char *file, const char *name, const char *value)
{
    char line[5000];
    tool t = tool_run("info", "--format", "tsv", file);
    assert_int_equal(t.status, 0);
    snprintf(line, sizeof line, "%s\t%s\t%s\n", file, name, value);
    if (!strstr(t.out, line))
        fail_msg("said not '%s', but:\n%s", line, t.out);
    tool_free(&t);
}

static void test_info_tells_every_release(void **state)
{
    (void)state;
    const char *v1 = write_text("v1", "b\t1900\t1\t1\t1\nb\t1901\t1\t1\t1\na b\t1899\t1\t1\t1\n");
    assert_fact(v1, "layout", "version 1");
    assert_fact(v1, "rows", "3");
    assert_fact(v1, "ngrams", "2");
    assert_fact(v1, "n", "1:2");
    assert_fact(v1, "years", "1899:1901");
    assert_fact(v1, "sorted", "no");
    const char *v2 = write_text("v2", "drink=>water_NOUN\t1900\t1\t1\nrun_VERB\t1900\t1\t1\n"
                                      "x _NOUN_\t1900\t1\t1\nz _END_\t1900\t1\t1\n"
                                      "z __\t1900\t1\t1\nz_._.\t1900\t1\t1\n");
    assert_fact(v2, "layout", "version 2");
    assert_fact(v2, "tags", "NOUN VERB .");
    assert_fact(v2, "tagged", "3");
    assert_fact(v2, "wildcards", "1");
    assert_fact(v2, "marks", "1");
    assert_fact(v2, "arcs", "1");
    assert_fact(v2, "sorted", "yes");
    const char *v3 = write_text("v3", "a\t1900,1,1\t1950,2,2\n\xd7\xa9\t1800,1,1\n");
    assert_fact(v3, "layout", "version 3");
    assert_fact(v3, "year entries", "3");
    assert_fact(v3, "sorted", "yes");
    const char *mixed = write_text("mixed", "a\t1900\t1\t1\nb\t1900,1,1\nbad\n");
    assert_fact(mixed, "layout", "version 2 and version 3");
    assert_fact(mixed, "bad rows", "1");
    const char *totals = write_text("totals", " \t1990,1,2,3\t1991,4,5,6\t");
    assert_fact(totals, "layout", "total counts");
    assert_fact(totals, "years", "1990:1991");
    const char *old = write_text("old", " \n1990\t1\t2\t3\n1991\t4\t5\t6\n");
    assert_fact(old, "layout", "total counts");
    assert_fact(old, "year entries", "2");
    assert_fact(write_text("empty", ""), "layout", "no rows");
}

static void test_info_equals_awk(void **state)
{
    (void)state;
    char *rows = make_rows(12000000, 7), count[64], path[64];
    const char *file = write_text("rows", rows), *zst = in_folder("rows.zst");
    tool t = tool_run("pack", file, "-o", zst, "--frame", "64K");
    tool_free(&t);
    shell("awk -F'\\t' '$1 != last { n++; last = $1 } END { printf \"%%d\", n }' '%s' > '%s'", file,
          in_folder("ngrams"));
    size_t len;
    char *n = read_bytes(in_folder("ngrams"), &len);
    snprintf(count, sizeof count, "%s", n);
    assert_fact(file, "ngrams", count);
    assert_fact(zst, "ngrams", count);
    assert_fact(pack_gzip("gz", rows, strlen(rows), 0), "ngrams", count);
    assert_fact(zst, "seek table", "good");
    assert_fact(zst, "packing", "zstd");
    snprintf(path, sizeof path, "%zu", strlen(rows));
    assert_fact(zst, "text", path);
    free(n);
    free(rows);
}

static void test_info_forms(void **state)
{
    (void)state;
    const char *file = write_text("q\"", "a\t1900\t1\t1\n");
    tool t = tool_run("info", file, "--format", "json");
    assert_int_equal(t.status, 0);
    assert_non_null(strstr(t.out, "q\\\"\", \"layout\": \"version 2\", \"packing\": \"plain\", "
                                  "\"stored\": 11, "));
    tool_free(&t);
    t = tool_run("info", file, file);
    assert_int_equal(t.status, 0);
    assert_non_null(strstr(t.out, "\nlayout        version 2\n"));
    assert_non_null(strstr(t.out, "\n\nfile "));
    tool_free(&t);
}

#define TEST(name) cmocka_unit_test_teardown(name, empty_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_verify_says_what_is_wrong_and_where),
        TEST(test_verify_looks_at_every_file),
        TEST(test_wrong_usage),
        TEST(test_a_failure_leaves_nothing),
        TEST(test_an_interruption_leaves_nothing),
        TEST(test_every_packing_and_back),
        TEST(test_options_of_pack),
        TEST(test_the_bytes_do_not_depend_on_threads_or_packing),
        TEST(test_files_are_joined_at_their_rows),
        TEST(test_counts_are_those_of_the_text),
        TEST(test_info_tells_every_release),
        TEST(test_info_equals_awk),
        TEST(test_info_forms),
    };
    return cmocka_run_group_tests_name("e2e/files", tests, make_folder, remove_folder);
}
