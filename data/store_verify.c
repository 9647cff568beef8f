/* data/store_verify.c - reads all of a store, and looks whether it is as it says. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "data/lmdb_pages.h"
#include "data/store.h"
#include "executor/error.h"

enum { LOOK_EVERY = 4096 };

typedef struct verifying {
    uint64_t ngrams;
    ngram_sums *sums;
    char *last; /* the n-gram before */
    size_t length, room;
} verifying;

static int remember(verifying *v, const ngram_item *item)
{
    if (item->length > v->room) {
        char *more = realloc(v->last, 2 * item->length);
        if (!more)
            return UV_ENOMEM;
        v->last = more;
        v->room = 2 * item->length;
    }
    memcpy(v->last, item->ngram, item->length);
    v->length = item->length;
    return 0;
}

static int check_item(verifying *v, const ngram_item *item)
{
    yk__bytes before = { (const uint8_t *)v->last, v->length };
    yk__bytes now = { (const uint8_t *)item->ngram, item->length };
    if (yk__compare_bytes(before, now) >= 0)
        return YK_ECORRUPT;
    v->ngrams++;
    return ngram_sums_add(v->sums, item->packed, item->size) ? YK_ECORRUPT : remember(v, item);
}

static int check_items(verifying *v, ngram_cursor *c, int (*look)(uint64_t ngrams, void *arg),
                       void *arg)
{
    ngram_item item;
    int got = ngram_cursor_seek(c, "", 0, &item);
    for (; got == 1; got = ngram_cursor_next(c, &item)) {
        int err = check_item(v, &item);
        if (!err && look && v->ngrams % LOOK_EVERY == 0 && look(v->ngrams, arg))
            err = YK_ECANCELED;
        if (err)
            return err;
    }
    return got;
}

/* Are number and sums as the store says? */
static int check_sums(const verifying *v, const ngram_store_info *about)
{
    size_t n = ngram_sums_count(v->sums);
    if (about->ngrams != v->ngrams || about->years->count != n)
        return YK_ECORRUPT;
    ngram_point *points = malloc((n + 1) * sizeof *points);
    if (!points)
        return UV_ENOMEM;
    ngram_sums_points(v->sums, points);
    int err = 0;
    for (size_t i = 0; i < n; i++) {
        const ngram_point *p = &points[i], *said = &about->years->points[i];
        if (p->year != said->year || p->match_count != said->match_count ||
            p->volume_count != said->volume_count)
            err = YK_ECORRUPT;
    }
    free(points);
    return err;
}

int ngram_store_verify(const ngram_store *store, int (*look)(uint64_t ngrams, void *arg), void *arg)
{
    verifying v = { .sums = ngram_sums_new() };
    ngram_cursor *c = NULL;
    int err = v.sums ? ngram_cursor_new(&c, store) : UV_ENOMEM;
    if (!err)
        err = check_items(&v, c, look, arg);
    if (!err)
        err = check_sums(&v, ngram_store_about(store));
    ngram_cursor_free(c);
    ngram_sums_free(v.sums);
    free(v.last);
    return err;
}
