/* mapreduce/spill.h - what of a running job waits in memory, and what on disk. Not installed.
 *
 * Results of mapped pieces are held until there are more of them than the budget allows. Then jobs
 * fold and sort batches of them into run files (spill_job.h), while mapping goes on as far as there
 * is room. If anything was spilled, everything is when all is mapped, and the merge reads files
 * only: passes of joins until one merge can take all runs, and then one for each partition.
 *
 * The files are in a folder of the job's own, which is made with the first of them and removed
 * at the job's end, whatever that is.
 */
#ifndef YOKE_MAPREDUCE_SPILL_H
#define YOKE_MAPREDUCE_SPILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../executor/future.h"
#include "budget.h"
#include "feed.h"
#include "spill_job.h"

struct yk__engine;
struct yk__where;

/* A spill, join or best job, which is done again when its worker dies. */
typedef struct yk__task {
    yk_job_fn fn;
    const char *name;
    yk__spill_arg *arg; /* owned */
    size_t size;
    yk_future *future; /* owned */
    int tries;
} yk__task;

/* Results that are being spilled. */
typedef struct yk__load {
    yk__task task;
    yk__feed feed;
    yk_future **results;
    struct yk__where *places;
    size_t n, bytes;
    char *path; /* of the run */
} yk__load;

typedef struct yk__spill {
    yk__budget budget;
    size_t kept_idle; /* what the arena kept before, if that was changed; else 0 */
    char *folder;
    char *runs_folder; /* the same, or that of the journal */
    uint64_t next;     /* a number that no file has yet */
    yk_future **waiting;
    struct yk__where *places; /* of those that wait */
    uint64_t next_batch;      /* with a journal: something is spilled then, however little */
    size_t n_waiting, cap_waiting, waiting_bytes;
    size_t held_bytes; /* of those that wait and those in batches */
    size_t largest;    /* result so far */
    size_t batches;
    char **runs; /* paths */
    size_t n_runs, cap_runs;
    bool streamed; /* the last merge's results are in files */
} yk__spill;

/* Divides the memory, when the inputs are known. */
int yk__spill_budget(struct yk__engine *e);
/* Chooses the folder, when the output is known. */
int yk__spill_begin(struct yk__engine *e);
void yk__spill_free(struct yk__engine *e);

/* A piece's result of so many bytes; and its early runs, if there are any. */
int yk__spill_take(struct yk__engine *e, yk_future *result, struct yk__where where, size_t bytes);

/* Whether the result of one more piece will have room. */
bool yk__spill_has_room(const struct yk__engine *e);

/* The next batch to be spilled, submitted; *batch NULL: nothing is to be spilled now. `all`:
 * whatever waits. */
int yk__spill_next(struct yk__engine *e, bool all, yk__load **batch);

/* A batch's future has ended. 1: it was submitted again. Else it is freed: 0, or the job's error,
 * which is explained. */
int yk__spill_end(struct yk__engine *e, yk__load *batch);

/* When all is mapped: whether the merge will read files. */
bool yk__spill_is_needed(const struct yk__engine *e);

/* Spills the rest and merges all; the results are in e->merged, as after a merge in memory, or
 * `streamed` is set and yk__spill_part_path() names them. */
int yk__spill_merge(struct yk__engine *e);

/* All is merged: lets go of the results that were. */
void yk__spill_drop(struct yk__engine *e);

/* Paths: good for the caller to free; NULL: no memory. */
char *yk__spill_part_path(const struct yk__engine *e, size_t part);

/* Of the run `i` that a map job wrote early; the worker uses it too. */
char *yk__early_path(const char *folder, uint64_t number, unsigned i);

#endif
