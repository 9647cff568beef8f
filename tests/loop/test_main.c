/* yk_main from outside: exit statuses, signals, and the crash of a task that used up its stack. */
#include "common.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static const char *program;

struct run {
    pid_t pid;
    int out; /* the read end of its stdout and stderr */
    char text[4096];
    size_t len;
};

static void start_ignoring(struct run *r, const char *mode, const char *arg, int ignored_signal)
{
    int ends[2];
    *r = (struct run){ 0 };
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    r->pid = fork();
    if (r->pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        signal(SIGINT, SIG_DFL);
        if (ignored_signal)
            signal(ignored_signal, SIG_IGN);
        execl(program, program, mode, arg, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    r->out = ends[0];
}

static void start(struct run *r, const char *mode, const char *arg)
{
    start_ignoring(r, mode, arg, 0);
}

static bool read_more(struct run *r)
{
    ssize_t n = read(r->out, r->text + r->len, sizeof r->text - 1 - r->len);
    if (n <= 0)
        return false;
    r->len += (size_t)n;
    r->text[r->len] = 0;
    return true;
}

static void await_text(struct run *r, const char *text)
{
    while (!strstr(r->text, text))
        assert_true(read_more(r));
}

/* Reads to the end, and returns what waitpid says. */
static int end(struct run *r)
{
    while (read_more(r))
        ;
    close(r->out);
    int status;
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    return status;
}

static void assert_exit(struct run *r, int expected)
{
    int status = end(r);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
}

static void assert_killed(struct run *r, int sig)
{
    int status = end(r);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), sig);
}

static void test_the_exit_status_is_what_the_task_returns(void **state)
{
    (void)state;
    static const struct {
        const char *returned;
        int status;
    } cases[] = { { "0", 0 }, { "1", 1 }, { "7", 7 }, { "255", 255 }, { "256", 255 }, { "-2", 1 } };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct run r;
        start(&r, "returns", cases[i].returned);
        assert_exit(&r, cases[i].status);
    }
}

static void test_A22_a_signal_cancels_the_main_task(void **state)
{
    (void)state;
    static const int signals[] = { SIGINT, SIGTERM };
    for (int i = 0; i < 2; i++) {
        struct run r;
        start(&r, "waits", NULL);
        await_text(&r, "ready");
        kill(r.pid, signals[i]);
        assert_exit(&r, 128 + signals[i]);
        assert_non_null(strstr(r.text, "\ncancelled"));
    }
}

static void test_A22_a_task_that_catches_it_decides_the_status(void **state)
{
    (void)state;
    struct run r;
    start(&r, "catches", NULL);
    await_text(&r, "ready");
    kill(r.pid, SIGINT);
    assert_exit(&r, 5);
}

static void test_A22_the_second_signal_ends_the_program_at_once(void **state)
{
    (void)state;
    struct run r;
    start(&r, "computes", NULL); /* even one whose loop does not run */
    await_text(&r, "ready");
    kill(r.pid, SIGINT);
    kill(r.pid, SIGTERM);
    kill(r.pid, SIGINT);
    int status = end(&r);
    assert_true(WIFSIGNALED(status));
    assert_true(WTERMSIG(status) == SIGINT || WTERMSIG(status) == SIGTERM);
}

static void test_A22_a_signal_that_the_program_opened_is_its_own(void **state)
{
    (void)state;
    struct run r;
    start(&r, "takes", NULL);
    await_text(&r, "open");
    kill(r.pid, SIGINT);
    await_text(&r, "once");
    kill(r.pid, SIGINT);
    await_text(&r, "ready"); /* it has closed it */
    kill(r.pid, SIGINT);
    assert_exit(&r, 128 + SIGINT);
    assert_non_null(strstr(r.text, "\ncancelled"));
}

static void test_an_ignored_signal_stays_ignored(void **state)
{
    (void)state;
    struct run r;
    start_ignoring(&r, "waits", NULL, SIGINT);
    await_text(&r, "ready");
    kill(r.pid, SIGINT);
    kill(r.pid, SIGINT);
    kill(r.pid, SIGTERM);
    assert_exit(&r, 128 + SIGTERM);
}

static void test_cancelled_without_a_signal_is_an_error_like_others(void **state)
{
    (void)state;
    struct run r;
    start(&r, "cancels-itself", NULL);
    assert_exit(&r, 1);
}

static void test_tasks_that_are_left_are_cancelled(void **state)
{
    (void)state;
    struct run r;
    start(&r, "leaves", NULL);
    assert_exit(&r, 4);
    assert_non_null(strstr(r.text, "leftover cancelled"));
}

static void test_A25_a_guard_hit_gives_a_named_crash(void **state)
{
    (void)state;
    struct run r;
    start(&r, "overflows", NULL);
    assert_killed(&r, SIGSEGV);
    assert_non_null(strstr(r.text, "yoke: stack overflow in task 'deep one'\n"));
}

static void test_other_crashes_are_left_to_whom_they_belong(void **state)
{
    (void)state;
    struct run r;
    start(&r, "crashes", NULL);
    assert_killed(&r, SIGSEGV);
    assert_null(strstr(r.text, "yoke"));
    start(&r, "crashes-caught", NULL);
    assert_exit(&r, 33);
    assert_non_null(strstr(r.text, "the old handler"));
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    program = argv[1];
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_exit_status_is_what_the_task_returns),
        cmocka_unit_test(test_A22_a_signal_cancels_the_main_task),
        cmocka_unit_test(test_A22_a_task_that_catches_it_decides_the_status),
        cmocka_unit_test(test_A22_the_second_signal_ends_the_program_at_once),
        cmocka_unit_test(test_A22_a_signal_that_the_program_opened_is_its_own),
        cmocka_unit_test(test_an_ignored_signal_stays_ignored),
        cmocka_unit_test(test_cancelled_without_a_signal_is_an_error_like_others),
        cmocka_unit_test(test_tasks_that_are_left_are_cancelled),
        cmocka_unit_test(test_A25_a_guard_hit_gives_a_named_crash),
        cmocka_unit_test(test_other_crashes_are_left_to_whom_they_belong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
