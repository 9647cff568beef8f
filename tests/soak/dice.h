/* Chance that a seed repeats. */
#ifndef TESTS_SOAK_DICE_H
#define TESTS_SOAK_DICE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct dice {
    uint64_t state;
} dice;

dice dice_new(uint64_t seed, uint64_t stream);
uint64_t dice_below(dice *d, uint64_t n); /* 0 to n - 1 */
bool dice_percent(dice *d, unsigned percent);

#endif
