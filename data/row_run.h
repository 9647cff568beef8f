/* data/row_run.h - a run of rows of one n-gram while it is folded; private to data/. */
#ifndef YOKE_DATA_ROW_RUN_H
#define YOKE_DATA_ROW_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(YOKE_PORTABLE_ROWS)
#include <emmintrin.h>
#define ROWS_SSE2 1
#if defined(__x86_64__) && !defined(YOKE_SSE2_ROWS)
#define ROWS_AVX2 1 /* where the processor has it */
#endif
#endif

#define always_inline inline __attribute__((always_inline))

typedef struct ngram__run {
    const char *key;
    size_t size;  /* the n-gram and its TAB */
    bool careful; /* leave the rest of it to the careful path */
    uint64_t match_count, volume_count, entries;
} ngram__run;

/* How to compare keys: by a constant, so that the loop over a run is compiled for each. */
typedef enum ngram__key_class { UP_TO_16, UP_TO_32, LONGER } ngram__key_class;

#ifdef ROWS_SSE2
/* Bit i is set where p[i] and key[i] are the same, for i from 0 to 15. */
static always_inline uint32_t ngram__same_bytes(const char *p, const char *key)
{
    return (uint32_t)_mm_movemask_epi8(
        _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)p), _mm_loadu_si128((const __m128i *)key)));
}
#endif

/* Does the row at p begin with the key? May read 32 bytes of either. */
static always_inline bool ngram__same_key(const char *p, const char *key, size_t size,
                                          ngram__key_class class)
{
#ifdef ROWS_SSE2
    if (class == UP_TO_16)
        return (~ngram__same_bytes(p, key) & ((1u << size) - 1)) == 0;
    if (class == UP_TO_32)
        return ngram__same_bytes(p, key) == 0xffff &&
               ngram__same_bytes(p + size - 16, key + size - 16) == 0xffff;
#else
    (void)class;
#endif
    return memcmp(p, key, size) == 0;
}

#ifdef ROWS_AVX2
/* Folds the short rows (row_short.c) of every year that stand at *next and have the run's key, of
 * at most 32 bytes. Returns how many; it may leave some, and leaves all where the processor cannot.
 * `end` is the block's. */
uint64_t ngram__fold_short(ngram__run *run, const char **next, const char *end);
#endif

#endif
