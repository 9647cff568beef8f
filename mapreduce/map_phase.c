/* mapreduce/map_phase.c - keeping the executor busy until every piece is mapped.
 *
 * Pieces are begun in the order of the input, a few for each worker at once. A failure sets a limit
 * at its place: what lies behind it is cancelled, what lies before it goes on, and may bring an
 * earlier failure. When nothing is under way any more, the failure at the limit is the first of all
 * in the order of the input, and everything before it has been counted.
 */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "../loop/task.h"

enum { TICK_MS = 100 };

static bool is_before(yk__where a, yk__where b)
{
    return a.file != b.file ? a.file < b.file : a.piece < b.piece;
}

static bool is_wanted(const yk__engine *e, yk__where where)
{
    return !e->failed || is_before(where, e->limit);
}

/* ---- Failing ------------------------------------------------------------------------------- */

static void cancel_behind_limit(yk__engine *e)
{
    for (size_t i = 0; i < e->n_flights; i++)
        if (e->flights[i].batch || !is_wanted(e, e->flights[i].where))
            yk_future_cancel(e->flights[i].future);
}

static void fail_with(yk__engine *e, yk__where where, const yk__flaw *flaw)
{
    if (!is_wanted(e, where))
        return;
    e->failed = true;
    e->limit = where;
    e->flaw = *flaw;
    cancel_behind_limit(e);
}

static void fail_at(yk__engine *e, yk__where where, int code, const char *reason)
{
    yk__flaw flaw = { .code = code };
    snprintf(flaw.reason, sizeof flaw.reason, "%.200s: %.300s", e->files[where.file].name,
             reason ? reason : yk_strerror(code));
    fail_with(e, where, &flaw);
}

/* The job ends for something that has no place in the input. */
static void stop_all(yk__engine *e, int code)
{
    yk__flaw flaw = { .code = code };
    snprintf(flaw.reason, sizeof flaw.reason, "%s", yk_strerror(code));
    fail_with(e, (yk__where){ 0, 0 }, &flaw);
    if (e->limit.file == 0 && e->limit.piece == 0 && e->flaw.code != code && code == YK_ECANCELED)
        e->flaw = flaw; /* a cancellation is what the caller wants to hear of */
}

/* ---- Flights ------------------------------------------------------------------------------- */

static int add_flight(yk__engine *e, yk__flight flight)
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

/* For every future that may be made, there must be room to remember it. */
static int reserve_flight(yk__engine *e)
{
    int err = add_flight(e, (yk__flight){ .reads = true });
    if (!err)
        e->n_flights--;
    return err;
}

static yk__map_arg *make_argument(yk__engine *e, yk__where where, size_t *size)
{
    yk__file *f = &e->files[where.file];
    const yk__chunk *chunk = &f->pieces[where.piece].chunk;
    size_t path_size = strlen(f->path) + 1, folder_size = strlen(e->spill.folder) + 1;
    *size = sizeof(yk__map_arg) + e->o.arg_size + path_size + folder_size;
    yk__map_arg *arg = calloc(1, *size);
    if (!arg)
        return NULL;
    arg->map = e->o.map;
    arg->fold = e->o.fold;
    arg->combine = e->o.combine;
    arg->order = yk__order_of(where.file, where.piece);
    arg->seed = e->seed;
    arg->skip_bad = e->o.skip_bad_records;
    if (!f->is_stream)
        arg->range = f->ranges[where.piece];
    arg->text_before = f->pieces[where.piece].text_before;
    arg->chunk = chunk->at;
    arg->chunk_len = chunk->len;
    arg->table_limit = e->spill.budget.table;
    arg->number = e->spill.next++;
    arg->user_size = e->o.arg_size;
    if (e->o.arg_size)
        memcpy(arg->rest, e->o.arg, e->o.arg_size);
    memcpy(arg->rest + e->o.arg_size, f->path, path_size);
    memcpy(arg->rest + e->o.arg_size + path_size, e->spill.folder, folder_size);
    return arg;
}

static int submit_piece(yk__engine *e, yk__where where)
{
    size_t size;
    yk__map_arg *arg = make_argument(e, where, &size);
    int err = arg ? reserve_flight(e) : UV_ENOMEM;
    if (!err) {
        e->files[where.file].pieces[where.piece].tries++;
        yk_future *f =
            yk_submit_with(e->executor, yk__map_job, arg, size, .kind = YK_CPU, .name = "map");
        err = add_flight(e, (yk__flight){ .future = f, .where = where });
    }
    free(arg);
    return err;
}

/* ---- Streams ------------------------------------------------------------------------------- */

static int take_chunk(yk__file *f, yk__chunk *chunk)
{
    if (f->n_spare > 0) {
        *chunk = f->spare[--f->n_spare];
        return 0;
    }
    int err = yk__chunk_make(chunk, f->stream.target);
    f->chunks += !err;
    return err;
}

/* A chunk that has grown for one long record is not kept, nor are those of a stream that ended. */
static void give_chunk(yk__file *f, yk__chunk *chunk)
{
    if (!chunk->at)
        return;
    if (chunk->cap > f->stream.target || !f->open) {
        yk__chunk_free(chunk);
        f->chunks--;
    } else {
        chunk->len = 0;
        f->spare[f->n_spare++] = *chunk;
    }
    *chunk = (yk__chunk){ 0 };
}

static int start_read(yk__engine *e, size_t index)
{
    yk__file *f = &e->files[index];
    yk__stream *stream = &f->stream;
    int err = reserve_flight(e);
    if (!err)
        err = take_chunk(f, &stream->chunk);
    if (err)
        return err;
    f->reading = yk_submit_with(e->io, yk__read_job, &stream, sizeof stream, .kind = YK_BLOCKING,
                                .name = "read");
    return add_flight(
        e, (yk__flight){ .future = f->reading, .where = { index, f->n_pieces }, .reads = true });
}

static int open_stream(yk__engine *e, yk__file *f)
{
    f->spare = calloc(e->max_chunks, sizeof *f->spare);
    if (!f->spare)
        return UV_ENOMEM;
    f->open = true;
    e->streams_open++;
    return 0;
}

static void close_stream(yk__engine *e, yk__file *f)
{
    f->open = false;
    e->streams_open--;
    while (f->n_spare > 0)
        yk__chunk_free(&f->spare[--f->n_spare]);
}

static bool may_read(const yk__engine *e, size_t index)
{
    const yk__file *f = &e->files[index];
    return f->open && !f->reading && (f->n_spare > 0 || f->chunks < e->max_chunks) &&
           is_wanted(e, (yk__where){ index, f->n_pieces });
}

/* Whether all of its pieces are known and have been submitted. */
static bool is_submitted(const yk__file *f)
{
    return f->next == f->n_pieces && (!f->is_stream || (f->spare && !f->open));
}

/* Opens streams in order, as far as may be side by side, and has the open ones read on. */
static int launch_reads(yk__engine *e)
{
    int err = 0;
    while (e->first < e->n_files && is_submitted(&e->files[e->first]))
        e->first++;
    for (size_t i = e->first; !err && i < e->n_files; i++) {
        yk__file *f = &e->files[i];
        bool is_new = f->is_stream && !f->spare;
        if (is_new && e->streams_open == e->max_streams)
            break;
        if (is_new && is_wanted(e, (yk__where){ i, 0 }))
            err = open_stream(e, f);
        if (!err && may_read(e, i))
            err = start_read(e, i);
    }
    return err;
}

/* ---- Launching ----------------------------------------------------------------------------- */

/* The next piece to be mapped. */
static bool next_piece(yk__engine *e, yk__where *where)
{
    while (e->n_again > 0) {
        *where = e->again[--e->n_again];
        if (is_wanted(e, *where))
            return true;
    }
    for (size_t i = e->first; i < e->n_files; i++) {
        yk__file *f = &e->files[i];
        *where = (yk__where){ i, f->next };
        if (f->next < f->n_pieces && is_wanted(e, *where)) {
            f->next++;
            return true;
        }
    }
    return false;
}

static int launch_batches(yk__engine *e)
{
    yk__load *batch = NULL;
    int err;
    do {
        err = e->failed ? 0 : reserve_flight(e);
        if (!err && !e->failed)
            err = yk__spill_next(e, false, &batch);
        if (!err && batch)
            err = add_flight(e, (yk__flight){ .future = batch->task.future, .batch = batch });
    } while (!err && !e->failed && batch);
    return err;
}

static int launch(yk__engine *e)
{
    int err = launch_reads(e);
    yk__where where;
    while (!err && e->n_mapping < e->window && yk__spill_has_room(e) && next_piece(e, &where))
        err = submit_piece(e, where);
    return err ? err : launch_batches(e);
}

/* ---- What has ended ------------------------------------------------------------------------ */

static void count_piece(yk__engine *e, const yk__map_head *head)
{
    yk_mapreduce_stats *s = &e->stats;
    s->text += head->text;
    s->stored += head->stored;
    s->records += head->records;
    s->bad_records += head->bad_records;
    s->splits++;
    unsigned last = YK_MAPREDUCE_WORKERS - 1, worker = head->worker < last ? head->worker : last;
    if (s->workers <= worker)
        s->workers = worker + 1;
    s->worker[worker].splits++;
    s->worker[worker].busy_ns += head->busy_ns;
}

static void note_bad_record(yk__engine *e, yk__where where, const yk__flaw *bad)
{
    if (bad->code == 0 || (e->has_bad && is_before(e->bad_at, where)))
        return;
    e->has_bad = true;
    e->bad_at = where;
    e->bad = *bad;
}

/* A piece came back. Its head was written by a worker: it is copied and checked. */
static void take_result(yk__engine *e, yk__where where, yk_future *future)
{
    yk__file *f = &e->files[where.file];
    yk__piece *piece = &f->pieces[where.piece];
    yk__map_head head;
    size_t len;
    const void *result = yk_future_result(future, &len);
    if (!result || len < sizeof head) {
        fail_at(e, where, YK_EFORMAT, "a worker returned no result");
        return;
    }
    memcpy(&head, result, sizeof head);
    if (head.flaw.code) {
        head.flaw.reason[YK__REASON - 1] = head.flaw.quote[YK__QUOTE - 1] = '\0';
        fail_with(e, where, &head.flaw);
        return;
    }
    if (!yk__parts_fit(&head.parts, len - sizeof head)) {
        fail_at(e, where, YK_EFORMAT, "a worker returned a damaged result");
        return;
    }
    int err = yk__spill_take(e, future, len, head.number, head.early);
    if (err) {
        fail_at(e, where, err, NULL);
        return;
    }
    piece->mapped = true;
    piece->text = head.text;
    piece->records = head.records;
    give_chunk(f, &piece->chunk);
    e->in_processes |= head.process != (int)getpid();
    count_piece(e, &head);
    note_bad_record(e, where, &head.first_bad);
}

static void try_again(yk__engine *e, yk__where where, const yk_error *error)
{
    const yk__piece *piece = &e->files[where.file].pieces[where.piece];
    if (piece->tries >= YK__TRIES) {
        char reason[400], range[64] = "";
        if (!piece->chunk.at) {
            const yk_range *r = &e->files[where.file].ranges[where.piece];
            snprintf(range, sizeof range, "bytes %llu to %llu: ", (unsigned long long)r->begin,
                     (unsigned long long)r->end);
        }
        snprintf(reason, sizeof reason, "%sits worker died %d times: %.300s", range, YK__TRIES,
                 error->message);
        fail_at(e, where, YK_ECRASHED, reason);
        return;
    }
    if (e->n_again == e->cap_again) {
        size_t cap = e->cap_again ? e->cap_again * 2 : 16;
        yk__where *again = realloc(e->again, cap * sizeof *again);
        if (!again) {
            fail_at(e, where, UV_ENOMEM, NULL);
            return;
        }
        e->again = again;
        e->cap_again = cap;
    }
    e->again[e->n_again++] = where;
    e->stats.retries++;
}

static void end_map(yk__engine *e, yk__where where, yk_future *future)
{
    e->n_mapping--;
    const yk_error *error = yk_future_error(future); /* of many that fail, one is reported */
    if (!is_wanted(e, where))
        return;
    if (yk_future_state(future) == YK_DONE) {
        take_result(e, where, future);
        return;
    }
    if (error->code == YK_ECRASHED)
        try_again(e, where, error);
    else
        fail_at(e, where, error->code, error->message);
}

/* A chunk was read; it becomes a piece. */
static void end_read(yk__engine *e, yk__where where, yk_future *future)
{
    yk__file *f = &e->files[where.file];
    yk__stream *s = &f->stream;
    yk__chunk chunk = s->chunk;
    s->chunk = (yk__chunk){ 0 };
    f->reading = NULL;
    if (yk_future_state(future) != YK_DONE) {
        const yk_error *error = yk_future_error(future);
        give_chunk(f, &chunk);
        close_stream(e, f);
        fail_at(e, where, error->code, error->message);
        return;
    }
    e->stats.stored += s->stored - f->stored_seen;
    f->stored_seen = s->stored;
    int err = 0;
    if (chunk.len == 0)
        give_chunk(f, &chunk);
    else if ((err = yk__add_piece(f, chunk, chunk.len)) != 0)
        yk__chunk_free(&chunk);
    if (s->ended || err)
        close_stream(e, f);
    if (s->flaw.code)
        fail_with(e, (yk__where){ where.file, f->n_pieces }, &s->flaw);
    if (err)
        fail_at(e, where, err, NULL);
}

/* The job is over if it failed: its place in the input is none, so it comes before all. */
static void end_batch(yk__engine *e, yk__load *batch)
{
    yk_future *future = yk_future_ref(batch->task.future);
    int err = yk__spill_end(e, batch);
    if (err > 0)
        err = add_flight(e, (yk__flight){ .future = batch->task.future, .batch = batch });
    if (err < 0 && !(e->failed && err == YK_ECANCELED))
        stop_all(e, err);
    yk_future_unref(future);
}

static void land(yk__engine *e)
{
    for (size_t i = 0; i < e->n_flights;) {
        yk__flight flight = e->flights[i];
        if (!yk_future_ended(flight.future)) {
            i++;
            continue;
        }
        e->flights[i] = e->flights[--e->n_flights];
        if (flight.batch) {
            end_batch(e, flight.batch);
            continue;
        }
        if (flight.reads)
            end_read(e, flight.where, flight.future);
        else
            end_map(e, flight.where, flight.future);
        yk_future_unref(flight.future);
    }
}

/* ---- Waiting ------------------------------------------------------------------------------- */

static int wait_for_landing(yk__engine *e)
{
    yk_future **futures = malloc(e->n_flights * sizeof(yk_future *));
    if (!futures)
        return UV_ENOMEM;
    for (size_t i = 0; i < e->n_flights; i++)
        futures[i] = e->flights[i].future;
    int n = yk_wait(futures, e->n_flights, YK_FIRST_ENDED, yk_after_ms(TICK_MS));
    free(futures);
    return n == UV_ETIMEDOUT || n > 0 ? 0 : n;
}

int yk__await_end(yk__engine *e, yk_future *f)
{
    int result = 0;
    while (!yk_future_ended(f)) {
        int err = yk_await_until(f, yk_after_ms(TICK_MS));
        if (!yk_future_ended(f) && err != UV_ETIMEDOUT) {
            result = YK_ECANCELED;
            yk_future_cancel(f);
        }
        yk__tell_progress(e, false);
    }
    return result;
}

/* ---- The phase ----------------------------------------------------------------------------- */

/* How far into the file's text a piece begins. */
static void sum_before(const yk__file *f, size_t piece, uint64_t *text, uint64_t *records)
{
    *text = *records = 0;
    for (size_t i = 0; i < piece && i < f->n_pieces; i++) {
        *text += f->pieces[i].text;
        *records += f->pieces[i].records;
    }
}

static void describe(const yk__engine *e, char *to, yk__where where, const yk__flaw *flaw)
{
    const yk__file *f = &e->files[where.file];
    uint64_t text, records;
    if (!flaw->has_place) {
        snprintf(to, YK_MAPREDUCE_MESSAGE, "%s", flaw->reason);
        return;
    }
    sum_before(f, where.piece, &text, &records);
    snprintf(to, YK_MAPREDUCE_MESSAGE, "%s:%llu: byte %llu: %s: \"%s\"", f->name,
             (unsigned long long)(records + flaw->line + 1),
             (unsigned long long)(text + flaw->offset), flaw->reason, flaw->quote);
}

static int report(yk__engine *e)
{
    if (e->has_bad && is_wanted(e, e->bad_at))
        describe(e, e->report->first_bad, e->bad_at, &e->bad);
    if (!e->failed)
        return 0;
    yk__verify_failure(e);
    if (!e->report->message[0])
        describe(e, e->report->message, e->limit, &e->flaw);
    return e->flaw.code;
}

int yk__map_phase(yk__engine *e)
{
    for (;;) {
        int err = launch(e);
        if (err)
            stop_all(e, err);
        if (e->n_flights == 0)
            break;
        err = wait_for_landing(e);
        if (err)
            stop_all(e, err);
        land(e);
        yk__tell_progress(e, false);
    }
    return report(e);
}
