/* mapreduce/table_spill.c - sorting a table into a file. */
#include "table_spill.h"

#include <stdlib.h>
#include <uv.h>

#include "run_file.h"

static int by_part_and_key(const void *a, const void *b, void *arg)
{
    const yk__table *t = arg;
    const yk__record *x = *(const yk__record *const *)a, *y = *(const yk__record *const *)b;
    unsigned p = yk__part_of(x->hash), q = yk__part_of(y->hash);
    if (p != q)
        return p < q ? -1 : 1;
    return yk__compare_keys(yk__table_key(t, x), x->len & YK__KEY_MAX, yk__table_key(t, y),
                            y->len & YK__KEY_MAX);
}

static const yk__record **sort_records(const yk__table *t)
{
    size_t n = 0;
    const yk__record **order = malloc((t->used + 1) * sizeof(const yk__record *));
    if (!order)
        return NULL;
    for (const yk__record *r = NULL; (r = yk__table_next(t, r)) != NULL;)
        order[n++] = r;
    qsort_r(order, n, sizeof *order, by_part_and_key, (void *)t);
    return order;
}

static int add_record(yk__run_writer *w, const yk__table *t, const yk__record *r, uint64_t order)
{
    bool group = yk__table_is_group(t, r);
    yk__view view = { .head = *r,
                      .size = yk__table_value_size(t, r),
                      .order = order,
                      .value = group ? NULL : (const char *)(r + 1),
                      .key = yk__table_key(t, r) };
    char *value;
    int err = yk__run_add(w, &view, &value);
    if (!err && group)
        yk__table_copy_group(t, r, value);
    return err;
}

int yk__table_spill(const yk__table *t, uint64_t order, const char *path, bool durable)
{
    yk__run_writer w = { .fd = -1 };
    const yk__record **records = sort_records(t);
    int err = records ? yk__run_create(&w, path, t->form) : UV_ENOMEM;
    for (size_t i = 0; !err && i < t->used; i++)
        err = add_record(&w, t, records[i], order);
    if (!err)
        err = yk__run_finish(&w, NULL, 0, durable);
    yk__run_writer_free(&w);
    free(records);
    return err;
}
