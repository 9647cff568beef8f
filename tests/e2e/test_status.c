/* Tests of --status: a running job is asked how far it is. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "e2e/browse.h"
#include "e2e/tool.h"
#include "support/json.h"

static unsigned find_port(const tool *t)
{
    char said[4096];
    unsigned port = 0;
    while (port == 0) {
        ssize_t n = pread(t->err_fd, said, sizeof said - 1, 0);
        said[n > 0 ? n : 0] = '\0';
        const char *at = strstr(said, "http://127.0.0.1:");
        if (!at || !strchr(at, '\n') || sscanf(at, "http://127.0.0.1:%u/", &port) != 1)
            tool_look_again(t);
    }
    return port;
}

static void test_wrong_addresses(void **state)
{
    (void)state;
    const char *rows = write_text("rows", "a\t1900\t1\t1\n");
    static const struct {
        int status;
        const char *address, *said;
    } wrong[] = {
        { 2, "8081", "--status 8081: must be HOST:PORT, such as 127.0.0.1:8081" },
        { 2, ":", "--status :: must be HOST:PORT" },
        { 2, "localhost:x", "--status localhost:x: must be HOST:PORT" },
        { 2, "::1:80", "--status ::1:80: must be HOST:PORT" },
        { 1, "203.0.113.7:0", "--status 203.0.113.7:0: " },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tool t = tool_run("count", rows, "--status", wrong[i].address, "-o", in_folder("out"));
        assert_failed(&t, wrong[i].status, wrong[i].said);
        tool_free(&t);
    }
    assert_int_equal(count_entries(), 1);
}

static void test_a_port_that_is_taken(void **state)
{
    (void)state;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    char address[32];
    const char *rows = write_text("rows", "a\t1900\t1\t1\n");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(address, sizeof address, ":%u", ntohs(at.sin_port));
    tool t = tool_run("top", rows, "--status", address);
    assert_failed(&t, 1, "address already in use");
    tool_free(&t);
    close(fd);
}

/* The value of a number in /status.json. */
static unsigned long number_of(unsigned port, const char *name)
{
    char value[64];
    page p = get_page(port, "/status.json");
    assert_int_equal(p.status, 200);
    assert_true(json_valid(p.body));
    assert_true(json_member(p.body, name, value, sizeof value));
    page_free(&p);
    return strtoul(value, NULL, 10);
}

static void test_a_running_job(void **state)
{
    (void)state;
    const char *pipe = in_folder("pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    tool t = tool_start("count", pipe, "--status", "127.0.0.1:0", "-o", in_folder("out"));
    unsigned port = find_port(&t);
    int fd = open(pipe, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_page(port, "/status.json", 200, "{\"command\":\"ngram count ");
    assert_page(port, "/status.json", 200, "\"phase\":\"reading\"");
    assert_page(port, "/", 200, "<script type=\"module\" src=\"/status.js\">");
    assert_page(port, "/status.js", 200, "text/javascript");
    assert_page(port, "/metrics", 200, "\nngram_running 1\n");
    assert_page(port, "/metrics", 200, "# TYPE ngram_rows_total counter\n");
    char *rows = make_rows(8 << 20, 3);
    size_t len = strlen(rows);
    for (size_t at = 0; at < len;) {
        ssize_t n = write(fd, rows + at, len - at);
        assert_true(n > 0);
        at += (size_t)n;
    }
    while (number_of(port, "rows") == 0 || number_of(port, "bytes") == 0)
        tool_look_again(&t);
    close(fd);
    tool_wait(&t);
    assert_int_equal(t.status, 0);
    tool_free(&t);
    free(rows);
}

static void test_an_interrupted_job(void **state)
{
    (void)state;
    const char *pipe = in_folder("pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    tool t = tool_start("top", pipe, "--status", ":0");
    unsigned port = find_port(&t);
    int fd = open(pipe, O_WRONLY | O_CLOEXEC);
    int asks = begin_browsing(port, "/status.json", "");
    read_until(asks, "\"phase\"");
    assert_int_equal(kill(t.pid, SIGINT), 0);
    tool_wait(&t);
    assert_int_equal(t.status, 130);
    assert_non_null(strstr(t.err, "ngram: interrupted"));
    close(asks);
    close(fd);
    tool_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_wrong_addresses, empty_folder),
        cmocka_unit_test_teardown(test_a_port_that_is_taken, empty_folder),
        cmocka_unit_test_teardown(test_a_running_job, empty_folder),
        cmocka_unit_test_teardown(test_an_interrupted_job, empty_folder),
    };
    return cmocka_run_group_tests_name("e2e/status", tests, make_folder, remove_folder);
}
