/* When a worker that died is started again: the pauses, and the chance in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/serve/back_off.h"

#define MS ((uint64_t)1000000)

static void test_the_first_failure_costs_no_time(void **state)
{
    (void)state;
    assert_int_equal(yk__back_off(0, 17), 0);
    assert_int_equal(yk__back_off(1, UINT64_MAX), 0);
}

static void test_pauses_double_up_to_five_seconds(void **state)
{
    (void)state;
    static const uint64_t pauses[] = { 100, 200, 400, 800, 1600, 3200, 5000, 5000 };
    for (unsigned i = 0; i < 8; i++) {
        uint64_t pause = pauses[i] * MS, quarter = pause / 4;
        uint64_t least = UINT64_MAX, most = 0;
        for (int k = 0; k < 1000; k++) {
            uint64_t is = yk__back_off(i + 2, yk__chance());
            least = is < least ? is : least;
            most = is > most ? is : most;
        }
        assert_in_range(least, pause - quarter, pause);
        assert_in_range(most, pause, pause + quarter);
    }
    assert_in_range(yk__back_off(UINT32_MAX, 0), 3750 * MS, 6250 * MS);
}

static void test_the_ends_of_the_range_are_met(void **state)
{
    (void)state;
    assert_int_equal(yk__back_off(2, 0), 75 * MS);
    assert_int_equal(yk__back_off(2, 50 * MS), 125 * MS);
    assert_int_equal(yk__jittered(0, 12345), 0);
    assert_int_equal(yk__jittered(1000, 0), 900);
    assert_int_equal(yk__jittered(1000, 200), 1100);
    for (int i = 0; i < 1000; i++)
        assert_in_range(yk__jittered(UINT64_MAX, yk__chance()), UINT64_MAX / 10 * 8, UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_failure_costs_no_time),
        cmocka_unit_test(test_pauses_double_up_to_five_seconds),
        cmocka_unit_test(test_the_ends_of_the_range_are_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
