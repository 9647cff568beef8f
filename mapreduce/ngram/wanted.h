/* mapreduce/ngram/wanted.h - the n-grams that a question names, some of them with wildcards.
 *
 *   Albert Einstein   that n-gram                  run_*        run with any tag
 *   * of Japan        any word without a tag       *_VERB to    any verb
 *   \* of             a star that is one
 */
#ifndef NGRAM_WANTED_H
#define NGRAM_WANTED_H

#include "../../data/rows.h"
#include "../split.h"

enum { NGRAM_MOST_WANTED = 1000 };

/* Memory without pointers, which may travel to workers. */
typedef struct ngram_wanted {
    ngram_years years;
    bool case_fold;
    size_t count;
    size_t size; /* of the text */
    char text[]; /* the patterns, folded with case_fold */
} ngram_wanted;

/* To be freed with free(); NULL: out of memory. */
ngram_wanted *ngram_wanted_new(const char *const *words, size_t count, ngram_years years,
                               bool case_fold);
size_t ngram_wanted_size(const ngram_wanted *wanted);

/* One pattern of it. */
typedef struct ngram_pattern {
    yk_str text; /* without wildcards: the n-gram */
    bool wild;
} ngram_pattern;

/* Fills wanted->count of them; they point into it. */
void ngram_wanted_patterns(const ngram_wanted *wanted, ngram_pattern *patterns);

/* Does the n-gram, folded where the pattern is, fit it? */
bool ngram_pattern_fits(const ngram_pattern *pattern, yk_str ngram);

/* The bytes with which everything that fits begins; they point into the pattern. */
yk_str ngram_pattern_prefix(const ngram_pattern *pattern);

#endif
