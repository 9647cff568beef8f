/* mapreduce/reducer.c - sorted records in, groups to the user's function, results out. */
#include "reducer.h"

#include <limits.h>
#include <stdlib.h>
#include <uv.h>

#include "../executor/error.h"
#include "emit.h"

enum { LOOK_EVERY = 256, FIRST_RESULTS = 64 * 1024 };

static const yk__form grouped = { .grouped = true };

/* ---- Values -------------------------------------------------------------------------------- */

bool yk_values_next(yk_values *values, yk_str *value)
{
    if (values->until_look-- == 0) {
        values->until_look = LOOK_EVERY;
        if (yk_job_cancelled(values->job))
            return false;
    }
    while (values->at == values->end)
        if (!values->more || !values->more(values))
            return false;
    uint32_t len;
    size_t left = (size_t)(values->end - values->at);
    if (left < sizeof len)
        return false;
    memcpy(&len, values->at, sizeof len);
    if (left - sizeof len < len)
        return false;
    *value = (yk_str){ values->at + sizeof len, len };
    values->at += sizeof len + len;
    return true;
}

/* ---- Results ------------------------------------------------------------------------------- */

static int reserve(yk__results *r, size_t more)
{
    if (more <= r->cap - r->len)
        return 0;
    size_t cap = r->cap ? r->cap : FIRST_RESULTS;
    while (cap - r->len < more)
        cap *= 2;
    char *at = realloc(r->at, cap);
    if (!at)
        return UV_ENOMEM;
    r->at = at;
    r->cap = cap;
    return 0;
}

/* Adds a record with `size` bytes, which are for the caller to write. */
static int add_record(yk__results *r, size_t size, char **bytes)
{
    if (size > UINT32_MAX)
        return UV_E2BIG;
    yk__view view = { r->head, (uint32_t)size, r->records, NULL, r->key };
    int err = reserve(r, yk__packed_size(grouped, size, view.head.len));
    if (err)
        return err;
    r->len = (size_t)(yk__run_put(r->at + r->len, grouped, &view, bytes) - r->at);
    r->records++;
    return 0;
}

static int hand_on(yk__results *r)
{
    yk__view view;
    const char *at = r->at;
    yk__run_next(&at, r->at + r->len, grouped, &view);
    r->len = 0;
    r->err = r->put(r->to, &view);
    return r->err;
}

int yk__results_add(yk__results *r, yk_str key, yk_str value)
{
    bool same = key.len == (r->head.len & YK__KEY_MAX) && memcmp(key.at, r->key, key.len) == 0;
    if (key.len > YK__KEY_MAX)
        return UV_E2BIG;
    uint32_t len = same ? YK__SAME_KEY : (uint32_t)key.len;
    size_t with_key = sizeof len + (same ? 0 : key.len);
    char *to;
    int err = add_record(r, with_key + value.len, &to);
    if (err)
        return err;
    memcpy(to, &len, sizeof len);
    if (!same)
        memcpy(to + sizeof len, key.at, key.len);
    if (value.len > 0)
        memcpy(to + with_key, value.at, value.len);
    return r->put ? hand_on(r) : 0;
}

bool yk__result_of(const yk__view *view, yk_str *key, yk_str *value)
{
    uint32_t len;
    if (view->size < sizeof len)
        return false;
    memcpy(&len, view->value, sizeof len);
    size_t left = view->size - sizeof len;
    const char *at = view->value + sizeof len;
    if (len == YK__SAME_KEY) {
        *key = (yk_str){ view->key, view->head.len & YK__KEY_MAX };
        *value = (yk_str){ at, left };
        return true;
    }
    if (left < len)
        return false;
    *key = (yk_str){ at, len };
    *value = (yk_str){ at + len, left - len };
    return true;
}

/* ---- Groups -------------------------------------------------------------------------------- */

typedef struct reducer {
    yk_values values; /* of the present key; first, so that it leads back here */
    yk__sorted *from;
    yk__view view; /* the next record */
    int have;      /* what `from` said of it */
    char *key;     /* the present one */
    size_t key_len, key_cap;
    int poison; /* the present key's */
} reducer;

static bool is_present_key(const reducer *r)
{
    return (r->view.head.len & YK__KEY_MAX) == r->key_len &&
           memcmp(r->view.key, r->key, r->key_len) == 0;
}

/* A poisoned record has no values. Of two errors of one key the larger number wins. */
static void open_record(reducer *r)
{
    const yk__view *v = &r->view;
    r->values.at = r->values.end = v->value;
    if (!(v->head.len & YK__POISONED)) {
        r->values.end += v->size;
        return;
    }
    int code = YK_EFORMAT;
    if (v->size == sizeof code)
        memcpy(&code, v->value, sizeof code);
    if (r->poison == 0 || code > r->poison)
        r->poison = code;
}

static bool more_of_key(yk_values *values)
{
    reducer *r = (reducer *)values;
    if (r->have <= 0)
        return false;
    r->have = r->from->next(r->from, &r->view);
    if (r->have <= 0 || !is_present_key(r)) {
        values->more = NULL;
        return false;
    }
    open_record(r);
    return true;
}

static int begin_key(reducer *r)
{
    r->key_len = r->view.head.len & YK__KEY_MAX;
    if (!r->key || r->key_len > r->key_cap) {
        char *key = realloc(r->key, r->key_len * 2 + 16);
        if (!key)
            return UV_ENOMEM;
        r->key = key;
        r->key_cap = r->key_len * 2 + 16;
    }
    if (r->key_len > 0)
        memcpy(r->key, r->view.key, r->key_len);
    r->poison = 0;
    r->values.more = more_of_key;
    open_record(r);
    return 0;
}

/* Reduces the present key; its error, if it failed. */
static int reduce_key(reducer *r, const yk__reduce_call *call, yk__results *results)
{
    yk_emitter out = { .results = results, .counters = call->counters };
    results->head = (yk__record){ r->view.head.hash, (uint32_t)r->key_len };
    results->key = r->key;
    int err = call->fn((yk_str){ r->key, r->key_len }, &r->values, &out, call->arg);
    while (r->values.more && !yk_job_cancelled(call->job)) /* what the function did not want */
        more_of_key(&r->values);
    return r->poison ? r->poison : err < 0 ? err : out.err;
}

/* What reduce emitted is dropped for the one key that failed. */
static int poison_results(yk__results *results, int code)
{
    char *bytes;
    results->len = results->records = 0;
    results->head.len |= YK__POISONED;
    int err = add_record(results, sizeof code, &bytes);
    if (!err)
        memcpy(bytes, &code, sizeof code);
    return err;
}

int yk__reduce(const yk__reduce_call *call, yk__sorted *from, yk__results *results, uint64_t *keys,
               int *code)
{
    reducer r = { .values.job = call->job, .from = from };
    int err = 0;
    *keys = 0;
    *code = 0;
    r.have = from->next(from, &r.view);
    while (!err && r.have > 0 && *code == 0) {
        err = begin_key(&r);
        if (err)
            break;
        ++*keys;
        *code = reduce_key(&r, call, results);
        err = yk_job_cancelled(call->job) ? YK_ECANCELED : results->err;
    }
    err = r.have < 0 ? r.have : err;
    if (!err && *code)
        err = poison_results(results, *code);
    free(r.key);
    return err;
}
