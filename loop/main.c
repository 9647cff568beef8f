/* yk_main: a program that is one task.
 *
 * The signals that ask a program to end are handled here and not by a uv_signal_t, because the
 * second one must end the program even when the loop is stuck in a task that computes: the handler
 * itself does that. The first is posted to the loop, which costs the handler one compare-and-swap
 * and one write.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>

#include "../executor/init.h"
#include "internal.h"
#include "overflow.h"

static int args_count;
static char **args;

int yk_args(char ***argv)
{
    if (argv)
        *argv = args;
    return args_count;
}

void yk__set_args(int argc, char **argv)
{
    args_count = argc;
    args = argv;
}

/* ---- Signals --------------------------------------------------------------------------------- */

static const int signals[] = { SIGINT, SIGTERM };
#define SIGNALS (sizeof signals / sizeof signals[0])

/* Handlers may run on any thread; the main thread alone writes the first two. All sequentially
 * consistent: a handler counts itself, then looks for the loop; the main thread takes the loop
 * away, then waits until no handler is left that may have seen it. */
static _Atomic(yk_loop *) main_loop; /* NULL: there is nothing to cancel */
static yk_future *main_task;
static _Atomic int first_signal; /* 0: none yet */
static _Atomic int handlers;
static struct sigaction before[SIGNALS];

static void cancel_main_task(yk__post *post)
{
    (void)post;
    yk_future_cancel(main_task);
}

static yk__post cancel_post = { .run = cancel_main_task };

static void end_at_once(int sig)
{
    struct sigaction def = { .sa_handler = SIG_DFL };
    sigaction(sig, &def, NULL);
    raise(sig); /* delivered when the handler returns */
}

static void on_signal(int sig)
{
    int saved_errno = errno, none = 0;
    atomic_fetch_add(&handlers, 1);
    if (atomic_compare_exchange_strong(&first_signal, &none, sig)) {
        yk_loop *loop = atomic_load(&main_loop);
        if (loop)
            yk__loop_post(loop, &cancel_post);
    } else {
        end_at_once(sig);
    }
    atomic_fetch_sub(&handlers, 1);
    errno = saved_errno;
}

static void hide_from_handlers(void)
{
    atomic_store(&main_loop, NULL);
    while (atomic_load(&handlers) > 0)
        sched_yield();
}

static void catch_signals(void)
{
    for (size_t i = 0; i < SIGNALS; i++) {
        struct sigaction action = { .sa_handler = on_signal,
                                    /* not on a coroutine's small stack, where there is another */
                                    .sa_flags = SA_RESTART | SA_ONSTACK };
        sigemptyset(&action.sa_mask);
        sigaction(signals[i], NULL, &before[i]);
        /* Whoever started us with the signal ignored (nohup, a shell's background job) means it. */
        if (before[i].sa_handler != SIG_IGN)
            sigaction(signals[i], &action, NULL);
    }
}

static void release_signals(void)
{
    for (size_t i = 0; i < SIGNALS; i++)
        if (before[i].sa_handler != SIG_IGN)
            sigaction(signals[i], &before[i], NULL);
}

/* ---- The program ----------------------------------------------------------------------------- */

static int exit_status(const yk_future *task)
{
    const int *result = yk_future_result(task, NULL);
    if (result)
        return *result > 255 ? 255 : *result;
    int sig = atomic_load(&first_signal);
    return yk_future_state(task) == YK_CANCELLED && sig ? 128 + sig : 1;
}

static int run(yk_loop *loop, yk_task_fn app, void *arg)
{
    main_task = yk_task_start_with(app, arg, .name = "main");
    atomic_store(&main_loop, loop);
    catch_signals();
    yk_loop_run_until(loop, main_task);
    hide_from_handlers();
    return exit_status(main_task);
}

int yk_main(int argc, char **argv, yk_task_fn app, void *arg)
{
    yk__set_args(argc, argv);
    yk_init(); /* what it returns is said again by the first process pool */
    yk_loop *loop = yk_loop_new();
    if (!loop)
        return 1;
    yk__overflow_watch(); /* a crash without a name, at worst */
    int status = run(loop, app, arg);
    yk_loop_close(loop);
    release_signals();
    yk__overflow_unwatch();
    yk_future_unref(main_task);
    main_task = NULL;
    yk_fini();
    return status;
}
