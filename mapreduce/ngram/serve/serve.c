/* mapreduce/ngram/serve/serve.c - ngram serve: a page and an API over a store. */
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "../../../executor/error.h"
#include "../../../loop/http/log.h"
#include "../../../loop/serve/serve.h"
#include "../commands.h"
#include "address.h"
#include "assets.h"
#include "opened.h"
#include "routes.h"

enum { MOST_WAITING = 64, DRAIN_MS = 5000 };

typedef struct serve_options {
    const char *listen, *totals, *log, *status;
    int workers, processes;
} serve_options;

/* ---- Its life ------------------------------------------------------------------------------ */

/* In each worker, before it takes connections. */
static int open_store(void *arg)
{
    char why[512];
    (void)arg;
    serve_opened *opened = serve_open(why, sizeof why);
    if (opened) {
        serve_close(opened);
        return 0;
    }
    fprintf(stderr, "ngram: %s\n", why);
    return UV_EIO;
}

static void tell_addresses(const char *const *addresses, void *arg)
{
    const char *store = arg;
    for (; *addresses; addresses++)
        fprintf(stderr, "ngram: %s is served at %s%s%s\n", store,
                strncmp(*addresses, "unix:", 5) == 0 ? "" : "http://", *addresses,
                strncmp(*addresses, "unix:", 5) == 0 ? "" : "/");
}

static int check_address(const char *option, const char *address)
{
    char host[256];
    uint16_t port;
    if (strncmp(address, "unix:", 5) == 0 || serve_split_address(address, host, sizeof host, &port))
        return NGRAM_OK;
    return ngram_complain(&ngram_serve_command,
                          "%s %s: must be HOST:PORT, such as 127.0.0.1:8080, or unix:PATH", option,
                          address);
}

static int check(const serve_options *o, const ngram_words *words)
{
    if (words->count != 1)
        return ngram_complain(&ngram_serve_command,
                              words->count ? "one store is served at a time"
                                           : "name the store, a file that ngram index made");
    int status = check_address("--listen", o->listen);
    return status || !o->status ? status : check_address("--status", o->status);
}

static int serve(const serve_options *o, const ngram_words *words)
{
    yk_http_log *log = NULL;
    char status_at[300];
    snprintf(status_at, sizeof status_at, "%s%s",
             o->status && o->status[0] == ':' ? "127.0.0.1" : "", o->status ? o->status : "");
    int err = o->log ? yk_http_log_open(&log, o->log) : 0;
    if (err) {
        fprintf(stderr, "ngram: --log %s: %s\n", o->log, yk_strerror(err));
        return NGRAM_FAILED;
    }
    const yk_http_service web = {
        .routes = serve_routes, .handler = serve_asset_handler, .log = log, .compress = true
    };
    int status = yk_serve(
        words->argc, words->argv, .listen = YK_ADDRESSES(o->listen), .name = "ngram", .http = &web,
        .workers = o->workers, .start = open_store, .ready = tell_addresses,
        .arg = (void *)(uintptr_t)words->at[0], .threads = { .queue_limit = 16 * MOST_WAITING },
        .processes = { .workers = o->processes, .queue_limit = MOST_WAITING },
        .shared_processes = true, .drain_ms = DRAIN_MS, .status = o->status ? status_at : NULL);
    yk_http_log_close(log);
    return status;
}

static int run(const void *options, const ngram_words *words)
{
    const serve_options *o = options;
    char why[600];
    int status = check(o, words);
    if (status)
        return status;
    if (serve_name_store(words->at[0], o->totals, why, sizeof why)) {
        fprintf(stderr, "ngram: %s\n", why);
        return NGRAM_FAILED;
    }
    return serve(o, words);
}

/* ---- The command --------------------------------------------------------------------------- */

static const ngram_option address_table[] = {
    { .name = "listen",
      .value = "ADDRESS",
      .help = "where it is served: 127.0.0.1:8080 (default), [::1]:8080, :8080 (every address of "
              "this machine: whoever can reach it may ask), unix:/run/ngram.sock. Port 0 is one "
              "that is free. Sockets of systemd (LISTEN_FDS) take the place of this",
      .read = ngram_read_text,
      .at = offsetof(serve_options, listen) },
    { .name = "status",
      .value = "ADDRESS",
      .help = "tell how the server does there: connections, requests, restarts, for Prometheus "
              "(/metrics), as JSON (/status.json) and as text (/). :8081 is this machine alone",
      .read = ngram_read_text,
      .at = offsetof(serve_options, status) },
    { .name = "log",
      .value = "FILE",
      .help = "append a line for each answer to FILE, in the combined format of the common servers",
      .read = ngram_read_text,
      .at = offsetof(serve_options, log) },
    { 0 },
};

static const ngram_option number_table[] = {
    { .name = "totals",
      .value = "TOTALS",
      .help = "relative numbers are per million words by this file of total counts of the dataset "
              "(default: per million n-grams of the store)",
      .read = ngram_read_text,
      .at = offsetof(serve_options, totals) },
    { 0 },
};

static const ngram_option work_table[] = {
    { .name = "workers",
      .value = "N",
      .help = "processes that answer (default: the CPUs that this process may use)",
      .read = ngram_read_int,
      .at = offsetof(serve_options, workers),
      .least = 1,
      .most = YK_SERVE_MOST_WORKERS },
    { .name = "searches",
      .value = "N",
      .help = "processes for searches, which all workers share; more searches wait (default: the "
              "CPUs that this process may use)",
      .read = ngram_read_int,
      .at = offsetof(serve_options, processes),
      .least = 1,
      .most = 1024 },
    { 0 },
};

static const ngram_option_group groups[] = {
    { "Where", address_table, 0 },
    { "Numbers", number_table, 0 },
    { "Work", work_table, 0 },
    { 0 },
};

static const ngram_example examples[] = {
    { "the page at http://127.0.0.1:8080/, with numbers per million words",
      "ngram serve eng.store --totals totalcounts-1" },
    { "the same for a program", "curl 'http://127.0.0.1:8080/api/series?words=Albert,run_*'" },
    { 0 },
};

const ngram_command ngram_serve_command = {
    .name = "serve",
    .usage = "STORE [--listen 127.0.0.1:8080] [options]",
    .summary = "a page that draws the years of n-grams, and an API, over a store",
    .about =
        "Serves a store that 'ngram index' made to browsers: a page with a chart of the years of "
        "some n-grams, with wildcards, case folding and smoothing, a table, downloads, and a "
        "search of all n-grams by regular expression; and the same to programs, as "
        "/api/openapi.json describes. What may take long is done in processes of its own, and ends "
        "when its client leaves. A store that is made anew in the same place is seen by the next "
        "question.\n\n"
        "Ctrl-C and SIGTERM end the server when it has answered what was asked; a second one ends "
        "it at once. SIGHUP replaces the workers, and SIGUSR2 starts a new version of the program, "
        "without a request lost.",
    .examples = examples,
    .groups = groups,
    .defaults = &(serve_options){ .listen = "127.0.0.1:8080" },
    .size = sizeof(serve_options),
    .program = true,
    .run = run,
};
