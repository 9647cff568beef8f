/* executor/quiet_thread.h - threads of the library's own, beside those that do jobs. Not installed.
 */
#ifndef YOKE_EXECUTOR_QUIET_THREAD_H
#define YOKE_EXECUTOR_QUIET_THREAD_H

#include <pthread.h>

/* Starts a thread for which no signals are, and names it (15 bytes are shown). To be joined by the
 * caller. 0, or a negative error: UV_EAGAIN, none can be had. */
int yk__quiet_thread(pthread_t *id, void *(*fn)(void *), void *arg, const char *name);

#endif
