/* examples/pg.h - PostgreSQL for tasks: libpq's asynchronous interface on yoke's loop, and a pool
 * of connections.
 *
 *   pg_pool *pool = pg_pool_new("dbname=shop", 4);
 *   pg *c;
 *   int err = pg_acquire(pool, &c, yk_after_ms(1000));
 *   if (!err) {
 *       PGresult *r;
 *       err = pg_query(c, &r, "SELECT name FROM item WHERE id = $1", "7");
 *       ...
 *       pg_release(c);
 *   }
 *   pg_pool_close(pool);
 *
 * Every wait here suspends the task. One that is cancelled, or interrupted by a time-out, returns
 * YK_ECANCELED and leaves its statement at the server; whatever the connection is used for next
 * cancels it there first, and so does its release.
 *
 * Errors: UV_EPROTO: the server refuses the statement; UV_ECONNRESET: the connection broke;
 * pg_why() has the words. A broken connection is replaced when it is next acquired.
 */
#ifndef EXAMPLES_PG_H
#define EXAMPLES_PG_H

#include <libpq-fe.h>
#include <stdint.h>

typedef struct pg_pool pg_pool;
typedef struct pg pg;

/* Connections are made when they are needed, `size` at most. NULL: out of memory. For the tasks of
 * one loop. */
pg_pool *pg_pool_new(const char *conninfo, int size);

/* Waits until every connection was released. */
void pg_pool_close(pg_pool *pool);

/* What the last error was about; one line or more, as libpq words it. */
const char *pg_why(const pg_pool *pool);

/* A connection for the task alone; waits while all are in use. */
int pg_acquire(pg_pool *pool, pg **c, uint64_t deadline);

/* Does not wait. What the connection was in the middle of, a statement or a transaction, is
 * undone before anybody else gets it. */
void pg_release(pg *c);

/* pg_query(c, &result, "SQL with $1, $2", "a", "b"). *result is the caller's, for PQclear(); it may
 * be NULL. */
int pg_query_args(pg *c, PGresult **result, const char *const *statement);
#define pg_query(c, result, ...) \
    pg_query_args((c), (result), (const char *const[]){ __VA_ARGS__, NULL })

/* The same, row by row: pg_next() waits for one and gives a result of one row, to be cleared;
 * YK_END: that was all. Who stops half-way just does not ask for more. */
int pg_stream_args(pg *c, const char *const *statement);
#define pg_stream(c, ...) pg_stream_args((c), (const char *const[]){ __VA_ARGS__, NULL })
int pg_next(pg *c, PGresult **row);

/* A transaction; within one, a nested one, which is a savepoint. pg_end() commits where `err` is 0,
 * and undoes otherwise; it returns `err`, or what became of the commit. */
int pg_begin(pg *c);
int pg_end(pg *c, int err);

#endif
