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

/* ---- On executors ---------------------------------------------------------------------------- */

/* Where jobs leave word of their turn. */
struct turn {
    word *next, *order;
    uint32_t who;
};

static int job_turn(yk_job *job)
{
    const struct turn *t = yk_job_arg(job);
    atomic_store(&t->order[atomic_fetch_add(t->next, 1)], t->who);
    return 0;
}

struct scene {
    const backend *b;
    yk_executor *ex;
    yk_future *blocker;
    word *words; /* the next turn; the blockers' begun and go; then the order of turns */
    yk_future *jobs[100];
    uint32_t n;
};

enum { TURN, BEGUN, GO, ORDER, WORDS = 120 };

/* An executor with one worker, which is busy until curtain(). */
static void open_scene(struct scene *s, const backend *b)
{
    *s = (struct scene){ .b = b, .words = words_new(WORDS) };
    s->ex = OPEN(b, .workers = 1);
    block hold = { .begun = &s->words[BEGUN], .go = &s->words[GO] };
    s->blocker = backend_submit(b, s->ex, job_block, &hold, sizeof hold);
    eventually(word_get(&s->words[BEGUN]) == 1);
}

static yk_future *enter(struct scene *s, yk_job_options options)
{
    struct turn t = { &s->words[TURN], &s->words[ORDER], s->n };
    s->jobs[s->n] = backend_submit_opts(s->b, s->ex, job_turn, &t, sizeof t, options);
    return s->jobs[s->n++];
}

/* Not before the pool has seen all that was submitted, which a driver does some time later, in
 * order: what can never begin ends when it is seen. */
static void curtain(struct scene *s)
{
    yk_future *last =
        backend_submit_opts(s->b, s->ex, job_nothing, NULL, 0, (yk_job_options){ .start_by = 1 });
    assert_int_equal(yk_await(last), YK_EEXPIRED);
    yk_future_unref(last);
    word_set(&s->words[GO], 1);
    assert_int_equal(yk_await(s->blocker), 0);
    yk_future_unref(s->blocker);
}

static void close_scene(struct scene *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        yk_await(s->jobs[i]);
        yk_future_unref(s->jobs[i]);
    }
    backend_close(s->ex);
    yk_arena_free(s->words);
}

static void assert_order(struct scene *s, const uint32_t *order, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(word_get(&s->words[ORDER + i]), order[i]);
}

static void by_class(const backend *b)
{
    static const int classes[] = { 0, 0, -1, 0, 1, 0, -1, 1, 1, 0, -1 };
    static const uint32_t order[] = { 4, 7, 8, 0, 1, 3, 5, 9, 2, 6, 10 };
    struct scene s;
    open_scene(&s, b);
    for (size_t i = 0; i < COUNT_OF(classes); i++)
        enter(&s, (yk_job_options){ .priority = classes[i] });
    curtain(&s);
    for (uint32_t i = 0; i < s.n; i++)
        assert_int_equal(yk_await(s.jobs[i]), 0);
    assert_order(&s, order, s.n);
    close_scene(&s);
}

static void test_E23_a_high_one_overtakes_those_that_wait(void **state)
{
    (void)state;
    on_every_backend(by_class);
}

static void ageing(const backend *b)
{
    struct scene s;
    open_scene(&s, b);
    enter(&s, (yk_job_options){ .priority = YK_PRIORITY_LOW });
    enter(&s, (yk_job_options){ .priority = YK_PRIORITY_NORMAL });
    for (int i = 0; i < 60; i++)
        enter(&s, (yk_job_options){ .priority = YK_PRIORITY_HIGH });
    curtain(&s);
    for (uint32_t i = 0; i < s.n; i++)
        assert_int_equal(yk_await(s.jobs[i]), 0);
    uint32_t low = 0, normal = 0;
    while (word_get(&s.words[ORDER + low]) != 0)
        low++;
    while (word_get(&s.words[ORDER + normal]) != 1)
        normal++;
    assert_in_range(low, 1, YK__OVERTAKEN_AT_MOST + 1);
    assert_in_range(normal, 1, YK__OVERTAKEN_AT_MOST + 1);
    close_scene(&s);
}

static void test_E23_a_low_one_is_overtaken_so_often_and_no_more(void **state)
{
    (void)state;
    on_every_backend(ageing);
}

/* High ones keep coming, each from the end of another, until the low one has had its turn. */

struct stream {
    struct scene *s;
    yk_future *low;
    _Atomic int n;
};

static int one_more(yk_future *f, void *arg)
{
    struct stream *st = arg;
    if (!yk_future_ended(st->low) && !yk_future_error(f)) {
        word *counter = &st->s->words[WORDS - 1];
        yk_future *next = backend_submit_opts(st->s->b, st->s->ex, job_count, &counter,
                                              sizeof counter, (yk_job_options){ .priority = 1 });
        yk_future_on_end(next, one_more, st);
        yk_future_unref(next);
    } else {
        atomic_fetch_sub(&st->n, 1);
    }
    return 0;
}

static void starvation(const backend *b)
{
    enum { AT_ONCE = 8 };
    struct scene s;
    open_scene(&s, b);
    struct stream st = { &s, NULL, AT_ONCE };
    st.low = enter(&s, (yk_job_options){ .priority = YK_PRIORITY_LOW });
    word *counter = &s.words[WORDS - 1];
    for (int i = 0; i < AT_ONCE; i++) {
        yk_future *f = backend_submit_opts(b, s.ex, job_count, &counter, sizeof counter,
                                           (yk_job_options){ .priority = 1 });
        yk_future_on_end(f, one_more, &st);
        yk_future_unref(f);
    }
    curtain(&s);
    assert_int_equal(yk_await(st.low), 0);
    eventually(st.n == 0);
    close_scene(&s);
}

static void test_E23_nobody_starves_while_high_ones_keep_coming(void **state)
{
    (void)state;
    on_every_backend(starvation);
}

static void all_sorts(const backend *b)
{
    enum { N = 90 };
    struct scene s;
    open_scene(&s, b);
    size_t cancelled = 0;
    for (int i = 0; i < N; i++)
        enter(&s, (yk_job_options){ .priority = i * 7 % 3 - 1 });
    for (int i = 0; i < N; i += 5)
        cancelled += yk_future_cancel(s.jobs[i]) >= 0;
    curtain(&s);
    for (int i = 0; i < N; i++) {
        int err = yk_await(s.jobs[i]);
        assert_int_equal(err, i % 5 ? 0 : YK_ECANCELED);
    }
    assert_int_equal(cancelled, N / 5);
    assert_int_equal(word_get(&s.words[TURN]), N - cancelled);
    uint32_t last[3] = { 0 };
    for (uint32_t i = 0; i < N - cancelled; i++) {
        uint32_t who = word_get(&s.words[ORDER + i]);
        assert_true(last[who * 7 % 3] <= who); /* one worker: exactly in order */
        last[who * 7 % 3] = who;
    }
    close_scene(&s);
}

static void test_E23_in_order_within_a_class_among_cancellations(void **state)
{
    (void)state;
    on_every_backend(all_sorts);
}

/* ---- To begin by some time ------------------------------------------------------------------- */

static void expires(const backend *b)
{
    struct scene s;
    open_scene(&s, b);
    yk_future *ahead = enter(&s, (yk_job_options){ 0 });
    yk_future *late = enter(&s, (yk_job_options){ .start_by = yk_after_ms(30), .name = "late" });
    yk_future *behind = enter(&s, (yk_job_options){ 0 });
    yk_future *past = enter(&s, (yk_job_options){ .start_by = 1 });
    yk_future *in_time = enter(&s, (yk_job_options){ .start_by = yk_after_ms(1000000) });
    assert_int_equal(yk_await(past), YK_EEXPIRED);
    assert_int_equal(yk_await(late), YK_EEXPIRED); /* while the worker is still busy */
    assert_string_equal(yk_future_error(late)->message, "job 'late' did not begin in time");
    assert_int_equal(yk_future_state(late), YK_FAILED);
    assert_int_equal(yk_future_cancel(late), YK_EDONE);
    assert_int_equal(stats_of(s.ex).failed, 2);
    curtain(&s);
    assert_int_equal(yk_await(ahead), 0);
    assert_int_equal(yk_await(behind), 0);
    assert_int_equal(yk_await(in_time), 0);
    assert_order(&s, (uint32_t[]){ 0, 2, 4 }, 3);
    assert_int_equal(word_get(&s.words[TURN]), 3); /* the others never began */
    close_scene(&s);
}

static void test_E24_a_job_that_has_not_begun_in_time_never_does(void **state)
{
    (void)state;
    on_every_backend(expires);
}

static void has_begun(const backend *b)
{
    word *w = words_new(2);
    yk_executor *ex = OPEN(b, .workers = 1);
    block hold = { .begun = &w[0], .go = &w[1] };
    /* Long enough for a worker to start, even here. */
    uint64_t start_by = yk_after_ms(1000 * support_slowness());
    yk_future *f = backend_submit_opts(b, ex, job_block, &hold, sizeof hold,
                                       (yk_job_options){ .start_by = start_by });
    eventually(word_get(&w[0]) == 1);
    eventually(yk_now() > start_by);
    for (int i = 0; i < 20; i++)
        support_pause();
    assert_false(yk_future_ended(f));
    word_set(&w[1], 1);
    assert_int_equal(yk_await(f), 0);
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E24_a_job_that_has_begun_may_take_its_time(void **state)
{
    (void)state;
    on_every_backend(has_begun);
}

static void expire_and_cancel(const backend *b)
{
    struct scene s;
    open_scene(&s, b);
    uint64_t soon = yk_after_ms(10 * support_slowness());
    for (int i = 0; i < 60; i++)
        enter(&s,
              (yk_job_options){ .start_by = soon + (uint64_t)i * 100000, .priority = i % 3 - 1 });
    while (yk_now() < soon)
        ;
    for (int i = 0; i < 60; i += 2)
        yk_future_cancel(s.jobs[i]);
    size_t expired = 0, cancelled = 0;
    for (int i = 0; i < 60; i++) {
        int err = yk_await(s.jobs[i]);
        assert_true(err == YK_EEXPIRED || (err == YK_ECANCELED && i % 2 == 0));
        expired += err == YK_EEXPIRED;
        cancelled += err == YK_ECANCELED;
    }
    curtain(&s);
    assert_int_equal(word_get(&s.words[TURN]), 0);
    assert_int_equal(yk_executor_shutdown(s.ex), 0);
    assert_int_equal(stats_of(s.ex).failed, expired + 1); /* and curtain()'s */
    assert_int_equal(stats_of(s.ex).cancelled, cancelled);
    close_scene(&s);
}

static void test_E24_expiry_and_cancellation_race(void **state)
{
    (void)state;
    on_every_backend(expire_and_cancel);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_E23_the_higher_class_first_and_in_order),
        TEST(test_E23_ageing_lets_nobody_starve),
        TEST(test_E23_what_comes_back_stands_where_it_stood),
        TEST(test_E23_a_high_one_overtakes_those_that_wait),
        TEST(test_E23_a_low_one_is_overtaken_so_often_and_no_more),
        TEST(test_E23_nobody_starves_while_high_ones_keep_coming),
        TEST(test_E23_in_order_within_a_class_among_cancellations),
        TEST(test_E24_a_job_that_has_not_begun_in_time_never_does),
        TEST(test_E24_a_job_that_has_begun_may_take_its_time),
        TEST(test_E24_expiry_and_cancellation_race),
    };
    return RUN_TESTS("priority", tests);
}
