/* loop/overflow.h - a name for the crash of a task that used up its stack. Not installed. */
#ifndef YOKE_LOOP_OVERFLOW_H
#define YOKE_LOOP_OVERFLOW_H

/* From now on a task of this thread that runs into its stack's guard is named on stderr before the
 * process dies of the signal. Every other SIGSEGV goes where it went before. For a program's main
 * thread, which needs another stack for the handler: yk_main() calls it. 0 or UV_E... */
int yk__overflow_watch(void);

/* Puts back what was there. */
void yk__overflow_unwatch(void);

#endif
