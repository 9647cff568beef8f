/* Tests of queues, between tasks and between threads. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common.h"
#include "loop/queue.h"

static int put(yk_queue *q, int value)
{
    return yk_queue_put(q, &value, 0);
}

/* The next item; or, negative, why there is none. */
static int get(yk_queue *q)
{
    int value, err = yk_queue_get(q, &value, 0);
    return err ? err : value;
}

/* ---- Without waiting ------------------------------------------------------------------------- */

static void test_L07_a_queue_keeps_its_order_and_its_size(void **state)
{
    (void)state;
    yk_queue *q = yk_queue_new(.item_size = sizeof(int), .capacity = 3);
    int fresh = 0, next = 0;
    for (int round = 0; round < 50; round++) { /* round and round the array */
        while (put(q, fresh) == 0)
            fresh++;
        assert_int_equal(yk_queue_len(q), 3);
        assert_int_equal(put(q, 7), UV_ETIMEDOUT);
        for (int i = 0; i <= round % 3; i++)
            assert_int_equal(get(q), next++);
    }
    yk_queue_free(q);
}

static void test_L07_without_a_size_it_grows(void **state)
{
    (void)state;
    yk_queue *q = yk_queue_new(.item_size = sizeof(int));
    int fresh = 0, next = 0;
    while (fresh < 3000) {
        for (int i = 0; i < 7; i++)
            assert_int_equal(put(q, fresh++), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(get(q), next++);
    }
    while (next < fresh)
        assert_int_equal(get(q), next++);
    assert_int_equal(get(q), UV_ETIMEDOUT);
    yk_queue_free(q);
}

static void test_L07_options_that_make_no_sense(void **state)
{
    (void)state;
    assert_null(yk_queue_new(.item_size = 0));
    assert_null(yk_queue_new(.item_size = SIZE_MAX));
    assert_null(yk_queue_new(.item_size = 4, .order = YK_SMALLEST));
    assert_null(yk_queue_new(.item_size = 4, .order = (yk_queue_order)9));
    yk_queue_free(NULL);
}

static int by_value(const void *a, const void *b)
{
    return (*(const int *)a > *(const int *)b) - (*(const int *)a < *(const int *)b);
}

static int by_tens(const void *a, const void *b)
{
    return *(const int *)a / 10 - *(const int *)b / 10;
}

static void test_L12_the_smallest_first_and_the_oldest_among_equals(void **state)
{
    (void)state;
    yk_queue *q = yk_queue_new(.item_size = sizeof(int), .order = YK_SMALLEST, .compare = by_value);
    unsigned chance = 1;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(put(q, (int)((chance = chance * 1103515245 + 12345) >> 17)), 0);
    for (int i = 0, last = 0; i < 1000; i++) {
        int value = get(q);
        assert_in_range(value, last, INT32_MAX);
        last = value;
    }
    yk_queue_free(q);
    q = yk_queue_new(.item_size = sizeof(int), .order = YK_SMALLEST, .compare = by_tens);
    for (int i = 0; i < 10; i++)
        for (int tens = 5; tens >= 0; tens--)
            assert_int_equal(put(q, tens * 10 + i), 0);
    for (int i = 0; i < 60; i++)
        assert_int_equal(get(q), i);
    yk_queue_free(q);
}

static void test_L12_the_newest_first(void **state)
{
    (void)state;
    yk_queue *q = yk_queue_new(.item_size = sizeof(int), .order = YK_LIFO);
    for (int i = 0; i < 100; i++)
        assert_int_equal(put(q, i), 0);
    for (int i = 99; i >= 50; i--)
        assert_int_equal(get(q), i);
    assert_int_equal(put(q, 777), 0);
    assert_int_equal(get(q), 777);
    assert_int_equal(get(q), 49);
    yk_queue_free(q);
}

static void test_L10_more_is_said_to_be_done_than_was_put(void **state)
{
    (void)state;
    yk_queue *q = yk_queue_new(.item_size = sizeof(int));
    assert_int_equal(yk_queue_join(q, YK_FOREVER), 0);
    assert_int_equal(yk_queue_task_done(q), UV_EINVAL);
    assert_int_equal(put(q, 1), 0);
    assert_int_equal(yk_queue_join(q, 0), UV_ETIMEDOUT);
    assert_int_equal(get(q), 1);
    assert_int_equal(yk_queue_task_done(q), 0);
    assert_int_equal(yk_queue_task_done(q), UV_EINVAL);
    assert_int_equal(yk_queue_join(q, 0), 0);
    yk_queue_free(q);
}

/* ---- Tasks that wait ------------------------------------------------------------------------- */

typedef struct actor {
    yk_queue *q;
    int value, err;
    uint64_t deadline;
} actor;

static int put_one(void *arg)
{
    actor *a = arg;
    a->err = yk_queue_put(a->q, &a->value, a->deadline ? a->deadline : YK_FOREVER);
    return a->err;
}

static int get_one(void *arg)
{
    actor *a = arg;
    a->err = yk_queue_get(a->q, &a->value, a->deadline ? a->deadline : YK_FOREVER);
    return a->err;
}

static int join_it(void *arg)
{
    actor *a = arg;
    a->err = yk_queue_join(a->q, a->deadline ? a->deadline : YK_FOREVER);
    return a->err;
}

static void let_them_run(void)
{
    for (int i = 0; i < 4; i++)
        assert_int_equal(yk_yield(), 0);
}

static void start_all(yk_future **t, actor *a, int n, yk_queue *q, yk_task_fn fn)
{
    for (int i = 0; i < n; i++) {
        a[i] = (actor){ .q = q, .value = a[i].value, .deadline = a[i].deadline, .err = 1 };
        t[i] = yk_task_start(fn, &a[i]);
    }
    let_them_run();
}

static void end_all(yk_future **t, int n)
{
    for (int i = 0; i < n; i++) {
        yk_await(t[i]);
        yk_future_unref(t[i]);
    }
}

static int getters_wait(void *unused)
{
    (void)unused;
    yk_queue *q = yk_queue_new(.item_size = sizeof(int), .capacity = 1);
    actor a[4] = { { 0 }, { .deadline = yk_now() + 1 } };
    yk_future *t[4];
    start_all(t, a, 4, q, get_one);
    yk_await(t[1]);
    assert_int_equal(a[1].err, UV_ETIMEDOUT);
    yk_future_cancel(t[0]); /* and it leaves the line before something comes */
    let_them_run();
    assert_int_equal(a[0].err, YK_ECANCELED);
    assert_int_equal(put(q, 10), 0);
    assert_int_equal(put(q, 11), 0); /* the size does not matter: each has gone to its getter */
    assert_int_equal(get(q), UV_ETIMEDOUT);
    end_all(t, 4);
    assert_int_equal(a[2].value, 10);
    assert_int_equal(a[3].value, 11);
    yk_queue_free(q);
    return 0;
}

/* An item comes and the getter is cancelled, in one turn and in both orders. */
static int getter_race(void *arg)
{
    bool cancel_first = *(bool *)arg;
    yk_queue *q = yk_queue_new(.item_size = sizeof(int));
    actor a[2] = { 0 };
    yk_future *t[2];
    start_all(t, a, 2, q, get_one);
    if (cancel_first)
        yk_future_cancel(t[0]);
    assert_int_equal(put(q, 5), 0);
    if (!cancel_first)
        yk_future_cancel(t[0]);
    let_them_run();
    int have = (a[0].err == 0) + (a[1].err == 0) + (int)yk_queue_len(q);
    assert_int_equal(have, 1);
    assert_int_equal(put(q, 6), 0);
    assert_int_equal(put(q, 7), 0);
    end_all(t, 2);
    yk_queue_free(q);
    return 0;
}

static int putters_wait(void *unused)
{
    (void)unused;
    yk_queue *q = yk_queue_new(.item_size = sizeof(int), .capacity = 2);
    actor a[5] = { { .value = 0 }, { .value = 1 }, { .value = 2 }, { .value = 3 }, { .value = 4 } };
    yk_future *t[5];
    a[3].deadline = yk_now() + 1;
    start_all(t, a, 5, q, put_one);
    assert_int_equal(yk_queue_len(q), 2);
    yk_await(t[3]);
    assert_int_equal(a[3].err, UV_ETIMEDOUT);
    assert_int_equal(get(q), 0); /* makes room for the third one's */
    yk_future_cancel(t[2]);      /* too late: it has been put */
    assert_int_equal(put(q, 9), UV_ETIMEDOUT);
    let_them_run();
    assert_int_equal(a[2].err, 0);
    assert_int_equal(get(q), 1);
    let_them_run();
    assert_int_equal(a[4].err, 0);
    assert_int_equal(get(q), 2);
    assert_int_equal(get(q), 4);
    assert_int_equal(get(q), UV_ETIMEDOUT);
    end_all(t, 5);
    yk_queue_free(q);
    return 0;
}

static int cancel_a_putter(void *unused)
{
    (void)unused;
    yk_queue *q = yk_queue_new(.item_size = sizeof(int), .capacity = 1);
    actor a[3] = { { .value = 0 }, { .value = 1 }, { .value = 2 } };
    yk_future *t[3];
    start_all(t, a, 3, q, put_one);
    yk_future_cancel(t[1]);
    let_them_run();
    assert_int_equal(a[1].err, YK_ECANCELED);
    assert_int_equal(get(q), 0);
    assert_int_equal(get(q), 2);
    end_all(t, 3);
    yk_queue_free(q);
    return 0;
}

static void test_L08_no_item_and_no_room_is_lost_when_one_is_cancelled(void **state)
{
    (void)state;
    assert_int_equal(run_task(getters_wait, NULL), 0);
    assert_int_equal(run_task(getter_race, &(bool){ false }), 0);
    assert_int_equal(run_task(getter_race, &(bool){ true }), 0);
    assert_int_equal(run_task(putters_wait, NULL), 0);
    assert_int_equal(run_task(cancel_a_putter, NULL), 0);
}

/* Getters wait only while it is empty, putters only while it is full. */
static int who_waits(void *unused)
{
    (void)unused;
    yk_queue *q = yk_queue_new(.item_size = sizeof(int), .capacity = 3);
    actor in[8] = { 0 }, out[8] = { 0 };
    yk_future *ti[8], *to[8];
    start_all(to, out, 3, q, get_one);
    start_all(ti, in, 8, q, put_one);
    for (int i = 0; i < 3; i++)
        assert_int_equal(out[i].err, 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(in[i].err, i < 6 ? 0 : 1); /* three got, three stored, two wait */
    start_all(to + 3, out + 3, 5, q, get_one);
    for (int i = 0; i < 8; i++)
        assert_int_equal(in[i].err + out[i].err, 0);
    end_all(ti, 8);
    end_all(to, 8);
    yk_queue_free(q);
    return 0;
}

static void test_L09_who_waits_waits_with_reason(void **state)
{
    (void)state;
    assert_int_equal(run_task(who_waits, NULL), 0);
}

static int join_waits(void *unused)
{
    (void)unused;
    yk_queue *q = yk_queue_new(.item_size = sizeof(int));
    actor a[3] = { { 0 }, { 0 }, { .deadline = yk_now() + 1 } };
    yk_future *t[3];
    assert_int_equal(put(q, 1), 0);
    assert_int_equal(put(q, 2), 0);
    start_all(t, a, 3, q, join_it);
    yk_await(t[2]);
    assert_int_equal(a[2].err, UV_ETIMEDOUT);
    assert_int_equal(get(q), 1);
    assert_int_equal(get(q), 2);
    assert_int_equal(yk_queue_task_done(q), 0);
    let_them_run();
    assert_int_equal(a[0].err, 1);
    assert_int_equal(yk_queue_task_done(q), 0);
    end_all(t, 3);
    assert_int_equal(a[0].err + a[1].err, 0);
    yk_queue_free(q);
    return 0;
}

static void test_L10_join_waits_for_all_that_was_put(void **state)
{
    (void)state;
    assert_int_equal(run_task(join_waits, NULL), 0);
}

/* ---- Shutting down --------------------------------------------------------------------------- */

static int shut_down_empty(void *unused)
{
    (void)unused;
    yk_queue *q = yk_queue_new(.item_size = sizeof(int));
    actor a[2] = { 0 };
    yk_future *t[2];
    start_all(t, a, 2, q, get_one);
    assert_int_equal(yk_queue_shutdown(q, false), 0);
    end_all(t, 2);
    assert_int_equal(a[0].err, YK_ECLOSED);
    assert_int_equal(a[1].err, YK_ECLOSED);
    assert_int_equal(put(q, 1), YK_ECLOSED);
    assert_int_equal(get(q), YK_ECLOSED);
    yk_queue_free(q);
    return 0;
}

static int shut_down_full(void *arg)
{
    bool at_once = *(bool *)arg;
    yk_queue *q = yk_queue_new(.item_size = sizeof(int), .capacity = 2);
    actor a[3] = { { .value = 1 }, { .value = 2 }, { .value = 3 } }, j = { 0 };
    yk_future *t[3], *tj;
    start_all(t, a, 3, q, put_one);
    start_all(&tj, &j, 1, q, join_it);
    assert_int_equal(yk_queue_shutdown(q, at_once), at_once ? 2 : 0);
    assert_int_equal(yk_queue_shutdown(q, at_once), 0);
    end_all(t, 3);
    assert_int_equal(a[2].err, YK_ECLOSED);
    if (!at_once) {
        assert_int_equal(get(q), 1);
        assert_int_equal(get(q), 2);
        assert_int_equal(j.err, 1);
        yk_queue_task_done(q);
        yk_queue_task_done(q);
    }
    assert_int_equal(get(q), YK_ECLOSED);
    end_all(&tj, 1);
    assert_int_equal(j.err, 0);
    yk_queue_free(q);
    return 0;
}

/* What was got before is still unfinished after all else was dropped. */
static void shut_down_with_one_in_hand(void)
{
    yk_queue *q = yk_queue_new(.item_size = sizeof(int));
    for (int i = 0; i < 3; i++)
        assert_int_equal(put(q, i), 0);
    assert_int_equal(get(q), 0);
    assert_int_equal(yk_queue_shutdown(q, true), 2);
    assert_int_equal(yk_queue_join(q, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_queue_task_done(q), 0);
    assert_int_equal(yk_queue_join(q, 0), 0);
    yk_queue_free(q);
}

static void test_L11_shutdown_of_empty_and_full_queues_at_once_or_not(void **state)
{
    (void)state;
    assert_int_equal(run_task(shut_down_empty, NULL), 0);
    assert_int_equal(run_task(shut_down_full, &(bool){ false }), 0);
    assert_int_equal(run_task(shut_down_full, &(bool){ true }), 0);
    shut_down_with_one_in_hand();
}

/* ---- Between threads ------------------------------------------------------------------------- */

enum { THREADS = 4, EACH = SLOWLY ? 2000 : 20000 };

typedef struct traffic {
    yk_queue *q;
    _Atomic uint64_t sum, got;
} traffic;

static void *put_many(void *arg)
{
    traffic *t = arg;
    for (int i = 1; i <= EACH; i++)
        assert_int_equal(yk_queue_put(t->q, &i, YK_FOREVER), 0);
    return NULL;
}

static void count_all(traffic *t)
{
    int value;
    while (yk_queue_get(t->q, &value, YK_FOREVER) == 0) {
        atomic_fetch_add(&t->sum, (uint64_t)value);
        atomic_fetch_add(&t->got, 1);
        yk_queue_task_done(t->q);
    }
}

static void *get_many(void *arg)
{
    count_all(arg);
    return NULL;
}

/* One of the getters gives up again and again. */
static int get_many_impatiently(void *arg)
{
    traffic *t = arg;
    int value, err;
    while ((err = yk_queue_get(t->q, &value, yk_now() + 1000)) != YK_ECLOSED) {
        if (err)
            continue;
        atomic_fetch_add(&t->sum, (uint64_t)value);
        atomic_fetch_add(&t->got, 1);
        yk_queue_task_done(t->q);
    }
    return 0;
}

static int get_many_in_task(void *arg)
{
    count_all(arg);
    return 0;
}

static int traffic_on_loop(void *arg)
{
    traffic *t = arg;
    yk_future *tasks[3] = { yk_task_start(get_many_in_task, t), yk_task_start(get_many_in_task, t),
                            yk_task_start(get_many_impatiently, t) };
    pthread_t in[THREADS], out[2];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&in[i], NULL, put_many, t);
    for (int i = 0; i < 2; i++)
        pthread_create(&out[i], NULL, get_many, t);
    while (atomic_load(&t->got) < (uint64_t)THREADS * EACH)
        assert_int_equal(yk_yield(), 0);
    assert_int_equal(yk_queue_join(t->q, YK_FOREVER), 0);
    yk_queue_shutdown(t->q, false);
    end_all(tasks, 3);
    for (int i = 0; i < THREADS; i++)
        pthread_join(in[i], NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(out[i], NULL);
    return 0;
}

static void test_L08_threads_and_tasks_share_a_queue(void **state)
{
    (void)state;
    traffic t = { .q = yk_queue_new(.item_size = sizeof(int), .capacity = 8, .shared = true) };
    assert_int_equal(run_task(traffic_on_loop, &t), 0);
    assert_int_equal(t.got, (uint64_t)THREADS * EACH);
    assert_int_equal(t.sum, (uint64_t)THREADS * EACH * (EACH + 1) / 2);
    yk_queue_free(t.q);
}

static int cancel_again_and_again(void *arg)
{
    traffic *t = arg;
    for (int i = 0; i < EACH / 10; i++) {
        actor a = { .q = t->q, .err = 1 };
        yk_future *g = yk_task_start(get_one, &a);
        yk_yield();
        yk_future_cancel(g);
        int err = yk_await(g);
        yk_future_unref(g);
        if (err == YK_ECLOSED)
            break;
        if (a.err == 0) {
            atomic_fetch_add(&t->got, 1);
            yk_queue_task_done(t->q);
        }
    }
    return 0;
}

static void test_L08_a_getter_is_cancelled_while_another_thread_puts(void **state)
{
    (void)state;
    traffic t = { .q = yk_queue_new(.item_size = sizeof(int), .shared = true) };
    pthread_t in;
    pthread_create(&in, NULL, put_many, &t);
    assert_int_equal(run_task(cancel_again_and_again, &t), 0);
    pthread_join(in, NULL);
    assert_int_equal(t.got + yk_queue_len(t.q), EACH);
    yk_queue_free(t.q);
}

int main(void)
{
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_L07_a_queue_keeps_its_order_and_its_size),
        cmocka_unit_test(test_L07_without_a_size_it_grows),
        cmocka_unit_test(test_L07_options_that_make_no_sense),
        cmocka_unit_test(test_L12_the_smallest_first_and_the_oldest_among_equals),
        cmocka_unit_test(test_L12_the_newest_first),
        cmocka_unit_test(test_L10_more_is_said_to_be_done_than_was_put),
        cmocka_unit_test(test_L08_no_item_and_no_room_is_lost_when_one_is_cancelled),
        cmocka_unit_test(test_L09_who_waits_waits_with_reason),
        cmocka_unit_test(test_L10_join_waits_for_all_that_was_put),
        cmocka_unit_test(test_L11_shutdown_of_empty_and_full_queues_at_once_or_not),
        cmocka_unit_test(test_L08_threads_and_tasks_share_a_queue),
        cmocka_unit_test(test_L08_a_getter_is_cancelled_while_another_thread_puts),
    };
    return cmocka_run_group_tests_name("loop/queue", tests, NULL, NULL);
}
