/* The process that a job finds itself in: its standard streams, its descriptors. */
#include "faults.h"

#include <stdio.h>
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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_P34_P07_the_parents_output_is_not_duplicated),
        TEST(test_P32_a_worker_has_an_empty_standard_input),
        TEST(test_P48_a_worker_has_no_descriptor_too_many),
    };
    return RUN_TESTS("faults_world", tests);
}
