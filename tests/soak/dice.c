#include "dice.h"

static uint64_t dice_next(dice *d)
{
    /* splitmix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators". */
    uint64_t z = d->state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

dice dice_new(uint64_t from, uint64_t stream)
{
    dice d = { from * 0x2545f4914f6cdd1d + stream };
    dice_next(&d);
    return d;
}

uint64_t dice_below(dice *d, uint64_t n)
{
    return dice_next(d) % n;
}

bool dice_percent(dice *d, unsigned percent)
{
    return dice_below(d, 100) < percent;
}
