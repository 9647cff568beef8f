/* mapreduce/join.c - folding neighbours. */
#include "join.h"

#include <stdlib.h>
#include <uv.h>

static bool same_key(const yk__join *j, const yk__view *v)
{
    size_t len = v->head.len & YK__KEY_MAX;
    return j->has && j->head.hash == v->head.hash && (j->head.len & YK__KEY_MAX) == len &&
           memcmp(j->key, v->key, len) == 0;
}

static int keep_key(yk__join *j, const yk__view *v)
{
    size_t len = v->head.len & YK__KEY_MAX;
    if (len > j->cap || !j->key) {
        char *key = realloc(j->key, len + 64);
        if (!key)
            return UV_ENOMEM;
        j->key = key;
        j->cap = len + 64;
    }
    memcpy(j->key, v->key, len);
    j->head = v->head;
    j->has = true;
    j->keys++;
    return 0;
}

static int pass_on(yk__join *j)
{
    yk__view view = {
        .head = j->head, .size = j->form.value_size, .value = (const char *)j->value, .key = j->key
    };
    return j->has ? j->put(j->to, &view) : 0;
}

/* Groups are not put together, for they may be larger than memory. */
static int add_group(yk__join *j, const yk__view *v)
{
    int err = same_key(j, v) ? 0 : keep_key(j, v);
    return err ? err : j->put(j->to, v);
}

int yk__join_add(yk__join *j, const yk__view *v)
{
    uint64_t value[YK__VALUE_MAX / 8];
    if (!j->fold)
        return add_group(j, v);
    if (same_key(j, v)) {
        memcpy(value, v->value, j->form.value_size);
        yk__fold_into(j->fold, j->value, &j->head.len, value, v->head.len & YK__POISONED);
        return 0;
    }
    int err = pass_on(j);
    if (!err)
        err = keep_key(j, v);
    if (!err)
        memcpy(j->value, v->value, j->form.value_size);
    return err;
}

int yk__join_end(yk__join *j)
{
    int err = j->fold ? pass_on(j) : 0;
    j->has = false;
    return err;
}

void yk__join_free(yk__join *j)
{
    free(j->key);
    j->key = NULL;
    j->cap = 0;
}
