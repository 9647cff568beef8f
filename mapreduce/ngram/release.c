/* mapreduce/ngram/release.c - what the files of a release are called and where they are. */
#include "release.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "units.h"

static const char *const dates[] = { "", "20090715", "20120701", "20200217" };

int ngram_release_version(const char *date)
{
    for (int version = 1; version <= 3; version++)
        if (strcmp(date, dates[version]) == 0)
            return version;
    return 0;
}

/* Parts of version 2: "a", "other", "th", "a_", "_NOUN_". */
static const char part_letters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

/* ---- Names ---------------------------------------------------------------------------------- */

static char *format(const char *pattern, ...) __attribute__((format(printf, 1, 2)));

static char *format(const char *pattern, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, pattern);
    if (vasprintf(&text, pattern, args) < 0)
        text = NULL;
    va_end(args);
    return text;
}

/* "googlebooks-eng-all", "googlebooks-eng-1M". */
static char *old_prefix(const ngram_release *r)
{
    size_t len = strlen(r->language);
    bool million = len > 3 && strcmp(r->language + len - 3, "-1M") == 0;
    return format("googlebooks-%s%s", r->language, million ? "" : "-all");
}

static char *name_of_totals(const ngram_release *r)
{
    if (r->version == 3)
        return format("totalcounts-%d", r->n);
    char *prefix = old_prefix(r);
    char *name = prefix ? format("%s-totalcounts-%s.txt", prefix, dates[r->version]) : NULL;
    free(prefix);
    return name;
}

/* The name of a part; `of`: how many there are (version 3). */
static char *name_of_part(const ngram_release *r, const char *part, unsigned of)
{
    if (r->version == 3)
        return format("%d-%05u-of-%05u.gz", r->n, (unsigned)atoi(part), of);
    char *prefix = old_prefix(r);
    char *name = prefix ? format("%s-%dgram-%s-%s.%s", prefix, r->n, dates[r->version], part,
                                 r->version == 1 ? "csv.zip" : "gz")
                        : NULL;
    free(prefix);
    return name;
}

/* ---- The list ------------------------------------------------------------------------------- */

/* Takes the name. */
static int add(ngram_parts *parts, const ngram_release *r, char *name, bool totals)
{
    if (parts->count == parts->room) {
        size_t room = parts->room ? 2 * parts->room : 32;
        ngram_part *at = reallocarray(parts->at, room, sizeof *at);
        if (!at) {
            free(name);
            return UV_ENOMEM;
        }
        parts->at = at;
        parts->room = room;
    }
    char *url = !name             ? NULL
                : r->version == 3 ? format("%s%s/%s/%s", r->base, dates[3], r->language, name)
                                  : format("%s%s", r->base, name);
    if (!url) {
        free(name);
        return UV_ENOMEM;
    }
    parts->at[parts->count++] = (ngram_part){ url, name, totals };
    return 0;
}

static int add_totals(ngram_parts *parts, const ngram_release *r)
{
    return add(parts, r, name_of_totals(r), true);
}

static int add_part(ngram_parts *parts, const ngram_release *r, const char *part, unsigned of)
{
    return add(parts, r, name_of_part(r, part, of), false);
}

static int add_numbers(ngram_parts *parts, const ngram_release *r, unsigned count)
{
    int err = 0;
    for (unsigned i = 0; !err && i < count; i++) {
        char part[16];
        snprintf(part, sizeof part, "%u", i);
        err = add_part(parts, r, part, count);
    }
    return err;
}

static int add_letters(ngram_parts *parts, const ngram_release *r)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    static const char *const others[] = { "other", "pos", "punctuation" };
    int err = 0;
    for (const char *p = letters; !err && *p; p++)
        err = add_part(parts, r, (char[]){ *p, '\0' }, 0);
    for (int i = 0; !err && i < 3; i++)
        err = add_part(parts, r, others[i], 0);
    return err;
}

void ngram_parts_free(ngram_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        free(parts->at[i].url);
        free(parts->at[i].name);
    }
    free(parts->at);
    *parts = (ngram_parts){ 0 };
}

/* ---- The page that lists them --------------------------------------------------------------- */

/* How many parts there are; 0: that is not known here. */
static unsigned known_count(const ngram_release *r)
{
    static const unsigned version_1[] = { 10, 100, 200, 400, 800 };
    static const unsigned english[] = { 24, 589, 6881, 6668, 19423 };
    if (r->version == 1)
        return version_1[r->n - 1];
    return r->version == 3 && strcmp(r->language, "eng") == 0 ? english[r->n - 1] : 0;
}

static bool is_only_totals(const char *only)
{
    return only && strcmp(only, "totals") == 0;
}

char *ngram_release_page(const ngram_release *r, const char *only)
{
    if (known_count(r) || is_only_totals(only) || (r->version == 2 && (only || r->n == 1)))
        return NULL;
    if (r->version == 2)
        return format("%sdatasetsv2.html", r->base);
    return format("%s%s/%s/%s-%d-ngrams_exports.html", r->base, dates[3], r->language, r->language,
                  r->n);
}

/* The number behind "1-00000-of-". */
static unsigned count_on_page(const ngram_release *r, const char *page)
{
    char first[32];
    unsigned count = 0;
    snprintf(first, sizeof first, "%d-00000-of-", r->n);
    const char *found = strstr(page, first);
    return found && sscanf(found + strlen(first), "%5u.gz", &count) == 1 ? count : 0;
}

static bool is_listed(const ngram_parts *parts, const char *name)
{
    for (size_t i = 0; i < parts->count; i++)
        if (strcmp(parts->at[i].name, name) == 0)
            return true;
    return false;
}

/* All names on the page that are of parts of version 2. */
static int add_names_on_page(ngram_parts *parts, const ngram_release *r, const char *page)
{
    char *prefix = name_of_part(r, "", 0); /* "...20120701-.gz" */
    if (!prefix)
        return UV_ENOMEM;
    prefix[strlen(prefix) - 3] = '\0';
    int err = 0;
    for (const char *at = page; !err && (at = strstr(at, prefix)); at++) {
        size_t len = strspn(at + strlen(prefix), part_letters);
        char *name = strncmp(at + strlen(prefix) + len, ".gz", 3) == 0
                         ? strndup(at, strlen(prefix) + len + 3)
                         : NULL;
        if (name && !is_listed(parts, name))
            err = add(parts, r, name, false);
        else
            free(name);
    }
    free(prefix);
    return err;
}

/* ---- The choice ----------------------------------------------------------------------------- */

static int refuse(char *message, size_t size, const char *part, unsigned count)
{
    if (count)
        snprintf(message, size, "there is no part '%.60s': parts are 0 to %u, and totals", part,
                 count - 1);
    else
        snprintf(message, size,
                 "there is no part '%.60s': parts are like a, other, or aa for "
                 "2-grams, and totals",
                 part);
    return UV_EINVAL;
}

static bool is_part(const ngram_release *r, const char *part, unsigned count)
{
    uint64_t number;
    if (r->version == 2)
        return *part && strspn(part, part_letters) == strlen(part);
    return ngram_parse_number(part, &number) && number < count;
}

/* Of a part that was named twice, one stays. */
static void drop_repeated(ngram_parts *parts)
{
    ngram_part last = parts->at[--parts->count];
    if (!is_listed(parts, last.name)) {
        parts->count++;
        return;
    }
    free(last.name);
    free(last.url);
}

static int add_chosen(ngram_parts *parts, const ngram_release *r, const char *only, unsigned count,
                      char *message, size_t size)
{
    char *list = strdup(only), *rest = list;
    int err = list ? 0 : UV_ENOMEM;
    for (char *part; !err && (part = strsep(&rest, ","));) {
        if (strcmp(part, "totals") == 0)
            err = add_totals(parts, r);
        else if (is_part(r, part, count))
            err = add_part(parts, r, part, count);
        else
            err = refuse(message, size, part, count);
        if (!err)
            drop_repeated(parts);
    }
    free(list);
    return err;
}

int ngram_release_list(ngram_parts *parts, const ngram_release *r, const char *only,
                       const char *page, char *message, size_t size)
{
    *parts = (ngram_parts){ 0 };
    unsigned count = known_count(r);
    if (!count && r->version == 3 && page)
        count = count_on_page(r, page);
    if (only)
        return add_chosen(parts, r, only, count, message, size);
    int err = add_totals(parts, r);
    if (!err && r->version == 2)
        err = r->n == 1 ? add_letters(parts, r) : page ? add_names_on_page(parts, r, page) : 0;
    else if (!err)
        err = add_numbers(parts, r, count);
    if (!err && parts->count == 1) {
        snprintf(message, size, "the page that lists the files names none for %d-grams in '%.40s'",
                 r->n, r->language);
        err = UV_EINVAL;
    }
    return err;
}
