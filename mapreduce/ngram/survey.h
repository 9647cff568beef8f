/* mapreduce/ngram/survey.h - what is in a file: read once from its beginning to its end, on all
 * cores. */
#ifndef NGRAM_SURVEY_H
#define NGRAM_SURVEY_H

#include "../../data/input.h"
#include "../../data/seek_table.h"
#include "../../data/store.h"
#include "../../data/totals.h"
#include "background.h"

/* What is found in rows. Everything is a sum, a bit set or an extreme. */
typedef struct ngram_contents {
    uint64_t rows;     /* lines, malformed ones too */
    uint64_t bad_rows; /* those */
    uint64_t ngrams;   /* runs of one n-gram */
    uint64_t years;    /* numbers of one year of an n-gram */
    unsigned versions; /* bit 1: there are rows of version 1, and so on */
    unsigned tags;     /* bit i: ngram_tags[i] (tags.h) was seen */
    uint64_t tagged;   /* n-grams with a word that has a tag */
    uint64_t wild;     /* with a tag alone: _NOUN_ */
    uint64_t marks;    /* with _START_, _END_ or _ROOT_ */
    uint64_t arcs;     /* with => between two words */
    int year_from, year_to;
    unsigned words_from, words_to; /* in an n-gram */
    bool unsorted;                 /* an n-gram is not behind the one before */
} ngram_contents;

typedef struct ngram_survey {
    bool is_totals;
    ngram_contents rows;  /* unless it is, */
    ngram_totals *totals; /* if it is */
    ngram_store *store;   /* or is a store, of which nothing else is filled in but its size */
    yk_packing packing;
    uint64_t stored, text; /* bytes */
    yk__frames frames;     /* zstd that is no pipe */
    bool has_frames;
    char first_bad[700]; /* "FILE:3: byte 22: ...", or "" */
} ngram_survey;

/* Surveys the file; with `thorough` everything, else what is needed to know whether it is good. A
 * malformed row is counted; damage is an error, told in the work's message. */
int ngram_survey_file(ngram_survey *survey, const char *path, int threads, bool thorough,
                      ngram_background *work);
void ngram_survey_free(ngram_survey *survey);

#endif
