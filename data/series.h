/* yoke/data/series.h - the years of one n-gram, and the form in which they are stored.
 *
 * Packed, a series is a version byte (1), and for every year, ascending, three numbers: the years
 * left out since the one before (before the first: since year 1), match_count, volume_count. Each
 * is a varint: seven bits a byte, the lowest first, the top bit set on all but the last, in as few
 * bytes as it needs. So a series has one packed form, and two that are equal have equal bytes.
 *
 * No call here keeps anything; one thread at a time for each object.
 */
#ifndef YOKE_DATA_SERIES_H
#define YOKE_DATA_SERIES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { NGRAM_LAST_YEAR = 9999 };

typedef struct ngram_point {
    int year; /* 1 to NGRAM_LAST_YEAR */
    uint64_t match_count, volume_count;
} ngram_point;

typedef struct ngram_series {
    size_t count;
    ngram_point points[]; /* years ascending, every year at most once */
} ngram_series;

/* ---- Packing ------------------------------------------------------------------------------- */

/* The most bytes that `count` years pack to. */
#define NGRAM_PACKED_MAX(count) (1 + (size_t)(count) * (2 + 10 + 10))

/* Packs `count` points, years ascending, into `to`, which has room for NGRAM_PACKED_MAX(count).
 * Returns the size. */
size_t ngram_series_pack(uint8_t *to, const ngram_point *points, size_t count);

/* Checks and unpacks. `*series` is the caller's, to be freed with free(). YK_EFORMAT for bytes that
 * ngram_series_pack() does not write; UV_ENOMEM. */
int ngram_series_unpack(ngram_series **series, const void *packed, size_t size);

/* ---- Reading a packed series, year by year -------------------------------------------------- */

typedef struct ngram_unpacker {
    const uint8_t *at, *end;
    int year; /* of the last point */
} ngram_unpacker;

/* The bytes must stay as they are until the last year was read. YK_EFORMAT for another version. */
int ngram_unpack_begin(ngram_unpacker *u, const void *packed, size_t size);

/* The next year: 1, 0 behind the last one, or YK_EFORMAT, and then again for every further call. */
int ngram_unpack_next(ngram_unpacker *u, ngram_point *point);

/* Adds two packed series year by year. `to` has room for both sizes together; *size is what was
 * used of it. YK_EFORMAT as above; YK_EOVERFLOW where a sum passes 64 bits. */
int ngram_series_add(uint8_t *to, size_t *size, const void *a, size_t a_size, const void *b,
                     size_t b_size);

/* ---- Adding up any number of series ---------------------------------------------------------- */

/* Counts of every year, summed over any number of series; some 170 KB. */
typedef struct ngram_sums ngram_sums;

ngram_sums *ngram_sums_new(void); /* NULL when out of memory */
void ngram_sums_free(ngram_sums *sums);

/* Adds a packed series. YK_EFORMAT as above, YK_EOVERFLOW where a sum passes 64 bits: the sums are
 * good for nothing then but to be cleared. */
int ngram_sums_add(ngram_sums *sums, const void *packed, size_t size);

/* How many years there are in it, and those years. */
size_t ngram_sums_count(const ngram_sums *sums);
size_t ngram_sums_points(const ngram_sums *sums, ngram_point *points);

/* Makes it empty; costs no more than the years between its first and its last. */
void ngram_sums_clear(ngram_sums *sums);

#ifdef __cplusplus
}
#endif
#endif
