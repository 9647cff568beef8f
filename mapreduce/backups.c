/* mapreduce/backups.c - second copies of the last pieces, where one of them hangs.
 *
 * A worker that was stopped, or whose disk or CPU is in trouble, would hold up the whole job at its
 * end (Dean and Ghemawat's "stragglers", OSDI 2004, section 3.6). A map function may be called for
 * a piece twice anyway, because a worker may die.
 */
#include "flights.h"

#include "../executor/clock.h"

/* A copy is begun when a piece takes so many times as long as others took, and longer than that. */
enum { TIMES_AS_LONG = 4, LEAST_NS = 500 * 1000 * 1000 };

static bool all_is_begun(const yk__engine *e)
{
    if (e->n_again > 0 || e->failed)
        return false;
    for (size_t i = e->first; i < e->n_files; i++) {
        const yk__file *f = &e->files[i];
        if (f->next < f->n_pieces || f->open || (f->is_stream && !f->spare))
            return false;
    }
    return true;
}

/* A chunk must stay while a job reads it, and a thread that hangs cannot be ended: no copies then.
 */
static bool may_be_copied(const yk__engine *e, const yk__flight *flight)
{
    const yk__piece *piece = &e->files[flight->where.file].pieces[flight->where.piece];
    return !flight->reads && !flight->batch && !flight->searches && piece->copies == 1 &&
           !piece->mapped && (!piece->chunk.at || e->in_processes);
}

int yk__launch_backups(yk__engine *e)
{
    if (e->n_mapping >= e->workers || e->stats.splits == 0 || !all_is_begun(e))
        return 0;
    uint64_t limit = e->mapped_ns / e->stats.splits * TIMES_AS_LONG, now = yk_now();
    if (limit < LEAST_NS)
        limit = LEAST_NS;
    for (size_t i = 0; i < e->n_flights && e->n_mapping < e->workers; i++) {
        yk__flight flight = e->flights[i];
        if (now - flight.since < limit || !may_be_copied(e, &flight))
            continue;
        int err = yk__submit_piece(e, flight.where);
        if (err)
            return err;
        e->stats.backups++;
    }
    return 0;
}

void yk__note_mapped(yk__engine *e, yk__where where, uint64_t took_ns)
{
    e->mapped_ns += took_ns;
    for (size_t i = 0; i < e->n_flights; i++) {
        const yk__flight *other = &e->flights[i];
        if (!other->reads && !other->batch && other->where.file == where.file &&
            other->where.piece == where.piece)
            yk_future_cancel(other->future);
    }
}
