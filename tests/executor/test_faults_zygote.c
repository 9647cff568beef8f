/* Those behind the workers: the zygote, the thread that made the pool, who reaps. */
#include "faults.h"

#include <stdio.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

/* ---- P38: the thread that made the pool ends ------------------------------------------------- */

static void *make_and_use(void *arg)
{
    yk_executor *ex = yk_process_pool(.workers = 2);
    word **w = arg;
    block b = { .begun = &(*w)[0], .go = &(*w)[1] };
    for (int i = 0; i < 2; i++)
        yk_future_unref(yk_submit(ex, job_block, &b, sizeof b));
    return ex;
}

static void test_P38_the_thread_that_made_the_pool_ends(void **state)
{
    (void)state;
    word *w = words_new(2);
    pthread_t thread;
    void *ex;
    assert_int_equal(pthread_create(&thread, NULL, make_and_use, &w), 0);
    pthread_join(thread, &ex);
    eventually(word_get(&w[0]) == 2);
    eventually(proc_links(0, "[pidfd]") == 2);
    word_set(&w[1], 1);
    static const backend on_processes_alone = {
        "on the process pool", yk_process_pool_new, YK_CPU, true, false, false
    };
    assert_works(&on_processes_alone, ex);
    yk_executor_shutdown(ex);
    assert_int_equal(stats_of(ex).crashed, 0);
    assert_int_equal(stats_of(ex).done, 3);
    backend_close(ex);
    yk_arena_free(w);
}

/* ---- P39, P40: the zygote -------------------------------------------------------------------- */

static void zygote_killed(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    for (int round = 0; round < 4; round++) {
        word *w = words_new(3);
        block arg = { .begun = &w[0], .go = &w[1] };
        yk_future *running[2], *f[20];
        for (int i = 0; i < 2; i++)
            running[i] = backend_submit(b, ex, job_block, &arg, sizeof arg);
        eventually(word_get(&w[0]) == 2);
        uint64_t crashed = stats_of(ex).crashed;
        kill_the_zygote();
        word_set(&w[1], 1); /* those that run are not disturbed */
        for (int i = 0; i < 2; i++) {
            assert_int_equal(yk_await(running[i]), 0);
            yk_future_unref(running[i]);
        }
        assert_int_equal(stats_of(ex).crashed, crashed);
        /* A worker whose zygote is gone can still be lost and replaced. */
        yk_future *bad = backend_submit(b, ex, job_kill_self, NULL, 0);
        assert_int_equal(yk_await(bad), YK_ECRASHED);
        yk_future_unref(bad);
        for (int i = 0; i < 20; i++)
            f[i] = square(b, ex, i);
        assert_int_equal(yk_await_all(f, 20, YK_FOREVER), 0);
        for (int i = 0; i < 20; i++)
            yk_future_unref(f[i]);
        /* And its successor tells how workers end. */
        for (int i = 0; i < 3; i++) {
            bad = backend_submit(b, ex, job__exit_99, NULL, 0);
            assert_int_equal(yk_await(bad), YK_ECRASHED);
            yk_future_unref(bad);
        }
        yk_arena_free(w);
    }
    backend_close(ex);
}

static void test_P39_the_zygote_is_killed_again_and_again(void **state)
{
    (void)state;
    on_processes(zygote_killed);
}

static void zygote_killed_before_use(const backend *b)
{
    for (int round = 0; round < 3; round++) {
        yk_executor *ex = OPEN(b, .workers = 3);
        assert_works(b, ex);
        kill_the_zygote(); /* and nothing more happens: it must close all the same */
        backend_close(ex);
        ex = OPEN(b, .workers = 3);
        yk_future *f = yk_submit_with(ex, job_nothing, NULL, 0, .kind = b->kind);
        assert_int_equal(yk_await(f), 0);
        yk_future_unref(f);
        backend_close(ex);
    }
}

static void test_P39_the_zygote_is_killed_while_nothing_runs(void **state)
{
    (void)state;
    on_processes(zygote_killed_before_use);
}

static void zygote_killed_while_starting(const backend *b)
{
    for (size_t round = 0; round < 2 + support_rounds(20); round++) {
        yk_executor *first = OPEN(b, .workers = 1), *ex = OPEN(b, .workers = 8);
        assert_works(b, first); /* there is a zygote, and it has a standby */
        yk_future *f[16];
        pid_t zygote = proc_zygote();
        assert_true(zygote > 0);
        for (int i = 0; i < 16; i++) {
            f[i] = square(b, ex, i);
            if (i == (int)(round % 16))
                kill(zygote, SIGKILL);
        }
        assert_int_equal(yk_wait(f, 16, YK_ALL_ENDED, YK_FOREVER), 16);
        for (int i = 0; i < 16; i++) {
            assert_int_equal(yk_await(f[i]), 0); /* nothing crashed, so no job may be lost */
            yk_future_unref(f[i]);
        }
        backend_close(ex);
        backend_close(first);
    }
}

static void test_P39_the_zygote_is_killed_while_workers_start(void **state)
{
    (void)state;
    on_processes(zygote_killed_while_starting);
}

/* ---- P40, P41: Ctrl-C ------------------------------------------------------------------------ */

static void interrupted(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(2);
    block arg = { .begun = &w[0], .go = &w[1] };
    pid_t worker = pid_of_worker(b, ex);
    yk_future *f = backend_submit(b, ex, job_block, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 1);
    pid_t zygote = proc_zygote();
    static const int at_zygote[] = { SIGINT, SIGQUIT, SIGHUP, SIGTERM };
    for (size_t i = 0; i < COUNT_OF(at_zygote); i++)
        kill(zygote, at_zygote[i]);
    kill(worker, SIGINT);
    /* Neither is in this process's group, so a Ctrl-C of the terminal would not even reach them. */
    proc_entry z, k;
    assert_true(proc_look(zygote, &z) && proc_look(worker, &k));
    assert_int_not_equal(z.group, getpgrp());
    assert_int_not_equal(k.group, getpgrp());
    assert_int_not_equal(k.group, z.group);
    word_set(&w[1], 1);
    assert_int_equal(yk_await(f), 0);
    yk_future_unref(f);
    assert_int_equal(proc_zygote(), zygote);
    assert_int_equal(pid_of_worker(b, ex), worker);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_P40_P41_interrupts_are_for_the_parent(void **state)
{
    (void)state;
    on_processes(interrupted);
}

/* ---- P43, P44: who reaps --------------------------------------------------------------------- */

static void crash_and_go_on(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 20);
    yk_future *f = backend_submit(b, ex, job__exit_99, NULL, 0);
    assert_int_equal(yk_await(f), YK_ECRASHED);
    yk_future_unref(f);
    f = backend_submit_opts(b, ex, job_spin, NULL, 0, (yk_job_options){ .timeout_ms = 20 });
    assert_int_equal(yk_await(f), YK_EJOBTIMEOUT);
    yk_future_unref(f);
    assert_works(b, ex);
    backend_close(ex);
}

static void child_ignored(const backend *b)
{
    signal(SIGCHLD, SIG_IGN);
    crash_and_go_on(b);
    signal(SIGCHLD, SIG_DFL);
    struct sigaction no_wait = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };
    sigaction(SIGCHLD, &no_wait, NULL);
    crash_and_go_on(b);
    signal(SIGCHLD, SIG_DFL);
}

static void test_P44_the_program_ignores_its_children(void **state)
{
    (void)state;
    on_processes(child_ignored);
}

static void *reap_everything(void *arg)
{
    word *stop = arg;
    while (!word_get(stop)) {
        waitpid(-1, NULL, WNOHANG);
        support_pause();
    }
    return NULL;
}

static void reaped_by_others(const backend *b)
{
    word stop = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, reap_everything, &stop), 0);
    crash_and_go_on(b);
    kill_the_zygote();
    crash_and_go_on(b);
    atomic_store(&stop, 1);
    pthread_join(thread, NULL);
}

static void test_P44_somebody_else_reaps_everything(void **state)
{
    (void)state;
    on_processes(reaped_by_others);
}

/* ---- Last of all: nobody is left to fork workers --------------------------------------------- */

static void no_zygote_left(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f[5];
    for (int i = 0; i < 5; i++)
        f[i] = square(b, ex, i);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(yk_await(f[i]), YK_ENOWORKER);
        yk_future_unref(f[i]);
    }
    backend_close(ex);
}

static void test_P26_without_a_zygote_and_a_standby_jobs_fail(void **state)
{
    (void)state;
    proc_entry e[256];
    size_t n = proc_descendants(getpid(), e, 256);
    for (size_t i = 0; i < n; i++)
        if (strcmp(e[i].name, "yoke-zygote") == 0)
            kill(e[i].pid, SIGKILL);
    yk_executor *ex = yk_process_pool(.workers = 1);
    yk_future *f = yk_submit(ex, job_nothing, NULL, 0);
    assert_int_equal(yk_await(f), YK_ENOWORKER);
    yk_future_unref(f);
    backend_close(ex);
    support_take_baseline(); /* the socket to the zygote has been closed */
    on_processes(no_zygote_left);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_P38_the_thread_that_made_the_pool_ends),
        TEST(test_P39_the_zygote_is_killed_again_and_again),
        TEST(test_P39_the_zygote_is_killed_while_nothing_runs),
        TEST(test_P39_the_zygote_is_killed_while_workers_start),
        TEST(test_P40_P41_interrupts_are_for_the_parent),
        TEST(test_P44_the_program_ignores_its_children),
        TEST(test_P44_somebody_else_reaps_everything),
        TEST(test_P26_without_a_zygote_and_a_standby_jobs_fail), /* must come last */
    };
    if (!support_has_pidfds()) {
        printf("skipped: there are no pidfds here\n");
        return 0;
    }
    return RUN_TESTS("faults_zygote", tests);
}
