/* Tests of `cmake --install`: what it puts where, and that a program can be built on it. */
#include "e2e/tool.h"

#define PREFIX in_folder("prefix")

static int install(void **state)
{
    if (make_folder(state) != 0)
        return -1;
    shell("'" YOKE_CMAKE "' --install '" YOKE_BUILD_DIR "' --prefix '%s' > '%s'", PREFIX,
          in_folder("said"));
    return 0;
}

static int uninstall(void **state)
{
    shell("rm -r '%s'", PREFIX);
    return remove_folder(state);
}

/* A shell command with $PREFIX, and pkg-config that knows it. */
static void in_prefix(const char *command)
{
    shell("export PREFIX='%s' FOLDER='%s'; "
          "export PKG_CONFIG_PATH=$(dirname $(find $PREFIX -name yoke.pc)); %s",
          PREFIX, in_folder("."), command);
}

static void test_nothing_but_what_belongs_there(void **state)
{
    (void)state;
    in_prefix(
        "cd $PREFIX && find . -type f | grep -vE '^./(bin/ngram|lib.*/libyoke.a|"
        "lib.*/pkgconfig/yoke.pc|include/yoke/([a-z]+/)*[a-z_]+[.]h|share/man/man1/"
        "ngram(-[a-z]+)?[.]1|share/bash-completion/completions/ngram|share/zsh/site-functions/"
        "_ngram|share/fish/vendor_completions.d/ngram.fish)$' > $FOLDER/others; "
        "cat $FOLDER/others; test ! -s $FOLDER/others");
    in_prefix("! grep -l 'Not installed' -r $PREFIX/include");
    in_prefix("! grep -e '" YOKE_BUILD_DIR "' $PKG_CONFIG_PATH/yoke.pc");
}

static void test_every_header_stands_alone(void **state)
{
    (void)state;
    in_prefix(
        "cd $PREFIX/include && for h in $(find yoke -name '*.h'); do echo \"#include <$h>\" | "
        "cc -std=gnu11 -Wall -Werror $(pkg-config --cflags yoke) -fsyntax-only -x c - || "
        "exit 1; done; test -f yoke/yoke.h");
}

static void test_a_program_is_built_and_runs(void **state)
{
    (void)state;
    in_prefix("cc -std=gnu11 -D_GNU_SOURCE '" YOKE_SOURCE_DIR "/examples/wordcount.c' " YOKE_FLAGS
              " $(pkg-config --cflags --libs yoke) -o $FOLDER/wordcount");
    in_prefix("echo a b a > $FOLDER/text; $FOLDER/wordcount $FOLDER/text > $FOLDER/counts; "
              "grep -qP '^a\\t2$' $FOLDER/counts");
}

static const char reader[] = "#include <yoke/yoke.h>\n"
                             "int main(int argc, char **argv)\n"
                             "{\n"
                             "    ngram_store *store;\n"
                             "    if (argc < 2 || ngram_store_open(&store, argv[1], NULL, 0))\n"
                             "        return 1;\n"
                             "    uint64_t n = ngram_store_about(store)->ngrams;\n"
                             "    ngram_store_close(store);\n"
                             "    return n == 2 ? 0 : 2;\n"
                             "}\n";

static void test_a_program_that_reads_stores(void **state)
{
    (void)state;
    write_text("reader.c", reader);
    in_prefix("cc -std=gnu11 $FOLDER/reader.c " YOKE_FLAGS
              " $(pkg-config --cflags --libs yoke) -o $FOLDER/reader");
    in_prefix(
        "printf 'a\\t1900\\t1\\t1\\nb\\t1900\\t1\\t1\\n' > $FOLDER/rows; "
        "$PREFIX/bin/ngram index $FOLDER/rows -o $FOLDER/store && $FOLDER/reader $FOLDER/store");
}

static void test_the_tool_and_its_pages(void **state)
{
    (void)state;
    in_prefix("$PREFIX/bin/ngram --version > $FOLDER/version");
    in_prefix(
        "for c in $($PREFIX/bin/ngram --help | sed -n 's/^  \\([a-z]*\\) .*/\\1/p'); do test -f "
        "$PREFIX/share/man/man1/ngram-$c.1 || exit 1; done");
    in_prefix("test -f $PREFIX/share/man/man1/ngram.1");
    in_prefix(
        "bash -c \"source $PREFIX/share/bash-completion/completions/ngram; complete -p ngram\" "
        "> $FOLDER/completion");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_but_what_belongs_there),
        cmocka_unit_test(test_every_header_stands_alone),
        cmocka_unit_test(test_a_program_is_built_and_runs),
        cmocka_unit_test(test_a_program_that_reads_stores),
        cmocka_unit_test(test_the_tool_and_its_pages),
    };
    return cmocka_run_group_tests_name("e2e/install", tests, install, uninstall);
}
