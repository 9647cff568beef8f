/* The pauses before a worker is started again, and the chance in them. */
#include "back_off.h"

#include <sys/random.h>

#include "../../executor/clock.h"

#define FIRST ((uint64_t)100000000)
#define MOST  ((uint64_t)5000000000)

/* `value`, less or more by up to one part in `part`. */
static uint64_t about(uint64_t value, uint64_t part, uint64_t chance)
{
    uint64_t spread = value / part;
    uint64_t is = value - spread + chance % (2 * spread + 1);
    return is < value - spread ? UINT64_MAX : is;
}

uint64_t yk__back_off(unsigned failures, uint64_t chance)
{
    if (failures <= 1)
        return 0;
    uint64_t pause = failures - 2 < 6 ? FIRST << (failures - 2) : MOST;
    return about(pause < MOST ? pause : MOST, 4, chance);
}

uint64_t yk__jittered(uint64_t value, uint64_t chance)
{
    return about(value, 10, chance);
}

uint64_t yk__chance(void)
{
    uint64_t chance;
    return getrandom(&chance, sizeof chance, GRND_NONBLOCK) == sizeof chance
               ? chance
               : yk_now() * 0x9e3779b97f4a7c15u >> 7;
}
