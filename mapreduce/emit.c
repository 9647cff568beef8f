/* mapreduce/emit.c - where emitted records go. */
#include "emit.h"

#include <uv.h>

static int keep_error(yk_emitter *out, int err)
{
    if (err && !out->err)
        out->err = err;
    if (err)
        out->batch.adds = NULL; /* what follows is lost */
    return err;
}

/* After something was added to the table. */
static int keep_small(yk_emitter *out, int err)
{
    if (!err && out->relieve && yk__table_memory(out->table) > out->limit)
        err = out->relieve(out);
    return keep_error(out, err);
}

/* What is emitted after an error is lost with the rest. */
int yk_emit(yk_emitter *out, yk_str key, const void *value)
{
    if (out->err)
        return out->err;
    if (!out->table || !out->table->fold)
        return keep_error(out, UV_EINVAL);
    return keep_small(out, yk__table_add(out->table, key.at, key.len, value));
}

static __attribute__((noinline)) int emit_number(yk_emitter *out, yk_str key, uint64_t value)
{
    if (out->err)
        return out->err;
    if (yk__batch_fold(&out->batch, out->table, key.at, key.len, value))
        return 0; /* the table is what it was */
    if (!out->table || out->table->form.value_size != sizeof value)
        return keep_error(out, UV_EINVAL);
    return keep_small(out, yk__batch_add(&out->batch, out->table, key.at, key.len, value));
}

/* Nothing is saved for a call, since mostly nothing is called. */
int yk_emit_u64(yk_emitter *out, yk_str key, uint64_t value)
{
    if (yk__batch_sum(&out->batch, key.at, key.len, value))
        return 0;
    return emit_number(out, key, value);
}

int yk_emit_bytes(yk_emitter *out, yk_str key, yk_str value)
{
    if (out->err)
        return out->err;
    if (out->results)
        return keep_error(out, yk__results_add(out->results, key, value));
    if (!out->table->form.grouped)
        return keep_error(out, UV_EINVAL);
    return keep_small(out, yk__table_append(out->table, key.at, key.len, value.at, value.len));
}

int yk_emit_error(yk_emitter *out, yk_str key, int code)
{
    if (!out->table)
        return keep_error(out, code);
    return keep_error(out, yk__table_poison(out->table, key.at, key.len, code));
}

int yk_count(yk_emitter *out, const char *name, uint64_t n)
{
    return keep_error(out, yk__counters_add(out->counters, name, n));
}
