/* executor/process_job.h - a job of a process pool, from the parent's side. Not installed. */
#ifndef YOKE_EXECUTOR_PROCESS_JOB_H
#define YOKE_EXECUTOR_PROCESS_JOB_H

#include <stdalign.h>

#include "internal.h"
#include "queue.h"
#include "reactor.h"

struct process_pool;
struct remote;
struct job_terms;

/* Everything below `post` belongs to the pool's driver. The driver holds one reference from
 * submission to the end of the job. */
typedef struct process_job {
    yk__work work;
    struct process_pool *pool;
    yk__post post; /* first to submit it, later to ask for its cancellation, from other threads */
    void *block;   /* of the arena: an argument that does not fit a slot */
    bool admitted; /* holds a permit of the bounded queue: until it begins, or is cancelled before
                      (whichever of the two the future's state decides for) */
    uint32_t ring_page; /* of what it emits, as in its slot */

    yk__queued place;  /* in the pool's queue */
    struct remote *on; /* whose ring it is in, at `position` */
    uint32_t position;
    struct job_terms *terms;  /* NULL for most: see process_terms.h */
    void *told;               /* who is told that it begins; NULL: nobody. See internal.h */
    struct process_job *next; /* among the kept ones */
    bool may_be_kept;         /* its memory, for another job: it has the usual size */

    alignas(max_align_t) unsigned char arg[];
} process_job;

/* Writes its context, which is not NULL, behind its argument. */
void yk__pool_put_context(process_job *job);

/* It has begun, and somebody is to be told. */
void yk__pool_tell_begin(process_job *job);

/* It has begun, or never will: there is room for another. */
void yk__pool_unqueued(process_job *job);

#endif
