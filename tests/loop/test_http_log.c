/* Tests of the access log: what stands in it, and that nobody ever waits for it. */
#include <sys/wait.h>

#include "executor/error.h"
#include "http_client.h"
#include "loop/http/log.h"
#include "loop/http/log_internal.h"

#define HOST "Host: test\r\n"

/* ---- Files ----------------------------------------------------------------------------------- */

static char folder[32], path[64], other[64];

static int make_folder(void **state)
{
    strcpy(folder, "/tmp/yoke-log-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/access.log", folder);
    snprintf(other, sizeof other, "%s/access.log.1", folder);
    return support_before(state);
}

static int remove_folder(void **state)
{
    unlink(path);
    unlink(other);
    assert_ok(rmdir(folder));
    return support_after(state);
}

#define LOG_TEST(fn)                                                 \
    {                                                                \
#fn, fn, make_folder, remove_folder, (void *)(uintptr_t) #fn \
    }

static char *contents(const char *of)
{
    static char text[1 << 20];
    FILE *f = fopen(of, "r");
    if (!f)
        return NULL;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    return text;
}

static size_t lines_in(const char *of)
{
    size_t lines = 0;
    for (const char *c = contents(of); c && *c; c++)
        lines += *c == '\n';
    return lines;
}

static yk_http_log *open_log(size_t most, uint64_t delay)
{
    yk_http_log *log;
    assert_ok(yk_http_log_open_with(&log, path, .most_unwritten = most, .delay_ms = delay));
    return log;
}

static void add(yk_http_log *log, const char *target)
{
    yk__http_log_add(log, &(yk__http_entry){ .peer = "192.0.2.1",
                                             .method = "GET",
                                             .target = target,
                                             .minor = 1,
                                             .status = 200,
                                             .bytes = 13,
                                             .ns = 1234567890 });
}

static void test_a_log_that_cannot_be_opened(void **state)
{
    (void)state;
    yk_http_log *log = NULL;
    assert_int_equal(yk_http_log_open(&log, "/proc/none/access.log"), UV_ENOENT);
    assert_int_equal(yk_http_log_open(&log, folder), UV_EISDIR);
    assert_null(log);
    assert_ok(yk_http_log_close(NULL));
}

/* ---- A disk that is slow --------------------------------------------------------------------- */

/* How many lines the log says were dropped; *lines: how many others there are. */
static uint64_t told_in(const char *text, size_t *lines)
{
    uint64_t told = 0;
    *lines = 0;
    for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        if (*line == '#')
            told += strtoull(line + 2, NULL, 10);
        else
            ++*lines;
    }
    return told;
}

/* A pipe that nobody reads stands for it. What is written when somebody does is what was not
 * dropped, and how much was. */
static void test_lines_are_dropped_while_nothing_is_written(void **state)
{
    (void)state;
    static char text[1 << 20];
    assert_ok(mkfifo(path, 0600));
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    yk_http_log *log = open_log(1, 1);
    size_t added = 0, len = 0, lines = 0;
    while (yk_http_log_dropped(log) < 100 && added < 1000000) {
        add(log, "/slow");
        added++;
    }
    assert_int_equal(yk_http_log_dropped(log), 100);
    assert_in_range(added, 250, 10000);
    uint64_t until = yk_after_ms(10000ull * support_slowness());
    while (told_in(text, &lines) < 100 && yk_now() < until) {
        ssize_t n = read(reader, text + len, sizeof text - 1 - len);
        len += n > 0 ? (size_t)n : 0;
        text[len] = '\0';
        support_pause();
    }
    assert_int_equal(told_in(text, &lines), 100);
    assert_int_equal(lines, added - 100);
    assert_ok(yk_http_log_close(log));
    close(reader);
}

static void test_close_gives_up_a_disk_that_takes_nothing(void **state)
{
    (void)state;
    assert_ok(mkfifo(path, 0600));
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    yk_http_log *log = open_log((size_t)1 << 20, 1);
    for (int i = 0; i < 2000; i++)
        add(log, "/stuck");
    assert_int_equal(yk_http_log_close(log), UV_ETIMEDOUT);
    close(reader); /* its thread sees that, and ends */
}

static void test_a_full_disk_costs_lines(void **state)
{
    (void)state;
    yk_http_log *log;
    assert_ok(yk_http_log_open_with(&log, "/dev/full", .delay_ms = 1));
    add(log, "/lost");
    eventually(yk_http_log_dropped(log) == 1);
    assert_ok(yk_http_log_close(log));
}

/* ---- What stands there ----------------------------------------------------------------------- */

static void test_what_a_client_sends_cannot_forge_a_line(void **state)
{
    (void)state;
    yk_http_log *log = open_log(0, 0);
    yk__http_log_add(log, &(yk__http_entry){ .peer = "::1",
                                             .method = "G\"T",
                                             .target = "/a\nb\\\"\x7f\xc3\xa9",
                                             .status = 404,
                                             .referer = "\" 200 \"",
                                             .agent = "" });
    yk__http_log_add(log,
                     &(yk__http_entry){ .peer = "", .method = "", .target = "", .status = 400 });
    char *large = malloc(100000);
    memset(large, 1, 99999);
    large[99999] = '\0';
    yk__http_log_add(log, &(yk__http_entry){ .peer = large,
                                             .method = large,
                                             .target = large,
                                             .status = 414,
                                             .referer = large,
                                             .agent = large });
    free(large);
    assert_ok(yk_http_log_close(log));
    char *text = contents(path), *first = text, *second = strchr(text, '\n') + 1;
    second[-1] = '\0';
    assert_int_equal(strncmp(first, "::1 - - [", 9), 0);
    assert_string_equal(strchr(first, ']'),
                        "] \"G\\x22T /a\\x0Ab\\x5C\\x22\\x7F\\xC3\\xA9 HTTP/1.0\" "
                        "404 0 \"\\x22 200 \\x22\" \"-\" 0.000000");
    char *third = strchr(second, '\n') + 1;
    third[-1] = '\0';
    assert_string_equal(strchr(second, ']'), "] \"-\" 400 0 \"-\" \"-\" 0.000000");
    assert_in_range(strlen(third), 4000, 8192);
    assert_ptr_equal(strchr(third, '\n') + 1, third + strlen(third));
}

static void test_flush_does_not_wait_for_more_lines(void **state)
{
    (void)state;
    yk_http_log *log = open_log(0, 1000000);
    assert_ok(yk_http_log_flush(log));
    for (size_t i = 1; i <= 3; i++) {
        add(log, "/flushed");
        assert_ok(yk_http_log_flush(log));
        assert_int_equal(lines_in(path), i);
    }
    add(log, "/closed");
    assert_ok(yk_http_log_close(log));
    assert_int_equal(lines_in(path), 4);
}

static void test_reopened_after_a_rename(void **state)
{
    (void)state;
    yk_http_log *log = open_log(0, 1);
    add(log, "/one");
    eventually(lines_in(path) == 1);
    assert_ok(rename(path, other));
    add(log, "/two");
    eventually(lines_in(other) == 2);
    yk_http_log_reopen(log);
    eventually(access(path, F_OK) == 0);
    add(log, "/three");
    assert_ok(yk_http_log_close(log));
    assert_int_equal(lines_in(other), 2);
    assert_non_null(
        strstr(contents(path), "\"GET /three HTTP/1.1\" 200 13 \"-\" \"-\" 1.234567\n"));
}

static void test_a_forked_child_logs_too(void **state)
{
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it allows no threads in a child of a program with threads */
#endif
    yk_http_log *log = open_log(0, 10);
    add(log, "/parent");
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 1000; i++)
            add(log, "/child");
        uint64_t dropped = yk_http_log_dropped(log);
        _exit(yk_http_log_close(log) || dropped);
    }
    for (int i = 0; i < 1000; i++)
        add(log, "/parent");
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_ok(yk_http_log_close(log));
    size_t of_child = 0, of_parent = 0;
    for (char *line = strtok(contents(path), "\n"); line; line = strtok(NULL, "\n")) {
        of_child += strstr(line, "] \"GET /child HTTP/1.1\" 200 13 \"-\" \"-\" 1.234567") != NULL;
        of_parent += strstr(line, "] \"GET /parent HTTP/1.1\" 200 13 \"-\" \"-\" 1.234567") != NULL;
    }
    assert_int_equal(of_child, 1000);
    assert_int_equal(of_parent, 1001);
}

/* ---- Of a server ----------------------------------------------------------------------------- */

static int hello(yk_http *h, void *arg)
{
    (void)arg;
    return yk_http_send(h, 200, "text/plain", "hello\n", 6);
}

static int wait_for_ever(yk_http *h, void *arg)
{
    (void)h;
    (void)arg;
    return yk_sleep_until(YK_FOREVER);
}

static int serve_some(void *arg)
{
    static const yk_http_route routes[] = { { "GET", "/hello", hello, NULL },
                                            { "GET", "/wait", wait_for_ever, NULL },
                                            { 0 } };
    served *s = serve_http(&(yk_http_service){ .routes = routes, .log = arg });
    yk_stream *c = dial(s);
    say(c, "GET /hello?a=b HTTP/1.1\r\n" HOST "Referer: r\r\nUser-Agent: u 1\r\n\r\n"
           "HEAD /hello HTTP/1.1\r\n" HOST "\r\nGET /%41 HTTP/1.1\r\n" HOST "\r\n"
           "GET /wait HTTP/1.1\r\n" HOST "\r\n");
    forget(hear(c));
    forget(hear_for(c, "HEAD"));
    forget(hear(c));
    yk_stream_close(c);
    assert_once(s, "nonsense\r\n\r\n", 400, "400 Bad Request\n");
    serve_no_more(s);
    return 0;
}

static void assert_line(const char **text, const char *expected)
{
    const char *end = strchr(*text, '\n');
    assert_non_null(end);
    assert_int_equal(strncmp(*text, "127.0.0.1 - - [", 15), 0);
    const char *rest = strstr(*text, "+0000] ");
    assert_non_null(rest);
    size_t n = strlen(expected);
    if (strncmp(rest + 7, expected, n) != 0)
        fail_msg("%.*s", (int)(end - *text), *text);
    *text = end + 1;
}

static void test_each_answer_has_its_line(void **state)
{
    (void)state;
    yk_http_log *log = open_log(0, 0);
    on_loop(serve_some, log);
    assert_ok(yk_http_log_close(log));
    const char *text = contents(path);
    assert_line(&text, "\"GET /hello?a=b HTTP/1.1\" 200 6 \"r\" \"u 1\" 0.0");
    assert_line(&text, "\"HEAD /hello HTTP/1.1\" 200 0 \"-\" \"-\" 0.0");
    assert_line(&text, "\"GET /%41 HTTP/1.1\" 404 14 \"-\" \"-\" 0.0");
    bool left_first = strstr(text, "499") < strstr(text, " 400 ");
    if (left_first)
        assert_line(&text, "\"GET /wait HTTP/1.1\" 499 0 \"-\" \"-\" ");
    assert_line(&text, "\"-\" 400 16 \"-\" \"-\" 0.000000");
    if (!left_first)
        assert_line(&text, "\"GET /wait HTTP/1.1\" 499 0 \"-\" \"-\" ");
    assert_string_equal(text, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        LOG_TEST(test_a_log_that_cannot_be_opened),
        LOG_TEST(test_lines_are_dropped_while_nothing_is_written),
        LOG_TEST(test_close_gives_up_a_disk_that_takes_nothing),
        LOG_TEST(test_a_full_disk_costs_lines),
        LOG_TEST(test_what_a_client_sends_cannot_forge_a_line),
        LOG_TEST(test_flush_does_not_wait_for_more_lines),
        LOG_TEST(test_reopened_after_a_rename),
        LOG_TEST(test_a_forked_child_logs_too),
        LOG_TEST(test_each_answer_has_its_line),
    };
    return RUN_TESTS("http_log", tests);
}
