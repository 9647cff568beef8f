/* The watchdog: a thread that looks every now and then whether the loops in debug mode go on.
 *
 * A loop goes on if steps and turns begin and end, or if libuv says that it has spent time waiting.
 * One that has not for `slow` is asked where it is, by a signal. That is no hold if the thread is
 * neither in a task nor in a turn nor in uv_run at all: the program is doing something else.
 *
 * What there is to say is collected under the lock, and said without it: the log's hook may call
 * anything.
 */
#include "watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../executor/interrupt.h"

#define UV_RUN       ((void (*)(void))uv_run)
#define PATIENCE     (200 * 1000000ull) /* for an answer */
#define LOOK_AT_MOST (25 * 1000000ull)

static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER; /* of the thread; taken before `lock` */
static pthread_t thread;
static bool handles_usr1; /* under `life` */
static int ask_signal;    /* 0: there is none. Written once, under `life` */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static yk__debug *loops; /* under the lock */

/* Any thread, handlers too; sequentially consistent. */
static _Atomic uint32_t bell; /* rung when there is something to be done at once */
static _Atomic bool stop, tree_wanted;

static void ring(void)
{
    atomic_fetch_add(&bell, 1);
    yk__futex_wake(&bell, 1, false);
}

/* ---- Signals --------------------------------------------------------------------------------- */

/* On the loop's thread, wherever it is. */
static void on_ask(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)info;
    int saved_errno = errno;
    const yk_loop *loop = yk__loop_here;
    yk__debug *d = loop ? loop->debug : NULL;
    uint32_t asked = d ? atomic_load_explicit(&d->asked, memory_order_acquire) : 0;
    if (d && asked != atomic_load_explicit(&d->answered, memory_order_relaxed)) {
        d->in_turn = loop->turning;
        yk__backtrace_take(&d->where, context);
        atomic_store_explicit(&d->answered, asked, memory_order_release);
        yk__futex_wake(&d->answered, 1, false);
    }
    errno = saved_errno;
}

static void on_usr1(int sig)
{
    (void)sig;
    int saved_errno = errno;
    atomic_store(&tree_wanted, true);
    ring();
    errno = saved_errno;
}

static void take_ask_signal(void)
{
    struct sigaction ask = { .sa_sigaction = on_ask,
                             .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK };
    sigfillset(&ask.sa_mask);
    yk__backtrace_prepare();
    ask_signal = yk__interrupt_take_signal(&ask);
}

static void allow_ask_signal(void)
{
    sigset_t set;
    sigemptyset(&set);
    if (ask_signal && sigaddset(&set, ask_signal) == 0)
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static bool is_handler(int sig, void (*handler)(int))
{
    struct sigaction now;
    return sigaction(sig, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
           now.sa_handler == handler;
}

static void catch_usr1(void)
{
    struct sigaction action = { .sa_handler = on_usr1, .sa_flags = SA_RESTART | SA_ONSTACK };
    sigemptyset(&action.sa_mask);
    handles_usr1 = is_handler(SIGUSR1, SIG_DFL) && sigaction(SIGUSR1, &action, NULL) == 0;
}

static void release_usr1(void)
{
    if (handles_usr1 && is_handler(SIGUSR1, on_usr1))
        signal(SIGUSR1, SIG_DFL);
    handles_usr1 = false;
}

/* ---- Looking at a loop ----------------------------------------------------------------------- */

/* Something to say. */
struct report {
    struct report *next;
    char *text; /* the tree; NULL: the rest, of one that holds its loop */
    bool to_stderr, in_task, runs, has_stack;
    char task[YK__TASK_NAME];
    int thread;
    uint64_t held; /* nanoseconds */
    yk__backtrace where;
};

static bool ask_where(yk__debug *d)
{
    uint32_t asked = atomic_load(&d->asked);
    if (!ask_signal || atomic_load_explicit(&d->answered, memory_order_acquire) != asked)
        return false;
    atomic_store_explicit(&d->asked, asked + 1, memory_order_release);
    if (syscall(SYS_tgkill, getpid(), d->thread, ask_signal) != 0)
        return false;
    uint64_t deadline = yk_now() + PATIENCE;
    while (atomic_load_explicit(&d->answered, memory_order_acquire) == asked)
        if (yk__futex_wait(&d->answered, asked, deadline, false) == UV_ETIMEDOUT)
            return atomic_load_explicit(&d->answered, memory_order_acquire) != asked;
    return true;
}

static void copy_name(const yk__debug *d, char *to)
{
    for (size_t i = 0; i < YK__TASK_NAME / sizeof(uint64_t); i++) {
        uint64_t part = atomic_load_explicit(&d->name[i], memory_order_relaxed);
        memcpy(to + i * sizeof part, &part, sizeof part);
    }
}

/* Who holds it. NULL: nobody any more, or no memory. */
static struct report *ask_holder(yk__debug *d)
{
    struct report *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    uint64_t moves = atomic_load_explicit(&d->moves, memory_order_relaxed);
    uint64_t began = atomic_load_explicit(&d->step_began, memory_order_relaxed);
    r->thread = d->thread;
    r->held = yk_now() - (began ? began : d->moved_at);
    r->in_task = began != 0;
    copy_name(d, r->task);
    r->has_stack = ask_where(d);
    if (r->has_stack)
        r->where = d->where;
    r->runs = r->in_task || (r->has_stack && (d->in_turn || r->where.n == YK__CRASH_FRAMES ||
                                              yk__backtrace_is_in(&r->where, UV_RUN)));
    if (atomic_load_explicit(&d->moves, memory_order_relaxed) == moves)
        return r;
    free(r);
    return NULL;
}

static bool has_moved(yk__debug *d)
{
    uint64_t moves = atomic_load_explicit(&d->moves, memory_order_relaxed);
    uint64_t idle = uv_metrics_idle_time(d->loop->uv);
    bool moved = moves != d->seen_moves || idle != d->seen_idle;
    d->seen_moves = moves;
    d->seen_idle = idle;
    return moved;
}

static void put(struct report ***end, struct report *r)
{
    if (!r)
        return;
    **end = r;
    *end = &r->next;
}

static void look_for_hold(yk__debug *d, struct report ***end)
{
    uint64_t now = yk_now();
    if (has_moved(d)) {
        d->moved_at = now;
        d->report_at = d->slow;
    }
    if (now - d->moved_at < d->report_at)
        return;
    struct report *r = ask_holder(d);
    d->report_at = 2 * (now - d->moved_at);
    if (r && r->runs)
        put(end, r);
    else
        free(r);
}

static void look_for_tree(yk__debug *d, struct report ***end)
{
    char *text = atomic_exchange(&d->text, NULL);
    struct report *r = NULL;
    if (text)
        r = calloc(1, sizeof *r);
    else if (d->wanted_at && yk_now() - d->wanted_at >= d->slow)
        r = ask_holder(d);
    if (text || r)
        d->wanted_at = 0;
    if (!r) {
        free(text);
        return;
    }
    r->text = text;
    r->to_stderr = true;
    put(end, r);
}

static void want_tree(yk__debug *d)
{
    d->wanted_at = yk_now();
    if (atomic_exchange(&d->told, false))
        yk__loop_post(d->loop, &d->tell);
}

/* All there is to say, and when to look again. */
static struct report *look_at_all(uint64_t *next)
{
    struct report *first = NULL, **end = &first;
    uint64_t interval = LOOK_AT_MOST;
    bool wanted = atomic_exchange(&tree_wanted, false);
    pthread_mutex_lock(&lock);
    for (yk__debug *d = loops; d; d = d->next) {
        if (wanted)
            want_tree(d);
        look_for_tree(d, &end);
        look_for_hold(d, &end);
        interval = d->slow / 4 < interval ? d->slow / 4 : interval;
    }
    pthread_mutex_unlock(&lock);
    *next = yk_now() + interval;
    return first;
}

/* ---- Saying it ------------------------------------------------------------------------------- */

static void write_all(const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t n = write(STDERR_FILENO, text, left);
        if (n <= 0 && errno != EINTR)
            return;
        text += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
}

static void write_holder(FILE *to, const struct report *r)
{
    if (!r->runs)
        fprintf(to, "loop of thread %d: nobody runs it", r->thread);
    else if (r->in_task)
        fprintf(to, "task '%s' has held the loop for %llu ms", r->task,
                (unsigned long long)(r->held / 1000000u));
    else
        fprintf(to, "a callback has held the loop for %llu ms",
                (unsigned long long)(r->held / 1000000u));
    fprintf(to, r->has_stack ? ":\n" : "\n");
    char *frames = r->has_stack ? yk__backtrace_text(&r->where) : NULL;
    fputs(frames ? frames : "", to);
    free(frames);
}

static char *holder_text(const struct report *r)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return NULL;
    write_holder(to, r);
    fclose(to);
    return text;
}

static void say(struct report *r)
{
    char *text = r->text ? r->text : holder_text(r);
    if (text && r->to_stderr)
        write_all(text);
    else if (text)
        yk__log_lines(text);
    free(text);
    free(r);
}

/* ---- The thread ------------------------------------------------------------------------------ */

static void *watch(void *unused)
{
    (void)unused;
    while (!atomic_load(&stop)) {
        uint32_t rung = atomic_load(&bell);
        uint64_t next;
        struct report *r = look_at_all(&next), *rest;
        for (; r; r = rest) {
            rest = r->next;
            say(r);
        }
        if (!atomic_load(&tree_wanted) && !atomic_load(&stop))
            yk__futex_wait(&bell, rung, next, false);
    }
    return NULL;
}

static int start(void)
{
    sigset_t all, before;
    atomic_store(&stop, false);
    yk__interrupt_mask(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&thread, NULL, watch, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err)
        return -err;
    pthread_setname_np(thread, "yoke-watchdog");
    catch_usr1();
    return 0;
}

static void finish(void)
{
    release_usr1();
    atomic_store(&stop, true);
    ring();
    pthread_join(thread, NULL);
}

/* The child has neither the thread nor the loops. */
static void in_forked_child(void)
{
    pthread_mutex_init(&life, NULL);
    pthread_mutex_init(&lock, NULL);
    loops = NULL;
    release_usr1();
}

static void prepare(void)
{
    pthread_atfork(NULL, NULL, in_forked_child);
    take_ask_signal();
}

int yk__watchdog_add(yk__debug *d)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare);
    allow_ask_signal();
    d->moved_at = yk_now();
    d->report_at = d->slow;
    pthread_mutex_lock(&life);
    int err = loops ? 0 : start(); /* written under both locks */
    if (!err) {
        pthread_mutex_lock(&lock);
        d->next = loops;
        loops = d;
        pthread_mutex_unlock(&lock);
    }
    pthread_mutex_unlock(&life);
    return err;
}

void yk__watchdog_remove(yk__debug *d)
{
    pthread_mutex_lock(&life);
    pthread_mutex_lock(&lock);
    yk__debug **at = &loops;
    while (*at && *at != d)
        at = &(*at)->next;
    bool last = false;
    if (*at) {
        *at = d->next;
        last = !loops;
    }
    pthread_mutex_unlock(&lock);
    if (last)
        finish();
    pthread_mutex_unlock(&life);
}
