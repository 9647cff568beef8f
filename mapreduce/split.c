/* mapreduce/split.c - what a map function asks of its split. */
#include "split_state.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "../data/rows.h"
#include "../executor/error.h"
#include "records.h"
#include "scan.h"

enum { MARKED = 64, LOOK_BYTES = 4096 };

bool yk_split_cancelled(const yk_split *split)
{
    return yk_job_cancelled(split->job);
}

static bool must_stop(yk_split *split)
{
    if (split->until_look-- > 0)
        return false;
    split->until_look = YK__LOOK_EVERY;
    return yk_split_cancelled(split);
}

/* Records that are handed out one after the other are counted by the way. */
static inline __attribute__((always_inline)) void count_one(yk_split *split, const char *record)
{
    if (split->counted_to != record)
        return;
    split->counted_to = split->next;
    split->records++;
}

bool yk_split_next_record(yk_split *split, yk_str *record)
{
    if (split->next == split->end || must_stop(split))
        return false;
    const char *end = yk__record_end(&split->arg->splitter, split->next, split->end);
    bool lf = split->are_lines && end[-1] == '\n';
    *record = (yk_str){ split->next, (size_t)(end - split->next) - lf };
    const char *begin = split->next;
    split->next = end;
    count_one(split, begin);
    return true;
}

/* The first byte at or after p that is blank, or that is none. */
static const char *find_blank(const char *p, const char *end, bool blank)
{
    uint32_t flip = blank ? 0 : YK__SCAN_ALL;
    for (; end - p >= YK__SCAN; p += YK__SCAN) {
        uint32_t mask = yk__blanks(p) ^ flip;
        if (mask)
            return p + __builtin_ctz(mask);
    }
    while (p < end && yk__is_blank(*p) != blank)
        p++;
    return p;
}

bool yk_split_next_word(yk_split *split, yk_str *word)
{
    const char *p = split->next, *end = split->end;
    if (p < end && yk__is_blank(*p))
        p++; /* most words are one blank apart */
    if (p < end && yk__is_blank(*p))
        p = find_blank(p, end, false);
    split->next = p;
    if (p == end || must_stop(split))
        return false;
    split->next = find_blank(p, end, true);
    *word = (yk_str){ p, (size_t)(split->next - p) };
    return true;
}

/* Where in 64 bytes are separators and LFs: bit i, for the i-th. */
typedef struct marks {
    uint64_t separators, lfs;
} marks;

static inline uint64_t find_all(const char *p, char c)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < MARKED / YK__SCAN; i++)
        mask |= (uint64_t)yk__equal(p + i * YK__SCAN, c) << i * YK__SCAN;
    return mask;
}

static inline __attribute__((always_inline)) size_t lowest(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

static inline void add_field(yk_str *to, size_t max, size_t *n, const char **from, const char *end)
{
    if (*n < max)
        to[*n] = (yk_str){ *from, (size_t)(end - *from) };
    ++*n;
    *from = end + 1;
}

/* Any line. */
static size_t cut_line(yk_split *split, char separator, yk_str *to, size_t max)
{
    const char *p = split->next, *from = p, *end = split->end, *lf = NULL;
    size_t n = 0;
    for (; !lf && end - p >= MARKED; p += MARKED) {
        marks m = { find_all(p, separator), find_all(p, '\n') };
        uint64_t cuts = m.separators & (m.lfs ? (m.lfs & -m.lfs) - 1 : ~(uint64_t)0);
        for (; cuts; cuts &= cuts - 1)
            add_field(to, max, &n, &from, p + lowest(cuts));
        lf = m.lfs ? p + lowest(m.lfs) : NULL;
    }
    for (; !lf; p++) {
        if (p == end || *p == '\n')
            lf = p; /* or the end */
        else if (*p == separator)
            add_field(to, max, &n, &from, p);
    }
    add_field(to, max, &n, &from, lf);
    split->next = lf < end ? lf + 1 : end;
    return n;
}

/* The lines up to there may be cut without a look at the cancellation, and 64 bytes be read. */
static void move_limit(yk_split *split)
{
    const char *end = split->end - (MARKED - 1), *next = split->next + LOOK_BYTES;
    split->limit = end - split->next < LOOK_BYTES ? end : next;
    split->until_look -=
        split->until_look < LOOK_BYTES / MARKED ? split->until_look : LOOK_BYTES / MARKED;
}

static __attribute__((noinline)) size_t next_fields(yk_split *split, char separator, yk_str *to,
                                                    size_t max)
{
    const char *p = split->next;
    if (p == split->end || must_stop(split))
        return 0;
    if (split->are_lines && p >= split->limit && split->end - p >= MARKED)
        move_limit(split);
    size_t n = cut_line(split, separator, to, max);
    if (split->are_lines)
        count_one(split, p);
    return n;
}

#ifdef YK__SCAN_AVX2
/* Cuts the line at p, whose end is marked. */
static inline __attribute__((always_inline)) size_t cut_marked(yk_split *split, const char *p,
                                                               marks m, yk_str *to, size_t max)
{
    uint64_t ends = (m.separators | m.lfs) & (m.lfs ^ (m.lfs - 1));
    size_t n = (unsigned)__builtin_popcountll(ends), stored = n < max ? n : max, from = 0;
    for (size_t i = 0; i < stored; i++, ends &= ends - 1) {
        size_t end = lowest(ends);
        to[i] = (yk_str){ p + from, end - from };
        from = end + 1;
    }
    split->next = p + lowest(m.lfs) + 1;
    count_one(split, p);
    return n;
}

/* Nearly every line. Nothing is called, and so nothing saved for a call. */
static __attribute__((target("avx2,bmi"))) size_t next_fields_avx2(yk_split *split, char separator,
                                                                   yk_str *to, size_t max)
{
    const char *p = split->next;
    if (p >= split->limit)
        return next_fields(split, separator, to, max);
    __m256i a = _mm256_loadu_si256((const __m256i *)p);
    __m256i b = _mm256_loadu_si256((const __m256i *)(p + 32));
    marks m = { yk__equal_64(a, b, separator), yk__equal_64(a, b, '\n') };
    if (!m.lfs)
        return next_fields(split, separator, to, max);
    return cut_marked(split, p, m, to, max);
}
#endif

static size_t choose(yk_split *split, char separator, yk_str *to, size_t max);

/* What this processor can do. Relaxed: whatever it is does it. */
static _Atomic(size_t (*)(yk_split *, char, yk_str *, size_t)) fields_fn = choose;

static size_t choose(yk_split *split, char separator, yk_str *to, size_t max)
{
    atomic_store_explicit(&fields_fn, next_fields, memory_order_relaxed);
#ifdef YK__SCAN_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"))
        atomic_store_explicit(&fields_fn, next_fields_avx2, memory_order_relaxed);
#endif
    return next_fields(split, separator, to, max);
}

size_t yk_split_next_fields(yk_split *split, char separator, yk_str *to, size_t max)
{
    return atomic_load_explicit(&fields_fn, memory_order_relaxed)(split, separator, to, max);
}

yk_str yk_split_text(const yk_split *split)
{
    return (yk_str){ split->begin, (size_t)(split->end - split->begin) };
}

const char *yk_split_name(const yk_split *split)
{
    return yk__map_name(split->arg);
}

uint64_t yk_split_place(const yk_split *split, const char *at)
{
    uint64_t before = split->arg->text_before;
    if (before == YK_SIZE_UNKNOWN)
        return UINT64_MAX;
    return before + split->offset + (uint64_t)(at - split->begin);
}

void yk_split_set_records(yk_split *split, uint64_t records)
{
    split->all_records = records;
    split->records_known = true;
}

void yk__split_count_to(yk_split *split, const char *at)
{
    if (at <= split->counted_to)
        return;
    split->records += yk__count_records(&split->arg->splitter, split->counted_to, at);
    split->counted_to = at;
}

/* It may be one of those before the last that was handed out. */
static uint64_t records_from(const yk_split *split, const char *at)
{
    return at < split->counted_to ? yk__count_records(&split->arg->splitter, at, split->counted_to)
                                  : 0;
}

static void describe_record(yk_split *split, yk__flaw *flaw, const char *at, size_t len)
{
    flaw->has_place = true;
    flaw->offset = split->offset + (uint64_t)(at - split->begin);
    flaw->line = split->records_before + split->records - records_from(split, at);
    ngram_quote(flaw->quote, sizeof flaw->quote, at, len);
}

int yk_split_bad_record(yk_split *split, const char *at, size_t len, const char *reason)
{
    bool skip = split->skip_bad;
    yk__flaw *flaw = skip ? &split->head->first_bad : &split->head->flaw;
    if (skip)
        split->head->bad_records++;
    if (flaw->code == 0) {
        yk__split_count_to(split, at);
        flaw->code = YK_EFORMAT;
        snprintf(flaw->reason, sizeof flaw->reason, "%s", reason);
        describe_record(split, flaw, at, len);
    }
    return skip ? 0 : YK_EFORMAT;
}
