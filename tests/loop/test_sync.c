/* Tests of locks, events, conditions, semaphores and barriers between tasks. */
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "loop/sync.h"

/* What happened, a letter each. */
static char story[64];
static size_t told;

static void tell(char c)
{
    assert_in_range(told, 0, sizeof story - 2);
    story[told++] = c;
    story[told] = '\0';
}

static void begin_story(void)
{
    told = 0;
    story[0] = '\0';
}

/* A task for the tests to talk to: does one thing and tells its letter. */
typedef struct actor {
    void *what;
    char letter;
    uint64_t deadline;
    int err;
} actor;

static yk_future *start(yk_task_fn fn, actor *a)
{
    return yk_task_start_with(fn, a, .name = (char[]){ a->letter, '\0' });
}

static void let_them_run(void)
{
    for (int i = 0; i < 4; i++)
        assert_int_equal(yk_yield(), 0);
}

static void end_all(yk_future **tasks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        yk_await(tasks[i]);
        yk_future_unref(tasks[i]);
    }
}

#define ACTORS(name, object, count)                                              \
    actor name[count];                                                           \
    for (size_t i_ = 0; i_ < (count); i_++)                                      \
        name[i_] = (actor)                                                       \
        {                                                                        \
            .what = (object), .letter = (char)('a' + i_), .deadline = YK_FOREVER \
        }

/* ---- Lock ------------------------------------------------------------------------------------ */

static int lock_tell_yield_release(void *arg)
{
    actor *a = arg;
    a->err = yk_lock_acquire(a->what, a->deadline);
    if (a->err)
        return a->err;
    tell(a->letter);
    int err = yk_yield();
    assert_int_equal(yk_lock_release(a->what), 0);
    return err;
}

static int lock_in_order(void *unused)
{
    (void)unused;
    yk_lock lock = { 0 };
    ACTORS(a, &lock, 3);
    yk_future *t[3];
    assert_int_equal(yk_lock_acquire(&lock, YK_FOREVER), 0);
    assert_true(yk_lock_is_held(&lock));
    assert_int_equal(yk_lock_acquire(&lock, YK_FOREVER), YK_EDEADLK);
    for (int i = 0; i < 3; i++)
        t[i] = start(lock_tell_yield_release, &a[i]);
    let_them_run();
    assert_string_equal(story, "");
    assert_int_equal(yk_lock_release(&lock), 0);
    /* It is the first one's now: who comes later waits, also the one who has just released it. */
    assert_int_equal(yk_lock_acquire(&lock, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_lock_acquire(&lock, YK_FOREVER), 0);
    assert_string_equal(story, "abc");
    assert_int_equal(yk_lock_release(&lock), 0);
    assert_int_equal(yk_lock_release(&lock), UV_EPERM);
    assert_false(yk_lock_is_held(&lock));
    end_all(t, 3);
    return 0;
}

static int release_others(void *arg)
{
    actor *a = arg;
    a->err = yk_lock_release(a->what);
    return 0;
}

static int release_what_is_anothers(void *unused)
{
    (void)unused;
    yk_lock lock = { 0 };
    ACTORS(a, &lock, 1);
    assert_int_equal(yk_lock_acquire(&lock, YK_FOREVER), 0);
    yk_future *t = start(release_others, &a[0]);
    end_all(&t, 1);
    assert_int_equal(a[0].err, UV_EPERM);
    assert_true(yk_lock_is_held(&lock));
    return yk_lock_release(&lock);
}

static void test_L01_a_lock_is_had_in_order_by_one_at_a_time(void **state)
{
    (void)state;
    begin_story();
    assert_int_equal(run_task(lock_in_order, NULL), 0);
    assert_int_equal(run_task(release_what_is_anothers, NULL), 0);
    yk_lock lock = { 0 };
    assert_int_equal(yk_lock_acquire(&lock, YK_FOREVER), YK_EONLOOP); /* no task */
    assert_int_equal(yk_lock_release(&lock), UV_EPERM);
}

static int cancel_who_waits(void *unused)
{
    (void)unused;
    yk_lock lock = { 0 };
    ACTORS(a, &lock, 4);
    yk_future *t[4];
    assert_int_equal(yk_lock_acquire(&lock, YK_FOREVER), 0);
    a[1].deadline = yk_now() + 1; /* long over when it comes to wait */
    for (int i = 0; i < 4; i++)
        t[i] = start(lock_tell_yield_release, &a[i]);
    let_them_run();
    yk_future_cancel(t[0]);
    yk_await(t[1]);
    let_them_run();
    assert_int_equal(a[0].err, YK_ECANCELED);
    assert_int_equal(a[1].err, UV_ETIMEDOUT);
    assert_int_equal(yk_lock_release(&lock), 0);
    end_all(t, 4);
    assert_string_equal(story, "cd");
    assert_false(yk_lock_is_held(&lock));
    return 0;
}

/* In one turn the lock is passed to a waiter, and the waiter cancelled; in both orders. */
static int cancel_who_was_served(void *arg)
{
    bool cancel_first = *(bool *)arg;
    yk_lock lock = { 0 };
    ACTORS(a, &lock, 2);
    yk_future *t[2];
    assert_int_equal(yk_lock_acquire(&lock, YK_FOREVER), 0);
    for (int i = 0; i < 2; i++)
        t[i] = start(lock_tell_yield_release, &a[i]);
    let_them_run();
    if (cancel_first)
        yk_future_cancel(t[0]);
    assert_int_equal(yk_lock_release(&lock), 0);
    if (!cancel_first)
        yk_future_cancel(t[0]);
    /* Served, it has the lock and gives it back; the cancellation is told at its next wait. */
    assert_int_equal(yk_await(t[0]), YK_ECANCELED);
    assert_int_equal(a[0].err, 0);
    end_all(t, 2);
    assert_string_equal(story, "ab");
    assert_false(yk_lock_is_held(&lock));
    return 0;
}

static void test_L02_who_is_cancelled_leaves_the_line_and_takes_nothing(void **state)
{
    (void)state;
    begin_story();
    assert_int_equal(run_task(cancel_who_waits, NULL), 0);
    begin_story();
    assert_int_equal(run_task(cancel_who_was_served, &(bool){ false }), 0);
    begin_story();
    assert_int_equal(run_task(cancel_who_was_served, &(bool){ true }), 0);
}

static int cancel_one_that_has_finished(void *unused)
{
    (void)unused;
    yk_lock lock = { 0 };
    ACTORS(a, &lock, 2);
    yk_future *t[2];
    for (int i = 0; i < 2; i++)
        t[i] = start(lock_tell_yield_release, &a[i]);
    yk_await(t[0]);
    assert_int_equal(yk_future_cancel(t[0]), YK_EDONE);
    end_all(t, 2);
    assert_string_equal(story, "ab");
    return 0;
}

static void test_L02_a_finished_waiter_is_cancelled(void **state)
{
    (void)state;
    begin_story();
    assert_int_equal(run_task(cancel_one_that_has_finished, NULL), 0);
}

/* ---- Event ----------------------------------------------------------------------------------- */

static int await_event(void *arg)
{
    actor *a = arg;
    a->err = yk_event_wait(a->what, a->deadline);
    tell(a->err ? '!' : a->letter);
    return a->err;
}

static int events(void *unused)
{
    (void)unused;
    yk_event event = { 0 };
    ACTORS(a, &event, 4);
    yk_future *t[4];
    assert_int_equal(yk_event_wait(&event, 0), UV_ETIMEDOUT);
    for (int i = 0; i < 3; i++)
        t[i] = start(await_event, &a[i]);
    let_them_run();
    yk_future_cancel(t[1]);
    let_them_run();
    yk_event_set(&event);
    yk_event_clear(&event); /* those who waited are awake all the same */
    t[3] = start(await_event, &a[3]);
    let_them_run();
    assert_string_equal(story, "!ac");
    yk_event_set(&event);
    yk_event_set(&event);
    assert_int_equal(yk_event_wait(&event, 0), 0);
    end_all(t, 4);
    assert_string_equal(story, "!acd");
    return 0;
}

static void test_L03_an_event_wakes_all_who_wait(void **state)
{
    (void)state;
    begin_story();
    assert_int_equal(run_task(events, NULL), 0);
    yk_event event = { .is_set = true };
    assert_int_equal(yk_event_wait(&event, YK_FOREVER), 0);
    yk_event_clear(&event);
    assert_int_equal(yk_event_wait(&event, YK_FOREVER), YK_EONLOOP);
}

/* ---- Condition ------------------------------------------------------------------------------- */

typedef struct room {
    yk_lock lock;
    yk_condition changed;
    int value;
} room;

static int await_notice(void *arg)
{
    actor *a = arg;
    room *r = a->what;
    assert_int_equal(yk_lock_acquire(&r->lock, YK_FOREVER), 0);
    a->err = yk_condition_wait(&r->changed, &r->lock, a->deadline);
    assert_ptr_equal(r->lock.owner, yk_task_current()); /* whatever it returned */
    tell(a->err ? '!' : a->letter);
    assert_int_equal(yk_lock_release(&r->lock), 0);
    return a->err;
}

static int notices(void *unused)
{
    (void)unused;
    room r = { 0 };
    ACTORS(a, &r, 6);
    yk_future *t[6];
    assert_int_equal(yk_condition_wait(&r.changed, &r.lock, YK_FOREVER), UV_EPERM);
    for (int i = 0; i < 6; i++)
        t[i] = start(await_notice, &a[i]);
    let_them_run();
    yk_condition_notify(&r.changed, 2);
    let_them_run();
    assert_string_equal(story, "ab");
    yk_future_cancel(t[2]);
    let_them_run();
    assert_string_equal(story, "ab!");
    yk_condition_notify(&r.changed, 1);
    yk_future_cancel(t[3]); /* after it was notified: the notification is not lost */
    let_them_run();
    assert_string_equal(story, "ab!d");
    yk_condition_notify_all(&r.changed);
    yk_condition_notify_all(&r.changed);
    end_all(t, 6);
    assert_string_equal(story, "ab!def");
    return 0;
}

/* Cancelled and timed out while somebody else has the lock: it waits for that all the same. */
static int contested(void *unused)
{
    (void)unused;
    room r = { 0 };
    ACTORS(a, &r, 2);
    yk_future *t[2];
    a[1].deadline = yk_after_ms(1);
    for (int i = 0; i < 2; i++)
        t[i] = start(await_notice, &a[i]);
    let_them_run();
    assert_int_equal(yk_lock_acquire(&r.lock, YK_FOREVER), 0);
    yk_future_cancel(t[0]);
    assert_int_equal(yk_sleep_ms(3), 0);
    assert_string_equal(story, "");
    assert_int_equal(yk_lock_release(&r.lock), 0);
    end_all(t, 2);
    assert_int_equal(a[0].err, YK_ECANCELED);
    assert_int_equal(a[1].err, UV_ETIMEDOUT);
    assert_string_equal(story, "!!");
    return 0;
}

static bool is_three(void *arg)
{
    return ((room *)arg)->value == 3;
}

static int await_three(void *arg)
{
    room *r = arg;
    assert_int_equal(yk_lock_acquire(&r->lock, YK_FOREVER), 0);
    int err = yk_condition_wait_for(&r->changed, &r->lock, is_three, r, YK_FOREVER);
    assert_int_equal(r->value, 3);
    yk_lock_release(&r->lock);
    return err;
}

static int wait_for_three(void *unused)
{
    (void)unused;
    room r = { 0 };
    yk_future *t = yk_task_start(await_three, &r);
    while (r.value < 3) {
        assert_int_equal(yk_yield(), 0);
        r.value++;
        yk_condition_notify_all(&r.changed);
    }
    assert_int_equal(yk_await(t), 0);
    yk_future_unref(t);
    assert_int_equal(yk_condition_wait_for(&r.changed, &r.lock, is_three, &r, 0), UV_EPERM);
    return 0;
}

static void test_L04_a_condition_notifies_in_order_and_loses_nothing(void **state)
{
    (void)state;
    begin_story();
    assert_int_equal(run_task(notices, NULL), 0);
    begin_story();
    assert_int_equal(run_task(contested, NULL), 0);
    assert_int_equal(run_task(wait_for_three, NULL), 0);
}

/* ---- Semaphore ------------------------------------------------------------------------------- */

static int acquire_and_tell(void *arg)
{
    actor *a = arg;
    a->err = yk_semaphore_acquire(a->what, a->deadline);
    if (!a->err)
        tell(a->letter);
    return a->err;
}

static int permits(void *unused)
{
    (void)unused;
    yk_semaphore s = { .value = 2, .most = 2 };
    ACTORS(a, &s, 5);
    yk_future *t[5];
    assert_int_equal(yk_semaphore_release(&s), UV_EINVAL);
    for (int i = 0; i < 5; i++)
        t[i] = start(acquire_and_tell, &a[i]);
    let_them_run();
    assert_string_equal(story, "ab");
    yk_future_cancel(t[2]); /* before it is awoken: the next one is */
    let_them_run();
    assert_int_equal(yk_semaphore_release(&s), 0);
    let_them_run();
    assert_string_equal(story, "abd");
    assert_int_equal(yk_semaphore_release(&s), 0);
    assert_int_equal(yk_semaphore_acquire(&s, 0), UV_ETIMEDOUT); /* it is the fifth one's */
    let_them_run();
    assert_string_equal(story, "abde");
    end_all(t, 5);
    assert_int_equal(yk_semaphore_release(&s), 0);
    assert_int_equal(yk_semaphore_release(&s), 0);
    assert_int_equal(yk_semaphore_release(&s), UV_EINVAL);
    assert_int_equal(s.value, 2);
    return 0;
}

/* Served and cancelled in one turn: the permit is in exactly one place. */
static int permit_race(void *unused)
{
    (void)unused;
    yk_semaphore s = { 0 };
    ACTORS(a, &s, 2);
    yk_future *t[2];
    for (int i = 0; i < 2; i++)
        t[i] = start(acquire_and_tell, &a[i]);
    let_them_run();
    yk_future_cancel(t[0]);
    assert_int_equal(yk_semaphore_release(&s), 0);
    let_them_run();
    size_t had = told;
    assert_int_equal(had + s.value, 1);
    assert_int_equal(yk_semaphore_release(&s), 0);
    end_all(t, 2);
    assert_int_equal(told + s.value, 2);
    return 0;
}

static void test_L05_a_semaphore_is_fair_and_loses_no_permit(void **state)
{
    (void)state;
    begin_story();
    assert_int_equal(run_task(permits, NULL), 0);
    begin_story();
    assert_int_equal(run_task(permit_race, NULL), 0);
}

/* ---- Barrier --------------------------------------------------------------------------------- */

static int meet(void *arg)
{
    actor *a = arg;
    a->err = yk_barrier_wait(a->what, a->deadline);
    return 0;
}

static void join_in(yk_future **t, actor *a, int from, int to)
{
    for (int i = from; i < to; i++)
        t[i] = start(meet, &a[i]);
    let_them_run();
}

static int meetings(void *unused)
{
    (void)unused;
    yk_barrier b = { .parties = 3 };
    ACTORS(a, &b, 10);
    yk_future *t[10];
    join_in(t, a, 0, 2);
    assert_int_equal(b.waiting, 2);
    yk_future_cancel(t[0]);
    let_them_run();
    assert_int_equal(b.waiting, 1);
    assert_int_equal(a[0].err, YK_ECANCELED);
    join_in(t, a, 2, 4); /* full; and used again by the next three */
    join_in(t, a, 4, 7);
    for (int i = 1; i < 7; i++)
        assert_int_equal(a[i].err, (i - 1) % 3);
    join_in(t, a, 7, 9);
    yk_barrier_reset(&b);
    let_them_run();
    assert_int_equal(a[7].err, YK_EBROKEN);
    assert_int_equal(a[8].err, YK_EBROKEN);
    join_in(t, a, 9, 10);
    assert_int_equal(b.waiting, 1);
    yk_barrier_abort(&b);
    end_all(t, 10);
    assert_int_equal(a[9].err, YK_EBROKEN);
    assert_int_equal(yk_barrier_wait(&b, YK_FOREVER), YK_EBROKEN);
    yk_barrier_reset(&b);
    assert_int_equal(yk_barrier_wait(&b, 0), UV_ETIMEDOUT);
    assert_int_equal(b.waiting, 0);
    b.parties = 1;
    assert_int_equal(yk_barrier_wait(&b, YK_FOREVER), 0);
    return 0;
}

static void test_L06_a_barrier_fills_breaks_and_is_used_again(void **state)
{
    (void)state;
    assert_int_equal(run_task(meetings, NULL), 0);
    assert_int_equal(yk_barrier_wait(&(yk_barrier){ 0 }, YK_FOREVER), UV_EINVAL);
}

int main(void)
{
    arm_watchdog();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_L01_a_lock_is_had_in_order_by_one_at_a_time),
        cmocka_unit_test(test_L02_who_is_cancelled_leaves_the_line_and_takes_nothing),
        cmocka_unit_test(test_L02_a_finished_waiter_is_cancelled),
        cmocka_unit_test(test_L03_an_event_wakes_all_who_wait),
        cmocka_unit_test(test_L04_a_condition_notifies_in_order_and_loses_nothing),
        cmocka_unit_test(test_L05_a_semaphore_is_fair_and_loses_no_permit),
        cmocka_unit_test(test_L06_a_barrier_fills_breaks_and_is_used_again),
    };
    return cmocka_run_group_tests_name("loop/sync", tests, NULL, NULL);
}
