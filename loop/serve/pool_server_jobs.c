/* Jobs of the shared pool, in its process: see pool_server_internal.h. */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../../executor/carried.h"
#include "../../executor/crash.h"
#include "../../executor/stream.h"
#include "pool_server_internal.h"

#define PROGRESS_EVERY_MS 20

/* ---- Telling the client ---------------------------------------------------------------------- */

void yk__pool_tell(pool_job *j, enum yk__frame_type type, const void *bytes, size_t len)
{
    if (yk__link_send(&j->c->link, type, j->number, &(struct iovec){ (void *)bytes, len }, 1))
        yk__pool_give_up(j->c);
}

static void tell_progress(pool_job *j)
{
    yk__progress_frame now;
    if (yk_future_progress(j->future, &now.done, &now.total) != 0 ||
        (now.done == j->done && now.total == j->total))
        return;
    j->done = now.done;
    j->total = now.total;
    yk__pool_tell(j, YK__PROGRESS, &now, sizeof now);
}

static void tell_failure(pool_job *j, const yk_error *e)
{
    yk__crash_record record;
    yk__failed_frame frame = { .code = e->code,
                               .signal = e->signal,
                               .exit_status = e->exit_status,
                               .crashed = e->crash != NULL };
    size_t len = strlen(e->message);
    if (e->crash)
        yk__crash_record_of(e->crash, &record);
    struct iovec pieces[] = {
        { &frame, sizeof frame },
        { &record, e->crash ? sizeof record : 0 },
        { (void *)e->message, len < YK__FAILED_MESSAGE_MOST ? len : YK__FAILED_MESSAGE_MOST },
    };
    if (yk__link_send(&j->c->link, YK__FAILED, j->number, pieces, 3))
        yk__pool_give_up(j->c);
}

static void tell_code(pool_job *j, int code, const char *message)
{
    tell_failure(j, &(yk_error){ .code = code, .message = message ? message : yk_strerror(code) });
}

static void tell_result(pool_job *j)
{
    size_t len;
    const void *result = yk_future_result(j->future, &len);
    struct iovec bytes = { (void *)result, len };
    if (len > YK__FRAME_MOST)
        tell_code(j, YK_ETOOBIG, "a result of the shared pool has at most 1 GiB");
    else if (yk__link_send(&j->c->link, YK__DONE, j->number, &bytes, 1))
        tell_code(j, UV_ENOMEM, NULL);
}

/* ---- The list of those that have begun ------------------------------------------------------- */

static void list_begun(pool_job *j)
{
    yk__pool_server *s = j->c->server;
    j->begun = true;
    j->prev = NULL;
    j->next = s->begun;
    if (j->next)
        j->next->prev = j;
    s->begun = j;
    if (s->progress.heap_index == 0)
        yk__reactor_timer_set(s->reactor, &s->progress, yk_after_ms(PROGRESS_EVERY_MS));
}

static void unlist_begun(pool_job *j)
{
    if (!j->begun)
        return;
    if (j->prev)
        j->prev->next = j->next;
    else
        j->c->server->begun = j->next;
    if (j->next)
        j->next->prev = j->prev;
    j->begun = false;
}

void yk__pool_job_began(void *told)
{
    pool_job *j = told;
    if (j->begun)
        return;
    list_begun(j);
    yk__pool_tell(j, YK__BEGAN, NULL, 0);
}

void yk__pool_look_at_progress(yk__timer *timer)
{
    yk__pool_server *s = (yk__pool_server *)((char *)timer - offsetof(yk__pool_server, progress));
    for (pool_job *j = s->begun; j; j = j->next)
        tell_progress(j);
    if (s->begun)
        yk__reactor_timer_set(s->reactor, &s->progress, yk_after_ms(PROGRESS_EVERY_MS));
}

/* ---- The ends of jobs ------------------------------------------------------------------------ */

static void free_job(pool_job *j)
{
    pool_connection *c = j->c;
    unlist_begun(j);
    c->jobs[j->number] = NULL;
    c->open--;
    yk_future_unref(j->future);
    free(j);
}

/* Its future has ended, and what it emitted is on its way. */
void yk__pool_finish_job(pool_job *j)
{
    const yk_error *e = yk_future_error(j->future);
    tell_progress(j);
    if (j->unforwarded)
        tell_code(j, UV_ENOMEM, NULL);
    else if (e)
        tell_failure(j, e);
    else
        tell_result(j);
    free_job(j);
}

int yk__pool_job_ended(yk_future *f, void *job)
{
    (void)f;
    yk__pool_finish_job(job);
    return 0;
}

/* It may end, and be freed, at once. */
void yk__pool_cancel(pool_job *j)
{
    yk_future *f = yk_future_ref(j->future);
    yk_future_cancel(f);
    yk_future_unref(f);
}

void yk__pool_cancel_all(pool_connection *c)
{
    for (uint32_t i = 0; i < c->size; i++)
        if (c->jobs[i]) {
            yk_event_set(&c->jobs[i]->room); /* nobody has to be waited for */
            yk__pool_cancel(c->jobs[i]);
        }
}

void yk__pool_look_for_ends(pool_connection *c)
{
    for (uint32_t i = 0; i < c->size; i++)
        if (c->jobs[i] && c->jobs[i]->unheard && yk_future_ended(c->jobs[i]->future))
            yk__pool_finish_job(c->jobs[i]);
}

/* ---- What clients ask for -------------------------------------------------------------------- */

static pool_job *job_of(const pool_connection *c, uint32_t number)
{
    return number < c->size ? c->jobs[number] : NULL;
}

static bool expects(yk__link *link, const yk__frame *frame)
{
    const pool_connection *c = (pool_connection *)link;
    switch (frame->type) {
    case YK__SUBMIT:
        return frame->job < YK__POOL_JOBS && !job_of(c, frame->job) &&
               frame->len >= sizeof(yk__submit_frame);
    case YK__TAKEN:
        return frame->len == sizeof(yk__taken_frame);
    case YK__CANCEL:
    case YK__UNREAD:
        return frame->len == 0;
    default:
        return false;
    }
}

static bool has_place(pool_connection *c, uint32_t number)
{
    if (number < c->size)
        return true;
    uint32_t size = c->size ? c->size : 64;
    while (size <= number)
        size *= 2;
    pool_job **jobs = realloc(c->jobs, size * sizeof(*jobs));
    if (!jobs)
        return false;
    memset(jobs + c->size, 0, (size - c->size) * sizeof(*jobs));
    c->jobs = jobs;
    c->size = size;
    return true;
}

static yk_future *submit_in(yk__context *context, yk_executor *pool, yk__submit_frame *m,
                            const char *arg, size_t len)
{
    m->name[sizeof m->name - 1] = '\0';
    yk_job_options options = { .timeout_ms = m->timeout_ms,
                               .name = m->name,
                               .priority = m->priority,
                               .start_by = m->start_by,
                               .retries = m->retries,
                               .stream = m->stream };
    yk__context *before = yk__context_enter(context);
    yk_future *f = yk_submit_opts(pool, (yk_job_fn)(uintptr_t)m->fn, /* NOLINT */
                                  len ? arg : NULL, len, &options);
    yk__context_leave(before);
    return f;
}

/* *f: the future of the job that the frame asks for. UV_EPROTO, UV_ENOMEM. */
static int submit(yk_executor *pool, yk__submit_frame *m, const char *data, size_t len,
                  yk_future **f)
{
    const char *rest = data + sizeof *m;
    size_t left = len - sizeof *m;
    yk__context *context = NULL;
    memcpy(m, data, sizeof *m);
    if (m->context_len > left || left - m->context_len > YK__FRAME_MOST)
        return UV_EPROTO;
    int err = m->context_len ? yk__context_read(&context, rest, m->context_len) : 0;
    if (!err)
        *f = submit_in(context, pool, m, rest + m->context_len, left - m->context_len);
    return err;
}

static void begin_job(pool_job *j, const yk__submit_frame *m)
{
    j->window = m->stream;
    j->c->jobs[j->number] = j;
    j->c->open++;
    yk__process_job_tell(j->future, j);
    if (m->stream)
        yk__pool_start_forwarding(j);
    else
        yk_future_on_end(j->future, yk__pool_job_ended, j); /* the first one needs no memory */
}

static int submit_came(pool_connection *c, uint32_t number, const char *data, size_t len)
{
    yk__submit_frame m;
    pool_job *j = has_place(c, number) ? calloc(1, sizeof *j) : NULL;
    if (!j)
        return UV_ENOMEM;
    *j = (pool_job){ .c = c, .number = number };
    int err = data ? submit(c->server->pool, &m, data, len, &j->future) : UV_ENOMEM;
    if (err) {
        tell_code(j, err, NULL);
        free(j);
        return err == UV_ENOMEM ? 0 : err;
    }
    begin_job(j, &m);
    return 0;
}

static int came(yk__link *link, const yk__frame *frame, void **data)
{
    pool_connection *c = (pool_connection *)link;
    if (frame->type == YK__SUBMIT)
        return submit_came(c, frame->job, *data, frame->len);
    pool_job *j = job_of(c, frame->job);
    if (!j)
        return 0; /* it has ended, which is on its way to the client */
    if (frame->len > 0 && !*data)
        return UV_ENOMEM;
    if (frame->type == YK__CANCEL)
        yk__pool_cancel(j);
    else
        yk__pool_stream_changed(j, *data);
    return 0;
}

static void up(yk__link *link)
{
    (void)link;
}

static void lost(yk__link *link, int err)
{
    (void)link;
    if (err == UV_EPROTO)
        yk__log("a client of the shared pool broke its protocol; cut");
}

const yk__link_ops yk__pool_link_ops = { up, expects, came, lost };
