/* Jobs that must begin by some time, and jobs that are tried again. */
#include "process_terms.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "process_pool.h"

#define FIRST_REST   (10 * YK__MS)
#define LONGEST_REST (1000 * YK__MS)

static void timer_fired(yk__timer *timer);

job_terms *yk__terms_new(process_job *job, const yk_job_options *options, const void *arg,
                         size_t len)
{
    size_t keep = options->retries && job->block ? len : 0;
    job_terms *t = malloc(sizeof *t + keep);
    if (!t)
        return NULL;
    *t = (job_terms){ .job = job, .start_by = options->start_by, .retries = options->retries };
    t->timer.fired = timer_fired;
    if (keep > 0)
        memcpy(t->original, arg, keep);
    return t;
}

/* ---- To begin by some time ------------------------------------------------------------------ */

static void expire(process_job *job)
{
    char text[YK__NAME_MAX + 64], label[YK__NAME_MAX + 8];
    snprintf(text, sizeof text, "%s did not begin in time", yk__work_label(&job->work, label));
    yk__pool_fail_job(job, YK_EEXPIRED, text);
}

bool yk__terms_accept(process_job *job)
{
    job_terms *t = job->terms;
    if (!yk__terms_may_begin(job))
        return false;
    int err = yk__reactor_timer_reserve(job->pool->reactor, &t->timer);
    if (err) {
        yk__pool_fail_job(job, err, NULL);
        return false;
    }
    if (t->start_by)
        yk__reactor_timer_set(job->pool->reactor, &t->timer, t->start_by);
    return true;
}

/* The timer may be late: a loop that was busy looks at its jobs first. */
bool yk__terms_may_begin(process_job *job)
{
    if (job->terms->start_by == 0 || job->terms->start_by > yk_now())
        return true;
    expire(job);
    return false;
}

static void start_by_passed(process_job *job)
{
    remote *r = job->on;
    if (!r) {
        yk__pool_unwait(job);
        expire(job);
    } else if (yk__remote_withdraw(r, job)) {
        yk__pool_left_ring(job->pool, r, job);
        expire(job);
    } else {
        job->terms->start_by = 0; /* it has begun */
    }
}

/* ---- To be tried again ---------------------------------------------------------------------- */

static void rest(job_terms *t)
{
    struct process_pool *p = t->job->pool;
    uint64_t ns = t->lost < 8 ? FIRST_REST << (t->lost - 1) : LONGEST_REST;
    t->resting = true;
    t->prev = NULL;
    t->next = p->resting;
    if (t->next)
        t->next->prev = t;
    p->resting = t;
    yk__reactor_timer_set(p->reactor, &t->timer,
                          yk_now() + (ns < LONGEST_REST ? ns : LONGEST_REST));
}

static void stop_resting(job_terms *t)
{
    if (!t->resting)
        return;
    t->resting = false;
    if (t->prev)
        t->prev->next = t->next;
    else
        t->job->pool->resting = t->next;
    if (t->next)
        t->next->prev = t->prev;
}

bool yk__terms_try_again(process_job *job)
{
    job_terms *t = job->terms;
    yk_future *f = &job->work.future;
    t->lost++;
    t->start_by = 0; /* it did begin */
    if (t->retries == 0 || job->pool->finished || job->pool->no_more_tries ||
        yk_future_cancel_requested(f))
        return false;
    t->retries--;
    if (job->block)
        memcpy(job->block, t->original, job->work.arg_len);
    if (job->work.context)
        yk__pool_put_context(job); /* who knows what the one that died has written */
    yk__future_advance(f, YK_RUNNING, YK_PENDING);
    yk__future_hand(f, false);
    rest(t);
    return true;
}

const char *yk__terms_story(const process_job *job, const char *message, char *text, size_t size)
{
    if (!job->terms || job->terms->lost < 2)
        return message;
    snprintf(text, size, "%s (tried %u times)", message, job->terms->lost);
    return text;
}

/* ---- Both ----------------------------------------------------------------------------------- */

static void timer_fired(yk__timer *timer)
{
    job_terms *t = (job_terms *)((char *)timer - offsetof(job_terms, timer));
    struct process_pool *p = t->job->pool;
    yk__executor_hold(&p->ex);
    if (!t->resting)
        start_by_passed(t->job);
    else if (yk_future_ended(&t->job->work.future))
        yk__pool_let_go(t->job); /* it was cancelled as it rested */
    else {
        stop_resting(t);
        yk__pool_wait(t->job);
    }
    yk__pool_moved(p);
    yk__executor_release(&p->ex);
}

void yk__terms_end(process_job *job)
{
    stop_resting(job->terms);
    yk__reactor_timer_release(job->pool->reactor, &job->terms->timer);
}
