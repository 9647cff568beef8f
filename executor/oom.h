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

/* What was counted at one time, and where. */
typedef struct yk__oom_mark {
    char file[512]; /* "": nothing could be read */
    uint64_t inode; /* a group that was removed and made again counts from 0 */
    uint64_t kills;
} yk__oom_mark;

/* Reads the count of the group that `pid` is in (0: this process). `root`: where /proc and /sys are
 * looked for; "" but in a test. */
void yk__oom_read(yk__oom_mark *mark, const char *root, pid_t pid);

/* The same for one that is dead and not reaped, and began with `start`. In version 1 the kernel
 * does not say any more what group that was in: then it is the one in which it began. */
void yk__oom_read_dead(yk__oom_mark *mark, const char *root, pid_t pid, const yk__oom_mark *start);

/* Which kills deaths have been put down to. Zeroed at first. */
typedef struct yk__oom_book {
    char file[512];
    uint64_t inode;
    uint64_t base, taken; /* bit i: kill number base + 1 + i; all up to `base` are */
} yk__oom_book;

/* Whether a process that began with `start` and is dead with `end` was killed for lack of memory.
 * Called for each death once, in any order; it is put down to the earliest kill that can have been
 * its own and is no other's. */
bool yk__oom_was_it(yk__oom_book *book, const yk__oom_mark *start, const yk__oom_mark *end);

#endif
