/* Tests of jobs whose result is much larger than the memory that they may use. */
#include "mapreduce/helper.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <uv.h>

#include "support/proc.h"
#include "yoke.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* they take many times the memory */
#else
#define SANITIZED 0
#endif

enum { MB = 1 << 20, THREADS = 0, PROCESSES, BACKENDS, WORKERS = 2 };

static yk_mapreduce_report report;

static yk_executor *make_backend(int backend)
{
    yk_executor *ex = backend == THREADS ? yk_thread_pool(.workers = WORKERS)
                                         : yk_process_pool(.workers = WORKERS);
    assert_null(yk_executor_error(ex));
    return ex;
}

static void remove_files(void)
{
    unlink(in_folder("in"));
    unlink(in_folder("out"));
}

/* ---- Memory, while a job runs -------------------------------------------------------------- */

static size_t memory_of(pid_t pid)
{
    char path[64], line[128];
    unsigned long kilobytes = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Pss: %lu", &kilobytes) == 1)
            break;
    if (file)
        fclose(file);
    return (size_t)kilobytes * 1024;
}

static size_t memory_of_all(void)
{
    proc_entry below[64];
    size_t n = proc_descendants(getpid(), below, 64), sum = memory_of(getpid());
    for (size_t i = 0; i < n && i < 64; i++)
        sum += memory_of(below[i].pid);
    return sum;
}

static atomic_bool watching;
static _Atomic size_t most, looks;

static void *watch_memory(void *arg)
{
    while (atomic_load(&watching)) {
        size_t now = memory_of_all();
        if (now > atomic_load(&most))
            atomic_store(&most, now);
        atomic_fetch_add(&looks, 1);
        usleep(2000);
    }
    return arg;
}

/* ---- A little input with a large result ---------------------------------------------------- */

/* A line is a number; every number stands for KEYS keys, and each key comes from two lines. */
enum {
    LINES = SANITIZED ? 300 : 3000,
    KEYS = 100,
    KEY = 2000,
    DISTINCT = LINES * KEYS / 2,
    BUDGET = 14 * MB
};

static void make_key(char *to, unsigned number)
{
    memset(to, 'a' + (int)(number % 26), KEY);
    char digits[16];
    memcpy(to, digits, (size_t)snprintf(digits, sizeof digits, "%08u", number));
}

static unsigned key_of(unsigned line, unsigned i)
{
    return (line * 7919u + i * 104729u) % (LINES / 2) * KEYS + i; /* some order, not theirs */
}

static int map_much(yk_split *split, yk_emitter *out, void *arg)
{
    (void)arg;
    char key[KEY];
    for (yk_str line; yk_split_next_record(split, &line);) {
        unsigned number = (unsigned)strtoul(line.at, NULL, 10);
        for (unsigned i = 0; i < KEYS; i++) {
            make_key(key, key_of(number % (LINES / 2), i));
            yk_emit_u64(out, (yk_str){ key, KEY }, number + i);
        }
    }
    return 0;
}

static const char *make_lines(void)
{
    char *text = malloc(LINES * 8), *to = text;
    for (unsigned i = 0; i < LINES; i++)
        to += sprintf(to, "%u\n", i);
    const char *path = write_file("in", text, (size_t)(to - text));
    free(text);
    return path;
}

/* A sink that knows what is to come. */
typedef struct check {
    unsigned next;
    uint64_t *sums;
    bool wrong;
} check;

static int check_record(yk_writer *to, yk_str key, yk_str value, void *arg)
{
    check *c = arg;
    char expected[KEY];
    uint64_t sum;
    (void)to;
    memcpy(&sum, value.at, sizeof sum);
    make_key(expected, c->next);
    c->wrong |= c->next >= DISTINCT || key.len != KEY || memcmp(key.at, expected, KEY) != 0 ||
                sum != c->sums[c->next];
    c->next++;
    return c->wrong ? UV_EIO : 0;
}

static uint64_t *expected_sums(void)
{
    uint64_t *sums = calloc(DISTINCT, sizeof *sums);
    for (unsigned line = 0; line < LINES; line++)
        for (unsigned i = 0; i < KEYS; i++)
            sums[key_of(line % (LINES / 2), i)] += line + i;
    return sums;
}

static void assert_large_result(int backend, size_t memory, size_t split)
{
    const char *files[] = { in_folder("in"), NULL };
    check c = { .sums = expected_sums() };
    pthread_t watcher;
    malloc_trim(0); /* what was there before is not the job's */
    atomic_store(&most, 0);
    atomic_store(&looks, 0);
    atomic_store(&watching, true);
    yk_executor *ex = make_backend(backend);
    pthread_create(&watcher, NULL, watch_memory, NULL);
    int err = yk_mapreduce(.inputs = files, .map = map_much, .fold = YK_SUM_U64,
                           .sink = { .path = in_folder("out"), .record = check_record, .arg = &c },
                           .executor = ex, .workers = WORKERS, .memory = memory, .tmp_dir = folder,
                           .split_size = split, .report = &report);
    atomic_store(&watching, false);
    pthread_join(watcher, NULL);
    yk_executor_close(ex);
    assert_string_equal(report.message, "");
    assert_int_equal(err, 0);
    assert_int_equal(c.next, DISTINCT);
    assert_int_equal(report.stats.keys, DISTINCT);
    assert_true(atomic_load(&looks) > 5);
    if (memory && !SANITIZED && atomic_load(&most) > memory + memory / 10)
        fail_msg("%zu bytes used of %zu", (size_t)most, memory);
    assert_int_equal(count_entries(), 2);
    free(c.sums);
}

static void test_result_of_many_times_the_memory(void **state)
{
    (void)state;
    make_lines();
    _Static_assert(SANITIZED || (size_t)DISTINCT * KEY >= 20 * (size_t)BUDGET, "too little");
    for (int backend = 0; backend < BACKENDS; backend++) {
        assert_large_result(backend, BUDGET, 64);
        assert_true(report.stats.spilled_runs > 0);
        assert_true(report.stats.spilled_bytes > 0);
        assert_large_result(backend, BUDGET, 1 << 20); /* tables that are too large */
        assert_true(report.stats.spilled_runs > 0);
    }
    assert_large_result(PROCESSES, 0, 0);
    assert_int_equal(report.stats.spilled_runs, 0);
    remove_files();
}

/* ---- The same bytes as in memory ------------------------------------------------------------ */

/* Lines with keys of all lengths, many times each. */
static const char *make_pairs(size_t lines)
{
    char *text = malloc(lines * 100), *to = text;
    for (size_t i = 0, seed = 1; i < lines; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned key = (unsigned)(seed >> 33) % (unsigned)(lines / 3);
        to += sprintf(to, "%.*s%u %zu\n", (int)(key % 40),
                      "yoke yoke yoke yoke yoke yoke yoke yoke ", key, i);
    }
    const char *path = write_file("in", text, (size_t)(to - text));
    free(text);
    return path;
}

static yk_str key_of_line(yk_str line, yk_str *rest)
{
    const char *space = memrchr(line.at, ' ', line.len);
    *rest = (yk_str){ space + 1, line.len - (size_t)(space + 1 - line.at) };
    return (yk_str){ line.at, (size_t)(space - line.at) };
}

static int map_sums(yk_split *split, yk_emitter *out, void *arg)
{
    (void)arg;
    for (yk_str line, rest; yk_split_next_record(split, &line);) {
        yk_str key = key_of_line(line, &rest);
        yk_emit_u64(out, key, strtoull(rest.at, NULL, 10));
    }
    return 0;
}

static int map_values(yk_split *split, yk_emitter *out, void *arg)
{
    (void)arg;
    for (yk_str line, rest; yk_split_next_record(split, &line);) {
        yk_str key = key_of_line(line, &rest);
        yk_emit_bytes(out, key, rest);
    }
    return 0;
}

/* Two records of each key: how many values there were, and the values. */
static int list_values(yk_str key, yk_values *values, yk_emitter *out, void *arg)
{
    char text[4096], count[24];
    size_t len = 0, n = 0;
    (void)arg;
    for (yk_str v; yk_values_next(values, &v); n++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%.*s,", (int)v.len, v.at);
    yk_emit_bytes(out, (yk_str){ "n", 1 }, (yk_str){ count, (size_t)sprintf(count, "%zu", n) });
    return yk_emit_bytes(out, key, (yk_str){ text, len });
}

/* What has been combined has a comma at its end. */
static int combine_values(yk_str key, yk_values *values, yk_emitter *out, void *arg)
{
    (void)arg;
    for (yk_str v; yk_values_next(values, &v);)
        yk_emit_bytes(out, key, v);
    return 0;
}

enum { SUMS, BEST, GROUPS, COMBINED, KINDS };

static char *result_of(int kind, yk_executor *ex, size_t memory, size_t split)
{
    const char *files[] = { in_folder("in"), NULL };
    yk_mapreduce_options o = { .inputs = files,
                               .executor = ex,
                               .workers = WORKERS,
                               .memory = memory,
                               .tmp_dir = folder,
                               .split_size = split,
                               .sink = yk_sink_tsv(in_folder("out")),
                               .report = &report };
    o.map = kind < GROUPS ? map_sums : map_values;
    o.fold = kind < GROUPS ? YK_SUM_U64 : NULL;
    o.top = kind == BEST ? 1000 : 0;
    o.reduce = kind < GROUPS ? NULL : list_values;
    o.combine = kind == COMBINED ? combine_values : NULL;
    assert_int_equal(yk_mapreduce_run(&o), 0);
    return read_file(in_folder("out"));
}

static void test_same_bytes_as_in_memory(void **state)
{
    (void)state;
    make_pairs(SANITIZED ? 80000 : 300000);
    for (int kind = 0; kind < KINDS; kind++) {
        yk_executor *ex = make_backend(THREADS);
        char *expected = result_of(kind, ex, 0, 0);
        assert_int_equal(report.stats.spilled_runs, 0);
        yk_executor_close(ex);
        for (int backend = 0; backend < BACKENDS; backend++) {
            for (size_t split = 20000; split < 10 * MB; split *= 400) {
                ex = make_backend(backend);
                char *got = result_of(kind, ex, BUDGET, split);
                yk_executor_close(ex);
                assert_true(report.stats.spilled_runs > 0);
                assert_string_equal(got, expected);
                free(got);
            }
        }
        free(expected);
    }
    assert_int_equal(count_entries(), 2);
    remove_files();
}

/* ---- Keys that fail ------------------------------------------------------------------------ */

/* Appends lines of which, far apart, two keys overflow; the first by bytes comes last. */
static void make_overflow(void)
{
    const char *path = make_pairs(SANITIZED ? 80000 : 150000);
    FILE *f = fopen(path, "ae");
    assert_non_null(f);
    for (int i = 0; i < 2; i++)
        fputs("zz 18446744073709551615\n", f);
    for (int i = 0; i < 60000; i++)
        fprintf(f, "filler %d 1\n", i);
    for (int i = 0; i < 2; i++)
        fputs("0first 18446744073709551615\n", f);
    assert_int_equal(fclose(f), 0);
}

/* Fails for two keys. */
static int refuse_some(yk_str key, yk_values *values, yk_emitter *out, void *arg)
{
    (void)values;
    (void)arg;
    bool bad = key.len == 2 && key.at[0] == 'z';
    bad |= key.len == 6 && memcmp(key.at, "0first", 6) == 0;
    return bad ? UV_ENOTSUP : yk_emit_bytes(out, key, (yk_str){ "", 0 });
}

static void test_first_failed_key_is_named_from_files_too(void **state)
{
    (void)state;
    make_overflow();
    const char *files[] = { in_folder("in"), NULL };
    for (int kind = 0; kind < 6; kind++) {
        yk_executor *ex = make_backend(kind % 2 ? PROCESSES : THREADS);
        yk_mapreduce_options o = { .inputs = files,
                                   .map = kind < 4 ? map_sums : map_values,
                                   .fold = kind < 4 ? YK_SUM_U64 : NULL,
                                   .reduce = kind < 4 ? NULL : refuse_some,
                                   .top = kind / 2 == 1 ? 10 : 0,
                                   .sink = yk_sink_tsv(in_folder("out")),
                                   .executor = ex,
                                   .workers = WORKERS,
                                   .memory = BUDGET,
                                   .tmp_dir = folder,
                                   .split_size = 20000,
                                   .report = &report };
        int err = yk_mapreduce_run(&o);
        yk_executor_close(ex);
        assert_true(report.stats.spilled_runs > 0);
        assert_int_equal(err, kind < 4 ? YK_EOVERFLOW : UV_ENOTSUP);
        assert_memory_equal(report.message, "\"0first\": ", 10);
        assert_int_equal(count_entries(), 1);
    }
    remove_files();
}

/* ---- Failures -------------------------------------------------------------------------------- */

static int sum_of(int backend, size_t memory, const char *tmp)
{
    const char *files[] = { in_folder("in"), NULL };
    yk_executor *ex = make_backend(backend);
    int err =
        yk_mapreduce(.inputs = files, .map = map_much, .fold = YK_SUM_U64,
                     .sink = yk_sink_tsv(in_folder("out")), .executor = ex, .workers = WORKERS,
                     .memory = memory, .tmp_dir = tmp, .split_size = 64, .report = &report);
    yk_executor_close(ex);
    return err;
}

static void test_too_little_memory_is_refused(void **state)
{
    (void)state;
    make_lines();
    assert_int_equal(sum_of(THREADS, 3 * MB, folder), UV_EINVAL);
    assert_non_null(strstr(report.message, "too little"));
    assert_int_equal(count_entries(), 1);
    remove_files();
}

static void test_folder_that_is_not_there(void **state)
{
    (void)state;
    make_lines();
    assert_int_equal(sum_of(THREADS, BUDGET, in_folder("nowhere")), UV_ENOENT);
    assert_non_null(strstr(report.message, in_folder("nowhere")));
    assert_int_equal(count_entries(), 1);
    remove_files();
}

/* A limit on the size of files stands for a full disk. */
static void test_full_disk(void **state)
{
    (void)state;
    make_lines();
    struct rlimit before, small = { 5000, RLIM_INFINITY };
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int err = sum_of(THREADS, BUDGET, folder);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(err, UV_EFBIG);
    assert_non_null(strstr(report.message, "/yoke-"));
    assert_int_equal(count_entries(), 1);
    remove_files();
}

static int map_one(yk_split *split, yk_emitter *out, void *arg)
{
    (void)split;
    (void)arg;
    return yk_emit_bytes(out, (yk_str){ "key", 3 }, (yk_str){ "value", 5 });
}

static int reduce_to_much(yk_str key, yk_values *values, yk_emitter *out, void *arg)
{
    (void)values;
    (void)arg;
    char noise[64];
    for (unsigned i = 0, random = 1; i < 20000; i++) {
        for (unsigned k = 0; k < sizeof noise; k++)
            noise[k] = (char)((random = random * 1103515245u + 12345u) >> 24);
        yk_emit_bytes(out, key, (yk_str){ noise, sizeof noise });
    }
    return 0;
}

/* With a journal, even the smallest job goes through files. */
static void test_full_disk_is_not_the_fault_of_a_key(void **state)
{
    (void)state;
    const char *files[] = { write_file("in", "line\n", 5), NULL };
    struct rlimit before, small = { 100000, RLIM_INFINITY };
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int err = yk_mapreduce(.inputs = files, .map = map_one, .reduce = reduce_to_much,
                           .sink = yk_sink_tsv(in_folder("out")), .workers = WORKERS,
                           .journal = in_folder("journal"), .report = &report);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(err, UV_EFBIG);
    assert_non_null(strstr(report.message, "/journal/work/part-"));
    assert_int_equal(count_entries(), 2);
    assert_int_equal(yk_mapreduce(.inputs = files, .map = map_one, .reduce = reduce_to_much,
                                  .sink = yk_sink_tsv(in_folder("out")), .workers = WORKERS,
                                  .journal = in_folder("journal"), .report = &report),
                     0);
    assert_int_equal(report.stats.resumed_splits, 1);
    assert_int_equal(count_entries(), 2);
    remove_files();
}

static bool spoiled;

/* arg: what is done to the runs when the merge begins. */
static void spoil_runs(const yk_mapreduce_stats *stats, void *arg)
{
    char command[700];
    if (stats->phase != YK_MERGING || spoiled)
        return;
    spoiled = true;
    snprintf(command, sizeof command, "for f in '%s'/yoke-*/run-*; do %s; done 2>/dev/null", folder,
             (const char *)arg);
    assert_int_equal(system(command), 0);
}

static int sum_spoiled(int backend, const char *how)
{
    const char *files[] = { in_folder("in"), NULL };
    yk_executor *ex = make_backend(backend);
    spoiled = false;
    int err =
        yk_mapreduce(.inputs = files, .map = map_much, .fold = YK_SUM_U64,
                     .sink = yk_sink_tsv(in_folder("out")), .executor = ex, .workers = WORKERS,
                     .memory = BUDGET, .tmp_dir = folder, .split_size = 64, .progress = spoil_runs,
                     .progress_arg = (void *)how, .report = &report);
    yk_executor_close(ex);
    return err;
}

static void test_damaged_runs(void **state)
{
    static const struct {
        const char *how;
        int err;
    } cases[] = {
        { "rm \"$f\"", UV_ENOENT },
        { ": >\"$f\"", YK_ECORRUPT },
        { "truncate -s -1 \"$f\"", YK_ECORRUPT },
        { "printf 'x' | dd of=\"$f\" bs=1 seek=600 conv=notrunc", YK_ECORRUPT },
    };
    (void)state;
    make_lines();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int err = sum_spoiled(i % 2 ? PROCESSES : THREADS, cases[i].how);
        if (err != cases[i].err)
            fail_msg("%s: %d, %s", cases[i].how, err, report.message);
        assert_non_null(strstr(report.message, "/yoke-"));
        assert_non_null(strstr(report.message, "run-"));
        assert_int_equal(count_entries(), 1);
    }
    remove_files();
}

/* There is much to do, and sanitizers are slow. */
static int make_folder_and_wait(void **state)
{
    int err = make_folder(state);
    alarm(280);
    return err;
}

int main(void)
{
    if (yk_init() != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result_of_many_times_the_memory),
        cmocka_unit_test(test_same_bytes_as_in_memory),
        cmocka_unit_test(test_first_failed_key_is_named_from_files_too),
        cmocka_unit_test(test_too_little_memory_is_refused),
        cmocka_unit_test(test_folder_that_is_not_there),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_full_disk_is_not_the_fault_of_a_key),
        cmocka_unit_test(test_damaged_runs),
    };
    return cmocka_run_group_tests_name("mapreduce/spill", tests, make_folder_and_wait,
                                       remove_folder);
}
