/* mapreduce/best.h - of many records the best. Not installed. */
#ifndef YOKE_MAPREDUCE_BEST_H
#define YOKE_MAPREDUCE_BEST_H

#include "../executor/job.h"
#include "run.h"

typedef struct yk__best {
    yk__form form;
    uint64_t (*rank)(const void *value);
    size_t top;
    struct yk__best_record **heap; /* the worst at the root */
    size_t n, cap;
} yk__best;

/* Takes a copy of the record if it is one of the best. */
int yk__best_add(yk__best *b, const yk__view *view);

/* Bytes of all as packed records. */
size_t yk__best_size(const yk__best *b);

/* Writes them, the best first, and forgets them. */
void yk__best_write(yk__best *b, char *to);
void yk__best_free(yk__best *b);

#endif
