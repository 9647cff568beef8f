/* executor/rooms.h - rooms for results that do not fit a slot, as the parent grants them to one
 * worker. Not installed.
 *
 * A room is a block of the arena, of which only the parent hands out. It grants some ahead, in the
 * order in which the worker will use them: a result that lies in a room lies in the oldest one that
 * has not been used. A worker that finds none, or one that is too small, asks and waits; that costs
 * a round trip, in which it does nothing. So what it has used is granted again at once, and a
 * worker that had to ask although rooms are granted ahead gets twice as many from then on, as long
 * as they do not hold too much memory.
 *
 * All calls are for the pool's driver thread. What the worker says of its rooms is checked here.
 */
#ifndef YOKE_EXECUTOR_ROOMS_H
#define YOKE_EXECUTOR_ROOMS_H

#include "channel.h"

#define YK__ROOMS_AHEAD ((uint64_t)1 << 20)  /* bytes ahead, in more than one room */
#define YK__ROOM_AHEAD  ((uint64_t)16 << 20) /* the largest room that is granted ahead */

typedef struct yk__rooms {
    yk__room of[YK__ROOMS]; /* by number; those from `used` up to `granted` are the worker's */
    uint32_t granted, used; /* how many, so far */
    uint32_t ahead;         /* how many the worker shall have */
} yk__rooms;

/* Whether a result of len bytes may lie in the next room. */
bool yk__rooms_has(const yk__rooms *rooms, uint64_t len);

/* Takes the next room, which a result lies in: its block, the caller's from now on; its size. */
void *yk__rooms_take(yk__rooms *rooms, uint64_t *size);

/* Grants what is missing, in the size of the last one that was used. */
void yk__rooms_refill(yk__rooms *rooms, yk__channel *ch, uint64_t size);

/* The worker waits for a room of `size` bytes: sees to it that the next one is as large, or is
 * NULL if there is no memory. All its results have been drained. */
void yk__rooms_ask(yk__rooms *rooms, yk__channel *ch, uint64_t size);

/* Frees those that are granted and not used. The worker is gone. */
void yk__rooms_free(yk__rooms *rooms);

#endif
