/* bench/loop.c - what the loop itself costs: a switch of coroutines, a task's whole life, a switch
 * of tasks through the loop, a queue, a timer, an echo over TCP, beside ucontext, libuv's callbacks
 * and asyncio in the same run; and how late the loop is while all CPUs compute.
 *
 *   loop [ROUNDS]      each measure is taken ROUNDS times (5), one after the other; the best counts
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "executor/clock.h"
#include "executor/init.h"
#include "loop.h"
#include "loop/coro.h"
#include "loop/loop.h"
#include "loop/queue.h"
#include "loop/stack.h"

/* ---- Coroutines without a loop --------------------------------------------------------------- */

#define SWITCHES 1000000
#define LIVES    200000

static yk__coro host, coro;

static void bounce(void *arg)
{
    (void)arg;
    for (;;)
        yk__coro_switch(&coro, &host);
}

static double switch_yoke(void)
{
    yk__stack_pool pool;
    yk__stack_pool_init(&pool, YK__GUARD_INSTALLED);
    yk__stack *stack = yk__stack_take(&pool, 0);
    yk__coro_make(&coro, stack->low, stack->size, bounce, NULL);
    uint64_t start = yk_now();
    for (int i = 0; i < SWITCHES; i++)
        yk__coro_switch(&host, &coro);
    double ns = (double)(yk_now() - start) / (2 * SWITCHES);
    yk__coro_destroy(&coro);
    yk__stack_give(&pool, stack);
    yk__stack_pool_destroy(&pool);
    return ns;
}

static void end_at_once(void *arg)
{
    (void)arg;
    yk__coro_exit(&coro, &host);
}

static double life_yoke(void)
{
    yk__stack_pool pool;
    yk__stack_pool_init(&pool, YK__GUARD_INSTALLED);
    uint64_t start = yk_now();
    for (int i = 0; i < LIVES; i++) {
        yk__stack *stack = yk__stack_take(&pool, 0);
        yk__coro_make(&coro, stack->low, stack->size, end_at_once, NULL);
        yk__coro_switch(&host, &coro);
        yk__coro_destroy(&coro);
        yk__stack_give(&pool, stack);
    }
    double ns = (double)(yk_now() - start) / LIVES;
    yk__stack_pool_destroy(&pool);
    return ns;
}

/* ---- The same with ucontext ------------------------------------------------------------------ */

static ucontext_t u_host, u_coro;
static char u_stack[256 << 10];

static void u_bounce(void)
{
    for (;;)
        swapcontext(&u_coro, &u_host);
}

static void u_end_at_once(void)
{
}

static void u_make(void (*fn)(void))
{
    getcontext(&u_coro);
    u_coro.uc_stack.ss_sp = u_stack;
    u_coro.uc_stack.ss_size = sizeof u_stack;
    u_coro.uc_link = &u_host;
    makecontext(&u_coro, fn, 0);
}

static double switch_ucontext(void)
{
    u_make(u_bounce);
    uint64_t start = yk_now();
    for (int i = 0; i < SWITCHES / 10; i++)
        swapcontext(&u_host, &u_coro);
    return (double)(yk_now() - start) / (2 * (SWITCHES / 10));
}

static double life_ucontext(void)
{
    uint64_t start = yk_now();
    for (int i = 0; i < LIVES / 10; i++) {
        u_make(u_end_at_once);
        swapcontext(&u_host, &u_coro);
    }
    return (double)(yk_now() - start) / (LIVES / 10);
}

/* ---- Tasks ----------------------------------------------------------------------------------- */

static double on_a_loop(yk_task_fn fn, void *arg)
{
    yk_loop *loop = yk_loop_new();
    if (!loop)
        return 0;
    double ns = 0;
    void *both[] = { arg, &ns };
    yk_future *task = yk_task_start(fn, both);
    yk_loop_run_until(loop, task);
    yk_future_unref(task);
    yk_loop_close(loop);
    return ns;
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* Starts so many at once, awaits each. */
static int live(void *arg)
{
    int at_once = *(int *)((void **)arg)[0];
    double *ns = ((void **)arg)[1];
    yk_future **tasks = calloc((size_t)at_once, sizeof(yk_future *));
    int rounds = LIVES / at_once;
    uint64_t start = yk_now();
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < at_once; i++)
            tasks[i] = yk_task_start(nothing, NULL);
        for (int i = 0; i < at_once; i++) {
            yk_await(tasks[i]);
            yk_future_unref(tasks[i]);
        }
    }
    *ns = (double)(yk_now() - start) / (rounds * at_once);
    free(tasks);
    return 0;
}

static double life_task(int at_once)
{
    return on_a_loop(live, &at_once);
}

static int yield_often(void *arg)
{
    for (int i = *(int *)arg; i > 0; i--)
        yk_yield();
    return 0;
}

static int take_turns(void *arg)
{
    int n = *(int *)((void **)arg)[0], times = SWITCHES / n;
    double *ns = ((void **)arg)[1];
    yk_future **tasks = calloc((size_t)n, sizeof(yk_future *));
    for (int i = 0; i < n; i++)
        tasks[i] = yk_task_start(yield_often, &times);
    yk_yield();
    uint64_t start = yk_now();
    yk_await_all(tasks, (size_t)n, YK_FOREVER);
    *ns = (double)(yk_now() - start) / ((double)n * times);
    for (int i = 0; i < n; i++)
        yk_future_unref(tasks[i]);
    free(tasks);
    return 0;
}

static double switch_tasks(int n)
{
    return on_a_loop(take_turns, &n);
}

/* Two tasks, of which each ends the promise that the other one awaits. */
#define BALLS (SWITCHES / 4)

struct player {
    yk_future **ball;
    int first;
};

static int play(void *arg)
{
    struct player *p = arg;
    for (int i = p->first; i < BALLS; i += 2) {
        yk_await(p->ball[i]);
        yk_future_set_result(p->ball[i + 1], NULL, 0);
    }
    return 0;
}

static int match(void *arg)
{
    yk_future **ball = ((void **)arg)[0];
    double *ns = ((void **)arg)[1];
    struct player p[2] = { { ball, 0 }, { ball, 1 } };
    yk_future *tasks[2] = { yk_task_start(play, &p[0]), yk_task_start(play, &p[1]) };
    yk_yield();
    uint64_t start = yk_now();
    yk_future_set_result(ball[0], NULL, 0);
    yk_await_all(tasks, 2, YK_FOREVER);
    *ns = (double)(yk_now() - start) / BALLS;
    yk_future_unref(tasks[0]);
    yk_future_unref(tasks[1]);
    return 0;
}

static double hand_off(void)
{
    yk_future **ball = calloc(BALLS + 2, sizeof(yk_future *));
    for (int i = 0; i < BALLS + 2; i++)
        ball[i] = yk_future_new();
    double ns = on_a_loop(match, ball);
    for (int i = 0; i < BALLS + 2; i++)
        yk_future_unref(ball[i]);
    free(ball);
    return ns;
}

/* One task puts, another gets, and there is room for one item. */
static int get_all(void *queue)
{
    int item;
    while (yk_queue_get(queue, &item, YK_FOREVER) == 0)
        ;
    return 0;
}

static int put_all(void *arg)
{
    double *ns = ((void **)arg)[1];
    yk_queue *q = yk_queue_new(.item_size = sizeof(int), .capacity = 1);
    yk_future *getter = yk_task_start(get_all, q);
    uint64_t start = yk_now();
    for (int i = 0; i < BALLS; i++)
        yk_queue_put(q, &i, YK_FOREVER);
    yk_queue_shutdown(q, false);
    yk_await(getter);
    *ns = (double)(yk_now() - start) / BALLS;
    yk_future_unref(getter);
    yk_queue_free(q);
    return 0;
}

static double queue_items(void)
{
    return on_a_loop(put_all, NULL);
}

/* ---- asyncio --------------------------------------------------------------------------------- */

static const char asyncio_program[] =
    "import asyncio, time\n"
    "async def turn(k):\n"
    "    for _ in range(k): await asyncio.sleep(0)\n"
    "async def nothing(): pass\n"
    "async def play(ball, first, n):\n"
    "    for i in range(first, n, 2):\n"
    "        await ball[i]; ball[i + 1].set_result(None)\n"
    "async def main():\n"
    "    out = []\n"
    "    for n in 2, 1000:\n"
    "        k = 100000 // n; t = time.perf_counter_ns()\n"
    "        await asyncio.gather(*[turn(k) for _ in range(n)])\n"
    "        out.append((time.perf_counter_ns() - t) / (n * k))\n"
    "    t = time.perf_counter_ns()\n"
    "    for _ in range(20): await asyncio.gather(*[nothing() for _ in range(1000)])\n"
    "    out.append((time.perf_counter_ns() - t) / 20000)\n"
    "    n = 20000; ball = [asyncio.get_running_loop().create_future() for _ in range(n + 2)]\n"
    "    t = time.perf_counter_ns(); ball[0].set_result(None)\n"
    "    await asyncio.gather(play(ball, 0, n), play(ball, 1, n))\n"
    "    out.append((time.perf_counter_ns() - t) / n)\n"
    "    q = asyncio.Queue(1); n = 20000\n"
    "    async def get():\n"
    "        for _ in range(n): await q.get()\n"
    "    g = asyncio.create_task(get()); t = time.perf_counter_ns()\n"
    "    for i in range(n): await q.put(i)\n"
    "    await g; out.append((time.perf_counter_ns() - t) / n)\n"
    "    loop = asyncio.get_running_loop()\n"
    "    others = [loop.call_later(30 + i / 1000, print) for i in range(1000)]\n"
    "    t = time.perf_counter_ns()\n"
    "    for _ in range(n): loop.call_later(60, print).cancel()\n"
    "    out.append((time.perf_counter_ns() - t) / n)\n"
    "    for o in others: o.cancel()\n"
    "    print(*out)\n"
    "asyncio.run(main())\n";

/* Nanoseconds: a switch of 2 tasks, of 1000, a task's life, a hand-off, an item of a queue, a
 * timer. False: no python3. */
static bool measure_asyncio(double ns[6])
{
    char command[sizeof asyncio_program + 64];
    snprintf(command, sizeof command, "python3 - 2>/dev/null <<'END'\n%sEND\n", asyncio_program);
    FILE *f = popen(command, "r");
    if (!f)
        return false;
    int got = fscanf(f, "%lf %lf %lf %lf %lf %lf", &ns[0], &ns[1], &ns[2], &ns[3], &ns[4], &ns[5]);
    return pclose(f) == 0 && got == 6;
}

/* ---- The table ------------------------------------------------------------------------------- */

enum {
    SWITCH,
    SWITCH_UCONTEXT,
    LIFE,
    LIFE_UCONTEXT,
    TASK_ALONE,
    TASK_OF_1000,
    TURN_1,
    TURN_2,
    TURN_1000,
    HAND_OFF,
    QUEUE,
    TIMER,
    TIMER_UV,
    MEASURES
};

static double take(int which)
{
    switch (which) {
    case SWITCH:
        return switch_yoke();
    case SWITCH_UCONTEXT:
        return switch_ucontext();
    case LIFE:
        return life_yoke();
    case LIFE_UCONTEXT:
        return life_ucontext();
    case TASK_ALONE:
        return life_task(1);
    case TASK_OF_1000:
        return life_task(1000);
    case TURN_1:
        return switch_tasks(1);
    case TURN_2:
        return switch_tasks(2);
    case TURN_1000:
        return switch_tasks(1000);
    case HAND_OFF:
        return hand_off();
    case QUEUE:
        return queue_items();
    case TIMER:
        return bench_timer_yoke();
    default:
        return bench_timer_uv();
    }
}

static void row(const char *what, double ns, const char *peer, double peer_ns)
{
    printf("%-46s %8.1f ns", what, ns);
    if (peer)
        printf("   %-9s %9.1f ns   %7.1f x", peer, peer_ns, peer_ns / ns);
    putchar('\n');
}

/* The best of some rounds, in turns. */
static void echo_rows(int rounds, bool python)
{
    double best[BENCH_ASYNCIO + 1] = { 0 };
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i <= (python ? BENCH_ASYNCIO : BENCH_UV); i++) {
            double rate = bench_echo((bench_server)i);
            best[i] = rate > best[i] ? rate : best[i];
        }
    printf("%-46s %8.1f k/s", "echo: 64 bytes, 16 connections", best[BENCH_YOKE] / 1e3);
    printf("  %-9s %9.1f k/s  %7.1f x\n", "libuv", best[BENCH_UV] / 1e3,
           best[BENCH_YOKE] / best[BENCH_UV]);
    if (python)
        printf("%69s %9.1f k/s  %7.1f x\n", "asyncio", best[BENCH_ASYNCIO] / 1e3,
               best[BENCH_YOKE] / best[BENCH_ASYNCIO]);
}

static void lag_row(void)
{
    bench_lag lag;
    if (bench_measure_lag(&lag))
        printf("%-46s p50 %.0f us, p99 %.0f us, max %.0f us\n",
               "lag of a 1 ms sleep while all CPUs compute", lag.p50, lag.p99, lag.max);
}

int main(int argc, char **argv)
{
    yk_init();
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    double best[MEASURES], asyncio[6];
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < MEASURES; i++) {
            double ns = take(i);
            if (round == 0 || ns < best[i])
                best[i] = ns;
        }
    bool python = measure_asyncio(asyncio);
    const char *peer = python ? "asyncio" : NULL;
    row("coroutine: a switch, one way", best[SWITCH], "ucontext", best[SWITCH_UCONTEXT]);
    row("coroutine: make, run, end, on a warm stack", best[LIFE], "ucontext", best[LIFE_UCONTEXT]);
    row("task: start, run, end, await; one at a time", best[TASK_ALONE], NULL, 0);
    row("task: the same, 1000 at a time", best[TASK_OF_1000], peer, asyncio[2]);
    row("task: a turn through the loop, alone", best[TURN_1], NULL, 0);
    row("task: a turn through the loop, of 2", best[TURN_2], peer, asyncio[0]);
    row("task: a turn through the loop, of 1000", best[TURN_1000], peer, asyncio[1]);
    row("task: a future handed from one to another", best[HAND_OFF], peer, asyncio[3]);
    row("queue: an item from one task to another", best[QUEUE], peer, asyncio[4]);
    row("timer: set and cancelled, among 1000", best[TIMER], "libuv", best[TIMER_UV]);
    if (python)
        row("", best[TIMER], peer, asyncio[5]);
    echo_rows(rounds, python);
    lag_row();
    return 0;
}
