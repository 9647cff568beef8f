/* One function over many inputs. */
#include "support/backends.h"

#include <uv.h>

#include "executor/map.h"

static int inputs[500];

static void fill_inputs(void)
{
    for (size_t i = 0; i < COUNT_OF(inputs); i++)
        inputs[i] = (int)i;
}

/* Fails for every multiple of 10 but 0. */
static int job_square_or_fail(yk_job *job)
{
    int n = *(const int *)yk_job_arg(job);
    if (n > 0 && n % 10 == 0)
        return yk_job_fail(job, UV_ESPIPE, "%d is round", n);
    n *= n;
    return yk_job_return(job, &n, sizeof n);
}

static void map_with(const backend *b, size_t n, size_t window)
{
    yk_executor *ex = OPEN(b, .workers = 3);
    yk_map *m = yk_map_start_with(ex, job_square, inputs, n, sizeof *inputs, .window = window,
                                  .job = { .kind = b->kind });
    assert_non_null(m);
    assert_null(yk_map_last(m));
    int out;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(yk_map_next(m, &out, sizeof out), 0);
        assert_int_equal(out, inputs[i] * inputs[i]);
        assert_int_equal(yk_future_state(yk_map_last(m)), YK_DONE);
    }
    assert_int_equal(yk_map_next(m, &out, sizeof out), YK_END);
    assert_int_equal(yk_map_next(m, &out, sizeof out), YK_END);
    yk_map_free(m);
    backend_close(ex);
}

static void keeps_the_order(const backend *b)
{
    fill_inputs();
    map_with(b, support_rounds(500), 0);
}

static void test_E03_map_keeps_the_order(void **state)
{
    (void)state;
    on_every_backend(keeps_the_order);
}

static void odd_sizes(const backend *b)
{
    fill_inputs();
    static const size_t n[] = { 0, 1, 2, 7, 100 }, windows[] = { 0, 1, 2, 7, 1000 };
    for (size_t i = 0; i < COUNT_OF(n); i++)
        for (size_t w = 0; w < COUNT_OF(windows); w++)
            map_with(b, n[i], windows[w]);
}

static void test_E10_map_of_none_of_one_and_with_all_windows(void **state)
{
    (void)state;
    on_every_backend(odd_sizes);
    yk_map_free(NULL);
}

static void fails_at_its_element(const backend *b)
{
    fill_inputs();
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_map *m = yk_map_start_with(ex, job_square_or_fail, inputs, 35, sizeof *inputs, .window = 4,
                                  .job = { .kind = b->kind });
    for (int i = 0; i < 35; i++) {
        int out = -1, err = yk_map_next(m, &out, sizeof out);
        if (i > 0 && i % 10 == 0) {
            assert_int_equal(err, UV_ESPIPE);
            assert_int_equal(out, -1);
            assert_int_equal(yk_future_error(yk_map_last(m))->code, UV_ESPIPE);
        } else {
            assert_int_equal(err, 0);
            assert_int_equal(out, i * i);
        }
    }
    yk_map_free(m);
    backend_close(ex);
}

static void test_E04_map_fails_at_the_element_and_goes_on(void **state)
{
    (void)state;
    on_every_backend(fails_at_its_element);
}

/* ---- With jobs that wait ----------------------------------------------------------------------
 */

struct item {
    int number;
    word *begun, *go;
};

/* Items of an odd number wait for `go`. */
static int job_item(yk_job *job)
{
    struct item item = *(const struct item *)yk_job_arg(job);
    atomic_fetch_add(item.begun, 1);
    while (item.number % 2 && word_get(item.go) == 0)
        if (yk_job_cancelled(job))
            return YK_ECANCELED;
        else
            support_pause();
    return yk_job_return(job, &item.number, sizeof item.number);
}

static word *items_new(struct item *items, size_t n)
{
    word *w = words_new(2);
    for (size_t i = 0; i < n; i++)
        items[i] = (struct item){ (int)i, &w[0], &w[1] };
    return w;
}

static void times_out(const backend *b)
{
    struct item items[4];
    word *w = items_new(items, 4);
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_map *m = yk_map_start_with(ex, job_item, items, 4, sizeof *items,
                                  .deadline = yk_after_ms(100 * support_slowness()),
                                  .job = { .kind = b->kind });
    int out = -1;
    eventually(word_get(&w[0]) == 2);
    assert_int_equal(yk_map_next(m, &out, sizeof out), 0);
    assert_int_equal(out, 0);
    out = -1;
    assert_int_equal(yk_map_next(m, &out, sizeof out), UV_ETIMEDOUT);
    assert_int_equal(yk_map_next(m, &out, sizeof out), UV_ETIMEDOUT);
    assert_int_equal(out, -1);
    yk_map_free(m); /* E11: what has not begun never does; what runs, finishes */
    eventually(stats_of(ex).cancelled == 2);
    word_set(&w[1], 1);
    assert_int_equal(yk_executor_shutdown(ex), 0);
    assert_int_equal(stats_of(ex).done, 2);
    assert_int_equal(word_get(&w[0]), 2);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E05_E11_map_with_a_deadline(void **state)
{
    (void)state;
    on_every_backend(times_out);
}

static void submits_ahead(const backend *b)
{
    enum { N = 12, WINDOW = 5 };
    struct item items[N];
    word *w = items_new(items, N);
    word_set(&w[1], 1);
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_map *m = yk_map_start_with(ex, job_item, items, N, sizeof *items, .window = WINDOW,
                                  .job = { .kind = b->kind });
    eventually(word_get(&w[0]) == WINDOW); /* E08: without anybody asking for a result */
    for (int i = 0; i < 20; i++)
        support_pause();
    assert_int_equal(word_get(&w[0]), WINDOW); /* E09: and no more */
    int out;
    for (int i = 0; i < N; i++) {
        assert_int_equal(yk_map_next(m, &out, sizeof out), 0);
        assert_int_equal(out, i);
        assert_true(stats_of(ex).received <= (uint64_t)i + 1 + WINDOW);
    }
    yk_map_free(m);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E08_E09_map_submits_ahead_as_far_as_its_window(void **state)
{
    (void)state;
    on_every_backend(submits_ahead);
}

static void abandoned(const backend *b)
{
    struct item items[50];
    word *w = items_new(items, 50);
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_map *m =
        yk_map_start_with(ex, job_item, items, 50, sizeof *items, .job = { .kind = b->kind });
    int out;
    assert_int_equal(yk_map_next(m, &out, sizeof out), 0);
    yk_map_free(m);
    eventually(stats_of(ex).cancelled > 0); /* a pool that another thread drives gets to it */
    word_set(&w[1], 1);
    assert_int_equal(yk_executor_shutdown(ex), 0);
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.done + s.cancelled, 50);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E11_a_map_that_is_left_cancels_what_has_not_begun(void **state)
{
    (void)state;
    on_every_backend(abandoned);
}

static void wrong_size(const backend *b)
{
    fill_inputs();
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_map *m =
        yk_map_start_with(ex, job_square, inputs, 3, sizeof *inputs, .job = { .kind = b->kind });
    char small[2], large[8];
    int right;
    assert_int_equal(yk_map_next(m, small, sizeof small), YK_ETOOBIG);
    assert_int_equal(yk_map_next(m, large, sizeof large), YK_EFORMAT);
    assert_int_equal(yk_map_next(m, &right, sizeof right), 0);
    assert_int_equal(right, 4);
    yk_map_free(m);
    backend_close(ex);
}

static void test_map_into_room_of_the_wrong_size(void **state)
{
    (void)state;
    on_every_backend(wrong_size);
}

/* The map keeps the executor alive; its jobs are refused once it is shut down. */
static void on_a_closed_executor(const backend *b)
{
    fill_inputs();
    yk_executor *ex = OPEN(b, .workers = 1);
    assert_int_equal(yk_executor_shutdown(ex), 0);
    yk_map *m =
        yk_map_start_with(ex, job_square, inputs, 3, sizeof *inputs, .job = { .kind = b->kind });
    backend_close(ex);
    int out;
    for (int i = 0; i < 3; i++)
        assert_int_equal(yk_map_next(m, &out, sizeof out), YK_ECLOSED);
    assert_int_equal(yk_map_next(m, &out, sizeof out), YK_END);
    yk_map_free(m);
}

static void test_S01_map_on_a_closed_executor(void **state)
{
    (void)state;
    on_every_backend(on_a_closed_executor);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_E03_map_keeps_the_order),
        TEST(test_E10_map_of_none_of_one_and_with_all_windows),
        TEST(test_E04_map_fails_at_the_element_and_goes_on),
        TEST(test_E05_E11_map_with_a_deadline),
        TEST(test_E08_E09_map_submits_ahead_as_far_as_its_window),
        TEST(test_E11_a_map_that_is_left_cancels_what_has_not_begun),
        TEST(test_map_into_room_of_the_wrong_size),
        TEST(test_S01_map_on_a_closed_executor),
    };
    return RUN_TESTS("map", tests);
}
