/* Trouble: kills workers, stops and continues them, kills and stops the zygote, and takes CPU time
 * away. It touches its own descendants only, each through a pidfd, so that nobody is hit who has
 * got a dead one's number. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "executor/trace.h"
#include "soak.h"
#include "support/proc.h"

#define MAX_SEEN    256
#define MAX_STOPPED 16
#define HOGS        2
#define MS          ((uint64_t)1000000)

static pthread_t thread;
static _Atomic bool end;
static pid_t hogs[HOGS];

/* ---- Hogs ----------------------------------------------------------------------------------- */

static _Noreturn void hog(uint64_t seed, uint64_t stream)
{
    prctl(PR_SET_NAME, "soak-hog");
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpriority(PRIO_PROCESS, 0, 5);
    dice d = dice_new(seed, stream);
    for (;;) {
        uint64_t stop = yk_now() + dice_below(&d, 60) * MS;
        while (yk_now() < stop)
            ;
        poll(NULL, 0, (int)dice_below(&d, 250));
    }
}

int trouble_prepare(uint64_t seed)
{
    for (int i = 0; i < HOGS; i++) {
        pid_t pid = fork();
        if (pid == 0)
            hog(seed, 1000u + (uint64_t)i);
        if (pid < 0)
            return -1;
        hogs[i] = pid;
    }
    return 0;
}

/* ---- Whom to hit ---------------------------------------------------------------------------- */

struct victim {
    pid_t pid;
    int fd;
    uint64_t until; /* when it is continued */
};
static struct victim stopped[MAX_STOPPED];

static bool is_zygote(const proc_entry *e)
{
    return strcmp(e->name, "yoke-zygote") == 0;
}

static bool is_hog(pid_t pid)
{
    for (int i = 0; i < HOGS; i++)
        if (hogs[i] == pid)
            return true;
    return false;
}

/* A zygote that has forked its standby may go; and its standby not before it is a zygote. */
static bool may_go(const proc_entry *all, size_t n, const proc_entry *e)
{
    for (size_t i = 0; i < n; i++)
        if (all[i].parent == e->pid && is_zygote(&all[i]))
            return true;
    return false;
}

static size_t look(proc_entry *seen, dice *d, bool zygotes, proc_entry *chosen)
{
    size_t n = proc_descendants(getpid(), seen, MAX_SEEN), k = 0;
    n = n < MAX_SEEN ? n : MAX_SEEN;
    for (size_t i = 0; i < n; i++) {
        const proc_entry *e = &seen[i];
        if (e->state == 'Z' || is_hog(e->pid) || is_zygote(e) != zygotes ||
            (zygotes && !may_go(seen, n, e)))
            continue;
        if (dice_below(d, ++k) == 0)
            *chosen = *e;
    }
    return k;
}

/* By the time there is a descriptor for it, it must still be what was seen. */
static int hold(const proc_entry *e)
{
    int fd = (int)syscall(SYS_pidfd_open, e->pid, 0);
    proc_entry again;
    if (fd >= 0 && proc_look(e->pid, &again) && again.group == e->group &&
        is_zygote(&again) == is_zygote(e))
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int find(dice *d, bool zygote, pid_t *pid)
{
    static proc_entry seen[MAX_SEEN];
    proc_entry chosen;
    if (look(seen, d, zygote, &chosen) == 0)
        return -1;
    *pid = chosen.pid;
    return hold(&chosen);
}

static int send(int fd, int sig)
{
    return (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
}

/* ---- What is done to them ------------------------------------------------------------------- */

static void kill_one(dice *d, bool zygote)
{
    static const int signals[] = { SIGKILL, SIGKILL, SIGTERM, SIGSEGV };
    pid_t pid;
    int fd = find(d, zygote, &pid);
    if (fd < 0)
        return;
    int sig = zygote ? SIGKILL : signals[dice_below(d, 4)];
    if (send(fd, sig) == 0)
        count(zygote ? &total.zygotes_killed : &total.kills, 1);
    close(fd);
}

static void stop_one(dice *d, bool zygote)
{
    pid_t pid;
    struct victim *v = stopped;
    while (v < stopped + MAX_STOPPED && v->fd >= 0)
        v++;
    int fd = v < stopped + MAX_STOPPED ? find(d, zygote, &pid) : -1;
    if (fd < 0)
        return;
    if (send(fd, SIGSTOP)) {
        close(fd);
        return;
    }
    count(zygote ? &total.zygotes_stopped : &total.stops, 1);
    *v = (struct victim){ pid, fd, yk_now() + dice_below(d, zygote ? 60 : 300) * MS };
}

static void continue_some(bool all)
{
    for (struct victim *v = stopped; v < stopped + MAX_STOPPED; v++) {
        if (v->fd < 0 || (!all && yk_now() < v->until))
            continue;
        send(v->fd, SIGCONT);
        close(v->fd);
        v->fd = -1;
    }
}

/* This process is the subreaper of the zygotes that were made by others. */
static void reap_orphans(void)
{
    static proc_entry seen[MAX_SEEN];
    size_t n = proc_descendants(getpid(), seen, MAX_SEEN);
    for (size_t i = 0; i < n && i < MAX_SEEN; i++)
        if (seen[i].state == 'Z' && seen[i].parent == getpid() && !is_hog(seen[i].pid))
            waitpid(seen[i].pid, NULL, WNOHANG);
}

/* Of everything that goes on, to nowhere. */
static void turn_trace(bool on)
{
    static bool is_on;
    if (on == is_on)
        return;
    int err = on ? yk_trace_start("/dev/null") : yk_trace_stop();
    if (err)
        wrong("a trace returned %s", yk_strerror(err));
    is_on = on && !err;
    count(&total.traces, is_on);
}

static void *make_trouble(void *arg)
{
    dice d = *(dice *)arg;
    free(arg);
    pthread_setname_np(pthread_self(), "trouble");
    while (!atomic_load(&end)) {
        poll(NULL, 0, (int)dice_below(&d, 30));
        continue_some(false);
        uint64_t p = dice_below(&d, 1000);
        if (p < 600)
            kill_one(&d, false);
        else if (p < 900)
            stop_one(&d, false);
        else if (p < 920)
            kill_one(&d, true);
        else if (p < 930)
            stop_one(&d, true);
        else if (p < 950)
            reap_orphans();
        else if (p < 955)
            turn_trace(true);
        else if (p < 960)
            turn_trace(false);
    }
    turn_trace(false);
    continue_some(true);
    reap_orphans();
    return NULL;
}

int trouble_begin(uint64_t seed)
{
    for (int i = 0; i < MAX_STOPPED; i++)
        stopped[i].fd = -1;
    dice *d = malloc(sizeof *d);
    if (!d)
        return -1;
    *d = dice_new(seed, 2000);
    return pthread_create(&thread, NULL, make_trouble, d) ? -1 : 0;
}

void trouble_end(void)
{
    atomic_store(&end, true);
    pthread_join(thread, NULL);
    for (int i = 0; i < HOGS; i++) {
        kill(hogs[i], SIGKILL);
        waitpid(hogs[i], NULL, 0);
    }
}
