/* mapreduce/ngram/progress.h - a line on standard error that says how far the work is. */
#ifndef NGRAM_PROGRESS_H
#define NGRAM_PROGRESS_H

#include "../mapreduce.h"
#include "shared_options.h"

typedef struct ngram_progress {
    bool shown;         /* at all */
    bool json;          /* an object a line */
    bool terminal;      /* redrawn in place; else a line now and then */
    bool drawn;         /* there is one to be cleared */
    uint64_t next_line; /* no line before this time */
} ngram_progress;

/* What is to be shown. */
typedef struct ngram_state {
    uint64_t elapsed_ns;
    uint64_t done, total; /* bytes; total 0: nobody knows */
    uint64_t rows;        /* 0: not counted */
    uint64_t spilled;     /* bytes written because memory did not suffice */
    const char *what;     /* instead of the rate: "merging" */
    bool ended;
    const yk_mapreduce_stats *job; /* more of it, for those who read JSON; may be NULL */
} ngram_state;

/* An object with what is known, as text: a line. Returns its length. */
enum { NGRAM_PROGRESS_OBJECT = 1024 };
size_t ngram_progress_object(char line[NGRAM_PROGRESS_OBJECT], const ngram_state *state);

void ngram_progress_begin(ngram_progress *p, ngram_when when);
void ngram_progress_show(ngram_progress *p, const ngram_state *state);
/* Clears the line. Whatever else goes to the terminal comes after this. */
void ngram_progress_clear(ngram_progress *p);

#endif
