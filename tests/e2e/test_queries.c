/* Tests of which n-grams count and as what, of the sums, and of the forms of an answer. */
#include "e2e/tool.h"

static const char *const executors[] = { "threads", "processes", "hybrid" };

/* One command over one file: its options, separated by blanks ('~' stands for a blank in one), and
 * what it writes. */
typedef struct question {
    const char *options, *answer;
} question;

static tool ask_on(const char *options, const char *file, const char *executor)
{
    static char words[1024];
    const char *args[MOST_ARGS] = { 0 };
    int n = 0;
    snprintf(words, sizeof words, "%s", options);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
        for (char *p = word; *p; p++)
            *p = *p == '~' ? ' ' : *p;
        args[n++] = word;
    }
    args[n++] = file;
    args[n++] = "--executor";
    args[n++] = executor;
    return tool_run_opts(&(tool_options){ 0 }, args);
}

static void check_question(const question *q, const char *file, const char *executor)
{
    tool t = ask_on(q->options, file, executor);
    if (t.status != 0 || strcmp(t.out, q->answer) != 0 || t.err[0])
        fail_msg("%s: status %d, wrote:\n%s%swanted:\n%s", q->options, t.status, t.out, t.err,
                 q->answer);
    tool_free(&t);
}

#define check_questions(list, file)                               \
    for (size_t i_ = 0; i_ < sizeof(list) / sizeof *(list); i_++) \
    check_question(&(list)[i_], file, executors[i_ % 3])

/* ---- Which n-grams ------------------------------------------------------------------------- */

static void test_case_is_folded_but_not_tags(void **state)
{
    (void)state;
    static const char rows[] =
        "The\t1900\t1\t1\nthe\t1900\t2\t1\nTHE\t1900\t4\t1\n"
        "THE_DET\t1900\t8\t1\nthe_DET\t1901\t16\t1\n"
        "_START_ The\t1900\t3\t1\n_NOUN_\t1900\t5\t1\n"
        "STRASSE\t1900\t1\t1\nStra\xc3\x9f"
        "e\t1900\t2\t1\n"
        "\xce\xa3\xce\x91\xce\xa3\t1900\t1\t1\n" /* a final sigma, too */
        "\xcf\x83\xce\xb1\xcf\x82\t1900\t2\t1\n"
        "A\xff\xc3\t1900\t1\t1\nABCDEFGHIJKLMNOPQRSTUVWXYZ[@`{\t1900\t1\t1\n";
    static const question questions[] = {
        { "count --case-fold",
          "_NOUN_\t5\t1\n_START_ the\t3\t1\n"
          "abcdefghijklmnopqrstuvwxyz[@`{\t1\t1\na\xff\xc3\t1\t1\nstrasse\t3\t2\nthe\t7\t3\n"
          "the_DET\t24\t2\n\xcf\x83\xce\xb1\xcf\x83\t3\t2\n" },
        { "count --case-fold --prefix THE", "the\t7\t3\nthe_DET\t24\t2\n" },
        { "count --case-fold --prefix THE_d", "the_DET\t24\t2\n" },
        { "count --case-fold --prefix _NOUN_", "_NOUN_\t5\t1\n" },
        { "count --case-fold --match ^THE$", "the\t7\t3\n" },
        { "count --match ^THE$", "THE\t4\t1\n" },
        { "top -k 1 --case-fold", "the_DET\t24\t2\n" },
    };
    const char *file = write_text("in", rows);
    check_questions(questions, file);
}

static const char tagged_rows[] = "run\t1900\t10\t2\nrun_VERB\t1900\t6\t2\nrun_NOUN\t1900\t4\t1\n"
                                  "only_ADV\t1900\t7\t1\nonly_ADJ\t1900\t2\t1\n"
                                  "_NOUN_\t1900\t4\t1\nfoo_\t1900\t1\t1\n_x_NUM\t1900\t1\t1\n"
                                  "the run\t1900\t3\t1\nthe_DET run_NOUN\t1900\t3\t1\n"
                                  "the run_NOUN\t1900\t3\t1\nthe _NOUN_\t1900\t3\t1\n"
                                  "_START_ so_ADV\t1900\t5\t1\n"
                                  "dog_NOUN=>big_ADJ\t1900\t2\t1\nf_FOO\t1900\t1\t1\n";

static void test_tags_are_kept_stripped_or_asked_for(void **state)
{
    (void)state;
    static const question questions[] = {
        { "count --pos strip", "_START_ so\t5\t1\n_x\t1\t1\ndog=>big\t2\t1\nf_FOO\t1\t1\n"
                               "foo_\t1\t1\nonly\t9\t2\nrun\t10\t2\nthe run\t3\t1\n" },
        { "top --pos strip -k 2", "run\t10\t2\nonly\t9\t2\n" },
        { "count --pos only NOUN",
          "dog_NOUN=>big_ADJ\t2\t1\nrun_NOUN\t4\t1\nthe_DET run_NOUN\t3\t1\n" },
        { "count --pos only ADV", "_START_ so_ADV\t5\t1\nonly_ADV\t7\t1\n" },
        { "count --pos only .", "" },
        { "top --pos keep -k 2", "run\t10\t2\nonly_ADV\t7\t1\n" },
        { "top -k 2", "run\t10\t2\nonly_ADV\t7\t1\n" },
    };
    const char *file = write_text("in", tagged_rows);
    check_questions(questions, file);
}

static void test_expressions_prefixes_lengths_and_sums_select(void **state)
{
    (void)state;
    static const char rows[] =
        "a\t1900\t1\t1\na\t1950\t9\t2\nab\t1900\t5\t1\n\xc3\xa9t\xc3\xa9\t1900"
        "\t3\t1\nb c\t1900\t4\t1\nab\t1950\t5\t1\n\xff\xff\t1900\t2\t1\n";
    static const question questions[] = {
        { "count --prefix a", "a\t10\t3\nab\t10\t2\n" },
        { "count --prefix ab", "ab\t10\t2\n" },
        { "count --length 3", "b c\t4\t1\n\xc3\xa9t\xc3\xa9\t3\t1\n" },
        { "count --length ..1", "a\t10\t3\n" },
        { "count --length 2..3 --min-count 4", "ab\t10\t2\nb c\t4\t1\n" },
        { "count --length 3.. --min-count 4 --years 1950:", "" },
        { "count --min-count 10", "a\t10\t3\nab\t10\t2\n" },
        { "count --min-count 10 --years 1900", "" },
        { "count --match ^\\w{3}$", "\xc3\xa9t\xc3\xa9\t3\t1\n" },
        { "count --match \\s", "b c\t4\t1\n" },
        { "count --match a|^b --prefix b", "b c\t4\t1\n" },
        { "top -k 3 --min-count 9", "a\t10\t3\nab\t10\t2\n" },
    };
    const char *file = write_text("in", rows);
    check_questions(questions, file);
}

static void test_an_expression_that_runs_away_is_said_to_do_so(void **state)
{
    (void)state;
    char rows[256];
    snprintf(rows, sizeof rows, "b\t1900\t1\t1\n%s!\t1900\t1\t1\n",
             "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    const char *file = write_text("in", rows);
    tool t = tool_run("count", "--match", "^(a|a)*$", file);
    assert_failed(&t, 1, "in:2: byte 11: the expression of --match takes too many steps");
    tool_free(&t);
    t = tool_run("count", "--match", "^(a|a)*$", file, "--bad-records", "skip");
    assert_int_equal(t.status, 0);
    assert_string_equal(t.out, "");
    tool_free(&t);
}

/* ---- Sums ---------------------------------------------------------------------------------- */

static void test_sums_by_letter_part_of_speech_year_and_decade(void **state)
{
    (void)state;
    static const char rows[] = "ab\t999\t1\t1\nab\t1909\t2\t1\n\xc3\xa9t\xc3\xa9\t1910\t4\t1\n"
                               "Ab\t1911\t8\t1\nab_NOUN\t1909\t2\t1\nab cd_VERB\t1909\t1\t1\n"
                               "_NOUN_\t1909\t2\t1\n\xff\t1919\t16\t1\n";
    static const question questions[] = {
        { "count --by first-letter", "A\t8\t1\na\t3\t2\n\xc3\xa9\t4\t1\n\xff\t16\t1\n" },
        { "count --by first-letter --pos keep",
          "A\t8\t1\n_\t2\t1\na\t6\t4\n\xc3\xa9\t4\t1\n\xff\t16\t1\n" },
        { "count --by first-letter --case-fold", "a\t11\t3\n\xc3\xa9\t4\t1\n\xff\t16\t1\n" },
        { "count --by pos", "-\t31\t5\n- VERB\t1\t1\nNOUN\t2\t1\n_NOUN_\t2\t1\n" },
        { "count --by year", "999\t1\t1\n1909\t2\t1\n1910\t4\t1\n1911\t8\t1\n1919\t16\t1\n" },
        { "count --by year --pos only NOUN", "1909\t2\t1\n" },
        { "count --by year --years 1910:1911 --prefix A", "1911\t8\t1\n" },
        { "count --by decade", "990\t1\t1\n1900\t2\t1\n1910\t28\t3\n" },
        { "count --by decade --pos keep", "990\t1\t1\n1900\t7\t4\n1910\t28\t3\n" },
        { "top -k 1 --by year", "1919\t16\t1\n" },
        { "count --by ngram --years 1911", "Ab\t8\t1\n" },
    };
    const char *file = write_text("in", rows);
    check_questions(questions, file);
    const char *long_row = write_text("v3", "ab\t999,1,1\t1909,2,1\nAb\t1911,8,1\n");
    check_question(&(question){ "count --by decade", "990\t1\t1\n1900\t2\t1\n1910\t8\t1\n" },
                   long_row, "threads");
    const char *early = write_text("early", "ab\t9\t1\t1\nab\t10\t2\t1\n");
    check_question(&(question){ "count --by decade", "0\t1\t1\n10\t2\t1\n" }, early, "threads");
    check_question(
        &(question){ "top -k 1 --by decade --years 9 --format json",
                     "[\n {\"decade\": 0, \"match_count\": 1, \"volume_count\": 1}\n]\n" },
        early, "threads");
}

static void test_sums_past_64_bits_are_named_by_their_year(void **state)
{
    (void)state;
    const char *file = write_text("in", "a\t1900\t18446744073709551615\t1\nb\t1900\t1\t1\n");
    tool t = tool_run("count", "--by", "year", file);
    assert_failed(&t, 1, "1900");
    tool_free(&t);
}

static void test_shares_are_of_all_that_was_asked_for(void **state)
{
    (void)state;
    const char *file = write_text("in", tagged_rows);
    static const question questions[] = {
        { "top --share -k 2 --pos only NOUN", "run_NOUN\t4\t1\t0.444444\t0.444444\n"
                                              "the_DET run_NOUN\t3\t1\t0.333333\t0.777778\n" },
        { "top --share -k 2 --pos strip",
          "run\t10\t2\t0.312500\t0.312500\nonly\t9\t2\t0.281250\t0.593750\n" },
        { "top --share -k 1 --format table --pos strip",
          "ngram  match_count  volume_count    share  cumulative\n"
          "run             10             2  31.25 %     31.25 %\n" },
        { "top --share -k 9 --match zzz", "" },
    };
    check_questions(questions, file);
}

/* ---- Forms --------------------------------------------------------------------------------- */

static void test_csv_is_quoted_and_has_a_header(void **state)
{
    (void)state;
    const char *file = write_text("in", "a,b\t1900\t1\t2\n\"\t1900\t3\t4\nc d\t1900\t5\t6\n");
    tool t = tool_run("count", "--format", "csv", file);
    assert_wrote(&t, "ngram,match_count,volume_count\n\"\"\"\",3,4\n\"a,b\",1,2\nc d,5,6\n");
    tool_free(&t);
    t = tool_run("top", "-k1", "--share", "--format", "json", file);
    assert_wrote(&t, "[\n {\"ngram\": \"c d\", \"match_count\": 5, \"volume_count\": 6, "
                     "\"share\": 0.555556, \"cumulative\": 0.555556}\n]\n");
    tool_free(&t);
}

static void test_sparks_are_one_line(void **state)
{
    (void)state;
    const char *file = write_text("in", "a\t1900\t1\t2\na\t1901\t8\t1\na\t1902\t4\t1\n");
    tool t = tool_run("count", "--spark", "--by", "year", file);
    assert_wrote(&t, "match_count  ▁█▄  1900 to 1902, at most 8\n");
    tool_free(&t);
    t = tool_run("count", "--spark", "--by", "year", write_text("empty", ""));
    assert_wrote(&t, "");
    tool_free(&t);
}

static void test_wrong_options_are_explained(void **state)
{
    (void)state;
    static const question wrong[] = {
        { "count --match a(b", "--match a(b: missing closing parenthesis, behind \"a(b\"" },
        { "count --match a**b", "behind \"a*\"" },
        { "count --pos FOO", "must be keep, strip, or only and one of the tags" },
        { "count --pos only FOO", "must be keep, strip, or only and one of the tags" },
        { "count --length 5..3", "--length 5..3: must be N..M" },
        { "count --length ..", "must be N..M" },
        { "count --length x", "must be N..M" },
        { "count --by size", "--by size: must be ngram, first-letter, pos, year or decade" },
        { "count --min-count -1", "must be a number" },
        { "count --share", "unknown option '--share'" },
    };
    const char *file = write_text("in", "not a row\n");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tool t = ask_on(wrong[i].options, file, "threads");
        assert_failed(&t, 2, wrong[i].answer);
        assert_non_null(strstr(t.err, "Try 'ngram count --help'."));
        tool_free(&t);
    }
    tool t = tool_run("count", file, "--pos", "only");
    assert_failed(&t, 2, "option '--pos only' needs another word");
    tool_free(&t);
}

/* ---- Beside awk ---------------------------------------------------------------------------- */

/* The same questions in awk: of every row k is made the key, or the row is left out. */
static const struct {
    const char *options, *key;
} beside[] = {
    { "count --pos keep --by year", "k = $2" },
    { "count --pos keep --by decade", "k = int($2 / 10) * 10" },
    { "count --match ^[\\x20-\\x7e]*$ --case-fold --prefix a",
      "gsub(/\303\237/, \"ss\", $1); if ($1 ~ /[^\\040-\\176]/) next; k = $1; t = \"\"; "
      "if (match(k, /_(NOUN|VERB|ADJ|ADV|PRON|DET|ADP|NUM|CONJ|PRT|\\.|X)$/) && RSTART > 1) "
      "{ t = substr(k, RSTART); k = substr(k, 1, RSTART - 1) } k = tolower(k) t; "
      "if (k !~ /^a/) next" },
    { "count --pos only NOUN", "if ($1 !~ /._NOUN$/) next; k = $1" },
    { "count --match ^[\\x20-\\x7e]*[aeiou]{2}s?$ --length 4..9",
      "if ($1 !~ /[aeiou][aeiou]s?$/ || $1 ~ /[^\\040-\\176]/ || length($1) < 4 || length($1) > 9) "
      "next; k = $1" },
    { "count --by first-letter --pos keep --match ^[\\x20-\\x7e]",
      "if ($1 !~ /^[\\040-\\176]/) next; k = substr($1, 1, 1)" },
};

static const char strip_in_awk[] =
    "LC_ALL=C awk -F'\\t' '{ k = $1; if (match(k, "
    "/_(NOUN|VERB|ADJ|ADV|PRON|DET|ADP|NUM|CONJ|PRT|\\.|X)$/) && RSTART > 1) "
    "{ k = substr(k, 1, RSTART - 1); tm[k] += $3; tv[k] += $4 } "
    "else if (k !~ /^_(NOUN|VERB|ADJ|ADV|PRON|DET|ADP|NUM|CONJ|PRT|\\.|X)_$/) "
    "{ um[k] += $3; uv[k] += $4 } all[k] = 1 } END { for (k in all) if (k in um) "
    "printf \"%%s\\t%%.0f\\t%%.0f\\n\", k, um[k], uv[k]; else if (k in tm) "
    "printf \"%%s\\t%%.0f\\t%%.0f\\n\", k, tm[k], tv[k] }' '%s' | LC_ALL=C sort -t'\t' -k1,1 > "
    "'%s'";

/* The ten most frequent n-grams with their shares. */
static void check_shares(const char *file)
{
    size_t len;
    shell("LC_ALL=C awk -F'\\t' '{ m[$1] += $3; v[$1] += $4; all += $3 } END { for (n in m) printf "
          "\"%%s\\t%%.0f\\t%%.0f\\t%%.0f\\n\", n, m[n], v[n], all }' '%s' | "
          "LC_ALL=C sort -t'\t' -k2,2nr -k1,1 | head -10 | awk -F'\\t' '{ sum += $2; printf "
          "\"%%s\\t%%s\\t%%s\\t%%.6f\\t%%.6f\\n\", $1, $2, $3, $2 / $4, sum / $4 }' > '%s'",
          file, in_folder("expected"));
    char *expected = read_bytes(in_folder("expected"), &len);
    check_question(&(question){ "top --share", expected }, file, "processes");
    free(expected);
}

static void check_beside_awk(const char *file)
{
    size_t len;
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        shell(
            "LC_ALL=C awk -F'\\t' '{ %s; m[k] += $3; v[k] += $4 } END { for (k in m) printf "
            "\"%%s\\t%%.0f\\t%%.0f\\n\", k, m[k], v[k] }' '%s' | LC_ALL=C sort -t'\t' -k1,1 > '%s'",
            beside[i].key, file, in_folder("expected"));
        char *expected = read_bytes(in_folder("expected"), &len);
        check_question(&(question){ beside[i].options, expected }, file, executors[i % 3]);
        free(expected);
    }
    check_shares(file);
    shell(strip_in_awk, file, in_folder("expected"));
    char *expected = read_bytes(in_folder("expected"), &len);
    for (int e = 0; e < 3; e++)
        check_question(&(question){ "count --pos strip", expected }, file, executors[e]);
    free(expected);
}

static void test_true_rows_equal_awk(void **state)
{
    (void)state;
    char path[4096];
    snprintf(path, sizeof path, "%s/googlebooks-eng-all-1gram-20120701-a.excerpt.tsv",
             YOKE_SHARED_DATA);
    if (access(path, R_OK) != 0)
        skip();
    check_beside_awk(path);
}

static void test_generated_rows_equal_awk(void **state)
{
    (void)state;
    const char *file = in_folder("generated");
    tool t = tool_run("gen", "--bytes", "3M", "--seed", "5", "--words", "1", "-o", file);
    assert_wrote(&t, "");
    tool_free(&t);
    check_beside_awk(file);
}

#define TEST(name) cmocka_unit_test_teardown(name, empty_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_wrong_options_are_explained),
        TEST(test_an_expression_that_runs_away_is_said_to_do_so),
        TEST(test_sums_past_64_bits_are_named_by_their_year),
        TEST(test_case_is_folded_but_not_tags),
        TEST(test_tags_are_kept_stripped_or_asked_for),
        TEST(test_expressions_prefixes_lengths_and_sums_select),
        TEST(test_sums_by_letter_part_of_speech_year_and_decade),
        TEST(test_shares_are_of_all_that_was_asked_for),
        TEST(test_csv_is_quoted_and_has_a_header),
        TEST(test_sparks_are_one_line),
        TEST(test_true_rows_equal_awk),
        TEST(test_generated_rows_equal_awk),
    };
    return cmocka_run_group_tests_name("e2e/queries", tests, make_folder, remove_folder);
}
