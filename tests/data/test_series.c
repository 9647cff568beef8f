/* tests/data/test_series.c - packed series: what is refused, what comes back, sums. */
#include "data/files.h"

#include <stdlib.h>
#include <string.h>

#include "data/series.h"
#include "executor/error.h"

static int unpack(const char *packed, size_t size)
{
    ngram_series *s = NULL;
    int err = ngram_series_unpack(&s, packed, size);
    assert_true((s != NULL) == (err == 0));
    free(s);
    return err;
}

static void test_what_is_no_series_is_refused(void **state)
{
    (void)state;
#define REFUSED(text) assert_int_equal(unpack(text, sizeof text - 1), YK_EFORMAT)
    REFUSED("");
    REFUSED("\0");
    REFUSED("\2\1\1\1");                                         /* another version */
    REFUSED("\1\1");                                             /* a year and nothing more */
    REFUSED("\1\1\1");                                           /* no volumes */
    REFUSED("\1\1\1\x80");                                       /* ends in a number */
    REFUSED("\1\1\1\x80\x00");                                   /* a needless byte */
    REFUSED("\1\x8f\x4e\1\1");                                   /* year 10000 */
    REFUSED("\1\x8e\x4e\1\1\0\1\1");                             /* and one behind 9999 */
    REFUSED("\1\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\2\1");     /* past 64 bits */
    REFUSED("\1\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\1"); /* eleven bytes */
    REFUSED("\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\1\1");     /* a year of 64 bits */
#undef REFUSED
    assert_int_equal(unpack("\1", 1), 0);
    assert_int_equal(unpack("\1\x8e\x4e\1\1", 5), 0); /* 9999 */
}

static void check_round(const ngram_point *points, size_t n)
{
    uint8_t *packed = malloc(NGRAM_PACKED_MAX(n));
    size_t size = ngram_series_pack(packed, points, n);
    assert_in_range(size, 1, NGRAM_PACKED_MAX(n));
    ngram_series *s;
    assert_int_equal(ngram_series_unpack(&s, packed, size), 0);
    assert_int_equal(s->count, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(s->points[i].year, points[i].year);
        assert_true(s->points[i].match_count == points[i].match_count);
        assert_true(s->points[i].volume_count == points[i].volume_count);
    }
    free(s);
    free(packed);
}

static void test_what_is_packed_comes_back(void **state)
{
    (void)state;
    static ngram_point points[NGRAM_LAST_YEAR];
    uint64_t seed = 3;
    for (int round = 0; round < 200; round++) {
        size_t n = 0;
        for (int year = 1 + (int)below(&seed, 2000); year <= NGRAM_LAST_YEAR;
             year += 1 + (int)below(&seed, 300))
            points[n++] = (ngram_point){ year, next_random(&seed) >> below(&seed, 64),
                                         next_random(&seed) >> below(&seed, 64) };
        check_round(points, n);
    }
    for (int i = 0; i < NGRAM_LAST_YEAR; i++)
        points[i] = (ngram_point){ i + 1, UINT64_MAX, UINT64_MAX };
    check_round(points, NGRAM_LAST_YEAR);
    check_round(points, 0);
}

static size_t pack3(uint8_t *to, int year, uint64_t matches, uint64_t volumes)
{
    ngram_point points[] = { { year, matches, volumes }, { year + 1, 1, 1 }, { year + 9, 7, 0 } };
    return ngram_series_pack(to, points, 3);
}

/* Sums of two against the table of sums. */
static void test_two_are_added(void **state)
{
    (void)state;
    static ngram_point points[2][40], sums[80];
    uint64_t seed = 9;
    for (int round = 0; round < 500; round++) {
        uint8_t packed[2][NGRAM_PACKED_MAX(40)], both[2 * NGRAM_PACKED_MAX(40)];
        uint8_t wanted[NGRAM_PACKED_MAX(80)];
        size_t size[2], n, got;
        ngram_sums *s = ngram_sums_new();
        for (int i = 0; i < 2; i++) {
            n = 0;
            for (int year = 1900 + (int)below(&seed, 9); n < 40 && below(&seed, 20) > 0;
                 year += 1 + (int)below(&seed, 3)) {
                uint64_t counts = next_random(&seed) >> (1 + below(&seed, 63));
                points[i][n++] = (ngram_point){ year, counts, counts >> below(&seed, 63) };
            }
            size[i] = ngram_series_pack(packed[i], points[i], n);
            assert_int_equal(ngram_sums_add(s, packed[i], size[i]), 0);
        }
        assert_int_equal(ngram_series_add(both, &got, packed[0], size[0], packed[1], size[1]), 0);
        assert_in_range(got, 1, size[0] + size[1]);
        n = ngram_series_pack(wanted, sums, ngram_sums_points(s, sums));
        assert_int_equal(got, n);
        assert_memory_equal(both, wanted, n);
        ngram_sums_free(s);
    }
}

static void test_two_that_cannot_be_added(void **state)
{
    (void)state;
    uint8_t a[NGRAM_PACKED_MAX(3)], sum[2 * NGRAM_PACKED_MAX(3)];
    ngram_point points[] = { { 1900, 1, 1 }, { 1901, 1, UINT64_MAX }, { 1902, 1, 1 } };
    size_t size = ngram_series_pack(a, points, 3), got;
    assert_int_equal(ngram_series_add(sum, &got, a, size, a, size), YK_EOVERFLOW);
    assert_int_equal(ngram_series_add(sum, &got, a, size, "\1", 1), 0);
    assert_int_equal(got, size);
    assert_memory_equal(sum, a, size);
    assert_int_equal(ngram_series_add(sum, &got, a, size, "", 0), YK_EFORMAT);
    assert_int_equal(ngram_series_add(sum, &got, a, size - 1, a, size), YK_EFORMAT);
    assert_int_equal(ngram_series_add(sum, &got, "\1\1\1", 3, a, size), YK_EFORMAT);
}

static void test_sums(void **state)
{
    (void)state;
    uint8_t a[NGRAM_PACKED_MAX(3)], b[NGRAM_PACKED_MAX(3)];
    ngram_point points[16];
    size_t a_size = pack3(a, 1900, 5, 2), b_size = pack3(b, 1899, UINT64_MAX, 1);
    ngram_sums *s = ngram_sums_new();
    assert_int_equal(ngram_sums_count(s), 0);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(ngram_sums_add(s, a, a_size), 0);
        assert_int_equal(ngram_sums_add(s, b, b_size), 0);
        assert_int_equal(ngram_sums_count(s), 5);
        assert_int_equal(ngram_sums_points(s, points), 5);
        static const ngram_point wanted[] = {
            { 1899, UINT64_MAX, 1 }, { 1900, 6, 3 }, { 1901, 1, 1 }, { 1908, 7, 0 }, { 1909, 7, 0 },
        };
        for (int i = 0; i < 5; i++)
            assert_true(points[i].year == wanted[i].year &&
                        points[i].match_count == wanted[i].match_count &&
                        points[i].volume_count == wanted[i].volume_count);
        ngram_sums_clear(s);
        assert_int_equal(ngram_sums_count(s), 0);
    }
    assert_int_equal(ngram_sums_add(s, b, b_size), 0);
    assert_int_equal(ngram_sums_add(s, b, b_size), YK_EOVERFLOW);
    assert_int_equal(ngram_sums_add(s, "\1\1", 2), YK_EFORMAT);
    ngram_sums_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_series_is_refused),
        cmocka_unit_test(test_what_is_packed_comes_back),
        cmocka_unit_test(test_two_that_cannot_be_added),
        cmocka_unit_test(test_two_are_added),
        cmocka_unit_test(test_sums),
    };
    return cmocka_run_group_tests_name("data/series", tests, files_setup, files_teardown);
}
