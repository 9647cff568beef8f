/* mapreduce/best.c - a heap whose root is the worst: what a better record replaces. */
#include "best.h"

#include <stdlib.h>
#include <uv.h>

typedef struct yk__best_record {
    uint64_t rank;
    yk__view view; /* of what follows: the value, then the key */
    uint64_t value[];
} record;

static bool is_better(uint64_t rank, const yk__view *view, const record *than)
{
    if (rank != than->rank)
        return rank > than->rank;
    return yk__compare_keys(view->key, view->head.len, than->view.key, than->view.head.len) < 0;
}

static bool is_worse(const record *a, const record *b)
{
    return is_better(b->rank, &b->view, a);
}

static void settle(yk__best *b, size_t i)
{
    record *moving = b->heap[i];
    for (size_t child; (child = 2 * i + 1) < b->n; i = child) {
        if (child + 1 < b->n && is_worse(b->heap[child + 1], b->heap[child]))
            child++;
        if (!is_worse(b->heap[child], moving))
            break;
        b->heap[i] = b->heap[child];
    }
    b->heap[i] = moving;
}

static record *copy(uint64_t rank, const yk__view *v)
{
    size_t value = (v->size + 7) & ~(size_t)7;
    record *r = malloc(sizeof *r + value + v->head.len);
    if (!r)
        return NULL;
    char *key = (char *)r->value + value;
    memcpy(r->value, v->value, v->size);
    memcpy(key, v->key, v->head.len);
    r->rank = rank;
    r->view = *v;
    r->view.value = (const char *)r->value;
    r->view.key = key;
    return r;
}

static int make_room(yk__best *b)
{
    if (b->n < b->cap)
        return 0;
    size_t cap = b->cap ? b->cap * 2 : 64;
    record **heap = realloc(b->heap, cap * sizeof(record *));
    if (!heap)
        return UV_ENOMEM;
    b->heap = heap;
    b->cap = cap;
    return 0;
}

static void rise(yk__best *b, record *r)
{
    size_t i = b->n++;
    for (; i > 0 && is_worse(r, b->heap[(i - 1) / 2]); i = (i - 1) / 2)
        b->heap[i] = b->heap[(i - 1) / 2];
    b->heap[i] = r;
}

int yk__best_add(yk__best *b, const yk__view *view)
{
    uint64_t value[YK__VALUE_MAX / 8];
    memcpy(value, view->value, view->size);
    uint64_t rank = b->rank(value);
    if (b->n == b->top && !is_better(rank, view, b->heap[0]))
        return 0;
    int err = b->n < b->top ? make_room(b) : 0;
    record *r = err ? NULL : copy(rank, view);
    if (!r)
        return UV_ENOMEM;
    if (b->n < b->top) {
        rise(b, r);
        return 0;
    }
    free(b->heap[0]);
    b->heap[0] = r;
    settle(b, 0);
    return 0;
}

size_t yk__best_size(const yk__best *b)
{
    size_t size = 0;
    for (size_t i = 0; i < b->n; i++)
        size += yk__packed_size(b->form, b->heap[i]->view.size, b->heap[i]->view.head.len);
    return size;
}

void yk__best_write(yk__best *b, char *to)
{
    char *end = to + yk__best_size(b), *value;
    while (b->n > 0) { /* the worst comes first, and goes to the end */
        record *r = b->heap[0];
        end -= yk__packed_size(b->form, r->view.size, r->view.head.len);
        yk__run_put(end, b->form, &r->view, &value);
        free(r);
        b->heap[0] = b->heap[--b->n];
        if (b->n > 0)
            settle(b, 0);
    }
}

void yk__best_free(yk__best *b)
{
    while (b->n > 0)
        free(b->heap[--b->n]);
    free(b->heap);
    b->heap = NULL;
    b->cap = 0;
}
