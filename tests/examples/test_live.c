/* The page with a live count: WebSocket clients in several workers, of which one is killed. */
#include "http.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static int port;

static program *live_start(const char *workers)
{
    program *live = program_start("example_live", "127.0.0.1:0", workers);
    port = atoi(strrchr(program_line_with(live, "listening on "), ':') + 1);
    return live;
}

static void live_stop(program *live)
{
    program_signal(live, SIGTERM);
    assert_int_equal(program_wait(live), 0);
}

/* ---- A client -------------------------------------------------------------------------------- */

typedef struct client {
    int fd;
    int users, worker; /* as it was told last */
} client;

static void receive(int fd, void *bytes, size_t len)
{
    assert_int_equal(recv(fd, bytes, len, MSG_WAITALL), len);
}

/* Until the empty line. */
static void receive_head(int fd, char *head, size_t size)
{
    size_t len = 0;
    do {
        assert_true(len + 1 < size);
        receive(fd, head + len++, 1);
        head[len] = '\0';
    } while (len < 4 || strcmp(head + len - 4, "\r\n\r\n") != 0);
}

static client client_connect(void)
{
    char head[1000];
    client c = { .fd = http_connect(port) };
    http_ask(c.fd, "/live",
             "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    receive_head(c.fd, head, sizeof head);
    assert_int_equal(strncmp(head, "HTTP/1.1 101 ", 13), 0);
    assert_non_null(strstr(head, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    return c;
}

/* The next message, a short one; false: there will be none. */
static bool client_hears(client *c)
{
    unsigned char frame[2];
    char text[126];
    ssize_t n = recv(c->fd, frame, 2, MSG_WAITALL);
    if (n != 2 || frame[0] != 0x81)
        return false; /* gone, or a goodbye */
    assert_true(frame[1] < sizeof text);
    receive(c->fd, text, frame[1]);
    text[frame[1]] = '\0';
    assert_int_equal(sscanf(text, "{\"users\":%d,\"worker\":%d}", &c->users, &c->worker), 2);
    return true;
}

static void client_must_hear(client *c, int users)
{
    while (c->users != users)
        if (!client_hears(c))
            fail_msg("it was cut off before it heard of %d users", users);
}

static void all_must_hear(client *clients, int n, int users)
{
    for (int i = 0; i < n; i++)
        client_must_hear(&clients[i], users);
}

/* With a goodbye, or as if the power had gone. */
static void client_leaves(client *c, bool politely)
{
    static const unsigned char goodbye[] = { 0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8 };
    if (politely) {
        assert_int_equal(send(c->fd, goodbye, sizeof goodbye, MSG_NOSIGNAL), sizeof goodbye);
        while (client_hears(c))
            ;
    }
    close(c->fd);
}

/* Clients until two workers have at least two each; how many there are. */
static int fill_two_workers(client *clients, int most)
{
    int n = 0, first = 0, others = 0;
    while (n < most && (first < 2 || others < 2)) {
        clients[n] = client_connect();
        client_must_hear(&clients[n], n + 1);
        first += clients[n].worker == clients[0].worker;
        others += clients[n].worker != clients[0].worker;
        n++;
    }
    assert_true(n < most);
    return n;
}

/* ---- The tests ------------------------------------------------------------------------------- */

static void test_the_page_is_there(void **state)
{
    (void)state;
    program *live = live_start("1");
    const char *answer = http_get(port, "/");
    assert_int_equal(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17), 0);
    assert_non_null(strstr(answer, "Content-Type: text/html; charset=utf-8\r\n"));
    assert_non_null(strstr(answer, "new WebSocket"));
    assert_int_equal(strncmp(http_get(port, "/live"), "HTTP/1.1 426 ", 13), 0);
    live_stop(live);
}

static void test_those_who_come_and_go_are_counted_over_all_workers(void **state)
{
    (void)state;
    enum { MOST = 64 };
    client clients[MOST];
    program *live = live_start("2");
    int n = fill_two_workers(clients, MOST);
    all_must_hear(clients, n, n);
    client_leaves(&clients[n - 1], true);
    all_must_hear(clients, n - 1, n - 1);
    client_leaves(&clients[n - 2], false);
    all_must_hear(clients, n - 2, n - 2);
    for (int i = 0; i < n - 2; i++)
        client_leaves(&clients[i], true);
    clients[0] = client_connect();
    client_must_hear(&clients[0], 1);
    client_leaves(&clients[0], true);
    live_stop(live);
}

static void test_a_worker_that_is_killed_takes_its_own_and_no_other(void **state)
{
    (void)state;
    enum { MOST = 64 };
    client clients[MOST], left[MOST];
    program *live = live_start("2");
    int n = fill_two_workers(clients, MOST), victim = clients[0].worker, n_left = 0;
    assert_int_equal(kill(victim, SIGKILL), 0);
    for (int i = 0; i < n; i++) {
        if (clients[i].worker != victim) {
            left[n_left++] = clients[i];
            continue;
        }
        while (client_hears(&clients[i])) /* until it notices */
            ;
        close(clients[i].fd);
    }
    assert_true(n_left >= 2 && n_left < n);
    all_must_hear(left, n_left, n_left); /* nobody had to come or go for it */
    for (int i = n_left; i < n; i++) {   /* as a page does that was cut off */
        left[i] = client_connect();
        client_must_hear(&left[i], i + 1);
        assert_int_not_equal(left[i].worker, victim);
    }
    all_must_hear(left, n, n);
    for (int i = 0; i < n; i++)
        client_leaves(&left[i], false);
    live_stop(live);
}

static void test_a_roll_tells_all_to_come_back(void **state)
{
    (void)state;
    enum { MOST = 64 };
    client clients[MOST];
    program *live = live_start("2");
    int n = fill_two_workers(clients, MOST);
    program_signal(live, SIGHUP);
    for (int i = 0; i < n; i++) { /* both workers have a successor before they say goodbye */
        while (client_hears(&clients[i]))
            ;
        client_leaves(&clients[i], true);
    }
    for (int i = 0; i < n; i++) {
        int before = clients[i].worker;
        clients[i] = client_connect();
        client_must_hear(&clients[i], i + 1);
        assert_int_not_equal(clients[i].worker, before);
    }
    all_must_hear(clients, n, n);
    for (int i = 0; i < n; i++)
        client_leaves(&clients[i], false);
    live_stop(live);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_the_page_is_there),
        TEST(test_those_who_come_and_go_are_counted_over_all_workers),
        TEST(test_a_worker_that_is_killed_takes_its_own_and_no_other),
        TEST(test_a_roll_tells_all_to_come_back),
    };
    return RUN_TESTS("live", tests);
}
