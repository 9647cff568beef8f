/* One clock: CLOCK_MONOTONIC everywhere, so that nobody who sets the time, and no suspended
 * machine, makes a deadline come early. The time cannot be set in a test without setting it for the
 * whole machine; so this looks at what the kernel has been asked for, and that no wait is short. */
#include "support/backends.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "loop/loop.h"

static uint64_t monotonic(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void test_T20_now_is_the_monotonic_clock(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t before = monotonic(), now = yk_now(), after = monotonic();
        assert_true(before <= now && now <= after);
    }
    assert_true(yk_after_ms(UINT64_MAX) == YK_FOREVER);
    uint64_t before = monotonic(), later = yk_after_ms(1000);
    assert_in_range(later - before, 1000000000u, 1000000000u + (yk_now() - before));
}

/* How many timerfds this process has, and how many of them run by another clock. */
static int timerfds(int *others)
{
    int n = 0;
    *others = 0;
    DIR *dir = opendir("/proc/self/fdinfo");
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[300], line[200];
        snprintf(path, sizeof path, "/proc/self/fdinfo/%s", e->d_name);
        FILE *file = fopen(path, "re");
        while (file && fgets(line, sizeof line, file)) {
            int clock;
            if (sscanf(line, "clockid: %d", &clock) == 1) {
                n++;
                *others += clock != CLOCK_MONOTONIC;
            }
        }
        if (file)
            fclose(file);
    }
    closedir(dir);
    return n;
}

static void waits(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 1);
    word *w = words_new(2);
    block hold = { .begun = &w[0], .go = &w[1] };
    yk_future *f = backend_submit(b, ex, job_block, &hold, sizeof hold);
    eventually(word_get(&w[0]) == 1);
    int others;
    assert_true(timerfds(&others) > 0 || !(b->processes || b->on_loop));
    assert_int_equal(others, 0);
    for (uint64_t ms = 0; ms < 8; ms++) {
        uint64_t deadline = yk_after_ms(ms);
        assert_int_equal(yk_await_until(f, deadline), UV_ETIMEDOUT);
        assert_true(monotonic() >= deadline); /* never early */
        deadline = yk_after_ms(ms);
        assert_int_equal(yk_wait(&f, 1, YK_ALL_ENDED, deadline), UV_ETIMEDOUT);
        assert_true(monotonic() >= deadline);
        deadline = yk_after_ms(ms);
        assert_int_equal(yk_sleep_until(deadline), 0);
        assert_true(monotonic() >= deadline);
    }
    word_set(&w[1], 1);
    assert_int_equal(yk_await(f), 0);
    yk_future_unref(f);

    uint64_t before = monotonic(); /* a job's limit */
    block for_ever = { 0 };
    f = backend_submit_opts(b, ex, job_block, &for_ever, sizeof for_ever,
                            (yk_job_options){ .timeout_ms = 15 });
    int err = yk_await(f);
    assert_true(err == YK_EJOBTIMEOUT);
    assert_true(monotonic() >= before + 15000000);
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_T20_no_deadline_comes_early(void **state)
{
    (void)state;
    on_every_backend(waits);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_T20_now_is_the_monotonic_clock),
        TEST(test_T20_no_deadline_comes_early),
    };
    return RUN_TESTS("clock", tests);
}
