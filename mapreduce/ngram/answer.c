/* mapreduce/ngram/answer.c - rows of cells as tab-separated text, CSV, JSON, a table to look at, or
 * lines of block characters. */
#include "answer.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "text.h"
#include "units.h"

static size_t terminal_width(int fd)
{
    struct winsize size;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void ngram_answer_init(ngram_answer *a, const ngram_output_options *o, ngram_column *columns,
                       size_t count, ngram_chart *chart)
{
    bool standard = !o->path || strcmp(o->path, "-") == 0;
    bool terminal = standard && isatty(STDOUT_FILENO);
    *a = (ngram_answer){ .format = o->spark ? NGRAM_SPARK : o->format,
                         .column = columns,
                         .count = count,
                         .most_width = terminal ? terminal_width(STDOUT_FILENO) : 0 };
    if (a->format == NGRAM_AUTO_FORMAT)
        a->format = terminal ? NGRAM_TABLE : NGRAM_TSV;
    if (chart && (o->spark || o->plot)) {
        a->chart = chart;
        chart->wanted = true;
        for (size_t i = 1; i < count; i++) {
            if (columns[i].drawn && chart->lines < NGRAM_MOST_LINES)
                chart->name[chart->lines++] = columns[i].title;
            else
                chart->left_out += columns[i].drawn;
        }
    }
    if (a->format != NGRAM_TABLE && a->format != NGRAM_SPARK)
        return;
    setlocale(LC_CTYPE, "C.UTF-8"); /* for wcwidth */
    for (size_t i = 0; i < count; i++)
        columns[i].width =
            ngram_shown_width((yk_str){ columns[i].title, strlen(columns[i].title) });
}

/* ---- Numbers ------------------------------------------------------------------------------- */

/* As many digits as make sense for people and for sums. */
static void put_real(char to[64], double x)
{
    snprintf(to, 64, "%.*f", fabs(x) < 1000 ? 6 : 2, x);
}

/* A number as a table shows it. */
static size_t show_number(char to[64], const ngram_column *column, const ngram_cell *cell)
{
    if (column->kind == NGRAM_WHOLE)
        return ngram_group_digits(to, cell->whole);
    if (isnan(cell->real))
        return (size_t)snprintf(to, 64, "-");
    if (column->kind == NGRAM_SHARE)
        return (size_t)snprintf(to, 64, "%.2f %%", 100 * cell->real);
    put_real(to, cell->real);
    return strlen(to);
}

/* A number as programs read it; `none` stands for one that is not there. */
static void write_number(yk_writer *to, const ngram_column *column, const ngram_cell *cell,
                         const char *none)
{
    char text[64];
    if (column->kind == NGRAM_WHOLE) {
        yk_write_u64(to, cell->whole);
        return;
    }
    put_real(text, cell->real);
    yk_write_text(to, isnan(cell->real) ? none : text);
}

/* ---- Tab-separated, CSV -------------------------------------------------------------------- */

static void write_header(const ngram_answer *a, yk_writer *to)
{
    for (size_t i = 0; i < a->count; i++) {
        yk_str title = { a->column[i].title, strlen(a->column[i].title) };
        if (i > 0)
            yk_write(to, a->format == NGRAM_CSV ? "," : "\t", 1);
        if (a->format == NGRAM_CSV)
            ngram_write_csv(to, title);
        else
            yk_write(to, title.at, title.len);
    }
    yk_write(to, "\n", 1);
}

static void write_tsv(const ngram_answer *a, yk_writer *to, const ngram_cell *cells)
{
    yk_write(to, cells[0].text.at, cells[0].text.len);
    for (size_t i = 1; i < a->count; i++) {
        yk_write(to, "\t", 1);
        write_number(to, &a->column[i], &cells[i], "");
    }
    yk_write(to, "\n", 1);
}

static void write_csv(const ngram_answer *a, yk_writer *to, const ngram_cell *cells)
{
    ngram_write_csv(to, cells[0].text);
    for (size_t i = 1; i < a->count; i++) {
        yk_write(to, ",", 1);
        write_number(to, &a->column[i], &cells[i], "");
    }
    yk_write(to, "\n", 1);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void write_inner(yk_writer *to, const char *name)
{
    ngram_write_json(to, (yk_str){ name, strlen(name) });
    yk_write_text(to, ": {");
}

static void write_json(const ngram_answer *a, yk_writer *to, const ngram_cell *cells)
{
    yk_write_text(to, a->rows ? ",\n {" : "\n {");
    for (size_t i = 0; i < a->count; i++) {
        if (i > 0)
            yk_write_text(to, ", ");
        if (i == 1 && a->inner)
            write_inner(to, a->inner);
        ngram_write_json(to, (yk_str){ a->column[i].title, strlen(a->column[i].title) });
        yk_write_text(to, ": ");
        if (a->column[i].kind == NGRAM_TEXT)
            ngram_write_json(to, cells[i].text);
        else if (a->column[i].kind == NGRAM_YEAR)
            yk_write(to, cells[i].text.at, cells[i].text.len);
        else
            write_number(to, &a->column[i], &cells[i], "null");
    }
    yk_write_text(to, a->inner && a->count > 1 ? "}}" : "}");
}

/* ---- Table --------------------------------------------------------------------------------- */

bool ngram_answer_measures(const ngram_answer *a)
{
    return a->format == NGRAM_TABLE;
}

static void widen(size_t *width, size_t needed)
{
    if (*width < needed)
        *width = needed;
}

void ngram_answer_measure(ngram_answer *a, const ngram_cell *cells)
{
    char digits[64];
    widen(&a->column[0].width, ngram_shown_width(cells[0].text));
    for (size_t i = 1; i < a->count; i++)
        widen(&a->column[i].width, show_number(digits, &a->column[i], &cells[i]));
}

static void write_right(yk_writer *to, const char *text, size_t width)
{
    yk_str shown = { text, strlen(text) };
    size_t needed = ngram_shown_width(shown);
    ngram_write_spaces(to, 2 + (width > needed ? width - needed : 0));
    ngram_write_padded(to, shown, needed);
}

/* What the numbers leave of a terminal's width is for the name, but never less than its title. */
static void begin_table(ngram_answer *a, yk_writer *to)
{
    size_t numbers = 0, least = strlen(a->column[0].title), *name = &a->column[0].width;
    for (size_t i = 1; i < a->count; i++)
        numbers += 2 + a->column[i].width;
    if (a->most_width && *name + numbers > a->most_width)
        *name = a->most_width > numbers + least ? a->most_width - numbers : least;
    ngram_write_padded(to, (yk_str){ a->column[0].title, least }, *name);
    for (size_t i = 1; i < a->count; i++)
        write_right(to, a->column[i].title, a->column[i].width);
    yk_write(to, "\n", 1);
}

static void write_table(const ngram_answer *a, yk_writer *to, const ngram_cell *cells)
{
    char digits[64];
    ngram_write_padded(to, cells[0].text, a->column[0].width);
    for (size_t i = 1; i < a->count; i++) {
        show_number(digits, &a->column[i], &cells[i]);
        write_right(to, digits, a->column[i].width);
    }
    yk_write(to, "\n", 1);
}

/* ---- Which one ----------------------------------------------------------------------------- */

static int add_to_chart(ngram_answer *a, const ngram_cell *cells)
{
    double values[NGRAM_MOST_LINES];
    size_t n = 0;
    for (size_t i = 1; i < a->count && n < a->chart->lines; i++)
        if (a->column[i].drawn)
            values[n++] = a->column[i].kind == NGRAM_WHOLE ? (double)cells[i].whole : cells[i].real;
    return ngram_chart_add(a->chart, cells[0].text.at, cells[0].text.len, values);
}

int ngram_answer_begin(ngram_answer *a, yk_writer *to)
{
    if (a->format == NGRAM_TABLE)
        begin_table(a, to);
    else if (a->format == NGRAM_JSON)
        yk_write(to, "[", 1);
    else if (a->format == NGRAM_CSV || (a->format == NGRAM_TSV && a->tsv_header))
        write_header(a, to);
    return 0;
}

int ngram_answer_row(ngram_answer *a, yk_writer *to, const ngram_cell *cells)
{
    if (a->format == NGRAM_TSV)
        write_tsv(a, to, cells);
    else if (a->format == NGRAM_CSV)
        write_csv(a, to, cells);
    else if (a->format == NGRAM_JSON)
        write_json(a, to, cells);
    else if (a->format == NGRAM_TABLE)
        write_table(a, to, cells);
    a->rows++;
    return a->chart ? add_to_chart(a, cells) : 0;
}

int ngram_answer_end(ngram_answer *a, yk_writer *to)
{
    if (a->format == NGRAM_JSON)
        return yk_write_text(to, a->rows ? "\n]\n" : "]\n");
    return a->format == NGRAM_SPARK ? ngram_chart_spark(a->chart, to) : 0;
}
