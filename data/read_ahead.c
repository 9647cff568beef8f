/* data/read_ahead.c - a thread that fills the one buffer that it has, and waits for the next. */
#include "data/read_ahead.h"

#include <pthread.h>
#include <stdlib.h>
#include <uv.h>

#include "executor/quiet_thread.h"

struct yk__read_ahead {
    yk__source source; /* the thread's while it reads */
    size_t block;
    size_t lead; /* of all blocks: a block is whole pages */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock. The buffer is the thread's until it is full. */
    uint8_t *buffer;
    bool full, stop;
    int64_t got; /* when full: what reading gave, */
    uint64_t at; /* and where it ended */
};

static void *read_blocks(void *arg)
{
    yk__read_ahead *a = arg;
    pthread_mutex_lock(&a->lock);
    while (!a->stop) {
        if (a->full) {
            pthread_cond_wait(&a->changed, &a->lock);
            continue;
        }
        uint8_t *to = a->buffer + a->lead;
        pthread_mutex_unlock(&a->lock);
        int64_t got = yk__source_read(&a->source, to, a->block);
        pthread_mutex_lock(&a->lock);
        a->got = got;
        a->at = a->source.at;
        a->full = true;
        pthread_cond_signal(&a->changed);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

static void free_ahead(yk__read_ahead *a)
{
    pthread_mutex_destroy(&a->lock);
    pthread_cond_destroy(&a->changed);
    free(a->buffer);
    free(a);
}

int yk__read_ahead_start(yk__read_ahead **ahead, const yk__source *source, size_t block)
{
    yk__read_ahead *a = calloc(1, sizeof *a);
    if (!a)
        return UV_ENOMEM;
    a->source = *source;
    a->block = block;
    a->lead = YK__PAGE + yk__source_lead(source, 0);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    a->buffer = aligned_alloc(YK__PAGE, YK__READ_AHEAD_BUFFER(block));
    int err = a->buffer ? yk__quiet_thread(&a->thread, read_blocks, a, "yk-ahead") : UV_ENOMEM;
    if (err)
        free_ahead(a);
    else
        *ahead = a;
    return err;
}

int64_t yk__read_ahead_next(yk__read_ahead *a, uint8_t **buffer, uint64_t *at)
{
    pthread_mutex_lock(&a->lock);
    while (!a->full)
        pthread_cond_wait(&a->changed, &a->lock);
    int64_t got = a->got;
    *at = a->at;
    if (got >= 0) {
        uint8_t *block = a->buffer;
        a->buffer = *buffer;
        *buffer = block;
        a->full = false;
        pthread_cond_signal(&a->changed);
    }
    pthread_mutex_unlock(&a->lock);
    return got;
}

size_t yk__read_ahead_lead(const yk__read_ahead *ahead)
{
    return ahead->lead;
}

void yk__read_ahead_stop(yk__read_ahead *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->stop = true;
    pthread_cond_signal(&a->changed);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    free_ahead(a);
}
