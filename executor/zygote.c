/* The zygote and its standby: see zygote.h. */
#include "zygote.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "crash.h"
#include "error.h"
#include "internal.h"
#include "oom.h"
#include "worker.h"

/* ---- Messages ------------------------------------------------------------------------------- */

union fd_room {
    char bytes[CMSG_SPACE(YK__SPAWN_FDS * sizeof(int))];
    struct cmsghdr align;
};

int yk__zygote_send(int fd, const yk__zygote_message *message, const int *fds, int n)
{
    struct iovec iov = { (void *)message, sizeof *message };
    union fd_room room = { 0 };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (n > 0) {
        m.msg_control = room.bytes;
        m.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
        memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof(int));
    }
    ssize_t sent;
    do
        sent = sendmsg(fd, &m, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return 0;
    return errno == EPIPE || errno == ECONNRESET ? UV_EOF : -errno;
}

static void take_fds(struct msghdr *m, int *fds, int max)
{
    for (int i = 0; i < max; i++)
        fds[i] = -1;
    int taken = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        int got[YK__SPAWN_FDS], n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(got, CMSG_DATA(c), (size_t)n * sizeof(int));
        for (int i = 0; i < n; i++) {
            if (taken < max)
                fds[taken++] = got[i];
            else
                close(got[i]);
        }
    }
}

int yk__zygote_receive(int fd, yk__zygote_message *message, int *fds, int max)
{
    struct iovec iov = { message, sizeof *message };
    union fd_room room = { 0 };
    struct msghdr m = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = room.bytes,
                        .msg_controllen = sizeof room.bytes };
    ssize_t n;
    bool reset = false; /* said once, before what the other side sent ere it went */
    do
        n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && (errno == EINTR || (errno == ECONNRESET && !reset && (reset = true))));
    if (n < 0)
        return errno == ECONNRESET ? UV_EOF : -errno;
    take_fds(&m, fds, max);
    return n == sizeof *message ? 0 : UV_EOF;
}

/* ---- In the zygote -------------------------------------------------------------------------- */

struct child {
    pid_t pid;
    uint32_t serial;
    int pool;            /* its socket; -1: gone */
    bool killed;         /* on request */
    yk__oom_mark memory; /* when it started */
};

/* The zygote's own state; it has one thread. */
static struct {
    int floor; /* below it lie the numbers of the program's descriptors when this was forked */
    int main, signals;
    struct pollfd *polled; /* main, signals, then one for each pool */
    size_t n_polled;
    struct child *children;
    size_t n_children;
    yk__oom_book book; /* of kills for lack of memory */
} z;

/* Of a child that is dead and not reaped. */
static bool ran_out_of_memory(pid_t pid, int signal)
{
    size_t i = 0;
    while (i < z.n_children && z.children[i].pid != pid)
        i++;
    if (signal != SIGKILL || i == z.n_children || z.children[i].killed)
        return false;
    yk__oom_mark now;
    yk__oom_read_dead(&now, "", pid, &z.children[i].memory);
    return yk__oom_was_it(&z.book, &z.children[i].memory, &now);
}

static void reap_one(pid_t pid, int status, bool out_of_memory)
{
    for (size_t i = 0; i < z.n_children; i++) {
        struct child *c = &z.children[i];
        if (c->pid != pid)
            continue;
        yk__zygote_message m = {
            .type = YK__ZYGOTE_EXITED, .serial = c->serial, .value = status, .index = out_of_memory
        };
        if (c->pool >= 0)
            yk__zygote_send(c->pool, &m, NULL, 0);
        *c = z.children[--z.n_children];
        return;
    }
}

static void reap(void)
{
    struct signalfd_siginfo info[8];
    ssize_t n = read(z.signals, info, sizeof info);
    (void)n;
    siginfo_t ended = { 0 };
    while (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid > 0) {
        /* Until it is reaped, the number of its group is nobody else's: what it started goes with
         * it. */
        pid_t pid = ended.si_pid;
        int status;
        kill(-pid, SIGKILL);
        bool out_of_memory = ran_out_of_memory(pid, ended.si_status);
        if (waitpid(pid, &status, 0) == pid)
            reap_one(pid, status, out_of_memory);
        ended.si_pid = 0;
    }
}

static void kill_children_of(int pool)
{
    for (size_t i = 0; i < z.n_children; i++) {
        if (pool >= 0 && z.children[i].pool != pool)
            continue;
        /* Not reaped yet, so the number is still this child's; its group includes what it started.
         */
        kill(-z.children[i].pid, SIGKILL);
        kill(z.children[i].pid, SIGKILL);
        z.children[i].pool = -1;
    }
}

static bool make_room(void)
{
    struct child *children = realloc(z.children, (z.n_children + 1) * sizeof *children);
    if (children)
        z.children = children;
    struct pollfd *polled = realloc(z.polled, (z.n_polled + 1) * sizeof *polled);
    if (polled)
        z.polled = polled;
    return children && polled;
}

/* A library of the program's may close descriptors of its own in whatever is forked (libuv does, as
 * soon as there is a loop). Here they are closed already, and whoever had got their numbers
 * meanwhile would be hit. So all that must survive a fork has a higher number than any that the
 * program had open. */
static int lift(int fd)
{
    int high = fd >= 0 && fd < z.floor ? fcntl(fd, F_DUPFD_CLOEXEC, z.floor) : -1;
    if (high < 0)
        return fd;
    close(fd);
    return high;
}

static pid_t fork_worker(const yk__zygote_message *request, const int *fds)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct yk__worker_start start = { .channel_fd = fds[YK__FD_CHANNEL],
                                          .wake_fd = fds[YK__FD_WAKE],
                                          .lifeline_fd = fds[YK__FD_LIFELINE],
                                          .index = request->index };
        memcpy(start.name, request->name, sizeof start.name);
        yk__worker_main(&start);
    }
    if (pid > 0)
        setpgid(pid, pid); /* the child does it too: whoever is first */
    return pid;
}

static void spawn(int pool, const yk__zygote_message *request, int *fds)
{
    bool whole = true;
    for (int i = 0; i < YK__SPAWN_FDS; i++) {
        fds[i] = lift(fds[i]);
        whole &= fds[i] >= 0;
    }
    yk__oom_mark memory;
    yk__oom_read(&memory, "", 0); /* it will be in this process's group */
    errno = ENOMEM;
    pid_t pid = whole && make_room() ? fork_worker(request, fds) : -1;
    yk__zygote_message answer = { .serial = request->serial };
    if (pid < 0) {
        answer.type = YK__ZYGOTE_REFUSED;
        answer.value = -errno;
        yk__zygote_send(pool, &answer, NULL, 0);
        return;
    }
    struct child child = { .pid = pid, .serial = request->serial, .pool = pool, .memory = memory };
    z.children[z.n_children++] = child;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    answer.type = YK__ZYGOTE_SPAWNED;
    answer.value = pid;
    if (yk__zygote_send(pool, &answer, &pidfd, pidfd >= 0))
        yk__zygote_send(pool, &answer, NULL, 0); /* too many descriptors are on their way */
    if (pidfd >= 0)
        close(pidfd);
}

/* The child has not been reaped, so its number is still its own. */
static void signal_child(int pool, uint32_t serial, int sig)
{
    for (size_t i = 0; i < z.n_children; i++)
        if (z.children[i].pool == pool && z.children[i].serial == serial) {
            z.children[i].killed |= sig == SIGKILL;
            if (kill(-z.children[i].pid, sig))
                kill(z.children[i].pid, sig);
            return;
        }
}

/* Short of memory: what could not be done is tried again after a while. */
static void rest(void)
{
    poll(NULL, 0, 5);
}

static void serve_pool(size_t i)
{
    int pool = z.polled[i].fd;
    yk__zygote_message m;
    int fds[YK__SPAWN_FDS];
    int err = yk__zygote_receive(pool, &m, fds, YK__SPAWN_FDS);
    if (err && err != UV_EOF) {
        rest();
        return;
    }
    if (err) {
        kill_children_of(pool);
        close(pool);
        z.polled[i] = z.polled[--z.n_polled];
        return;
    }
    if (m.type == YK__ZYGOTE_SPAWN)
        spawn(pool, &m, fds);
    else if (m.type == YK__ZYGOTE_SIGNAL)
        signal_child(pool, m.serial, m.value);
    for (int k = 0; k < YK__SPAWN_FDS; k++)
        if (fds[k] >= 0)
            close(fds[k]);
}

/* False when the parent is gone. */
static bool serve_parent(void)
{
    yk__zygote_message m;
    int fd;
    int err = yk__zygote_receive(z.main, &m, &fd, 1);
    if (err && err != UV_EOF) {
        rest();
        return true;
    }
    if (err)
        return false;
    if (m.type == YK__ZYGOTE_ADOPT && fd >= 0 && make_room())
        z.polled[z.n_polled++] = (struct pollfd){ .fd = fd, .events = POLLIN };
    else if (fd >= 0)
        close(fd);
    return true;
}

static void wait_for_children(void)
{
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
}

static void serve(void)
{
    for (;;) {
        if (poll(z.polled, z.n_polled, -1) < 0)
            continue;
        bool deaths = z.polled[1].revents;
        if (z.polled[0].revents && !serve_parent()) {
            kill_children_of(-1);
            wait_for_children();
            _exit(0);
        }
        /* From the end: serving may move the last one into a gap. */
        for (size_t i = z.n_polled; i-- > 2;)
            if (z.polled[i].revents)
                serve_pool(i);
        if (deaths) /* after the requests, some of which were to kill */
            reap();
    }
}

static void sleep_until_needed(int sock)
{
    struct pollfd p = { .fd = sock, .events = POLLIN };
    char byte;
    while (poll(&p, 1, -1) < 0)
        ;
    if (recv(sock, &byte, 1, MSG_PEEK) <= 0)
        _exit(0);
}

/* Forks the standby. In the standby it returns when it is needed, with its own socket; in the
 * zygote it returns at once. */
static bool fork_standby(int sock, int *standby_sock)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return false;
    for (int i = 0; i < 2; i++)
        pair[i] = lift(pair[i]);
    pid_t pid = fork();
    if (pid == 0) {
        close(sock);
        close(pair[0]);
        setpgid(0, 0);
        sleep_until_needed(pair[1]);
        *standby_sock = pair[1];
        return true;
    }
    yk__zygote_message m = { .type = YK__ZYGOTE_STANDBY };
    if (pid > 0)
        yk__zygote_send(sock, &m, pair, 1);
    close(pair[0]);
    close(pair[1]);
    return false;
}

static void prepare_signals(void)
{
    static const int ignored[] = { SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2 };
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_SETMASK, &set, NULL);
    z.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Of those that are below the limit: no number above it can be had, if there are any (from when the
 * limit was higher, or a checker's). */
static int highest_descriptor(void)
{
    struct rlimit limit = { .rlim_cur = 65536 };
    getrlimit(RLIMIT_NOFILE, &limit);
    int highest = 2;
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        int fd = atoi(entry->d_name);
        if (fd > highest && (rlim_t)fd < limit.rlim_cur)
            highest = fd;
    }
    for (int fd = 3; !dir && fd < 65536; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            highest = fd;
    if (dir)
        closedir(dir);
    return highest;
}

/* Keeps standard output and error, and the socket; nothing else of the parent's. */
static int let_go_of_descriptors(int sock)
{
    z.floor = highest_descriptor() + 1;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, 0);
    for (int fd = 1; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            dup2(null, fd);
    if (null > 2)
        close(null);
    int kept = lift(sock);
    yk__close_range(3, (unsigned)kept - 1);
    yk__close_range((unsigned)kept + 1, ~0u);
    return kept;
}

static _Noreturn void zygote_main(int sock)
{
    yk__in_worker = true;
    setpgid(0, 0);
    prctl(PR_SET_NAME, "yoke-zygote");
    sock = let_go_of_descriptors(sock);
    while (fork_standby(sock, &sock))
        ;
    z.main = sock;
    prepare_signals();
    yk__crash_prepare();
    z.polled = malloc(2 * sizeof *z.polled);
    if (!z.polled || z.signals < 0)
        _exit(1);
    z.polled[0] = (struct pollfd){ .fd = z.main, .events = POLLIN };
    z.polled[1] = (struct pollfd){ .fd = z.signals, .events = POLLIN };
    z.n_polled = 2;
    serve();
    _exit(0);
}

void yk__close_range(unsigned first, unsigned last)
{
    if (first <= last && syscall(SYS_close_range, first, last, 0) != 0)
        for (unsigned fd = first; fd <= last && fd < 65536; fd++)
            close((int)fd);
}

/* ---- In the parent -------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards both */
static int main_socket = -1;
static pid_t zygote_pid; /* 0 once the first zygote is gone: a standby is no child of ours */

/* A pair whose descriptors are none of 0, 1 and 2, which may be closed in a daemon. */
static int socket_pair(int pair[2])
{
    int low[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, low))
        return -errno;
    int err = 0;
    for (int i = 0; i < 2; i++) {
        pair[i] = low[i] > 2 ? low[i] : fcntl(low[i], F_DUPFD_CLOEXEC, 3);
        if (pair[i] < 0)
            err = -errno;
        if (low[i] <= 2)
            close(low[i]);
    }
    for (int i = 0; err && i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
    return err;
}

int yk__zygote_start(void)
{
    int pair[2];
    int err = socket_pair(pair);
    if (err)
        return err;
    fflush(NULL); /* or children would write it again */
    pid_t pid = fork();
    if (pid == 0)
        zygote_main(pair[1]);
    err = pid < 0 ? -errno : 0;
    close(pair[1]);
    if (err) {
        close(pair[0]);
        return err;
    }
    main_socket = pair[0];
    zygote_pid = pid;
    return 0;
}

static void reap_zygote(int flags)
{
    if (zygote_pid == 0)
        return;
    pid_t pid;
    while ((pid = waitpid(zygote_pid, NULL, flags)) < 0 && errno == EINTR)
        ;
    if (pid != 0)
        zygote_pid = 0;
}

void yk__zygote_stop(void)
{
    pthread_mutex_lock(&lock);
    if (main_socket >= 0) {
        /* Not close alone: a child that the program forked may have a copy. And one that was
         * stopped must run to hear of it. */
        shutdown(main_socket, SHUT_RDWR);
        if (zygote_pid > 0)
            kill(zygote_pid, SIGCONT);
        close(main_socket);
    }
    main_socket = -1;
    reap_zygote(0);
    pthread_mutex_unlock(&lock);
}

/* Under the lock: goes over to the standby of a zygote that is gone. */
static int use_standby(void)
{
    yk__zygote_message m;
    int fd = -1;
    int err = yk__zygote_receive(main_socket, &m, &fd, 1);
    close(main_socket);
    main_socket = fd;
    reap_zygote(WNOHANG);
    return err || fd < 0 ? YK_ENOWORKER : 0;
}

static int offer(int theirs)
{
    yk__zygote_message m = { .type = YK__ZYGOTE_ADOPT };
    int err;
    while ((err = yk__zygote_send(main_socket, &m, &theirs, 1)) == UV_EOF) {
        err = use_standby();
        if (err)
            return err;
    }
    return err;
}

int yk__zygote_connect(int *fd)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return -errno;
    pthread_mutex_lock(&lock);
    int err = main_socket < 0 ? YK_ENOINIT : offer(pair[1]);
    pthread_mutex_unlock(&lock);
    close(pair[1]);
    if (err) {
        close(pair[0]);
        return err;
    }
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    *fd = pair[0];
    return 0;
}
