/* Tests of transports: what is called when, and how they end. */
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "loop/transport.h"
#include "streams.h"

/* Writes down what it is called for: C connected, D data (a run of them is one), E eof, P paused,
 * R resumed, L lost. */
typedef struct record {
    char calls[32];
    size_t bytes;
    int err;
    bool lost;
    yk_transport *t;
    void (*on_data)(struct record *r);
} record;

static void note(record *r, char what)
{
    size_t n = strlen(r->calls);
    if (what == 'D' && n > 0 && r->calls[n - 1] == 'D')
        return;
    assert_in_range(n, 0, sizeof r->calls - 2);
    assert_false(r->lost);
    r->calls[n] = what;
}

static void connected(yk_transport *t, void *arg)
{
    ((record *)arg)->t = t;
    note(arg, 'C');
}

static void data(yk_transport *t, const void *bytes, size_t len, void *arg)
{
    record *r = arg;
    assert_ptr_equal(t, r->t);
    note(r, 'D');
    for (size_t i = 0; i < len; i++)
        assert_int_equal(((const char *)bytes)[i], byte_at(r->bytes + i));
    r->bytes += len;
    if (r->on_data)
        r->on_data(r);
}

static void eof(yk_transport *t, void *arg)
{
    (void)t;
    note(arg, 'E');
}

static void lost(yk_transport *t, int err, void *arg)
{
    record *r = arg;
    (void)t;
    note(r, 'L');
    r->lost = true;
    r->err = err;
}

static void paused(yk_transport *t, void *arg)
{
    (void)t;
    note(arg, 'P');
}

static void resumed(yk_transport *t, void *arg)
{
    (void)t;
    note(arg, 'R');
}

static const yk_protocol recording = { connected, data, eof, lost, paused, resumed };

/* A transport that records, and the plain other end. */
static int record_pair(record *r)
{
    int fds[2];
    plain_pair(fds);
    yk_transport *t;
    assert_ok(yk_transport_open(&t, fds[0], &recording, r));
    assert_ptr_equal(t, r->t);
    return fds[1];
}

static void send_plain(int fd, size_t from, size_t len)
{
    char *bytes = pattern(from + len);
    assert_int_equal(write(fd, bytes + from, len), len);
    free(bytes);
}

static void close_and_see(record *r, int err)
{
    yk_transport_close(r->t);
    assert_true(yk_transport_is_closing(r->t));
    assert_false(r->lost);
    eventually(r->lost);
    assert_int_equal(r->err, err);
}

/* ---- What cannot be one ---------------------------------------------------------------------- */

static int refuse(void *unused)
{
    (void)unused;
    record r = { 0 };
    yk_transport *t = NULL;
    assert_int_equal(yk_transport_open(&t, -1, &recording, &r), UV_EINVAL);
    int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(yk_transport_open(&t, udp, &recording, &r), UV_EINVAL);
    assert_int_equal(yk_transport_open(&t, udp, NULL, &r), UV_EINVAL);
    assert_ok(close(udp)); /* it is still ours */
    assert_null(t);
    assert_string_equal(r.calls, "");
    return 0;
}

static void test_what_is_no_stream_is_refused(void **state)
{
    (void)state;
    yk_transport *t;
    assert_int_equal(yk_transport_open(&t, 0, &recording, NULL), UV_EINVAL); /* no loop */
    on_loop(refuse, NULL);
}

/* ---- The order of calls ---------------------------------------------------------------------- */

static int whole_life(void *unused)
{
    (void)unused;
    record r = { 0 };
    int fd = record_pair(&r);
    send_plain(fd, 0, 1000);
    eventually(r.bytes == 1000);
    send_plain(fd, 1000, 7);
    assert_ok(shutdown(fd, SHUT_WR));
    eventually(strchr(r.calls, 'E'));
    char *bytes = pattern(300);
    assert_ok(yk_transport_write(r.t, bytes, 100)); /* the other direction is open */
    assert_ok(yk_transport_writev(
        r.t, (struct iovec[]){ { bytes + 100, 150 }, { NULL, 0 }, { bytes + 250, 50 } }, 3));
    assert_ok(yk_transport_write(r.t, NULL, 0));
    free(bytes);
    close_and_see(&r, 0);
    assert_string_equal(r.calls, "CDEL");
    assert_int_equal(r.bytes, 1007);
    assert_int_equal(drain_plain(fd, NULL), 300);
    return close(fd);
}

static void test_calls_come_in_order(void **state)
{
    (void)state;
    on_loop(whole_life, NULL);
}

static void lost_only(yk_transport *t, int err, void *arg)
{
    (void)t;
    *(int *)arg = err;
}

static int without_eof(void *unused)
{
    (void)unused;
    int fds[2], err = 1;
    plain_pair(fds);
    yk_transport *t;
    assert_ok(yk_transport_open(&t, fds[0], &(yk_protocol){ .lost = lost_only }, &err));
    assert_int_equal(write(fds[1], "unheard", 7), 7);
    close(fds[1]);
    eventually(err != 1);
    return err;
}

static void test_who_does_not_hear_of_the_end_is_closed_by_it(void **state)
{
    (void)state;
    on_loop(without_eof, NULL);
}

static void close_now(record *r)
{
    yk_transport_close(r->t);
    yk_transport_close(r->t);
}

static void abort_now(record *r)
{
    yk_transport_abort(r->t);
    yk_transport_abort(r->t);
    yk_transport_close(r->t);
}

static int end_in_data(void *arg)
{
    record r = { .on_data = arg ? abort_now : close_now };
    int fd = record_pair(&r);
    send_plain(fd, 0, 10);
    eventually(r.lost);
    assert_int_equal(r.err, arg ? YK_ECLOSED : 0);
    assert_string_equal(r.calls, "CDL");
    return close(fd);
}

static void test_it_is_ended_from_within_a_callback(void **state)
{
    (void)state;
    on_loop(end_in_data, NULL);
    on_loop(end_in_data, &(bool){ true });
}

/* ---- Back-pressure --------------------------------------------------------------------------- */

static int pause_and_resume(void *unused)
{
    (void)unused;
    record r = { 0 };
    int fd = record_pair(&r);
    assert_ok(yk_transport_pause_reading(r.t));
    assert_false(yk_transport_is_reading(r.t));
    send_plain(fd, 0, 100);
    yk_sleep_ms(5); /* nothing can be awaited that must not come */
    assert_int_equal(r.bytes, 0);
    assert_ok(yk_transport_resume_reading(r.t));
    assert_ok(yk_transport_resume_reading(r.t));
    eventually(r.bytes == 100);
    close_and_see(&r, 0);
    return close(fd);
}

static void test_reading_is_paused(void **state)
{
    (void)state;
    on_loop(pause_and_resume, NULL);
}

static int water_marks(void *unused)
{
    (void)unused;
    record r = { 0 };
    int fd = record_pair(&r);
    yk_transport_set_water_marks(r.t, 100000, 5000);
    size_t len = 4 << 20;
    char *bytes = pattern(len);
    assert_ok(yk_transport_write(r.t, bytes, len / 2));
    assert_ok(yk_transport_write(r.t, bytes + len / 2, len / 2));
    assert_string_equal(r.calls, "CP");
    assert_in_range(yk_transport_unsent(r.t), 100001, len);
    free(bytes); /* what is unsent was copied */
    size_t read_back = 0;
    char buffer[10000];
    while (!strchr(r.calls, 'R')) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        read_back += n > 0 ? (size_t)n : 0;
        yk_yield();
    }
    assert_in_range(yk_transport_unsent(r.t), 0, 5000);
    while (read_back < len) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(buffer[i], byte_at(read_back + (size_t)i));
        read_back += n > 0 ? (size_t)n : 0;
        yk_yield();
    }
    close_and_see(&r, 0);
    assert_string_equal(r.calls, "CPRL");
    return close(fd);
}

static void test_a_slow_reader_pauses_the_writer(void **state)
{
    (void)state;
    on_loop(water_marks, NULL);
}

/* ---- Ends ------------------------------------------------------------------------------------ */

static int close_sends_the_rest(void *unused)
{
    (void)unused;
    record r = { 0 };
    int fd = record_pair(&r);
    char *bytes = pattern(3 << 20);
    assert_ok(yk_transport_write(r.t, bytes, 3 << 20));
    free(bytes);
    yk_transport_close(r.t);
    assert_int_equal(yk_transport_write(r.t, "x", 1), YK_ECLOSED);
    int err;
    assert_int_equal(drain_plain(fd, &err), 3 << 20);
    assert_int_equal(err, 0);
    eventually(r.lost);
    assert_int_equal(r.err, 0);
    return close(fd);
}

static void test_close_sends_what_is_unsent(void **state)
{
    (void)state;
    on_loop(close_sends_the_rest, NULL);
}

static int abort_drops_the_rest(void *unused)
{
    (void)unused;
    record r = { 0 };
    int fd = record_pair(&r);
    char *bytes = pattern(3 << 20);
    assert_ok(yk_transport_write(r.t, bytes, 3 << 20));
    free(bytes);
    yk_transport_abort(r.t);
    assert_int_equal(yk_transport_write(r.t, "x", 1), YK_ECLOSED);
    eventually(r.lost);
    assert_int_equal(r.err, YK_ECLOSED);
    assert_in_range(drain_plain(fd, NULL), 0, (3 << 20) - 1);
    return close(fd);
}

static void test_abort_drops_what_is_unsent(void **state)
{
    (void)state;
    on_loop(abort_drops_the_rest, NULL);
}

static int half_close(void *unused)
{
    (void)unused;
    record r = { 0 };
    int fd = record_pair(&r);
    char *bytes = pattern(1 << 20);
    assert_ok(yk_transport_write(r.t, bytes, 1 << 20));
    free(bytes);
    assert_ok(yk_transport_end_writing(r.t));
    assert_int_equal(yk_transport_end_writing(r.t), YK_ECLOSED);
    assert_int_equal(yk_transport_write(r.t, "x", 1), YK_ECLOSED);
    assert_int_equal(drain_plain(fd, NULL), 1 << 20);
    send_plain(fd, 0, 5000);
    eventually(r.bytes == 5000);
    close_and_see(&r, 0);
    return close(fd);
}

static void test_half_close(void **state)
{
    (void)state;
    on_loop(half_close, NULL);
}

static int peer_is_gone(void *unused)
{
    (void)unused;
    record r = { 0 };
    int fd = record_pair(&r);
    assert_ok(yk_transport_pause_reading(r.t));
    close(fd);
    int err = yk_transport_write(r.t, "into the void", 13); /* SIGPIPE would be the end of it */
    assert_int_equal(err, UV_EPIPE);
    assert_int_equal(yk_transport_write(r.t, "again", 5), UV_EPIPE);
    assert_false(r.lost);
    eventually(r.lost);
    assert_int_equal(r.err, UV_EPIPE);
    return 0;
}

static void test_a_peer_that_is_gone_is_an_error_and_no_signal(void **state)
{
    (void)state;
    on_loop(peer_is_gone, NULL);
}

static void test_a_loop_that_is_closed_ends_what_is_left(void **state)
{
    (void)state;
    record r = { 0 };
    int fds[2];
    plain_pair(fds);
    uv_loop_t uv;
    assert_ok(uv_loop_init(&uv)); /* the program's own: nothing may be left on it */
    yk_loop *loop = yk_loop_new(.uv = &uv);
    yk_transport *t;
    assert_ok(yk_transport_open(&t, fds[0], &recording, &r));
    assert_ok(yk_loop_close(loop));
    assert_ok(uv_loop_close(&uv));
    assert_string_equal(r.calls, "CL");
    assert_int_equal(r.err, YK_ECLOSED);
    close(fds[1]);
}

static void open_another(yk_transport *t, int err, void *arg)
{
    (void)t;
    (void)err;
    int fds[2];
    plain_pair(fds);
    yk_transport *other;
    *(int *)arg = yk_transport_open(&other, fds[0], &recording, NULL);
    close(fds[0]);
    close(fds[1]);
}

static void test_a_loop_that_is_closed_takes_no_new_ones(void **state)
{
    (void)state;
    int fds[2], err = 0;
    plain_pair(fds);
    yk_loop *loop = yk_loop_new();
    yk_transport *t;
    assert_ok(yk_transport_open(&t, fds[0], &(yk_protocol){ .lost = open_another }, &err));
    assert_ok(yk_loop_close(loop));
    assert_int_equal(err, YK_ECLOSED);
    close(fds[1]);
}

/* What was closed in time is sent, though the loop is closed at once. */
static int write_and_close(void *arg)
{
    yk_transport *t;
    assert_ok(yk_transport_open(&t, *(int *)arg, &(yk_protocol){ 0 }, NULL));
    char *bytes = pattern(1 << 20);
    assert_ok(yk_transport_write(t, bytes, 1 << 20));
    free(bytes);
    yk_transport_close(t);
    return 0;
}

static void test_a_loop_that_is_closed_waits_for_what_is_unsent(void **state)
{
    (void)state;
    int fd = nameless_file();
    int ours = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    assert_int_equal(run_task(write_and_close, &fd), 0);
    assert_ok(lseek(ours, 0, SEEK_SET));
    assert_int_equal(drain_plain(ours, NULL), 1 << 20);
    close(ours);
}

/* ---- Other kinds ----------------------------------------------------------------------------- */

static int copy_of_file(void *unused)
{
    (void)unused;
    int fd = nameless_file();
    int ours = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    record w = { 0 }, r = { 0 };
    yk_transport *t;
    assert_ok(yk_transport_open(&t, fd, &recording, &w));
    assert_ok(yk_transport_pause_reading(t));
    char *bytes = pattern(300000);
    assert_ok(yk_transport_write(t, bytes, 200000));
    assert_ok(yk_transport_write(t, bytes + 200000, 100000));
    free(bytes);
    close_and_see(&w, 0);
    assert_ok(lseek(ours, 0, SEEK_SET));
    assert_ok(yk_transport_open(&t, ours, &recording, &r));
    eventually(strchr(r.calls, 'E'));
    assert_int_equal(r.bytes, 300000);
    close_and_see(&r, 0);
    return 0;
}

static void test_a_file_is_one(void **state)
{
    (void)state;
    on_loop(copy_of_file, NULL);
}

static void pause_now(record *r)
{
    yk_transport_pause_reading(r->t);
}

static int paused_file(void *unused)
{
    (void)unused;
    int fd = nameless_file();
    send_plain(fd, 0, 200000);
    assert_ok(lseek(fd, 0, SEEK_SET));
    record r = { .on_data = pause_now };
    yk_transport *t;
    assert_ok(yk_transport_open(&t, fd, &recording, &r));
    size_t pieces = 0;
    for (size_t before = 0; r.bytes < 200000; before = r.bytes, pieces++) {
        eventually(r.bytes > before);
        size_t now = r.bytes;
        yk_sleep_ms(1);
        assert_int_equal(r.bytes, now);
        yk_transport_resume_reading(t);
        yk_transport_pause_reading(t); /* with a request on its way */
        yk_transport_resume_reading(t);
    }
    assert_in_range(pieces, 2, 1000);
    yk_transport_abort(t); /* perhaps with one on its way, too */
    eventually(r.lost);
    return 0;
}

static void test_a_file_is_paused(void **state)
{
    (void)state;
    on_loop(paused_file, NULL);
}

static int both_ends_of_a_pipe(void *unused)
{
    (void)unused;
    int fds[2];
    assert_ok(pipe2(fds, O_CLOEXEC));
    record in = { 0 }, out = { 0 };
    yk_transport *t;
    assert_ok(yk_transport_open(&t, fds[0], &recording, &in));
    assert_ok(yk_transport_open(&t, fds[1], &recording, &out));
    assert_int_equal(yk_transport_resume_reading(out.t), UV_ENOTCONN);
    char *bytes = pattern(500000);
    assert_ok(yk_transport_write(out.t, bytes, 500000));
    free(bytes);
    assert_ok(yk_transport_end_writing(out.t));
    eventually(strchr(in.calls, 'E'));
    assert_int_equal(in.bytes, 500000);
    eventually(out.lost);
    close_and_see(&in, 0);
    return 0;
}

static void test_the_ends_of_a_pipe_are(void **state)
{
    (void)state;
    on_loop(both_ends_of_a_pipe, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_what_is_no_stream_is_refused),
        TEST(test_calls_come_in_order),
        TEST(test_who_does_not_hear_of_the_end_is_closed_by_it),
        TEST(test_it_is_ended_from_within_a_callback),
        TEST(test_reading_is_paused),
        TEST(test_a_slow_reader_pauses_the_writer),
        TEST(test_close_sends_what_is_unsent),
        TEST(test_abort_drops_what_is_unsent),
        TEST(test_half_close),
        TEST(test_a_peer_that_is_gone_is_an_error_and_no_signal),
        TEST(test_a_loop_that_is_closed_ends_what_is_left),
        TEST(test_a_loop_that_is_closed_takes_no_new_ones),
        TEST(test_a_loop_that_is_closed_waits_for_what_is_unsent),
        TEST(test_a_file_is_one),
        TEST(test_a_file_is_paused),
        TEST(test_the_ends_of_a_pipe_are),
    };
    return RUN_TESTS("loop/transport", tests);
}
