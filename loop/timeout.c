/* Time-outs: an interrupt with a timer. */
#include "timeout.h"

#include <stdlib.h>
#include <uv.h>

#include "interrupt.h"

/* Not on the task's stack: its timer must not outlive a function that forgets to end it. */
struct yk__timeout {
    yk__interrupt interrupt;
    yk__timer timer;
};

static void fired(yk__timer *timer)
{
    struct yk__timeout *in =
        (struct yk__timeout *)((char *)timer - offsetof(struct yk__timeout, timer));
    yk__interrupt_now(&in->interrupt);
}

static void forgotten(yk__interrupt *interrupt)
{
    struct yk__timeout *in = (struct yk__timeout *)interrupt; /* its first member */
    yk__reactor_timer_stop(&interrupt->task->loop->reactor, &in->timer);
    free(in);
}

int yk_timeout_begin(yk_timeout *t, uint64_t deadline)
{
    t->inside = NULL;
    yk_loop *loop = yk_loop_current();
    if (!loop || !loop->running)
        return YK_EONLOOP;
    struct yk__timeout *in = calloc(1, sizeof *in);
    if (!in)
        return UV_ENOMEM;
    in->timer.fired = fired;
    int err = yk__reactor_timer_set(&loop->reactor, &in->timer, deadline);
    if (err) {
        free(in);
        return err;
    }
    yk__interrupt_lay(&in->interrupt, loop->running, forgotten);
    in->interrupt.timer = &in->timer;
    t->inside = in;
    return 0;
}

int yk_timeout_move(yk_timeout *t, uint64_t deadline)
{
    struct yk__timeout *in = t->inside;
    if (!in || in->interrupt.due)
        return UV_EINVAL;
    return yk__reactor_timer_set(&in->interrupt.task->loop->reactor, &in->timer, deadline);
}

bool yk_timeout_has_passed(const yk_timeout *t)
{
    return t->inside && t->inside->interrupt.due;
}

int yk_timeout_end(yk_timeout *t, int err)
{
    struct yk__timeout *in = t->inside;
    if (!in)
        return err;
    t->inside = NULL;
    yk__interrupt_lift(&in->interrupt);
    yk__reactor_timer_stop(&in->interrupt.task->loop->reactor, &in->timer);
    if (err == YK_ECANCELED && yk__interrupt_was_it(&in->interrupt))
        err = UV_ETIMEDOUT;
    free(in);
    return err;
}

int yk_with_timeout(yk_task_fn fn, void *arg, uint64_t deadline)
{
    yk_timeout t;
    int err = yk_timeout_begin(&t, deadline);
    return err ? err : yk_timeout_end(&t, fn(arg));
}
