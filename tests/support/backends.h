/* One test body on every executor, and jobs for it to run.
 *
 * The table holds the thread pool, the process pool driven by a thread of its own, the hybrid for
 * computing and for isolated jobs; and all of them once more from a task on a loop, where the
 * process pool is driven by that loop. A body runs on a plain thread or in a task, so it must wait
 * through yoke (yk_await, support_pause) and not block the loop's thread for others.
 */
#ifndef TESTS_SUPPORT_BACKENDS_H
#define TESTS_SUPPORT_BACKENDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "executor/arena.h"
#include "executor/executor.h"
#include "executor/wait.h"
#include "support.h"

typedef struct backend {
    const char *name;
    yk_executor *(*make)(const yk_pool_options *options);
    yk_job_kind kind; /* of the jobs that are submitted */
    bool processes;   /* jobs run in processes of their own */
    bool hybrid;
    bool on_loop; /* the body runs in a task */
} backend;

/* Runs the body on each, and after each asserts that nothing is left over. */
void on_every_backend(void (*body)(const backend *b));
void on_processes(void (*body)(const backend *b)); /* those with worker processes */

/* An executor of this kind; fails the test if it has an error. */
yk_executor *backend_open(const backend *b, const yk_pool_options *options);
#define OPEN(b, ...) backend_open((b), &(yk_pool_options){ __VA_ARGS__ })

yk_future *backend_submit(const backend *b, yk_executor *ex, yk_job_fn fn, const void *arg,
                          size_t len);
yk_future *backend_submit_opts(const backend *b, yk_executor *ex, yk_job_fn fn, const void *arg,
                               size_t len, yk_job_options options);

/* Closes it: asserts that this works, and that the statistics add up. */
void backend_close(yk_executor *ex);

yk_executor_stats stats_of(yk_executor *ex);

/* Runs body(b) in a task of a loop of its own. */
void on_a_loop(void (*body)(const backend *b), const backend *b);

/* ---- Words that a test and a job both see --------------------------------------------------- */

typedef _Atomic uint32_t word;

/* Zeroed words in the arena; the caller frees them with yk_arena_free. */
word *words_new(size_t n);

static inline uint32_t word_get(word *w)
{
    return atomic_load(w);
}

/* Also wakes those who wait in job_block. */
void word_set(word *w, uint32_t value);

/* ---- Jobs ----------------------------------------------------------------------------------- */

int job_nothing(yk_job *job);
int job_square(yk_job *job); /* int -> int */
int job_echo(yk_job *job);   /* its argument */
int job_fail(yk_job *job);   /* UV_EINVAL, "no good" */
int job_pid(yk_job *job);    /* -> pid_t */
int job_count(yk_job *job);  /* word * -> adds 1 to it */

/* Tells of its begin, and waits: until `go` is not 0; or, unless `deaf`, until it is cancelled,
 * then it ends with YK_ECANCELED. Adds 1 to *ended before it returns. Any of the words may be NULL:
 * a job without `go` waits for ever. */
typedef struct block {
    word *begun; /* 1 is added */
    word *go;
    word *ended;
    bool deaf;
} block;
int job_block(yk_job *job); /* block -> nothing */

/* Jobs that end their process, or never end. For worker processes. Those that never end may have a
 * word * for an argument: it adds 1 to the word when it has begun (and is deaf). */
int job_segv(yk_job *job);
int job_abort(yk_job *job);
int job_fpe(yk_job *job);
int job_exit_0(yk_job *job);
int job_exit_1(yk_job *job);
int job__exit_99(yk_job *job);
int job_kill_self(yk_job *job);   /* SIGKILL */
int job_stop_self(yk_job *job);   /* SIGSTOP; done when somebody continues it */
int job_spin(yk_job *job);        /* an endless loop that never asks */
int job_ignore_term(yk_job *job); /* ignores SIGTERM, then waits for ever */

#endif
