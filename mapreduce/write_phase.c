/* mapreduce/write_phase.c - the result, record by record, into its file or files. */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "engine.h"
#include "kway.h"
#include "merge.h"
#include "writer.h"

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
    if (s->e->spill.streamed)
        return next_in_files(s, key, value);
    int got = yk__weave_next(&s->weave, key, value);
    return got < 0 ? yk__explain(s->e, got, "a worker returned a damaged result") : got;
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

/* ---- The outputs --------------------------------------------------------------------------- */

/* Which of them a record goes to, or an error. */
static int64_t choose_output(yk__engine *e, yk_str key)
{
    size_t n = e->n_outputs;
    if (n == 1)
        return 0;
    size_t chosen =
        e->o.partition ? e->o.partition(key, n, e->o.arg) : yk__hash(key.at, key.len, 0) % n;
    if (chosen >= n)
        return yk__explain(e, UV_ERANGE, "the partition function said %zu, of %zu", chosen, n);
    return (int64_t)chosen;
}

static int for_all(yk__engine *e, yk_writer *to, int (*call)(yk_writer *to, void *arg))
{
    int err = 0;
    for (size_t i = 0; err >= 0 && call && i < e->n_outputs; i++)
        err = call(&to[i], e->o.sink.arg);
    return err;
}

static int flush_all(yk__engine *e, yk_writer *to)
{
    int err = 0;
    for (size_t i = 0; !err && i < e->n_outputs; i++)
        err = yk__writer_flush(&to[i]);
    return err;
}

static int write_records(source *s, yk_writer *to)
{
    yk__engine *e = s->e;
    yk_str key, value;
    int err = 0;
    for (size_t n = 0; err >= 0 && (!e->o.top || n < e->o.top); n++) {
        err = next_record(s, &key, &value);
        if (err <= 0)
            break;
        int64_t i = choose_output(e, key);
        err = i < 0 ? (int)i : e->o.sink.record(&to[i], key, value, e->o.sink.arg);
        if (err >= 0 && (n & 1023) == 0 && yk_job_cancelled(to->job))
            err = YK_ECANCELED;
    }
    return err;
}

static int write_all(source *s, yk_writer *to)
{
    const yk_sink *sink = &s->e->o.sink;
    int err = begin_source(s);
    if (!err)
        err = for_all(s->e, to, sink->begin);
    if (err >= 0)
        err = write_records(s, to);
    if (err >= 0)
        err = for_all(s->e, to, sink->end);
    return err < 0 ? err : flush_all(s->e, to);
}

static yk_writer *make_writers(yk__engine *e, const yk_job *job)
{
    yk_writer *to = malloc(e->n_outputs * sizeof *to);
    for (size_t i = 0; to && i < e->n_outputs; i++) {
        to[i].out = &e->outputs[i];
        to[i].job = job;
        to[i].form = e->form;
        to[i].err = 0;
        to[i].len = 0;
    }
    return to;
}

/* The whole of writing, on a thread of the engine's: measuring and the records. */
static int write_job(yk_job *job)
{
    yk__engine *e = *(yk__engine **)yk_job_arg(job);
    yk_writer *to = make_writers(e, job);
    source *from = calloc(1, sizeof *from);
    int err = UV_ENOMEM;
    if (to && from) {
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
    return yk__outputs_end(e, err);
}
