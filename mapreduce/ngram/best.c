/* mapreduce/ngram/best.c - the k largest of many records: a heap with the worst on top. */
#include "best.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

int ngram_best_compare(const void *left, const void *right)
{
    const ngram_best_item *a = left, *b = right;
    if (a->rank != b->rank)
        return a->rank > b->rank ? -1 : 1;
    int order = memcmp(a->key, b->key, a->len < b->len ? a->len : b->len);
    return order ? order : a->len < b->len ? -1 : a->len > b->len;
}

static void swap(ngram_best_item *a, ngram_best_item *b)
{
    ngram_best_item t = *a;
    *a = *b;
    *b = t;
}

static void sift_up(ngram_best *b, size_t i)
{
    for (; i > 0 && ngram_best_compare(&b->item[i], &b->item[(i - 1) / 2]) > 0; i = (i - 1) / 2)
        swap(&b->item[i], &b->item[(i - 1) / 2]);
}

static void sift_down(ngram_best *b)
{
    for (size_t i = 0, worst;; i = worst) {
        worst = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < b->count; child++)
            if (ngram_best_compare(&b->item[child], &b->item[worst]) > 0)
                worst = child;
        if (worst == i)
            return;
        swap(&b->item[i], &b->item[worst]);
    }
}

static int make_room(ngram_best *b)
{
    if (b->count < b->room)
        return 0;
    size_t room = b->room ? 2 * b->room : 16;
    ngram_best_item *item = realloc(b->item, room * sizeof *item);
    if (!item)
        return UV_ENOMEM;
    b->item = item;
    b->room = room;
    return 0;
}

int ngram_best_add(ngram_best *b, const ngram_best_item *record)
{
    bool full = b->count == b->k;
    if (full && ngram_best_compare(record, &b->item[0]) > 0)
        return 0;
    char *key = malloc(record->len + 1);
    if (!key || make_room(b)) {
        free(key);
        return UV_ENOMEM;
    }
    memcpy(key, record->key, record->len);
    ngram_best_item *place = full ? &b->item[0] : &b->item[b->count];
    if (full)
        free(place->key);
    *place = *record;
    place->key = key;
    if (full)
        sift_down(b);
    else
        sift_up(b, b->count++);
    return 0;
}

void ngram_best_sort(ngram_best *b)
{
    if (b->count > 0)
        qsort(b->item, b->count, sizeof *b->item, ngram_best_compare);
}

void ngram_best_free(ngram_best *b)
{
    for (size_t i = 0; i < b->count; i++)
        free(b->item[i].key);
    free(b->item);
    *b = (ngram_best){ 0 };
}
