/* What only a pool of threads must survive: jobs that block, that never return, that wait for jobs
 * of their own full pool; and the order and the bounds of its queue. */
#include "support/backends.h"
#include "executor/queue.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

static void on_threads(void (*body)(const backend *b))
{
    on_every_backend(body);
}

static void assert_works(const backend *b, yk_executor *ex)
{
    yk_future *f = backend_submit(b, ex, job_square, &(int){ 7 }, sizeof(int));
    int out = 0;
    assert_int_equal(yk_await_into(f, &out, sizeof out), 0);
    assert_int_equal(out, 49);
    yk_future_unref(f);
}

/* ---- T07: a running job is cancelled --------------------------------------------------------- */

/* Blocks in read(); an error of its own says that the call was interrupted. */
struct reader {
    word *begun;
    int fd;
};

static int job_read(yk_job *job)
{
    const struct reader *r = yk_job_arg(job);
    char byte;
    atomic_fetch_add(r->begun, 1);
    ssize_t n = read(r->fd, &byte, 1);
    if (n < 0)
        return yk_job_cancelled(job) ? YK_ECANCELED : -errno;
    return n == 1 ? 0 : UV_EOF;
}

static void interrupted(const backend *b)
{
    if (b->processes)
        return;
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 600000);
    word *w = words_new(1);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    for (uint32_t round = 1; round <= 20; round++) {
        struct reader r = { w, ends[0] };
        yk_future *f = backend_submit(b, ex, job_read, &r, sizeof r);
        eventually(word_get(w) == round);
        eventually(yk_future_state(f) == YK_RUNNING);
        assert_int_equal(yk_future_cancel(f), 1);
        assert_int_equal(yk_await(f), YK_ECANCELED);
        yk_future_unref(f);
    }
    assert_int_equal(stats_of(ex).stuck, 0);
    assert_int_equal(stats_of(ex).started, 1);
    backend_close(ex);
    close(ends[0]);
    close(ends[1]);
    yk_arena_free(w);
}

static void test_T07_a_blocked_system_call_is_interrupted(void **state)
{
    (void)state;
    on_threads(interrupted);
}

static void interrupted_by_limit(const backend *b)
{
    if (b->processes)
        return;
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 600000);
    word *w = words_new(1);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct reader r = { w, ends[0] };
    yk_future *f =
        backend_submit_opts(b, ex, job_read, &r, sizeof r, (yk_job_options){ .timeout_ms = 20 });
    assert_int_equal(yk_await(f), YK_EJOBTIMEOUT);
    yk_future_unref(f);
    assert_int_equal(stats_of(ex).timeouts, 1);
    assert_works(b, ex);
    backend_close(ex);
    close(ends[0]);
    close(ends[1]);
    yk_arena_free(w);
}

static void test_T01_a_limit_interrupts_a_blocked_system_call(void **state)
{
    (void)state;
    on_threads(interrupted_by_limit);
}

/* The job behind a cancelled one never hears of its signals. */
static int job_count_interrupts(yk_job *job)
{
    word *interrupts = *(word **)yk_job_arg(job);
    for (int i = 0; i < 3; i++) {
        struct timespec moment = { 0, 300000 };
        if (nanosleep(&moment, NULL) && errno == EINTR)
            atomic_fetch_add(interrupts, 1);
    }
    return 0;
}

static void next_one_undisturbed(const backend *b)
{
    if (b->processes)
        return;
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 600000);
    word *w = words_new(2), *interrupts = &w[1];
    size_t rounds = support_rounds(100);
    for (uint32_t round = 1; round <= rounds; round++) {
        block arg = { .begun = &w[0] };
        yk_future *f = backend_submit(b, ex, job_block, &arg, sizeof arg);
        yk_future *next =
            backend_submit(b, ex, job_count_interrupts, &interrupts, sizeof interrupts);
        eventually(word_get(&w[0]) == round);
        yk_future_cancel(f);
        assert_int_equal(yk_await(next), 0);
        yk_future_unref(f);
        yk_future_unref(next);
    }
    assert_int_equal(word_get(interrupts), 0);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T07_the_next_job_is_not_interrupted(void **state)
{
    (void)state;
    on_threads(next_one_undisturbed);
}

/* A deaf job, which never looks; `go` lets it return in the end. */
static yk_future *deaf(const backend *b, yk_executor *ex, word *w, uint64_t timeout_ms)
{
    block arg = { .begun = &w[0], .go = &w[1], .ended = &w[2], .deaf = true };
    uint32_t before = word_get(&w[0]);
    yk_future *f =
        backend_submit_opts(b, ex, job_block, &arg, sizeof arg,
                            (yk_job_options){ .timeout_ms = timeout_ms, .name = "deaf" });
    eventually(word_get(&w[0]) == before + 1);
    return f;
}

static void never_returns(const backend *b)
{
    if (b->processes)
        return;
    enum { N = 3 };
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 10);
    word *w = words_new(3);
    yk_future *f[N];
    for (int i = 0; i < N; i++) {
        bool timed = i == 1;
        f[i] = deaf(b, ex, w, timed ? 10 : 0);
        if (!timed)
            assert_int_equal(yk_future_cancel(f[i]), 1);
        assert_int_equal(yk_await(f[i]), timed ? YK_EJOBTIMEOUT : YK_ECANCELED);
        assert_int_equal(yk_future_state(f[i]), timed ? YK_FAILED : YK_CANCELLED);
        assert_non_null(strstr(yk_future_error(f[i])->message, "deaf"));
        assert_non_null(strstr(yk_future_error(f[i])->message, "written off"));
        assert_works(b, ex); /* another thread has taken its place */
        assert_int_equal(stats_of(ex).stuck, i + 1);
        assert_int_equal(stats_of(ex).workers, 1);
    }
    assert_int_equal(word_get(&w[2]), 0);
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.running, 0);
    assert_int_equal(s.cancelled, 2);
    assert_int_equal(s.timeouts, 1);
    word_set(&w[1], 1);
    eventually(stats_of(ex).stuck == 0); /* they come back, and leave */
    assert_int_equal(word_get(&w[2]), N);
    assert_int_equal(yk_future_state(f[0]), YK_CANCELLED);
    for (int i = 0; i < N; i++)
        yk_future_unref(f[i]);
    assert_works(b, ex);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T07_a_thread_that_never_returns_is_replaced(void **state)
{
    (void)state;
    on_threads(never_returns);
}

/* ---- S16: stuck threads do not hold up a shutdown -------------------------------------------- */

static void stuck_at_shutdown(const backend *b)
{
    if (b->processes)
        return;
    yk_executor *ex = OPEN(b, .workers = 2, .kill_grace_ms = 10);
    word *w = words_new(3);
    yk_future *f = deaf(b, ex, w, 0);
    assert_int_equal(yk_executor_shutdown(ex, .deadline = yk_after_ms(2)), UV_ETIMEDOUT);
    assert_int_equal(stats_of(ex).running, 1);
    assert_int_equal(yk_executor_shutdown(ex, .cancel_running = true), 0);
    assert_int_equal(yk_await(f), YK_ECANCELED);
    assert_int_equal(stats_of(ex).stuck, 1);
    assert_int_equal(stats_of(ex).workers, 0);
    yk_future_unref(f);
    backend_close(ex); /* the thread goes on without the pool's owner, and without the future's */
    assert_int_equal(word_get(&w[2]), 0);
    word_set(&w[1], 1);
    eventually(word_get(&w[2]) == 1);
    yk_arena_free(w);
}

static void test_S16_a_stuck_thread_does_not_hold_up_a_shutdown(void **state)
{
    (void)state;
    on_threads(stuck_at_shutdown);
}

/* The last thread is written off while jobs wait, and the pool closes. */
static void stuck_with_a_queue(const backend *b)
{
    if (b->processes)
        return;
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 10);
    word *w = words_new(4), *count = &w[3];
    yk_future *f = deaf(b, ex, w, 30), *behind[20];
    for (int i = 0; i < 20; i++)
        behind[i] = backend_submit(b, ex, job_count, &count, sizeof count);
    assert_int_equal(yk_executor_shutdown(ex), 0);
    assert_int_equal(yk_await(f), YK_EJOBTIMEOUT);
    assert_int_equal(word_get(count), 20);
    for (int i = 0; i < 20; i++)
        yk_future_unref(behind[i]);
    yk_future_unref(f);
    backend_close(ex);
    word_set(&w[1], 1);
    eventually(word_get(&w[2]) == 1);
    yk_arena_free(w);
}

static void test_S16_what_waits_behind_a_stuck_thread_is_done(void **state)
{
    (void)state;
    on_threads(stuck_with_a_queue);
}

/* ---- T09: the commit point ------------------------------------------------------------------- */

/* Commits, or finds out that it may not; its result is what the commit said. */
struct committer {
    word *begun, *go, *committed;
    bool late;   /* only once it was told to stop */
    bool recant; /* returns YK_ECANCELED nevertheless */
};

static int job_commits(yk_job *job)
{
    struct committer c = *(const struct committer *)yk_job_arg(job);
    atomic_fetch_add(c.begun, 1);
    while (c.late && !yk_job_cancelled(job))
        usleep(100);
    int code = yk_job_commit(job);
    if (code)
        return code;
    atomic_fetch_add(c.committed, 1);
    while (word_get(c.go) == 0)
        usleep(100);
    if (yk_job_cancelled(job) || yk_job_commit(job))
        return UV_EINVAL;
    return c.recant ? YK_ECANCELED : yk_job_return(job, &code, sizeof code);
}

static void committed(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 5);
    word *w = words_new(3);
    for (int round = 0; round < 4; round++) {
        bool timed = round == 1, recant = round == 3;
        struct committer c = { &w[0], &w[1], &w[2], .recant = recant };
        word_set(&w[1], 0);
        yk_future *f = backend_submit_opts(
            b, ex, job_commits, &c, sizeof c,
            (yk_job_options){ .timeout_ms = timed ? 50 * support_slowness() : 0 });
        eventually(word_get(&w[2]) == (uint32_t)round + 1);
        if (!timed)
            assert_int_equal(yk_future_cancel(f), 1);
        assert_int_equal(yk_await_until(f, yk_after_ms(80 * support_slowness())), UV_ETIMEDOUT);
        word_set(&w[1], 1);
        assert_int_equal(yk_await(f), recant ? YK_EJOB : 0);
        yk_future_unref(f);
        assert_works(b, ex);
    }
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.cancelled, 0);
    assert_int_equal(s.timeouts, 0);
    assert_int_equal(s.started, 1);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T09_a_committed_job_is_never_cancelled(void **state)
{
    (void)state;
    on_every_backend(committed);
}

static void too_late_to_commit(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 600000);
    word *w = words_new(3);
    for (uint32_t round = 0; round < 2; round++) {
        struct committer c = { &w[0], &w[1], &w[2], .late = true };
        bool timed = round == 1 && !b->processes; /* a process is killed then */
        yk_future *f = backend_submit_opts(b, ex, job_commits, &c, sizeof c,
                                           (yk_job_options){ .timeout_ms = timed ? 10 : 0 });
        eventually(word_get(&w[0]) == round + 1);
        eventually(yk_future_state(f) != YK_PENDING);
        if (!timed)
            yk_future_cancel(f);
        assert_int_equal(yk_await(f), timed ? YK_EJOBTIMEOUT : YK_ECANCELED);
        yk_future_unref(f);
    }
    assert_int_equal(word_get(&w[2]), 0);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T09_after_a_cancellation_nothing_is_committed(void **state)
{
    (void)state;
    on_every_backend(too_late_to_commit);
}

/* Cancellation and commit race; whoever is first, both sides agree. */
static int job_races(yk_job *job)
{
    word *w = *(word **)yk_job_arg(job);
    atomic_fetch_add(&w[0], 1);
    int code = yk_job_commit(job);
    if (code == 0)
        atomic_fetch_add(&w[1], 1);
    return code;
}

static void commit_race(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 600000);
    word *w = words_new(2);
    uint32_t done = 0;
    for (size_t round = 0; round < support_rounds(300); round++) {
        yk_future *f = backend_submit(b, ex, job_races, &w, sizeof w);
        if (round % 2)
            eventually(word_get(&w[0]) >= round / 2);
        yk_future_cancel(f);
        int err = yk_await(f);
        assert_true(err == 0 || err == YK_ECANCELED);
        done += err == 0;
        yk_future_unref(f);
    }
    assert_int_equal(word_get(&w[1]), done);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T09_commit_and_cancellation_race(void **state)
{
    (void)state;
    on_every_backend(commit_race);
}

/* ---- E19: a job waits for jobs of its own pool ----------------------------------------------- */

struct descent {
    yk_executor *ex;
    int depth;
    unsigned how;
};

static int job_descends(yk_job *job)
{
    struct descent d = *(const struct descent *)yk_job_arg(job);
    if (d.depth-- == 0)
        return yk_job_return(job, &(int){ 1 }, sizeof(int));
    yk_future *f = yk_submit(d.ex, job_descends, &d, sizeof d);
    int below = 0, err = 0;
    if (d.how == 1)
        err = yk_wait(&f, 1, YK_FIRST_ENDED, YK_FOREVER) == 1 ? 0 : UV_EINVAL;
    if (d.how == 2) {
        yk_as_completed *each = yk_as_completed_new(&f, 1);
        yk_future *ended;
        err = yk_as_completed_next(each, &ended, YK_FOREVER);
        yk_as_completed_free(each);
    }
    if (!err)
        err = yk_await_into(f, &below, sizeof below);
    yk_future_unref(f);
    below++;
    return err ? err : yk_job_return(job, &below, sizeof below);
}

static void nested(const backend *b)
{
    if (b->processes || b->hybrid)
        return;
    for (unsigned workers = 1; workers <= 2; workers++)
        for (unsigned how = 0; how < 3; how++) {
            yk_executor *ex = OPEN(b, .workers = (int)workers);
            yk_future *f[4];
            for (int i = 0; i < 4; i++) {
                struct descent d = { ex, 10, how };
                f[i] = yk_submit(ex, job_descends, &d, sizeof d);
            }
            for (int i = 0; i < 4; i++) {
                int levels = 0;
                assert_int_equal(yk_await_into(f[i], &levels, sizeof levels), 0);
                assert_int_equal(levels, 11);
                yk_future_unref(f[i]);
            }
            eventually(stats_of(ex).workers <= workers); /* those that stood in have left */
            backend_close(ex);
        }
}

static void test_E19_a_job_waits_for_jobs_of_its_own_full_pool(void **state)
{
    (void)state;
    on_threads(nested);
}

/* More levels than threads may be added: refused at the bottom, and it never hangs. */
static void nested_too_deep(const backend *b)
{
    if (b->processes || b->hybrid)
        return;
    yk_executor *ex = OPEN(b, .workers = 1);
    struct descent d = { ex, 400, 0 };
    yk_future *f = yk_submit(ex, job_descends, &d, sizeof d);
    int err = yk_await(f);
    assert_true(err == YK_EDEADLK || err == UV_EAGAIN);
    yk_future_unref(f);
    backend_close(ex);
}

static void test_E19_what_would_hang_is_refused(void **state)
{
    (void)state;
    on_threads(nested_too_deep);
}

/* Those that stand in do not add to those that compute. */
struct gauge {
    yk_executor *ex;
    word *w; /* running now, the most that ever ran */
};

static int job_gauges(yk_job *job)
{
    word *w = *(word **)yk_job_arg(job);
    uint32_t now = atomic_fetch_add(&w[0], 1) + 1, most = word_get(&w[1]);
    while (now > most && !atomic_compare_exchange_weak(&w[1], &most, now))
        ;
    usleep(200);
    atomic_fetch_sub(&w[0], 1);
    return 0;
}

static int job_awaits(yk_job *job)
{
    const struct gauge *g = yk_job_arg(job);
    yk_future *f = yk_submit(g->ex, job_gauges, &g->w, sizeof g->w);
    int err = yk_await(f);
    yk_future_unref(f);
    return err;
}

static void no_more_than_there_are(const backend *b)
{
    enum { N = 60 };
    if (b->processes || b->hybrid)
        return;
    yk_executor *ex = OPEN(b, .workers = 2);
    word *w = words_new(2);
    struct gauge g = { ex, w };
    yk_future *f[N];
    for (int i = 0; i < N; i++)
        f[i] = yk_submit(ex, job_awaits, &g, sizeof g);
    for (int i = 0; i < N; i++) {
        assert_int_equal(yk_await(f[i]), 0);
        yk_future_unref(f[i]);
    }
    /* For a moment each that comes back may find its deputy at work. */
    assert_true(word_get(&w[1]) <= 4);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E19_deputies_are_no_more_than_those_who_wait(void **state)
{
    (void)state;
    on_threads(no_more_than_there_are);
}

/* T08: a job that waits is told of its own cancellation, and cancels what it waits for. */
struct waiting {
    yk_executor *ex;
    word *w;
};

static int job_waits(yk_job *job)
{
    const struct waiting *x = yk_job_arg(job);
    block arg = { .begun = &x->w[0], .ended = &x->w[1] };
    yk_future *f = yk_submit(x->ex, job_block, &arg, sizeof arg);
    int err = yk_await(f);
    if (err == YK_ECANCELED)
        yk_await(f); /* the second wait is not disturbed */
    if (!yk_future_ended(f))
        err = UV_EINVAL;
    yk_future_unref(f);
    return err;
}

static void cancelled_while_it_waits(const backend *b)
{
    if (b->processes || b->hybrid)
        return;
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 600000);
    word *w = words_new(2);
    struct waiting x = { ex, w };
    yk_future *f = yk_submit(ex, job_waits, &x, sizeof x);
    eventually(word_get(&w[0]) == 1);
    yk_future_cancel(f);
    assert_int_equal(yk_await(f), YK_ECANCELED);
    assert_int_equal(word_get(&w[1]), 1);
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T08_a_cancelled_job_cancels_what_it_waits_for(void **state)
{
    (void)state;
    on_threads(cancelled_while_it_waits);
}

/* ---- E23, E24: whose turn it is -------------------------------------------------------------- */

/* Notes the order in which jobs run: their number. */
struct note {
    word *next, *order;
    uint32_t number;
};

static int job_notes(yk_job *job)
{
    const struct note *n = yk_job_arg(job);
    word_set(&n->order[atomic_fetch_add(n->next, 1)], n->number);
    return 0;
}

static void priorities(const backend *b)
{
    enum { N = 60 };
    if (b->processes)
        return;
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(3 + N);
    block arg = { .begun = &w[0], .go = &w[1] };
    yk_future *first = backend_submit(b, ex, job_block, &arg, sizeof arg), *f[N];
    eventually(word_get(&w[0]) == 1);
    for (uint32_t i = 0; i < N; i++) { /* 30 normal, then 30 high */
        struct note n = { &w[2], &w[3], i };
        f[i] = backend_submit_opts(b, ex, job_notes, &n, sizeof n,
                                   (yk_job_options){ .priority = i < 30 ? 0 : YK_PRIORITY_HIGH });
    }
    word_set(&w[1], 1);
    assert_int_equal(yk_await(first), 0);
    yk_future_unref(first);
    assert_int_equal(yk_await_all(f, N, YK_FOREVER), 0);
    uint32_t last[2] = { 0, 0 }, before_the_first = 0;
    for (uint32_t i = 0; i < N; i++) {
        uint32_t n = word_get(&w[3 + i]), high = n >= 30;
        assert_true(n + 1 > last[high]); /* in order, within a class */
        last[high] = n + 1;
        before_the_first += high && last[0] == 0;
        yk_future_unref(f[i]);
    }
    assert_int_equal(before_the_first, YK__OVERTAKEN_AT_MOST); /* overtaken, and no more often */
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E23_the_higher_class_runs_first_on_threads(void **state)
{
    (void)state;
    on_threads(priorities);
}

static void expiry(const backend *b)
{
    enum { N = 200 };
    if (b->processes)
        return;
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(3), *count = &w[2];
    block arg = { .begun = &w[0], .go = &w[1] };
    yk_future *first = backend_submit(b, ex, job_block, &arg, sizeof arg), *f[N];
    eventually(word_get(&w[0]) == 1);
    uint64_t soon = yk_after_ms(10), later = yk_after_ms(600000);
    for (int i = 0; i < N; i++)
        f[i] = backend_submit_opts(b, ex, job_count, &count, sizeof count,
                                   (yk_job_options){ .start_by = i % 2 ? soon : later });
    for (int i = 1; i < N; i += 2) { /* while the only thread is busy */
        assert_int_equal(yk_await(f[i]), YK_EEXPIRED);
        assert_int_equal(yk_future_state(f[i]), YK_FAILED);
    }
    assert_int_equal(yk_future_state(f[0]), YK_PENDING);
    word_set(&w[1], 1);
    assert_int_equal(yk_await(first), 0);
    yk_future_unref(first);
    for (int i = 0; i < N; i++) {
        assert_int_equal(yk_await(f[i]), i % 2 ? YK_EEXPIRED : 0);
        yk_future_unref(f[i]);
    }
    assert_int_equal(word_get(count), N / 2);
    assert_int_equal(stats_of(ex).failed, N / 2);
    f[0] = backend_submit_opts(b, ex, job_count, &count, sizeof count,
                               (yk_job_options){ .start_by = 1 }); /* has passed already */
    assert_int_equal(yk_await(f[0]), YK_EEXPIRED);
    yk_future_unref(f[0]);
    f[0] = backend_submit_opts(b, ex, job_count, &count, sizeof count,
                               (yk_job_options){ .start_by = YK_FOREVER });
    assert_int_equal(yk_await(f[0]), 0);
    yk_future_unref(f[0]);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E24_a_job_that_has_not_begun_in_time_expires_on_threads(void **state)
{
    (void)state;
    on_threads(expiry);
}

/* ---- Starting and ending: what is different where a worker is a thread ----------------------- */

/* Every thread has a copy of its own. */
struct setting {
    word *w; /* initialised, finalised, `go` of the initializer, refuse the next */
    int copies;
};

static int set_up(void *arg)
{
    struct setting *s = arg;
    s->copies++;
    if (word_get(&s->w[3]))
        return yk_worker_fail(UV_EBUSY, "no more");
    atomic_fetch_add(&s->w[0], 1);
    while (word_get(&s->w[2]) == 0)
        usleep(100);
    return s->copies == 1 ? 0 : UV_EINVAL;
}

static void tear_down(void *arg)
{
    struct setting *s = arg;
    atomic_fetch_add(&s->w[1], (uint32_t)s->copies);
}

#define SET_UP(s)                                                                        \
    {                                                                                    \
        .initializer = set_up, .finalizer = tear_down, .arg = &(s), .arg_len = sizeof(s) \
    }

static void finalizer_of_a_stuck_thread(const backend *b)
{
    if (b->processes)
        return;
    word *w = words_new(7);
    struct setting s = { .w = &w[3] };
    word_set(&s.w[2], 1);
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 5, .worker = SET_UP(s));
    yk_future *f = deaf(b, ex, w, 0);
    yk_future_cancel(f);
    assert_int_equal(yk_await(f), YK_ECANCELED);
    yk_future_unref(f);
    assert_works(b, ex);
    backend_close(ex);
    assert_int_equal(word_get(&s.w[0]), 2);
    assert_int_equal(word_get(&s.w[1]), 1); /* the other one's, so far */
    word_set(&w[1], 1);
    eventually(word_get(&s.w[1]) == 2);
    yk_arena_free(w);
}

static void test_I06_a_stuck_thread_is_finalised_when_it_comes_back(void **state)
{
    (void)state;
    on_threads(finalizer_of_a_stuck_thread);
}

static void stuck_at_its_start(const backend *b)
{
    if (b->processes)
        return;
    word *w = words_new(4);
    struct setting s = { .w = w };
    char stuck[256];
    yk_executor *ex = OPEN(b, .workers = 2, .kill_grace_ms = 5, .worker = SET_UP(s));
    yk_future *f = backend_submit(b, ex, job_nothing, NULL, 0);
    eventually(word_get(&w[0]) == 1);
    assert_int_equal(yk_executor_shutdown(ex, .deadline = yk_after_ms(2), .stuck = stuck,
                                          .stuck_size = sizeof stuck),
                     UV_ETIMEDOUT);
    assert_non_null(strstr(stuck, "is being started"));
    assert_int_equal(yk_executor_shutdown(ex, .cancel_running = true), 0);
    assert_int_equal(yk_await(f), YK_ECANCELED);
    assert_int_equal(stats_of(ex).stuck, 1);
    yk_future_unref(f);
    backend_close(ex);
    word_set(&w[2], 1);
    eventually(word_get(&w[1]) == 1); /* it was a start like any other */
    yk_arena_free(w);
}

static void test_I05_a_thread_that_hangs_at_its_start_does_not_hold_up_a_shutdown(void **state)
{
    (void)state;
    on_threads(stuck_at_its_start);
}

/* A job waits for a job of its own pool, and no thread can be had in its stead. */
static int job_awaits_nothing(yk_job *job)
{
    const struct waiting *x = yk_job_arg(job);
    atomic_fetch_add(&x->w[0], 1);
    yk_future *f = yk_submit(x->ex, job_nothing, NULL, 0);
    int err = yk_await(f);
    yk_future_unref(f);
    return err;
}

static void no_deputy(const backend *b)
{
    if (b->processes || b->hybrid)
        return;
    word *w = words_new(5);
    struct setting s = { .w = &w[1] };
    word_set(&s.w[2], 1);
    yk_executor *ex = OPEN(b, .workers = 1, .worker = SET_UP(s));
    assert_works(b, ex);
    word_set(&s.w[3], 1);
    struct waiting x = { ex, w };
    yk_future *f = backend_submit(b, ex, job_awaits_nothing, &x, sizeof x);
    int err = yk_await(f);
    assert_true(err == YK_EINIT || err == YK_EDEADLK);
    yk_future_unref(f);
    assert_works(b, ex);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_I02_a_job_whose_deputy_cannot_start_does_not_hang(void **state)
{
    (void)state;
    on_threads(no_deputy);
}

/* Threads are started by jobs, too, and inherit nothing from them. */
static int job_scheduling(yk_job *job)
{
    int s[2] = { getpriority(PRIO_PROCESS, 0), sched_getscheduler(0) };
    return yk_job_return(job, s, sizeof s);
}

static int job_awaits_scheduling(yk_job *job)
{
    yk_executor *ex = *(yk_executor **)yk_job_arg(job);
    yk_future *f = yk_submit(ex, job_scheduling, NULL, 0);
    int s[2], err = yk_await_into(f, s, sizeof s);
    yk_future_unref(f);
    return err ? err : yk_job_return(job, s, sizeof s);
}

static void not_added_twice(const backend *b)
{
    if (b->processes || b->hybrid)
        return;
    int s[2], here = getpriority(PRIO_PROCESS, 0);
    yk_executor *ex = OPEN(b, .workers = 1, .worker = { .nice = 2, .scheduling = YK_SCHED_BATCH });
    yk_executor *plain = OPEN(b, .workers = 1);
    for (int other = 0; other < 2; other++) {
        yk_executor *asked = other ? plain : ex;
        yk_future *f = backend_submit(b, ex, job_awaits_scheduling, &asked, sizeof asked);
        assert_int_equal(yk_await_into(f, s, sizeof s), 0);
        yk_future_unref(f);
        assert_int_equal(s[1], other ? sched_getscheduler(0) : SCHED_BATCH);
        if (!other || geteuid() == 0) /* who may not lower a nice value keeps what it inherits */
            assert_int_equal(s[0], !other ? here + 2 : b->on_loop ? here + 5 : here);
    }
    backend_close(ex);
    backend_close(plain);
}

static void test_I07_what_is_set_for_threads_is_not_inherited_from_thread_to_thread(void **state)
{
    (void)state;
    on_threads(not_added_twice);
}

/* ---- A program's own handler for faults ------------------------------------------------------ */

static _Thread_local sigjmp_buf rescue;

static void rescued(int sig)
{
    siglongjmp(rescue, sig);
}

static int job_faults(yk_job *job)
{
    volatile char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int sig = sigsetjmp(rescue, 1);
    if (sig == 0)
        (void)page[0];
    munmap((void *)page, 4096);
    return yk_job_return(job, &sig, sizeof sig);
}

static void own_handler(const backend *b)
{
    if (b->processes)
        return;
    struct sigaction action = { .sa_handler = rescued }, before;
    sigaction(SIGSEGV, &action, &before);
    yk_executor *ex = OPEN(b, .workers = 1);
    for (int i = 0; i < 3; i++) {
        int sig = 0;
        yk_future *f = backend_submit(b, ex, job_faults, NULL, 0);
        assert_int_equal(yk_await_into(f, &sig, sizeof sig), 0);
        assert_int_equal(sig, SIGSEGV);
        yk_future_unref(f);
    }
    backend_close(ex);
    sigaction(SIGSEGV, &before, NULL);
}

static void test_P04_on_threads_a_fault_comes_to_the_programs_own_handler(void **state)
{
    (void)state;
    on_threads(own_handler);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_T07_a_blocked_system_call_is_interrupted),
        TEST(test_T01_a_limit_interrupts_a_blocked_system_call),
        TEST(test_T07_the_next_job_is_not_interrupted),
        TEST(test_T07_a_thread_that_never_returns_is_replaced),
        TEST(test_S16_a_stuck_thread_does_not_hold_up_a_shutdown),
        TEST(test_S16_what_waits_behind_a_stuck_thread_is_done),
        TEST(test_T09_a_committed_job_is_never_cancelled),
        TEST(test_T09_after_a_cancellation_nothing_is_committed),
        TEST(test_T09_commit_and_cancellation_race),
        TEST(test_E19_a_job_waits_for_jobs_of_its_own_full_pool),
        TEST(test_E19_what_would_hang_is_refused),
        TEST(test_E19_deputies_are_no_more_than_those_who_wait),
        TEST(test_T08_a_cancelled_job_cancels_what_it_waits_for),
        TEST(test_E23_the_higher_class_runs_first_on_threads),
        TEST(test_E24_a_job_that_has_not_begun_in_time_expires_on_threads),
        TEST(test_I06_a_stuck_thread_is_finalised_when_it_comes_back),
        TEST(test_I05_a_thread_that_hangs_at_its_start_does_not_hold_up_a_shutdown),
        TEST(test_I02_a_job_whose_deputy_cannot_start_does_not_hang),
        TEST(test_I07_what_is_set_for_threads_is_not_inherited_from_thread_to_thread),
        TEST(test_P04_on_threads_a_fault_comes_to_the_programs_own_handler),
    };
    return RUN_TESTS("threads", tests);
}
