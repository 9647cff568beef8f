/* mapreduce/batch.h - keys on their way into a table. Not installed.
 *
 * A look-up in a large table is two cache misses, one after the other. So numbers that are to be
 * folded wait until there are some, and then their misses overlap. A key that equals the one before
 * is folded into it at once. Folding is commutative, so nobody can tell.
 */
#ifndef YOKE_MAPREDUCE_BATCH_H
#define YOKE_MAPREDUCE_BATCH_H

#include "key.h"
#include "table.h"

enum { YK__BATCH = 32 };

typedef struct yk__waiting {
    yk__key key;
    uint64_t value;
} yk__waiting;

typedef struct yk__batch {
    /* Keys that begin here may wait, and 16 bytes of them can be read. */
    const char *text;
    size_t text_len;
    size_t n;
    yk__waiting *last; /* that came; NULL: none waits */
    yk__waiting *adds; /* the same, if its key is short, and folding is adding; or NULL */
    yk__waiting waiting[YK__BATCH];
} yk__batch;

/* Begins with keys of a text, which stays until the next flush. */
void yk__batch_begin(yk__batch *b, const char *text, size_t len);

/* Whether a key that begins there may wait. */
static inline bool yk__batch_may_wait(const yk__batch *b, const char *key)
{
    return (uintptr_t)key - (uintptr_t)b->text < b->text_len;
}

/* Folds the number into the key that came last, if that is the same and the fold does not fail. */
static inline bool yk__batch_fold(yk__batch *b, const yk__table *t, const char *key, size_t len,
                                  uint64_t value)
{
    return b->last && yk__batch_may_wait(b, key) && yk__key_is(&b->last->key, key, len) &&
           yk__table_fold(t, &b->last->value, &value) == 0;
}

/* The same, where that is but an addition: it calls nothing. */
static inline bool yk__batch_sum(yk__batch *b, const char *key, size_t len, uint64_t value)
{
    yk__waiting *w = b->adds;
    uint64_t sum;
    if (!w || !yk__batch_may_wait(b, key) || !yk__short_key_is(&w->key, key, len) ||
        __builtin_add_overflow(w->value, value, &sum))
        return false;
    w->value = sum;
    return true;
}

/* Adds a number that could not be folded so to a table whose values are one uint64_t. Errors: as of
 * yk__table_add(). */
int yk__batch_add(yk__batch *b, yk__table *t, const char *key, size_t len, uint64_t value);

/* Folds what waits. To be called before anything else is done with the table. */
int yk__batch_flush(yk__batch *b, yk__table *t);

#endif
