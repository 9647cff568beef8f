/* tests/e2e/tool.h - runs the built ngram and looks at what it does. */
#ifndef TEST_E2E_TOOL_H
#define TEST_E2E_TOOL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- A folder for a test program's files; its setup arms the watchdog ---------------------- */

int make_folder(void **state);
int remove_folder(void **state);
/* Removes everything in it. */
int empty_folder(void **state);
/* The path of a name in it; good until the program ends. */
const char *in_folder(const char *name);
/* Names in it, "." and ".." left out. */
int count_entries(void);

const char *write_bytes(const char *name, const void *bytes, size_t len);
const char *write_text(const char *name, const char *text);
/* The bytes of a file with a NUL behind them, to be freed; fails the test if there is none. */
char *read_bytes(const char *path, size_t *len);
/* Packs bytes, in members or frames of `piece` bytes of them (0: one). */
const char *pack_gzip(const char *name, const char *bytes, size_t len, size_t piece);
const char *pack_zstd(const char *name, const char *bytes, size_t len, size_t piece);
/* Runs a shell command, which must succeed. */
void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- The tool ------------------------------------------------------------------------------ */

typedef struct tool {
    pid_t pid;
    int out_fd, err_fd; /* memory files, where they were not given */
    int status;         /* the exit status, or -signal */
    char *out, *err;    /* what it wrote, once it has ended */
    size_t out_len;
} tool;

/* What a start may choose; 0 is the default everywhere. */
typedef struct tool_options {
    const char *in; /* a file for standard input; NULL: /dev/null */
    int in_fd, out_fd, err_fd;
    int terminal_fd; /* a terminal to be its controlling one */
} tool_options;

#define MOST_ARGS 96

/* Starts ngram with arguments, NULL at their end, in a process group of its own. */
tool tool_start_opts(const tool_options *options, const char *const *args);
#define tool_start(...) \
    tool_start_opts(&(tool_options){ 0 }, (const char *const[]){ __VA_ARGS__, NULL })

/* Waits for its end and reads what it wrote. */
void tool_wait(tool *t);
/* A moment's nap before another look at what has no event to wait for (a file that appears, what
 * /proc says); fails the test when the tool has ended. */
void tool_look_again(const tool *t);
void tool_free(tool *t);

/* Both in one. */
#define tool_run(...) \
    tool_run_opts(&(tool_options){ 0 }, (const char *const[]){ __VA_ARGS__, NULL })
tool tool_run_opts(const tool_options *options, const char *const *args);

/* It ended with `status`, wrote nothing to standard output, and `message` to standard error. */
void assert_failed(const tool *t, int status, const char *message);
/* It ended well, wrote `out`, and nothing to standard error. */
void assert_wrote(const tool *t, const char *out);

/* ---- Its processes ------------------------------------------------------------------------- */

enum { MOST_PROCESSES = 64 };

typedef struct family {
    int n, workers;
    struct {
        pid_t pid;
        int pidfd;
        bool worker; /* a grandchild: the zygote's child */
    } member[MOST_PROCESSES];
} family;

/* Everything below the tool, now. */
family family_of(const tool *t);
/* Waits until the tool has at least so many workers. */
family family_with_workers(const tool *t, int workers);
/* Waits until all are gone (the watchdog limits it), and closes the descriptors. */
void family_wait_gone(family *f);
void family_close(family *f);

/* ---- Data ---------------------------------------------------------------------------------- */

/* Rows of version 2, about `bytes` of them, the same for the same seed; to be freed. */
char *make_rows(size_t bytes, unsigned seed);

#endif
