/* In the parent: what a dead worker left, as an error that somebody can read. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"
#include "promise.h"

struct yk__crash {
    int signal, code, sender;
    bool overflowed;
    uint64_t address;
    uint32_t n_frames;
    yk__crash_frame frames[YK__CRASH_FRAMES];
    char paths[YK__CRASH_PATHS];
    _Atomic(char *) text; /* what the frames are called; release by who made it first */
};

/* ---- The copy ------------------------------------------------------------------------------- */

/* The worker is gone, but whatever it has written is untrusted: nothing is read twice. */
static void make_printable(char *paths, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((paths[i] > 0 && paths[i] < ' ') || paths[i] == 0x7f)
            paths[i] = '?';
}

static void copy_frames(yk__crash *crash, const yk__crash_record *record)
{
    uint32_t n = atomic_load_explicit(&record->n_frames, memory_order_acquire);
    if (n > YK__CRASH_FRAMES)
        return;
    memcpy(crash->frames, record->frames, n * sizeof *crash->frames);
    memcpy(crash->paths, record->paths, sizeof crash->paths);
    crash->paths[0] = crash->paths[sizeof crash->paths - 1] = '\0';
    make_printable(crash->paths, sizeof crash->paths);
    for (uint32_t i = 0; i < n; i++)
        if (crash->frames[i].path >= sizeof crash->paths)
            return;
    crash->n_frames = n;
}

yk__crash *yk__crash_copy(const yk__crash_record *record, int signal)
{
    uint32_t its_word = atomic_load_explicit(&record->signal, memory_order_acquire);
    if (its_word == 0 || its_word >= NSIG || (signal != 0 && its_word != (uint32_t)signal))
        return NULL;
    yk__crash *crash = calloc(1, sizeof *crash);
    if (!crash)
        return NULL;
    crash->signal = (int)its_word;
    crash->code = record->code;
    crash->sender = record->sender;
    crash->address = record->address;
    crash->overflowed = atomic_load_explicit(&record->overflowed, memory_order_relaxed) == 1;
    copy_frames(crash, record);
    return crash;
}

void yk__crash_record_of(const yk__crash *crash, yk__crash_record *record)
{
    memset(record, 0, sizeof *record);
    record->code = crash->code;
    record->sender = crash->sender;
    record->address = crash->address;
    memcpy(record->frames, crash->frames, sizeof record->frames);
    memcpy(record->paths, crash->paths, sizeof record->paths);
    atomic_store_explicit(&record->overflowed, crash->overflowed, memory_order_relaxed);
    atomic_store_explicit(&record->n_frames, crash->n_frames, memory_order_relaxed);
    atomic_store_explicit(&record->signal, (uint32_t)crash->signal, memory_order_relaxed);
}

void yk__crash_free(yk__crash *crash)
{
    if (!crash)
        return;
    free(atomic_load_explicit(&crash->text, memory_order_acquire));
    free(crash);
}

/* ---- One line ------------------------------------------------------------------------------- */

static const char *reason_of(const yk__crash *crash)
{
    static const struct {
        int signal, code;
        const char *says;
    } reasons[] = {
        { SIGFPE, FPE_INTDIV, ", a division by zero" },
        { SIGFPE, FPE_INTOVF, ", an integer overflow" },
        { SIGFPE, FPE_FLTDIV, ", a division by zero" },
        { SIGILL, ILL_ILLOPC, ", an illegal instruction" },
        { SIGILL, ILL_ILLOPN, ", an illegal instruction" },
        { SIGBUS, BUS_ADRALN, ", a misaligned access" },
        { SIGSEGV, SEGV_ACCERR, ", memory that is not for that" },
        { SIGSEGV, SI_KERNEL, ", an address that no memory has" },
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].signal == crash->signal && reasons[i].code == crash->code)
            return reasons[i].says;
    return "";
}

/* Whether the fault has an address, which may be 0. */
static bool has_address(const yk__crash *crash)
{
    bool of_memory = crash->signal == SIGSEGV || crash->signal == SIGBUS;
    return of_memory && crash->code > 0 && crash->code != SI_KERNEL;
}

static void describe_crash(const yk__death *d, const char *label, char *text, size_t size)
{
    const yk__crash *crash = d->crash;
    const char *name = sigabbrev_np(crash->signal);
    char where[64] = "";
    name = name ? name : "?";
    if (has_address(crash))
        snprintf(where, sizeof where, " at address 0x%llx", (unsigned long long)crash->address);
    else if (crash->code <= 0 && crash->sender > 0 && d->pid > 0 && crash->sender != d->pid)
        snprintf(where, sizeof where, " from process %d", crash->sender);
    if (crash->overflowed)
        snprintf(text, size, "%s died of a stack overflow, SIG%s%s (worker %u)", label, name, where,
                 d->worker);
    else
        snprintf(text, size, "%s died of SIG%s%s%s (worker %u)", label, name, where,
                 reason_of(crash), d->worker);
}

/* Those that a program brings on itself. */
static bool is_fault(int signal)
{
    return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE || signal == SIGILL ||
           signal == SIGABRT || signal == SIGTRAP || signal == SIGSYS;
}

void yk__death_describe(const yk__death *d, const char *label, char *text, size_t size)
{
    const char *name = sigabbrev_np(d->signal);
    if (d->crash)
        describe_crash(d, label, text, size);
    else if (d->signal)
        snprintf(text, size, "%s %s SIG%s%s (worker %u)", label,
                 is_fault(d->signal) ? "died of" : "was killed by", name ? name : "?",
                 d->out_of_memory ? ", probably out of memory" : "", d->worker);
    else if (d->exit_status >= 0)
        snprintf(text, size, "%s exited with status %d (worker %u)", label, d->exit_status,
                 d->worker);
    else
        snprintf(text, size, "%s died with its process, nobody knows of what (worker %u)", label,
                 d->worker);
}

/* ---- The error ------------------------------------------------------------------------------ */

yk_error *yk__death_error(yk__death *d, const char *message, const char *name)
{
    yk_error *error = yk__error_named(YK_ECRASHED, name, message);
    if (error->code != YK_ECRASHED) { /* there was no memory for one of its own */
        yk__crash_free(d->crash);
        d->crash = NULL;
        return error;
    }
    error->signal = d->crash ? d->crash->signal : d->signal;
    error->exit_status = d->exit_status >= 0 ? d->exit_status : 0;
    error->crash = d->crash;
    if (d->crash)
        error->fault_address = (void *)(uintptr_t)d->crash->address; /* NOLINT */
    d->crash = NULL;
    return error;
}

const char *yk_error_backtrace(const yk_error *error)
{
    yk__crash *crash = error ? error->crash : NULL;
    if (!crash || crash->n_frames == 0)
        return NULL;
    char *text = atomic_load_explicit(&crash->text, memory_order_acquire);
    if (text)
        return text;
    char *mine = yk__symbolize(crash->frames, crash->n_frames, crash->paths);
    /* Whoever is first has made it for all. */
    if (atomic_compare_exchange_strong_explicit(&crash->text, &text, mine, memory_order_acq_rel,
                                                memory_order_acquire))
        return mine;
    free(mine);
    return text;
}
