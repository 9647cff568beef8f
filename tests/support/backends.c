#include "backends.h"

#include <limits.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

static const backend backends[] = {
    { "on the thread pool", yk_thread_pool_new, YK_CPU, false, false, false },
    { "on the process pool", yk_process_pool_new, YK_CPU, true, false, false },
    { "on the hybrid, computing", yk_hybrid_new, YK_CPU, false, true, false },
    { "on the hybrid, isolated", yk_hybrid_new, YK_ISOLATED, true, true, false },
    { "in a task, on the thread pool", yk_thread_pool_new, YK_CPU, false, false, true },
    { "in a task, on the process pool", yk_process_pool_new, YK_CPU, true, false, true },
    { "in a task, on the hybrid, isolated", yk_hybrid_new, YK_ISOLATED, true, true, true },
};

static void run_on(const backend *b, void (*body)(const backend *b))
{
    support_note(b->name);
    if (b->on_loop)
        on_a_loop(body, b);
    else
        body(b);
    const char *left = support_leftovers();
    if (left)
        fail_msg("%s", left);
    support_note(NULL);
}

void on_every_backend(void (*body)(const backend *b))
{
    for (size_t i = 0; i < COUNT_OF(backends); i++)
        run_on(&backends[i], body);
}

void on_processes(void (*body)(const backend *b))
{
    for (size_t i = 0; i < COUNT_OF(backends); i++)
        if (backends[i].processes)
            run_on(&backends[i], body);
}

yk_executor *backend_open(const backend *b, const yk_pool_options *options)
{
    yk_executor *ex = b->make(options);
    const yk_error *error = yk_executor_error(ex);
    if (error)
        fail_msg("no executor %s: %s", b->name, error->message);
    return ex;
}

yk_future *backend_submit_opts(const backend *b, yk_executor *ex, yk_job_fn fn, const void *arg,
                               size_t len, yk_job_options options)
{
    options.kind = b->kind;
    return yk_submit_opts(ex, fn, arg, len, &options);
}

yk_future *backend_submit(const backend *b, yk_executor *ex, yk_job_fn fn, const void *arg,
                          size_t len)
{
    return backend_submit_opts(b, ex, fn, arg, len, (yk_job_options){ 0 });
}

yk_executor_stats stats_of(yk_executor *ex)
{
    yk_executor_stats s;
    yk_executor_get_stats(ex, &s);
    return s;
}

void backend_close(yk_executor *ex)
{
    assert_int_equal(yk_executor_shutdown(ex), 0);
    yk_executor_stats s = stats_of(ex);
    assert_int_equal(s.received, s.done + s.failed + s.cancelled);
    assert_int_equal(s.pending, 0);
    assert_int_equal(s.running, 0);
    assert_int_equal(s.workers, 0);
    assert_int_equal(yk_executor_close(ex), 0);
}

/* ---- Words ---------------------------------------------------------------------------------- */

word *words_new(size_t n)
{
    word *w = yk_arena_alloc(n * sizeof *w);
    assert_non_null(w);
    for (size_t i = 0; i < n; i++)
        atomic_store(&w[i], 0);
    return w;
}

void word_set(word *w, uint32_t value)
{
    atomic_store(w, value);
    syscall(SYS_futex, w, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void word_wait_a_moment(word *w, uint32_t while_it_is)
{
    struct timespec moment = { 0, 1000000 }; /* then look for a cancellation */
    syscall(SYS_futex, w, FUTEX_WAIT, while_it_is, &moment, NULL, 0);
}

/* ---- Jobs ----------------------------------------------------------------------------------- */

int job_nothing(yk_job *job)
{
    (void)job;
    return 0;
}

int job_square(yk_job *job)
{
    int n = *(const int *)yk_job_arg(job);
    n *= n;
    return yk_job_return(job, &n, sizeof n);
}

int job_echo(yk_job *job)
{
    return yk_job_return(job, yk_job_arg(job), yk_job_arg_len(job));
}

int job_fail(yk_job *job)
{
    return yk_job_fail(job, UV_EINVAL, "no %s", "good");
}

int job_pid(yk_job *job)
{
    pid_t pid = getpid();
    return yk_job_return(job, &pid, sizeof pid);
}

int job_count(yk_job *job)
{
    atomic_fetch_add(*(word **)yk_job_arg(job), 1);
    return 0;
}

int job_block(yk_job *job)
{
    block b = *(const block *)yk_job_arg(job);
    word never = 0;
    word *go = b.go ? b.go : &never;
    int code = 0;
    if (b.begun)
        atomic_fetch_add(b.begun, 1);
    while (!code && word_get(go) == 0) {
        word_wait_a_moment(go, 0);
        if (!b.deaf && yk_job_cancelled(job))
            code = YK_ECANCELED;
    }
    if (b.ended)
        atomic_fetch_add(b.ended, 1);
    return code;
}

static void no_core_file(void)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
}

int job_segv(yk_job *job)
{
    (void)job;
    no_core_file();
    raise(SIGSEGV);
    return 0;
}

int job_abort(yk_job *job)
{
    (void)job;
    no_core_file();
    abort();
}

int job_fpe(yk_job *job)
{
    (void)job;
    no_core_file();
    raise(SIGFPE);
    return 0;
}

int job_exit_0(yk_job *job)
{
    (void)job;
    exit(0);
}

int job_exit_1(yk_job *job)
{
    (void)job;
    exit(1);
}

int job__exit_99(yk_job *job)
{
    (void)job;
    _exit(99);
}

int job_kill_self(yk_job *job)
{
    (void)job;
    raise(SIGKILL);
    return 0;
}

static void tell_of_begin(yk_job *job)
{
    if (yk_job_arg_len(job) == sizeof(word *))
        atomic_fetch_add(*(word **)yk_job_arg(job), 1);
}

int job_stop_self(yk_job *job)
{
    tell_of_begin(job);
    raise(SIGSTOP);
    return 0;
}

int job_spin(yk_job *job)
{
    tell_of_begin(job);
    for (volatile unsigned i = 0;; i++)
        ;
}

int job_ignore_term(yk_job *job)
{
    signal(SIGTERM, SIG_IGN);
    tell_of_begin(job);
    word never = 0;
    for (;;)
        word_wait_a_moment(&never, 0);
}
