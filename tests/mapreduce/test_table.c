/* Tests of the folding table and of the runs in which it is handed over. */
#include "mapreduce/helper.h"

#include "executor/error.h"
#include "mapreduce/run.h"
#include "mapreduce/table.h"

static void add(yk__table *t, const char *key, uint64_t n)
{
    assert_int_equal(yk__table_add(t, key, strlen(key), &n), 0);
}

/* All records of a table, through its runs: fn is called with each. */
static size_t each_record(const yk__table *t, void (*fn)(const yk__view *, void *), void *arg)
{
    yk__parts parts;
    size_t len = yk__parts_measure(t, &parts), n = 0;
    char *runs = malloc(len + 1);
    yk__parts_write(t, &parts, 0, runs);
    assert_true(yk__parts_fit(&parts, len));
    for (unsigned p = 0; p < YK__PARTS; p++) {
        const char *at = runs + parts.at[p], *end = runs + parts.at[p + 1];
        yk__view v;
        uint32_t in_part = 0;
        for (; yk__run_next(&at, end, t->form, &v); in_part++) {
            assert_int_equal(yk__part_of(v.head.hash), p);
            fn(&v, arg);
        }
        assert_ptr_equal(at, end);
        assert_int_equal(in_part, parts.records[p]);
        n += in_part;
    }
    free(runs);
    return n;
}

struct wanted {
    const char *key;
    size_t len;
    uint64_t value;
    bool found, poisoned;
};

static void look(const yk__view *v, void *arg)
{
    struct wanted *w = arg;
    if ((v->head.len & YK__KEY_MAX) != w->len || memcmp(v->key, w->key, w->len))
        return;
    assert_false(w->found);
    w->found = true;
    w->poisoned = v->head.len & YK__POISONED;
    memcpy(&w->value, v->value, sizeof w->value);
}

static struct wanted find(const yk__table *t, const char *key, size_t len)
{
    struct wanted w = { key, len, 0, false, false };
    each_record(t, look, &w);
    return w;
}

static void test_poisoned_key_stays_so_and_others_do_not(void **state)
{
    (void)state;
    yk__table t = { 0 };
    assert_int_equal(yk__table_begin(&t, YK_SUM_U64, 1), 0);
    add(&t, "full", UINT64_MAX);
    add(&t, "other", 1);
    add(&t, "full", 1);
    add(&t, "full", 1);
    struct wanted w = find(&t, "full", 4);
    assert_true(w.found && w.poisoned);
    int code;
    memcpy(&code, &w.value, sizeof code);
    assert_int_equal(code, YK_EOVERFLOW);
    assert_false(find(&t, "other", 5).poisoned);
    assert_int_equal(yk__table_poison(&t, "new", 3, YK_EFORMAT), 0);
    assert_true(find(&t, "new", 3).poisoned);
    yk__table_free(&t);
}

static void test_same_key_folds_and_largest_sum_fits(void **state)
{
    (void)state;
    yk__table t = { 0 };
    assert_int_equal(yk__table_begin(&t, YK_SUM_U64, 1), 0);
    add(&t, "a", UINT64_MAX - 1);
    add(&t, "a", 1);
    struct wanted w = find(&t, "a", 1);
    assert_true(w.found && !w.poisoned);
    assert_true(w.value == UINT64_MAX);
    yk__table_free(&t);
}

static void test_keys_are_bytes(void **state)
{
    (void)state;
    static char long_key[100000];
    memset(long_key, 'x', sizeof long_key);
    yk__table t = { 0 };
    uint64_t n = 1;
    assert_int_equal(yk__table_begin(&t, YK_SUM_U64, 1), 0);
    assert_int_equal(yk__table_add(&t, "", 0, &n), 0);
    assert_int_equal(yk__table_add(&t, "\0", 1, &n), 0);
    assert_int_equal(yk__table_add(&t, "\0\0", 2, &n), 0);
    assert_int_equal(yk__table_add(&t, long_key, sizeof long_key, &n), 0);
    assert_int_equal(yk__table_add(&t, long_key, sizeof long_key - 1, &n), 0);
    assert_int_equal(yk__table_add(&t, long_key, sizeof long_key, &n), 0);
    assert_int_equal(t.used, 5);
    assert_true(find(&t, "", 0).value == 1);
    assert_true(find(&t, "\0\0", 2).value == 1);
    assert_true(find(&t, long_key, sizeof long_key).value == 2);
    yk__table_free(&t);
}

static void sum_values(const yk__view *v, void *arg)
{
    uint64_t value;
    memcpy(&value, v->value, sizeof value);
    *(uint64_t *)arg += value;
}

static void test_many_keys_and_a_second_split(void **state)
{
    (void)state;
    enum { KEYS = 200000 };
    yk__table t = { 0 };
    for (int round = 0; round < 3; round++) {
        assert_int_equal(yk__table_begin(&t, YK_SUM_U64, (uint64_t)round), 0);
        int keys = round == 1 ? 10 : KEYS;
        for (int i = 0; i < 2 * keys; i++) {
            char key[16];
            snprintf(key, sizeof key, "%d", i % keys);
            add(&t, key, 3);
        }
        uint64_t total = 0;
        assert_int_equal(each_record(&t, sum_values, &total), keys);
        assert_true(total == (uint64_t)keys * 6);
    }
    yk__table_free(&t);
}

static void test_damaged_runs_are_noticed(void **state)
{
    (void)state;
    yk__table t = { 0 };
    assert_int_equal(yk__table_begin(&t, YK_SUM_U64, 1), 0);
    add(&t, "abc", 1);
    yk__parts parts;
    size_t len = yk__parts_measure(&t, &parts);
    assert_true(yk__parts_fit(&parts, len));
    assert_false(yk__parts_fit(&parts, len - 1));
    parts.at[7] = len + 1;
    assert_false(yk__parts_fit(&parts, len));
    assert_int_equal(len, sizeof(yk__record) + 8 + 3);
    char run[64];
    yk__parts_measure(&t, &parts);
    yk__parts_write(&t, &parts, 0, run);
    for (size_t cut = 0; cut < len; cut++) {
        const char *at = run;
        yk__view v;
        assert_false(yk__run_next(&at, run + cut, t.form, &v));
    }
    yk__table_free(&t);
}

int main(void)
{
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poisoned_key_stays_so_and_others_do_not),
        cmocka_unit_test(test_same_key_folds_and_largest_sum_fits),
        cmocka_unit_test(test_keys_are_bytes),
        cmocka_unit_test(test_many_keys_and_a_second_split),
        cmocka_unit_test(test_damaged_runs_are_noticed),
    };
    return cmocka_run_group_tests_name("mapreduce/table", tests, NULL, NULL);
}
