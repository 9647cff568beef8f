/* Workers that are killed or stopped from outside, at any instruction. */
#include "faults.h"

#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

/* ---- P01, P02: killed from outside ----------------------------------------------------------- */

static void killed_while_idle(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    /* Valgrind swallows a SIGSEGV that another process sent. */
    const int fault = support_under_valgrind() ? SIGKILL : SIGSEGV;
    const int signals[] = { SIGKILL, SIGTERM, fault, SIGKILL };
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        pid_t pid = pid_of_worker(b, ex);
        kill(pid, signals[i]);
        eventually(stats_of(ex).crashed == i + 1);
        assert_int_equal(stats_of(ex).workers, 0); /* replaced when there is work again */
        assert_int_not_equal(pid_of_worker(b, ex), pid);
    }
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.failed, 0);
    assert_int_equal(s.started, 1 + COUNT_OF(signals));
    backend_close(ex);
}

static void test_P01_killed_while_idle_no_job_fails(void **state)
{
    (void)state;
    on_processes(killed_while_idle);
}

static void killed_while_running(const backend *b)
{
    static const int signals[] = { SIGKILL, SIGTERM, SIGUSR1 };
    static const char *const names[] = { "SIGKILL", "SIGTERM", "SIGUSR1" };
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        yk_executor *ex = OPEN(b, .workers = 2);
        word *w = words_new(4);
        struct pid_block arg = { { .begun = &w[0], .go = &w[1] }, (_Atomic pid_t *)&w[2] };
        yk_future *victim = backend_submit_opts(b, ex, job_pid_block, &arg, sizeof arg,
                                                (yk_job_options){ .name = "victim" });
        eventually(word_get(&w[0]) == 1);
        yk_future *f[20];
        for (int k = 0; k < 20; k++)
            f[k] = square(b, ex, k);
        kill((pid_t)word_get(&w[2]), signals[i]);
        assert_int_equal(yk_await(victim), YK_ECRASHED);
        const yk_error *e = yk_future_error(victim);
        assert_int_equal(e->signal, signals[i]);
        assert_int_equal(e->exit_status, 0);
        assert_non_null(strstr(e->message, names[i]));
        assert_non_null(strstr(e->message, "victim"));
        assert_int_equal(yk_await_all(f, 20, YK_FOREVER), 0);
        for (int k = 0; k < 20; k++)
            yk_future_unref(f[k]);
        yk_executor_stats s = stats_of(ex);
        assert_int_equal(s.failed, 1);
        assert_int_equal(s.done, 20);
        eventually(stats_of(ex).crashed == 1);
        yk_future_unref(victim);
        backend_close(ex);
        yk_arena_free(w);
    }
}

static void test_P02_killed_while_running_that_job_fails_alone(void **state)
{
    (void)state;
    on_processes(killed_while_running);
}

/* ---- P24, P25: workers that kill each other -------------------------------------------------- */

struct duel {
    word *pids; /* by worker number; 0: not there */
    unsigned n;
};

/* Kills every other worker of its pool that has shown itself, then itself. */
static int job_kill_the_others(yk_job *job)
{
    struct duel d = *(const struct duel *)yk_job_arg(job);
    unsigned me = yk_job_worker(job);
    atomic_store(&d.pids[me], (uint32_t)getpid());
    for (unsigned i = 0; i < d.n; i++) {
        pid_t other = (pid_t)atomic_load(&d.pids[i]);
        /* Whoever is not there any more was a worker of this pool a moment ago, and its zygote has
         * hardly reaped it; numbers do not come round that fast. */
        if (i != me && other)
            kill(other, SIGKILL);
    }
    raise(SIGKILL);
    return 0;
}

static void duels(const backend *b)
{
    static const unsigned sizes[] = { 1, 2, 5, 13 };
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        unsigned n = sizes[s];
        yk_executor *ex = OPEN(b, .workers = (int)n);
        word *w = words_new(n);
        struct duel d = { w, n };
        yk_future *f[26];
        for (unsigned i = 0; i < 2 * n; i++)
            f[i] = backend_submit(b, ex, job_kill_the_others, &d, sizeof d);
        for (unsigned i = 0; i < 2 * n; i++) {
            assert_int_equal(yk_await(f[i]), YK_ECRASHED);
            assert_int_equal(yk_future_error(f[i])->signal, SIGKILL);
            yk_future_unref(f[i]);
        }
        assert_works(b, ex);
        backend_close(ex);
        yk_arena_free(w);
    }
}

static void test_P24_workers_kill_each_other(void **state)
{
    (void)state;
    on_processes(duels);
}

static void all_die(const backend *b)
{
    enum { N = 4 };
    yk_executor *ex = OPEN(b, .workers = N);
    for (int round = 0; round < 3; round++) {
        word *w = words_new(2 + N);
        yk_future *f[N], *waiting[20];
        for (int i = 0; i < N; i++) {
            struct pid_block arg = { { .begun = &w[0] }, (_Atomic pid_t *)&w[2 + i] };
            f[i] = backend_submit(b, ex, job_pid_block, &arg, sizeof arg);
        }
        eventually(word_get(&w[0]) == N);
        for (int i = 0; i < 20; i++)
            waiting[i] = square(b, ex, i);
        for (int i = 0; i < N; i++)
            kill((pid_t)word_get(&w[2 + i]), SIGKILL);
        for (int i = 0; i < N; i++) {
            assert_int_equal(yk_await(f[i]), YK_ECRASHED);
            yk_future_unref(f[i]);
        }
        assert_int_equal(yk_await_all(waiting, 20, YK_FOREVER), 0); /* not one of them is lost */
        for (int i = 0; i < 20; i++)
            yk_future_unref(waiting[i]);
        yk_arena_free(w);
    }
    backend_close(ex);
}

static void test_P25_all_workers_die_at_once(void **state)
{
    (void)state;
    on_processes(all_die);
}

/* ---- P42: exactly once ----------------------------------------------------------------------- */

/* Adds 1 to the word of its job, and is killed now and then from outside at any instruction. */
struct once {
    word *w;
    _Atomic pid_t *pid;
};

static int job_once(yk_job *job)
{
    struct once o = *(const struct once *)yk_job_arg(job);
    atomic_store(o.pid, getpid());
    atomic_fetch_add(o.w, 1);
    return 0;
}

static void exactly_once(const backend *b)
{
    enum { N = 2000 };
    static yk_future *f[N];
    size_t n = support_rounds(N), crashed = 0;
    yk_executor *ex = OPEN(b, .workers = 2);
    word *w = words_new(N + 1);
    for (size_t i = 0; i < n; i++) {
        struct once o = { &w[i], (_Atomic pid_t *)&w[N] };
        f[i] = backend_submit(b, ex, job_once, &o, sizeof o);
        if (i % 50 == 49) {
            pid_t pid = (pid_t)word_get(&w[N]);
            proc_entry e;
            if (pid && proc_look(pid, &e) && e.state != 'Z')
                kill(pid, SIGKILL);
            support_pause();
        }
    }
    assert_int_equal(yk_wait(f, n, YK_ALL_ENDED, YK_FOREVER), (int)n);
    for (size_t i = 0; i < n; i++) {
        /* A job that was lost was begun, or taken and not begun; never is one run twice. */
        if (yk_future_state(f[i]) == YK_DONE)
            assert_int_equal(word_get(&w[i]), 1);
        else
            assert_in_range(word_get(&w[i]), 0, 1);
        crashed += yk_future_state(f[i]) == YK_FAILED;
        yk_future_unref(f[i]);
    }
    assert_int_equal(stats_of(ex).failed, crashed);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_P42_a_job_is_done_once_or_lost_once(void **state)
{
    (void)state;
    on_processes(exactly_once);
}

/* ---- P35: a worker that is stopped ----------------------------------------------------------- */

static void stopped(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 20);
    yk_future *f =
        backend_submit_opts(b, ex, job_stop_self, NULL, 0, (yk_job_options){ .timeout_ms = 100 });
    assert_int_equal(yk_await(f), YK_EJOBTIMEOUT); /* a stopped process is killed as well */
    yk_future_unref(f);
    assert_works(b, ex);
    /* Without a limit it waits until somebody lets it go on. */
    pid_t pid = pid_of_worker(b, ex);
    f = backend_submit(b, ex, job_stop_self, NULL, 0);
    eventually(state_of(pid) == 'T');
    assert_int_equal(yk_await_until(f, yk_after_ms(20)), UV_ETIMEDOUT);
    kill(pid, SIGCONT);
    assert_int_equal(yk_await(f), 0);
    yk_future_unref(f);
    assert_int_equal(pid_of_worker(b, ex), pid);
    backend_close(ex);
}

static void test_P35_a_worker_that_is_stopped(void **state)
{
    (void)state;
    on_processes(stopped);
}

/* ---- P36: what a job starts ------------------------------------------------------------------ */

struct family {
    word *child;
    int ending; /* 0: spins; 1: spins and ignores SIGTERM; else this signal ends it */
};

static int job_with_a_child(yk_job *job)
{
    struct family f = *(const struct family *)yk_job_arg(job);
    if (f.ending == 1)
        signal(SIGTERM, SIG_IGN);
    pid_t pid = fork();
    if (pid == 0) {
        for (;;)
            pause();
    }
    atomic_store(f.child, (uint32_t)pid);
    if (f.ending > 1)
        raise(f.ending);
    return job_spin(job);
}

static void grandchildren(const backend *b)
{
    static const int endings[] = { 0, 1, SIGKILL, SIGTERM };
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 5);
    word *w = words_new(1);
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        struct family arg = { w, endings[i] };
        word_set(w, 0);
        yk_future *f = backend_submit(b, ex, job_with_a_child, &arg, sizeof arg);
        eventually(word_get(w) != 0);
        if (endings[i] <= 1)
            yk_future_cancel(f);
        assert_int_equal(yk_await(f), endings[i] <= 1 ? YK_ECANCELED : YK_ECRASHED);
        yk_future_unref(f);
        assert_works(b, ex);
        /* It was orphaned, and this process is the one that orphans come to. */
        pid_t child = (pid_t)word_get(w);
        eventually(is_gone(child) || state_of(child) == 'Z');
    }
    backend_close(ex);
    yk_arena_free(w);
}

static void test_P36_what_a_job_started_ends_with_it(void **state)
{
    (void)state;
    on_processes(grandchildren);
}

/* ---- P43: a process number that is another's by now ------------------------------------------ */

struct recycling {
    yk_future *victim; /* its worker is killed, */
    pid_t pid;         /* which was this process, */
    pid_t decoy;       /* and this one has its number now; 0: could not be had */
    int why_not;
    uint64_t hold; /* the driver hears of nothing until then */
    word done;
};

/* A child with that number, in a process group of its own, as workers are. */
static pid_t child_with_number(pid_t pid)
{
    struct clone_args args = { .exit_signal = SIGCHLD,
                               .set_tid = (uintptr_t)&pid,
                               .set_tid_size = 1 };
    pid_t child = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    if (child == 0) {
        syscall(SYS_setpgid, 0, 0);
        for (;;)
            syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
    }
    return child;
}

/* On the thread that drives the pool, which therefore does not hear of the death meanwhile. */
static int recycle_its_number(yk_future *f, void *arg)
{
    struct recycling *r = arg;
    (void)f;
    kill(r->pid, SIGKILL);
    while (!is_gone(r->pid)) /* the zygote reaps it */
        usleep(100);
    uint64_t give_up = yk_after_ms(2000);
    do {
        r->decoy = child_with_number(r->pid);
        r->why_not = r->decoy < 0 ? errno : 0;
    } while (r->why_not == EEXIST && yk_now() < give_up);
    while (yk_now() < r->hold)
        usleep(100);
    yk_future_cancel(r->victim);
    word_set(&r->done, 1);
    return 0;
}

static void number_is_recycled(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2, .kill_grace_ms = 1);
    word *w = words_new(4);
    struct pid_block arg = { { .begun = &w[0] }, (_Atomic pid_t *)&w[1] };
    block gate = { .begun = &w[2], .go = &w[3] };
    struct recycling r = { 0 };
    yk_future *opener = backend_submit(b, ex, job_block, &gate, sizeof gate);
    eventually(word_get(&w[2]) == 1);
    r.victim = backend_submit_opts(b, ex, job_pid_block, &arg, sizeof arg,
                                   (yk_job_options){ .timeout_ms = 50 * support_slowness() });
    r.hold = yk_after_ms(100ull * support_slowness()); /* its time limit is up as well */
    eventually(word_get(&w[0]) == 1);
    r.pid = (pid_t)word_get(&w[1]);
    assert_int_equal(yk_future_on_end(opener, recycle_its_number, &r), 0);
    word_set(&w[3], 1);
    eventually(word_get(&r.done));
    assert_true(yk_await(r.victim) < 0);
    yk_future_unref(r.victim);
    yk_future_unref(opener);
    assert_works(b, ex);
    assert_int_equal(yk_executor_shutdown(ex, .cancel_running = true), 0);
    backend_close(ex);
    yk_arena_free(w);
    if (r.decoy <= 0) {
        print_message("skipped: no process can be given a number here (%s)\n", strerror(r.why_not));
        return;
    }
    assert_int_equal(r.decoy, r.pid);
    assert_int_equal(waitpid(r.decoy, NULL, WNOHANG), 0); /* nobody has hit it */
    kill(r.decoy, SIGKILL);
    assert_int_equal(waitpid(r.decoy, NULL, 0), r.decoy);
}

static void test_P43_a_number_that_is_anothers_by_now_is_not_signalled(void **state)
{
    (void)state;
    on_processes(number_is_recycled);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_P01_killed_while_idle_no_job_fails),
        TEST(test_P02_killed_while_running_that_job_fails_alone),
        TEST(test_P24_workers_kill_each_other),
        TEST(test_P25_all_workers_die_at_once),
        TEST(test_P42_a_job_is_done_once_or_lost_once),
        TEST(test_P35_a_worker_that_is_stopped),
        TEST(test_P43_a_number_that_is_anothers_by_now_is_not_signalled),
        TEST(test_P36_what_a_job_started_ends_with_it),
    };
    return RUN_TESTS("faults_kill", tests);
}
