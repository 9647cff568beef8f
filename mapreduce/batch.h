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

typedef struct yk__batch {
    /* Keys that begin here may wait, and 16 bytes of them can be read. */
    const char *text;
    size_t text_len;
    size_t n;
    struct {
        yk__key key;
        uint64_t value;
    } waiting[YK__BATCH];
} yk__batch;

/* Begins with keys of a text, which stays until the next flush. */
void yk__batch_begin(yk__batch *b, const char *text, size_t len);

/* Adds a number to a table whose values are one uint64_t. Errors: as of yk__table_add(). */
int yk__batch_add(yk__batch *b, yk__table *t, const char *key, size_t len, uint64_t value);

/* Folds what waits. To be called before anything else is done with the table. */
int yk__batch_flush(yk__batch *b, yk__table *t);

#endif
