/* executor/zygote.h - the process that forks the workers. Not installed.
 *
 * yk_init() forks it while the program has one thread; it stays single-threaded, so a fork from it
 * is always safe, and small, so it is fast. Each pool has a socket of its own to it
 * (SOCK_SEQPACKET: one message, one packet), on which it asks for workers and hears of their ends.
 * When that socket closes, the zygote kills what is left of the pool's workers; when the parent is
 * gone, all.
 *
 * A zygote that dies must not end process pools: the parent, which has threads by then, cannot fork
 * a new one. So each zygote forks, first thing, a standby, which sleeps until the parent sends it a
 * message, and then is the zygote (and forks a standby of its own). The parent's end of the
 * standby's socket waits as the first message in the socket of the zygote it stands by for.
 */
#ifndef YOKE_EXECUTOR_ZYGOTE_H
#define YOKE_EXECUTOR_ZYGOTE_H

#include <stdint.h>
#include <sys/types.h>

enum yk__zygote_type {
    YK__ZYGOTE_STANDBY = 1, /* zygote to parent, with the parent's end of a socket */
    YK__ZYGOTE_ADOPT,       /* parent to zygote, with a pool's socket */
    YK__ZYGOTE_SPAWN,       /* pool to zygote, with YK__SPAWN_FDS: start worker `serial` */
    YK__ZYGOTE_SPAWNED,     /* zygote to pool, with a pidfd: it is process `value` */
    YK__ZYGOTE_REFUSED,     /* zygote to pool: it could not be forked, for error `value` */
    YK__ZYGOTE_SIGNAL,      /* pool to zygote: send signal `value` to the worker's process group */
    YK__ZYGOTE_EXITED,      /* zygote to pool: it ended with wait status `value` */
};

enum { YK__FD_CHANNEL, YK__FD_WAKE, YK__FD_LIFELINE, YK__SPAWN_FDS };

typedef struct yk__zygote_message {
    uint32_t type;
    uint32_t serial; /* of a worker, unique in its pool */
    int32_t value;
    uint32_t
        index; /* the worker's number for its jobs; EXITED: 1 if it was out of memory (oom.h) */
    char name[16];
} yk__zygote_message;

/* Forks the zygote. 0 or UV_E... */
int yk__zygote_start(void);

/* Ends it, and waits for it. */
void yk__zygote_stop(void);

/* A new socket that the zygote serves, non-blocking on this side; wakes the standby if the zygote
 * is gone. YK_ENOINIT, UV_E... Any thread. */
int yk__zygote_connect(int *fd);

/* Sends a message with up to YK__SPAWN_FDS descriptors; receives one with at most one (-1: none).
 * Return 0, UV_EAGAIN, or UV_EOF when the other side is gone, UV_E... */
int yk__zygote_send(int fd, const yk__zygote_message *message, const int *fds, int n);
int yk__zygote_receive(int fd, yk__zygote_message *message, int *fds, int max);

#endif
