/* Statistics: what adds up, what is measured, who is named, and Prometheus' text. */
#include "support/backends.h"

#include <ctype.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

static yk_future *submit_named(const backend *b, yk_executor *ex, const char *name, yk_job_fn fn,
                               const void *arg, size_t len)
{
    return backend_submit_opts(b, ex, fn, arg, len, (yk_job_options){ .name = name });
}

static int await_and_unref(yk_future *f)
{
    int err = yk_await(f);
    yk_future_unref(f);
    return err;
}

/* ---- Histograms ----------------------------------------------------------------------------- */

static void test_E28_quantiles_of_a_histogram(void **state)
{
    (void)state;
    yk_histogram h = { 0 };
    assert_int_equal(yk_histogram_quantile(&h, 0.5), 0);
    assert_int_equal(yk_histogram_mean(&h), 0);
    h.buckets[10] = 98; /* up to 1024 ns */
    h.buckets[20] = 2;  /* up to 1 ms */
    h.count = 100;
    h.max = 1000000;
    h.sum = 98 * 1000 + 2 * 1000000;
    assert_in_range(yk_histogram_quantile(&h, 0.5), 512, 1024);
    assert_in_range(yk_histogram_quantile(&h, 0.98), 1023, 1024);
    assert_in_range(yk_histogram_quantile(&h, 0.99), 1 << 19, 1000000);
    assert_int_equal(yk_histogram_quantile(&h, 1), 1000000);
    assert_int_equal(yk_histogram_quantile(&h, 7), 1000000);
    assert_in_range(yk_histogram_quantile(&h, -1), 512, 1024);
    assert_int_equal(yk_histogram_mean(&h), (98 * 1000 + 2 * 1000000) / 100);

    yk_histogram sum = { 0 };
    yk_histogram_merge(&sum, &h);
    yk_histogram_merge(&sum, &h);
    assert_int_equal(sum.count, 200);
    assert_int_equal(sum.buckets[10], 196);
    assert_int_equal(sum.max, h.max);
    assert_int_equal(sum.sum, 2 * h.sum);
}

static uint64_t samples(const yk_histogram *h)
{
    uint64_t n = 0;
    for (int i = 0; i < YK_HISTOGRAM_BUCKETS; i++)
        n += h->buckets[i];
    return n;
}

/* What is known for sure of two jobs, one behind the other: the first ran, and the second waited,
 * at least from `shown` to `released`. */
static void times_are_true(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(2);
    block arg = { .begun = &w[0], .go = &w[1] };
    uint64_t before = yk_now();
    yk_future *runs = backend_submit(b, ex, job_block, &arg, sizeof arg);
    yk_future *waits = backend_submit(b, ex, job_block, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 1);
    uint64_t shown = yk_now();
    eventually(yk_now() > shown + 2000000);
    uint64_t released = yk_now();
    word_set(&w[1], 1);
    assert_int_equal(await_and_unref(runs), 0);
    assert_int_equal(await_and_unref(waits), 0);
    uint64_t most = yk_now() - before;

    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.run.count, 2); /* those that block are all measured */
    assert_int_equal(s.wait.count, 2);
    assert_int_equal(samples(&s.run), 2);
    assert_in_range(s.run.max, released - shown, most);
    assert_in_range(s.run.sum, released - shown, 2 * most);
    assert_in_range(s.wait.max, released - shown, most);
    assert_in_range(yk_histogram_quantile(&s.wait, 1), released - shown, most);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E28_histograms_hold_the_times_of_jobs(void **state)
{
    (void)state;
    on_every_backend(times_are_true);
}

static void tiny_jobs(const backend *b)
{
    enum { N = 2000 };
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f[50];
    for (size_t round = 0; round < support_rounds(N / COUNT_OF(f)); round++) {
        for (size_t i = 0; i < COUNT_OF(f); i++)
            f[i] = backend_submit(b, ex, job_nothing, NULL, 0);
        for (size_t i = 0; i < COUNT_OF(f); i++)
            assert_int_equal(await_and_unref(f[i]), 0);
    }
    yk_executor_stats s = stats_of(ex);
    assert_in_range(s.run.count, 1, s.done);
    assert_int_equal(s.wait.count, s.run.count);
    assert_int_equal(samples(&s.wait), s.wait.count);
    backend_close(ex);
}

static void test_E28_of_tiny_jobs_some_are_measured(void **state)
{
    (void)state;
    on_every_backend(tiny_jobs);
}

/* ---- At every moment ------------------------------------------------------------------------ */

struct observer {
    yk_executor *ex;
    _Atomic bool stop;
    _Atomic uint64_t looks;
    yk_executor_stats wrong; /* received is not 0: it did not add up */
    _Atomic bool torn;       /* a name was half one job's, half another's */
    pthread_t thread;
};

static bool adds_up(const yk_executor_stats *s)
{
    return s->received == s->pending + s->running + s->done + s->failed + s->cancelled &&
           s->pending <= s->received && s->run.count == samples(&s->run) &&
           s->wait.count == samples(&s->wait);
}

/* The names of submit_a_mix: one letter, 31 times. */
static bool is_whole(const char *name)
{
    return name[0] == '\0' || strspn(name, (char[]){ name[0], '\0' }) == 31;
}

static void *observe(void *arg)
{
    struct observer *o = arg;
    while (!atomic_load(&o->stop)) {
        yk_executor_stats s = stats_of(o->ex);
        if (!adds_up(&s))
            o->wrong = s;
        yk_worker_stats rows[8];
        size_t n = yk_executor_workers(o->ex, rows, COUNT_OF(rows));
        for (size_t i = 0; i < n && i < COUNT_OF(rows); i++)
            if (!is_whole(rows[i].job))
                atomic_store(&o->torn, true);
        atomic_fetch_add(&o->looks, 1);
    }
    return NULL;
}

static void submit_a_mix(const backend *b, yk_executor *ex, size_t rounds)
{
    yk_future *f[32];
    for (size_t round = 0; round < rounds; round++) {
        for (size_t i = 0; i < COUNT_OF(f); i++) {
            char name[32] = "";
            memset(name, 'a' + (int)(i % 4), 31);
            yk_job_fn fn = i % 4 == 1                ? job_fail
                           : i == 31 && b->processes ? job_kill_self
                                                     : job_nothing;
            f[i] = submit_named(b, ex, i % 8 ? name : NULL, fn, NULL, 0);
            if (i % 4 == 2)
                yk_future_cancel(f[i]);
        }
        for (size_t i = 0; i < COUNT_OF(f); i++)
            await_and_unref(f[i]);
    }
}

static void watched(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2, .kill_grace_ms = 1000);
    struct observer o = { .ex = ex };
    assert_int_equal(pthread_create(&o.thread, NULL, observe, &o), 0);
    submit_a_mix(b, ex, 1 + support_rounds(40));
    eventually(atomic_load(&o.looks) > 10);
    atomic_store(&o.stop, true);
    pthread_join(o.thread, NULL);
    assert_int_equal(o.wrong.received, 0);
    assert_false(atomic_load(&o.torn));
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.received, s.done + s.failed + s.cancelled);
    assert_true(s.failed >= 8 * (1 + support_rounds(40)));
    backend_close(ex);
}

static void test_E28_statistics_add_up_at_every_moment(void **state)
{
    (void)state;
    on_every_backend(watched);
}

/* ---- Workers -------------------------------------------------------------------------------- */

/* The row that runs `job`; false if there is none. */
static bool row_of(yk_executor *ex, const char *job, yk_worker_stats *row)
{
    yk_worker_stats rows[64];
    size_t n = yk_executor_workers(ex, rows, COUNT_OF(rows));
    for (size_t i = 0; i < n && i < COUNT_OF(rows); i++)
        if (rows[i].state == YK_WORKER_RUNNING && strcmp(rows[i].job, job) == 0) {
            *row = rows[i];
            return true;
        }
    return false;
}

static void sum_rows(yk_executor *ex, yk_worker_stats *sum)
{
    yk_worker_stats rows[64];
    size_t n = yk_executor_workers(ex, rows, COUNT_OF(rows));
    assert_in_range(n, 1, COUNT_OF(rows));
    *sum = (yk_worker_stats){ 0 };
    for (size_t i = 0; i < n; i++) {
        sum->jobs += rows[i].jobs;
        sum->starts += rows[i].starts;
        sum->crashes += rows[i].crashes;
        sum->since += rows[i].since;
        sum->state = rows[i].state > sum->state ? rows[i].state : sum->state;
    }
}

static int job_block_after_pid(yk_job *job)
{
    struct {
        block block;
        word *pid, *tid;
    } arg = *(typeof(arg) *)yk_job_arg(job);
    atomic_store(arg.pid, (uint32_t)getpid());
    atomic_store(arg.tid, (uint32_t)gettid());
    atomic_fetch_add(arg.block.begun, 1);
    while (word_get(arg.block.go) == 0)
        usleep(100);
    return 0;
}

static void rows_name_what_runs(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    word *w = words_new(4);
    struct {
        block block;
        word *pid, *tid;
    } arg = { { .begun = &w[0], .go = &w[1] }, &w[2], &w[3] };
    uint64_t before = yk_now();
    yk_future *named = submit_named(b, ex, "resize", job_block_after_pid, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 1);
    yk_worker_stats row;
    eventually(row_of(ex, "resize", &row));
    assert_in_range(row.since, before - 50000000, yk_now());
    assert_int_equal(b->processes ? row.pid : row.tid, word_get(b->processes ? &w[2] : &w[3]));
    assert_int_equal(b->processes ? row.tid : row.pid, 0);
    assert_int_equal(row.jobs, 0);
    assert_int_equal(row.starts, 1);
    assert_string_equal(row.part, !b->hybrid ? "" : b->processes ? "isolated" : "cpu");
    eventually(row_of(ex, "resize", &row) && row.cpu_ns > 0);
    word_set(&w[1], 1);
    assert_int_equal(await_and_unref(named), 0);
    yk_worker_stats sum;
    eventually((sum_rows(ex, &sum), sum.jobs == 1 && sum.since == 0));

    /* A job without a name has none, whatever ran there before. */
    word_set(&w[0], 0);
    word_set(&w[1], 0);
    yk_future *nameless = backend_submit(b, ex, job_block_after_pid, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 1);
    eventually(row_of(ex, "", &row));
    assert_false(row_of(ex, "resize", &row));
    word_set(&w[1], 1);
    assert_int_equal(await_and_unref(nameless), 0);
    assert_int_equal(yk_executor_shutdown(ex), 0);
    sum_rows(ex, &sum);
    assert_int_equal(sum.state, YK_WORKER_NONE);
    assert_int_equal(sum.jobs, 2);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E28_rows_name_what_every_worker_runs(void **state)
{
    (void)state;
    on_every_backend(rows_name_what_runs);
}

static void deaths_are_counted(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 20);
    yk_future *f =
        backend_submit_opts(b, ex, job_spin, NULL, 0, (yk_job_options){ .timeout_ms = 1 });
    assert_int_equal(await_and_unref(f), YK_EJOBTIMEOUT);
    assert_int_equal(await_and_unref(backend_submit(b, ex, job_nothing, NULL, 0)), 0);
    assert_int_equal(await_and_unref(backend_submit(b, ex, job_kill_self, NULL, 0)), YK_ECRASHED);
    assert_int_equal(await_and_unref(backend_submit(b, ex, job_nothing, NULL, 0)), 0);
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.started, 3);
    assert_int_equal(s.restarts, 2);
    assert_int_equal(s.crashed, 1);
    assert_int_equal(s.killed, 1);
    assert_int_equal(s.timeouts, 1);
    assert_in_range(s.run.max, 1000000, YK_FOREVER); /* the one that was stopped is in it, too */
    yk_worker_stats sum;
    eventually((sum_rows(ex, &sum), sum.jobs == 4));
    assert_int_equal(sum.starts, 3);
    assert_int_equal(sum.crashes, 1);
    backend_close(ex);
}

static void test_E28_deaths_and_restarts_are_counted(void **state)
{
    (void)state;
    on_processes(deaths_are_counted);
}

static void no_rows(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 3);
    assert_in_range(yk_executor_workers(ex, NULL, 0), 0, 3);
    yk_worker_stats row;
    assert_in_range(yk_executor_workers(ex, &row, 1), 0, 3);
    backend_close(ex);
}

static void test_E28_rows_of_an_unused_executor(void **state)
{
    (void)state;
    on_every_backend(no_rows);
    yk_executor *failed = yk_thread_pool(.workers = -1);
    assert_int_equal(yk_executor_workers(failed, NULL, 0), 0);
    char text[64];
    assert_true(yk_executor_prometheus(failed, text, sizeof text) > 0);
    yk_executor_close(failed);
}

/* ---- Prometheus: a checker of the format ---------------------------------------------------- */

/* https://prometheus.io/docs/instrumenting/exposition_formats/ : every metric's lines in one group
 * under its HELP and TYPE; names and labels of the right characters; a value; the series all
 * different; histograms cumulative, with the +Inf bucket equal to the count. */
struct checker {
    char metric[64], type[16]; /* of the group that is being read */
    char metrics[64][64];      /* of all groups */
    size_t n_metrics;
    char series[512][400];
    size_t n_series;
    double last_le, last_count; /* of a histogram's buckets */
    char last_labels[256];
};

static const char *name_at(const char *at, char *name, size_t size)
{
    size_t n = 0;
    assert_true(isalpha((unsigned char)*at) || *at == '_');
    while (isalnum((unsigned char)at[n]) || at[n] == '_' || at[n] == ':')
        n++;
    assert_true(n < size);
    memcpy(name, at, n);
    name[n] = '\0';
    return at + n;
}

/* name="value",... up to the brace; cuts le="..." out of the labels. */
static const char *labels_at(const char *at, char *rest, size_t size, double *le)
{
    rest[0] = '\0';
    while (*at != '}') {
        const char *start = at;
        char name[32];
        at = name_at(at, name, sizeof name);
        assert_memory_equal(at, "=\"", 2);
        const char *value = at += 2;
        for (; *at != '"'; at++) {
            assert_true(*at != '\0' && *at != '\n');
            if (*at == '\\') {
                at++;
                assert_true(*at == '\\' || *at == '"' || *at == 'n');
            }
        }
        at++;
        if (strcmp(name, "le") == 0)
            *le = strncmp(value, "+Inf", 4) == 0 ? 1e300 : strtod(value, NULL);
        else
            snprintf(rest + strlen(rest), size - strlen(rest), "%.*s,", (int)(at - start), start);
        if (*at == ',')
            at++;
        else
            assert_int_equal(*at, '}');
    }
    return at + 1;
}

static void check_comment(struct checker *c, const char *line)
{
    char metric[64];
    bool help = strncmp(line, "# HELP ", 7) == 0;
    assert_true(help || strncmp(line, "# TYPE ", 7) == 0);
    const char *after = name_at(line + 7, metric, sizeof metric);
    assert_int_equal(*after, ' ');
    if (help) {
        for (size_t i = 0; i < c->n_metrics; i++)
            assert_string_not_equal(c->metrics[i], metric); /* one group each */
        strcpy(c->metrics[c->n_metrics++], metric);
        strcpy(c->metric, metric);
        c->type[0] = '\0';
    } else {
        assert_string_equal(c->metric, metric);
        snprintf(c->type, sizeof c->type, "%s", after + 1);
        assert_true(!strcmp(c->type, "counter") || !strcmp(c->type, "gauge") ||
                    !strcmp(c->type, "histogram"));
    }
}

static void check_bucket(struct checker *c, const char *labels, double le, double value)
{
    bool first = c->last_le == 1e300 || strcmp(labels, c->last_labels) != 0;
    assert_true(first || (le > c->last_le && value >= c->last_count));
    strcpy(c->last_labels, labels);
    c->last_le = le;
    c->last_count = value;
}

static void check_sample(struct checker *c, const char *line)
{
    char metric[64], labels[256] = "";
    double le = -1;
    const char *at = name_at(line, metric, sizeof metric);
    if (*at == '{')
        at = labels_at(at + 1, labels, sizeof labels, &le);
    assert_int_equal(*at++, ' ');
    char *end;
    double value = strtod(at, &end);
    assert_true(end > at && *end == '\0');
    size_t prefix = strlen(c->metric);
    assert_memory_equal(metric, c->metric, prefix);
    if (strcmp(c->type, "histogram") != 0) {
        assert_string_equal(metric, c->metric);
    } else if (strcmp(metric + prefix, "_bucket") == 0) {
        check_bucket(c, labels, le, value);
    } else if (strcmp(metric + prefix, "_count") == 0) {
        assert_string_equal(labels, c->last_labels);
        assert_true(c->last_le == 1e300 && c->last_count == value);
    } else {
        assert_string_equal(metric + prefix, "_sum");
    }
    char *series = c->series[c->n_series++];
    assert_true(c->n_series < COUNT_OF(c->series));
    snprintf(series, sizeof c->series[0], "%s{%sle=%g}", metric, labels, le);
    for (size_t i = 0; i + 1 < c->n_series; i++)
        assert_string_not_equal(c->series[i], series);
}

static void check_prometheus(char *text)
{
    struct checker *c = calloc(1, sizeof *c);
    assert_non_null(c);
    size_t len = strlen(text);
    assert_true(len > 0 && text[len - 1] == '\n');
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) && rest;)
        (line[0] == '#' ? check_comment : check_sample)(c, line);
    assert_in_range(c->n_metrics, 15, COUNT_OF(c->metrics));
    free(c);
}

/* The value of a line that begins so; -1 if there is none. */
static double value_of(const char *text, const char *series)
{
    const char *at = strstr(text, series);
    return at ? strtod(strchr(at + strlen(series), ' '), NULL) : -1;
}

static void as_prometheus(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2, .name = "a\"b\\c\nd\xff");
    for (int i = 0; i < 6; i++) {
        int err = await_and_unref(backend_submit(b, ex, i % 3 ? job_nothing : job_fail, NULL, 0));
        assert_int_equal(err, i % 3 ? 0 : UV_EINVAL);
    }
    static char text[65536];
    int len = yk_executor_prometheus(ex, text, sizeof text);
    assert_int_equal(len, strlen(text));
    const char *who = "{executor=\"a\\\"b\\\\c\\nd?\"";
    char series[128];
    snprintf(series, sizeof series, "yoke_jobs_received_total%s", who);
    assert_true(value_of(text, series) == 6);
    const char *part = !b->hybrid ? "" : b->processes ? ",part=\"isolated\"" : ",part=\"cpu\"";
    snprintf(series, sizeof series, "yoke_jobs_ended_total%s%s,outcome=\"failed\"}", who, part);
    assert_true(value_of(text, series) == 2);
    snprintf(series, sizeof series, "yoke_job_run_seconds_count%s%s}", who, part);
    assert_in_range(value_of(text, series), 1, 6);
    snprintf(series, sizeof series, "yoke_worker_jobs_total%s%s,worker=\"0\"}", who, part);
    assert_in_range(value_of(text, series), 0, 6);
    check_prometheus(text);

    /* As snprintf: a short buffer is filled, and the length is that of the whole. */
    char few[8] = "xxxxxxx";
    assert_true(yk_executor_prometheus(ex, few, 5) >= len - 100);
    assert_string_equal(few, "# HE");
    assert_int_equal(few[5], 'x');
    assert_true(yk_executor_prometheus(ex, NULL, 0) >= len - 100);
    backend_close(ex);
}

static void test_E28_as_prometheus_reads_it(void **state)
{
    (void)state;
    on_every_backend(as_prometheus);
}

static void test_E28_several_executors_on_one_page(void **state)
{
    (void)state;
    yk_executor *ex[3] = { yk_thread_pool(.workers = 1, .name = "one"),
                           yk_process_pool(.workers = 1, .name = "two"),
                           yk_hybrid(.workers = 1, .name = "three") };
    for (int i = 0; i < 3; i++)
        assert_int_equal(await_and_unref(yk_submit(ex[i], job_nothing, NULL, 0)), 0);
    int err = await_and_unref(yk_submit_with(ex[2], job_nothing, NULL, 0, .kind = YK_ISOLATED));
    assert_int_equal(err, 0);
    static char text[65536];
    int len = yk_prometheus(ex, 3, text, sizeof text);
    assert_int_equal(len, strlen(text));
    assert_true(value_of(text, "yoke_jobs_received_total{executor=\"one\"}") == 1);
    assert_true(value_of(text, "yoke_jobs_received_total{executor=\"two\"}") == 1);
    assert_true(value_of(text, "yoke_jobs_received_total{executor=\"three\",part=\"cpu\"}") == 1);
    assert_true(value_of(text, "yoke_jobs_received_total{executor=\"three\",part=\"isolated\"}") ==
                1);
    check_prometheus(text);
    len = yk_prometheus(NULL, 0, text, sizeof text);
    assert_int_equal(len, strlen(text));
    for (int i = 0; i < 3; i++)
        assert_int_equal(yk_executor_close(ex[i]), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_E28_quantiles_of_a_histogram),
        TEST(test_E28_histograms_hold_the_times_of_jobs),
        TEST(test_E28_of_tiny_jobs_some_are_measured),
        TEST(test_E28_statistics_add_up_at_every_moment),
        TEST(test_E28_rows_name_what_every_worker_runs),
        TEST(test_E28_deaths_and_restarts_are_counted),
        TEST(test_E28_rows_of_an_unused_executor),
        TEST(test_E28_as_prometheus_reads_it),
        TEST(test_E28_several_executors_on_one_page),
    };
    return RUN_TESTS("stats", tests);
}
