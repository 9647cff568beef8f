/* tests/examples/program.h - starts programs, talks with them, and sees them end.
 *
 *   program *site = program_start("site");
 *   int port = atoi(program_line(site));
 *   ...
 *   program_close_input(site);
 *   assert_int_equal(program_wait(site), 0);
 *
 * A program belongs to the test that starts it: the test's teardown kills what still runs. None
 * outlives the test program, however that ends.
 */
#ifndef TESTS_EXAMPLES_PROGRAM_H
#define TESTS_EXAMPLES_PROGRAM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>

typedef struct program {
    bool used;
    pid_t pid; /* 0: it has ended */
    int input; /* its standard input; -1: closed */
    int output;
    char *said; /* all that has come from it so far, NUL-terminated */
    size_t len, read;
    char *line;
    int err_fd; /* a memory file that gets its standard error */
    char *errors;
} program;

/* Starts a program of the build folder (one elsewhere, with a '/' in its name) in a process group
 * of its own. */
program *program_start_args(const char *const *argv);
#define program_start(...) program_start_args((const char *const[]){ __VA_ARGS__, NULL })

/* Waits for the next line that it writes; without its newline, good until the next call. NULL: it
 * writes no more. */
const char *program_line(program *p);

/* The next line that has `text` in it; fails the test where none comes. */
const char *program_line_with(program *p, const char *text);

void program_write(program *p, const char *text);
void program_close_input(program *p);
void program_signal(program *p, int sig);

/* Reads the rest of what it writes and waits for its end: the exit status, or -signal. */
int program_wait(program *p);

/* What it has written to standard error so far; good until the next call. */
const char *program_errors(program *p);

/* Waits, and fails the test unless it ended with 0, showing what it said. */
void program_must_succeed(program *p);

/* Kills it if it still runs, and frees what it said: for tests that start many, one by one. What it
 * wrote to standard error is shown. */
void program_forget(program *p);

/* The test's teardown: forgets all of them. */
int end_programs(void **state);

/* The group's setup arms a watchdog; its teardown waits until every descendant has ended. */
int before_programs(void **state);
int after_programs(void **state);

#define TEST(fn) cmocka_unit_test_teardown(fn, end_programs)
#define RUN_TESTS(name, tests) \
    cmocka_run_group_tests_name(name, tests, before_programs, after_programs)

#endif
