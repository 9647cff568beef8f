/* Workers come from a process that other threads cannot harm: P45, P46. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "support/backends.h"
#include "support/noise.h"
#include "support/proc.h"

enum { WORKERS = 100, THREADS = 64 };

/* In the arena: how many jobs have begun, and how many there are. */
struct muster {
    _Atomic unsigned come, all;
};

/* Does all that takes locks, and returns when every worker has come so far: so there are so many.
 */
static int job_muster(yk_job *job)
{
    struct muster *m;
    memcpy(&m, yk_job_arg(job), sizeof m);
    if (noise_once(yk_job_worker(job)))
        return yk_job_fail(job, UV_EIO, "something of the system's does not work");
    unsigned come = atomic_fetch_add(&m->come, 1) + 1;
    struct timespec moment = { 0, 20000000 };
    for (; come < atomic_load(&m->all); come = atomic_load(&m->come)) {
        if (yk_job_cancelled(job))
            return YK_ECANCELED;
        nanosleep(&moment, NULL);
    }
    return 0;
}

static void all_workers_come(unsigned workers)
{
    struct muster *m = yk_arena_alloc(sizeof *m);
    assert_non_null(m);
    *m = (struct muster){ .all = workers };
    yk_executor *ex = yk_process_pool(.workers = (int)workers);
    assert_null(yk_executor_error(ex));
    yk_future *f[WORKERS];
    for (unsigned i = 0; i < workers; i++)
        f[i] = yk_submit(ex, job_muster, &m, sizeof m);
    for (unsigned i = 0; i < workers; i++) {
        int err = yk_await(f[i]);
        if (err)
            fail_msg("%s", yk_future_error(f[i])->message);
        yk_future_unref(f[i]);
    }
    assert_int_equal(yk_executor_close(ex), 0);
    yk_arena_free(m);
}

static void test_P45_workers_start_beside_threads_in_malloc_and_much_memory(void **state)
{
    (void)state;
    size_t memory = ((size_t)256 << 20) / support_slowness();
    noise *n = noise_begin((unsigned)support_rounds(THREADS), memory);
    assert_non_null(n);
    all_workers_come((unsigned)support_rounds(WORKERS));
    noise_end(n);
}

/* A thread that never gives its locks back: what is forked from here finds them locked. */
struct holder {
    _Atomic int at; /* 1: it holds them; 2: it may go */
    pthread_t thread;
};

static void *hold_locks(void *arg)
{
    struct holder *h = arg;
    flockfile(stdout);
    flockfile(stderr);
    atomic_store(&h->at, 1);
    while (atomic_load(&h->at) != 2)
        poll(NULL, 0, 1);
    funlockfile(stderr);
    funlockfile(stdout);
    return NULL;
}

static int job_print(yk_job *job)
{
    (void)job;
    flockfile(stdout);
    flockfile(stderr);
    int n = fprintf(stdout, "%s", "");
    funlockfile(stderr);
    funlockfile(stdout);
    return n < 0 ? UV_EIO : noise_once(1);
}

static void test_P46_workers_start_while_threads_hold_the_locks_of_the_library(void **state)
{
    (void)state;
    struct holder h = { 0 };
    noise *n = noise_begin((unsigned)support_rounds(10), 4096);
    assert_non_null(n);
    assert_int_equal(pthread_create(&h.thread, NULL, hold_locks, &h), 0);
    while (atomic_load(&h.at) != 1)
        support_pause();
    yk_executor *ex = yk_process_pool(.workers = 4);
    yk_future *f[20];
    for (int i = 0; i < 20; i++)
        f[i] = yk_submit(ex, job_print, NULL, 0);
    int err = yk_await_all(f, 20, YK_FOREVER);
    atomic_store(&h.at, 2);
    pthread_join(h.thread, NULL);
    noise_end(n);
    for (int i = 0; i < 20; i++)
        yk_future_unref(f[i]);
    assert_int_equal(yk_executor_close(ex), 0);
    assert_int_equal(err, 0);
}

/* ---- A library that closes its descriptors in what is forked -------------------------------- */

static void serves(yk_executor *ex)
{
    yk_future *f = yk_submit(ex, job_print, NULL, 0);
    assert_int_equal(yk_await(f), 0);
    yk_future_unref(f);
}

/* main() has used libuv before yk_init(): in each child it closes what it takes for its own pipe.
 */
static void test_libuv_before_yk_init_takes_no_descriptor_from_a_worker(void **state)
{
    (void)state;
    yk_executor *ex = yk_process_pool(.workers = 1);
    serves(ex);
    pid_t zygote = proc_zygote();
    assert_true(zygote > 0);
    kill(zygote, SIGKILL); /* the standby has heard of the loop, too */
    yk_future *f = yk_submit(ex, job_print, NULL, 0);
    yk_await(f);
    yk_future_unref(f);
    assert_int_equal(yk_executor_close(ex), 0);
    ex = yk_process_pool(.workers = 2);
    serves(ex);
    assert_int_equal(yk_executor_close(ex), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_P45_workers_start_beside_threads_in_malloc_and_much_memory),
        TEST(test_P46_workers_start_while_threads_hold_the_locks_of_the_library),
        TEST(test_libuv_before_yk_init_takes_no_descriptor_from_a_worker),
    };
    uv_loop_t loop;
    if (uv_loop_init(&loop) || uv_loop_close(&loop))
        return 1;
    return RUN_TESTS("fork", tests);
}
