/* The life of a server: workers that hang or die too soon, limits, more and fewer workers, sockets
 * that were given, a new program in place of the old. */
#include "serving.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/clock.h"
#include "support/support.h"

#define ANYWHERE "listen=127.0.0.1:0"

static void touch(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static void end(served *s)
{
    served_signal(s, SIGTERM);
    served_exits(s, 0);
}

static void assert_nothing_failed(load *l, const served *s)
{
    char why[128];
    if (load_stop(l, why, sizeof why)) {
        fprintf(stderr, "%s\n%s", why, s->text);
        fail();
    }
}

/* ---- Workers in trouble ---------------------------------------------------------------------- */

static void test_a_loop_that_hangs_is_killed_and_replaced(void **state)
{
    (void)state;
    served s;
    char answer[64];
    SERVE(&s, ANYWHERE, "hang_ms=400");
    int fd = dial_slot(s.address, 1), slot;
    pid_t before = who(fd, NULL);
    assert_false(ask(fd, "hang", answer, sizeof answer)); /* until it is killed */
    close(fd);
    served_says(&s, "hangs", 1);
    served_says(&s, "is ready", 3);
    fd = dial_slot(s.address, 1);
    assert_true(who(fd, &slot) != before);
    close(fd);
    end(&s);
}

static void test_a_worker_that_is_stopped_is_replaced_as_one_that_hangs(void **state)
{
    (void)state;
    served s;
    SERVE(&s, ANYWHERE, "hang_ms=400");
    int fd = dial_slot(s.address, 0);
    assert_int_equal(kill(who(fd, NULL), SIGSTOP), 0);
    assert_true(is_over(fd));
    close(fd);
    served_says(&s, "hangs", 1);
    served_says(&s, "is ready", 3);
    end(&s);
}

/* All of it stands still for longer than a loop may, as in a suspended machine: nobody's fault. */
static void test_a_server_that_is_stopped_and_goes_on_kills_nobody(void **state)
{
    (void)state;
    served s;
    char answer[64];
    pid_t pids[2];
    int fds[2], status;
    SERVE(&s, ANYWHERE, "hang_ms=300");
    for (int i = 0; i < 2; i++)
        pids[i] = who(fds[i] = dial_slot(s.address, i), NULL);
    assert_int_equal(kill(s.pid, SIGSTOP), 0);
    assert_int_equal(waitpid(s.pid, &status, WUNTRACED), s.pid);
    for (int i = 0; i < 2; i++)
        assert_int_equal(kill(pids[i], SIGSTOP), 0);
    usleep(600000); /* the time that passes is what this is about */
    for (int i = 0; i < 2; i++)
        assert_int_equal(kill(pids[i], SIGCONT), 0);
    assert_int_equal(kill(s.pid, SIGCONT), 0);
    for (int i = 0; i < 2; i++) {
        assert_true(ask(fds[i], "hello", answer, sizeof answer));
        close(fds[i]);
    }
    end(&s);
}

static void test_a_worker_that_dies_again_and_again_is_started_less_often(void **state)
{
    (void)state;
    served s;
    char answer[64];
    SERVE(&s, ANYWHERE, "workers=1");
    for (int i = 0; i < 4; i++) {
        int fd = dial(s.address); /* waits, the longer the later */
        ask(fd, "die", answer, sizeof answer);
        close(fd);
    }
    served_says(&s, "is started again in 0.", 1);
    served_says(&s, "died of SIGKILL", 4);
    int fd = dial(s.address);
    who(fd, NULL);
    close(fd);
    end(&s);
}

static void test_TERM_to_a_worker_has_it_drain_and_be_replaced(void **state)
{
    (void)state;
    served s;
    char answer[64];
    SERVE(&s, ANYWHERE, "workers=1");
    int fd = dial(s.address);
    pid_t before = who(fd, NULL);
    kill(before, SIGTERM);
    served_says(&s, "was told to leave", 1);
    served_says(&s, "is ready", 2);
    int other = dial(s.address);
    assert_true(who(other, NULL) != before);
    assert_true(ask(fd, "hello", answer, sizeof answer)); /* still there */
    close(fd);
    close(other);
    served_says(&s, "has ended", 1);
    end(&s);
}

static void test_a_roll_whose_new_worker_cannot_start_leaves_the_old_ones(void **state)
{
    (void)state;
    served s;
    char arg[160];
    snprintf(arg, sizeof arg, "fail_file=%s", in_folder("fail"));
    SERVE(&s, ANYWHERE, arg);
    int fd = dial(s.address);
    pid_t before = who(fd, NULL);
    touch(in_folder("fail"));
    served_signal(&s, SIGHUP);
    served_says(&s, "those that are there go on", 1);
    assert_int_equal(who(fd, NULL), before);
    assert_int_equal(unlink(in_folder("fail")), 0);
    served_signal(&s, SIGHUP);
    served_says(&s, "is ready", 4);
    close(fd);
    end(&s);
}

/* ---- Limits ---------------------------------------------------------------------------------- */

static void test_a_worker_at_the_end_of_its_life_is_replaced(void **state)
{
    (void)state;
    static const char *const limits[][2] = { { "life_ms=300", "has lived as long" },
                                             { "most_served=3", "has served what it was to" },
                                             { "most_memory=4096", "has more memory" } };
    for (int i = 0; i < 3; i++) {
        served s;
        SERVE(&s, ANYWHERE, "workers=1", "hang_ms=1000", limits[i][0]);
        load *l = load_start(s.address, 1, false);
        served_says(&s, limits[i][1], 1);
        served_says(&s, "is ready", 2);
        served_says(&s, "has ended", 1);
        assert_nothing_failed(l, &s);
        end(&s);
    }
}

static void test_more_connections_than_there_are_places_wait(void **state)
{
    (void)state;
    served s;
    char answer[64];
    SERVE(&s, ANYWHERE, ANYWHERE, "workers=1", "most_connections=1");
    int first = dial(s.address),
        second = dial(strstr(strstr(s.text, "\nready ") + 1, "\nready ") + 7);
    who(first, NULL);
    assert_int_equal(send(second, "hello\n", 6, 0), 6);
    assert_int_equal(recv(second, answer, 6, MSG_DONTWAIT), -1);
    close(first);
    assert_int_equal(recv(second, answer, 6, MSG_WAITALL), 6);
    close(second);
    end(&s);
}

/* ---- More and fewer -------------------------------------------------------------------------- */

static void test_TTIN_and_TTOU_lose_no_connection(void **state)
{
    (void)state;
    served s;
    SERVE(&s, ANYWHERE, "workers=1", "drain_ms=18446744073709551615",
          "hang_ms=18446744073709551615", "life_ms=18446744073709551615");
    load *l = load_start(s.address, 2, false);
    served_signal(&s, SIGTTOU);
    served_says(&s, "there can be no fewer workers", 1);
    for (int i = 1; i <= 2; i++) {
        served_signal(&s, SIGTTIN);
        served_says(&s, ": 2 workers\n", i);
        int fd = dial_slot(s.address, 1);
        close(fd);
        served_signal(&s, SIGTTOU);
        served_says(&s, ": 1 worker\n", i);
    }
    assert_nothing_failed(l, &s);
    int slot, fd = dial(s.address);
    who(fd, &slot);
    assert_int_equal(slot, 0);
    close(fd);
    end(&s);
}

/* The worker is stopped until it is told to leave, so about half of them wait for it. */
static void test_TTOU_serves_those_who_wait_for_the_worker_that_leaves(void **state)
{
    (void)state;
    served s;
    int fds[20];
    char answer[64];
    SERVE(&s, ANYWHERE);
    int last = dial_slot(s.address, 1);
    pid_t pid = who(last, NULL);
    close(last);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    for (int i = 0; i < 20; i++)
        fds[i] = dial(s.address);
    served_signal(&s, SIGTTOU);
    served_says(&s, "is told to drain", 1);
    assert_int_equal(kill(pid, SIGCONT), 0);
    for (int i = 0; i < 20; i++) {
        assert_true(ask(fds[i], "hello", answer, sizeof answer));
        close(fds[i]);
    }
    served_says(&s, ": 1 worker\n", 1);
    end(&s);
}

static void test_a_worker_more_that_cannot_start_gets_no_connections(void **state)
{
    (void)state;
    served s;
    char arg[160];
    snprintf(arg, sizeof arg, "fail_file=%s", in_folder("fail"));
    SERVE(&s, ANYWHERE, "workers=1", arg);
    touch(in_folder("fail"));
    served_signal(&s, SIGTTIN);
    served_says(&s, "worker 1 (process", 2);
    for (int i = 0; i < 20; i++) {
        int fd = dial(s.address);
        who(fd, NULL); /* would wait for ever */
        close(fd);
    }
    served_signal(&s, SIGTTOU);
    served_says(&s, ": 1 worker\n", 1);
    end(&s);
}

/* ---- Memory and notifications ---------------------------------------------------------------- */

static unsigned number(int fd, const char *line)
{
    char answer[64];
    assert_true(ask(fd, line, answer, sizeof answer));
    return (unsigned)atoi(answer);
}

static void test_all_workers_share_memory_and_hear_notifications(void **state)
{
    (void)state;
    served s;
    char answer[64];
    SERVE(&s, ANYWHERE, "workers=3");
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = dial_slot(s.address, i);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(number(fds[i % 3], "count"), i + 1);
    for (unsigned round = 1; round <= 3; round++) {
        unsigned before[3];
        for (int i = 0; i < 3; i++)
            before[i] = number(fds[i], "heard");
        assert_true(ask(fds[round % 3], "notify", answer, sizeof answer));
        for (int i = 0; i < 3; i++)
            eventually(number(fds[i], "heard") > before[i]);
    }
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    end(&s);
}

/* ---- Addresses ------------------------------------------------------------------------------- */

static void test_a_unix_socket_is_replaced_if_nobody_listens_and_removed_at_the_end(void **state)
{
    (void)state;
    served s, second;
    char arg[160], answer[64];
    struct stat file;
    snprintf(arg, sizeof arg, "listen=unix:%s", in_folder("socket"));
    SERVE(&s, arg);
    assert_true(strncmp(s.address, "unix:/", 6) == 0);
    START(&second, arg);
    served_says(&second, "address already in use", 1);
    served_exits(&second, 1);
    served_signal(&s, SIGKILL);
    served_end(&s);
    free(s.text);
    assert_int_equal(stat(in_folder("socket"), &file), 0); /* left over */
    SERVE(&s, arg);
    int fd = dial(s.address);
    assert_true(ask(fd, "hello", answer, sizeof answer));
    close(fd);
    load *l = load_start(s.address, 2, false);
    served_signal(&s, SIGHUP);
    served_says(&s, "has ended", 2);
    assert_nothing_failed(l, &s);
    end(&s);
    assert_int_equal(stat(in_folder("socket"), &file), -1);
}

static void test_IPv6_names_and_all_addresses(void **state)
{
    (void)state;
    static const char *const addresses[] = { "listen=[::1]:0", "listen=localhost:0", "listen=:0" };
    int six = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage any = { .ss_family = AF_INET6 };
    bool has_six = six >= 0 && bind(six, (struct sockaddr *)&any, 28) == 0;
    close(six);
    for (int i = has_six ? 0 : 1; i < 3; i++) {
        served s;
        char answer[64], address[160];
        SERVE(&s, addresses[i]);
        snprintf(address, sizeof address, "127.0.0.1%s", strrchr(s.address, ':'));
        int fd = dial(i == 2 ? address : s.address);
        assert_true(ask(fd, "hello", answer, sizeof answer));
        close(fd);
        end(&s);
    }
}

/* ---- Sockets that are given ------------------------------------------------------------------ */

static int listening_socket(bool reuse, char *address, size_t size)
{
    struct sockaddr_storage any = { .ss_family = AF_INET };
    unsigned char *at = (unsigned char *)&any;
    socklen_t len = sizeof any;
    int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    at[4] = 127;
    at[7] = 1;
    if (reuse)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, 16), 0);
    assert_int_equal(listen(fd, 100), 0);
    getsockname(fd, (struct sockaddr *)&any, &len);
    snprintf(address, size, "127.0.0.1:%d", at[2] << 8 | at[3]);
    return fd;
}

/* A shell gives what a service manager does. */
static void serve_on(served *s, int fd, const char *pid)
{
    char fds[96];
    const char *program = serving_program;
    snprintf(fds, sizeof fds, "exec %d<&-; exec env LISTEN_PID=%s LISTEN_FDS=1 \"$0\" workers=2",
             fd, pid);
    snprintf(fds, sizeof fds, "LISTEN_PID=%s LISTEN_FDS=1 exec \"$0\" workers=2 3<&%d", pid, fd);
    serving_program = "/bin/sh";
    START(s, "-c", fds, program);
    serving_program = program;
}

static void test_sockets_that_are_given_are_used(void **state)
{
    (void)state;
    for (int reuse = 0; reuse < 2; reuse++) {
        served s;
        char address[64], answer[64];
        int fd = listening_socket(reuse, address, sizeof address);
        serve_on(&s, fd, "$$");
        close(fd);
        served_ready(&s);
        assert_string_equal(s.address, address);
        for (int i = 0; i < 5; i++) {
            fd = dial(address);
            assert_true(ask(fd, "hello", answer, sizeof answer));
            close(fd);
        }
        close(dial_slot(address, 1));
        end(&s);
    }
}

static void test_sockets_for_another_process_or_that_do_not_listen_are_not(void **state)
{
    (void)state;
    served s;
    char address[64];
    int fd = listening_socket(false, address, sizeof address);
    serve_on(&s, fd, "1");
    served_says(&s, "there is no address to listen on", 1);
    served_exits(&s, 1);
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    serve_on(&s, fd, "$$");
    served_says(&s, "is no socket that listens", 1);
    served_exits(&s, 1);
    close(fd);
}

/* ---- The status ------------------------------------------------------------------------------ */

static void fetch(const char *address, const char *path, char *body, size_t size)
{
    bool last;
    int fd = dial(address);
    if (!get(fd, path, body, size, &last))
        fail_msg("no %s from %s", path, address);
    close(fd);
}

/* The line of it that begins so, as a number. */
static double metric(const char *address, const char *line)
{
    char body[8000], start[80];
    fetch(address, "/metrics", body, sizeof body);
    snprintf(start, sizeof start, "\n%s ", line);
    const char *at = strstr(body, start);
    if (!at)
        fail_msg("no %s in\n%s", line, body);
    return at ? atof(at + strlen(start)) : 0;
}

static void status_address(const served *s, char *address)
{
    assert_int_equal(sscanf(strstr(s->text, "status on "), "status on %63s", address), 1);
}

static void test_a_status_that_cannot_be_had_ends_the_server(void **state)
{
    (void)state;
    served s;
    START(&s, ANYWHERE, "status=192.0.2.1:0");
    served_says(&s, "cannot listen on 192.0.2.1:0", 1);
    served_exits(&s, 1);
}

static void test_the_status_counts_what_happens(void **state)
{
    (void)state;
    served s;
    char address[64], body[8000];
    bool last;
    SERVE(&s, ANYWHERE, "http", "workers=1", "status=127.0.0.1:0");
    status_address(&s, address);
    int fd = dial(s.address);
    for (int i = 0; i < 5; i++)
        assert_true(get(fd, "/who", body, sizeof body, &last));
    assert_false(get(fd, "/nothing", body, sizeof body, &last));
    eventually(metric(address, "yoke_server_requests_total{worker=\"0\"}") == 6);
    assert_true(metric(address, "yoke_server_connections{worker=\"0\"}") == 1);
    assert_true(metric(address, "yoke_server_answers_total{worker=\"0\",class=\"2xx\"}") == 5);
    assert_true(metric(address, "yoke_server_answers_total{worker=\"0\",class=\"4xx\"}") == 1);
    close(fd);
    served_signal(&s, SIGHUP);
    served_says(&s, "has ended", 1);
    eventually(metric(address, "yoke_server_worker_starts_total{worker=\"0\"}") == 2);
    assert_true(metric(address, "yoke_server_requests_total{worker=\"0\"}") == 6);
    fetch(address, "/status.json", body, sizeof body);
    assert_non_null(strstr(body, "\"restarts\":1,"));
    fetch(address, "/", body, sizeof body);
    assert_non_null(strstr(body, "ready"));
    end(&s);
    assert_int_equal(dial(address), -1);
}

static void test_a_status_process_that_dies_is_replaced_and_goes_to_a_new_program(void **state)
{
    (void)state;
    served s;
    char address[64], body[8000];
    int pid;
    SERVE(&s, ANYWHERE, "status=127.0.0.1:0");
    status_address(&s, address);
    served_says(&s, "the status (process", 1);
    assert_int_equal(sscanf(strstr(s.text, "the status (process"), "the status (process %d", &pid),
                     1);
    kill(pid, SIGKILL);
    served_says(&s, "the status (process", 3);
    fetch(address, "/", body, sizeof body);
    served_signal(&s, SIGUSR2);
    served_says(&s, "]: has ended", 1);
    served_follow(&s);
    snprintf(body, sizeof body, "\"process\":%d,", (int)s.pid);
    char json[8000];
    fetch(address, "/status.json", json, sizeof json);
    assert_non_null(strstr(json, body));
    end(&s);
}

static void test_a_status_on_a_unix_socket_goes_to_a_new_program(void **state)
{
    (void)state;
    served s;
    char status[160], json[8000], process[40];
    struct stat file;
    snprintf(status, sizeof status, "status=unix:%s", in_folder("status"));
    SERVE(&s, ANYWHERE, status);
    served_signal(&s, SIGUSR2);
    served_says(&s, "all ready", 2);
    served_says(&s, "]: has ended", 1);
    served_follow(&s);
    snprintf(process, sizeof process, "\"process\":%d,", (int)s.pid);
    fetch(status + strlen("status="), "/status.json", json, sizeof json);
    assert_non_null(strstr(json, process));
    end(&s);
    assert_int_equal(stat(in_folder("status"), &file), -1);
}

/* ---- A new program --------------------------------------------------------------------------- */

static void test_USR2_starts_a_new_program_and_loses_nothing(void **state)
{
    (void)state;
    for (int http = 0; http < 2; http++) {
        served s;
        SERVE(&s, ANYWHERE, http ? "http" : "");
        load *l = load_start(s.address, 2, http);
        for (int i = 1; i <= 2; i++) {
            served_signal(&s, SIGUSR2);
            served_says(&s, "all ready", 1 + i);
            served_says(&s, "]: has ended", i);
            served_follow(&s);
        }
        assert_nothing_failed(l, &s);
        end(&s);
    }
}

static void test_a_new_program_that_cannot_start_leaves_the_old_one(void **state)
{
    (void)state;
    served s;
    char fails[160], local[160], answer[64];
    struct stat file;
    snprintf(fails, sizeof fails, "fail_file=%s", in_folder("fail"));
    snprintf(local, sizeof local, "listen=unix:%s", in_folder("socket"));
    SERVE(&s, local, fails);
    touch(in_folder("fail"));
    for (int i = 1; i <= 2; i++) {
        served_signal(&s, SIGUSR2);
        served_says(&s, "has failed: this one goes on", i);
        int fd = dial(s.address);
        assert_true(ask(fd, "hello", answer, sizeof answer));
        close(fd);
    }
    assert_int_equal(unlink(in_folder("fail")), 0);
    served_signal(&s, SIGUSR2);
    served_says(&s, "all ready", 2);
    served_says(&s, "]: has ended", 3);
    served_follow(&s);
    assert_int_equal(stat(in_folder("socket"), &file), 0); /* the new one's now */
    end(&s);
    assert_int_equal(stat(in_folder("socket"), &file), -1);
}

static void test_a_new_program_has_as_many_workers_as_it_says(void **state)
{
    (void)state;
    served s;
    SERVE(&s, ANYWHERE, "workers=1");
    served_signal(&s, SIGTTIN);
    served_says(&s, ": 2 workers\n", 1);
    load *l = load_start(s.address, 1, false);
    served_signal(&s, SIGUSR2);
    served_says(&s, "]: has ended", 1);
    served_follow(&s);
    served_says(&s, ": 1 worker\n", 1);
    assert_nothing_failed(l, &s);
    end(&s);
}

static void test_a_worker_more_stays_when_the_old_program_is_gone(void **state)
{
    (void)state;
    served s;
    SERVE(&s, ANYWHERE, "workers=1");
    served_signal(&s, SIGTTIN);
    served_says(&s, ": 2 workers\n", 1);
    int fd = dial(s.address); /* the old one drains for as long as this is there */
    who(fd, NULL);
    assert_true(dprintf(fd, "wait %s\n", in_folder("go")) > 0);
    served_signal(&s, SIGUSR2);
    served_says(&s, "all ready", 2);
    pid_t old = s.pid;
    s.pid = served_latest(&s);
    served_signal(&s, SIGTTIN);
    served_says(&s, ": 3 workers\n", 1);
    touch(in_folder("go"));
    close(fd);
    s.pid = old;
    served_says(&s, "]: has ended", 1);
    served_follow(&s);
    served_says(&s, ": 2 workers\n", 2); /* the one that was inherited goes, and no other */
    served_signal(&s, SIGTTIN);
    served_says(&s, ": 3 workers\n", 2);
    end(&s);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    serving_program = argv[1];
    alarm(240);
    const struct CMUnitTest tests[] = {
        SERVING_TEST(test_a_loop_that_hangs_is_killed_and_replaced),
        SERVING_TEST(test_a_worker_that_is_stopped_is_replaced_as_one_that_hangs),
        SERVING_TEST(test_a_server_that_is_stopped_and_goes_on_kills_nobody),
        SERVING_TEST(test_a_worker_that_dies_again_and_again_is_started_less_often),
        SERVING_TEST(test_TERM_to_a_worker_has_it_drain_and_be_replaced),
        SERVING_TEST(test_a_roll_whose_new_worker_cannot_start_leaves_the_old_ones),
        SERVING_TEST(test_a_worker_at_the_end_of_its_life_is_replaced),
        SERVING_TEST(test_more_connections_than_there_are_places_wait),
        SERVING_TEST(test_TTIN_and_TTOU_lose_no_connection),
        SERVING_TEST(test_TTOU_serves_those_who_wait_for_the_worker_that_leaves),
        SERVING_TEST(test_a_worker_more_that_cannot_start_gets_no_connections),
        SERVING_TEST(test_all_workers_share_memory_and_hear_notifications),
        SERVING_TEST(test_a_unix_socket_is_replaced_if_nobody_listens_and_removed_at_the_end),
        SERVING_TEST(test_IPv6_names_and_all_addresses),
        SERVING_TEST(test_sockets_that_are_given_are_used),
        SERVING_TEST(test_sockets_for_another_process_or_that_do_not_listen_are_not),
        SERVING_TEST(test_a_status_that_cannot_be_had_ends_the_server),
        SERVING_TEST(test_the_status_counts_what_happens),
        SERVING_TEST(test_a_status_process_that_dies_is_replaced_and_goes_to_a_new_program),
        SERVING_TEST(test_a_status_on_a_unix_socket_goes_to_a_new_program),
        SERVING_TEST(test_USR2_starts_a_new_program_and_loses_nothing),
        SERVING_TEST(test_a_new_program_that_cannot_start_leaves_the_old_one),
        SERVING_TEST(test_a_new_program_has_as_many_workers_as_it_says),
        SERVING_TEST(test_a_worker_more_stays_when_the_old_program_is_gone),
    };
    cmocka_set_test_filter(getenv("YOKE_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
