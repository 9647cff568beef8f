/* Where two features meet: what each promises for itself, it promises beside the other. */
#include "support/backends.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "executor/map.h"
#include "executor/process_pool.h"
#include "executor/ring.h"
#include "executor/stream.h"
#include "loop/task.h"

static yk__ring *ring_of(yk_future *f)
{
    return yk__stream_ring(f->stream);
}

/* ---- Streams and hostile workers ------------------------------------------------------------- */

/* All of the ring that is not the job's to write. */
static int job_rewrites_its_ring(yk_job *job)
{
    yk__ring *ring = job->ring;
    int err = yk_job_emit(job, "good", 4);
    ring->shared = false;
    ring->size = 7;
    ring->woken = 12345;
    atomic_store(&ring->reader, 3);
    return err;
}

static void ring_rewritten(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    for (int i = 0; i < 3; i++) {
        yk_future *f = backend_submit_opts(b, ex, job_rewrites_its_ring, NULL, 0,
                                           (yk_job_options){ .stream = 100 });
        char out[100];
        assert_int_equal(yk_await(f), 0);
        assert_int_equal(yk_stream_next(f, out, sizeof out, NULL, YK_FOREVER), 0);
        assert_memory_equal(out, "good", 4);
        assert_int_equal(yk_stream_next(f, out, sizeof out, NULL, YK_FOREVER), YK_END);
        yk_future_unref(f);
    }
    backend_close(ex);
}

static void test_P42_a_hostile_worker_rewrites_the_head_of_its_ring(void **state)
{
    (void)state;
    on_processes(ring_rewritten);
}

/* ---- Streams and commit points --------------------------------------------------------------- */

static int job_commits_and_emits(yk_job *job)
{
    word *w = *(word **)yk_job_arg(job);
    int err = yk_job_commit(job);
    word_set(&w[0], 1);
    while (!word_get(&w[1]))
        sched_yield();
    for (int i = 0; i < 100 && !err; i++)
        err = yk_job_emit(job, &i, sizeof i);
    return err;
}

static void committed(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 60000);
    word *w = words_new(2);
    yk_future *f = backend_submit_opts(b, ex, job_commits_and_emits, &w, sizeof w,
                                       (yk_job_options){ .stream = 40 });
    eventually(word_get(&w[0]) == 1 && yk_future_state(f) == YK_RUNNING);
    assert_int_equal(yk_future_cancel(f), 1);
    word_set(&w[1], 1);
    int n = 0, i, err;
    while ((err = yk_stream_next(f, &i, sizeof i, NULL, YK_FOREVER)) == 0)
        n += i == n;
    assert_int_equal(err, YK_END);
    assert_int_equal(yk_await(f), 0);
    assert_int_equal(n, 100);
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T09_a_committed_job_goes_on_emitting(void **state)
{
    (void)state;
    on_every_backend(committed);
}

/* ---- Streams and start_by -------------------------------------------------------------------- */

static int job_emits_much(yk_job *job)
{
    int err = 0;
    for (int i = 0; i < 100 && !err; i++)
        err = yk_job_emit(job, &i, sizeof i);
    return err;
}

static int job_emits_and_tells(yk_job *job)
{
    word *w = *(word **)yk_job_arg(job);
    int err = job_emits_much(job);
    word_set(w, (uint32_t)-err);
    return err;
}

static void reader_goes(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(1);
    yk_future *f =
        backend_submit_opts(b, ex, job_emits_and_tells, &w, sizeof w,
                            (yk_job_options){ .stream = 40, .start_by = yk_after_ms(3600000) });
    eventually(atomic_load(&ring_of(f)->wait_for) != 0);
    yk_future_unref(f);
    eventually(word_get(w) == (uint32_t)-YK_ECLOSED);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_stream_of_a_job_with_a_start_by_whose_reader_went_away(void **state)
{
    (void)state;
    on_every_backend(reader_goes);
}

/* ---- Streams and time limits ----------------------------------------------------------------- */

static int job_emits_for_ever(yk_job *job)
{
    int err;
    while ((err = yk_job_emit(job, NULL, 0)) == 0)
        ;
    return err;
}

static int job_asks_for_ever(yk_job *job)
{
    while (!yk_job_cancelled(job))
        ;
    return YK_ECANCELED;
}

static void late(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    for (size_t i = 0; i < support_rounds(100); i++) {
        yk_job_options options = { .stream = i % 2 ? 40 : 0, .timeout_ms = 1 };
        yk_future *f = backend_submit_opts(b, ex, i % 2 ? job_emits_for_ever : job_asks_for_ever,
                                           NULL, 0, options);
        assert_int_equal(yk_await(f), YK_EJOBTIMEOUT);
        assert_non_null(strstr(yk_future_error(f)->message, "limit of 1 ms"));
        yk_future_unref(f);
    }
    assert_int_equal(stats_of(ex).timeouts, support_rounds(100));
    backend_close(ex);
}

static void test_T01_a_job_that_stops_of_itself_at_its_limit_has_timed_out(void **state)
{
    (void)state;
    on_every_backend(late);
}

/* ---- A full queue and start_by --------------------------------------------------------------- */

static void expires_at_the_door(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .queue_limit = 1);
    word *w = words_new(2);
    block until_go = { .begun = &w[0], .go = &w[1] };
    yk_future *f[2];
    f[0] = backend_submit(b, ex, job_block, &until_go, sizeof until_go);
    eventually(yk_future_state(f[0]) == YK_RUNNING);
    f[1] = backend_submit(b, ex, job_nothing, NULL, 0);
    for (int before = 0; before < 2; before++) {
        yk_future *late =
            backend_submit_opts(b, ex, job_nothing, NULL, 0,
                                (yk_job_options){ .start_by = before ? 1 : yk_after_ms(20) });
        assert_int_equal(yk_await(late), YK_EEXPIRED);
        yk_future_unref(late);
        yk_future *refused =
            backend_submit_opts(b, ex, job_nothing, NULL, 0,
                                (yk_job_options){ .start_by = yk_after_ms(3600000),
                                                  .submit_deadline = yk_after_ms(20) });
        assert_int_equal(yk_await(refused), UV_ETIMEDOUT);
        yk_future_unref(refused);
    }
    word_set(&w[1], 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(yk_await(f[i]), 0);
        yk_future_unref(f[i]);
    }
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E24_a_job_expires_while_its_submitter_waits_for_room(void **state)
{
    (void)state;
    on_every_backend(expires_at_the_door);
}

/* ---- Maps and cancelled tasks ---------------------------------------------------------------- */

struct mapping {
    const backend *b;
    word *w;
    yk_map *map;
    int first, out;
};

static int job_waits_for_go(yk_job *job)
{
    word *w = *(word **)yk_job_arg(job);
    block until_go = { .begun = &w[0], .go = &w[1] };
    job->arg = &until_go;
    int err = job_block(job);
    return err ? err : yk_job_return(job, &(int){ 5 }, sizeof(int));
}

static int task_takes(void *arg)
{
    struct mapping *m = arg;
    m->first = yk_map_next(m->map, &m->out, sizeof m->out);
    return 0;
}

static void map_wait_cancelled(const backend *b)
{
    if (!b->on_loop)
        return;
    yk_executor *ex = OPEN(b, .workers = 1);
    for (int as_completed = 0; as_completed < 2; as_completed++) {
        struct mapping m = { .b = b, .w = words_new(2) };
        m.map = yk_map_start_with(ex, job_waits_for_go, &m.w, 1, sizeof m.w,
                                  .as_completed = as_completed, .job.kind = b->kind);
        eventually(word_get(m.w) == 1);
        yk_future *task = yk_task_start(task_takes, &m);
        yk_yield();
        yk_future_cancel(task);
        yk_await(task);
        assert_int_equal(m.first, YK_ECANCELED);
        word_set(&m.w[1], 1);
        assert_int_equal(yk_map_next(m.map, &m.out, sizeof m.out), 0);
        assert_int_equal(m.out, 5);
        assert_int_equal(yk_map_next(m.map, &m.out, sizeof m.out), YK_END);
        yk_map_free(m.map);
        yk_future_unref(task);
        yk_arena_free(m.w);
    }
    backend_close(ex);
}

static void test_E05_a_cancelled_wait_for_a_map_loses_nothing(void **state)
{
    (void)state;
    on_every_backend(map_wait_cancelled);
}

/* ---- A cancellation and a worker that was idle for long -------------------------------------- */

/* Who cancels is held up by a callback, before the pool knows. */
static int wait_in_callback(yk_future *f, void *arg)
{
    (void)f;
    word *w = arg;
    word_set(&w[2], 1);
    while (!word_get(&w[3]))
        sched_yield();
    return 0;
}

static void *cancel_it(void *f)
{
    yk_future_cancel(f);
    return NULL;
}

struct closing {
    yk_executor *ex;
    _Atomic bool closed;
};

static void *close_it(void *arg)
{
    struct closing *c = arg;
    assert_int_equal(yk_executor_close(c->ex), 0);
    atomic_store(&c->closed, true);
    return NULL;
}

static void cancelled_and_idle(const backend *b)
{
    if (b->on_loop || b->processes)
        return;
    struct closing c = { .ex = OPEN(b, .workers = 1, .worker = { .idle_timeout_ms = 1 }) };
    word *w = words_new(4);
    block until_go = { .begun = &w[0], .go = &w[1] };
    yk_future *first = backend_submit(b, c.ex, job_block, &until_go, sizeof until_go);
    eventually(word_get(&w[0]) == 1);
    yk_future *f = backend_submit(b, c.ex, job_nothing, NULL, 0);
    assert_int_equal(yk_future_on_end(f, wait_in_callback, w), 0);
    pthread_t canceller, closer;
    pthread_create(&canceller, NULL, cancel_it, f);
    eventually(word_get(&w[2]) == 1);
    word_set(&w[1], 1);
    assert_int_equal(yk_await(first), 0);
    for (int i = 0; i < 50; i++)
        support_pause(); /* it may leave now, if it is wrong */
    pthread_create(&closer, NULL, close_it, &c);
    for (int i = 0; i < 50; i++)
        support_pause();
    assert_false(atomic_load(&c.closed)); /* a canceller counts on the pool */
    word_set(&w[3], 1);
    pthread_join(canceller, NULL);
    pthread_join(closer, NULL);
    yk_future_unref(first);
    yk_future_unref(f);
    yk_arena_free(w);
}

static void test_S05_a_pool_outlives_a_cancellation_that_takes_its_time(void **state)
{
    (void)state;
    on_every_backend(cancelled_and_idle);
}

/* ---- A forced shutdown and those who submit -------------------------------------------------- */

struct crowd {
    const backend *b;
    yk_executor *ex;
    _Atomic bool over;
};

static void *submit_for_ever(void *arg)
{
    struct crowd *c = arg;
    block for_ever = { 0 };
    while (!atomic_load(&c->over)) {
        yk_future *f = backend_submit(c->b, c->ex, job_block, &for_ever, sizeof for_ever);
        yk_future_unref(f);
    }
    return NULL;
}

static void forced_among_submitters(const backend *b)
{
    if (b->on_loop)
        return;
    for (size_t round = 0; round < support_rounds(10); round++) {
        struct crowd c = { .b = b, .ex = OPEN(b, .workers = 2) };
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, submit_for_ever, &c);
        eventually(stats_of(c.ex).received > 100);
        assert_int_equal(
            yk_executor_shutdown(c.ex, .cancel_running = true, .deadline = yk_after_ms(20000)), 0);
        atomic_store(&c.over, true);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
        backend_close(c.ex);
    }
}

static void test_S14_a_forced_shutdown_ends_what_is_submitted_at_that_moment(void **state)
{
    (void)state;
    on_every_backend(forced_among_submitters);
}

/* It had passed the door before that was closed, and comes to a worker that seems to be quick. */
struct late {
    yk__post post;
    struct process_pool *pool;
    yk_future *_Atomic f;
};

static void come_late(yk__post *post)
{
    struct late *l = (struct late *)post;
    remote *r = l->pool->remotes[0];
    atomic_store(&r->ch->up.pace, 1);
    r->doubted = 0;
    l->pool->no_more_tries = true; /* as a forced shutdown has it */
    atomic_store(&l->f, yk_submit(&l->pool->ex, job_nothing, NULL, 0));
}

static void test_S14_a_job_that_comes_after_a_forced_shutdown_is_cancelled(void **state)
{
    (void)state;
    word *words = words_new(2);
    block b = { .begun = words, .go = words + 1 };
    yk_executor *ex = yk_process_pool(.workers = 1);
    yk_future *running = yk_submit(ex, job_block, &b, sizeof b);
    eventually(word_get(words));
    struct late l = { .post.run = come_late, .pool = (struct process_pool *)ex };
    yk__reactor_post(l.pool->reactor, &l.post);
    eventually(atomic_load(&l.f));
    assert_int_equal(yk_future_state(l.f), YK_CANCELLED);
    word_set(words + 1, 1);
    assert_int_equal(yk_await(running), 0);
    yk_future_unref(running);
    yk_future_unref(l.f);
    backend_close(ex);
    yk_arena_free(words);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_P42_a_hostile_worker_rewrites_the_head_of_its_ring),
        TEST(test_T09_a_committed_job_goes_on_emitting),
        TEST(test_stream_of_a_job_with_a_start_by_whose_reader_went_away),
        TEST(test_T01_a_job_that_stops_of_itself_at_its_limit_has_timed_out),
        TEST(test_E24_a_job_expires_while_its_submitter_waits_for_room),
        TEST(test_E05_a_cancelled_wait_for_a_map_loses_nothing),
        TEST(test_S05_a_pool_outlives_a_cancellation_that_takes_its_time),
        TEST(test_S14_a_forced_shutdown_ends_what_is_submitted_at_that_moment),
        TEST(test_S14_a_job_that_comes_after_a_forced_shutdown_is_cancelled),
    };
    return RUN_TESTS("meetings", tests);
}
