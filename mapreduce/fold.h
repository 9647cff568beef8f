/* yoke/mapreduce/fold.h - how two values of one key become one.
 *
 * A map-reduce job has one kind of value, of a fixed size, and one fold: a function that takes a
 * second value into a first. It must be associative and commutative, because the engine folds in
 * every worker, in whatever order the pieces come.
 *
 *   static int longest(void *into, const void *value)        (a value is a struct of one's own)
 *   {
 *       struct longest *a = into;
 *       const struct longest *b = value;
 *       if (b->length > a->length)
 *           *a = *b;
 *       return 0;
 *   }
 *   static const yk_fold fold_longest = { sizeof(struct longest), longest };
 *
 * A fold may fail (YK_EOVERFLOW, say). That does not end the work at once: the key is marked, and
 * when everything has been read the job fails for the first such key in the order of bytes. So the
 * report is the same however the work was divided.
 */
#ifndef YOKE_MAPREDUCE_FOLD_H
#define YOKE_MAPREDUCE_FOLD_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_fold {
    size_t value_size; /* bytes of a value: a multiple of 8, from 8 to 256 */
    /* Takes `value` into `into`, both aligned for any type of up to 8 bytes; 0, or a negative error
     * for this key. Runs in workers, so it may use nothing but its arguments. */
    int (*fold)(void *into, const void *value);
} yk_fold;

/* Adds uint64_t values; YK_EOVERFLOW if a sum passes 64 bits. */
extern const yk_fold yk_fold_sum_u64;
#define YK_SUM_U64 (&yk_fold_sum_u64)

/* The larger of uint64_t values. */
extern const yk_fold yk_fold_max_u64;
#define YK_MAX_U64 (&yk_fold_max_u64)

#ifdef __cplusplus
}
#endif
#endif
