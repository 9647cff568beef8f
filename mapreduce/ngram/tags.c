/* mapreduce/ngram/tags.c - the words of an n-gram and their parts of speech. */
#include "tags.h"

#include <string.h>

#include "case_fold.h"

const char *const ngram_tags[] = { "NOUN", "VERB", "ADJ", "ADV", "PRON", "DET", "ADP",
                                   "NUM",  "CONJ", "PRT", ".",   "X",    NULL };

static int find_name(const char *const *names, const char *name, size_t len)
{
    for (int i = 0; names[i]; i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return i;
    return -1;
}

int ngram_find_tag(const char *name, size_t len)
{
    return find_name(ngram_tags, name, len);
}

static void classify(ngram_word *w)
{
    static const char *const markers[] = { "START", "END", "ROOT", NULL };
    w->kind = NGRAM_PLAIN;
    w->tag = -1;
    w->stem = w->len;
    const char *bar = memrchr(w->at, '_', w->len);
    if (!bar)
        return;
    if (w->len > 2 && w->at[0] == '_' && bar == w->at + w->len - 1) {
        if (ngram_find_tag(w->at + 1, w->len - 2) >= 0)
            w->kind = NGRAM_PLACEHOLDER;
        else if (find_name(markers, w->at + 1, w->len - 2) >= 0)
            w->kind = NGRAM_MARKER;
        return;
    }
    size_t stem = (size_t)(bar - w->at);
    int tag = ngram_find_tag(bar + 1, w->len - stem - 1);
    if (stem == 0 || tag < 0)
        return;
    w->kind = NGRAM_TAGGED;
    w->tag = tag;
    w->stem = stem;
}

void ngram_next_word(ngram_word *word, const char **next, const char *end)
{
    const char *p = *next, *stop = p;
    size_t divider = 0;
    for (; stop < end && divider == 0; stop += divider == 0) {
        if (*stop == ' ')
            divider = 1;
        else if (stop > p && end - stop > 2 && stop[0] == '=' && stop[1] == '>' && stop[2] != ' ')
            divider = 2;
    }
    word->at = p;
    word->len = (size_t)(stop - p);
    classify(word);
    *next = divider ? stop + divider : NULL;
}

ngram_tagging ngram_tagging_of(yk_str ngram, int tag, bool *has)
{
    size_t of_kind[4] = { 0 };
    *has = false;
    if (!memchr(ngram.at, '_', ngram.len))
        return NGRAM_UNTAGGED;
    for (const char *next = ngram.at; next;) {
        ngram_word word;
        ngram_next_word(&word, &next, ngram.at + ngram.len);
        of_kind[word.kind]++;
        *has |= word.tag >= 0 && word.tag == tag;
    }
    if (of_kind[NGRAM_TAGGED] + of_kind[NGRAM_PLACEHOLDER] == 0)
        return NGRAM_UNTAGGED;
    return of_kind[NGRAM_PLAIN] + of_kind[NGRAM_PLACEHOLDER] == 0 ? NGRAM_FULLY_TAGGED
                                                                  : NGRAM_PARTLY;
}

size_t ngram_rewrite(char *to, yk_str ngram, bool fold, bool strip)
{
    char *at = to;
    for (const char *next = ngram.at, *end = ngram.at + ngram.len; next;) {
        ngram_word w;
        ngram_next_word(&w, &next, end);
        if (fold && w.kind <= NGRAM_TAGGED)
            at += ngram_case_fold(at, w.at, w.stem);
        else
            at = mempcpy(at, w.at, w.stem);
        const char *rest = w.at + (strip ? w.len : w.stem), *stop = next ? next : end;
        at = mempcpy(at, rest, (size_t)(stop - rest)); /* the tag, and what divides words */
    }
    return (size_t)(at - to);
}
