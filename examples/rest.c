/* A REST API over PostgreSQL, twice: the same routes under /async, where the loop itself waits for
 * the database (pg.h), and under /blocking, where threads do, each with a connection. JSON by
 * Jansson, several processes by yk_serve().
 *
 *   rest [ADDRESS]                  127.0.0.1:8080 unless given
 *
 *   GET    /async/items             the first hundred; ?after=ID: the next
 *   POST   /async/items             {"name": "tea", "price": 250}; a name is there once
 *   GET    /async/items/{id}
 *   PUT    /async/items/{id}        as POST
 *   DELETE /async/items/{id}
 *
 * PGHOST, PGUSER and their like say where PostgreSQL is. A client that leaves has its statement
 * cancelled; where too many wait already, the answer is 503.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <yoke/yoke.h>

#include "pg.h"

enum { CONNECTIONS = 2, WAITING = 100, NAME_MOST = 100 };

/* ---- Two ways to ask ------------------------------------------------------------------------- */

/* A statement and its parameters, up to a NULL. */
typedef const char *const *statement;

/* 0 and the rows, for PQclear(); or an error that is the handler's to return. */
typedef int (*query_fn)(statement s, PGresult **rows);

static pg_pool *connections;

static int query_on_loop(statement s, PGresult **rows)
{
    pg *c;
    int err = pg_acquire(connections, &c, yk_after_ms(5000));
    if (err)
        return err;
    err = pg_query_args(c, rows, s);
    pg_release(c);
    if (err == UV_EPROTO || err == UV_ECONNRESET)
        fprintf(stderr, "rest: %s", pg_why(connections));
    return err;
}

static yk_executor *threads;
static _Thread_local PGconn *of_thread;

static int open_in_thread(void *unused)
{
    (void)unused;
    of_thread = PQconnectdb("");
    return PQstatus(of_thread) == CONNECTION_OK
               ? 0
               : yk_worker_fail(UV_ECONNREFUSED, "%s", PQerrorMessage(of_thread));
}

static void close_in_thread(void *unused)
{
    (void)unused;
    PQfinish(of_thread);
}

static bool is_good(const PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* The rows are returned by their address. Nobody would free those of a job that was cancelled, so
 * they are handed over at the commit point or not at all. */
static int query_job(yk_job *job)
{
    statement s = *(statement *)yk_job_arg(job);
    int n = 0;
    while (s[n + 1])
        n++;
    if (PQstatus(of_thread) != CONNECTION_OK)
        PQreset(of_thread);
    PGresult *r = PQexecParams(of_thread, s[0], n, NULL, s + 1, NULL, NULL, 0);
    int err = is_good(r) ? yk_job_commit(job)
                         : yk_job_fail(job, UV_EPROTO, "%s", PQerrorMessage(of_thread));
    if (!err)
        return yk_job_return(job, &r, sizeof r);
    PQclear(r);
    return err;
}

/* The statement is this task's, which must be here until the job has let go of it. */
static int query_on_thread(statement s, PGresult **rows)
{
    yk_future *f = yk_submit_with(threads, query_job, &s, sizeof s, .no_wait = true);
    int err = yk_await_into(f, rows, sizeof *rows);
    while (!yk_future_ended(f))
        yk_await(f);
    if (err == UV_EPROTO)
        fprintf(stderr, "rest: %s", yk_future_error(f)->message);
    if (err == YK_ECANCELED && yk_future_state(f) == YK_DONE)
        PQclear(*(PGresult *const *)yk_future_result(f, NULL));
    yk_future_unref(f);
    return err;
}

#define QUERY(way, rows, ...) ((query_fn)(way))((const char *const[]){ __VA_ARGS__, NULL }, (rows))

/* ---- JSON ------------------------------------------------------------------------------------ */

static json_t *item(const PGresult *rows, int i)
{
    return json_pack("{s:I, s:s, s:I}", "id", (json_int_t)strtoll(PQgetvalue(rows, i, 0), NULL, 10),
                     "name", PQgetvalue(rows, i, 1), "price",
                     (json_int_t)strtoll(PQgetvalue(rows, i, 2), NULL, 10));
}

static int send_json(yk_http *h, int status, json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    int err = text ? yk_http_sendf(h, status, "application/json", "%s\n", text) : UV_ENOMEM;
    free(text);
    json_decref(json);
    return err;
}

static int complain(yk_http *h, int status, const char *what)
{
    return send_json(h, status, json_pack("{s:s}", "error", what));
}

/* One row, or none because there is no such item. */
static int send_item(yk_http *h, int status, const PGresult *rows)
{
    return PQntuples(rows) == 1 ? send_json(h, status, item(rows, 0))
                                : complain(h, 404, "no such item");
}

/* What a client has sent. `json` is freed when both texts have been used. */
struct sent {
    json_t *json;
    const char *name;
    char price[24];
};

/* NULL, or what is wrong with it. */
static const char *look_at(struct sent *sent)
{
    json_int_t price;
    json_error_t e;
    if (json_unpack_ex(sent->json, &e, JSON_STRICT, "{s:s, s:I}", "name", &sent->name, "price",
                       &price) != 0)
        return "an item is {\"name\": \"...\", \"price\": 0}";
    size_t len = strlen(sent->name);
    if (len == 0 || len > NAME_MOST || price < 0 || price > INT32_MAX)
        return "a name has 1 to 100 bytes, a price is not below 0";
    snprintf(sent->price, sizeof sent->price, "%" JSON_INTEGER_FORMAT, price);
    return NULL;
}

/* 0 and *sent; or the handler's result, after the client was told. */
static int read_item(yk_http *h, struct sent *sent, bool *told)
{
    char *body;
    size_t len;
    json_error_t e;
    int err = yk_http_read_all(h, &body, &len);
    if (err)
        return err;
    sent->json = json_loadb(body, len, JSON_REJECT_DUPLICATES, &e);
    const char *wrong = sent->json ? look_at(sent) : e.text;
    *told = wrong != NULL;
    if (!wrong)
        return 0;
    json_decref(sent->json);
    return complain(h, 400, wrong);
}

/* A number of at most 18 digits. */
static bool read_id(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 18 && text[digits] == '\0';
}

static bool id_of(yk_http *h, char id[20])
{
    return yk_http_param(h, "id", id, 20) == 0 && read_id(id);
}

/* ---- The routes ------------------------------------------------------------------------------ */

static int list_items(yk_http *h, void *way)
{
    char after[20] = "-1";
    PGresult *rows;
    int err = yk_http_query_value(h, "after", after, sizeof after);
    if (err != UV_ENOENT && (err || !read_id(after)))
        return complain(h, 400, "after: not a number");
    err = QUERY(way, &rows, "SELECT id, name, price FROM item WHERE id > $1 ORDER BY id LIMIT 100",
                after);
    if (err)
        return err;
    json_t *list = json_array();
    for (int i = 0; i < PQntuples(rows); i++)
        json_array_append_new(list, item(rows, i));
    PQclear(rows);
    return send_json(h, 200, list);
}

static int get_item(yk_http *h, void *way)
{
    char id[20];
    PGresult *rows;
    if (!id_of(h, id))
        return complain(h, 404, "no such item");
    int err = QUERY(way, &rows, "SELECT id, name, price FROM item WHERE id = $1", id);
    if (err)
        return err;
    err = send_item(h, 200, rows);
    PQclear(rows);
    return err;
}

static int add_item(yk_http *h, void *way)
{
    struct sent sent;
    PGresult *rows;
    bool told;
    char where[200];
    int err = read_item(h, &sent, &told);
    if (err || told)
        return err;
    err = QUERY(way, &rows,
                "INSERT INTO item (name, price) VALUES ($1, $2) ON CONFLICT DO NOTHING"
                " RETURNING id, name, price",
                sent.name, sent.price);
    json_decref(sent.json);
    if (err)
        return err;
    if (PQntuples(rows) == 0) {
        err = complain(h, 409, "there is one of that name");
    } else {
        snprintf(where, sizeof where, "%.100s/%s", yk_http_path(h), PQgetvalue(rows, 0, 0));
        yk_http_set(h, "Location", where);
        err = send_item(h, 201, rows);
    }
    PQclear(rows);
    return err;
}

static int change(yk_http *h, void *way, const char *id, const struct sent *sent)
{
    PGresult *rows;
    int err = QUERY(way, &rows,
                    "UPDATE item SET name = $2, price = $3 WHERE id = $1 AND NOT EXISTS"
                    " (SELECT FROM item WHERE name = $2 AND id <> $1) RETURNING id, name, price",
                    id, sent->name, sent->price);
    bool none = !err && PQntuples(rows) == 0;
    if (none) {
        PQclear(rows);
        err = QUERY(way, &rows, "SELECT FROM item WHERE id = $1", id);
    }
    if (err)
        return err;
    err = none && PQntuples(rows) == 1 ? complain(h, 409, "there is one of that name")
                                       : send_item(h, 200, rows);
    PQclear(rows);
    return err;
}

static int change_item(yk_http *h, void *way)
{
    char id[20];
    struct sent sent;
    bool told;
    if (!id_of(h, id))
        return complain(h, 404, "no such item");
    int err = read_item(h, &sent, &told);
    if (err || told)
        return err;
    err = change(h, way, id, &sent);
    json_decref(sent.json);
    return err;
}

static int remove_item(yk_http *h, void *way)
{
    char id[20];
    PGresult *rows;
    if (!id_of(h, id))
        return complain(h, 404, "no such item");
    int err = QUERY(way, &rows, "DELETE FROM item WHERE id = $1 RETURNING id, name, price", id);
    if (err)
        return err;
    err = send_item(h, 200, rows);
    PQclear(rows);
    return err;
}

#define ROUTES(prefix, way)                                          \
    { "GET", prefix "/items", list_items, (void *)(way) },           \
        { "POST", prefix "/items", add_item, (void *)(way) },        \
        { "GET", prefix "/items/{id}", get_item, (void *)(way) },    \
        { "PUT", prefix "/items/{id}", change_item, (void *)(way) }, \
    {                                                                \
        "DELETE", prefix "/items/{id}", remove_item, (void *)(way)   \
    }

static const yk_http_route routes[] = {
    ROUTES("/async", query_on_loop),
    ROUTES("/blocking", query_on_thread),
    { 0 },
};

/* ---- The server ------------------------------------------------------------------------------ */

/* By one worker after the other. */
static int make_table(void)
{
    pg *c;
    int err = pg_acquire(connections, &c, yk_after_ms(10000));
    if (err)
        return err;
    err = pg_begin(c);
    if (!err) {
        err = pg_query(c, NULL, "SELECT pg_advisory_xact_lock(4711)");
        if (!err)
            err = pg_query(c, NULL,
                           "CREATE TABLE IF NOT EXISTS item (id bigserial PRIMARY KEY,"
                           " name text UNIQUE NOT NULL, price int NOT NULL)");
        err = pg_end(c, err);
    }
    pg_release(c);
    return err;
}

static int start(void *unused)
{
    (void)unused;
    connections = pg_pool_new("", CONNECTIONS);
    if (!connections)
        return UV_ENOMEM;
    threads =
        yk_thread_pool(.name = "database", .workers = CONNECTIONS, .queue_limit = WAITING,
                       .worker = { .initializer = open_in_thread, .finalizer = close_in_thread });
    int err = make_table();
    if (err)
        fprintf(stderr, "rest: %s", pg_why(connections));
    return err;
}

static void stop(void *unused)
{
    (void)unused;
    yk_executor_close(threads);
    pg_pool_close(connections);
}

static void say_where(const char *const *addresses, void *unused)
{
    (void)unused;
    printf("listening on %s\n", *addresses);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const yk_http_service service = { .routes = routes, .most_body = 4096 };
    return yk_serve(argc, argv, .listen = YK_ADDRESSES(argc > 1 ? argv[1] : "127.0.0.1:8080"),
                    .name = "rest", .http = &service, .start = start, .stop = stop,
                    .ready = say_where);
}
