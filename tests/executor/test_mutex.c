/* Mutexes whose owners die, on every backend, among jobs, threads and tasks. */
#include "shared_common.h"

#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include "executor/park.h"
#include "loop/loop.h"
#include "loop/task.h"
#include "own_channel.h"

#define SLEEPERS 0x80000000u /* as in mutex.c: somebody sleeps, or is about to */

/* ---- The mutex: exclusion -------------------------------------------------------------------- */

static int add_one(struct common *c)
{
    int err = yk_mutex_lock(&c->lock, YK_FOREVER);
    if (err)
        return err;
    c->a++;
    c->b++;
    return yk_mutex_unlock(&c->lock);
}

static int job_locks_often(yk_job *job)
{
    struct common *c = common_of(job);
    int err = 0;
    for (int i = 0; i < c->kind && !err; i++)
        err = add_one(c);
    return err;
}

static void excludes(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 8);
    struct common *c = common_new();
    c->kind = (int)support_rounds(4000);
    yk_future *f[8];
    for (int i = 0; i < 8; i++)
        f[i] = start(b, ex, job_locks_often, c);
    for (int i = 0; i < c->kind; i++)
        assert_int_equal(add_one(c), 0); /* this thread, or task, too */
    for (int i = 0; i < 8; i++)
        expect_end(f[i], 0);
    assert_int_equal(c->a, 9 * c->kind);
    assert_int_equal(c->b, 9 * c->kind);
    assert_int_equal(c->lock.word & 0x7fffffff, 0);
    backend_close(ex);
    yk_arena_free(c);
}

static void test_mutex_lets_in_one_at_a_time(void **state)
{
    (void)state;
    on_every_backend(excludes);
}

/* ---- The mutex: refusals and deadlines ------------------------------------------------------- */

/* Locks, says so, and unlocks when it is told to. */
static int job_holds(yk_job *job)
{
    struct common *c = common_of(job);
    int err = yk_mutex_lock(&c->lock, YK_FOREVER);
    word_set(word_at(&c->pid[0]), (uint32_t)getpid());
    word_set(word_at(&c->begun), 1);
    while (get(&c->go) == 0)
        usleep(50);
    return err ? err : yk_mutex_unlock(&c->lock);
}

/* Tries, while somebody else has it. */
static int job_tries(yk_job *job)
{
    struct common *c = common_of(job);
    int codes[4] = { yk_mutex_lock(&c->lock, 0), yk_mutex_lock(&c->lock, yk_after_ms(15)),
                     yk_mutex_unlock(&c->lock), yk_mutex_recovered(&c->lock) };
    return yk_job_return(job, codes, sizeof codes);
}

static void expect_refusals(const int *codes)
{
    assert_int_equal(codes[0], UV_ETIMEDOUT);
    assert_int_equal(codes[1], UV_ETIMEDOUT);
    assert_int_equal(codes[2], UV_EPERM);
    assert_int_equal(codes[3], UV_EPERM);
}

static void refuses(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    struct common *c = common_new();
    assert_int_equal(yk_mutex_unlock(&c->lock), UV_EPERM);
    assert_int_equal(yk_mutex_lock(&c->lock, 0), 0);
    assert_int_equal(yk_mutex_lock(&c->lock, 0), YK_EDEADLK);
    assert_int_equal(yk_mutex_lock(&c->lock, YK_FOREVER), YK_EDEADLK);
    int codes[4];
    yk_future *f = start(b, ex, job_tries, c);
    assert_int_equal(yk_await_into(f, codes, sizeof codes), 0);
    expect_refusals(codes);
    yk_future_unref(f);
    assert_int_equal(yk_mutex_unlock(&c->lock), 0);
    f = start(b, ex, job_holds, c);
    eventually(get(&c->begun));
    codes[0] = yk_mutex_lock(&c->lock, 0);
    codes[1] = yk_mutex_lock(&c->lock, yk_after_ms(5));
    codes[2] = yk_mutex_unlock(&c->lock);
    codes[3] = yk_mutex_recovered(&c->lock);
    expect_refusals(codes);
    word_set(word_at(&c->go), 1);
    assert_int_equal(yk_mutex_lock(&c->lock, YK_FOREVER), 0);
    assert_int_equal(yk_mutex_unlock(&c->lock), 0);
    expect_end(f, 0);
    backend_close(ex);
    yk_arena_free(c);
}

static void test_mutex_deadlines_and_refusals(void **state)
{
    (void)state;
    on_every_backend(refuses);
}

static int job_locks_too_many(yk_job *job)
{
    struct common *c = common_of(job);
    int err = 0;
    for (int i = 0; i < YK__HELD_MAX && !err; i++)
        err = yk_mutex_lock(&c->many[i], YK_FOREVER);
    if (err || yk_mutex_lock(&c->many[YK__HELD_MAX], YK_FOREVER) != UV_ENOBUFS)
        return UV_EPROTO;
    for (int i = 1; i < YK__HELD_MAX && !err; i++)
        err = yk_mutex_unlock(&c->many[i]);
    return err;
}

static void too_many(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    struct common *c = common_new();
    expect_end(start(b, ex, job_locks_too_many, c), 0);
    for (int i = 0; i <= YK__HELD_MAX; i++) /* it has left the first one locked */
        assert_int_equal(yk_mutex_lock(&c->many[i], YK_FOREVER), i == 0 ? YK_EOWNERDEAD : 0);
    backend_close(ex);
    yk_arena_free(c);
}

static void test_mutex_a_job_owns_sixteen_at_most(void **state)
{
    (void)state;
    on_every_backend(too_many);
}

/* ---- The mutex: owners that die -------------------------------------------------------------- */

/* Breaks what the mutex guards, and ends. */
static int job_leaves_it_locked(yk_job *job)
{
    struct common *c = common_of(job);
    int err = yk_mutex_lock(&c->lock, YK_FOREVER);
    if (err)
        return err;
    c->a++;
    if (c->kind == SEGV)
        return job_segv(job);
    if (c->kind == KILLED)
        raise(SIGKILL);
    return c->kind == FAILS ? UV_EIO : 0;
}

static void expect_left(struct common *c)
{
    for (int i = 0; i < 2; i++) { /* every owner is told, until one has mended it */
        assert_int_equal(yk_mutex_lock(&c->lock, YK_FOREVER), YK_EOWNERDEAD);
        assert_int_equal(c->a, c->b + 1);
        assert_int_equal(yk_mutex_unlock(&c->lock), 0);
    }
    assert_int_equal(yk_mutex_lock(&c->lock, YK_FOREVER), YK_EOWNERDEAD);
    c->b++;
    assert_int_equal(yk_mutex_recovered(&c->lock), 0);
    assert_int_equal(yk_mutex_unlock(&c->lock), 0);
    assert_int_equal(add_one(c), 0);
}

static void owner_ends(const backend *b)
{
    static const int codes[] = { 0, UV_EIO, YK_ECRASHED, YK_ECRASHED };
    yk_executor *ex = OPEN(b, .workers = 1);
    struct common *c = common_new();
    for (c->kind = RETURNS; c->kind <= (b->processes ? KILLED : FAILS); c->kind++) {
        expect_end(start(b, ex, job_leaves_it_locked, c), codes[c->kind]);
        expect_left(c);
    }
    backend_close(ex);
    yk_arena_free(c);
}

static void test_L13_next_owner_is_told_that_the_last_one_died(void **state)
{
    (void)state;
    on_every_backend(owner_ends);
}

/* Mends what it finds broken. Counts those who were told. */
static int job_mends(yk_job *job)
{
    struct common *c = common_of(job);
    int err = yk_mutex_lock(&c->lock, YK_FOREVER);
    if (err == YK_EOWNERDEAD) {
        atomic_fetch_add(&c->plain, 1);
        c->b = c->a;
        err = yk_mutex_recovered(&c->lock);
    }
    if (err)
        return err;
    c->a++;
    c->b++;
    return yk_mutex_unlock(&c->lock);
}

static void owner_dies_before_those_who_wait(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 4);
    struct common *c = common_new();
    yk_future *owner = start(b, ex, job_holds, c), *f[3];
    eventually(get(&c->begun));
    for (int i = 0; i < 3; i++)
        f[i] = start(b, ex, job_mends, c);
    eventually(get(&c->lock.word) & SLEEPERS);
    kill((pid_t)get(&c->pid[0]), SIGKILL);
    int err = yk_mutex_lock(&c->lock, YK_FOREVER); /* this thread, or task, waits, too */
    assert_true(err == 0 || err == YK_EOWNERDEAD);
    if (err)
        assert_int_equal(yk_mutex_recovered(&c->lock), 0);
    assert_int_equal(yk_mutex_unlock(&c->lock), 0);
    expect_end(owner, YK_ECRASHED);
    for (int i = 0; i < 3; i++)
        expect_end(f[i], 0);
    assert_int_equal(atomic_load(&c->plain) + (err != 0), 1);
    assert_int_equal(c->a, c->b);
    backend_close(ex);
    yk_arena_free(c);
}

static void test_L13_one_of_those_who_wait_is_told(void **state)
{
    (void)state;
    on_processes(owner_dies_before_those_who_wait);
}

/* A thread of the program's own that waits for the mutex, after those who wait already. */
struct waiter {
    struct common *c;
    pthread_t thread;
    _Atomic int err;
    _Atomic pid_t tid;
};

static void *wait_for_it(void *arg)
{
    struct waiter *w = arg;
    atomic_store(&w->tid, gettid());
    int err = yk_mutex_lock(&w->c->lock, YK_FOREVER);
    if (!err)
        yk_mutex_unlock(&w->c->lock);
    atomic_store(&w->err, err);
    return NULL;
}

/* Waits as the mutex does, is woken, and dies before it does anything else. A process that is
 * stopped would not do: it leaves the line. */
static int job_is_woken_and_dies(yk_job *job)
{
    struct common *c = common_of(job);
    yk__channel *ch = own_channel();
    if (!ch)
        return UV_ENOENT;
    atomic_store(&ch->up.held.at[3], (uintptr_t)&c->lock);
    uint32_t seen = atomic_fetch_or(word_at(&c->lock.word), SLEEPERS) | SLEEPERS;
    word_set(word_at(&c->pid[0]), (uint32_t)getpid());
    syscall(SYS_futex, &c->lock.word, FUTEX_WAIT, seen, NULL, NULL, 0);
    raise(SIGKILL);
    return 0;
}

static bool sleeps(pid_t tid)
{
    char path[64], state = 0, line[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)tid);
    FILE *file = fopen(path, "re");
    if (file && fgets(line, sizeof line, file) && strrchr(line, ')'))
        state = strrchr(line, ')')[2];
    if (file)
        fclose(file);
    return state == 'S';
}

/* The unlocking wakes one of two. That one dies before it can do anything: the other is not
 * forgotten. */
static void waiter_dies(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    struct common *c = common_new();
    struct waiter w = { .c = c, .err = 1 };
    assert_int_equal(yk_mutex_lock(&c->lock, 0), 0);
    yk_future *f = start(b, ex, job_is_woken_and_dies, c);
    eventually(get(&c->pid[0]) && sleeps((pid_t)get(&c->pid[0])));
    assert_int_equal(pthread_create(&w.thread, NULL, wait_for_it, &w), 0);
    eventually(atomic_load(&w.tid) && sleeps(atomic_load(&w.tid)));
    assert_int_equal(yk_mutex_unlock(&c->lock), 0);
    expect_end(f, YK_ECRASHED);
    eventually(atomic_load(&w.err) == 0);
    pthread_join(w.thread, NULL);
    backend_close(ex);
    yk_arena_free(c);
}

static void test_L13_killed_while_waiting(void **state)
{
    (void)state;
    on_processes(waiter_dies);
}

/* Locks and unlocks until it is told to stop. */
static int job_locks_on_and_on(yk_job *job)
{
    struct common *c = common_of(job);
    uint32_t me = atomic_fetch_add(word_at(&c->begun), 1);
    word_set(word_at(&c->pid[me % 8]), (uint32_t)getpid());
    while (get(&c->go) == 0) {
        int err = yk_mutex_lock(&c->lock, YK_FOREVER);
        if (err == YK_EOWNERDEAD) {
            c->b = c->a;
            err = yk_mutex_recovered(&c->lock);
        }
        if (err || c->a != c->b)
            return err ? err : UV_EPROTO;
        c->a++;
        c->b++;
        yk_mutex_unlock(&c->lock);
        yk_counter_add(&c->done, 1);
    }
    return 0;
}

static void killed_anywhere(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 3, .worker.respawn_budget = 1000);
    struct common *c = common_new();
    size_t rounds = support_rounds(60);
    yk_future *f[3];
    for (int i = 0; i < 3; i++)
        f[i] = start_opts(b, ex, job_locks_on_and_on, c, (yk_job_options){ .retries = 1000 });
    unsigned seed = 5;
    for (size_t i = 0; i < rounds; i++) {
        uint64_t n = yk_counter_get(&c->done);
        expect_end(yk_counter_reaches(&c->done, n + 1 + (uint64_t)rand_r(&seed) % 50), 0);
        pid_t victim = (pid_t)get(&c->pid[(get(&c->begun) - 1) % 8]);
        if (victim)
            kill(victim, SIGKILL);
    }
    word_set(word_at(&c->go), 1);
    for (int i = 0; i < 3; i++)
        expect_end(f[i], 0);
    int err = yk_mutex_lock(&c->lock, yk_after_ms(10000));
    assert_true(err == 0 || err == YK_EOWNERDEAD);
    if (!err)
        assert_int_equal(c->a, c->b);
    backend_close(ex);
    yk_arena_free(c);
}

static void test_L13_owners_killed_anywhere_stop_nobody(void **state)
{
    (void)state;
    on_processes(killed_anywhere);
}

/* ---- The mutex: cancelled waits, tasks, loops ------------------------------------------------ */

/* Is told of the cancellation once, and then may wait to leave things in order. */
static int job_waits_twice(yk_job *job)
{
    struct common *c = common_of(job);
    word_set(word_at(&c->begun), 1);
    int first = yk_mutex_lock(&c->lock, YK_FOREVER);
    word_set(word_at(&c->pid[0]), (uint32_t)-first);
    int second = yk_mutex_lock(&c->lock, yk_after_ms(20000));
    if (!second)
        yk_mutex_unlock(&c->lock);
    word_set(word_at(&c->pid[1]), (uint32_t)(1 - second));
    return YK_ECANCELED;
}

static void cancelled(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 60000);
    struct common *c = common_new();
    assert_int_equal(yk_mutex_lock(&c->lock, 0), 0);
    yk_future *f = start(b, ex, job_waits_twice, c);
    eventually(get(&c->lock.word) & SLEEPERS);
    assert_int_equal(yk_future_cancel(f), 1);
    eventually(get(&c->pid[0]) == (uint32_t)-YK_ECANCELED);
    assert_int_equal(yk_mutex_unlock(&c->lock), 0);
    expect_end(f, YK_ECANCELED);
    assert_int_equal(get(&c->pid[1]), 1);
    assert_int_equal(stats_of(ex).crashed, 0);
    backend_close(ex);
    yk_arena_free(c);
}

static void test_mutex_wait_of_a_cancelled_job_ends(void **state)
{
    (void)state;
    on_every_backend(cancelled);
}

static int task_locks(void *arg)
{
    struct common *c = arg;
    int err = yk_mutex_lock(&c->lock, YK_FOREVER);
    if (err)
        return err;
    c->a++;
    yk_sleep_ms(0); /* others have their turn meanwhile */
    c->b++;
    return yk_mutex_unlock(&c->lock);
}

static int task_ticks(void *arg)
{
    struct common *c = arg;
    for (int i = 0; i < 5; i++)
        yk_sleep_ms(1);
    word_set(word_at(&c->go), 1); /* the loop has gone on: the job may unlock */
    return 0;
}

static void tasks_wait(const backend *b)
{
    if (!b->on_loop)
        return;
    yk_executor *ex = OPEN(b, .workers = 1);
    struct common *c = common_new();
    yk_future *f = start(b, ex, job_holds, c), *tasks[10];
    eventually(get(&c->begun));
    for (int i = 0; i < 8; i++)
        tasks[i] = yk_task_start(task_locks, c);
    yk_future *cancelled_one = yk_task_start(task_locks, c);
    yk_sleep_ms(1);
    assert_int_equal(yk_future_cancel(cancelled_one), 1);
    expect_end(cancelled_one, YK_ECANCELED);
    tasks[8] = yk_task_start(task_ticks, c);
    for (int i = 0; i < 9; i++)
        expect_end(tasks[i], 0);
    expect_end(f, 0);
    assert_int_equal(c->a, 8);
    assert_int_equal(c->b, 8);
    backend_close(ex);
    yk_arena_free(c);
}

static void test_mutex_suspends_tasks_and_the_loop_goes_on(void **state)
{
    (void)state;
    on_every_backend(tasks_wait);
}

static void on_loop_outside_tasks(const backend *b)
{
    if (b->on_loop)
        return;
    yk_executor *ex = OPEN(b, .workers = 1);
    struct common *c = common_new();
    yk_future *f = start(b, ex, job_holds, c);
    eventually(get(&c->begun));
    yk__parker_forbid(true);
    int busy = yk_mutex_lock(&c->lock, YK_FOREVER), look = yk_mutex_lock(&c->lock, 0);
    yk__parker_forbid(false);
    assert_int_equal(busy, YK_EONLOOP);
    assert_int_equal(look, UV_ETIMEDOUT);
    word_set(word_at(&c->go), 1);
    expect_end(f, 0);
    yk__parker_forbid(true);
    int freed = yk_mutex_lock(&c->lock, YK_FOREVER);
    yk__parker_forbid(false);
    assert_int_equal(freed, 0);
    backend_close(ex);
    yk_arena_free(c);
}

static void test_mutex_never_blocks_a_loop(void **state)
{
    (void)state;
    on_every_backend(on_loop_outside_tasks);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_mutex_lets_in_one_at_a_time),
        TEST(test_mutex_deadlines_and_refusals),
        TEST(test_mutex_a_job_owns_sixteen_at_most),
        TEST(test_L13_next_owner_is_told_that_the_last_one_died),
        TEST(test_L13_one_of_those_who_wait_is_told),
        TEST(test_L13_killed_while_waiting),
        TEST(test_L13_owners_killed_anywhere_stop_nobody),
        TEST(test_mutex_wait_of_a_cancelled_job_ends),
        TEST(test_mutex_suspends_tasks_and_the_loop_goes_on),
        TEST(test_mutex_never_blocks_a_loop),
    };
    return RUN_TESTS("mutex", tests);
}
