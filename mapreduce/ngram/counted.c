/* mapreduce/ngram/counted.c - the answer of ngram count and top: rows of counts, perhaps with their
 * share of all.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "best.h"
#include "counting.h"

typedef struct counted {
    const ngram_counting_options *o;
    const yk_mapreduce_options *job;
    ngram_answer answer;
    ngram_column column[5];
    ngram_chart chart;
    ngram_best best; /* with --share: the sink sees all records, to know their sum */
    double total;    /* of match_count */
} counted;

static void make_cells(const counted *c, ngram_cell cells[5], yk_str key,
                       const ngram_counts *counts)
{
    while (c->o->by >= NGRAM_BY_YEAR && key.len > 1 && key.at[0] == '0') {
        key.at++;
        key.len--;
    }
    cells[0].text = key;
    cells[1].whole = counts->matches;
    cells[2].whole = counts->volumes;
}

static int measure(yk_str key, yk_str value, void *arg)
{
    counted *c = arg;
    ngram_cell cells[5];
    const ngram_counts *counts = ngram_counts_in(c->job, value);
    make_cells(c, cells, key, counts);
    if (counts->matches >= c->o->min_count)
        ngram_answer_measure(&c->answer, cells);
    return 0;
}

static int begin(yk_writer *to, void *arg)
{
    return ngram_answer_begin(&((counted *)arg)->answer, to);
}

static int record(yk_writer *to, yk_str key, yk_str value, void *arg)
{
    counted *c = arg;
    ngram_cell cells[5];
    const ngram_counts *counts = ngram_counts_in(c->job, value);
    if (counts->matches < c->o->min_count)
        return 0;
    make_cells(c, cells, key, counts);
    return ngram_answer_row(&c->answer, to, cells);
}

static int end(yk_writer *to, void *arg)
{
    return ngram_answer_end(&((counted *)arg)->answer, to);
}

/* ---- The answer with shares ---------------------------------------------------------------- */

static int keep_best(yk_writer *to, yk_str key, yk_str value, void *arg)
{
    (void)to;
    counted *c = arg;
    const ngram_counts *counts = ngram_counts_in(c->job, value);
    c->total += (double)counts->matches;
    if (counts->matches < c->o->min_count)
        return 0;
    ngram_best_item item = { (char *)(uintptr_t)key.at, key.len, counts->matches, counts->volumes };
    return ngram_best_add(&c->best, &item);
}

/* Measures or writes all rows. */
static int for_best(counted *c, yk_writer *to, bool writing)
{
    double so_far = 0;
    int err = 0;
    for (size_t i = 0; i < c->best.count && err >= 0; i++) {
        const ngram_best_item *item = &c->best.item[i];
        ngram_cell cells[5];
        make_cells(c, cells, (yk_str){ item->key, item->len },
                   &(ngram_counts){ item->rank, item->other });
        so_far += (double)item->rank;
        cells[3].real = (double)item->rank / c->total;
        cells[4].real = so_far / c->total;
        if (writing)
            err = ngram_answer_row(&c->answer, to, cells);
        else
            ngram_answer_measure(&c->answer, cells);
    }
    return err;
}

static int write_best(yk_writer *to, void *arg)
{
    counted *c = arg;
    ngram_best_sort(&c->best);
    for_best(c, to, false);
    int err = ngram_answer_begin(&c->answer, to);
    if (!err)
        err = for_best(c, to, true);
    return err < 0 ? err : ngram_answer_end(&c->answer, to);
}

/* ---- All of it ----------------------------------------------------------------------------- */

static void init_answer(counted *c, const ngram_counting_options *o)
{
    static const char *const names[] = { "ngram", "letter", "pos", "year", "decade" };
    ngram_kind kind = o->by >= NGRAM_BY_YEAR ? NGRAM_YEAR : NGRAM_TEXT;
    const ngram_column columns[5] = { { names[o->by], kind, false, 0 },
                                      { "match_count", NGRAM_WHOLE, true, 0 },
                                      { "volume_count", NGRAM_WHOLE, false, 0 },
                                      { "share", NGRAM_SHARE, false, 0 },
                                      { "cumulative", NGRAM_SHARE, false, 0 } };
    memcpy(c->column, columns, sizeof columns);
    c->chart.unit = "match_count";
    c->chart.counts = true;
    c->chart.years = o->by >= NGRAM_BY_YEAR && o->top == 0; /* the top are in no order of years */
    ngram_answer_init(&c->answer, &o->query.output, c->column, o->share ? 5 : 3, &c->chart);
}

static yk_sink sink_of(counted *c, const ngram_counting_options *o)
{
    const char *path = o->query.output.path;
    c->best.k = o->top;
    if (o->share)
        return (yk_sink){ .path = path, .record = keep_best, .end = write_best, .arg = c };
    return (yk_sink){ .path = path,
                      .measure = ngram_answer_measures(&c->answer) ? measure : NULL,
                      .begin = begin,
                      .record = record,
                      .end = end,
                      .arg = c };
}

int ngram_sum(const ngram_counting_options *o, const ngram_words *files,
              const ngram_command *command)
{
    if (files->count == 0)
        return ngram_no_files(command);
    int status = o->query.output.plot ? ngram_plot_check(o->query.output.plot, command) : NGRAM_OK;
    ngram_filter *filter = status == NGRAM_OK ? ngram_counting_filter(o, command) : NULL;
    if (!filter)
        return status ? status : NGRAM_USAGE;
    counted c = { .o = o };
    yk_mapreduce_options job = ngram_counting_job(o, filter);
    c.job = &job;
    init_answer(&c, o);
    job.sink = sink_of(&c, o);
    status = ngram_query(&o->query, files->at, &job);
    if (status == NGRAM_OK && o->query.output.plot)
        status = ngram_plot(&c.chart, o->query.output.plot);
    ngram_chart_explain(&c.chart);
    ngram_chart_free(&c.chart);
    ngram_best_free(&c.best);
    free(filter);
    return status;
}
