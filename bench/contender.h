/* bench/contender.h - one of those who are measured side by side.
 *
 * Each contender is a process of its own, so that nobody's idle threads, descriptors or memory
 * weigh on another. It is told on standard input what to run, one round a line, and answers on
 * standard output with one line: so a contender may be written in any language.
 *
 *   in:   WINDOW MILLISECONDS BYTES      keep WINDOW jobs of BYTES in flight for that long
 *   out:  JOBS NANOSECONDS P50 P99       what became of it; the quantiles in nanoseconds
 *
 * Jobs that are in flight at the end of a round are let to end, and count.
 */
#ifndef YOKE_BENCH_CONTENDER_H
#define YOKE_BENCH_CONTENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "executor/clock.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_WORKERS 2

/* 32 buckets for each power of two: 3 % wide. */
#define BENCH_BUCKETS (64 * 32)

typedef struct bench_round {
    unsigned window;
    size_t bytes;
    unsigned sample_every; /* of so many jobs one is timed: reading the clock costs 30 ns */
    uint64_t begin, until;
    uint64_t started, ended;
    bool over;
    uint64_t samples;
    uint32_t histogram[BENCH_BUCKETS];
} bench_round;

/* Waits for the next order and begins its round. False: there is none any more. */
bool bench_next(bench_round *r);

/* Ends the round and answers. */
void bench_answer(const bench_round *r);

void bench_record(bench_round *r, uint64_t ns);

/* A job is about to be submitted: when, or 0 if this one is not timed. */
static inline uint64_t bench_start(bench_round *r)
{
    return r->started++ % r->sample_every == 0 ? yk_now() : 0;
}

/* A job that started at `start` has come back. Whether to submit another. */
static inline bool bench_end(bench_round *r, uint64_t start)
{
    r->ended++;
    if (start) {
        uint64_t now = yk_now();
        bench_record(r, now - start);
        r->over = now >= r->until;
    }
    return !r->over;
}

/* Ends the contender: something went wrong, and what was measured is worth nothing. */
__attribute__((noreturn)) void bench_give_up(const char *what, int err);

/* A job that computes for 0.5 to 0.8 ms. */
void bench_compute(void);

/* Makes this process 1 GiB larger, once. */
void bench_grow(void);

/* The contenders. Each serves until there are no more orders. */
void bench_uv_queue_work(void);
void bench_uv_compute(void);
void bench_glib(void);
void bench_tbb(void);
void bench_serial_compute(void);
void bench_apart_compute(void); /* no times of single jobs */
void bench_fork_large(void);
void bench_bare_pipe(void);
void bench_bare_ring(void);
void bench_yoke_thread_tasks(void);
void bench_yoke_thread_window(void);
void bench_yoke_thread_map(void);
void bench_yoke_thread_spin(void);
void bench_yoke_thread_compute(void);
void bench_yoke_process_tasks(void);
void bench_yoke_process_window(void);
void bench_yoke_process_map(void);
void bench_yoke_process_callbacks(void);
void bench_yoke_process_spin(void);
void bench_yoke_process_compute(void);
void bench_yoke_arena(void);
void bench_yoke_respawn(void);
void bench_yoke_respawn_large(void);
void bench_yoke_memory(void); /* answers with a worker's memory in bytes for a time */

#ifdef __cplusplus
}
#endif
#endif
