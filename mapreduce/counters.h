/* mapreduce/counters.h - what user's functions count. Not installed. */
#ifndef YOKE_MAPREDUCE_COUNTERS_H
#define YOKE_MAPREDUCE_COUNTERS_H

#include "mapreduce.h"

/* By name. */
typedef struct yk__counters {
    unsigned n;
    yk_mapreduce_counter at[YK_MAPREDUCE_COUNTERS];
} yk__counters;

/* UV_EINVAL: the name is empty or too long; UV_E2BIG: there are too many. */
int yk__counters_add(yk__counters *c, const char *name, uint64_t n);

/* Adds those of a job, which come from another process: damaged ones are YK_EFORMAT. */
int yk__counters_add_all(yk__counters *c, const yk__counters *from);

#endif
