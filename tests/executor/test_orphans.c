/* Programs that are killed, or end, while their workers work: nothing may be left of them. */
#include "support/backends.h"
#include "support/proc.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *program;

struct run {
    pid_t pid;
    int out; /* what it says */
    char text[1024];
    size_t len;
};

/* `errors`: its standard error goes to this descriptor; -1: to where ours goes. */
static struct run start_with(const char *mode, int errors)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    struct run r = { .out = ends[0] };
    char *argv[] = { (char *)program, (char *)mode, NULL };
    r.pid = fork();
    if (r.pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        if (errors >= 0)
            dup2(errors, STDERR_FILENO);
        execv(program, argv);
        _exit(127);
    }
    assert_true(r.pid > 0);
    close(ends[1]);
    return r;
}

static struct run start(const char *mode)
{
    return start_with(mode, -1);
}

/* Reads until it has said `word`, or, for NULL, until nobody can say any more. */
static void read_until(struct run *r, const char *text)
{
    for (;;) {
        r->text[r->len] = '\0';
        if (text && strstr(r->text, text))
            return;
        ssize_t n = read(r->out, r->text + r->len, sizeof r->text - 1 - r->len);
        if (n <= 0 && text)
            fail_msg("it ended, and said only: %s", r->text);
        if (n <= 0)
            return;
        r->len += (size_t)n;
    }
}

static int end_of(struct run *r)
{
    int status;
    assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
    return status;
}

static void no_process_left(void)
{
    const char *left = support_leftovers();
    if (left)
        fail_msg("%s", left);
}

/* ---- P37, P49
 * ------------------------------------------------------------------------------------ */

struct watched {
    pid_t pid;
    int pidfd;
    char name[16];
};

static size_t watch_all(pid_t root, struct watched *w, size_t max)
{
    proc_entry e[64];
    size_t n = proc_descendants(root, e, 64), k = 0;
    for (size_t i = 0; i < n && k < max; i++) {
        int fd = (int)syscall(SYS_pidfd_open, e[i].pid, 0);
        if (fd < 0)
            continue;
        w[k] = (struct watched){ .pid = e[i].pid, .pidfd = fd };
        memcpy(w[k++].name, e[i].name, sizeof e[i].name);
    }
    return k;
}

/* A second, as is promised; slower where everything is. */
static void all_end_within_a_second(struct watched *w, size_t n)
{
    uint64_t end = yk_after_ms(1000ull * support_slowness());
    for (size_t i = 0; i < n; i++) {
        uint64_t now = yk_now();
        struct pollfd p = { .fd = w[i].pidfd, .events = POLLIN };
        int left = now < end ? (int)((end - now) / 1000000) : 0;
        if (poll(&p, 1, left) != 1)
            fail_msg("process %d '%s' is alive after a second", (int)w[i].pid, w[i].name);
        close(w[i].pidfd);
    }
}

static void parent_killed(int sig)
{
    struct run r = start("work");
    read_until(&r, "ready\n");
    struct watched w[16];
    size_t n = watch_all(r.pid, w, 16);
    assert_int_equal(n, 2 + 4); /* zygote, standby, four workers */
    kill(r.pid, sig);
    int status = end_of(&r);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == sig);
    all_end_within_a_second(w, n);
    close(r.out);
    no_process_left();
    /* The memory of a memfd is freed with its last descriptor and mapping: nobody is left who could
     * have one, so there is none. */
}

static void test_P37_P49_the_parent_is_killed(void **state)
{
    (void)state;
    parent_killed(SIGKILL);
    parent_killed(SIGTERM);
    parent_killed(SIGINT);
}

/* The zygote is gone as well: the lifeline does it alone. */
static void test_P37_the_zygote_and_the_parent_are_killed(void **state)
{
    (void)state;
    struct run r = start("work");
    read_until(&r, "ready\n");
    struct watched w[16];
    size_t n = watch_all(r.pid, w, 16);
    for (size_t i = 0; i < n; i++)
        if (strcmp(w[i].name, "yoke-zygote") == 0)
            kill(w[i].pid, SIGKILL);
    kill(r.pid, SIGKILL);
    end_of(&r);
    all_end_within_a_second(w, n);
    close(r.out);
    no_process_left();
}

/* Stopped processes cannot hear of anything; the kernel kills them all the same. */
static void test_P37_the_parent_is_killed_while_workers_are_stopped(void **state)
{
    (void)state;
    struct run r = start("work");
    read_until(&r, "ready\n");
    struct watched w[16];
    size_t n = watch_all(r.pid, w, 16);
    for (size_t i = 0; i < n; i++)
        if (strcmp(w[i].name, "yoke-zygote") != 0)
            kill(w[i].pid, SIGSTOP);
    kill(r.pid, SIGKILL);
    end_of(&r);
    all_end_within_a_second(w, n);
    close(r.out);
    no_process_left();
}

/* ---- S04, S17: the end of the program
 * --------------------------------------------------------------- */

static void ends_by_itself(const char *mode, int notes)
{
    struct run r = start(mode);
    read_until(&r, NULL); /* also the workers have let go of the pipe */
    int status = end_of(&r);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s: status %x, said: %s", mode, (unsigned)status, r.text);
    assert_non_null(strstr(r.text, "ready\n"));
    int noted = 0;
    for (const char *at = r.text; (at = strstr(at, "noted\n")) != NULL; at++)
        noted++;
    assert_int_equal(noted, notes);
    close(r.out);
    no_process_left();
}

static void test_S17_the_program_ends_with_an_executor_alive(void **state)
{
    (void)state;
    ends_by_itself("alive-threads", 0);
    ends_by_itself("alive-processes", 0);
}

static void test_S04_the_end_waits_for_what_was_shut_down_without_waiting(void **state)
{
    (void)state;
    ends_by_itself("no-wait-threads", 2);
    ends_by_itself("no-wait-processes", 2);
}

/* ---- P28: callbacks that end the program ----------------------------------------------------- */

static void callback_ends(const char *mode, int status, int signal)
{
    struct run r = start(mode);
    read_until(&r, NULL); /* nobody has the pipe any more: neither it nor a worker */
    int ended = end_of(&r);
    if (signal ? !WIFSIGNALED(ended) || WTERMSIG(ended) != signal
               : !WIFEXITED(ended) || WEXITSTATUS(ended) != status)
        fail_msg("%s: status %x", mode, (unsigned)ended);
    close(r.out);
    no_process_left();
}

static void test_P28_a_callback_exits_or_crashes(void **state)
{
    (void)state;
    callback_ends("exit-threads", 3, 0);
    callback_ends("exit-processes", 3, 0);
    callback_ends("crash-threads", 0, SIGSEGV);
    callback_ends("crash-processes", 0, SIGSEGV);
}

/* ---- P33: a worker that says too much -------------------------------------------------------- */

static void test_P33_a_worker_that_floods_its_standard_error_holds_up_nobody(void **state)
{
    (void)state;
    int errors[2];
    assert_int_equal(pipe2(errors, O_CLOEXEC), 0);
    struct run r = start_with("flood", errors[1]);
    close(errors[1]);
    read_until(&r, "drain\n");
    assert_non_null(strstr(r.text, "others 50, one running 1\nflood YK_EJOBTIMEOUT\n"));
    size_t drained = 0;
    static char text[65536];
    ssize_t n;
    while ((n = read(errors[0], text, sizeof text)) > 0) /* until the last worker is gone */
        drained += (size_t)n;
    assert_true(drained >= (size_t)4096 * 4096);
    read_until(&r, NULL);
    assert_non_null(strstr(r.text, "drain\nflood OK\n"));
    int status = end_of(&r);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(errors[0]);
    close(r.out);
    no_process_left();
}

/* ---- yk_init
 * ---------------------------------------------------------------------------------------- */

static void test_init_after_threads_is_refused(void **state)
{
    (void)state;
    struct run r = start("late");
    read_until(&r, NULL);
    end_of(&r);
    assert_string_equal(r.text, "YK_ENOINIT YK_ENOINIT YK_ENOINIT\nthreads 0\n");
    close(r.out);
    no_process_left();
}

static void test_init_and_fini_again_and_again(void **state)
{
    (void)state;
    ends_by_itself("again", 0);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_P37_P49_the_parent_is_killed),
        TEST(test_P37_the_zygote_and_the_parent_are_killed),
        TEST(test_P37_the_parent_is_killed_while_workers_are_stopped),
        TEST(test_S17_the_program_ends_with_an_executor_alive),
        TEST(test_S04_the_end_waits_for_what_was_shut_down_without_waiting),
        TEST(test_P28_a_callback_exits_or_crashes),
        TEST(test_P33_a_worker_that_floods_its_standard_error_holds_up_nobody),
        TEST(test_init_after_threads_is_refused),
        TEST(test_init_and_fini_again_and_again),
    };
    if (argc != 2)
        return 2;
    program = argv[1];
    if (!support_has_pidfds()) {
        printf("skipped: there are no pidfds here to watch others by\n");
        return 0;
    }
    return RUN_TESTS("orphans", tests);
}
