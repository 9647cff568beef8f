/* The shared pool's process: connections, the door, start and stop. */
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "pool_server_internal.h"

/* ---- Connections ----------------------------------------------------------------------------- */

static void welcome(yk__pool_server *s, int fd)
{
    pool_connection *c = calloc(1, sizeof *c);
    if (!c || yk__link_init(&c->link, &yk__pool_link_ops, &s->door->image, s->reactor)) {
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

static void farewell(pool_connection *c)
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
    for (pool_connection *c = s->connections; c; c = c->next)
        yk__link_flush(&c->link);
}

static bool is_over(const pool_connection *c)
{
    return c->open == 0 && !yk__link_is_open(&c->link);
}

static bool is_to_be_seen_to(const pool_connection *c)
{
    return is_over(c) || (!c->cut && !yk__link_is_open(&c->link));
}

static void sweep(yk__pool_server *s)
{
    for (pool_connection *c = s->connections, *next; c; c = next) {
        next = c->next;
        if (!c->cut && !yk__link_is_open(&c->link)) {
            c->cut = true;
            yk__pool_cancel_all(c);
        }
        if (c->cut)
            yk__pool_look_for_ends(c);
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
    for (const pool_connection *c = s->connections; c && !some; c = c->next)
        some = is_to_be_seen_to(c);
    return some; /* in another turn */
}

/* The loop is closed under it, and the pool with it. */
static void abandon(yk__source *source)
{
    yk__pool_server *s = of_source(source);
    for (pool_connection *c = s->connections; c; c = c->next)
        yk__pool_give_up(c);
}

/* ---- Start and stop -------------------------------------------------------------------------- */

static yk_executor *make_pool(const yk_pool_options *options)
{
    yk_pool_options o = options ? *options : (yk_pool_options){ 0 };
    o.queue_limit = 0;
    o.job_timeout_ms = 0; /* the clients say */
    yk_executor *pool = yk_process_pool_new(&o);
    if (!yk_executor_error(pool))
        yk__process_pool_tell(pool, yk__pool_job_began);
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
    s->progress.fired = yk__pool_look_at_progress;
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
    for (const pool_connection *c = s->connections; c; c = c->next)
        n += c->open;
    return n;
}

int yk__pool_server_stop(yk__pool_server *s)
{
    nobody_knocks(s);
    for (pool_connection *c = s->connections; c; c = c->next)
        yk__pool_give_up(c);
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
