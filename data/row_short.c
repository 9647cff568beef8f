/* data/row_short.c - folds short rows with AVX2.
 *
 * Short is a row of version 2 whose counts have one to four digits each: nearly every one. Behind
 * its key it has at most 15 bytes, and one of 16 shapes.
 *
 *   - one look at 64 bytes finds the LFs of two rows; where the next two begin hangs on that alone,
 *     so that everything below is done for several rows at a time
 *   - masks of the digits and TABs say whether the row has a shape, and which
 *   - by its shape one shuffle puts the digits of both counts and of the year into four bytes each,
 *     and two multiplications make numbers of them
 *
 * A year 0000 is no year: the least of all years is kept, and when it was 0 nothing was folded.
 */
#include "data/row_run.h"

#ifdef ROWS_AVX2
#include <immintrin.h>

#define WITH_AVX2 __attribute__((target("avx2,bmi,bmi2")))

/* What is read: 64 bytes from a row's first on; a row that begins in there, with its key and 16
 * bytes behind it. */
#define REACH (64 + 32 + 16)

/* As much text as is folded at once: sums of counts below 10,000 then fit 32 bits. */
#define STRETCH (1 << 20)

/* ---- The 16 shapes: m digits, v digits ------------------------------------------------------ */

/* clang-format off */
#define FOR_EACH_SHAPE(X) \
    X(1, 1), X(1, 2), X(1, 3), X(1, 4), \
    X(2, 1), X(2, 2), X(2, 3), X(2, 4), \
    X(3, 1), X(3, 2), X(3, 3), X(3, 4), \
    X(4, 1), X(4, 2), X(4, 3), X(4, 4)
/* clang-format on */

#define NUMBER(m, v) (4 * ((m)-1) + (v)) /* 0 is none */
#define LENGTH(m, v) (4 + 1 + (m) + 1 + (v))

/* By the place of the LF (at most 16 are looked up) and a mask of the TABs from byte 4 to 9. */
#define TAB_MASKS   64
#define SHAPE(m, v) [LENGTH(m, v) * TAB_MASKS + (1 | 1 << ((m) + 1))] = NUMBER(m, v)
static const uint8_t shapes[(16 + 1) * TAB_MASKS] = { FOR_EACH_SHAPE(SHAPE) };

/* Which byte goes where; 0x80: a zero. */
#define DIGIT(end, n, i) ((n) < (i) ? 0x80 : (end) - (i))
#define FOUR(end, n)     DIGIT(end, n, 4), DIGIT(end, n, 3), DIGIT(end, n, 2), DIGIT(end, n, 1)
#define ORDER(m, v) \
    [NUMBER(m, v)] = { FOUR(5 + (m), m), FOUR(LENGTH(m, v), v), 0, 1, 2, 3, 0, 1, 2, 3 }
static const _Alignas(16) uint8_t orders[17][16] = { FOR_EACH_SHAPE(ORDER) };

/* ---- Rows ------------------------------------------------------------------------------------ */

/* Lanes: match count, volume count, year, year. */
typedef struct lanes {
    __m128i sum, least;
} lanes;

/* Adds the row whose LF is `n` bytes behind q; false if it is not short. */
static always_inline WITH_AVX2 bool add_row(lanes *to, const char *q, size_t n)
{
    const __m128i nine = _mm_set1_epi8(9); /* a TAB, too */
    __m128i x = _mm_loadu_si128((const __m128i *)q);
    uint32_t tabs = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(x, nine));
    x = _mm_sub_epi8(x, _mm_set1_epi8('0'));
    uint32_t digits = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(x, nine), x));
    if (_tzcnt_u32(~(tabs | digits)) != n) /* of 16 bits: so n is 16 at the most */
        return false;
    tabs = _bzhi_u32(tabs, (uint32_t)n);
    tabs = tabs >> 4 | tabs << 28;
    if (tabs >= TAB_MASKS)
        return false;
    unsigned shape = shapes[n * TAB_MASKS + tabs];
    if (shape == 0)
        return false;
    x = _mm_shuffle_epi8(x, _mm_load_si128((const __m128i *)orders[shape]));
    x = _mm_maddubs_epi16(x, _mm_set1_epi16(1 << 8 | 10));
    x = _mm_madd_epi16(x, _mm_set1_epi32(1 << 16 | 100));
    to->sum = _mm_add_epi32(to->sum, x);
    to->least = _mm_min_epu32(to->least, x);
    return true;
}

/* Bit i is set where p[i] is an LF, for i from 0 to 63. */
static always_inline WITH_AVX2 uint64_t find_lfs(const char *p)
{
    const __m256i lf = _mm256_set1_epi8('\n');
    __m256i a = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)p), lf);
    __m256i b = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + 32)), lf);
    return (uint32_t)_mm256_movemask_epi8(a) | (uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32;
}

/* Adds rows from p to `last`; returns where it stopped. */
static always_inline WITH_AVX2 const char *add_rows(lanes *to, const ngram__run *run,
                                                    uint64_t *lines, const char *p,
                                                    const char *last, ngram__key_class class)
{
    const char *key = run->key;
    size_t size = run->size;
    lanes local = *to;
    uint64_t n = 0;
    while (p <= last) {
        uint64_t lfs = find_lfs(p), more = _blsr_u64(lfs);
        const char *lf = p + _tzcnt_u64(lfs), *lf2 = p + _tzcnt_u64(more);
        if (!ngram__same_key(p, key, size, class) ||
            !add_row(&local, p + size, (size_t)(lf - p) - size))
            break;
        n++;
        p = lf + 1;
        if (more == 0)
            continue;
        if (!ngram__same_key(p, key, size, class) ||
            !add_row(&local, p + size, (size_t)(lf2 - p) - size))
            break;
        n++;
        p = lf2 + 1;
    }
    *to = local;
    *lines = n;
    return p;
}

static WITH_AVX2 uint64_t fold(ngram__run *run, const char **next, const char *end)
{
    const char *p = *next, *last = end - p > STRETCH ? p + STRETCH - REACH : end - REACH;
    lanes l = { _mm_setzero_si128(), _mm_set1_epi8(-1) };
    uint64_t lines;
    if (run->size <= 16)
        p = add_rows(&l, run, &lines, p, last, UP_TO_16);
    else
        p = add_rows(&l, run, &lines, p, last, UP_TO_32);
    if (_mm_extract_epi32(l.least, 3) == 0)
        return 0;
    run->match_count += (uint32_t)_mm_extract_epi32(l.sum, 0);
    run->volume_count += (uint32_t)_mm_extract_epi32(l.sum, 1);
    run->entries += lines;
    *next = p;
    return lines;
}

uint64_t ngram__fold_short(ngram__run *run, const char **next, const char *end)
{
    if (end - *next < REACH || !__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2"))
        return 0;
    return fold(run, next, end);
}
#endif
