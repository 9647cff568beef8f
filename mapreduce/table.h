/* mapreduce/table.h - what a worker keeps of one split: keys, and for each a value that is folded
 * as they come, or all its values. Not installed.
 *
 * Open addressing over slots of eight bytes, which point into one pool of records. A key is copied
 * once, when it is new. Emptying a table keeps its memory for the next split.
 *
 * A record in the pool, eight bytes aligned:
 *
 *     uint32 hash | uint32 length of the key, YK__POISONED if its fold failed | value | key
 *
 * The value of a poisoned record begins with the error, an int. Where values are grouped, it is a
 * yk__group: the head of a list of values in a second pool, where each is
 *
 *     uint32 next | uint32 length | bytes, padded to 8
 */
#ifndef YOKE_MAPREDUCE_TABLE_H
#define YOKE_MAPREDUCE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fold.h"
#include "key.h"

#define YK__POISONED 0x80000000u
#define YK__KEY_MAX  0x7fffffffu

/* What a job's values are. */
typedef struct yk__form {
    uint32_t value_size; /* of those that fold */
    bool grouped;
} yk__form;

typedef struct yk__record {
    uint32_t hash;
    uint32_t len; /* with the flag */
} yk__record;

typedef struct yk__slot {
    uint32_t hash;
    uint32_t at; /* 1 + the record's offset in the pool in units of 8 bytes; 0: free */
} yk__slot;

/* Places in the pool of values are 1 + the offset in units of 8 bytes; 0: none. */
typedef struct yk__group {
    uint32_t first, last;
    uint32_t size; /* of the values, each with a length of four bytes before it */
    uint32_t unused;
} yk__group;

typedef struct yk__pool {
    char *at;
    size_t len, cap;
} yk__pool;

typedef struct yk__table {
    const yk_fold *fold; /* NULL: values are grouped */
    yk__form form;
    bool adds;        /* the fold is yk_fold_sum_u64, which is done here */
    size_t in_record; /* bytes of a value, or of a group's head */
    uint64_t seed;    /* of the hash; the same for a whole job */
    yk__slot *slots;
    size_t mask; /* their number, a power of two, less one */
    size_t used;
    yk__pool pool;
    yk__pool values; /* of groups */
} yk__table;

/* Zeroed memory is a table without memory, which yk__table_begin makes ready for a split. A fold of
 * NULL: values are grouped. */
int yk__table_begin(yk__table *t, const yk_fold *fold, uint64_t seed);
void yk__table_free(yk__table *t);

/* Folds a value into the key's. Errors: UV_ENOMEM, UV_E2BIG (a key over 2 GiB). A fold that fails
 * marks its key and is no error here. */
int yk__table_add(yk__table *t, const char *key, size_t len, const void *value);

/* The same for a key that is known already. */
int yk__table_add_key(yk__table *t, const yk__key *key, const void *value);

/* Has the CPU fetch a key's slot; or, later, the record that the slot leads to. */
static inline void yk__table_prefetch_slot(const yk__table *t, uint32_t hash)
{
    __builtin_prefetch(&t->slots[hash & t->mask]);
}

static inline void yk__table_prefetch_record(const yk__table *t, uint32_t hash)
{
    uint32_t at = t->slots[hash & t->mask].at;
    if (at)
        __builtin_prefetch(t->pool.at + (size_t)(at - 1) * 8);
}

/* The table's fold; an `into` for which it fails is left as it was. */
static inline int yk__table_fold(const yk__table *t, uint64_t *into, const uint64_t *value)
{
    uint64_t sum = *into;
    int err = t->adds ? -__builtin_add_overflow(sum, *value, &sum) : t->fold->fold(&sum, value);
    if (err == 0)
        *into = sum;
    return err;
}

/* Adds a value to the key's group. UV_E2BIG: more than 4 GiB for one key. */
int yk__table_append(yk__table *t, const char *key, size_t len, const char *value, size_t size);

/* Marks the key as failed with `code`. */
int yk__table_poison(yk__table *t, const char *key, size_t len, int code);

/* Marks the key of a poisoned record of another table as failed. */
int yk__table_copy_poison(yk__table *t, const yk__table *from, const yk__record *r);

uint32_t yk__hash(const char *key, size_t len, uint64_t seed);

/* Bytes that it takes, and those that it takes for a moment when it grows. */
static inline size_t yk__table_memory(const yk__table *t)
{
    return t->pool.len + t->values.len + (t->mask + 1) * (sizeof(yk__slot) + sizeof(yk__slot) / 2);
}

/* ---- Its records ------------------------------------------------------------------------- */

/* The one behind `r` in the order in which they came; NULL: the first. NULL behind the last. */
const yk__record *yk__table_next(const yk__table *t, const yk__record *r);

static inline const char *yk__table_key(const yk__table *t, const yk__record *r)
{
    return (const char *)(r + 1) + t->in_record;
}

/* Whether it has a list of values. */
static inline bool yk__table_is_group(const yk__table *t, const yk__record *r)
{
    return t->form.grouped && !(r->len & YK__POISONED);
}

/* The bytes of its value as it travels. */
static inline uint32_t yk__table_value_size(const yk__table *t, const yk__record *r)
{
    if (!t->form.grouped)
        return t->form.value_size;
    return r->len & YK__POISONED ? (uint32_t)sizeof(int) : ((const yk__group *)(r + 1))->size;
}

/* Writes the values of a group one after the other, each behind its length. */
void yk__table_copy_group(const yk__table *t, const yk__record *r, char *to);

/* ---- Folding --------------------------------------------------------------------------------- */

/* Takes `value` into `into`; a poisoned side, or a fold that fails, poisons. *len is the length
 * with its flag. */
void yk__fold_into(const yk_fold *fold, void *into, uint32_t *len, const void *value,
                   bool value_is_poisoned);

#endif
