/* A worker: a process with a loop that accepts connections until it is told to leave.
 *
 * yk_serve_notify() adds to one eventfd that all workers poll and nobody reads. Each write is an
 * edge, of which every poller is told; so one descriptor reaches any number of workers, those that
 * drain among them, and no read takes it away from another.
 */
#include "worker.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <uv.h>

#include "../../executor/error.h"
#include "../../executor/internal.h"
#include "../http/log.h"
#include "../internal.h"
#include "../offload.h"
#include "../signal.h"
#include "../sync.h"
#include "board.h"
#include "scheduling.h"
#include "shared_pool.h"

#define EMPTY_MS        500  /* at the most, to accept what waits when nobody comes after it */
#define LAST_REQUEST_MS 1000 /* for a client that has not seen yet that its connection ends */
#define LAST_JOB_MS     2000 /* for jobs that nobody has waited for */

typedef struct listening {
    yk_listener *listener;
    yk_server *server;
    int fd;
} listening;

/* This process, if it is a worker. */
static struct {
    const yk__supervisor *supervisor; /* as it was when this was forked */
    const yk_serve_options *options;
    yk__page *page; /* NULL: it is none */
    unsigned slot;
    bool draining;
    uint64_t drain_by;
    listening *listening;
    size_t n_listening;
    yk_semaphore places;
    yk_executor *executor;
    yk_http_service http; /* a copy, that counts in the page */
    yk__watch notify;
    bool notified; /* and `notified` is yet to be called */
    uint64_t beat_at;
    yk__scheduling scheduling;
} me;

/* ---- For the program ------------------------------------------------------------------------- */

int yk_serve_slot(void)
{
    return me.page ? (int)me.slot : -1;
}

bool yk_serve_draining(void)
{
    return me.draining;
}

void *yk_serve_shared(void)
{
    return me.page ? me.supervisor->shared : NULL;
}

void yk_serve_notify(void)
{
    uint64_t one = 1;
    ssize_t n = me.page ? write(me.supervisor->notify, &one, sizeof one) : 0;
    (void)n;
}

static void call_notified(void *arg)
{
    me.notified = false;
    me.options->notified(arg);
}

static void on_notify(yk__watch *watch)
{
    (void)watch;
    if (!me.notified)
        me.notified = yk_call_soon(call_notified, me.options->arg, NULL) == 0;
}

static int watch_notify(yk_loop *loop)
{
    if (!me.options->notified)
        return 0;
    me.notify = (yk__watch){ .fd = me.supervisor->notify,
                             .readable = on_notify,
                             .events = EPOLLIN | EPOLLET };
    return yk__reactor_watch(&loop->reactor, &me.notify);
}

/* ---- Telling the supervisor ------------------------------------------------------------------ */

static void enter_phase(yk__phase phase)
{
    uint64_t one = 1;
    atomic_store_explicit(&me.page->phase, phase, memory_order_release);
    ssize_t n = write(me.supervisor->attention, &one, sizeof one);
    (void)n;
}

static uint64_t beat_interval(void)
{
    uint64_t ms = me.options->hang_ms / 8;
    return (ms > 500 ? 500 : ms ? ms : 1) * YK__MS;
}

static void set(_Atomic uint64_t *field, uint64_t value)
{
    atomic_store_explicit(field, value, memory_order_relaxed);
}

static uint64_t jobs_waiting(void)
{
    yk_executor_stats stats = { 0 };
    if (me.executor)
        yk_executor_get_stats(me.executor, &stats);
    return stats.pending;
}

static void beat(void *unused)
{
    uint64_t now = yk_now(), lag = now > me.beat_at ? now - me.beat_at : 0;
    yk__page *page = me.page;
    set(&page->lag_ns, lag);
    if (lag > atomic_load_explicit(&page->most_lag_ns, memory_order_relaxed))
        set(&page->most_lag_ns, lag);
    set(&page->waiting, jobs_waiting());
    atomic_fetch_add_explicit(&page->beats, 1, memory_order_relaxed);
    if (!me.options->punctual)
        yk__scheduling_look(&me.scheduling, now);
    me.beat_at = now + beat_interval();
    yk_call_at(me.beat_at, beat, unused, NULL);
}

/* ---- Connections ----------------------------------------------------------------------------- */

static int serve_connection(yk_stream *stream, void *arg)
{
    yk_http_counters *count = &me.page->http;
    __atomic_store_n(&count->accepted, count->accepted + 1, __ATOMIC_RELAXED);
    __atomic_store_n(&count->connections, count->connections + 1, __ATOMIC_RELAXED);
    int err = me.options->connection(stream, arg);
    __atomic_store_n(&count->connections, count->connections - 1, __ATOMIC_RELAXED);
    return err;
}

/* The listener closes what it is given, and so has a descriptor of its own. */
static int listen_at(listening *l, int fd)
{
    l->fd = fd;
    int err = yk_listen_fd(&l->listener, fd);
    if (err)
        return err;
    bool is_http = me.options->http != NULL;
    l->server = yk_server_start_with(l->listener, is_http ? yk_http_connection : serve_connection,
                                     is_http ? &me.http : me.options->arg, .places = &me.places);
    return l->server ? 0 : UV_ENOMEM;
}

static int listen_at_all(void)
{
    const yk__sockets *sockets = &me.supervisor->sockets;
    me.places.value = me.options->most_connections;
    if (me.options->http) {
        me.http = *me.options->http;
        me.http.counters = &me.page->http;
    }
    me.listening = calloc(sockets->n, sizeof *me.listening);
    if (!me.listening)
        return UV_ENOMEM;
    int err = 0;
    for (; me.n_listening < sockets->n && !err; me.n_listening++)
        err = listen_at(&me.listening[me.n_listening],
                        yk__sockets_fd(sockets, me.n_listening, me.slot));
    return err;
}

/* ---- Executors ------------------------------------------------------------------------------- */

static int open_executor(yk_loop *loop)
{
    const yk_serve_options *o = me.options;
    yk_executor *shared = NULL;
    if (o->shared_processes)
        shared = yk__shared_pool_new(&me.supervisor->pool.door, &o->processes);
    me.executor = yk__hybrid_with(&o->threads, &o->processes, shared);
    return yk_loop_set_default_executor(loop, me.executor);
}

static void close_executor(void)
{
    yk_executor_shutdown(me.executor, .cancel_running = true, .deadline = yk_after_ms(LAST_JOB_MS));
    yk_executor_unref(me.executor);
}

/* ---- Draining -------------------------------------------------------------------------------- */

static bool somebody_waits(void)
{
    for (size_t i = 0; i < me.n_listening; i++) {
        struct pollfd p = { .fd = me.listening[i].fd, .events = POLLIN };
        if (poll(&p, 1, 0) == 1)
            return true;
    }
    return false;
}

static void empty_queues(void)
{
    uint64_t end = yk_after_ms(EMPTY_MS);
    if (!atomic_load(&me.page->is_last))
        return;
    while (yk_now() < end && yk_now() < me.drain_by && somebody_waits())
        yk_sleep_ms(1);
}

static void stop_servers(void)
{
    for (size_t i = 0; i < me.n_listening; i++) {
        yk_server_stop_accepting(me.listening[i].server);
        yk_listener_close(me.listening[i].listener);
    }
    enter_phase(YK__PHASE_DRAINING);
    for (size_t i = 0; i < me.n_listening; i++)
        yk_server_stop(me.listening[i].server, me.drain_by);
}

static void drain(void)
{
    me.draining = true;
    me.drain_by = yk_after_ms(me.options->drain_ms);
    empty_queues();
    yk_http_drain(LAST_REQUEST_MS);
    stop_servers();
}

/* ---- The process ----------------------------------------------------------------------------- */

static void allow_term(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static int get_ready(void)
{
    me.beat_at = yk_now();
    beat(NULL);
    int err = watch_notify(yk_loop_current());
    if (!err)
        err = open_executor(yk_loop_current());
    if (!err && me.options->start)
        err = me.options->start(me.options->arg);
    return err < 0 ? err : listen_at_all();
}

static int serve(void *unused)
{
    (void)unused;
    yk_signal *term;
    int err = yk_signal_open(&term, SIGTERM);
    if (!err) {
        allow_term();
        err = get_ready();
    }
    if (err) {
        atomic_store(&me.page->error, err);
        return 1;
    }
    enter_phase(YK__PHASE_READY);
    while (yk_signal_next(term, YK_FOREVER) == YK_ECANCELED)
        ;
    drain();
    if (me.options->http && me.http.log)
        yk_http_log_flush(me.http.log);
    if (me.options->stop)
        me.options->stop(me.options->arg);
    close_executor();
    if (me.options->notified)
        yk__reactor_unwatch(&yk_loop_current()->reactor, &me.notify);
    yk_signal_close(term);
    free(me.listening);
    return 0;
}

/* The sockets of others must not live on here when they are closed there. */
static void keep_own_sockets(const yk__sockets *s)
{
    for (size_t i = 0; i < s->n; i++)
        for (unsigned slot = 0; slot < s->slots; slot++)
            if (s->sites[i].fds[slot] >= 0 &&
                s->sites[i].fds[slot] != yk__sockets_fd(s, i, me.slot))
                close(s->sites[i].fds[slot]);
}

_Noreturn void yk__worker_run(yk__supervisor *s, const yk__worker *worker, int lifeline)
{
    char number[12];
    snprintf(number, sizeof number, "%u", worker->slot);
    me.supervisor = s;
    me.options = &s->options;
    me.page = yk__worker_page(s, worker);
    me.slot = worker->slot;
    yk__become_child(s, lifeline, number);
    yk__pool_door_stay_outside(&s->pool.door);
    keep_own_sockets(&s->sockets);
    yk__sockets_close(&s->status_sockets, false);
    yk__shared_free(s->board, s->board ? sizeof *s->board : 0);
    yk__run_child(serve, NULL);
}
