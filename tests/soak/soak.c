/* soak [SECONDS] [SEED] - jobs by the hundred thousand, on executors of every kind, from tasks and
 * from plain threads, while their workers are killed, stopped and starved.
 *
 * At the end every future has ended once and as it may, the statistics of every executor add up,
 * and no process, thread, descriptor, channel or block of the arena is left. Then the status is 0.
 * What goes wrong says so at once; what hangs is told where, and ends the soak with status 70.
 */
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "executor/init.h"
#include "loop/loop.h"
#include "soak.h"
#include "support/proc.h"
#include "support/support.h"

#define THREADS         3 /* customers on plain threads */
#define TASKS           4 /* customers in tasks of one loop */
#define PATIENCE_MS     60000
#define DEFAULT_SECONDS 120

tally total;
_Atomic bool time_is_up;
const char *const outcome_names[OUTCOMES] = { "done",      "failed",  "crashed", "timed out",
                                              "cancelled", "expired", "refused", "no worker" };

static uint64_t seed;
static yk_executor *friend; /* a process pool that jobs on threads submit to */
static _Atomic unsigned living;

/* ---- What is said --------------------------------------------------------------------------- */

void wrong(const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    count(&total.wrong, 1);
    fprintf(stderr, "\rsoak (seed %" PRIu64 "): %s\n", seed, text);
}

static uint64_t get(_Atomic uint64_t *n)
{
    return atomic_load_explicit(n, memory_order_relaxed);
}

static void show_progress(double seconds)
{
    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr,
            "\r%4.0f s  %" PRIu64 " jobs, %.0f a second; %" PRIu64 " workers, %" PRIu64
            " killed, %" PRIu64 " stopped; %" PRIu64 " zygotes killed ",
            seconds, get(&total.ended), (double)get(&total.ended) / (seconds > 0 ? seconds : 1),
            get(&total.workers_started), get(&total.kills), get(&total.stops),
            get(&total.zygotes_killed));
}

static void row(const char *what, uint64_t n)
{
    printf("  %-34s %10" PRIu64 "\n", what, n);
}

static void show_table(double seconds)
{
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    printf("soak of %.1f s, seed %" PRIu64 "\n", seconds, seed);
    row("sessions", get(&total.sessions));
    row("jobs", get(&total.ended));
    for (int i = 0; i < OUTCOMES; i++) {
        char what[40];
        snprintf(what, sizeof what, "  %s", outcome_names[i]);
        row(what, get(&total.outcomes[i]));
    }
    row("cancellations asked for", get(&total.cancels));
    row("records read from streams", get(&total.records));
    row("changes of size", get(&total.resized));
    row("traces written meanwhile", get(&total.traces));
    row("worker processes started", get(&total.workers_started));
    row("  died unasked", get(&total.workers_crashed));
    row("workers killed from outside", get(&total.kills));
    row("workers stopped and continued", get(&total.stops));
    row("zygotes killed", get(&total.zygotes_killed));
    row("zygotes stopped and continued", get(&total.zygotes_stopped));
    printf("  %-34s %10.0f\n", "jobs a second", (double)get(&total.ended) / seconds);
}

/* ---- Customers ------------------------------------------------------------------------------ */

static void *thread_main(void *stream)
{
    customer_live(seed, (uint64_t)(uintptr_t)stream, friend);
    atomic_fetch_sub(&living, 1);
    return NULL;
}

static int task_main(void *stream)
{
    customer_live(seed, (uint64_t)(uintptr_t)stream, NULL);
    return 0;
}

static int all_tasks(void *unused)
{
    (void)unused;
    yk_future *tasks[TASKS];
    for (int i = 0; i < TASKS; i++)
        tasks[i] = yk_task_start(task_main, (void *)(uintptr_t)(100 + i));
    int err = yk_await_all(tasks, TASKS, YK_FOREVER);
    for (int i = 0; i < TASKS; i++)
        yk_future_unref(tasks[i]);
    return err;
}

static void *loop_main(void *unused)
{
    (void)unused;
    yk_loop *loop = yk_loop_new();
    yk_future *all = yk_task_start(all_tasks, NULL);
    int err = yk_loop_run_until(loop, all);
    if (err)
        wrong("the loop ended with %s", yk_strerror(err));
    yk_future_unref(all);
    yk_loop_close(loop);
    atomic_fetch_sub(&living, 1);
    return NULL;
}

static pthread_t threads[THREADS + 1];

static int start_customers(void)
{
    atomic_store(&living, THREADS + 1);
    for (uintptr_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, thread_main, (void *)i))
            return -1;
    return pthread_create(&threads[THREADS], NULL, loop_main, NULL) ? -1 : 0;
}

static void join_customers(void)
{
    for (int i = 0; i <= THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* ---- The program ---------------------------------------------------------------------------- */

static _Noreturn void hangs(void)
{
    static proc_entry e[256];
    fprintf(stderr, "\nsoak (seed %" PRIu64 "): does not come to its end; %u customers live\n",
            seed, atomic_load(&living));
    size_t n = proc_descendants(getpid(), e, 256);
    proc_dump(getpid(), STDERR_FILENO);
    for (size_t i = 0; i < n && i < 256; i++)
        proc_dump(e[i].pid, STDERR_FILENO);
    if (getenv("YOKE_SOAK_STAY")) /* for a debugger */
        pause();
    proc_kill_descendants(getpid());
    _exit(70);
}

static double seconds_since(uint64_t begin)
{
    return (double)(yk_now() - begin) / 1e9;
}

static void watch(uint64_t begin, double seconds)
{
    double patience = PATIENCE_MS / 1000.0 * support_slowness();
    while (atomic_load(&living) > 0) {
        poll(NULL, 0, 100);
        double now = seconds_since(begin);
        show_progress(now);
        if (now > seconds)
            atomic_store(&time_is_up, true);
        if (now > seconds + patience)
            hangs();
    }
}

static void soak(double seconds)
{
    uint64_t begin = yk_now();
    friend = yk_process_pool(.workers = 2, .name = "friend");
    if (start_customers() || trouble_begin(seed))
        wrong("no thread could be started");
    watch(begin, seconds);
    join_customers();
    trouble_end();
    yk_executor_close(friend);
    if (get(&total.submitted) != get(&total.ended))
        wrong("%" PRIu64 " jobs were submitted, and %" PRIu64 " ended", get(&total.submitted),
              get(&total.ended));
    const char *left = support_leftovers();
    if (left)
        wrong("%s", left);
    show_table(seconds_since(begin));
}

/* Does once what stays for good: libuv keeps a pipe for signals from its first loop on, a sanitizer
 * a thread of its own from the first thread on. */
static void warm_up(void)
{
    yk_loop_close(yk_loop_new());
    support_first_thread();
    support_take_baseline();
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : DEFAULT_SECONDS;
    seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL) % 1000000;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (trouble_prepare(seed) || yk_init()) {
        fprintf(stderr, "soak: cannot begin\n");
        return 1;
    }
    warm_up();
    printf("seed %" PRIu64 "\n", seed);
    fflush(stdout);
    soak(seconds);
    printf(get(&total.wrong) ? "FAILED: %" PRIu64 " things went wrong\n" : "nothing went wrong\n",
           get(&total.wrong));
    return get(&total.wrong) != 0;
}
