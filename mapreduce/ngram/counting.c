/* mapreduce/ngram/counting.c - the counts of every n-gram, summed: one map-reduce job. */
#include "counting.h"

#include <string.h>

#include "../../executor/error.h"
#include "format.h"

static int sum_counts(void *into, const void *value)
{
    ngram_counts *total = into;
    const ngram_counts *more = value;
    bool over = __builtin_add_overflow(total->matches, more->matches, &total->matches);
    over |= __builtin_add_overflow(total->volumes, more->volumes, &total->volumes);
    return over ? YK_EOVERFLOW : 0;
}

static const yk_fold fold_counts = { sizeof(ngram_counts), sum_counts };

static uint64_t by_matches(const void *value)
{
    return ((const ngram_counts *)value)->matches;
}

/* The scanner met a row that it does not hand out. */
static int take_bad_row(yk_split *split, yk_emitter *out, const ngram_bad_row *bad, int code)
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
            err = take_bad_row(split, out, &rows.bad, got);
        if (err)
            return err;
    }
    yk_split_set_records(split, rows.lines);
    return 0;
}

int ngram_sum(const ngram_query_options *o, const char *const *files, size_t top)
{
    ngram_form form;
    return ngram_query(o, files,
                       &(yk_mapreduce_options){
                           .map = map_rows,
                           .fold = &fold_counts,
                           .sink = ngram_sink(&form, o->output.format, o->output.path),
                           .arg = &o->input.years,
                           .arg_size = sizeof o->input.years,
                           .top = top,
                           .rank = by_matches,
                       });
}
