/* What all kinds of transports have in common, and the kind that most are: a uv_stream_t.
 *
 * The end. close() reads no more and waits until all is sent; an error, abort(), or a close that
 * takes too long drops the handle. Either way libuv's close callback comes next, and `lost` from
 * there: so it is never called from within a call of the program's, and nothing of libuv's is left
 * by then. A write's callback that comes after the drop does nothing but free.
 */
#include "transport.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "transport_internal.h"

#define TRANSPORT_OF(pointer, member) \
    ((yk_transport *)((char *)(pointer)-offsetof(yk_transport, member)))

/* ---- What all have in common ----------------------------------------------------------------- */

static void ignore_sigpipe(void)
{
    struct sigaction now;
    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

static void drop(yk_transport *t, bool reset)
{
    if (t->dropped)
        return;
    t->dropped = t->closing = true;
    t->ops->drop(t, reset);
}

static void leave(yk__guest *guest)
{
    yk_transport *t = (yk_transport *)guest;
    if (!t->closing)
        yk_transport_abort(t);
}

static void lingered(yk__timer *timer)
{
    yk_transport *t = TRANSPORT_OF(timer, linger);
    t->err = UV_ETIMEDOUT;
    drop(t, true);
}

int yk__transport_init(yk_transport *t, const yk__transport_ops *ops, const yk_protocol *protocol,
                       void *arg)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ignore_sigpipe);
    yk_loop *loop = yk_loop_current();
    t->ops = ops;
    t->protocol = *protocol;
    t->arg = arg;
    t->high = YK__HIGH_WATER;
    t->low = YK__LOW_WATER;
    t->reading = true;
    t->guest.leave = leave;
    t->linger.fired = lingered;
    int err = yk__reactor_timer_reserve(&loop->reactor, &t->linger);
    if (err)
        return err;
    err = yk__guest_welcome(&t->guest, loop);
    if (err)
        yk__reactor_timer_release(&loop->reactor, &t->linger);
    return err;
}

void yk__transport_begin(yk_transport *t)
{
    if (t->protocol.connected)
        t->protocol.connected(t, t->arg);
    if (t->closing || !t->reading)
        return;
    int err = t->ops->set_reading(t, true);
    t->reading = err == 0;
    if (err && err != UV_ENOTCONN) /* one that is only written to */
        yk__transport_broke(t, err);
}

void yk__transport_data(yk_transport *t, const void *data, size_t len)
{
    if (!t->closing && t->protocol.data)
        t->protocol.data(t, data, len, t->arg);
}

void yk__transport_eof(yk_transport *t)
{
    if (t->closing || t->ended)
        return;
    t->ended = true;
    if (t->protocol.eof)
        t->protocol.eof(t, t->arg);
    else
        yk_transport_close(t);
}

void yk__transport_sent(yk_transport *t)
{
    if (t->closing) {
        if (t->ops->unsent(t) == 0)
            drop(t, false);
        return;
    }
    if (t->above) {
        yk__transport_sent(t->above);
        return;
    }
    if (!t->writing_paused || t->ops->unsent(t) > t->low)
        return;
    t->writing_paused = false;
    if (t->protocol.resume_writing)
        t->protocol.resume_writing(t, t->arg);
}

void yk__transport_broke(yk_transport *t, int err)
{
    if (t->dropped)
        return;
    t->err = err;
    drop(t, false);
}

void yk__transport_lost(yk_transport *t)
{
    yk__reactor_timer_release(&t->guest.loop->reactor, &t->linger);
    yk__guest_farewell(&t->guest);
    if (t->protocol.lost)
        t->protocol.lost(t, t->err, t->arg);
}

/* ---- The program's calls --------------------------------------------------------------------- */

void yk_transport_set_protocol(yk_transport *t, const yk_protocol *protocol, void *arg)
{
    t->protocol = *protocol;
    t->arg = arg;
}

int yk_transport_write(yk_transport *t, const void *data, size_t len)
{
    return yk_transport_writev(t, &(struct iovec){ (void *)data, len }, 1);
}

static int may_write(const yk_transport *t)
{
    if (t->closing || t->writing_ended)
        return t->err ? t->err : YK_ECLOSED;
    return 0;
}

int yk_transport_writev(yk_transport *t, const struct iovec *pieces, size_t n)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += pieces[i].iov_len;
    int err = may_write(t);
    if (err || total == 0)
        return err;
    err = t->ops->write(t, pieces, n, total);
    if (err) {
        yk__transport_broke(t, err);
        return err;
    }
    if (!t->writing_paused && t->ops->unsent(t) > t->high) {
        t->writing_paused = true;
        if (t->protocol.pause_writing)
            t->protocol.pause_writing(t, t->arg);
    }
    return 0;
}

int yk_transport_end_writing(yk_transport *t)
{
    int err = may_write(t);
    if (err)
        return err;
    err = t->ops->end_writing(t);
    if (err == 0)
        t->writing_ended = true;
    return err;
}

static int set_reading(yk_transport *t, bool on)
{
    if (t->closing || t->ended || t->reading == on)
        return 0;
    t->reading = on; /* data may come at once, and with it the opposite wish */
    int err = t->ops->set_reading(t, on);
    if (err)
        t->reading = !on;
    return err;
}

int yk_transport_pause_reading(yk_transport *t)
{
    return set_reading(t, false);
}

int yk_transport_resume_reading(yk_transport *t)
{
    return set_reading(t, true);
}

bool yk_transport_is_reading(const yk_transport *t)
{
    return t->reading && !t->closing && !t->ended;
}

size_t yk_transport_unsent(const yk_transport *t)
{
    return t->ops->unsent(t);
}

void yk_transport_set_water_marks(yk_transport *t, size_t high, size_t low)
{
    t->high = high;
    t->low = low < high ? low : high;
}

void yk_transport_close(yk_transport *t)
{
    if (t->closing)
        return;
    t->ops->set_reading(t, false);
    t->closing = true;
    yk__reactor_timer_set(&t->guest.loop->reactor, &t->linger, yk_after_ms(YK__LINGER_MS));
    t->ops->finish(t);
    yk__transport_sent(t);
}

void yk_transport_abort(yk_transport *t)
{
    if (t->dropped)
        return;
    t->err = YK_ECLOSED;
    drop(t, true);
}

bool yk_transport_is_closing(const yk_transport *t)
{
    return t->closing;
}

int yk_transport_fd(const yk_transport *t)
{
    return t->ops->fd(t);
}
