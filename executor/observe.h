/* executor/observe.h - futures that end when something in shared memory has come about. Not
 * installed.
 *
 * Whoever changes the memory in a worker process calls its driver's attention (channel.h), in this
 * process it calls yk__observed_look(): all that is watched is looked at. So that nobody calls when
 * nobody watches, a look leaves a mark in the memory itself, which the changer finds: arming comes
 * first and looking second, changing first and looking for the mark second, all sequentially
 * consistent, so that one of the two sees the other. A changer that died between the two steps is
 * made up for by a look when its worker is buried.
 */
#ifndef YOKE_EXECUTOR_OBSERVE_H
#define YOKE_EXECUTOR_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>

#include "future.h"

/* Arms the mark, then says whether it has come about. Under a lock: short, and without calls. */
typedef bool (*yk__observe_fn)(void *on, uint64_t target);

/* Such a future; never NULL. Holds the block of the arena that `on` lies in, if it does, until it
 * ends. */
yk_future *yk__observe(void *on, uint64_t target, yk__observe_fn has_come);

/* Ends what has come about. Any thread of the parent. */
void yk__observed_look(void);

/* From any process: somebody has found the mark. */
void yk__observed_tell(void);

#endif
