/* loop/errand.h - a blocking call on a thread, whose caller may go away meanwhile. Not installed.
 *
 * A thread in a system call cannot be made to leave it. So a task that is cancelled, or whose
 * deadline passes, leaves the errand to the thread: whatever the call reads and writes is the
 * errand's own, and the last of the two frees it with what it has brought and nobody took.
 *
 * An errand is the first member of what holds its arguments and results.
 */
#ifndef YOKE_LOOP_ERRAND_H
#define YOKE_LOOP_ERRAND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../executor/job.h"

typedef struct yk__errand {
    /* On a thread of the loop's default executor; 0 or an error. */
    int (*run)(struct yk__errand *e, yk_job *job);
    void (*free)(struct yk__errand *e); /* on either thread */
    int err;                            /* of run() */
    _Atomic uint32_t refs;
    _Atomic bool begun; /* the job has, and gives its reference back itself */
} yk__errand;

/* Runs the errand and waits for it, in a task. 0, what run() returned, or UV_ETIMEDOUT,
 * YK_ECANCELED and the errors of submission; the caller looks at the results only after 0, and
 * gives its reference back in any case. */
int yk__errand_run(yk__errand *e, uint64_t deadline);
void yk__errand_unref(yk__errand *e);

#endif
