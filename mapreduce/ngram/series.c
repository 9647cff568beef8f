/* mapreduce/ngram/series.c - ngram series: the years of some n-grams.
 *
 * The map function looks at every run of rows of one n-gram once; the rows of a run that is wanted
 * are read again, year by year. A key is the word that it was found for and the n-gram; a value is
 * years, packed. What has the same key is added up where the answer is made.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../../data/series.h"
#include "../../executor/error.h"
#include "case_fold.h"
#include "commands.h"
#include "counting.h"
#include "lines.h"
#include "store_find.h"
#include "tags.h"
#include "wanted.h"

typedef struct series_options {
    const char *store; /* instead of files */
    bool case_fold;
    ngram_lines_options lines;
    ngram_query_options query;
} series_options;

/* ---- Mapping ------------------------------------------------------------------------------- */

typedef struct finder {
    yk_split *split;
    yk_emitter *out;
    const ngram_wanted *wanted;
    ngram_pattern *pattern;
    ngram_rows rows;
    char *folded, *key;
    size_t room; /* of both */
    ngram_point *point;
    uint8_t *packed;
} finder;

static int make_room(finder *f, size_t len)
{
    if (NGRAM_FOLDED(len) + 4 <= f->room)
        return 0;
    free(f->folded);
    free(f->key);
    f->room = 2 * NGRAM_FOLDED(len) + 4;
    f->folded = malloc(f->room);
    f->key = malloc(f->room);
    return f->folded && f->key ? 0 : UV_ENOMEM;
}

static void put_number(char *to, size_t number)
{
    to[0] = (char)(number >> 8);
    to[1] = (char)(number & 0xff);
}

static size_t get_number(const char *from)
{
    return (size_t)(unsigned char)from[0] << 8 | (unsigned char)from[1];
}

/* Years that ascend, and the room to pack them in. */
static int make_years(finder *f)
{
    if (!f->point)
        f->point = malloc(NGRAM_LAST_YEAR * sizeof *f->point);
    if (!f->packed)
        f->packed = malloc(NGRAM_PACKED_MAX(NGRAM_LAST_YEAR));
    return f->point && f->packed ? 0 : UV_ENOMEM;
}

static void emit_points(finder *f, size_t key_len, size_t count)
{
    size_t size = ngram_series_pack(f->packed, f->point, count);
    yk_emit_bytes(f->out, (yk_str){ f->key, key_len }, (yk_str){ (const char *)f->packed, size });
}

static int emit_years(finder *f, const ngram_group *group, size_t word, yk_str name)
{
    ngram_rows rows;
    ngram_entry entry;
    size_t count = 0;
    if (make_years(f))
        return UV_ENOMEM;
    put_number(f->key, word);
    memcpy(f->key + 2, name.at, name.len);
    ngram_rows_init(&rows, group->ngram, f->rows.next, f->wanted->years);
    while (ngram_rows_next_entry(&rows, &entry) > 0) {
        if (count > 0 && f->point[count - 1].year >= entry.year) {
            emit_points(f, name.len + 2, count);
            count = 0;
        }
        f->point[count++] = (ngram_point){ entry.year, entry.match_count, 0 };
    }
    if (count > 0)
        emit_points(f, name.len + 2, count);
    return 0;
}

static int take_group(finder *f, const ngram_group *group)
{
    yk_str ngram = { group->ngram, group->length };
    int err = make_room(f, ngram.len);
    if (err)
        return err;
    if (f->wanted->case_fold) {
        size_t len = ngram_rewrite(f->folded, ngram, true, false);
        ngram = (yk_str){ f->folded, len };
    }
    for (size_t i = 0; i < f->wanted->count && !err; i++)
        if (ngram_pattern_fits(&f->pattern[i], ngram))
            err = emit_years(f, group, i, ngram);
    return err;
}

static int find_in_rows(finder *f)
{
    ngram_group group;
    yk_str text = yk_split_text(f->split);
    ngram_rows_init(&f->rows, text.at, text.at + text.len, f->wanted->years);
    for (int got; (got = ngram_rows_next(&f->rows, &group)) != 0;) {
        int err = got > 0 ? take_group(f, &group)
                          : ngram_take_bad_row(f->split, f->out, &f->rows.bad, got);
        if (err)
            return err;
    }
    yk_split_set_records(f->split, f->rows.lines);
    return 0;
}

static int map_wanted(yk_split *split, yk_emitter *out, void *arg)
{
    const ngram_wanted *wanted = arg;
    finder f = { .split = split, .out = out, .wanted = wanted };
    f.pattern = calloc(wanted->count, sizeof *f.pattern);
    int err = f.pattern ? 0 : UV_ENOMEM;
    if (!err) {
        ngram_wanted_patterns(wanted, f.pattern);
        err = find_in_rows(&f);
    }
    free(f.pattern);
    free(f.folded);
    free(f.key);
    free(f.point);
    free(f.packed);
    return err;
}

/* ---- The answer ---------------------------------------------------------------------------- */

typedef struct found {
    ngram_lines lines;
    const ngram_output_options *output;
} found;

static int pass(yk_str key, yk_values *values, yk_emitter *out, void *arg)
{
    (void)arg;
    int err = 0;
    for (yk_str value; !err && yk_values_next(values, &value);)
        err = yk_emit_bytes(out, key, value);
    return err;
}

static int add_years(yk_writer *to, yk_str key, yk_str value, void *arg)
{
    (void)to;
    found *f = arg;
    ngram_unpacker years;
    ngram_point point;
    yk_str ngram = { key.at + 2, key.len - 2 };
    int err = ngram_unpack_begin(&years, value.at, value.len);
    while (!err && (err = ngram_unpack_next(&years, &point)) > 0)
        err = ngram_lines_add(&f->lines, get_number(key.at), ngram, point.year, point.match_count);
    return err;
}

static int write_lines(yk_writer *to, void *arg)
{
    found *f = arg;
    int err = ngram_lines_finish(&f->lines);
    return err ? err : ngram_lines_write(&f->lines, f->output, to);
}

/* Says which words are missing; fails if all are. */
static int tell_missing(const ngram_lines *l, const char *place)
{
    size_t missing = 0;
    for (size_t i = 0; i < l->word_count; i++) {
        if (ngram_lines_found(l, i))
            continue;
        fprintf(stderr, "ngram: not in the %s%s: %s\n", place,
                l->options->years.from ? " in these years" : "", l->words[i]);
        missing++;
    }
    return missing == l->word_count ? NGRAM_FAILED : NGRAM_OK;
}

static int find_in_files(const series_options *o, const ngram_wanted *wanted, found *f,
                         const char *const *files)
{
    yk_mapreduce_options job = {
        .map = map_wanted,
        .reduce = pass,
        .sink = { .path = o->query.output.path, .record = add_years, .end = write_lines, .arg = f },
        .arg = wanted,
        .arg_size = ngram_wanted_size(wanted)
    };
    return ngram_query(&o->query, files, &job);
}

static int find(const series_options *o, const ngram_wanted *wanted, found *f,
                const char *const *files)
{
    ngram_store_question question = { o->store, wanted, &f->lines, f->output };
    int status = o->store ? ngram_store_answer(&question) : find_in_files(o, wanted, f, files);
    if (status == NGRAM_OK)
        status = tell_missing(&f->lines, o->store ? "store" : "files");
    ngram_chart_explain(&f->lines.chart);
    if (status == NGRAM_OK && o->query.output.plot)
        status = ngram_plot(&f->lines.chart, o->query.output.plot);
    return status;
}

/* ---- The command --------------------------------------------------------------------------- */

/* The words are there, and either files or a store. */
static int check_words(const series_options *o, const ngram_words *words)
{
    if (words->before == 0)
        return ngram_complain(&ngram_series_command, "name the n-grams, then --, then the files");
    if (o->store && words->before < words->count)
        return ngram_complain(&ngram_series_command, "either --store or files, not both");
    if (!o->store && words->before == words->count)
        return ngram_complain(
            &ngram_series_command,
            "no input files; they come behind --: ngram series WORD... -- FILE...");
    return NGRAM_OK;
}

static int check(const series_options *o, const ngram_words *words)
{
    const ngram_years *years = &o->query.input.years;
    int status = check_words(o, words);
    if (status)
        return status;
    if (words->before > NGRAM_MOST_WANTED)
        return ngram_complain(&ngram_series_command, "more than %d words", NGRAM_MOST_WANTED);
    if (years->from && years->to && years->from > years->to)
        return ngram_complain(&ngram_series_command, "--from %d is after --to %d", years->from,
                              years->to);
    for (size_t i = 0; i < words->before; i++)
        if (!words->at[i][0])
            return ngram_complain(&ngram_series_command, "no n-gram is empty");
    return o->query.output.plot ? ngram_plot_check(o->query.output.plot, &ngram_series_command)
                                : NGRAM_OK;
}

static int run_with(series_options *o, const ngram_words *words, ngram_wanted *wanted, bool *wild)
{
    char message[512];
    found f = { .output = &o->query.output };
    o->lines.years = o->query.input.years;
    int err = ngram_lines_init(&f.lines, &o->lines, words->at, wild, words->before, message,
                               sizeof message);
    if (err)
        fprintf(stderr, "ngram: %s\n", message);
    int status = err ? NGRAM_FAILED : find(o, wanted, &f, words->at + words->before);
    ngram_lines_free(&f.lines);
    return status;
}

static int run(const void *options, const ngram_words *words)
{
    series_options o = *(const series_options *)options;
    int status = check(&o, words);
    if (status)
        return status;
    ngram_wanted *wanted =
        ngram_wanted_new(words->at, words->before, o.query.input.years, o.case_fold);
    bool *wild = calloc(words->before, sizeof *wild);
    ngram_pattern *patterns = calloc(words->before, sizeof *patterns);
    if (wanted && wild && patterns) {
        ngram_wanted_patterns(wanted, patterns);
        for (size_t i = 0; i < words->before; i++)
            wild[i] = patterns[i].wild;
        status = run_with(&o, words, wanted, wild);
    } else {
        status = ngram_complain(NULL, "out of memory");
    }
    free(patterns);
    free(wild);
    free(wanted);
    return status;
}

static const ngram_option store_table[] = {
    { .name = "store",
      .value = "STORE",
      .help = "look into a store that 'ngram index' made, which answers at once, instead of files",
      .read = ngram_read_text,
      .at = offsetof(series_options, store) },
    { 0 },
};

static const ngram_option series_table[] = {
    { .name = "relative",
      .value = "TOTALS",
      .help = "occurrences per million words of the year, by a file of total counts of the "
              "dataset; a year that it does not have has no number",
      .read = ngram_read_text,
      .at = offsetof(series_options, lines.relative) },
    { .name = "smooth",
      .value = "N",
      .help = "every number is the mean of its year and N years on each side, of those that are in "
              "the answer",
      .read = ngram_read_int,
      .at = offsetof(series_options, lines.smooth),
      .most = 1000 },
    { .name = "from",
      .value = "YEAR",
      .help = "the first year (default: the first that is found)",
      .read = ngram_read_int,
      .at = offsetof(series_options, query.input.years.from),
      .least = 1,
      .most = 9999 },
    { .name = "to",
      .value = "YEAR",
      .help = "the last year",
      .read = ngram_read_int,
      .at = offsetof(series_options, query.input.years.to),
      .least = 1,
      .most = 9999 },
    { .name = "case-fold",
      .help = "capitals and small letters are the same, and their counts are summed",
      .read = ngram_read_flag,
      .at = offsetof(series_options, case_fold) },
    { 0 },
};

static const ngram_option_group groups[] = {
    { "Where to look", store_table, 0 },
    { "Numbers", series_table, 0 },
    NGRAM_QUERY_GROUPS(series_options, query),
    { 0 },
};

static const ngram_example examples[] = {
    { "a name, in occurrences per million words, smoothed",
      "ngram series Albert --relative totalcounts-1 --smooth 3 -- 1gram-a.gz 1gram-b.tsv" },
    { "a word with each of its tags, since 1900",
      "ngram series 'run_*' --from 1900 -- 1gram-b.tsv" },
    { "the same out of a store, at once",
      "ngram series Albert 'run_*' --store eng.store --format csv" },
    { 0 },
};

const ngram_command ngram_series_command = {
    .name = "series",
    .usage = "WORD... [options] (-- FILE... | --store STORE)",
    .summary = "how often some n-grams occur in each year",
    .about = "A table of years by n-grams. A WORD may be several words in quotes, and have "
             "wildcards: 'run_*' is run with any part-of-speech tag, '* of Japan' any word "
             "(without a tag) before 'of Japan', '*_VERB to' any verb before 'to'; of what fits, "
             "the ten most frequent n-grams are shown. '\\*' is a star. A WORD that is not in the "
             "files is said to be missing.\n\n" NGRAM_ABOUT_FILES,
    .examples = examples,
    .groups = groups,
    .size = sizeof(series_options),
    .run = run,
};
