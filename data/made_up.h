/* data/made_up.h - the parts of the generator; private to data/.
 *
 *   generate.c        options, files, the order of the work
 *   made_up_words.c   n-grams in the order of their bytes, without holding them
 *   made_up_common.c  the words that everybody knows
 *   made_up_years.c   the years and counts of one n-gram
 *   pack.c            chunks of text into a plain, gzip or zstd file
 *
 * All arithmetic is on integers, so that every machine makes the same bytes.
 */
#ifndef YOKE_DATA_MADE_UP_H
#define YOKE_DATA_MADE_UP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/input.h"

/* ---- chance ---- */

typedef struct yk__chance {
    uint64_t state;
} yk__chance;

/* splitmix64 (Steele, Lea, Flood 2014). */
static inline uint64_t yk__random(yk__chance *chance)
{
    uint64_t z = chance->state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* 0 to limit - 1. */
static inline uint64_t yk__below(yk__chance *chance, uint64_t limit)
{
    return (uint64_t)((unsigned __int128)yk__random(chance) * limit >> 64);
}

/* -log2 of a number between 0 and 1, in 1/65536: 0 to 48 * 65536, exponentially distributed with
 * mean 1/ln 2; straight lines between the powers of two are near enough. */
static inline uint64_t yk__exponential(yk__chance *chance)
{
    uint64_t r = yk__random(chance) | 0xffff;
    int zeros = __builtin_clzll(r);
    uint64_t fraction = r << zeros << 1 >> 48;
    return ((uint64_t)zeros << 16) + 0xffff - fraction;
}

/* ---- years ---- */

#define YK__FIRST_YEAR 1505
#define YK__LAST_YEAR  2008
#define YK__YEARS      (YK__LAST_YEAR - YK__FIRST_YEAR + 1)

typedef struct yk__year {
    int year;
    uint64_t match_count, volume_count;
} yk__year;

/* Makes up an n-gram's years, ascending; how many, from 1 to YK__YEARS. */
unsigned yk__made_up_years(yk__year years[YK__YEARS], yk__chance *chance);

/* The same for the `rank`-th most frequent word of all, from 1. */
unsigned yk__made_up_common_years(yk__year years[YK__YEARS], unsigned rank, yk__chance *chance);

/* ---- common words ---- */

#define YK__COMMON_MAX 64

typedef struct yk__common_word {
    const char *word;
    unsigned rank;
} yk__common_word;

/* The most frequent words, as many as fit a text of so many bytes, in the order of their bytes; how
 * many. */
unsigned yk__common_words(yk__common_word words[YK__COMMON_MAX], uint64_t bytes);

/* ---- words ---- */

#define YK__NGRAM_MAX 512

/* Takes one n-gram; other than 0 stops, and is returned to the top. */
typedef int yk__ngram_fn(void *arg, const char *ngram, size_t length);

/* Says how far the words are and whether the next one is wanted (0 or 1; negative stops). */
typedef int yk__wanted_fn(void *arg, uint64_t word, uint64_t words);

typedef struct yk__made_up_words_job {
    uint64_t seed;
    uint64_t words; /* first words to make up; each begins some 1.7 n-grams */
    int max_words;  /* in an n-gram */
    yk__wanted_fn *wanted;
    yk__ngram_fn *take;
    void *arg;
} yk__made_up_words_job;

/* Calls take() with n-grams in the order of their bytes, none twice. 0, or what stopped it. */
int yk__made_up_words(const yk__made_up_words_job *job);

/* The n-gram of number `i` that comes behind all those, for filling up; its length. */
size_t yk__last_words(char out[YK__NGRAM_MAX], uint64_t i);

#define YK__ROWS_MAX ((size_t)YK__YEARS * (YK__NGRAM_MAX + 64)) /* all rows of an n-gram */

#endif
