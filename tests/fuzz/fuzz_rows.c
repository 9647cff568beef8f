/* tests/fuzz/fuzz_rows.c - any bytes at all as a block of rows.
 *
 * The normal tests run it over made-up blocks, too (tests/data/test_fuzz.c).
 *
 * Whatever the bytes, folding runs and reading entries one by one must agree: on the rows refused,
 * their places and reasons, and on the sums.
 */
#include <stdbool.h>
#include <string.h>

#include "data/rows.h"
#include "executor/error.h"
#include "fuzz.h"

typedef struct outcome {
    uint64_t entries, match, volume, lines, bad, places, reasons, ngrams;
    bool overflow;
} outcome;

static uint64_t hash(const char *p, size_t size)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < size; i++)
        h = (h ^ (uint8_t)p[i]) * 1099511628211u;
    return h;
}

static void note_bad(outcome *o, const ngram_rows *rows)
{
    const ngram_bad_row *bad = &rows->bad;
    require(bad->row >= rows->begin && bad->row + bad->length <= rows->end);
    require(bad->offset == (uint64_t)(bad->row - rows->begin));
    require(bad->line < rows->lines);
    char quoted[40];
    require(ngram_quote(quoted, sizeof quoted, bad->row, bad->length) == strlen(quoted));
    o->bad++;
    o->places += bad->offset * 31 + bad->line;
    o->reasons += hash(bad->reason, strlen(bad->reason));
}

static outcome fold(const char *begin, const char *end, ngram_years years)
{
    outcome o = { 0 };
    ngram_rows rows;
    ngram_group g;
    int got;
    ngram_rows_init(&rows, begin, end, years);
    while ((got = ngram_rows_next(&rows, &g)) != 0) {
        if (got == YK_EFORMAT) {
            note_bad(&o, &rows);
        } else if (got == YK_EOVERFLOW) {
            o.overflow = true;
        } else {
            require(got == 1 && g.length > 0 && g.entries > 0);
            require(g.ngram >= begin && g.ngram + g.length < end);
            o.entries += g.entries;
            o.match += g.match_count;
            o.volume += g.volume_count;
            o.ngrams += hash(g.ngram, g.length) * g.entries;
        }
    }
    require(rows.next == end);
    o.lines = rows.lines;
    return o;
}

static outcome each(const char *begin, const char *end, ngram_years years)
{
    outcome o = { 0 };
    ngram_rows rows;
    ngram_entry e;
    int got;
    ngram_rows_init(&rows, begin, end, years);
    while ((got = ngram_rows_next_entry(&rows, &e)) != 0) {
        if (got == YK_EFORMAT) {
            note_bad(&o, &rows);
            continue;
        }
        require(got == 1 && e.length > 0 && e.year >= 1 && e.year <= 9999);
        o.entries++;
        o.match += e.match_count;
        o.volume += e.volume_count;
        o.ngrams += hash(e.ngram, e.length);
    }
    o.lines = rows.lines;
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *block = malloc(size ? size : 1); /* ends where the memory does */
    require(block);
    if (size)
        memcpy(block, data, size);
    for (int filtered = 0; filtered < 2; filtered++) {
        ngram_years years = filtered ? (ngram_years){ 1800, 1950 } : (ngram_years){ 0, 0 };
        outcome a = fold(block, block + size, years), b = each(block, block + size, years);
        require(a.lines == b.lines && a.bad == b.bad);
        require(a.places == b.places && a.reasons == b.reasons);
        if (!a.overflow)
            require(a.entries == b.entries && a.match == b.match && a.volume == b.volume &&
                    a.ngrams == b.ngrams);
    }
    free(block);
    return 0;
}
