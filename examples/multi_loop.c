/* Several loops, each in a process of its own, each with many queries at once; the parent gathers
 * what they found. One loop has one core. Where the work beside the waiting is too much for one,
 * more loops have more.
 *
 *   multi_loop [QUERIES [PROCESSES]]         1000 for each of 2 unless given
 *
 * PGHOST, PGUSER and their like say where PostgreSQL is. A shop has 1000 items, whose prices are
 * asked for one by one. A job on a process pool is plain C: here it makes a loop, has its tasks ask
 * until all is asked, and returns the sums. If its process dies, the others go on.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include <yoke/yoke.h>

#include "pg.h"

enum { ITEMS = 1000, CONNECTIONS = 4, MOST_PROCESSES = 64 };

/* ---- One loop, in a process of its own ------------------------------------------------------- */

/* The job's argument. */
struct share {
    int first, end; /* its queries, by number */
};

/* Its result. */
struct found {
    int process, queries, most_at_once;
    int64_t sum;
};

/* The loop's tasks take turns, so nothing here needs a lock. */
struct asking {
    yk_job *job;
    pg_pool *pool;
    int next, end, now;
    struct found found;
};

static int ask(pg *c, int query, int64_t *price)
{
    char item[16];
    PGresult *r;
    snprintf(item, sizeof item, "%d", query % ITEMS);
    int err = pg_query(c, &r, "SELECT price FROM item WHERE id = $1", item);
    if (err)
        return err;
    *price = PQntuples(r) == 1 ? strtoll(PQgetvalue(r, 0, 0), NULL, 10) : 0;
    PQclear(r);
    return 0;
}

/* One of those that ask at the same time, each with a connection. */
static int asker(void *arg)
{
    struct asking *a = arg;
    pg *c;
    int err = pg_acquire(a->pool, &c, yk_after_ms(10000));
    if (err)
        return err;
    while (!err && a->next < a->end) {
        int64_t price = 0;
        if (++a->now > a->found.most_at_once)
            a->found.most_at_once = a->now;
        err = ask(c, a->next++, &price);
        a->now--;
        a->found.queries += err == 0;
        a->found.sum += price;
    }
    pg_release(c);
    return err;
}

static int ask_with_connections(struct asking *a)
{
    yk_task_fn askers[CONNECTIONS];
    void *args[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        askers[i] = asker;
        args[i] = a;
    }
    return yk_gather(askers, args, CONNECTIONS);
}

/* The loop's main task. */
static int ask_all(void *arg)
{
    struct asking *a = arg;
    a->pool = pg_pool_new("", CONNECTIONS);
    if (!a->pool)
        return UV_ENOMEM;
    int err = ask_with_connections(a);
    if (err)
        yk_job_fail(a->job, err, "%s", pg_why(a->pool));
    pg_pool_close(a->pool);
    return err;
}

static int run_loop(yk_job *job)
{
    const struct share *share = yk_job_arg(job);
    struct asking a = { .job = job, .next = share->first, .end = share->end };
    a.found.process = getpid();
    yk_loop *loop = yk_loop_new();
    if (!loop)
        return UV_ENOMEM;
    yk_future *all = yk_task_start(ask_all, &a);
    int err = yk_loop_run_until(loop, all);
    yk_future_unref(all);
    yk_loop_close(loop);
    return err ? err : yk_job_return(job, &a.found, sizeof a.found);
}

/* ---- The parent ------------------------------------------------------------------------------ */

static int open_shop(void)
{
    static const char *const sql[] = {
        "DROP TABLE IF EXISTS item",
        "CREATE TABLE item (id int PRIMARY KEY, price int)",
        "INSERT INTO item SELECT n, 3 * n + 1 FROM generate_series(0, 999) n",
    };
    pg *c;
    pg_pool *pool = pg_pool_new("", 1);
    int err = pool ? pg_acquire(pool, &c, yk_after_ms(10000)) : UV_ENOMEM;
    if (!err) {
        for (size_t i = 0; i < sizeof sql / sizeof sql[0] && !err; i++)
            err = pg_query(c, NULL, sql[i]);
        pg_release(c);
    }
    if (err && pool)
        fprintf(stderr, "multi_loop: %s", pg_why(pool));
    if (pool)
        pg_pool_close(pool);
    return err;
}

/* One process's part, as it was found; 0 or its error. */
static int gather(yk_future *f, struct found *sum)
{
    struct found found;
    int err = yk_await_into(f, &found, sizeof found);
    if (err) {
        fprintf(stderr, "multi_loop: %s\n", yk_future_error(f)->message);
        return err;
    }
    printf("process %d: %d queries, %d at once\n", found.process, found.queries,
           found.most_at_once);
    sum->queries += found.queries;
    sum->sum += found.sum;
    return 0;
}

static int ask_in_processes(int queries, int processes)
{
    yk_executor *pool = yk_process_pool(.name = "loops", .workers = processes);
    yk_future *f[MOST_PROCESSES];
    struct found sum = { 0 };
    int failed = 0;
    uint64_t began = yk_now();
    for (int i = 0; i < processes; i++) {
        struct share share = { i * queries, (i + 1) * queries };
        f[i] = yk_submit_with(pool, run_loop, &share, sizeof share, .name = "loop");
    }
    for (int i = 0; i < processes; i++) {
        int err = gather(f[i], &sum);
        failed = failed ? failed : err;
        yk_future_unref(f[i]);
    }
    double seconds = (double)(yk_now() - began) / 1e9;
    printf("%d queries, %.0f a second; the prices add up to %" PRId64 "\n", sum.queries,
           sum.queries / seconds, sum.sum);
    yk_executor_close(pool);
    return failed;
}

static int app(void *unused)
{
    (void)unused;
    char **argv;
    int argc = yk_args(&argv);
    int queries = argc > 1 ? atoi(argv[1]) : 1000, processes = argc > 2 ? atoi(argv[2]) : 2;
    if (queries < 1 || queries > 100000000 / MOST_PROCESSES || processes < 1 ||
        processes > MOST_PROCESSES) {
        fprintf(stderr, "usage: multi_loop [QUERIES [PROCESSES]]\n");
        return 2;
    }
    int err = open_shop();
    return err ? err : ask_in_processes(queries, processes);
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, app, NULL);
}
