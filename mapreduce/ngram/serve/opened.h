/* mapreduce/ngram/serve/opened.h - the store that is served, open in every process that needs it.
 *
 * The first process names it; those that are forked from it, workers and their workers, open it
 * for themselves when they first ask for it, and keep it.
 */
#ifndef SERVE_OPENED_H
#define SERVE_OPENED_H

#include "../../../data/store.h"
#include "../../../data/totals.h"

/* Names the store and, unless it is NULL, a file of total counts, and sees whether they can be
 * opened. 0 or an error, told in `why`. The names stay the caller's. */
int serve_name_store(const char *store, const char *totals, char *why, size_t size);

/* The store; NULL: it cannot be opened any more, as `why` says (which may be NULL). Any thread. */
const ngram_store *serve_store(char *why, size_t size);

/* What a year's numbers are relative to: the total counts that were named, else the sums over all
 * that is in the store. Once the store is open. */
const ngram_totals *serve_totals(void);

/* What relative numbers are: "per million words". */
const char *serve_relative_unit(void);

#endif
