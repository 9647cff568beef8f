/* The lives of worker processes, as the driver sees to them: when one is started, how long to wait
 * after one that was of no use, and when to give up.
 *
 * A worker that could not be started, or died before it began a job, was of no use. After such a
 * one no other is started for a while, twice as long each time, so a pool whose workers all die at
 * once costs a few forks a second at most. Nobody's job fails while somebody else may still do it:
 * what waits fails when no worker is left, and the last one failed by its own word or was the
 * `budget`th in a row that was of no use. Then the error stands until the time comes to try again:
 * what is submitted meanwhile fails with it.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <uv.h>

#include "arena.h"
#include "process_pool.h"

#define DEFAULT_START  (20000 * YK__MS)
#define LONGEST_START  (UINT64_MAX / 4)
#define DEFAULT_BUDGET 5
#define MAX_BACKOFF    (1000 * YK__MS)

/* ---- Starting ------------------------------------------------------------------------------- */

int yk__pool_life_init(struct process_pool *p, const yk_worker_options *o)
{
    uint64_t ms = o->start_timeout_ms;
    p->start_limit = ms == 0                       ? DEFAULT_START
                     : ms > LONGEST_START / YK__MS ? LONGEST_START
                                                   : ms * YK__MS;
    p->budget = o->respawn_budget ? o->respawn_budget : DEFAULT_BUDGET;
    return yk__worker_spec_copy(o, yk_arena_alloc, &p->spec);
}

void yk__pool_life_free(struct process_pool *p)
{
    yk_arena_free(p->spec);
    yk__error_free(p->start_error);
}

static bool has_initializer(const struct process_pool *p)
{
    return p->spec && p->spec->options.initializer;
}

void yk__pool_life_begins(struct process_pool *p, remote *r)
{
    yk__remote_expect_start(r, p->start_limit, has_initializer(p));
}

/* Whether more jobs wait than workers are on their way to them. */
static bool more_wait_than_start(const struct process_pool *p)
{
    size_t on_their_way = 0;
    for (unsigned i = 0; i < p->max_workers; i++)
        on_their_way += p->remotes[i] && p->remotes[i]->held;
    return p->queue.length > on_their_way;
}

bool yk__pool_may_start(const struct process_pool *p)
{
    if (p->n_remotes >= p->max_workers || p->respawn.heap_index != 0)
        return false;
    return !has_initializer(p) || more_wait_than_start(p);
}

/* ---- Failing -------------------------------------------------------------------------------- */

static void back_off(struct process_pool *p)
{
    p->backoff = p->backoff ? 2 * p->backoff : 10 * YK__MS;
    if (p->backoff > MAX_BACKOFF)
        p->backoff = MAX_BACKOFF;
    yk__reactor_timer_set(p->reactor, &p->respawn, yk_now() + p->backoff);
}

static void describe_death(const remote *r, char *text, size_t size)
{
    if (!r->status_known)
        snprintf(text, size, "died");
    else if (WIFSIGNALED(r->status))
        snprintf(text, size, "was killed by SIG%s",
                 sigabbrev_np(WTERMSIG(r->status)) ? sigabbrev_np(WTERMSIG(r->status)) : "?");
    else
        snprintf(text, size, "exited with status %d", WEXITSTATUS(r->status));
}

/* What happened, and its code. */
static int describe(const struct process_pool *p, const remote *r, int refused, char *text,
                    size_t size)
{
    char death[64];
    if (refused) {
        snprintf(text, size, "no worker process could be started: %s", yk_strerror(refused));
        return YK_ENOWORKER;
    }
    if (r->start_failed) {
        snprintf(text, size, "a worker could not start: %s",
                 r->start_message ? r->start_message : yk_strerror(UV_ENOMEM));
        return YK_EINIT;
    }
    if (r->late) {
        snprintf(text, size, "a worker was not ready within its limit of %llu ms",
                 (unsigned long long)(p->start_limit / YK__MS));
        return has_initializer(p) ? YK_EINIT : YK_ENOWORKER;
    }
    describe_death(r, death, sizeof death);
    bool in_initializer = !r->ready && has_initializer(p);
    snprintf(text, size, "a worker %s %s", death,
             in_initializer ? "in its initializer" : "before it began a job");
    return in_initializer ? YK_EINIT : YK_ENOWORKER;
}

static bool somebody_is_left(const struct process_pool *p)
{
    for (unsigned i = 0; i < p->max_workers; i++)
        if (p->remotes[i] && !p->remotes[i]->stopping && !p->remotes[i]->late)
            return true;
    return false;
}

void yk__pool_start_failed(struct process_pool *p, const remote *r, int refused)
{
    char text[YK__MESSAGE_MAX + 64];
    int code = describe(p, r, refused, text, sizeof text);
    yk__log("%s", text);
    p->deaths++;
    back_off(p);
    bool by_its_own_word = r && r->start_failed;
    if (somebody_is_left(p) || (!by_its_own_word && p->deaths < p->budget))
        return;
    yk__error_free(p->start_error);
    p->start_error = yk__error_new(code, "%s", text);
    yk__pool_fail_queue(p, code, text);
}

const yk_error *yk__pool_start_error(const struct process_pool *p)
{
    bool stands = p->start_error && p->respawn.heap_index != 0 && !somebody_is_left(p);
    return stands ? p->start_error : NULL;
}
