/* The signal that gets a thread out of a system call. */
#include "interrupt.h"

#include <stddef.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int chosen; /* 0: none is free. Written once */

static void arrive(int sig)
{
    (void)sig;
}

static bool is_default(int sig)
{
    struct sigaction now;
    return sigaction(sig, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
           now.sa_handler == SIG_DFL;
}

/* A signal that the caller blocks may be one that somebody waits for with sigwait(). */
static int find_free(void)
{
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    for (int pass = 0; pass < 2; pass++)
        for (int sig = SIGRTMAX - 1; sig > SIGRTMIN; sig--)
            if (is_default(sig) && (pass == 1 || !sigismember(&blocked, sig)))
                return sig;
    return 0;
}

int yk__interrupt_take_signal(const struct sigaction *action)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    int sig = find_free();
    if (sig && sigaction(sig, action, NULL))
        sig = 0;
    pthread_mutex_unlock(&lock);
    return sig;
}

static void choose(void)
{
    struct sigaction action = { .sa_handler = arrive, .sa_flags = SA_ONSTACK };
    sigfillset(&action.sa_mask);
    chosen = yk__interrupt_take_signal(&action);
}

void yk__interrupt_mask(sigset_t *mask)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
    sigfillset(mask);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(mask, faults[i]);
}

void yk__interrupt_allow(sigset_t *mask)
{
    pthread_once(&once, choose);
    if (chosen)
        sigdelset(mask, chosen);
}

bool yk__interrupt_send(pthread_t thread)
{
    struct sigaction now;
    if (!chosen || sigaction(chosen, NULL, &now) || (now.sa_flags & SA_SIGINFO) ||
        now.sa_handler != arrive)
        return false;
    return pthread_kill(thread, chosen) == 0;
}
