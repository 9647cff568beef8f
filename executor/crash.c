/* In the worker: the handlers that tell how it dies.
 *
 * Everything here may run when the heap, the stack and every lock are in whatever state, so it does
 * nothing but system calls and plain memory. The unwinder is libgcc's: it allocates nothing and
 * takes no lock where the C library finds its tables without one (glibc from 2.35), but it believes
 * the stack that it reads, so it may fault or go astray. Therefore what is certain is published
 * first; and a fault in the handler, or an alarm when it takes too long, enters it once more, to go
 * on from there with the frames that it has.
 */
#include "crash.h"

#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "maps.h"

#define HANDLER_STACK ((size_t)128 << 10)
#define PATIENCE_S    2 /* for the handler */

static const int watched[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS };
#define N_WATCHED (sizeof watched / sizeof *watched)

enum { WALKING = 1, NAMING, DYING }; /* what the handler is at */

/* The worker's own: the first four are set before the handlers are, and only read by them; the rest
 * belongs to the thread that crashed first. */
static struct {
    yk__crash_record *record;
    uintptr_t base;
    pid_t pid;
    _Atomic int thread; /* the first that crashed; 0: none */
    int signal;
    int stage;
    uint32_t n_frames;
    uintptr_t skip_to; /* frames before this address are the handler's own; 0: no more of them */
} c;

/* ---- Registers ------------------------------------------------------------------------------ */

#if defined(__x86_64__)
static uintptr_t *pc_of(ucontext_t *u)
{
    return (uintptr_t *)&u->uc_mcontext.gregs[REG_RIP];
}
static uintptr_t *sp_of(ucontext_t *u)
{
    return (uintptr_t *)&u->uc_mcontext.gregs[REG_RSP];
}
/* Undoes a call of something that is no code: as if it had returned at once. */
static void return_at_once(ucontext_t *u)
{
    *pc_of(u) = *(const uintptr_t *)*sp_of(u);
    *sp_of(u) += sizeof(uintptr_t);
}
#elif defined(__aarch64__)
static uintptr_t *pc_of(ucontext_t *u)
{
    return (uintptr_t *)&u->uc_mcontext.pc;
}
static uintptr_t *sp_of(ucontext_t *u)
{
    return (uintptr_t *)&u->uc_mcontext.sp;
}
static void return_at_once(ucontext_t *u)
{
    *pc_of(u) = u->uc_mcontext.regs[30];
}
#else
#error "where does this processor keep its program counter?"
#endif

/* ---- Whether the stack is at its end -------------------------------------------------------- */

#define STACK_REACH ((uint64_t)1 << 20) /* how far below its stack a function may fault */

struct stack_question {
    uint64_t fault, sp;
    uint64_t guard_end; /* of the guard page that the fault is in; 0: it is in none */
    bool overflowed;
};

/* The stack is the first thing that is mapped above the fault, and the stack pointer is close to
 * its lower end or has left it. The main thread's grows by itself, so there the end is where its
 * limit is. */
static bool ask_mapping(const yk__mapping *m, void *arg)
{
    struct stack_question *q = arg;
    if (m->end <= q->fault)
        return true;
    if (m->start <= q->fault) {
        q->guard_end = m->readable || m->writable || m->executable ? 0 : m->end;
        return q->guard_end != 0;
    }
    bool beside = q->guard_end ? m->start == q->guard_end : m->start - q->fault <= STACK_REACH;
    bool at_end = q->sp + STACK_REACH > q->fault && q->sp < m->start + STACK_REACH / 8;
    if (!m->writable || !beside || !at_end)
        return false;
    if (strcmp(m->path, "[stack]") == 0) {
        struct rlimit limit = { 0, RLIM_INFINITY };
        getrlimit(RLIMIT_STACK, &limit);
        q->overflowed =
            limit.rlim_cur == RLIM_INFINITY || m->end - q->fault + STACK_REACH > limit.rlim_cur;
    } else {
        q->overflowed = q->guard_end != 0;
    }
    return false;
}

static bool overflowed(int sig, const siginfo_t *info, ucontext_t *u)
{
    if (sig != SIGSEGV || info->si_code <= 0)
        return false;
    struct stack_question q = { .fault = (uintptr_t)info->si_addr, .sp = *sp_of(u) };
    yk__maps_each(ask_mapping, &q);
    return q.overflowed;
}

/* ---- Frames --------------------------------------------------------------------------------- */

static _Unwind_Reason_Code visit(struct _Unwind_Context *at, void *arg)
{
    (void)arg;
    int exact = 0;
    uintptr_t ip = _Unwind_GetIPInfo(at, &exact);
    if (c.skip_to && ip != c.skip_to)
        return _URC_NO_REASON;
    c.skip_to = 0;
    if (c.n_frames == YK__CRASH_FRAMES || _Unwind_GetCFA(at) >= c.base)
        return _URC_END_OF_STACK;
    /* What is kept is an address inside of the call, not behind it. */
    c.record->frames[c.n_frames++] = (yk__crash_frame){ .address = exact || !ip ? ip : ip - 1 };
    return _URC_NO_REASON;
}

/* From where the signal came. Where a pointer to no function was called, there is nothing to unwind
 * at the address; what the caller did is known all the same. */
static void walk_stack(const siginfo_t *info, ucontext_t *u)
{
    uintptr_t pc = *pc_of(u), sp = *sp_of(u);
    if (info->si_code > 0 && (uintptr_t)info->si_addr == pc) {
        c.record->frames[c.n_frames++] = (yk__crash_frame){ .address = pc };
        return_at_once(u);
    }
    c.skip_to = *pc_of(u);
    _Unwind_Backtrace(visit, NULL);
    *pc_of(u) = pc;
    *sp_of(u) = sp;
}

struct naming {
    yk__crash_frame *frames;
    uint32_t n;
    char *paths;
    uint32_t used; /* of `paths` */
};

/* Where this path is among those kept, or is put now; 0: there is no more room. */
static uint32_t keep_path(struct naming *names, const char *path)
{
    size_t size = strlen(path) + 1;
    uint32_t at = 1;
    while (at < names->used) {
        if (strcmp(names->paths + at, path) == 0)
            return at;
        at += (uint32_t)strlen(names->paths + at) + 1;
    }
    if (size == 1 || size > YK__CRASH_PATHS - names->used)
        return 0;
    memcpy(names->paths + at, path, size);
    names->used += (uint32_t)size;
    return at;
}

static bool name_frames(const yk__mapping *m, void *arg)
{
    struct naming *names = arg;
    for (uint32_t i = 0; i < names->n; i++) {
        yk__crash_frame *f = &names->frames[i];
        if (f->address < m->start || f->address >= m->end)
            continue;
        f->offset = f->address - m->start + m->offset;
        f->path = keep_path(names, m->path);
    }
    return true;
}

void yk__crash_locate(yk__crash_frame *frames, uint32_t n, char *paths)
{
    struct naming names = { frames, n, paths, 1 };
    yk__maps_each(name_frames, &names);
}

static void publish_frames(void)
{
    yk__crash_locate(c.record->frames, c.n_frames, c.record->paths);
    atomic_store_explicit(&c.record->n_frames, c.n_frames, memory_order_release);
}

static void publish_signal(int sig, const siginfo_t *info)
{
    yk__crash_record *r = c.record;
    bool sent = info->si_code <= 0;
    r->code = info->si_code;
    r->sender = sent ? info->si_pid : 0;
    r->address = sent ? 0 : (uintptr_t)info->si_addr;
    atomic_store_explicit(&r->signal, (uint32_t)sig, memory_order_release);
}

/* ---- The handlers --------------------------------------------------------------------------- */

/* The signal waits until the handler returns, and then ends the process where it crashed. */
static void die_on_return(int sig)
{
    struct sigaction by_default = { .sa_handler = SIG_DFL };
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, sig);
    sigprocmask(SIG_BLOCK, &set, NULL);
    sigaction(sig, &by_default, NULL);
    syscall(SYS_tgkill, getpid(), (int)syscall(SYS_gettid), sig);
}

/* What stands behind the handler cannot be returned to. */
static void die_at_once(int sig)
{
    sigset_t set;
    die_on_return(sig);
    sigemptyset(&set);
    sigaddset(&set, sig);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* The handler itself has faulted, or takes too long. */
static void go_on_from_there(void)
{
    int stage = c.stage;
    c.stage = stage == WALKING ? NAMING : DYING;
    if (stage == WALKING)
        publish_frames();
    die_at_once(c.signal);
}

static void on_alarm(int sig)
{
    (void)sig;
    go_on_from_there();
}

static void expect_the_worst(void)
{
    struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_ONSTACK };
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < N_WATCHED; i++)
        sigaddset(&set, watched[i]);
    sigaction(SIGALRM, &action, NULL);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    alarm(PATIENCE_S);
}

static void on_crash(int sig, siginfo_t *info, void *context)
{
    if (getpid() != c.pid) { /* a process that the job has forked: not the worker's story */
        die_on_return(sig);
        return;
    }
    int me = (int)syscall(SYS_gettid), first = 0;
    if (!atomic_compare_exchange_strong(&c.thread, &first, me)) {
        if (first == me)
            go_on_from_there();
        for (;;)
            pause(); /* another thread of this process is about to end it */
    }
    c.signal = sig;
    c.stage = WALKING;
    publish_signal(sig, info);
    expect_the_worst();
    atomic_store_explicit(&c.record->overflowed, overflowed(sig, info, context),
                          memory_order_relaxed);
    walk_stack(info, context);
    c.stage = NAMING;
    publish_frames();
    c.stage = DYING;
    die_on_return(sig);
}

/* ---- Beginning ------------------------------------------------------------------------------ */

static _Unwind_Reason_Code stop_at_once(struct _Unwind_Context *at, void *arg)
{
    (void)at;
    (void)arg;
    return _URC_END_OF_STACK;
}

void yk__crash_prepare(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), least = getauxval(AT_MINSIGSTKSZ);
    size_t size = (HANDLER_STACK + least + page - 1) / page * page;
    char *stack = mmap(NULL, page + size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack != MAP_FAILED) { /* else handlers run on the stack there is */
        mprotect(stack, page, PROT_NONE);
        sigaltstack(&(stack_t){ .ss_sp = stack + page, .ss_size = size }, NULL);
    }
    _Unwind_Backtrace(stop_at_once, NULL);
}

void yk__crash_watch(yk__crash_record *record, const void *base)
{
    struct sigaction action = { .sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    c.record = record;
    c.base = (uintptr_t)base;
    c.pid = getpid();
    for (size_t i = 0; i < N_WATCHED; i++)
        sigaction(watched[i], &action, NULL);
}
