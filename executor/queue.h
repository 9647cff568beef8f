/* executor/queue.h - jobs that wait for their turn. Not installed.
 *
 * Three classes of priority, first in, first out in each. The highest class that has something goes
 * first, but for ageing: a class whose first job has seen YK__OVERTAKEN_AT_MOST jobs of higher
 * classes go by is served next. So nobody starves, and of each YK__OVERTAKEN_AT_MOST + 1 jobs at
 * least one is of a lower class that waits. It is a count and not a time: what is fair does not
 * depend on how long jobs take.
 *
 * The links are embedded in the job. Nothing here is locked: the owner of the queue does that.
 */
#ifndef YOKE_EXECUTOR_QUEUE_H
#define YOKE_EXECUTOR_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define YK__OVERTAKEN_AT_MOST 16

enum { YK__CLASS_HIGH, YK__CLASS_NORMAL, YK__CLASS_LOW, YK__CLASSES };

typedef struct yk__queued {
    struct yk__queued *prev, *next;
    uint64_t number; /* which one of all that were ever pushed */
    uint8_t class_;
    bool waits; /* it is in the queue */
} yk__queued;

typedef struct yk__queue {
    struct {
        yk__queued *first, *last;
        unsigned overtaken; /* how many of higher classes have gone by its first one */
    } of[YK__CLASSES];
    uint64_t pushed;
    size_t length;
} yk__queue;

/* The class of a YK_PRIORITY_...; what lies beyond them counts as the nearest. */
static inline uint8_t yk__class_of(int priority)
{
    return priority == 0 ? YK__CLASS_NORMAL : priority > 0 ? YK__CLASS_HIGH : YK__CLASS_LOW;
}

/* A node of this class, in no queue. */
static inline void yk__queued_init(yk__queued *q, int priority)
{
    q->class_ = yk__class_of(priority);
    q->waits = false;
}

/* To the end of its class. */
void yk__queue_push(yk__queue *queue, yk__queued *q);

/* One that need not wait: as if it had been pushed, and taken. */
static inline void yk__queue_pass(yk__queue *queue, yk__queued *q)
{
    q->number = ++queue->pushed;
}

/* One that was taken comes back to where it was: before all that were pushed after it. */
void yk__queue_put_back(yk__queue *queue, yk__queued *q);

/* The one whose turn it is, NULL if none waits. Stays in the queue. */
yk__queued *yk__queue_first(const yk__queue *queue);

/* Takes the one whose turn it is; those it overtakes grow older. */
yk__queued *yk__queue_take(yk__queue *queue);

/* Takes this one out, which nobody has to thank for: cancelled, expired. */
void yk__queue_remove(yk__queue *queue, yk__queued *q);

/* Takes all, as a list by `next` in the order of their classes. */
yk__queued *yk__queue_take_all(yk__queue *queue);

/* Whether jobs of this class wait, and of no other. */
bool yk__queue_is_all(const yk__queue *queue, uint8_t class_);

#endif
