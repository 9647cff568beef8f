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

/* With a journal something is spilled at least so often: after a tenth of a second, and in a long
 * job after a hundredth of what it has run, for every run costs the merge. */
enum { JOURNAL_NS = 100 * 1000 * 1000, JOURNAL_SHARE = 100 };

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

static int choose_journal(yk__spill *s, const char *journal)
{
    s->runs_folder = strdup(journal);
    if (asprintf(&s->folder, "%s/work", journal) < 0)
        s->folder = NULL;
    return s->runs_folder && s->folder ? 0 : UV_ENOMEM;
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
    yk__budget *b = &e->spill.budget;
    int err = yk__budget_make(b, e->o.memory, e->workers, yk__streams_at_once(e));
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
    if (e->journal.on)
        return choose_journal(&e->spill, e->journal.folder);
    int err = choose_folder(e);
    if (!err && !(e->spill.runs_folder = strdup(e->spill.folder)))
        err = UV_ENOMEM;
    return err;
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
    free(s->places);
    free(s->runs_folder);
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

static int make_room(yk__spill *s)
{
    if (s->n_waiting < s->cap_waiting)
        return 0;
    size_t cap = s->cap_waiting ? s->cap_waiting * 2 : 64;
    yk_future **waiting = realloc(s->waiting, cap * sizeof(yk_future *));
    s->waiting = waiting ? waiting : s->waiting;
    yk__where *places = realloc(s->places, cap * sizeof *places);
    s->places = places ? places : s->places;
    if (!waiting || !places)
        return UV_ENOMEM;
    s->cap_waiting = cap;
    return 0;
}

int yk__spill_take(yk__engine *e, yk_future *result, yk__where where, size_t bytes)
{
    yk__spill *s = &e->spill;
    yk__map_head head;
    int err = make_room(s);
    if (err)
        return err;
    s->places[s->n_waiting] = where;
    s->waiting[s->n_waiting++] = yk_future_ref(result);
    s->waiting_bytes += bytes;
    s->held_bytes += bytes;
    if (bytes > s->largest)
        s->largest = bytes;
    memcpy(&head, yk_future_result(result, &bytes), sizeof head);
    if (head.early > YK__EARLY_MAX)
        return YK_EFORMAT;
    for (unsigned i = 0; !err && i < head.early; i++)
        err = yk__spill_add_run(e, yk__early_path(s->runs_folder, head.number, i));
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
    free(b->places);
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
    b->places = malloc(n * sizeof *b->places);
    if (!b->results || !b->places)
        return UV_ENOMEM;
    memcpy(b->results, s->waiting, n * sizeof(yk_future *));
    memcpy(b->places, s->places, n * sizeof *b->places);
    b->n = n;
    s->n_waiting -= n;
    memmove(s->waiting, s->waiting + n, s->n_waiting * sizeof(yk_future *));
    memmove(s->places, s->places + n, s->n_waiting * sizeof *s->places);
    s->waiting_bytes -= b->bytes;
    return 0;
}

static int add_note(yk__load *b)
{
    char *note;
    size_t len;
    int err = yk__journal_note(b->results, b->places, b->n, &note, &len);
    if (!err)
        err = yk__task_add_note(&b->task, note, len);
    free(note);
    return err;
}

static int submit_batch(yk__engine *e, yk__load *b)
{
    int err = yk__feed_make(&b->feed, b->results, b->n, e->in_processes);
    if (!err)
        err = yk__task_make(e, &b->task, yk__spill_job, "spill", b->path, NULL, 0);
    if (!err && e->journal.on)
        err = add_note(b);
    if (err)
        return err;
    b->task.arg->durable = e->journal.on;
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
    if (e->journal.on && s->batches == 0 && yk_now() >= s->next_batch)
        return true;
    if (s->waiting_bytes >= s->budget.batch)
        return e->journal.on || s->n_runs > 0 || s->batches > 0 ||
               s->held_bytes > s->budget.unspilled;
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
    s->next_batch = yk_now() + JOURNAL_NS + (yk_now() - e->began) / JOURNAL_SHARE;
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
