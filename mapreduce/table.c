/* mapreduce/table.c - the table of keys. */
#include "table.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../executor/error.h"

enum { FIRST_SLOTS = 1024, FIRST_POOL = 64 * 1024, KEEP_SLOTS = 1 << 16, KEEP_POOL = 4 << 20 };

/* ---- The hash: two multiplications for a key of up to 16 bytes ------------------------------ */

static uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static uint64_t load32(const char *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

/* The bytes of a short key or of the rest of a long one, as two words that overlap. */
static void load_tail(const char *p, size_t len, uint64_t *a, uint64_t *b)
{
    if (len >= 8) {
        *a = load64(p);
        *b = load64(p + len - 8);
    } else if (len >= 4) {
        *a = load32(p);
        *b = load32(p + len - 4);
    } else if (len > 0) {
        *a = (uint64_t)(unsigned char)p[0] << 16 | (uint64_t)(unsigned char)p[len / 2] << 8 |
             (unsigned char)p[len - 1];
        *b = 0;
    } else {
        *a = *b = 0;
    }
}

uint32_t yk__hash(const char *key, size_t len, uint64_t seed)
{
    /* Two odd numbers without pattern: fractional digits of the square roots of 2 and 3. */
    const uint64_t k0 = 0x6a09e667f3bcc909u, k1 = 0xbb67ae8584caa73bu;
    uint64_t h = seed ^ mix(len ^ k0, k1), a, b;
    size_t left = len;
    for (; left > 16; left -= 16, key += 16)
        h = mix(load64(key) ^ k1, load64(key + 8) ^ h);
    load_tail(key, left, &a, &b);
    h = mix(a ^ k1, b ^ h);
    h = mix(h ^ k0, k1);
    return (uint32_t)(h >> 32);
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

static bool same_key(const yk__table *t, const yk__record *r, const char *key, size_t len)
{
    return (r->len & YK__KEY_MAX) == len && memcmp(yk__table_key(t, r), key, len) == 0;
}

/* The record of a key; *is_new: it has just been made, and its value is for the caller to set. */
static int find_or_make(yk__table *t, const char *key, size_t len, yk__record **found, bool *is_new)
{
    if (len > YK__KEY_MAX)
        return UV_E2BIG;
    uint32_t hash = yk__hash(key, len, t->seed);
    size_t at = hash & t->mask;
    for (; t->slots[at].at; at = (at + 1) & t->mask) {
        yk__record *r = record_at(t, t->slots[at].at);
        if (t->slots[at].hash == hash && same_key(t, r, key, len)) {
            *found = r;
            *is_new = false;
            return 0;
        }
    }
    size_t size = size_in_pool(t, (uint32_t)len);
    int err = reserve(&t->pool, size);
    if (!err && (t->used + 1) * 4 > (t->mask + 1) * 3) {
        err = grow_slots(t);
        for (at = hash & t->mask; !err && t->slots[at].at;)
            at = (at + 1) & t->mask;
    }
    if (err)
        return err;
    t->slots[at] = (yk__slot){ hash, (uint32_t)(t->pool.len / 8) + 1 };
    yk__record *r = (yk__record *)(t->pool.at + t->pool.len);
    *r = (yk__record){ hash, (uint32_t)len };
    memcpy((char *)(r + 1) + t->in_record, key, len);
    t->pool.len += size;
    t->used++;
    *found = r;
    *is_new = true;
    return 0;
}

int yk__table_add(yk__table *t, const char *key, size_t len, const void *value)
{
    yk__record *r;
    bool is_new;
    int err = find_or_make(t, key, len, &r, &is_new);
    if (err)
        return err;
    if (is_new)
        memcpy(r + 1, value, t->fold->value_size);
    else
        yk__fold_into(t->fold, r + 1, &r->len, value, false);
    return 0;
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
    int err = size > UINT32_MAX ? UV_E2BIG : reserve(&t->values, need);
    if (!err)
        err = find_or_make(t, key, len, &r, &is_new);
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
    int err = find_or_make(t, key, len, &r, &is_new);
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
