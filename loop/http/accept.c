/* Accept-Encoding: a list of codings, each with a weight of 0 to 1 in thousandths. */
#include "accept.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "list.h"

const char *const yk__coding_names[YK__CODINGS] = { "zstd", "gzip", "identity" };

enum { UNSAID = -1, BAD = -2 };

/* The weight in "; q=0.5", 1000 where there is none. */
static int weight_of(const char *at, const char *end)
{
    at = yk__skip_blanks(at, end);
    if (at == end)
        return 1000;
    if (*at++ != ';')
        return BAD;
    at = yk__skip_blanks(at, end);
    if (end - at < 3 || (*at != 'q' && *at != 'Q') || at[1] != '=' ||
        (at[2] != '0' && at[2] != '1'))
        return BAD;
    int q = (at[2] - '0') * 1000;
    at += 3;
    if (at < end && *at == '.')
        at++;
    for (int unit = 100; at < end && unit > 0 && *at >= '0' && *at <= '9'; unit /= 10)
        q += (*at++ - '0') * unit;
    return q > 1000 || yk__skip_blanks(at, end) != end ? BAD : q;
}

static bool is(const char *name, size_t len, const char *expected)
{
    return strlen(expected) == len && strncasecmp(name, expected, len) == 0;
}

static void read_one(const char *at, const char *end, int weight[YK__CODINGS], int *others)
{
    const char *name = at;
    while (at < end && *at != ';' && *at != ' ' && *at != '\t')
        at++;
    size_t len = (size_t)(at - name);
    int q = weight_of(at, end);
    if (q == BAD)
        return;
    if (is(name, len, "*"))
        *others = q;
    if (is(name, len, "x-gzip"))
        weight[YK__GZIP] = q;
    for (int i = 0; i < YK__CODINGS; i++)
        if (is(name, len, yk__coding_names[i]))
            weight[i] = q;
}

yk__coding yk__coding_choose(const char *accept, unsigned offered)
{
    int weight[YK__CODINGS] = { UNSAID, UNSAID, UNSAID }, others = UNSAID;
    const char *at = accept ? accept : "", *end;
    for (const char *next = at; yk__list_next(&next, &at, &end);)
        read_one(at, end, weight, &others);
    yk__coding best = YK__IDENTITY;
    int best_weight = weight[YK__IDENTITY] > 0 ? weight[YK__IDENTITY] : 0;
    for (int i = YK__IDENTITY - 1; i >= 0; i--) {
        int q = weight[i] == UNSAID ? others : weight[i];
        if (!(offered & 1u << i) || q <= 0 || q < best_weight)
            continue;
        best = (yk__coding)i;
        best_weight = q;
    }
    return best;
}
