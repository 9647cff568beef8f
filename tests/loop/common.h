/* What the tests of loop/ share. */
#ifndef TESTS_LOOP_COMMON_H
#define TESTS_LOOP_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>
#include <uv.h>

#include "loop/loop.h"
#include "loop/task.h"

#if defined(__SANITIZE_THREAD__)
#define SLOWLY         1
#define FIBERS_LIMITED 1 /* ThreadSanitizer has room for some 8,000 stacks */
#elif defined(__SANITIZE_ADDRESS__)
#define SLOWLY         1
#define FIBERS_LIMITED 0
#else
#define SLOWLY         0
#define FIBERS_LIMITED 0
#endif

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

/* So many stacks at once that something could break, and no more than a checker has room for:
 * valgrind keeps a record of every byte. */
static inline int crowd_size(void)
{
    return RUNNING_ON_VALGRIND ? 500 : FIBERS_LIMITED ? 2000 : SLOWLY ? 20000 : 100000;
}

/* Ends the test program if it hangs. */
static inline void arm_watchdog(void)
{
    alarm(240);
}

/* Runs app(arg) as a task of a new loop, closes the loop, and returns what the task did. No task
 * may be left. */
static inline int run_task(yk_task_fn app, void *arg)
{
    yk_loop *loop = yk_loop_new();
    assert_non_null(loop);
    yk_future *task = yk_task_start_with(app, arg, .name = "app");
    int err = yk_loop_run_until(loop, task);
    if (err == 0)
        err = *(const int *)yk_future_result(task, NULL);
    yk_future_unref(task);
    assert_int_equal(yk_loop_close(loop), 0);
    return err;
}

#endif
