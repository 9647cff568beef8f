/* mapreduce/ngram/serve/question.c - what is asked of the years of some n-grams. */
#include "question.h"

#include <stdlib.h>
#include <string.h>

#include "../wanted.h"

/* ---- Words --------------------------------------------------------------------------------- */

/* Reads a word up to a comma or the end: *next is behind it. Returns the length of what is written
 * to `to`. */
static size_t read_word(char *to, const char **next)
{
    size_t len = 0;
    const char *p = *next;
    for (; *p && *p != ','; p++) {
        bool blank = *p == ' ' || *p == '\t' || *p == '\r' || *p == '\n';
        if (p[0] == '\\' && p[1] == ',')
            p++;
        if (!blank)
            to[len++] = *p;
        else if (len > 0 && to[len - 1] != ' ')
            to[len++] = ' ';
    }
    *next = *p ? p + 1 : p;
    return len > 0 && to[len - 1] == ' ' ? len - 1 : len;
}

/* An empty word is none: "a,,b" and "a, b," have two. */
static void read_words(serve_question *q, const char *text)
{
    while (*text) {
        size_t len = read_word(q->words + q->size, &text);
        if (len == 0)
            continue;
        q->words[q->size + len] = '\0';
        q->size += len + 1;
        q->count++;
    }
}

/* ---- The question -------------------------------------------------------------------------- */

static void check(const serve_question *q, serve_fields *f)
{
    if (q->count == 0)
        serve_field_wrong(f, "words: name one or more n-grams, with commas between them");
    if (q->count > SERVE_MOST_WORDS)
        serve_field_wrong(f, "words: %zu n-grams; %d are the most", q->count, SERVE_MOST_WORDS);
    if (q->years.from && q->years.to && q->years.from > q->years.to)
        serve_field_wrong(f, "from: %d is after %d, the last year", q->years.from, q->years.to);
}

serve_question *serve_question_read(serve_fields *f)
{
    char text[SERVE_LONGEST_WORDS + 1];
    serve_field_text(f, "words", text, sizeof text);
    serve_question *q = calloc(1, sizeof *q + strlen(text) + 2);
    if (!q) {
        serve_field_wrong(f, "out of memory");
        return NULL;
    }
    q->years.from = serve_field_number(f, "from", 1, 9999, 0);
    q->years.to = serve_field_number(f, "to", 1, 9999, 0);
    q->smooth = serve_field_number(f, "smooth", 0, SERVE_MOST_SMOOTHING, 0);
    q->case_fold = serve_field_flag(f, "case_fold");
    q->relative = serve_field_flag(f, "relative");
    read_words(q, text);
    check(q, f);
    if (!f->wrong)
        return q;
    free(q);
    return NULL;
}

size_t serve_question_size(const serve_question *q)
{
    return sizeof *q + q->size;
}

const char **serve_question_words(const serve_question *q)
{
    const char **words = calloc(q->count + 1, sizeof *words);
    const char *at = q->words;
    for (size_t i = 0; words && i < q->count; i++, at += strlen(at) + 1)
        words[i] = at;
    return words;
}

/* Is anything known of where in the store it stands? */
static bool has_place(const ngram_pattern *pattern)
{
    return !pattern->wild || ngram_pattern_prefix(pattern).len > 0;
}

bool serve_question_is_heavy(const serve_question *q)
{
    const char **words = serve_question_words(q);
    ngram_wanted *wanted = words ? ngram_wanted_new(words, q->count, q->years, q->case_fold) : NULL;
    ngram_pattern *patterns = wanted ? calloc(q->count, sizeof *patterns) : NULL;
    bool heavy = !patterns;
    if (patterns)
        ngram_wanted_patterns(wanted, patterns);
    for (size_t i = 0; patterns && i < q->count; i++)
        heavy |= !has_place(&patterns[i]);
    free(patterns);
    free(wanted);
    free(words);
    return heavy;
}
