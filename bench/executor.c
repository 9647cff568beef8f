/* bench/executor.c - what a job costs, beside what others offer.
 *
 *   executor [ROUNDS [MILLISECONDS [TSV]]]      default 5 rounds of 250 ms
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
    [PIPE] = { "bare pipe", bench_bare_pipe, ALL_WINDOWS },
    [RING] = { "bare shared ring", bench_bare_ring, ALL_WINDOWS },
    [PROCESS_TASKS] = { "yoke, W tasks", bench_yoke_process_tasks, ALL_WINDOWS },
    [PROCESS_WINDOW] = { "yoke, W ahead in 1 task", bench_yoke_process_window,
                         ALL_WINDOWS | BOTH_SIZES },
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

/* One round of one contender. One that does not answer is left out from then on. */
static void measure(contender *c, enum column col, unsigned ms, figures *f)
{
    uint64_t jobs, ns, p50, p99;
    if (!c->answers ||
        dprintf(c->orders_fd, "%u %u %zu\n", orders[col].window, ms, orders[col].bytes) < 0)
        return;
    if (fscanf(c->answers, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &jobs, &ns, &p50,
               &p99) != 4) {
        fprintf(stderr, "bench: left out: %s did not answer%s%s\n", c->name,
                c->needs ? "; needed: " : "", c->needs ? c->needs : "");
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
                            i < 0 ? &warm_up : &bench_measured[w][col]);
            }
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
    if (rounds < 1 || rounds > MAX_ROUNDS || ms < 1) {
        fprintf(stderr, "usage: %s [ROUNDS [MILLISECONDS [TSV]]]\n", argv[0]);
        return 2;
    }
    printf("Empty jobs from a loop and back, %d workers: medians of %d interleaved rounds of %d "
           "ms.\n",
           BENCH_WORKERS, rounds, ms);
    fflush(stdout); /* before contenders inherit it */
    signal(SIGPIPE, SIG_IGN);
    for (enum who w = 0; w < CONTENDERS; w++)
        start(&contenders[w]);
    measure_all(rounds, (unsigned)ms);
    stop_all();
    bench_show(stdout);
    if (argc > 3)
        write_tsv(argv[3]);
    return 0;
}
