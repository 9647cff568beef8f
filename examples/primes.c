/* Sums of primes on forked worker processes, awaited from a task. One of the jobs crashes: it costs
 * itself and nothing else. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include <yoke/yoke.h>

static bool is_prime(uint64_t n)
{
    for (uint64_t d = 2; d * d <= n; d++)
        if (n % d == 0)
            return false;
    return n >= 2;
}

/* A job: plain C, runs in a thread or in another process; it cannot tell which. */
static int sum_primes(yk_job *job)
{
    const uint64_t *limit = yk_job_arg(job);
    uint64_t sum = 0;
    for (uint64_t n = 2; n < *limit; n++) {
        if ((n & 0xffff) == 0 && yk_job_cancelled(job))
            return YK_ECANCELED;
        if (n == 60000)
            raise(SIGSEGV);
        if (is_prime(n))
            sum += n;
    }
    return yk_job_return(job, &sum, sizeof sum);
}

/* A task: a coroutine on the loop; it awaits. */
static int app(void *unused)
{
    (void)unused;
    yk_executor *pool = yk_process_pool(.workers = YK_PER_CORE, .job_timeout_ms = 60000);
    yk_future *f[8];
    for (uint64_t i = 0; i < 8; i++)
        f[i] = yk_submit(pool, sum_primes, &(uint64_t){ (i + 1) * 8000 }, sizeof(uint64_t));

    for (int i = 0; i < 8; i++) {
        uint64_t sum;
        int err = yk_await_into(f[i], &sum, sizeof sum);
        if (err) /* crashed, timed out, cancelled: this job alone */
            printf("below %d: %s\n", (i + 1) * 8000, yk_future_error(f[i])->message);
        else
            printf("below %d: %" PRIu64 "\n", (i + 1) * 8000, sum);
        yk_future_unref(f[i]);
    }
    return yk_executor_close(pool);
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, app, NULL);
}
