/* mapreduce/ngram/serve/search.c - looks through all n-grams for a regular expression. */
#include "search.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include "../../../executor/clock.h"
#include "../../../executor/error.h"
#include "../../../executor/stream.h"
#include "../best.h"
#include "../filter.h"
#include "../tags.h"
#include "../text.h"
#include "buffer.h"
#include "opened.h"

enum { LOOK_EVERY = 64, EMIT_EVERY_MS = 200, HITS = 100 };

/* ---- What is looked for -------------------------------------------------------------------- */

static ngram_filter *make_filter(const serve_search *s, char *why, size_t size)
{
    return ngram_filter_make(&(ngram_filter_options){ .match = s->match }, s->years, why, size);
}

bool serve_search_read(serve_search *s, serve_fields *f)
{
    char match[SERVE_LONGEST_MATCH + 1], why[900];
    *s = (serve_search){ .years = { serve_field_number(f, "from", 1, 9999, 0),
                                    serve_field_number(f, "to", 1, 9999, 0) },
                         .limit = serve_field_number(f, "limit", 1, SERVE_MOST_HITS, HITS),
                         .tags = serve_field_flag(f, "tags") };
    serve_field_text(f, "match", match, sizeof match);
    if (!match[0])
        serve_field_wrong(f, "match: a regular expression is missing");
    if (s->years.from && s->years.to && s->years.from > s->years.to)
        serve_field_wrong(f, "from: %d is after %d, the last year", s->years.from, s->years.to);
    snprintf(s->match, sizeof s->match, "%s%s", serve_field_flag(f, "case_fold") ? "(?i)" : "",
             match);
    ngram_filter *filter = f->wrong ? NULL : make_filter(s, why, sizeof why);
    if (!filter)
        serve_field_wrong(f, "match: %s", why);
    free(filter);
    return !f->wrong;
}

/* ---- What was found ------------------------------------------------------------------------ */

typedef struct searcher {
    yk_job *job;
    const serve_search *search;
    ngram_picker picker;
    ngram_best best;
    uint64_t found, searched, told; /* found when it was last told of */
    uint64_t next;                  /* not before this time */
} searcher;

static void write_hit(yk_writer *to, const ngram_best_item *item)
{
    yk_write_text(to, "{\"ngram\":");
    ngram_write_json(to, (yk_str){ item->key, item->len });
    yk_write_text(to, ",\"match_count\":");
    yk_write_u64(to, item->rank);
    yk_write_text(to, ",\"volume_count\":");
    yk_write_u64(to, item->other);
    yk_write(to, "}", 1);
}

/* On one line, as an event wants it. */
static void write_hits(yk_writer *to, const searcher *s, const ngram_best_item *items, size_t count)
{
    yk_write_text(to, "{\"found\":");
    yk_write_u64(to, s->found);
    yk_write_text(to, ",\"searched\":");
    yk_write_u64(to, s->searched);
    yk_write_text(to, ",\"hits\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            yk_write(to, ",", 1);
        write_hit(to, &items[i]);
    }
    yk_write_text(to, "]}");
}

/* Calls `give` with the text of the first `most` hits, and a NUL behind it. */
static int give_hits(const searcher *s, size_t most, int (*give)(yk_job *, const void *, size_t))
{
    serve_buffer b;
    size_t count = s->best.count;
    yk_writer *to = serve_buffer_begin(&b);
    ngram_best_item *items = calloc(count + 1, sizeof *items);
    int err = to && items ? 0 : UV_ENOMEM;
    if (!err) {
        if (count > 0)
            memcpy(items, s->best.item, count * sizeof *items);
        qsort(items, count, sizeof *items, ngram_best_compare);
        write_hits(to, s, items, count < most ? count : most);
        yk_write(to, "", 1);
        err = serve_buffer_end(&b);
    }
    if (!err)
        err = give(s->job, b.out.memory, b.out.len);
    serve_buffer_free(&b);
    free(items);
    return err;
}

/* ---- One n-gram ---------------------------------------------------------------------------- */

static int sum_years(const ngram_years *years, const ngram_item *item, ngram_best_item *sum)
{
    ngram_unpacker u;
    ngram_point p;
    int got = ngram_unpack_begin(&u, item->packed, item->size);
    while (got >= 0 && (got = ngram_unpack_next(&u, &p)) > 0) {
        if (p.year < years->from || (years->to && p.year > years->to))
            continue;
        if (__builtin_add_overflow(sum->rank, p.match_count, &sum->rank) ||
            __builtin_add_overflow(sum->other, p.volume_count, &sum->other))
            return YK_EOVERFLOW;
    }
    return got < 0 ? YK_ECORRUPT : 0;
}

static int take(searcher *s, const ngram_item *item)
{
    bool has;
    ngram_picked picked;
    yk_str ngram = { item->ngram, item->length };
    s->searched++;
    if (!s->search->tags && ngram_tagging_of(ngram, -1, &has) != NGRAM_UNTAGGED)
        return 0;
    int got = ngram_pick(&s->picker, ngram, &picked);
    if (got == YK_EFORMAT)
        return yk_job_fail(s->job, UV_EINVAL,
                           "the expression takes too many steps on \"%.*s\"; make it simpler",
                           (int)(ngram.len < 60 ? ngram.len : 60), ngram.at);
    if (got <= 0)
        return got;
    ngram_best_item hit = { .key = (char *)(uintptr_t)ngram.at, .len = ngram.len };
    int err = sum_years(&s->search->years, item, &hit);
    if (err || hit.rank == 0)
        return err;
    s->found++;
    return ngram_best_add(&s->best, &hit);
}

/* Now and then. */
static int tell(searcher *s, uint64_t total)
{
    if (yk_job_cancelled(s->job))
        return YK_ECANCELED;
    yk_job_progress(s->job, s->searched, total);
    uint64_t now = yk_now();
    if (now < s->next || s->told == s->found)
        return 0;
    s->next = now + EMIT_EVERY_MS * 1000000ull;
    s->told = s->found;
    int err = give_hits(s, SERVE_FIRST_HITS, yk_job_emit);
    return err == UV_EMSGSIZE || err == YK_ENOSTREAM ? 0 : err;
}

/* ---- All of them --------------------------------------------------------------------------- */

static int search_store(searcher *s, const ngram_store *store)
{
    ngram_item item;
    ngram_cursor *cursor;
    uint64_t total = ngram_store_about(store)->ngrams;
    int err = ngram_cursor_new(&cursor, store);
    if (err)
        return err;
    int got = ngram_cursor_seek(cursor, "", 0, &item);
    while (got == 1 && !(err = take(s, &item))) {
        if (s->searched % LOOK_EVERY == 0 && (err = tell(s, total)))
            break;
        got = ngram_cursor_next(cursor, &item);
    }
    ngram_cursor_free(cursor);
    yk_job_progress(s->job, s->searched, total);
    return got < 0 ? got : err;
}

static int find(yk_job *job, const serve_search *search, const ngram_store *store)
{
    char why[1024];
    ngram_filter *filter = make_filter(search, why, sizeof why);
    if (!filter)
        return yk_job_fail(job, UV_EINVAL, "match: %s", why);
    searcher s = { .job = job, .search = search, .best.k = (size_t)search->limit };
    int err = ngram_picker_init(&s.picker, filter);
    if (!err)
        err = search_store(&s, store);
    if (!err)
        err = give_hits(&s, (size_t)search->limit, yk_job_return);
    ngram_picker_free(&s.picker);
    ngram_best_free(&s.best);
    free(filter);
    return err;
}

int serve_search_job(yk_job *job)
{
    char why[512];
    serve_opened *opened = serve_open(why, sizeof why);
    if (!opened)
        return yk_job_fail(job, UV_EIO, "%s", why);
    int err = find(job, yk_job_arg(job), opened->store);
    serve_close(opened);
    return err;
}
