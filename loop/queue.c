/* Queues: an array of items (a ring, a stack, or a heap), and three lines of those who wait.
 *
 * An item goes straight to a getter that waits, and into the room that a getter made goes the item
 * of the first putter that waits. So getters wait only while it is empty and putters only while it
 * is full, and nobody who comes later can take what somebody in line was meant to have.
 *
 * Whoever serves a waiter does so, and unparks it, under the lock (where there is one). A
 * waiter whose sleep ended otherwise looks, under the lock, whether it was served meanwhile; then
 * its wake-up is on its way, and it consumes that before its memory goes.
 */
#include "queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../executor/error.h"
#include "../executor/park.h"
#include "watchdog.h"

enum { WAITING = 1 }; /* of outcome; else 0 or an error */

/* On the stack of the one who waits; under the lock. */
struct waiter {
    struct waiter *prev, *next;
    yk__parker *parker;
    void *out;      /* a getter's */
    const void *in; /* a putter's */
    int outcome;
};

struct line {
    struct waiter *first, *last;
};

struct yk_queue {
    yk_queue_options o;
    pthread_mutex_t lock; /* where it is shared */
    char *slots;          /* slot_size each */
    size_t slot_size, slots_len;
    size_t head, len; /* the ring's first item; how many there are */
    uint64_t puts;    /* numbers the items of a heap */
    size_t unfinished;
    bool closed;
    struct line getters, putters, joiners;
};

/* An item of a heap: its number, then the item. */
#define NUMBER sizeof(uint64_t)

yk_queue *yk_queue_new_opts(const yk_queue_options *options)
{
    if (options->item_size == 0 || options->item_size > SIZE_MAX / 4 ||
        (options->order == YK_SMALLEST && !options->compare) ||
        (unsigned)options->order > YK_SMALLEST)
        return NULL;
    yk_queue *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->o = *options;
    q->slot_size = options->item_size;
    if (options->order == YK_SMALLEST)
        q->slot_size = NUMBER + (options->item_size + NUMBER - 1) / NUMBER * NUMBER;
    pthread_mutex_init(&q->lock, NULL);
    return q;
}

void yk_queue_free(yk_queue *q)
{
    if (!q)
        return;
    pthread_mutex_destroy(&q->lock);
    free(q->slots);
    free(q);
}

static void lock(yk_queue *q)
{
    if (q->o.shared)
        pthread_mutex_lock(&q->lock);
}

static void unlock(yk_queue *q)
{
    if (q->o.shared)
        pthread_mutex_unlock(&q->lock);
}

/* ---- Items ----------------------------------------------------------------------------------- */

static char *slot(const yk_queue *q, size_t i)
{
    return q->slots + (q->head + i) % q->slots_len * q->slot_size;
}

/* Makes room for one more: twice as much as before, with the first item at the front. */
static int grow(yk_queue *q)
{
    if (q->len < q->slots_len)
        return 0;
    size_t n = q->slots_len ? 2 * q->slots_len : 16;
    if (n > SIZE_MAX / 2 / q->slot_size)
        return UV_ENOMEM;
    char *slots = malloc(n * q->slot_size);
    if (!slots)
        return UV_ENOMEM;
    size_t front = q->slots_len - q->head; /* up to the end of the array */
    if (q->len > 0) {
        memcpy(slots, q->slots + q->head * q->slot_size, front * q->slot_size);
        memcpy(slots + front * q->slot_size, q->slots, q->head * q->slot_size);
    }
    free(q->slots);
    q->slots = slots;
    q->slots_len = n;
    q->head = 0;
    return 0;
}

static bool comes_first(const yk_queue *q, const char *a, const char *b)
{
    int order = q->o.compare(a + NUMBER, b + NUMBER);
    uint64_t number_a, number_b;
    memcpy(&number_a, a, NUMBER);
    memcpy(&number_b, b, NUMBER);
    return order < 0 || (order == 0 && number_a < number_b);
}

static void swap(char *a, char *b, size_t size)
{
    for (size_t i = 0; i < size; i += NUMBER) {
        uint64_t x, y;
        memcpy(&x, a + i, NUMBER);
        memcpy(&y, b + i, NUMBER);
        memcpy(a + i, &y, NUMBER);
        memcpy(b + i, &x, NUMBER);
    }
}

static void sift_up(yk_queue *q, size_t i)
{
    while (i > 0 && comes_first(q, slot(q, i), slot(q, (i - 1) / 2))) {
        swap(slot(q, i), slot(q, (i - 1) / 2), q->slot_size);
        i = (i - 1) / 2;
    }
}

static void sift_down(yk_queue *q)
{
    for (size_t i = 0, child; (child = 2 * i + 1) < q->len; i = child) {
        if (child + 1 < q->len && comes_first(q, slot(q, child + 1), slot(q, child)))
            child++;
        if (comes_first(q, slot(q, i), slot(q, child)))
            return;
        swap(slot(q, i), slot(q, child), q->slot_size);
    }
}

static int store(yk_queue *q, const void *item)
{
    int err = grow(q);
    if (err)
        return err;
    char *at = slot(q, q->len++);
    if (q->o.order != YK_SMALLEST) {
        memcpy(at, item, q->o.item_size);
        return 0;
    }
    memcpy(at, &q->puts, NUMBER);
    memcpy(at + NUMBER, item, q->o.item_size);
    q->puts++;
    sift_up(q, q->len - 1);
    return 0;
}

static void take(yk_queue *q, void *item)
{
    q->len--;
    if (q->o.order == YK_LIFO) {
        memcpy(item, slot(q, q->len), q->o.item_size);
    } else if (q->o.order == YK_FIFO) {
        memcpy(item, slot(q, 0), q->o.item_size);
        q->head = (q->head + 1) % q->slots_len;
    } else {
        memcpy(item, slot(q, 0) + NUMBER, q->o.item_size);
        memmove(slot(q, 0), slot(q, q->len), q->slot_size);
        sift_down(q);
    }
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static void append(struct line *line, struct waiter *w)
{
    w->prev = line->last;
    w->next = NULL;
    if (line->last)
        line->last->next = w;
    else
        line->first = w;
    line->last = w;
}

static void take_out(struct line *line, struct waiter *w)
{
    if (w->prev)
        w->prev->next = w->next;
    else
        line->first = w->next;
    if (w->next)
        w->next->prev = w->prev;
    else
        line->last = w->prev;
}

/* Takes a waiter out of its line. Under the lock; after the unpark it is gone. */
static void serve(yk_queue *q, struct line *line, struct waiter *w, int outcome)
{
    if (!q->o.shared)
        yk__debug_check_waiter(w->parker);
    take_out(line, w);
    w->outcome = outcome;
    w->parker->unpark(w->parker);
}

/* What became of a waiter whose sleep ended with `err`. */
static int end_wait(yk_queue *q, struct line *line, struct waiter *w, int err)
{
    lock(q);
    int outcome = w->outcome;
    if (outcome == WAITING && err)
        take_out(line, w);
    unlock(q);
    if (err == 0)
        return outcome; /* WAITING: it woke for nothing */
    if (outcome == WAITING)
        return err;
    w->parker->park(w->parker, YK_FOREVER, false); /* the wake-up that is on its way */
    if (err == YK_ECANCELED && w->parker->self)    /* served all the same: the next wait says it */
        yk_future_cancel((yk_future *)(uintptr_t)w->parker->self);
    return outcome;
}

static const yk__wait_kind for_item = { "an item of a queue", NULL };
static const yk__wait_kind for_room = { "room in a queue", NULL };
static const yk__wait_kind for_finish = { "a queue to be finished", NULL };

static const yk__wait_kind *kind_of(const yk_queue *q, const struct line *line)
{
    return line == &q->getters ? &for_item : line == &q->putters ? &for_room : &for_finish;
}

/* Stands in line until it is served. Called with the lock, which it gives back. */
static int stand(yk_queue *q, struct line *line, struct waiter *w, uint64_t deadline)
{
    w->parker = yk__parker_current();
    int err = !w->parker ? YK_EONLOOP : deadline == 0 ? UV_ETIMEDOUT : WAITING;
    w->outcome = err;
    if (err == WAITING)
        append(line, w);
    unlock(q);
    while (err == WAITING) {
        yk__parker_waits(w->parker, kind_of(q, line), q);
        err = end_wait(q, line, w, w->parker->park(w->parker, deadline, true));
    }
    return err;
}

/* ---- Putting and getting --------------------------------------------------------------------- */

/* Counts an item, which goes to the first getter that waits, or into the array. */
static int put_now(yk_queue *q, const void *item)
{
    struct waiter *getter = q->getters.first;
    int err = getter ? 0 : store(q, item);
    if (err)
        return err;
    q->unfinished++;
    if (getter) {
        memcpy(getter->out, item, q->o.item_size);
        serve(q, &q->getters, getter, 0);
    }
    return 0;
}

int yk_queue_put(yk_queue *q, const void *item, uint64_t deadline)
{
    lock(q);
    if (!q->closed && q->o.capacity && q->len >= q->o.capacity) {
        struct waiter w = { .in = item };
        return stand(q, &q->putters, &w, deadline);
    }
    int err = q->closed ? YK_ECLOSED : put_now(q, item);
    unlock(q);
    return err;
}

int yk_queue_get(yk_queue *q, void *item, uint64_t deadline)
{
    lock(q);
    if (q->len == 0 && !q->closed) {
        struct waiter w = { .out = item };
        return stand(q, &q->getters, &w, deadline);
    }
    if (q->len == 0) {
        unlock(q);
        return YK_ECLOSED;
    }
    take(q, item);
    struct waiter *putter = q->putters.first;
    if (putter) {
        store(q, putter->in); /* there is room: an item has just left */
        q->unfinished++;
        serve(q, &q->putters, putter, 0);
    }
    unlock(q);
    return 0;
}

size_t yk_queue_len(yk_queue *q)
{
    lock(q);
    size_t len = q->len;
    unlock(q);
    return len;
}

/* ---- Joining and shutting down --------------------------------------------------------------- */

static void serve_all(yk_queue *q, struct line *line, int outcome)
{
    while (line->first)
        serve(q, line, line->first, outcome);
}

/* Under the lock. */
static void finish(yk_queue *q, size_t n)
{
    q->unfinished -= n;
    if (q->unfinished == 0)
        serve_all(q, &q->joiners, 0);
}

int yk_queue_task_done(yk_queue *q)
{
    lock(q);
    int err = q->unfinished == 0 ? UV_EINVAL : 0;
    if (!err)
        finish(q, 1);
    unlock(q);
    return err;
}

int yk_queue_join(yk_queue *q, uint64_t deadline)
{
    lock(q);
    if (q->unfinished > 0)
        return stand(q, &q->joiners, &(struct waiter){ 0 }, deadline);
    unlock(q);
    return 0;
}

size_t yk_queue_shutdown(yk_queue *q, bool at_once)
{
    lock(q);
    q->closed = true;
    size_t dropped = at_once ? q->len : 0;
    q->len -= dropped;
    serve_all(q, &q->putters, YK_ECLOSED);
    if (q->len == 0)
        serve_all(q, &q->getters, YK_ECLOSED);
    if (dropped > 0)
        finish(q, dropped);
    unlock(q);
    return dropped;
}
