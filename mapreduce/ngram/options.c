/* mapreduce/ngram/options.c - reads the command line. */
#include "options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"

static const char *const command_names[] = { "count", "top", "gen", "help", "version" };

/* Options without a letter of their own. */
enum {
    EXECUTOR = 256,
    WORKERS,
    YEARS,
    FORMAT,
    PROGRESS,
    BAD_RECORDS,
    STATS,
    VERSION,
    BYTES,
    SEED,
    WORDS,
    SHARDS,
    LEVEL,
    THREADS,
};

#define JOB_OPTIONS                                                                                \
    { "output", required_argument, NULL, 'o' }, { "executor", required_argument, NULL, EXECUTOR }, \
        { "workers", required_argument, NULL, WORKERS },                                           \
        { "years", required_argument, NULL, YEARS },                                               \
        { "format", required_argument, NULL, FORMAT },                                             \
        { "progress", required_argument, NULL, PROGRESS },                                         \
        { "bad-records", required_argument, NULL, BAD_RECORDS },                                   \
        { "stats", no_argument, NULL, STATS }, { "help", no_argument, NULL, 'h' },                 \
    {                                                                                              \
        "version", no_argument, NULL, VERSION                                                      \
    }

static const struct option count_options[] = { JOB_OPTIONS, { 0 } };
static const struct option top_options[] = { JOB_OPTIONS,
                                             { "top", required_argument, NULL, 'k' },
                                             { 0 } };
static const struct option gen_options[] = {
    { "bytes", required_argument, NULL, BYTES },
    { "seed", required_argument, NULL, SEED },
    { "format", required_argument, NULL, FORMAT },
    { "output", required_argument, NULL, 'o' },
    { "words", required_argument, NULL, WORDS },
    { "shards", required_argument, NULL, SHARDS },
    { "level", required_argument, NULL, LEVEL },
    { "threads", required_argument, NULL, THREADS },
    { "progress", required_argument, NULL, PROGRESS },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, VERSION },
    { 0 },
};

static const struct {
    const struct option *longs;
    const char *shorts; /* ':' first: a missing argument is told apart */
} grammar[] = {
    [NGRAM_COUNT] = { count_options, ":o:h" },
    [NGRAM_TOP] = { top_options, ":o:k:h" },
    [NGRAM_GEN] = { gen_options, ":o:h" },
};

/* ---- Complaints ---------------------------------------------------------------------------- */

static int complain(const ngram_options *o, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int complain(const ngram_options *o, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("ngram: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    if (o->command <= NGRAM_GEN)
        fprintf(stderr, "\nTry 'ngram %s --help'.\n", command_names[o->command]);
    else
        fputs("\nTry 'ngram --help'.\n", stderr);
    return NGRAM_USAGE;
}

/* ---- Values -------------------------------------------------------------------------------- */

/* Finds `text` in a list of words that ends with NULL. */
static bool choose(const char *text, const char *const *words, int *which)
{
    for (int i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *which = i;
            return true;
        }
    }
    return false;
}

static bool parse_int(const char *text, uint64_t least, uint64_t most, int *number)
{
    uint64_t n;
    if (!ngram_parse_number(text, &n) || n < least || n > most)
        return false;
    *number = (int)n;
    return true;
}

/* A:B, A:, :B or A. */
static bool parse_years(const char *text, ngram_years *years)
{
    char low[8] = "1", high[8] = "9999";
    const char *colon = strchr(text, ':');
    size_t low_len = colon ? (size_t)(colon - text) : strlen(text);
    if (low_len >= sizeof low || !text[0] || strcmp(text, ":") == 0)
        return false;
    if (low_len > 0)
        snprintf(low, sizeof low, "%.*s", (int)low_len, text);
    if (!colon)
        memcpy(high, low, sizeof high);
    else if (colon[1] && snprintf(high, sizeof high, "%s", colon + 1) >= (int)sizeof high)
        return false;
    ngram_years y;
    if (!parse_int(low, 1, 9999, &y.from) || !parse_int(high, 1, 9999, &y.to) || y.from > y.to)
        return false;
    *years = y;
    return true;
}

/* ---- One option ---------------------------------------------------------------------------- */

static int set_format(ngram_options *o, const char *value)
{
    static const char *const forms[] = { "table", "tsv", "json", NULL };
    static const char *const layouts[] = { "v2", "v3", NULL };
    int which;
    if (o->command == NGRAM_GEN) {
        if (!choose(value, layouts, &which))
            return complain(o, "--format %s: must be v2 or v3", value);
        o->gen.version = which + 2;
        return NGRAM_OK;
    }
    if (!choose(value, forms, &which))
        return complain(o, "--format %s: must be table, tsv or json", value);
    o->format = (ngram_format)(which + NGRAM_TABLE);
    return NGRAM_OK;
}

static int set_word(ngram_options *o, int option, const char *value)
{
    static const char *const executors[] = { "processes", "threads", "hybrid", NULL };
    static const char *const whens[] = { "auto", "always", "never", NULL };
    static const char *const bads[] = { "fail", "skip", NULL };
    int which;
    switch (option) {
    case EXECUTOR:
        if (!choose(value, executors, &which))
            return complain(o, "--executor %s: must be threads, processes or hybrid", value);
        o->executor = (ngram_executor)which;
        return NGRAM_OK;
    case PROGRESS:
        if (!choose(value, whens, &which))
            return complain(o, "--progress %s: must be auto, always or never", value);
        o->progress = (ngram_when)which;
        return NGRAM_OK;
    default:
        if (!choose(value, bads, &which))
            return complain(o, "--bad-records %s: must be fail or skip", value);
        o->skip_bad = which == 1;
        return NGRAM_OK;
    }
}

static int set_job_number(ngram_options *o, int option, const char *value)
{
    uint64_t n;
    switch (option) {
    case WORKERS:
        if (!parse_int(value, 1, 1024, &o->workers))
            return complain(o, "--workers %s: must be a number from 1 to 1024", value);
        return NGRAM_OK;
    case YEARS:
        if (!parse_years(value, &o->years))
            return complain(o, "--years %s: must be A:B with 1 <= A <= B <= 9999", value);
        return NGRAM_OK;
    default:
        if (!ngram_parse_number(value, &n) || n == 0 || n > SIZE_MAX / 2)
            return complain(o, "-k %s: must be a number from 1 on", value);
        o->k = (size_t)n;
        return NGRAM_OK;
    }
}

static int set_gen_number(ngram_options *o, int option, const char *value)
{
    static const char *const names[] = { "words", "shards", "level", "threads" };
    int *const numbers[] = { &o->gen.max_words, &o->gen.shards, &o->gen.level, &o->gen.threads };
    if (option == BYTES) {
        if (!ngram_parse_bytes(value, &o->gen.bytes) || o->gen.bytes == 0)
            return complain(o, "--bytes %s: must be a size such as 64K, 100M or 1G", value);
    } else if (option == SEED) {
        if (!ngram_parse_number(value, &o->gen.seed))
            return complain(o, "--seed %s: must be a number", value);
    } else if (!parse_int(value, 1, 1 << 20, numbers[option - WORDS])) {
        return complain(o, "--%s %s: must be a number from 1 on", names[option - WORDS], value);
    }
    return NGRAM_OK;
}

static int set_option(ngram_options *o, int option, const char *value)
{
    switch (option) {
    case 'o':
        o->output = value;
        return NGRAM_OK;
    case 'h':
        o->help_on = o->command;
        o->command = NGRAM_HELP;
        return NGRAM_OK;
    case VERSION:
        o->command = NGRAM_VERSION_;
        return NGRAM_OK;
    case STATS:
        o->stats = true;
        return NGRAM_OK;
    case FORMAT:
        return set_format(o, value);
    case EXECUTOR:
    case PROGRESS:
    case BAD_RECORDS:
        return set_word(o, option, value);
    case WORKERS:
    case YEARS:
    case 'k':
        return set_job_number(o, option, value);
    default:
        return set_gen_number(o, option, value);
    }
}

/* ---- The whole line ------------------------------------------------------------------------ */

static int find_command(ngram_options *o, int argc, char **argv)
{
    int which;
    o->command = o->help_on = NGRAM_HELP;
    if (argc < 2)
        return complain(o, "a command is missing");
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return NGRAM_OK;
    if (strcmp(word, "--version") == 0)
        which = NGRAM_VERSION_;
    else if (word[0] == '-')
        return complain(o, "a command comes first, before '%s'", word);
    else if (!choose(word, (const char *const[]){ "count", "top", "gen", "help", NULL }, &which))
        return complain(o, "there is no command '%s'", word);
    o->command = (ngram_command)which;
    if (which == NGRAM_HELP && argc > 2) {
        if (!choose(argv[2], (const char *const[]){ "count", "top", "gen", NULL }, &which))
            return complain(o, "there is no command '%s'", argv[2]);
        o->help_on = (ngram_command)which;
    }
    return NGRAM_OK;
}

/* An option that getopt did not understand. */
static int refuse_option(const ngram_options *o, int got, char **argv)
{
    const char *word = argv[optind - 1];
    if (got == ':')
        return complain(o, "option '%s' needs a value", word);
    if (strncmp(word, "--", 2) == 0 && optopt != 0 && strchr(word, '='))
        return complain(o, "option '%s' takes no value", word);
    if (optopt != 0 && optopt < 256)
        return complain(o, "unknown option '-%c'", optopt);
    return complain(o, "unknown option '%s'", word);
}

static int check_files(ngram_options *o, int n)
{
    if (o->command > NGRAM_GEN)
        return NGRAM_OK;
    if (o->command == NGRAM_GEN) {
        const char *wrong = ngram_generate_check(&o->gen);
        if (n > 0)
            return complain(o, "unexpected '%s'; the output is named with -o", o->files[0]);
        return wrong ? complain(o, "%s", wrong) : NGRAM_OK;
    }
    return n > 0 ? NGRAM_OK : complain(o, "no input files ('-' is standard input)");
}

int ngram_options_read(ngram_options *o, int argc, char **argv)
{
    *o = (ngram_options){ .k = 10 };
    int err = find_command(o, argc, argv);
    if (err || o->command > NGRAM_GEN)
        return err;
    o->files = calloc((size_t)argc + 1, sizeof *o->files);
    if (!o->files)
        return complain(o, "out of memory");
    const ngram_command command = o->command;
    opterr = 0;
    optind = 2;
    for (int got; (got = getopt_long(argc, argv, grammar[command].shorts, grammar[command].longs,
                                     NULL)) != -1;) {
        if (got == '?' || got == ':')
            return refuse_option(o, got, argv);
        err = set_option(o, got, optarg);
        if (err || o->command != command) /* --help and --version end it */
            return err;
    }
    int n = 0;
    while (optind < argc)
        o->files[n++] = argv[optind++];
    return check_files(o, n);
}

void ngram_options_free(ngram_options *o)
{
    free(o->files);
    o->files = NULL;
}
