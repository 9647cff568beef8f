/* executor/uses.h - the blocks of the arena that a job has references to. Not installed.
 *
 * They are counted when the job is made and given back when nobody runs it any more: by whoever
 * ends its future, just before; but a thread takes the list with it when it begins the job, and
 * gives back when the function has returned, which is later where the job was written off.
 */
#ifndef YOKE_EXECUTOR_USES_H
#define YOKE_EXECUTOR_USES_H

#include "internal.h"

/* Whether all of them are blocks. */
bool yk__uses_are_there(const yk_job_options *options);

/* Takes the references for a job that nobody knows yet. UV_ENOMEM. */
int yk__uses_take(yk__work *work, const yk_job_options *options);

void yk__uses_give_back_all(void **uses);

/* Leaves NULL behind. */
static inline void yk__uses_give_back(void ***uses)
{
    if (!*uses)
        return;
    yk__uses_give_back_all(*uses);
    *uses = NULL;
}

#endif
