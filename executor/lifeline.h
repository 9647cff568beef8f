/* executor/lifeline.h - a process that ends when its parent does. Not installed.
 *
 * The lifeline is the reading end of a pipe of its own, whose writing end only the parent has. When
 * the parent is gone, however it went, the kernel sends this process the signal that nothing can
 * stop. It is not tied to a thread, nor to who forked it, as PR_SET_PDEATHSIG is.
 */
#ifndef YOKE_EXECUTOR_LIFELINE_H
#define YOKE_EXECUTOR_LIFELINE_H

void yk__lifeline_hold(int fd);

#endif
