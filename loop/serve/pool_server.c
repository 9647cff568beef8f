/* The shared pool's process: see pool_server.h.
 *
 * All of it is for the loop's thread, which drives the pool, too: futures end here. A connection is
 * cut in the server's turn, after it has broken, and freed there when its last job has ended; so
 * nothing of it goes away while somebody is at it.
 */
#include "pool_server.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "../../executor/carried.h"
#include "../../executor/crash.h"
#include "../../executor/ring.h"
#include "../../executor/stream.h"
#include "../internal.h"
#include "../sync.h"
#include "pool_messages.h"

#define PROGRESS_EVERY_MS 20

struct yk__pool_server {
    yk_executor *pool;
    yk__reactor *reactor;
    const yk__pool_door *door;
    yk__watch knocks; /* its fd is -1 when nobody can knock any more */
    yk__source source;
    yk__timer progress; /* runs while jobs do */
    struct connection *connections;
    size_t n_connections;
    struct job *begun; /* a list of the jobs that have begun */
    yk_future *over;
    yk_event empty; /* no connection is left */
};

typedef struct connection {
    yk__link link; /* the first member */
    yk__pool_server *server;
    struct connection *prev, *next;
    struct job **jobs; /* [size] by number; NULL: there is none */
    uint32_t size;
    size_t open;
    bool cut; /* the link is down, and the jobs have been cancelled */
} connection;

typedef struct job {
    connection *c;
    uint32_t number;
    yk_future *future; /* with a reference */
    bool begun;
    struct job *prev, *next; /* among those that have begun */
    uint64_t done, total;    /* of its progress, as was told last */

    /* Its stream. */
    uint64_t window; /* 0: it has none */
    uint64_t sent, taken;
    bool unread, unforwarded; /* unforwarded: there was no memory for it */
    yk_event room;
} job;

/* ---- The list of those that have begun ------------------------------------------------------- */

static void list_begun(job *j)
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

static void unlist_begun(job *j)
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

/* ---- Telling the client ---------------------------------------------------------------------- */

/* A client that cannot be told must not wait for ever. */
static void give_up(connection *c)
{
    yk__link_close(&c->link); /* the next turn sees to its jobs */
}

static void tell(job *j, enum yk__frame_type type, const void *bytes, size_t len)
{
    if (yk__link_send(&j->c->link, type, j->number, &(struct iovec){ (void *)bytes, len }, 1))
        give_up(j->c);
}

static void tell_progress(job *j)
{
    yk__progress_frame now;
    if (yk_future_progress(j->future, &now.done, &now.total) != 0 ||
        (now.done == j->done && now.total == j->total))
        return;
    j->done = now.done;
    j->total = now.total;
    tell(j, YK__PROGRESS, &now, sizeof now);
}

static void tell_failure(job *j, const yk_error *e)
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
        give_up(j->c);
}

static void tell_code(job *j, int code, const char *message)
{
    tell_failure(j, &(yk_error){ .code = code, .message = message ? message : yk_strerror(code) });
}

static void tell_result(job *j)
{
    size_t len;
    const void *result = yk_future_result(j->future, &len);
    struct iovec bytes = { (void *)result, len };
    if (len > YK__FRAME_MOST)
        tell_code(j, YK_ETOOBIG, "a result of the shared pool has at most 1 GiB");
    else if (yk__link_send(&j->c->link, YK__DONE, j->number, &bytes, 1))
        tell_code(j, UV_ENOMEM, NULL);
}

/* ---- The ends of jobs ------------------------------------------------------------------------ */

static void free_job(job *j)
{
    connection *c = j->c;
    unlist_begun(j);
    c->jobs[j->number] = NULL;
    c->open--;
    yk_future_unref(j->future);
    free(j);
}

/* Its future has ended, and what it emitted is on its way. */
static void finish_job(job *j)
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

static int on_end(yk_future *f, void *arg)
{
    (void)f;
    finish_job(arg);
    return 0;
}

/* It may end, and be freed, at once. */
static void cancel(job *j)
{
    yk_future *f = yk_future_ref(j->future);
    yk_future_cancel(f);
    yk_future_unref(f);
}

static void cancel_all(connection *c)
{
    for (uint32_t i = 0; i < c->size; i++)
        if (c->jobs[i]) {
            yk_event_set(&c->jobs[i]->room); /* nobody has to be waited for */
            cancel(c->jobs[i]);
        }
}

/* ---- Streams: a task each -------------------------------------------------------------------- */

/* While the job runs, no more is sent than the client has said that there is room for. When it has
 * ended, all that is left: a window at the most, for which the client has kept as much again. So
 * the end of a job waits for nobody who reads. */
static bool may_send(const job *j, size_t len)
{
    return j->sent - j->taken + len <= j->window || yk_future_ended(j->future) || j->unread ||
           !yk__link_is_open(&j->c->link);
}

static int wait_for_room(job *j, size_t len)
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
    yk_event_set(&((job *)arg)->room);
    return 0;
}

struct buffer {
    char *bytes;
    size_t size, len;
};

/* The next record, which stays in its ring until there is room for it. */
static int next_record(job *j, struct buffer *b)
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
    job *j = arg;
    struct buffer b = { 0 };
    int err = yk_future_on_end(j->future, wake_forwarder, j);
    while (!err && (err = next_record(j, &b)) == 0) {
        if (j->unread)
            continue;
        j->sent += YK__RECORD_HEAD + b.len;
        tell(j, YK__RECORD, b.bytes, b.len);
    }
    free(b.bytes);
    j->unforwarded = err == UV_ENOMEM;
    if (err != YK_END)
        yk_future_cancel(j->future);
    while (!yk_future_ended(j->future)) /* it is about to */
        yk_await(j->future);
    finish_job(j);
    return 0;
}

static void start_forwarding(job *j)
{
    yk_future *task = yk_task_start(forward, j);
    bool started = !yk_future_ended(task);
    if (!started) {
        yk_future_error(task);
        j->unforwarded = true;
        cancel(j); /* nobody hears of its end yet */
        if (yk_future_on_end(j->future, on_end, j))
            give_up(j->c);
    }
    yk_future_unref(task);
}

/* ---- What clients ask for -------------------------------------------------------------------- */

static job *job_of(const connection *c, uint32_t number)
{
    return number < c->size ? c->jobs[number] : NULL;
}

static bool expects(yk__link *link, const yk__frame *frame)
{
    const connection *c = (connection *)link;
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

static bool has_place(connection *c, uint32_t number)
{
    if (number < c->size)
        return true;
    uint32_t size = c->size ? c->size : 64;
    while (size <= number)
        size *= 2;
    job **jobs = realloc(c->jobs, size * sizeof(*jobs));
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

static void begin_job(job *j, const yk__submit_frame *m)
{
    j->window = m->stream;
    j->c->jobs[j->number] = j;
    j->c->open++;
    yk__process_job_tell(j->future, j);
    if (m->stream)
        start_forwarding(j);
    else if (yk_future_on_end(j->future, on_end, j))
        give_up(j->c);
}

static int submit_came(connection *c, uint32_t number, const char *data, size_t len)
{
    yk__submit_frame m;
    job *j = has_place(c, number) ? calloc(1, sizeof *j) : NULL;
    if (!j)
        return UV_ENOMEM;
    *j = (job){ .c = c, .number = number };
    int err = data ? submit(c->server->pool, &m, data, len, &j->future) : UV_ENOMEM;
    if (err) {
        tell_code(j, err, NULL);
        free(j);
        return err == UV_ENOMEM ? 0 : err;
    }
    begin_job(j, &m);
    return 0;
}

/* The client has read, or will read no more. A client that says that it has taken more than there
 * was has a window of its own making, and that is its own memory. */
static void stream_changed(job *j, const yk__taken_frame *taken)
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

static int came(yk__link *link, const yk__frame *frame, void **data)
{
    connection *c = (connection *)link;
    if (frame->type == YK__SUBMIT)
        return submit_came(c, frame->job, *data, frame->len);
    job *j = job_of(c, frame->job);
    if (!j)
        return 0; /* it has ended, which is on its way to the client */
    if (frame->len > 0 && !*data)
        return UV_ENOMEM;
    if (frame->type == YK__CANCEL)
        cancel(j);
    else
        stream_changed(j, *data);
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

static const yk__link_ops link_ops = { up, expects, came, lost };

/* ---- Connections ----------------------------------------------------------------------------- */

static void welcome(yk__pool_server *s, int fd)
{
    connection *c = calloc(1, sizeof *c);
    if (!c || yk__link_init(&c->link, &link_ops, &s->door->image, s->reactor)) {
        free(c);
        close(fd);
        return;
    }
    c->server = s;
    c->next = s->connections;
    if (c->next)
        c->next->prev = c;
    s->connections = c;
    s->n_connections++;
    yk__link_open(&c->link, fd); /* if that fails it is down, and freed in the next turn */
}

static void farewell(connection *c)
{
    yk__pool_server *s = c->server;
    if (c->prev)
        c->prev->next = c->next;
    else
        s->connections = c->next;
    if (c->next)
        c->next->prev = c->prev;
    s->n_connections--;
    yk__link_free(&c->link);
    free(c->jobs);
    free(c);
}

static void nobody_knocks(yk__pool_server *s)
{
    if (s->knocks.fd >= 0)
        yk__reactor_unwatch(s->reactor, &s->knocks);
    s->knocks.fd = -1;
}

static void knocked(yk__watch *watch)
{
    yk__pool_server *s = (yk__pool_server *)((char *)watch - offsetof(yk__pool_server, knocks));
    int fd, err = yk__pool_door_answer(s->door, &fd);
    if (!err)
        welcome(s, fd);
    else if (err == UV_EOF)
        nobody_knocks(s);
}

/* ---- The source ------------------------------------------------------------------------------ */

static yk__pool_server *of_source(yk__source *source)
{
    return (yk__pool_server *)((char *)source - offsetof(yk__pool_server, source));
}

static void flush_all(yk__pool_server *s)
{
    for (connection *c = s->connections; c; c = c->next)
        yk__link_flush(&c->link);
}

static bool is_over(const connection *c)
{
    return c->open == 0 && !yk__link_is_open(&c->link);
}

static bool is_to_be_seen_to(const connection *c)
{
    return is_over(c) || (!c->cut && !yk__link_is_open(&c->link));
}

static void sweep(yk__pool_server *s)
{
    for (connection *c = s->connections, *next; c; c = next) {
        next = c->next;
        if (!c->cut && !yk__link_is_open(&c->link)) {
            c->cut = true;
            cancel_all(c);
        }
        if (is_over(c))
            farewell(c);
    }
    if (s->connections)
        return;
    yk_event_set(&s->empty);
    if (s->knocks.fd < 0)
        yk_future_set_result(s->over, NULL, 0);
}

static bool turn(yk__source *source)
{
    flush_all(of_source(source));
    sweep(of_source(source));
    return false;
}

static bool announce(yk__source *source, uint32_t parked)
{
    yk__pool_server *s = of_source(source);
    if (!(parked & 1))
        return false;
    flush_all(s);
    bool some = false;
    for (const connection *c = s->connections; c && !some; c = c->next)
        some = is_to_be_seen_to(c);
    return some; /* in another turn */
}

/* The loop is closed under it, and the pool with it. */
static void abandon(yk__source *source)
{
    yk__pool_server *s = of_source(source);
    for (connection *c = s->connections; c; c = c->next)
        give_up(c);
}

static void job_began(void *told)
{
    job *j = told;
    if (j->begun)
        return;
    list_begun(j);
    tell(j, YK__BEGAN, NULL, 0);
}

static void look_at_progress(yk__timer *timer)
{
    yk__pool_server *s = (yk__pool_server *)((char *)timer - offsetof(yk__pool_server, progress));
    for (job *j = s->begun; j; j = j->next)
        tell_progress(j);
    if (s->begun)
        yk__reactor_timer_set(s->reactor, &s->progress, yk_after_ms(PROGRESS_EVERY_MS));
}

/* ---- Start and stop -------------------------------------------------------------------------- */

static yk_executor *make_pool(const yk_pool_options *options)
{
    yk_pool_options o = options ? *options : (yk_pool_options){ 0 };
    o.queue_limit = 0;
    o.job_timeout_ms = 0; /* the clients say */
    yk_executor *pool = yk_process_pool_new(&o);
    if (!yk_executor_error(pool))
        yk__process_pool_tell(pool, job_began);
    return pool;
}

static void unmake(yk__pool_server *s)
{
    yk_executor_unref(s->pool);
    yk_future_unref(s->over);
    yk__reactor_timer_release(s->reactor, &s->progress);
    free(s);
}

int yk__pool_server_start(yk__pool_server **server, const yk__pool_door *door,
                          const yk_pool_options *options)
{
    yk_loop *loop = yk_loop_current();
    if (!loop)
        return UV_EINVAL;
    yk__pool_server *s = calloc(1, sizeof *s);
    if (!s)
        return UV_ENOMEM;
    s->reactor = &loop->reactor;
    s->door = door;
    s->knocks = (yk__watch){ .fd = door->inside, .readable = knocked };
    s->source = (yk__source){ .turn = turn, .announce = announce, .abandon = abandon };
    s->progress.fired = look_at_progress;
    s->over = yk_future_new();
    int err = s->over ? yk__reactor_timer_reserve(s->reactor, &s->progress) : UV_ENOMEM;
    if (!err)
        err = yk__reactor_watch(s->reactor, &s->knocks);
    if (err) {
        unmake(s);
        return err;
    }
    s->pool = make_pool(options);
    yk__reactor_add_source(s->reactor, &s->source);
    *server = s;
    return 0;
}

yk_future *yk__pool_server_over(yk__pool_server *s)
{
    return s->over;
}

size_t yk__pool_server_clients(const yk__pool_server *s)
{
    return s->n_connections;
}

size_t yk__pool_server_jobs(const yk__pool_server *s)
{
    size_t n = 0;
    for (const connection *c = s->connections; c; c = c->next)
        n += c->open;
    return n;
}

int yk__pool_server_stop(yk__pool_server *s)
{
    nobody_knocks(s);
    for (connection *c = s->connections; c; c = c->next)
        give_up(c);
    while (s->connections) {
        yk_event_clear(&s->empty);
        yk_event_wait(&s->empty, YK_FOREVER);
    }
    yk__reactor_remove_source(s->reactor, &s->source);
    yk_executor *pool = yk_executor_ref(s->pool);
    unmake(s);
    return yk_executor_close(pool);
}

int yk__pool_serve(void *arg)
{
    const yk__pool_service *service = arg;
    yk__pool_server *server;
    int err = yk__pool_server_start(&server, service->door, service->options);
    if (err)
        return err;
    yk_await(server->over);
    return yk__pool_server_stop(server);
}
