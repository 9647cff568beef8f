/* mapreduce/ngram/query.c - one map-reduce job as a command runs it. */
#include "query.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../../executor/error.h"
#include "memory.h"
#include "progress.h"
#include "serve/status.h"
#include "stats.h"

/* What the user sees. */
typedef struct view {
    ngram_progress progress;
    serve_status *status; /* NULL: nobody asked for it */
    bool stats;
    bool direct;     /* the result may go to the same terminal */
    uint64_t memory; /* the most that was seen */
} view;

static void look(const yk_mapreduce_stats *s, void *arg)
{
    view *v = arg;
    if (v->stats && s->phase != YK_ENDED) {
        uint64_t now = ngram_memory_now();
        v->memory = v->memory > now ? v->memory : now;
    }
    ngram_state state = { .elapsed_ns = s->elapsed_ns,
                          .done = s->stored,
                          .total = s->stored_total,
                          .rows = s->records,
                          .spilled = s->spilled_bytes,
                          .what = s->phase == YK_MERGING   ? "merging"
                                  : s->phase == YK_WRITING ? "writing"
                                                           : NULL,
                          .ended = s->phase == YK_ENDED,
                          .job = s };
    serve_status_show(v->status, &state);
    bool hidden = s->phase == YK_ENDED || (s->phase == YK_WRITING && v->direct);
    if (hidden && !v->progress.json)
        ngram_progress_clear(&v->progress);
    else
        ngram_progress_show(&v->progress, &state);
}

static yk_executor *make_executor(const ngram_work_options *o)
{
    switch (o->executor) {
    case NGRAM_THREADS:
        return yk_thread_pool(.name = "ngram", .workers = o->workers);
    case NGRAM_HYBRID:
        return yk_hybrid(.name = "ngram", .workers = o->workers);
    default:
        return yk_process_pool(.name = "ngram", .workers = o->workers);
    }
}

static int tell_end(const view *v, const yk_mapreduce_report *report, size_t files, int err)
{
    if (err == YK_ECANCELED) {
        fputs("ngram: interrupted\n", stderr);
        return err;
    }
    if (err) {
        fprintf(stderr, "ngram: %s\n", report->message);
        return NGRAM_FAILED;
    }
    if (report->stats.bad_records)
        fprintf(stderr, "ngram: %llu malformed row%s skipped; the first: %s\n",
                (unsigned long long)report->stats.bad_records,
                report->stats.bad_records == 1 ? "" : "s", report->first_bad);
    if (v->stats)
        ngram_print_stats(&report->stats, v->memory, files);
    return NGRAM_OK;
}

/* Standard output, or a device. */
static bool is_direct(const char *path)
{
    struct stat st;
    return !path || strcmp(path, "-") == 0 || (stat(path, &st) == 0 && !S_ISREG(st.st_mode));
}

int ngram_query(const ngram_query_options *o, const char *const *files, yk_mapreduce_options *job)
{
    view v = { .stats = o->report.stats, .direct = is_direct(job->sink.path) };
    yk_mapreduce_report report;
    size_t count = 0;
    while (files[count])
        count++;
    int status = o->report.status ? serve_status_start(&v.status, o->report.status) : NGRAM_OK;
    if (status)
        return status;
    ngram_progress_begin(&v.progress, o->report.progress);
    job->inputs = files;
    job->executor = make_executor(&o->work);
    job->workers = o->work.workers;
    job->memory = o->work.memory;
    job->tmp_dir = o->work.temp;
    job->journal = o->work.resume;
    job->skip_bad_records = job->skip_crashing_records = o->input.bad_records;
    job->progress = look;
    job->progress_arg = &v;
    job->report = &report;
    int err = yk_mapreduce_run(job);
    yk_executor_close(job->executor);
    serve_status_stop(v.status);
    return tell_end(&v, &report, count, err);
}

int ngram_no_files(const ngram_command *command)
{
    return ngram_complain(command, "no input files ('-' is standard input)");
}
