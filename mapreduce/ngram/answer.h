/* mapreduce/ngram/answer.h - an answer is a table: rows of cells, written in one of several forms.
 *
 *   1. columns and options     ngram_answer_init()
 *   2. for a table only        ngram_answer_measure() for every row
 *   3. writing                 ngram_answer_begin(), _row() for every row, _end()
 */
#ifndef NGRAM_ANSWER_H
#define NGRAM_ANSWER_H

#include "../sink.h"
#include "chart.h"
#include "shared_options.h"

typedef enum ngram_kind {
    NGRAM_TEXT,
    NGRAM_YEAR, /* digits, as text */
    NGRAM_WHOLE,
    NGRAM_REAL,  /* NaN: there is none */
    NGRAM_SHARE, /* of 1: "12.34 %" in a table */
} ngram_kind;

typedef struct ngram_column {
    const char *title;
    ngram_kind kind;
    bool drawn; /* in plots and sparks */
    size_t width;
} ngram_column;

typedef struct ngram_cell {
    yk_str text;
    uint64_t whole;
    double real;
} ngram_cell;

typedef struct ngram_answer {
    ngram_format format;
    bool tsv_header;
    const char *inner; /* JSON: all columns but the first are in an object of this name; or NULL */
    size_t count;
    ngram_column *column; /* the first one names the row, the others are numbers */
    size_t most_width;    /* of a line; 0: no limit */
    uint64_t rows;        /* written */
    ngram_chart *chart;   /* NULL: nothing is drawn */
} ngram_answer;

/* The columns stay the caller's. `chart` may be NULL; it is filled if it is to be drawn. */
void ngram_answer_init(ngram_answer *a, const ngram_output_options *o, ngram_column *columns,
                       size_t count, ngram_chart *chart);

/* Does the form need to be measured? */
bool ngram_answer_measures(const ngram_answer *a);
void ngram_answer_measure(ngram_answer *a, const ngram_cell *cells);

int ngram_answer_begin(ngram_answer *a, yk_writer *to);
int ngram_answer_row(ngram_answer *a, yk_writer *to, const ngram_cell *cells);
int ngram_answer_end(ngram_answer *a, yk_writer *to);

#endif
