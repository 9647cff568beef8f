/* Tests of what a long job meets: records that crash the map function, workers that die or stop,
 * files that vanish or shrink. */
#include "mapreduce/helper.h"

#include <fcntl.h>
#include <signal.h>
#include <uv.h>
#include <zlib.h>

#include "yoke.h"

static yk_mapreduce_report report;

/* ---- A map function with weak points --------------------------------------------------------- */

/* Lines are keys. "crash" ends the worker; "die KEY" does, and "stop KEY" stops it, if the file
 * named by `arg` can be removed, which is once. */
static int map_weakly(yk_split *split, yk_emitter *out, void *arg)
{
    const char *mark = arg;
    for (yk_str line; yk_split_next_record(split, &line);) {
        if (line.len >= 5 && memcmp(line.at, "crash", 5) == 0)
            raise(SIGKILL);
        if (line.len >= 4 && memcmp(line.at, "die ", 4) == 0 && unlink(mark) == 0)
            raise(SIGKILL);
        if (line.len >= 5 && memcmp(line.at, "stop ", 5) == 0 && unlink(mark) == 0)
            raise(SIGSTOP);
        if (line.len > 0 && line.at[0] == '!') {
            int err = yk_split_bad_record(split, line.at, line.len, "shouts");
            if (err)
                return err;
            continue;
        }
        yk_emit_u64(out, line, 1);
        yk_count(out, line.at[0] % 2 ? "odd" : "even", 1);
    }
    return 0;
}

/* Lines "0" to "9", again and again, but for `special` at the given places, counted from 0. */
static char *make_lines(size_t lines, const char *special, const size_t *at, size_t n)
{
    char *text = malloc(lines * (strlen(special) + 3) + 1), *to = text;
    for (size_t i = 0; i < lines; i++) {
        bool is_special = false;
        for (size_t k = 0; k < n; k++)
            is_special |= at[k] == i;
        to += is_special ? sprintf(to, "%s\n", special) : sprintf(to, "%zu\n", i % 10);
    }
    return text;
}

static const char *write_lines(const char *name, char *text)
{
    const char *path = write_file(name, text, strlen(text));
    free(text);
    return path;
}

static int run(const char *const *files, size_t split, bool skip)
{
    const char *mark = in_folder("mark");
    yk_executor *ex = yk_process_pool(.workers = 2);
    int err =
        yk_mapreduce(.inputs = files, .map = map_weakly, .fold = YK_SUM_U64,
                     .sink = yk_sink_tsv(in_folder("out")), .executor = ex, .workers = 2,
                     .split_size = split, .skip_bad_records = skip, .skip_crashing_records = skip,
                     .arg = mark, .arg_size = strlen(mark) + 1, .report = &report);
    assert_int_equal(yk_executor_close(ex), 0);
    return err;
}

/* What is left is only what this test made. */
static void remove_files(void)
{
    static const char *const names[] = { "in", "in2", "in.gz", "mark", "out" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_folder(names[i]));
    assert_int_equal(count_entries(), 0);
}

/* ---- Records that crash ---------------------------------------------------------------------- */

static void check_place(size_t line, size_t byte, const char *name)
{
    char place[600];
    snprintf(place, sizeof place, "%.300s:%zu: byte %zu: job '", in_folder(name), line, byte);
    if (strncmp(report.message, place, strlen(place)) != 0)
        fail_msg("%s does not begin with %s", report.message, place);
    assert_non_null(strstr(report.message, "was killed by SIGKILL"));
    assert_non_null(strstr(report.message, ": \"crash here\""));
}

static void test_crashing_record_is_named(void **state)
{
    (void)state;
    const size_t places[] = { 0, 1, 1234, 4998, 4999 };
    for (size_t i = 0; i < 5; i++) {
        char *text = make_lines(5000, "crash here", &places[i], 1);
        size_t byte = (size_t)(strstr(text, "crash") - text);
        const char *files[] = { write_lines("in", text), NULL };
        for (size_t split = 3000; split <= 30000; split *= 10) {
            assert_int_equal(run(files, split, false), YK_ECRASHED);
            check_place(places[i] + 1, byte, "in");
            assert_int_not_equal(access(in_folder("out"), F_OK), 0);
        }
    }
    remove_files();
}

static void test_crashing_record_of_a_stream_is_named(void **state)
{
    (void)state;
    char *text = make_lines(5000, "crash here", &(size_t){ 3210 }, 1);
    size_t byte = (size_t)(strstr(text, "crash") - text);
    const char *files[] = { in_folder("in.gz"), NULL };
    gzFile gz = gzopen(files[0], "wb");
    assert_true(gzwrite(gz, text, (unsigned)strlen(text)) > 0);
    assert_int_equal(gzclose(gz), Z_OK);
    free(text);
    assert_int_equal(run(files, 2000, false), YK_ECRASHED);
    check_place(3211, byte, "in.gz");
    assert_int_equal(run(files, 2000, true), 0);
    assert_int_equal(report.stats.bad_records, 1);
    remove_files();
}

static void test_malformed_record_before_it_comes_first(void **state)
{
    (void)state;
    const char *text = "1\n!\ncrash\n2\n";
    const char *files[] = { write_file("in", text, strlen(text)), NULL };
    char expected[400];
    snprintf(expected, sizeof expected, "%.300s:2: byte 2: shouts: \"!\"", in_folder("in"));
    assert_int_equal(run(files, 0, false), YK_EFORMAT);
    assert_string_equal(report.message, expected);
    remove_files();
}

static void test_crashing_records_are_skipped_and_counted(void **state)
{
    (void)state;
    const size_t places[] = { 0, 1, 777, 2500, 4999 };
    const char *files[] = { write_lines("in", make_lines(5000, "crash", places, 5)), NULL };
    char first[400];
    snprintf(first, sizeof first, "%.300s:1: byte 0: its worker died of it: \"crash\"",
             in_folder("in"));
    for (size_t split = 3000; split <= 30000; split *= 10) {
        assert_int_equal(run(files, split, true), 0);
        assert_file(in_folder("out"), "0\t498\n1\t499\n2\t500\n3\t500\n4\t500\n5\t500\n6\t500\n"
                                      "7\t499\n8\t500\n9\t499\n");
        assert_int_equal(report.stats.bad_records, 5);
        assert_int_equal(report.stats.records, 5000);
        assert_string_equal(report.first_bad, first);
    }
    remove_files();
}

static void test_too_many_crashing_records_fail_the_job(void **state)
{
    (void)state;
    size_t places[17];
    for (size_t i = 0; i < 17; i++)
        places[i] = 10 * i;
    const char *files[] = { write_lines("in", make_lines(200, "crash", places, 17)), NULL };
    assert_int_equal(run(files, 0, true), YK_ECRASHED);
    assert_non_null(strstr(report.message, "in:161: byte "));
    assert_non_null(strstr(report.message, "too many before it"));
    remove_files();
}

/* ---- Workers ------------------------------------------------------------------------------- */

/* What was counted under a name. */
static uint64_t counted(const char *name)
{
    for (unsigned i = 0; i < report.n_counters; i++)
        if (strcmp(report.counter[i].name, name) == 0)
            return report.counter[i].value;
    return UINT64_MAX;
}

static void test_worker_that_died_costs_its_piece(void **state)
{
    (void)state;
    const char *files[] = { write_lines("in", make_lines(5000, "die x", &(size_t){ 2000 }, 1)),
                            NULL };
    write_file("mark", "", 0);
    assert_int_equal(run(files, 2000, false), 0);
    assert_int_equal(report.stats.retries, 1);
    assert_int_equal(report.stats.splits, 5);
    assert_int_equal(report.stats.records, 5000);
    assert_int_equal(counted("odd") + counted("even"), 5000);
    remove_files();
}

/* Dies three times, whatever it maps: as if somebody killed workers. `arg` names a folder. */
static int map_unluckily(yk_split *split, yk_emitter *out, void *arg)
{
    static const char *const marks[] = { "mark", "mark2", "mark3" };
    char path[300];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%.200s/%s", (const char *)arg, marks[i]);
        if (unlink(path) == 0)
            raise(SIGKILL);
    }
    return map_weakly(split, out, path);
}

static void test_no_record_is_blamed_for_workers_that_others_kill(void **state)
{
    (void)state;
    const char *files[] = { write_lines("in", make_lines(5000, "", NULL, 0)), NULL };
    write_file("mark", "", 0);
    write_file("mark2", "", 0);
    write_file("mark3", "", 0);
    yk_executor *ex = yk_process_pool(.workers = 1);
    assert_int_equal(yk_mapreduce(.inputs = files, .map = map_unluckily, .fold = YK_SUM_U64,
                                  .sink = yk_sink_tsv(in_folder("out")), .executor = ex,
                                  .workers = 1, .arg = folder, .arg_size = sizeof folder,
                                  .skip_crashing_records = true, .report = &report),
                     0);
    assert_int_equal(report.stats.bad_records, 0);
    assert_int_equal(report.stats.retries, 2);
    assert_int_equal(counted("odd") + counted("even"), 5000);
    assert_int_equal(yk_executor_close(ex), 0);
    remove_files();
}

/* Without a second copy this would wait for ever. */
static void test_piece_of_a_stopped_worker_is_mapped_by_another(void **state)
{
    (void)state;
    const char *files[] = { write_lines("in", make_lines(5000, "stop x", &(size_t){ 2000 }, 1)),
                            NULL };
    write_file("mark", "", 0);
    assert_int_equal(run(files, 2000, false), 0);
    assert_int_equal(report.stats.backups, 1);
    assert_int_equal(report.stats.retries, 0);
    assert_int_equal(report.stats.splits, 5);
    assert_int_equal(report.stats.records, 5000);
    assert_int_equal(counted("odd") + counted("even"), 5000);
    char *out = read_file(in_folder("out"));
    assert_non_null(strstr(out, "0\t499\n"));
    assert_non_null(strstr(out, "stop x\t1\n"));
    free(out);
    remove_files();
}

/* ---- Files --------------------------------------------------------------------------------- */

/* Removes or truncates the second input, named by `arg`, when it sees the first. */
static int map_and_spoil(yk_split *split, yk_emitter *out, void *arg)
{
    const char *how = arg, *path = how + 1;
    for (yk_str line; yk_split_next_record(split, &line);) {
        if (line.at[0] == 's') {
            int err = *how == 'r' ? unlink(path) : truncate(path, 5);
            if (err != 0)
                return UV_EIO;
        }
        yk_emit_u64(out, line, 1);
    }
    return 0;
}

static void check_spoilt(char how, const char *expected)
{
    char arg[400], message[600];
    write_file("in", "s\n", 2);
    const char *files[] = { in_folder("in"), write_lines("in2", make_lines(900, "", NULL, 0)),
                            NULL };
    snprintf(arg, sizeof arg, "%c%.300s", how, files[1]);
    snprintf(message, sizeof message, "%s: %s", files[1], expected);
    for (int processes = 0; processes < 2; processes++) {
        write_lines("in2", make_lines(900, "", NULL, 0));
        yk_executor *ex = processes ? yk_process_pool(.workers = 1) : yk_thread_pool(.workers = 1);
        int err = yk_mapreduce(.inputs = files, .map = map_and_spoil, .fold = YK_SUM_U64,
                               .sink = yk_sink_tsv(in_folder("out")), .executor = ex, .workers = 1,
                               .arg = arg, .arg_size = sizeof arg, .report = &report);
        assert_int_equal(err, how == 'r' ? UV_ENOENT : UV_EIO);
        assert_string_equal(report.message, message);
        assert_int_equal(yk_executor_close(ex), 0);
    }
    remove_files();
}

static void test_file_that_vanishes_is_named(void **state)
{
    (void)state;
    check_spoilt('r', "no such file or directory");
}

static void test_file_that_shrinks_is_named(void **state)
{
    (void)state;
    check_spoilt('t', "i/o error: it was replaced or became shorter");
}

int main(void)
{
    if (yk_init() != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crashing_record_is_named),
        cmocka_unit_test(test_crashing_record_of_a_stream_is_named),
        cmocka_unit_test(test_malformed_record_before_it_comes_first),
        cmocka_unit_test(test_too_many_crashing_records_fail_the_job),
        cmocka_unit_test(test_file_that_vanishes_is_named),
        cmocka_unit_test(test_file_that_shrinks_is_named),
        cmocka_unit_test(test_crashing_records_are_skipped_and_counted),
        cmocka_unit_test(test_worker_that_died_costs_its_piece),
        cmocka_unit_test(test_no_record_is_blamed_for_workers_that_others_kill),
        cmocka_unit_test(test_piece_of_a_stopped_worker_is_mapped_by_another),
    };
    return cmocka_run_group_tests_name("mapreduce/faults", tests, make_folder, remove_folder);
}
