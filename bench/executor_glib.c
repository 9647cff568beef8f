/* GLib: jobs go to a GThreadPool, and come back through a GAsyncQueue to the thread that waits
 * there (a GMainContext in between would only be slower). Compiled where GLib is there. */
#include <glib.h>

#include "contender.h"

struct request {
    uint64_t start;
    uint64_t in, out;
};

static void echo(gpointer data, gpointer done)
{
    struct request *q = data;
    q->out = q->in;
    g_async_queue_push(done, q);
}

static void submit(bench_round *r, GThreadPool *pool, struct request *q)
{
    q->start = bench_start(r);
    q->in = r->started;
    g_thread_pool_push(pool, q, NULL);
}

static void run_round(bench_round *r, GThreadPool *pool, GAsyncQueue *done)
{
    struct request *requests = g_new0(struct request, r->window);
    for (unsigned i = 0; i < r->window; i++)
        submit(r, pool, &requests[i]);
    while (r->ended < r->started) {
        struct request *q = g_async_queue_pop(done);
        if (q->out != q->in)
            bench_give_up("GThreadPool", -1);
        if (bench_end(r, q->start))
            submit(r, pool, q);
    }
    g_free(requests);
}

void bench_glib(void)
{
    static bench_round round;
    GAsyncQueue *done = g_async_queue_new();
    GThreadPool *pool = g_thread_pool_new(echo, done, BENCH_WORKERS, TRUE, NULL);
    while (bench_next(&round)) {
        run_round(&round, pool, done);
        bench_answer(&round);
    }
    g_thread_pool_free(pool, FALSE, TRUE);
    g_async_queue_unref(done);
}
