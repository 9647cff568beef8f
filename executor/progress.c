/* How far a job has come.
 *
 * What a job says goes into a cell. On a thread it is the job's own. In a process it is one of the
 * pool's, which lie in the arena, one for each position of each worker's ring: `live` points to it
 * from the push to the job's end, when the driver takes the last word over into the job's own cell,
 * unsets `live` and clears the cell for the position's next job. The pool lives as long as its
 * jobs, so any thread that has the future may follow `live`.
 *
 * A reader that was overtaken by all that has read a word which was stored, with release, after
 * `live` was unset; so after its acquiring loads it finds `live` changed and begins again.
 */
#include <uv.h>

#include "internal.h"
#include "stream.h"

void yk_job_progress(yk_job *job, uint64_t done, uint64_t total)
{
    /* In this order, and read in the other: who sees this `done` sees this total or a newer one. */
    atomic_store_explicit(&job->cell->total, total, memory_order_release);
    atomic_store_explicit(&job->cell->done, done, memory_order_release);
    job->told = true;
}

void yk__work_left(yk__work *work, bool told)
{
    yk__cell *live = atomic_load_explicit(&work->live, memory_order_relaxed);
    if (!live)
        return;
    if (told) {
        uint64_t done = atomic_load_explicit(&live->done, memory_order_acquire);
        uint64_t total = atomic_load_explicit(&live->total, memory_order_acquire);
        atomic_store_explicit(&work->progress.done, done, memory_order_relaxed);
        atomic_store_explicit(&work->progress.total, total, memory_order_relaxed);
    }
    atomic_store_explicit(&work->live, NULL, memory_order_release);
    if (told) {
        atomic_store_explicit(&live->done, 0, memory_order_release);
        atomic_store_explicit(&live->total, 0, memory_order_release);
    }
}

int yk_future_progress(const yk_future *f, uint64_t *done, uint64_t *total)
{
    if (!f || !f->ops->job)
        return UV_EINVAL;
    const yk__work *work = (const yk__work *)f;
    for (;;) {
        const yk__cell *live = atomic_load_explicit(&work->live, memory_order_acquire);
        const yk__cell *from = live ? live : &work->progress;
        uint64_t d = atomic_load_explicit(&from->done, memory_order_acquire);
        uint64_t t = atomic_load_explicit(&from->total, memory_order_acquire);
        if (atomic_load_explicit(&work->live, memory_order_relaxed) != live)
            continue;
        *done = d;
        *total = t;
        return 0;
    }
}
