/* Errands: three have a reference, the caller, the job, and the callback at the end of the job's
 * future, which gives back the job's where that has not begun and so never will. */
#include "errand.h"

#include <uv.h>

#include "internal.h"

/* Release and acquire, for what the other did with the errand. */
void yk__errand_unref(yk__errand *e)
{
    if (atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1)
        e->free(e);
}

static int run_job(yk_job *job)
{
    yk__errand *e = *(yk__errand **)yk_job_arg(job);
    atomic_store_explicit(&e->begun, true, memory_order_release);
    e->err = e->run(e, job);
    yk__errand_unref(e);
    return 0;
}

static int job_ended(yk_future *f, void *arg)
{
    yk__errand *e = arg;
    (void)f;
    if (!atomic_load_explicit(&e->begun, memory_order_acquire))
        yk__errand_unref(e);
    yk__errand_unref(e);
    return 0;
}

/* Without the memory to be told of the end. */
static int wait_it_out(yk_future *f, yk__errand *e)
{
    yk_future_cancel(f);
    while (!yk_future_ended(f))
        yk__wait_for_end(f, YK_FOREVER);
    job_ended(f, e);
    return UV_ENOMEM;
}

static int await(yk_future *f, yk__errand *e, uint64_t deadline)
{
    int err = yk_await_until(f, deadline);
    if (err == UV_ETIMEDOUT)
        yk_future_cancel(f);
    return err ? err : e->err;
}

int yk__errand_run(yk__errand *e, uint64_t deadline)
{
    atomic_init(&e->refs, 3);
    yk_future *f = yk__offload(run_job, &e, sizeof e, deadline);
    int err = yk_future_on_end(f, job_ended, e);
    err = err ? wait_it_out(f, e) : await(f, e, deadline);
    yk_future_unref(f);
    return err;
}
