/* data/locate.c - which line is it? Counted only when somebody needs to be told. */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "data/reader.h"

#define PIECE ((size_t)1 << 18)

#if defined(__SSE2__)
#include <emmintrin.h>

/* LFs in 16 * `vectors` bytes; at most 255 vectors, so that no counter overflows. */
static uint64_t count_vectors(const char *p, size_t vectors)
{
    const __m128i lf = _mm_set1_epi8('\n');
    __m128i counts = _mm_setzero_si128();
    for (size_t i = 0; i < vectors; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(p + 16 * i));
        counts = _mm_sub_epi8(counts, _mm_cmpeq_epi8(bytes, lf));
    }
    counts = _mm_sad_epu8(counts, _mm_setzero_si128());
    return (uint64_t)_mm_cvtsi128_si64(counts) +
           (uint64_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(counts, counts));
}

uint64_t yk_count_lines(const char *begin, const char *end)
{
    uint64_t lines = 0;
    while (end - begin >= 16) {
        size_t vectors = (size_t)(end - begin) / 16;
        vectors = vectors < 255 ? vectors : 255;
        lines += count_vectors(begin, vectors);
        begin += 16 * vectors;
    }
    for (; begin < end; begin++)
        lines += *begin == '\n';
    return lines;
}
#else
uint64_t yk_count_lines(const char *begin, const char *end)
{
    uint64_t lines = 0;
    for (; begin < end; begin++)
        lines += *begin == '\n';
    return lines;
}
#endif

/* Counts up to `*left` bytes of text and their lines; less only at the end or the limit. */
static int count_text(yk_reader *r, char *buffer, uint64_t left, uint64_t *byte, uint64_t *line)
{
    while (left > 0) {
        int64_t got = yk_reader_read(r, buffer, left < PIECE ? (size_t)left : PIECE);
        if (got <= 0)
            return (int)got;
        *byte += (uint64_t)got;
        *line += yk_count_lines(buffer, buffer + got);
        left -= (uint64_t)got;
    }
    return 0;
}

/* Reads from the file's beginning to the range's, on by `offset`, and if it is packed, on to the
 * range's end. */
static int walk(yk_reader *r, char *buffer, const yk_range *range, uint64_t offset, uint64_t *byte,
                uint64_t *line)
{
    int err = count_text(r, buffer, YK_SIZE_UNKNOWN, byte, line);
    yk__reader_lift_limit(r);
    if (!err)
        err = count_text(r, buffer, offset, byte, line);
    r->limit = range->end;
    uint64_t unused = 0;
    if (!err && r->packing != YK_PLAIN)
        err = count_text(r, buffer, YK_SIZE_UNKNOWN, &unused, &unused);
    return err;
}

int yk_input_locate(const yk_input *input, const yk_range *range, uint64_t offset, uint64_t *byte,
                    uint64_t *line, char *message, size_t size)
{
    const yk_input_info *info = yk_input_about(input);
    if (!info->regular)
        return yk__open_failed(message, size, info->name, UV_ESPIPE);
    yk_reader r = { 0 };
    char *buffer = malloc(PIECE);
    if (!buffer)
        return yk__open_failed(message, size, info->name, UV_ENOMEM);
    yk__source source = yk__input_source(input);
    int err = yk__reader_begin(&r, info->name, &source, info->packing, range->begin);
    uint64_t bytes = 0, lines = 0;
    if (!err)
        err = walk(&r, buffer, range, offset, &bytes, &lines);
    if (err && message)
        snprintf(message, size, "%s", r.message);
    if (!err && byte)
        *byte = bytes;
    if (!err && line)
        *line = lines + 1;
    yk__reader_drop(&r);
    free(buffer);
    return err;
}
