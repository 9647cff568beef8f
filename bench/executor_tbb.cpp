/* oneTBB: jobs are enqueued to a task_arena and come back through a concurrent_bounded_queue.
 * Compiled where oneTBB and a C++ compiler are there. */
#include <tbb/concurrent_queue.h>
#include <tbb/global_control.h>
#include <tbb/task_arena.h>

#include <vector>

#include "contender.h"

namespace
{

struct request {
    uint64_t start, in, out;
};

typedef tbb::concurrent_bounded_queue<request *> queue;

void submit(bench_round *r, tbb::task_arena &arena, queue &done, request *q)
{
    q->start = bench_start(r);
    q->in = r->started;
    arena.enqueue([q, &done] {
        q->out = q->in;
        done.push(q);
    });
}

void run_round(bench_round *r, tbb::task_arena &arena, queue &done)
{
    std::vector<request> requests(r->window);
    for (request &q : requests)
        submit(r, arena, done, &q);
    while (r->ended < r->started) {
        request *q;
        done.pop(q);
        if (q->out != q->in)
            bench_give_up("oneTBB", -1);
        if (bench_end(r, q->start))
            submit(r, arena, done, q);
    }
}

} // namespace

extern "C" void bench_tbb(void)
{
    static bench_round round;
    /* One more than its workers: the thread that waits counts, too. */
    tbb::global_control threads(tbb::global_control::max_allowed_parallelism, BENCH_WORKERS + 1);
    tbb::task_arena arena(BENCH_WORKERS, 0);
    queue done;
    while (bench_next(&round)) {
        run_round(&round, arena, done);
        bench_answer(&round);
    }
}
