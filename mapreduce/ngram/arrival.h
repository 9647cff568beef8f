/* mapreduce/ngram/arrival.h - what becomes of a file while it arrives: a thread reads it behind the
 * download, checks its packing to the end, and packs it as zstd if that is wanted.
 *
 *   1. ngram_arrival_start()
 *   2. ngram_arrival_grew()      more of the file is there, or all of it
 *   3. ngram_arrival_failed()    now and then: is what arrived damaged? Then 4
 *   4. ngram_arrival_end()       waits for the thread, or stops it, and tells its result
 */
#ifndef NGRAM_ARRIVAL_H
#define NGRAM_ARRIVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "../../executor/executor.h"

typedef struct ngram_arrival ngram_arrival;

/* `path` is read from its beginning as it grows. It must be gzip; or, where `totals`, total counts.
 * `packed` (NULL: none) is where its text goes as zstd; it appears at the end. NULL: no memory. */
ngram_arrival *ngram_arrival_start(yk_executor *threads, const char *path, const char *packed,
                                   bool totals);

/* So many bytes of the file are there; `whole`: and no more will come. */
void ngram_arrival_grew(ngram_arrival *a, uint64_t size, bool whole);

bool ngram_arrival_failed(const ngram_arrival *a);

/* In a task: waits until all was read; `stop`: does not, and what was packed is gone. 0;
 * YK_ECANCELED: it was stopped, or the task cancelled; or what is wrong, told in `message`. */
int ngram_arrival_end(ngram_arrival *a, bool stop, char *message, size_t size);

#endif
