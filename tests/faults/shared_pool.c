/* A scenario of the process pool that several processes share: both ends on one loop. */
#include <string.h>
#include <uv.h>

#include "executor/context.h"
#include "executor/init.h"
#include "executor/stream.h"
#include "loop/loop.h"
#include "loop/serve/pool_server.h"
#include "loop/serve/shared_pool.h"
#include "scenarios.h"

static int emit_three(yk_job *job)
{
    char record[300] = { 0 };
    for (int i = 0; i < 3; i++) {
        int err = yk_job_emit(job, record, sizeof record);
        if (err)
            return err;
        yk_job_progress(job, (uint64_t)i, 3);
    }
    return 0;
}

static void stream(yk_executor *ex)
{
    yk_future *f = yk_submit_with(ex, emit_three, NULL, 0, .stream = 400);
    char record[300];
    size_t len;
    int n = 0, err;
    while ((err = yk_stream_next(f, record, sizeof record, &len, patience())) == 0)
        n += len == sizeof record;
    check(err != UV_ETIMEDOUT);
    if (outcome(f) == 0 && err == YK_END)
        check(n == 3);
    yk_future_unref(f);
}

static void echo(yk_executor *ex)
{
    static char large[200000];
    yk_future *f = yk_submit(ex, job_echo, large, sizeof large);
    size_t len = 0;
    if (outcome(f) == 0) {
        yk_future_result(f, &len);
        check(len == sizeof large);
    }
    yk_future_unref(f);
}

static void use(yk_executor *ex)
{
    static const yk_context_key key = { sizeof(int) };
    int seven = 7;
    yk_context_set(&key, &seven);
    expect_int(yk_submit(ex, job_square, &seven, sizeof seven), 49);
    yk_context_reset(&key);
    expect_failure(yk_submit(ex, job_crash, NULL, 0));
    echo(ex);
    stream(ex);
    yk_future *waits = yk_submit(ex, job_wait, NULL, 0);
    yk_future_cancel(waits);
    expect_failure(waits);
}

static int serve(void *unused)
{
    yk__pool_door door;
    yk_pool_options two = { .workers = 2, .kill_grace_ms = 10 };
    (void)unused;
    int err = yk__pool_door_open(&door);
    if (err)
        return err;
    yk__pool_service service = { &door, &two };
    yk_future *server = yk_task_start(yk__pool_serve, &service);
    yk_yield();
    yk_executor *ex = yk__shared_pool_new(&door, &(yk_pool_options){ .queue_limit = 4 });
    if (!yk_future_ended(server) && !yk_executor_error(ex)) /* or nobody would answer */
        use(ex);
    yk_executor_shutdown(ex, .cancel_running = true);
    yk_executor_unref(ex);
    yk__pool_door_stay_inside(&door);
    check(yk_await_until(server, patience()) != UV_ETIMEDOUT);
    yk_future_error(server);
    yk_future_unref(server);
    yk__pool_door_close(&door);
    return 0;
}

void scenario_shared_pool(void)
{
    check(yk_main(0, NULL, serve, NULL) >= 0);
    yk_fini();
}
