/* mapreduce/ngram/background.h - one long piece of work on a thread beside the loop, with a bar,
 * stopped by Ctrl-C. */
#ifndef NGRAM_BACKGROUND_H
#define NGRAM_BACKGROUND_H

#include <stdatomic.h>

#include "../../executor/job.h"
#include "shared_options.h"

typedef struct ngram_background {
    /* Runs on the thread. 0 or a negative error; what `message` has then is told, else the error's
     * own words behind `name`. */
    int (*run)(struct ngram_background *work);
    void *arg;
    const char *name;

    /* For run(): */
    const yk_job *job;            /* asked now and then: yk_job_cancelled(job) */
    _Atomic uint64_t done, total; /* bytes, for the bar; relaxed */
    char message[600];
    uint64_t elapsed_ns; /* once it has ended */
} ngram_background;

/* Runs it and tells its error or interruption. Returns an exit status or YK_ECANCELED. */
int ngram_background_run(ngram_background *work, ngram_when progress);

#endif
