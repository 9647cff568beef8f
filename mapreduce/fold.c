/* mapreduce/fold.c - the folds that come with the engine. */
#include "fold.h"

#include <stdint.h>

#include "../executor/error.h"

static int sum_u64(void *into, const void *value)
{
    uint64_t *total = into;
    return __builtin_add_overflow(*total, *(const uint64_t *)value, total) ? YK_EOVERFLOW : 0;
}

static int max_u64(void *into, const void *value)
{
    uint64_t *most = into, other = *(const uint64_t *)value;
    if (other > *most)
        *most = other;
    return 0;
}

const yk_fold yk_fold_sum_u64 = { sizeof(uint64_t), sum_u64 };
const yk_fold yk_fold_max_u64 = { sizeof(uint64_t), max_u64 };
