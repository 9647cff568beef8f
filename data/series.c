/* data/series.c - packs the years of an n-gram, unpacks them with care, adds them up. */
#include "data/series.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "executor/error.h"

enum { VERSION = 1, LEAST_BYTES = 3 }; /* a year takes at least so many */

/* ---- Packing ------------------------------------------------------------------------------- */

static uint8_t *put_varint(uint8_t *to, uint64_t n)
{
    for (; n >= 0x80; n >>= 7)
        *to++ = (uint8_t)(n | 0x80);
    *to++ = (uint8_t)n;
    return to;
}

static uint8_t *put_point(uint8_t *to, int before, const ngram_point *point)
{
    to = put_varint(to, (uint64_t)(point->year - before - 1));
    to = put_varint(to, point->match_count);
    return put_varint(to, point->volume_count);
}

size_t ngram_series_pack(uint8_t *to, const ngram_point *points, size_t count)
{
    uint8_t *at = to;
    int year = 0;
    *at++ = VERSION;
    for (size_t i = 0; i < count; i++) {
        at = put_point(at, year, &points[i]);
        year = points[i].year;
    }
    return (size_t)(at - to);
}

/* ---- Unpacking ----------------------------------------------------------------------------- */

/* False at what is no varint, has needless bytes or passes 64 bits. */
static bool get_varint(ngram_unpacker *u, uint64_t *n)
{
    *n = 0;
    for (unsigned shift = 0; u->at < u->end && shift < 64; shift += 7) {
        uint8_t byte = *u->at++;
        if (shift == 63 && byte > 1)
            return false;
        *n |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return byte > 0 || shift == 0;
    }
    return false;
}

int ngram_unpack_begin(ngram_unpacker *u, const void *packed, size_t size)
{
    const uint8_t *bytes = packed;
    if (size == 0 || bytes[0] != VERSION)
        return YK_EFORMAT;
    *u = (ngram_unpacker){ bytes + 1, bytes + size, 0 };
    return 0;
}

static int refuse(ngram_unpacker *u)
{
    u->year = NGRAM_LAST_YEAR; /* so that nothing can follow */
    u->at = u->end - 1;
    return YK_EFORMAT;
}

int ngram_unpack_next(ngram_unpacker *u, ngram_point *point)
{
    ngram_point p;
    uint64_t skipped;
    if (u->at == u->end)
        return 0;
    if (!get_varint(u, &skipped) || skipped >= (uint64_t)(NGRAM_LAST_YEAR - u->year))
        return refuse(u);
    if (!get_varint(u, &p.match_count) || !get_varint(u, &p.volume_count))
        return refuse(u);
    u->year += 1 + (int)skipped;
    p.year = u->year;
    *point = p;
    return 1;
}

int ngram_series_unpack(ngram_series **series, const void *packed, size_t size)
{
    ngram_unpacker u;
    int got = ngram_unpack_begin(&u, packed, size);
    if (got)
        return got;
    ngram_series *s = malloc(sizeof *s + (size / LEAST_BYTES + 1) * sizeof *s->points);
    if (!s)
        return UV_ENOMEM;
    s->count = 0;
    while ((got = ngram_unpack_next(&u, &s->points[s->count])) > 0)
        s->count++;
    if (got < 0) {
        free(s);
        return got;
    }
    *series = s;
    return 0;
}

/* ---- The sum of two ------------------------------------------------------------------------- */

/* One of two series that are read side by side; year 0: it has ended. */
typedef struct side {
    ngram_unpacker u;
    ngram_point point;
} side;

static int advance(side *s)
{
    int got = ngram_unpack_next(&s->u, &s->point);
    if (got == 0)
        s->point.year = 0;
    return got < 0 ? got : 0;
}

/* Is the next year of `s` not behind the one of `other`? */
static bool is_next(const side *s, const side *other)
{
    int year = s->point.year, others = other->point.year;
    return year != 0 && (others == 0 || year <= others);
}

static int add_next(ngram_point *sum, side *s)
{
    sum->year = s->point.year;
    bool over = __builtin_add_overflow(sum->match_count, s->point.match_count, &sum->match_count);
    over |= __builtin_add_overflow(sum->volume_count, s->point.volume_count, &sum->volume_count);
    return over ? YK_EOVERFLOW : advance(s);
}

int ngram_series_add(uint8_t *to, size_t *size, const void *a, size_t a_size, const void *b,
                     size_t b_size)
{
    uint8_t *at = to;
    side x, y;
    int year = 0, err = ngram_unpack_begin(&x.u, a, a_size);
    if (!err)
        err = ngram_unpack_begin(&y.u, b, b_size);
    if (!err)
        err = advance(&x);
    if (!err)
        err = advance(&y);
    *at++ = VERSION;
    while (!err && (x.point.year || y.point.year)) {
        ngram_point sum = { 0 };
        bool from_x = is_next(&x, &y), from_y = is_next(&y, &x);
        if (from_x)
            err = add_next(&sum, &x);
        if (from_y && !err)
            err = add_next(&sum, &y);
        if (err)
            break;
        at = put_point(at, year, &sum);
        year = sum.year;
    }
    *size = (size_t)(at - to);
    return err;
}

/* ---- Sums ---------------------------------------------------------------------------------- */

struct ngram_sums {
    int first, last; /* no year outside has counts; first > last: there are none */
    uint64_t match[NGRAM_LAST_YEAR + 1], volume[NGRAM_LAST_YEAR + 1];
    bool seen[NGRAM_LAST_YEAR + 1];
};

ngram_sums *ngram_sums_new(void)
{
    ngram_sums *s = calloc(1, sizeof *s);
    if (s)
        s->first = NGRAM_LAST_YEAR + 1;
    return s;
}

void ngram_sums_free(ngram_sums *s)
{
    free(s);
}

static int add_point(ngram_sums *s, const ngram_point *p)
{
    s->first = p->year < s->first ? p->year : s->first;
    s->last = p->year > s->last ? p->year : s->last;
    s->seen[p->year] = true;
    bool over = __builtin_add_overflow(s->match[p->year], p->match_count, &s->match[p->year]);
    over |= __builtin_add_overflow(s->volume[p->year], p->volume_count, &s->volume[p->year]);
    return over ? YK_EOVERFLOW : 0;
}

int ngram_sums_add(ngram_sums *s, const void *packed, size_t size)
{
    ngram_unpacker u;
    ngram_point p;
    int got = ngram_unpack_begin(&u, packed, size);
    if (got)
        return got;
    while ((got = ngram_unpack_next(&u, &p)) > 0) {
        int err = add_point(s, &p);
        if (err)
            return err;
    }
    return got;
}

size_t ngram_sums_count(const ngram_sums *s)
{
    size_t n = 0;
    for (int year = s->first; year <= s->last; year++)
        n += s->seen[year];
    return n;
}

size_t ngram_sums_points(const ngram_sums *s, ngram_point *points)
{
    size_t n = 0;
    for (int year = s->first; year <= s->last; year++)
        if (s->seen[year])
            points[n++] = (ngram_point){ year, s->match[year], s->volume[year] };
    return n;
}

void ngram_sums_clear(ngram_sums *s)
{
    if (s->first <= s->last) {
        size_t n = (size_t)(s->last - s->first + 1), first = (size_t)s->first;
        memset(s->match + first, 0, n * sizeof *s->match);
        memset(s->volume + first, 0, n * sizeof *s->volume);
        memset(s->seen + first, 0, n * sizeof *s->seen);
    }
    s->first = NGRAM_LAST_YEAR + 1;
    s->last = 0;
}
