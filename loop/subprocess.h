/* yoke/loop/subprocess.h - other programs: start them, talk to them, end them.
 *
 * In one call:
 *
 *   yk_output o;
 *   int err = yk_run(&o, yk_after_ms(5000), .shell = "ls -l | sort");
 *   if (!err)
 *       printf("it exited with %d and wrote %zu bytes\n", o.exit.code, o.out_len);
 *   yk_output_free(&o);
 *
 * Or step by step:
 *
 *   yk_subprocess *p;
 *   const char *const argv[] = { "sort", "-n", NULL };
 *   int err = yk_subprocess_start(&p, .argv = argv, .in = YK_IO_PIPE, .out = YK_IO_PIPE);
 *   err = yk_stream_write(yk_subprocess_in(p), "3\n1\n", 4, YK_FOREVER);
 *   yk_stream_end_writing(yk_subprocess_in(p));
 *   ... yk_stream_read_line(yk_subprocess_out(p), ...) ...
 *   yk_exit how;
 *   err = yk_subprocess_wait(p, &how, YK_FOREVER);
 *   yk_subprocess_free(p);
 *
 * A child is the leader of a process group and session of its own, so that it can be ended with all
 * that it has started, and Ctrl-C at the terminal does not reach it: the program decides. It ends
 * by the ladder: SIGTERM, a grace, SIGKILL, to the whole group.
 *
 * Everything here is for the thread of the loop; what waits, for its tasks. Beside what each call
 * says, waits return UV_ETIMEDOUT, YK_ECANCELED, YK_EONLOOP. A loop that is closed kills the
 * children that are left. A program that is killed itself leaves its children behind.
 */
#ifndef YOKE_LOOP_SUBPROCESS_H
#define YOKE_LOOP_SUBPROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../executor/clock.h"
#include "stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What one of the child's three standard descriptors is. */
typedef enum yk_stdio {
    YK_IO_INHERIT, /* the program's own */
    YK_IO_NULL,    /* /dev/null */
    YK_IO_PIPE,    /* a stream to or from here */
    YK_IO_FD,      /* a descriptor of the program's, which keeps it */
    YK_IO_MERGE,   /* of `err` alone: where `out` goes */
} yk_stdio;

typedef struct yk_subprocess_options {
    /* One of the two: what to execute (argv[0] is looked up in PATH; ends with NULL), or a line for
     * /bin/sh. */
    const char *const *argv;
    const char *shell;

    const char *directory;          /* NULL: the program's */
    const char *const *environment; /* "NAME=value", ends with NULL; NULL: the program's */
    yk_stdio in, out, err;
    int in_fd, out_fd, err_fd; /* for YK_IO_FD */
    bool same_group;   /* stays in the program's group and session: it may use the terminal and gets
                          Ctrl-C, and the ladder ends it alone */
    uint64_t grace_ms; /* from SIGTERM to SIGKILL; 0: 250 ms */

    /* For yk_run(). */
    const void *input; /* for the child's standard input */
    size_t input_len;
    size_t limit; /* as in yk_subprocess_communicate() */
} yk_subprocess_options;

/* How it ended: with an exit status, or by a signal. */
typedef struct yk_exit {
    int code;   /* 0 to 255; -1: a signal ended it */
    int signal; /* which; 0: none */
} yk_exit;

typedef struct yk_subprocess yk_subprocess;

/* Starts it, which holds up the loop as long as fork and exec take (a millisecond, more where the
 * program is large). It belongs to the caller, until yk_subprocess_free(). Returns the system's
 * error where there is no such program or folder (UV_ENOENT), it may not be executed (UV_EACCES),
 * descriptors or processes are used up (UV_EMFILE, UV_EAGAIN); UV_EINVAL: no loop on this thread,
 * or options that make no sense; YK_ECLOSED: the loop is being closed; UV_ENOMEM. */
int yk_subprocess_start_opts(yk_subprocess **p, const yk_subprocess_options *options);
#define yk_subprocess_start(p, ...) \
    yk_subprocess_start_opts((p), &(yk_subprocess_options){ __VA_ARGS__ })

int yk_subprocess_pid(const yk_subprocess *p);

/* The ends of its pipes, NULL where there is none. They belong to the child's handle. */
yk_stream *yk_subprocess_in(const yk_subprocess *p);
yk_stream *yk_subprocess_out(const yk_subprocess *p);
yk_stream *yk_subprocess_err(const yk_subprocess *p);

/* Waits until it has ended. *how may be NULL. YK_ECLOSED: it was given back meanwhile. */
int yk_subprocess_wait(yk_subprocess *p, yk_exit *how, uint64_t deadline);

/* Sends a signal to the child, and to nobody else. UV_ESRCH: it has ended. */
int yk_subprocess_signal(yk_subprocess *p, int signum);

/* Begins the ladder; yk_subprocess_wait() for the child's end. Members of its group that outlive
 * the child are killed when the grace is over, or when the handle is given back. */
void yk_subprocess_stop(yk_subprocess *p);

/* Gives it back: kills it, with its group, if it has not ended, and closes its streams. Takes
 * NULL. */
void yk_subprocess_free(yk_subprocess *p);

/* ---- All at once ----------------------------------------------------------------------------- */

/* What a child wrote. A NUL follows each, which does not count. */
typedef struct yk_output {
    char *out, *err; /* NULL where there was nothing */
    size_t out_len, err_len;
    yk_exit exit;
} yk_output;

/* Frees what is in it. */
void yk_output_free(yk_output *o);

/* Writes `input`, ends the input, collects what comes from the child's pipes, all at once, and
 * waits for its end. A child that does not read its input is no error. *o is always set, and freed
 * by the caller; with an error it has what had come by then. YK_ETOOBIG: one of the two is more
 * than `limit` bytes (0: 16 MiB). It waits for the ends of the pipes, which a process that the
 * child has left behind may hold open: have a deadline. The child runs on after an error. */
int yk_subprocess_communicate(yk_subprocess *p, const void *input, size_t len, size_t limit,
                              yk_output *o, uint64_t deadline);

/* Starts a program, communicates, and gives it back. Of the options, in and out and err, where they
 * are YK_IO_INHERIT, become pipes, the input /dev/null where there is none. Where that fails, and
 * where the deadline passes or the task is cancelled, the ladder ends the child before this
 * returns. 0 says that it ended by itself: how, says o->exit. */
int yk_run_opts(yk_output *o, uint64_t deadline, const yk_subprocess_options *options);
#define yk_run(o, deadline, ...) \
    yk_run_opts((o), (deadline), &(yk_subprocess_options){ __VA_ARGS__ })

#ifdef __cplusplus
}
#endif
#endif
