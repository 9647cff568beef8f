/* The tables of `bench_executor`: medians, ratios, and how they stand to the targets. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "contender.h"
#include "executor.h"

/* ---- Figures --------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *values, int n)
{
    double sorted[MAX_ROUNDS];
    if (n == 0)
        return NAN;
    memcpy(sorted, values, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_size);
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static double speed(enum who w, enum column col)
{
    return median(bench_measured[w][col].per_second, bench_measured[w][col].rounds);
}

static double half(enum who w, enum column col)
{
    return median(bench_measured[w][col].p50, bench_measured[w][col].rounds);
}

static double almost_all(enum who w, enum column col)
{
    return median(bench_measured[w][col].p99, bench_measured[w][col].rounds);
}

/* How much faster a is than b: in jobs a second, or by the median round trip. */
static double ratio(enum who a, enum who b, enum column col, bool round_trip)
{
    double ratios[MAX_ROUNDS];
    const figures *x = &bench_measured[a][col], *y = &bench_measured[b][col];
    int n = x->rounds < y->rounds ? x->rounds : y->rounds;
    for (int i = 0; i < n; i++)
        ratios[i] = round_trip ? y->p50[i] / x->p50[i] : x->per_second[i] / y->per_second[i];
    return median(ratios, n);
}

/* "79 k", "1.58 M": three digits that count. */
static const char *show_speed(double n, char *text, size_t size)
{
    const char *unit = n >= 1e6 ? " M" : n >= 1e3 ? " k" : "";
    double x = n >= 1e6 ? n / 1e6 : n >= 1e3 ? n / 1e3 : n;
    snprintf(text, size, "%.*f%s", x < 9.995 ? 2 : x < 99.95 ? 1 : 0, x, unit);
    return text;
}

static const char *show_time(double us, char *text, size_t size)
{
    snprintf(text, size, us < 9.995 ? "%.2f" : us < 99.95 ? "%.1f" : "%.0f", us);
    return text;
}

/* ---- Tables ---------------------------------------------------------------------------------- */

static void show_cell(FILE *out, enum who w, enum column col)
{
    char n[16], p50[16], p99[16];
    if (bench_measured[w][col].rounds == 0) {
        fprintf(out, "  %7s %6s %7s", "-", "-", "-");
        return;
    }
    fprintf(out, "  %7s %6s %7s", show_speed(speed(w, col), n, sizeof n),
            show_time(half(w, col), p50, sizeof p50),
            show_time(almost_all(w, col), p99, sizeof p99));
}

static void show_rows(FILE *out, const char *title, enum who first, enum who last)
{
    fprintf(out, "%s\n", title);
    for (enum who w = first; w <= last; w++) {
        fprintf(out, "  %-24s", bench_name(w));
        for (enum column col = W1; col <= W1024; col++)
            show_cell(out, w, col);
        fprintf(out, "\n");
    }
}

static void show_windows(FILE *out)
{
    fprintf(out, "\n%-26s  %22s  %22s  %22s\n", "jobs of 8 bytes in and out", "window 1       ",
            "window 64       ", "window 1024      ");
    fprintf(out, "%-26s", "(times in microseconds)");
    for (int i = 0; i < 3; i++)
        fprintf(out, "  %7s %6s %7s", "jobs/s", "p50", "p99");
    fprintf(out, "\n");
    show_rows(out, "2 threads", UV, THREAD_SPIN);
    show_rows(out, "2 processes", PIPE, PYTHON);
}

static const struct {
    enum who who;
    enum column col;
    const char *what;
} other_rows[] = {
    { PYTHON, BYTES_64K, "64 KiB there and back, window 64: ProcessPoolExecutor" },
    { PROCESS_WINDOW, BYTES_64K, "64 KiB there and back, window 64: yoke, copied" },
    { PYTHON, BYTES_1M, "1 MiB there and back, window 64: ProcessPoolExecutor" },
    { PROCESS_WINDOW, BYTES_1M, "1 MiB there and back, window 64: yoke, copied" },
    { ARENA, BYTES_1M, "1 MiB in place, window 64: yoke, by arena pointer" },
    { SERIAL_COMPUTE, COMPUTE, "computing 0.5 to 0.8 ms: one after the other" },
    { APART_COMPUTE, COMPUTE, "computing: two processes that never meet" },
    { UV_COMPUTE, COMPUTE, "computing 0.5 to 0.8 ms: uv_queue_work" },
    { THREAD_COMPUTE, COMPUTE, "computing 0.5 to 0.8 ms: yoke, threads" },
    { PROCESS_COMPUTE, COMPUTE, "computing 0.5 to 0.8 ms: yoke, processes" },
    { RESPAWN, DEATHS, "killed by a job, up to the next job's end: yoke" },
    { RESPAWN_1G, DEATHS, "the same, from a parent of 1 GiB: yoke" },
    { FORK_1G, DEATHS, "fork(), up to the child's first byte, from 1 GiB" },
};

static void show_others(FILE *out)
{
    fprintf(out, "\n%-60s %8s %7s %8s\n", "other jobs", "jobs/s", "p50", "p99");
    for (size_t i = 0; i < sizeof other_rows / sizeof *other_rows; i++) {
        fprintf(out, "  %-58s", other_rows[i].what);
        show_cell(out, other_rows[i].who, other_rows[i].col);
        fprintf(out, "\n");
    }
}

/* ---- Targets --------------------------------------------------------------------------------- */

static const struct {
    const char *what;
    enum who a, b;
    enum column col;
    double first, goal; /* 0: no target */
    bool round_trip;
} ratio_rows[] = {
    { "threads / uv_queue_work, window 1, round trip", THREAD_TASKS, UV, W1, 0.95, 1, true },
    { "threads, spinning / the same, round trip", THREAD_SPIN, UV, W1, 0, 8, true },
    { "threads, tasks / uv_queue_work, window 64", THREAD_TASKS, UV, W64, 1, 3.5, false },
    { "threads, 1 task / uv_queue_work, window 64", THREAD_WINDOW, UV, W64, 1, 3.5, false },
    { "threads, map / uv_queue_work, window 64", THREAD_MAP, UV, W64, 1, 3.5, false },
    { "threads, tasks / uv_queue_work, window 1024", THREAD_TASKS, UV, W1024, 1, 4, false },
    { "threads, 1 task / uv_queue_work, window 1024", THREAD_WINDOW, UV, W1024, 1, 4, false },
    { "threads, map / uv_queue_work, window 1024", THREAD_MAP, UV, W1024, 1, 4, false },
    { "threads, 1 task / GThreadPool, window 64", THREAD_WINDOW, GLIB, W64, 0, 0, false },
    { "threads, 1 task / oneTBB, window 64", THREAD_WINDOW, TBB, W64, 0, 0, false },
    { "processes / ProcessPoolExecutor, w. 1, round trip", PROCESS_TASKS, PYTHON, W1, 15, 20,
      true },
    { "processes, spinning / the same, round trip", PROCESS_SPIN, PYTHON, W1, 0, 150, true },
    { "processes, tasks / ProcessPoolExecutor, window 64", PROCESS_TASKS, PYTHON, W64, 50, 400,
      false },
    { "processes, 1 task / ProcessPoolExecutor, window 64", PROCESS_WINDOW, PYTHON, W64, 50, 400,
      false },
    { "processes, callbacks / ProcessPoolExecutor, w. 64", PROCESS_CALLBACKS, PYTHON, W64, 50, 400,
      false },
    { "processes, map / ProcessPoolExecutor, window 64", PROCESS_MAP, PYTHON, W64, 50, 400, false },
    { "(bare pipe / ProcessPoolExecutor, window 64)", PIPE, PYTHON, W64, 0, 0, false },
    { "processes / bare pipe, window 1, jobs/s", PROCESS_TASKS, PIPE, W1, 0, 0, false },
    { "processes, tasks / bare pipe, window 64", PROCESS_TASKS, PIPE, W64, 0, 0.8, false },
    { "processes, 1 task / bare pipe, window 64", PROCESS_WINDOW, PIPE, W64, 0, 0.8, false },
    { "processes, callbacks / bare pipe, window 64", PROCESS_CALLBACKS, PIPE, W64, 0, 0.8, false },
    { "64 KiB copied / ProcessPoolExecutor", PROCESS_WINDOW, PYTHON, BYTES_64K, 0, 25, false },
    { "1 MiB in place / ProcessPoolExecutor", ARENA, PYTHON, BYTES_1M, 0, 100, false },
    { "(computing: two that never meet / one)", APART_COMPUTE, SERIAL_COMPUTE, COMPUTE, 0, 0,
      false },
    { "computing: uv_queue_work / one after the other", UV_COMPUTE, SERIAL_COMPUTE, COMPUTE, 0, 0,
      false },
    { "computing: threads / one after the other", THREAD_COMPUTE, SERIAL_COMPUTE, COMPUTE, 0, 1.95,
      false },
    { "computing: processes / one after the other", PROCESS_COMPUTE, SERIAL_COMPUTE, COMPUTE, 0,
      1.95, false },
};
#define RATIO_ROWS (sizeof ratio_rows / sizeof *ratio_rows)

typedef struct target {
    double value, first, goal;
    bool at_most; /* the target is an upper limit */
} target;

static void show_target(FILE *out, target t, double wanted)
{
    char text[16] = "";
    bool met = t.at_most ? t.value <= wanted : t.value >= wanted;
    if (wanted > 0)
        snprintf(text, sizeof text, "%s %g", t.at_most ? "<=" : ">=", wanted);
    fprintf(out, "  %7s ", text);
    if (wanted == 0 || isnan(t.value))
        fprintf(out, "%-7s", "");
    else if (met)
        fprintf(out, "%-7s", "met");
    else
        fprintf(out, "%2.0f %%   ", 100 * (t.at_most ? wanted / t.value : t.value / wanted));
}

static void show_line(FILE *out, const char *what, target t)
{
    char value[16] = "-";
    if (!isnan(t.value))
        snprintf(value, sizeof value, "%.*f", t.value < 10 ? 2 : t.value < 100 ? 1 : 0, t.value);
    fprintf(out, "  %-50s %8s", what, value);
    show_target(out, t, t.first);
    show_target(out, t, t.goal);
    fprintf(out, "\n");
}

static void show_ratios(FILE *out)
{
    fprintf(out, "\n%-52s %8s  %15s  %15s\n", "yoke's ratios", "measured", "first     ",
            "goal     ");
    for (size_t i = 0; i < RATIO_ROWS; i++)
        show_line(out, ratio_rows[i].what,
                  (target){ .value = ratio(ratio_rows[i].a, ratio_rows[i].b, ratio_rows[i].col,
                                           ratio_rows[i].round_trip),
                            .first = ratio_rows[i].first,
                            .goal = ratio_rows[i].goal });
    fprintf(out, "\nyoke's own figures\n");
    show_line(out, "processes, 1 task, window 1024: million jobs/s",
              (target){ .value = speed(PROCESS_WINDOW, W1024) / 1e6, .goal = 10 });
    show_line(out, "processes, map, window 1024: million jobs/s",
              (target){ .value = speed(PROCESS_MAP, W1024) / 1e6, .goal = 10 });
    show_line(out, "killed to the next job's end, p50, ms",
              (target){ .value = half(RESPAWN, DEATHS) / 1e3, .goal = 1, .at_most = true });
    show_line(out, "the same, from a parent of 1 GiB",
              (target){ .value = half(RESPAWN_1G, DEATHS) / 1e3, .goal = 1, .at_most = true });
    show_line(out, "proportional memory of an idle worker, KB",
              (target){ .value = half(MEMORY, IDLE), .goal = 200, .at_most = true });
}

void bench_show(FILE *out)
{
    show_windows(out);
    show_others(out);
    show_ratios(out);
}

void bench_write_tsv(FILE *out)
{
    fprintf(out, "kind\tcontender\tcolumn\tjobs_per_second\tp50_us\tp99_us\n");
    for (enum who w = 0; w < CONTENDERS; w++)
        for (enum column col = 0; col < COLUMNS; col++)
            if (bench_measured[w][col].rounds > 0)
                fprintf(out, "%s\t%s\t%s\t%.0f\t%.3f\t%.3f\n",
                        w <= THREAD_SPIN ? "threads" : "processes", bench_name(w),
                        bench_columns[col], speed(w, col), half(w, col), almost_all(w, col));
}
