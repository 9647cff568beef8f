/* mapreduce/ngram/lines.c - a table of years by n-grams. */
#include "lines.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../../executor/error.h"

enum { BEST = 10, CENTURY = 100 };

int ngram_lines_init(ngram_lines *l, const ngram_lines_options *options, const char *const *words,
                     const bool *wild, size_t count, char *message, size_t size)
{
    *l = (ngram_lines){ .options = options, .words = words, .wild = wild, .word_count = count };
    l->totals = options->totals;
    if (!options->relative)
        return 0;
    int err = ngram_totals_read(&l->own, options->relative, message, size);
    l->totals = l->own;
    return err;
}

static void free_line(ngram_line *line)
{
    free(line->name);
    free(line->counts);
}

void ngram_lines_free(ngram_lines *l)
{
    for (size_t i = 0; i < l->count; i++)
        free_line(&l->line[i]);
    free(l->line);
    free(l->own);
    ngram_chart_free(&l->chart);
    *l = (ngram_lines){ 0 };
}

/* ---- Collecting ---------------------------------------------------------------------------- */

/* The last line is whole: of the lines of its word only the best are kept. */
static void prune(ngram_lines *l)
{
    size_t word = l->count ? l->line[l->count - 1].word : 0, first = l->count, worst;
    while (first > 0 && l->line[first - 1].word == word)
        first--;
    if (l->count - first <= BEST)
        return;
    worst = first;
    for (size_t i = first; i < l->count; i++)
        if (l->line[i].sum <= l->line[worst].sum) /* of equals the last in the order of bytes */
            worst = i;
    free_line(&l->line[worst]);
    memmove(&l->line[worst], &l->line[worst + 1], (l->count - worst - 1) * sizeof *l->line);
    l->count--;
}

static int begin_line(ngram_lines *l, size_t word, const char *name, size_t len)
{
    prune(l);
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 16;
        ngram_line *line = realloc(l->line, room * sizeof *line);
        if (!line)
            return UV_ENOMEM;
        l->line = line;
        l->room = room;
    }
    char *copy = malloc(len + 1);
    if (!copy)
        return UV_ENOMEM;
    memcpy(copy, name, len);
    copy[len] = '\0';
    l->line[l->count++] = (ngram_line){ .word = word, .name = copy, .len = len };
    return 0;
}

/* Makes room for the year: by centuries, so that years which ascend rarely need it. */
static int make_room(ngram_line *line, int year)
{
    int base = year / CENTURY * CENTURY, end = base + CENTURY;
    if (line->years && line->base < base)
        base = line->base;
    if (line->base + line->years > end)
        end = line->base + line->years;
    uint64_t *counts = calloc((size_t)(end - base), sizeof *counts);
    if (!counts)
        return UV_ENOMEM;
    if (line->years)
        memcpy(counts + (line->base - base), line->counts, (size_t)line->years * sizeof *counts);
    free(line->counts);
    line->counts = counts;
    line->base = base;
    line->years = end - base;
    return 0;
}

int ngram_lines_add(ngram_lines *l, size_t word, yk_str ngram, int year, uint64_t matches)
{
    const char *name = l->wild[word] ? ngram.at : l->words[word];
    size_t len = l->wild[word] ? ngram.len : strlen(name);
    ngram_line *line = l->count ? &l->line[l->count - 1] : NULL;
    int err = 0;
    if (!line || line->word != word || line->len != len || memcmp(line->name, name, len) != 0)
        err = begin_line(l, word, name, len);
    if (err)
        return err;
    line = &l->line[l->count - 1];
    if (year < line->base || year >= line->base + line->years)
        err = make_room(line, year);
    if (err)
        return err;
    line->first = line->first && line->first < year ? line->first : year;
    line->last = line->last > year ? line->last : year;
    line->sum += (double)matches;
    uint64_t *count = &line->counts[year - line->base];
    return __builtin_add_overflow(*count, matches, count) ? YK_EOVERFLOW : 0;
}

static int compare_lines(const void *left, const void *right)
{
    const ngram_line *a = left, *b = right;
    if (a->word != b->word)
        return a->word < b->word ? -1 : 1;
    if (a->sum != b->sum)
        return a->sum > b->sum ? -1 : 1;
    return strcmp(a->name, b->name);
}

int ngram_lines_finish(ngram_lines *l)
{
    prune(l);
    size_t found = l->count;
    for (size_t word = 0; word < l->word_count; word++) {
        bool there = false;
        for (size_t i = 0; i < found && !there; i++)
            there = l->line[i].word == word;
        if (there)
            continue;
        int err = begin_line(l, word, l->words[word], strlen(l->words[word]));
        if (err)
            return err;
    }
    qsort(l->line, l->count, sizeof *l->line, compare_lines);
    return 0;
}

bool ngram_lines_found(const ngram_lines *l, size_t word)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->line[i].word == word && l->line[i].first)
            return true;
    return false;
}

/* ---- Numbers ------------------------------------------------------------------------------- */

static uint64_t count_of(const ngram_line *line, int year)
{
    return line->first && year >= line->first && year <= line->last
               ? line->counts[year - line->base]
               : 0;
}

/* Of one year, before smoothing; NaN where the total is not known. */
static double number_of(const ngram_lines *l, const ngram_line *line, int year)
{
    double count = (double)count_of(line, year);
    if (!l->totals)
        return count;
    const ngram_total *total = ngram_totals_find(l->totals, year);
    return total && total->match_count ? count / (double)total->match_count * 1e6 : NAN;
}

/* The mean over the years around this one that are in the answer and have a number. */
double ngram_lines_number(const ngram_lines *l, const ngram_line *line, int year, ngram_years range)
{
    int from = year - l->options->smooth, to = year + l->options->smooth, n = 0;
    double sum = 0;
    from = from > range.from ? from : range.from;
    to = to < range.to ? to : range.to;
    for (int y = from; y <= to; y++) {
        double x = number_of(l, line, y);
        if (!isnan(x)) {
            sum += x;
            n++;
        }
    }
    return n ? sum / n : NAN;
}

bool ngram_lines_whole(const ngram_lines *l)
{
    return !l->totals && l->options->smooth == 0;
}

ngram_years ngram_lines_range(const ngram_lines *l)
{
    ngram_years years = l->options->years, found = { 10000, 0 };
    for (size_t i = 0; i < l->count; i++) {
        if (!l->line[i].first)
            continue;
        found.from = l->line[i].first < found.from ? l->line[i].first : found.from;
        found.to = l->line[i].last > found.to ? l->line[i].last : found.to;
    }
    bool open = years.from <= 1, unlimited = years.to == 0 || years.to == 9999;
    return (ngram_years){ open ? found.from : years.from, unlimited ? found.to : years.to };
}

/* ---- Writing ------------------------------------------------------------------------------- */

static int for_years(const ngram_lines *l, ngram_answer *a, ngram_cell *cells, ngram_years range,
                     yk_writer *to)
{
    bool whole = a->column[1].kind == NGRAM_WHOLE;
    int err = 0;
    for (int year = range.from; year <= range.to && err >= 0; year++) {
        char digits[8];
        int n = snprintf(digits, sizeof digits, "%d", year % 10000);
        cells[0].text = (yk_str){ digits, (size_t)n };
        for (size_t i = 0; i < l->count; i++) {
            cells[i + 1].whole = count_of(&l->line[i], year);
            if (!whole)
                cells[i + 1].real = ngram_lines_number(l, &l->line[i], year, range);
        }
        if (to)
            err = ngram_answer_row(a, to, cells);
        else
            ngram_answer_measure(a, cells);
    }
    return err;
}

static int write_columns(ngram_lines *l, const ngram_output_options *o, yk_writer *to,
                         ngram_column *columns, ngram_cell *cells)
{
    ngram_answer a;
    ngram_years range = ngram_lines_range(l);
    bool whole = ngram_lines_whole(l);
    columns[0] = (ngram_column){ "year", NGRAM_YEAR, false, 0 };
    for (size_t i = 0; i < l->count; i++)
        columns[i + 1] =
            (ngram_column){ l->line[i].name, whole ? NGRAM_WHOLE : NGRAM_REAL, true, 0 };
    l->chart.years = true;
    l->chart.counts = !l->totals;
    l->chart.unit = l->totals ? "per million words" : "match_count";
    ngram_answer_init(&a, o, columns, l->count + 1, &l->chart);
    a.tsv_header = true;
    a.inner = "ngrams"; /* which may be called "year" */
    if (ngram_answer_measures(&a))
        for_years(l, &a, cells, range, NULL);
    int err = ngram_answer_begin(&a, to);
    if (!err)
        err = for_years(l, &a, cells, range, to);
    return err < 0 ? err : ngram_answer_end(&a, to);
}

int ngram_lines_write(ngram_lines *l, const ngram_output_options *o, yk_writer *to)
{
    ngram_column *columns = calloc(l->count + 1, sizeof *columns);
    ngram_cell *cells = calloc(l->count + 1, sizeof *cells);
    int err = columns && cells ? write_columns(l, o, to, columns, cells) : UV_ENOMEM;
    free(columns);
    free(cells);
    return err;
}
