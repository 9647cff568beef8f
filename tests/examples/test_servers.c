/* The examples that serve and ask: hash_server, gateway, load_tester. */
#include "program.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- Talking to a line server ---------------------------------------------------------------- */

/* "listening on 127.0.0.1:4711" */
static int port_of(program *server)
{
    const char *line = program_line_with(server, "listening on ");
    return atoi(strrchr(line, ':') + 1);
}

static FILE *connect_to(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    FILE *f = fdopen(fd, "r+");
    assert_non_null(f);
    setvbuf(f, NULL, _IONBF, 0);
    return f;
}

static const char *ask(FILE *f, const char *line)
{
    static char answer[1000];
    assert_true(fprintf(f, "%s\n", line) > 0);
    return fgets(answer, sizeof answer, f) ? answer : "";
}

static void must_answer(FILE *f, const char *line, const char *expected)
{
    const char *answer = ask(f, line);
    if (strcmp(answer, expected) != 0)
        fail_msg("'%s' was answered with '%s' instead of '%s'", line, answer, expected);
}

/* ---- hash_server ----------------------------------------------------------------------------- */

static void test_hash_server(void **state)
{
    (void)state;
    enum { CLIENTS = 5 };
    program *server = program_start("example_hash_server", "0");
    int port = port_of(server);
    FILE *clients[CLIENTS];
    char salts[CLIENTS][40];
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = connect_to(port);
        assert_true(fprintf(clients[i], "secret\n") > 0); /* all at once */
    }
    for (int i = 0; i < CLIENTS; i++) {
        char hash[80];
        assert_int_equal(fscanf(clients[i], "%39s %79s", salts[i], hash), 2);
        assert_int_equal(fgetc(clients[i]), '\n');
        assert_int_equal(strlen(salts[i]), 32);
        assert_int_equal(strlen(hash), 64);
        assert_int_equal(strspn(hash, "0123456789abcdef"), 64);
        assert_true(i == 0 || strcmp(salts[i], salts[0]) != 0);
    }
    char endless[400];
    memset(endless, 'x', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    must_answer(clients[0], endless, "too long\n");
    assert_int_equal(fgetc(clients[0]), EOF);
    for (int i = 0; i < CLIENTS; i++)
        fclose(clients[i]);
    program_signal(server, SIGINT);
    unsigned ticks = 0;
    assert_int_equal(sscanf(program_line_with(server, "ticks"), "%u ticks; late by", &ticks), 1);
    assert_true(ticks > 0);
    assert_int_equal(program_wait(server), 128 + SIGINT);
}

/* ---- gateway --------------------------------------------------------------------------------- */

static program *start_back(const char *name, char port[12])
{
    program *back = program_start("example_gateway", "back", name, port[0] ? port : "0");
    snprintf(port, 12, "%d", port_of(back));
    return back;
}

static void test_gateway(void **state)
{
    (void)state;
    static const char *const names[] = { "news", "stocks", "weather" };
    program *backs[3];
    char ports[3][12] = { "", "", "" };
    for (int i = 0; i < 3; i++)
        backs[i] = start_back(names[i], ports[i]);
    program *front = program_start("example_gateway", "front", "0", ports[0], ports[1], ports[2]);
    FILE *client = connect_to(port_of(front));
    must_answer(client, "today", "news of today; stocks of today; weather of today\n");

    program_signal(backs[1], SIGKILL);
    program_wait(backs[1]);
    const char *answer = ask(client, "Monday");
    assert_non_null(strstr(answer, "news of Monday; nothing: "));
    assert_non_null(strstr(answer, "; weather of Monday\n"));
    /* Three tries have failed: it is not asked any more, until a while has passed. */
    must_answer(client, "Tuesday", "news of Tuesday; nothing: not asked; weather of Tuesday\n");

    program *again = start_back("stocks", ports[1]); /* where it was */
    do                                               /* a client that asks again and again */
        answer = ask(client, "Friday");
    while (strstr(answer, "nothing"));
    assert_string_equal(answer, "news of Friday; stocks of Friday; weather of Friday\n");

    program_signal(backs[2], SIGSTOP); /* it is there, and does not answer */
    answer = ask(client, "Saturday");
    assert_non_null(strstr(answer, "news of Saturday; stocks of Saturday; nothing: "));
    program_signal(backs[2], SIGCONT);
    fclose(client);
    program *left[] = { front, again, backs[0], backs[2] };
    for (int i = 0; i < 4; i++) {
        program_signal(left[i], SIGTERM);
        assert_int_equal(program_wait(left[i]), 128 + SIGTERM);
    }
}

/* ---- load_tester ----------------------------------------------------------------------------- */

static const char *url_of(const char *port, const char *path)
{
    static char url[100];
    snprintf(url, sizeof url, "http://localhost:%s%s", port, path);
    return url;
}

static void test_load_tester(void **state)
{
    (void)state;
    program *site = program_start("site");
    char port[12];
    snprintf(port, sizeof port, "%s", program_line(site));
    program *load = program_start("example_load_tester", url_of(port, "/work?ms=2"), "60", "6");
    program_line_with(load, "60 answers in ");
    program_line_with(load, "  50 %  within ");
    program_line_with(load, " 100 %  within ");
    program_must_succeed(load);
    load = program_start("example_load_tester", url_of(port, "/flaky"), "10", "1");
    assert_non_null(strstr(program_line(load), "5 answers in "));
    assert_int_equal(program_wait(load), 1);
    load = program_start("example_load_tester", url_of(port, "/breaks"), "3", "2");
    assert_non_null(strstr(program_line(load), "3 failed"));
    assert_int_equal(program_wait(load), 1);
    program_close_input(site);
    assert_int_equal(program_wait(site), 0);
}

static void test_load_tester_is_stopped(void **state)
{
    (void)state;
    program *site = program_start("site");
    char port[12];
    snprintf(port, sizeof port, "%s", program_line(site));
    program *load = program_start("example_load_tester", url_of(port, "/stalls"), "10", "2");
    bool has_asked;
    do {
        char text[400] = "";
        FILE *f = connect_to(atoi(port));
        fprintf(f, "GET /stats HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        has_asked = fread(text, 1, sizeof text - 1, f) > 0 && strstr(text, "now 2");
        fclose(f);
    } while (!has_asked);
    program_signal(load, SIGINT);
    assert_non_null(strstr(program_line(load), "0 answers in "));
    assert_int_equal(program_wait(load), 128 + SIGINT);
    program_close_input(site);
    program_wait(site);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_hash_server),
        TEST(test_gateway),
        TEST(test_load_tester),
        TEST(test_load_tester_is_stopped),
    };
    return RUN_TESTS("servers", tests);
}
