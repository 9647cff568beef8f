/* mapreduce/engine.c - the frame around a map-reduce job: options, phases, clean-up. */
#include "engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <uv.h>

#include "../loop/task.h"
#include "merge.h"

enum {
    IN_FLIGHT_PER_WORKER = 3,
    MOST_STREAMS = 8,
    PROGRESS_NS = 100 * 1000 * 1000,
};

int yk__explain(yk__engine *e, int code, const char *format, ...)
{
    if (e->report->message[0])
        return code;
    va_list args;
    va_start(args, format);
    vsnprintf(e->report->message, sizeof e->report->message, format, args);
    va_end(args);
    return code;
}

void yk__tell_progress(yk__engine *e, bool now)
{
    uint64_t time = yk_now();
    yk_mapreduce_stats *s = &e->stats;
    s->elapsed_ns = time - e->began;
    s->running = e->n_mapping;
    s->left_ns = s->stored > 0 && s->stored < s->stored_total
                     ? (uint64_t)((double)s->elapsed_ns / (double)s->stored *
                                  (double)(s->stored_total - s->stored))
                     : 0;
    if (!e->o.progress || (!now && time < e->next_progress))
        return;
    e->next_progress = time + PROGRESS_NS;
    e->o.progress(&e->stats, e->o.progress_arg);
}

int yk__count_all(yk__engine *e, const yk__counters *counters)
{
    int err = yk__counters_add_all(&e->counters, counters);
    if (err == UV_E2BIG)
        return yk__explain(e, err, "more than %d different counters", YK_MAPREDUCE_COUNTERS);
    return err ? yk__explain(e, err, "a worker returned damaged counters") : 0;
}

/* ---- Options ------------------------------------------------------------------------------- */

static int check_values(yk__engine *e)
{
    const yk_mapreduce_options *o = &e->o;
    if (o->fold ? o->reduce || !o->fold->fold : !o->reduce)
        return yk__explain(e, UV_EINVAL, "either a fold or a reduce function");
    if (o->reduce && o->top)
        return yk__explain(e, UV_EINVAL, "top needs a fold");
    if (o->combine && !o->reduce)
        return yk__explain(e, UV_EINVAL, "combine needs a reduce function");
    if (o->reduce)
        return 0;
    size_t size = o->fold->value_size;
    if (size < 8 || size > YK__VALUE_MAX || size % 8)
        return yk__explain(e, UV_EINVAL, "a value of %zu bytes: 8 to 256 in steps of 8", size);
    return 0;
}

static int check_options(yk__engine *e)
{
    const yk_mapreduce_options *o = &e->o;
    if (!o->inputs || !o->inputs[0])
        return yk__explain(e, UV_EINVAL, "no inputs");
    if (!o->map)
        return yk__explain(e, UV_EINVAL, "no map function");
    if (o->workers < 0 || (o->arg_size && !o->arg))
        return yk__explain(e, UV_EINVAL, "invalid option");
    return check_values(e);
}

static void set_defaults(yk__engine *e)
{
    if (!e->o.sink.record) {
        const char *path = e->o.sink.path;
        e->o.sink = yk_sink_tsv(path);
    }
    e->form = e->o.fold ? (yk__form){ .value_size = (uint32_t)e->o.fold->value_size }
                        : (yk__form){ .grouped = true };
    if (!e->o.rank)
        e->o.rank = yk__rank_first;
    e->workers = (size_t)(e->o.workers ? e->o.workers : yk_cpu_count());
    e->window = e->workers * IN_FLIGHT_PER_WORKER;
    if (getrandom(&e->seed, sizeof e->seed, GRND_NONBLOCK) != sizeof e->seed)
        e->seed = e->began;
}

/* ---- Starting ------------------------------------------------------------------------------ */

size_t yk__streams_at_once(const yk__engine *e)
{
    size_t most = e->workers < MOST_STREAMS ? e->workers : MOST_STREAMS, streams = 0;
    for (size_t i = 0; i < e->n_files && streams < most; i++)
        streams += e->files[i].is_stream;
    return streams;
}

static int start_executors(yk__engine *e)
{
    e->max_streams = yk__streams_at_once(e);
    if (e->max_streams > 0)
        e->max_chunks = yk__budget_chunks(&e->spill.budget, e->max_streams,
                                          2 + 2 * e->workers / e->max_streams);
    e->io = yk_thread_pool(.name = "mr-io", .workers = (int)e->max_streams + 1,
                           .kill_grace_ms = UINT64_MAX);
    e->executor = e->o.executor;
    if (!e->executor)
        e->executor = e->own_executor =
            yk_thread_pool(.name = "mr", .workers = (int)e->workers, .kill_grace_ms = UINT64_MAX);
    const yk_error *error = yk_executor_error(e->io);
    if (!error)
        error = yk_executor_error(e->executor);
    return error ? yk__explain(e, error->code, "%s", error->message) : 0;
}

static int prepare(yk__engine *e)
{
    int err = yk_sleep_ms(0); /* may this thread wait at all, and does the caller still want it? */
    if (!err)
        err = check_options(e);
    if (err)
        return err;
    set_defaults(e);
    err = yk__inputs_open(e);
    if (!err)
        err = yk__outputs_open(e);
    if (!err)
        err = yk__spill_begin(e);
    return err ? err : start_executors(e);
}

/* ---- Ending -------------------------------------------------------------------------------- */

static void clean_up(yk__engine *e, bool well)
{
    yk__outputs_free(e);
    for (size_t p = 0; p < YK__PARTS; p++) {
        if (e->merged[p])
            yk_future_error(e->merged[p]); /* of many that fail, one is reported */
        yk_future_unref(e->merged[p]);
    }
    yk__spill_free(e);
    yk__journal_close(e, well);
    yk__inputs_free(e);
    yk_executor_close(e->own_executor);
    yk_executor_close(e->io);
    free(e->flights);
    free(e->again);
}

int yk_mapreduce_run(const yk_mapreduce_options *options)
{
    yk_mapreduce_report *own = calloc(1, sizeof *own);
    if (!own)
        return UV_ENOMEM;
    yk__engine e = { .o = *options, .report = own, .began = yk_now() };
    int err = prepare(&e);
    if (!err)
        err = yk__map_phase(&e);
    if (!err)
        err = yk__merge_phase(&e);
    if (!err)
        err = yk__write_phase(&e);
    clean_up(&e, err == 0);
    if (err)
        yk__explain(&e, err, "%s", yk_strerror(err));
    e.stats.phase = YK_ENDED;
    yk__tell_progress(&e, true);
    own->stats = e.stats;
    own->n_counters = e.counters.n;
    memcpy(own->counter, e.counters.at, sizeof own->counter);
    if (options->report)
        *options->report = *own;
    free(own);
    return err;
}
