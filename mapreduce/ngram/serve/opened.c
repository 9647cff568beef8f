/* mapreduce/ngram/serve/opened.c - the store that is served. */
#include "opened.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static struct {
    const char *store, *totals; /* names */
} named;

static struct {
    pthread_mutex_t lock;
    ngram_store *store;
    ngram_totals *totals;
} opened = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The sums over all n-grams, as total counts. */
static int sum_up(ngram_totals **totals, const ngram_store *store)
{
    const ngram_series *years = ngram_store_about(store)->years;
    ngram_totals *t = calloc(1, sizeof *t + years->count * sizeof *t->years);
    if (!t)
        return UV_ENOMEM;
    for (size_t i = 0; i < years->count; i++)
        t->years[i] = (ngram_total){ .year = years->points[i].year,
                                     .match_count = years->points[i].match_count,
                                     .volume_count = years->points[i].volume_count };
    t->count = years->count;
    *totals = t;
    return 0;
}

static int open_both(ngram_store **store, ngram_totals **totals, char *why, size_t size)
{
    int err = ngram_store_open(store, named.store, why, size);
    if (err)
        return err;
    err =
        named.totals ? ngram_totals_read(totals, named.totals, why, size) : sum_up(totals, *store);
    if (err)
        ngram_store_close(*store);
    return err;
}

int serve_name_store(const char *store, const char *totals, char *why, size_t size)
{
    ngram_store *s;
    ngram_totals *t;
    named.store = store;
    named.totals = totals;
    snprintf(why, size, "out of memory");
    int err = open_both(&s, &t, why, size);
    if (err)
        return err;
    ngram_store_close(s);
    free(t);
    return 0;
}

const ngram_store *serve_store(char *why, size_t size)
{
    char unused[16];
    pthread_mutex_lock(&opened.lock);
    if (!opened.store)
        open_both(&opened.store, &opened.totals, why ? why : unused, why ? size : sizeof unused);
    const ngram_store *store = opened.store;
    pthread_mutex_unlock(&opened.lock);
    return store;
}

const ngram_totals *serve_totals(void)
{
    return opened.totals;
}

const char *serve_relative_unit(void)
{
    return named.totals ? "per million words" : "per million n-grams of the store";
}
