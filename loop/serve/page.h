/* loop/serve/page.h - memory that the processes of a server share. Not installed.
 *
 * Each worker has a page, which it writes and the supervisor reads. What stands there is what a
 * worker says of itself: the supervisor believes nothing that could harm it.
 *
 * All members are relaxed, but for `phase`, which is stored with release.
 */
#ifndef YOKE_LOOP_SERVE_PAGE_H
#define YOKE_LOOP_SERVE_PAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../http/http.h"

typedef enum yk__phase {
    YK__PHASE_STARTING,
    YK__PHASE_READY,    /* it accepts connections */
    YK__PHASE_DRAINING, /* it accepts no more, and has emptied its queues if it was to */
} yk__phase;

typedef struct yk__page {
    _Alignas(4096) _Atomic uint32_t phase;
    _Atomic int32_t error;    /* why it could not start */
    _Atomic uint32_t is_last; /* the supervisor's: nobody accepts from its sockets after it */
    _Atomic uint64_t beats;   /* grows while its loop turns */
    _Atomic uint64_t lag_ns;  /* how late the loop came to its last beat */
    _Atomic uint64_t most_lag_ns;
    yk_http_counters http;    /* of them, what is no HTTP uses the first two alone */
    _Atomic uint64_t waiting; /* jobs that wait in its default executor */
} yk__page;

_Static_assert(sizeof(yk__page) == 4096, "a page");

/* Zeroed memory that is shared with all processes that are forked from now on; NULL: none. */
void *yk__shared_new(size_t size);
void yk__shared_free(void *memory, size_t size);

#endif
