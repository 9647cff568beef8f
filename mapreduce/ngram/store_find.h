/* mapreduce/ngram/store_find.h - the years of n-grams that a question names, from a store. */
#ifndef NGRAM_STORE_FIND_H
#define NGRAM_STORE_FIND_H

#include "../../data/store.h"
#include "../../executor/job.h"
#include "lines.h"
#include "wanted.h"

/* Adds what is wanted to the lines, and finishes them. A word without wildcards is looked up, with
 * case_fold in all the ways to write it; one that begins plainly (run_*) has the store read from
 * there; for one with a wildcard at the beginning all of it is read. The job is asked now and then
 * whether to stop: YK_ECANCELED. YK_ECORRUPT and the like: the store is damaged; UV_ENOMEM. */
int ngram_store_find(const ngram_store *store, const ngram_wanted *wanted, ngram_lines *lines,
                     const yk_job *job);

typedef struct ngram_store_question {
    const char *store; /* its path */
    const ngram_wanted *wanted;
    ngram_lines *lines; /* what is found is added, finished and written */
    const ngram_output_options *output;
} ngram_store_question;

/* Finds and writes the answer. Returns an exit status or YK_ECANCELED, and has told why. */
int ngram_store_answer(const ngram_store_question *question);

#endif
