/* The process that a job finds itself in: its standard streams, its descriptors. */
#include "faults.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

/* ---- P34, P07, P32: standard streams --------------------------------------------------------- */

static int job_prints(yk_job *job)
{
    (void)job;
    printf("<job>");
    return 0;
}

/* Replaces standard output by a file for a while; returns what was written to it. */
static void captured(void (*body)(const backend *b), const backend *b, char *text, size_t size)
{
    fflush(stdout);
    int saved = dup(1), file = memfd_create("captured", MFD_CLOEXEC);
    assert_true(saved >= 0 && file >= 0);
    dup2(file, 1);
    body(b);
    fflush(stdout);
    dup2(saved, 1);
    close(saved);
    ssize_t n = pread(file, text, size - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    close(file);
}

static void prints_and_crashes(const backend *b)
{
    printf("<parent>"); /* stays in the buffer while workers come and go */
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_job_fn fns[] = { job_prints, job_exit_0, job_prints, job_exit_1, job_abort, job_nothing };
    for (size_t i = 0; i < COUNT_OF(fns); i++) {
        yk_future *f = backend_submit(b, ex, fns[i], NULL, 0);
        yk_await(f);
        yk_future_unref(f);
    }
    backend_close(ex);
}

/* Workers keep the standard output that the zygote was started with, so what they print does not
 * come here; what matters is that the parent's own comes once. */
static void prints_once(const backend *b)
{
    char text[256];
    captured(prints_and_crashes, b, text, sizeof text);
    assert_string_equal(text, "<parent>");
}

static void test_P34_P07_the_parents_output_is_not_duplicated(void **state)
{
    (void)state;
    on_processes(prints_once);
}

static int job_reads_stdin(yk_job *job)
{
    char c;
    int n = (int)read(0, &c, 1);
    return yk_job_return(job, &n, sizeof n);
}

static void stdin_is_empty(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *f = backend_submit(b, ex, job_reads_stdin, NULL, 0);
    int n = -1;
    assert_int_equal(yk_await_into(f, &n, sizeof n), 0);
    assert_int_equal(n, 0);
    yk_future_unref(f);
    backend_close(ex);
}

static void test_P32_a_worker_has_an_empty_standard_input(void **state)
{
    (void)state;
    on_processes(stdin_is_empty);
}

/* ---- P48: descriptors of a worker ------------------------------------------------------------ */

static int job_lists_fds(yk_job *job)
{
    char text[4096] = "";
    size_t used = 0;
    for (int fd = 0; fd < 1024; fd++) {
        char path[64], link[200];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, link, sizeof link - 1);
        if (n < 0)
            continue;
        link[n] = '\0';
        used += (size_t)snprintf(text + used, sizeof text - used, "%d:%s\n", fd, link);
        if (used >= sizeof text)
            return UV_ENOBUFS;
    }
    return yk_job_return(job, text, used + 1);
}

static void has_only_its_own(const backend *b)
{
    int mine[2];
    assert_int_equal(pipe(mine), 0); /* without close-on-exec, as careless programs do */
    yk_executor *other = yk_process_pool(.workers = 2);
    yk_executor *ex = OPEN(b, .workers = 2);
    assert_works(b, ex);
    yk_future *o = yk_submit(other, job_nothing, NULL, 0);
    yk_await(o);
    yk_future_unref(o);
    yk_future *f = backend_submit(b, ex, job_lists_fds, NULL, 0);
    assert_int_equal(yk_await(f), 0);
    const char *text = yk_future_result(f, NULL);
    int lines = 0;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    if (lines != 5 || strstr(text, "socket") || strstr(text, "epoll") || strstr(text, "memfd"))
        fail_msg("a worker has\n%s", text);
    assert_non_null(strstr(text, "0:/dev/null\n"));
    assert_non_null(strstr(text, "eventfd"));
    yk_future_unref(f);
    backend_close(ex);
    backend_close(other);
    close(mine[0]);
    close(mine[1]);
}

static void test_P48_a_worker_has_no_descriptor_too_many(void **state)
{
    (void)state;
    on_processes(has_only_its_own);
}

/* ---- P30: the wake-up is full ---------------------------------------------------------------- */

/* Fills the counter that wakes the parent, the one eventfd that a worker has. */
static int job_fills_the_wake_up(yk_job *job)
{
    for (int fd = 3; fd < 64; fd++) {
        char path[64], link[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, link, sizeof link - 1);
        link[n > 0 ? n : 0] = '\0';
        uint64_t most = UINT64_MAX - 1;
        if (strstr(link, "eventfd") && write(fd, &most, sizeof most) < 0 && errno != EAGAIN)
            return UV_EIO;
    }
    return job_square(job);
}

static void wake_up_is_full(const backend *b)
{
    enum { N = 200 };
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f[N];
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < N; i++)
            f[i] = backend_submit(b, ex, job_fills_the_wake_up, &i, sizeof i);
        for (int i = 0; i < N; i++) {
            int out = -1;
            assert_int_equal(yk_await_into(f[i], &out, sizeof out), 0);
            assert_int_equal(out, i * i);
            yk_future_unref(f[i]);
        }
    }
    backend_close(ex);
}

static void test_P30_the_wake_up_of_the_parent_is_full(void **state)
{
    (void)state;
    on_processes(wake_up_is_full);
}

/* ---- P47: a library that keeps threads ------------------------------------------------------- */

/* As OpenMP's runtime and many a BLAS: threads are made at the first use, and kept. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    unsigned round, busy;
    pthread_t threads[4];
    bool made, leave;
    uint64_t sum;
} lib = { .lock = PTHREAD_MUTEX_INITIALIZER,
          .work = PTHREAD_COND_INITIALIZER,
          .done = PTHREAD_COND_INITIALIZER };

static void *lib_thread(void *arg)
{
    unsigned seen = 0;
    pthread_mutex_lock(&lib.lock);
    while (!lib.leave) {
        if (lib.round == seen) {
            pthread_cond_wait(&lib.work, &lib.lock);
            continue;
        }
        seen = lib.round;
        lib.sum += (uintptr_t)arg;
        if (--lib.busy == 0)
            pthread_cond_signal(&lib.done);
    }
    pthread_mutex_unlock(&lib.lock);
    return NULL;
}

/* 10, by the threads' joint effort; 0: there are none. */
static uint64_t lib_sum(void)
{
    uint64_t sum = 0;
    pthread_mutex_lock(&lib.lock);
    for (uintptr_t i = 0; !lib.made && i < COUNT_OF(lib.threads); i++)
        if (pthread_create(&lib.threads[i], NULL, lib_thread, (void *)(i + 1))) /* NOLINT */
            abort();
    lib.made = true;
    lib.sum = 0;
    lib.busy = COUNT_OF(lib.threads);
    lib.round++;
    pthread_cond_broadcast(&lib.work);
    while (lib.busy)
        pthread_cond_wait(&lib.done, &lib.lock);
    sum = lib.sum;
    pthread_mutex_unlock(&lib.lock);
    return sum;
}

static void lib_leave(void)
{
    pthread_mutex_lock(&lib.lock);
    lib.leave = true;
    pthread_cond_broadcast(&lib.work);
    pthread_mutex_unlock(&lib.lock);
    for (size_t i = 0; i < COUNT_OF(lib.threads); i++)
        pthread_join(lib.threads[i], NULL);
    lib.made = lib.leave = false;
}

/* OpenMP itself, where the compiler has it. */
static uint64_t openmp_sum(void)
{
    uint64_t sum = 0;
#ifdef _OPENMP
#pragma omp parallel for reduction(+ : sum) num_threads(4)
#endif
    for (unsigned i = 0; i < 1000; i++)
        sum += i;
    return sum;
}

static int job_uses_libraries(yk_job *job)
{
    uint64_t sum = lib_sum() * 1000000 + openmp_sum();
    return yk_job_return(job, &sum, sizeof sum);
}

static void libraries(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f[20];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 20; i++)
            f[i] = backend_submit(b, ex, job_uses_libraries, NULL, 0);
        assert_int_equal(lib_sum(), 10); /* and here meanwhile */
        assert_int_equal(openmp_sum(), 499500);
        for (int i = 0; i < 20; i++) {
            uint64_t sum = 0;
            assert_int_equal(yk_await_into(f[i], &sum, sizeof sum), 0);
            assert_int_equal(sum, 10499500);
            yk_future_unref(f[i]);
        }
    }
    backend_close(ex);
}

static void test_P47_threads_that_libraries_keep(void **state)
{
    (void)state;
    lib_sum();
    openmp_sum();
    support_take_baseline(); /* with their threads */
    on_processes(libraries);
    lib_leave();
    support_take_baseline();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_P34_P07_the_parents_output_is_not_duplicated),
        TEST(test_P32_a_worker_has_an_empty_standard_input),
        TEST(test_P30_the_wake_up_of_the_parent_is_full),
        TEST(test_P47_threads_that_libraries_keep),
        TEST(test_P48_a_worker_has_no_descriptor_too_many),
    };
    return RUN_TESTS("faults_world", tests);
}
