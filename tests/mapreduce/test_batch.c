/* Tests of keys and of batches: the same table whether keys wait or not. */
#include "mapreduce/helper.h"

#include "executor/error.h"
#include "mapreduce/batch.h"
#include "mapreduce/run.h"

static unsigned seed = 11;

static unsigned chance(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % below;
}

/* The value of a record; of a poisoned one, only its error. */
static uint64_t value_of(const yk__record *r)
{
    uint64_t value;
    memcpy(&value, r + 1, sizeof value);
    return r->len & YK__POISONED ? (uint32_t)value : value;
}

static const yk__record *find(const yk__table *t, const char *key, uint32_t len)
{
    for (const yk__record *r = NULL; (r = yk__table_next(t, r)) != NULL;)
        if (r->len == len && memcmp(yk__table_key(t, r), key, len & YK__KEY_MAX) == 0)
            return r;
    fail_msg("a key is missing");
    return NULL;
}

static void check_same(const yk__table *a, const yk__table *b)
{
    assert_int_equal(a->used, b->used);
    for (const yk__record *r = NULL; (r = yk__table_next(a, r)) != NULL;)
        assert_int_equal(value_of(find(b, yk__table_key(a, r), r->len)), value_of(r));
}

/* Adds random stretches of a text, one after the other, by a batch and without. */
static void compare(const yk_fold *fold, size_t text_len, unsigned longest, uint64_t largest)
{
    char *text = malloc(text_len + 1);
    for (size_t i = 0; i < text_len; i++)
        text[i] = "ab"[chance(2)];
    yk__table waits = { 0 }, direct = { 0 };
    yk__batch batch;
    yk__table_begin(&waits, fold, 5);
    yk__table_begin(&direct, fold, 5);
    yk__batch_begin(&batch, text, text_len);
    for (int i = 0; i < 3000; i++) {
        size_t len = chance(longest), at = chance((unsigned)(text_len - len) + 1);
        char copy[64];
        memcpy(copy, text + at, len);
        uint64_t value = chance(3) ? chance(9) : largest;
        const char *key = chance(4) ? text + at : copy; /* some keys are not in the text */
        for (unsigned again = chance(3) + 1; again > 0; again--) {
            if (!yk__batch_fold(&batch, &waits, key, len, value))
                assert_int_equal(yk__batch_add(&batch, &waits, key, len, value), 0);
            assert_int_equal(yk__table_add(&direct, copy, len, &value), 0);
        }
    }
    assert_int_equal(yk__batch_flush(&batch, &waits), 0);
    check_same(&waits, &direct);
    yk__table_free(&waits);
    yk__table_free(&direct);
    free(text);
}

static void test_overflow_is_found_in_a_batch(void **state)
{
    (void)state;
    compare(YK_SUM_U64, 500, 8, UINT64_MAX / 50);
    compare(YK_SUM_U64, 500, 30, UINT64_MAX);
}

static void test_batches_fold_the_same(void **state)
{
    (void)state;
    compare(YK_SUM_U64, 1000, 6, 1);
    compare(YK_SUM_U64, 1000, 40, 100);
    compare(YK_MAX_U64, 1000, 12, UINT64_MAX);
    compare(YK_SUM_U64, 41, 40, 1); /* most keys are too near the end to wait */
}

static void test_a_key_hashes_the_same_wherever_it_is(void **state)
{
    (void)state;
    char text[100];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)chance(256);
    for (size_t len = 0; len <= 40; len++) {
        yk__key in_text = yk__key_within(text, len, 3);
        char *exact = malloc(len ? len : 1);
        memcpy(exact, text, len);
        yk__key alone = yk__key_of(exact, len, 3);
        assert_int_equal(in_text.hash, alone.hash);
        assert_true(yk__key_is(&alone, text, len));
        assert_false(yk__key_is(&alone, text, len + 1));
        for (size_t i = 0; i < len; i++) {
            text[i] ^= 1;
            assert_false(yk__key_is(&alone, text, len));
            assert_int_not_equal(yk__hash(text, len, 3), alone.hash);
            text[i] ^= 1;
        }
        free(exact);
    }
}

int main(void)
{
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overflow_is_found_in_a_batch),
        cmocka_unit_test(test_batches_fold_the_same),
        cmocka_unit_test(test_a_key_hashes_the_same_wherever_it_is),
    };
    return cmocka_run_group_tests_name("mapreduce/batch", tests, NULL, NULL);
}
