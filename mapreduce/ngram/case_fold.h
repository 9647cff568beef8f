/* mapreduce/ngram/case_fold.h - one form for all the ways in which a word is capitalised. */
#ifndef NGRAM_CASE_FOLD_H
#define NGRAM_CASE_FOLD_H

#include <stddef.h>

/* Bytes that a text of `len` bytes may have when it is folded. */
#define NGRAM_FOLDED(len) (3 * (len) + 16)

/* Unicode's full case folding ("Straße" becomes "strasse"), which is the same for every language.
 * Bytes that are not UTF-8 stay as they are. Returns the length of what it wrote to `to`, which has
 * room for NGRAM_FOLDED(len) bytes. */
size_t ngram_case_fold(char *to, const char *text, size_t len);

#endif
