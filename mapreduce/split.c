/* mapreduce/split.c - what a map function asks of its split. */
#include "split_state.h"

#include <stdio.h>
#include <string.h>

#include "../data/rows.h"
#include "../executor/error.h"
#include "records.h"
#include "scan.h"

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

bool yk_split_next_record(yk_split *split, yk_str *record)
{
    if (split->next == split->end || must_stop(split))
        return false;
    const yk_splitter *splitter = &split->arg->splitter;
    const char *end = yk__record_end(splitter, split->next, split->end);
    bool lf = yk__are_lines(splitter) && end[-1] == '\n';
    *record = (yk_str){ split->next, (size_t)(end - split->next) - lf };
    split->next = end;
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

typedef struct fields {
    yk_str *to;
    size_t max, n;
} fields;

static inline void add_field(fields *f, const char *begin, const char *end)
{
    if (f->n < f->max)
        f->to[f->n] = (yk_str){ begin, (size_t)(end - begin) };
    f->n++;
}

/* Bit i is set where p[i] is c, for so many scans. */
static inline uint64_t find_all(const char *p, char c, unsigned scans)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < scans; i++)
        mask |= (uint64_t)yk__equal(p + i * YK__SCAN, c) << i * YK__SCAN;
    return mask;
}

/* Cuts a line that ends within so many scans from `begin` on; where the next begins, or NULL. */
static inline __attribute__((always_inline)) const char *cut_short_line(fields *f,
                                                                        const char *begin,
                                                                        char separator,
                                                                        unsigned scans)
{
    uint64_t ends = find_all(begin, '\n', scans);
    if (!ends)
        return NULL;
    const char *end = begin + __builtin_ctzll(ends), *from = begin;
    uint64_t cuts = find_all(begin, separator, scans);
    for (cuts &= ends ^ (ends - 1); cuts; cuts &= cuts - 1) {
        const char *cut = begin + __builtin_ctzll(cuts);
        if (cut == end)
            break; /* lines are cut at LF: all of them are short */
        add_field(f, from, cut);
        from = cut + 1;
    }
    add_field(f, from, end);
    return end + 1;
}

static const char *cut_line(fields *f, const char *from, const char *end, char separator)
{
    for (const char *p = from; p < end; p++) {
        if (*p != separator && *p != '\n')
            continue;
        add_field(f, from, p);
        from = p + 1;
        if (*p == '\n')
            return from;
    }
    add_field(f, from, end);
    return end;
}

size_t yk_split_next_fields(yk_split *split, char separator, yk_str *to, size_t max)
{
    const char *p = split->next, *end = split->end, *next = NULL;
    if (p == end || must_stop(split))
        return 0;
    fields f = { .to = to, .max = max };
    if (end - p >= 2 * YK__SCAN)
        next = cut_short_line(&f, p, separator, 2);
    if (!next && end - p >= 4 * YK__SCAN)
        next = cut_short_line(&f, p, separator, 4);
    split->next = next ? next : cut_line(&f, p, end, separator);
    return f.n;
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
    split->records = records;
    split->records_known = true;
}

void yk__split_count_to(yk_split *split, const char *at)
{
    if (at <= split->counted_to)
        return;
    split->records += yk__count_records(&split->arg->splitter, split->counted_to, at);
    split->counted_to = at;
}

static void describe_record(yk_split *split, yk__flaw *flaw, const char *at, size_t len)
{
    flaw->has_place = true;
    flaw->offset = split->offset + (uint64_t)(at - split->begin);
    flaw->line = split->records_before + split->records;
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
