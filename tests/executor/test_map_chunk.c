/* Several inputs of a map in one job. */
#include "map_common.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "executor/map_chunk.h"
#include "own_channel.h"

static void map_in_chunks(const backend *b, int chunk, bool as_completed)
{
    enum { N = 100 };
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_map *m = yk_map_start_with(ex, job_square_or_fail, inputs, N, sizeof *inputs, .chunk = chunk,
                                  .as_completed = as_completed, .job = { .kind = b->kind });
    assert_non_null(m);
    bool seen[N] = { false };
    for (int i = 0; i < N; i++) {
        int out = -1, err = yk_map_next(m, &out, sizeof out);
        size_t k = yk_map_index(m);
        assert_true(k < N && !seen[k] && (as_completed || k == (size_t)i));
        seen[k] = true;
        yk_future *last = yk_map_last(m);
        if (k > 0 && k % 10 == 0) {
            char message[32];
            snprintf(message, sizeof message, "%zu is round", k);
            assert_int_equal(err, UV_ESPIPE);
            assert_int_equal(out, -1);
            assert_int_equal(yk_future_error(last)->code, UV_ESPIPE);
            assert_string_equal(yk_future_error(last)->message, message);
        } else {
            size_t len;
            assert_int_equal(err, 0);
            assert_int_equal(out, inputs[k] * inputs[k]);
            assert_int_equal(*(const int *)yk_future_result(last, &len), out);
            assert_int_equal(len, sizeof out);
        }
    }
    assert_int_equal(yk_map_next(m, NULL, 0), YK_END);
    yk_map_free(m);
    assert_int_equal(stats_of(ex).received, (N + chunk - 1) / chunk);
    backend_close(ex);
}

static void chunked(const backend *b)
{
    static const int chunks[] = { 1, 6, 40, 50, 100, 1000 };
    fill_inputs();
    for (size_t i = 0; i < COUNT_OF(chunks); i++) {
        map_in_chunks(b, chunks[i], false);
        map_in_chunks(b, chunks[i], true);
    }
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_map *m = yk_map_start_with(ex, job_square, inputs, 10, sizeof *inputs, .chunk = -1,
                                  .job = { .kind = b->kind });
    int out;
    assert_int_equal(yk_map_next(m, &out, sizeof out), UV_EINVAL);
    assert_int_equal(yk_map_next(m, &out, sizeof out), YK_END);
    yk_map_free(m);
    assert_int_equal(stats_of(ex).received, 0);
    backend_close(ex);
}

static void test_E06_map_in_chunks_of_all_sizes(void **state)
{
    (void)state;
    on_every_backend(chunked);
}

/* Inputs and results of all sizes in one chunk. */

static unsigned char bytes_of_all_sizes[70000];

struct of_all_sizes {
    size_t given, n;
};

static size_t nth_size(size_t i)
{
    return i * i * 37 % sizeof bytes_of_all_sizes;
}

static int next_of_all_sizes(void *arg, const void **input, size_t *len)
{
    struct of_all_sizes *s = arg;
    if (s->given == s->n)
        return YK_END;
    *len = nth_size(s->given);
    *input = bytes_of_all_sizes + s->given % 7;
    *len -= *len > 7 ? 7 : *len;
    s->given++;
    return 0;
}

static void all_sizes(const backend *b)
{
    enum { N = 60 };
    for (size_t i = 0; i < sizeof bytes_of_all_sizes; i++)
        bytes_of_all_sizes[i] = (unsigned char)(i * 31);
    yk_executor *ex = OPEN(b, .workers = 2);
    for (int chunk = 1; chunk < 20; chunk += 6) {
        struct of_all_sizes s = { 0, N };
        yk_map *m = yk_map_from_with(ex, job_echo, next_of_all_sizes, &s, .chunk = chunk,
                                     .job = { .kind = b->kind });
        static unsigned char out[sizeof bytes_of_all_sizes];
        for (size_t i = 0; i < N; i++) {
            size_t len = nth_size(i);
            len -= len > 7 ? 7 : len;
            assert_int_equal(yk_map_next(m, out, len), 0);
            assert_memory_equal(out, bytes_of_all_sizes + i % 7, len);
        }
        assert_int_equal(yk_map_next(m, out, 0), YK_END);
        yk_map_free(m);
    }
    backend_close(ex);
}

static void test_E06_inputs_and_results_of_all_sizes_in_chunks(void **state)
{
    (void)state;
    on_every_backend(all_sizes);
}

static int job_die_at_13(yk_job *job)
{
    int n = *(const int *)yk_job_arg(job);
    if (n == 13)
        raise(SIGKILL);
    return yk_job_return(job, &n, sizeof n);
}

static void dies_in_a_chunk(const backend *b)
{
    fill_inputs();
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_map *m = yk_map_start_with(ex, job_die_at_13, inputs, 30, sizeof *inputs, .chunk = 5,
                                  .job = { .kind = b->kind });
    for (int i = 0; i < 30; i++) {
        int out = -1;
        assert_int_equal(yk_map_next(m, &out, sizeof out), i / 5 == 2 ? YK_ECRASHED : 0);
        assert_int_equal(out, i / 5 == 2 ? -1 : i);
        assert_int_equal(yk_future_state(yk_map_last(m)), i / 5 == 2 ? YK_FAILED : YK_DONE);
    }
    assert_int_equal(yk_map_next(m, NULL, 0), YK_END);
    yk_map_free(m);
    backend_close(ex);
}

static void test_E06_a_worker_that_dies_costs_its_chunk(void **state)
{
    (void)state;
    on_processes(dies_in_a_chunk);
}

/* A chunk that is asked to stop goes no further than the input that it is at. */
static void stopped_in_a_chunk(const backend *b)
{
    enum { N = 4 };
    word *w = words_new(1);
    block endless[N];
    for (int i = 0; i < N; i++)
        endless[i] = (block){ .begun = &w[0] };
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 600000);
    yk_map *m = yk_map_start_with(ex, job_block, endless, N, sizeof *endless, .chunk = N,
                                  .window = N, .job = { .kind = b->kind });
    eventually(word_get(&w[0]) == 1);
    assert_int_equal(yk_executor_shutdown(ex, .cancel_running = true), 0);
    for (int i = 0; i < N; i++)
        assert_int_equal(yk_map_next(m, NULL, 0), YK_ECANCELED);
    assert_int_equal(yk_map_next(m, NULL, 0), YK_END);
    assert_int_equal(word_get(&w[0]), 1);
    yk_map_free(m);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E06_a_chunk_that_is_stopped_begins_no_more_inputs(void **state)
{
    (void)state;
    on_every_backend(stopped_in_a_chunk);
}

static int job_fail_in_words_or_not(yk_job *job)
{
    int n = *(const int *)yk_job_arg(job);
    return n % 2 ? UV_EIO : yk_job_fail(job, UV_ESPIPE, "%d is even", n);
}

static void messages_in_a_chunk(const backend *b)
{
    fill_inputs();
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_map *m = yk_map_start_with(ex, job_fail_in_words_or_not, inputs, 4, sizeof *inputs,
                                  .chunk = 4, .window = 4, .job = { .kind = b->kind });
    for (int i = 0; i < 4; i++) {
        char message[32];
        snprintf(message, sizeof message, "%d is even", inputs[i]);
        assert_int_equal(yk_map_next(m, NULL, 0), inputs[i] % 2 ? UV_EIO : UV_ESPIPE);
        assert_string_equal(yk_future_error(yk_map_last(m))->message,
                            inputs[i] % 2 ? yk_strerror(UV_EIO) : message);
    }
    yk_map_free(m);
    backend_close(ex);
}

static void test_E06_each_input_of_a_chunk_has_its_own_message(void **state)
{
    (void)state;
    on_every_backend(messages_in_a_chunk);
}

static void unpack_two(const yk__pack *pack, size_t second)
{
    yk__unpack unpack;
    yk__chunk_result result;
    assert_int_equal(yk__unpack_begin(&unpack, pack->bytes, 15), YK_EFORMAT);
    assert_int_equal(yk__unpack_begin(&unpack, pack->bytes, pack->len), 0);
    assert_int_equal(yk__unpack_next(&unpack, &result), 0);
    assert_int_equal(result.len, 4);
    assert_memory_equal(result.data, "abc", 4);
    assert_int_equal(yk__unpack_next(&unpack, &result), 0);
    assert_int_equal(result.len, second);
    assert_memory_equal(result.data, "abcdef", second);
    assert_int_equal(yk__unpack_next(&unpack, &result), YK_EFORMAT); /* no more */
}

static void unpack_nonsense(yk__pack *pack)
{
    yk__unpack unpack;
    yk__chunk_result result;
    uint32_t lot = 7;
    for (int i = 0; i < 100000; i++) {
        for (size_t k = 8; k < pack->len; k++) {
            lot = lot * 1664525u + 1013904223u;
            pack->bytes[k] = lot >> 29 ? pack->bytes[k] : (unsigned char)(lot >> 20);
        }
        for (int err = yk__unpack_begin(&unpack, pack->bytes, pack->len); err != YK_EFORMAT;) {
            err = yk__unpack_next(&unpack, &result);
            assert_true(err == YK_EFORMAT || err == 0);
            const unsigned char *data = result.data;
            if (err == 0)
                assert_true(data >= pack->bytes + 16 &&
                            data + result.len <= pack->bytes + pack->len && unpack.at <= pack->len);
        }
    }
}

/* A worker process may write anything where results should be. */
static void test_E06_results_of_a_chunk_that_make_no_sense(void **state)
{
    (void)state;
    for (int equal = 0; equal < 2; equal++) {
        yk__pack pack = { 0 };
        assert_int_equal(yk__pack_begin(&pack, job_square), 0);
        assert_int_equal(yk__pack_input(&pack, "abc", 4), 0);
        assert_int_equal(yk__pack_input(&pack, "abcdef", equal ? 4 : 6), 0);
        unpack_two(&pack, equal ? 4 : 6);
        unpack_nonsense(&pack);
        free(pack.bytes);
    }
}

/* How inputs and results travel depends on whether they are alike. */
static int job_answer_by_number(yk_job *job)
{
    char text[40];
    int n = *(const int *)yk_job_arg(job), odd = n / 100, at = n % 100;
    if (at != odd)
        return yk_job_return(job, &n, sizeof n);
    snprintf(text, sizeof text, "%d is another", n);
    return n % 3 == 0   ? yk_job_return(job, text, strlen(text) + 1)
           : n % 3 == 1 ? yk_job_return(job, NULL, 0)
                        : yk_job_fail(job, UV_ESPIPE, "%s", text);
}

static void check_answer(yk_map *m, int n)
{
    char text[40], expected[40];
    snprintf(expected, sizeof expected, "%d is another", n);
    if (n % 3 == 0) {
        assert_int_equal(yk_map_next(m, text, strlen(expected) + 1), 0);
        assert_string_equal(text, expected);
    } else if (n % 3 == 1) {
        assert_int_equal(yk_map_next(m, NULL, 0), 0);
    } else {
        assert_int_equal(yk_map_next(m, NULL, 0), UV_ESPIPE);
        assert_string_equal(yk_future_error(yk_map_last(m))->message, expected);
    }
}

static void one_is_not_alike(const backend *b)
{
    enum { IN_CHUNK = 7 };
    yk_executor *ex = OPEN(b, .workers = 1);
    for (int odd = 0; odd < IN_CHUNK; odd++) {
        int numbers[IN_CHUNK];
        for (int i = 0; i < IN_CHUNK; i++)
            numbers[i] = odd * 100 + i;
        yk_map *m = yk_map_start_with(ex, job_answer_by_number, numbers, IN_CHUNK, sizeof *numbers,
                                      .chunk = IN_CHUNK, .job = { .kind = b->kind });
        for (int i = 0; i < IN_CHUNK; i++) {
            int n = -1;
            if (i == odd) {
                check_answer(m, numbers[i]);
                continue;
            }
            assert_int_equal(yk_map_next(m, &n, sizeof n), 0);
            assert_int_equal(n, numbers[i]);
        }
        assert_int_equal(yk_map_next(m, NULL, 0), YK_END);
        yk_map_free(m);
    }
    backend_close(ex);
}

static void test_E06_one_result_of_a_chunk_that_is_not_like_the_others(void **state)
{
    (void)state;
    on_every_backend(one_is_not_alike);
}

/* Alike, and aligned: types of all sizes, and in between. */
static int job_check_and_echo(yk_job *job)
{
    size_t len = yk_job_arg_len(job);
    uintptr_t at = (uintptr_t)yk_job_arg(job);
    size_t aligned = len % 16 == 0 ? 16 : len & -len;
    if (len > 0 && at % aligned != 0)
        return yk_job_fail(job, UV_ESPIPE, "%zu bytes at %zx", len, (size_t)at);
    return yk_job_return(job, yk_job_arg(job), len);
}

static void inputs_of(const backend *b, yk_executor *ex, size_t size)
{
    enum { COUNT = 30 };
    unsigned char bytes[COUNT * 100], out[100];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    yk_map *m = yk_map_start_with(ex, job_check_and_echo, bytes, COUNT, size, .chunk = 8,
                                  .job = { .kind = b->kind });
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(yk_map_next(m, out, size), 0);
        assert_memory_equal(out, bytes + i * size, size);
    }
    assert_int_equal(yk_map_next(m, NULL, 0), YK_END);
    yk_map_free(m);
}

static void inputs_of_all_sizes(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    for (size_t size = 1; size <= 100; size += size < 40 ? 1 : 11)
        inputs_of(b, ex, size);
    backend_close(ex);
}

static void test_E06_inputs_of_all_sizes_in_chunks(void **state)
{
    (void)state;
    on_every_backend(inputs_of_all_sizes);
}

/* A worker may go on to write where its results lie. */
static int job_fail_briefly(yk_job *job)
{
    return yk_job_fail(job, UV_ESPIPE, "no");
}

static int job_overwrite_first_room(yk_job *job)
{
    (void)job;
    yk__channel *ch = own_channel();
    if (!ch)
        return UV_ENOENT;
    memset(ch->down.rooms[0].at, 'x', ch->down.rooms[0].size);
    return 0;
}

static void results_change(const backend *b)
{
    enum { N = 10 }; /* as many as a slot does not hold */
    fill_inputs();
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_map *m = yk_map_start_with(ex, job_fail_briefly, inputs, N, sizeof *inputs, .chunk = N,
                                  .job = { .kind = b->kind });
    assert_int_equal(yk_map_next(m, NULL, 0), UV_ESPIPE);
    yk_future *f = backend_submit(b, ex, job_overwrite_first_room, NULL, 0);
    assert_int_equal(yk_await(f), 0);
    yk_future_unref(f);
    const yk_error *error = yk_future_error(yk_map_last(m));
    assert_int_equal(error->code, UV_ESPIPE);
    assert_string_equal(error->message, "xxx");
    for (int i = 1; i < N; i++)
        assert_int_equal(yk_map_next(m, NULL, 0), YK_EFORMAT);
    assert_int_equal(yk_map_next(m, NULL, 0), YK_END);
    yk_map_free(m);
    backend_close(ex);
}

static void test_E06_results_of_a_chunk_that_change_while_they_are_read(void **state)
{
    (void)state;
    on_processes(results_change);
}

/* What was gathered before it goes off. */
static int next_or_too_large(void *arg, const void **input, size_t *len)
{
    int *n = arg;
    *input = &inputs[*n];
    *len = (*n)++ == 3 ? SIZE_MAX / 2 : sizeof *inputs;
    return 0;
}

static void one_is_too_large(const backend *b)
{
    fill_inputs();
    int n = 0, out;
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_map *m = yk_map_from_with(ex, job_square, next_or_too_large, &n, .chunk = 5,
                                 .job = { .kind = b->kind });
    for (int i = 0; i < 3; i++) {
        assert_int_equal(yk_map_next(m, &out, sizeof out), 0);
        assert_int_equal(out, i * i);
    }
    assert_int_equal(yk_map_next(m, &out, sizeof out), UV_ENOMEM);
    assert_int_equal(yk_map_next(m, &out, sizeof out), YK_END);
    yk_map_free(m);
    backend_close(ex);
}

static void test_E07_an_input_that_no_memory_holds_ends_a_source_of_chunks(void **state)
{
    (void)state;
    on_every_backend(one_is_too_large);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_E06_map_in_chunks_of_all_sizes),
        TEST(test_E06_inputs_and_results_of_all_sizes_in_chunks),
        TEST(test_E06_a_worker_that_dies_costs_its_chunk),
        TEST(test_E06_a_chunk_that_is_stopped_begins_no_more_inputs),
        TEST(test_E06_each_input_of_a_chunk_has_its_own_message),
        TEST(test_E06_results_of_a_chunk_that_make_no_sense),
        TEST(test_E06_one_result_of_a_chunk_that_is_not_like_the_others),
        TEST(test_E06_inputs_of_all_sizes_in_chunks),
        TEST(test_E06_results_of_a_chunk_that_change_while_they_are_read),
        TEST(test_E07_an_input_that_no_memory_holds_ends_a_source_of_chunks),
    };
    return RUN_TESTS("map_chunk", tests);
}
