/* mapreduce/search.h - which record kills its worker? Not installed.
 *
 * A piece that has killed its worker twice is searched: jobs that map only its first records, a
 * half, a quarter, and so on, find the first one on which the worker dies. It is passed over from
 * then on, or the job fails with its place. Where the worker survives it after all, somebody else
 * killed the workers, and the piece is mapped once more.
 *
 *   count     how many records are there?
 *   probe     does the worker survive the records before the middle?
 *   confirm   does it die of that record again?
 *   describe  where is the record, and how does it begin?
 */
#ifndef YOKE_MAPREDUCE_SEARCH_H
#define YOKE_MAPREDUCE_SEARCH_H

#include "flights.h"

enum { YK__SEARCH_AFTER = 2 }; /* deaths of a piece's worker */

struct yk__search {
    enum { YK__COUNT, YK__PROBE, YK__CONFIRM, YK__DESCRIBE } step;
    uint64_t low, high, all; /* the worker survives those before `low`, and dies before `high` */
    uint64_t middle;         /* of the probe that is under way */
    int acquittals;          /* searches that found nothing */
    int lost;                /* jobs of the search that died and should not have */
    char how[300];           /* the last death */
    unsigned n_skipped;      /* what was found, in order */
    uint64_t skipped[YK__SKIPPED_MAX];
};

/* Begins: the first job is under way when this returns 0. `error` is of the last death. */
int yk__search_begin(yk__engine *e, yk__where where, const yk_error *error);

/* A job of the search has ended. */
void yk__search_step(yk__engine *e, yk__where where, yk_future *future);

#endif
