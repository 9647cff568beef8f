/* Waiting for descriptors: on the reactor's own epoll set in a task, by ppoll on a thread. */
#include "poll.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <time.h>
#include <uv.h>

#include "internal.h"

#define AT_ONCE 16 /* waits that did not wait */
#define BROKEN  (POLLHUP | POLLERR | POLLRDHUP)

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLHUP == POLLHUP &&
                   EPOLLERR == POLLERR && EPOLLRDHUP == POLLRDHUP,
               "one set of flags for both");

static short asked(int events)
{
    return (short)((events & YK_READABLE ? POLLIN : 0) | (events & YK_WRITABLE ? POLLOUT : 0));
}

static int answer(int events, uint32_t came)
{
    if (came & POLLNVAL)
        return UV_EBADF;
    if (came & BROKEN)
        return events;
    return (came & POLLIN ? YK_READABLE : 0) | (came & POLLOUT ? YK_WRITABLE : 0);
}

/* ---- On a thread ----------------------------------------------------------------------------- */

static const struct timespec *time_left(uint64_t deadline, struct timespec *t)
{
    if (deadline == YK_FOREVER)
        return NULL;
    uint64_t now = yk_now(), left = deadline > now ? deadline - now : 0;
    *t = (struct timespec){ (time_t)(left / 1000000000u), (long)(left % 1000000000u) };
    return t;
}

static int poll_on_thread(int fd, int events, uint64_t deadline)
{
    yk__blocking *b = yk__parker_blocking();
    struct timespec t;
    for (;;) {
        if (b && b->cancelled(b))
            return YK_ECANCELED;
        struct pollfd p = { .fd = fd, .events = asked(events) };
        int n = ppoll(&p, 1, time_left(deadline, &t), NULL);
        if (n > 0)
            return answer(events, (uint32_t)p.revents);
        if (n == 0)
            return UV_ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

/* ---- In a task ------------------------------------------------------------------------------- */

/* On the task's stack, in the epoll set until the task is told or gives up. */
struct waiting {
    yk__watch watch;
    yk__reactor *reactor;
    yk__parker *parker;
};

static void is_ready(yk__watch *watch)
{
    struct waiting *w = (struct waiting *)watch;
    yk__reactor_unwatch(w->reactor, watch);
    w->parker->unpark(w->parker);
}

static const yk__wait_kind for_descriptor = { "a descriptor", NULL };

static int poll_in_task(int fd, int events, uint64_t deadline, yk__parker *parker)
{
    struct waiting w = {
        .watch = { .fd = fd, .readable = is_ready, .events = (uint32_t)asked(events) },
        .reactor = yk__reactor_current(),
        .parker = parker
    };
    int err = yk__reactor_watch(w.reactor, &w.watch);
    if (err)
        return err == UV_EEXIST ? UV_EBUSY : err == UV_ENOSPC ? UV_ENOMEM : err;
    yk__parker_waits(parker, &for_descriptor, (void *)(uintptr_t)fd); /* NOLINT */
    err = parker->park(parker, deadline, true);
    if (err)
        yk__reactor_unwatch(w.reactor, &w.watch);
    return err ? err : answer(events, w.watch.came);
}

/* A task whose descriptor is always ready must not keep the loop from everything else, nor fail to
 * hear of its cancellation. */
static int give_way(void)
{
    static _Thread_local unsigned at_once;
    return yk_task_current() && ++at_once % AT_ONCE == 0 ? yk_yield() : 0;
}

int yk_poll(int fd, int events, uint64_t deadline)
{
    if (events == 0 || (events & ~(YK_READABLE | YK_WRITABLE)))
        return UV_EINVAL;
    struct pollfd p = { .fd = fd, .events = asked(events) };
    if (fd < 0)
        return UV_EBADF;
    if (poll(&p, 1, 0) > 0) {
        int err = deadline ? give_way() : 0;
        return err ? err : answer(events, (uint32_t)p.revents);
    }
    if (deadline == 0)
        return UV_ETIMEDOUT;
    yk__parker *parker = yk__parker_current();
    if (!parker)
        return YK_EONLOOP;
    return yk__parker_is_thread(parker) ? poll_on_thread(fd, events, deadline)
                                        : poll_in_task(fd, events, deadline, parker);
}
