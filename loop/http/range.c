/* Range: "bytes=0-99, 200-, -50". */
#include "range.h"

#include <stdbool.h>
#include <stddef.h>
#include <strings.h>

#include "list.h"

/* Digits, at least one; a number beyond 64 bits is the largest. */
static bool read_number(const char **at, const char *end, uint64_t *n)
{
    const char *p = *at;
    uint64_t sum = 0;
    for (; p < end && *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_add_overflow(sum, (uint64_t)(*p - '0'), &sum))
            sum = UINT64_MAX / 10 + 1; /* and stays beyond, whatever follows */
    if (p == *at)
        return false;
    *at = p;
    *n = sum;
    return true;
}

typedef enum verdict { NONSENSE, NOTHING, SOMETHING } verdict;

static verdict read_suffix(const char *at, const char *end, uint64_t size, yk__range *r)
{
    uint64_t n;
    if (!read_number(&at, end, &n) || at != end)
        return NONSENSE;
    if (n == 0 || size == 0)
        return NOTHING;
    *r = (yk__range){ n < size ? size - n : 0, size - 1 };
    return SOMETHING;
}

static verdict read_one(const char *at, const char *end, uint64_t size, yk__range *r)
{
    if (*at == '-')
        return read_suffix(at + 1, end, size, r);
    uint64_t first, last = UINT64_MAX;
    if (!read_number(&at, end, &first) || at == end || *at++ != '-')
        return NONSENSE;
    if (at != end && (!read_number(&at, end, &last) || at != end || last < first))
        return NONSENSE;
    if (first >= size)
        return NOTHING;
    *r = (yk__range){ first, last < size ? last : size - 1 };
    return SOMETHING;
}

int yk__range_parse(const char *value, uint64_t size, yk__range ranges[YK__RANGES])
{
    if (!value || strncasecmp(value, "bytes=", 6) != 0)
        return 0;
    int n = 0;
    bool any = false;
    uint64_t sum = 0;
    const char *next = value + 6, *at, *end;
    while (yk__list_next(&next, &at, &end)) {
        yk__range r;
        verdict v = read_one(at, end, size, &r);
        if (v == NONSENSE || (v == SOMETHING && n == YK__RANGES))
            return 0;
        any = true;
        if (v == NOTHING)
            continue;
        sum += r.last - r.first + 1; /* at most YK__RANGES times a file's size */
        ranges[n++] = r;
    }
    if (n == 0)
        return any ? -416 : 0;
    return n > 1 && sum > size ? 0 : n;
}
