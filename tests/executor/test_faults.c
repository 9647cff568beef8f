/* Worker processes that die, hang, stop, and what becomes of everybody else's jobs. */
#include "support/backends.h"
#include "support/proc.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

static yk_future *square(const backend *b, yk_executor *ex, int n)
{
    return backend_submit(b, ex, job_square, &n, sizeof n);
}

static void assert_works(const backend *b, yk_executor *ex)
{
    yk_future *f = square(b, ex, 7);
    int out = 0;
    assert_int_equal(yk_await_into(f, &out, sizeof out), 0);
    assert_int_equal(out, 49);
    yk_future_unref(f);
}

static pid_t pid_of_worker(const backend *b, yk_executor *ex)
{
    yk_future *f = backend_submit(b, ex, job_pid, NULL, 0);
    pid_t pid = 0;
    assert_int_equal(yk_await_into(f, &pid, sizeof pid), 0);
    yk_future_unref(f);
    return pid;
}

static bool is_gone(pid_t pid)
{
    proc_entry e;
    return !proc_look(pid, &e);
}

static char state_of(pid_t pid)
{
    proc_entry e;
    return proc_look(pid, &e) ? e.state : 0;
}

/* ---- P01, P02: killed from outside ------------------------------------------------------------
 */

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

struct pid_block {
    block block;
    _Atomic pid_t *pid;
};

/* Tells its process, then as job_block. */
static int job_pid_block(yk_job *job)
{
    struct pid_block *p = yk_job_arg(job);
    atomic_store(p->pid, getpid());
    return job_block(job); /* whose argument is the first member */
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

/* ---- P03 to P09: jobs that end their worker ----------------------------------------------------
 */

static int job_division(yk_job *job)
{
    raise(SIGILL);
    return job_nothing(job);
}

/* Dies when its result is written and not published. */
static int job_dies_after_its_result(yk_job *job)
{
    int out = 3;
    yk_job_return(job, &out, sizeof out);
    return job_kill_self(job);
}

static int job_dies_in_its_room(yk_job *job)
{
    char *room = yk_job_result(job, 1 << 20);
    if (room)
        memset(room, 1, 1 << 19);
    return job_kill_self(job);
}

static const struct bad {
    yk_job_fn fn;
    int signal, exit_status;
    const char *says;
} bad_jobs[] = {
    { job_segv, SIGSEGV, 0, "SIGSEGV" },
    { job_abort, SIGABRT, 0, "SIGABRT" },
    { job_fpe, SIGFPE, 0, "SIGFPE" },
    { job_division, SIGILL, 0, "SIGILL" },
    { job_exit_0, 0, 0, "status 0" },
    { job_exit_1, 0, 1, "status 1" },
    { job__exit_99, 0, 99, "status 99" },
    { job_kill_self, SIGKILL, 0, "SIGKILL" },
    { job_dies_after_its_result, SIGKILL, 0, "SIGKILL" },
    { job_dies_in_its_room, SIGKILL, 0, "SIGKILL" },
};

static void assert_crashed(yk_future *f, const struct bad *bad)
{
    assert_int_equal(yk_await(f), YK_ECRASHED);
    assert_int_equal(yk_future_state(f), YK_FAILED);
    const yk_error *e = yk_future_error(f);
    assert_int_equal(e->code, YK_ECRASHED);
    assert_int_equal(e->signal, bad->signal);
    assert_int_equal(e->exit_status, bad->exit_status);
    if (!strstr(e->message, bad->says))
        fail_msg("'%s' does not say '%s'", e->message, bad->says);
    assert_null(strchr(e->message, '\n'));
}

/* Each bad job between good ones, which are not disturbed. */
static void bad_between_good(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    for (size_t i = 0; i < COUNT_OF(bad_jobs); i++) {
        yk_future *before[3], *after[3];
        for (int k = 0; k < 3; k++)
            before[k] = square(b, ex, k);
        yk_future *f = backend_submit(b, ex, bad_jobs[i].fn, NULL, 0);
        for (int k = 0; k < 3; k++)
            after[k] = square(b, ex, k);
        assert_crashed(f, &bad_jobs[i]);
        assert_int_equal(yk_await_all(before, 3, YK_FOREVER), 0);
        assert_int_equal(yk_await_all(after, 3, YK_FOREVER), 0);
        for (int k = 0; k < 3; k++) {
            yk_future_unref(before[k]);
            yk_future_unref(after[k]);
        }
        yk_future_unref(f);
    }
    eventually(stats_of(ex).crashed == COUNT_OF(bad_jobs));
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.failed, COUNT_OF(bad_jobs));
    assert_int_equal(s.done, 6 * COUNT_OF(bad_jobs));
    backend_close(ex);
}

static void test_P04_P05_P06_P09_a_bad_job_fails_alone(void **state)
{
    (void)state;
    on_processes(bad_between_good);
}

static void own_errors(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f[3];
    for (int i = 0; i < 3; i++)
        f[i] = backend_submit(b, ex, i ? job__exit_99 : job_kill_self, NULL, 0);
    assert_int_equal(yk_wait(f, 3, YK_ALL_ENDED, YK_FOREVER), 3);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < i; k++) {
            assert_ptr_not_equal(yk_future_error(f[i]), yk_future_error(f[k]));
            assert_ptr_not_equal(yk_future_error(f[i])->message, yk_future_error(f[k])->message);
        }
    assert_int_equal(yk_future_error(f[0])->signal, SIGKILL);
    assert_int_equal(yk_future_error(f[1])->exit_status, 99);
    backend_close(ex);
    assert_int_equal(yk_future_error(f[2])->exit_status, 99); /* outlives its executor */
    for (int i = 0; i < 3; i++)
        yk_future_unref(f[i]);
}

static void test_P03_each_future_has_its_own_error(void **state)
{
    (void)state;
    on_processes(own_errors);
}

/* The matrix again, submitted from inside callbacks. */
struct from_callback {
    const backend *b;
    yk_executor *ex;
    _Atomic(yk_future *) next;
    yk_job_fn fn;
};

static int submit_in_callback(yk_future *f, void *arg)
{
    struct from_callback *c = arg;
    (void)f;
    atomic_store(&c->next, backend_submit(c->b, c->ex, c->fn, NULL, 0));
    return 0;
}

static void bad_from_callbacks(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    for (size_t i = 0; i < COUNT_OF(bad_jobs); i++) {
        struct from_callback c = { b, ex, NULL, bad_jobs[i].fn };
        yk_future *f = backend_submit(b, ex, i % 2 ? job_nothing : job__exit_99, NULL, 0);
        yk_future_on_end(f, submit_in_callback, &c);
        assert_int_equal(yk_await(f), i % 2 ? 0 : YK_ECRASHED);
        eventually(atomic_load(&c.next));
        assert_crashed(c.next, &bad_jobs[i]);
        yk_future_unref(c.next);
        yk_future_unref(f);
    }
    assert_works(b, ex);
    backend_close(ex);
}

static void test_P04_P05_P06_bad_jobs_from_callbacks(void **state)
{
    (void)state;
    on_processes(bad_from_callbacks);
}

static void many_bad(const backend *b)
{
    enum { N = 60 };
    yk_executor *ex = OPEN(b, .workers = 2);
    size_t n = support_rounds(N) < 12 ? 12 : support_rounds(N);
    yk_future *good[N], *bad[N];
    for (size_t i = 0; i < n; i++) {
        bad[i] = backend_submit(b, ex, i % 2 ? job_kill_self : job__exit_99, NULL, 0);
        good[i] = square(b, ex, (int)i);
    }
    for (size_t i = 0; i < n; i++) {
        int out = -1;
        assert_int_equal(yk_await_into(good[i], &out, sizeof out), 0);
        assert_int_equal(out, (int)(i * i));
        assert_int_equal(yk_await(bad[i]), YK_ECRASHED);
        yk_future_unref(good[i]);
        yk_future_unref(bad[i]);
    }
    backend_close(ex);
}

static void test_P23_good_and_bad_jobs_in_turn(void **state)
{
    (void)state;
    on_processes(many_bad);
}

/* ---- P24, P25: workers that kill each other ----------------------------------------------------
 */

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

/* ---- P42: exactly once -------------------------------------------------------------------------
 */

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

/* ---- P34, P07, P32: standard streams -----------------------------------------------------------
 */

static int job_prints(yk_job *job)
{
    (void)job;
    printf("<job>");
    return 0;
}

/* Replaces standard output by a file for a while; returns what was written to it. */
static void captured(void (*body)(const backend *b), const backend *b, char *text, size_t size)
{
    fflush(stdout);
    int saved = dup(1), file = memfd_create("captured", MFD_CLOEXEC);
    assert_true(saved >= 0 && file >= 0);
    dup2(file, 1);
    body(b);
    fflush(stdout);
    dup2(saved, 1);
    close(saved);
    ssize_t n = pread(file, text, size - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    close(file);
}

static void prints_and_crashes(const backend *b)
{
    printf("<parent>"); /* stays in the buffer while workers come and go */
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_job_fn fns[] = { job_prints, job_exit_0, job_prints, job_exit_1, job_abort, job_nothing };
    for (size_t i = 0; i < COUNT_OF(fns); i++) {
        yk_future *f = backend_submit(b, ex, fns[i], NULL, 0);
        yk_await(f);
        yk_future_unref(f);
    }
    backend_close(ex);
}

/* Workers keep the standard output that the zygote was started with, so what they print does not
 * come here; what matters is that the parent's own comes once. */
static void prints_once(const backend *b)
{
    char text[256];
    captured(prints_and_crashes, b, text, sizeof text);
    assert_string_equal(text, "<parent>");
}

static void test_P34_P07_the_parents_output_is_not_duplicated(void **state)
{
    (void)state;
    on_processes(prints_once);
}

static int job_reads_stdin(yk_job *job)
{
    char c;
    int n = (int)read(0, &c, 1);
    return yk_job_return(job, &n, sizeof n);
}

static void stdin_is_empty(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *f = backend_submit(b, ex, job_reads_stdin, NULL, 0);
    int n = -1;
    assert_int_equal(yk_await_into(f, &n, sizeof n), 0);
    assert_int_equal(n, 0);
    yk_future_unref(f);
    backend_close(ex);
}

static void test_P32_a_worker_has_an_empty_standard_input(void **state)
{
    (void)state;
    on_processes(stdin_is_empty);
}

/* ---- P35: a worker that is stopped -------------------------------------------------------------
 */

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

/* ---- P36: what a job starts --------------------------------------------------------------------
 */

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

/* ---- P39, P40: the zygote ----------------------------------------------------------------------
 */

/* Kills the zygote, which has a standby: whoever kills both is not recovered from. A zygote forks
 * its standby first thing, and a standby turns into a zygote when it is first needed; so between
 * two of these calls there must be a worker started. */
static void kill_the_zygote(void)
{
    proc_entry e[256];
    pid_t zygote = proc_zygote();
    size_t n = proc_descendants(getpid(), e, 256), standbys = 0;
    for (size_t i = 0; i < n; i++)
        standbys += e[i].parent == zygote && strcmp(e[i].name, "yoke-zygote") == 0;
    assert_true(zygote > 0 && standbys > 0);
    kill(zygote, SIGKILL);
    eventually(is_gone(zygote) || state_of(zygote) == 'Z');
}

static void zygote_killed(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    for (int round = 0; round < 4; round++) {
        word *w = words_new(3);
        block arg = { .begun = &w[0], .go = &w[1] };
        yk_future *running[2], *f[20];
        for (int i = 0; i < 2; i++)
            running[i] = backend_submit(b, ex, job_block, &arg, sizeof arg);
        eventually(word_get(&w[0]) == 2);
        uint64_t crashed = stats_of(ex).crashed;
        kill_the_zygote();
        word_set(&w[1], 1); /* those that run are not disturbed */
        for (int i = 0; i < 2; i++) {
            assert_int_equal(yk_await(running[i]), 0);
            yk_future_unref(running[i]);
        }
        assert_int_equal(stats_of(ex).crashed, crashed);
        /* A worker whose zygote is gone can still be lost and replaced. */
        yk_future *bad = backend_submit(b, ex, job_kill_self, NULL, 0);
        assert_int_equal(yk_await(bad), YK_ECRASHED);
        yk_future_unref(bad);
        for (int i = 0; i < 20; i++)
            f[i] = square(b, ex, i);
        assert_int_equal(yk_await_all(f, 20, YK_FOREVER), 0);
        for (int i = 0; i < 20; i++)
            yk_future_unref(f[i]);
        /* And its successor tells how workers end. */
        for (int i = 0; i < 3; i++) {
            bad = backend_submit(b, ex, job__exit_99, NULL, 0);
            assert_int_equal(yk_await(bad), YK_ECRASHED);
            yk_future_unref(bad);
        }
        yk_arena_free(w);
    }
    backend_close(ex);
}

static void test_P39_the_zygote_is_killed_again_and_again(void **state)
{
    (void)state;
    on_processes(zygote_killed);
}

static void zygote_killed_before_use(const backend *b)
{
    for (int round = 0; round < 3; round++) {
        yk_executor *ex = OPEN(b, .workers = 3);
        assert_works(b, ex);
        kill_the_zygote(); /* and nothing more happens: it must close all the same */
        backend_close(ex);
        ex = OPEN(b, .workers = 3);
        yk_future *f = yk_submit_with(ex, job_nothing, NULL, 0, .kind = b->kind);
        assert_int_equal(yk_await(f), 0);
        yk_future_unref(f);
        backend_close(ex);
    }
}

static void test_P39_the_zygote_is_killed_while_nothing_runs(void **state)
{
    (void)state;
    on_processes(zygote_killed_before_use);
}

static void zygote_killed_while_starting(const backend *b)
{
    for (size_t round = 0; round < 2 + support_rounds(20); round++) {
        yk_executor *first = OPEN(b, .workers = 1), *ex = OPEN(b, .workers = 8);
        assert_works(b, first); /* there is a zygote, and it has a standby */
        yk_future *f[16];
        pid_t zygote = proc_zygote();
        assert_true(zygote > 0);
        for (int i = 0; i < 16; i++) {
            f[i] = square(b, ex, i);
            if (i == (int)(round % 16))
                kill(zygote, SIGKILL);
        }
        assert_int_equal(yk_wait(f, 16, YK_ALL_ENDED, YK_FOREVER), 16);
        for (int i = 0; i < 16; i++) {
            assert_int_equal(yk_await(f[i]), 0); /* nothing crashed, so no job may be lost */
            yk_future_unref(f[i]);
        }
        backend_close(ex);
        backend_close(first);
    }
}

static void test_P39_the_zygote_is_killed_while_workers_start(void **state)
{
    (void)state;
    on_processes(zygote_killed_while_starting);
}

/* ---- P40, P41: Ctrl-C --------------------------------------------------------------------------
 */

static void interrupted(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(2);
    block arg = { .begun = &w[0], .go = &w[1] };
    pid_t worker = pid_of_worker(b, ex);
    yk_future *f = backend_submit(b, ex, job_block, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 1);
    pid_t zygote = proc_zygote();
    static const int at_zygote[] = { SIGINT, SIGQUIT, SIGHUP, SIGTERM };
    for (size_t i = 0; i < COUNT_OF(at_zygote); i++)
        kill(zygote, at_zygote[i]);
    kill(worker, SIGINT);
    /* Neither is in this process's group, so a Ctrl-C of the terminal would not even reach them. */
    proc_entry z, k;
    assert_true(proc_look(zygote, &z) && proc_look(worker, &k));
    assert_int_not_equal(z.group, getpgrp());
    assert_int_not_equal(k.group, getpgrp());
    assert_int_not_equal(k.group, z.group);
    word_set(&w[1], 1);
    assert_int_equal(yk_await(f), 0);
    yk_future_unref(f);
    assert_int_equal(proc_zygote(), zygote);
    assert_int_equal(pid_of_worker(b, ex), worker);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_P40_P41_interrupts_are_for_the_parent(void **state)
{
    (void)state;
    on_processes(interrupted);
}

/* ---- P43, P44: who reaps -----------------------------------------------------------------------
 */

static void crash_and_go_on(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1, .kill_grace_ms = 20);
    yk_future *f = backend_submit(b, ex, job__exit_99, NULL, 0);
    assert_int_equal(yk_await(f), YK_ECRASHED);
    yk_future_unref(f);
    f = backend_submit_opts(b, ex, job_spin, NULL, 0, (yk_job_options){ .timeout_ms = 20 });
    assert_int_equal(yk_await(f), YK_EJOBTIMEOUT);
    yk_future_unref(f);
    assert_works(b, ex);
    backend_close(ex);
}

static void child_ignored(const backend *b)
{
    signal(SIGCHLD, SIG_IGN);
    crash_and_go_on(b);
    signal(SIGCHLD, SIG_DFL);
    struct sigaction no_wait = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };
    sigaction(SIGCHLD, &no_wait, NULL);
    crash_and_go_on(b);
    signal(SIGCHLD, SIG_DFL);
}

static void test_P44_the_program_ignores_its_children(void **state)
{
    (void)state;
    on_processes(child_ignored);
}

static void *reap_everything(void *arg)
{
    word *stop = arg;
    while (!word_get(stop)) {
        waitpid(-1, NULL, WNOHANG);
        support_pause();
    }
    return NULL;
}

static void reaped_by_others(const backend *b)
{
    word stop = 0;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, reap_everything, &stop), 0);
    crash_and_go_on(b);
    kill_the_zygote();
    crash_and_go_on(b);
    atomic_store(&stop, 1);
    pthread_join(thread, NULL);
}

static void test_P44_somebody_else_reaps_everything(void **state)
{
    (void)state;
    on_processes(reaped_by_others);
}

/* ---- P38: the thread that made the pool ends ----------------------------------------------------
 */

static void *make_and_use(void *arg)
{
    yk_executor *ex = yk_process_pool(.workers = 2);
    word **w = arg;
    block b = { .begun = &(*w)[0], .go = &(*w)[1] };
    for (int i = 0; i < 2; i++)
        yk_future_unref(yk_submit(ex, job_block, &b, sizeof b));
    return ex;
}

static void test_P38_the_thread_that_made_the_pool_ends(void **state)
{
    (void)state;
    word *w = words_new(2);
    pthread_t thread;
    void *ex;
    assert_int_equal(pthread_create(&thread, NULL, make_and_use, &w), 0);
    pthread_join(thread, &ex);
    eventually(word_get(&w[0]) == 2);
    eventually(proc_links(0, "[pidfd]") == 2);
    word_set(&w[1], 1);
    static const backend on_processes_alone = {
        "on the process pool", yk_process_pool_new, YK_CPU, true, false, false
    };
    assert_works(&on_processes_alone, ex);
    yk_executor_shutdown(ex);
    assert_int_equal(stats_of(ex).crashed, 0);
    assert_int_equal(stats_of(ex).done, 3);
    backend_close(ex);
    yk_arena_free(w);
}

/* ---- P48: descriptors of a worker ---------------------------------------------------------------
 */

static int job_lists_fds(yk_job *job)
{
    char text[4096] = "";
    size_t used = 0;
    for (int fd = 0; fd < 1024; fd++) {
        char path[64], link[200];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, link, sizeof link - 1);
        if (n < 0)
            continue;
        link[n] = '\0';
        used += (size_t)snprintf(text + used, sizeof text - used, "%d:%s\n", fd, link);
        if (used >= sizeof text)
            return UV_ENOBUFS;
    }
    return yk_job_return(job, text, used + 1);
}

static void has_only_its_own(const backend *b)
{
    int mine[2];
    assert_int_equal(pipe(mine), 0); /* without close-on-exec, as careless programs do */
    yk_executor *other = yk_process_pool(.workers = 2);
    yk_executor *ex = OPEN(b, .workers = 2);
    assert_works(b, ex);
    yk_future *o = yk_submit(other, job_nothing, NULL, 0);
    yk_await(o);
    yk_future_unref(o);
    yk_future *f = backend_submit(b, ex, job_lists_fds, NULL, 0);
    assert_int_equal(yk_await(f), 0);
    const char *text = yk_future_result(f, NULL);
    int lines = 0;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    if (lines != 5 || strstr(text, "socket") || strstr(text, "epoll") || strstr(text, "memfd"))
        fail_msg("a worker has\n%s", text);
    assert_non_null(strstr(text, "0:/dev/null\n"));
    assert_non_null(strstr(text, "eventfd"));
    yk_future_unref(f);
    backend_close(ex);
    backend_close(other);
    close(mine[0]);
    close(mine[1]);
}

static void test_P48_a_worker_has_no_descriptor_too_many(void **state)
{
    (void)state;
    on_processes(has_only_its_own);
}

/* ---- Last of all: nobody is left to fork workers ------------------------------------------------
 */

static void no_zygote_left(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f[5];
    for (int i = 0; i < 5; i++)
        f[i] = square(b, ex, i);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(yk_await(f[i]), YK_ENOWORKER);
        yk_future_unref(f[i]);
    }
    backend_close(ex);
}

static void test_P26_without_a_zygote_and_a_standby_jobs_fail(void **state)
{
    (void)state;
    proc_entry e[256];
    size_t n = proc_descendants(getpid(), e, 256);
    for (size_t i = 0; i < n; i++)
        if (strcmp(e[i].name, "yoke-zygote") == 0)
            kill(e[i].pid, SIGKILL);
    yk_executor *ex = yk_process_pool(.workers = 1);
    yk_future *f = yk_submit(ex, job_nothing, NULL, 0);
    assert_int_equal(yk_await(f), YK_ENOWORKER);
    yk_future_unref(f);
    backend_close(ex);
    support_take_baseline(); /* the socket to the zygote has been closed */
    on_processes(no_zygote_left);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_P01_killed_while_idle_no_job_fails),
        TEST(test_P02_killed_while_running_that_job_fails_alone),
        TEST(test_P03_each_future_has_its_own_error),
        TEST(test_P04_P05_P06_P09_a_bad_job_fails_alone),
        TEST(test_P04_P05_P06_bad_jobs_from_callbacks),
        TEST(test_P23_good_and_bad_jobs_in_turn),
        TEST(test_P24_workers_kill_each_other),
        TEST(test_P25_all_workers_die_at_once),
        TEST(test_P42_a_job_is_done_once_or_lost_once),
        TEST(test_P34_P07_the_parents_output_is_not_duplicated),
        TEST(test_P32_a_worker_has_an_empty_standard_input),
        TEST(test_P35_a_worker_that_is_stopped),
        TEST(test_P36_what_a_job_started_ends_with_it),
        TEST(test_P38_the_thread_that_made_the_pool_ends),
        TEST(test_P39_the_zygote_is_killed_again_and_again),
        TEST(test_P39_the_zygote_is_killed_while_nothing_runs),
        TEST(test_P39_the_zygote_is_killed_while_workers_start),
        TEST(test_P40_P41_interrupts_are_for_the_parent),
        TEST(test_P44_the_program_ignores_its_children),
        TEST(test_P44_somebody_else_reaps_everything),
        TEST(test_P48_a_worker_has_no_descriptor_too_many),
        TEST(test_P26_without_a_zygote_and_a_standby_jobs_fail), /* must come last */
    };
    return RUN_TESTS("faults", tests);
}
