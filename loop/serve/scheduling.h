/* loop/serve/scheduling.h - the scheduling class of a worker's loop, by how busy it is. Not
 * installed.
 *
 * A loop that wakes interrupts who runs, and so is punctual; it also finds one request at a time,
 * as it interrupts the clients on the same machine who would have sent more. So it is SCHED_OTHER
 * while it mostly waits, and SCHED_BATCH, whose wake-ups interrupt nobody, while it computes for
 * more than a quarter of the time; back below an eighth. The thread alone is changed: what it
 * starts begins as usual (SCHED_RESET_ON_FORK, which stays set: to clear it takes privileges). A
 * loop to which somebody gave another class keeps it.
 */
#ifndef YOKE_LOOP_SERVE_SCHEDULING_H
#define YOKE_LOOP_SERVE_SCHEDULING_H

#include <stdbool.h>
#include <stdint.h>

/* Of the loop's thread. */
typedef struct yk__scheduling {
    bool batch;       /* as it is now */
    uint64_t at, cpu; /* of the last look: the time, and the thread's own */
} yk__scheduling;

/* Looks at the time since the last look, and changes the class if that was different. `now` in
 * nanoseconds of yk_now(). */
void yk__scheduling_look(yk__scheduling *s, uint64_t now);

#endif
