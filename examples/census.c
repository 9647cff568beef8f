/* Worker processes look for the longest Collatz chain. They share a counter, which the loop watches
 * to draw a bar, and a record under a mutex. One dies as it owns the mutex: the next is told. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include <yoke/yoke.h>

enum { JOBS = 20, RANGE = 10000 };

struct census {
    yk_counter done; /* jobs */
    yk_mutex lock;   /* of what follows: the chain from `start` has `longest` steps */
    uint64_t start, longest;
    unsigned mended;
};

struct range {
    struct census *census;
    uint64_t from;
};

static uint64_t steps(uint64_t n)
{
    return n <= 1 ? 0 : 1 + steps(n % 2 ? 3 * n + 1 : n / 2);
}

static int search(yk_job *job)
{
    const struct range *r = yk_job_arg(job);
    struct census *c = r->census;
    uint64_t best = r->from + 1;
    for (uint64_t n = best; n <= r->from + RANGE; n++)
        best = steps(n) > steps(best) ? n : best;
    int err = yk_mutex_lock(&c->lock, YK_FOREVER);
    if (err == YK_EOWNERDEAD) {
        c->longest = steps(c->start);
        c->mended++;
        err = yk_mutex_recovered(&c->lock);
    }
    if (err)
        return err;
    if (steps(best) > c->longest) {
        c->longest = steps(best);
        if (c->mended == 0)
            raise(SIGKILL); /* half-way; it is run again, as its option `retries` says */
        c->start = best;
    }
    yk_counter_add(&c->done, 1);
    return yk_mutex_unlock(&c->lock);
}

static int app(void *unused)
{
    (void)unused;
    yk_executor *pool = yk_process_pool(.workers = 4);
    struct census *c = yk_arena_calloc(1, sizeof *c);
    for (int i = 0; i < JOBS; i++) { /* nobody awaits them: the counter tells */
        struct range r = { c, (uint64_t)i * RANGE };
        yk_future_unref(
            yk_submit_with(pool, search, &r, sizeof r, .retries = 1, .uses = YK_USES(c)));
    }
    for (int n = 0; n < JOBS;) {
        yk_future *more = yk_counter_reaches(&c->done, (uint64_t)n + 1);
        yk_await(more);
        yk_future_unref(more);
        n = (int)yk_counter_get(&c->done);
        printf("\r[%.*s%*s] %d of %d", n, "####################", JOBS - n, "", n, JOBS);
    }
    printf("\nlongest: %" PRIu64 " steps from %" PRIu64 "; the record was mended: %u\n", c->longest,
           c->start, c->mended);
    yk_arena_free(c);
    return yk_executor_close(pool);
}

int main(int argc, char **argv)
{
    return yk_main(argc, argv, app, NULL);
}
