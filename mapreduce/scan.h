/* mapreduce/scan.h - sixteen bytes of text at once. Not installed.
 *
 * Bit i of a mask says something of the byte p[i], for i from 0 to 15; with AVX2, of 64 bytes at
 * once.
 */
#ifndef YOKE_MAPREDUCE_SCAN_H
#define YOKE_MAPREDUCE_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__SSE2__) && !defined(YOKE_PORTABLE_SCAN)
#include <emmintrin.h>
#define YK__SCAN_SSE2
#endif

enum { YK__SCAN = 16, YK__SCAN_ALL = 0xffff };

/* Space, TAB, LF, VT, FF, CR. */
static inline bool yk__is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

#ifdef YK__SCAN_SSE2
static inline uint32_t yk__blanks(const char *p)
{
    __m128i text = _mm_loadu_si128((const __m128i *)p);
    /* moves TAB to the least signed byte, so that one comparison finds what is at most CR */
    __m128i moved = _mm_sub_epi8(text, _mm_set1_epi8((char)('\t' + 128)));
    __m128i controls = _mm_cmplt_epi8(moved, _mm_set1_epi8('\r' - '\t' + 1 - 128));
    return (uint32_t)_mm_movemask_epi8(
        _mm_or_si128(controls, _mm_cmpeq_epi8(text, _mm_set1_epi8(' '))));
}

static inline uint32_t yk__equal(const char *p, char c)
{
    return (uint32_t)_mm_movemask_epi8(
        _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8(c)));
}
#else
static inline uint32_t yk__blanks(const char *p)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < YK__SCAN; i++)
        mask |= (uint32_t)yk__is_blank(p[i]) << i;
    return mask;
}

static inline uint32_t yk__equal(const char *p, char c)
{
    uint32_t mask = 0;
    for (unsigned i = 0; i < YK__SCAN; i++)
        mask |= (uint32_t)(p[i] == c) << i;
    return mask;
}
#endif

#if defined(__x86_64__) && defined(YK__SCAN_SSE2) && !defined(YOKE_SSE2_SCAN)
#include <immintrin.h>
#define YK__SCAN_AVX2

/* The same of the 64 bytes in a and b, where the processor has it. */
static inline __attribute__((target("avx2"))) uint64_t yk__equal_64(__m256i a, __m256i b, char c)
{
    __m256i all = _mm256_set1_epi8(c);
    uint32_t low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, all));
    uint32_t high = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, all));
    return low | (uint64_t)high << 32;
}
#endif

#endif
