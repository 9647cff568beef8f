/* The trace of a run: valid JSON, with what happened in it, also of a program that crashes. */
#include "support/backends.h"
#include "support/json.h"
#include "support/proc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "executor/init.h"
#include "executor/trace.h"

/* ---- Reading a trace ------------------------------------------------------------------------ */

static char *read_all(int fd)
{
    size_t size = 1 << 16, len = 0;
    char *text = malloc(size);
    for (;;) {
        assert_non_null(text);
        ssize_t n = read(fd, text + len, size - len - 1);
        assert_true(n >= 0);
        if (n == 0)
            break;
        len += (size_t)n;
        if (len + 1 == size)
            text = realloc(text, size *= 2);
    }
    text[len] = '\0';
    return text;
}

/* Calls fn for each event: a line between the brackets, without its comma. Every line must be valid
 * by itself: that is what is left of a file without its end. */
static void each_event(const char *text, void (*fn)(const char *event, void *arg), void *arg)
{
    assert_memory_equal(text, "[\n", 2);
    char *copy = strdup(text + 2), *rest = copy;
    for (char *line; (line = strsep(&rest, "\n")) && rest;) {
        size_t len = strlen(line);
        if (strcmp(line, "]") == 0)
            break;
        if (line[len - 1] == ',')
            line[len - 1] = '\0';
        if (line[0] != '{' || !json_valid(line))
            fail_msg("not an event: %s", line);
        fn(line, arg);
    }
    free(copy);
}

static bool has(const char *event, const char *member, const char *value)
{
    char found[256];
    return json_member(event, member, found, sizeof found) && strcmp(found, value) == 0;
}

static double number(const char *event, const char *member)
{
    char found[64];
    return json_member(event, member, found, sizeof found) ? strtod(found, NULL) : -1;
}

/* What is wanted of an event; NULL: anything. */
struct wanted {
    const char *name, *phase, *outcome;
    size_t found;
    double tid, last;
};

static void count_wanted(const char *event, void *arg)
{
    struct wanted *w = arg;
    if (!has(event, "name", w->name) || (w->phase && !has(event, "ph", w->phase)) ||
        (w->outcome && !has(event, "outcome", w->outcome)))
        return;
    w->found++;
    w->tid = number(event, "tid");
    w->last = number(event, "ts");
}

static struct wanted find(const char *text, const char *name, const char *phase,
                          const char *outcome)
{
    struct wanted w = { name, phase, outcome, 0, 0, 0 };
    each_event(text, count_wanted, &w);
    return w;
}

#define assert_found(n, ...) assert_int_equal(find(__VA_ARGS__).found, n)

/* ---- What is in it -------------------------------------------------------------------------- */

static char *stop_and_read(int fd)
{
    assert_int_equal(yk_trace_stop(), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    char *text = read_all(fd);
    assert_true(json_valid(text));
    return text;
}

static yk_future *submit(const backend *b, yk_executor *ex, const char *name, yk_job_fn fn,
                         const void *arg, size_t len)
{
    return backend_submit_opts(b, ex, fn, arg, len, (yk_job_options){ .name = name });
}

static void is_named(const char *text, double tid, const char *name)
{
    struct wanted w = find(text, "thread_name", "M", NULL);
    assert_true(w.found > 0);
    char line[128];
    snprintf(line, sizeof line, "\"tid\":%.0f,\"args\":{\"name\":\"%s\"}}", tid, name);
    assert_non_null(strstr(text, line));
}

static void jobs_are_in_it(const backend *b)
{
    int fd = memfd_create("trace", MFD_CLOEXEC);
    assert_int_equal(yk_trace_start_fd(fd), 0);
    assert_int_equal(yk_trace_start("/nowhere"), UV_EALREADY);
    yk_executor *ex = OPEN(b, .workers = 1, .name = "e\"x", .kill_grace_ms = 30000);
    word *w = words_new(2);
    block arg = { .begun = &w[0], .go = &w[1] };
    yk_future *runs = submit(b, ex, "re\"size\n\xff", job_block, &arg, sizeof arg);
    yk_future *dropped = submit(b, ex, "never", job_nothing, NULL, 0);
    yk_future *fails = submit(b, ex, "fails", job_fail, NULL, 0);
    eventually(word_get(&w[0]) == 1);
    yk_future_cancel(dropped);
    eventually(yk_future_ended(dropped));
    word_set(&w[1], 1);
    assert_int_equal(yk_await(runs), 0);
    assert_int_equal(yk_await(fails), UV_EINVAL);
    backend_close(ex);
    char *text = stop_and_read(fd);

    static const char resize[] = "re\\\"size\\n?";
    struct wanted begin = find(text, resize, "B", NULL), end = find(text, resize, "E", "done");
    assert_int_equal(begin.found, 1);
    assert_int_equal(end.found, 1);
    assert_true(end.tid == begin.tid && end.last >= begin.last);
    assert_true(find(text, resize, "e", NULL).last == begin.last);
    assert_true(find(text, resize, "b", NULL).last <= begin.last);
    is_named(text, begin.tid, "e\\\"x-0");
    assert_found(1, text, "fails", "E", "EINVAL");
    assert_found(0, text, "never", "B", NULL);
    assert_found(1, text, "never", "b", NULL);
    assert_found(1, text, "never", "e", "cancelled");
    assert_found(1, text, "worker started", "i", NULL);
    assert_found(1, text, "worker left", "i", NULL);
    assert_true(number(strstr(text, "end of the trace"), "dropped") == 0);
    assert_int_equal(yk_trace_dropped(), 0);
    free(text);
    close(fd);
    yk_future_unref(runs);
    yk_future_unref(dropped);
    yk_future_unref(fails);
    yk_arena_free(w);
}

static void test_trace_holds_what_happened_to_jobs(void **state)
{
    (void)state;
    on_every_backend(jobs_are_in_it);
}

static void ends_are_in_it(const backend *b)
{
    int fd = memfd_create("trace", MFD_CLOEXEC);
    assert_int_equal(yk_trace_start_fd(fd), 0);
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 20);
    word *w = words_new(1);
    yk_future *f[3] = { submit(b, ex, "crash", job_kill_self, NULL, 0),
                        backend_submit_opts(b, ex, job_spin, NULL, 0,
                                            (yk_job_options){ .name = "slow", .timeout_ms = 1 }),
                        submit(b, ex, "unwanted", job_ignore_term, &w, sizeof w) };
    eventually(word_get(w) == 1);
    yk_future_cancel(f[2]);
    assert_int_equal(yk_await(f[0]), YK_ECRASHED);
    assert_int_equal(yk_await(f[1]), YK_EJOBTIMEOUT);
    assert_int_equal(yk_await(f[2]), YK_ECANCELED);
    backend_close(ex);
    char *text = stop_and_read(fd);
    assert_found(1, text, "crash", "E", "YK_ECRASHED");
    assert_found(1, text, "worker died", "i", NULL);
    assert_found(1, text, "slow", "E", "YK_EJOBTIMEOUT");
    assert_found(1, text, "time limit passed", "i", NULL);
    assert_found(1, text, "unwanted", "E", "cancelled");
    assert_found(1, text, "cancel", "i", NULL);
    assert_true(find(text, "signal", "i", NULL).found >= 3); /* TERM; TERM and KILL */
    assert_found(2, text, "worker killed", "i", NULL);
    free(text);
    close(fd);
    for (int i = 0; i < 3; i++)
        yk_future_unref(f[i]);
    yk_arena_free(w);
}

static void test_trace_holds_the_ends_of_workers(void **state)
{
    (void)state;
    on_processes(ends_are_in_it);
}

/* A job has its end in it when its thread is written off, and not a second one when it returns. */
static void stuck_threads_are_in_it(const backend *b)
{
    if (b->processes)
        return;
    int fd = memfd_create("trace", MFD_CLOEXEC);
    assert_int_equal(yk_trace_start_fd(fd), 0);
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 5);
    word *w = words_new(2);
    block arg = { .begun = &w[0], .go = &w[1], .deaf = true };
    yk_future *f[2];
    for (uint32_t i = 0; i < 2; i++) {
        f[i] = backend_submit_opts(
            b, ex, job_block, &arg, sizeof arg,
            (yk_job_options){ .name = i ? "slow" : "unwanted", .timeout_ms = i ? 1 : 0 });
        eventually(word_get(&w[0]) == i + 1);
        if (i == 0)
            yk_future_cancel(f[0]);
        assert_int_equal(yk_await(f[i]), i ? YK_EJOBTIMEOUT : YK_ECANCELED);
    }
    word_set(&w[1], 1);
    eventually(stats_of(ex).stuck == 0);
    assert_int_equal(stats_of(ex).run.count, 2);
    backend_close(ex);
    char *text = stop_and_read(fd);
    assert_found(1, text, "unwanted", "E", "cancelled");
    assert_found(1, text, "slow", "E", "YK_EJOBTIMEOUT");
    assert_found(1, text, "unwanted", "E", NULL);
    assert_found(1, text, "slow", "E", NULL);
    assert_found(1, text, "time limit passed", "i", NULL);
    assert_found(2, text, "written off", "i", NULL);
    free(text);
    close(fd);
    for (int i = 0; i < 2; i++)
        yk_future_unref(f[i]);
    yk_arena_free(w);
}

static void test_trace_holds_jobs_whose_threads_were_written_off(void **state)
{
    (void)state;
    on_every_backend(stuck_threads_are_in_it);
}

/* ---- Start and stop ------------------------------------------------------------------------- */

static void run_some(yk_executor *ex, const char *name, size_t n)
{
    yk_future *f[64];
    for (size_t i = 0; i < n;) {
        size_t k = 0;
        for (; k < COUNT_OF(f) && i < n; k++, i++)
            f[k] = yk_submit_with(ex, job_nothing, NULL, 0, .name = name);
        while (k-- > 0) {
            yk_await(f[k]);
            yk_future_unref(f[k]);
        }
    }
}

static void test_trace_starts_and_stops_again(void **state)
{
    (void)state;
    assert_int_equal(yk_trace_stop(), UV_EINVAL);
    assert_int_equal(yk_trace_start(NULL), UV_EINVAL);
    assert_int_equal(yk_trace_start_fd(-1), UV_EBADF);
    assert_int_equal(yk_trace_start("/nowhere/at/all"), UV_ENOENT);
    char path[] = "/tmp/yoke-trace-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    yk_executor *ex = yk_thread_pool(.workers = 2);
    for (int round = 0; round < 3; round++) {
        run_some(ex, "outside", 20);
        word go = 0;
        yk_future *before =
            yk_submit_with(ex, job_block, &(block){ .go = &go }, sizeof(block), .name = "outside");
        assert_int_equal(yk_trace_start(path), 0);
        word_set(&go, 1);
        assert_int_equal(yk_await(before), 0);
        yk_future_unref(before);
        run_some(ex, "inside", 20);
        assert_int_equal(yk_trace_stop(), 0);
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        char *text = read_all(fd);
        assert_true(json_valid(text));
        assert_found(0, text, "outside", NULL, NULL);
        assert_found(20, text, "inside", "E", "done");
        free(text);
    }
    assert_int_equal(yk_executor_close(ex), 0);
    unlink(path);
    close(fd);
}

static void test_trace_reports_that_it_could_not_be_written(void **state)
{
    (void)state;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(yk_trace_start_fd(full), UV_ENOSPC);
    close(full);
    int pipe_fds[2];
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    assert_int_equal(yk_trace_start_fd(pipe_fds[1]), 0);
    close(pipe_fds[0]);
    assert_int_equal(yk_trace_stop(), UV_EPIPE);
    signal(SIGPIPE, before);
    close(pipe_fds[1]);
}

struct reader {
    int fd;
    char *text;
};

static void *read_pipe(void *arg)
{
    struct reader *r = arg;
    r->text = read_all(r->fd);
    return NULL;
}

static void test_trace_drops_what_nobody_writes_and_counts_it(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(yk_trace_start_fd(fds[1]), 0);
    yk_executor *ex = yk_thread_pool(.workers = 2);
    for (size_t rounds = 0; yk_trace_dropped() == 0; rounds++) {
        assert_true(rounds < 1000);
        run_some(ex, NULL, 1000); /* nobody reads the pipe; no job waits for that */
    }
    struct reader r = { fds[0], NULL };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_pipe, &r), 0);
    assert_int_equal(yk_executor_close(ex), 0);
    assert_int_equal(yk_trace_stop(), 0);
    close(fds[1]);
    pthread_join(thread, NULL);
    close(fds[0]);
    assert_true(json_valid(r.text));
    const char *end = strstr(r.text, "end of the trace");
    assert_non_null(end);
    assert_true(number(end, "dropped") == (double)yk_trace_dropped());
    assert_true(find(r.text, "job", "B", NULL).found > 10000);
    free(r.text);
}

struct churn {
    yk_executor *ex;
    _Atomic bool stop;
};

static void *keep_submitting(void *arg)
{
    struct churn *c = arg;
    while (!atomic_load(&c->stop))
        run_some(c->ex, "churn", 100);
    return NULL;
}

static void test_trace_starts_and_stops_while_jobs_run(void **state)
{
    (void)state;
    struct churn c = { .ex = yk_thread_pool(.workers = 2) };
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_submitting, &c), 0);
    for (size_t round = 0; round < 1 + support_rounds(20); round++) {
        int fd = memfd_create("trace", MFD_CLOEXEC);
        assert_int_equal(yk_trace_start_fd(fd), 0);
        support_pause();
        char *text = stop_and_read(fd);
        each_event(text, count_wanted, &(struct wanted){ .name = "churn" });
        free(text);
        close(fd);
    }
    atomic_store(&c.stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(yk_executor_close(c.ex), 0);
}

/* ---- YOKE_TRACE ----------------------------------------------------------------------------- */

/* This program once more: jobs on two pools; then it exits, or crashes while a job runs. */
static int child(const char *how)
{
    if (yk_init())
        return 2;
    yk_executor *threads = yk_thread_pool(.workers = 1, .name = "threads");
    yk_executor *processes = yk_process_pool(.workers = 1, .name = "procs");
    run_some(threads, "on a thread", 3);
    run_some(processes, "in a process", 3);
    if (strcmp(how, "crash") == 0) {
        yk_future *f = yk_submit_with(threads, job_block, &(block){ 0 }, sizeof(block),
                                      .name = "open at the crash");
        while (yk_future_state(f) != YK_RUNNING)
            support_pause();
        uint64_t written = yk_after_ms(1000ull * support_slowness());
        while (yk_now() < written) /* the trace is written every 20 ms, by another thread */
            support_pause();
        raise(SIGKILL);
    }
    yk_executor_close(threads);
    yk_executor_close(processes);
    return 0;
}

static char *trace_of_child(const char *how, int *status)
{
    char path[] = "/tmp/yoke-trace-XXXXXX";
    const char *self = support_self();
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    setenv("YOKE_TRACE", path, 1);
    pid_t pid = fork();
    if (pid == 0) {
        execl(self, "test_executor_trace", "child", how, NULL);
        _exit(127);
    }
    unsetenv("YOKE_TRACE");
    assert_int_equal(waitpid(pid, status, 0), pid);
    char *text = read_all(fd);
    unlink(path);
    close(fd);
    return text;
}

static void test_trace_is_asked_for_by_the_environment(void **state)
{
    (void)state;
    int status;
    char *text = trace_of_child("exit", &status);
    assert_int_equal(status, 0);
    assert_true(json_valid(text));
    assert_found(3, text, "on a thread", "E", "done");
    assert_found(3, text, "in a process", "E", "done");
    assert_found(1, text, "end of the trace", "i", NULL);
    free(text);
}

static void test_trace_of_a_program_that_crashes_is_readable(void **state)
{
    (void)state;
    int status;
    char *text = trace_of_child("crash", &status);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_found(3, text, "on a thread", "E", "done");
    assert_found(3, text, "in a process", "E", "done");
    assert_found(1, text, "open at the crash", "B", NULL);
    assert_found(0, text, "open at the crash", "E", NULL);
    free(text);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "child") == 0)
        return child(argv[2]);
    static const struct CMUnitTest tests[] = {
        TEST(test_trace_holds_what_happened_to_jobs),
        TEST(test_trace_holds_the_ends_of_workers),
        TEST(test_trace_holds_jobs_whose_threads_were_written_off),
        TEST(test_trace_starts_and_stops_again),
        TEST(test_trace_reports_that_it_could_not_be_written),
        TEST(test_trace_drops_what_nobody_writes_and_counts_it),
        TEST(test_trace_starts_and_stops_while_jobs_run),
        TEST(test_trace_is_asked_for_by_the_environment),
        TEST(test_trace_of_a_program_that_crashes_is_readable),
    };
    return RUN_TESTS("trace", tests);
}
