/* mapreduce/spill_job.c - sorting to disk, and merging from there.
 *
 * Sorting is done partition by partition: sixteen bytes a record point at it where it is, and have
 * the beginning of its key, so that most comparisons touch no record.
 */
#include "spill_job.h"

#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "best.h"
#include "join.h"
#include "kway.h"

enum { LOOK_EVERY = 4096 }; /* records between two looks at the cancellation */

typedef struct spiller {
    yk_job *job;
    yk__spill_arg *arg;
    const char *path; /* of the run that is written */
    yk__run_writer writer;
    yk__join join;
    yk__kway kway;
    const char **paths; /* of those that are read */
    yk__best best;
    uint64_t seen;
    int64_t code; /* of the first key whose fold failed, if this is the last pass */
    yk__view failed;
    yk__counters counters; /* of reduce */
} spiller;

static const char *next_string(const char *s)
{
    return s + strlen(s) + 1;
}

static int write_record(void *to, const yk__view *view)
{
    char *value;
    return yk__run_add(&((spiller *)to)->writer, view, &value);
}

static void begin(spiller *s, yk_job *job)
{
    *s = (spiller){ .job = job, .arg = yk_job_arg(job), .writer.fd = -1 };
    s->path = s->arg->rest + s->arg->user_size + s->arg->note_len;
    s->join.fold = s->arg->fold;
    s->join.form = s->arg->form;
    s->join.put = write_record;
    s->join.to = s;
}

/* What malloc keeps is memory that the job's budget does not know of. */
static void end(spiller *s)
{
    yk__run_writer_free(&s->writer);
    yk__join_free(&s->join);
    yk__kway_free(&s->kway);
    yk__best_free(&s->best);
    free(s->paths);
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

static bool must_stop(spiller *s)
{
    return s->seen++ % LOOK_EVERY == 0 && yk_job_cancelled(s->job);
}

/* Says which file it was. */
static int fail(const spiller *s, int err)
{
    if (err >= 0 || err == YK_ECANCELED || err == UV_ENOMEM)
        return err;
    const char *path = s->kway.failed ? s->kway.failed : s->path;
    if (err == UV_ENOSPC || err == UV_EFBIG)
        return yk_job_fail(s->job, err, "%.100s: %s (for what does not fit into memory)", path,
                           yk_strerror(err));
    return yk_job_fail(s->job, err, "%.120s: a spilled run: %s", path, yk_strerror(err));
}

static int return_run(spiller *s)
{
    yk__merged merged = { .keys = s->join.keys, .code = s->code, .counters = s->counters };
    bool failed = s->code != 0;
    size_t size = sizeof merged;
    if (failed)
        size += yk__packed_size(s->arg->form, s->failed.size, s->failed.head.len);
    char *to = yk_job_result(s->job, size), *value;
    if (!to)
        return UV_ENOMEM;
    merged.records = failed;
    memcpy(to, &merged, sizeof merged);
    if (failed)
        yk__run_put(to + sizeof merged, s->arg->form, &s->failed, &value);
    return 0;
}

/* ---- Spilling ------------------------------------------------------------------------------ */

typedef struct item {
    uint64_t beginning; /* of the key, as a number whose order is that of the bytes */
    const char *record;
} item;

static uint64_t beginning_of(const yk__view *v)
{
    uint64_t number = 0;
    size_t len = v->head.len & YK__KEY_MAX;
    memcpy(&number, v->key, len < sizeof number ? len : sizeof number);
    return __builtin_bswap64(number);
}

static int by_key(const void *a, const void *b, void *arg)
{
    const item *x = a, *y = b;
    const yk__form *form = arg;
    if (x->beginning != y->beginning)
        return x->beginning < y->beginning ? -1 : 1;
    yk__view v, w;
    const char *p = x->record, *q = y->record;
    yk__run_next(&p, p + PTRDIFF_MAX / 4, *form, &v);
    yk__run_next(&q, q + PTRDIFF_MAX / 4, *form, &w);
    int order = yk__compare_keys(v.key, v.head.len & YK__KEY_MAX, w.key, w.head.len & YK__KEY_MAX);
    return order ? order : (v.order > w.order) - (v.order < w.order);
}

static size_t count_records(const spiller *s, const yk__span *from, size_t spans)
{
    size_t n = 0;
    yk__view view;
    for (size_t i = 0; i < spans; i++)
        for (const char *at = from[i].begin; yk__run_next(&at, from[i].end, s->arg->form, &view);)
            n++;
    return n;
}

static int sort_part(const spiller *s, const yk__span *from, size_t spans, item **items, size_t *n)
{
    *n = count_records(s, from, spans);
    *items = malloc((*n + 1) * sizeof **items);
    if (!*items)
        return UV_ENOMEM;
    item *to = *items;
    yk__view view;
    for (size_t i = 0; i < spans; i++) {
        const char *at = from[i].begin, *record = at;
        for (; yk__run_next(&at, from[i].end, s->arg->form, &view); record = at)
            *to++ = (item){ beginning_of(&view), record };
        if (at != from[i].end)
            return YK_EFORMAT;
    }
    yk__form form = s->arg->form;
    qsort_r(*items, *n, sizeof **items, by_key, &form);
    return 0;
}

static int spill_part(spiller *s, unsigned part)
{
    item *items = NULL;
    size_t n = 0;
    int err = sort_part(s, s->arg->from + part * s->arg->stride, s->arg->n[part], &items, &n);
    for (size_t i = 0; !err && i < n; i++) {
        yk__view view;
        const char *at = items[i].record;
        yk__run_next(&at, at + PTRDIFF_MAX / 4, s->arg->form, &view);
        err = must_stop(s) ? YK_ECANCELED : yk__join_add(&s->join, &view);
    }
    if (!err)
        err = yk__join_end(&s->join);
    free(items);
    return err;
}

int yk__spill_job(yk_job *job)
{
    spiller s;
    begin(&s, job);
    char temp[PATH_MAX];
    snprintf(temp, sizeof temp, "%s%s", s.path, s.arg->durable ? ".tmp" : "");
    int err = yk__run_create(&s.writer, temp, s.arg->form);
    for (unsigned part = 0; !err && part < YK__PARTS; part++)
        err = spill_part(&s, part);
    if (!err)
        err = yk__run_finish(&s.writer, s.arg->rest + s.arg->user_size, s.arg->note_len,
                             s.arg->durable);
    if (!err && s.arg->durable)
        err = yk__run_publish(temp, s.path);
    if (!err)
        err = return_run(&s);
    err = fail(&s, err);
    end(&s);
    return err;
}

/* ---- Merging ------------------------------------------------------------------------------- */

static int open_runs(spiller *s)
{
    const char *path = s->path;
    s->paths = malloc((s->arg->runs + 1) * sizeof *s->paths);
    if (!s->paths)
        return UV_ENOMEM;
    for (uint64_t i = 0; i < s->arg->runs; i++)
        s->paths[i] = path = next_string(path);
    return yk__kway_open(&s->kway, s->paths, s->arg->runs, s->arg->form);
}

/* Of the last pass: the first key that failed is all that matters. */
static int note_failure(spiller *s, const yk__view *view)
{
    int code;
    memcpy(&code, view->value, sizeof code);
    s->code = code;
    s->failed = *view;
    return return_run(s);
}

static int merge_part(spiller *s, unsigned part)
{
    yk__view view;
    int got = yk__kway_select(&s->kway, part);
    while (got >= 0 && !s->code && (got = yk__kway_next(&s->kway, &view)) > 0) {
        got = must_stop(s) ? YK_ECANCELED : yk__join_add(&s->join, &view);
    }
    return got < 0 || s->code ? got : yk__join_end(&s->join);
}

static int merge_parts(spiller *s)
{
    int err = open_runs(s);
    for (unsigned part = s->arg->first; !err && !s->code && part < s->arg->end; part++)
        err = merge_part(s, part);
    return err;
}

static int write_or_fail(void *to, const yk__view *view)
{
    spiller *s = to;
    if (s->arg->is_last && view->head.len & YK__POISONED)
        return s->code ? 0 : note_failure(s, view);
    return write_record(to, view);
}

int yk__join_job(yk_job *job)
{
    spiller s;
    begin(&s, job);
    s.join.put = write_or_fail;
    int err = yk__run_create(&s.writer, s.path, s.arg->form);
    if (!err)
        err = merge_parts(&s);
    if (!err && !s.code)
        err = yk__run_finish(&s.writer, s.arg->rest + s.arg->user_size, s.arg->note_len,
                             s.arg->durable);
    if (!err && !s.code)
        err = return_run(&s);
    err = fail(&s, err);
    end(&s);
    return err;
}

static int keep_best(void *to, const yk__view *view)
{
    spiller *s = to;
    if (view->head.len & YK__POISONED)
        return s->code ? 0 : note_failure(s, view);
    return yk__best_add(&s->best, view);
}

static int return_best(spiller *s)
{
    yk__merged merged = { .records = s->best.n, .keys = s->join.keys };
    char *to = yk_job_result(s->job, sizeof merged + yk__best_size(&s->best));
    if (!to)
        return UV_ENOMEM;
    memcpy(to, &merged, sizeof merged);
    yk__best_write(&s->best, to + sizeof merged);
    return 0;
}

int yk__best_job(yk_job *job)
{
    spiller s;
    begin(&s, job);
    s.join.put = keep_best;
    s.best.form = s.arg->form;
    s.best.rank = s.arg->rank;
    s.best.top = s.arg->top;
    int err = merge_parts(&s);
    if (!err && !s.code)
        err = return_best(&s);
    err = fail(&s, err);
    end(&s);
    return err;
}

/* ---- Reducing ------------------------------------------------------------------------------ */

typedef struct sorted_runs {
    yk__sorted sorted; /* first, so that it leads back here */
    yk__kway *kway;
} sorted_runs;

static int next_sorted(yk__sorted *sorted, yk__view *view)
{
    return yk__kway_next(((sorted_runs *)sorted)->kway, view);
}

static int reduce_part(spiller *s, yk__results *results, uint64_t *keys, int *code)
{
    sorted_runs from = { .sorted.next = next_sorted, .kway = &s->kway };
    yk__reduce_call call = { s->arg->reduce, s->arg->rest, s->job, &s->counters };
    int err = open_runs(s);
    if (!err)
        err = yk__kway_select(&s->kway, s->arg->first);
    if (!err)
        err = yk__reduce(&call, &from.sorted, results, keys, code);
    return err;
}

int yk__reduce_job(yk_job *job)
{
    spiller s;
    begin(&s, job);
    yk__results results = { .put = write_record, .to = &s };
    int code = 0, err = yk__run_create(&s.writer, s.path, s.arg->form);
    if (!err)
        err = reduce_part(&s, &results, &s.join.keys, &code);
    if (!err && code) {
        const char *at = results.at;
        yk__run_next(&at, at + results.len, s.arg->form, &s.failed);
        s.code = code;
    }
    if (!err && !code)
        err = yk__run_finish(&s.writer, NULL, 0, false);
    if (!err)
        err = return_run(&s);
    err = fail(&s, err);
    free(results.at);
    end(&s);
    return err;
}
