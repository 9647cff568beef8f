/* A program on yk_main, for test_main.c: what it does is its first argument. It says "ready" when a
 * signal may come. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>
#include <uv.h>

#include "executor/clock.h"
#include "loop/call.h"
#include "loop/loop.h"
#include "loop/signal.h"
#include "loop/terminal.h"

static void say(const char *text)
{
    puts(text);
    fflush(stdout);
}

static int returns(void *arg)
{
    (void)arg;
    char **argv;
    return yk_args(&argv) == 3 ? atoi(argv[2]) : 99;
}

static int do_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int say_ready(yk_future *f, void *arg)
{
    (void)f;
    (void)arg;
    say("ready");
    return 0;
}

/* Says "ready" when the main task sleeps, and from the loop's own stack: ThreadSanitizer delays
 * signals, and forgets one that comes on a coroutine's stack which is not entered again. */
static int waits(void *arg)
{
    yk_future *after_me = yk_task_start(do_nothing, arg);
    yk_future_on_end(after_me, say_ready, NULL);
    yk_future_unref(after_me);
    int err = yk_sleep_ms(600000);
    say(err == YK_ECANCELED ? "cancelled" : "not cancelled");
    return err;
}

static void say_it(void *text)
{
    say(text);
}

/* Takes Ctrl-C itself, twice, and then leaves it to yk_main again. It speaks when it sleeps, too.
 */
static int takes(void *arg)
{
    yk_signal *s;
    if (yk_signal_open(&s, SIGINT))
        return 1;
    yk_call_soon(say_it, (char *)"open", NULL);
    if (yk_signal_next(s, YK_FOREVER) != 1)
        return 2;
    yk_call_soon(say_it, (char *)"once", NULL);
    if (yk_signal_next(s, YK_FOREVER) != 1)
        return 3;
    yk_signal_close(s);
    return waits(arg);
}

static int catches(void *arg)
{
    return waits(arg) == YK_ECANCELED ? 5 : 6;
}

/* Never looks at its cancellation and never lets the loop run. */
static int computes(void *arg)
{
    (void)arg;
    say("ready");
    for (volatile int on = 1; on;)
        pause();
    return 0;
}

static int lingers(void *arg)
{
    (void)arg;
    int err = yk_sleep_ms(600000);
    say(err == YK_ECANCELED ? "leftover cancelled" : "leftover not cancelled");
    return err;
}

static int leaves_a_task(void *arg)
{
    (void)arg;
    yk_future_unref(yk_task_start(lingers, NULL));
    yk_yield();
    return 4;
}

static int cancelled_without_a_signal(void *arg)
{
    (void)arg;
    yk_future_cancel(yk_task_current());
    return yk_sleep_ms(600000);
}

__attribute__((noinline)) static int recurse(int depth)
{
    volatile char room[1000];
    memset((char *)room, depth, sizeof room);
    return depth > 0 ? recurse(depth + 1) + room[depth % 1000] : 0;
}

static int overflows_here(void *arg)
{
    (void)arg;
    return recurse(1);
}

static int overflows(void *arg)
{
    yk_future *task = yk_task_start_with(overflows_here, arg, .name = "deep one");
    yk_await(task);
    yk_future_unref(task);
    return 0;
}

static int crashes(void *arg)
{
    (void)arg;
    char *forbidden =
        mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    *(volatile char *)forbidden = 1;
    return 0;
}

/* Makes its terminal raw, and closes what it did it with. */
static int leaves_it_raw(void *arg)
{
    (void)arg;
    yk_stream *in;
    struct termios t;
    int err = yk_stream_stdin(&in);
    if (err)
        return err;
    err = yk_terminal_set_raw(in, true);
    yk_stream_close(in);
    return !err && tcgetattr(0, &t) == 0 && !(t.c_lflag & ICANON) ? 3 : 2;
}

static void on_old_handler(int sig)
{
    (void)sig;
    say("the old handler");
    _exit(33);
}

static const struct {
    const char *name;
    yk_task_fn app;
} modes[] = {
    { "returns", returns },      { "waits", waits },
    { "catches", catches },      { "computes", computes },
    { "leaves", leaves_a_task }, { "cancels-itself", cancelled_without_a_signal },
    { "takes", takes },          { "overflows", overflows },
    { "crashes", crashes },      { "crashes-caught", crashes },
    { "raw", leaves_it_raw },
};

int main(int argc, char **argv)
{
    alarm(120);
    if (argc < 2)
        return 98;
    usleep(1); /* ThreadSanitizer loses a signal that comes during a thread's first blocking call */
    signal(SIGSEGV, strcmp(argv[1], "crashes-caught") ? SIG_DFL : on_old_handler);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(argv[1], modes[i].name) == 0)
            return yk_main(argc, argv, modes[i].app, NULL);
    return 97;
}
