/* yoke/loop/poll.h - waiting for a descriptor that somebody else's library reads and writes.
 *
 *   while (PQconnectPoll(connection) == PGRES_POLLING_READING) {
 *       int ready = yk_poll(PQsocket(connection), YK_READABLE, yk_after_ms(5000));
 *       if (ready < 0)
 *           return ready;
 *   }
 *
 * For bytes of one's own, streams (stream.h) do more.
 */
#ifndef YOKE_LOOP_POLL_H
#define YOKE_LOOP_POLL_H

#include <stdint.h>

#include "../executor/clock.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { YK_READABLE = 1, YK_WRITABLE = 2 };

/* Waits until the descriptor can be read or written (`events`, one or both) without blocking, or
 * has been hung up or broken, which counts as both: the call that follows says so. A task is
 * suspended meanwhile, a plain thread or a job's blocks. The descriptor stays the caller's, and
 * open until this returns. A file is always ready.
 *
 * Returns which of `events` there are, at least one; UV_ETIMEDOUT when `deadline` has passed (0:
 * does not wait); YK_ECANCELED; YK_EONLOOP on a loop's thread outside a task; UV_EBADF; UV_EBUSY:
 * another task waits for the same descriptor; UV_EINVAL: other events than these; UV_ENOMEM. */
int yk_poll(int fd, int events, uint64_t deadline);

#ifdef __cplusplus
}
#endif
#endif
