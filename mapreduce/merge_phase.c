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

/* ---- Writing ------------------------------------------------------------------------------- */

/* The result, record by record: in memory, or in a file for each partition. */
typedef struct source {
    yk__engine *e;
    bool open;
    yk__weave weave;
    yk__kway kway;
    char *paths[YK__PARTS];
    uint64_t value[YK__VALUE_MAX / 8]; /* aligned */
} source;

static int begin_files(source *s)
{
    int err = 0;
    for (size_t p = 0; !err && !s->open && p < YK__PARTS; p++) {
        s->paths[p] = yk__spill_part_path(s->e, p);
        err = s->paths[p] ? 0 : UV_ENOMEM;
    }
    if (!err && !s->open)
        err = yk__kway_open(&s->kway, (const char *const *)s->paths, YK__PARTS, s->e->form);
    s->open = true;
    if (!err)
        err = yk__kway_select(&s->kway, YK__PARTS);
    return err;
}

static int begin_source(source *s)
{
    yk__engine *e = s->e;
    if (e->spill.streamed)
        return begin_files(s);
    yk__weave_begin(&s->weave, e->form, e->o.top ? e->o.rank : NULL);
    for (size_t p = 0; p < YK__PARTS; p++) {
        size_t len;
        const void *result = yk_future_result(e->merged[p], &len);
        int err = yk__weave_add(&s->weave, result, len);
        if (err)
            return err;
    }
    return 0;
}

/* 1, 0 at the end, or an error. */
static int next_in_files(source *s, yk_str *key, yk_str *value)
{
    yk__view view;
    int got = yk__kway_next(&s->kway, &view);
    if (got <= 0)
        return got;
    if (s->e->form.grouped)
        return yk__result_of(&view, key, value) ? 1 : YK_ECORRUPT;
    memcpy(s->value, view.value, view.size);
    *key = (yk_str){ view.key, view.head.len };
    *value = (yk_str){ (const char *)s->value, view.size };
    return 1;
}

static int next_record(source *s, yk_str *key, yk_str *value)
{
    return s->e->spill.streamed ? next_in_files(s, key, value)
                                : yk__weave_next(&s->weave, key, value);
}

static void end_source(source *s)
{
    if (s->open)
        yk__kway_free(&s->kway);
    for (size_t p = 0; p < YK__PARTS; p++)
        free(s->paths[p]);
}

static int measure_all(source *s)
{
    const yk__engine *e = s->e;
    yk_str key, value;
    int err = e->o.sink.measure ? begin_source(s) : 0;
    if (!e->o.sink.measure)
        return 0;
    for (size_t n = 0; err >= 0 && (!e->o.top || n < e->o.top); n++) {
        err = next_record(s, &key, &value);
        if (err <= 0)
            break;
        err = e->o.sink.measure(key, value, e->o.sink.arg);
    }
    return err;
}

static int write_all(source *s, yk_writer *to)
{
    const yk__engine *e = s->e;
    const yk_sink *sink = &e->o.sink;
    yk_str key, value;
    int err = begin_source(s);
    if (!err && sink->begin)
        err = sink->begin(to, sink->arg);
    for (size_t n = 0; err >= 0 && (!e->o.top || n < e->o.top); n++) {
        err = next_record(s, &key, &value);
        if (err <= 0)
            break;
        err = sink->record(to, key, value, sink->arg);
        if (err >= 0 && (n & 1023) == 0 && yk_job_cancelled(to->job))
            err = YK_ECANCELED;
    }
    if (err >= 0 && sink->end)
        err = sink->end(to, sink->arg);
    int flushed = err >= 0 ? yk__writer_flush(to) : 0;
    return err < 0 ? err : flushed;
}

/* The whole of writing, on a thread of the engine's: measuring, the records, the name. */
static int write_job(yk_job *job)
{
    yk__engine *e = *(yk__engine **)yk_job_arg(job);
    yk_writer *to = malloc(sizeof *to);
    source *from = calloc(1, sizeof *from);
    int err = UV_ENOMEM;
    if (to && from) {
        to->out = &e->output;
        to->job = job;
        to->form = e->form;
        to->err = 0;
        to->len = 0;
        from->e = e;
        err = measure_all(from);
        if (err >= 0)
            err = write_all(from, to);
        if (err < 0 && from->kway.failed)
            yk__explain(e, err, "%s: a spilled run: %s", from->kway.failed, yk_strerror(err));
        end_source(from);
    }
    free(from);
    free(to);
    return err;
}

int yk__write_phase(yk__engine *e)
{
    e->stats.phase = YK_WRITING;
    yk__tell_progress(e, true);
    yk_future *f =
        yk_submit_with(e->io, write_job, &e, sizeof e, .kind = YK_BLOCKING, .name = "write");
    int err = yk__await_end(e, f);
    if (!err && yk_future_state(f) != YK_DONE)
        err = yk_future_error(f)->code;
    yk_future_unref(f);
    if (!err) {
        err = yk__output_commit(&e->output);
        e->output_open = false;
    }
    if (err && err != YK_ECANCELED)
        yk__explain(e, err, "%s: %s", e->o.sink.path ? e->o.sink.path : "standard output",
                    yk_strerror(err));
    return err;
}
