/* mapreduce/counters.c - named numbers, in the order of their names. */
#include "counters.h"

#include <string.h>
#include <uv.h>

#include "../executor/error.h"

static uint64_t add_or_stay(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

int yk__counters_add(yk__counters *c, const char *name, uint64_t n)
{
    size_t len = strnlen(name, sizeof c->at->name);
    if (len == 0 || len == sizeof c->at->name)
        return UV_EINVAL;
    unsigned i = 0;
    int order = -1;
    while (i < c->n && (order = strcmp(c->at[i].name, name)) < 0)
        i++;
    if (i < c->n && order == 0) {
        c->at[i].value = add_or_stay(c->at[i].value, n);
        return 0;
    }
    if (c->n == YK_MAPREDUCE_COUNTERS)
        return UV_E2BIG;
    memmove(&c->at[i + 1], &c->at[i], (c->n - i) * sizeof *c->at);
    c->at[i] = (yk_mapreduce_counter){ .value = n };
    memcpy(c->at[i].name, name, len);
    c->n++;
    return 0;
}

int yk__counters_add_all(yk__counters *c, const yk__counters *from)
{
    if (from->n > YK_MAPREDUCE_COUNTERS)
        return YK_EFORMAT;
    int err = 0;
    for (unsigned i = 0; !err && i < from->n; i++)
        err = yk__counters_add(c, from->at[i].name, from->at[i].value);
    return err == UV_EINVAL ? YK_EFORMAT : err;
}
