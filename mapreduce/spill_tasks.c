/* mapreduce/spill_tasks.c - tasks: jobs that write files, which may be done again. */
#include "spill_tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static char *put_string(char *to, const char *s)
{
    size_t len = strlen(s) + 1;
    memcpy(to, s, len);
    return to + len;
}

int yk__task_make(yk__engine *e, yk__task *t, yk_job_fn fn, const char *name, const char *path,
                  char *const *runs, size_t n)
{
    path = path ? path : "";
    size_t size = sizeof(yk__spill_arg) + e->o.arg_size + strlen(path) + 1;
    for (size_t i = 0; i < n; i++)
        size += strlen(runs[i]) + 1;
    yk__spill_arg *arg = calloc(1, size);
    if (!arg)
        return UV_ENOMEM;
    arg->fold = e->o.fold;
    arg->form = e->form;
    arg->rank = e->o.rank;
    arg->top = e->o.top;
    arg->end = YK__PARTS;
    arg->runs = n;
    arg->reduce = e->o.reduce;
    arg->user_size = e->o.arg_size;
    if (e->o.arg_size)
        memcpy(arg->rest, e->o.arg, e->o.arg_size);
    char *to = put_string(arg->rest + arg->user_size, path);
    for (size_t i = 0; i < n; i++)
        to = put_string(to, runs[i]);
    *t = (yk__task){ .fn = fn, .name = name, .arg = arg, .size = size };
    return 0;
}

int yk__task_add_note(yk__task *t, const char *note, size_t len)
{
    yk__spill_arg *arg = realloc(t->arg, t->size + len);
    if (!arg)
        return UV_ENOMEM;
    char *at = arg->rest + arg->user_size;
    memmove(at + len, at, t->size - offsetof(yk__spill_arg, rest) - arg->user_size);
    if (len > 0)
        memcpy(at, note, len);
    arg->note_len = len;
    t->arg = arg;
    t->size += len;
    return 0;
}

int yk__task_submit(yk__engine *e, yk__task *t)
{
    t->tries++;
    t->future =
        yk_submit_with(e->executor, t->fn, t->arg, t->size, .kind = YK_CPU, .name = t->name);
    return 0;
}

int yk__task_end(yk__engine *e, yk__task *t)
{
    if (yk_future_state(t->future) == YK_DONE)
        return 0;
    const yk_error *error = yk_future_error(t->future);
    if (error->code == YK_ECANCELED || e->failed) /* why is known already */
        return error->code;
    if (error->code != YK_ECRASHED || t->tries == YK__TRIES)
        return yk__explain(e, error->code, "%s: %s", t->name, error->message);
    yk_future_unref(t->future);
    e->stats.retries++;
    yk__task_submit(e, t);
    return 1;
}

int yk__task_await(yk__engine *e, yk__task *t)
{
    for (;;) {
        int err = yk__await_end(e, t->future);
        if (err)
            yk_future_error(t->future); /* it was looked at */
        if (!err)
            err = yk__task_end(e, t);
        if (err <= 0)
            return err;
    }
}

void yk__task_free(yk__task *t)
{
    yk_future_unref(t->future);
    free(t->arg);
    *t = (yk__task){ 0 };
}

char *yk__spill_new_path(yk__engine *e)
{
    char *path;
    if (asprintf(&path, "%s/run-%llu", e->spill.runs_folder, (unsigned long long)e->spill.next++) <
        0)
        return NULL;
    return path;
}

char *yk__spill_pass_path(yk__engine *e)
{
    char *path;
    if (asprintf(&path, "%s/pass-%llu", e->spill.folder, (unsigned long long)e->spill.next++) < 0)
        return NULL;
    return path;
}
