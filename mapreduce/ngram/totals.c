/* mapreduce/ngram/totals.c - ngram totals: the sums of every year, beside the dataset's own. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../data/totals.h"
#include "../../executor/error.h"
#include "answer.h"
#include "commands.h"
#include "counting.h"

typedef struct totals_options {
    ngram_counting_options counting;
    const char *against;
} totals_options;

enum { YEARS = 10000, COLUMNS = 5 };

/* The sums, until all are known. */
typedef struct sums {
    const totals_options *o;
    ngram_totals *totals; /* the dataset's own; NULL: none to compare with */
    ngram_counts *year;
    ngram_answer answer;
    ngram_column column[COLUMNS];
    ngram_chart chart;
    unsigned compared, different;
    int most;         /* the year that differs most, as a share of its total */
    double most_away; /* and how much */
} sums;

/* ---- The answer ---------------------------------------------------------------------------- */

static int add_year(yk_writer *to, yk_str key, yk_str value, void *arg)
{
    (void)to;
    sums *s = arg;
    int year = 0;
    for (size_t i = 0; i < key.len; i++)
        year = year * 10 + (key.at[i] - '0');
    s->year[year % YEARS] = *(const ngram_counts *)value.at;
    return 0;
}

static bool in_years(const ngram_years *years, int year)
{
    return year >= years->from && (years->to == 0 || year <= years->to);
}

/* Makes the cells of a year; false if it is in neither of the two. */
static bool make_cells(const sums *s, int year, ngram_cell cells[COLUMNS], char digits[8])
{
    const ngram_counts *counts = &s->year[year];
    const ngram_total *total = s->totals ? ngram_totals_find(s->totals, year) : NULL;
    if (!in_years(&s->o->counting.query.input.years, year))
        total = NULL;
    if (!counts->matches && !counts->volumes && !total)
        return false;
    cells[0].text = (yk_str){ digits, (size_t)snprintf(digits, 8, "%d", year % YEARS) };
    cells[1].whole = counts->matches;
    cells[2].whole = counts->volumes;
    cells[3].whole = total ? total->match_count : 0;
    cells[4].real = NAN;
    if (total && total->match_count)
        cells[4].real = (double)counts->matches / (double)total->match_count;
    return true;
}

static void compare(sums *s, int year, const ngram_cell *cells)
{
    double away = isnan(cells[4].real) ? INFINITY : fabs(cells[4].real - 1);
    s->compared++;
    if (cells[1].whole == cells[3].whole)
        return;
    s->different++;
    if (s->different == 1 || away > s->most_away) {
        s->most = year;
        s->most_away = away;
    }
}

static int for_years(sums *s, yk_writer *to)
{
    int err = 0;
    for (int year = 1; year < YEARS && err >= 0; year++) {
        ngram_cell cells[COLUMNS];
        char digits[8];
        if (!make_cells(s, year, cells, digits))
            continue;
        if (to) {
            compare(s, year, cells);
            err = ngram_answer_row(&s->answer, to, cells);
        } else {
            ngram_answer_measure(&s->answer, cells);
        }
    }
    return err;
}

static int write_years(yk_writer *to, void *arg)
{
    sums *s = arg;
    for_years(s, NULL);
    int err = ngram_answer_begin(&s->answer, to);
    if (!err)
        err = for_years(s, to);
    return err < 0 ? err : ngram_answer_end(&s->answer, to);
}

/* ---- What is told beside it ---------------------------------------------------------------- */

static void tell_what_was_summed(const sums *s)
{
    static const char *const what[] = {
        [NGRAM_POS_KEEP] = "all rows, tagged and untagged",
        [NGRAM_POS_DEFAULT] = "the rows without part-of-speech tags, which the others repeat",
        [NGRAM_POS_STRIP] = "the rows without part-of-speech tags, which the others repeat",
        [NGRAM_POS_ONLY] = "the fully tagged rows with that tag",
    };
    if (s->o->counting.filter.pos.mode == NGRAM_POS_DEFAULT || s->o->against)
        fprintf(stderr, "ngram: summed %s\n", what[s->o->counting.filter.pos.mode]);
    if (!s->totals)
        return;
    fprintf(stderr, "ngram: %u of %u years differ from %s", s->different, s->compared,
            s->o->against);
    if (s->different) {
        const ngram_total *total = ngram_totals_find(s->totals, s->most);
        fprintf(stderr, "; the most in %d: %llu here, %llu there", s->most,
                (unsigned long long)s->year[s->most].matches,
                (unsigned long long)(total ? total->match_count : 0));
    }
    fputc('\n', stderr);
}

/* ---- The command --------------------------------------------------------------------------- */

static void init_answer(sums *s)
{
    s->column[0] = (ngram_column){ "year", NGRAM_YEAR, false, 0 };
    s->column[1] = (ngram_column){ "match_count", NGRAM_WHOLE, true, 0 };
    s->column[2] = (ngram_column){ "volume_count", NGRAM_WHOLE, false, 0 };
    s->column[3] = (ngram_column){ "total", NGRAM_WHOLE, true, 0 };
    s->column[4] = (ngram_column){ "ratio", NGRAM_REAL, false, 0 };
    s->chart.years = true;
    s->chart.unit = "match_count";
    s->chart.counts = true;
    ngram_answer_init(&s->answer, &s->o->counting.query.output, s->column, s->totals ? COLUMNS : 3,
                      &s->chart);
}

static int sum_years(sums *s, const ngram_words *files)
{
    const ngram_counting_options *o = &s->o->counting;
    ngram_filter *filter = ngram_counting_filter(o, &ngram_totals_command);
    s->year = calloc(YEARS, sizeof *s->year);
    int status = NGRAM_USAGE;
    if (filter && s->year) {
        yk_mapreduce_options job = ngram_counting_job(o, filter);
        init_answer(s);
        job.sink = (yk_sink){
            .path = o->query.output.path, .record = add_year, .end = write_years, .arg = s
        };
        status = ngram_query(&o->query, files->at, &job);
    }
    if (status == NGRAM_OK)
        tell_what_was_summed(s);
    if (status == NGRAM_OK && o->query.output.plot)
        status = ngram_plot(&s->chart, o->query.output.plot);
    ngram_chart_free(&s->chart);
    free(s->year);
    free(filter);
    return status;
}

static int run(const void *options, const ngram_words *files)
{
    totals_options o = *(const totals_options *)options;
    const char *plot = o.counting.query.output.plot;
    char message[512];
    sums s = { .o = &o };
    o.counting.by = NGRAM_BY_YEAR;
    if (files->count == 0)
        return ngram_no_files(&ngram_totals_command);
    int status = plot ? ngram_plot_check(plot, &ngram_totals_command) : NGRAM_OK;
    if (status)
        return status;
    if (o.against && ngram_totals_read(&s.totals, o.against, message, sizeof message)) {
        fprintf(stderr, "ngram: %s\n", message);
        return NGRAM_FAILED;
    }
    status = sum_years(&s, files);
    free(s.totals);
    return status;
}

static const ngram_option totals_table[] = {
    { .name = "against",
      .value = "TOTALS",
      .help = "compare with a file of total counts of the dataset: its match_count and the ratio "
              "to it in two more columns, and how many years differ on standard error. Sums are "
              "smaller where the dataset has left out rare n-grams",
      .read = ngram_read_text,
      .at = offsetof(totals_options, against) },
    { .name = "pos",
      .value = "WHAT",
      .help = "which rows are summed. strip: those without part-of-speech tags (default), for "
              "tagged rows repeat them; keep: all; only TAG: those whose words are all tagged, one "
              "of them so",
      .read = ngram_read_pos,
      .at = offsetof(totals_options, counting.filter.pos),
      .words = (const char *const[]){ "keep", "strip", "only", NULL },
      .then = "only",
      .must = "keep, strip, or only and a tag" },
    { 0 },
};

static const ngram_option_group groups[] = {
    { "Sums", totals_table, 0 },
    NGRAM_QUERY_GROUPS(totals_options, counting.query),
    { 0 },
};

static const ngram_example examples[] = {
    { "the words of every year, each counted once",
      "ngram totals 1gram-a.gz 1gram-b.tsv --pos strip" },
    { 0 },
};

const ngram_command ngram_totals_command = {
    .name = "totals",
    .usage = "FILE... [--against TOTALS] [options]",
    .summary = "the sums of every year, beside the dataset's own",
    .about =
        "The match_count and volume_count of every year, summed over all n-grams in the files. "
        "Which rows were summed is said on standard error, unless --pos has named them. _START_ "
        "and _END_ are counted like "
        "words. volume_count counts a volume once for each n-gram in it.\n\n" NGRAM_ABOUT_FILES,
    .examples = examples,
    .groups = groups,
    .size = sizeof(totals_options),
    .run = run,
};
