/* mapreduce/ngram/store_find.c - the years of n-grams that a question names, from a store. */
#include "store_find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../../data/store.h"
#include "../../executor/error.h"
#include "../writer.h"
#include "background.h"
#include "case_fold.h"
#include "case_variants.h"
#include "tags.h"

enum { LOOK_EVERY = 1024 };

/* An n-gram that fits, put by until all have been found. */
typedef struct hit {
    char *name; /* folded; behind it, the packed series */
    size_t len, size;
} hit;

typedef struct finder {
    ngram_cursor *cursor;
    const ngram_wanted *wanted;
    const ngram_pattern *pattern; /* that is looked for */
    size_t word;                  /* its number */
    ngram_lines *lines;
    const yk_job *job;
    char *folded;
    size_t room;
    char *spelled; /* a way to write what the pattern begins with */
    hit *hits;
    size_t n_hits, hits_room;
} finder;

/* ---- One n-gram ---------------------------------------------------------------------------- */

static bool is_asked_for(const ngram_years *years, int year)
{
    return (years->from == 0 || year >= years->from) && (years->to == 0 || year <= years->to);
}

static int add_years(finder *f, yk_str ngram, const void *packed, size_t size)
{
    ngram_unpacker u;
    ngram_point p;
    int got = ngram_unpack_begin(&u, packed, size);
    if (got)
        return YK_ECORRUPT;
    while ((got = ngram_unpack_next(&u, &p)) > 0) {
        int err = is_asked_for(&f->wanted->years, p.year)
                      ? ngram_lines_add(f->lines, f->word, ngram, p.year, p.match_count)
                      : 0;
        if (err)
            return err;
    }
    return got < 0 ? YK_ECORRUPT : 0;
}

static int look_up(finder *f)
{
    ngram_item item;
    yk_str wanted = f->pattern->text;
    int got = ngram_cursor_seek(f->cursor, wanted.at, wanted.len, &item);
    if (got != 1 || item.length != wanted.len || memcmp(item.ngram, wanted.at, wanted.len) != 0)
        return got < 0 ? got : 0;
    return add_years(f, wanted, item.packed, item.size);
}

/* ---- N-grams that become one when they are folded -------------------------------------------- */

/* Those that are folded do not come in their order. */
static int put_by(finder *f, yk_str ngram, const ngram_item *item)
{
    if (f->n_hits == f->hits_room) {
        size_t room = f->hits_room ? 2 * f->hits_room : 64;
        hit *more = realloc(f->hits, room * sizeof *more);
        if (!more)
            return UV_ENOMEM;
        f->hits = more;
        f->hits_room = room;
    }
    char *name = malloc(ngram.len + item->size);
    if (!name)
        return UV_ENOMEM;
    memcpy(name, ngram.at, ngram.len);
    memcpy(name + ngram.len, item->packed, item->size);
    f->hits[f->n_hits++] = (hit){ name, ngram.len, item->size };
    return 0;
}

static int by_name(const void *left, const void *right)
{
    const hit *a = left, *b = right;
    int by_bytes = memcmp(a->name, b->name, a->len < b->len ? a->len : b->len);
    return by_bytes ? by_bytes : (a->len > b->len) - (a->len < b->len);
}

static int add_hits(finder *f)
{
    int err = 0;
    if (f->n_hits > 0)
        qsort(f->hits, f->n_hits, sizeof *f->hits, by_name);
    for (size_t i = 0; i < f->n_hits; i++) {
        const hit *h = &f->hits[i];
        if (!err)
            err = add_years(f, (yk_str){ h->name, h->len }, h->name + h->len, h->size);
        free(h->name);
    }
    f->n_hits = 0;
    return err;
}

/* ---- A stretch of the store ------------------------------------------------------------------ */

static int fold(finder *f, yk_str *ngram)
{
    if (NGRAM_FOLDED(ngram->len) > f->room) {
        free(f->folded);
        f->room = 2 * NGRAM_FOLDED(ngram->len);
        f->folded = malloc(f->room);
    }
    if (!f->folded) {
        f->room = 0;
        return UV_ENOMEM;
    }
    size_t len = ngram_rewrite(f->folded, *ngram, true, false);
    *ngram = (yk_str){ f->folded, len };
    return 0;
}

static int take_item(finder *f, const ngram_item *item)
{
    yk_str ngram = { item->ngram, item->length };
    if (f->wanted->case_fold) {
        int err = fold(f, &ngram);
        if (err)
            return err;
    }
    if (!ngram_pattern_fits(f->pattern, ngram))
        return 0;
    return f->wanted->case_fold ? put_by(f, ngram, item)
                                : add_years(f, ngram, item->packed, item->size);
}

/* Reads on as long as n-grams begin with `prefix`. */
static int read_stretch(finder *f, yk_str prefix)
{
    ngram_item item;
    int err = 0, got = ngram_cursor_seek(f->cursor, prefix.at, prefix.len, &item);
    for (unsigned n = 0; got == 1 && !err; got = ngram_cursor_next(f->cursor, &item)) {
        if (item.length < prefix.len || memcmp(item.ngram, prefix.at, prefix.len) != 0)
            break;
        err = take_item(f, &item);
        if (++n % LOOK_EVERY == 0 && yk_job_cancelled(f->job))
            err = YK_ECANCELED;
    }
    return got < 0 ? got : err;
}

/* ---- All ways to write it -----------------------------------------------------------------------
 *
 * Character by character: each of the folded text stands for itself, and for those that fold to it
 * ("ss": also for ß). Ways with which nothing in the store begins are left at once.
 */

static int spell(finder *f, yk_str text, size_t at, size_t len);

/* What the pattern begins with has been spelled. */
static int read_spelled(finder *f, size_t len)
{
    ngram_item item;
    if (f->pattern->wild)
        return read_stretch(f, (yk_str){ f->spelled, len });
    int got = ngram_cursor_seek(f->cursor, f->spelled, len, &item);
    return got == 1 && item.length == len && memcmp(item.ngram, f->spelled, len) == 0
               ? take_item(f, &item)
           : got < 0 ? got
                     : 0;
}

/* Goes on with `next` behind what is spelled, if anything begins so. */
static int spell_on(finder *f, yk_str text, size_t at, size_t len, yk_str next)
{
    ngram_item item;
    if (yk_job_cancelled(f->job))
        return YK_ECANCELED;
    memcpy(f->spelled + len, next.at, next.len);
    len += next.len;
    int got = ngram_cursor_seek(f->cursor, f->spelled, len, &item);
    if (got != 1 || item.length < len || memcmp(item.ngram, f->spelled, len) != 0)
        return got < 0 ? got : 0;
    return spell(f, text, at, len);
}

/* `len` bytes are spelled, which fold to the first `at` bytes of the text. */
static int spell(finder *f, yk_str text, size_t at, size_t len)
{
    const char *rest = text.at + at;
    size_t left = text.len - at;
    if (left == 0)
        return read_spelled(f, len);
    size_t size = ngram_character_size(rest, left);
    int err = spell_on(f, text, at + size, len, (yk_str){ rest, size });
    for (const ngram_variant *v = ngram_first_variant(rest, left); v && !err;
         v = ngram_next_variant(v, rest, left))
        err = spell_on(f, text, at + v->folded_size, len, (yk_str){ v->text, v->size });
    return err;
}

static int find_spelled(finder *f)
{
    yk_str text = ngram_pattern_prefix(f->pattern);
    free(f->spelled);
    f->spelled = malloc(NGRAM_FOLDED(text.len));
    return f->spelled ? spell(f, text, 0, 0) : UV_ENOMEM;
}

static int find_all(finder *f, const ngram_pattern *patterns)
{
    int err = 0;
    for (f->word = 0; !err && f->word < f->wanted->count; f->word++) {
        f->pattern = &patterns[f->word];
        if (f->wanted->case_fold)
            err = find_spelled(f);
        else if (f->pattern->wild)
            err = read_stretch(f, ngram_pattern_prefix(f->pattern));
        else
            err = look_up(f);
        int added = add_hits(f);
        err = err ? err : added;
    }
    return err;
}

int ngram_store_find(const ngram_store *store, const ngram_wanted *wanted, ngram_lines *lines,
                     const yk_job *job)
{
    finder f = { .wanted = wanted, .lines = lines, .job = job };
    ngram_pattern *patterns = calloc(wanted->count, sizeof *patterns);
    int err = patterns ? ngram_cursor_new(&f.cursor, store) : UV_ENOMEM;
    if (!err) {
        ngram_wanted_patterns(wanted, patterns);
        err = find_all(&f, patterns);
    }
    ngram_cursor_free(f.cursor);
    free(f.folded);
    free(f.spelled);
    free(f.hits);
    free(patterns);
    return err ? err : ngram_lines_finish(lines);
}

/* ---- The answer ---------------------------------------------------------------------------- */

static int find(ngram_background *work)
{
    const ngram_store_question *q = work->arg;
    ngram_store *store;
    int err = ngram_store_open(&store, q->store, work->message, sizeof work->message);
    if (err)
        return err;
    err = ngram_store_find(store, q->wanted, q->lines, work->job);
    ngram_store_close(store);
    if (err == YK_ECORRUPT || err == YK_ETRUNCATED)
        snprintf(work->message, sizeof work->message,
                 "%s: the store is damaged; make it again with ngram index", q->store);
    return err;
}

static int write_to(yk__output *out, const ngram_store_question *q, const yk_job *job)
{
    yk_writer *to = calloc(1, sizeof *to);
    if (!to)
        return UV_ENOMEM;
    to->out = out;
    to->job = job;
    int err = ngram_lines_write(q->lines, q->output, to);
    if (err >= 0)
        err = yk__writer_flush(to);
    free(to);
    return err;
}

static int write_lines(ngram_background *work)
{
    const ngram_store_question *q = work->arg;
    yk__output out;
    int err = yk__output_open(&out, q->output->path);
    if (err)
        return err;
    err = write_to(&out, q, work->job);
    if (!err)
        return yk__output_commit(&out);
    yk__output_abandon(&out);
    return err;
}

int ngram_store_answer(const ngram_store_question *q)
{
    void *arg = (void *)(uintptr_t)q;
    const char *path = q->output->path ? q->output->path : "standard output";
    ngram_background finding = { .run = find, .arg = arg, .name = q->store };
    ngram_background writing = { .run = write_lines, .arg = arg, .name = path };
    int status = ngram_background_run(&finding, NGRAM_NEVER);
    return status ? status : ngram_background_run(&writing, NGRAM_NEVER);
}
