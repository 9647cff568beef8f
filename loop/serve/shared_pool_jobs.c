/* Jobs of the shared pool's client, on its loop: their numbers, and how they end. */
#include <stdio.h>
#include <stdlib.h>

#include "shared_pool_internal.h"

/* ---- Numbers --------------------------------------------------------------------------------- */

static bool more_numbers(yk__shared_pool *p)
{
    uint32_t size = p->size ? 2 * p->size : 64;
    if (size > YK__POOL_JOBS)
        return false;
    yk__shared_job **jobs = realloc(p->jobs, size * sizeof(*jobs));
    if (jobs)
        p->jobs = jobs;
    uint32_t *free_numbers = realloc(p->free_numbers, size * sizeof(*free_numbers));
    if (free_numbers)
        p->free_numbers = free_numbers;
    if (!jobs || !free_numbers)
        return false;
    for (uint32_t n = size; n > p->size; n--) {
        jobs[n - 1] = NULL;
        free_numbers[p->n_free++] = n - 1;
    }
    p->size = size;
    return true;
}

bool yk__shared_number(yk__shared_pool *p, yk__shared_job *job)
{
    if (p->n_free == 0 && !more_numbers(p))
        return false;
    job->number = p->free_numbers[--p->n_free];
    p->jobs[job->number] = job;
    yk__shared_feeder *feeder = yk__shared_feeder_of(job);
    if (feeder)
        feeder->number = job->number;
    return true;
}

static void take_number(yk__shared_job *job)
{
    yk__shared_pool *p = job->pool;
    if (job->number == YK__NO_NUMBER)
        return;
    p->jobs[job->number] = NULL;
    p->free_numbers[p->n_free++] = job->number;
    job->number = YK__NO_NUMBER;
    yk__shared_feeder *feeder = yk__shared_feeder_of(job);
    if (feeder)
        feeder->number = YK__NO_NUMBER;
}

uint32_t yk__shared_on_their_way(const yk__shared_pool *p)
{
    return p->size - p->n_free;
}

/* ---- The ends of jobs ------------------------------------------------------------------------ */

void yk__shared_leave_queue(yk__shared_job *job)
{
    if (job->admitted)
        yk__admission_leave(&job->pool->admission);
    job->admitted = false;
}

static void measure(yk__shared_job *job, int code)
{
    yk__shared_pool *p = job->pool;
    if (job->began)
        yk__meter_ran(&p->meter, &p->ex, &job->work, job->began, yk_now() - job->began, code);
    else if (!job->begun)
        yk__never_ran(&job->work, code);
}

/* Whoever ends a job has claimed it; the driver's reference goes with it. */
void yk__shared_end(yk__shared_job *job, yk_state state, yk_error *error)
{
    yk__shared_pool *p = job->pool;
    yk__shared_feeder *feeder = yk__shared_feeder_of(job);
    if (feeder)
        atomic_store_explicit(&feeder->over, true, memory_order_relaxed);
    measure(job, error ? error->code : 0);
    yk__shared_leave_queue(job);
    take_number(job);
    if (job->begun)
        yk__shared_count(&p->running, -1);
    if (error && error->code == YK_EJOBTIMEOUT)
        yk__shared_count(&p->timeouts, 1);
    yk__shared_count(state == YK_DONE        ? &p->done
                     : state == YK_CANCELLED ? &p->cancelled
                                             : &p->failed,
                     1);
    yk__future_publish_held(&job->work.future, state, error);
    yk_future_unref(&job->work.future);
}

void yk__shared_end_with_error(yk__shared_job *job, yk_error *error)
{
    yk__shared_end(job, error->code == YK_ECANCELED ? YK_CANCELLED : YK_FAILED, error);
}

/* One that may have been cancelled by now, and then was counted as dropped. */
void yk__shared_fail(yk__shared_job *job, int code, const char *message)
{
    if (yk__future_claim(&job->work.future)) {
        yk__shared_end_with_error(job,
                                  yk__error_new(code, "%s", message ? message : yk_strerror(code)));
        return;
    }
    take_number(job);
    yk_future_unref(&job->work.future);
}

yk__shared_job *yk__shared_next_waiting(yk__shared_pool *p)
{
    yk__shared_job *job = p->first;
    if (!job)
        return NULL;
    p->first = job->next;
    if (!p->first)
        p->last = NULL;
    return job;
}

void yk__shared_fail_waiting(yk__shared_pool *p, int code, const char *message)
{
    yk__shared_job *list = p->first; /* a callback may submit again */
    p->first = p->last = NULL;
    while (list) {
        yk__shared_job *job = list;
        list = job->next;
        yk__shared_fail(job, code, message);
    }
}

/* Those that the pool's process had. */
void yk__shared_fail_sent(yk__shared_pool *p, int code, const char *what)
{
    char label[YK__NAME_MAX + 8], message[YK__MESSAGE_MAX];
    for (uint32_t i = 0; i < p->size; i++) {
        yk__shared_job *job = p->jobs[i];
        if (!job)
            continue;
        snprintf(message, sizeof message, "%s %s", yk__work_label(&job->work, label), what);
        yk__shared_fail(job, code, message);
    }
}
