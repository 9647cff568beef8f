/* A server: what it was asked for with every default in place, its descriptors, its memory. */
#include "serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <uv.h>

#include "../../executor/error.h"
#include "../../executor/init.h"
#include "../internal.h"
#include "listen_fds.h"
#include "reexec.h"
#include "serve_log.h"
#include "supervisor.h"

static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGTTIN, SIGTTOU, SIGCHLD };

/* ---- Options --------------------------------------------------------------------------------- */

static uint64_t or_else(uint64_t value, uint64_t given)
{
    return value ? value : given;
}

/* Milliseconds of which no sum with a time overflows: an age, where more was asked for. */
static uint64_t some_ms(uint64_t value, uint64_t given)
{
    const uint64_t most = UINT64_MAX / YK__MS / 4;
    value = or_else(value, given);
    return value < most ? value : most;
}

static yk_serve_options with_defaults(const yk_serve_options *options)
{
    yk_serve_options o = *options;
    o.name = o.name && *o.name ? o.name : "yoke";
    o.workers = o.workers ? o.workers : yk_cpu_count();
    o.most_connections = or_else(o.most_connections, 10000);
    o.ready_ms = some_ms(o.ready_ms, 30000);
    o.hang_ms = some_ms(o.hang_ms, 10000);
    o.drain_ms = some_ms(o.drain_ms, 30000);
    o.life_ms = some_ms(o.life_ms, 0);
    o.log_fd = o.log_fd ? o.log_fd : STDERR_FILENO;
    return o;
}

static const char *what_is_wrong(const yk_serve_options *o)
{
    if (!o->connection && !o->http)
        return "there is nothing to serve";
    if (o->connection && o->http)
        return "it can serve HTTP or another protocol, not both";
    if (o->workers < 0 || o->workers > YK_SERVE_MOST_WORKERS)
        return "the number of workers must lie between 0 and 256";
    return NULL;
}

/* ---- Opening and closing --------------------------------------------------------------------- */

static int open_sockets(yk__supervisor *s)
{
    const char *const *address = s->options.listen;
    int err = yk__listen_fds_take(&s->sockets, &s->status_sockets);
    bool was_given = s->sockets.n > 0;
    for (; !was_given && address && *address && !err; address++)
        err = yk__sockets_add(&s->sockets, *address);
    if (!err && s->sockets.n == 0) {
        yk__serve_log("there is no address to listen on");
        err = UV_EINVAL;
    }
    while (!err && s->sockets.slots < (unsigned)s->options.workers)
        err = yk__sockets_grow(&s->sockets);
    return err;
}

static int open_memory(yk__supervisor *s)
{
    s->pages = yk__shared_new(YK__SEATS * sizeof *s->pages);
    if (s->options.shared_size)
        s->shared = yk__shared_new(s->options.shared_size);
    return s->pages && (s->shared || !s->options.shared_size) ? 0 : UV_ENOMEM;
}

static int open_descriptors(yk__supervisor *s)
{
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaddset(&set, signals[i]);
    sigprocmask(SIG_BLOCK, &set, &s->mask);
    s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    s->attention = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->notify = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return s->signals < 0 || s->attention < 0 || s->notify < 0 ? -errno : 0;
}

static int start(yk__supervisor *s)
{
    int err = open_sockets(s);
    if (err)
        return err;
    err = open_memory(s);
    if (!err)
        err = open_descriptors(s);
    if (!err)
        err = yk__pool_process_open(s);
    if (!err)
        err = yk__status_open(s);
    if (err) {
        yk__serve_log("cannot start: %s", yk_strerror(err));
        return err;
    }
    s->n_slots = s->wanted = s->sockets.slots;
    s->inherited = s->n_slots - (unsigned)s->options.workers;
    return 0;
}

static void close_all(yk__supervisor *s)
{
    int fds[] = { s->signals, s->attention, s->notify };
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    yk__pool_process_close(s);
    yk__status_close(s);
    yk__sockets_close(&s->sockets, true);
    yk__shared_free(s->pages, YK__SEATS * sizeof *s->pages);
    yk__shared_free(s->shared, s->options.shared_size);
}

/* ---- The program ----------------------------------------------------------------------------- */

static int run(yk__supervisor *s)
{
    struct sigaction before, by_default = { .sa_handler = SIG_DFL };
    sigaction(SIGCHLD, &by_default, &before); /* ignored, deaths could not be told of */
    sigprocmask(SIG_SETMASK, NULL, &s->mask);
    int status = start(s) ? 1 : yk__supervise(s);
    close_all(s);
    sigprocmask(SIG_SETMASK, &s->mask, NULL);
    sigaction(SIGCHLD, &before, NULL);
    return status;
}

int yk_serve_opts(int argc, char **argv, const yk_serve_options *options)
{
    yk__supervisor *s = calloc(1, sizeof *s);
    if (!s)
        return 1;
    yk__set_args(argc, argv);
    yk_fini(); /* each worker has a zygote of its own */
    s->options = with_defaults(options);
    s->argv = argv;
    yk__reexec_open(s);
    s->signals = s->attention = s->notify = -1;
    s->pool.door.outside = s->pool.door.inside = -1;
    yk__serve_log_open(s->options.log_fd, s->options.name);
    const char *wrong = what_is_wrong(&s->options);
    if (wrong)
        yk__serve_log("cannot start: %s", wrong);
    int status = wrong ? 1 : run(s);
    yk__reexec_close(s);
    free(s);
    return status;
}
