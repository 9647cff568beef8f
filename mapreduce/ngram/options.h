/* mapreduce/ngram/options.h - the command line of the ngram tool. */
#ifndef NGRAM_OPTIONS_H
#define NGRAM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../data/generate.h"
#include "../../data/rows.h"

enum { NGRAM_OK = 0, NGRAM_FAILED = 1, NGRAM_USAGE = 2 };

typedef enum ngram_command {
    NGRAM_COUNT,
    NGRAM_TOP,
    NGRAM_GEN,
    NGRAM_HELP,
    NGRAM_VERSION_
} ngram_command;
typedef enum ngram_executor { NGRAM_PROCESSES, NGRAM_THREADS, NGRAM_HYBRID } ngram_executor;
typedef enum ngram_format { NGRAM_AUTO_FORMAT, NGRAM_TABLE, NGRAM_TSV, NGRAM_JSON } ngram_format;
typedef enum ngram_when { NGRAM_AUTO, NGRAM_ALWAYS, NGRAM_NEVER } ngram_when;

typedef struct ngram_options {
    ngram_command command;
    ngram_command help_on; /* NGRAM_HELP: on this command, or NGRAM_HELP for all */
    const char **files;    /* ends with NULL */
    const char *output;    /* NULL: standard output */
    ngram_executor executor;
    int workers; /* 0: the CPUs that this process may use */
    ngram_years years;
    ngram_format format;
    ngram_when progress;
    bool skip_bad, stats;
    size_t k;
    ngram_generate_options gen;
} ngram_options;

/* Reads the command line. NGRAM_OK, or NGRAM_USAGE after it has said on stderr what is wrong. */
int ngram_options_read(ngram_options *o, int argc, char **argv);
void ngram_options_free(ngram_options *o);

/* Prints the help of a command, or of the tool, to standard output. */
int ngram_print_help(ngram_command command);

#endif
