/* mapreduce/ngram/chart.h - the numbers of an answer, kept to be drawn: by gnuplot into a file, or
 * as a line of block characters. */
#ifndef NGRAM_CHART_H
#define NGRAM_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../sink.h"

enum { NGRAM_MOST_LINES = 64, NGRAM_MOST_POINTS = 20000 };

typedef struct ngram_chart {
    bool wanted;       /* are points to be kept? */
    bool too_many;     /* one more than can be drawn was refused */
    bool years;        /* the rows are years: lines over time, else bars with names */
    bool counts;       /* axes show thousands, millions, ... as k, M, ... */
    const char *unit;  /* what the numbers are: "match_count" */
    size_t lines;      /* of them */
    size_t left_out;   /* lines past NGRAM_MOST_LINES */
    size_t rows, room; /* points of each */
    const char *name[NGRAM_MOST_LINES];
    double *value[NGRAM_MOST_LINES]; /* NaN: there is none */
    char **label;                    /* of the rows */
} ngram_chart;

/* 0, UV_ENOMEM, or YK_ETOOBIG: there are NGRAM_MOST_POINTS already. */
int ngram_chart_add(ngram_chart *c, const char *label, size_t len, const double *values);
void ngram_chart_free(ngram_chart *c);

/* Says what to do about too many points, and how many lines are left out, if that is so. */
void ngram_chart_explain(const ngram_chart *c);

/* Writes "name  ▁▂▅█  first to last, at most 123" for every line of the chart. */
int ngram_chart_spark(const ngram_chart *c, yk_writer *to);

/* ---- gnuplot ------------------------------------------------------------------------------- */

/* Can such a plot be made: by its ending, .svg or .png, by its folder, and is gnuplot there? 0, or
 * it has complained and NGRAM_USAGE or NGRAM_FAILED is the exit status. */
struct ngram_command;
int ngram_plot_check(const char *path, const struct ngram_command *command);

/* What gnuplot is told so that it writes an SVG picture to standard output, and *len, its length.
 * To be freed; NULL: out of memory. */
char *ngram_plot_script(const ngram_chart *c, size_t *len);

/* Draws, in a task of the loop; the file appears when it is whole. An exit status; it has
 * complained. */
int ngram_plot(const ngram_chart *c, const char *path);

#endif
