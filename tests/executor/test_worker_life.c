/* Workers that come and go: idle ones, resizing, forks that fail, names, wild ones. */
#include "faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#include "executor/stream.h"

static void all_done(yk_future **f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(yk_await(f[i]), 0);
        yk_future_unref(f[i]);
    }
}

/* Has every one of `n` workers of a pool of n at work at the same time. */
static void use_all(const backend *b, yk_executor *ex, unsigned n)
{
    word *w = words_new(2);
    struct block blocked = { .begun = &w[0], .go = &w[1] };
    yk_future *f[16];
    for (unsigned i = 0; i < n; i++)
        f[i] = backend_submit(b, ex, job_block, &blocked, sizeof blocked);
    eventually(word_get(&w[0]) == n);
    word_set(&w[1], 1);
    all_done(f, n);
    yk_arena_free(w);
}

/* ---- T17 ------------------------------------------------------------------------------------ */

static void idle(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 4, .worker = { .idle_timeout_ms = 20, .min_workers = 1 });
    for (int round = 0; round < 2; round++) {
        use_all(b, ex, 4);
        eventually(stats_of(ex).workers == 1);
        pid_t pid = pid_of_worker(b, ex);
        assert_int_equal(pid_of_worker(b, ex), pid); /* it stays */
    }
    assert_int_equal(stats_of(ex).crashed, 0);
    backend_close(ex);
}

static void test_T17_idle_workers_leave_down_to_the_minimum(void **state)
{
    (void)state;
    on_every_backend(idle);
}

/* Jobs arrive when the worker is about to leave, is leaving, has left. */
static void at_that_instant(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2, .worker = { .idle_timeout_ms = 1 });
    uint64_t until = yk_after_ms(300);
    int done = 0;
    for (uint64_t pause = 0; yk_now() < until; pause += 7919) {
        yk_future *f = square(b, ex, done++);
        assert_int_equal(yk_await(f), 0);
        yk_future_unref(f);
        uint64_t next = yk_now() + pause % 3000000;
        while (yk_now() < next)
            support_pause();
    }
    assert_int_equal(stats_of(ex).done, done);
    eventually(stats_of(ex).workers == 0);
    assert_works(b, ex);
    backend_close(ex);
}

static void test_T17_a_job_that_comes_when_a_worker_leaves_is_done(void **state)
{
    (void)state;
    on_every_backend(at_that_instant);
}

static int slow_start(void *arg)
{
    uint64_t until = yk_after_ms(30);
    while (yk_now() < until)
        support_pause();
    (void)arg;
    return 0;
}

/* It is started for a job, and longer about it than a worker may be idle. */
static void slow_starter(const backend *b)
{
    yk_executor *ex =
        OPEN(b, .workers = 2, .worker = { .initializer = slow_start, .idle_timeout_ms = 1 });
    for (int i = 0; i < 3; i++) {
        assert_works(b, ex);
        eventually(stats_of(ex).workers == 0);
    }
    assert_int_equal(stats_of(ex).started, 3);
    backend_close(ex);
}

static void test_T17_a_worker_that_still_starts_is_not_idle(void **state)
{
    (void)state;
    on_processes(slow_starter);
}

/* ---- T18 ------------------------------------------------------------------------------------ */

static void resized(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    use_all(b, ex, 1);
    assert_int_equal(yk_executor_resize(ex, 4), 0);
    use_all(b, ex, 4);
    assert_int_equal(yk_executor_resize(ex, 2), 0);
    eventually(stats_of(ex).workers == 2);
    assert_int_equal(yk_executor_resize(ex, -1), UV_EINVAL);
    use_all(b, ex, 2);
    assert_int_equal(yk_executor_resize(ex, 3), 0);
    use_all(b, ex, 3);
    assert_int_equal(stats_of(ex).crashed, 0);
    yk_executor_shutdown(ex);
    assert_int_equal(yk_executor_resize(ex, 2), YK_ECLOSED);
    backend_close(ex);
}

static void test_T18_a_pool_grows_and_shrinks(void **state)
{
    (void)state;
    on_every_backend(resized);
}

static void resized_at_work(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    enum { PER_ROUND = 20 };
    size_t rounds = support_rounds(60), crashes = 0;
    yk_future **f = malloc(rounds * PER_ROUND * sizeof *f), *killed[60];
    for (size_t i = 0; i < rounds; i++) {
        for (int k = 0; k < PER_ROUND; k++)
            f[i * PER_ROUND + (size_t)k] = square(b, ex, k);
        assert_int_equal(yk_executor_resize(ex, 1 + (int)(i * 7 % 6)), 0);
        if (i % 5 == 0 && b->processes)
            killed[crashes++] = backend_submit(b, ex, job_kill_self, NULL, 0);
        if (i % 3 == 0) {
            assert_int_equal(yk_await(f[i * PER_ROUND]), 0);
        }
    }
    all_done(f, rounds * PER_ROUND);
    for (size_t i = 0; i < crashes; i++) {
        assert_int_equal(yk_await(killed[i]), YK_ECRASHED);
        yk_future_unref(killed[i]);
    }
    assert_int_equal(stats_of(ex).crashed, crashes);
    assert_int_equal(yk_executor_resize(ex, 1), 0);
    eventually(stats_of(ex).workers <= 1);
    assert_works(b, ex);
    free(f);
    backend_close(ex);
}

static void test_T18_resizing_many_times_with_jobs_and_kills_in_between_loses_none(void **state)
{
    (void)state;
    on_every_backend(resized_at_work);
}

static void long_job_is_finished(const backend *b)
{
    word *w = words_new(2);
    struct block blocked = { .begun = &w[0], .go = &w[1] };
    yk_executor *ex = OPEN(b, .workers = 3);
    yk_future *f[3];
    for (int i = 0; i < 3; i++)
        f[i] = backend_submit(b, ex, job_block, &blocked, sizeof blocked);
    eventually(word_get(&w[0]) == 3);
    assert_int_equal(yk_executor_resize(ex, 1), 0);
    yk_future *behind = square(b, ex, 5); /* for the one who stays */
    word_set(&w[1], 1);
    all_done(f, 3);
    all_done(&behind, 1);
    eventually(stats_of(ex).workers == 1);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T18_who_is_one_too_many_finishes_its_job(void **state)
{
    (void)state;
    on_every_backend(long_job_is_finished);
}

/* Says how far it is before and after it waits. */
struct report {
    block block;
    uint64_t id;
};

static int job_report(yk_job *job)
{
    struct report r = *(const struct report *)yk_job_arg(job);
    yk_job_progress(job, r.id, 1000 + r.id);
    int err = job_block(job); /* whose argument is the first member */
    yk_job_progress(job, 2 * r.id, 2000 + r.id);
    return err;
}

static void assert_progress(const yk_future *f, uint64_t done, uint64_t total)
{
    uint64_t d = 0, t = 0;
    assert_int_equal(yk_future_progress(f, &d, &t), 0);
    assert_int_equal(d, done);
    assert_int_equal(t, total);
}

/* From one place to many, in steps, while those that were there first report what they do. */
static void grows_under_reports(const backend *b)
{
    enum { MOST = 37 };
    static const unsigned sizes[] = { 1, 2, 3, 9, MOST };
    word *w = words_new(2);
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *f[MOST];
    uint64_t n = 0;
    for (size_t k = 0; k < COUNT_OF(sizes); k++) {
        assert_int_equal(yk_executor_resize(ex, (int)sizes[k]), 0);
        for (; n < sizes[k]; n++) {
            struct report r = { .block = { .begun = &w[0], .go = &w[1] }, .id = 1 + n };
            f[n] = backend_submit(b, ex, job_report, &r, sizeof r);
        }
        eventually(word_get(&w[0]) == n);
        for (uint64_t i = 0; i < n; i++)
            assert_progress(f[i], 1 + i, 1001 + i);
    }
    assert_int_equal(yk_executor_resize(ex, 2), 0);
    word_set(&w[1], 1);
    for (uint64_t i = 0; i < n; i++) {
        assert_int_equal(yk_await(f[i]), 0);
        assert_progress(f[i], 2 * (1 + i), 2001 + i);
        yk_future_unref(f[i]);
    }
    eventually(stats_of(ex).workers == 2);
    assert_int_equal(yk_executor_resize(ex, 5), 0); /* places that others had are clean */
    word_set(&w[1], 0);
    word_set(&w[0], 0);
    yk_future *waits[5];
    struct block blocked = { .begun = &w[0], .go = &w[1] };
    for (int i = 0; i < 5; i++)
        waits[i] = backend_submit(b, ex, job_block, &blocked, sizeof blocked);
    eventually(word_get(&w[0]) == 5);
    for (int i = 0; i < 5; i++)
        assert_progress(waits[i], 0, 0);
    word_set(&w[1], 1);
    all_done(waits, 5);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T18_a_pool_grows_beyond_its_first_places_under_jobs_that_report(void **state)
{
    (void)state;
    on_processes(grows_under_reports);
}

/* Down to one and back while whoever runs a job kills itself now and then: nobody is counted twice,
 * and no place is lost. */
static void one_and_back_under_kill(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 4);
    uint64_t deaths = 0;
    for (size_t round = 0; round < support_rounds(24); round++) {
        yk_future *f[12];
        for (int i = 0; i < 12; i++)
            f[i] = i % 4 == 1 ? backend_submit(b, ex, job_kill_self, NULL, 0) : square(b, ex, i);
        assert_int_equal(yk_executor_resize(ex, round % 2 ? 4 : 1), 0);
        for (int i = 0; i < 12; i++) {
            assert_int_equal(yk_await(f[i]), i % 4 == 1 ? YK_ECRASHED : 0);
            yk_future_unref(f[i]);
        }
        deaths += 3;
        assert_int_equal(stats_of(ex).crashed, deaths); /* counted before their jobs end */
    }
    assert_int_equal(yk_executor_resize(ex, 4), 0);
    use_all(b, ex, 4);
    backend_close(ex);
}

static void test_T18_down_to_one_and_back_while_workers_are_killed(void **state)
{
    (void)state;
    on_processes(one_and_back_under_kill);
}

/* ---- P26: forks that fail ------------------------------------------------------------------- */

/* Shared with the zygote: how many more fail; whether those that are born die at once; and how many
 * have. */
static _Atomic int *forks_fail, *stillborn, *died;

pid_t fork(void)
{
    static pid_t (*real)(void);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "fork");
    if (forks_fail && atomic_load(forks_fail) > 0) {
        atomic_fetch_sub(forks_fail, 1);
        errno = EAGAIN;
        return -1;
    }
    pid_t pid = real();
    if (pid == 0 && stillborn && atomic_load(stillborn)) {
        atomic_fetch_add(died, 1);
        _exit(9);
    }
    return pid;
}

/* Awaits one job after the other until one is done; `code` is what all before it end with. */
static void until_one_is_done(const backend *b, yk_executor *ex, int code)
{
    int err = code;
    while (err == code) {
        yk_future *f = square(b, ex, 3);
        err = yk_await(f);
        yk_future_unref(f);
        support_pause();
    }
    assert_int_equal(err, 0);
}

static void replacement_fails(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2, .worker = { .respawn_budget = 3 });
    assert_works(b, ex);
    atomic_store(forks_fail, 1 << 20);
    yk_future *crash = backend_submit(b, ex, job_kill_self, NULL, 0);
    assert_int_equal(yk_await(crash), YK_ECRASHED);
    yk_future_unref(crash);
    yk_future *f[5];
    for (int i = 0; i < 5; i++)
        f[i] = square(b, ex, i);
    for (int i = 0; i < 5; i++) { /* nobody is left */
        assert_int_equal(yk_await(f[i]), YK_ENOWORKER);
        assert_non_null(strstr(yk_future_error(f[i])->message, yk_strerror(UV_EAGAIN)));
        yk_future_unref(f[i]);
    }
    atomic_store(forks_fail, 0);
    until_one_is_done(b, ex, YK_ENOWORKER); /* when it is tried again */
    backend_close(ex);
}

static void test_P26_where_no_worker_is_left_and_none_can_be_forked_jobs_fail(void **state)
{
    (void)state;
    on_processes(replacement_fails);
}

/* Every worker dies before it has begun a job. */
static void storm(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2, .worker = { .respawn_budget = 4 });
    atomic_store(died, 0);
    atomic_store(stillborn, 1);
    yk_future *f[10];
    for (int i = 0; i < 10; i++)
        f[i] = square(b, ex, i);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(yk_await(f[i]), YK_ENOWORKER);
        assert_non_null(strstr(yk_future_error(f[i])->message, "status 9"));
        yk_future_unref(f[i]);
    }
    int first = atomic_load(died);
    /* The budget, and those that were on their way; a slow submitter sees more than one end. */
    assert_in_range(first, 4, 6 * support_slowness());
    uint64_t begin = yk_now();
    for (int i = 0; i < 200; i++) {
        yk_future *again = square(b, ex, i);
        assert_int_equal(yk_await(again), YK_ENOWORKER);
        yk_future_unref(again);
        support_pause();
    }
    /* By now 80 ms or more lie between two attempts, at no more than two workers each. */
    uint64_t attempts = 2 + (yk_now() - begin) / 80000000u;
    assert_true((uint64_t)(atomic_load(died) - first) <= 2 * attempts);
    atomic_store(stillborn, 0);
    until_one_is_done(b, ex, YK_ENOWORKER);
    use_all(b, ex, 2);
    backend_close(ex);
}

static void test_P27_workers_that_die_at_their_start_make_no_storm(void **state)
{
    (void)state;
    on_processes(storm);
}

static void others_go_on(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 3, .worker = { .respawn_budget = 2 });
    use_all(b, ex, 3);
    atomic_store(forks_fail, 4);
    yk_future *crash = backend_submit(b, ex, job_kill_self, NULL, 0), *f[40];
    for (int i = 0; i < 40; i++)
        f[i] = square(b, ex, i);
    assert_int_equal(yk_await(crash), YK_ECRASHED);
    yk_future_unref(crash);
    all_done(f, 40);
    atomic_store(forks_fail, 0);
    use_all(b, ex, 2);
    backend_close(ex);
}

static void test_P26_while_others_are_left_jobs_wait_for_them(void **state)
{
    (void)state;
    on_processes(others_go_on);
}

/* ---- E22, S12 ------------------------------------------------------------------------------- */

static int job_name(yk_job *job)
{
    char name[32] = "";
    prctl(PR_GET_NAME, name);
    return yk_job_return(job, name, sizeof name);
}

static void names(const backend *b)
{
    char name[32];
    yk_executor *ex = OPEN(b, .workers = 1, .name = "painters");
    yk_future *f = backend_submit(b, ex, job_name, NULL, 0);
    assert_int_equal(yk_await_into(f, name, sizeof name), 0);
    assert_string_equal(name, "painters-0");
    yk_future_unref(f);
    backend_close(ex);
    ex = OPEN(b, .workers = 1, .name = "a name that is too long");
    f = backend_submit(b, ex, job_name, NULL, 0);
    assert_int_equal(yk_await_into(f, name, sizeof name), 0);
    assert_int_equal(strncmp(name, "a name th", 9), 0);
    yk_future_unref(f);
    backend_close(ex);
}

static void test_E22_workers_are_called_as_the_pool_is(void **state)
{
    (void)state;
    on_every_backend(names);
}

static void crash_after_release(const backend *b)
{
    word *w = words_new(2);
    struct block blocked = { .begun = &w[0], .go = &w[1] };
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *first = backend_submit(b, ex, job_block, &blocked, sizeof blocked);
    yk_future *crash = backend_submit(b, ex, job_kill_self, NULL, 0), *last = square(b, ex, 4);
    eventually(word_get(&w[0]) == 1);
    yk_executor_unref(ex);
    word_set(&w[1], 1);
    assert_int_equal(yk_await(first), 0);
    assert_int_equal(yk_await(crash), YK_ECRASHED);
    assert_int_equal(yk_await(last), 0);
    yk_future_unref(first);
    yk_future_unref(crash);
    yk_future_unref(last);
    yk_arena_free(w);
}

static void test_S12_a_crash_after_the_executor_was_released_is_seen(void **state)
{
    (void)state;
    on_processes(crash_after_release);
}

/* ---- A worker gone wild with the descriptor that wakes the driver ---------------------------- */

static int find_eventfd(void)
{
    for (int fd = 3; fd < 4096; fd++) {
        char path[32], to[64] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, to, sizeof to - 1) > 0 && strstr(to, "eventfd"))
            return fd;
    }
    return -1;
}

/* Has reads of the eventfd wait for ever, and steals every wake-up until told to stop. */
static int job_steal(yk_job *job)
{
    word *stop = *(word **)yk_job_arg(job);
    int fd = find_eventfd();
    if (fd < 0)
        return UV_ENOENT;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    atomic_store(stop, 1);
    while (word_get(stop) != 2) {
        uint64_t n;
        struct iovec to = { &n, sizeof n };
        ssize_t got = preadv2(fd, &to, 1, -1, RWF_NOWAIT);
        (void)got;
    }
    return 0;
}

static void wild(const backend *b)
{
    word *w = words_new(1);
    yk_executor *ex = OPEN(b, .workers = 2);
    word *stop = &w[0];
    yk_future *thief = backend_submit(b, ex, job_steal, &stop, sizeof stop);
    eventually(word_get(stop) == 1);
    for (int i = 0; i < 30; i++)
        assert_works(b, ex);
    word_set(stop, 2);
    assert_int_equal(yk_await(thief), 0);
    yk_future_unref(thief);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_P30_a_worker_that_steals_wake_ups_does_not_stop_the_driver(void **state)
{
    (void)state;
    on_processes(wild);
}

/* The counter is full, and writing to it waits. */
static int job_fill(yk_job *job)
{
    int fd = find_eventfd();
    if (fd < 0)
        return UV_ENOENT;
    uint64_t n = UINT64_MAX - 1;
    ssize_t got = write(fd, &n, sizeof n);
    got = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    (void)job, (void)got;
    return 0;
}

static void full(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    for (int i = 0; i < 20; i++) {
        yk_future *f = backend_submit(b, ex, job_fill, NULL, 0);
        for (int k = 0; k < 3; k++)
            assert_works(b, ex);
        all_done(&f, 1);
    }
    backend_close(ex);
}

static void test_P30_a_wake_up_that_is_full_does_not_stop_anybody(void **state)
{
    (void)state;
    on_processes(full);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_T17_idle_workers_leave_down_to_the_minimum),
        TEST(test_T17_a_job_that_comes_when_a_worker_leaves_is_done),
        TEST(test_T17_a_worker_that_still_starts_is_not_idle),
        TEST(test_T18_a_pool_grows_and_shrinks),
        TEST(test_T18_resizing_many_times_with_jobs_and_kills_in_between_loses_none),
        TEST(test_T18_who_is_one_too_many_finishes_its_job),
        TEST(test_T18_a_pool_grows_beyond_its_first_places_under_jobs_that_report),
        TEST(test_T18_down_to_one_and_back_while_workers_are_killed),
        TEST(test_P26_where_no_worker_is_left_and_none_can_be_forked_jobs_fail),
        TEST(test_P27_workers_that_die_at_their_start_make_no_storm),
        TEST(test_P26_while_others_are_left_jobs_wait_for_them),
        TEST(test_E22_workers_are_called_as_the_pool_is),
        TEST(test_S12_a_crash_after_the_executor_was_released_is_seen),
        TEST(test_P30_a_worker_that_steals_wake_ups_does_not_stop_the_driver),
        TEST(test_P30_a_wake_up_that_is_full_does_not_stop_anybody),
    };
    forks_fail = mmap(NULL, 3 * sizeof *forks_fail, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (forks_fail == MAP_FAILED)
        return 1;
    stillborn = forks_fail + 1;
    died = forks_fail + 2;
    return RUN_TESTS("worker_life", tests);
}
