/* The loop's part of the shared pool's client: see shared_pool_internal.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../executor/carried.h"
#include "../../executor/crash.h"
#include "shared_pool_internal.h"

#define TRY_AGAIN_MS 20

/* ---- Streams --------------------------------------------------------------------------------- */

static void tell(yk__shared_feeder *f)
{
    yk__feed now = yk__stream_look(f->stream);
    yk__link *link = &f->pool->link;
    const yk__shared_job *job = f->pool->jobs[f->number];
    bool worth_it = now.empty || now.taken - f->told >= job->frame.stream / 4;
    if (now.taken != f->told && worth_it) {
        yk__taken_frame taken = { now.taken };
        f->told = now.taken;
        yk__link_send(link, YK__TAKEN, f->number, &(struct iovec){ &taken, sizeof taken }, 1);
    }
    if (now.closed && !f->told_closed) {
        f->told_closed = true;
        yk__link_send(link, YK__UNREAD, f->number, NULL, 0);
    }
}

void yk__shared_feeder_run(yk__post *post)
{
    yk__shared_feeder *f = (yk__shared_feeder *)((char *)post - offsetof(yk__shared_feeder, post));
    atomic_store(&f->posted, false);
    if (f->number != YK__NO_NUMBER)
        tell(f);
    yk__stream_release(f->stream);
}

/* ---- What comes ------------------------------------------------------------------------------ */

static yk__shared_pool *of_link(yk__link *link)
{
    return (yk__shared_pool *)((char *)link - offsetof(yk__shared_pool, link));
}

static yk__shared_job *job_of(const yk__shared_pool *p, const yk__frame *frame)
{
    return frame->job < p->size ? p->jobs[frame->job] : NULL;
}

static bool expects(yk__link *link, const yk__frame *frame)
{
    const yk__shared_job *job = job_of(of_link(link), frame);
    if (!job)
        return false;
    switch (frame->type) {
    case YK__BEGAN:
        return frame->len == 0;
    case YK__PROGRESS:
        return frame->len == sizeof(yk__progress_frame);
    case YK__RECORD:
        return frame->len <= job->frame.stream && job->frame.stream > 0;
    case YK__DONE:
        return frame->len <= YK__FRAME_MOST;
    case YK__FAILED:
        return frame->len >= sizeof(yk__failed_frame) &&
               frame->len <=
                   sizeof(yk__failed_frame) + sizeof(yk__crash_record) + YK__FAILED_MESSAGE_MOST;
    default:
        return false;
    }
}

static void job_began(yk__shared_job *job)
{
    if (job->begun)
        return;
    job->begun = true;
    yk__shared_count(&job->pool->running, 1);
    if (job->work.stamped)
        job->began = yk_now();
    yk__future_advance(&job->work.future, YK_PENDING, YK_RUNNING);
    yk__shared_leave_queue(job);
}

static void job_progressed(yk__shared_job *job, const yk__progress_frame *p)
{
    /* In this order: see progress.c. */
    atomic_store_explicit(&job->work.progress.total, p->total, memory_order_release);
    atomic_store_explicit(&job->work.progress.done, p->done, memory_order_release);
}

static void job_done(yk__shared_job *job, void **data, size_t len)
{
    yk_future *f = &job->work.future;
    if (!yk__future_claim(f))
        return; /* nobody else ends a job that was sent */
    if (len > 0 && !*data) {
        yk__shared_end_with_error(job,
                                  yk__error_new(UV_ENOMEM, "not enough memory for the result"));
        return;
    }
    yk__future_give_result(f, *data, len, free);
    *data = NULL;
    yk__shared_end(job, YK_DONE, NULL);
}

static yk_error *crash_error(const yk__failed_frame *frame, const yk__crash_record *record,
                             const char *message, const char *name)
{
    yk__death death = { .signal = frame->signal, .exit_status = frame->exit_status };
    if (record)
        death.crash = yk__crash_copy(record, frame->signal);
    return yk__death_error(&death, message, name);
}

static int job_failed(yk__shared_job *job, const char *data, size_t len)
{
    yk__failed_frame frame;
    char message[YK__FAILED_MESSAGE_MOST + 1];
    const yk__crash_record *record = NULL;
    memcpy(&frame, data, sizeof frame);
    size_t at = sizeof frame;
    if (frame.crashed) {
        record = (const yk__crash_record *)(const void *)(data + at);
        at += sizeof *record;
    }
    if (at > len || len - at > YK__FAILED_MESSAGE_MOST || frame.code >= 0)
        return UV_EPROTO;
    memcpy(message, data + at, len - at);
    message[len - at] = '\0';
    if (yk__future_claim(&job->work.future))
        yk__shared_end_with_error(job, frame.code == YK_ECRASHED
                                           ? crash_error(&frame, record, message, job->work.name)
                                           : yk__error_new(frame.code, "%s", message));
    return 0;
}

static int came(yk__link *link, const yk__frame *frame, void **data)
{
    yk__shared_job *job = job_of(of_link(link), frame);
    if (!job)
        return UV_EPROTO; /* it has ended since the head of the frame came */
    if (frame->type == YK__DONE) {
        job_done(job, data, frame->len);
        return 0;
    }
    if (frame->len > 0 && !*data)
        return UV_ENOMEM;
    switch (frame->type) {
    case YK__BEGAN:
        job_began(job);
        return 0;
    case YK__PROGRESS:
        job_progressed(job, *data);
        return 0;
    case YK__RECORD:
        return yk__stream_feed(job->work.future.stream, *data, frame->len) ? UV_EPROTO : 0;
    default:
        return job_failed(job, *data, frame->len);
    }
}

static void up(yk__link *link)
{
    (void)link; /* what waits is sent in the next turn, or before the loop sleeps */
}

static bool is_death(int err)
{
    return err == 0 || err == UV_ECONNRESET || err == UV_EPIPE;
}

static void try_later(yk__shared_pool *p)
{
    yk__reactor_timer_set(p->reactor, &p->retry, yk_after_ms(TRY_AGAIN_MS));
}

static void lost(yk__link *link, int err)
{
    yk__shared_pool *p = of_link(link);
    if (yk__shared_on_their_way(p) ==
        0) /* whoever answered may have no descriptors, or die on and on */
        try_later(p);
    if (is_death(err)) {
        yk__shared_fail_sent(p, YK_ECRASHED, "was in the shared pool, whose process died");
        return;
    }
    yk__shared_fail_sent(p, err, "was in the shared pool, to which the connection broke");
    yk__shared_fail_waiting(p, err, "the shared pool cannot be reached");
}

static const yk__link_ops link_ops = { up, expects, came, lost };

/* ---- What goes ------------------------------------------------------------------------------- */

static void knock(yk__shared_pool *p)
{
    int fd = -1, err = yk__pool_door_knock(&p->door, &fd);
    if (!err)
        err = yk__link_open(&p->link, fd);
    if (!err)
        return;
    if (err == UV_EAGAIN || err == -ETOOMANYREFS)
        try_later(p);
    else
        yk__shared_fail_waiting(p, err == UV_EPIPE ? YK_ECLOSED : err,
                                "the shared pool cannot be reached");
}

static void knock_again(yk__timer *timer)
{
    (void)timer; /* the turn that it fires in does */
}

static int send_bytes(yk__shared_job *job, void *context)
{
    struct iovec pieces[] = { { &job->frame, sizeof job->frame },
                              { context, job->frame.context_len },
                              { job->work.arg, job->work.arg_len } };
    return yk__link_send(&job->pool->link, YK__SUBMIT, job->number, pieces, 3);
}

static int send_submit(yk__shared_job *job)
{
    if (!job->work.context)
        return send_bytes(job, NULL);
    void *context = malloc(job->frame.context_len);
    if (!context)
        return UV_ENOMEM;
    yk__context_put(job->work.context, context);
    int err = send_bytes(job, context);
    free(context);
    return err;
}

/* False: no more can be on their way. */
static bool send_job(yk__shared_pool *p, yk__shared_job *job)
{
    if (job->frame.start_by && job->frame.start_by <= yk_now()) {
        yk__shared_fail(yk__shared_next_waiting(p), YK_EEXPIRED, NULL);
        return true;
    }
    if (!yk__shared_number(p, job))
        return false;
    yk__shared_next_waiting(p);
    if (!yk__future_hand(&job->work.future, true)) {
        yk__shared_fail(job, YK_ECANCELED, NULL);
        return true;
    }
    int err = send_submit(job);
    if (err)
        yk__shared_fail(job, err, NULL);
    else if (yk__shared_feeder_of(job))
        tell(yk__shared_feeder_of(job));
    return true;
}

static void drop_ended(yk__shared_pool *p)
{
    while (p->first && yk_future_ended(&p->first->work.future))
        yk__shared_fail(yk__shared_next_waiting(p), YK_ECANCELED, NULL);
}

/* Whether something that waits could go now; or one could at least knock. */
static bool may_send(const yk__shared_pool *p)
{
    if (!p->first || p->retry.heap_index != 0)
        return false;
    if (!yk__link_is_open(&p->link))
        return true;
    return p->link.greeted && (p->n_free > 0 || 2 * p->size <= YK__POOL_JOBS);
}

static bool send_waiting(yk__shared_pool *p)
{
    bool any = p->first != NULL;
    drop_ended(p);
    if (may_send(p) && !yk__link_is_open(&p->link))
        knock(p);
    while (p->link.greeted && may_send(p)) {
        if (!send_job(p, p->first))
            try_later(p); /* no memory for one more number */
        drop_ended(p);
    }
    return any;
}

/* ---- The source ------------------------------------------------------------------------------ */

static yk__shared_pool *of_source(yk__source *source)
{
    return (yk__shared_pool *)((char *)source - offsetof(yk__shared_pool, source));
}

static void finish(yk__shared_pool *p)
{
    p->finished = true;
    p->source.busy = false;
    yk__reactor_timer_release(p->reactor, &p->retry);
    yk__reactor_remove_source(p->reactor, &p->source);
    yk__link_free(&p->link);
    yk_future_set_result(p->gone, NULL, 0);
    yk__executor_release(&p->ex); /* the driver's */
}

static void finish_if_done(yk__shared_pool *p)
{
    if (!atomic_load(&p->closing) || p->first || yk__shared_on_their_way(p) > 0)
        return;
    if (atomic_load(&p->received) == p->accepted)
        finish(p);
}

static bool turn(yk__source *source)
{
    yk__shared_pool *p = of_source(source);
    bool sent = send_waiting(p);
    yk__link_flush(&p->link);
    yk__reactor_source_busy(p->reactor, source, p->first || yk__shared_on_their_way(p) > 0);
    finish_if_done(p);
    return sent;
}

/* Nothing may end here, for the loop would not hear of it before it sleeps. */
static bool announce(yk__source *source, uint32_t parked)
{
    yk__shared_pool *p = of_source(source);
    if (parked & 1)
        yk__link_flush(&p->link);
    return (parked & 1) && may_send(p);
}

static void abandon(yk__source *source)
{
    yk__shared_pool *p = of_source(source);
    yk__executor_hold(&p->ex);
    atomic_store(&p->closing, true);
    yk__admission_close(&p->admission);
    p->finished = true;
    yk__link_close(&p->link);
    yk__shared_fail_sent(p, YK_ECLOSED, "was in the shared pool when the loop was closed");
    yk__shared_fail_waiting(p, YK_ECLOSED, NULL);
    finish(p);
    yk__executor_release(&p->ex);
}

/* ---- What the other threads ask for ---------------------------------------------------------- */

void yk__shared_accept(yk__shared_job *job)
{
    yk__shared_pool *p = job->pool;
    if (p->finished) {
        yk__shared_fail(job, YK_ECLOSED, NULL);
        return;
    }
    p->accepted++;
    job->next = NULL;
    if (p->last)
        p->last->next = job;
    else
        p->first = job;
    p->last = job;
    yk__reactor_source_busy(p->reactor, &p->source, true);
}

void yk__shared_cancel(yk__shared_job *job)
{
    if (job->number != YK__NO_NUMBER)
        yk__link_send(&job->pool->link, YK__CANCEL, job->number, NULL, 0);
}

static void cancel_waiting(yk__shared_pool *p)
{
    yk__shared_fail_waiting(p, YK_ECANCELED, "cancelled before it began");
}

static void cancel_sent(yk__shared_pool *p, bool running)
{
    for (uint32_t i = 0; i < p->size; i++)
        if (p->jobs[i] && (running || !p->jobs[i]->begun))
            yk_future_cancel(&p->jobs[i]->work.future);
}

void yk__shared_obey(yk__post *post)
{
    yk__shared_pool *p = (yk__shared_pool *)((char *)post - offsetof(yk__shared_pool, order_post));
    atomic_store(&p->order_posted, false);
    uint32_t orders = atomic_exchange(&p->orders, 0);
    if (!p->finished && orders) {
        cancel_waiting(p);
        cancel_sent(p, orders & YK__SHARED_CANCEL_RUNNING);
    }
    yk__executor_release(&p->ex); /* the post's; the driver holds another, or it is finished */
}

int yk__shared_start(yk__shared_pool *p)
{
    int err = yk__reactor_timer_reserve(p->reactor, &p->retry);
    if (!err)
        err = yk__link_init(&p->link, &link_ops, &p->door.image, p->reactor);
    if (err) {
        yk__reactor_timer_release(p->reactor, &p->retry);
        return err;
    }
    p->retry.fired = knock_again;
    p->source.turn = turn;
    p->source.announce = announce;
    p->source.abandon = abandon;
    yk__executor_hold(&p->ex); /* the driver's */
    yk__reactor_add_source(p->reactor, &p->source);
    return 0;
}
