/* mapreduce/ngram/verify.c - ngram verify: are files whole and good? */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "inputs.h"
#include "survey.h"
#include "units.h"

typedef struct verify_options {
    bool quiet;
    int threads;
    ngram_when progress;
} verify_options;

/* Damage and malformed rows, and a wrong seek table; the first of each is told. */
static bool tell_faults(const ngram_survey *s, const char *name, const char *damage)
{
    bool good = !*damage;
    if (*damage)
        fprintf(stderr, "ngram: %s\n", damage);
    if (s->first_bad[0]) {
        char n[27];
        ngram_group_digits(n, s->rows.bad_rows);
        fprintf(stderr, "ngram: %s%s%s%s\n", s->first_bad, s->rows.bad_rows > 1 ? " (and " : "",
                s->rows.bad_rows > 1 ? n : "",
                s->rows.bad_rows > 1 ? " malformed rows in all)" : "");
        good = false;
    }
    if (s->frames.wrong) {
        char entry[64] = "";
        if (s->frames.has_entry)
            snprintf(entry, sizeof entry, " (frame %llu)", (unsigned long long)s->frames.entry + 1);
        fprintf(stderr, "ngram: %s: %s%s\n", name, s->frames.wrong, entry);
        good = false;
    }
    return good;
}

static void tell_good(const ngram_survey *s, const char *name)
{
    char rows[27], frames[27];
    if (s->store) {
        ngram_group_digits(rows, ngram_store_about(s->store)->ngrams);
        printf("%s: good: a store of %s n-grams\n", name, rows);
        return;
    }
    if (s->is_totals) {
        printf("%s: good: total counts of %zu years\n", name, s->totals->count);
        return;
    }
    ngram_group_digits(rows, s->rows.rows);
    printf("%s: good: %s row%s", name, rows, s->rows.rows == 1 ? "" : "s");
    if (s->packing != YK_UNKNOWN) /* a pipe's */
        printf(", %s", yk_packing_name(s->packing));
    if (s->has_frames) {
        ngram_group_digits(frames, s->frames.count);
        printf(", %s frame%s, %s", frames, s->frames.count == 1 ? "" : "s",
               s->frames.table == YK__SEEK_GOOD ? "seek table" : "no seek table");
        if (s->frames.checked < s->frames.count)
            printf(", %llu of them without checksum",
                   (unsigned long long)(s->frames.count - s->frames.checked));
    }
    putchar('\n');
}

typedef struct verifying {
    const verify_options *o;
    const char *path;
    ngram_survey survey;
    int err;
} verifying;

/* Damage is no failure of the work, but an answer. */
static int verify_file(ngram_background *w)
{
    verifying *v = w->arg;
    v->err = ngram_survey_file(&v->survey, v->path, v->o->threads, false, w);
    return v->err == YK_ECANCELED ? v->err : 0;
}

static int run(const void *options, const ngram_words *files)
{
    verify_options o = *(const verify_options *)options;
    int worst = NGRAM_OK;
    if (files->count == 0)
        return ngram_complain(&ngram_verify_command, "no files ('-' is standard input)");
    o.threads = ngram_threads(o.threads);
    for (const char **file = files->at; *file; file++) {
        verifying v = { .o = &o, .path = *file };
        const char *one[] = { *file, NULL };
        ngram_background work = {
            .run = verify_file, .arg = &v, .name = *file, .total = ngram_total_size(one)
        };
        const char *name = strcmp(*file, "-") == 0 ? "standard input" : *file;
        int status = ngram_background_run(&work, o.progress);
        if (!status && v.err && !work.message[0])
            snprintf(work.message, sizeof work.message, "%.300s: %s", name, yk_strerror(v.err));
        if (!status && !tell_faults(&v.survey, name, work.message))
            worst = NGRAM_FAILED;
        else if (!status && !o.quiet)
            tell_good(&v.survey, name);
        ngram_survey_free(&v.survey);
        if (status)
            return status;
    }
    return ngram_flush() ? NGRAM_FAILED : worst;
}

static const ngram_option table[] = {
    { .name = "quiet",
      .letter = 'q',
      .help = "say nothing of good files",
      .read = ngram_read_flag,
      .at = offsetof(verify_options, quiet) },
    { .name = "threads",
      .value = "N",
      .help = "that check (default: the CPUs that this process may use)",
      .read = ngram_read_int,
      .at = offsetof(verify_options, threads),
      .least = 1,
      .most = YK__PIPELINE_THREADS },
    NGRAM_PROGRESS_OPTION(verify_options),
    { 0 },
};

static const ngram_option_group groups[] = { { "Options", table, 0 }, { 0 } };

static const ngram_example examples[] = {
    { "whether files are whole and well-formed", "ngram verify 1gram-a.gz 2gram.gz" },
    { 0 },
};

const ngram_command ngram_verify_command = {
    .name = "verify",
    .usage = "FILE... [options]",
    .summary = "checks that files are whole and good",
    .about = "Reads every file to its end: the checksums of its packing, the form of its rows or "
             "total counts, and the seek table against the frames; of a store of ngram index every "
             "page and series. What is wrong is told with its "
             "place; all files are looked at. Exit status 1 if anything was.",
    .examples = examples,
    .groups = groups,
    .size = sizeof(verify_options),
    .run = run,
};
