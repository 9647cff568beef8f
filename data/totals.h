/* yoke/data/totals.h - the dataset's total counts: how many words were printed in each year.
 *
 * Versions 2 and 3: one line, a leading space and TAB, then
 * year,match_count,page_count,volume_count for every year, separated by TAB; entries on lines of
 * their own are read as well. Version 1: a line for every year, with TABs between its four numbers.
 * The files are small (13 KB), and may be packed like any input.
 */
#ifndef YOKE_DATA_TOTALS_H
#define YOKE_DATA_TOTALS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ngram_total {
    int year; /* 1 to 9999 */
    uint64_t match_count, page_count, volume_count;
} ngram_total;

/* Immutable once read: any thread may look. */
typedef struct ngram_totals {
    size_t count;
    ngram_total years[]; /* ascending, every year at most once */
} ngram_totals;

/* Reads a file of total counts; `*totals` is the caller's, to be freed with free(). Errors: of the
 * file as for yk_reader_open(); YK_EFORMAT for what is no total count, a year that comes twice and
 * a file without any. With `message` (which may be NULL) of `size` bytes, an error is told there in
 * one line that names the file. */
int ngram_totals_read(ngram_totals **totals, const char *path, char *message, size_t size);

/* The same from memory; `name` is for the message. */
int ngram_totals_parse(ngram_totals **totals, const char *text, size_t length, const char *name,
                       char *message, size_t size);

/* The counts of one year, or NULL. */
const ngram_total *ngram_totals_find(const ngram_totals *totals, int year);

#ifdef __cplusplus
}
#endif
#endif
