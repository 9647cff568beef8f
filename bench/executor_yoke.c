/* yoke's pools, driven from a loop in the ways in which a program would drive them.
 *
 *   tasks      a window of W is W tasks, each of which submits a job, awaits it, and begins again
 *   window     one task submits W jobs ahead, then awaits the oldest and submits the next
 *   map        one yk_map over as many inputs as there is time for, 16 jobs in flight, each of W/16
 *              inputs; not with a window below that
 *   callbacks  each job's callback submits the next, as with uv_queue_work (processes only: on
 *              threads a callback runs on the pool's thread and would never come to the loop)
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "contender.h"
#include "executor/arena.h"
#include "executor/executor.h"
#include "executor/map.h"
#include "loop/loop.h"

typedef struct setup {
    yk_executor *(*make)(void);
    void (*round)(bench_round *r, yk_executor *ex);
} setup;

static bench_round current;

static yk_executor *threads(void)
{
    return yk_thread_pool(.workers = BENCH_WORKERS);
}

static yk_executor *spinning_threads(void)
{
    return yk_thread_pool(.workers = BENCH_WORKERS, .spin_us = 20);
}

static yk_executor *processes(void)
{
    return yk_process_pool(.workers = BENCH_WORKERS);
}

static yk_executor *spinning_processes(void)
{
    return yk_process_pool(.workers = BENCH_WORKERS, .spin_us = 20);
}

static yk_executor *one_process(void)
{
    return yk_process_pool(.workers = 1);
}

/* The main task of a contender: the pool is made in it, so the loop drives it. */
static int serve_in_task(void *arg)
{
    const setup *s = arg;
    yk_executor *ex = s->make();
    const yk_error *error = yk_executor_error(ex);
    if (error)
        bench_give_up(error->message, error->code);
    while (bench_next(&current)) {
        s->round(&current, ex);
        bench_answer(&current);
    }
    return yk_executor_close(ex);
}

static void serve(yk_executor *(*make)(void), void (*round)(bench_round *, yk_executor *))
{
    setup s = { make, round };
    int status = yk_main(0, NULL, serve_in_task, &s);
    if (status)
        bench_give_up("yk_main", UV_EIO);
}

/* ---- A job ----------------------------------------------------------------------------------- */

static int echo(yk_job *job)
{
    return yk_job_return(job, yk_job_arg(job), yk_job_arg_len(job));
}

static int compute(yk_job *job)
{
    bench_compute();
    return echo(job);
}

static yk_job_fn job_of_all = echo;

/* What all jobs of a round are submitted with; a pool copies it. */
static const void *payload(size_t bytes)
{
    static void *buffer;
    static size_t size;
    if (bytes > size) {
        free(buffer);
        buffer = calloc(1, bytes);
        size = bytes;
        if (!buffer)
            bench_give_up("payload", UV_ENOMEM);
    }
    return buffer;
}

static yk_future *submit(bench_round *r, yk_executor *ex)
{
    return yk_submit(ex, job_of_all, payload(r->bytes), r->bytes);
}

/* Looks at the result and gives the future back. */
static void finish(const bench_round *r, yk_future *f, int err)
{
    size_t len;
    yk_future_result(f, &len);
    if (err || len != r->bytes)
        bench_give_up("a job failed", err);
    yk_future_unref(f);
}

/* ---- Tasks ----------------------------------------------------------------------------------- */

static int submit_and_await(void *arg)
{
    yk_executor *ex = arg;
    uint64_t start;
    do {
        start = bench_start(&current);
        yk_future *f = submit(&current, ex);
        finish(&current, f, yk_await(f));
    } while (bench_end(&current, start));
    return 0;
}

static void round_of_tasks(bench_round *r, yk_executor *ex)
{
    if (r->window == 1) {
        submit_and_await(ex);
        return;
    }
    yk_future **tasks = calloc(r->window, sizeof(yk_future *));
    if (!tasks)
        bench_give_up("tasks", UV_ENOMEM);
    for (unsigned i = 0; i < r->window; i++)
        tasks[i] = yk_task_start(submit_and_await, ex);
    int err = yk_await_all(tasks, r->window, YK_FOREVER);
    if (err)
        bench_give_up("a task failed", err);
    for (unsigned i = 0; i < r->window; i++)
        yk_future_unref(tasks[i]);
    free(tasks);
}

/* ---- A window in one task -------------------------------------------------------------------- */

struct flight {
    yk_future *future;
    uint64_t start;
};

static void take_off(bench_round *r, yk_executor *ex, struct flight *flight)
{
    flight->start = bench_start(r);
    flight->future = submit(r, ex);
}

static void round_of_window(bench_round *r, yk_executor *ex)
{
    struct flight *flights = calloc(r->window, sizeof *flights);
    if (!flights)
        bench_give_up("window", UV_ENOMEM);
    for (unsigned i = 0; i < r->window; i++)
        take_off(r, ex, &flights[i]);
    for (unsigned i = 0; flights[i].future; i = (i + 1) % r->window) {
        struct flight *f = &flights[i];
        int err = yk_await(f->future);
        finish(r, f->future, err);
        f->future = NULL;
        if (bench_end(r, f->start))
            take_off(r, ex, f);
    }
    free(flights);
}

/* ---- A map in chunks ------------------------------------------------------------------------- */

#define MAP_JOBS 16

/* When the inputs on their way were handed out; the map's results come in the same order. */
struct mapped {
    bench_round *round;
    uint64_t *starts; /* [window] */
};

static int next_input(void *arg, const void **input, size_t *len)
{
    struct mapped *m = arg;
    bench_round *r = m->round;
    if (r->over)
        return YK_END;
    uint64_t *start = &m->starts[r->started % r->window];
    *start = bench_start(r);
    *input = payload(r->bytes);
    *len = r->bytes;
    return 0;
}

static void round_of_map(bench_round *r, yk_executor *ex)
{
    struct mapped m = { r, calloc(r->window, sizeof(uint64_t)) };
    if (!m.starts)
        bench_give_up("map", UV_ENOMEM);
    yk_map *map = yk_map_from_with(ex, echo, next_input, &m, .window = r->window,
                                   .chunk = (int)r->window / MAP_JOBS);
    if (!map)
        bench_give_up("yk_map_from", UV_ENOMEM);
    uint64_t out;
    int err;
    while ((err = yk_map_next(map, &out, sizeof out)) == 0)
        bench_end(r, m.starts[r->ended % r->window]);
    if (err != YK_END || r->ended != r->started)
        bench_give_up("a map's job failed", err);
    yk_map_free(map);
    free(m.starts);
}

/* ---- Callbacks ------------------------------------------------------------------------------- */

struct chain {
    yk_executor *ex;
    uint64_t start;
    yk_future *all_ended;
    unsigned *left;
};

static void link_next(struct chain *c);

static int came_back(yk_future *f, void *arg)
{
    struct chain *c = arg;
    const yk_error *error = yk_future_error(f);
    finish(&current, f, error ? error->code : 0);
    if (bench_end(&current, c->start))
        link_next(c);
    else if (--*c->left == 0)
        yk_future_set_result(c->all_ended, NULL, 0);
    return 0;
}

static void link_next(struct chain *c)
{
    c->start = bench_start(&current);
    int err = yk_future_on_end(submit(&current, c->ex), came_back, c);
    if (err)
        bench_give_up("yk_future_on_end", err);
}

static void round_of_callbacks(bench_round *r, yk_executor *ex)
{
    unsigned left = r->window;
    struct chain *chains = calloc(r->window, sizeof *chains);
    yk_future *all_ended = yk_future_new();
    if (!chains || !all_ended)
        bench_give_up("callbacks", UV_ENOMEM);
    for (unsigned i = 0; i < r->window; i++) {
        chains[i] = (struct chain){ .ex = ex, .all_ended = all_ended, .left = &left };
        link_next(&chains[i]);
    }
    yk_await(all_ended);
    yk_future_unref(all_ended);
    free(chains);
}

/* ---- A block of the arena, by its address ---------------------------------------------------- */

struct block {
    unsigned char *at;
    size_t bytes;
};

static int write_in_place(yk_job *job)
{
    struct block *b = yk_job_arg(job);
    b->at[0]++;
    b->at[b->bytes - 1]++;
    return 0;
}

static void *arena_blocks[64];

static void round_of_blocks(bench_round *r, yk_executor *ex)
{
    struct flight flights[64] = { 0 };
    for (unsigned i = 0; i < 64 && !arena_blocks[i]; i++)
        arena_blocks[i] = yk_arena_alloc(r->bytes);
    unsigned window = r->window < 64 ? r->window : 64;
    bool more = true;
    for (unsigned i = 0; more || flights[i].future; i = (i + 1) % window) {
        struct flight *f = &flights[i];
        if (f->future) {
            int err = yk_await(f->future);
            if (err)
                bench_give_up("a job failed", err);
            yk_future_unref(f->future);
            f->future = NULL;
            more = bench_end(r, f->start);
        }
        if (!more)
            continue;
        struct block b = { arena_blocks[i], r->bytes };
        f->start = bench_start(r);
        f->future = yk_submit(ex, write_in_place, &b, sizeof b);
    }
}

/* ---- A worker that dies and is replaced ------------------------------------------------------ */

static int die(yk_job *job)
{
    (void)job;
    return raise(SIGKILL);
}

static void round_of_deaths(bench_round *r, yk_executor *ex)
{
    uint64_t start;
    do {
        start = bench_start(r);
        yk_future *killed = yk_submit(ex, die, NULL, 0);
        int err = yk_await(killed);
        if (err != YK_ECRASHED)
            bench_give_up("a job that kills its worker", err);
        yk_future_unref(killed);
        yk_future *f = submit(r, ex);
        finish(r, f, yk_await(f));
    } while (bench_end(r, start));
}

static void round_of_deaths_in_large(bench_round *r, yk_executor *ex)
{
    bench_grow(); /* in the round that warms up */
    round_of_deaths(r, ex);
}

/* ---- What an idle worker weighs -------------------------------------------------------------- */

#define IDLE_WORKERS 8

static yk_executor *idle_processes(void)
{
    return yk_process_pool(.workers = IDLE_WORKERS);
}

/* Waits for the others, so that each worker gets one. */
static int say_pid(yk_job *job)
{
    pid_t pid = getpid();
    usleep(20000);
    return yk_job_return(job, &pid, sizeof pid);
}

static uint64_t proportional_memory(pid_t pid)
{
    char path[40], line[200];
    unsigned long long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "Pss: %llu", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib * 1024;
}

static void round_of_memory(bench_round *r, yk_executor *ex)
{
    yk_future *f[IDLE_WORKERS];
    pid_t pids[IDLE_WORKERS];
    for (int i = 0; i < IDLE_WORKERS; i++)
        f[i] = yk_submit(ex, say_pid, NULL, 0);
    for (int i = 0; i < IDLE_WORKERS; i++) {
        int err = yk_await_into(f[i], &pids[i], sizeof pids[i]);
        if (err)
            bench_give_up("a job failed", err);
        yk_future_unref(f[i]);
    }
    for (int i = 0; i < IDLE_WORKERS; i++)
        bench_record(r, proportional_memory(pids[i]));
    r->ended = IDLE_WORKERS;
}

/* ---- The contenders -------------------------------------------------------------------------- */

void bench_yoke_thread_tasks(void)
{
    serve(threads, round_of_tasks);
}

void bench_yoke_thread_window(void)
{
    serve(threads, round_of_window);
}

void bench_yoke_thread_map(void)
{
    serve(threads, round_of_map);
}

void bench_yoke_process_map(void)
{
    serve(processes, round_of_map);
}

void bench_yoke_thread_spin(void)
{
    serve(spinning_threads, round_of_tasks);
}

void bench_yoke_thread_compute(void)
{
    job_of_all = compute;
    serve(threads, round_of_tasks);
}

void bench_yoke_process_tasks(void)
{
    serve(processes, round_of_tasks);
}

void bench_yoke_process_window(void)
{
    serve(processes, round_of_window);
}

void bench_yoke_process_callbacks(void)
{
    serve(processes, round_of_callbacks);
}

void bench_yoke_arena(void)
{
    serve(processes, round_of_blocks);
}

void bench_yoke_respawn(void)
{
    serve(one_process, round_of_deaths);
}

void bench_yoke_respawn_large(void)
{
    serve(one_process, round_of_deaths_in_large);
}

void bench_yoke_process_spin(void)
{
    serve(spinning_processes, round_of_tasks);
}

void bench_yoke_process_compute(void)
{
    job_of_all = compute;
    serve(processes, round_of_tasks);
}

void bench_yoke_memory(void)
{
    serve(idle_processes, round_of_memory);
}
