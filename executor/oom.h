/* executor/oom.h - evidence that the kernel killed a process for lack of memory. Not installed.
 *
 * The kernel counts such kills in the control group of the process that it killed, before it sends
 * the signal. So a worker that died of a SIGKILL that nobody asked for was probably out of memory
 * if that count has risen since the worker started; and a kill that was counted explains one death,
 * not two. Who was moved to another group meanwhile has no count to start from, and is not
 * judged. Where memory is not controlled, the kernel's count for the whole system serves.
 */
#ifndef YOKE_EXECUTOR_OOM_H
#define YOKE_EXECUTOR_OOM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What was counted at one time. */
typedef struct yk__oom_mark {
    uint64_t group; /* which control group, in a manner of its own; 0: nothing could be read */
    uint64_t kills;
} yk__oom_mark;

/* Reads the count of the group that `pid` is in (0: this process), which may be a zombie. `root`:
 * where /proc and /sys are looked for; "" but in a test. */
yk__oom_mark yk__oom_read(const char *root, pid_t pid);

/* Whether a process that had `start` when it began and has `end` now was killed for lack of memory;
 * `explained` is what the deaths before it have used up, zeroed at first. */
bool yk__oom_was_it(yk__oom_mark *explained, yk__oom_mark start, yk__oom_mark end);

#endif
