/* mapreduce/ngram/shared_options.h - groups of options that several commands have. */
#ifndef NGRAM_SHARED_OPTIONS_H
#define NGRAM_SHARED_OPTIONS_H

#include "../../data/rows.h"
#include "command.h"

typedef enum ngram_executor { NGRAM_PROCESSES, NGRAM_THREADS, NGRAM_HYBRID } ngram_executor;
typedef enum ngram_format {
    NGRAM_AUTO_FORMAT,
    NGRAM_TABLE,
    NGRAM_TSV,
    NGRAM_CSV,
    NGRAM_JSON,
    NGRAM_SPARK
} ngram_format;
typedef enum ngram_when { NGRAM_AUTO, NGRAM_ALWAYS, NGRAM_NEVER, NGRAM_AS_JSON } ngram_when;

/* What is read. */
typedef struct ngram_input_options {
    ngram_years years;
    int bad_records; /* 0 fail, 1 skip */
} ngram_input_options;
extern const ngram_option ngram_input_table[];

/* Who does the work. */
typedef struct ngram_work_options {
    ngram_executor executor;
    int workers;        /* 0: the CPUs that this process may use */
    uint64_t memory;    /* bytes; 0: half of what there is */
    const char *resume; /* directory of a journal; NULL: none */
    const char *temp;   /* directory for what does not fit; NULL: $TMPDIR, or beside the output */
} ngram_work_options;
extern const ngram_option ngram_work_table[];

/* Where the answer goes. */
typedef struct ngram_output_options {
    const char *path; /* NULL: standard output */
    ngram_format format;
    bool spark;
    const char *plot; /* a file; NULL: none */
} ngram_output_options;
extern const ngram_option ngram_output_table[];

/* What is told meanwhile. */
typedef struct ngram_report_options {
    ngram_when progress;
    bool stats;
    const char *status; /* an address; NULL: none */
} ngram_report_options;
extern const ngram_option ngram_report_table[];

/* --progress alone, for a struct `type` with an ngram_when `progress`. */
#define NGRAM_PROGRESS_OPTION(type)                                                          \
    {                                                                                        \
        .name = "progress", .value = "WHEN",                                                 \
        .help = "a progress bar on standard error: auto (on a terminal; default), always "   \
                "(lines where it is no terminal), never, json (an object a line)",           \
        .read = ngram_read_choice, .at = offsetof(type, progress), .words = ngram_when_words \
    }

/* All of them: what a question over files takes. */
typedef struct ngram_query_options {
    ngram_input_options input;
    ngram_work_options work;
    ngram_output_options output;
    ngram_report_options report;
} ngram_query_options;

/* The groups of a ngram_query_options in the struct `type`; entries of a list of groups. */
#define NGRAM_QUERY_GROUPS(type, member)                                 \
    { "Input", ngram_input_table, offsetof(type, member.input) },        \
        { "Output", ngram_output_table, offsetof(type, member.output) }, \
        { "Work", ngram_work_table, offsetof(type, member.work) },       \
    {                                                                    \
        "Reports", ngram_report_table, offsetof(type, member.report)     \
    }

/* What commands say of their files. */
#define NGRAM_ABOUT_FILES                                                                     \
    "FILE is a file of the dataset, version 2 or 3, plain or packed with gzip or zstd, told " \
    "apart by content. '-' is standard input. Several files, mixed as you like, are one job."

/* For tables of commands that have one of these options alone. */
extern const char *const ngram_when_words[];

#endif
