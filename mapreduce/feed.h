/* mapreduce/feed.h - the results of mapped pieces, laid out for a job that reads them.
 * Not installed.
 *
 * A merge reads the runs of one partition where they are. In worker processes that works for
 * results in the arena, which has the same address everywhere; the few that are elsewhere (small
 * ones) are copied there first.
 */
#ifndef YOKE_MAPREDUCE_FEED_H
#define YOKE_MAPREDUCE_FEED_H

#include <stdbool.h>
#include <stddef.h>

#include "../executor/future.h"
#include "merge.h"

typedef struct yk__feed {
    yk__span *table; /* shared memory: an array for each partition */
    size_t stride;   /* its length */
    size_t n[YK__PARTS];
    char *copies; /* shared memory: results that workers could not see */
} yk__feed;

/* `to_processes`: the job may run in another process. The results stay the caller's, until the feed
 * is freed. UV_ENOMEM, YK_EFORMAT. */
int yk__feed_make(yk__feed *feed, yk_future *const *results, size_t n, bool to_processes);
void yk__feed_free(yk__feed *feed);

#endif
