/* mapreduce/spill_tasks.h - submitting the jobs of spill_job.h. Not installed. */
#ifndef YOKE_MAPREDUCE_SPILL_TASKS_H
#define YOKE_MAPREDUCE_SPILL_TASKS_H

#include "engine.h"

/* Fills in what all have: a job that writes `path` (may be NULL) from the runs at `runs`. The rest
 * of the argument is for the caller. */
int yk__task_make(yk__engine *e, yk__task *t, yk_job_fn fn, const char *name, const char *path,
                  char *const *runs, size_t n);
/* Has the run that it writes bear a note. */
int yk__task_add_note(yk__task *t, const char *note, size_t len);
int yk__task_submit(yk__engine *e, yk__task *t);

/* Its future has ended: 0, 1 if it was submitted once more, or its error, which is explained. */
int yk__task_end(yk__engine *e, yk__task *t);

/* Waits until it has ended for good. */
int yk__task_await(yk__engine *e, yk__task *t);
void yk__task_free(yk__task *t);

/* For a run that is to be written; to be freed. NULL: no memory. */
char *yk__spill_new_path(yk__engine *e);
/* The same for one that a merge makes of others, which is not for a journal. */
char *yk__spill_pass_path(yk__engine *e);

/* Adds a run that was written; takes the path over, also on failure (NULL: UV_ENOMEM). */
int yk__spill_add_run(yk__engine *e, char *path);

/* Counts a file that was written in the statistics. */
void yk__spill_count(yk__engine *e, const char *path);

#endif
