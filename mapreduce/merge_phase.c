/* mapreduce/merge_phase.c - from mapped pieces to the output.
 *
 * A merge job reads the runs of one partition in the results of all pieces, where they are. In
 * worker processes that works for results in the arena, which has the same address everywhere; the
 * few that are elsewhere (small ones) are copied there first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../data/rows.h"
#include "../executor/arena.h"
#include "engine.h"
#include "merge.h"
#include "writer.h"

/* ---- What the merge jobs read -------------------------------------------------------------- */

typedef struct feed {
    yk__span *table; /* shared memory: an array for each partition */
    size_t stride;   /* its length */
    size_t n[YK__PARTS];
    char *copies; /* shared memory: results that workers could not see */
} feed;

static bool is_visible(const yk__engine *e, const void *result)
{
    return !e->in_processes || yk_arena_contains(result);
}

static const char *runs_of(const yk__piece *piece, yk__parts *parts, size_t *len)
{
    const char *result = yk_future_result(piece->mapped, len);
    yk__map_head head;
    memcpy(&head, result, sizeof head);
    *parts = head.parts;
    *len -= sizeof head;
    return result + sizeof head;
}

static void count_feed(const yk__engine *e, size_t *pieces, size_t *to_copy)
{
    yk__parts parts;
    *pieces = *to_copy = 0;
    for (size_t i = 0; i < e->n_files; i++) {
        *pieces += e->files[i].n_pieces;
        for (size_t k = 0; k < e->files[i].n_pieces; k++) {
            size_t len;
            const char *runs = runs_of(&e->files[i].pieces[k], &parts, &len);
            *to_copy += is_visible(e, runs) ? 0 : len;
        }
    }
}

static void add_runs(feed *fd, const char *runs, const yk__parts *parts)
{
    for (size_t p = 0; p < YK__PARTS; p++)
        if (parts->at[p] < parts->at[p + 1])
            fd->table[p * fd->stride + fd->n[p]++] =
                (yk__span){ runs + parts->at[p], runs + parts->at[p + 1] };
}

static int make_feed(yk__engine *e, feed *fd)
{
    size_t to_copy;
    *fd = (feed){ 0 };
    count_feed(e, &fd->stride, &to_copy);
    fd->table = yk__shared_alloc(fd->stride * YK__PARTS * sizeof *fd->table);
    fd->copies = to_copy ? yk__shared_alloc(to_copy) : NULL;
    if (!fd->table || (to_copy && !fd->copies))
        return UV_ENOMEM;
    char *copy = fd->copies;
    for (size_t i = 0; i < e->n_files; i++) {
        for (size_t k = 0; k < e->files[i].n_pieces; k++) {
            size_t len;
            yk__parts parts;
            const char *runs = runs_of(&e->files[i].pieces[k], &parts, &len);
            if (!yk__parts_fit(&parts, len))
                return YK_EFORMAT;
            if (!is_visible(e, runs)) {
                memcpy(copy, runs, len);
                runs = copy;
                copy += len;
            }
            add_runs(fd, runs, &parts);
        }
    }
    return 0;
}

static void free_feed(feed *fd)
{
    yk__shared_free(fd->table);
    yk__shared_free(fd->copies);
}

/* ---- Merging ------------------------------------------------------------------------------- */

static yk_future *submit_merge(yk__engine *e, const feed *fd, size_t part)
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
static int await_merge(yk__engine *e, const feed *fd, size_t part)
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

/* The pieces' results have been merged. */
static void free_pieces(yk__engine *e)
{
    for (size_t i = 0; i < e->n_files; i++) {
        for (size_t k = 0; k < e->files[i].n_pieces; k++) {
            yk_future_unref(e->files[i].pieces[k].mapped);
            e->files[i].pieces[k].mapped = NULL;
        }
    }
}

int yk__merge_phase(yk__engine *e)
{
    e->stats.phase = YK_MERGING;
    yk__tell_progress(e, false);
    feed fd;
    int err = make_feed(e, &fd);
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
    if (!err)
        err = find_poisoned(e);
    yk__tell_progress(e, true); /* now memory is fullest */
    free_feed(&fd);
    free_pieces(e);
    return err;
}

/* ---- Writing ------------------------------------------------------------------------------- */

static int begin_weave(yk__engine *e, yk__weave *weave)
{
    yk__weave_begin(weave, e->form, e->o.top ? e->o.rank : NULL);
    for (size_t p = 0; p < YK__PARTS; p++) {
        size_t len;
        const void *result = yk_future_result(e->merged[p], &len);
        int err = yk__weave_add(weave, result, len);
        if (err)
            return err;
    }
    return 0;
}

static int measure_all(yk__engine *e, yk__weave *weave)
{
    yk_str key, value;
    int err = e->o.sink.measure ? begin_weave(e, weave) : 0;
    if (!e->o.sink.measure)
        return 0;
    for (size_t n = 0; err >= 0 && (!e->o.top || n < e->o.top); n++) {
        if (!yk__weave_next(weave, &key, &value))
            break;
        err = e->o.sink.measure(key, value, e->o.sink.arg);
    }
    return err;
}

static int write_all(yk__engine *e, yk__weave *weave, yk_writer *to)
{
    const yk_sink *sink = &e->o.sink;
    yk_str key, value;
    int err = begin_weave(e, weave);
    if (!err && sink->begin)
        err = sink->begin(to, sink->arg);
    for (size_t n = 0; err >= 0 && (!e->o.top || n < e->o.top); n++) {
        if (!yk__weave_next(weave, &key, &value))
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
    yk__weave *weave = malloc(sizeof *weave);
    int err = UV_ENOMEM;
    if (to && weave) {
        to->out = &e->output;
        to->job = job;
        to->form = e->form;
        to->err = 0;
        to->len = 0;
        err = measure_all(e, weave);
        if (err >= 0)
            err = write_all(e, weave, to);
    }
    free(weave);
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
