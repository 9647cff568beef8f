/* mapreduce/ngram/format.h - the forms in which counts are written. */
#ifndef NGRAM_FORMAT_H
#define NGRAM_FORMAT_H

#include "../sink.h"
#include "shared_options.h"

/* What is summed for each n-gram. */
typedef struct ngram_counts {
    uint64_t matches, volumes;
} ngram_counts;

/* What a sink needs to remember; lives as long as the job. */
typedef struct ngram_form {
    size_t name_width, match_width, volume_width; /* columns of the table */
    size_t most_width;                            /* of a line; 0: no limit */
    uint64_t written;
} ngram_form;

/* A sink that writes ngram_counts to `path` (NULL: standard output). NGRAM_AUTO_FORMAT is a table
 * if that is a terminal, else tab-separated. */
yk_sink ngram_sink(ngram_form *form, ngram_format format, const char *path);

#endif
