/* mapreduce/ngram/fetch.c - ngram fetch: the dataset's files from their server, several at a time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

#include "../../executor/executor.h"
#include "../../loop/scope.h"
#include "commands.h"
#include "curl_late.h"
#include "download.h"
#include "http.h"
#include "progress.h"
#include "shared_options.h"
#include "units.h"

enum { TICK_MS = 200 };

typedef struct fetch_options {
    const char *base, *release, *only, *folder;
    int parallel, retries, stall_s;
    uint64_t pause_ms, rate;
    bool pack, list;
    ngram_when progress;
} fetch_options;

/* ---- Several files at a time ---------------------------------------------------------------- */

typedef struct fetching {
    const fetch_options *o;
    ngram_download_options download;
    ngram_parts parts;
    ngram_download_state *states; /* one for each part */
    size_t next, done, failed;
    bool ended;
    uint64_t began;
    ngram_progress progress;
} fetching;

static void show(fetching *f)
{
    uint64_t have = 0, total = 0;
    bool known = true;
    for (size_t i = 0; i < f->parts.count; i++) {
        have += f->states[i].have;
        total += f->states[i].total;
        known &= f->states[i].total > 0 || f->states[i].was_there;
    }
    char what[64];
    snprintf(what, sizeof what, "%zu of %zu files", f->done, f->parts.count);
    ngram_state state = { .elapsed_ns = yk_now() - f->began,
                          .done = have,
                          .total = known ? total : 0,
                          .what = known ? NULL : what };
    ngram_progress_show(&f->progress, &state);
}

/* A file that cannot be had does not keep the others from being loaded. */
static int load_part(fetching *f, size_t i)
{
    char message[NGRAM_DOWNLOAD_MESSAGE];
    int err = ngram_download(&f->parts.at[i], &f->download, &f->states[i], message);
    if (err == YK_ECANCELED)
        return err;
    f->done++;
    f->failed += err != 0;
    ngram_progress_clear(&f->progress);
    if (err)
        fprintf(stderr, "ngram: %s\n", message);
    else
        printf("%s\n", f->states[i].path);
    fflush(stdout);
    return 0;
}

/* One of those that load files at one time. */
static int loader(void *arg)
{
    fetching *f = arg;
    int err = 0;
    while (!err && f->next < f->parts.count)
        err = load_part(f, f->next++);
    return err;
}

static int watcher(void *arg)
{
    fetching *f = arg;
    int err = 0;
    while (!err && !f->ended) {
        show(f);
        err = yk_sleep_ms(TICK_MS);
    }
    return err;
}

static int load_all(fetching *f)
{
    size_t loaders =
        (size_t)f->o->parallel < f->parts.count ? (size_t)f->o->parallel : f->parts.count;
    f->download.rate = f->o->rate ? f->o->rate / loaders + 1 : 0;
    yk_scope *watching = yk_scope_begin();
    if (!watching)
        return UV_ENOMEM;
    if (f->progress.shown)
        yk_scope_start(watching, watcher, f);
    yk_scope *loading = yk_scope_begin();
    for (size_t i = 0; loading && i < loaders; i++)
        yk_scope_start(loading, loader, f);
    int err = loading ? yk_scope_end(loading, 0) : UV_ENOMEM;
    f->ended = true;
    yk_scope_cancel(watching);
    int other = yk_scope_end(watching, err);
    ngram_progress_clear(&f->progress);
    return err ? err : other;
}

/* ---- The list of files ---------------------------------------------------------------------- */

static int complain_of(const char *what)
{
    fprintf(stderr, "ngram: %s\n", what);
    return NGRAM_FAILED;
}

/* An exit status, or YK_ECANCELED. */
static int list_parts(fetching *f, const ngram_release *release)
{
    char message[NGRAM_DOWNLOAD_MESSAGE] = "", *text = NULL;
    char *page = ngram_release_page(release, f->o->only);
    int err = page ? ngram_http_page(page, &f->download, &text, message) : 0;
    free(page);
    if (err)
        return err == YK_ECANCELED ? err : complain_of(message);
    err = ngram_release_list(&f->parts, release, f->o->only, text, message, sizeof message);
    free(text);
    if (err == UV_EINVAL && f->o->only)
        return ngram_complain(&ngram_fetch_command, "--only: %s", message);
    if (err)
        return complain_of(message[0] ? message : yk_strerror(err));
    f->states = calloc(f->parts.count, sizeof *f->states);
    return f->states ? NGRAM_OK : complain_of("out of memory");
}

/* ---- The command ---------------------------------------------------------------------------- */

static int tell_end(const fetching *f, int err)
{
    if (err == YK_ECANCELED) {
        fputs("ngram: interrupted; what was loaded is kept, and the same command goes on\n",
              stderr);
        return err;
    }
    if (err)
        return complain_of(yk_strerror(err));
    return f->failed ? NGRAM_FAILED : NGRAM_OK;
}

static int print_list(const fetching *f)
{
    for (size_t i = 0; i < f->parts.count; i++)
        puts(f->parts.at[i].url);
    return ngram_flush();
}

static int fetch(fetching *f, const ngram_release *release)
{
    int status = list_parts(f, release);
    if (status || f->o->list)
        return status ? (status == YK_ECANCELED ? tell_end(f, status) : status) : print_list(f);
    if (mkdir(f->o->folder, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "ngram: %s: %s\n", f->o->folder,
                yk_strerror(uv_translate_sys_error(errno)));
        return NGRAM_FAILED;
    }
    f->began = yk_now();
    ngram_progress_begin(&f->progress, f->o->progress);
    return tell_end(f, load_all(f));
}

static int run_fetch(const fetch_options *o, const ngram_release *release)
{
    fetching f = { .o = o };
    f.download = (ngram_download_options){ .folder = o->folder,
                                           .pack = o->pack,
                                           .retries = o->retries,
                                           .pause_ms = o->pause_ms,
                                           .stall_s = o->stall_s };
    const char *missing = ngram_curl_load();
    if (missing) {
        fprintf(stderr, "ngram: fetch needs libcurl, which cannot be loaded: %s\n", missing);
        return NGRAM_FAILED;
    }
    int err = yk_curl_open(&f.download.curl);
    if (err)
        return complain_of(yk_strerror(err));
    f.download.threads = yk_thread_pool(.name = "fetch", .workers = o->parallel);
    int status = fetch(&f, release);
    yk_executor_close(f.download.threads);
    yk_curl_close(f.download.curl);
    for (size_t i = 0; f.states && i < f.parts.count; i++)
        free(f.states[i].path);
    free(f.states);
    ngram_parts_free(&f.parts);
    return status;
}

static int run(const void *options, const ngram_words *words)
{
    const fetch_options *o = options;
    uint64_t n = 0;
    if (words->count != 2)
        return ngram_complain(&ngram_fetch_command,
                              "a language and a number of words are needed: ngram fetch eng 1");
    if (!ngram_parse_number(words->at[1], &n) || n < 1 || n > 5)
        return ngram_complain(&ngram_fetch_command, "'%s': n-grams have 1 to 5 words",
                              words->at[1]);
    if (strspn(words->at[0], "abcdefghijklmnopqrstuvwxyzM0123456789-") != strlen(words->at[0]))
        return ngram_complain(&ngram_fetch_command, "'%s' is no language; eng, fre and chi-sim are",
                              words->at[0]);
    int version = ngram_release_version(o->release);
    if (!version)
        return ngram_complain(&ngram_fetch_command,
                              "--release %s: must be 20200217, 20120701 or 20090715", o->release);
    char base[1024];
    size_t len = strlen(o->base);
    if (snprintf(base, sizeof base, "%s%s", o->base, len && o->base[len - 1] == '/' ? "" : "/") >=
        (int)sizeof base)
        return ngram_complain(&ngram_fetch_command, "--base: it is too long");
    return run_fetch(o, &(ngram_release){ base, words->at[0], (int)n, version });
}

static const fetch_options defaults = {
    .base = "https://storage.googleapis.com/books/ngrams/books/",
    .release = "20200217",
    .folder = ".",
    .parallel = 4,
    .retries = 8,
    .stall_s = 30,
    .pause_ms = 500,
};

static const ngram_option what_table[] = {
    { .name = "release",
      .value = "DATE",
      .help = "20200217 (version 3, default), 20120701 (version 2) or 20090715 (version 1)",
      .read = ngram_read_text,
      .at = offsetof(fetch_options, release) },
    { .name = "only",
      .value = "PARTS",
      .help = "these parts, commas between: numbers (versions 1 and 3); a, other, aa, _NOUN_, ... "
              "(version 2); totals, the total counts (default: all)",
      .read = ngram_read_text,
      .at = offsetof(fetch_options, only) },
    { .name = "list",
      .help = "print the addresses and load nothing",
      .read = ngram_read_flag,
      .at = offsetof(fetch_options, list) },
    { .name = "base",
      .value = "URL",
      .help = "where the files are (default: https://storage.googleapis.com/books/ngrams/books/)",
      .read = ngram_read_text,
      .at = offsetof(fetch_options, base) },
    { 0 },
};

static const ngram_option where_table[] = {
    { .name = "output",
      .letter = 'o',
      .value = "DIR",
      .help = "the folder for the files, made if it is not there (default: this one)",
      .read = ngram_read_text,
      .at = offsetof(fetch_options, folder) },
    { .name = "pack",
      .help = "keep zstd files with a seek table (as 'ngram pack' makes them) instead of the gzip "
              "files; they are packed while they are loaded",
      .read = ngram_read_flag,
      .at = offsetof(fetch_options, pack) },
    { 0 },
};

static const ngram_option how_table[] = {
    { .name = "parallel",
      .value = "N",
      .help = "files at a time (default 4)",
      .read = ngram_read_int,
      .at = offsetof(fetch_options, parallel),
      .least = 1,
      .most = 64 },
    { .name = "rate",
      .value = "SIZE",
      .help = "bytes a second, all files together: 2M (default: as fast as it comes)",
      .read = ngram_read_bytes,
      .at = offsetof(fetch_options, rate),
      .least = 1024,
      .must = "a size of 1K or more" },
    { .name = "retries",
      .value = "N",
      .help = "how often a file is tried again, in a row without progress (default 8)",
      .read = ngram_read_int,
      .at = offsetof(fetch_options, retries),
      .most = 1000 },
    { .name = "pause",
      .value = "MS",
      .help = "before it is tried again, in milliseconds; doubled each time, up to 30 s (default "
              "500)",
      .read = ngram_read_u64,
      .at = offsetof(fetch_options, pause_ms),
      .most = 30000 },
    { .name = "stall",
      .value = "S",
      .help = "seconds without a byte after which it is tried again (default 30)",
      .read = ngram_read_int,
      .at = offsetof(fetch_options, stall_s),
      .least = 1,
      .most = 3600 },
    NGRAM_PROGRESS_OPTION(fetch_options),
    { 0 },
};

static const ngram_option_group groups[] = {
    { "What", what_table, 0 },
    { "Where to", where_table, 0 },
    { "How", how_table, 0 },
    { 0 },
};

static const ngram_example examples[] = {
    { "two files of the English 1-grams and the total counts, packed",
      "ngram fetch eng 1 --only 0,1,totals --pack -o eng" },
    { "all French 2-grams, gently", "ngram fetch fre 2 -o fre --parallel 2 --rate 5M" },
    { "a file of the release of 2012", "ngram fetch eng 1 --release 20120701 --only a" },
    { "where the files are", "ngram fetch eng 5 --list" },
    { 0 },
};

const ngram_command ngram_fetch_command = {
    .name = "fetch",
    .usage = "LANGUAGE N [--release DATE] [--only PARTS] [-o DIR] [options]",
    .summary = "downloads the dataset's files, and goes on where it was broken off",
    .about =
        "Downloads the N-grams of a language (eng, eng-us, eng-fiction, fre, ger, chi-sim, ...) "
        "and prints the paths of the files. Lengths and checksums are checked while they come. "
        "What was broken off stays as FILE.part, and the same command goes on with it; files that "
        "are there are left alone. 'ngram verify' checks those.\n\n"
        "Version 1 comes as zip files, which are kept as they are: unzip -p FILE.csv.zip | ngram "
        "pack - -o FILE.zst.\n\n"
        "The data is Google's, under Creative Commons Attribution 3.0 Unported.",
    .examples = examples,
    .groups = groups,
    .defaults = &defaults,
    .size = sizeof(fetch_options),
    .run = run,
};
