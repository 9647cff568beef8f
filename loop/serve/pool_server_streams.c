/* What jobs of the shared pool emit, on its way to their clients. */
#include <stdlib.h>

#include "../../executor/ring.h"
#include "../../executor/stream.h"
#include "pool_server_internal.h"

/* While the job runs, no more is sent than the client has said that there is room for. When it has
 * ended, all that is left: a window at the most, for which the client has kept as much again. So
 * the end of a job waits for nobody who reads. */
static bool may_send(const pool_job *j, size_t len)
{
    return j->sent - j->taken + len <= j->window || yk_future_ended(j->future) || j->unread ||
           !yk__link_is_open(&j->c->link);
}

static int wait_for_room(pool_job *j, size_t len)
{
    int err = 0;
    while (!err && !may_send(j, len)) {
        yk_event_clear(&j->room);
        err = yk_event_wait(&j->room, YK_FOREVER);
    }
    return err;
}

static int wake_forwarder(yk_future *f, void *arg)
{
    (void)f;
    yk_event_set(&((pool_job *)arg)->room);
    return 0;
}

struct buffer {
    char *bytes;
    size_t size, len;
};

/* The next record, which stays in its ring until there is room for it. */
static int next_record(pool_job *j, struct buffer *b)
{
    int err = yk_stream_next(j->future, NULL, 0, &b->len, YK_FOREVER);
    if (err != YK_ETOOBIG)
        return err; /* 0: an empty one */
    if (b->len > b->size) {
        char *larger = realloc(b->bytes, b->len);
        if (!larger)
            return UV_ENOMEM;
        b->bytes = larger;
        b->size = b->len;
    }
    err = wait_for_room(j, b->len);
    return err ? err : yk_stream_next(j->future, b->bytes, b->size, &b->len, 0);
}

static int forward(void *arg)
{
    pool_job *j = arg;
    struct buffer b = { 0 };
    int err = yk_future_on_end(j->future, wake_forwarder, j);
    while (!err && (err = next_record(j, &b)) == 0) {
        if (j->unread)
            continue;
        j->sent += YK__RECORD_HEAD + b.len;
        yk__pool_tell(j, YK__RECORD, b.bytes, b.len);
    }
    free(b.bytes);
    j->unforwarded = err == UV_ENOMEM;
    if (err != YK_END)
        yk_future_cancel(j->future);
    while (!yk_future_ended(j->future)) /* it is about to */
        yk_await(j->future);
    yk__pool_finish_job(j);
    return 0;
}

void yk__pool_start_forwarding(pool_job *j)
{
    yk_future *task = yk_task_start(forward, j);
    bool started = !yk_future_ended(task);
    if (!started) {
        yk_future_error(task);
        j->unforwarded = true;
        yk__pool_cancel(j); /* nobody hears of its end yet */
        /* Where this works, the job may be gone at once. */
        if (yk_future_on_end(j->future, yk__pool_job_ended, j) != 0) {
            j->unheard = true;
            yk__pool_give_up(j->c);
        }
    }
    yk_future_unref(task);
}

/* A client that says that it has taken more than there was has a window of its own making, and that
 * is its own memory. */
void yk__pool_stream_changed(pool_job *j, const yk__taken_frame *taken)
{
    if (j->window == 0)
        return;
    if (taken && taken->taken <= j->sent)
        j->taken = taken->taken;
    if (!taken && j->future->stream) {
        j->unread = true;
        yk__stream_close(j->future->stream, YK_ECLOSED);
    }
    yk_event_set(&j->room);
}
