/* PostgreSQL for tasks. libpq never blocks here: it says what it waits for, and yk_poll() waits. */
#include "pg.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include <yoke/yoke.h>

struct pg {
    pg_pool *pool;
    PGconn *conn; /* NULL: not connected */
    int depth;    /* of transactions */
};

struct pg_pool {
    const char *conninfo;
    yk_queue *idle; /* of pg *, the one that was used last first */
    char why[512];
    int size;
    pg all[];
};

enum { MENDING_MS = 5000, AGAIN_MS = 500 };

/* ---- Errors ---------------------------------------------------------------------------------- */

static int failed(pg *c)
{
    snprintf(c->pool->why, sizeof c->pool->why, "%s", PQerrorMessage(c->conn));
    return PQstatus(c->conn) == CONNECTION_OK ? UV_EPROTO : UV_ECONNRESET;
}

static int check(pg *c, const PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? 0 : failed(c);
}

const char *pg_why(const pg_pool *pool)
{
    return pool->why;
}

/* ---- One statement --------------------------------------------------------------------------- */

/* Waits for libpq's socket, for what it wants of it, and lets libpq read. A server that always has
 * more must not keep the other tasks waiting, nor a cancellation: so it is one turn at least. */
static int progress(pg *c, bool unsent, uint64_t deadline)
{
    int ready = yk_yield();
    if (ready == 0)
        ready = yk_poll(PQsocket(c->conn), YK_READABLE | (unsent ? YK_WRITABLE : 0), deadline);
    if (ready < 0)
        return ready;
    return (ready & YK_READABLE) && !PQconsumeInput(c->conn) ? failed(c) : 0;
}

/* The next result; NULL: the statement is over. Sends what is left to be sent. */
static int next_result(pg *c, PGresult **r, uint64_t deadline)
{
    int unsent, err = 0;
    while (!err && ((unsent = PQflush(c->conn)) > 0 || (unsent == 0 && PQisBusy(c->conn))))
        err = progress(c, unsent, deadline);
    if (!err)
        *r = PQgetResult(c->conn);
    return err;
}

/* PQcancel() makes a connection of its own, and blocks: it is a job for a thread. */
static int cancel_at_server(yk_job *job)
{
    char why[256];
    PGcancel *cancel = *(PGcancel **)yk_job_arg(job);
    PQcancel(cancel, why, sizeof why); /* where it fails, the statement goes on to its end */
    PQfreeCancel(cancel);
    return 0;
}

static int cancel_and_drain(pg *c)
{
    PGresult *r;
    PGcancel *cancel = PQgetCancel(c->conn);
    yk_future *sent = yk_submit_with(yk_loop_default_executor(yk_loop_current()), cancel_at_server,
                                     &cancel, sizeof cancel, .kind = YK_BLOCKING);
    int err = yk_shield(sent);
    uint64_t deadline = yk_after_ms(AGAIN_MS);
    yk_future_unref(sent);
    while (!err && !(err = next_result(c, &r, deadline)) && r)
        PQclear(r);
    return err;
}

/* Ends a statement whose results nobody waits for any more. A cancellation that is at the server
 * before the statement has begun does nothing: so it is sent again. */
static int settle(pg *c)
{
    int err = 0;
    while (PQtransactionStatus(c->conn) == PQTRANS_ACTIVE && (!err || err == UV_ETIMEDOUT))
        err = cancel_and_drain(c);
    return err;
}

static int send_statement(pg *c, const char *const *statement)
{
    int n = 0, err = settle(c);
    while (statement[n + 1])
        n++;
    if (err)
        return err;
    return PQsendQueryParams(c->conn, statement[0], n, NULL, statement + 1, NULL, NULL, 0)
               ? 0
               : failed(c);
}

int pg_query_args(pg *c, PGresult **result, const char *const *statement)
{
    PGresult *r, *last = NULL;
    int err = send_statement(c, statement);
    while (!err && !(err = next_result(c, &r, YK_FOREVER)) && r) {
        PQclear(last);
        last = r;
    }
    if (!err)
        err = check(c, last);
    if (err || !result)
        PQclear(last);
    else
        *result = last;
    return err;
}

int pg_stream_args(pg *c, const char *const *statement)
{
    int err = send_statement(c, statement);
    return err || PQsetSingleRowMode(c->conn) ? err : failed(c);
}

int pg_next(pg *c, PGresult **row)
{
    int err = 0, end = YK_END;
    for (PGresult *r; !(err = next_result(c, &r, YK_FOREVER)) && r; PQclear(r)) {
        if (PQresultStatus(r) == PGRES_SINGLE_TUPLE) {
            *row = r;
            return 0;
        }
        if ((err = check(c, r)))
            end = err;
    }
    return err ? err : end;
}

/* ---- Transactions ---------------------------------------------------------------------------- */

/* Says it of the transaction, or of the savepoint that stands for a nested one. */
static int say(pg *c, const char *of_transaction, const char *of_savepoint)
{
    char sql[64];
    snprintf(sql, sizeof sql, "%s s%d", of_savepoint, c->depth);
    return pg_query(c, NULL, c->depth ? sql : of_transaction);
}

int pg_begin(pg *c)
{
    int err = say(c, "BEGIN", "SAVEPOINT");
    c->depth += err == 0;
    return err;
}

int pg_end(pg *c, int err)
{
    c->depth--;
    if (!err)
        return say(c, "COMMIT", "RELEASE");
    say(c, "ROLLBACK", "ROLLBACK TO");
    return err;
}

/* ---- Connections ----------------------------------------------------------------------------- */

static void disconnect(pg *c)
{
    PQfinish(c->conn);
    c->conn = NULL;
}

static void say_nothing(void *unused, const char *message)
{
    (void)unused, (void)message;
}

static int connect_now(pg *c, uint64_t deadline)
{
    int wanted = YK_WRITABLE;
    c->conn = PQconnectStart(c->pool->conninfo);
    PQsetNoticeProcessor(c->conn, say_nothing, NULL);
    while (PQstatus(c->conn) != CONNECTION_BAD) {
        int ready = yk_poll(PQsocket(c->conn), wanted, deadline);
        if (ready < 0)
            return ready;
        PostgresPollingStatusType next = PQconnectPoll(c->conn);
        if (next == PGRES_POLLING_OK)
            return PQsetnonblocking(c->conn, 1) == 0 ? 0 : failed(c);
        wanted = next == PGRES_POLLING_READING ? YK_READABLE : YK_WRITABLE;
    }
    return failed(c);
}

/* Whether a connection that was idle is still there: a server that goes away says so. */
static bool is_there(pg *c)
{
    while (c->conn && yk_poll(PQsocket(c->conn), YK_READABLE, 0) > 0)
        if (!PQconsumeInput(c->conn) || PQstatus(c->conn) != CONNECTION_OK)
            disconnect(c);
    return c->conn;
}

static int restore(void *arg)
{
    pg *c = arg;
    int err = settle(c);
    if (!err && PQtransactionStatus(c->conn) != PQTRANS_IDLE)
        err = pg_query(c, NULL, "ROLLBACK");
    return err;
}

/* A task of its own, so that who releases a connection need not wait. */
static int mend(void *arg)
{
    pg *c = arg;
    if (yk_with_timeout(restore, c, yk_after_ms(MENDING_MS)) != 0)
        disconnect(c);
    return yk_queue_put(c->pool->idle, &c, YK_FOREVER);
}

/* ---- The pool -------------------------------------------------------------------------------- */

pg_pool *pg_pool_new(const char *conninfo, int size)
{
    pg_pool *pool = calloc(1, sizeof *pool + (size_t)size * sizeof(pg));
    if (!pool)
        return NULL;
    pool->conninfo = conninfo;
    pool->idle = yk_queue_new(.item_size = sizeof(pg *), .order = YK_LIFO);
    int err = pool->idle ? 0 : UV_ENOMEM;
    for (; !err && pool->size < size; pool->size++) {
        pg *c = &pool->all[pool->size];
        c->pool = pool;
        err = yk_queue_put(pool->idle, &c, YK_FOREVER);
    }
    return err ? pg_pool_close(pool), NULL : pool;
}

void pg_pool_close(pg_pool *pool)
{
    for (pg *c; pool->size > 0;)
        if (yk_queue_get(pool->idle, &c, YK_FOREVER) == 0) { /* a cancellation is told once */
            disconnect(c);
            pool->size--;
        }
    yk_queue_free(pool->idle);
    free(pool);
}

int pg_acquire(pg_pool *pool, pg **c, uint64_t deadline)
{
    pg *got;
    int err = yk_queue_get(pool->idle, &got, deadline);
    if (err)
        return err;
    if (!is_there(got) && (err = connect_now(got, deadline))) {
        disconnect(got);
        yk_queue_put(pool->idle, &got, YK_FOREVER);
        return err;
    }
    got->depth = 0;
    *c = got;
    return 0;
}

static bool is_mended_later(pg *c)
{
    yk_future *mending = yk_task_start(mend, c);
    bool started = !yk_future_ended(mending);
    yk_future_unref(mending);
    return started;
}

void pg_release(pg *c)
{
    if (PQtransactionStatus(c->conn) != PQTRANS_IDLE) {
        if (PQstatus(c->conn) == CONNECTION_OK && is_mended_later(c))
            return;
        disconnect(c);
    }
    yk_queue_put(c->pool->idle, &c, YK_FOREVER);
}
