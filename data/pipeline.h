/* data/pipeline.h - one piece after the other: filled in order, worked on by several threads at
 * once, taken in order. Not installed.
 *
 *   1. yk__pipeline_new()
 *   2. yk__pipeline_slot()     the slot to be filled: its `in` and `out` are empty
 *   3. yk__pipeline_submit()   helpers work on it; what was in the next slot is taken before that
 *                              one is filled again. Go on with 2
 *   4. yk__pipeline_finish()   takes all that is left
 *
 * The calls, and `take`, are the caller's thread's. So filling, working and taking overlap, memory
 * is that of a few slots, and what comes out does not depend on how many helpers there are. Where
 * no thread can be had, the caller does the work.
 */
#ifndef YOKE_DATA_PIPELINE_H
#define YOKE_DATA_PIPELINE_H

#include <stddef.h>
#include <stdint.h>

#define YK__PIPELINE_THREADS 64 /* at most */

/* Bytes that grow. */
typedef struct yk__buffer {
    char *at;
    size_t len, cap;
} yk__buffer;

/* Makes room for `more` bytes behind those there are. 0 or UV_ENOMEM. */
int yk__buffer_reserve(yk__buffer *buffer, size_t more);

typedef struct yk__pipe_slot {
    yk__buffer in, out;
    void *extra; /* extra_size bytes of the user's, zeroed at the beginning and never again */
    int err;     /* what the work returned */
} yk__pipe_slot;

typedef struct yk__pipeline_options {
    const char *name; /* of the threads */
    unsigned threads; /* 1 to YK__PIPELINE_THREADS */
    size_t extra_size;
    /* Works on a slot. `*state` is the helper's own, NULL at first. 0 or an error. */
    int (*work)(yk__pipe_slot *slot, void **state, void *arg);
    void (*free_state)(void *state); /* not called for NULL */
    /* Takes a slot that was worked on without an error. 0 or an error. */
    int (*take)(yk__pipe_slot *slot, void *arg);
    void *arg;
} yk__pipeline_options;

typedef struct yk__pipeline yk__pipeline;

/* 0 or UV_ENOMEM. */
int yk__pipeline_new(yk__pipeline **pipeline, const yk__pipeline_options *options);

yk__pipe_slot *yk__pipeline_slot(yk__pipeline *pipeline);

/* Returns 0, or the first error of all, in the order of the slots; after it nothing is taken. */
int yk__pipeline_submit(yk__pipeline *pipeline);
int yk__pipeline_finish(yk__pipeline *pipeline);

/* Submits the first `size` bytes of the slot's `in`; the rest begins the next slot's. */
int yk__pipeline_submit_first(yk__pipeline *pipeline, size_t size);

int yk__pipeline_failed(const yk__pipeline *pipeline);

/* Drops what was not taken. Takes NULL. */
void yk__pipeline_free(yk__pipeline *pipeline);

#endif
