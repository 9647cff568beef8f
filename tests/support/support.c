#include "support.h"

#include <errno.h>
#include <execinfo.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "executor/arena.h"
#include "executor/clock.h"
#include "executor/error.h"
#include "executor/init.h"
#include "proc.h"

bool (*support_pause_in_task)(void);

/* ---- How slow it is here -------------------------------------------------------------------- */

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 4
#else
#define SANITIZED 1
#endif

#ifdef __SANITIZE_THREAD__
#define RUNTIME_THREADS 1
#else
#define RUNTIME_THREADS 0
#endif

bool support_under_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD"); /* it comes in by it */
    return preload && strstr(preload, "vgpreload");
}

bool support_has_pidfds(void)
{
    int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (pidfd >= 0)
        close(pidfd);
    return pidfd >= 0;
}

const char *support_self(void)
{
    static char path[4096];
    return readlink("/proc/self/exe", path, sizeof path - 1) > 0 ? path : "";
}

unsigned support_slowness(void)
{
    return support_under_valgrind() ? 20 : SANITIZED;
}

size_t support_rounds(size_t n)
{
    size_t here = n / support_slowness();
    return here ? here : 1;
}

void support_pause(void)
{
    if (support_pause_in_task && support_pause_in_task())
        return;
    struct timespec moment = { 0, 200000 };
    ppoll(NULL, 0, &moment, NULL);
}

/* ---- Sanitizers ------------------------------------------------------------------------------ */

/* ---- The watchdog --------------------------------------------------------------------------- */

/* Written by the main thread, read by the watchdog. */
static _Atomic(const char *) running_test, circumstances;
static _Atomic uint64_t expires;
static pthread_t main_thread;
static _Atomic bool stack_written;

void support_note(const char *text)
{
    atomic_store(&circumstances, text);
}

static void write_stack(int sig)
{
    (void)sig;
    void *frames[64];
    int n = backtrace(frames, 64);
    backtrace_symbols_fd(frames, n, STDERR_FILENO);
    atomic_store(&stack_written, true);
}

static void dump_everything(void)
{
    const char *test = atomic_load(&running_test), *in = atomic_load(&circumstances);
    dprintf(STDERR_FILENO, "watchdog: %s takes too long%s%s\nstack of the main thread:\n",
            test ? test : "(no test)", in ? ", " : "", in ? in : "");
    /* A sanitizer may hold the signal back while the thread sleeps: wait a little, and no more. */
    pthread_kill(main_thread, SIGUSR2);
    for (int i = 0; i < 1000 && !atomic_load(&stack_written); i++)
        poll(NULL, 0, 1);
    proc_entry e[256];
    size_t n = proc_descendants(getpid(), e, 256);
    proc_dump(getpid(), STDERR_FILENO);
    for (size_t i = 0; i < n && i < 256; i++)
        proc_dump(e[i].pid, STDERR_FILENO);
}

/* Of the watchdog with one test, milliseconds. Long, since a shared machine may stand still for a
 * minute, and less than ctest's, which would tell nothing. */
static uint64_t patience(void)
{
    uint64_t ms = 90000ull * support_slowness();
    return ms > 240000 && !support_under_valgrind() ? 240000 : ms;
}

static void *watchdog(void *unused)
{
    (void)unused;
    pthread_setname_np(pthread_self(), "watchdog");
    for (;;) {
        uint64_t end = atomic_load(&expires), now = yk_now();
        if (now >= end)
            break;
        uint64_t ms = (end - now) / 1000000u + 1;
        poll(NULL, 0, ms > 1000 ? 1000 : (int)ms);
    }
    dump_everything();
    proc_kill_descendants(getpid());
    _exit(70);
}

static int start_watchdog(void)
{
    void *frame[1];
    backtrace(frame, 1); /* loads what it needs, which it could not do in a signal handler */
    main_thread = pthread_self();
    signal(SIGUSR2, write_stack);
    atomic_store(&expires, YK_FOREVER);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int rc = pthread_create(&thread, NULL, watchdog, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        pthread_detach(thread);
    return rc;
}

/* ---- What is left over ---------------------------------------------------------------------- */

static struct {
    int fds, threads;
} baseline;

void support_take_baseline(void)
{
    baseline.fds = proc_fds(0);
    baseline.threads = proc_threads(0);
}

static void *return_at_once(void *arg)
{
    return arg;
}

void support_first_thread(void)
{
    pthread_t first;
    if (pthread_create(&first, NULL, return_at_once, NULL))
        return;
    pthread_join(first, NULL); /* who has been joined may be seen a moment longer */
    while (proc_threads(0) > 1 + RUNTIME_THREADS)
        support_pause();
}

static bool reap_if_orphan(const proc_entry *e)
{
    return e->state == 'Z' && e->parent == getpid() && waitpid(e->pid, NULL, WNOHANG) == e->pid;
}

static bool process_left(char *text, size_t size)
{
    proc_entry e[256];
    size_t n = proc_descendants(getpid(), e, 256), zygotes = 0;
    for (size_t i = 0; i < n && i < 256; i++) {
        if (reap_if_orphan(&e[i]))
            continue;
        if (strcmp(e[i].name, "yoke-zygote") == 0 && ++zygotes <= 2)
            continue;
        snprintf(text, size, "process %d '%s' (state %c) is left", (int)e[i].pid, e[i].name,
                 e[i].state);
        return true;
    }
    return false;
}

static bool anything_left(char *text, size_t size)
{
    int fds = proc_fds(0), threads = proc_threads(0), channels = proc_mappings(0, "yoke-channel");
    if (process_left(text, size))
        return true;
    if (threads != baseline.threads)
        snprintf(text, size, "%d threads, there were %d", threads, baseline.threads);
    else if (fds != baseline.fds)
        snprintf(text, size, "%d descriptors, there were %d", fds, baseline.fds);
    else if (channels != 0)
        snprintf(text, size, "%d channels are mapped", channels);
    else if (yk_arena_used() != 0)
        snprintf(text, size, "%zu bytes of the arena are in use", yk_arena_used());
    else
        return false;
    return true;
}

const char *support_leftovers_within(uint64_t ms)
{
    static char text[256];
    uint64_t give_up = yk_after_ms(ms);
    while (anything_left(text, sizeof text)) {
        if (yk_now() > give_up)
            return text;
        support_pause();
    }
    return NULL;
}

const char *support_leftovers(void)
{
    return support_leftovers_within(3000ull * support_slowness());
}

/* ---- A test --------------------------------------------------------------------------------- */

static bool broken; /* a test has left a loop and a task without their ends */

int support_before(void **state)
{
    if (broken) {
        fprintf(stderr, "%s and those after it are not run\n", (const char *)*state);
        fflush(NULL);
        proc_kill_descendants(getpid());
        _exit(1);
    }
    atomic_store(&running_test, (const char *)*state);
    atomic_store(&circumstances, NULL);
    atomic_store(&expires, yk_after_ms(patience()));
    return 0;
}

int support_after(void **state)
{
    (void)state;
    const char *in = atomic_load(&circumstances);
    if (in) {
        fprintf(stderr, "%s ended %s\n", running_test, in);
        broken = support_pause_in_task != NULL;
        return 0; /* it has failed, and what it left is no news */
    }
    const char *left = support_leftovers();
    if (left)
        fprintf(stderr, "after %s: %s\n", running_test, left);
    return left ? -1 : 0;
}

static int group_before(void **state)
{
    (void)state;
    if (start_watchdog())
        return -1;
    if (support_warm_up)
        support_warm_up();
    support_take_baseline();
    return 0;
}

static int group_after(void **state)
{
    (void)state;
    atomic_store(&expires, yk_after_ms(patience())); /* for the exit */
    atomic_store(&running_test, "the end of the program");
    return 0;
}

/* The arena is as large as the machine's memory. Valgrind keeps book of every page of it, in every
 * process, so there it has to make do with less: what a limit on the address space leaves it. */
static int init_with_a_small_arena(void)
{
    struct rlimit before, less;
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file || fscanf(file, "%lu", &pages) != 1 || getrlimit(RLIMIT_AS, &before))
        pages = 0;
    if (file)
        fclose(file);
    if (pages == 0)
        return yk_init();
    less = before;
    less.rlim_cur = pages * 4096 + ((rlim_t)400 << 20);
    setrlimit(RLIMIT_AS, &less);
    int err = yk_init();
    setrlimit(RLIMIT_AS, &before);
    return err;
}

int support_run(const char *name, const struct CMUnitTest *tests, size_t n)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    int err = support_under_valgrind() ? init_with_a_small_arena() : yk_init();
    if (err) {
        fprintf(stderr, "yk_init: %s\n", yk_strerror(err));
        return 1;
    }
    const char *only = getenv("YOKE_TEST");
    struct CMUnitTest *chosen = calloc(n, sizeof *chosen);
    size_t k = 0;
    for (size_t i = 0; chosen && i < n; i++)
        if (!only || strstr(tests[i].name, only))
            chosen[k++] = tests[i];
    int failed = _cmocka_run_group_tests(name, chosen, k, group_before, group_after);
    free(chosen);
    return failed;
}
