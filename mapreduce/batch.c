/* mapreduce/batch.c - folding many keys at once. */
#include "batch.h"

void yk__batch_begin(yk__batch *b, const char *text, size_t len)
{
    b->text = text;
    b->text_len = len >= YK__KEY_WORDS ? len - YK__KEY_WORDS + 1 : 0;
    b->n = 0;
    b->last = b->adds = NULL;
}

int yk__batch_flush(yk__batch *b, yk__table *t)
{
    int err = 0;
    for (size_t i = 0; i < b->n; i++)
        yk__table_prefetch_record(t, b->waiting[i].key.hash);
    for (size_t i = 0; i < b->n && !err; i++)
        err = yk__table_add_key(t, &b->waiting[i].key, &b->waiting[i].value);
    b->n = 0;
    b->last = b->adds = NULL;
    return err;
}

int yk__batch_add(yk__batch *b, yk__table *t, const char *key, size_t len, uint64_t value)
{
    if (!yk__batch_may_wait(b, key) || len > YK__KEY_MAX)
        return yk__table_add(t, key, len, &value);
    int err = b->n == YK__BATCH ? yk__batch_flush(b, t) : 0;
    yk__waiting *w = b->last = &b->waiting[b->n++];
    *w = (yk__waiting){ yk__key_within(key, len, t->seed), value };
    b->adds = t->adds && len <= YK__KEY_SHORT ? w : NULL;
    yk__table_prefetch_slot(t, w->key.hash);
    return err;
}
