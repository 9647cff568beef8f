/* bench/loop.h - what the loop's benchmark measures of input and output; its other half is in
 * loop.c. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <stdbool.h>

/* Nanoseconds to set a timer a minute ahead and cancel it, with 1000 others set: a call of yoke's
 * loop, and a uv_timer_t. */
double bench_timer_yoke(void);
double bench_timer_uv(void);

/* Requests a second of an echo server in a process of its own, with 16 clients on loopback that
 * have one request of 64 bytes each on its way. 0: there is no such server here. */
typedef enum bench_server { BENCH_YOKE, BENCH_UV, BENCH_ASYNCIO } bench_server;
double bench_echo(bench_server which);

/* How late a task wakes that sleeps until the next millisecond, again and again for a second, while
 * twice as many worker processes as CPUs compute. Microseconds. */
typedef struct bench_lag {
    double p50, p99, max;
} bench_lag;
bool bench_measure_lag(bench_lag *lag);

#endif
