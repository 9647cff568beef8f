/* data/totals.c - reads total counts. */
#include "data/totals.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "data/input.h"
#include "executor/error.h"

#define FILE_MAX ((size_t)16 << 20) /* a thousand times the true ones */

typedef struct parser {
    const char *begin, *p, *end;
    const char *reason;
} parser;

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool number(parser *s, uint64_t *value)
{
    const char *first = s->p;
    uint64_t n = 0;
    for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++) {
        if (__builtin_mul_overflow(n, 10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*s->p - '0'), &n)) {
            s->reason = "a number is larger than 64 bits";
            return false;
        }
    }
    if (s->p == first)
        s->reason = "this is no number";
    *value = n;
    return s->p > first;
}

static bool skip(parser *s, char separator)
{
    if (s->p < s->end && *s->p == separator) {
        s->p++;
        return true;
    }
    s->reason = separator == ',' ? "a year needs four numbers with commas between"
                                 : "a year needs four numbers with TABs between";
    return false;
}

/* year,match_count,page_count,volume_count and a space behind it; or TABs instead of the commas. */
static bool entry(parser *s, ngram_total *total)
{
    uint64_t year;
    ngram_total t;
    if (!number(s, &year))
        return false;
    char c = s->p < s->end && *s->p == '\t' ? '\t' : ',';
    if (!skip(s, c) || !number(s, &t.match_count) || !skip(s, c) || !number(s, &t.page_count) ||
        !skip(s, c) || !number(s, &t.volume_count))
        return false;
    if (s->p < s->end && (c == '\t' ? *s->p != '\n' && *s->p != '\r' : !is_space(*s->p)))
        s->reason = "a year has four numbers and no more";
    else if (year < 1 || year > 9999)
        s->reason = "year is out of range (1 to 9999)";
    t.year = (int)year;
    *total = t;
    return !s->reason;
}

static int by_year(const void *a, const void *b)
{
    const ngram_total *x = a, *y = b;
    return (x->year > y->year) - (x->year < y->year);
}

static int refuse(char *message, size_t size, const char *name, const char *what)
{
    if (message)
        snprintf(message, size, "%.300s: %s", name, what);
    return YK_EFORMAT;
}

/* Sorts what was read, and sees that it makes sense. */
static const char *complete(ngram_totals *totals)
{
    if (totals->count == 0)
        return "there are no total counts in it";
    qsort(totals->years, totals->count, sizeof *totals->years, by_year);
    for (size_t i = 1; i < totals->count; i++)
        if (totals->years[i].year == totals->years[i - 1].year)
            return "a year comes twice";
    return NULL;
}

/* Space for every entry there can be: each has at least three commas, or as many TABs. */
static ngram_totals *room_for(const char *text, size_t length)
{
    size_t commas = 0;
    for (size_t i = 0; i < length; i++)
        commas += text[i] == ',' || text[i] == '\t';
    return calloc(1, sizeof(ngram_totals) + (commas / 3 + 1) * sizeof(ngram_total));
}

int ngram_totals_parse(ngram_totals **totals, const char *text, size_t length, const char *name,
                       char *message, size_t size)
{
    ngram_totals *t = room_for(text, length);
    if (!t)
        return UV_ENOMEM;
    parser s = { .begin = text, .p = text, .end = text + length };
    for (;;) {
        while (s.p < s.end && is_space(*s.p))
            s.p++;
        if (s.p == s.end)
            break;
        ngram_total total;
        if (!entry(&s, &total)) {
            char what[120];
            snprintf(what, sizeof what, "%s, at byte %zu", s.reason, (size_t)(s.p - s.begin));
            free(t);
            return refuse(message, size, name, what);
        }
        t->years[t->count++] = total;
    }
    const char *reason = complete(t);
    if (reason) {
        free(t);
        return refuse(message, size, name, reason);
    }
    *totals = t;
    return 0;
}

static int64_t read_all(yk_reader *reader, char *text)
{
    size_t size = 0;
    while (size <= FILE_MAX) {
        int64_t got = yk_reader_read(reader, text + size, FILE_MAX + 1 - size);
        if (got <= 0)
            return got < 0 ? got : (int64_t)size;
        size += (size_t)got;
    }
    return YK_EFORMAT;
}

int ngram_totals_read(ngram_totals **totals, const char *path, char *message, size_t size)
{
    yk_reader *reader;
    int err = yk_reader_open(&reader, path);
    if (err) {
        if (message)
            snprintf(message, size, "%.300s: %s", path, yk_strerror(err));
        return err;
    }
    char *text = malloc(FILE_MAX + 1); /* only what is used of it becomes memory */
    int64_t length = text ? read_all(reader, text) : UV_ENOMEM;
    if (length >= 0)
        err = ngram_totals_parse(totals, text, (size_t)length, path, message, size);
    else if (*yk_reader_error(reader) && message)
        snprintf(message, size, "%s", yk_reader_error(reader));
    else if (message)
        snprintf(message, size, "%.300s: it is too large for total counts", path);
    yk_reader_close(reader);
    free(text);
    return length < 0 ? (int)length : err;
}

const ngram_total *ngram_totals_find(const ngram_totals *totals, int year)
{
    ngram_total key = { .year = year };
    return bsearch(&key, totals->years, totals->count, sizeof key, by_year);
}
