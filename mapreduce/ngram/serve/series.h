/* mapreduce/ngram/serve/series.h - the job that answers a question about years, on a thread or in
 * another process.
 *
 * Its argument is a serve_question, its result the whole answer. As JSON:
 *
 *   {"unit": "match_count", "smooth": 0, "years": [1900, 1901],
 *    "ngrams": [{"word": "run_*", "ngram": "run_VERB", "values": [12, null]}], "missing": ["zzz"]}
 */
#ifndef SERVE_SERIES_H
#define SERVE_SERIES_H

#include "../../../executor/job.h"

int serve_series_job(yk_job *job);

#endif
