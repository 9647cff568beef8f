/* yoke/loop/signal.h - signals as something to wait for.
 *
 *   yk_signal *hangup;
 *   int err = yk_signal_open(&hangup, SIGHUP);
 *   while (!err && (err = yk_signal_next(hangup, YK_FOREVER)) > 0)
 *       reload();
 *   yk_signal_close(hangup);
 *
 * While one is open the signal does nothing else: its handler, or default, is back when the last
 * one for that signal is closed. So a program on yk_main() that opens SIGINT gets Ctrl-C itself,
 * its main task is not cancelled by it, and a second one does not end the program; SIGTERM still
 * does both.
 *
 * Any number may be open for one signal, on any loops: each gets all that come. For the thread of
 * its loop.
 */
#ifndef YOKE_LOOP_SIGNAL_H
#define YOKE_LOOP_SIGNAL_H

#include <stdint.h>

#include "../executor/clock.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct yk_signal yk_signal;

/* Catches `signum` from now on. It belongs to the caller, until yk_signal_close(). UV_EINVAL: no
 * loop on this thread, a signal that cannot be caught, or one that a fault raises (SIGSEGV, SIGBUS,
 * SIGFPE, SIGILL, SIGTRAP, SIGABRT); YK_ECLOSED: the loop is being closed; UV_ENOMEM, UV_EMFILE. */
int yk_signal_open(yk_signal **signal, int signum);

/* Waits until it comes; one that has come since the last call counts. Returns how often, at least
 * 1, as far as the system told them apart (several that come at once may be one); or UV_ETIMEDOUT
 * at the deadline (0: do not wait), YK_ECANCELED, YK_EONLOOP, YK_ECLOSED when it or its loop is
 * closed. Of several tasks that wait in one, the first in line gets it. */
int yk_signal_next(yk_signal *signal, uint64_t deadline);

/* Gives it back; tasks that wait in it get YK_ECLOSED. Before its loop is closed, or after. Takes
 * NULL. */
void yk_signal_close(yk_signal *signal);

#ifdef __cplusplus
}
#endif
#endif
