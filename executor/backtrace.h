/* executor/backtrace.h - where a thread is, asked by a signal. Not installed.
 *
 *   1. yk__backtrace_prepare(), once before the first signal may come;
 *   2. yk__backtrace_take() in the handler, on whatever stack was interrupted;
 *   3. yk__backtrace_text(), somewhere else: it reads files and takes locks.
 */
#ifndef YOKE_EXECUTOR_BACKTRACE_H
#define YOKE_EXECUTOR_BACKTRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "crash.h"

typedef struct yk__backtrace {
    uint32_t n;
    yk__crash_frame frames[YK__CRASH_FRAMES]; /* the innermost first; only addresses */
} yk__backtrace;

/* Has the unwinder do what it does but once. */
void yk__backtrace_prepare(void);

/* From where the signal came, of which `context` is the handler's third argument; NULL: the
 * caller's own. Safe in a signal handler. */
void yk__backtrace_take(yk__backtrace *b, void *context);

/* The functions, one a line, each behind four spaces; to be freed. NULL: no memory. */
char *yk__backtrace_text(const yk__backtrace *b);

/* Says every line of a text to the log hook. */
void yk__log_lines(const char *text);

/* Whether this function is among them. */
bool yk__backtrace_is_in(const yk__backtrace *b, void (*function)(void));

#endif
