/* executor/remote_internal.h - what the two files of a remote share. Not installed.
 *
 *   remote.c      its start, and the rings: what parent and worker tell each other
 *   remote_end.c  its limits, how it is made to stop, its death
 */
#ifndef YOKE_EXECUTOR_REMOTE_INTERNAL_H
#define YOKE_EXECUTOR_REMOTE_INTERNAL_H

#include "remote.h"

/* The job at this position; NULL: withdrawn. */
static inline process_job **yk__remote_at(remote *r, uint32_t position)
{
    return &r->jobs[position % YK__RING];
}

/* ---- remote.c ------------------------------------------------------------------------------- */

/* Whether it says that it has started, or that it could not. */
bool yk__remote_look_at_start(remote *r);

/* ---- remote_end.c --------------------------------------------------------------------------- */

/* Sets the timer for whatever comes next. */
void yk__remote_arm(remote *r);

/* Why this job has not ended as it should; `death` may be NULL where the job was made to stop. */
void yk__remote_describe(const remote *r, const process_job *job, const yk__death *death,
                         char *text, size_t size);

void yk__remote_timer_fired(yk__timer *timer);
void yk__remote_death_seen(yk__watch *watch);

#endif
