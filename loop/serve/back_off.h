/* loop/serve/back_off.h - when a worker that died is replaced. Not installed. */
#ifndef YOKE_LOOP_SERVE_BACK_OFF_H
#define YOKE_LOOP_SERVE_BACK_OFF_H

#include <stdint.h>

/* A worker that was ready for so long had nothing wrong with it when it started. */
#define YK__HEALTHY_NS ((uint64_t)500000000)

/* Nanoseconds to wait after so many failures in a row, the latest included: none after the first,
 * then 0.1 s, twice as long each time, up to 5 s; give or take a quarter, by `chance`. */
uint64_t yk__back_off(unsigned failures, uint64_t chance);

/* A value give or take a tenth, by `chance`; 0 stays 0. */
uint64_t yk__jittered(uint64_t value, uint64_t chance);

/* Chance: of the system, never an error. */
uint64_t yk__chance(void);

#endif
