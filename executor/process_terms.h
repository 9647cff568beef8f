/* executor/process_terms.h - what some jobs of a process pool ask for besides being run: to begin
 * by some time or not at all, and to be run again when their worker dies. Not installed.
 *
 * Most jobs ask for neither and have no terms. Everything but making and freeing them is for the
 * pool's driver.
 *
 * A job that has lost its worker rests before it is tried again, longer each time, and then goes to
 * the end of its class: a job that kills every worker delays the others as little as can be.
 */
#ifndef YOKE_EXECUTOR_PROCESS_TERMS_H
#define YOKE_EXECUTOR_PROCESS_TERMS_H

#include "process_job.h"

typedef struct job_terms {
    process_job *job;
    yk__timer timer;   /* start_by; later the end of a rest */
    uint64_t start_by; /* 0: none */
    unsigned retries;  /* left */
    unsigned lost;     /* how often its worker died */
    bool resting;      /* in the pool's list of those that rest */
    struct job_terms *prev, *next;
    unsigned char original[]; /* an argument in a block, which the job may overwrite */
} job_terms;

/* Whether a job has terms at all. */
static inline bool yk__terms_asked(const yk_job_options *options)
{
    return options->start_by != 0 || options->retries != 0;
}

/* NULL: no memory. Freed with free(). */
job_terms *yk__terms_new(process_job *job, const yk_job_options *options, const void *arg,
                         size_t len);

/* The job has come to the driver. False: it is too late for it, or there is no memory; it has
 * ended, and the driver's reference is gone. */
bool yk__terms_accept(process_job *job);

/* Whether it may still begin. False: it has ended, and the driver's reference is gone. */
bool yk__terms_may_begin(process_job *job);

/* Its worker has died while it ran. True: it rests, and will be tried again. */
bool yk__terms_try_again(process_job *job);

/* `message`, and how often it was tried; `text` is room for it. */
const char *yk__terms_story(const process_job *job, const char *message, char *text, size_t size);

/* The driver is done with the job. */
void yk__terms_end(process_job *job);

#endif
