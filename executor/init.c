/* yk_init() and yk_fini(): the arena and the zygote. */
#include "init.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "arena_internal.h"
#include "error.h"
#include "internal.h"
#include "trace.h"
#include "zygote.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool ready;
static pid_t owner;

static int count_threads(void)
{
    DIR *dir = opendir("/proc/self/task");
    if (!dir)
        return 1; /* no /proc: trust the caller */
    int n = 0;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

/* Who has been joined may be seen a moment longer. */
static bool has_threads(void)
{
    for (int i = 0; i < 20; i++) {
        if (count_threads() <= YK__RUNTIME_THREADS + 1)
            return false;
        poll(NULL, 0, 1);
    }
    return true;
}

static void at_exit(void)
{
    /* The arena stays mapped: other threads may still be running. */
    if (getpid() == owner)
        yk__zygote_stop();
}

static int start(void)
{
    static bool registered;
    if (has_threads())
        return YK_ENOINIT;
    int err = yk__arena_start();
    if (!err)
        err = yk__zygote_start();
    if (err)
        return err;
    owner = getpid();
    if (!registered)
        registered = atexit(at_exit) == 0;
    return 0;
}

static void start_trace(const char *path)
{
    int err = yk_trace_start(path);
    if (err)
        yk__log("no trace in %s: %s", path, yk_strerror(err));
}

int yk_init(void)
{
    if (yk__in_worker)
        return 0;
    pthread_mutex_lock(&lock);
    int err = ready ? 0 : start();
    bool first = !ready && !err;
    ready |= !err;
    pthread_mutex_unlock(&lock);
    const char *trace = first ? getenv("YOKE_TRACE") : NULL;
    if (trace && trace[0])
        start_trace(trace); /* after the zygote: it starts a thread */
    return err;
}

void yk_fini(void)
{
    pthread_mutex_lock(&lock);
    if (ready) {
        yk__zygote_stop();
        yk__arena_stop();
    }
    ready = false;
    pthread_mutex_unlock(&lock);
}
