/* The access log: lines gather in one buffer while a thread writes the other.
 *
 * The lock is held for the making of one line, or for the exchange of the buffers. A forked child
 * has a copy of all that, perhaps in the midst of something, and no thread: it begins anew.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "../../executor/clock.h"
#include "log_internal.h"

#define MOST_UNWRITTEN ((size_t)1 << 20)
#define LEAST          ((size_t)16 << 10)
#define DELAY_MS       200
#define PATIENCE_MS    2000
#define LONGEST_LINE   ((size_t)8 << 10)

enum { TARGET = 1000, REFERER = 500, AGENT = 300 }; /* bytes of them, four times as long escaped */

typedef struct buffer {
    char *bytes;
    size_t len;
    uint64_t lines;
} buffer;

struct yk_http_log {
    char *path;
    size_t most; /* bytes that gather; a last line may go beyond */
    uint64_t delay_ms;
    int fd; /* the thread's */

    pthread_mutex_t lock;
    pthread_cond_t work, done;
    buffer gathered, written;
    uint64_t dropped, told; /* lines; of them the log has said so many */
    time_t second;          /* that `when` is of */
    char when[32];
    pthread_t thread;
    bool running, stopping, finished, abandoned;
    bool writing; /* lines are on their way to the disk */
    bool hurry;   /* somebody waits for them */
    _Atomic bool reopen;
    yk_http_log *prev, *next; /* among all */
};

/* ---- Processes ------------------------------------------------------------------------------- */

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static yk_http_log *all;

static void init_locks(yk_http_log *log)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->work, &monotonic);
    pthread_cond_init(&log->done, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void before_fork(void)
{
    pthread_mutex_lock(&all_lock);
}

static void in_parent(void)
{
    pthread_mutex_unlock(&all_lock);
}

/* What the parent has gathered is the parent's. */
static void in_child(void)
{
    for (yk_http_log *log = all; log; log = log->next) {
        init_locks(log);
        log->gathered.len = log->gathered.lines = 0;
        log->dropped = log->told = 0;
        log->running = log->stopping = log->finished = log->writing = log->hurry = false;
        atomic_store(&log->reopen, true);
    }
    pthread_mutex_unlock(&all_lock);
}

static int watching; /* or why not */

static void watch_forks(void)
{
    watching = pthread_atfork(before_fork, in_parent, in_child) ? UV_ENOMEM : 0;
}

static void enlist(yk_http_log *log)
{
    pthread_mutex_lock(&all_lock);
    log->next = all;
    if (all)
        all->prev = log;
    all = log;
    pthread_mutex_unlock(&all_lock);
}

static void strike_off(yk_http_log *log)
{
    pthread_mutex_lock(&all_lock);
    if (log->next)
        log->next->prev = log->prev;
    if (log->prev)
        log->prev->next = log->next;
    else if (all == log)
        all = log->next;
    pthread_mutex_unlock(&all_lock);
}

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
}

/* ---- The thread ------------------------------------------------------------------------------ */

static void free_log(yk_http_log *log)
{
    strike_off(log);
    if (log->fd >= 0)
        close(log->fd);
    free(log->gathered.bytes);
    free(log->written.bytes);
    free(log->path);
    free(log);
}

static struct timespec at(uint64_t deadline)
{
    return (struct timespec){ (time_t)(deadline / 1000000000u), (long)(deadline % 1000000000u) };
}

static void open_again(yk_http_log *log)
{
    int fd = open_file(log->path);
    if (fd < 0)
        return;
    close(log->fd);
    log->fd = fd;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    return true;
}

/* Under the lock: waits until there is something, and a little longer for more of it. */
static void await_work(yk_http_log *log)
{
    while (log->gathered.len == 0 && !log->stopping && !atomic_load(&log->reopen))
        pthread_cond_wait(&log->work, &log->lock);
    struct timespec until = at(yk_after_ms(log->delay_ms));
    while (log->gathered.len < log->most / 2 && !log->stopping && !log->hurry &&
           !atomic_load(&log->reopen))
        if (pthread_cond_timedwait(&log->work, &log->lock, &until))
            break;
}

/* Under the lock, which is given up for the writing. */
static void write_gathered(yk_http_log *log)
{
    char note[64];
    buffer b = log->gathered;
    uint64_t untold = log->dropped - log->told;
    log->gathered = (buffer){ .bytes = log->written.bytes };
    log->written = b;
    log->told += untold;
    log->hurry = false;
    log->writing = true;
    pthread_mutex_unlock(&log->lock);
    if (atomic_exchange(&log->reopen, false))
        open_again(log);
    bool ok = write_all(log->fd, b.bytes, b.len);
    if (ok && untold > 0)
        ok = write_all(log->fd, note,
                       (size_t)snprintf(note, sizeof note, "# %llu lines were dropped\n",
                                        (unsigned long long)untold));
    pthread_mutex_lock(&log->lock);
    if (!ok) {
        log->dropped += b.lines;
        log->told -= untold;
    }
    log->writing = false;
    pthread_cond_broadcast(&log->done);
}

static void *writer(void *arg)
{
    yk_http_log *log = arg;
    pthread_setname_np(pthread_self(), "yoke-access-log");
    pthread_mutex_lock(&log->lock);
    while (!log->stopping || log->gathered.len > 0) {
        await_work(log);
        write_gathered(log);
    }
    log->finished = true;
    bool abandoned = log->abandoned;
    pthread_cond_broadcast(&log->done);
    pthread_mutex_unlock(&log->lock);
    if (!abandoned)
        return NULL;
    pthread_detach(pthread_self());
    free_log(log);
    return NULL;
}

static bool start_writer(yk_http_log *log)
{
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    log->running = pthread_create(&log->thread, NULL, writer, log) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return log->running;
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static char *put_escaped(char *to, const char *text, size_t most)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; text[i] && i < most; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= ' ' && c < 127 && c != '"' && c != '\\') {
            *to++ = (char)c;
            continue;
        }
        to = mempcpy(to, "\\x", 2);
        *to++ = hex[c >> 4];
        *to++ = hex[c & 15];
    }
    return to;
}

static char *put_quoted(char *to, const char *text, size_t most)
{
    *to++ = '"';
    to = put_escaped(to, text && *text ? text : "-", most);
    return mempcpy(to, "\"", 1);
}

static const char *now_as_text(yk_http_log *log)
{
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t now = time(NULL);
    if (now == log->second)
        return log->when;
    struct tm tm;
    gmtime_r(&now, &tm);
    snprintf(log->when, sizeof log->when, "%02d/%s/%04d:%02d:%02d:%02d +0000", tm.tm_mday,
             months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    log->second = now;
    return log->when;
}

/* At most LONGEST_LINE bytes. */
static char *put_line(char *to, yk_http_log *log, const yk__http_entry *e)
{
    to = put_escaped(to, *e->peer ? e->peer : "-", 128);
    to += sprintf(to, " - - [%s] \"", now_as_text(log));
    if (*e->method) {
        to = put_escaped(to, e->method, 64);
        *to++ = ' ';
        to = put_escaped(to, e->target, TARGET);
        to += sprintf(to, " HTTP/1.%d", e->minor);
    } else {
        *to++ = '-';
    }
    to += sprintf(to, "\" %d %llu ", e->status, (unsigned long long)e->bytes);
    to = put_quoted(to, e->referer, REFERER);
    *to++ = ' ';
    to = put_quoted(to, e->agent, AGENT);
    return to + sprintf(to, " %llu.%06llu\n", (unsigned long long)(e->ns / 1000000000u),
                        (unsigned long long)(e->ns / 1000u % 1000000u));
}

_Static_assert(4 * (128 + 64 + TARGET + REFERER + AGENT) + 200 <= LONGEST_LINE, "a line has room");

void yk__http_log_add(yk_http_log *log, const yk__http_entry *e)
{
    pthread_mutex_lock(&log->lock);
    buffer *b = &log->gathered;
    size_t before = b->len;
    if (before >= log->most || (!log->running && !start_writer(log))) {
        log->dropped++;
        pthread_mutex_unlock(&log->lock);
        return;
    }
    b->len = (size_t)(put_line(b->bytes + before, log, e) - b->bytes);
    b->lines++;
    if (before == 0 || (before < log->most / 2 && b->len >= log->most / 2))
        pthread_cond_signal(&log->work);
    pthread_mutex_unlock(&log->lock);
}

/* ---- From the beginning to the end ----------------------------------------------------------- */

int yk_http_log_open_opts(yk_http_log **out, const char *path, const yk_http_log_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    if (watching)
        return watching;
    yk_http_log_options o = options ? *options : (yk_http_log_options){ 0 };
    yk_http_log *log = calloc(1, sizeof *log);
    if (!log)
        return UV_ENOMEM;
    log->most = o.most_unwritten ? o.most_unwritten : MOST_UNWRITTEN;
    log->most = log->most < LEAST ? LEAST : log->most;
    log->delay_ms = o.delay_ms ? o.delay_ms : DELAY_MS;
    log->path = strdup(path);
    log->gathered.bytes = malloc(log->most + LONGEST_LINE);
    log->written.bytes = malloc(log->most + LONGEST_LINE);
    init_locks(log);
    log->fd = log->path ? open_file(path) : -1;
    int err = log->fd < 0 ? uv_translate_sys_error(errno) : 0;
    if (!log->path || !log->gathered.bytes || !log->written.bytes)
        err = UV_ENOMEM;
    if (err) {
        free_log(log);
        return err;
    }
    enlist(log);
    *out = log;
    return 0;
}

void yk_http_log_reopen(yk_http_log *log)
{
    atomic_store(&log->reopen, true);
    pthread_mutex_lock(&log->lock);
    pthread_cond_signal(&log->work);
    pthread_mutex_unlock(&log->lock);
}

uint64_t yk_http_log_dropped(yk_http_log *log)
{
    pthread_mutex_lock(&log->lock);
    uint64_t dropped = log->dropped;
    pthread_mutex_unlock(&log->lock);
    return dropped;
}

int yk_http_log_flush(yk_http_log *log)
{
    struct timespec until = at(yk_after_ms(PATIENCE_MS));
    int err = 0;
    pthread_mutex_lock(&log->lock);
    while (log->running && (log->gathered.len > 0 || log->writing) && !err) {
        log->hurry = true;
        pthread_cond_signal(&log->work);
        err = pthread_cond_timedwait(&log->done, &log->lock, &until) ? UV_ETIMEDOUT : 0;
    }
    pthread_mutex_unlock(&log->lock);
    return err;
}

/* False: it is still writing, and will free the log itself. */
static bool stop_writer(yk_http_log *log)
{
    struct timespec until = at(yk_after_ms(PATIENCE_MS));
    pthread_mutex_lock(&log->lock);
    bool running = log->running;
    log->stopping = true;
    pthread_cond_signal(&log->work);
    while (running && !log->finished)
        if (pthread_cond_timedwait(&log->done, &log->lock, &until))
            break;
    bool stopped = !running || log->finished;
    log->abandoned = !stopped;
    pthread_mutex_unlock(&log->lock);
    if (running && stopped)
        pthread_join(log->thread, NULL);
    return stopped;
}

int yk_http_log_close(yk_http_log *log)
{
    if (!log)
        return 0;
    if (!stop_writer(log))
        return UV_ETIMEDOUT;
    free_log(log);
    return 0;
}
