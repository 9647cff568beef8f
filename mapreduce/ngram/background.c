/* mapreduce/ngram/background.c - one long piece of work on a thread beside the loop. */
#include "background.h"

#include <stdio.h>

#include "../../executor/executor.h"
#include "../../executor/wait.h"
#include "progress.h"

enum { TICK_MS = 100 };

static int run_job(yk_job *job)
{
    ngram_background *w = *(ngram_background **)yk_job_arg(job);
    w->job = job;
    return w->run(w);
}

static void show(ngram_background *w, ngram_progress *p, uint64_t began, bool ended)
{
    ngram_state state = { .elapsed_ns = yk_now() - began,
                          .done = atomic_load_explicit(&w->done, memory_order_relaxed),
                          .total = atomic_load_explicit(&w->total, memory_order_relaxed),
                          .ended = ended };
    ngram_progress_show(p, &state);
}

static int tell_end(const ngram_background *w, const yk_error *error)
{
    if (!error)
        return NGRAM_OK;
    if (error->code == YK_ECANCELED) {
        fputs("ngram: interrupted\n", stderr);
        return error->code;
    }
    if (w->message[0])
        fprintf(stderr, "ngram: %s\n", w->message);
    else
        fprintf(stderr, "ngram: %s: %s\n", w->name, error->message);
    return NGRAM_FAILED;
}

int ngram_background_run(ngram_background *w, ngram_when progress)
{
    ngram_progress p;
    uint64_t began = yk_now();
    ngram_progress_begin(&p, progress);
    yk_executor *pool = yk_thread_pool(.name = "ngram", .workers = 1);
    yk_future *f = yk_submit(pool, run_job, &w, sizeof w);
    while (!yk_future_ended(f)) { /* a cancelled wait has asked the job to stop */
        yk_await_until(f, yk_after_ms(TICK_MS));
        show(w, &p, began, false);
    }
    show(w, &p, began, true);
    ngram_progress_clear(&p);
    w->elapsed_ns = yk_now() - began;
    int status = tell_end(w, yk_future_error(f));
    yk_future_unref(f);
    yk_executor_close(pool);
    return status;
}
