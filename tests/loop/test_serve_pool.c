/* The process pool that all workers of a server share: its process is the supervisor's. */
#include "serving.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/proc.h"

static void expect(int fd, const char *line, const char *expected)
{
    char answer[300];
    assert_true(ask(fd, line, answer, sizeof answer));
    if (!strstr(answer, expected))
        fail_msg("'%s' was answered with '%s'", line, answer);
}

static pid_t zygote_of(int fd)
{
    char answer[100];
    assert_true(ask(fd, "zygote", answer, sizeof answer));
    return (pid_t)atoi(answer);
}

/* The pool's process is the parent of its zygote. */
static pid_t pool_of(int fd)
{
    proc_entry zygote;
    assert_true(proc_look(zygote_of(fd), &zygote));
    return zygote.parent;
}

static void wait_for_file(const char *path)
{
    while (access(path, F_OK) != 0)
        usleep(1000);
}

static void wait_for_death(pid_t pid)
{
    proc_entry e;
    while (proc_look(pid, &e) && e.state != 'Z') /* who has adopted it may not look */
        usleep(1000);
}

static void send_line(int fd, const char *text, const char *file)
{
    assert_true(dprintf(fd, "%s%s\n", text, file) > 0);
}

/* ---- The tests ------------------------------------------------------------------------------- */

static void test_private_pools_are_each_workers_own(void **state)
{
    (void)state;
    served s;
    SERVE(&s, "private");
    int a = dial_slot(s.address, 0), b = dial_slot(s.address, 1);
    int slot;
    assert_int_not_equal(zygote_of(a), zygote_of(b));
    assert_int_equal(pool_of(a), who(a, &slot));
    expect(a, "crash", "SIGKILL");
    expect(a, "square 9", "81");
    close(a);
    close(b);
    served_signal(&s, SIGTERM);
    served_exits(&s, 0);
}

static void test_workers_share_one_pool(void **state)
{
    (void)state;
    served s;
    SERVE(&s, "");
    int a = dial_slot(s.address, 0), b = dial_slot(s.address, 1);
    assert_int_equal(zygote_of(a), zygote_of(b));
    assert_int_equal(pool_of(a), pool_of(b));
    expect(a, "crash", "the job was killed by SIGKILL");
    expect(b, "square 9", "81");
    char full[200];
    snprintf(full, sizeof full, "full %s", in_folder("full"));
    expect(a, full, "OK YK_EFULL");
    close(a);
    close(b);
    served_signal(&s, SIGHUP); /* new workers, the same pool */
    served_says(&s, "has ended", 2);
    a = dial_slot(s.address, 0);
    pid_t pool = pool_of(a);
    expect(a, "square 12", "144");
    close(a);
    assert_int_equal(served_said(&s, "is started"), 1);
    assert_int_equal(served_said(&s, "died of"), 0);
    served_signal(&s, SIGTERM);
    served_exits(&s, 0);
    wait_for_death(pool);
}

static void test_a_worker_that_is_killed_has_its_job_cancelled(void **state)
{
    (void)state;
    served s;
    SERVE(&s, "");
    int a = dial_slot(s.address, 0), b = dial_slot(s.address, 1), slot;
    pid_t worker = who(a, &slot);
    const char *file = in_folder("job");
    send_line(a, "block ", file);
    wait_for_file(file);
    kill(worker, SIGKILL);
    wait_for_file(in_folder("job.cancelled"));
    expect(b, "square 9", "81");
    close(a);
    close(b);
    served_signal(&s, SIGTERM);
    served_exits(&s, 0);
}

static void test_a_pool_that_is_killed_is_replaced(void **state)
{
    (void)state;
    served s;
    char answer[300];
    SERVE(&s, "");
    int a = dial_slot(s.address, 0), b = dial_slot(s.address, 1);
    pid_t pool = pool_of(a);
    const char *file = in_folder("job");
    send_line(a, "block ", file);
    wait_for_file(file);
    kill(pool, SIGKILL);
    ssize_t n = recv(a, answer, sizeof answer - 1, 0);
    assert_true(n > 0);
    answer[n] = '\0';
    assert_string_equal(answer, "the job was in the shared pool, whose process died\n");
    expect(b, "square 9", "81"); /* by its successor */
    assert_int_not_equal(pool_of(a), pool);
    served_says(&s, "died of SIGKILL", 1);
    close(a);
    close(b);
    served_signal(&s, SIGTERM);
    served_exits(&s, 0);
}

static void test_nothing_is_left_of_a_server_that_is_killed(void **state)
{
    (void)state;
    served s;
    SERVE(&s, "");
    int a = dial_slot(s.address, 0);
    const char *file = in_folder("job");
    pid_t zygote = zygote_of(a), pool = pool_of(a);
    send_line(a, "block ", file);
    wait_for_file(file);
    served_signal(&s, SIGKILL);
    served_end(&s);
    wait_for_death(pool);
    wait_for_death(zygote);
    close(a);
    free(s.text);
}

/* With a job at work: the first signal lets it go on, the second does not. */
static void test_a_second_signal_ends_the_pool_too(void **state)
{
    (void)state;
    served s;
    SERVE(&s, "");
    int a = dial_slot(s.address, 0);
    const char *file = in_folder("job");
    pid_t zygote = zygote_of(a), pool = pool_of(a);
    send_line(a, "block ", file);
    wait_for_file(file);
    served_signal(&s, SIGTERM);
    served_says(&s, "drains", 1);
    served_signal(&s, SIGTERM);
    served_exits(&s, 128 + SIGTERM);
    wait_for_death(pool);
    wait_for_death(zygote);
    close(a);
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        SERVING_TEST(test_private_pools_are_each_workers_own),
        SERVING_TEST(test_workers_share_one_pool),
        SERVING_TEST(test_a_worker_that_is_killed_has_its_job_cancelled),
        SERVING_TEST(test_a_pool_that_is_killed_is_replaced),
        SERVING_TEST(test_nothing_is_left_of_a_server_that_is_killed),
        SERVING_TEST(test_a_second_signal_ends_the_pool_too),
    };
    if (argc < 2)
        return 2;
    serving_program = argv[1];
    alarm(240);
    return cmocka_run_group_tests_name("serve_pool", tests, NULL, NULL);
}
