/* The REST API at a PostgreSQL of the test's own (with_postgres.sh): the same requests both ways.
 */
#include "http.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static int port;

static program *rest_start(void)
{
    program *rest = program_start("example_rest", "127.0.0.1:0");
    port = atoi(strrchr(program_line_with(rest, "listening on "), ':') + 1);
    return rest;
}

static void rest_stop(program *rest)
{
    program_signal(rest, SIGTERM);
    assert_int_equal(program_wait(rest), 0);
}

/* The whole answer, head and body; good until the next call. */
static const char *request(const char *method, const char *path, const char *body)
{
    static char text[8192];
    size_t len = 0;
    int fd = http_connect(port);
    assert_true(dprintf(fd,
                        "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                        "Content-Length: %zu\r\n\r\n%s",
                        method, path, strlen(body), body) > 0);
    for (ssize_t n; (n = read(fd, text + len, sizeof text - 1 - len)) > 0;)
        len += (size_t)n;
    text[len] = '\0';
    close(fd);
    return text;
}

static const char *const ways[] = { "/async", "/blocking" };

static const char *on(const char *way, const char *path)
{
    static char text[100];
    snprintf(text, sizeof text, "%s%s", way, path);
    return text;
}

/* The body, where the status is this one. */
static const char *expect(const char *method, const char *path, const char *body, int status)
{
    const char *answer = request(method, path, body);
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || atoi(answer + 9) != status)
        fail_msg("%s %s %s was answered with: %s", method, path, body, answer);
    const char *end = strstr(answer, "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}

static void test_without_a_database_it_does_not_start(void **state)
{
    (void)state;
    program *rest = program_start("/bin/sh", "-c",
                                  "PGHOST=/nowhere exec " YOKE_BUILD_DIR "/example_rest "
                                  "127.0.0.1:0");
    assert_int_equal(program_wait(rest), 1);
    assert_non_null(strstr(program_errors(rest), "/nowhere"));
}

static void test_what_is_wrong_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path, *body;
        int status;
    } wrong[] = {
        { "POST", "/items", "", 400 },
        { "POST", "/items", "{\"name\": \"tea\"", 400 },
        { "POST", "/items", "[]", 400 },
        { "POST", "/items", "{\"name\": \"tea\"}", 400 },
        { "POST", "/items", "{\"name\": \"tea\", \"price\": 1, \"name\": \"x\"}", 400 },
        { "POST", "/items", "{\"name\": \"tea\", \"price\": 1, \"more\": 1}", 400 },
        { "POST", "/items", "{\"name\": \"tea\", \"price\": \"1\"}", 400 },
        { "POST", "/items", "{\"name\": \"tea\", \"price\": -1}", 400 },
        { "POST", "/items", "{\"name\": \"\", \"price\": 1}", 400 },
        { "POST", "/items", "{\"name\": \"tea\", \"price\": 99999999999}", 400 },
        { "GET", "/items?after=x", "", 400 },
        { "GET", "/items/7", "", 404 },
        { "GET", "/items/x", "", 404 },
        { "GET", "/items/1;DROP%20TABLE%20item", "", 404 },
        { "GET", "/items/9999999999999999999999", "", 404 },
        { "PUT", "/items/7", "{\"name\": \"tea\", \"price\": 1}", 404 },
        { "DELETE", "/items/7", "", 404 },
        { "PATCH", "/items/7", "", 405 },
        { "GET", "/nothing", "", 404 },
    };
    program *rest = rest_start();
    char huge[5000];
    memset(huge, ' ', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    for (int w = 0; w < 2; w++) {
        for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
            expect(wrong[i].method, on(ways[w], wrong[i].path), wrong[i].body, wrong[i].status);
        expect("POST", on(ways[w], "/items"), huge, 413);
    }
    assert_string_equal(expect("GET", "/async/items", "", 200), "[]\n"); /* nothing of it came in */
    rest_stop(rest);
}

/* Adds, reads, changes and removes by one way what the other way sees. */
static void test_both_ways_do_the_same(void **state)
{
    (void)state;
    program *rest = rest_start();
    for (int w = 0; w < 2; w++) {
        const char *one = ways[w], *other = ways[1 - w];
        char path[100], body[200];
        const char *answer =
            request("POST", on(one, "/items"), "{\"name\": \"t\\u00e9a'--\", \"price\": 250}");
        assert_non_null(strstr(answer, "HTTP/1.1 201 Created\r\n"));
        assert_int_equal(sscanf(strstr(answer, "Location: "), "Location: %99s", path), 1);
        assert_int_equal(strncmp(path, one, strlen(one)), 0);
        char id[24], rest_of_path[60];
        snprintf(id, sizeof id, "%.20s", strrchr(path, '/') + 1);
        snprintf(rest_of_path, sizeof rest_of_path, "/items/%s", id);
        snprintf(body, sizeof body, "{\"id\":%s,\"name\":\"t\303\251a'--\",\"price\":250}\n", id);
        assert_string_equal(strstr(answer, "\r\n\r\n") + 4, body);
        assert_string_equal(expect("GET", on(other, rest_of_path), "", 200), body);
        expect("POST", on(other, "/items"), "{\"name\": \"t\\u00e9a'--\", \"price\": 1}", 409);
        assert_non_null(strstr(
            expect("PUT", on(one, rest_of_path), "{\"name\": \"coffee\", \"price\": 300}", 200),
            "\"name\":\"coffee\",\"price\":300}"));
        expect("POST", on(one, "/items"), "{\"name\": \"milk\", \"price\": 0}", 201);
        expect("PUT", on(other, rest_of_path), "{\"name\": \"milk\", \"price\": 1}", 409);
        answer = expect("GET", on(other, "/items"), "", 200);
        assert_true(strstr(answer, "coffee") && strstr(answer, "milk"));
        snprintf(path, sizeof path, "%s/items?after=%s", other, id);
        answer = expect("GET", path, "", 200);
        assert_true(!strstr(answer, "coffee") && strstr(answer, "milk"));
        snprintf(path, sizeof path, "%s/items/%d", one, atoi(strstr(answer, "\"id\":") + 5));
        expect("DELETE", path, "", 200);
        expect("DELETE", on(other, rest_of_path), "", 200);
        expect("GET", on(one, rest_of_path), "", 404);
    }
    rest_stop(rest);
}

/* ---- A client that leaves -------------------------------------------------------------------- */

static int waiting_at_server(void)
{
    program *p = program_start("example_postgres_pool",
                               "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
                               " AND query LIKE 'SELECT id, name%'");
    program_must_succeed(p);
    int n = atoi(p->said);
    program_forget(p);
    return n;
}

static void test_a_client_that_leaves_has_its_statement_cancelled(void **state)
{
    (void)state;
    program *rest = rest_start();
    program *psql = program_start("/bin/sh", "-c", "exec psql -qAt");
    program_write(psql, "BEGIN; LOCK TABLE item; SELECT 'locked';\n");
    assert_string_equal(program_line(psql), "locked");
    int fd = http_connect(port);
    http_ask(fd, "/async/items", "");
    while (waiting_at_server() == 0)
        ;
    close(fd);
    while (waiting_at_server() > 0)
        ;
    program_close_input(psql);
    assert_int_equal(program_wait(psql), 0);
    expect("GET", "/async/items", "", 200);
    rest_stop(rest);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_without_a_database_it_does_not_start),
        TEST(test_what_is_wrong_is_refused),
        TEST(test_both_ways_do_the_same),
        TEST(test_a_client_that_leaves_has_its_statement_cancelled),
    };
    return RUN_TESTS("rest", tests);
}
