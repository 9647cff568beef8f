/* faults [-seconds=N] [SCENARIO [CALL [ours|theirs [N]]]] - the n-th call fails, for every n.
 *
 * For each scenario, each call of inject.h, and n = 1, 2, 3 ... until the scenario makes no n-th
 * call any more: a fresh process runs the scenario with that one call failing. It must come to its
 * end in time, crash nowhere, and leave no process, thread, descriptor, or (where the address
 * sanitizer is) memory behind. With -seconds, cases are left out evenly so that it takes about so
 * long. A case that goes wrong is named as the arguments that repeat it.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "executor/arena.h"
#include "executor/clock.h"
#include "inject.h"
#include "loop/loop.h"
#include "scenarios.h"
#include "support/proc.h"
#include "support/support.h"

#define PATIENCE_S 60
#define MAX_N      2000
#define RUNNERS    4 /* scenarios at a time */

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#define LEAKS() __lsan_do_recoverable_leak_check()
#else
#define LEAKS() 0
#endif

static const char *const side_names[SIDES] = { "ours", "theirs" };

/* ---- In the process that runs a case -------------------------------------------------------- */

void broken(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    inject_end();
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    if (getenv("YOKE_FAULTS_STAY")) /* for a debugger */
        pause();
    proc_kill_descendants(getpid());
    _exit(1);
}

/* What stays for good is there before: libuv's pipe for signals, a sanitizer's thread. */
static void warm_up(void)
{
    yk_loop_close(yk_loop_new());
    support_first_thread();
    support_take_baseline();
}

static void show_log(const char *line, void *unused)
{
    (void)unused;
    fprintf(stderr, "  yoke: %s\n", line);
}

static _Noreturn void run_case(const scenario *s, enum faulty what, enum side side, unsigned n)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    warm_up();
    if (getenv("YOKE_FAULTS_LOG"))
        yk_set_log(show_log, NULL);
    inject_begin(what, side, n);
    s->run();
    inject_end();
    const char *left = support_leftovers();
    if (left)
        broken("%s", left);
    if (LEAKS())
        broken("memory is left");
    _exit(0);
}

/* ---- In the program ------------------------------------------------------------------------- */

/* Shared by the processes that try the scenarios; counters, read at the end. */
static struct tally {
    _Atomic unsigned cases, bad, injected[SIDES][FAULTY];
} * tally;

static void report(const scenario *s, enum faulty what, enum side side, unsigned n, int status)
{
    tally->bad++;
    printf("WRONG: faults %s %s %s %u: ", s->name, faulty_names[what], side_names[side], n);
    if (WIFSIGNALED(status))
        printf("died of SIG%s\n", sigabbrev_np(WTERMSIG(status)));
    else
        printf("ended with status %d\n", WEXITSTATUS(status));
    fflush(stdout);
    inject_show_where();
}

long __real_syscall(long number, ...); /* the one that never fails */

static bool wait_for(pid_t pid, int *status)
{
    int fd = (int)__real_syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    struct timespec patience = { .tv_sec = PATIENCE_S * support_slowness() };
    int ended = ppoll(&p, 1, &patience, NULL); /* one that never fails */
    close(fd);
    if (ended == 1)
        return waitpid(pid, status, 0) == pid;
    return false;
}

static void hangs(pid_t pid, int *status)
{
    static proc_entry e[64];
    fprintf(stderr, "hangs:\n");
    proc_dump(pid, STDERR_FILENO);
    size_t n = proc_descendants(pid, e, 64);
    for (size_t i = 0; i < n && i < 64; i++)
        proc_dump(e[i].pid, STDERR_FILENO);
    if (getenv("YOKE_FAULTS_STAY")) /* for a debugger */
        pause();
    kill(pid, SIGKILL);
    waitpid(pid, status, 0);
}

/* Returns whether there was an n-th call. */
static bool try_case(const scenario *s, enum faulty what, enum side side, unsigned n)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        run_case(s, what, side, n);
    int status = 0;
    if (!wait_for(pid, &status))
        hangs(pid, &status);
    proc_kill_descendants(getpid());
    tally->cases++;
    tally->injected[side][what] += inject_failed();
    if (status)
        report(s, what, side, n, status);
    return n == 0 || inject_failed();
}

/* Returns how many there were. */
static unsigned try_all(const scenario *s, enum faulty what, enum side side, unsigned step)
{
    unsigned n = 1, count = 1;
    for (; n < MAX_N && try_case(s, what, side, n); n += step)
        count++;
    return count;
}

/* How many calls a scenario makes when none fails. */
static unsigned count_calls(const scenario *s, unsigned calls[SIDES][FAULTY])
{
    unsigned sum = 0;
    try_case(s, F_MALLOC, OURS, 0);
    for (int side = 0; side < SIDES; side++)
        for (int what = 0; what < FAULTY; what++)
            sum += calls[side][what] = inject_calls((enum faulty)what, (enum side)side);
    return sum;
}

static bool chosen(const char *wanted, const char *name)
{
    return !wanted || strcmp(wanted, name) == 0;
}

/* With a limit, every step-th call fails, but the first of each always. */
static void try_scenario(const scenario *s, const char *call, const char *side, double seconds)
{
    unsigned calls[SIDES][FAULTY];
    uint64_t begin = yk_now();
    unsigned sum = count_calls(s, calls), here = 0;
    double each = (double)(yk_now() - begin) / 1e9;
    unsigned step = 1;
    if (seconds > 0 && sum * each > seconds)
        step = 1 + (unsigned)(sum * each / seconds);
    for (int k = 0; k < SIDES; k++)
        for (int what = 0; what < FAULTY; what++)
            if (calls[k][what] && chosen(call, faulty_names[what]) && chosen(side, side_names[k]) &&
                (seconds <= 0 || (double)(yk_now() - begin) / 1e9 < seconds))
                here += try_all(s, (enum faulty)what, (enum side)k, step);
    printf("  %-16s %5u calls that can fail, %5u cases, %6.1f s\n", s->name, sum, here,
           (double)(yk_now() - begin) / 1e9);
    fflush(stdout);
}

static void show_table(void)
{
    printf("%-24s %8s %20s\n", "calls that failed", "here", "zygote and workers");
    for (int what = 0; what < FAULTY; what++)
        printf("  %-22s %8u %20u\n", faulty_names[what], atomic_load(&tally->injected[OURS][what]),
               atomic_load(&tally->injected[THEIRS][what]));
}

static int by_name(const char *name, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    fprintf(stderr, "faults: there is no '%s'\n", name);
    exit(2);
}

/* ---- Scenarios side by side: most of the time of a case is spent in waiting ----------------- */

struct choice {
    const char *scenario, *call, *side, *n;
    double seconds;
};

static _Noreturn void be_runner(const scenario *s, const struct choice *c)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (inject_prepare())
        exit(1);
    if (c->n)
        try_case(s, (enum faulty)by_name(c->call, faulty_names, FAULTY),
                 (enum side)by_name(c->side, side_names, SIDES), (unsigned)atoi(c->n));
    else
        try_scenario(s, c->call, c->side, c->seconds * RUNNERS / n_scenarios);
    exit(0);
}

static void reap_runner(unsigned *running)
{
    int status;
    if (wait(&status) < 0)
        return;
    (*running)--;
    if (status)
        tally->bad++;
}

static void run_scenarios(const struct choice *c)
{
    unsigned running = 0;
    for (unsigned i = 0; i < n_scenarios; i++) {
        if (!chosen(c->scenario, scenarios[i].name))
            continue;
        if (running == RUNNERS)
            reap_runner(&running);
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0)
            be_runner(&scenarios[i], c);
        running += pid > 0;
    }
    while (running > 0)
        reap_runner(&running);
}

int main(int argc, char **argv)
{
    struct choice c = { .seconds = 0 };
    if (argc > 1 && sscanf(argv[1], "-seconds=%lf", &c.seconds) == 1) {
        argc--;
        argv++;
    }
    const char **to[] = { &c.scenario, &c.call, &c.side, &c.n };
    for (int i = 1; i < argc && i <= 4; i++)
        *to[i - 1] = argv[i];
    tally = mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (tally == MAP_FAILED)
        return 1;
    run_scenarios(&c);
    if (!c.call)
        show_table();
    printf("%u cases, %u wrong\n", tally->cases, tally->bad);
    return tally->bad != 0;
}
