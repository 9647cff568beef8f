/* Counters that may be watched. See observe.h for the order of things. */
#include <stdatomic.h>
#include <uv.h>

#include "internal.h"
#include "shared.h"
#include "observe.h"

static _Atomic uint64_t *value_of(const yk_counter *c)
{
    return (_Atomic uint64_t *)&c->value;
}

static _Atomic uint64_t *wanted_of(const yk_counter *c)
{
    return (_Atomic uint64_t *)&c->wanted;
}

uint64_t yk_counter_add(yk_counter *c, uint64_t n)
{
    uint64_t value = atomic_fetch_add(value_of(c), n) + n;
    uint64_t wanted = atomic_load(wanted_of(c));
    /* Who takes the mark away tells. */
    if (wanted != 0 && value >= wanted && atomic_compare_exchange_strong(wanted_of(c), &wanted, 0))
        yk__observed_tell();
    return value;
}

uint64_t yk_counter_get(const yk_counter *c)
{
    return atomic_load_explicit(value_of(c), memory_order_acquire);
}

static bool has_reached(void *on, uint64_t target)
{
    yk_counter *c = on;
    if (yk_counter_get(c) >= target)
        return true;
    uint64_t wanted = atomic_load(wanted_of(c));
    while (wanted == 0 || wanted > target)
        if (atomic_compare_exchange_weak(wanted_of(c), &wanted, target))
            break;
    return atomic_load(value_of(c)) >= target;
}

yk_future *yk_counter_reaches(yk_counter *c, uint64_t value)
{
    return c ? yk__observe(c, value, has_reached) : yk__future_failed(UV_EINVAL, "no counter");
}
