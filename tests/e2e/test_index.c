/* Tests of ngram index: what is refused, what is left behind, and that the store has what awk
 * finds in the files. */
#include "e2e/tool.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "data/store.h"

/* ---- A store as text ------------------------------------------------------------------------- */

static ngram_store *open_store(const char *path)
{
    char message[400] = "";
    ngram_store *s = NULL;
    if (ngram_store_open(&s, path, message, sizeof message) != 0)
        fail_msg("%s", message);
    return s;
}

/* Writes a line for every year of every n-gram. */
static void dump_store(const ngram_store *s, const char *to)
{
    FILE *f = fopen(to, "we");
    ngram_cursor *c;
    ngram_item item;
    ngram_unpacker u;
    ngram_point p;
    uint64_t n = 0;
    assert_int_equal(ngram_cursor_new(&c, s), 0);
    int got = ngram_cursor_seek(c, "", 0, &item);
    for (; got == 1; got = ngram_cursor_next(c, &item), n++) {
        assert_int_equal(ngram_unpack_begin(&u, item.packed, item.size), 0);
        while ((got = ngram_unpack_next(&u, &p)) == 1)
            fprintf(f, "%.*s\t%d\t%llu\t%llu\n", (int)item.length, item.ngram, p.year,
                    (unsigned long long)p.match_count, (unsigned long long)p.volume_count);
        assert_int_equal(got, 0);
    }
    assert_int_equal(got, 0);
    assert_true(n == ngram_store_about(s)->ngrams);
    ngram_cursor_free(c);
    assert_int_equal(fclose(f), 0);
}

static void check_dump(const char *store, const char *expected)
{
    ngram_store *s = open_store(store);
    dump_store(s, in_folder("dumped"));
    ngram_store_close(s);
    shell("cmp '%s' '%s'", in_folder("dumped"), expected);
}

/* What awk makes of rows of version 2 in the files. */
static void expect_years(const char *files, const char *to)
{
    shell("cat %s | awk -F'\t' '{ k = $1 \"\\t\" $2; m[k] += $3; v[k] += $4 } END { for (k in m) "
          "printf \"%%s\\t%%.0f\\t%%.0f\\n\", k, m[k], v[k] }' | "
          "LC_ALL=C sort -t'\t' -k1,1 -k2,2n > '%s'",
          files, to);
}

static void run_well(tool t)
{
    if (t.status != 0 || t.err[0] || t.out[0])
        fail_msg("status %d, said: %s%s", t.status, t.err, t.out);
    tool_free(&t);
}

/* ---- What is refused ------------------------------------------------------------------------- */

static void test_wrong_usage(void **state)
{
    (void)state;
    const char *file = write_text("rows", "a\t1900\t1\t1\n");
    static const struct {
        const char *option, *value, *said;
    } wrong[] = {
        { NULL, NULL, "name the store with -o" },
        { "-o", "-", "-o -: a store must be a regular file" },
        { "-o", "/dev/null", "-o /dev/null: a store must be a regular file" },
        { "-o", "/", "-o /: a store must be a regular file" },
        { "--release", NULL, "option '--release' needs a value" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tool t = tool_run("index", file, wrong[i].option, wrong[i].value);
        assert_failed(&t, 2, wrong[i].said);
        assert_non_null(strstr(t.err, "Try 'ngram index --help'."));
        tool_free(&t);
    }
    tool t = tool_run("index", "-o", in_folder("store"));
    assert_failed(&t, 2, "no input files");
    tool_free(&t);
    assert_int_equal(count_entries(), 1);
}

static void check_failure(const char *rows, const char *said)
{
    const char *file = write_text("rows", rows), *store = write_text("store", "as it was");
    size_t len;
    tool t = tool_run("index", file, "-o", store);
    assert_failed(&t, 1, said);
    tool_free(&t);
    char *old = read_bytes(store, &len);
    assert_string_equal(old, "as it was");
    free(old);
    assert_int_equal(count_entries(), 2);
}

static void test_failures_leave_the_old_store(void **state)
{
    (void)state;
    check_failure("a\t1900\t1\t1\nb\t1900\n", "rows:2: ");
    check_failure("a\t1900\t18446744073709551615\t1\nb\t1901\t1\t1\na\t1900\t1\t1\n", "\"a\": ");
    check_failure("a\t1900\t18446744073709551615\t1\nb\t1900\t1\t1\n",
                  "store: a sum"); /* a year's */
    tool t = tool_run("index", in_folder("rows"), "-o", in_folder("rows"));
    assert_failed(&t, 1, "is an input and the output");
    tool_free(&t);
}

static void test_an_interruption_leaves_nothing(void **state)
{
    (void)state;
    const char *pipe = in_folder("pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    tool t = tool_start("index", pipe, "-o", in_folder("store"));
    int fd = open(pipe, O_WRONLY | O_CLOEXEC); /* it reads now */
    assert_true(fd >= 0);
    assert_int_equal(kill(t.pid, SIGINT), 0);
    tool_wait(&t);
    close(fd);
    assert_failed(&t, 130, "ngram: interrupted");
    tool_free(&t);
    assert_int_equal(count_entries(), 1);
}

/* Writing fails after 200 blocks of 512 bytes. */
static void test_a_file_that_cannot_grow(void **state)
{
    (void)state;
    run_well(tool_run("gen", "--bytes", "2M", "-o", in_folder("rows")));
    write_text("store", "as it was");
    shell("(trap '' XFSZ; ulimit -f 200; '" YOKE_BUILD_DIR "/ngram' index '%s' -o '%s' --executor "
          "threads 2> '%s'; test $? = 1)",
          in_folder("rows"), in_folder("store"), in_folder("said"));
    shell("grep -q 'store: file too large' '%s'", in_folder("said"));
    shell("test \"$(cat '%s')\" = 'as it was'", in_folder("store"));
    assert_int_equal(count_entries(), 3);
}

/* ---- What is in it --------------------------------------------------------------------------- */

static void test_years_that_stand_apart_are_summed(void **state)
{
    (void)state;
    const char *a = write_text("a", "x\t1900\t1\t1\nx\t1901\t2\t2\ny\t1900\t5\t5\nx\t1899\t7\t1\n"
                                    "x\t1900\t10\t1\nx\t1900\t100\t1\n");
    const char *b = write_text("b", "x\t1950,1000,1\t1900,3,3\nz z\t2000,0,0\n");
    run_well(tool_run("index", a, b, "-o", in_folder("store")));
    check_dump(in_folder("store"),
               write_text("expected", "x\t1899\t7\t1\nx\t1900\t114\t6\nx\t1901\t2\t2\n"
                                      "x\t1950\t1000\t1\ny\t1900\t5\t5\nz z\t2000\t0\t0\n"));
    run_well(tool_run("index", a, b, "-o", in_folder("store"), "--years", "1901:1999"));
    check_dump(in_folder("store"), write_text("expected", "x\t1901\t2\t2\nx\t1950\t1000\t1\n"));
    run_well(tool_run("index", write_text("none", ""), "-o", in_folder("store")));
    check_dump(in_folder("store"), write_text("expected", ""));
}

static void test_made_up_files_equal_awk(void **state)
{
    (void)state;
    const char *store = in_folder("store"), *expected = in_folder("expected");
    run_well(tool_run("gen", "--bytes", "3M", "--shards", "3", "-o", in_folder("two")));
    run_well(tool_run("gen", "--bytes", "1M", "--seed", "5", "-o", in_folder("more")));
    run_well(tool_run("gen", "--bytes", "1M", "--seed", "5", "-o", in_folder("more.gz")));
    shell("awk -F'\t' 'NR == 1 || $1 \"\" != n { if (NR > 1) print \"\"; printf \"%%s\", n = $1 } "
          "{ printf \"\\t%%s,%%s,%%s\", $2, $3, $4 } END { print \"\" }' '%s' > '%s'",
          in_folder("more"), in_folder("version3"));
    char files[900];
    snprintf(files, sizeof files, "'%s' '%s' '%s'", in_folder("two"), in_folder("more"),
             in_folder("more"));
    expect_years(files, expected);
    run_well(
        tool_run("index", in_folder("two"), in_folder("more"), in_folder("more.gz"), "-o", store));
    check_dump(store, expected);
    run_well(
        tool_run("index", in_folder("more"), in_folder("two"), in_folder("version3"), "-o", store));
    check_dump(store, expected);
}

static void test_true_rows_equal_awk(void **state)
{
    (void)state;
    const char *file = YOKE_SHARED_DATA "/googlebooks-eng-all-1gram-20120701-a.excerpt.tsv";
    if (access(file, R_OK) != 0)
        skip();
    char quoted[4096];
    snprintf(quoted, sizeof quoted, "'%s'", file);
    expect_years(quoted, in_folder("expected"));
    run_well(tool_run("index", file, "-o", in_folder("store")));
    check_dump(in_folder("store"), in_folder("expected"));
}

static void test_the_same_bytes_however_it_is_made(void **state)
{
    (void)state;
    static const char *const executors[] = { "threads", "processes", "hybrid" };
    run_well(tool_run("gen", "--bytes", "2M", "--shards", "4", "-o", in_folder("rows")));
    run_well(tool_run("index", in_folder("rows"), "-o", in_folder("first")));
    for (int i = 0; i < 6; i++) {
        run_well(tool_run("index", in_folder("rows"), "-o", in_folder("other"), "--executor",
                          executors[i % 3], "--workers", i < 3 ? "1" : "5"));
        shell("cmp '%s' '%s'", in_folder("first"), in_folder("other"));
    }
    run_well(tool_run("gen", "--bytes", "60M", "--shards", "4", "-o", in_folder("rows")));
    run_well(tool_run("index", in_folder("rows"), "-o", in_folder("first")));
    run_well(tool_run("index", in_folder("rows"), "-o", in_folder("other"), "--memory", "16M",
                      "--temp-dir", in_folder(".")));
    shell("cmp '%s' '%s'", in_folder("first"), in_folder("other"));
}

static void test_what_it_says_of_itself(void **state)
{
    (void)state;
    const char *file = write_text("rows", "a\t1900\t3\t1\nb\t1900\t4\t1\n");
    run_well(tool_run("index", file, "-o", in_folder("store"), "--release", "20200217",
                      "--language", "eng"));
    ngram_store *s = open_store(in_folder("store"));
    const ngram_store_info *about = ngram_store_about(s);
    assert_string_equal(about->release, "20200217");
    assert_string_equal(about->language, "eng");
    assert_int_equal(strncmp(about->sources, file, strlen(file)), 0);
    assert_int_equal(about->years->count, 1);
    assert_int_equal(about->years->points[0].match_count, 7);
    ngram_store_close(s);
}

/* A terminal gets nothing that would do something to it. */
static void test_what_it_says_is_only_shown(void **state)
{
    (void)state;
    const char *file = write_text("rows", "a\t1900\t3\t1\n");
    run_well(tool_run("index", file, "-o", in_folder("store"), "--release", "a\033[2J\nb",
                      "--language",
                      "fran\xc3\xa7"
                      "ais"));
    static const char *const forms[] = { "table", "tsv" };
    for (int i = 0; i < 2; i++) {
        tool t = tool_run("info", in_folder("store"), "--format", forms[i]);
        assert_int_equal(t.status, 0);
        assert_non_null(strstr(t.out, "a\\x1b[2J\\x0ab\n"));
        assert_non_null(strstr(t.out, "fran\xc3\xa7"
                                      "ais\n"));
        tool_free(&t);
    }
}

static void check_verify(const char *store, int status, const char *said)
{
    tool t = tool_run("verify", store);
    assert_int_equal(t.status, status);
    if (!strstr(status ? t.err : t.out, said))
        fail_msg("said: %s%s", t.out, t.err);
    tool_free(&t);
}

static void test_stores_are_verified_and_described(void **state)
{
    (void)state;
    const char *file = write_text("rows", "a\t1900\t3\t1\nb\t1950\t4\t1\n"),
               *store = in_folder("store");
    size_t len;
    run_well(tool_run("index", file, "-o", store, "--language", "eng"));
    char *bytes = read_bytes(store, &len);
    check_verify(write_bytes("cut", bytes, len - 1), 1, "cut: a part of the store is missing");
    char *place = memmem(bytes, len, "eng", 3);
    assert_non_null(place);
    place[0] = 'E';
    check_verify(write_bytes("bad", bytes, len), 1, "bad: the store is damaged");
    free(bytes);
    check_verify(store, 0, "store: good: a store of 2 n-grams\n");
    tool t = tool_run("info", store);
    assert_non_null(strstr(t.out, "layout        store\n"));
    assert_non_null(strstr(t.out, "language      eng\n"));
    assert_non_null(strstr(t.out, "/rows\n"));
    assert_non_null(strstr(t.out, "ngrams        2\n"));
    assert_non_null(strstr(t.out, "years         1900:1950\n"));
    tool_free(&t);
}

static void test_readers_keep_the_old_store(void **state)
{
    (void)state;
    const char *store = in_folder("store");
    run_well(tool_run("index", write_text("rows", "old\t1900\t3\t1\n"), "-o", store));
    ngram_store *s = open_store(store);
    run_well(tool_run("index", write_text("rows", "new\t1900\t4\t1\n"), "-o", store));
    ngram_series *series;
    assert_int_equal(ngram_store_get(s, "old", 3, &series), 0);
    free(series);
    ngram_store_close(s);
    check_dump(store, in_folder("rows"));
}

/* ---- Case folding in a store ----------------------------------------------------------------- */

/* Letters that fold to others, to several, or to none; a tag; bytes that are no UTF-8. */
static const char *const letters[] = {
    "s", "S", "\xc5\xbf",     "\xc3\x9f", "\xe1\xba\x9e", "k", "K",     "\xe2\x84\xaa", "f",
    "i", "I", "\xef\xac\x81", "\xc4\xb0", "\xff",         " ", "_VERB", "_verb"
};
enum { LETTERS = sizeof letters / sizeof *letters, SPELLED = 3000 };

static void put_random_word(char *to, unsigned *seed)
{
    unsigned n = 1 + (unsigned)rand_r(seed) % 4;
    to[0] = '\0';
    while (n-- > 0)
        strcat(to, letters[(unsigned)rand_r(seed) % LETTERS]);
    if (to[0] == ' ')
        to[0] = 's';
}

/* All of a word's spellings are found in a store as in the rows that it was made of. */
static void test_all_spellings_are_found(void **state)
{
    (void)state;
    unsigned seed = 5;
    char word[64];
    FILE *f = fopen(in_folder("rows"), "we");
    for (int i = 0; i < SPELLED; i++) {
        put_random_word(word, &seed);
        fprintf(f, "%s\t%d\t%d\t1\n", word, 1900 + i % 50, 1 + i);
    }
    assert_int_equal(fclose(f), 0);
    run_well(tool_run("index", in_folder("rows"), "-o", in_folder("store")));
    static const char *const asked[] = { "ss",
                                         "SS",
                                         "\xc3\x9f",
                                         "k",
                                         "\xe2\x84\xaa"
                                         "S",
                                         "fi",
                                         "FI\xff",
                                         "i\xcc\x87",
                                         "s_*",
                                         "sS_VERB",
                                         "ss_verb",
                                         "* k" };
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        tool a = tool_run("series", asked[i], "--case-fold", "--store", in_folder("store"));
        tool b = tool_run("series", asked[i], "--case-fold", "--", in_folder("rows"));
        assert_int_equal(b.status, 0);
        assert_wrote(&a, b.out);
        tool_free(&a);
        tool_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_wrong_usage, empty_folder),
        cmocka_unit_test_teardown(test_failures_leave_the_old_store, empty_folder),
        cmocka_unit_test_teardown(test_a_file_that_cannot_grow, empty_folder),
        cmocka_unit_test_teardown(test_an_interruption_leaves_nothing, empty_folder),
        cmocka_unit_test_teardown(test_years_that_stand_apart_are_summed, empty_folder),
        cmocka_unit_test_teardown(test_made_up_files_equal_awk, empty_folder),
        cmocka_unit_test_teardown(test_true_rows_equal_awk, empty_folder),
        cmocka_unit_test_teardown(test_the_same_bytes_however_it_is_made, empty_folder),
        cmocka_unit_test_teardown(test_what_it_says_of_itself, empty_folder),
        cmocka_unit_test_teardown(test_what_it_says_is_only_shown, empty_folder),
        cmocka_unit_test_teardown(test_stores_are_verified_and_described, empty_folder),
        cmocka_unit_test_teardown(test_readers_keep_the_old_store, empty_folder),
        cmocka_unit_test_teardown(test_all_spellings_are_found, empty_folder),
    };
    return cmocka_run_group_tests_name("e2e/index", tests, make_folder, remove_folder);
}
