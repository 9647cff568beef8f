/* mapreduce/ngram/counting.h - the job of ngram count and ngram top: the counts of every n-gram,
 * summed. */
#ifndef NGRAM_COUNTING_H
#define NGRAM_COUNTING_H

#include "query.h"

/* Sums over `files` and writes all n-grams in the order of their bytes, or the `top` most frequent
 * ones. Returns an exit status or YK_ECANCELED. */
int ngram_sum(const ngram_query_options *o, const char *const *files, size_t top);

#endif
