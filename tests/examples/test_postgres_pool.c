/* The pool of connections at a PostgreSQL of the test's own (with_postgres.sh), which takes twelve
 * at most: were the pool without a bound, its twenty-four tasks would be refused. */
#include "program.h"

#include <signal.h>
#include <unistd.h>

#define SHOW(sql) program_start("example_postgres_pool", (sql))

/* How many statements that begin so the server is at. */
static int running_at_server(const char *beginning)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%s%%'",
             beginning);
    program *p = SHOW(sql);
    program_must_succeed(p);
    int n = atoi(p->said);
    program_forget(p);
    return n;
}

static void assert_fails(program *p, const char *why)
{
    assert_int_equal(program_wait(p), 1);
    if (!strstr(program_errors(p), why))
        fail_msg("no '%s' in: %s", why, program_errors(p));
}

static void test_failures_are_told(void **state)
{
    (void)state;
    assert_fails(program_start("/bin/sh", "-c",
                               "PGHOST=/nowhere exec " YOKE_BUILD_DIR "/example_postgres_pool"),
                 "/nowhere");
    assert_fails(SHOW("SELECT nonsense"), "column \"nonsense\" does not exist");
    assert_fails(SHOW("SELECT pg_terminate_backend(pg_backend_pid())"), "terminating connection");
    program *p = SHOW("SELECT 12 / (4 - n) FROM generate_series(1, 9) n");
    assert_fails(p, "division by zero");
    assert_string_equal(p->said, "4\n6\n12\n");
}

static void test_tasks_and_threads_come_to_the_same(void **state)
{
    (void)state;
    program *p = program_start("example_postgres_pool");
    program_must_succeed(p);
    assert_string_equal(p->said, "              on the loop   on threads\n"
                                 "sold                   15           15\n"
                                 "sold out                9            9\n"
                                 "rows                20024        20024\n"
                                 "checksum     42790607718462 42790607718462\n"
                                 "a statement of an hour: connection timed out\n"
                                 "its connection: serves on\n"
                                 "one that is cut: connection reset by peer\n"
                                 "the next one: serves\n");
    assert_int_equal(running_at_server("SELECT pg_sleep"), 0);
}

static void test_rows_come_one_by_one(void **state)
{
    (void)state;
    program *p = SHOW("SELECT generate_series(1, 100000000), 'x'");
    assert_string_equal(program_line(p), "1\tx");
    assert_string_equal(program_line(p), "2\tx");
    program_signal(p, SIGINT);
    assert_int_equal(program_wait(p), 130);
    assert_int_equal(running_at_server("SELECT generate_series"), 0);
}

static void test_a_cancelled_statement_ends_at_the_server(void **state)
{
    (void)state;
    program *p = SHOW("SELECT pg_sleep(3600)");
    while (running_at_server("SELECT pg_sleep") == 0)
        usleep(1000);
    program_signal(p, SIGINT);
    assert_int_equal(program_wait(p), 130);
    assert_int_equal(running_at_server("SELECT pg_sleep"), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_failures_are_told),
        TEST(test_tasks_and_threads_come_to_the_same),
        TEST(test_rows_come_one_by_one),
        TEST(test_a_cancelled_statement_ends_at_the_server),
    };
    return RUN_TESTS("postgres_pool", tests);
}
