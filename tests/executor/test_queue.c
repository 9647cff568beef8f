/* A bounded queue: three ways to meet a full one, and what lets the next one in. */
#include "support/backends.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "loop/loop.h"

struct scene {
    const backend *b;
    yk_executor *ex;
    word *words; /* begun, go, and how many counting jobs were done */
    yk_future *blocker;
    yk_future *waiting[8];
    size_t n;
};

enum { BEGUN, GO, COUNT, WORDS };

static yk_future *submit(struct scene *s, yk_job_options options)
{
    word *count = &s->words[COUNT];
    return backend_submit_opts(s->b, s->ex, job_count, &count, sizeof count, options);
}

static yk_future *submit_now(struct scene *s)
{
    return submit(s, (yk_job_options){ .no_wait = true });
}

/* One worker, busy until word_set(GO); `limit` jobs wait, and nothing else gets in. */
static void open_full(struct scene *s, const backend *b, size_t limit)
{
    *s = (struct scene){ .b = b, .words = words_new(WORDS) };
    s->ex = OPEN(b, .workers = 1, .queue_limit = limit);
    block hold = { .begun = &s->words[BEGUN], .go = &s->words[GO] };
    s->blocker = backend_submit(b, s->ex, job_block, &hold, sizeof hold);
    eventually(word_get(&s->words[BEGUN]) == 1);
    while (s->n < limit) {
        s->waiting[s->n] = submit_now(s);
        assert_false(yk_future_ended(s->waiting[s->n]));
        s->n++;
    }
}

static void close_full(struct scene *s)
{
    word_set(&s->words[GO], 1);
    assert_int_equal(yk_await(s->blocker), 0);
    yk_future_unref(s->blocker);
    for (size_t i = 0; i < s->n; i++) {
        yk_await(s->waiting[i]);
        yk_future_unref(s->waiting[i]);
    }
    backend_close(s->ex);
    yk_arena_free(s->words);
}

/* One of those that wait goes: its place is free. */
static void free_one(struct scene *s, size_t i)
{
    yk_future_cancel(s->waiting[i]);
    assert_int_equal(yk_await(s->waiting[i]), YK_ECANCELED);
    yk_future_unref(s->waiting[i]);
}

static void assert_full(struct scene *s)
{
    yk_future *f = submit_now(s);
    assert_int_equal(yk_future_state(f), YK_FAILED);
    assert_int_equal(yk_future_error(f)->code, YK_EFULL);
    yk_future_unref(f);
}

static void refuses(const backend *b)
{
    struct scene s;
    open_full(&s, b, 3);
    assert_full(&s);
    assert_full(&s);
    assert_int_equal(stats_of(s.ex).received, 4); /* who is refused was never there */
    free_one(&s, 1);
    s.waiting[1] = submit_now(&s);
    assert_false(yk_future_ended(s.waiting[1]));
    assert_full(&s);
    word_set(&s.words[GO], 1);
    for (size_t i = 0; i < s.n; i++)
        assert_int_equal(yk_await(s.waiting[i]), 0);
    assert_int_equal(word_get(&s.words[COUNT]), 3);
    close_full(&s);
}

static void test_E25_a_full_queue_refuses_who_may_not_wait(void **state)
{
    (void)state;
    on_every_backend(refuses);
}

/* ---- Those who wait: tasks where there is a loop, else threads ------------------------------- */

struct guest {
    struct scene *s;
    yk_job_options options;
    yk_future *job, *task;
    pthread_t thread;
    _Atomic bool in;
    _Atomic pid_t tid;
};

static int come(void *arg)
{
    struct guest *g = arg;
    atomic_store(&g->tid, gettid());
    g->job = submit(g->s, g->options);
    atomic_store(&g->in, true);
    return 0;
}

static void *come_by_thread(void *arg)
{
    come(arg);
    return NULL;
}

/* Whether the guest's thread has got in, or sleeps: then it stands in line. */
static bool has_come(struct guest *g)
{
    char path[64], line[128] = "";
    pid_t tid = atomic_load(&g->tid);
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    FILE *file = tid ? fopen(path, "re") : NULL;
    const char *end = file && fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    if (file)
        fclose(file);
    return atomic_load(&g->in) || (end && end[1] && end[2] == 'S');
}

static void send_in(struct guest *g, struct scene *s, bool by_thread, yk_job_options options)
{
    *g = (struct guest){ .s = s, .options = options };
    if (by_thread) {
        assert_int_equal(pthread_create(&g->thread, NULL, come_by_thread, g), 0);
        eventually(has_come(g));
    } else {
        g->task = yk_task_start(come, g);
        eventually(atomic_load(&g->tid) != 0);
    }
    /* Time to get in, if somebody has opened the door by mistake. */
    for (int i = 0; i < 20; i++)
        support_pause();
}

static yk_future *await_guest(struct guest *g)
{
    if (g->task)
        yk_await(g->task);
    else {
        eventually(g->in);
        pthread_join(g->thread, NULL);
    }
    yk_future_unref(g->task);
    assert_true(g->in);
    return g->job;
}

/* A cancellation, an expiry and a begin each let one in: the one who came first. */
static void lets_in(const backend *b)
{
    struct scene s;
    open_full(&s, b, 1);
    struct guest g[4];
    for (int i = 0; i < 4; i++) {
        /* On a loop both kinds stand in one line. */
        bool by_thread = !b->on_loop || i % 2;
        yk_job_options options = { 0 };
        if (i == 0)
            options.start_by = yk_after_ms(300 * support_slowness());
        send_in(&g[i], &s, by_thread, options);
    }
    for (int i = 1; i < 4; i++) /* where all this is slow, the first may have expired outside */
        assert_false(g[i].in);
    assert_full(&s);

    yk_future_cancel(s.waiting[0]);
    yk_future *first = await_guest(&g[0]);
    assert_false(g[2].in || g[3].in);
    assert_int_equal(yk_await(first), YK_EEXPIRED); /* while the worker is still busy */
    yk_future *second = await_guest(&g[1]);
    assert_false(yk_future_ended(second));
    assert_false(g[2].in || g[3].in);

    word_set(&s.words[GO], 1);
    yk_future *third = await_guest(&g[2]), *fourth = await_guest(&g[3]);
    assert_int_equal(yk_await(second), 0);
    assert_int_equal(yk_await(third), 0);
    assert_int_equal(yk_await(fourth), 0);
    assert_int_equal(word_get(&s.words[COUNT]), 3);
    yk_future *all[] = { first, second, third, fourth };
    for (int i = 0; i < 4; i++)
        yk_future_unref(all[i]);
    close_full(&s);
}

static void test_E25_who_waits_gets_in_in_turn(void **state)
{
    (void)state;
    on_every_backend(lets_in);
}

static void waits_so_long(const backend *b)
{
    struct scene s;
    open_full(&s, b, 2);
    uint64_t deadline = yk_after_ms(20);
    yk_future *f = submit(&s, (yk_job_options){ .submit_deadline = deadline });
    assert_true(yk_now() >= deadline);
    assert_int_equal(yk_future_error(f)->code, UV_ETIMEDOUT);
    yk_future_unref(f);
    f = submit(&s, (yk_job_options){ .submit_deadline = 1 });
    assert_int_equal(yk_future_error(f)->code, UV_ETIMEDOUT);
    yk_future_unref(f);
    /* Their places are as they were. */
    free_one(&s, 0);
    s.waiting[0] = submit(&s, (yk_job_options){ .submit_deadline = 1 });
    assert_false(yk_future_ended(s.waiting[0]));
    assert_full(&s);
    close_full(&s);
}

static void test_E25_who_waits_may_have_a_deadline(void **state)
{
    (void)state;
    on_every_backend(waits_so_long);
}

static void cancelled_in_line(const backend *b)
{
    if (!b->on_loop)
        return;
    struct scene s;
    open_full(&s, b, 1);
    struct guest g;
    send_in(&g, &s, false, (yk_job_options){ 0 });
    assert_false(g.in);
    yk_future_cancel(g.task);
    yk_future *f = await_guest(&g);
    assert_int_equal(yk_future_state(f), YK_CANCELLED);
    yk_future_unref(f);
    free_one(&s, 0);
    s.waiting[0] = submit_now(&s);
    assert_false(yk_future_ended(s.waiting[0]));
    close_full(&s);
}

static void test_E25_a_task_that_waits_can_be_cancelled(void **state)
{
    (void)state;
    on_every_backend(cancelled_in_line);
}

static void closed_upon(const backend *b)
{
    struct scene s;
    open_full(&s, b, 1);
    struct guest g[3];
    for (int i = 0; i < 3; i++)
        send_in(&g[i], &s, !b->on_loop || i % 2, (yk_job_options){ 0 });
    assert_int_equal(yk_executor_shutdown(s.ex, .no_wait = true), 0);
    for (int i = 0; i < 3; i++) {
        yk_future *f = await_guest(&g[i]);
        assert_int_equal(yk_future_error(f)->code, YK_ECLOSED);
        yk_future_unref(f);
    }
    word_set(&s.words[GO], 1);
    assert_int_equal(yk_await(s.waiting[0]), 0); /* who was in stays in */
    close_full(&s);
}

static void test_E25_closing_sends_those_away_who_wait(void **state)
{
    (void)state;
    on_every_backend(closed_upon);
}

/* ---- On the loop's thread -------------------------------------------------------------------- */

struct call {
    struct scene *s;
    yk_future *refused, *taken;
    bool room;
};

static int submit_in_callback(yk_future *f, void *arg)
{
    (void)f;
    struct call *c = arg;
    yk_future *got = submit(c->s, (yk_job_options){ 0 });
    if (c->room)
        c->taken = got;
    else
        c->refused = got;
    return 0;
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* The callback of a task's end runs on the loop's thread, outside of any task. */
static void in_callback(struct call *c)
{
    yk_future *t = yk_task_start(do_nothing, NULL);
    assert_int_equal(yk_future_on_end(t, submit_in_callback, c), 0);
    assert_int_equal(yk_await(t), 0);
    eventually(c->room ? c->taken != NULL : c->refused != NULL);
    yk_future_unref(t);
}

static void on_the_loops_thread(const backend *b)
{
    if (!b->on_loop)
        return;
    struct scene s;
    open_full(&s, b, 1);
    struct call c = { .s = &s };
    in_callback(&c);
    assert_int_equal(yk_future_state(c.refused), YK_FAILED);
    assert_int_equal(yk_future_error(c.refused)->code, YK_EONLOOP);
    yk_future_unref(c.refused);
    free_one(&s, 0);
    c.room = true;
    in_callback(&c);
    s.waiting[0] = c.taken;
    assert_false(yk_future_ended(c.taken));
    close_full(&s);
}

static void test_E26_a_submission_that_would_block_the_loop_is_refused(void **state)
{
    (void)state;
    on_every_backend(on_the_loops_thread);
}

/* ---- Many through a narrow door -------------------------------------------------------------- */

static void good_and_bad(const backend *b)
{
    enum { N = 100 };
    yk_executor *ex = OPEN(b, .workers = 2, .queue_limit = 1);
    yk_future *good[N], *bad[N];
    for (int i = 0; i < N; i++) {
        bool crash = b->processes && i % 10 == 0;
        bad[i] = backend_submit(b, ex, crash ? job_kill_self : job_fail, NULL, 0);
        good[i] = backend_submit(b, ex, job_square, &i, sizeof i);
    }
    for (int i = 0, n; i < N; i++) {
        assert_int_equal(yk_await_into(good[i], &n, sizeof n), 0);
        assert_int_equal(n, i * i);
        assert_int_equal(yk_await(bad[i]), b->processes && i % 10 == 0 ? YK_ECRASHED : UV_EINVAL);
        yk_future_unref(good[i]);
        yk_future_unref(bad[i]);
    }
    backend_close(ex);
}

static void test_P23_failing_and_good_jobs_through_a_queue_of_one(void **state)
{
    (void)state;
    on_every_backend(good_and_bad);
}

struct visitors {
    const backend *b;
    yk_executor *ex;
    word *count;
    size_t each;
    _Atomic size_t done, cancelled, late, expired;
};

static void *visit(void *arg)
{
    struct visitors *v = arg;
    for (size_t i = 0; i < v->each; i++) {
        yk_job_options o = { .priority = (int)(i % 3) - 1 };
        if (i % 5 == 0)
            o.submit_deadline = yk_now() + 20000 * (i % 11);
        if (i % 7 == 0)
            o.start_by = yk_now() + 20000 * (i % 13) + 1;
        yk_future *f = backend_submit_opts(v->b, v->ex, job_count, &v->count, sizeof v->count, o);
        if (i % 3 == 0)
            yk_future_cancel(f);
        int err = yk_await(f);
        yk_future_unref(f);
        atomic_fetch_add(err == 0              ? &v->done
                         : err == YK_ECANCELED ? &v->cancelled
                         : err == UV_ETIMEDOUT ? &v->late
                                               : &v->expired,
                         1);
        assert_true(err == 0 || err == YK_ECANCELED || err == UV_ETIMEDOUT || err == YK_EEXPIRED);
    }
    return NULL;
}

static void crowd(const backend *b)
{
    enum { THREADS = 4, LIMIT = 2 };
    struct visitors v = { .b = b, .each = support_rounds(800), .count = words_new(1) };
    v.ex = OPEN(b, .workers = 2, .queue_limit = LIMIT);
    pthread_t t[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, visit, &v), 0);
    eventually(v.done + v.cancelled + v.late + v.expired == THREADS * v.each);
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    yk_executor_stats st = stats_of(v.ex);
    size_t admitted = v.done + v.cancelled; /* some expired at the door, some behind it */
    assert_in_range(st.received, admitted, admitted + v.expired);
    /* As many places as there were at the beginning. */
    word *hold_words = words_new(2);
    block hold = { .begun = &hold_words[0], .go = &hold_words[1] };
    yk_future *f[2 + LIMIT + 1];
    for (int i = 0; i < 2; i++) {
        f[i] = backend_submit(b, v.ex, job_block, &hold, sizeof hold);
        eventually(word_get(&hold_words[0]) == (uint32_t)i + 1);
    }
    for (int i = 2; i < 2 + LIMIT + 1; i++) {
        f[i] =
            backend_submit_opts(b, v.ex, job_nothing, NULL, 0, (yk_job_options){ .no_wait = true });
        assert_int_equal(yk_future_ended(f[i]), i == 2 + LIMIT);
    }
    word_set(&hold_words[1], 1);
    for (int i = 0; i < 2 + LIMIT + 1; i++) {
        assert_int_equal(yk_await(f[i]), i == 2 + LIMIT ? YK_EFULL : 0);
        yk_future_unref(f[i]);
    }
    backend_close(v.ex);
    yk_arena_free(hold_words);
    yk_arena_free(v.count);
}

static void test_E25_a_crowd_leaves_every_place_as_it_was(void **state)
{
    (void)state;
    on_every_backend(crowd);
}

/* ---- A driver that is held up ---------------------------------------------------------------- */

struct delay {
    _Atomic bool held, go_on;
};

static int hold_up(yk_future *f, void *arg)
{
    (void)f;
    struct delay *d = arg;
    atomic_store(&d->held, true);
    while (!atomic_load(&d->go_on))
        support_pause();
    return 0;
}

/* Whoever ends futures (the pool's driver, its only thread) stands still in a callback; whoever
 * submits does not notice. */
static void delayed(const backend *b)
{
    if (b->on_loop)
        return; /* there the driver is the thread that submits */
    enum { MANY = 20000 };
    size_t n = support_rounds(MANY);
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(1);
    block hold = { .go = &w[0] };
    struct delay d = { false, false };
    yk_future *first = backend_submit(b, ex, job_block, &hold, sizeof hold);
    assert_int_equal(yk_future_on_end(first, hold_up, &d), 0);
    word_set(&w[0], 1);
    eventually(d.held);
    yk_future **f = malloc(n * sizeof *f);
    for (size_t i = 0; i < n; i++)
        f[i] = backend_submit(b, ex, job_nothing, NULL, 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(yk_future_state(f[i]), YK_PENDING);
    atomic_store(&d.go_on, true);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(yk_await(f[i]), 0);
        yk_future_unref(f[i]);
    }
    free(f);
    yk_future_unref(first);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E30_a_driver_that_is_held_up_does_not_block_submissions(void **state)
{
    (void)state;
    on_every_backend(delayed);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_E25_a_full_queue_refuses_who_may_not_wait),
        TEST(test_E25_who_waits_gets_in_in_turn),
        TEST(test_E25_who_waits_may_have_a_deadline),
        TEST(test_E25_a_task_that_waits_can_be_cancelled),
        TEST(test_E25_closing_sends_those_away_who_wait),
        TEST(test_E26_a_submission_that_would_block_the_loop_is_refused),
        TEST(test_P23_failing_and_good_jobs_through_a_queue_of_one),
        TEST(test_E25_a_crowd_leaves_every_place_as_it_was),
        TEST(test_E30_a_driver_that_is_held_up_does_not_block_submissions),
    };
    return RUN_TESTS("queue", tests);
}
