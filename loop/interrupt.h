/* loop/interrupt.h - what makes a task's waits return YK_ECANCELED, beside its cancellation. Not
 * installed.
 *
 * A time-out or a scope lays an interrupt on its task's stack of them, the innermost on top. When
 * it is due, the task's wait, or the next one, returns YK_ECANCELED, once for all that are due;
 * they count as told. Whoever laid it takes it up again, and asks whether the YK_ECANCELED that
 * came back to it was its own: told, and neither a cancellation of the task nor an interrupt
 * further out was told since it was laid.
 */
#ifndef YOKE_LOOP_INTERRUPT_H
#define YOKE_LOOP_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

#include "internal.h"

typedef struct yk__interrupt {
    struct yk__interrupt *outer;
    yk__task *task;
    uint64_t cancels;    /* of the task, that it had been told of before this was laid */
    uint64_t laid, told; /* by the count of the task's tellings; told 0: not yet */
    bool due;
    const yk__timer *timer;                      /* by which it comes, or NULL */
    void (*forgotten)(struct yk__interrupt *in); /* the task ended and had not lifted it */
} yk__interrupt;

/* For the running task. */
void yk__interrupt_lay(yk__interrupt *in, yk__task *t, void (*forgotten)(yk__interrupt *in));
void yk__interrupt_lift(yk__interrupt *in);

/* The loop's thread. Once is enough. */
void yk__interrupt_now(yk__interrupt *in);

/* Whether YK_ECANCELED that came out of the piece was this interrupt's. After lift(). */
bool yk__interrupt_was_it(const yk__interrupt *in);

/* Whether one is due, and not told. */
bool yk__interrupt_is_due(const yk__task *t);

/* The task has ended: lifts those that were forgotten. */
void yk__interrupt_forget_all(yk__task *t);

/* Tells all that are due; whether there were any. */
bool yk__interrupt_tell(yk__task *t);

#endif
