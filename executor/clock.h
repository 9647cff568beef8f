/* yoke/executor/clock.h - one clock.
 *
 * Every time in yoke is CLOCK_MONOTONIC in nanoseconds, every deadline a point on it. A deadline
 * in the past (0, say) makes a wait a look: it returns at once. The clock does not run while the
 * machine is suspended, so a suspended machine fires no deadline early.
 */
#ifndef YOKE_EXECUTOR_CLOCK_H
#define YOKE_EXECUTOR_CLOCK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define YK_FOREVER UINT64_MAX /* the deadline that never comes */

/* Now, in nanoseconds. */
uint64_t yk_now(void);

/* The deadline that lies `ms` milliseconds from now; YK_FOREVER if that is past the end of time. */
uint64_t yk_after_ms(uint64_t ms);

#ifdef __cplusplus
}
#endif
#endif
