/* Tests of what the tool says of itself: help whose examples run, manual pages, completion. All of
 * it is made of one table for each command; what is checked here is that each shows all of it. */
#include "e2e/tool.h"

#define NGRAM YOKE_BUILD_DIR "/ngram"
#define PAGES YOKE_BUILD_DIR "/ngram-pages"

enum { MOST_COMMANDS = 32 };

static char *commands[MOST_COMMANDS];
static int n_commands;

/* The names of all commands, from the tool's help. */
static int find_commands(void **state)
{
    if (make_folder(state) != 0)
        return -1;
    tool t = tool_run("--help");
    for (char *line = strtok(t.out, "\n"); line; line = strtok(NULL, "\n"))
        if (strncmp(line, "  ", 2) == 0 && line[2] != ' ' && n_commands < MOST_COMMANDS)
            commands[n_commands++] = strndup(line + 2, strcspn(line + 2, " "));
    tool_free(&t);
    return n_commands > 3 ? 0 : -1;
}

static int free_commands(void **state)
{
    while (n_commands > 0)
        free(commands[--n_commands]);
    return remove_folder(state);
}

/* The options of a command, from its help, a line each, sorted. */
static const char *options_in_help(const char *command)
{
    shell(NGRAM " %s --help | grep -oE '^  (-., |    )--[a-z-]+' | grep -oE '[-][-][a-z-]+' | "
                "LC_ALL=C sort > '%s'",
          command, in_folder("options"));
    shell("grep -qx -- --help '%s'", in_folder("options"));
    return in_folder("options");
}

/* ---- Help ------------------------------------------------------------------------------------ */

static void test_help_asked_wrongly(void **state)
{
    (void)state;
    tool t = tool_run("help", "nothing");
    assert_failed(&t, 2, "there is no command 'nothing'");
    tool_free(&t);
    t = tool_run("nothing", "--help");
    assert_failed(&t, 2, "there is no command 'nothing'");
    tool_free(&t);
}

static void test_help_in_every_form(void **state)
{
    (void)state;
    for (int i = 0; i < n_commands; i++) {
        char usage[100];
        snprintf(usage, sizeof usage, "Usage: ngram %s ", commands[i]);
        tool a = tool_run(commands[i], "--help"), b = tool_run(commands[i], "-h");
        tool c = tool_run("help", commands[i]);
        assert_int_equal(strncmp(a.out, usage, strlen(usage)), 0);
        assert_wrote(&b, a.out);
        assert_wrote(&c, a.out);
        assert_wrote(&a, c.out);
        tool_free(&a);
        tool_free(&b);
        tool_free(&c);
    }
}

/* ---- Examples -------------------------------------------------------------------------------- */

/* The files that examples name. */
static void make_files(void)
{
    static const char *const made[][4] = {
        { "gen", "--words=1", "--seed=1", "1gram-a.gz" },
        { "gen", "--words=1", "--seed=2", "1gram-b.tsv" },
        { "gen", "--words=2", "--seed=3", "2gram.gz" },
    };
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        shell(NGRAM " gen --bytes 100K %s %s -o '%s'", made[i][1], made[i][2],
              in_folder(made[i][3]));
    shell("(printf ' \\t'; seq 1500 2020 | sed 's/$/,1000000,5000,300/' | tr '\\n' '\\t') > '%s'",
          in_folder("totalcounts-1"));
    shell(
        "awk 'BEGIN { OFS = \"\\t\"; for (y = 1880; y < 2001; y++) { print \"Albert\", y, y, 9; "
        "print \"run_VERB\", y, 2 * y, 5; print \"run_NOUN\", y, y, 3; print \"run\", y, 3 * y, 7 "
        "} }' >> '%s'",
        in_folder("1gram-b.tsv"));
    shell(NGRAM " index '%s' '%s' -o '%s'", in_folder("1gram-a.gz"), in_folder("1gram-b.tsv"),
          in_folder("eng.store"));
}

static void run_example(const char *line)
{
    const char *said = in_folder("said");
    size_t len;
    char command[1000];
    snprintf(command, sizeof command, "cd '%s' && PATH='%s':$PATH && %s > '%s' 2> '%s'",
             in_folder("."), YOKE_BUILD_DIR, line, in_folder("wrote"), said);
    int status = system(command);
    char *text = read_bytes(said, &len);
    if (status != 0 || len > 0)
        fail_msg("%s\nended with %d and said: %s", line, status, text);
    free(text);
}

/* What needs the network is shown and not run; nor what does not end. */
static bool is_run(const char *command)
{
    return strcmp(command, "fetch") != 0 && strcmp(command, "serve") != 0;
}

static void test_examples_run(void **state)
{
    (void)state;
    make_files();
    for (int i = 0; i < n_commands; i++) {
        int n = 0;
        tool t = tool_run(commands[i], "--help");
        char *examples = strstr(t.out, "\nExamples:\n");
        char *line = examples ? strtok(examples, "\n") : NULL;
        for (; line; line = strtok(NULL, "\n"))
            if (strncmp(line, "  ngram ", 8) == 0 && ++n && is_run(commands[i]))
                run_example(line + 2);
        if (n == 0)
            fail_msg("ngram %s has no examples: give its table some", commands[i]);
        tool_free(&t);
    }
}

/* ---- Manual pages ---------------------------------------------------------------------------- */

/* Whether there is such a program. */
static bool has(const char *program)
{
    char command[100];
    snprintf(command, sizeof command, "command -v %s > /dev/null", program);
    return system(command) == 0;
}

static void test_manual_pages_show_every_option(void **state)
{
    (void)state;
    for (int i = 0; i < n_commands; i++) {
        shell("sed -n 's/\\\\f.//g; s/\\\\-/-/g; s/^\\(-., \\)\\?\\(--[a-z-]*\\).*/\\2/p' " PAGES
              "/man1/ngram-%s.1 | LC_ALL=C sort > '%s'",
              commands[i], in_folder("shown"));
        shell("diff '%s' '%s'", in_folder("shown"), options_in_help(commands[i]));
        shell("grep -q '^.BR ngram.-%s (1)' " PAGES "/man1/ngram.1", commands[i]);
    }
}

/* Quotes and hyphens of the examples are those that a shell understands. */
static void test_manual_pages_show_what_can_be_copied(void **state)
{
    (void)state;
    if (!has("groff"))
        skip();
    for (int i = 0; i < n_commands; i++) {
        shell(NGRAM " %s --help | grep '^  ngram ' | sed 's/^ *//' > '%s'", commands[i],
              in_folder("lines"));
        shell("groff -man -Tutf8 -P-c -rLL=500n " PAGES "/man1/ngram-%s.1 | sed 's/^ *//' > '%s'",
              commands[i], in_folder("page"));
        shell("grep -Fxf '%s' '%s' | diff - '%s'", in_folder("lines"), in_folder("page"),
              in_folder("lines"));
    }
}

static void test_manual_pages_are_well_formed(void **state)
{
    (void)state;
    if (!has("groff"))
        skip();
    shell("echo '.nothing' > '%s'; ! groff -man -ww -z '%s' 2> '%s'; test -s '%s'",
          in_folder("bad.1"), in_folder("bad.1"), in_folder("said"), in_folder("said"));
    shell("for page in " PAGES "/man1/*.1; do groff -man -ww -z -Tutf8 $page; done 2> '%s'; "
          "cat '%s'; test ! -s '%s'",
          in_folder("said"), in_folder("said"), in_folder("said"));
    if (has("mandoc"))
        shell("mandoc -T lint -W error " PAGES "/man1/*.1");
}

/* ---- Completion ------------------------------------------------------------------------------ */

/* What bash offers behind these words, the last of which is being typed. */
static void offer(const char *words, const char *to)
{
    shell("bash -c 'source " PAGES "/ngram.bash; COMP_WORDS=(%s); "
          "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _ngram; printf \"%%s\\n\" \"${COMPREPLY[@]}\"' | "
          "LC_ALL=C sort > '%s'",
          words, to);
}

static void check_offer(const char *words, const char *expected)
{
    size_t len;
    offer(words, in_folder("offered"));
    char *offered = read_bytes(in_folder("offered"), &len);
    if (strcmp(offered, expected) != 0)
        fail_msg("%s: offered: %s", words, offered);
    free(offered);
}

static void test_completion_of_values(void **state)
{
    (void)state;
    if (!has("bash"))
        skip();
    check_offer("ngram nothing --", "\n");
    check_offer("ngram zzz", "\n");
    check_offer("ngram count -o \"\"", "\n"); /* names of files are bash's own */
    check_offer("ngram count fi", "\n");
    check_offer("ngram cou", "count\n");
    check_offer("ngram help cou", "count\n");
    check_offer("ngram --v", "--version\n");
    check_offer("ngram count --executor \"\"", "hybrid\nprocesses\nthreads\n");
    check_offer("ngram count --executor th", "threads\n");
    check_offer("ngram count --executor =", "hybrid\nprocesses\nthreads\n");
    check_offer("ngram count --executor = h", "hybrid\n");
    check_offer("ngram count file --exec", "--executor\n");
}

static void test_completion_offers_every_option(void **state)
{
    (void)state;
    if (!has("bash"))
        skip();
    for (int i = 0; i < n_commands; i++) {
        char words[100];
        snprintf(words, sizeof words, "ngram %s --", commands[i]);
        offer(words, in_folder("offered"));
        shell("diff '%s' '%s'", in_folder("offered"), options_in_help(commands[i]));
    }
}

static void test_completion_of_other_shells(void **state)
{
    (void)state;
    if (!has("zsh") && !has("fish"))
        skip();
    if (has("zsh"))
        shell("zsh -n " PAGES "/ngram.zsh");
    if (has("fish"))
        for (int i = 0; i < n_commands; i++) {
            shell("HOME='%s' fish --no-config -c 'source " PAGES "/ngram.fish; complete -C \"ngram "
                  "%s --\"' | cut -f1 | tr -d = | LC_ALL=C sort > '%s'",
                  in_folder("home"), commands[i], in_folder("offered"));
            shell("diff '%s' '%s'", in_folder("offered"), options_in_help(commands[i]));
        }
    shell("rm -rf '%s'", in_folder("home")); /* fish makes folders in it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help_asked_wrongly),
        cmocka_unit_test(test_help_in_every_form),
        cmocka_unit_test_teardown(test_examples_run, empty_folder),
        cmocka_unit_test_teardown(test_manual_pages_show_every_option, empty_folder),
        cmocka_unit_test_teardown(test_manual_pages_show_what_can_be_copied, empty_folder),
        cmocka_unit_test_teardown(test_manual_pages_are_well_formed, empty_folder),
        cmocka_unit_test_teardown(test_completion_of_values, empty_folder),
        cmocka_unit_test_teardown(test_completion_offers_every_option, empty_folder),
        cmocka_unit_test_teardown(test_completion_of_other_shells, empty_folder),
    };
    return cmocka_run_group_tests_name("e2e/help", tests, find_commands, free_commands);
}
