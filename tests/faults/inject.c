/* The calls that fail: see inject.h. */
#include "inject.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

const char *const faulty_names[FAULTY] = {
    [F_MALLOC] = "malloc",
    [F_CALLOC] = "calloc",
    [F_REALLOC] = "realloc",
    [F_ALIGNED_ALLOC] = "aligned_alloc",
    [F_STRDUP] = "strdup",
    [F_MMAP] = "mmap",
    [F_MPROTECT] = "mprotect",
    [F_MEMFD_CREATE] = "memfd_create",
    [F_FTRUNCATE] = "ftruncate",
    [F_FORK] = "fork",
    [F_PTHREAD_CREATE] = "pthread_create",
    [F_EVENTFD] = "eventfd",
    [F_EPOLL_CREATE1] = "epoll_create1",
    [F_EPOLL_CTL] = "epoll_ctl",
    [F_TIMERFD_CREATE] = "timerfd_create",
    [F_SIGNALFD] = "signalfd",
    [F_SOCKETPAIR] = "socketpair",
    [F_PIPE2] = "pipe2",
    [F_FCNTL_DUPFD] = "fcntl-dupfd",
    [F_FUTEX_WAIT] = "futex-wait",
    [F_PIDFD_OPEN] = "pidfd_open",
    [F_CLOSE_RANGE] = "close_range",
    [F_SENDMSG] = "sendmsg",
    [F_SENDMSG_EAGAIN] = "sendmsg-full",
    [F_RECVMSG] = "recvmsg",
    [F_RECVMSG_FDS] = "recvmsg-descriptors",
    [F_OPEN] = "open",
    [F_FOPEN] = "fopen",
    [F_SIGALTSTACK] = "sigaltstack",
    [F_STRNDUP] = "strndup",
    [F_OPENDIR] = "opendir",
    [F_OPEN_MEMSTREAM] = "open_memstream",
    [F_SIGACTION] = "sigaction",
    [F_PTHREAD_ATFORK] = "pthread_atfork",
    [F_DLOPEN] = "dlopen",
    [F_SETPGID] = "setpgid",
    [F_SETRLIMIT] = "setrlimit",
    [F_SETPRIORITY] = "setpriority",
    [F_SCHED_SETSCHEDULER] = "sched_setscheduler",
    [F_CHDIR] = "chdir",
    [F_PUTENV] = "putenv",
    [F_POLL] = "poll",
    [F_EPOLL_WAIT] = "epoll_wait",
    [F_WAITID] = "waitid",
    [F_UV_LOOP_INIT] = "uv_loop_init",
    [F_UV_POLL_INIT] = "uv_poll_init",
};

#define MAX_FRAMES 16

/* Shared by all processes; every word is atomic and sequentially consistent. */
static struct shared {
    _Atomic int armed, what, side;
    _Atomic unsigned n, failed;
    _Atomic int program; /* whose calls are OURS */
    _Atomic unsigned calls[SIDES][FAULTY];
    int n_frames; /* of the call that failed; this image is where it is in all processes */
    void *frames[MAX_FRAMES];
} * shared;

int inject_prepare(void)
{
    void *frame;
    backtrace(&frame, 1); /* loads what it needs */
    void *at =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return -1;
    shared = at;
    return 0;
}

void inject_begin(enum faulty what, enum side side, unsigned n)
{
    memset((void *)shared, 0, sizeof *shared);
    shared->what = (int)what;
    shared->side = (int)side;
    shared->n = n;
    shared->program = getpid();
    shared->armed = 1;
}

void inject_end(void)
{
    shared->armed = 0;
}

void inject_go_on(bool yes)
{
    shared->armed = yes;
}

unsigned inject_calls(enum faulty what, enum side side)
{
    return shared->calls[side][what];
}

bool inject_failed(void)
{
    return shared->failed > 0;
}

void inject_show_where(void)
{
    backtrace_symbols_fd(shared->frames + 2, shared->n_frames > 2 ? shared->n_frames - 2 : 0,
                         STDOUT_FILENO);
}

/* Whether this call is the one. */
static bool fails(enum faulty what, int err)
{
    if (!shared || !shared->armed)
        return false;
    enum side side = getpid() == shared->program ? OURS : THEIRS;
    unsigned n = atomic_fetch_add(&shared->calls[side][what], 1) + 1;
    if ((int)what != shared->what || (int)side != shared->side || n != shared->n)
        return false;
    shared->n_frames = backtrace(shared->frames, MAX_FRAMES);
    shared->failed = 1;
    errno = err;
    return true;
}

/* ---- The wraps ------------------------------------------------------------------------------ */

/* type name(parameters), called with (arguments); the value and errno of a failure. */
#define WRAP(what, type, name, parameters, arguments, value, err)    \
    type __real_##name parameters;                                   \
    type __wrap_##name parameters;                                   \
    type __wrap_##name parameters                                    \
    {                                                                \
        return fails(what, err) ? (value) : __real_##name arguments; \
    }

WRAP(F_MALLOC, void *, malloc, (size_t size), (size), NULL, ENOMEM)
WRAP(F_CALLOC, void *, calloc, (size_t n, size_t size), (n, size), NULL, ENOMEM)
WRAP(F_REALLOC, void *, realloc, (void *p, size_t size), (p, size), NULL, ENOMEM)
WRAP(F_ALIGNED_ALLOC, void *, aligned_alloc, (size_t align, size_t size), (align, size), NULL,
     ENOMEM)
WRAP(F_STRDUP, char *, strdup, (const char *s), (s), NULL, ENOMEM)
WRAP(F_MMAP, void *, mmap, (void *at, size_t size, int prot, int flags, int fd, off_t offset),
     (at, size, prot, flags, fd, offset), MAP_FAILED, ENOMEM)
WRAP(F_MPROTECT, int, mprotect, (void *at, size_t size, int prot), (at, size, prot), -1, ENOMEM)
WRAP(F_MEMFD_CREATE, int, memfd_create, (const char *name, unsigned flags), (name, flags), -1,
     EMFILE)
WRAP(F_FTRUNCATE, int, ftruncate, (int fd, off_t size), (fd, size), -1, ENOSPC)
WRAP(F_FORK, pid_t, fork, (void), (), -1, EAGAIN)
WRAP(F_PTHREAD_CREATE, int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg),
     (thread, attr, fn, arg), EAGAIN, EAGAIN)
WRAP(F_EVENTFD, int, eventfd, (unsigned value, int flags), (value, flags), -1, EMFILE)
WRAP(F_EPOLL_CREATE1, int, epoll_create1, (int flags), (flags), -1, EMFILE)
WRAP(F_TIMERFD_CREATE, int, timerfd_create, (int clock, int flags), (clock, flags), -1, EMFILE)
WRAP(F_SIGNALFD, int, signalfd, (int fd, const sigset_t *set, int flags), (fd, set, flags), -1,
     EMFILE)
WRAP(F_SOCKETPAIR, int, socketpair, (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds), -1, EMFILE)
WRAP(F_PIPE2, int, pipe2, (int fds[2], int flags), (fds, flags), -1, EMFILE)
WRAP(F_FOPEN, FILE *, fopen, (const char *path, const char *mode), (path, mode), NULL, EMFILE)
WRAP(F_SIGALTSTACK, int, sigaltstack, (const stack_t *stack, stack_t *old), (stack, old), -1,
     ENOMEM)

WRAP(F_STRNDUP, char *, strndup, (const char *s, size_t n), (s, n), NULL, ENOMEM)
WRAP(F_OPENDIR, DIR *, opendir, (const char *path), (path), NULL, EMFILE)
WRAP(F_OPEN_MEMSTREAM, FILE *, open_memstream, (char **text, size_t *size), (text, size), NULL,
     ENOMEM)
WRAP(F_SIGACTION, int, sigaction, (int sig, const struct sigaction *to, struct sigaction *from),
     (sig, to, from), -1, EINVAL)
WRAP(F_PTHREAD_ATFORK, int, pthread_atfork,
     (void (*before)(void), void (*parent)(void), void (*child)(void)), (before, parent, child),
     ENOMEM, ENOMEM)
WRAP(F_DLOPEN, void *, dlopen, (const char *path, int flags), (path, flags), NULL, ENOMEM)
WRAP(F_SETPGID, int, setpgid, (pid_t pid, pid_t group), (pid, group), -1, EPERM)
WRAP(F_SETRLIMIT, int, setrlimit, (__rlimit_resource_t what, const struct rlimit *limit),
     (what, limit), -1, EPERM)
WRAP(F_SETPRIORITY, int, setpriority, (__priority_which_t which, id_t who, int value),
     (which, who, value), -1, EACCES)
WRAP(F_SCHED_SETSCHEDULER, int, sched_setscheduler,
     (pid_t pid, int policy, const struct sched_param *param), (pid, policy, param), -1, EPERM)
WRAP(F_CHDIR, int, chdir, (const char *path), (path), -1, EACCES)
WRAP(F_PUTENV, int, putenv, (char *string), (string), -1, ENOMEM)
WRAP(F_POLL, int, poll, (struct pollfd * fds, nfds_t n, int timeout), (fds, n, timeout), -1, EINTR)
WRAP(F_EPOLL_WAIT, int, epoll_wait, (int set, struct epoll_event *events, int max, int timeout),
     (set, events, max, timeout), -1, EINTR)
WRAP(F_WAITID, int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options),
     (type, id, info, options), -1, EINTR)
WRAP(F_UV_LOOP_INIT, int, uv_loop_init, (uv_loop_t * loop), (loop), UV_EMFILE, EMFILE)
WRAP(F_UV_POLL_INIT, int, uv_poll_init, (uv_loop_t * loop, uv_poll_t *handle, int fd),
     (loop, handle, fd), UV_ENOMEM, ENOMEM)

int __real_epoll_ctl(int set, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int op, int fd, struct epoll_event *event)
{
    if (op == EPOLL_CTL_ADD && fails(F_EPOLL_CTL, ENOSPC))
        return -1;
    return __real_epoll_ctl(set, op, fd, event);
}

/* The variadic ones read as many arguments as there can be, as those in the C library do. */
#define VARIADIC __attribute__((no_sanitize_address, no_sanitize_thread))

int __real_fcntl(int fd, int cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...);
VARIADIC int __wrap_fcntl(int fd, int cmd, ...)
{
    va_list args;
    va_start(args, cmd);
    long arg = va_arg(args, long);
    va_end(args);
    if (cmd == F_DUPFD_CLOEXEC && fails(F_FCNTL_DUPFD, EMFILE))
        return -1;
    return __real_fcntl(fd, cmd, arg);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
VARIADIC int __wrap_open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = va_arg(args, int);
    va_end(args);
    return fails(F_OPEN, EMFILE) ? -1 : __real_open(path, flags, mode);
}

static bool syscall_fails(long number, long op)
{
    op &= FUTEX_CMD_MASK;
    if (number == SYS_futex && (op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET))
        return fails(F_FUTEX_WAIT, EINTR);
    if (number == SYS_pidfd_open)
        return fails(F_PIDFD_OPEN, EMFILE);
    if (number == SYS_close_range)
        return fails(F_CLOSE_RANGE, ENOSYS);
    return false;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
VARIADIC long __wrap_syscall(long number, ...)
{
    va_list args;
    va_start(args, number);
    long a[6];
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if (syscall_fails(number, a[1]))
        return -1;
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

ssize_t __real_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *m, int flags)
{
    if (fails(F_SENDMSG, ENOMEM) || fails(F_SENDMSG_EAGAIN, EAGAIN))
        return -1;
    return __real_sendmsg(fd, m, flags);
}

/* What the kernel does where the table of descriptors is full. */
static void lose_descriptors(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
            int fd;
            memcpy(&fd, (char *)c + at, sizeof fd);
            close(fd);
        }
    }
    m->msg_controllen = 0;
    m->msg_flags |= MSG_CTRUNC;
}

ssize_t __real_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *m, int flags)
{
    if (fails(F_RECVMSG, ENOMEM))
        return -1;
    ssize_t n = __real_recvmsg(fd, m, flags);
    if (n >= 0 && m->msg_controllen > 0 && fails(F_RECVMSG_FDS, errno))
        lose_descriptors(m);
    return n;
}
