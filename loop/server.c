/* Serving connections: one task accepts, each connection has a task.
 *
 * A connection is taken off the books when its task has ended, by a callback on the task's future:
 * that comes also where the task was cancelled before its first step.
 */
#include <stdlib.h>
#include <uv.h>

#include "internal.h"
#include "listen.h"
#include "net.h"
#include "sync.h"

#define MOST     10000
#define RETRY_MS 50 /* when descriptors have run out */

typedef struct connection {
    struct connection *prev, *next;
    yk_server *server;
    yk_stream *stream;
    yk_future *task;
} connection;

struct yk_server {
    yk_loop *loop;
    yk_listener *listener;
    yk_connection_fn fn;
    void *arg;
    size_t stack_size;
    yk_future *acceptor;
    yk_semaphore own_places, *places;
    yk_event idle; /* set when the last connection ends */
    connection *connections;
    size_t count;
};

/* ---- A connection ---------------------------------------------------------------------------- */

static int serve(void *arg)
{
    connection *c = arg;
    c->server->fn(c->stream, c->server->arg);
    return 0;
}

static int served(yk_future *task, void *arg)
{
    connection *c = arg;
    yk_server *server = c->server;
    yk_stream_close(c->stream);
    if (c->prev)
        c->prev->next = c->next;
    else
        server->connections = c->next;
    if (c->next)
        c->next->prev = c->prev;
    yk_semaphore_release(server->places);
    if (--server->count == 0)
        yk_event_set(&server->idle);
    free(c);
    yk_future_unref(task);
    return 0;
}

static void enter(yk_server *server, connection *c)
{
    c->next = server->connections;
    if (c->next)
        c->next->prev = c;
    server->connections = c;
    server->count++;
    yk_event_clear(&server->idle);
}

static int begin(yk_server *server, yk_stream *stream)
{
    connection *c = calloc(1, sizeof *c);
    if (!c) {
        yk_stream_close(stream);
        yk_semaphore_release(server->places);
        return UV_ENOMEM;
    }
    c->server = server;
    c->stream = stream;
    enter(server, c);
    yk_future *task =
        yk_task_start_with(serve, c, .name = "connection", .stack_size = server->stack_size);
    c->task = task;
    if (yk_future_on_end(task, served, c)) { /* no memory to be told of its end by */
        yk_future_cancel(task);
        served(task, c);
    }
    return 0;
}

/* ---- Accepting ------------------------------------------------------------------------------- */

static bool will_pass(int err)
{
    return err == UV_EMFILE || err == UV_ENFILE || err == UV_ENOBUFS || err == UV_ENOMEM ||
           err == UV_ENOSPC; /* of watches */
}

/* A place is held by a connection, not by waiting for one: another server may want it. */
static int accept_next(yk_server *server)
{
    int err = yk_semaphore_acquire(server->places, YK_FOREVER);
    if (err)
        return err;
    yk_stream *stream;
    err = yk_accept(server->listener, &stream, 0);
    if (!err)
        return begin(server, stream);
    yk_semaphore_release(server->places);
    return err == UV_ETIMEDOUT ? yk__accept_wait(server->listener) : err;
}

static int accept_all(void *arg)
{
    yk_server *server = arg;
    for (;;) {
        int err = accept_next(server);
        if (will_pass(err))
            err = yk_sleep_ms(RETRY_MS);
        if (err)
            return err == YK_ECLOSED ? 0 : err;
    }
}

yk_server *yk_server_start_opts(yk_listener *l, yk_connection_fn fn, void *arg,
                                const yk_server_options *options)
{
    yk_loop *loop = yk_loop_current();
    yk_server *server = loop && l && fn ? calloc(1, sizeof *server) : NULL;
    if (!server)
        return NULL;
    server->loop = loop;
    server->listener = l;
    server->fn = fn;
    server->arg = arg;
    server->own_places.value = options && options->most ? options->most : MOST;
    server->places = options && options->places ? options->places : &server->own_places;
    server->stack_size = options ? options->stack_size : 0;
    /* Eagerly: where there is no stack for it, it has ended by now. */
    server->acceptor = yk_task_start_with(accept_all, server, .name = "server", .eager = true);
    if (yk_future_state(server->acceptor) != YK_FAILED)
        return server;
    yk_future_error(server->acceptor); /* has been looked at */
    yk_future_unref(server->acceptor);
    free(server);
    return NULL;
}

size_t yk_server_connections(const yk_server *server)
{
    return server->count;
}

/* ---- The end --------------------------------------------------------------------------------- */

/* What the caller's cancellation, if there is one, returned. */
static int stop_accepting(yk_server *server)
{
    int err = 0;
    yk_future_cancel(server->acceptor);
    while (!yk_future_ended(server->acceptor))
        if (yk_await(server->acceptor) == YK_ECANCELED && !yk_future_ended(server->acceptor))
            err = YK_ECANCELED;
    yk_future_error(server->acceptor); /* has been looked at */
    return err;
}

void yk_server_stop_accepting(yk_server *server)
{
    stop_accepting(server);
}

static void cancel_connections(yk_server *server)
{
    for (connection *c = server->connections, *next; c; c = next) {
        next = c->next; /* one that had not begun ends here */
        yk_future_cancel(c->task);
    }
}

static bool is_from_within(const yk_server *server)
{
    const yk_future *me = yk_task_current();
    for (const connection *c = server->connections; c; c = c->next)
        if (c->task == me)
            return true;
    return me && server->acceptor == me;
}

int yk_server_stop(yk_server *server, uint64_t deadline)
{
    if (!server)
        return 0;
    if (is_from_within(server))
        return YK_EDEADLK;
    bool at_rest = server->count == 0 && yk_future_ended(server->acceptor);
    if (!at_rest && !yk_task_current())
        return YK_EONLOOP;
    int err = stop_accepting(server);
    if (!err && server->count > 0)
        err = yk_event_wait(&server->idle, deadline);
    if (server->count > 0)
        cancel_connections(server);
    while (server->count > 0)
        yk_event_wait(&server->idle, YK_FOREVER);
    yk_future_unref(server->acceptor);
    free(server);
    return err;
}
