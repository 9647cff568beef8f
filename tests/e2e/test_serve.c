/* Tests of ngram serve: a true store, asked over HTTP. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include "e2e/browse.h"
#include "e2e/tool.h"
#include "support/json.h"

/* A search that takes longer than any test may: 60,000 n-grams, some ten milliseconds each. */
#define SLOW "/api/search/events?match=(.*)(.*)(.*)(.*)(.*)(.*)(%3F%3C%3D%5Cd%5CD%5Cd)%24"
enum { SLOW_NGRAMS = 60000 };

static tool server;
static unsigned port;

/* ---- The server ------------------------------------------------------------------------------ */

static void make_store(void)
{
    FILE *rows = fopen(in_folder("rows"), "we");
    fputs("Albert\t1900\t10\t1\nAlbert\t1901\t20\t2\nAlbert\t1903\t40\t4\nALBERT\t1901\t5\t1\n"
          "albert\t1902\t7\t1\nStra\xc3\x9f"
          "e\t1901\t3\t1\n"
          "a,b\t1902\t9\t1\nrun_VERB\t1901\t6\t1\nrun_NOUN\t1902\t4\t1\n"
          "sea of Japan\t1901\t8\t2\nBank of Japan\t1902\t9\t2\n",
          rows);
    for (int i = 0; i < SLOW_NGRAMS; i++)
        fprintf(rows, "zz%06d with many characters, or more\t1950\t1\t1\n", i);
    assert_int_equal(fclose(rows), 0);
    tool t = tool_run("index", in_folder("rows"), "-o", in_folder("store"), "--release", "r\"1",
                      "--language", "eng", "--workers", "1");
    assert_int_equal(t.status, 0);
    tool_free(&t);
}

/* Waits until it says where it is. */
static unsigned find_port(const tool *t)
{
    char said[8192];
    const char *at = NULL;
    unsigned number;
    while (!at) {
        ssize_t n = pread(t->err_fd, said, sizeof said - 1, 0);
        said[n > 0 ? n : 0] = '\0';
        at = strstr(said, "http://127.0.0.1:");
        if (!at || !strchr(at, '\n')) {
            at = NULL;
            tool_look_again(t);
        }
    }
    assert_int_equal(sscanf(at, "http://127.0.0.1:%u/", &number), 1);
    return number;
}

#define serve(...)                                                                               \
    do {                                                                                         \
        server = tool_start("serve", in_folder("store"), "--listen", "127.0.0.1:0", "--workers", \
                            "1", "--searches", "1", ##__VA_ARGS__);                              \
        port = find_port(&server);                                                               \
    } while (0)

/* To `target`: the server, or its group. It ends well, with all of its processes. */
static void end_server_by(pid_t target, int sig)
{
    family f = family_of(&server);
    assert_int_equal(kill(target, sig), 0);
    tool_wait(&server);
    if (server.status != 0 || strstr(server.err, "Sanitizer"))
        fail_msg("ended with %d and said: %s", server.status, server.err);
    family_wait_gone(&f);
    tool_free(&server);
}

static void end_server(void)
{
    end_server_by(server.pid, SIGTERM);
}

static int begin(void **state)
{
    if (make_folder(state) != 0)
        return -1;
    make_store();
    return 0;
}

static int kill_server(void **state)
{
    (void)state;
    if (server.pid > 0 && !server.out) {
        kill(server.pid, SIGTERM);
        tool_wait(&server);
        tool_free(&server);
    }
    server = (tool){ 0 };
    return 0;
}

/* ---- What is refused ------------------------------------------------------------------------- */

static void test_wrong_usage(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *args[6], *said;
    } wrong[] = {
        { 2, { "serve" }, "name the store" },
        { 2, { "serve", "a", "b" }, "one store is served at a time" },
        { 2, { "serve", "a", "--workers", "0" }, "--workers 0: must be a number from 1" },
        { 2, { "serve", "a", "--listen", "8080" }, "--listen 8080: must be HOST:PORT" },
        { 2, { "serve", "a", "--status", "x" }, "--status x: must be HOST:PORT" },
        { 2, { "serve", "a", "--listen", "::1:80" }, "--listen ::1:80: must be HOST:PORT" },
        { 2, { "serve", "a", "--listen", "localhost:http" }, "such as 127.0.0.1:8080" },
        { 2, { "serve", "a", "--listen", ":65536" }, "--listen :65536: must be HOST:PORT" },
        { 1, { "serve", "/nowhere/store" }, "/nowhere/store: no such file" },
        { 1, { "serve", "/etc/passwd" }, "/etc/passwd: " },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tool t = tool_run_opts(&(tool_options){ 0 }, wrong[i].args);
        assert_failed(&t, wrong[i].status, wrong[i].said);
        tool_free(&t);
    }
}

static void check_refused(const char *option, const char *value, const char *said)
{
    tool t = tool_run("serve", in_folder("store"), option, value);
    assert_failed(&t, 1, said);
    tool_free(&t);
}

static void test_what_cannot_be_served(void **state)
{
    (void)state;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    char address[32];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(at.sin_port));
    check_refused("--listen", address, address);
    check_refused("--listen", address, "address already in use");
    close(fd);
    check_refused("--listen", "203.0.113.7:0", "203.0.113.7");
    check_refused("--log", in_folder("."), "illegal operation on a directory");
    check_refused("--totals", "/nowhere/totals", "/nowhere/totals: no such file");
}

static void test_wrong_questions(void **state)
{
    (void)state;
    static const struct {
        const char *target, *said;
    } wrong[] = {
        { "/api/series", "words: name one or more n-grams" },
        { "/api/series?words=,%20,", "words: name one or more n-grams" },
        { "/api/series?words=a%2", "words: a % is followed by two hexadecimal digits" },
        { "/api/series?words=a&from=x",
          "from: must be a whole number from 1 to 9999, not \\\"x\\\"" },
        { "/api/series?words=a&to=10000", "to: must be a whole number" },
        { "/api/series?words=a&smooth=-1", "smooth: must be a whole number from 0 to 50" },
        { "/api/series?words=a&smooth=51", "smooth: must be a whole number from 0 to 50" },
        { "/api/series?words=a&from=1950&to=1900", "from: 1950 is after 1900" },
        { "/api/series?words=a&case_fold=maybe", "case_fold: must be 1 or 0, not \\\"maybe\\\"" },
        { "/api/series?words=a&format=xml", "format: must be one of json, csv, not \\\"xml\\\"" },
        { "/api/search", "match: a regular expression is missing" },
        { "/api/search?match=a(b", "missing closing parenthesis" },
        { "/api/search?match=a&limit=0", "limit: must be a whole number from 1 to 1000" },
        { "/api/search/events?match=%5B", "match: [: missing terminating ]" },
    };
    serve();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        page p = get_page(port, wrong[i].target);
        assert_int_equal(p.status, 400);
        assert_true(json_valid(p.body));
        assert_non_null(strstr(p.text, "application/problem+json"));
        if (!strstr(p.body, wrong[i].said))
            fail_msg("%s: %s", wrong[i].target, p.body);
        page_free(&p);
    }
    assert_page(port, "/api/chart.svg?words=nowhere", 404, "nothing to draw");
    assert_page(port, "/nothing", 404, "There is nothing at /nothing");
    page p = browse(port, "POST", "/api/series", "");
    assert_int_equal(p.status, 405);
    page_free(&p);
    p = browse(port, "POST", "/", "");
    assert_int_equal(p.status, 405);
    page_free(&p);
    end_server();
}

/* ---- The page -------------------------------------------------------------------------------- */

static void test_the_page_and_its_files(void **state)
{
    (void)state;
    char tag[64], line[100];
    serve();
    assert_page(port, "/", 200, "<title>Ngram Viewer</title>");
    assert_page(port, "/", 200, "Content-Security-Policy: default-src 'none'; script-src 'self'");
    assert_page(port, "/style.css", 200, "Content-Type: text/css; charset=utf-8\r\n");
    assert_page(port, "/app.js", 200, "Content-Type: text/javascript; charset=utf-8\r\n");
    page p = get_page(port, "/");
    const char *at = strstr(p.text, "\r\nETag: ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "\r\nETag: %60s", tag), 1);
    page_free(&p);
    snprintf(line, sizeof line, "If-None-Match: %s\r\n", tag);
    p = browse(port, "GET", "/", line);
    assert_int_equal(p.status, 304);
    assert_string_equal(p.body, "");
    page_free(&p);
    p = browse(port, "HEAD", "/", "");
    assert_int_equal(p.status, 200);
    assert_string_equal(p.body, "");
    page_free(&p);
    end_server_by(-server.pid, SIGINT); /* as Ctrl-C does */
}

static void test_answers_are_packed_and_logged(void **state)
{
    (void)state;
    size_t len;
    serve("--log", in_folder("log"));
    int fd = begin_browsing(port, "/app.js?packed", "Accept-Encoding: gzip\r\n");
    read_until(fd, "Content-Encoding: gzip\r\n");
    close(fd);
    end_server();
    char *log = read_bytes(in_folder("log"), &len);
    assert_non_null(strstr(log, "\"GET /app.js?packed HTTP/1.1\" 200 "));
    free(log);
    unlink(in_folder("log"));
}

/* It tells how it is at a port of its own. */
static void test_its_status(void **state)
{
    (void)state;
    char said[8192];
    unsigned status = 0;
    serve("--status", ":0");
    ssize_t n = pread(server.err_fd, said, sizeof said - 1, 0);
    said[n > 0 ? n : 0] = '\0';
    const char *at = strstr(said, "status on 127.0.0.1:");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "status on 127.0.0.1:%u", &status), 1);
    assert_page(port, "/api/store", 200, "60009");
    assert_page(status, "/metrics", 200, "# TYPE ");
    assert_page(status, "/status.json", 200, "application/json");
    end_server();
}

/* Every file that the page names is there. */
static void test_the_page_asks_nobody_else(void **state)
{
    (void)state;
    serve();
    page p = get_page(port, "/");
    char *text = strdup(p.body);
    for (char *at = text; (at = strstr(at, "=\"")); at++) {
        char name[200];
        if (sscanf(at, "=\"/%190[^\"?]", name) == 1) {
            char path[201];
            snprintf(path, sizeof path, "/%s", name);
            assert_page(port, path, 200, "ETag: ");
        }
    }
    assert_null(strstr(text, "http://"));
    assert_null(strstr(text, "https://"));
    assert_null(strstr(text, " style=")); /* the policy forbids it */
    free(text);
    page_free(&p);
    end_server();
}

/* ---- Years ----------------------------------------------------------------------------------- */

static void check_answer(const char *target, const char *expected)
{
    page p = get_page(port, target);
    if (p.status != 200 || strcmp(p.body, expected) != 0)
        fail_msg("%s\ngave: %s\nnot:  %s", target, p.text, expected);
    page_free(&p);
}

static void test_years(void **state)
{
    (void)state;
    serve();
    check_answer(
        "/api/series?words=Albert",
        "{\"unit\":\"match_count\",\"smooth\":0,\"years\":[1900,1901,1902,1903],"
        "\"ngrams\":[\n{\"word\":\"Albert\",\"ngram\":\"Albert\",\"values\":[10,20,0,40]}],"
        "\"missing\":[]}\n");
    check_answer("/api/series?words=%20Albert%20,nowhere,run_*&from=1901&to=1902",
                 "{\"unit\":\"match_count\",\"smooth\":0,\"years\":[1901,1902],\"ngrams\":[\n"
                 "{\"word\":\"Albert\",\"ngram\":\"Albert\",\"values\":[20,0]},\n"
                 "{\"word\":\"run_*\",\"ngram\":\"run_VERB\",\"values\":[6,0]},\n"
                 "{\"word\":\"run_*\",\"ngram\":\"run_NOUN\",\"values\":[0,4]}],"
                 "\"missing\":[\"nowhere\"]}\n");
    check_answer("/api/series?words=a%5C,b,*+of++Japan",
                 "{\"unit\":\"match_count\",\"smooth\":0,\"years\":[1901,1902],\"ngrams\":[\n"
                 "{\"word\":\"a,b\",\"ngram\":\"a,b\",\"values\":[0,9]},\n"
                 "{\"word\":\"* of Japan\",\"ngram\":\"Bank of Japan\",\"values\":[0,9]},\n"
                 "{\"word\":\"* of Japan\",\"ngram\":\"sea of Japan\",\"values\":[8,0]}],"
                 "\"missing\":[]}\n");
    check_answer("/api/series?words=aLbErT&case_fold=1&smooth=1",
                 "{\"unit\":\"match_count\",\"smooth\":1,\"years\":[1900,1901,1902,1903],"
                 "\"ngrams\":[\n{\"word\":\"aLbErT\",\"ngram\":\"aLbErT\","
                 "\"values\":[17.5,14,24,23.5]}],\"missing\":[]}\n");
    check_answer("/api/series?words=STRASSE&case_fold=1",
                 "{\"unit\":\"match_count\",\"smooth\":0,\"years\":[1901],\"ngrams\":[\n"
                 "{\"word\":\"STRASSE\",\"ngram\":\"STRASSE\",\"values\":[3]}],\"missing\":[]}\n");
    check_answer("/api/series?words=nowhere",
                 "{\"unit\":\"match_count\",\"smooth\":0,\"years\":[],\"ngrams\":[],"
                 "\"missing\":[\"nowhere\"]}\n");
    end_server();
}

static void test_relative_numbers(void **state)
{
    (void)state;
    serve();
    assert_page(port, "/api/series?words=Albert&relative=1", 200,
                "{\"unit\":\"per million n-grams of the store\",\"smooth\":0,"
                "\"years\":[1900,1901,1902,1903],\"ngrams\":[\n{\"word\":\"Albert\","
                "\"ngram\":\"Albert\",\"values\":[1e+06,476190,0,1e+06]}]");
    end_server();
    write_text("totals", "\t1900,1000000,1,1\t1901,2000000,1,1\t1903,10000000,1,1\t\n");
    serve("--totals", in_folder("totals"));
    assert_page(
        port, "/api/series?words=Albert&relative=1", 200,
        "{\"unit\":\"per million words\",\"smooth\":0,\"years\":[1900,1901,1902,1903],"
        "\"ngrams\":[\n{\"word\":\"Albert\",\"ngram\":\"Albert\",\"values\":[10,10,null,4]}]");
    assert_page(port, "/api/store", 200,
                "{\"release\":\"r\\\"1\",\"language\":\"eng\",\"ngrams\":60009,\"first_year\":1900,"
                "\"last_year\":1950,\"relative_unit\":\"per million words\",\"sources\":[\"");
    end_server();
}

/* Whoever replaces the store is seen by look-ups and by searches. */
static void test_a_store_that_is_made_anew(void **state)
{
    (void)state;
    serve();
    check_answer("/api/search?match=%5ENewton%24", "{\"found\":0,\"searched\":60009,\"hits\":[]}");
    shell("mv '%s' '%s'", in_folder("store"), in_folder("store.old"));
    assert_page(port, "/api/series?words=Albert", 200, "[10,20,0,40]");
    tool t = tool_run("index", write_text("more", "Newton\t1900\t3\t1\n"), "-o", in_folder("store"),
                      "--workers", "1");
    assert_int_equal(t.status, 0);
    tool_free(&t);
    assert_page(port, "/api/series?words=Newton", 200, "\"values\":[3]");
    check_answer("/api/search?match=%5ENewton%24",
                 "{\"found\":1,\"searched\":1,\"hits\":[{\"ngram\":\"Newton\",\"match_count\":3,"
                 "\"volume_count\":1}]}");
    shell("mv '%s' '%s'", in_folder("store.old"), in_folder("store"));
    assert_page(port, "/api/series?words=Albert", 200, "[10,20,0,40]");
    end_server();
}

/* The CSV is that of ngram series. */
static void test_csv(void **state)
{
    (void)state;
    serve();
    tool t = tool_run("series", "Albert", "run_*", "a,b", "--smooth", "1", "--store",
                      in_folder("store"), "--format", "csv");
    check_answer("/api/series?words=Albert,run_*,a%5C,b&smooth=1&format=csv", t.out);
    tool_free(&t);
    end_server();
}

static void test_pictures(void **state)
{
    (void)state;
    serve();
    page p = get_page(port, "/api/chart.svg?words=Albert");
    if (p.status == 501)
        assert_non_null(strstr(p.body, "install it (Debian: gnuplot-nox)"));
    else
        assert_non_null(strstr(p.body, "<svg"));
    page_free(&p);
    end_server();
}

/* ---- Searches -------------------------------------------------------------------------------- */

static void test_searches(void **state)
{
    (void)state;
    serve();
    check_answer("/api/search?match=%5Ea.*t%24&case_fold=1",
                 "{\"found\":3,\"searched\":60009,\"hits\":["
                 "{\"ngram\":\"Albert\",\"match_count\":70,\"volume_count\":7},"
                 "{\"ngram\":\"albert\",\"match_count\":7,\"volume_count\":1},"
                 "{\"ngram\":\"ALBERT\",\"match_count\":5,\"volume_count\":1}]}");
    check_answer("/api/search?match=%5Ea.*t%24&case_fold=1&limit=1&from=1902&to=1902",
                 "{\"found\":1,\"searched\":60009,\"hits\":["
                 "{\"ngram\":\"albert\",\"match_count\":7,\"volume_count\":1}]}");
    check_answer("/api/search?match=%5Erun", "{\"found\":0,\"searched\":60009,\"hits\":[]}");
    check_answer("/api/search?match=%5Erun&tags",
                 "{\"found\":2,\"searched\":60009,\"hits\":["
                 "{\"ngram\":\"run_VERB\",\"match_count\":6,\"volume_count\":1},"
                 "{\"ngram\":\"run_NOUN\",\"match_count\":4,\"volume_count\":1}]}");
    assert_page(port, "/api/search/events?match=Japan%24", 200,
                "event: done\ndata: {\"found\":2,\"searched\":60009,\"hits\":[{");
    assert_page(port,
                "/api/search/events?match=(a%2b)%2b(a%2b)%2b(w%2b)%2b.*.*.*.*.*.*.*.*.*%24%23", 200,
                "event: ");
    end_server();
}

/* There is one process for searches. Whoever leaves gives it free, and whoever asks for little
 * does not wait for it. */
static void test_a_client_that_leaves_ends_its_search(void **state)
{
    (void)state;
    serve();
    int fd = begin_browsing(port, SLOW, "");
    read_until(fd, "event: progress");
    int waits = begin_browsing(port, SLOW, "");
    read_until(waits, "event: progress\ndata: {\"done\":0,\"total\":0}");
    assert_page(port, "/api/series?words=Albert", 200, "[10,20,0,40]");
    assert_page(port, "/api/store", 200, "60009");
    close(waits);
    close(fd);
    assert_page(port, "/api/search?match=Japan%24", 200, "\"found\":2");
    end_server();
}

/* One process for searches: 64 of them may wait, and a few are on their way to it. */
static void test_too_many_searches(void **state)
{
    (void)state;
    int fds[100], n = 0;
    char head[13] = "";
    serve();
    for (; n < 100 && strcmp(head, "HTTP/1.1 503") != 0; n++) {
        fds[n] = begin_browsing(port, SLOW, "");
        assert_int_equal(recv(fds[n], head, 12, MSG_WAITALL), 12);
    }
    assert_in_range(n, 65, 99);
    read_until(fds[n - 1], "\r\nRetry-After: 1\r\n");
    assert_page(port, "/api/series?words=Albert&case_fold=1", 200, "[10,25,7,40]");
    while (n > 0)
        close(fds[--n]);
    for (int status = 503; status != 200;) { /* until it has seen that they left */
        page p = get_page(port, "/api/search?match=Japan%24");
        status = p.status;
        page_free(&p);
        tool_look_again(&server);
    }
    end_server();
}

static void test_an_interruption_ends_searches(void **state)
{
    (void)state;
    serve();
    int fd = begin_browsing(port, SLOW, "");
    read_until(fd, "event: progress");
    family f = family_of(&server);
    assert_int_equal(kill(server.pid, SIGINT), 0);
    kill(server.pid, SIGINT);
    tool_wait(&server);
    family_wait_gone(&f);
    close(fd);
    tool_free(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_usage),
        cmocka_unit_test(test_what_cannot_be_served),
        cmocka_unit_test_teardown(test_wrong_questions, kill_server),
        cmocka_unit_test_teardown(test_the_page_and_its_files, kill_server),
        cmocka_unit_test_teardown(test_answers_are_packed_and_logged, kill_server),
        cmocka_unit_test_teardown(test_its_status, kill_server),
        cmocka_unit_test_teardown(test_the_page_asks_nobody_else, kill_server),
        cmocka_unit_test_teardown(test_years, kill_server),
        cmocka_unit_test_teardown(test_relative_numbers, kill_server),
        cmocka_unit_test_teardown(test_a_store_that_is_made_anew, kill_server),
        cmocka_unit_test_teardown(test_csv, kill_server),
        cmocka_unit_test_teardown(test_pictures, kill_server),
        cmocka_unit_test_teardown(test_searches, kill_server),
        cmocka_unit_test_teardown(test_a_client_that_leaves_ends_its_search, kill_server),
        cmocka_unit_test_teardown(test_too_many_searches, kill_server),
        cmocka_unit_test_teardown(test_an_interruption_ends_searches, kill_server),
    };
    return cmocka_run_group_tests_name("e2e/serve", tests, begin, remove_folder);
}
