/* Subprocesses: libuv's process handle, with the ladder on a timer.
 *
 * A signal must not go to a process that has taken over the number of one that is gone. The child's
 * own number is its own until libuv has reaped it, on this thread, right before it calls on_exit();
 * that of its group, as long as the group has members: whether it has any is asked there and then.
 *
 * libuv reaps the handles that it knows and nobody else, so the zygote is not taken for a child.
 */
#include "subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "guest.h"
#include "internal.h"

#define GRACE_MS 250

struct yk_subprocess {
    yk__guest guest; /* the first member */
    uv_process_t handle;
    yk__timer ladder;
    yk_future *ended; /* its result is a yk_exit */
    yk_stream *streams[3];
    uint64_t grace_ms;
    pid_t pid;
    bool own_group;
    bool group_left; /* the child is gone, and others of its group may be signalled */
    bool killed;     /* all of them were */
    bool exited;
    bool stopping;   /* the ladder has begun */
    bool live;       /* the handle is, and with it the loop */
    bool given_back; /* by the program */
};

/* ---- Signals --------------------------------------------------------------------------------- */

static void signal_all(const yk_subprocess *p, int signum)
{
    if (p->own_group && (!p->exited || p->group_left))
        kill(-p->pid, signum);
    else if (!p->exited)
        kill(p->pid, signum);
}

int yk_subprocess_signal(yk_subprocess *p, int signum)
{
    if (p->exited)
        return UV_ESRCH;
    return kill(p->pid, signum) ? -errno : 0;
}

/* ---- The end --------------------------------------------------------------------------------- */

static void destroy(yk_subprocess *p)
{
    yk_future_unref(p->ended);
    free(p);
}

static void on_closed(uv_handle_t *handle)
{
    yk_subprocess *p = handle->data;
    p->live = false;
    yk__reactor_timer_release(&p->guest.loop->reactor, &p->ladder);
    yk__guest_farewell(&p->guest);
    if (p->given_back)
        destroy(p);
}

static void close_if_over(yk_subprocess *p)
{
    if (p->exited && !p->group_left && !uv_is_closing((uv_handle_t *)&p->handle))
        uv_close((uv_handle_t *)&p->handle, on_closed);
}

static void on_exit_of(uv_process_t *handle, int64_t code, int signum)
{
    yk_subprocess *p = handle->data;
    p->exited = true;
    p->group_left = p->own_group && !p->killed && (kill(-p->pid, 0) == 0 || errno == EPERM);
    yk_exit how = { .code = signum ? -1 : (int)code, .signal = signum };
    yk_future_set_result(p->ended, &how, sizeof how); /* fits without memory */
    if (!p->group_left)
        yk__reactor_timer_stop(&p->guest.loop->reactor, &p->ladder);
    close_if_over(p);
}

static void kill_all(yk_subprocess *p)
{
    signal_all(p, SIGKILL);
    p->killed = true;
    p->group_left = false;
    close_if_over(p);
}

static void ladder_fired(yk__timer *timer)
{
    kill_all((yk_subprocess *)((char *)timer - offsetof(yk_subprocess, ladder)));
}

void yk_subprocess_stop(yk_subprocess *p)
{
    if (p->stopping || !p->live || uv_is_closing((uv_handle_t *)&p->handle))
        return;
    p->stopping = true;
    signal_all(p, SIGTERM);
    yk__reactor_timer_set(&p->guest.loop->reactor, &p->ladder, yk_after_ms(p->grace_ms));
}

/* Without a ladder. Whoever outlives a child that ended by itself is left alone. */
static void end_now(yk_subprocess *p)
{
    if (!p->live || uv_is_closing((uv_handle_t *)&p->handle))
        return;
    yk__reactor_timer_stop(&p->guest.loop->reactor, &p->ladder);
    if (p->exited && !p->stopping)
        p->group_left = false;
    kill_all(p);
}

static void leave(yk__guest *guest)
{
    end_now((yk_subprocess *)guest);
}

static void close_streams(yk_subprocess *p)
{
    for (int i = 0; i < 3; i++) {
        if (p->streams[i])
            yk_stream_abort(p->streams[i]); /* nobody reads what is unsent */
        yk_stream_close(p->streams[i]);
        p->streams[i] = NULL;
    }
}

/* Those who wait hold references of their own. */
static void disappoint(yk_subprocess *p)
{
    if (yk_future_set_error(p->ended, YK_ECLOSED, NULL) == 0)
        yk_future_error(p->ended); /* so that nobody says that it was not looked at */
}

void yk_subprocess_free(yk_subprocess *p)
{
    if (!p)
        return;
    close_streams(p);
    disappoint(p);
    p->given_back = true;
    if (p->live)
        end_now(p);
    else
        destroy(p);
}

/* ---- The beginning --------------------------------------------------------------------------- */

/* What becomes of the three descriptors while the child is being made. */
struct plumbing {
    uv_stdio_container_t stdio[3];
    int childs[3]; /* the child's ends of pipes, -1 for none; closed when it has them */
};

static int open_pipe(yk_subprocess *p, struct plumbing *pl, int which)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return -errno;
    int ours = ends[which == 0], childs = ends[which != 0];
    int err = yk_stream_open(&p->streams[which], ours);
    if (err) {
        close(ours);
        close(childs);
        return err;
    }
    pl->childs[which] = childs;
    pl->stdio[which].flags = UV_INHERIT_FD;
    pl->stdio[which].data.fd = childs;
    return 0;
}

static int lay_one(yk_subprocess *p, struct plumbing *pl, int which, yk_stdio how, int fd)
{
    uv_stdio_container_t *to = &pl->stdio[which];
    switch (how) {
    case YK_IO_INHERIT:
        *to = (uv_stdio_container_t){ .flags = UV_INHERIT_FD, .data.fd = which };
        return 0;
    case YK_IO_NULL:
        *to = (uv_stdio_container_t){ .flags = UV_IGNORE };
        return 0;
    case YK_IO_PIPE:
        return open_pipe(p, pl, which);
    case YK_IO_FD:
        *to = (uv_stdio_container_t){ .flags = UV_INHERIT_FD, .data.fd = fd };
        return fd < 0 ? UV_EBADF : 0;
    case YK_IO_MERGE:
        *to = pl->stdio[1];
        return which == 2 ? 0 : UV_EINVAL;
    }
    return UV_EINVAL;
}

static int lay(yk_subprocess *p, struct plumbing *pl, const yk_subprocess_options *o)
{
    int err = lay_one(p, pl, 0, o->in, o->in_fd);
    if (!err)
        err = lay_one(p, pl, 1, o->out, o->out_fd);
    return err ? err : lay_one(p, pl, 2, o->err, o->err_fd);
}

static int spawn(yk_subprocess *p, struct plumbing *pl, const yk_subprocess_options *o)
{
    const char *const shell[] = { "/bin/sh", "-c", o->shell, NULL };
    const char *const *argv = o->argv ? o->argv : shell;
    uv_process_options_t u = {
        .exit_cb = on_exit_of,
        .file = argv[0],
        .args = (char **)argv,
        .env = (char **)o->environment,
        .cwd = o->directory,
        .flags = o->same_group ? 0 : UV_PROCESS_DETACHED,
        .stdio_count = 3,
        .stdio = pl->stdio,
    };
    p->handle.data = p;
    int err = uv_spawn(p->guest.loop->uv, &p->handle, &u);
    p->live = true; /* also where it failed */
    p->pid = p->handle.pid;
    uv_unref((uv_handle_t *)&p->handle); /* those who wait keep the loop going */
    return err;
}

/* For one that has not begun. The handle, once it is live, is libuv's until it is closed. */
static int give_up(yk_subprocess *p, int err)
{
    close_streams(p);
    disappoint(p);
    p->given_back = p->exited = true;
    if (p->live) {
        close_if_over(p);
        return err;
    }
    yk__reactor_timer_release(&p->guest.loop->reactor, &p->ladder);
    yk__guest_farewell(&p->guest);
    destroy(p);
    return err;
}

/* The handle with nothing in it, a guest of the loop's. */
static int new_subprocess(yk_loop *loop, const yk_subprocess_options *o, yk_subprocess **out)
{
    yk_subprocess *p = calloc(1, sizeof *p);
    if (!p)
        return UV_ENOMEM;
    p->guest.leave = leave;
    p->ladder.fired = ladder_fired;
    p->grace_ms = o->grace_ms ? o->grace_ms : GRACE_MS;
    p->own_group = !o->same_group;
    p->ended = yk_future_new();
    int err = p->ended ? yk__reactor_timer_reserve(&loop->reactor, &p->ladder) : UV_ENOMEM;
    if (!err && (err = yk__guest_welcome(&p->guest, loop)) != 0)
        yk__reactor_timer_release(&loop->reactor, &p->ladder);
    if (err) {
        yk_future_unref(p->ended);
        free(p);
        return err;
    }
    *out = p;
    return 0;
}

int yk_subprocess_start_opts(yk_subprocess **out, const yk_subprocess_options *o)
{
    yk_loop *loop = yk_loop_current();
    if (!loop || !o->argv == !o->shell || (o->argv && !o->argv[0]))
        return UV_EINVAL;
    yk_subprocess *p;
    int err = new_subprocess(loop, o, &p);
    if (err)
        return err;
    struct plumbing pl = { .childs = { -1, -1, -1 } };
    err = lay(p, &pl, o);
    if (!err)
        err = spawn(p, &pl, o);
    for (int i = 0; i < 3; i++)
        if (pl.childs[i] >= 0)
            close(pl.childs[i]);
    if (err)
        return give_up(p, err);
    *out = p;
    return 0;
}

/* ---- While it runs --------------------------------------------------------------------------- */

int yk_subprocess_pid(const yk_subprocess *p)
{
    return p->pid;
}

yk_stream *yk_subprocess_in(const yk_subprocess *p)
{
    return p->streams[0];
}

yk_stream *yk_subprocess_out(const yk_subprocess *p)
{
    return p->streams[1];
}

yk_stream *yk_subprocess_err(const yk_subprocess *p)
{
    return p->streams[2];
}

int yk_subprocess_wait(yk_subprocess *p, yk_exit *how, uint64_t deadline)
{
    yk_future *ended = yk_future_ref(p->ended);
    int err = yk__wait_for_end(ended, deadline);
    const yk_exit *exit = err ? NULL : yk_future_result(ended, NULL);
    if (exit && how)
        *how = *exit;
    yk_future_unref(ended);
    return err ? err : exit ? 0 : YK_ECLOSED;
}
