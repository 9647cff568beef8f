/* mapreduce/ngram/info.c - ngram info: what a file is and what is in it. */
#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "../writer.h"
#include "commands.h"
#include "inputs.h"
#include "survey.h"
#include "tags.h"
#include "text.h"
#include "units.h"

typedef enum info_form { FORM_TABLE, FORM_TSV, FORM_JSON } info_form;
static const char *const form_words[] = { "table", "tsv", "json", NULL };

typedef struct info_options {
    const char *path;
    info_form form;
    int threads;
    ngram_when progress;
} info_options;

/* ---- one fact after the other -------------------------------------------------------------- */

/* Facts of one file go where the form wants them. */
typedef struct sheet {
    yk_writer *to;
    info_form form;
    yk_str name;
    unsigned facts; /* of this file so far */
} sheet;

static void put_json_fact(sheet *s, const char *name, yk_str value, bool number)
{
    yk_write_text(s->to, s->facts++ ? ", " : " {");
    ngram_write_json(s->to, (yk_str){ name, strlen(name) });
    yk_write_text(s->to, ": ");
    if (number)
        yk_write(s->to, value.at, value.len);
    else
        ngram_write_json(s->to, value);
}

static void put_fact(sheet *s, const char *name, yk_str value, bool number)
{
    if (s->form == FORM_JSON) {
        put_json_fact(s, name, value, number);
        return;
    }
    if (s->form == FORM_TSV) {
        yk_write(s->to, s->name.at, s->name.len);
        yk_write_text(s->to, "\t");
    }
    yk_write_text(s->to, name);
    if (s->form == FORM_TABLE)
        ngram_write_spaces(s->to, strlen(name) < 14 ? 14 - strlen(name) : 1);
    else
        yk_write_text(s->to, "\t");
    ngram_write_padded(s->to, value, ngram_shown_width(value)); /* a store says what it likes */
    yk_write_text(s->to, "\n");
}

static void put_text(sheet *s, const char *name, const char *text)
{
    put_fact(s, name, (yk_str){ text, strlen(text) }, false);
}

static void put_number(sheet *s, const char *name, uint64_t number)
{
    char digits[27];
    if (s->form == FORM_TABLE)
        ngram_group_digits(digits, number);
    else
        snprintf(digits, sizeof digits, "%" PRIu64, number);
    put_fact(s, name, (yk_str){ digits, strlen(digits) }, true);
}

static void put_range(sheet *s, const char *name, unsigned from, unsigned to)
{
    char text[32];
    snprintf(text, sizeof text, from == to ? "%u" : "%u:%u", from, to);
    if (to)
        put_text(s, name, text);
}

/* ---- the facts ------------------------------------------------------------------------------ */

static void put_layout(sheet *s, const ngram_contents *c)
{
    char text[64] = "";
    for (unsigned v = 1; v <= 3; v++) {
        if (!(c->versions & 1u << v))
            continue;
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%sversion %u", used ? " and " : "", v);
    }
    put_text(s, "layout", text[0] ? text : "no rows");
}

static void put_tags(sheet *s, const ngram_contents *c)
{
    char text[80] = "";
    for (int i = 0; ngram_tags[i]; i++) {
        size_t used = strlen(text);
        if (c->tags & 1u << i)
            snprintf(text + used, sizeof text - used, "%s%s", used ? " " : "", ngram_tags[i]);
    }
    put_text(s, "tags", text);
}

static void put_storage(sheet *s, const ngram_survey *v)
{
    char ratio[32];
    put_text(s, "packing", yk_packing_name(v->packing));
    put_number(s, "stored", v->stored);
    put_number(s, "text", v->text);
    snprintf(ratio, sizeof ratio, "%.2f", v->stored ? (double)v->text / (double)v->stored : 1.0);
    put_fact(s, "ratio", (yk_str){ ratio, strlen(ratio) }, true);
    if (!v->has_frames)
        return;
    put_number(s, "frames", v->frames.count);
    put_number(s, "checksums", v->frames.checked);
    put_text(s, "seek table",
             v->frames.table == YK__SEEK_GOOD   ? "good"
             : v->frames.table == YK__SEEK_NONE ? "none"
                                                : v->frames.wrong);
}

static void put_rows(sheet *s, const ngram_survey *v)
{
    const ngram_contents *c = &v->rows;
    put_number(s, "rows", c->rows);
    put_number(s, "bad rows", c->bad_rows);
    if (v->first_bad[0])
        put_text(s, "first bad row", v->first_bad);
    put_number(s, "ngrams", c->ngrams);
    put_number(s, "year entries", c->years);
    put_range(s, "n", c->words_from, c->words_to);
    put_range(s, "years", (unsigned)c->year_from, (unsigned)c->year_to);
    put_number(s, "tagged", c->tagged);
    put_number(s, "wildcards", c->wild);
    put_number(s, "marks", c->marks);
    put_number(s, "arcs", c->arcs);
    put_tags(s, c);
    put_text(s, "sorted", c->unsorted ? "no" : "yes");
}

static void put_totals(sheet *s, const ngram_totals *t)
{
    put_range(s, "years", (unsigned)t->years[0].year, (unsigned)t->years[t->count - 1].year);
    put_number(s, "year entries", t->count);
}

static void put_store(sheet *s, const ngram_survey *v)
{
    const ngram_store_info *about = ngram_store_about(v->store);
    const ngram_series *years = about->years;
    char names[2000];
    snprintf(names, sizeof names, "%s", about->sources);
    for (char *p = names; (p = strchr(p, '\n'));) /* a name a line, in the store */
        *p = p[1] ? ' ' : '\0';
    put_text(s, "layout", "store");
    put_number(s, "stored", v->stored);
    put_text(s, "release", about->release);
    put_text(s, "language", about->language);
    put_text(s, "sources", names);
    put_number(s, "ngrams", about->ngrams);
    put_number(s, "year entries", years->count);
    if (years->count)
        put_range(s, "years", (unsigned)years->points[0].year,
                  (unsigned)years->points[years->count - 1].year);
}

static void put_survey(sheet *s, const ngram_survey *v, bool first)
{
    if (s->form == FORM_TABLE && !first)
        yk_write_text(s->to, "\n");
    if (s->form == FORM_JSON)
        yk_write_text(s->to, first ? "[\n" : ",\n");
    if (s->form != FORM_TSV)
        put_fact(s, "file", s->name, false);
    if (v->store) {
        put_store(s, v);
    } else if (v->is_totals) {
        put_text(s, "layout", "total counts");
        put_storage(s, v);
        put_totals(s, v->totals);
    } else {
        put_layout(s, &v->rows);
        put_storage(s, v);
        put_rows(s, v);
    }
    if (s->form == FORM_JSON)
        yk_write_text(s->to, "}");
}

/* ---- the command ---------------------------------------------------------------------------- */

typedef struct looking {
    const info_options *o;
    const char *const *files;
    ngram_survey *surveys;
} looking;

static int look(ngram_background *w)
{
    looking *l = w->arg;
    int err = 0;
    for (size_t i = 0; !err && l->files[i]; i++)
        err = ngram_survey_file(&l->surveys[i], l->files[i], l->o->threads, true, w);
    return err;
}

static int write_all(const info_options *o, const ngram_words *files, const ngram_survey *surveys,
                     yk__output *out)
{
    yk_writer *to = calloc(1, sizeof *to);
    if (!to)
        return UV_ENOMEM;
    to->out = out;
    setlocale(LC_CTYPE, "C.UTF-8"); /* for wcwidth */
    for (size_t i = 0; i < files->count; i++) {
        const char *name = strcmp(files->at[i], "-") == 0 ? "standard input" : files->at[i];
        sheet s = { .to = to, .form = o->form, .name = { name, strlen(name) } };
        put_survey(&s, &surveys[i], i == 0);
    }
    if (o->form == FORM_JSON)
        yk_write_text(to, "\n]\n");
    int err = yk__writer_flush(to);
    free(to);
    return err;
}

static int print_all(const info_options *o, const ngram_words *files, const ngram_survey *surveys)
{
    yk__output out;
    int err = yk__output_open(&out, o->path);
    if (!err) {
        err = write_all(o, files, surveys, &out);
        if (err)
            yk__output_abandon(&out);
        else
            err = yk__output_commit(&out);
    }
    if (err)
        fprintf(stderr, "ngram: %s: %s\n", o->path ? o->path : "standard output", yk_strerror(err));
    return err ? NGRAM_FAILED : NGRAM_OK;
}

static int run(const void *options, const ngram_words *files)
{
    info_options o = *(const info_options *)options;
    if (files->count == 0)
        return ngram_complain(&ngram_info_command, "no files ('-' is standard input)");
    o.threads = ngram_threads(o.threads);
    looking l = { .o = &o, .files = files->at };
    l.surveys = calloc(files->count, sizeof *l.surveys);
    ngram_background work = {
        .run = look, .arg = &l, .name = files->at[0], .total = ngram_total_size(files->at)
    };
    int status = l.surveys ? ngram_background_run(&work, o.progress) : NGRAM_FAILED;
    if (!l.surveys)
        fputs("ngram: out of memory\n", stderr);
    if (status == NGRAM_OK)
        status = print_all(&o, files, l.surveys);
    for (size_t i = 0; l.surveys && i < files->count; i++)
        ngram_survey_free(&l.surveys[i]);
    free(l.surveys);
    return status;
}

static const ngram_option table[] = {
    { .name = "output",
      .letter = 'o',
      .value = "OUT",
      .help = "write to OUT, which appears when all is well",
      .read = ngram_read_text,
      .at = offsetof(info_options, path) },
    { .name = "format",
      .value = "F",
      .help = "table (default), tsv (file TAB name TAB value) or json (an array of objects)",
      .read = ngram_read_choice,
      .at = offsetof(info_options, form),
      .words = form_words },
    { .name = "threads",
      .value = "N",
      .help = "that read (default: the CPUs that this process may use)",
      .read = ngram_read_int,
      .at = offsetof(info_options, threads),
      .least = 1,
      .most = YK__PIPELINE_THREADS },
    NGRAM_PROGRESS_OPTION(info_options),
    { 0 },
};

static const ngram_option_group groups[] = { { "Options", table, 0 }, { 0 } };

static const ngram_example examples[] = {
    { "what is in files", "ngram info 1gram-a.gz 1gram-b.tsv" },
    { 0 },
};

const ngram_command ngram_info_command = {
    .name = "info",
    .usage = "FILE... [options]",
    .summary = "what files are, and what is in them",
    .about = "Reads files and says of each: the layout of its rows (version 1, 2 or 3), or that it "
             "holds total counts or is a store of ngram index, which says of itself what it was "
             "made from; packing, frames, seek table, sizes; rows, n-grams, how many "
             "words they have, years, tags (run_VERB), wildcards (_NOUN_), marks (_START_), "
             "dependency arcs (drink=>water), and whether it is sorted. Malformed rows are "
             "counted.",
    .examples = examples,
    .groups = groups,
    .size = sizeof(info_options),
    .run = run,
};
