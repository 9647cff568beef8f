/* data/rows.c - folds runs of rows of one n-gram.
 *
 * Where the processor has AVX2, row_short.c folds most rows; this is for the others, other
 * processors, and where not every year counts.
 *
 * Nearly every row of the dataset is the n-gram of the row before, a year of four digits and two
 * counts of a few digits. So a run is folded like this:
 *
 *   - its first row's n-gram and TAB are the key; the next row belongs to the run if it begins
 *     with the key: one vector comparison, no search for a delimiter
 *   - one mask of the 16 bytes behind the key (32 for long counts) says where the digits end: three
 *     separators in the right places, or the row is left to the careful parser (row_parse.c)
 *   - counts of up to four digits are parsed both at once in two multiplications, one of up to
 *     eight in three, without a loop
 *
 * The chain from one row to the next is: load, compare, mask, find the third bit, add. The sums
 * are off that chain, so that they overlap with the rows that follow. A sum of eight-digit counts
 * cannot pass 64 bits within a block (of less than 2^40 bytes), so overflow is checked once a run.
 *
 * The fast path reads up to REACH bytes behind the key and stops that far from the block's end.
 */
#include "data/rows.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#include "data/row_parse.h"
#include "data/row_run.h"
#include "executor/error.h"

#define REACH 40 /* 32 bytes under the mask; a count in them is read by 8 bytes at once */

/* ---- the bytes ---- */

#ifdef ROWS_SSE2
/* Bit i is set where q[i] is no digit, for i from 0 to 15. */
static always_inline uint32_t non_digits_16(const char *q)
{
    /* moves '0' to the least signed byte, so that one comparison finds what is above '9' */
    __m128i a = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)q), _mm_set1_epi8((char)('0' + 128)));
    return (uint32_t)_mm_movemask_epi8(_mm_cmpgt_epi8(a, _mm_set1_epi8(9 - 128)));
}
#endif

/* Bit i is set where q[i] is no digit, for i from 0 to 31. */
static always_inline uint32_t non_digits(const char *q)
{
#ifdef ROWS_SSE2
    return non_digits_16(q) | non_digits_16(q + 16) << 16;
#else
    uint32_t mask = 0;
    for (int i = 0; i < 4; i++) {
        uint64_t w;
        memcpy(&w, q + 8 * i, 8);
        w = le64toh(w) ^ 0x3030303030303030;
        w = ((w & 0x7f7f7f7f7f7f7f7f) + 0x7676767676767676) | w; /* bit 7: 10 or more */
        w = (w >> 7) & 0x0101010101010101;
        mask |= (uint32_t)(w * 0x0102040810204080 >> 56) << (8 * i);
    }
    return mask;
#endif
}

/* The number in the `digits` (1 to 8) digits at p; reads 8 bytes. */
static always_inline uint64_t eight_digits(const char *p, unsigned digits)
{
    uint64_t w;
    memcpy(&w, p, 8);
    w = le64toh(w) - 0x3030303030303030; /* borrows reach only bytes that are shifted out */
    w <<= 64 - 8 * digits;
    w = (w * 10 + (w >> 8)) & 0x00ff00ff00ff00ff;
    w = (w * 100 + (w >> 16)) & 0x0000ffff0000ffff;
    return (w * 10000 + (w >> 32)) & 0xffffffff;
}

/* A year of four digits, as a number that orders like the year. */
static always_inline uint32_t year_bytes(const char *q)
{
    uint32_t w;
    memcpy(&w, q, 4);
    return be32toh(w);
}

static uint32_t bytes_of_year(int year)
{
    uint32_t y = (uint32_t)year;
    return 0x30303030 + (y / 1000 << 24) + (y / 100 % 10 << 16) + (y / 10 % 10 << 8) + y % 10;
}

/* The first TAB or LF in [p, end), or end. */
static const char *find_delimiter(const char *p, const char *end)
{
#ifdef ROWS_SSE2
    const __m128i tab = _mm_set1_epi8('\t'), lf = _mm_set1_epi8('\n');
    for (; end - p >= 16; p += 16) {
        __m128i a = _mm_loadu_si128((const __m128i *)p);
        a = _mm_or_si128(_mm_cmpeq_epi8(a, tab), _mm_cmpeq_epi8(a, lf));
        unsigned mask = (unsigned)_mm_movemask_epi8(a);
        if (mask)
            return p + __builtin_ctz(mask);
    }
#endif
    while (p < end && *p != '\t' && *p != '\n')
        p++;
    return p;
}

/* ---- a run ---- */

typedef ngram__run run;

/* Where the numbers of an entry lie; the ends are offsets from its first byte. */
typedef struct shape {
    unsigned match_end, volume_end;
} shape;

/* Is this a year of four digits and two counts of one to eight, set apart by `separator`? What
 * stands behind the last is the caller's to look at. */
static always_inline bool has_shape(const char *q, char separator, shape *s)
{
    uint32_t mask = non_digits(q);
    unsigned year_end = (unsigned)__builtin_ctz(mask | 1u << 31);
    mask &= mask - 1;
    unsigned match_end = (unsigned)__builtin_ctz(mask | 1u << 31);
    mask &= mask - 1;
    unsigned volume_end = (unsigned)__builtin_ctz(mask | 1u << 31);
    s->match_end = match_end;
    s->volume_end = volume_end;
    return (year_end == 4) & (q[4] == separator) & (q[match_end] == separator) &
           (match_end - 6 < 8) & (volume_end - match_end - 2 < 8);
}

/* Adds the entry at q to the sums if its year counts; false if there is no such year. */
static always_inline bool add_entry(const ngram_rows *rows, run *sums, const char *q, shape s)
{
    uint32_t year = year_bytes(q);
    uint64_t counts = year - rows->year_low <= rows->year_span;
    uint64_t mask = 0 - counts;
    sums->match_count += eight_digits(q + 5, s.match_end - 5) & mask;
    sums->volume_count += eight_digits(q + s.match_end + 1, s.volume_end - s.match_end - 1) & mask;
    sums->entries += counts;
    return year != 0x30303030;
}

#ifdef ROWS_SSE2
/* The same for the usual row of version 2, whose counts have at most four digits each: all of it
 * lies in 16 bytes, and both counts are parsed at once in the halves of one word. Returns the
 * row's end, or NULL if it is not of this kind; then nothing was added. */
static always_inline const char *add_short_entry(const ngram_rows *rows, run *sums, const char *q)
{
    uint32_t mask = non_digits_16(q);
    unsigned year_end = (unsigned)__builtin_ctz(mask | 1u << 31);
    mask &= mask - 1;
    unsigned match_end = (unsigned)__builtin_ctz(mask | 1u << 31);
    mask &= mask - 1;
    unsigned volume_end = (unsigned)__builtin_ctz(mask | 1u << 31);
    if (!((year_end == 4) & (match_end - 6 < 4) & (volume_end - match_end - 2 < 4)))
        return NULL;
    uint32_t year = year_bytes(q);
    if (!((q[4] == '\t') & (q[match_end] == '\t') & (q[volume_end] == '\n') & (year != 0x30303030)))
        return NULL;
    uint32_t match, volume;
    memcpy(&match, q + 5, 4);
    memcpy(&volume, q + match_end + 1, 4);
    match = (match - 0x30303030) << (32 - 8 * (match_end - 5));
    volume = (volume - 0x30303030) << (32 - 8 * (volume_end - match_end - 1));
    uint64_t w = match | (uint64_t)volume << 32;
    w = (w * 10 + (w >> 8)) & 0x00ff00ff00ff00ff;
    w = (w * 100 + (w >> 16)) & 0x0000ffff0000ffff;
    uint64_t counts = year - rows->year_low <= rows->year_span;
    w &= 0 - counts;
    sums->match_count += (uint32_t)w;
    sums->volume_count += w >> 32;
    sums->entries += counts;
    return q + volume_end + 1;
}
#endif

/* Folds rows of version 2 from *next on, as long as they are of the run and of the usual shape. */
static always_inline uint64_t fold_rows(const ngram_rows *rows, run *sums, const char **next,
                                        ngram__key_class class)
{
    const char *p = *next, *key = sums->key;
    size_t size = sums->size;
    const char *last = rows->end - size - REACH; /* the caller has checked that there is room */
    run local = *sums;
    uint64_t lines = 0;
    while (p <= last && ngram__same_key(p, key, size, class)) {
        const char *q = p + size;
#ifdef ROWS_SSE2
        const char *end = add_short_entry(rows, &local, q);
        if (__builtin_expect(end != NULL, 1)) {
            p = end;
            lines++;
            continue;
        }
#endif
        shape s;
        if (!has_shape(q, '\t', &s))
            break;
        const char *lf = q + s.volume_end;
        if (__builtin_expect(*lf == '\r', 0)) /* a branch: to add would lengthen the chain */
            lf++;
        if (*lf != '\n' || !add_entry(rows, &local, q, s))
            break; /* year 0000 was of no consequence: it never counts */
        p = lf + 1;
        lines++;
    }
    *sums = local;
    *next = p;
    return lines;
}

/* The same for a key of at most 32 bytes. */
static uint64_t fold_short(const ngram_rows *rows, run *sums, const char **next)
{
    uint64_t lines = 0;
#ifdef ROWS_AVX2
    if (rows->years.from == 1 && rows->years.to == 9999)
        lines = ngram__fold_short(sums, next, rows->end);
    if ((size_t)(rows->end - *next) < sums->size + REACH)
        return lines;
#endif
    return lines + (sums->size <= 16 ? fold_rows(rows, sums, next, UP_TO_16)
                                     : fold_rows(rows, sums, next, UP_TO_32));
}

/* Folds one row of version 3 if all of it is of the usual shape, else nothing of it. */
static uint64_t fold_long_row(const ngram_rows *rows, run *sums, const char **next)
{
    const char *q = *next + sums->size;
    run local = *sums;
    for (; rows->end - q >= REACH; q++) {
        shape s;
        if (!has_shape(q, ',', &s) || !add_entry(rows, &local, q, s))
            return 0;
        q += s.volume_end;
        q += *q == '\r';
        if (*q == '\n') {
            *sums = local;
            *next = q + 1;
            return 1;
        }
        if (*q != '\t')
            return 0;
    }
    return 0;
}

/* Folds what it can of the run at rows->next; returns the number of rows. */
static uint64_t fold_fast(ngram_rows *rows, run *r)
{
    if ((size_t)(rows->end - rows->next) < r->size + REACH)
        return 0;
    run sums = { .key = r->key, .size = r->size };
    const char *next = rows->next;
    uint64_t lines;
    if (next[r->size + 4] == ',')
        lines = fold_long_row(rows, &sums, &next);
    else if (r->size <= 32)
        lines = fold_short(rows, &sums, &next);
    else
        lines = fold_rows(rows, &sums, &next, LONGER);
    if (__builtin_add_overflow(r->match_count, sums.match_count, &sums.match_count) ||
        __builtin_add_overflow(r->volume_count, sums.volume_count, &sums.volume_count)) {
        r->careful = true; /* and will find the row that did it */
        return 0;
    }
    sums.entries += r->entries;
    *r = sums;
    rows->next = next;
    rows->lines += lines;
    return lines;
}

/* ---- the careful path ---- */

static int refuse(ngram_rows *rows, const ngram__line *line, const char *reason, int code)
{
    rows->bad = (ngram_bad_row){
        .reason = reason,
        .row = line->row,
        .length = (size_t)(line->stop - line->row),
        .offset = (uint64_t)(line->row - rows->begin),
        .line = rows->lines,
    };
    rows->next = line->next;
    rows->lines++;
    return code;
}

static bool year_counts(const ngram_rows *rows, int year)
{
    return bytes_of_year(year) - rows->year_low <= rows->year_span;
}

/* Adds all entries of a line to the run. Returns 0, YK_EFORMAT or YK_EOVERFLOW with a reason. */
static int add_line(const ngram_rows *rows, run *r, const ngram__line *line, const char **reason)
{
    run sums = *r;
    bool overflow = false;
    ngram__counts c = { .next = line->entry };
    while (c.next) {
        *reason = ngram__parse_counts(&c, line, c.next);
        if (*reason)
            return YK_EFORMAT;
        if (!year_counts(rows, c.year))
            continue;
        overflow |= __builtin_add_overflow(sums.match_count, c.match_count, &sums.match_count);
        overflow |= __builtin_add_overflow(sums.volume_count, c.volume_count, &sums.volume_count);
        sums.entries++;
    }
    *reason = "the sum passes 64 bits";
    if (overflow)
        return YK_EOVERFLOW;
    *r = sums;
    return 0;
}

/* Folds one row. Returns 1, 0 if the run ends before it, or an error if the row is the run's
 * first; a bad row behind good ones ends the run, and will be the next run's first. */
static int fold_careful(ngram_rows *rows, run *r, bool first)
{
    ngram__line line;
    const char *reason = ngram__parse_line(&line, rows->next, rows->end);
    int err = reason ? YK_EFORMAT : add_line(rows, r, &line, &reason);
    if (err == YK_EFORMAT && !first)
        return 0;
    if (err)
        return refuse(rows, &line, reason, err);
    rows->next = line.next;
    rows->lines++;
    return 1;
}

/* Does the row at rows->next belong to the run? */
static bool in_run(const ngram_rows *rows, const run *r)
{
    return (size_t)(rows->end - rows->next) >= r->size && memcmp(rows->next, r->key, r->size) == 0;
}

/* Folds the run that begins at rows->next. Returns 0 or an error. */
static int fold_run(ngram_rows *rows, run *r)
{
    const char *tab = find_delimiter(rows->next, rows->end);
    r->key = rows->next;
    r->size = (size_t)(tab - rows->next) + 1;
    if (tab == rows->end || *tab != '\t' || r->size == 1)
        return fold_careful(rows, r, true); /* which refuses it */
    bool first = true;
    do {
        if (!r->careful && fold_fast(rows, r) > 0) {
            first = false;
            continue;
        }
        int folded = fold_careful(rows, r, first);
        if (folded <= 0)
            return folded;
        first = false;
    } while (in_run(rows, r));
    return 0;
}

void ngram_rows_init(ngram_rows *rows, const char *begin, const char *end, ngram_years years)
{
    int from = years.from > 0 ? years.from : 1;
    int to = years.to > 0 && years.to < 9999 ? years.to : 9999;
    *rows = (ngram_rows){ .begin = begin, .end = end, .next = begin, .years = { from, to } };
    if (from <= to) {
        rows->year_low = bytes_of_year(from);
        rows->year_span = bytes_of_year(to) - rows->year_low;
    } else {
        rows->year_low = UINT32_MAX; /* no year at all */
    }
}

int ngram_rows_next(ngram_rows *rows, ngram_group *group)
{
    while (rows->next < rows->end) {
        run r = { 0 };
        int err = fold_run(rows, &r);
        if (err)
            return err;
        if (r.entries == 0)
            continue; /* no year of it counts */
        *group = (ngram_group){ .ngram = r.key,
                                .length = r.size - 1,
                                .match_count = r.match_count,
                                .volume_count = r.volume_count,
                                .entries = r.entries };
        return 1;
    }
    return 0;
}

/* ---- entry by entry ---- */

/* Checks the row at rows->next as a whole, and stands before its first entry. */
static int enter_row(ngram_rows *rows)
{
    ngram__line line;
    const char *reason = ngram__parse_line(&line, rows->next, rows->end);
    ngram__counts c = { .next = line.entry };
    while (!reason && c.next)
        reason = ngram__parse_counts(&c, &line, c.next);
    if (reason)
        return refuse(rows, &line, reason, YK_EFORMAT);
    rows->ngram = line.ngram;
    rows->length = line.length;
    rows->entry = line.entry;
    rows->stop = line.stop;
    rows->next = line.next;
    rows->lines++;
    return 0;
}

static bool same_ngram(const char *p, const ngram_rows *rows)
{
    size_t size = rows->length + 1;
    if (size <= 16)
        return ngram__same_key(p, rows->ngram, size, UP_TO_16);
    return ngram__same_key(p, rows->ngram, size, LONGER);
}

/* Reads the row at rows->next if it is of version 2, of the usual shape, and of the n-gram of the
 * row before; `*counts`: is its year wanted? */
static bool fast_entry(ngram_rows *rows, ngram_entry *entry, bool *counts)
{
    const char *p = rows->next;
    if (!rows->ngram || (size_t)(rows->end - p) < rows->length + 1 + REACH || !same_ngram(p, rows))
        return false;
    const char *q = p + rows->length + 1;
    shape s;
    if (!has_shape(q, '\t', &s) || q[s.volume_end] != '\n' || year_bytes(q) == 0x30303030)
        return false;
    rows->next = q + s.volume_end + 1;
    rows->lines++;
    *counts = year_bytes(q) - rows->year_low <= rows->year_span;
    *entry = (ngram_entry){
        .ngram = p,
        .length = rows->length,
        .year = (int)eight_digits(q, 4),
        .match_count = eight_digits(q + 5, s.match_end - 5),
        .volume_count = eight_digits(q + s.match_end + 1, s.volume_end - s.match_end - 1),
    };
    return true;
}

int ngram_rows_next_entry(ngram_rows *rows, ngram_entry *entry)
{
    for (;;) {
        if (!rows->entry) {
            ngram_entry fast;
            bool counts;
            if (fast_entry(rows, &fast, &counts)) {
                if (!counts)
                    continue;
                *entry = fast;
                return 1;
            }
            if (rows->next >= rows->end)
                return 0;
            int err = enter_row(rows);
            if (err)
                return err;
        }
        ngram__line line = { .entry = rows->ngram + rows->length + 1, .stop = rows->stop };
        ngram__counts c;
        ngram__parse_counts(&c, &line, rows->entry); /* known to be good */
        rows->entry = c.next;
        if (!year_counts(rows, c.year))
            continue;
        *entry = (ngram_entry){ .ngram = rows->ngram,
                                .length = rows->length,
                                .year = c.year,
                                .match_count = c.match_count,
                                .volume_count = c.volume_count };
        return 1;
    }
}
