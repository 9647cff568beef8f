/* yoke/loop/queue.h - queues between tasks, and between threads.
 *
 *   yk_queue *q = yk_queue_new(.item_size = sizeof(struct page), .capacity = 100);
 *   ...
 *   err = yk_queue_put(q, &page, YK_FOREVER);           (waits while it is full)
 *   ...
 *   while ((err = yk_queue_get(q, &page, YK_FOREVER)) == 0) {
 *       ...
 *       yk_queue_task_done(q);
 *   }                                                   (YK_ECLOSED: shut down, and empty)
 *
 * Items have one size and are copied in and out. Those who wait are served in the order in which
 * they came. One who is cancelled or times out while it waits has neither put nor got anything; one
 * who had been served by then returns 0, and its next wait returns YK_ECANCELED. No item is lost.
 *
 * A queue is for the tasks of one loop, or with `shared` for any tasks and threads (also jobs that
 * run on threads). A shared one has a lock, held for the copy of one item.
 */
#ifndef YOKE_LOOP_QUEUE_H
#define YOKE_LOOP_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../executor/clock.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_queue yk_queue;

typedef enum yk_queue_order {
    YK_FIFO,     /* the oldest first */
    YK_LIFO,     /* the newest first */
    YK_SMALLEST, /* the smallest first, by `compare`; the oldest first among equals */
} yk_queue_order;

typedef struct yk_queue_options {
    size_t item_size; /* bytes; at least 1 */
    size_t capacity;  /* items at most; 0: as many as memory holds */
    yk_queue_order order;
    int (*compare)(const void *a, const void *b); /* as for qsort; YK_SMALLEST needs it */
    bool shared;
} yk_queue_options;

/* NULL: no memory, or options that make no sense. */
yk_queue *yk_queue_new_opts(const yk_queue_options *options);
#define yk_queue_new(...) yk_queue_new_opts(&(yk_queue_options){ __VA_ARGS__ })

/* Nobody may wait any more. Takes NULL. */
void yk_queue_free(yk_queue *q);

/* Puts a copy of *item. 0; UV_ETIMEDOUT: it was full until the deadline (0: it is full);
 * YK_ECLOSED; YK_ECANCELED; UV_ENOMEM; YK_EONLOOP: it would have to wait where nobody can. */
int yk_queue_put(yk_queue *q, const void *item, uint64_t deadline);

/* Copies the next item to *item and removes it. As above; UV_ETIMEDOUT: it was empty; YK_ECLOSED:
 * it is empty and nothing will come. */
int yk_queue_get(yk_queue *q, void *item, uint64_t deadline);

/* How many items it holds. */
size_t yk_queue_len(yk_queue *q);

/* Every item that was put is unfinished until somebody who got it says that it is done with one.
 * UV_EINVAL: there were not so many. */
int yk_queue_task_done(yk_queue *q);

/* Waits until nothing is unfinished. 0, UV_ETIMEDOUT, YK_ECANCELED, YK_EONLOOP. */
int yk_queue_join(yk_queue *q, uint64_t deadline);

/* No more puts: they, and those that wait, get YK_ECLOSED. What it holds can still be got; with
 * `at_once` it is dropped, and counts as done. May be called again. Returns how many it dropped. */
size_t yk_queue_shutdown(yk_queue *q, bool at_once);

#ifdef __cplusplus
}
#endif
#endif
