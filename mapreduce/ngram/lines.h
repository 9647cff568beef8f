/* mapreduce/ngram/lines.h - the years of the n-grams that a question named, and the answer made of
 * them: a table of years by n-grams.
 *
 *   1. ngram_lines_init()
 *   2. ngram_lines_add()     year by year, n-gram by n-gram, word by word
 *   3. ngram_lines_finish()  of a word with wildcards, the ten most frequent n-grams are left
 *   4. ngram_lines_write(), and for a plot lines.chart
 *   5. ngram_lines_free()
 */
#ifndef NGRAM_LINES_H
#define NGRAM_LINES_H

#include "../../data/totals.h"
#include "answer.h"

typedef struct ngram_lines_options {
    ngram_years years;    /* the rows; an end that is 0 is the first or last year found */
    const char *relative; /* a file of total counts: numbers are per million words; NULL: counts */
    const ngram_totals *totals; /* or so, and these stay the caller's */
    int smooth;                 /* means over so many years on each side */
} ngram_lines_options;

typedef struct ngram_line {
    size_t word;      /* which of the words it belongs to */
    char *name;       /* the n-gram */
    size_t len;       /* of it */
    uint64_t *counts; /* of the years of whole centuries, from `base` on */
    int base, years;  /* so many of them */
    int first, last;  /* years that were added; first 0: none */
    double sum;
} ngram_line;

typedef struct ngram_lines {
    const ngram_lines_options *options;
    const char *const *words; /* as they were typed */
    const bool *wild;
    size_t word_count;
    const ngram_totals *totals; /* what numbers are relative to; NULL: they are counts */
    ngram_totals *own;          /* the same, if they were read here */
    ngram_line *line;
    size_t count, room;
    ngram_chart chart;
} ngram_lines;

/* The options and the words stay the caller's. Reads the total counts, if they are asked for:
 * 0, or an error of theirs, told in `message`. */
int ngram_lines_init(ngram_lines *l, const ngram_lines_options *options, const char *const *words,
                     const bool *wild, size_t count, char *message, size_t size);
void ngram_lines_free(ngram_lines *l);

/* Calls come in the order of the words, and for each, of n-grams; of years in any. 0,
 * YK_EOVERFLOW, or UV_ENOMEM. */
int ngram_lines_add(ngram_lines *l, size_t word, yk_str ngram, int year, uint64_t matches);
int ngram_lines_finish(ngram_lines *l);

/* Was anything found for the word? */
bool ngram_lines_found(const ngram_lines *l, size_t word);

/* The years of the answer; from > to if there are none. And the number of one of them: NaN where
 * the total is not known. */
ngram_years ngram_lines_range(const ngram_lines *l);
double ngram_lines_number(const ngram_lines *l, const ngram_line *line, int year,
                          ngram_years range);

/* Are the numbers whole, just as they were counted? */
bool ngram_lines_whole(const ngram_lines *l);

/* Writes all of the answer; 0 or an error. */
int ngram_lines_write(ngram_lines *l, const ngram_output_options *o, yk_writer *to);

#endif
