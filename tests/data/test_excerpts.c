/* tests/data/test_excerpts.c - true rows of the dataset, where they are there. */
#include "data/files.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/input.h"
#include "data/rows.h"

#define VERSION2 YOKE_SHARED_DATA "/googlebooks-eng-all-1gram-20120701-a.excerpt.tsv"
#define VERSION3 YOKE_SHARED_DATA "/v3-layout.excerpt.tsv"

typedef struct sums {
    uint64_t ngrams, entries, match, volume, hash;
} sums;

static uint64_t hash(const char *p, size_t size)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < size; i++)
        h = (h ^ (uint8_t)p[i]) * 1099511628211u;
    return h;
}

static void add_group(sums *s, const ngram_group *g, uint64_t *last)
{
    uint64_t h = hash(g->ngram, g->length);
    s->ngrams += h != *last; /* a run that a block's end has cut is one n-gram */
    *last = h;
    s->entries += g->entries;
    s->match += g->match_count;
    s->volume += g->volume_count;
    s->hash += h * (g->match_count + 3 * g->volume_count);
}

/* All rows of a file, through ranges of `target`. */
static sums sum_file(const char *path, uint64_t target, ngram_years years)
{
    sums s = { 0 };
    yk_input *in;
    yk_range *ranges;
    size_t count;
    uint64_t last = 0;
    yk_blocks *b = yk_blocks_new();
    yk_block block;
    assert_int_equal(yk_input_open(&in, path), 0);
    assert_int_equal(yk_input_ranges(in, target, &ranges, &count), 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(yk_blocks_open(b, path, &ranges[i]), 0);
        while (yk_blocks_next(b, &block) > 0) {
            ngram_rows rows;
            ngram_group g;
            int got;
            ngram_rows_init(&rows, block.begin, block.end, years);
            while ((got = ngram_rows_next(&rows, &g)) > 0)
                add_group(&s, &g, &last);
            assert_int_equal(got, 0);
        }
        assert_string_equal(yk_blocks_error(b), "");
    }
    free(ranges);
    yk_blocks_free(b);
    yk_input_close(in);
    return s;
}

static void test_both_layouts_of_the_true_rows_have_the_same_sums(void **state)
{
    (void)state;
    if (access(VERSION2, R_OK) != 0 || access(VERSION3, R_OK) != 0)
        skip();
    ngram_years all = { 0, 0 }, some = { 1900, 1950 };
    sums a = sum_file(VERSION2, 0, all), b = sum_file(VERSION3, 0, all);
    assert_memory_equal(&a, &b, sizeof a);
    assert_int_equal(a.entries, 100015);
    assert_int_equal(a.ngrams, 1721);
    for (uint64_t target = 5000; target < 2000000; target *= 3) {
        sums c = sum_file(VERSION2, target, all), d = sum_file(VERSION3, target, all);
        assert_memory_equal(&a, &c, sizeof a);
        assert_memory_equal(&a, &d, sizeof a);
    }
    a = sum_file(VERSION2, 0, some);
    b = sum_file(VERSION3, 0, some);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(a.entries > 0 && a.entries < 100015);
}

static void test_packed_true_rows_have_the_same_sums(void **state)
{
    (void)state;
    if (access(VERSION2, R_OK) != 0)
        skip();
    bytes text = load_file(VERSION2), gzip = { 0 }, zstd = { 0 };
    add_gzip(&gzip, text.data, text.size);
    for (size_t at = 0; at < text.size; at += 100003)
        add_zstd(&zstd, text.data + at, text.size - at < 100003 ? text.size - at : 100003, true);
    sums a = sum_file(VERSION2, 0, (ngram_years){ 0, 0 });
    sums b = sum_file(make_file("true.gz", &gzip), 0, (ngram_years){ 0, 0 });
    sums c = sum_file(make_file("true.zst", &zstd), 200000, (ngram_years){ 0, 0 });
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_equal(&a, &c, sizeof a);
    bytes_free(&text);
    bytes_free(&gzip);
    bytes_free(&zstd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_layouts_of_the_true_rows_have_the_same_sums),
        cmocka_unit_test(test_packed_true_rows_have_the_same_sums),
    };
    return cmocka_run_group_tests_name("data/excerpts", tests, files_setup, files_teardown);
}
