/* mapreduce/records.c - lines, records of one size, and records that a function knows. */
#include "records.h"

#include <string.h>

#include "../data/input.h"

const char *yk__record_end(const yk_splitter *s, const char *p, const char *end)
{
    size_t left = (size_t)(end - p), len = s->record_size;
    if (yk__are_lines(s)) {
        const char *lf = memchr(p, '\n', left);
        return lf ? lf + 1 : end;
    }
    if (s->record)
        len = s->record(p, left, true);
    return len == 0 || len > left ? end : p + len;
}

const char *yk__pass_records(const yk_splitter *s, const char *p, const char *end, uint64_t n)
{
    for (; n > 0 && p < end; n--)
        p = yk__record_end(s, p, end);
    return p;
}

uint64_t yk__count_records(const yk_splitter *s, const char *p, const char *end)
{
    uint64_t n = 0;
    if (yk__are_lines(s))
        return yk_count_lines(p, end) + (end > p && end[-1] != '\n');
    if (!s->record)
        return ((uint64_t)(end - p) + s->record_size - 1) / s->record_size;
    for (; p < end; n++)
        p = yk__record_end(s, p, end);
    return n;
}

size_t yk__whole_records(const yk_splitter *s, const char *text, size_t len, bool is_end)
{
    size_t whole = 0;
    if (yk__are_lines(s)) {
        const char *lf = memrchr(text, '\n', len);
        return is_end ? len : lf ? (size_t)(lf + 1 - text) : 0;
    }
    if (!s->record)
        return len - len % s->record_size;
    for (size_t next; whole < len; whole += next) {
        next = s->record(text + whole, len - whole, is_end);
        if (next == 0 || next > len - whole)
            break;
    }
    return whole;
}
