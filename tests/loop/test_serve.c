/* A server of several processes, from outside: it is a program that is started, talked to, and sent
 * signals. */
#include "serving.h"
#include "support/support.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANYWHERE "listen=127.0.0.1:0"

static void touch(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

/* ---- It cannot start ------------------------------------------------------------------------- */

static void test_what_cannot_be_served_is_refused_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b, *says;
    } cases[] = {
        { "workers=2", "", "there is no address to listen on" },
        { ANYWHERE, "nothing", "there is nothing to serve" },
        { ANYWHERE, "both", "not both" },
        { ANYWHERE, "workers=-1", "the number of workers" },
        { ANYWHERE, "workers=257", "the number of workers" },
        { "listen=127.0.0.1", "", "cannot listen on 127.0.0.1: invalid argument" },
        { "listen=127.0.0.1:x", "", "invalid argument" },
        { "listen=127.0.0.1:65536", "", "invalid argument" },
        { "listen=::1:0", "", "invalid argument" },
        { "listen=host.invalid:0", "", "cannot listen on host.invalid:0" },
        { "listen=192.0.2.1:0", "", "address not available" },
        { "listen=unix:", "", "invalid argument" },
        { "listen=unix:/does/not/exist", "", "no such file or directory" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        served s;
        START(&s, cases[i].a, cases[i].b);
        served_says(&s, cases[i].says, 1);
        served_exits(&s, 1);
    }
}

static void test_an_address_that_is_taken_is_refused(void **state)
{
    (void)state;
    served first, second;
    char address[140];
    SERVE(&first, ANYWHERE);
    snprintf(address, sizeof address, "listen=%s", first.address);
    START(&second, address);
    served_says(&second, "address already in use", 1);
    served_exits(&second, 1);
    served_signal(&first, SIGTERM);
    served_exits(&first, 0);
}

static void test_a_worker_that_cannot_start_ends_the_server(void **state)
{
    (void)state;
    static const struct {
        const char *how, *says;
    } cases[] = {
        { "start=fails", "could not start: no such file or directory" },
        { "start=dies", "died of SIGKILL" },
        { "start=hangs", "has not become ready in time" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        served s;
        START(&s, ANYWHERE, cases[i].how, i == 2 ? "ready_ms=300" : "");
        served_says(&s, cases[i].says, 1);
        served_says(&s, "the server cannot start", 1);
        served_exits(&s, 1);
    }
}

/* ---- It serves ------------------------------------------------------------------------------- */

static void test_connections_are_served_by_all_workers(void **state)
{
    (void)state;
    served s;
    SERVE(&s, ANYWHERE, "workers=3");
    int fds[3];
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = dial_slot(s.address, i);
        pids[i] = who(fds[i], NULL);
    }
    assert_true(pids[0] != pids[1] && pids[1] != pids[2] && pids[0] != pids[2]);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    served_signal(&s, SIGINT);
    served_exits(&s, 0);
}

static int class_of(pid_t pid)
{
    return sched_getscheduler(pid) & ~SCHED_RESET_ON_FORK;
}

/* The worker's, until it is this; for ever, then the watchdog tells. */
static void await_class(pid_t pid, int policy)
{
    while (class_of(pid) != policy)
        support_pause();
}

static void send_busy(int fd, const char *until)
{
    char line[160];
    snprintf(line, sizeof line, "busy %s\n", in_folder(until));
    assert_true(write(fd, line, strlen(line)) == (ssize_t)strlen(line));
}

static void test_a_busy_loop_runs_as_a_batch(void **state)
{
    (void)state;
    served s;
    SERVE(&s, ANYWHERE, "workers=1", "hang_ms=2000");
    int fd = dial(s.address);
    pid_t worker = who(fd, NULL);
    await_class(worker, SCHED_OTHER);
    send_busy(fd, "rest");
    await_class(worker, SCHED_BATCH);
    touch(in_folder("rest"));
    await_class(worker, SCHED_OTHER);
    close(fd);
    served_signal(&s, SIGTERM);
    served_exits(&s, 0);
}

/* It beats every 250 ms, and looks then. */
static void test_a_punctual_loop_never_does(void **state)
{
    (void)state;
    served s;
    clockid_t clock;
    struct timespec cpu;
    SERVE(&s, ANYWHERE, "workers=1", "hang_ms=2000", "punctual");
    int fd = dial(s.address);
    pid_t worker = who(fd, NULL);
    assert_int_equal(clock_getcpuclockid(worker, &clock), 0);
    send_busy(fd, "rest of the punctual");
    do {
        support_pause();
        assert_int_equal(clock_gettime(clock, &cpu), 0);
    } while (cpu.tv_sec < 1);
    assert_int_equal(class_of(worker), SCHED_OTHER);
    touch(in_folder("rest of the punctual"));
    close(fd);
    served_signal(&s, SIGTERM);
    served_exits(&s, 0);
}

static void test_TERM_finishes_what_runs_and_takes_no_more(void **state)
{
    (void)state;
    served s;
    char line[160], answer[64];
    SERVE(&s, ANYWHERE);
    int fd = dial(s.address);
    who(fd, NULL); /* it is accepted */
    snprintf(line, sizeof line, "wait %s\n", in_folder("go"));
    assert_true(write(fd, line, strlen(line)) == (ssize_t)strlen(line));
    served_signal(&s, SIGTERM);
    served_says(&s, "has ended", 1); /* the other worker */
    for (int other; (other = dial(s.address)) >= 0;)
        close(other); /* it has not heard of it yet */
    touch(in_folder("go"));
    assert_int_equal(read(fd, answer, 3), 3);
    assert_memory_equal(answer, "ok\n", 3);
    close(fd);
    served_exits(&s, 0);
}

static void test_what_does_not_end_is_cancelled_at_the_deadline(void **state)
{
    (void)state;
    served s;
    char answer[64];
    SERVE(&s, ANYWHERE, "drain_ms=100");
    int fd = dial(s.address);
    who(fd, NULL);
    assert_true(write(fd, "stay\n", 5) == 5);
    served_signal(&s, SIGTERM);
    assert_int_equal(read(fd, answer, 10), 10);
    assert_memory_equal(answer, "cancelled\n", 10);
    close(fd);
    served_exits(&s, 0);
}

static void test_a_second_TERM_ends_it_at_once(void **state)
{
    (void)state;
    served s;
    SERVE(&s, ANYWHERE);
    int fd = dial(s.address);
    who(fd, NULL);
    served_signal(&s, SIGTERM);
    served_says(&s, "SIGTERM: drains", 1);
    served_signal(&s, SIGTERM);
    assert_true(is_over(fd));
    close(fd);
    served_exits(&s, 128 + SIGTERM);
}

static void test_a_worker_that_dies_is_replaced_and_takes_only_its_own_with_it(void **state)
{
    (void)state;
    served s;
    char answer[64];
    SERVE(&s, ANYWHERE);
    int dies = dial_slot(s.address, 0), stays = dial_slot(s.address, 1), slot;
    pid_t before = who(dies, NULL);
    assert_false(ask(dies, "die", answer, sizeof answer));
    served_says(&s, "died of SIGKILL", 1);
    int fd = dial_slot(s.address, 0); /* waits in the socket until somebody is there */
    assert_true(who(fd, &slot) != before);
    assert_true(ask(stays, "hello", answer, sizeof answer));
    assert_string_equal(answer, "hello");
    close(fd);
    close(dies);
    close(stays);
    served_signal(&s, SIGTERM);
    served_exits(&s, 0);
}

static void test_a_supervisor_that_dies_takes_all_with_it(void **state)
{
    (void)state;
    served s;
    SERVE(&s, ANYWHERE, "status=127.0.0.1:0");
    int fd = dial(s.address);
    who(fd, NULL);
    served_signal(&s, SIGKILL);
    assert_true(is_over(fd));
    close(fd);
    assert_true(WIFSIGNALED(served_end(&s))); /* when nobody is left who could write to its log */
    free(s.text);
}

static void test_HUP_replaces_every_worker_and_loses_nothing(void **state)
{
    (void)state;
    served s;
    char why[128];
    SERVE(&s, ANYWHERE);
    load *l = load_start(s.address, 2, false);
    for (int i = 1; i <= 3; i++) {
        served_signal(&s, SIGHUP);
        served_says(&s, "is ready", 2 + 2 * i);
        served_says(&s, "has ended", 2 * i);
    }
    if (load_stop(l, why, sizeof why))
        fail_msg("%s\n%s", why, s.text);
    served_signal(&s, SIGTERM);
    served_exits(&s, 0);
}

static void test_HUP_loses_no_request_of_a_connection_that_is_kept(void **state)
{
    (void)state;
    served s;
    char why[128];
    SERVE(&s, ANYWHERE, "http");
    load *l = load_start(s.address, 2, true);
    for (int i = 1; i <= 3; i++) {
        served_signal(&s, SIGHUP);
        served_says(&s, "is ready", 2 + 2 * i);
        served_says(&s, "has ended", 2 * i);
    }
    if (load_stop(l, why, sizeof why))
        fail_msg("%s\n%s", why, s.text);
    served_signal(&s, SIGTERM);
    served_exits(&s, 0);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    serving_program = argv[1];
    alarm(200);
    const struct CMUnitTest tests[] = {
        SERVING_TEST(test_what_cannot_be_served_is_refused_in_words),
        SERVING_TEST(test_an_address_that_is_taken_is_refused),
        SERVING_TEST(test_a_worker_that_cannot_start_ends_the_server),
        SERVING_TEST(test_connections_are_served_by_all_workers),
        SERVING_TEST(test_a_busy_loop_runs_as_a_batch),
        SERVING_TEST(test_a_punctual_loop_never_does),
        SERVING_TEST(test_TERM_finishes_what_runs_and_takes_no_more),
        SERVING_TEST(test_what_does_not_end_is_cancelled_at_the_deadline),
        SERVING_TEST(test_a_second_TERM_ends_it_at_once),
        SERVING_TEST(test_a_worker_that_dies_is_replaced_and_takes_only_its_own_with_it),
        SERVING_TEST(test_a_supervisor_that_dies_takes_all_with_it),
        SERVING_TEST(test_HUP_replaces_every_worker_and_loses_nothing),
        SERVING_TEST(test_HUP_loses_no_request_of_a_connection_that_is_kept),
    };
    cmocka_set_test_filter(getenv("YOKE_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
