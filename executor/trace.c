/* The trace: a ring of events, and a thread that turns them into JSON.
 *
 * The ring takes events of any thread without a lock. Each cell has a turn: the number of the event
 * that may be written into it, and one more once that is written; the reader, of whom there is one,
 * gives the cell to the event one round later. A writer takes the next number by compare-and-swap,
 * and only when its cell is free: so no number is lost, and a full ring is seen before anything is
 * touched. (Dmitry Vyukov's bounded queue.) The ring is made by the first start and never freed: a
 * thread that saw `yk__trace_on` just before the stop may still write to it.
 *
 * The format: "Trace Event Format", in the variant of a JSON array. A line is an event, and only
 * whole lines are written.
 */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "internal.h"
#include "park.h"
#include "text.h"
#include "trace_events.h"

#define RING        ((uint64_t)1 << 15) /* events; a power of two */
#define EVERY       ((uint64_t)20 * 1000000)
#define EVENT_MAX   1024 /* bytes that one event makes at most */
#define OUTPUT      ((size_t)1 << 16)
#define LANES       ((size_t)1 << 10)         /* workers whose names are known to be written */
#define LAST_EVENTS ((uint64_t)100 * 1000000) /* for an event that is being written at the stop */

enum kind { BEGIN, END, NEVER_RAN, WORKER, CANCEL };

struct event {
    enum kind kind;
    int value; /* what came of a job; of what happened to a worker */
    uint64_t at, submitted;
    const void *id;
    const char *what;
    yk__lane lane;
    char name[YK__NAME_MAX];
};

struct cell {
    alignas(YK__CACHE_LINE) _Atomic uint64_t turn; /* release when the event is written or read */
    struct event event;
};

_Atomic bool yk__trace_on;

static struct cell *ring; /* set before yk__trace_on for the first time, then for ever */
static _Atomic uint64_t tail, dropped;
static _Atomic uint32_t bell; /* the writing thread sleeps on it; 1: there is reason to look */

/* The writing thread's, and of those who start and stop it, under the lock. */
static struct {
    uint64_t head, started;
    int fd, err;
    bool own_fd;
    pid_t process;
    char *output;
    yk__text text;
    struct {
        pid_t pid, tid;
    } lanes[LANES];
} writer;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool running; /* under the lock */
static pthread_t thread;
static _Atomic bool stopping;

/* ---- Into the ring -------------------------------------------------------------------------- */

static void ring_the_bell(void)
{
    if (atomic_exchange(&bell, 1) == 0)
        yk__futex_wake(&bell, 1, false);
}

static void put(const struct event *e)
{
    uint64_t n = atomic_load_explicit(&tail, memory_order_relaxed);
    for (;;) {
        struct cell *c = &ring[n % RING];
        int64_t late = (int64_t)(atomic_load_explicit(&c->turn, memory_order_acquire) - n);
        if (late < 0) {
            atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
            return;
        }
        if (late > 0) {
            n = atomic_load_explicit(&tail, memory_order_relaxed);
        } else if (atomic_compare_exchange_weak_explicit(&tail, &n, n + 1, memory_order_relaxed,
                                                         memory_order_relaxed)) {
            c->event = *e;
            atomic_store_explicit(&c->turn, n + 1, memory_order_release);
            if (n % (RING / 4) == 0)
                ring_the_bell();
            return;
        }
    }
}

static bool get(struct event *e)
{
    struct cell *c = &ring[writer.head % RING];
    if (atomic_load_explicit(&c->turn, memory_order_acquire) != writer.head + 1)
        return false;
    *e = c->event;
    atomic_store_explicit(&c->turn, writer.head + RING, memory_order_release);
    writer.head++;
    return true;
}

/* ---- What happens --------------------------------------------------------------------------- */

static struct event of_job(enum kind kind, const yk__work *work, uint64_t at)
{
    struct event e = { .kind = kind, .at = at, .submitted = work->stamped, .id = work };
    memcpy(e.name, work->name, sizeof e.name);
    return e;
}

void yk__trace_begin(const yk__lane *lane, const yk__work *work, uint64_t began)
{
    struct event e = of_job(BEGIN, work, began);
    e.lane = *lane;
    put(&e);
}

void yk__trace_end(const yk__lane *lane, const yk__work *work, uint64_t ended, int code)
{
    struct event e = of_job(END, work, ended);
    e.lane = *lane;
    e.value = code;
    put(&e);
}

void yk__trace_never_ran(const yk__work *work, int code)
{
    struct event e = of_job(NEVER_RAN, work, yk_now());
    e.value = code;
    put(&e);
}

void yk__trace_worker_event(const yk__lane *lane, const char *what, int value)
{
    struct event e = {
        .kind = WORKER, .value = value, .at = yk_now(), .what = what, .lane = *lane
    };
    put(&e);
}

void yk__trace_cancel_event(const yk_future *f)
{
    struct event e = { .kind = CANCEL, .at = yk_now(), .id = f };
    e.lane.tid = gettid();
    put(&e);
}

/* ---- Writing -------------------------------------------------------------------------------- */

static void write_out(void)
{
    const char *at = writer.output;
    size_t left = writer.text.len;
    while (left > 0 && !writer.err) {
        ssize_t n = write(writer.fd, at, left);
        if (n < 0 && errno != EINTR)
            writer.err = -errno;
        at += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
    yk__text_start(&writer.text, writer.output, OUTPUT);
}

static void line(const char *name, const char *category, char phase, pid_t pid, pid_t tid)
{
    yk__text_add(&writer.text, "{\"name\":\"");
    yk__text_json(&writer.text, name[0] ? name : "job");
    yk__text_add(&writer.text, "\",\"cat\":\"%s\",\"ph\":\"%c\",\"pid\":%d,\"tid\":%d", category,
                 phase, (int)pid, (int)tid);
}

/* Microseconds, as the format wants them. */
static void when(uint64_t ns)
{
    yk__text_add(&writer.text, ",\"ts\":%llu.%03u", (unsigned long long)(ns / 1000),
                 (unsigned)(ns % 1000));
}

static void name_of_line(const char *what, const char *name, unsigned worker, const yk__lane *lane)
{
    line(what, "__metadata", 'M', lane->pid, lane->tid);
    yk__text_add(&writer.text, ",\"args\":{\"name\":\"");
    yk__text_json(&writer.text, name);
    if (worker != UINT_MAX)
        yk__text_add(&writer.text, "-%u", worker);
    yk__text_add(&writer.text, "\"}},\n");
}

static bool is_new(const yk__lane *lane)
{
    size_t at = ((uint32_t)lane->tid * 2654435769u) % LANES;
    for (size_t i = 0; i < 8; i++, at = (at + 1) % LANES) {
        if (writer.lanes[at].pid == lane->pid && writer.lanes[at].tid == lane->tid)
            return false;
        if (writer.lanes[at].tid == 0)
            break;
    }
    /* A place that is taken is written over: to name a line twice does no harm. */
    writer.lanes[at].pid = lane->pid;
    writer.lanes[at].tid = lane->tid;
    return true;
}

static void introduce(const yk__lane *lane)
{
    if (lane->executor[0] == '\0' || lane->tid == 0 || !is_new(lane))
        return;
    if (lane->pid != writer.process)
        name_of_line("process_name", lane->executor, lane->worker, lane);
    name_of_line("thread_name", lane->executor, lane->worker, lane);
}

static void outcome(int code)
{
    const char *text = code == 0 ? "done" : code == YK_ECANCELED ? "cancelled" : yk_errname(code);
    yk__text_add(&writer.text, ",\"args\":{\"outcome\":\"");
    yk__text_json(&writer.text, text);
    yk__text_add(&writer.text, "\"}},\n");
}

static void queued(const struct event *e)
{
    line(e->name, "queue", 'b', writer.process, writer.process);
    when(e->submitted);
    yk__text_add(&writer.text, ",\"id\":\"%p\"},\n", e->id);
    line(e->name, "queue", 'e', writer.process, writer.process);
    when(e->at);
    yk__text_add(&writer.text, ",\"id\":\"%p\"", e->id);
    if (e->kind == NEVER_RAN)
        outcome(e->value);
    else
        yk__text_add(&writer.text, "},\n");
}

static void began(const struct event *e)
{
    line(e->name, "job", 'B', e->lane.pid, e->lane.tid);
    when(e->at);
    yk__text_add(&writer.text, ",\"args\":{\"id\":\"%p\"}},\n", e->id);
}

static void ended(const struct event *e)
{
    line(e->name, "job", 'E', e->lane.pid, e->lane.tid);
    when(e->at);
    outcome(e->value);
}

static void moment(const struct event *e)
{
    const yk__lane *lane = &e->lane;
    pid_t pid = lane->pid ? lane->pid : writer.process;
    line(e->kind == CANCEL ? "cancel" : e->what, "worker", 'i', pid, lane->tid ? lane->tid : pid);
    when(e->at);
    if (e->kind == CANCEL)
        yk__text_add(&writer.text, ",\"s\":\"t\",\"args\":{\"id\":\"%p\"}},\n", e->id);
    else
        yk__text_add(&writer.text, ",\"s\":\"t\",\"args\":{\"worker\":%u,\"value\":%d}},\n",
                     lane->worker, e->value);
}

static void write_event(const struct event *e)
{
    if (e->at < writer.started || (e->submitted && e->submitted < writer.started))
        return; /* of before: it may even come too late for the trace before this one */
    if (writer.text.len + 4 * EVENT_MAX > OUTPUT)
        write_out();
    introduce(&e->lane);
    if (e->kind == BEGIN || e->kind == NEVER_RAN)
        queued(e);
    if (e->kind == BEGIN)
        began(e);
    else if (e->kind == END)
        ended(e);
    else if (e->kind != NEVER_RAN)
        moment(e);
}

static void write_all(void)
{
    struct event e;
    while (get(&e))
        write_event(&e);
    write_out();
}

/* An event may have its number, and not be written yet, when the trace is stopped. */
static void write_the_last(void)
{
    uint64_t end = atomic_load(&tail), give_up = yk_now() + LAST_EVENTS;
    write_all();
    while (writer.head < end && yk_now() < give_up) {
        sched_yield();
        write_all();
    }
}

static void *writer_main(void *unused)
{
    (void)unused;
    pthread_setname_np(pthread_self(), "yoke-trace");
    while (!atomic_load(&stopping)) {
        yk__futex_wait(&bell, 0, yk_now() + EVERY, false);
        atomic_store(&bell, 0);
        write_all();
    }
    return NULL;
}

/* ---- Start and stop ------------------------------------------------------------------------- */

static int make_ring(void)
{
    if (ring)
        return 0;
    ring = aligned_alloc(YK__CACHE_LINE, RING * sizeof *ring);
    if (!ring)
        return UV_ENOMEM;
    for (uint64_t i = 0; i < RING; i++)
        atomic_init(&ring[i].turn, i);
    return 0;
}

static void write_head(void)
{
    yk__lane program = { .pid = writer.process, .tid = writer.process };
    yk__text_add(&writer.text, "[\n");
    name_of_line("process_name", program_invocation_short_name, UINT_MAX, &program);
    write_out();
}

static void write_end(void)
{
    line("end of the trace", "trace", 'i', writer.process, writer.process);
    when(yk_now());
    yk__text_add(&writer.text, ",\"s\":\"g\",\"args\":{\"dropped\":%llu}}\n]\n",
                 (unsigned long long)yk_trace_dropped());
    write_out();
}

static int start_thread(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&thread, NULL, writer_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

static void stop_at_exit(void)
{
    yk_trace_stop();
}

/* Under the lock. */
static int start(int fd)
{
    static bool registered;
    int err = make_ring();
    if (err)
        return err;
    writer.output = malloc(OUTPUT);
    if (!writer.output)
        return UV_ENOMEM;
    yk__text_start(&writer.text, writer.output, OUTPUT);
    memset(writer.lanes, 0, sizeof writer.lanes);
    writer.fd = fd;
    writer.process = getpid();
    writer.started = yk_now();
    writer.err = 0;
    write_head();
    atomic_store(&dropped, 0);
    atomic_store(&stopping, false);
    err = writer.err ? writer.err : start_thread();
    if (err) {
        free(writer.output);
        return err;
    }
    if (!registered)
        registered = atexit(stop_at_exit) == 0;
    running = true;
    atomic_store(&yk__trace_on, true);
    return 0;
}

/* Under the lock. A process that was forked while a trace was written has no part in it. */
static bool is_running(void)
{
    return running && writer.process == getpid();
}

/* Under the lock. */
static int start_new_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    int err = start(fd);
    if (err)
        close(fd);
    return err;
}

static int start_on(const char *path, int fd)
{
    pthread_mutex_lock(&lock);
    int err = is_running() ? UV_EALREADY : path ? start_new_file(path) : start(fd);
    if (!err)
        writer.own_fd = path != NULL;
    pthread_mutex_unlock(&lock);
    return err;
}

int yk_trace_start_fd(int fd)
{
    return fd < 0 ? UV_EBADF : start_on(NULL, fd);
}

int yk_trace_start(const char *path)
{
    return path ? start_on(path, -1) : UV_EINVAL;
}

/* Under the lock. */
static int stop(void)
{
    atomic_store(&yk__trace_on, false);
    atomic_store(&stopping, true);
    ring_the_bell();
    pthread_join(thread, NULL);
    write_the_last();
    write_end();
    if (writer.own_fd && close(writer.fd) && !writer.err)
        writer.err = -errno;
    free(writer.output);
    running = false;
    return writer.err;
}

int yk_trace_stop(void)
{
    pthread_mutex_lock(&lock);
    int err = is_running() ? stop() : UV_EINVAL;
    pthread_mutex_unlock(&lock);
    return err;
}

uint64_t yk_trace_dropped(void)
{
    return atomic_load_explicit(&dropped, memory_order_relaxed);
}
