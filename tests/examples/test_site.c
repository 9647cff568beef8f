/* The site that the examples are tested against, and the helper that starts programs. */
#include "http.h"

#include <signal.h>
#include <unistd.h>

static int port;

static void assert_answers(const char *path, const char *with)
{
    const char *text = http_get(port, path);
    if (!strstr(text, with))
        fail_msg("%s: no '%s' in: %s", path, with, text);
}

static void test_pages_and_failures(void **state)
{
    (void)state;
    program *site = site_start(&port);
    assert_answers("/", "HTTP/1.1 200 OK\r\n");
    assert_answers("/b", "href=\"/a\"");
    assert_answers("/deep?n=7", "deep?n=8");
    assert_answers("/many", "work?ms=20&amp;i=20");
    assert_answers("/missing", "HTTP/1.1 404 ");
    assert_answers("/moved", "Location: /a\r\n");
    assert_answers("/breaks", "Content-Length: 1000\r\n\r\n<h1>This page is");
    assert_answers("/flaky", "HTTP/1.1 503 ");
    assert_answers("/flaky", "HTTP/1.1 200 ");
    assert_answers("/flaky", "HTTP/1.1 503 ");
    assert_answers("/work?ms=1", "done\n");
    assert_answers("/stats", "requests 11 now 0 most 1\n");
    program_close_input(site);
    assert_int_equal(program_wait(site), 0);
}

static void test_a_connection_is_kept(void **state)
{
    char text[512];
    (void)state;
    site_start(&port);
    int fd = http_connect(port);
    for (int i = 0; i < 3; i++) {
        http_ask(fd, "/work?ms=0", "");
        assert_true(read(fd, text, sizeof text) > 0);
    }
    close(fd);
    assert_answers("/stats", "connections 2 requests 3 ");
}

static void test_requests_at_one_time_are_counted(void **state)
{
    int fd[5];
    (void)state;
    site_start(&port);
    for (int i = 0; i < 5; i++) {
        fd[i] = http_connect(port);
        http_ask(fd[i], "/stalls", "");
    }
    while (site_stats(port).now < 5)
        usleep(1000);
    assert_int_equal(site_stats(port).most, 5);
    for (int i = 0; i < 5; i++)
        close(fd[i]);
    while (site_stats(port).now > 0)
        usleep(1000);
    assert_int_equal(site_stats(port).most, 5);
}

static void test_a_command_finds_the_site(void **state)
{
    (void)state;
    program *site = program_start("site", "echo $SITE; exit 3");
    assert_non_null(strstr(program_line(site), "http://127.0.0.1:"));
    assert_null(program_line(site));
    assert_int_equal(program_wait(site), 3);
}

static void test_ends_of_programs_are_told(void **state)
{
    (void)state;
    program *shell = program_start("/bin/sh", "-c", "echo one; echo two >&2; read x; exit $x");
    assert_string_equal(program_line_with(shell, "n"), "one");
    program_write(shell, "7\n");
    assert_int_equal(program_wait(shell), 7);
    assert_string_equal(program_errors(shell), "two\n");
    program *other = program_start("/bin/sh", "-c", "echo ready; sleep 1000");
    program_line_with(other, "ready");
    program_signal(other, SIGTERM);
    kill(-other->pid, SIGKILL); /* its child, too, which has the pipe */
    assert_true(program_wait(other) < 0);
    assert_int_equal(program_wait(program_start("no_such_program")), 127);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_pages_and_failures),
        TEST(test_a_connection_is_kept),
        TEST(test_requests_at_one_time_are_counted),
        TEST(test_a_command_finds_the_site),
        TEST(test_ends_of_programs_are_told),
    };
    return RUN_TESTS("site", tests);
}
