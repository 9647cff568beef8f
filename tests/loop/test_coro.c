/* Coroutines beneath the tasks: the switch itself. */
#include "common.h"

#include <fenv.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loop/coro.h"
#include "loop/stack.h"

#define STACK ((size_t)64 << 10)

static yk__stack_pool pool;

struct pair {
    yk__coro host, coro;
    yk__stack *stack;
    int steps;
};

static void open_pair(struct pair *p, size_t stack_size, void (*fn)(void *))
{
    *p = (struct pair){ 0 };
    p->stack = yk__stack_take(&pool, stack_size);
    assert_non_null(p->stack);
    yk__coro_make(&p->coro, p->stack->low, stack_size, fn, p);
}

static void close_pair(struct pair *p)
{
    yk__coro_destroy(&p->coro);
    assert_true(yk__stack_give(&pool, p->stack));
}

static void enter(struct pair *p)
{
    yk__coro_switch(&p->host, &p->coro);
}

static void leave(struct pair *p)
{
    yk__coro_switch(&p->coro, &p->host);
}

static void three_steps(void *arg)
{
    struct pair *p = arg;
    for (int i = 0; i < 3; i++) {
        p->steps++;
        leave(p);
    }
    p->steps = 100;
    yk__coro_exit(&p->coro, &p->host);
}

static void test_switch_goes_there_and_back(void **state)
{
    (void)state;
    struct pair p;
    open_pair(&p, STACK, three_steps);
    assert_int_equal(p.steps, 0);
    for (int i = 1; i <= 3; i++) {
        enter(&p);
        assert_int_equal(p.steps, i);
    }
    enter(&p);
    assert_int_equal(p.steps, 100);
    close_pair(&p);
}

/* More live values than there are registers, on both sides of many switches. */
static uint64_t churn(uint64_t seed, struct pair *p, void (*away)(struct pair *))
{
    uint64_t a = seed, b = seed + 1, c = seed + 2, d = seed + 3, e = seed + 4, f = seed + 5,
             g = seed + 6, h = seed + 7;
    double x = (double)seed, y = x / 3;
    for (int i = 0; i < 100; i++) {
        a = a * 31 + h, b ^= a, c += b, d = d * 7 + c, e ^= d, f += e, g = g * 3 + f, h ^= g;
        x = x * 1.0625 + y, y = sqrt(fabs(x));
        if (away)
            away(p);
    }
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return a + b + c + d + e + f + g + h + bits;
}

static uint64_t churned_inside;

static void churn_inside(void *arg)
{
    struct pair *p = arg;
    churned_inside = churn(17, p, leave);
    yk__coro_exit(&p->coro, &p->host);
}

static void test_registers_survive_on_both_sides(void **state)
{
    (void)state;
    struct pair p;
    open_pair(&p, STACK, churn_inside);
    uint64_t outside = churn(4711, &p, enter);
    enter(&p);
    assert_true(outside == churn(4711, NULL, NULL));
    assert_true(churned_inside == churn(17, NULL, NULL));
    close_pair(&p);
}

static void round_upward(void *arg)
{
    struct pair *p = arg;
    p->steps = fegetround() == FE_TONEAREST;
    fesetround(FE_UPWARD);
    leave(p);
    p->steps += fegetround() == FE_UPWARD;
    yk__coro_exit(&p->coro, &p->host);
}

static void test_rounding_mode_is_each_ones_own(void **state)
{
    (void)state;
    struct pair p;
    open_pair(&p, STACK, round_upward);
    enter(&p);
    assert_int_equal(fegetround(), FE_TONEAREST);
    volatile double one = 1, three = 3;
    volatile double there = one / three;
    fesetround(FE_DOWNWARD);
    enter(&p);
    assert_int_equal(fegetround(), FE_DOWNWARD);
    fesetround(FE_TONEAREST);
    assert_true(there == one / three);
    assert_int_equal(p.steps, 2);
    close_pair(&p);
}

/* A chain: each coroutine enters the next one from its own stack. */
struct link {
    struct pair pair;
    int depth;
};

static void nest(void *arg)
{
    struct link *l = arg;
    if (l->depth > 0) {
        struct link inner = { .depth = l->depth - 1 };
        open_pair(&inner.pair, STACK, nest);
        enter(&inner.pair);
        leave(&l->pair);
        enter(&inner.pair);
        l->pair.steps = inner.pair.steps + 1;
        close_pair(&inner.pair);
    } else {
        leave(&l->pair);
    }
    yk__coro_exit(&l->pair.coro, &l->pair.host);
}

static void test_nested_coroutines(void **state)
{
    (void)state;
    struct link outer = { .depth = 20 };
    open_pair(&outer.pair, STACK, nest);
    outer.depth = 20;
    enter(&outer.pair);
    enter(&outer.pair);
    assert_int_equal(outer.pair.steps, 20);
    close_pair(&outer.pair);
}

__attribute__((noinline)) static unsigned recurse(unsigned depth)
{
    volatile char room[64];
    room[depth % sizeof room] = (char)depth;
    return depth ? recurse(depth - 1) + 1 + (room[depth % sizeof room] - (char)depth != 0) : 0;
}

static void recurse_deeply(void *arg)
{
    struct pair *p = arg;
    p->steps = (int)recurse(20000);
    leave(p);
    p->steps += (int)recurse(10000);
    yk__coro_exit(&p->coro, &p->host);
}

static void test_deep_recursion_on_a_large_stack(void **state)
{
    (void)state;
    struct pair p;
    open_pair(&p, (size_t)32 << 20, recurse_deeply);
    enter(&p);
    assert_int_equal(p.steps, 20000);
    enter(&p);
    assert_int_equal(p.steps, 30000);
    close_pair(&p);
}

static void test_many_coroutines_take_turns(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    struct pair *p = calloc(MANY, sizeof *p);
    for (int i = 0; i < MANY; i++)
        open_pair(&p[i], 32 << 10, three_steps);
    for (int round = 1; round <= 4; round++)
        for (int i = 0; i < MANY; i++) {
            enter(&p[i]);
            assert_int_equal(p[i].steps, round == 4 ? 100 : round);
        }
    for (int i = 0; i < MANY; i++)
        close_pair(&p[i]);
    free(p);
}

static void check_alignment(void *arg)
{
    struct pair *p = arg;
    uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
    p->steps = (int)(frame % 16);
    yk__coro_exit(&p->coro, &p->host);
}

static void test_the_stack_is_aligned_whatever_its_size(void **state)
{
    (void)state;
    for (size_t odd = 0; odd < 64; odd += 7) {
        struct pair p;
        open_pair(&p, STACK + odd, check_alignment);
        enter(&p);
        assert_int_equal(p.steps, 0);
        close_pair(&p);
    }
}

int main(void)
{
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_switch_goes_there_and_back),
        cmocka_unit_test(test_registers_survive_on_both_sides),
        cmocka_unit_test(test_rounding_mode_is_each_ones_own),
        cmocka_unit_test(test_nested_coroutines),
        cmocka_unit_test(test_deep_recursion_on_a_large_stack),
        cmocka_unit_test(test_many_coroutines_take_turns),
        cmocka_unit_test(test_the_stack_is_aligned_whatever_its_size),
    };
    yk__stack_pool_init(&pool, YK__GUARD_INSTALLED);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    yk__stack_pool_destroy(&pool);
    return failed;
}
