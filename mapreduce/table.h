/* mapreduce/table.h - what a worker keeps of one split: a value a key, folded as they come.
 * Not installed.
 *
 * Open addressing over slots of eight bytes, which point into one pool of records. A key is copied
 * once, when it is new. Emptying a table keeps its memory for the next split.
 *
 * A record in the pool, eight bytes aligned:
 *
 *     uint32 hash | uint32 length of the key, YK__POISONED if its fold failed | value | key
 *
 * The value of a poisoned record begins with the error, an int.
 */
#ifndef YOKE_MAPREDUCE_TABLE_H
#define YOKE_MAPREDUCE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fold.h"

#define YK__POISONED 0x80000000u
#define YK__KEY_MAX  0x7fffffffu

typedef struct yk__record {
    uint32_t hash;
    uint32_t len; /* with the flag */
} yk__record;

typedef struct yk__slot {
    uint32_t hash;
    uint32_t at; /* 1 + the record's offset in the pool in units of 8 bytes; 0: free */
} yk__slot;

typedef struct yk__table {
    const yk_fold *fold;
    uint64_t seed; /* of the hash; the same for a whole job */
    yk__slot *slots;
    size_t mask; /* their number, a power of two, less one */
    size_t used;
    char *pool;
    size_t pool_len, pool_cap;
} yk__table;

/* Zeroed memory is a table without memory, which yk__table_begin makes ready for a split. */
int yk__table_begin(yk__table *t, const yk_fold *fold, uint64_t seed);
void yk__table_free(yk__table *t);

/* Folds a value into the key's. Errors: UV_ENOMEM, UV_E2BIG (a key over 2 GiB). A fold that fails
 * marks its key and is no error here. */
int yk__table_add(yk__table *t, const char *key, size_t len, const void *value);

/* Marks the key as failed with `code`. */
int yk__table_poison(yk__table *t, const char *key, size_t len, int code);

uint32_t yk__hash(const char *key, size_t len, uint64_t seed);

/* The bytes that a record takes in the pool. */
static inline size_t yk__record_size(size_t value_size, uint32_t len)
{
    return (sizeof(yk__record) + value_size + (len & YK__KEY_MAX) + 7) & ~(size_t)7;
}

/* Takes `value` into `into`; a poisoned side, or a fold that fails, poisons. *len is the length
 * with its flag. */
void yk__fold_into(const yk_fold *fold, void *into, uint32_t *len, const void *value,
                   bool value_is_poisoned);

#endif
