/* mapreduce/ngram/serve/search.h - the job that looks through all n-grams for a regular expression:
 * for a process of its own, since it may take long.
 *
 * Its argument is a serve_search; it says how many n-grams it has read (yk_future_progress). While
 * it runs it emits what it has found so far, and at the end it returns that:
 *
 *   {"found": 1234, "searched": 5000000,
 *    "hits": [{"ngram": "abc", "match_count": 12, "volume_count": 3}]}
 *
 * with a NUL behind it, the most frequent first, so many of them as were asked for; meanwhile, no
 * more than SERVE_FIRST_HITS.
 */
#ifndef SERVE_SEARCH_H
#define SERVE_SEARCH_H

#include "../../../data/rows.h"
#include "../../../executor/job.h"
#include "fields.h"

enum {
    SERVE_FIRST_HITS = 20,
    SERVE_MOST_HITS = 1000,
    SERVE_LONGEST_MATCH = 500,
    SERVE_SEARCH_WINDOW = 256 << 10 /* for what is emitted */
};

typedef struct serve_search {
    ngram_years years; /* whose counts are summed, an end that is 0 is open */
    int limit;         /* hits */
    bool tags;         /* also n-grams with part-of-speech tags, which are there once more */
    char match[SERVE_LONGEST_MATCH + 8];
} serve_search;

/* Reads match, from, to, limit, case_fold and tags. False: fields->why says what is wrong. */
bool serve_search_read(serve_search *search, serve_fields *fields);

int serve_search_job(yk_job *job);

#endif
