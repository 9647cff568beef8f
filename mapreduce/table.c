/* mapreduce/table.c - the folding table. */
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
    return (yk__record *)(t->pool + (size_t)(at - 1) * 8);
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

static int reserve_pool(yk__table *t, size_t more)
{
    if (t->pool_len + more <= t->pool_cap)
        return 0;
    size_t cap = t->pool_cap ? t->pool_cap : FIRST_POOL;
    while (cap < t->pool_len + more)
        cap *= 2;
    if (cap / 8 >= UINT32_MAX)
        return UV_ENOMEM;
    char *pool = realloc(t->pool, cap);
    if (!pool)
        return UV_ENOMEM;
    t->pool = pool;
    t->pool_cap = cap;
    return 0;
}

int yk__table_begin(yk__table *t, const yk_fold *fold, uint64_t seed)
{
    if (t->pool_cap > KEEP_POOL && t->pool_len < t->pool_cap / 4) { /* a rare large split is over */
        free(t->pool);
        t->pool = NULL;
        t->pool_cap = 0;
    }
    t->fold = fold;
    t->seed = seed;
    t->pool_len = 0;
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
    free(t->pool);
    memset(t, 0, sizeof *t);
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
    return (r->len & YK__KEY_MAX) == len &&
           memcmp((const char *)(r + 1) + t->fold->value_size, key, len) == 0;
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
    size_t size = yk__record_size(t->fold->value_size, (uint32_t)len);
    int err = reserve_pool(t, size);
    if (!err && (t->used + 1) * 4 > (t->mask + 1) * 3) {
        err = grow_slots(t);
        for (at = hash & t->mask; !err && t->slots[at].at;)
            at = (at + 1) & t->mask;
    }
    if (err)
        return err;
    t->slots[at] = (yk__slot){ hash, (uint32_t)(t->pool_len / 8) + 1 };
    yk__record *r = (yk__record *)(t->pool + t->pool_len);
    *r = (yk__record){ hash, (uint32_t)len };
    memcpy((char *)(r + 1) + t->fold->value_size, key, len);
    t->pool_len += size;
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

int yk__table_poison(yk__table *t, const char *key, size_t len, int code)
{
    yk__record *r;
    bool is_new;
    int err = find_or_make(t, key, len, &r, &is_new);
    if (err)
        return err;
    if (is_new)
        memset(r + 1, 0, t->fold->value_size);
    uint64_t error[1] = { 0 };
    memcpy(error, &code, sizeof code);
    yk__fold_into(t->fold, r + 1, &r->len, error, true);
    return 0;
}
