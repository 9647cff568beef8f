/* One function over many inputs: a window of futures, in the order of the inputs. */
#include "map.h"

#include <stdlib.h>
#include <uv.h>

#include "wait.h"

struct yk_map {
    yk_executor *ex;
    yk_job_fn fn;
    const unsigned char *inputs;
    size_t n, size;
    size_t submitted, taken; /* taken <= submitted <= taken + window */
    size_t window;
    uint64_t deadline;
    yk_job_options job;
    yk_future *last;
    yk_future *flying[]; /* a ring of `window` */
};

static void fill_window(yk_map *m)
{
    while (m->submitted < m->n && m->submitted - m->taken < m->window) {
        const void *input = m->inputs + m->submitted * m->size;
        m->flying[m->submitted % m->window] = yk_submit_opts(m->ex, m->fn, input, m->size, &m->job);
        m->submitted++;
    }
}

yk_map *yk_map_start_opts(yk_executor *ex, yk_job_fn fn, const void *inputs, size_t n, size_t size,
                          const yk_map_options *options)
{
    static const yk_map_options none;
    options = options ? options : &none;
    size_t window = options->window && options->window < n ? options->window : n;
    if (window > (SIZE_MAX - sizeof(yk_map)) / sizeof(yk_future *))
        return NULL;
    yk_map *m = malloc(sizeof *m + window * sizeof *m->flying);
    if (!m)
        return NULL;
    *m = (yk_map){ .ex = yk_executor_ref(ex),
                   .fn = fn,
                   .inputs = inputs,
                   .n = n,
                   .size = size,
                   .window = window,
                   .deadline = options->deadline ? options->deadline : YK_FOREVER,
                   .job = options->job };
    fill_window(m);
    return m;
}

int yk_map_next(yk_map *m, void *out, size_t size)
{
    if (m->taken == m->n)
        return YK_END;
    yk_future *f = m->flying[m->taken % m->window];
    int err = yk_await_until(f, m->deadline);
    bool cancelled = err == YK_ECANCELED && yk_future_state(f) != YK_CANCELLED;
    if (!yk_future_ended(f) || cancelled)
        return err; /* the wait ended, not the job: it may be called again */
    if (!err)
        err = yk_await_into(f, out, size);
    yk_future_unref(m->last);
    m->last = f;
    m->taken++;
    fill_window(m);
    return err;
}

yk_future *yk_map_last(yk_map *m)
{
    return m->last;
}

void yk_map_free(yk_map *m)
{
    if (!m)
        return;
    for (size_t i = m->taken; i < m->submitted; i++) {
        yk_future *f = m->flying[i % m->window];
        if (yk_future_state(f) == YK_PENDING)
            yk_future_cancel(f);
        yk_future_unref(f);
    }
    yk_future_unref(m->last);
    yk_executor_unref(m->ex);
    free(m);
}
