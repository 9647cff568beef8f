/* A libuv program that gained a process pool: its echo, its timer, and what the workers answer. */
#include "http.h"

#include <unistd.h>

static int port;

static program *start_embed(void)
{
    program *p = program_start("example_embed");
    const char *line = program_line_with(p, "listening on port ");
    port = atoi(strrchr(line, ' '));
    return p;
}

static void send_line(int fd, const char *line)
{
    assert_int_equal(write(fd, line, strlen(line)), (ssize_t)strlen(line));
}

/* The next line of the server's, good until the next call. */
static const char *next_line(int fd)
{
    static char line[200];
    size_t n = 0;
    while (n + 1 < sizeof line && read(fd, line + n, 1) == 1 && line[n] != '\n')
        n++;
    line[n] = '\0';
    return line;
}

static void test_lines_are_echoed_while_a_worker_computes(void **state)
{
    (void)state;
    program *p = start_embed();
    int fd = http_connect(port);
    send_line(fd, "primes 2000000\nhello\n");
    assert_string_equal(next_line(fd), "hello");
    assert_string_equal(next_line(fd), "148933 primes");
    send_line(fd, "ticks\n");
    assert_string_equal(next_line(fd), "the timer ticks");
    close(fd);
    program_must_succeed(p);
}

static void test_a_crash_costs_one_answer(void **state)
{
    (void)state;
    program *p = start_embed();
    int fd = http_connect(port);
    send_line(fd, "crash\n");
    assert_non_null(strstr(next_line(fd), "died of SIGABRT"));
    send_line(fd, "primes 100\n");
    assert_string_equal(next_line(fd), "25 primes");
    close(fd);
    program_must_succeed(p);
}

/* The answers come when nobody is there to be told. */
static void test_a_client_that_goes_before_its_answers(void **state)
{
    (void)state;
    program *p = start_embed();
    int fd = http_connect(port);
    send_line(fd, "primes 1000000\ncrash\nprimes 1000000\n");
    close(fd);
    program_must_succeed(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_lines_are_echoed_while_a_worker_computes),
        TEST(test_a_crash_costs_one_answer),
        TEST(test_a_client_that_goes_before_its_answers),
    };
    return RUN_TESTS("embed", tests);
}
