/* mapreduce/join.h - records that come in order, folded where they have one key. Not installed. */
#ifndef YOKE_MAPREDUCE_JOIN_H
#define YOKE_MAPREDUCE_JOIN_H

#include "run.h"

/* Takes a record that is complete. */
typedef int (*yk__put_fn)(void *to, const yk__view *view);

typedef struct yk__join {
    const yk_fold *fold; /* NULL: values are grouped, and records go as they come */
    yk__form form;
    yk__put_fn put;
    void *to;
    uint64_t keys; /* distinct ones so far */
    bool has;      /* one that may not be complete */
    yk__record head;
    char *key;
    size_t cap;
    uint64_t value[YK__VALUE_MAX / 8];
} yk__join;

/* Zeroed but for the first four members it is ready. */
int yk__join_add(yk__join *j, const yk__view *view);

/* No more records come. */
int yk__join_end(yk__join *j);
void yk__join_free(yk__join *j);

#endif
