/* The end of an executor, in every order of things. */
#include "support/backends.h"
#include "support/proc.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static void unref_all(yk_future **f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        yk_future_unref(f[i]);
}

static block waiting_block(word *w)
{
    return (block){ .begun = &w[0], .go = &w[1] };
}

/* The row of a worker that runs a job. */
static bool running_row(yk_executor *ex, yk_worker_stats *rows, size_t max, size_t *at)
{
    size_t n = yk_executor_workers(ex, rows, max);
    for (*at = 0; *at < n && *at < max; ++*at)
        if (rows[*at].state == YK_WORKER_RUNNING)
            return true;
    return false;
}

/* ---- S01 to S03 ------------------------------------------------------------------------------ */

static void submit_after(const backend *b)
{
    for (int used = 0; used < 2; used++) {
        yk_executor *ex = OPEN(b, .workers = 2);
        yk_future *f[2];
        if (used) {
            f[0] = backend_submit(b, ex, job_nothing, NULL, 0);
            yk_await(f[0]);
            yk_future_unref(f[0]);
        }
        assert_int_equal(yk_executor_shutdown(ex), 0);
        for (int i = 0; i < 2; i++)
            f[i] = backend_submit(b, ex, job_nothing, NULL, 0);
        for (int i = 0; i < 2; i++)
            assert_int_equal(yk_await(f[i]), YK_ECLOSED);
        assert_int_equal(stats_of(ex).received, used);
        unref_all(f, 2);
        backend_close(ex);
    }
}

static void test_S01_submit_after_shutdown_is_refused(void **state)
{
    (void)state;
    on_every_backend(submit_after);
}

static void many_short(const backend *b)
{
    for (size_t round = 0; round < 1 + support_rounds(10); round++) {
        enum { N = 50 };
        yk_executor *ex = OPEN(b, .workers = 2);
        word *w = words_new(1);
        yk_future *f[N];
        for (int i = 0; i < N; i++)
            f[i] = backend_submit(b, ex, job_count, &w, sizeof w);
        assert_int_equal(yk_executor_shutdown(ex), 0);
        assert_int_equal(word_get(w), N);
        for (int i = 0; i < N; i++)
            assert_int_equal(yk_future_state(f[i]), YK_DONE);
        unref_all(f, N);
        assert_int_equal(yk_executor_close(ex), 0);
        yk_arena_free(w);
    }
}

static void test_S02_fifty_short_jobs_then_shutdown(void **state)
{
    (void)state;
    on_every_backend(many_short);
}

static void cancel_pending(const backend *b)
{
    enum { N = 50 };
    yk_executor *ex = OPEN(b, .workers = 2);
    word *w = words_new(2);
    block arg = waiting_block(w);
    yk_future *f[N];
    for (int i = 0; i < N; i++)
        f[i] = backend_submit(b, ex, job_block, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 2);
    assert_int_equal(yk_executor_shutdown(ex, .cancel_pending = true, .deadline = yk_after_ms(10)),
                     UV_ETIMEDOUT);
    word_set(&w[1], 1);
    assert_int_equal(yk_executor_shutdown(ex, .cancel_pending = true), 0);
    size_t done = 0, cancelled = 0;
    for (int i = 0; i < N; i++) {
        done += yk_future_state(f[i]) == YK_DONE;
        cancelled += yk_future_state(f[i]) == YK_CANCELLED;
    }
    assert_int_equal(done, 2);
    assert_int_equal(cancelled, N - 2);
    assert_int_equal(word_get(&w[0]), 2); /* the others never began */
    unref_all(f, N);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_S03_shutdown_cancels_what_has_not_begun(void **state)
{
    (void)state;
    on_every_backend(cancel_pending);
}

/* ---- S04: without waiting -------------------------------------------------------------------- */

static void no_wait(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(2);
    block arg = waiting_block(w);
    yk_future *f[2];
    for (int i = 0; i < 2; i++)
        f[i] = backend_submit(b, ex, job_block, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 1);
    assert_int_equal(yk_executor_shutdown(ex, .no_wait = true), 0);
    assert_int_equal(yk_executor_shutdown(ex, .deadline = 1), UV_ETIMEDOUT);
    assert_int_equal(yk_future_state(f[0]), YK_RUNNING);
    yk_executor_unref(ex); /* it works on without its owner */
    word_set(&w[1], 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(yk_await(f[i]), 0);
    unref_all(f, 2);
    yk_arena_free(w);
}

static void test_S04_shutdown_without_waiting(void **state)
{
    (void)state;
    on_every_backend(no_wait); /* which finds that it has gone by itself: S11 */
}

/* ---- S05 ------------------------------------------------------------------------------------- */

static void cancel_at_once(const backend *b)
{
    for (size_t round = 0; round < 2 + support_rounds(40); round++) {
        yk_executor *ex = OPEN(b, .workers = 1 + (int)round % 3, .kill_grace_ms = 10000);
        yk_future *f = backend_submit(b, ex, job_nothing, NULL, 0);
        yk_future_cancel(f);
        assert_int_equal(yk_executor_shutdown(ex), 0);
        assert_true(yk_future_ended(f));
        assert_int_not_equal(yk_future_state(f), YK_FAILED);
        yk_future_unref(f);
        assert_int_equal(yk_executor_close(ex), 0);
    }
}

static void test_S05_submit_cancel_at_once_shutdown(void **state)
{
    (void)state;
    on_every_backend(cancel_at_once);
}

/* ---- S06: others submit meanwhile
 * ---------------------------------------------------------------- */

struct flood {
    const backend *b;
    yk_executor *ex;
    word *accepted, *finished;
    word *ran;
};

static void *submit_until_refused(void *arg)
{
    struct flood *s = arg;
    for (int err = 0; err != YK_ECLOSED;) {
        yk_future *f = backend_submit(s->b, s->ex, job_count, &s->ran, sizeof s->ran);
        err = yk_await(f);
        if (err == 0)
            atomic_fetch_add(s->accepted, 1);
        yk_future_unref(f);
    }
    atomic_fetch_add(s->finished, 1);
    return NULL;
}

static void shutdown_race(const backend *b)
{
    enum { THREADS = 3 };
    for (size_t round = 0; round < 2 + support_rounds(12); round++) {
        yk_executor *ex = OPEN(b, .workers = 2);
        word accepted = 0, finished = 0;
        word *w = words_new(1);
        struct flood s = { b, ex, &accepted, &finished, w };
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, submit_until_refused, &s), 0);
        eventually(word_get(w) >= round);
        assert_int_equal(yk_executor_shutdown(ex), 0);
        eventually(word_get(&finished) == THREADS);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(word_get(w), word_get(&accepted)); /* what was accepted was done */
        backend_close(ex);
        yk_arena_free(w);
    }
}

static void test_S06_shutdown_while_others_submit(void **state)
{
    (void)state;
    on_every_backend(shutdown_race);
}

/* ---- S07, S08: failures on the way
 * ---------------------------------------------------------------- */

static void crash_after_shutdown(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f[8];
    for (int i = 0; i < 8; i++)
        f[i] = backend_submit(b, ex, i % 2 ? job_kill_self : job_nothing, NULL, 0);
    assert_int_equal(yk_executor_shutdown(ex, .no_wait = true), 0);
    for (int i = 0; i < 8; i++)
        assert_int_equal(yk_await(f[i]), i % 2 ? YK_ECRASHED : 0); /* S12 as well */
    assert_int_equal(yk_executor_shutdown(ex), 0);
    unref_all(f, 8);
    backend_close(ex);
}

static void test_S08_workers_crash_after_shutdown_was_called(void **state)
{
    (void)state;
    on_processes(crash_after_shutdown);
}

static void failing_submissions(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *f[20];
    for (int i = 0; i < 20; i++) /* arguments that cannot be copied, between others */
        f[i] = i % 2 ? backend_submit(b, ex, job_nothing, NULL, 0)
                     : backend_submit(b, ex, job_echo, "x", SIZE_MAX / 2 + 9);
    assert_int_equal(yk_executor_shutdown(ex), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(yk_await(f[i]), i % 2 ? 0 : UV_ENOMEM);
    unref_all(f, 20);
    backend_close(ex);
}

static void test_S07_shutdown_among_failing_submissions(void **state)
{
    (void)state;
    on_every_backend(failing_submissions);
}

/* ---- S09: again and again
 * -------------------------------------------------------------------------- */

struct shutter {
    yk_executor *ex;
    word *finished;
    int code;
};

static void *shut_down(void *arg)
{
    struct shutter *s = arg;
    s->code = yk_executor_shutdown(s->ex);
    atomic_fetch_add(s->finished, 1);
    return NULL;
}

static void from_many_threads(const backend *b)
{
    enum { THREADS = 4 };
    yk_executor *ex = OPEN(b, .workers = 2);
    word *w = words_new(2);
    word finished = 0;
    block arg = waiting_block(w);
    yk_future *f = backend_submit(b, ex, job_block, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 1);
    struct shutter s[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        s[i] = (struct shutter){ ex, &finished, -1 };
        assert_int_equal(pthread_create(&threads[i], NULL, shut_down, &s[i]), 0);
    }
    word_set(&w[1], 1);
    eventually(word_get(&finished) == THREADS);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(s[i].code, 0);
    }
    for (int i = 0; i < 3; i++)
        assert_int_equal(yk_executor_shutdown(ex, .cancel_pending = i > 0, .no_wait = i > 1), 0);
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_S09_shutdown_from_many_threads_and_again(void **state)
{
    (void)state;
    on_every_backend(from_many_threads);
}

struct in_callback {
    yk_executor *ex;
    word called;
    int waiting, without;
};

static int shut_down_in_callback(yk_future *f, void *arg)
{
    struct in_callback *c = arg;
    (void)f;
    c->waiting = yk_executor_shutdown(c->ex, .deadline = 1);
    c->without = yk_executor_shutdown(c->ex, .no_wait = true);
    atomic_store(&c->called, 1);
    return 0;
}

static void from_a_callback(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    struct in_callback c = { .ex = ex };
    word *w = words_new(2);
    block arg = waiting_block(w);
    yk_future *first = backend_submit(b, ex, job_block, &arg, sizeof arg);
    yk_future *second = backend_submit(b, ex, job_nothing, NULL, 0);
    yk_future_on_end(first, shut_down_in_callback, &c);
    word_set(&w[1], 1);
    eventually(word_get(&c.called));
    assert_true(c.waiting == UV_ETIMEDOUT || c.waiting == YK_EONLOOP || c.waiting == YK_EDEADLK);
    assert_int_equal(c.without, 0);
    assert_int_equal(yk_await(second), 0);
    yk_future_unref(first);
    yk_future_unref(second);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_S09_shutdown_from_a_callback(void **state)
{
    (void)state;
    on_every_backend(from_a_callback);
}

/* ---- S11, S14, S15, S16
 * ------------------------------------------------------------------------------ */

static void owners(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    assert_ptr_equal(yk_executor_ref(ex), ex);
    yk_executor_unref(ex); /* one of two owners */
    yk_future *f[20];
    for (int i = 0; i < 20; i++)
        f[i] = backend_submit(b, ex, job_square, &i, sizeof i);
    yk_executor_unref(ex); /* the last one; the jobs are done all the same */
    for (int i = 0; i < 20; i++) {
        int out;
        assert_int_equal(yk_await_into(f[i], &out, sizeof out), 0);
        assert_int_equal(out, i * i);
    }
    unref_all(f, 20);
}

static void test_S11_the_last_reference_goes_without_a_shutdown(void **state)
{
    (void)state;
    on_every_backend(owners);
}

/* Threads that have not heeded a forced shutdown come back when they are told to. */
static void close_deaf(yk_executor *ex, word *go)
{
    word_set(go, 1);
    eventually(stats_of(ex).stuck == 0);
    backend_close(ex);
}

static void forced_jobs(const backend *b, bool deaf)
{
    enum { N = 100 };
    yk_executor *ex = OPEN(b, .workers = 4, .kill_grace_ms = deaf ? 20 : 600000);
    word *w = words_new(2);
    block arg = { .begun = &w[0], .go = &w[1], .deaf = deaf };
    yk_future *f[N];
    for (int i = 0; i < N; i++)
        f[i] = backend_submit(b, ex, job_block, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 4);
    assert_int_equal(yk_executor_shutdown(ex, .cancel_pending = true, .cancel_running = true), 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(yk_future_state(f[i]), YK_CANCELLED);
    assert_int_equal(word_get(&w[0]), 4);
    unref_all(f, N);
    close_deaf(ex, &w[1]);
    yk_arena_free(w);
}

static void forced(const backend *b)
{
    for (int deaf = b->processes; deaf < 2; deaf++)
        forced_jobs(b, deaf);
}

static void test_S14_a_forced_shutdown_ends_jobs_that_never_would(void **state)
{
    (void)state;
    on_every_backend(forced);
}

static void nested(const backend *b)
{
    yk_executor *outer = OPEN(b, .workers = 2, .kill_grace_ms = 20);
    yk_executor *inner = OPEN(b, .workers = 2, .kill_grace_ms = 20);
    word *w = words_new(2);
    block arg = { .begun = &w[0], .go = &w[1], .deaf = true };
    yk_future *f[4];
    for (int i = 0; i < 4; i++)
        f[i] = backend_submit(b, i % 2 ? outer : inner, job_block, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 4);
    assert_int_equal(yk_executor_shutdown(outer, .cancel_running = true, .no_wait = true), 0);
    assert_int_equal(yk_executor_shutdown(inner, .cancel_running = true), 0);
    assert_int_equal(yk_executor_shutdown(outer), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(yk_await(f[i]), YK_ECANCELED);
    unref_all(f, 4);
    close_deaf(outer, &w[1]);
    close_deaf(inner, &w[1]);
    yk_arena_free(w);
}

static void test_S15_two_executors_are_forced_at_once(void **state)
{
    (void)state;
    on_every_backend(nested);
}

static void with_a_deadline(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2, .kill_grace_ms = 20);
    word *w = words_new(2);
    block arg = { .begun = &w[0], .go = &w[1] };
    yk_future *f = backend_submit(b, ex, job_block, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(yk_executor_shutdown(ex, .deadline = yk_after_ms(2)), UV_ETIMEDOUT);
    assert_int_equal(yk_future_state(f), YK_RUNNING);
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.running, 1); /* who is stuck */
    assert_int_equal(yk_executor_shutdown(ex, .cancel_running = true), 0);
    assert_int_equal(yk_future_state(f), YK_CANCELLED);
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_S16_shutdown_with_a_deadline_then_by_force(void **state)
{
    (void)state;
    on_every_backend(with_a_deadline);
}

/* What is stuck is told: the job, the worker and its number, and how many wait. */
static void names_what_is_stuck(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 20);
    word *w = words_new(2);
    block arg = waiting_block(w);
    yk_future *f[3];
    f[0] = backend_submit_opts(b, ex, job_block, &arg, sizeof arg,
                               (yk_job_options){ .name = "resize" });
    for (int i = 1; i < 3; i++)
        f[i] = backend_submit(b, ex, job_nothing, NULL, 0);
    eventually(word_get(&w[0]) == 1);
    yk_worker_stats rows[16];
    size_t at = 0;
    eventually(running_row(ex, rows, COUNT_OF(rows), &at));

    char stuck[256] = "", wanted[256];
    assert_int_equal(yk_executor_shutdown(ex, .deadline = yk_after_ms(2), .stuck = stuck,
                                          .stuck_size = sizeof stuck),
                     UV_ETIMEDOUT);
    snprintf(wanted, sizeof wanted, "job 'resize' on worker %u (%s%s%s %d) for ", rows[at].worker,
             rows[at].part, b->hybrid ? ", " : "", b->processes ? "pid" : "tid",
             (int)(b->processes ? rows[at].pid : rows[at].tid));
    assert_memory_equal(stuck, wanted, strlen(wanted));
    double seconds = -1;
    assert_int_equal(sscanf(stuck + strlen(wanted), "%lf s\n", &seconds), 1);
    assert_true(seconds >= 0);
    assert_string_equal(strchr(stuck, '\n') + 1, "2 waiting\n");

    char few[8];
    memset(few, 'x', sizeof few);
    assert_int_equal(yk_executor_shutdown(ex, .deadline = 1, .stuck = few, .stuck_size = 6),
                     UV_ETIMEDOUT);
    assert_memory_equal(few, "job '\0x", 7);
    word_set(&w[1], 1);
    memset(few, 'x', sizeof few);
    assert_int_equal(yk_executor_shutdown(ex, .stuck = few, .stuck_size = sizeof few), 0);
    assert_int_equal(few[0], 'x'); /* only where the deadline has passed */
    for (int i = 0; i < 3; i++)
        assert_int_equal(yk_future_state(f[i]), YK_DONE);
    unref_all(f, 3);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_S16_shutdown_names_what_is_stuck(void **state)
{
    (void)state;
    on_every_backend(names_what_is_stuck);
}

/* Also a forced shutdown returns by its deadline, when the job does not heed it. */
static void deaf_to_the_end(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2, .kill_grace_ms = 3600000);
    word *w = words_new(2);
    block arg = { .begun = &w[0], .go = &w[1], .deaf = true };
    yk_future *f;
    if (b->processes)
        f = backend_submit(b, ex, job_ignore_term, &w, sizeof w);
    else
        f = backend_submit(b, ex, job_block, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 1);
    char stuck[256] = "";
    for (int i = 0; i < 2; i++)
        assert_int_equal(yk_executor_shutdown(ex, .cancel_running = true,
                                              .deadline = yk_after_ms(5), .stuck = stuck,
                                              .stuck_size = sizeof stuck),
                         UV_ETIMEDOUT);
    assert_memory_equal(stuck, "a job on worker ", 16);
    yk_worker_stats rows[16];
    size_t at = 0;
    assert_true(running_row(ex, rows, COUNT_OF(rows), &at));
    if (b->processes)
        kill(rows[at].pid, SIGKILL);
    else
        word_set(&w[1], 1);
    assert_int_equal(yk_executor_shutdown(ex), 0);
    assert_true(yk_future_ended(f));
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_S16_a_forced_shutdown_keeps_its_deadline(void **state)
{
    (void)state;
    on_every_backend(deaf_to_the_end);
}

/* ---- S13
 * -----------------------------------------------------------------------------------------
 */

/* `dead`: one worker has died by then. */
static void force_what_runs(const backend *b, bool deaf, bool dead)
{
    enum { N = 6 };
    yk_executor *ex = OPEN(b, .workers = 2, .kill_grace_ms = deaf ? 20 : 600000);
    word *w = words_new(3);
    block arg = { .begun = &w[0], .go = &w[2], .deaf = deaf, .ended = &w[1] };
    yk_future *f[N];
    for (int i = 0; i < N; i++)
        f[i] = backend_submit(b, ex, job_block, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 2);
    yk_worker_stats rows[16];
    size_t at = 0;
    if (dead) {
        eventually(running_row(ex, rows, COUNT_OF(rows), &at));
        assert_int_equal(kill(rows[at].pid, SIGKILL), 0);
    }
    assert_int_equal(yk_executor_shutdown(ex, .cancel_running = true), 0);
    size_t crashed = 0;
    for (int i = 0; i < N; i++) {
        assert_true(yk_future_ended(f[i]));
        assert_int_not_equal(yk_future_state(f[i]), YK_DONE);
        crashed += yk_future_state(f[i]) == YK_FAILED;
    }
    assert_in_range(crashed, 0, dead);
    assert_int_equal(word_get(&w[1]), deaf ? 0 : 2);
    yk_future *late = backend_submit(b, ex, job_nothing, NULL, 0);
    assert_int_equal(yk_await(late), YK_ECLOSED);
    yk_future_unref(late);
    unref_all(f, N);
    close_deaf(ex, &w[2]);
    yk_arena_free(w);
}

static void forced_alive(const backend *b)
{
    for (int deaf = b->processes; deaf < 2; deaf++) /* processes are not asked */
        force_what_runs(b, deaf, false);
}

static void forced_with_a_dead_worker(const backend *b)
{
    force_what_runs(b, true, true);
}

static void test_S13_what_is_forced_to_end_is_never_done(void **state)
{
    (void)state;
    on_every_backend(forced_alive);
}

static void test_S13_a_forced_shutdown_with_a_dead_worker(void **state)
{
    (void)state;
    on_processes(forced_with_a_dead_worker);
}

static void forced_before_the_start(const backend *b)
{
    for (size_t round = 0; round < 2 + support_rounds(20); round++) {
        yk_executor *ex = OPEN(b, .workers = 3, .kill_grace_ms = 20);
        word *go = words_new(1);
        block arg = { .go = go, .deaf = b->processes || round % 2 };
        yk_future *f[3];
        for (int i = 0; i < 3; i++)
            f[i] = backend_submit(b, ex, job_block, &arg, sizeof arg);
        assert_int_equal(yk_executor_shutdown(ex, .cancel_running = true), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(yk_future_state(f[i]), YK_CANCELLED);
        unref_all(f, 3);
        close_deaf(ex, go);
        yk_arena_free(go);
    }
}

static void test_S13_a_forced_shutdown_while_workers_start(void **state)
{
    (void)state;
    on_every_backend(forced_before_the_start);
}

static void nothing_at_all(const backend *b)
{
    for (int i = 0; i < 5; i++) {
        yk_executor *ex = OPEN(b, .workers = 3);
        if (i % 2)
            assert_int_equal(yk_executor_shutdown(ex, .cancel_running = true), 0);
        backend_close(ex);
    }
    yk_executor_unref(OPEN(b, .workers = 3));
}

static void test_S10_an_executor_that_was_never_used(void **state)
{
    (void)state;
    on_every_backend(nothing_at_all);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_S01_submit_after_shutdown_is_refused),
        TEST(test_S02_fifty_short_jobs_then_shutdown),
        TEST(test_S03_shutdown_cancels_what_has_not_begun),
        TEST(test_S04_shutdown_without_waiting),
        TEST(test_S05_submit_cancel_at_once_shutdown),
        TEST(test_S06_shutdown_while_others_submit),
        TEST(test_S07_shutdown_among_failing_submissions),
        TEST(test_S08_workers_crash_after_shutdown_was_called),
        TEST(test_S09_shutdown_from_many_threads_and_again),
        TEST(test_S09_shutdown_from_a_callback),
        TEST(test_S10_an_executor_that_was_never_used),
        TEST(test_S11_the_last_reference_goes_without_a_shutdown),
        TEST(test_S14_a_forced_shutdown_ends_jobs_that_never_would),
        TEST(test_S15_two_executors_are_forced_at_once),
        TEST(test_S13_what_is_forced_to_end_is_never_done),
        TEST(test_S13_a_forced_shutdown_with_a_dead_worker),
        TEST(test_S13_a_forced_shutdown_while_workers_start),
        TEST(test_S16_shutdown_with_a_deadline_then_by_force),
        TEST(test_S16_shutdown_names_what_is_stuck),
        TEST(test_S16_a_forced_shutdown_keeps_its_deadline),
    };
    return RUN_TESTS("shutdown", tests);
}
