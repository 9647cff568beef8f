/* mapreduce/ngram/filter.h - which n-grams count, and as what: --case-fold, --pos, --match,
 * --prefix, --length.
 *
 *   1. ngram_filter_new()     from the options, before any work; what it makes travels to workers
 *   2. ngram_picker_init()    there, for every piece of the input
 *   3. ngram_pick()           for every run of rows of one n-gram
 */
#ifndef NGRAM_FILTER_H
#define NGRAM_FILTER_H

#include "../../data/rows.h"
#include "../split.h"
#include "command.h"

typedef enum ngram_pos_mode {
    NGRAM_POS_DEFAULT, /* the command's choice */
    NGRAM_POS_KEEP,    /* every row by itself */
    NGRAM_POS_STRIP,   /* every occurrence once, without tags */
    NGRAM_POS_ONLY,    /* fully tagged n-grams with a word of one tag */
} ngram_pos_mode;

typedef struct ngram_pos {
    ngram_pos_mode mode;
    int tag; /* of NGRAM_POS_ONLY: an index in ngram_tags */
} ngram_pos;

typedef struct ngram_length {
    uint64_t least, most; /* characters; most 0: any number */
} ngram_length;

typedef struct ngram_filter_options {
    bool case_fold;
    ngram_pos pos;
    const char *match, *prefix; /* NULL: none */
    ngram_length length;
} ngram_filter_options;
extern const ngram_option ngram_filter_table[];
ngram_read_fn ngram_read_pos;

/* The options as one piece of memory without pointers. */
typedef struct ngram_filter {
    ngram_years years;
    ngram_pos pos;
    ngram_length length;
    bool case_fold;
    int mode; /* the job's own */
    size_t prefix_len, match_len;
    char text[]; /* the prefix, folded with --case-fold, and the expression */
} ngram_filter;

/* Is there anything that needs a filter? */
bool ngram_filter_needed(const ngram_filter_options *o);

/* Makes a filter, to be freed with free(), and checks the expression. On NULL it has complained
 * about the command's line. */
ngram_filter *ngram_filter_new(const ngram_filter_options *o, ngram_years years,
                               const ngram_command *command);
/* The same, but what is wrong with the expression, or that memory is out, is told in `why`. */
ngram_filter *ngram_filter_make(const ngram_filter_options *o, ngram_years years, char *why,
                                size_t size);
size_t ngram_filter_size(const ngram_filter *filter);

typedef struct ngram_picker {
    const ngram_filter *filter;
    struct pcre2_real_code_8 *code;
    struct pcre2_real_match_data_8 *data;
    char *folded;
    size_t room;
} ngram_picker;

/* An n-gram that counts. */
typedef struct ngram_picked {
    yk_str key;  /* what it counts as; good until the next call */
    bool tagged; /* it was tagged and is stripped: counts where there is no untagged row */
} ngram_picked;

/* 0 or UV_ENOMEM. ngram_picker_free() in any case. */
int ngram_picker_init(ngram_picker *picker, const ngram_filter *filter);
void ngram_picker_free(ngram_picker *picker);

/* Returns 1, 0 if the n-gram does not count, UV_ENOMEM, or YK_EFORMAT: the expression takes too
 * many steps on it. */
int ngram_pick(ngram_picker *picker, yk_str ngram, ngram_picked *picked);

#endif
