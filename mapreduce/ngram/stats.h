/* mapreduce/ngram/stats.h - the lines of --stats. */
#ifndef NGRAM_STATS_H
#define NGRAM_STATS_H

#include "../mapreduce.h"

/* Prints to standard error what a job has done. `memory`: the most bytes that were seen in use;
 * `files`: how many were read. */
void ngram_print_stats(const yk_mapreduce_stats *stats, uint64_t memory, size_t files);

#endif
