/* Tests of streams: every read and write, its limits, its end, and what may happen in its waits. */
#include <sys/ioctl.h>
#include <termios.h>

#include "loop/stream.h"
#include "streams.h"

typedef struct ends {
    yk_stream *a, *b;
} ends;

static ends pair(void)
{
    yk_stream *s[2];
    assert_ok(yk_stream_pair(s));
    return (ends){ s[0], s[1] };
}

static void close_both(ends e)
{
    yk_stream_close(e.a);
    yk_stream_close(e.b);
}

static int put(yk_stream *s, const char *text)
{
    return yk_stream_write(s, text, strlen(text), 0);
}

static void assert_next(yk_stream *s, const char *expected)
{
    char got[64] = "";
    size_t n = strlen(expected);
    assert_in_range(n, 1, sizeof got - 1);
    assert_ok(yk_stream_read_exactly(s, got, n, YK_FOREVER));
    assert_string_equal(got, expected);
}

/* A call of a stream's, made by a task of its own. */
typedef struct call {
    yk_stream *s;
    enum { SOME, EXACTLY, UNTIL, LINE, WRITE, DRAIN } what;
    size_t cap, len;
    uint64_t deadline;
    int err;
    char out[256];
} call;

static int make_call(void *arg)
{
    call *c = arg;
    uint64_t deadline = c->deadline ? c->deadline : YK_FOREVER;
    size_t cap = c->cap ? c->cap : sizeof c->out;
    switch (c->what) {
    case SOME:
        c->err = yk_stream_read_some(c->s, c->out, cap, &c->len, deadline);
        break;
    case EXACTLY:
        c->err = yk_stream_read_exactly(c->s, c->out, c->len, deadline);
        break;
    case UNTIL:
        c->err = yk_stream_read_until(c->s, "--", 2, c->out, cap, &c->len, deadline);
        break;
    case LINE:
        c->err = yk_stream_read_line(c->s, c->out, cap, &c->len, deadline);
        break;
    case WRITE:
        c->err = yk_stream_write(c->s, "end", 3, deadline);
        break;
    case DRAIN:
        c->err = yk_stream_drain(c->s, deadline);
        break;
    }
    return c->err;
}

/* Begun, and waiting. */
static yk_future *begin(call *c)
{
    c->err = 1;
    yk_future *t = yk_task_start(make_call, c);
    yk_yield();
    assert_int_equal(c->err, 1);
    return t;
}

static int end(yk_future *t)
{
    int err = yk_await(t);
    yk_future_unref(t);
    return err;
}

/* Writes without a wait until there would be one. */
static size_t fill(yk_stream *s)
{
    size_t n = 0;
    char *bytes = pattern(10000);
    int err;
    while ((err = yk_stream_write(s, bytes, 10000, 0)) == 0)
        n += 10000;
    assert_int_equal(err, UV_ETIMEDOUT);
    free(bytes);
    return n;
}

/* ---- Refusals -------------------------------------------------------------------------------- */

static void test_without_a_loop_there_is_no_stream(void **state)
{
    (void)state;
    yk_stream *s = NULL, *two[2] = { NULL };
    assert_int_equal(yk_stream_open(&s, 0), UV_EINVAL);
    assert_int_equal(yk_stream_pair(two), UV_EINVAL);
    assert_null(s);
    assert_null(two[0]);
    yk_stream_close(NULL);
    assert_int_equal(yk_stream_write(NULL, "x", 1, 0), UV_EINVAL);
}

static void test_outside_a_task_nobody_waits(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    ends e = pair();
    char c;
    size_t n;
    assert_int_equal(yk_stream_read_some(e.a, &c, 1, &n, YK_FOREVER), YK_EONLOOP);
    assert_ok(put(e.a, "x"));
    close_both(e);
    assert_int_equal(yk_loop_close(loop), 0);
}

static void test_a_stream_outlives_its_loop(void **state)
{
    (void)state;
    yk_loop *loop = yk_loop_new();
    ends e = pair();
    assert_ok(yk_loop_close(loop));
    char c;
    size_t n;
    assert_int_equal(yk_stream_read_some(e.a, &c, 1, &n, 0), UV_EINVAL);
    loop = yk_loop_new(); /* may lie where the other did */
    assert_true(yk_stream_write(e.a, "x", 1, 0) < 0);
    assert_int_equal(yk_stream_error(e.a), YK_ECLOSED);
    assert_int_equal(yk_stream_fd(e.a), -1);
    close_both(e);
    assert_ok(yk_loop_close(loop));
}

/* ---- Reading --------------------------------------------------------------------------------- */

static int read_some(void *unused)
{
    (void)unused;
    ends e = pair();
    char c[10];
    size_t n = 77;
    assert_int_equal(yk_stream_read_some(e.b, c, sizeof c, &n, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_stream_read_some(e.b, c, sizeof c, &n, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_int_equal(n, 77); /* untouched */
    assert_ok(put(e.a, "abcdef"));
    assert_ok(yk_stream_read_some(e.b, c, 4, &n, YK_FOREVER));
    assert_int_equal(n, 4);
    assert_int_equal(yk_stream_readable(e.b), 2);
    assert_ok(yk_stream_read_some(e.b, c, 4, &n, 0));
    assert_int_equal(n, 2);
    assert_memory_equal(c, "ef", 2);
    assert_ok(yk_stream_end_writing(e.a));
    assert_int_equal(yk_stream_read_some(e.b, c, 4, &n, YK_FOREVER), YK_END);
    assert_int_equal(yk_stream_read_some(e.b, c, 4, &n, 0), YK_END);
    assert_int_equal(put(e.a, "x"), YK_ECLOSED);
    assert_ok(put(e.b, "half open"));
    assert_next(e.a, "half open");
    close_both(e);
    return 0;
}

static void test_read_what_there_is(void **state)
{
    (void)state;
    on_loop(read_some, NULL);
}

static int read_exactly(void *unused)
{
    (void)unused;
    ends e = pair();
    char c[10];
    assert_ok(put(e.a, "abc"));
    assert_int_equal(yk_stream_read_exactly(e.b, c, 4, yk_after_ms(5)), UV_ETIMEDOUT);
    assert_int_equal(yk_stream_readable(e.b), 3); /* nothing is lost */
    assert_ok(yk_stream_read_exactly(e.b, c, 0, 0));
    assert_ok(put(e.a, "de"));
    assert_next(e.b, "abcd");
    yk_stream_close(e.a);
    assert_int_equal(yk_stream_read_exactly(e.b, c, 4, YK_FOREVER), YK_ETRUNCATED);
    assert_next(e.b, "e");
    assert_int_equal(yk_stream_read_exactly(e.b, c, 4, YK_FOREVER), YK_END);
    yk_stream_close(e.b);
    return 0;
}

static void test_read_so_many_bytes(void **state)
{
    (void)state;
    on_loop(read_exactly, NULL);
}

static int read_until(void *unused)
{
    (void)unused;
    ends e = pair();
    char c[10];
    size_t n = 77;
    assert_int_equal(yk_stream_read_until(e.b, "", 0, c, 10, &n, 0), UV_EINVAL);
    call r = { .s = e.b, .what = UNTIL };
    yk_future *t = begin(&r);
    assert_ok(put(e.a, "one-")); /* the delimiter comes in two pieces */
    eventually(yk_stream_readable(e.b) == 4);
    assert_ok(put(e.a, "-two--"));
    assert_ok(end(t));
    assert_int_equal(r.len, 5);
    assert_memory_equal(r.out, "one--", 5);
    assert_int_equal(yk_stream_read_until(e.b, "--", 2, c, 4, &n, 0), YK_ETOOBIG);
    assert_int_equal(n, 77);
    assert_ok(yk_stream_read_until(e.b, "--", 2, c, 5, &n, 0)); /* just so */
    assert_int_equal(n, 5);
    assert_memory_equal(c, "two--", 5);
    assert_ok(put(e.a, "rest-"));
    yk_stream_close(e.a);
    assert_int_equal(yk_stream_read_until(e.b, "--", 2, c, 10, &n, YK_FOREVER), YK_ETRUNCATED);
    assert_next(e.b, "rest-");
    assert_int_equal(yk_stream_read_until(e.b, "--", 2, c, 10, &n, YK_FOREVER), YK_END);
    yk_stream_close(e.b);
    return 0;
}

static void test_read_until_a_delimiter(void **state)
{
    (void)state;
    on_loop(read_until, NULL);
}

static void assert_line(yk_stream *s, size_t size, const char *expected)
{
    char line[64];
    size_t n = 77;
    assert_ok(yk_stream_read_line(s, line, size, &n, YK_FOREVER));
    assert_string_equal(line, expected);
    assert_int_equal(n, strlen(expected));
}

static int read_lines(void *unused)
{
    (void)unused;
    ends e = pair();
    char line[64];
    assert_ok(put(e.a, "first\nsecond\r\n\n\r\nsix\r\ntoo long\nlast"));
    assert_line(e.b, 64, "first");
    assert_line(e.b, 7, "second");
    assert_line(e.b, 1, "");
    assert_line(e.b, 64, "");
    assert_int_equal(yk_stream_read_line(e.b, line, 3, NULL, YK_FOREVER), YK_ETOOBIG);
    assert_line(e.b, 4, "six");
    assert_int_equal(yk_stream_read_line(e.b, line, 8, NULL, YK_FOREVER), YK_ETOOBIG);
    assert_line(e.b, 9, "too long"); /* it was still there */
    assert_int_equal(yk_stream_read_line(e.b, line, 64, NULL, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_int_equal(yk_stream_read_line(e.b, line, 0, NULL, 0), UV_EINVAL);
    yk_stream_close(e.a);
    assert_int_equal(yk_stream_read_line(e.b, line, 4, NULL, YK_FOREVER), YK_ETOOBIG);
    assert_line(e.b, 5, "last");
    assert_int_equal(yk_stream_read_line(e.b, line, 64, NULL, YK_FOREVER), YK_END);
    yk_stream_close(e.b);
    return 0;
}

static void test_read_lines(void **state)
{
    (void)state;
    on_loop(read_lines, NULL);
}

/* A line of which there is no end, by a peer that would send for ever. */
static int endless_line(void *unused)
{
    (void)unused;
    ends e = pair();
    char line[1000];
    memset(line, 'x', sizeof line);
    while (yk_stream_write(e.a, line, sizeof line, 0) == 0)
        ;
    assert_int_equal(yk_stream_read_line(e.b, line, sizeof line, NULL, YK_FOREVER), YK_ETOOBIG);
    assert_in_range(yk_stream_readable(e.b), 1000, 128 << 10);
    assert_ok(yk_stream_read_exactly(e.b, line, 1000, 0)); /* it can be read otherwise */
    for (size_t i = 0; i < sizeof line; i++)
        assert_int_equal(line[i], 'x');
    close_both(e);
    return 0;
}

static void test_a_line_without_end_is_an_error_and_takes_no_memory(void **state)
{
    (void)state;
    on_loop(endless_line, NULL);
}

/* ---- Back-pressure --------------------------------------------------------------------------- */

typedef struct transfer {
    yk_stream *s;
    size_t len;
    int err;
} transfer;

static int send_all(void *arg)
{
    transfer *t = arg;
    char *bytes = pattern(t->len);
    for (size_t i = 0, n; i < t->len && !t->err; i += n) {
        n = i % 30000 + 1 < t->len - i ? i % 30000 + 1 : t->len - i;
        t->err = yk_stream_write(t->s, bytes + i, n, YK_FOREVER);
        assert_in_range(yk_stream_unsent(t->s), 0, 64 * 1024 + 30000);
    }
    free(bytes);
    if (!t->err)
        t->err = yk_stream_end_writing(t->s);
    return t->err;
}

static int receive_all(void *arg)
{
    transfer *t = arg;
    char *bytes = malloc(100000);
    size_t got = 0, n;
    while ((t->err = yk_stream_read_some(t->s, bytes, 1 + got % 100000, &n, YK_FOREVER)) == 0) {
        for (size_t i = 0; i < n; i++)
            if (bytes[i] != byte_at(got + i))
                fail_msg("byte %zu is wrong", got + i);
        got += n;
        assert_in_range(yk_stream_readable(t->s), 0, 128 << 10);
    }
    free(bytes);
    assert_int_equal(got, t->len);
    return t->err == YK_END ? 0 : t->err;
}

static int both_ways(void *unused)
{
    (void)unused;
    ends e = pair();
    size_t len = support_rounds(20 << 20);
    transfer t[4] = { { e.a, len, 0 }, { e.b, len / 2, 0 }, { e.a, len / 2, 0 }, { e.b, len, 0 } };
    yk_task_fn fns[] = { send_all, send_all, receive_all, receive_all };
    assert_ok(yk_gather(fns, (void *[]){ &t[0], &t[1], &t[2], &t[3] }, 4));
    close_both(e);
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
    ends e = pair();
    yk_stream_set_limits(e.a, 0, 20000);
    yk_stream_set_limits(e.b, 5000, 0);
    char c;
    call w = { .s = e.a, .what = WRITE };
    assert_int_equal(yk_stream_read_exactly(e.b, &c, 1, 0), UV_ETIMEDOUT);
    size_t sent = fill(e.a);
    yk_future *t = begin(&w);
    assert_in_range(yk_stream_unsent(e.a), 20001, 30000);
    assert_ok(yk_stream_read_exactly(e.b, &c, 1, YK_FOREVER));
    assert_in_range(yk_stream_readable(e.b), 1, 5000 + (64 << 10));
    size_t got = 1, n;
    char buffer[4000];
    while (got < sent) { /* and then the writer is heard */
        assert_ok(yk_stream_read_some(e.b, buffer, sizeof buffer, &n, YK_FOREVER));
        got += n;
    }
    assert_ok(end(t));
    n = got - sent;
    if (n < 3)
        assert_ok(yk_stream_read_exactly(e.b, buffer, 3 - n, YK_FOREVER));
    assert_ok(yk_stream_drain(e.a, YK_FOREVER));
    close_both(e);
    return 0;
}

static void test_a_writer_waits_for_a_slow_reader(void **state)
{
    (void)state;
    on_loop(slow_reader, NULL);
}

static int one_large_read(void *unused)
{
    (void)unused;
    ends e = pair();
    transfer t = { e.a, 1 << 20, 0 };
    yk_future *sender = yk_task_start(send_all, &t);
    char *got = malloc(1 << 20);
    assert_ok(yk_stream_read_exactly(e.b, got, 1 << 20, YK_FOREVER)); /* more than the limit */
    for (size_t i = 0; i < 1 << 20; i++)
        assert_int_equal(got[i], byte_at(i));
    free(got);
    assert_ok(end(sender));
    close_both(e);
    return 0;
}

static void test_one_read_gets_more_than_the_limit(void **state)
{
    (void)state;
    on_loop(one_large_read, NULL);
}

static int drains(void *unused)
{
    (void)unused;
    ends e = pair();
    assert_ok(yk_stream_drain(e.a, 0));
    fill(e.a);
    assert_int_equal(yk_stream_drain(e.a, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_stream_drain(e.a, yk_after_ms(1)), UV_ETIMEDOUT);
    call d = { .s = e.a, .what = DRAIN };
    yk_future *t = begin(&d);
    size_t n;
    char buffer[4000];
    while (d.err == 1)
        assert_ok(yk_stream_read_some(e.b, buffer, sizeof buffer, &n, YK_FOREVER));
    assert_ok(end(t));
    assert_int_equal(yk_stream_unsent(e.a), 0);
    close_both(e);
    return 0;
}

static void test_drain_waits_until_all_is_sent(void **state)
{
    (void)state;
    on_loop(drains, NULL);
}

static int count_turns(void *arg)
{
    size_t *turns = arg;
    while (*turns < 1000000) {
        ++*turns;
        if (yk_yield())
            return 0;
    }
    return 0;
}

/* A peer that takes whatever comes, at once. */
static int writes_without_end(void *unused)
{
    (void)unused;
    ends e = pair();
    size_t turns = 0, n;
    char *bytes = pattern(1 << 16);
    yk_future *counter = yk_task_start(count_turns, &turns);
    for (int i = 0; i < 200; i++) { /* the other side keeps up within the same task */
        assert_ok(yk_stream_write(e.a, bytes, 1 << 16, YK_FOREVER));
        int fd = yk_stream_fd(e.b);
        for (size_t got = 0; got < 1 << 16; got += n) {
            ssize_t r = read(fd, bytes, 1 << 16);
            n = r > 0 ? (size_t)r : 0;
            if (yk_stream_unsent(e.a) > 0)
                yk_yield();
        }
    }
    assert_in_range(turns, 10, 1000000);
    free(bytes);
    yk_future_cancel(counter);
    yk_await(counter);
    yk_future_unref(counter);
    close_both(e);
    return 0;
}

static int be_seen(void *ran)
{
    *(bool *)ran = true;
    return 0;
}

static int never_waits(void *unused)
{
    (void)unused;
    yk_stream *pair[2];
    bool ran = false;
    char *data = pattern(10000);
    assert_ok(yk_stream_pair(pair));
    yk_future *other = yk_task_start(be_seen, &ran);
    int err = 0;
    for (int i = 0; i < 1000; i++)
        err = yk_stream_write(pair[0], data, 10000, 0);
    assert_int_equal(err, UV_ETIMEDOUT);
    assert_false(ran);
    yk_stream_close(pair[0]);
    yk_stream_close(pair[1]);
    yk_await(other);
    yk_future_unref(other);
    free(data);
    return 0;
}

static void test_who_does_not_wait_lets_nobody_run(void **state)
{
    (void)state;
    on_loop(never_waits, NULL);
}

static void test_a_writer_lets_others_run(void **state)
{
    (void)state;
    on_loop(writes_without_end, NULL);
}

/* ---- What happens in the middle of a wait ---------------------------------------------------- */

static const struct {
    int what;
    size_t len;
} reads[] = { { SOME, 0 }, { EXACTLY, 100 }, { UNTIL, 0 }, { LINE, 0 } };

/* All but SOME wait on with something in the buffer. */
static int cancelled_reads(void *unused)
{
    (void)unused;
    for (size_t i = 0; i < COUNT_OF(reads); i++) {
        ends e = pair();
        call r = { .s = e.b, .what = reads[i].what, .len = reads[i].len };
        yk_future *t = begin(&r);
        if (r.what != SOME) {
            assert_ok(put(e.a, "some bytes"));
            eventually(yk_stream_readable(e.b) == 10);
        }
        yk_future_cancel(t);
        assert_int_equal(end(t), YK_ECANCELED);
        assert_int_equal(r.err, YK_ECANCELED);
        if (r.what == SOME)
            assert_ok(put(e.a, "some bytes"));
        assert_next(e.b, "some bytes");
        close_both(e);
    }
    return 0;
}

static void test_a_cancelled_read_loses_nothing(void **state)
{
    (void)state;
    on_loop(cancelled_reads, NULL);
}

/* The bytes come, and the reader is cancelled before it has run. */
static int cancelled_too_late(void *unused)
{
    (void)unused;
    ends e = pair();
    call r = { .s = e.b, .what = EXACTLY, .len = 5 };
    yk_future *t = begin(&r);
    assert_ok(put(e.a, "12345"));
    while (yk_stream_readable(e.b) == 0 && r.err == 1)
        yk_yield();
    yk_future_cancel(t);
    end(t);
    if (r.err == 0)
        assert_memory_equal(r.out, "12345", 5);
    else
        assert_next(e.b, "12345");
    close_both(e);
    return 0;
}

static void test_a_read_that_is_cancelled_too_late(void **state)
{
    (void)state;
    on_loop(cancelled_too_late, NULL);
}

static int cancelled_writes(void *unused)
{
    (void)unused;
    for (int what = WRITE; what <= DRAIN; what++) {
        ends e = pair();
        size_t sent = fill(e.a);
        call w = { .s = e.a, .what = what };
        yk_future *t = begin(&w);
        yk_future_cancel(t);
        assert_int_equal(end(t), YK_ECANCELED);
        w.deadline = yk_after_ms(1);
        t = begin(&w);
        assert_int_equal(end(t), UV_ETIMEDOUT);
        yk_stream_close(e.a); /* sends what had been taken, and no more */
        assert_int_equal(yk_stream_unsent(e.b), 0);
        size_t got = 0, n;
        char buffer[5000];
        int err;
        while ((err = yk_stream_read_some(e.b, buffer, sizeof buffer, &n, YK_FOREVER)) == 0)
            got += n;
        assert_int_equal(err, YK_END);
        assert_int_equal(got, sent);
        yk_stream_close(e.b);
    }
    return 0;
}

static void test_a_cancelled_write_has_written_nothing(void **state)
{
    (void)state;
    on_loop(cancelled_writes, NULL);
}

static int closed_in_waits(void *arg)
{
    bool by_abort = *(bool *)arg;
    for (int what = SOME; what <= DRAIN; what++) {
        ends e = pair();
        if (what >= WRITE)
            fill(e.a);
        call c = { .s = e.a, .what = what, .len = 10 };
        yk_future *t = begin(&c);
        if (by_abort)
            yk_stream_abort(e.a);
        else
            yk_stream_close(e.a);
        assert_int_equal(end(t), YK_ECLOSED);
        if (by_abort) {
            assert_int_equal(put(e.a, "x"), YK_ECLOSED);
            assert_int_equal(yk_stream_drain(e.a, 0), YK_ECLOSED);
            yk_stream_abort(e.a);
            yk_stream_close(e.a);
        }
        yk_stream_close(e.b);
    }
    return 0;
}

static void test_close_wakes_whoever_waits(void **state)
{
    (void)state;
    on_loop(closed_in_waits, &(bool){ false });
    on_loop(closed_in_waits, &(bool){ true });
}

static int second_waiters(void *unused)
{
    (void)unused;
    ends e = pair();
    fill(e.a);
    call r = { .s = e.a, .what = SOME }, w = { .s = e.a, .what = WRITE };
    yk_future *tr = begin(&r), *tw = begin(&w); /* one of each is fine */
    char c;
    size_t n;
    assert_int_equal(yk_stream_read_some(e.a, &c, 1, &n, YK_FOREVER), UV_EBUSY);
    assert_int_equal(yk_stream_write(e.a, &c, 1, YK_FOREVER), UV_EBUSY);
    assert_int_equal(yk_stream_drain(e.a, YK_FOREVER), UV_EBUSY);
    yk_future_cancel(tr);
    yk_future_cancel(tw);
    end(tr);
    end(tw);
    close_both(e);
    return 0;
}

static void test_a_second_waiter_is_refused(void **state)
{
    (void)state;
    on_loop(second_waiters, NULL);
}

static int peer_vanishes(void *unused)
{
    (void)unused;
    ends e = pair();
    char c[4];
    size_t n;
    assert_ok(put(e.a, "ab"));
    fill(e.b);
    call w = { .s = e.b, .what = WRITE };
    yk_future *t = begin(&w);
    yk_stream_abort(e.a); /* with unread bytes: the other sees a reset */
    end(t);
    assert_true(w.err == UV_EPIPE || w.err == UV_ECONNRESET);
    int err;
    while ((err = yk_stream_read_some(e.b, c, 1, &n, YK_FOREVER)) == 0)
        ;
    assert_true(err == w.err || err == YK_END);
    assert_int_equal(put(e.b, "x"), w.err); /* errors stay */
    assert_int_equal(yk_stream_error(e.b), w.err);
    close_both(e);
    return 0;
}

static void test_a_peer_that_vanishes_is_an_error_that_stays(void **state)
{
    (void)state;
    on_loop(peer_vanishes, NULL);
}

static int left_open(void *arg)
{
    ends *e = arg;
    *e = pair();
    char c;
    return yk_stream_read_exactly(e->a, &c, 1, YK_FOREVER) == YK_ECANCELED ? 0 : UV_EINVAL;
}

static int yield_once(void *unused)
{
    (void)unused;
    return yk_yield();
}

static void test_a_loop_is_closed_while_a_task_reads(void **state)
{
    (void)state;
    ends e;
    yk_loop *loop = yk_loop_new();
    yk_future *t = yk_task_start(left_open, &e);
    yk_future *nap = yk_task_start(yield_once, NULL);
    assert_ok(yk_loop_run_until(loop, nap));
    yk_future_unref(nap);
    assert_int_equal(yk_loop_close(loop), 1);
    assert_int_equal(yk_future_state(t), YK_DONE);
    yk_future_unref(t);
    close_both(e);
}

/* ---- Other kinds ----------------------------------------------------------------------------- */

static int terminal(void *unused)
{
    (void)unused;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    yk_stream *s;
    assert_ok(yk_stream_open(&s, slave));
    assert_int_equal(write(master, "typed\n", 6), 6);
    assert_line(s, 10, "typed");
    assert_ok(put(s, "shown"));
    assert_ok(yk_stream_drain(s, YK_FOREVER));
    char got[64] = "";
    size_t n = 0;
    while (!strstr(got, "shown")) {
        ssize_t r = read(master, got + n, sizeof got - 1 - n);
        n += r > 0 ? (size_t)r : 0;
        yk_yield();
    }
    yk_stream_close(s);
    return close(master);
}

static void test_a_terminal_is_a_stream(void **state)
{
    (void)state;
    on_loop(terminal, NULL);
}

static int lines_of_a_file(void *unused)
{
    (void)unused;
    int fd = nameless_file();
    assert_int_equal(write(fd, "one\ntwo\n", 8), 8);
    assert_ok(lseek(fd, 0, SEEK_SET));
    yk_stream *s;
    assert_ok(yk_stream_open(&s, fd));
    assert_line(s, 10, "one");
    assert_line(s, 10, "two");
    char line[10];
    assert_int_equal(yk_stream_read_line(s, line, 10, NULL, YK_FOREVER), YK_END);
    assert_ok(yk_stream_write(s, "three\n", 6, 0));
    assert_ok(yk_stream_drain(s, YK_FOREVER));
    yk_stream_close(s);
    return 0;
}

static void test_a_file_is_a_stream(void **state)
{
    (void)state;
    on_loop(lines_of_a_file, NULL);
}

static int one_way_only(void *unused)
{
    (void)unused;
    int fds[2];
    assert_ok(pipe2(fds, O_CLOEXEC));
    yk_stream *in, *out;
    assert_ok(yk_stream_open(&in, fds[0]));
    assert_ok(yk_stream_open(&out, fds[1]));
    char c;
    assert_int_equal(yk_stream_read_exactly(out, &c, 1, YK_FOREVER), UV_ENOTCONN);
    assert_ok(put(out, "through"));
    assert_ok(yk_stream_end_writing(out));
    assert_next(in, "through");
    assert_int_equal(yk_stream_read_exactly(in, &c, 1, YK_FOREVER), YK_END);
    yk_stream_close(in);
    yk_stream_close(out);
    return 0;
}

static void test_a_pipe_is_a_stream_one_way(void **state)
{
    (void)state;
    on_loop(one_way_only, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_without_a_loop_there_is_no_stream),
        TEST(test_outside_a_task_nobody_waits),
        TEST(test_a_stream_outlives_its_loop),
        TEST(test_read_what_there_is),
        TEST(test_read_so_many_bytes),
        TEST(test_read_until_a_delimiter),
        TEST(test_read_lines),
        TEST(test_a_line_without_end_is_an_error_and_takes_no_memory),
        TEST(test_much_goes_both_ways_at_once_in_bounded_memory),
        TEST(test_a_writer_waits_for_a_slow_reader),
        TEST(test_one_read_gets_more_than_the_limit),
        TEST(test_drain_waits_until_all_is_sent),
        TEST(test_who_does_not_wait_lets_nobody_run),
        TEST(test_a_writer_lets_others_run),
        TEST(test_a_cancelled_read_loses_nothing),
        TEST(test_a_read_that_is_cancelled_too_late),
        TEST(test_a_cancelled_write_has_written_nothing),
        TEST(test_close_wakes_whoever_waits),
        TEST(test_a_second_waiter_is_refused),
        TEST(test_a_peer_that_vanishes_is_an_error_that_stays),
        TEST(test_a_loop_is_closed_while_a_task_reads),
        TEST(test_a_terminal_is_a_stream),
        TEST(test_a_file_is_a_stream),
        TEST(test_a_pipe_is_a_stream_one_way),
    };
    return RUN_TESTS("loop/stream", tests);
}
