/* The default executor of a loop, and jobs on its threads. */
#include "offload.h"

#include <uv.h>

#include "internal.h"

yk_executor *yk_loop_default_executor(yk_loop *loop)
{
    if (!loop || !yk__loop_is_mine(loop))
        return NULL;
    if (!loop->executor) {
        loop->executor = yk_hybrid(.name = "default");
        loop->made_executor = true;
    }
    return loop->executor;
}

int yk_loop_set_default_executor(yk_loop *loop, yk_executor *ex)
{
    if (!loop || !yk__loop_is_mine(loop) || !ex)
        return UV_EINVAL;
    if (yk_executor_error(ex))
        return yk_executor_error(ex)->code;
    if (!yk_executor_has_threads(ex))
        return UV_EINVAL;
    yk_executor *before = loop->executor;
    loop->executor = yk_executor_ref(ex);
    loop->made_executor = false;
    yk_executor_unref(before);
    return 0;
}

void yk__loop_close_executor(yk_loop *loop)
{
    if (loop->made_executor)
        yk_executor_close(loop->executor);
    else
        yk_executor_unref(loop->executor);
}

yk_future *yk__offload(yk_job_fn fn, const void *arg, size_t len, uint64_t deadline)
{
    yk_loop *loop = yk_loop_current();
    if (!loop)
        return yk__future_failed(UV_EINVAL, "this thread has no loop");
    if (!loop->running)
        return yk__future_failed(YK_EONLOOP, NULL);
    /* It may be replaced while the task waits for room in its queue. */
    yk_executor *ex = yk_executor_ref(yk_loop_default_executor(loop));
    /* To the job's options 0 is no deadline. */
    uint64_t submit_deadline = deadline == 0 ? 1 : deadline == YK_FOREVER ? 0 : deadline;
    yk_future *job =
        yk_submit_with(ex, fn, arg, len, .kind = YK_BLOCKING, .submit_deadline = submit_deadline);
    yk_executor_unref(ex);
    return job;
}

int yk_to_thread(yk_job_fn fn, const void *arg, size_t len)
{
    yk_future *job = yk__offload(fn, arg, len, YK_FOREVER);
    int err = yk_await(job);
    yk_future_unref(job);
    return err;
}

int yk_to_thread_into(yk_job_fn fn, const void *arg, size_t len, void *out, size_t size)
{
    yk_future *job = yk__offload(fn, arg, len, YK_FOREVER);
    int err = yk_await_into(job, out, size);
    yk_future_unref(job);
    return err;
}
