/* A libuv program that hands a slow call to a thread and gets its answer as a callback, while its
 * own timer keeps ticking: the loop misses no beat. */
#include <stdio.h>
#include <uv.h>

#include <yoke/yoke.h>

static uv_timer_t timer;
static int ticks;

static void tick(uv_timer_t *t)
{
    (void)t;
    ticks++;
}

/* Computes for a while, as a password hash or an image decoder would. */
static int slow_square(yk_job *job)
{
    volatile unsigned n = 0;
    while (n < 200000000u)
        n++;
    int x = *(int *)yk_job_arg(job);
    return yk_job_return(job, &(int){ x * x }, sizeof(int));
}

/* A task on the program's own loop. */
static int ask(void *pool)
{
    yk_future *f = yk_submit(pool, slow_square, &(int){ 12 }, sizeof(int));
    int answer, err = yk_await_into(f, &answer, sizeof answer);
    if (err)
        printf("failed: %s\n", yk_strerror(err));
    else
        printf("12 squared is %d; the loop's timer %s meanwhile\n", answer,
               ticks > 1 ? "ticked on" : "stood still");
    yk_future_unref(f);
    uv_close((uv_handle_t *)&timer, NULL);
    return err;
}

int main(void)
{
    yk_init();
    uv_loop_t *uv = uv_default_loop();
    uv_timer_init(uv, &timer);
    uv_timer_start(&timer, tick, 1, 1);

    yk_loop *loop = yk_loop_new(.uv = uv);
    yk_executor *pool = yk_thread_pool(.workers = 2);
    yk_future *task = yk_task_start(ask, pool);
    uv_run(uv, UV_RUN_DEFAULT);

    int err = yk_future_state(task) == YK_DONE ? 0 : 1;
    yk_future_unref(task);
    yk_loop_close(loop);
    yk_executor_close(pool);
    uv_loop_close(uv);
    return err;
}
