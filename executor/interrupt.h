/* executor/interrupt.h - the signal that gets a thread out of a system call. Not installed.
 *
 * It does nothing but arrive: its handler is empty and set without SA_RESTART, so a call that
 * blocks returns EINTR. It is the highest real-time signal (below SIGRTMAX) that the program left
 * at its default and did not block in the thread that starts the first worker; it is taken then,
 * for good. Only the workers of thread pools have it unblocked, and it is sent to these alone. A
 * program that gives it another handler later has it back: it is never sent again.
 */
#ifndef YOKE_EXECUTOR_INTERRUPT_H
#define YOKE_EXECUTOR_INTERRUPT_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

/* What yoke's own threads block: signals are for the program's threads, but for those that a fault
 * raises in a job or a callback, for which the program may have a handler. */
void yk__interrupt_mask(sigset_t *mask);

/* Takes the signal out of a mask of blocked ones. Any thread. */
void yk__interrupt_allow(sigset_t *mask);

/* Gives the highest real-time signal that is free, in the same sense, this action: its number, 0 if
 * there is none. Any thread. */
int yk__interrupt_take_signal(const struct sigaction *action);

/* Sends it to a thread that exists. False: there is no such signal. */
bool yk__interrupt_send(pthread_t thread);

#endif
