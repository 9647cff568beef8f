/* Random jobs, each run in many ways: every executor, number of workers, size of pieces and budget
 * of memory; and resumed. What comes out, output or failure, must be the same to the byte.
 *
 *   test_mapreduce_random [SEED [ROUNDS]]     the seed is printed */
#include "mapreduce/helper.h"

#include <inttypes.h>
#include <sys/random.h>
#include <uv.h>
#include <zlib.h>

#include "yoke.h"

/* ---- Chance -------------------------------------------------------------------------------- */

static uint64_t seed, first_seed, rounds = 12;

static uint64_t below(uint64_t limit) /* splitmix64 (Steele, Lea, Flood 2014) */
{
    uint64_t z = seed += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (uint64_t)((unsigned __int128)(z ^ (z >> 31)) * limit >> 64);
}

static bool one_in(uint64_t n)
{
    return below(n) == 0;
}

/* ---- Inputs -------------------------------------------------------------------------------- */

enum { MOST_FILES = 4, KEY_MAX = 60 };

typedef struct job {
    const char *files[MOST_FILES + 1];
    const yk_fold *fold; /* or */
    yk_reduce_fn reduce, combine;
    size_t top;
    bool skip_bad;
    bool has_bad, has_large; /* lines that are malformed, numbers that overflow */
    size_t keys;             /* different ones, about */
    size_t lines;            /* of a file, at most */
} job;

static size_t make_key(char *to, const job *j)
{
    uint64_t n = below(j->keys);
    if (n == 0)
        return 0;
    size_t len = (size_t)sprintf(to, "%c%" PRIu64, "aZ\xc3~"[n % 4], n / 4);
    while (n % 7 == 0 && len < KEY_MAX - 8)
        len += (size_t)sprintf(to + len, "-%" PRIu64, n++);
    return len;
}

static char *make_text(const job *j, size_t lines, size_t *len)
{
    char *text = malloc(lines * (KEY_MAX + 120) + 1), *to = text;
    for (size_t i = 0; i < lines; i++) {
        if (j->has_bad && one_in(400)) {
            to += sprintf(to, "!line %zu\n", i);
            continue;
        }
        to += make_key(to, j);
        uint64_t value = j->has_large && one_in(9) ? UINT64_MAX / 2 + below(9) : below(1000);
        to += sprintf(to, "\t%" PRIu64, value);
        for (uint64_t more = one_in(20) ? below(80) : 0; more > 0; more--)
            *to++ = (char)('a' + below(26));
        *to++ = '\n';
    }
    *len = (size_t)(to - text);
    if (*len > 0 && one_in(3))
        --*len; /* the last line lacks its end */
    return text;
}

static const char *make_file(const job *j, size_t number)
{
    char name[40];
    size_t len;
    char *text = make_text(j, one_in(6) ? 0 : below(j->lines), &len);
    bool packed = one_in(3);
    snprintf(name, sizeof name, "in%zu", number);
    const char *path = write_file(name, text, packed ? 0 : len);
    if (packed) {
        gzFile gz = gzopen(path, "wb");
        assert_int_equal(gzwrite(gz, text, (unsigned)len), len);
        assert_int_equal(gzclose(gz), Z_OK);
    }
    free(text);
    return path;
}

/* ---- What a job does ----------------------------------------------------------------------- */

typedef struct count {
    uint64_t sum, n, last;
} count;

static int fold_counts(void *into, const void *value)
{
    count *a = into;
    const count *b = value;
    a->n += b->n;
    a->last = a->last > b->last ? a->last : b->last;
    return __builtin_add_overflow(a->sum, b->sum, &a->sum) ? YK_EOVERFLOW : 0;
}

static const yk_fold counts = { sizeof(count), fold_counts };

static int map_lines(yk_split *split, yk_emitter *out, void *arg)
{
    const job *j = arg;
    yk_str field[2];
    while (yk_split_next_fields(split, '\t', field, 2) > 0) {
        if (field[0].len > 0 && field[0].at[0] == '!') {
            int err = yk_split_bad_record(split, field[0].at, field[0].len, "shouts");
            if (err)
                return err;
            continue;
        }
        uint64_t n = yk_str_u64(field[1]);
        if (!j->fold)
            yk_emit_bytes(out, field[0], field[1]);
        else if (j->fold == &counts)
            yk_emit(out, field[0], &(count){ n, 1, n });
        else
            yk_emit_u64(out, field[0], n);
    }
    return 0;
}

/* A hash of the values, in which their order shows, and then some of them. */
static int digest(yk_str key, yk_values *values, yk_emitter *out, void *arg)
{
    (void)arg;
    uint64_t hash = 0, n = 0;
    char text[60];
    for (yk_str v; yk_values_next(values, &v); n++) {
        for (size_t i = 0; i < v.len; i++)
            hash = (hash ^ (unsigned char)v.at[i]) * 0x100000001b3;
        if (n % 100 == 7)
            yk_emit_bytes(out, v, key);
    }
    int len = sprintf(text, "%" PRIx64 " of %" PRIu64, hash, n);
    return yk_emit_bytes(out, key, (yk_str){ text, (size_t)len });
}

static int largest(yk_str key, yk_values *values, yk_emitter *out, void *arg)
{
    (void)arg;
    uint64_t most = 0;
    char text[24];
    for (yk_str v; yk_values_next(values, &v);)
        most = yk_str_u64(v) > most ? yk_str_u64(v) : most;
    return yk_emit_bytes(out, key, (yk_str){ text, (size_t)sprintf(text, "%" PRIu64, most) });
}

static void make_job(job *j)
{
    const yk_fold *const folds[] = { YK_SUM_U64, YK_MAX_U64, &counts };
    const size_t keys[] = { 1, 5, 100, 100 * 1000 };
    *j =
        (job){ .skip_bad = one_in(2), .has_bad = one_in(3), .keys = keys[below(4)], .lines = 1500 };
    if (one_in(8)) { /* too much for a small budget */
        j->lines = 60 * 1000;
        j->keys = 100 * 1000;
    }
    if (one_in(2)) {
        j->fold = folds[below(3)];
        j->top = one_in(2) ? 1 + below(20) : 0;
        j->has_large = one_in(8);
    } else if (one_in(2)) {
        j->reduce = digest;
    } else {
        j->reduce = j->combine = largest;
    }
    size_t n = 1 + below(MOST_FILES);
    for (size_t i = 0; i < n; i++)
        j->files[i] = make_file(j, i);
}

/* ---- Running it ---------------------------------------------------------------------------- */

typedef struct outcome {
    int err;
    char *output; /* NULL: none */
    yk_mapreduce_report report;
} outcome;

static const char *journal; /* NULL: none */

static outcome run_to(const char *out, const job *j, yk_executor *ex, int workers, size_t split,
                      size_t memory)
{
    static outcome o;
    unlink(in_folder("out"));
    o.err = yk_mapreduce(.inputs = j->files, .map = map_lines, .fold = j->fold, .reduce = j->reduce,
                         .combine = j->combine, .top = j->top, .skip_bad_records = j->skip_bad,
                         .sink = yk_sink_tsv(out), .executor = ex, .workers = workers,
                         .journal = journal, .split_size = split, .memory = memory,
                         .tmp_dir = folder, .arg = j, .arg_size = sizeof *j, .report = &o.report);
    o.output = read_file(in_folder("out"));
    return o;
}

static outcome run(const job *j, yk_executor *ex, int workers, size_t split, size_t memory)
{
    return run_to(in_folder("out"), j, ex, workers, split, memory);
}

static void check_same(const outcome *a, const outcome *b)
{
    assert_int_equal(a->err, b->err);
    assert_string_equal(a->report.message, b->report.message);
    assert_string_equal(a->report.first_bad, b->report.first_bad);
    assert_int_equal(!a->output, !b->output);
    if (!a->output)
        return;
    assert_string_equal(a->output, b->output);
    assert_int_equal(a->report.stats.records, b->report.stats.records);
    assert_int_equal(a->report.stats.bad_records, b->report.stats.bad_records);
    assert_int_equal(a->report.stats.text, b->report.stats.text);
    assert_int_equal(a->report.stats.keys, b->report.stats.keys);
}

static yk_executor *make_executor(int *workers)
{
    *workers = 1 + (int)below(5);
    switch (below(3)) {
    case 0:
        return yk_thread_pool(.workers = *workers);
    case 1:
        return yk_process_pool(.workers = *workers);
    default:
        return yk_hybrid(.workers = *workers);
    }
}

/* What a job needs in any case (mapreduce/budget.c). */
static size_t least_memory(const job *j, int workers)
{
    size_t files = 0;
    while (j->files[files])
        files++;
    return (4 + 4 * (size_t)workers + 2 * files) << 20;
}

static int spilled; /* runs that did not fit */
static int resumed; /* and those that went on where another had stopped */

/* Runs it until it cannot write its output. */
static void run_in_vain(const job *j, size_t split)
{
    int workers;
    yk_executor *ex = make_executor(&workers);
    outcome o = run_to("/dev/full", j, ex, workers, split, 0);
    assert_null(o.output);
    assert_int_equal(yk_executor_close(ex), 0);
}

static void remove_journal(void)
{
    char command[400];
    snprintf(command, sizeof command, "rm -rf '%.300s'", in_folder("journal"));
    assert_int_equal(system(command), 0);
}

static void run_in_many_ways(const job *j)
{
    const size_t splits[] = { 50, 1000, 30 * 1000, 0 };
    outcome plain = run(j, NULL, 1, 1 << 30, 0);
    assert_int_equal(!plain.output, plain.err != 0);
    for (int i = 0; i < 5; i++) {
        int workers;
        yk_executor *ex = make_executor(&workers);
        assert_null(yk_executor_error(ex));
        size_t memory = one_in(2) ? 0 : least_memory(j, workers) + below(2 << 20);
        size_t split = splits[below(4)];
        journal = one_in(3) ? in_folder("journal") : NULL;
        if (journal && one_in(2))
            run_in_vain(j, split);
        outcome other = run(j, ex, workers, split, memory);
        resumed += other.report.stats.resumed_splits > 0;
        remove_journal();
        journal = NULL;
        check_same(&plain, &other);
        spilled += other.report.stats.spilled_bytes > 0;
        free(other.output);
        assert_int_equal(yk_executor_close(ex), 0);
    }
    free(plain.output);
}

static void test_random_jobs_end_the_same_however_they_run(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < rounds; round++) {
        job j;
        seed = first_seed + round * 1000003;
        make_job(&j);
        run_in_many_ways(&j);
        for (size_t i = 0; j.files[i]; i++)
            unlink(j.files[i]);
        unlink(in_folder("out"));
        assert_int_equal(count_entries(), 0);
    }
    printf("%d runs were spilled, %d resumed\n", spilled, resumed);
}

int main(int argc, char **argv)
{
    if (yk_init() != 0)
        return 1;
    if (argc > 1)
        first_seed = strtoull(argv[1], NULL, 10);
    else if (getrandom(&first_seed, 4, 0) != 4)
        return 1;
    if (argc > 2)
        rounds = strtoull(argv[2], NULL, 10);
    printf("seed %" PRIu64 "\n", first_seed);
    fflush(stdout);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_jobs_end_the_same_however_they_run),
    };
    return cmocka_run_group_tests_name("mapreduce/random", tests, make_folder, remove_folder);
}
