/* What all executors do alike: jobs, arguments, results, workers, statistics. */
#include "support/backends.h"

#include "executor/rooms.h"
#include "support/proc.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

static int await_int(yk_future *f)
{
    int out = -1;
    assert_int_equal(yk_await_into(f, &out, sizeof out), 0);
    yk_future_unref(f);
    return out;
}

/* ---- E01, E02: results and arguments --------------------------------------------------------- */

static void returns_a_result(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    for (int i = 0; i < 50; i++)
        assert_int_equal(await_int(backend_submit(b, ex, job_square, &i, sizeof i)), i * i);
    yk_future *f = backend_submit(b, ex, job_nothing, NULL, 0);
    assert_int_equal(yk_await(f), 0);
    size_t len = 1;
    assert_null(yk_future_result(f, &len));
    assert_int_equal(len, 0);
    yk_future_unref(f);
    backend_close(ex);
}

static void test_E01_submit_returns_the_result(void **state)
{
    (void)state;
    on_every_backend(returns_a_result);
}

static void returns_an_error(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f = backend_submit(b, ex, job_fail, NULL, 0);
    assert_int_equal(yk_await(f), UV_EINVAL);
    assert_int_equal(yk_future_state(f), YK_FAILED);
    assert_string_equal(yk_future_error(f)->message, "no good");
    assert_int_equal(yk_future_error(f)->signal, 0);
    yk_future_unref(f);
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.failed, 1);
    assert_int_equal(s.crashed, 0);
    backend_close(ex);
}

static void test_E01_submit_returns_the_error(void **state)
{
    (void)state;
    on_every_backend(returns_an_error);
}

static int job_long_message(yk_job *job)
{
    char text[1000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    return yk_job_fail(job, UV_EIO, "%s", text);
}

static int job_silent_failure(yk_job *job)
{
    (void)job;
    return UV_ENOENT;
}

static int job_cancels_itself(yk_job *job)
{
    (void)job;
    return YK_ECANCELED;
}

static void odd_ends(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *f = backend_submit(b, ex, job_long_message, NULL, 0);
    assert_int_equal(yk_await(f), UV_EIO);
    size_t len = strlen(yk_future_error(f)->message);
    assert_in_range(len, 180, 200);
    yk_future_unref(f);
    f = backend_submit(b, ex, job_silent_failure, NULL, 0);
    assert_int_equal(yk_await(f), UV_ENOENT);
    assert_string_equal(yk_future_error(f)->message, yk_strerror(UV_ENOENT));
    yk_future_unref(f);
    f = backend_submit(b, ex, job_cancels_itself, NULL, 0);
    assert_int_equal(yk_await(f), YK_ECANCELED);
    assert_int_equal(yk_future_state(f), YK_CANCELLED);
    yk_future_unref(f);
    backend_close(ex);
}

static void test_E01_errors_without_and_with_too_much_to_say(void **state)
{
    (void)state;
    on_every_backend(odd_ends);
}

static void echo_of(const backend *b, yk_executor *ex, const unsigned char *data, size_t size)
{
    yk_future *f = backend_submit(b, ex, job_echo, size ? data : NULL, size);
    assert_int_equal(yk_await(f), 0);
    size_t len;
    const void *result = yk_future_result(f, &len);
    assert_int_equal(len, size);
    if (size > 0) {
        assert_memory_equal(result, data, size);
        assert_int_equal((uintptr_t)result % _Alignof(max_align_t), 0);
    }
    yk_future_unref(f);
}

static void arguments_of_all_sizes(const backend *b)
{
    static const size_t sizes[] = { 0,    1,    63,   64,   65,    223,     224,      225,
                                    4095, 4096, 4097, 8192, 65536, 1 << 20, 20 << 20, 100 };
    unsigned char *data = malloc(20 << 20);
    assert_non_null(data);
    for (size_t i = 0; i < 20u << 20; i++)
        data[i] = (unsigned char)(i * 31 + (i >> 8));
    yk_executor *ex = OPEN(b, .workers = 2);
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < COUNT_OF(sizes); i++)
            echo_of(b, ex, data + round, sizes[i] < 20 << 20 ? sizes[i] : sizes[i] - 1);
    backend_close(ex);
    free(data);
}

static void test_E02_arguments_and_results_of_all_sizes(void **state)
{
    (void)state;
    on_every_backend(arguments_of_all_sizes);
}

static int job_writes_its_argument(yk_job *job)
{
    char *arg = yk_job_arg(job);
    if ((uintptr_t)arg % _Alignof(max_align_t) != 0)
        return UV_EFAULT;
    memset(arg, 'z', yk_job_arg_len(job));
    return yk_job_return(job, arg, yk_job_arg_len(job));
}

/* The argument is a copy, which the caller may reuse at once and the job may write to. */
static void argument_is_a_copy(const backend *b)
{
    static const size_t sizes[] = { 8, 100, 10000 };
    static char mine[10000];
    yk_executor *ex = OPEN(b, .workers = 1);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        memset(mine, 'a', sizes[i]);
        yk_future *echo = backend_submit(b, ex, job_echo, mine, sizes[i]);
        yk_future *writes = backend_submit(b, ex, job_writes_its_argument, mine, sizes[i]);
        memset(mine, 'b', sizes[i]);
        assert_int_equal(yk_await(echo), 0);
        assert_int_equal(yk_await(writes), 0);
        const char *first = yk_future_result(echo, NULL), *second = yk_future_result(writes, NULL);
        for (size_t k = 0; k < sizes[i]; k++) {
            assert_int_equal(first[k], 'a');
            assert_int_equal(second[k], 'z');
            assert_int_equal(mine[k], 'b');
        }
        yk_future_unref(echo);
        yk_future_unref(writes);
    }
    backend_close(ex);
}

static void test_E02_the_argument_is_a_copy(void **state)
{
    (void)state;
    on_every_backend(argument_is_a_copy);
}

/* Room that grows, is forgotten, is trimmed; and large room that is asked for and not used. */
static int job_fickle(yk_job *job)
{
    static const size_t sizes[] = { 10, 100000, 5, 3000000, 300, 70000 };
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        unsigned char *room = yk_job_result(job, sizes[i]);
        if (!room)
            return UV_ENOMEM;
        memset(room, (int)i, sizes[i]);
    }
    yk_job_result_trim(job, 80000); /* longer than it is: no change */
    yk_job_result_trim(job, 66000);
    return 0;
}

static int job_room_and_failure(yk_job *job)
{
    void *room = yk_job_result(job, 200000);
    return room ? UV_ESPIPE : UV_ENOMEM;
}

static int job_room_and_nothing(yk_job *job)
{
    void *room = yk_job_result(job, 200000);
    return room ? yk_job_return(job, NULL, 0) : UV_ENOMEM;
}

static int job_impossible_room(yk_job *job)
{
    return yk_job_result(job, SIZE_MAX / 4) ? 0 : UV_ENOMEM;
}

static void room_for_results(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    for (int round = 0; round < 3; round++) {
        yk_future *f = backend_submit(b, ex, job_fickle, NULL, 0);
        assert_int_equal(yk_await(f), 0);
        size_t len;
        const unsigned char *result = yk_future_result(f, &len);
        assert_int_equal(len, 66000);
        for (size_t i = 0; i < len; i++)
            assert_int_equal(result[i], 5);
        yk_future *failed = backend_submit(b, ex, job_room_and_failure, NULL, 0);
        assert_int_equal(yk_await(failed), UV_ESPIPE);
        yk_future_unref(failed);
        yk_future *empty = backend_submit(b, ex, job_room_and_nothing, NULL, 0);
        assert_int_equal(yk_await_into(empty, NULL, 0), 0);
        yk_future_unref(empty);
        for (size_t i = 0; i < len; i++) /* what came later did not touch it */
            assert_int_equal(result[i], 5);
        yk_future_unref(f);
    }
    backend_close(ex);
}

static void test_E20_room_for_results(void **state)
{
    (void)state;
    on_every_backend(room_for_results);
}

static void impossible_room(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *f = backend_submit(b, ex, job_impossible_room, NULL, 0);
    assert_int_equal(yk_await(f), UV_ENOMEM);
    yk_future_unref(f);
    assert_int_equal(await_int(backend_submit(b, ex, job_square, &(int){ 5 }, sizeof(int))), 25);
    backend_close(ex);
}

static void test_E20_room_that_nobody_has(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    on_processes(impossible_room); /* their malloc aborts on such sizes */
#else
    on_every_backend(impossible_room);
#endif
}

static void bad_submissions(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *f[4] = { yk_submit(NULL, job_nothing, NULL, 0), yk_submit(ex, NULL, NULL, 0),
                        yk_submit(ex, job_echo, NULL, 5),
                        yk_submit_with(ex, job_echo, "x", SIZE_MAX / 2 + 9, .kind = b->kind) };
    for (int i = 0; i < 4; i++) {
        assert_int_equal(yk_await(f[i]), i < 3 ? UV_EINVAL : UV_ENOMEM);
        yk_future_unref(f[i]);
    }
    assert_int_equal(stats_of(ex).received, 0);
    backend_close(ex);
}

static void test_E02_bad_submissions_are_futures_that_have_failed(void **state)
{
    (void)state;
    on_every_backend(bad_submissions);
}

/* ---- E12, E13: the number of workers --------------------------------------------------------- */

static void bad_worker_counts(const backend *b)
{
    static const int bad[] = { -1, -1000, INT32_MIN, 1025, INT32_MAX };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        yk_executor *ex = b->make(&(yk_pool_options){ .workers = bad[i] });
        assert_non_null(ex);
        assert_int_equal(yk_executor_error(ex)->code, UV_EINVAL);
        yk_future *f = backend_submit(b, ex, job_nothing, NULL, 0);
        assert_int_equal(yk_await(f), UV_EINVAL);
        yk_future_unref(f);
        assert_int_equal(yk_executor_shutdown(ex), 0);
        assert_int_equal(yk_executor_close(ex), 0);
    }
}

static void test_E12_bad_worker_counts(void **state)
{
    (void)state;
    on_every_backend(bad_worker_counts);
    assert_int_equal(yk_executor_close(NULL), 0);
    yk_executor_unref(NULL);
}

static void blocking_jobs(const backend *b, yk_executor *ex, block *arg, yk_future **f, size_t n)
{
    for (size_t i = 0; i < n; i++)
        f[i] = backend_submit(b, ex, job_block, arg, sizeof *arg);
}

static void unref_done(yk_future **f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(yk_await(f[i]), 0);
        yk_future_unref(f[i]);
    }
}

static void default_count(const backend *b)
{
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    unsigned cpus = (unsigned)yk_cpu_count();
    assert_in_range(cpus, 1, CPU_COUNT(&set));
    if (cpus > 16)
        return;
    yk_executor *ex = b->make(NULL); /* no options at all */
    word *w = words_new(2);
    block arg = { .begun = &w[0], .go = &w[1] };
    yk_future *f[48];
    blocking_jobs(b, ex, &arg, f, cpus + 1);
    eventually(word_get(&w[0]) == cpus);
    for (int i = 0; i < 20; i++)
        support_pause();
    assert_int_equal(word_get(&w[0]), cpus);
    assert_int_equal(stats_of(ex).workers, cpus);
    word_set(&w[1], 1);
    unref_done(f, cpus + 1);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E13_as_many_workers_as_cpus(void **state)
{
    (void)state;
    on_every_backend(default_count);
}

static void test_E13_the_affinity_counts(void **state)
{
    (void)state;
    cpu_set_t all, one;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &all))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    int cpus = yk_cpu_count();
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    assert_int_equal(cpus, 1);
}

/* ---- E14, E15: workers ----------------------------------------------------------------------- */

static void saturation(const backend *b)
{
    enum { WORKERS = 4, JOBS = 15 * WORKERS };
    yk_executor *ex = OPEN(b, .workers = WORKERS);
    word *w = words_new(3);
    block arg = { .begun = &w[0], .go = &w[1], .ended = &w[2] };
    yk_future *f[JOBS];
    blocking_jobs(b, ex, &arg, f, JOBS);
    eventually(word_get(&w[0]) == WORKERS);
    for (int i = 0; i < 20; i++)
        support_pause();
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.workers, WORKERS);
    assert_int_equal(s.started, WORKERS);
    assert_int_equal(s.received, JOBS);
    eventually(stats_of(ex).running == WORKERS);
    assert_int_equal(stats_of(ex).pending, JOBS - WORKERS);
    assert_int_equal(word_get(&w[0]), WORKERS);
    word_set(&w[1], 1);
    unref_done(f, JOBS);
    assert_int_equal(word_get(&w[2]), JOBS);
    assert_int_equal(stats_of(ex).started, WORKERS);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E14_saturation(void **state)
{
    (void)state;
    on_every_backend(saturation);
}

static void idle_reuse(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 4);
    assert_int_equal(stats_of(ex).started, 0); /* none before there is work */
    for (int i = 0; i < 30; i++) {
        assert_int_equal(await_int(backend_submit(b, ex, job_square, &i, sizeof i)), i * i);
        eventually(stats_of(ex).running == 0);
    }
    assert_int_equal(stats_of(ex).started, 1);
    backend_close(ex);
}

static void test_E15_an_idle_worker_is_used_again(void **state)
{
    (void)state;
    on_every_backend(idle_reuse);
}

/* ---- E16, E17, E18, E19: who may submit ------------------------------------------------------ */

struct submitter {
    const backend *b;
    yk_executor *ex;
    size_t n;
    word *w;
    word *finished;
    int first_error;
};

static void *submit_many(void *arg)
{
    struct submitter *s = arg;
    yk_future **f = calloc(s->n, sizeof(yk_future *));
    for (size_t i = 0; i < s->n; i++)
        f[i] = backend_submit(s->b, s->ex, job_count, &s->w, sizeof s->w);
    s->first_error = yk_await_all(f, s->n, YK_FOREVER);
    for (size_t i = 0; i < s->n; i++)
        yk_future_unref(f[i]);
    free(f);
    atomic_fetch_add(s->finished, 1);
    return NULL;
}

static void many_threads(const backend *b)
{
    enum { THREADS = 8 };
    yk_executor *ex = OPEN(b, .workers = 3);
    word *w = words_new(1);
    word finished = 0;
    struct submitter s[THREADS];
    pthread_t threads[THREADS];
    size_t each = support_rounds(400);
    for (int i = 0; i < THREADS; i++) {
        s[i] = (struct submitter){ b, ex, each, w, &finished, -1 };
        assert_int_equal(pthread_create(&threads[i], NULL, submit_many, &s[i]), 0);
    }
    eventually(word_get(&finished) == THREADS); /* a loop must go on meanwhile */
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(s[i].first_error, 0);
    }
    assert_int_equal(word_get(w), THREADS * each);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E16_many_threads_submit_at_once(void **state)
{
    (void)state;
    on_every_backend(many_threads);
}

struct chain {
    const backend *b;
    yk_executor *ex;
    int left;
    word *w;
    yk_future *end; /* a promise */
};

static int submit_next(yk_future *f, void *arg)
{
    struct chain *c = arg;
    int err = yk_await_until(f, 0);
    yk_future_unref(f);
    if (err || c->left-- == 0) {
        yk_future *end = c->end;
        err ? yk_future_set_error(end, err, NULL) : yk_future_set_result(end, NULL, 0);
        yk_future_unref(end);
        return 0;
    }
    yk_future *next = backend_submit(c->b, c->ex, job_count, &c->w, sizeof c->w);
    return yk_future_on_end(next, submit_next, c);
}

static void chains(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    word *w = words_new(1);
    struct chain c[3];
    yk_future *ends[3];
    for (int i = 0; i < 3; i++) {
        ends[i] = yk_future_new();
        c[i] = (struct chain){ b, ex, 100, w, yk_future_ref(ends[i]) };
        yk_future *first = backend_submit(b, ex, job_count, &w, sizeof w);
        yk_future_on_end(first, submit_next, &c[i]);
    }
    assert_int_equal(yk_await_all(ends, 3, YK_FOREVER), 0);
    for (int i = 0; i < 3; i++)
        yk_future_unref(ends[i]);
    assert_int_equal(word_get(w), 303);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E17_chains_of_a_hundred_by_callbacks(void **state)
{
    (void)state;
    on_every_backend(chains);
}

struct nested {
    yk_executor *ex;
    bool shut;
};

static int job_submits(yk_job *job)
{
    const struct nested *n = yk_job_arg(job);
    if (n->shut)
        return yk_executor_shutdown(n->ex);
    yk_future *f = yk_submit(n->ex, job_square, &(int){ 12 }, sizeof(int));
    int out = 0;
    int err = yk_await_into(f, &out, sizeof out);
    if (err)
        yk_job_fail(job, err, "%s", yk_future_error(f) ? yk_future_error(f)->message : "?");
    yk_future_unref(f);
    return err ? err : yk_job_return(job, &out, sizeof out);
}

static void nested_submit(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    struct nested n = { ex, false };
    yk_future *f = backend_submit(b, ex, job_submits, &n, sizeof n);
    if (b->processes) {
        assert_int_equal(yk_await(f), UV_ENOTSUP);
        assert_non_null(strstr(yk_future_error(f)->message, "worker process"));
        yk_future_unref(f);
    } else {
        assert_int_equal(await_int(f), 144);
    }
    n.shut = true; /* S09: a job cannot wait for its own executor's end */
    f = backend_submit(b, ex, job_submits, &n, sizeof n);
    int err = yk_await(f);
    if (b->processes)
        assert_int_equal(err, UV_ENOTSUP);
    else
        assert_int_equal(err, YK_EDEADLK);
    yk_future_unref(f);
    backend_close(ex);
}

static void test_E18_S09_a_job_submits_or_is_refused(void **state)
{
    (void)state;
    on_every_backend(nested_submit);
}

static int job_makes_executors(yk_job *job)
{
    yk_executor *threads = yk_thread_pool(.workers = 1), *processes = yk_process_pool(.workers = 1);
    yk_future *f = yk_submit(threads, job_nothing, NULL, 0);
    int codes[2] = { yk_await(f), 0 };
    if (yk_executor_error(processes))
        codes[1] = yk_executor_error(processes)->code;
    yk_future_unref(f);
    yk_executor_unref(threads);
    yk_executor_unref(processes);
    return yk_job_return(job, codes, sizeof codes);
}

static void test_E18_a_worker_process_cannot_have_workers(void **state)
{
    (void)state;
    yk_executor *ex = yk_process_pool(.workers = 1);
    yk_future *f = yk_submit(ex, job_makes_executors, NULL, 0);
    int codes[2];
    assert_int_equal(yk_await_into(f, codes, sizeof codes), 0);
    assert_int_equal(codes[0], UV_ENOTSUP);
    assert_int_equal(codes[1], UV_ENOTSUP);
    yk_future_unref(f);
    backend_close(ex);
}

/* ---- E22: names, numbers --------------------------------------------------------------------- */

struct who {
    char name[16];
    unsigned worker;
    pid_t pid;
};

static int job_who(yk_job *job)
{
    struct who w = { .worker = yk_job_worker(job), .pid = getpid() };
    pthread_getname_np(pthread_self(), w.name, sizeof w.name);
    return yk_job_return(job, &w, sizeof w);
}

static void names(const backend *b)
{
    static const char *const given[] = { NULL, "abc", "a-name-of-more-than-ten-bytes" };
    for (size_t i = 0; i < COUNT_OF(given); i++) {
        yk_executor *ex = OPEN(b, .workers = 1, .name = given[i]);
        yk_future *f = backend_submit(b, ex, job_who, NULL, 0);
        struct who w;
        assert_int_equal(yk_await_into(f, &w, sizeof w), 0);
        yk_future_unref(f);
        assert_int_equal(w.worker, 0);
        assert_int_equal(w.pid == getpid(), !b->processes);
        char expected[16];
        snprintf(expected, sizeof expected, "%.10s-0", given[i] ? given[i] : w.name);
        if (given[i])
            assert_string_equal(w.name, expected);
        else
            assert_non_null(strstr(w.name, "-0"));
        backend_close(ex);
    }
}

static void test_E22_workers_have_names(void **state)
{
    (void)state;
    on_every_backend(names);
}

static int job_worker_number(yk_job *job)
{
    word *of_worker = *(word **)yk_job_arg(job);
    unsigned worker = yk_job_worker(job);
    /* One job at a time is with a worker of this number. */
    if (worker >= 3 || atomic_fetch_add(&of_worker[worker], 1) != 0)
        return UV_EBUSY;
    atomic_fetch_sub(&of_worker[worker], 1);
    return 0;
}

static void worker_numbers(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 3);
    word *w = words_new(3);
    enum { N = 300 };
    yk_future *f[N];
    for (int i = 0; i < N; i++)
        f[i] = backend_submit(b, ex, job_worker_number, &w, sizeof w);
    unref_done(f, N);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E22_worker_numbers_are_exclusive(void **state)
{
    (void)state;
    on_every_backend(worker_numbers);
}

/* ---- E28: statistics ------------------------------------------------------------------------- */

static void statistics(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    word *w = words_new(2);
    block arg = { .begun = &w[0], .go = &w[1] };
    yk_future *blocked[2], *f[30];
    blocking_jobs(b, ex, &arg, blocked, 2);
    eventually(word_get(&w[0]) == 2);
    for (int i = 0; i < 30; i++)
        f[i] = backend_submit(b, ex, i % 3 ? job_nothing : job_fail, NULL, 0);
    for (int i = 20; i < 30; i++)
        yk_future_cancel(f[i]);
    eventually(stats_of(ex).cancelled == 10 && stats_of(ex).running == 2);
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.received, 32);
    assert_int_equal(s.pending, 20);
    assert_int_equal(s.done + s.failed, 0);
    word_set(&w[1], 1);
    assert_int_equal(yk_wait(f, 30, YK_ALL_ENDED, YK_FOREVER), 30);
    unref_done(blocked, 2);
    eventually(stats_of(ex).running == 0);
    s = stats_of(ex);
    assert_int_equal(s.received, 32);
    assert_int_equal(s.pending, 0);
    assert_int_equal(s.done, 13 + 2);
    assert_int_equal(s.failed, 7);
    assert_int_equal(s.cancelled, 10);
    assert_int_equal(s.workers, 2);
    for (int i = 0; i < 30; i++)
        yk_future_unref(f[i]);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_E28_statistics_add_up(void **state)
{
    (void)state;
    on_every_backend(statistics);
}

/* ---- P34, P48, E20: what a worker leaves behind ---------------------------------------------- */

static int job_count_fds(yk_job *job)
{
    int n = proc_fds(0);
    return yk_job_return(job, &n, sizeof n);
}

static void descriptors_are_stable(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    int first = await_int(backend_submit(b, ex, job_count_fds, NULL, 0));
    static char large[100000];
    eventually(!support_has_pidfds() ||
               proc_links(0, "[pidfd]") == b->processes); /* the last that comes with a worker */
    int mine = proc_fds(0);
    for (size_t i = 0; i < support_rounds(1000); i++) {
        size_t len = i % 10 ? 10 : sizeof large;
        yk_future *f = backend_submit(b, ex, job_echo, large, len);
        assert_int_equal(yk_await(f), 0);
        yk_future_unref(f);
    }
    assert_int_equal(await_int(backend_submit(b, ex, job_count_fds, NULL, 0)), first);
    assert_int_equal(proc_fds(0), mine);
    if (b->processes) /* standard input, output, error; the wake-up and the lifeline */
        assert_int_equal(first, 5);
    backend_close(ex);
}

static void test_P48_descriptors_stay_the_same_over_many_jobs(void **state)
{
    (void)state;
    if (support_under_valgrind()) {
        print_message("skipped: valgrind has descriptors of its own\n");
        return;
    }
    on_every_backend(descriptors_are_stable);
}

static void memory_is_freed(const backend *b)
{
    static char large[300000];
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f[20];
    for (int i = 0; i < 20; i++)
        f[i] = backend_submit(b, ex, job_echo, large, sizeof large);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(yk_await(f[i]), 0);
        yk_future_unref(f[i]);
    }
    /* What is left: a page for each worker's progress, at most the rooms that it was granted ahead,
     * and a page with the options of all. */
    eventually(yk_arena_used() <= 2 * (YK__ROOMS_AHEAD + 4096) + 4096);
    backend_close(ex);
    eventually(yk_arena_used() == 0);
}

static void test_E20_arguments_and_results_are_freed(void **state)
{
    (void)state;
    on_every_backend(memory_is_freed);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_E01_submit_returns_the_result),
        TEST(test_E01_submit_returns_the_error),
        TEST(test_E01_errors_without_and_with_too_much_to_say),
        TEST(test_E02_arguments_and_results_of_all_sizes),
        TEST(test_E02_the_argument_is_a_copy),
        TEST(test_E20_room_for_results),
        TEST(test_E20_room_that_nobody_has),
        TEST(test_E02_bad_submissions_are_futures_that_have_failed),
        TEST(test_E12_bad_worker_counts),
        TEST(test_E13_as_many_workers_as_cpus),
        TEST(test_E13_the_affinity_counts),
        TEST(test_E14_saturation),
        TEST(test_E15_an_idle_worker_is_used_again),
        TEST(test_E16_many_threads_submit_at_once),
        TEST(test_E17_chains_of_a_hundred_by_callbacks),
        TEST(test_E18_S09_a_job_submits_or_is_refused),
        TEST(test_E18_a_worker_process_cannot_have_workers),
        TEST(test_E22_workers_have_names),
        TEST(test_E22_worker_numbers_are_exclusive),
        TEST(test_E28_statistics_add_up),
        TEST(test_P48_descriptors_stay_the_same_over_many_jobs),
        TEST(test_E20_arguments_and_results_are_freed),
    };
    return RUN_TESTS("jobs", tests);
}
