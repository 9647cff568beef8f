/* tests/data/test_totals.c - total counts. */
#include "data/files.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "data/totals.h"
#include "executor/error.h"

static void test_what_is_no_total_count_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } bad[] = {
        { "", "there are no total counts in it" },
        { " \t\t\n", "there are no total counts in it" },
        { " \t1990,1,2\t", "four numbers with commas between, at byte 10" },
        { " \t1990,1,2,3,4\t", "no more, at byte 12" },
        { " \t1990,1,2,x\t", "this is no number, at byte 11" },
        { " \tyear,1,2,3\t", "this is no number, at byte 2" },
        { " \t1990,1,2,3\t0,1,2,3", "year is out of range (1 to 9999), at byte 20" },
        { "10000,1,2,3", "year is out of range" },
        { "1990,18446744073709551616,2,3", "larger than 64 bits" },
        { "1990,1,2,3\t1991,1,2,3\t1990,1,2,3", "a year comes twice" },
        { "1990\t1\t2\n", "four numbers with TABs between, at byte 8" },
        { "1990\t1\t2\t3\t4\n", "no more, at byte 10" },
        { "1990\t1,2,3\n", "four numbers with TABs between, at byte 6" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ngram_totals *totals = NULL;
        char message[200];
        assert_int_equal(ngram_totals_parse(&totals, bad[i].text, strlen(bad[i].text), "FILE",
                                            message, sizeof message),
                         YK_EFORMAT);
        assert_null(totals);
        assert_int_equal(strncmp(message, "FILE: ", 6), 0);
        assert_non_null(strstr(message, bad[i].reason));
        assert_int_equal(
            ngram_totals_parse(&totals, bad[i].text, strlen(bad[i].text), "FILE", NULL, 0),
            YK_EFORMAT);
    }
}

static void test_files_that_cannot_be_read(void **state)
{
    (void)state;
    ngram_totals *totals = NULL;
    char message[200];
    const char *path = temp_path("missing");
    assert_int_equal(ngram_totals_read(&totals, path, message, sizeof message), UV_ENOENT);
    assert_non_null(strstr(message, path));
    bytes packed = { 0 };
    add_gzip(&packed, " \t1990,1,2,3\t", 13);
    packed.size -= 3;
    path = make_file("short.gz", &packed);
    assert_int_equal(ngram_totals_read(&totals, path, message, sizeof message), YK_ETRUNCATED);
    assert_non_null(strstr(message, path));
    assert_null(totals);
    bytes_free(&packed);
}

static void check_two_years(ngram_totals *totals)
{
    assert_int_equal(totals->count, 2);
    assert_int_equal(totals->years[0].year, 1470);
    assert_int_equal(totals->years[1].year, 1990);
    const ngram_total *t = ngram_totals_find(totals, 1990);
    assert_ptr_equal(t, &totals->years[1]);
    assert_true(t->match_count == UINT64_MAX && t->page_count == 2 && t->volume_count == 3);
    assert_null(ngram_totals_find(totals, 1989));
    assert_null(ngram_totals_find(totals, 2009));
    free(totals);
}

static void test_layouts(void **state)
{
    (void)state;
    static const char *const good[] = {
        " \n1470\t984\t10\t1\n1990\t18446744073709551615\t2\t3\n",
        "1470\t984\t10\t1\r\n1990\t18446744073709551615\t2\t3",
        " \t1470,984,10,1\t1990,18446744073709551615,2,3\t",
        "1470,984,10,1\t1990,18446744073709551615,2,3",
        "1990,18446744073709551615,2,3\r\n1470,984,10,1\r\n",
        "\n1990,18446744073709551615,2,3\n\n1470,984,10,1\n",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ngram_totals *totals;
        assert_int_equal(ngram_totals_parse(&totals, good[i], strlen(good[i]), "x", NULL, 0), 0);
        check_two_years(totals);
    }
    bytes packed = { 0 };
    ngram_totals *totals;
    add_gzip(&packed, good[0], strlen(good[0]));
    assert_int_equal(ngram_totals_read(&totals, make_file("t.gz", &packed), NULL, 0), 0);
    check_two_years(totals);
    bytes_free(&packed);
}

static void test_true_total_counts(void **state)
{
    (void)state;
    const char *path = YOKE_SHARED_DATA "/totalcounts_1-eng-20200217.txt";
    if (access(path, R_OK) != 0)
        skip();
    ngram_totals *totals;
    assert_int_equal(ngram_totals_read(&totals, path, NULL, 0), 0);
    assert_true(totals->count > 400);
    assert_int_equal(ngram_totals_find(totals, 1470)->match_count, 984);
    assert_int_equal(ngram_totals_find(totals, 1470)->page_count, 10);
    assert_int_equal(ngram_totals_find(totals, 2000)->match_count, 24833816292);
    assert_int_equal(ngram_totals_find(totals, 2000)->volume_count, 221835);
    free(totals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_total_count_is_refused),
        cmocka_unit_test(test_files_that_cannot_be_read),
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_true_total_counts),
    };
    return cmocka_run_group_tests_name("data/totals", tests, files_setup, files_teardown);
}
