/* The status of a server: a small process of its own, which reads the workers' pages and the
 * supervisor's board, and answers over HTTP.
 *
 *   /metrics       for Prometheus
 *   /status.json   the same as JSON
 *   /              the same as text
 */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "../../executor/clock.h"
#include "../../executor/text.h"
#include "board.h"
#include "serve_log.h"
#include "worker.h"

static const yk__supervisor *server;

/* ---- What there is to say -------------------------------------------------------------------- */

/* A slot: its workers, those that are gone among them. The process is the latest one. */
typedef struct standing {
    yk_http_counters count;
    uint64_t starts, pid, age_ns, ready, draining;
    uint64_t lag_ns, most_lag_ns, waiting;
} standing;

static uint64_t load(const uint64_t *from)
{
    return __atomic_load_n(from, __ATOMIC_RELAXED);
}

static void add_counters(yk_http_counters *to, const yk_http_counters *from)
{
    uint64_t *sum = (uint64_t *)to;
    for (size_t i = 0; i < sizeof *to / sizeof *sum; i++)
        sum[i] += load(&((const uint64_t *)from)[i]);
}

static void add_worker(standing *st, unsigned seat, uint64_t now)
{
    const yk__page *page = &server->pages[seat];
    uint64_t stage = load(&server->board->rows[seat].stage);
    uint64_t age = now - load(&server->board->rows[seat].forked);
    add_counters(&st->count, &page->http);
    st->ready += stage == YK__STAGE_READY;
    st->draining += stage == YK__STAGE_LEAVING;
    if (stage == YK__STAGE_LEAVING && st->pid)
        return;
    st->pid = load(&server->board->rows[seat].pid);
    st->age_ns = age;
    st->lag_ns = atomic_load(&page->lag_ns);
    st->most_lag_ns = atomic_load(&page->most_lag_ns);
    st->waiting = atomic_load(&page->waiting);
}

static unsigned take_stock(standing *all)
{
    const yk__board *b = server->board;
    uint64_t n = load(&b->workers), now = yk_now();
    if (n > YK_SERVE_MOST_WORKERS)
        n = YK_SERVE_MOST_WORKERS;
    for (unsigned i = 0; i < n; i++) {
        all[i] = (standing){ .starts = load(&b->slots[i].starts) };
        add_counters(&all[i].count, &b->slots[i].past);
    }
    for (unsigned seat = 0; seat < YK__SEATS; seat++) {
        uint64_t slot = load(&b->rows[seat].slot);
        if (load(&b->rows[seat].stage) != YK__STAGE_NONE && slot < n)
            add_worker(&all[slot], seat, now);
    }
    return (unsigned)n;
}

/* ---- Forms ----------------------------------------------------------------------------------- */

static uint64_t restarts(const standing *st)
{
    return st->starts ? st->starts - 1 : 0;
}

static const struct metric {
    const char *name, *type, *help;
    size_t offset;
    double scale;
} metrics[] = {
#define METRIC(name, type, field, scale, help)             \
    {                                                      \
        name, type, help, offsetof(standing, field), scale \
    }
    METRIC("workers_ready", "gauge", ready, 1, "Workers that accept connections."),
    METRIC("workers_draining", "gauge", draining, 1, "Workers that finish what they have."),
    METRIC("worker_starts_total", "counter", starts, 1, "Worker processes started."),
    METRIC("connections", "gauge", count.connections, 1, "Connections that are open."),
    METRIC("connections_total", "counter", count.accepted, 1, "Connections accepted."),
    METRIC("requests_total", "counter", count.requests, 1, "HTTP requests."),
    METRIC("timeouts_total", "counter", count.timed_out, 1, "Connections of too slow clients."),
    METRIC("clients_left_total", "counter", count.left, 1, "Clients that left too early."),
    METRIC("loop_lag_seconds", "gauge", lag_ns, 1e-9, "How late the loop was last."),
    METRIC("loop_lag_max_seconds", "gauge", most_lag_ns, 1e-9, "How late it ever was."),
    METRIC("jobs_waiting", "gauge", waiting, 1, "Jobs that wait in the worker's executor."),
#undef METRIC
};

static void add_prometheus(yk__text *t, const standing *all, unsigned n)
{
    for (size_t m = 0; m < sizeof metrics / sizeof metrics[0]; m++) {
        const struct metric *metric = &metrics[m];
        yk__text_add(t, "# HELP yoke_server_%s %s\n# TYPE yoke_server_%s %s\n", metric->name,
                     metric->help, metric->name, metric->type);
        for (unsigned i = 0; i < n; i++) {
            uint64_t value = *(const uint64_t *)((const char *)&all[i] + metric->offset);
            yk__text_add(t, "yoke_server_%s{worker=\"%u\"} %.9g\n", metric->name, i,
                         (double)value * metric->scale);
        }
    }
    yk__text_add(t, "# HELP yoke_server_answers_total Answers by the first digit of the status.\n"
                    "# TYPE yoke_server_answers_total counter\n");
    for (unsigned i = 0; i < n; i++)
        for (unsigned class = 1; class < 6; class ++)
            yk__text_add(t, "yoke_server_answers_total{worker=\"%u\",class=\"%uxx\"} %" PRIu64 "\n",
                         i, class, all[i].count.answers[class]);
}

static void add_json(yk__text *t, const standing *all, unsigned n)
{
    yk__text_add(t, "{\"name\":\"");
    yk__text_json(t, server->options.name);
    yk__text_add(t, "\",\"process\":%d,\"started\":%" PRIu64 ",\"workers\":[", (int)getppid(),
                 server->board->started);
    for (unsigned i = 0; i < n; i++) {
        const standing *s = &all[i];
        yk__text_add(t,
                     "%s\n{\"worker\":%u,\"process\":%" PRIu64 ",\"ready\":%s,\"draining\":%" PRIu64
                     ",\"age_s\":%.3f,\"restarts\":%" PRIu64 ",\"connections\":%" PRIu64
                     ",\"accepted\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"answers\":[",
                     i ? "," : "", i, s->pid, s->ready ? "true" : "false", s->draining,
                     (double)s->age_ns * 1e-9, restarts(s), s->count.connections, s->count.accepted,
                     s->count.requests);
        for (unsigned class = 1; class < 6; class ++)
            yk__text_add(t, "%s%" PRIu64, class > 1 ? "," : "", s->count.answers[class]);
        yk__text_add(t,
                     "],\"timeouts\":%" PRIu64 ",\"clients_left\":%" PRIu64
                     ",\"loop_lag_s\":%.6f,\"loop_lag_max_s\":%.6f,\"jobs_waiting\":%" PRIu64 "}",
                     s->count.timed_out, s->count.left, (double)s->lag_ns * 1e-9,
                     (double)s->most_lag_ns * 1e-9, s->waiting);
    }
    yk__text_add(t, "]}\n");
}

static void add_text(yk__text *t, const standing *all, unsigned n)
{
    yk__text_add(t, "%s, process %d\n\n", server->options.name, (int)getppid());
    yk__text_add(t, "%6s %8s %-8s %10s %8s %11s %12s %12s %9s %9s %7s\n", "worker", "process",
                 "state", "age", "restarts", "connections", "accepted", "requests", "lag",
                 "max lag", "jobs");
    for (unsigned i = 0; i < n; i++) {
        const standing *s = &all[i];
        yk__text_add(t,
                     "%6u %8" PRIu64 " %-8s %8.1f s %8" PRIu64 " %11" PRIu64 " %12" PRIu64
                     " %12" PRIu64 " %6.1f ms %6.1f ms %7" PRIu64 "\n",
                     i, s->pid, s->ready ? "ready" : "starting", (double)s->age_ns * 1e-9,
                     restarts(s), s->count.connections, s->count.accepted, s->count.requests,
                     (double)s->lag_ns * 1e-6, (double)s->most_lag_ns * 1e-6, s->waiting);
    }
}

/* ---- Over HTTP ------------------------------------------------------------------------------- */

typedef struct form {
    const char *type;
    void (*add)(yk__text *t, const standing *all, unsigned n);
} form;

static int send_form(yk_http *h, void *arg)
{
    static standing all[YK_SERVE_MOST_WORKERS]; /* of one loop, and nothing here waits meanwhile */
    const form *f = arg;
    yk__text text;
    unsigned n = take_stock(all);
    yk__text_start(&text, NULL, 0);
    f->add(&text, all, n);
    size_t size = text.len + 1;
    char *buffer = malloc(size);
    if (!buffer)
        return UV_ENOMEM;
    yk__text_start(&text, buffer, size);
    f->add(&text, all, n);
    int err = yk_http_send(h, 200, f->type, buffer, text.len);
    free(buffer);
    return err;
}

static form prometheus = { "text/plain; version=0.0.4; charset=utf-8", add_prometheus };
static form json = { "application/json", add_json };
static form text = { "text/plain; charset=utf-8", add_text };
static const yk_http_route routes[] = {
    { "GET", "/metrics", send_form, &prometheus },
    { "GET", "/status.json", send_form, &json },
    { "GET", "/", send_form, &text },
    { 0 },
};
static const yk_http_service service = { .routes = routes };

/* Until it is killed. */
static int answer(void *unused)
{
    yk_listener *listener;
    (void)unused;
    int err = yk_listen_fd(&listener, yk__sockets_fd(&server->status_sockets, 0, 0));
    if (err)
        return 1;
    if (!yk_server_start_with(listener, yk_http_connection, (void *)&service, .most = 100))
        return 1;
    return yk_sleep_until(YK_FOREVER);
}

static void be_status(yk__supervisor *s)
{
    server = s;
    yk__pool_door_close(&s->pool.door);
    yk__run_child(answer, NULL);
}

/* ---- In the supervisor ----------------------------------------------------------------------- */

int yk__status_open(yk__supervisor *s)
{
    s->status_process = (yk__helper){ .name = "status", .run = be_status };
    if (!s->options.status)
        return 0;
    if (s->status_sockets.n == 0) {
        int err = yk__sockets_add(&s->status_sockets, s->options.status);
        if (err)
            return err;
    }
    s->board = yk__shared_new(sizeof *s->board);
    if (!s->board)
        return UV_ENOMEM;
    s->board->started = (uint64_t)time(NULL);
    yk__serve_log("status on %s", s->status_sockets.sites[0].text);
    return 0;
}

void yk__status_step(yk__supervisor *s)
{
    if (!s->board)
        return;
    yk__board_write(s);
    if (s->handed_over || (s->stopping && yk__workers_alive(s) == 0))
        yk__helper_kill(&s->status_process);
    else
        yk__helper_step(s, &s->status_process);
}

void yk__status_close(yk__supervisor *s)
{
    yk__sockets_close(&s->status_sockets, !s->handed_over);
    yk__shared_free(s->board, sizeof *s->board);
}
