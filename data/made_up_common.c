/* data/made_up_common.c - the most frequent words of English, so that a made-up file has them on
 * top as the dataset does. In order of frequency; by Zipf's law the count of the n-th is the first
 * one's, divided by n. */
#include "data/made_up.h"

#include <stdlib.h>
#include <string.h>

static const char *const common[] = {
    "the",   "of",   "and",   "to",    "in",   "a",     "is",   "that", "for", "it",
    "as",    "was",  "with",  "be",    "by",   "on",    "not",  "he",   "his", "but",
    "at",    "are",  "which", "from",  "this", "or",    "have", "had",  "an",  "they",
    "you",   "were", "their", "one",   "all",  "we",    "can",  "her",  "has", "there",
    "been",  "if",   "more",  "when",  "will", "would", "who",  "so",   "no",  "she",
    "other", "its",  "may",   "these", "what", "them",  "than", "some", "him", "time",
};

#define COMMON     (sizeof common / sizeof *common)
#define BYTES_EACH 13000 /* of a common word's rows in version 2's layout */

static int by_bytes(const void *a, const void *b)
{
    return strcmp(((const yk__common_word *)a)->word, ((const yk__common_word *)b)->word);
}

unsigned yk__common_words(yk__common_word words[YK__COMMON_MAX], uint64_t bytes)
{
    /* At most a fiftieth of the text: its other proportions are to be the dataset's. */
    uint64_t fit = bytes / 50 / BYTES_EACH;
    unsigned n = fit < COMMON ? (unsigned)fit : COMMON;
    for (unsigned i = 0; i < n; i++)
        words[i] = (yk__common_word){ common[i], i + 1 };
    qsort(words, n, sizeof *words, by_bytes);
    return n;
}
