/* mapreduce/ngram/count.c - ngram count and ngram top: one map-reduce job. */
#include <stdio.h>
#include <string.h>

#include "../../executor/error.h"
#include "../mapreduce.h"
#include "commands.h"
#include "format.h"
#include "memory.h"
#include "progress.h"
#include "stats.h"

/* ---- The job ------------------------------------------------------------------------------- */

static int sum_counts(void *into, const void *value)
{
    ngram_counts *total = into;
    const ngram_counts *more = value;
    bool over = __builtin_add_overflow(total->matches, more->matches, &total->matches);
    over |= __builtin_add_overflow(total->volumes, more->volumes, &total->volumes);
    return over ? YK_EOVERFLOW : 0;
}

static const yk_fold fold_counts = { sizeof(ngram_counts), sum_counts };

static uint64_t by_matches(const void *value)
{
    return ((const ngram_counts *)value)->matches;
}

/* The scanner met a row that it does not hand out. */
static int take_bad_row(yk_split *split, yk_emitter *out, const ngram_bad_row *bad, int code)
{
    if (code != YK_EOVERFLOW)
        return yk_split_bad_record(split, bad->row, bad->length, bad->reason);
    const char *tab = memchr(bad->row, '\t', bad->length);
    return yk_emit_error(out, (yk_str){ bad->row, tab ? (size_t)(tab - bad->row) : bad->length },
                         code);
}

static int map_rows(yk_split *split, yk_emitter *out, void *arg)
{
    const ngram_years *years = arg;
    yk_str text = yk_split_text(split);
    ngram_rows rows;
    ngram_group group;
    ngram_rows_init(&rows, text.at, text.at + text.len, *years);
    for (int got; (got = ngram_rows_next(&rows, &group)) != 0;) {
        int err = 0;
        if (got > 0)
            yk_emit(out, (yk_str){ group.ngram, group.length },
                    &(ngram_counts){ group.match_count, group.volume_count });
        else
            err = take_bad_row(split, out, &rows.bad, got);
        if (err)
            return err;
    }
    yk_split_set_records(split, rows.lines);
    return 0;
}

/* ---- What the user sees -------------------------------------------------------------------- */

typedef struct view {
    ngram_progress progress;
    bool stats;
    uint64_t memory; /* the most that was seen */
} view;

static void look(const yk_mapreduce_stats *s, void *arg)
{
    view *v = arg;
    if (v->stats && s->phase != YK_ENDED) {
        uint64_t now = ngram_memory_now();
        v->memory = v->memory > now ? v->memory : now;
    }
    if (s->phase >= YK_WRITING) { /* the result may go to the same terminal */
        ngram_progress_clear(&v->progress);
        return;
    }
    ngram_state state = { .elapsed_ns = s->elapsed_ns,
                          .done = s->stored,
                          .total = s->stored_total,
                          .rows = s->records,
                          .what = s->phase == YK_MERGING ? "merging" : NULL };
    ngram_progress_show(&v->progress, &state);
}

static yk_executor *make_executor(const ngram_options *o)
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

static int tell_end(const ngram_options *o, const view *v, const yk_mapreduce_report *report,
                    int err)
{
    size_t files = 0;
    while (o->files[files])
        files++;
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
    if (o->stats)
        ngram_print_stats(&report->stats, v->memory, files);
    return NGRAM_OK;
}

int ngram_count(const ngram_options *o)
{
    view v = { .stats = o->stats };
    ngram_form form;
    yk_mapreduce_report report;
    ngram_progress_begin(&v.progress, o->progress);
    yk_executor *executor = make_executor(o);
    int err =
        yk_mapreduce(.inputs = o->files, .map = map_rows, .fold = &fold_counts,
                     .sink = ngram_sink(&form, o->format, o->output), .executor = executor,
                     .workers = o->workers, .arg = &o->years, .arg_size = sizeof o->years,
                     .skip_bad_records = o->skip_bad, .top = o->command == NGRAM_TOP ? o->k : 0,
                     .rank = by_matches, .progress = look, .progress_arg = &v, .report = &report);
    yk_executor_close(executor);
    return tell_end(o, &v, &report, err);
}
