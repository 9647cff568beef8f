/* mapreduce/ngram/contents.c - adds up what is found in rows. */
#include "contents.h"

#include <stdlib.h>
#include <string.h>

#include "tags.h"

/* ---- n-grams ---- */

/* Which layout has the row that goes on at `p`, behind its n-gram's TAB? */
static unsigned version_of(const char *p, const char *end)
{
    unsigned fields = 0;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    if (p < end && *p == ',')
        return 3;
    for (; p < end && *p != '\n'; p++)
        fields += *p == '\t';
    return fields == 3 ? 1 : 2;
}

void ngram_contents_add_version(ngram_contents *c, const char *entry, const char *end)
{
    c->versions |= 1u << version_of(entry, end);
}

void ngram_contents_add(ngram_contents *c, const char *ngram, size_t length)
{
    unsigned words = 1, kinds = 0;
    bool arcs = false;
    const char *next = ngram, *end = ngram + length;
    while (next) {
        ngram_word word;
        ngram_next_word(&word, &next, end);
        kinds |= 1u << word.kind;
        if (word.tag >= 0)
            c->tags |= 1u << word.tag;
        words += next && next[-1] == ' ';
        arcs |= next && next[-1] != ' ';
    }
    c->ngrams++;
    c->tagged += kinds >> NGRAM_TAGGED & 1;
    c->wild += kinds >> NGRAM_PLACEHOLDER & 1;
    c->marks += kinds >> NGRAM_MARKER & 1;
    c->arcs += arcs;
    c->words_from = !c->words_from || words < c->words_from ? words : c->words_from;
    c->words_to = words > c->words_to ? words : c->words_to;
}

void ngram_contents_add_year(ngram_contents *c, int year)
{
    c->years++;
    c->year_from = !c->year_from || year < c->year_from ? year : c->year_from;
    c->year_to = year > c->year_to ? year : c->year_to;
}

void ngram_contents_merge(ngram_contents *a, const ngram_contents *b)
{
    a->rows += b->rows;
    a->bad_rows += b->bad_rows;
    a->ngrams += b->ngrams;
    a->years += b->years;
    a->versions |= b->versions;
    a->tags |= b->tags;
    a->tagged += b->tagged;
    a->wild += b->wild;
    a->marks += b->marks;
    a->arcs += b->arcs;
    a->unsorted |= b->unsorted;
    if (b->year_from && (!a->year_from || b->year_from < a->year_from))
        a->year_from = b->year_from;
    a->year_to = b->year_to > a->year_to ? b->year_to : a->year_to;
    if (b->words_from && (!a->words_from || b->words_from < a->words_from))
        a->words_from = b->words_from;
    a->words_to = b->words_to > a->words_to ? b->words_to : a->words_to;
}

int ngram_order(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
    return order ? order : (a_length > b_length) - (a_length < b_length);
}

/* ---- total counts ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool begins_with_row(const char *text, const char *end)
{
    ngram_rows rows;
    ngram_group group;
    ngram_rows_init(&rows, text, end, (ngram_years){ 0 });
    return ngram_rows_next(&rows, &group) > 0;
}

/* year,match_count,page_count,volume_count, or with TABs and on a line of its own. */
static bool is_total(const char *p, const char *end)
{
    const char *stop = p;
    while (stop < end && *stop >= '0' && *stop <= '9')
        stop++;
    const char separator = stop < end ? *stop : '\0';
    while (stop < end && *stop != '\n' && (separator == '\t' || *stop != '\t'))
        stop++;
    ngram_totals *totals = NULL;
    int err = ngram_totals_parse(&totals, p, (size_t)(stop - p), "", NULL, 0);
    free(totals);
    return err == 0;
}

bool ngram_looks_like_totals(const char *text, size_t length, bool whole)
{
    const char *p = text, *end = text + length;
    while (p < end && is_blank(*p))
        p++;
    const char *lf = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    if (!lf && !whole && p == text)
        return false; /* a row, longer than what is there of it */
    return !begins_with_row(text, lf ? lf + 1 : end) && is_total(p, end);
}
