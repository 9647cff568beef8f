/* mapreduce/table.c - the table of keys. */
#include "table.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../executor/error.h"

enum { FIRST_SLOTS = 1024, FIRST_POOL = 64 * 1024, KEEP_SLOTS = 1 << 16, KEEP_POOL = 4 << 20 };

uint32_t yk__hash(const char *key, size_t len, uint64_t seed)
{
    return yk__key_of(key, len, seed).hash;
}

/* ---- Memory -------------------------------------------------------------------------------- */

static int set_slots(yk__table *t, size_t n)
{
    yk__slot *slots = calloc(n, sizeof *slots);
    if (!slots)
        return UV_ENOMEM;
    free(t->slots);
    t->slots = slots;
    t->mask = n - 1;
    return 0;
}

static yk__record *record_at(const yk__table *t, uint32_t at)
{
    return (yk__record *)(t->pool.at + (size_t)(at - 1) * 8);
}

static int grow_slots(yk__table *t)
{
    yk__slot *old = t->slots;
    size_t n = t->mask + 1;
    t->slots = NULL;
    int err = set_slots(t, n * 2);
    if (err) {
        t->slots = old;
        return err;
    }
    for (size_t i = 0; i < n; i++) {
        if (!old[i].at)
            continue;
        size_t at = old[i].hash & t->mask;
        while (t->slots[at].at)
            at = (at + 1) & t->mask;
        t->slots[at] = old[i];
    }
    free(old);
    return 0;
}

static int reserve(yk__pool *pool, size_t more)
{
    more += YK__KEY_WORDS; /* that can be read behind the last key */
    if (more <= pool->cap - pool->len)
        return 0;
    size_t cap = pool->cap ? pool->cap : FIRST_POOL;
    while (cap - pool->len < more)
        cap *= 2;
    if (cap / 8 >= UINT32_MAX)
        return UV_ENOMEM;
    char *at = realloc(pool->at, cap);
    if (!at)
        return UV_ENOMEM;
    pool->at = at;
    pool->cap = cap;
    return 0;
}

static void empty(yk__pool *pool)
{
    if (pool->cap > KEEP_POOL && pool->len < pool->cap / 4) { /* a rare large split is over */
        free(pool->at);
        *pool = (yk__pool){ 0 };
    }
    pool->len = 0;
}

int yk__table_begin(yk__table *t, const yk_fold *fold, uint64_t seed)
{
    empty(&t->pool);
    empty(&t->values);
    t->fold = fold;
    t->form = (yk__form){ fold ? (uint32_t)fold->value_size : 0, !fold };
    t->adds = fold == YK_SUM_U64;
    t->in_record = fold ? fold->value_size : sizeof(yk__group);
    t->seed = seed;
    size_t used = t->used;
    t->used = 0;
    if (!t->slots || (t->mask >= KEEP_SLOTS && used < t->mask / 8))
        return set_slots(t, FIRST_SLOTS);
    memset(t->slots, 0, (t->mask + 1) * sizeof *t->slots);
    return 0;
}

void yk__table_free(yk__table *t)
{
    free(t->slots);
    free(t->pool.at);
    free(t->values.at);
    memset(t, 0, sizeof *t);
}

/* The bytes that a record takes in the pool. */
static size_t size_in_pool(const yk__table *t, uint32_t len)
{
    return (sizeof(yk__record) + t->in_record + (len & YK__KEY_MAX) + 7) & ~(size_t)7;
}

const yk__record *yk__table_next(const yk__table *t, const yk__record *r)
{
    const char *at = r ? (const char *)r + size_in_pool(t, r->len) : t->pool.at;
    return at && at < t->pool.at + t->pool.len ? (const yk__record *)at : NULL;
}

/* ---- Folding ------------------------------------------------------------------------------- */

static void poison(void *value, uint32_t *len, int code)
{
    memcpy(value, &code, sizeof code);
    *len |= YK__POISONED;
}

static int poison_code(const void *value)
{
    int code;
    memcpy(&code, value, sizeof code);
    return code;
}

/* Of two errors of one key the larger number wins, so that the order does not show. */
void yk__fold_into(const yk_fold *fold, void *into, uint32_t *len, const void *value,
                   bool value_is_poisoned)
{
    int before = *len & YK__POISONED ? poison_code(into) : INT_MIN;
    if (value_is_poisoned) {
        int code = poison_code(value);
        poison(into, len, code > before ? code : before);
    } else if (!(*len & YK__POISONED)) {
        int code = fold->fold(into, value);
        if (code < 0)
            poison(into, len, code);
    }
}

/* The record of a key; *is_new: it has just been made, and its value is for the caller to set. */
static int find_or_make(yk__table *t, const yk__key *key, yk__record **found, bool *is_new)
{
    size_t at = key->hash & t->mask;
    for (; t->slots[at].at; at = (at + 1) & t->mask) {
        yk__record *r = record_at(t, t->slots[at].at);
        if (t->slots[at].hash == key->hash &&
            yk__key_is(key, yk__table_key(t, r), r->len & YK__KEY_MAX)) {
            *found = r;
            *is_new = false;
            return 0;
        }
    }
    size_t size = size_in_pool(t, key->len);
    int err = reserve(&t->pool, size);
    if (!err && (t->used + 1) * 4 > (t->mask + 1) * 3) {
        err = grow_slots(t);
        for (at = key->hash & t->mask; !err && t->slots[at].at;)
            at = (at + 1) & t->mask;
    }
    if (err)
        return err;
    t->slots[at] = (yk__slot){ key->hash, (uint32_t)(t->pool.len / 8) + 1 };
    yk__record *r = (yk__record *)(t->pool.at + t->pool.len);
    *r = (yk__record){ key->hash, key->len };
    if (key->len > 0)
        memcpy((char *)(r + 1) + t->in_record, key->at, key->len);
    t->pool.len += size;
    t->used++;
    *found = r;
    *is_new = true;
    return 0;
}

int yk__table_add_key(yk__table *t, const yk__key *key, const void *value)
{
    yk__record *r;
    bool is_new;
    int err = find_or_make(t, key, &r, &is_new);
    if (err)
        return err;
    if (is_new)
        memcpy(r + 1, value, t->in_record);
    else if (!t->adds || r->len & YK__POISONED || yk__table_fold(t, (uint64_t *)(r + 1), value) < 0)
        yk__fold_into(t->fold, r + 1, &r->len, value, false);
    return 0;
}

int yk__table_add(yk__table *t, const char *key, size_t len, const void *value)
{
    if (len > YK__KEY_MAX)
        return UV_E2BIG;
    yk__key k = yk__key_of(key, len, t->seed);
    return yk__table_add_key(t, &k, value);
}

/* A value in the pool of values. */
typedef struct listed {
    uint32_t next, len;
    char bytes[];
} listed;

static listed *listed_at(const yk__table *t, uint32_t at)
{
    return (listed *)(t->values.at + (size_t)(at - 1) * 8);
}

int yk__table_append(yk__table *t, const char *key, size_t len, const char *value, size_t size)
{
    yk__record *r;
    bool is_new;
    size_t need = (sizeof(listed) + size + 7) & ~(size_t)7;
    int err = size > UINT32_MAX || len > YK__KEY_MAX ? UV_E2BIG : reserve(&t->values, need);
    if (err)
        return err;
    yk__key k = yk__key_of(key, len, t->seed);
    err = find_or_make(t, &k, &r, &is_new);
    if (err)
        return err;
    yk__group *group = (yk__group *)(r + 1);
    if (is_new)
        *group = (yk__group){ 0 };
    if (r->len & YK__POISONED)
        return 0;
    if (__builtin_add_overflow(group->size, size + sizeof(uint32_t), &group->size))
        return UV_E2BIG;
    uint32_t at = (uint32_t)(t->values.len / 8) + 1;
    listed *v = listed_at(t, at);
    *v = (listed){ .len = (uint32_t)size };
    if (size > 0)
        memcpy(v->bytes, value, size);
    t->values.len += need;
    if (group->last)
        listed_at(t, group->last)->next = at;
    else
        group->first = at;
    group->last = at;
    return 0;
}

void yk__table_copy_group(const yk__table *t, const yk__record *r, char *to)
{
    const yk__group *group = (const yk__group *)(r + 1);
    for (uint32_t at = group->first; at; at = listed_at(t, at)->next) {
        const listed *v = listed_at(t, at);
        memcpy(to, &v->len, sizeof v->len);
        memcpy(to + sizeof v->len, v->bytes, v->len);
        to += sizeof v->len + v->len;
    }
}

int yk__table_poison(yk__table *t, const char *key, size_t len, int code)
{
    yk__record *r;
    bool is_new;
    if (len > YK__KEY_MAX)
        return UV_E2BIG;
    yk__key k = yk__key_of(key, len, t->seed);
    int err = find_or_make(t, &k, &r, &is_new);
    if (err)
        return err;
    if (is_new)
        memset(r + 1, 0, t->in_record);
    uint64_t error[1] = { 0 };
    memcpy(error, &code, sizeof code);
    yk__fold_into(t->fold, r + 1, &r->len, error, true);
    return 0;
}

int yk__table_copy_poison(yk__table *t, const yk__table *from, const yk__record *r)
{
    return yk__table_poison(t, yk__table_key(from, r), r->len & YK__KEY_MAX, poison_code(r + 1));
}
