/* Tests of output in several files. */
#include "mapreduce/helper.h"

#include <uv.h>

#include "yoke.h"

static yk_mapreduce_report report;

static int map_words(yk_split *split, yk_emitter *out, void *arg)
{
    (void)arg;
    for (yk_str word; yk_split_next_word(split, &word);)
        yk_emit_u64(out, word, 1);
    return 0;
}

static size_t by_first_letter(yk_str key, size_t partitions, const void *arg)
{
    (void)partitions;
    return (size_t)(key.at[0] - *(const char *)arg);
}

static int run(const char *path, size_t partitions, size_t top,
               size_t (*partition)(yk_str, size_t, const void *))
{
    const char *files[] = { in_folder("in"), NULL };
    return yk_mapreduce(.inputs = files, .map = map_words, .fold = YK_SUM_U64, .top = top,
                        .sink = yk_sink_tsv(path), .partitions = partitions, .partition = partition,
                        .arg = "a", .arg_size = 2, .workers = 2, .split_size = 10,
                        .report = &report);
}

static void write_words(const char *text)
{
    write_file("in", text, strlen(text));
}

static void test_what_cannot_be_partitioned(void **state)
{
    (void)state;
    write_words("a b c");
    assert_int_equal(run(NULL, 2, 0, NULL), UV_EINVAL);
    assert_int_equal(run("-", 2, 0, NULL), UV_EINVAL);
    assert_int_equal(run(in_folder("out"), YK_MAPREDUCE_PARTITIONS + 1, 0, NULL), UV_EINVAL);
    assert_int_equal(run(in_folder("no/out"), 2, 0, NULL), UV_ENOENT);
    assert_int_equal(run(in_folder("out"), 2, 0, by_first_letter), UV_ERANGE); /* "c" */
    assert_string_equal(report.message, "the partition function said 2, of 2");
    unlink(in_folder("in"));
    assert_int_equal(count_entries(), 0);
}

static void test_input_is_no_output(void **state)
{
    (void)state;
    const char *path = write_file("x-00001", "a b\n", 4);
    const char *files[] = { path, NULL };
    assert_int_equal(yk_mapreduce(.inputs = files, .map = map_words, .fold = YK_SUM_U64,
                                  .sink = yk_sink_tsv(in_folder("x")), .partitions = 3,
                                  .report = &report),
                     UV_EINVAL);
    assert_file(path, "a b\n");
    unlink(path);
    assert_int_equal(count_entries(), 0);
}

static void test_a_key_goes_where_the_function_says(void **state)
{
    (void)state;
    write_words("c2 a1 b1 a2 a1\nc2 c1 c2 a10\n");
    assert_int_equal(run(in_folder("out"), 4, 0, by_first_letter), 0);
    assert_file(in_folder("out-00000"), "a1\t2\na10\t1\na2\t1\n");
    assert_file(in_folder("out-00001"), "b1\t1\n");
    assert_file(in_folder("out-00002"), "c1\t1\nc2\t3\n");
    assert_file(in_folder("out-00003"), "");
    assert_int_equal(run(in_folder("out"), 3, 2, by_first_letter), 0); /* the best of all */
    assert_file(in_folder("out-00000"), "a1\t2\n");
    assert_file(in_folder("out-00001"), "");
    assert_file(in_folder("out-00002"), "c2\t3\n");
    unlink(in_folder("in"));
    for (int i = 0; i < 4; i++) {
        char name[20];
        snprintf(name, sizeof name, "out-0000%d", i);
        unlink(in_folder(name));
    }
    assert_int_equal(count_entries(), 0);
}

static void test_hashed_partitions_have_every_key_once(void **state)
{
    (void)state;
    char text[8000] = "", *to = text;
    for (int i = 0; i < 1000; i++)
        to += sprintf(to, "w%d ", i);
    write_words(text);
    size_t lines = 0;
    assert_int_equal(run(in_folder("out"), 3, 0, NULL), 0);
    for (int i = 0; i < 3; i++) {
        char name[20], *rest = NULL, last[20] = "";
        size_t here = 0;
        snprintf(name, sizeof name, "out-0000%d", i);
        char *out = read_file(in_folder(name));
        for (char *l = strtok_r(out, "\n", &rest); l; l = strtok_r(NULL, "\n", &rest), here++) {
            assert_true(strcmp(last, l) < 0);
            snprintf(last, sizeof last, "%s", l);
        }
        assert_true(here > 200);
        lines += here;
        free(out);
        unlink(in_folder(name));
    }
    assert_int_equal(lines, 1000);
    unlink(in_folder("in"));
}

int main(void)
{
    if (yk_init() != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_cannot_be_partitioned),
        cmocka_unit_test(test_input_is_no_output),
        cmocka_unit_test(test_a_key_goes_where_the_function_says),
        cmocka_unit_test(test_hashed_partitions_have_every_key_once),
    };
    return cmocka_run_group_tests_name("mapreduce/partitions", tests, make_folder, remove_folder);
}
