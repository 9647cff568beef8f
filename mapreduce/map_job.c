/* mapreduce/map_job.c - mapping one piece: read, map, fold, hand over.
 *
 * What can go wrong with the data is no failure of the job: it is described in its result, since
 * the engine has to know where, and what came before it.
 */
#include "map_job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "../data/rows.h"
#include "../executor/clock.h"
#include "emit.h"
#include "spill.h"
#include "records.h"
#include "scratch.h"
#include "split_state.h"
#include "table_spill.h"

/* ---- The job ------------------------------------------------------------------------------- */

typedef struct mapper {
    yk_job *job;
    yk__map_arg *arg;
    yk_emitter out;
    yk__map_head head;
} mapper;

static void set_flaw(mapper *m, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void set_flaw(mapper *m, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (m->head.flaw.code == 0) {
        m->head.flaw.code = code;
        vsnprintf(m->head.flaw.reason, sizeof m->head.flaw.reason, format, args);
    }
    va_end(args);
}

/* Maps whole records; `offset` is their place in the piece. */
static int map_text(mapper *m, const char *begin, const char *end, uint64_t offset)
{
    yk_split split = { .begin = begin,
                       .end = end,
                       .next = begin,
                       .counted_to = begin,
                       .are_lines = yk__are_lines(&m->arg->splitter),
                       .skip_bad = m->arg->skip_bad,
                       .until_look = YK__LOOK_EVERY,
                       .arg = m->arg,
                       .offset = offset,
                       .records_before = m->head.records,
                       .job = m->job,
                       .head = &m->head };
    yk__batch_begin(&m->out.batch, begin, (size_t)(end - begin));
    int err = m->arg->map(&split, &m->out, m->arg->rest);
    int flushed = yk__batch_flush(&m->out.batch, m->out.table);
    if (err >= 0)
        err = m->out.err ? m->out.err : flushed;
    if (err < 0 && !yk_job_cancelled(m->job))
        set_flaw(m, err, "%.200s: %s", yk__map_name(m->arg), yk_strerror(err));
    if (!split.records_known)
        yk__split_count_to(&split, end);
    m->head.records += split.records_known ? split.all_records : split.records;
    return err < 0 ? err : 0;
}

/* ---- Some of the records --------------------------------------------------------------------- */

/* Describes the record at `begin`, which comes next. */
static void describe_record(const mapper *m, yk__flaw *flaw, const char *begin, const char *end,
                            uint64_t offset)
{
    end = yk__record_end(&m->arg->splitter, begin, end);
    flaw->has_place = true;
    flaw->offset = offset;
    flaw->line = m->head.records;
    ngram_quote(flaw->quote, sizeof flaw->quote, begin,
                (size_t)(end - begin) - (yk__are_lines(&m->arg->splitter) && end[-1] == '\n'));
}

static int look_at_block(mapper *m, const char *begin, const char *end, uint64_t offset)
{
    const yk_splitter *splitter = &m->arg->splitter;
    uint64_t n = yk__count_records(splitter, begin, end),
             wanted = m->arg->end_record - m->head.records;
    if (m->arg->end_record >= m->head.records && wanted < n) {
        const char *record = yk__pass_records(splitter, begin, end, wanted);
        m->head.records += wanted;
        n -= wanted;
        describe_record(m, &m->head.first_bad, record, end, offset + (uint64_t)(record - begin));
    }
    m->head.records += n;
    return 0;
}

static void skip_record(mapper *m, const char *begin, const char *end, uint64_t offset)
{
    yk__flaw *flaw = &m->head.first_bad;
    if (flaw->code == 0) {
        flaw->code = YK_ECRASHED;
        snprintf(flaw->reason, sizeof flaw->reason, "its worker died of it");
        describe_record(m, flaw, begin, end, offset);
    }
    m->head.records++;
    m->head.bad_records++;
}

/* Maps the records before `end_record`, less those that are skipped. */
static int map_some(mapper *m, const char *begin, const char *end, uint64_t offset)
{
    const yk__map_arg *arg = m->arg;
    int err = 0;
    for (const char *p = begin; !err && p < end && m->head.records < arg->end_record;) {
        uint64_t stop = arg->end_record, at = m->head.records;
        for (unsigned i = arg->n_skipped; i-- > 0;)
            if (arg->skipped[i] >= at && arg->skipped[i] < stop)
                stop = arg->skipped[i];
        const char *to = yk__pass_records(&arg->splitter, p, end, stop > at ? stop - at : 1);
        if (stop > at)
            err = map_text(m, p, to, offset + (uint64_t)(p - begin));
        else
            skip_record(m, p, end, offset + (uint64_t)(p - begin));
        p = to;
    }
    return err;
}

/* ---- A piece ------------------------------------------------------------------------------- */

static int map_block(mapper *m, const char *begin, const char *end, uint64_t offset)
{
    if (m->arg->look)
        return look_at_block(m, begin, end, offset);
    if (m->arg->n_skipped > 0 || m->arg->end_record != UINT64_MAX)
        return map_some(m, begin, end, offset);
    return map_text(m, begin, end, offset);
}

static int map_range(mapper *m, yk_blocks *blocks)
{
    const char *path = m->arg->rest + m->arg->user_size;
    int err = yk_blocks_open(blocks, path, &m->arg->range);
    yk_block block;
    while (!err && (err = yk_blocks_next(blocks, &block)) > 0) {
        err = map_block(m, block.begin, block.end, block.offset);
        if (!err && yk_job_cancelled(m->job))
            err = YK_ECANCELED;
    }
    if (err < 0 && yk_blocks_error(blocks)[0])
        set_flaw(m, err, "%s", yk_blocks_error(blocks));
    m->head.text = yk_blocks_text(blocks);
    m->head.stored = yk_blocks_taken(blocks);
    yk_blocks_close(blocks);
    return err;
}

static int map_piece(mapper *m, yk_blocks *blocks)
{
    if (!m->arg->chunk)
        return map_range(m, blocks);
    m->head.text = m->arg->chunk_len;
    return map_block(m, m->arg->chunk, m->arg->chunk + m->arg->chunk_len, 0);
}

/* Hands one group to the user's function, whose records go to m->out. */
static int combine_group(mapper *m, const yk__table *from, const yk__record *r, yk__pool *bytes)
{
    yk_str key = { yk__table_key(from, r), r->len & YK__KEY_MAX };
    size_t size = yk__table_value_size(from, r);
    if (size > bytes->cap) {
        char *at = realloc(bytes->at, size * 2);
        if (!at)
            return UV_ENOMEM;
        *bytes = (yk__pool){ .at = at, .cap = size * 2 };
    }
    yk__table_copy_group(from, r, bytes->at);
    yk_values values = { .at = bytes->at, .end = bytes->at + size, .job = m->job };
    int code = m->arg->combine(key, &values, &m->out, m->arg->rest);
    return code < 0 ? yk_emit_error(&m->out, key, code) : 0;
}

/* Combines all groups of the table into another. */
static int combine_all(mapper *m, yk__table *into)
{
    const yk__table *from = m->out.table;
    int err = yk__table_begin(into, NULL, m->arg->seed);
    yk__pool bytes = { 0 };
    m->out.table = into;
    for (const yk__record *r = NULL; !err && (r = yk__table_next(from, r)) != NULL;) {
        if (yk__table_is_group(from, r))
            err = combine_group(m, from, r, &bytes);
        else
            err = yk__table_copy_poison(into, from, r);
        if (!err)
            err = yk_job_cancelled(m->job) ? YK_ECANCELED : m->out.err;
    }
    free(bytes.at);
    return err;
}

/* ---- A table that has become too large ------------------------------------------------------ */

static int write_early(mapper *m)
{
    const yk__map_arg *arg = m->arg;
    const char *path = arg->rest + arg->user_size, *folder = path + strlen(path) + 1;
    if (m->head.early == YK__EARLY_MAX)
        return UV_E2BIG;
    char *run = yk__early_path(folder, arg->number, m->head.early);
    int err = run ? yk__table_spill(m->out.table, arg->order + m->head.early, run, arg->durable)
                  : UV_ENOMEM;
    if (err && run)
        set_flaw(m, err, "%.300s: %s", run, yk_strerror(err));
    m->head.early += !err;
    free(run);
    return err;
}

/* What combine emits meanwhile must not come here. */
static int spill_early(yk_emitter *out)
{
    mapper *m = (mapper *)((char *)out - offsetof(mapper, out));
    yk__scratch *own = yk__own_scratch();
    out->relieve = NULL;
    int err = yk_job_cancelled(m->job) ? YK_ECANCELED : 0;
    if (!err)
        err = yk__batch_flush(&out->batch, out->table);
    if (!err && m->arg->combine)
        err = combine_all(m, &own->combined);
    if (!err)
        err = write_early(m);
    out->table = &own->table;
    if (!err)
        err = yk__table_begin(out->table, m->arg->fold, m->arg->seed);
    out->relieve = spill_early;
    return err;
}

/* ---- The whole job -------------------------------------------------------------------------- */

static int return_runs(mapper *m)
{
    const yk__table *table = m->out.table;
    bool nothing = m->head.flaw.code != 0 || m->arg->look || m->arg->end_record != UINT64_MAX;
    size_t len = nothing ? 0 : yk__parts_measure(table, &m->head.parts);
    char *to = yk_job_result(m->job, sizeof m->head + len);
    if (!to)
        return UV_ENOMEM;
    memcpy(to, &m->head, sizeof m->head);
    if (!nothing)
        yk__parts_write(table, &m->head.parts, m->arg->order + m->head.early, to + sizeof m->head);
    return 0;
}

int yk__map_job(yk_job *job)
{
    uint64_t began = yk_now();
    yk__scratch *own = yk__own_scratch();
    if (!own)
        return UV_ENOMEM;
    mapper m = { .job = job, .arg = yk_job_arg(job), .out.table = &own->table };
    m.out.relieve = spill_early;
    m.out.counters = &m.head.counters;
    m.out.limit = m.arg->table_limit;
    m.head.number = m.arg->number;
    int err = yk__table_begin(&own->table, m.arg->fold, m.arg->seed);
    if (err)
        return err;
    err = map_piece(&m, own->blocks);
    m.out.relieve = NULL;
    if (!err && m.arg->combine)
        err = combine_all(&m, &own->combined);
    if (yk_job_cancelled(job))
        return YK_ECANCELED;
    if (err < 0)
        set_flaw(&m, err, "%.200s: %s", yk__map_name(m.arg), yk_strerror(err));
    m.head.worker = yk_job_worker(job);
    m.head.process = (int)getpid();
    m.head.busy_ns = yk_now() - began;
    return return_runs(&m);
}
