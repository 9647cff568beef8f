/* mapreduce/ngram/serve/series.c - the job that answers a question about years. */
#include "series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../../../executor/error.h"
#include "../store_find.h"
#include "buffer.h"
#include "opened.h"
#include "question.h"

/* ---- JSON ---------------------------------------------------------------------------------- */

static void write_name(yk_writer *to, const char *name, const char *text)
{
    yk_write_text(to, name);
    serve_write_string(to, text);
}

static void write_years(yk_writer *to, ngram_years range)
{
    for (int year = range.from; year <= range.to; year++) {
        if (year > range.from)
            yk_write(to, ",", 1);
        yk_write_u64(to, (uint64_t)year);
    }
}

static void write_value(yk_writer *to, const ngram_lines *l, const ngram_line *line, int year,
                        ngram_years range)
{
    char digits[40];
    double x = ngram_lines_number(l, line, year, range);
    if (isnan(x))
        yk_write_text(to, "null");
    else if (ngram_lines_whole(l))
        yk_write_u64(to, (uint64_t)x);
    else
        yk_write(to, digits, (size_t)snprintf(digits, sizeof digits, "%.6g", x));
}

static void write_line(yk_writer *to, const ngram_lines *l, const ngram_line *line,
                       ngram_years range)
{
    write_name(to, "{\"word\":", l->words[line->word]);
    write_name(to, ",\"ngram\":", line->name);
    yk_write_text(to, ",\"values\":[");
    for (int year = range.from; year <= range.to; year++) {
        if (year > range.from)
            yk_write(to, ",", 1);
        write_value(to, l, line, year, range);
    }
    yk_write_text(to, "]}");
}

static void write_missing(yk_writer *to, const ngram_lines *l)
{
    bool first = true;
    for (size_t i = 0; i < l->word_count; i++) {
        if (ngram_lines_found(l, i))
            continue;
        write_name(to, first ? "" : ",", l->words[i]);
        first = false;
    }
}

static int write_json(yk_writer *to, const ngram_lines *l)
{
    bool first = true;
    ngram_years range = ngram_lines_range(l);
    write_name(to, "{\"unit\":", l->totals ? serve_relative_unit() : "match_count");
    yk_write_text(to, ",\"smooth\":");
    yk_write_u64(to, (uint64_t)l->options->smooth);
    yk_write_text(to, ",\"years\":[");
    write_years(to, range);
    yk_write_text(to, "],\"ngrams\":[");
    for (size_t i = 0; i < l->count; i++) {
        if (!l->line[i].first)
            continue;
        yk_write_text(to, first ? "\n" : ",\n");
        write_line(to, l, &l->line[i], range);
        first = false;
    }
    yk_write_text(to, "],\"missing\":[");
    write_missing(to, l);
    return yk_write_text(to, "]}\n");
}

/* ---- In its form --------------------------------------------------------------------------- */

/* The numbers go to the chart, and the table nowhere. */
static int fill_chart(ngram_lines *l)
{
    serve_buffer nowhere;
    yk_writer *table = serve_buffer_begin(&nowhere);
    int err = UV_ENOMEM;
    if (table)
        err = ngram_lines_write(
            l, &(ngram_output_options){ .path = "", .format = NGRAM_CSV, .plot = "" }, table);
    serve_buffer_free(&nowhere);
    return err < 0 ? err : 0;
}

static int write_plot(yk_writer *to, ngram_lines *l)
{
    size_t len;
    int err = fill_chart(l);
    if (err || l->chart.rows == 0)
        return err;
    if (l->totals)
        l->chart.unit = serve_relative_unit();
    char *script = ngram_plot_script(&l->chart, &len);
    if (script)
        yk_write(to, script, len);
    free(script);
    return script ? 0 : UV_ENOMEM;
}

static int write_form(yk_writer *to, ngram_lines *l, serve_form form)
{
    if (form == SERVE_JSON)
        return write_json(to, l);
    if (form == SERVE_PLOT)
        return write_plot(to, l);
    return ngram_lines_write(l, &(ngram_output_options){ .path = "", .format = NGRAM_CSV }, to);
}

static int return_answer(yk_job *job, ngram_lines *l, serve_form form)
{
    serve_buffer b;
    yk_writer *to = serve_buffer_begin(&b);
    int err = to ? write_form(to, l, form) : UV_ENOMEM;
    if (err >= 0)
        err = serve_buffer_end(&b);
    if (!err)
        err = yk_job_return(job, b.out.memory, b.out.len);
    serve_buffer_free(&b);
    return err;
}

/* ---- The job ------------------------------------------------------------------------------- */

static int find(yk_job *job, const serve_question *q, const char *const *words,
                const ngram_wanted *wanted, bool *wild)
{
    char why[512];
    ngram_lines lines;
    serve_opened *opened = serve_open(why, sizeof why);
    if (!opened)
        return yk_job_fail(job, UV_EIO, "%s", why);
    ngram_lines_options options = { .years = q->years,
                                    .totals = q->relative ? opened->totals : NULL,
                                    .smooth = q->smooth };
    ngram_lines_init(&lines, &options, words, wild, q->count, why, sizeof why);
    int err = ngram_store_find(opened->store, wanted, &lines, job);
    if (!err)
        err = return_answer(job, &lines, q->form);
    ngram_lines_free(&lines);
    serve_close(opened);
    return err;
}

int serve_series_job(yk_job *job)
{
    const serve_question *q = yk_job_arg(job);
    const char **words = serve_question_words(q);
    ngram_wanted *wanted = words ? ngram_wanted_new(words, q->count, q->years, q->case_fold) : NULL;
    ngram_pattern *patterns = calloc(q->count, sizeof *patterns);
    bool *wild = calloc(q->count, sizeof *wild);
    int err = wanted && patterns && wild ? 0 : UV_ENOMEM;
    if (!err) {
        ngram_wanted_patterns(wanted, patterns);
        for (size_t i = 0; i < q->count; i++)
            wild[i] = patterns[i].wild;
        err = find(job, q, words, wanted, wild);
    }
    free(wild);
    free(patterns);
    free(wanted);
    free(words);
    return err;
}
