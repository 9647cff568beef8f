/* Many tasks as one. */
#include <stdlib.h>
#include <uv.h>

#include "loop.h"

static void cancel_all(yk_future *const *tasks, size_t n)
{
    for (size_t i = 0; i < n; i++)
        yk_future_cancel(tasks[i]);
}

/* Awaits each in the order in which they end. The first failure, or a cancellation of the caller,
 * cancels all that are left; then only their ends are awaited. */
static int await_together(yk_future *const *tasks, size_t n, yk_as_completed *each)
{
    int first = 0;
    for (;;) {
        yk_future *f;
        int err = yk_as_completed_next(each, &f, YK_FOREVER);
        if (err == YK_END)
            return first;
        if (err == 0) {
            const yk_error *error = yk_future_error(f);
            err = error ? error->code : 0;
        }
        if (err && !first) {
            first = err;
            cancel_all(tasks, n);
        }
    }
}

/* Without the memory to await them in order of their ends. */
static int give_up(yk_future *const *tasks, size_t n)
{
    cancel_all(tasks, n);
    for (size_t i = 0; i < n; i++)
        while (!yk_future_ended(tasks[i]))
            yk_await(tasks[i]);
    return UV_ENOMEM;
}

int yk_gather(const yk_task_fn *fns, void *const *args, size_t n)
{
    if (!yk_task_current())
        return yk_loop_current() ? YK_EONLOOP : UV_EINVAL;
    if (n == 0)
        return 0;
    yk_future **tasks = calloc(n, sizeof *tasks);
    if (!tasks)
        return UV_ENOMEM;
    for (size_t i = 0; i < n; i++)
        tasks[i] = yk_task_start(fns[i], args ? args[i] : NULL);
    yk_as_completed *each = yk_as_completed_new(tasks, n);
    int err = each ? await_together(tasks, n, each) : give_up(tasks, n);
    yk_as_completed_free(each);
    for (size_t i = 0; i < n; i++)
        yk_future_unref(tasks[i]);
    free(tasks);
    return err;
}
