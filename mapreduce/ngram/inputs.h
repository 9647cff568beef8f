/* mapreduce/ngram/inputs.h - files for the commands that read them by themselves. */
#ifndef NGRAM_INPUTS_H
#define NGRAM_INPUTS_H

#include "../../data/input.h"
#include "background.h"

/* Opens the file, or for "-" standard input, so that a wait for a pipe ends when the work is to
 * stop. 0 or an error, told in the work's message. */
int ngram_open_reader(yk_reader **reader, const char *path, ngram_background *work);
int ngram_open_input(yk_input **input, const char *path, ngram_background *work);

/* Bytes of all files that are there; 0 if one has no size. */
uint64_t ngram_total_size(const char *const *files);

/* How many threads: as many as asked for, or as CPUs. */
int ngram_threads(int asked);

#endif
