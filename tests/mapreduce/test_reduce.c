/* Tests of jobs with a reduce function: whole groups, in the order of the input. */
#include "mapreduce/helper.h"

#include <signal.h>
#include <uv.h>

#include "yoke.h"

enum { THREADS, PROCESSES, HYBRID, BACKENDS };

static yk_executor *make_backend(int backend, int workers)
{
    yk_executor *ex = backend == THREADS     ? yk_thread_pool(.workers = workers)
                      : backend == PROCESSES ? yk_process_pool(.workers = workers)
                                             : yk_hybrid(.workers = workers);
    assert_null(yk_executor_error(ex));
    return ex;
}

static yk_mapreduce_report report;

static yk_str str(const char *text)
{
    return (yk_str){ text, strlen(text) };
}

static void remove_files(void)
{
    unlink(in_folder("in"));
    unlink(in_folder("in2"));
    unlink(in_folder("out"));
}

/* "key value" on every line; "key !" fails the key. */
static int map_pairs(yk_split *split, yk_emitter *out, void *arg)
{
    (void)arg;
    for (yk_str line; yk_split_next_record(split, &line);) {
        const char *space = memchr(line.at, ' ', line.len);
        size_t len = space ? (size_t)(space - line.at) : line.len;
        yk_str key = { line.at, len };
        yk_str value = { line.at + len + !!space, line.len - len - !!space };
        if (value.len == 1 && value.at[0] == '!')
            yk_emit_error(out, key, YK_EOVERFLOW);
        else
            yk_emit_bytes(out, key, value);
    }
    return 0;
}

/* All values of a key, each behind a comma. */
static int join(yk_str key, yk_values *values, yk_emitter *out, void *arg)
{
    (void)arg;
    size_t len = 0, cap = 64;
    char *text = malloc(cap);
    for (yk_str v; yk_values_next(values, &v);) {
        while (len + v.len + 1 > cap)
            text = realloc(text, cap *= 2);
        text[len++] = ',';
        memcpy(text + len, v.at, v.len);
        len += v.len;
    }
    int err = yk_emit_bytes(out, key, (yk_str){ text, len });
    free(text);
    return err;
}

static int run(yk_executor *ex, int workers, size_t split, yk_reduce_fn reduce,
               yk_reduce_fn combine)
{
    const char *files[] = { in_folder("in"), in_folder("in2"), NULL };
    return yk_mapreduce(.inputs = files, .map = map_pairs, .reduce = reduce, .combine = combine,
                        .sink = yk_sink_tsv(in_folder("out")), .executor = ex, .workers = workers,
                        .split_size = split, .report = &report);
}

/* Runs on every executor, with small and large pieces. */
static void check(yk_reduce_fn reduce, yk_reduce_fn combine, int code, const char *expected)
{
    static const size_t splits[] = { 7, 100, 0 };
    for (int backend = 0; backend < BACKENDS; backend++) {
        yk_executor *ex = make_backend(backend, 2);
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(run(ex, 2, splits[i], reduce, combine), code);
            if (!code)
                assert_file(in_folder("out"), expected);
            else
                assert_string_equal(report.message, expected);
        }
        assert_int_equal(yk_executor_close(ex), 0);
    }
    remove_files();
}

static void write_inputs(const char *first, const char *second)
{
    write_file("in", first, strlen(first));
    write_file("in2", second, strlen(second));
}

/* ---- Failures ------------------------------------------------------------------------------ */

static int refuse_long(yk_str key, yk_values *values, yk_emitter *out, void *arg)
{
    int n = 0;
    for (yk_str v; yk_values_next(values, &v);)
        n++;
    (void)arg;
    yk_emit_bytes(out, key, str("fine"));
    return n > 2 ? UV_EMSGSIZE : 0;
}

static void test_reduce_that_fails_names_the_first_key(void **state)
{
    (void)state;
    write_inputs("z 1\nb 1\nz 2\na 1\nc 1\nz 3\n", "c 2\nb 2\nc 3\nb 3\n");
    char expected[100];
    snprintf(expected, sizeof expected, "\"b\": %s", yk_strerror(UV_EMSGSIZE));
    check(refuse_long, NULL, UV_EMSGSIZE, expected);
    assert_int_equal(count_entries(), 0);
}

static void test_combine_that_fails_names_the_first_key(void **state)
{
    (void)state;
    write_inputs("z 1\nz 2\nz 3\nb 1\na 1\nb 2\nb 3\n", "");
    const char *files[] = { in_folder("in"), NULL };
    assert_int_equal(yk_mapreduce(.inputs = files, .map = map_pairs, .reduce = join,
                                  .combine = refuse_long, .report = &report),
                     UV_EMSGSIZE);
    char expected[100];
    snprintf(expected, sizeof expected, "\"b\": %s", yk_strerror(UV_EMSGSIZE));
    assert_string_equal(report.message, expected);
    remove_files();
}

static void test_key_that_failed_in_map_fails_the_job(void **state)
{
    (void)state;
    write_inputs("z !\nb 1\na 2\n", "b !\nb 2\n");
    char expected[100];
    snprintf(expected, sizeof expected, "\"b\": %s", yk_strerror(YK_EOVERFLOW));
    check(join, NULL, YK_EOVERFLOW, expected);
}

static int emit_u64(yk_str key, yk_values *values, yk_emitter *out, void *arg)
{
    (void)values;
    (void)arg;
    yk_emit_u64(out, key, 1);
    return 0;
}

static int map_to_bytes(yk_split *split, yk_emitter *out, void *arg)
{
    (void)split;
    (void)arg;
    yk_emit_bytes(out, str("a"), str("b"));
    return 0;
}

static void test_options_that_make_no_sense(void **state)
{
    (void)state;
    write_inputs("a 1\n", "");
    const char *files[] = { in_folder("in"), NULL };
    assert_int_equal(yk_mapreduce(.inputs = files, .map = map_pairs), UV_EINVAL);
    assert_int_equal(
        yk_mapreduce(.inputs = files, .map = map_pairs, .fold = YK_SUM_U64, .reduce = join),
        UV_EINVAL);
    assert_int_equal(
        yk_mapreduce(.inputs = files, .map = map_pairs, .fold = YK_SUM_U64, .combine = join),
        UV_EINVAL);
    assert_int_equal(yk_mapreduce(.inputs = files, .map = map_pairs, .reduce = join, .top = 3),
                     UV_EINVAL);
    /* what is emitted must be what the job has */
    assert_int_equal(yk_mapreduce(.inputs = files, .map = map_pairs, .reduce = emit_u64),
                     UV_EINVAL);
    assert_int_equal(yk_mapreduce(.inputs = files, .map = map_to_bytes, .fold = YK_SUM_U64),
                     UV_EINVAL);
    remove_files();
}

/* ---- Groups -------------------------------------------------------------------------------- */

static void test_values_come_in_the_order_of_the_input(void **state)
{
    (void)state;
    write_inputs("b 1\na x\nb 2\nb \nc\nb 3\n", "a y\nb 4\na z\n 5\n 6");
    check(join, NULL, 0, "\t,5,6\na\t,x,y,z\nb\t,1,2,,3,4\nc\t,\n");
}

static void test_nothing_reduces_to_nothing(void **state)
{
    (void)state;
    write_inputs("", "");
    check(join, NULL, 0, "");
}

/* One record a value under keys of its own, and none for the key "none". */
static int scatter(yk_str key, yk_values *values, yk_emitter *out, void *arg)
{
    (void)arg;
    if (key.len == 4 && memcmp(key.at, "none", 4) == 0)
        return 0;
    for (yk_str v; yk_values_next(values, &v);)
        yk_emit_bytes(out, v, key);
    yk_emit_bytes(out, key, str("end"));
    return 0;
}

static void test_reduce_emits_what_it_likes(void **state)
{
    (void)state;
    write_inputs("b 9\na 8\nnone 1\nb 7\n", "b 1\nnone 2\na 5\n");
    check(scatter, NULL, 0, "8\ta\n5\ta\na\tend\n9\tb\n7\tb\n1\tb\nb\tend\n");
}

/* Takes the first value and leaves the rest. */
static int take_one(yk_str key, yk_values *values, yk_emitter *out, void *arg)
{
    (void)arg;
    yk_str v;
    return yk_values_next(values, &v) ? yk_emit_bytes(out, key, v) : 0;
}

static void test_values_that_are_not_wanted_are_passed_over(void **state)
{
    (void)state;
    write_inputs("b 1\na 2\nb 3\nb 4\n", "c 5\na 6\nb 7\n");
    check(take_one, NULL, 0, "a\t2\nb\t1\nc\t5\n");
}

/* Sum of decimal numbers; the numbers may be sums. */
static int add_up(yk_str key, yk_values *values, yk_emitter *out, void *arg)
{
    (void)arg;
    unsigned long sum = 0;
    char text[32];
    for (yk_str v; yk_values_next(values, &v);) {
        snprintf(text, sizeof text, "%.*s", (int)v.len, v.at);
        sum += strtoul(text, NULL, 10);
    }
    return yk_emit_bytes(out, key, (yk_str){ text, (size_t)sprintf(text, "%lu", sum) });
}

static void test_combined_groups_reduce_to_the_same(void **state)
{
    (void)state;
    write_inputs("a 1\nb 10\na 2\nb 20\na 3\n", "a 4\nc 7\nb 30\na 5\n");
    check(add_up, add_up, 0, "a\t15\nb\t60\nc\t7\n");
    write_inputs("a 1\nb 10\na 2\nb 20\na 3\n", "a 4\nc 7\nb 30\na 5\n");
    check(add_up, NULL, 0, "a\t15\nb\t60\nc\t7\n");
}

/* A value of as many bytes as the record says. */
static int map_large(yk_split *split, yk_emitter *out, void *arg)
{
    (void)arg;
    for (yk_str line; yk_split_next_record(split, &line);) {
        size_t len = strtoul(line.at, NULL, 10);
        char *bytes = malloc(len + 1);
        memset(bytes, 'x', len);
        yk_emit_bytes(out, str("key"), (yk_str){ bytes, len });
        yk_emit_bytes(out, (yk_str){ bytes, len }, str("long"));
        free(bytes);
    }
    return 0;
}

static int measure(yk_str key, yk_values *values, yk_emitter *out, void *arg)
{
    (void)arg;
    char text[200];
    size_t len = (size_t)sprintf(text, "%zu:", key.len);
    for (yk_str v; yk_values_next(values, &v) && len < 150;)
        len += (size_t)sprintf(text + len, " %zu", v.len);
    return yk_emit_bytes(out, str("lengths"), (yk_str){ text, len });
}

static void test_values_and_keys_of_any_size(void **state)
{
    (void)state;
    write_inputs("0\n1\n3000000\n70000\n", "");
    const char *files[] = { in_folder("in"), NULL };
    for (int backend = 0; backend < BACKENDS; backend++) {
        yk_executor *ex = make_backend(backend, 2);
        assert_int_equal(yk_mapreduce(.inputs = files, .map = map_large, .reduce = measure,
                                      .sink = yk_sink_tsv(in_folder("out")), .executor = ex,
                                      .split_size = 4),
                         0);
        assert_file(in_folder("out"),
                    "lengths\t0: 4\nlengths\t3: 0 1 3000000 70000\nlengths\t1: 4\n"
                    "lengths\t70000: 4\nlengths\t3000000: 4\n");
        yk_executor_close(ex);
    }
    remove_files();
}

/* ---- Counters ------------------------------------------------------------------------------ */

static int map_and_count(yk_split *split, yk_emitter *out, void *arg)
{
    for (yk_str line; yk_split_next_record(split, &line);) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)line.len, line.at);
        int err = yk_count(out, name, 2);
        if (err && arg == NULL)
            return err;
        yk_emit_bytes(out, (yk_str){ line.at, 1 }, line);
    }
    return 0;
}

static int reduce_and_count(yk_str key, yk_values *values, yk_emitter *out, void *arg)
{
    (void)arg;
    yk_count(out, "keys", 1);
    for (yk_str v; yk_values_next(values, &v);)
        yk_count(out, "values", key.len);
    return yk_count(out, "huge", UINT64_MAX);
}

static int run_counting(const char *text, int backend, yk_reduce_fn combine)
{
    write_inputs(text, "");
    const char *files[] = { in_folder("in"), NULL };
    yk_executor *ex = make_backend(backend, 2);
    int err = yk_mapreduce(.inputs = files, .map = map_and_count, .reduce = reduce_and_count,
                           .combine = combine, .sink = yk_sink_tsv(in_folder("out")),
                           .executor = ex, .split_size = 9, .report = &report);
    yk_executor_close(ex);
    remove_files();
    return err;
}

static void test_counters_that_are_too_many_or_too_long(void **state)
{
    (void)state;
    char text[400] = "", *to = text;
    for (int i = 0; i < 40; i++)
        to += sprintf(to, "%d\n", i);
    for (int backend = 0; backend < BACKENDS; backend++) {
        assert_int_equal(run_counting(text, backend, NULL), UV_E2BIG);
        assert_string_equal(report.message, "more than 32 different counters");
        assert_int_equal(run_counting("abcdefghijklmnopqrstuvwxyz123456\n", backend, NULL),
                         UV_EINVAL);
    }
}

static void test_counters_of_all_pieces_are_summed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t value;
    } expected[] = { { "a", 6 },    { "abcdefghijklmnopqrstuvwxyz12345", 2 },
                     { "b", 4 },    { "huge", UINT64_MAX },
                     { "keys", 2 }, { "values", 6 } };
    for (int backend = 0; backend < BACKENDS; backend++) {
        assert_int_equal(
            run_counting("b\na\nabcdefghijklmnopqrstuvwxyz12345\na\nb\na\n", backend, NULL), 0);
        assert_int_equal(report.n_counters, 6);
        for (size_t i = 0; i < 6; i++) {
            assert_string_equal(report.counter[i].name, expected[i].name);
            assert_int_equal(report.counter[i].value, expected[i].value);
        }
        assert_int_equal(run_counting("b\na\n", backend, take_one), 0);
        assert_int_equal(report.n_counters, 5);
    }
}

/* ---- Workers that die ---------------------------------------------------------------------- */

/* Dies the first time that it is called for "b": the file named by `arg` remembers. */
static int die_once(yk_str key, yk_values *values, yk_emitter *out, void *arg)
{
    char path[300];
    snprintf(path, sizeof path, "%s", (const char *)arg);
    if (key.at[0] == 'b' && unlink(path) == 0)
        raise(SIGKILL);
    return join(key, values, out, NULL);
}

static void test_partition_whose_worker_died_is_reduced_again(void **state)
{
    (void)state;
    write_inputs("b 1\na x\nb 2\n", "");
    const char *files[] = { in_folder("in"), NULL };
    const char *mark = write_file("mark", "", 0);
    yk_executor *ex = make_backend(PROCESSES, 2);
    assert_int_equal(yk_mapreduce(.inputs = files, .map = map_pairs, .reduce = die_once,
                                  .sink = yk_sink_tsv(in_folder("out")), .executor = ex,
                                  .arg = mark, .arg_size = strlen(mark) + 1, .report = &report),
                     0);
    assert_file(in_folder("out"), "a\t,x\nb\t,1,2\n");
    assert_int_equal(report.stats.retries, 1);
    yk_executor_close(ex);
    remove_files();
    assert_int_equal(count_entries(), 0);
}

int main(void)
{
    if (yk_init() != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reduce_that_fails_names_the_first_key),
        cmocka_unit_test(test_combine_that_fails_names_the_first_key),
        cmocka_unit_test(test_key_that_failed_in_map_fails_the_job),
        cmocka_unit_test(test_options_that_make_no_sense),
        cmocka_unit_test(test_values_come_in_the_order_of_the_input),
        cmocka_unit_test(test_nothing_reduces_to_nothing),
        cmocka_unit_test(test_reduce_emits_what_it_likes),
        cmocka_unit_test(test_values_that_are_not_wanted_are_passed_over),
        cmocka_unit_test(test_combined_groups_reduce_to_the_same),
        cmocka_unit_test(test_values_and_keys_of_any_size),
        cmocka_unit_test(test_counters_that_are_too_many_or_too_long),
        cmocka_unit_test(test_counters_of_all_pieces_are_summed),
        cmocka_unit_test(test_partition_whose_worker_died_is_reduced_again),
    };
    return cmocka_run_group_tests_name("mapreduce/reduce", tests, make_folder, remove_folder);
}
