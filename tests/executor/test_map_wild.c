/* Maps of all kinds at once on one executor, while those who take the results are cancelled, run
 * out of time, lose patience, or find the executor closed. Whatever happens, each input has one
 * outcome and no more, and nothing is left over. */
#include "support/backends.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "executor/map.h"
#include "loop/loop.h"

enum { MOST = 60 };

struct wild {
    const backend *b;
    yk_executor *ex;
    size_t rounds;
    bool may_be_closed;
    _Atomic uint32_t seed;
    _Atomic int left;
    _Atomic uint64_t results, cancellations;
    _Atomic(const char *) wrong; /* the first thing that was */
};

static void note_wrong(struct wild *w, bool right, const char *what)
{
    const char *none = NULL;
    if (!right)
        atomic_compare_exchange_strong(&w->wrong, &none, what);
}

#define RIGHT(condition) note_wrong(w, (condition), #condition)

static uint32_t chance(uint32_t *lot, uint32_t of)
{
    *lot = *lot * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)*lot * of >> 32);
}

static int job_square_or_fail(yk_job *job)
{
    int n = *(const int *)yk_job_arg(job);
    if (n % 7 == 3)
        return yk_job_fail(job, UV_ESPIPE, "%d", n);
    n *= n;
    return yk_job_return(job, &n, sizeof n);
}

struct source {
    int given, n, code, value;
    uint32_t *lot;
};

static int next_number(void *arg, const void **input, size_t *len)
{
    struct source *s = arg;
    if (chance(s->lot, 20) == 0)
        support_pause(); /* it may be cancelled here, which is nobody's business */
    if (s->given == s->n)
        return s->code;
    s->value = s->given++;
    *input = &s->value;
    *len = sizeof s->value;
    return 0;
}

/* One result. False: there is no more of this map for this reader. */
static bool take_one(struct wild *w, yk_map *m, struct source *s, bool in_order, bool *seen,
                     int *taken)
{
    int out = -1, err = yk_map_next(m, &out, sizeof out);
    if (err == YK_ECANCELED) {
        atomic_fetch_add(&w->cancellations, 1); /* of the wait: no job here is ever cancelled */
        return true;
    }
    if (err == UV_ETIMEDOUT)
        return false;
    if (err == YK_END || err == UV_EIO) {
        RIGHT(*taken == s->n);
        RIGHT(err == s->code);
        RIGHT(yk_map_next(m, &out, sizeof out) == YK_END);
        return false;
    }
    size_t k = yk_map_index(m);
    RIGHT(k < (size_t)s->n && !seen[k]);
    if (k >= MOST)
        return false;
    seen[k] = true;
    RIGHT(!in_order || k == (size_t)*taken);
    ++*taken;
    if (err == YK_ECLOSED) {
        RIGHT(w->may_be_closed);
        return true;
    }
    RIGHT(err == (k % 7 == 3 ? UV_ESPIPE : 0));
    RIGHT(err || out == (int)(k * k));
    yk_future *last = yk_map_last(m);
    RIGHT(last && yk_future_state(last) == (err ? YK_FAILED : YK_DONE));
    atomic_fetch_add(&w->results, 1);
    return true;
}

/* A wake-up that a map was to have consumed would end another wait before its time. */
static void wait_for_nothing(struct wild *w)
{
    yk_future *never = yk_future_new();
    int err = yk_await_until(never, yk_now() + 10000);
    RIGHT(err == UV_ETIMEDOUT || err == YK_ECANCELED);
    yk_future_unref(never);
}

static void one_map(struct wild *w, uint32_t *lot)
{
    struct source s = { .n = (int)chance(lot, MOST), .lot = lot };
    s.code = chance(lot, 3) ? YK_END : UV_EIO;
    yk_map_options o = { .window = chance(lot, 9),
                         .chunk = (int)chance(lot, 7),
                         .as_completed = chance(lot, 2),
                         .job = { .kind = w->b->kind, .priority = (int)chance(lot, 3) - 1 } };
    if (chance(lot, 8) == 0)
        o.deadline = yk_now() + chance(lot, 2000000);
    yk_map *m = yk_map_from_opts(w->ex, job_square_or_fail, next_number, &s, &o);
    RIGHT(m != NULL);
    if (!m)
        return;
    bool seen[MOST] = { false };
    int taken = 0, patience = chance(lot, 3) ? 10 * MOST : (int)chance(lot, MOST);
    while (patience-- > 0 && take_one(w, m, &s, !o.as_completed, seen, &taken))
        ;
    yk_map_free(m);
    wait_for_nothing(w);
}

static int take_results(void *arg)
{
    struct wild *w = arg;
    uint32_t lot = atomic_fetch_add(&w->seed, 1) * 2654435761u;
    for (size_t i = 0; i < w->rounds && !w->wrong; i++)
        one_map(w, &lot);
    atomic_fetch_sub(&w->left, 1);
    return 0;
}

static void *take_results_on_a_thread(void *arg)
{
    take_results(arg);
    return NULL;
}

/* Tasks take results, and are cancelled all the while; so do threads, where nobody is. */
static void crowd(struct wild *w, bool close_early)
{
    enum { THREADS = 2, TASKS = 4 };
    bool tasks = w->b->on_loop;
    pthread_t t[THREADS];
    yk_future *f[TASKS];
    w->left = THREADS + (tasks ? TASKS : 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, take_results_on_a_thread, w), 0);
    for (int i = 0; tasks && i < TASKS; i++)
        f[i] = yk_task_start(take_results, w);
    support_pause(); /* each task has begun */
    if (close_early) {
        eventually(w->results > 200 || w->left == 0);
        assert_int_equal(yk_executor_shutdown(w->ex, .no_wait = true), 0);
    }
    for (unsigned i = 0; w->left > 0; i++) {
        if (tasks)
            yk_future_cancel(f[i % TASKS]);
        support_pause();
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    for (int i = 0; tasks && i < TASKS; i++) {
        yk_await(f[i]);
        yk_future_unref(f[i]);
    }
    if (w->wrong)
        fail_msg("wrong: %s", w->wrong);
}

static void wild(const backend *b)
{
    uint64_t cancellations = 0;
    for (size_t limit = 0; limit < 3; limit++) {
        struct wild w = { .b = b, .rounds = 2 + support_rounds(40), .seed = 1 };
        w.ex = OPEN(b, .workers = 2, .queue_limit = limit);
        crowd(&w, false);
        assert_true(w.results > 0);
        cancellations += w.cancellations;
        backend_close(w.ex);
    }
    assert_true(!b->on_loop || cancellations > 0);
}

static void test_E11_maps_of_all_kinds_are_cancelled_and_left_at_any_moment(void **state)
{
    (void)state;
    on_every_backend(wild);
}

static void closed(const backend *b)
{
    for (size_t limit = 0; limit < 3; limit++) {
        struct wild w = { .b = b, .rounds = 10, .seed = 100, .may_be_closed = true };
        w.ex = OPEN(b, .workers = 2, .queue_limit = limit);
        crowd(&w, true);
        backend_close(w.ex);
    }
}

static void test_S06_shutdown_among_maps_of_all_kinds(void **state)
{
    (void)state;
    on_every_backend(closed);
}

/* A task that is cancelled as it waits for a result loses none, and cancels no job. */

struct patient {
    const backend *b;
    yk_executor *ex;
    block arg;
    int chunk, codes[3];
};

static int wait_for_a_blocked_one(void *arg)
{
    struct patient *p = arg;
    yk_map *m = yk_map_start_with(p->ex, job_block, &p->arg, 1, sizeof p->arg, .chunk = p->chunk,
                                  .window = 4, .job = { .kind = p->b->kind });
    p->codes[0] = yk_map_next(m, NULL, 0);
    word_set(p->arg.go, 1);
    p->codes[1] = yk_map_next(m, NULL, 0);
    p->codes[2] = yk_map_next(m, NULL, 0);
    yk_map_free(m);
    return 0;
}

static void cancelled_while_it_waits(const backend *b)
{
    for (int chunk = 1; b->on_loop && chunk < 4; chunk += 2) {
        word *w = words_new(2);
        struct patient p = {
            b, OPEN(b, .workers = 1), { .begun = &w[0], .go = &w[1] }, chunk, { 1 }
        };
        yk_future *task = yk_task_start(wait_for_a_blocked_one, &p);
        eventually(word_get(&w[0]) == 1);
        yk_future_cancel(task);
        assert_int_equal(yk_await(task), 0);
        assert_int_equal(p.codes[0], YK_ECANCELED);
        assert_int_equal(p.codes[1], 0);
        assert_int_equal(p.codes[2], YK_END);
        yk_future_unref(task);
        backend_close(p.ex);
        yk_arena_free(w);
    }
}

static void test_T08_a_map_that_is_cancelled_as_it_waits_loses_nothing(void **state)
{
    (void)state;
    on_every_backend(cancelled_while_it_waits);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_E11_maps_of_all_kinds_are_cancelled_and_left_at_any_moment),
        TEST(test_S06_shutdown_among_maps_of_all_kinds),
        TEST(test_T08_a_map_that_is_cancelled_as_it_waits_loses_nothing),
    };
    return RUN_TESTS("map_wild", tests);
}
