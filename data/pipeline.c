/* data/pipeline.c - slots in turn: the caller fills one while helpers work on the others, and takes
 * each when it comes round to it again. */
#include "data/pipeline.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "executor/quiet_thread.h"

#define SLOTS_MAX (YK__PIPELINE_THREADS + 2)

typedef enum slot_state { EMPTY, FILLED, WORKING, DONE } slot_state;

struct yk__pipeline {
    yk__pipeline_options o;
    yk__pipe_slot slots[SLOTS_MAX];
    slot_state states[SLOTS_MAX]; /* under the lock; an EMPTY or DONE slot is the caller's, a
                                     WORKING one its helper's */
    unsigned slot_count, turn;    /* the slot being filled */
    int failed;
    void *own_state; /* of the caller, where it has to work itself */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;
    pthread_t threads[YK__PIPELINE_THREADS];
    unsigned thread_count;
};

int yk__buffer_reserve(yk__buffer *b, size_t more)
{
    if (b->cap - b->len >= more)
        return 0;
    size_t cap = b->len + more > b->cap + b->cap / 2 ? b->len + more : b->cap + b->cap / 2;
    char *at = realloc(b->at, cap);
    if (!at)
        return UV_ENOMEM;
    b->at = at;
    b->cap = cap;
    return 0;
}

/* ---- the helpers ---- */

static int filled_slot(const yk__pipeline *p)
{
    for (unsigned i = 0; i < p->slot_count; i++) { /* the oldest first */
        unsigned at = (p->turn + i) % p->slot_count;
        if (p->states[at] == FILLED)
            return (int)at;
    }
    return -1;
}

static void free_state(const yk__pipeline *p, void *state)
{
    if (state && p->o.free_state)
        p->o.free_state(state);
}

static void *help(void *arg)
{
    yk__pipeline *p = arg;
    void *state = NULL;
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        int at = filled_slot(p);
        if (at < 0) {
            pthread_cond_wait(&p->changed, &p->lock);
            continue;
        }
        p->states[at] = WORKING;
        pthread_mutex_unlock(&p->lock);
        p->slots[at].err = p->o.work(&p->slots[at], &state, p->o.arg);
        pthread_mutex_lock(&p->lock);
        p->states[at] = DONE;
        pthread_cond_broadcast(&p->changed);
    }
    pthread_mutex_unlock(&p->lock);
    free_state(p, state);
    return NULL;
}

/* As many as can be had. */
static void start_helpers(yk__pipeline *p)
{
    while (p->thread_count < p->o.threads &&
           yk__quiet_thread(&p->threads[p->thread_count], help, p, p->o.name) == 0)
        p->thread_count++;
}

/* ---- taking ---- */

/* Waits until the slot was worked on, or works on it. False if it is empty. */
static bool is_done(yk__pipeline *p, unsigned at)
{
    pthread_mutex_lock(&p->lock);
    while (p->thread_count > 0 && (p->states[at] == FILLED || p->states[at] == WORKING))
        pthread_cond_wait(&p->changed, &p->lock);
    slot_state state = p->states[at];
    p->states[at] = EMPTY; /* no helper will look at it */
    pthread_mutex_unlock(&p->lock);
    if (state == FILLED)
        p->slots[at].err = p->o.work(&p->slots[at], &p->own_state, p->o.arg);
    return state != EMPTY;
}

/* Takes the slot once it was worked on, and leaves it empty. */
static void take(yk__pipeline *p, unsigned at)
{
    yk__pipe_slot *slot = &p->slots[at];
    if (is_done(p, at)) {
        if (!p->failed)
            p->failed = slot->err;
        if (!p->failed)
            p->failed = p->o.take(slot, p->o.arg);
    }
    slot->in.len = slot->out.len = 0;
    slot->err = 0;
}

/* ---- the calls ---- */

int yk__pipeline_new(yk__pipeline **pipeline, const yk__pipeline_options *options)
{
    yk__pipeline *p = calloc(1, sizeof *p);
    if (!p)
        return UV_ENOMEM;
    p->o = *options;
    p->slot_count = options->threads + 2;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    for (unsigned i = 0; i < p->slot_count && options->extra_size; i++) {
        p->slots[i].extra = calloc(1, options->extra_size);
        if (!p->slots[i].extra) {
            yk__pipeline_free(p);
            return UV_ENOMEM;
        }
    }
    start_helpers(p);
    *pipeline = p;
    return 0;
}

yk__pipe_slot *yk__pipeline_slot(yk__pipeline *pipeline)
{
    return &pipeline->slots[pipeline->turn];
}

int yk__pipeline_submit(yk__pipeline *p)
{
    unsigned next = (p->turn + 1) % p->slot_count;
    pthread_mutex_lock(&p->lock);
    p->states[p->turn] = FILLED;
    p->turn = next;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    take(p, next); /* of a round ago */
    return p->failed;
}

int yk__pipeline_submit_first(yk__pipeline *p, size_t size)
{
    yk__pipe_slot *slot = yk__pipeline_slot(p);
    yk__buffer rest = { 0 };
    size_t more = slot->in.len - size;
    if (more && yk__buffer_reserve(&rest, more))
        return UV_ENOMEM;
    if (more)
        memcpy(rest.at, slot->in.at + size, more);
    slot->in.len = size;
    int err = yk__pipeline_submit(p);
    slot = yk__pipeline_slot(p);
    if (!err && more)
        err = yk__buffer_reserve(&slot->in, more);
    if (!err && more) {
        memcpy(slot->in.at, rest.at, more);
        slot->in.len = more;
    }
    free(rest.at);
    return err;
}

int yk__pipeline_finish(yk__pipeline *p)
{
    for (unsigned i = 1; i <= p->slot_count; i++)
        take(p, (p->turn + i) % p->slot_count);
    return p->failed;
}

int yk__pipeline_failed(const yk__pipeline *pipeline)
{
    return pipeline->failed;
}

void yk__pipeline_free(yk__pipeline *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->thread_count; i++)
        pthread_join(p->threads[i], NULL);
    free_state(p, p->own_state);
    for (unsigned i = 0; i < p->slot_count; i++) {
        free(p->slots[i].in.at);
        free(p->slots[i].out.at);
        free(p->slots[i].extra);
    }
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
    free(p);
}
