/* mapreduce/map_phase.c - keeping the executor busy until every piece is mapped.
 *
 * Pieces are begun in the order of the input, a few for each worker at once. A failure sets a limit
 * at its place: what lies behind it is cancelled, what lies before it goes on, and may bring an
 * earlier failure. When nothing is under way any more, the failure at the limit is the first of all
 * in the order of the input, and everything before it has been counted.
 */
#include "flights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "../executor/clock.h"
#include "../loop/task.h"
#include "search.h"

enum { TICK_MS = 100 };

/* ---- Launching ----------------------------------------------------------------------------- */

/* The next piece to be mapped. */
static bool next_piece(yk__engine *e, yk__where *where)
{
    while (e->n_again > 0) {
        *where = e->again[--e->n_again];
        if (yk__is_wanted(e, *where))
            return true;
    }
    for (size_t i = e->first; i < e->n_files; i++) {
        yk__file *f = &e->files[i];
        while (f->next < f->n_pieces && f->pieces[f->next].mapped) /* says the journal */
            f->next++;
        *where = (yk__where){ i, f->next };
        if (f->next < f->n_pieces && yk__is_wanted(e, *where)) {
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
        err = e->failed ? 0 : yk__reserve_flight(e);
        if (!err && !e->failed)
            err = yk__spill_next(e, false, &batch);
        if (!err && batch)
            err = yk__add_flight(e, (yk__flight){ .future = batch->task.future, .batch = batch });
    } while (!err && !e->failed && batch);
    return err;
}

static int launch(yk__engine *e)
{
    int err = yk__launch_reads(e);
    yk__where where;
    while (!err && e->n_mapping < e->window && yk__spill_has_room(e) && next_piece(e, &where))
        err = yk__submit_piece(e, where);
    if (!err)
        err = yk__launch_backups(e);
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

void yk__note_bad(yk__engine *e, yk__where where, const yk__flaw *bad)
{
    if (bad->code == 0 || (e->has_bad && yk__is_before(e->bad_at, where)))
        return;
    e->has_bad = true;
    e->bad_at = where;
    e->bad = *bad;
}

/* A piece came back. Its head was written by a worker: it is copied and checked. */
static void take_result(yk__engine *e, yk__where where, yk_future *future, uint64_t since)
{
    yk__file *f = &e->files[where.file];
    yk__piece *piece = &f->pieces[where.piece];
    yk__map_head head;
    size_t len;
    const void *result = yk_future_result(future, &len);
    if (!result || len < sizeof head) {
        yk__fail_at(e, where, YK_EFORMAT, "a worker returned no result");
        return;
    }
    memcpy(&head, result, sizeof head);
    if (head.flaw.code) {
        yk__fail_with(e, where, yk__clean_flaw(&head.flaw));
        return;
    }
    if (!yk__parts_fit(&head.parts, len - sizeof head)) {
        yk__fail_at(e, where, YK_EFORMAT, "a worker returned a damaged result");
        return;
    }
    int err = yk__spill_take(e, future, where, len);
    if (err) {
        yk__fail_at(e, where, err, NULL);
        return;
    }
    err = yk__count_all(e, &head.counters);
    if (err) {
        yk__stop_all(e, err);
        return;
    }
    piece->mapped = true;
    piece->text = head.text;
    piece->records = head.records;
    yk__note_mapped(e, where, yk_now() - since);
    e->in_processes |= head.process != (int)getpid();
    count_piece(e, &head);
    yk__note_bad(e, where, yk__clean_flaw(&head.first_bad));
}

static void give_up(yk__engine *e, yk__where where, const yk_error *error)
{
    char reason[400], range[64] = "";
    if (!e->files[where.file].pieces[where.piece].chunk.at) {
        const yk_range *r = &e->files[where.file].ranges[where.piece];
        snprintf(range, sizeof range, "bytes %llu to %llu: ", (unsigned long long)r->begin,
                 (unsigned long long)r->end);
    }
    snprintf(reason, sizeof reason, "%sits worker died again and again: %.300s", range,
             error->message);
    yk__fail_at(e, where, YK_ECRASHED, reason);
}

/* A worker died. Another copy of the piece may be under way still. */
static void take_death(yk__engine *e, yk__where where, const yk_error *error)
{
    yk__piece *piece = &e->files[where.file].pieces[where.piece];
    piece->deaths++;
    if (piece->copies > 0)
        return;
    if (piece->deaths < YK__SEARCH_AFTER) {
        yk__map_again(e, where);
    } else if (piece->search && piece->search->acquittals == YK__TRIES) {
        give_up(e, where, error);
    } else {
        int err = yk__search_begin(e, where, error);
        if (err)
            yk__fail_at(e, where, err, NULL);
    }
}

static void end_map(yk__engine *e, const yk__flight *flight)
{
    yk__where where = flight->where;
    yk__file *f = &e->files[where.file];
    yk__piece *piece = &f->pieces[where.piece];
    const yk_error *error = yk_future_error(flight->future); /* of many, one is reported */
    piece->copies--;
    if (piece->mapped || !yk__is_wanted(e, where))
        ;
    else if (yk_future_state(flight->future) == YK_DONE)
        take_result(e, where, flight->future, flight->since);
    else if (error->code == YK_ECRASHED)
        take_death(e, where, error);
    else
        yk__fail_at(e, where, error->code, error->message);
    if (piece->mapped && piece->copies == 0)
        yk__give_chunk(f, &piece->chunk);
}

static void end_search(yk__engine *e, const yk__flight *flight)
{
    yk_future_error(flight->future);
    if (yk__is_wanted(e, flight->where))
        yk__search_step(e, flight->where, flight->future);
}

/* The job is over if it failed: its place in the input is none, so it comes before all. Of a job
 * that has failed it was cancelled. */
static void end_batch(yk__engine *e, yk__load *batch)
{
    yk_future *future = yk_future_ref(batch->task.future);
    int err = yk__spill_end(e, batch);
    if (err > 0)
        err = yk__add_flight(e, (yk__flight){ .future = batch->task.future, .batch = batch });
    if (err < 0 && !e->failed)
        yk__stop_all(e, err);
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
        e->n_mapping -= !flight.reads;
        if (flight.reads)
            yk__end_read(e, flight.where, flight.future);
        else if (flight.searches)
            end_search(e, &flight);
        else
            end_map(e, &flight);
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
    if (e->has_bad && yk__is_wanted(e, e->bad_at))
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
            yk__stop_all(e, err);
        if (e->n_flights == 0)
            break;
        err = wait_for_landing(e);
        if (err)
            yk__stop_all(e, err);
        land(e);
        yk__tell_progress(e, false);
    }
    return report(e);
}
