/* Initializers and finalizers of workers: I01 to I07. */
#include "faults.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

/* What initializers and tests tell each other. */
struct notes {
    word *ran, *ended, *go;
    int code;
};

static _Thread_local bool initialised; /* in a worker */

static int note_begin(void *arg)
{
    struct notes *n = arg;
    initialised = true;
    atomic_fetch_add(n->ran, 1);
    return 0;
}

static void note_end(void *arg)
{
    atomic_fetch_add(((struct notes *)arg)->ended, 1);
}

static int job_is_initialised(yk_job *job)
{
    return initialised ? 0 : yk_job_fail(job, UV_EINVAL, "no initializer ran");
}

static void all_end_with(yk_future **f, size_t n, int code)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(yk_await(f[i]), code);
        yk_future_unref(f[i]);
    }
}

/* ---- I01, I06 ------------------------------------------------------------------------------- */

static void before_the_first_job(const backend *b)
{
    word *w = words_new(2);
    struct notes notes = { .ran = &w[0], .ended = &w[1] };
    yk_executor *ex = OPEN(b, .workers = 3,
                           .worker = { .initializer = note_begin,
                                       .finalizer = note_end,
                                       .arg = &notes,
                                       .arg_len = sizeof notes });
    yk_future *f[60];
    for (int i = 0; i < 60; i++)
        f[i] = backend_submit(b, ex, job_is_initialised, NULL, 0);
    memset(&notes, 0, sizeof notes); /* it was copied */
    all_end_with(f, 60, 0);
    uint64_t started = stats_of(ex).started;
    assert_true(started >= 1 && started <= 3);
    backend_close(ex);
    assert_true(word_get(&w[0]) >= 1 && word_get(&w[0]) <= started);
    assert_int_equal(word_get(&w[1]), word_get(&w[0]));
    yk_arena_free(w);
}

static void test_I01_the_initializer_runs_before_the_first_job_of_every_worker(void **state)
{
    (void)state;
    on_every_backend(before_the_first_job);
}

static void no_finalizer_after_a_kill(const backend *b)
{
    word *w = words_new(2);
    struct notes notes = { .ran = &w[0], .ended = &w[1] };
    yk_executor *ex = OPEN(b, .workers = 1,
                           .worker = { .initializer = note_begin,
                                       .finalizer = note_end,
                                       .arg = &notes,
                                       .arg_len = sizeof notes });
    yk_future *f = backend_submit(b, ex, job_kill_self, NULL, 0);
    assert_int_equal(yk_await(f), YK_ECRASHED);
    yk_future_unref(f);
    f = backend_submit(b, ex, job_exit_1, NULL, 0);
    assert_int_equal(yk_await(f), YK_ECRASHED);
    yk_future_unref(f);
    assert_works(b, ex);
    assert_int_equal(word_get(&w[1]), 0);
    backend_close(ex);
    assert_int_equal(word_get(&w[0]), 3);
    assert_int_equal(word_get(&w[1]), 1); /* the one that left */
    yk_arena_free(w);
}

static void test_I06_the_finalizer_runs_in_workers_that_leave_and_not_in_killed_ones(void **state)
{
    (void)state;
    on_processes(no_finalizer_after_a_kill);
}

/* ---- I02, I03 ------------------------------------------------------------------------------- */

static char logged[1024];
static pthread_mutex_t logging = PTHREAD_MUTEX_INITIALIZER;

static void keep_log(const char *line, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&logging);
    snprintf(logged, sizeof logged, "%s", line);
    pthread_mutex_unlock(&logging);
}

static int refuse(void *arg)
{
    return yk_worker_fail(UV_ENOENT, "no model at %s", (const char *)arg);
}

static int refuse_without_a_word(void *arg)
{
    (void)arg;
    return UV_EACCES;
}

static void failing(const backend *b)
{
    const char path[] = "/the/model";
    logged[0] = '\0';
    yk_set_log(keep_log, NULL);
    yk_executor *ex = OPEN(
        b, .workers = 2, .worker = { .initializer = refuse, .arg = path, .arg_len = sizeof path });
    for (int round = 0; round < 3; round++) {
        yk_future *f[10];
        for (int i = 0; i < 10; i++)
            f[i] = backend_submit(b, ex, job_square, &i, sizeof i);
        assert_int_equal(yk_await(f[9]), YK_EINIT);
        assert_non_null(strstr(yk_future_error(f[9])->message, "no model at /the/model"));
        all_end_with(f, 10, YK_EINIT);
    }
    assert_int_equal(stats_of(ex).done, 0);
    assert_int_equal(stats_of(ex).failed, 30);
    backend_close(ex);
    yk_set_log(NULL, NULL);
    assert_non_null(strstr(logged, "no model at /the/model"));

    ex = OPEN(b, .workers = 1, .worker = { .initializer = refuse_without_a_word });
    yk_future *f = backend_submit(b, ex, job_nothing, NULL, 0);
    assert_int_equal(yk_await(f), YK_EINIT);
    assert_non_null(strstr(yk_future_error(f)->message, yk_strerror(UV_EACCES)));
    yk_future_unref(f);
    backend_close(ex);
}

static void test_I02_where_the_initializer_fails_so_does_every_job_with_its_message(void **state)
{
    (void)state;
    on_every_backend(failing);
}

/* A thread that fails what waits for it, since it could not start, is busy with that when the
 * pool's patience is over: it leaves by itself, once. */
struct leaving {
    yk_executor *ex;
    _Atomic int seen; /* 1: it is about to leave; 2: and the pool is told to stop */
    uint64_t stuck;
};

static int refuse_when_asked(void *arg)
{
    _Atomic int *asked = *(_Atomic int **)arg;
    eventually(atomic_load(asked));
    return UV_EACCES;
}

static int take_long(yk_future *f, void *arg)
{
    (void)f;
    struct leaving *l = arg;
    atomic_store(&l->seen, 1);
    eventually(atomic_load(&l->seen) == 2);
    for (uint64_t end = yk_after_ms(200); yk_now() < end && !l->stuck; sched_yield())
        l->stuck = stats_of(l->ex).stuck; /* a write-off would come after 1 ms */
    return 0;
}

static void test_I02_a_thread_that_could_not_start_is_not_written_off_as_well(void **state)
{
    (void)state;
    struct leaving l = { 0 };
    _Atomic int asked = 0, *arg = &asked;
    l.ex =
        yk_thread_pool(.workers = 1, .kill_grace_ms = 1,
                       .worker = {
                           .initializer = refuse_when_asked, .arg = &arg, .arg_len = sizeof arg });
    yk_future *f = yk_submit(l.ex, job_nothing, NULL, 0);
    assert_int_equal(yk_future_on_end(f, take_long, &l), 0);
    atomic_store(&asked, 1);
    eventually(atomic_load(&l.seen) == 1);
    assert_int_equal(yk_executor_shutdown(l.ex, .cancel_running = true, .no_wait = true), 0);
    atomic_store(&l.seen, 2);
    assert_int_equal(yk_executor_shutdown(l.ex), 0);
    assert_int_equal(l.stuck, 0);
    assert_int_equal(stats_of(l.ex).stuck, 0);
    assert_int_equal(stats_of(l.ex).workers, 0);
    assert_int_equal(yk_await(f), YK_EINIT);
    yk_future_unref(f);
    backend_close(l.ex);
    assert_null(support_leftovers());
}

static void failing_often(const backend *b)
{
    for (int round = 0; round < 5; round++)
        failing(b); /* and on_every_backend looks what is left */
}

static void test_I03_a_failing_initializer_leaves_nothing_behind(void **state)
{
    (void)state;
    on_every_backend(failing_often);
}

/* Fails until the test says that it may work. */
static int refuse_until_told(void *arg)
{
    struct notes *n = arg;
    return word_get(n->go) ? 0 : yk_worker_fail(UV_EAGAIN, "not yet");
}

static void recovers(const backend *b)
{
    word *w = words_new(1);
    struct notes notes = { .go = &w[0] };
    yk_executor *ex = OPEN(
        b, .workers = 2,
        .worker = { .initializer = refuse_until_told, .arg = &notes, .arg_len = sizeof notes });
    yk_future *f = backend_submit(b, ex, job_nothing, NULL, 0);
    assert_int_equal(yk_await(f), YK_EINIT);
    yk_future_unref(f);
    word_set(&w[0], 1);
    int err = YK_EINIT;
    while (err == YK_EINIT) { /* until the time to try again has come */
        f = backend_submit(b, ex, job_nothing, NULL, 0);
        err = yk_await(f);
        yk_future_unref(f);
        support_pause();
    }
    assert_int_equal(err, 0);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_I02_a_pool_recovers_when_its_initializer_does(void **state)
{
    (void)state;
    on_every_backend(recovers);
}

/* The second worker cannot start while the first is at work; later it can, and nobody has to submit
 * anything for that. */
static int second_fails(void *arg)
{
    struct notes *n = arg;
    return atomic_fetch_add(n->ran, 1) == 0 || word_get(n->go)
               ? 0
               : yk_worker_fail(UV_EAGAIN, "not yet");
}

static void others_at_work(const backend *b)
{
    word *w = words_new(5);
    struct notes notes = { .ran = &w[0], .go = &w[1] };
    struct block blocked = { .begun = &w[2], .go = &w[3] };
    yk_executor *ex =
        OPEN(b, .workers = 2,
             .worker = { .initializer = second_fails, .arg = &notes, .arg_len = sizeof notes });
    yk_future *f[2];
    f[0] = backend_submit(b, ex, job_block, &blocked, sizeof blocked);
    eventually(word_get(&w[2]) == 1);
    f[1] = backend_submit(b, ex, job_block, &blocked, sizeof blocked);
    eventually(word_get(&w[0]) >= 4); /* it is tried again and again */
    assert_int_equal(yk_future_state(f[1]), YK_PENDING);
    word_set(&w[1], 1);
    eventually(word_get(&w[2]) == 2);
    word_set(&w[3], 1);
    all_end_with(f, 2, 0);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_I02_a_worker_that_cannot_start_does_no_harm_while_others_are_at_work(void **state)
{
    (void)state;
    on_every_backend(others_at_work);
}

/* ---- I04 ------------------------------------------------------------------------------------ */

static int crash(void *arg)
{
    struct notes *n = arg;
    atomic_fetch_add(n->ran, 1);
    if (n->code > 0)
        _exit(n->code);
    signal(SIGSEGV, SIG_DFL); /* no sanitizer's report */
    raise(SIGSEGV);
    return 0;
}

static void crashing(const backend *b)
{
    static const int codes[] = { 0, 3 };
    static const char *const words[] = { "SIGSEGV", "status 3" };
    for (int i = 0; i < 2; i++) {
        word *w = words_new(1);
        struct notes notes = { .ran = &w[0], .code = codes[i] };
        yk_executor *ex = OPEN(b, .workers = 2,
                               .worker = { .initializer = crash,
                                           .arg = &notes,
                                           .arg_len = sizeof notes,
                                           .respawn_budget = 4 });
        yk_future *f[10];
        for (int k = 0; k < 10; k++)
            f[k] = backend_submit(b, ex, job_square, &k, sizeof k);
        assert_int_equal(yk_await(f[9]), YK_EINIT);
        assert_non_null(strstr(yk_future_error(f[9])->message, words[i]));
        all_end_with(f, 10, YK_EINIT);
        /* No storm: as many as the budget says, and those that were under way. */
        uint32_t most = 6 * support_slowness(); /* a slow submitter sees more than one end */
        assert_true(word_get(&w[0]) >= 4 && word_get(&w[0]) <= most);
        backend_close(ex);
        assert_true(word_get(&w[0]) <= most);
        yk_arena_free(w);
    }
}

static void test_I04_crashes_in_the_initializer_are_limited_and_then_fail_what_waits(void **state)
{
    (void)state;
    on_processes(crashing);
}

/* ---- I05 ------------------------------------------------------------------------------------ */

static int hang(void *arg)
{
    struct notes *n = arg;
    atomic_fetch_add(n->ran, 1);
    signal(SIGTERM, SIG_IGN);
    while (word_get(n->ran) > 0)
        pause();
    return 0;
}

static void hanging(const backend *b)
{
    word *w = words_new(1);
    struct notes notes = { .ran = &w[0] };
    yk_executor *ex = OPEN(b, .workers = 2,
                           .worker = { .initializer = hang,
                                       .arg = &notes,
                                       .arg_len = sizeof notes,
                                       .start_timeout_ms = 30,
                                       .respawn_budget = 2 });
    yk_future *f[4];
    for (int k = 0; k < 4; k++)
        f[k] = backend_submit(b, ex, job_square, &k, sizeof k);
    assert_int_equal(yk_await(f[3]), YK_EINIT);
    assert_non_null(strstr(yk_future_error(f[3])->message, "30 ms"));
    all_end_with(f, 4, YK_EINIT);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_I05_an_initializer_that_hangs_is_bounded(void **state)
{
    (void)state;
    on_processes(hanging);
}

/* The pool is closed while they start: nothing waits for ever. */
static void closed_at_the_start(const backend *b)
{
    word *w = words_new(1);
    struct notes notes = { .ran = &w[0] };
    yk_executor *ex =
        OPEN(b, .workers = 2, .kill_grace_ms = 10,
             .worker = { .initializer = hang, .arg = &notes, .arg_len = sizeof notes });
    yk_future *f = backend_submit(b, ex, job_nothing, NULL, 0);
    eventually(word_get(&w[0]) == 1);
    assert_int_equal(yk_executor_shutdown(ex, .cancel_running = true), 0);
    assert_int_equal(yk_await(f), YK_ECANCELED);
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_I05_a_pool_whose_workers_hang_at_their_start_can_be_closed(void **state)
{
    (void)state;
    on_processes(closed_at_the_start);
}

/* ---- I07 ------------------------------------------------------------------------------------ */

struct surroundings {
    char directory[64], set[32];
    bool removed;
    int nice, scheduling, n_cpus, cpu;
    uint64_t files, cpu_s;
    bool address_space;
};

static int job_look_around(yk_job *job)
{
    struct surroundings s = { 0 };
    struct rlimit limit;
    cpu_set_t cpus;
    if (!getcwd(s.directory, sizeof s.directory) || sched_getaffinity(0, sizeof cpus, &cpus))
        return UV_EIO;
    snprintf(s.set, sizeof s.set, "%s", getenv("YOKE_TEST_SET") ? getenv("YOKE_TEST_SET") : "");
    s.removed = getenv("YOKE_TEST_REMOVED") == NULL;
    s.nice = getpriority(PRIO_PROCESS, 0);
    s.scheduling = sched_getscheduler(0);
    s.n_cpus = CPU_COUNT(&cpus);
    while (!CPU_ISSET((size_t)s.cpu, &cpus))
        s.cpu++;
    getrlimit(RLIMIT_NOFILE, &limit);
    s.files = limit.rlim_cur;
    getrlimit(RLIMIT_CPU, &limit);
    s.cpu_s = limit.rlim_cur;
    getrlimit(RLIMIT_AS, &limit);
    s.address_space = limit.rlim_cur != RLIM_INFINITY;
    return yk_job_return(job, &s, sizeof s);
}

static int last_cpu(void)
{
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof cpus, &cpus);
    int last = CPU_SETSIZE - 1;
    while (!CPU_ISSET((size_t)last, &cpus))
        last--;
    return last;
}

static void surroundings(const backend *b)
{
    int cpu = last_cpu(), nice_here = getpriority(PRIO_PROCESS, 0);
    const char *const environment[] = { "YOKE_TEST_SET=to this", "YOKE_TEST_REMOVED", NULL };
    bool own = support_under_valgrind(); /* it needs memory and descriptors of its own */
    yk_executor *ex = OPEN(b, .workers = 1,
                           .worker = { .environment = environment,
                                       .directory = "/proc",
                                       .nice = 3,
                                       .scheduling = YK_SCHED_BATCH,
                                       .cpus = &cpu,
                                       .n_cpus = 1,
                                       .limit_files = own ? 0 : 64,
                                       .limit_cpu_s = 1000,
                                       .limit_address_space = own ? 0 : 256 << 20 });
    yk_future *f = backend_submit(b, ex, job_look_around, NULL, 0);
    struct surroundings s;
    assert_int_equal(yk_await_into(f, &s, sizeof s), 0);
    yk_future_unref(f);
    assert_int_equal(s.nice, nice_here + 3);
    assert_int_equal(s.scheduling, SCHED_BATCH);
    assert_int_equal(s.n_cpus, 1);
    assert_int_equal(s.cpu, cpu);
    /* What belongs to the whole program is not a thread's. */
    assert_int_equal(strcmp(s.directory, "/proc") == 0, b->processes);
    assert_string_equal(s.set, b->processes ? "to this" : "");
    assert_int_equal(s.removed, b->processes);
    assert_int_equal(s.files == 64, b->processes && !own);
    assert_int_equal(s.cpu_s == 1000, b->processes);
    if (b->processes && !own)
        assert_true(s.address_space);
    backend_close(ex);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), nice_here);
}

static void test_I07_the_surroundings_given_per_pool_reach_its_workers(void **state)
{
    (void)state;
    on_every_backend(surroundings);
    assert_null(getenv("YOKE_TEST_SET"));
}

/* ---- I07: scheduling ------------------------------------------------------------------------- */

/* What the next calls in any process of this test do: shared with the zygote. */
static _Atomic int *refuse_scheduling;

int setpriority(__priority_which_t which, id_t who, int value)
{
    if (refuse_scheduling && atomic_load(refuse_scheduling)) {
        errno = EACCES;
        return -1;
    }
    return (int)syscall(SYS_setpriority, which, who, value);
}

int sched_setscheduler(pid_t pid, int policy, const struct sched_param *param)
{
    if (refuse_scheduling && atomic_load(refuse_scheduling)) {
        errno = EPERM;
        return -1;
    }
    return (int)syscall(SYS_sched_setscheduler, pid, policy, param);
}

static struct surroundings seen_with(const backend *b, yk_worker_options worker)
{
    struct surroundings s;
    yk_executor *ex = OPEN(b, .workers = 1, .worker = worker);
    yk_future *f = backend_submit(b, ex, job_look_around, NULL, 0);
    assert_int_equal(yk_await_into(f, &s, sizeof s), 0);
    yk_future_unref(f);
    backend_close(ex);
    return s;
}

static void default_scheduling(const backend *b)
{
    int nice_here = getpriority(PRIO_PROCESS, 0), class_here = sched_getscheduler(0);
    struct surroundings s = seen_with(b, (yk_worker_options){ 0 });
    assert_int_equal(s.scheduling, class_here);
    assert_int_equal(s.nice, nice_here + (b->on_loop ? 5 : 0));
    /* Who says something is taken at his word. */
    s = seen_with(b, (yk_worker_options){ .scheduling = YK_SCHED_NORMAL });
    assert_int_equal(s.scheduling, SCHED_OTHER);
    assert_int_equal(s.nice, nice_here);
    s = seen_with(b, (yk_worker_options){ .scheduling = YK_SCHED_IDLE });
    assert_int_equal(s.scheduling, SCHED_IDLE);
    assert_int_equal(s.nice, nice_here);
    s = seen_with(b, (yk_worker_options){ .nice = 2 });
    assert_int_equal(s.scheduling, class_here);
    assert_int_equal(s.nice, nice_here + 2);
    assert_int_equal(getpriority(PRIO_PROCESS, 0), nice_here); /* the loop's own thread */
    assert_int_equal(sched_getscheduler(0), class_here);
}

static void test_I07_workers_beside_a_loop_yield_to_it(void **state)
{
    (void)state;
    on_every_backend(default_scheduling);
}

static void assert_refused(const backend *b, yk_worker_options worker, const char *what)
{
    yk_executor *ex = OPEN(b, .workers = 1, .worker = worker);
    yk_future *f = backend_submit(b, ex, job_nothing, NULL, 0);
    assert_int_equal(yk_await(f), YK_EINIT);
    assert_non_null(strstr(yk_future_error(f)->message, what));
    yk_future_unref(f);
    backend_close(ex);
}

/* What was asked for is an error where it is not allowed; the default is done without. */
static void refused_scheduling(const backend *b)
{
    int nice_here = getpriority(PRIO_PROCESS, 0), class_here = sched_getscheduler(0);
    atomic_store(refuse_scheduling, 1);
    struct surroundings s = seen_with(b, (yk_worker_options){ 0 });
    assert_int_equal(s.scheduling, class_here);
    assert_int_equal(s.nice, nice_here);
    assert_refused(b, (yk_worker_options){ .nice = 1 }, "nice value");
    assert_refused(b, (yk_worker_options){ .scheduling = YK_SCHED_IDLE }, "class 'idle'");
    atomic_store(refuse_scheduling, 0);
}

static void test_I07_a_default_that_is_refused_is_no_error_and_a_wish_is(void **state)
{
    (void)state;
    on_every_backend(refused_scheduling);
}

static void impossible_surroundings(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2, .worker = { .directory = "/no/such/place" });
    yk_future *f = backend_submit(b, ex, job_nothing, NULL, 0);
    assert_int_equal(yk_await(f), b->processes ? YK_EINIT : 0);
    if (b->processes)
        assert_non_null(strstr(yk_future_error(f)->message, "/no/such/place"));
    yk_future_unref(f);
    backend_close(ex);
    int no_cpu = CPU_SETSIZE - 1;
    ex = OPEN(b, .workers = 2, .worker = { .cpus = &no_cpu, .n_cpus = 1 });
    f = backend_submit(b, ex, job_nothing, NULL, 0);
    assert_int_equal(yk_await(f), YK_EINIT);
    assert_non_null(strstr(yk_future_error(f)->message, "CPUs"));
    yk_future_unref(f);
    backend_close(ex);
    ex = b->make(&(yk_pool_options){ .worker = { .scheduling = (yk_scheduling)77 } });
    assert_int_equal(yk_executor_error(ex)->code, UV_EINVAL);
    yk_executor_close(ex);
    ex = b->make(&(yk_pool_options){ .worker = { .n_cpus = 3 } });
    assert_int_equal(yk_executor_error(ex)->code, UV_EINVAL);
    yk_executor_close(ex);
}

static void test_I07_what_cannot_be_set_is_said(void **state)
{
    (void)state;
    on_every_backend(impossible_surroundings);
}

/* More than the limit: malloc fails, and the worker lives. */
static int job_grab(yk_job *job)
{
    size_t size = *(size_t *)yk_job_arg(job);
    char *volatile p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return yk_job_fail(job, UV_ENOMEM, "no room");
    munmap(p, size);
    return 0;
}

static int job_burn(yk_job *job)
{
    signal(SIGXCPU, SIG_DFL);
    for (volatile bool on = true; on;)
        ;
    (void)job;
    return 0;
}

static void limits(const backend *b)
{
    yk_executor *ex =
        OPEN(b, .workers = 1, .worker = { .limit_address_space = 64 << 20, .limit_cpu_s = 1 });
    yk_future *f = backend_submit(b, ex, job_grab, &(size_t){ 16 << 20 }, sizeof(size_t));
    assert_int_equal(yk_await(f), 0);
    yk_future_unref(f);
    f = backend_submit(b, ex, job_grab, &(size_t){ 128 << 20 }, sizeof(size_t));
    assert_int_equal(yk_await(f), UV_ENOMEM);
    yk_future_unref(f);
    if (!b->hybrid) { /* a second of CPU time takes a busy machine half a minute */
        f = backend_submit(b, ex, job_burn, NULL, 0);
        assert_int_equal(yk_await(f), YK_ECRASHED);
        assert_int_equal(yk_future_error(f)->signal, SIGXCPU);
        yk_future_unref(f);
    }
    assert_works(b, ex);
    backend_close(ex);
}

static void test_I07_limits_hold_and_cost_one_job(void **state)
{
    (void)state;
    on_processes(limits);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_I01_the_initializer_runs_before_the_first_job_of_every_worker),
        TEST(test_I06_the_finalizer_runs_in_workers_that_leave_and_not_in_killed_ones),
        TEST(test_I02_where_the_initializer_fails_so_does_every_job_with_its_message),
        TEST(test_I03_a_failing_initializer_leaves_nothing_behind),
        TEST(test_I02_a_thread_that_could_not_start_is_not_written_off_as_well),
        TEST(test_I02_a_pool_recovers_when_its_initializer_does),
        TEST(test_I02_a_worker_that_cannot_start_does_no_harm_while_others_are_at_work),
        TEST(test_I04_crashes_in_the_initializer_are_limited_and_then_fail_what_waits),
        TEST(test_I05_an_initializer_that_hangs_is_bounded),
        TEST(test_I05_a_pool_whose_workers_hang_at_their_start_can_be_closed),
        TEST(test_I07_the_surroundings_given_per_pool_reach_its_workers),
        TEST(test_I07_workers_beside_a_loop_yield_to_it),
        TEST(test_I07_a_default_that_is_refused_is_no_error_and_a_wish_is),
        TEST(test_I07_what_cannot_be_set_is_said),
        TEST(test_I07_limits_hold_and_cost_one_job),
    };
    refuse_scheduling = mmap(NULL, sizeof *refuse_scheduling, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (refuse_scheduling == MAP_FAILED)
        return 1;
    /* Before the workers' zygote is made. */
    setenv("YOKE_TEST_REMOVED", "still there", 1);
    return RUN_TESTS("init", tests);
}
