/* For tests of loop/ that are run by RUN_TESTS, which looks for what they leave behind. For one
 * source file of a test program. */
#ifndef TESTS_LOOP_CHECKED_H
#define TESTS_LOOP_CHECKED_H

#include "common.h"
#include "support/support.h"

/* libuv keeps a pipe for signals from its first loop on. */
void support_warm_up(void)
{
    yk_loop_close(yk_loop_new());
}

static bool pause_in_task(void)
{
    return yk_task_current() && yk_sleep_ms(1) == 0;
}

/* As run_task; eventually() lets the other tasks run. */
static inline int run_checked(yk_task_fn app, void *arg)
{
    support_pause_in_task = pause_in_task;
    return run_task(app, arg);
}

#endif
