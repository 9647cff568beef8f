/* libuv's own pool: uv_queue_work, each completion submits the next. */
#include <stdlib.h>
#include <uv.h>

#include "contender.h"

struct request {
    uv_work_t work;
    bench_round *round;
    uint64_t start;
    uint64_t in, out;
};

static void submit(struct request *q);

static bool computing;

static void echo(uv_work_t *work)
{
    struct request *q = (struct request *)work;
    if (computing)
        bench_compute();
    q->out = q->in;
}

static void came_back(uv_work_t *work, int status)
{
    struct request *q = (struct request *)work;
    if (status || q->out != q->in)
        bench_give_up("uv_queue_work", status);
    if (bench_end(q->round, q->start))
        submit(q);
}

static void submit(struct request *q)
{
    q->start = bench_start(q->round);
    q->in = q->round->started;
    int err = uv_queue_work(uv_default_loop(), &q->work, echo, came_back);
    if (err)
        bench_give_up("uv_queue_work", err);
}

void bench_uv_queue_work(void)
{
    static bench_round round;
    setenv("UV_THREADPOOL_SIZE", "2", 1);
    while (bench_next(&round)) {
        struct request *requests = calloc(round.window, sizeof *requests);
        if (!requests)
            bench_give_up("uv_queue_work", UV_ENOMEM);
        for (unsigned i = 0; i < round.window; i++) {
            requests[i].round = &round;
            submit(&requests[i]);
        }
        uv_run(uv_default_loop(), UV_RUN_DEFAULT);
        bench_answer(&round);
        free(requests);
    }
}

void bench_uv_compute(void)
{
    computing = true;
    bench_uv_queue_work();
}
