/* mapreduce/ngram/survey.c - what is in a file.
 *
 * Helpers survey stretches of whole rows; their first and last n-grams come along, so that the
 * order is known across stretches, too. Places of malformed rows are known when the stretches are
 * taken in order.
 */
#include "survey.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../../data/rows.h"
#include "../../data/scan.h"
#include "contents.h"
#include "inputs.h"
#include "survey_store.h"

enum { PEEK = 4096, QUOTE = 80 };

/* Of a stretch. */
typedef struct found {
    ngram_contents rows;
    size_t first, last; /* lengths of the first and the last n-gram, which are in `out` */
    bool any;
    uint64_t bad_line, bad_offset; /* of the first malformed row */
    const char *bad_reason;
    char bad_quote[QUOTE];
} found;

typedef struct survey {
    ngram_survey *s;
    const char *name;
    bool thorough;
    ngram_background *work;
    uint64_t before; /* stored bytes of the files before */
    yk__buffer last; /* the n-gram before the present stretch */
    bool any;
} survey;

/* ---- a block of rows ---- */

static void note_bad(found *f, const ngram_rows *rows, uint64_t lines_before, uint64_t text_before)
{
    if (f->rows.bad_rows++ > 0)
        return;
    f->bad_reason = rows->bad.reason;
    f->bad_line = lines_before + rows->bad.line;
    f->bad_offset = text_before + rows->bad.offset;
    ngram_quote(f->bad_quote, sizeof f->bad_quote, rows->bad.row, rows->bad.length);
}

static int keep_first(yk__stretch *stretch, found *f, const ngram_entry *e)
{
    if (f->any)
        return 0;
    f->any = true;
    f->first = e->length;
    if (yk__buffer_reserve(stretch->out, e->length))
        return UV_ENOMEM;
    memcpy(stretch->out->at, e->ngram, e->length);
    stretch->out->len = e->length;
    return 0;
}

static int keep_last(yk__stretch *stretch, found *f, const ngram_entry *e)
{
    stretch->out->len = f->first;
    if (yk__buffer_reserve(stretch->out, e->length))
        return UV_ENOMEM;
    memcpy(stretch->out->at + f->first, e->ngram, e->length);
    f->last = e->length;
    return 0;
}

/* Everything, year by year. */
static int survey_entries(yk__stretch *stretch, found *f, ngram_rows *rows)
{
    ngram_entry e, before = { .ngram = stretch->out->at + f->first, .length = f->last };
    uint64_t lines = f->rows.rows;
    bool any = f->any;
    int got, err = 0;
    while (!err && (got = ngram_rows_next_entry(rows, &e)) != 0) {
        if (got < 0) {
            note_bad(f, rows, lines, stretch->text);
            continue;
        }
        int order = any ? ngram_order(e.ngram, e.length, before.ngram, before.length) : 1;
        if (order != 0)
            ngram_contents_add_version(&f->rows, e.ngram + e.length + 1, rows->end);
        if (order != 0 && any) /* the first one may be a run that goes on */
            ngram_contents_add(&f->rows, e.ngram, e.length);
        f->rows.unsorted |= order < 0;
        ngram_contents_add_year(&f->rows, e.year);
        if (!any)
            err = keep_first(stretch, f, &e);
        any = true;
        before = e;
    }
    if (any && !err)
        err = keep_last(stretch, f, &before);
    f->rows.rows += rows->lines;
    return err;
}

/* Are the rows good? */
static int check_rows(yk__stretch *stretch, found *f, ngram_rows *rows)
{
    ngram_group group;
    for (int got; (got = ngram_rows_next(rows, &group)) != 0;) {
        if (got == YK_EFORMAT)
            note_bad(f, rows, f->rows.rows, stretch->text);
        f->rows.ngrams += got > 0;
    }
    f->rows.rows += rows->lines;
    return 0;
}

static int survey_block(yk__stretch *stretch, const yk_block *block, void *arg)
{
    const survey *s = arg;
    ngram_rows rows;
    ngram_rows_init(&rows, block->begin, block->end, (ngram_years){ 0 });
    return s->thorough ? survey_entries(stretch, stretch->extra, &rows)
                       : check_rows(stretch, stretch->extra, &rows);
}

/* ---- in order ---- */

static void tell_bad(survey *s, const found *f)
{
    if (s->s->first_bad[0] || !f->rows.bad_rows)
        return;
    snprintf(s->s->first_bad, sizeof s->s->first_bad,
             "%.300s:%" PRIu64 ": byte %" PRIu64 ": %s: \"%s\"", s->name,
             s->s->rows.rows + f->bad_line + 1, s->s->text + f->bad_offset, f->bad_reason,
             f->bad_quote);
}

static int take_stretch(yk__stretch *stretch, void *arg)
{
    survey *s = arg;
    found *f = stretch->extra;
    tell_bad(s, f);
    s->s->text += stretch->text;
    if (f->any) {
        int order = s->any ? ngram_order(stretch->out->at, f->first, s->last.at, s->last.len) : 1;
        f->rows.unsorted |= order < 0;
        if (order != 0)
            ngram_contents_add(&f->rows, stretch->out->at, f->first);
        s->any = true;
        s->last.len = 0;
        if (yk__buffer_reserve(&s->last, f->last))
            return UV_ENOMEM;
        memcpy(s->last.at, stretch->out->at + f->first, f->last);
        s->last.len = f->last;
    }
    ngram_contents_merge(&s->s->rows, &f->rows);
    return 0;
}

static int note_progress(uint64_t stored, void *arg)
{
    survey *s = arg;
    atomic_store_explicit(&s->work->done, s->before + stored, memory_order_relaxed);
    return yk_job_cancelled(s->work->job);
}

/* ---- total counts ---- */

/* Does it begin like total counts, and not like rows? */
static bool looks_like_totals(const char *path)
{
    char text[PEEK];
    yk_reader *reader;
    if (strcmp(path, "-") == 0 || yk_reader_open(&reader, path) != 0)
        return false;
    int64_t got = yk_reader_read(reader, text, sizeof text);
    yk_reader_close(reader);
    return got > 0 && ngram_looks_like_totals(text, (size_t)got, (size_t)got < sizeof text);
}

static int survey_totals(ngram_survey *s, const char *path, ngram_background *work)
{
    yk_reader *reader;
    char piece[PEEK];
    s->is_totals = true;
    int err = ngram_totals_read(&s->totals, path, work->message, sizeof work->message);
    if (!err)
        err = ngram_open_reader(&reader, path, work);
    if (err)
        return err;
    int64_t got;
    while ((got = yk_reader_read(reader, piece, sizeof piece)) > 0)
        s->text += (uint64_t)got;
    s->packing = yk_reader_packing(reader);
    s->stored = yk_reader_taken(reader);
    yk_reader_close(reader);
    return got < 0 ? (int)got : 0;
}

/* ---- a file ---- */

static int look_at_frames(ngram_survey *s, const yk_input *input)
{
    const yk_input_info *about = yk_input_about(input);
    s->packing = about->packing;
    s->stored = about->size == YK_SIZE_UNKNOWN ? 0 : about->size;
    s->has_frames = about->regular && about->packing == YK_ZSTD;
    return s->has_frames ? yk__frames_walk(&s->frames, yk_input_fd(input), 0, about->size) : 0;
}

int ngram_survey_file(ngram_survey *s, const char *path, int threads, bool thorough,
                      ngram_background *work)
{
    *s = (ngram_survey){ 0 };
    survey state = { .s = s, .thorough = thorough, .work = work, .before = work->done };
    yk_input *input;
    int err = ngram_open_input(&input, path, work);
    if (err)
        return err;
    const yk_input_info *about = yk_input_about(input);
    state.name = about->name;
    if (about->regular && strcmp(path, "-") != 0) {
        s->stored = about->size;
        if (ngram_survey_store(s, path, thorough, work, &err)) {
            yk_input_close(input);
            return err;
        }
        s->stored = 0;
    }
    err = look_at_frames(s, input);
    if (!err && looks_like_totals(path))
        err = survey_totals(s, path, work);
    else if (!err)
        err = yk__scan(input,
                       &(yk__scan_options){ .threads = threads,
                                            .extra_size = sizeof(found),
                                            .block = survey_block,
                                            .take = take_stretch,
                                            .tick = note_progress,
                                            .arg = &state },
                       work->message, sizeof work->message);
    if (!s->stored)
        s->stored = work->done - state.before;
    free(state.last.at);
    yk_input_close(input);
    return err;
}

void ngram_survey_free(ngram_survey *s)
{
    free(s->totals);
    ngram_store_close(s->store);
    s->totals = NULL;
    s->store = NULL;
}
