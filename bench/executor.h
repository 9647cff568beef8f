/* bench/executor.h - what `bench_executor` has measured, for those who show it. */
#ifndef YOKE_BENCH_EXECUTOR_H
#define YOKE_BENCH_EXECUTOR_H

#include <stdbool.h>
#include <stdio.h>

#define MAX_ROUNDS 99

enum who {
    UV,
    GLIB,
    TBB,
    THREAD_TASKS,
    THREAD_WINDOW,
    THREAD_MAP,
    THREAD_SPIN,
    PIPE,
    RING,
    PROCESS_TASKS,
    PROCESS_WINDOW,
    PROCESS_MAP,
    PROCESS_CALLBACKS,
    PROCESS_SPIN,
    PYTHON,
    ARENA,
    RESPAWN,
    RESPAWN_1G,
    FORK_1G,
    MEMORY,
    SERIAL_COMPUTE,
    APART_COMPUTE,
    UV_COMPUTE,
    THREAD_COMPUTE,
    PROCESS_COMPUTE,
    CONTENDERS,
};

/* What is asked of a contender in one column. */
enum column { W1, W64, W1024, BYTES_64K, BYTES_1M, DEATHS, IDLE, COMPUTE, COLUMNS };

typedef struct figures {
    double per_second[MAX_ROUNDS], p50[MAX_ROUNDS], p99[MAX_ROUNDS]; /* the times in microseconds */
    int rounds;
} figures;

extern figures bench_measured[CONTENDERS][COLUMNS];
extern const char *const bench_columns[COLUMNS];
const char *bench_name(enum who who);

/* Writes the tables, and the ratios with their targets, as text for people. */
void bench_show(FILE *out);

/* Writes all medians as lines of tab-separated fields, for bench/plot.sh. */
void bench_write_tsv(FILE *out);

#endif
