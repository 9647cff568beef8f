/* mapreduce/ngram/serve/opened.c - the store that is served. */
#include "opened.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <uv.h>

static struct {
    const char *store, *totals; /* names */
} named;

/* The one that new questions get, and which file that is. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static serve_opened *current;
static struct stat identity;

/* ---- Opening ------------------------------------------------------------------------------- */

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

static int open_both(serve_opened *o, char *why, size_t size)
{
    int err = ngram_store_open(&o->store, named.store, why, size);
    if (!err)
        err = named.totals ? ngram_totals_read(&o->totals, named.totals, why, size)
                           : sum_up(&o->totals, o->store);
    return err;
}

static void let_go(serve_opened *o)
{
    if (!o || --o->users > 0)
        return;
    ngram_store_close(o->store);
    free(o->totals);
    free(o);
}

static serve_opened *open_named(char *why, size_t size)
{
    snprintf(why, size, "out of memory");
    serve_opened *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->users = 1;
    if (open_both(o, why, size) == 0)
        return o;
    let_go(o);
    return NULL;
}

int serve_name_store(const char *store, const char *totals, char *why, size_t size)
{
    named.store = store;
    named.totals = totals;
    serve_opened *o = open_named(why, size);
    if (!o)
        return UV_EIO;
    let_go(o);
    return 0;
}

/* ---- Its users ----------------------------------------------------------------------------- */

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Under the lock. What cannot be opened now leaves the old one in its place. */
static void renew(char *why, size_t size)
{
    struct stat now;
    bool there = stat(named.store, &now) == 0;
    if (current && (!there || is_same(&now, &identity)))
        return;
    serve_opened *o = open_named(why, size);
    if (!o)
        return;
    let_go(current);
    current = o;
    identity = now;
}

serve_opened *serve_open(char *why, size_t size)
{
    pthread_mutex_lock(&lock);
    renew(why, size);
    serve_opened *o = current;
    if (o)
        o->users++;
    pthread_mutex_unlock(&lock);
    return o;
}

void serve_close(serve_opened *o)
{
    pthread_mutex_lock(&lock);
    let_go(o);
    pthread_mutex_unlock(&lock);
}

const char *serve_relative_unit(void)
{
    return named.totals ? "per million words" : "per million n-grams of the store";
}
