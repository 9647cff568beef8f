/* CLOCK_MONOTONIC in nanoseconds. */
#include "clock.h"

#include <time.h>

uint64_t yk_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t yk_after_ms(uint64_t ms)
{
    uint64_t now = yk_now();
    return ms > (YK_FOREVER - now) / 1000000u ? YK_FOREVER : now + ms * 1000000u;
}
