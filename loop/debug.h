/* yoke/loop/debug.h - what a loop is at: debug mode, and the tree of its tasks.
 *
 * Debug mode is for a loop that was made while the environment said YOKE_DEBUG=1, or with .debug =
 * true (loop.h). It is off by default, and then costs nothing. What it finds goes to the log
 * (yk_set_log):
 *
 *   - A task or callback that holds the loop for 100 ms (YOKE_SLOW_MS=N, or .slow_ms = N): which
 *     task, for how long, and the functions that it is in, while it is in them; again after twice
 * as long, and so on; and when a task lets go of the loop, how long it was in all. A thread of its
 * own looks for that, and asks the loop's thread by a signal: the highest real-time signal that was
 * left at its default.
 *   - Calls on a thread that the loop does not belong to: the call, and who makes it. So are
 *     wake-ups of tasks of another thread by what is for the tasks of one loop (sync.h, a queue
 *     that is not shared).
 *   - Tasks that are left when their loop is closed, each by its name, with what it waits for.
 *   - A promise (yk_future_new) whose last reference is given back before it has ended, by where it
 *     was made.
 *
 * And SIGUSR1, if the program has left that at its default, writes the tree of tasks of every loop
 * that is in debug mode to standard error. A loop that does not get to it says who holds it
 * instead, with the functions that it is in.
 *
 * A system call other than those of libuv's loop may return EINTR on the loop's thread when it is
 * asked. While it is on, a loop ends its turn with one more look for input.
 */
#ifndef YOKE_LOOP_DEBUG_H
#define YOKE_LOOP_DEBUG_H

#include <stdio.h>

#include "loop.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes who waits for whom, a line a task, and under each what it waits for, two spaces deeper:
 *
 *     loop of thread 4711: 4 tasks
 *     task 'main' waits for the next end of, for 1.204 s
 *       task 'fetch' waits for the end of, for 1.203 s, in a time-out of 0.796 s more
 *         job 'decode' on processes, running
 *       task 'store' waits for a lock, which is held by, for 1.203 s
 *         task 'fetch', see above
 *
 * A task is told once, under the first that waits for it; first come those for which nobody waits.
 * "for 1.204 s" is there in debug mode only. With or without debug mode; from the loop's thread,
 * also in a task. 0, UV_EINVAL (another thread), or UV_EIO. */
int yk_loop_print_tasks(yk_loop *loop, FILE *to);

#ifdef __cplusplus
}
#endif
#endif
