/* mapreduce/ngram/index.c - ngram index: a store of n-grams with their years. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

#include "../../data/store.h"
#include "../../executor/error.h"
#include "commands.h"
#include "query.h"

typedef struct index_options {
    ngram_query_options query;
    const char *release, *language;
} index_options;

/* ---- Mapping: the years of each run of rows -------------------------------------------------- */

/* Years of one n-gram, as long as they ascend. */
typedef struct run_of_years {
    yk_str ngram;
    size_t count;
    ngram_point points[NGRAM_LAST_YEAR];
    uint8_t packed[NGRAM_PACKED_MAX(NGRAM_LAST_YEAR)];
} run_of_years;

static void emit_run(run_of_years *r, yk_emitter *out)
{
    if (r->count == 0)
        return;
    size_t size = ngram_series_pack(r->packed, r->points, r->count);
    yk_emit_bytes(out, r->ngram, (yk_str){ (const char *)r->packed, size });
    r->count = 0;
}

static void add_entry(run_of_years *r, const ngram_entry *e, yk_emitter *out)
{
    bool same = r->ngram.len == e->length && memcmp(r->ngram.at, e->ngram, e->length) == 0;
    if (r->count > 0 && (!same || r->points[r->count - 1].year >= e->year))
        emit_run(r, out);
    r->ngram = (yk_str){ e->ngram, e->length };
    r->points[r->count++] = (ngram_point){ e->year, e->match_count, e->volume_count };
}

static int map_years(yk_split *split, yk_emitter *out, void *arg)
{
    const ngram_years *years = arg;
    yk_str text = yk_split_text(split);
    ngram_rows rows;
    ngram_entry entry;
    run_of_years *r = malloc(sizeof *r);
    int err = r ? 0 : UV_ENOMEM;
    if (r) {
        r->count = 0;
        r->ngram = (yk_str){ "", 0 };
    }
    ngram_rows_init(&rows, text.at, text.at + text.len, *years);
    for (int got; !err && (got = ngram_rows_next_entry(&rows, &entry)) != 0;) {
        if (got > 0)
            add_entry(r, &entry, out);
        else
            err = yk_split_bad_record(split, rows.bad.row, rows.bad.length, rows.bad.reason);
    }
    if (!err)
        emit_run(r, out);
    free(r);
    yk_split_set_records(split, rows.lines);
    return err;
}

/* ---- Reducing: years that stand at several places are summed --------------------------------- */

/* Adds a series to `*sum`, in memory that is exchanged. */
static int add_series(uint8_t **sum, size_t *size, yk_str value)
{
    uint8_t *both = malloc(*size + value.len);
    if (!both)
        return UV_ENOMEM;
    int err = 0;
    if (*sum) {
        err = ngram_series_add(both, size, *sum, *size, value.at, value.len);
    } else {
        memcpy(both, value.at, value.len);
        *size = value.len;
    }
    free(*sum);
    *sum = both;
    return err;
}

static int sum_years(yk_str ngram, yk_values *values, yk_emitter *out, void *arg)
{
    (void)arg;
    uint8_t *sum = NULL;
    size_t size = 0;
    int err = 0;
    for (yk_str value; !err && yk_values_next(values, &value);)
        err = add_series(&sum, &size, value);
    if (!err && sum)
        err = yk_emit_bytes(out, ngram, (yk_str){ (const char *)sum, size });
    free(sum);
    return err;
}

/* ---- Writing ------------------------------------------------------------------------------- */

typedef struct storing {
    ngram_store_writer *writer; /* NULL before the first record and behind the last */
    ngram_store_origin origin;
} storing;

static int begin_store(yk_writer *to, void *arg)
{
    storing *s = arg;
    int fd = yk_writer_file(to);
    return fd < 0 ? fd : ngram_store_begin(&s->writer, fd);
}

static int put_ngram(yk_writer *to, yk_str ngram, yk_str series, void *arg)
{
    (void)to;
    storing *s = arg;
    return ngram_store_put(s->writer, ngram.at, ngram.len, series.at, series.len);
}

static int finish_store(yk_writer *to, void *arg)
{
    (void)to;
    storing *s = arg;
    ngram_store_writer *writer = s->writer;
    s->writer = NULL;
    return ngram_store_finish(writer, &s->origin);
}

/* ---- The command --------------------------------------------------------------------------- */

static int check(const index_options *o, const ngram_words *files)
{
    const char *path = o->query.output.path;
    struct stat st;
    if (files->count == 0)
        return ngram_no_files(&ngram_index_command);
    if (!path)
        return ngram_complain(&ngram_index_command, "name the store with -o");
    if (strcmp(path, "-") == 0 || (stat(path, &st) == 0 && !S_ISREG(st.st_mode)))
        return ngram_complain(&ngram_index_command, "-o %s: a store must be a regular file", path);
    return NGRAM_OK;
}

static int run(const void *options, const ngram_words *files)
{
    const index_options *o = options;
    int status = check(o, files);
    if (status)
        return status;
    storing s = { .origin = { o->release, o->language, files->at } };
    yk_mapreduce_options job = {
        .map = map_years,
        .reduce = sum_years,
        .sink = { .path = o->query.output.path,
                  .begin = begin_store,
                  .record = put_ngram,
                  .end = finish_store,
                  .arg = &s },
        .arg = &o->query.input.years,
        .arg_size = sizeof o->query.input.years,
    };
    status = ngram_query(&o->query, files->at, &job);
    ngram_store_abandon(s.writer);
    return status;
}

static const ngram_option store_table[] = {
    { .name = "output",
      .letter = 'o',
      .value = "STORE",
      .help = "the store, a file, which appears when all is well; one that is there is replaced, "
              "and who reads it meanwhile goes on reading the old one",
      .read = ngram_read_text,
      .at = offsetof(index_options, query.output.path) },
    { .name = "release",
      .value = "TEXT",
      .help = "what the store is to say about the release of its data, such as 20200217",
      .read = ngram_read_text,
      .at = offsetof(index_options, release) },
    { .name = "language",
      .value = "TEXT",
      .help = "and about its language, such as eng",
      .read = ngram_read_text,
      .at = offsetof(index_options, language) },
    { 0 },
};

static const ngram_option_group groups[] = {
    { "Store", store_table, 0 },
    { "Input", ngram_input_table, offsetof(index_options, query.input) },
    { "Work", ngram_work_table, offsetof(index_options, query.work) },
    { "Reports", ngram_report_table, offsetof(index_options, query.report) },
    { 0 },
};

static const ngram_example examples[] = {
    { "a store of two files",
      "ngram index 1gram-a.gz 1gram-b.tsv -o eng.store --release 20200217 --language eng" },
    { 0 },
};

const ngram_command ngram_index_command = {
    .name = "index",
    .usage = "FILE... -o STORE [options]",
    .summary = "a store of all n-grams with their years, which answers at once",
    .about = "Makes a store of the n-grams in the files: one file, in which 'ngram series --store' "
             "finds the years of a word in a fraction of a millisecond. Years of an n-gram that "
             "stand at several places are summed.\n\n" NGRAM_ABOUT_FILES,
    .examples = examples,
    .groups = groups,
    .size = sizeof(index_options),
    .run = run,
};
