/* Workers that write into their channel what no worker writes. Whatever it is, the parent neither
 * crashes nor hangs, every future ends, and other workers are not disturbed. */
#include "support/backends.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "executor/shared.h"
#include "own_channel.h"

enum deed {
    FINISHED_ONE_TOO_MANY,
    FINISHED_FAR_AHEAD,
    FINISHED_BACKWARDS,
    RESULT_OF_ANOTHER_POSITION,
    RESULT_TOO_LONG,
    RESULT_OF_HUGE_LENGTH,
    RESULT_IN_NO_ROOM,
    RESULT_WITH_POSITIVE_CODE,
    RESULT_WITH_ANY_CODE,
    ERROR_IN_ROOM,
    MESSAGE_WITHOUT_END,
    WANTS_EVERYTHING,
    WANTS_NOTHING,
    WANTS_OFTEN,
    SLEEPS_ALL_THE_TIME,
    BEGAN_IN_THE_FUTURE,
    TAKES_ALL_JOBS,
    FORGETS_ALL_JOBS,
    CLEARS_ITS_ORDERS,
    CRASHES_OF_NOTHING,
    CRASHES_AT_LENGTH,
    OWNS_WHAT_IS_NO_MUTEX,
    OWNS_WHAT_IT_DOES_NOT,
    CALLS_FOR_NOTHING,
    ZEROES,
    ONES,
    DEEDS
};

/* What the parent watches, and locks, while the crimes are committed. */
struct bait {
    yk_mutex lock;
    yk_counter counter;
};

struct crime {
    int deed;
    int ending; /* 0: returns; else the signal that ends it */
    unsigned seed;
    struct bait *bait;
};

static void fake_result(yk__channel *ch, int32_t code, uint32_t in_room, uint64_t len)
{
    uint32_t n = atomic_load(&ch->up.finished);
    yk__result_slot *slot = &ch->results[n % YK__RING];
    memset(slot->inline_result, 'x', sizeof slot->inline_result);
    slot->code = code;
    slot->in_room = in_room;
    slot->len = len;
    /* It claims to be of the oldest job that can still be open. */
    for (uint32_t p = 0; p < YK__RING; p++)
        if ((atomic_load(&ch->jobs[p].state) & 3) == YK__SLOT_TAKEN)
            slot->position = atomic_load(&ch->jobs[p].state) >> 2;
    atomic_store(&ch->up.finished, n + 1);
}

static void set_all_states(yk__channel *ch, uint32_t state)
{
    for (int i = 0; i < YK__RING; i++) {
        uint32_t s = atomic_load(&ch->jobs[i].state);
        atomic_store(&ch->jobs[i].state, (s & ~3u) | state);
    }
}

/* Addresses of anything but a mutex; some are not even addresses. */
static void own_no_mutexes(yk__channel *ch)
{
    uintptr_t in_arena = (uintptr_t)ch->down.cells; /* of the parent's */
    const uintptr_t at[] = { 1,
                             4096,
                             in_arena + 1,
                             in_arena + 4095,
                             in_arena,
                             UINTPTR_MAX,
                             (uintptr_t)ch,
                             (uintptr_t)&at,
                             (uintptr_t)1 << 63,
                             in_arena - 4,
                             in_arena + ((uintptr_t)1 << 40),
                             UINTPTR_MAX - 3 };
    for (size_t i = 0; i < YK__HELD_MAX; i++)
        atomic_store(&ch->up.held.at[i], at[i % COUNT_OF(at)]);
}

static void commit(yk__channel *ch, int deed, struct bait *bait)
{
    uint32_t n = atomic_load(&ch->up.finished);
    switch (deed) {
    case FINISHED_ONE_TOO_MANY:
        atomic_store(&ch->up.finished, n + 2);
        break;
    case FINISHED_FAR_AHEAD:
        atomic_store(&ch->up.finished, n + 1000000);
        break;
    case FINISHED_BACKWARDS:
        atomic_store(&ch->up.finished, n - 1);
        break;
    case RESULT_OF_ANOTHER_POSITION:
        ch->results[n % YK__RING].position = 77777;
        atomic_store(&ch->up.finished, n + 1);
        break;
    case RESULT_TOO_LONG:
        fake_result(ch, 0, 0, YK__SLOT_INLINE + 1);
        break;
    case RESULT_OF_HUGE_LENGTH:
        fake_result(ch, 0, 0, UINT64_MAX);
        break;
    case RESULT_IN_NO_ROOM:
        fake_result(ch, 0, 1, UINT64_MAX / 2);
        break;
    case RESULT_WITH_POSITIVE_CODE:
        fake_result(ch, 12345, 0, 3);
        break;
    case RESULT_WITH_ANY_CODE:
        fake_result(ch, INT32_MIN, 0, 0);
        break;
    case ERROR_IN_ROOM:
        fake_result(ch, YK_EJOB, 1, 10);
        break;
    case MESSAGE_WITHOUT_END:
        fake_result(ch, YK_EJOB, 0, YK__SLOT_INLINE);
        break;
    case WANTS_EVERYTHING:
        atomic_store(&ch->up.want_size, UINT64_MAX);
        atomic_fetch_add(&ch->up.wanted, 1);
        break;
    case WANTS_NOTHING:
        atomic_store(&ch->up.want_size, 0);
        atomic_fetch_add(&ch->up.wanted, 12345);
        break;
    case WANTS_OFTEN:
        for (unsigned i = 0; i < 20000; i++) {
            atomic_store(&ch->up.want_size, (uint64_t)1 << (i % 64));
            atomic_fetch_add(&ch->up.wanted, 1);
        }
        break;
    case SLEEPS_ALL_THE_TIME:
        atomic_store(&ch->up.asleep, 0x7fffffff);
        break;
    case BEGAN_IN_THE_FUTURE:
        atomic_store(&ch->up.started, UINT64_MAX);
        break;
    case TAKES_ALL_JOBS:
        set_all_states(ch, YK__SLOT_TAKEN);
        break;
    case FORGETS_ALL_JOBS:
        set_all_states(ch, 0);
        break;
    case CLEARS_ITS_ORDERS: /* written by the parent, but the page is shared */
        atomic_store(&ch->down.parked, 1);
        atomic_store(&ch->down.granted, 999);
        for (int i = 0; i < YK__ROOMS; i++)
            ch->down.rooms[i] = (yk__room){ ch, 1 << 30 };
        break;
    case CRASHES_OF_NOTHING: /* tells of a signal that it does not die of */
        memset(&ch->crash, 0x7f, sizeof ch->crash);
        atomic_store(&ch->crash.signal, SIGSEGV);
        break;
    case CRASHES_AT_LENGTH: /* tells of more than there is room for */
        memset(&ch->crash, 0xff, sizeof ch->crash);
        atomic_store(&ch->crash.signal, SIGKILL);
        break;
    case OWNS_WHAT_IS_NO_MUTEX:
        own_no_mutexes(ch);
        break;
    case OWNS_WHAT_IT_DOES_NOT: /* it has locked it, and says that somebody else has */
        yk_mutex_lock(&bait->lock, 0);
        bait->lock.word = 0x1fffffff;
        break;
    case CALLS_FOR_NOTHING: /* and takes away the marks of those who wait */
        bait->counter.wanted = 0;
        for (unsigned i = 0; i < 20000; i++)
            atomic_fetch_add(&ch->up.attention, 1);
        break;
    case ZEROES:
        memset(ch->results, 0, sizeof ch->results);
        memset((void *)&ch->up, 0, sizeof ch->up);
        break;
    case ONES:
        memset(ch->results, 0xff, sizeof ch->results);
        memset((void *)&ch->up, 0xff, sizeof ch->up);
        memset(&ch->crash, 0xff, sizeof ch->crash);
        break;
    }
}

static int job_crime(yk_job *job)
{
    struct crime c = *(const struct crime *)yk_job_arg(job);
    yk__channel *ch = own_channel();
    if (!ch)
        return UV_ENOENT;
    commit(ch, c.deed, c.bait);
    if (c.ending)
        raise(c.ending);
    return 0;
}

/* Random words all over the page of words and the rings, for a while. */
static int job_vandal(yk_job *job)
{
    struct crime c = *(const struct crime *)yk_job_arg(job);
    yk__channel *ch = own_channel();
    if (!ch)
        return UV_ENOENT;
    unsigned *word_at = (unsigned *)&ch->up, words = sizeof ch->up / sizeof *word_at;
    for (int i = 0; i < 200; i++) {
        unsigned r = (unsigned)rand_r(&c.seed), value = (unsigned)rand_r(&c.seed) << (r % 16);
        if (r % 8 == 0)
            commit(ch, (int)(value % DEEDS), c.bait);
        else if (r % 2)
            __atomic_store_n(&word_at[r / 8 % words], value, __ATOMIC_SEQ_CST);
        else
            ((unsigned *)&ch->results[r / 8 % YK__RING])[value % 8] =
                (unsigned)rand_r(&c.seed) % 512;
    }
    if (c.ending)
        raise(c.ending);
    return 0;
}

static void silent(const char *line, void *arg)
{
    (void)line;
    atomic_fetch_add((word *)arg, 1);
}

static void commit_all(const backend *b, yk_job_fn fn, unsigned n)
{
    word lines = 0;
    yk_set_log(silent, &lines);
    for (unsigned i = 0; i < n; i++) {
        /* A limit on jobs, because a worker may also go silent. */
        yk_executor *ex =
            OPEN(b, .workers = 2, .job_timeout_ms = 100 * support_slowness(), .kill_grace_ms = 20);
        struct bait *bait = yk_arena_calloc(1, sizeof *bait);
        assert_non_null(bait);
        struct crime c = { (int)(i % DEEDS), i / DEEDS % 2 ? SIGKILL : 0, i, bait };
        yk_future *f[12], *watch = yk_counter_reaches(&bait->counter, UINT64_MAX);
        word *w = words_new(1);
        for (int k = 0; k < 12; k++)
            f[k] = k == 4 ? backend_submit(b, ex, fn, &c, sizeof c)
                          : backend_submit(b, ex, job_count, &w, sizeof w);
        assert_int_equal(yk_wait(f, 12, YK_ALL_ENDED, YK_FOREVER), 12);
        for (int k = 0; k < 12; k++) {
            yk_error_backtrace(yk_future_error(f[k]));
            yk_future_unref(f[k]);
        }
        /* A worker that is still there and has confused itself is found out, or works on. */
        for (int k = 0; k < 3; k++) {
            yk_future *after = backend_submit(b, ex, job_nothing, NULL, 0);
            yk_await(after);
            yk_future_unref(after);
        }
        /* Whoever has it now: a wait for it ends. */
        if (yk_mutex_lock(&bait->lock, yk_after_ms(1)) != UV_ETIMEDOUT)
            yk_mutex_unlock(&bait->lock);
        assert_int_equal(yk_executor_shutdown(ex, .cancel_running = true), 0);
        yk_executor_stats s = stats_of(ex);
        assert_int_equal(s.received, s.done + s.failed + s.cancelled);
        assert_int_equal(yk_executor_close(ex), 0);
        yk_future_cancel(watch);
        yk_future_unref(watch);
        yk_arena_free(bait);
        yk_arena_free(w);
    }
    yk_set_log(NULL, NULL);
}

static void every_deed(const backend *b)
{
    commit_all(b, job_crime, 2 * DEEDS);
}

static void test_P42_hostile_workers_one_deed_at_a_time(void **state)
{
    (void)state;
    on_processes(every_deed);
}

static void vandals(const backend *b)
{
    commit_all(b, job_vandal, (unsigned)support_rounds(40));
}

static void test_P42_hostile_workers_write_at_random(void **state)
{
    (void)state;
    on_processes(vandals);
}

/* What two workers do to themselves does not reach the third. */
static void bystander(const backend *b)
{
    word lines = 0;
    yk_set_log(silent, &lines);
    yk_executor *good = OPEN(b, .workers = 1);
    yk_executor *bad =
        OPEN(b, .workers = 2, .job_timeout_ms = 100 * support_slowness(), .kill_grace_ms = 20);
    yk_future *f[60], *crimes[30];
    struct bait *bait = yk_arena_calloc(1, sizeof *bait);
    assert_non_null(bait);
    for (int i = 0; i < 60; i++) {
        f[i] = backend_submit(b, good, job_square, &i, sizeof i);
        struct crime c = { ZEROES, i % 4 ? 0 : SIGKILL, (unsigned)i, bait };
        if (i % 2)
            crimes[i / 2] = backend_submit(b, bad, job_vandal, &c, sizeof c);
    }
    for (int i = 0; i < 60; i++) {
        int out = -1;
        assert_int_equal(yk_await_into(f[i], &out, sizeof out), 0);
        assert_int_equal(out, i * i);
        yk_future_unref(f[i]);
    }
    assert_int_equal(yk_wait(crimes, 30, YK_ALL_ENDED, YK_FOREVER), 30);
    for (int i = 0; i < 30; i++)
        yk_future_unref(crimes[i]);
    assert_int_equal(stats_of(good).started, 1);
    backend_close(good);
    assert_int_equal(yk_executor_shutdown(bad, .cancel_running = true), 0);
    assert_int_equal(yk_executor_close(bad), 0);
    yk_arena_free(bait);
    yk_set_log(NULL, NULL);
}

static void test_a_hostile_worker_disturbs_no_other_pool(void **state)
{
    (void)state;
    on_processes(bystander);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_P42_hostile_workers_one_deed_at_a_time),
        TEST(test_P42_hostile_workers_write_at_random),
        TEST(test_a_hostile_worker_disturbs_no_other_pool),
    };
    return RUN_TESTS("hostile", tests);
}
