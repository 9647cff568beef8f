/* Statistics as Prometheus reads them.
 * https://prometheus.io/docs/instrumenting/exposition_formats/ */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "clock.h"
#include "internal.h"
#include "stats.h"
#include "text.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof *(a))

/* What one page shows is read once, before anything is written: a metric's lines must stand
 * together, so each executor is come back to for every metric. */
struct snapshot {
    const char *executor, *part;
    yk_executor_stats stats;
    yk_worker_stats *rows;
    size_t n_rows;
};

struct page {
    yk__text text;
    struct snapshot *all;
    size_t n;
};

/* ---- Reading -------------------------------------------------------------------------------- */

static int read_one(struct snapshot *s, yk_executor *ex, const char *part)
{
    s->executor = ex->name;
    s->part = part;
    yk_executor_get_stats(ex, &s->stats);
    size_t max = yk_executor_workers(ex, NULL, 0);
    if (max == 0)
        return 0;
    s->rows = malloc(max * sizeof *s->rows);
    if (!s->rows)
        return UV_ENOMEM;
    size_t n = yk_executor_workers(ex, s->rows, max); /* more, if some have come meanwhile */
    s->n_rows = n < max ? n : max;
    return 0;
}

static int read_all(struct page *page, yk_executor *const *executors, size_t n)
{
    page->all = calloc(n ? n * YK__PARTS : 1, sizeof *page->all);
    if (!page->all)
        return UV_ENOMEM;
    int err = 0;
    for (size_t i = 0; i < n && !err; i++) {
        yk_executor *parts[YK__PARTS] = { executors[i] };
        const char *names[YK__PARTS] = { "" };
        size_t n_parts =
            executors[i]->ops->parts ? executors[i]->ops->parts(executors[i], parts, names) : 1;
        for (size_t k = 0; k < n_parts && !err; k++) {
            struct snapshot *s = &page->all[page->n++];
            err = read_one(s, parts[k], names[k]);
            s->executor = executors[i]->name;
        }
    }
    return err;
}

/* ---- Writing -------------------------------------------------------------------------------- */

static void heading(struct page *p, const char *metric, const char *type, const char *help)
{
    yk__text_add(&p->text, "# HELP %s %s\n# TYPE %s %s\n", metric, help, metric, type);
}

/* metric{executor="...",part="..." and leaves the brace open. */
static void labels(struct page *p, const char *metric, const struct snapshot *s)
{
    yk__text_add(&p->text, "%s{executor=\"", metric);
    yk__text_label(&p->text, s->executor);
    if (s->part[0])
        yk__text_add(&p->text, "\",part=\"%s", s->part);
    yk__text_add(&p->text, "\"");
}

static const struct counter {
    const char *metric, *type, *help;
    const char *label; /* and its value, or NULL */
    size_t member;
} counters[] = {
#define MEMBER(name) offsetof(yk_executor_stats, name)
    { "yoke_jobs_received_total", "counter", "Jobs that were accepted.", NULL, MEMBER(received) },
    { "yoke_jobs_pending", "gauge", "Jobs that wait: the depth of the queue.", NULL,
      MEMBER(pending) },
    { "yoke_jobs_running", "gauge", "Jobs that run.", NULL, MEMBER(running) },
    { "yoke_jobs_ended_total", "counter", "Jobs that have ended, by how they did.",
      "outcome=\"done\"", MEMBER(done) },
    { "yoke_jobs_ended_total", NULL, NULL, "outcome=\"failed\"", MEMBER(failed) },
    { "yoke_jobs_ended_total", NULL, NULL, "outcome=\"cancelled\"", MEMBER(cancelled) },
    { "yoke_job_timeouts_total", "counter", "Jobs that ran longer than their limit.", NULL,
      MEMBER(timeouts) },
    { "yoke_workers", "gauge", "Workers that are alive.", NULL, MEMBER(workers) },
    { "yoke_workers_started_total", "counter", "Workers that were started.", NULL,
      MEMBER(started) },
    { "yoke_workers_restarted_total", "counter",
      "Workers that were started where one had died or retired.", NULL, MEMBER(restarts) },
    { "yoke_workers_crashed_total", "counter", "Workers that died unasked.", NULL,
      MEMBER(crashed) },
    { "yoke_workers_killed_total", "counter",
      "Workers that were ended for the sake of a time limit or a cancellation.", NULL,
      MEMBER(killed) },
    { "yoke_workers_stuck", "gauge", "Threads that were written off and have not come back.", NULL,
      MEMBER(stuck) },
#undef MEMBER
};

static void write_counters(struct page *p)
{
    for (const struct counter *c = counters; c < counters + ARRAY_LEN(counters); c++) {
        if (c->type)
            heading(p, c->metric, c->type, c->help);
        for (size_t i = 0; i < p->n; i++) {
            uint64_t value;
            memcpy(&value, (const char *)&p->all[i].stats + c->member, sizeof value);
            labels(p, c->metric, &p->all[i]);
            yk__text_add(&p->text, "%s%s} %llu\n", c->label ? "," : "", c->label ? c->label : "",
                         (unsigned long long)value);
        }
    }
}

/* The narrowest bucket that is shown ends at 2^FIRST ns, the widest at 2^LAST: 128 ns and 69 s. */
enum { FIRST = 7, LAST = 36 };

static void write_histogram(struct page *p, const struct snapshot *s, const char *metric,
                            const yk_histogram *h)
{
    char bucket[64];
    yk__text name;
    yk__text_start(&name, bucket, sizeof bucket);
    yk__text_add(&name, "%s_bucket", metric);
    uint64_t below = 0;
    for (int i = 0; i <= LAST; i++) {
        below += h->buckets[i];
        if (i < FIRST)
            continue;
        labels(p, bucket, s);
        yk__text_add(&p->text, ",le=\"%.12g\"} %llu\n", (double)(UINT64_C(1) << i) / 1e9,
                     (unsigned long long)below);
    }
    labels(p, bucket, s);
    yk__text_add(&p->text, ",le=\"+Inf\"} %llu\n", (unsigned long long)h->count);
    yk__text_start(&name, bucket, sizeof bucket);
    yk__text_add(&name, "%s_sum", metric);
    labels(p, bucket, s);
    yk__text_add(&p->text, "} %.9f\n", (double)h->sum / 1e9);
    yk__text_start(&name, bucket, sizeof bucket);
    yk__text_add(&name, "%s_count", metric);
    labels(p, bucket, s);
    yk__text_add(&p->text, "} %llu\n", (unsigned long long)h->count);
}

static void write_histograms(struct page *p)
{
    heading(p, "yoke_job_wait_seconds", "histogram",
            "From submission until a job began, of the jobs that were measured.");
    for (size_t i = 0; i < p->n; i++)
        write_histogram(p, &p->all[i], "yoke_job_wait_seconds", &p->all[i].stats.wait);
    heading(p, "yoke_job_run_seconds", "histogram",
            "How long jobs ran, of the jobs that were measured.");
    for (size_t i = 0; i < p->n; i++)
        write_histogram(p, &p->all[i], "yoke_job_run_seconds", &p->all[i].stats.run);
}

static double is_running(const yk_worker_stats *row)
{
    return row->state == YK_WORKER_RUNNING;
}

static double seconds_running(const yk_worker_stats *row)
{
    uint64_t now = yk_now();
    return row->since && now > row->since ? (double)(now - row->since) / 1e9 : 0;
}

static double jobs(const yk_worker_stats *row)
{
    return (double)row->jobs;
}

static double starts(const yk_worker_stats *row)
{
    return (double)row->starts;
}

static double crashes(const yk_worker_stats *row)
{
    return (double)row->crashes;
}

static double cpu_seconds(const yk_worker_stats *row)
{
    return (double)row->cpu_ns / 1e9;
}

static const struct of_worker {
    const char *metric, *type, *help;
    double (*value)(const yk_worker_stats *row);
} of_workers[] = {
    { "yoke_worker_running", "gauge", "Whether the worker runs a job.", is_running },
    { "yoke_worker_running_seconds", "gauge", "For how long it has run its job.", seconds_running },
    { "yoke_worker_jobs_total", "counter", "Jobs that have ended on the worker.", jobs },
    { "yoke_worker_starts_total", "counter", "Workers that have been in this place.", starts },
    { "yoke_worker_crashes_total", "counter", "Workers that died unasked in this place.", crashes },
    { "yoke_worker_cpu_seconds_total", "counter", "CPU time of the worker that is there now.",
      cpu_seconds },
};

static void write_workers(struct page *p, const struct of_worker *of)
{
    heading(p, of->metric, of->type, of->help);
    for (size_t i = 0; i < p->n; i++)
        for (size_t w = 0; w < p->all[i].n_rows; w++) {
            const yk_worker_stats *row = &p->all[i].rows[w];
            labels(p, of->metric, &p->all[i]);
            yk__text_add(&p->text, ",worker=\"%u\"} %.15g\n", row->worker, of->value(row));
        }
}

int yk_prometheus(yk_executor *const *executors, size_t n, char *buffer, size_t size)
{
    struct page page = { 0 };
    yk__text_start(&page.text, buffer, size);
    int err = read_all(&page, executors, n);
    if (!err) {
        write_counters(&page);
        write_histograms(&page);
        for (size_t i = 0; i < ARRAY_LEN(of_workers); i++)
            write_workers(&page, &of_workers[i]);
    }
    for (size_t i = 0; i < page.n; i++)
        free(page.all[i].rows);
    free(page.all);
    return err ? err : page.text.len > INT_MAX ? INT_MAX : (int)page.text.len;
}

int yk_executor_prometheus(yk_executor *ex, char *buffer, size_t size)
{
    return yk_prometheus(&ex, 1, buffer, size);
}
