/* yoke/data/rows.h - the rows of the Google Books Ngram dataset.
 *
 *   version 1   ngram TAB year TAB match_count TAB page_count TAB volume_count LF
 *   version 2   ngram TAB year TAB match_count TAB volume_count LF          a row for every year
 *   version 3   ngram TAB year,match,volumes TAB year,match,volumes ... LF  a row for every n-gram
 *
 * Which of them is told row by row; pages are checked and left out. An n-gram is bytes without TAB
 * and LF, and not empty; NUL bytes and invalid UTF-8 are bytes like any others. Years are 1 to 9999
 * in at most four digits, counts are decimal digits and fit 64 bits. A CR before the LF is
 * accepted.
 *
 *   1. ngram_rows_init()   on a block of whole rows (yk_blocks_next() gives such)
 *   2. ngram_rows_next()   folds a run of neighbouring rows of one n-gram into one group,
 *                          or ngram_rows_next_entry() gives every year's counts by themselves
 *   3. on YK_EFORMAT       scanner.bad says where and why; go on, and the bad row is skipped
 *
 * In the dataset the rows of one n-gram stand together, some 60 of them, so that folding the run
 * here saves the caller 59 of 60 look-ups. It is not promised: the same n-gram may return later,
 * in this block or another, and callers must add up.
 *
 * The scanner owns no memory, needs no clean-up, and never reads outside its block. Pointers in
 * its results point into the block. One thread at a time.
 */
#ifndef YOKE_DATA_ROWS_H
#define YOKE_DATA_ROWS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The years that count, both ends included; { 0, 0 } is every year. Rows of other years are
 * checked all the same, and then left out. */
typedef struct ngram_years {
    int from, to;
} ngram_years;

/* A run of neighbouring rows of one n-gram, summed. */
typedef struct ngram_group {
    const char *ngram; /* not terminated */
    size_t length;
    uint64_t match_count, volume_count;
    uint64_t entries; /* years summed, at least 1 */
} ngram_group;

/* One year of one n-gram. */
typedef struct ngram_entry {
    const char *ngram; /* not terminated */
    size_t length;
    int year;
    uint64_t match_count, volume_count;
} ngram_entry;

/* Why and where a row was refused. */
typedef struct ngram_bad_row {
    const char *reason; /* a constant: "year is not a number" */
    const char *row;    /* its first byte, in the block */
    size_t length;      /* without its line end */
    uint64_t offset;    /* of its first byte, from the block's beginning */
    uint64_t line;      /* rows before it in the block: the first row of a block has 0 */
} ngram_bad_row;

typedef struct ngram_rows {
    const char *begin, *end; /* the block */
    const char *next;        /* first byte not yet looked at; a row's beginning */
    uint64_t lines;          /* rows passed so far, bad ones and left-out years included */
    ngram_years years;
    ngram_bad_row bad; /* set by an error, until the next one */

    /* the scanner's own */
    uint32_t year_low, year_span;
    const char *entry;        /* within a row: its next entry; else NULL */
    const char *ngram, *stop; /* that row's beginning and end */
    size_t length;            /* of its n-gram */
} ngram_rows;

/* Begins with the block [begin, end). */
void ngram_rows_init(ngram_rows *rows, const char *begin, const char *end, ngram_years years);

/* The next run with at least one year that counts. Returns 1; 0 at the block's end; YK_EFORMAT
 * for a malformed row (rows.bad tells; the rows before it have been handed out, none of its own
 * counts have, and the next call goes on behind it); YK_EOVERFLOW when the run's sum passes 64
 * bits (rows.bad shows the row that did it; the run is lost, so this is no row to skip). */
int ngram_rows_next(ngram_rows *rows, ngram_group *group);

/* The next year of the next row, for those who need them one by one: same results and errors. A
 * version 3 row is checked as a whole before its first year is handed out. On one scanner use
 * either this or ngram_rows_next(). */
int ngram_rows_next_entry(ngram_rows *rows, ngram_entry *entry);

/* Writes the beginning of a row as it can be shown in a message: at most `capacity` - 1 bytes and
 * a NUL, with \t, \r, \x00 and the like for what is no printable text, valid UTF-8 kept, and
 * "..." where it was cut. Returns the length. Capacity must be at least 8; 80 is a good one. */
size_t ngram_quote(char *out, size_t capacity, const char *row, size_t length);

#ifdef __cplusplus
}
#endif
#endif
