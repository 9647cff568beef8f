/* A task that runs into the guard of its stack gets SIGSEGV, of which the core dump shows a stack
 * that no debugger connects with a task. So a handler, on a stack of its own, looks whether the
 * address lies in the running task's guard, and says whose it is. */
#include "overflow.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define HANDLER_STACK ((size_t)64 << 10)

static struct sigaction before;
static void *handler_stack;

static size_t append(char *line, size_t at, const char *text)
{
    size_t len = strlen(text);
    memcpy(line + at, text, len);
    return at + len;
}

void yk__task_report_overflow(const yk__task *task)
{
    char line[64 + YK__TASK_NAME];
    size_t n = append(line, 0, "yoke: stack overflow in task '");
    n = append(line, n, task->name);
    n = append(line, n, "'\n");
    ssize_t written = write(STDERR_FILENO, line, n);
    (void)written;
}

static void die_by_default(int sig)
{
    struct sigaction def = { .sa_handler = SIG_DFL };
    sigaction(sig, &def, NULL);
    /* The instruction is tried again, and this time the signal is not caught. */
}

static void on_segv(int sig, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    const yk_loop *loop = yk__loop_here;
    const yk__task *task = loop ? loop->running : NULL;
    if (task && task->stack && yk__stack_guard_hit(task->stack, info->si_addr)) {
        yk__task_report_overflow(task);
        die_by_default(sig);
    } else if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(sig, info, context);
    } else if (before.sa_handler == SIG_DFL || before.sa_handler == SIG_IGN) {
        die_by_default(sig);
    } else {
        before.sa_handler(sig);
    }
    errno = saved_errno;
}

/* A thread that has a stack for its handlers keeps it. */
static int give_handler_stack(void)
{
    stack_t now;
    if (sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE))
        return 0;
    handler_stack = malloc(HANDLER_STACK);
    if (!handler_stack)
        return UV_ENOMEM;
    stack_t ours = { .ss_sp = handler_stack, .ss_size = HANDLER_STACK };
    return sigaltstack(&ours, NULL) ? -errno : 0;
}

static void take_handler_stack(void)
{
    if (!handler_stack)
        return;
    stack_t none = { .ss_flags = SS_DISABLE };
    sigaltstack(&none, NULL);
    free(handler_stack);
    handler_stack = NULL;
}

int yk__overflow_watch(void)
{
    int err = give_handler_stack();
    struct sigaction action = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigemptyset(&action.sa_mask);
    if (!err && sigaction(SIGSEGV, &action, &before) != 0)
        err = -errno;
    if (err)
        take_handler_stack();
    return err;
}

void yk__overflow_unwatch(void)
{
    struct sigaction now;
    /* Somebody who came after us, and may call us, is not taken out. */
    if (sigaction(SIGSEGV, NULL, &now) != 0 || now.sa_sigaction != on_segv)
        return;
    sigaction(SIGSEGV, &before, NULL);
    take_handler_stack();
}
