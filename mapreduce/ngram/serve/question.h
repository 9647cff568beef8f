/* mapreduce/ngram/serve/question.h - what is asked of the years of some n-grams. */
#ifndef SERVE_QUESTION_H
#define SERVE_QUESTION_H

#include "../../../data/rows.h"
#include "fields.h"

enum { SERVE_MOST_WORDS = 50, SERVE_MOST_SMOOTHING = 50, SERVE_LONGEST_WORDS = 4000 };

typedef enum serve_form {
    SERVE_JSON,
    SERVE_CSV,
    SERVE_PLOT, /* what gnuplot is told to draw it */
} serve_form;

/* Memory without pointers, which may travel to another process. */
typedef struct serve_question {
    ngram_years years; /* an end that is 0 is open */
    int smooth;
    bool case_fold, relative;
    serve_form form;
    size_t count; /* of the words */
    size_t size;  /* of `words` */
    char words[]; /* one after the other, a NUL behind each */
} serve_question;

/* Reads the parameters words, from, to, smooth, case_fold and relative. Words are divided by
 * commas; "\," is a comma. Blanks around them go, several between two become one. To be freed with
 * free(); NULL: fields->why says what is wrong. */
serve_question *serve_question_read(serve_fields *fields);
size_t serve_question_size(const serve_question *q);

/* Is a part of the store to be read for it that may be most of it? Then it belongs in a process,
 * beside the searches, and not on a thread. */
bool serve_question_is_heavy(const serve_question *q);

/* The words as a list that ends with NULL; to be freed with free(). NULL: out of memory. */
const char **serve_question_words(const serve_question *q);

#endif
