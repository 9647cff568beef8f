/* mapreduce/ngram/wanted.c - the n-grams that a question names. */
#include "wanted.h"

#include <stdlib.h>
#include <string.h>

#include "case_fold.h"
#include "tags.h"

enum { WILD = '*', PLAIN = '=' };

static bool is(const char *text, size_t len, const char *what)
{
    return strlen(what) == len && memcmp(text, what, len) == 0;
}

static bool ends_with_any_tag(const ngram_word *w)
{
    return w->len > 2 && w->kind == NGRAM_PLAIN && is(w->at + w->len - 2, 2, "_*");
}

static bool is_wild(yk_str pattern)
{
    bool wild = false;
    for (const char *next = pattern.at; next;) {
        ngram_word w;
        ngram_next_word(&w, &next, pattern.at + pattern.len);
        wild |= is(w.at, w.stem, "*") || ends_with_any_tag(&w);
    }
    return wild;
}

/* Takes the backslash from words that are "\*", in place. Returns the new length. */
static size_t unescape(char *text, size_t len)
{
    char *to = text;
    for (const char *next = text, *end = text + len; next;) {
        ngram_word w;
        ngram_next_word(&w, &next, end);
        const char *from = w.at + is(w.at, w.stem, "\\*"), *stop = next ? next : end;
        memmove(to, from, (size_t)(stop - from));
        to += stop - from;
    }
    return (size_t)(to - text);
}

/* Puts a pattern: a byte that says whether it is wild, its text, and a NUL. */
static size_t put_pattern(char *to, const char *word, bool case_fold)
{
    size_t len = ngram_rewrite(to + 1, (yk_str){ word, strlen(word) }, case_fold, false);
    *to = is_wild((yk_str){ to + 1, len }) ? WILD : PLAIN;
    if (*to == PLAIN)
        len = unescape(to + 1, len);
    to[1 + len] = '\0';
    return len + 2;
}

ngram_wanted *ngram_wanted_new(const char *const *words, size_t count, ngram_years years,
                               bool case_fold)
{
    size_t room = 0;
    for (size_t i = 0; i < count; i++)
        room += NGRAM_FOLDED(strlen(words[i])) + 2;
    ngram_wanted *w = malloc(sizeof *w + room);
    if (!w)
        return NULL;
    *w = (ngram_wanted){ .years = years, .case_fold = case_fold, .count = count };
    for (size_t i = 0; i < count; i++)
        w->size += put_pattern(w->text + w->size, words[i], case_fold);
    return w;
}

size_t ngram_wanted_size(const ngram_wanted *w)
{
    return sizeof *w + w->size;
}

void ngram_wanted_patterns(const ngram_wanted *w, ngram_pattern *patterns)
{
    const char *at = w->text;
    for (size_t i = 0; i < w->count; i++) {
        size_t len = strlen(at + 1);
        patterns[i] = (ngram_pattern){ .text = { at + 1, len }, .wild = *at == WILD };
        at += len + 2;
    }
}

static bool same(yk_str a, const char *b, size_t len)
{
    return a.len == len && memcmp(a.at, b, len) == 0;
}

static bool word_fits(const ngram_word *pattern, const ngram_word *word)
{
    bool any_tag = ends_with_any_tag(pattern);
    yk_str stem = { pattern->at, any_tag ? pattern->len - 2 : pattern->stem };
    bool any_stem = is(stem.at, stem.len, "*");
    if (is(stem.at, stem.len, "\\*"))
        stem = (yk_str){ "*", 1 };
    if (!any_tag && pattern->kind != NGRAM_TAGGED)
        return any_stem ? word->kind == NGRAM_PLAIN : same(stem, word->at, word->len);
    if (any_tag ? word->kind != NGRAM_TAGGED : word->tag != pattern->tag)
        return false;
    return any_stem || same(stem, word->at, word->stem);
}

/* Is what stands behind the two words the same: a blank, "=>" or the end? */
static bool divided_alike(const ngram_word *a, const char *next_a, const ngram_word *b,
                          const char *next_b)
{
    if (!next_a || !next_b)
        return !next_a && !next_b;
    return next_a - (a->at + a->len) == next_b - (b->at + b->len);
}

bool ngram_pattern_fits(const ngram_pattern *pattern, yk_str ngram)
{
    if (!pattern->wild)
        return same(pattern->text, ngram.at, ngram.len);
    const char *wanted = pattern->text.at, *next = ngram.at;
    while (wanted && next) {
        ngram_word p, w;
        ngram_next_word(&p, &wanted, pattern->text.at + pattern->text.len);
        ngram_next_word(&w, &next, ngram.at + ngram.len);
        if (!word_fits(&p, &w) || !divided_alike(&p, wanted, &w, next))
            return false;
    }
    return !wanted && !next;
}

yk_str ngram_pattern_prefix(const ngram_pattern *pattern)
{
    const char *at = pattern->text.at, *end = at + pattern->text.len;
    for (const char *next = pattern->wild ? at : NULL; next;) {
        ngram_word w;
        ngram_next_word(&w, &next, end);
        bool any_tag = ends_with_any_tag(&w);
        size_t stem = any_tag ? w.len - 2 : w.stem;
        if (is(w.at, stem, "*") || is(w.at, stem, "\\*"))
            return (yk_str){ at, (size_t)(w.at - at) };
        if (any_tag)
            return (yk_str){ at, (size_t)(w.at + stem + 1 - at) };
    }
    return pattern->text;
}
