/* mapreduce/ngram/contents.h - adds up what is found in rows. */
#ifndef NGRAM_CONTENTS_H
#define NGRAM_CONTENTS_H

#include "../../data/rows.h"
#include "survey.h"

/* An n-gram that is not the one before. */
void ngram_contents_add(ngram_contents *c, const char *ngram, size_t length);
/* The layout of a row, from what is behind its n-gram's TAB; `end` is the block's. */
void ngram_contents_add_version(ngram_contents *c, const char *entry, const char *end);
void ngram_contents_add_year(ngram_contents *c, int year);
void ngram_contents_merge(ngram_contents *into, const ngram_contents *more);

/* By their bytes: negative, 0 or positive. */
int ngram_order(const char *a, size_t a_length, const char *b, size_t b_length);

/* Does a text that begins so, or is no longer than that, hold total counts? What could be rows is
 * rows. */
bool ngram_looks_like_totals(const char *text, size_t length, bool whole);

#endif
