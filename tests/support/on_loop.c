/* The part of backends.h that needs a loop. */
#include "backends.h"

#include "loop/loop.h"

struct call {
    void (*body)(const backend *b);
    const backend *b;
};

static bool pause_in_task(void)
{
    if (!yk_task_current())
        return false;
    yk_sleep_ms(1);
    return true;
}

static int call_body(void *arg)
{
    struct call *c = arg;
    c->body(c->b);
    return 0;
}

void on_a_loop(void (*body)(const backend *b), const backend *b)
{
    yk_loop *loop = yk_loop_new();
    assert_non_null(loop);
    support_pause_in_task = pause_in_task;
    struct call c = { body, b };
    yk_future *task = yk_task_start_with(call_body, &c, .name = "body");
    assert_int_equal(yk_loop_run_until(loop, task), 0);
    yk_future_unref(task);
    assert_int_equal(yk_loop_close(loop), 0);
    support_pause_in_task = NULL;
}

/* libuv keeps a pipe for signals from its first loop on. */
void support_warm_up(void)
{
    yk_loop_close(yk_loop_new());
}
