/* data/row_parse.c - one row, taken apart carefully, with a reason for everything refused. */
#include "data/row_parse.h"

#include <stdbool.h>
#include <string.h>

const char *ngram__parse_line(ngram__line *line, const char *row, const char *end)
{
    const char *lf = memchr(row, '\n', (size_t)(end - row));
    const char *stop = lf ? lf : end;
    if (stop > row && stop[-1] == '\r')
        stop--;
    *line = (ngram__line){ .row = row, .ngram = row, .stop = stop, .next = lf ? lf + 1 : end };
    if (stop == row)
        return "empty row";
    const char *tab = memchr(row, '\t', (size_t)(stop - row));
    if (!tab)
        return "no TAB after the n-gram";
    line->length = (size_t)(tab - row);
    line->entry = tab + 1;
    return line->length ? NULL : "empty n-gram";
}

static bool is_digit(const char *p, const char *stop)
{
    return p < stop && *p >= '0' && *p <= '9';
}

/* Reads digits from *p on. `reasons`: none there, something else behind them, too large. */
static const char *parse_count(uint64_t *count, const char **p, const char *stop, char separator,
                               const char *const reasons[3])
{
    uint64_t value = 0;
    const char *q = *p;
    if (q == stop || *q == separator || *q == '\t')
        return reasons[0];
    for (; is_digit(q, stop); q++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*q - '0'), &value))
            return reasons[2];
    }
    if (q < stop && *q != separator && *q != '\t')
        return reasons[1];
    *count = value;
    *p = q;
    return NULL;
}

static const char *parse_year(int *year, const char **p, const char *stop)
{
    int value = 0;
    const char *q = *p;
    for (; is_digit(q, stop); q++) {
        if (q - *p == 4)
            return "year is out of range (1 to 9999)";
        value = value * 10 + (*q - '0');
    }
    if (q < stop && *q != '\t' && *q != ',')
        return "year is not a number";
    if (q == *p)
        return "no year";
    if (value == 0)
        return "year is out of range (1 to 9999)";
    *year = value;
    *p = q;
    return NULL;
}

const char *ngram__parse_counts(ngram__counts *counts, const ngram__line *line, const char *entry)
{
    static const char *const match_reasons[3] = { "no match count", "match count is not a number",
                                                  "match count is larger than 64 bits" };
    static const char *const volume_reasons[3] = { "no volume count",
                                                   "volume count is not a number",
                                                   "volume count is larger than 64 bits" };
    const char *p = entry, *stop = line->stop;
    ngram__counts c = { 0 };
    const char *reason = parse_year(&c.year, &p, stop);
    if (reason)
        return reason;
    if (p == stop)
        return match_reasons[0];
    char separator = *p++;
    if (separator == '\t' && entry != line->entry)
        return match_reasons[0]; /* a row of version 3 stays one */
    reason = parse_count(&c.match_count, &p, stop, separator, match_reasons);
    if (reason)
        return reason;
    if (p == stop || *p != separator)
        return volume_reasons[0];
    p++;
    reason = parse_count(&c.volume_count, &p, stop, separator, volume_reasons);
    if (reason)
        return reason;
    if (p < stop && separator == '\t') { /* version 1: what was read are pages */
        p++;
        reason = parse_count(&c.volume_count, &p, stop, separator, volume_reasons);
        if (reason)
            return reason;
        if (p < stop)
            return "more than five fields";
    }
    if (p < stop && *p == ',')
        return "more than three numbers for a year";
    c.next = p < stop ? p + 1 : NULL;
    *counts = c;
    return NULL;
}
