/* mapreduce/ngram/serve/status.c - --status: how far a running job is. */
#include "status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../../../executor/clock.h"
#include "../../../executor/error.h"
#include "../../../loop/http/http.h"
#include "../../../loop/loop.h"
#include "../command.h"
#include "address.h"
#include "assets.h"
#include "buffer.h"

struct serve_status {
    yk_listener *listener;
    yk_server *server;
    yk_http_service service;
    yk_http_route routes[4];
    ngram_state state;
    yk_mapreduce_stats job; /* which the state points to */
};

/* ---- In its forms -------------------------------------------------------------------------- */

static void write_command(yk_writer *to)
{
    char **argv, line[2000] = "ngram";
    int argc = yk_args(&argv);
    for (int i = 1, len = 5; i < argc && len < (int)sizeof line; i++)
        len += snprintf(line + len, sizeof line - (size_t)len, " %s", argv[i]);
    serve_write_string(to, line);
}

static void write_json(yk_writer *to, const ngram_state *state)
{
    char object[NGRAM_PROGRESS_OBJECT];
    yk_write_text(to, "{\"command\":");
    write_command(to);
    yk_write_text(to, ",");
    ngram_progress_object(object, state);
    yk_write_text(to, object + 1);
}

static void write_metric(yk_writer *to, const char *name, const char *type, const char *help,
                         double value)
{
    char text[400];
    int n = snprintf(text, sizeof text, "# HELP ngram_%s %s\n# TYPE ngram_%s %s\nngram_%s %.15g\n",
                     name, help, name, type, name, value);
    yk_write(to, text, (size_t)n);
}

static void write_metrics(yk_writer *to, const ngram_state *st)
{
    const yk_mapreduce_stats *job = st->job;
    write_metric(to, "running", "gauge", "1 until the job has ended.", !st->ended);
    write_metric(to, "elapsed_seconds", "gauge", "Since the job began.",
                 (double)st->elapsed_ns / 1e9);
    write_metric(to, "read_bytes_total", "counter", "Of the inputs, as stored.", (double)st->done);
    write_metric(to, "input_bytes", "gauge", "Size of the inputs; 0: not known.",
                 (double)st->total);
    write_metric(to, "rows_total", "counter", "Rows read.", (double)job->records);
    write_metric(to, "rows_skipped_total", "counter", "Malformed rows.", (double)job->bad_records);
    write_metric(to, "pieces_total", "counter", "Pieces of the inputs done.", (double)job->splits);
    write_metric(to, "pieces_running", "gauge", "Pieces at work.", (double)job->running);
    write_metric(to, "pieces_retried_total", "counter", "Pieces done again after a death.",
                 (double)job->retries);
    write_metric(to, "spilled_bytes_total", "counter", "Written because memory did not suffice.",
                 (double)job->spilled_bytes);
}

static int send_written(yk_http *h, const char *type, const ngram_state *state,
                        void (*write)(yk_writer *, const ngram_state *))
{
    serve_buffer b;
    yk_writer *to = serve_buffer_begin(&b);
    if (to)
        write(to, state);
    int err = serve_buffer_end(&b);
    serve_set_policy(h);
    if (!err)
        err = yk_http_send(h, 200, type, b.out.memory, b.out.len);
    serve_buffer_free(&b);
    return err;
}

/* ---- Requests ------------------------------------------------------------------------------ */

static int send_page(yk_http *h, void *unused)
{
    (void)unused;
    return serve_send_asset(h, serve_find_asset("status.html"));
}

static int send_json(yk_http *h, void *arg)
{
    return send_written(h, "application/json", &((serve_status *)arg)->state, write_json);
}

static int send_metrics(yk_http *h, void *arg)
{
    return send_written(h, "text/plain; version=0.0.4; charset=utf-8",
                        &((serve_status *)arg)->state, write_metrics);
}

/* ---- Its life ------------------------------------------------------------------------------ */

static int begin(serve_status *s, const char *host, uint16_t port)
{
    char at[YK_ADDRESS_MAX];
    int err = yk_listen(&s->listener, host, port);
    if (err)
        return err;
    s->routes[0] = (yk_http_route){ "GET", "/", send_page, s };
    s->routes[1] = (yk_http_route){ "GET", "/status.json", send_json, s };
    s->routes[2] = (yk_http_route){ "GET", "/metrics", send_metrics, s };
    s->service = (yk_http_service){ .routes = s->routes, .handler = serve_asset_handler };
    s->server = yk_server_start(s->listener, yk_http_connection, &s->service);
    if (!s->server)
        return UV_ENOMEM;
    yk_listener_address(s->listener, at, sizeof at);
    fprintf(stderr, "ngram: how far it is: http://%s/\n", at);
    return 0;
}

int serve_status_start(serve_status **status, const char *address)
{
    char host[256];
    uint16_t port;
    if (!serve_split_address(address, host, sizeof host, &port))
        return ngram_complain(NULL, "--status %s: must be HOST:PORT, such as 127.0.0.1:8081",
                              address);
    serve_status *s = calloc(1, sizeof *s);
    int err = s ? 0 : UV_ENOMEM;
    if (s) {
        s->state.job = &s->job;
        err = begin(s, host[0] ? host : "127.0.0.1", port);
    }
    if (!err) {
        *status = s;
        return NGRAM_OK;
    }
    fprintf(stderr, "ngram: --status %s: %s\n", address, yk_strerror(err));
    serve_status_stop(s);
    return NGRAM_FAILED;
}

void serve_status_show(serve_status *s, const ngram_state *state)
{
    if (!s)
        return;
    s->job = *state->job;
    s->state = *state;
    s->state.job = &s->job;
}

void serve_status_stop(serve_status *s)
{
    if (!s)
        return;
    yk_server_stop(s->server, yk_now());
    yk_listener_close(s->listener);
    free(s);
}
