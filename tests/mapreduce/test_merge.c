/* Tests of merging the runs of a partition, and of weaving partitions together. */
#include "mapreduce/helper.h"

#include "executor/executor.h"
#include "executor/wait.h"
#include "mapreduce/merge.h"

static const yk__form sum_form = { .value_size = sizeof(uint64_t) };

typedef struct runs {
    char *bytes;
    yk__parts parts;
} runs;

/* The runs of a table with the words of `text`, each counted as often as it stands there. */
static runs make_runs(const char *text)
{
    yk__table t = { 0 };
    assert_int_equal(yk__table_begin(&t, YK_SUM_U64, 42), 0);
    char *copy = strdup(text), *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *eq = strchr(word, '=');
        uint64_t n = eq ? strtoull(eq + 1, NULL, 10) : 1;
        size_t len = eq ? (size_t)(eq - word) : strlen(word);
        assert_int_equal(yk__table_add(&t, word, len, &n), 0);
    }
    free(copy);
    runs r;
    size_t len = yk__parts_measure(&t, &r.parts);
    r.bytes = malloc(len + 1);
    yk__parts_write(&t, &r.parts, 0, r.bytes);
    yk__table_free(&t);
    return r;
}

/* Merges and weaves all partitions of some runs; the result as "key=value key=value ". */
static char *merge_all(const runs *all, size_t n, size_t top, int64_t *code)
{
    yk_executor *pool = yk_thread_pool(.workers = 2);
    yk_future *f[YK__PARTS];
    static yk__span spans[YK__PARTS][8];
    yk__weave weave;
    yk__weave_begin(&weave, sum_form, top ? yk__rank_first : NULL);
    *code = 0;
    for (size_t p = 0; p < YK__PARTS; p++) {
        for (size_t i = 0; i < n; i++)
            spans[p][i] = (yk__span){ all[i].bytes + all[i].parts.at[p],
                                      all[i].bytes + all[i].parts.at[p + 1] };
        yk__merge_arg arg = { .fold = YK_SUM_U64,
                              .form = sum_form,
                              .rank = yk__rank_first,
                              .top = top,
                              .sources = n,
                              .from = spans[p] };
        f[p] = yk_submit(pool, yk__merge_job, &arg, sizeof arg);
        assert_int_equal(yk_await(f[p]), 0);
        size_t len;
        const yk__merged *merged = yk_future_result(f[p], &len);
        if (merged->code)
            *code = merged->code;
        assert_int_equal(yk__weave_add(&weave, merged, len), 0);
    }
    char *text = calloc(1, 1 << 20), *to = text;
    yk_str key, value;
    for (size_t k = 0; (!top || k < top) && yk__weave_next(&weave, &key, &value) > 0; k++) {
        assert_int_equal(value.len, sizeof(uint64_t));
        to += sprintf(to, "%.*s=%llu ", (int)(key.len & YK__KEY_MAX), key.at,
                      *(const unsigned long long *)value.at);
    }
    for (size_t p = 0; p < YK__PARTS; p++)
        yk_future_unref(f[p]);
    assert_int_equal(yk_executor_close(pool), 0);
    return text;
}

static void check(const char *const *texts, size_t n, size_t top, const char *expected)
{
    runs all[8] = { 0 };
    int64_t code;
    for (size_t i = 0; i < n; i++)
        all[i] = make_runs(texts[i]);
    char *got = merge_all(all, n, top, &code);
    assert_int_equal(code, 0);
    assert_string_equal(got, expected);
    free(got);
    for (size_t i = 0; i < n; i++)
        free(all[i].bytes);
}

static void test_overflow_between_pieces_is_found(void **state)
{
    (void)state;
    runs all[] = { make_runs("b=18446744073709551615 a=1"), make_runs("a=1 b=1") };
    int64_t code;
    free(merge_all(all, 2, 0, &code));
    assert_int_equal(code, YK_EOVERFLOW);
    free(merge_all(all, 1, 0, &code));
    assert_int_equal(code, 0);
    free(all[0].bytes);
    free(all[1].bytes);
}

static void test_overflow_within_a_piece_is_found(void **state)
{
    (void)state;
    runs all[] = { make_runs("b=18446744073709551615 b=5"), make_runs("b=1") };
    int64_t code;
    free(merge_all(all, 2, 3, &code));
    assert_int_equal(code, YK_EOVERFLOW);
    free(all[0].bytes);
    free(all[1].bytes);
}

static void test_sorted_by_bytes_shorter_first(void **state)
{
    (void)state;
    const char *texts[] = { "b aa a \xc3\xa9 Z", "a ab b a", "" };
    check(texts, 3, 0, "Z=1 a=3 aa=1 ab=1 b=2 \xc3\xa9=1 ");
}

static void test_top_breaks_ties_by_bytes(void **state)
{
    (void)state;
    const char *texts[] = { "d=2 c=2 b=2 a=1 e=9 f=2", "a=1 g=2 h=2 i=2 j=2 k=2 aa=2" };
    check(texts, 2, 4, "e=9 a=2 aa=2 b=2 ");
    check(texts, 2, 1, "e=9 ");
    check(texts, 2, 100, "e=9 a=2 aa=2 b=2 c=2 d=2 f=2 g=2 h=2 i=2 j=2 k=2 ");
}

static void test_nothing_merges_to_nothing(void **state)
{
    (void)state;
    const char *texts[] = { "", "" };
    check(texts, 2, 0, "");
    check(texts, 2, 5, "");
}

static void test_damaged_result_is_refused(void **state)
{
    (void)state;
    yk__weave weave;
    yk__weave_begin(&weave, sum_form, NULL);
    char few[3] = { 0 }, many[sizeof(yk__merged) + 9] = { 0 };
    assert_int_equal(yk__weave_add(&weave, few, sizeof few), YK_EFORMAT);
    assert_int_equal(yk__weave_add(&weave, many, sizeof many), YK_EFORMAT);
}

/* What comes behind good records ends nothing in silence. */
static void test_damage_behind_a_record_is_told(void **state)
{
    (void)state;
    struct {
        yk__merged merged;
        yk__record head;
        char value[8], key[1], rest[3];
    } result = { .merged.records = 2, .head.len = 1, .value = "1", .key = "a", .rest = "xyz" };
    size_t len = (size_t)(result.rest + sizeof result.rest - (char *)&result);
    yk__weave weave;
    yk_str key, value;
    yk__weave_begin(&weave, sum_form, NULL);
    assert_int_equal(yk__weave_add(&weave, &result, len), 0);
    assert_int_equal(yk__weave_next(&weave, &key, &value), 1);
    assert_int_equal(key.at[0], 'a');
    assert_int_equal(yk__weave_next(&weave, &key, &value), YK_EFORMAT);
    yk__weave_begin(&weave, sum_form, NULL);
    assert_int_equal(yk__weave_add(&weave, &result, len - sizeof result.rest), 0);
    assert_int_equal(yk__weave_next(&weave, &key, &value), 1);
    assert_int_equal(yk__weave_next(&weave, &key, &value), 0);
}

int main(void)
{
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overflow_between_pieces_is_found),
        cmocka_unit_test(test_overflow_within_a_piece_is_found),
        cmocka_unit_test(test_sorted_by_bytes_shorter_first),
        cmocka_unit_test(test_top_breaks_ties_by_bytes),
        cmocka_unit_test(test_nothing_merges_to_nothing),
        cmocka_unit_test(test_damaged_result_is_refused),
        cmocka_unit_test(test_damage_behind_a_record_is_told),
    };
    return cmocka_run_group_tests_name("mapreduce/merge", tests, NULL, NULL);
}
