/* mapreduce/scratch.c - one for each thread that does jobs. */
#include "scratch.h"

#include <pthread.h>
#include <stdlib.h>

enum { KEPT = 1 << 20 };

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int key_error;

static void free_scratch(void *arg)
{
    yk__scratch *s = arg;
    yk__table_free(&s->table);
    yk__table_free(&s->combined);
    yk_blocks_free(s->blocks);
    free(s->entries.at);
    free(s->index.at);
    free(s);
}

static void make_key(void)
{
    key_error = pthread_key_create(&key, free_scratch);
}

yk__scratch *yk__own_scratch(void)
{
    pthread_once(&once, make_key);
    if (key_error)
        return NULL;
    yk__scratch *s = pthread_getspecific(key);
    if (s)
        return s;
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->blocks = yk_blocks_new();
    if (!s->blocks || pthread_setspecific(key, s) != 0) {
        free_scratch(s);
        return NULL;
    }
    return s;
}

void yk__scratch_keep(yk__pool *pool)
{
    if (pool->cap <= KEPT)
        return;
    free(pool->at);
    *pool = (yk__pool){ 0 };
}
