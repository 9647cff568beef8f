/* mapreduce/ngram/gen.c - ngram gen: a file made up, on a thread beside the loop. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../executor/executor.h"
#include "../../executor/wait.h"
#include "commands.h"
#include "progress.h"

enum { TICK_MS = 100 };

typedef struct making {
    ngram_generate_options options;
    const char *path;
    const yk_job *job;
    _Atomic uint64_t done; /* written by the job, read by the task; relaxed: only for the bar */
} making;

static int note_progress(uint64_t done, uint64_t total, void *arg)
{
    (void)total;
    making *m = arg;
    atomic_store_explicit(&m->done, done, memory_order_relaxed);
    return yk_job_cancelled(m->job);
}

static int make_job(yk_job *job)
{
    making *m = *(making **)yk_job_arg(job);
    m->job = job;
    m->options.progress = note_progress;
    m->options.arg = m;
    if (!m->path || strcmp(m->path, "-") == 0)
        return ngram_generate_fd(&m->options, STDOUT_FILENO, NULL);
    return ngram_generate_file(&m->options, m->path, NULL);
}

static void show(making *m, ngram_progress *p, uint64_t began)
{
    ngram_state state = { .elapsed_ns = yk_now() - began,
                          .done = atomic_load_explicit(&m->done, memory_order_relaxed),
                          .total = m->options.bytes };
    ngram_progress_show(p, &state);
}

int ngram_gen(const ngram_options *o)
{
    making m = { .options = o->gen, .path = o->output }, *arg = &m;
    ngram_progress p;
    uint64_t began = yk_now();
    ngram_progress_begin(&p, o->progress);
    yk_executor *pool = yk_thread_pool(.name = "gen", .workers = 1);
    yk_future *f = yk_submit(pool, make_job, &arg, sizeof arg);
    while (!yk_future_ended(f)) { /* a cancelled wait has asked the job to stop */
        yk_await_until(f, yk_after_ms(TICK_MS));
        show(&m, &p, began);
    }
    ngram_progress_clear(&p);
    const yk_error *error = yk_future_error(f);
    int code = error ? error->code : 0;
    if (code == YK_ECANCELED)
        fputs("ngram: interrupted\n", stderr);
    else if (code)
        fprintf(stderr, "ngram: %s: %s\n", o->output ? o->output : "standard output",
                error->message);
    yk_future_unref(f);
    yk_executor_close(pool);
    return code == YK_ECANCELED ? code : code ? NGRAM_FAILED : NGRAM_OK;
}
