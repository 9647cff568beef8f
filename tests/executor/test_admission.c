/* The permits of a bounded queue, without a pool around them. */
#include "support/backends.h"

#include <pthread.h>
#include <stdlib.h>
#include <uv.h>

#include "executor/admission.h"
#include "loop/loop.h"

/* An executor is needed for its references only. */
static void begin(yk__admission *a, size_t limit)
{
    yk_executor *ex = yk__executor_failed(YK_ECLOSED, "stands in for a pool");
    assert_non_null(ex);
    yk__admission_init(a, ex, limit);
}

static void end(yk__admission *a)
{
    yk__admission_destroy(a);
    yk_executor_unref(a->ex);
}

static const yk_job_options no_wait = { .no_wait = true }, wait_for_ever;

static size_t free_permits(yk__admission *a)
{
    size_t n = 0;
    while (yk__admission_enter(a, &no_wait) == 0)
        n++;
    for (size_t i = 0; i < n; i++)
        yk__admission_leave(a);
    return n;
}

static void test_without_a_limit_nobody_is_refused(void **state)
{
    (void)state;
    yk__admission a;
    begin(&a, 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(yk__admission_enter(&a, &no_wait), 0);
    yk__admission_close(&a);
    yk__admission_leave(&a);
    end(&a);
}

static void test_as_many_as_the_limit_are_admitted(void **state)
{
    (void)state;
    yk__admission a;
    begin(&a, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(yk__admission_enter(&a, &no_wait), 0);
    assert_int_equal(yk__admission_enter(&a, &no_wait), YK_EFULL);
    yk__admission_leave(&a);
    assert_int_equal(yk__admission_enter(&a, &no_wait), 0);
    assert_int_equal(yk__admission_enter(&a, &no_wait), YK_EFULL);
    yk__admission_close(&a);
    assert_int_equal(yk__admission_enter(&a, &no_wait), YK_ECLOSED);
    yk__admission_leave(&a);
    assert_int_equal(yk__admission_enter(&a, &wait_for_ever), YK_ECLOSED);
    end(&a);
}

/* ---- Threads that wait ----------------------------------------------------------------------- */

struct entrant {
    yk__admission *a;
    yk_job_options options;
    _Atomic int outcome; /* 1: not yet */
    _Atomic int *order;
    int came_as;
    pthread_t thread;
};

static void *enter_and_tell(void *arg)
{
    struct entrant *e = arg;
    int err = yk__admission_enter(e->a, &e->options);
    if (e->order)
        e->came_as = atomic_fetch_add(e->order, 1);
    atomic_store(&e->outcome, err);
    return NULL;
}

static size_t in_line(yk__admission *a)
{
    size_t n = 0;
    pthread_mutex_lock(&a->lock);
    struct list {
        struct list *prev, *next;
    } *at = (struct list *)a->first;
    for (; at; at = at->next)
        n++;
    pthread_mutex_unlock(&a->lock);
    return n;
}

static void send_in(struct entrant *e, yk__admission *a)
{
    size_t before = in_line(a);
    e->a = a;
    e->outcome = 1;
    assert_int_equal(pthread_create(&e->thread, NULL, enter_and_tell, e), 0);
    eventually(in_line(a) == before + 1 || e->outcome != 1);
}

static void test_those_who_wait_get_in_in_their_order(void **state)
{
    (void)state;
    enum { N = 10 };
    yk__admission a;
    begin(&a, 1);
    assert_int_equal(yk__admission_enter(&a, &no_wait), 0);
    struct entrant e[N] = { 0 };
    _Atomic int order = 0;
    for (int i = 0; i < N; i++) {
        e[i].order = &order;
        send_in(&e[i], &a);
    }
    assert_int_equal(yk__admission_enter(&a, &no_wait), YK_EFULL);
    for (int i = 0; i < N; i++) {
        yk__admission_leave(&a);
        eventually(e[i].outcome != 1);
        /* Nobody who comes now overtakes those in line. */
        assert_int_equal(yk__admission_enter(&a, &no_wait), YK_EFULL);
        pthread_join(e[i].thread, NULL);
        assert_int_equal(e[i].outcome, 0);
        assert_int_equal(e[i].came_as, i);
    }
    yk__admission_leave(&a);
    assert_int_equal(free_permits(&a), 1);
    end(&a);
}

static void test_a_deadline_ends_the_wait_and_costs_no_permit(void **state)
{
    (void)state;
    yk__admission a;
    begin(&a, 1);
    assert_int_equal(yk__admission_enter(&a, &no_wait), 0);
    yk_job_options past = { .submit_deadline = 1 }, soon = { .submit_deadline = yk_after_ms(20) };
    assert_int_equal(yk__admission_enter(&a, &past), UV_ETIMEDOUT);
    assert_int_equal(yk__admission_enter(&a, &soon), UV_ETIMEDOUT);
    assert_true(yk_now() >= soon.submit_deadline);
    assert_int_equal(in_line(&a), 0);
    yk__admission_leave(&a);
    assert_int_equal(free_permits(&a), 1);
    end(&a);
}

static void test_closing_wakes_all_who_wait(void **state)
{
    (void)state;
    yk__admission a;
    begin(&a, 1);
    assert_int_equal(yk__admission_enter(&a, &no_wait), 0);
    struct entrant e[5] = { 0 };
    for (int i = 0; i < 5; i++)
        send_in(&e[i], &a);
    yk__admission_close(&a);
    yk__admission_close(&a);
    for (int i = 0; i < 5; i++) {
        pthread_join(e[i].thread, NULL);
        assert_int_equal(e[i].outcome, YK_ECLOSED);
    }
    yk__admission_leave(&a);
    end(&a);
}

/* Entrants with deadlines that pass just when permits come back: none is lost, none is doubled. */

struct crowd {
    yk__admission a;
    size_t rounds;
    _Atomic int inside;
    _Atomic int admitted, late;
};

static void *come_and_go(void *arg)
{
    struct crowd *c = arg;
    for (size_t i = 0; i < c->rounds; i++) {
        yk_job_options o = { .submit_deadline = yk_now() + 1000 * (i % 50) + 1 };
        int err = yk__admission_enter(&c->a, i % 3 ? &o : &wait_for_ever);
        if (err) {
            assert_int_equal(err, UV_ETIMEDOUT);
            atomic_fetch_add(&c->late, 1);
            continue;
        }
        assert_true(atomic_fetch_add(&c->inside, 1) < 2);
        atomic_fetch_add(&c->admitted, 1);
        if (i % 7 == 0)
            sched_yield();
        atomic_fetch_sub(&c->inside, 1);
        yk__admission_leave(&c->a);
    }
    return NULL;
}

static void test_a_crowd_neither_loses_nor_gains_a_permit(void **state)
{
    (void)state;
    enum { THREADS = 6 };
    struct crowd c = { .rounds = support_rounds(4000) };
    begin(&c.a, 2);
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, come_and_go, &c), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    assert_int_equal((size_t)c.admitted + (size_t)c.late, THREADS * c.rounds);
    assert_int_equal(in_line(&c.a), 0);
    assert_int_equal(free_permits(&c.a), 2);
    end(&c.a);
}

/* ---- Tasks that wait ------------------------------------------------------------------------- */

static yk__admission hall;
static int entered;

static int enter_hall(void *arg)
{
    (void)arg;
    int err = yk__admission_enter(&hall, &wait_for_ever);
    entered += err == 0;
    return err;
}

static int hall_on_the_loop(yk_future *f, void *arg)
{
    (void)f;
    *(int *)arg = yk__admission_enter(&hall, &wait_for_ever);
    return 0;
}

/* The permit is given to the second task and its cancellation follows before it runs again: it is
 * in, or the permit is free, and never neither. */
static void tasks(const backend *b)
{
    (void)b;
    begin(&hall, 1);
    entered = 0;
    assert_int_equal(yk__admission_enter(&hall, &no_wait), 0);
    yk_future *t[3];
    for (int i = 0; i < 3; i++)
        t[i] = yk_task_start(enter_hall, NULL);
    eventually(in_line(&hall) == 3);

    int in_callback = 1; /* which the loop runs outside of any task */
    assert_int_equal(yk_future_on_end(t[0], hall_on_the_loop, &in_callback), 0);
    yk_future_cancel(t[0]);
    assert_int_equal(yk_await(t[0]), YK_ECANCELED);
    assert_int_equal(in_callback, YK_EONLOOP);
    assert_int_equal(in_line(&hall), 2);
    yk__admission_leave(&hall); /* to the second one, */
    yk_future_cancel(t[1]);     /* which has not run yet */
    int err = yk_await(t[1]);
    if (err == 0)
        yk__admission_leave(&hall);
    else
        assert_int_equal(err, YK_ECANCELED);
    assert_int_equal(yk_await(t[2]), 0);
    yk__admission_leave(&hall);
    assert_int_equal(free_permits(&hall), 1);
    for (int i = 0; i < 3; i++)
        yk_future_unref(t[i]);
    end(&hall);
}

static void test_tasks_are_suspended_and_can_be_cancelled(void **state)
{
    (void)state;
    on_a_loop(tasks, NULL);
}

/* Permits come from other threads while tasks are cancelled and time out. */

static _Atomic bool stop_giving;
static _Atomic int to_give;

static void *give_back(void *arg)
{
    (void)arg;
    while (!stop_giving || to_give > 0)
        if (to_give > 0) {
            atomic_fetch_sub(&to_give, 1);
            yk__admission_leave(&hall);
        }
    return NULL;
}

static int enter_in_haste(void *arg)
{
    yk_job_options o = { .submit_deadline = yk_now() + (uintptr_t)arg * 1000 };
    int err = yk__admission_enter(&hall, &o);
    if (err == 0)
        atomic_fetch_add(&to_give, 1);
    return err;
}

static void tasks_in_haste(const backend *b)
{
    (void)b;
    begin(&hall, 2);
    stop_giving = false;
    to_give = 0;
    pthread_t giver;
    assert_int_equal(pthread_create(&giver, NULL, give_back, NULL), 0);
    for (size_t i = 0; i < support_rounds(2000); i++) {
        yk_future *t[6];
        for (uintptr_t k = 0; k < 6; k++)
            t[k] = yk_task_start(enter_in_haste, (void *)(k * 30 + 1));
        yk_yield();
        for (int k = 0; k < 6; k += 2)
            yk_future_cancel(t[k]);
        for (int k = 0; k < 6; k++) {
            int err = yk_await(t[k]);
            assert_true(err == 0 || err == YK_ECANCELED || err == UV_ETIMEDOUT);
            yk_future_unref(t[k]);
        }
    }
    stop_giving = true;
    pthread_join(giver, NULL);
    assert_int_equal(in_line(&hall), 0);
    assert_int_equal(free_permits(&hall), 2);
    end(&hall);
}

static void test_tasks_in_haste_lose_no_permit(void **state)
{
    (void)state;
    on_a_loop(tasks_in_haste, NULL);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_without_a_limit_nobody_is_refused),
        TEST(test_as_many_as_the_limit_are_admitted),
        TEST(test_those_who_wait_get_in_in_their_order),
        TEST(test_a_deadline_ends_the_wait_and_costs_no_permit),
        TEST(test_closing_wakes_all_who_wait),
        TEST(test_a_crowd_neither_loses_nor_gains_a_permit),
        TEST(test_tasks_are_suspended_and_can_be_cancelled),
        TEST(test_tasks_in_haste_lose_no_permit),
    };
    return RUN_TESTS("admission", tests);
}
