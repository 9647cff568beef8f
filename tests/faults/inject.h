/* Calls that fail when they are told to.
 *
 * The program is linked with --wrap for each function below, so every call that the library makes
 * goes through here first. One of them, at its n-th call, fails with an error number that it may
 * fail with. Calls are counted over all processes: in the program itself (OURS), or in the zygote
 * and all workers (THEIRS).
 */
#ifndef TESTS_FAULTS_INJECT_H
#define TESTS_FAULTS_INJECT_H

#include <stdbool.h>

enum faulty {
    F_MALLOC,
    F_CALLOC,
    F_REALLOC,
    F_ALIGNED_ALLOC,
    F_STRDUP,
    F_STRNDUP,
    F_MMAP,
    F_MPROTECT,
    F_MEMFD_CREATE,
    F_FTRUNCATE,
    F_FORK,
    F_PTHREAD_CREATE,
    F_EVENTFD,
    F_EPOLL_CREATE1,
    F_EPOLL_CTL, /* that adds */
    F_TIMERFD_CREATE,
    F_SIGNALFD,
    F_SOCKETPAIR,
    F_PIPE2,
    F_FCNTL_DUPFD, /* fcntl(F_DUPFD_CLOEXEC) */
    F_FUTEX_WAIT,  /* which is over before its time */
    F_PIDFD_OPEN,
    F_CLOSE_RANGE,
    F_SENDMSG,
    F_SENDMSG_EAGAIN, /* as where the socket is full */
    F_RECVMSG,
    F_RECVMSG_FDS, /* succeeds, but the descriptors did not fit the table */
    F_OPEN,
    F_FOPEN,
    F_OPENDIR,
    F_OPEN_MEMSTREAM,
    F_SIGALTSTACK,
    F_SIGACTION,
    F_PTHREAD_ATFORK,
    F_DLOPEN,
    F_SETPGID,
    F_SETRLIMIT,
    F_SETPRIORITY,
    F_SCHED_SETSCHEDULER,
    F_CHDIR,
    F_PUTENV,
    F_POLL,       /* which a signal interrupts */
    F_EPOLL_WAIT, /* so, too */
    F_WAITID,
    F_UV_LOOP_INIT,
    F_UV_POLL_INIT,
    FAULTY
};
extern const char *const faulty_names[FAULTY];

enum side { OURS, THEIRS, SIDES };

/* Before any fork: memory that all processes share. */
int inject_prepare(void);

/* From now on, in this process and those it will fork: the n-th call fails; 0: only count. */
void inject_begin(enum faulty what, enum side side, unsigned n);
void inject_end(void);

/* Or only from time to time. */
void inject_go_on(bool yes);

/* How many calls there were, or since when one failed. */
unsigned inject_calls(enum faulty what, enum side side);
bool inject_failed(void);

/* Writes the stack of the call that failed to standard output. */
void inject_show_where(void);

#endif
