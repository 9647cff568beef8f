/* mapreduce/ngram/command.h - what a command of the tool is.
 *
 * A command is a table: its name, what it says of itself, and its options in groups, of which
 * several commands may share some (shared_options.h). Parsing, help, manual pages and shell
 * completion are made from that table and from nothing else. To add an option, add a line to a
 * group's table and a member to the struct that the group is read into; to add a command, write a
 * file with its table and its function, and name it in commands.c.
 */
#ifndef NGRAM_COMMAND_H
#define NGRAM_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NGRAM_OK = 0, NGRAM_FAILED = 1, NGRAM_USAGE = 2 };

/* ---- Options ------------------------------------------------------------------------------- */

typedef struct ngram_option ngram_option;

/* Reads a value's text into its destination; false if it is none. */
typedef bool ngram_read_fn(const ngram_option *option, const char *text, void *into);

struct ngram_option {
    const char *name;  /* without the dashes; NULL ends a table */
    char letter;       /* 0: none */
    const char *value; /* what help calls its value; NULL: it takes none */
    const char *help;  /* one paragraph, wrapped where it is shown */
    ngram_read_fn *read;
    size_t at;                /* where it goes, in the struct of its group */
    uint64_t least, most;     /* of a number; most 0: what fits */
    const char *const *words; /* of a choice, ending with NULL */
    const char *then;         /* a value that another word follows, read by a second call */
    const char *must;         /* what any other value must be: "a size such as 64K" */
};

ngram_read_fn ngram_read_flag;   /* bool, without a value */
ngram_read_fn ngram_read_text;   /* const char * */
ngram_read_fn ngram_read_int;    /* int, from least to most */
ngram_read_fn ngram_read_u64;    /* uint64_t, the same */
ngram_read_fn ngram_read_bytes;  /* uint64_t, from "64K" */
ngram_read_fn ngram_read_choice; /* int or enum: the index in words */

typedef struct ngram_option_group {
    const char *title;           /* "Output" */
    const ngram_option *options; /* NULL ends the list of groups */
    size_t at;                   /* the group's struct in the command's */
} ngram_option_group;

/* ---- Commands ------------------------------------------------------------------------------ */

/* What is no option, in its order. */
typedef struct ngram_words {
    const char **at; /* ends with NULL */
    size_t count;
    size_t before; /* of them, before "--"; count if there is none */
    int argc;      /* the whole line */
    char **argv;
} ngram_words;

/* What somebody may type. Its files are named like those that tests/e2e/test_help.c makes, which
 * runs it: 1gram-a.gz and 1gram-b.tsv, 2gram.gz, totalcounts-1. */
typedef struct ngram_example {
    const char *what; /* it does: a line without a full stop; NULL ends the list */
    const char *line;
} ngram_example;

typedef struct ngram_command {
    const char *name;
    const char *usage;   /* behind the name: "FILE... [options]" */
    const char *summary; /* a line without a full stop, for the list of commands */
    const char *about;   /* paragraphs, an empty line between them */
    const ngram_example *examples;
    const ngram_option_group *groups;
    const void *defaults; /* what the struct of its options begins as; NULL: zeros */
    size_t size;          /* of that struct */
    bool program;         /* runs outside of a loop, as a program by itself */
    /* Returns an exit status, or YK_ECANCELED after an interruption; has told everything else on
     * standard error. */
    int (*run)(const void *options, const ngram_words *words);
} ngram_command;

/* Every command has these. */
extern const ngram_option ngram_common_options[];

/* Finds the command that the line names, reads its options and runs it. The list ends with NULL. */
int ngram_run(const ngram_command *const *commands, int argc, char **argv);

/* Does the line name a command that is a program by itself? */
bool ngram_is_program(const ngram_command *const *commands, int argc, char **argv);

/* Says on standard error what is wrong with the line, and where help is. Returns NGRAM_USAGE.
 * `command` may be NULL. */
int ngram_complain(const ngram_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What was printed leaves for standard output. NGRAM_OK, or NGRAM_FAILED, and it has said why. */
int ngram_flush(void);

/* Prints the help of a command, or of the tool, to standard output. */
int ngram_print_command_help(const ngram_command *command);
int ngram_print_help(const ngram_command *const *commands);

#endif
