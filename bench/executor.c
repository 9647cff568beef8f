/* bench/executor.c - what an empty job costs, beside what others offer.
 *
 *   executor [ROUNDS] [MILLISECONDS]       default 5 rounds of 250 ms
 *
 * All contenders (contender.h) take turns, round by round, so that a machine that grows slower or
 * faster does so for all of them. What is shown is the median of the rounds; a ratio is the median
 * of the ratios of each round. Absolute figures differ from machine to machine and from hour to
 * hour; the ratios are what the targets are about.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contender.h"

#define MAX_ROUNDS 99

enum who {
    UV,
    THREAD_TASKS,
    THREAD_WINDOW,
    PIPE,
    RING,
    PROCESS_TASKS,
    PROCESS_WINDOW,
    PROCESS_CALLBACKS,
    PYTHON,
    ARENA,
    RESPAWN,
    CONTENDERS,
};

/* What is asked of a contender in one column. */
enum column { W1, W64, W1024, BYTES_64K, BYTES_1M, DEATHS, COLUMNS };

static const struct {
    unsigned window;
    size_t bytes;
} orders[COLUMNS] = {
    { 1, 8 }, { 64, 8 }, { 1024, 8 }, { 64, 64 << 10 }, { 64, 1 << 20 }, { 1, 8 },
};

#define ALL_WINDOWS (1u << W1 | 1u << W64 | 1u << W1024)
#define BOTH_SIZES  (1u << BYTES_64K | 1u << BYTES_1M)

typedef struct contender {
    const char *name;
    void (*serve)(void);
    unsigned columns; /* a bit for each that it takes part in */
    pid_t pid;
    int orders_fd;
    FILE *answers;
} contender;

static void serve_python(void);

static contender contenders[CONTENDERS] = {
    [UV] = { "uv_queue_work", bench_uv_queue_work, ALL_WINDOWS },
    [THREAD_TASKS] = { "yoke, W tasks", bench_yoke_thread_tasks, ALL_WINDOWS },
    [THREAD_WINDOW] = { "yoke, W ahead in 1 task", bench_yoke_thread_window, ALL_WINDOWS },
    [PIPE] = { "bare pipe", bench_bare_pipe, ALL_WINDOWS },
    [RING] = { "bare shared ring", bench_bare_ring, ALL_WINDOWS },
    [PROCESS_TASKS] = { "yoke, W tasks", bench_yoke_process_tasks, ALL_WINDOWS },
    [PROCESS_WINDOW] = { "yoke, W ahead in 1 task", bench_yoke_process_window,
                         ALL_WINDOWS | BOTH_SIZES },
    [PROCESS_CALLBACKS] = { "yoke, callbacks", bench_yoke_process_callbacks, ALL_WINDOWS },
    [PYTHON] = { "ProcessPoolExecutor", serve_python, 1u << W1 | 1u << W64 | BOTH_SIZES },
    [ARENA] = { "yoke, in place", bench_yoke_arena, 1u << BYTES_1M },
    [RESPAWN] = { "yoke, killed and replaced", bench_yoke_respawn, 1u << DEATHS },
};

typedef struct figures {
    double per_second[MAX_ROUNDS], p50[MAX_ROUNDS], p99[MAX_ROUNDS];
    int rounds;
} figures;

static figures measured[CONTENDERS][COLUMNS];

/* ---- Contenders ------------------------------------------------------------------------------ */

static void serve_python(void)
{
    execlp("python3", "python3", BENCH_DIRECTORY "/process_pool_executor.py", (char *)NULL);
    _exit(127);
}

static void start(contender *c)
{
    int down[2], up[2];
    if (pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC))
        bench_give_up("pipe", -errno);
    c->pid = fork();
    if (c->pid < 0)
        bench_give_up("fork", -errno);
    if (c->pid == 0) {
        dup2(down[0], STDIN_FILENO);
        dup2(up[1], STDOUT_FILENO);
        for (int fd = 3; fd < 64; fd++)
            close(fd); /* the other contenders' pipes */
        c->serve();
        _exit(0);
    }
    close(down[0]);
    close(up[1]);
    c->orders_fd = down[1];
    c->answers = fdopen(up[0], "r");
}

/* One round of one contender. One that does not answer is left out from then on. */
static void measure(contender *c, enum column col, unsigned ms, figures *f)
{
    uint64_t jobs, ns, p50, p99;
    if (!c->answers ||
        dprintf(c->orders_fd, "%u %u %zu\n", orders[col].window, ms, orders[col].bytes) < 0)
        return;
    if (fscanf(c->answers, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &jobs, &ns, &p50,
               &p99) != 4) {
        fprintf(stderr, "bench: %s is left out: it did not answer\n", c->name);
        fclose(c->answers);
        c->answers = NULL;
        return;
    }
    f->per_second[f->rounds] = (double)jobs * 1e9 / (double)ns;
    f->p50[f->rounds] = (double)p50 / 1e3;
    f->p99[f->rounds] = (double)p99 / 1e3;
    f->rounds++;
}

static void measure_all(int rounds, unsigned ms)
{
    static figures warm_up;
    for (enum column col = 0; col < COLUMNS; col++)
        for (int i = -1; i < rounds; i++)
            for (enum who w = 0; w < CONTENDERS; w++) {
                warm_up.rounds = 0;
                if (contenders[w].columns & 1u << col)
                    measure(&contenders[w], col, i < 0 ? 20 : ms,
                            i < 0 ? &warm_up : &measured[w][col]);
            }
}

static void stop_all(void)
{
    for (enum who w = 0; w < CONTENDERS; w++) {
        close(contenders[w].orders_fd);
        waitpid(contenders[w].pid, NULL, 0);
    }
}

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
    return median(measured[w][col].per_second, measured[w][col].rounds);
}

/* How much faster a is than b: in jobs a second, or by the median round trip. */
static double ratio(enum who a, enum who b, enum column col, bool round_trip)
{
    double ratios[MAX_ROUNDS];
    const figures *x = &measured[a][col], *y = &measured[b][col];
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
    snprintf(text, size, us < 99.95 ? "%.1f" : "%.0f", us);
    return text;
}

/* ---- Tables ---------------------------------------------------------------------------------- */

static void show_cell(enum who w, enum column col)
{
    const figures *f = &measured[w][col];
    char n[16], p50[16], p99[16];
    if (f->rounds == 0) {
        printf("  %7s %6s %7s", "-", "-", "-");
        return;
    }
    printf("  %7s %6s %7s", show_speed(speed(w, col), n, sizeof n),
           show_time(median(f->p50, f->rounds), p50, sizeof p50),
           show_time(median(f->p99, f->rounds), p99, sizeof p99));
}

static void show_rows(const char *title, enum who first, enum who last)
{
    printf("%s\n", title);
    for (enum who w = first; w <= last; w++) {
        printf("  %-24s", contenders[w].name);
        for (enum column col = W1; col <= W1024; col++)
            show_cell(w, col);
        printf("\n");
    }
}

static void show_windows(void)
{
    printf("\n%-26s  %22s  %22s  %22s\n", "jobs of 8 bytes in and out", "window 1       ",
           "window 64       ", "window 1024      ");
    printf("%-26s", "(times in microseconds)");
    for (int i = 0; i < 3; i++)
        printf("  %7s %6s %7s", "jobs/s", "p50", "p99");
    printf("\n");
    show_rows("2 threads", UV, THREAD_WINDOW);
    show_rows("2 processes", PIPE, PYTHON);
}

static void show_others(void)
{
    static const struct {
        enum who who;
        enum column col;
        const char *what;
    } rows[] = {
        { PYTHON, BYTES_64K, "64 KiB there and back, window 64: ProcessPoolExecutor" },
        { PROCESS_WINDOW, BYTES_64K, "64 KiB there and back, window 64: yoke, copied" },
        { PYTHON, BYTES_1M, "1 MiB there and back, window 64: ProcessPoolExecutor" },
        { PROCESS_WINDOW, BYTES_1M, "1 MiB there and back, window 64: yoke, copied" },
        { ARENA, BYTES_1M, "1 MiB in place, window 64: yoke, by arena pointer" },
        { RESPAWN, DEATHS, "a worker killed by its job, up to the next job's end: yoke" },
    };
    printf("\n%-60s %8s %7s %8s\n", "other jobs", "jobs/s", "p50", "p99");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        printf("  %-58s", rows[i].what);
        show_cell(rows[i].who, rows[i].col);
        printf("\n");
    }
}

static const char *verdict(double value, double target)
{
    return target == 0 || isnan(value) ? "" : value >= target ? "ok" : "below";
}

static void show_target(double value, double target)
{
    char text[16] = "";
    if (target > 0)
        snprintf(text, sizeof text, ">= %g", target);
    printf("  %8s %-5s", text, verdict(value, target));
}

static void show_ratios(void)
{
    static const struct {
        const char *what;
        enum who a, b;
        enum column col;
        double first, goal; /* 0: no target */
        bool round_trip;
    } rows[] = {
        { "threads / uv_queue_work, window 1, round trip", THREAD_TASKS, UV, W1, 0.95, 1, true },
        { "threads / uv_queue_work, window 1, jobs/s", THREAD_TASKS, UV, W1, 0, 0, false },
        { "threads, tasks / uv_queue_work, window 64", THREAD_TASKS, UV, W64, 1, 3.5, false },
        { "threads, tasks / uv_queue_work, window 1024", THREAD_TASKS, UV, W1024, 1, 4, false },
        { "threads, 1 task / uv_queue_work, window 64", THREAD_WINDOW, UV, W64, 1, 3.5, false },
        { "threads, 1 task / uv_queue_work, window 1024", THREAD_WINDOW, UV, W1024, 1, 4, false },
        { "processes / ProcessPoolExecutor, w. 1, round trip", PROCESS_TASKS, PYTHON, W1, 15, 20,
          true },
        { "processes / ProcessPoolExecutor, w. 1, jobs/s", PROCESS_TASKS, PYTHON, W1, 0, 0, false },
        { "(bare pipe / ProcessPoolExecutor, w. 1, jobs/s)", PIPE, PYTHON, W1, 0, 0, false },
        { "processes, tasks / ProcessPoolExecutor, window 64", PROCESS_TASKS, PYTHON, W64, 50, 400,
          false },
        { "processes, 1 task / ProcessPoolExecutor, window 64", PROCESS_WINDOW, PYTHON, W64, 50,
          400, false },
        { "processes, callbacks / ProcessPoolExecutor, w. 64", PROCESS_CALLBACKS, PYTHON, W64, 50,
          400, false },
        { "processes, tasks / bare pipe, window 1", PROCESS_TASKS, PIPE, W1, 0, 0, false },
        { "processes, tasks / bare pipe, window 64", PROCESS_TASKS, PIPE, W64, 0, 0.8, false },
        { "processes, callbacks / bare pipe, window 64", PROCESS_CALLBACKS, PIPE, W64, 0, 0.8,
          false },
        { "64 KiB copied / ProcessPoolExecutor", PROCESS_WINDOW, PYTHON, BYTES_64K, 0, 25, false },
        { "1 MiB in place / ProcessPoolExecutor", ARENA, PYTHON, BYTES_1M, 0, 100, false },
    };
    printf("\n%-52s %8s  %14s  %14s\n", "yoke's ratios", "measured", "first    ", "goal     ");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double value = ratio(rows[i].a, rows[i].b, rows[i].col, rows[i].round_trip);
        printf("  %-50s %8.*f", rows[i].what, value < 10 ? 2 : 0, value);
        show_target(value, rows[i].first);
        show_target(value, rows[i].goal);
        printf("\n");
    }
    double m = speed(PROCESS_WINDOW, W1024) / 1e6;
    printf("  %-50s %8.2f", "processes, 1 task, window 1024: million jobs/s", m);
    show_target(m, 0);
    show_target(m, 10);
    double us = median(measured[RESPAWN][DEATHS].p50, measured[RESPAWN][DEATHS].rounds);
    printf("\n  %-50s %8.2f  %14s  %8s %s\n", "killed to the next job's end, p50, ms", us / 1e3, "",
           "<= 1", us <= 1000 ? "ok" : "below");
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    int ms = argc > 2 ? atoi(argv[2]) : 250;
    if (rounds < 1 || rounds > MAX_ROUNDS || ms < 1) {
        fprintf(stderr, "usage: %s [ROUNDS] [MILLISECONDS]\n", argv[0]);
        return 2;
    }
    printf("Empty jobs from a loop and back, %d workers: medians of %d interleaved rounds of %d "
           "ms.\n",
           BENCH_WORKERS, rounds, ms);
    fflush(stdout); /* before contenders inherit it */
    for (enum who w = 0; w < CONTENDERS; w++)
        start(&contenders[w]);
    measure_all(rounds, (unsigned)ms);
    stop_all();
    show_windows();
    show_others();
    show_ratios();
    return 0;
}
