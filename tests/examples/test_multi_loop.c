/* Several loops in processes of their own, at a PostgreSQL of the test's own (with_postgres.sh). */
#include "program.h"

#include <inttypes.h>

/* The price of item n is 3 n + 1, and there are 1000. */
static long long sum_of_prices(int queries)
{
    long long sum = 0;
    for (int i = 0; i < queries; i++)
        sum += 3 * (i % 1000) + 1;
    return sum;
}

static void test_without_a_database_it_says_so(void **state)
{
    (void)state;
    program *p = program_start("/bin/sh", "-c",
                               "PGHOST=/nowhere exec " YOKE_BUILD_DIR "/example_multi_loop");
    assert_int_equal(program_wait(p), 1);
    assert_non_null(strstr(program_errors(p), "/nowhere"));
}

static void test_what_all_loops_found_is_gathered(void **state)
{
    (void)state;
    program *p = program_start("example_multi_loop", "500", "2");
    int process[2], at_once;
    for (int i = 0; i < 2; i++) {
        const char *line = program_line(p);
        assert_int_equal(sscanf(line, "process %d: 500 queries, %d at once", &process[i], &at_once),
                         2);
        assert_int_equal(at_once, 4);
    }
    assert_true(process[0] != process[1] && process[0] != p->pid && process[1] != p->pid);
    long long sum;
    const char *line = program_line(p);
    assert_int_equal(strncmp(line, "1000 queries, ", 14), 0);
    assert_int_equal(sscanf(strstr(line, "the prices"), "the prices add up to %lld", &sum), 1);
    assert_int_equal(sum, sum_of_prices(1000));
    program_must_succeed(p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_without_a_database_it_says_so),
        TEST(test_what_all_loops_found_is_gathered),
    };
    return RUN_TESTS("multi_loop", tests);
}
