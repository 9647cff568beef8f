/* mapreduce/reads.c - streams are read side by side, chunk after chunk. */
#include "flights.h"

#include <stdlib.h>
#include <uv.h>

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
void yk__give_chunk(yk__file *f, yk__chunk *chunk)
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
    int err = yk__reserve_flight(e);
    if (!err)
        err = take_chunk(f, &stream->chunk);
    if (err)
        return err;
    f->reading = yk_submit_with(e->io, yk__read_job, &stream, sizeof stream, .kind = YK_BLOCKING,
                                .name = "read");
    return yk__add_flight(
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
           yk__is_wanted(e, (yk__where){ index, f->n_pieces });
}

/* Whether all of its pieces are known and have been submitted. */
static bool is_submitted(const yk__file *f)
{
    return f->next == f->n_pieces && (!f->is_stream || (f->spare && !f->open));
}

/* Opens streams in order, as far as may be side by side, and has the open ones read on. */
int yk__launch_reads(yk__engine *e)
{
    int err = 0;
    while (e->first < e->n_files && is_submitted(&e->files[e->first]))
        e->first++;
    for (size_t i = e->first; !err && i < e->n_files; i++) {
        yk__file *f = &e->files[i];
        bool is_new = f->is_stream && !f->spare;
        if (is_new && e->streams_open == e->max_streams)
            break;
        if (is_new && yk__is_wanted(e, (yk__where){ i, 0 }))
            err = open_stream(e, f);
        if (!err && may_read(e, i))
            err = start_read(e, i);
    }
    return err;
}

/* It may be finished, as a journal says. */
static int restore_chunk(yk__engine *e, yk__where where)
{
    yk__file *f = &e->files[where.file];
    yk__piece *piece = &f->pieces[where.piece];
    int err = yk__journal_restore(e, &where);
    if (!err && piece->mapped)
        yk__give_chunk(f, &piece->chunk);
    return err;
}

/* A chunk was read; it becomes a piece. */
void yk__end_read(yk__engine *e, yk__where where, yk_future *future)
{
    yk__file *f = &e->files[where.file];
    yk__stream *s = &f->stream;
    yk__chunk chunk = s->chunk;
    s->chunk = (yk__chunk){ 0 };
    f->reading = NULL;
    if (yk_future_state(future) != YK_DONE) {
        const yk_error *error = yk_future_error(future);
        yk__give_chunk(f, &chunk);
        close_stream(e, f);
        yk__fail_at(e, where, error->code, error->message);
        return;
    }
    e->stats.stored += s->stored - f->stored_seen;
    f->stored_seen = s->stored;
    int err = 0;
    if (chunk.len == 0)
        yk__give_chunk(f, &chunk);
    else if ((err = yk__add_piece(f, chunk, chunk.len)) != 0)
        yk__chunk_free(&chunk);
    else
        err = restore_chunk(e, where);
    if (s->ended || err)
        close_stream(e, f);
    if (s->flaw.code)
        yk__fail_with(e, (yk__where){ where.file, f->n_pieces }, &s->flaw);
    if (err)
        yk__fail_at(e, where, err, NULL);
}
