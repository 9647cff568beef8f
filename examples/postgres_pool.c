/* The same work at a PostgreSQL twice, at one time: by tasks that share a pool of connections on
 * the loop (pg.h), and by jobs that block on threads. Then what only the first can do well: a
 * statement is given up, a connection breaks.
 *
 *   postgres_pool          all that
 *   postgres_pool SQL      the rows of one statement, as they come
 *
 * PGHOST, PGUSER and their like say where it is. The work: a shop has 5 of each of 3 things, and 24
 * customers. A sale is a transaction; to take from the stock is one inside of it, which is undone
 * where nothing is left. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <yoke/yoke.h>

#include "pg.h"

enum { SALES = 24, AT_ONCE = 4 };

/* Each way of working has the shop in a schema of its own. */
#define ON_LOOP    "options=-csearch_path=on_loop"
#define ON_THREADS "options=-csearch_path=on_threads"

static const char *const opening[] = {
    "DROP SCHEMA IF EXISTS on_loop, on_threads CASCADE",
    "CREATE SCHEMA on_loop",
    "CREATE TABLE on_loop.stock AS SELECT n AS item, 5 AS here FROM generate_series(0, 2) n",
    "ALTER TABLE on_loop.stock ADD CHECK (here >= 0)",
    "CREATE TABLE on_loop.sale (customer int PRIMARY KEY, state text)",
    "CREATE SCHEMA on_threads",
    "CREATE TABLE on_threads.stock (LIKE on_loop.stock INCLUDING ALL)",
    "INSERT INTO on_threads.stock SELECT * FROM on_loop.stock",
    "CREATE TABLE on_threads.sale (LIKE on_loop.sale INCLUDING ALL)",
};
static const char enter[] = "INSERT INTO sale VALUES ($1, 'sold')";
static const char take[] = "UPDATE stock SET here = here - 1 WHERE item = $1 % 3";
static const char refuse[] = "UPDATE sale SET state = 'sold out' WHERE customer = $1";
static const char list[] = "SELECT state FROM sale UNION ALL "
                           "SELECT left(md5(n::text), 8) FROM generate_series(1, 20000) n";

struct answers {
    uint64_t sold, sold_out, rows, checksum;
};

static void add_row(struct answers *a, const char *text)
{
    a->sold += strcmp(text, "sold") == 0;
    a->sold_out += strcmp(text, "sold out") == 0;
    a->rows++;
    a->checksum += strtoul(text, NULL, 16);
}

/* ---- On the loop ----------------------------------------------------------------------------- */

static pg_pool *pool;

static int take_from_stock(pg *c, const char *customer)
{
    int err = pg_begin(c);
    return err ? err : pg_end(c, pg_query(c, NULL, take, customer));
}

static int sell(pg *c, const char *customer)
{
    int err = pg_begin(c);
    if (err)
        return err;
    err = pg_query(c, NULL, enter, customer);
    if (!err && (err = take_from_stock(c, customer)) == UV_EPROTO)
        err = pg_query(c, NULL, refuse, customer);
    return pg_end(c, err);
}

/* A task a customer; most of them wait for a connection. */
static int serve(void *number)
{
    pg *c;
    char customer[16];
    snprintf(customer, sizeof customer, "%d", (int)(intptr_t)number);
    int err = pg_acquire(pool, &c, yk_after_ms(60000));
    if (err)
        return err;
    err = sell(c, customer);
    pg_release(c);
    return err;
}

/* A generator: the statement's rows, no faster than they are read. */
struct cursor {
    pg *c;
    const char *sql;
};

static int give_rows(void *arg)
{
    const struct cursor *cursor = arg;
    PGresult *row;
    int err = pg_stream(cursor->c, cursor->sql);
    while (!err && !(err = pg_next(cursor->c, &row)))
        if ((err = yk_generate(&row)))
            PQclear(row);
    return err == YK_END ? 0 : err;
}

/* A row that was given as its reader was cancelled is still there. */
static void close_rows(yk_generator *rows)
{
    PGresult *row;
    while (yk_generator_next(rows, &row, 0) == 0)
        PQclear(row);
    yk_generator_free(rows);
}

static int read_answers(pg *c, struct answers *a)
{
    PGresult *row;
    struct cursor cursor = { c, list };
    yk_generator *rows = yk_generator_new(give_rows, &cursor, sizeof row);
    int err;
    while (!(err = yk_generator_next(rows, &row, YK_FOREVER))) {
        add_row(a, PQgetvalue(row, 0, 0));
        PQclear(row);
    }
    close_rows(rows);
    return err == YK_END ? 0 : err;
}

/* ---- On threads ------------------------------------------------------------------------------ */

static int run(PGconn *c, const char *sql, const char *param)
{
    PGresult *r = PQexecParams(c, sql, param != NULL, NULL, &param, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(r);
    PQclear(r);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ? 0 : UV_EPROTO;
}

static int sell_blocking(PGconn *c, const char *customer)
{
    int err = run(c, "BEGIN", NULL);
    if (!err)
        err = run(c, enter, customer);
    if (!err)
        err = run(c, "SAVEPOINT taking", NULL);
    if (!err && run(c, take, customer) != 0) {
        err = run(c, "ROLLBACK TO taking", NULL);
        if (!err)
            err = run(c, refuse, customer);
    }
    return err ? err : run(c, "COMMIT", NULL);
}

/* A job a connection: it serves every fourth customer. */
static int clerk(yk_job *job)
{
    char customer[16];
    PGconn *c = PQconnectdb(ON_THREADS);
    int err = PQstatus(c) == CONNECTION_OK ? 0 : UV_ECONNREFUSED;
    for (int i = *(int *)yk_job_arg(job); !err && i < SALES; i += AT_ONCE) {
        snprintf(customer, sizeof customer, "%d", i);
        err = sell_blocking(c, customer);
    }
    if (err)
        yk_job_fail(job, err, "%s", PQerrorMessage(c));
    PQfinish(c);
    return err;
}

static int read_blocking(yk_job *job)
{
    struct answers a = { 0 };
    PGconn *c = PQconnectdb(ON_THREADS);
    PGresult *r = PQexec(c, list);
    for (int i = 0; i < PQntuples(r); i++)
        add_row(&a, PQgetvalue(r, i, 0));
    PQclear(r);
    PQfinish(c);
    return yk_job_return(job, &a, sizeof a);
}

/* ---- Both ------------------------------------------------------------------------------------ */

static int open_shops(pg *c)
{
    int err = 0;
    for (size_t i = 0; !err && i < sizeof opening / sizeof opening[0]; i++)
        err = pg_query(c, NULL, opening[i]);
    return err;
}

static int sell_all(yk_executor *threads)
{
    yk_scope *s = yk_scope_begin();
    for (int i = 0; i < SALES; i++)
        yk_scope_start(s, serve, (void *)(intptr_t)i);
    for (int i = 0; i < AT_ONCE; i++)
        yk_scope_own(s, yk_submit(threads, clerk, &i, sizeof i));
    return yk_scope_end(s, 0);
}

static int compare(pg *c, yk_executor *threads)
{
    struct answers ours = { 0 }, theirs = { 0 };
    yk_future *f = yk_submit(threads, read_blocking, NULL, 0);
    int err = read_answers(c, &ours);
    if (!err)
        err = yk_await_into(f, &theirs, sizeof theirs);
    yk_future_unref(f);
    const char *format = "%-12s %12" PRIu64 " %12" PRIu64 "\n";
    printf("%-12s %12s %12s\n", "", "on the loop", "on threads");
    printf(format, "sold", ours.sold, theirs.sold);
    printf(format, "sold out", ours.sold_out, theirs.sold_out);
    printf(format, "rows", ours.rows, theirs.rows);
    printf(format, "checksum", ours.checksum, theirs.checksum);
    return err ? err : memcmp(&ours, &theirs, sizeof ours) == 0 ? 0 : YK_EFORMAT;
}

/* Opens, sells, compares, each with a connection of the pool's or with many. */
static int work_twice(void)
{
    pg *c;
    yk_executor *threads = yk_thread_pool(.name = "clerk", .workers = AT_ONCE);
    int err = pg_acquire(pool, &c, yk_after_ms(10000));
    if (!err) {
        err = open_shops(c);
        pg_release(c);
    }
    if (!err)
        err = sell_all(threads);
    if (!err && !(err = pg_acquire(pool, &c, yk_after_ms(10000)))) {
        err = compare(c, threads);
        pg_release(c);
    }
    yk_executor_close(threads);
    return err;
}

/* ---- On the loop only ------------------------------------------------------------------------ */

static int sleep_at_server(void *c)
{
    return pg_query(c, NULL, "SELECT pg_sleep(3600)");
}

static int give_up_and_break(void)
{
    pg *c;
    int err = pg_acquire(pool, &c, yk_after_ms(10000));
    if (err)
        return err;
    err = yk_with_timeout(sleep_at_server, c, yk_after_ms(100));
    printf("a statement of an hour: %s\n", yk_strerror(err));
    err = pg_query(c, NULL, "SELECT 1");
    printf("its connection: %s\n", err ? yk_strerror(err) : "serves on");
    err = pg_query(c, NULL, "SELECT pg_terminate_backend(pg_backend_pid())");
    printf("one that is cut: %s\n", yk_strerror(err));
    pg_release(c);
    err = pg_acquire(pool, &c, yk_after_ms(10000));
    if (err)
        return err;
    err = pg_query(c, NULL, "SELECT 1");
    printf("the next one: %s\n", err ? yk_strerror(err) : "serves");
    pg_release(c);
    return err;
}

/* ---- The rows of one statement --------------------------------------------------------------- */

static int show(const char *sql)
{
    pg *c;
    PGresult *row;
    int err = pg_acquire(pool, &c, yk_after_ms(10000));
    if (err)
        return err;
    struct cursor cursor = { c, sql };
    yk_generator *rows = yk_generator_new(give_rows, &cursor, sizeof row);
    while (!(err = yk_generator_next(rows, &row, YK_FOREVER))) {
        for (int i = 0; i < PQnfields(row); i++)
            printf("%s%s", PQgetvalue(row, 0, i), i + 1 < PQnfields(row) ? "\t" : "\n");
        PQclear(row);
    }
    close_rows(rows);
    pg_release(c);
    return err == YK_END ? 0 : err;
}

/* ---- The program ----------------------------------------------------------------------------- */

static int app(void *sql)
{
    pool = pg_pool_new(ON_LOOP, AT_ONCE);
    if (!pool)
        return UV_ENOMEM;
    int err = sql ? show(sql) : work_twice();
    if (!err && !sql)
        err = give_up_and_break();
    if (err)
        fprintf(stderr, "postgres_pool: %s\n%s", yk_strerror(err), pg_why(pool));
    pg_pool_close(pool);
    return err;
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, app, argc > 1 ? argv[1] : NULL);
}
