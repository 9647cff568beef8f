/* mapreduce/spill.c - batches of results become runs. */
#include "spill.h"

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "../executor/arena.h"
#include "engine.h"
#include "spill_tasks.h"

#define TIGHT ((size_t)1 << 30) /* a budget in which the arena's freed blocks count */

/* ---- The folder ---------------------------------------------------------------------------- */

static char *parent_folder(const yk__engine *e)
{
    const char *tmp = e->o.tmp_dir ? e->o.tmp_dir : getenv("TMPDIR");
    if (tmp && tmp[0])
        return strdup(tmp);
    const char *target = e->outputs[0].target;
    if (!target)
        return strdup("/tmp");
    const char *slash = strrchr(target, '/');
    if (!slash)
        return strdup(".");
    return strndup(target, slash == target ? 1 : (size_t)(slash - target));
}

/* A name that nobody can have guessed and made before. */
static int choose_folder(yk__engine *e)
{
    uint64_t number[2];
    if (getrandom(number, sizeof number, 0) != sizeof number)
        return uv_translate_sys_error(errno);
    char *parent = parent_folder(e), *absolute = parent ? realpath(parent, NULL) : NULL;
    int err = !parent ? UV_ENOMEM : !absolute ? uv_translate_sys_error(errno) : 0;
    if (err)
        yk__explain(e, err, "%s: %s", parent ? parent : "", yk_strerror(err));
    else if (asprintf(&e->spill.folder, "%s/yoke-%016llx%016llx", absolute,
                      (unsigned long long)number[0], (unsigned long long)number[1]) < 0)
        err = UV_ENOMEM;
    free(parent);
    free(absolute);
    return err;
}

static void remove_folder(const yk__spill *s)
{
    DIR *dir = s->folder ? opendir(s->folder) : NULL;
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;)
        unlinkat(dirfd(dir), entry->d_name, 0);
    if (!dir)
        return;
    closedir(dir);
    rmdir(s->folder);
}

char *yk__early_path(const char *folder, uint64_t number, unsigned i)
{
    char *path;
    return asprintf(&path, "%s/early-%llu-%u", folder, (unsigned long long)number, i) < 0 ? NULL
                                                                                          : path;
}

char *yk__spill_part_path(const yk__engine *e, size_t part)
{
    char *path;
    return asprintf(&path, "%s/part-%zu", e->spill.folder, part) < 0 ? NULL : path;
}

/* ---- Life ---------------------------------------------------------------------------------- */

int yk__spill_budget(yk__engine *e)
{
    size_t streams = 0;
    for (size_t i = 0; i < e->n_files; i++)
        streams += e->files[i].is_stream;
    yk__budget *b = &e->spill.budget;
    streams = streams < e->workers ? streams : e->workers;
    int err = yk__budget_make(b, e->o.memory, e->workers, streams);
    if (err)
        return yk__explain(e, err,
                           "%zu bytes of memory are too little for %zu workers: at least %zu",
                           e->o.memory, e->workers, b->total);
    return 0;
}

int yk__spill_begin(yk__engine *e)
{
    if (e->o.memory && e->spill.budget.total < TIGHT)
        e->spill.kept_idle = yk_arena_keep(0);
    return choose_folder(e);
}

void yk__spill_drop(yk__engine *e)
{
    yk__spill *s = &e->spill;
    while (s->n_waiting > 0)
        yk_future_unref(s->waiting[--s->n_waiting]);
    s->waiting_bytes = s->held_bytes = 0;
}

void yk__spill_free(yk__engine *e)
{
    yk__spill *s = &e->spill;
    yk__spill_drop(e);
    for (size_t i = 0; i < s->n_runs; i++)
        free(s->runs[i]);
    remove_folder(s);
    if (s->kept_idle)
        yk_arena_keep(s->kept_idle);
    free(s->waiting);
    free(s->runs);
    free(s->folder);
    *s = (yk__spill){ 0 };
}

/* ---- Results that wait --------------------------------------------------------------------- */

int yk__spill_add_run(yk__engine *e, char *path)
{
    yk__spill *s = &e->spill;
    if (!path)
        return UV_ENOMEM;
    if (s->n_runs == s->cap_runs) {
        size_t cap = s->cap_runs ? s->cap_runs * 2 : 64;
        char **runs = realloc(s->runs, cap * sizeof(char *));
        if (!runs) {
            free(path);
            return UV_ENOMEM;
        }
        s->runs = runs;
        s->cap_runs = cap;
    }
    s->runs[s->n_runs++] = path;
    yk__spill_count(e, path);
    return 0;
}

void yk__spill_count(yk__engine *e, const char *path)
{
    struct stat st;
    e->stats.spilled_runs++;
    if (stat(path, &st) == 0)
        e->stats.spilled_bytes += (uint64_t)st.st_size;
}

static int add_waiting(yk__spill *s, yk_future *result)
{
    if (s->n_waiting == s->cap_waiting) {
        size_t cap = s->cap_waiting ? s->cap_waiting * 2 : 64;
        yk_future **waiting = realloc(s->waiting, cap * sizeof(yk_future *));
        if (!waiting)
            return UV_ENOMEM;
        s->waiting = waiting;
        s->cap_waiting = cap;
    }
    s->waiting[s->n_waiting++] = yk_future_ref(result);
    return 0;
}

int yk__spill_take(yk__engine *e, yk_future *result, size_t bytes, uint64_t number, unsigned early)
{
    yk__spill *s = &e->spill;
    int err = add_waiting(s, result);
    if (err)
        return err;
    s->waiting_bytes += bytes;
    s->held_bytes += bytes;
    if (bytes > s->largest)
        s->largest = bytes;
    for (unsigned i = 0; !err && i < early; i++)
        err = yk__spill_add_run(e, yk__early_path(s->folder, number, i));
    return err;
}

bool yk__spill_has_room(const yk__engine *e)
{
    const yk__spill *s = &e->spill;
    if (e->n_mapping == 0 && s->batches == 0)
        return true;
    return s->held_bytes + (e->n_mapping + 1) * s->largest <= s->budget.held;
}

/* ---- Batches ------------------------------------------------------------------------------- */

static void free_batch(yk__load *b)
{
    for (size_t i = 0; i < b->n; i++)
        yk_future_unref(b->results[i]);
    yk__feed_free(&b->feed);
    yk__task_free(&b->task);
    free(b->results);
    free(b->path);
    free(b);
}

static size_t size_of(yk_future *result)
{
    size_t len;
    yk_future_result(result, &len);
    return len;
}

/* Moves results, the oldest first, into the batch. */
static int fill_batch(yk__spill *s, yk__load *b)
{
    size_t n = 0;
    while (n < s->n_waiting && (n == 0 || b->bytes < s->budget.batch))
        b->bytes += size_of(s->waiting[n++]);
    b->results = malloc(n * sizeof(yk_future *));
    if (!b->results)
        return UV_ENOMEM;
    memcpy(b->results, s->waiting, n * sizeof(yk_future *));
    b->n = n;
    s->n_waiting -= n;
    memmove(s->waiting, s->waiting + n, s->n_waiting * sizeof(yk_future *));
    s->waiting_bytes -= b->bytes;
    return 0;
}

static int submit_batch(yk__engine *e, yk__load *b)
{
    int err = yk__feed_make(&b->feed, b->results, b->n, e->in_processes);
    if (!err)
        err = yk__task_make(e, &b->task, yk__spill_job, "spill", b->path, NULL, 0);
    if (err)
        return err;
    yk__spill_arg *arg = b->task.arg;
    arg->from = b->feed.table;
    arg->stride = b->feed.stride;
    for (size_t p = 0; p < YK__PARTS; p++)
        arg->n[p] = b->feed.n[p];
    return yk__task_submit(e, &b->task);
}

static bool is_due(const yk__engine *e)
{
    const yk__spill *s = &e->spill;
    if (s->n_waiting == 0)
        return false;
    if (s->waiting_bytes >= s->budget.batch)
        return s->n_runs > 0 || s->batches > 0 || s->held_bytes > s->budget.unspilled;
    return s->batches == 0 && e->n_mapping == 0 && !yk__spill_has_room(e);
}

int yk__spill_next(yk__engine *e, bool all, yk__load **batch)
{
    yk__spill *s = &e->spill;
    *batch = NULL;
    if (!(all ? s->n_waiting > 0 : is_due(e)))
        return 0;
    yk__load *b = calloc(1, sizeof *b);
    if (!b)
        return UV_ENOMEM;
    b->path = yk__spill_new_path(e);
    int err = b->path ? fill_batch(s, b) : UV_ENOMEM;
    if (!err)
        err = submit_batch(e, b);
    if (err) {
        s->held_bytes -= b->bytes;
        free_batch(b);
        return err;
    }
    s->batches++;
    *batch = b;
    return 0;
}

/* The allocator keeps what results were in, where it was not the arena. */
static void give_back(yk__engine *e, yk__load *b)
{
    e->spill.held_bytes -= b->bytes;
    e->spill.batches--;
    free_batch(b);
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

int yk__spill_end(yk__engine *e, yk__load *b)
{
    int err = yk__task_end(e, &b->task);
    if (err > 0)
        return err;
    if (!err) {
        err = yk__spill_add_run(e, b->path);
        b->path = NULL;
    }
    give_back(e, b);
    return err;
}
