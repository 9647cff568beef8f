/* mapreduce/flights.c - jobs that are under way, and what a failure does to them. */
#include "flights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../executor/clock.h"
#include "search.h"

bool yk__is_before(yk__where a, yk__where b)
{
    return a.file != b.file ? a.file < b.file : a.piece < b.piece;
}

bool yk__is_wanted(const yk__engine *e, yk__where where)
{
    return !e->failed || yk__is_before(where, e->limit);
}

/* ---- Failing ------------------------------------------------------------------------------- */

static void cancel_behind_limit(yk__engine *e)
{
    for (size_t i = 0; i < e->n_flights; i++)
        if (e->flights[i].batch || !yk__is_wanted(e, e->flights[i].where))
            yk_future_cancel(e->flights[i].future);
}

void yk__fail_with(yk__engine *e, yk__where where, const yk__flaw *flaw)
{
    if (!yk__is_wanted(e, where))
        return;
    e->failed = true;
    e->limit = where;
    e->flaw = *flaw;
    cancel_behind_limit(e);
}

void yk__fail_at(yk__engine *e, yk__where where, int code, const char *reason)
{
    yk__flaw flaw = { .code = code };
    snprintf(flaw.reason, sizeof flaw.reason, "%.200s: %.300s", e->files[where.file].name,
             reason ? reason : yk_strerror(code));
    yk__fail_with(e, where, &flaw);
}

void yk__stop_all(yk__engine *e, int code)
{
    yk__flaw flaw = { .code = code };
    snprintf(flaw.reason, sizeof flaw.reason, "%s", yk_strerror(code));
    yk__fail_with(e, (yk__where){ 0, 0 }, &flaw);
    if (e->limit.file == 0 && e->limit.piece == 0 && e->flaw.code != code && code == YK_ECANCELED)
        e->flaw = flaw; /* a cancellation is what the caller wants to hear of */
}

/* ---- Flights ------------------------------------------------------------------------------- */

int yk__add_flight(yk__engine *e, yk__flight flight)
{
    if (e->n_flights == e->cap_flights) {
        size_t cap = e->cap_flights ? e->cap_flights * 2 : 16;
        yk__flight *flights = realloc(e->flights, cap * sizeof *flights);
        if (!flights)
            return UV_ENOMEM;
        e->flights = flights;
        e->cap_flights = cap;
    }
    e->flights[e->n_flights++] = flight;
    e->n_mapping += !flight.reads && !flight.batch;
    return 0;
}

int yk__reserve_flight(yk__engine *e)
{
    int err = yk__add_flight(e, (yk__flight){ .reads = true });
    if (!err)
        e->n_flights--;
    return err;
}

yk__map_arg *yk__make_map_arg(yk__engine *e, yk__where where, size_t *size)
{
    yk__file *f = &e->files[where.file];
    const yk__piece *piece = &f->pieces[where.piece];
    size_t path_size = strlen(f->path) + 1, folder_size = strlen(e->spill.runs_folder) + 1;
    *size = sizeof(yk__map_arg) + e->o.arg_size + path_size + folder_size;
    yk__map_arg *arg = calloc(1, *size);
    if (!arg)
        return NULL;
    arg->map = e->o.map;
    arg->fold = e->o.fold;
    arg->combine = e->o.combine;
    arg->order = yk__order_of(where.file, where.piece);
    arg->seed = e->seed;
    arg->splitter = e->o.splitter;
    arg->skip_bad = e->o.skip_bad_records;
    if (!f->is_stream)
        arg->range = f->ranges[where.piece];
    arg->text_before = piece->text_before;
    arg->chunk = piece->chunk.at;
    arg->chunk_len = piece->chunk.len;
    arg->end_record = UINT64_MAX;
    if (piece->search) {
        arg->n_skipped = piece->search->n_skipped;
        memcpy(arg->skipped, piece->search->skipped, sizeof arg->skipped);
    }
    arg->table_limit = e->spill.budget.table;
    arg->number = e->spill.next++;
    arg->durable = e->journal.on;
    arg->user_size = e->o.arg_size;
    if (e->o.arg_size)
        memcpy(arg->rest, e->o.arg, e->o.arg_size);
    memcpy(arg->rest + e->o.arg_size, f->path, path_size);
    memcpy(arg->rest + e->o.arg_size + path_size, e->spill.runs_folder, folder_size);
    return arg;
}

int yk__submit_piece(yk__engine *e, yk__where where)
{
    size_t size;
    yk__map_arg *arg = yk__make_map_arg(e, where, &size);
    int err = arg ? yk__reserve_flight(e) : UV_ENOMEM;
    if (!err) {
        yk_future *f =
            yk_submit_with(e->executor, yk__map_job, arg, size, .kind = YK_CPU, .name = "map");
        e->files[where.file].pieces[where.piece].copies++;
        err = yk__add_flight(e, (yk__flight){ .future = f, .where = where, .since = yk_now() });
    }
    free(arg);
    return err;
}

void yk__map_again(yk__engine *e, yk__where where)
{
    if (e->n_again == e->cap_again) {
        size_t cap = e->cap_again ? e->cap_again * 2 : 16;
        yk__where *again = realloc(e->again, cap * sizeof *again);
        if (!again) {
            yk__fail_at(e, where, UV_ENOMEM, NULL);
            return;
        }
        e->again = again;
        e->cap_again = cap;
    }
    e->again[e->n_again++] = where;
    e->stats.retries++;
}
