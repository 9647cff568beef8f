/* How well a loop keeps time while all cores compute: what the scheduling of workers is chosen by.
 *
 * A timerfd on the loop expires every millisecond; its lag is from there to the callback. A process
 * beside it sends a byte every three milliseconds, which the loop sends back: the echo. Both
 * callbacks are short; that of the timer also computes for a part of each millisecond (light:
 * none). Meanwhile twice as many jobs as there are cores compute in a pool of as many workers.
 * Every measurement is a process of its own; rounds go through all of them, and the medians of the
 * rounds are printed. "jobs" is the workers' throughput, 1 being that of normal workers in the same
 * round and beside the same load. Last, all of it beside as many foreign programs that compute as
 * there are cores, of the same session: there 1 is half the machine, or what is fair.
 *
 * The first row has no workers: what it shows beyond some 60 us is somebody else's doing.
 *
 * A measurement during which others took more than a thirtieth of the machine is repeated, up to
 * TRIES times, and the least disturbed one counts.
 *
 *   bench_responsiveness [ROUNDS [MILLISECONDS [TRIES [TSV]]]]
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "executor/executor.h"
#include "executor/init.h"
#include "executor/wait.h"
#include "loop/loop.h"

#define MAX_ROUNDS  15
#define MAX_SAMPLES 20000
#define QUIET       0.033

struct row {
    const char *name;
    int nice; /* of the workers */
    yk_scheduling scheduling;
    bool none;        /* no workers at all */
    bool short_slice; /* for the loop's thread: 0.1 ms */
};

static const struct row rows[] = {
    { .name = "no workers", .none = true },
    { "normal", 0, YK_SCHED_NORMAL, false, false },
    { "batch", 0, YK_SCHED_BATCH, false, false },
    { "nice 5", 5, YK_SCHED_NORMAL, false, false },
    { "nice 10", 10, YK_SCHED_NORMAL, false, false },
    { "nice 19", 19, YK_SCHED_NORMAL, false, false },
    { "idle", 0, YK_SCHED_IDLE, false, false },
    { "normal, loop's slice", 0, YK_SCHED_NORMAL, false, true },
    { "the default", 0, YK_SCHED_DEFAULT, false, false },
};

enum { ROWS = sizeof rows / sizeof *rows, NORMAL = 1, LOADS = 4, FOREIGN = 3 };
static const int busy_us[LOADS] = { 0, 200, 500, 0 };
static const char *const loads[LOADS] = { "loop light", "loop 20 % busy", "loop 50 % busy",
                                          "light, foreign load" };

static const char *const kinds[] = { "processes", "threads" };

struct samples {
    double at[MAX_SAMPLES]; /* us */
    size_t n;
};

struct answer {
    double lag50, lag90, lag99, echo50, echo90; /* us */
    double jobs;                                /* a second */
    double others; /* what somebody else took of the machine meanwhile, from 0 to 1 */
};

/* ---- The load -------------------------------------------------------------------------------- */

static struct {
    const struct row *row;
    bool threads;
    int timer, busy, echo;
    uint64_t begin, ticks, until;
    struct samples lag;
    uint64_t done;
} run;

static uint64_t cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void burn(uint64_t ns)
{
    uint64_t until = ns ? cpu_now() + ns : 0;
    while (until && cpu_now() < until)
        ;
}

/* The work is counted, not the time: a worker that does not run does nothing. */
static int compute(yk_job *job)
{
    volatile uint64_t x = 1;
    for (int i = 0; i < 2000000; i++)
        x = x * 6364136223846793005u + 1;
    (void)job;
    return 0;
}

/* Foreign programs, of this session. */
static pid_t foreign[256];
static int n_foreign;

static void begin_foreign(int n)
{
    for (n_foreign = 0; n_foreign < n; n_foreign++) {
        foreign[n_foreign] = fork();
        if (foreign[n_foreign] == 0)
            for (;;)
                burn(1000000);
    }
}

static void end_foreign(void)
{
    while (n_foreign > 0) {
        kill(foreign[--n_foreign], SIGKILL);
        waitpid(foreign[n_foreign], NULL, 0);
    }
}

/* ---- Who has had the machine ------------------------------------------------------------------

   The kernel's count of all time that was not idle, less that of the loop, its workers and the
   foreign programs: seconds of somebody else's. The echo's own is counted as theirs; it is small.
 */

static double cpu_of(pid_t pid)
{
    clockid_t clock;
    struct timespec t;
    if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
        return 0;
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double busy_machine(void)
{
    unsigned long long t[8] = { 0 };
    FILE *f = fopen("/proc/stat", "r");
    int n = f ? fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3],
                       &t[4], &t[5], &t[6], &t[7])
              : 0;
    if (f)
        fclose(f);
    /* user, nice, system, and stolen by the host; not idle, not waiting for a disk */
    return n < 8 ? 0
                 : (double)(t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) / (double)sysconf(_SC_CLK_TCK);
}

static double taken_by_others(yk_executor *ex)
{
    yk_worker_stats rows_[256];
    double all = busy_machine() - cpu_of(0);
    size_t n = yk_executor_workers(ex, rows_, 256);
    for (size_t i = 0; i < n && i < 256; i++)
        all -= rows_[i].pid ? (double)rows_[i].cpu_ns / 1e9 : 0; /* threads have been counted */
    for (int i = 0; i < n_foreign; i++)
        all -= cpu_of(foreign[i]);
    return all;
}

/* ---- The loop -------------------------------------------------------------------------------- */

static void note(struct samples *s, uint64_t ns)
{
    if (s->n < MAX_SAMPLES)
        s->at[s->n++] = (double)ns / 1000;
}

static void tick(uv_poll_t *poll, int status, int events)
{
    uint64_t times, now = yk_now();
    (void)poll, (void)status, (void)events;
    if (read(run.timer, &times, sizeof times) != sizeof times)
        return;
    for (uint64_t i = 1; i <= times; i++) {
        uint64_t due = run.begin + (run.ticks + i) * 1000000u;
        note(&run.lag, now > due ? now - due : 0);
    }
    run.ticks += times;
    burn((uint64_t)run.busy * 1000);
}

static void answer_echo(uv_poll_t *poll, int status, int events)
{
    char byte;
    (void)poll, (void)status, (void)events;
    if (read(run.echo, &byte, 1) == 1 && write(run.echo, &byte, 1) != 1)
        abort();
}

static int feed(void *arg)
{
    yk_executor *ex = arg;
    while (yk_now() < run.until) {
        yk_future *f = yk_submit(ex, compute, NULL, 0);
        int err = yk_await(f);
        yk_future_unref(f);
        if (err)
            return err;
        run.done++;
    }
    return 0;
}

static int only_wait(void *unused)
{
    (void)unused;
    return yk_sleep_until(run.until);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void shorten_slice(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attr = { .size = sizeof attr, .policy = SCHED_OTHER, .runtime = 100000 };
    syscall(SYS_sched_setattr, 0, &attr, 0);
}

static double quantile(struct samples *s, double q)
{
    qsort(s->at, s->n, sizeof *s->at, by_size);
    return s->n ? s->at[(size_t)((double)(s->n - 1) * q)] : 0;
}

static void start_clock(uv_poll_t *poll, uv_loop_t *uv)
{
    run.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    run.begin = yk_now() / 1000000u * 1000000u + 20000000u;
    uint64_t first = run.begin + 1000000u;
    struct itimerspec every = {
        .it_interval.tv_nsec = 1000000,
        .it_value = { (time_t)(first / 1000000000u), (long)(first % 1000000000u) },
    };
    timerfd_settime(run.timer, TFD_TIMER_ABSTIME, &every, NULL);
    uv_poll_init(uv, poll, run.timer);
    uv_poll_start(poll, UV_READABLE, tick);
}

/* The process that asks for echoes. It writes what it saw to `out` when the other end closes. */
static void ask(int fd, int out)
{
    static struct samples echo;
    char byte = 0;
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        struct timespec pause = { 0, 3000000 };
        nanosleep(&pause, NULL);
        uint64_t begin = yk_now();
        if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
            break;
        note(&echo, yk_now() - begin);
    }
    double q[2] = { quantile(&echo, 0.5), quantile(&echo, 0.9) };
    _exit(write(out, q, sizeof q) != sizeof q);
}

static yk_executor *open_pool(int workers)
{
    yk_pool_options options = {
        .workers = workers, .worker = { .nice = run.row->nice, .scheduling = run.row->scheduling }
    };
    return run.threads ? yk_thread_pool_new(&options) : yk_process_pool_new(&options);
}

typedef struct opening {
    yk_executor *ex;
    int workers;
} opening;

static int open_in_task(void *arg)
{
    opening *o = arg;
    o->ex = open_pool(o->workers);
    return 0;
}

static int measure(uint64_t ms, struct answer *a)
{
    int workers = run.row->none ? 1 : 2 * yk_cpu_count();
    uv_loop_t *uv = uv_default_loop();
    yk_loop *loop = yk_loop_new(.uv = uv);
    opening o = { NULL, workers };
    yk_future *tasks[256];
    uv_poll_t timer, echo;
    run.until = yk_now() + ms * 1000000u;
    if (run.row->short_slice)
        shorten_slice();
    yk_future *opener = yk_task_start(open_in_task, &o); /* where the default is another */
    int err = yk_loop_run_until(loop, opener);
    yk_future_unref(opener);
    yk_executor *ex = o.ex;
    for (int i = 0; i < workers; i++)
        tasks[i] = run.row->none ? yk_task_start(only_wait, NULL) : yk_task_start(feed, ex);
    start_clock(&timer, uv);
    uv_poll_init(uv, &echo, run.echo);
    uv_poll_start(&echo, UV_READABLE, answer_echo);
    uint64_t begin = yk_now();
    double others = taken_by_others(ex);
    for (int i = 0; i < workers; i++) {
        int e = yk_loop_run_until(loop, tasks[i]);
        err = err ? err : e;
        yk_future_unref(tasks[i]);
    }
    double seconds = (double)(yk_now() - begin) / 1e9;
    a->others = (taken_by_others(ex) - others) / seconds / yk_cpu_count();
    a->jobs = (double)run.done / seconds;
    a->lag50 = quantile(&run.lag, 0.5);
    a->lag90 = quantile(&run.lag, 0.9);
    a->lag99 = quantile(&run.lag, 0.99);
    return err;
}

/* In a process of its own, which ends with its workers. */
static _Noreturn void loop_process(int echo, int out, uint64_t ms)
{
    struct answer a = { 0 };
    run.echo = echo;
    fcntl(echo, F_SETFL, fcntl(echo, F_GETFL) | O_NONBLOCK);
    int err = yk_init();
    err = err ? err : measure(ms, &a);
    if (!err && write(out, &a, sizeof a) != sizeof a)
        err = UV_EIO;
    _exit(err != 0);
}

static struct answer in_a_process(const struct row *row, int busy, uint64_t ms)
{
    struct answer a = { 0 };
    int out[2], seen[2], echo[2];
    double q[2] = { 0 };
    fflush(NULL);
    if (pipe2(out, O_CLOEXEC) || pipe2(seen, O_CLOEXEC) ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, echo))
        exit(1);
    run.row = row;
    run.busy = busy;
    pid_t asker = fork();
    if (asker == 0) {
        close(echo[0]);
        ask(echo[1], seen[1]);
    }
    close(echo[1]);
    pid_t pid = fork();
    if (pid == 0)
        loop_process(echo[0], out[1], ms);
    close(echo[0]);
    close(out[1]);
    close(seen[1]);
    if (read(out[0], &a, sizeof a) != sizeof a)
        fprintf(stderr, "%s: failed\n", row->name);
    waitpid(pid, NULL, 0);
    if (read(seen[0], q, sizeof q) != sizeof q)
        fprintf(stderr, "%s: no echo\n", row->name);
    waitpid(asker, NULL, 0);
    usleep((useconds_t)ms * 1000); /* whoever shares the machine has a turn, too */
    close(out[0]);
    close(seen[0]);
    a.echo50 = q[0];
    a.echo90 = q[1];
    return a;
}

/* ---- All ------------------------------------------------------------------------------------- */

static struct answer results[2][LOADS][ROWS][MAX_ROUNDS];

static struct answer least_disturbed(const struct row *row, int busy, uint64_t ms, int tries)
{
    struct answer best = in_a_process(row, busy, ms);
    while (best.others > QUIET && --tries > 0) {
        struct answer a = in_a_process(row, busy, ms);
        if (a.others < best.others)
            best = a;
    }
    return best;
}

static void one_round(int round, bool threads, uint64_t ms, int tries)
{
    run.threads = threads;
    for (int k = 0; k < LOADS; k++) {
        if (k == FOREIGN)
            begin_foreign(yk_cpu_count());
        for (int r = 0; r < ROWS; r++)
            results[threads][k][r][round] = least_disturbed(&rows[r], busy_us[k], ms, tries);
    }
    end_foreign();
}

static double median_of(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, by_size);
    return x[n / 2];
}

/* The member at `offset`, divided by that of `by`, if there is one. */
static double median(const struct answer *a, const struct answer *by, size_t offset, int rounds)
{
    double x[MAX_ROUNDS];
    for (int i = 0; i < rounds; i++) {
        x[i] = *(const double *)((const char *)&a[i] + offset);
        if (by)
            x[i] /= *(const double *)((const char *)&by[i] + offset) + 1e-9;
    }
    return median_of(x, rounds);
}

static void print_row(FILE *tsv, bool threads, int load, int row, int rounds)
{
    static const size_t columns[] = { offsetof(struct answer, lag50),
                                      offsetof(struct answer, lag90),
                                      offsetof(struct answer, lag99),
                                      offsetof(struct answer, echo50),
                                      offsetof(struct answer, echo90) };
    const struct answer *a = results[threads][load][row];
    printf("  %-32s", rows[row].name);
    if (tsv)
        fprintf(tsv, "%s\t%s\t%s", kinds[threads], loads[load], rows[row].name);
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
        double x = median(a, NULL, columns[c], rounds);
        printf("%7.0f", x);
        if (tsv)
            fprintf(tsv, "\t%.1f", x);
    }
    double jobs = median(a, results[threads][load][NORMAL], offsetof(struct answer, jobs), rounds);
    if (rows[row].none)
        printf("%7s", "-");
    else
        printf("%7.2f", jobs);
    printf("%5.0f %%\n", 100 * median(a, NULL, offsetof(struct answer, others), rounds));
    if (tsv)
        fprintf(tsv, "\t%.3f\n", rows[row].none ? 0 : jobs);
}

static void print_all(FILE *tsv, int rounds)
{
    for (int threads = 0; threads < 2; threads++)
        for (int k = 0; k < LOADS; k++) {
            printf("\n%-9s %-24s lag p50    p90    p99 echo p50   p90   jobs others\n",
                   kinds[threads], loads[k]);
            for (int r = 0; r < ROWS; r++)
                print_row(tsv, threads, k, r, rounds);
        }
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 3;
    uint64_t ms = argc > 2 ? (uint64_t)atoi(argv[2]) : 500;
    int tries = argc > 3 ? atoi(argv[3]) : 3;
    FILE *tsv = argc > 4 ? fopen(argv[4], "w") : NULL;
    rounds = rounds < 1 ? 1 : rounds > MAX_ROUNDS ? MAX_ROUNDS : rounds;
    for (int i = 0; i < rounds; i++)
        for (int threads = 0; threads < 2; threads++)
            one_round(i, threads, ms, tries);
    printf("A loop beside %d workers that compute, %d cores: medians of %d rounds of %d ms, in\n"
           "microseconds.\n",
           2 * yk_cpu_count(), yk_cpu_count(), rounds, (int)ms);
    if (tsv)
        fprintf(tsv, "# kind\tload\tworkers\tlag p50\tp90\tp99\techo p50\tp90\tjobs\n");
    print_all(tsv, rounds);
    return tsv && fclose(tsv) ? 1 : 0;
}
