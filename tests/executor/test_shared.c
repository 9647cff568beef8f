/* What jobs share: counters that are watched, blocks of memory that are counted. */
#include "shared_common.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

/* ---- Counters -------------------------------------------------------------------------------- */

static int job_adds(yk_job *job)
{
    struct common *c = common_of(job);
    for (int i = 0; i < 10000; i++) {
        yk_counter_add(&c->done, 1);
        atomic_fetch_add(&c->plain, 2);
        atomic_fetch_add_explicit(&c->each[i % 16], 1, memory_order_relaxed);
    }
    return 0;
}

static void adds_up(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 8);
    struct common *c = common_new();
    yk_future *f[8];
    for (int i = 0; i < 8; i++)
        f[i] = start(b, ex, job_adds, c);
    for (int i = 0; i < 8; i++)
        expect_end(f[i], 0);
    assert_int_equal(yk_counter_get(&c->done), 80000);
    assert_int_equal(atomic_load(&c->plain), 160000);
    for (int i = 0; i < 16; i++)
        assert_int_equal(atomic_load(&c->each[i]), 5000);
    backend_close(ex);
    yk_arena_free(c);
}

static void test_counters_of_8_workers_add_up(void **state)
{
    (void)state;
    on_every_backend(adds_up);
}

/* ---- Counters that are watched --------------------------------------------------------------- */

/* Adds one when it is told to, 20 times. */
static int job_steps(yk_job *job)
{
    struct common *c = common_of(job);
    for (uint32_t i = 1; i <= 20; i++) {
        while (get(&c->go) < i)
            if (yk_job_cancelled(job))
                return YK_ECANCELED;
            else
                usleep(50);
        yk_counter_add(&c->done, 1);
    }
    return 0;
}

static void follows(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    struct common *c = common_new();
    yk_future *f = start(b, ex, job_steps, c);
    for (uint32_t i = 1; i <= 20; i++) {
        yk_future *more = yk_counter_reaches(&c->done, i);
        assert_false(yk_future_ended(more));
        assert_int_equal(yk_await_until(more, yk_after_ms(1)), UV_ETIMEDOUT);
        word_set(word_at(&c->go), i);
        assert_int_equal(yk_await(more), 0); /* the job goes on: it is the addition that wakes */
        assert_int_equal(yk_counter_get(&c->done), i);
        yk_future_unref(more);
    }
    expect_end(f, 0);
    backend_close(ex);
    yk_arena_free(c);
}

static void test_counter_wakes_who_waits_for_its_value(void **state)
{
    (void)state;
    on_every_backend(follows);
}

static int note_value(yk_future *f, void *arg)
{
    struct common *c = arg;
    assert_int_equal(yk_future_state(f), YK_DONE);
    atomic_fetch_add(&c->plain, yk_counter_get(&c->done) >= 500);
    return 0;
}

static void many_watch(const backend *b)
{
    enum { N = 50 };
    yk_executor *ex = OPEN(b, .workers = 2);
    struct common *c = common_new(), *other = common_new();
    yk_future *f[N], *called = yk_counter_reaches(&c->done, 500);
    assert_int_equal(yk_future_on_end(called, note_value, c), 0);
    for (uint64_t i = 0; i < N; i++) /* in no order */
        f[i] = yk_counter_reaches(i % 2 ? &c->done : &other->done, i * 7919 % 1000 * 10);
    yk_future *adders[2] = { start(b, ex, job_adds, c), start(b, ex, job_adds, other) };
    assert_int_equal(yk_await_all(f, N, YK_FOREVER), 0);
    assert_int_equal(yk_await(called), 0);
    eventually(atomic_load(&c->plain) % 2 == 1); /* the jobs add 2 at a time */
    for (int i = 0; i < N; i++)
        yk_future_unref(f[i]);
    for (int i = 0; i < 2; i++)
        expect_end(adders[i], 0);
    yk_future_unref(called);
    backend_close(ex);
    yk_arena_free(c);
    yk_arena_free(other);
}

static void test_counter_is_watched_by_many(void **state)
{
    (void)state;
    on_every_backend(many_watch);
}

static void test_counter_watch_ends_at_once_or_is_cancelled(void **state)
{
    (void)state;
    yk_counter local = { 0 }; /* outside of the arena, for this process alone */
    assert_int_equal(yk_counter_add(&local, 5), 5);
    yk_future *f = yk_counter_reaches(&local, 5);
    assert_int_equal(yk_future_state(f), YK_DONE);
    yk_future_unref(f);
    struct common *c = common_new();
    f = yk_counter_reaches(&c->done, 1);
    yk_arena_free(c); /* the future keeps it */
    assert_true(yk_arena_used() > 0);
    assert_int_equal(yk_future_cancel(f), 0);
    assert_int_equal(yk_arena_used(), 0);
    yk_future_unref(f);
    f = yk_counter_reaches(&local, 7);
    yk_counter_add(&local, 1);
    assert_false(yk_future_ended(f));
    yk_counter_add(&local, 1);
    assert_int_equal(yk_future_state(f), YK_DONE);
    assert_int_equal(yk_future_cancel(f), YK_EDONE);
    yk_future_unref(f);
    f = yk_counter_reaches(NULL, 7);
    assert_int_equal(yk_future_error(f)->code, UV_EINVAL);
    yk_future_unref(f);
}

/* Dies after it has added and before it has told anybody. */
static int job_adds_and_dies(yk_job *job)
{
    struct common *c = common_of(job);
    atomic_store((_Atomic uint64_t *)&c->done.wanted, 0);
    atomic_fetch_add((_Atomic uint64_t *)&c->done.value, 1);
    raise(SIGKILL);
    return 0;
}

static void adder_dies(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    struct common *c = common_new();
    yk_future *reached = yk_counter_reaches(&c->done, 1);
    yk_future *f = start(b, ex, job_adds_and_dies, c);
    expect_end(reached, 0);
    expect_end(f, YK_ECRASHED);
    backend_close(ex);
    yk_arena_free(c);
}

static void test_counter_of_a_worker_that_dies_before_it_tells(void **state)
{
    (void)state;
    on_processes(adder_dies);
}

static int job_watches(yk_job *job)
{
    yk_future *f = yk_counter_reaches(&common_of(job)->done, 1);
    int err = yk_future_error(f) ? yk_future_error(f)->code : 0;
    yk_future_unref(f);
    return err;
}

static void not_in_a_worker(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    struct common *c = common_new();
    expect_end(start(b, ex, job_watches, c), UV_ENOTSUP);
    backend_close(ex);
    yk_arena_free(c);
}

static void test_counter_is_not_watched_in_a_worker(void **state)
{
    (void)state;
    on_processes(not_in_a_worker);
}

/* ---- Blocks that jobs use -------------------------------------------------------------------- */

/* Reads the whole block when it is told to, and may die in the middle. */
static int job_reads(yk_job *job)
{
    struct common *c = common_of(job);
    atomic_fetch_add(word_at(&c->begun), 1);
    if (c->kind == KILLED && yk_job_worker(job) == 0)
        raise(SIGKILL);
    while (get(&c->go) == 0)
        if (yk_job_cancelled(job))
            return YK_ECANCELED;
        else
            usleep(50);
    return c->a == 1234 && c->code == 77 ? yk_job_return(job, &c->a, sizeof c->a) : UV_EPROTO;
}

static void still_used(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    struct common *c = common_new();
    c->kind = b->processes ? KILLED : RETURNS;
    c->a = 1234;
    c->code = 77;
    yk_future *f[2] = { start(b, ex, job_reads, c), start(b, ex, job_reads, c) };
    eventually(get(&c->begun) == 2);
    if (b->processes) {
        yk_future *first;
        yk_as_completed *each = yk_as_completed_new(f, 2);
        assert_int_equal(yk_as_completed_next(each, &first, YK_FOREVER), 0);
        yk_as_completed_free(each);
        assert_int_equal(yk_future_error(first)->code, YK_ECRASHED); /* and the block is there */
    }
    yk_arena_free(c); /* the jobs' references hold it: nobody else can get this memory */
    struct common *others[4];
    for (int i = 0; i < 4; i++) {
        others[i] = common_new();
        assert_ptr_not_equal(others[i], c);
        memset(others[i], 0xee, sizeof *others[i]);
    }
    word_set(word_at(&c->go), 1);
    int done = 0;
    for (int i = 0; i < 2; i++) {
        done += yk_await(f[i]) == 0;
        yk_future_unref(f[i]);
        yk_arena_free(others[2 * i]);
        yk_arena_free(others[2 * i + 1]);
    }
    assert_int_equal(done, b->processes ? 1 : 2);
    backend_close(ex);
    assert_true(is_free(c));
}

static void test_P50_a_block_stays_while_one_of_its_users_lives(void **state)
{
    (void)state;
    on_every_backend(still_used);
}

/* Whatever becomes of a job, it gives back. When its future has ended, it has. */
static void all_give_back(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    struct common *c = common_new(), *busy = common_new();
    yk_future *f[4], *first = start(b, ex, job_reads, busy);
    eventually(get(&busy->begun));
    yk_arena_free(busy);
    for (int i = 0; i < 3; i++)
        f[i] = start(b, ex, job_reads, c);
    f[3] = start_opts(b, ex, job_reads, c, (yk_job_options){ .start_by = yk_after_ms(1) });
    yk_arena_free(c);
    assert_int_equal(yk_await(f[3]), YK_EEXPIRED);
    assert_true(yk_future_cancel(f[0]) >= 0);
    assert_int_equal(yk_await(f[0]), YK_ECANCELED);
    assert_int_equal(yk_future_cancel(first), 1);
    assert_int_equal(yk_await(first), YK_ECANCELED);
    assert_int_equal(yk_executor_shutdown(ex, .cancel_running = true), 0);
    for (int i = 0; i < 4; i++)
        assert_true(yk_future_ended(f[i]));
    assert_true(is_free(c)); /* with all futures still there */
    c = common_new();
    yk_future *late = start(b, ex, job_reads, c);
    assert_int_equal(yk_await(late), YK_ECLOSED);
    yk_arena_free(c);
    assert_true(is_free(c));
    yk_future_unref(late);
    yk_future_unref(first);
    for (int i = 0; i < 4; i++)
        yk_future_unref(f[i]);
    backend_close(ex);
}

static void test_blocks_are_given_back_by_jobs_that_never_ran(void **state)
{
    (void)state;
    on_every_backend(all_give_back);
}

static int job_dies_once(yk_job *job)
{
    struct common *c = common_of(job);
    if (atomic_fetch_add(word_at(&c->begun), 1) < 2)
        raise(SIGKILL);
    return c->code == 77 ? 0 : UV_EPROTO;
}

static void kept_for_retries(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    struct common *c = common_new();
    c->code = 77;
    yk_future *f = start_opts(b, ex, job_dies_once, c, (yk_job_options){ .retries = 3 });
    yk_arena_free(c);
    expect_end(f, 0);
    backend_close(ex);
}

static void test_blocks_are_kept_for_a_job_that_is_run_again(void **state)
{
    (void)state;
    on_processes(kept_for_retries);
}

/* A job that was written off still reads. */
static void kept_by_the_stuck(const backend *b)
{
    if (b->processes)
        return;
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 1);
    struct common *c = common_new();
    block blocked = { .begun = word_at(&c->begun), .go = word_at(&c->go), .deaf = true };
    yk_future *f = backend_submit_opts(b, ex, job_block, &blocked, sizeof blocked,
                                       (yk_job_options){ .uses = YK_USES(&c->done) });
    eventually(get(&c->begun));
    assert_int_equal(yk_future_cancel(f), 1);
    expect_end(f, YK_ECANCELED);
    yk_arena_free(c);
    backend_close(ex);
    assert_false(is_free(c));
    word_set(word_at(&c->go), 1);
    eventually(is_free(c));
}

static void test_blocks_are_kept_by_a_job_that_was_written_off(void **state)
{
    (void)state;
    on_every_backend(kept_by_the_stuck);
}

static void no_such_block(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    struct common *c = common_new(), local;
    const void *bad[] = { c, &local, NULL };
    yk_future *f =
        backend_submit_opts(b, ex, job_nothing, NULL, 0, (yk_job_options){ .uses = bad });
    expect_end(f, UV_EINVAL);
    yk_arena_free(c);
    f = backend_submit_opts(b, ex, job_nothing, NULL, 0,
                            (yk_job_options){ .uses = YK_USES(c) }); /* it is free */
    expect_end(f, UV_EINVAL);
    expect_end(backend_submit_opts(b, ex, job_nothing, NULL, 0,
                                   (yk_job_options){ .uses = (const void *[]){ NULL } }),
               0);
    backend_close(ex);
}

static void test_blocks_that_are_none_are_refused(void **state)
{
    (void)state;
    on_every_backend(no_such_block);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_counters_of_8_workers_add_up),
        TEST(test_counter_wakes_who_waits_for_its_value),
        TEST(test_counter_is_watched_by_many),
        TEST(test_counter_watch_ends_at_once_or_is_cancelled),
        TEST(test_counter_of_a_worker_that_dies_before_it_tells),
        TEST(test_counter_is_not_watched_in_a_worker),
        TEST(test_P50_a_block_stays_while_one_of_its_users_lives),
        TEST(test_blocks_are_given_back_by_jobs_that_never_ran),
        TEST(test_blocks_are_kept_for_a_job_that_is_run_again),
        TEST(test_blocks_are_kept_by_a_job_that_was_written_off),
        TEST(test_blocks_that_are_none_are_refused),
    };
    return RUN_TESTS("shared", tests);
}
