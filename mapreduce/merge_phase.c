/* mapreduce/merge_phase.c - from mapped pieces to the output. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../data/rows.h"
#include "engine.h"
#include "kway.h"
#include "merge.h"
#include "writer.h"

/* ---- Merging ------------------------------------------------------------------------------- */

static yk_future *submit_merge(yk__engine *e, const yk__feed *fd, size_t part)
{
    size_t size = sizeof(yk__merge_arg) + e->o.arg_size;
    yk__merge_arg *arg = calloc(1, size);
    if (!arg)
        return NULL;
    *arg = (yk__merge_arg){ .fold = e->o.fold,
                            .reduce = e->o.reduce,
                            .form = e->form,
                            .rank = e->o.rank,
                            .top = e->o.top,
                            .sources = fd->n[part],
                            .from = fd->table + part * fd->stride };
    if (e->o.arg_size)
        memcpy(arg->user_arg, e->o.arg, e->o.arg_size);
    yk_future *f =
        yk_submit_with(e->executor, yk__merge_job, arg, size, .kind = YK_CPU, .name = "merge");
    free(arg);
    return f;
}

/* Waits for the merge of one partition, and does it again while its worker dies. */
static int await_merge(yk__engine *e, const yk__feed *fd, size_t part)
{
    for (int tries = 1;; tries++) {
        int err = yk__await_end(e, e->merged[part]);
        if (err || yk_future_state(e->merged[part]) == YK_DONE)
            return err;
        const yk_error *error = yk_future_error(e->merged[part]);
        if (error->code != YK_ECRASHED || tries == YK__TRIES)
            return yk__explain(e, error->code, "merging: %s", error->message);
        yk_future_unref(e->merged[part]);
        e->merged[part] = submit_merge(e, fd, part);
        if (!e->merged[part])
            return UV_ENOMEM;
        e->stats.retries++;
    }
}

/* A key whose fold failed: of all partitions, the first by its bytes. */
static int find_poisoned(yk__engine *e)
{
    yk__view first = { 0 };
    int64_t code = 0;
    for (size_t p = 0; p < YK__PARTS; p++) {
        size_t len;
        const char *result = yk_future_result(e->merged[p], &len);
        yk__merged merged;
        yk__view view;
        if (!result || len < sizeof merged)
            return yk__explain(e, YK_EFORMAT, "merging: a worker returned no result");
        memcpy(&merged, result, sizeof merged);
        const char *at = result + sizeof merged;
        e->stats.keys += merged.keys;
        int err = yk__count_all(e, &merged.counters);
        if (err)
            return err;
        if (merged.code >= 0 || !yk__run_next(&at, result + len, e->form, &view))
            continue;
        size_t view_len = view.head.len & YK__KEY_MAX;
        if (code == 0 ||
            yk__compare_keys(view.key, view_len, first.key, first.head.len & YK__KEY_MAX) < 0) {
            first = view;
            code = merged.code;
        }
    }
    if (code == 0)
        return 0;
    char quote[200];
    ngram_quote(quote, sizeof quote, first.key, first.head.len & YK__KEY_MAX);
    return yk__explain(e, (int)code, "\"%s\": %s", quote, yk_strerror((int)code));
}

static int merge_in_memory(yk__engine *e)
{
    yk__feed fd;
    int err = yk__feed_make(&fd, e->spill.waiting, e->spill.n_waiting, e->in_processes);
    for (size_t p = 0; !err && p < YK__PARTS; p++) {
        e->merged[p] = submit_merge(e, &fd, p);
        err = e->merged[p] ? 0 : UV_ENOMEM;
    }
    for (size_t p = 0; p < YK__PARTS && e->merged[p]; p++) {
        if (err)
            yk_future_cancel(e->merged[p]);
        int own = err ? yk__await_end(e, e->merged[p]) : await_merge(e, &fd, p);
        err = err ? err : own;
    }
    yk__tell_progress(e, true); /* now memory is fullest */
    yk__feed_free(&fd);
    return err;
}

int yk__merge_phase(yk__engine *e)
{
    e->stats.phase = YK_MERGING;
    yk__tell_progress(e, true);
    int err = yk__spill_is_needed(e) ? yk__spill_merge(e) : merge_in_memory(e);
    if (!err)
        err = find_poisoned(e);
    yk__spill_drop(e);
    return err;
}
