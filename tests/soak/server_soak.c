/* server_soak [SECONDS] [SEED]
 * server_soak serve PORT
 *
 * Visitors and attackers for so many seconds, in rounds. After each round all have left, and then
 * the server's processes must be those of before, with no more descriptors, and with hardly more
 * memory; while they are there its memory is bounded. `serve` is the server alone, for other tools.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "executor/clock.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "server_soak.h"
#include "support/proc.h"
#include "support/support.h"

#define MIB             (1024.0 * 1024)
#define VISITORS        8
#define ATTACKERS       60
#define DEFAULT_SECONDS 600
#define MOST_GROWTH     (12 * MIB) /* from the first round to the last */
#define MOST_EACH       (2 * MIB)  /* of one who is there */
#define MOST_PROCESSES  64
#define JOB_PROCESS_FDS 16 /* in it, and for it in the worker */

static crowd all;
static double seconds;
static pid_t server;

void wrong(crowd *c, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->wrong++;
    fprintf(stderr, "server_soak (seed %" PRIu64 "): %s\n", c->seed, text);
}

/* ---- What the server holds ------------------------------------------------------------------- */

typedef struct holding {
    double memory; /* bytes that are its own */
    int fds, processes;
    uint64_t who; /* of the workers, which must not die */
} holding;

static double own_memory(pid_t pid)
{
    char path[64], line[256];
    unsigned long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %lu kB", &kib) == 1)
            break;
    if (file)
        fclose(file);
    return (double)kib * 1024;
}

static holding look(void)
{
    proc_entry e[MOST_PROCESSES];
    size_t n = proc_descendants(server, e, MOST_PROCESSES);
    holding h = { own_memory(server), proc_fds(server), (int)n + 1, 0 };
    for (size_t i = 0; i < n && i < MOST_PROCESSES; i++) {
        int fds = proc_fds(e[i].pid);
        h.memory += own_memory(e[i].pid);
        h.fds += fds > 0 ? fds : 0;
        if (e[i].parent == server)
            h.who += (uint64_t)e[i].pid * (uint64_t)e[i].pid;
    }
    return h;
}

static holding first, last, peak;

static int watch_peak(void *unused)
{
    (void)unused;
    while (yk_sleep_ms(50) == 0) {
        holding h = look();
        peak.memory = h.memory > peak.memory ? h.memory : peak.memory;
        peak.fds = h.fds > peak.fds ? h.fds : peak.fds;
    }
    return 0;
}

/* A job's process comes when it is needed, and goes when its job crashes; what belongs to it is
 * allowed for. */
static bool has_more(const holding *a, const holding *b)
{
    return a->processes > b->processes + SITE_WORKERS ||
           a->fds > b->fds + SITE_WORKERS * JOB_PROCESS_FDS;
}

static void compare(void)
{
    if (has_more(&last, &first))
        wrong(&all, "the server has %d processes with %d descriptors, and had %d with %d",
              last.processes, last.fds, first.processes, first.fds);
    if (last.who != first.who)
        wrong(&all, "a worker has died");
}

/* Waits until all have left, and nothing has changed for a moment. */
static void settle(void)
{
    uint64_t give_up = yk_after_ms(20000ull * support_slowness()), quiet = yk_after_ms(500);
    last = look();
    while ((yk_now() < quiet || (first.fds && has_more(&last, &first))) && yk_now() < give_up) {
        yk_sleep_ms(20);
        holding now = look();
        if (now.fds != last.fds || now.processes != last.processes)
            quiet = yk_after_ms(500);
        last = now;
    }
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

static int live(void *number)
{
    uint64_t i = (uint64_t)(uintptr_t)number;
    if (i % (VISITORS + ATTACKERS) < VISITORS)
        visitor_live(&all, i);
    else
        attacker_live(&all, i);
    return 0;
}

static void play_round(uint64_t number, uint64_t ms)
{
    yk_future *tasks[VISITORS + ATTACKERS];
    all.time_is_up = false;
    for (size_t i = 0; i < COUNT_OF(tasks); i++)
        tasks[i] = yk_task_start(live, (void *)(uintptr_t)(number * COUNT_OF(tasks) + i));
    yk_sleep_ms(ms);
    all.time_is_up = true;
    yk_await_all(tasks, COUNT_OF(tasks), YK_FOREVER);
    for (size_t i = 0; i < COUNT_OF(tasks); i++)
        yk_future_unref(tasks[i]);
}

static void show_round(uint64_t number)
{
    printf("round %3" PRIu64 ": %9" PRIu64 " requests, %7" PRIu64
           " attacks; %6.1f MiB, at most %6.1f; "
           "%d descriptors, at most %d\n",
           number, all.requests, all.attacks, last.memory / MIB, peak.memory / MIB, last.fds,
           peak.fds);
    fflush(stdout);
}

static int app(void *unused)
{
    (void)unused;
    uint64_t begin = yk_now(), end = begin + (uint64_t)(seconds * 1e9);
    uint64_t ms = seconds >= 60 ? 10000 : (uint64_t)(seconds * 1000 / 3);
    yk_future *watcher = yk_task_start(watch_peak, NULL);
    for (int i = 0; i < 20; i++) /* both workers start all that they ever start */
        visitor_look_around(&all);
    for (uint64_t number = 0; number < 2 || yk_now() < end; number++) {
        play_round(number, ms);
        settle();
        if (number == 0)
            first = last;
        compare();
        show_round(number);
        alarm((unsigned)(ms / 1000 + 120 * support_slowness()));
    }
    yk_future_cancel(watcher);
    yk_await(watcher);
    yk_future_unref(watcher);
    return 0;
}

static void check_memory(void)
{
    if (support_slowness() > 1) /* a checker keeps what was freed */
        return;
    if (last.memory > first.memory + MOST_GROWTH)
        wrong(&all, "memory has grown from %.1f to %.1f MiB", first.memory / MIB,
              last.memory / MIB);
    if (peak.memory > first.memory + (VISITORS + ATTACKERS) * MOST_EACH)
        wrong(&all, "%.1f MiB were needed at once", peak.memory / MIB);
}

/* ---- The program ----------------------------------------------------------------------------- */

static void hangs(int sig)
{
    static const char text[] = "server_soak: does not come to its end\n";
    (void)sig;
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    (void)n;
    proc_kill_descendants(getpid());
    unlink(site_file);
    _exit(70);
}

static void write_file(void)
{
    snprintf(site_file, sizeof site_file, "/tmp/yoke-soak-XXXXXX");
    int fd = mkostemp(site_file, O_CLOEXEC);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    for (size_t i = 0; file && i < SITE_FILE_SIZE; i++)
        fputc(site_byte(i), file);
    if (!file || fclose(file))
        wrong(&all, "%s cannot be written", site_file);
}

static pid_t start_server(int argc, char **argv)
{
    _Atomic uint16_t *port =
        mmap(NULL, sizeof *port, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = port == MAP_FAILED ? -1 : fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        exit(site_serve(argc, argv, 0, port));
    }
    while (pid > 0 && !*port && waitpid(pid, NULL, WNOHANG) == 0)
        usleep(1000);
    all.port = pid > 0 ? *port : 0;
    return pid;
}

static void stop_server(void)
{
    int status;
    kill(server, SIGTERM);
    waitpid(server, &status, 0);
    if (status != 0)
        wrong(&all, "the server ended with status %#x", (unsigned)status);
    proc_entry e[MOST_PROCESSES];
    if (proc_descendants(getpid(), e, MOST_PROCESSES) > 0)
        wrong(&all, "process %d is left over", (int)e[0].pid);
}

int main(int argc, char **argv)
{
    static _Atomic uint16_t bound;
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return site_serve(argc, argv, (uint16_t)atoi(argv[2]), &bound);
    seconds = argc > 1 ? atof(argv[1]) : DEFAULT_SECONDS;
    all.seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL) % 1000000;
    printf("seed %" PRIu64 "\n", all.seed);
    fflush(stdout);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGALRM, hangs);
    alarm((unsigned)(120 * support_slowness()));
    write_file();
    server = start_server(argc, argv);
    if (all.port == 0) {
        fprintf(stderr, "server_soak: cannot begin\n");
        return 1;
    }
    yk_main(argc, argv, app, NULL);
    check_memory();
    stop_server();
    unlink(site_file);
    printf("%" PRIu64 " requests on %" PRIu64 " connections, all answered as they should; %" PRIu64
           " attacks, %" PRIu64 " of them refused\n",
           all.requests, all.connections, all.attacks, all.refusals);
    printf(all.wrong ? "FAILED: %" PRIu64 " things went wrong\n" : "nothing went wrong\n",
           all.wrong);
    return all.wrong != 0;
}
