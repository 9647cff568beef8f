/* mapreduce/ngram/query.h - one map-reduce job as a command runs it: on the executor that was
 * asked for, with progress, statistics, and its end told. */
#ifndef NGRAM_QUERY_H
#define NGRAM_QUERY_H

#include "../mapreduce.h"
#include "shared_options.h"

/* Runs `job` over `files`; the executor, bad records, progress and the report are filled in from
 * the options. Returns an exit status or YK_ECANCELED. */
int ngram_query(const ngram_query_options *o, const char *const *files, yk_mapreduce_options *job);

/* Tells that no file was named. */
int ngram_no_files(const ngram_command *command);

#endif
