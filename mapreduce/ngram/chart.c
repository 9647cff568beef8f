/* mapreduce/ngram/chart.c - the numbers of an answer, kept to be drawn; lines of block characters.
 */
#include "chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../../executor/error.h"
#include "text.h"

enum { SPARK_WIDTH = 60 };

static int grow(ngram_chart *c)
{
    size_t room = c->room ? 2 * c->room : 256;
    char **labels = realloc(c->label, room * sizeof *labels);
    if (!labels)
        return UV_ENOMEM;
    c->label = labels;
    for (size_t i = 0; i < c->lines; i++) {
        double *values = realloc(c->value[i], room * sizeof *values);
        if (!values)
            return UV_ENOMEM;
        c->value[i] = values;
    }
    c->room = room;
    return 0;
}

int ngram_chart_add(ngram_chart *c, const char *label, size_t len, const double *values)
{
    c->too_many = c->rows == NGRAM_MOST_POINTS;
    if (c->too_many)
        return YK_ETOOBIG;
    int err = c->rows == c->room ? grow(c) : 0;
    if (err)
        return err;
    if (!(c->label[c->rows] = strndup(label, len)))
        return UV_ENOMEM;
    for (size_t i = 0; i < c->lines; i++)
        c->value[i][c->rows] = values[i];
    c->rows++;
    return 0;
}

void ngram_chart_free(ngram_chart *c)
{
    for (size_t i = 0; i < c->rows; i++)
        free(c->label[i]);
    free(c->label);
    for (size_t i = 0; i < c->lines; i++)
        free(c->value[i]);
    *c = (ngram_chart){ 0 };
}

void ngram_chart_explain(const ngram_chart *c)
{
    if (c->too_many)
        fprintf(stderr,
                "ngram: --plot and --spark draw at most %d rows: ask for the top, for a "
                "--min-count, or --by something\n",
                NGRAM_MOST_POINTS);
    if (c->left_out)
        fprintf(stderr, "ngram: --plot and --spark draw %d columns; the last %zu are left out\n",
                NGRAM_MOST_LINES, c->left_out);
}

/* ---- Lines of blocks ----------------------------------------------------------------------- */

/* The mean of the values from `from` to before `to`; NaN if there are none. */
static double mean(const double *values, size_t from, size_t to)
{
    double sum = 0;
    size_t n = 0;
    for (; from < to; from++) {
        if (!isnan(values[from])) {
            sum += values[from];
            n++;
        }
    }
    return n ? sum / (double)n : NAN;
}

/* A block for each value, the eight heights from 0 to the largest; at most SPARK_WIDTH of them,
 * each the mean of its neighbours then. */
static void write_blocks(yk_writer *to, const double *values, size_t rows)
{
    static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
    double shown[SPARK_WIDTH], most = 0;
    size_t n = rows < SPARK_WIDTH ? rows : SPARK_WIDTH;
    for (size_t i = 0; i < n; i++) {
        shown[i] = mean(values, i * rows / n, (i + 1) * rows / n);
        most = shown[i] > most ? shown[i] : most;
    }
    for (size_t i = 0; i < n; i++) {
        if (isnan(shown[i]))
            yk_write(to, " ", 1);
        else
            yk_write_text(to, blocks[most > 0 ? (int)(shown[i] / most * 7.999) : 0]);
    }
}

static void write_shown(yk_writer *to, const char *text)
{
    yk_str all = { text, strlen(text) };
    ngram_write_padded(to, all, ngram_shown_width(all));
}

/* "name  ▁▂▅█  first to last, at most 123" */
static void write_line(const ngram_chart *c, yk_writer *to, size_t line, size_t width)
{
    char text[64];
    double most = 0;
    for (size_t i = 0; i < c->rows; i++)
        most = c->value[line][i] > most ? c->value[line][i] : most;
    ngram_write_padded(to, (yk_str){ c->name[line], strlen(c->name[line]) }, width);
    yk_write_text(to, "  ");
    write_blocks(to, c->value[line], c->rows);
    yk_write_text(to, "  ");
    write_shown(to, c->label[0]);
    yk_write_text(to, " to ");
    write_shown(to, c->label[c->rows - 1]);
    snprintf(text, sizeof text, ", at most %.*f\n", most == floor(most) ? 0 : 6, most);
    yk_write_text(to, text);
}

int ngram_chart_spark(const ngram_chart *c, yk_writer *to)
{
    size_t width = 0;
    for (size_t i = 0; i < c->lines; i++) {
        size_t needed = ngram_shown_width((yk_str){ c->name[i], strlen(c->name[i]) });
        width = width > needed ? width : needed;
    }
    for (size_t i = 0; c->rows > 0 && i < c->lines; i++)
        write_line(c, to, i, width);
    return 0;
}
