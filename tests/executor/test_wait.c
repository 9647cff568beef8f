/* Waiting for many futures, and for each in turn. */
#include "support/backends.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <uv.h>

#include "loop/loop.h"

static yk_future *pending(void)
{
    yk_future *f = yk_future_new();
    assert_non_null(f);
    return f;
}

static yk_future *running(void)
{
    yk_future *f = pending();
    yk_future_set_running(f);
    return f;
}

static yk_future *done(void)
{
    yk_future *f = pending();
    assert_int_equal(yk_future_set_result(f, NULL, 0), 0);
    return f;
}

static yk_future *failed(void)
{
    yk_future *f = pending();
    assert_int_equal(yk_future_set_error(f, UV_EIO, NULL), 0);
    return f;
}

static yk_future *cancelled(void)
{
    yk_future *f = pending();
    assert_int_equal(yk_future_cancel(f), 0);
    return f;
}

static void unref_all(yk_future **f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        yk_future_unref(f[i]);
}

/* ---- Ends that another thread brings about, one after the other ------------------------------ */

struct plan {
    yk_future *f[4]; /* ended in this order; NULL: no more */
    int error[4];    /* 0: done; YK_ECANCELED: cancelled */
};

static void *carry_out(void *arg)
{
    struct plan *p = arg;
    support_pause(); /* most often the main thread sleeps by now */
    for (int i = 0; i < 4 && p->f[i]; i++) {
        if (p->error[i] == 0)
            yk_future_set_result(p->f[i], NULL, 0);
        else if (p->error[i] == YK_ECANCELED)
            yk_future_cancel(p->f[i]);
        else
            yk_future_set_error(p->f[i], p->error[i], NULL);
    }
    return NULL;
}

static pthread_t start(struct plan *p)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, carry_out, p), 0);
    return thread;
}

/* ---- yk_wait -------------------------------------------------------------------------------- */

static void test_W01_duplicates_count_once(void **state)
{
    (void)state;
    yk_future *f[5] = { done(), pending() };
    f[2] = f[3] = f[0];
    f[4] = f[1];
    assert_int_equal(yk_wait(f, 5, YK_FIRST_ENDED, YK_FOREVER), 1);
    struct plan p = { { f[1] }, { 0 } };
    pthread_t thread = start(&p);
    assert_int_equal(yk_wait(f, 5, YK_ALL_ENDED, YK_FOREVER), 2);
    pthread_join(thread, NULL);
    unref_all(f, 2);
}

static void test_W02_first_ended_returns_at_the_first(void **state)
{
    (void)state;
    for (size_t round = 0; round < support_rounds(200); round++) {
        yk_future *f[3] = { pending(), pending(), running() };
        struct plan p = { { f[1] }, { 0 } };
        pthread_t thread = start(&p);
        assert_int_equal(yk_wait(f, 3, YK_FIRST_ENDED, YK_FOREVER), 1);
        assert_true(yk_future_ended(f[1]));
        assert_false(yk_future_ended(f[0]));
        assert_false(yk_future_ended(f[2]));
        pthread_join(thread, NULL);
        unref_all(f, 3);
    }
}

static void test_W03_first_ended_with_some_that_have_ended_returns_at_once(void **state)
{
    (void)state;
    yk_future *f[4] = { pending(), cancelled(), done(), failed() };
    assert_int_equal(yk_wait(f, 4, YK_FIRST_ENDED, YK_FOREVER), 3);
    assert_int_equal(yk_wait(f, 4, YK_FIRST_ENDED, 0), 3);
    unref_all(f, 4);
}

static void test_W04_first_failed_returns_at_the_failure(void **state)
{
    (void)state;
    for (size_t round = 0; round < support_rounds(200); round++) {
        yk_future *f[4] = { pending(), pending(), pending(), pending() };
        struct plan p = { { f[0], f[3] }, { 0, UV_EIO } };
        pthread_t thread = start(&p);
        assert_int_equal(yk_wait(f, 4, YK_FIRST_FAILED, YK_FOREVER), 2);
        assert_false(yk_future_ended(f[1]));
        pthread_join(thread, NULL);
        unref_all(f, 4);
    }
}

static void test_W05_first_failed_with_done_cancelled_and_pending(void **state)
{
    (void)state;
    yk_future *f[4] = { done(), cancelled(), pending(), pending() };
    assert_int_equal(yk_wait(f, 4, YK_FIRST_FAILED, yk_after_ms(1)), UV_ETIMEDOUT);
    struct plan p = { { f[2] }, { UV_EIO } };
    pthread_t thread = start(&p);
    assert_int_equal(yk_wait(f, 4, YK_FIRST_FAILED, YK_FOREVER), 3);
    pthread_join(thread, NULL);
    unref_all(f, 4);
}

static void test_W06_first_failed_with_one_that_has_failed_returns_at_once(void **state)
{
    (void)state;
    yk_future *f[2] = { pending(), failed() };
    assert_int_equal(yk_wait(f, 2, YK_FIRST_FAILED, 0), 1);
    unref_all(f, 2);
}

static void test_W07_first_failed_without_a_failure_waits_for_all(void **state)
{
    (void)state;
    yk_future *f[3] = { pending(), pending(), done() };
    struct plan p = { { f[0], f[1] }, { 0, YK_ECANCELED } };
    pthread_t thread = start(&p);
    assert_int_equal(yk_wait(f, 3, YK_FIRST_FAILED, YK_FOREVER), 3);
    pthread_join(thread, NULL);
    unref_all(f, 3);
}

static void test_W08_all_ended_with_mixed_states(void **state)
{
    (void)state;
    yk_future *f[6] = { done(), failed(), cancelled(), pending(), running(), pending() };
    struct plan p = { { f[3], f[4], f[5] }, { YK_ECANCELED, UV_EIO, 0 } };
    pthread_t thread = start(&p);
    assert_int_equal(yk_wait(f, 6, YK_ALL_ENDED, YK_FOREVER), 6);
    pthread_join(thread, NULL);
    unref_all(f, 6);
}

static void test_W09_a_deadline_leaves_the_futures_alone(void **state)
{
    (void)state;
    yk_future *f[3] = { done(), pending(), running() };
    for (int i = 0; i < 3; i++) {
        assert_int_equal(yk_wait(f, 3, YK_ALL_ENDED, yk_after_ms(1)), UV_ETIMEDOUT);
        assert_int_equal(yk_wait(f, 3, YK_ALL_ENDED, 0), UV_ETIMEDOUT);
        assert_int_equal(yk_wait(f, 3, YK_ALL_ENDED, 1), UV_ETIMEDOUT);
    }
    assert_int_equal(yk_future_state(f[0]), YK_DONE);
    assert_int_equal(yk_future_state(f[1]), YK_PENDING);
    assert_int_equal(yk_future_state(f[2]), YK_RUNNING);
    unref_all(f, 3);
}

static void test_W11_W13_cancelled_futures_have_ended(void **state)
{
    (void)state;
    yk_future *f[2] = { cancelled(), cancelled() };
    assert_int_equal(yk_wait(f, 1, YK_FIRST_ENDED, YK_FOREVER), 1);
    assert_int_equal(yk_wait(f, 2, YK_FIRST_FAILED, YK_FOREVER), 2);
    assert_int_equal(yk_wait(f, 2, YK_ALL_ENDED, YK_FOREVER), 2);
    assert_int_equal(yk_await(f[0]), YK_ECANCELED);
    unref_all(f, 2);
}

static void test_W18_invalid_arguments(void **state)
{
    (void)state;
    yk_future *f[2] = { done(), NULL };
    assert_int_equal(yk_wait(f, 0, YK_ALL_ENDED, YK_FOREVER), UV_EINVAL);
    assert_int_equal(yk_wait(NULL, 3, YK_ALL_ENDED, YK_FOREVER), UV_EINVAL);
    assert_int_equal(yk_wait(f, 2, YK_ALL_ENDED, YK_FOREVER), UV_EINVAL);
    assert_int_equal(yk_wait(f, 1, (yk_wait_for)17, YK_FOREVER), UV_EINVAL);
    assert_int_equal(yk_await(NULL), UV_EINVAL);
    assert_null(yk_as_completed_new(f, 2));
    assert_null(yk_as_completed_new(NULL, 2));
    unref_all(f, 1);
}

static void test_await_all_returns_the_first_failure_in_order(void **state)
{
    (void)state;
    yk_future *f[4] = { done(), cancelled(), failed(), done() };
    assert_int_equal(yk_await_all(f, 4, YK_FOREVER), YK_ECANCELED);
    assert_int_equal(yk_await_all(f + 2, 2, YK_FOREVER), UV_EIO);
    assert_int_equal(yk_await_all(f, 1, YK_FOREVER), 0);
    assert_int_equal(yk_await_all(NULL, 0, YK_FOREVER), 0);
    unref_all(f, 4);
    f[0] = pending();
    assert_int_equal(yk_await_all(f, 1, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_await_all(f, 1, yk_after_ms(1)), UV_ETIMEDOUT);
    unref_all(f, 1);
}

/* ---- W10: all at once ------------------------------------------------------------------------ */

enum { MANY = 100, ENDERS = 4 };

struct burst {
    yk_future *f[MANY];
    pthread_barrier_t gate;
    _Atomic size_t next;
    word stop;
};

static void *end_some(void *arg)
{
    struct burst *b = arg;
    for (;;) {
        pthread_barrier_wait(&b->gate);
        if (word_get(&b->stop))
            return NULL;
        size_t i;
        while ((i = atomic_fetch_add(&b->next, 1)) < MANY)
            yk_future_set_result(b->f[i], &i, sizeof i);
        pthread_barrier_wait(&b->gate);
    }
}

static void wait_all(struct burst *b)
{
    assert_int_equal(yk_wait(b->f, MANY, YK_ALL_ENDED, YK_FOREVER), MANY);
}

static void wait_first(struct burst *b)
{
    assert_true(yk_wait(b->f, MANY, YK_FIRST_ENDED, YK_FOREVER) >= 1);
}

static void wait_shortly(struct burst *b)
{
    int rc = yk_wait(b->f, MANY, YK_ALL_ENDED, yk_now() + 20000);
    assert_true(rc == UV_ETIMEDOUT || rc == MANY);
}

static void wait_each(struct burst *b)
{
    yk_as_completed *each = yk_as_completed_new(b->f, MANY);
    assert_non_null(each);
    yk_future *f;
    size_t n = 0;
    while (yk_as_completed_next(each, &f, YK_FOREVER) == 0) {
        assert_true(yk_future_ended(f));
        n++;
    }
    assert_int_equal(n, MANY);
    yk_as_completed_free(each);
}

static void leave_half_way(struct burst *b)
{
    yk_as_completed *each = yk_as_completed_new(b->f, MANY);
    yk_future *f;
    for (int i = 0; i < MANY / 2; i++)
        assert_int_equal(yk_as_completed_next(each, &f, YK_FOREVER), 0);
    yk_as_completed_free(each);
}

static void end_many_at_once(void (*wait)(struct burst *b), size_t rounds)
{
    static struct burst b;
    pthread_t threads[ENDERS];
    atomic_store(&b.stop, 0);
    pthread_barrier_init(&b.gate, NULL, ENDERS + 1);
    for (int i = 0; i < ENDERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, end_some, &b), 0);
    for (size_t round = 0; round < rounds; round++) {
        for (int i = 0; i < MANY; i++)
            b.f[i] = pending();
        atomic_store(&b.next, 0);
        pthread_barrier_wait(&b.gate);
        wait(&b);
        pthread_barrier_wait(&b.gate);
        unref_all(b.f, MANY);
    }
    atomic_store(&b.stop, 1);
    pthread_barrier_wait(&b.gate);
    for (int i = 0; i < ENDERS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&b.gate);
}

static void test_W10_a_hundred_end_at_once(void **state)
{
    (void)state;
    end_many_at_once(wait_all, support_rounds(1000));
}

static void test_W10_a_hundred_end_at_once_the_first_is_awaited(void **state)
{
    (void)state;
    end_many_at_once(wait_first, support_rounds(1000));
}

static void test_W10_a_hundred_end_while_the_deadline_passes(void **state)
{
    (void)state;
    end_many_at_once(wait_shortly, support_rounds(1000));
}

static void test_W10_a_hundred_end_at_once_one_by_one(void **state)
{
    (void)state;
    end_many_at_once(wait_each, support_rounds(500));
}

static void test_W20_a_hundred_end_while_the_iterator_is_left(void **state)
{
    (void)state;
    end_many_at_once(leave_half_way, support_rounds(500));
}

/* ---- As completed ---------------------------------------------------------------------------- */

static void test_W14_those_that_have_ended_first_then_in_order(void **state)
{
    (void)state;
    yk_future *f[5] = { pending(), done(), pending(), cancelled(), pending() };
    yk_as_completed *each = yk_as_completed_new(f, 5);
    assert_int_equal(yk_as_completed_left(each), 5);
    struct plan p = { { f[4], f[0], f[2] }, { 0, UV_EIO, YK_ECANCELED } };
    pthread_t thread = start(&p);
    static const int order[] = { 1, 3, 4, 0, 2 };
    for (size_t i = 0; i < 5; i++) {
        yk_future *next = NULL;
        assert_int_equal(yk_as_completed_next(each, &next, YK_FOREVER), 0);
        assert_ptr_equal(next, f[order[i]]);
        assert_int_equal(yk_as_completed_left(each), 4 - i);
    }
    yk_future *next = NULL;
    assert_int_equal(yk_as_completed_next(each, &next, YK_FOREVER), YK_END);
    assert_int_equal(yk_as_completed_next(each, &next, YK_FOREVER), YK_END);
    assert_null(next);
    yk_as_completed_free(each);
    pthread_join(thread, NULL);
    unref_all(f, 5);
}

static void test_W01_as_completed_hands_duplicates_out_once(void **state)
{
    (void)state;
    yk_future *f[4] = { done(), pending() };
    f[2] = f[1];
    f[3] = f[0];
    yk_as_completed *each = yk_as_completed_new(f, 4);
    yk_future *next;
    assert_int_equal(yk_as_completed_left(each), 2);
    assert_int_equal(yk_as_completed_next(each, &next, YK_FOREVER), 0);
    assert_ptr_equal(next, f[0]);
    yk_future_cancel(f[1]);
    assert_int_equal(yk_as_completed_next(each, &next, YK_FOREVER), 0);
    assert_ptr_equal(next, f[1]);
    assert_int_equal(yk_as_completed_next(each, &next, YK_FOREVER), YK_END);
    yk_as_completed_free(each);
    unref_all(f, 2);
}

static void test_W15_W16_as_completed_with_a_deadline(void **state)
{
    (void)state;
    yk_future *f[3] = { pending(), done(), pending() };
    yk_as_completed *each = yk_as_completed_new(f, 3);
    yk_future *next = NULL;
    assert_int_equal(yk_as_completed_next(each, &next, 0), 0); /* what is there may be had */
    assert_ptr_equal(next, f[1]);
    next = NULL;
    assert_int_equal(yk_as_completed_next(each, &next, 0), UV_ETIMEDOUT);
    assert_int_equal(yk_as_completed_next(each, &next, yk_after_ms(1)), UV_ETIMEDOUT);
    assert_null(next);
    assert_int_equal(yk_as_completed_left(each), 2);
    yk_future_cancel(f[2]); /* and it goes on */
    assert_int_equal(yk_as_completed_next(each, &next, 0), 0);
    assert_ptr_equal(next, f[2]);
    yk_as_completed_free(each);
    unref_all(f, 3);
}

/* A future that has failed, and whose error nobody looked at, says so when it is freed. */
static void count_freed(const char *line, void *freed)
{
    *(int *)freed += strstr(line, "nobody looked at") != NULL;
}

static void test_W17_as_completed_lets_go_of_what_it_handed_out(void **state)
{
    (void)state;
    int freed = 0;
    yk_set_log(count_freed, &freed);
    yk_future *f[3] = { failed(), failed(), failed() };
    yk_as_completed *each = yk_as_completed_new(f, 3);
    yk_future *next;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(yk_as_completed_next(each, &next, 0), 0);
        assert_int_equal(freed, i);
        yk_future_unref(next); /* the last reference: freed while the iterator lives */
        assert_int_equal(freed, i + 1);
    }
    yk_as_completed_free(each);
    for (int i = 0; i < 3; i++)
        f[i] = pending();
    each = yk_as_completed_new(f, 3);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(yk_future_set_error(f[i], UV_EIO, NULL), 0);
        assert_int_equal(yk_as_completed_next(each, &next, 0), 0);
        assert_ptr_equal(next, f[i]);
        yk_future_unref(next);
        assert_int_equal(freed, 3 + i + 1);
    }
    yk_set_log(NULL, NULL);
    yk_future_unref(f[2]); /* one that it has not handed out */
    yk_as_completed_free(each);
}

static void test_W20_leaving_the_iterator_leaks_nothing(void **state)
{
    (void)state;
    yk_future *f[3] = { pending(), done(), pending() };
    yk_future *next;
    yk_as_completed *each = yk_as_completed_new(f, 3); /* never used */
    yk_as_completed_free(each);
    each = yk_as_completed_new(f, 3); /* some handed out, one ended and not handed out */
    assert_int_equal(yk_as_completed_next(each, &next, 0), 0);
    yk_future_cancel(f[0]);
    yk_as_completed_free(each);
    yk_future_cancel(f[2]); /* after the iterator is gone */
    yk_as_completed_free(NULL);
    each = yk_as_completed_new(NULL, 0);
    assert_int_equal(yk_as_completed_next(each, &next, YK_FOREVER), YK_END);
    yk_as_completed_free(each);
    unref_all(f, 3);
}

/* ---- Jobs ------------------------------------------------------------------------------------ */

static void many_jobs(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    for (size_t round = 0; round < support_rounds(20); round++) {
        yk_future *f[MANY];
        for (int i = 0; i < MANY; i++)
            f[i] = backend_submit(b, ex, i % 10 ? job_nothing : job_fail, NULL, 0);
        yk_as_completed *each = yk_as_completed_new(f, MANY);
        yk_future *next;
        int n = 0, wrong = 0;
        while (yk_as_completed_next(each, &next, YK_FOREVER) == 0) {
            n++;
            wrong += yk_await(next) != 0;
        }
        yk_as_completed_free(each);
        assert_int_equal(n, MANY);
        assert_int_equal(wrong, MANY / 10);
        assert_int_equal(yk_await_all(f, MANY, YK_FOREVER), UV_EINVAL);
        unref_all(f, MANY);
    }
    backend_close(ex);
}

static void test_W10_W14_jobs_as_they_complete(void **state)
{
    (void)state;
    on_every_backend(many_jobs);
}

static void shutdown_cancels(const backend *b)
{
    enum { N = 20 };
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(2);
    block arg = { .begun = &w[0], .go = &w[1] };
    yk_future *f[N];
    f[0] = backend_submit(b, ex, job_block, &arg, sizeof arg);
    for (int i = 1; i < N; i++)
        f[i] = backend_submit(b, ex, job_nothing, NULL, 0);
    yk_as_completed *each = yk_as_completed_new(f, N);
    eventually(word_get(&w[0]) == 1);
    assert_int_equal(yk_executor_shutdown(ex, .cancel_pending = true, .no_wait = true), 0);
    yk_future *next;
    for (int i = 1; i < N; i++) {
        assert_int_equal(yk_as_completed_next(each, &next, YK_FOREVER), 0);
        assert_int_equal(yk_future_state(next), YK_CANCELLED);
    }
    word_set(&w[1], 1);
    assert_int_equal(yk_as_completed_next(each, &next, YK_FOREVER), 0);
    assert_ptr_equal(next, f[0]);
    assert_int_equal(yk_future_state(next), YK_DONE);
    assert_int_equal(yk_as_completed_next(each, &next, YK_FOREVER), YK_END);
    yk_as_completed_free(each);
    unref_all(f, N);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_W12_futures_cancelled_by_shutdown_are_handed_out(void **state)
{
    (void)state;
    on_every_backend(shutdown_cancels);
}

static void mixed_executors(const backend *b)
{
    yk_executor *mine = OPEN(b, .workers = 1);
    yk_executor *threads = yk_thread_pool(.workers = 1), *processes = yk_process_pool(.workers = 1);
    for (size_t round = 0; round < support_rounds(20); round++) {
        yk_future *f[4] = { backend_submit(b, mine, job_nothing, NULL, 0),
                            yk_submit(threads, job_fail, NULL, 0),
                            yk_submit(processes, job_nothing, NULL, 0), pending() };
        assert_int_equal(yk_wait(f, 3, YK_ALL_ENDED, YK_FOREVER), 3);
        assert_true(yk_wait(f, 4, YK_FIRST_FAILED, YK_FOREVER) >= 1);
        assert_int_equal(yk_wait(f, 4, YK_ALL_ENDED, yk_after_ms(1)), UV_ETIMEDOUT);
        unref_all(f, 4);
    }
    backend_close(processes);
    backend_close(threads);
    backend_close(mine);
}

static void test_W19_futures_of_different_executors_in_one_wait(void **state)
{
    (void)state;
    on_every_backend(mixed_executors);
}

/* A loop on a thread of its own, whose pool it drives. */
struct far_loop {
    pthread_t thread;
    yk_future *job; /* its job; the waiter's reference */
    block blocked;
    sem_t submitted;
    int err;
};

static int keep_a_pool(void *arg)
{
    struct far_loop *far = arg;
    yk_executor *ex = yk_process_pool(.workers = 1);
    yk_future *f = yk_submit(ex, job_block, &far->blocked, sizeof far->blocked);
    far->job = yk_future_ref(f);
    sem_post(&far->submitted);
    int err = yk_await(f);
    yk_future_unref(f);
    int closed = yk_executor_close(ex);
    return err ? err : closed;
}

static void *far_main(void *arg)
{
    struct far_loop *far = arg;
    yk_loop *loop = yk_loop_new();
    yk_future *task = yk_task_start(keep_a_pool, far);
    far->err = yk_loop_run_until(loop, task);
    yk_future_unref(task);
    if (!far->err)
        far->err = yk_loop_close(loop);
    return NULL;
}

/* Jobs of two loops, each on its thread, and of an executor here, in one wait. */
static void of_several_loops(const backend *b)
{
    word *w = words_new(4);
    struct far_loop far[2] = { 0 };
    yk_executor *mine = OPEN(b, .workers = 1);
    yk_future *f[3] = { backend_submit(b, mine, job_nothing, NULL, 0) };
    for (int i = 0; i < 2; i++) {
        far[i].blocked = (block){ .begun = &w[2 * i], .go = &w[2 * i + 1] };
        sem_init(&far[i].submitted, 0, 0);
        assert_int_equal(pthread_create(&far[i].thread, NULL, far_main, &far[i]), 0);
        sem_wait(&far[i].submitted);
        f[1 + i] = far[i].job;
    }
    assert_int_equal(yk_wait(f, 3, YK_FIRST_ENDED, YK_FOREVER), 1);
    assert_int_equal(yk_wait(f, 3, YK_ALL_ENDED, yk_after_ms(1)), UV_ETIMEDOUT);
    word_set(&w[3], 1); /* the second one first */
    yk_future *first = NULL;
    yk_as_completed *each = yk_as_completed_new(f + 1, 2);
    assert_int_equal(yk_as_completed_next(each, &first, YK_FOREVER), 0);
    assert_ptr_equal(first, f[2]);
    yk_as_completed_free(each);
    word_set(&w[1], 1);
    assert_int_equal(yk_wait(f, 3, YK_ALL_ENDED, YK_FOREVER), 3);
    for (int i = 0; i < 2; i++) {
        pthread_join(far[i].thread, NULL);
        assert_int_equal(far[i].err, 0);
        sem_destroy(&far[i].submitted);
    }
    unref_all(f, 3);
    backend_close(mine);
    yk_arena_free(w);
}

static void test_W19_futures_of_different_loops_in_one_wait(void **state)
{
    (void)state;
    on_every_backend(of_several_loops);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_W01_duplicates_count_once),
        TEST(test_W02_first_ended_returns_at_the_first),
        TEST(test_W03_first_ended_with_some_that_have_ended_returns_at_once),
        TEST(test_W04_first_failed_returns_at_the_failure),
        TEST(test_W05_first_failed_with_done_cancelled_and_pending),
        TEST(test_W06_first_failed_with_one_that_has_failed_returns_at_once),
        TEST(test_W07_first_failed_without_a_failure_waits_for_all),
        TEST(test_W08_all_ended_with_mixed_states),
        TEST(test_W09_a_deadline_leaves_the_futures_alone),
        TEST(test_W11_W13_cancelled_futures_have_ended),
        TEST(test_W18_invalid_arguments),
        TEST(test_await_all_returns_the_first_failure_in_order),
        TEST(test_W10_a_hundred_end_at_once),
        TEST(test_W10_a_hundred_end_at_once_the_first_is_awaited),
        TEST(test_W10_a_hundred_end_while_the_deadline_passes),
        TEST(test_W10_a_hundred_end_at_once_one_by_one),
        TEST(test_W20_a_hundred_end_while_the_iterator_is_left),
        TEST(test_W14_those_that_have_ended_first_then_in_order),
        TEST(test_W01_as_completed_hands_duplicates_out_once),
        TEST(test_W15_W16_as_completed_with_a_deadline),
        TEST(test_W17_as_completed_lets_go_of_what_it_handed_out),
        TEST(test_W20_leaving_the_iterator_leaks_nothing),
        TEST(test_W10_W14_jobs_as_they_complete),
        TEST(test_W12_futures_cancelled_by_shutdown_are_handed_out),
        TEST(test_W19_futures_of_different_executors_in_one_wait),
        TEST(test_W19_futures_of_different_loops_in_one_wait),
    };
    return RUN_TESTS("wait", tests);
}
