/* yoke/executor/error.h - one family of errors.
 *
 * Every call of yoke that can fail returns a negative int. An error of the operating system is
 * libuv's (UV_ENOMEM, UV_ENOENT, ...: see <uv.h>); an error of yoke's own is one of the YK_E...
 * below. The two ranges do not meet, and yk_strerror() knows both.
 *
 * An error that belongs to a job or a task is more than a number: the future that failed holds a
 * yk_error with the message, and for a worker process that died, how it died.
 */
#ifndef YOKE_EXECUTOR_ERROR_H
#define YOKE_EXECUTOR_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

enum {
    YK_ECANCELED = -20001,   /* the job, task or wait was cancelled */
    YK_ECRASHED = -20002,    /* the worker process died while it ran the job */
    YK_EJOBTIMEOUT = -20003, /* the job ran longer than its own limit (a wait's own deadline that
                                passes is UV_ETIMEDOUT, and leaves the job alone) */
    YK_ECLOSED = -20004,     /* the executor, loop or stream was closed */
    YK_ENOINIT = -20005,     /* yk_init() was not the first thing that main() did */
    YK_EONLOOP = -20006,     /* this would block the loop's own thread; await from a task instead */
    YK_EDONE = -20007,       /* the future has ended already */
    YK_ETOOBIG = -20008,     /* it does not fit where it was to go */
    YK_EOVERFLOW = -20009,   /* a sum passed 64 bits */
    YK_EFORMAT = -20010,     /* a record is not what its format demands */
    YK_ECORRUPT = -20011,    /* compressed data is damaged */
    YK_ETRUNCATED = -20012,  /* data or a stream ends too early */
    YK_EJOB = -20013,        /* the job returned a number that is no known error */
    YK_ENOWORKER = -20014,   /* no worker process could be started */
    YK_EDEADLK = -20016,     /* a job would wait for its own executor, or a task for itself */
    YK_EFULL = -20017,       /* the executor's bounded queue is full, and the job may not wait */
    YK_EEXPIRED = -20018,    /* the job had not begun by its start_by, and never will */
    YK_EINIT = -20019,       /* a worker's initializer failed */
    YK_EOWNERDEAD = -20020,  /* the last owner of a mutex died holding it; the caller owns it now */
    YK_ENOSTREAM = -20022,   /* the job was submitted without the option `stream` */
    YK_EBROKEN = -20031,     /* the barrier was reset or aborted */
    YK_ETLS = -20041, /* the peer does not speak TLS as one must, or a file is no certificate */
    YK_ECERTIFICATE = -20042, /* the peer's certificate is not to be trusted, or another host's */
    YK_END = -20015,          /* nothing more follows; the end of an iteration, not a failure */
};

/* What went wrong with one job or task. Belongs to its future and lives as long; never written
 * after the future has ended, so any thread may read it. The message of a crash is such as
 *     job 'decode' died of SIGSEGV at address 0x10 (worker 3)
 *     job 'decode' died of a stack overflow, SIGSEGV at address 0x7ffc5e1ffff8 (worker 3)
 *     job 'decode' was killed by SIGKILL, probably out of memory (worker 3)
 *     job 'decode' exited with status 1 (worker 3)
 * Lack of memory is named where the kernel counted such a kill in the worker's control group (or,
 * where it has none, in the system) since that worker started; it is never guessed. */
typedef struct yk_error {
    int code;                /* negative: UV_E... or YK_E... */
    const char *message;     /* one line, without a newline; never NULL */
    int signal;              /* YK_ECRASHED: the signal that ended the worker, else 0 */
    int exit_status;         /* YK_ECRASHED without a signal: what the worker exited with, else 0 */
    void *fault_address;     /* of a SIGSEGV, SIGBUS, SIGFPE or SIGILL, if the kernel gave one */
    const char *job;         /* YK_ECRASHED: what the job was called; NULL: nothing */
    struct yk__crash *crash; /* for the call below */
} yk_error;

/* Where the job was when it crashed: the functions, the innermost first, one a line:
 *     parse_header (decode.c:120)
 *     decode (libdecode.so.2)
 *     ?? (plugin.so+0x11c0)
 * What has a name depends on the symbols in the program and on libdw (elfutils), which is used
 * where it is installed. Frames end where a stack is damaged, and at 32.
 *
 * The text is made when it is asked for first, which reads the program's symbols and takes
 * milliseconds or more: not in a loop's callback. It belongs to the error. Any thread. NULL: there
 * is none (the worker was killed, exited, handled the signal itself, or crashed in another way that
 * left no time), or no memory. */
const char *yk_error_backtrace(const yk_error *error);

/* The meaning of an error number, of either family; a constant string or, for a number that
 * nobody knows, a string of this thread's that the next call overwrites. Never NULL. */
const char *yk_strerror(int code);

/* The name of an error number ("YK_ECRASHED", "ENOENT"); same lifetime as yk_strerror's. */
const char *yk_errname(int code);

/* What yoke has to say beside its return values (a callback that failed, an error that nobody
 * looked at) goes to one hook; by default, or with NULL, there is none and yoke is silent. `line`
 * has no newline and is good for the call. The hook may be called from any thread, also a pool's
 * own, and from several at once; never in a signal handler, and with no lock of yoke's held, so it
 * may call yoke (and is called again from within, if that fails and nobody looks). It holds up
 * whoever calls it. */
typedef void (*yk_log_fn)(const char *line, void *arg);
void yk_set_log(yk_log_fn fn, void *arg);

#ifdef __cplusplus
}
#endif
#endif
