/* data/row_parse.h - one row, taken apart carefully; private to data/.
 *
 * This is the one place that knows what a good row is. The fast path of rows.c folds only rows
 * that this would accept with the same numbers, and leaves everything else to it.
 */
#ifndef YOKE_DATA_ROW_PARSE_H
#define YOKE_DATA_ROW_PARSE_H

#include <stdint.h>

#include "data/rows.h"

/* A row's outer shape. */
typedef struct ngram__line {
    const char *ngram;
    size_t length;     /* of the n-gram */
    const char *row;   /* == ngram */
    const char *entry; /* behind the TAB that ends the n-gram */
    const char *stop;  /* behind the last byte, without CR LF */
    const char *next;  /* the next row */
} ngram__line;

/* One year's numbers; `next` is where the next entry begins, NULL after the last. */
typedef struct ngram__counts {
    int year;
    uint64_t match_count, volume_count;
    const char *next;
} ngram__counts;

/* Takes apart the row at `row` (row < end). Returns NULL, or the reason why it is none; `row`,
 * `stop` and `next` are set in any case. */
const char *ngram__parse_line(ngram__line *line, const char *row, const char *end);

/* Takes apart the entry at `entry` (line->entry, or `next` of the entry before). NULL or the
 * reason. */
const char *ngram__parse_counts(ngram__counts *counts, const ngram__line *line, const char *entry);

#endif
