/* mapreduce/reducer.h - calling a reduce function for every key of a partition, and what it emits.
 * Not installed.
 */
#ifndef YOKE_MAPREDUCE_REDUCER_H
#define YOKE_MAPREDUCE_REDUCER_H

#include "../executor/job.h"
#include "counters.h"
#include "reduce.h"
#include "run.h"

/* ---- Values -------------------------------------------------------------------------------- */

struct yk_values {
    const char *at, *end; /* the rest of the present record's bytes */
    /* Sets them to those of the same key's next record; false: there is none. NULL: only one. */
    bool (*more)(yk_values *values);
    const yk_job *job; /* asked whether to stop */
    unsigned until_look;
};

/* ---- Results ------------------------------------------------------------------------------- */

/* What reduce emits: a run of grouped records, whose key is the one that was reduced, and whose
 * bytes are
 *
 *     uint32 length of the emitted key, or YK__SAME_KEY | emitted key | value
 */
typedef struct yk__results {
    char *at;
    size_t len, cap;
    uint64_t records;
    yk__record head; /* of the key that is reduced */
    const char *key;
    /* NULL: they are kept. Else each is handed on at once, and only a key that failed is kept. */
    int (*put)(void *to, const yk__view *result);
    void *to;
    int err; /* what put returned; the key that was reduced is not to blame */
} yk__results;

#define YK__SAME_KEY UINT32_MAX

/* UV_ENOMEM, UV_E2BIG */
int yk__results_add(yk__results *results, yk_str key, yk_str value);

/* The record in a view of a result; false if there is none in it. */
bool yk__result_of(const yk__view *view, yk_str *key, yk_str *value);

/* ---- Reducing ------------------------------------------------------------------------------ */

/* Where a reducer gets its records from, in the order of their keys' bytes, and for one key in the
 * order of the input. Embed it. */
typedef struct yk__sorted {
    /* 1, 0 at the end, or a negative error. The view is good until the next call. */
    int (*next)(struct yk__sorted *from, yk__view *view);
} yk__sorted;

typedef struct yk__reduce_call {
    yk_reduce_fn fn;
    void *arg;
    const yk_job *job;
    yk__counters *counters;
} yk__reduce_call;

/* Reduces all keys into `results`, whose memory is the caller's to free, also after an error.
 * *keys: how many there were. *code: if one failed, its error, and then the results are that one
 * key, poisoned. Errors: of `from` and of `put`, UV_ENOMEM, YK_ECANCELED. */
int yk__reduce(const yk__reduce_call *call, yk__sorted *from, yk__results *results, uint64_t *keys,
               int *code);

#endif
