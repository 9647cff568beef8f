/* What the tests of maps have in common. */
#ifndef TESTS_EXECUTOR_MAP_COMMON_H
#define TESTS_EXECUTOR_MAP_COMMON_H

#include "support/backends.h"

#include <uv.h>

#include "executor/map.h"

static int inputs[500];

static inline void fill_inputs(void)
{
    for (size_t i = 0; i < COUNT_OF(inputs); i++)
        inputs[i] = (int)i;
}

/* Fails for every multiple of 10 but 0. */
static inline int job_square_or_fail(yk_job *job)
{
    int n = *(const int *)yk_job_arg(job);
    if (n > 0 && n % 10 == 0)
        return yk_job_fail(job, UV_ESPIPE, "%d is round", n);
    n *= n;
    return yk_job_return(job, &n, sizeof n);
}

#endif
