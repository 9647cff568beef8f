/* Tests of --plot: pictures, and what keeps them from being drawn. gnuplot itself is asked for
 * where it is there; programs of that name that fail or hang are made here. */
#include "e2e/tool.h"

#include <errno.h>
#include <signal.h>

static bool gnuplot_is_there(void)
{
    return system("command -v gnuplot >/dev/null 2>&1") == 0;
}

static void test_plots_are_pictures(void **state)
{
    (void)state;
    if (!gnuplot_is_there())
        skip();
    static const char *const names[] = { "plot.svg", "plot.png" };
    static const char *const begins[] = { "<?xml", "\x89PNG\r\n\x1a\n" };
    const char *file = write_text("in", "a\t1900\t1\t2\n`id`\"\\n<&\t1901\t8\t1\nb\t1902\t4\t1\n");
    for (int i = 0; i < 4; i++) {
        size_t len;
        tool t = tool_run("top", file, "--by", i < 2 ? "year" : "ngram", "--plot",
                          in_folder(names[i % 2]), "-o", "/dev/null");
        assert_wrote(&t, "");
        tool_free(&t);
        char *picture = read_bytes(in_folder(names[i % 2]), &len);
        assert_memory_equal(picture, begins[i % 2], strlen(begins[i % 2]));
        if (i % 2 == 0)
            assert_non_null(strstr(picture, "</svg>"));
        free(picture);
    }
    assert_int_equal(count_entries(), 3);
}

static void test_plots_that_cannot_be_made_are_said_before_any_work(void **state)
{
    (void)state;
    const char *file = write_text("in", "not a row\n");
    tool t = tool_run("top", file, "--plot", in_folder("plot.pdf"));
    assert_failed(&t, 2, "must be a file with the ending .svg or .png");
    tool_free(&t);
    char *path = strdup(getenv("PATH"));
    setenv("PATH", in_folder("missing"), 1);
    t = tool_run("top", file, "--plot", in_folder("plot.svg"));
    setenv("PATH", path, 1);
    free(path);
    assert_failed(&t, 1, "needs the program gnuplot");
    tool_free(&t);
    if (gnuplot_is_there()) {
        t = tool_run("top", file, "--plot", in_folder("missing/plot.svg"));
        assert_failed(&t, 1, "missing/plot.svg: No such file or directory");
        tool_free(&t);
        t = tool_run("top", write_text("empty", ""), "--plot", in_folder("plot.svg"));
        assert_failed(&t, 1, "there is nothing to draw");
        tool_free(&t);
    }
    assert_true(access(in_folder("plot.svg"), F_OK) != 0);
}

static void test_more_rows_than_can_be_drawn(void **state)
{
    (void)state;
    shell("seq -f 'w%%g\t1900\t1\t1' 20001 > '%s'", in_folder("many"));
    tool t = tool_run("count", "--spark", in_folder("many"), "-o", in_folder("out"));
    assert_failed(&t, 1, "draw at most 20000 rows: ask for the top");
    tool_free(&t);
    assert_int_equal(count_entries(), 1);
    t = tool_run("top", "-k", "20000", "--spark", in_folder("many"));
    assert_int_equal(t.status, 0);
    tool_free(&t);
    if (gnuplot_is_there()) { /* bars without names */
        t = tool_run("top", "-k", "100", "-o", "/dev/null", in_folder("many"), "--plot",
                     in_folder("plot.svg"));
        assert_wrote(&t, "");
        tool_free(&t);
    }
}

static void test_more_lines_than_can_be_drawn(void **state)
{
    (void)state;
    shell("for l in a b c d e f g; do seq -f \"$l%%g\t1900\t1\t1\" 10; done > '%s'",
          in_folder("many"));
    tool t = tool_run("series", "--spark", "--format", "tsv", "a*", "--", in_folder("many"));
    assert_int_equal(t.status, 1); /* a star within a word is a star */
    tool_free(&t);
    const char *args[80] = { "series", "--spark" };
    char words[70][8];
    for (int i = 0; i < 70; i++) {
        snprintf(words[i], sizeof words[i], "%c%d", 'a' + i / 10, i % 10 + 1);
        args[2 + i] = words[i];
    }
    args[72] = "--";
    args[73] = in_folder("many");
    t = tool_run_opts(&(tool_options){ 0 }, args);
    assert_int_equal(t.status, 0);
    assert_string_equal(t.err, "ngram: --plot and --spark draw 64 columns; the last 6 are left "
                               "out\n");
    assert_int_equal(strncmp(t.out, "a1   █  1900 to 1900, at most 1\n", 30), 0);
    tool_free(&t);
}

/* Any reader of XML will do. */
static void test_an_n_gram_of_any_bytes_is_drawn(void **state)
{
    (void)state;
    if (!gnuplot_is_there() || system("command -v python3 >/dev/null 2>&1") != 0)
        skip();
    static const char rows[] =
        "\xff\xc3<&>\"'\\`\x01\x7f\t1900\t1\t2\n$(id)\\n%s{/Bold}\t1900\t2\t1\n"
        "\xc3\xa9t\xc3\xa9^2_3\t1900\t8\t1\nEND_OF_LINE\t1900\t4\t1\n"
        "\"5`6''7\\\\8\t1900\t3\t1\n";
    char long_row[200];
    const char *file = write_text("in", rows);
    tool t = tool_run("top", file, "--plot", in_folder("plot.svg"), "-o", "/dev/null");
    assert_wrote(&t, "");
    tool_free(&t);
    shell("python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' '%s'",
          in_folder("plot.svg"));
    shell("grep -qF '$(id)\\n%%s{/Bold}' '%s'", in_folder("plot.svg"));
    shell("grep -qF '\xc3\xa9t\xc3\xa9^2_3' '%s'", in_folder("plot.svg"));
    shell("grep -qF \"5\\`6''7\\\\\\\\8\" '%s'", in_folder("plot.svg"));
    for (int i = 0; i < 30; i++)
        memcpy(long_row + 3 * i, "\xe2\x82\xac", 3); /* gnuplot has room for 50 bytes */
    strcpy(long_row + 90, "%\t1900\t1\t1\n");
    t = tool_run("top", write_text("in", long_row), "--plot", in_folder("plot.svg"), "-o",
                 "/dev/null");
    assert_wrote(&t, "");
    tool_free(&t);
    shell("python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' '%s'",
          in_folder("plot.svg"));
    t = tool_run("top", write_text("in", "a\\\t1900\t1\t1\n"), "--plot", in_folder("plot.svg"));
    assert_wrote(&t, "a\\\t1\t1\n");
    tool_free(&t);
}

static void test_a_series_is_drawn(void **state)
{
    (void)state;
    if (!gnuplot_is_there())
        skip();
    size_t len;
    tool t = tool_run("series", "Albert", "albert", "--plot", in_folder("plot.svg"), "--", "-o",
                      "/dev/null");
    assert_int_equal(t.status, 1); /* behind -- is no option */
    tool_free(&t);
    t = tool_run("series", "Albert", "albert", "--plot", in_folder("plot.svg"), "-o", "/dev/null",
                 "--", write_text("in", "Albert\t1900\t4\t1\nalbert\t1901\t1\t1\n"));
    assert_wrote(&t, "");
    tool_free(&t);
    char *picture = read_bytes(in_folder("plot.svg"), &len);
    assert_non_null(strstr(picture, "albert"));
    assert_non_null(strstr(picture, "</svg>"));
    free(picture);
    assert_int_equal(count_entries(), 2);
}

/* ---- Programs that are called gnuplot ------------------------------------------------------- */

/* Starts ngram with a plot, and a shell script as gnuplot. */
static tool start_command(const char *script, const char *command, const char *by, const char *file)
{
    char path[2000], *before = strdup(getenv("PATH"));
    shell("printf '#!/bin/sh\\n%s\\n' > '%s'; chmod +x '%s'", script, in_folder("gnuplot"),
          in_folder("gnuplot"));
    snprintf(path, sizeof path, "%s:%s", in_folder("."), before);
    setenv("PATH", path, 1);
    tool t =
        tool_start(command, "--by", by, file, "--plot", in_folder("plot.svg"), "-o", "/dev/null");
    setenv("PATH", before, 1);
    free(before);
    return t;
}

static tool start_with(const char *script, const char *file)
{
    return start_command(script, "top", "ngram", file);
}

/* What gnuplot is told about years, which the file has in another order than their counts. */
static void test_only_years_in_their_order_are_a_line(void **state)
{
    (void)state;
    static const char *const expected[][2] = {
        { "count", "set xrange [1900:1902]" },
        { "top", "set xtics rotate by -45 ('1901' 0, '1902' 1, '1900' 2)" },
    };
    const char *file = write_text("in", "a\t1900\t1\t1\na\t1901\t8\t1\na\t1902\t4\t1\n");
    for (int i = 0; i < 2; i++) {
        size_t len;
        tool t = start_command("tee $0.told", expected[i][0], "year", file);
        tool_wait(&t);
        assert_wrote(&t, "");
        tool_free(&t);
        char *told = read_bytes(in_folder("gnuplot.told"), &len);
        assert_non_null(strstr(told, expected[i][1]));
        free(told);
    }
}

static void test_what_gnuplot_complains_of_is_told(void **state)
{
    (void)state;
    static const char *const scripts[][2] = {
        { "echo; echo more >&2; echo \\ it hurts >&2; echo >&2; exit 3",
          "plot.svg: gnuplot failed: it hurts\n" },
        { "exit 0", "plot.svg: gnuplot failed and said nothing\n" },
        { "kill -9 $$", "plot.svg: gnuplot failed and said nothing\n" },
    };
    const char *file = write_text("in", "a\t1900\t1\t2\n");
    write_text("plot.svg", "an old one");
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        size_t len;
        tool t = start_with(scripts[i][0], file);
        tool_wait(&t);
        assert_failed(&t, 1, scripts[i][1]);
        tool_free(&t);
        char *old = read_bytes(in_folder("plot.svg"), &len);
        assert_string_equal(old, "an old one");
        free(old);
        assert_int_equal(count_entries(), 3);
    }
}

static void test_interrupt_while_gnuplot_draws(void **state)
{
    (void)state;
    tool t = start_with("touch $0.began; exec sleep 1000", write_text("in", "a\t1900\t1\t2\n"));
    while (access(in_folder("gnuplot.began"), F_OK) != 0)
        tool_look_again(&t);
    family f = family_of(&t);
    assert_int_equal(kill(t.pid, SIGINT), 0);
    tool_wait(&t);
    assert_failed(&t, 130, "ngram: interrupted\n");
    family_wait_gone(&f);
    assert_int_equal(count_entries(), 3);
    tool_free(&t);
}

#define TEST(name) cmocka_unit_test_teardown(name, empty_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_plots_that_cannot_be_made_are_said_before_any_work),
        TEST(test_only_years_in_their_order_are_a_line),
        TEST(test_what_gnuplot_complains_of_is_told),
        TEST(test_interrupt_while_gnuplot_draws),
        TEST(test_more_rows_than_can_be_drawn),
        TEST(test_more_lines_than_can_be_drawn),
        TEST(test_plots_are_pictures),
        TEST(test_a_series_is_drawn),
        TEST(test_an_n_gram_of_any_bytes_is_drawn),
    };
    return cmocka_run_group_tests_name("e2e/plots", tests, make_folder, remove_folder);
}
