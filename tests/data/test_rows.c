/* tests/data/test_rows.c - rows good and bad, in every layout, at every place in a block. */
#include "data/files.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/rows.h"
#include "executor/error.h"

#define MANY "1\t1990\t2\t2\n2\t1990\t2\t2\n3\t1990\t2\t2\n4\t1990\t2\t2\n5\t1990\t2\t2\n"

static const ngram_years all_years = { 0, 0 };

/* A block that ends where the memory does, so that a read behind it is seen. */
static char *block_of(const void *text, size_t size)
{
    char *p = calloc(1, size ? size : 1);
    if (size)
        memcpy(p, text, size);
    return p;
}

/* ---- failure ---- */

typedef struct refusal {
    const char *row, *reason;
} refusal;

static const refusal refusals[] = {
    { "", "empty row" },
    { "\r", "empty row" },
    { "word", "no TAB after the n-gram" },
    { "word 1999 1 1", "no TAB after the n-gram" },
    { "\t1999\t1\t1", "empty n-gram" },
    { "\t", "empty n-gram" },
    { "word\t", "no year" },
    { "word\t\t1\t1", "no year" },
    { "word\tyear\t1\t1", "year is not a number" },
    { "word\t-999\t1\t1", "year is not a number" },
    { "word\t1 99\t1\t1", "year is not a number" },
    { "word\t199x\t1\t1", "year is not a number" },
    { "word\t0\t1\t1", "year is out of range (1 to 9999)" },
    { "word\t0000\t1\t1", "year is out of range (1 to 9999)" },
    { "word\t10000\t1\t1", "year is out of range (1 to 9999)" },
    { "word\t1999", "no match count" },
    { "word\t1999\t", "no match count" },
    { "word\t1999\t\t1", "no match count" },
    { "word\t1999\tx\t1", "match count is not a number" },
    { "word\t1999\t1x\t1", "match count is not a number" },
    { "word\t1999\t-1\t1", "match count is not a number" },
    { "word\t1999\t1.5\t1", "match count is not a number" },
    { "word\t1999\t1,1\t1", "match count is not a number" },
    { "word\t1999\t18446744073709551616\t1", "match count is larger than 64 bits" },
    { "word\t1999\t99999999999999999999999999\t1", "match count is larger than 64 bits" },
    { "word\t1999\t1", "no volume count" },
    { "word\t1999\t1\t", "no volume count" },
    { "word\t1999\t1\tx", "volume count is not a number" },
    { "word\t1999\t1\t1 ", "volume count is not a number" },
    { "word\t1999\t1\t1\r", NULL }, /* the CR of a CRLF */
    { "word\t1999\t1\t18446744073709551616", "volume count is larger than 64 bits" },
    { "word\t1999\t1\t1\t1", NULL }, /* version 1 */
    { "word\t1999\t1\t1\t", "no volume count" },
    { "word\t1999\t1\tx\t1", "volume count is not a number" },
    { "word\t1999\t1\t1\tx", "volume count is not a number" },
    { "word\t1999\t1\t1\t18446744073709551616", "volume count is larger than 64 bits" },
    { "word\t1999\t1\t1\t1\t1", "more than five fields" },
    { "word\t1999\t1\t1\t1\t", "more than five fields" },
    { "word\t1999,1,1,1", "more than three numbers for a year" },
    { "word\t1999,1", "no volume count" },
    { "word\t1999,1,", "no volume count" },
    { "word\t1999,,1", "no match count" },
    { "word\t1999,1,1\t", "no year" },
    { "word\t1999,1,1\t2000", "no match count" },
    { "word\t1999,1,1\t2000\t1\t1", "no match count" },
    { "word\t1999,1,1\tx,1,1", "year is not a number" },
    { "word\t1999,1\t1", "no volume count" },
    { "word\t1999,1,1\t10000,1,1", "year is out of range (1 to 9999)" },
    { "word\t1999,1,1\t0000,1,1", "year is out of range (1 to 9999)" },
    { "word\t1999,1,1\t2000,y,1", "match count is not a number" },
    { "word\t1999,1,1\t2000,1,18446744073709551616", "volume count is larger than 64 bits" },
};

/* The refused row stands behind `before` (rows `lines` in number) and before `after`. */
static void check_refusal(const refusal *r, const char *before, unsigned lines, const char *after)
{
    bytes b = { 0 };
    bytes_text(&b, before);
    bytes_text(&b, r->row);
    bytes_text(&b, after);
    char *block = block_of(b.data, b.size);
    ngram_rows rows;
    ngram_group group;
    ngram_rows_init(&rows, block, block + b.size, all_years);
    uint64_t good = 0;
    int got, bad = 0;
    while ((got = ngram_rows_next(&rows, &group)) != 0) {
        if (got > 0) {
            good += group.entries;
            continue;
        }
        bad++;
        assert_int_equal(got, YK_EFORMAT);
        assert_non_null(r->reason);
        assert_string_equal(rows.bad.reason, r->reason);
        assert_int_equal(rows.bad.offset, strlen(before));
        assert_int_equal(rows.bad.line, lines);
        assert_ptr_equal(rows.bad.row, block + strlen(before));
        size_t length = strlen(r->row);
        assert_int_equal(rows.bad.length,
                         length && r->row[length - 1] == '\r' ? length - 1 : length);
    }
    assert_int_equal(bad, r->reason ? 1 : 0);
    unsigned after_lines = strlen(after) > 1 ? 5 : 0;
    assert_int_equal(good, lines + after_lines + (r->reason ? 0 : 1));
    assert_int_equal(rows.lines, lines + 1 + after_lines);
    free(block);
    bytes_free(&b);
}

static void test_each_malformed_row_is_told_with_place_and_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const refusal *r = &refusals[i];
        if (*r->row && strcmp(r->row, "\r"))
            check_refusal(r, "", 0, ""); /* alone, and without an LF */
        check_refusal(r, "", 0, "\n");
        check_refusal(r, "", 0, "\n" MANY);
        check_refusal(r, MANY, 5, "\n" MANY);
        check_refusal(r, "word\t1980\t7\t7\nword\t1981\t7\t7\n", 2, "\n" MANY); /* within its run */
        check_refusal(r, "word\t1980,7,7\n", 1, "\n" MANY);
    }
}

static void test_a_bad_row_in_a_run_loses_no_good_one(void **state)
{
    (void)state;
    static const char text[] = "run\t1990\t1\t1\nrun\t1991\t10\t1\nrun\tnever\t5\t5\n"
                               "run\t1992\t100\t1\nrun\t1993\t1000\t1\nend\t1993\t1\t1\n";
    ngram_rows rows;
    ngram_group group;
    ngram_rows_init(&rows, text, text + sizeof text - 1, all_years);
    assert_int_equal(ngram_rows_next(&rows, &group), 1);
    assert_int_equal(group.match_count, 11);
    ngram_group before = group;
    assert_int_equal(ngram_rows_next(&rows, &group), YK_EFORMAT);
    assert_memory_equal(&group, &before, sizeof group); /* untouched by the failure */
    assert_int_equal(rows.bad.line, 2);
    assert_int_equal(ngram_rows_next(&rows, &group), 1);
    assert_int_equal(group.match_count, 1100);
    assert_int_equal(ngram_rows_next(&rows, &group), 1);
    assert_int_equal(group.length, 3);
    assert_int_equal(ngram_rows_next(&rows, &group), 0);
    assert_int_equal(ngram_rows_next(&rows, &group), 0);
}

static void test_a_bad_year_of_a_long_row_spoils_the_whole_row(void **state)
{
    (void)state;
    static const char text[] = "bad\t1990,1,1\t1991,1,1\t1992,x,1\ngood\t1990,5,4\t1991,5,4\n";
    ngram_rows rows;
    ngram_group group;
    ngram_rows_init(&rows, text, text + sizeof text - 1, all_years);
    assert_int_equal(ngram_rows_next(&rows, &group), YK_EFORMAT);
    assert_int_equal(ngram_rows_next(&rows, &group), 1);
    assert_int_equal(group.match_count, 10);
    assert_int_equal(group.volume_count, 8);
    ngram_entry entry;
    ngram_rows_init(&rows, text, text + sizeof text - 1, all_years);
    assert_int_equal(ngram_rows_next_entry(&rows, &entry), YK_EFORMAT);
    assert_int_equal(ngram_rows_next_entry(&rows, &entry), 1);
    assert_int_equal(entry.match_count, 5);
}

static void test_a_sum_past_64_bits_is_an_error(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "big\t1990\t18446744073709551615\t1\nbig\t1991\t1\t1\n",
        "big\t1990\t1\t18446744073709551615\nbig\t1991\t1\t1\n",
        "big\t1990\t18446744073709551614\t1\nbig\t1991\t1\t1\nbig\t1992\t1\t1\n" MANY MANY,
        "big\t1990,18446744073709551615,1\t1991,1,1\n",
        "big\t1990,1,1\t1991,1,18446744073709551615\n" MANY,
    };
    static const unsigned lines[] = { 1, 1, 2, 0, 0 };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        ngram_rows rows;
        ngram_group group;
        char *block = block_of(texts[i], strlen(texts[i]));
        ngram_rows_init(&rows, block, block + strlen(texts[i]), all_years);
        assert_int_equal(ngram_rows_next(&rows, &group), YK_EOVERFLOW);
        assert_int_equal(rows.bad.line, lines[i]);
        assert_string_equal(rows.bad.reason, "the sum passes 64 bits");
        free(block);
    }
}

/* Looking for the row again and again would outlast the watchdog. */
static void test_an_overflow_deep_in_a_long_run_is_found_soon(void **state)
{
    (void)state;
    bytes b = { 0 };
    bytes_format(&b, "big\t1990\t%" PRIu64 "\t1\n", UINT64_MAX - 300000);
    for (int i = 0; i < 600000; i++)
        bytes_text(&b, "big\t1991\t1\t1\n");
    ngram_rows rows;
    ngram_group group;
    ngram_rows_init(&rows, b.data, b.data + b.size, all_years);
    assert_int_equal(ngram_rows_next(&rows, &group), YK_EOVERFLOW);
    assert_int_equal(rows.bad.line, 300001);
    bytes_free(&b);
}

static void test_the_largest_sums_are_exact(void **state)
{
    (void)state;
    static const char text[] = "big\t1990\t18446744073709551000\t18446744073709551615\n"
                               "big\t1991\t600\t0\nbig\t1992\t15\t0\n" MANY MANY;
    ngram_rows rows;
    ngram_group group;
    ngram_rows_init(&rows, text, text + sizeof text - 1, all_years);
    assert_int_equal(ngram_rows_next(&rows, &group), 1);
    assert_true(group.match_count == UINT64_MAX);
    assert_true(group.volume_count == UINT64_MAX);
    assert_int_equal(group.entries, 3);
}

/* ---- what is accepted ---- */

typedef struct accepted {
    const char *row;
    int year;
    uint64_t match_count, volume_count;
} accepted;

static void test_odd_but_good_rows(void **state)
{
    (void)state;
    static const accepted rows_in[] = {
        { "word\t1999\t12\t3", 1999, 12, 3 },
        { "word\t1999\t12\t3\r", 1999, 12, 3 },
        { "word\t9\t12\t3", 9, 12, 3 },
        { "word\t0999\t12\t3", 999, 12, 3 },
        { "word\t9999\t0\t0", 9999, 0, 0 },
        { "word\t1999\t007\t0000000000000000000000003", 1999, 7, 3 },
        { "word\t1999\t18446744073709551615\t123456789", 1999, UINT64_MAX, 123456789 },
        { "word\t1999\t12345678\t87654321", 1999, 12345678, 87654321 },
        { "word\t1999\t123456789\t1", 1999, 123456789, 1 },
        { "word\t1999,12,3", 1999, 12, 3 },
        { "word\t1999,12,3\r", 1999, 12, 3 },
        { "word\t999,12,18446744073709551615", 999, 12, UINT64_MAX },
        { "\r\t1999\t1\t1", 1999, 1, 1 },
        { "\"\t1999\t1\t1", 1999, 1, 1 },
        { "1,2,3\t1999\t1\t1", 1999, 1, 1 },
        { "1,2,3\t1999,1,1", 1999, 1, 1 },
        { "\xff\xfe\x80\t1999\t1\t1", 1999, 1, 1 },
        { "a b c d e\t1999\t1\t1", 1999, 1, 1 },
    };
    for (size_t i = 0; i < sizeof rows_in / sizeof *rows_in; i++) {
        const accepted *a = &rows_in[i];
        for (int lines_after = 0; lines_after < 3; lines_after++) {
            bytes b = { 0 };
            bytes_text(&b, a->row);
            bytes_text(&b, lines_after == 0 ? "" : lines_after == 1 ? "\n" : "\n" MANY);
            char *block = block_of(b.data, b.size);
            ngram_rows rows;
            ngram_entry e;
            ngram_group g;
            ngram_rows_init(&rows, block, block + b.size, all_years);
            assert_int_equal(ngram_rows_next_entry(&rows, &e), 1);
            assert_int_equal(e.year, a->year);
            assert_true(e.match_count == a->match_count && e.volume_count == a->volume_count);
            ngram_rows_init(&rows, block, block + b.size, all_years);
            assert_int_equal(ngram_rows_next(&rows, &g), 1);
            assert_true(g.match_count == a->match_count && g.volume_count == a->volume_count);
            assert_int_equal(g.length, strchr(a->row, '\t') - a->row);
            free(block);
            bytes_free(&b);
        }
    }
}

static void test_nul_bytes_are_bytes(void **state)
{
    (void)state;
    static const char text[] =
        "a\0b\t1990\t1\t1\na\0b\t1991\t2\t1\na\0c\t1991\t4\t1\n\0\t1\t1\t1\n";
    ngram_rows rows;
    ngram_group group;
    ngram_rows_init(&rows, text, text + sizeof text - 1, all_years);
    assert_int_equal(ngram_rows_next(&rows, &group), 1);
    assert_int_equal(group.length, 3);
    assert_memory_equal(group.ngram, "a\0b", 3);
    assert_int_equal(group.match_count, 3);
    assert_int_equal(ngram_rows_next(&rows, &group), 1);
    assert_int_equal(group.match_count, 4);
    assert_int_equal(ngram_rows_next(&rows, &group), 1);
    assert_int_equal(group.length, 1);
    assert_int_equal(ngram_rows_next(&rows, &group), 0);
}

static void test_a_prefix_is_another_ngram(void **state)
{
    (void)state;
    static const char text[] = "ab\t1990\t1\t1\nabc\t1990\t2\t1\nab\t1991\t4\t1\n" MANY;
    ngram_rows rows;
    ngram_group group;
    ngram_rows_init(&rows, text, text + sizeof text - 1, all_years);
    for (uint64_t match = 1; match <= 4; match *= 2) {
        assert_int_equal(ngram_rows_next(&rows, &group), 1);
        assert_int_equal(group.match_count, match);
    }
}

static void test_both_layouts_mix(void **state)
{
    (void)state;
    static const char text[] = "w\t1990\t1\t1\nw\t1991,2,1\t1992,4,1\nw\t1993\t8\t1\n"
                               "v\t1990,16,1\nv\t1991\t32\t1\n" MANY;
    ngram_rows rows;
    ngram_group group;
    ngram_rows_init(&rows, text, text + sizeof text - 1, all_years);
    assert_int_equal(ngram_rows_next(&rows, &group), 1);
    assert_int_equal(group.match_count, 15);
    assert_int_equal(group.entries, 4);
    assert_int_equal(ngram_rows_next(&rows, &group), 1);
    assert_int_equal(group.match_count, 48);
}

static void test_years_are_filtered_and_still_checked(void **state)
{
    (void)state;
    static const char text[] = "old\t1899\t1\t1\nw\t1899\t1\t1\nw\t1900\t2\t1\nw\t1950\t4\t1\n"
                               "w\t2000\t8\t1\nw\t2001\t16\t1\nnew\t2001,1,1\t2002,1,1\n"
                               "v\t1899,1,1\t1900,2,1\t2000,4,1\t2001,8,1\n" MANY;
    ngram_rows rows;
    ngram_group group;
    ngram_rows_init(&rows, text, text + sizeof text - 1, (ngram_years){ 1900, 2000 });
    assert_int_equal(ngram_rows_next(&rows, &group), 1);
    assert_memory_equal(group.ngram, "w", 1);
    assert_int_equal(group.match_count, 14);
    assert_int_equal(group.entries, 3);
    assert_int_equal(ngram_rows_next(&rows, &group), 1);
    assert_memory_equal(group.ngram, "v", 1);
    assert_int_equal(group.match_count, 6);
    ngram_rows_init(&rows, text, text + sizeof text - 1, (ngram_years){ 2000, 1900 });
    assert_int_equal(ngram_rows_next(&rows, &group), 0);
    assert_int_equal(rows.lines, 13);
    ngram_rows_init(&rows, text, text + sizeof text - 1, (ngram_years){ 2001, 0 });
    assert_int_equal(ngram_rows_next(&rows, &group), 1);
    assert_int_equal(group.match_count, 16);
    static const char bad[] = "w\t1899\tx\t1\n";
    ngram_rows_init(&rows, bad, bad + sizeof bad - 1, (ngram_years){ 1900, 2000 });
    assert_int_equal(ngram_rows_next(&rows, &group), YK_EFORMAT);
}

static void test_an_empty_block_has_no_rows(void **state)
{
    (void)state;
    ngram_rows rows;
    ngram_group group;
    ngram_entry entry;
    ngram_rows_init(&rows, "", "", all_years);
    assert_int_equal(ngram_rows_next(&rows, &group), 0);
    assert_int_equal(ngram_rows_next_entry(&rows, &entry), 0);
}

/* ---- many rows against the plainest reading of them ---- */

typedef struct sums {
    uint64_t entries, match, volume, mixed;
} sums;

static uint64_t mix(const char *p, size_t size, uint64_t more)
{
    uint64_t h = 1469598103934665603u ^ more;
    for (size_t i = 0; i < size; i++)
        h = (h ^ (uint8_t)p[i]) * 1099511628211u;
    return h;
}

static sums naive(const bytes *b, int from, int to)
{
    sums s = { 0 };
    char *copy = block_of(b->data, b->size), *line = copy;
    for (char *lf; (lf = memchr(line, '\n', b->size - (size_t)(line - copy))); line = lf + 1) {
        *lf = '\0';
        char *tab = strchr(line, '\t');
        int year = atoi(tab + 1);
        if (year < from || year > to)
            continue;
        char *match = strchr(tab + 1, '\t'), *volume = strchr(match + 1, '\t');
        s.entries++;
        s.match += strtoull(match + 1, NULL, 10);
        s.volume += strtoull(volume + 1, NULL, 10);
        s.mixed += mix(line, (size_t)(tab - line), 0);
    }
    free(copy);
    return s;
}

static sums folded(const char *begin, const char *end, ngram_years years)
{
    sums s = { 0 };
    ngram_rows rows;
    ngram_group g;
    int got;
    ngram_rows_init(&rows, begin, end, years);
    while ((got = ngram_rows_next(&rows, &g)) > 0) {
        s.entries += g.entries;
        s.match += g.match_count;
        s.volume += g.volume_count;
        s.mixed += mix(g.ngram, g.length, 0) * g.entries;
    }
    assert_int_equal(got, 0);
    return s;
}

static sums each(const char *begin, const char *end, ngram_years years)
{
    sums s = { 0 };
    ngram_rows rows;
    ngram_entry e;
    int got;
    ngram_rows_init(&rows, begin, end, years);
    while ((got = ngram_rows_next_entry(&rows, &e)) > 0) {
        s.entries++;
        s.match += e.match_count;
        s.volume += e.volume_count;
        s.mixed += mix(e.ngram, e.length, 0);
    }
    assert_int_equal(got, 0);
    return s;
}

static void test_random_rows_fold_as_read_naively(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 40; seed++) {
        bytes b = { 0 };
        add_rows(&b, seed, seed < 20 ? (unsigned)seed : 2000);
        char *block = block_of(b.data, b.size);
        ngram_years years = seed % 2 ? all_years : (ngram_years){ 1650, 1750 };
        bytes terminated = b; /* naive() writes into its copy */
        sums want = naive(&terminated, years.from ? years.from : 1, years.to ? years.to : 9999);
        sums got = folded(block, block + b.size, years);
        assert_memory_equal(&got, &want, sizeof got);
        got = each(block, block + b.size, years);
        assert_memory_equal(&got, &want, sizeof got);
        free(block);
        bytes_free(&b);
    }
}

static void test_every_cut_at_a_row_gives_the_same_sums(void **state)
{
    (void)state;
    bytes b = { 0 };
    add_rows(&b, 99, 120);
    sums want = naive(&b, 1, 9999);
    for (size_t cut = 0; cut < b.size; cut++) {
        if (cut > 0 && b.data[cut - 1] != '\n')
            continue;
        char *first = block_of(b.data, cut), *second = block_of(b.data + cut, b.size - cut);
        sums x = folded(first, first + cut, all_years);
        sums y = folded(second, second + b.size - cut, all_years);
        assert_int_equal(x.entries + y.entries, want.entries);
        assert_true(x.match + y.match == want.match && x.volume + y.volume == want.volume);
        assert_true(x.mixed + y.mixed == want.mixed);
        free(first);
        free(second);
    }
    bytes_free(&b);
}

/* ---- what the fast paths take and leave ---- */

typedef struct outcome {
    uint64_t entries, match, volume, bad, places;
} outcome;

static void add_outcome(outcome *o, const char *begin, const char *end, uint64_t offset)
{
    ngram_rows rows;
    ngram_group g;
    int got;
    ngram_rows_init(&rows, begin, end, all_years);
    while ((got = ngram_rows_next(&rows, &g)) != 0) {
        o->bad += got < 0;
        o->places += got < 0 ? mix("", 0, offset + rows.bad.offset) : 0;
        o->entries += got > 0 ? g.entries : 0;
        o->match += got > 0 ? g.match_count : 0;
        o->volume += got > 0 ? g.volume_count : 0;
    }
}

/* A row by itself, at its block's end, is left to the careful parser. */
static void check_as_single_rows(const char *text, size_t size)
{
    outcome want = { 0 }, got = { 0 };
    char *block = block_of(text, size);
    add_outcome(&got, block, block + size, 0);
    for (const char *lf, *line = text; line < text + size; line = lf + 1) {
        lf = memchr(line, '\n', size - (size_t)(line - text));
        char *row = block_of(line, (size_t)(lf + 1 - line));
        add_outcome(&want, row, row + (lf + 1 - line), (uint64_t)(line - text));
        free(row);
    }
    free(block);
    assert_memory_equal(&got, &want, sizeof got);
}

/* A run of like rows; each byte of two neighbours becomes each of these, and the year 0000. */
static void change_each_byte(const char *row)
{
    static const char others[] = "0\t\n\v\b\r,/:\xb9";
    enum { ROWS = 24, CHANGED = 8 };
    size_t size = strlen(row);
    char *text = malloc(ROWS * size);
    for (size_t i = 0; i < ROWS; i++)
        memcpy(text + i * size, row, size);
    check_as_single_rows(text, ROWS * size);
    for (size_t at = CHANGED * size; at < (CHANGED + 2) * size; at++) {
        char before = text[at];
        for (const char *c = others; c < others + sizeof others; c++) {
            text[at] = *c;
            check_as_single_rows(text, ROWS * size);
        }
        text[at] = before;
    }
    for (size_t i = CHANGED; i < CHANGED + 2; i++) {
        memcpy(strchr(text + i * size, '\t') + 1, "0000", 4);
        check_as_single_rows(text, ROWS * size);
    }
    free(text);
}

static void test_each_byte_changed_in_rows_of_each_shape(void **state)
{
    static const char digits[] = "90817";
    static const char *const keys[] = { "k", "a key of 15 b..", "the_DET longest key of 31 bytes",
                                        "the_DET  longer key of 32 bytes"
                                        " " };
    (void)state;
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
        for (int m = 1; m <= 5; m += k == 0 ? 1 : 2)
            for (int v = 1; v <= 5; v += k == 0 ? 1 : 2) {
                char row[80];
                snprintf(row, sizeof row, "%s\t1987\t%.*s\t%.*s\n", keys[k], m, digits, v, digits);
                change_each_byte(row);
            }
}

static void test_sums_of_the_longest_runs_of_short_rows(void **state)
{
    (void)state;
    static const char row[] = "a\t1999\t9999\t9998\n";
    enum { ROWS = 700000 }; /* their sum is past 32 bits */
    char *text = malloc(ROWS * (sizeof row - 1));
    for (size_t i = 0; i < ROWS; i++)
        memcpy(text + i * (sizeof row - 1), row, sizeof row - 1);
    sums s = folded(text, text + ROWS * (sizeof row - 1), all_years);
    assert_true(s.entries == ROWS);
    assert_true(s.match == UINT64_C(9999) * ROWS && s.volume == UINT64_C(9998) * ROWS);
    free(text);
}

static void test_crlf_gives_the_same_sums(void **state)
{
    (void)state;
    bytes b = { 0 }, crlf = { 0 };
    add_rows(&b, 98, 3000);
    bytes_text(&b, "v\t1990,1,1\t1991,2,1\nw\t1990,123456,3\n" MANY MANY);
    for (size_t i = 0; i < b.size; i++)
        bytes_add(&crlf, b.data[i] == '\n' ? "\r\n" : &b.data[i], b.data[i] == '\n' ? 2 : 1);
    sums want = folded(b.data, b.data + b.size, all_years);
    sums got = folded(crlf.data, crlf.data + crlf.size, all_years);
    assert_int_equal(want.entries, 3013);
    assert_memory_equal(&got, &want, sizeof got);
    got = each(crlf.data, crlf.data + crlf.size, all_years);
    assert_memory_equal(&got, &want, sizeof got);
    bytes_free(&b);
    bytes_free(&crlf);
}

static void test_a_long_row_of_many_years(void **state)
{
    (void)state;
    bytes b = { 0 };
    for (int n = 0; n < 20; n++) {
        bytes_format(&b, "w%d", n);
        for (int year = 1500; year < 1500 + n * 20 + 1; year++)
            bytes_format(&b, "\t%d,%d,%d", year, year - 1400, 1 + n);
        bytes_text(&b, "\n");
    }
    char *block = block_of(b.data, b.size);
    ngram_rows rows;
    ngram_group g;
    ngram_rows_init(&rows, block, block + b.size, all_years);
    for (int n = 0; n < 20; n++) {
        uint64_t want = 0;
        for (int year = 1500; year < 1500 + n * 20 + 1; year++)
            want += (uint64_t)year - 1400;
        assert_int_equal(ngram_rows_next(&rows, &g), 1);
        assert_int_equal(g.match_count, want);
        assert_int_equal(g.entries, n * 20 + 1);
        assert_int_equal(g.volume_count, (n * 20 + 1) * (1 + n));
    }
    assert_int_equal(ngram_rows_next(&rows, &g), 0);
    assert_int_equal(rows.lines, 20);
    free(block);
    bytes_free(&b);
}

static void test_an_ngram_of_ten_megabytes(void **state)
{
    (void)state;
    bytes b = { 0 };
    size_t size = (size_t)10 << 20;
    char *word = malloc(size);
    memset(word, 'w', size);
    for (int year = 1990; year < 1992; year++) {
        bytes_add(&b, word, size);
        bytes_format(&b, "\t%d\t5\t1\n", year);
    }
    ngram_rows rows;
    ngram_group g;
    ngram_rows_init(&rows, b.data, b.data + b.size, all_years);
    assert_int_equal(ngram_rows_next(&rows, &g), 1);
    assert_int_equal(g.length, size);
    assert_int_equal(g.match_count, 10);
    assert_int_equal(ngram_rows_next(&rows, &g), 0);
    free(word);
    bytes_free(&b);
}

/* ---- quoting ---- */

static void check_quote(const char *row, size_t length, size_t capacity, const char *want)
{
    char out[128];
    memset(out, 'Z', sizeof out);
    assert_int_equal(ngram_quote(out, capacity, row, length), strlen(want));
    assert_string_equal(out, want);
    assert_int_equal(out[capacity], 'Z');
}

static void test_rows_are_quoted_readably(void **state)
{
    (void)state;
    check_quote("word\t1\r\n", 8, 80, "word\\t1\\r\\n");
    check_quote("a\0b\\", 4, 80, "a\\x00b\\\\");
    check_quote("\xff\xc3\xa9\xe2\x82", 5, 80, "\\xff\xc3\xa9\\xe2\\x82");
    check_quote("\x1b[2J\x7f\xc2\x9b", 7, 80, "\\x1b[2J\\x7f\\xc2\\x9b");
    check_quote("0123456789", 10, 11, "0123456789");
    check_quote("0123456789", 10, 10, "012345...");
    check_quote("01\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 10, 8, "01\xc3\xa9...");
    check_quote("\0\0\0", 3, 8, "\\x00...");
    check_quote("", 0, 8, "");
}

/* ---- every release ---- */

static const char *const kinds_of_ngram[] = {
    "word",
    "two words",
    "a b c d e",
    "run_VERB",
    "_NOUN_",
    "the_DET _NOUN_ of",
    "_START_ It_PRON",
    "end _END_",
    "_ROOT_=>will_VERB",
    "drink=>water_NOUN",
    "=>",
    ",",
    "1,5",
    "\"",
    "_",
    "_.",
    "\xd1\x81\xd0\xbb\xd0\xbe\xd0\xb2\xd0\xbe_NOUN", /* Russian */
    "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d",              /* Hebrew */
    "\xe4\xb8\xad\xe5\x9b\xbd \xe4\xba\xba",         /* Chinese */
    "\xc3\xbc"
    "ber",
    "na\xc3\xafve_ADJ", /* German, French */
};

/* The same three years of an n-gram in a version's layout, many of them so that runs are folded. */
static void add_ngram(bytes *b, const char *ngram, int version)
{
    static const unsigned match[] = { 1, 12345, 123456789 };
    for (int i = 0; i < 3; i++) {
        if (version == 3)
            bytes_format(b, "%s\t%d,%u,%d", i ? "" : ngram, 1899 + i, match[i], i + 1);
        else if (version == 2)
            bytes_format(b, "%s\t%d\t%u\t%d\n", ngram, 1899 + i, match[i], i + 1);
        else
            bytes_format(b, "%s\t%d\t%u\t%u\t%d\n", ngram, 1899 + i, match[i], match[i], i + 1);
    }
    if (version == 3)
        bytes_text(b, "\n");
}

static void test_all_versions_give_the_same_numbers(void **state)
{
    (void)state;
    for (int version = 1; version <= 3; version++) {
        bytes b = { 0 };
        size_t count = sizeof kinds_of_ngram / sizeof *kinds_of_ngram;
        for (size_t i = 0; i < count; i++)
            add_ngram(&b, kinds_of_ngram[i], version);
        char *block = block_of(b.data, b.size);
        ngram_rows rows;
        ngram_group g;
        ngram_entry e;
        ngram_rows_init(&rows, block, block + b.size, all_years);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(ngram_rows_next(&rows, &g), 1);
            assert_int_equal(g.length, strlen(kinds_of_ngram[i]));
            assert_memory_equal(g.ngram, kinds_of_ngram[i], g.length);
            assert_int_equal(g.match_count, 1 + 12345 + 123456789);
            assert_int_equal(g.volume_count, 6);
            assert_int_equal(g.entries, 3);
        }
        assert_int_equal(ngram_rows_next(&rows, &g), 0);
        ngram_rows_init(&rows, block, block + b.size, (ngram_years){ 1900, 1900 });
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(ngram_rows_next_entry(&rows, &e), 1);
            assert_memory_equal(e.ngram, kinds_of_ngram[i], e.length);
            assert_int_equal(e.year, 1900);
            assert_int_equal(e.match_count, 12345);
            assert_int_equal(e.volume_count, 2);
        }
        assert_int_equal(ngram_rows_next_entry(&rows, &e), 0);
        free(block);
        bytes_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_malformed_row_is_told_with_place_and_reason),
        cmocka_unit_test(test_a_bad_row_in_a_run_loses_no_good_one),
        cmocka_unit_test(test_all_versions_give_the_same_numbers),
        cmocka_unit_test(test_a_bad_year_of_a_long_row_spoils_the_whole_row),
        cmocka_unit_test(test_a_sum_past_64_bits_is_an_error),
        cmocka_unit_test(test_an_overflow_deep_in_a_long_run_is_found_soon),
        cmocka_unit_test(test_the_largest_sums_are_exact),
        cmocka_unit_test(test_odd_but_good_rows),
        cmocka_unit_test(test_nul_bytes_are_bytes),
        cmocka_unit_test(test_a_prefix_is_another_ngram),
        cmocka_unit_test(test_both_layouts_mix),
        cmocka_unit_test(test_years_are_filtered_and_still_checked),
        cmocka_unit_test(test_an_empty_block_has_no_rows),
        cmocka_unit_test(test_random_rows_fold_as_read_naively),
        cmocka_unit_test(test_every_cut_at_a_row_gives_the_same_sums),
        cmocka_unit_test(test_each_byte_changed_in_rows_of_each_shape),
        cmocka_unit_test(test_sums_of_the_longest_runs_of_short_rows),
        cmocka_unit_test(test_crlf_gives_the_same_sums),
        cmocka_unit_test(test_a_long_row_of_many_years),
        cmocka_unit_test(test_an_ngram_of_ten_megabytes),
        cmocka_unit_test(test_rows_are_quoted_readably),
    };
    return cmocka_run_group_tests_name("data/rows", tests, files_setup, files_teardown);
}
