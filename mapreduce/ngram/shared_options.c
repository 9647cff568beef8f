/* mapreduce/ngram/shared_options.c - groups of options that several commands have. */
#include "shared_options.h"

#include <string.h>

#include "units.h"

const char *const ngram_when_words[] = { "auto", "always", "never", "json", NULL };
static const char *const executor_words[] = { "processes", "threads", "hybrid", NULL };
static const char *const bad_words[] = { "fail", "skip", NULL };
static const char *const format_words[] = { "auto", "table", "tsv", "csv", "json", NULL };

static bool read_year(const char *text, size_t len, int *year)
{
    char digits[8];
    uint64_t n;
    if (len >= sizeof digits)
        return false;
    memcpy(digits, text, len);
    digits[len] = '\0';
    if (!ngram_parse_number(digits, &n) || n < 1 || n > 9999)
        return false;
    *year = (int)n;
    return true;
}

/* A:B, A:, :B or A. */
static bool read_years(const ngram_option *option, const char *text, void *into)
{
    (void)option;
    const char *colon = strchr(text, ':');
    size_t low = colon ? (size_t)(colon - text) : strlen(text);
    const char *second = colon ? colon + 1 : "";
    ngram_years years = { 1, 9999 };
    if (low == 0 && !*second)
        return false;
    if (low > 0 && !read_year(text, low, &years.from))
        return false;
    if (!colon)
        years.to = years.from;
    else if (*second && !read_year(second, strlen(second), &years.to))
        return false;
    if (years.from > years.to)
        return false;
    *(ngram_years *)into = years;
    return true;
}

const ngram_option ngram_input_table[] = {
    { .name = "years",
      .value = "A:B",
      .help = "only these years; A: and :B leave one end open",
      .read = read_years,
      .at = offsetof(ngram_input_options, years),
      .must = "A:B with 1 <= A <= B <= 9999" },
    { .name = "bad-records",
      .value = "WHAT",
      .help = "what a malformed row, or one that crashes, does: fail ends the job (default), skip "
              "leaves it out, counts "
              "it, and reports it at the end",
      .read = ngram_read_choice,
      .at = offsetof(ngram_input_options, bad_records),
      .words = bad_words },
    { 0 },
};

const ngram_option ngram_output_table[] = {
    { .name = "output",
      .letter = 'o',
      .value = "OUT",
      .help = "write to OUT, which appears when all is well",
      .read = ngram_read_text,
      .at = offsetof(ngram_output_options, path) },
    { .name = "format",
      .value = "F",
      .help = "table, tsv (a header only where words are columns), csv (RFC 4180, with a header) "
              "or json (an array of objects, one a line; bytes that are not UTF-8 become U+FFFD); "
              "default: table on a terminal, else tsv",
      .read = ngram_read_choice,
      .at = offsetof(ngram_output_options, format),
      .words = format_words },
    { .name = "plot",
      .value = "FILE",
      .help = "also draw the answer into FILE.svg or FILE.png, with gnuplot",
      .read = ngram_read_text,
      .at = offsetof(ngram_output_options, plot) },
    { .name = "spark",
      .help = "instead of the answer, a line of block characters for each column of it",
      .read = ngram_read_flag,
      .at = offsetof(ngram_output_options, spark) },
    { 0 },
};

const ngram_option ngram_work_table[] = {
    { .name = "executor",
      .value = "E",
      .help = "where the work is done: processes (default), threads, hybrid",
      .read = ngram_read_choice,
      .at = offsetof(ngram_work_options, executor),
      .words = executor_words },
    { .name = "workers",
      .value = "N",
      .help = "how many (default: the CPUs that this process may use)",
      .read = ngram_read_int,
      .at = offsetof(ngram_work_options, workers),
      .least = 1,
      .most = 1024 },
    { .name = "memory",
      .value = "SIZE",
      .help = "what all processes may use together, such as 512M (default: half of the machine's, "
              "or of the control group's); what does not fit is written to compressed files",
      .read = ngram_read_bytes,
      .at = offsetof(ngram_work_options, memory),
      .least = 1,
      .must = "a size such as 512M" },
    { .name = "temp-dir",
      .value = "DIR",
      .help = "where these files are, until the end (default: $TMPDIR if it is set, else beside "
              "OUT); with --resume, in its DIR",
      .read = ngram_read_text,
      .at = offsetof(ngram_work_options, temp) },
    { .name = "resume",
      .value = "DIR",
      .help = "keep a journal in DIR, and go on where a command that was killed had got to: the "
              "same one again, with the same files. DIR is made, and removed when all is well",
      .read = ngram_read_text,
      .at = offsetof(ngram_work_options, resume) },
    { 0 },
};

const ngram_option ngram_report_table[] = {
    NGRAM_PROGRESS_OPTION(ngram_report_options),
    { .name = "stats",
      .help = "throughput, rows, time and memory to standard error",
      .read = ngram_read_flag,
      .at = offsetof(ngram_report_options, stats) },
    { .name = "status",
      .value = "ADDRESS",
      .help = "a page at this address, such as 127.0.0.1:8081, that shows how far the job is; the "
              "same as JSON (/status.json) and for Prometheus (/metrics). :8081 is this machine "
              "alone, port 0 one that is free",
      .read = ngram_read_text,
      .at = offsetof(ngram_report_options, status) },
    { 0 },
};
