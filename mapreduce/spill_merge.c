/* mapreduce/spill_merge.c - when all is mapped and something was spilled. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "engine.h"
#include "spill_tasks.h"

/* ---- The rest ------------------------------------------------------------------------------ */

bool yk__spill_is_needed(const yk__engine *e)
{
    const yk__spill *s = &e->spill;
    return e->journal.on || s->n_runs > 0 || s->held_bytes > s->budget.unspilled;
}

static int await_batch(yk__engine *e, yk__load *batch)
{
    int err;
    do {
        err = yk__await_end(e, batch->task.future);
        int ended = yk__spill_end(e, batch);
        if (err && ended > 0)
            yk_future_cancel(batch->task.future); /* and once more around */
        err = ended > 0 ? 1 : err ? err : ended;
    } while (err > 0);
    return err;
}

/* As many batches at once as there are workers. */
static int spill_rest(yk__engine *e)
{
    size_t n = 0;
    int err = 0;
    yk__load **flying = calloc(e->workers, sizeof(yk__load *));
    if (!flying)
        return UV_ENOMEM;
    do {
        for (n = 0; !err && n < e->workers; n++) {
            err = yk__spill_next(e, true, &flying[n]);
            if (err || !flying[n])
                break;
        }
        for (size_t i = 0; i < n; i++) {
            if (err)
                yk_future_cancel(flying[i]->task.future);
            int own = await_batch(e, flying[i]);
            err = err ? err : own;
        }
    } while (!err && n > 0);
    free(flying);
    return err;
}

/* ---- Passes -------------------------------------------------------------------------------- */

typedef struct round {
    yk__task *tasks;
    char **paths; /* of what they write */
    size_t n;
} round;

static void free_round(round *r)
{
    for (size_t i = 0; i < r->n; i++) {
        yk__task_free(&r->tasks[i]);
        free(r->paths[i]);
    }
    free(r->tasks);
    free(r->paths);
}

static int make_round(round *r, size_t most)
{
    *r = (round){ calloc(most, sizeof *r->tasks), calloc(most, sizeof *r->paths), 0 };
    return r->tasks && r->paths ? 0 : UV_ENOMEM;
}

static int await_round(yk__engine *e, round *r, int err)
{
    for (size_t i = 0; i < r->n; i++) {
        if (err && r->tasks[i].future)
            yk_future_cancel(r->tasks[i].future);
        int own = r->tasks[i].future ? yk__task_await(e, &r->tasks[i]) : 0;
        err = err ? err : own;
    }
    return err;
}

static int submit_join(yk__engine *e, round *r, char *const *runs, size_t n)
{
    char *path = yk__spill_pass_path(e);
    yk__task *t = &r->tasks[r->n];
    int err = path ? yk__task_make(e, t, yk__join_job, "merge", path, runs, n) : UV_ENOMEM;
    if (err) {
        free(path);
        return err;
    }
    r->paths[r->n++] = path;
    return yk__task_submit(e, t);
}

/* The runs that went into the round are replaced by what came out. */
static int replace_runs(yk__engine *e, round *r, size_t merged)
{
    yk__spill *s = &e->spill;
    for (size_t i = 0; i < merged; i++) {
        if (!e->journal.on || strncmp(s->runs[i], s->folder, strlen(s->folder)) == 0)
            unlink(s->runs[i]); /* what the journal has stays */
        free(s->runs[i]);
    }
    s->n_runs -= merged;
    memmove(s->runs, s->runs + merged, s->n_runs * sizeof(char *));
    int err = 0;
    for (size_t i = 0; !err && i < r->n; i++) {
        err = yk__spill_add_run(e, r->paths[i]);
        r->paths[i] = NULL;
    }
    return err;
}

/* Joins as many runs as must be, and no more, so that one merge takes the rest: of n runs, joining
 * k at a time removes k - 1 each time. */
static int run_pass(yk__engine *e)
{
    yk__spill *s = &e->spill;
    size_t fan_in = s->budget.fan_in, used = 0, left = s->n_runs;
    round r;
    int err = make_round(&r, s->n_runs);
    while (!err && left > fan_in && s->n_runs - used > 1) {
        size_t k = left - fan_in + 1, have = s->n_runs - used;
        k = k > fan_in ? fan_in : k;
        k = k > have ? have : k;
        err = submit_join(e, &r, s->runs + used, k);
        used += k;
        left -= k - 1;
    }
    err = await_round(e, &r, err);
    if (!err) {
        err = replace_runs(e, &r, used);
        e->stats.merge_passes++;
    }
    free_round(&r);
    return err;
}

/* ---- The last merge ------------------------------------------------------------------------ */

static int submit_part(yk__engine *e, round *r, unsigned part)
{
    const yk__spill *s = &e->spill;
    char *path = yk__spill_part_path(e, part);
    yk__task *t = &r->tasks[part];
    yk_job_fn fn = e->o.top ? yk__best_job : e->o.reduce ? yk__reduce_job : yk__join_job;
    int err = path ? yk__task_make(e, t, fn, "merge", path, s->runs, s->n_runs) : UV_ENOMEM;
    if (err) {
        free(path);
        return err;
    }
    r->paths[part] = path;
    r->n = part + 1;
    t->arg->first = part;
    t->arg->end = part + 1;
    t->arg->is_last = true;
    return yk__task_submit(e, t);
}

static int merge_parts(yk__engine *e)
{
    round r;
    int err = make_round(&r, YK__PARTS);
    for (unsigned part = 0; !err && part < YK__PARTS; part++)
        err = submit_part(e, &r, part);
    err = await_round(e, &r, err);
    for (unsigned part = 0; !err && part < YK__PARTS; part++) {
        e->merged[part] = yk_future_ref(r.tasks[part].future);
        if (!e->o.top)
            yk__spill_count(e, r.paths[part]);
    }
    e->spill.streamed = !e->o.top;
    e->stats.merge_passes++;
    free_round(&r);
    return err;
}

int yk__spill_merge(yk__engine *e)
{
    int err = spill_rest(e);
    while (!err && e->spill.n_runs > e->spill.budget.fan_in)
        err = run_pass(e);
    return err ? err : merge_parts(e);
}
