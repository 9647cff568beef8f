/* mapreduce/kway.c - a heap of runs. */
#include "kway.h"

#include <stdlib.h>
#include <uv.h>

int yk__kway_open(yk__kway *k, const char *const *paths, size_t n, yk__form form)
{
    *k = (yk__kway){ .sources = calloc(n + 1, sizeof *k->sources),
                     .heap = calloc(n + 1, sizeof *k->heap) };
    if (!k->sources || !k->heap)
        return UV_ENOMEM;
    int err = yk__run_tools_init(&k->tools);
    for (size_t i = 0; !err && i < n; i++) {
        err = yk__run_open(&k->sources[i].reader, &k->tools, paths[i], form, NULL, NULL);
        k->failed = err ? paths[i] : NULL;
        k->n += !err;
    }
    return err;
}

void yk__kway_free(yk__kway *k)
{
    for (size_t i = 0; i < k->n; i++)
        yk__run_close(&k->sources[i].reader);
    yk__run_tools_free(&k->tools);
    free(k->sources);
    free(k->heap);
}

static bool comes_first(const yk__kway *k, unsigned a, unsigned b)
{
    const yk__view *x = &k->sources[a].head, *y = &k->sources[b].head;
    int by_key =
        yk__compare_keys(x->key, x->head.len & YK__KEY_MAX, y->key, y->head.len & YK__KEY_MAX);
    if (by_key)
        return by_key < 0;
    return x->order != y->order ? x->order < y->order : a < b;
}

static void settle(yk__kway *k, size_t i)
{
    unsigned moving = k->heap[i];
    for (size_t child; (child = 2 * i + 1) < k->left; i = child) {
        if (child + 1 < k->left && comes_first(k, k->heap[child + 1], k->heap[child]))
            child++;
        if (!comes_first(k, k->heap[child], moving))
            break;
        k->heap[i] = k->heap[child];
    }
    k->heap[i] = moving;
}

static int load(yk__kway *k, unsigned i)
{
    yk__kway_source *s = &k->sources[i];
    int got = yk__run_read(&s->reader, &s->head);
    if (got < 0)
        k->failed = s->reader.path;
    return got;
}

int yk__kway_select(yk__kway *k, unsigned part)
{
    k->left = 0;
    k->drawn = false;
    for (unsigned i = 0; i < k->n; i++) {
        yk__run_select(&k->sources[i].reader, part < YK__PARTS ? part : i);
        int got = load(k, i);
        if (got < 0)
            return got;
        if (got > 0)
            k->heap[k->left++] = i;
    }
    for (size_t i = k->left / 2; i-- > 0;)
        settle(k, i);
    return 0;
}

/* Moves the run on whose record was handed out. */
static int draw(yk__kway *k)
{
    k->drawn = false;
    int got = load(k, k->heap[0]);
    if (got < 0)
        return got;
    if (got == 0)
        k->heap[0] = k->heap[--k->left];
    if (k->left > 0)
        settle(k, 0);
    return 0;
}

int yk__kway_next(yk__kway *k, yk__view *view)
{
    int err = k->drawn ? draw(k) : 0;
    if (err || k->left == 0)
        return err;
    *view = k->sources[k->heap[0]].head;
    k->drawn = true;
    return 1;
}
