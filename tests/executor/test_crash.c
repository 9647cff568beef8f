/* What a crashed worker leaves behind: where it crashed, of what, and who called. */
#include "faults.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <uv.h>

#include "executor/crash.h"
#include "executor/promise.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

/* What is to fault as it stands, in a frame of its own. */
#define CULPRIT __attribute__((noinline, noclone, no_sanitize("address", "undefined", "thread")))

/* Without libdw only exported functions have names. */
#ifdef TEST_HAS_LIBDW
#define NAMES true
#else
#define NAMES false
#endif

static volatile uintptr_t used; /* keeps a call from being the last thing that its caller does */

static void no_core_file(void)
{
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
}

/* ---- Looking at an error -------------------------------------------------------------------- */

static void assert_says(const char *text, const char *what)
{
    if (!text || !strstr(text, what))
        fail_msg("'%s' does not say '%s'", text ? text : "(nothing)", what);
}

/* The backtrace has a line that begins with this function's name. */
static void assert_passed(const yk_error *e, const char *function)
{
    const char *text = yk_error_backtrace(e);
    size_t len = strlen(function);
    if (!NAMES)
        return;
    for (const char *line = text; line && *line; line = strchr(line, '\n') + 1)
        if (strncmp(line, function, len) == 0 && line[len] == ' ')
            return;
    fail_msg("%s: '%s' is not in:\n%s", e->message, function, text ? text : "(nothing)");
}

static yk_future *crash(const backend *b, yk_executor *ex, yk_job_fn fn, const char *name)
{
    yk_future *f = backend_submit_opts(b, ex, fn, NULL, 0, (yk_job_options){ .name = name });
    assert_int_equal(yk_await(f), YK_ECRASHED);
    return f;
}

static size_t lines_in(const char *text)
{
    size_t n = 0;
    for (; text && *text; text++)
        n += *text == '\n';
    return n;
}

/* ---- P04: a fault --------------------------------------------------------------------------- */

CULPRIT static int parse_header(volatile int *header)
{
    used = *(volatile unsigned char *)header;
    return (int)used;
}

CULPRIT static int decode(volatile int *data)
{
    used = (uintptr_t)parse_header(data) + 1;
    return (int)used;
}

static int job_decode(yk_job *job)
{
    no_core_file();
    int n = decode((volatile int *)0x10);
    return n + (yk_job_arg(job) != NULL);
}

static void says_where(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *f = crash(b, ex, job_decode, "decode");
    const yk_error *e = yk_future_error(f);
    assert_string_equal(e->message, "job 'decode' died of SIGSEGV at address 0x10 (worker 0)");
    assert_string_equal(e->job, "decode");
    assert_int_equal(e->signal, SIGSEGV);
    assert_int_equal(e->exit_status, 0);
    assert_ptr_equal(e->fault_address, (void *)0x10);
    backend_close(ex); /* the error outlives its executor */
    const char *text = yk_error_backtrace(e);
    assert_in_range(lines_in(text), 3, YK__CRASH_FRAMES);
    assert_passed(e, "parse_header");
    assert_passed(e, "decode");
    assert_passed(e, "job_decode");
    if (NAMES) { /* and no more than that: what is below a job is of no interest */
        assert_int_equal(lines_in(text), 3);
        assert_int_equal(strncmp(text, "parse_header (test_crash.c:", 27), 0);
    }
    assert_ptr_equal(yk_error_backtrace(e), text);
    yk_future_unref(f);
}

static void test_P04_a_segfault_says_where_it_was(void **state)
{
    (void)state;
    on_processes(says_where);
}

static void test_an_error_that_is_no_crash_has_no_backtrace(void **state)
{
    (void)state;
    assert_null(yk_error_backtrace(NULL));
    yk_executor *ex = yk_thread_pool(.workers = 1);
    yk_future *f = yk_submit_with(ex, job_fail, NULL, 0, .name = "fails");
    assert_int_equal(yk_await(f), UV_EINVAL);
    assert_null(yk_error_backtrace(yk_future_error(f)));
    assert_null(yk_future_error(f)->job);
    assert_null(yk_future_error(f)->fault_address);
    yk_future_unref(f);
    yk_executor_close(ex);
}

/* A null pointer is called: there is no function, but there is a caller. */
CULPRIT static int call_back(int (*volatile fn)(void))
{
    used = (uintptr_t)fn() + 1;
    return (int)used;
}

static int job_calls_nothing(yk_job *job)
{
    no_core_file();
    int n = call_back(NULL);
    return n + (yk_job_arg(job) != NULL);
}

static int job_wild_address(yk_job *job)
{
    no_core_file();
    used = *(volatile unsigned char *)(uintptr_t)0x4141414141414141;
    return yk_job_arg(job) != NULL;
}

/* Writes over the frames of its callers, and returns into nowhere. */
CULPRIT static int smash(volatile uintptr_t *up)
{
    for (int i = 0; i < 64; i++)
        up[i] = 0x4141414141414141;
    return 1;
}

CULPRIT static int job_smashes_its_stack(yk_job *job)
{
    (void)job;
    no_core_file();
    volatile uintptr_t here[2] = { 0, 0 };
    used = (uintptr_t)smash(here);
    return (int)used;
}

static void faults_of_all_kinds(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *f = crash(b, ex, job_calls_nothing, NULL);
    const yk_error *e = yk_future_error(f);
    assert_string_equal(e->message, "the job died of SIGSEGV at address 0x0 (worker 0)");
    assert_null(e->job);
    assert_passed(e, "??");
    assert_passed(e, "call_back");
    assert_passed(e, "job_calls_nothing");
    yk_future_unref(f);
    if (!SANITIZED) { /* which look at the address first, and fault themselves */
        f = crash(b, ex, job_wild_address, NULL);
        e = yk_future_error(f);
        assert_int_equal(e->signal, SIGSEGV);
        assert_null(e->fault_address);
        assert_passed(e, "job_wild_address");
        yk_future_unref(f);
    }
    f = crash(b, ex, job_smashes_its_stack, NULL);
    assert_int_equal(yk_future_error(f)->signal, SIGSEGV);
    assert_passed(yk_future_error(f), "job_smashes_its_stack");
    yk_future_unref(f);
    assert_works(b, ex);
    backend_close(ex);
}

/* Valgrind's processor is not the machine's: wild jumps, ends of stacks and lost pages look
 * otherwise, and it keeps signals that mean a fault, and were sent, to itself. */
static bool own_faults(void)
{
    bool own = support_under_valgrind();
    if (own)
        print_message("skipped: valgrind has faults of its own\n");
    return own;
}

static void test_P04_wild_calls_and_smashed_stacks(void **state)
{
    (void)state;
    if (!own_faults())
        on_processes(faults_of_all_kinds);
}

/* The heap is in pieces when the allocator notices, with its lock held. */
static int job_ruins_the_heap(yk_job *job)
{
    no_core_file();
    close(2); /* where the C library would say so too */
    char *volatile p = malloc(40);
    for (int i = -16; i < 4000; i++)
        p[i] = 'A';
    char *volatile q = malloc(2000);
    free(q);
    free(p);
    for (int i = 0; i < 100; i++)
        used = (uintptr_t)malloc(100000);
    return yk_job_arg(job) != NULL;
}

static void with_a_ruined_heap(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    for (int i = 0; i < 5; i++) {
        yk_future *f = crash(b, ex, job_ruins_the_heap, "ruin");
        const yk_error *e = yk_future_error(f);
        assert_true(e->signal == SIGABRT || e->signal == SIGSEGV);
        assert_passed(e, "job_ruins_the_heap");
        yk_future_unref(f);
    }
    backend_close(ex);
}

static void test_P04_a_ruined_heap_does_not_keep_it_from_telling(void **state)
{
    (void)state;
    if (SANITIZED || support_under_valgrind()) {
        print_message("skipped: the allocator is another one here\n");
        return;
    }
    on_processes(with_a_ruined_heap);
}

/* ---- P05, P06 ------------------------------------------------------------------------------- */

CULPRIT static int check_invariant(int n)
{
    if (n < 1)
        abort();
    return n;
}

static int job_asserts(yk_job *job)
{
    no_core_file();
    used = (uintptr_t)check_invariant((int)yk_job_arg_len(job));
    return (int)used;
}

static void aborts(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *f = crash(b, ex, job_asserts, "assert");
    const yk_error *e = yk_future_error(f);
    assert_string_equal(e->message, "job 'assert' died of SIGABRT (worker 0)");
    assert_int_equal(e->signal, SIGABRT);
    assert_null(e->fault_address);
    assert_passed(e, "check_invariant");
    assert_passed(e, "job_asserts");
    yk_future_unref(f);
    backend_close(ex);
}

static void test_P05_an_abort_says_who_called_it(void **state)
{
    (void)state;
    on_processes(aborts);
}

static void exits(const backend *b)
{
    static const struct {
        yk_job_fn fn;
        int status;
        const char *message;
    } cases[] = {
        { job_exit_0, 0, "job 'exit' exited with status 0 (worker 0)" },
        { job_exit_1, 1, "job 'exit' exited with status 1 (worker 0)" },
        { job__exit_99, 99, "job 'exit' exited with status 99 (worker 0)" },
    };
    yk_executor *ex = OPEN(b, .workers = 1);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        yk_future *f = crash(b, ex, cases[i].fn, "exit");
        const yk_error *e = yk_future_error(f);
        assert_string_equal(e->message, cases[i].message);
        assert_string_equal(e->job, "exit");
        assert_int_equal(e->signal, 0);
        assert_int_equal(e->exit_status, cases[i].status);
        assert_null(e->fault_address);
        assert_null(yk_error_backtrace(e));
        yk_future_unref(f);
    }
    backend_close(ex);
}

static void test_P06_an_exit_names_its_status(void **state)
{
    (void)state;
    on_processes(exits);
}

/* ---- P08: the end of the stack -------------------------------------------------------------- */

CULPRIT static uintptr_t recurse(uintptr_t depth)
{
    volatile char frame[3000];
    frame[depth % sizeof frame] = (char)depth;
    if (depth == UINTPTR_MAX)
        return 0;
    return recurse(depth + 1) + (uintptr_t)frame[depth % sizeof frame];
}

static int job_recurses(yk_job *job)
{
    no_core_file();
    /* Wherever this runs, also where stacks have no limit. */
    struct rlimit limit;
    getrlimit(RLIMIT_STACK, &limit);
    limit.rlim_cur = 2 << 20;
    setrlimit(RLIMIT_STACK, &limit);
    used = recurse((uintptr_t)yk_job_arg(job) & 1);
    return 0;
}

/* One frame that is larger than what is left of the stack. */
CULPRIT static int job_wants_a_large_frame(yk_job *job)
{
    volatile char frame[64 << 20];
    no_core_file();
    frame[yk_job_arg_len(job)] = 1;
    return frame[0];
}

/* On a stack of its own, as coroutines have, with a guard page. */
static void enter_recursion(void)
{
    used = recurse(0);
}

static int job_recurses_on_another_stack(yk_job *job)
{
    no_core_file();
    char *stack = mmap(NULL, 3 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(stack, 1 << 16, PROT_NONE);
    ucontext_t here, there;
    getcontext(&there);
    there.uc_stack.ss_sp = stack + (1 << 16);
    there.uc_stack.ss_size = 2 << 16;
    there.uc_link = &here;
    makecontext(&there, enter_recursion, 0);
    swapcontext(&here, &there);
    return yk_job_arg(job) != NULL;
}

static void overflows(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_job_fn fns[] = { job_recurses, SANITIZED ? job_recurses : job_recurses_on_another_stack };
    for (size_t i = 0; i < COUNT_OF(fns); i++) {
        yk_future *f = crash(b, ex, fns[i], "deep");
        const yk_error *e = yk_future_error(f);
        assert_says(e->message, "job 'deep' died of a stack overflow, SIGSEGV at address 0x");
        assert_int_equal(e->signal, SIGSEGV);
        assert_non_null(e->fault_address);
        assert_passed(e, "recurse");
        assert_int_equal(lines_in(yk_error_backtrace(e)), YK__CRASH_FRAMES);
        yk_future_unref(f);
    }
    backend_close(ex);
}

static void test_P08_a_stack_overflow_is_called_one(void **state)
{
    (void)state;
    if (!own_faults())
        on_processes(overflows);
}

/* Memory that may not be touched is not always the end of a stack. */
static int job_touches_a_guard(yk_job *job)
{
    no_core_file();
    char *page = mmap(NULL, 1 << 16, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    used = (uintptr_t)parse_header((volatile int *)(page + (1 << 16) - 16));
    return yk_job_arg(job) != NULL;
}

static void other_guards(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *f = crash(b, ex, job_touches_a_guard, "guard");
    const char *message = yk_future_error(f)->message;
    assert_says(message, "job 'guard' died of SIGSEGV at address 0x");
    assert_says(message, ", memory that is not for that (worker 0)");
    assert_null(strstr(message, "overflow"));
    yk_future_unref(f);
    f = crash(b, ex, job_wants_a_large_frame, "large");
    assert_int_equal(yk_future_error(f)->signal, SIGSEGV);
    yk_future_unref(f);
    backend_close(ex);
}

static void test_P08_other_faults_are_not(void **state)
{
    (void)state;
    on_processes(other_guards);
}

/* ---- P09: the other signals ----------------------------------------------------------------- */

CULPRIT static int divide(volatile int n)
{
#ifdef __x86_64__
    return 7 / n;
#else
    return n + raise(SIGFPE); /* where a division by zero is none */
#endif
}

static int job_divides(yk_job *job)
{
    no_core_file();
    used = (uintptr_t)divide((int)yk_job_arg_len(job));
    return (int)used;
}

CULPRIT static int run_into_data(void)
{
    __builtin_trap();
}

static int job_illegal(yk_job *job)
{
    no_core_file();
    used = (uintptr_t)run_into_data();
    return yk_job_arg(job) != NULL;
}

/* Reads a file's page that is not there any more. */
static int job_bus(yk_job *job)
{
    no_core_file();
    int fd = memfd_create("short", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 8192))
        return UV_EIO;
    char *at = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);
    if (ftruncate(fd, 0))
        return UV_EIO;
    used = (uintptr_t)parse_header((volatile int *)(at + 4096));
    return yk_job_arg(job) != NULL;
}

static int job_trap(yk_job *job)
{
    no_core_file();
    used = (uintptr_t)raise(SIGTRAP);
    return yk_job_arg(job) != NULL;
}

static int job_sys(yk_job *job)
{
    no_core_file();
    used = (uintptr_t)raise(SIGSYS);
    return yk_job_arg(job) != NULL;
}

static void other_signals(const backend *b)
{
    static const struct {
        yk_job_fn fn;
        int signal;
        const char *says, *function;
    } cases[] = {
        { job_divides, SIGFPE, "job 'bad' died of SIGFPE", "divide" },
        { job_illegal, SIGILL, "job 'bad' died of SIGILL", "run_into_data" },
        { job_bus, SIGBUS, "job 'bad' died of SIGBUS at address 0x", "parse_header" },
        { job_trap, SIGTRAP, "job 'bad' died of SIGTRAP (worker 0)", "job_trap" },
        { job_sys, SIGSYS, "job 'bad' died of SIGSYS (worker 0)", "job_sys" },
    };
    yk_executor *ex = OPEN(b, .workers = 1);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        yk_future *f = crash(b, ex, cases[i].fn, "bad");
        const yk_error *e = yk_future_error(f);
        assert_int_equal(e->signal, cases[i].signal);
        assert_says(e->message, cases[i].says);
        assert_passed(e, cases[i].function);
        yk_future_unref(f);
    }
    assert_works(b, ex);
    backend_close(ex);
}

static void test_P09_fpe_ill_bus_trap_and_sys(void **state)
{
    (void)state;
    if (!own_faults())
        on_processes(other_signals);
}

/* ---- Handlers, threads and children of the job's -------------------------------------------- */

static void leave_with_7(int sig)
{
    (void)sig;
    _exit(7);
}

static int job_handles_it_and_exits(yk_job *job)
{
    signal(SIGSEGV, leave_with_7);
    return parse_header((volatile int *)8) + (yk_job_arg(job) != NULL);
}

static sigjmp_buf back;

static void jump_back(int sig)
{
    (void)sig;
    siglongjmp(back, 1);
}

static int job_handles_it_and_goes_on(yk_job *job)
{
    signal(SIGSEGV, jump_back);
    if (sigsetjmp(back, 1) == 0)
        return parse_header((volatile int *)8);
    int out = 49;
    return yk_job_return(job, &out, sizeof out);
}

static void own_handlers(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *f = crash(b, ex, job_handles_it_and_exits, NULL);
    assert_int_equal(yk_future_error(f)->exit_status, 7);
    assert_null(yk_error_backtrace(yk_future_error(f)));
    yk_future_unref(f);
    if (!SANITIZED) {
        f = backend_submit(b, ex, job_handles_it_and_goes_on, NULL, 0);
        assert_int_equal(yk_await(f), 0);
        yk_future_unref(f);
    }
    assert_works(b, ex);
    backend_close(ex);
}

static void test_P04_a_jobs_own_handler_is_left_alone(void **state)
{
    (void)state;
    on_processes(own_handlers);
}

CULPRIT static void *thread_that_faults(void *arg)
{
    pthread_barrier_wait(arg);
    used = (uintptr_t)parse_header((volatile int *)0x20);
    return NULL;
}

/* Several at once: one of them tells. */
static int job_whose_threads_fault(yk_job *job)
{
    enum { N = 4 };
    no_core_file();
    pthread_t threads[N];
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, N);
    for (int i = 0; i < N; i++)
        if (pthread_create(&threads[i], NULL, thread_that_faults, &barrier))
            return UV_EAGAIN;
    for (int i = 0; i < N; i++)
        pthread_join(threads[i], NULL);
    return yk_job_arg(job) != NULL;
}

static void threads_fault(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 2);
    for (size_t i = 0; i < 2 + support_rounds(10); i++) {
        yk_future *f = crash(b, ex, job_whose_threads_fault, NULL);
        const yk_error *e = yk_future_error(f);
        assert_int_equal(e->signal, SIGSEGV);
        assert_ptr_equal(e->fault_address, (void *)0x20);
        assert_passed(e, "thread_that_faults");
        yk_future_unref(f);
    }
    backend_close(ex);
}

static void test_P04_threads_of_a_job_fault(void **state)
{
    (void)state;
    on_processes(threads_fault);
}

/* What a child of a job dies of is not what the worker dies of. */
static int job_whose_child_faults(yk_job *job)
{
    no_core_file();
    pid_t pid = fork();
    if (pid == 0)
        _exit(parse_header((volatile int *)8));
    int status = 0;
    if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGSEGV)
        return UV_EIO;
    raise(SIGKILL);
    return yk_job_arg(job) != NULL;
}

static void child_faults(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    yk_future *f = crash(b, ex, job_whose_child_faults, "family");
    const yk_error *e = yk_future_error(f);
    assert_string_equal(e->message, "job 'family' was killed by SIGKILL (worker 0)");
    assert_null(yk_error_backtrace(e));
    yk_future_unref(f);
    backend_close(ex);
}

static void test_P36_a_childs_crash_is_not_the_workers(void **state)
{
    (void)state;
    on_processes(child_faults);
}

/* From outside. */
static void killed_by_another(const backend *b)
{
    yk_executor *ex = OPEN(b, .workers = 1);
    word *w = words_new(2);
    struct pid_block arg = { { .begun = &w[0] }, (_Atomic pid_t *)&w[1] };
    yk_future *f = backend_submit(b, ex, job_pid_block, &arg, sizeof arg);
    eventually(word_get(&w[0]) == 1);
    kill((pid_t)word_get(&w[1]), SIGBUS);
    assert_int_equal(yk_await(f), YK_ECRASHED);
    char expected[100];
    snprintf(expected, sizeof expected, "the job died of SIGBUS from process %d (worker 0)",
             (int)getpid());
    assert_string_equal(yk_future_error(f)->message, expected);
    assert_passed(yk_future_error(f), "job_block");
    yk_future_unref(f);
    backend_close(ex);
    yk_arena_free(w);
}

static void test_P02_a_fault_that_was_sent_names_the_sender(void **state)
{
    (void)state;
    if (own_faults())
        return;
    on_processes(killed_by_another);
}

/* ---- Many ask at once ----------------------------------------------------------------------- */

static void *ask(void *arg)
{
    const yk_error *const *errors = arg;
    uintptr_t sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (uintptr_t)yk_error_backtrace(errors[i]);
    return (void *)sum; /* NOLINT */
}

static void asked_by_many(const backend *b)
{
    enum { N = 4 };
    yk_executor *ex = OPEN(b, .workers = 2);
    yk_future *f[N];
    const yk_error *errors[N];
    uintptr_t sum = 0;
    pthread_t threads[N];
    for (int i = 0; i < N; i++) {
        f[i] = crash(b, ex, job_decode, NULL);
        errors[i] = yk_future_error(f[i]);
    }
    for (int i = 0; i < N; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, errors), 0);
    for (int i = 0; i < N; i++)
        sum += (uintptr_t)yk_error_backtrace(errors[i]);
    for (int i = 0; i < N; i++) {
        void *theirs;
        pthread_join(threads[i], &theirs);
        assert_int_equal((uintptr_t)theirs, sum); /* the same text for all */
    }
    for (int i = 0; i < N; i++)
        yk_future_unref(f[i]);
    backend_close(ex);
}

static void test_P03_a_backtrace_is_made_once_for_all(void **state)
{
    (void)state;
    on_processes(asked_by_many);
}

/* ---- What the parent makes of any record ---------------------------------------------------- */

static void test_P04_a_record_of_nonsense_is_harmless(void **state)
{
    (void)state;
    yk__crash_record *r = calloc(1, sizeof *r);
    assert_non_null(r);
    assert_null(yk__crash_copy(r, SIGSEGV)); /* there is none */
    atomic_store(&r->signal, SIGBUS);
    assert_null(yk__crash_copy(r, SIGSEGV)); /* it is not about this death */
    atomic_store(&r->signal, 0x80000000u + SIGSEGV);
    assert_null(yk__crash_copy(r, 0));
    unsigned seed = 1;
    for (size_t round = 0; round < support_rounds(200); round++) {
        unsigned char *bytes = (unsigned char *)r;
        for (size_t i = 0; i < sizeof *r; i++)
            bytes[i] = (unsigned char)(rand_r(&seed) >> 8);
        atomic_store(&r->signal, SIGSEGV);
        atomic_store(&r->n_frames, round % 3 ? round % 40 : 32);
        for (size_t i = 0; i < YK__CRASH_FRAMES && round % 2; i++)
            r->frames[i].path %= YK__CRASH_PATHS;
        if (round % 5 == 0) { /* a path that exists, and is not this program's business */
            memcpy(r->paths, "\0/dev/zero", 11);
            r->frames[0] = (yk__crash_frame){ 0x1000, 0x10, 1, 0 };
        }
        yk__death d = { .signal = SIGSEGV, .crash = yk__crash_copy(r, SIGSEGV) };
        assert_non_null(d.crash);
        char text[192];
        yk__death_describe(&d, "job 'x'", text, sizeof text);
        assert_null(strchr(text, '\n'));
        yk_error *e = yk__death_error(&d, text, "x");
        const char *trace = yk_error_backtrace(e);
        for (const char *c = trace; c && *c; c++)
            assert_true(*c == '\n' || (unsigned char)*c >= ' ');
        yk__error_free(e);
    }
    free(r);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_P04_a_segfault_says_where_it_was),
        TEST(test_an_error_that_is_no_crash_has_no_backtrace),
        TEST(test_P04_wild_calls_and_smashed_stacks),
        TEST(test_P04_a_ruined_heap_does_not_keep_it_from_telling),
        TEST(test_P05_an_abort_says_who_called_it),
        TEST(test_P06_an_exit_names_its_status),
        TEST(test_P08_a_stack_overflow_is_called_one),
        TEST(test_P08_other_faults_are_not),
        TEST(test_P09_fpe_ill_bus_trap_and_sys),
        TEST(test_P04_a_jobs_own_handler_is_left_alone),
        TEST(test_P04_threads_of_a_job_fault),
        TEST(test_P36_a_childs_crash_is_not_the_workers),
        TEST(test_P02_a_fault_that_was_sent_names_the_sender),
        TEST(test_P03_a_backtrace_is_made_once_for_all),
        TEST(test_P04_a_record_of_nonsense_is_harmless),
    };
    return RUN_TESTS("crash", tests);
}
