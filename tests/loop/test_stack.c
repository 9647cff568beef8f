/* Stacks: slabs, guards, reuse, and what a stack overflow looks like. */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "loop/stack.h"

/* What this process has in memory, in bytes. */
static size_t resident(void)
{
    size_t total = 0, pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%zu %zu", &total, &pages), 2);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void test_sizes(void **state)
{
    (void)state;
    yk__stack_pool pool;
    yk__stack_pool_init(&pool, YK__GUARD_INSTALLED);
    static const size_t asked[] = { 0, 1, 16 << 10, (16 << 10) + 1, 1 << 20, 200 << 20 };
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        yk__stack *s = yk__stack_take(&pool, asked[i]);
        assert_non_null(s);
        assert_true(s->size >= (asked[i] ? asked[i] : YK__STACK_DEFAULT));
        s->low[0] = s->low[s->size - 1] = 1;
        assert_true(yk__stack_give(&pool, s));
    }
    assert_null(yk__stack_take(&pool, SIZE_MAX));
    assert_null(yk__stack_take(&pool, (size_t)1 << 60));
    yk__stack_pool_destroy(&pool);
}

static void test_the_last_one_given_is_the_next_one_taken(void **state)
{
    (void)state;
    yk__stack_pool pool;
    yk__stack_pool_init(&pool, YK__GUARD_INSTALLED);
    yk__stack *a = yk__stack_take(&pool, 0), *b = yk__stack_take(&pool, 0);
    assert_ptr_not_equal(a, b);
    yk__stack_give(&pool, a);
    yk__stack_give(&pool, b);
    assert_ptr_equal(yk__stack_take(&pool, 0), b);
    assert_ptr_equal(yk__stack_take(&pool, 0), a);
    yk__stack_give(&pool, a);
    yk__stack_give(&pool, b);
    yk__stack_pool_destroy(&pool);
}

/* As many as a pool must hold, each with its top page touched, whatever guards there are. */
static void hundred_thousand(yk__guard guard, size_t bytes_each)
{
    int many = RUNNING_ON_VALGRIND ? 500 : 100000;
    yk__stack_pool pool;
    yk__stack_pool_init(&pool, guard);
    yk__stack **s = calloc((size_t)many, sizeof *s);
    size_t before = resident();
    for (int i = 0; i < many; i++) {
        s[i] = yk__stack_take(&pool, 0);
        assert_non_null(s[i]);
        s[i]->low[s[i]->size - 1] = 1;
    }
    assert_int_equal(pool.in_use, many);
    size_t used = resident() - before;
    if (!RUNNING_ON_VALGRIND)
        assert_true(used <= (size_t)many * bytes_each);
    for (int i = 0; i < many; i++)
        assert_true(yk__stack_give(&pool, s[i]));
    assert_true(pool.kept <= YK__STACK_CACHE);
    if (!SLOWLY && !RUNNING_ON_VALGRIND)
        assert_true(resident() - before <= YK__STACK_CACHE + (size_t)many * 128);
    yk__stack_pool_destroy(&pool);
    free(s);
}

static void test_a_hundred_thousand_with_the_best_guards(void **state)
{
    (void)state;
    hundred_thousand(YK__GUARD_INSTALLED, SLOWLY ? 16384 : 5120);
}

static void test_a_hundred_thousand_where_guards_split_mappings(void **state)
{
    (void)state;
    hundred_thousand(YK__GUARD_MPROTECT, SLOWLY ? 32768 : 9216);
}

static void test_free_stacks_keep_little_memory(void **state)
{
    (void)state;
    enum { MOST = 2000 };
    int many = RUNNING_ON_VALGRIND ? 300 : MOST;
    yk__stack_pool pool;
    yk__stack_pool_init(&pool, YK__GUARD_INSTALLED);
    yk__stack *s[MOST];
    size_t before = resident();
    for (int i = 0; i < many; i++) {
        s[i] = yk__stack_take(&pool, 0);
        memset(s[i]->low, 1, s[i]->size);
    }
    /* The kernel's count lags behind by some pages a CPU. */
    assert_true(resident() - before + (1 << 20) >= (size_t)many * YK__STACK_DEFAULT);
    for (int i = 0; i < many; i++)
        yk__stack_give(&pool, s[i]);
    if (!SLOWLY && !RUNNING_ON_VALGRIND)
        assert_true(resident() - before <= YK__STACK_CACHE + (1 << 20));
    /* What was given back to the system works again. */
    for (int i = 0; i < many; i++) {
        s[i] = yk__stack_take(&pool, 0);
        s[i]->low[0] = 1;
    }
    for (int i = 0; i < many; i++)
        yk__stack_give(&pool, s[i]);
    yk__stack_pool_destroy(&pool);
}

static void test_a_dead_canary_is_noticed(void **state)
{
    (void)state;
    yk__stack_pool pool;
    yk__stack_pool_init(&pool, YK__GUARD_CANARY);
    yk__stack *s = yk__stack_take(&pool, 0);
    s->low[s->size - 1] = 1;
    assert_true(yk__stack_give(&pool, s));
    assert_ptr_equal(yk__stack_take(&pool, 0), s);
    s->low[5] = 1;
    assert_false(yk__stack_give(&pool, s));
    yk__stack_pool_destroy(&pool);
}

static void touch_guard(yk__guard guard, size_t offset)
{
    yk__stack_pool pool;
    yk__stack_pool_init(&pool, guard);
    yk__stack_take(&pool, 0);
    yk__stack *s = yk__stack_take(&pool, 0);
    signal(SIGSEGV, SIG_DFL);
    *(volatile char *)(s->low - offset) = 1;
    _exit(0);
}

static void test_a_guard_ends_the_process(void **state)
{
    (void)state;
    static const yk__guard guards[] = { YK__GUARD_INSTALLED, YK__GUARD_MPROTECT };
    static const size_t offsets[] = { 1, YK__STACK_GUARD };
    for (size_t i = 0; i < 4; i++) {
        pid_t child = fork();
        if (child == 0)
            touch_guard(guards[i / 2], offsets[i % 2]);
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSEGV);
    }
}

static void test_guard_hit_knows_its_own(void **state)
{
    (void)state;
    yk__stack_pool pool;
    yk__stack_pool_init(&pool, YK__GUARD_INSTALLED);
    yk__stack *s = yk__stack_take(&pool, 0);
    assert_true(yk__stack_guard_hit(s, s->low - 1));
    assert_true(yk__stack_guard_hit(s, s->low - YK__STACK_GUARD));
    assert_false(yk__stack_guard_hit(s, s->low));
    assert_false(yk__stack_guard_hit(s, s->low - YK__STACK_GUARD - 1));
    yk__stack_give(&pool, s);
    yk__stack_pool_destroy(&pool);
}

int main(void)
{
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_the_last_one_given_is_the_next_one_taken),
        cmocka_unit_test(test_a_hundred_thousand_with_the_best_guards),
        cmocka_unit_test(test_a_hundred_thousand_where_guards_split_mappings),
        cmocka_unit_test(test_free_stacks_keep_little_memory),
        cmocka_unit_test(test_a_dead_canary_is_noticed),
        cmocka_unit_test(test_a_guard_ends_the_process),
        cmocka_unit_test(test_guard_hit_knows_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
