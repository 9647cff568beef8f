/* mapreduce/run.h - the form in which records travel between jobs. Not installed.
 *
 * A table is handed over as YK__PARTS runs, one for each value of the hash's upper bits. A run is
 * records one after the other, without padding, in no order:
 *
 *     uint32 hash | uint32 length of the key, with YK__POISONED | value | key
 *
 * Nothing in a run is aligned, so it is read with memcpy; values are copied to where they are
 * folded.
 */
#ifndef YOKE_MAPREDUCE_RUN_H
#define YOKE_MAPREDUCE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "table.h"

enum { YK__PARTS = 32, YK__PART_SHIFT = 27, YK__VALUE_MAX = 256 };

static inline unsigned yk__part_of(uint32_t hash)
{
    return hash >> YK__PART_SHIFT;
}

/* Where the runs of a table are, from the beginning of the first; `at[YK__PARTS]` is the end. */
typedef struct yk__parts {
    uint64_t at[YK__PARTS + 1];
    uint32_t records[YK__PARTS];
} yk__parts;

/* How large the runs of a table will be; returns parts->at[YK__PARTS]. */
size_t yk__parts_measure(const yk__table *t, yk__parts *parts);

/* Writes them to `to`, which has room for what measure said. */
void yk__parts_write(const yk__table *t, const yk__parts *parts, char *to);

/* Whether these parts, which come from another process, fit into `len` bytes. */
bool yk__parts_fit(const yk__parts *parts, size_t len);

/* One record of a run; points into it. */
typedef struct yk__view {
    yk__record head;
    const char *value, *key;
} yk__view;

/* Reads the record at *at and moves on. False at the end, or at what cannot be a record. */
static inline bool yk__run_next(const char **at, const char *end, size_t value_size, yk__view *view)
{
    size_t left = (size_t)(end - *at);
    if (left < sizeof view->head + value_size)
        return false;
    memcpy(&view->head, *at, sizeof view->head);
    left -= sizeof view->head + value_size;
    size_t len = view->head.len & YK__KEY_MAX;
    if (left < len)
        return false;
    view->value = *at + sizeof view->head;
    view->key = view->value + value_size;
    *at = view->key + len;
    return true;
}

/* The order of keys: by bytes, the shorter first. */
static inline int yk__compare_keys(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int by_bytes = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return by_bytes ? by_bytes : (a_len > b_len) - (a_len < b_len);
}

#endif
