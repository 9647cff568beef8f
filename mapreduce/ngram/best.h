/* mapreduce/ngram/best.h - the k largest of many records that come one after the other. */
#ifndef NGRAM_BEST_H
#define NGRAM_BEST_H

#include <stddef.h>
#include <stdint.h>

typedef struct ngram_best_item {
    char *key;
    size_t len;
    uint64_t rank, other; /* ordered by rank, the largest first, ties by the key's bytes */
} ngram_best_item;

/* Of two ngram_best_item, for qsort(): the better one first. */
int ngram_best_compare(const void *left, const void *right);

typedef struct ngram_best {
    size_t k, count, room;
    ngram_best_item *item; /* a heap, the worst on top, until it is sorted */
} ngram_best;

/* Keeps a copy of the record if it is among the k best so far. 0 or UV_ENOMEM. */
int ngram_best_add(ngram_best *b, const ngram_best_item *record);
/* The best first; nothing can be added any more. */
void ngram_best_sort(ngram_best *b);
void ngram_best_free(ngram_best *b);

#endif
