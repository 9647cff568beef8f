/* The crawler against a site where everything goes wrong that can. */
#include "http.h"

#include <signal.h>
#include <unistd.h>

static int port;

static program *start_crawler(const char *at_once, const char *depth, const char *timeout_ms,
                              const char *path)
{
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", port, path);
    return program_start("example_crawler", "-c", at_once, "-d", depth, "-t", timeout_ms, url);
}

static int lines_with(const program *p, const char *text)
{
    int n = 0;
    for (const char *at = p->said; (at = strstr(at, text)); at += strlen(text))
        n++;
    return n;
}

/* It has been said, once. */
static void assert_said(const program *p, const char *line)
{
    if (lines_with(p, line) != 1)
        fail_msg("said %d times '%s':\n%s", lines_with(p, line), line, p->said);
}

static void test_it_says_how_it_is_used(void **state)
{
    (void)state;
    assert_int_equal(program_wait(program_start("example_crawler")), 2);
    assert_int_equal(program_wait(program_start("example_crawler", "-c", "0", "http://x/")), 2);
    program *p = program_start("example_crawler", "mailto:somebody");
    assert_int_equal(program_wait(p), 2);
    assert_string_equal(p->said, "");
    assert_non_null(strstr(program_errors(p), "usage: crawler"));
}

static void test_nobody_is_there(void **state)
{
    (void)state;
    program *site = site_start(&port);
    program_close_input(site);
    assert_int_equal(program_wait(site), 0);
    program *p = start_crawler("8", "3", "60000", "");
    program_must_succeed(p);
    assert_said(p, "0    0        0  /: ");
    assert_said(p, "0 pages, 0 bytes, 1 errors in ");
}

static void test_every_page_is_visited_once(void **state)
{
    char text[100];
    (void)state;
    site_start(&port);
    program *p = start_crawler("8", "3", "1500", "");
    program_must_succeed(p);
    assert_said(p, "0  200      290  /\n");
    assert_said(p, "1  200       66  /a\n");
    assert_said(p, "1  200       58  /b\n");
    assert_said(p, "1  404       31  /missing\n");
    assert_said(p, "1    0        0  /stalls: connection timed out\n");
    assert_said(p, "1  200       16  /breaks: Transferred a partial file\n");
    assert_said(p, "3  200       41  /deep?n=3\n");
    assert_int_equal(lines_with(p, "/deep?n=4"), 0);
    assert_int_equal(lines_with(p, "elsewhere"), 0);
    for (int i = 1; i <= 20; i++) {
        snprintf(text, sizeof text, "2  200        5  /work?ms=20&i=%d\n", i);
        assert_said(p, text);
    }
    snprintf(text, sizeof text, "1  301        0  /moved -> http://127.0.0.1:%d/a\n", port);
    assert_said(p, text);
    assert_said(p, "27 pages, 1275 bytes, 3 errors in ");
    assert_int_equal(lines_with(p, "\n"), 32);
    assert_int_equal(site_stats(port).requests, 31);
}

static void test_no_more_at_once_than_asked_for(void **state)
{
    (void)state;
    site_start(&port);
    program_must_succeed(start_crawler("3", "1", "60000", "/many"));
    struct site_stats s = site_stats(port);
    assert_int_equal(s.requests, 21);
    assert_in_range(s.most, 2, 3);
    assert_in_range(s.connections, 2, 4); /* they are used again; one more asked for this */
    site_start(&port);
    program_must_succeed(start_crawler("1", "1", "60000", "/many"));
    s = site_stats(port);
    assert_int_equal(s.requests, 21);
    assert_int_equal(s.most, 1);
}

static void test_a_cancelled_crawl_hangs_up(void **state)
{
    (void)state;
    site_start(&port);
    program *p = start_crawler("4", "1", "600000", "");
    for (int i = 0; i < 8; i++) /* all but /stalls */
        assert_non_null(program_line(p));
    while (site_stats(port).now == 0)
        usleep(1000);
    program_signal(p, SIGINT);
    assert_int_equal(program_wait(p), 130);
    assert_said(p, "5 pages, ");
    while (site_stats(port).now > 0)
        usleep(1000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_it_says_how_it_is_used),     TEST(test_nobody_is_there),
        TEST(test_every_page_is_visited_once), TEST(test_no_more_at_once_than_asked_for),
        TEST(test_a_cancelled_crawl_hangs_up),
    };
    return RUN_TESTS("crawler", tests);
}
