/* Tests of connecting, listening and serving, and of what peers and shortages do to them. */
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>

#include "executor/error.h"
#include "loop/net.h"
#include "loop/terminal.h"
#include "streams.h"

/* A listener on a port of the system's choice. */
static yk_listener *listen_here(void)
{
    yk_listener *l;
    assert_ok(yk_listen(&l, "127.0.0.1", 0));
    assert_int_not_equal(yk_listener_port(l), 0);
    return l;
}

static yk_stream *connect_to(yk_listener *l)
{
    yk_stream *s = NULL;
    assert_ok(yk_connect(&s, "127.0.0.1", yk_listener_port(l), yk_after_ms(60000)));
    assert_non_null(s);
    return s;
}

static int end(yk_future *t)
{
    int err = yk_await(t);
    yk_future_unref(t);
    return err;
}

static void assert_says(yk_stream *s, const char *expected)
{
    char line[64];
    assert_ok(yk_stream_read_line(s, line, sizeof line, NULL, YK_FOREVER));
    assert_string_equal(line, expected);
}

static void assert_ends(yk_stream *s, int expected)
{
    char c;
    size_t n;
    int err;
    while ((err = yk_stream_read_some(s, &c, 1, &n, YK_FOREVER)) == 0)
        ;
    assert_int_equal(err, expected);
}

static bool is_blocking(int fd)
{
    return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

/* ---- Connecting ------------------------------------------------------------------------------ */

/* A port on which nobody listens: taken, so that nobody else gets it, and not listened on. */
static uint16_t deaf_port(int *fd)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof in;
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_ok(bind(*fd, (struct sockaddr *)&in, sizeof in));
    assert_ok(getsockname(*fd, (struct sockaddr *)&in, &len));
    return ntohs(in.sin_port);
}

static int refused(void *unused)
{
    (void)unused;
    int fd;
    uint16_t port = deaf_port(&fd);
    yk_stream *s = NULL;
    assert_int_equal(yk_connect(&s, "127.0.0.1", port, YK_FOREVER), UV_ECONNREFUSED);
    assert_int_equal(yk_connect(&s, "localhost", port, YK_FOREVER), UV_ECONNREFUSED);
    assert_int_equal(yk_connect(&s, NULL, port, YK_FOREVER), UV_EINVAL);
    int err = yk_connect(&s, "no such name", port, YK_FOREVER);
    assert_true(err < 0 && err != UV_ECONNREFUSED && err != UV_ETIMEDOUT);
    err = yk_connect(&s, "localhost", port, 0); /* would have to wait, if the names are not quick */
    assert_true(err == UV_ETIMEDOUT || err == UV_ECONNREFUSED);
    assert_null(s);
    return close(fd);
}

static void test_nobody_listens_there(void **state)
{
    (void)state;
    on_loop(refused, NULL);
}

static void test_outside_a_task_nobody_connects(void **state)
{
    (void)state;
    yk_stream *s = NULL;
    yk_listener *l = NULL;
    assert_int_equal(yk_connect(&s, "127.0.0.1", 1, 0), UV_EINVAL);
    assert_int_equal(yk_listen(&l, "127.0.0.1", 0), UV_EINVAL);
    yk_loop *loop = yk_loop_new();
    assert_ok(yk_listen(&l, "127.0.0.1", 0)); /* nothing to wait for */
    assert_int_equal(yk_accept(l, &s, YK_FOREVER), YK_EONLOOP);
    assert_int_equal(yk_connect(&s, "localhost", 1, YK_FOREVER), YK_EONLOOP);
    yk_listener_close(l);
    yk_listener_close(NULL);
    assert_ok(yk_server_stop(NULL, 0));
    assert_null(s);
    assert_ok(yk_loop_close(loop));
}

static int addresses(void *arg)
{
    const char *host = arg;
    yk_listener *l;
    char text[YK_ADDRESS_MAX], expected[YK_ADDRESS_MAX];
    int err = yk_listen(&l, host, 0);
    if (err == UV_EADDRNOTAVAIL || err == UV_EAFNOSUPPORT)
        return 0; /* no such family here */
    assert_ok(err);
    snprintf(expected, sizeof expected, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
             yk_listener_port(l));
    assert_ok(yk_listener_address(l, text, sizeof text));
    assert_string_equal(text, expected);
    assert_int_equal(yk_listener_address(l, text, 5), YK_ETOOBIG);
    yk_stream *c, *s;
    assert_ok(yk_connect(&c, host, yk_listener_port(l), YK_FOREVER));
    assert_ok(yk_accept(l, &s, YK_FOREVER));
    assert_ok(yk_stream_peer(c, text, sizeof text));
    assert_string_equal(text, expected);
    assert_ok(yk_stream_address(s, text, sizeof text));
    assert_string_equal(text, expected);
    assert_ok(yk_stream_peer(s, expected, sizeof expected));
    assert_ok(yk_stream_address(c, text, sizeof text));
    assert_string_equal(text, expected);
    yk_stream_abort(c);
    eventually(yk_stream_peer(c, text, sizeof text) == YK_ECLOSED);
    yk_stream_close(c);
    yk_stream_close(s);
    yk_listener_close(l);
    return 0;
}

static void test_addresses_as_text(void **state)
{
    (void)state;
    on_loop(addresses, (char[]){ "127.0.0.1" });
    on_loop(addresses, (char[]){ "::1" });
}

static int by_name(void *unused)
{
    (void)unused;
    yk_listener *l;
    assert_ok(yk_listen(&l, NULL, 0)); /* whatever localhost is */
    yk_stream *c, *s;
    assert_ok(yk_connect(&c, "localhost", yk_listener_port(l), YK_FOREVER));
    assert_ok(yk_accept(l, &s, YK_FOREVER));
    assert_ok(yk_stream_write(c, "by name\n", 8, 0));
    assert_says(s, "by name");
    yk_stream_close(c);
    yk_stream_close(s);
    yk_listener *taken = NULL;
    char host[] = "localhost";
    assert_int_equal(yk_listen(&taken, host, yk_listener_port(l)), UV_EADDRINUSE);
    assert_null(taken);
    yk_listener_close(l);
    return 0;
}

static void test_names_are_looked_up(void **state)
{
    (void)state;
    on_loop(by_name, NULL);
}

/* ---- What ends a wait ------------------------------------------------------------------------ */

typedef struct attempt {
    yk_listener *l;
    const char *host, *path;
    uint16_t port;
    uint64_t deadline;
    int err;
} attempt;

static int try_it(void *arg)
{
    attempt *a = arg;
    yk_stream *s = NULL;
    uint64_t deadline = a->deadline ? a->deadline : YK_FOREVER;
    a->err = 1;
    if (a->l)
        a->err = yk_accept(a->l, &s, deadline);
    else if (a->path)
        a->err = yk_connect_unix(&s, a->path, deadline);
    else
        a->err = yk_connect(&s, a->host, a->port, deadline);
    yk_stream_close(s);
    return a->err;
}

/* A socket of which nobody accepts, with a full backlog: a connection to it hangs. */
static yk_listener *full_listener(int *fds, size_t n)
{
    yk_listener *l;
    assert_ok(yk_listen_with(&l, "127.0.0.1", 0, .backlog = 1));
    struct sockaddr_in in = { .sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons(yk_listener_port(l)) };
    for (size_t i = 0; i < n; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        connect(fds[i], (struct sockaddr *)&in, sizeof in);
    }
    return l;
}

static int cancelled_connects(void *unused)
{
    (void)unused;
    int fds[4];
    yk_listener *l = full_listener(fds, COUNT_OF(fds));
    attempt a = { .host = "127.0.0.1", .port = yk_listener_port(l) };
    yk_future *t = yk_task_start(try_it, &a);
    yk_yield();
    yk_future_cancel(t);
    assert_int_equal(end(t), YK_ECANCELED);
    assert_int_equal(a.err, YK_ECANCELED);
    a.deadline = yk_after_ms(5);
    assert_int_equal(end(yk_task_start(try_it, &a)), UV_ETIMEDOUT);
    a = (attempt){ .host = "localhost", .port = yk_listener_port(l) };
    t = yk_task_start(try_it, &a); /* in the lookup, which cannot be called back */
    yk_yield();
    yk_future_cancel(t);
    assert_int_equal(end(t), YK_ECANCELED);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
    yk_listener_close(l);
    return 0;
}

static void test_a_connect_is_cancelled(void **state)
{
    (void)state;
    on_loop(cancelled_connects, NULL);
}

static int ended_accepts(void *unused)
{
    (void)unused;
    yk_listener *l = listen_here();
    yk_stream *s = NULL;
    assert_int_equal(yk_accept(l, &s, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_accept(l, &s, yk_after_ms(1)), UV_ETIMEDOUT);
    attempt a = { .l = l };
    yk_future *t = yk_task_start(try_it, &a);
    yk_yield();
    assert_int_equal(yk_accept(l, &s, YK_FOREVER), UV_EBUSY);
    yk_future_cancel(t);
    assert_int_equal(end(t), YK_ECANCELED);
    yk_stream *c = connect_to(l); /* nothing was lost by all that */
    assert_ok(yk_accept(l, &s, YK_FOREVER));
    assert_ok(yk_stream_write(s, "hello\n", 6, 0));
    assert_says(c, "hello");
    yk_stream_close(s);
    yk_stream_close(c);
    t = yk_task_start(try_it, &a);
    yk_yield();
    yk_listener_close(l);
    assert_int_equal(end(t), YK_ECLOSED);
    return 0;
}

static void test_an_accept_is_cancelled_times_out_and_is_closed(void **state)
{
    (void)state;
    on_loop(ended_accepts, NULL);
}

/* ---- Unix sockets ---------------------------------------------------------------------------- */

static int unix_sockets(void *unused)
{
    (void)unused;
    char folder[] = "/tmp/yoke-net-XXXXXX", path[64], text[YK_ADDRESS_MAX];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    yk_stream *c = NULL, *s;
    yk_listener *l, *other = NULL;
    assert_int_equal(yk_connect_unix(&c, path, YK_FOREVER), UV_ENOENT);
    char *long_path = malloc(200);
    memset(long_path, 'x', 199);
    long_path[199] = '\0';
    assert_int_equal(yk_connect_unix(&c, long_path, YK_FOREVER), UV_ENAMETOOLONG);
    assert_int_equal(yk_listen_unix(&other, long_path), UV_ENAMETOOLONG);
    free(long_path);

    assert_ok(yk_listen_unix(&l, path));
    assert_int_equal(yk_listen_unix(&other, path), UV_EADDRINUSE); /* it is not pushed away */
    assert_null(other);
    assert_ok(yk_accept(l, &s, YK_FOREVER)); /* it was only asked whether it is there */
    assert_ends(s, YK_END);
    yk_stream_close(s);
    assert_ok(yk_connect_unix(&c, path, YK_FOREVER));
    assert_ok(yk_accept(l, &s, YK_FOREVER));
    assert_ok(yk_stream_write(s, "hello\n", 6, 0));
    assert_says(c, "hello");
    assert_ok(yk_stream_peer(c, text, sizeof text));
    assert_string_equal(text, path);
    assert_ok(yk_stream_peer(s, text, sizeof text));
    assert_string_equal(text, "");
    assert_int_equal(yk_listener_port(l), 0);
    yk_stream_close(c);
    yk_stream_close(s);

    yk_listener_close(l);
    assert_int_equal(access(path, F_OK), -1);
    /* One that was left: its owner is gone, the file is there. */
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_ok(bind(fd, (struct sockaddr *)&address, sizeof address));
    close(fd);
    assert_int_equal(yk_connect_unix(&c, path, YK_FOREVER), UV_ECONNREFUSED);
    assert_ok(yk_listen_unix(&l, path));
    yk_listener_close(l);
    assert_ok(rmdir(folder));
    return 0;
}

static void test_unix_sockets(void **state)
{
    (void)state;
    on_loop(unix_sockets, NULL);
}

/* Connects until the backlog is full; then the next one waits for an accept. */
static int full_unix_backlog(void *unused)
{
    (void)unused;
    char folder[] = "/tmp/yoke-net-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/socket", folder);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_ok(bind(fd, (struct sockaddr *)&address, sizeof address));
    assert_ok(listen(fd, 1));
    yk_listener *l;
    assert_ok(yk_listen_fd(&l, fd));
    yk_stream *c[8], *s;
    size_t n = 0;
    int err = 0;
    while (n < COUNT_OF(c) && !(err = yk_connect_unix(&c[n], path, yk_after_ms(1))))
        n++;
    assert_int_equal(err, UV_ETIMEDOUT);
    attempt a = { .path = path };
    yk_future *t = yk_task_start(try_it, &a);
    yk_yield();
    for (size_t i = 0; i <= n; i++) {
        assert_ok(yk_accept(l, &s, YK_FOREVER));
        yk_stream_close(s);
    }
    assert_ok(end(t));
    while (n > 0)
        yk_stream_close(c[--n]);
    yk_listener_close(l);
    assert_ok(unlink(path));
    assert_ok(rmdir(folder));
    return 0;
}

static void test_a_full_backlog_is_waited_for(void **state)
{
    (void)state;
    on_loop(full_unix_backlog, NULL);
}

static int only_what_listens(void *unused)
{
    (void)unused;
    yk_listener *l = NULL;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(yk_listen_fd(&l, fd), UV_EINVAL);
    assert_int_equal(yk_listen_fd(&l, -1), UV_EINVAL);
    assert_null(l);
    return close(fd);
}

static void test_only_a_socket_that_listens_is_taken_over(void **state)
{
    (void)state;
    on_loop(only_what_listens, NULL);
}

/* ---- Serving --------------------------------------------------------------------------------- */

struct service {
    size_t begun, at_once, most_at_once, ended;
    yk_future *go; /* handlers wait for it, if there is one */
    int err;
};

static int echo(yk_stream *s, void *arg)
{
    struct service *service = arg;
    service->begun++;
    if (++service->at_once > service->most_at_once)
        service->most_at_once = service->at_once;
    char bytes[4096];
    size_t n;
    int err = service->go ? yk_await(service->go) : 0;
    while (!err && !(err = yk_stream_read_some(s, bytes, sizeof bytes, &n, YK_FOREVER)))
        err = yk_stream_write(s, bytes, n, YK_FOREVER);
    service->at_once--;
    service->ended++;
    service->err = err;
    return err;
}

static int serve_some(void *unused)
{
    (void)unused;
    struct service service = { 0 };
    yk_listener *l = listen_here();
    assert_null(yk_server_start(NULL, echo, NULL));
    assert_null(yk_server_start(l, NULL, NULL));
    yk_server *server = yk_server_start(l, echo, &service);
    for (int i = 0; i < 3; i++) {
        yk_stream *c = connect_to(l);
        assert_ok(yk_stream_write(c, "once more\n", 10, 0));
        assert_says(c, "once more");
        assert_int_equal(yk_server_connections(server), 1);
        assert_ok(yk_stream_end_writing(c));
        assert_ends(c, YK_END);
        yk_stream_close(c);
        eventually(yk_server_connections(server) == 0);
    }
    assert_ok(yk_server_stop(server, YK_FOREVER));
    yk_listener_close(l);
    assert_int_equal(service.ended, 3);
    assert_int_equal(service.err, YK_END);
    return 0;
}

static void test_a_server_serves(void **state)
{
    (void)state;
    on_loop(serve_some, NULL);
}

static int so_many_at_once(void *unused)
{
    (void)unused;
    struct service service = { .go = yk_future_new() };
    yk_listener *l = listen_here();
    yk_server *server = yk_server_start_with(l, echo, &service, .most = 2, .stack_size = 65536);
    yk_stream *c[5];
    for (size_t i = 0; i < COUNT_OF(c); i++)
        c[i] = connect_to(l);
    eventually(service.begun == 2);
    yk_future_set_result(service.go, NULL, 0);
    for (size_t i = 0; i < COUNT_OF(c); i++) {
        assert_ok(yk_stream_write(c[i], "at last\n", 8, 0));
        assert_says(c[i], "at last");
        yk_stream_close(c[i]); /* makes room for the next */
    }
    assert_ok(yk_server_stop(server, YK_FOREVER)); /* and lets the last one end by itself */
    assert_int_equal(service.begun, 5);
    assert_int_equal(service.ended, 5);
    assert_int_equal(service.most_at_once, 2);
    yk_future_unref(service.go);
    yk_listener_close(l);
    return 0;
}

static void test_a_server_has_so_many_at_once_and_no_more(void **state)
{
    (void)state;
    on_loop(so_many_at_once, NULL);
}

static int stop_from_within(yk_stream *s, void *arg)
{
    (void)s;
    yk_server **server = arg;
    int err = yk_server_stop(*server, YK_FOREVER);
    *server = NULL;
    return err == YK_EDEADLK ? 0 : UV_EINVAL;
}

static int stop_it(void *server)
{
    return yk_server_stop(server, YK_FOREVER);
}

static int stops(void *unused)
{
    (void)unused;
    struct service service = { 0 };
    yk_listener *l = listen_here();
    yk_server *server = yk_server_start(l, echo, &service), *within;
    yk_stream *c = connect_to(l);
    eventually(service.begun == 1);
    assert_int_equal(yk_server_stop(server, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_int_equal(service.err, YK_ECANCELED);
    assert_ends(c, YK_END);
    yk_stream_close(c);

    server = yk_server_start(l, echo, &service); /* the same listener serves on */
    c = connect_to(l);
    eventually(service.begun == 2);
    yk_future *t = yk_task_start(stop_it, server);
    yk_yield();
    yk_future_cancel(t);
    assert_int_equal(end(t), YK_ECANCELED);
    assert_int_equal(service.ended, 2);
    yk_stream_close(c);

    within = server = yk_server_start(l, stop_from_within, &within);
    c = connect_to(l);
    eventually(!within);
    assert_ok(yk_server_stop(server, YK_FOREVER));
    yk_stream_close(c);
    yk_listener_close(l);
    return 0;
}

static void test_a_server_is_stopped(void **state)
{
    (void)state;
    on_loop(stops, NULL);
}

static void test_a_loop_is_closed_under_a_server(void **state)
{
    (void)state;
    struct service service = { 0 };
    yk_loop *loop = yk_loop_new();
    yk_listener *l = listen_here();
    yk_server *server = yk_server_start(l, echo, &service);
    assert_int_equal(yk_server_stop(server, YK_FOREVER), YK_EONLOOP);
    assert_int_equal(yk_loop_close(loop), 1);
    assert_ok(yk_server_stop(server, YK_FOREVER));
    yk_listener_close(l);
}

static int one_client(void *arg)
{
    yk_listener *l = arg;
    yk_stream *c = connect_to(l);
    int err = 0;
    for (int i = 0; i < 3 && !err; i++) {
        char word[6];
        err = yk_stream_write(c, "hello\n", 6, YK_FOREVER);
        if (!err)
            err = yk_stream_read_exactly(c, word, 6, YK_FOREVER);
        if (!err)
            assert_memory_equal(word, "hello\n", 6);
    }
    yk_stream_close(c);
    return err;
}

/* ---- Without streams ------------------------------------------------------------------------- */

static void send_back(yk_transport *t, const void *data, size_t len, void *arg)
{
    (void)arg;
    yk_transport_write(t, data, len);
}

static void count_lost(yk_transport *t, int err, void *arg)
{
    (void)t;
    assert_ok(err);
    ++*(int *)arg;
}

static const yk_protocol echoing = { .data = send_back, .lost = count_lost };

/* Accepts until it is cancelled; all else is done by callbacks. */
static int accept_transports(void *arg)
{
    yk_listener *l = ((void **)arg)[0];
    for (;;) {
        int fd, err = yk_accept_fd(l, &fd, YK_FOREVER);
        yk_transport *t;
        if (err)
            return err;
        assert_ok(yk_transport_open(&t, fd, &echoing, ((void **)arg)[1]));
    }
}

static int transports_only(void *unused)
{
    (void)unused;
    int lost = 0, fd = -1;
    yk_listener *l = listen_here();
    yk_future *t = yk_task_start(accept_transports, ((void *[]){ l, &lost }));
    for (int i = 1; i <= 5; i++) {
        assert_ok(one_client(l));
        eventually(lost == i); /* its end was the end */
    }
    assert_ok(yk_connect_fd(&fd, "127.0.0.1", yk_listener_port(l), YK_FOREVER));
    assert_false(is_blocking(fd));
    close(fd);
    eventually(lost == 6);
    yk_future_cancel(t);
    assert_int_equal(end(t), YK_ECANCELED);
    yk_listener_close(l);
    return 0;
}

static void test_a_server_of_callbacks(void **state)
{
    (void)state;
    on_loop(transports_only, NULL);
}

/* ---- Abuse ----------------------------------------------------------------------------------- */

static int two_thousand(void *unused)
{
    (void)unused;
    enum { MOST = 2000 };
    size_t n = RUNNING_ON_VALGRIND ? 200 : MOST;
    static yk_future *clients[MOST];
    struct service service = { .go = yk_future_new() };
    yk_listener *l = listen_here();
    yk_server *server = yk_server_start_with(l, echo, &service, .most = n, .stack_size = 65536);
    for (size_t i = 0; i < n; i++)
        clients[i] = yk_task_start_with(one_client, l, .stack_size = 65536);
    eventually(yk_server_connections(server) == n); /* all at once */
    yk_future_set_result(service.go, NULL, 0);
    for (size_t i = 0; i < n; i++)
        assert_ok(end(clients[i]));
    assert_ok(yk_server_stop(server, YK_FOREVER));
    assert_int_equal(service.ended, n);
    yk_future_unref(service.go);
    yk_listener_close(l);
    return 0;
}

static void test_two_thousand_connections_at_once(void **state)
{
    (void)state;
    on_loop(two_thousand, NULL);
}

static int resets(void *unused)
{
    (void)unused;
    struct service service = { 0 };
    yk_listener *l = listen_here();
    yk_server *server = yk_server_start(l, echo, &service);
    for (int i = 0; i < 20; i++) {
        yk_stream *c = connect_to(l);
        if (i % 2)
            assert_ok(yk_stream_write(c, "going\n", 6, 0));
        if (i % 4 == 3)
            assert_says(c, "going");
        yk_stream_abort(c);
        yk_stream_close(c);
        eventually(service.ended == (size_t)i + 1);
        assert_int_equal(service.err, UV_ECONNRESET);
    }
    assert_int_equal(one_client(l), 0); /* others do not notice */
    assert_ok(yk_server_stop(server, YK_FOREVER));
    yk_listener_close(l);
    return 0;
}

static void test_peers_that_reset(void **state)
{
    (void)state;
    on_loop(resets, NULL);
}

static int never_reads(void *unused)
{
    (void)unused;
    struct service service = { 0 };
    yk_listener *l = listen_here();
    yk_server *server = yk_server_start(l, echo, &service);
    yk_stream *c = connect_to(l);
    char *bytes = pattern(1 << 16);
    while (yk_stream_write(c, bytes, 1 << 16, yk_after_ms(200)) == 0)
        assert_in_range(yk_stream_unsent(c), 0, 2 << 16);
    free(bytes);
    assert_int_equal(one_client(l), 0); /* the server is not stuck with it */
    assert_int_equal(yk_server_stop(server, yk_after_ms(1)), UV_ETIMEDOUT);
    yk_stream_abort(c);
    yk_stream_close(c);
    yk_listener_close(l);
    return 0;
}

static void test_a_peer_that_never_reads_holds_up_itself(void **state)
{
    (void)state;
    on_loop(never_reads, NULL);
}

/* Takes all descriptors but a few that it has in hand. */
static int exhausted(void *unused)
{
    (void)unused;
    struct rlimit before, less;
    struct service service = { 0 };
    yk_listener *l = listen_here();
    yk_stream *c[3], *s = NULL;
    for (size_t i = 0; i < COUNT_OF(c); i++)
        c[i] = connect_to(l);
    assert_ok(getrlimit(RLIMIT_NOFILE, &before));
    int next = fcntl(0, F_DUPFD, 0);
    assert_true(next >= 0);
    close(next);
    less = before;
    less.rlim_cur = (rlim_t)next;
    assert_ok(setrlimit(RLIMIT_NOFILE, &less));
    assert_int_equal(yk_accept(l, &s, YK_FOREVER), UV_EMFILE);
    yk_stream *none = NULL, *two[2];
    assert_int_equal(yk_connect(&none, "127.0.0.1", yk_listener_port(l), YK_FOREVER), UV_EMFILE);
    assert_int_equal(yk_stream_pair(two), UV_EMFILE);
    yk_listener *another = NULL;
    assert_int_equal(yk_listen(&another, "127.0.0.1", 0), UV_EMFILE);
    yk_server *server = yk_server_start(l, echo, &service);
    yk_sleep_ms(60); /* it tries, and fails, and tries again */
    assert_int_equal(service.begun, 0);
    assert_ok(setrlimit(RLIMIT_NOFILE, &before));
    for (size_t i = 0; i < COUNT_OF(c); i++) { /* nobody was turned away */
        assert_ok(yk_stream_write(c[i], "there\n", 6, 0));
        assert_says(c[i], "there");
        yk_stream_close(c[i]);
    }
    assert_ok(yk_server_stop(server, YK_FOREVER));
    assert_null(none);
    yk_listener_close(l);
    return 0;
}

static void test_descriptors_run_out_and_the_listener_survives(void **state)
{
    (void)state;
    if (RUNNING_ON_VALGRIND)
        skip(); /* it accepts first, and then closes what is above the limit */
    on_loop(exhausted, NULL);
}

/* ---- Standard streams and terminals ---------------------------------------------------------- */

/* With `fd` as descriptor `standard` for as long as body() takes. */
static void with_standard(int standard, int fd, void (*body)(int fd))
{
    int before = fcntl(standard, F_DUPFD_CLOEXEC, 3);
    assert_true(dup2(fd, standard) >= 0);
    body(fd);
    if (before >= 0)
        assert_true(dup2(before, standard) >= 0);
    else
        close(standard);
    close(before);
}

static void read_stdin(int fd)
{
    yk_stream *in;
    assert_ok(yk_stream_stdin(&in));
    assert_says(in, "to stdin");
    assert_true(is_blocking(fd));
    assert_false(yk_stream_is_terminal(in));
    assert_int_equal(yk_terminal_set_raw(in, true), UV_ENOTTY);
    int columns = 7, rows;
    assert_int_equal(yk_terminal_size(in, &columns, &rows), UV_ENOTTY);
    assert_int_equal(columns, 7);
    yk_stream_close(in);
}

static void write_stdout(int fd)
{
    yk_stream *out;
    assert_ok(yk_stream_stdout(&out));
    assert_ok(yk_stream_write(out, "from stdout\n", 12, 0));
    assert_ok(yk_stream_drain(out, YK_FOREVER));
    assert_true(is_blocking(fd));
    yk_stream_close(out);
}

static int standard_streams(void *unused)
{
    (void)unused;
    int fds[2];
    char got[20] = "";
    assert_ok(pipe2(fds, O_CLOEXEC));
    assert_int_equal(write(fds[1], "to stdin\n", 9), 9);
    with_standard(0, fds[0], read_stdin);
    with_standard(1, fds[1], write_stdout);
    assert_int_equal(read(fds[0], got, sizeof got), 12);
    assert_string_equal(got, "from stdout\n");
    close(fds[0]);
    close(fds[1]);
    int file = nameless_file();
    assert_int_equal(write(file, "to stdin\nrest", 13), 13);
    assert_ok(lseek(file, 0, SEEK_SET));
    with_standard(0, file, read_stdin);
    assert_ok(ftruncate(file, 0));
    assert_ok(lseek(file, 0, SEEK_SET));
    with_standard(1, file, write_stdout);
    assert_int_equal(lseek(file, 0, SEEK_CUR), 12); /* it goes on from where we stand */
    return close(file);
}

static void test_standard_input_and_output(void **state)
{
    (void)state;
    on_loop(standard_streams, NULL);
}

static int open_terminal(int *master)
{
    *master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    assert_true(*master >= 0 && grantpt(*master) == 0 && unlockpt(*master) == 0);
    int slave = open(ptsname(*master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    return slave;
}

static bool is_raw(int fd)
{
    struct termios t;
    assert_ok(tcgetattr(fd, &t));
    return !(t.c_lflag & ICANON);
}

static void use_terminal(int fd)
{
    yk_stream *in, *other;
    assert_ok(yk_stream_stdin(&in));
    assert_true(yk_stream_is_terminal(in));
    assert_true(is_blocking(fd));
    assert_ok(yk_terminal_set_raw(in, true));
    assert_ok(yk_terminal_set_raw(in, true));
    assert_true(is_raw(fd));
    int master, slave = open_terminal(&master);
    assert_ok(yk_stream_open(&other, slave));
    assert_int_equal(yk_terminal_set_raw(other, true), UV_EBUSY);
    assert_ok(yk_terminal_set_raw(other, false)); /* not ours to reset */
    assert_true(is_raw(fd));
    yk_stream_close(other);
    close(master);
    yk_stream_close(in); /* keys come no more, the terminal is still raw */
    assert_ok(yk_stream_stdin(&in));
    int columns, rows;
    assert_ok(ioctl(fd, TIOCSWINSZ, &(struct winsize){ .ws_col = 91, .ws_row = 17 }));
    assert_ok(yk_terminal_size(in, &columns, &rows));
    assert_int_equal(columns * 100 + rows, 9117);
    assert_ok(yk_terminal_set_raw(in, false));
    assert_false(is_raw(fd));
    yk_stream_close(in);
}

static int keys(void *arg)
{
    int master = *(int *)arg;
    yk_stream *in;
    char key;
    assert_ok(yk_stream_stdin(&in));
    assert_ok(yk_terminal_set_raw(in, true));
    assert_int_equal(write(master, "\003", 1), 1); /* Ctrl-C, and no newline */
    assert_ok(yk_stream_read_exactly(in, &key, 1, YK_FOREVER));
    assert_int_equal(key, 3);
    assert_ok(yk_terminal_set_raw(in, false));
    yk_stream_close(in);
    return 0;
}

static int terminal_task(void *unused)
{
    (void)unused;
    int master, slave = open_terminal(&master);
    with_standard(0, slave, use_terminal);
    int before = fcntl(0, F_DUPFD_CLOEXEC, 3);
    assert_true(dup2(slave, 0) == 0);
    keys(&master);
    dup2(before, 0);
    close(before);
    close(slave);
    return close(master);
}

static void test_a_terminal_is_raw_and_reset(void **state)
{
    (void)state;
    on_loop(terminal_task, NULL);
}

static void test_a_terminal_is_reset_at_exit(void **state)
{
    (void)state;
    int master, slave = open_terminal(&master), status;
    pid_t child = fork();
    if (child == 0) {
        dup2(slave, 0);
        execl(YOKE_BUILD_DIR "/loop_main_program", "loop_main_program", "raw", (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
    assert_false(is_raw(slave));
    close(slave);
    close(master);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_nobody_listens_there),
        TEST(test_outside_a_task_nobody_connects),
        TEST(test_addresses_as_text),
        TEST(test_names_are_looked_up),
        TEST(test_a_connect_is_cancelled),
        TEST(test_an_accept_is_cancelled_times_out_and_is_closed),
        TEST(test_unix_sockets),
        TEST(test_a_full_backlog_is_waited_for),
        TEST(test_only_a_socket_that_listens_is_taken_over),
        TEST(test_a_server_serves),
        TEST(test_a_server_has_so_many_at_once_and_no_more),
        TEST(test_a_server_is_stopped),
        TEST(test_a_loop_is_closed_under_a_server),
        TEST(test_a_server_of_callbacks),
        TEST(test_two_thousand_connections_at_once),
        TEST(test_peers_that_reset),
        TEST(test_a_peer_that_never_reads_holds_up_itself),
        TEST(test_descriptors_run_out_and_the_listener_survives),
        TEST(test_standard_input_and_output),
        TEST(test_a_terminal_is_raw_and_reset),
        TEST(test_a_terminal_is_reset_at_exit),
    };
    return RUN_TESTS("loop/net", tests);
}
