/* Signals: a libuv handle that counts, and a queue in which those who wait stand in line for a
 * token. One who has a token takes whatever was counted by then; one who finds nothing, because
 * another took it all, gets in line again.
 *
 * libuv leaves a signal at its default when the last handle for it stops. What was there before the
 * first of ours is put back then.
 */
#include "signal.h"

#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "guest.h"
#include "internal.h"
#include "queue.h"

struct yk_signal {
    yk__guest guest; /* the first member */
    uv_signal_t handle;
    int signum;
    bool live;       /* the handle is, and with it the loop */
    bool given_back; /* by the program */
    unsigned inside; /* calls that are suspended in it */
    int count;
    yk_queue *tokens; /* one while there is something to be had */
};

/* ---- What was there before ------------------------------------------------------------------- */

/* Of each signal, how many are open in this process; all under the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    unsigned open;
    struct sigaction before;
} caught[NSIG];

static int start(yk_signal *s, uv_signal_cb fn)
{
    pthread_mutex_lock(&lock);
    if (caught[s->signum].open == 0)
        sigaction(s->signum, NULL, &caught[s->signum].before);
    int err = uv_signal_start(&s->handle, fn, s->signum);
    if (!err)
        caught[s->signum].open++;
    pthread_mutex_unlock(&lock);
    return err;
}

/* In the instant in which the signal has its default it must not come: not to this thread, then. */
static void stop(yk_signal *s)
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, s->signum);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    pthread_mutex_lock(&lock);
    uv_signal_stop(&s->handle);
    struct sigaction now;
    if (--caught[s->signum].open == 0 && sigaction(s->signum, NULL, &now) == 0 &&
        now.sa_handler == SIG_DFL)
        sigaction(s->signum, &caught[s->signum].before, NULL);
    pthread_mutex_unlock(&lock);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void free_if_over(yk_signal *s)
{
    if (s->live || !s->given_back || s->inside > 0)
        return;
    yk_queue_free(s->tokens);
    free(s);
}

static void on_closed(uv_handle_t *handle)
{
    yk_signal *s = handle->data;
    s->live = false;
    yk__guest_farewell(&s->guest);
    free_if_over(s);
}

static void close_handle(yk_signal *s)
{
    if (uv_is_closing((uv_handle_t *)&s->handle))
        return;
    stop(s);
    uv_close((uv_handle_t *)&s->handle, on_closed);
    yk_queue_shutdown(s->tokens, true);
}

static void leave(yk__guest *guest)
{
    close_handle((yk_signal *)guest);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    yk_signal *s = handle->data;
    (void)signum;
    if (s->count < INT_MAX)
        s->count++;
    if (yk_queue_len(s->tokens) == 0)
        yk_queue_put(s->tokens, &(char){ 0 }, 0);
}

static bool may_be_caught(int signum)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT };
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        if (signum == faults[i])
            return false;
    return signum > 0 && signum < NSIG && signum != SIGKILL && signum != SIGSTOP;
}

static int open_on(yk_signal *s, yk_loop *loop)
{
    int err = uv_signal_init(loop->uv, &s->handle);
    if (err)
        return err;
    s->live = true;
    s->handle.data = s;
    uv_unref((uv_handle_t *)&s->handle); /* those who wait keep the loop going */
    err = start(s, on_signal);
    if (err) {
        s->given_back = true;
        uv_close((uv_handle_t *)&s->handle, on_closed);
    }
    return err;
}

/* With the memory for one, so that none is lost later. */
static yk_queue *new_tokens(void)
{
    yk_queue *q = yk_queue_new(.item_size = 1, .capacity = 1);
    char token = 0;
    if (q && yk_queue_put(q, &token, 0) == 0 && yk_queue_get(q, &token, 0) == 0)
        return q;
    yk_queue_free(q);
    return NULL;
}

int yk_signal_open(yk_signal **signal, int signum)
{
    yk_loop *loop = yk_loop_current();
    if (!loop || !may_be_caught(signum))
        return UV_EINVAL;
    yk_signal *s = calloc(1, sizeof *s);
    if (!s)
        return UV_ENOMEM;
    s->signum = signum;
    s->guest.leave = leave;
    s->tokens = new_tokens();
    int err = s->tokens ? yk__guest_welcome(&s->guest, loop) : UV_ENOMEM;
    if (!err) {
        err = open_on(s, loop);
        if (err && s->live)
            return err;
        if (err)
            yk__guest_farewell(&s->guest);
    }
    if (err) {
        yk_queue_free(s->tokens);
        free(s);
        return err;
    }
    *signal = s;
    return 0;
}

void yk_signal_close(yk_signal *s)
{
    if (!s)
        return;
    s->given_back = true;
    if (s->live)
        close_handle(s);
    else
        free_if_over(s);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

int yk_signal_next(yk_signal *s, uint64_t deadline)
{
    if (s->live && !yk__loop_is_mine(s->guest.loop))
        return UV_EINVAL;
    if (deadline == 0 && s->live && s->count == 0)
        return UV_ETIMEDOUT;
    s->inside++;
    int err;
    do
        err = yk_queue_get(s->tokens, &(char){ 0 }, deadline);
    while (!err && s->count == 0);
    if (!err) {
        err = s->count;
        s->count = 0;
    }
    s->inside--;
    free_if_over(s);
    return err;
}
