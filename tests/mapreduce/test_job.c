/* Tests of whole jobs through the public call, on every executor. */
#include "mapreduce/helper.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <uv.h>
#include <zlib.h>

#include "yoke.h"

/* ---- Executors ----------------------------------------------------------------------------- */

enum { THREADS, PROCESSES, HYBRID, BACKENDS };

static yk_executor *make_backend(int backend, int workers)
{
    yk_executor *ex = backend == THREADS     ? yk_thread_pool(.workers = workers)
                      : backend == PROCESSES ? yk_process_pool(.workers = workers)
                                             : yk_hybrid(.workers = workers);
    assert_null(yk_executor_error(ex));
    return ex;
}

/* ---- Text, and its words counted the plain way --------------------------------------------- */

static char *make_text(size_t lines, unsigned seed)
{
    char *text = malloc(lines * 80 + 1), *to = text;
    for (size_t i = 0; i < lines; i++) {
        size_t words = (seed = seed * 1103515245u + 12345u) >> 16 & 7;
        for (size_t k = 0; k < words; k++) {
            seed = seed * 1103515245u + 12345u;
            unsigned pick = seed >> 16 & 1023;
            to += sprintf(to, "%sw%u", k ? " " : "", pick * pick / 1024);
        }
        *to++ = '\n';
    }
    *to = '\0';
    return text;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "word TAB count LF" for every word, sorted. */
static char *count_plainly(const char *text)
{
    char *copy = strdup(text), *rest = NULL;
    char **words = malloc((strlen(text) + 1) * sizeof *words);
    size_t n = 0;
    for (char *w = strtok_r(copy, " \n", &rest); w; w = strtok_r(NULL, " \n", &rest))
        words[n++] = w;
    qsort(words, n, sizeof *words, by_text);
    char *out = malloc(n * 32 + 1), *to = out;
    *to = '\0';
    for (size_t i = 0, same; i < n; i += same) {
        for (same = 1; i + same < n && strcmp(words[i], words[i + same]) == 0;)
            same++;
        to += sprintf(to, "%s\t%zu\n", words[i], same);
    }
    free(words);
    free(copy);
    return out;
}

static int map_words(yk_split *split, yk_emitter *out, void *arg)
{
    (void)arg;
    for (yk_str word; yk_split_next_word(split, &word);)
        yk_emit_u64(out, word, 1);
    return 0;
}

static yk_mapreduce_report report;

static int count_words(const char *const *files, yk_executor *ex, int workers, size_t split)
{
    return yk_mapreduce(.inputs = files, .map = map_words, .fold = YK_SUM_U64,
                        .sink = yk_sink_tsv(in_folder("out")), .executor = ex, .workers = workers,
                        .split_size = split, .report = &report);
}

static void assert_no_output(void)
{
    assert_int_not_equal(access(in_folder("out"), F_OK), 0);
}

static void remove_input(const char *name)
{
    assert_int_equal(unlink(in_folder(name)), 0);
}

/* ---- Failures ------------------------------------------------------------------------------ */

/* Lines that begin with '!' are malformed. */
static int map_lines(yk_split *split, yk_emitter *out, void *arg)
{
    (void)arg;
    for (yk_str line; yk_split_next_record(split, &line);) {
        if (line.len > 0 && line.at[0] == '!') {
            int err = yk_split_bad_record(split, line.at, line.len, "shouts");
            if (err)
                return err;
            continue;
        }
        yk_emit_u64(out, line, 1);
    }
    return 0;
}

static char *lines_with(const char *bad, size_t at, size_t lines)
{
    char *text = malloc(lines * 20 + 100), *to = text;
    for (size_t i = 1; i <= lines; i++)
        to += i == at ? sprintf(to, "%s\n", bad) : sprintf(to, "line %zu\n", i % 50);
    return text;
}

static void test_the_earliest_failure_is_reported(void **state)
{
    (void)state;
    char *early = lines_with("!early \x01", 3000, 4000), *late = lines_with("!late", 1, 20);
    char *a = strdup(write_file("a", early, strlen(early)));
    char *b = strdup(write_file("b", late, strlen(late)));
    const char *files[] = { a, b, b, b, NULL };
    char expected[900];
    snprintf(expected, sizeof expected, "%s:3000: byte %zu: shouts: \"!early \\x01\"", a,
             (size_t)(strstr(early, "!early") - early));
    for (int backend = 0; backend < BACKENDS; backend++) {
        for (int workers = 1; workers <= 7; workers += 3) {
            yk_executor *ex = make_backend(backend, workers);
            int err = yk_mapreduce(.inputs = files, .map = map_lines, .fold = YK_SUM_U64,
                                   .sink = yk_sink_tsv(in_folder("out")), .executor = ex,
                                   .workers = workers, .split_size = 1000, .report = &report);
            assert_int_equal(err, YK_EFORMAT);
            assert_string_equal(report.message, expected);
            assert_no_output();
            assert_int_equal(yk_executor_close(ex), 0);
        }
    }
    free(early);
    free(late);
    unlink(a);
    unlink(b);
    free(a);
    free(b);
}

static void test_bad_records_are_skipped_and_counted(void **state)
{
    (void)state;
    const char *text = "a\n!one\nb\n!two\na\n!three";
    char first[700];
    const char *files[] = { write_file("in", text, strlen(text)), NULL };
    for (int backend = 0; backend < BACKENDS; backend++) {
        yk_executor *ex = make_backend(backend, 2);
        assert_int_equal(yk_mapreduce(.inputs = files, .map = map_lines, .fold = YK_SUM_U64,
                                      .sink = yk_sink_tsv(in_folder("out")), .executor = ex,
                                      .workers = 2, .split_size = 5, .skip_bad_records = true,
                                      .report = &report),
                         0);
        assert_file(in_folder("out"), "a\t2\nb\t1\n");
        assert_int_equal(report.stats.bad_records, 3);
        assert_int_equal(report.stats.records, 6);
        snprintf(first, sizeof first, "%.300s:2: byte 2: shouts: \"!one\"", in_folder("in"));
        assert_string_equal(report.first_bad, first);
        yk_executor_close(ex);
    }
    remove_input("in");
    remove_input("out");
}

/* "key number" on every line. */
static int map_numbers(yk_split *split, yk_emitter *out, void *arg)
{
    (void)arg;
    for (yk_str line; yk_split_next_record(split, &line);) {
        const char *space = memchr(line.at, ' ', line.len);
        yk_emit_u64(out, (yk_str){ line.at, (size_t)(space - line.at) },
                    strtoull(space + 1, NULL, 10));
    }
    return 0;
}

static void test_overflow_names_the_first_key_by_bytes(void **state)
{
    (void)state;
    const char *text = "z 18446744073709551615\nc 1\nz 1\nb 18446744073709551615\na 1\n"
                       "c 18446744073709551614\nb 2\n";
    const char *files[] = { write_file("in", text, strlen(text)), NULL };
    for (int backend = 0; backend < BACKENDS; backend++) {
        for (size_t split = 4; split < 400; split *= 9) {
            yk_executor *ex = make_backend(backend, 2);
            int err = yk_mapreduce(.inputs = files, .map = map_numbers, .fold = YK_SUM_U64,
                                   .sink = yk_sink_tsv(in_folder("out")), .executor = ex,
                                   .workers = 2, .split_size = split, .report = &report);
            assert_int_equal(err, YK_EOVERFLOW);
            assert_memory_equal(report.message, "\"b\": ", 5);
            assert_no_output();
            yk_executor_close(ex);
        }
    }
    remove_input("in");
}

static int map_refuses(yk_split *split, yk_emitter *out, void *arg)
{
    (void)split;
    (void)out;
    (void)arg;
    return UV_ENOTSUP;
}

static void test_error_of_the_map_function_names_the_file(void **state)
{
    (void)state;
    const char *files[] = { write_file("in", "a\n", 2), NULL };
    for (int backend = 0; backend < BACKENDS; backend++) {
        yk_executor *ex = make_backend(backend, 1);
        assert_int_equal(yk_mapreduce(.inputs = files, .map = map_refuses, .fold = YK_SUM_U64,
                                      .sink = yk_sink_tsv(in_folder("out")), .executor = ex,
                                      .workers = 1, .report = &report),
                         UV_ENOTSUP);
        assert_non_null(strstr(report.message, in_folder("in")));
        assert_no_output();
        yk_executor_close(ex);
    }
    remove_input("in");
}

/* arg: an _Atomic int * in the arena, how often a worker is still to be killed. */
static int map_kills(yk_split *split, yk_emitter *out, void *arg)
{
    _Atomic int *left = *(_Atomic int **)arg;
    yk_str text = yk_split_text(split);
    if (memmem(text.at, text.len, "w500 ", 5) && atomic_fetch_sub(left, 1) > 0)
        raise(SIGKILL);
    return map_words(split, out, NULL);
}

static int count_while_killing(const char *file, yk_executor *ex, int kills)
{
    _Atomic int *left = yk_arena_alloc(sizeof *left);
    assert_non_null(left);
    atomic_store(left, kills);
    const char *files[] = { file, NULL };
    int err =
        yk_mapreduce(.inputs = files, .map = map_kills, .fold = YK_SUM_U64,
                     .sink = yk_sink_tsv(in_folder("out")), .executor = ex, .workers = 2,
                     .arg = &left, .arg_size = sizeof left, .split_size = 4096, .report = &report);
    yk_arena_free(left);
    return err;
}

static void test_piece_whose_worker_was_killed_is_done_again(void **state)
{
    (void)state;
    char *text = make_text(3000, 5), *expected = count_plainly(text);
    char *in = strdup(write_file("in", text, strlen(text)));
    yk_executor *ex = make_backend(PROCESSES, 2);
    assert_int_equal(count_while_killing(in, ex, 2), 0);
    assert_int_equal(report.stats.retries, 2);
    assert_file(in_folder("out"), expected);
    assert_int_equal(unlink(in_folder("out")), 0);
    assert_int_equal(count_while_killing(in, ex, 1000000), YK_ECRASHED);
    assert_non_null(strstr(report.message, in));
    assert_non_null(strstr(report.message, "job 'map' was killed by SIGKILL"));
    assert_no_output();
    yk_executor_close(ex);
    remove_input("in");
    free(in);
    free(text);
    free(expected);
}

/* arg: an _Atomic int * in the arena, set when a map has begun. */
static int map_for_ever(yk_split *split, yk_emitter *out, void *arg)
{
    (void)out;
    atomic_store(*(_Atomic int **)arg, 1);
    while (!yk_split_cancelled(split))
        usleep(1000);
    return YK_ECANCELED;
}

static _Atomic int *begun;
static int backend_to_cancel;

static int cancelled_task(void *arg)
{
    const char *files[] = { in_folder("in"), NULL };
    yk_executor *ex = make_backend(backend_to_cancel, 2);
    int err =
        yk_mapreduce(.inputs = files, .map = map_for_ever, .fold = YK_SUM_U64,
                     .sink = yk_sink_tsv(in_folder("out")), .executor = ex, .workers = 2,
                     .arg = &begun, .arg_size = sizeof begun, .split_size = 16, .report = &report);
    *(int *)arg = err;
    yk_executor_close(ex);
    return err;
}

static int cancelling_task(void *arg)
{
    while (!atomic_load(begun))
        yk_sleep_ms(1);
    yk_future_cancel(arg);
    return 0;
}

static void test_cancelled_task_ends_the_job(void **state)
{
    (void)state;
    begun = yk_arena_alloc(sizeof *begun);
    char *text = make_text(100, 3);
    write_file("in", text, strlen(text));
    for (backend_to_cancel = 0; backend_to_cancel < BACKENDS; backend_to_cancel++) {
        int err = 0;
        atomic_store(begun, 0);
        yk_loop *loop = yk_loop_new();
        yk_future *task = yk_task_start(cancelled_task, &err);
        yk_future *other = yk_task_start(cancelling_task, task);
        assert_int_equal(yk_loop_run_until(loop, task), YK_ECANCELED);
        assert_int_equal(err, YK_ECANCELED);
        assert_int_equal(yk_loop_run_until(loop, other), 0);
        yk_future_unref(other);
        yk_future_unref(task);
        yk_loop_close(loop);
        assert_no_output();
        assert_int_equal(count_entries(), 1);
    }
    remove_input("in");
    yk_arena_free(begun);
    free(text);
}

static _Atomic int mapped;

static int map_notes(yk_split *split, yk_emitter *out, void *arg)
{
    (void)split;
    (void)out;
    (void)arg;
    atomic_fetch_add(&mapped, 1);
    return 0;
}

static int run_noting(const char *in, const char *in2, const char *out)
{
    const char *files[] = { in, in2, NULL };
    return yk_mapreduce(.inputs = files, .map = map_notes, .fold = YK_SUM_U64,
                        .sink = yk_sink_tsv(out), .report = &report);
}

static void test_what_cannot_work_is_said_before_any_work(void **state)
{
    (void)state;
    char *in = strdup(write_file("in", "a\n", 2));
    assert_int_equal(run_noting(NULL, NULL, in_folder("out")), UV_EINVAL);
    assert_int_equal(run_noting(in, in_folder("no"), in_folder("out")), UV_ENOENT);
    assert_non_null(strstr(report.message, in_folder("no")));
    assert_int_equal(run_noting(in, folder, in_folder("out")), UV_EISDIR);
    assert_int_equal(run_noting(in, NULL, in_folder("no/out")), UV_ENOENT);
    assert_int_equal(run_noting(in, NULL, in), UV_EINVAL);
    const yk_fold odd = { 12, YK_SUM_U64->fold };
    const char *files[] = { in, NULL };
    assert_int_equal(yk_mapreduce(.inputs = files, .map = map_notes, .fold = &odd), UV_EINVAL);
    assert_int_equal(yk_mapreduce(.inputs = files, .fold = YK_SUM_U64), UV_EINVAL);
    assert_int_equal(atomic_load(&mapped), 0);
    assert_int_equal(run_noting(in, NULL, in_folder("out")), 0);
    assert_int_equal(atomic_load(&mapped), 1);
    remove_input("out");
    remove_input("in");
    free(in);
}

static int refuse_record(yk_writer *to, yk_str key, yk_str value, void *arg)
{
    (void)value;
    (void)arg;
    yk_write(to, key.at, key.len);
    return UV_EIO;
}

static void test_failing_sink_leaves_nothing(void **state)
{
    (void)state;
    const char *files[] = { write_file("in", "a b\n", 4), NULL };
    yk_sink sink = { .path = in_folder("out"), .record = refuse_record };
    assert_int_equal(yk_mapreduce(.inputs = files, .map = map_words, .fold = YK_SUM_U64,
                                  .sink = sink, .report = &report),
                     UV_EIO);
    remove_input("in");
    assert_int_equal(count_entries(), 0);
}

/* ---- Right answers ------------------------------------------------------------------------- */

static void test_words_are_counted_the_same_everywhere(void **state)
{
    (void)state;
    char *text = make_text(5000, 1), *expected = count_plainly(text);
    const char *files[] = { write_file("in", text, strlen(text)), NULL };
    static const int workers[] = { 1, 2, 7 };
    static const size_t splits[] = { 777, 10007, 0 };
    for (int backend = 0; backend < BACKENDS; backend++) {
        for (int w = 0; w < 3; w++) {
            yk_executor *ex = make_backend(backend, workers[w]);
            for (int s = 0; s < 3; s++) {
                assert_int_equal(count_words(files, ex, workers[w], splits[s]), 0);
                assert_file(in_folder("out"), expected);
                assert_int_equal(report.stats.text, strlen(text));
                assert_int_equal(report.stats.records, 5000);
                assert_string_equal(report.message, "");
            }
            assert_int_equal(yk_executor_close(ex), 0);
        }
    }
    remove_input("in");
    remove_input("out");
    free(text);
    free(expected);
}

static void test_an_executor_of_its_own(void **state)
{
    (void)state;
    const char *files[] = { write_file("in", "b a\nb", 5), NULL };
    assert_int_equal(yk_mapreduce(.inputs = files, .map = map_words, .fold = YK_SUM_U64,
                                  .sink = yk_sink_tsv(in_folder("out"))),
                     0);
    assert_file(in_folder("out"), "a\t1\nb\t2\n");
    remove_input("in");
    remove_input("out");
}

static void test_odd_files(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "\n", "\n\n\n", "a", "a\n", "a\r\nb\r\n", "\na" };
    static const char *const counts[] = {
        "", "", "", "a\t1\n", "a\t1\n", "a\t1\nb\t1\n", "a\t1\n"
    };
    static const int records[] = { 0, 1, 3, 1, 1, 2, 2 };
    for (int i = 0; i < 7; i++) {
        const char *files[] = { write_file("in", texts[i], strlen(texts[i])), NULL };
        for (size_t split = 1; split < 5; split += 3) {
            assert_int_equal(count_words(files, NULL, 2, split), 0);
            assert_file(in_folder("out"), counts[i]);
            assert_int_equal(report.stats.records, records[i]);
        }
    }
    remove_input("in");
    remove_input("out");
}

static void *feed_fifo(void *text)
{
    int fd = open(in_folder("fifo"), O_WRONLY | O_CLOEXEC);
    size_t len = strlen(text), done = 0;
    while (fd >= 0 && done < len) {
        size_t piece = len - done < 777 ? len - done : 777;
        ssize_t n = write(fd, (char *)text + done, piece);
        if (n < 0)
            break;
        done += (size_t)n;
    }
    close(fd);
    return NULL;
}

static void test_gzip_and_pipes_beside_plain_files(void **state)
{
    (void)state;
    char *text = make_text(20000, 9), *thrice;
    assert_true(asprintf(&thrice, "%s%s%s", text, text, text) > 0);
    char *expected = count_plainly(thrice), *plain, *packed, *fifo;
    plain = strdup(write_file("plain", text, strlen(text)));
    packed = strdup(in_folder("packed"));
    fifo = strdup(in_folder("fifo"));
    gzFile gz = gzopen(packed, "wb1");
    assert_int_equal(gzwrite(gz, text, (unsigned)strlen(text)), strlen(text));
    assert_int_equal(gzclose(gz), Z_OK);
    const char *files[] = { packed, fifo, plain, NULL };
    for (int backend = 0; backend < BACKENDS; backend++) {
        pthread_t feeder;
        assert_int_equal(mkfifo(fifo, 0600), 0);
        assert_int_equal(pthread_create(&feeder, NULL, feed_fifo, text), 0);
        yk_executor *ex = make_backend(backend, 2);
        assert_int_equal(count_words(files, ex, 2, 1000), 0);
        assert_file(in_folder("out"), expected);
        assert_int_equal(report.stats.records, 60000);
        assert_int_equal(yk_executor_close(ex), 0);
        assert_int_equal(pthread_join(feeder, NULL), 0);
        assert_int_equal(unlink(fifo), 0);
    }
    remove_input("plain");
    remove_input("packed");
    remove_input("out");
    free(plain);
    free(packed);
    free(fifo);
    free(text);
    free(thrice);
    free(expected);
}

static void test_line_longer_than_any_chunk(void **state)
{
    (void)state;
    size_t len = 3 << 20;
    char *text = malloc(len), *packed = strdup(in_folder("packed"));
    memset(text, 'x', len);
    text[len - 3] = '\n';
    text[len - 2] = 'y';
    text[len - 1] = '\n';
    gzFile gz = gzopen(packed, "wb1");
    assert_int_equal(gzwrite(gz, text, (unsigned)len), len);
    assert_int_equal(gzclose(gz), Z_OK);
    const char *files[] = { packed, write_file("plain", text, len), NULL };
    for (int backend = 0; backend < BACKENDS; backend++) {
        yk_executor *ex = make_backend(backend, 2);
        assert_int_equal(count_words(files, ex, 2, 4096), 0);
        char *out = read_file(in_folder("out"));
        assert_int_equal(strspn(out, "x"), len - 3);
        assert_string_equal(out + len - 3, "\t2\ny\t2\n");
        free(out);
        yk_executor_close(ex);
    }
    remove_input("plain");
    remove_input("packed");
    remove_input("out");
    free(packed);
    free(text);
}

static void test_more_files_than_descriptors(void **state)
{
    (void)state;
    enum { FILES = 300, DESCRIPTORS = 100 };
    struct rlimit before, few = { DESCRIPTORS, DESCRIPTORS };
    const char *files[FILES + 1] = { 0 };
    char *packed = strdup(in_folder("packed"));
    gzFile gz = gzopen(packed, "wb1");
    assert_int_equal(gzwrite(gz, "a b\n", 4), 4);
    assert_int_equal(gzclose(gz), Z_OK);
    const char *plain = write_file("plain", "a\n", 2);
    for (int i = 0; i < FILES; i++)
        files[i] = i % 2 ? packed : plain;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(count_words(files, NULL, 2, 0), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_file(in_folder("out"), "a\t300\nb\t150\n");
    remove_input("plain");
    remove_input("packed");
    remove_input("out");
    free(packed);
}

static uint64_t rank_even_first(const void *value)
{
    uint64_t n = *(const uint64_t *)value;
    return n % 2 ? 0 : n;
}

static void test_top_by_a_rank_of_ones_own(void **state)
{
    (void)state;
    const char *text = "a a a a a b b c c c c d d e";
    const char *files[] = { write_file("in", text, strlen(text)), NULL };
    for (int backend = 0; backend < BACKENDS; backend++) {
        yk_executor *ex = make_backend(backend, 2);
        assert_int_equal(yk_mapreduce(.inputs = files, .map = map_words, .fold = YK_SUM_U64,
                                      .sink = yk_sink_tsv(in_folder("out")), .executor = ex,
                                      .top = 4, .rank = rank_even_first, .report = &report),
                         0);
        assert_file(in_folder("out"), "c\t4\nb\t2\nd\t2\na\t5\n");
        assert_int_equal(report.stats.keys, 5);
        yk_executor_close(ex);
    }
    remove_input("in");
    remove_input("out");
}

static int counting_task(void *arg)
{
    const char *const *files = arg;
    yk_executor *ex = make_backend(PROCESSES, 2);
    int err = count_words(files, ex, 2, 4096);
    yk_executor_close(ex);
    return err;
}

static void test_in_a_task(void **state)
{
    (void)state;
    char *text = make_text(5000, 2), *expected = count_plainly(text);
    const char *files[] = { write_file("in", text, strlen(text)), NULL };
    yk_loop *loop = yk_loop_new();
    yk_future *task = yk_task_start(counting_task, (void *)files);
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    yk_future_unref(task);
    yk_loop_close(loop);
    assert_file(in_folder("out"), expected);
    remove_input("in");
    remove_input("out");
    free(text);
    free(expected);
}

static void note_progress(const yk_mapreduce_stats *stats, void *arg)
{
    yk_mapreduce_stats *last = arg;
    assert_true(stats->phase >= last->phase && stats->stored >= last->stored);
    *last = *stats;
}

static void test_progress_and_statistics_add_up(void **state)
{
    (void)state;
    char *text = make_text(5000, 4);
    const char *files[] = { write_file("in", text, strlen(text)), NULL };
    yk_mapreduce_stats last = { 0 };
    assert_int_equal(yk_mapreduce(.inputs = files, .map = map_words, .fold = YK_SUM_U64,
                                  .sink = yk_sink_tsv("/dev/null"), .workers = 2,
                                  .split_size = 1000, .progress = note_progress,
                                  .progress_arg = &last, .report = &report),
                     0);
    assert_int_equal(last.phase, YK_ENDED);
    assert_int_equal(last.stored, strlen(text));
    assert_int_equal(last.stored_total, strlen(text));
    uint64_t splits = 0;
    for (unsigned i = 0; i < last.workers; i++)
        splits += last.worker[i].splits;
    assert_int_equal(splits, last.splits);
    assert_memory_equal(&last, &report.stats, sizeof last);
    remove_input("in");
    free(text);
}

int main(void)
{
    if (yk_init() != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_earliest_failure_is_reported),
        cmocka_unit_test(test_bad_records_are_skipped_and_counted),
        cmocka_unit_test(test_overflow_names_the_first_key_by_bytes),
        cmocka_unit_test(test_error_of_the_map_function_names_the_file),
        cmocka_unit_test(test_piece_whose_worker_was_killed_is_done_again),
        cmocka_unit_test(test_cancelled_task_ends_the_job),
        cmocka_unit_test(test_what_cannot_work_is_said_before_any_work),
        cmocka_unit_test(test_failing_sink_leaves_nothing),
        cmocka_unit_test(test_words_are_counted_the_same_everywhere),
        cmocka_unit_test(test_an_executor_of_its_own),
        cmocka_unit_test(test_odd_files),
        cmocka_unit_test(test_gzip_and_pipes_beside_plain_files),
        cmocka_unit_test(test_line_longer_than_any_chunk),
        cmocka_unit_test(test_more_files_than_descriptors),
        cmocka_unit_test(test_top_by_a_rank_of_ones_own),
        cmocka_unit_test(test_in_a_task),
        cmocka_unit_test(test_progress_and_statistics_add_up),
    };
    return cmocka_run_group_tests_name("mapreduce/job", tests, make_folder, remove_folder);
}
