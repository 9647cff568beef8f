/* Three lists and three counters. */
#include "queue.h"

void yk__queue_push(yk__queue *queue, yk__queued *q)
{
    yk__queued *last = queue->of[q->class_].last;
    q->number = ++queue->pushed;
    queue->length++;
    q->waits = true;
    q->next = NULL;
    q->prev = last;
    queue->of[q->class_].last = q;
    if (last) {
        last->next = q;
    } else {
        queue->of[q->class_].first = q;
        queue->of[q->class_].overtaken = 0;
    }
}

void yk__queue_put_back(yk__queue *queue, yk__queued *q)
{
    yk__queued *next = queue->of[q->class_].first;
    while (next && next->number < q->number) /* others came back before it; seldom many */
        next = next->next;
    yk__queued *prev = next ? next->prev : queue->of[q->class_].last;
    queue->length++;
    q->waits = true;
    q->prev = prev;
    q->next = next;
    if (prev)
        prev->next = q;
    else
        queue->of[q->class_].first = q;
    if (next)
        next->prev = q;
    else
        queue->of[q->class_].last = q;
}

yk__queued *yk__queue_first(const yk__queue *queue)
{
    for (int c = YK__CLASS_LOW; c > YK__CLASS_HIGH; c--)
        if (queue->of[c].first && queue->of[c].overtaken >= YK__OVERTAKEN_AT_MOST)
            return queue->of[c].first;
    for (int c = YK__CLASS_HIGH; c < YK__CLASSES; c++)
        if (queue->of[c].first)
            return queue->of[c].first;
    return NULL;
}

void yk__queue_remove(yk__queue *queue, yk__queued *q)
{
    queue->length--;
    q->waits = false;
    if (q->prev)
        q->prev->next = q->next;
    else
        queue->of[q->class_].first = q->next;
    if (q->next)
        q->next->prev = q->prev;
    else
        queue->of[q->class_].last = q->prev;
}

/* Mostly all are of one class, where nobody overtakes anybody. */
static yk__queued *take_first_normal(yk__queue *queue)
{
    yk__queued *q = queue->of[YK__CLASS_NORMAL].first, *next = q->next;
    queue->length--;
    q->waits = false;
    queue->of[YK__CLASS_NORMAL].first = next;
    queue->of[YK__CLASS_NORMAL].overtaken = 0;
    if (next)
        next->prev = NULL;
    else
        queue->of[YK__CLASS_NORMAL].last = NULL;
    return q;
}

yk__queued *yk__queue_take(yk__queue *queue)
{
    if (queue->of[YK__CLASS_NORMAL].first && !queue->of[YK__CLASS_HIGH].first &&
        !queue->of[YK__CLASS_LOW].first)
        return take_first_normal(queue);
    yk__queued *q = yk__queue_first(queue);
    if (!q)
        return NULL;
    yk__queue_remove(queue, q);
    queue->of[q->class_].overtaken = 0;
    for (int c = q->class_ + 1; c < YK__CLASSES; c++)
        if (queue->of[c].first)
            queue->of[c].overtaken++;
    return q;
}

yk__queued *yk__queue_take_all(yk__queue *queue)
{
    yk__queued *list = NULL, **end = &list;
    for (int c = 0; c < YK__CLASSES; c++) {
        *end = queue->of[c].first;
        for (yk__queued *q = *end; q; q = q->next) {
            q->waits = false;
            end = &q->next;
        }
        queue->of[c].first = queue->of[c].last = NULL;
    }
    queue->length = 0;
    return list;
}

bool yk__queue_is_all(const yk__queue *queue, uint8_t class_)
{
    for (int c = 0; c < YK__CLASSES; c++)
        if ((queue->of[c].first != NULL) != (c == class_))
            return false;
    return true;
}
