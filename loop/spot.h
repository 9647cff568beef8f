/* loop/spot.h - where one task waits for something on its own loop. Not installed. */
#ifndef YOKE_LOOP_SPOT_H
#define YOKE_LOOP_SPOT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "internal.h"

typedef struct yk__spot {
    yk__parker *parker; /* NULL: nobody waits */
    bool woken;
} yk__spot;

static inline bool yk__spot_is_taken(const yk__spot *spot)
{
    return spot->parker != NULL;
}

/* Suspends the task until it is woken here, waiting for `kind` of `object`. 0, UV_ETIMEDOUT,
 * YK_ECANCELED, YK_EONLOOP. */
static inline int yk__spot_wait(yk__spot *spot, const yk__wait_kind *kind, const void *object,
                                uint64_t deadline)
{
    if (!yk_task_current())
        return YK_EONLOOP;
    if (deadline == 0)
        return UV_ETIMEDOUT;
    yk__parker *me = yk__parker_current();
    *spot = (yk__spot){ .parker = me };
    yk__parker_waits(me, kind, object);
    int err = me->park(me, deadline, true);
    spot->parker = NULL;
    return err;
}

static inline void yk__spot_wake(yk__spot *spot)
{
    if (!spot->parker || spot->woken)
        return;
    spot->woken = true;
    spot->parker->unpark(spot->parker);
}

#endif
