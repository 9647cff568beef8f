/* mapreduce/run.h - the form in which records travel between jobs. Not installed.
 *
 * A table is handed over as YK__PARTS runs, one for each value of the hash's upper bits. A run is
 * records one after the other, without padding. Where values fold, they all have one size:
 *
 *     uint32 hash | uint32 length of the key, with YK__POISONED | value | key
 *
 * Where they are grouped, a record has all values of one key in one piece, and its place in the
 * input:
 *
 *     uint32 hash | uint32 length | uint64 order | uint32 size of the bytes | bytes | key
 *
 * The bytes are the values, each behind its length (uint32); of a poisoned record, the error (int).
 *
 * Nothing in a run is aligned, so it is read with memcpy; values are copied to where they are
 * folded. Only the functions here know the layout.
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

/* Where in the input a piece is: values reach a reduce function in this order. The last 16 bits
 * are for what one piece hands over in several parts. */
static inline uint64_t yk__order_of(size_t file, size_t piece)
{
    return (uint64_t)file << 40 | (uint64_t)piece << 16;
}
enum { YK__FILES_MAX = 1 << 24, YK__PIECES_MAX = 1 << 24 };

/* ---- Records ------------------------------------------------------------------------------- */

/* One record; points into its run. */
typedef struct yk__view {
    yk__record head;
    uint32_t size; /* of the value */
    uint64_t order;
    const char *value, *key;
} yk__view;

enum { YK__GROUP_HEAD = sizeof(uint64_t) + sizeof(uint32_t) };

/* Reads the record at *at and moves on. False at the end, or at what cannot be a record. */
static inline bool yk__run_next(const char **at, const char *end, yk__form form, yk__view *view)
{
    size_t left = (size_t)(end - *at), head = sizeof view->head;
    view->size = form.value_size;
    view->order = 0;
    if (form.grouped)
        head += YK__GROUP_HEAD;
    if (left < head)
        return false;
    memcpy(&view->head, *at, sizeof view->head);
    if (form.grouped) {
        memcpy(&view->order, *at + sizeof view->head, sizeof view->order);
        memcpy(&view->size, *at + sizeof view->head + sizeof view->order, sizeof view->size);
    }
    left -= head;
    size_t len = view->head.len & YK__KEY_MAX;
    if (left < view->size || left - view->size < len)
        return false;
    view->value = *at + head;
    view->key = view->value + view->size;
    *at = view->key + len;
    return true;
}

/* The bytes that a record takes in a run. */
static inline size_t yk__packed_size(yk__form form, size_t value_size, uint32_t len)
{
    return sizeof(yk__record) + (form.grouped ? YK__GROUP_HEAD : 0) + value_size +
           (len & YK__KEY_MAX);
}

/* Writes a record, for which there is room, and returns where it ends. A value of NULL is left for
 * the caller to write, at *value. */
char *yk__run_put(char *to, yk__form form, const yk__view *view, char **value);

/* The order of keys: by bytes, the shorter first. */
static inline int yk__compare_keys(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int by_bytes = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return by_bytes ? by_bytes : (a_len > b_len) - (a_len < b_len);
}

/* ---- A table's runs ------------------------------------------------------------------------ */

/* Where the runs of a table are, from the beginning of the first; `at[YK__PARTS]` is the end. */
typedef struct yk__parts {
    uint64_t at[YK__PARTS + 1];
    uint32_t records[YK__PARTS];
} yk__parts;

/* How large the runs of a table will be; returns parts->at[YK__PARTS]. */
size_t yk__parts_measure(const yk__table *t, yk__parts *parts);

/* Writes them to `to`, which has room for what measure said. */
void yk__parts_write(const yk__table *t, const yk__parts *parts, uint64_t order, char *to);

/* Whether these parts, which come from another process, fit into `len` bytes. */
bool yk__parts_fit(const yk__parts *parts, size_t len);

#endif
