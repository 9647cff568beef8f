/* Tests of TLS: who is trusted, what an end is, and what a hostile peer can do. */
#include "executor/error.h"
#include "loop/net.h"
#include "loop/tls.h"
#include "certificates.h"
#include "streams.h"

static certificates files;

/* Two ends that are about to shake hands, and what came of it. */
typedef struct side {
    yk_stream *s;
    yk_tls *tls;
    const char *host;
    uint64_t deadline;
    int err;
} side;

static int shake(void *arg)
{
    side *x = arg;
    x->err = 1;
    x->err = yk_stream_start_tls(x->s, x->tls, x->host, x->deadline ? x->deadline : YK_FOREVER);
    return 0;
}

static yk_tls *server_with(const char *certificate)
{
    yk_tls *tls = NULL;
    assert_ok(yk_tls_server(&tls, .certificate = certificate, .alpn = "h2,echo/1"));
    return tls;
}

static yk_tls *client_of(const char *ca)
{
    yk_tls *tls = NULL;
    assert_ok(yk_tls_client(&tls, .ca_file = ca, .alpn = "nothing,echo/1"));
    return tls;
}

/* Shakes hands over a pair, and takes the settings. */
static void shake_hands(side two[2], yk_tls *client, const char *host, yk_tls *server)
{
    yk_stream *pair[2];
    assert_ok(yk_stream_pair(pair));
    two[0] = (side){ .s = pair[0], .tls = client, .host = host };
    two[1] = (side){ .s = pair[1], .tls = server };
    yk_task_fn fns[] = { shake, shake };
    assert_ok(yk_gather(fns, (void *[]){ &two[0], &two[1] }, 2));
    yk_tls_free(client); /* the streams live on */
    yk_tls_free(server);
}

static void close_both(side two[2])
{
    yk_stream_close(two[0].s);
    yk_stream_close(two[1].s);
}

static void good_pair(side two[2])
{
    shake_hands(two, client_of(files.ca), "localhost", server_with(files.good));
    assert_ok(two[0].err);
    assert_ok(two[1].err);
}

static void assert_says(yk_stream *s, const char *expected)
{
    char line[64];
    assert_ok(yk_stream_read_line(s, line, sizeof line, NULL, YK_FOREVER));
    assert_string_equal(line, expected);
}

static int next_byte(yk_stream *s)
{
    char c;
    return yk_stream_read_exactly(s, &c, 1, YK_FOREVER);
}

/* ---- Settings -------------------------------------------------------------------------------- */

static void test_settings_that_are_none(void **state)
{
    (void)state;
    yk_tls *tls = NULL;
    char path[64];
    snprintf(path, sizeof path, "%s/missing", files.folder);
    assert_int_equal(yk_tls_server(&tls, .certificate = NULL), UV_EINVAL);
    assert_int_equal(yk_tls_server(&tls, .certificate = path), UV_ENOENT);
    assert_int_equal(yk_tls_server(&tls, .certificate = files.good, .key = path), UV_ENOENT);
    assert_int_equal(yk_tls_server(&tls, .certificate = files.good, .key = files.other), YK_ETLS);
    assert_int_equal(yk_tls_client(&tls, .ca_file = path), UV_ENOENT);
    assert_int_equal(yk_tls_client(&tls, .ca_file = "/dev/null"), YK_ETLS);
    assert_int_equal(yk_tls_client(&tls, .alpn = "h2,,x"), UV_EINVAL);
    assert_null(tls);
    yk_tls_free(NULL);
}

static int refusals(void *unused)
{
    (void)unused;
    yk_stream *pair[2];
    assert_ok(yk_stream_pair(pair));
    yk_tls *client = client_of(files.ca), *server = server_with(files.good);
    assert_int_equal(yk_stream_start_tls(pair[0], NULL, "localhost", 0), UV_EINVAL);
    assert_int_equal(yk_stream_start_tls(pair[0], client, NULL, 0), UV_EINVAL);
    assert_int_equal(yk_stream_start_tls(pair[0], client, "", 0), UV_EINVAL);
    assert_int_equal(yk_stream_start_tls(pair[0], server, "localhost", 0), UV_EINVAL);
    assert_ok(yk_stream_write(pair[0], "still plain\n", 12, 0));
    assert_says(pair[1], "still plain");
    yk_tls_free(client);
    yk_tls_free(server);
    yk_stream_close(pair[0]);
    yk_stream_close(pair[1]);
    side two[2];
    good_pair(two);
    client = client_of(files.ca);
    assert_int_equal(yk_stream_start_tls(two[0].s, client, "localhost", 0), UV_EALREADY);
    yk_tls_free(client);
    close_both(two);
    return 0;
}

static void test_what_cannot_begin_changes_nothing(void **state)
{
    (void)state;
    on_loop(refusals, NULL);
}

/* ---- Whom a client trusts -------------------------------------------------------------------- */

static int trusted(void *unused)
{
    (void)unused;
    const char *hosts[] = { "localhost", "127.0.0.1", "www.yoke.test" };
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        side two[2];
        shake_hands(two, client_of(files.ca), hosts[i], server_with(files.good));
        assert_ok(two[0].err);
        assert_ok(two[1].err);
        assert_string_equal(yk_stream_alpn(two[0].s), "echo/1");
        assert_string_equal(yk_stream_alpn(two[1].s), "echo/1");
        assert_ok(yk_stream_write(two[0].s, "question\n", 9, 0));
        assert_says(two[1].s, "question");
        assert_ok(yk_stream_write(two[1].s, "answer\n", 7, 0));
        assert_says(two[0].s, "answer");
        yk_stream_close(two[0].s);
        assert_int_equal(next_byte(two[1].s), YK_END);
        yk_stream_close(two[1].s);
    }
    return 0;
}

static void test_a_good_certificate(void **state)
{
    (void)state;
    on_loop(trusted, NULL);
}

static int system_trust(void *unused)
{
    (void)unused;
    side two[2];
    assert_ok(setenv("SSL_CERT_FILE", files.ca, 1)); /* what the system trusts, for once */
    yk_tls *client;
    assert_ok(yk_tls_client(&client, .ca_file = NULL));
    assert_ok(unsetenv("SSL_CERT_FILE"));
    shake_hands(two, client, "localhost", server_with(files.good));
    assert_ok(two[0].err);
    assert_string_equal(yk_stream_alpn(two[0].s), "");
    close_both(two);
    return 0;
}

static void test_whom_the_system_trusts(void **state)
{
    (void)state;
    on_loop(system_trust, NULL);
}

struct distrust {
    const char *ca, *certificate, *host, *words;
};

static int distrusted(void *arg)
{
    const struct distrust *d = arg;
    side two[2];
    shake_hands(two, client_of(d->ca), d->host, server_with(d->certificate));
    assert_int_equal(two[0].err, YK_ECERTIFICATE);
    assert_non_null(strstr(yk_stream_error_text(two[0].s), d->words));
    assert_int_equal(yk_stream_error(two[0].s), YK_ECERTIFICATE);
    assert_int_equal(yk_stream_write(two[0].s, "secret", 6, 0), YK_ECERTIFICATE);
    assert_int_equal(next_byte(two[0].s), YK_ECERTIFICATE);
    if (two[1].err == 0) /* the server has finished before the client looked */
        two[1].err = next_byte(two[1].s);
    assert_int_equal(two[1].err, YK_ETLS); /* it is told */
    close_both(two);
    return 0;
}

static void test_certificates_that_are_not_trusted(void **state)
{
    (void)state;
    on_loop(distrusted, &(struct distrust){ files.ca, files.good, "example.org", "ostname" });
    on_loop(distrusted, &(struct distrust){ files.ca, files.good, "a.b.yoke.test", "ostname" });
    on_loop(distrusted, &(struct distrust){ files.ca, files.good, "127.0.0.2", "IP address" });
    on_loop(distrusted, &(struct distrust){ files.ca, files.other, "localhost", "issuer" });
    on_loop(distrusted, &(struct distrust){ files.other_ca, files.good, "localhost", "issuer" });
    on_loop(distrusted, &(struct distrust){ files.ca, files.expired, "localhost", "expired" });
}

static int without_ca_file(void *unused)
{
    (void)unused;
    side two[2];
    yk_tls *client;
    assert_ok(yk_tls_client(&client, .ca_file = NULL));
    shake_hands(two, client, "localhost", server_with(files.good));
    assert_int_equal(two[0].err, YK_ECERTIFICATE); /* the system knows nothing of our authority */
    close_both(two);
    assert_ok(yk_tls_client(&client, .unverified = true));
    shake_hands(two, client, NULL, server_with(files.expired));
    assert_ok(two[0].err);
    close_both(two);
    return 0;
}

static void test_a_client_trusts_nobody_unless_told(void **state)
{
    (void)state;
    on_loop(without_ca_file, NULL);
}

static int client_certificates(void *unused)
{
    (void)unused;
    const char *own[] = { files.good, files.other, NULL };
    for (size_t i = 0; i < COUNT_OF(own); i++) {
        side two[2];
        yk_tls *client, *server;
        assert_ok(yk_tls_client(&client, .ca_file = files.ca, .certificate = own[i]));
        assert_ok(yk_tls_server(&server, .certificate = files.good, .ca_file = files.ca));
        shake_hands(two, client, "localhost", server);
        assert_int_equal(two[1].err, i == 0 ? 0 : own[i] ? YK_ECERTIFICATE : YK_ETLS);
        assert_int_equal(i == 0 ? yk_stream_write(two[1].s, "x", 1, 0) : 0, 0);
        int err = two[0].err ? two[0].err : next_byte(two[0].s);
        assert_int_equal(err, i == 0 ? 0 : YK_ETLS);
        close_both(two);
    }
    return 0;
}

static void test_a_server_insists_on_certificates_of_its_clients(void **state)
{
    (void)state;
    on_loop(client_certificates, NULL);
}

/* ---- Ends ------------------------------------------------------------------------------------ */

static int half_close(void *unused)
{
    (void)unused;
    side two[2];
    good_pair(two);
    assert_ok(yk_stream_write(two[0].s, "all\n", 4, 0));
    assert_ok(yk_stream_end_writing(two[0].s));
    assert_int_equal(yk_stream_write(two[0].s, "x", 1, 0), YK_ECLOSED);
    assert_says(two[1].s, "all");
    assert_int_equal(next_byte(two[1].s), YK_END);
    assert_ok(yk_stream_write(two[1].s, "and the answer\n", 15, 0));
    assert_says(two[0].s, "and the answer");
    yk_stream_close(two[1].s);
    assert_int_equal(next_byte(two[0].s), YK_END);
    yk_stream_close(two[0].s);
    return 0;
}

static void test_half_close(void **state)
{
    (void)state;
    on_loop(half_close, NULL);
}

/* The plain socket beneath ends, and nobody has said that the stream would. */
static int truncated(void *unused)
{
    (void)unused;
    side two[2];
    good_pair(two);
    assert_ok(yk_stream_write(two[0].s, "not all", 7, 0));
    assert_ok(shutdown(yk_stream_fd(two[0].s), SHUT_WR));
    char got[8] = "";
    assert_ok(yk_stream_read_exactly(two[1].s, got, 7, YK_FOREVER));
    assert_string_equal(got, "not all");
    assert_int_equal(next_byte(two[1].s), YK_ETRUNCATED);
    assert_int_equal(next_byte(two[1].s), YK_ETRUNCATED);
    assert_int_equal(yk_stream_error(two[1].s), YK_ETRUNCATED);
    close_both(two);
    return 0;
}

static void test_a_truncated_stream_is_an_error(void **state)
{
    (void)state;
    on_loop(truncated, NULL);
}

static int damaged(void *unused)
{
    (void)unused;
    side two[2];
    good_pair(two);
    char record[] = "\x17\x03\x03\x00\x20 no key of ours made this record..";
    assert_int_equal(write(yk_stream_fd(two[0].s), record, sizeof record), sizeof record);
    assert_int_equal(next_byte(two[1].s), YK_ETLS);
    assert_int_equal(next_byte(two[0].s), YK_ETLS); /* it is told */
    close_both(two);
    return 0;
}

static void test_damaged_data_is_an_error(void **state)
{
    (void)state;
    on_loop(damaged, NULL);
}

static int end_of_a_closed_one(void *unused)
{
    (void)unused;
    side two[2];
    good_pair(two);
    char *bytes = pattern(1 << 20);
    assert_ok(yk_stream_write(two[0].s, bytes, 1 << 20, 0));
    yk_stream_close(two[0].s); /* sends the rest, then says the end */
    char *got = malloc(1 << 20);
    assert_ok(yk_stream_read_exactly(two[1].s, got, 1 << 20, YK_FOREVER));
    assert_memory_equal(got, bytes, 1 << 20);
    assert_int_equal(next_byte(two[1].s), YK_END);
    yk_stream_close(two[1].s);
    free(bytes);
    free(got);
    return 0;
}

static void test_close_sends_the_rest_and_says_the_end(void **state)
{
    (void)state;
    on_loop(end_of_a_closed_one, NULL);
}

/* ---- Hostile and silent peers ---------------------------------------------------------------- */

static int garbage(void *arg)
{
    bool at_client = *(bool *)arg;
    yk_stream *pair[2];
    assert_ok(yk_stream_pair(pair));
    yk_tls *tls = at_client ? client_of(files.ca) : server_with(files.good);
    const char *host = at_client ? "localhost" : NULL;
    assert_ok(yk_stream_write(pair[1], "GET / HTTP/1.1\r\n\r\n", 18, 0));
    assert_int_equal(yk_stream_start_tls(pair[0], tls, host, YK_FOREVER), YK_ETLS);
    assert_true(strlen(yk_stream_error_text(pair[0])) > 5);
    yk_stream_close(pair[0]);
    yk_stream_close(pair[1]);

    assert_ok(yk_stream_pair(pair)); /* and one that hangs up */
    yk_stream_close(pair[1]);
    int err = yk_stream_start_tls(pair[0], tls, host, YK_FOREVER);
    assert_true(err == YK_ETRUNCATED || err == UV_EPIPE);
    yk_stream_close(pair[0]);
    yk_tls_free(tls);
    return 0;
}

static void test_garbage_instead_of_a_handshake(void **state)
{
    (void)state;
    on_loop(garbage, &(bool){ false });
    on_loop(garbage, &(bool){ true });
}

static int silence(void *unused)
{
    (void)unused;
    yk_stream *pair[2];
    assert_ok(yk_stream_pair(pair));
    side one = { .s = pair[0], .tls = server_with(files.good), .deadline = yk_after_ms(1) };
    assert_ok(shake(&one));
    assert_int_equal(one.err, UV_ETIMEDOUT);
    assert_int_equal(yk_stream_write(one.s, "x", 1, 0), YK_ECLOSED);
    yk_stream_close(pair[0]);
    yk_stream_close(pair[1]);

    assert_ok(yk_stream_pair(pair));
    one.s = pair[0];
    one.deadline = 0;
    yk_future *t = yk_task_start(shake, &one);
    yk_yield();
    assert_int_equal(one.err, 1);
    assert_int_equal(yk_stream_write(one.s, "x", 1, 0), UV_EBUSY);
    assert_int_equal(next_byte(one.s), UV_EBUSY);
    yk_future_cancel(t);
    yk_await(t);
    yk_future_unref(t);
    assert_int_equal(one.err, YK_ECANCELED);
    yk_stream_close(pair[0]);
    yk_stream_close(pair[1]);

    assert_ok(yk_stream_pair(pair));
    one.s = pair[0];
    t = yk_task_start(shake, &one);
    yk_yield();
    yk_stream_close(one.s); /* in the middle of it */
    yk_await(t);
    yk_future_unref(t);
    assert_int_equal(one.err, YK_ECLOSED);
    yk_stream_close(pair[1]);
    yk_tls_free(one.tls);
    return 0;
}

static void test_a_handshake_times_out_is_cancelled_and_is_closed(void **state)
{
    (void)state;
    on_loop(silence, NULL);
}

/* What stands in the buffer before TLS is no part of what is read after it. */
static int injected(void *unused)
{
    (void)unused;
    yk_stream *pair[2];
    assert_ok(yk_stream_pair(pair));
    assert_ok(yk_stream_write(pair[1], "STARTTLS\nDELETE everything\n", 27, 0));
    assert_says(pair[0], "STARTTLS");
    assert_int_equal(yk_stream_readable(pair[0]), 18);
    yk_tls *server = server_with(files.good);
    assert_int_equal(yk_stream_start_tls(pair[0], server, NULL, YK_FOREVER), YK_ETLS);
    char c;
    size_t n;
    assert_int_equal(yk_stream_read_some(pair[0], &c, 1, &n, 0), YK_ETLS);
    yk_tls_free(server);
    yk_stream_close(pair[0]);
    yk_stream_close(pair[1]);
    return 0;
}

static void test_nothing_is_injected_before_the_handshake(void **state)
{
    (void)state;
    on_loop(injected, NULL);
}

/* The client's first message has come and is buffered before the server begins. */
static int read_ahead(void *unused)
{
    (void)unused;
    yk_stream *pair[2];
    assert_ok(yk_stream_pair(pair));
    side two[2] = { { .s = pair[0], .tls = client_of(files.ca), .host = "localhost" },
                    { .s = pair[1], .tls = server_with(files.good) } };
    assert_ok(yk_stream_write(two[0].s, "STARTTLS\n", 9, 0));
    yk_future *t = yk_task_start(shake, &two[0]);
    eventually(yk_stream_unsent(two[0].s) == 0);
    yk_yield();
    assert_says(two[1].s, "STARTTLS");
    eventually(yk_stream_readable(two[1].s) > 0);
    assert_ok(shake(&two[1]));
    yk_await(t);
    yk_future_unref(t);
    assert_ok(two[0].err);
    assert_ok(two[1].err);
    yk_tls_free(two[0].tls);
    yk_tls_free(two[1].tls);
    close_both(two);
    return 0;
}

static void test_a_handshake_that_was_read_ahead(void **state)
{
    (void)state;
    on_loop(read_ahead, NULL);
}

/* ---- Much ------------------------------------------------------------------------------------ */

typedef struct transfer {
    yk_stream *s;
    size_t len;
} transfer;

static int send_all(void *arg)
{
    transfer *t = arg;
    char *bytes = pattern(t->len);
    int err = 0;
    for (size_t i = 0, n; i < t->len && !err; i += n) {
        n = i % 50000 + 1 < t->len - i ? i % 50000 + 1 : t->len - i;
        err = yk_stream_write(t->s, bytes + i, n, YK_FOREVER);
        assert_in_range(yk_stream_unsent(t->s), 0, 128 << 10);
    }
    free(bytes);
    return err ? err : yk_stream_end_writing(t->s);
}

static int receive_all(void *arg)
{
    transfer *t = arg;
    char *bytes = malloc(100000);
    size_t got = 0, n;
    int err;
    while ((err = yk_stream_read_some(t->s, bytes, 1 + got % 100000, &n, YK_FOREVER)) == 0) {
        for (size_t i = 0; i < n; i++)
            if (bytes[i] != byte_at(got + i))
                fail_msg("byte %zu is wrong", got + i);
        got += n;
        assert_in_range(yk_stream_readable(t->s), 0, 128 << 10);
    }
    free(bytes);
    assert_int_equal(got, t->len);
    return err == YK_END ? 0 : err;
}

static int both_ways(void *unused)
{
    (void)unused;
    side two[2];
    good_pair(two);
    size_t len = support_rounds(16 << 20);
    transfer t[4] = {
        { two[0].s, len }, { two[1].s, len / 2 }, { two[0].s, len / 2 }, { two[1].s, len }
    };
    yk_task_fn fns[] = { send_all, send_all, receive_all, receive_all };
    assert_ok(yk_gather(fns, (void *[]){ &t[0], &t[1], &t[2], &t[3] }, 4));
    close_both(two);
    return 0;
}

static void test_much_goes_both_ways_at_once_in_bounded_memory(void **state)
{
    (void)state;
    on_loop(both_ways, NULL);
}

static int slow_reader(void *unused)
{
    (void)unused;
    side two[2];
    good_pair(two);
    char *bytes = pattern(50000);
    int err;
    while ((err = yk_stream_write(two[0].s, bytes, 50000, yk_after_ms(200))) == 0)
        assert_in_range(yk_stream_unsent(two[0].s), 0, 128 << 10);
    assert_int_equal(err, UV_ETIMEDOUT); /* nobody reads: nothing grows */
    assert_int_equal(yk_stream_readable(two[1].s), 0);
    free(bytes);
    yk_stream_abort(two[0].s);
    close_both(two);
    return 0;
}

static void test_a_slow_reader_holds_the_writer_back(void **state)
{
    (void)state;
    on_loop(slow_reader, NULL);
}

/* ---- A server -------------------------------------------------------------------------------- */

static int serve_tls(yk_stream *s, void *tls)
{
    char line[64];
    int err = yk_stream_start_tls(s, tls, NULL, yk_after_ms(60000));
    if (!err)
        err = yk_stream_read_line(s, line, sizeof line, NULL, YK_FOREVER);
    if (!err)
        err = yk_stream_write(s, "secretly\n", 9, YK_FOREVER);
    return err;
}

static int over_tcp(void *unused)
{
    (void)unused;
    yk_listener *l;
    assert_ok(yk_listen(&l, "127.0.0.1", 0));
    yk_tls *server = server_with(files.good), *client = client_of(files.ca);
    yk_server *serving = yk_server_start(l, serve_tls, server);
    for (int i = 0; i < 10; i++) {
        yk_stream *s;
        assert_ok(yk_connect(&s, "127.0.0.1", yk_listener_port(l), YK_FOREVER));
        if (i % 3 == 1) {
            yk_stream_abort(s);
        } else {
            assert_ok(yk_stream_start_tls(s, client, "127.0.0.1", YK_FOREVER));
            assert_ok(yk_stream_write(s, "hello\n", 6, 0));
            assert_says(s, "secretly");
            assert_int_equal(next_byte(s), YK_END);
        }
        yk_stream_close(s);
    }
    assert_ok(yk_server_stop(serving, YK_FOREVER));
    yk_listener_close(l);
    yk_tls_free(server);
    yk_tls_free(client);
    return 0;
}

static void test_a_server_over_tcp(void **state)
{
    (void)state;
    on_loop(over_tcp, NULL);
}

static int leave_open(void *arg)
{
    good_pair(arg);
    return 0;
}

static void test_a_loop_is_closed_over_tls_streams(void **state)
{
    (void)state;
    side two[2];
    assert_int_equal(run_task(leave_open, two), 0);
    close_both(two);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_settings_that_are_none),
        TEST(test_what_cannot_begin_changes_nothing),
        TEST(test_a_good_certificate),
        TEST(test_whom_the_system_trusts),
        TEST(test_certificates_that_are_not_trusted),
        TEST(test_a_client_trusts_nobody_unless_told),
        TEST(test_a_server_insists_on_certificates_of_its_clients),
        TEST(test_half_close),
        TEST(test_a_truncated_stream_is_an_error),
        TEST(test_damaged_data_is_an_error),
        TEST(test_close_sends_the_rest_and_says_the_end),
        TEST(test_garbage_instead_of_a_handshake),
        TEST(test_a_handshake_times_out_is_cancelled_and_is_closed),
        TEST(test_nothing_is_injected_before_the_handshake),
        TEST(test_a_handshake_that_was_read_ahead),
        TEST(test_much_goes_both_ways_at_once_in_bounded_memory),
        TEST(test_a_slow_reader_holds_the_writer_back),
        TEST(test_a_server_over_tcp),
        TEST(test_a_loop_is_closed_over_tls_streams),
    };
    certificates_make(&files);
    int failed = RUN_TESTS("loop/tls", tests);
    certificates_remove(&files);
    return failed;
}
