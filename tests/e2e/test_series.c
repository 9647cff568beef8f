/* Tests of ngram series and ngram totals: the right numbers for every year, beside awk's. */
#include "e2e/tool.h"

static const char *const executors[] = { "threads", "processes", "hybrid" };

static const char few_rows[] = "Albert\t1900\t4\t1\nAlbert\t1902\t8\t1\nalbert\t1901\t1\t1\n"
                               "Albert_NOUN\t1902\t7\t1\nAlbert_X\t1902\t1\t1\n*\t1900\t3\t1\n"
                               "Bank of Japan\t1900\t5\t1\nKing of Japan\t1901\t6\t1\n"
                               "Bank_NOUN of Japan\t1900\t5\t1\n_START_ of Japan\t1900\t9\t1\n"
                               "of Japan\t1900\t9\t1\nto_PRT run_VERB\t1900\t2\t1\n"
                               "to_PRT see_VERB\t1900\t3\t1\nAlbert\t1900\t16\t1\n";

typedef struct question {
    const char *args[16];
    const char *out, *err;
} question;

static tool ask(const char *const *args, const char *file, const char *executor)
{
    const char *all[MOST_ARGS] = { "series", "--executor", executor };
    int n = 3;
    while (*args)
        all[n++] = *args++;
    all[n++] = "--";
    all[n++] = file;
    return tool_run_opts(&(tool_options){ 0 }, all);
}

/* The same of a store that was made of the file: the answer must be the same. */
static void check_store(const question *q)
{
    const char *all[MOST_ARGS] = { "series", "--store", in_folder("store") };
    for (int n = 3, i = 0; q->args[i]; i++)
        all[n++] = q->args[i];
    char err[200] = "";
    const char *files = q->err ? strstr(q->err, "files") : NULL;
    if (files)
        snprintf(err, sizeof err, "%.*sstore%s", (int)(files - q->err), q->err, files + 5);
    tool t = tool_run_opts(&(tool_options){ 0 }, all);
    if (t.status != 0 || strcmp(t.out, q->out) != 0 || strcmp(t.err, err) != 0)
        fail_msg("store: %s: status %d, wrote:\n%s%swanted:\n%s", q->args[0], t.status, t.out,
                 t.err, q->out);
    tool_free(&t);
}

static void make_store(const char *file)
{
    tool t = tool_run("index", file, "-o", in_folder("store"));
    assert_wrote(&t, "");
    tool_free(&t);
}

static void check_question(const question *q, const char *file, const char *executor)
{
    tool t = ask(q->args, file, executor);
    if (t.status != 0 || strcmp(t.out, q->out) != 0 || strcmp(t.err, q->err ? q->err : "") != 0)
        fail_msg("%s: status %d, wrote:\n%s%swanted:\n%s", q->args[0], t.status, t.out, t.err,
                 q->out);
    tool_free(&t);
}

static void check_list(const question *list, size_t n, const char *file)
{
    make_store(file);
    for (size_t i = 0; i < n; i++) {
        check_question(&list[i], file, executors[i % 3]);
        check_store(&list[i]);
    }
}

#define check_questions(list, file) check_list(list, sizeof(list) / sizeof *(list), file)

static void test_years_of_words(void **state)
{
    (void)state;
    static const question questions[] = {
        { { "Albert" }, "year\tAlbert\n1900\t20\n1901\t0\n1902\t8\n", NULL },
        { { "Albert", "albert" },
          "year\tAlbert\talbert\n1900\t20\t0\n1901\t0\t1\n1902\t8\t0\n",
          NULL },
        { { "ALBERT", "--case-fold" }, "year\tALBERT\n1900\t20\n1901\t1\n1902\t8\n", NULL },
        { { "Bank of Japan" }, "year\tBank of Japan\n1900\t5\n", NULL },
        { { "\\*" }, "year\t\\*\n1900\t3\n", NULL },
        { { "Albert", "--from", "1901", "--to", "1903" },
          "year\tAlbert\n1901\t0\n1902\t8\n1903\t0\n",
          NULL },
        { { "Albert", "--years", ":1901" }, "year\tAlbert\n1900\t20\n1901\t0\n", NULL },
        { { "Albert", "none", "--format", "csv" },
          "year,Albert,none\n1900,20,0\n1901,0,0\n1902,8,0\n",
          "ngram: not in the files: none\n" },
        { { "albert", "--format", "json" },
          "[\n {\"year\": 1901, \"ngrams\": {\"albert\": 1}}\n]\n",
          NULL },
        { { "Albert", "--format", "table" },
          "year  Albert\n1900      20\n1901       0\n1902       8\n",
          NULL },
        { { "Albert", "albert", "--spark" },
          "Albert  █▁▄  1900 to 1902, at most 20\nalbert  ▁█▁  1900 to 1902, at most 1\n",
          NULL },
    };
    const char *file = write_text("in", few_rows);
    check_questions(questions, file);
}

static void test_wildcards_give_the_most_frequent(void **state)
{
    (void)state;
    static const question questions[] = {
        { { "Albert_*" }, "year\tAlbert_NOUN\tAlbert_X\n1902\t7\t1\n", NULL },
        { { "* of Japan" }, "year\tKing of Japan\tBank of Japan\n1900\t0\t5\n1901\t6\t0\n", NULL },
        { { "*_NOUN of Japan" }, "year\tBank_NOUN of Japan\n1900\t5\n", NULL },
        { { "to_PRT *_VERB" }, "year\tto_PRT see_VERB\tto_PRT run_VERB\n1900\t3\t2\n", NULL },
        { { "ALBERT_*", "--case-fold" }, "year\talbert_NOUN\talbert_X\n1902\t7\t1\n", NULL },
        { { "*_*", "--years", "1902" }, "year\tAlbert_NOUN\tAlbert_X\n1902\t7\t1\n", NULL },
    };
    const char *file = write_text("in", few_rows);
    check_questions(questions, file);

    char rows[2000] = "";
    for (int i = 0; i < 30; i++)
        sprintf(rows + strlen(rows), "w%02d\t1900\t%d\t1\n", i, (i * 7) % 30 / 2);
    tool t = tool_run("series", "*", "--", write_text("many", rows));
    assert_wrote(&t, "year\tw04\tw17\tw08\tw21\tw12\tw25\tw16\tw29\tw03\tw20\n"
                     "1900\t14\t14\t13\t13\t12\t12\t11\t11\t10\t10\n");
    tool_free(&t);

    rows[0] = '\0';
    for (int i = 19; i >= 0; i--) /* of equals, the first in the order of bytes */
        sprintf(rows + strlen(rows), "w%02d\t1900\t1\t1\n", i);
    t = tool_run("series", "*", "--format", "csv", "--", write_text("equal", rows));
    assert_wrote(&t, "year,w00,w01,w02,w03,w04,w05,w06,w07,w08,w09\n1900,1,1,1,1,1,1,1,1,1,1\n");
    tool_free(&t);
}

/* An n-gram that returns, with years in any order: all of it is added up. */
static void test_an_n_gram_that_returns_is_one(void **state)
{
    (void)state;
    const char *file =
        write_text("in", "a\t1902\t1\t1\na\t1900\t2\t1\na\t1902\t4\t1\nb\t1900\t1\t1\n"
                         "a\t1901\t8\t1\na\t1900,16,1\t1899,32,1\n");
    const question all = { { "a" }, "year\ta\n1899\t32\n1900\t18\n1901\t8\n1902\t5\n", NULL };
    for (int e = 0; e < 3; e++)
        check_question(&all, file, executors[e]);
}

static void test_frequencies_and_smoothing(void **state)
{
    (void)state;
    const char *totals =
        write_text("totals", " \t1900,1000000,1,1\t1901,2000000,1,1\t1902,4000000,1,1\t");
    const char *file =
        write_text("in", "a\t1899\t9\t1\na\t1900\t3\t1\na\t1901\t6\t1\na\t1902\t4\t1\n");
    const question questions[] = {
        { { "a", "--relative", totals },
          "year\ta\n1899\t\n1900\t3.000000\n1901\t3.000000\n1902\t1.000000\n",
          NULL },
        { { "a", "--relative", totals, "--smooth", "1" },
          "year\ta\n1899\t3.000000\n1900\t3.000000\n1901\t2.333333\n1902\t2.000000\n",
          NULL },
        { { "a", "--smooth", "1" },
          "year\ta\n1899\t6.000000\n1900\t6.000000\n1901\t4.333333\n1902\t5.000000\n",
          NULL },
        { { "a", "--relative", totals, "--format", "json", "--to", "1900" },
          "[\n {\"year\": 1899, \"ngrams\": {\"a\": null}},\n {\"year\": 1900, \"ngrams\": {\"a\": "
          "3.000000}}\n]\n",
          NULL },
        { { "a", "--smooth", "1", "--from", "1901" },
          "year\ta\n1901\t5.000000\n1902\t5.000000\n",
          NULL },
    };
    check_questions(questions, file);
}

static void test_what_is_wrong_is_explained(void **state)
{
    (void)state;
    const char *file = write_text("in", few_rows);
    tool t = tool_run("series", "none", "nothing", "--", file);
    assert_int_equal(t.status, 1);
    assert_string_equal(t.err, "ngram: not in the files: none\nngram: not in the files: nothing\n");
    tool_free(&t);
    t = tool_run("series", "word", file);
    assert_failed(&t, 2, "no input files; they come behind --");
    tool_free(&t);
    t = tool_run("series", "--", file);
    assert_failed(&t, 2, "name the n-grams");
    tool_free(&t);
    t = tool_run("series", "a", "--from", "1950", "--to", "1900", "--", file);
    assert_failed(&t, 2, "--from 1950 is after --to 1900");
    tool_free(&t);
    t = tool_run("series", "a", "--smooth", "x", "--", file);
    assert_failed(&t, 2, "--smooth x: must be a number from 0 to 1000");
    tool_free(&t);
    t = tool_run("series", "a", "--relative", file, "--", file);
    assert_failed(&t, 1, file);
    tool_free(&t);
    t = tool_run("series", "a", "--relative", in_folder("missing"), "--", file);
    assert_failed(&t, 1, "missing: no such file");
    tool_free(&t);
    t = tool_run("totals", "--against", in_folder("missing"), file);
    assert_failed(&t, 1, "missing: no such file");
    tool_free(&t);
    t = tool_run("totals");
    assert_failed(&t, 2, "no input files");
    tool_free(&t);
}

static void test_totals_beside_the_datasets_own(void **state)
{
    (void)state;
    const char *file = write_text("in", few_rows);
    const char *totals = write_text("totals", " \t1899,7,1,1\t1900,86,1,1\t1901,7,1,1\t");
    const char *stripped = "ngram: summed the rows without part-of-speech tags, which the others "
                           "repeat\n";
    for (int e = 0; e < 3; e++) {
        tool t = tool_run("totals", file, "--executor", executors[e]);
        assert_int_equal(t.status, 0);
        assert_string_equal(t.out, "1900\t46\t6\n1901\t7\t2\n1902\t8\t1\n");
        assert_string_equal(t.err, stripped);
        tool_free(&t);
    }
    tool t = tool_run("totals", file, "--pos", "keep", "--against", totals, "--format", "csv");
    assert_int_equal(t.status, 0);
    assert_string_equal(t.out, "year,match_count,volume_count,total,ratio\n"
                               "1899,0,0,7,0.000000\n1900,56,9,86,0.651163\n"
                               "1901,7,2,7,1.000000\n1902,16,3,0,\n");
    assert_non_null(strstr(t.err, "ngram: summed all rows, tagged and untagged\n"));
    assert_non_null(strstr(t.err, "ngram: 3 of 4 years differ from "));
    assert_non_null(strstr(t.err, "; the most in 1902: 16 here, 0 there\n"));
    tool_free(&t);
    t = tool_run("totals", file, "--pos", "strip");
    assert_wrote(&t, "1900\t46\t6\n1901\t7\t2\n1902\t8\t1\n");
    tool_free(&t);
    t = tool_run("totals", file, "--pos", "only", "VERB", "--against", totals, "--years",
                 "1901:1901");
    assert_string_equal(t.out, "1901\t0\t0\t7\t0.000000\n");
    assert_non_null(strstr(t.err, "ngram: summed the fully tagged rows with that tag\n"));
    tool_free(&t);
}

/* ---- Beside awk ---------------------------------------------------------------------------- */

static const char *shared(char path[4096], const char *name)
{
    snprintf(path, 4096, "%s/%s", YOKE_SHARED_DATA, name);
    if (access(path, R_OK) != 0)
        skip();
    return path;
}

static void check_same(const tool *t, const char *path)
{
    size_t len;
    char *expected = read_bytes(path, &len);
    assert_int_equal(t->status, 0);
    if (strcmp(t->out, expected) != 0)
        fail_msg("wrote:\n%.2000s\nwanted:\n%.2000s", t->out, expected);
    free(expected);
}

static void test_true_rows_equal_awk(void **state)
{
    (void)state;
    char rows[4096], totals[4096];
    shared(rows, "googlebooks-eng-all-1gram-20120701-a.excerpt.tsv");
    shared(totals, "totalcounts_1-eng-20200217.txt");
    shell("tr '\\t' '\\n' < '%s' | awk -F, 'NR == FNR { if (NF > 1) total[$1] = $2; next } "
          "{ split($0, f, \"\\t\") } f[1] == \"Art\" || f[1] == \"Alive\" "
          "{ c[f[1], f[2]] += f[3] } END { print \"year\\tArt\\tAlive\"; "
          "for (y = 1800; y <= 2008; y++) { line = y; for (w = 1; w <= 2; w++) { s = 0; n = 0; "
          "for (z = y - 3; z <= y + 3; z++) if (z >= 1800 && z <= 2008) { "
          "s += c[w == 1 ? \"Art\" : \"Alive\", z] / total[z] * 1000000; n++ } "
          "line = line sprintf(\"\\t%%.6f\", s / n) } print line } }' - '%s' > '%s'",
          totals, rows, in_folder("expected"));
    for (int e = 0; e < 3; e++) {
        tool t = tool_run("series", "Art", "Alive", "--relative", totals, "--smooth", "3",
                          "--years", "1800:2008", "--executor", executors[e], "--", rows);
        check_same(&t, in_folder("expected"));
        tool_free(&t);
    }
    shell("awk -F'\\t' '$1 !~ /._(NOUN|VERB|ADJ|ADV|PRON|DET|ADP|NUM|CONJ|PRT|\\.|X)$/ "
          "{ m[$2] += $3; v[$2] += $4 } END { for (y in m) printf \"%%d\\t%%.0f\\t%%.0f\\n\", y, "
          "m[y], "
          "v[y] }' '%s' | sort -n > '%s'",
          rows, in_folder("expected"));
    tool t = tool_run("totals", rows);
    check_same(&t, in_folder("expected"));
    tool_free(&t);
}

static void test_totals_against_true_totals_equal_awk(void **state)
{
    (void)state;
    char rows[4096], totals[4096];
    shared(rows, "googlebooks-eng-all-1gram-20120701-a.excerpt.tsv");
    shared(totals, "totalcounts_1-eng-20200217.txt");
    shell(
        "tr '\\t' '\\n' < '%s' | awk -F, 'NR == FNR { if (NF > 1) { total[$1] = $2; all[$1] = 1 } "
        "next } { split($0, f, \"\\t\"); m[f[2]] += f[3]; v[f[2]] += f[4]; all[f[2]] = 1 } "
        "END { for (y in all) { r = (y in total) ? sprintf(\"%%.6f\", m[y] / total[y]) : \"\"; "
        "printf \"%%d\\t%%.0f\\t%%.0f\\t%%.0f\\t%%s\\n\", y, m[y], v[y], total[y], r } }' "
        "- '%s' | sort -n > '%s'",
        totals, rows, in_folder("expected"));
    tool t = tool_run("totals", "--pos", "keep", "--against", totals, rows);
    check_same(&t, in_folder("expected"));
    tool_free(&t);
}

static void test_wildcards_over_true_rows_equal_awk(void **state)
{
    (void)state;
    char rows[4096];
    shared(rows, "v3-layout.excerpt.tsv");
    shell(
        "awk -F'\\t' '$1 ~ /._NOUN$/ { s = 0; for (i = 2; i <= NF; i++) { split($i, e, \",\"); "
        "s += e[2] } print s \"\\t\" $1 }' '%s' | LC_ALL=C sort -t'\t' -k1,1nr -k2,2 | head -10 | "
        "cut -f2 > '%s'",
        rows, in_folder("expected"));
    tool t = tool_run("series", "*_NOUN", "--", rows);
    char *end = strchr(t.out, '\n');
    assert_int_equal(t.status, 0);
    char header[4096];
    snprintf(header, sizeof header, "%.*s\n", (int)(end - t.out - 5), t.out + 5);
    for (char *p = header; *p; p++)
        *p = *p == '\t' ? '\n' : *p;
    size_t len;
    char *expected = read_bytes(in_folder("expected"), &len);
    assert_string_equal(header, expected);
    free(expected);
    tool_free(&t);
}

#define TEST(name) cmocka_unit_test_teardown(name, empty_folder)

/* ---- Stores ---------------------------------------------------------------------------------- */

static void check_store_fails(const char *store, int status, const char *said)
{
    tool t = tool_run("series", "Albert", "--store", store, "-o", in_folder("out"));
    assert_failed(&t, status, said);
    assert_int_not_equal(access(in_folder("out"), F_OK), 0);
    tool_free(&t);
}

static void test_stores_that_cannot_be_read(void **state)
{
    (void)state;
    const char *file = write_text("in", few_rows), *store = in_folder("store");
    check_store_fails(in_folder("missing"), 1, "missing: no such file");
    check_store_fails(file, 1, "in: this is no store of n-grams");
    check_store_fails(in_folder("."), 1, "illegal operation on a directory");
    make_store(file);
    shell("head -c -9 '%s' > '%s'", store, in_folder("cut"));
    check_store_fails(in_folder("cut"), 1, "cut: a part of the store is missing");
    size_t len;
    char *bytes = read_bytes(store, &len);
    char *place = memmem(bytes, len, "Albert_NOUN", 11);
    assert_non_null(place);
    *place = 'B';
    check_store_fails(write_bytes("damaged", bytes, len), 1,
                      "damaged: the store is damaged; make it");
    free(bytes);
    tool t = tool_run("series", "Albert", "--store", store, "--", file);
    assert_failed(&t, 2, "either --store or files, not both");
    tool_free(&t);
    t = tool_run("series", "none", "--store", store);
    assert_int_equal(t.status, 1);
    assert_string_equal(t.err, "ngram: not in the store: none\n");
    tool_free(&t);
}

/* Patterns that begin alike but are something else. */
static void test_wildcards_with_a_beginning(void **state)
{
    (void)state;
    static const question questions[] = {
        { { "a *" }, "year\ta c\ta b\n1900\t3\t1\n", NULL },
        { { "a=>*" }, "year\ta=>b\n1900\t5\n", NULL },
        { { "* b" }, "year\ta b\n1900\t1\n", NULL },
        { { "a_*" }, "year\ta_VERB\ta_NOUN\n1900\t8\t7\n", NULL },
        { { "\\* *" }, "year\t* x\n1900\t9\n", NULL },
        { { "a * d" }, "year\ta c d\n1900\t4\n", NULL },
    };
    check_questions(questions,
                    write_text("in", "a b\t1900\t1\t1\nab c\t1900\t2\t1\na c\t1900\t3\t1\n"
                                     "a c d\t1900\t4\t1\na=>b\t1900\t5\t1\na_b\t1900\t6\t1\n"
                                     "a_NOUN\t1900\t7\t1\na_VERB\t1900\t8\t1\n* x\t1900\t9\t1\n"));
}

static void check_both(const char *word, const char *option, const char *file)
{
    tool a = tool_run("series", option, "--format=tsv", word, "--", file);
    tool b = tool_run("series", option, "--format=tsv", word, "--store", in_folder("store"));
    assert_string_equal(a.out, b.out);
    assert_int_equal(a.status, b.status);
    tool_free(&a);
    tool_free(&b);
}

static void test_stores_answer_as_files_do(void **state)
{
    (void)state;
    const char *file = in_folder("made-up");
    tool t = tool_run("gen", "--bytes", "2M", "--shards", "3", "--words", "3", "-o", file);
    tool_free(&t);
    make_store(file);
    shell(
        "cut -f1 '%s' | uniq | awk 'NR %% 97 == 0 { print; print $1 \" *\"; print \"* \" $NF; sub("
        "/_[A-Z]+$/, \"\"); print $0 \"_*\" }' | head -40 > '%s'",
        file, in_folder("words"));
    size_t len;
    char *words = read_bytes(in_folder("words"), &len);
    int n = 0;
    for (char *word = strtok(words, "\n"); word; word = strtok(NULL, "\n"))
        check_both(word, n++ % 4 ? "--from=1700" : "--case-fold", file);
    assert_int_equal(n, 40);
    free(words);
}

static void test_many_ask_one_store(void **state)
{
    (void)state;
    enum { TOOLS = 8 };
    tool tools[TOOLS];
    make_store(write_text("in", few_rows));
    for (int i = 0; i < TOOLS; i++)
        tools[i] = tool_start("series", "Albert", "--store", in_folder("store"));
    for (int i = 0; i < TOOLS; i++) {
        tool_wait(&tools[i]);
        assert_wrote(&tools[i], "year\tAlbert\n1900\t20\n1901\t0\n1902\t8\n");
        tool_free(&tools[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stores_that_cannot_be_read, NULL, empty_folder),
        cmocka_unit_test_setup_teardown(test_wildcards_with_a_beginning, NULL, empty_folder),
        cmocka_unit_test_setup_teardown(test_stores_answer_as_files_do, NULL, empty_folder),
        cmocka_unit_test_setup_teardown(test_many_ask_one_store, NULL, empty_folder),
        TEST(test_what_is_wrong_is_explained),
        TEST(test_years_of_words),
        TEST(test_wildcards_give_the_most_frequent),
        TEST(test_an_n_gram_that_returns_is_one),
        TEST(test_frequencies_and_smoothing),
        TEST(test_totals_beside_the_datasets_own),
        TEST(test_true_rows_equal_awk),
        TEST(test_totals_against_true_totals_equal_awk),
        TEST(test_wildcards_over_true_rows_equal_awk),
    };
    return cmocka_run_group_tests_name("e2e/series", tests, make_folder, remove_folder);
}
