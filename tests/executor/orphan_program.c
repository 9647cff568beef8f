/* A program with process pools that is killed, or ends, in the middle of things; see
 * test_orphans.c.
 *
 *   orphan_program MODE
 *
 * says "ready" when it is where it should be. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "executor/arena.h"
#include "executor/executor.h"
#include "executor/init.h"
#include "executor/wait.h"

enum { OUT = STDOUT_FILENO }; /* which workers have as well, unlike other descriptors */

static int job_nothing(yk_job *job)
{
    (void)job;
    return 0;
}

static int job_spin(yk_job *job)
{
    (void)job;
    signal(SIGTERM, SIG_IGN);
    for (volatile bool always = true; always;)
        ;
    return 0;
}

static int job_sleep_for_ever(yk_job *job)
{
    _Atomic unsigned *begun = *(_Atomic unsigned **)yk_job_arg(job);
    atomic_fetch_add(begun, 1);
    for (;;)
        pause();
    return 0;
}

static int job_slow(yk_job *job)
{
    (void)job;
    for (volatile unsigned i = 0; i < 20000000; i++)
        ;
    return 0;
}

static int job_note(yk_job *job)
{
    (void)job;
    for (volatile unsigned i = 0; i < 20000000; i++)
        ;
    return dprintf(OUT, "noted\n") > 0 ? 0 : YK_EJOB;
}

static yk_executor *pool_of(int n)
{
    yk_executor *ex = yk_process_pool(.workers = n);
    if (yk_executor_error(ex)) {
        dprintf(OUT, "error %s\n", yk_executor_error(ex)->message);
        exit(9);
    }
    return ex;
}

static void start_worker(yk_executor *ex)
{
    yk_future *f = yk_submit(ex, job_nothing, NULL, 0);
    if (yk_await(f))
        exit(8);
    yk_future_unref(f);
}

/* Two workers sleep in jobs, one spins deaf, one is idle; a block of the arena is in use. */
static void work_for_ever(void)
{
    _Atomic unsigned *begun = yk_arena_alloc(1 << 20);
    atomic_store(begun, 0);
    yk_executor *sleepers = pool_of(2), *spinner = pool_of(1), *idle = pool_of(1);
    start_worker(sleepers);
    start_worker(spinner);
    start_worker(idle);
    for (int i = 0; i < 4; i++)
        yk_submit(sleepers, job_sleep_for_ever, &begun, sizeof begun);
    yk_submit(spinner, job_spin, NULL, 0);
    while (atomic_load(begun) < 2)
        sched_yield();
    dprintf(OUT, "ready\n");
    for (;;)
        pause();
}

static void end_with_an_executor_alive(bool threads)
{
    yk_executor *ex = threads ? yk_thread_pool(.workers = 2) : pool_of(2);
    for (int i = 0; i < 4; i++)
        yk_future_unref(yk_submit(ex, job_slow, NULL, 0));
    dprintf(OUT, "ready\n");
    /* neither closed nor given back */
}

static void end_after_shutdown_without_waiting(bool threads)
{
    yk_executor *ex = threads ? yk_thread_pool(.workers = 1) : pool_of(1);
    for (int i = 0; i < 2; i++)
        yk_future_unref(yk_submit(ex, job_note, NULL, 0));
    yk_executor_shutdown(ex, .no_wait = true);
    yk_executor_unref(ex);
    dprintf(OUT, "ready\n");
}

/* ---- What callbacks do ---------------------------------------------------------------------- */

static int exit_3(yk_future *f, void *arg)
{
    (void)f;
    (void)arg;
    exit(3);
}

static int crash(yk_future *f, void *arg)
{
    volatile int *nowhere = arg;
    (void)f;
    signal(SIGSEGV, SIG_DFL); /* also where a sanitizer would look into it */
    return *nowhere;
}

/* Others run and wait when the callback of one ends the program. */
static void end_in_a_callback(bool threads, yk_future_fn fn)
{
    yk_executor *ex = threads ? yk_thread_pool(.workers = 2) : pool_of(2);
    for (int i = 0; i < 20; i++) {
        yk_future *f = yk_submit(ex, job_slow, NULL, 0);
        if (i == 2)
            yk_future_on_end(f, fn, (void *)8);
        yk_future_unref(f);
    }
    dprintf(OUT, "ready\n");
    for (;;)
        pause();
}

/* ---- A worker that says too much ------------------------------------------------------------ */

static int job_floods(yk_job *job)
{
    char text[4096];
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 4096; i++)
        if (write(STDERR_FILENO, text, sizeof text) < 0)
            return YK_EJOB;
    return yk_job_arg(job) != NULL;
}

/* Standard error is a pipe, and whoever holds its other end does not read. */
static int flood(void)
{
    yk_executor *ex = pool_of(2);
    yk_future *f = yk_submit_with(ex, job_floods, NULL, 0, .timeout_ms = 300);
    int others = 0;
    for (int i = 0; i < 50; i++) {
        yk_future *g = yk_submit(ex, job_nothing, NULL, 0);
        others += yk_await(g) == 0;
        yk_future_unref(g);
    }
    dprintf(OUT, "others %d, one running %d\n", others, !yk_future_ended(f));
    dprintf(OUT, "flood %s\n", yk_errname(yk_await(f)));
    yk_future_unref(f);
    dprintf(OUT, "drain\n"); /* now it is read */
    f = yk_submit(ex, job_floods, NULL, 0);
    dprintf(OUT, "flood %s\n", yk_errname(yk_await(f)));
    yk_future_unref(f);
    return yk_executor_close(ex);
}

static void *sleep_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return NULL;
}

static int init_too_late(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, sleep_for_ever, NULL);
    int code = yk_init();
    yk_executor *ex = yk_process_pool(.workers = 1);
    yk_future *f = yk_submit(ex, job_nothing, NULL, 0);
    dprintf(OUT, "%s %s %s\n", yk_errname(code),
            yk_executor_error(ex) ? yk_errname(yk_executor_error(ex)->code) : "none",
            yk_errname(yk_await(f)));
    yk_future_unref(f);
    yk_executor_close(ex);
    ex = yk_thread_pool(.workers = 1); /* which works all the same */
    f = yk_submit(ex, job_slow, NULL, 0);
    dprintf(OUT, "threads %d\n", yk_await(f));
    yk_future_unref(f);
    return yk_executor_close(ex);
}

/* Everything is taken down and set up again, with one thread in between. */
static int init_and_fini(void)
{
    for (int i = 0; i < 5; i++) {
        if (yk_init() || yk_init())
            return 3;
        yk_executor *ex = pool_of(2);
        yk_future *f = yk_submit(ex, job_nothing, NULL, 0);
        if (yk_await(f))
            return 4;
        yk_future_unref(f);
        if (yk_executor_close(ex))
            return 5;
        yk_fini();
        if (yk_arena_alloc(100) || yk_arena_used())
            return 6;
    }
    yk_fini();
    dprintf(OUT, "ready\n");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    const char *mode = argv[1];
    if (strcmp(mode, "late") == 0)
        return init_too_late();
    if (strcmp(mode, "again") == 0)
        return init_and_fini();
    if (yk_init())
        return 7;
    if (strcmp(mode, "work") == 0)
        work_for_ever();
    else if (strcmp(mode, "alive-threads") == 0)
        end_with_an_executor_alive(true);
    else if (strcmp(mode, "alive-processes") == 0)
        end_with_an_executor_alive(false);
    else if (strcmp(mode, "no-wait-threads") == 0)
        end_after_shutdown_without_waiting(true);
    else if (strcmp(mode, "no-wait-processes") == 0)
        end_after_shutdown_without_waiting(false);
    else if (strcmp(mode, "exit-threads") == 0)
        end_in_a_callback(true, exit_3);
    else if (strcmp(mode, "exit-processes") == 0)
        end_in_a_callback(false, exit_3);
    else if (strcmp(mode, "crash-threads") == 0)
        end_in_a_callback(true, crash);
    else if (strcmp(mode, "crash-processes") == 0)
        end_in_a_callback(false, crash);
    else if (strcmp(mode, "flood") == 0)
        return flood();
    else
        return 2;
    return 0;
}
