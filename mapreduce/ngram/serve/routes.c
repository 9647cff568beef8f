/* mapreduce/ngram/serve/routes.c - what may be asked of the server.
 *
 * What is found at once is found on a thread. What may have to read most of the store, the searches
 * above all, is done in a process; when the client leaves, the wait for it is interrupted, and with
 * it the job.
 */
#include "routes.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../../../executor/stream.h"
#include "../../../executor/wait.h"
#include "../../../loop/offload.h"
#include "assets.h"
#include "buffer.h"
#include "events.h"
#include "opened.h"
#include "picture.h"
#include "problem.h"
#include "question.h"
#include "search.h"
#include "series.h"

enum { SEARCH_MS = 10 * 60 * 1000, LOOK_MS = 250 };

static int get_field(void *from, const char *name, char *out, size_t size)
{
    return yk_http_query_value(from, name, out, size);
}

static yk_future *submit(yk_job_fn fn, const void *arg, size_t len, bool heavy, size_t window)
{
    return yk_submit_with(yk_loop_default_executor(yk_loop_current()), fn, arg, len,
                          .kind = heavy ? YK_ISOLATED : YK_BLOCKING, .no_wait = true,
                          .timeout_ms = SEARCH_MS, .stream = window);
}

/* ---- The store ----------------------------------------------------------------------------- */

static void write_sources(yk_writer *to, const char *sources)
{
    for (const char *at = sources, *end; *at; at = *end ? end + 1 : end) {
        char name[512];
        end = strchrnul(at, '\n');
        snprintf(name, sizeof name, "%.*s", (int)(end - at), at);
        yk_write_text(to, at == sources ? "" : ",");
        serve_write_string(to, name);
    }
}

static void write_about(yk_writer *to, const ngram_store_info *about)
{
    const ngram_series *years = about->years;
    yk_write_text(to, "{\"release\":");
    serve_write_string(to, about->release);
    yk_write_text(to, ",\"language\":");
    serve_write_string(to, about->language);
    yk_write_text(to, ",\"ngrams\":");
    yk_write_u64(to, about->ngrams);
    yk_write_text(to, ",\"first_year\":");
    yk_write_u64(to, years->count ? (uint64_t)years->points[0].year : 0);
    yk_write_text(to, ",\"last_year\":");
    yk_write_u64(to, years->count ? (uint64_t)years->points[years->count - 1].year : 0);
    yk_write_text(to, ",\"relative_unit\":");
    serve_write_string(to, serve_relative_unit());
    yk_write_text(to, ",\"sources\":[");
    write_sources(to, about->sources);
    yk_write_text(to, "]}\n");
}

static int send_json(yk_http *h, const char *text, size_t len)
{
    serve_set_policy(h);
    return yk_http_send(h, 200, "application/json", text, len);
}

static int about_store(yk_http *h, void *unused)
{
    (void)unused;
    char why[512];
    serve_buffer b;
    serve_opened *opened = serve_open(why, sizeof why);
    if (!opened)
        return serve_problem(h, 500, "%s", why);
    yk_writer *to = serve_buffer_begin(&b);
    if (to)
        write_about(to, ngram_store_about(opened->store));
    serve_close(opened);
    int err = serve_buffer_end(&b);
    if (!err)
        err = send_json(h, b.out.memory, b.out.len);
    serve_buffer_free(&b);
    return err;
}

/* ---- Years --------------------------------------------------------------------------------- */

/* Reads the question, awaits its answer, and has it sent. */
static int answer(yk_http *h, serve_form form, int (*send)(yk_http *, const char *, size_t))
{
    serve_fields fields = { .get = get_field, .from = h };
    serve_question *q = serve_question_read(&fields);
    if (!q)
        return serve_problem(h, 400, "%s", fields.why);
    q->form = form;
    yk_future *f =
        submit(serve_series_job, q, serve_question_size(q), serve_question_is_heavy(q), 0);
    free(q);
    int err = yk_await(f);
    if (err) {
        err = yk_future_error(f) ? serve_job_problem(h, yk_future_error(f)) : err;
    } else {
        size_t len;
        const char *text = yk_future_result(f, &len);
        err = send(h, text, len);
    }
    yk_future_unref(f);
    return err;
}

static int send_csv(yk_http *h, const char *text, size_t len)
{
    serve_set_policy(h);
    yk_http_set(h, "Content-Disposition", "attachment; filename=\"ngrams.csv\"");
    return yk_http_send(h, 200, "text/csv; charset=utf-8; header=present", text, len);
}

static int send_drawing(yk_http *h, const char *text, size_t len)
{
    if (len == 0)
        return serve_problem(h, 404,
                             "none of these n-grams is in the store, so there is nothing "
                             "to draw");
    return serve_send_picture(h, text, len);
}

static int series(yk_http *h, void *unused)
{
    static const char *const forms[] = { "json", "csv", NULL };
    (void)unused;
    serve_fields fields = { .get = get_field, .from = h };
    int form = serve_field_choice(&fields, "format", forms);
    if (fields.wrong)
        return serve_problem(h, 400, "%s", fields.why);
    return form == 0 ? answer(h, SERVE_JSON, send_json) : answer(h, SERVE_CSV, send_csv);
}

static int chart(yk_http *h, void *unused)
{
    (void)unused;
    return answer(h, SERVE_PLOT, send_drawing);
}

/* ---- Searches ------------------------------------------------------------------------------ */

static yk_future *begin_search(yk_http *h, int *err)
{
    serve_search search;
    serve_fields fields = { .get = get_field, .from = h };
    if (!serve_search_read(&search, &fields)) {
        *err = serve_problem(h, 400, "%s", fields.why);
        return NULL;
    }
    return submit(serve_search_job, &search, sizeof search, true, SERVE_SEARCH_WINDOW);
}

/* What is found at once, before anything is said. */
static int refusal(yk_http *h, const yk_future *f)
{
    const yk_error *error = yk_future_ended(f) ? yk_future_error(f) : NULL;
    return error ? serve_job_problem(h, error) : 0;
}

/* Reads what the job emits, up to its end. `h`: told as events; NULL: not told. */
static int follow(yk_http *h, yk_future *f)
{
    size_t len;
    uint64_t done, total;
    int err = 0;
    char *hits = malloc(SERVE_SEARCH_WINDOW);
    if (!hits)
        return UV_ENOMEM;
    while (!err) {
        err = yk_stream_next(f, hits, SERVE_SEARCH_WINDOW, &len, yk_after_ms(LOOK_MS));
        bool some = !err;
        if (err == UV_ETIMEDOUT)
            err = 0;
        if (some && h)
            err = yk_http_event(h, "hits", hits);
        if (!err && h && yk_future_progress(f, &done, &total) == 0)
            err = serve_event_progress(h, done, total);
    }
    free(hits);
    return err == YK_END ? 0 : err;
}

static int send_end(yk_http *h, const yk_future *f)
{
    const yk_error *error = yk_future_error(f);
    if (error)
        return serve_event_problem(h, error);
    return yk_http_event(h, "done", yk_future_result(f, NULL));
}

static int search_events(yk_http *h, void *unused)
{
    (void)unused;
    int err = 0;
    yk_future *f = begin_search(h, &err);
    if (!f)
        return err;
    err = refusal(h, f);
    if (!err && !yk_http_begun(h)) {
        serve_set_policy(h);
        err = yk_http_events(h);
        if (!err)
            err = follow(h, f);
        if (!err)
            err = send_end(h, f);
    }
    yk_future_cancel(f);
    yk_future_unref(f);
    return err;
}

static int search(yk_http *h, void *unused)
{
    (void)unused;
    int err = 0;
    size_t len;
    yk_future *f = begin_search(h, &err);
    if (!f)
        return err;
    err = follow(NULL, f);
    if (!err) {
        const yk_error *error = yk_future_error(f);
        const char *text = yk_future_result(f, &len);
        err = error ? serve_job_problem(h, error) : send_json(h, text, len - 1);
    }
    yk_future_cancel(f);
    yk_future_unref(f);
    return err;
}

/* ---- All of it ----------------------------------------------------------------------------- */

const yk_http_route serve_routes[] = {
    { "GET", "/api/store", about_store, NULL },
    { "GET", "/api/series", series, NULL },
    { "GET", "/api/chart.svg", chart, NULL },
    { "GET", "/api/search", search, NULL },
    { "GET", "/api/search/events", search_events, NULL },
    { 0 },
};
