/* mapreduce/ngram/serve/opened.h - the store that is served, open in every process that needs it.
 *
 * The first process names it; those that are forked from it, workers and the processes of
 * searches, open it for themselves when they first ask for it, and keep it. A store that was
 * replaced by another (ngram index renames it into its place) is noticed by the next question;
 * those that have the old one go on with it.
 */
#ifndef SERVE_OPENED_H
#define SERVE_OPENED_H

#include "../../../data/store.h"
#include "../../../data/totals.h"

/* Names the store and, unless it is NULL, a file of total counts, and sees whether they can be
 * opened. 0 or an error, told in `why`. The names stay the caller's. */
int serve_name_store(const char *store, const char *totals, char *why, size_t size);

typedef struct serve_opened {
    ngram_store *store;
    ngram_totals *totals; /* what a year's numbers are relative to: the total counts that were
                             named, else the sums over all that is in the store */
    unsigned users;
} serve_opened;

/* The store as it is now; to be given back. NULL: it cannot be opened, as `why` says. Any thread.
 */
serve_opened *serve_open(char *why, size_t size);
void serve_close(serve_opened *opened);

/* What relative numbers are: "per million words". */
const char *serve_relative_unit(void);

#endif
