/* mapreduce/run.c - records, and a table as packed runs. */
#include "run.h"

char *yk__run_put(char *to, yk__form form, const yk__view *view, char **value)
{
    memcpy(to, &view->head, sizeof view->head);
    to += sizeof view->head;
    if (form.grouped) {
        memcpy(to, &view->order, sizeof view->order);
        memcpy(to + sizeof view->order, &view->size, sizeof view->size);
        to += YK__GROUP_HEAD;
    }
    if (view->value)
        memcpy(to, view->value, view->size);
    else
        *value = to;
    to += view->size;
    size_t len = view->head.len & YK__KEY_MAX;
    memcpy(to, view->key, len);
    return to + len;
}

/* A record of a table as it will be in a run; a group's value is yet to be put together. */
static yk__view view_of(const yk__table *t, const yk__record *r, uint64_t order)
{
    return (yk__view){ .head = *r,
                       .size = yk__table_value_size(t, r),
                       .order = order,
                       .value = yk__table_is_group(t, r) ? NULL : (const char *)(r + 1),
                       .key = yk__table_key(t, r) };
}

size_t yk__parts_measure(const yk__table *t, yk__parts *parts)
{
    memset(parts, 0, sizeof *parts);
    for (const yk__record *r = NULL; (r = yk__table_next(t, r)) != NULL;) {
        unsigned part = yk__part_of(r->hash);
        parts->at[part + 1] += yk__packed_size(t->form, yk__table_value_size(t, r), r->len);
        parts->records[part]++;
    }
    for (unsigned i = 0; i < YK__PARTS; i++)
        parts->at[i + 1] += parts->at[i];
    return parts->at[YK__PARTS];
}

void yk__parts_write(const yk__table *t, const yk__parts *parts, uint64_t order, char *to)
{
    char *next[YK__PARTS];
    for (unsigned i = 0; i < YK__PARTS; i++)
        next[i] = to + parts->at[i];
    for (const yk__record *r = NULL; (r = yk__table_next(t, r)) != NULL;) {
        unsigned part = yk__part_of(r->hash);
        yk__view view = view_of(t, r, order);
        char *value;
        next[part] = yk__run_put(next[part], t->form, &view, &value);
        if (!view.value)
            yk__table_copy_group(t, r, value);
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
