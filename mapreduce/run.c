/* mapreduce/run.c - a table as packed runs. */
#include "run.h"

static size_t packed_size(const yk__table *t, const yk__record *r)
{
    return sizeof *r + t->fold->value_size + (r->len & YK__KEY_MAX);
}

size_t yk__parts_measure(const yk__table *t, yk__parts *parts)
{
    memset(parts, 0, sizeof *parts);
    for (size_t at = 0; at < t->pool_len;) {
        const yk__record *r = (const yk__record *)(t->pool + at);
        unsigned part = yk__part_of(r->hash);
        parts->at[part + 1] += packed_size(t, r);
        parts->records[part]++;
        at += yk__record_size(t->fold->value_size, r->len);
    }
    for (unsigned i = 0; i < YK__PARTS; i++)
        parts->at[i + 1] += parts->at[i];
    return parts->at[YK__PARTS];
}

void yk__parts_write(const yk__table *t, const yk__parts *parts, char *to)
{
    char *next[YK__PARTS];
    for (unsigned i = 0; i < YK__PARTS; i++)
        next[i] = to + parts->at[i];
    for (size_t at = 0; at < t->pool_len;) {
        const yk__record *r = (const yk__record *)(t->pool + at);
        unsigned part = yk__part_of(r->hash);
        size_t size = packed_size(t, r);
        memcpy(next[part], r, size);
        next[part] += size;
        at += yk__record_size(t->fold->value_size, r->len);
    }
}

bool yk__parts_fit(const yk__parts *parts, size_t len)
{
    if (parts->at[0] != 0 || parts->at[YK__PARTS] != len)
        return false;
    for (unsigned i = 0; i < YK__PARTS; i++)
        if (parts->at[i] > parts->at[i + 1])
            return false;
    return true;
}
