/* mapreduce/ngram/counting.c - counts, summed: one map-reduce job.
 *
 * The map functions get runs of rows of one n-gram from the scanner, and decide once for each run.
 * Without options that pick n-grams the run goes into the table as it is (map_rows). With them it
 * is picked first (map_picked), and for sums by year its rows are read once more, one by one
 * (map_years).
 */
#include "counting.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../../executor/error.h"
#include "tags.h"

/* ---- What is summed ------------------------------------------------------------------------ */

/* Stripping: the rows without tags, and those that are fully tagged. Begins like ngram_counts. */
typedef struct tally {
    ngram_counts untagged, tagged;
} tally;

static bool add_counts(ngram_counts *total, const ngram_counts *more)
{
    bool over = __builtin_add_overflow(total->matches, more->matches, &total->matches);
    over |= __builtin_add_overflow(total->volumes, more->volumes, &total->volumes);
    return over;
}

static int sum_counts(void *into, const void *value)
{
    return add_counts(into, value) ? YK_EOVERFLOW : 0;
}

static int sum_tallies(void *into, const void *value)
{
    tally *total = into;
    const tally *more = value;
    bool over = add_counts(&total->untagged, &more->untagged);
    over |= add_counts(&total->tagged, &more->tagged);
    return over ? YK_EOVERFLOW : 0;
}

static const yk_fold fold_counts = { sizeof(ngram_counts), sum_counts };
static const yk_fold fold_tallies = { sizeof(tally), sum_tallies };

/* Of both every occurrence once: the untagged row if there was one. */
static const ngram_counts *counts_of(const tally *t)
{
    return t->untagged.matches || t->untagged.volumes ? &t->untagged : &t->tagged;
}

static uint64_t by_matches(const void *value)
{
    return ((const ngram_counts *)value)->matches;
}

static uint64_t by_tallied_matches(const void *value)
{
    return counts_of(value)->matches;
}

/* ---- Mapping ------------------------------------------------------------------------------- */

int ngram_take_bad_row(yk_split *split, yk_emitter *out, const ngram_bad_row *bad, int code)
{
    if (code != YK_EOVERFLOW)
        return yk_split_bad_record(split, bad->row, bad->length, bad->reason);
    const char *tab = memchr(bad->row, '\t', bad->length);
    return yk_emit_error(out, (yk_str){ bad->row, tab ? (size_t)(tab - bad->row) : bad->length },
                         code);
}

static int map_rows(yk_split *split, yk_emitter *out, void *arg)
{
    const ngram_years *years = arg;
    yk_str text = yk_split_text(split);
    ngram_rows rows;
    ngram_group group;
    ngram_rows_init(&rows, text.at, text.at + text.len, *years);
    for (int got; (got = ngram_rows_next(&rows, &group)) != 0;) {
        int err = 0;
        if (got > 0)
            yk_emit(out, (yk_str){ group.ngram, group.length },
                    &(ngram_counts){ group.match_count, group.volume_count });
        else
            err = ngram_take_bad_row(split, out, &rows.bad, got);
        if (err)
            return err;
    }
    yk_split_set_records(split, rows.lines);
    return 0;
}

/* ---- Mapping what is picked ---------------------------------------------------------------- */

enum { YEARS = 10000 };

typedef struct mapper {
    yk_split *split;
    yk_emitter *out;
    const ngram_filter *filter;
    ngram_by by;
    ngram_picker picker;
    ngram_rows rows;
    ngram_counts *year; /* by year: the sums of each */
} mapper;

/* The first character, or the byte that is none. */
static yk_str first_letter(yk_str text)
{
    size_t n = 1;
    while (n < text.len && n < 4 && ((unsigned char)text.at[n] & 0xc0) == 0x80)
        n++;
    unsigned char c = (unsigned char)text.at[0];
    return (yk_str){ text.at, c < 0xc2 || c > 0xf4 ? 1 : n };
}

/* "DET NOUN -": the tags of the words; `to` has room for as much as the n-gram and two bytes. */
static size_t put_tags(char *to, yk_str ngram)
{
    char *at = to;
    for (const char *next = ngram.at; next;) {
        ngram_word w;
        ngram_next_word(&w, &next, ngram.at + ngram.len);
        if (w.kind == NGRAM_PLAIN)
            at = mempcpy(at, "-", 1);
        else if (w.kind == NGRAM_TAGGED)
            at = mempcpy(at, ngram_tags[w.tag], strlen(ngram_tags[w.tag]));
        else
            at = mempcpy(at, w.at, w.len);
        if (next)
            *at++ = ' ';
    }
    return (size_t)(at - to);
}

static int emit_by_pos(mapper *m, yk_str ngram, const tally *value)
{
    char small[256], *to = 2 * ngram.len + 2 > sizeof small ? malloc(2 * ngram.len + 2) : small;
    if (!to)
        return UV_ENOMEM;
    yk_emit(m->out, (yk_str){ to, put_tags(to, ngram) }, value);
    if (to != small)
        free(to);
    return 0;
}

static int emit_group(mapper *m, const ngram_group *group, const ngram_picked *picked)
{
    ngram_counts counts = { group->match_count, group->volume_count };
    tally value = { counts, { 0, 0 } };
    if (picked->tagged)
        value = (tally){ { 0, 0 }, counts };
    if (m->by == NGRAM_BY_POS)
        return emit_by_pos(m, (yk_str){ group->ngram, group->length }, &value);
    yk_emit(m->out, m->by == NGRAM_BY_LETTER ? first_letter(picked->key) : picked->key, &value);
    return 0;
}

/* The group's rows once more, year by year. */
static int add_years(mapper *m, const ngram_group *group)
{
    ngram_rows rows;
    ngram_entry entry;
    ngram_rows_init(&rows, group->ngram, m->rows.next, m->filter->years);
    while (ngram_rows_next_entry(&rows, &entry) > 0) {
        int year = m->by == NGRAM_BY_DECADE ? entry.year / 10 * 10 : entry.year;
        ngram_counts counts = { entry.match_count, entry.volume_count };
        if (add_counts(&m->year[year], &counts)) {
            char key[8];
            int n = snprintf(key, sizeof key, "%04d", year % YEARS);
            return yk_emit_error(m->out, (yk_str){ key, (size_t)n }, YK_EOVERFLOW);
        }
    }
    return 0;
}

static int emit_years(mapper *m)
{
    for (int year = 0; year < YEARS; year++) {
        char key[8];
        int n = snprintf(key, sizeof key, "%04d", year);
        if (m->year[year].matches || m->year[year].volumes)
            yk_emit(m->out, (yk_str){ key, (size_t)n }, &m->year[year]);
    }
    return 0;
}

static int take_group(mapper *m, const ngram_group *group)
{
    ngram_picked picked;
    yk_str ngram = { group->ngram, group->length };
    int got = ngram_pick(&m->picker, ngram, &picked);
    if (got == YK_EFORMAT)
        return yk_split_bad_record(m->split, ngram.at, ngram.len,
                                   "the expression of --match takes too many steps");
    if (got <= 0)
        return got;
    if (picked.tagged && m->by != NGRAM_BY_NGRAM)
        return 0; /* whether there is an untagged row is not known here */
    return m->year ? add_years(m, group) : emit_group(m, group, &picked);
}

static int take_rows(mapper *m)
{
    ngram_group group;
    yk_str text = yk_split_text(m->split);
    ngram_rows_init(&m->rows, text.at, text.at + text.len, m->filter->years);
    for (int got; (got = ngram_rows_next(&m->rows, &group)) != 0;) {
        int err = got > 0 ? take_group(m, &group)
                          : ngram_take_bad_row(m->split, m->out, &m->rows.bad, got);
        if (err)
            return err;
    }
    yk_split_set_records(m->split, m->rows.lines);
    return m->year ? emit_years(m) : 0;
}

static int map_picked(yk_split *split, yk_emitter *out, void *arg)
{
    const ngram_filter *filter = arg;
    mapper m = { .split = split, .out = out, .filter = filter, .by = (ngram_by)filter->mode };
    bool years = m.by == NGRAM_BY_YEAR || m.by == NGRAM_BY_DECADE;
    int err = ngram_picker_init(&m.picker, filter);
    if (!err && years && !(m.year = calloc(YEARS, sizeof *m.year)))
        err = UV_ENOMEM;
    if (!err)
        err = take_rows(&m);
    free(m.year);
    ngram_picker_free(&m.picker);
    return err;
}

/* ---- The job ------------------------------------------------------------------------------- */

static const char *const by_words[] = { "ngram", "first-letter", "pos", "year", "decade", NULL };

const ngram_option ngram_by_table[] = {
    { .name = "by",
      .value = "WHAT",
      .help =
          "sum by ngram (default), first-letter, pos (the tags of the words: \"DET NOUN\", - for "
          "a word without one), year or decade (its first year). Sums by letter, year and "
          "decade are over untagged rows alone unless --pos says otherwise, for with tagged "
          "ones they would count twice",
      .read = ngram_read_choice,
      .at = offsetof(ngram_counting_options, by),
      .words = by_words },
    { .name = "min-count",
      .value = "N",
      .help = "only what has a summed match_count of at least N",
      .read = ngram_read_u64,
      .at = offsetof(ngram_counting_options, min_count) },
    { 0 },
};

ngram_filter *ngram_counting_filter(const ngram_counting_options *o, const ngram_command *command)
{
    ngram_filter_options f = o->filter;
    if (f.pos.mode == NGRAM_POS_DEFAULT && o->by != NGRAM_BY_NGRAM && o->by != NGRAM_BY_POS)
        f.pos.mode = NGRAM_POS_STRIP;
    ngram_filter *filter = ngram_filter_new(&f, o->query.input.years, command);
    if (filter)
        filter->mode = (int)o->by;
    return filter;
}

yk_mapreduce_options ngram_counting_job(const ngram_counting_options *o, const ngram_filter *filter)
{
    yk_mapreduce_options job = { .map = map_rows,
                                 .fold = &fold_counts,
                                 .arg = &o->query.input.years,
                                 .arg_size = sizeof o->query.input.years,
                                 .top = o->share ? 0 : o->top,
                                 .rank = by_matches };
    if (o->by == NGRAM_BY_NGRAM && !ngram_filter_needed(&o->filter))
        return job;
    job.map = map_picked;
    job.arg = filter;
    job.arg_size = ngram_filter_size(filter);
    if (o->by == NGRAM_BY_NGRAM && filter->pos.mode == NGRAM_POS_STRIP) {
        job.fold = &fold_tallies;
        job.rank = by_tallied_matches;
    }
    return job;
}

const ngram_counts *ngram_counts_in(const yk_mapreduce_options *job, yk_str value)
{
    if (job->fold == &fold_tallies)
        return counts_of((const tally *)value.at);
    return (const ngram_counts *)value.at;
}
