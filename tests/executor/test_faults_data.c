/* Faults on the way of an argument into a worker, and of a result out of it. Nothing is serialised
 * here: an argument is copied into the channel or, if it is large, into the arena; a large result
 * is written into room that the parent grants. What else there is to encode or to decode is the
 * job's own work. */
#include "faults.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

enum { LARGE = 1 << 20 };

static uint64_t sum_of(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    uint64_t sum = len;
    for (size_t i = 0; i < len; i++)
        sum = sum * 31 + bytes[i];
    return sum;
}

/* LARGE bytes that begin with `first`. The caller frees them. */
static unsigned char *large(int first, unsigned seed)
{
    unsigned char *bytes = malloc(LARGE);
    assert_non_null(bytes);
    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = (unsigned char)((i * 7 + seed) >> 3);
    bytes[0] = (unsigned char)first;
    return bytes;
}

static int job_sum(yk_job *job)
{
    uint64_t sum = sum_of(yk_job_arg(job), yk_job_arg_len(job));
    return yk_job_return(job, &sum, sizeof sum);
}

static void assert_sums(const backend *b, yk_executor *ex)
{
    unsigned char *bytes = large('s', 1);
    yk_future *f = backend_submit(b, ex, job_sum, bytes, LARGE);
    uint64_t sum = 0;
    assert_int_equal(yk_await_into(f, &sum, sizeof sum), 0);
    assert_int_equal(sum, sum_of(bytes, LARGE));
    yk_future_unref(f);
    free(bytes);
}

/* ---- P12: an argument that cannot be copied ------------------------------------------------- */

static void argument_too_large(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *before = square(b, ex, 3), *after;
    char byte = 0;
    const size_t too_large[] = { (size_t)1 << 46, SIZE_MAX / 4, SIZE_MAX - 4096, SIZE_MAX };
    for (size_t i = 0; i < COUNT_OF(too_large); i++) {
        yk_future *f = backend_submit(b, ex, job_echo, &byte, too_large[i]);
        assert_int_equal(yk_await(f), UV_ENOMEM);
        assert_int_equal(yk_future_state(f), YK_FAILED);
        yk_future_unref(f);
    }
    after = square(b, ex, 4);
    assert_int_equal(yk_await(before), 0);
    assert_int_equal(yk_await(after), 0);
    yk_future_unref(before);
    yk_future_unref(after);
    assert_int_equal(stats_of(ex).done, 2);
    backend_close(ex);
}

static void test_P12_an_argument_that_is_too_large_fails_alone(void **state)
{
    (void)state;
    on_processes(argument_too_large);
}

/* ---- P14 to P19: decoding and encoding ------------------------------------------------------ */

static void end_worker(int how)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    if (how == 'x')
        exit(3);
    if (how == 's')
        raise(SIGSEGV);
    if (how == 'k')
        raise(SIGKILL);
}

/* Decodes an argument whose first byte is what goes wrong with it. */
static int job_decodes(yk_job *job)
{
    const unsigned char *bytes = yk_job_arg(job);
    uint64_t sum = sum_of(bytes, yk_job_arg_len(job) / 2);
    if (bytes[0] == 'e')
        return yk_job_fail(job, UV_EINVAL, "byte %d makes no sense", 0);
    end_worker(bytes[0]);
    return yk_job_return(job, &sum, sizeof sum);
}

/* Encodes a result, and half-way it goes wrong. */
static int job_encodes(yk_job *job)
{
    const unsigned char *bytes = yk_job_arg(job);
    char *room = yk_job_result(job, LARGE);
    if (!room)
        return UV_ENOMEM;
    memset(room, 'r', LARGE / 2);
    if (bytes[0] == 'e')
        return yk_job_fail(job, UV_EINVAL, "it cannot be said");
    end_worker(bytes[0]);
    memset(room + LARGE / 2, 'R', LARGE / 2);
    return 0;
}

static const struct way {
    int how, code, signal, status;
} ways[] = {
    { 'e', UV_EINVAL, 0, 0 },
    { 'x', YK_ECRASHED, 0, 3 },
    { 's', YK_ECRASHED, SIGSEGV, 0 },
    { 'k', YK_ECRASHED, SIGKILL, 0 },
};

static void assert_went(yk_future *f, const struct way *way)
{
    assert_int_equal(yk_await(f), way->code);
    const yk_error *e = yk_future_error(f);
    assert_int_equal(e->code, way->code);
    assert_int_equal(e->signal, way->signal);
    assert_int_equal(e->exit_status, way->status);
    size_t len = 1;
    assert_null(yk_future_result(f, &len));
    assert_int_equal(len, 0);
}

/* Each way between good jobs, with small arguments and large ones. */
static void goes_wrong(const backend *b, yk_job_fn fn)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    for (size_t i = 0; i < 2 * COUNT_OF(ways); i++) {
        const struct way *way = &ways[i / 2];
        unsigned char *bytes = large(way->how, (unsigned)i);
        yk_future *good[2] = { square(b, ex, 2), NULL };
        yk_future *f = backend_submit(b, ex, fn, bytes, i % 2 ? LARGE : 100);
        good[1] = square(b, ex, 3);
        free(bytes); /* it was copied */
        assert_went(f, way);
        assert_int_equal(yk_await_all(good, 2, YK_FOREVER), 0);
        yk_future_unref(good[0]);
        yk_future_unref(good[1]);
        yk_future_unref(f);
        assert_sums(b, ex);
    }
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.failed, 2 * COUNT_OF(ways));
    backend_close(ex);
}

static void decoding(const backend *b)
{
    goes_wrong(b, job_decodes);
}

static void test_P14_P15_P16_an_argument_that_cannot_be_decoded(void **state)
{
    (void)state;
    on_processes(decoding);
}

static void encoding(const backend *b)
{
    goes_wrong(b, job_encodes);
}

static void test_P18_a_result_that_cannot_be_encoded(void **state)
{
    (void)state;
    on_processes(encoding);
}

static void fails(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f = backend_submit(b, ex, job_fail, NULL, 0), *good = square(b, ex, 5);
    assert_int_equal(yk_await(f), UV_EINVAL);
    assert_string_equal(yk_future_error(f)->message, "no good");
    assert_int_equal(yk_future_error(f)->signal, 0);
    assert_int_equal(yk_await(good), 0);
    yk_future_unref(f);
    yk_future_unref(good);
    assert_int_equal(stats_of(ex).crashed, 0);
    backend_close(ex);
}

static void test_P17_an_error_of_the_job_fails_it_alone(void **state)
{
    (void)state;
    on_every_backend(fails);
}

static _Atomic unsigned log_lines;

static void count_line(const char *line, void *arg)
{
    (void)line;
    (void)arg;
    atomic_fetch_add(&log_lines, 1);
}

static int cannot_decode(yk_future *f, void *arg)
{
    (void)f;
    (void)arg;
    return UV_EINVAL;
}

/* The parent cannot make use of a result. */
static void not_understood(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *ready = words_new(1);
    atomic_store(&log_lines, 0);
    yk_set_log(count_line, NULL);
    unsigned char *bytes = large('-', 3);
    yk_future *held = backend_submit(b, ex, job_block, &(block){ .go = ready }, sizeof(block));
    yk_future *f = backend_submit(b, ex, job_echo, bytes, LARGE), *good = square(b, ex, 6);
    assert_int_equal(yk_future_on_end(f, cannot_decode, NULL), 0);
    word_set(ready, 1);
    char small[16];
    assert_int_equal(yk_await_into(f, small, sizeof small), YK_ETOOBIG);
    size_t len;
    assert_memory_equal(yk_future_result(f, &len), bytes, LARGE); /* it is still there */
    assert_int_equal(len, LARGE);
    assert_int_equal(yk_await(good), 0);
    assert_int_equal(atomic_load(&log_lines), 1);
    yk_future_unref(held);
    yk_future_unref(f);
    yk_future_unref(good);
    backend_close(ex);
    yk_set_log(NULL, NULL);
    yk_arena_free(ready);
    free(bytes);
}

static void test_P19_a_result_that_the_parent_cannot_use(void **state)
{
    (void)state;
    on_every_backend(not_understood);
}

/* ---- P20: after the result was sent --------------------------------------------------------- */

static void *die_later(void *arg)
{
    while (!word_get(arg))
        usleep(100);
    end_worker('s');
    return NULL;
}

/* What it leaves running crashes when the result is long with the parent. */
static int job_leaves_a_bomb(yk_job *job)
{
    word *w = *(word **)yk_job_arg(job);
    pthread_t thread;
    int out = 7;
    if (pthread_create(&thread, NULL, die_later, w))
        return UV_EAGAIN;
    pthread_detach(thread);
    return yk_job_return(job, &out, sizeof out);
}

static void crash_after_the_result(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(2);
    word *go = &w[1];
    yk_future *f = backend_submit(b, ex, job_leaves_a_bomb, &w, sizeof w);
    int out = 0;
    assert_int_equal(yk_await_into(f, &out, sizeof out), 0);
    assert_int_equal(out, 7);
    yk_future *next = backend_submit(b, ex, job_block, &(block){ .begun = go }, sizeof(block));
    eventually(word_get(go) == 1);
    word_set(w, 1);
    assert_int_equal(yk_await(next), YK_ECRASHED); /* the death is the next one's */
    assert_int_equal(yk_future_state(f), YK_DONE);
    yk_future_unref(f);
    yk_future_unref(next);
    assert_works(b, ex);
    assert_int_equal(stats_of(ex).crashed, 1);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_P20_a_crash_after_the_result_was_sent(void **state)
{
    (void)state;
    on_processes(crash_after_the_result);
}

/* ---- P21, P22: workers that are killed among large data ------------------------------------- */

struct heading {
    _Atomic pid_t *pid;
    unsigned seed;
};

/* Says where it is, and gives back what it was given, in a room of its own. */
static int job_returns_it(yk_job *job)
{
    const struct heading *h = yk_job_arg(job);
    size_t len = yk_job_arg_len(job);
    char *room = yk_job_result(job, len);
    if (!room)
        return UV_ENOMEM;
    memcpy(room, h, len / 2);
    atomic_store(h->pid, getpid()); /* from now on it may be killed, in the middle of its result */
    memcpy(room + len / 2, (const char *)h + len / 2, len - len / 2);
    return 0;
}

static void kill_if_there(_Atomic pid_t *pid)
{
    proc_entry e;
    pid_t victim = atomic_exchange(pid, 0);
    if (victim && proc_look(victim, &e) && e.state != 'Z')
        kill(victim, SIGKILL);
}

static void killed_among_large_data(const backend *b)
{
    enum { N = 60, BATCH = 6 };
    yk_executor *ex = OPEN(b, .workers = 2);
    word *w = words_new(1);
    size_t crashed = 0, rounds = 1 + support_rounds(N / BATCH);
    for (size_t r = 0; r < rounds; r++) {
        yk_future *f[BATCH];
        unsigned char *bytes[BATCH];
        for (unsigned i = 0; i < BATCH; i++) {
            bytes[i] = large(0, (unsigned)r * BATCH + i);
            memcpy(bytes[i], &(struct heading){ (_Atomic pid_t *)w, i }, sizeof(struct heading));
            f[i] = backend_submit(b, ex, job_returns_it, bytes[i], LARGE); /* copied meanwhile */
            kill_if_there((_Atomic pid_t *)w);
        }
        for (unsigned i = 0; i < BATCH; i++) {
            int err = yk_await(f[i]);
            size_t len;
            const void *result = yk_future_result(f[i], &len);
            if (err) {
                assert_int_equal(err, YK_ECRASHED);
                assert_int_equal(yk_future_error(f[i])->signal, SIGKILL);
                assert_null(result);
                crashed++;
            } else {
                assert_int_equal(len, LARGE);
                assert_memory_equal(result, bytes[i], LARGE);
            }
            yk_future_unref(f[i]);
            free(bytes[i]);
        }
    }
    assert_int_equal(stats_of(ex).failed, crashed);
    assert_sums(b, ex);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_P21_workers_are_killed_while_large_arguments_are_copied(void **state)
{
    (void)state;
    on_processes(killed_among_large_data);
}

/* Writes half of a large result, says so, and waits for its end. */
static int job_half_a_result(yk_job *job)
{
    block go = *(const block *)yk_job_arg(job);
    char *room = yk_job_result(job, LARGE);
    if (!room)
        return UV_ENOMEM;
    memset(room, 'h', LARGE / 2);
    atomic_fetch_add(go.begun, 1);
    atomic_store((_Atomic pid_t *)go.ended, getpid());
    for (;;)
        pause();
}

static void half_a_result(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(2);
    for (int round = 0; round < 5; round++) {
        block arg = { .begun = &w[0], .ended = &w[1] };
        word_set(&w[0], 0);
        word_set(&w[1], 0);
        yk_future *f = backend_submit(b, ex, job_half_a_result, &arg, sizeof arg);
        unsigned char *bytes = large('-', (unsigned)round);
        yk_future *next = backend_submit(b, ex, job_echo, bytes, LARGE);
        eventually(word_get(&w[1]) != 0);
        kill((pid_t)word_get(&w[1]), SIGKILL);
        assert_int_equal(yk_await(f), YK_ECRASHED);
        assert_null(yk_future_result(f, NULL)); /* no half results */
        assert_int_equal(yk_await(next), 0);
        assert_memory_equal(yk_future_result(next, NULL), bytes, LARGE);
        yk_future_unref(f);
        yk_future_unref(next);
        free(bytes);
    }
    backend_close(ex);
    yk_arena_free(w); /* the room of the dead is free again, or the check after the test says so */
}

static void test_P22_a_worker_dies_in_the_middle_of_a_large_result(void **state)
{
    (void)state;
    on_processes(half_a_result);
}

/* ---- P31: more than 2 GiB ------------------------------------------------------------------- */

#define HUGE_LEN (((size_t)2 << 30) + 12345)

struct marks {
    uint64_t first, last;
};

static int job_looks_at_both_ends(yk_job *job)
{
    struct marks m;
    const char *bytes = yk_job_arg(job);
    if (yk_job_arg_len(job) != HUGE_LEN)
        return UV_EINVAL;
    memcpy(&m.first, bytes, 8);
    memcpy(&m.last, bytes + HUGE_LEN - 8, 8);
    /* And a result that is larger than any ring. */
    char *room = yk_job_result(job, (size_t)64 << 20);
    if (!room)
        return UV_ENOMEM;
    memset(room, 'q', (size_t)64 << 20);
    memcpy(room, &m, sizeof m);
    return 0;
}

static bool memory_for_it(void)
{
    unsigned long long kb = 0;
    char line[128];
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && kb == 0 && fgets(line, sizeof line, file))
        sscanf(line, "MemAvailable: %llu", &kb);
    if (file)
        fclose(file);
    return kb > 8ull << 20;
}

static void test_P31_an_argument_of_more_than_2_gib(void **state)
{
    (void)state;
    if (support_slowness() > 1 || !memory_for_it()) {
        print_message("skipped: it takes 8 GiB of free memory, and a program as users run it\n");
        return;
    }
    yk_executor *ex = yk_process_pool(.workers = 1);
    /* Untouched pages are all the same page: only the copy takes memory. */
    char *bytes = mmap(NULL, HUGE_LEN, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(bytes != MAP_FAILED);
    madvise(bytes, HUGE_LEN, MADV_HUGEPAGE);
    const struct marks m = { 0x1122334455667788, 0x99aabbccddeeff00 };
    memcpy(bytes, &m.first, 8);
    memcpy(bytes + HUGE_LEN - 8, &m.last, 8);
    yk_future *f = yk_submit(ex, job_looks_at_both_ends, bytes, HUGE_LEN);
    munmap(bytes, HUGE_LEN);
    assert_int_equal(yk_await(f), 0);
    size_t len;
    const char *result = yk_future_result(f, &len);
    assert_int_equal(len, (size_t)64 << 20);
    assert_memory_equal(result, &m, sizeof m);
    assert_int_equal(result[len - 1], 'q');
    yk_future_unref(f);
    backend_close(ex);
}

/* ---- P50: a buffer that others still use ---------------------------------------------------- */

struct use {
    unsigned char *buffer;
    block block;
};

/* Uses the buffer from its beginning to its end. */
static int job_uses(yk_job *job)
{
    struct use u = *(const struct use *)yk_job_arg(job);
    uint64_t sum = sum_of(u.buffer, LARGE / 2);
    atomic_fetch_add(u.block.begun, 1);
    while (!word_get(u.block.go))
        usleep(100);
    sum ^= sum_of(u.buffer + LARGE / 2, LARGE / 2);
    return yk_job_return(job, &sum, sizeof sum);
}

static int job_uses_and_dies(yk_job *job)
{
    struct use u = *(const struct use *)yk_job_arg(job);
    atomic_fetch_add(u.block.begun, sum_of(u.buffer, LARGE) != 0);
    end_worker('k');
    return 0;
}

static void shared_buffer(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    word *w = words_new(2);
    struct use u = { yk_arena_alloc(LARGE), { .begun = &w[0], .go = &w[1] } };
    assert_non_null(u.buffer);
    for (size_t i = 0; i < LARGE; i++)
        u.buffer[i] = (unsigned char)(i * 13);
    uint64_t expected = sum_of(u.buffer, LARGE / 2) ^ sum_of(u.buffer + LARGE / 2, LARGE / 2);
    yk_future *user = backend_submit(b, ex, job_uses, &u, sizeof u);
    eventually(word_get(&w[0]) == 1);
    for (int i = 0; i < 3; i++) {
        yk_future *dies = backend_submit(b, ex, job_uses_and_dies, &u, sizeof u);
        assert_int_equal(yk_await(dies), YK_ECRASHED);
        yk_future_unref(dies);
    }
    word_set(&w[1], 1);
    uint64_t sum = 0;
    assert_int_equal(yk_await_into(user, &sum, sizeof sum), 0);
    assert_int_equal(sum, expected);
    yk_future_unref(user);
    backend_close(ex);
    yk_arena_free(u.buffer);
    yk_arena_free(w);
}

static void test_P50_a_buffer_outlives_those_who_use_it(void **state)
{
    (void)state;
    on_processes(shared_buffer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_P12_an_argument_that_is_too_large_fails_alone),
        TEST(test_P14_P15_P16_an_argument_that_cannot_be_decoded),
        TEST(test_P17_an_error_of_the_job_fails_it_alone),
        TEST(test_P18_a_result_that_cannot_be_encoded),
        TEST(test_P19_a_result_that_the_parent_cannot_use),
        TEST(test_P20_a_crash_after_the_result_was_sent),
        TEST(test_P21_workers_are_killed_while_large_arguments_are_copied),
        TEST(test_P22_a_worker_dies_in_the_middle_of_a_large_result),
        TEST(test_P31_an_argument_of_more_than_2_gib),
        TEST(test_P50_a_buffer_outlives_those_who_use_it),
    };
    return RUN_TESTS("faults_data", tests);
}
