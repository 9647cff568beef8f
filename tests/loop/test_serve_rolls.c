/* A server under load while all of its workers are replaced again and again, killed one after the
 * other, and the program itself is replaced: no request fails but those on connections that a
 * killed worker held.
 *
 * ./dev rolls has it go on for longer: $YOKE_ROLLS times each, a second apart.
 */
#include "serving.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREADS 4

static int times = 5;
static int pause_ms = 60;

static void tell(const char *what, uint64_t requests, uint64_t held)
{
    print_message("%d %s: %llu requests, none failed, %llu on connections of killed workers\n",
                  times, what, (unsigned long long)requests, (unsigned long long)held);
}

static load *begin(served *s)
{
    SERVE(s, "listen=127.0.0.1:0", "http");
    return load_start(s->address, THREADS, true);
}

static void finish(served *s, load *l, const char *what, uint64_t may_be_held)
{
    char why[128];
    uint64_t held = load_held(l), done = load_done(l);
    if (load_stop(l, why, sizeof why))
        fail_msg("%s\n%s", why, s->text);
    assert_true(held <= may_be_held);
    tell(what, done, held);
    served_signal(s, SIGTERM);
    served_exits(s, 0);
}

static void test_rolling_restarts_under_load(void **state)
{
    (void)state;
    served s;
    load *l = begin(&s);
    for (int i = 1; i <= times; i++) {
        poll(NULL, 0, pause_ms);
        served_signal(&s, SIGHUP);
        served_says(&s, "is ready", 2 + 2 * i);
    }
    finish(&s, l, "rolling restarts", 0);
}

static void test_workers_that_are_killed_under_load(void **state)
{
    (void)state;
    served s;
    load *l = begin(&s);
    for (int i = 1; i <= times; i++) {
        char answer[64];
        bool last;
        poll(NULL, 0, pause_ms);
        int fd = dial(s.address);
        assert_true(get(fd, "/who", answer, sizeof answer, &last));
        load_expect_death(l, atoi(answer));
        kill(atoi(answer), SIGKILL);
        close(fd);
        served_says(&s, "died of SIGKILL", i);
    }
    finish(&s, l, "kills", (uint64_t)times * THREADS);
}

static void test_new_programs_under_load(void **state)
{
    (void)state;
    served s;
    load *l = begin(&s);
    for (int i = 1; i <= times; i++) {
        poll(NULL, 0, pause_ms);
        served_signal(&s, SIGUSR2);
        served_says(&s, "]: has ended", i);
        served_follow(&s);
    }
    finish(&s, l, "new programs", 0);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    serving_program = argv[1];
    const char *rolls = getenv("YOKE_ROLLS");
    if (rolls && atoi(rolls) > 0) {
        times = atoi(rolls);
        pause_ms = 1000;
    }
    alarm(240 + (unsigned)times * 10);
    const struct CMUnitTest tests[] = {
        SERVING_TEST(test_rolling_restarts_under_load),
        SERVING_TEST(test_workers_that_are_killed_under_load),
        SERVING_TEST(test_new_programs_under_load),
    };
    cmocka_set_test_filter(getenv("YOKE_TEST"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
