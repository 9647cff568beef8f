/* Whose turn it is: classes of priority, first in first out in each, ageing, and jobs that may only
 * begin until some time. */
#include "support/backends.h"

#include <uv.h>

#include "executor/queue.h"

/* ---- The queue by itself --------------------------------------------------------------------- */

static yk__queued nodes[200];
static size_t n_nodes;
static yk__queue queue;

static void empty_queue(void)
{
    queue = (yk__queue){ 0 };
    n_nodes = 0;
}

static yk__queued *add(int priority)
{
    yk__queued *q = &nodes[n_nodes++];
    yk__queued_init(q, priority);
    yk__queue_push(&queue, q);
    return q;
}

static void test_E23_the_higher_class_first_and_in_order(void **state)
{
    (void)state;
    empty_queue();
    assert_null(yk__queue_take(&queue));
    yk__queued *low = add(YK_PRIORITY_LOW), *normal[3], *high[2];
    normal[0] = add(0);
    high[0] = add(YK_PRIORITY_HIGH);
    normal[1] = add(0);
    high[1] = add(99);
    normal[2] = add(0);
    yk__queued *lower = add(-99);
    yk__queued *order[] = { high[0], high[1], normal[0], normal[1], normal[2], low, lower };
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        assert_ptr_equal(yk__queue_first(&queue), order[i]);
        assert_ptr_equal(yk__queue_take(&queue), order[i]);
        assert_false(order[i]->waits);
    }
    assert_null(yk__queue_first(&queue));
}

/* Takes until `q` comes; how many came before it. */
static unsigned overtaken(const yk__queued *q, int by)
{
    unsigned n = 0;
    while (yk__queue_take(&queue) != q) {
        n++;
        add(by); /* it never runs dry */
        assert_true(n_nodes < COUNT_OF(nodes));
    }
    return n;
}

static void test_E23_ageing_lets_nobody_starve(void **state)
{
    (void)state;
    empty_queue();
    add(YK_PRIORITY_HIGH);
    yk__queued *normal = add(0), *low = add(YK_PRIORITY_LOW), *low2 = add(YK_PRIORITY_LOW);
    assert_int_equal(overtaken(low, YK_PRIORITY_HIGH), YK__OVERTAKEN_AT_MOST);
    assert_int_equal(overtaken(normal, YK_PRIORITY_HIGH), 0);
    /* The next one of a class waits its own time: a crowd of low ones is no high class. */
    assert_int_equal(overtaken(low2, YK_PRIORITY_HIGH), YK__OVERTAKEN_AT_MOST - 1);
    empty_queue();
    add(0);
    low = add(YK_PRIORITY_LOW);
    assert_int_equal(overtaken(low, 0), YK__OVERTAKEN_AT_MOST);
}

static void test_E23_what_comes_back_stands_where_it_stood(void **state)
{
    (void)state;
    empty_queue();
    yk__queued *q[6];
    for (int i = 0; i < 6; i++)
        q[i] = add(0);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(yk__queue_take(&queue), q[i]);
    yk__queue_put_back(&queue, q[2]);
    yk__queue_put_back(&queue, q[0]);
    yk__queue_put_back(&queue, q[3]);
    yk__queue_put_back(&queue, q[1]);
    yk__queue_remove(&queue, q[4]);
    assert_true(yk__queue_is_all(&queue, YK__CLASS_NORMAL));
    assert_false(yk__queue_is_all(&queue, YK__CLASS_LOW));
    yk__queue_push(&queue, q[4]);
    static const int order[] = { 0, 1, 2, 3, 5, 4 };
    for (int i = 0; i < 6; i++)
        assert_ptr_equal(yk__queue_take(&queue), q[order[i]]);
    assert_false(yk__queue_is_all(&queue, YK__CLASS_NORMAL));
    yk__queue_put_back(&queue, q[3]);
    assert_ptr_equal(yk__queue_take(&queue), q[3]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_E23_the_higher_class_first_and_in_order),
        TEST(test_E23_ageing_lets_nobody_starve),
        TEST(test_E23_what_comes_back_stands_where_it_stood),
    };
    return RUN_TESTS("priority", tests);
}
