/* loop/serve/board.h - what the supervisor writes of its workers for the status process to read.
 * Not installed.
 *
 * Shared memory which no worker has. What workers count stands in their pages; here is what was
 * counted by those that are gone, so that sums never fall.
 */
#ifndef YOKE_LOOP_SERVE_BOARD_H
#define YOKE_LOOP_SERVE_BOARD_H

#include "supervisor.h"

typedef struct yk__board {
    uint64_t started; /* by the clock */
    uint64_t workers; /* slots */
    struct {
        uint64_t starts;
        yk_http_counters past; /* of workers that are gone */
    } slots[YK_SERVE_MOST_WORKERS];
    struct {
        uint64_t stage, pid, slot, forked;
    } rows[YK__SEATS]; /* one a page */
} yk__board;

/* The present state; and the end of a worker. */
void yk__board_write(yk__supervisor *s);
void yk__board_bury(yk__supervisor *s, const yk__worker *w);

#endif
