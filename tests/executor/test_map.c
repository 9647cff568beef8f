/* One function over many inputs. */
#include "map_common.h"

#include <malloc.h>
#include <string.h>

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

/* ---- With jobs that wait --------------------------------------------------------------------- */

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

/* False: the machine was slower than this deadline allows; nothing was learnt. */
static bool times_out_after(const backend *b, uint64_t ms)
{
    struct item items[4];
    word *w = items_new(items, 4);
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_map *m = yk_map_start_with(ex, job_item, items, 4, sizeof *items,
                                  .deadline = yk_after_ms(ms), .job = { .kind = b->kind });
    int out = -1;
    eventually(word_get(&w[0]) == 2);
    int err = yk_map_next(m, &out, sizeof out);
    bool in_time = err == 0;
    assert_int_equal(err, in_time ? 0 : UV_ETIMEDOUT);
    assert_int_equal(out, in_time ? 0 : -1);
    if (!in_time) {
        yk_map_free(m);
        word_set(&w[1], 1);
        backend_close(ex);
        yk_arena_free(w);
        return false;
    }
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
    return true;
}

static void times_out(const backend *b)
{
    uint64_t ms = 50;
    while (!times_out_after(b, ms))
        ms *= 2;
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
        assert_int_equal(stats_of(ex).received, i + 1 + WINDOW < N ? i + 1 + WINDOW : N);
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
    yk_map *m = yk_map_start_with(ex, job_item, items, 50, sizeof *items, .window = 50,
                                  .job = { .kind = b->kind });
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

/* ---- Sources that fail, that never end, that are slower than the jobs ------------------------ */

struct source {
    size_t given, fails_at;
    int code; /* what it ends with */
    int value;
};

static int next_number(void *arg, const void **input, size_t *len)
{
    struct source *s = arg;
    if (s->given == s->fails_at)
        return s->code;
    s->value = (int)s->given++;
    *input = &s->value;
    *len = sizeof s->value;
    return 0;
}

static void source_fails(const backend *b)
{
    static const size_t at[] = { 0, 1, 7, 100 };
    yk_executor *ex = OPEN(b, .workers = 2);
    for (size_t i = 0; i < 4 * COUNT_OF(at); i++) {
        size_t n = at[i / 4];
        struct source s = { .fails_at = n, .code = UV_EIO };
        yk_map *m = yk_map_from_with(ex, job_square, next_number, &s, .chunk = i % 2 ? 3 : 0,
                                     .as_completed = i & 2, .job = { .kind = b->kind });
        int out, sum = 0, should = 0;
        for (size_t k = 0; k < n; k++) {
            assert_int_equal(yk_map_next(m, &out, sizeof out), 0);
            sum += out;
            should += (int)(k * k);
        }
        assert_int_equal(sum, should);
        assert_int_equal(yk_map_next(m, &out, sizeof out), UV_EIO);
        assert_int_equal(yk_map_next(m, &out, sizeof out), YK_END);
        assert_int_equal(yk_map_next(m, &out, sizeof out), YK_END);
        yk_map_free(m);
    }
    backend_close(ex); /* nothing happened to the executor */
}

static void test_E07_a_source_that_fails_gives_what_came_before(void **state)
{
    (void)state;
    on_every_backend(source_fails);
}

/* Endless, and the first job hangs: the others' results are there as they are ready, and the source
 * is never asked for more than the window allows. */

struct items_source {
    struct item item;
    size_t given;
};

static int next_item(void *arg, const void **input, size_t *len)
{
    struct items_source *s = arg;
    s->item.number = s->given++ == 0 ? 1 : 2 * (int)s->given; /* the odd one waits */
    *input = &s->item;
    *len = sizeof s->item;
    return 0;
}

static void throttled(const backend *b)
{
    enum { WINDOW = 4 };
    size_t n = support_rounds(200);
    word *w = words_new(2);
    struct items_source s = { .item = { .begun = &w[0], .go = &w[1] } };
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_map *m = yk_map_from_with(ex, job_item, next_item, &s, .window = WINDOW,
                                 .as_completed = true, .job = { .kind = b->kind });
    assert_int_equal(s.given, WINDOW);
    int out;
    for (size_t i = 1; i <= n; i++) {
        assert_int_equal(yk_map_next(m, &out, sizeof out), 0);
        assert_int_not_equal(yk_map_index(m), 0);
        assert_true(s.given <= i + WINDOW);
    }
    word_set(&w[1], 1);
    size_t more = 0;
    do {
        assert_int_equal(yk_map_next(m, &out, sizeof out), 0);
        more++;
    } while (yk_map_index(m) != 0);
    assert_int_equal(out, 1);
    assert_true(s.given <= n + more + WINDOW);
    yk_map_free(m);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E27_a_lazy_source_is_throttled_as_results_are_taken(void **state)
{
    (void)state;
    on_every_backend(throttled);
}

static void endless(const backend *b)
{
    size_t n = support_rounds(3000);
    for (int chunk = 1; chunk <= 8; chunk += 7) {
        struct source s = { .fails_at = SIZE_MAX };
        yk_executor *ex = OPEN(b, .workers = 2);
        yk_map *m = yk_map_from_with(ex, job_square, next_number, &s, .chunk = chunk,
                                     .job = { .kind = b->kind });
        int out;
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(yk_map_next(m, &out, sizeof out), 0);
            assert_int_equal(out, (int)(i * i));
            assert_true(s.given <= i + 1 + 33 * (size_t)chunk); /* the default window */
        }
        yk_map_free(m);
        backend_close(ex);
    }
}

static void test_E27_the_default_window_is_bounded(void **state)
{
    (void)state;
    on_every_backend(endless);
}

static bool as_completed_times_out_after(const backend *b, uint64_t ms)
{
    struct item items[3];
    word *w = items_new(items, 3);
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_map *m = yk_map_start_with(ex, job_item, items, 3, sizeof *items, .as_completed = true,
                                  .deadline = yk_after_ms(ms), .job = { .kind = b->kind });
    int out;
    bool in_time = true;
    for (int i = 0; i < 2 && in_time; i++) {
        int err = yk_map_next(m, &out, sizeof out);
        in_time = err == 0;
        assert_int_equal(err, in_time ? 0 : UV_ETIMEDOUT);
        assert_true(!in_time || out == 2 * i);
    }
    for (int i = 0; i < 2 && in_time; i++)
        assert_int_equal(yk_map_next(m, &out, sizeof out), UV_ETIMEDOUT);
    yk_map_free(m); /* while the last one flies */
    word_set(&w[1], 1);
    backend_close(ex);
    yk_arena_free(w);
    return in_time;
}

static void as_completed_times_out(const backend *b)
{
    uint64_t ms = 50;
    while (!as_completed_times_out_after(b, ms))
        ms *= 2;
}

static void test_E05_as_completed_with_a_deadline(void **state)
{
    (void)state;
    on_every_backend(as_completed_times_out);
}

/* Freed while jobs end, at every stage. */
static void left_as_completed(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    for (size_t i = 0; i < support_rounds(300); i++) {
        struct source s = { .fails_at = SIZE_MAX };
        yk_map *m = yk_map_from_with(ex, job_square, next_number, &s, .as_completed = true,
                                     .window = 8, .job = { .kind = b->kind });
        int out;
        for (size_t k = 0; k < i % 12; k++)
            assert_int_equal(yk_map_next(m, &out, sizeof out), 0);
        yk_map_free(m);
    }
    backend_close(ex);
}

static void test_E11_a_map_is_left_while_jobs_end(void **state)
{
    (void)state;
    on_every_backend(left_as_completed);
}

/* ---- With a bounded queue -------------------------------------------------------------------- */

static void narrow(const backend *b)
{
    enum { N = 60 };
    fill_inputs();
    yk_executor *ex = OPEN(b, .workers = 1, .queue_limit = 2);
    for (int as_completed = 0; as_completed < 2; as_completed++) {
        yk_map *m = yk_map_start_with(ex, job_square, inputs, N, sizeof *inputs, .chunk = 2,
                                      .as_completed = as_completed, .job = { .kind = b->kind });
        int out, sum = 0, should = 0;
        for (int i = 0; i < N; i++) {
            assert_int_equal(yk_map_next(m, &out, sizeof out), 0);
            sum += out;
            should += i * i;
        }
        assert_int_equal(sum, should);
        assert_int_equal(yk_map_next(m, &out, sizeof out), YK_END);
        yk_map_free(m);
    }
    /* The queue is full of others' jobs: the map's first one waits until the deadline. */
    word *w = words_new(2);
    block hold = { .begun = &w[0], .go = &w[1] };
    yk_future *f[3];
    f[0] = backend_submit(b, ex, job_block, &hold, sizeof hold);
    eventually(word_get(&w[0]) == 1);
    for (int i = 1; i < 3; i++)
        f[i] = backend_submit(b, ex, job_nothing, NULL, 0);
    yk_map *m = yk_map_start_with(ex, job_square, inputs, 1, sizeof *inputs,
                                  .deadline = yk_after_ms(20), .job = { .kind = b->kind });
    int out;
    assert_int_equal(yk_map_next(m, &out, sizeof out), UV_ETIMEDOUT);
    assert_int_equal(yk_map_next(m, &out, sizeof out), UV_ETIMEDOUT);
    word_set(&w[1], 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(yk_await(f[i]), 0);
        yk_future_unref(f[i]);
    }
    yk_map_free(m);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E25_a_map_through_a_bounded_queue(void **state)
{
    (void)state;
    on_every_backend(narrow);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

enum { LARGE = 1 << 20 };

static int job_large(yk_job *job)
{
    unsigned char *room = yk_job_result(job, LARGE);
    if (!room)
        return UV_ENOMEM;
    memset(room, *(const int *)yk_job_arg(job), LARGE);
    return 0;
}

/* Bytes of large blocks in use, wherever results may lie. */
static size_t large_blocks(void)
{
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    size_t __sanitizer_get_current_allocated_bytes(void);
    return yk_arena_used() + __sanitizer_get_current_allocated_bytes();
#else
    mallopt(M_MMAP_THRESHOLD, 128 << 10); /* else it would move */
    return yk_arena_used() + mallinfo2().hblkhd;
#endif
}

static void frees(const backend *b)
{
    enum { N = 40, WINDOW = 4 };
    fill_inputs();
    size_t before = large_blocks();
    yk_executor *ex = OPEN(b, .workers = 2);
    for (int as_completed = 0; as_completed < 2; as_completed++) {
        yk_map *m = yk_map_start_with(ex, job_large, inputs, N, sizeof *inputs, .window = WINDOW,
                                      .as_completed = as_completed, .job = { .kind = b->kind });
        static unsigned char out[LARGE];
        for (int i = 0; i < N; i++) {
            assert_int_equal(yk_map_next(m, out, sizeof out), 0);
            assert_int_equal(out[LARGE - 1], (unsigned char)yk_map_index(m));
            /* Those on their way, the one taken last, and what two workers have for the next. */
            assert_true(large_blocks() < before + (WINDOW + 1 + 2 + 1) * (size_t)LARGE);
        }
        yk_map_free(m);
    }
    backend_close(ex);
}

static void test_E21_results_are_freed_as_they_are_taken(void **state)
{
    (void)state;
    on_every_backend(frees);
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
        TEST(test_E07_a_source_that_fails_gives_what_came_before),
        TEST(test_E27_a_lazy_source_is_throttled_as_results_are_taken),
        TEST(test_E27_the_default_window_is_bounded),
        TEST(test_E05_as_completed_with_a_deadline),
        TEST(test_E11_a_map_is_left_while_jobs_end),
        TEST(test_E25_a_map_through_a_bounded_queue),
        TEST(test_E21_results_are_freed_as_they_are_taken),
    };
    return RUN_TESTS("map", tests);
}
