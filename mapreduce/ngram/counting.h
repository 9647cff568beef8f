/* mapreduce/ngram/counting.h - the job of ngram count, top and totals: counts, summed by n-gram, by
 * part of speech, by first letter, by year or by decade. */
#ifndef NGRAM_COUNTING_H
#define NGRAM_COUNTING_H

#include "filter.h"
#include "query.h"

typedef enum ngram_by {
    NGRAM_BY_NGRAM,
    NGRAM_BY_LETTER,
    NGRAM_BY_POS,
    NGRAM_BY_YEAR,
    NGRAM_BY_DECADE
} ngram_by;

/* What is summed. */
typedef struct ngram_counts {
    uint64_t matches, volumes;
} ngram_counts;

typedef struct ngram_counting_options {
    ngram_filter_options filter;
    ngram_by by;
    uint64_t min_count;
    uint64_t top; /* 0: all, by the bytes of the key; else the most frequent */
    bool share;
    ngram_query_options query;
} ngram_counting_options;

/* --by and --min-count. */
extern const ngram_option ngram_by_table[];

/* The groups of a ngram_counting_options that begins the command's own struct. */
#define NGRAM_COUNTING_GROUPS                                                          \
    { "Which n-grams", ngram_filter_table, offsetof(ngram_counting_options, filter) }, \
        { "Sums", ngram_by_table, 0 }, NGRAM_QUERY_GROUPS(ngram_counting_options, query)

/* Sums over the files and writes the answer. Returns an exit status or YK_ECANCELED. */
int ngram_sum(const ngram_counting_options *o, const ngram_words *files,
              const ngram_command *command);

/* The job by itself, for another sink: records are keys, years in four digits, with what
 * ngram_counts_in() understands. `filter` is of ngram_counting_filter(), or NULL: it has
 * complained. */
ngram_filter *ngram_counting_filter(const ngram_counting_options *o, const ngram_command *command);
yk_mapreduce_options ngram_counting_job(const ngram_counting_options *o,
                                        const ngram_filter *filter);

const ngram_counts *ngram_counts_in(const yk_mapreduce_options *job, yk_str value);

/* What a map function does with a row that the scanner does not hand out: 0, or what it returns. */
int ngram_take_bad_row(yk_split *split, yk_emitter *out, const ngram_bad_row *bad, int code);

#endif
