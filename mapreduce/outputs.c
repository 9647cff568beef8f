/* mapreduce/outputs.c - the file that a result goes to, or one for each partition. */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

static const char *name_of(const yk__engine *e)
{
    return e->o.sink.path ? e->o.sink.path : "standard output";
}

/* Writing over an input would lose it. */
static int refuse_input(yk__engine *e, const yk__output *output)
{
    const struct stat *st = &output->st;
    for (size_t i = 0; i < e->n_files; i++) {
        const yk__file *f = &e->files[i];
        if (S_ISREG(st->st_mode) && f->about.regular && f->about.inode == st->st_ino &&
            f->about.device == st->st_dev)
            return yk__explain(e, UV_EINVAL, "%s: is an input and the output", f->name);
    }
    return 0;
}

static int open_one(yk__engine *e, const char *path)
{
    yk__output *output = &e->outputs[e->n_outputs];
    int err = yk__output_open(output, path);
    if (err)
        return yk__explain(e, err, "%s: %s", path ? path : name_of(e), yk_strerror(err));
    output->durable = e->journal.on; /* which goes when the output has its name */
    e->n_outputs++;
    return refuse_input(e, output);
}

/* PATH-00000 and so on. */
static int open_partition(yk__engine *e, size_t number)
{
    char *path = NULL;
    if (asprintf(&path, "%s-%05zu", e->o.sink.path, number) < 0)
        return UV_ENOMEM;
    int err = open_one(e, path);
    free(path);
    return err;
}

int yk__outputs_open(yk__engine *e)
{
    size_t n = e->o.partitions;
    const char *path = e->o.sink.path;
    if (n > YK_MAPREDUCE_PARTITIONS)
        return yk__explain(e, UV_EINVAL, "more than %d partitions", YK_MAPREDUCE_PARTITIONS);
    if (n > 0 && (!path || strcmp(path, "-") == 0))
        return yk__explain(e, UV_EINVAL, "partitions need a path that they can be named after");
    e->outputs = calloc(n ? n : 1, sizeof *e->outputs);
    if (!e->outputs)
        return UV_ENOMEM;
    int err = n ? 0 : open_one(e, path);
    for (size_t i = 0; !err && i < n; i++)
        err = open_partition(e, i);
    return err;
}

int yk__outputs_end(yk__engine *e, int err)
{
    for (size_t i = 0; i < e->n_outputs && !err; i++)
        err = yk__output_commit(&e->outputs[i]);
    yk__outputs_free(e);
    if (err && err != YK_ECANCELED)
        yk__explain(e, err, "%s: %s", name_of(e), yk_strerror(err));
    return err;
}

void yk__outputs_free(yk__engine *e)
{
    for (size_t i = 0; i < e->n_outputs; i++)
        yk__output_abandon(&e->outputs[i]);
    free(e->outputs);
    e->outputs = NULL;
    e->n_outputs = 0;
}
