/* bench fork: how long 100 workers take from a parent that is large and busy, beside ten
 * calls of fork(). */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "executor/arena.h"
#include "executor/clock.h"
#include "executor/executor.h"
#include "executor/init.h"
#include "executor/wait.h"
#include "tests/support/noise.h"

enum { WORKERS = 100, CHILDREN = 10, THREADS = 64, ROUNDS = 5 };
#define GIB ((size_t)1 << 30)

static int job_come(yk_job *job)
{
    _Atomic unsigned *come;
    memcpy(&come, yk_job_arg(job), sizeof come);
    atomic_fetch_add(come, 1);
    struct timespec moment = { 0, 5000000 };
    while (atomic_load(come) < WORKERS && !yk_job_cancelled(job))
        nanosleep(&moment, NULL);
    return 0;
}

/* Until every one of them runs a job; nanoseconds. */
static uint64_t start_workers(_Atomic unsigned *come)
{
    yk_future *f[WORKERS];
    atomic_store(come, 0);
    uint64_t begin = yk_now();
    yk_executor *ex = yk_process_pool(.workers = WORKERS);
    for (int i = 0; i < WORKERS; i++)
        f[i] = yk_submit(ex, job_come, &come, sizeof come);
    struct timespec moment = { 0, 200000 };
    while (atomic_load(come) < WORKERS)
        nanosleep(&moment, NULL);
    uint64_t took = yk_now() - begin;
    yk_await_all(f, WORKERS, YK_FOREVER);
    for (int i = 0; i < WORKERS; i++)
        yk_future_unref(f[i]);
    yk_executor_close(ex);
    return took;
}

static uint64_t fork_children(void)
{
    pid_t pids[CHILDREN];
    uint64_t begin = yk_now();
    for (int i = 0; i < CHILDREN; i++)
        if ((pids[i] = fork()) == 0)
            _exit(0);
    uint64_t took = yk_now() - begin;
    for (int i = 0; i < CHILDREN; i++)
        if (pids[i] > 0)
            waitpid(pids[i], NULL, 0);
    return took;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void row(const char *what, const uint64_t *ns)
{
    printf("  %-46s %8.1f ms   (%.1f to %.1f)\n", what, (double)ns[ROUNDS / 2] / 1e6,
           (double)ns[0] / 1e6, (double)ns[ROUNDS - 1] / 1e6);
    fflush(stdout);
}

static void measure(const char *parent, unsigned threads, size_t bytes, _Atomic unsigned *come)
{
    uint64_t workers[ROUNDS], children[ROUNDS];
    noise *n = noise_begin(threads, bytes);
    if (!n) {
        printf("  %s: not enough memory\n", parent);
        return;
    }
    for (int i = 0; i < ROUNDS; i++) {
        workers[i] = start_workers(come);
        children[i] = fork_children();
    }
    noise_end(n);
    qsort(workers, ROUNDS, sizeof *workers, by_value);
    qsort(children, ROUNDS, sizeof *children, by_value);
    char what[80];
    snprintf(what, sizeof what, "%s: %d workers", parent, WORKERS);
    row(what, workers);
    snprintf(what, sizeof what, "%s: fork(), %d times", parent, CHILDREN);
    row(what, children);
}

int main(void)
{
    if (yk_init())
        return 1;
    _Atomic unsigned *come = yk_arena_alloc(sizeof *come);
    if (!come)
        return 1;
    printf("From one parent: workers until each runs a job, fork() until the last call has\n"
           "returned; median of %d (fastest to slowest), %d CPUs\n",
           ROUNDS, yk_cpu_count());
    measure("small", 0, 4096, come);
    measure("1 GiB resident", 0, GIB, come);
    measure("1 GiB, 64 threads at work", THREADS, GIB, come);
    yk_arena_free(come);
    return 0;
}
