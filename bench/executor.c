/* bench/executor.c - what a job costs, beside what others offer.
 *
 *   executor [ROUNDS [MILLISECONDS [TSV [SECONDS]]]]      default 5 rounds of 250 ms
 *
 * On a machine that is slow or busy there are fewer rounds, so that all of it takes SECONDS (240)
 * or little more; how far it has come is said on standard error.
 *
 * All contenders (contender.h) take turns, round by round, so that a machine that grows slower or
 * faster does so for all of them. What is shown is the median of the rounds; a ratio is the median
 * of the ratios of each round. Absolute figures differ from machine to machine and from hour to
 * hour; the ratios are what the targets are about. The medians go to the file TSV, too.
 */
#include "executor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contender.h"

static const struct {
    unsigned window;
    size_t bytes;
} orders[COLUMNS] = {
    [W1] = { 1, 8 },
    [W64] = { 64, 8 },
    [W1024] = { 1024, 8 },
    [BYTES_64K] = { 64, 64 << 10 },
    [BYTES_1M] = { 64, 1 << 20 },
    [DEATHS] = { 1, 8 },
    [IDLE] = { 1, 8 },
    [COMPUTE] = { 8, 8 },
};

const char *const bench_columns[COLUMNS] = {
    [W1] = "1",           [W64] = "64",        [W1024] = "1024", [BYTES_64K] = "64 KiB",
    [BYTES_1M] = "1 MiB", [DEATHS] = "deaths", [IDLE] = "idle",  [COMPUTE] = "compute",
};

#define PATIENCE_MS 30000 /* for one round of one contender */

#define ALL_WINDOWS (1u << W1 | 1u << W64 | 1u << W1024)
#define BOTH_SIZES  (1u << BYTES_64K | 1u << BYTES_1M)

typedef struct contender {
    const char *name;
    void (*serve)(void); /* NULL: not there */
    unsigned columns;    /* a bit for each that it takes part in */
    const char *needs;   /* what to install where it is not there */
    pid_t pid;
    int orders_fd;
    FILE *answers;
} contender;

#ifdef BENCH_GLIB
#define GLIB_OR_NONE bench_glib
#else
#define GLIB_OR_NONE NULL
#endif
#ifdef BENCH_TBB
#define TBB_OR_NONE bench_tbb
#else
#define TBB_OR_NONE NULL
#endif

static void serve_python(void);

static contender contenders[CONTENDERS] = {
    [UV] = { "uv_queue_work", bench_uv_queue_work, ALL_WINDOWS },
    [GLIB] = { "GThreadPool, GAsyncQueue", GLIB_OR_NONE, ALL_WINDOWS, "libglib2.0-dev" },
    [TBB] = { "oneTBB task_arena", TBB_OR_NONE, ALL_WINDOWS, "libtbb-dev and g++" },
    [THREAD_TASKS] = { "yoke, W tasks", bench_yoke_thread_tasks, ALL_WINDOWS },
    [THREAD_WINDOW] = { "yoke, W ahead in 1 task", bench_yoke_thread_window, ALL_WINDOWS },
    [THREAD_MAP] = { "yoke, map in chunks of W/16", bench_yoke_thread_map,
                     1u << W64 | 1u << W1024 },
    [THREAD_SPIN] = { "yoke, W tasks, spin_us 20", bench_yoke_thread_spin, ALL_WINDOWS },
    [PIPE] = { "bare pipe", bench_bare_pipe, ALL_WINDOWS },
    [RING] = { "bare shared ring", bench_bare_ring, ALL_WINDOWS },
    [PROCESS_TASKS] = { "yoke, W tasks", bench_yoke_process_tasks, ALL_WINDOWS },
    [PROCESS_WINDOW] = { "yoke, W ahead in 1 task", bench_yoke_process_window,
                         ALL_WINDOWS | BOTH_SIZES },
    [PROCESS_MAP] = { "yoke, map in chunks of W/16", bench_yoke_process_map,
                      1u << W64 | 1u << W1024 },
    [PROCESS_CALLBACKS] = { "yoke, callbacks", bench_yoke_process_callbacks, ALL_WINDOWS },
    [PROCESS_SPIN] = { "yoke, W tasks, spin_us 20", bench_yoke_process_spin, ALL_WINDOWS },
    [PYTHON] = { "ProcessPoolExecutor", serve_python, 1u << W1 | 1u << W64 | BOTH_SIZES,
                 "python3" },
    [ARENA] = { "yoke, in place", bench_yoke_arena, 1u << BYTES_1M },
    [RESPAWN] = { "yoke, killed and replaced", bench_yoke_respawn, 1u << DEATHS },
    [RESPAWN_1G] = { "the same from 1 GiB", bench_yoke_respawn_large, 1u << DEATHS },
    [FORK_1G] = { "fork() from 1 GiB", bench_fork_large, 1u << DEATHS },
    [MEMORY] = { "yoke, an idle worker", bench_yoke_memory, 1u << IDLE },
    [SERIAL_COMPUTE] = { "one after the other", bench_serial_compute, 1u << COMPUTE },
    [APART_COMPUTE] = { "two processes that never meet", bench_apart_compute, 1u << COMPUTE },
    [UV_COMPUTE] = { "uv_queue_work", bench_uv_compute, 1u << COMPUTE },
    [THREAD_COMPUTE] = { "yoke, threads", bench_yoke_thread_compute, 1u << COMPUTE },
    [PROCESS_COMPUTE] = { "yoke, processes", bench_yoke_process_compute, 1u << COMPUTE },
};

figures bench_measured[CONTENDERS][COLUMNS];

const char *bench_name(enum who who)
{
    return contenders[who].name;
}

/* ---- Contenders ------------------------------------------------------------------------------ */

static void serve_python(void)
{
    execlp("python3", "python3", BENCH_DIRECTORY "/process_pool_executor.py", (char *)NULL);
    _exit(127);
}

static void run_contender(contender *c, int in, int out)
{
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    for (int fd = 3; fd < 128; fd++)
        close(fd); /* the other contenders' pipes */
    c->serve();
    _exit(0);
}

static void start(contender *c)
{
    int down[2], up[2];
    if (!c->serve) {
        printf("left out: %s (install %s)\n", c->name, c->needs);
        fflush(stdout);
        return;
    }
    if (pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC))
        bench_give_up("pipe", -errno);
    c->pid = fork();
    if (c->pid < 0)
        bench_give_up("fork", -errno);
    if (c->pid == 0)
        run_contender(c, down[0], up[1]);
    close(down[0]);
    close(up[1]);
    c->orders_fd = down[1];
    c->answers = fdopen(up[0], "r");
}

static bool answers_in_time(const contender *c)
{
    struct pollfd p = { .fd = fileno(c->answers), .events = POLLIN };
    return poll(&p, 1, PATIENCE_MS) == 1;
}

static void leave_out(contender *c)
{
    printf("left out: %s did not answer%s%s\n", c->name, c->needs ? "; it needs " : "",
           c->needs ? c->needs : "");
    fflush(stdout);
    kill(c->pid, SIGKILL);
    fclose(c->answers);
    c->answers = NULL;
}

/* One round of one contender. One that does not answer is left out from then on. */
static void measure(contender *c, enum column col, unsigned ms, figures *f)
{
    uint64_t jobs, ns, p50, p99;
    if (!c->answers ||
        dprintf(c->orders_fd, "%u %u %zu\n", orders[col].window, ms, orders[col].bytes) < 0)
        return;
    if (!answers_in_time(c) || fscanf(c->answers, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64,
                                      &jobs, &ns, &p50, &p99) != 4) {
        leave_out(c);
        return;
    }
    f->per_second[f->rounds] = (double)jobs * 1e9 / (double)ns;
    f->p50[f->rounds] = (double)p50 / 1e3;
    f->p99[f->rounds] = (double)p99 / 1e3;
    f->rounds++;
}

/* Everybody's turn. Round -1 warms up, and is not counted. */
static void measure_round(enum column col, int round, unsigned ms)
{
    static figures warm_up;
    warm_up.rounds = 0;
    for (enum who w = 0; w < CONTENDERS; w++)
        if (contenders[w].columns & 1u << col)
            measure(&contenders[w], col, round < 0 ? 20 : ms,
                    round < 0 ? &warm_up : &bench_measured[w][col]);
    warm_up.rounds = 0;
}

/* A round of 250 ms is 400 jobs that compute for a worker: the last ones, which one worker does
 * alone, and whatever else happens on the machine, would show. */
enum { COMPUTE_LONGER = 4 };

/* Each column has its share of the time, and what those before it have left. */
static void measure_all(int rounds, unsigned ms, unsigned seconds)
{
    const char *only = getenv("BENCH_COLUMN");
    const uint64_t begin = yk_now(), share = seconds * (uint64_t)1000000000 / COLUMNS;
    for (enum column col = 0; col < COLUMNS; col++) {
        if (only && strcmp(only, bench_columns[col]) != 0)
            continue;
        uint64_t until = begin + ((uint64_t)col + 1) * share;
        int round = -1;
        do {
            fprintf(stderr, "\rbench: part %d of %d (%s), round %d of %d, %llu s    ", col + 1,
                    COLUMNS, bench_columns[col], round + 1, rounds,
                    (unsigned long long)((yk_now() - begin) / 1000000000u));
            measure_round(col, round, col == COMPUTE ? COMPUTE_LONGER * ms : ms);
        } while (++round < rounds && (round < 1 || yk_now() < until));
        if (round < rounds)
            printf("only %d rounds of %s: no time for more\n", round, bench_columns[col]);
    }
    fprintf(stderr, "\r%70s\r", "");
}

static void stop_all(void)
{
    for (enum who w = 0; w < CONTENDERS; w++)
        if (contenders[w].pid) {
            close(contenders[w].orders_fd);
            waitpid(contenders[w].pid, NULL, 0);
        }
}

static void write_tsv(const char *path)
{
    FILE *out = fopen(path, "w");
    if (out)
        bench_write_tsv(out);
    if (!out || fclose(out))
        bench_give_up(path, -errno);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 5;
    int ms = argc > 2 ? atoi(argv[2]) : 250;
    int seconds = argc > 4 ? atoi(argv[4]) : 240;
    if (seconds < 1 || rounds < 1 || rounds > MAX_ROUNDS || ms < 1) {
        fprintf(stderr, "usage: %s [ROUNDS [MILLISECONDS [TSV [SECONDS]]]]\n", argv[0]);
        return 2;
    }
    printf("Empty jobs from a loop and back, %d workers: medians of %d interleaved rounds of %d "
           "ms.\n",
           BENCH_WORKERS, rounds, ms);
    fflush(stdout); /* before contenders inherit it */
    signal(SIGPIPE, SIG_IGN);
    for (enum who w = 0; w < CONTENDERS; w++)
        start(&contenders[w]);
    measure_all(rounds, (unsigned)ms, (unsigned)seconds);
    stop_all();
    bench_show(stdout);
    if (argc > 3)
        write_tsv(argv[3]);
    return 0;
}
